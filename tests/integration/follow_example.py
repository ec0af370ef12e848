# SPDX-License-Identifier: Apache-2.0
"""The follow example brings a build's whole log, its verdict and its exit code: follow_example.py PROGRAM"""

import hashlib
import os
import re
import signal
import subprocess
import sys

from example_support import (add_fault, check, create_sandbox, delete_sandbox, execute, faults_left, run, run_tests,
                             sandboxes, wait_until)

PROGRAM = os.path.abspath(sys.argv[1])
LOGS = "/process/session/*/command/*/logs"


def lines(word, count):
    return b"".join(b"%s %d\n" % (word, i) for i in range(1, count + 1))


def same(got, wanted):
    return len(got) == len(wanted) and hashlib.sha256(got).digest() == hashlib.sha256(wanted).digest()


def start(*arguments, **kwargs):
    return subprocess.Popen([PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)


def streams_stay_apart():
    """stdout and stderr stay apart, the exit code is passed on and nothing is left."""
    ran = run(PROGRAM, "-q", "-e", "WHO=it's me", "-C", "/tmp", "echo out $PWD; echo err \"$WHO\" >&2; exit 3")
    check(ran.returncode == 3 and ran.stdout == b"out /tmp\n" and ran.stderr == b"err it's me\n", f"{ran}")
    ran = run(PROGRAM, "--", "printf", "%s|", "a b", "it's", "$HOME", "*")
    check(ran.returncode == 0 and ran.stdout == b"a b|it's|$HOME|*|\n", f"{ran}")
    check(b"follow: exited with 0 after" in ran.stderr, f"{ran}")
    check(sandboxes() == [], "a sandbox is left")


def cut_connections_lose_nothing():
    """Connections that are cut again and again cost no byte, and none comes twice."""
    for cut in (1, 1000, 5000, 33333, 100001, 400000):
        add_fault(LOGS, "reset", method="GET", after_bytes=cut)
        add_fault(LOGS, "truncate", method="GET", after_bytes=cut * 2)
    ran = run(PROGRAM, "for i in $(seq 1 20000); do echo out $i; echo err $i >&2; done; exit 9")
    verdict = ran.stderr[ran.stderr.rfind(b"follow: "):]
    errors = ran.stderr[ran.stderr.find(b"\n") + 1:-len(verdict)]  # between our first line and our last
    check(ran.returncode == 9, f"exit code {ran.returncode}: {ran.stderr[-500:]!r}")
    check(same(ran.stdout, lines(b"out", 20000)), f"stdout has {len(ran.stdout)} bytes: {verdict!r}")
    check(same(errors, lines(b"err", 20000)), f"stderr has {len(errors)} bytes: {verdict!r}")
    check(faults_left() <= 8, f"only {12 - faults_left()} of its connections were cut")
    check(int(re.search(rb"made up for: (\d+)", verdict).group(1)) >= 1, f"{verdict!r}")
    check(b"MISSING" not in verdict, f"{verdict!r}")


def a_slow_reader_gets_all():
    """A reader that stands still until the build has ended gets everything."""
    sandbox = create_sandbox()
    process = start("--sandbox", sandbox, "-q", "seq 1 1500000; touch ended")
    wait_until(lambda: execute(sandbox, "ls ended")[0] == 0, "the build has ended")
    out = process.stdout.read()
    check(same(out, b"".join(b"%d\n" % i for i in range(1, 1500001))), f"stdout has {len(out)} bytes")
    check(process.wait() == 0 and process.stderr.read() == b"", "it does not end well")
    process.stdout.close()
    process.stderr.close()
    check("follow-" not in execute(sandbox, "ls -a .daytona/sessions")[1], "a session is left")
    delete_sandbox(sandbox)


def control_c_stops_the_build():
    """Ctrl-C stops the build over there, the verdict says so and the output so far is there."""
    sandbox = create_sandbox()
    process = start("--sandbox", sandbox, "echo begun; sleep 4343; echo not this")
    check(process.stdout.readline() == b"begun\n", "it does not begin")
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    check(process.returncode == 130 and out == b"" and b"follow: killed" in errors, f"{process.returncode} {errors}")
    check(execute(sandbox, "pgrep -f 'slee[p] 4343'")[0] != 0, "the build goes on")
    delete_sandbox(sandbox)


def a_second_one_leaves_at_once():
    """A second Ctrl-C leaves at once, although the sandbox does not answer."""
    process = start("echo begun; sleep 1000")
    check(process.stdout.readline() == b"begun\n", "it does not begin")
    add_fault("/process/session/*", "stall", method="DELETE")
    process.send_signal(signal.SIGINT)
    wait_until(lambda: faults_left() == 0, "it deletes the session")
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    check(process.returncode == 130 and b"left behind" in errors, f"{process.returncode} {errors}")
    for item in sandboxes():
        check(item["id"].encode() in errors, "it does not say which sandbox is left")
        delete_sandbox(item["id"])


def a_timeout_stops_the_build():
    """A timeout stops the build with exit code 124."""
    sandbox = create_sandbox()
    ran = run(PROGRAM, "--sandbox", sandbox, "--timeout", "1", "sleep 4444")
    check(ran.returncode == 124 and b"follow: timed out" in ran.stderr, f"{ran}")
    check(execute(sandbox, "pgrep -f 'slee[p] 4444'")[0] != 0, "the build goes on")
    delete_sandbox(sandbox)


def a_reader_that_leaves_ends_it():
    """When nobody reads the output any more it ends, and nothing is left."""
    ran = run("sh", "-c", '"$1" -q "seq 1 1000000; sleep 1000" | head -n 1', "sh", PROGRAM)
    check(ran.stdout == b"1\n", f"{ran}")
    wait_until(lambda: sandboxes() == [], "the sandbox is deleted")


def problems_are_told():
    """The demonstration works, and what is wrong is told."""
    ran = run(PROGRAM)
    check(ran.returncode == 0 and ran.stdout.endswith(b"\ndone\n") and b"warning" in ran.stderr, f"{ran}")
    ran = run(PROGRAM, "--sandbox", "no-such-sandbox", "true")
    check(ran.returncode == 255 and ran.stderr.startswith(b"follow: ") and ran.stderr.count(b"\n") == 1, f"{ran}")
    for wrong in (["-e", "1A=b", "true"], ["-t", "soon", "true"], ["--nonsense"], [" "]):
        ran = run(PROGRAM, *wrong)
        check(ran.returncode == 2 and b"usage:" in ran.stderr, f"{ran}")
    ran = run(PROGRAM, "--help")
    check(ran.returncode == 0 and b"usage:" in ran.stdout, f"{ran}")
    check(sandboxes() == [], "a sandbox is left")


run_tests([streams_stay_apart, cut_connections_lose_nothing, a_slow_reader_gets_all, control_c_stops_the_build,
           a_second_one_leaves_at_once, a_timeout_stops_the_build, a_reader_that_leaves_ends_it, problems_are_told])
