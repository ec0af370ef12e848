# SPDX-License-Identifier: Apache-2.0
"""daytona-local image import, list, remove and prune: on a state directory with and without a server that runs on it."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "server"))
import harness  # noqa: E402
from engine_driver import Image, busybox_root, lacking, layer_of  # noqa: E402


class Commands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        missing = lacking("buildah", "crun", "busybox")
        if missing:
            raise unittest.SkipTest("%s is not installed" % missing)
        cls.place = tempfile.mkdtemp(prefix="dl-image-cli-", dir="/var/tmp")
        cls.root = busybox_root(os.path.join(cls.place, "busybox"))
        cls.base = Image(layer_of(cls.root), Cmd=["/bin/sh"])
        cls.archive = cls.base.docker_archive(os.path.join(cls.place, "base.tar"), "base:1")
        cls.count = 0

    @classmethod
    def tearDownClass(cls):
        subprocess.run(["rm", "-rf", cls.place], check=False)

    def setUp(self):
        type(self).count += 1
        self.state = os.path.join(self.place, "state%d" % self.count)

    def image(self, *words, cwd=None, env=None):
        return subprocess.run([os.path.abspath(harness.program()), "image", *words, "--state", self.state], capture_output=True,
                              text=True, timeout=120, cwd=cwd, env=env)

    def images(self):
        done = self.image("list", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def names(self):
        return sorted(name for image in self.images() for name in image["names"])

    def check_all(self):
        """Every command once, on the state directory as it is."""
        done = self.image("import", "base:1", self.archive)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("docker.io/library/base:1  (imported)", done.stdout)
        # A path is that of the caller.
        done = self.image("import", "acme/rooted:2", "busybox", cwd=self.place)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.names(), ["docker.io/acme/rooted:2", "docker.io/library/base:1"])
        shown = self.image("list").stdout
        self.assertRegex(shown, r"(?m)^%s +[\d.]+ [kM]B  docker.io/library/base:1  \(imported\)$" % self.base.id[:12])
        self.assertRegex(shown, r"(?m)^all layers: +[\d.]+ [kM]B$")
        done = self.image("prune")
        self.assertEqual((done.returncode, len(self.names())), (0, 2), done.stderr)
        done = self.image("remove", "acme/rooted:2")
        self.assertEqual((done.returncode, self.names()), (0, ["docker.io/library/base:1"]), done.stderr)
        for words, said in ((("remove", "acme/rooted:2"), "there is no image acme/rooted:2"),
                            (("import", "x:1", self.place + "/absent"), "absent: No such file"),
                            (("import", "Not A Name", self.archive), "is no name"),
                            (("import", "x:1", __file__), "not an image archive")):
            done = self.image(*words)
            self.assertEqual(done.returncode, 1, words)
            self.assertIn(said, done.stderr)
        self.assertEqual(self.names(), ["docker.io/library/base:1"])

    def test_without_a_server(self):
        self.check_all()

    def test_with_a_server(self):
        os.mkdir(self.state, 0o700)
        server = harness.Server(state=self.state)
        try:
            self.check_all()
        finally:
            self.assertEqual(server.stop(), 0)
        self.assertFalse(os.path.exists(self.state + "/images/door"))
        self.assertEqual(self.names(), ["docker.io/library/base:1"])

    def test_a_server_sees_what_was_imported_before(self):
        self.assertEqual(self.image("import", "base:1", self.archive).returncode, 0)
        server = harness.Server(state=self.state)
        try:
            self.assertEqual(self.names(), ["docker.io/library/base:1"])
        finally:
            self.assertEqual(server.stop(), 0)

    def test_after_a_server_that_was_killed(self):
        os.mkdir(self.state, 0o700)
        server = harness.Server(state=self.state)
        server.stop(signal.SIGKILL)
        self.assertTrue(os.path.exists(self.state + "/images/door"))
        self.check_all()

    def test_a_server_without_its_door_serves(self):
        os.makedirs(self.state + "/images/door/full", 0o700)
        server = harness.Server(state=self.state)
        try:
            self.assertEqual(server.call("GET", "/api/sandbox").status, 200)
            done = self.image("list")
            self.assertEqual(done.returncode, 1)
            self.assertIn("server", done.stderr)
        finally:
            self.assertEqual(server.stop(), 0)

    def test_a_deep_state_directory(self):
        self.state = os.path.join(self.place, *["d" * 60] * 4)
        os.makedirs(self.state, 0o700)
        server = harness.Server(state=self.state)
        try:
            self.assertEqual(self.image("import", "base:1", self.archive).returncode, 0)
            self.assertEqual(self.names(), ["docker.io/library/base:1"])
        finally:
            self.assertEqual(server.stop(), 0)

    def test_an_interrupted_import_leaves_nothing(self):
        os.mkdir(self.state, 0o700)
        for has_server in (False, True):
            server = harness.Server(state=self.state) if has_server else None
            fifo = os.path.join(self.place, "folder%d" % has_server)
            shutil.copytree(self.root, fifo, symlinks=True)
            with open(fifo + "/big", "wb") as file:
                for _ in range(400):  # takes longer than it takes to see the import
                    file.write(os.urandom(1 << 20))
            # On some machines it is over before it is seen: then once more.
            for _ in range(10):
                command = subprocess.Popen([harness.program(), "image", "import", "big:1", fifo, "--state", self.state],
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                harness.until(lambda: command.poll() is not None or
                              [line for _, line in harness.processes() if self.state in line and "image-jail" in line])
                if command.poll() is None:
                    command.send_signal(signal.SIGINT)
                command.wait(30)
                harness.until(lambda: not [line for _, line in harness.processes() if self.state + "/images" in line])
                # A signal can come when all is done, and then the image is there, and whole.
                if command.returncode != 0 and not self.names():
                    break
                self.assertEqual(self.image("remove", "big:1").returncode, 0)
            self.assertNotEqual(command.returncode, 0)
            self.assertEqual(self.names(), [])
            if server:
                self.assertEqual(server.stop(), 0)

    def test_others_are_not_let_in(self):
        if os.geteuid() != 0:
            self.skipTest("only root becomes another user")
        os.mkdir(self.state, 0o700)
        server = harness.Server(state=self.state)
        try:
            pid = os.fork()
            if pid == 0:
                os.setgroups([])
                os.setresgid(65534, 65534, 65534)
                os.setresuid(65534, 65534, 65534)
                try:
                    socket.socket(socket.AF_UNIX).connect(self.state + "/images/door")
                except PermissionError:
                    os._exit(7)
                os._exit(1)
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 7)
        finally:
            self.assertEqual(server.stop(), 0)

    def test_what_comes_through_the_door_is_not_trusted(self):
        os.mkdir(self.state, 0o700)
        server = harness.Server(state=self.state)
        try:
            for text in (b"", b"\n", b"{}\n", b"[]\n", b"null\n", b"{\"command\":7}\n", b"{\"command\":\"import\"}\n", b"\xff\xfe\n",
                         b"{\"command\":\"import\",\"name\":\"x:1\",\"path\":\"relative\"}\n", b"x" * 200000):
                with socket.socket(socket.AF_UNIX) as sock:
                    sock.settimeout(20)
                    sock.connect(self.state + "/images/door")
                    try:
                        sock.sendall(text)
                        sock.shutdown(socket.SHUT_WR)
                        answer = sock.makefile("rb").read()
                    except (BrokenPipeError, ConnectionResetError):
                        answer = b""
                if answer:
                    self.assertTrue(json.loads(answer.splitlines()[-1])["error"], text[:80])
            self.assertEqual(self.names(), [])
        finally:
            self.assertEqual(server.stop(), 0)

    def test_inside_of_run(self):
        script = ('set -e; "$0" image import base:1 "$1"; "$0" image list')
        done = subprocess.run([harness.program(), "run", "--", "sh", "-c", script, os.path.abspath(harness.program()), self.archive],
                              capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.count("docker.io/library/base:1  (imported)"), 2)

    def test_usage(self):
        program = harness.program()
        done = subprocess.run([program, "image", "--help"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("image import NAME FILE|FOLDER", done.stdout)
        for words in ((), ("fly",), ("import",), ("import", "x:1"), ("list", "x"), ("remove",), ("prune", "x"), ("list", "--no"),
                      ("import", "a", "b", "c")):
            done = subprocess.run([program, "image", *words, "--state", self.state], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
        self.assertFalse(os.path.exists(self.state))


class Options(unittest.TestCase):
    def test_what_cannot_be(self):
        for words, said in ((("--registry-mirror", "docker.io"), "must be REGISTRY=MIRROR"), (("--build-env", "=x"), "must be NAME or NAME=VALUE"),
                            (("--build-env", "A-B=x"), "must be NAME or NAME=VALUE"), (("--sandbox-env", ""), "must be NAME or NAME=VALUE"),
                            (("--registry-auth-file", "/absent"), "cannot be read"), (("--registry-insecure", "a b"), "must be HOST"),
                            (("--build-env", "NOT_IN_THE_ENVIRONMENT_7"), "is not in the environment")):
            done = subprocess.run([harness.program(), "serve", *words], capture_output=True, text=True, timeout=20)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(words[0] + " " + said, done.stderr)
            self.assertNotIn("x\n", done.stderr)


if __name__ == "__main__":
    harness.main()
