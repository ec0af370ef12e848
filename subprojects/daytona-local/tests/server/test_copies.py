# SPDX-License-Identifier: Apache-2.0
"""Sandboxes that pause, forks of sandboxes, and snapshots of them."""
import os
import shutil
import signal
import tempfile
import time
import unittest

import harness

VM = "daytona-local/vm:1.0"


class Copies(harness.Case):
    def vm(self, **fields):
        return self.server.create(snapshot=VM, **fields)

    def run_in(self, box, command):
        return self.server.execute(box, command)["result"]

    def snapshot(self, box, name):
        answer = self.status(200, self.server.api("POST", "/sandbox/%s/snapshot" % box, {"name": name})).json
        self.assertEqual(answer["state"], "snapshotting")

    def found(self, name):
        return self.status(200, self.server.api("GET", "/snapshots/" + name.replace("/", "%2F"))).json


class Pause(Copies):
    def test_there_are_two_snapshots_from_the_start(self):
        items = self.server.api("GET", "/snapshots").json["items"]
        general = [(i["name"], i["sandboxClass"]) for i in items if i["general"]]
        self.assertEqual(general, [("daytona-local/default:1.0", "container"), (VM, "linux-vm")])
        self.status(403, self.server.api("DELETE", "/snapshots/" + [i["id"] for i in items if i["name"] == VM][0]))

    def test_paused_and_resumed(self):
        box = self.vm(env={"A": "b"})
        self.assertEqual((box["sandboxClass"], box["autoPauseInterval"], box["autoStopInterval"]), ("linux-vm", 60, 0))
        box = box["id"]
        self.run_in(box, "echo kept > file")
        token = self.server.api("GET", "/sandbox/%s/ports/80/preview-url" % box).json["token"]
        answer = self.status(200, self.server.api("POST", "/sandbox/%s/pause" % box)).json
        self.assertEqual((answer["state"], answer["desiredState"]), ("pausing", "paused"))
        self.server.wait(box, "paused")
        self.assertEqual([i["id"] for i in self.server.api("GET", "/sandbox?states=paused&sandboxClasses=linux-vm").json["items"]], [box])
        self.status(400, self.server.call("POST", "/toolbox/%s/process/execute" % box, {"command": "true"}))
        for call in ("pause", "archive", "resize", "snapshot"):
            self.status(400, self.server.api("POST", "/sandbox/%s/%s" % (box, call), {"cpu": 2, "name": "n"}))
        self.assertEqual(self.status(200, self.server.api("POST", "/sandbox/%s/start" % box)).json["state"], "started")
        self.assertEqual(self.run_in(box, "cat file; echo $A"), "kept\nb\n")
        self.assertEqual(self.server.api("GET", "/sandbox/%s/ports/80/preview-url" % box).json["token"], token)

    def test_paused_can_be_stopped_and_deleted(self):
        for call, states in ((("POST", "/stop"), ("stopped",)), (("DELETE", ""), (404,))):
            box = self.vm()["id"]
            self.status(200, self.server.api("POST", "/sandbox/%s/pause" % box))
            self.server.wait(box, "paused")
            self.status(200, self.server.api(call[0], "/sandbox/%s%s" % (box, call[1])))
            self.server.wait(box, *states)

    def test_containers_are_refused(self):
        box = self.server.create()["id"]
        self.assertIn("container", self.status(422, self.server.api("POST", "/sandbox/%s/pause" % box)).json["message"])
        self.status(422, self.server.api("POST", "/sandbox/%s/fork" % box))
        self.status(400, self.server.api("POST", "/sandbox/%s/autopause/5" % box))
        self.status(200, self.server.api("POST", "/sandbox/%s/autopause/0" % box))
        self.status(400, self.server.api("POST", "/sandbox", {"autoPauseInterval": 5}))

    def test_intervals_exclude_each_other(self):
        for body in ({"autoPauseInterval": 5, "autoStopInterval": 5}, {"autoPauseInterval": 5, "autoDeleteInterval": 0}, {"autoPauseInterval": -1}):
            self.status(400, self.server.api("POST", "/sandbox", {"snapshot": VM, **body}))
        for body, shown in (({"autoStopInterval": 5}, (5, 0)), ({"autoPauseInterval": 7}, (0, 7)), ({"autoPauseInterval": 0}, (15, 0)),
                            ({"autoDeleteInterval": 0}, (15, 0))):
            box = self.vm(**body)
            self.assertEqual((box["autoStopInterval"], box["autoPauseInterval"]), shown, body)
        box = self.vm(autoPauseInterval=7)["id"]
        self.status(400, self.server.api("POST", "/sandbox/%s/autostop/5" % box))
        self.assertEqual(self.status(200, self.server.api("POST", "/sandbox/%s/autopause/0" % box)).json["autoPauseInterval"], 0)
        self.status(200, self.server.api("POST", "/sandbox/%s/autostop/5" % box))
        self.status(400, self.server.api("POST", "/sandbox/%s/autopause/5" % box))

    def test_pauses_by_itself_and_its_end_of_life_comes(self):
        box = self.vm(autoPauseInterval=10)["id"]
        self.server.api("POST", "/sandbox/%s/ttl/60" % box)
        self.server.jump(9)
        self.assertEqual(self.server.state_of(box), "started")
        self.server.jump(2)
        self.server.wait(box, "paused")
        self.server.jump(50)
        self.server.wait(box, 404)


