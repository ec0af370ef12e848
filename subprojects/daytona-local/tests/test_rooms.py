# SPDX-License-Identifier: Apache-2.0
"""The rooms of src: includes point down, there is no circle of files, and README.md names every room.

Usage: test_rooms.py SUBPROJECT
"""
import os
import re
import sys
import unittest

ROOT = sys.argv.pop() if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
SRC = os.path.join(ROOT, "src")

# From the top down. A room may include what stands below it, and a header of its own; the nouns of the toolbox are
# on one floor and do not know each other.
NOUNS = ["toolbox/" + noun for noun in sorted(os.listdir(os.path.join(SRC, "toolbox")))
         if noun != "core" and os.path.isdir(os.path.join(SRC, "toolbox", noun))]
FLOORS = [[""], ["server"], ["page"], ["proxy"], ["control/events"], ["control/routes"], ["control"], ["control/life"], ["s3", "control/gateway"], ["control/objects"],
          ["control/builds"], ["control/faults", "control/auth", "control/store"], ["toolbox", "desktop"], NOUNS, ["toolbox/core"], ["images"],
          ["runtime"], ["http"], ["gateway"], ["ssh"], ["base"]]
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
# Inside these rooms files may know each other both ways: one machine in several files.
MAY_CIRCLE = ("http", "runtime")


def sources():
    for folder, _, names in os.walk(SRC):
        for name in names:
            if name.endswith((".c", ".h")):
                yield os.path.relpath(os.path.join(folder, name), SRC)


def includes(path):
    with open(os.path.join(SRC, path), encoding="utf-8") as file:
        return [name for name in re.findall(r'^#include "([^"]+)"', file.read(), re.M)]


class Rooms(unittest.TestCase):
    def test_every_room_has_its_floor(self):
        self.assertEqual({os.path.dirname(path) for path in sources()} - set(FLOOR_OF), set())

    def test_includes_point_down(self):
        for path in sources():
            room = os.path.dirname(path)
            for name in includes(path):
                other = os.path.dirname(name)
                self.assertTrue(other == room or FLOOR_OF[room] < FLOOR_OF[other], "%s includes %s" % (path, name))

    def test_no_circle_of_files(self):
        """A source and its header are one."""
        arrows = {}
        for path in sources():
            if os.path.dirname(path) not in MAY_CIRCLE:
                arrows.setdefault(path[:-2], set()).update(name[:-2] for name in includes(path) if name[:-2] != path[:-2])
        done, way = set(), []

        def visit(file):
            if file in way:
                self.fail("a circle: " + " -> ".join(way[way.index(file):] + [file]))
            if file in done:
                return
            way.append(file)
            for other in sorted(arrows.get(file, ())):
                visit(other)
            done.add(way.pop())

        for file in sorted(arrows):
            visit(file)

    def test_headers_are_found_from_src(self):
        for path in sources():
            for name in includes(path):
                self.assertTrue(os.path.exists(os.path.join(SRC, name)), "%s includes %s" % (path, name))

    def test_the_readme_names_every_room(self):
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
            inside = file.read().split("\n## Inside\n")[1].split("\n## ")[0]
        words = set(re.findall(r"[\w/]+", inside))
        for room in FLOOR_OF:
            if room:
                self.assertTrue("src/" + room in words or os.path.basename(room) in words, room)


if __name__ == "__main__":
    names = unittest.defaultTestLoader.getTestCaseNames(Rooms)
    print("1..%d" % len(names))
    failed = False
    for number, name in enumerate(names, 1):
        result = unittest.TestResult()
        Rooms(name).run(result)
        problems = result.failures + result.errors
        failed = failed or bool(problems)
        print("%sok %d - %s" % ("not " if problems else "", number, name))
        for _, text in problems:
            print("".join("# %s\n" % line for line in text.splitlines()), end="")
    sys.exit(failed)
