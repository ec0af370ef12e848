# SPDX-License-Identifier: Apache-2.0
"""Snapshots from images and builds, with a real registry and the real buildah: states, rules, logs, restarts and kills."""
import http.client
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse
import uuid

import harness
from image_fixtures import Registry, busybox_layer, missing

registry = None


def setUpModule():
    global registry
    if missing():
        raise unittest.SkipTest(missing())
    registry = Registry()
    registry.push("busybox", "1.36", busybox_layer(), Entrypoint=["/bin/sh", "-c", "sleep 1000"])
    registry.push("plain", "1", busybox_layer([("etc/plain", b"yes\n")]))


def tearDownModule():
    if registry:
        registry.close()


def unique(prefix="s"):
    return "%s-%s" % (prefix, uuid.uuid4().hex[:8])


def dockerfile(*lines):
    return "".join(line + "\n" for line in ("FROM %s/plain:1" % registry.name, *lines))


class Images(harness.Case):
    """A server that knows the registry."""

    @classmethod
    def setUpClass(cls):
        cls.options = registry.options()
        super().setUpClass()

    def make(self, **fields):
        fields.setdefault("name", unique())
        return self.status(200, self.server.api("POST", "/snapshots", fields)).json

    def image(self, **fields):
        return self.make(imageName="%s/busybox:1.36" % registry.name, **fields)

    def build(self, *lines, **fields):
        return self.make(buildInfo={"dockerfileContent": dockerfile(*lines)}, **fields)

    def get(self, snapshot):
        return self.server.api("GET", "/snapshots/" + snapshot["id"])

    def wait(self, snapshot, *states, limit=60):
        found = []

        def is_there():
            answer = self.get(snapshot)
            found.append(answer.json["state"] if answer.status == 200 else answer.status)
            return found[-1] in states

        try:
            harness.until(is_there, limit)
        except AssertionError:
            self.fail("%s is %s, not %s: %s" % (snapshot["name"], found[-1], states, self.get(snapshot).body))
        return self.get(snapshot).json if found[-1] != 404 else None

    def fails(self, status, message, **fields):
        fields.setdefault("name", unique())
        answer = self.status(status, self.server.api("POST", "/snapshots", fields))
        self.assertIn(message, answer.json["message"])
        self.assertEqual(answer.json["statusCode"], status)

    def log_path(self, noun, id):
        """Where the log of a build is: a path of the proxy."""
        called = {"sandboxes": "sandbox"}.get(noun, noun)
        answer = self.status(200, self.server.api("GET", "/%s/%s/build-logs-url" % (called, id)))
        url = urllib.parse.urlsplit(answer.json["url"])
        self.assertEqual(url.query, "")
        return url.path

    def log(self, noun, id, query="?follow=true"):
        answer = self.status(200, self.server.call("GET", self.log_path(noun, id) + query))
        self.assertEqual(answer.headers["Content-Type"], "application/octet-stream")
        return answer.body.decode()


class Pulls(Images):
    def test_an_image_becomes_active_with_its_size_and_entrypoint(self):
        made = self.image()
        self.assertEqual((made["state"], made["size"], made["entrypoint"]), ("pending", None, None))
        found = self.wait(made, "active")
        self.assertEqual(found["entrypoint"], ["/bin/sh", "-c", "sleep 1000"])
        self.assertGreater(found["size"], 0.0005)
        self.assertLess(found["size"], 0.01)
        self.assertIn("@sha256:", found["ref"])
        self.assertNotIn("image", found)
        for key in ("errorReason", "lastUsedAt", "sourceSandboxId"):
            self.assertIn(key, found)
            self.assertIsNone(found[key])
        self.assertEqual([found[key] for key in ("cpu", "gpu", "mem", "disk")], [1, 0, 1, 3])
        self.assertFalse(found["general"])
        by_name = self.server.api("GET", "/snapshots/" + urllib.parse.quote(found["name"], safe=""))
        self.assertEqual(by_name.json, found)

    def test_states_on_the_way(self):
        self.server.fault(match={"target": "pull"}, action="delay", delay_ms=700)
        made = self.image()
        self.wait(made, "pulling")
        self.wait(made, "active")

    def test_the_entrypoint_that_is_asked_for(self):
        made = self.image(entrypoint=["sleep", "  ", "77"], cpu=2, memory=4, disk=8)
        found = self.wait(made, "active")
        self.assertEqual(found["entrypoint"], ["sleep", "77"])
        self.assertEqual([found[key] for key in ("cpu", "mem", "disk")], [2, 4, 8])
        for key in ("cpu", "mem", "disk"):
            self.assertIsInstance(found[key], int)

    def test_unknown_images_are_errors_with_a_reason(self):
        for name in ("%s/nobody:1" % registry.name, "%s/busybox:0.0" % registry.name, "127.0.0.1:1/x:1"):
            found = self.wait(self.make(imageName=name), "error")
            self.assertTrue(found["errorReason"], found)
            self.assertIsNone(found["size"])

    def test_a_sandbox_runs_on_it(self):
        made = self.wait(self.image(), "active")
        sandbox = self.server.create(snapshot=made["name"])
        self.assertEqual((sandbox["state"], sandbox["snapshot"]), ("started", made["name"]))
        self.assertEqual(self.server.execute(sandbox["id"], "busybox | head -c 7")["result"].strip(), "BusyBox")
        used = self.get(made).json["lastUsedAt"]
        self.assertIsNotNone(used)
        by_id = self.server.create(snapshot=made["id"])
        self.assertEqual(by_id["snapshot"], made["name"])
        # The snapshot goes, the sandboxes stay, over a stop as well.
        self.status(200, self.server.api("DELETE", "/snapshots/" + made["id"]))
        self.wait(made, 404)
        self.server.execute(sandbox["id"], "echo kept > /root/note")
        self.status(200, self.server.api("POST", "/sandbox/%s/stop" % sandbox["id"]))
        self.server.wait(sandbox["id"], "stopped")
        self.status(200, self.server.api("POST", "/sandbox/%s/start" % sandbox["id"]))
        self.assertEqual(self.server.execute(sandbox["id"], "cat /root/note")["result"].strip(), "kept")
        for one in (sandbox, by_id):
            self.status(200, self.server.api("DELETE", "/sandbox/" + one["id"]))


