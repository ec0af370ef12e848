# SPDX-License-Identifier: Apache-2.0
"""Damage to upgraded connections, over plain HTTP and over TLS: each rule does exactly what README.md says."""
import os
import socket
import ssl
import struct
import time

import harness
from ws_client import BINARY, CLOSE, PING, PONG, TEXT

PORT = 8099
SIZES = (0, 5, 125, 126, 1000, 65535, 65536, 3)


def head(first, size):
    if size < 126:
        return bytes([first, size])
    return bytes([first, 126]) + struct.pack(">H", size) if size < 65536 else bytes([first, 127]) + struct.pack(">Q", size)


def frame(first, payload=b""):
    return head(first, len(payload)) + payload


def payload(size):
    # Bytes that look like heads of frames, and differ from place to place.
    return bytes(range(0x78, 0x98)) * (size // 32) + b"\x88" * (size % 32)


FRAMES = [frame(0x80 | (BINARY if n % 2 else TEXT), payload(size)) for n, size in enumerate(SIZES)]

# Sends the file that the path names to whoever upgrades, then what the client sends back to it. NAME.got holds what
# the client sent; NAME.end appears when it has ended.
PROGRAM = r"""
import base64, hashlib, os, socket, threading
def serve(c):
    data = b''
    while b'\r\n\r\n' not in data:
        data += c.recv(65536)
    head, data = data.split(b'\r\n\r\n', 1)
    lines = dict(line.split(': ', 1) for line in head.decode().split('\r\n')[1:])
    lines = {k.lower(): v for k, v in lines.items()}
    name = head.split(b' ')[1].decode().strip('/')
    key = lines['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    c.sendall(('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
               'Sec-WebSocket-Accept: ' + accept + '\r\n\r\n').encode())
    with open(name + '.got', 'wb', buffering=0) as got:
        try:
            c.sendall(open(name, 'rb').read())
            while data or (data := c.recv(65536)):
                got.write(data)
                if name.startswith('echo'):
                    c.sendall(data)
                if name.startswith('quit'):
                    break
                data = b''
        except OSError:
            pass
    c.close()
    open(name + '.end', 'w').close()
server = socket.create_server(('127.0.0.1', 8099), backlog=100)
open('ready', 'w').close()
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""


def rest(ws):
    """All bytes up to the end of the connection, and how it ended."""
    try:
        while True:
            ws.more()
    except (EOFError, ConnectionResetError, ssl.SSLEOFError):
        # TLS libraries are vague about it, the kernel is not: a reset connection is in no state but CLOSE.
        state = ws.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        return ws.data, "reset" if state == 7 else "end"


class StreamFaults(harness.Case):
    options = ("--warm", "0")  # descriptors are counted, and boxes that start meanwhile have some

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.box = cls.server.create()["id"]
        cls.upload("frames", b"".join(FRAMES))
        cls.upload("server.py", PROGRAM.encode())
        cls.server.execute(cls.box, "setsid python3 server.py > log 2>&1 < /dev/null & while ! test -e ready; do sleep 0.01; done")
        cls.count = 0

    @classmethod
    def upload(cls, name, data):
        answer = cls.server.call("POST", "/toolbox/%s/files/upload-v2?path=%s" % (cls.box, name), raw=data,
                                 headers={"Content-Type": "application/octet-stream"})
        assert answer.status == 200, answer.body

    def tearDown(self):
        self.status(204, self.server.call("DELETE", "/admin/faults"))

    def connect(self, name, **rule):
        """A connection to the program in the box; `name` is the file it sends."""
        rule.setdefault("match", {"target": "preview"})
        self.server.fault(**rule)
        return self.server.websocket("/preview/%d-%s/%s" % (PORT, self.box, name))

    def copy(self, prefix, data=None):
        """A file of its own, so that .got and .end are of one connection."""
        StreamFaults.count = getattr(StreamFaults, "count", 0) + 1
        name = "%s-%d" % (prefix, StreamFaults.count)
        self.upload(name, b"".join(FRAMES) if data is None else data)
        return name

    def wait_in_box(self, name):
        self.server.execute(self.box, "while ! test -e %s; do sleep 0.01; done" % name)

    def read_in_box(self, name):
        return self.server.call("GET", "/toolbox/%s/files/download?path=%s" % (self.box, name)).body

    def test_cuts_at_every_border(self):
        for action, how in (("truncate", "end"), ("reset", "reset")):
            for count in range(len(FRAMES) + 1):
                with self.subTest(action=action, frames=count):
                    ws = self.connect("frames", action=action, after_frames=count)
                    self.assertEqual(rest(ws), (b"".join(FRAMES[:count]), how))
                    ws.close()

    def test_cuts_inside_a_frame(self):
        for action, how in (("truncate", "end"), ("reset", "reset")):
            for count, into in ((0, 1), (1, 1), (1, 2), (1, 6), (3, 3), (6, 9), (6, 40000)):
                with self.subTest(action=action, frames=count, into=into):
                    ws = self.connect("frames", action=action, after_frames=count, into_bytes=into)
                    self.assertEqual(rest(ws), (b"".join(FRAMES[:count]) + FRAMES[count][:into], how))
                    ws.close()
        # A shorter frame passes whole, and nothing of the next one.
        ws = self.connect("frames", action="truncate", after_frames=1, into_bytes=100)
        self.assertEqual(rest(ws)[0], b"".join(FRAMES[:2]))
        ws.close()

    def test_cuts_at_a_byte(self):
        whole = b"".join(FRAMES)
        for action, how in (("truncate", "end"), ("reset", "reset")):
            for size in (0, 1, 2, 100, 100000):
                with self.subTest(action=action, bytes=size):
                    ws = self.connect("frames", action=action, after_bytes=size)
                    self.assertEqual(rest(ws), (whole[:size], how))
                    ws.close()

    def test_a_cut_ends_the_sandboxes_side(self):
        for action in ("truncate", "reset"):
            name = self.copy("cut")
            ws = self.connect(name, action=action, after_frames=2)
            self.wait_in_box(name + ".end")
            self.assertEqual(rest(ws)[0], b"".join(FRAMES[:2]))
            ws.close()

    def test_a_stream_that_ends_before_is_whole(self):
        name = self.copy("quit")
        ws = self.connect(name, action="reset", after_frames=100)
        ws.send("x")
        self.assertEqual(rest(ws), (b"".join(FRAMES), "end"))
        ws.close()

    def test_what_is_no_frame_never_reaches_a_border(self):
        data = b"\x82\x7f" + b"\xff" * 8 + b"\x82\x00" * 100
        name = self.copy("quit", data)
        for rule in ({"action": "truncate", "after_frames": 1}, {"action": "split", "fragment_bytes": 1}, {"action": "delay-pongs"}):
            ws = self.connect(name, **rule)
            ws.send("x")
            self.assertEqual(rest(ws), (data, "end"))
            ws.close()

    def test_a_freeze_ends_by_itself(self):
        for count in (0, 2, 5):
            with self.subTest(frames=count):
                name = self.copy("echo")
                ws = self.connect(name, action="freeze", after_frames=count, for_ms=400)
                began = time.monotonic()
                want = b"".join(FRAMES[:count])
                self.assertEqual(ws.take(len(want)), want)
                ws.send("before", first=0x81)
                want = b"".join(FRAMES[count:])
                self.assertEqual(ws.take(len(want)), want)
                self.assertGreaterEqual(time.monotonic() - began, 0.3)
                echoed = ws.take(2 + 4 + len("before"))
                self.assertEqual(echoed, self.read_in_box(name + ".got"))
                ws.close()

    def test_a_freeze_holds_both_ways(self):
        name = self.copy("echo")
        ws = self.connect(name, action="freeze", after_frames=3)
        want = b"".join(FRAMES[:3])
        self.assertEqual(ws.take(len(want)), want)
        ws.send("never", first=0x81)
        ws.sock.settimeout(0.3)
        with self.assertRaises(TimeoutError):
            ws.more()
        self.assertEqual((ws.data, self.read_in_box(name + ".got")), (b"", b""))
        ws.close()
        self.wait_in_box(name + ".end")

    def test_a_frozen_client_that_floods_can_still_leave(self):
        name = self.copy("echo")
        ws = self.connect(name, action="freeze", after_bytes=0)
        ws.sock.settimeout(1)
        with self.assertRaises(TimeoutError):
            while True:
                ws.sock.sendall(b"x" * 1000000)
        self.assertEqual(self.read_in_box(name + ".got"), b"")
        ws.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ws.close()
        self.wait_in_box(name + ".end")

    def test_a_frozen_client_does_not_learn_of_the_end(self):
        name = self.copy("quit", b"".join(FRAMES[:3]))
        ws = self.connect(name, action="freeze", after_frames=1, for_ms=500)
        ws.sock.settimeout(60)
        self.server.execute(self.box, "pkill -f 'python3 server.py'; rm -f ready; setsid python3 server.py > log 2>&1 < /dev/null & "
                                      "while ! test -e ready; do sleep 0.01; done")
        self.assertEqual(rest(ws), (b"".join(FRAMES[:3]), "end"))
        ws.close()

    def test_a_frozen_body(self):
        self.server.fault(action="freeze", after_bytes=10, match={"path": "/api/config"})
        with self.assertRaises(TimeoutError):
            self.server.call("GET", "/api/config", timeout=0.3)
        self.server.fault(action="freeze", after_bytes=10, for_ms=300, match={"path": "/api/config"})
        began = time.monotonic()
        self.assertEqual(self.status(200, self.server.api("GET", "/config")).body, self.server.api("GET", "/config").body)
        self.assertGreaterEqual(time.monotonic() - began, 0.3)

    def test_held_pongs(self):
        data = [frame(0x8A, b"one"), FRAMES[1], frame(0x8A), FRAMES[5], frame(0x8A, b"three"), frame(0x89, b"ping"), FRAMES[7]]
        name = self.copy("echo", b"".join(data))
        ws = self.connect(name, action="delay-pongs")
        want = data[1] + data[3] + data[5] + data[6]
        self.assertEqual(ws.take(len(want)), want)
        ws.send("x")
        self.assertEqual(len(ws.take(7)), 7)
        self.assertEqual(ws.data, b"")
        ws.close()

    def test_late_pongs_come_in_order_and_between_frames(self):
        data = [frame(0x8A, b"one"), FRAMES[1], frame(0x8A), FRAMES[5], frame(0x8A, b"three"), FRAMES[7]]
        name = self.copy("echo", b"".join(data))
        began = time.monotonic()
        ws = self.connect(name, action="delay-pongs", delay_ms=500)
        want = data[1] + data[3] + data[5]
        late = data[0] + data[2] + data[4]
        self.assertEqual(ws.take(len(want) + len(late)), want + late)
        self.assertGreaterEqual(time.monotonic() - began, 0.5)
        ws.close()

    def test_a_client_that_is_not_read(self):
        for count in (0, 1, 3):
            with self.subTest(frames=count):
                name = self.copy("echo")
                asked = time.monotonic()
                ws = self.connect(name, action="leave-unread", after_frames=count, for_ms=400)
                began = time.monotonic()
                self.assertEqual(ws.take(len(b"".join(FRAMES))), b"".join(FRAMES))  # what the sandbox sends arrives
                for n in range(6):
                    ws.send("%d" % n)
                self.assertEqual(len(ws.take(count * 7)), count * 7)
                self.assertLess(time.monotonic() - began, 0.4)
                self.assertEqual(len(ws.take((6 - count) * 7)), (6 - count) * 7)
                self.assertGreaterEqual(time.monotonic() - asked, 0.4)
                ws.close()

    def test_a_client_that_is_never_read_may_go(self):
        name = self.copy("echo")
        ws = self.connect(name, action="leave-unread")
        ws.take(len(b"".join(FRAMES)))
        ws.send("x")
        ws.close()
        self.wait_in_box(name + ".end")
        self.assertEqual(self.read_in_box(name + ".got"), b"")

    def test_pongs_of_a_terminal_are_late(self):
        answer = self.server.call("POST", "/toolbox/%s/process/pty" % self.box, {"id": "pongs"})
        self.status(201, answer)
        # It is only about sockets: other calls leave it alone.
        self.server.fault(action="delay-pongs", match={"path": "/toolbox/*/process/pty", "target": "toolbox"})
        self.status(200, self.server.call("GET", "/toolbox/%s/process/pty/pongs" % self.box))
        ws = self.server.websocket("/toolbox/%s/process/pty/pongs/connect" % self.box)
        ws.send("?", PING)
        ws.send("exit 3\n")
        frames, code, _ = ws.until_close()
        self.assertEqual(code, 1011)
        self.assertNotIn(PONG, [opcode for opcode, _ in frames])

    def test_close_with_a_code(self):
        for code, reason in ((1000, ""), (1001, "going"), (1008, "slow consumer"), (1011, "ü" * 61), (1012, "restart"), (1013, "later"),
                             (1014, "gateway"), (3000, "x" * 123), (4008, ""), (4999, "last"), (1005, "")):
            with self.subTest(code=code):
                name = self.copy("close")
                rule = {"close_reason": reason} if reason else {}
                ws = self.connect(name, action="close", after_frames=4, close_code=code, **rule)
                frames, got, said = ws.until_close()
                self.assertEqual([frame(0x80 | opcode, data) for opcode, data in frames], FRAMES[:4])
                self.assertEqual((got, said), (code, reason))
                ws.close()
                self.wait_in_box(name + ".end")

    def test_close_of_a_client_that_does_not_answer(self):
        ws = self.connect("frames", action="close", close_code=1001)
        self.assertEqual(ws.frame(), (CLOSE, b"\x03\xe9"))
        ws.send("not a close frame")
        self.assertEqual(rest(ws)[0], b"")  # after a limit
        ws.close()

    def test_close_of_an_interpreter_run(self):
        self.server.fault(action="close", close_code=4000, after_frames=2, match={"target": "toolbox", "path": "/toolbox/*/process/interpreter"})
        ws = self.server.websocket("/toolbox/%s/process/interpreter/execute" % self.box)
        ws.send('{"code":"for i in range(10): print(i)"}', TEXT)
        frames, code, _ = ws.until_close()
        self.assertEqual((len(frames), code), (2, 4000))

    def test_split_at_every_byte(self):
        data = b"".join(FRAMES[:4]) * 3
        ws = self.connect(self.copy("echo", data), action="split")
        self.assertEqual(ws.take(len(data)), data)
        # How the bytes were sent, however late they were read: each in a segment (with TLS, a record) of its own.
        segments, = struct.unpack_from("=I", ws.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256), 152)
        self.assertGreaterEqual(segments, len(data))
        ws.close()

    def test_split_with_pauses(self):
        data = b"".join(FRAMES[:2])
        ws = self.connect(self.copy("quit", data), action="split", piece_bytes=3, pause_ms=20)
        ws.send("x")  # its end does not cut the pieces that wait
        began = time.monotonic()
        self.assertEqual(rest(ws), (data, "end"))
        self.assertGreaterEqual(time.monotonic() - began, 0.02)
        ws.close()

    def test_large_frames_pass_in_pieces(self):
        name = self.copy("quit")
        ws = self.connect(name, action="split", piece_bytes=1000)
        ws.send("x")
        self.assertEqual(rest(ws), (b"".join(FRAMES), "end"))
        ws.close()

    def fragments(self, first, data, size):
        parts = [data[at:at + size] for at in range(0, len(data), size)] or [b""]
        return b"".join(frame((first & 0x7F if n == 0 else 0) | (first & 0x80 if n == len(parts) - 1 else 0), part)
                        for n, part in enumerate(parts))

    def test_fragments(self):
        # What is fragmented already, reserved bits, control frames between.
        data = [(0x82, payload(1000)), (0x89, b"ping"), (0x41, payload(300)), (0x00, payload(10)), (0x8A, b"x" * 125), (0x80, payload(7)),
                (0x81, b""), (0x82, payload(70000)), (0x88, b"\x03\xe8bye")]
        name = self.copy("quit", b"".join(frame(first, p) for first, p in data))
        for size in (1, 7, 125, 1000, 65536):
            for more in ({}, {"piece_bytes": 2000}):
                with self.subTest(size=size, **more):
                    want = b"".join(self.fragments(first, p, size) if first & 8 == 0 else frame(first, p) for first, p in data)
                    ws = self.connect(name, action="split", fragment_bytes=size, **more)
                    ws.send("x")
                    self.assertEqual(rest(ws), (want, "end"))
                    ws.close()

    def test_rules_are_listed(self):
        rule = self.server.fault(action="close", close_code=1013, close_reason="later", after_frames=3, times=2)
        self.assertEqual((rule["close_code"], rule["close_reason"], rule["after_frames"]), (1013, "later", 3))
        self.assertNotIn("into_bytes", rule)
        self.assertEqual(self.server.call("GET", "/admin/faults").json["items"], [rule])

    def test_clients_that_leave_take_all_along(self):
        def descriptors():
            return len(os.listdir("/proc/%d/fd" % self.server.process.pid))
        before = descriptors()
        for rule in ({"action": "freeze", "after_frames": 1}, {"action": "split"}, {"action": "delay-pongs"},
                     {"action": "close", "close_code": 1000, "after_frames": 3}, {"action": "truncate", "after_frames": 3}):
            for _ in range(5):
                name = self.copy("leave")
                ws = self.connect(name, **rule)
                ws.take(2)
                ws.close()
                self.wait_in_box(name + ".end")
        end = time.monotonic() + 60
        while descriptors() > before + 2 and time.monotonic() < end:
            time.sleep(0.01)
        self.assertLessEqual(descriptors(), before + 2)


class StreamFaultsOverTls(StreamFaults):
    over_tls = True


class Ending(harness.Case):
    """A server that ends with damaged connections in every state leaves nothing behind: its exit code says so."""

    def test_the_server_ends_with_open_streams(self):
        box = self.server.create()["id"]
        sockets = []
        for rule in ({"action": "freeze", "after_frames": 0}, {"action": "freeze", "after_frames": 0, "for_ms": 60000}, {"action": "split"},
                     {"action": "delay-pongs", "delay_ms": 60000}, {"action": "close", "close_code": 1001}):
            self.server.fault(match={"path": "/toolbox/*/process/interpreter"}, **rule)
            ws = self.server.websocket("/toolbox/%s/process/interpreter/execute" % box)
            ws.send("?", PING)
            ws.send('{"code":"print(1)\\nimport time\\ntime.sleep(60)"}', TEXT)
            sockets.append(ws)
        self.assertEqual(sockets[2].frame(), (PONG, b"?"))
        self.assertEqual(self.server.stop(), 0)
        for ws in sockets:
            rest(ws)
            ws.close()
        type(self).server = harness.Server()


if __name__ == "__main__":
    harness.main()
