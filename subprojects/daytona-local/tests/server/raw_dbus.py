# SPDX-License-Identifier: Apache-2.0
"""D-Bus on the wire, little endian, as much of it as tests need: programs that say what libraries would not let them say."""
import os
import socket
import struct

CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4
ALIGN = {"y": 1, "b": 4, "i": 4, "u": 4, "d": 8, "s": 4, "o": 4, "g": 1, "v": 1, "a": 4, "(": 8, "{": 8}


def first_type(signature):
    """The end of the first complete type."""
    if signature[0] == "a":
        return 1 + first_type(signature[1:])
    if signature[0] not in "({":
        return 1
    depth = 0
    for at, letter in enumerate(signature):
        depth += letter in "({"
        depth -= letter in ")}"
        if depth == 0:
            return at + 1
    raise ValueError(signature)


def split(signature):
    types = []
    while signature:
        end = first_type(signature)
        types.append(signature[:end])
        signature = signature[end:]
    return types


def put(out, kind, value):
    """Texts may be bytes, which are written as they are. A variant is (signature, value)."""
    out.extend(bytes(-len(out) % ALIGN[kind[0]]))
    if kind in "yiubd":
        out.extend(struct.pack("<" + {"y": "B", "i": "i", "u": "I", "b": "I", "d": "d"}[kind], value))
    elif kind in "sog":
        data = value.encode() if isinstance(value, str) else value
        out.extend(struct.pack("<B" if kind == "g" else "<I", len(data)) + data + b"\0")
    elif kind == "v":
        put(out, "g", value[0])
        put(out, value[0], value[1])
    elif kind[0] == "a":
        at = len(out)
        out.extend(bytes(4))
        out.extend(bytes(-len(out) % ALIGN[kind[1]]))
        start = len(out)
        for one in value:
            put(out, kind[1:], one)
        struct.pack_into("<I", out, at, len(out) - start)
    else:
        for one, inner in zip(value, split(kind[1:-1])):
            put(out, inner, one)


def get(data, at, kind):
    """(value, where it ends)"""
    at += -at % ALIGN[kind[0]]
    if kind in "yiubd":
        form = {"y": "<B", "i": "<i", "u": "<I", "b": "<I", "d": "<d"}[kind]
        return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
    if kind in "sog":
        size, at = (data[at], at + 1) if kind == "g" else (struct.unpack_from("<I", data, at)[0], at + 4)
        return data[at:at + size].decode(), at + size + 1
    if kind == "v":
        signature, at = get(data, at, "g")
        return get(data, at, signature)
    if kind[0] == "a":
        size, at = struct.unpack_from("<I", data, at)[0], at + 4
        at += -at % ALIGN[kind[1]]
        end, values = at + size, []
        while at < end:
            value, at = get(data, at, kind[1:])
            values.append(value)
        return values, end
    values = []
    for inner in split(kind[1:-1]):
        value, at = get(data, at, inner)
        values.append(value)
    return values, at


def body_of(signature, *values):
    out = bytearray()
    for kind, value in zip(split(signature), values):
        put(out, kind, value)
    return bytes(out)


class Message:
    def __init__(self, kind, serial, fields, signature, body):
        self.kind, self.serial, self.signature, self.body = kind, serial, signature, body
        self.path, self.interface, self.member, self.reply_serial, self.sender = (fields.get(i) for i in (1, 2, 3, 5, 7))

    def values(self):
        at, found = 0, []
        for kind in split(self.signature):
            value, at = get(self.body, at, kind)
            found.append(value)
        return found


class Bus:
    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(address.split("path=", 1)[1].split(",")[0])
        self.socket.sendall(b"\0AUTH EXTERNAL %s\r\n" % str(os.getuid()).encode().hex().encode())
        self.file = self.socket.makefile("rb")
        assert self.file.readline().startswith(b"OK")
        self.socket.sendall(b"BEGIN\r\n")
        self.serial = 0
        self.name = self.ask("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello")[0]

    def send(self, kind, fields, signature="", body=b"", flags=0):
        self.serial += 1
        header = bytearray(struct.pack("<cBBBII", b"l", kind, flags, 1, len(body), self.serial))
        if signature:
            fields = [*fields, (8, ("g", signature))]
        put(header, "a(yv)", fields)
        header.extend(bytes(-len(header) % 8))
        self.socket.sendall(bytes(header) + body)
        return self.serial

    def read(self):
        """None: the bus has ended the connection."""
        head = self.file.read(16)
        if len(head) < 16:
            return None
        kind, size, serial, fields_size = head[1], *struct.unpack("<III", head[4:16])
        rest = self.file.read(fields_size + -fields_size % 8 + size)
        if len(rest) < fields_size + -fields_size % 8 + size:
            return None
        fields = dict(map(tuple, get(head + rest, 12, "a(yv)")[0]))
        return Message(kind, serial, fields, fields.get(8, ""), rest[len(rest) - size:] if size else b"")

    def call(self, to, path, interface, member, signature="", *values, flags=0):
        fields = [(1, ("o", path)), (2, ("s", interface)), (3, ("s", member)), (6, ("s", to))]
        return self.send(CALL, fields, signature, body_of(signature, *values), flags)

    def ask(self, *what):
        serial = self.call(*what)
        while True:
            message = self.read()
            assert message is not None, "the bus has gone"
            if message.reply_serial == serial:
                assert message.kind == RETURN, message.values()
                return message.values()

    def reply(self, to, signature="", body=b""):
        self.send(RETURN, [(5, ("u", to.serial)), (6, ("s", to.sender))], signature, body)

    def fail(self, to, name="org.freedesktop.DBus.Error.UnknownMethod"):
        self.send(ERROR, [(4, ("s", name)), (5, ("u", to.serial)), (6, ("s", to.sender))])
