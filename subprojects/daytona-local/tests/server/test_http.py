# SPDX-License-Identifier: Apache-2.0
"""The front door without a key: requests that do not end, floods of them, and what two parsers could read differently."""
import json
import os
import re
import resource
import socket
import struct
import tempfile
import time
import unittest

import harness

HOST = b"Host: x\r\n"
LIMIT = 30


def raise_own_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Door(harness.Case):
    options = ("--warm", "0")  # descriptors are counted, and boxes that start meanwhile have some

    def connect(self):
        sock = socket.socket()
        self.addCleanup(sock.close)
        sock.settimeout(LIMIT)
        if self.context:
            sock = self.context.wrap_socket(sock, server_hostname="localhost", suppress_ragged_eofs=True)
            self.addCleanup(sock.close)
        sock.connect(("127.0.0.1", self.server.port))
        return sock

    context = property(lambda self: self.server.context)

    @staticmethod
    def rest(sock):
        """Everything up to the end of the connection."""
        got = b""
        try:
            while part := sock.recv(65536):
                got += part
        except ConnectionResetError:
            got += b"<reset>"
        return got

    def ask(self, *pieces):
        """What comes for these bytes, up to the end of the connection."""
        sock = self.connect()
        for piece in pieces:
            sock.sendall(piece)
        return self.rest(sock)

    @staticmethod
    def statuses(answer):
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", answer)]

    def used(self):
        with open("/proc/%d/stat" % self.server.process.pid) as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.server.process.pid))

    def settled_descriptors(self):
        """How many there are when those of earlier tests have gone."""
        count, since = self.descriptors(), time.monotonic()
        while time.monotonic() < since + 0.5:
            time.sleep(0.02)
            if self.descriptors() != count:
                count, since = self.descriptors(), time.monotonic()
        return count

    def wait_for_descriptors(self, most, limit):
        end = time.monotonic() + limit
        while self.descriptors() > most and time.monotonic() < end:
            time.sleep(0.02)
        self.assertLessEqual(self.descriptors(), most)


