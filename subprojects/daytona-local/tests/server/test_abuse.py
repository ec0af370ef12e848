# SPDX-License-Identifier: Apache-2.0
"""What a sandbox or a client with bad intent tries: secrets of the server's session, descriptors."""
import ctypes
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

import harness

KEYCTL = {"x86_64": (248, 250), "aarch64": (217, 219)}.get(os.uname().machine)
JOIN_SESSION_KEYRING, SEARCH, READ, SESSION = 1, 10, 11, -3

READ_KEY = """python3 -c "
import ctypes
libc = ctypes.CDLL(None)
key = libc.syscall(%d, %d, %d, b'user', b'dl-test', 0)
text = ctypes.create_string_buffer(32)
print('found' if libc.syscall(%d, %d, key, text, 31) > 0 else 'nothing', text.value.decode())
" """


class Keyrings(unittest.TestCase):
    """The kernel's keyrings belong to no namespace: a session's must not be handed down."""

    def test_keys_of_the_session_stay_outside(self):
        if KEYCTL is None:
            self.skipTest("the numbers of the key calls are not known here")
        add, control = KEYCTL
        # A session of its own for this server, as a login makes one; this process ends with the tests.
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syscall(control, JOIN_SESSION_KEYRING, None) < 0 or libc.syscall(add, b"user", b"dl-test", b"the secret", 10, SESSION) < 0:
            self.skipTest("no keyrings here: " + os.strerror(ctypes.get_errno()))
        command = READ_KEY % (control, SEARCH, SESSION, control, READ)
        self.assertEqual(subprocess.run(command, shell=True, capture_output=True, text=True).stdout, "found the secret\n")
        server = harness.Server()
        try:
            box = server.create()["id"]
            self.assertEqual(server.execute(box, command)["result"], "nothing \n")
        finally:
            self.assertEqual(server.stop(), 0)


class Descriptors(unittest.TestCase):
    LIMIT = 128

    def test_more_clients_than_descriptors(self):
        with tempfile.TemporaryFile() as log:
            # The server raises its own limit to the hard one, so that one is set.
            program = harness.program()
            with tempfile.TemporaryDirectory() as directory:
                os.environ["DAYTONA_LOCAL"] = directory + "/limited"
                with open(directory + "/limited", "w") as file:
                    file.write('#!/bin/sh\nulimit -n %d\nexec "%s" "$@"\n' % (self.LIMIT, program))
                os.chmod(directory + "/limited", 0o755)
                try:
                    server = harness.Server(log=log)
                finally:
                    os.environ["DAYTONA_LOCAL"] = program
            clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(2 * self.LIMIT)]
            used = self.processor_time(server)
            time.sleep(1)  # what it does in a second when it cannot do anything
            used = self.processor_time(server) - used
            for client in clients:
                client.close()
            self.assertEqual(server.api("GET", "/sandbox").status, 200)
            self.assertEqual(server.stop(), 0)
            self.assertLess(log.tell(), 1000)
            self.assertLess(used, 0.3)

    @staticmethod
    def processor_time(server):
        with open("/proc/%d/stat" % server.process.pid) as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


TAKE_TERMINALS = """python3 -c "
import os, time
count = 0
try:
  while count < 5000: os.open('/dev/ptmx', os.O_RDWR | os.O_NOCTTY); count += 1
except OSError as e: pass
print(count, flush=True)
time.sleep(60)
" > taken 2>&1 & while [ ! -s taken ]; do sleep 0.05; done; cat taken"""


class Terminals(unittest.TestCase):
    """The kernel counts them for all namespaces together."""

    def test_one_sandbox_leaves_some_for_others(self):
        if os.geteuid() != 0:
            self.skipTest("not root: bubblewrap's own devices have no limit")
        server = harness.Server()
        try:
            greedy, other = server.create()["id"], server.create()["id"]
            self.assertEqual(server.execute(greedy, TAKE_TERMINALS)["result"], "256\n")
            self.assertEqual(server.call("POST", "/toolbox/%s/process/pty" % other, {"id": "p"}).status, 201)
        finally:
            self.assertEqual(server.stop(), 0)


TAKE_WATCHES = """python3 -c "
import os, select, time
files, all = [os.eventfd(0) for _ in range(%d)], []
try:
  while True:
    all.append(select.epoll())
    for file in files: all[-1].register(file, 1)
except OSError as e: print(e.strerror, flush=True)
time.sleep(60)
" """


class Watches(unittest.TestCase):
    """Watches of epoll are counted per user, whom an ordinary user's server shares with its sandboxes: without one libuv aborts."""

    def test_one_that_takes_all_ends_and_no_other(self):
        if os.geteuid() != 0:
            self.skipTest("not root: the watches would be those of whoever runs the tests")
        try:
            with open("/proc/sys/fs/epoll/max_user_watches") as file:
                most = int(file.read())
            subprocess.run([os.path.abspath(harness.program()), "--version"], user=64000, cwd="/", capture_output=True, check=True)
        except OSError as error:
            self.skipTest("%s: no such limit, or the build folder keeps other users out" % error)
        with open("/proc/meminfo") as file:
            free = int(re.search(r"MemAvailable:\s+(\d+)", file.read()).group(1)) * 1024
        if most * 256 * 2 > free:
            self.skipTest("%d watches take more memory than is to spare here" % most)
        state = tempfile.mkdtemp(prefix="dl-test-")
        self.addCleanup(shutil.rmtree, state, ignore_errors=True)
        os.chown(state, 64000, 64000)
        server = harness.Server("--warm", "0", state=state, user=64000, env={**os.environ, "HOME": state})
        try:
            greedy, other = server.create()["id"], server.create()["id"]
            server.call("POST", "/toolbox/%s/process/session" % greedy, {"sessionId": "s"})
            files = int(server.execute(greedy, "ulimit -n")["result"]) - 1000
            server.call("POST", "/toolbox/%s/process/session/s/exec" % greedy, {"command": TAKE_WATCHES % files, "runAsync": True})
            server.wait(greedy, "error", limit=90)
            self.assertIn("watches", server.api("GET", "/sandbox/" + greedy).json["errorReason"])
            self.assertEqual(server.execute(other, "echo served")["result"], "served\n")
            self.assertEqual(server.execute(server.create()["id"], "echo served")["result"], "served\n")
        finally:
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    harness.main()
