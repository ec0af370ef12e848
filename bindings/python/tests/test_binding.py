# SPDX-License-Identifier: Apache-2.0
"""The binding against daytona-local, whose address and key are in the environment; installed as a wheel. TAP."""

import asyncio
import contextlib
import gc
import os
import re
import sys
import tempfile
import textwrap
import threading
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tests" / "lib"))
import tap  # noqa: E402

import libdaytona  # noqa: E402
from libdaytona import Client, DaytonaError, NotFoundError  # noqa: E402
from libdaytona._loop import _lent  # noqa: E402

on = None  # the client and the sandbox that most tests share
sandbox = None


async def raises(kind, awaitable):
    try:
        await awaitable
    except kind as error:
        return error
    raise AssertionError(f"it did not raise {kind}")


# --- exec ---

async def a_command_has_a_result():
    done = await sandbox.exec("echo out; echo $WORD in $PWD; exit 3", env={"WORD": "wörd"}, cwd="/tmp")
    assert (done.exit_code, done.result) == (3, "out\nwörd in /tmp\n"), done


async def code_has_a_result():
    done = await sandbox.code_run("import sys; print(sys.argv[1:])", argv=["one", "two"])
    assert done.result == "['one', 'two']\n", done


async def many_run_side_by_side():
    all = await asyncio.gather(*[sandbox.exec(f"echo {i}") for i in range(50)])
    assert [each.result for each in all] == [f"{i}\n" for i in range(50)]


async def the_programs_own_timers_go_on():
    ticks = 0
    running = sandbox.exec("sleep 0.5")
    while not running.done():
        await asyncio.sleep(0.01)
        ticks += 1
    assert ticks > 10, ticks
    await running


async def cancelling_cancels_the_call():
    started = time.monotonic()
    error = await raises((asyncio.TimeoutError, TimeoutError), asyncio.wait_for(sandbox.exec("sleep 60; touch late"), 0.2))
    assert not isinstance(error, DaytonaError) and time.monotonic() - started < 10
    await nothing_runs("^sleep 60")


async def nothing_runs(pattern):
    for _ in range(100):
        if (await sandbox.exec(f"pgrep -fc '{pattern}'")).result.strip() == "0":
            return
    raise AssertionError("the command still runs")


async def a_cancelled_task_cancels_what_it_waits_for():
    async def waits():
        async with asyncio.timeout(60) if hasattr(asyncio, "timeout") else contextlib.AsyncExitStack():
            await sandbox.exec("sleep 61")
    task = asyncio.ensure_future(waits())
    while (await sandbox.exec("pgrep -fc '^sleep 61'")).result.strip() == "0":
        pass
    task.cancel()
    await raises(asyncio.CancelledError, task)
    await nothing_runs("^sleep 61")


async def a_limit_of_the_server_is_a_timeout():
    error = await raises(TimeoutError, sandbox.exec("sleep 30", timeout_ms=1000))
    assert error.name == "DAYTONA_EPROCESS_TIMEOUT" and error.is_a(libdaytona.lib.DAYTONA_ETIMEOUT)


async def what_is_wrong_is_said_before_it_is_sent():
    await raises(TypeError, call_of(lambda: sandbox.exec("true", no_such_option=1)))
    await raises(ValueError, call_of(lambda: sandbox.exec("true\0false")))
    await raises(TypeError, call_of(lambda: sandbox.upload(b"bytes", "x", no_such_option=1)))
    await raises(TypeError, call_of(lambda: on.call("image_resolve", "no image")))
    await raises(TypeError, call_of(lambda: on.call("sandbox_create", image="no image")))


async def call_of(function):
    return await function()


# --- files ---

async def files_go_and_come_back():
    data = os.urandom(1 << 20)
    await sandbox.upload(bytearray(data), "folder/data")
    assert await sandbox.download("folder/data") == data
    assert (await sandbox.file_info("folder/data")).size == len(data)
    assert [(each.name, each.is_dir) for each in await sandbox.list_files("folder")] == [("data", False)]


async def local_files_go_and_come_back():
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch, "up").write_bytes(b"one\0two")
        await sandbox.upload_file(os.path.join(scratch, "up"), "up")
        await sandbox.download_file("up", os.path.join(scratch, "down"))
        assert Path(scratch, "down").read_bytes() == b"one\0two"


