# SPDX-License-Identifier: Apache-2.0
"""The metrics example shows each running sandbox: metrics_example.py PROGRAM"""

import re
import sys

from example_support import add_fault, call, check, delete_sandbox, run, run_tests

PROGRAM = sys.argv[1]
ROW = r"^%s +\d+\.\d %% of \d+ +\d+\.\d\d / \d+\.\d\d GiB +\d+\.\d\d / \d+\.\d\d GiB$"


def each_running_sandbox_has_a_row():
    """A table has a row with numbers for each running sandbox, and each round is a table"""
    ids = [call("POST", "/sandbox", {"name": name})["id"] for name in ("first", "second")]
    try:
        ran = run(PROGRAM, "--rounds", "2", "--interval", "1")
        text = ran.stdout.decode()
        check(ran.returncode == 0 and not ran.stderr, f"{ran}")
        for name in ("first", "second"):
            check(len(re.findall(ROW % name, text, flags=re.M)) == 2, text)
        check(text.count("2 running\n") == 2, text)
    finally:
        for sandbox in ids:
            delete_sandbox(sandbox)


def one_that_does_not_answer_costs_its_row_only():
    """A sandbox that fails has a row that says so"""
    ids = [call("POST", "/sandbox", {"name": name})["id"] for name in ("good", "bad")]
    try:
        add_fault("/system/metrics", "status", status=503)
        text = run(PROGRAM).stdout.decode()
        check(len(re.findall(r"^(good|bad) +no answer: DAYTONA_EUNAVAILABLE$", text, flags=re.M)) == 1, text)
        check("2 running\n" in text, text)
    finally:
        for sandbox in ids:
            delete_sandbox(sandbox)


def nothing_runs():
    """Without sandboxes the table is empty"""
    ran = run(PROGRAM)
    check(ran.returncode == 0 and ran.stdout.endswith(b"0 running\n"), f"{ran}")


def wrong_options_are_told():
    """Wrong options and a wrong key end with a reason"""
    for options in (["--interval", "0"], ["--rounds", "x"], ["--unknown"]):
        check(run(PROGRAM, *options).returncode == 2, f"{options}")
    check(run(PROGRAM, "--help").stdout.startswith(b"usage: "), "help")


run_tests([nothing_runs, each_running_sandbox_has_a_row, one_that_does_not_answer_costs_its_row_only,
           wrong_options_are_told])
