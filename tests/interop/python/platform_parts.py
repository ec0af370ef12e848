# SPDX-License-Identifier: Apache-2.0
"""What the platform has besides sandboxes: secrets, warm pools, metrics, forks, snapshots of sandboxes, pauses."""

from support import Topic, done, eventually, raises, sdk, unique

DEFAULT, MACHINE = "daytona-local/default:1.0", "daytona-local/vm:1.0"


class PlatformParts(Topic):
    async def secrets(self):
        name = unique("secret").replace("-", "_")
        made = await done(self.client.secret.create(sdk.CreateSecretParams(name=name, value="the value", description="d")))
        assert made.name == name and made.placeholder and made.hosts == [] and not hasattr(made, "value")
        assert (await done(self.client.secret.get(made.id))).description == "d"
        page = await done(self.client.secret.list(name=name, limit=1))
        assert [one.id for one in page.items] == [made.id] and page.total == 1 and page.next_cursor is None
        async with self.sandbox(secrets={"TOKEN": name}) as sandbox:
            assert (await self.exec(sandbox, "printf %s \"$TOKEN\"")).result == "the value"
            assert "TOKEN" not in (sandbox.env or {})
            await done(sandbox.update_secrets({}))
            assert (await self.exec(sandbox, "printf %s \"$TOKEN\"")).result == ""
            changed = await done(self.client.secret.update(made.id, sdk.UpdateSecretParams(value="another")))
            assert changed.id == made.id
            await done(sandbox.update_secrets({"OTHER": name}))
            assert (await self.exec(sandbox, "printf %s \"$OTHER\"")).result == "another"
        await done(self.client.secret.delete(made.id))
        assert (await done(self.client.secret.list(name=name))).items == []

    async def warm_pools(self):
        made = await done(self.client.warm_pool.create(MACHINE, 1))
        try:
            assert (made.snapshot, made.pool) == (MACHINE, 1)

            async def is_full():
                return [p.current_size for p in await done(self.client.warm_pool.list()) if p.id == made.id] == [1]
            await eventually(is_full)
            async with self.sandbox(snapshot=MACHINE) as sandbox:
                assert (await self.exec(sandbox, "hostname")).result.strip() == sandbox.id
            assert (await done(self.client.warm_pool.update(made.id, 0))).pool == 0
        finally:
            await done(self.client.warm_pool.delete(made.id))
        assert made.id not in [p.id for p in await done(self.client.warm_pool.list())]

    async def metrics_have_a_past(self):
        async with self.sandbox() as sandbox:
            await done(sandbox.get_metrics_latest())
            past = await done(sandbox.get_metrics())
            assert past and past[0].mem_total == 1 << 30 and past[0].cpu_count == 1

    async def fork_of_a_machine(self):
        async with self.sandbox(snapshot=MACHINE, env_vars={"A": "b"}) as parent:
            await self.exec(parent, "echo text > file")
            child = await done(parent.fork(name=unique("child")))
            try:
                assert child.id != parent.id
                assert (await self.exec(child, "cat file; echo $A; echo other > file")).result == "text\nb\n"
                assert (await self.exec(parent, "cat file")).result == "text\n"
            finally:
                await done(child.delete(wait=True))
        async with self.sandbox() as container:
            await raises(sdk.DaytonaError, lambda: container.fork(), 422)

    async def snapshot_of_a_sandbox(self):
        name = unique("of-a-sandbox")
        async with self.sandbox() as sandbox:
            await self.exec(sandbox, "echo text > file")
            await done(sandbox.create_snapshot(name))
            assert sandbox.state == sdk.SandboxState.STARTED
        found = await done(self.client.snapshot.get(name))
        async with self.sandbox(snapshot=name) as other:
            assert (await self.exec(other, "cat file")).result == "text\n"
        await done(self.client.snapshot.delete(found))

    async def pause_and_resume(self):
        async with self.sandbox(snapshot=MACHINE) as sandbox:
            await self.exec(sandbox, "echo text > file")
            await done(sandbox.set_auto_pause_interval(30))
            await done(sandbox.pause())
            assert sandbox.state == sdk.SandboxState.PAUSED
            await done(sandbox.start())
            assert sandbox.state == sdk.SandboxState.STARTED
            assert (await self.exec(sandbox, "cat file")).result == "text\n"
