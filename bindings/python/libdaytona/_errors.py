# SPDX-License-Identifier: Apache-2.0
"""The errors of the library as exceptions."""

from __future__ import annotations

from typing import Any, Optional

from ._native import ffi, lib, text


class DaytonaError(Exception):
    """A call has failed. `code` is a number of <daytona/error.h>; is_a() walks the tree that it is in."""

    def __init__(self, code: int, message: Optional[str] = None) -> None:
        super().__init__(message or text(lib.daytona_errcode_text(code)))
        self.code = code
        self.http_status = 0
        self.attempts = 0
        self.system_errno = 0
        self.retry_after_ms: Optional[int] = None
        self.server_code: Optional[str] = None
        self.source: Optional[str] = None  #: the part of the server that it came from
        self.request_id: Optional[str] = None
        self.field: Optional[str] = None
        self.sandbox: Optional[str] = None  #: may exist after the failure: use it or delete it
        self.headers: dict[str, str] = {}
        self.body = b""

    @property
    def name(self) -> str:
        """Such as DAYTONA_ENOTFOUND."""
        return text(lib.daytona_errcode_name(self.code)) or ""

    def is_a(self, kind: int) -> bool:
        return bool(lib.daytona_errcode_is(self.code, kind))


class NotFoundError(DaytonaError): ...
class ConflictError(DaytonaError): ...
class AuthenticationError(DaytonaError): ...
class ForbiddenError(DaytonaError): ...
class RateLimitError(DaytonaError): ...
class InvalidError(DaytonaError): ...
class LimitError(DaytonaError): ...
class ClosedError(DaytonaError): ...
class DaytonaConnectionError(DaytonaError, ConnectionError): ...
class DaytonaTimeoutError(DaytonaError, TimeoutError): ...
class DaytonaConnectionTimeoutError(DaytonaConnectionError, DaytonaTimeoutError): ...


CLASSES = [
    (lib.DAYTONA_ECONNECTION_TIMEOUT, DaytonaConnectionTimeoutError),
    (lib.DAYTONA_ECONNECTION, DaytonaConnectionError),
    (lib.DAYTONA_ETIMEOUT, DaytonaTimeoutError),
    (lib.DAYTONA_ENOTFOUND, NotFoundError),
    (lib.DAYTONA_ECONFLICT, ConflictError),
    (lib.DAYTONA_EAUTH, AuthenticationError),
    (lib.DAYTONA_EFORBIDDEN, ForbiddenError),
    (lib.DAYTONA_ERATELIMIT, RateLimitError),
    (lib.DAYTONA_EINVAL, InvalidError),
    (lib.DAYTONA_ELIMIT, LimitError),
    (lib.DAYTONA_ECLOSED, ClosedError),
]


def error_of_code(code: int, message: Optional[str] = None) -> DaytonaError:
    for kind, cls in CLASSES:
        if lib.daytona_errcode_is(code, kind):
            return cls(code, message)
    return DaytonaError(code, message)


def error_of(why: Any) -> DaytonaError:
    """A copy of a daytona_error_t."""
    error = error_of_code(int(ffi.cast("int", why.code)), text(why.message))
    error.http_status, error.attempts, error.system_errno = why.http_status, why.attempts, why.system_errno
    error.retry_after_ms = None if why.retry_after_ms < 0 else why.retry_after_ms
    error.server_code, error.source, error.request_id = text(why.server_code), text(why.source), text(why.request_id)
    error.field, error.sandbox = text(why.field), text(why.sandbox)
    error.headers = {text(why.headers[i].name) or "": text(why.headers[i].value) or "" for i in range(why.header_count)}
    if why.body != ffi.NULL:
        error.body = bytes(ffi.buffer(why.body, why.body_size))
    return error


def check(code: int) -> None:
    if code != 0:
        raise error_of_code(code)