class Forks(Copies):
    def test_child_has_files_and_settings(self):
        secret = self.server.api("POST", "/secret", {"name": "forked", "value": "inherited"}).json["id"]
        parent = self.vm(env={"A": "b"}, labels={"l": "m"}, public=True, secrets=[{"S": "forked"}])["id"]
        self.run_in(parent, "mkdir -p d && echo text > d/file && ln -s d/file link && chmod 600 d/file && ln d/file hard")
        child = self.status(200, self.server.api("POST", "/sandbox/%s/fork" % parent, {"name": "the-child"})).json
        self.assertEqual((child["state"], child["name"], child["labels"], child["env"], child["public"], child["sandboxClass"]),
                         ("creating", "the-child", {"l": "m"}, {"A": "b"}, True, "linux-vm"))
        self.server.wait(parent, "started")
        self.server.wait("the-child", "started")
        child = child["id"]
        self.assertNotEqual(child, parent)
        self.assertEqual(self.run_in(child, "cat link; stat -c %a d/file; stat -c %h hard; echo $A $S $DAYTONA_SANDBOX_ID"),
                         "text\n600\n2\nb inherited %s\n" % child)
        self.run_in(child, "echo child > d/file")
        self.assertEqual(self.run_in(parent, "cat d/file"), "text\n")
        for path, ids in (("/sandbox/%s/forks" % parent, [child]), ("/sandbox/%s/forks" % child, []), ("/sandbox/%s/ancestors" % child, [parent])):
            self.assertEqual([s["id"] for s in self.status(200, self.server.api("GET", path)).json], ids)
        self.assertEqual(self.server.api("GET", "/sandbox/%s/parent" % child).json["id"], parent)
        self.status(404, self.server.api("GET", "/sandbox/%s/parent" % parent))
        self.assertIn("forks", self.status(400, self.server.api("DELETE", "/sandbox/" + parent)).json["message"])
        self.status(200, self.server.api("DELETE", "/sandbox/" + child))
        self.server.wait(child, 404)
        self.status(200, self.server.api("DELETE", "/sandbox/" + parent))
        self.server.api("DELETE", "/secret/" + secret)

    def test_refusals(self):
        parent = self.vm(name="parent-of-none")["id"]
        self.status(409, self.server.api("POST", "/sandbox/%s/fork" % parent, {"name": "parent-of-none"}))
        for wrong in ({"name": 1}, {"name": "http://x"}):
            self.status(400, self.server.api("POST", "/sandbox/%s/fork" % parent, wrong))
        self.status(404, self.server.api("POST", "/sandbox/none/fork"))
        self.server.api("POST", "/sandbox/%s/stop" % parent)
        self.server.wait(parent, "stopped")
        self.status(400, self.server.api("POST", "/sandbox/%s/fork" % parent))
        self.assertEqual(self.server.api("GET", "/sandbox/%s/forks" % parent).json, [])

    def test_while_files_change(self):
        """Files come, go, grow, shrink and move meanwhile: what is still is copied, and the fork works."""
        parent = self.vm()["id"]
        self.run_in(parent, "mkdir still; for i in $(seq 200); do echo $i > still/$i; done")
        self.status(201, self.server.call("POST", "/toolbox/%s/process/session" % parent, {"sessionId": "s"}))
        churn = ("while :; do mkdir -p m/n; for i in 1 2 3 4 5 6 7 8 9; do head -c 100000 /dev/zero > m/n/$i; done; mv m/n m/o; : > m/o/3; "
                 "rm -rf m/o; done")
        self.status(202, self.server.call("POST", "/toolbox/%s/process/session/s/exec" % parent, {"command": churn, "runAsync": True}))
        for _ in range(3):
            child = self.status(200, self.server.api("POST", "/sandbox/%s/fork" % parent)).json["id"]
            self.server.wait(child, "started", "error")
            self.assertEqual(self.server.state_of(child), "started", self.server.api("GET", "/sandbox/" + child).body)
            self.assertEqual(self.run_in(child, "cat still/* | sort -n | tail -1; ls still | wc -l"), "200\n200\n")
            self.server.wait(parent, "started")
        self.run_in(parent, "true")

    def test_it_serves_while_it_is_copied(self):
        """A fork and a snapshot take their time, and the sandbox is at work meanwhile."""
        box = self.vm()["id"]
        self.run_in(box, "head -c 150000000 /dev/zero | tr '\\0' x > much")
        for call, state in (("fork", "forking"), ("snapshot", "snapshotting")):
            self.status(200, self.server.api("POST", "/sandbox/%s/%s" % (box, call), {"name": "while-it-serves"}))
            seen = 0
            while self.server.state_of(box) == state:
                self.assertEqual(self.run_in(box, "echo served"), "served\n")
                seen += 1
            self.assertGreater(seen, 0, "the copy was made before anything could be asked")
            self.server.wait(box, "started")
        self.server.wait("while-it-serves", "started")

    def test_forks_of_forks(self):
        first = self.vm()["id"]
        self.run_in(first, "echo 1 > one")
        second = self.server.api("POST", "/sandbox/%s/fork" % first).json["id"]
        self.server.wait(second, "started")
        self.run_in(second, "echo 2 > two")
        third = self.server.api("POST", "/sandbox/%s/fork" % second).json["id"]
        self.server.wait(third, "started")
        self.assertEqual(self.run_in(third, "cat one two"), "1\n2\n")
        self.assertEqual([s["id"] for s in self.server.api("GET", "/sandbox/%s/ancestors" % third).json], [second, first])