class Rules(Images):
    def test_what_is_refused(self):
        image = "%s/busybox:1.36" % registry.name
        build = {"dockerfileContent": dockerfile()}
        for message, fields in (
                ("name", {"name": "no good", "imageName": image}), ("name", {"name": "", "imageName": image}),
                ("name", {"name": 5, "imageName": image}), ("name", {"name": "<b>", "imageName": image}),
                ("imageName or buildInfo", {}), ("imageName or buildInfo", {"imageName": ""}),
                ("tag", {"imageName": "busybox"}), ("latest", {"imageName": "busybox:latest"}),
                ("imageName", {"imageName": "busy box:1"}), ("imageName", {"imageName": 7}),
                ("combined with imageName", {"imageName": image, "buildInfo": build}),
                ("combined with entrypoint", {"buildInfo": build, "entrypoint": ["a"]}),
                ("dockerfileContent", {"buildInfo": {"dockerfileContent": " ", "contextHashes": ["a"]}}),
                ("contextHashes", {"buildInfo": {**build, "contextHashes": "a"}}),
                ("contextHashes.1", {"buildInfo": {**build, "contextHashes": ["a", "../b"]}}),
                ("cpu", {"imageName": image, "cpu": 5}), ("cpu", {"imageName": image, "cpu": -1}),
                ("memory", {"imageName": image, "memory": 9}), ("disk", {"imageName": image, "disk": 11}),
                ("disk", {"imageName": image, "disk": 1.5}), ("GPU", {"imageName": image, "gpu": 1}),
                ("gpu", {"imageName": image, "gpu": 2}), ("GPU", {"imageName": image, "gpuType": ["H100"]}),
                ("sandboxClass", {"imageName": image, "sandboxClass": "windows"}),
                ("sandboxClass", {"imageName": image, "sandboxClass": "toaster"}),
                ("entrypoint.0", {"imageName": image, "entrypoint": [1]})):
            with self.subTest(fields=fields):
                self.fails(400, message, **fields)
        self.fails(404, "Region", imageName=image, regionId="moon")

    def test_empty_fields_of_generated_clients_ask_for_nothing(self):
        made = self.image(buildInfo={"dockerfileContent": None, "contextHashes": []}, entrypoint=[], cpu=0, gpu=None,
                          gpuType=[], regionId=None, sandboxClass=None)
        self.assertEqual((made["cpu"], made["mem"], made["disk"]), (1, 1, 3))

    def test_a_name_is_used_once(self):
        made = self.image()
        self.fails(409, "already exists", name=made["name"], imageName="x/y:1")
        self.wait(made, "active")
        self.status(200, self.server.api("DELETE", "/snapshots/" + made["id"]))
        self.wait(made, 404)
        again = self.image(name=made["name"])
        self.assertNotEqual(again["id"], made["id"])

    def test_only_ids_are_deleted_and_activated(self):
        made = self.image()
        name = urllib.parse.quote(made["name"], safe="")
        general = next(s for s in self.server.api("GET", "/snapshots").json["items"] if s["general"])
        for method, path in (("DELETE", "/snapshots/%s"), ("POST", "/snapshots/%s/activate"), ("POST", "/snapshots/%s/deactivate")):
            self.status(400, self.server.api(method, path % name))
            self.status(404, self.server.api(method, path % "nobody"))
            self.status(404, self.server.api(method, path % uuid.uuid4()))
        self.status(403, self.server.api("DELETE", "/snapshots/" + general["id"]))
        self.status(403, self.server.api("POST", "/snapshots/%s/deactivate" % general["id"]))
        self.status(400, self.server.api("POST", "/snapshots/%s/activate" % general["id"]))
        self.assertEqual(self.status(200, self.server.api("DELETE", "/snapshots/" + made["id"])).body, b"")
        self.wait(made, 404)
        self.status(404, self.server.api("DELETE", "/snapshots/" + made["id"]))

    def test_activate_and_deactivate(self):
        made = self.wait(self.image(), "active")
        path = "/snapshots/%s/" % made["id"]
        self.assertIn("already active", self.status(400, self.server.api("POST", path + "activate")).json["message"])
        self.assertEqual(self.status(204, self.server.api("POST", path + "deactivate")).body, b"")
        self.status(204, self.server.api("POST", path + "deactivate"))
        self.assertEqual(self.get(made).json["state"], "inactive")
        answer = self.status(400, self.server.api("POST", "/sandbox", {"snapshot": made["name"]}))
        self.assertIn("inactive", answer.json["message"])
        self.assertIn("10 minutes", self.status(400, self.server.api("POST", path + "activate")).json["message"])
        self.server.jump(11)
        self.assertEqual(self.status(200, self.server.api("POST", path + "activate")).json["state"], "pending")
        self.wait(made, "active")

    def test_sandboxes_want_an_active_one(self):
        self.server.fault(match={"target": "pull"}, action="delay", delay_ms=800)
        made = self.image()
        self.wait(made, "pulling")
        for name in (made["name"], made["id"]):
            answer = self.status(400, self.server.api("POST", "/sandbox", {"snapshot": name}))
            self.assertIn("pulling", answer.json["message"])
        self.wait(made, "active")
        self.status(400, self.server.api("POST", "/sandbox", {"snapshot": "nobody"}))
        self.status(400, self.server.api("POST", "/sandbox", {"snapshot": made["name"], "cpu": 2}))


