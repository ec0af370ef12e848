# SPDX-License-Identifier: Apache-2.0
"""The library's loop inside asyncio's: its backend descriptor is watched, and its nearest timer armed."""

from __future__ import annotations

import asyncio
import itertools
import threading
from typing import Any, Callable, Optional

from ._native import UV_RUN_NOWAIT, callback, ffi, lib, uv

#: What C was given as `user`: the number stands for it. Numbers are never used again.
_lent: dict[int, Any] = {}
_numbers = itertools.count(1)


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
        self.asyncio = asyncio.get_running_loop()
        self.thread = threading.get_ident()
        self._memory = ffi.new("char[]", uv.uv_loop_size())
        self.uv = ffi.cast("uv_loop_t *", self._memory)
        if uv.uv_loop_init(self.uv) != 0:
            raise OSError("no loop can be made")
        self._turning = False
        self._soon = False
        self._timer: Optional[asyncio.TimerHandle] = None
        self.asyncio.add_reader(uv.uv_backend_fd(self.uv), self._turn)

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
        if self.uv is None or self._turning:
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
        uv.uv_update_time(self.uv)
        timeout = uv.uv_backend_timeout(self.uv)
        if timeout == 0:
            self.called()
        elif timeout > 0:
            self._timer = self.asyncio.call_later(timeout / 1000, self._turn)

    def release(self, function: Callable[[Any], None], pointer: Any) -> None:
        """For __del__, which may run on any thread."""
        if threading.get_ident() == self.thread:
            function(pointer)
            if self.uv is not None and not self.asyncio.is_closed():
                self.called()
        elif not self.asyncio.is_closed():
            self.asyncio.call_soon_threadsafe(function, pointer)

    def report(self, error: BaseException, what: str) -> None:
        """A callback of the program has raised: nobody waits for it."""
        self.asyncio.call_exception_handler({"message": f"libdaytona: {what} has raised", "exception": error})

    def close(self) -> None:
        """After the client has closed."""
        self.asyncio.remove_reader(uv.uv_backend_fd(self.uv))
        if self._timer is not None:
            self._timer.cancel()
        code = uv.uv_loop_close(self.uv)
        self.uv = None
        assert code == 0, "the library has left something on its loop"


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
