# SPDX-License-Identifier: Apache-2.0
"""Warm pools: their calls, what fills them, and who gets what is in them."""
import os
import resource
import shutil
import signal
import tempfile
import time
import unittest
import uuid

import harness

DEFAULT = "daytona-local/default:1.0"
VM = "daytona-local/vm:1.0"


class Pools(harness.Case):
    def setUp(self):
        for pool in self.server.api("GET", "/warm-pools").json:
            self.server.api("DELETE", "/warm-pools/" + pool["id"])
        harness.until(lambda: not self.members())

    def members(self):
        return [s for s in self.server.api("GET", "/sandbox?includeWarm=true").json["items"] if s["warmPoolId"]]

    def make(self, size, snapshot=DEFAULT, **more):
        pool = self.status(201, self.server.api("POST", "/warm-pools", {"snapshot": snapshot, "pool": size, **more})).json
        return pool["id"]

    def pool(self, id):
        return [p for p in self.status(200, self.server.api("GET", "/warm-pools")).json if p["id"] == id][0]

    def full(self, id, size):
        harness.until(lambda: self.pool(id)["currentSize"] == size and len([m for m in self.members() if m["warmPoolId"] == id]) == size)

    def test_life_of_one(self):
        made = self.status(201, self.server.api("POST", "/warm-pools", {"snapshot": DEFAULT, "pool": 2})).json
        self.assertEqual(sorted(made), ["cpu", "createdAt", "currentSize", "disk", "env", "errorReason", "id", "mem", "organizationId", "osUser",
                                        "pool", "snapshot", "target", "updatedAt"])
        self.assertEqual((made["snapshot"], made["pool"], made["target"], made["osUser"], made["env"], made["errorReason"], made["mem"]),
                         (DEFAULT, 2, "local", "daytona", {}, None, 1))
        self.full(made["id"], 2)
        self.assertEqual(self.status(200, self.server.api("PATCH", "/warm-pools/" + made["id"], {"pool": 1})).json["pool"], 1)
        self.full(made["id"], 1)
        self.status(200, self.server.api("PATCH", "/warm-pools/" + made["id"], {"pool": 0}))
        self.full(made["id"], 0)
        self.assertEqual(self.status(204, self.server.api("DELETE", "/warm-pools/" + made["id"])).body, b"")
        for method, body in (("PATCH", {"pool": 1}), ("DELETE", None)):
            self.status(404, self.server.api(method, "/warm-pools/" + made["id"], body))

    def test_rules(self):
        self.make(1)
        self.status(409, self.server.api("POST", "/warm-pools", {"snapshot": DEFAULT, "pool": 1}))
        pool = self.make(1, VM)
        for status, body in ((400, {}), (400, {"snapshot": DEFAULT}), (400, {"pool": 1}), (400, {"snapshot": DEFAULT, "pool": 0}),
                             (400, {"snapshot": DEFAULT, "pool": 1.5}), (400, {"snapshot": DEFAULT, "pool": "1"}), (400, {"snapshot": 1, "pool": 1}),
                             (400, {"snapshot": DEFAULT, "pool": 101}), (404, {"snapshot": "none", "pool": 1}),
                             (404, {"snapshot": DEFAULT, "pool": 1, "target": "moon"}), (400, {"snapshot": DEFAULT, "pool": 1, "target": 1})):
            with self.subTest(body=body):
                self.status(status, self.server.api("POST", "/warm-pools", body))
        for body in ({}, {"pool": -1}, {"pool": None}, {"pool": 101}):
            self.status(400, self.server.api("PATCH", "/warm-pools/" + pool, body))

    def test_a_create_takes_one_and_another_comes(self):
        pool = self.make(2)
        self.full(pool, 2)
        before = {m["id"] for m in self.members()}
        name = "taken-" + uuid.uuid4().hex
        box = self.server.create(name=name, labels={"a": "b"}, public=True, autoStopInterval=7, ttlMinutes=60)
        self.assertIn(box["id"], before)
        self.assertEqual((box["name"], box["labels"], box["public"], box["autoStopInterval"], box["state"], box["warmPoolId"]),
                         (name, {"a": "b"}, True, 7, "started", None))
        self.assertEqual(self.server.api("GET", "/sandbox/" + name).json["id"], box["id"])
        self.assertEqual(self.server.execute(box["id"], "echo $DAYTONA_SANDBOX_ID; hostname; ls")["result"], "%s\n%s\n" % (box["id"], box["id"]))
        self.full(pool, 2)
        after = {m["id"] for m in self.members()}
        self.assertNotIn(box["id"], after)
        # It is an ordinary one from then on.
        self.server.jump(8)
        self.server.wait(box["id"], "stopped")
        self.full(pool, 2)

    def test_none_is_handed_out_twice(self):
        pool = self.make(3)
        self.full(pool, 3)
        made = [self.server.create()["id"] for _ in range(8)]
        self.assertEqual(len(set(made)), 8)
        self.assertTrue({m["id"] for m in self.members()}.isdisjoint(made))
        for box in made:
            self.assertEqual(self.server.execute(box, "echo $DAYTONA_SANDBOX_ID")["result"], box + "\n")
            self.status(200, self.server.api("DELETE", "/sandbox/" + box))

    def test_other_creates_do_not_take_one(self):
        pool = self.make(1)
        self.full(pool, 1)
        ready = {m["id"] for m in self.members()}
        self.status(201, self.server.api("POST", "/secret", {"name": "pooled", "value": "x"}))
        for fields in ({"env": {"A": "b"}}, {"secrets": [{"S": "pooled"}]}, {"networkBlockAll": True}, {"snapshot": VM}):
            self.assertNotIn(self.server.create(**fields)["id"], ready, fields)
        self.assertEqual({m["id"] for m in self.members()}, ready)

    def test_nobody_gets_into_one_that_waits(self):
        pool = self.make(1)
        self.full(pool, 1)
        member = self.members()[0]["id"]
        self.assertEqual(self.server.api("GET", "/sandbox/" + member).json["warmPoolId"], pool)
        self.assertNotIn(member, [s["id"] for s in self.server.api("GET", "/sandbox").json["items"]])
        self.status(400, self.server.call("POST", "/toolbox/%s/process/execute" % member, {"command": "true"}))
        self.status(400, self.server.call("GET", "/", host="80-%s.localhost:1" % member))
        for method, path in (("POST", "/stop"), ("PUT", "/labels"), ("POST", "/ssh-access"), ("GET", "/signing-key"), ("GET", "/ports/80/preview-url")):
            self.status(409, self.server.api(method, "/sandbox/%s%s" % (member, path), {"labels": {}}))
        # Deleted or ended, it is replaced.
        self.status(200, self.server.api("DELETE", "/sandbox/" + member))
        harness.until(lambda: self.pool(pool)["currentSize"] == 1 and member not in {m["id"] for m in self.members()})
        self.server.jump(100000)
        self.assertEqual(self.pool(pool)["currentSize"], 1)

    def test_a_snapshot_that_is_gone_is_the_pool_s_problem(self):
        box = self.server.create()["id"]
        self.server.execute(box, "echo warm > file")
        self.status(200, self.server.api("POST", "/sandbox/%s/snapshot" % box, {"name": "pooled:1"}))
        self.server.wait(box, "started")
        pool = self.make(1, "pooled:1")
        self.full(pool, 1)
        taken = self.server.create(snapshot="pooled:1")["id"]
        self.assertEqual(self.server.execute(taken, "cat file")["result"], "warm\n")
        self.full(pool, 1)
        self.status(200, self.server.api("DELETE", "/snapshots/" + self.server.api("GET", "/snapshots/pooled:1").json["id"]))
        for member in self.members():
            self.server.api("DELETE", "/sandbox/" + member["id"])
        harness.until(lambda: self.pool(pool)["errorReason"] == "its snapshot is gone")


    def test_one_that_cannot_be_filled_tries_more_and_more_seldom(self):
        box = self.server.create()["id"]
        self.status(200, self.server.api("POST", "/sandbox/%s/snapshot" % box, {"name": "broken:1"}))
        self.server.wait(box, "started")
        made = self.server.api("GET", "/snapshots/broken:1").json["id"]
        pool = self.make(2, "broken:1")
        self.full(pool, 2)
        with open("%s/snapshots/%s.tar" % (self.server.state, made), "r+b") as file:
            file.truncate(100)  # it is there, and no sandbox can be made of it
        self.status(200, self.server.api("DELETE", "/sandbox/" + self.members()[0]["id"]))
        harness.until(lambda: "archive" in (self.pool(pool)["errorReason"] or ""))
        time.sleep(3)
        # After 1, 2, 4 seconds: the one that is ready does not make it try all the time.
        tries = [line for line in self.server.lines if "warm pool " + pool in line]
        self.assertTrue(1 <= len(tries) <= 3, tries)
        self.assertEqual(self.pool(pool)["currentSize"], 1)


