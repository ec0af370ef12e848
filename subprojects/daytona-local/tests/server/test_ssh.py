# SPDX-License-Identifier: Apache-2.0
"""SSH into sandboxes with OpenSSH's own client: shells, commands, files, ports, and everything that ends a session."""
import fcntl
import hashlib
import os
import pty
import re
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import threading
import time
import unittest

import harness
from image_fixtures import Registry, busybox_layer, missing

OPTIONS = ["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
           "-o", "ConnectTimeout=30"]
LISTEN = harness.SSH


def setUpModule():
    for program in ("ssh", "scp", "sftp"):
        if not shutil.which(program):
            raise unittest.SkipTest("%s is not installed" % program)
    if not os.path.exists(os.path.join(os.path.dirname(os.path.abspath(harness.program())), "daytona-local-ssh")):
        raise unittest.SkipTest("built without libssh")


class Access:
    """SSH access to a sandbox, and programs that use it."""

    def __init__(self, server, box, minutes=60):
        answer = server.api("POST", "/sandbox/%s/ssh-access?expiresInMinutes=%s" % (box, minutes))
        assert answer.status == 200, answer.body
        self.token = answer.json["token"]
        found = re.fullmatch(r"ssh -p (\d+) %s@127\.0\.0\.1" % self.token, answer.json["sshCommand"])
        assert found, answer.json
        self.port = found.group(1)
        self.place = self.token + "@127.0.0.1"

    def command(self, *words, options=()):
        return ["ssh", *OPTIONS, "-p", self.port, *options, self.place, *words]

    def run(self, *words, options=(), limit=60, **more):
        return subprocess.run(self.command(*words, options=options), capture_output=True, timeout=limit,
                              **{"stdin": None if "input" in more else subprocess.DEVNULL, **more})

    def start(self, *words, options=()):
        return subprocess.Popen(self.command(*words, options=options), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)


class Terminal:
    """ssh with a terminal of ours."""

    def __init__(self, command, rows=24, columns=80):
        self.master, slave = pty.openpty()
        self.resize(rows, columns)
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.output = b""

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode())

    def expect(self, pattern, limit=20):
        end = time.monotonic() + limit
        while True:
            found = re.search(pattern.encode(), self.output)
            if found:
                self.output = self.output[found.end():]
                return found
            ready = select.select([self.master], [], [], max(0, end - time.monotonic()))[0]
            assert ready, "no %s in %r" % (pattern, self.output[-2000:])
            try:
                self.output += os.read(self.master, 65536)
            except OSError:
                raise AssertionError("it ended without %s: %r" % (pattern, self.output[-2000:])) from None

    def wait(self, limit=20):
        end = time.monotonic() + limit
        while self.process.poll() is None:
            assert time.monotonic() < end, self.output[-2000:]
            if select.select([self.master], [], [], 0.05)[0]:
                try:
                    self.output += os.read(self.master, 65536)
                except OSError:
                    pass
        os.close(self.master)
        return self.process.returncode


