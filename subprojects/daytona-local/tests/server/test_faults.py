# SPDX-License-Identifier: Apache-2.0
"""Faults on purpose, and TLS: each does exactly what README.md says."""
import errno
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

import harness

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "sandbox"))
from ws_client import BINARY, PING, WebSocket  # noqa: E402


class Faults(harness.Case):
    def tearDown(self):
        self.status(204, self.server.call("DELETE", "/admin/faults"))

    def test_rules_are_read_strictly(self):
        for bad in ({}, {"action": "explode"}, {"action": "status"}, {"action": "delay"}, {"action": "truncate"}, {"action": "dribble"},
                    {"action": "reset", "tiems": 3}, {"action": "reset", "times": 0}, {"action": "reset", "match": {"pth": "/"}},
                    {"action": "reset", "match": {"target": "moon"}}, {"action": "reset", "match": []}, {"action": "reset", "phase": "during"},
                    {"action": "status", "status": 99}, {"action": "delay", "delay_ms": "x"}, {"action": "reset", "retry_after": 1}):
            with self.subTest(rule=bad):
                self.status(400, self.server.call("POST", "/admin/faults", bad))
        self.status(404, self.server.call("DELETE", "/admin/faults/fault-99"))

    def test_list_and_delete(self):
        rule = self.server.fault(action="status", status=503, times="always", skip=2, match={"method": "GET", "path": "/api/sandbox", "target": "control"})
        listed = self.server.call("GET", "/admin/faults").json["items"]
        self.assertEqual(listed, [rule])
        self.assertEqual((rule["times"], rule["skip"], rule["match"]), ("always", 2, {"method": "GET", "path": "/api/sandbox", "target": ["control"]}))
        self.status(204, self.server.call("DELETE", "/admin/faults/" + rule["id"]))
        self.assertEqual(self.server.call("GET", "/admin/faults").json["items"], [])

    def test_status_times_skip_and_matching(self):
        self.server.fault(action="status", status=503, times=2, skip=1, match={"method": "GET", "path": "/api/sandbox/*"})
        self.status(200, self.server.api("GET", "/sandbox"))
        seen = [self.server.api("GET", "/sandbox/none").status for _ in range(4)]
        self.assertEqual(seen, [404, 503, 503, 404])

    def test_429_with_suffixed_retry_after(self):
        self.server.fault(action="status", status=429, retry_after=7, bucket="sandbox-create", match={"method": "POST", "path": "/api/sandbox"})
        answer = self.status(429, self.server.api("POST", "/sandbox", {}))
        self.assertEqual(answer.headers["Retry-After-sandbox-create"], "7")
        self.assertIsNone(answer.headers["Retry-After"])
        self.server.fault(action="status", status=429, retry_after=3, message="slow down", code="SLOW")
        answer = self.status(429, self.server.api("GET", "/sandbox"))
        self.assertEqual((answer.headers["Retry-After"], answer.json["message"], answer.json["code"]), ("3", "slow down", "SLOW"))

    def test_reset_before_nothing_happens(self):
        self.server.fault(action="reset", match={"method": "POST", "path": "/api/sandbox"})
        with self.assertRaises(OSError) as caught:
            self.server.api("POST", "/sandbox", {"name": "never"})
        self.assertEqual(caught.exception.errno, errno.ECONNRESET)
        self.status(404, self.server.api("GET", "/sandbox/never"))

    def test_after_the_request_was_carried_out(self):
        for action, more in (("reset", {}), ("status", {"status": 502})):
            name = "ambiguous-" + action
            self.server.fault(action=action, phase="after", match={"method": "POST", "path": "/api/sandbox"}, **more)
            try:
                self.status(502, self.server.api("POST", "/sandbox", {"name": name}))
            except OSError as error:
                self.assertEqual(error.errno, errno.ECONNRESET)
            self.assertEqual(self.server.api("GET", "/sandbox/" + name).json["state"], "started")

    def test_delay(self):
        self.server.fault(action="delay", delay_ms=300)
        start = time.monotonic()
        self.status(200, self.server.api("GET", "/sandbox"))
        self.assertGreaterEqual(time.monotonic() - start, 0.3)

    def test_truncate_and_reset_in_the_body(self):
        self.server.fault(action="truncate", after_bytes=20, match={"path": "/api/config"})
        with self.assertRaises(http.client.IncompleteRead) as caught:
            self.server.api("GET", "/config")
        self.assertEqual(len(caught.exception.partial), 20)
        self.server.fault(action="reset", after_bytes=20, match={"path": "/api/config"})
        with self.assertRaises((OSError, http.client.IncompleteRead)):
            self.server.api("GET", "/config")
        self.status(200, self.server.api("GET", "/config"))

    def test_dribble(self):
        self.server.fault(action="dribble", bytes_per_second=1000, match={"path": "/api/config"})
        start = time.monotonic()
        size = len(self.status(200, self.server.api("GET", "/config")).body)
        self.assertGreaterEqual(time.monotonic() - start, size / 1000 * 0.8)

    def test_stall_never_answers(self):
        self.server.fault(action="stall", match={"path": "/api/config"})
        with self.assertRaises(socket.timeout):
            self.server.call("GET", "/api/config", timeout=0.3)
        self.status(200, self.server.api("GET", "/config"))

    def test_stalled_accept(self):
        self.server.fault(action="stall-accept")
        with self.assertRaises(socket.timeout):
            self.server.call("GET", "/api/config", timeout=0.3)
        self.status(200, self.server.api("GET", "/config"))

    def test_toolbox_target(self):
        box = self.server.create()["id"]
        self.server.fault(action="status", status=500, times="always", match={"target": "toolbox"})
        self.status(500, self.server.call("GET", "/toolbox/%s/version" % box))
        self.status(200, self.server.api("GET", "/sandbox"))
        self.tearDown()
        self.server.fault(action="truncate", after_bytes=5, match={"target": "toolbox"})
        with self.assertRaises(http.client.IncompleteRead) as caught:
            self.server.call("POST", "/toolbox/%s/process/execute" % box, {"command": "echo done > f; echo hello"})
        self.assertEqual(len(caught.exception.partial), 5)
        self.assertEqual(self.server.execute(box, "cat f")["result"], "done\n")


