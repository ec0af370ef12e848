# SPDX-License-Identifier: Apache-2.0
"""Sandboxes that are there soon: the program that boxes run, and boxes that were booted before anybody asked."""
import concurrent.futures
import os
import re
import shutil
import signal
import stat
import tempfile
import time
import unittest

import harness
from harness import until


def warm(server):
    return server.call("GET", "/admin/info").json["warm"]


def start_of(server, sandbox):
    """"warm" or "cold"."""
    return server.call("GET", "/admin/info").json["boxes"][sandbox]["start"]


def wait_full(server, limit=30):
    return until(lambda: (lambda w: w["ready"] == w["wanted"] and w)(warm(server)), limit)


def parents():
    """pid -> (pid of the parent, first word of the command line)."""
    found = {}
    for pid, line in harness.processes():
        try:
            with open("/proc/%d/stat" % pid) as file:
                found[pid] = (int(file.read().rsplit(")", 1)[1].split()[1]), line)
        except OSError:
            pass
    return found


def below(server, word):
    """The processes of the server whose command line begins with `word`."""
    known = parents()

    def is_below(pid):
        while pid in known and pid != server.process.pid:
            pid = known[pid][0]
        return pid == server.process.pid

    return [pid for pid, (_, line) in known.items() if line.startswith(word) and is_below(pid)]


def toolboxes(server):
    return below(server, "/run/daytona/toolbox")


def kept(server):
    """The ids of boxes that nobody has taken."""
    place = os.path.join(server.state, "warm")
    return set(os.listdir(place)) if os.path.isdir(place) else set()


class Program(unittest.TestCase):
    """Boxes run a small copy of the toolbox that lies in the state directory."""

    def test_it_is_small_and_in_nobody_elses_reach(self):
        server = harness.Server()
        try:
            path = os.path.join(server.state, "run", "daytona-local")
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o555)
            self.assertEqual(stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode), 0o700)
            sandbox = server.create()["id"]
            libraries = server.execute(sandbox, "grep -ahoE 'lib(gnutls|curl|archive|ssh)[^ ]*[.]so[^ ]*' "
                                                "/run/daytona/toolbox; true")["result"]
            self.assertEqual(libraries, "")
            self.assertNotEqual(server.execute(sandbox, "echo >> /run/daytona/toolbox")["exitCode"], 0)
        finally:
            self.assertEqual(server.stop(), 0)

    def test_where_no_programs_may_lie(self):
        if os.geteuid() != 0 or harness.lacks("mount"):
            self.skipTest("mounts a file system")
        with tempfile.TemporaryDirectory(prefix="dl-test-") as place:
            state, script = os.path.join(place, "state"), os.path.join(place, "start")
            os.mkdir(state)
            with open(script, "w") as file:
                file.write("#!/bin/sh\nexec unshare --mount sh -c 'mount -t tmpfs -o noexec,mode=700 none %s && "
                           "exec %s \"$@\"' -- \"$@\"\n" % (state, harness.program()))
            os.chmod(script, 0o755)
            server = harness.Server(state=state, exe=script)
            try:
                self.assertEqual(server.execute(server.create()["id"], "echo there")["result"], "there\n")
                self.assertTrue(any("start more slowly" in line and "run/daytona-local" in line for line in server.lines), server.lines)
            finally:
                self.assertEqual(server.stop(), 0)


# What a program can see of the box it is in. The numbers of mounts, devices and processes differ from box to box.
LOOK = r"""
env | sort
hostname; cat /proc/sys/kernel/hostname /etc/hosts /etc/hostname /etc/resolv.conf 2>&1
id; umask; pwd
bash -c 'ulimit -a'
sed -E 's/^[0-9]+ [0-9]+ [0-9]+:[0-9]+ //; s/(master|shared|propagate_from):[0-9]+ ?//g' /proc/self/mountinfo
find / -xdev -maxdepth 2 -printf '%p %y %m %u %g\n' 2>/dev/null | grep -Ev '^/(proc|usr)' | sort
find . | sort
tr '\0' ' ' < /proc/1/cmdline; echo
ls -l /proc/self/fd | wc -l
ps -eo pid,user,args --no-headers | grep -Ev '[ /](ps|bash|sh|grep)( |$)'
cat /proc/net/route; ip -o addr 2>/dev/null | grep -Eo 'inet [^ ]+'
grep -E '^(Cap|NoNewPrivs|Seccomp|Uid|Gid|Groups|oom)' /proc/self/status
cat /proc/self/oom_score_adj /proc/self/uid_map /proc/self/cgroup; nice
"""