class Lists(Images):
    def test_pages_filters_and_order(self):
        batch = unique("batch")
        names = ["%s-%d" % (batch, i) for i in range(3)]
        for name in names:
            self.wait(self.image(name=name), "active")
        self.server.create(snapshot=names[1])

        def page(**query):
            text = urllib.parse.urlencode({"name": batch.upper(), **query})
            return self.status(200, self.server.api("GET", "/snapshots?" + text)).json

        whole = page()
        self.assertEqual((whole["total"], whole["page"], whole["totalPages"]), (3, 1, 1))
        # The one that was used comes first, those that never were last.
        self.assertEqual(whole["items"][0]["name"], names[1])
        self.assertEqual([s["name"] for s in page(sort="name", order="asc")["items"]], names)
        self.assertEqual([s["name"] for s in page(sort="createdAt", order="desc")["items"]], names[::-1])
        second = page(sort="name", order="asc", page=2, limit=2)
        self.assertEqual(([s["name"] for s in second["items"]], second["total"], second["totalPages"]), (names[2:], 3, 2))
        self.assertEqual(page(page=9)["items"], [])
        self.assertEqual(page(sourceSandboxId=str(uuid.uuid4()))["total"], 0)
        everything = self.server.api("GET", "/snapshots?sort=name&order=asc").json["items"]
        self.assertTrue(everything[-1]["general"])
        for query in ("page=0", "limit=201", "sort=size", "order=up"):
            self.status(400, self.server.api("GET", "/snapshots?" + query))


