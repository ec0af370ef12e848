# SPDX-License-Identifier: Apache-2.0
"""Single commands and single runs of code."""

import asyncio
import time

from support import IS_ASYNC, Topic, done, eventually, raises, sdk


class Processes(Topic):
    async def exec_output_and_exit_codes(self):
        async with self.sandbox() as sandbox:
            answer = await self.exec(sandbox, "echo out; echo err >&2; exit 3")
            assert answer.exit_code == 3
            assert sorted(answer.result.split()) == ["err", "out"] and answer.artifacts.stdout == answer.result
            assert (await self.exec(sandbox, "true")).exit_code == 0
            assert (await self.exec(sandbox, "no-such-command-here")).exit_code == 127
            pipe = await self.exec(sandbox, "printf 'a\\nb\\n' | wc -l && X='1 2'; echo \"$X\"")
            assert pipe.result.split() == ["2", "1", "2"]

    async def exec_cwd_and_env(self):
        async with self.sandbox() as sandbox:
            answer = await self.exec(sandbox, "pwd; echo \"$GREETING\"", cwd="/tmp",
                                     env={"GREETING": "hi 'there' \"you\" $HOME"})
            assert answer.result == "/tmp\nhi 'there' \"you\" $HOME\n"
            await raises(sdk.DaytonaBadRequestError,
                         lambda: sandbox.process.exec("true", env={"1BAD": "x"}))

    async def exec_timeout(self):
        async with self.sandbox() as sandbox:
            begin = time.monotonic()
            error = await raises(sdk.DaytonaTimeoutError, lambda: sandbox.process.exec("sleep 60", timeout=1), 408)
            assert isinstance(error, sdk.DaytonaProcessExecutionTimeoutError)
            assert time.monotonic() - begin < 6

            async def is_over():  # what was killed may not have been reaped yet
                return (await self.exec(sandbox, "pgrep -f 'sleep 6[0]'")).exit_code == 1
            await eventually(is_over, 5)

    async def exec_unicode(self):
        async with self.sandbox() as sandbox:
            text = "grüße, 世界 🚀 e\u0301 <&>"
            assert (await self.exec(sandbox, f"echo '{text}'")).result == text + "\n"
            assert (await self.exec(sandbox, "printf '\\377ok'")).result == "\ufffdok"

    async def exec_big_output(self):
        async with self.sandbox() as sandbox:
            answer = await self.exec(sandbox, "head -c 4194304 /dev/zero | tr '\\0' x", timeout=120)
            assert len(answer.result) == 4194304 and set(answer.result) == {"x"}

    async def exec_many_at_once(self):
        async with self.sandbox() as sandbox:
            async def one(number):
                if IS_ASYNC:
                    return await sandbox.process.exec(f"echo {number}")
                return await asyncio.to_thread(sandbox.process.exec, f"echo {number}")
            answers = await asyncio.gather(*(one(i) for i in range(32)))
            assert [a.result.strip() for a in answers] == [str(i) for i in range(32)]

    async def update_env(self):
        async with self.sandbox(env_vars={"KEPT": "1", "GONE": "2"}) as sandbox:
            await done(sandbox.update_env({"ADDED": "3"}, unset=["GONE"]))
            answer = await self.exec(sandbox, "echo ${KEPT-none} ${GONE-none} ${ADDED-none}")
            assert answer.result == "1 none 3\n"

    async def code_run_python(self):
        async with self.sandbox() as sandbox:
            answer = await done(sandbox.process.code_run("import sys\nprint(sum(range(10)))\nsys.exit(4)"))
            assert (answer.exit_code, answer.result) == (4, "45\n")

    async def code_run_javascript(self):
        async with self.sandbox(language="javascript") as sandbox:
            answer = await done(sandbox.process.code_run("console.log([1, 2, 3].map(x => x * 2).join())"))
            assert (answer.exit_code, answer.result) == (0, "2,4,6\n"), answer

    async def code_run_typescript(self):
        async with self.sandbox(language="typescript") as sandbox:
            code = "interface P { n: number }\nconst p: P = { n: 41 };\nconsole.log(p.n + 1 as number);"
            answer = await done(sandbox.process.code_run(code))
            assert (answer.exit_code, answer.result) == (0, "42\n"), answer

    async def code_run_argv_and_env(self):
        async with self.sandbox() as sandbox:
            answer = await done(sandbox.process.code_run(
                "import os, sys; print(sys.argv[1:], os.environ['SHADE'])",
                params=sdk.CodeRunParams(argv=["one", "two"], env={"SHADE": "dark"})))
            assert answer.result == "['one', 'two'] dark\n", answer.result

    async def code_run_failure(self):
        async with self.sandbox() as sandbox:
            answer = await done(sandbox.process.code_run("raise ValueError('as expected')"))
            assert answer.exit_code == 1 and "ValueError: as expected" in answer.result
