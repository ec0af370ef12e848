"""The interop scenarios with the official Python SDK: scenarios.py python|python-async

Written once for both clients: what a call of the asynchronous client gives is awaited, what one of
the ordinary client gives is taken as it is. Reports TAP.
"""

import asyncio
import contextlib
import inspect
import json
import os
import socket
import sys
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request
import uuid
import warnings

warnings.simplefilter("ignore")

import daytona as sdk  # noqa: E402  (the filter has to come first)
from daytona_api_client import SandboxListSortDirection, SandboxListSortField  # noqa: E402

IS_ASYNC = sys.argv[1] == "python-async"
API_URL = os.environ["DAYTONA_API_URL"]
API_KEY = os.environ["DAYTONA_API_KEY"]
SHOWN_LINES = 14


def server_is_there():
    parts = urllib.parse.urlsplit(API_URL)
    try:
        socket.create_connection((parts.hostname, parts.port), 5).close()
    except OSError:
        return False
    return True


async def done(value):
    """What a call gave, whichever client made it."""
    return await value if inspect.isawaitable(value) else value


async def collect(pages):
    if hasattr(pages, "__aiter__"):
        return [item async for item in pages]
    return list(pages)


def unique(prefix):
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


async def raises(kind, call, status=None):
    """The error of `kind` that call() must raise."""
    try:
        await done(call())
    except kind as error:
        if status is not None:
            assert error.status_code == status, f"status {error.status_code}, not {status}: {error}"
        return error
    raise AssertionError(f"no {kind.__name__}")