class Snapshots(Copies):
    def test_of_both_classes_running_and_stopped(self):
        for source, state in ((None, "started"), (VM, "started"), (None, "stopped")):
            name = "mine-%s-%s:1" % ("vm" if source else "box", state)
            box = self.server.create(snapshot=source)
            self.run_in(box["id"], "echo of-%s > file; mkdir -p .config/x" % state)
            if state == "stopped":
                self.server.api("POST", "/sandbox/%s/stop" % box["id"])
                self.server.wait(box["id"], "stopped")
            self.snapshot(box["id"], name)
            self.server.wait(box["id"], state)
            made = self.found(name)
            self.assertEqual((made["state"], made["sourceSandboxId"], made["sandboxClass"]), ("active", box["id"], box["sandboxClass"]))
            self.assertGreater(made["size"], 0)
            self.assertNotIn("hasFiles", made)
            # It stays when its sandbox goes.
            self.server.api("DELETE", "/sandbox/" + box["id"])
            other = self.server.create(snapshot=name)
            self.assertEqual((other["snapshot"], other["sandboxClass"]), (name, box["sandboxClass"]))
            self.assertEqual(self.run_in(other["id"], "cat file; ls -A .config"), "of-%s\nx\n" % state)
            self.run_in(other["id"], "echo changed > file")
            again = self.server.create(snapshot=made["id"])["id"]
            self.assertEqual(self.run_in(again, "cat file"), "of-%s\n" % state)
        listed = self.server.api("GET", "/snapshots?sourceSandboxId=" + box["id"]).json["items"]
        self.assertEqual([s["name"] for s in listed], [name])

    def test_refusals(self):
        box = self.server.create()["id"]
        path = "/sandbox/%s/snapshot" % box
        for wrong in ({}, {"name": ""}, {"name": 1}, {"name": "a b"}, {"name": "with-memory", "includeMemory": True}, {"name": "x", "includeMemory": 1}):
            self.status(400, self.server.api("POST", path, wrong))
        self.snapshot(box, "taken:1")
        self.server.wait(box, "started")
        self.status(409, self.server.api("POST", path, {"name": "taken:1"}))
        self.status(404, self.server.api("POST", "/sandbox/none/snapshot", {"name": "n"}))

    def test_deleted_with_its_files(self):
        box = self.server.create()["id"]
        self.snapshot(box, "short:1")
        self.server.wait(box, "started")
        made = self.found("short:1")
        file = "%s/snapshots/%s.tar" % (self.server.state, made["id"])
        self.assertEqual(os.stat(file).st_mode & 0o777, 0o600)
        self.status(200, self.server.api("DELETE", "/snapshots/" + made["id"]))
        harness.until(lambda: not os.path.exists(file))
        self.status(404, self.server.api("GET", "/snapshots/" + made["id"]))
        self.status(400, self.server.api("POST", "/sandbox", {"snapshot": "short:1"}))

    def test_deactivated_and_activated(self):
        box = self.server.create()["id"]
        self.run_in(box, "echo a > file")
        self.snapshot(box, "quiet:1")
        self.server.wait(box, "started")
        made = self.found("quiet:1")["id"]
        self.status(204, self.server.api("POST", "/snapshots/%s/deactivate" % made))
        self.status(400, self.server.api("POST", "/sandbox", {"snapshot": "quiet:1"}))
        self.server.jump(11)
        self.status(200, self.server.api("POST", "/snapshots/%s/activate" % made))
        harness.until(lambda: self.found("quiet:1")["state"] == "active")
        self.assertEqual(self.run_in(self.server.create(snapshot="quiet:1")["id"], "cat file"), "a\n")