class CommandLine(harness.Case):
    options = ("--fault", '{"action":"status","status":418,"match":{"path":"/api/config"}}')

    def test_fault_option(self):
        self.status(418, self.server.api("GET", "/config"))
        self.status(200, self.server.api("GET", "/config"))

    def refused(self, *arguments):
        done = subprocess.run([harness.program(), *arguments], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 2, done.stderr)
        return done.stderr

    def test_bad_options(self):
        for arguments in (["serve", "--nonsense"], ["serve", "--listen", "x"], ["serve", "--key"], ["serve", "--key", ""], ["run"],
                          ["run", "--"], ["serve", "--clock-speed", "0"], ["serve", "--isolation", "maybe"], ["serve", "--tls-cert", "/none"],
                          ["serve", "--rate-limit", "x=1"], ["serve", "--reader-patience", "-1"], ["nonsense"], []):
            with self.subTest(arguments=arguments):
                self.refused(*arguments)
        self.assertNotIn("secret", self.refused("serve", "--kee=secret"))

    def test_a_public_url_is_a_url(self):
        for bad in ("sandboxes.test:3986", "//sandboxes.test", "ftp://sandboxes.test", "http://", "https:///api", "http://a b", "http://a/api", ""):
            with self.subTest(url=bad):
                self.assertIn("--public-url must be", self.refused("serve", "--public-url", bad))
        done = subprocess.run([harness.program(), "run", "--public-url", "https://sandboxes.test:8443", "--", "sh", "-c",
                               "echo $DAYTONA_API_URL"], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (0, "https://sandboxes.test:8443/api\n"), done.stderr)

    def test_the_admin_command_takes_paths_as_listed(self):
        base = "http://127.0.0.1:%d" % self.server.port
        for variable in ("DAYTONA_LOCAL_ADMIN_URL", "DAYTONA_API_URL"):
            for path in ("/admin/clock", "/clock", "clock"):
                with self.subTest(path=path, variable=variable):
                    env = {"DAYTONA_API_KEY": harness.KEY, "DAYTONA_API_URL": base + "/api"}
                    if variable == "DAYTONA_LOCAL_ADMIN_URL":
                        env[variable] = base + "/admin"
                    done = subprocess.run([harness.program(), "admin", "GET", path], capture_output=True, text=True, timeout=60,
                                          env=dict(os.environ, **env))
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertEqual(set(json.loads(done.stdout)), {"now", "speed"})

    def test_help_and_version(self):
        for option in ("--help", "--version"):
            done = subprocess.run([harness.program(), option], capture_output=True, text=True, timeout=30)
            self.assertEqual(done.returncode, 0)
            self.assertIn("daytona-local", done.stdout)


