# SPDX-License-Identifier: Apache-2.0
"""examples/cpp/tour.cpp does what it says: tour_example.py PROGRAM"""

import sys

from example_support import check, run, run_tests, sandboxes


def three_sandboxes_greet():
    """Three sandboxes greet in order, and none is left."""
    ran = run(sys.argv[1])
    wanted = "".join(f"hello from number {i}\n" for i in (1, 2, 3))
    check(ran.returncode == 0 and ran.stdout.decode() == wanted, f"{ran}")
    check(sandboxes() == [], "a sandbox is left")


run_tests([three_sandboxes_greet])
