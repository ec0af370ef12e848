# SPDX-License-Identifier: Apache-2.0
"""The desktop example: desktop_example.py PROGRAM, run by `daytona-local run --`."""

import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

from example_support import check, run_tests

PROGRAM = os.path.abspath(sys.argv[1])
LIMIT_SECONDS = 100


def run(folder, *arguments):
    return subprocess.run([PROGRAM, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
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


@in_folder
def a_picture_and_a_film(folder):
    """What is typed reaches the program, and the picture and the film are files."""
    done = run(folder, "--text", "echo typed", "--program", "xterm -l -lf log", "--film", "film.mp4", "out.png")
    check(done.returncode == 0, done.stderr)
    check(re.search(r"^watch it at http://6080-\S+/vnc\.html\?autoconnect=true$", done.stdout, re.M), done.stdout)
    check(re.search(r'^window ".*": \d+ x \d+ at \d+, \d+$', done.stdout, re.M), done.stdout)
    check(all(name + " runs" in done.stdout for name in ("xvfb", "xfce4", "x11vnc", "novnc")), done.stdout)
    with open(os.path.join(folder, "out.png"), "rb") as file:
        data = file.read()
    check(data[:8] == b"\x89PNG\r\n\x1a\n" and struct.unpack(">II", data[16:24]) == (1024, 640), data[:24])
    probe = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "stream=width,height", "-of", "csv=p=0", os.path.join(folder, "film.mp4")],
                           stdout=subprocess.PIPE, universal_newlines=True)
    check(probe.stdout.strip() == "1024,640", probe.stdout)


@in_folder
def failures(folder):
    """A program that shows no window, and a picture that cannot be written, are told."""
    done = run(folder, "missing/out.png")
    check(done.returncode == 1 and "missing/out.png" in done.stderr, done.stderr)


@in_folder
def usage(folder):
    """--help explains it, and bad arguments are refused."""
    done = run(folder, "--help")
    check(done.returncode == 0 and done.stdout.startswith("usage: desktop"), done.stdout)
    for arguments in (("a", "b"), ("--watch", "x"), ("--other",)):
        done = run(folder, *arguments)
        check(done.returncode == 2 and "usage: desktop" in done.stderr, done.stderr)


missing = [name for name in ("Xvfb", "icewm", "x11vnc", "websockify", "xterm", "ffmpeg") if not shutil.which(name)]
if missing:
    print("1..0 # SKIP not installed: " + ", ".join(missing))
    sys.exit(0)
run_tests([a_picture_and_a_film, failures, usage])
