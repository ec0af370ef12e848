# SPDX-License-Identifier: Apache-2.0
"""Contexts of images sent to object storage, and the rules of volumes."""

import hashlib
import importlib
import io
import os
import shutil
import tarfile
import tempfile

from support import API_URL, HAS_SDK_STORAGE, IS_ASYNC, Skip, Topic, done, eventually, sdk, unique

LARGE = 12_000_000  # three parts of an upload


async def status_of(call):
    """The status of the error that call() must raise; older SDKs raise the generated client's own."""
    try:
        await done(call())
    except Exception as error:
        return getattr(error, "status_code", None) or getattr(error, "status", None)
    raise AssertionError("no error")


def object_storage(access):
    """The SDK's own client of the storage."""
    module = importlib.import_module("daytona._async.object_storage" if IS_ASYNC else "daytona._sync.object_storage")
    kind = module.AsyncObjectStorage if IS_ASYNC else module.ObjectStorage
    return kind(access.storage_url, access.access_key, access.secret, access.session_token, access.bucket,
                region=access.region)


class Storage(Topic):
    async def context_upload(self):
        if not HAS_SDK_STORAGE:
            raise Skip("the library has no reader of the storage; it uploads in create_from_image_with_files")
        if not API_URL.startswith("https:"):
            raise Skip("the storage library of this SDK refuses plain HTTP")
        if not os.environ.get("INTEROP_SYSTEM_TRUSTS_US"):
            raise Skip("the storage library of this SDK trusts the system's authorities only, and ours could not be "
                       "put among them (no mount namespace)")
        place = tempfile.mkdtemp()
        try:
            await self._upload_from(place)
        finally:
            shutil.rmtree(place)

    async def _upload_from(self, place):
        files = {"folder/small": b"small\n", "folder/deep/er/large": os.urandom(LARGE), "one": b"one file"}
        for name, content in files.items():
            path = os.path.join(place, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(content)
        os.mkdir(os.path.join(place, "folder", "empty"))
        image = sdk.Image.base("debian:12").add_local_dir(os.path.join(place, "folder"), "/srv/folder")
        image = image.add_local_file(os.path.join(place, "one"), "/srv/one")
        service = type(self.client.snapshot)
        hashes = await done(service.process_image_context(self.client._object_storage_api, image))
        assert len(hashes) == 2, hashes
        again = await done(service.process_image_context(self.client._object_storage_api, image))
        assert again == hashes, (again, hashes)
        access = await done(self.client._object_storage_api.get_push_access())
        store = object_storage(access).store
        found = {}
        for key in hashes:
            path = f"{access.organization_id}/{key}/context.tar"
            answer = await store.get_async(path) if IS_ASYNC else store.get(path)
            content = bytes(await answer.bytes_async() if IS_ASYNC else answer.bytes())
            assert len(content) == (await store.head_async(path) if IS_ASYNC else store.head(path))["size"]
            with tarfile.open(fileobj=io.BytesIO(content)) as tar:
                for member in tar:
                    if member.isfile():
                        found["/" + member.name] = hashlib.sha256(tar.extractfile(member).read()).hexdigest()
        assert found == {os.path.join(place, name): hashlib.sha256(content).hexdigest() for name, content in files.items()}
        missing = f"{access.organization_id}/none/context.tar"
        try:
            _ = await store.head_async(missing) if IS_ASYNC else store.head(missing)
        except FileNotFoundError:
            return
        raise AssertionError("an object that was never sent is there")

    async def volume_rules(self):
        name = unique("volume")
        assert await status_of(lambda: self.client.volume.get(name)) == 404
        volume = await done(self.client.volume.get(name, create=True))
        assert (volume.name, volume.state) == (name, "pending_create"), volume
        assert await status_of(lambda: self.client.volume.create(name)) == 400
        assert (await done(self.client.volume.get(name, create=True))).id == volume.id

        async def is_ready():
            return (await done(self.client.volume.get(name))).state == "ready"
        await eventually(is_ready, 15)
        mount = sdk.VolumeMount(volume_id=volume.id, mount_path="/mnt/part", subpath="a/b")
        async with self.sandbox(volumes=[mount]) as first:
            await self.exec(first, "echo below > /mnt/part/note")
            whole = sdk.VolumeMount(volume_id=name, mount_path="/mnt/whole")
            async with self.sandbox(volumes=[whole]) as second:
                assert (await self.exec(second, "cat /mnt/whole/a/b/note")).result == "below\n"
                await self.exec(second, "echo above > /mnt/whole/a/b/note")
                assert (await self.exec(first, "cat /mnt/part/note")).result == "above\n"
                assert await status_of(lambda: self.client.volume.delete(volume)) == 409
        used = await done(self.client.volume.get(name))
        assert used.last_used_at
        assert (await done(self.client.volume.list()))[0].id == volume.id  # the last used is the first

        async def is_deleted():
            try:
                await done(self.client.volume.delete(volume))
            except Exception:
                return False  # a sandbox is still on its way out
            return True
        await eventually(is_deleted)

        async def is_gone():
            return volume.id not in [v.id for v in await done(self.client.volume.list())]
        await eventually(is_gone, 15)
        assert await status_of(lambda: self.client.volume.get(name)) == 404
        again = await done(self.client.volume.create(name))
        assert again.id != volume.id
        await eventually(is_ready, 15)
        await done(self.client.volume.delete(again))