class Small(Copies):
    options = ("--max-snapshot-size", "0.001", "--max-snapshots", "1")

    def test_limits(self):
        box = self.server.create()["id"]
        self.run_in(box, "head -c 3000000 /dev/urandom > large")
        self.snapshot(box, "large:1")
        self.server.wait(box, "started")
        made = self.found("large:1")
        self.assertEqual(made["state"], "error")
        self.assertIn("GB", made["errorReason"])
        self.assertEqual(os.listdir(self.server.state + "/snapshots"), [])
        self.assertIn("limit", self.status(400, self.server.api("POST", "/sandbox/%s/snapshot" % box, {"name": "other:1"})).json["message"])
        self.status(200, self.server.api("DELETE", "/snapshots/" + made["id"]))


class Restarts(unittest.TestCase):
    def setUp(self):
        self.state = tempfile.mkdtemp(prefix="dl-test-")
        self.server = harness.Server(state=self.state)

    def tearDown(self):
        code = self.server.stop()
        shutil.rmtree(self.state)
        self.assertEqual(code, 0)

    def restart(self, number=signal.SIGKILL):
        self.server.stop(number)
        self.server = harness.Server(state=self.state)

    def test_paused_stays_paused(self):
        box = self.server.create(snapshot=VM)["id"]
        self.server.execute(box, "echo a > file")
        self.server.api("POST", "/sandbox/%s/pause" % box)
        self.restart()
        self.server.wait(box, "paused", limit=5)
        self.server.api("POST", "/sandbox/%s/start" % box)
        self.assertEqual(self.server.execute(box, "cat file")["result"], "a\n")

    def test_killed_at_any_moment_of_a_fork(self):
        """The parent is as it was; the child is a whole copy, or failed, or not there."""
        parent = self.server.create(snapshot=VM)["id"]
        self.server.execute(parent, "for i in $(seq 300); do head -c 20000 /dev/urandom > f$i; done; cat f* | sha256sum > ../daytona/sum")
        wanted = self.server.execute(parent, "cat sum")["result"]
        ends = set()
        for delay in (0, 0.03, 0.1, 0.3):
            child = self.server.api("POST", "/sandbox/%s/fork" % parent).json["id"]
            time.sleep(delay)
            self.restart()
            self.server.wait(parent, "started")
            state = self.server.wait(child, "started", "error", 404)
            ends.add(state)
            if state == "started":
                self.assertEqual(self.server.execute(child, "cat f[0-9]* | sha256sum; cat sum")["result"], wanted * 2)
            if state == "error":
                self.assertIn("not finished", self.server.api("GET", "/sandbox/" + child).json["errorReason"])
            if state != 404:
                self.server.api("DELETE", "/sandbox/" + child)
                self.server.wait(child, 404)
        harness.until(lambda: os.listdir(self.state + "/archives") == [])
        self.assertEqual(self.server.execute(parent, "cat f[0-9]* | sha256sum")["result"], wanted)

    def test_killed_at_any_moment_of_a_snapshot(self):
        box = self.server.create()["id"]
        self.server.execute(box, "for i in $(seq 300); do head -c 20000 /dev/urandom > f$i; done; cat f* | sha256sum > sum")
        wanted = self.server.execute(box, "cat sum")["result"]
        for number, delay in enumerate((0, 0.05, 0.2)):
            self.server.api("POST", "/sandbox/%s/snapshot" % box, {"name": "cut:%d" % number})
            time.sleep(delay)
            self.restart()
            self.server.wait(box, "started")
            answer = self.server.api("GET", "/snapshots/cut:%d" % number)
            self.assertEqual(answer.status, 200)
            self.assertIn(answer.json["state"], ("active", "error"))
            if answer.json["state"] == "active":
                other = self.server.create(snapshot="cut:%d" % number)["id"]
                self.assertEqual(self.server.execute(other, "cat f[0-9]* | sha256sum")["result"], wanted)
        self.assertEqual([n for n in os.listdir(self.state + "/snapshots") if n.endswith(".part")], [])

    def test_a_snapshot_whose_files_are_gone_says_so(self):
        box = self.server.create()["id"]
        self.server.api("POST", "/sandbox/%s/snapshot" % box, {"name": "lost:1"})
        self.server.wait(box, "started")
        self.server.stop()
        for name in os.listdir(self.state + "/snapshots"):
            os.unlink(self.state + "/snapshots/" + name)
        self.server = harness.Server(state=self.state)
        found = self.server.api("GET", "/snapshots/lost:1").json
        self.assertEqual((found["state"], found["errorReason"]), ("error", "its files are gone"))


    def test_files_of_a_snapshot_that_the_journal_has_lost(self):
        box = self.server.create()["id"]
        self.server.execute(box, "echo text > file")
        self.server.api("POST", "/sandbox/%s/snapshot" % box, {"name": "kept:1"})
        self.server.wait(box, "started")
        made = self.server.api("GET", "/snapshots/kept:1").json["id"]
        self.server.stop()
        file = "%s/snapshots/%s.tar" % (self.state, made)
        os.rename(file, file + ".aside")
        self.server = harness.Server(state=self.state)
        self.server.api("DELETE", "/snapshots/" + made)
        harness.until(lambda: self.server.api("GET", "/snapshots/" + made).status == 404)
        self.server.stop()
        os.rename(file + ".aside", file)
        self.server = harness.Server(state=self.state)
        orphans = self.server.call("GET", "/admin/orphans").json["items"]
        self.assertEqual(orphans, [{"kind": "snapshot", "id": made, "paths": [os.path.realpath(file)]}])
        path = "/admin/orphans/" + made
        self.assertEqual(self.server.call("POST", path, {"name": "a b"}).status, 400)
        adopted = self.server.call("POST", path, {"name": "found:1"})
        self.assertEqual((adopted.status, adopted.json["state"], adopted.json["id"]), (200, "active", made))
        other = self.server.create(snapshot="found:1")["id"]
        self.assertEqual(self.server.execute(other, "cat file")["result"], "text\n")
        self.assertEqual(self.server.call("GET", "/admin/orphans").json["items"], [])
        self.assertEqual(self.server.call("DELETE", path).status, 404)


class FullDisk(unittest.TestCase):
    def test_what_cannot_be_written_changes_nothing(self):
        import resource
        server = harness.Server()
        limit = lambda soft: resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))
        try:
            box = server.create(snapshot=VM)["id"]
            before = len(server.api("GET", "/sandbox").json["items"])
            limit(100)
            for call in ("fork", "snapshot", "pause"):
                self.assertEqual(server.api("POST", "/sandbox/%s/%s" % (box, call), {"name": "unwritten"}).status, 500)
            limit(resource.RLIM_INFINITY)
            harness.until(lambda: server.state_of(box) == "started")
            harness.until(lambda: len(server.api("GET", "/sandbox").json["items"]) == before)
            self.assertEqual(server.api("GET", "/snapshots/unwritten").status, 404)
            self.assertEqual(server.execute(box, "echo works")["result"], "works\n")
            self.assertEqual(server.api("POST", "/sandbox/%s/fork" % box, {"name": "unwritten"}).status, 200)
            server.wait("unwritten", "started")
        finally:
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    harness.main()
