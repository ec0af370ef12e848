# SPDX-License-Identifier: Apache-2.0
"""What sandboxes use: the latest numbers, their history, and where they are to be asked for."""
import time
import urllib.parse

import harness

NAMES = ["daytona.sandbox." + name for name in ("cpu.limit", "cpu.utilization", "filesystem.total", "filesystem.usage", "memory.cache",
                                                "memory.limit", "memory.usage")]
GIB = 1 << 30
BUSY = 5  # percent: on a loaded machine a loop gets no more


class Metrics(harness.Case):
    options = ("--metrics-interval", "1")

    def latest(self, box):
        return self.status(200, self.server.call("GET", "/toolbox/%s/system/metrics" % box)).json

    def history(self, box, query="", start="2000-01-01T00:00:00Z", end="2100-01-01T00:00:00Z"):
        path = "/sandbox/%s/telemetry/metrics?%s" % (box, urllib.parse.urlencode({"from": start, "to": end}) + query)
        return {s["metricName"]: s["dataPoints"] for s in self.status(200, self.server.api("GET", path)).json["series"]}

    def test_latest_is_the_sandbox_s_own(self):
        box = self.server.create()["id"]
        found = self.latest(box)
        self.assertEqual(sorted(found), ["cpuCount", "cpuUsedPct", "diskFree", "diskTotal", "diskUsed", "memCache", "memTotal", "memUsed",
                                         "timestamp", "timestampUnix"])
        self.assertEqual((found["cpuCount"], found["memTotal"]), (1, GIB))
        self.assertLess(found["memUsed"], GIB / 4)
        self.assertGreater(found["memUsed"], 0)
        self.assertGreater(found["diskTotal"], found["diskUsed"])

    def test_work_and_memory_show(self):
        box = self.server.create()["id"]
        idle = self.latest(box)
        self.status(201, self.server.call("POST", "/toolbox/%s/process/session" % box, {"sessionId": "s"}))
        hold = "python3 -c \"x = bytearray(b'x') * (200 << 20)\nwhile True: pass\""
        self.status(202, self.server.call("POST", "/toolbox/%s/process/session/s/exec" % box, {"command": hold, "runAsync": True}))
        busy = harness.until(lambda: (lambda m: m if m["cpuUsedPct"] > BUSY and m["memUsed"] > idle["memUsed"] + (150 << 20) else None)(self.latest(box)))
        self.assertLessEqual(busy["cpuUsedPct"], 100)
        harness.until(lambda: max(p["value"] for p in self.history(box)[NAMES[1]]) > BUSY)  # samples are a second apart
        self.server.call("DELETE", "/toolbox/%s/process/session/s" % box)
        harness.until(lambda: self.latest(box)["memUsed"] < busy["memUsed"] - (100 << 20))

    def test_history_grows_and_is_cut_to_what_was_asked_for(self):
        box = self.server.create()["id"]
        first = self.history(box)
        self.assertEqual(sorted(first), NAMES)
        self.assertEqual(first["daytona.sandbox.memory.limit"][0]["value"], GIB)
        self.assertEqual(first["daytona.sandbox.cpu.limit"][0]["value"], 1)
        points = harness.until(lambda: (lambda p: p if len(p) >= 5 else None)(self.history(box)[NAMES[6]]))
        stamps = [p["timestamp"] for p in points]
        self.assertEqual(stamps, sorted(set(stamps)))
        self.assertEqual([p["timestamp"] for p in self.history(box, start=stamps[1], end=stamps[1])[NAMES[6]]], [stamps[1]])
        self.assertEqual(self.history(box, end=stamps[0][:4] + "-01-01T00:00:00Z"), {})
        some = self.history(box, "&metricNames=daytona.sandbox.cpu.limit&metricNames=daytona.sandbox.memory.cache&metricNames=none")
        self.assertEqual(sorted(some), ["daytona.sandbox.cpu.limit", "daytona.sandbox.memory.cache"])
        # A sandbox that is stopped has its past, and nothing new.
        self.server.api("POST", "/sandbox/%s/stop" % box)
        self.server.wait(box, "stopped")
        before = self.history(box)
        time.sleep(1.2)
        self.assertEqual(self.history(box), before)
        self.status(400, self.server.call("GET", "/toolbox/%s/system/metrics" % box))

    def test_resized_limits_show_at_once(self):
        box = self.server.create()["id"]
        self.server.api("POST", "/sandbox/%s/resize" % box, {"cpu": 2, "memory": 2})
        self.server.wait(box, "started")
        found = self.latest(box)
        self.assertEqual((found["cpuCount"], found["memTotal"]), (2, 2 * GIB))

    def test_refusals(self):
        box = self.server.create(name="by-name")["id"]
        path = "/sandbox/%s/telemetry/metrics" % box
        for query in ("", "?from=2000-01-01", "?from=x&to=2000-01-01", "?from=2000-01-01&to=x"):
            self.status(400, self.server.api("GET", path + query))
        for name in ("by-name", "none"):
            self.status(404, self.server.api("GET", "/sandbox/%s/telemetry/metrics?from=2000-01-01&to=2001-01-01" % name))
        self.status(401, self.server.call("GET", "/toolbox/%s/system/metrics" % box, key=""))


class Elsewhere(harness.Case):
    options = ("--analytics-url", "http://127.0.0.1:9/analytics")

    def test_clients_are_sent_there(self):
        self.assertEqual(self.server.api("GET", "/config").json["analyticsApiUrl"], "http://127.0.0.1:9/analytics")
        box = self.server.create()["id"]
        self.status(403, self.server.api("GET", "/sandbox/%s/telemetry/metrics?from=2000-01-01&to=2001-01-01" % box))


if __name__ == "__main__":
    harness.main()
