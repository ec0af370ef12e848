# SPDX-License-Identifier: Apache-2.0
"""Programs on the accessibility bus that do what no program should: the program that asks ends in time, within its memory, with an
answer or a clear error. It runs as it is, on buses of ours; no desktop and no sandbox is needed."""
import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest

import harness
from raw_dbus import Bus
from test_a11y import every, missing_bus

HERE = os.path.dirname(os.path.abspath(__file__))
TIME_MS = 1500
# Of the program with its sanitizers, which takes about 60 MiB when it does nothing.
MEMORY_KIB = 450 * 1024


class Answer:
    def __init__(self, output, seconds, kib):
        status, _, self.text = output.decode().partition("\n")
        self.status, self.seconds, self.kib = int(status), seconds, kib
        self.json = json.loads(self.text) if self.status == 200 else None


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        lack = missing_bus()
        if lack:
            raise unittest.SkipTest("not installed: " + lack)
        cls.program = os.path.join(os.path.dirname(os.environ["DAYTONA_LOCAL"]), "daytona-local-desktop")
        cls.place = tempfile.mkdtemp(prefix="dl-test-")
        address = "unix:path=%s/bus" % cls.place
        cls.env = {"PATH": os.environ["PATH"], "HOME": cls.place, "XDG_RUNTIME_DIR": cls.place, "DBUS_SESSION_BUS_ADDRESS": address,
                   **{name: os.environ[name] for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS") if name in os.environ}}
        cls.daemon = subprocess.Popen(["dbus-daemon", "--session", "--nofork", "--nopidfile", "--nosyslog", "--address=" + address], env=cls.env,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        harness.until(lambda: os.path.exists(cls.place + "/bus"))
        session = Bus(address)
        cls.address = session.ask("org.a11y.Bus", "/org/a11y/bus", "org.a11y.Bus", "GetAddress")[0]
        cls.programs = []
        cls.honest = cls.start("honest")

    @classmethod
    def tearDownClass(cls):
        for program in cls.programs:
            program.kill()
            program.wait()
            program.stdout.close()
        cls.daemon.terminate()
        cls.daemon.wait()
        shutil.rmtree(cls.place)

    @classmethod
    def start(cls, kind):
        """Its name on the bus."""
        program = subprocess.Popen(["python3", os.path.join(HERE, "hostile_program.py"), cls.address, kind], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        cls.programs.append(program)
        return program.stdout.readline().strip()

    def beside(self, kind):
        """The name of a program of this kind, which runs until the end of the test."""
        name = self.start(kind)
        program = self.programs.pop()
        self.addCleanup(program.stdout.close)
        self.addCleanup(program.wait)
        self.addCleanup(program.kill)
        self.assertTrue(name)
        return name

    def ask(self, **question):
        question = {"timeMs": TIME_MS, **question}
        begin = time.monotonic()
        process = subprocess.Popen([self.program, "--a11y"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self.env)
        process.stdin.write(json.dumps(question).encode())
        process.stdin.close()
        output = process.stdout.read()
        process.stdout.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        self.assertEqual(status, 0, output[:200])
        answer = Answer(output, time.monotonic() - begin, usage.ru_maxrss)
        print("# %s %s: %d, %.1f s, %d MiB, %d bytes" % (self.id().rsplit("_", 1)[-1], question["do"], answer.status, answer.seconds,
                                                         answer.kib // 1024, len(output)))
        self.assertLess(answer.seconds, question["timeMs"] / 1000 + 5)
        self.assertLess(answer.kib, MEMORY_KIB)
        return answer

    def tree(self, status=200, **more):
        answer = self.ask(do="tree", **{"scope": "all", **more})
        self.assertEqual(answer.status, status, answer.text[:300])
        return answer.json if status == 200 else answer.text

    def names(self, tree):
        return [node["name"] for node in every(tree["root"])]

    def check_honest(self, tree, is_truncated):
        self.assertEqual(tree["truncated"], is_truncated)
        self.assertIn("Honest button", self.names(tree))

    def test_01_nobody_else(self):
        self.check_honest(self.tree(), False)
        self.assertEqual(self.tree(scope="focused")["root"]["name"], "honest")

    def test_02_endless(self):
        name = self.beside("endless")
        tree = self.tree()
        self.assertTrue(tree["truncated"])
        self.assertIn("Honest frame", self.names(tree))
        self.assertEqual(self.tree(scope="focused")["root"]["name"], "honest")
        found = self.ask(do="find", scope="all", role="panel", limit=10).json
        self.assertEqual((len(found["matches"]), found["truncated"]), (10, True))
        self.assertTrue(found["matches"][0]["id"].startswith(name + ":/xxx"))

    def test_03_fresh(self):
        self.beside("fresh")
        self.assertTrue(self.tree()["truncated"])

    def test_04_deep(self):
        self.beside("deep")
        tree = self.tree()
        self.check_honest(tree, True)
        self.assertIn("panel", [node["role"] for node in every(tree["root"])])

    def test_05_circle(self):
        self.beside("circle")
        tree = self.tree()
        self.check_honest(tree, False)
        self.assertEqual(len(self.names(tree)), 7)

    def test_06_sheet(self):
        self.beside("sheet")
        self.check_honest(self.tree(), True)

    def test_07_names(self):
        self.beside("names")
        tree = self.tree()
        self.assertTrue(tree["truncated"])
        self.assertLess(max(len(name.encode()) for name in self.names(tree)), 65537)

    def test_08_paths(self):
        self.beside("paths")
        tree = self.tree()
        self.check_honest(tree, True)

    def test_09_silent(self):
        name = self.beside("silent")
        self.assertEqual(self.tree(timeMs=15000, scope="focused")["root"]["name"], "honest")
        self.assertTrue(self.tree()["truncated"])
        answer = self.ask(do="focus", id=name + ":/x")
        self.assertEqual((answer.status, answer.text), (500, "the program does not answer"))

    def test_10_slow(self):
        name = self.beside("slow")
        self.assertTrue(self.tree()["truncated"])
        answer = self.ask(do="invoke", id=name + ":/x", timeMs=700)
        self.assertEqual(answer.status, 500, answer.text)

    def test_11_wrong(self):
        name = self.beside("wrong")
        for _ in range(5):
            self.check_honest(self.tree(), False)
            for question in ({"do": "focus"}, {"do": "invoke"}, {"do": "value", "value": "1"}):
                self.assertIn(self.ask(id=name + ":/frame", **question).status, (200, 400, 404))

    def test_12_flood(self):
        self.beside("flood")
        for _ in range(3):
            self.assertIn("Honest button", self.names(self.tree()))

    def test_13_large(self):
        self.beside("large")
        self.assertEqual(self.tree(503), "the accessibility bus has ended, or a program on it has sent more than 16 MiB at once")
        self.assertEqual(self.tree(scope="focused")["root"]["name"], "honest")

    def test_14_invalid(self):
        self.beside("invalid")
        self.check_honest(self.tree(), False)

    def test_15_dies(self):
        self.beside("dies")
        self.check_honest(self.tree(), False)

    def test_16_several(self):
        for kind in ("silent", "endless", "flood", "wrong", "circle", "slow"):
            self.beside(kind)
        self.assertTrue(self.tree()["truncated"])

    def test_17_still_there(self):
        self.check_honest(self.tree(), False)


if __name__ == "__main__":
    harness.main()
