# SPDX-License-Identifier: Apache-2.0
"""The life of a sandbox, and the ways to reach it."""

import contextlib
import os

from support import SandboxListSortDirection, SandboxListSortField, Skip, Topic, admin, collect, done, eventually, fetch, raises, sdk, unique


class Sandboxes(Topic):
    async def create_get_delete(self):
        sandbox = await done(self.client.create())
        assert sandbox.state == sdk.SandboxState.STARTED
        assert sandbox.name and sandbox.organization_id and sandbox.created_at and sandbox.updated_at
        assert sandbox.cpu > 0 and sandbox.memory > 0 and sandbox.disk > 0
        assert sandbox.toolbox_proxy_url.startswith("http")
        again = await done(self.client.get(sandbox.id))
        assert again.id == sandbox.id and again.state == sdk.SandboxState.STARTED
        await done(sandbox.delete(wait=True))
        await raises(sdk.DaytonaNotFoundError, lambda: self.client.get(sandbox.id), 404)

    async def create_takes_a_booted_one(self):
        """The create without parameters sends labels of the SDK's own."""
        await eventually(lambda: admin("GET", "/info", {})["warm"]["ready"] > 0)
        sandbox = await done(self.client.create())
        try:
            assert admin("GET", "/info", {})["boxes"][sandbox.id]["start"] == "warm"
            assert sandbox.labels["code-toolbox-language"] == "python"
            seen = (await self.exec(sandbox, "hostname; echo $DAYTONA_SANDBOX_ID")).result.split()
            assert seen == [sandbox.id, sandbox.id]
        finally:
            await done(sandbox.delete())

    async def create_with_everything(self):
        name = unique("everything")
        async with self.sandbox(name=name, language="javascript", env_vars={"COLOUR": "blue"},
                                labels={"team": "red"}, public=True, auto_stop_interval=7,
                                auto_archive_interval=8, auto_delete_interval=9) as sandbox:
            got = await done(self.client.get(sandbox.id))
            assert (got.name, got.public) == (name, True)
            assert got.env["COLOUR"] == "blue" and got.labels["team"] == "red"
            assert got.labels["code-toolbox-language"] == "javascript"
            assert (got.auto_stop_interval, got.auto_archive_interval, got.auto_delete_interval) == (7, 8, 9)
            assert (await self.exec(sandbox, "echo $COLOUR")).result.strip() == "blue"

    async def list_filters_and_pages(self):
        batch = unique("batch")
        async with contextlib.AsyncExitStack() as stack:
            made = [await stack.enter_async_context(self.sandbox(name=f"{batch}-{i}", labels={"batch": batch}))
                    for i in range(3)]
            pages = await collect(self.client.list(sdk.ListSandboxesQuery(labels={"batch": batch}, limit=1)))
            assert sorted(s.id for s in pages) == sorted(s.id for s in made)
            by_name = await collect(self.client.list(sdk.ListSandboxesQuery(
                name=batch.upper(), sort=SandboxListSortField.NAME, order=SandboxListSortDirection.DESC)))
            assert [s.name for s in by_name] == [f"{batch}-{i}" for i in (2, 1, 0)]
            started = await collect(self.client.list(sdk.ListSandboxesQuery(
                labels={"batch": batch}, states=[sdk.SandboxState.STOPPED])))
            assert started == []
            none = await collect(self.client.list(sdk.ListSandboxesQuery(labels={"batch": batch, "x": "y"})))
            assert none == []

    async def find_by_name(self):
        name = unique("found")
        async with self.sandbox(name=name) as sandbox:
            assert (await done(self.client.get(name))).id == sandbox.id

    async def stop_and_start_keep_files(self):
        async with self.sandbox() as sandbox:
            await self.exec(sandbox, "echo kept > note.txt; (sleep 1000 >/dev/null 2>&1 &)")
            await done(sandbox.stop())
            assert sandbox.state == sdk.SandboxState.STOPPED
            await done(sandbox.start())
            assert sandbox.state == sdk.SandboxState.STARTED
            assert (await self.exec(sandbox, "cat note.txt")).result == "kept\n"
            assert (await self.exec(sandbox, "pgrep -f 'sleep 100[0]'")).exit_code == 1

    async def force_stop(self):
        async with self.sandbox() as sandbox:
            await done(sandbox.stop(timeout=30, force=True))
            assert sandbox.state == sdk.SandboxState.STOPPED

    async def ephemeral_is_gone_after_stop(self):
        sandbox = await done(self.client.create(sdk.CreateSandboxFromSnapshotParams(ephemeral=True)))
        assert sandbox.auto_delete_interval == 0
        await done(sandbox.stop())

        async def is_gone():
            try:
                return (await done(self.client.get(sandbox.id))).state == sdk.SandboxState.DESTROYED
            except sdk.DaytonaNotFoundError:
                return True
        await eventually(is_gone)

    async def labels_are_replaced(self):
        async with self.sandbox(labels={"old": "1"}) as sandbox:
            answer = await done(sandbox.set_labels({"new": "2"}))
            assert answer == {"new": "2"}
            assert (await done(self.client.get(sandbox.id))).labels == {"new": "2"}

    async def intervals(self):
        async with self.sandbox() as sandbox:
            await done(sandbox.set_autostop_interval(0))
            await done(sandbox.set_auto_archive_interval(0))
            await done(sandbox.set_auto_delete_interval(-1))
            await done(sandbox.refresh_data())
            assert (sandbox.auto_stop_interval, sandbox.auto_archive_interval) == (0, 43200)
            assert sandbox.auto_delete_interval == -1
            await done(sandbox.set_autostop_interval(21))
            await done(sandbox.set_auto_delete_interval(600))
            await done(sandbox.set_ttl(90))
            await done(sandbox.refresh_data())
            assert (sandbox.auto_stop_interval, sandbox.auto_delete_interval) == (21, 600)
            assert sandbox.auto_destroy_at

    async def network_settings(self):
        async with self.sandbox(network_block_all=True) as sandbox:
            assert sandbox.network_block_all is True
            await done(sandbox.update_network_settings(network_block_all=False))
            assert sandbox.network_block_all is False
            assert (await done(self.client.get(sandbox.id))).network_block_all is False
            await done(sandbox.update_network_settings(network_allow_list="192.0.2.0/24", domain_allow_list="*.example.com"))
            assert (sandbox.network_allow_list, sandbox.domain_allow_list) == ("192.0.2.0/24", "*.example.com")
            answer = await done(sandbox.process.exec("timeout 3 bash -c '< /dev/tcp/198.51.100.1/80' 2>&1"))
            assert answer.exit_code != 0 and ("refused" in answer.result or "unreachable" in answer.result), answer.result

    async def linked_sandboxes(self):
        async with self.sandbox(name="link-owner-%s" % os.getpid()) as owner:
            serve = "mkdir -p /tmp/lnk && cd /tmp/lnk && echo hello from owner > index.html && exec python3 -m http.server 3000 > srv.log 2>&1 &\n" \
                "for i in $(seq 50); do timeout 1 bash -c '< /dev/tcp/127.0.0.1/3000' 2>/dev/null && exit; sleep 0.2; done; exit 1"
            assert (await done(owner.process.exec(serve))).exit_code == 0
            async with self.sandbox(linked_sandbox=owner.id, ephemeral=True) as follower:
                assert follower.linked_sandbox_id == owner.id
                answer = await done(follower.process.exec(
                    "python3 -c \"import urllib.request; print(urllib.request.urlopen('http://%s:3000/', timeout=5).read().decode())\"" % owner.name))
                assert answer.result.strip() == "hello from owner", answer.result

    async def newer_settings(self):
        if not hasattr(sdk.Sandbox, "set_public"):
            raise Skip("this SDK is older than set_public, queue_timeout and kvm")
        async with self.sandbox(queue_timeout=5) as sandbox:
            assert (sandbox.queue_timeout, sandbox.kvm, sandbox.public) == (5, False, False)
            for public in (True, False):
                await done(sandbox.set_public(public))
                assert sandbox.public is public
                assert (await done(self.client.get(sandbox.id))).public is public
        params = sdk.CreateSandboxFromSnapshotParams(kvm=True)
        await raises(sdk.DaytonaBadRequestError, lambda: self.client.create(params))

    async def resize(self):
        async with self.sandbox() as sandbox:
            await done(sandbox.resize(sdk.Resources(cpu=2, memory=2)))
            assert (sandbox.cpu, sandbox.memory) == (2, 2)
            assert sandbox.state == sdk.SandboxState.STARTED
            await raises(sdk.DaytonaBadRequestError, lambda: sandbox.resize(sdk.Resources(cpu=1)))
            await done(sandbox.stop())
            await done(sandbox.resize(sdk.Resources(disk=5)))
            got = await done(self.client.get(sandbox.id))
            assert (got.cpu, got.memory, got.disk, got.state) == (2, 2, 5, sdk.SandboxState.STOPPED)

    async def archive_and_start_keep_files(self):
        async with self.sandbox() as sandbox:
            await self.exec(sandbox, "mkdir -p deep/er; echo archived > deep/er/note; ln -s note deep/er/link")
            await raises(sdk.DaytonaBadRequestError, sandbox.archive)
            await done(sandbox.stop())
            await done(sandbox.archive())

            async def is_archived():
                await done(sandbox.refresh_data())
                return sandbox.state == sdk.SandboxState.ARCHIVED
            await eventually(is_archived)
            await done(sandbox.start())
            assert (await self.exec(sandbox, "cat deep/er/link")).result == "archived\n"

    async def recover_from_error(self):
        async with self.sandbox() as sandbox:
            await self.exec(sandbox, "echo still here > note")
            admin("PUT", f"/sandbox/{sandbox.id}/state",
                  {"state": "error", "errorReason": "injected", "recoverable": True})
            await done(sandbox.refresh_data())
            assert sandbox.state == sdk.SandboxState.ERROR
            assert (sandbox.error_reason, sandbox.recoverable) == ("injected", True)
            await done(sandbox.recover())
            assert sandbox.state == sdk.SandboxState.STARTED
            assert (await self.exec(sandbox, "cat note")).result == "still here\n"

    async def activity_and_metrics(self):
        async with self.sandbox() as sandbox:
            await done(sandbox.refresh_activity())
            sample = await done(sandbox.get_metrics_latest())
            assert sample.cpu_count > 0 and sample.mem_total > 0 and sample.disk_total > 0

    async def work_and_home_directory(self):
        async with self.sandbox() as sandbox:
            assert await done(sandbox.get_user_home_dir()) == "/home/daytona"
            work = await done(sandbox.get_work_dir())
            assert (await self.exec(sandbox, "pwd")).result.strip() == work
            assert (await self.exec(sandbox, "id -un")).result.strip() == "daytona"

    async def volumes(self):
        name = unique("volume")
        volume = await done(self.client.volume.create(name))

        async def is_ready():
            return (await done(self.client.volume.get(name))).state == "ready"
        await eventually(is_ready, 15)
        assert volume.id in [v.id for v in await done(self.client.volume.list())]
        mount = sdk.VolumeMount(volume_id=volume.id, mount_path="/home/daytona/shared")
        async with self.sandbox(volumes=[mount]) as first:
            await self.exec(first, "echo common > shared/note")
        async with self.sandbox(volumes=[mount]) as second:
            assert (await self.exec(second, "cat shared/note")).result == "common\n"

        async def is_deleted():
            try:
                await done(self.client.volume.delete(await done(self.client.volume.get(name))))
            except Exception as error:  # the SDK raises the generated client's own errors here
                return getattr(error, "status", getattr(error, "status_code", None)) == 404
            return False
        await eventually(is_deleted)

    async def snapshots(self):
        page = await done(self.client.snapshot.list())
        assert page.total >= 1 and page.items
        first = page.items[0]
        assert (await done(self.client.snapshot.get(first.name))).id == first.id
        async with self.sandbox(snapshot=first.name) as sandbox:
            assert sandbox.snapshot == first.name

    async def _serve_page(self, sandbox, port):
        await self.exec(sandbox, "mkdir -p site && echo hello from inside > site/index.html")
        await self.exec(sandbox, f"cd site && (setsid python3 -m http.server {port} >/dev/null 2>&1 </dev/null &)")
        await eventually(lambda: self._port_answers(sandbox, port))

    async def _port_answers(self, sandbox, port):
        probe = f"python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", {port})).close()'"
        return (await self.exec(sandbox, probe)).exit_code == 0

    async def preview_link(self):
        async with self.sandbox() as sandbox:
            await self._serve_page(sandbox, 3000)
            link = await done(sandbox.get_preview_link(3000))
            assert fetch(link.url, {"x-daytona-preview-token": link.token}) == (200, b"hello from inside\n")
            assert fetch(link.url, {"x-daytona-preview-token": "wrong"})[0] in (307, 401, 403)
            assert fetch(link.url)[0] in (307, 401, 403)

    async def signed_preview(self):
        async with self.sandbox() as sandbox:
            await self._serve_page(sandbox, 3001)
            link = await done(sandbox.create_signed_preview_url(3001, expires_in_seconds=600))
            assert link.port == 3001 and link.token
            assert fetch(link.url) == (200, b"hello from inside\n")
            await done(sandbox.expire_signed_preview_url(3001, link.token))
            assert fetch(link.url)[0] in (307, 401, 403, 404)

    async def ssh_access(self):
        async with self.sandbox() as sandbox:
            access = await done(sandbox.create_ssh_access(expires_in_minutes=10))
            assert access.token and access.ssh_command.startswith("ssh ") and access.token in access.ssh_command
            valid = await done(sandbox.validate_ssh_access(access.token))
            assert (valid.valid, valid.sandbox_id) == (True, sandbox.id)
            newer = await done(sandbox.create_ssh_access())
            assert (await done(sandbox.validate_ssh_access(access.token))).valid is False
            await done(sandbox.revoke_ssh_access(newer.token))
            assert (await done(sandbox.validate_ssh_access(newer.token))).valid is False
