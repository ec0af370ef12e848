# SPDX-License-Identifier: Apache-2.0
"""The ssh example gives access, uses it, and takes it away: ssh_example.py PROGRAM"""

import os
import re
import shutil
import signal
import subprocess
import sys

from example_support import OnTerminal, call, check, create_sandbox, delete_sandbox, execute, run_tests, sandboxes, wait_until

PROGRAM = os.path.abspath(sys.argv[1])
OPTIONS = ["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]


def run(*arguments, **more):
    return subprocess.run([PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100,
                          **{"stdin": subprocess.DEVNULL, **more})


def is_valid(token):
    return call("GET", "/sandbox/ssh-access/validate?token=" + token)["valid"]


def the_printed_command_works():
    """The printed command works until Enter is pressed, and not afterwards"""
    box = create_sandbox()
    with subprocess.Popen([PROGRAM, "--minutes", "5", box], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        words = process.stdout.readline().decode().split()
        check(re.fullmatch(r"ssh -p \d+ \w{32}@127\.0\.0\.1", " ".join(words)), f"{words}")
        check(b"until 20" in process.stdout.readline(), "it does not say until when")
        command = [words[0], *OPTIONS, *words[1:], "echo here; exit 3"]
        ran = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=60)
        check((ran.returncode, ran.stdout) == (3, b"here\n"), f"{ran}")
        process.stdin.write(b"\n")
        process.stdin.close()
        check(process.wait(60) == 0, "exit code")
    check(subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60).returncode == 255,
          "the token still opens it")
    check(execute(box, "true")[0] == 0, "the sandbox is gone")
    delete_sandbox(box)


def it_runs_commands():
    """--run runs a command with its exit code, input and output, and leaves nothing"""
    ran = run("--run", "--accept-host-key", "--", "cat; echo err >&2; exit 7", stdin=None, input=b"in")
    check((ran.returncode, ran.stdout, ran.stderr) == (7, b"in", b"err\n"), f"{ran}")
    check(sandboxes() == [], "a sandbox is left")


def it_opens_a_shell():
    """--run alone opens a shell on the local terminal"""
    with OnTerminal(PROGRAM, "--run", "--accept-host-key", rows=33, cols=99) as terminal:
        terminal.expect(r"\$ ")
        terminal.type("stty size; exit 4\r")
        terminal.expect(r"33 99\r\n")
        check(terminal.wait() == 4, "exit code")
    wait_until(lambda: sandboxes() == [], "the sandbox is deleted")


def signals_revoke():
    """A signal revokes the access and deletes the sandbox"""
    with subprocess.Popen([PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        token = process.stdout.readline().decode().split()[3].split("@")[0]
        check(is_valid(token), "the token is not valid")
        process.send_signal(signal.SIGTERM)
        check(process.wait(60) == 128 + signal.SIGTERM, "exit code")
    check(not is_valid(token), "the token is still valid")
    check(sandboxes() == [], "a sandbox is left")


def help_and_wrong_arguments():
    """--help explains it, and wrong arguments are refused"""
    check(run("--help").stdout.startswith(b"usage: ssh"), "help")
    for words in (["--minutes", "0"], ["--minutes", "x"], ["--", "true"], ["a", "b"], ["--accept-host-key"]):
        check(run(*words).returncode == 2, f"{words}")
    check(run("--run", "no-such-sandbox").returncode == 1, "an unknown sandbox")


if not shutil.which("ssh") or "sshGatewayPort" not in call("GET", "/config"):
    print("1..0 # SKIP no ssh client, or daytona-local was built without libssh")
else:
    run_tests([the_printed_command_works, it_runs_commands, it_opens_a_shell, signals_revoke, help_and_wrong_arguments])
