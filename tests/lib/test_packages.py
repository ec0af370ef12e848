# SPDX-License-Identifier: Apache-2.0
"""packages.sh: what a user is told when something is missing, with machines that are made up here."""

import os
import subprocess
import sys

import tap

HERE = os.path.dirname(os.path.abspath(__file__))
# Nothing is found, nobody is root unless a test says so, and nothing is installed.
MACHINE = """
have_probe() { return 1; }
id() { echo "${USER_ID:-1000}"; }
command() {
  [ "$*" = '-v apt-get' ] && return 0
  [ "$*" = '-v sudo' ] && return "${NO_SUDO:-1}"
  builtin command "$@"
}
apt-get() { echo "ran apt-get $*"; }
"""


def ensure(lists, **variables):
    script = f". {HERE}/packages.sh\n{MACHINE}\nensure_packages '{lists}'"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env={"PATH": os.environ["PATH"], **variables})
    return done.returncode, done.stderr


def an_ordinary_user_gets_the_line_for_the_administrator():
    code, text = ensure("gcc cc\nmeson meson\n")
    assert code == 1
    lines = text.splitlines()
    assert len(lines) == 1, text
    assert lines[0].endswith("As root: apt-get update && apt-get install --no-install-recommends gcc meson"), text


def root_installs():
    code, text = ensure("gcc cc\n", USER_ID="0")
    assert "installing: gcc" in text and "As root" not in text, text


TESTS = [an_ordinary_user_gets_the_line_for_the_administrator, root_installs]

if __name__ == "__main__":
    sys.exit(tap.run_all(TESTS))
