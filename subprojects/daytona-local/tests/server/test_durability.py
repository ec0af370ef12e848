# SPDX-License-Identifier: Apache-2.0
"""Nothing that was acknowledged is lost: restarts, and kill -9 at any moment."""
import ctypes
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import uuid
import zlib

import harness


class Restart(unittest.TestCase):
    def setUp(self):
        self.state = tempfile.mkdtemp(prefix="dl-test-")
        self.server = harness.Server(state=self.state)

    def tearDown(self):
        code = self.server.stop()
        shutil.rmtree(self.state, ignore_errors=True)
        self.assertEqual(code, 0)

    def test_half_of_a_bubblewrap_is_ended_by_the_next_start(self):
        """Its parent was killed before it let it go on, and it waits: also where somebody else than process 1 takes orphans."""
        bwrap = shutil.which("bwrap")
        if os.geteuid() != 0 or not bwrap:
            self.skipTest("only root is another user, with bubblewrap")
        held, info = os.pipe(), os.pipe()
        words = [bwrap, "--unshare-user", "--unshare-pid", "--ro-bind", "/", "/", "--info-fd", str(info[1]), "--userns-block-fd", str(held[0]),
                 "--", "/run/daytona/toolbox"]
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
        self.addCleanup(ctypes.CDLL(None).prctl, 36, 0, 0, 0, 0)
        outer = subprocess.Popen(words, pass_fds=(held[0], info[1]), user=200007, group=200007, cwd="/")
        os.close(info[1])
        text = b""
        while b"child-pid" not in text or b"}" not in text:
            part = os.read(info[0], 4096)
            if not part:
                self.skipTest("bubblewrap cannot be used here: status %s" % outer.wait())
            text += part
        inner = json.loads(text)["child-pid"]
        outer.kill()
        outer.wait()
        self.addCleanup(lambda: [os.close(fd) for fd in (*held, info[0])])
        os.kill(inner, 0)  # it waits
        self.again()
        self.assertEqual(os.waitpid(inner, 0)[1], signal.SIGKILL)

    def again(self, number=signal.SIGTERM):
        self.server.stop(number)
        self.server = harness.Server(state=self.state)

    def test_everything_is_there_after_a_restart(self):
        api = self.server.api
        volume = api("POST", "/volumes", {"name": "v"}).json
        box = self.server.create(name="kept", env={"A": "b"}, labels={"x": "y"}, autoStopInterval=0,
                                 volumes=[{"volumeId": "v", "mountPath": "/mnt/v"}])["id"]
        stopped = self.server.create(name="stopped", autoArchiveInterval=0)["id"]
        self.server.execute(box, "echo file > f; echo vol > /mnt/v/f")
        self.server.execute(stopped, "echo still > f")
        api("POST", "/sandbox/stopped/stop")
        self.server.wait("stopped", "stopped")
        token = api("GET", "/sandbox/kept/ports/80/signed-preview-url?expiresInSeconds=3600").json["token"]
        before = api("GET", "/sandbox/kept").json
        self.again()
        api = self.server.api
        self.server.wait("kept", "started")
        after = api("GET", "/sandbox/kept").json
        for key in before:
            if key not in ("updatedAt", "lastActivityAt", "toolboxProxyUrl"):
                self.assertEqual(before[key], after[key], key)
        self.assertEqual(self.server.execute(box, "cat f /mnt/v/f; echo $A")["result"], "file\nvol\nb\n")
        self.assertEqual(self.server.state_of("stopped"), "stopped")
        self.assertEqual(api("POST", "/sandbox/stopped/start").json["state"], "started")
        self.assertEqual(self.server.execute(stopped, "cat f")["result"], "still\n")
        self.assertEqual(api("GET", "/volumes").json[0]["id"], volume["id"])
        self.assertEqual(self.server.call("GET", "/", host="80-%s.localhost:1" % token, key="").status, 502)

    def test_processes_end_with_a_killed_server_and_boxes_come_back(self):
        box = self.server.create()["id"]
        self.server.execute(box, "(sleep 4713 &) </dev/null >/dev/null 2>&1")
        harness.wait_process("sleep 4713")
        self.again(signal.SIGKILL)
        self.server.wait(box, "started")
        self.assertEqual([line for _, line in harness.processes() if line == "sleep 4713"], [])
        self.server.execute(box, "true")

    def test_clock_does_not_run_backwards(self):
        self.server.jump(5000)
        made = self.server.create(autoStopInterval=0)
        self.again()
        self.assertGreaterEqual(self.server.call("GET", "/admin/clock").json["now"], made["createdAt"])

    def test_a_second_server_is_refused(self):
        with self.assertRaises(RuntimeError):
            with open(os.devnull, "w") as null:
                harness.Server(state=self.state, log=null)

    def test_torn_end_of_the_journal_is_dropped(self):
        self.server.create(name="whole", autoStopInterval=0)
        self.server.stop()
        with open(self.state + "/journal", "ab") as file:
            file.write(b"0badc0de 40 [\"sandbox\",\"half")
        self.server = harness.Server(state=self.state, log=open(os.devnull, "w"))
        self.server.wait("whole", "started")
        self.server.create(name="more", autoStopInterval=0)
        self.again()
        self.assertIn(self.server.state_of("more"), ("started", "starting"))

    def test_interrupted_archive_and_delete_go_on(self):
        one, two = self.server.create()["id"], self.server.create()["id"]
        self.server.execute(one, "head -c 20000000 /dev/zero > big")
        self.server.api("POST", "/sandbox/%s/stop" % one)
        self.server.wait(one, "stopped")
        self.server.api("POST", "/sandbox/%s/archive" % one)
        self.server.api("DELETE", "/sandbox/%s" % two)
        self.again(signal.SIGKILL)
        self.server.wait(one, "archived")
        self.server.wait(two, 404)
        self.server.api("POST", "/sandbox/%s/start" % one)
        self.again(signal.SIGKILL)
        self.server.wait(one, "started")
        self.assertEqual(self.server.execute(one, "stat -c %s big")["result"], "20000000\n")