class Builds(Images):
    def test_a_build_becomes_active_and_its_log_is_kept(self):
        made = self.build("RUN echo first-step && echo done > /made", "ENTRYPOINT [\"/bin/sleep\", \"5\"]")
        self.assertEqual((made["state"], made["imageName"]), ("pending", ""))
        self.assertTrue(made["buildInfo"]["snapshotRef"].startswith("daytona-"))
        self.assertEqual(made["buildInfo"]["contextHashes"], [])
        log = self.log("snapshots", made["id"])
        self.assertIn("first-step", log)
        found = self.wait(made, "active")
        self.assertEqual(found["entrypoint"], ["/bin/sleep", "5"])
        self.assertGreater(found["size"], 0)
        self.assertEqual(found["ref"], made["buildInfo"]["snapshotRef"])
        # Again and again, and without following.
        for query in ("", "?follow=false", "?follow=true"):
            self.assertEqual(self.log("snapshots", made["id"], query), log)
        # The API's own stream has nothing more to say about one that is active.
        answer = self.status(200, self.server.api("GET", "/snapshots/%s/build-logs?follow=true" % made["id"]))
        self.assertEqual(answer.body, b"")
        sandbox = self.server.create(snapshot=made["name"])
        self.assertEqual(self.server.execute(sandbox["id"], "cat /made")["result"].strip(), "done")

    def test_the_same_build_is_active_at_once(self):
        lines = ("RUN echo %s" % unique(),)
        first = self.wait(self.build(*lines), "active")
        second = self.build(*lines)
        self.assertEqual(second["state"], "active")
        self.assertEqual(second["size"], first["size"])
        self.assertEqual(second["buildInfo"]["snapshotRef"], first["buildInfo"]["snapshotRef"])
        # It stays while one of them is there.
        self.server.api("DELETE", "/snapshots/" + first["id"])
        self.wait(first, 404)
        self.server.create(snapshot=second["name"])

    def test_a_failing_step_is_told_with_the_whole_log(self):
        made = self.build("RUN echo before; echo 'no good' >&2; exit 7")
        log = self.log("snapshots", made["id"])
        self.assertIn("before", log)
        self.assertIn("no good", log)
        found = self.wait(made, "build_failed")
        self.assertTrue(found["errorReason"])
        self.assertIn(found["errorReason"], log)
        self.assertIsNone(found["size"])
        answer = self.status(200, self.server.api("GET", "/snapshots/%s/build-logs" % made["id"]))
        self.assertEqual(answer.body.decode(), log)
        answer = self.status(400, self.server.api("POST", "/sandbox", {"snapshot": made["name"]}))
        self.assertIn("build_failed", answer.json["message"])

    def test_what_is_no_dockerfile_fails(self):
        for text in ("NONSENSE x\n", "RUN true\n", "FROM %s/nobody:1\n" % registry.name):
            made = self.make(buildInfo={"dockerfileContent": text})
            self.assertTrue(self.wait(made, "build_failed")["errorReason"])

    def test_a_dockerfile_that_is_long(self):
        text = dockerfile(*("# %d %s" % (i, "x" * 80) for i in range(2000)), "RUN echo %s" % unique())
        self.assertGreater(len(text), 128 * 1024)
        made = self.make(buildInfo={"dockerfileContent": text})
        self.wait(made, "active")
        self.fails(400, "too long", imageName="x:1", other="x" * 70000)

    def test_a_context_that_was_not_uploaded_fails_the_build(self):
        made = self.make(buildInfo={"dockerfileContent": dockerfile("COPY x /x"), "contextHashes": ["0" * 32]})
        found = self.wait(made, "build_failed")
        self.assertIn("0" * 32, found["errorReason"])

    def test_a_log_is_followed_while_the_build_runs(self):
        made = self.build("RUN echo %s; i=0; while [ $i -lt 5 ]; do echo tick-$i; i=$((i+1)); sleep 0.3; done" % unique())
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=40)
        connection.request("GET", self.log_path("snapshots", made["id"]) + "?follow=true", None,
                           {"Authorization": "Bearer " + harness.KEY})
        answer = connection.getresponse()
        seen, times = b"", {}
        while True:
            part = answer.read1(4096)
            if not part:
                break
            seen += part
            for i in range(5):
                if b"tick-%d\n" % i in seen:
                    times.setdefault(i, time.monotonic())
        connection.close()
        self.assertEqual(len(times), 5, seen)
        self.assertGreater(times[4] - times[0], 0.8)  # as they came, not at the end
        self.wait(made, "active")

    def test_followers_that_leave_and_return(self):
        made = self.build("RUN echo %s; for i in 1 2 3 4; do echo tick-$i; sleep 0.3; done" % unique())
        path = self.log_path("snapshots", made["id"]) + "?follow=true"
        for _ in range(3):
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=40)
            connection.request("GET", path, None, {"Authorization": "Bearer " + harness.KEY})
            connection.getresponse().read1(10)
            connection.close()
        self.assertEqual(self.log("snapshots", made["id"]).count("tick-"), 4 + 1)  # and the step itself
        self.wait(made, "active")

    def test_the_log_wants_a_key_and_errors_are_the_proxys(self):
        made = self.wait(self.build("RUN echo x"), "active")
        path = self.log_path("snapshots", made["id"])
        for status, answer in ((401, self.server.call("GET", path, key="")),
                               (401, self.server.call("GET", path, key="wrong")),
                               (404, self.server.call("GET", "/snapshots/%s/build-logs" % uuid.uuid4())),
                               (404, self.server.call("GET", "/sandboxes/%s/build-logs" % uuid.uuid4())),
                               (404, self.server.call("GET", "/snapshots/%s/other" % made["id"])),
                               (400, self.server.call("GET", path + "?follow=perhaps"))):
            self.status(status, answer)
            self.assertEqual(answer.json["source"], "DAYTONA_PROXY")

    def test_what_has_no_build_has_no_log(self):
        made = self.wait(self.image(), "active")
        self.status(404, self.server.api("GET", "/snapshots/%s/build-logs-url" % made["id"]))
        self.status(404, self.server.api("GET", "/snapshots/%s/build-logs" % made["id"]))
        self.status(404, self.server.api("GET", "/snapshots/nobody/build-logs-url"))
        self.status(404, self.server.call("GET", "/snapshots/%s/build-logs" % made["id"]))
        self.status(400, self.server.api("GET", "/snapshots/%s/build-logs?follow=1x" % made["id"]))

    def test_deleting_ends_the_build(self):
        made = self.build("RUN echo %s; sleep 600" % unique())
        self.wait(made, "building")
        before = time.monotonic()
        self.status(200, self.server.api("DELETE", "/snapshots/" + made["id"]))
        self.wait(made, 404)
        harness.until(lambda: self.server.call("GET", "/admin/info").json["builds"] == [])
        self.assertLess(time.monotonic() - before, 20)

    def test_a_third_build_waits_for_its_turn(self):
        word = unique()
        long = [self.build("RUN echo %s-%d; sleep 600" % (word, i)) for i in range(2)]
        for one in long:
            self.wait(one, "building")
        third = self.build("RUN echo %s-third" % word)
        answers = []
        asking = threading.Thread(target=lambda: answers.append(self.server.api("GET", "/snapshots/%s/build-logs-url" % third["id"])))
        asking.start()
        time.sleep(0.5)
        self.assertEqual(self.get(third).json["state"], "pending")
        self.assertEqual(answers, [])
        self.status(404, self.server.call("GET", "/snapshots/%s/build-logs?follow=true" % third["id"]))
        self.server.api("DELETE", "/snapshots/" + long[0]["id"])
        self.wait(third, "active")
        asking.join(20)
        self.status(200, answers[0])
        self.server.api("DELETE", "/snapshots/" + long[1]["id"])


