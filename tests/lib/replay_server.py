# SPDX-License-Identifier: Apache-2.0
"""Serves a recorded exchange on a free port of 127.0.0.1: replay_server.py [FILE] [--cut N]

Prints "port N" and then reads commands from standard input, each answered with one line, "ok" or
"error TEXT"; it ends when its standard input ends.

    load FILE   serve this recording from its first step on
    rewind      from the first step again
    step N      give the answer of step N to whatever is asked next; "step" alone: match again
    cut N       deliver every answer in two pieces, the first N bytes long
    pieces N    deliver every answer in pieces of N bytes
    truncate N  close the connection after N bytes of an answer
    whole       no more of these three

A request is matched by its method and by the end of its target, so any prefix may stand before a
recorded path; the first step that fits and was not served yet answers. What nothing fits is
answered 404 with the header X-Replay: no such step. A recorded answer that never came is never
given. Steps with WebSockets send the recorded frames, waiting for one frame of the client wherever
the recorded client sent one.
"""

import argparse
import base64
import hashlib
import json
import socket
import struct
import sys
import threading
import time

MAX_REQUEST = 64 * 1024 * 1024
PIECE_PAUSE_SECONDS = 0.001
CLIENT_FRAME_SECONDS = 5
ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
NO_SUCH_STEP = b"HTTP/1.1 404 Not Found\r\nX-Replay: no such step\r\nContent-Length: 0\r\n\r\n"
COMPUTED_HEADERS = ("content-length", "transfer-encoding", "sec-websocket-accept")


def recorded_bytes(entry, name):
    """A recorded body or payload; the middle of a large one, which was not kept, is made up."""
    if name + "_b64" in entry:
        return base64.b64decode(entry[name + "_b64"])
    if name + "_len" not in entry:
        return b""
    head = base64.b64decode(entry[name + "_head_b64"])
    tail = base64.b64decode(entry[name + "_tail_b64"])
    return head + b"x" * (entry[name + "_len"] - len(head) - len(tail)) + tail


def answer_bytes(response, accept_key=None):
    """The recorded answer as it goes over the wire, and whether the connection ends after it."""
    body = recorded_bytes(response, "body")
    lines = [f"HTTP/1.1 {response['status']} {response['reason']}"]
    names = {name.lower() for name, _ in response["headers"]}
    lines += [f"{name}: {value}" for name, value in response["headers"] if name.lower() not in COMPUTED_HEADERS]
    closes = bool(response.get("ended_early"))
    if accept_key is not None:
        digest = hashlib.sha1(accept_key.encode() + ACCEPT_GUID).digest()
        lines.append("Sec-WebSocket-Accept: " + base64.b64encode(digest).decode())
    elif "chunks" in response or "transfer-encoding" in names:
        lines.append("Transfer-Encoding: chunked")
        body = chunked(body, response.get("chunks") or [len(body)], closes)
    elif "content-length" in names:
        recorded = next(value for name, value in response["headers"] if name.lower() == "content-length")
        lines.append(f"Content-Length: {recorded}")
    elif response["status"] not in (204, 304) and response["status"] >= 200:
        closes = True
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body, closes


def chunked(body, sizes, ended_early):
    parts, offset = [], 0
    for size in sizes:
        piece = body[offset:offset + size]
        offset += len(piece)
        if piece:
            parts.append(b"%x\r\n%s\r\n" % (len(piece), piece))
    return b"".join(parts) + (b"" if ended_early else b"0\r\n\r\n")