class Records(unittest.TestCase):
    """Whatever state a record was left in, the next server goes on from it."""

    STATES = ("creating", "started", "stopped", "archived", "restoring", "resizing", "error", "destroyed")
    WANTED = ("started", "stopped", "archived", "destroyed", "resized")

    def setUp(self):
        self.state = tempfile.mkdtemp(prefix="dl-test-")

    def tearDown(self):
        shutil.rmtree(self.state, ignore_errors=True)

    def a_record(self):
        """The last record of a sandbox, as the server writes it."""
        server = harness.Server(state=self.state)
        server.create(name="first", autoStopInterval=0)
        server.api("POST", "/sandbox/first/stop")
        server.wait("first", "stopped")
        server.stop()
        with open(self.state + "/journal", encoding="utf-8") as file:
            records = [json.loads(line.split(" ", 2)[2]) for line in file]
        return [value for kind, _, value in records if kind == "sandbox"][-1]

    def add(self, record, **changes):
        record = dict(record, id=str(uuid.uuid4()), **changes)
        text = json.dumps(["sandbox", record["id"], record], separators=(",", ":")).encode()
        with open(self.state + "/journal", "ab") as file:
            file.write(b"%08x %d %s\n" % (zlib.crc32(text), len(text), text))
        return record["id"]

    def test_every_state_leads_on(self):
        record = self.a_record()
        ids = {(state, want): self.add(record, name="%s-%s" % (state, want), state=state, want=want)
               for state in self.STATES for want in self.WANTED}
        server = harness.Server(state=self.state)
        try:
            for (state, want), box in ids.items():
                gone = want == "destroyed" or state == "destroyed"
                rest = (404,) if gone else ("started", "stopped", "archived", "error")
                server.wait(box, *rest)
                if not gone and state != "error" and want == "stopped":
                    self.assertNotIn(server.state_of(box), ("started", "error"), (state, want))
            for key, box in ids.items():
                self.assertIn(server.api("DELETE", "/sandbox/" + box).status, (200, 404), key)
            for box in ids.values():
                server.wait(box, 404)
        finally:
            code = server.stop()
        self.assertEqual(code, 0)