async def a_file_is_downloaded_as_an_iterator():
    data = os.urandom(3_000_000)
    await sandbox.upload(data, "far/away")
    seen = []
    async with sandbox.download_stream("far/away", on_progress=lambda done, total: seen.append((done, total))) as chunks:
        got = [chunk async for chunk in chunks]
    assert b"".join(got) == data and len(got) > 1
    assert seen[-1] == (len(data), len(data)) and seen == sorted(seen), seen[-3:]
    async with sandbox.download_stream("far/away") as chunks:  # one that reads slowly has a little of it
        await asyncio.sleep(0.2)
        assert 0 < chunks._reader.kept_bytes < 1 << 20, chunks._reader.kept_bytes
        assert b"".join([chunk async for chunk in chunks]) == data
    async with sandbox.download_stream("far/away") as chunks:
        async for _ in chunks:
            break
    error = await raises(libdaytona.DaytonaError, listed(chunks))
    assert error.name == "DAYTONA_ECANCELED", error
    await raises(NotFoundError, listed(sandbox.download_stream("/nowhere")))


async def listed(iterator):
    return [each async for each in iterator]


async def an_iterator_is_uploaded():
    async def slow():
        for number in range(5):
            await asyncio.sleep(0.02)
            yield b"%d\n" % number
    await sandbox.upload_stream(slow(), "streamed")
    assert await sandbox.download("streamed") == b"0\n1\n2\n3\n4\n"
    seen = []
    data = os.urandom(1 << 21)
    await sandbox.upload_stream([b"first", b"", bytearray(data), memoryview(b"last")], "streamed",
                                on_progress=lambda done, total: seen.append(done))
    assert await sandbox.download("streamed") == b"first" + data + b"last" and seen[-1] == len(data) + 9
    await sandbox.upload_stream([], "nothing")
    assert await sandbox.download("nothing") == b""


async def an_iterator_that_fails_fails_its_upload():
    def broken():
        yield b"begun"
        raise LookupError("no more")
    await raises(LookupError, sandbox.upload_stream(broken(), "broken"))
    await raises(TypeError, sandbox.upload_stream(b"bytes are numbers", "broken"))
    await raises(LookupError, sandbox.upload_stream(broken(), "broken"))

    async def endless():
        while True:
            yield b"x" * 65536
    await raises((asyncio.TimeoutError, TimeoutError), asyncio.wait_for(sandbox.upload_stream(endless(), "endless"), 0.3))
    await raises(TypeError, call_of(lambda: sandbox.upload_stream([], "x", no_such_option=1)))


