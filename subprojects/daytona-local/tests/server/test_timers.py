# SPDX-License-Identifier: Apache-2.0
"""What happens by itself, on a clock that tests move."""
import datetime
import os
import resource
import shutil
import tempfile
import time
import unittest

import harness


class Timers(harness.Case):
    def test_auto_stop_then_archive_then_delete(self):
        box = self.server.create(autoStopInterval=10, autoArchiveInterval=60, autoDeleteInterval=120)["id"]
        self.server.jump(9)
        self.assertEqual(self.server.state_of(box), "started")
        self.server.jump(2)
        self.server.wait(box, "stopped")
        self.server.jump(61)
        self.server.wait(box, "archived")
        self.server.jump(121)
        self.server.wait(box, 404)

    def test_activity_postpones(self):
        box = self.server.create(autoStopInterval=10)["id"]
        for _ in range(3):
            self.server.jump(6)
            self.server.execute(box, "true")
        self.assertEqual(self.server.state_of(box), "started")
        self.server.jump(6)
        self.server.api("POST", "/sandbox/%s/last-activity" % box)
        self.server.jump(6)
        self.assertEqual(self.server.state_of(box), "started")
        self.server.call("POST", "/toolbox/%s/process/execute" % box, {"command": "true"},
                         headers={"X-Daytona-Skip-Last-Activity-Update": "true"})
        self.server.jump(5)
        self.server.wait(box, "stopped")

    def test_zero_is_never(self):
        box = self.server.create(autoStopInterval=0)["id"]
        self.server.jump(100000)
        self.assertEqual(self.server.state_of(box), "started")

    def test_ephemeral_is_destroyed_by_auto_stop(self):
        box = self.server.create(autoStopInterval=5, autoDeleteInterval=0)["id"]
        self.server.jump(6)
        self.server.wait(box, 404)

    def test_end_of_life_whatever_the_state(self):
        running = self.server.create(ttlMinutes=30, autoStopInterval=0)["id"]
        stopped = self.server.create(autoStopInterval=0)["id"]
        self.server.api("POST", "/sandbox/%s/stop" % stopped)
        self.server.wait(stopped, "stopped")
        self.server.api("POST", "/sandbox/%s/ttl/30" % stopped)
        self.server.jump(31)
        self.server.wait(running, 404)
        self.server.wait(stopped, 404)

    def test_clock_refuses_nonsense(self):
        for bad in ({}, {"jump_ms": -1}, {"jump_ms": "x"}, {"speed": 0}, {"speed": 1e9}):
            self.status(400, self.server.call("POST", "/admin/clock", bad))
        clock = self.status(200, self.server.call("GET", "/admin/clock")).json
        self.assertEqual(clock["speed"], 1)


class JumpingMachine(unittest.TestCase):
    """The clock of the machine is set; see stuck.c."""

    HOUR = 3600

    def setUp(self):
        self.flags = tempfile.mkdtemp(prefix="dl-test-")
        self.state = tempfile.mkdtemp(prefix="dl-test-")
        self.server = self.serve()

    def tearDown(self):
        code = self.server.stop()
        shutil.rmtree(self.flags)
        shutil.rmtree(self.state)
        self.assertEqual(code, 0)

    def serve(self, *options):
        env = dict(os.environ, LD_PRELOAD=os.environ["DL_STUCK_LIBRARY"], DL_STUCK=self.flags)
        env["ASAN_OPTIONS"] = "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")
        return harness.Server(*harness.SSH, *options, state=self.state, env=env)

    def set(self, seconds):
        with open(self.flags + "/new", "w") as file:
            file.write(str(seconds))
        os.rename(self.flags + "/new", self.flags + "/seconds")
        self.ahead = seconds

    def assertNow(self, text, more=0):
        shown = datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
        self.assertAlmostEqual(shown, time.time() + self.ahead + more, delta=30)

    def test_nothing_ends_by_a_jump_forward(self):
        box = self.server.create(autoStopInterval=15, ttlMinutes=60)["id"]
        stopped = self.server.create(autoDeleteInterval=30)["id"]
        self.server.api("POST", "/sandbox/%s/stop" % stopped)
        self.server.wait(stopped, "stopped")
        token = self.server.api("GET", "/sandbox/%s/ports/80/signed-preview-url?expiresInSeconds=600" % box).json["token"]
        ssh = self.server.api("POST", "/sandbox/%s/ssh-access" % box).json["token"]
        for _ in range(2):
            self.set(2 * self.HOUR)
            other = self.server.create(autoStopInterval=0)  # looks at what is due
            self.assertEqual((self.server.state_of(box), self.server.state_of(stopped)), ("started", "stopped"))
            self.assertEqual(self.server.call("GET", "/", host="80-%s.localhost:1" % token, key="").status, 502)
            self.assertTrue(self.server.api("GET", "/sandbox/ssh-access/validate?token=" + ssh).json["valid"])
            # What is shown is the machine's time, of what was before the jump too.
            found = self.server.api("GET", "/sandbox/" + box).json
            self.assertNow(other["createdAt"])
            self.assertNow(found["createdAt"])
            self.assertNow(found["autoDestroyAt"], self.HOUR)
            self.assertNow(self.server.api("POST", "/volumes", {"name": other["id"]}).json["createdAt"])
            self.assertNow(self.server.api("GET", "/sandbox/nothing").json["timestamp"])
            # And so is what the next server begins with.
            self.server.stop()
            self.server = self.serve()
            self.server.wait(box, "started")
        self.server.jump(61)
        self.server.wait(box, 404)

    def test_a_jump_back_puts_nothing_off(self):
        self.server.stop()
        self.server = self.serve("--clock-speed", "600")
        box = self.server.create(autoStopInterval=10)["id"]
        self.set(-self.HOUR)
        self.server.wait(box, "stopped", limit=10)

    def test_a_setting_that_is_taken_back_keeps_its_time(self):
        box = self.server.create(autoStopInterval=0, ttlMinutes=60)["id"]
        self.set(2 * self.HOUR)
        self.server.api("PUT", "/sandbox/%s/labels" % box, {"labels": {"a": "b"}})
        size = os.path.getsize(self.state + "/journal")
        resource.prlimit(self.server.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        self.assertEqual(self.server.api("POST", "/sandbox/%s/ttl/5" % box).status, 500)
        resource.prlimit(self.server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        self.assertNow(self.server.api("GET", "/sandbox/" + box).json["autoDestroyAt"], self.HOUR)
        self.server.jump(50)
        self.assertEqual(self.server.state_of(box), "started")
        self.server.jump(11)
        self.server.wait(box, 404)


class FastClock(harness.Case):
    options = ("--clock-speed", "600")

    def test_minutes_pass_in_tenths_of_seconds(self):
        box = self.server.create(autoStopInterval=10)["id"]
        self.server.wait(box, "stopped", limit=10)


if __name__ == "__main__":
    harness.main()
