# SPDX-License-Identifier: Apache-2.0
"""Every example explains itself, and refuses an option that it does not have: examples_help.py PROGRAM..."""

import os
import sys

from example_support import check, run, run_tests


def help_is_printed():
    """--help prints the usage and asks no server"""
    for program in sys.argv[1:]:
        ran = run(program, "--help", env={"PATH": os.environ["PATH"]})
        name = os.path.basename(program)
        check(ran.returncode == 0 and ran.stdout.startswith(f"usage: {name}".encode()) and not ran.stderr, f"{ran}")


def unknown_options_are_refused():
    """An option that there is not ends the program, with the usage on stderr"""
    for program in sys.argv[1:]:
        ran = run(program, "--no-such-option", env={"PATH": os.environ["PATH"]})
        check(ran.returncode in (1, 2) and b"usage: " in ran.stderr and not ran.stdout, f"{ran}")


run_tests([help_is_printed, unknown_options_are_refused])