class Sandboxes(Images):
    def make_box(self, *lines, **fields):
        answer = self.server.api("POST", "/sandbox", {"buildInfo": {"dockerfileContent": dockerfile(*lines)}, **fields})
        return self.status(200, answer).json

    def test_a_build_becomes_a_sandbox(self):
        made = self.make_box("RUN echo %s > /made" % unique(), cpu=2, memory=2, disk=4, env={"A": "b"})
        self.assertEqual(made["state"], "pending_build")
        self.assertEqual(made["buildInfo"]["contextHashes"], [])
        self.assertIsNone(made["snapshot"])
        self.assertEqual([made[key] for key in ("cpu", "memory", "disk")], [2, 2, 4])
        path = self.log_path("sandboxes", made["id"])
        self.server.wait(made["id"], "building_snapshot", "creating", "started")
        self.assertIn("STEP", self.status(200, self.server.call("GET", path + "?follow=true")).body.decode())
        self.server.wait(made["id"], "started", limit=60)
        self.assertEqual(self.server.execute(made["id"], "cat /made; echo $A")["exitCode"], 0)
        self.status(200, self.server.api("GET", "/sandbox/%s/build-logs" % made["id"]))
        found = self.server.api("GET", "/sandbox/" + made["id"]).json
        self.assertEqual(found["buildInfo"], made["buildInfo"])

    def test_the_same_build_is_there_at_once(self):
        line = "RUN echo %s" % unique()
        first = self.make_box(line)
        self.server.wait(first["id"], "started", limit=60)
        second = self.make_box(line)
        self.assertEqual(second["state"], "creating")
        self.assertEqual(second["buildInfo"]["snapshotRef"], first["buildInfo"]["snapshotRef"])
        self.server.wait(second["id"], "started")
        self.status(200, self.server.api("DELETE", "/sandbox/" + first["id"]))
        snapshot = self.build(line)
        self.assertEqual(snapshot["state"], "active")

    def test_a_failing_build_says_why(self):
        made = self.make_box("RUN exit 3")
        self.server.wait(made["id"], "build_failed", limit=60)
        found = self.server.api("GET", "/sandbox/" + made["id"]).json
        self.assertTrue(found["errorReason"])
        self.assertIn(found["errorReason"], self.log("sandboxes", made["id"]))
        for action in ("start", "stop", "archive"):
            self.status(400, self.server.api("POST", "/sandbox/%s/%s" % (made["id"], action)))
        self.status(200, self.server.api("DELETE", "/sandbox/" + made["id"]))
        self.assertEqual(self.server.state_of(made["id"]), 404)

    def test_deleting_ends_the_build(self):
        made = self.make_box("RUN echo %s; sleep 600" % unique())
        self.server.wait(made["id"], "building_snapshot", limit=30)
        for action in ("start", "stop", "archive"):
            self.status(409, self.server.api("POST", "/sandbox/%s/%s" % (made["id"], action)))
        answer = self.status(200, self.server.api("DELETE", "/sandbox/" + made["id"]))
        self.assertEqual(answer.json["desiredState"], "destroyed")
        self.assertEqual(self.server.state_of(made["id"]), 404)
        harness.until(lambda: self.server.call("GET", "/admin/info").json["builds"] == [])

    def test_what_is_refused(self):
        build = {"dockerfileContent": dockerfile()}
        for fields in ({"buildInfo": build, "snapshot": "x"}, {"buildInfo": build, "linkedSandbox": "x"},
                       {"buildInfo": build, "cpu": 5}, {"buildInfo": build, "memory": 9}, {"buildInfo": build, "disk": 99},
                       {"buildInfo": build, "gpu": 1}, {"buildInfo": build, "cpu": 0.5}, {"buildInfo": "FROM x"},
                       {"buildInfo": {"dockerfileContent": "", "contextHashes": ["a"]}},
                       {"buildInfo": {**build, "contextHashes": ["a/b"]}}, {"buildInfo": build, "queueTimeout": 0}):
            with self.subTest(fields=fields):
                self.status(400, self.server.api("POST", "/sandbox", fields))

    def test_a_sandbox_without_build_has_no_log(self):
        made = self.server.create()
        for path in ("build-logs-url", "build-logs"):
            self.status(404, self.server.api("GET", "/sandbox/%s/%s" % (made["id"], path)))
        self.status(404, self.server.call("GET", "/sandboxes/%s/build-logs" % made["id"]))

    def test_one_that_waits_too_long_for_its_turn_is_destroyed_and_remembered(self):
        word = unique()
        long = [self.make_box("RUN echo %s-%d; sleep 600" % (word, i)) for i in range(2)]
        for one in long:
            self.server.wait(one["id"], "building_snapshot", limit=30)
        made = self.make_box("RUN echo %s-third" % word, queueTimeout=5, name=unique("queued"))
        self.assertEqual((made["state"], made["queueTimeout"]), ("pending_build", 5))
        self.assertNotIn("queueTimedOutAt", made)
        self.server.jump(6)
        self.server.wait(made["id"], "destroyed")
        found = self.server.api("GET", "/sandbox/" + made["id"]).json
        self.assertIsNotNone(found["queueTimedOutAt"])
        self.assertEqual(found["desiredState"], "destroyed")
        self.status(404, self.server.api("GET", "/sandbox/" + made["name"]))
        self.status(404, self.server.api("DELETE", "/sandbox/" + made["id"]))
        self.assertNotIn(made["id"], [s["id"] for s in self.server.api("GET", "/sandbox").json["items"]])
        for one in long:
            self.status(200, self.server.api("DELETE", "/sandbox/" + one["id"]))
        self.server.jump(25 * 60)
        harness.until(lambda: self.server.state_of(made["id"]) == 404)


