# SPDX-License-Identifier: Apache-2.0
"""The orchestrate example runs its jobs, stops cleanly and leaves nothing: orchestrate_example.py PROGRAM"""

import glob
import os
import re
import signal
import subprocess
import sys
import tempfile

from example_support import (FAULTS_USED, LIMIT_SECONDS, OnTerminal, add_fault, call, check, clear_faults, execute, run,
                             run_tests, sandboxes, wait_until)

PROGRAM = sys.argv[1]


def job_list(*lines):
    file = tempfile.NamedTemporaryFile("w", suffix=".txt")
    file.write("\n".join(lines) + "\n")
    file.flush()
    return file


def refuse_deletes(times):
    FAULTS_USED.append("status")
    call("POST", "/faults", {"match": {"path": "/api/sandbox/*", "method": "DELETE", "target": "control"},
                             "action": "status", "status": 503, "times": times}, os.environ["DAYTONA_LOCAL_ADMIN_URL"])


def jobs_run_each_in_a_sandbox():
    """Each line runs in a sandbox of its own; what it prints is stored, and failures have a reason"""
    with tempfile.TemporaryDirectory() as folder, job_list(
            "# not a job", "", "echo one; touch here; ls", "ls", "echo last words >&2; exit 3",
            "printf 'a\\033[31mb'; false", "sleep 60") as jobs:
        ran = run(PROGRAM, "--at-once", "3", "--timeout", "1", "--output", folder, jobs.name)
        text = ran.stdout.decode()
        check(ran.returncode == 1 and "5 jobs, 3 at once" in ran.stderr.decode(), f"{ran}")
        for pattern in (r"^ok +#1 +\d", r"^ok +#2 ", r"^failed +#3 .*: exit code 3: last words$",
                        r"^failed +#4 .*: exit code 1: a\?\[31mb$", r"^failed +#5 .*: .*tim",
                        r"^5 jobs: 2 ok, 3 failed; 0 tried again; .* requests"):
            check(re.search(pattern, text, flags=re.M), f"{pattern}: {text}")
        check(b"\033" not in ran.stdout, text)
        stored = {name: open(os.path.join(folder, name)).read() for name in os.listdir(folder)}
        check(stored["000001.txt"] == "one\nhere\n" and stored["000002.txt"] == "", f"{stored}")
        check(stored["000004.txt"] == "a\033[31mb" and "000005.txt" not in stored, f"{stored}")
        check(sandboxes() == [], "left")


def what_could_not_be_run_is_tried_again():
    """A job that could not be run is tried again, in a new sandbox, up to a limit; deletions are tried again as well"""
    add_fault("/process/execute", "status", status=503)
    refuse_deletes(3)
    ran = subprocess.run([PROGRAM, "--at-once", "1"], input=b"echo hi\n", stdout=subprocess.PIPE, timeout=LIMIT_SECONDS)
    text = ran.stdout.decode()
    check(ran.returncode == 0 and len(re.findall(r"^again +#1 ", text, flags=re.M)) == 1, text)
    check("1 jobs: 1 ok, 0 failed; 1 tried again;" in text, text)
    add_fault("/process/execute", "status", status=503, times=2)
    ran = subprocess.run([PROGRAM, "--retries", "1"], input=b"echo hi\n", stdout=subprocess.PIPE, timeout=LIMIT_SECONDS)
    check(ran.returncode == 1 and b"1 jobs: 0 ok, 1 failed; 1 tried again;" in ran.stdout, f"{ran}")
    check(sandboxes() == [], "left")


