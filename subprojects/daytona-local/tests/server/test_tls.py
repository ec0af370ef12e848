# SPDX-License-Identifier: Apache-2.0
"""The TLS in front of the server, towards clients that are slow, picky, half gone, or not welcome."""
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

import harness
from ws_client import WebSocket

LIMIT = 60
TCP_CLOSE = 7


class Tls(harness.Case):
    over_tls = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.box = cls.server.create()["id"]
        cls.data = bytes(range(256)) * 4096
        answer = cls.upload("data", cls.data)
        assert answer.status == 200, answer.body

    @classmethod
    def upload(cls, name, data):
        return cls.server.call("POST", "/toolbox/%s/files/upload-v2?path=%s" % (cls.box, name), raw=data,
                               headers={"Content-Type": "application/octet-stream"})

    def tearDown(self):
        self.status(204, self.server.call("DELETE", "/admin/faults"))

    def head(self, path, method="GET", more=""):
        return ("%s %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n%s\r\n" % (method, path, self.server.key, more)).encode()

    def download_head(self):
        return self.head("/toolbox/%s/files/download?path=data" % self.box, more="Connection: close\r\n")

    def plain_socket(self, receive_buffer=None):
        sock = socket.socket()
        self.addCleanup(sock.close)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(LIMIT)
        sock.connect(("127.0.0.1", self.server.port))
        return sock

    def tls_socket(self, receive_buffer=None):
        sock = self.server.context.wrap_socket(self.plain_socket(receive_buffer), server_hostname="localhost")
        self.addCleanup(sock.close)
        return sock

    def openssl_client(self, request, *options):
        """What openssl's client gets for `request`, and what it says about it."""
        command = ["openssl", "s_client", "-quiet", "-connect", "127.0.0.1:%d" % self.server.port, *options]
        done = subprocess.run(command, input=request, capture_output=True, timeout=LIMIT)
        return done.stdout, done.stderr

    def test_clients_that_take_small_records_only(self):
        for version in ("-tls1_2", "-tls1_3"):
            with self.subTest(version=version):
                got, said = self.openssl_client(self.download_head(), version, "-maxfraglen", "512")
                self.assertTrue(got.endswith(b"\r\n\r\n" + self.data), (len(got), said))

    def test_versions_from_1_2_on(self):
        for version, is_welcome in (("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)):
            with self.subTest(version=version):
                got, said = self.openssl_client(self.head("/health", more="Connection: close\r\n"), version, "-cipher", "DEFAULT@SECLEVEL=0")
                self.assertEqual(got.startswith(b"HTTP/1.1 200"), is_welcome, said)
                if not is_welcome:
                    self.assertIn(b"alert protocol version", said)

    def test_a_request_for_another_handshake(self):
        got, said = self.openssl_client(b"R\n", "-no_ign_eof", "-tls1_2")
        self.assertEqual(got, b"")
        self.assertIn(b"no renegotiation", said)

    def test_plain_http_is_told_something(self):
        for _ in range(10):
            sock = self.plain_socket()
            sock.sendall(self.head("/health") * 100)
            got = b""
            while more := sock.recv(1000):
                got += more
            self.assertEqual(got[:1], b"\x15")  # an alert

    def test_a_client_that_sends_no_more_gets_its_answer(self):
        sock = self.plain_socket()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.server.context.wrap_bio(incoming, outgoing, server_hostname="localhost")

        def step(call, *arguments):
            while True:
                try:
                    return call(*arguments)
                except ssl.SSLWantReadError:
                    sock.sendall(outgoing.read()) if outgoing.pending else None
                    got = sock.recv(65536)
                    incoming.write(got) if got else incoming.write_eof()
        step(tls.do_handshake)
        self.server.fault(action="delay", delay_ms=100, match={"path": "/api/config"})
        tls.write(self.head("/api/config"))
        sock.sendall(outgoing.read())
        sock.shutdown(socket.SHUT_WR)
        got = b""
        while more := step(tls.read, 65536):  # up to the server's own end
            got += more
        self.assertRegex(got, rb"(?s)^HTTP/1.1 200.*}$")

    def test_requests_in_one_go_and_one_after_the_other(self):
        sock = self.tls_socket()
        one = self.head("/health")
        for count in (1, 3, 20):
            sock.sendall(one * count)
            got = b""
            while got.count(b"HTTP/1.1 200") < count or not got.endswith(b"}"):
                got += sock.recv(65536)

    def test_a_body_that_waits_for_100_continue(self):
        sock = self.tls_socket()
        path = "/toolbox/%s/files/upload-v2?path=expected" % self.box
        sock.sendall(self.head(path, "POST", "Content-Length: 5\r\nContent-Type: application/octet-stream\r\nExpect: 100-continue\r\n"))
        self.assertEqual(sock.recv(1000), b"HTTP/1.1 100 Continue\r\n\r\n")
        sock.sendall(b"hello")
        self.assertTrue(sock.recv(1000).startswith(b"HTTP/1.1 200"))
        self.assertEqual(self.server.execute(self.box, "cat expected")["result"], "hello")

    def test_an_answer_is_reset_behind_its_bytes(self):
        for after in (1, 20, 100000):
            with self.subTest(after=after):
                self.server.fault(action="reset", after_bytes=after, match={"target": "toolbox"})
                sock = self.tls_socket()
                sock.sendall(self.download_head())
                got = b""
                while more := self.read_or_nothing(sock):
                    got += more
                # TLS libraries are vague about a reset, the kernel is not.
                self.assertEqual(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0], TCP_CLOSE)
                self.assertEqual(got.partition(b"\r\n\r\n")[2], self.data[:after])

    @staticmethod
    def read_or_nothing(sock):
        try:
            return sock.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError):
            return b""

    def server_side(self, sock):
        """What the kernel's table says behind the state of the server's socket; None: the server has let go of it."""
        established = ":%04X 0100007F:%04X 01 " % (self.server.port, sock.getsockname()[1])
        with open("/proc/net/tcp") as file:
            return next((line.partition(established)[2] for line in file if established in line), None)

    def held_for(self, sock):
        """How many bytes the server's kernel holds for the client; None when the server has let go of the connection."""
        side = self.server_side(sock)
        return side and int(side[:8], 16)

    def test_connections_are_the_servers_alone(self):
        self.server.fault(action="freeze", after_frames=1000, match={"path": "/toolbox/*/process/interpreter"})
        ws = self.server.websocket("/toolbox/%s/process/interpreter/execute" % self.box)
        self.addCleanup(ws.close)
        link = "socket:[%s]" % self.server_side(ws.sock).split()[5]
        box = self.server.create()["id"]
        self.assertEqual(self.server.execute(box, "echo up")["result"], "up\n")
        owners = [pid for pid, _ in harness.processes() if link in self.links_of(pid)]
        self.status(200, self.server.api("DELETE", "/sandbox/" + box))
        self.assertEqual(owners, [self.server.process.pid])

    @staticmethod
    def links_of(pid):
        found = set()
        try:
            for name in os.listdir("/proc/%d/fd" % pid):
                found.add(os.readlink("/proc/%d/fd/%s" % (pid, name)))
        except OSError:
            pass
        return found

    def held_at_last(self, sock):
        """The same, once it does not change any more."""
        seen, since = 0, 0
        while not seen or time.monotonic() < since + 1:
            count = self.held_for(sock)
            if count != seen:
                seen, since = count, time.monotonic()
            time.sleep(0.01)
        return seen

    def test_clients_that_read_nothing_are_let_go(self):
        path = "/toolbox/%s/process/session" % self.box
        self.status(201, self.server.call("POST", path, {"sessionId": "s"}))
        command = self.status(202, self.server.call("POST", path + "/s/exec", {"command": "seq 1 2000000", "runAsync": True}))

        def follow_blindly():
            sock = self.tls_socket(4096)
            WebSocket(sock, "%s/s/command/%s/logs?follow=true" % (path, command.json["cmdId"]),
                      [("Authorization", "Bearer " + self.server.key)], "localhost")
            return sock
        size = self.held_at_last(follow_blindly())
        # The stream is cut in what waits behind that, and the server's side of it goes some seconds later.
        self.server.fault(action="truncate", after_bytes=size + 240000, match={"target": "toolbox"})
        sock = follow_blindly()
        self.assertGreater(self.held_at_last(sock), size - 100000)
        end = time.monotonic() + LIMIT
        while self.held_for(sock) is not None and time.monotonic() < end:
            time.sleep(0.01)
        self.assertIsNone(self.held_for(sock))


class ClientCertificates(unittest.TestCase):
    def test_a_client_without_one_is_told_so(self):
        if not shutil.which("openssl"):
            self.skipTest("openssl is not installed")
        with tempfile.TemporaryDirectory() as directory:
            harness.make_certificates(directory)
            server = harness.Server("--tls-client-ca", os.path.join(directory, "ca.pem"), tls=directory)
            self.addCleanup(lambda: self.assertEqual(server.stop(), 0))
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                for _ in range(20):
                    server.context.minimum_version = server.context.maximum_version = version
                    with self.assertRaisesRegex(ssl.SSLError, "(?i)alert.*(certificate|handshake failure)"):
                        server.call("POST", "/api/sandbox", raw=b"x" * 100000)


if __name__ == "__main__":
    harness.main()
