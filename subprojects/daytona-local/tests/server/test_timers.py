# SPDX-License-Identifier: Apache-2.0
"""What happens by itself, on a clock that tests move."""
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


class FastClock(harness.Case):
    options = ("--clock-speed", "600")

    def test_minutes_pass_in_tenths_of_seconds(self):
        box = self.server.create(autoStopInterval=10)["id"]
        self.server.wait(box, "stopped", limit=10)


if __name__ == "__main__":
    harness.main()
