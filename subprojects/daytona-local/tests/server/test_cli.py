# SPDX-License-Identifier: Apache-2.0
"""What the command line says, and what it says nothing about: options, messages, keys, the log of requests."""
import json
import os
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import threading
import time
import unittest

import harness


def run(*arguments, env=None, **more):
    return subprocess.run([harness.program(), *arguments], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
                          env={**os.environ, **(env or {})}, **more)


class Serve:
    """`serve` with everything that it prints."""

    def __init__(self, *options, env=None, **more):
        self.err, self.is_up = "", threading.Event()
        self.process = subprocess.Popen([harness.program(), "serve", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        stdin=subprocess.DEVNULL, text=True, env={**os.environ, **(env or {})}, **more)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.is_up.wait(60)

    def read(self):
        for line in self.process.stderr:
            self.err += line
            if "listening on" in line:
                self.is_up.set()
        self.is_up.set()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        out = self.process.stdout.read()
        self.process.wait(30)
        self.reader.join(10)
        self.process.stdout.close()
        self.process.stderr.close()
        return out


class Words(unittest.TestCase):
    def test_help_of_each_command(self):
        for arguments, word in ((["--help"], "run [OPTIONS]"), (["-h"], "admin"), (["help"], "serve"), (["serve", "--help"], "--print-env"),
                                (["serve", "--key", "k", "-h"], "--log-requests"), (["run", "--help"], "--rate-limit"),
                                (["admin", "--help"], "/admin/clock")):
            done = run(*arguments)
            self.assertEqual((done.returncode, done.stderr), (0, ""), arguments)
            self.assertIn(word, done.stdout, arguments)
        self.assertNotIn("--print-env", run("run", "--help").stdout)

    def test_every_option_is_in_the_help(self):
        text = run("serve", "--help").stdout + run("run", "--help").stdout
        for option in ("--listen", "--state", "--key", "--key-file", "--jwt-token", "--organization-id", "--isolation", "--network",
                       "--node-modules", "--tls-cert", "--tls-key", "--tls-client-ca", "--public-url", "--proxy-domain", "--trusted-proxy",
                       "--allow-origin", "--region", "--clock-speed", "--create-answer", "--accept-unenforced", "--rate-limit", "--event-ping", "--max-cpu",
                       "--max-memory", "--max-disk", "--reader-patience", "--fault", "--print-env", "--log", "--log-requests", "--metrics-interval",
                       "--analytics-url"):
            self.assertIn(option, text)

    def test_an_unknown_command_is_named(self):
        done = run("serv")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("unknown command 'serv'", done.stderr)
        for arguments in (["--version"], ["-V"], ["version"]):
            self.assertRegex(run(*arguments).stdout, r"^daytona-local \d")

    def test_help_behind_the_dashes_is_the_commands(self):
        self.assertEqual(run("run", "--", "sh", "-c", "echo $1", "sh", "--help").stdout, "--help\n")


class Start(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="dl-test-", dir="/var/tmp")
        self.state = os.path.join(self.dir, "state")

    def tearDown(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def serve(self, *options, **more):
        return Serve("--listen", "127.0.0.1:0", "--state", self.state, *options, **more)

    def test_the_key_is_kept_for_the_next_start(self):
        first = self.serve()
        first.stop()
        path = os.path.join(self.state, "key")
        key = re.search(r"API key (dtn_[0-9a-f]{64}) \(kept in (.*)\)", first.err)
        self.assertEqual(key.group(2), path)
        found = os.stat(path)
        self.assertEqual((stat.S_IMODE(found.st_mode), found.st_uid), (0o600, os.geteuid()))
        second = self.serve("--print-env")
        url, out = re.search(r"listening on (\S+)", second.err).group(1), second.stop()
        self.assertEqual(out, "export DAYTONA_API_URL=%s\nexport DAYTONA_API_KEY=%s\n" % (url, key.group(1)))
        self.assertNotIn(key.group(1), second.err)
        self.assertIn(path, second.err)

    def test_a_key_that_others_can_read_is_refused(self):
        self.serve().stop()
        path = os.path.join(self.state, "key")
        os.chmod(path, 0o644)
        refused = self.serve()
        self.assertEqual(refused.process.wait(30), 1)
        self.assertIn("other users may read it", refused.err)
        os.remove(path)
        os.symlink("/etc/passwd", path)
        refused = self.serve()
        self.assertEqual(refused.process.wait(30), 1)
        self.assertIn("no regular file", refused.err)

    def test_messages_leave_stdout_to_the_shell(self):
        server = self.serve("--key", "k", "--isolation=none", "--print-env")
        out = server.stop()
        self.assertEqual([line.split("=")[0] for line in out.splitlines()], ["export DAYTONA_API_URL", "export DAYTONA_API_KEY"])
        self.assertIn("WARNING: --isolation=none", server.err)
        self.assertEqual(self.serve("--key", "k").stop(), "")

    def test_the_address_that_is_open(self):
        server = Serve("--listen", "0.0.0.0:0", "--state", self.state, "--key", "k")
        server.stop()
        self.assertRegex(server.err, r"listening on http://0\.0\.0\.0:\d+/api\n")
        self.assertIn("WARNING: open to the network over plain HTTP", server.err)
        self.assertIn("--public-url and --proxy-domain", server.err)
        server = self.serve("--key", "k")
        server.stop()
        self.assertNotIn("WARNING", server.err)
        self.assertNotIn("--public-url", server.err)

    def test_absence_of_the_network_is_said(self):
        """With a PATH that has bubblewrap and no slirp4netns."""
        if not shutil.which("bwrap"):
            self.skipTest("bubblewrap is not installed")
        # In /tmp, which the launcher hides where the server is root.
        place = tempfile.mkdtemp(prefix="dl-test-", dir="/tmp")
        self.addCleanup(shutil.rmtree, place)
        os.chmod(place, 0o755)
        shutil.copy(shutil.which("bwrap"), place)
        os.chmod(os.path.join(place, "bwrap"), 0o755)
        server = self.serve("--key", "k", env={"PATH": place})
        server.stop()
        if "does not let bubblewrap isolate" in server.err:
            self.skipTest(server.err)
        self.assertIn("sandboxes have no network: slirp4netns is not installed", server.err)
        for option in ("--network=host", "--isolation=none"):
            server = self.serve("--key", "k", option, env={"PATH": place})
            server.stop()
            self.assertNotIn("have no network", server.err)

    def test_what_helps_without_bubblewrap(self):
        server = self.serve("--key", "k", env={"PATH": self.dir})
        self.assertEqual(server.process.wait(30), 1)
        self.assertIn("apt-get install bubblewrap", server.err)
        self.assertIn("--isolation=none", server.err)

    def test_what_helps_when_bubblewrap_is_refused(self):
        for said, helps in (("bwrap: Unknown option --disable-userns", "0.8"),
                            ("bwrap: Creating new namespace failed: Operation not permitted", "--privileged"),
                            ("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", "--privileged")):
            with open(os.path.join(self.dir, "bwrap"), "w") as file:
                file.write('#!/bin/sh\necho "%s" >&2\nexit 1\n' % said)
            # A script is run by its path, and /tmp is hidden from it where the server is root.
            os.chmod(self.dir, 0o755)
            os.chmod(os.path.join(self.dir, "bwrap"), 0o755)
            server = self.serve("--key", "k", env={"PATH": self.dir})
            self.assertEqual(server.process.wait(30), 1)
            self.assertIn(said, server.err)
            if os.geteuid() == 0:
                self.assertIn(helps, server.err)
            self.assertIn("--isolation=none", server.err)

    def test_places_that_cannot_be_written(self):
        """/proc stands for a read-only root: nothing can be made there, whoever asks."""
        server = Serve("--listen", "127.0.0.1:0", "--key", "k", env={"XDG_STATE_HOME": "/proc/1/none"})
        self.assertEqual(server.process.wait(30), 1)
        self.assertRegex(server.err, r"cannot make /proc/1/none: .*--state DIR")
        with open(os.path.join(self.dir, "file"), "w"):
            pass
        server = Serve("--listen", "127.0.0.1:0", "--key", "k", "--state", os.path.join(self.dir, "file", "x", "y"))
        self.assertEqual(server.process.wait(30), 1)
        self.assertRegex(server.err, r"cannot make \S+/file: Not a directory")
        done = run("run", "--", "true", env={"TMPDIR": "/proc/1"})
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"cannot make a directory in /proc/1: .*TMPDIR or --state DIR")

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    @unittest.skipIf(harness.lacks("mount"), harness.lacks("mount"))
    def test_run_falls_back_to_tmp(self):
        script = 'mount --make-rprivate / && mount -t tmpfs none /tmp && mount -t tmpfs -o ro none /var/tmp && exec "$0" run --isolation=none -- ' \
                 'sh -c "ls -d /tmp/daytona-local-*"'
        env = {name: value for name, value in os.environ.items() if name != "TMPDIR"}
        program = os.path.abspath(harness.program())
        if program.startswith("/tmp/"):
            self.skipTest("the program itself lies in /tmp")
        done = subprocess.run(["unshare", "-m", "sh", "-c", script, program], capture_output=True, text=True, timeout=60, env=env)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(done.stdout.startswith("/tmp/daytona-local-"), done.stdout)


class Proxies(harness.Case):
    def test_admin_uses_no_proxy(self):
        env = {name: "http://127.0.0.1:9" for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")}
        env.update(DAYTONA_API_KEY=harness.KEY, DAYTONA_API_URL="http://127.0.0.1:%d/api" % self.server.port, no_proxy="")
        done = run("admin", "GET", "/admin/info", env=env)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("version", json.loads(done.stdout))


class Requests(harness.Case):
    options = ("--log-requests", *harness.SSH)

    @classmethod
    def setUpClass(cls):
        cls.log = tempfile.TemporaryFile()
        cls.server = harness.Server(*cls.options, log=cls.log)

    def lines(self, wanted, limit=20):
        end = time.monotonic() + limit
        while True:
            text = "\n".join(self.server.lines)
            if re.search(wanted, text) or time.monotonic() > end:
                return text

    def test_method_path_status_and_time(self):
        box = self.server.create()["id"]
        self.server.call("GET", "/api/sandbox/none?token=secret-1")
        self.server.execute(box, "sleep 0.3")
        self.assertRegex(self.lines(r"POST /toolbox/"), r"daytona-local: POST /api/sandbox 200 \d+ ms\n")
        self.assertRegex(self.lines(r"POST /toolbox/"), r"GET /api/sandbox/none 404 \d+ ms")
        took = re.search(r"POST /toolbox/%s/process/execute 200 (\d+) ms" % box, self.lines("%s/process/execute" % box))
        self.assertGreaterEqual(int(took.group(1)), 300)

    def raw(self, *parts):
        """What the server answers to bytes; it is read to its end."""
        with socket.create_connection(("127.0.0.1", self.server.port), 10) as sock:
            for part in parts:
                sock.sendall(part)
            sock.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: sock.recv(65536), b""))

    def test_what_is_refused_has_a_line(self):
        self.assertIn(b" 400 ", self.raw(b"GET /secret-path-1 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"))
        self.assertIn(b" 400 ", self.raw(b"POST /api/sandbox?token=secret-1 HTTP/1.1\r\nHost: a\r\n"
                                        b"Authorization: Bearer %s\r\nContent-Length: 9\r\n\r\n{" % harness.KEY.encode()))
        self.server.call("GET", "/api/sandbox", key="wrong")
        text = self.lines("GET /api/sandbox 401")
        self.assertRegex(text, r"daytona-local: refused a client at 127\.0\.0\.1 with 400: \w")
        self.assertRegex(text, r"daytona-local: POST /api/sandbox 400 \d+ ms")
        self.assertRegex(text, r"GET /api/sandbox 401 \d+ ms")
        self.assertNotIn("secret-", text)

    def test_a_client_that_leaves_has_a_line(self):
        box = self.server.create()["id"]
        body = json.dumps({"command": "sleep 60"}).encode()
        with socket.create_connection(("127.0.0.1", self.server.port), 10) as sock:
            sock.sendall(b"POST /toolbox/%s/process/execute HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s"
                         % (box.encode(), harness.KEY.encode(), len(body), body))
            time.sleep(0.5)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wanted = r"POST /toolbox/%s/process/execute gone \d+ ms" % box
        self.assertRegex(self.lines(wanted), wanted)

    def test_no_secret_is_in_it(self):
        box = self.server.create()["id"]
        token = self.server.api("GET", "/sandbox/%s/ports/3000/preview-url" % box).json["token"]
        signed = self.server.api("GET", "/sandbox/%s/ports/3000/signed-preview-url?expiresInSeconds=60" % box).json
        ssh = self.server.api("POST", "/sandbox/%s/ssh-access?expiresInMinutes=5" % box).json["token"]
        self.server.call("GET", "/x?DAYTONA_SANDBOX_AUTH_KEY=" + token, host="3000-%s.localhost" % box, key="")
        self.server.call("GET", "/y", host="3000-%s.localhost" % signed["token"], key="")
        self.server.call("GET", "/preview/3000-%s/z" % signed["token"], key="")
        self.server.call("GET", "/api/sandbox/ssh-access/validate?token=" + ssh)
        self.server.call("POST", "/api/sandbox/%s/ports/3000/signed-preview-url/%s/expire" % (box, signed["token"]))
        self.server.call("GET", "/a%0ab/")
        text = self.lines("/a%0ab/")
        for secret in (token, signed["token"], ssh, harness.KEY):
            self.assertNotIn(secret, text)
        self.assertIn("GET //3000-%s/x " % box, text)
        self.assertIn("GET //3000-***/y ", text)
        self.assertIn("GET /preview/3000-***/z ", text)
        self.assertIn("/signed-preview-url/***/expire 200 ", text)


