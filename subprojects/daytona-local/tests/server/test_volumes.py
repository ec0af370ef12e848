# SPDX-License-Identifier: Apache-2.0
"""Volumes: names, states, what is in use, lists, and a restart."""
import os
import resource
import shutil
import signal
import tempfile
import urllib.parse

import harness

ABSENT = "00000000-0000-4000-8000-000000000000"


class Volumes(harness.Case):
    def make(self, name):
        return self.status(200, self.server.api("POST", "/volumes", {"name": name})).json

    def by_name(self, name):
        return self.server.api("GET", "/volumes/by-name/" + urllib.parse.quote(name, safe=""))

    def names(self, query=""):
        return [volume["name"] for volume in self.status(200, self.server.api("GET", "/volumes" + query)).json]

    def test_what_a_volume_is(self):
        made = self.make("is")
        self.assertEqual(sorted(made), ["createdAt", "errorReason", "id", "lastUsedAt", "name", "organizationId", "state", "updatedAt"])
        self.assertEqual((made["state"], made["errorReason"], made["lastUsedAt"]), ("pending_create", None, None))
        for answer in (self.server.api("GET", "/volumes/" + made["id"]), self.by_name("is")):
            self.assertEqual(self.status(200, answer).json, {**made, "state": "ready"})

    def test_names(self):
        for name in ("a b", "ü", "x/y", "100%", "n" * 1000):
            made = self.make(name)
            self.assertEqual(self.by_name(name).json["id"], made["id"])
            self.assertIn("already exists", self.status(400, self.server.api("POST", "/volumes", {"name": name})).json["message"])
        unnamed = self.make("")
        self.assertEqual(unnamed["name"], unnamed["id"])
        self.assertNotEqual(self.make("")["id"], unnamed["id"])
        for body in ({}, {"name": None}, {"name": 1}, {"name": "<b>"}, {"name": "a\0b"}):
            self.status(400, self.server.api("POST", "/volumes", body))
        self.status(404, self.by_name("unknown"))
        self.status(404, self.server.api("GET", "/volumes/" + ABSENT))
        self.status(404, self.server.api("DELETE", "/volumes/" + ABSENT))

    def test_deleted_ones(self):
        made = self.make("gone")
        path = os.path.join(self.server.state, "volumes", made["id"])
        with open(os.path.join(path, "file"), "w") as file:
            file.write("x")
        answer = self.status(200, self.server.api("DELETE", "/volumes/" + made["id"]))
        self.assertEqual(answer.body, b"")
        self.status(404, self.server.api("GET", "/volumes/" + made["id"]))
        self.status(404, self.server.api("DELETE", "/volumes/" + made["id"]))
        self.status(404, self.by_name("gone"))
        self.status(404, self.by_name("gone-deleted"))
        self.assertNotIn("gone", self.names())
        self.assertNotIn("gone-deleted", self.names("?includeDeleted=false"))
        listed = [v for v in self.server.api("GET", "/volumes?includeDeleted=true").json if v["id"] == made["id"]]
        self.assertEqual([(v["name"], v["state"]) for v in listed], [("gone-deleted", "deleted")])
        self.status(400, self.server.api("GET", "/volumes?includeDeleted=yes"))
        self.assertFalse(os.path.exists(path))
        again = self.make("gone")
        self.assertEqual(os.listdir(os.path.join(self.server.state, "volumes", again["id"])), [])
        self.status(404, self.server.api("POST", "/sandbox", {"volumes": [{"volumeId": made["id"], "mountPath": "/v"}]}))

    def test_in_use(self):
        volume = self.make("used")["id"]
        box = self.server.create(name="user", volumes=[{"volumeId": "used", "mountPath": "/v"}])
        self.assertEqual(box["volumes"], [{"volumeId": volume, "mountPath": "/v"}])
        used = self.server.api("GET", "/volumes/" + volume).json
        self.assertGreaterEqual(used["lastUsedAt"], used["createdAt"])
        self.assertEqual(used["updatedAt"], used["lastUsedAt"])
        self.status(409, self.server.api("DELETE", "/volumes/" + volume))
        self.status(200, self.server.api("POST", "/sandbox/user/stop"))
        self.server.wait("user", "stopped")
        self.status(409, self.server.api("DELETE", "/volumes/" + volume))
        self.status(200, self.server.api("DELETE", "/sandbox/user"))
        self.status(200, self.server.api("DELETE", "/volumes/" + volume))

    def test_order_of_a_list(self):
        made = [self.make("order-%d" % n)["name"] for n in range(4)]
        self.server.create(volumes=[{"volumeId": made[1], "mountPath": "/v"}])
        self.server.create(volumes=[{"volumeId": made[2], "mountPath": "/v"}])
        self.assertEqual([name for name in self.names() if name in made], [made[2], made[1], made[3], made[0]])

    def test_a_name_that_is_the_id_of_another(self):
        one = self.make("one")
        other = self.make(one["id"])
        answer = self.status(400, self.server.api("POST", "/sandbox", {"volumes": [{"volumeId": one["id"], "mountPath": "/v"}]}))
        self.assertIn("name of another", answer.json["message"])
        for wanted in ("one", other["id"]):
            self.server.create(volumes=[{"volumeId": wanted, "mountPath": "/v"}])

    def test_as_many_as_allowed(self):
        server = harness.Server("--max-volumes", "2")
        try:
            ids = [server.api("POST", "/volumes", {"name": "v%d" % n}).json["id"] for n in range(2)]
            self.assertIn("--max-volumes", self.status(400, server.api("POST", "/volumes", {"name": "v2"})).json["message"])
            self.status(200, server.api("DELETE", "/volumes/" + ids[0]))
            self.status(200, server.api("POST", "/volumes", {"name": "v2"}))
        finally:
            self.assertEqual(server.stop(), 0)

    def test_deleted_ones_are_forgotten_in_the_end(self):
        server = harness.Server()
        try:
            for number in range(105):
                volume = server.api("POST", "/volumes", {"name": "v%d" % number}).json["id"]
                self.status(200, server.api("DELETE", "/volumes/" + volume))
            left = {v["name"] for v in server.api("GET", "/volumes?includeDeleted=true").json}
            self.assertEqual(len(left), 100)
            self.assertIn("v104-deleted", left)
        finally:
            self.assertEqual(server.stop(), 0)

    def test_a_restart(self):
        state = tempfile.mkdtemp(prefix="dl-test-")
        self.addCleanup(shutil.rmtree, state)
        server = harness.Server(state=state)
        try:
            kept, gone = (server.api("POST", "/volumes", {"name": name}).json["id"] for name in ("kept", "gone"))
            with open(os.path.join(state, "volumes", kept, "file"), "w") as file:
                file.write("content")
            self.status(200, server.api("DELETE", "/volumes/" + gone))
            server.stop(signal.SIGKILL)
            server = harness.Server(state=state)
            self.assertEqual([(v["id"], v["state"]) for v in server.api("GET", "/volumes").json], [(kept, "ready")])
            deleted = [v["state"] for v in server.api("GET", "/volumes?includeDeleted=true").json if v["id"] == gone]
            self.assertEqual(deleted, ["deleted"])
            box = server.create(volumes=[{"volumeId": kept, "mountPath": "/v"}])["id"]
            self.assertEqual(server.execute(box, "cat /v/file")["result"], "content")
        finally:
            server.stop()

    def test_a_removal_that_cannot_be_written_as_done(self):
        """The files are gone by then, and so is the volume, whatever the journal says."""
        server = harness.Server()
        try:
            volume = server.api("POST", "/volumes", {"name": "v"}).json["id"]
            journal = os.path.join(server.state, "journal")
            before = os.path.getsize(journal)
            server.api("POST", "/volumes", {"name": "w"})
            record = os.path.getsize(journal) - before  # of about one record, which fits, and a second does not
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (before + 2 * record + 40, resource.RLIM_INFINITY))
            self.status(200, server.api("DELETE", "/volumes/" + volume))
            self.status(500, server.api("POST", "/volumes", {"name": "x"}))
            for _ in range(2):
                self.status(404, server.api("GET", "/volumes/" + volume))
                self.assertEqual([v["name"] for v in server.api("GET", "/volumes").json], ["w"])
                resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            self.status(200, server.api("POST", "/volumes", {"name": "v"}))
        finally:
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    harness.main()
