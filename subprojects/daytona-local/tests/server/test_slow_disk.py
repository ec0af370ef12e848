# SPDX-License-Identifier: Apache-2.0
"""Archives, removals and a disk that does not answer: nothing waits behind them, and everything ends."""
import glob
import os
import shutil
import socket
import tempfile
import threading
import time
import unittest

import harness
from s3_client import S3, Signer

END_LIMIT = 5


class Stuck(unittest.TestCase):
    """A server whose disk calls can be held up: see stuck.c."""

    def setUp(self):
        # Not /tmp: as root the server starts programs where that one is another.
        self.flags = tempfile.mkdtemp(prefix="dl-test-", dir="/var/tmp")
        self.state = tempfile.mkdtemp(prefix="dl-test-")
        self.env = dict(os.environ, LD_PRELOAD=os.environ["DL_STUCK_LIBRARY"], DL_STUCK=self.flags)
        self.env["ASAN_OPTIONS"] = "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")
        self.server = self.serve()

    def tearDown(self):
        for name in os.listdir(self.flags):
            os.unlink(os.path.join(self.flags, name))
        code = self.server.stop()
        shutil.rmtree(self.state, ignore_errors=True)
        shutil.rmtree(self.flags, ignore_errors=True)
        self.assertEqual(code, 0)

    def serve(self):
        return harness.Server(state=self.state, env=self.env)

    def hold(self, name):
        open(os.path.join(self.flags, name), "w").close()

    def release(self, name):
        os.unlink(os.path.join(self.flags, name))

    def wait_until_held(self, name, count=1):
        path = os.path.join(self.flags, name + ".count")
        harness.until(lambda: os.path.exists(path) and os.path.getsize(path) >= count)

    def stopped(self, command="head -c 300000 /dev/urandom > data"):
        box = self.server.create(autoStopInterval=0)["id"]
        self.server.execute(box, command)
        self.server.api("POST", "/sandbox/%s/stop" % box)
        self.server.wait(box, "stopped")
        return box

    def archive(self, box):
        self.assertEqual(self.server.api("POST", "/sandbox/%s/archive" % box, timeout=10).status, 200)

    def archives(self):
        return sorted(os.path.basename(path) for path in glob.glob(self.state + "/archives/*"))

    def end(self, expected):
        """SIGTERM must end it in time, whatever is held up."""
        began = time.monotonic()
        code = self.server.stop()
        self.assertLess(time.monotonic() - began, END_LIMIT)
        self.assertEqual(code, expected)

    def large_home_of_another(self):
        """A sandbox that starts with a home of 4000 files, which take 20 s to change hands."""
        box = self.stopped("seq 4000 | xargs touch")
        self.assertEqual(self.server.stop(), 0)
        home = "%s/sandboxes/%s/home" % (self.state, box)
        os.chown(home, 0, 0)
        self.hold("fchownat.slow")
        self.server = self.serve()
        self.begin_start(box)
        return box, home

    def begin_start(self, box):
        """Its response comes with the end of the start."""
        def ask():
            try:
                self.server.api("POST", "/sandbox/%s/start" % box)
            except OSError:
                pass
        threading.Thread(target=ask, daemon=True).start()
        self.server.wait(box, "starting")
        time.sleep(0.3)

    @unittest.skipUnless(os.geteuid() == 0, "homes change hands for root only")
    def test_a_delete_interrupts_a_home_that_changes_hands(self):
        box, home = self.large_home_of_another()
        began = time.monotonic()
        self.assertEqual(self.server.api("DELETE", "/sandbox/" + box).status, 200)
        self.server.wait(box, 404, limit=5)
        self.assertLess(time.monotonic() - began, 5)
        self.assertFalse(os.path.exists(home))

    @unittest.skipUnless(os.geteuid() == 0, "homes change hands for root only")
    def test_a_shutdown_interrupts_it_and_it_is_done_again(self):
        box, home = self.large_home_of_another()
        self.end(0)
        self.assertEqual(os.stat(home).st_uid, 0)
        self.release("fchownat.slow")
        self.server = self.serve()
        self.server.wait(box, "started", "stopped", "error")
        self.server.api("POST", "/sandbox/%s/start" % box)
        self.server.wait(box, "started")
        user = os.stat(home).st_uid
        self.assertNotEqual(user, 0)
        self.assertEqual({os.lstat(entry.path).st_uid for entry in os.scandir(home)}, {user})

    def test_downloads_of_objects_that_are_not_read(self):
        """They keep each other waiting, and nothing else; what was stored is there again."""
        s3 = S3(self.server)
        self.assertEqual(s3.put("one", b"x" * 1000).status, 200)
        self.hold("pread")
        path = s3.path(s3.key("one"))
        for _ in range(6):
            sock = socket.create_connection(("127.0.0.1", self.server.port))
            self.addCleanup(sock.close)
            lines = "".join("%s: %s\r\n" % pair for pair in Signer(s3, "GET", path).headers().items())
            sock.sendall(("GET %s HTTP/1.1\r\n%s\r\n" % (path, lines)).encode())
        self.wait_until_held("pread", 4)
        self.assertEqual(self.server.api("GET", "/sandbox", timeout=10).status, 200)
        self.assertEqual(s3.head("one").status, 200)
        self.end(1)
        self.release("pread")
        self.server = self.serve()
        self.assertEqual(S3(self.server).get("one").body, b"x" * 1000)

    def test_a_volume_keeps_its_files_until_its_deletion_is_on_disk(self):
        volume = self.server.api("POST", "/volumes", {"name": "v"}).json["id"]
        path = "%s/volumes/%s" % (self.state, volume)
        open(path + "/kept", "w").close()
        self.hold("fdatasync")
        delete = threading.Thread(target=lambda: self.server.api("DELETE", "/volumes/" + volume))
        delete.start()
        self.wait_until_held("fdatasync")
        self.assertTrue(os.path.exists(path + "/kept"))
        self.release("fdatasync")
        delete.join()
        harness.until(lambda: not os.path.exists(path))
        self.assertEqual(self.server.api("GET", "/volumes/" + volume).status, 404)

    # ---- what others may still do

    def test_nothing_waits_behind_archives(self):
        boxes = [self.stopped() for _ in range(5)]
        self.hold("pread")
        for box in boxes:
            self.archive(box)
        self.wait_until_held("pread", 2)
        self.assertEqual(self.server.api("POST", "/volumes", {"name": "v"}, timeout=10).status, 200)
        made = self.server.api("POST", "/sandbox", {"autoStopInterval": 0}, timeout=30)
        self.assertEqual(made.json["state"], "started")
        self.assertEqual(self.server.api("DELETE", "/sandbox/" + made.json["id"], timeout=10).status, 200)
        self.server.wait(made.json["id"], 404)
        self.assertEqual([self.server.state_of(box) for box in boxes], ["archiving"] * 5)
        self.assertEqual(os.path.getsize(self.flags + "/pread.count"), 2, "more than two archives at once")
        self.release("pread")
        for box in boxes:
            self.server.wait(box, "archived")

    def test_delete_gives_an_archive_up(self):
        boxes = [self.stopped() for _ in range(4)]
        self.hold("pread")
        for box in boxes:
            self.archive(box)
        self.wait_until_held("pread", 2)
        for box in boxes:
            self.assertEqual(self.server.api("DELETE", "/sandbox/" + box, timeout=10).json["state"], "destroying")
        for box in boxes[2:]:  # these had not begun
            self.server.wait(box, 404)
        self.release("pread")
        for box in boxes:
            self.server.wait(box, 404)
        harness.until(lambda: not self.archives())
        self.assertEqual(os.listdir(self.state + "/sandboxes"), [])

    def test_start_gives_an_archive_up_and_the_home_is_whole(self):
        box = self.stopped("head -c 4000000 /dev/urandom > data; sha256sum data > sum")
        self.hold("pread.slow")
        self.archive(box)
        harness.until(lambda: self.archives() == [box + ".tar.part"])
        began = time.monotonic()
        self.assertEqual(self.server.api("POST", "/sandbox/%s/start" % box).json["state"], "started")
        self.assertLess(time.monotonic() - began, 5)
        self.assertEqual(self.server.execute(box, "sha256sum -c sum")["exitCode"], 0)
        self.assertEqual(self.archives(), [])

    def test_delete_gives_a_restore_up(self):
        box = self.stopped()
        self.archive(box)
        self.server.wait(box, "archived")
        self.hold("unlinkat")  # the first step of the restore: away with what an earlier one has left
        self.server.api("POST", "/sandbox/%s/start" % box)
        self.wait_until_held("unlinkat")
        self.assertEqual(self.server.api("DELETE", "/sandbox/" + box, timeout=10).status, 200)
        self.release("unlinkat")
        self.server.wait(box, 404)
        harness.until(lambda: not self.archives())  # an archived sandbox is gone for clients before its files are

    # ---- the end

    def test_end_during_a_stuck_archive(self):
        box = self.stopped("echo kept > f")
        self.hold("pread")
        self.archive(box)
        self.wait_until_held("pread")
        self.end(1)
        self.release("pread")
        self.server = self.serve()
        self.server.wait(box, "archived")
        self.assertEqual(self.archives(), [box + ".tar"])
        self.server.api("POST", "/sandbox/%s/start" % box)
        self.server.wait(box, "started")
        self.assertEqual(self.server.execute(box, "cat f")["result"], "kept\n")

    def test_end_during_archives_is_orderly(self):
        boxes = [self.stopped("head -c 20000000 /dev/zero > data; echo kept > f") for _ in range(3)]
        self.hold("pread.slow")
        for box in boxes:
            self.archive(box)
        harness.until(lambda: len(self.archives()) == 2)
        self.end(0)
        self.assertEqual(self.archives(), [])
        self.release("pread.slow")
        self.server = self.serve()
        for box in boxes:
            self.server.wait(box, "archived")
            self.server.api("POST", "/sandbox/%s/start" % box)
            self.server.wait(box, "started")
            self.assertEqual(self.server.execute(box, "cat f")["result"], "kept\n")

    def test_end_during_a_stuck_removal(self):
        box = self.stopped()
        self.hold("unlinkat")
        self.assertEqual(self.server.api("DELETE", "/sandbox/" + box).status, 200)
        self.wait_until_held("unlinkat")
        self.assertEqual(self.server.api("POST", "/volumes", {"name": "v"}, timeout=10).status, 200)
        self.end(1)
        self.release("unlinkat")
        self.server = self.serve()
        self.server.wait(box, 404)
        harness.until(lambda: os.listdir(self.state + "/sandboxes") + os.listdir(self.state + "/trash") == [])

    def test_end_during_a_stuck_journal(self):
        self.hold("fdatasync")
        client = self.server.connection()
        client.request("POST", "/api/volumes", b'{"name":"v"}', {"Authorization": "Bearer " + self.server.key})
        self.wait_until_held("fdatasync")
        self.end(1)
        client.close()
        self.release("fdatasync")
        self.server = self.serve()
        self.server.create(autoStopInterval=0)

    def test_end_during_a_stuck_boot(self):
        self.server.stop()
        bwrap = shutil.which("bwrap")
        with open(self.flags + "/bwrap", "w") as file:
            file.write('#!/bin/sh\n[ -e "%s/boot" ] && exec sleep 300\nexec %s "$@"\n' % (self.flags, bwrap))
        os.chmod(self.flags + "/bwrap", 0o755)
        os.chmod(self.flags, 0o755)
        self.env["PATH"] = self.flags + ":" + os.environ["PATH"]
        self.server = self.serve()
        self.hold("boot")
        client = self.server.connection()
        client.request("POST", "/api/sandbox", b"{}", {"Authorization": "Bearer " + self.server.key})
        harness.until(lambda: self.server.api("GET", "/sandbox").json["items"])
        self.end(0)
        client.close()
        self.release("boot")
        self.server = self.serve()
        box = self.server.api("GET", "/sandbox").json["items"][0]["id"]
        self.server.wait(box, "started")