@unittest.skipUnless(os.geteuid() == 0, "needs root")
@unittest.skipIf(harness.lacks("mount"), harness.lacks("mount"))
class ProcessOne(unittest.TestCase):
    """A container whose first process is the server."""

    def inside(self, *arguments, **more):
        return subprocess.run(["unshare", "-fp", "--mount-proc", "--kill-child", harness.program(), *arguments], capture_output=True,
                              text=True, timeout=90, **more)

    def test_it_leaves_the_groups_of_other_servers(self):
        """Their processes are out of sight in its PID namespace, so that they look as if they had been killed."""
        with tempfile.TemporaryFile() as log:
            server = harness.Server("--warm", "0", log=log)
            try:
                real = []
                for _ in range(3):
                    box = server.create()["id"]
                    real.append(server.call("GET", "/admin/info").json["boxes"][box])
                    server.api("DELETE", "/sandbox/" + box)
                    server.wait(box, 404)
                    done = self.inside("run", "--isolation=none", "--", "true")
                    self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(real[1:], real[:1] * 2)
            finally:
                self.assertEqual(server.stop(), 0)

    def test_orphans_are_waited_for(self):
        script = "i=0; while [ $i -lt 50 ]; do (sleep 0.1 &); i=$((i+1)); done; sleep 2; ps ax -o stat= | grep -c Z; exit 7"
        done = self.inside("run", "--isolation=none", "--", "sh", "-c", script)
        self.assertEqual((done.stdout, done.returncode), ("0\n", 7), done.stderr)

    def test_sandboxes_leave_no_zombies(self):
        script = """
import json, os, subprocess, time, urllib.request
def call(method, path, body=None):
    req = urllib.request.Request(os.environ["DAYTONA_API_URL"][:-4] + path, json.dumps(body).encode() if body is not None else None,
                                 {"Authorization": "Bearer " + os.environ["DAYTONA_API_KEY"], "Content-Type": "application/json"}, method=method)
    return json.load(urllib.request.urlopen(req))
box = call("POST", "/api/sandbox", {})["id"]
print(call("POST", "/toolbox/%s/process/execute" % box, {"command": "for i in $(seq 50); do (setsid sleep 1 >/dev/null 2>&1 &); done; exit 7"})["exitCode"])
call("DELETE", "/api/sandbox/" + box)
time.sleep(3)
print(subprocess.run("ps ax -o stat= | grep -c Z", shell=True, capture_output=True, text=True).stdout.strip())
"""
        for isolation in ("none", "bwrap"):
            done = self.inside("run", "--isolation", isolation, "--", "python3", "-c", script)
            if "does not let bubblewrap" in done.stderr:
                self.skipTest(done.stderr)
            self.assertEqual(done.stdout.split(), ["7", "0"], done.stderr)

    def test_signals_and_statuses_pass(self):
        self.assertEqual(self.inside("run", "--isolation=none", "--", "sh", "-c", "kill -9 $$").returncode, 137)
        self.assertEqual(self.inside("run", "--isolation=none", "--", "/none").returncode, 127)
        state = tempfile.mkdtemp(prefix="dl-test-")
        outer = subprocess.Popen(["unshare", "-fp", "--mount-proc", harness.program(), "serve", "--isolation=none", "--key", "k", "--listen",
                                  "127.0.0.1:0", "--state", state], stderr=subprocess.PIPE, text=True)
        try:
            while "listening on" not in outer.stderr.readline():
                self.assertIsNone(outer.poll())
            with open("/proc/%d/task/%d/children" % (outer.pid, outer.pid)) as file:
                first = int(file.read().split()[0])
            os.kill(first, signal.SIGTERM)
            self.assertEqual(outer.wait(30), 0)
        finally:
            if outer.poll() is None:
                outer.kill()
            outer.stderr.close()
            shutil.rmtree(state, ignore_errors=True)


if __name__ == "__main__":
    harness.main()