async def uploads_report_progress():
    seen = []
    await sandbox.upload(b"x" * 300000, "progress", on_progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (300000, 300000), seen


async def a_missing_file_is_not_found():
    error = await raises(NotFoundError, sandbox.download("/nowhere"))
    assert error.is_a(libdaytona.lib.DAYTONA_EFAILED) and str(error), error


async def calls_without_a_method_are_made_by_name():
    await sandbox.call("fs_create_folder", "made", "750")
    await sandbox.call("fs_set_file_permissions", "made", mode="700")
    assert (await sandbox.file_info("made")).permissions == "0700"
    await sandbox.upload(b"old text", "made/file")
    replaced = await sandbox.call("fs_replace_in_files", ["made/file"], "old", "new")
    assert [each.is_success for each in replaced] == [True]
    found = await sandbox.call("fs_find_files", "made", "new")
    assert [(each.line, each.content) for each in found] == [(1, "new text")]
    assert await sandbox.call("fs_search_files", "made", "f*") != []


# --- sessions ---

async def a_session_keeps_its_state():
    await sandbox.create_session("keeps")
    await sandbox.session_exec("keeps", "cd /tmp; word=kept")
    done = await sandbox.session_exec("keeps", "echo $word $PWD; echo no >&2")
    assert (done.exit_code, done.out, done.err) == (0, b"kept /tmp\n", b"no\n"), done
    session = await sandbox.call("session_get", "keeps")
    assert len(session.commands) == 2, session
    await sandbox.delete_session("keeps")


async def a_follow_is_an_iterator():
    await sandbox.create_session("follow")
    command = await sandbox.session_exec("follow", "for i in 1 2 3; do echo $i; sleep 0.05; done; echo end >&2", run_async=True)
    assert command.exit_code is None
    out = {"stdout": b"", "stderr": b""}
    async with sandbox.follow("follow", command.command_id) as follow:
        async for part in follow:
            out[part.stream] += part.data
        end = await follow.wait()
    assert out == {"stdout": b"1\n2\n3\n", "stderr": b"end\n"}, out
    assert (end.reason, end.exit_code) == ("exited", 0), end
    await sandbox.delete_session("follow")


async def a_slow_reader_pauses_and_gets_everything():
    await sandbox.create_session("slow")
    command = await sandbox.session_exec("slow", "seq 1 400000", run_async=True)
    got, most = 0, 0
    async with sandbox.follow("slow", command.command_id) as follow:
        await asyncio.sleep(0.5)
        async for part in follow:
            got += len(part.data)
            most = max(most, follow._reader.kept_bytes)
            if got < 1 << 20:
                await asyncio.sleep(0.001)
        end = await follow.wait()
    assert got == sum(len(str(i)) + 1 for i in range(1, 400001)) and end.exit_code == 0, (got, end)
    assert most < 1 << 20, most
    await sandbox.delete_session("slow")


async def a_follow_that_is_left_ends():
    await sandbox.create_session("left")
    command = await sandbox.session_exec("left", "echo first; sleep 60", run_async=True)
    async with sandbox.follow("left", command.command_id) as follow:
        async for part in follow:
            assert part.data == b"first\n"
            break
    await sandbox.delete_session("left")


async def a_follow_that_is_forgotten_ends():
    await sandbox.create_session("forgotten")
    for what in ("echo first; sleep 60", "seq 1 400000; sleep 60"):  # the second is paused
        command = await sandbox.session_exec("forgotten", what, run_async=True)
        follow = sandbox.follow("forgotten", command.command_id)
        end = follow._end
        async for _ in follow:
            break
        await asyncio.sleep(0.1)
        del follow
        gc.collect()
        await raises(asyncio.CancelledError, end)
        await sandbox.delete_session("forgotten")
        await sandbox.create_session("forgotten")


async def two_may_read_a_follow():
    await sandbox.create_session("two")
    command = await sandbox.session_exec("two", "for i in 1 2 3 4; do echo $i; sleep 0.05; done", run_async=True)
    async with sandbox.follow("two", command.command_id) as follow:
        first, second = await asyncio.gather(listed(follow), listed(follow))
    assert sorted(b"".join(part.data for part in first + second).split()) == [b"1", b"2", b"3", b"4"], (first, second)
    await sandbox.delete_session("two")


async def a_follow_of_nothing_raises():
    async def read():
        async for _ in sandbox.follow("no-session", "no-command"):
            pass
    await raises(NotFoundError, read())


# --- interpreter ---

async def the_interpreter_keeps_variables():
    await sandbox.run_code("x = 20")
    heard = []
    ran = await sandbox.run_code("print(x + 1)", on_output=lambda part: heard.append(part.data))
    assert (b"".join(heard), ran.out, ran.error) == (b"21\n", b"21\n", None), ran


async def an_exception_of_the_code_is_a_result():
    ran = await sandbox.run_code("print('before'); 1 / 0")
    assert ran.error.name == "ZeroDivisionError" and "ZeroDivisionError" in ran.error.traceback and ran.out == b"before\n", ran


async def contexts_are_apart():
    context = await sandbox.call("interpreter_create_context")
    ran = await sandbox.run_code("print('x' in globals())", context_id=context.id)
    assert ran.out == b"False\n", ran
    await sandbox.call("interpreter_delete_context", context.id)


async def a_callback_that_raises_is_reported():
    said = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context["exception"]))
    try:
        await sandbox.run_code("print(1)", on_output=lambda part: 1 / 0)
    finally:
        asyncio.get_running_loop().set_exception_handler(None)
    assert [type(each) for each in said] == [ZeroDivisionError], said


# --- terminals ---

async def a_program_of_its_own(program, *options):
    """Runs `program` with a Python of its own: its exit status, and what it printed."""
    program = textwrap.dedent(program)
    process = await asyncio.create_subprocess_exec(sys.executable, *options, "-c", program, stdout=asyncio.subprocess.PIPE,
                                                   stderr=asyncio.subprocess.STDOUT, env=dict(os.environ, SANDBOX=sandbox.id))
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def an_exit_in_a_callback_ends_the_program():
    status, said = await a_program_of_its_own("""
        import asyncio, os, sys
        from libdaytona import Client
        async def main():
            async with Client() as client:
                sandbox = await client.get(os.environ["SANDBOX"])
                await sandbox.run_code("print(1)", on_output=lambda part: sys.exit(7))
        asyncio.run(main())""")
    assert status == 7 and "Traceback" not in said, (status, said)


