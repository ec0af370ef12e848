# SPDX-License-Identifier: Apache-2.0
"""An imported image all the way: in FROM, in a snapshot, in a sandbox, with no registry anywhere; variables; a killed server."""
import os
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "server"))
import harness  # noqa: E402
from engine_driver import Image, busybox_root, lacking, layer_of, tar_of  # noqa: E402
from s3_client import S3  # noqa: E402

SECRET = "hush-Zx81-hush"


class FromImport(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        missing = lacking("buildah", "crun", "busybox")
        if missing:
            raise unittest.SkipTest("%s is not installed" % missing)
        cls.place = tempfile.mkdtemp(prefix="dl-images-", dir="/var/tmp")
        base = Image(layer_of(busybox_root(os.path.join(cls.place, "busybox"))), Cmd=["/bin/sh"], Env=["PATH=/bin", "OWN=image"])
        archive = base.docker_archive(os.path.join(cls.place, "base.tar"), "base:1")
        cls.state = os.path.join(cls.place, "state")
        done = subprocess.run([harness.program(), "image", "import", "acme/base:1", archive, "--state", cls.state], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    @classmethod
    def tearDownClass(cls):
        subprocess.run(["rm", "-rf", cls.place], check=False)

    def serve(self):
        server = harness.Server("--build-env", "INDEX=" + SECRET, "--sandbox-env", "OWN=server", "--sandbox-env", "MIRROR=http://mirror.example",
                                state=self.state, env={**os.environ, "HTTPS_PROXY": "http://user:Passw0rd9@proxy.example:1"})
        self.addCleanup(lambda: self.assertEqual(server.stop(), 0) if server.process.returncode is None else None)
        return server

    def create(self, server, **fields):
        answer = server.api("POST", "/sandbox", fields, timeout=120)
        self.assertEqual(answer.status, 200, answer.body)
        name = answer.json["id"]
        self.assertEqual(server.wait(name, "started", "error", "build_failed", limit=120), "started", server.api("GET", "/sandbox/" + name).json)
        return name

    def test_from(self):
        server = self.serve()
        text = "FROM acme/base:1\nRUN test ${#INDEX} = %d && echo \"have $INDEX\" && test ${#HTTPS_PROXY} = 22\nENV SET=1\n" % len(SECRET)
        name = self.create(server, buildInfo={"dockerfileContent": text}, env={"MIRROR": "http://own.example"})
        shown = server.execute(name, "env")["result"]
        for line in ("OWN=server", "SET=1", "MIRROR=http://own.example", "HTTPS_PROXY=http://proxy.example:1"):
            self.assertIn("\n" + line + "\n", "\n" + shown + "\n")
        self.assertNotIn(SECRET, shown)
        self.assertNotIn("Passw0rd9", shown)
        url = server.api("GET", "/sandbox/%s/build-logs-url" % name).json["url"]
        log = server.call("GET", "/" + url.split("/", 3)[3]).body.decode()
        self.assertIn("have ***", log)
        self.assertNotIn(SECRET, log)
        self.assertNotIn("MIRROR=http://mirror.example", str(server.api("GET", "/sandbox/" + name).json))
        found = subprocess.run(["grep", "-rlF", "-e", SECRET, "-e", "Passw0rd9", self.state + "/images/store", self.state + "/journal",
                                self.state + "/builds"], capture_output=True, text=True)
        self.assertEqual(found.stdout, "")
        self.assertEqual(server.api("DELETE", "/sandbox/" + name).status, 200)

    def test_contexts_of_the_object_store(self):
        server = self.serve()
        store, hashes = S3(server), ["a" * 32, "b" * 32]
        for name, entries in zip(hashes, ({"work/a.txt": b"first\n"}, {"work/b.txt": b"second\n"})):
            self.assertEqual(store.put(name + "/context.tar", tar_of(entries)).status, 200)
        text = 'FROM acme/base:1\nCOPY ["work/a.txt", "/in/"]\nCOPY ["work/b.txt", "/in/"]\n'
        name = self.create(server, buildInfo={"dockerfileContent": text, "contextHashes": hashes})
        self.assertEqual(server.execute(name, "cat /in/a.txt /in/b.txt")["result"], "first\nsecond\n")
        self.assertEqual(server.api("DELETE", "/sandbox/" + name).status, 200)
        # What the server keeps is still for its own user only.
        for folder, _, names in os.walk(self.state + "/objects"):
            for name in names:
                self.assertEqual(os.stat(os.path.join(folder, name)).st_mode & 0o077, 0, name)

    def test_snapshot(self):
        server = self.serve()
        answer = server.api("POST", "/snapshots", {"name": "from-import", "imageName": "acme/base:1"})
        self.assertEqual(answer.status, 200, answer.body)
        harness.until(lambda: server.api("GET", "/snapshots/from-import").json["state"] == "active", 60)
        name = self.create(server, snapshot="from-import")
        self.assertIn("OWN=server\n", server.execute(name, "env")["result"])
        # What a sandbox is made from stays when its names go.
        command = [harness.program(), "image", "remove", "acme/base:1", "--state", self.state]
        self.assertEqual(subprocess.run(command, capture_output=True).returncode, 0)
        self.assertEqual(subprocess.run([*command[:2], "prune", *command[4:]], capture_output=True).returncode, 0)
        self.assertEqual(server.api("POST", "/sandbox/%s/stop" % name).status, 200)
        server.wait(name, "stopped")
        self.assertEqual(server.api("POST", "/sandbox/%s/start" % name).status, 200)
        server.wait(name, "started")
        self.assertEqual(server.execute(name, "echo here")["result"], "here\n")
        self.assertEqual(server.api("DELETE", "/sandbox/" + name).status, 200)
        archive = os.path.join(self.place, "base.tar")
        done = subprocess.run([harness.program(), "image", "import", "acme/base:1", archive, "--state", self.state], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_killed_in_a_build(self):
        server = self.serve()
        marker = "sleep 1001"
        server.api("POST", "/snapshots", {"name": "killed", "buildInfo": {"dockerfileContent": "FROM acme/base:1\nRUN %s\n" % marker}})
        harness.wait_process(marker, 60)
        server.stop(signal.SIGKILL)
        harness.until(lambda: marker not in [line for _, line in harness.processes()], 10)
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            self.assertNotIn(self.state, file.read())
        again = self.serve()
        self.assertNotEqual(again.api("GET", "/snapshots/killed").json["state"], "active")
        harness.wait_process(marker, 60)  # the next server begins it anew
        self.assertEqual(again.api("DELETE", "/snapshots/" + again.api("GET", "/snapshots/killed").json["id"]).status, 200)
        harness.until(lambda: marker not in [line for _, line in harness.processes()], 20)


if __name__ == "__main__":
    harness.main()