def start(*options):
    return subprocess.Popen([PROGRAM, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def feed(process, jobs):
    process.stdin.write(jobs)
    process.stdin.close()


def first_interrupt_deletes_what_runs():
    """Ctrl-C begins no further job and deletes what there is"""
    process = start("--at-once", "3")
    feed(process, b"sleep 50\n" * 5)
    wait_until(lambda: [item["state"] for item in sandboxes()] == ["started"] * 3, "three sandboxes")
    process.send_signal(signal.SIGINT)
    text = process.stdout.read().decode()
    check(process.wait(LIMIT_SECONDS) == 130, text)
    check("5 jobs: 0 ok, 0 failed, 3 interrupted, 2 not begun;" in text, text)
    check(sandboxes() == [], "left")


def sleeping(seconds):
    """How many processes of this machine sleep for just so long."""
    found = 0
    for name in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(name, "rb") as file:
                found += file.read() == f"sleep\0{seconds}\0".encode()
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended
    return found


def many_run_at_once_and_are_ended():
    """Many commands run side by side, and Ctrl-C leaves none of their processes"""
    count, seconds = 40, 100000 + os.getpid()
    process = start("--at-once", str(count), "--timeout", "80000")
    feed(process, f"sleep {seconds}\n".encode() * count)
    wait_until(lambda: sleeping(seconds) == count, f"{count} commands")
    process.send_signal(signal.SIGINT)
    text = process.stdout.read().decode()
    check(process.wait(LIMIT_SECONDS) == 130 and f"{count} interrupted" in text, text)
    check(sandboxes() == [] and sleeping(seconds) == 0, "left")


def second_interrupt_leaves_and_names_what_is_left():
    """A second Ctrl-C leaves at once and names what may be left; --clean deletes that, and nothing else"""
    other = call("POST", "/sandbox", {"labels": {"orchestrate": "another"}})["id"]
    refuse_deletes("always")
    process = start("--label", "mine")
    feed(process, b"touch /tmp/begun; sleep 50\n" * 2)
    wait_until(lambda: [item["state"] for item in sandboxes()] == ["started"] * 3, "two sandboxes")
    wait_until(lambda: all(item["id"] == other or execute(item["id"], "test -e /tmp/begun")[0] == 0
                           for item in sandboxes()), "the commands")
    process.send_signal(signal.SIGINT)
    check(b"stopping" in process.stdout.readline(), "no word of the first")
    process.send_signal(signal.SIGINT)
    told = process.stderr.read().decode()
    check(process.wait(LIMIT_SECONDS) == 130, told)
    ours = {item["id"] for item in sandboxes()} - {other}
    check(set(re.findall(r"^may be left: (\S+)$", told, flags=re.M)) == ours and len(ours) == 2, told)
    check("orchestrate --clean --label mine\n" in told, told)
    clear_faults()
    ran = run(PROGRAM, "--clean", "--label", "mine")
    check(ran.returncode == 0 and ran.stdout == b"2 deleted\n", f"{ran}")
    check([item["id"] for item in sandboxes()] == [other], "not these two alone")
    check(run(PROGRAM, "--clean", "--label", "another").stdout == b"1 deleted\n", "other")


def terminal_has_a_table():
    """On a terminal the jobs in work are a table, and only failures are lines"""
    with job_list("sleep 1", "echo gone; exit 4") as jobs, OnTerminal(PROGRAM, jobs.name) as terminal:
        terminal.expect(r"\[\.{20}\] 0/2  ok 0  failed 0  creating 2")
        terminal.expect(r"failed +#2 .*: exit code 4: gone\r\n")
        terminal.expect(r"\[#{10}\.{10}\] 1/2  ok 0  failed 1  (running|deleting) 1 .*\r\n"
                        r"(running|deleting) +#1 .*sleep 1\r\n")
        terminal.expect(r"\033\[2A\r\033\[J2 jobs: 1 ok, 1 failed; ")
        check(terminal.wait() == 1, "exit code")


def a_reader_that_goes_away_stops_it():
    """When nobody reads its lines any more, it stops and leaves nothing"""
    process = start("--at-once", "1")
    process.stdout.close()
    feed(process, b"echo x\n" * 5 + b"sleep 50\n")
    process.stderr.read()
    check(process.wait(LIMIT_SECONDS) == 1, "exit code")
    check(sandboxes() == [], "left")


def wrong_options_are_refused():
    """Wrong options, files and keys end with a reason"""
    for options in (["--at-once", "0"], ["--clean"], ["--unknown"], ["a", "b"], ["/nowhere/at/all"]):
        ran = run(PROGRAM, *options)
        check(ran.returncode == 2 and ran.stderr, f"{options}: {ran}")
    check(run(PROGRAM, "--help").stdout.startswith(b"usage: "), "help")
    ran = subprocess.run([PROGRAM, "--at-once", "2"], input=b"true\n" * 50, stdout=subprocess.PIPE,
                         timeout=LIMIT_SECONDS, env={**os.environ, "DAYTONA_API_KEY": "wrong"})
    check(ran.returncode == 1 and re.search(rb"50 jobs: 0 ok, [12] failed, .*not begun", ran.stdout), f"{ran}")


run_tests([jobs_run_each_in_a_sandbox, what_could_not_be_run_is_tried_again, first_interrupt_deletes_what_runs,
           many_run_at_once_and_are_ended, second_interrupt_leaves_and_names_what_is_left, terminal_has_a_table, a_reader_that_goes_away_stops_it,
           wrong_options_are_refused])