class Boxes(harness.Case):
    """Boxes are booted ahead, and each is used by one sandbox."""

    def test_they_are_kept_ready_and_replaced(self):
        self.assertEqual(wait_full(self.server), {"wanted": 2, "ready": 2})
        ids = kept(self.server)
        self.assertEqual(len(ids), 2)
        sandbox = self.server.create()["id"]
        self.assertIn(sandbox, ids)
        self.assertEqual(start_of(self.server, sandbox), "warm")
        wait_full(self.server)
        self.assertFalse(ids - {sandbox} - kept(self.server), "the other one is still there")
        self.assertNotIn(sandbox, kept(self.server))
        self.assertEqual(self.server.execute(sandbox, "echo works")["result"], "works\n")

    def test_it_is_like_one_that_was_booted_for_the_sandbox(self):
        wanted = {"name": "like", "env": {"MINE": "a value", "EMPTY": "", "LANG": "C"}, "labels": {"code-toolbox-language": "python", "x": "y"}}
        seen = {}
        cold = harness.Server("--warm", "0", "--sandbox-env", "OURS=1")
        other = harness.Server("--sandbox-env", "OURS=1")
        try:
            wait_full(other)
            for server, kind in ((cold, "cold"), (other, "warm")):
                made = server.create(**wanted)
                sandbox = made["id"]
                self.assertEqual(start_of(server, sandbox), kind)
                self.assertEqual((made["name"], made["env"], made["labels"]), (wanted["name"], wanted["env"], wanted["labels"]))
                self.assertEqual(server.state_of("like"), "started")
                until(lambda server=server, sandbox=sandbox: "sleep infinity" in server.execute(sandbox, "ps -eo args")["result"])
                text = server.execute(sandbox, LOOK)["result"]
                self.assertEqual(text.count("OURS=1"), 1)
                organization = re.search("DAYTONA_ORGANIZATION_ID=(.*)", text).group(1)
                info = server.call("GET", "/admin/info").json["boxes"][sandbox]
                groups = re.sub(r"daytona-local-\d+", "SERVER", text.replace(sandbox, "ID").replace(organization, "ORGANIZATION"))
                groups = groups.replace(os.path.realpath(server.state), "STATE").replace(os.path.basename(server.state), "STATE")
                for pattern, name in ((r"--expect [0-9a-f]+:[0-9a-f]+", "--expect N"), (r"\b2[0-9]{5}\b", "HOSTUID"), (r"bindfile\w+", "FILE")):
                    groups = re.sub(pattern, name, groups)
                seen[kind] = groups.splitlines()
                seen[kind + " info"] = {**info, "start": None}
                names = server.api("GET", "/sandbox").json["items"]
                self.assertEqual([found["id"] for found in names if found["labels"].get("x") == "y"], [sandbox])
                entry = server.call("GET", "/toolbox/%s/process/session/entrypoint" % sandbox).json
                seen[kind + " entrypoint"] = [command["command"] for command in entry["commands"]]
        finally:
            codes = cold.stop(), other.stop()
        self.assertEqual(codes, (0, 0))
        self.maxDiff = None
        for what in ("", " info", " entrypoint"):
            self.assertEqual(seen["warm" + what], seen["cold" + what])

    def test_the_name_is_the_id_where_none_is_given(self):
        wait_full(self.server)
        made = self.server.create()
        self.assertEqual((made["name"], start_of(self.server, made["id"])), (made["id"], "warm"))
        self.assertEqual(self.server.execute(made["id"], "hostname")["result"], made["id"] + "\n")

    def test_what_cannot_be_changed_starts_cold(self):
        volume = self.server.api("POST", "/volumes", {"name": "cold"}).json["id"]
        wait_full(self.server)
        ids = kept(self.server)
        sandbox = self.server.create(volumes=[{"volumeId": volume, "mountPath": "/data"}])["id"]
        self.assertEqual(start_of(self.server, sandbox), "cold")
        self.assertEqual(kept(self.server), ids)
        self.assertEqual(self.server.execute(sandbox, "test -w /data && echo there")["result"], "there\n")

    def test_rules_of_the_network_are_in_force_before_anything_runs(self):
        self.status(201, self.server.api("POST", "/secret", {"name": "hosts", "value": "v", "hosts": ["example.com"]}))
        for wanted in ({"networkBlockAll": True}, {"networkAllowList": "10.1.0.0/16"}, {"secrets": [{"S": "hosts"}]}):
            seen = []
            for volumes in ([], [{"volumeId": self.volume(), "mountPath": "/data"}]):
                wait_full(self.server)
                answer = self.server.api("POST", "/sandbox", {**wanted, "volumes": volumes})
                if answer.status == 400 and "enforce" in answer.body.decode():
                    break
                if "secrets" in wanted:
                    self.assertIn("example.com", self.server.call("GET", "/admin/info").json["boxes"][answer.json["id"]]["rules"])
                sandbox = self.status(200, answer).json["id"]
                self.assertEqual(start_of(self.server, sandbox), "cold" if volumes else "warm")
                # What forbids 127.0.0.0/8 on the way out was made with slirp4netns, and stays when that goes.
                text = self.server.execute(sandbox, "tail -n +2 /proc/net/route | grep -v '^[*].0000007F' | cut -f 1-5; grep -Eo '[a-z0-9]+$' /proc/net/if_inet6 | sort; "
                                                    "cat /proc/net/dev | cut -d : -f 1")["result"]
                seen.append((self.server.call("GET", "/admin/info").json["boxes"][sandbox]["rules"], text))
            self.assertEqual(seen[1:], seen[:1] * (len(seen) - 1))

    def volume(self):
        if not hasattr(self, "volume_id"):
            self.volume_id = self.server.api("POST", "/volumes", {"name": "rules"}).json["id"]
        return self.volume_id

    def test_a_refused_create_takes_none(self):
        wait_full(self.server)
        ids = kept(self.server)
        self.status(400, self.server.api("POST", "/sandbox", {"env": {"not=a name": "1"}}))
        self.status(400, self.server.api("POST", "/sandbox", {"snapshot": "absent"}))
        self.assertEqual(kept(self.server), ids)

    def test_it_lives_on_like_any_other(self):
        """Stopped, started, archived, deleted; and nothing of it is in the next one."""
        wait_full(self.server)
        sandbox = self.server.create(name="first", env={"SECRET": "of the first"})["id"]
        self.server.execute(sandbox, "echo mine > file; echo mine > /tmp/file; echo mine > /dev/shm/file; (sleep 1000 > /dev/null 2>&1 &)")
        self.status(200, self.server.api("POST", "/sandbox/%s/stop" % sandbox))
        self.server.wait(sandbox, "stopped")
        self.status(200, self.server.api("POST", "/sandbox/%s/start" % sandbox))
        self.assertEqual(start_of(self.server, sandbox), "cold")
        self.assertEqual(self.server.execute(sandbox, "cat file; echo $SECRET")["result"], "mine\nof the first\n")
        self.status(200, self.server.api("POST", "/sandbox/%s/stop" % sandbox))
        self.server.wait(sandbox, "stopped")
        self.status(200, self.server.api("POST", "/sandbox/%s/archive" % sandbox))
        self.server.wait(sandbox, "archived")
        self.status(200, self.server.api("POST", "/sandbox/%s/start" % sandbox))
        self.server.wait(sandbox, "started")
        self.assertEqual(self.server.execute(sandbox, "cat file")["result"], "mine\n")
        self.status(200, self.server.api("DELETE", "/sandbox/" + sandbox))
        self.server.wait(sandbox, 404)
        for _ in range(3):
            wait_full(self.server)
            other = self.server.create()["id"]
            self.assertEqual(start_of(self.server, other), "warm")
            self.assertNotEqual(other, sandbox)
            seen = self.server.execute(other, "env; find /tmp /dev/shm . -type f | xargs cat; ps -eo args")["result"]
            self.assertNotIn("mine", seen)
            self.assertNotIn("of the first", seen)
            self.assertNotIn("sleep 1000", seen)

    def test_deleted_at_once(self):
        server = harness.Server("--create-answer", "creating")
        try:
            wait_full(server)
            for _ in range(4):
                sandbox = server.create()["id"]
                until(lambda sandbox=sandbox: server.api("DELETE", "/sandbox/" + sandbox).status == 200)
                server.wait(sandbox, 404)
            wait_full(server)
            self.assertEqual(until(lambda: len(toolboxes(server)) == 2 and len(kept(server))), 2)
        finally:
            self.assertEqual(server.stop(), 0)


