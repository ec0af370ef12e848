# SPDX-License-Identifier: Apache-2.0
"""The secrets example stores a secret, uses it, and leaves nothing: secrets_example.py PROGRAM"""

import os
import subprocess
import sys

from example_support import call, check, run_tests

PROGRAM = sys.argv[1]


def run(*arguments, **environment):
    return subprocess.run([PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100,
                          universal_newlines=True, env={**os.environ, **environment})


def the_sandbox_has_it_and_nobody_prints_it():
    """The sandbox has the value, then nothing, then the new value, and nothing is left"""
    ran = run("my_token", TOKEN="five5")
    lines = [line for line in ran.stdout.splitlines() if not line.startswith("$ ")]
    check(ran.returncode == 0, f"{ran}")
    check(lines == ["my_token: of the example, may be deleted, 0 hosts", "API_TOKEN has 5 characters", "no API_TOKEN",
                    "API_TOKEN has 13 characters"], ran.stdout)
    check("five5" not in ran.stdout + ran.stderr, f"{ran}")
    check(call("GET", "/secret/paginated")["total"] == 0, "a secret is left")
    check(call("GET", "/sandbox")["items"] == [], "a sandbox is left")


def a_name_that_is_taken_ends_it():
    """A name that is taken ends the program with the reason"""
    secret = call("POST", "/secret", {"name": "taken", "value": "theirs"})
    ran = run("taken")
    check(ran.returncode == 1 and "already exists" in ran.stderr, f"{ran}")
    check(call("GET", "/secret/paginated")["total"] == 1, "somebody else's secret is gone")
    call("DELETE", "/secret/" + secret["id"])


def help_and_wrong_arguments():
    """--help explains it, and wrong arguments are refused"""
    check(run("--help").stdout.startswith("usage: secrets"), "help")
    check(run("a", "b").returncode == 2, "two names")


run_tests([the_sandbox_has_it_and_nobody_prints_it, a_name_that_is_taken_ends_it, help_and_wrong_arguments])
