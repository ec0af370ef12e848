# SPDX-License-Identifier: Apache-2.0
"""Secrets: their calls, and who sees the values: the sandbox that has them and nobody else."""
import os
import resource
import stat
import tempfile
import unittest

import harness

VALUE = "v4lue-that-nobody-else-sees-%s"


def journals(state):
    """The bytes of every file of the state directory but those of sandboxes."""
    found = b""
    for folder, _, names in os.walk(state):
        if "/sandboxes" not in folder and "/images" not in folder:
            for name in names:
                path = os.path.join(folder, name)
                if stat.S_ISREG(os.lstat(path).st_mode):
                    with open(path, "rb") as file:
                        found += file.read()
    return found


class Secrets(harness.Case):
    def make(self, name, value=None, **more):
        return self.status(201, self.server.api("POST", "/secret", {"name": name, "value": value or VALUE % name, **more})).json

    def test_life_of_one(self):
        made = self.make("life", description="of a test", hosts=["example.com", "*.example.org"])
        self.assertEqual(sorted(made), ["createdAt", "description", "hosts", "id", "name", "placeholder", "updatedAt"])
        self.assertRegex(made["placeholder"], "^dtn_secret_[0-9a-f]{16}$")
        self.assertEqual(self.status(200, self.server.api("GET", "/secret/" + made["id"])).json, made)
        changed = self.status(200, self.server.api("PATCH", "/secret/" + made["id"], {"description": "other", "hosts": []})).json
        self.assertEqual((changed["description"], changed["hosts"], changed["name"]), ("other", [], "life"))
        self.assertEqual(self.status(204, self.server.api("DELETE", "/secret/" + made["id"])).body, b"")
        for method, body in (("GET", None), ("PATCH", {"value": "x"}), ("DELETE", None)):
            self.status(404, self.server.api(method, "/secret/" + made["id"], body))

    def test_rules(self):
        self.make("taken")
        self.status(409, self.server.api("POST", "/secret", {"name": "taken", "value": "x"}))
        good = {"name": "good", "value": "x"}
        for wrong in ({"name": None}, {"name": ""}, {"name": "1a"}, {"name": "a b"}, {"name": "x" * 256}, {"name": 1}, {"value": None},
                      {"value": ""}, {"value": 1}, {"value": "a\0b"}, {"value": "x" * 70000}, {"description": 1}, {"hosts": "a.com"},
                      {"hosts": [1]}, {"hosts": ["http://a.com"]}, {"hosts": ["a.com:80"]}, {"hosts": ["a,b.com"]}, {"hosts": [""]},
                      {"hosts": ["*"]}, {"hosts": ["a.com"] * 101}):
            with self.subTest(wrong=wrong):
                self.status(400, self.server.api("POST", "/secret", {**good, **wrong}))

    def test_list_has_pages(self):
        for i in range(5):
            self.make("page_%d" % i)
        seen, cursor = [], ""
        while True:
            page = self.status(200, self.server.api("GET", "/secret/paginated?limit=2&name=PAGE_&sort=name&order=asc&cursor=" + cursor)).json
            self.assertEqual(page["total"], 5)
            seen += [item["name"] for item in page["items"]]
            if page["nextCursor"] is None:
                break
            cursor = page["nextCursor"].replace("+", "%2B").replace("=", "%3D")
        self.assertEqual(seen, ["page_%d" % i for i in range(5)])
        newest = self.server.api("GET", "/secret/paginated?name=page_").json["items"]
        self.assertEqual(len(newest), 5)
        self.assertIn("page_3", [item["name"] for item in self.server.api("GET", "/secret").json])
        for bad in ("limit=0", "limit=201", "sort=value", "order=up", "cursor=!!"):
            self.status(400, self.server.api("GET", "/secret/paginated?" + bad))

    def test_sandbox_has_the_value_and_no_answer_has_it(self):
        made = self.make("mine")
        box = self.server.create(secrets=[{"TOKEN": "mine"}], env={"OTHER": "o", "TOKEN": "of-env"})
        self.assertEqual(self.server.execute(box["id"], "echo $TOKEN-$OTHER")["result"], VALUE % "mine" + "-o\n")
        self.assertEqual(box["env"], {"OTHER": "o", "TOKEN": "of-env"})
        for path in ("/api/sandbox/" + box["id"], "/api/sandbox", "/api/sandbox/paginated", "/api/secret", "/api/secret/paginated",
                     "/api/secret/" + made["id"], "/admin/info", "/api/sandbox/%s/secrets" % box["id"]):
            self.assertNotIn((VALUE % "mine").encode(), self.server.call("GET", path).body, path)
        self.assertNotIn(VALUE % "mine", "\n".join(self.server.lines))

    def test_attach_and_detach_while_it_runs(self):
        self.make("first")
        self.make("second", "line one\nline two")
        box = self.server.create(env={"BOTH": "own"})["id"]
        path = "/sandbox/%s/secrets" % box
        show = "echo \"$A|$B|$BOTH\""
        self.status(200, self.server.api("PUT", path, {"secrets": [{"A": "first"}, {"BOTH": "first"}]}))
        self.assertEqual(self.server.execute(box, show)["result"], "%s||%s\n" % (VALUE % "first", VALUE % "first"))
        answer = self.status(200, self.server.api("PUT", path, {"secrets": [{"B": "second"}]}))
        self.assertEqual(answer.json["id"], box)
        self.assertNotIn(b"line one", answer.body)
        self.assertEqual(self.server.execute(box, show)["result"], "|line one\nline two|own\n")
        self.status(200, self.server.api("PUT", path, {"secrets": []}))
        self.assertEqual(self.server.execute(box, show)["result"], "||own\n")
        self.assertEqual(self.server.execute(box, "test -v B || echo unset")["result"], "unset\n")

    def test_a_new_value_and_a_removal_reach_what_is_started_then(self):
        made = self.make("moving")
        boxes = [self.server.create(secrets=[{"M": "moving"}])["id"] for _ in range(2)]
        stopped = self.server.create(secrets=[{"M": "moving"}])["id"]
        self.server.api("POST", "/sandbox/%s/stop" % stopped)
        self.server.wait(stopped, "stopped")
        self.status(200, self.server.api("PATCH", "/secret/" + made["id"], {"value": "moved"}))
        for box in boxes:
            harness.until(lambda box=box: self.server.execute(box, "echo $M")["result"] == "moved\n")
        self.server.api("POST", "/sandbox/%s/start" % stopped)
        self.assertEqual(self.server.execute(stopped, "echo $M")["result"], "moved\n")
        self.status(204, self.server.api("DELETE", "/secret/" + made["id"]))
        # Another one of that name is not what was attached.
        self.make("moving", "somebody else's")
        for box in boxes:
            harness.until(lambda box=box: self.server.execute(box, "echo $M")["result"] == "\n")
        self.server.api("POST", "/sandbox/%s/stop" % stopped)
        self.server.wait(stopped, "stopped")
        self.server.api("POST", "/sandbox/%s/start" % stopped)
        self.assertEqual(self.server.execute(stopped, "echo $M")["result"], "\n")

    def test_what_cannot_be_attached(self):
        self.make("plain")
        self.make("with_hosts", hosts=["example.com"])
        box = self.server.create()["id"]
        for status, secrets in ((404, [{"A": "none"}]), (400, {"A": "plain"}), (400, ["plain"]), (400, [{"A": "plain", "B": "plain"}]), (400, [{}]),
                                (400, [{"A": 1}]), (400, [{"A=B": "plain"}]), (400, [{"A": "plain"}, {"A": "plain"}]), (400, [{"A": "plain"}] * 65)):
            with self.subTest(secrets=secrets):
                self.status(status, self.server.api("POST", "/sandbox", {"secrets": secrets}))
                self.status(status, self.server.api("PUT", "/sandbox/%s/secrets" % box, {"secrets": secrets}))
        self.status(400, self.server.api("PUT", "/sandbox/%s/secrets" % box, {}))
        self.status(404, self.server.api("PUT", "/sandbox/none/secrets", {"secrets": []}))
        self.assertEqual(self.server.execute(box, "echo \"$A\"")["result"], "\n")
        self.assertEqual(self.server.state_of(box), "started")

    def test_hosts_of_a_secret_that_sandboxes_have_stay(self):
        """What they do to the network of a sandbox is in test_network.py."""
        free = self.make("free")
        box = self.server.create(secrets=[{"A": "free"}])["id"]
        answer = self.server.api("PATCH", "/secret/" + free["id"], {"hosts": ["example.com"]})
        self.assertIn("detach it", self.status(409, answer).json["message"])
        self.status(200, self.server.api("PATCH", "/secret/" + free["id"], {"hosts": [], "description": "the same hosts"}))
        self.status(200, self.server.api("PUT", "/sandbox/%s/secrets" % box, {"secrets": []}))
        self.status(200, self.server.api("PATCH", "/secret/" + free["id"], {"hosts": ["example.com"]}))

    def test_values_together_have_a_limit(self):
        for i in range(17):
            self.make("large_%d" % i, "x" * 65000)
        answer = self.server.api("POST", "/sandbox", {"secrets": [{"L%d" % i: "large_%d" % i} for i in range(17)]})
        self.assertIn("together", self.status(400, answer).json["message"])
        box = self.server.create(secrets=[{"L%d" % i: "large_%d" % i} for i in range(16)])["id"]
        self.assertEqual(self.server.execute(box, "echo ${#L15}")["result"], "65000\n")

    def test_a_key_needs_the_permission(self):
        with tempfile.NamedTemporaryFile("w") as keys:
            keys.write("few write:sandboxes\n")
            keys.flush()
            server = harness.Server("--key-file", keys.name)
            try:
                self.status(403, server.api("GET", "/secret/paginated", key="few"))
                self.status(403, server.api("POST", "/secret", {"name": "a", "value": "b"}, key="few"))
            finally:
                server.stop()