class Run(unittest.TestCase):
    def run_command(self, *command, options=(), **more):
        tmp = tempfile.mkdtemp(prefix="dl-test-")
        try:
            env = dict(os.environ, TMPDIR=tmp, DAYTONA_JWT_TOKEN="stale")
            done = subprocess.run([harness.program(), "run", *options, "--", *command], capture_output=True, text=True, timeout=60, env=env, **more)
            self.assertEqual(os.listdir(tmp), [])
            return done
        finally:
            shutil.rmtree(tmp)

    def test_environment_exit_code_and_nothing_left(self):
        script = ("import os,sys,json,urllib.request as u;"
                  "assert 'DAYTONA_JWT_TOKEN' not in os.environ;"
                  "r=u.Request(os.environ['DAYTONA_API_URL']+'/sandbox',data=b'{}',headers={'Authorization':'Bearer '+os.environ['DAYTONA_API_KEY']});"
                  "b=json.load(u.urlopen(r));"
                  "r=u.Request(os.environ['DAYTONA_API_URL'][:-4]+'/toolbox/'+b['id']+'/process/execute',data=json.dumps({'command':'(sleep 4714 &) </dev/null >/dev/null 2>&1'}).encode(),headers={'Authorization':'Bearer '+os.environ['DAYTONA_API_KEY']});"
                  "u.urlopen(r).read();"
                  "print(b['state'], os.environ['DAYTONA_LOCAL_ADMIN_URL']);sys.exit(7)")
        done = self.run_command("python3", "-c", script)
        self.assertEqual(done.returncode, 7, done.stderr)
        self.assertTrue(done.stdout.startswith("started http://127.0.0.1:"))
        self.assertEqual([line for _, line in harness.processes() if line == "sleep 4714"], [])

    def test_signals_and_failures(self):
        self.assertEqual(self.run_command("sh", "-c", "kill -TERM $$").returncode, 128 + 15)
        self.assertEqual(self.run_command("/no/such/program").returncode, 127)
        # A signal to the server reaches the command, whose end is the server's.
        self.assertEqual(self.run_command("sh", "-c", "trap 'exit 9' TERM; kill -TERM $PPID; while :; do sleep 0.05; done").returncode, 9)

    def test_every_signal_that_would_end_it_reaches_the_command(self):
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGTERM):
            done = self.run_command("sh", "-c", "kill -%d $PPID; exec sleep 4715" % number, stdin=subprocess.DEVNULL)
            self.assertEqual(done.returncode, 128 + number, done.stderr)
            self.assertEqual([line for _, line in harness.processes() if line == "sleep 4715"], [])

    def test_a_signal_while_it_comes_up_leaves_nothing(self):
        with tempfile.TemporaryDirectory(prefix="dl-test-") as tmp:
            for _ in range(4):
                run = subprocess.Popen([harness.program(), "run", "--", "sleep", "4716"], env=dict(os.environ, TMPDIR=tmp))
                while not os.listdir(tmp) and run.poll() is None:
                    pass
                run.send_signal(signal.SIGTERM)
                self.assertEqual(run.wait(30), 128 + signal.SIGTERM)
                self.assertEqual(os.listdir(tmp), [])
            self.assertEqual([line for _, line in harness.processes() if line == "sleep 4716"], [])

    def test_admin_command(self):
        script = '"$0" admin POST /clock \'{"jump_ms":1000}\' && ! "$0" admin GET /nothing'
        done = self.run_command("sh", "-c", script, harness.program())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('"speed":1', done.stdout)


