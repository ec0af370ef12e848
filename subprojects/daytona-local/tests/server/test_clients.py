# SPDX-License-Identifier: Apache-2.0
"""What the official clients of four languages send and rely on, beyond what ours does."""
import base64
import http.client
import io
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest
import zipfile

import harness

# Every field of a create, empty or with its default, as generated clients of Java, Go and Ruby fill in what nobody has set.
EMPTY = {"name": [""], "snapshot": [""], "user": [""], "env": [{}], "labels": [{}], "public": [False], "networkBlockAll": [False],
         "networkAllowList": [""], "domainAllowList": [""], "outboundProxyUrl": [""], "otelEndpointOverride": [""], "target": [""],
         "cpu": [0], "gpu": [0], "gpuType": [[], ""], "spot": [False], "memory": [0], "disk": [0], "autoStopInterval": [0, 15],
         "autoPauseInterval": [0], "autoArchiveInterval": [0, 10080], "autoDeleteInterval": [-1], "ttlMinutes": [0], "volumes": [[]],
         "buildInfo": [{}, {"dockerfileContent": "", "contextHashes": []}], "linkedSandbox": [""], "secrets": [[]], "kvm": [False], "queueTimeout": []}


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
        for values in ({f: v[0] for f, v in EMPTY.items() if v}, {f: None for f in EMPTY}):
            made = self.status(200, self.server.api("POST", "/sandbox", values)).json
            for field in ("outboundProxyUrl", "otelEndpointOverride", "networkAllowList", "domainAllowList", "target", "user", "snapshot"):
                self.assertEqual(made[field], plain[field], field)

    def test_fields_of_newer_clients(self):
        self.assertIsNone(self.server.create()["queueTimeout"])
        made = self.server.create(queueTimeout=5, kvm=False, name="queued")
        self.assertEqual((made["queueTimeout"], made["kvm"]), (5, False))
        self.assertEqual([i["queueTimeout"] for i in self.server.api("GET", "/sandbox").json["items"] if i["name"] == "queued"], [5])
        for body in ({"queueTimeout": 0}, {"queueTimeout": 1.5}, {"queueTimeout": "5"}, {"queueTimeout": -1}, {"kvm": True}):
            self.status(400, self.server.api("POST", "/sandbox", body))
        self.assertTrue(self.server.api("GET", "/config").json["oidc"]["provider"])

    def test_what_asks_for_something_is_refused(self):
        sentence = "Cannot specify Sandbox resources when using a snapshot"
        for body in ({"gpuType": ["H100"]}, {"gpuType": "H100"}, {"gpuType": ["of next year"]}, {"gpu": 1}):
            self.assertEqual(self.status(400, self.server.api("POST", "/sandbox", body)).json["message"], sentence, body)
        self.status(400, self.server.api("POST", "/sandbox", {"buildInfo": {"dockerfileContent": "", "contextHashes": ["x"]}}))
        self.assertIn("Secret b", self.status(404, self.server.api("POST", "/sandbox", {"secrets": [{"A": "b"}]})).json["message"])
        self.status(404, self.server.api("POST", "/sandbox", {"linkedSandbox": "other"}))


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


