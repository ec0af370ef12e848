# SPDX-License-Identifier: Apache-2.0
"""The agent example finds a version that works, within its limits, and leaves nothing: agent_example.py PROGRAM"""

import os
import re
import signal
import subprocess
import sys
import tempfile

from example_support import LIMIT_SECONDS, check, execute, run, run_tests, sandboxes, wait_until

PROGRAM = sys.argv[1]


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write(text)
    return path


def example_ends_with_a_version_that_works():
    """The example fails in each way, with its limits kept, and then works"""
    ran = run(PROGRAM, "--timeout", "1", "--limit", "16")
    text = ran.stdout.decode()
    check(ran.returncode == 0, text)
    for pattern in (r"^version 1: exit code 1\n(  \| .*\n)*  \| NameError: ", r"^version 2: not done within 1 s$",
                    r"^version 3: more than 16 KiB of output\n"
                    r"  \| \(16144 bytes before\)\n(  \| .*\n)*  \| is it \d+ \?\n",
                    r"^version 4: exit code 0\n  \| 129$"):
        check(re.search(pattern, text, flags=re.M), f"{pattern}: {text}")
    check(sandboxes() == [], "left")


def versions_of_files_are_tried_in_turn():
    """Files are tried in turn until one prints what is expected; it is stored, and nothing of the others runs on"""
    with tempfile.TemporaryDirectory() as folder:
        files = [write(folder, "1", "import subprocess\nsubprocess.Popen(['sleep', '4321'])\nwhile True: pass\n"),
                 write(folder, "2", "print('\\033[31mred')\n"),
                 write(folder, "3", "import subprocess\n"
                       "print('found', subprocess.run(['pgrep', '-fc', 'sleep 432[1]']).returncode)\n"),
                 write(folder, "4", "print('not reached')\n")]
        good = os.path.join(folder, "good")
        ran = run(PROGRAM, "--timeout", "1", "--expect", "found 1", "--output", good, *files)
        text = ran.stdout.decode()
        check(ran.returncode == 0, text)
        check("version 1: not done within 1 s\n" in text, text)
        check("version 2: exit code 0, without the text that was expected\n  | ?[31mred\n" in text, text)
        check("version 3: exit code 0\n  | 0\n  | found 1\n" in text and "version 4" not in text, text)
        check(open(good).read() == open(files[2]).read(), "the version that was stored")
    check(sandboxes() == [], "left")


def command_writes_the_next_version():
    """The --fix command gets outcome, output and program, and what it prints is run; without success, it ends"""
    with tempfile.TemporaryDirectory() as folder:
        request = os.path.join(folder, "request")
        first = write(folder, "first", "echo no; exit 7")
        options = ["--run", "sh program"]
        ran = run(PROGRAM, *options, "--fix", f"cat >{request}; echo 'echo better'", first)
        check(ran.returncode == 0 and ran.stdout.endswith(b"version 2: exit code 0\n  | better\n"), f"{ran}")
        check(open(request).read() == "exit code 7\n\nno\n---\necho no; exit 7", open(request).read())
        ran = run(PROGRAM, *options, "--attempts", "3", "--fix", "cat; echo false", first)
        check(ran.returncode == 1 and ran.stdout.count(b"version ") == 3, f"{ran}")
        ran = run(PROGRAM, *options, "--fix", "exit 9", first)
        check(ran.returncode == 1 and b"--fix has ended with 9" in ran.stderr, f"{ran}")
    check(sandboxes() == [], "left")


def signals_end_it():
    """Ctrl-C, SIGTERM and SIGHUP end the program and the sandbox"""
    with tempfile.TemporaryDirectory() as folder:
        forever = write(folder, "forever", "import os\nopen('/tmp/begun', 'w')\nwhile True: pass\n")
        for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            process = subprocess.Popen([PROGRAM, "--timeout", "50", forever], stdout=subprocess.DEVNULL)
            wait_until(lambda: [item["state"] for item in sandboxes()] == ["started"], "a sandbox")
            box = sandboxes()[0]["id"]
            wait_until(lambda: execute(box, "test -e /tmp/begun")[0] == 0, "the program")
            process.send_signal(number)
            if number == signal.SIGHUP:
                process.send_signal(number)  # of a terminal and of its shell
            check(process.wait(LIMIT_SECONDS) == 128 + number, "exit code")
            check(sandboxes() == [], "left")


def wrong_options_are_refused():
    """Wrong options and files end with a reason"""
    for options in (["--timeout", "0"], ["--fix", "cat"], ["--unknown"]):
        check(run(PROGRAM, *options).returncode == 2, f"{options}")
    check(run(PROGRAM, "--help").stdout.startswith(b"usage: "), "help")
    ran = run(PROGRAM, "/nowhere/at/all")
    check(ran.returncode == 1 and b"/nowhere/at/all: " in ran.stderr and sandboxes() == [], f"{ran}")


run_tests([example_ends_with_a_version_that_works, versions_of_files_are_tried_in_turn, command_writes_the_next_version,
           signals_end_it, wrong_options_are_refused])
