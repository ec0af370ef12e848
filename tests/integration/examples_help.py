# SPDX-License-Identifier: Apache-2.0
"""Every example explains itself, refuses an option that it does not have, and is short: examples_help.py FOLDER PROGRAM..."""

import os
import re
import subprocess
import sys
from pathlib import Path

from example_support import check, run, run_tests


def help_is_printed():
    """--help prints the usage and asks no server"""
    for program in PROGRAMS:
        for option in "--help", "-h":
            ran = run(program, option, env={"PATH": os.environ["PATH"]})
            name = os.path.basename(program)
            check(ran.returncode == 0 and ran.stdout.startswith(f"usage: {name}".encode()) and not ran.stderr, f"{ran}")
            check(all(len(line) <= 110 for line in ran.stdout.splitlines()), f"long lines: {ran}")


def unknown_options_are_refused():
    """An option that there is not ends the program, with the usage on stderr"""
    for program in PROGRAMS:
        ran = run(program, "--no-such-option", env={"PATH": os.environ["PATH"]})
        check(ran.returncode == 2 and b"usage: " in ran.stderr and not ran.stdout, f"{ran}")


def missing_keys_are_told():
    """Without a key each says so, and fails"""
    for program in PROGRAMS:
        ran = run(program, stdin=subprocess.DEVNULL, cwd="/", env={"PATH": os.environ["PATH"]})
        name = os.path.basename(program)
        if name in NEED_ARGUMENTS:
            check(ran.returncode == 2 and b"usage: " in ran.stderr and not ran.stdout, f"{ran}")
        elif name != "orchestrate":  # it has no jobs
            check(ran.returncode not in (0, 2) and b"DAYTONA_API_KEY" in ran.stderr and not ran.stdout, f"{ran}")


def files_are_short():
    """No file of an example has 250 lines"""
    for path in FOLDER.rglob("*"):
        if path.is_file():
            check(len(path.read_text().splitlines()) < 250, f"{path} is too long")


def every_header_has_an_example():
    """The README names an example for every header, which uses what the header has"""
    rows = dict(re.findall(r"^\| `<daytona/(\w+\.h)>` \| \[`(\S+)`\]\(\2\) \|", (FOLDER / "README.md").read_text(), re.M))
    headers = {path.name: path.read_text() for path in (FOLDER.parent / "include" / "daytona").glob("*.h")}
    check(set(rows) == set(headers) - {"daytona.h", "export.h", "types.h"}, f"{set(rows) ^ set(headers)}")
    for header, name in rows.items():
        program = (FOLDER / name).read_text()
        calls = re.findall(r"\b(daytona_\w+)\(", "".join(re.findall(r"^DAYTONA_API[^;]*;", headers[header], re.M)))
        used = calls + re.findall(r"^} (daytona_\w+_t);", headers[header], re.M) + re.findall(r"\(\*(daytona_\w+_cb)\)", headers[header])
        check(any(re.search(rf"\b{call}\b", program) for call in used), f"{name} uses nothing of {header}")


NEED_ARGUMENTS = {"object_storage"}
FOLDER, PROGRAMS = Path(sys.argv[1]), [os.path.abspath(name) for name in sys.argv[2:]]
run_tests([help_is_printed, unknown_options_are_refused, missing_keys_are_told, files_are_short, every_header_has_an_example])