def frame_bytes(frame):
    payload = recorded_bytes(frame, "payload")
    opcode = frame["opcode"]
    if isinstance(opcode, str):
        opcode = {"continuation": 0, "text": 1, "binary": 2, "close": 8, "ping": 9, "pong": 10}[opcode]
    head = bytes([(0x80 if frame.get("fin", True) else 0) | opcode])
    if len(payload) < 126:
        head += bytes([len(payload)])
    elif len(payload) < 65536:
        head += bytes([126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([127]) + struct.pack(">Q", len(payload))
    return head + payload


class Script:
    """The recording being served, and how its answers are delivered. Shared by all connections."""

    def __init__(self):
        self.lock = threading.Lock()
        self.steps = []
        self.served = set()
        self.fixed = None
        self.delivery = ("whole", 0)

    def load(self, path):
        with open(path, encoding="utf-8") as text:
            steps = json.load(text)["steps"]
        with self.lock:
            self.steps, self.served, self.fixed = steps, set(), None

    def rewind(self):
        with self.lock:
            self.served, self.fixed = set(), None

    def fix(self, number):
        with self.lock:
            if number is not None and not 0 <= number < len(self.steps):
                raise ValueError(f"no step {number}")
            self.fixed = number

    def take(self, method, target):
        """The step that answers this request, or None."""
        with self.lock:
            if self.fixed is not None:
                return self.steps[self.fixed]
            for exact in (True, False):
                for number, step in enumerate(self.steps):
                    if number not in self.served and self.fits(step, method, target, exact):
                        self.served.add(number)
                        return step
        return None

    @staticmethod
    def fits(step, method, target, exact):
        request = (step.get("http") or step.get("ws"))["request"]
        recorded = request.get("target")
        if recorded is None or request.get("method", "GET") != method:
            return False
        if not exact:
            recorded, target = recorded.partition("?")[0], target.partition("?")[0]
        return target.endswith(recorded)


class Connection:
    """One client connection, served on its own thread."""

    def __init__(self, sock, script):
        self.sock = sock
        self.script = script
        self.buffer = b""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def serve(self):
        try:
            while self.exchange():
                pass
        except (OSError, ValueError, struct.error):
            pass
        finally:
            self.sock.close()

    def fill(self, count=None):
        """More input; with `count`, until so much is there."""
        while count is None or len(self.buffer) < count:
            data = self.sock.recv(65536)
            if not data:
                raise OSError("ended")
            self.buffer += data
            if len(self.buffer) > MAX_REQUEST:
                raise ValueError("request too large")
            if count is None:
                return

    def take(self, count):
        self.fill(count)
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def take_line(self):
        while b"\r\n" not in self.buffer:
            self.fill()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def exchange(self):
        method, target, _ = self.take_line().decode("latin-1").split(" ", 2)
        headers = {}
        while line := self.take_line():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        if headers.get("transfer-encoding", "").lower() == "chunked":
            while size := int(self.take_line().split(b";")[0], 16):
                self.take(size + 2)
            while self.take_line():
                pass
        else:
            self.take(int(headers.get("content-length", 0)))
        step = self.script.take(method, target)
        if step is None:
            self.sock.sendall(NO_SUCH_STEP)
            return True
        if "ws" in step:
            return self.play_socket(step["ws"], headers.get("sec-websocket-key", ""))
        response = step["http"]["response"]
        if response is None:
            self.fill(MAX_REQUEST + 1)  # until the client gives up
        data, closes = answer_bytes(response)
        self.deliver(data)
        return not closes

    def deliver(self, data):
        kind, size = self.script.delivery
        if kind == "truncate":
            self.sock.sendall(data[:size])
            raise OSError("truncated on purpose")
        cuts = {"cut": [min(size, len(data))], "pieces": list(range(size, len(data), size or 1))}.get(kind, [])
        begin = 0
        for cut in cuts:
            self.sock.sendall(data[begin:cut])
            begin = cut
            time.sleep(PIECE_PAUSE_SECONDS)  # nothing tells when the client has read
        self.sock.sendall(data[begin:])

    def play_socket(self, ws, key):
        if ws["end"]["how"] == "not upgraded":
            data, closes = answer_bytes(ws["response"])
            self.deliver(data)
            return not closes
        self.deliver(answer_bytes(ws["response"], key)[0])
        self.sock.settimeout(CLIENT_FRAME_SECONDS)
        for frame in ws["frames"]:
            if frame["dir"] == "in":
                self.deliver(frame_bytes(frame))
            else:
                self.take_frame()
        if ws["end"]["how"] == "tcp reset":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif ws["end"]["how"] == "close frame":
            self.take_frame()
        return False

    def take_frame(self):
        """Reads one frame of the client and forgets it; so does a client that stays silent."""
        try:
            first = self.take(2)
            length = first[1] & 0x7f
            if length == 126:
                length = struct.unpack(">H", self.take(2))[0]
            elif length == 127:
                length = struct.unpack(">Q", self.take(8))[0]
            self.take(length + (4 if first[1] & 0x80 else 0))
        except socket.timeout:
            pass


def accept_clients(listener, script):
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=Connection(sock, script).serve, daemon=True).start()


def obey(script, line):
    word, _, argument = line.strip().partition(" ")
    if word == "load":
        script.load(argument)
    elif word == "rewind":
        script.rewind()
    elif word == "step":
        script.fix(int(argument) if argument else None)
    elif word in ("cut", "pieces", "truncate"):
        script.delivery = (word, int(argument))
    elif word == "whole":
        script.delivery = ("whole", 0)
    else:
        raise ValueError(f"no such command: {word}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file", nargs="?")
    parser.add_argument("--cut", type=int)
    options = parser.parse_args()
    script = Script()
    if options.file:
        script.load(options.file)
    if options.cut is not None:
        script.delivery = ("cut", options.cut)
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(f"port {listener.getsockname()[1]}", flush=True)
    threading.Thread(target=accept_clients, args=(listener, script), daemon=True).start()
    for line in sys.stdin:
        try:
            obey(script, line)
            print("ok", flush=True)
        except (OSError, ValueError, KeyError) as error:
            print(f"error {error}", flush=True)


if __name__ == "__main__":
    main()
