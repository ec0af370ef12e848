# SPDX-License-Identifier: Apache-2.0
"""The calls of driver.c with the official Python SDK; with "names": what its spans are called, one a line."""

import ast
import asyncio
import sys
from pathlib import Path

import daytona
from daytona import AsyncDaytona, SessionExecuteRequest


def print_names():
    """Of every method that is instrumented."""
    for path in (Path(daytona.__file__).parent / "_async").glob("*.py"):
        for kind in ast.parse(path.read_text(encoding="utf-8")).body:
            for method in getattr(kind, "body", []) if isinstance(kind, ast.ClassDef) else []:
                decorators = [ast.unparse(one) for one in getattr(method, "decorator_list", [])]
                given = [one for one in decorators if one.startswith("with_instrumentation(")]
                if given:
                    quoted = given[0].partition("name='")[2].partition("'")[0]
                    deprecated = any(one.startswith("deprecated(") for one in decorators)
                    print(quoted or f"{kind.name}.{method.name}", "deprecated" if deprecated else "")


async def failing(call):
    try:
        await call
    except Exception:  # pylint: disable=broad-except
        return
    raise AssertionError("it has succeeded")


async def use(client, sandbox):
    await sandbox.fs.create_folder("d", "755")
    await sandbox.fs.upload_file(b"x", "d/f")
    await sandbox.fs.list_files("d")
    await sandbox.fs.move_files("d/f", "d/g")
    await sandbox.fs.download_file("d/g")
    await failing(sandbox.fs.get_file_info("none"))
    await sandbox.process.exec("echo x")
    await sandbox.process.code_run("print(1)")
    await sandbox.process.create_session("s")
    await sandbox.process.execute_session_command("s", SessionExecuteRequest(command="echo x"))
    await sandbox.process.list_sessions()
    await sandbox.process.delete_session("s")
    await sandbox.git.init("r")
    await sandbox.fs.upload_file(b"x", "r/f")
    await sandbox.git.add("r", ["."])
    await sandbox.git.commit("r", "m", "a", "a@b.c")
    await sandbox.git.status("r")
    await sandbox.git.branches("r")
    await sandbox.process.create_pty_session("p", on_data=lambda data: None)
    await sandbox.process.list_pty_sessions()
    await sandbox.process.kill_pty_session("p")
    async for _ in client.list():
        pass
    await sandbox.set_labels({"a": "b"})
    await sandbox.get_work_dir()
    await sandbox.get_preview_link(3000)
    await sandbox.stop()
    await sandbox.start()
    await sandbox.delete()


async def main():
    async with AsyncDaytona() as client:
        await use(client, await client.create())
        await client.snapshot.list()
        await failing(client.volume.get("none"))


if sys.argv[1:] == ["names"]:
    print_names()
else:
    asyncio.run(main())
