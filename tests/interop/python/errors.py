# SPDX-License-Identifier: Apache-2.0
"""How failures of the control plane and of the toolbox show."""

import uuid

from support import API_URL, IS_ASYNC, Topic, admin, done, raises, sdk, unique


class Errors(Topic):
    async def error_not_found(self):
        missing = str(uuid.uuid4())
        error = await raises(sdk.DaytonaNotFoundError, lambda: self.client.get(missing), 404)
        assert str(error).startswith("Failed to get sandbox: ")
        await raises(sdk.DaytonaNotFoundError, lambda: self.client.snapshot.get(unique("none")), 404)

    async def error_authentication(self):
        other = type(self.client)(sdk.DaytonaConfig(api_key="not-the-key", api_url=API_URL, target="us",
                                                    use_deprecated_polling=True))
        try:
            await raises(sdk.DaytonaAuthenticationError, lambda: other.get("anything"), 401)
        finally:
            if IS_ASYNC:
                await other.close()

    async def error_conflict(self):
        name = unique("twice")
        async with self.sandbox(name=name):
            await raises(sdk.DaytonaConflictError,
                         lambda: self.client.create(sdk.CreateSandboxFromSnapshotParams(name=name)), 409)

    async def error_bad_request(self):
        await raises(sdk.DaytonaBadRequestError, lambda: self.client.create(
            sdk.CreateSandboxFromSnapshotParams(snapshot=unique("no-snapshot"))), 400)

    async def error_validation(self):
        await raises(sdk.DaytonaValidationError, lambda: self.client.get(""))
        await raises(sdk.DaytonaValidationError, lambda: self.client.create(
            sdk.CreateSandboxFromSnapshotParams(auto_stop_interval=-1)))

    async def error_of_the_toolbox(self):
        async with self.sandbox() as sandbox:
            error = await raises(sdk.DaytonaBadRequestError, lambda: sandbox.process.exec(""), 400)
            assert error.source == "DAYTONA_DAEMON", repr(error)
            await done(sandbox.stop())
            await raises(sdk.DaytonaError, lambda: sandbox.process.exec("true"))

    async def error_rate_limit(self):
        rule = admin("POST", "/faults", {"match": {"method": "GET", "path": "/api/sandbox/limited*", "target": "control"},
                                         "action": "status", "status": 429, "retry_after": 1, "times": 100})
        try:
            error = await raises(sdk.DaytonaRateLimitError, lambda: self.client.get("limited"), 429)
            assert any(name.lower().startswith("retry-after") for name in error.headers), error.headers
        finally:
            admin("DELETE", f"/faults/{rule['id']}", {})
