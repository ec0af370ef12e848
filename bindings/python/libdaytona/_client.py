# SPDX-License-Identifier: Apache-2.0
"""Clients and sandboxes."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
import warnings
from dataclasses import dataclass
from typing import Any, AsyncIterable, AsyncIterator, Callable, Iterable, Optional, TypeVar, Union

from ._errors import DaytonaError, check, error_of_code
from ._images import BuildEvent, Image, built_for
from ._loop import Loop, forget_user, lend, lent, on_closed, settle, take_back
from ._native import SANDBOX, VOID_POINTER, Record, arguments_of, c_text, callback, ffi, lib, put, python_value, record, text
from ._streams import Follow, Output, Pty, Reader, on_drained, on_output
from ._transfers import Download, LocalPath, OnProgress, Transfer, on_transfer, upload_stream

Future = asyncio.Future
T = TypeVar("T")


@dataclass(frozen=True)
class ExecResult:
    exit_code: int
    result: str  #: what it printed, stdout and stderr together


@dataclass(frozen=True)
class FileInfo:
    name: str
    path: Optional[str]
    size: int
    is_dir: bool
    mode: Optional[str]
    permissions: Optional[str]
    owner: Optional[str]
    group: Optional[str]
    modified_at: Optional[str]


@dataclass(frozen=True)
class FileResult:
    """One file of many."""
    path: str
    data: bytes  #: of a download to memory
    size: int
    error: Optional[DaytonaError]


@dataclass(frozen=True)
class SessionResult:
    command_id: str
    exit_code: Optional[int]  #: None: started with run_async
    out: bytes
    err: bytes


@dataclass(frozen=True)
class RunError:
    name: str
    value: str
    traceback: str


@dataclass(frozen=True)
class RunResult:
    out: bytes
    err: bytes
    error: Optional[RunError]  #: an exception of the code


def shaped(cls: type[T], values: Any) -> T:
    """A data class of a record that has more."""
    given = values.__dict__
    return cls(**{name: given[name] for name in cls.__dataclass_fields__})  # type: ignore[attr-defined]


LEVELS = {lib.DAYTONA_LOG_ERROR: logging.ERROR, lib.DAYTONA_LOG_WARN: logging.WARNING, lib.DAYTONA_LOG_INFO: logging.INFO}


@callback("daytona_log_cb")
def on_log(level: int, line: Any, user: Any) -> None:
    lent(user)(LEVELS.get(level, logging.DEBUG), text(line))


@functools.lru_cache(maxsize=None)
def result_of(kind: Optional[str]) -> tuple[Callable[[Any], Any], Any]:
    accessor = getattr(lib, f"daytona_future_{kind}")
    return accessor, ffi.typeof(accessor).result


class Client:
    """A client, on the asyncio loop that runs. `async with` closes it.

    The keywords are the fields of daytona_config_t; what is not given comes from the environment. `log` is called with the
    level, such as logging.INFO, and one line. Every call returns an asyncio future; cancelling that cancels the call. Use it on the loop's thread only.
    """

    def __init__(self, *, log: Optional[Callable[[int, str], None]] = None, **config: Any) -> None:
        keep: list[Any] = []
        given = ffi.new("daytona_config_t *")
        put(given, config, keep)
        loop = Loop()
        if log is not None:
            given.log, given.log_user = on_log, loop.lend(log)
        out = ffi.new("daytona_client_t **")
        code = lib.daytona_client_new(loop.uv, given, out)
        if code != 0:
            reason = ffi.new("char[]", 256)
            lib.daytona_config_check(given, reason, 256)
            loop.close()
            raise error_of_code(code, text(reason) or None)
        self._loop = loop
        self._pointer = out[0]
        self._closed: Optional[asyncio.Future[None]] = None

    def __del__(self) -> None:
        loop: Optional[Loop] = getattr(self, "_loop", None)
        if loop is None or loop.is_of_parent or self._closed is not None:
            return
        warnings.warn("a libdaytona.Client was not closed", ResourceWarning, source=self)
        loop.release(loop.abandon, self._pointer)

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()

    async def close(self) -> None:
        """Calls that are pending fail with ClosedError; sandboxes on the server are left as they are."""
        if self._closed is None:
            self._closed = self._begin_close(self._open())
        await asyncio.shield(self._closed)

    def _begin_close(self, loop: Loop) -> asyncio.Future[None]:
        closed: asyncio.Future[None] = loop.asyncio.create_future()

        def end() -> None:
            lib.daytona_client_release(self._pointer)
            loop.close()
            closed.set_result(None)
        # The library's loop cannot be closed within its own callback.
        lib.daytona_client_close(self._pointer, on_closed, lend(lambda: loop.asyncio.call_soon(end)))
        loop.called()
        return closed

    def _open(self) -> Loop:
        if self._loop.is_of_parent:
            raise error_of_code(lib.DAYTONA_ECLOSED, "this client belongs to the process before the fork: make one in this process")
        if threading.get_ident() != self._loop.thread:
            raise error_of_code(lib.DAYTONA_ETHREAD)
        if self._closed is not None:
            raise error_of_code(lib.DAYTONA_ECLOSED)
        return self._loop

    def _start(self, name: str, arguments: list[Any], options: dict[str, Any]) -> Any:
        """Makes the call daytona_NAME(): its future, with the reference."""
        try:
            made = self._prepare(name, arguments, options)
        except Exception:  # it was not made, so its destroy hook will not be called
            for each in (options, options.get("attach") or {}):
                if each.get("destroy_user") is forget_user:
                    take_back(each["user"])
            for argument_ in arguments:
                if isinstance(argument_, ffi.CData) and ffi.typeof(argument_) == VOID_POINTER:
                    take_back(argument_)
            raise
        return made()

    def _prepare(self, name: str, arguments: list[Any], options: dict[str, Any]) -> Callable[[], Any]:
        loop = self._open()
        keep: list[Any] = []
        function, passed = arguments_of(name, arguments, options, keep)
        loop.now()

        def make() -> Any:
            made = function(*passed)
            keep.clear()  # the call has copied it
            return made
        return make

    def _result(self, future: Any) -> Any:
        """What a future of any call has settled with: its kind names the accessor."""
        kind = text(lib.daytona_future_kind(future))
        if kind == "none" or lib.daytona_future_is_absent(future):
            return None
        accessor, result = result_of(kind)
        return python_value(result, accessor(future), {SANDBOX: self._sandbox_of})

    def _sandbox_of(self, pointer: Any) -> "Sandbox":
        return Sandbox(self, lib.daytona_sandbox_retain(pointer))

    def call(self, function: str, *arguments: Any, **options: Any) -> Future[Any]:
        """Any call of the library that begins with the client: call("volume_list") is daytona_volume_list().

        Arguments and options are those of the header, the options by the names of their fields.
        """
        return self._call(function, [self._pointer, *arguments], options, lambda result: result)

    def _call(self, function: str, arguments: list[Any], options: dict[str, Any], shape: Callable[[Any], T]) -> Future[T]:
        pointer = self._start(function, arguments, options)
        return settle(self._open(), pointer, lambda future: shape(self._result(future)))

    def create(self, *, image: Optional[Image] = None, on_build: Optional[Callable[[BuildEvent], None]] = None,
               **options: Any) -> Future["Sandbox"]:
        """A new sandbox, started. The options are the fields of daytona_sandbox_create_opts_t. As `async with`: see sandbox()."""
        return self.call("sandbox_create", **options, **built_for(self._open(), on_build, image))

    def create_snapshot(self, name: str, *, image: Optional[Image] = None, on_build: Optional[Callable[[BuildEvent], None]] = None,
                        **options: Any) -> Future[Record]:
        """A new snapshot, active. The options are the fields of daytona_snapshot_create_opts_t."""
        return self.call("snapshot_create", name, **options, **built_for(self._open(), on_build, image))

    def get(self, id_or_name: str, **options: Any) -> Future["Sandbox"]:
        return self.call("sandbox_get", id_or_name, **options)

    def sandbox(self, **options: Any) -> "NewSandbox":
        """`async with client.sandbox() as sandbox:` creates one, and deletes it at the end."""
        return NewSandbox(self, options)

    async def sandboxes(self, **query: Any) -> AsyncIterator["Sandbox"]:
        """All sandboxes that match the fields of daytona_sandbox_query_t."""
        loop = self._open()
        keep: list[Any] = []
        asked = ffi.new("daytona_sandbox_query_t *")
        put(asked, query, keep)
        out = ffi.new("daytona_sandbox_iter_t **")
        check(lib.daytona_sandbox_iter_new(self._pointer, asked, out))
        try:
            while True:
                found = await settle(loop, lib.daytona_sandbox_iter_next(out[0]), self._result)
                if found is None:
                    return
                yield found
        finally:
            loop.release(lib.daytona_sandbox_iter_release, out[0])


def file_results(all: list[Record]) -> list[FileResult]:
    def outcome(error: Optional[Record]) -> Optional[DaytonaError]:
        return error_of_code(error.code, error.message) if error is not None else None
    return [FileResult(each.path, each.bytes, each.size, outcome(each.error)) for each in all]


class NewSandbox:
    def __init__(self, client: Client, options: dict[str, Any]) -> None:
        self._client, self._options = client, options

    async def __aenter__(self) -> "Sandbox":
        self._sandbox = await self._client.create(**self._options)
        return self._sandbox

    async def __aexit__(self, *_: Any) -> None:
        await self._sandbox.delete()


class Sandbox:
    """A sandbox. The object may go; the one on the server stays."""

    def __init__(self, client: Client, pointer: Any) -> None:
        self._client = client
        self._pointer = pointer
        self._loop = client._loop

    def __del__(self) -> None:
        self._loop.release(lib.daytona_sandbox_release, self._pointer)

    @property
    def id(self) -> str:
        return text(lib.daytona_sandbox_id(self._pointer)) or ""

    @property
    def state(self) -> str:
        return text(lib.daytona_sandbox_state_name(lib.daytona_sandbox_state(self._pointer))) or ""

    @property
    def info(self) -> Record:
        """A copy of what the server reported last: the fields of daytona_sandbox_info_t."""
        return Record(record(lib.daytona_sandbox_info(self._pointer)[0], {}))

    def call(self, function: str, *arguments: Any, **options: Any) -> Future[Any]:
        """Any call of the library that begins with a sandbox: call("git_get_status", "repo") is daytona_git_get_status()."""
        return self._client._call(function, [self._pointer, *arguments], options, lambda result: result)

    def _shaped(self, cls: type[T], function: str, *arguments: Any, **options: Any) -> Future[T]:
        return self._client._call(function, [self._pointer, *arguments], options, lambda result: shaped(cls, result))

    # --- life ---

    def start(self, **options: Any) -> Future[Any]:
        return self.call("sandbox_start", **options)

    def stop(self, **options: Any) -> Future[Any]:
        return self.call("sandbox_stop", **options)

    def delete(self, **options: Any) -> Future[Any]:
        return self.call("sandbox_delete", **options)

    # --- processes ---

    def exec(self, command: str, *, cwd: Optional[str] = None, env: Optional[dict[str, str]] = None,
             timeout_ms: int = 0, **options: Any) -> Future[ExecResult]:
        return self._shaped(ExecResult, "process_exec", command, cwd=cwd, env=env, timeout_ms=timeout_ms, **options)

    def code_run(self, code: str, **options: Any) -> Future[ExecResult]:
        return self._shaped(ExecResult, "process_code_run", code, **options)

    # --- files ---

    def upload(self, data: Union[bytes, bytearray, memoryview], path: str, *, on_progress: Optional[OnProgress] = None,
               **options: Any) -> Future[None]:
        """Bytes that can change are copied."""
        kept = bytes(data)
        return self.call("fs_upload", ffi.from_buffer(kept), len(kept), path, **options, **self._reported(on_progress, kept))

    def upload_file(self, local_path: LocalPath, path: str, *, on_progress: Optional[OnProgress] = None, **options: Any) -> Future[None]:
        return self.call("fs_upload_file", local_path, path, **options, **self._reported(on_progress))

    def upload_stream(self, chunks: Union[Iterable[bytes], AsyncIterable[bytes]], path: str, *,
                      on_progress: Optional[OnProgress] = None, **options: Any) -> Future[None]:
        """Upload what an iterator gives, while it gives it. An exception of the iterator fails the upload, and comes out of it."""
        return upload_stream(self, chunks, path, dict(options, **self._reported(on_progress)))

    def download(self, path: str, *, on_progress: Optional[OnProgress] = None, **options: Any) -> Future[bytes]:
        return self.call("fs_download", path, **options, **self._reported(on_progress))

    def download_file(self, path: str, local_path: LocalPath, *, on_progress: Optional[OnProgress] = None,
                      **options: Any) -> Future[None]:
        return self.call("fs_download_file", path, local_path, **options, **self._reported(on_progress))

    def download_stream(self, path: str, *, on_progress: Optional[OnProgress] = None, **options: Any) -> Download:
        """`async with sandbox.download_stream(path) as chunks: async for chunk in chunks: ...`"""
        return Download(self, path, dict(options, **self._reported(on_progress)))

    def _reported(self, on_progress: Optional[OnProgress], *held: Any) -> dict[str, Any]:
        """Options that report progress, and hold what C borrows until it is done with it."""
        if on_progress is None and not held:
            return {}
        self._client._open()  # what is lent is taken back by the call only
        user = lend(Transfer(self._loop, on_progress, held))
        return {"user": user, "destroy_user": forget_user, **({"on_progress": on_transfer} if on_progress else {})}

    def upload_files(self, files: dict[str, Union[bytes, LocalPath]], *, on_progress: Optional[OnProgress] = None,
                     **options: Any) -> Future[list[FileResult]]:
        """Many files with one request, by their paths in the sandbox: bytes, or the path of a local file. Each has an outcome of its own."""
        held = [data for data in files.values() if isinstance(data, bytes)]
        items = [{"destination": path, "bytes": ffi.from_buffer(data), "size": len(data)} if isinstance(data, bytes)
                 else {"destination": path, "local_path": data} for path, data in files.items()]
        return self._client._call("fs_upload_files", [self._pointer, items, len(items)],
                                  dict(options, **self._reported(on_progress, held)), file_results)

    def download_files(self, paths: Iterable[Union[str, tuple[str, LocalPath]]], *, on_progress: Optional[OnProgress] = None,
                       **options: Any) -> Future[list[FileResult]]:
        """Many files with one request: to memory, or with a pair to a local path. Each has an outcome of its own."""
        items = [{"source": path} if isinstance(path, str) else {"source": path[0], "local_path": path[1]} for path in paths]
        return self._client._call("fs_download_files", [self._pointer, items, len(items)],
                                  dict(options, **self._reported(on_progress)), file_results)

    def create_folder(self, path: str, mode: str = "755") -> Future[None]:
        return self.call("fs_create_folder", path, mode)

    def delete_file(self, path: str, *, recursive: bool = False) -> Future[None]:
        return self.call("fs_delete_file", path, is_recursive=recursive)

    def move_files(self, source: str, destination: str) -> Future[None]:
        return self.call("fs_move_files", source, destination)

    def list_files(self, path: str, **options: Any) -> Future[list[FileInfo]]:
        return self._client._call("fs_list_files", [self._pointer, path], options, lambda all: [shaped(FileInfo, each) for each in all])

    def file_info(self, path: str, **options: Any) -> Future[FileInfo]:
        return self._shaped(FileInfo, "fs_get_file_info", path, **options)

    # --- sessions ---

    def create_session(self, session: str) -> Future[None]:
        return self.call("session_create", session)

    def delete_session(self, session: str) -> Future[None]:
        return self.call("session_delete", session)

    def session_exec(self, session: str, command: str, **options: Any) -> Future[SessionResult]:
        def shape(result: Any) -> SessionResult:
            return SessionResult(result.command_id, result.exit_code, result.logs.out, result.logs.err)
        return self._client._call("session_exec", [self._pointer, session, command], options, shape)

    def follow(self, session: str, command_id: str, **options: Any) -> Follow:
        """The log of a command, from its beginning: `async with sandbox.follow(session, command) as log: async for part in log: ...`"""
        return Follow(self, "session_follow", [session, command_id], options)

    def follow_entrypoint(self, **options: Any) -> Follow:
        """The log of what the sandbox was started with."""
        return Follow(self, "session_follow_entrypoint", [], options)

    def session_input(self, session: str, command_id: str, data: str) -> Future[None]:
        """Input of a command; a newline is added where there is none."""
        return self.call("session_send_input", session, command_id, data)

    # --- interpreter ---

    def run_code(self, code: str, *, on_output: Optional[Callable[[Output], None]] = None, **options: Any) -> Future[RunResult]:
        """Run code in a context of the interpreter. `on_output` is called with each piece as it arrives."""
        if on_output is not None:
            options.update(heard_by(self._loop, on_output))

        def shape(result: Any) -> RunResult:
            return RunResult(result.out, result.err, result.error and shaped(RunError, result.error))
        return self._client._call("interpreter_run_code", [self._pointer, code], options, shape)

    # --- language servers ---

    def lsp(self, language: str, project: str) -> Lsp:
        """A language server of a folder: `await server.call("start")` starts it."""
        out = ffi.new("daytona_lsp_t **")
        keep: list[Any] = []
        self._client._open()
        check(lib.daytona_lsp_new(self._pointer, c_text(language, keep), c_text(project, keep), out))
        return Lsp(self, out[0])

    # --- terminals ---

    async def connect_pty(self, id: str, **options: Any) -> Pty:
        """Attach to a terminal that exists. Options: the fields of daytona_pty_attach_t."""
        return await self._attached("pty_connect", [id], {"attach": options})

    async def pty(self, **options: Any) -> Pty:
        """A new terminal: `async with await sandbox.pty(cols=100) as pty:`. Fields of daytona_pty_create_opts_t."""
        return await self._attached("pty_create", [], options)

    async def _attached(self, function: str, arguments: list[Any], options: dict[str, Any]) -> Pty:
        loop = self._client._open()
        reader = Reader(loop)
        options["attach"] = dict(options.get("attach", {}), on_output=on_output, on_drained=on_drained, user=lend(reader),
                                 destroy_user=forget_user)
        pointer = self._client._start(function, [self._pointer, *arguments], options)

        def attached(future: Any) -> Pty:
            return Pty(self, lib.daytona_pty_retain(lib.daytona_future_pty(future)), reader)
        made: Pty = await settle(loop, pointer, attached)
        return made


class Lsp:
    """A language server of a folder of a sandbox."""

    def __init__(self, sandbox: Sandbox, pointer: Any) -> None:
        self._sandbox, self._pointer = sandbox, pointer

    def __del__(self) -> None:
        self._sandbox._loop.release(lib.daytona_lsp_release, self._pointer)

    def call(self, function: str, *arguments: Any, **options: Any) -> Future[Any]:
        """Any call that begins with a language server: call("did_open", path) is daytona_lsp_did_open()."""
        return self._sandbox._client._call("lsp_" + function, [self._pointer, *arguments], options, lambda result: result)


def heard_by(loop: Loop, function: Callable[[Output], None]) -> dict[str, Any]:
    """Options that let C call `function` with each piece of output."""
    def hear(output: Output) -> None:
        try:
            function(output)
        except Exception as error:
            loop.report(error, "a callback of output")
    return {"on_stdout": on_output, "on_stderr": on_output, "user": lend(hear), "destroy_user": forget_user}