async def a_terminal_is_typed_into():
    shown = b""
    async with await sandbox.pty(cols=90, rows=20) as pty:
        await pty.resize(100, 30)
        pty.write(b"stty size; exit 7\n")
        async for part in pty:
            shown += part
        end = await pty.wait()
    assert b"30 100" in shown and (end.reason, end.exit_code) == ("exited", 7), (shown, end)


async def a_terminal_that_is_left_goes_on():
    async with await sandbox.pty(id="left") as pty:
        assert pty.id == "left"
    assert (await asyncio.wait_for(pty.wait(), 10)).reason == "closed"
    assert (await sandbox.call("pty_get_info", "left")).is_active
    await sandbox.call("pty_kill", "left")


async def a_terminal_is_attached_to_again():
    async with await sandbox.pty(id="again") as first:
        first.write(b"own=kept; echo is-$((1+1))\n")
        async for part in first:
            if b"is-2" in part:
                break
    shown = b""
    async with await sandbox.connect_pty("again") as second:
        second.write(b"echo $own-$((2+2)); exit\n")
        async for part in second:
            shown += part
    assert b"kept-4" in shown, shown


async def a_long_input_waits_for_room():
    async with await sandbox.pty() as pty:
        pty.write(b"stty raw -echo; echo is-$((1+1)); head -c 6000000 | wc -c; exit\n")
        shown = b""
        async for part in pty:
            shown += part
            if b"is-2" in part:
                break
        for _ in range(6):
            while True:
                try:
                    pty.write(b"x" * 1000000)
                    break
                except libdaytona.LimitError:
                    await pty.drained()
        shown += b"".join([part async for part in pty])
    assert b"6000000" in shown, shown


async def a_terminal_that_is_not_read_can_be_left():
    async with await sandbox.pty(id="unread") as pty:
        pty.write(b"seq 1 400000\n")
        while not pty._reader.is_paused:
            await asyncio.sleep(0.01)
    assert (await asyncio.wait_for(pty.wait(), 10)).reason in ("closed", "slow reader")
    await sandbox.call("pty_kill", "unread")


async def a_terminal_that_is_forgotten_is_left():
    pty = await sandbox.pty(id="forgotten")
    end = pty._end
    del pty
    gc.collect()
    assert (await asyncio.wait_for(end, 10)).reason == "closed"
    await sandbox.call("pty_kill", "forgotten")


# --- clients and sandboxes ---

async def sandboxes_are_listed():
    async with on.sandbox(labels={"for": "listing"}, name="listed") as made:
        found = [each.id async for each in on.sandboxes(labels={"for": "listing"})]
        assert found == [made.id] and made.state == "started"
        assert made.info.labels["for"] == "listing" and made.info.name == "listed"
        assert (await on.get("listed")).id == made.id
    await raises(NotFoundError, gone("listed"))


async def gone(name):
    while (await on.get(name)).state in ("destroying", "destroyed"):
        await asyncio.sleep(0.05)


async def every_array_has_its_count():
    """What is new in the headers and named otherwise would be lost in records."""
    from libdaytona._native import count_of, fields_of
    kinds = [libdaytona.ffi.typeof(name) for name in libdaytona.ffi.list_types()[0]]
    structs = [kind for kind in kinds if kind.kind == "struct" and fields_of(kind)]
    assert len(structs) > 100
    alone = {"member_count", "skipped_count", "failed_count", "header_count", "attempt_count", "resumed_count", "ready_count", "cpu_count"}
    for kind in structs:
        fields = fields_of(kind)
        counts = {name for name in fields if name == "count" or name.endswith("_count")}
        assert counts - {count_of(name, fields) for name in fields} <= alone, (kind, counts)
    done = await sandbox.call("process_exec", "true")
    assert done.charts == [] and done.result == ""


async def lists_have_what_is_beside_their_items():
    page = await on.call("snapshot_list")
    assert page.total == len(page) > 0 and page[0].name and page.page == 1, page
    by_state = [each.id async for each in on.sandboxes(states=[libdaytona.lib.DAYTONA_SANDBOX_STARTED])]
    assert sandbox.id in by_state


async def an_image_is_built_up():
    image = libdaytona.Image.base("python:3.12").env({"A": "b"}).run_commands(["make it"]).workdir("/srv").call("cmd", ["sh"])
    assert image.dockerfile.splitlines()[0] == "FROM python:3.12" and "RUN make it" in image.dockerfile, image.dockerfile
    content = await on.call("image_resolve", image._pointer)
    assert content.dockerfile == image.dockerfile and content.contexts == []


