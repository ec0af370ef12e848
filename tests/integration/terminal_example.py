# SPDX-License-Identifier: Apache-2.0
"""The terminal example is used like ssh: terminal_example.py PROGRAM"""

import hashlib
import os
import re
import signal
import subprocess
import sys

from example_support import (OnTerminal, add_fault, check, create_sandbox, delete_sandbox, execute, faults_left, run,
                             run_tests, sandboxes, wait_until)

PROGRAM = os.path.abspath(sys.argv[1])
PROMPT = r"\$ "


def ended_well(terminal, code):
    got = terminal.wait()
    check(got == code, f"exit code {got}, not {code}: {terminal.output[-2000:]!r}")
    check(terminal.modes_are_restored(), "the terminal's modes are not what they were")
    check(sandboxes() == [], "a sandbox is left")


def commands_run():
    """Commands run on a terminal of the local size, which is raw meanwhile, and the exit code is passed on."""
    with OnTerminal(PROGRAM, "--env", "GREETING=good day", "--cwd", "/tmp", rows=31, cols=101) as terminal:
        terminal.expect(PROMPT)
        check(terminal.is_raw(), "the local terminal is not raw")
        terminal.type("stty size; echo \"$GREETING\" from $PWD, $((6*7)); tty -s && echo a tty\r")
        terminal.expect(r"\n31 101\r\ngood day from /tmp, 42\r\na tty\r\n")
        terminal.type("exit 7\r")
        ended_well(terminal, 7)
        check(b"closed." in terminal.output, "it does not say that the connection was closed")


def the_size_follows():
    """The size over there follows the window, also when it changes several times at once."""
    with OnTerminal(PROGRAM) as terminal:
        terminal.expect(PROMPT)
        for rows in range(30, 40):
            terminal.resize(rows, 120)
        rows = b""
        while rows != b"39":
            terminal.type("stty size\r")
            rows = terminal.expect(r"\n(\d+) \d+\r\n").group(1)
        terminal.type("exit\r")
        ended_well(terminal, 0)


def control_c_interrupts():
    """Ctrl-C interrupts the command over there and not the program."""
    with OnTerminal(PROGRAM) as terminal:
        terminal.expect(PROMPT)
        terminal.type("sh -c \"echo be''gun; exec sleep 1000\"\r")
        terminal.expect("begun")
        terminal.type("\003")
        terminal.expect(PROMPT)
        terminal.type("echo still he''re; exit\r")
        terminal.expect("still here")
        ended_well(terminal, 0)


def huge_output_is_whole():
    """Huge output arrives whole on a terminal that is read late."""
    numbers = b"".join(b"%d\n" % i for i in range(1, 700001))
    with OnTerminal(PROGRAM) as terminal:
        terminal.expect(PROMPT)
        sandbox = sandboxes()[0]["id"]
        terminal.type("stty -opost; echo be''gin; seq 1 700000; touch printed; exit\r")
        terminal.expect("begin\n")
        wait_until(lambda: execute(sandbox, "ls printed")[0] == 0, "everything is printed")
        while len(terminal.output) < len(numbers):
            check(terminal.read_some() != b"", "the output stops")
        check(hashlib.sha256(terminal.output[:len(numbers)]).digest() == hashlib.sha256(numbers).digest(),
              "the output is not what was printed")
        ended_well(terminal, 0)


