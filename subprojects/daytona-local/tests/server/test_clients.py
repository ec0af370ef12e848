# SPDX-License-Identifier: Apache-2.0
"""What the official clients of four languages send and rely on, beyond what ours does."""
import base64
import io
import os
import unittest
import zipfile

import harness

# Every field of a create, empty or with its default, as generated clients of Java, Go and Ruby fill in what nobody has set.
EMPTY = {"name": [""], "snapshot": [""], "user": [""], "env": [{}], "labels": [{}], "public": [False], "networkBlockAll": [False],
         "networkAllowList": [""], "domainAllowList": [""], "outboundProxyUrl": [""], "otelEndpointOverride": [""], "target": [""],
         "cpu": [0], "gpu": [0], "gpuType": [[], ""], "spot": [False], "memory": [0], "disk": [0], "autoStopInterval": [0, 15],
         "autoPauseInterval": [0], "autoArchiveInterval": [0, 10080], "autoDeleteInterval": [-1], "ttlMinutes": [0], "volumes": [[]],
         "buildInfo": [{}, {"dockerfileContent": "", "contextHashes": []}], "linkedSandbox": [""], "secrets": [[]]}


def make_wheel():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as wheel:
        wheel.writestr("ours.py", "def main():\n    print('ours')\n")
        about = "ours-1.dist-info/"
        wheel.writestr(about + "METADATA", "Metadata-Version: 2.1\nName: ours\nVersion: 1\n")
        wheel.writestr(about + "WHEEL", "Wheel-Version: 1.0\nGenerator: ours\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(about + "entry_points.txt", "[console_scripts]\nours = ours:main\n")
        wheel.writestr(about + "RECORD", "")
    return out.getvalue()


class Create(harness.Case):
    options = ("--create-answer", "creating")

    def test_fields_that_ask_for_nothing(self):
        for field, values in EMPTY.items():
            for value in values + [None]:
                with self.subTest(field=field, value=value):
                    made = self.status(200, self.server.api("POST", "/sandbox", {field: value})).json
                    self.server.api("DELETE", "/sandbox/" + made["id"])

    def test_all_of_them_at_once(self):
        plain = self.server.create()
        for values in ({f: v[0] for f, v in EMPTY.items()}, {f: None for f in EMPTY}):
            made = self.status(200, self.server.api("POST", "/sandbox", values)).json
            for field in ("outboundProxyUrl", "otelEndpointOverride", "networkAllowList", "domainAllowList", "target", "user", "snapshot"):
                self.assertEqual(made[field], plain[field], field)

    def test_what_asks_for_something_is_refused(self):
        sentence = "Cannot specify Sandbox resources when using a snapshot"
        for body in ({"gpuType": ["H100"]}, {"gpuType": "H100"}, {"gpuType": ["of next year"]}, {"gpu": 1}):
            self.assertEqual(self.status(400, self.server.api("POST", "/sandbox", body)).json["message"], sentence, body)
        self.status(400, self.server.api("POST", "/sandbox", {"buildInfo": {"dockerfileContent": "", "contextHashes": ["x"]}}))
        self.status(400, self.server.api("POST", "/sandbox", {"secrets": [{"A": "b"}]}))
        self.status(400, self.server.api("POST", "/sandbox", {"linkedSandbox": "other"}))


class Sandbox(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.box = cls.server.create()
        cls.sandbox = cls.box["id"]

    def out(self, command, code=0):
        answer = self.server.execute(self.sandbox, command)
        self.assertEqual(answer["exitCode"], code, answer)
        return answer["result"]

    def toolbox(self, method, path, body=None, version="0.226.1"):
        return self.server.call(method, "/toolbox/%s%s" % (self.sandbox, path), body, {"X-Daytona-SDK-Version": version})

    def test_host_name_is_the_id(self):
        self.assertEqual(self.out("hostname; cat /etc/hostname; getent hosts %s | tr -s ' ' | cut -d' ' -f1" % self.sandbox),
                         "%s\n%s\n127.0.1.1\n" % (self.sandbox, self.sandbox))

    def test_organization_and_region_are_in_the_environment(self):
        self.assertEqual(self.out("echo $DAYTONA_ORGANIZATION_ID $DAYTONA_REGION_ID"),
                         "%s %s\n" % (self.box["organizationId"], self.box["target"]))

    def test_a_build_from_source_has_the_newest_behaviour(self):
        for version in ("dev", "0.0.0-dev", "0.226.1"):
            with self.subTest(version=version):
                self.status(201, self.toolbox("POST", "/process/session", {"sessionId": "v" + version}, version))
                answer = self.toolbox("POST", "/process/session/v%s/exec" % version, {"command": "echo a; echo b >&2; pwd >&2"}, version)
                self.assertEqual((answer.json["stdout"], answer.json["stderr"]), ("a\n", "b\n/home/daytona\n"))

    def test_python_and_pip_have_their_short_names(self):
        self.assertEqual(self.out("python -c 'import sys; print(sys.version_info[0], sys.prefix)'; echo print\\(5\\) | python -"), "3 /usr\n5\n")
        self.assertEqual(self.out("printf '#!/usr/bin/env python\\nprint(7)\\n' > s; chmod +x s; ./s"), "7\n")
        has_pip = self.server.execute(self.sandbox, "python3 -c 'import pip'")["exitCode"] == 0
        for name in ("pip", "pip3"):
            answer = self.server.execute(self.sandbox, name + " --version")
            if has_pip:
                self.assertEqual(answer["exitCode"], 0, answer)
                self.assertIn("python 3", answer["result"])
            else:
                self.assertEqual(answer["exitCode"], 127, answer)
                self.assertIn("python3-pip", answer["result"])

    def test_npm_works_or_says_what_helps(self):
        answer = self.server.execute(self.sandbox, "npm --version")
        if not os.path.exists("/usr/bin/npm"):
            self.assertEqual(answer["exitCode"], 127)
            self.assertIn("install the package npm", answer["result"])

    def test_pip_installs_where_the_sandbox_can_write(self):
        """A package of our own: no network needed. Also in a virtual environment."""
        if self.server.execute(self.sandbox, "python3 -c 'import pip, ensurepip'")["exitCode"] != 0:
            self.skipTest("no python3-pip or python3-venv for /usr/bin/python3")
        wheel = base64.b64encode(make_wheel()).decode()
        self.out("echo %s | base64 -d > ours-1-py3-none-any.whl" % wheel)
        self.out("pip install --no-index ./ours-1-py3-none-any.whl > log 2>&1 || { cat log; exit 1; }")
        self.assertEqual(self.out("python -c 'import ours; ours.main()'; ours"), "ours\nours\n")
        code = self.server.call("POST", "/toolbox/%s/process/code-run" % self.sandbox, {"code": "import ours; ours.main()", "language": "python"}).json
        self.assertEqual(code["result"], "ours\n")
        self.out("python -m venv v && v/bin/pip install --no-index ./ours-1-py3-none-any.whl && v/bin/ours")

    def test_session_of_the_entrypoint(self):
        session = self.status(200, self.toolbox("GET", "/process/session/entrypoint")).json
        self.assertEqual(session, {"sessionId": "entrypoint", "commands": [{"id": "entrypoint_command", "command": "'sleep' 'infinity'"}]})
        self.assertEqual(self.status(200, self.toolbox("GET", "/process/session/entrypoint/logs")).json, {"output": "", "stdout": "", "stderr": ""})
        self.assertEqual(self.toolbox("GET", "/process/session").json, [s for s in self.toolbox("GET", "/process/session").json
                                                                         if s["sessionId"] != "entrypoint"])
        self.assertEqual(self.out("pgrep -x -c sleep"), "1\n")
        snapshot = self.server.api("GET", "/snapshots").json["items"][0]
        self.assertEqual(snapshot["entrypoint"], ["sleep", "infinity"])
        for method, path, body in (("DELETE", "", None), ("POST", "/exec", {"command": "x"}),
                                   ("POST", "/command/entrypoint_command/input", {"data": "x"})):
            self.status(400, self.toolbox(method, "/process/session/entrypoint" + path, body))

    def test_log_of_the_entrypoint_is_followed_to_its_end(self):
        box = self.server.create()["id"]
        path = "/toolbox/%s/process/session/entrypoint/logs?follow=true" % box
        ws = self.server.websocket(path, [("X-Daytona-SDK-Version", "0.226.1")])
        self.server.execute(box, "echo said > /proc/$(pgrep -x sleep)/fd/1; echo wrong > /proc/$(pgrep -x sleep)/fd/2")
        self.server.execute(box, "pkill -x sleep")
        frames, code, _ = ws.until_close()
        log = b"".join(payload for _, payload in frames)
        self.assertEqual((sorted(log.splitlines(True)), code), ([b"\1\1\1said\n", b"\2\2\2wrong\n"], 1000))
        answer = self.server.call("GET", "/toolbox/%s/process/session/entrypoint" % box).json
        self.assertEqual(answer["commands"][0]["exitCode"], 143)
        self.assertEqual(self.server.state_of(box), "started")

    def test_entrypoint_begins_anew_with_the_sandbox(self):
        box = self.server.create()["id"]
        self.server.execute(box, "pkill -x sleep")
        self.status(200, self.server.api("POST", "/sandbox/%s/stop" % box))
        self.server.wait(box, "stopped")
        self.status(200, self.server.api("POST", "/sandbox/%s/start" % box))
        self.server.wait(box, "started")
        commands = self.server.call("GET", "/toolbox/%s/process/session/entrypoint" % box).json["commands"]
        self.assertEqual(len(commands), 1)
        self.assertNotIn("exitCode", commands[0])


class SharedVolume(harness.Case):
    """Sandboxes of a root server have users of their own; a volume is everybody's all the same."""

    def out(self, box, command):
        answer = self.server.execute(box, command)
        self.assertEqual(answer["exitCode"], 0, (command, answer["result"]))
        return answer["result"]

    def test_each_may_write_overwrite_and_delete_what_the_other_made(self):
        self.server.api("POST", "/volumes", {"name": "both"})
        one, two = (self.server.create(volumes=[{"volumeId": "both", "mountPath": "/v"}])["id"] for _ in range(2))
        self.out(one, "mkdir -m 0755 /v/dir; umask 077; echo one > /v/dir/file; mkdir /v/dir/closed; echo x > /v/dir/closed/x; chmod 600 /v/dir/file")
        self.assertEqual(self.out(two, "cat /v/dir/file; echo two > /v/dir/file; echo new > /v/dir/new; rm -r /v/dir/closed; stat -c %U /v/dir/file /v/dir/new"),
                         "one\ndaytona\ndaytona\n")
        self.assertEqual(self.out(one, "cat /v/dir/file; rm /v/dir/file; chmod 700 /v/dir/new; mv /v/dir /v/other; ls /v/other"), "two\nnew\n")
        self.out(two, "rm -r /v/other")
        # By the file calls, which set modes.
        for box, other in ((one, two), (two, one)):
            path = "/v/by-" + box
            self.status(201, self.server.call("POST", "/toolbox/%s/files/folder?path=%s&mode=755" % (box, path)))
            self.out(other, "echo y > %s/y && rm -r %s" % (path, path))

    def test_a_part_of_a_volume(self):
        self.server.api("POST", "/volumes", {"name": "parts"})
        one = self.server.create(volumes=[{"volumeId": "parts", "mountPath": "/v", "subpath": "a/b"}])["id"]
        two = self.server.create(volumes=[{"volumeId": "parts", "mountPath": "/v"}])["id"]
        self.out(one, "umask 077; mkdir /v/c; echo 1 > /v/c/f")
        self.out(two, "echo 2 > /v/a/b/c/f; echo 3 > /v/a/b/g; rm /v/a/b/c/f; mkdir /v/a/new; mv /v/a/b/g /v/a/g")

    @unittest.skipUnless(os.geteuid() == 0, "sandboxes have the server's own user")
    def test_what_an_older_version_left_is_everybodys_too(self):
        made = self.server.api("POST", "/volumes", {"name": "old"}).json
        root = os.path.join(self.server.state, "volumes", made["id"])
        os.makedirs(root + "/dir")
        os.chmod(root + "/dir", 0o755)
        os.chown(root + "/dir", 200007, 200007)
        with open(root + "/by-root", "w") as file:
            file.write("x")
        os.chmod(root + "/by-root", 0o666)
        box = self.server.create(volumes=[{"volumeId": "old", "mountPath": "/v"}])["id"]
        self.out(box, "echo y > /v/dir/y; echo y > /v/by-root; rm -r /v/dir /v/by-root")

    @unittest.skipUnless(os.geteuid() == 0, "sandboxes have the server's own user")
    def test_no_file_of_a_volume_is_roots(self):
        made = self.server.api("POST", "/volumes", {"name": "marks"}).json
        box = self.server.create(volumes=[{"volumeId": "marks", "mountPath": "/v"}])["id"]
        self.out(box, "cp /bin/true /v/t; chmod 6755 /v/t")
        found = os.stat(os.path.join(self.server.state, "volumes", made["id"], "t"))
        self.assertNotEqual((found.st_uid, found.st_gid), (0, 0))
        self.assertGreaterEqual(found.st_uid, 200000)


if __name__ == "__main__":
    harness.main()
