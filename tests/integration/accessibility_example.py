# SPDX-License-Identifier: Apache-2.0
"""The accessibility example: accessibility_example.py PROGRAM, run by `daytona-local run --`."""

import glob
import os
import sys

from example_support import check, run, run_tests, sandboxes

PROGRAM = os.path.abspath(sys.argv[1])


def the_form_is_filled_in():
    """The parts of a form are printed, its field is filled in, and its button pressed"""
    ran = run(PROGRAM, "--value", "Grüße", env={**os.environ, "LC_ALL": "C.UTF-8"})
    check(ran.returncode == 0, f"{ran}")
    check(b'button "Send"\n' in ran.stdout and b'text "Your name"\n' in ran.stdout, f"{ran}")
    check(ran.stdout.endswith("$ cat /tmp/sent; echo\nGrüße\n".encode()) and sandboxes() == [], f"{ran}")


if not glob.glob("/usr/lib/*/girepository-1.0/Gtk-3.0.typelib"):
    print("1..0 # SKIP gir1.2-gtk-3.0 is not installed")
else:
    run_tests([the_form_is_filled_in])
