# SPDX-License-Identifier: Apache-2.0
"""A disk that is full: what is answered 500 did not happen, neither now nor after a restart."""
import os
import random
import resource
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

import harness


class Full(unittest.TestCase):
    """The journal may not grow: no file of the server may become larger than it is."""

    def setUp(self):
        self.state = tempfile.mkdtemp(prefix="dl-test-")
        self.log = tempfile.TemporaryFile("w+")
        self.server = self.serve()
        self.api = self.server.api

    def tearDown(self):
        code = self.server.stop()
        shutil.rmtree(self.state, ignore_errors=True)
        self.assertEqual(code, 0)

    def serve(self):
        return harness.Server(*harness.SSH, state=self.state, log=self.log)

    def limit(self, size):
        resource.prlimit(self.server.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def fill(self, more=30):
        self.limit(os.path.getsize(self.state + "/journal") + more)

    def free(self):
        self.limit(resource.RLIM_INFINITY)

    def again(self):
        self.assertEqual(self.server.stop(), 0)
        self.server = self.serve()
        self.api = self.server.api

    def refused(self, *call):
        answer = self.api(*call)
        self.assertEqual((answer.status, answer.json["message"]), (500, "the change could not be written to disk and was taken back"))

    def names(self):
        return {volume["name"] for volume in self.api("GET", "/volumes").json}

    def test_volumes(self):
        kept = self.api("POST", "/volumes", {"name": "kept"}).json["id"]
        open("%s/volumes/%s/file" % (self.state, kept), "w").close()
        self.fill()
        for number in range(5):
            self.refused("POST", "/volumes", {"name": "v%d" % number})
        self.refused("DELETE", "/volumes/" + kept)
        self.assertEqual(self.names(), {"kept"})
        self.assertEqual(os.listdir(self.state + "/volumes"), [kept])
        self.free()
        self.assertEqual(self.api("POST", "/volumes", {"name": "v1"}).status, 200)
        for _ in range(2):
            self.assertEqual(self.names(), {"kept", "v1"})
            self.assertEqual(os.listdir("%s/volumes/%s" % (self.state, kept)), ["file"])
            self.again()

    def test_creation(self):
        self.server.create(name="first", autoStopInterval=0)
        self.fill()
        for _ in range(3):
            self.refused("POST", "/sandbox", {"name": "box", "autoStopInterval": 0})
            self.assertEqual(self.api("GET", "/sandbox/box").status, 404)
        self.free()
        harness.until(lambda: len(os.listdir(self.state + "/sandboxes")) == 1)
        self.server.create(name="box", autoStopInterval=0)
        for _ in range(2):
            self.server.wait("first", "started")
            self.server.wait("box", "started")
            self.assertEqual(len(self.api("GET", "/sandbox").json["items"]), 2)
            self.again()

    def test_settings(self):
        box = self.server.create(name="box", labels={"a": "1"}, autoStopInterval=0)["id"]
        key = self.api("GET", "/sandbox/%s/signing-key" % box).body
        self.assertEqual(self.api("GET", "/sandbox/box/ports/80/signed-preview-url?expiresInSeconds=3600").status, 200)
        token = self.api("GET", "/sandbox/box/ports/80/signed-preview-url?expiresInSeconds=3600").json["token"]
        before = self.api("GET", "/sandbox/box").json
        self.fill(0)
        self.refused("PUT", "/sandbox/box/labels", {"labels": {"a": "2"}})
        self.refused("POST", "/sandbox/box/autostop/7")
        self.refused("POST", "/sandbox/box/ttl/7")
        self.refused("POST", "/sandbox/box/public/true")
        self.refused("POST", "/sandbox/box/ssh-access")
        self.refused("GET", "/sandbox/box/ports/80/signed-preview-url")
        self.refused("POST", "/sandbox/box/ports/80/signed-preview-url/%s/expire" % token)
        self.refused("POST", "/sandbox/%s/signing-key/rotate" % box)
        self.refused("POST", "/sandbox/box/resize", {"cpu": 2})
        self.free()
        for _ in range(2):
            after = self.api("GET", "/sandbox/box").json
            for name in before:
                if name not in ("updatedAt", "lastActivityAt", "toolboxProxyUrl"):
                    self.assertEqual(before[name], after[name], name)
            self.assertEqual(self.api("GET", "/sandbox/%s/signing-key" % box).body, key)
            self.assertEqual(self.server.call("GET", "/", host="80-%s.localhost:1" % token, key="").status, 502)
            self.again()
            self.server.wait("box", "started")
        self.assertEqual(self.api("POST", "/sandbox/box/resize", {"cpu": 2}).status, 200)
        self.server.wait("box", "started")

    def test_changes_of_state(self):
        running = self.server.create(name="running", autoStopInterval=0)["id"]
        stopped = self.server.create(name="stopped", autoStopInterval=0)["id"]
        archived = self.server.create(name="archived", autoStopInterval=0)["id"]
        for box in (running, stopped, archived):
            self.server.execute(box, "echo %s > f" % box)
        for box in (stopped, archived):
            self.api("POST", "/sandbox/%s/stop" % box)
            self.server.wait(box, "stopped")
        self.api("POST", "/sandbox/archived/archive")
        self.server.wait("archived", "archived")
        self.fill(0)
        for _ in range(2):
            self.refused("POST", "/sandbox/running/stop")
            self.refused("POST", "/sandbox/stopped/start")
            self.refused("POST", "/sandbox/stopped/archive")
            self.refused("POST", "/sandbox/archived/start")
            for name, state in (("running", "started"), ("stopped", "stopped"), ("archived", "archived")):
                self.refused("DELETE", "/sandbox/" + name)
                self.assertEqual(self.server.state_of(name), state)
        self.assertEqual(self.server.execute(running, "cat f")["result"], running + "\n")
        self.free()
        self.again()
        self.server.wait("running", "started")
        self.assertEqual((self.server.state_of("stopped"), self.server.state_of("archived")), ("stopped", "archived"))
        for box in (stopped, archived):
            self.api("POST", "/sandbox/%s/start" % box)
            self.server.wait(box, "started")
        for box in (running, stopped, archived):
            self.assertEqual(self.server.execute(box, "cat f")["result"], box + "\n")
            self.assertEqual(self.api("DELETE", "/sandbox/" + box).status, 200)
            self.server.wait(box, 404)

    def test_timers_are_tried_again(self):
        self.server.create(name="box", autoStopInterval=10)
        self.fill(0)
        self.server.jump(11)
        self.assertIn(self.server.state_of("box"), ("started", "stopping"))
        began = self.processor_time()
        harness.until(lambda: self.server.state_of("box") == "started")
        self.assertRaises(AssertionError, self.server.wait, "box", "stopped", limit=2)
        self.assertLess(self.processor_time() - began, 1)  # it does not try all the time
        self.free()
        self.server.wait("box", "stopped")

    def test_what_came_by_itself_is_written_later(self):
        box = self.server.create(name="box", autoStopInterval=0)["id"]
        self.fill(0)
        self.server.call("PUT", "/admin/sandbox/%s/state" % box, {"state": "error", "errorReason": "broken", "recoverable": True})
        self.server.wait("box", "error")
        self.free()
        journal = self.state + "/journal"
        size = os.path.getsize(journal)
        harness.until(lambda: os.path.getsize(journal) > size)
        self.again()
        self.assertEqual(self.server.state_of("box"), "error")

    def work(self, number, stop, known):
        """Random calls; `known`: labels of the worker's sandbox that were acknowledged last."""
        chance = random.Random(number)
        name = "box-%d" % number
        count = 0
        while not stop.is_set():
            count += 1
            call = chance.choice(("start", "stop", "archive", "labels", "labels", "delete", "create", "create"))
            if call == "create":
                if self.api("POST", "/sandbox", {"name": name, "autoStopInterval": 0, "labels": {"n": "new"}}).status == 200:
                    known[name] = "new"
            elif call == "delete":
                if self.api("DELETE", "/sandbox/" + name).status == 200:
                    known[name] = None
            elif call == "labels":
                if self.api("PUT", "/sandbox/%s/labels" % name, {"labels": {"n": str(count)}}).status == 200:
                    known[name] = str(count)
            else:
                self.api("POST", "/sandbox/%s/%s" % (name, call))

    def test_everything_at_once(self):
        stop, known = threading.Event(), {}
        workers = [threading.Thread(target=self.work, args=(number, stop, known)) for number in range(6)]
        for worker in workers:
            worker.start()
        for _ in range(15):
            self.fill(200)
            time.sleep(0.2)
            self.free()
            time.sleep(0.1)
        stop.set()
        for worker in workers:
            worker.join()
        rest = ("started", "stopped", "archived", "error", 404)
        for _ in range(2):
            for name, label in known.items():
                self.server.wait(name, *rest)
                found = self.api("GET", "/sandbox/" + name)
                self.assertEqual(found.json["labels"]["n"] if found.status == 200 else None, label, name)
            self.again()

    def processor_time(self):
        with open("/proc/%d/stat" % self.server.process.pid) as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Small(unittest.TestCase):
    """A file system of a few pages."""

    def setUp(self):
        self.place = tempfile.mkdtemp(prefix="dl-test-")
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%s" % self.size(), "none", self.place], capture_output=True)
        if made.returncode != 0:
            os.rmdir(self.place)
            self.skipTest("nothing can be mounted here")

    def tearDown(self):
        subprocess.run(["umount", self.place], check=True)
        os.rmdir(self.place)

    def size(self):
        return "16m" if "deletes" in self.id() else "384k"

    def fill(self):
        """Not a byte is left."""
        with open(self.place + "/filler", "wb", buffering=0) as file:
            for size in (65536, 4096, 1):
                try:
                    while file.write(bytes(size)):
                        pass
                except OSError:
                    pass
        self.assertEqual(os.statvfs(self.place).f_bavail, 0)

    def test_deletes_work_when_nothing_else_does(self):
        server = harness.Server(state=self.place)
        boxes = [server.create(name="box-%d" % n, autoStopInterval=0, labels={"l": "x" * 200})["id"] for n in range(3)]
        volumes = [server.api("POST", "/volumes", {"name": "v%d" % n}).json["id"] for n in range(40)]
        server.api("POST", "/sandbox/%s/stop" % boxes[0])
        server.wait(boxes[0], "stopped")
        self.fill()
        while True:  # the journal's last page may have some room
            answer = server.api("POST", "/volumes", {"name": "w%d" % len(volumes)})
            if answer.status == 500:
                break
            volumes.append(answer.json["id"])
        self.assertEqual(server.api("PUT", "/sandbox/box-2/labels", {"labels": {"l": "y" * 4000}}).status, 500)
        for volume in volumes:
            self.assertEqual(server.api("DELETE", "/volumes/" + volume).status, 200)
        for box in boxes[:2]:
            self.assertEqual(server.api("DELETE", "/sandbox/" + box).status, 200)
            server.wait(box, 404)
        self.assertEqual(server.stop(), 0)
        server = harness.Server(state=self.place)
        self.assertEqual(server.api("GET", "/volumes").json, [])
        self.assertEqual([item["name"] for item in server.api("GET", "/sandbox").json["items"]], ["box-2"])
        os.unlink(self.place + "/filler")
        self.assertEqual(server.api("POST", "/volumes", {"name": "more"}).status, 200)
        self.assertGreater(os.stat(self.place + "/reserve").st_blocks, 0)  # again
        server.wait("box-2", "started")
        self.assertEqual(server.api("DELETE", "/sandbox/box-2").status, 200)
        server.wait(boxes[2], 404)
        self.assertEqual(server.stop(), 0)

    def test_nothing_refused_shows_up(self):
        server = harness.Server("--max-volumes", "10000", state=self.place)  # the disk is to be what refuses
        good, bad = set(), set()
        for number in range(4000):
            name = "v%d" % number
            answer = server.api("POST", "/volumes", {"name": name})
            (good if answer.status == 200 else bad).add(name)
            self.assertIn(answer.status, (200, 500))
            if len(bad) == 200:
                break
        self.assertTrue(good and bad)
        for _ in range(2):
            self.assertEqual({volume["name"] for volume in server.api("GET", "/volumes").json}, good)
            self.assertEqual(server.stop(), 0)
            server = harness.Server(state=self.place)
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    harness.main()