class Strictness(Door):
    def refused(self, status, *pieces):
        """One answer, which is the refusal, and nothing of what follows is taken for a request."""
        answer = self.ask(*pieces)
        self.assertEqual(self.statuses(answer), [status], answer)
        self.assertIn(b"\r\nConnection: close\r\n", answer)
        body = json.loads(answer.partition(b"\r\n\r\n")[2])
        self.assertEqual(body["statusCode"], status)

    def test_lengths_that_contradict_each_other(self):
        post = b"POST /health HTTP/1.1\r\n" + HOST
        smuggled = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
        for headers in (b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
                        b"Content-Length: 4\r\nContent-Length: 5\r\n", b"Content-Length: 4\r\nContent-Length: 4\r\n",
                        b"Content-Length: 4, 4\r\n", b"Content-Length : 4\r\n", b"Content-Length: +4\r\n", b"Content-Length: 0x4\r\n",
                        b"Content-Length: -4\r\n", b"Content-Length: 4.0\r\n", b"Content-Length: 1e1\r\n", b"Content-Length:\r\n",
                        b"Content-Length: 99999999999999999999\r\n", b"Content-Length: 4\x0b\r\n", b"Content-Length: 4 4\r\n",
                        b"Content\0-Length: 4\r\n", b"X: y\r\n Content-Length: 4\r\n", b"Content-Length\t: 4\r\n"):
            with self.subTest(headers=headers):
                self.refused(400, post + headers + b"\r\n0\r\n\r\n" + smuggled)

    def test_transfer_codings(self):
        post = b"POST /health HTTP/1.1\r\n" + HOST
        for value in (b"xchunked", b"gzip, chunked", b"chunked, gzip", b"chunked, chunked", b"identity", b"", b"chunked;q=1", b"\x0bchunked",
                      b"chunked\r\nTransfer-Encoding: chunked", b"chunked\r\nTransfer-Encoding: identity", b'"chunked"'):
            with self.subTest(value=value):
                self.refused(400, post + b"Transfer-Encoding: " + value + b"\r\n\r\n0\r\n\r\n")
        self.refused(400, b"POST /health HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        self.refused(400, post + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n")
        for value in (b"chunked", b"Chunked", b"  chunked \t"):
            answer = self.ask(post + b"Connection: close\r\nTransfer-Encoding: " + value + b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
            self.assertEqual(self.statuses(answer), [200], value)

    def test_chunks(self):
        head = b"POST /health HTTP/1.1\r\n" + HOST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        for body in (b"3\nabc\n0\n\n", b"3\r\nabc\n0\r\n\r\n", b"3\r\nabc\r\n0\n\r\n", b"3\r\nabc\r\n0\r\n\n", b"3\r\nabcd\r\n", b"3\rabc\r\n",
                     b"\r\n", b"zz\r\n", b"-1\r\n", b"0x3\r\nabc\r\n0\r\n\r\n", b" 3\r\nabc\r\n", b";x\r\n", b"3;a\x01\r\n", b"3;a\n\r\n",
                     b"1000000000000000\r\n", b"0\r\nT: a\x01b\r\n\r\n", b"0\r\nT\r\r\n\r\n", b"3 \0\r\n"):
            with self.subTest(body=body):
                # The method has answered by then; garbage behind its head costs the connection.
                answer = self.ask(head + body + b"GET /health HTTP/1.1\r\n\r\n")
                self.assertEqual(self.statuses(answer), [200], answer)
                self.assertIn(b"Connection: close", answer)
                # With a body that is wanted it is refused.
                box = b"POST /api/sandbox HTTP/1.1\r\n" + HOST + b"Authorization: Bearer " + self.server.key.encode()
                self.refused(400, box + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
        for body in (b"3\r\nabc\r\n0\r\n\r\n", b"003;a=b;c=\"d\"\r\nabc\r\n00;x\r\nTrailer: x\r\nY: z\r\n\r\n", b"3 ;x\r\nabc\r\n0\r\n\r\n", b"A\r\n0123456789\r\n0\r\n\r\n"):
            self.assertEqual(self.statuses(self.ask(head + body)), [200])

    def test_hosts(self):
        get = b"GET /health HTTP/1.1\r\n"
        for hosts in (b"", b"Host: a\r\nHost: b\r\n", b"Host: a\r\nhost: a\r\n", b"Host: a/b\r\n", b"Host: a@b\r\n", b"Host: a b\r\n", b"Host : a\r\n",
                      b"Host: a, b\r\n", b"Host: a\x7f\r\n"):
            with self.subTest(hosts=hosts):
                self.refused(400, get + hosts + b"\r\n")
        self.refused(400, b"GET http://other/health HTTP/1.1\r\nHost: x\r\n\r\n")
        self.refused(400, b"GET http://x HTTP/1.1\r\nHost: y\r\n\r\n")
        for request in (b"GET http://x/health HTTP/1.1\r\nConnection: close\r\nHost: x\r\n\r\n", b"GET /health HTTP/1.0\r\n\r\n",
                        b"GET /health HTTP/1.1\r\nConnection: close\r\nHost: [::1]:80\r\n\r\n",
                        b"GET /health HTTP/1.1\r\nConnection: close\r\nHost:\r\n\r\n"):
            self.assertEqual(self.statuses(self.ask(request)), [200], request)

    def test_headers(self):
        get = b"GET /health HTTP/1.1\r\n" + HOST
        for header in (b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n", b"Authorization: Bearer a\r\nauthorization: Bearer a\r\n",
                       b"X-Daytona-Preview-Token: a\r\nX-Daytona-Preview-Token: b\r\n", b"Origin: a\r\nOrigin: b\r\n", b"X: a\0b\r\n",
                       b"X: a\x01b\r\n", b"X: a\x7fb\r\n", b"X: a\rb\r\n", b"X: a\r\n b\r\n", b"X\r\n", b": a\r\n", b"X Y: a\r\n", b"X(: a\r\n",
                       b"\xc3\xa9: a\r\n", b"X: a\n", b" X: a\r\n", b"X: a\n\r\n"):
            with self.subTest(header=header):
                self.refused(400, get + header + b"\r\n")
        self.refused(417, get + b"Expect: something\r\n\r\n")
        self.assertEqual(self.statuses(self.ask(get + b"Connection: close\r\nX: a\tb \xff\r\nY:\r\nZ:z\r\n\r\n")), [200])

    def test_request_lines(self):
        for line in (b"GET /health", b"GET  /health HTTP/1.1", b"GET /health  HTTP/1.1", b"GET /health HTTP/1.1 ", b" GET /health HTTP/1.1",
                     b"GET\t/health HTTP/1.1", b"GET health HTTP/1.1", b"GET /he alth HTTP/1.1", b"GET /a\x01 HTTP/1.1", b"GET /a\0 HTTP/1.1",
                     b"GET * HTTP/1.1", b"CONNECT x:80 HTTP/1.1", b"GET /health HTTP/1.1x", b"GET /health http/1.1", b"GET /health HTTP/11",
                     b"G(T /health HTTP/1.1", b"GET /health#x HTTP/1.1", b"GET ftp://x/ HTTP/1.1", b"\x16\x03\x01\x02"):
            with self.subTest(line=line):
                self.refused(400, line + b"\r\n" + HOST + b"\r\n")
        self.refused(505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.refused(505, b"GET /health HTTP/3.1\r\n" + HOST + b"\r\n")
        # One empty line in front is left by clients that end a body with one too many.
        self.assertEqual(self.statuses(self.ask(b"\r\nGET /health HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n")), [200])
        self.refused(400, b"\r\n\r\nGET /health HTTP/1.1\r\n" + HOST + b"\r\n")

    def test_sizes(self):
        get = b"GET /health HTTP/1.1\r\n" + HOST
        self.refused(414, b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        self.refused(414, b"GET /" + b"a" * 70000)
        self.refused(414, b"G" * 70000)
        self.refused(431, get + b"X: " + b"a" * 70000)
        self.refused(431, get + (b"X: a\r\n" * 257) + b"\r\n")
        self.refused(431, get + (b"Longer-Name: " + b"a" * 1000 + b"\r\n") * 60 + b"\r\n")
        answer = self.ask(get + b"Connection: close\r\nX: " + b"a" * 40000 + b"\r\n\r\n")
        self.assertEqual(self.statuses(answer), [200])
        # What passes here passes the toolbox, too, with what the proxy adds to it.
        box = self.server.create()["id"]
        head = "GET /toolbox/%s/version?x=%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nConnection: close\r\n" % (box, "q" * 30000, self.server.key)
        head = head.encode() + b"X: " + b"a" * (48 * 1024 - len(head) - 10) + b"\r\n\r\n"
        self.assertEqual(self.statuses(self.ask(head)), [200])

    def test_whole_and_in_pieces(self):
        request = (b"POST /health HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: u\r\n\r\n"
                   b"POST /health HTTP/1.1\r\n" + HOST + b"Connection: close\r\nContent-Length: 2\r\n\r\nab")
        self.assertEqual(self.statuses(self.ask(request)), [200, 200])
        for step in (1, 7):
            pieces = [request[at:at + step] for at in range(0, len(request), step)]
            self.assertEqual(self.statuses(self.ask(*pieces)), [200, 200])

    def test_requests_in_one_go(self):
        get = b"GET /health HTTP/1.1\r\n" + HOST
        answer = self.ask(get + b"\r\n", (get + b"\r\n") * 300 + get + b"Connection: close\r\n\r\n" + get + b"\r\n")
        self.assertEqual(self.statuses(answer), [200] * 302)

    def test_a_client_that_sends_no_more_gets_its_answers(self):
        get = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
        for requests in (get, get * 50, b"POST /health HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc" + get):
            sock = self.connect()
            sock.sendall(requests)
            sock.shutdown(socket.SHUT_WR)
            self.assertEqual(self.statuses(self.rest(sock)), [200] * requests.count(b"HTTP/1.1"))
        sock = self.connect()
        sock.sendall(get + get[:20])
        sock.shutdown(socket.SHUT_WR)
        self.assertEqual(self.statuses(self.rest(sock)), [200, 400])


class Previews(Door):
    """What a program behind a preview sends, and what it is sent."""

    PROGRAM = r"""
import os, socket, threading
def serve(c):
    data = b''
    while b'\r\n\r\n' not in data: data += c.recv(65536)
    name = data.split(b' ')[1].decode()[1:]
    if name.startswith('keep'):
        open(name + '.part', 'wb').write(data)
        os.rename(name + '.part', name)
    c.sendall(open(name, 'rb').read())
    c.close()
s = socket.create_server(('127.0.0.1', 8700), backlog=100)
open('ready', 'w').close()
while True: threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
"""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.box = cls.server.create()["id"]
        cls.upload("server.py", cls.PROGRAM.encode())
        cls.server.execute(cls.box, "setsid python3 server.py > log 2>&1 < /dev/null & while ! test -e ready; do sleep 0.01; done")

    @classmethod
    def upload(cls, name, data):
        answer = cls.server.call("POST", "/toolbox/%s/files/upload-v2?path=%s" % (cls.box, name), raw=data,
                                 headers={"Content-Type": "application/octet-stream"})
        assert answer.status == 200, answer.body

    def get(self, name):
        return self.server.call("GET", "/preview/8700-%s/%s" % (self.box, name))

    def test_control_characters_in_its_headers(self):
        ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n%s\r\nok"
        for number, line in enumerate((b"X: a\x01b\r\n", b"X\x02: a\r\n", b"X: a\0b\r\n", b"X: a\x7f\r\n", b"X: a\rY: b\r\n", b"X y: a\r\n", b": a\r\n")):
            with self.subTest(line=line):
                self.upload("bad%d" % number, ok % line)
                self.status(502, self.get("bad%d" % number))
        self.upload("reason", b"HTTP/1.1 200 O\x01K\r\nContent-Length: 2\r\n\r\nok")
        self.status(502, self.get("reason"))
        self.upload("good", ok % b"X: a\tb\r\nY:\r\n")
        self.assertEqual(self.status(200, self.get("good")).body, b"ok")

    def test_lengths_are_exact(self):
        for length in (2 ** 53 + 1, 2 ** 53 - 1, 2 ** 59 + 1):
            self.upload("huge", b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nx" % length)
            connection = self.server.connection()
            connection.request("GET", "/preview/8700-%s/huge" % self.box, headers={"Authorization": "Bearer " + self.server.key})
            self.assertEqual(connection.getresponse().headers["Content-Length"], str(length))
            connection.close()
            # And of a request, as the program has it.
            sock = self.connect()
            sock.sendall(("POST /preview/8700-%s/keep-%d HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\nx"
                          % (self.box, length, self.server.key, length)).encode())
            head = self.server.execute(self.box, "while ! test -e keep-%d; do sleep 0.01; done; cat keep-%d" % (length, length))["result"]
            self.assertIn("Content-Length: %d\r\n" % length, head)

    def test_a_stream_to_a_client_that_sends_no_more(self):
        path = "/toolbox/%s/process/session" % self.box
        self.status(201, self.server.call("POST", path, {"sessionId": "half"}))
        command = self.server.call("POST", path + "/half/exec", {"command": "echo begin; read x; echo got $x; read x; echo end", "runAsync": True}).json["cmdId"]
        sock = self.connect()
        sock.sendall(("GET %s/half/command/%s/logs?follow=true HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n"
                      % (path, command, self.server.key)).encode())
        sock.shutdown(socket.SHUT_WR)
        got = b""
        for line in ("one", "two"):
            self.status(204, self.server.call("POST", "%s/half/command/%s/input" % (path, command), {"data": line + "\n"}))
        got = self.rest(sock)
        for text in (b"begin", b"got one", b"end"):
            self.assertIn(text, got)
        self.assertTrue(got.endswith(b"0\r\n\r\n"), got[-20:])

    def test_who_leaves_a_quiet_stream_is_noticed(self):
        path = "/toolbox/%s/process/session" % self.box
        self.status(201, self.server.call("POST", path, {"sessionId": "quiet"}))
        command = self.server.call("POST", path + "/quiet/exec", {"command": "sleep 1000", "runAsync": True}).json["cmdId"]
        before = self.settled_descriptors()
        socks = [self.connect() for _ in range(10)]
        for sock in socks:
            sock.sendall(("GET %s/quiet/command/%s/logs?follow=true HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n"
                          % (path, command, self.server.key)).encode())
            self.assertIn(b"200", sock.recv(1000))
        self.assertGreaterEqual(self.descriptors(), before + 20)
        for sock in socks:
            sock.close()
        self.wait_for_descriptors(before, 10)
        # A long call, too: the answer is not begun yet.
        socks = [self.connect() for _ in range(10)]
        for sock in socks:
            body = b'{"command":"sleep 1000"}'
            sock.sendall(("POST /toolbox/%s/process/execute HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n"
                          % (self.box, self.server.key, len(body))).encode() + body)
        while self.descriptors() < before + 20:
            time.sleep(0.01)
        for sock in socks:
            sock.close()
        self.wait_for_descriptors(before, 10)


class Expectations(Door):
    def head(self, path, length, more=b"", key=None):
        return ("POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n"
                % (path, key or self.server.key, length)).encode() + more + b"\r\n"

    def test_who_waits_is_invited_or_refused(self):
        sock = self.connect()
        sock.sendall(self.head("/api/volumes", 12))
        self.assertEqual(sock.recv(1000), b"HTTP/1.1 100 Continue\r\n\r\n")
        sock.sendall(b'{"name":"v"}')
        self.assertIn(b"HTTP/1.1 200", sock.recv(10000))
        # A refusal comes instead of the invitation, and the connection ends, since the body may come or not.
        for key, status in (("wrong", 401), (None, 413)):
            sock = self.connect()
            sock.sendall(self.head("/api/volumes", 10 ** 10, key=key))
            self.assertEqual(self.statuses(self.rest(sock)), [status])

    def test_a_refusal_reaches_who_is_still_sending(self):
        for length in (b"Content-Length: 10000000000\r\n", b"Transfer-Encoding: chunked\r\n"):
            sock = self.connect()
            sock.sendall(b"POST /api/volumes HTTP/1.1\r\n" + HOST + length + b"\r\n")
            sock.settimeout(0.001)
            block = b"10000\r\n" + b"x" * 65536 + b"\r\n" if b"chunked" in length else b"x" * 65536
            got, began = b"", time.monotonic()
            while not got and time.monotonic() < began + LIMIT:
                try:
                    sock.settimeout(LIMIT)
                    sock.sendall(block)
                    sock.settimeout(0.0001)
                    got += sock.recv(10000)
                except (TimeoutError, BlockingIOError):
                    pass
            self.assertEqual(self.statuses(got), [401], got)


class NoKey(Door):
    """A program that knows no key cannot keep others out, whatever it leaves unended."""

    UNENDED = [
        # What is known to be wrong is refused at once ...
        ("chunk line", b"POST /health HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n2;" + b"x" * 60000, 1),
        ("chunk size", b"POST /api/sandbox HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 60000, 1),
        ("trailer", b"POST /health HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"x" * 60000, 1),
        ("chunks of one byte", b"POST /health HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + (b"1;" + b"x" * 4000 + b"\r\na\r\n") * 20, 1),
        ("target", b"GET /" + b"a" * 60000, 1),
        ("header", b"GET / HTTP/1.1\r\nX: " + b"a" * 60000, 1),
        # ... and what may still become something has some seconds.
        ("nothing", b"", 14),
        ("half a head", b"GET / HTTP/1.1\r\nHos", 14),
        ("half a chunk line", b"POST /health HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n2", 14),
        ("half a chunk", b"POST /api/sandbox HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n100\r\nab", 14),
        ("half a body", b"POST /api/sandbox HTTP/1.1\r\n" + HOST + b"Content-Length: 100\r\n\r\nab", 14),
    ]

    def test_what_does_not_end_is_ended(self):
        socks = []
        for name, text, limit in self.UNENDED:
            sock = self.connect()
            sock.sendall(text)
            socks.append((name, sock, limit, time.monotonic()))
        used = self.used()
        # A byte now and then gets nobody more time.
        slow = self.connect()
        slow_began = time.monotonic()
        slow.settimeout(0.5)
        ended = None
        slow.sendall(b"GET / HTTP/1.1\r\nX: ")
        for name, sock, limit, began in sorted(socks, key=lambda s: s[2]):
            answer = self.rest(sock)
            took = time.monotonic() - began
            with self.subTest(name=name):
                self.assertLess(took, limit + 3)
                if name != "nothing":
                    self.assertIn(self.statuses(answer)[0] // 100, (2, 4), answer)
                self.assertLessEqual(len(self.statuses(answer)), 1)
        while ended is None and time.monotonic() < slow_began + 20:
            try:
                slow.sendall(b"x")
                if not slow.recv(1000):
                    ended = time.monotonic()
            except TimeoutError:
                pass
            except OSError:
                ended = time.monotonic()
        self.assertIsNotNone(ended)
        self.assertLess(self.used() - used, 1)

    def test_a_peer_that_has_gone_leaves_nothing(self):
        before = self.settled_descriptors()
        for name, text, _ in self.UNENDED:
            for how in ("close", "reset"):
                with self.subTest(name=name, how=how):
                    used = self.used()
                    for _ in range(20):
                        sock = socket.create_connection(("127.0.0.1", self.server.port))
                        try:
                            sock.sendall(text)
                        except ConnectionError:
                            pass
                        if how == "reset":
                            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        sock.close()
                    self.wait_for_descriptors(before, 5)
                    self.assertLess(self.used() - used, 2)

    def times(self, count):
        """Of calls with a key, on one connection of its own."""
        times, connection = [], self.server.connection()
        connection.connect()
        for _ in range(count):
            began = time.monotonic()
            connection.request("GET", "/api/sandbox", headers={"Authorization": "Bearer " + self.server.key})
            answer = connection.getresponse()
            self.assertEqual((answer.status, bool(answer.read())), (200, True))
            times.append(time.monotonic() - began)
        connection.close()
        return sorted(times)

    def test_a_thousand_of_them(self):
        if raise_own_limit() < 4000:
            self.skipTest("too few descriptors may be open here")
        for name, text, _ in self.UNENDED[:1] + self.UNENDED[7:8] + self.UNENDED[9:10]:
            with self.subTest(name=name):
                socks = []
                for _ in range(1000):
                    sock = socket.create_connection(("127.0.0.1", self.server.port), timeout=LIMIT)
                    socks.append(sock)
                    try:
                        sock.sendall(text)
                    except ConnectionError:
                        pass
                for _ in range(50):  # what has come is worked off first
                    self.server.call("GET", "/health")
                times = self.times(21)
                # The machine may be busy with other things; most of the calls say how it is.
                self.assertLess(times[10], 0.02)
                used = self.used()
                time.sleep(1)
                self.assertLess(self.used() - used, 0.2)
                for sock in socks:
                    sock.close()

    def test_nine_thousand_shut_nobody_out(self):
        if raise_own_limit() < 10000:
            self.skipTest("too few descriptors may be open here")
        idle = self.server.connection()
        idle.request("GET", "/health")
        idle.getresponse().read()
        busy = self.connect()  # in the middle of a request with a key: nobody takes its place
        busy.sendall(("POST /api/volumes HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\nContent-Length: 12\r\n\r\n{" % self.server.key).encode())
        socks = []
        for number in range(9000):
            sock = socket.create_connection(("127.0.0.1", self.server.port), timeout=LIMIT)
            socks.append(sock)
            try:
                sock.sendall(b"GET / HTTP/1.1\r\nHos")
            except ConnectionError:
                pass
            if number % 500 == 0:
                self.status(200, self.server.call("GET", "/health"))
        for _ in range(20):
            self.status(200, self.server.api("GET", "/sandbox"))
        busy.sendall(b'"name":"v"}')
        self.assertEqual(self.statuses(self.rest(busy)), [200])
        for sock in socks:
            sock.close()


class NoKeyOverTls(NoKey):
    over_tls = True

    def test_nine_thousand_shut_nobody_out(self):
        """The flood does not shake hands."""
        if raise_own_limit() < 10000:
            self.skipTest("too few descriptors may be open here")
        super().test_nine_thousand_shut_nobody_out()


class Room(unittest.TestCase):
    """With few descriptors room is made for newcomers, and who costs least to ask for again goes first."""

    def setUp(self):
        program = harness.program()
        with tempfile.TemporaryDirectory() as directory:
            os.environ["DAYTONA_LOCAL"] = directory + "/limited"
            with open(directory + "/limited", "w") as file:
                file.write('#!/bin/sh\nulimit -n 128\nexec "%s" "$@"\n' % program)
            os.chmod(directory + "/limited", 0o755)
            try:
                self.server = harness.Server()
            finally:
                os.environ["DAYTONA_LOCAL"] = program
        self.addCleanup(lambda: self.assertEqual(self.server.stop(), 0))

    def connect(self):
        sock = socket.create_connection(("127.0.0.1", self.server.port))
        self.addCleanup(sock.close)
        return sock

    def test_half_heads_go_first(self):
        served = self.server.connection()
        served.request("GET", "/health")
        served.getresponse().read()
        half = [self.connect() for _ in range(200)]
        for sock in half[-10:]:
            sock.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n")
        self.assertEqual(self.server.api("GET", "/sandbox").status, 200)
        served.request("GET", "/health")  # it was idle only
        self.assertEqual(served.getresponse().status, 200)
        for sock in half[-5:]:
            sock.sendall(b"\r\n")
            sock.settimeout(LIMIT)
            self.assertIn(b"200 OK", sock.recv(1000))

    def test_who_takes_no_answers_goes_too(self):
        request = b"GET /api/" + b"a" * 30000 + b" HTTP/1.1\r\n" + HOST + b"\r\n"
        for _ in range(60):
            sock = socket.socket()
            self.addCleanup(sock.close)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", self.server.port))
            sock.settimeout(0.05)
            try:
                while True:
                    sock.sendall(request)
            except OSError:
                pass
        began = time.monotonic()
        self.assertEqual(self.server.api("GET", "/sandbox").status, 200)
        self.assertLess(time.monotonic() - began, 20)


if __name__ == "__main__":
    harness.main()
