# SPDX-License-Identifier: Apache-2.0
"""Files as they come and go: chunks of an iterator to the sandbox, and chunks of a file as an iterator."""

from __future__ import annotations

import asyncio
import collections
import os
from typing import TYPE_CHECKING, Any, AsyncIterable, AsyncIterator, Callable, Deque, Iterable, Optional, Union

from ._errors import error_of_code
from ._loop import Loop, forget_user, lend, lent, settle
from ._native import callback, ffi, lib
from ._streams import KEPT_BYTES, Output, Reader, cancel, ended

if TYPE_CHECKING:
    from ._client import Sandbox

LocalPath = Union[str, "os.PathLike[str]"]
#: Called with the bytes so far, and with the bytes of all: None while that is not known.
OnProgress = Callable[[int, Optional[int]], None]

#: Bytes that are taken from an iterator before the network has taken them.
AHEAD_BYTES = 256 * 1024

SOURCE_WAIT, SOURCE_FAIL = -1, -2


class Transfer:
    """What a transfer needs as long as it goes on."""

    def __init__(self, loop: Loop, on_progress: Optional[OnProgress], held: tuple[Any, ...]) -> None:
        self.loop, self.on_progress, self.held = loop, on_progress, held

    def report(self, progress: Any) -> None:
        assert self.on_progress is not None
        try:
            self.on_progress(progress.bytes, None if progress.total < 0 else progress.total)
        except Exception as error:
            self.loop.report(error, "on_progress")


@callback("daytona_fs_progress_cb")
def on_transfer(progress: Any, user: Any) -> None:
    lent(user).report(progress)


# --- downloads ---

@callback("daytona_fs_sink_cb")
def on_chunk(data: Any, size: int, user: Any) -> int:
    reader: Reader = lent(user)
    if reader.kept_bytes >= KEPT_BYTES and not reader.has_ended:
        reader.is_paused = True
        return 0  # it stops until the reader has room, and delivers these bytes again
    reader(Output("stdout", bytes(ffi.buffer(data, size))))
    return size


class Download:
    """A file that is downloaded: `async for` gives its bytes. Leaving `async with` ends the download."""

    def __init__(self, sandbox: "Sandbox", path: str, options: dict[str, Any]) -> None:
        loop = sandbox._client._open()
        reader = Reader(loop)
        options = dict(options, destroy_stream_user=forget_user)
        arguments = [sandbox._pointer, path, on_chunk, lend(reader)]
        pointer = sandbox._client._start("fs_download_file_stream", arguments, options)
        end: asyncio.Future[None] = settle(loop, pointer, lambda _: None)
        reader.resume = lambda: None if end.done() else lib.daytona_future_resume(pointer)
        end.add_done_callback(lambda done: ended(done, reader))
        self._sandbox, self._reader, self._end = sandbox, reader, end

    def __del__(self) -> None:
        if hasattr(self, "_end"):
            self._reader.loop.release(cancel, self._end)

    async def __aenter__(self) -> "Download":
        return self

    async def __aexit__(self, *_: Any) -> None:
        self.cancel()

    def cancel(self) -> None:
        self._end.cancel()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            output = await self._reader.next()
            if output is None:
                break
            yield output.data
        if self._end.cancelled():
            raise error_of_code(lib.DAYTONA_ECANCELED)  # what was read is no whole file
        self._end.result()


# --- uploads ---

class Source:
    """Chunks that wait to be sent."""

    def __init__(self) -> None:
        self.chunks: Deque[memoryview] = collections.deque()
        self.size = 0
        self.has_ended = False
        self.has_failed = False
        self.failure: Optional[Exception] = None
        self.wants_more: Optional[asyncio.Future[None]] = None

    def fill(self, buffer: Any, size: int) -> int:
        if self.has_failed:
            return SOURCE_FAIL
        if not self.chunks:
            return 0 if self.has_ended else SOURCE_WAIT
        chunk = self.chunks.popleft()
        part, rest = chunk[:size], chunk[size:]
        ffi.memmove(buffer, part, len(part))
        if len(rest) != 0:
            self.chunks.appendleft(rest)
        self.size -= len(part)
        if self.size < AHEAD_BYTES and self.wants_more is not None and not self.wants_more.done():
            self.wants_more.set_result(None)
        return len(part)


@callback("daytona_fs_source_cb", SOURCE_FAIL)
def on_room(buffer: Any, size: int, user: Any) -> int:
    source: Source = lent(user)
    return source.fill(buffer, size)


async def each(chunks: Union[Iterable[bytes], AsyncIterable[bytes]]) -> AsyncIterator[bytes]:
    if isinstance(chunks, AsyncIterable):
        async for chunk in chunks:
            yield chunk
    else:
        for chunk in chunks:
            yield chunk


async def pump(loop: Loop, source: Source, chunks: Union[Iterable[bytes], AsyncIterable[bytes]], resume: Callable[[], Any]) -> None:
    """Takes chunks from the iterator as the network has room for them."""
    try:
        async for chunk in each(chunks):
            if not isinstance(chunk, (bytes, bytearray, memoryview)):
                raise TypeError(f"a chunk is bytes, not {chunk!r}")
            kept = bytes(chunk)
            if not kept:
                continue
            source.chunks.append(memoryview(kept))
            source.size += len(kept)
            resume()
            loop.called()
            if source.size >= AHEAD_BYTES:
                source.wants_more = loop.asyncio.create_future()
                await source.wants_more
        source.has_ended = True
    except Exception as error:
        source.failure = error
    finally:
        source.has_failed = not source.has_ended
        resume()
        loop.called()


def upload_stream(sandbox: "Sandbox", chunks: Union[Iterable[bytes], AsyncIterable[bytes]], path: str,
                  options: dict[str, Any]) -> asyncio.Future[None]:
    loop = sandbox._client._open()
    source = Source()
    options = dict(options, destroy_stream_user=forget_user)
    arguments = [sandbox._pointer, on_room, lend(source), path]
    pointer = sandbox._client._start("fs_upload_file_stream", arguments, options)
    sent: asyncio.Future[None] = settle(loop, pointer, lambda _: None)
    pumping = loop.asyncio.create_task(pump(loop, source, chunks, lambda: None if sent.done() else lib.daytona_future_resume(pointer)))
    outcome: asyncio.Future[None] = loop.asyncio.create_future()

    def end(_: asyncio.Future[None]) -> None:
        pumping.cancel()
        refused = None if sent.cancelled() else sent.exception()
        failure = refused and (source.failure or refused)
        if outcome.done():
            pass
        elif failure is not None:
            outcome.set_exception(failure)
        elif sent.cancelled():
            outcome.cancel()
        else:
            outcome.set_result(None)
    sent.add_done_callback(end)
    outcome.add_done_callback(lambda _: sent.cancel() if outcome.cancelled() else None)
    return outcome
