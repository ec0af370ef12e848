# SPDX-License-Identifier: Apache-2.0
"""An X server with a screen of 64 x 48 pixels and one window, for programs that only ask. `lie` may change every reply."""
import os
import socket
import struct
import threading

WIDTH, HEIGHT, ROOT, WINDOW, VISUAL = 64, 48, 0x100, 0x200, 0x21
EXTENSIONS = {"RANDR": 140, "XFIXES": 138, "XTEST": 132}
# Requests that have no reply, of the core protocol and of the extensions.
SILENT = {1, 100, 127, 132}


def setup(vendor=b"X   ", roots=1, formats=1, depths=1, visuals=1, first=8, last=255, claim=None):
    """`claim`: other counts than there are, by name."""
    says = {"vendor": len(vendor), "roots": roots, "formats": formats, "depths": depths, "visuals": visuals, **(claim or {})}
    depth = struct.pack("<BxHxxxx", 24, says["visuals"]) + struct.pack("<IBBHIIIxxxx", VISUAL, 4, 8, 256, 0xff0000, 0xff00, 0xff) * visuals
    screen = struct.pack("<IIIIIHHHHHHIBBBB", ROOT, 0x20, 0xffffff, 0, 0, WIDTH, HEIGHT, 10, 10, 1, 1, VISUAL, 0, 0, 24, says["depths"])
    body = struct.pack("<IIIIHHBBBBBBBBI", 1, 0x400000, 0x1fffff, 0, says["vendor"], 65535, says["roots"], says["formats"], 0, 0, 32, 32, first, last, 0)
    body += vendor + bytes(-len(vendor) % 4) + struct.pack("<BBBxxxxx", 24, 32, 32) * formats + (screen + depth * depths) * roots
    return struct.pack("<BxHHH", 1, 11, 0, len(body) // 4) + body


class FakeX:
    """On a display of its own; its name is in `display`."""

    def __init__(self, greeting=None, lie=None):
        self.greeting, self.lie = greeting or setup(), lie or (lambda opcode, head, body: (head, body))
        self.atoms = {}
        self.listener = socket.socket(socket.AF_UNIX)
        self.display = self.take_display()
        self.listener.listen(5)
        threading.Thread(target=self.accept, daemon=True).start()

    def take_display(self):
        number = 20000 + os.getpid() % 10000
        while True:
            try:
                self.listener.bind("\0/tmp/.X11-unix/X%d" % number)  # no file, and the one that clients try first
                return ":%d" % number
            except OSError:
                number += 1

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        try:
            while True:
                threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()
        except OSError:
            pass

    def serve(self, client):
        file = client.makefile("rb")
        try:
            name, data = struct.unpack("<HH", file.read(12)[6:10])
            file.read(name + -name % 4 + data + -data % 4)
            client.sendall(self.greeting)
            sequence = 0
            while len(head := file.read(4)) == 4:
                sequence += 1
                body = file.read(struct.unpack("<H", head[2:])[0] * 4 - 4)
                said = self.answer(head[0], head[1], body)
                if said is not None:
                    first, said_head, said_body = said
                    said_head, said_body = self.lie((head[0], head[1]), said_head.ljust(24, b"\0"), said_body)
                    said_body += bytes(-len(said_body) % 4)
                    client.sendall(struct.pack("<BBHI", 1, first, sequence & 65535, len(said_body) // 4) + said_head + said_body)
        except OSError:
            pass
        client.close()

    def atom(self, name):
        return self.atoms.setdefault(name, 200 + len(self.atoms))

    def property(self, window, atom):
        """(type, format, bytes)"""
        name = {number: name for name, number in self.atoms.items()}.get(atom, atom)
        windows = struct.pack("<I", WINDOW)
        found = {"_NET_CLIENT_LIST": (33, 32, windows), "_NET_ACTIVE_WINDOW": (33, 32, windows), "_NET_SUPPORTING_WM_CHECK": (33, 32, windows),
                 "_NET_WM_NAME": (self.atom("UTF8_STRING"), 8, "größe".encode())}
        return found.get(name, (0, 0, b""))

    def answer(self, opcode, minor, body):
        """(the second byte, what follows the length, the rest); None: the request has no reply."""
        if opcode == 98:
            name = body[4:4 + struct.unpack("<H", body[:2])[0]].decode()
            return 0, struct.pack("<BBBB", name in EXTENSIONS, EXTENSIONS.get(name, 0), 64, 128), b""
        if opcode in SILENT:
            return None
        if opcode == 3:
            return 0, struct.pack("<IHBBIIBBBB", VISUAL, 1, 0, 0, 0, 0, 0, 0, 2, 0), bytes(12)
        if opcode == 14:
            return 24, struct.pack("<IhhHHH", ROOT, 0, 0, WIDTH, HEIGHT, 0), b""
        if opcode == 15:
            return 0, struct.pack("<IIH", ROOT, 0, 1), struct.pack("<I", WINDOW)
        if opcode == 16:
            return 0, struct.pack("<I", self.atom(body[4:4 + struct.unpack("<H", body[:2])[0]].decode())), b""
        if opcode == 20:
            kind, form, data = self.property(*struct.unpack("<II", body[:8]))
            return form, struct.pack("<III", kind, 0, len(data) * 8 // form if form else 0), data
        if opcode == 38:
            return 1, struct.pack("<IIhhhhH", ROOT, 0, 10, 12, 10, 12, 0), b""
        if opcode == 40:
            return 1, struct.pack("<Ihh", 0, 5, 6), b""
        if opcode == 43:
            return 0, struct.pack("<I", WINDOW), b""
        if opcode == 44:
            return 0, bytes(24), bytes(8)
        if opcode == 73:
            width, height = struct.unpack("<HH", body[8:12])
            return 24, struct.pack("<I", VISUAL), bytes(width * height * 4)
        if opcode == 101:
            symbols = [0xffe1, 0xffe3, 0xffe5, 0x61, 0x62] + [0] * 500
            return 2, b"", b"".join(struct.pack("<II", symbols[i], symbols[i]) for i in range(body[1]))
        if (opcode, minor) == (140, 42):
            return 0, struct.pack("<III", 0, 2, 2), struct.pack("<IBBHhhHHIII", 0, 1, 1, 1, 0, 0, WIDTH, HEIGHT, 1, 1, 7) * 2
        if (opcode, minor) == (138, 4):
            return 0, struct.pack("<hhHHHHI", 10, 12, 4, 4, 1, 1, 0), struct.pack("<I", 0xffff0000) * 16
        return 0, struct.pack("<II", 1, 5), b""  # the version of an extension
