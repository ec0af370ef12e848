# SPDX-License-Identifier: Apache-2.0
"""The file calls."""

import io
import os
import tempfile
import threading

from support import Topic, collect, done, raises, sdk


class Files(Topic):
    async def files_up_and_down(self):
        content = bytes(range(256)) * 4000 + b"\r\n--DAYTONA-FILE-BOUNDARY--\r\n"
        async with self.sandbox() as sandbox:
            for path, data in {"a b/ü \"q\".bin": content, "empty": b"", "/home/daytona/x": b"\r\n"}.items():
                await done(sandbox.fs.upload_file(data, path))
                assert await done(sandbox.fs.download_file(path)) == data, path
            size = await self.exec(sandbox, "stat -c %s 'a b/ü \"q\".bin'")
            assert size.result.strip() == str(len(content)), size

    async def files_of_many_kinds_at_once(self):
        async with self.sandbox() as sandbox:
            uploads = [sdk.FileUpload(source=b"%d" % i, destination=f"many/{i}") for i in range(50)]
            await done(sandbox.fs.upload_files(uploads))
            wanted = [f"many/{i}" for i in range(50)] + ["many/none"]
            found = await done(sandbox.fs.download_files([sdk.FileDownloadRequest(source=path) for path in wanted]))
            assert [f.result for f in found[:50]] == [b"%d" % i for i in range(50)], found
            assert found[50].error and found[50].result is None, found[50]

    async def files_plain_calls(self):
        async with self.sandbox() as sandbox:
            fs = sandbox.fs
            await done(fs.create_folder("work/deep", "750"))
            await done(fs.upload_file(b"red fox\nblue\n", "work/one.txt"))
            info = await done(fs.get_file_info("work/one.txt"))
            assert info.name == "one.txt" and info.size == 13 and not info.is_dir, info
            assert [f.name for f in await done(fs.list_files("work"))] == ["deep", "one.txt"]
            match = (await done(fs.find_files("work", "fox")))[0]
            assert match.line == 1 and match.content == "red fox", match
            assert len((await done(fs.search_files("work", "*.txt"))).files) == 1
            replaced = await done(fs.replace_in_files(["work/one.txt", "work/none"], "fox", "cat"))
            assert [bool(r.success) for r in replaced] == [True, False], replaced
            await done(fs.set_file_permissions("work/one.txt", mode="600"))
            await done(fs.move_files("work/one.txt", "work/deep/two.txt"))
            assert await done(fs.download_file("work/deep/two.txt")) == b"red cat\nblue\n"
            await done(fs.delete_file("work", recursive=True))
            assert "work" not in [f.name for f in await done(fs.list_files("."))]

    async def error_files(self):
        async with self.sandbox() as sandbox:
            fs = sandbox.fs
            await raises(sdk.DaytonaNotFoundError, lambda: fs.get_file_info("none"), 404)
            await raises(sdk.DaytonaNotFoundError, lambda: fs.download_file("none"), 404)
            await raises(sdk.DaytonaNotFoundError, lambda: fs.move_files("none", "x"), 404)
            await raises(sdk.DaytonaError, lambda: fs.delete_file("/home/daytona"))
            await raises(sdk.DaytonaError, lambda: fs.upload_file(b"x", "/proc/none/x"))

    async def files_local_paths(self):
        big = os.urandom(5_000_000)
        with tempfile.TemporaryDirectory() as folder:
            def local(name):
                return os.path.join(folder, name)
            with open(local("big"), "wb") as out:
                out.write(big)
            async with self.sandbox() as sandbox:
                fs = sandbox.fs
                await done(fs.upload_file(local("big"), "one/big"))
                await done(fs.download_file("one/big", local("back")))
                with open(local("back"), "rb") as back:
                    assert back.read() == big
                await done(fs.upload_files([sdk.FileUpload(source=local("big"), destination="two/big"),
                                            sdk.FileUpload(source=b"small", destination="two/small")]))
                found = await done(fs.download_files([
                    sdk.FileDownloadRequest(source="two/big", destination=local("two")),
                    sdk.FileDownloadRequest(source="two/small"), sdk.FileDownloadRequest(source="two/none")]))
                with open(local("two"), "rb") as back:
                    assert back.read() == big
                assert found[1].result == b"small" and found[2].error, found[1:]

    async def files_streamed(self):
        data = os.urandom(3_000_000)
        async with self.sandbox() as sandbox:
            fs, sent, got = sandbox.fs, [], []
            await done(fs.upload_file_stream(io.BytesIO(data), "far/away.bin",
                                             on_progress=lambda p: sent.append(p.bytes_sent)))
            assert sent[-1] == len(data) and sent == sorted(sent), sent[-3:]
            pieces = await collect(await done(fs.download_file_stream(
                "far/away.bin", on_progress=lambda p: got.append((p.bytes_received, p.total_bytes)))))
            assert b"".join(pieces) == data and len(pieces) > 1
            assert got[-1] == (len(data), len(data)), got[-1]

            async def read(path, **options):
                return await collect(await done(fs.download_file_stream(path, **options)))
            await raises(sdk.DaytonaNotFoundError, lambda: read("far/none"), 404)
            stop = threading.Event()
            stop.set()
            await raises(sdk.DaytonaError, lambda: read("far/away.bin", cancel_event=stop))
            await raises(sdk.DaytonaError, lambda: fs.upload_file_stream(data, "far/x", cancel_event=stop))

    async def files_details(self):
        async with self.sandbox() as sandbox:
            fs = sandbox.fs
            await done(fs.create_folder("top/mid/low", "750"))
            await done(fs.upload_file(b"a cat\nno\nthe cat sat\n", "top/mid/a.txt"))
            await done(fs.upload_file(b"cat\n", "top/mid/low/b.md"))
            assert (await self.exec(sandbox, "stat -c %a top/mid/low")).result == "750\n"
            info = await done(fs.get_file_info("top/mid/low"))
            assert info.is_dir and (info.owner, info.permissions) == ("1000", "0750"), info
            names = sorted(f.name for f in await done(fs.list_files("top", depth=3)))
            assert names == ["a.txt", "b.md", "low", "mid"], names
            matches = sorted((os.path.basename(m.file), m.line) for m in await done(fs.find_files("top", "cat")))
            assert matches == [("a.txt", 1), ("a.txt", 3), ("b.md", 1)], matches
            found = (await done(fs.search_files("top", "*.md"))).files
            assert [os.path.basename(path) for path in found] == ["b.md"], found
            await done(fs.set_file_permissions("top/mid/a.txt", mode="640", owner="daytona", group="daytona"))
            assert (await self.exec(sandbox, "stat -c '%a %U %G' top/mid/a.txt")).result == "640 daytona daytona\n"
            await done(fs.move_files("top/mid", "top/other"))
            assert await done(fs.download_file("top/other/low/b.md")) == b"cat\n"
            await raises(sdk.DaytonaError, lambda: fs.delete_file("top"))  # a folder, without recursive
            await done(fs.delete_file("top/other/a.txt"))
            await done(fs.delete_file("top", recursive=True))
            await raises(sdk.DaytonaNotFoundError, lambda: fs.list_files("top"), 404)