def much_input_is_whole():
    """Input is read no faster than the sandbox takes it, and none is lost."""
    script = b"stty -echo -icanon; head -c 20000000 | sha256sum; exit 4\n"
    data = os.urandom(15000000).replace(b"\x03", b"x").replace(b"\x1a", b"x").replace(b"\x1c", b"x")
    data = re.sub(rb"[\x00-\x1f\x7f-\xff]", b"a", data)
    script = script.replace(b"20000000", str(len(data)).encode())
    ready = b"stty -echo -icanon; echo re''ady\n"
    process = subprocess.Popen([PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    with process:
        process.stdin.write(ready + script)
        process.stdin.flush()
        seen = b""
        while b"ready\r\n" not in seen:
            seen += os.read(process.stdout.fileno(), 65536) or sys.exit("the program ended early")
        process.stdin.write(data)
        process.stdin.close()
        seen += process.stdout.read()
    check(hashlib.sha256(data).hexdigest().encode() in seen, f"another hash: {seen[-500:]!r}")
    check(process.returncode == 4, f"exit code {process.returncode}")


def a_script_is_typed():
    """A script from a pipe is typed, an end of it leaves the shell, and its exit code counts."""
    ran = run(PROGRAM, input=b"echo $((6*7)); false")
    check(ran.returncode == 1 and b"\r42\r\n" in ran.stdout, f"{ran}")
    ran = run(PROGRAM, "--command", "echo $((6*7)); (exit 5)", stdin=subprocess.DEVNULL)
    check(ran.returncode == 5 and b"\r42\r\n" in ran.stdout, f"{ran}")
    check(sandboxes() == [], "a sandbox is left")


def escapes_work():
    """~~ types a tilde, ~? helps, ~. leaves and takes the shell along."""
    sandbox = create_sandbox()
    with OnTerminal(PROGRAM, sandbox) as terminal:
        terminal.expect(PROMPT)
        terminal.type("exec 9>&-; sleep 4242 & echo a~.b\r")
        terminal.expect(r"\na~.b\r\n")
        terminal.type("\r~?")
        terminal.expect(r"Escapes: ~\. disconnect")
        terminal.type("\r~~.\r")
        terminal.expect("~.: ")  # "command not found", or "No such file or directory"
        terminal.type("\r~.")
        code = terminal.wait()
        check(code == 255 and terminal.modes_are_restored(), f"exit code {code}")
        check(b"closed." in terminal.output, f"{terminal.output!r}")
    wait_until(lambda: execute(sandbox, "pgrep -f 'slee[p] 4242'")[0] != 0, "the shell's end")
    delete_sandbox(sandbox)


def a_named_terminal_stays():
    """With --pty the shell goes on without us, and is there when we come back."""
    sandbox = create_sandbox()
    with OnTerminal(PROGRAM, "--pty", "work", sandbox) as terminal:
        terminal.expect(PROMPT)
        terminal.type("SECRET=kept\r")
        terminal.expect(PROMPT)
        terminal.type("\r~.")
        terminal.wait()
    with OnTerminal(PROGRAM, "--pty", "work", sandbox) as terminal:
        wait_until(terminal.is_raw, "it is attached")
        terminal.type("echo it is $SECRET; exit 3\r")
        terminal.expect("it is kept")
        check(terminal.wait() == 3, "another exit code")
    delete_sandbox(sandbox)


def signals_restore():
    """SIGTERM and SIGHUP restore the terminal, delete the sandbox and show in the exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        with OnTerminal(PROGRAM) as terminal:
            terminal.expect(PROMPT)
            terminal.process.send_signal(number)
            ended_well(terminal, 128 + number)
    add_fault("/process/pty/*", "stall")
    with OnTerminal(PROGRAM) as terminal:  # before it is attached
        wait_until(lambda: faults_left() == 0, "it wants to be attached")
        terminal.type("\003")
        code = terminal.wait()
        check(code == 130 and terminal.modes_are_restored(), f"exit code {code}: {terminal.output!r}")
        wait_until(lambda: sandboxes() == [], "the sandbox is deleted")


def a_hang_up_deletes():
    """When the local terminal goes away the sandbox is deleted."""
    terminal = OnTerminal(PROGRAM)
    terminal.expect(PROMPT)
    os.close(terminal.slave)
    os.close(terminal.master)
    check(terminal.process.wait(60) != 0, "it says that all was well")
    check(sandboxes() == [], "a sandbox is left")


def a_cut_connection_shows():
    """A lost connection is told, with exit code 255, and the terminal is restored."""
    add_fault("/process/pty/*", "reset", after_bytes=20000)
    with OnTerminal(PROGRAM) as terminal:
        terminal.expect(PROMPT)
        terminal.type("seq 1 100000\r")
        got = terminal.wait()
        check(got == 255, f"exit code {got}: {terminal.output[-500:]!r}")
        check(b"connection to " in terminal.output and b"connection lost" in terminal.output,
              f"{terminal.output[-500:]!r}")
        check(terminal.modes_are_restored(), "the terminal's modes are not what they were")
        check(faults_left() == 0 and sandboxes() == [], "the fault was not used, or a sandbox is left")


def stopping_is_for_jobs():
    """SIGTSTP does nothing where no shell could continue the job."""
    with OnTerminal(PROGRAM) as terminal:
        terminal.expect(PROMPT)
        os.kill(terminal.process.pid, signal.SIGTSTP)
        terminal.type("echo af''ter; exit\r")
        terminal.expect("after")
        ended_well(terminal, 0)


def problems_are_told():
    """Without a sandbox, with wrong options and without a server it says what is wrong."""
    ran = run(PROGRAM, "no-such-sandbox", stdin=subprocess.DEVNULL)
    check(ran.returncode == 255 and b"terminal: " in ran.stderr and ran.stderr.count(b"\n") == 1, f"{ran}")
    ran = run(PROGRAM, "--env", "wrong", stdin=subprocess.DEVNULL)
    check(ran.returncode == 2 and b"usage:" in ran.stderr, f"{ran}")
    ran = run(PROGRAM, "--help", stdin=subprocess.DEVNULL)
    check(ran.returncode == 0 and b"usage:" in ran.stdout, f"{ran}")
    ran = run(PROGRAM, stdin=subprocess.DEVNULL, env={**os.environ, "DAYTONA_API_URL": "http://127.0.0.1:1/api"})
    check(ran.returncode == 255 and b"terminal: " in ran.stderr, f"{ran}")
    ran = run("sh", "-c", '"$1" | head -c 10', "sh", PROGRAM, input=b"seq 1 100000; sleep 100\n")
    check(b"Broken pipe" in ran.stderr or b"broken pipe" in ran.stderr, f"{ran}")
    check(sandboxes() == [], "a sandbox is left")


run_tests([commands_run, the_size_follows, control_c_interrupts, huge_output_is_whole, much_input_is_whole,
           a_script_is_typed, escapes_work, a_named_terminal_stays, signals_restore, a_hang_up_deletes,
           a_cut_connection_shows, stopping_is_for_jobs, problems_are_told])
