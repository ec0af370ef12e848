# SPDX-License-Identifier: Apache-2.0
"""Output as asynchronous iterators. A program that reads slowly pauses the stream, so little is kept."""

from __future__ import annotations

import asyncio
import collections
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Deque, Optional

from ._errors import check
from ._loop import Loop, forget_user, lend, lent, settle
from ._native import Record, callback, ffi, lib, text

if TYPE_CHECKING:
    from ._client import Sandbox

#: Bytes that are kept for a slow reader before the stream is paused; it resumes when half of them are read.
KEPT_BYTES = 256 * 1024


@dataclass(frozen=True)
class Output:
    stream: str  #: "stdout" or "stderr"; a terminal has stdout only
    data: bytes


@dataclass(frozen=True)
class StreamEnd:
    reason: str  #: "exited", "killed", "connection lost" and so on
    exit_code: Optional[int]
    message: str
    received_bytes: int
    dropped_bytes: int
    resumed_count: int
    has_gap: bool


def stream_end(future: Any) -> StreamEnd:
    end = lib.daytona_future_stream_end(future)
    return StreamEnd(text(lib.daytona_stream_reason_text(end.reason)) or "", end.exit_code if end.has_exit_code else None,
                     text(end.message) or "", end.received_bytes, end.dropped_bytes, end.resumed_count, end.has_gap)


def output_of(output: Any) -> Output:
    return Output("stderr" if output.stream == lib.DAYTONA_OUTPUT_STDERR else "stdout", bytes(ffi.buffer(output.bytes, output.size)))


@callback("daytona_output_cb")
def on_output(output: Any, user: Any) -> None:
    lent(user)(output_of(output))


@callback("daytona_pty_drained_cb")
def on_drained(_: Any, user: Any) -> None:
    lent(user).drained()


class Reader:
    """What has arrived and was not read. `pause` and `resume` act on the stream."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.kept: Deque[Output] = collections.deque()
        self.kept_bytes = 0
        self.is_paused = False
        self.has_ended = False
        self.pause: Callable[[], Any] = lambda: None
        self.resume: Callable[[], Any] = lambda: None
        self._waiting: Optional[asyncio.Future[None]] = None
        self._draining: Optional[asyncio.Future[None]] = None

    def __call__(self, output: Output) -> None:
        if self.has_ended:
            return  # nobody reads it any more
        self.kept.append(output)
        self.kept_bytes += len(output.data)
        if self.kept_bytes > KEPT_BYTES and not self.is_paused:
            self.is_paused = True
            self.pause()
        self._wake()

    def drained(self) -> None:
        if self._draining is not None and not self._draining.done():
            self._draining.set_result(None)

    async def wait_for_drained(self) -> None:
        if not self.has_ended:
            if self._draining is None or self._draining.done():
                self._draining = self.loop.asyncio.create_future()
            await asyncio.shield(self._draining)

    def end(self) -> None:
        self.has_ended = True
        self._wake()
        self.drained()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def next(self) -> Optional[Output]:
        """The next piece, or None at the end."""
        while not self.kept:
            if self.has_ended:
                return None
            if self._waiting is None or self._waiting.done():
                self._waiting = self.loop.asyncio.create_future()
            await asyncio.shield(self._waiting)  # others may wait for the same
        output = self.kept.popleft()
        self.kept_bytes -= len(output.data)
        if self.is_paused and self.kept_bytes <= KEPT_BYTES // 2:
            self.is_paused = False
            self.resume()
            self.loop.called()
        return output


class Follow:
    """A log that is followed: `async for` gives its pieces, wait() how it ended. Leaving `async with` ends the follow."""

    def __init__(self, sandbox: "Sandbox", function: str, arguments: list[str], options: dict[str, Any]) -> None:
        loop = sandbox._client._open()
        reader = Reader(loop)
        options = dict(options, on_stdout=on_output, on_stderr=on_output, user=lend(reader), destroy_user=forget_user)
        pointer = sandbox._client._start(function, [sandbox._pointer, *arguments], options)
        end: asyncio.Future[StreamEnd] = settle(loop, pointer, stream_end)
        reader.pause = lambda: lib.daytona_future_pause(pointer)
        reader.resume = lambda: None if end.done() else lib.daytona_future_resume(pointer)
        end.add_done_callback(lambda done: ended(done, reader))
        self._sandbox, self._reader, self._end = sandbox, reader, end

    def __del__(self) -> None:
        if hasattr(self, "_end"):
            self._reader.loop.release(cancel, self._end)

    async def __aenter__(self) -> "Follow":
        return self

    async def __aexit__(self, *_: Any) -> None:
        self.cancel()

    def cancel(self) -> None:
        """End the follow; the command continues."""
        self._end.cancel()

    async def __aiter__(self) -> AsyncIterator[Output]:
        while True:
            output = await self._reader.next()
            if output is None:
                break
            yield output
        if not self._end.cancelled():
            self._end.result()  # a follow that has failed ends with its exception

    async def wait(self) -> StreamEnd:
        """How it ended. What is not read keeps it waiting: read, or use this after the loop."""
        return await asyncio.shield(self._end)


def cancel(end: asyncio.Future[Any]) -> None:
    if not end.get_loop().is_closed():
        end.cancel()


def ended(end: asyncio.Future[Any], reader: Reader) -> None:
    if not end.cancelled():
        end.exception()  # asked for here, so that nobody is told that nobody has
    reader.end()


def detach(pointer: Any) -> None:
    """The terminal's wait holds a reference too, so releasing ours is not enough; its outcome would wait for a resume."""
    lib.daytona_pty_disconnect(pointer)
    lib.daytona_pty_resume(pointer)
    lib.daytona_pty_release(pointer)


