# SPDX-License-Identifier: Apache-2.0
"""Runs a test with the root of a Debian that has python3: debian_root.py PLACE TEST ARGUMENT...

PLACE is made by mmdebstrap, once; the test is skipped where that cannot be done (another user than root, no mirror).
"""
import os
import shutil
import subprocess
import sys


def make(place):
    """Why there is none; None: it is there."""
    if os.path.isdir(place):
        return None
    if os.geteuid() != 0 or not shutil.which("mmdebstrap"):
        return "needs root and mmdebstrap"
    shutil.rmtree(place + ".new", ignore_errors=True)
    done = subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", "--include=python3", "bookworm", place + ".new"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        shutil.rmtree(place + ".new", ignore_errors=True)
        return "mmdebstrap: " + done.stderr.strip()[-300:]
    os.rename(place + ".new", place)
    return None


def main():
    place, test = sys.argv[1:3]
    reason = make(place)
    if reason:
        print("1..0 # SKIP " + " ".join(reason.split()))
        sys.exit(77)
    os.environ["DL_TEST_DEBIAN_ROOT"] = place
    os.execv(test, [test, *sys.argv[3:]])


if __name__ == "__main__":
    main()
