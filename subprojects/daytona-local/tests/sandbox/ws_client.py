# SPDX-License-Identifier: Apache-2.0
"""A small WebSocket client for tests: frames as they are on the wire, nothing hidden."""
import base64
import hashlib
import os
import struct
import time

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'


class Refused(Exception):
    def __init__(self, status, headers, body):
        super().__init__(f'{status} {body!r}')
        self.status, self.headers, self.body = status, headers, body


class WebSocket:
    """`sock` is connected. Raises Refused when the answer is not 101."""

    def __init__(self, sock, target, headers=(), host='sandbox:2280'):
        self.sock = sock
        self.data = b''
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f'GET {target} HTTP/1.1', f'Host: {host}', 'Upgrade: websocket', 'Connection: Upgrade',
                 f'Sec-WebSocket-Key: {key}', 'Sec-WebSocket-Version: 13', *(f'{k}: {v}' for k, v in headers)]
        sock.sendall('\r\n'.join([*lines, '', '']).encode())
        while b'\r\n\r\n' not in self.data:
            self.more()
        head, self.data = self.data.split(b'\r\n\r\n', 1)
        lines = head.decode().split('\r\n')
        self.status = int(lines[0].split(' ')[1])
        self.headers = {name.lower(): value for name, value in (line.split(': ', 1) for line in lines[1:])}
        if self.status != 101:
            while len(self.data) < int(self.headers.get('content-length', 0)):
                self.more()
            raise Refused(self.status, self.headers, self.data)
        accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        assert self.headers['sec-websocket-accept'] == accept, self.headers

    def more(self):
        part = self.sock.recv(65536)
        if not part:
            raise EOFError
        self.data += part

    def take(self, count):
        while len(self.data) < count:
            self.more()
        out, self.data = self.data[:count], self.data[count:]
        return out

    def send(self, payload, opcode=BINARY, first=None):
        if isinstance(payload, str):
            payload = payload.encode()
        head = bytes([0x80 | opcode if first is None else first])
        size = len(payload)
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 65536:
            head += bytes([0x80 | 126]) + struct.pack('>H', size)
        else:
            head += bytes([0x80 | 127]) + struct.pack('>Q', size)
        mask = os.urandom(4)
        repeated = (mask * (size // 4 + 1))[:size]
        masked = (int.from_bytes(payload, 'big') ^ int.from_bytes(repeated, 'big')).to_bytes(size, 'big')
        self.sock.sendall(head + mask + masked)

    def frame(self):
        """The next one: (opcode, payload)."""
        first, second = self.take(2)
        assert first & 0x80 and not second & 0x80, 'the server masks or fragments'
        size = second & 127
        if size == 126:
            size, = struct.unpack('>H', self.take(2))
        elif size == 127:
            size, = struct.unpack('>Q', self.take(8))
        return first & 15, self.take(size)

    def until_close(self):
        """([frames before the close frame], code, reason), and the end of the connection is awaited."""
        frames = []
        while True:
            opcode, payload = self.frame()
            if opcode == CLOSE:
                break
            frames.append((opcode, payload))
        try:
            self.send(payload[:2], CLOSE)
            self.more()
            raise AssertionError('bytes after the close frame')
        except (EOFError, ConnectionError):
            pass
        return frames, struct.unpack('>H', payload[:2])[0] if payload else 1005, payload[2:].decode()

    def until_dropped(self, since):
        """(code, reason) of the close frame. A server does not keep it for ever: a client that came back more than
        ten seconds after `since`, on a machine that busy, may only find the end: then it is the usual one."""
        try:
            return self.until_close()[1:]
        except (EOFError, ConnectionError):
            assert time.monotonic() - since > 10, 'ended without a close frame'
            return 1008, 'slow consumer'

    def close(self):
        self.sock.close()
