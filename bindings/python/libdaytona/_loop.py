# SPDX-License-Identifier: Apache-2.0
"""The library's loop inside asyncio's: its backend descriptor is watched, and its nearest timer armed."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
import weakref
from typing import Any, Callable, Optional

from ._native import UV_RUN_NOWAIT, callback, ffi, lib, take_raised, uv

#: What C was given as `user`: the number stands for it. Numbers are never used again.
_lent: dict[int, Any] = {}
_numbers = itertools.count(1)

#: Turns that a client gets to close in when asyncio's loop is gone.
LAST_TURNS = 100


def lend(value: Any) -> Any:
    """A `user` for C. It ends with take_back(), or with forget_user as its destroy hook."""
    number = next(_numbers)
    _lent[number] = value
    return ffi.cast("void *", number)


def lent(user: Any) -> Any:
    return _lent[int(ffi.cast("uintptr_t", user))]


def take_back(user: Any) -> Any:
    return _lent.pop(int(ffi.cast("uintptr_t", user)))


@callback("daytona_destroy_cb")
def forget_user(user: Any) -> None:
    take_back(user)


@callback("daytona_future_cb")
def on_settled(future: Any, user: Any) -> None:
    take_back(user)(future)


@callback("daytona_client_closed_cb")
def on_closed(user: Any) -> None:
    take_back(user)()


class Loop:
    """A libuv loop that is turned by the running asyncio loop, on its thread."""

    def __init__(self) -> None:
        self.uv: Any = None
        self.asyncio = asyncio.get_running_loop()
        self.thread = threading.get_ident()
        self.is_of_parent = False  #: a process that was forked has a copy of it, which must not be touched
        self._memory = ffi.new("char[]", uv.uv_loop_size())
        made = ffi.cast("uv_loop_t *", self._memory)
        if uv.uv_loop_init(made) != 0:
            raise OSError("no loop can be made")
        self.uv = made
        self._turning = False
        self._soon = False
        self._ends_when_idle = False
        self._timer: Optional[asyncio.TimerHandle] = None
        self._lent: list[Any] = []
        self.asyncio.add_reader(uv.uv_backend_fd(self.uv), self._turn)
        _loops.add(self)

    def lend(self, value: Any) -> Any:
        """A `user` for C until the client has closed."""
        self._lent.append(lend(value))
        return self._lent[-1]

    def _forget(self) -> None:
        while self._lent:
            take_back(self._lent.pop())

    def called(self) -> None:
        """A call was made: the loop may have something to do sooner than it was known."""
        if not self._soon and not self._turning:
            self._soon = True
            self.asyncio.call_soon(self._turn)

    def now(self) -> None:
        """Before a call: its timers begin from here."""
        if not self._turning:
            uv.uv_update_time(self.uv)

    def _turn(self) -> None:
        if self.uv is None or self._turning or self.is_of_parent:
            return
        self._soon = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._turning = True
        try:
            uv.uv_run(self.uv, UV_RUN_NOWAIT)
        finally:
            self._turning = False
        if self._ends_when_idle and not uv.uv_loop_alive(self.uv):
            self.close()
        else:
            self._arm()
        self._raise_what_was_kept()

    def _arm(self) -> None:
        uv.uv_update_time(self.uv)
        timeout = uv.uv_backend_timeout(self.uv)
        if timeout == 0:
            self.called()
        elif timeout > 0:
            self._timer = self.asyncio.call_later(timeout / 1000, self._turn)

    def _raise_what_was_kept(self) -> None:
        """An interrupt or an exit ends the program's loop, as it does in a callback of its own."""
        stops = None
        for error in take_raised():
            if isinstance(error, Exception):
                self.report(error, "a callback")
            else:
                stops = stops or error
        if stops is not None:
            raise stops

    def release(self, function: Callable[[Any], None], pointer: Any) -> None:
        """For __del__, which may run on any thread, after a fork, and after asyncio's loop."""
        if self.is_of_parent:
            return
        if threading.get_ident() == self.thread:
            function(pointer)
            if self.uv is not None and not self.asyncio.is_closed():
                self.called()
            return
        try:
            self.asyncio.call_soon_threadsafe(self.release, function, pointer)
        except RuntimeError:
            pass  # that loop is closed, and nobody else may release on its thread

    def report(self, error: BaseException, what: str) -> None:
        """A callback of the program has raised: nobody waits for it."""
        self.asyncio.call_exception_handler({"message": f"libdaytona: {what} has raised", "exception": error})

    def abandon(self, client: Any) -> None:
        """Nobody closes the client any more: close it, and end when that is done. On the loop's thread."""
        lib.daytona_client_close(client, ffi.NULL, ffi.NULL)
        lib.daytona_client_release(client)
        self._ends_when_idle = True
        if self.asyncio.is_closed():
            self._end_now()

    def _end_now(self) -> None:
        """Nobody turns the loop any more. What cannot end at once stays as it is: its memory is in use."""
        for _ in range(LAST_TURNS):
            if not uv.uv_run(self.uv, UV_RUN_NOWAIT):
                break
        if uv.uv_loop_alive(self.uv) or uv.uv_loop_close(self.uv) != 0:
            _kept.append(self._memory)
        else:
            self._forget()
        self.uv = None
        take_raised()  # the futures that they were for belong to the loop that is closed

    def __del__(self) -> None:
        if self.uv is None or self.is_of_parent:
            return
        if self._ends_when_idle and threading.get_ident() == self.thread:
            self._end_now()
        else:
            _kept.append(self._memory)

    def close(self) -> None:
        """After the client has closed."""
        self.asyncio.remove_reader(uv.uv_backend_fd(self.uv))
        if self._timer is not None:
            self._timer.cancel()
        code = uv.uv_loop_close(self.uv)
        self.uv = None
        self._forget()
        assert code == 0, "the library has left something on its loop"


_loops: weakref.WeakSet[Loop] = weakref.WeakSet()
#: Memory of loops that could not be closed. Clients that were leaked point into it.
_kept: list[Any] = []


def _after_fork() -> None:
    """The descriptors of the parent's loops are shared with it: turning one here would change what the parent waits for."""
    for loop in list(_loops):
        loop.is_of_parent = True


os.register_at_fork(after_in_child=_after_fork)


def settle(loop: Loop, pointer: Any, result: Callable[[Any], Any]) -> asyncio.Future[Any]:
    """An asyncio future for one of the library, whose reference it takes. Cancelling it cancels the operation."""
    from ._errors import error_of, error_of_code

    waiting: asyncio.Future[Any] = loop.asyncio.create_future()

    def settled(future: Any) -> None:
        if waiting.done():
            return
        why = lib.daytona_future_error(future)
        try:
            if why != ffi.NULL:
                waiting.set_exception(error_of(why))
            else:
                waiting.set_result(result(future))
        except Exception as error:  # a result that cannot be read must not keep anybody waiting
            if not waiting.done():
                waiting.set_exception(error)

    def done(_: asyncio.Future[Any]) -> None:
        if loop.is_of_parent:
            return
        if waiting.cancelled():
            lib.daytona_future_cancel(pointer)
        lib.daytona_future_release(pointer)
        loop.called()

    user = lend(settled)
    code = lib.daytona_future_on_settled(pointer, on_settled, user)
    if code != 0:
        take_back(user)
        lib.daytona_future_release(pointer)
        raise error_of_code(code)
    waiting.add_done_callback(done)
    loop.called()
    return waiting
