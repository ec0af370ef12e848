# SPDX-License-Identifier: Apache-2.0
"""Sessions: commands in a shell that stays, their logs, read at once or followed, and their input."""

import asyncio
import contextlib

from support import Topic, done, eventually, raises, sdk, started, unique


class Followed:
    """A log that is followed in the background, with what its callbacks got."""

    def __init__(self, process, session, command, is_awaited=False):
        self.out, self.err, self.pieces = "", "", 0

        def on_stdout(text):
            self.out += text
            self.pieces += 1

        def on_stderr(text):
            self.err += text
            self.pieces += 1

        async def on_stdout_later(text):
            await asyncio.sleep(0)
            on_stdout(text)

        # The ordinary client has this call as a coroutine too. It opens its socket within the loop's
        # thread, and reads on another.
        self.end = asyncio.ensure_future(process.get_session_command_logs_async(
            session, command, on_stdout_later if is_awaited else on_stdout, on_stderr))

    async def until(self, text):
        """Waits until `text` has come on standard output; the follow must not end before."""
        async def has_come():
            if self.end.done():
                self.end.result()
                assert text in self.out, f"the log ended with {self.out!r}"
            return text in self.out
        await eventually(has_come)


class Sessions(Topic):

    @contextlib.asynccontextmanager
    async def _session(self, **params):
        """(process calls of a sandbox, a session of it, the sandbox)."""
        async with self.sandbox(**params) as sandbox:
            name = unique("session")
            await done(sandbox.process.create_session(name))
            yield sandbox.process, name, sandbox

    async def _run(self, process, session, command):
        return await done(process.execute_session_command(session, sdk.SessionExecuteRequest(command=command)))

    async def _start(self, process, session, command, **options):
        """The id of a command that is begun and not waited for."""
        answer = await done(process.execute_session_command(
            session, sdk.SessionExecuteRequest(command=command, run_async=True, **options)))
        assert answer.cmd_id and answer.exit_code is None and not answer.stdout and not answer.stderr, answer
        return answer.cmd_id

    async def _exit_code(self, process, session, command):
        async def is_over():
            return (await done(process.get_session_command(session, command))).exit_code is not None
        await eventually(is_over)
        return (await done(process.get_session_command(session, command))).exit_code

    async def session_create_get_list_delete(self):
        async with self._session() as (process, first, _):
            second = unique("second")
            await done(process.create_session(second))
            assert sorted(s.session_id for s in await done(process.list_sessions())) == sorted([first, second])
            ran = await self._run(process, first, "echo 'x y'; (exit 9)")
            got = await done(process.get_session(first))
            assert got.session_id == first, got
            assert [(c.id, c.command, c.exit_code) for c in got.commands] == [(ran.cmd_id, "echo 'x y'; (exit 9)", 9)]
            assert not (await done(process.get_session(second))).commands
            await done(process.delete_session(second))
            assert [s.session_id for s in await done(process.list_sessions())] == [first]
            await done(process.create_session(second))  # the name is free again

    async def session_run_and_wait(self):
        async with self._session() as (process, session, _):
            answer = await self._run(process, session, "echo out; echo err >&2; printf 'grün 🚀'; (exit 3)")
            assert (answer.stdout, answer.stderr, answer.exit_code) == ("out\ngrün 🚀\n", "err\n", 3), answer
            assert all(part in answer.output for part in ("out\n", "err\n", "grün 🚀\n")), answer
            silent = await self._run(process, session, "true")
            assert (silent.stdout, silent.stderr, silent.exit_code) == ("", "", 0), silent
            assert (await self._run(process, session, "sh -c 'kill -9 $$'")).exit_code == 137
            assert (await self._run(process, session, "no-such-command-here")).exit_code == 127

    async def session_run_and_look_later(self):
        async with self._session() as (process, session, sandbox):
            command = await self._start(process, session, "echo begun; echo oops >&2; until [ -e go ]; do sleep 0.02; done; "
                                                          "echo ended; (exit 4)")

            async def has_begun():
                return (await done(process.get_session_command_logs(session, command))).stdout == "begun\n"
            await eventually(has_begun)
            assert (await done(process.get_session_command(session, command))).exit_code is None
            await self.exec(sandbox, "touch go")
            assert await self._exit_code(process, session, command) == 4
            logs = await done(process.get_session_command_logs(session, command))
            assert (logs.stdout, logs.stderr) == ("begun\nended\n", "oops\n"), logs
            assert "begun\n" in logs.output and "oops\n" in logs.output, logs

    async def session_keeps_its_state(self):
        async with self._session(env_vars={"GIVEN": "by create"}) as (process, session, _):
            await self._run(process, session, "mkdir -p deep/er && cd deep && export SHADE=dark; own=1; f() { echo f:$1; }")
            await self._run(process, session, "cd er; set -o pipefail")
            answer = await self._run(process, session, 'pwd; echo "$SHADE $own $GIVEN"; f x; false | true; echo $?')
            assert answer.stdout == "/home/daytona/deep/er\ndark 1 by create\nf:x\n1\n", answer
            other = unique("other")
            await done(process.create_session(other))
            assert (await self._run(process, other, 'pwd; echo "$SHADE$own"')).stdout == "/home/daytona\n\n"

    async def session_commands_take_turns(self):
        async with self._session() as (process, session, sandbox):
            first = await self._start(process, session, "until [ -e go ]; do sleep 0.02; done; echo first >> turns")
            second = await self._start(process, session, "echo second >> turns")
            assert (await done(process.get_session_command(session, second))).exit_code is None
            await self.exec(sandbox, "touch go")
            assert (await self._run(process, session, "cat turns")).stdout == "first\nsecond\n"
            assert await self._exit_code(process, session, first) == 0

    async def session_logs_followed(self):
        async with self._session() as (process, session, sandbox):
            command = await self._start(process, session, "for i in 1 2 3; do echo out $i; echo err $i >&2; done; "
                                                          "until [ -e go ]; do sleep 0.02; done; echo late; echo last >&2")
            log = Followed(process, session, command)
            await log.until("out 3\n")
            assert "late" not in log.out
            await self.exec(sandbox, "touch go")
            await log.end
            assert log.out == "out 1\nout 2\nout 3\nlate\n", log.out
            assert log.err == "err 1\nerr 2\nerr 3\nlast\n", log.err
            again = Followed(process, session, command, is_awaited=True)  # of a command that has ended
            await again.end
            assert (again.out, again.err) == (log.out, log.err)

    async def session_logs_followed_unicode(self):
        async with self._session() as (process, session, _):
            # Characters of two to four bytes, in pieces, and a byte that belongs to none.
            command = await self._start(process, session, "printf 'gr\\303'; sleep 0.1; printf '\\274n \\360\\237'; "
                                        "sleep 0.1; printf '\\232\\200 世界\\n'; printf 'bad \\377 byte\\n' >&2")
            log = Followed(process, session, command)
            await log.end
            assert (log.out, log.err) == ("grün 🚀 世界\n", "bad \ufffd byte\n"), (log.out, log.err)

    async def session_logs_followed_long(self):
        async with self._session() as (process, session, _):
            command = await self._start(process, session, "seq -f 'line %.0f of the long output' 1 20000; seq 1 5000 >&2")
            log = Followed(process, session, command)
            await log.end
            assert log.out == "".join(f"line {i} of the long output\n" for i in range(1, 20001)), len(log.out)
            assert log.err == "".join(f"{i}\n" for i in range(1, 5001)), len(log.err)
            logs = await done(process.get_session_command_logs(session, command))
            assert (logs.stdout, logs.stderr) == (log.out, log.err)

    async def session_input(self):
        async with self._session() as (process, session, _):
            reader = 'echo ready; read -r a; read -r b; echo "got $a+$b"'
            for is_quiet, shown in ((False, "ready\neins\nzwei ü\ngot eins+zwei ü\n"), (True, "ready\ngot eins+zwei ü\n")):
                command = await self._start(process, session, reader, suppress_input_echo=is_quiet)
                log = Followed(process, session, command)
                await log.until("ready\n")
                await done(process.send_session_command_input(session, command, "eins\n"))
                await done(process.send_session_command_input(session, command, "zwei ü"))  # a newline is added
                await log.end
                assert sorted(log.out.splitlines()) == sorted(shown.splitlines()), (is_quiet, log.out)
                assert await self._exit_code(process, session, command) == 0

    async def session_deleted_while_busy(self):
        async with self._session() as (process, session, sandbox):
            command = await self._start(process, session, "echo on; sleep 1234; echo never")
            log = Followed(process, session, command)
            await log.until("on\n")
            await done(process.delete_session(session))
            await log.end
            assert log.out == "on\n"
            assert (await self.exec(sandbox, "pgrep -f '^sleep 1234'")).exit_code == 1
            await raises(sdk.DaytonaNotFoundError, lambda: process.get_session_command(session, command), 404)
            # One who waits for the command is told so too.
            await done(process.create_session(session))
            waiting = started(process.execute_session_command, session, sdk.SessionExecuteRequest(command="sleep 1235"))
            await eventually(lambda: self._has_commands(process, session))
            await done(process.delete_session(session))
            await raises(sdk.DaytonaError, lambda: waiting)

    async def _has_commands(self, process, session):
        return bool((await done(process.get_session(session))).commands)

    async def session_many_at_once(self):
        async with self.sandbox() as sandbox:
            process = sandbox.process

            async def one(number):
                name = f"many-{number}"
                await started(process.create_session, name)
                request = sdk.SessionExecuteRequest(command=f"for i in 1 2 3; do echo {number}:$i; done", run_async=True)
                command = (await started(process.execute_session_command, name, request)).cmd_id
                log = Followed(process, name, command)
                await log.end
                return log.out
            found = await asyncio.gather(*(one(number) for number in range(8)))
            assert found == [f"{n}:1\n{n}:2\n{n}:3\n" for n in range(8)], found
            assert len(await done(process.list_sessions())) == 8

    async def session_errors(self):
        async with self._session() as (process, session, _):
            none = unique("none")
            await raises(sdk.DaytonaConflictError, lambda: process.create_session(session), 409)
            await raises(sdk.DaytonaNotFoundError, lambda: process.get_session(none), 404)
            await raises(sdk.DaytonaNotFoundError, lambda: process.delete_session(none), 404)
            await raises(sdk.DaytonaError, lambda: self._run(process, none, "true"))
            await raises(sdk.DaytonaNotFoundError, lambda: process.get_session_command(session, none), 404)
            await raises(sdk.DaytonaNotFoundError, lambda: process.get_session_command_logs(session, none), 404)
            await raises(sdk.DaytonaNotFoundError, lambda: process.send_session_command_input(session, none, "x"), 404)
            await raises(sdk.DaytonaError, lambda: Followed(process, session, none).end)
            await raises(sdk.DaytonaError, lambda: Followed(process, none, none).end)
            await raises(sdk.DaytonaBadRequestError, lambda: self._run(process, session, " "), 400)
            entrypoint = await done(process.get_entrypoint_session())
            assert [(c.id, c.exit_code) for c in entrypoint.commands] == [("entrypoint_command", None)], entrypoint
            assert (await done(process.get_entrypoint_logs())).stdout == ""
            await raises(sdk.DaytonaBadRequestError, lambda: process.delete_session("entrypoint"), 400)
            ended = await self._run(process, session, "true")
            await raises(sdk.DaytonaError, lambda: process.send_session_command_input(session, ended.cmd_id, "x"), 410)