class Counts(unittest.TestCase):
    def test_none(self):
        for options in (("--warm", "0"), ("--isolation", "none")):
            server = harness.Server(*options)
            try:
                time.sleep(0.3)
                self.assertEqual(warm(server), {"wanted": 0, "ready": 0})
                self.assertEqual(kept(server), set())
                sandbox = server.create()["id"]
                self.assertEqual(start_of(server, sandbox), "cold")
                self.assertEqual(server.execute(sandbox, "echo works")["result"], "works\n")
            finally:
                self.assertEqual(server.stop(), 0)

    def test_never_one_for_two(self):
        """200 creates at once, with some boxes ready: ids, host names and homes of their own."""
        server = harness.Server("--warm", "10")
        try:
            wait_full(server)
            ready = kept(server)

            def one(number):
                sandbox = server.create(env={"NUMBER": str(number)})["id"]
                text = server.execute(sandbox, "hostname; echo $NUMBER; ls -A | grep -v '^[.]daytona$'; echo $NUMBER > mine; cat mine")["result"]
                start = start_of(server, sandbox)
                server.api("DELETE", "/sandbox/" + sandbox)
                return sandbox, start, text == "%s\n%d\n%d\n" % (sandbox, number, number) or text

            with concurrent.futures.ThreadPoolExecutor(200) as pool:
                made = list(pool.map(one, range(200)))
            self.assertEqual(len({sandbox for sandbox, _, _ in made}), 200)
            self.assertEqual({right for _, _, right in made}, {True})
            taken = {sandbox for sandbox, start, _ in made if start == "warm"}
            self.assertLessEqual(ready, taken)
            wait_full(server)
            self.assertFalse(kept(server) & {sandbox for sandbox, _, _ in made})
        finally:
            self.assertEqual(server.stop(), 0)