def openssl(directory, *arguments):
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="dl-test-")
        if not shutil.which("openssl"):
            raise unittest.SkipTest("openssl is not installed")
        openssl(cls.dir, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", "s.key", "-out", "s.pem")
        openssl(cls.dir, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                "/CN=client", "-keyout", "c.key", "-out", "c.pem")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.dir)

    def serve(self, *more):
        server = harness.Server("--tls-cert", self.dir + "/s.pem", "--tls-key", self.dir + "/s.key", *more)
        self.addCleanup(lambda: self.assertEqual(server.stop(), 0))
        return server

    def call(self, server, method, path, body=None, client=False, timeout=20):
        context = ssl.create_default_context(cafile=self.dir + "/s.pem")
        if client:
            context.load_cert_chain(self.dir + "/c.pem", self.dir + "/c.key")
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=timeout)
        try:
            connection.request(method, path, body, {"Authorization": "Bearer " + server.key})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def test_everything_works_over_tls(self):
        server = self.serve()
        status, body = self.call(server, "POST", "/api/sandbox", "{}")
        self.assertEqual(status, 200)
        box = json.loads(body)
        self.assertTrue(box["toolboxProxyUrl"].startswith("https://"))
        status, body = self.call(server, "POST", "/toolbox/%s/process/execute" % box["id"], json.dumps({"command": "head -c 3000000 /dev/zero | tr '\\0' x"}))
        self.assertEqual((status, len(json.loads(body)["result"])), (200, 3000000))

    def socket_of_log(self, server, box, command):
        """A follow of the log of `command`, which has been begun."""
        path = "/toolbox/%s/process/session" % box
        self.call(server, "POST", path, json.dumps({"sessionId": "s"}))
        status, body = self.call(server, "POST", path + "/s/exec", json.dumps({"command": command, "runAsync": True}))
        self.assertEqual(status, 202)
        context = ssl.create_default_context(cafile=self.dir + "/s.pem")
        plain = socket.create_connection(("127.0.0.1", server.port), 20)
        sock = context.wrap_socket(plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False)
        self.addCleanup(sock.close)
        return WebSocket(sock, "%s/s/command/%s/logs?follow=true" % (path, json.loads(body)["cmdId"]),
                         {"Authorization": "Bearer " + server.key, "X-Daytona-SDK-Version": "0.205.1"}.items())

    def test_websocket_over_tls(self):
        server = self.serve()
        box = json.loads(self.call(server, "POST", "/api/sandbox", "{}")[1])["id"]
        ws = self.socket_of_log(server, box, "seq 1 100000; read -r a; echo got $a")
        ws.send("0123456789" * 5000)  # several records; a follower's words mean nothing
        ws.send("are you there", PING)
        data, pongs = b"", []
        while not (data.endswith(b"\1\1\x01100000\n") and pongs):
            opcode, payload = ws.frame()
            if opcode == BINARY:
                data += payload
            else:
                pongs.append(payload)
        self.call(server, "DELETE", "/toolbox/%s/process/session/s" % box)
        _, code, _ = ws.until_close()  # which waits for the end of TLS and of the connection
        self.assertEqual(pongs, [b"are you there"])
        self.assertEqual((code, data.replace(b"\1\1\1", b"")), (1000, b"".join(b"%d\n" % i for i in range(1, 100001))))

    def test_websocket_over_tls_is_cut(self):
        server = self.serve()
        box = json.loads(self.call(server, "POST", "/api/sandbox", "{}")[1])["id"]
        self.call(server, "POST", "/admin/faults", json.dumps(
            {"match": {"path": "/toolbox/*/process/session/s/command/*"}, "action": "truncate", "after_bytes": 100}))
        ws = self.socket_of_log(server, box, "seq 1 1000")
        with self.assertRaises((EOFError, ssl.SSLError)):
            while True:
                ws.more()
        self.assertEqual(len(ws.data), 100)

    def test_websockets_over_tls_end_with_the_server(self):
        server = self.serve()
        box = json.loads(self.call(server, "POST", "/api/sandbox", "{}")[1])["id"]
        ws = self.socket_of_log(server, box, "echo on; sleep 60")
        self.assertEqual(ws.frame(), (BINARY, b"\1\1\1on\n"))
        self.assertEqual(server.stop(), 0)
        with self.assertRaises((EOFError, OSError)):
            while True:
                ws.frame()

    def test_client_certificate_is_required_when_asked_for(self):
        server = self.serve("--tls-client-ca", self.dir + "/c.pem")
        self.assertEqual(self.call(server, "GET", "/api/health", client=True)[0], 200)
        with self.assertRaises((OSError, http.client.HTTPException)):
            self.call(server, "GET", "/api/health")

    def test_stalled_handshake(self):
        server = self.serve("--fault", '{"action":"stall-accept"}')
        with self.assertRaises(socket.timeout):
            self.call(server, "GET", "/api/health", timeout=0.3)
        self.assertEqual(self.call(server, "GET", "/api/health")[0], 200)


if __name__ == "__main__":
    harness.main()