async def eventually(condition, seconds=30):
    """Polls a condition that the server brings about; its value once it is true."""
    deadline = time.monotonic() + seconds
    while True:
        value = await done(condition())
        if value:
            return value
        assert time.monotonic() < deadline, "condition did not come true"
        await asyncio.sleep(0.05)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def fetch(url, headers=None):
    """(status, body) of a plain GET; names under localhost are this machine on every resolver."""
    parts = urllib.parse.urlsplit(url)
    headers = dict(headers or {}, Host=parts.netloc)
    if parts.hostname.endswith(".localhost"):
        url = url.replace(parts.hostname, "127.0.0.1", 1)
    request = urllib.request.Request(url, headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)
    try:
        with opener.open(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def admin(method, path, body):
    """A call of daytona-local's own admin interface."""
    base = os.environ["DAYTONA_LOCAL_ADMIN_URL"]
    request = urllib.request.Request(base + path, method=method, data=json.dumps(body).encode(), headers={
        "Authorization": "Bearer " + API_KEY, "Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
        text = answer.read()
        return json.loads(text) if text else None


class Scenarios:
    """One method per line of scenarios.txt."""

    def __init__(self, client):
        self.client = client

    @contextlib.asynccontextmanager
    async def sandbox(self, **params):
        sandbox = await done(self.client.create(sdk.CreateSandboxFromSnapshotParams(**params)))
        try:
            yield sandbox
        finally:
            with contextlib.suppress(sdk.DaytonaNotFoundError, sdk.DaytonaConflictError):
                await done(sandbox.delete())

    async def exec(self, sandbox, command, **options):
        return await done(sandbox.process.exec(command, **options))

    # Life of a sandbox

    async def create_get_delete(self):
        sandbox = await done(self.client.create())
        assert sandbox.state == sdk.SandboxState.STARTED
        assert sandbox.name and sandbox.organization_id and sandbox.created_at and sandbox.updated_at
        assert sandbox.cpu > 0 and sandbox.memory > 0 and sandbox.disk > 0
        assert sandbox.toolbox_proxy_url.startswith("http")
        again = await done(self.client.get(sandbox.id))
        assert again.id == sandbox.id and again.state == sdk.SandboxState.STARTED
        await done(sandbox.delete(wait=True))
        await raises(sdk.DaytonaNotFoundError, lambda: self.client.get(sandbox.id), 404)

    async def create_with_everything(self):
        name = unique("everything")
        async with self.sandbox(name=name, language="javascript", env_vars={"COLOUR": "blue"},
                                labels={"team": "red"}, public=True, auto_stop_interval=7,
                                auto_archive_interval=8, auto_delete_interval=9) as sandbox:
            got = await done(self.client.get(sandbox.id))
            assert (got.name, got.public) == (name, True)
            assert got.env["COLOUR"] == "blue" and got.labels["team"] == "red"
            assert got.labels["code-toolbox-language"] == "javascript"
            assert (got.auto_stop_interval, got.auto_archive_interval, got.auto_delete_interval) == (7, 8, 9)
            assert (await self.exec(sandbox, "echo $COLOUR")).result.strip() == "blue"

    async def list_filters_and_pages(self):
        batch = unique("batch")
        async with contextlib.AsyncExitStack() as stack:
            made = [await stack.enter_async_context(self.sandbox(name=f"{batch}-{i}", labels={"batch": batch}))
                    for i in range(3)]
            pages = await collect(self.client.list(sdk.ListSandboxesQuery(labels={"batch": batch}, limit=1)))
            assert sorted(s.id for s in pages) == sorted(s.id for s in made)
            by_name = await collect(self.client.list(sdk.ListSandboxesQuery(
                name=batch.upper(), sort=SandboxListSortField.NAME, order=SandboxListSortDirection.DESC)))
            assert [s.name for s in by_name] == [f"{batch}-{i}" for i in (2, 1, 0)]
            started = await collect(self.client.list(sdk.ListSandboxesQuery(
                labels={"batch": batch}, states=[sdk.SandboxState.STOPPED])))
            assert started == []
            none = await collect(self.client.list(sdk.ListSandboxesQuery(labels={"batch": batch, "x": "y"})))
            assert none == []

    async def find_by_name(self):
        name = unique("found")
        async with self.sandbox(name=name) as sandbox:
            assert (await done(self.client.get(name))).id == sandbox.id

    async def stop_and_start_keep_files(self):
        async with self.sandbox() as sandbox:
            await self.exec(sandbox, "echo kept > note.txt; (sleep 1000 &) ")
            await done(sandbox.stop())
            assert sandbox.state == sdk.SandboxState.STOPPED
            await done(sandbox.start())
            assert sandbox.state == sdk.SandboxState.STARTED
            assert (await self.exec(sandbox, "cat note.txt")).result == "kept\n"
            assert (await self.exec(sandbox, "pgrep -x sleep")).exit_code == 1

    async def force_stop(self):
        async with self.sandbox() as sandbox:
            await done(sandbox.stop(timeout=30, force=True))
            assert sandbox.state == sdk.SandboxState.STOPPED

    async def ephemeral_is_gone_after_stop(self):
        sandbox = await done(self.client.create(sdk.CreateSandboxFromSnapshotParams(ephemeral=True)))
        assert sandbox.auto_delete_interval == 0
        await done(sandbox.stop())

        async def is_gone():
            try:
                return (await done(self.client.get(sandbox.id))).state == sdk.SandboxState.DESTROYED
            except sdk.DaytonaNotFoundError:
                return True
        await eventually(is_gone)

    async def labels_are_replaced(self):
        async with self.sandbox(labels={"old": "1"}) as sandbox:
            answer = await done(sandbox.set_labels({"new": "2"}))
            assert answer == {"new": "2"}
            assert (await done(self.client.get(sandbox.id))).labels == {"new": "2"}

    async def intervals(self):
        async with self.sandbox() as sandbox:
            await done(sandbox.set_autostop_interval(0))
            await done(sandbox.set_auto_archive_interval(0))
            await done(sandbox.set_auto_delete_interval(-1))
            await done(sandbox.refresh_data())
            assert (sandbox.auto_stop_interval, sandbox.auto_archive_interval) == (0, 43200)
            assert sandbox.auto_delete_interval == -1
            await done(sandbox.set_autostop_interval(21))
            await done(sandbox.set_auto_delete_interval(600))
            await done(sandbox.set_ttl(90))
            await done(sandbox.refresh_data())
            assert (sandbox.auto_stop_interval, sandbox.auto_delete_interval) == (21, 600)
            assert sandbox.auto_destroy_at

    async def network_settings(self):
        async with self.sandbox(network_block_all=True) as sandbox:
            assert sandbox.network_block_all is True
            # daytona-local gives a sandbox its network when it starts, and refuses to change it later.
            await done(sandbox.stop())
            await done(sandbox.update_network_settings(network_block_all=False))
            assert sandbox.network_block_all is False
            assert (await done(self.client.get(sandbox.id))).network_block_all is False

    async def resize(self):
        async with self.sandbox() as sandbox:
            await done(sandbox.resize(sdk.Resources(cpu=2, memory=2)))
            assert (sandbox.cpu, sandbox.memory) == (2, 2)
            assert sandbox.state == sdk.SandboxState.STARTED
            await raises(sdk.DaytonaBadRequestError, lambda: sandbox.resize(sdk.Resources(cpu=1)))
            await done(sandbox.stop())
            await done(sandbox.resize(sdk.Resources(disk=5)))
            got = await done(self.client.get(sandbox.id))
            assert (got.cpu, got.memory, got.disk, got.state) == (2, 2, 5, sdk.SandboxState.STOPPED)

    async def archive_and_start_keep_files(self):
        async with self.sandbox() as sandbox:
            await self.exec(sandbox, "mkdir -p deep/er; echo archived > deep/er/note; ln -s note deep/er/link")
            await raises(sdk.DaytonaBadRequestError, sandbox.archive)
            await done(sandbox.stop())
            await done(sandbox.archive())

            async def is_archived():
                await done(sandbox.refresh_data())
                return sandbox.state == sdk.SandboxState.ARCHIVED
            await eventually(is_archived)
            await done(sandbox.start())
            assert (await self.exec(sandbox, "cat deep/er/link")).result == "archived\n"

    async def recover_from_error(self):
        async with self.sandbox() as sandbox:
            await self.exec(sandbox, "echo still here > note")
            admin("PUT", f"/sandbox/{sandbox.id}/state",
                  {"state": "error", "errorReason": "injected", "recoverable": True})
            await done(sandbox.refresh_data())
            assert sandbox.state == sdk.SandboxState.ERROR
            assert (sandbox.error_reason, sandbox.recoverable) == ("injected", True)
            await done(sandbox.recover())
            assert sandbox.state == sdk.SandboxState.STARTED
            assert (await self.exec(sandbox, "cat note")).result == "still here\n"

    async def activity_and_metrics(self):
        async with self.sandbox() as sandbox:
            await done(sandbox.refresh_activity())
            sample = await done(sandbox.get_metrics_latest())
            assert sample.cpu_count > 0 and sample.mem_total > 0 and sample.disk_total > 0

    async def work_and_home_directory(self):
        async with self.sandbox() as sandbox:
            assert await done(sandbox.get_user_home_dir()) == "/home/daytona"
            work = await done(sandbox.get_work_dir())
            assert (await self.exec(sandbox, "pwd")).result.strip() == work
            assert (await self.exec(sandbox, "id -un")).result.strip() == "daytona"

    async def volumes(self):
        name = unique("volume")
        volume = await done(self.client.volume.create(name))

        async def is_ready():
            return (await done(self.client.volume.get(name))).state == "ready"
        await eventually(is_ready, 15)
        assert volume.id in [v.id for v in await done(self.client.volume.list())]
        mount = sdk.VolumeMount(volume_id=volume.id, mount_path="/home/daytona/shared")
        async with self.sandbox(volumes=[mount]) as first:
            await self.exec(first, "echo common > shared/note")
        async with self.sandbox(volumes=[mount]) as second:
            assert (await self.exec(second, "cat shared/note")).result == "common\n"

        async def is_deleted():
            try:
                await done(self.client.volume.delete(await done(self.client.volume.get(name))))
            except Exception as error:  # the SDK raises the generated client's own errors here
                return getattr(error, "status", getattr(error, "status_code", None)) == 404
            return False
        await eventually(is_deleted)

    async def snapshots(self):
        page = await done(self.client.snapshot.list())
        assert page.total >= 1 and page.items
        first = page.items[0]
        assert (await done(self.client.snapshot.get(first.name))).id == first.id
        async with self.sandbox(snapshot=first.name) as sandbox:
            assert sandbox.snapshot == first.name

    # Reaching a sandbox

    async def serve_page(self, sandbox, port):
        await self.exec(sandbox, "mkdir -p site && echo hello from inside > site/index.html")
        await self.exec(sandbox, f"cd site && (setsid python3 -m http.server {port} >/dev/null 2>&1 </dev/null &)")
        await eventually(lambda: self.port_answers(sandbox, port))

    async def port_answers(self, sandbox, port):
        probe = f"python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", {port})).close()'"
        return (await self.exec(sandbox, probe)).exit_code == 0

    async def preview_link(self):
        async with self.sandbox() as sandbox:
            await self.serve_page(sandbox, 3000)
            link = await done(sandbox.get_preview_link(3000))
            assert fetch(link.url, {"x-daytona-preview-token": link.token}) == (200, b"hello from inside\n")
            assert fetch(link.url, {"x-daytona-preview-token": "wrong"})[0] in (307, 401, 403)
            assert fetch(link.url)[0] in (307, 401, 403)

    async def signed_preview(self):
        async with self.sandbox() as sandbox:
            await self.serve_page(sandbox, 3001)
            link = await done(sandbox.create_signed_preview_url(3001, expires_in_seconds=600))
            assert link.port == 3001 and link.token
            assert fetch(link.url) == (200, b"hello from inside\n")
            await done(sandbox.expire_signed_preview_url(3001, link.token))
            assert fetch(link.url)[0] in (307, 401, 403, 404)

    async def ssh_access(self):
        async with self.sandbox() as sandbox:
            access = await done(sandbox.create_ssh_access(expires_in_minutes=10))
            assert access.token and access.ssh_command.startswith("ssh ") and access.token in access.ssh_command
            valid = await done(sandbox.validate_ssh_access(access.token))
            assert (valid.valid, valid.sandbox_id) == (True, sandbox.id)
            newer = await done(sandbox.create_ssh_access())
            assert (await done(sandbox.validate_ssh_access(access.token))).valid is False
            await done(sandbox.revoke_ssh_access(newer.token))
            assert (await done(sandbox.validate_ssh_access(newer.token))).valid is False

    # Running things

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
                return (await self.exec(sandbox, "pgrep -x sleep")).exit_code == 1
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

    # Git

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

    @contextlib.asynccontextmanager
    async def repository(self):
        """A sandbox with origin.git, a working copy of it as `seed`, and a clone as `copy`."""
        async with self.sandbox() as sandbox:
            await done(sandbox.git.configure_user("Seed", "seed@example.com"))
            made = await self.exec(sandbox, "git init -q -b main seed && cd seed && echo one > a.txt && git add . && "
                                   "git commit -q -m first && git clone -q --bare . ../origin.git && "
                                   "git remote add origin ../origin.git")
            assert made.exit_code == 0, made.result
            await done(sandbox.git.clone("origin.git", "copy", branch="main"))
            yield sandbox, sandbox.git

    async def git_clone_and_status(self):
        async with self.repository() as (sandbox, git):
            await self.exec(sandbox, "cd copy && echo more >> a.txt && echo x > 'grün b.txt'")
            status = await done(git.status("copy"))
            assert status.current_branch == "main" and status.branch_published, status
            files = {f.name: (f.staging, f.worktree) for f in status.file_status}
            assert files == {"a.txt": ("Unmodified", "Modified"), "grün b.txt": ("Untracked", "Untracked")}, files
            commit = (await self.exec(sandbox, "git -C seed rev-parse HEAD")).result.strip()
            await done(git.clone("origin.git", "detached", commit_id=commit))
            assert (await done(git.status("detached"))).current_branch == "HEAD"

    async def git_commit_push_and_pull(self):
        async with self.repository() as (sandbox, git):
            await self.exec(sandbox, "echo new > copy/new.txt")
            await done(git.add("copy", ["new.txt"]))
            made = await done(git.commit("copy", "größer\n\nbody", "Ann Ä", "ann@example.com"))
            assert (await done(git.status("copy"))).ahead == 1
            await done(git.push("copy"))
            head = await self.exec(sandbox, "git -C origin.git log -1 --format='%H %an <%ae> %s' main")
            assert head.result == f"{made.sha} Ann Ä <ann@example.com> größer\n", head.result
            await self.exec(sandbox, "cd seed && git pull -q origin main && git commit -q --allow-empty -m theirs && "
                            "git push -q origin main")
            await done(git.pull("copy"))
            assert (await self.exec(sandbox, "git -C copy log -1 --format=%s")).result == "theirs\n"
            empty = await done(git.commit("copy", "empty", "a", "a@example.com", allow_empty=True))
            assert len(empty.sha) == 40

    async def git_branches(self):
        async with self.repository() as (_, git):
            await done(git.create_branch("copy", "topic/ü"))
            found = await done(git.branches("copy"))
            assert found.branches == ["main", "topic/ü"] and found.current == "topic/ü", found
            await done(git.push("copy", set_upstream=True))
            assert (await done(git.status("copy"))).branch_published
            await done(git.checkout_branch("copy", "main"))
            await done(git.delete_branch("copy", "topic/ü"))
            assert (await done(git.branches("copy"))).branches == ["main"]

    async def git_init_remotes_and_settings(self):
        async with self.sandbox() as sandbox:
            git = sandbox.git
            await done(git.init("work", initial_branch="trunk"))
            assert (await done(git.branches("work"))).current == "trunk"
            await done(git.remote_add("work", "origin", "https://u:hidden@example.com/x.git"))
            assert await done(git.remote_get("work", "origin")) == "https://example.com/x.git"
            assert [r.name for r in (await done(git.remotes("work"))).remotes] == ["origin"]
            assert await done(git.get_config("x.y")) is None
            await done(git.set_config("x.y", "everywhere"))
            await done(git.set_config("x.y", "here", "local", "work"))
            assert await done(git.get_config("x.y")) == "everywhere"
            assert await done(git.get_config("x.y", "local", "work")) == "here"
            await done(git.dangerously_authenticate("u", "p", "git.example.com"))
            stored = await self.exec(sandbox, "cat ~/.git-credentials")
            assert stored.result == "https://u:p@git.example.com\n", stored.result

    async def git_reset_and_restore(self):
        async with self.repository() as (sandbox, git):
            await self.exec(sandbox, "echo x > copy/a.txt")
            await done(git.add("copy", ["."]))
            await done(git.restore("copy", ["a.txt"], staged=True))
            await done(git.restore("copy", ["a.txt"]))
            assert (await done(git.status("copy"))).file_status == []
            await done(git.commit("copy", "second", "a", "a@example.com", allow_empty=True))
            await done(git.reset("copy", "hard", "HEAD~1"))
            assert (await self.exec(sandbox, "git -C copy log -1 --format=%s")).result == "first\n"

    # Errors

    async def error_not_found(self):
        missing = str(uuid.uuid4())
        error = await raises(sdk.DaytonaNotFoundError, lambda: self.client.get(missing), 404)
        assert str(error).startswith("Failed to get sandbox: ")
        await raises(sdk.DaytonaNotFoundError, lambda: self.client.snapshot.get(unique("none")), 404)

    async def error_authentication(self):
        other = type(self.client)(sdk.DaytonaConfig(api_key="not-the-key", api_url=API_URL, target="us",
                                                    use_deprecated_polling=True))
        try:
            await raises(sdk.DaytonaAuthenticationError, lambda: other.get("anything"), 401)
        finally:
            if IS_ASYNC:
                await other.close()

    async def error_conflict(self):
        name = unique("twice")
        async with self.sandbox(name=name):
            await raises(sdk.DaytonaConflictError,
                         lambda: self.client.create(sdk.CreateSandboxFromSnapshotParams(name=name)), 409)

    async def error_bad_request(self):
        await raises(sdk.DaytonaBadRequestError, lambda: self.client.create(
            sdk.CreateSandboxFromSnapshotParams(snapshot=unique("no-snapshot"))), 400)

    async def error_validation(self):
        await raises(sdk.DaytonaValidationError, lambda: self.client.get(""))
        await raises(sdk.DaytonaValidationError, lambda: self.client.create(
            sdk.CreateSandboxFromSnapshotParams(auto_stop_interval=-1)))

    async def error_of_the_toolbox(self):
        async with self.sandbox() as sandbox:
            error = await raises(sdk.DaytonaBadRequestError, lambda: sandbox.process.exec(""), 400)
            assert error.source == "DAYTONA_DAEMON", repr(error)
            await done(sandbox.stop())
            await raises(sdk.DaytonaError, lambda: sandbox.process.exec("true"))

    async def error_files(self):
        async with self.sandbox() as sandbox:
            fs = sandbox.fs
            await raises(sdk.DaytonaNotFoundError, lambda: fs.get_file_info("none"), 404)
            await raises(sdk.DaytonaNotFoundError, lambda: fs.download_file("none"), 404)
            await raises(sdk.DaytonaNotFoundError, lambda: fs.move_files("none", "x"), 404)
            await raises(sdk.DaytonaError, lambda: fs.delete_file("/home/daytona"))
            await raises(sdk.DaytonaError, lambda: fs.upload_file(b"x", "/proc/none/x"))

    async def error_git(self):
        async with self.repository() as (sandbox, git):
            await raises(sdk.DaytonaGitRepoNotFoundError, lambda: git.status("nowhere"), 404)
            await raises(sdk.DaytonaGitRepoNotFoundError, lambda: git.clone("nowhere.git", "x"), 404)
            await raises(sdk.DaytonaGitBranchNotFoundError, lambda: git.checkout_branch("copy", "nosuch"), 404)
            await raises(sdk.DaytonaGitBranchExistsError, lambda: git.create_branch("copy", "main"), 409)
            await raises(sdk.DaytonaGitAuthFailedError, lambda: git.clone("git@example.com:a/b.git", "x"), 401)
            await raises(sdk.DaytonaGitTransportFailedError, lambda: git.clone("http://127.0.0.1:1/x", "x"), 502)
            await self.exec(sandbox, "cd seed && git commit -q --allow-empty -m theirs && git push -q origin main")
            await done(git.commit("copy", "mine", "a", "a@example.com", allow_empty=True))
            await raises(sdk.DaytonaGitPushRejectedError, lambda: git.push("copy"), 409)
            await raises(sdk.DaytonaGitMergeConflictError, lambda: git.pull("copy"), 409)
            await self.exec(sandbox, "cd copy && git reset -q --hard HEAD~1 && echo dirty > a.txt")
            await raises(sdk.DaytonaGitDirtyWorktreeError, lambda: git.pull("copy"), 409)
            await self.exec(sandbox, "cd copy && git reset -q --hard && printf '#!/bin/sh\\nexit 1\\n' "
                            "> ../origin.git/hooks/pre-receive && chmod +x ../origin.git/hooks/pre-receive")
            await done(git.pull("copy"))
            await done(git.commit("copy", "hooked", "a", "a@example.com", allow_empty=True))
            await raises(sdk.DaytonaGitRemoteRejectedError, lambda: git.push("copy"), 422)

    async def error_rate_limit(self):
        rule = admin("POST", "/faults", {"match": {"method": "GET", "path": "/api/sandbox/limited*", "target": "control"},
                                         "action": "status", "status": 429, "retry_after": 1, "times": 100})
        try:
            error = await raises(sdk.DaytonaRateLimitError, lambda: self.client.get("limited"), 429)
            assert any(name.lower().startswith("retry-after") for name in error.headers), error.headers
        finally:
            admin("DELETE", f"/faults/{rule['id']}", {})


async def run_all(client):
    scenarios = Scenarios(client)
    with open(os.environ["DAYTONA_LOCAL_SCENARIOS"], encoding="ascii") as names:
        wanted = names.read().split()
    only = sys.argv[2:]
    wanted = [name for name in wanted if not only or name in only]
    print(f"1..{len(wanted)}", flush=True)
    failures = 0
    for number, name in enumerate(wanted, 1):
        try:
            await asyncio.wait_for(getattr(scenarios, name)(), 120)
        except Exception:
            failures += 1
            tail = traceback.format_exc().splitlines()[-SHOWN_LINES:]
            print("".join("# " + line + "\n" for line in tail) + f"not ok {number} - {name}", flush=True)
            if not server_is_there():
                print("Bail out! daytona-local is gone", flush=True)
                return 1
        else:
            print(f"ok {number} - {name}", flush=True)
    return 1 if failures else 0


async def main():
    if IS_ASYNC:
        async with sdk.AsyncDaytona() as client:
            return await run_all(client)
    return await run_all(sdk.Daytona())


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
