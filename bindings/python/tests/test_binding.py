# SPDX-License-Identifier: Apache-2.0
"""The binding against daytona-local, whose address and key are in the environment; installed as a wheel. TAP."""

import asyncio
import gc
import os
import re
import sys
import tempfile
import threading
import time
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
    for _ in range(100):
        if (await sandbox.exec("pgrep -fc '^sleep 60'")).result.strip() == "0":
            return
    raise AssertionError("the command still runs")


async def a_limit_of_the_server_is_a_timeout():
    error = await raises(TimeoutError, sandbox.exec("sleep 30", timeout_ms=1000))
    assert error.name == "DAYTONA_EPROCESS_TIMEOUT" and error.is_a(libdaytona.lib.DAYTONA_ETIMEOUT)


async def what_is_wrong_is_said_before_it_is_sent():
    await raises(TypeError, call_of(lambda: sandbox.exec("true", no_such_option=1)))
    await raises(ValueError, call_of(lambda: sandbox.exec("true\0false")))
    await raises(TypeError, call_of(lambda: sandbox.upload(b"bytes", "x", no_such_option=1)))


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


async def a_bad_configuration_has_a_reason():
    error = None
    try:
        Client(ignores_environment=True)
    except libdaytona.AuthenticationError as raised:
        error = raised
    assert error and "key" in str(error).lower(), error


async def closing_fails_what_is_pending():
    client = Client()
    other = await client.get(sandbox.id)
    running = other.exec("sleep 5")
    await asyncio.sleep(0.1)
    await client.close()
    await raises(libdaytona.ClosedError, running)
    await raises(libdaytona.ClosedError, call_of(lambda: other.exec("true")))
    await client.close()


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


async def the_program_of_the_page_runs():
    page = (Path(__file__).resolve().parents[3] / "docs" / "bindings.md").read_text()
    [program] = re.findall(r"^```python\n(.*?)^```$", page, flags=re.M | re.S)
    process = await asyncio.create_subprocess_exec(sys.executable, "-W", "error", "-c", program, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0 and output == b"hello\nfirst\nsecond\nexited 0\n", (process.returncode, output)


async def nothing_stays_lent():
    gc.collect()
    for _ in range(200):
        if not _lent:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(_lent)


TESTS = [value for name, value in list(globals().items())
         if asyncio.iscoroutinefunction(value) and name not in ("raises", "call_of", "gone")]


async def main():
    global on, sandbox
    producer = tap.Producer()
    producer.plan(len(TESTS))
    async with Client() as on, on.sandbox() as sandbox:
        for test in TESTS:
            try:
                await asyncio.wait_for(test(), 60)
            except Exception:
                import traceback
                producer.comment(traceback.format_exc())
                producer.point(test.__name__, False)
            else:
                producer.point(test.__name__, True)
    return producer.exit_code()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