class Rest(unittest.TestCase):
    """Where no programs run, what serves the network of a sandbox is stopped."""

    # Answered by slirp4netns itself, with a refusal.
    CONNECT = "timeout 20 bash -c '</dev/tcp/10.0.2.2/9' 2>/dev/null; echo $?"

    def setUp(self):
        self.server = harness.Server("--warm", "1")
        self.addCleanup(lambda: self.server.stop())
        wait_full(self.server)
        if not below(self.server, "/usr/bin/slirp4netns"):
            self.skipTest("sandboxes have no network here")

    def states(self):
        found = []
        for pid in below(self.server, "/usr/bin/slirp4netns"):
            with open("/proc/%d/stat" % pid) as file:
                found.append(file.read().rsplit(")", 1)[1].split()[0])
        return found

    def test_it_goes_on_before_a_program_needs_it_and_ends_with_the_server(self):
        sandbox = self.server.create()["id"]
        wait_full(self.server)
        self.assertEqual(self.server.execute(sandbox, self.CONNECT)["result"], "1\n")
        until(lambda: self.states() == ["T", "T"])
        self.assertEqual(self.server.execute(sandbox, self.CONNECT)["result"], "1\n")
        self.assertEqual(sorted(state == "T" for state in self.states()), [False, True])
        self.server.execute(sandbox, "(sleep 6.5; %s > late) > /dev/null 2>&1 &" % self.CONNECT)
        time.sleep(5.7)  # it does not rest while something runs
        self.assertEqual(sorted(state == "T" for state in self.states()), [False, True])
        until(lambda: self.server.execute(sandbox, "cat late")["result"] == "1\n")
        until(lambda: self.states() == ["T", "T"])
        # One that is stopped does not see that its pipe closes.
        ours = below(self.server, "/usr/bin/slirp4netns")
        self.server.stop(signal.SIGKILL)
        until(lambda: not [pid for pid in ours if os.path.exists("/proc/%d" % pid)])