class OnDisk(unittest.TestCase):
    def test_values_are_the_server_user_s_alone_and_go_for_good(self):
        with tempfile.TemporaryDirectory() as state:
            log = open(os.path.join(state, "log"), "w+b")
            server = harness.Server("--log", "debug", "--log-requests", state=os.path.join(state, "s"), log=log)
            first = server.api("POST", "/secret", {"name": "a", "value": VALUE % "first"}).json
            second = server.api("POST", "/secret", {"name": "b", "value": VALUE % "second"}).json
            box = server.create(secrets=[{"A": "a"}, {"B": "b"}])["id"]
            self.assertIn(VALUE % "second", server.execute(box, "echo $B")["result"])
            self.assertEqual(stat.S_IMODE(os.stat(server.state + "/journal").st_mode), 0o600)
            self.assertEqual(stat.S_IMODE(os.stat(server.state).st_mode), 0o700)
            server.api("PATCH", "/secret/" + first["id"], {"value": VALUE % "third"})
            server.api("DELETE", "/secret/" + second["id"])
            kept = journals(server.state)
            self.assertIn((VALUE % "third").encode(), kept)
            self.assertNotIn((VALUE % "first").encode(), kept)
            self.assertNotIn((VALUE % "second").encode(), kept)
            self.assertEqual(server.stop(), 0)
            log.seek(0)
            self.assertNotIn((VALUE % "").encode(), log.read())
            server = harness.Server(state=server.state, log=log)
            server.wait(box, "started")
            self.assertEqual(server.execute(box, "echo $A-$B")["result"], VALUE % "third" + "-\n")
            self.assertEqual(server.stop(), 0)

    def test_what_cannot_be_written_changes_nothing(self):
        server = harness.Server()
        try:
            made = server.api("POST", "/secret", {"name": "a", "value": "old"}).json
            box = server.create(secrets=[{"A": "a"}])["id"]
            size = os.path.getsize(server.state + "/journal")
            limit = lambda soft: resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))
            limit(100)
            self.assertEqual(server.api("PATCH", "/secret/" + made["id"], {"value": "new"}).status, 500)
            self.assertEqual(server.api("DELETE", "/secret/" + made["id"]).status, 500)
            self.assertEqual(server.api("PUT", "/sandbox/%s/secrets" % box, {"secrets": []}).status, 500)
            self.assertEqual(server.api("POST", "/secret", {"name": "b", "value": "x"}).status, 500)
            limit(resource.RLIM_INFINITY)
            self.assertEqual([s["name"] for s in server.api("GET", "/secret").json], ["a"])
            self.assertEqual(server.execute(box, "echo $A")["result"], "old\n")
            self.assertEqual(server.api("PATCH", "/secret/" + made["id"], {"value": "new"}).status, 200)
            harness.until(lambda: server.execute(box, "echo $A")["result"] == "new\n")
        finally:
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    harness.main()