class Faults(Images):
    def test_a_pull_fails_on_purpose(self):
        self.server.fault(match={"target": "pull", "path": registry.name + "/*"}, action="fail", message="no such luck")
        self.assertEqual(self.wait(self.image(), "error")["errorReason"], "no such luck")
        self.wait(self.image(), "active")

    def test_a_build_fails_on_purpose(self):
        self.server.fault(match={"target": "build"}, action="fail", after_bytes=10)
        made = self.build("RUN echo %s" % unique())
        self.assertEqual(self.wait(made, "build_failed")["errorReason"], "failed on purpose")
        self.assertTrue(self.log("snapshots", made["id"]).endswith("failed on purpose\n"))

    def test_a_log_breaks_off_on_purpose(self):
        made = self.wait(self.build("RUN echo %s" % unique()), "active")
        path = self.log_path("snapshots", made["id"])
        whole = self.log("snapshots", made["id"])
        self.server.fault(match={"target": "logs"}, action="truncate", after_bytes=5)
        with self.assertRaises(http.client.IncompleteRead) as caught:
            self.server.call("GET", path + "?follow=true")
        self.assertEqual(caught.exception.partial.decode(), whole[:5])
        self.server.fault(match={"target": "logs"}, action="status", status=502)
        self.status(502, self.server.call("GET", path + "?follow=true"))
        self.assertEqual(self.log("snapshots", made["id"]), whole)

    def test_sandboxes_are_taken_away_on_purpose(self):
        for field, shown in (("queueTimedOut", "queueTimedOutAt"), ("spotEvicted", "spotEvictedAt")):
            made = self.server.create()
            body = {"state": "destroyed", field: True}
            self.status(200, self.server.call("PUT", "/admin/sandbox/%s/state" % made["id"], body))
            self.server.wait(made["id"], "destroyed")
            found = self.server.api("GET", "/sandbox/" + made["id"]).json
            self.assertIsNotNone(found[shown])
            self.status(404, self.server.api("GET", "/sandbox/" + made["name"] + "x"))


