# SPDX-License-Identifier: Apache-2.0
"""The life of sandboxes on images, with nothing but busybox in them: files, users, archives, volumes, kills."""
import os
import shutil
import signal
import tempfile
import time
import unittest
import uuid

import harness
from image_fixtures import Registry, busybox_layer, missing

registry = None
ORDINARY_USER = 64000


def setUpModule():
    global registry
    if missing():
        raise unittest.SkipTest(missing())
    registry = Registry()
    registry.push("root", "1", busybox_layer([("etc/old", b"old\n")]), Cmd=["sleep", "1000"], Env=["PATH=/bin", "FROM=image"])
    registry.push("talker", "1", busybox_layer(), Entrypoint=["/bin/sh", "-c"], Cmd=["echo first; echo second >&2; read x; exec sleep 1000"])
    registry.push("app", "1", busybox_layer(), User="app", WorkingDir="/srv/app")


def tearDownModule():
    if registry:
        registry.close()


class Boxes(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.options = registry.options()
        super().setUpClass()
        cls.root, cls.app = cls.snapshot(cls.server, "root"), cls.snapshot(cls.server, "app")

    @staticmethod
    def snapshot(server, image):
        """Its name, once it is active."""
        name = "%s-%s" % (image, uuid.uuid4().hex[:8])
        made = server.api("POST", "/snapshots", {"name": name, "imageName": "%s/%s:1" % (registry.name, image)})
        assert made.status == 200, made.body
        path = "/snapshots/" + made.json["id"]
        harness.until(lambda: server.api("GET", path).json["state"] in ("active", "error"), 60)
        found = server.api("GET", path).json
        assert found["state"] == "active", found
        return name

    def run_in(self, box, command, code=0):
        found = self.server.execute(box, command)
        self.assertEqual(found["exitCode"], code, found)
        return found["result"]

    def post(self, box, action, *states):
        self.status(200, self.server.api("POST", "/sandbox/%s/%s" % (box, action)))
        self.server.wait(box, *states)


class Life(Boxes):
    def test_it_is_the_image_and_the_sandbox_together(self):
        box = self.server.create(snapshot=self.root, env={"OWN": "sandbox"}, name="of-" + uuid.uuid4().hex[:8])
        self.assertEqual(box["user"], "root")
        self.assertEqual(self.run_in(box["id"], "echo $FROM $OWN $HOME; cat /etc/old; id -u; hostname"),
                         "image sandbox /root\nold\n0\n%s\n" % box["id"])
        box = self.server.create(snapshot=self.app)
        self.assertEqual(box["user"], "app")
        self.assertEqual(self.run_in(box["id"], "id -un; pwd; touch x && stat -c %U x"), "app\n/srv/app\napp\n")

    def test_stop_and_start_keep_the_layer_and_nothing_else(self):
        box = self.server.create(snapshot=self.root)["id"]
        self.run_in(box, "echo new > /etc/new; rm /etc/old /bin/vi; rm -r /root && mkdir /root; sleep 4712 > /dev/null 2>&1 &")
        harness.wait_process("sleep 4712")
        self.post(box, "stop", "stopped")
        self.assertFalse([1 for _, line in harness.processes() if line == "sleep 4712"])
        self.post(box, "start", "started")
        self.assertEqual(self.run_in(box, "cat /etc/new; ls /root"), "new\n")
        self.assertEqual(self.run_in(box, "test -e /etc/old; echo $?; test -e /bin/vi; echo $?"), "1\n1\n")
        other = self.server.create(snapshot=self.root)["id"]
        self.assertEqual(self.run_in(other, "cat /etc/old; ls /etc/new 2> /dev/null | wc -l"), "old\n0\n")

    def test_archive_restore_and_delete(self):
        box = self.server.create(snapshot=self.root)["id"]
        self.run_in(box, "rm /etc/old; mkdir /d; echo x > /d/f; chown -R 1000:50 /d; chmod 700 /d; ln -s /etc/passwd /l")
        disk = self.server.call("GET", "/admin/info").json["disk"][box]
        self.assertTrue(4096 <= disk < 500000, disk)
        self.post(box, "stop", "stopped")
        self.post(box, "archive", "archived")
        self.assertFalse(os.path.exists(os.path.join(self.server.state, "sandboxes", box, "home")))
        self.post(box, "start", "restoring", "started")
        self.server.wait(box, "started")
        self.assertEqual(self.run_in(box, "ls /etc/old 2> /dev/null | wc -l; stat -c '%u %g %a' /d; cat /d/f; readlink /l"),
                         "0\n1000 50 700\nx\n/etc/passwd\n")
        self.status(200, self.server.api("DELETE", "/sandbox/" + box))
        self.server.wait(box, 404)
        harness.until(lambda: not os.listdir(os.path.join(self.server.state, "trash")))
        self.assertFalse(os.path.exists(os.path.join(self.server.state, "sandboxes", box)))

    def test_snapshot_of_a_running_sandbox(self):
        box = self.server.create(snapshot=self.app, user="root")["id"]
        self.run_in(box, "rm /bin/vi; mkdir -p /srv/app/d; echo x > /srv/app/d/f; chown -R 1000:50 /srv/app/d; chmod 700 /srv/app/d; rm -r /tmp; mkdir /tmp")
        name = "of-a-sandbox-" + uuid.uuid4().hex[:8]
        self.status(200, self.server.api("POST", "/sandbox/%s/snapshot" % box, {"name": name}))
        self.server.wait(box, "started")
        self.assertEqual(self.server.api("GET", "/snapshots/" + name).json["state"], "active")
        self.run_in(box, "echo later > /srv/app/d/f")
        # The image stays for it, and its user is that of the image again.
        self.status(200, self.server.api("DELETE", "/sandbox/" + box))
        other = self.server.create(snapshot=name)
        self.assertEqual((other["user"], other["sandboxClass"]), ("app", "container"))
        self.assertEqual(self.run_in(other["id"], "id -un; ls /bin/vi 2> /dev/null | wc -l; stat -c '%u %g %a' /srv/app/d; cat /srv/app/d/f"),
                         "app\n0\n1000 50 700\nx\n")

    def test_fork_of_a_virtual_machine(self):
        name = "machine-" + uuid.uuid4().hex[:8]
        made = self.status(200, self.server.api("POST", "/snapshots", {"name": name, "imageName": registry.name + "/root:1", "sandboxClass": "linux-vm"}))
        harness.until(lambda: self.server.api("GET", "/snapshots/" + made.json["id"]).json["state"] == "active", 60)
        parent = self.server.create(snapshot=name)
        self.assertEqual(parent["sandboxClass"], "linux-vm")
        self.run_in(parent["id"], "rm /etc/old; echo new > /etc/new")
        child = self.status(200, self.server.api("POST", "/sandbox/%s/fork" % parent["id"])).json["id"]
        self.server.wait(child, "started")
        self.assertEqual(self.run_in(child, "cat /etc/new; ls /etc/old 2> /dev/null | wc -l; echo $FROM"), "new\n0\nimage\n")
        self.post(child, "pause", "paused")
        self.post(child, "start", "started")
        self.assertEqual(self.run_in(child, "cat /etc/new"), "new\n")

    def test_entrypoint_of_the_image_with_its_log(self):
        box = self.server.create(snapshot=self.snapshot(self.server, "talker"))["id"]
        path = "/toolbox/%s/process/session/entrypoint" % box
        found = self.status(200, self.server.call("GET", path)).json
        self.assertEqual(len(found["commands"]), 1)
        self.assertIn("'/bin/sh' '-c'", found["commands"][0]["command"])
        headers = {"X-Daytona-SDK-Version": "0.205.1"}
        log = harness.until(lambda: (lambda l: l if "second" in l["stderr"] else None)(self.server.call("GET", path + "/logs", headers=headers).json))
        self.assertEqual((log["stdout"], log["stderr"]), ("first\n", "second\n"))

    def test_volumes_are_shared_and_kept(self):
        volume = self.status(200, self.server.api("POST", "/volumes", {"name": uuid.uuid4().hex})).json["id"]
        mounts = [{"volumeId": volume, "mountPath": "/srv/data"}, {"volumeId": volume, "mountPath": "/other/place", "subpath": "sub"}]
        one = self.server.create(snapshot=self.app, volumes=mounts)["id"]
        two = self.server.create(snapshot=self.root, volumes=mounts[:1])["id"]
        plain = self.server.create(volumes=mounts[:1])["id"]
        self.assertEqual(self.run_in(one, "echo 1 > /other/place/f; stat -c %U /srv/data/sub/f"), "app\n")
        self.assertEqual(self.run_in(two, "cat /srv/data/sub/f; echo 2 >> /srv/data/sub/f"), "1\n")
        self.assertEqual(self.run_in(plain, "cat /srv/data/sub/f; echo 3 >> /srv/data/sub/f"), "1\n2\n")
        self.post(one, "stop", "stopped")
        self.post(one, "start", "started")
        self.assertEqual(self.run_in(one, "cat /srv/data/sub/f"), "1\n2\n3\n")

    def test_terminals_files_and_previews(self):
        box = self.server.create(snapshot=self.app)["id"]
        path = "/toolbox/%s" % box
        self.status(201, self.server.call("POST", path + "/process/pty", {"id": "t"}))
        terminal = self.server.websocket(path + "/process/pty/t/connect")
        terminal.send(b"echo $((6 * 7)) $USER\n")
        seen = b""
        while b"42 app" not in seen:
            seen += terminal.frame()[1]
        terminal.close()
        self.run_in(box, "mkdir www; echo hi > www/index.html; httpd -p 8080 -h www")
        url = self.server.api("GET", "/sandbox/%s/ports/8080/preview-url" % box).json
        answer = harness.until(lambda: self.server.call("GET", "/index.html", host="8080-%s.localhost" % box,
                                                        headers={"x-daytona-preview-token": url["token"]}, key=""))
        self.assertEqual((answer.status, answer.body), (200, b"hi\n"))

    def test_language_servers_and_accessibility_are_those_of_the_image(self):
        box = self.server.create(snapshot=self.root)["id"]
        start = ("POST", "/toolbox/%s/lsp/start" % box, {"languageId": "python", "pathToProject": "/root"})
        answer = self.server.call(*start)
        self.assertIn("pylsp is not installed in the sandbox", self.status(500, answer).json["message"])
        # All that the start needs, in a shell.
        body = '{"jsonrpc":"2.0","id":1,"result":{"capabilities":{}}}'
        self.run_in(box, """cat > /bin/pylsp <<'END'
#!/bin/sh
printf 'Content-Length: %%d\\r\\n\\r\\n%%s' %d '%s'
exec sleep 1234
END
chmod +x /bin/pylsp""" % (len(body), body))
        self.status(200, self.server.call(*start))
        harness.wait_process("sleep 1234")
        self.status(200, self.server.call("POST", "/toolbox/%s/lsp/stop" % box, start[2]))
        answer = self.server.call("GET", "/toolbox/%s/computeruse/a11y/tree" % box)
        self.assertEqual(self.status(503, answer).json["code"], "A11Y_UNAVAILABLE")
        # What says so is our program, which the image does not have, where it was built.
        self.assertIn("accessibility", answer.json["message"])

    def test_resize(self):
        box = self.server.create(snapshot=self.root)["id"]
        answer = self.server.api("POST", "/sandbox/%s/resize" % box, {"cpu": 2, "memory": 2})
        self.status(200, answer)
        self.server.wait(box, "started")
        self.assertEqual(self.run_in(box, "echo here"), "here\n")

    def test_the_first_output_comes_soon(self):
        times = []
        for _ in range(5):
            begin = time.monotonic()
            self.run_in(self.server.create(snapshot=self.root)["id"], "true")
            times.append(time.monotonic() - begin)
        self.assertLess(sorted(times)[2], 3)


class Kills(unittest.TestCase):
    def test_a_killed_server_leaves_a_sandbox_that_starts_again(self):
        state = tempfile.mkdtemp(prefix="dl-test-")
        server = harness.Server(*registry.options(), state=state)
        try:
            name = Boxes.snapshot(server, "root")
            box = server.create(snapshot=name)["id"]
            server.execute(box, "echo kept > /kept; rm /etc/old; sleep 4713 > /dev/null 2>&1 &")
            harness.wait_process("sleep 4713")
            server.stop(signal.SIGKILL)
            harness.until(lambda: not [1 for _, line in harness.processes() if line == "sleep 4713"])
            with open("/proc/mounts", encoding="utf-8") as mounts:
                self.assertNotIn(state, mounts.read())
            server = harness.Server(*registry.options(), state=state)
            if server.wait(box, "started", "stopped", "error") != "started":
                self.assertEqual(server.api("POST", "/sandbox/%s/start" % box).status, 200)
                server.wait(box, "started")
            self.assertEqual(server.execute(box, "cat /kept; ls /etc/old 2> /dev/null | wc -l")["result"], "kept\n0\n")
            self.assertEqual(server.api("DELETE", "/sandbox/" + box).status, 200)
        finally:
            server.stop()
            shutil.rmtree(state, ignore_errors=True)


@unittest.skipIf(os.geteuid() != 0, "only root can be another user")
class OrdinaryUser(unittest.TestCase):
    """A server whose user has ids in /etc/subuid, as useradd gives them; seen by that server only."""

    START = """#!/bin/sh
exec unshare -m sh -ec '
add() { f=$(mktemp); cat $1 > $f; echo $2 >> $f; chmod 644 $f; mount --bind $f $1; rm $f; }
add /etc/passwd tester:x:%(user)d:%(user)d::/nonexistent:/bin/sh
add /etc/subuid tester:700000:65536
add /etc/subgid tester:700000:65536
exec setpriv --reuid=%(user)d --regid=%(user)d --clear-groups %(program)s "$@"' sh "$@"
"""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="dl-test-")
        self.state = os.path.join(self.folder, "state")
        os.mkdir(self.state)
        os.chmod(self.folder, 0o755)
        os.chown(self.state, ORDINARY_USER, ORDINARY_USER)
        self.start = os.path.join(self.folder, "start")
        with open(self.start, "w", encoding="utf-8") as script:
            script.write(self.START % {"user": ORDINARY_USER, "program": harness.program()})
        os.chmod(self.start, 0o755)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def test_users_archives_and_removal(self):
        if not shutil.which("newuidmap"):
            self.skipTest("newuidmap is not installed (package uidmap)")
        if harness.lacks("mount"):
            self.skipTest(harness.lacks("mount"))
        state = self.state
        server = harness.Server(*registry.options(), state=state, exe=self.start)
        try:
            app = server.create(snapshot=Boxes.snapshot(server, "app"))["id"]
            found = server.execute(app, "id -u; umask 077; mkdir -p d/e; echo 1 > d/e/f; stat -c %U d/e/f")["result"]
            self.assertEqual(found, "1000\napp\n")
            for action, wanted in (("stop", "stopped"), ("archive", "archived"), ("start", "started")):
                self.assertEqual(server.api("POST", "/sandbox/%s/%s" % (app, action)).status, 200)
                server.wait(app, wanted)
            self.assertEqual(server.execute(app, "cat d/e/f; stat -c '%U %a' d")["result"], "1\napp 700\n")
            self.assertIsInstance(server.call("GET", "/admin/info").json["disk"][app], int)
            self.assertEqual(server.api("DELETE", "/sandbox/" + app).status, 200)
            name = Boxes.snapshot(server, "root")
            box = server.create(snapshot=name)["id"]
            run = lambda command: server.execute(box, command)["result"]
            self.assertEqual(run("id -u; cat /etc/old; rm /etc/old; mkdir -m 0 /shut; echo x > /y"), "0\nold\n")
            for action, wanted in (("stop", "stopped"), ("archive", "archived"), ("start", "started")):
                self.assertEqual(server.api("POST", "/sandbox/%s/%s" % (box, action)).status, 200)
                server.wait(box, wanted)
            self.assertEqual(run("ls /etc/old 2> /dev/null | wc -l; stat -c %a /shut; cat /y"), "0\n0\nx\n")
            self.assertIsInstance(server.call("GET", "/admin/info").json["disk"][box], int)
            self.assertEqual(server.api("DELETE", "/sandbox/" + box).status, 200)
            server.wait(box, 404)
            harness.until(lambda: not os.listdir(os.path.join(state, "trash")))
        finally:
            server.stop()


if __name__ == "__main__":
    harness.main()
