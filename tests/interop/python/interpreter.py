# SPDX-License-Identifier: Apache-2.0
"""The interpreter: runs of Python code that share their state."""

import asyncio

from support import Topic, done, raises, sdk, started, unique


class Interpreter(Topic):

    async def _run(self, sandbox, code, **options):
        """What the run gave, and that no exception ended it."""
        result = await done(sandbox.code_interpreter.run_code(code, **options))
        assert result.error is None, result.error
        return result

    async def interpreter_output_and_callbacks(self):
        async with self.sandbox() as sandbox:
            told = []
            result = await self._run(
                sandbox, "import sys\nfor i in range(3):\n  print('out', i, 'ü 🚀')\n  print('err', i, file=sys.stderr)",
                on_stdout=lambda message: told.append(("out", message.output)),
                on_stderr=lambda message: told.append(("err", message.output)),
                on_error=lambda error: told.append(("error", error)))
            assert result.stdout == "out 0 ü 🚀\nout 1 ü 🚀\nout 2 ü 🚀\n", result
            assert result.stderr == "err 0\nerr 1\nerr 2\n", result
            assert [kind for kind, _ in told] == ["out", "err"] * 3, told
            assert "".join(text for kind, text in told if kind == "out") == result.stdout
            silent = await self._run(sandbox, "1 + 1")
            assert (silent.stdout, silent.stderr) == ("", "")

    async def interpreter_streams_while_it_runs(self):
        async with self.sandbox() as sandbox:
            seen = asyncio.Event()
            loop = asyncio.get_running_loop()
            run = started(self._run_plain, sandbox, "import os, time\nprint('begun', flush=True)\n"
                          "while not os.path.exists('go'): time.sleep(0.02)\nprint('ended')",
                          lambda message: loop.call_soon_threadsafe(seen.set))
            await seen.wait()
            assert not run.done()
            await self.exec(sandbox, "touch go")
            assert (await run).stdout == "begun\nended\n"

    def _run_plain(self, sandbox, code, on_stdout=None, **options):
        return sandbox.code_interpreter.run_code(code, on_stdout=on_stdout, **options)

    async def interpreter_keeps_its_state(self):
        async with self.sandbox() as sandbox:
            await self._run(sandbox, "import json, os\nnumbers = [1, 2]\ndef twice(x): return 2 * x\nos.chdir('/tmp')")
            await self._run(sandbox, "numbers.append(twice(21))")
            assert (await self._run(sandbox, "print(json.dumps(numbers), os.getcwd())")).stdout == "[1, 2, 42] /tmp\n"
            await done(sandbox.code_interpreter.run_code("numbers.append(4)\nraise RuntimeError('x')"))
            assert (await self._run(sandbox, "print(len(numbers))")).stdout == "4\n"

    async def interpreter_contexts(self):
        async with self.sandbox() as sandbox:
            interpreter = sandbox.code_interpreter
            assert await done(interpreter.list_contexts()) == []
            first = await done(interpreter.create_context())
            second = await done(interpreter.create_context(cwd="/tmp"))
            assert first.id and first.id != second.id and (second.cwd, second.language) == ("/tmp", "python"), second
            assert sorted(c.id for c in await done(interpreter.list_contexts())) == sorted([first.id, second.id])
            for context, value in ((first, 1), (second, 2), (None, 3)):
                await self._run(sandbox, f"own = {value}", context=context)
            for context, shown in ((first, "1 /home/daytona\n"), (second, "2 /tmp\n"), (None, "3 /home/daytona\n")):
                assert (await self._run(sandbox, "import os; print(own, os.getcwd())", context=context)).stdout == shown
            await done(interpreter.delete_context(first))
            assert [c.id for c in await done(interpreter.list_contexts())] == [second.id]
            await raises(sdk.DaytonaConnectionError, lambda: interpreter.run_code("print(1)", context=first))
            await raises(sdk.DaytonaNotFoundError, lambda: interpreter.delete_context(first), 404)
            assert (await self._run(sandbox, "print(own)", context=second)).stdout == "2\n"

    async def interpreter_envs(self):
        async with self.sandbox(env_vars={"GIVEN": "by create"}) as sandbox:
            show = "import os; print(os.environ.get('SHADE'), os.environ.get('GIVEN'))"
            assert (await self._run(sandbox, show, envs={"SHADE": "dark ü", "GIVEN": "other"})).stdout == "dark ü other\n"
            assert (await self._run(sandbox, show)).stdout == "None by create\n"

    async def interpreter_exceptions(self):
        async with self.sandbox() as sandbox:
            told = []
            result = await done(sandbox.code_interpreter.run_code(
                "print('before')\ndef fail():\n  raise ValueError('as expected ü')\nfail()", on_error=told.append))
            assert result.stdout == "before\n" and told == [result.error], (result, told)
            assert (result.error.name, result.error.value) == ("ValueError", "as expected ü"), result.error
            for part in ("Traceback (most recent call last)", "line 4", "line 3", "ValueError: as expected ü"):
                assert part in result.error.traceback, result.error.traceback
            result = await done(sandbox.code_interpreter.run_code("def ("))
            assert result.error.name == "SyntaxError" and result.stdout == "", result
            result = await done(sandbox.code_interpreter.run_code("class Own(Exception): pass\nraise Own"))
            assert (result.error.name, result.error.value) == ("Own", ""), result.error
            await self._run(sandbox, "import sys; sys.exit(3)")  # an ordinary end
            assert (await self._run(sandbox, "print('still here')")).stdout == "still here\n"

    async def interpreter_timeout(self):
        async with self.sandbox() as sandbox:
            interpreter, told = sandbox.code_interpreter, []
            await self._run(sandbox, "kept = 7")
            await raises(sdk.DaytonaTimeoutError, lambda: interpreter.run_code(
                "import time\nprint('go')\ntime.sleep(60)", timeout=1, on_stdout=lambda message: told.append(message.output)))
            assert "".join(told) == "go\n", told
            assert (await self._run(sandbox, "print(kept)", timeout=0)).stdout == "7\n"
            # What does not let itself be interrupted is killed, and its state goes with it.
            await raises(sdk.DaytonaTimeoutError, lambda: interpreter.run_code(
                "while True:\n  try:\n    time.sleep(60)\n  except KeyboardInterrupt: pass", timeout=1))
            assert (await self._run(sandbox, "print('kept' in globals())")).stdout == "False\n"

    async def interpreter_large_output(self):
        async with self.sandbox() as sandbox:
            pieces = []
            # Fewer than the 1,024 messages that may wait: a client that is slow with more is dropped, as on the platform.
            result = await self._run(sandbox, "for i in range(500): print('line', i, 'ü' * 900)\nprint('x' * 300000)",
                                     on_stdout=lambda message: pieces.append(message.output))
            wanted = "".join(f"line {i} {'ü' * 900}\n" for i in range(500)) + "x" * 300000 + "\n"
            assert result.stdout == wanted and "".join(pieces) == wanted, (len(result.stdout), len(wanted))

    async def interpreter_contexts_at_once(self):
        async with self.sandbox() as sandbox:
            # Each waits for the other's file, so neither ends unless both run.
            code = ("import os, time\nopen('{0}', 'w').close()\nwhile not os.path.exists('{1}'): time.sleep(0.02)\n"
                    "print('{0} saw {1}')")
            contexts = [await done(sandbox.code_interpreter.create_context()) for _ in range(2)]
            runs = [started(self._run_plain, sandbox, code.format(*names), context=context)
                    for context, names in zip(contexts, (("a", "b"), ("b", "a")))]
            assert [(await run).stdout for run in runs] == ["a saw b\n", "b saw a\n"]

    async def interpreter_errors(self):
        async with self.sandbox() as sandbox:
            interpreter = sandbox.code_interpreter
            context = await done(interpreter.create_context())
            unknown = context.model_copy(update={"id": unique("none")})
            await raises(sdk.DaytonaConnectionError, lambda: interpreter.run_code("print(1)", context=unknown))
            await raises(sdk.DaytonaNotFoundError, lambda: interpreter.delete_context(unknown), 404)
            await raises(sdk.DaytonaConnectionError, lambda: interpreter.run_code(""))
            await raises(sdk.DaytonaConnectionError, lambda: interpreter.run_code("print(1)", timeout=-1))
            await raises(sdk.DaytonaError, lambda: interpreter.create_context(cwd="/does/not/exist"))
            # A process that goes away is told, and the next run has a new one.
            error = await raises(sdk.DaytonaConnectionError, lambda: interpreter.run_code("import os; os._exit(1)"))
            assert "1001" in str(error), error
            assert (await self._run(sandbox, "print('again')")).stdout == "again\n"
