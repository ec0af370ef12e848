# SPDX-License-Identifier: Apache-2.0
"""What every scenario of the Python SDK uses, written once for its clients and for the binding of this project: what a call
of an asynchronous client gives is awaited, what one of the ordinary client gives is taken as it is.
"""

import asyncio
import contextlib
import inspect
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
import warnings

warnings.simplefilter("ignore")

if sys.argv[1] == "python-binding":
    import binding_sdk as sdk  # noqa: E402
    from binding_sdk import SandboxListSortDirection, SandboxListSortField, Unsupported  # noqa: E402
else:
    import daytona as sdk  # noqa: E402  (the filter has to come first)
    from daytona_api_client import SandboxListSortDirection, SandboxListSortField  # noqa: E402

    class Unsupported(Exception):
        """Raised by the binding only."""

# The official SDK has a storage library of its own, with rules of its own.
HAS_SDK_STORAGE = sys.argv[1] != "python-binding"
IS_ASYNC = sys.argv[1] != "python"
API_URL = os.environ["DAYTONA_API_URL"]
API_KEY = os.environ["DAYTONA_API_KEY"]


class Skip(Exception):
    """Raised by a scenario for which this SDK has no method; says so."""


async def done(value):
    """What a call gave, whichever client made it."""
    return await value if inspect.isawaitable(value) else value


def started(call, *args, **options):
    """A task in which the call goes on beside others; the ordinary client's on a thread."""
    if IS_ASYNC:
        return asyncio.ensure_future(call(*args, **options))
    return asyncio.ensure_future(asyncio.to_thread(call, *args, **options))


async def collect(pages):
    if hasattr(pages, "__aiter__"):
        return [item async for item in pages]
    return list(pages)


def unique(prefix):
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


async def raises(kind, call, status=None):
    """The error of `kind` that call() must raise."""
    try:
        await done(call())
    except kind as error:
        if status is not None:
            assert error.status_code == status, f"status {error.status_code}, not {status}: {error}"
        return error
    raise AssertionError(f"no {kind.__name__}")


async def eventually(condition, seconds=30):
    """Polls a condition that the server brings about; its value once it is true."""
    deadline = time.monotonic() + seconds
    while True:
        value = await done(condition())
        if value:
            return value
        assert time.monotonic() < deadline, "condition did not come true"
        await asyncio.sleep(0.05)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def fetch(url, headers=None):
    """(status, body) of a plain GET; names under localhost are this machine on every resolver."""
    parts = urllib.parse.urlsplit(url)
    headers = dict(headers or {}, Host=parts.netloc)
    if parts.hostname.endswith(".localhost"):
        url = url.replace(parts.hostname, "127.0.0.1", 1)
    request = urllib.request.Request(url, headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)
    try:
        with opener.open(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def admin(method, path, body):
    """A call of daytona-local's own admin interface."""
    base = os.environ["DAYTONA_LOCAL_ADMIN_URL"]
    request = urllib.request.Request(base + path, method=method, data=json.dumps(body).encode(), headers={
        "Authorization": "Bearer " + API_KEY, "Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
        text = answer.read()
        return json.loads(text) if text else None


class Topic:
    """Scenarios of one topic: each public method is one, named in scenarios.txt."""

    def __init__(self, client):
        self.client = client

    @contextlib.asynccontextmanager
    async def sandbox(self, **params):
        sandbox = await done(self.client.create(sdk.CreateSandboxFromSnapshotParams(**params)))
        try:
            yield sandbox
        finally:
            with contextlib.suppress(sdk.DaytonaNotFoundError, sdk.DaytonaConflictError):
                await done(sandbox.delete())

    async def exec(self, sandbox, command, **options):
        return await done(sandbox.process.exec(command, **options))