async def a_bad_configuration_has_a_reason():
    error = None
    try:
        Client(ignores_environment=True)
    except libdaytona.AuthenticationError as raised:
        error = raised
    assert error and "key" in str(error).lower(), error


async def a_log_has_lines():
    lines = []
    async with Client(log=lambda level, line: lines.append((level, line))) as client:
        await client.get(sandbox.id)
    assert lines and all(level in (10, 20, 30, 40) and line for level, line in lines), lines
    said = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context["exception"]))
    try:
        async with Client(log=lambda level, line: 1 / 0) as client:
            await client.get(sandbox.id)
    finally:
        asyncio.get_running_loop().set_exception_handler(None)
    assert {type(each) for each in said} == {ZeroDivisionError}, said
    await raises(libdaytona.AuthenticationError, call_of(lambda: Client(log=print, ignores_environment=True)))


async def closing_fails_what_is_pending():
    client = Client()
    other = await client.get(sandbox.id)
    running = other.exec("sleep 5")
    await asyncio.sleep(0.1)
    await client.close()
    await raises(libdaytona.ClosedError, running)
    await raises(libdaytona.ClosedError, call_of(lambda: other.exec("true")))
    await client.close()


async def a_close_that_is_cancelled_is_still_made():
    client = Client()
    closing = asyncio.ensure_future(client.close())
    await asyncio.sleep(0)
    closing.cancel()
    await raises(asyncio.CancelledError, closing)
    await client.close()
    assert client._loop.uv is None


async def a_client_that_is_forgotten_closes():
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        client = Client()
        await client.get(sandbox.id)
        loop = client._loop
        await asyncio.sleep(0)  # the turn that this task was resumed in holds the result
        del client
        gc.collect()
    assert [each.category for each in said] == [ResourceWarning], said
    while loop.uv is not None:
        await asyncio.sleep(0.01)


async def a_client_that_outlives_its_loop_closes():
    for pending, is_closed in ((0, True), (1, False)):  # what is pending has the client
        status, said = await a_program_of_its_own(f"""
            import asyncio, gc, os
            from libdaytona import Client
            async def main():
                client = Client()
                kept = [client, await client.get(os.environ["SANDBOX"])]
                if {pending}:
                    kept.append(kept[1].exec("sleep 5"))
                kept.append(await kept[1].pty())
                await asyncio.sleep(0.1)
                return kept
            kept = asyncio.run(main())
            loop = kept[0]._loop
            del kept
            gc.collect()
            print("closed", loop.uv is None)""", "-W", "ignore::ResourceWarning")
        assert (status, said) == (0, f"closed {is_closed}\n"), (status, said)
    for leak in ("", "leaked = client; ", "client._self = client; sandbox._self = sandbox; "):
        status, said = await a_program_of_its_own(f"""
            import asyncio, os
            from libdaytona import Client
            async def main():
                global leaked
                client = Client()
                sandbox = await client.get(os.environ["SANDBOX"])
                {leak}print((await sandbox.exec("echo done")).result, end="")
            asyncio.run(main())""", "-W", "ignore::ResourceWarning")
        assert (status, said) == (0, "done\n"), (leak, status, said)


async def each_thread_may_have_its_own():
    def thread(number):
        async def main():
            async with Client() as client:
                own = await client.get(sandbox.id)
                all = await asyncio.gather(*[own.exec(f"echo {number}-{i}") for i in range(10)])
                return [each.result for each in all]
        return asyncio.run(main())
    found = await asyncio.gather(*[asyncio.to_thread(thread, number) for number in range(4)])
    assert found == [[f"{number}-{i}\n" for i in range(10)] for number in range(4)], found


async def a_fork_has_clients_of_its_own():
    status, said = await a_program_of_its_own("""
        import asyncio, gc, os, sys
        from libdaytona import Client, ClosedError
        async def child_main():
            async with Client() as client:
                sandbox = await client.get(os.environ["SANDBOX"])
                return (await sandbox.exec("echo child")).result
        async def main():
            async with Client() as client:
                sandbox = await client.get(os.environ["SANDBOX"])
                pty = await sandbox.pty(id="forked")
                running = sandbox.exec("sleep 0.5; echo parent")
                await asyncio.sleep(0.1)
                child = os.fork()
                if child == 0:
                    status = 1
                    try:
                        for call in (lambda: sandbox.exec("true"), lambda: client.close().send(None), lambda: sandbox.follow("x", "y")):
                            try:
                                call()
                                os._exit(2)
                            except ClosedError as error:
                                assert "fork" in str(error), error
                        running.cancel()
                        del pty, sandbox, client, running
                        gc.collect()
                        assert asyncio.run(child_main()) == "child\\n"
                        status = 0
                    finally:
                        os._exit(status)
                print((await running).result, end="")
                pty.write(b"echo is-$((1+1)); exit\\n")
                print(b"is-2" in b"".join([part async for part in pty]))
                while True:
                    done, status = os.waitpid(child, os.WNOHANG)
                    if done:
                        break
                    await asyncio.sleep(0.01)
                print("child", status)
        asyncio.run(main())""")
    assert (status, said) == (0, "parent\nTrue\nchild 0\n"), (status, said)