class Pty:
    """A terminal. `async for` gives what it prints; leaving `async with` detaches, and its process keeps running."""

    def __init__(self, sandbox: "Sandbox", pointer: Any, reader: Reader) -> None:
        self._sandbox = sandbox
        self._pointer = pointer
        self._reader = reader
        self._loop = reader.loop
        reader.pause = lambda: lib.daytona_pty_pause(pointer)
        reader.resume = lambda: lib.daytona_pty_resume(pointer)
        if reader.is_paused:
            reader.pause()
        self.id = text(lib.daytona_pty_id(pointer)) or ""
        self._end: asyncio.Future[StreamEnd] = settle(self._loop, lib.daytona_pty_wait(pointer), stream_end)
        self._end.add_done_callback(lambda end: ended(end, reader))

    async def __aenter__(self) -> "Pty":
        return self

    async def __aexit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            self._loop.release(detach, pointer)

    def close(self) -> None:
        """Detach. What has arrived can still be read, and wait() says "closed"."""
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            self._reader.pause = self._reader.resume = lambda: None
            self._reader.end()
            self._loop.release(detach, pointer)

    def write(self, data: bytes) -> None:
        """Queues all of it, or raises: LimitError when 4 MiB of input are waiting, see drained(). Longer data never fits at once."""
        if self._pointer is None:
            check(lib.DAYTONA_ECONNECTION)
        check(lib.daytona_pty_write(self._pointer, ffi.from_buffer(data), len(data)))
        self._loop.called()

    async def drained(self) -> None:
        """After a write that raised LimitError because of what is queued: until all of that was sent, or the terminal has ended."""
        await self._reader.wait_for_drained()

    @property
    def is_connected(self) -> bool:
        return self._pointer is not None and bool(lib.daytona_pty_is_connected(self._pointer))

    async def resize(self, cols: int, rows: int) -> Record:
        """Its facts after that: the fields of daytona_pty_info_t."""
        info: Record = await self._sandbox.call("pty_resize", self.id, cols, rows)
        return info

    async def kill(self) -> None:
        await self._sandbox.call("pty_kill", self.id)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            output = await self._reader.next()
            if output is None:
                return
            yield output.data

    async def wait(self) -> StreamEnd:
        """How it ended. What is not read keeps it waiting: read, or use this after the loop."""
        return await asyncio.shield(self._end)
