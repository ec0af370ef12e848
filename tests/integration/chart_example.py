# SPDX-License-Identifier: Apache-2.0
"""The chart example plots in a sandbox: chart_example.py DAYTONA-LOCAL PROGRAM

The interpreter that has matplotlib (DL_TEST_MATPLOTLIB_BIN names its directory) is outside of what a sandbox sees, so the server
keeps them apart by nothing here: what runs in them is this test's own.
"""

import os
import shutil
import struct
import subprocess
import sys
import tempfile

from example_support import check, run_tests

LOCAL, PROGRAM = map(os.path.abspath, sys.argv[1:3])
LIMIT_SECONDS = 120
PATH = (os.environ.get("DL_TEST_MATPLOTLIB_BIN", "") + ":/usr/local/bin:/usr/bin:/bin").strip(":")

BARS = """
import matplotlib.pyplot as plt
plt.bar(["a", "b"], [3, 4.5])
plt.title("Bars")
plt.show()
plt.pie([1, 3], labels=["p", "q"])
plt.show()
print("two shown")
"""


def has_matplotlib():
    probe = ["/usr/bin/env", "python3", "-c", "import matplotlib"]
    return subprocess.run(probe, env={"PATH": PATH}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def run(folder, *arguments):
    command = [LOCAL, "run", "--isolation", "none", "--", PROGRAM, "--env", "PATH=" + PATH, *arguments]
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                          timeout=LIMIT_SECONDS)


def in_folder(test):
    def inside():
        folder = tempfile.mkdtemp()
        try:
            test(folder)
        finally:
            shutil.rmtree(folder)
    inside.__doc__ = test.__doc__
    return inside


def check_png(path):
    with open(path, "rb") as file:
        data = file.read()
    check(data[:8] == b"\x89PNG\r\n\x1a\n" and data[-8:-4] == b"IEND", f"{path} is no PNG")
    width, height = struct.unpack(">II", data[16:24])
    check(100 < width < 2000 and 100 < height < 2000, f"{path} has {width} times {height} pixels")


@in_folder
def a_plot(folder):
    """A plot is a table and a picture."""
    done = run(folder)
    check(done.returncode == 0, done.stderr)
    lines = done.stdout.splitlines()
    check(lines[:2] == ["# line: Builds", "series\tday\tcount"], done.stdout)
    check(lines[2:-1] == [f"{name}\t{x}\t{y}" for name, ys in (("built", [3, 5, 4, 8, 9]), ("failed", [1, 1, 0, 2, 1]))
                          for x, y in enumerate(ys, 1)], done.stdout)
    check(lines[-1].startswith("wrote chart.png, "), done.stdout)
    check(os.listdir(folder) == ["chart.png"], os.listdir(folder))
    check_png(os.path.join(folder, "chart.png"))


@in_folder
def own_code(folder):
    """A program of one's own may show several figures."""
    with open(os.path.join(folder, "code.py"), "w") as file:
        file.write(BARS)
    done = run(folder, "--code", "code.py", "out.png")
    check(done.returncode == 0, done.stderr)
    lines = done.stdout.splitlines()
    check(lines[0] == "two shown", done.stdout)
    check(lines[1:3] == ["# bar: Bars", "bar\tgroup\tvalue"], done.stdout)
    check([line.split("\t")[0] for line in lines[3:5]] == ["a", "b"], done.stdout)
    check([float(line.split("\t")[2]) for line in lines[3:5]] == [3, 4.5], done.stdout)
    check("# pie: -" in lines and "p\t90\t1\t-" in lines and "q\t270\t1\t-" in lines, done.stdout)
    for name in ("out.png", "out-2.png"):
        check_png(os.path.join(folder, name))


@in_folder
def failures(folder):
    """Code that fails or shows nothing, and a picture that cannot be written, are told."""
    for code, expected in (("print(1)", "has shown no figure"), ("raise SystemExit(3)", "exit code 3")):
        with open(os.path.join(folder, "code.py"), "w") as file:
            file.write(code)
        done = run(folder, "--code", "code.py")
        check(done.returncode == 1 and expected in done.stderr, done.stderr)
    done = run(folder, "missing/out.png")
    check(done.returncode == 1 and "missing/out.png" in done.stderr, done.stderr)
    done = run(folder, "--code", "missing.py")
    check(done.returncode == 1 and "missing.py" in done.stderr, done.stderr)


@in_folder
def usage(folder):
    """--help explains it, and bad arguments are refused."""
    done = run(folder, "--help")
    check(done.returncode == 0 and done.stdout.startswith("usage: chart"), done.stdout)
    for arguments in (("a", "b"), ("--env", "NAME"), ("--other",)):
        done = run(folder, *arguments)
        check(done.returncode == 2 and "usage: chart" in done.stderr, done.stderr)


if not has_matplotlib():
    print("1..0 # SKIP matplotlib is not installed (DL_TEST_MATPLOTLIB_BIN names a directory with a python3 that has it)")
    sys.exit(0)
run_tests([a_plot, own_code, failures, usage])
