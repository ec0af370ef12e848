"""The file calls."""

from support import Topic, done, raises, sdk


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