class Holes(harness.Case):
    """Files of terabytes without a block: what a sandbox makes in a moment must not keep the server for hours."""

    def test_four_homes_full_of_nothing(self):
        boxes = [self.server.create(autoStopInterval=0)["id"] for _ in range(4)]
        probe = self.server.execute(boxes[0], "truncate -s 15T big && stat -c %s big")
        if probe["exitCode"] != 0:
            self.skipTest("the file system takes no file of 15 TiB")
        for box in boxes:
            self.server.execute(box, "truncate -s 15T big; printf end | dd of=big bs=1 seek=9999999999999 conv=notrunc status=none")
            self.server.api("POST", "/sandbox/%s/stop" % box)
        for box in boxes:
            self.server.wait(box, "stopped")
        for box in boxes:
            self.status(200, self.server.api("POST", "/sandbox/%s/archive" % box, timeout=10))
        self.status(200, self.server.api("POST", "/volumes", {"name": "v"}, timeout=10))
        for box in boxes:
            self.server.wait(box, "archived")
            self.assertLess(os.path.getsize("%s/archives/%s.tar" % (self.server.state, box)), 1 << 20)
        self.server.api("POST", "/sandbox/%s/start" % boxes[0])
        self.server.wait(boxes[0], "started")
        found = self.server.execute(boxes[0], "stat -c %s big; du -k big | cut -f1; tail -c +10000000000000 big | head -c 3")
        size, used, end = found["result"].split("\n")
        self.assertEqual((int(size), end), (15 << 40, "end"))
        self.assertLess(int(used), 1000)


if __name__ == "__main__":
    harness.main()