class Sessions(harness.Case):
    options = LISTEN

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.box = cls.server.create()["id"]
        cls.access = Access(cls.server, cls.box)

    def test_commands(self):
        done = self.access.run("echo out; echo err >&2; id -u; pwd; exit 3")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (3, b"out\n1000\n/home/daytona\n", b"err\n"))
        self.assertEqual(self.access.run("kill -TERM $$").returncode, 255)
        self.assertIn(b"no-such-program", self.access.run("no-such-program").stderr)
        self.assertEqual(self.access.run("no-such-program").returncode, 127)
        self.assertEqual(self.access.run("cat", input=b"\0\xff\n").stdout, b"\0\xff\n")
        self.assertEqual(self.access.run("echo $GREETING $SSH_CONNECTION", options=("-o", "SetEnv=GREETING=hello")).stdout[:16],
                         b"hello 127.0.0.1 ")
        self.assertEqual(self.access.run(input=b"echo $((6*7)); exit 9\n", options=("-T",)).stdout, b"42\n")

    def test_any_way_to_log_in(self):
        """Clients differ in what they try; the token is what counts."""
        folder = tempfile.mkdtemp(prefix="dl-ssh-")
        self.addCleanup(shutil.rmtree, folder)
        key, ask = os.path.join(folder, "key"), os.path.join(folder, "ask")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        with open(ask, "w") as file:
            file.write("#!/bin/sh\necho anything\n")
        os.chmod(ask, 0o755)
        self.assertEqual(self.access.run("echo in", options=("-i", key, "-o", "PreferredAuthentications=publickey")).stdout, b"in\n")
        done = self.access.run("echo in", options=("-o", "PreferredAuthentications=password"),
                               env={**os.environ, "SSH_ASKPASS": ask, "SSH_ASKPASS_REQUIRE": "force"})
        self.assertEqual(done.stdout, b"in\n")

    def test_much_data_both_ways(self):
        """Also while keys are renewed, and when the reader is slow."""
        data = os.urandom(20_000_000)
        done = self.access.run("tee /dev/stderr", input=data, options=("-o", "RekeyLimit=1M"))
        self.assertEqual(hashlib.sha256(done.stdout).digest(), hashlib.sha256(data).digest())
        self.assertEqual(hashlib.sha256(done.stderr).digest(), hashlib.sha256(data).digest())
        process = self.access.start("head -c 12000000 /dev/zero; echo end >&2; exit 4")
        time.sleep(0.5)
        out, err = process.communicate(timeout=60)
        self.assertEqual((len(out), err, process.returncode), (12_000_000, b"end\n", 4))

    def test_input_that_nobody_reads(self):
        """A program that reads nothing stops its input, and its end is still reported."""
        done = self.access.run("sleep 0.3; exit 6", input=bytes(8_000_000))
        self.assertEqual(done.returncode, 6)
        done = self.access.run("exec 0<&-; sleep 0.3; exit 7", input=bytes(8_000_000))
        self.assertEqual(done.returncode, 7)

    def test_a_terminal(self):
        terminal = Terminal(self.access.command(), rows=31, columns=101)
        terminal.expect(r"\$ ")
        terminal.type("stty size; echo $TERM; shopt -q login_shell && echo a log''in shell\r")
        terminal.expect(r"31 101\r\n")
        terminal.expect(r"a login shell")
        terminal.resize(40, 120)
        found = None
        while found != b"40 120":
            terminal.type("stty size\r")
            found = terminal.expect(r"[\r\n](\d+ \d+)\r\n").group(1)
        terminal.type("sh -c 'echo be''gun; exec sleep 1000'\r")
        terminal.expect("begun")
        terminal.type("\003")
        terminal.expect(r"\$ ")
        terminal.type("exit 5\r")
        self.assertEqual(terminal.wait(), 5)
        terminal = Terminal(self.access.command("stty -echo; read line; echo got $line; exit 8", options=("-t",)))
        time.sleep(0.2)
        terminal.type("words\r")
        terminal.expect("got words")
        self.assertEqual(terminal.wait(), 8)

    def test_a_client_that_leaves(self):
        """Its programs are hung up, but for those that were made to stay."""
        process = self.access.start("nohup sleep 4243 >/dev/null 2>&1 & sleep 4242")
        harness.until(lambda: self.server.execute(self.box, "pgrep -f 'slee[p] 4242'")["exitCode"] == 0)
        process.kill()
        process.communicate()
        harness.until(lambda: self.server.execute(self.box, "pgrep -f 'slee[p] 4242'")["exitCode"] != 0)
        self.assertEqual(self.server.execute(self.box, "pkill -f 'slee[p] 4243'")["exitCode"], 0)

    def test_files(self):
        folder = tempfile.mkdtemp(prefix="dl-ssh-")
        self.addCleanup(shutil.rmtree, folder)
        os.makedirs(os.path.join(folder, "tree", "sub"))
        data = os.urandom(3_000_000)
        for name in ("one", "tree/two words", "tree/sub/three"):
            with open(os.path.join(folder, name), "wb") as file:
                file.write(data + name.encode())
        for mode in ((), ("-O",)):
            back = os.path.join(folder, "back%d" % len(mode))
            copy = ["scp", *OPTIONS, *mode, "-q", "-p", "-r", "-P", self.access.port]
            for words in ([os.path.join(folder, "one"), os.path.join(folder, "tree"), self.access.place + ":"],
                          [self.access.place + ":tree", back]):
                done = subprocess.run(copy + words, capture_output=True, timeout=60)
                self.assertEqual(done.returncode, 0, done.stderr)
            for name in ("two words", "sub/three"):
                with open(os.path.join(back, name), "rb") as file:
                    self.assertEqual(file.read(), data + b"tree/" + name.encode())
            self.server.execute(self.box, "rm -r one tree")
        script = "put %s/one renamed\nls -l\nrename renamed again\nget again %s/again\nrm again\nmkdir made\nbye\n" % (folder, folder)
        done = subprocess.run(["sftp", *OPTIONS, "-b", "-", "-P", self.access.port, self.access.place], input=script.encode(),
                              capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, rb"-rw-r--r-- +\S+ +(daytona|1000) .*3000003 .*renamed")
        with open(os.path.join(folder, "again"), "rb") as file:
            self.assertEqual(file.read(), data + b"one")
        self.assertEqual(self.server.execute(self.box, "ls -d made again")["result"].splitlines()[-1], "made")

    def forward(self, host, port):
        """A forwarded port and the ssh that keeps it; our end is known when it listens."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            local = free.getsockname()[1]
        log = tempfile.TemporaryFile()
        # The first value of an option counts.
        command = ["ssh", "-o", "LogLevel=INFO", *self.access.command(options=(
            "-N", "-o", "ExitOnForwardFailure=yes", "-L", "127.0.0.1:%d:%s:%d" % (local, host, port)))[1:]]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)

        def end():
            process.kill()
            process.wait()
            log.seek(0)
            return log.read()
        self.addCleanup(end)

        def connect():
            try:
                return socket.create_connection(("127.0.0.1", local), timeout=20)
            except OSError:
                return None
        return end, connect

    def test_forwarded_ports(self):
        self.server.call("POST", "/toolbox/%s/process/session" % self.box, {"sessionId": "echo"})
        program = ("import socket\ns = socket.create_server(('127.0.0.1', 4567))\nwhile True:\n  c = s.accept()[0]\n"
                   "  data = b''\n  while True:\n    got = c.recv(65536)\n    data += got\n    if not got: break\n"
                   "  c.sendall(data[::-1])\n  c.close()\n")
        self.server.call("POST", "/toolbox/%s/process/session/echo/exec" % self.box,
                         {"command": "python3 -c \"%s\"" % program, "runAsync": True})
        harness.until(lambda: "4567" in self.server.execute(self.box, "cat /proc/net/tcp | grep -ci :11D7 && echo 4567")["result"])
        _, connect = self.forward("localhost", 4567)
        data = os.urandom(1_000_000)
        for _ in range(3):
            with harness.until(connect) as sock:
                sender = threading.Thread(target=lambda s=sock: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
                sender.start()
                got = b""
                while len(got) < len(data):
                    block = sock.recv(65536)
                    self.assertNotEqual(block, b"")
                    got += block
                sender.join()
                self.assertEqual(got, data[::-1])
                self.assertEqual(sock.recv(1), b"")

    def test_ports_elsewhere_are_refused(self):
        """Nothing of this machine is reached, nor a port where nobody listens."""
        with socket.create_server(("127.0.0.1", 0)) as ours:
            for host, port in (("10.0.2.2", ours.getsockname()[1]), ("127.0.0.1", ours.getsockname()[1]), ("0.0.0.0", 80),
                               ("example.invalid", 80), ("[::ffff:10.0.2.2]", 80)):
                end, connect = self.forward(host, port)
                with harness.until(connect) as sock:
                    self.assertEqual(sock.recv(1), b"", host)
                self.assertIn(b"open failed: administratively prohibited", end())
            ours.settimeout(0)
            self.assertRaises(BlockingIOError, ours.accept)

    def test_what_is_not_offered(self):
        done = self.access.run("true", options=("-o", "ExitOnForwardFailure=yes", "-R", "0:localhost:1"))
        self.assertEqual(done.returncode, 255)
        done = self.access.run("netconf", options=("-s",))
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(self.server.call("GET", "/toolbox/%s/ssh/channel" % self.box,
                                          headers={"Connection": "Upgrade", "Upgrade": "daytona-ssh"}).status, 404)

    def test_fifty_at_once(self):
        started = time.monotonic()
        sessions = [self.access.start("read line; echo $line; exit 2") for _ in range(50)]
        for number, process in enumerate(sessions):
            process.stdin.write(b"%d\n" % number)
            process.stdin.flush()
        for number, process in enumerate(sessions):
            self.assertEqual((process.communicate(timeout=60)[0], process.returncode), (b"%d\n" % number, 2))
        print("# fifty sessions: %.1f s" % (time.monotonic() - started))
        self.assertEqual(self.server.execute(self.box, "echo still here")["exitCode"], 0)

    def test_many_channels_of_one_connection(self):
        folder = tempfile.mkdtemp(prefix="dl-ssh-")
        self.addCleanup(shutil.rmtree, folder)
        path = ("-o", "ControlPath=%s/c" % folder)
        main = subprocess.Popen(self.access.command(options=(*path, "-M", "-N")), stdin=subprocess.DEVNULL)
        harness.until(lambda: os.path.exists(folder + "/c"))
        running = [self.access.start("sleep 0.2; echo %d" % i, options=path) for i in range(20)]
        self.assertEqual([p.communicate(timeout=60)[0] for p in running], [b"%d\n" % i for i in range(20)])
        main.terminate()
        main.wait()


class Ends(harness.Case):
    """What keeps clients out, and what ends their sessions."""
    options = LISTEN

    def ended(self, act, why):
        box = self.server.create()["id"]
        access = Access(self.server, box)
        process = access.start("echo begun; sleep 1000")
        self.assertEqual(process.stdout.readline(), b"begun\n")
        act(box, access)
        _, err = process.communicate(timeout=20)
        self.assertNotEqual(process.returncode, 0)
        if why:
            self.assertRegex(err.decode(), why)
        return box, access

    def test_revocation_ends_sessions(self):
        box, access = self.ended(lambda box, access: self.server.api("DELETE", "/sandbox/%s/ssh-access?token=%s" % (box, access.token)),
                                 "this SSH access was revoked")
        harness.until(lambda: self.server.execute(box, "pgrep -f 'slee[p] 1000'")["exitCode"] != 0)
        self.assertIn(b"opens no sandbox", access.run("true").stderr)

    def test_revocation_of_a_client_that_reads_nothing(self):
        """It has more windows open than its connection takes, and does not read: nobody may wait for it."""
        box = self.server.create()["id"]
        access = Access(self.server, box)
        folder = tempfile.mkdtemp(prefix="dl-ssh-")
        self.addCleanup(shutil.rmtree, folder)
        path = ("-S", folder + "/c")
        client = access.start(options=("-M", "-N", *path))
        harness.until(lambda: os.path.exists(folder + "/c"))
        channels = [access.start("until [ -e go ]; do sleep 0.05; done; exec cat /dev/zero", options=path) for _ in range(16)]
        programs = lambda name: self.server.execute(box, "pgrep -c -%s" % name)["result"].strip()  # noqa: E731
        harness.until(lambda: programs("f 'until [[]'") == "16")
        client.send_signal(signal.SIGSTOP)
        try:
            self.server.execute(box, "touch go")
            harness.until(lambda: programs("x cat") == "16")
            time.sleep(2)
            self.server.api("DELETE", "/sandbox/%s/ssh-access" % box)
            harness.until(lambda: programs("x cat") == "0")
        finally:
            for process in [client, *channels]:
                process.kill()
                process.communicate()

    def test_a_newer_token_ends_sessions(self):
        self.ended(lambda box, access: self.server.api("POST", "/sandbox/%s/ssh-access" % box), "this SSH access was revoked")

    def test_expiry_ends_sessions(self):
        _, access = self.ended(lambda box, access: self.server.jump(61), "this SSH access has expired")
        self.assertIn(b"opens no sandbox", access.run("true").stderr)

    def test_a_stop_ends_sessions(self):
        box, access = self.ended(lambda box, access: self.server.api("POST", "/sandbox/%s/stop" % box), "")
        self.server.wait(box, "stopped")
        done = access.run("true")
        self.assertIn(b"the sandbox is not started", done.stderr)
        self.server.api("POST", "/sandbox/%s/start" % box)
        self.server.wait(box, "started")
        self.assertEqual(access.run("echo again").stdout, b"again\n")

    def test_a_delete_ends_sessions(self):
        self.ended(lambda box, access: self.server.api("DELETE", "/sandbox/" + box), "")

    def test_a_copy_ends_no_session(self):
        box = self.server.create(snapshot="daytona-local/vm:1.0")["id"]
        self.server.execute(box, "head -c 150000000 /dev/zero | tr '\\0' x > much")
        access = Access(self.server, box)
        process = access.start("echo begun; sleep 1000")
        self.assertEqual(process.stdout.readline(), b"begun\n")
        for call in ("fork", "snapshot"):
            self.assertEqual(self.server.api("POST", "/sandbox/%s/%s" % (box, call), {"name": "beside-ssh"}).status, 200)
            self.assertEqual(access.run("echo in").stdout, b"in\n")
            self.server.wait(box, "started")
        time.sleep(0.5)
        self.assertIsNone(process.poll())
        process.kill()
        process.communicate()

    def test_one_sandbox_leaves_connections_for_others(self):
        access, other = (Access(self.server, self.server.create()["id"]) for _ in range(2))
        sessions = [access.start("echo begun; sleep 1000") for _ in range(64)]
        try:
            for session in sessions:
                self.assertEqual(session.stdout.readline(), b"begun\n")
            self.assertIn(b"64 SSH sessions", access.run("true").stderr)
            self.assertEqual(other.run("echo in").stdout, b"in\n")
            sessions[0].kill()
            harness.until(lambda: access.run("echo in").stdout == b"in\n")
        finally:
            for session in sessions:
                session.kill()
                session.communicate()

    def test_a_session_is_activity(self):
        box = self.server.create(autoStopInterval=10)["id"]
        process = Access(self.server, box, minutes=1000).start("echo begun; sleep 1000")
        self.assertEqual(process.stdout.readline(), b"begun\n")
        for _ in range(4):
            self.server.jump(6)
            self.assertEqual(self.server.state_of(box), "started")
        process.kill()
        process.communicate()
        time.sleep(0.3)
        self.server.jump(11)
        self.server.wait(box, "stopping", "stopped")


class Logins(harness.Case):
    options = (*LISTEN, "--ssh-login-time", "4")

    def test_connections_that_do_not_log_in(self):
        """They end soon, and do not keep out others."""
        box = self.server.create()["id"]
        access = Access(self.server, box)
        idle = [socket.create_connection(("127.0.0.1", int(access.port))) for _ in range(120)]
        self.assertEqual(access.run("echo in").stdout, b"in\n")
        end = time.monotonic() + 20
        for sock in idle:
            sock.settimeout(max(0.1, end - time.monotonic()))
            try:
                while sock.recv(4096):
                    pass
            except ConnectionResetError:
                pass
            sock.close()
        for noise in (b"GET / HTTP/1.1\r\n\r\n", b"SSH-2.0-x\r\n" + os.urandom(4000), b"\0" * 100000):
            with socket.create_connection(("127.0.0.1", int(access.port)), timeout=10) as sock:
                try:
                    sock.sendall(noise)
                    while sock.recv(4096):
                        pass
                except OSError as error:
                    self.assertNotIsInstance(error, TimeoutError)
        self.assertEqual(access.run("echo in").stdout, b"in\n")


class Guesses(harness.Case):
    options = (*LISTEN, "--rate-limit", "failed-auth=5/3600")

    def test_guesses_are_counted(self):
        """They end in a lock-out of their address, as wrong keys of the API do."""
        access = Access(self.server, self.server.create()["id"])
        self.assertEqual(access.run("echo in").stdout, b"in\n")
        good, access.place = access.place, "x" * 32 + "@127.0.0.1"
        errors = [access.run("true").stderr.decode() for _ in range(7)]
        self.assertIn("opens no sandbox", errors[0])
        self.assertIn("too many failed logins", errors[-1])
        access.place = good
        self.assertIn(b"too many failed logins", access.run("true").stderr)


class Program(unittest.TestCase):
    """The gateway's program and its key."""

    def server(self, *options, **more):
        server = harness.Server(*options, **more)
        self.addCleanup(server.stop)
        return server

    @staticmethod
    def gateway_of(server):
        with open("/proc/%d/task/%d/children" % (server.process.pid, server.process.pid)) as file:
            for pid in file.read().split():
                with open("/proc/%s/cmdline" % pid) as line:
                    if "daytona-local-ssh" in line.read():
                        return int(pid)
        return None

    def test_the_host_key_stays(self):
        state = tempfile.mkdtemp(prefix="dl-ssh-")
        self.addCleanup(shutil.rmtree, state)
        server = self.server(*LISTEN, state=state)
        path = os.path.join(state, "ssh_host_ed25519_key")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        config = server.call("GET", "/api/config").json
        line = subprocess.run(["ssh-keygen", "-y", "-f", path], check=True, capture_output=True, text=True).stdout.split()
        self.assertEqual(config["sshGatewayHostKeys"], [" ".join(line[:2])])
        self.assertTrue(config["sshGatewayHostKeyFingerprints"][0].startswith("SHA256:"))
        self.assertEqual(config["sshGatewayHost"], "127.0.0.1")
        known = subprocess.run(["ssh-keyscan", "-p", str(config["sshGatewayPort"]), "127.0.0.1"], capture_output=True, text=True).stdout
        self.assertIn(config["sshGatewayHostKeys"][0], known)
        server.stop()
        server = self.server(*LISTEN, state=state)
        self.assertEqual(server.call("GET", "/api/config").json["sshGatewayHostKeys"], config["sshGatewayHostKeys"])
        server.stop()
        os.chmod(path, 0o644)
        self.refused("other users may read it", *LISTEN, state=state)
        with open(path, "w") as file:
            file.write("nonsense")
        os.chmod(path, 0o600)
        self.refused("holds no private key", *LISTEN, state=state)

    def refused(self, why, *options, **more):
        log = tempfile.TemporaryFile()
        self.assertRaises(RuntimeError, harness.Server, *options, log=log, **more)
        log.seek(0)
        self.assertIn(why, log.read().decode())

    def test_a_taken_port(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.refused("cannot listen for SSH on 127.0.0.1 port %d: Address already in use" % taken.getsockname()[1],
                         "--ssh-listen", "127.0.0.1:%d" % taken.getsockname()[1])

    def test_without_the_program(self):
        folder = tempfile.mkdtemp(prefix="dl-ssh-")
        self.addCleanup(shutil.rmtree, folder)
        alone = os.path.join(folder, "daytona-local")
        shutil.copy2(harness.program(), alone)
        self.refused("built without libssh (package libssh-dev)", *LISTEN, exe=alone)
        server = self.server(exe=alone)
        answer = server.api("POST", "/sandbox/%s/ssh-access" % server.create()["id"])
        self.assertEqual(answer.status, 400)
        self.assertIn("libssh", answer.json["message"])

    def test_without_the_option(self):
        server = self.server()
        answer = server.api("POST", "/sandbox/%s/ssh-access" % server.create()["id"])
        self.assertEqual(answer.status, 400)
        self.assertIn("--ssh-listen", answer.json["message"])
        self.assertNotIn("sshGatewayHost", server.call("GET", "/api/config").json)

    def test_the_program_comes_back(self):
        """And its sessions end with it, and with the server."""
        server = self.server(*LISTEN)
        access = Access(server, server.create()["id"])
        process = access.start("echo begun; sleep 1000")
        self.assertEqual(process.stdout.readline(), b"begun\n")
        gateway = self.gateway_of(server)
        os.kill(gateway, signal.SIGKILL)
        process.communicate(timeout=20)
        self.assertEqual(access.run("echo again").stdout, b"again\n")
        process = access.start("echo begun; sleep 1000")
        self.assertEqual(process.stdout.readline(), b"begun\n")
        gateway = self.gateway_of(server)
        self.assertEqual(server.stop(), 0)
        process.communicate(timeout=20)
        harness.until(lambda: not os.path.exists("/proc/%d" % gateway))

    def test_a_server_without_descriptors(self):
        """Who comes meanwhile is sent away, and who comes afterwards is served."""
        server = self.server(*LISTEN)
        access = Access(server, server.create()["id"])
        self.assertEqual(access.run("echo in").stdout, b"in\n")
        limits = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
        self.assertEqual(access.run("true").returncode, 255)
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, limits)
        self.assertEqual(access.run("echo in", limit=10).stdout, b"in\n")

    def test_sessions_have_no_rights(self):
        """What speaks with clients can open no files and start no programs; where root serves it is another user, too."""
        server = self.server(*LISTEN)
        access = Access(server, server.create()["id"])
        process = access.start("echo begun; cat")
        self.assertEqual(process.stdout.readline(), b"begun\n")
        with open("/proc/%d/task/%d/children" % ((self.gateway_of(server),) * 2)) as file:
            session = file.read().split()[0]
        with open("/proc/%s/status" % session) as file:
            status = file.read()
        self.assertNotIn("0", re.search(r"^Uid:\s+(.*)$", status, re.M).group(1).split())
        self.assertRegex(status, r"NoNewPrivs:\s+1\n(.*\n)?Seccomp:\s+2")
        process.communicate(timeout=20)

    def test_an_ordinary_user(self):
        if os.geteuid() != 0:
            self.skipTest("not root")
        try:
            subprocess.run([os.path.abspath(harness.program()), "--version"], user=64000, cwd="/", capture_output=True, check=True)
        except OSError:
            self.skipTest("the build folder keeps other users out (a clone in root's home?)")
        state = tempfile.mkdtemp(prefix="dl-ssh-")
        self.addCleanup(shutil.rmtree, state)
        os.chown(state, 64000, 64000)
        server = self.server(*LISTEN, state=state, user=64000, env={**os.environ, "HOME": state})
        done = Access(server, server.create()["id"]).run("id -un; exit 3")
        self.assertEqual((done.returncode, done.stdout), (3, b"daytona\n"), done.stderr)

    def test_run_has_it_by_itself(self):
        code = ("import json, os, subprocess, urllib.request\n"
                "def call(path):\n"
                "  r = urllib.request.Request(os.environ['DAYTONA_API_URL'] + path, data=b'{}', method='POST', headers={\n"
                "    'Authorization': 'Bearer ' + os.environ['DAYTONA_API_KEY'], 'Content-Type': 'application/json'})\n"
                "  return json.load(urllib.request.urlopen(r))\n"
                "box = call('/sandbox')['id']\n"
                "words = call('/sandbox/%%s/ssh-access' %% box)['sshCommand'].split()\n"
                "subprocess.run([words[0], *%r, *words[1:], 'echo', 'by', 'itself'])\n" % OPTIONS)
        done = subprocess.run([harness.program(), "run", "--", "python3", "-c", code], capture_output=True, timeout=60,
                              stdin=subprocess.DEVNULL)
        self.assertEqual((done.returncode, done.stdout), (0, b"by itself\n"), done.stderr)


