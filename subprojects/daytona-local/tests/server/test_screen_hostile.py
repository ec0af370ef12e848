# SPDX-License-Identifier: Apache-2.0
"""X servers that say what is not so: the program for the screen answers, or ends with an error, and reads nothing that is not there. It
runs as it is; no desktop is needed."""
import os
import random
import socket
import struct
import subprocess
import unittest

import fake_x
import harness

SHOT, DISPLAYS, WINDOWS, MANAGED, PREPARE, POSITION, MOVE, CLICK, DRAG, SCROLL, BUTTON, TYPE, PRESS, KEY = range(1, 15)
KINDS = [(SHOT, (0, 0, 0, 0, 1, 0, 80, 1000000)), (SHOT, (5, 6, 20, 10, 1, 1, 80, 500000, 1)), (DISPLAYS, ()), (WINDOWS, ()), (MANAGED, ()), (PREPARE, ()),
         (POSITION, ()), (MOVE, (1, 1)), (CLICK, (1, 1, 1, 2)), (PRESS, (0x61,)), (TYPE, (0,), "aé漢".encode()), (KEY, (0x62, 1))]


class Screen(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.program = os.path.join(os.path.dirname(os.environ["DAYTONA_LOCAL"]), "daytona-local-desktop")
        if not os.path.exists(cls.program):
            raise unittest.SkipTest("daytona-local-desktop was not built, for which X libraries were missing")

    def ask_all(self, **server):
        """{kind: status} of what is answered. The end of the program is checked."""
        x = fake_x.FakeX(**server)
        ours, its = socket.socketpair()
        program = subprocess.Popen([self.program, x.display], stdin=its, stderr=subprocess.PIPE, env={})
        its.close()
        ours.settimeout(20)
        told = {}
        try:
            for number, (kind, args, *text) in enumerate(KINDS, 1):
                text = text[0] if text else b""
                args = list(args) + [0] * (9 - len(args))
                ours.sendall(struct.pack("<III9iI8I", len(text), number, kind, *args, 0, *([0] * 8)) + text + bytes(-len(text) % 4))
                head = ours.recv(12, socket.MSG_WAITALL)
                if len(head) < 12:
                    break
                size, answered, status = struct.unpack("<IIi", head)
                self.assertEqual(answered, number)
                body = b""
                while len(body) < size and (got := ours.recv(size - len(body))):
                    body += got
                told[kind] = (status, body)
        except ConnectionError:
            pass
        ours.close()
        errors = program.communicate(timeout=20)[1].decode(errors="replace")
        x.close()
        self.assertNotRegex(errors, "Sanitizer|runtime error|Assertion", errors[:2000])
        self.assertIn(program.returncode, (0, 1), errors[:500])
        return told, errors

    def test_1_an_honest_one(self):
        told, _ = self.ask_all()
        self.assertEqual({kind: status for kind, (status, _) in told.items()}, {kind: 200 for kind, *_ in KINDS})
        self.assertIn('"title":"größe"'.encode(), told[WINDOWS][1])
        self.assertEqual(told[DISPLAYS][1].count(b'"width":64'), 2)

    def test_2_replies_without_what_they_count(self):
        told, _ = self.ask_all(lie=lambda opcode, head, body: (head, b""))
        self.assertEqual(told[WINDOWS], (200, b'{"windows":[]}'))
        self.assertEqual(told[DISPLAYS][0], 200)

    def test_3_counts_of_everything(self):
        def lie(opcode, head, body):
            if opcode == (138, 4):  # the cursor
                return head[:4] + struct.pack("<HH", 65535, 65535) + head[8:], body
            if opcode == (140, 42):  # monitors, with outputs without end
                return head[:4] + struct.pack("<II", 0xffffffff, 0xffffffff) + head[12:], body[:6] + b"\xff\xff" + body[8:]
            if opcode[0] == 15:  # children
                return head[:8] + b"\xff\xff" + head[10:], body
            if opcode[0] == 20:  # properties
                return head[:8] + struct.pack("<I", 0x3fffffff) + head[12:], body
            return head, body
        told, _ = self.ask_all(lie=lie)
        self.assertEqual((told[SHOT][0], told[WINDOWS]), (200, (200, b'{"windows":[]}')))

    def test_4_screens_of_all_sizes(self):
        for width, height in ((0, 0), (0, 48), (1, 65535), (65535, 65535), (65535, 1)):
            lie = lambda opcode, head, body: (head[:8] + struct.pack("<HH", width, height) + head[12:], body) if opcode[0] == 14 else (head, body)
            told, _ = self.ask_all(lie=lie)
            self.assertIn(told[SHOT][0], (200, 400, 500))

    def test_5_greetings(self):
        for more in ({"first": 200, "last": 100}, {"first": 0, "last": 0}, {"claim": {"roots": 255}}, {"claim": {"formats": 255}}, {"roots": 0},
                     {"claim": {"vendor": 65535}}, {"claim": {"depths": 255}}, {"claim": {"visuals": 65535}}, {"depths": 0, "formats": 0}):
            with self.subTest(**more):
                told, errors = self.ask_all(greeting=fake_x.setup(**more))
                self.assertTrue(told or "describes itself wrongly" in errors or "no X server answers" in errors, errors)

    def test_6_anything(self):
        for seed in range(40):
            dice = random.Random(seed)

            def lie(opcode, head, body):
                if opcode[0] == 98 or dice.random() < 0.5:
                    return head, body
                head = bytearray(head)
                for _ in range(dice.randrange(4)):
                    struct.pack_into("<H", head, dice.randrange(0, 23, 2), dice.choice((0, 1, 8, 255, 32767, 65535)))
                return bytes(head), body if dice.random() < 0.5 else dice.randbytes(dice.randrange(200))

            with self.subTest(seed=seed):
                self.ask_all(lie=lie)


if __name__ == "__main__":
    harness.main()