class Restarts(unittest.TestCase):
    def test_members_and_claims_outlive_the_server(self):
        state = tempfile.mkdtemp(prefix="dl-test-")
        server = harness.Server(state=state)
        try:
            pool = server.api("POST", "/warm-pools", {"snapshot": DEFAULT, "pool": 2}).json["id"]
            size = lambda: server.api("GET", "/warm-pools").json[0]["currentSize"]
            harness.until(lambda: size() == 2)
            box = server.create(name="mine", labels={"a": "b"})["id"]
            server.execute(box, "echo kept > file")
            server.stop(signal.SIGKILL)
            server = harness.Server(state=state)
            server.wait("mine", "started")
            self.assertEqual(server.execute(box, "cat file")["result"], "kept\n")
            self.assertEqual(server.api("GET", "/sandbox/mine").json["labels"], {"a": "b"})
            harness.until(lambda: size() == 2)
            self.assertEqual(server.api("GET", "/warm-pools").json[0]["id"], pool)
        finally:
            self.assertEqual(server.stop(), 0)
            shutil.rmtree(state)

    def test_a_claim_that_cannot_be_written_is_none(self):
        server = harness.Server()
        limit = lambda soft: resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))
        try:
            server.api("POST", "/warm-pools", {"snapshot": DEFAULT, "pool": 1})
            harness.until(lambda: server.api("GET", "/warm-pools").json[0]["currentSize"] == 1)
            limit(os.path.getsize(server.state + "/journal"))
            self.assertEqual(server.api("POST", "/sandbox", {"name": "unwritten"}).status, 500)
            limit(resource.RLIM_INFINITY)
            self.assertEqual(server.state_of("unwritten"), 404)
            self.assertEqual(server.api("GET", "/sandbox").json["items"], [])
            harness.until(lambda: server.api("GET", "/warm-pools").json[0]["currentSize"] == 1)
            self.assertEqual(server.create(name="unwritten")["state"], "started")
        finally:
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    harness.main()