class Damage(unittest.TestCase):
    """A journal that is damaged in its middle: what can be read counts, and nothing is thrown away."""

    def setUp(self):
        self.state = tempfile.mkdtemp(prefix="dl-test-")
        self.log = tempfile.TemporaryFile("w+")
        self.server = self.serve()

    def tearDown(self):
        code = self.server.stop()
        shutil.rmtree(self.state, ignore_errors=True)
        self.assertEqual(code, 0)

    def serve(self):
        return harness.Server(state=self.state, log=self.log)

    def journal(self, name="journal"):
        with open(os.path.join(self.state, name), "rb") as file:
            return file.read()

    def write(self, data):
        with open(self.state + "/journal", "wb") as file:
            file.write(data)

    def kept(self):
        return sorted(name for name in os.listdir(self.state) if name.startswith("journal.damaged-"))

    def damage(self):
        return self.server.call("GET", "/admin/info").json["damage"]

    def test_one_bit_in_each_record_in_turn(self):
        for number in range(4):
            box = self.server.create(name="box-%d" % number, autoStopInterval=0)["id"]
            self.server.api("POST", "/sandbox/%s/stop" % box)
            self.server.wait(box, "stopped")
        self.server.api("POST", "/volumes", {"name": "v"})
        self.server.stop()
        whole = self.journal()
        at = 0
        lines = whole.splitlines(keepends=True)
        for line in lines:
            damaged = bytearray(whole)
            damaged[at + len(line) // 2] ^= 4
            at += len(line)
            self.write(damaged)
            self.server = self.serve()
            boxes = {box["name"] for box in self.server.api("GET", "/sandbox").json["items"]}
            self.assertEqual(boxes, {"box-%d" % number for number in range(4)}, line)
            found = self.damage()
            self.assertEqual((found["records"], found["bytes"]), (1, len(line)), line)
            self.assertEqual(self.journal(found["file"]), bytes(damaged))
            self.assertEqual(len(self.kept()), 1)
            self.server.stop()
            self.server = self.serve()
            self.assertIsNone(self.damage())
            self.server.stop()
            os.unlink(os.path.join(self.state, self.kept()[0]))
        self.log.seek(0)
        text = self.log.read()
        self.assertIn("journal was damaged: 1 records (", text)
        self.assertIn("a change is lost; what was written before it counts", text)
        self.write(whole)
        self.server = self.serve()
        self.assertEqual(self.server.api("GET", "/volumes").json[0]["name"], "v")

    def test_a_volume_that_was_being_made_at_a_kill_is_gone(self):
        """Its directory is made before its record is written."""
        known = self.server.api("POST", "/volumes", {"name": "known"}).json["id"]
        self.server.process.kill()
        self.server.process.wait()
        for name in ("11111111-2222-4333-8444-555555555555", "11111111-2222-4333-8444-666666666666"):
            os.mkdir("%s/volumes/%s" % (self.state, name), 0o700)  # the mode is set later, too
        self.server = self.serve()
        self.assertEqual(os.listdir(self.state + "/volumes"), [known])
        self.assertEqual([volume["name"] for volume in self.server.api("GET", "/volumes").json], ["known"])
        self.assertEqual(self.server.call("GET", "/admin/orphans").json["items"], [])
        made = self.server.api("POST", "/volumes", {"name": "next"}).json["id"]
        self.server.create(name="user", volumes=[{"volumeId": made, "mountPath": "/v"}], autoStopInterval=0)
        self.assertEqual(self.server.execute(self.server.api("GET", "/sandbox/user").json["id"], "touch /v/f && ls /v")["result"], "f\n")

    def test_what_no_record_owns_is_reported_adopted_or_removed(self):
        api = self.server.api
        boxes = [self.server.create(autoStopInterval=0, labels={"n": str(n)})["id"] for n in range(3)]
        volumes = [api("POST", "/volumes", {"name": "v%d" % n}).json["id"] for n in range(2)]
        for box in boxes:
            self.server.execute(box, "echo %s > f" % box)
            api("POST", "/sandbox/%s/stop" % box)
            self.server.wait(box, "stopped")
        api("POST", "/sandbox/%s/archive" % boxes[2])
        self.server.wait(boxes[2], "archived")
        for volume in volumes:
            with open("%s/volumes/%s/f" % (self.state, volume), "w") as file:
                file.write(volume)
        self.server.stop()
        # Every record of them, so that nothing is known.
        self.write(b"".join(line.replace(b'{"id"', b'{"iX"') if any(one.encode() in line for one in boxes + volumes) else line
                            for line in self.journal().splitlines(keepends=True)))
        self.server = self.serve()
        api = self.server.api
        self.assertEqual(api("GET", "/sandbox").json["items"], [])
        self.assertEqual({entry["id"] for entry in self.damage()["lost"]}, set(boxes + volumes))
        orphans = {entry["id"]: entry for entry in self.server.call("GET", "/admin/orphans").json["items"]}
        self.assertEqual(set(orphans), set(boxes + volumes))
        self.assertEqual(orphans[boxes[2]]["paths"], ["%s/archives/%s.tar" % (self.state, boxes[2])])
        self.log.seek(0)
        text = self.log.read()
        for one in boxes + volumes:
            self.assertRegex(text, "%s(.tar)? belongs to no" % one)
        adopted = self.server.call("POST", "/admin/orphans/" + boxes[0])
        self.assertEqual((adopted.status, adopted.json["state"]), (200, "stopped"))
        adopted = self.server.call("POST", "/admin/orphans/" + boxes[2])
        self.assertEqual((adopted.status, adopted.json["state"]), (200, "archived"))
        self.assertEqual(self.server.call("POST", "/admin/orphans/" + volumes[0]).json["state"], "ready")
        for one in (boxes[1], volumes[1]):
            self.assertEqual(self.server.call("DELETE", "/admin/orphans/" + one).status, 204)
            self.assertEqual(self.server.call("DELETE", "/admin/orphans/" + one).status, 404)
        for bad in (boxes[0], "nothing", "..", "%2e%2e"):
            self.assertEqual(self.server.call("POST", "/admin/orphans/" + bad).status, 404, bad)
        self.server.stop()
        self.server = self.serve()
        api = self.server.api
        self.assertEqual(self.server.call("GET", "/admin/orphans").json["items"], [])
        for box in (boxes[0], boxes[2]):
            self.assertEqual(api("POST", "/sandbox/%s/start" % box).status, 200)
            self.server.wait(box, "started")
            self.assertEqual(self.server.execute(box, "cat f")["result"], box + "\n")
        self.assertEqual(os.listdir("%s/volumes/%s" % (self.state, volumes[0])), ["f"])
        self.assertFalse(os.path.exists("%s/volumes/%s" % (self.state, volumes[1])))
        self.assertFalse(os.path.exists("%s/sandboxes/%s" % (self.state, boxes[1])))

    def test_a_volume_without_its_directory_shows_that(self):
        volume = self.server.api("POST", "/volumes", {"name": "v"}).json["id"]
        self.server.stop()
        os.rmdir("%s/volumes/%s" % (self.state, volume))
        self.server = self.serve()
        self.assertEqual(self.server.api("GET", "/volumes/" + volume).json["state"], "error")
        self.assertEqual(self.server.api("POST", "/sandbox", {"volumes": [{"volumeId": "v", "mountPath": "/v"}]}).status, 400)
        self.assertEqual(self.server.api("DELETE", "/volumes/" + volume).status, 200)


class KillInALoop(unittest.TestCase):
    """Changes from four threads, killed at a random moment, again and again."""

    ROUNDS = 8

    def setUp(self):
        self.state = tempfile.mkdtemp(prefix="dl-test-")
        self.random = random.Random(4711)

    def tearDown(self):
        shutil.rmtree(self.state, ignore_errors=True)

    def change(self, server, number, known, lock, stop):
        """One acknowledged change after the other; `known` holds what must be found again."""
        count = 0
        name = "box-%d" % number
        try:
            while not stop.is_set():
                count += 1
                value = "%d.%d" % (number, count)
                with lock:
                    # Until it is acknowledged, the old and the new value are both right.
                    known[name] = (known.get(name, (None, None))[0], value)
                if server.api("PUT", "/sandbox/%s/labels" % name, {"labels": {"value": value}}).status != 200:
                    return
                with lock:
                    known[name] = (value, value)
                made = server.api("POST", "/volumes", {"name": "v-" + value + "-%d" % server.port})
                if made.status == 200:
                    with lock:
                        known.setdefault("volumes", set()).add(made.json["id"])
        except (OSError, http.client.HTTPException, ValueError):
            pass

    def test_no_acknowledged_change_is_lost(self):
        known, lock = {}, threading.Lock()
        server = harness.Server(state=self.state, log=open(os.devnull, "w"))
        for number in range(4):
            server.create(name="box-%d" % number, autoStopInterval=0)
        for _ in range(self.ROUNDS):
            stop = threading.Event()
            threads = [threading.Thread(target=self.change, args=(server, n, known, lock, stop)) for n in range(4)]
            for thread in threads:
                thread.start()
            time.sleep(self.random.uniform(0.02, 0.3))  # the moment of the kill is meant to be arbitrary
            server.stop(signal.SIGKILL)
            stop.set()
            for thread in threads:
                thread.join()
            server = harness.Server(state=self.state, log=open(os.devnull, "w"))
            volumes = {volume["id"] for volume in server.api("GET", "/volumes").json}
            self.assertLessEqual(known.get("volumes", set()), volumes)
            for number in range(4):
                labels = server.api("GET", "/sandbox/box-%d" % number).json["labels"]
                if "box-%d" % number in known:
                    self.assertIn(labels.get("value"), known["box-%d" % number])
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    harness.main()
