# SPDX-License-Identifier: Apache-2.0
"""Runs the benchmarks of the desktop: desktop.py DESKTOP_BENCH

Prints lines "bench NAME VALUE UNIT", and TAP about whether each measurement could be made; what the values are never fails a
test. See docs/benchmarks.md.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "interop"), HERE]

import exec as commands  # noqa: E402  (what all drivers of benchmarks share)

ROUNDS = 3
SHOTS, CHARACTERS = 60, 20000


class DesktopBench:
    def __init__(self, program):
        self.program = program
        self.ours = []

    def library(self):
        missing = [name for name in ("Xvfb", "icewm", "x11vnc", "websockify", "xterm") if not shutil.which(name)]
        if missing:
            return "not installed: " + ", ".join(missing)
        self.ours = [commands.run_client([self.program, f"desktop-{i}"], (SHOTS, CHARACTERS)) for i in range(ROUNDS)]
        commands.show("desktop_start_ms", commands.median(self.ours, "start_ms"), "ms", 0)
        commands.show("screenshot_png_ms", commands.median(self.ours, "png_ms"), "ms", 1)
        commands.show("screenshot_jpeg_ms", commands.median(self.ours, "jpeg_ms"), "ms", 1)
        commands.show("screenshot_cpu", commands.median(self.ours, "png_cpu_us"), "us", 0)
        commands.show("type_chars_per_s", commands.median(self.ours, "chars_per_s"), "chars/s", 0)
        return None

    def beside_python(self, name, command, reason):
        if reason is not None or not self.ours:
            return reason or "the library's figures are missing"
        theirs = [commands.run_client([*command, f"desktop-{i}"], (SHOTS,)) for i in range(ROUNDS)]
        ratios = [b["cpu_us"] / a["png_cpu_us"] for a, b in zip(self.ours, theirs)]
        commands.show(f"screenshot_cpu_vs_{name}", statistics.median(ratios), "ratio", 1)
        commands.show(f"screenshot_{name}_cpu", commands.median(theirs, "cpu_us"), "us", 0)
        return None


def inside(program):
    points = commands.Points()
    print("1..2")
    clients = [client for client in commands.sdk_clients("sdk_desktop") if client[0] == "python"]
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)  # the SDKs read .env files of the working directory
        bench = DesktopBench(program)
        points.run("desktop", bench.library)
        points.run("screenshots_beside_python_sdk", lambda: bench.beside_python(*clients[0]))
    return 1 if points.failed else 0


def main():
    program = os.path.abspath(sys.argv[-1])
    server = os.environ.get("DAYTONA_LOCAL")
    if sys.argv[1] == "--inside":
        return inside(program)
    if not server:
        print("1..0 # SKIP daytona-local was not built")
        return 0
    return subprocess.run([server, "run", "--", sys.executable, __file__, "--inside", program]).returncode


if __name__ == "__main__":
    sys.exit(main())
