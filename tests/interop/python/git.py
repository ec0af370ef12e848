# SPDX-License-Identifier: Apache-2.0
"""The git calls."""

import contextlib
import os

from support import Topic, done, raises, sdk


class Git(Topic):
    @contextlib.asynccontextmanager
    async def _repository(self):
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
        async with self._repository() as (sandbox, git):
            await self.exec(sandbox, "cd copy && echo more >> a.txt && echo x > 'grün b.txt'")
            status = await done(git.status("copy"))
            assert status.current_branch == "main" and status.branch_published, status
            files = {f.name: (f.staging, f.worktree) for f in status.file_status}
            assert files == {"a.txt": ("Unmodified", "Modified"), "grün b.txt": ("Untracked", "Untracked")}, files
            commit = (await self.exec(sandbox, "git -C seed rev-parse HEAD")).result.strip()
            await done(git.clone("origin.git", "detached", commit_id=commit))
            assert (await done(git.status("detached"))).current_branch == "HEAD"

    async def git_commit_push_and_pull(self):
        async with self._repository() as (sandbox, git):
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
        async with self._repository() as (_, git):
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
        async with self._repository() as (sandbox, git):
            await self.exec(sandbox, "echo x > copy/a.txt")
            await done(git.add("copy", ["."]))
            await done(git.restore("copy", ["a.txt"], staged=True))
            await done(git.restore("copy", ["a.txt"]))
            assert (await done(git.status("copy"))).file_status == []
            await done(git.commit("copy", "second", "a", "a@example.com", allow_empty=True))
            await done(git.reset("copy", "hard", "HEAD~1"))
            assert (await self.exec(sandbox, "git -C copy log -1 --format=%s")).result == "first\n"
    async def git_over_http(self):
        async with self._repository() as (sandbox, git):
            with open(os.path.join(os.path.dirname(__file__), "..", "web.py"), "rb") as text:
                await done(sandbox.fs.upload_file(text.read(), "web.py"))
            begun = await self.exec(sandbox, "git -C origin.git config http.receivepack true && python3 web.py && cat port")
            url, ann = f"http://127.0.0.1:{begun.result}/origin.git", ("ann", "top-secret")
            await raises(sdk.DaytonaGitAuthFailedError, lambda: git.clone(url, "x"), 401)
            await raises(sdk.DaytonaGitAuthFailedError, lambda: git.clone(url, "x", None, None, "ann", "wrong"), 401)
            await self.exec(sandbox, "cd seed && git commit -q --allow-empty -m two && git push -q origin main main:side")
            await done(git.clone(url, "far", "side", None, *ann, insecure_skip_tls=True, depth=1))
            assert (await done(git.status("far"))).current_branch == "side"
            assert (await self.exec(sandbox, "git -C far rev-list --count HEAD; grep -c secret far/.git/config")).result == "1\n0\n"
            await done(git.commit("far", "mine", "a", "a@example.com", allow_empty=True))
            await raises(sdk.DaytonaGitAuthFailedError, lambda: git.push("far"), 401)
            await done(git.push("far", *ann, branch="side", remote="origin"))
            assert (await self.exec(sandbox, "git -C origin.git log -1 --format=%s side")).result == "mine\n"
            await self.exec(sandbox, "cd seed && git fetch -q && git checkout -q side && git pull -q && "
                            "git commit -q --allow-empty -m theirs && git push -q origin side")
            await done(git.pull("far", *ann, branch="side", remote="origin"))
            assert (await self.exec(sandbox, "git -C far log -1 --format=%s")).result == "theirs\n"
            await done(git.dangerously_authenticate(*ann, f"127.0.0.1:{begun.result}", "http"))
            await done(git.clone(url, "stored"))
            await done(git.remote_add("copy", "far", url, fetch=True))
            assert "far/side" in (await self.exec(sandbox, "git -C copy branch -r")).result

    async def git_other_choices(self):
        async with self._repository() as (sandbox, git):
            await done(git.init("bare.git", bare=True))
            assert (await self.exec(sandbox, "git -C bare.git rev-parse --is-bare-repository")).result == "true\n"
            await done(git.configure_user("Local", "local@example.com", "local", "copy"))
            assert await done(git.get_config("user.name", "local", "copy")) == "Local"
            await done(git.remote_add("copy", "origin", "/elsewhere.git", overwrite=True))
            assert await done(git.remote_get("copy", "origin")) == "/elsewhere.git"
            assert await done(git.remote_get("copy", "none")) is None
            await self.exec(sandbox, "cd copy && echo two > a.txt && echo b > b.txt")
            await done(git.add("copy", ["a.txt", "b.txt"]))
            await done(git.commit("copy", "second", "a", "a@example.com"))
            await done(git.restore("copy", ["a.txt"], source="HEAD~1", worktree=True))
            assert (await self.exec(sandbox, "cat copy/a.txt")).result == "one\n"
            await done(git.reset("copy", "soft", "HEAD~1"))
            assert {f.name: f.staging for f in (await done(git.status("copy"))).file_status}["b.txt"] == "Added"
            await done(git.reset("copy", files=["b.txt"]))
            assert {f.name: f.staging for f in (await done(git.status("copy"))).file_status}["b.txt"] == "Untracked"

    async def error_git(self):
        async with self._repository() as (sandbox, git):
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
