#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hostile_program.py ADDRESS KIND: a program on the accessibility bus at ADDRESS that does what no program should; see KINDS.

It prints its name on the bus once it is registered.
"""
import sys
import threading
import time

from raw_dbus import Bus, body_of

ROOT = "/org/a11y/atspi/accessible/root"
PROPERTIES = "org.freedesktop.DBus.Properties"


class Program:
    """One that behaves: a frame with a button in it. The others change what it says."""

    children = {ROOT: ["/frame"], "/frame": ["/button"]}
    roles = {ROOT: "application", "/frame": "frame", "/button": "push button"}
    names = {ROOT: "honest", "/frame": "Honest frame", "/button": "Honest button"}

    def __init__(self, address):
        self.bus = Bus(address)

    def said(self, message):
        """(signature, body) of the reply; None: there is none."""
        path, member = message.path, message.member
        if message.interface == PROPERTIES:
            member = message.values()[1] if member == "Get" else member
        return getattr(self, member, self.other)(path)

    def Name(self, path):
        return "v", body_of("v", ("s", self.names.get(path, "")))

    def Description(self, path):
        return "v", body_of("v", ("s", ""))

    def ChildCount(self, path):
        return "v", body_of("v", ("i", len(self.children.get(path, []))))

    def GetRoleName(self, path):
        return "s", body_of("s", self.roles.get(path, "panel"))

    def GetState(self, path):
        return "au", body_of("au", [1 << 1 | 1 << 25 if path == "/frame" else 0, 0])

    def GetInterfaces(self, path):
        return "as", body_of("as", ["org.a11y.atspi.Accessible"])

    def GetChildren(self, path):
        return "a(so)", body_of("a(so)", [(self.bus.name, child) for child in self.children.get(path, [])])

    def other(self, path):
        return "", b""

    def answer(self, message):
        said = self.said(message)
        if said is not None:
            self.bus.reply(message, *said)

    def run(self):
        self.bus.ask("org.a11y.atspi.Registry", ROOT, "org.a11y.atspi.Socket", "Embed", "(so)", (self.bus.name, ROOT))
        print(self.bus.name, flush=True)
        while (message := self.bus.read()) is not None:
            if message.kind == 1:
                self.answer(message)


class Endless(Program):
    """Every object has the same ten thousand children with long paths."""

    def __init__(self, address):
        super().__init__(address)
        self.many = body_of("a(so)", [(self.bus.name, "/%s/n%d" % ("x" * 200, i)) for i in range(10000)])

    def GetChildren(self, path):
        return "a(so)", self.many


class Fresh(Program):
    """Every object has a hundred children that nobody has seen."""

    number = 0

    def GetChildren(self, path):
        self.number += 100
        return "a(so)", body_of("a(so)", [(self.bus.name, "/n%d" % (self.number + i)) for i in range(100)])


class Deep(Program):
    """Every object has one child."""

    def GetChildren(self, path):
        return "a(so)", body_of("a(so)", [(self.bus.name, "/n%d" % (int(path[2:]) + 1 if path[2:].isdigit() else 0))])


class Circle(Program):
    """Children are their parents, themselves, and everything there is."""

    def GetChildren(self, path):
        other = ("org.a11y.atspi.Registry", ROOT)
        return "a(so)", body_of("a(so)", [(self.bus.name, ROOT), (self.bus.name, path), other, (self.bus.name, "/frame"), (self.bus.name, "/button")])


class Sheet(Program):
    """Says that it has two thousand million children, and takes for ever to list them."""

    def ChildCount(self, path):
        return "v", body_of("v", ("i", 2 ** 31 - 1))

    def GetChildren(self, path):
        time.sleep(60)


class Names(Fresh):
    """Everything that is text is large."""

    text = "ü" * 30000

    def Name(self, path):
        return "v", body_of("v", ("s", self.text))

    Description = Name

    def GetRoleName(self, path):
        return "s", body_of("s", self.text)

    def GetInterfaces(self, path):
        return "as", body_of("as", ["org.a11y.atspi.Action"])

    def GetActions(self, path):
        return "a(sss)", body_of("a(sss)", [(self.text,) * 3] * 20)

    def GetName(self, path):
        return "s", body_of("s", self.text)


class Paths(Program):
    """Names of objects are of 100 KB."""

    number = 0

    def GetChildren(self, path):
        self.number += 20
        return "a(so)", body_of("a(so)", [(self.bus.name, "/%s/n%d" % ("x" * 100000, self.number + i)) for i in range(20)])


class Silent(Program):
    """Answers nothing."""

    def answer(self, message):
        pass


class Slow(Fresh):
    """Takes half a second for each answer."""

    def answer(self, message):
        time.sleep(0.5)
        super().answer(message)


class Wrong(Program):
    """No reply has its type."""

    bodies = [("au", body_of("au", [1])), ("s", body_of("s", "x")), ("(ii)", body_of("(ii)", (1, 2))), ("a(so)", body_of("a(so)", [("no name", "/x")])),
              ("v", body_of("v", ("as", ["x"]))), ("a{sv}", body_of("a{sv}", [("Name", ("i", 5))])), ("", b""), ("as", body_of("as", [])),
              ("(iiii)", body_of("(iiii)", (2 ** 31 - 1, -2 ** 31, -1, 2 ** 31 - 1))), ("aau", body_of("aau", [[1], [2]])), ("b", body_of("b", 1))]
    number = 0

    def said(self, message):
        self.number += 1
        if message.member == "GetInterfaces":
            return "as", body_of("as", ["org.a11y.atspi." + name for name in ("Component", "Action", "Value", "EditableText")])
        if message.path in (ROOT, "/frame") and message.member in ("GetChildren", "GetRoleName"):
            return super().said(message)
        return self.bodies[self.number % len(self.bodies)]


class Flood(Program):
    """Sends whoever asks signals and calls without end."""

    has_begun = False

    def answer(self, message):
        super().answer(message)
        if message.member == "GetInterfaces" and not self.has_begun:
            self.has_begun = True
            threading.Thread(target=self.flood, args=(message.sender,), daemon=True).start()

    def flood(self, whom):
        other, text = Bus(sys.argv[1]), "x" * 100000
        while True:
            other.call(whom, "/x", "a.b", "Signal", "s", text, flags=1)  # no reply is wanted
            other.send(4, [(1, ("o", "/x")), (2, ("s", "a.b")), (3, ("s", "C")), (6, ("s", whom))], "s", body_of("s", text))


class Large(Program):
    """One name is of 20 MiB."""

    def Name(self, path):
        return "v", body_of("v", ("s", b"x" * (20 << 20)))


class Invalid(Program):
    """A name is no UTF-8, for which the bus throws it out."""

    def Name(self, path):
        return "v", body_of("v", ("s", b"\xff\xfe\0\x80"))


class Dies(Program):
    """Ends when it is asked."""

    def GetState(self, path):
        sys.exit(0)


KINDS = {kind.__name__.lower(): kind for kind in Program.__subclasses__() + Fresh.__subclasses__()}
KINDS["honest"] = Program

if __name__ == "__main__":
    KINDS[sys.argv[2]](sys.argv[1]).run()
