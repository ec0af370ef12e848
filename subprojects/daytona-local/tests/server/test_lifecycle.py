# SPDX-License-Identifier: Apache-2.0
"""States of a sandbox, the calls between them, and what each refuses."""
import os
import signal
import uuid

import harness

REQUIRED = ["id", "organizationId", "name", "snapshot", "user", "env", "labels", "public", "networkBlockAll",
            "networkAllowList", "domainAllowList", "target", "cpu", "gpu", "kvm", "memory", "disk", "state", "desiredState",
            "errorReason", "recoverable", "backupState", "autoStopInterval", "autoArchiveInterval",
            "autoDeleteInterval", "autoPauseInterval", "autoDestroyAt", "volumes", "createdAt", "updatedAt",
            "lastActivityAt", "sandboxClass", "daemonVersion", "runnerId", "toolboxProxyUrl", "outboundProxyUrl",
            "otelEndpointOverride", "queueTimeout", "spot", "spotEvictedAt", "warmPoolId"]


class Create(harness.Case):
    options = harness.SSH

    def test_empty_body_gives_all_defaults(self):
        box = self.server.create()
        self.assertEqual(sorted(box), sorted(REQUIRED))
        self.assertEqual(box["name"], box["id"])
        self.assertEqual(uuid.UUID(box["id"]).version, 4)
        self.assertEqual(box["state"], "started")
        self.assertEqual((box["cpu"], box["memory"], box["disk"]), (1, 1, 3))
        self.assertEqual((box["autoStopInterval"], box["autoArchiveInterval"], box["autoDeleteInterval"]), (15, 10080, -1))
        self.assertRegex(box["createdAt"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(box["toolboxProxyUrl"], "http://127.0.0.1:%d/toolbox" % self.server.port)

    def test_no_body_and_null_fields_are_defaults(self):
        self.status(200, self.server.api("POST", "/sandbox"))
        self.status(200, self.server.api("POST", "/sandbox", {"name": None, "env": None, "snapshot": "", "unknown": 1}))

    def test_fields_are_kept(self):
        box = self.server.create(name="kept", env={"A": "b"}, labels={"x": "y"}, public=True, autoStopInterval=0,
                                 autoArchiveInterval=0, autoDeleteInterval=-5, ttlMinutes=60)
        again = self.server.api("GET", "/sandbox/kept").json
        for one in (box, again):
            self.assertEqual((one["env"], one["labels"], one["public"]), ({"A": "b"}, {"x": "y"}, True))
            self.assertEqual((one["autoStopInterval"], one["autoArchiveInterval"], one["autoDeleteInterval"]), (0, 43200, -1))
            self.assertIsNotNone(one["autoDestroyAt"])
        self.assertEqual(self.server.execute(box["id"], "echo $A")["result"], "b\n")

    def test_snapshot_by_id_is_shown_by_name(self):
        snapshot = self.server.api("GET", "/snapshots").json["items"][0]
        self.assertEqual(self.server.create(snapshot=snapshot["id"])["snapshot"], snapshot["name"])

    def test_rules(self):
        for status, body in [
                (400, {"snapshot": "nothing:1"}), (404, {"target": "moon"}), (400, {"cpu": 2}), (400, {"gpuType": "H100"}),
                (400, {"buildInfo": {"dockerfileContent": "FROM x"}, "cpu": 99}), (400, {"autoStopInterval": -1}),
                (400, {"autoArchiveInterval": -1}), (400, {"autoStopInterval": "x"}), (400, {"autoStopInterval": 1.5}),
                (400, {"name": "<b>x</b>"}), (400, {"name": "http://x"}), (400, {"name": "a\x01b"}), (400, {"name": 3}),
                (400, {"env": {"A": 1}}), (400, {"env": {"": "x"}}), (400, {"env": {"A=B": "x"}}), (400, {"env": []}),
                (400, {"labels": "x"}), (400, {"public": "yes"}), (400, {"volumes": {}}), (400, {"user": "root"}),
                (404, {"volumes": [{"volumeId": "none", "mountPath": "/mnt/x"}]}),
                (400, {"volumes": [{"volumeId": "none", "mountPath": "/etc/x"}]}),
                (400, {"volumes": [{"mountPath": "/mnt/x"}]}), (400, {"volumes": ["x"]}),
                (400, {"volumes": [{"volumeId": "none", "mountPath": "/mnt/x", "subpath": "../y"}]}),
                (400, {"networkAllowList": "10.0.0.0"}), (400, {"networkAllowList": "10.0.0.0/33"}),
                (400, {"domainAllowList": "nodot"}), (400, {"autoPauseInterval": 5}), (400, {"spot": True})]:
            with self.subTest(body=body):
                self.status(status, self.server.api("POST", "/sandbox", body))

    def test_failures_are_joined_in_one_message(self):
        answer = self.status(400, self.server.api("POST", "/sandbox", {"autoStopInterval": -1, "public": 3})).json
        self.assertEqual(len(answer["message"].split(", ")), 2)

    def test_texts_that_cannot_be(self):
        for body, named in (({"labels": {"note": "x\0y"}}, "labels.note"), ({"name": "a\0b"}, "name"), ({"labels": {"n": "\x1b[0m"}}, "labels.n"),
                            ({"labels": {"a\x7f": "b"}}, "labels.a?"), ({"env": {"A": "b\0"}}, "env.A"), ({"env": {"A\x01": "b"}}, "env.A?"),
                            ({"env": {"BIG": "x" * 200000}}, "env.BIG is too long"), ({"labels": {"l": "x" * 70000}}, "labels.l is too long"),
                            ({"name": "x" * 1025}, "name is too long"), ({"labels": {"k" * 1025: ""}}, "is too long"),
                            ({"user": "daytona\0"}, "user"), ({"volumes": [{"volumeId": "v", "mountPath": "/a\0b"}]}, "volumes.0.mountPath"),
                            ({"unknown": ["\0"]}, "unknown.0")):
            answer = self.status(400, self.server.api("POST", "/sandbox", body)).json
            self.assertIn(named, answer["message"])
        box = self.server.create(env={"ESC": "\x1b[1m", "BIG": "x" * 131000})["id"]
        self.assertEqual(self.server.execute(box, "printf %s \"${#BIG} $ESC\"")["result"], "131000 \x1b[1m")
        self.status(400, self.server.api("PUT", "/sandbox/%s/labels" % box, {"labels": {"note": "x\0y"}}))
        self.status(400, self.server.api("POST", "/volumes", {"name": "a\0b"}))
        self.status(400, self.server.api("POST", "/volumes", {"name": "v" * 1025}))
        self.status(200, self.server.api("GET", "/sandbox"))
        self.status(200, self.server.api("DELETE", "/sandbox/" + box))

    def test_paths_and_queries_that_cannot_be(self):
        box = self.server.create(autoStopInterval=0)["id"]
        token = self.server.api("POST", "/sandbox/%s/ssh-access" % box).json["token"]
        for query in ("token=%00", "token=a%1b", "token=%ff", "token=%zz", "to%00ken=x", "token=x&b=%07", "a" * 1025 + "=1", "&".join(["a=1"] * 600)):
            self.status(400, self.server.api("DELETE", "/sandbox/%s/ssh-access?%s" % (box, query)))
            self.status(400, self.server.api("GET", "/sandbox?" + query))
        # Had one of them been as if it were not there, every token would be revoked.
        self.assertTrue(self.server.api("GET", "/sandbox/ssh-access/validate?token=" + token).json["valid"])
        for path in ("/sandbox/a%00b", "/sandbox/a%1bb", "/sandbox/%7f", "/sandbox/" + "x" * 1025, "/volumes/by-name/a%01", "/snapshots/%0b"):
            self.status(400, self.server.api("GET", path))
        self.status(404, self.server.api("GET", "/sandbox/" + "x" * 1024))
        self.status(404, self.server.api("GET", "/volumes/by-name/a%0Ab%2Fc%20%C3%A9"))
        self.status(200, self.server.api("GET", "/sandbox?name=a%0Ab+c&labels=%7B%7D"))
        answer = self.status(400, self.server.api("POST", "/sandbox", {"labels": {"\u20ac" * 100: "\x01"}})).json
        self.assertIn("must not contain control characters", answer["message"])

    def test_duplicate_name_is_409_and_free_after_delete(self):
        box = self.server.create(name="twin")
        self.status(409, self.server.api("POST", "/sandbox", {"name": "twin"}))
        gone = self.status(200, self.server.api("DELETE", "/sandbox/twin")).json
        self.assertRegex(gone["name"], r"^DESTROYED_twin_\d+$")
        self.assertEqual((gone["desiredState"], gone["state"]), ("destroyed", "destroying"))
        self.status(404, self.server.api("GET", "/sandbox/twin"))
        self.assertNotEqual(self.server.create(name="twin")["id"], box["id"])
        self.server.wait(box["id"], 404)


class Envelopes(harness.Case):
    def test_unknown_sandbox(self):
        answer = self.status(404, self.server.api("GET", "/sandbox/no-such-box?verbose=true"))
        self.assertEqual(sorted(answer.json), ["error", "message", "path", "statusCode", "timestamp"])
        self.assertEqual(answer.json["path"], "/api/sandbox/no-such-box?verbose=true")
        self.assertEqual(answer.json["error"], "Not Found")
        self.assertEqual(answer.headers["Content-Type"], "application/json; charset=utf-8")

    def test_unknown_route_method_and_prefix(self):
        self.assertEqual(self.status(404, self.server.api("GET", "/nothing")).json["statusCode"], 404)
        self.status(404, self.server.api("PATCH", "/sandbox"))
        self.assertIn("the API is below /api", self.status(404, self.server.call("GET", "/sandbox/x")).json["message"])
        self.status(404, self.server.call("GET", "/"))

    def test_credentials(self):
        self.status(401, self.server.api("GET", "/sandbox", key=""))
        self.status(401, self.server.api("GET", "/sandbox", key="wrong"))
        self.status(401, self.server.api("POST", "/sandbox", {"a": "b" * 50000}, key="wrong"))
        self.status(200, self.server.api("GET", "/sandbox", headers={"X-Daytona-Organization-ID": "nonsense"}))
        self.status(401, self.server.call("GET", "/admin/faults", key="wrong"))

    def test_malformed_json(self):
        for raw in (b"{", b"nonsense", b'{"a":"\xff"}', b"[" * 1000, b"{}x"):
            answer = self.status(400, self.server.api("POST", "/sandbox", raw=raw)).json
            self.assertEqual((answer["statusCode"], answer["error"]), (400, "Bad Request"))
        self.status(400, self.server.api("POST", "/sandbox", raw=b"[]"))

    def test_oversized_body_is_413_and_keeps_the_connection(self):
        connection = self.server.connection()
        head = {"Authorization": "Bearer " + self.server.key}
        connection.request("POST", "/api/sandbox", b'{"name":"' + b"x" * 3000000 + b'"}', head)
        answer = connection.getresponse()
        answer.read()
        self.assertEqual(answer.status, 413)
        connection.request("GET", "/api/sandbox", headers=head)
        self.assertEqual(connection.getresponse().status, 200)
        connection.close()

    def test_broken_escape_in_path(self):
        self.status(400, self.server.api("GET", "/sandbox/%zz"))
        self.status(400, self.server.api("GET", "/sandbox/%ff"))
        self.status(400, self.server.api("GET", "/sandbox/%00"))

    def test_unknown_sandbox_comes_before_a_bad_body(self):
        self.status(404, self.server.api("POST", "/sandbox/none/resize", raw=b"{"))

    def test_encoded_names_reach_their_route(self):
        box = self.server.create(name="a/b c:d%é")
        answer = self.status(200, self.server.api("GET", "/sandbox/a%2Fb%20c%3Ad%25%C3%A9"))
        self.assertEqual(answer.json["id"], box["id"])
        self.status(200, self.server.api("GET", "/snapshots/daytona-local%2Fdefault%3A1.0"))

    def test_public_routes(self):
        config = self.status(200, self.server.api("GET", "/config", key="")).json
        self.assertNotIn("analyticsApiUrl", config)
        self.assertEqual(config["maxAutoArchiveInterval"], 43200)
        self.assertEqual(self.status(200, self.server.api("GET", "/health", key="")).json, {"status": "ok"})
        self.assertTrue(self.server.api("GET", "/health", key="").headers["X-Daytona-Api-Version"])


class Lifecycle(harness.Case):
    def post(self, box, action, status=200):
        return self.status(status, self.server.api("POST", "/sandbox/%s/%s" % (box, action)))

    def test_stop_and_start_keep_files_and_change_the_token(self):
        box = self.server.create()["id"]
        self.server.execute(box, "echo kept > f")
        before = self.server.api("GET", "/sandbox/%s/ports/80/preview-url" % box).json["token"]
        self.assertEqual(self.post(box, "stop").json["state"], "stopping")
        self.server.wait(box, "stopped")
        refused = self.status(400, self.server.call("POST", "/toolbox/%s/process/execute" % box, {"command": "true"}))
        self.assertEqual(refused.json["source"], "DAYTONA_PROXY")
        self.post(box, "stop", 400)
        self.assertEqual(self.post(box, "start").json["state"], "started")
        self.assertEqual(self.server.execute(box, "cat f")["result"], "kept\n")
        after = self.server.api("GET", "/sandbox/%s/ports/80/preview-url" % box).json["token"]
        self.assertNotEqual(before, after)
        self.assertRegex(after, r"^[a-z0-9_-]{32}$")

    def test_start_when_started_does_nothing(self):
        box = self.server.create()["id"]
        token = self.server.api("GET", "/sandbox/%s/ports/80/preview-url" % box).json["token"]
        self.assertEqual(self.post(box, "start").json["state"], "started")
        self.assertEqual(self.server.api("GET", "/sandbox/%s/ports/80/preview-url" % box).json["token"], token)

    def test_stop_ends_every_process(self):
        box = self.server.create()["id"]
        self.server.execute(box, "(setsid sleep 4711 &) </dev/null >/dev/null 2>&1")
        harness.wait_process("sleep 4711")
        self.post(box, "stop?force=true")
        self.server.wait(box, "stopped")
        self.assertFalse(self.running("sleep 4711"))

    def running(self, text):
        return any(line == text for _, line in harness.processes())

    def test_ephemeral_is_destroyed_by_stop(self):
        box = self.server.create(autoDeleteInterval=0)["id"]
        self.post(box, "archive", 400)
        self.assertEqual(self.post(box, "stop").json["desiredState"], "destroyed")
        self.server.wait(box, 404)

    def test_archive_and_start_keep_everything(self):
        box = self.server.create()["id"]
        self.server.execute(box, "mkdir -p d/e; echo deep > d/e/f; ln -s d/e/f link; ln d/e/f hard; chmod 751 d; touch -d @1000000 d/e/f;"
                                 "printf '\\303\\251' > 'na me'; mkfifo pipe")
        self.post(box, "archive", 400)
        self.post(box, "stop")
        self.server.wait(box, "stopped")
        self.assertEqual(self.post(box, "archive").json["state"], "archiving")
        self.server.wait(box, "archived")
        self.post(box, "stop", 400)
        self.assertEqual(self.post(box, "start").json["desiredState"], "started")
        self.server.wait(box, "started")
        out = self.server.execute(box, "cat link; stat -c '%a %h %Y' d d/e/f | tail -1; stat -c %a d; cat 'na me'; readlink link; test -p pipe && echo pipe")["result"]
        self.assertEqual(out, "deep\n644 2 1000000\n751\n\u00e9d/e/f\npipe\n")

    def test_disk_use_of_each_sandbox_is_told(self):
        box, other = self.server.create()["id"], self.server.create()["id"]
        self.server.execute(box, "head -c 3000000 /dev/zero > f; truncate -s 1T sparse; ln f g")
        disk = self.server.call("GET", "/admin/info").json["disk"]
        self.assertTrue(3000000 <= disk[box] < 4000000, disk)
        self.assertTrue(0 < disk[other] < 100000, disk)
        self.post(box, "stop")
        self.server.wait(box, "stopped")
        self.post(box, "archive")
        self.server.wait(box, "archived")
        self.assertTrue(3000000 <= self.server.call("GET", "/admin/info").json["disk"][box] < 4000000)

    def test_delete_of_stopped_and_archived(self):
        for steps in (["stop"], ["stop", "archive"]):
            box = self.server.create()["id"]
            for step in steps:
                self.post(box, step)
                self.server.wait(box, "stopped", "archived")
            self.status(200, self.server.api("DELETE", "/sandbox/" + box))
            self.server.wait(box, 404)
            self.status(404, self.server.api("DELETE", "/sandbox/" + box))

    def test_pause_and_fork_are_not_for_containers(self):
        box = self.server.create()["id"]
        self.post(box, "pause", 422)
        self.post(box, "fork", 422)
        self.post(box, "stop")
        self.server.wait(box, "stopped")
        self.post(box, "pause", 400)

    def test_bad_booleans(self):
        box = self.server.create()["id"]
        self.post(box, "stop?force=yes", 400)
        self.post(box, "recover?skipStart=1", 400)

    def test_error_and_recover(self):
        box = self.server.create()["id"]
        self.server.execute(box, "echo kept > f")
        self.post(box, "recover", 400)
        force = {"state": "error", "errorReason": "disk on fire", "recoverable": False}
        self.status(200, self.server.call("PUT", "/admin/sandbox/%s/state" % box, force))
        self.server.wait(box, "error")
        shown = self.server.api("GET", "/sandbox/" + box).json
        self.assertEqual((shown["errorReason"], shown["recoverable"]), ("disk on fire", False))
        for action in ("start", "stop", "archive", "recover"):
            self.post(box, action, 400)
        force["recoverable"] = True
        self.status(200, self.server.call("PUT", "/admin/sandbox/%s/state" % box, force))
        self.assertEqual(self.post(box, "recover").json["state"], "started")
        self.assertEqual(self.server.execute(box, "cat f")["result"], "kept\n")
        self.assertIsNone(self.server.api("GET", "/sandbox/" + box).json["errorReason"])

    def test_recover_without_start(self):
        box = self.server.create()["id"]
        self.status(200, self.server.call("PUT", "/admin/sandbox/%s/state" % box, {"state": "error", "recoverable": True}))
        self.server.wait(box, "error")
        self.assertEqual(self.post(box, "recover?skipStart=true").json["state"], "stopped")

    def test_deleted_error_is_gone_at_once(self):
        box = self.server.create()["id"]
        self.server.call("PUT", "/admin/sandbox/%s/state" % box, {"state": "error"})
        self.server.wait(box, "error")
        self.status(200, self.server.api("DELETE", "/sandbox/" + box))
        self.status(404, self.server.api("GET", "/sandbox/" + box))

    def test_resize(self):
        box = self.server.create()["id"]

        def resize(status, **sizes):
            answer = self.status(status, self.server.api("POST", "/sandbox/%s/resize" % box, sizes))
            self.server.wait(box, "started", "stopped")
            return answer.json
        resize(400)
        for bad in ({"cpu": 0}, {"cpu": 1.5}, {"cpu": "2"}, {"cpu": 100}, {"disk": 5}, {"cpu": 1}):
            resize(400, **bad)
        self.assertEqual(resize(200, cpu=2, memory=2)["state"], "resizing")
        resize(400, cpu=1)
        shown = self.server.api("GET", "/sandbox/" + box).json
        self.assertEqual((shown["cpu"], shown["memory"], shown["state"], shown["desiredState"]), (2, 2, "started", "started"))
        self.post(box, "stop")
        self.server.wait(box, "stopped")
        resize(200, cpu=1, disk=5)
        resize(400, disk=4)
        shown = self.server.api("GET", "/sandbox/" + box).json
        self.assertEqual((shown["cpu"], shown["disk"], shown["state"]), (1, 5, "stopped"))

    def test_a_box_that_dies_is_an_error_that_can_be_recovered(self):
        box = self.server.create()["id"]
        self.server.execute(box, "(sleep 4712 &) </dev/null >/dev/null 2>&1")
        inner = harness.wait_process("sleep 4712")
        os.kill(harness.first_of_namespace(inner), signal.SIGKILL)
        self.server.wait(box, "error")
        self.assertTrue(self.server.api("GET", "/sandbox/" + box).json["recoverable"])
        self.post(box, "recover")
        self.assertEqual(self.server.execute(box, "echo back")["result"], "back\n")


    def test_a_start_that_fails_is_an_error_and_no_running_sandbox(self):
        box = self.server.create()["id"]
        self.post(box, "stop")
        self.server.wait(box, "stopped")
        home = os.path.join(self.server.state, "sandboxes", box, "home")
        os.rename(home, home + ".away")
        with open(home, "w"):
            pass  # a file where the home should be: the box cannot be set up
        self.post(box, "start", 400)
        self.server.wait(box, "error")
        self.status(400, self.server.call("GET", "/toolbox/%s/version" % box))
        self.post(box, "stop", 400)
        os.remove(home)
        os.rename(home + ".away", home)
        self.assertEqual(self.post(box, "recover").json["state"], "started")
        self.assertEqual(self.server.execute(box, "echo back")["result"], "back\n")


class CreatingAnswer(harness.Case):
    options = ("--create-answer", "creating")

    def test_create_answers_before_it_is_up(self):
        box = self.server.create()
        self.assertEqual((box["state"], box["desiredState"]), ("creating", "started"))
        self.server.wait(box["id"], "started")


class Settings(harness.Case):
    def test_labels_replace(self):
        box = self.server.create(labels={"a": "1"})["id"]
        answer = self.status(200, self.server.api("PUT", "/sandbox/%s/labels" % box, {"labels": {"b": "2"}}))
        self.assertEqual(answer.json["labels"], {"b": "2"})
        self.assertEqual(self.server.api("GET", "/sandbox/" + box).json["labels"], {"b": "2"})
        for bad in ({}, {"labels": []}, {"labels": {"a": 1}}):
            self.status(400, self.server.api("PUT", "/sandbox/%s/labels" % box, bad))

    def test_intervals(self):
        box = self.server.create()["id"]
        for path, status, field, value in [
                ("autostop/30", 200, "autoStopInterval", 30), ("autostop/0", 200, "autoStopInterval", 0),
                ("autostop/-1", 400, "autoStopInterval", 0), ("autostop/x", 400, "autoStopInterval", 0),
                ("autoarchive/0", 200, "autoArchiveInterval", 43200), ("autoarchive/1e%2B06", 200, "autoArchiveInterval", 43200),
                ("autoarchive/60", 200, "autoArchiveInterval", 60), ("autodelete/-1", 200, "autoDeleteInterval", -1),
                ("autodelete/90", 200, "autoDeleteInterval", 90), ("autodelete/1.5", 400, "autoDeleteInterval", 90),
                ("autopause/0", 200, "autoPauseInterval", 0), ("autopause/5", 400, "autoPauseInterval", 0)]:
            with self.subTest(path=path):
                self.status(status, self.server.api("POST", "/sandbox/%s/%s" % (box, path)))
                self.assertEqual(self.server.api("GET", "/sandbox/" + box).json[field], value)
        self.assertIsNotNone(self.server.api("POST", "/sandbox/%s/ttl/60" % box).json["autoDestroyAt"])
        self.assertIsNone(self.server.api("POST", "/sandbox/%s/ttl/0" % box).json["autoDestroyAt"])

    def test_last_activity_by_id_only(self):
        box = self.server.create(name="active")
        answer = self.status(201, self.server.api("POST", "/sandbox/%s/last-activity" % box["id"]))
        self.assertEqual((answer.body, answer.headers["Content-Length"]), (b"", "0"))
        self.status(404, self.server.api("POST", "/sandbox/active/last-activity"))
        self.assertGreater(self.server.api("GET", "/sandbox/active").json["lastActivityAt"], box["lastActivityAt"])


class Volumes(harness.Case):
    def test_life_of_a_volume(self):
        made = self.status(200, self.server.api("POST", "/volumes", {"name": "cache v"})).json
        self.assertEqual(made["state"], "pending_create")
        self.assertIn("errorReason", made)
        self.status(400, self.server.api("POST", "/volumes", {"name": "cache v"}))
        self.status(400, self.server.api("POST", "/volumes", {}))
        self.assertEqual(self.server.api("GET", "/volumes/by-name/cache%20v").json["state"], "ready")
        self.status(404, self.server.api("GET", "/volumes/by-name/other"))
        self.assertIn(made["id"], [v["id"] for v in self.server.api("GET", "/volumes").json])
        mount = [{"volumeId": "cache v", "mountPath": "/home/daytona/cache", "subpath": "a/b"}]
        one = self.server.create(volumes=mount)
        self.assertEqual(one["volumes"][0], {"volumeId": made["id"], "mountPath": "/home/daytona/cache", "subpath": "a/b"})
        self.server.execute(one["id"], "echo shared > ~/cache/f")
        two = self.server.create(volumes=[{"volumeId": made["id"], "mountPath": "/mnt/v"}])
        self.assertEqual(self.server.execute(two["id"], "cat /mnt/v/a/b/f")["result"], "shared\n")
        self.status(409, self.server.api("DELETE", "/volumes/" + made["id"]))
        for box in (one, two):
            self.server.api("DELETE", "/sandbox/" + box["id"])
            self.server.wait(box["id"], 404)
        answer = self.status(200, self.server.api("DELETE", "/volumes/" + made["id"]))
        self.assertEqual(answer.body, b"")
        self.status(404, self.server.api("GET", "/volumes/" + made["id"]))

    def test_empty_name_is_the_id(self):
        made = self.server.api("POST", "/volumes", {"name": ""}).json
        self.assertEqual(made["name"], made["id"])


class Snapshots(harness.Case):
    def test_default_snapshot(self):
        page = self.status(200, self.server.api("GET", "/snapshots?page=1&limit=10")).json
        self.assertEqual((page["total"], page["page"], page["totalPages"]), (2, 1, 1))
        one = page["items"][0]
        for key in ("size", "entrypoint", "errorReason", "lastUsedAt", "sourceSandboxId"):
            self.assertIn(key, one)
        self.assertEqual(self.server.api("GET", "/snapshots/" + one["id"]).json["name"], "daytona-local/default:1.0")
        self.assertEqual(self.server.api("GET", "/snapshots?page=2").json["items"], [])
        self.assertEqual(self.server.api("GET", "/snapshots?name=DEFAULT").json["total"], 1)
        self.assertEqual(self.server.api("GET", "/snapshots?name=zzz").json["total"], 0)
        self.status(400, self.server.api("GET", "/snapshots?limit=0"))
        self.status(404, self.server.api("GET", "/snapshots/none"))
        self.status(403, self.server.api("DELETE", "/snapshots/" + one["id"]))
        self.status(400, self.server.api("DELETE", "/snapshots/daytona-local%2Fdefault%3A1.0"))
        self.status(404, self.server.api("DELETE", "/snapshots/none"))
        self.status(400, self.server.api("POST", "/snapshots/%s/activate" % one["id"]))
        self.status(400, self.server.api("POST", "/snapshots", {"name": "x", "imageName": "y"}))


if __name__ == "__main__":
    harness.main()