class Addresses(harness.Case):
    """Answers name the server as the client has called it, as far as that can be believed."""

    def seen(self, server, host, **headers):
        """(URL of toolbox calls, preview URL, what the configuration says) for a client that sends `host`."""
        ask = lambda path: server.api("GET", path, host=host, headers={k.replace("_", "-"): v for k, v in headers.items()}).json
        toolbox = {ask("/sandbox/web")["toolboxProxyUrl"], ask("/sandbox")["items"][0]["toolboxProxyUrl"], ask("/sandbox/paginated")["items"][0]
                   ["toolboxProxyUrl"], ask("/sandbox/%s/toolbox-proxy-url" % self.box)["url"],
                   ask("/config")["proxyToolboxUrl"]}
        preview = {ask("/sandbox/web/ports/3000/preview-url")["url"],
                   ask("/config")["proxyTemplateUrl"].replace("{{PORT}}", "3000").replace("{{sandboxId}}", self.box)}
        self.assertEqual((len(toolbox), len(preview)), (1, 1), (toolbox, preview))
        return toolbox.pop(), preview.pop().replace(self.box, "ID")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.box = cls.server.create(name="web")["id"]

    def test_loopback_names_and_own_addresses_have_the_clients_port(self):
        for host in ("localhost:13986", "127.0.0.1:13986", "[::1]:13986", "web.localhost:13986", "LOCALHOST:13986", "127.1.2.3:13986"):
            with self.subTest(host=host):
                self.assertEqual(self.seen(self.server, host), ("http://%s/toolbox" % host.lower(), "http://3000-ID.localhost:13986"))
        self.assertEqual(self.seen(self.server, "localhost"), ("http://localhost/toolbox", "http://3000-ID.localhost"))
        own = [a for a in subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout.split() if ":" not in a]
        for address in own[:1]:
            self.assertEqual(self.seen(self.server, address + ":81"), ("http://%s:81/toolbox" % address, "http://3000-ID.localhost:81"))

    def test_no_other_name_is_believed(self):
        port = self.server.port
        for host in ("evil.example", "evil.example:%d" % port, "192.0.2.7:80", "localhost.evil.example", "localhost:0", "localhost:99999",
                     "localhost:80x", "notlocalhost", "127.0.0.1.evil.example"):
            with self.subTest(host=host):
                self.assertEqual(self.seen(self.server, host), ("http://127.0.0.1:%d/toolbox" % port, "http://3000-ID.localhost:%d" % port))
        # Nor a header that anybody can send.
        self.assertEqual(self.seen(self.server, "localhost:81", X_Forwarded_Host="evil.example", X_Forwarded_Proto="https")[0],
                         "http://localhost:81/toolbox")

    def test_a_mapped_port_works_from_create_to_exec(self):
        """With a client that only knows the mapped port."""
        outside = socket.create_server(("127.0.0.1", 0))
        port = outside.getsockname()[1]

        def pump(a, b):
            try:
                while data := a.recv(65536):
                    b.sendall(data)
                b.shutdown(socket.SHUT_WR)
            except OSError:
                pass

        def serve():
            while True:
                try:
                    a, _ = outside.accept()
                except OSError:
                    return
                b = socket.create_connection(("127.0.0.1", self.server.port))
                for pair in ((a, b), (b, a)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()
        threading.Thread(target=serve, daemon=True).start()
        connection = http.client.HTTPConnection("localhost", port, timeout=40)
        key = {"Authorization": "Bearer " + self.server.key, "Content-Type": "application/json"}
        connection.request("POST", "/api/sandbox", "{}", key)
        made = json.loads(connection.getresponse().read())
        self.assertEqual(made["toolboxProxyUrl"], "http://localhost:%d/toolbox" % port)
        connection.request("POST", "/toolbox/%s/process/execute" % made["id"], '{"command":"echo $((6*7))"}', key)
        self.assertEqual(json.loads(connection.getresponse().read())["result"], "42\n")
        connection.close()
        outside.close()

    def test_options_say_it_for_everybody(self):
        server = harness.Server("--public-url", "https://sandboxes.test", "--proxy-domain", "previews.test", "--isolation=none")
        try:
            self.box = server.create(name="web")["id"]
            for host in ("localhost:81", "evil.example", "sandboxes.test"):
                self.assertEqual(self.seen(server, host), ("https://sandboxes.test/toolbox", "https://3000-ID.previews.test"))
        finally:
            self.assertEqual(server.stop(), 0)

    def test_a_listed_proxy_is_believed(self):
        server = harness.Server("--trusted-proxy", "127.0.0.1", "--proxy-domain", "previews.test", "--isolation=none")
        try:
            self.box = server.create(name="web")["id"]
            told = {"X_Forwarded_Host": "front.test:8443", "X_Forwarded_Proto": "https"}
            self.assertEqual(self.seen(server, "10.0.0.1", **told), ("https://front.test:8443/toolbox", "https://3000-ID.previews.test"))
            for bad in ("a b", "a/b", "user@host", "a,b", ""):
                told["X_Forwarded_Host"] = bad
                self.assertEqual(self.seen(server, "10.0.0.1", **told)[0], "http://127.0.0.1:%d/toolbox" % server.port)
        finally:
            self.assertEqual(server.stop(), 0)


class Absent(harness.Case):
    def test_what_is_not_there_is_named(self):
        box = self.server.create()["id"]
        for method, path in (("GET", "/computeruse/a11y/tree"), ("POST", "/computeruse/a11y/find")):
            answer = self.server.call(method, "/toolbox/%s%s" % (box, path), {} if method == "POST" else None)
            self.assertEqual((self.status(503, answer).json["code"], answer.json["source"]), ("A11Y_UNAVAILABLE", "DAYTONA_DAEMON"))
            self.assertIn("accessibility", answer.json["message"])
        self.status(404, self.server.call("GET", "/toolbox/%s/nothing" % box))


class SharedVolume(harness.Case):
    """Sandboxes of a root server have users of their own; a volume is everybody's all the same."""

    def out(self, box, command):
        answer = self.server.execute(box, command)
        self.assertEqual(answer["exitCode"], 0, (command, answer["result"]))
        return answer["result"]

    @unittest.skipIf(os.geteuid() == 0 and harness.lacks("user"), "no id-mapped mounts: %s" % harness.lacks("user"))
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

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    @unittest.skipIf(harness.lacks("mount"), harness.lacks("mount"))
    def test_a_file_system_without_such_mounts(self):
        """overlayfs, as below a container: what is not closed on purpose is shared all the same."""
        top = tempfile.mkdtemp(prefix="dl-test-")
        self.addCleanup(shutil.rmtree, top)
        for name in ("lower", "upper", "work", "state"):
            os.mkdir(os.path.join(top, name))
        wrapper = os.path.join(top, "wrapper")
        with open(wrapper, "w") as file:
            file.write("#!/bin/sh\nexec unshare -m sh -c 'cd %s && mount --make-rprivate / && mount -t overlay overlay "
                       "-o lowerdir=lower,upperdir=upper,workdir=work state && exec \"$0\" \"$@\"' %s \"$@\"\n"
                       % (top, os.path.abspath(harness.program())))
        os.chmod(wrapper, 0o755)
        try:
            server = harness.Server(exe=wrapper, state=os.path.join(top, "state"))
        except RuntimeError:
            self.skipTest("no overlayfs here")
        try:
            server.api("POST", "/volumes", {"name": "both"})
            one, two = (server.create(volumes=[{"volumeId": "both", "mountPath": "/v"}])["id"] for _ in range(2))
            for box, other in ((one, two), (two, one)):
                self.assertEqual(server.execute(box, "mkdir /v/d; echo a > /v/d/f")["exitCode"], 0)
                self.assertEqual(server.execute(other, "echo b >> /v/d/f; cat /v/d/f; rm -r /v/d"), {"exitCode": 0, "result": "a\nb\n"})
        finally:
            self.assertEqual(server.stop(), 0)

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