class Images(unittest.TestCase):
    """An image with busybox alone: no scp, no server of sftp, no bash."""

    def test_an_image(self):
        if missing():
            self.skipTest(missing())
        registry = Registry()
        self.addCleanup(registry.close)
        registry.push("app", "1", busybox_layer(), User="app", WorkingDir="/srv/app", Cmd=["sleep", "1000"])
        server = harness.Server(*LISTEN, *registry.options())
        self.addCleanup(server.stop)
        made = server.api("POST", "/snapshots", {"name": "app", "imageName": "%s/app:1" % registry.name}).json
        harness.until(lambda: server.api("GET", "/snapshots/" + made["id"]).json["state"] in ("active", "error"), 60)
        box = server.create(snapshot="app")["id"]
        access = Access(server, box)
        self.assertEqual(access.run("id -un; pwd; exit 3").stdout, b"app\n/srv/app\n")
        terminal = Terminal(access.command(), rows=30, columns=90)
        terminal.expect(r"\$ ")
        terminal.type("stty size; exit 4\r")
        terminal.expect(r"30 90\r\n")
        self.assertEqual(terminal.wait(), 4)
        folder = tempfile.mkdtemp(prefix="dl-ssh-")
        self.addCleanup(shutil.rmtree, folder)
        data = os.urandom(500_000)
        with open(os.path.join(folder, "data"), "wb") as file:
            file.write(data)
        for mode in ((), ("-O",)):
            copy = ["scp", *OPTIONS, *mode, "-q", "-P", access.port]
            for words in ([folder + "/data", access.place + ":there"], [access.place + ":there", folder + "/back%d" % len(mode)]):
                done = subprocess.run(copy + words, capture_output=True, timeout=60)
                self.assertEqual(done.returncode, 0, done.stderr)
            with open(folder + "/back%d" % len(mode), "rb") as file:
                self.assertEqual(file.read(), data)
        self.assertIn("app", server.execute(box, "ls -l /srv/app/there")["result"])
        script = ("mkdir a\nmkdir a/b\nput %s/data a/b/one\nchmod 600 a/b/one\nln a/b/one a/two\nln -s one a/b/link\n"
                  "rename a/two a/three\ncd a\npwd\nls -l b\nreget three %s/part\nput -r %s c\nrm b/link\nrm b/one\nrmdir b\nls c\n"
                  % (folder, folder, folder))
        with open(folder + "/part", "wb") as file:
            file.write(data[:100_000])
        done = subprocess.run(["sftp", *OPTIONS, "-b", "-", "-P", access.port, access.place], input=script.encode(),
                              capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"Remote working directory: /srv/app/a\n", done.stdout)
        self.assertRegex(done.stdout, rb"-rw-------  +2 1000 +1000 +500000 .* one\n")
        self.assertRegex(done.stdout, rb"lrwxrwxrwx .* link\n")
        self.assertRegex(done.stdout, rb"c/back0\s+c/back1\s+c/data\s+c/part")
        with open(folder + "/part", "rb") as file:
            self.assertEqual(file.read(), data)
        done = subprocess.run(["sftp", *OPTIONS, "-b", "-", "-P", access.port, access.place], input=b"get /etc/none\n",
                              capture_output=True, timeout=60)
        self.assertIn(b"not found", done.stderr)
        self.assertEqual(done.returncode, 1)


if __name__ == "__main__":
    harness.main()