class OrdinaryUser(unittest.TestCase):
    USER = 64000

    def test_it_is_the_same_for_one(self):
        if os.geteuid() != 0:
            self.skipTest("becomes another user")
        with tempfile.TemporaryDirectory(prefix="dl-warm-", dir="/var/tmp") as place:
            os.chmod(place, 0o755)
            # Where the build lies an ordinary user may not come.
            program, state = shutil.copy(harness.program(), place), os.path.join(place, "state")
            os.mkdir(state, 0o700)
            os.chown(state, self.USER, self.USER)
            try:
                server = harness.Server(state=state, exe=program, user=self.USER)
            except RuntimeError as problem:
                self.skipTest("no sandboxes for this user: %s" % problem)
            try:
                for number in "12":
                    wait_full(server)
                    sandbox = server.create(env={"NUMBER": number})["id"]
                    self.assertEqual(start_of(server, sandbox), "warm")
                    self.assertEqual(server.execute(sandbox, "hostname; echo $NUMBER; touch file; grep -o '[^/]*/home /home/daytona' "
                                                             "/proc/self/mountinfo")["result"],
                                     "%s\n%s\n%s/home /home/daytona\n" % (sandbox, number, sandbox))
            finally:
                self.assertEqual(server.stop(), 0)


class Ends(unittest.TestCase):
    """Boxes that end before somebody takes them, and servers that end."""

    def setUp(self):
        self.server = harness.Server()
        self.addCleanup(lambda: self.server.stop())
        wait_full(self.server)

    def test_killed_ones_are_not_handed_out_and_are_replaced(self):
        for number in (signal.SIGKILL, signal.SIGSTOP):
            ids, first = kept(self.server), toolboxes(self.server)
            self.assertEqual((len(ids), len(first)), (2, 2))
            for pid in first:
                os.kill(pid, number)
            sandbox = self.server.create(env={"A": "b"})["id"]
            self.assertEqual(start_of(self.server, sandbox), "cold")
            self.assertEqual(self.server.execute(sandbox, "hostname; echo $A")["result"], sandbox + "\nb\n")
            if number == signal.SIGKILL:
                wait_full(self.server)
                self.assertFalse(ids & kept(self.server))
            self.status_of_all(sandbox)

    def status_of_all(self, sandbox):
        """It goes on and comes to its end like others."""
        self.assertEqual(self.server.api("DELETE", "/sandbox/" + sandbox).status, 200)
        self.server.wait(sandbox, 404)

    def test_one_without_its_network_is_replaced(self):
        helpers = below(self.server, "/usr/bin/slirp4netns")
        if not helpers:
            self.skipTest("sandboxes have no network here")
        ids = kept(self.server)
        for pid in helpers:
            os.kill(pid, signal.SIGKILL)
        until(lambda: not ids & kept(self.server))
        wait_full(self.server)
        sandbox = self.server.create()["id"]
        self.assertEqual(start_of(self.server, sandbox), "warm")
        self.assertNotEqual(self.server.execute(sandbox, "wc -l < /proc/net/route")["result"], "1\n")

    def left(self):
        return sorted(os.listdir(os.path.join(self.server.state, "run"))), kept(self.server)

    def test_nothing_is_left_at_the_end(self):
        ours = toolboxes(self.server) + below(self.server, "/usr/bin/slirp4netns")
        self.server.owns_state = False
        self.assertEqual(self.server.stop(), 0)
        self.assertFalse([pid for pid in ours if os.path.exists("/proc/%d" % pid)])
        files, ids = self.left()
        self.assertEqual((ids, [name for name in files if name.endswith(".sock")]), (set(), []))
        self.server.owns_state = True

    def test_nothing_is_left_of_a_killed_server(self):
        ours = toolboxes(self.server) + below(self.server, "/usr/bin/slirp4netns")
        ids, state = kept(self.server), self.server.state
        groups = ["/sys/fs/cgroup/%s/%s" % (name, rest) for name in ("memory", "pids", "cpu")
                  for rest in os.listdir("/sys/fs/cgroup/" + name) if rest == "daytona-local-%d" % self.server.process.pid] \
            if os.path.isdir("/sys/fs/cgroup/memory") else []
        self.server.owns_state = False
        self.server.stop(signal.SIGKILL)
        until(lambda: not [pid for pid in ours if os.path.exists("/proc/%d" % pid)])
        self.server = harness.Server(state=state)
        self.server.owns_state = True
        wait_full(self.server)
        files, now = self.left()
        self.assertFalse(ids & now)
        self.assertEqual({name for name in files if name.endswith(".sock")}, {id + ".sock" for id in now})
        self.assertFalse([name for name in os.listdir(os.path.join(state, "sandboxes"))])
        self.assertEqual(self.server.api("GET", "/sandbox").json["items"], [])
        self.assertFalse([path for path in groups if os.path.exists(path)])


if __name__ == "__main__":
    harness.main()