class Limits(Images):
    @classmethod
    def setUpClass(cls):
        cls.options = (*registry.options(), "--max-snapshots", "2", "--max-snapshot-size", "0.0001", "--max-builds", "1")
        harness.Case.setUpClass.__func__(cls)

    def test_limits(self):
        first = self.image()
        found = self.wait(first, "error")
        self.assertIn("0.0001 GB", found["errorReason"])
        self.build("RUN echo %s; sleep 600" % unique())
        self.fails(400, "limit of 2", imageName="x/y:1")
        self.server.api("DELETE", "/snapshots/" + first["id"])
        self.wait(first, 404)
        third = self.build("RUN echo %s" % unique())
        time.sleep(0.3)
        self.assertEqual(self.get(third).json["state"], "pending")


class WithoutIsolation(Images):
    @classmethod
    def setUpClass(cls):
        cls.options = (*registry.options(), "--isolation", "none")
        harness.Case.setUpClass.__func__(cls)

    def test_sandboxes_on_images_are_refused_before_anything_is_built(self):
        made = self.wait(self.image(), "active")
        for fields in ({"snapshot": made["name"]}, {"buildInfo": {"dockerfileContent": dockerfile()}}):
            answer = self.status(400, self.server.api("POST", "/sandbox", fields))
            self.assertIn("--isolation=none", answer.json["message"])
        self.server.create()


class OrdinaryUser(unittest.TestCase):
    """The server as the user nobody, who has subordinate ids in a mount namespace of the test's."""

    status, get, wait = harness.Case.status, Images.get, Images.wait

    def setUp(self):
        if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
            self.skipTest("only root can become another user with ids of its own")
        self.place = tempfile.mkdtemp(prefix="dl-test-", dir="/var/tmp")
        program, ids, wrapper = (os.path.join(self.place, name) for name in ("daytona-local", "ids", "wrapper"))
        shutil.copy(harness.program(), program)
        with open(ids, "w") as file:
            file.write("nobody:500000:65536\n")
        with open(wrapper, "w") as file:
            file.write("#!/bin/sh\nexec unshare -m sh -c 'mount --bind %s /etc/subuid && mount --bind %s /etc/subgid && "
                       "exec setpriv --reuid nobody --regid nogroup --clear-groups %s \"$@\"' sh \"$@\"\n" % (ids, ids, program))
        os.chmod(wrapper, 0o755)
        os.chown(self.place, pwd.getpwnam("nobody").pw_uid, -1)
        self.server = harness.Server(*registry.options(), state=self.place + "/state", exe=wrapper)

    def tearDown(self):
        self.assertEqual(self.server.stop(), 0)
        # Layers belong to ids that are nobody's.
        subprocess.run(["rm", "-rf", self.place], check=True)

    def make(self, **fields):
        return self.status(200, self.server.api("POST", "/snapshots", {"name": unique(), **fields})).json

    def test_pulls_builds_and_runs(self):
        missing = self.server.call("GET", "/admin/info").json["images"]["missing"]
        if missing:
            self.skipTest(missing)
        pulled = self.make(imageName="%s/busybox:1.36" % registry.name)
        built = self.make(buildInfo={"dockerfileContent": dockerfile("RUN echo made > /made && chown 1000:1000 /made")})
        self.wait(pulled, "active")
        self.wait(built, "active")
        sandbox = self.server.create(snapshot=built["name"])
        self.assertEqual(self.server.execute(sandbox["id"], "cat /made; id -u; stat -c %u /made")["result"].split(),
                         ["made", "0", "1000"])
        self.status(200, self.server.api("DELETE", "/sandbox/" + sandbox["id"]))
        self.server.wait(sandbox["id"], 404)


