# SPDX-License-Identifier: Apache-2.0
"""Snapshots and sandboxes from images: from a registry, and declared and built, with their logs as they come."""

import contextlib
import os
import tempfile
import time
import urllib.request

from storage import status_of
from support import API_KEY, API_URL, HAS_SDK_STORAGE, Skip, Topic, admin, done, eventually, raises, sdk, started, unique


def image_name():
    """An image of the registry that the launcher has started."""
    if "INTEROP_IMAGE" not in os.environ:
        raise Skip(os.environ.get("INTEROP_NO_IMAGES", "there is no registry"))
    return os.environ["INTEROP_IMAGE"]


def deactivate(snapshot):
    """No method of the SDK does it. The clock goes on, since nothing is activated right after a change."""
    request = urllib.request.Request(f"{API_URL}/snapshots/{snapshot.id}/deactivate", method="POST", headers={
        "Authorization": "Bearer " + API_KEY})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
        assert answer.status == 204
    admin("POST", "/clock", {"jump_ms": 11 * 60 * 1000})


class Images(Topic):
    @contextlib.asynccontextmanager
    async def _snapshot(self, image, on_logs=None, **params):
        made = await done(self.client.snapshot.create(
            sdk.CreateSnapshotParams(name=unique("snapshot"), image=image, **params), on_logs=on_logs))
        try:
            yield made
        finally:
            with contextlib.suppress(sdk.DaytonaNotFoundError, sdk.DaytonaConflictError):
                await done(self.client.snapshot.delete(made))

    async def snapshot_from_image(self):
        lines = []
        async with self._snapshot(image_name(), lines.append, entrypoint=["sleep", "1000"],
                                 resources=sdk.Resources(cpu=2, memory=3, disk=4)) as made:
            assert made.state == "active" and made.size > 0, made
            assert (made.cpu, made.mem, made.disk) == (2, 3, 4)
            assert made.entrypoint == ["sleep", "1000"] and made.image_name == image_name()
            assert made.error_reason is None and made.general is False
            assert any("active" in line.lower() for line in lines), lines
            assert (await done(self.client.snapshot.get(made.name))).id == made.id
            page = await done(self.client.snapshot.list())
            assert made.id in [item.id for item in page.items] and page.total == len(page.items)
            async with self.sandbox(snapshot=made.name) as sandbox:
                assert (sandbox.snapshot, sandbox.cpu, sandbox.memory, sandbox.disk) == (made.name, 2, 3, 4)
                assert "BusyBox" in (await self.exec(sandbox, "busybox | head -n 1")).result
            await done(self.client.snapshot.delete(made))

            async def is_gone():
                try:
                    await done(self.client.snapshot.get(made.name))
                except sdk.DaytonaNotFoundError:
                    return True
                return False
            await eventually(is_gone)

    async def snapshot_from_declarative_image(self):
        lines, times = [], []

        def on_logs(line):
            lines.append(line)
            times.append(time.monotonic())
        word = unique("word")
        image = sdk.Image.base(image_name()).env({"COLOUR": "blue"}).run_commands(
            f"echo {word} > /made; for i in 1 2 3 4 5 6; do echo tick-$i; sleep 1; done").workdir("/tmp")
        async with self._snapshot(image, on_logs, entrypoint=["sleep", "1000"]) as made:
            assert made.state == "active" and made.size > 0 and made.entrypoint == ["sleep", "1000"], made
            ticks = [times[i] for i, line in enumerate(lines) if "\ntick-" in "\n" + line]
            assert "".join(lines).count("tick-") >= 6, lines
            assert len(ticks) > 1 and ticks[-1] - ticks[0] > 1, "the log came at once"
            async with self.sandbox(snapshot=made.name) as sandbox:
                result = (await self.exec(sandbox, "cat /made; echo $COLOUR")).result
                assert result.split() == [word, "blue"], result
            same = await done(self.client.snapshot.create(
                sdk.CreateSnapshotParams(name=unique("same"), image=image, entrypoint=["sleep", "1000"])))
            assert same.state == "active"
            await done(self.client.snapshot.delete(same))

    async def snapshot_that_fails(self):
        image = sdk.Image.base(image_name()).run_commands(f"echo {unique('x')}; echo some reason; exit 3")
        error = await raises(sdk.DaytonaError, lambda: self.client.snapshot.create(
            sdk.CreateSnapshotParams(name=unique("bad"), image=image)))
        assert "3" in str(error), error
        missing = image_name().rsplit("/", 1)[0] + "/nobody:1"
        error = await raises(sdk.DaytonaError, lambda: self.client.snapshot.create(
            sdk.CreateSnapshotParams(name=unique("bad"), image=missing)))
        assert "nobody" in str(error), error
        await raises(sdk.DaytonaError, lambda: self.client.snapshot.create(
            sdk.CreateSnapshotParams(name=unique("bad"), image="debian")), 400)
        async with self._snapshot(image_name()) as made:
            await raises(sdk.DaytonaConflictError, lambda: self.client.snapshot.create(
                sdk.CreateSnapshotParams(name=made.name, image=image_name())), 409)
        await raises(sdk.DaytonaNotFoundError, lambda: self.client.snapshot.get("nobody/knows:1"), 404)

    async def snapshot_activate(self):
        async with self._snapshot(image_name()) as made:
            assert await status_of(lambda: self.client.snapshot.activate(made)) == 400
            deactivate(made)
            await raises(sdk.DaytonaError, lambda: self.client.create(
                sdk.CreateSandboxFromSnapshotParams(snapshot=made.name)), 400)
            again = await done(self.client.snapshot.activate(made))
            assert again.state in ("pending", "active"), again

            async def is_active():
                return (await done(self.client.snapshot.get(made.name))).state == "active"
            await eventually(is_active)
            async with self.sandbox(snapshot=made.name) as sandbox:
                assert (await self.exec(sandbox, "echo hello")).result == "hello\n"

    @contextlib.asynccontextmanager
    async def _created(self, image, **options):
        # The ordinary client follows the log in a loop of its own, which cannot be inside of ours.
        sandbox = await started(self.client.create, sdk.CreateSandboxFromImageParams(
            image=image, resources=sdk.Resources(cpu=1, memory=1, disk=2)), timeout=100, **options)
        try:
            yield sandbox
        finally:
            with contextlib.suppress(sdk.DaytonaNotFoundError, sdk.DaytonaConflictError):
                await done(sandbox.delete())

    async def create_from_image_name(self):
        async with self._created(image_name()) as sandbox:
            assert sandbox.state == sdk.SandboxState.STARTED and sandbox.disk == 2
            assert sandbox.build_info.dockerfile_content == f"FROM {image_name()}\n"
            assert "BusyBox" in (await self.exec(sandbox, "busybox | head -n 1")).result
            await done(sandbox.fs.upload_file(b"content", "/root/file"))
            assert await done(sandbox.fs.download_file("/root/file")) == b"content"
            await done(sandbox.stop())
            await done(sandbox.start())
            assert await done(sandbox.fs.download_file("/root/file")) == b"content"

    async def create_from_declarative_image(self):
        chunks = []
        image = sdk.Image.base(image_name()).run_commands(
            f"echo {unique('x')}; for i in 1 2 3; do echo tick-$i; sleep 1; done; echo made > /made").env({"A": "b c"})
        async with self._created(image, on_snapshot_create_logs=chunks.append) as sandbox:
            assert "tick-3" in "\n".join(chunks), chunks
            assert (await self.exec(sandbox, "cat /made; echo $A")).result == "made\nb c\n"
        chunks.clear()
        async with self._created(image, on_snapshot_create_logs=chunks.append) as sandbox:
            assert chunks == [], chunks  # it was built before
        bad = sdk.Image.base(image_name()).run_commands(f"echo {unique('x')}; exit 9")
        error = await raises(sdk.DaytonaError, lambda: started(
            self.client.create, sdk.CreateSandboxFromImageParams(image=bad), timeout=100,
            on_snapshot_create_logs=chunks.append))
        assert "9" in str(error), error

    async def create_from_image_with_files(self):
        base = image_name()
        if HAS_SDK_STORAGE and not API_URL.startswith("https:"):
            raise Skip("the storage library of this SDK refuses plain HTTP")
        if HAS_SDK_STORAGE and not os.environ.get("INTEROP_SYSTEM_TRUSTS_US"):
            raise Skip("the storage library of this SDK trusts the system's authorities only")
        with tempfile.TemporaryDirectory() as place:
            os.makedirs(os.path.join(place, "app", "deep"))
            for name in ("app/main", "app/deep/data", "alone"):
                with open(os.path.join(place, name), "w", encoding="ascii") as file:
                    file.write(unique(name.replace("/", "-")))
            image = sdk.Image.base(base).add_local_dir(os.path.join(place, "app"), "/srv/app")
            image = image.add_local_file(os.path.join(place, "alone"), "/srv/alone")
            async with self._created(image) as sandbox:
                for name in ("app/main", "app/deep/data", "alone"):
                    with open(os.path.join(place, name), "rb") as file:
                        assert await done(sandbox.fs.download_file("/srv/" + name)) == file.read(), name