async def a_sandbox_may_be_collected_on_any_thread():
    kept = [await on.get(sandbox.id)]
    thread = threading.Thread(target=kept.clear)
    thread.start()
    thread.join()
    await asyncio.sleep(0.05)
    assert (await sandbox.exec("echo still")).result == "still\n"


async def another_thread_is_refused():
    def from_there():
        try:
            sandbox.exec("true")
        except DaytonaError as error:
            return error.name
    assert await asyncio.to_thread(from_there) == "DAYTONA_ETHREAD"


async def the_programs_of_the_pages_run():
    root = Path(__file__).resolve().parents[3]
    for page, wanted in (("docs/bindings.md", "hello\nfirst\nsecond\nexited 0\n"), ("bindings/python/README.md", "hello\n")):
        [program] = re.findall(r"^```python\n(.*?)^```$", (root / page).read_text(), flags=re.M | re.S)
        ran = await a_program_of_its_own(program, "-W", "error")
        assert ran == (0, wanted), (page, ran)


async def a_library_that_is_not_found_says_what_to_do():
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "import libdaytona", stderr=asyncio.subprocess.PIPE,
                                                   env=dict(environment, LIBDAYTONA_PATH="/nowhere/libdaytona.so.0"))
    _, said = await process.communicate()
    assert process.returncode == 1 and b"ImportError: cannot load library '/nowhere" in said and b"LIBDAYTONA_PATH" in said, said


async def the_example_runs():
    example = Path(__file__).resolve().parents[3] / "examples" / "python" / "tour.py"
    process = await asyncio.create_subprocess_exec(sys.executable, "-W", "error", example, "--sandboxes", "2", stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    line = "{}: 3 steps, then exited 0; a terminal of 100x30, exit code 4; DAYTONA_EFILE_NOT_FOUND, and a command that was cancelled\n"
    assert (process.returncode, output.decode()) == (0, line.format(1) + line.format(2)), (process.returncode, output)


async def the_loop_is_the_one_that_was_asked_for():
    assert (type(asyncio.get_running_loop()).__module__ == "uvloop") == (LOOP == "uvloop")


async def nothing_stays_lent():
    gc.collect()
    for _ in range(200):
        if not _lent:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(_lent)


SLOW_SECONDS = 2
LOOP = sys.argv[1] if len(sys.argv) > 1 else "asyncio"
# They start a Python for each case, whose loop is asyncio's own.
OF_OTHER_PROGRAMS = (an_exit_in_a_callback_ends_the_program, a_client_that_outlives_its_loop_closes, a_fork_has_clients_of_its_own,
                     the_programs_of_the_pages_run, a_library_that_is_not_found_says_what_to_do, the_example_runs)
HELPERS = ("raises", "call_of", "gone", "listed", "nothing_runs", "a_program_of_its_own")
TESTS = [value for name, value in list(globals().items())
         if asyncio.iscoroutinefunction(value) and name not in HELPERS and not (LOOP == "uvloop" and value in OF_OTHER_PROGRAMS)]


async def main():
    global on, sandbox
    producer = tap.Producer()
    producer.plan(len(TESTS))
    async with Client() as on, on.sandbox() as sandbox:
        for test in TESTS:
            begun = time.monotonic()
            try:
                await asyncio.wait_for(test(), 60)
            except Exception:
                import traceback
                producer.comment(traceback.format_exc())
                producer.point(test.__name__, False)
            else:
                producer.point(test.__name__, True)
            if time.monotonic() - begun > SLOW_SECONDS:
                producer.comment(f"that took {time.monotonic() - begun:.1f} s")
    return producer.exit_code()


if __name__ == "__main__":
    if LOOP == "uvloop":
        import uvloop
        uvloop.install()
    sys.exit(asyncio.run(main()))
