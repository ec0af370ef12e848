# SPDX-License-Identifier: Apache-2.0
"""Daytona sandboxes from asyncio, on libdaytona.

    async with Client() as client, client.sandbox() as sandbox:
        done = await sandbox.exec("echo hello")
"""

from ._client import Client, ExecResult, FileInfo, FileResult, Lsp, RunError, RunResult, Sandbox, SessionResult
from ._errors import (AuthenticationError, ClosedError, ConflictError, DaytonaConnectionError, DaytonaConnectionTimeoutError, DaytonaError,
                      DaytonaTimeoutError, ForbiddenError, InvalidError, LimitError, NotFoundError, RateLimitError)
from ._images import BuildEvent, Image
from ._native import Items, Record, ffi, lib
from ._streams import Follow, Output, Pty, StreamEnd
from ._transfers import Download

__all__ = [
    "AuthenticationError", "BuildEvent", "Client", "ClosedError", "ConflictError", "DaytonaConnectionError", "DaytonaConnectionTimeoutError",
    "DaytonaError", "DaytonaTimeoutError", "Download", "ExecResult", "FileInfo", "FileResult", "Follow", "ForbiddenError", "Image", "InvalidError", "Items",
    "LimitError", "Lsp", "NotFoundError", "Output", "Pty", "RateLimitError", "Record", "RunError", "RunResult", "Sandbox", "SessionResult", "StreamEnd",
    "ffi", "lib",
]

for _name in __all__:  # in messages and tracebacks they have the names that programs use
    if isinstance(globals()[_name], type):
        globals()[_name].__module__ = __name__
