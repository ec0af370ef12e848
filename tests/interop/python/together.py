# SPDX-License-Identifier: Apache-2.0
"""Streams of every kind at once, and plain calls beside them."""

from sessions import Followed
from support import Topic, done, sdk, started
from terminals import Terminal, skip_where_leaving_is_unsafe


class Together(Topic):

    async def streams_beside_other_calls(self):
        async with self.sandbox() as sandbox:
            process, waiting = sandbox.process, "until [ -e go ]; do sleep 0.02; done"
            await done(process.create_session("long"))
            command = (await done(process.execute_session_command("long", sdk.SessionExecuteRequest(
                command=f"echo begun; {waiting}; echo ended", run_async=True)))).cmd_id
            log = Followed(process, "long", command)
            terminal = await Terminal.create(process)
            await terminal.type(f"{waiting}; exit 6\n")
            run = started(sandbox.code_interpreter.run_code,
                          "import os, time\nwhile not os.path.exists('go'): time.sleep(0.02)\nprint('ended')")
            await log.until("begun\n")
            for i in range(10):
                assert (await self.exec(sandbox, f"echo {i}")).result == f"{i}\n"
                await done(sandbox.fs.upload_file(b"%d" % i, f"file-{i}"))
                assert await done(sandbox.fs.download_file(f"file-{i}")) == b"%d" % i
            assert not log.end.done() and not run.done() and terminal.handle.is_connected()
            await self.exec(sandbox, "touch go")
            await log.end
            assert log.out == "begun\nended\n"
            assert (await run).stdout == "ended\n" and (await terminal.end())[0] == 6

    async def stream_is_left_early(self):
        skip_where_leaving_is_unsafe()
        async with self.sandbox() as sandbox:
            process = sandbox.process
            await done(process.create_session("left"))
            command = (await done(process.execute_session_command("left", sdk.SessionExecuteRequest(
                command="read -r a; echo got $a", run_async=True)))).cmd_id
            terminal = await Terminal.create(process, "left")
            await done(terminal.handle.disconnect())
            assert (await done(process.get_pty_session_info("left"))).active
            await done(process.send_session_command_input("left", command, "on"))
            log = Followed(process, "left", command)
            await log.end
            assert "got on\n" in log.out, log.out
