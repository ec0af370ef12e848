# SPDX-License-Identifier: Apache-2.0
"""Contexts have the hash that the official Python SDK gives them, so that what either has uploaded is found by the other.

usage: compare.py DRIVER

Files of every kind, and folders with sorted names (see sdk.py). Where ours is meant to differ stands in docs/object-storage.md:
links in a folder that lead to no file.
"""

import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "lib")]
import launch  # noqa: E402
import tap  # noqa: E402

NAMES = ["a", "B", "a.txt", "with space", "\u00e9\u4e2d\U0001f600", "-dash", "%41", "z" * 200, "a-b", "a.b", "ab"]


def make_file(path, random_):
    size = random_.choice([0, 1, 63, 64, 65, 8191, 8192, 8193, 300000])
    Path(path).write_bytes(random_.randbytes(size))


def make_tree(path, random_, depth=0):
    os.mkdir(path)
    for name in random_.sample(NAMES, random_.randrange(0, 6)):
        below = os.path.join(path, name)
        if depth < 3 and random_.random() < 0.4:
            make_tree(below, random_, depth + 1)
        elif random_.random() < 0.2:
            make_file(os.path.join(path, ".target"), random_)
            os.symlink(".target", below)
        else:
            make_file(below, random_)


def lines():
    random_ = random.Random(10)
    for number in range(150):
        path = f"file-{number}"
        make_file(path, random_)
        yield f"{path}\t{random_.choice(['f', 'dir/f', '/f', '../f', NAMES[4], ''])}"
        yield random_.choice([path, "./" + path, os.path.abspath(path), f"x/..//{path}"])
    for number in range(60):
        make_tree(f"tree-{number}", random_)
        yield f"tree-{number}\t{random_.choice(['t', 'a/t', '.'])}"
        yield f"./tree-{number}"
    os.symlink("file-1", "link-to-file")
    os.symlink("tree-1", "link-to-tree")
    os.mkdir("x")
    yield from ("link-to-file\tf", "link-to-tree\tt", "missing\tm", "x\tx", "x")


def ask(command, text):
    done = subprocess.run(command, input=text, text=True, encoding="utf-8", capture_output=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.split()


def main():
    driver = os.path.abspath(sys.argv[1])
    cache = os.path.abspath(os.environ.get("DAYTONA_INTEROP_CACHE") or "build/interop")
    reason = launch.missing(cache, "python-newest")
    if reason is not None:
        print(f"1..0 # SKIP {reason}")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(os.path.realpath(folder))
        text = "".join(line + "\n" for line in lines())
        ours = ask([driver], text)
        official = ask([os.path.join(cache, "python-newest", "bin", "python"), str(HERE / "sdk.py")], text)
        os.chdir("/")
    producer = tap.Producer()
    producer.plan(1)

    def all_hashes_are_the_same():
        asked = text.splitlines()
        assert len(asked) == len(ours) == len(official) > 400
        wrong = [(line, one, other) for line, one, other in zip(asked, ours, official) if one != other]
        assert not wrong, f"{len(wrong)} differ, such as {wrong[:3]}"

    producer.run("contexts have the hash of the official SDK", all_hashes_are_the_same)
    return producer.exit_code()


if __name__ == "__main__":
    sys.exit(main())