class Restarts(unittest.TestCase):
    """A server that is stopped or killed in every state, and the next one."""

    def setUp(self):
        self.server = harness.Server(*registry.options())
        self.server.owns_state = False
        self.state = self.server.state

    def tearDown(self):
        self.server.owns_state = True
        self.assertEqual(self.server.stop(), 0)

    def again(self, number):
        self.server.stop(number)
        self.server = harness.Server(*registry.options(), state=self.state)
        self.server.owns_state = False

    get, wait = Images.get, Images.wait
    status = harness.Case.status

    def make(self, **fields):
        return self.status(200, self.server.api("POST", "/snapshots", {"name": unique(), **fields})).json

    def test_building(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            made = self.make(buildInfo={"dockerfileContent": dockerfile("RUN echo %s; sleep 1" % unique())})
            self.wait(made, "building")
            time.sleep(0.3)
            self.again(number)
            self.assertIn(self.get(made).json["state"], ("pending", "building"))
            found = self.wait(made, "active")
            self.assertGreater(found["size"], 0)
            self.server.create(snapshot=made["name"])

    def test_pulling(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            self.server.fault(match={"target": "pull"}, action="stall")
            made = self.make(imageName="%s/busybox:1.36" % registry.name)
            self.wait(made, "pulling")
            self.again(number)
            self.wait(made, "active")

    def test_sandboxes_that_wait_for_a_build(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            text = dockerfile("RUN echo %s; sleep 1" % unique())
            made = self.status(200, self.server.api("POST", "/sandbox", {"buildInfo": {"dockerfileContent": text}})).json
            self.server.wait(made["id"], "building_snapshot", limit=30)
            self.again(number)
            self.server.wait(made["id"], "started", limit=60)
            self.assertEqual(self.server.execute(made["id"], "echo hello")["result"].strip(), "hello")

    def test_what_is_over_stays(self):
        active = self.make(imageName="%s/busybox:1.36" % registry.name)
        failed = self.make(buildInfo={"dockerfileContent": dockerfile("RUN exit 1")})
        gone = self.make(imageName="%s/plain:1" % registry.name)
        self.wait(active, "active")
        failed = self.wait(failed, "build_failed")
        self.wait(gone, "active")
        sandbox = self.server.create(snapshot=active["name"])
        self.server.execute(sandbox["id"], "echo kept > /root/note")
        self.status(200, self.server.api("DELETE", "/snapshots/" + gone["id"]))
        self.again(signal.SIGKILL)
        self.assertEqual(self.get(failed).json, failed)
        self.wait(gone, 404)
        self.assertEqual(self.get(active).json["state"], "active")
        self.server.wait(sandbox["id"], "started")
        self.assertEqual(self.server.execute(sandbox["id"], "cat /root/note")["result"].strip(), "kept")
        log = "/snapshots/%s/build-logs" % failed["id"]
        self.assertIn(failed["errorReason"], self.status(200, self.server.call("GET", log)).body.decode())

    def test_an_image_goes_with_the_last_that_needs_it(self):
        def images():
            return self.server.call("GET", "/admin/info").json["images"]["items"]
        made = self.make(imageName="%s/busybox:1.36" % registry.name)
        self.wait(made, "active")
        sandbox = self.server.create(snapshot=made["name"])
        self.status(200, self.server.api("DELETE", "/snapshots/" + made["id"]))
        self.wait(made, 404)
        self.again(signal.SIGKILL)
        self.server.wait(sandbox["id"], "started")
        self.assertEqual(len(images()), 1)
        self.status(200, self.server.api("DELETE", "/sandbox/" + sandbox["id"]))
        harness.until(lambda: images() == [])
        # Deleting and making it again at once: neither gets in the way of the other.
        for _ in range(4):
            made = self.make(imageName="%s/busybox:1.36" % registry.name)
            self.wait(made, "active")
            self.status(200, self.server.api("DELETE", "/snapshots/" + made["id"]))
        last = self.make(imageName="%s/busybox:1.36" % registry.name)
        self.wait(last, "active")
        self.server.create(snapshot=last["name"])

    def test_a_layer_without_its_record_is_adopted_onto_its_image(self):
        made = self.make(imageName="%s/busybox:1.36" % registry.name)
        self.wait(made, "active")
        sandbox = self.server.create(snapshot=made["name"])
        self.server.execute(sandbox["id"], "echo kept > /root/note")
        self.status(200, self.server.api("POST", "/sandbox/%s/stop" % sandbox["id"]))
        self.server.wait(sandbox["id"], "stopped")
        self.server.stop()
        os.unlink(os.path.join(self.state, "journal"))
        self.again(signal.SIGTERM)
        made = self.make(imageName="%s/busybox:1.36" % registry.name)
        self.wait(made, "active")
        path = "/admin/orphans/" + sandbox["id"]
        self.assertIn("image", self.status(400, self.server.call("POST", path)).json["message"])
        self.status(400, self.server.call("POST", path, {"snapshot": "nobody"}))
        self.status(200, self.server.call("POST", path, {"snapshot": made["name"]}))
        self.status(200, self.server.api("POST", "/sandbox/%s/start" % sandbox["id"]))
        self.assertEqual(self.server.execute(sandbox["id"], "cat /root/note")["result"].strip(), "kept")

    def test_kills_at_any_moment(self):
        """Whatever it was, it ends active, with an image that runs."""
        made = self.make(buildInfo={"dockerfileContent": dockerfile("RUN echo %s" % unique(), "RUN echo 2 > /two")})
        for i in range(6):
            time.sleep(0.12 * i)
            self.again(signal.SIGKILL)
            self.assertIn(self.get(made).json["state"], ("pending", "building", "active"))
        self.wait(made, "active")
        sandbox = self.server.create(snapshot=made["name"])
        self.assertEqual(self.server.execute(sandbox["id"], "cat /two")["result"].strip(), "2")


if __name__ == "__main__":
    harness.main()
