# SPDX-License-Identifier: Apache-2.0
"""Drives the real daytona-local over HTTP: a server per class, a small client, TAP output.

Only the standard library. The program under test is the first argument of each test file.
"""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "sandbox"))
from ws_client import Refused, WebSocket  # noqa: E402,F401

KEY = "test-key"
# For servers whose ssh-access is asked.
SSH = ("--ssh-listen", "127.0.0.1:0")


def program():
    return os.environ["DAYTONA_LOCAL"]


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)


def lacks(*namespaces):
    """Why namespaces such as "mount" or "user" cannot be made here, or None. In a chroot they cannot."""
    try:
        done = subprocess.run(["unshare", *("--" + name for name in namespaces), "true"], capture_output=True, text=True)
    except FileNotFoundError:
        return "unshare is missing"
    return None if done.returncode == 0 else "no %s namespace here: %s" % (" or ".join(namespaces), done.stderr.strip())


def openssl(directory, *arguments):
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


def make_certificates(directory):
    """A CA of our own in ca.pem, and a certificate of it for localhost in server.pem and server.key."""
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl(directory, "req", "-x509", *new_key, "-days", "2", "-subj", "/CN=test CA", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-keyout", "ca.key", "-out", "ca.pem")
    openssl(directory, "req", *new_key, "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr")
    with open(os.path.join(directory, "names"), "w") as names:
        # From 3.13 on Python wants certificates that name the key they are signed with.
        names.write("subjectAltName=DNS:localhost,DNS:*.localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n"
                    "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
    openssl(directory, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "names", "-out", "server.pem")


class Server:
    """One daytona-local serve process on a free port. `tls`: a directory of make_certificates. `exe`: the program, if it is
    another copy of it; `user`: the number of the user whose process it is, ours if None."""

    def __init__(self, *options, state=None, key=KEY, log=None, scheme="http", tls=None, exe=None, user=None,
                 env=None):
        self.owns_state = state is None
        self.state = state or tempfile.mkdtemp(prefix="dl-test-")
        self.key = key
        self.scheme = scheme
        self.context = None
        if tls:
            self.context = ssl.create_default_context(cafile=os.path.join(tls, "ca.pem"))
            options = (*options, "--tls-cert", os.path.join(tls, "server.pem"), "--tls-key", os.path.join(tls, "server.key"))
        arguments = [exe or program(), "serve", "--listen", "127.0.0.1:0", "--state", self.state]
        if key:
            arguments += ["--key", key]
        as_user = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        self.process = subprocess.Popen(arguments + list(options), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, env=env, **as_user)
        self.lines, self.port, self.is_told = [], None, threading.Event()
        self.reader = threading.Thread(target=self.read_messages, args=((log or sys.stderr).fileno(),), daemon=True)
        self.reader.start()
        self.is_told.wait()
        if self.port is None:
            raise RuntimeError("the server did not start: exit %s" % self.process.wait())

    def read_messages(self, log):
        """Passes them on to `log`, but for those of an ordinary start."""
        for data in self.process.stderr:
            line = data.decode(errors="replace").strip()
            self.lines.append(line)
            found = re.search(r"listening on https?://127\.0\.0\.1:(\d+)/api", line)
            if found:
                self.port = int(found.group(1))
                self.is_told.set()
            else:
                os.write(log, data)
        self.is_told.set()

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(30)
        self.reader.join(5)
        if self.owns_state:
            shutil.rmtree(self.state, ignore_errors=True)
        return code

    def connection(self, timeout=40):
        if self.context:
            return http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, timeout=timeout)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def call(self, method, path, body=None, headers=None, key=None, host=None, raw=None, timeout=40):
        key = self.key if key is None else key
        send = {} if not key else {"Authorization": "Bearer " + key}
        if host:
            send["Host"] = host
        send.update(headers or {})
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        connection = self.connection(timeout)
        try:
            connection.request(method, path, data, send)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def websocket(self, path, headers=(), key=None, host="localhost"):
        """Raises ws_client.Refused where the answer is not 101. `key`: "" for none."""
        key = self.key if key is None else key
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        if self.context:
            sock = self.context.wrap_socket(sock, server_hostname="localhost")
        send = [("Authorization", "Bearer " + key)] if key else []
        try:
            return WebSocket(sock, path, [*send, *headers], host)
        except BaseException:
            sock.close()
            raise

    def api(self, method, path, body=None, **more):
        return self.call(method, "/api" + path, body, **more)

    def create(self, **fields):
        answer = self.api("POST", "/sandbox", fields)
        assert answer.status == 200, answer.body
        return answer.json

    def state_of(self, name):
        answer = self.api("GET", "/sandbox/" + name)
        return answer.json["state"] if answer.status == 200 else answer.status

    def wait(self, name, *states, limit=20):
        end = time.monotonic() + limit
        while True:
            state = self.state_of(name)
            if state in states:
                return state
            if time.monotonic() > end:
                raise AssertionError("%s is %s, not %s" % (name, state, states))
            time.sleep(0.01)

    def execute(self, sandbox, command):
        answer = self.call("POST", "/toolbox/%s/process/execute" % sandbox, {"command": command})
        assert answer.status == 200, (answer.status, answer.body)
        return answer.json

    def fault(self, **rule):
        answer = self.call("POST", "/admin/faults", rule)
        assert answer.status == 201, answer.body
        return answer.json

    def jump(self, minutes):
        assert self.call("POST", "/admin/clock", {"jump_ms": int(minutes * 60000)}).status == 200


class Case(unittest.TestCase):
    """A test class with one server for all its tests; `options` are the server's."""

    options = ()
    over_tls = False
    certificates = None

    @classmethod
    def setUpClass(cls):
        if cls.over_tls:
            if not shutil.which("openssl"):
                raise unittest.SkipTest("openssl is not installed")
            cls.certificates = tempfile.mkdtemp(prefix="dl-test-")
            make_certificates(cls.certificates)
        cls.server = Server(*cls.options, tls=cls.certificates)

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        if cls.certificates:
            shutil.rmtree(cls.certificates)
        # The sanitizers speak through the exit code.
        assert code == 0, "the server ended with %s" % code

    def status(self, expected, answer):
        self.assertEqual(answer.status, expected, answer.body)
        return answer


class TapResult(unittest.TestResult):
    def __init__(self, out):
        super().__init__()
        self.out = out
        self.number = 0

    def line(self, ok, test, more=""):
        self.number += 1
        name = test.id().split(".", 1)[-1] if hasattr(test, "id") else str(test)
        print("%s %d - %s%s" % ("ok" if ok else "not ok", self.number, name.replace("#", ""), more), file=self.out, flush=True)

    def diagnostics(self, error):
        for line in self._exc_info_to_string(error, self.any).splitlines():
            print("# " + line, file=self.out, flush=True)

    def startTest(self, test):
        self.any = test
        super().startTest(test)

    def addSuccess(self, test):
        self.line(True, test)

    def addFailure(self, test, err):
        self.any = test
        super().addFailure(test, err)
        self.line(False, test)
        self.diagnostics(err)

    def addError(self, test, err):
        self.any = test
        super().addError(test, err)
        self.line(False, test)
        self.diagnostics(err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.any = test
            self.line(False, subtest)
            self.diagnostics(err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.line(True, test, " # SKIP " + reason)


def main():
    if len(sys.argv) > 1:
        os.environ["DAYTONA_LOCAL"] = sys.argv.pop(1)
    suite = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:] or None, sys.modules["__main__"]) if sys.argv[1:] \
        else unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    result = TapResult(sys.stdout)
    suite.run(result)
    print("1..%d" % result.number, flush=True)
    sys.exit(0 if result.wasSuccessful() else 1)


def until(condition, limit=20):
    """Waits for what comes by itself; returns what `condition` returned."""
    end = time.monotonic() + limit
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError("it did not come")
        time.sleep(0.01)


def processes():
    """(pid, command line) of every process that can be seen."""
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit():
                with open("/proc/%s/cmdline" % name, "rb") as file:
                    found.append((int(name), file.read().replace(b"\0", b" ").decode(errors="replace").strip()))
        except OSError:
            pass
    return found


def wait_process(line, limit=10):
    """The pid of the process with that command line; it may still be on its way."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        for pid, have in processes():
            if have == line:
                return pid
        time.sleep(0.01)
    raise AssertionError("no process " + line)


def first_of_namespace(pid):
    """The process on this side that is number 1 of the PID namespace of `pid`."""
    namespace = os.readlink("/proc/%d/ns/pid" % pid)
    for other, _ in processes():
        try:
            with open("/proc/%d/status" % other) as file:
                numbers = re.search(r"^NSpid:\s+(.*)$", file.read(), re.M).group(1).split()
            if os.readlink("/proc/%d/ns/pid" % other) == namespace and numbers[-1] == "1":
                return other
        except OSError:
            pass
    raise LookupError(pid)
