# SPDX-License-Identifier: Apache-2.0
"""The interpreter example is a notebook on the command line: interpreter_example.py PROGRAM"""

import os
import signal
import subprocess
import sys
import tempfile

from example_support import (OnTerminal, add_fault, call, check, create_sandbox, delete_sandbox, faults_left, run,
                             run_tests, sandboxes, wait_until)

PROGRAM = os.path.abspath(sys.argv[1])


def prompt(number):
    return r"In \[%d\]: " % number


def a_script_runs_in_cells():
    """Cells from a pipe run one after another and keep their variables; values of expressions are shown."""
    ran = run(PROGRAM, input=b"""x = 40
def double(n):

    return n * 2
# %% the second one
import sys
print('e"\\\\x', file=sys.stderr)
x + 2
# %%
double(x); None
# %%
%env COLOUR=dark blue
import os; print(os.environ['COLOUR'], _)""")
    check(ran.returncode == 0, f"{ran}")
    check(ran.stdout == b"Out[2]: 42\ndark blue 42\n", f"{ran}")
    check(ran.stderr == b'e"\\x\n', f"{ran}")
    check(sandboxes() == [], "a sandbox is left")


def a_failing_cell_ends_a_script():
    """A cell that fails ends a file with its traceback and exit code 1; %quit gives any."""
    with tempfile.NamedTemporaryFile(suffix=".py") as file:
        file.write(b"def f():\n  raise ValueError('bad')\n# %%\nprint('so far')\nf()\n# %%\nprint('not this')\n")
        file.flush()
        ran = run(PROGRAM, file.name, stdin=subprocess.DEVNULL)
    check(ran.returncode == 1 and ran.stdout == b"so far\n", f"{ran}")
    check(ran.stderr == b'Traceback (most recent call last):\n  File "<stdin>", line 2\n  File "<stdin>", line 2\n'
          b'ValueError: bad\n', f"{ran}")
    ran = run(PROGRAM, input=b"1 +\n")
    check(ran.returncode == 1 and ran.stderr.startswith(b"SyntaxError: "), f"{ran}")
    ran = run(PROGRAM, input=b"print(1)\n# %%\n%quit 7\nprint(2)")
    check(ran.returncode == 7 and ran.stdout == b"1\n", f"{ran}")
    ran = run(PROGRAM, "--timeout", "1", input=b"while True: pass")
    check(ran.returncode == 1 and b"time limit" in ran.stderr, f"{ran}")


def output_is_streamed():
    """Output comes while the cell runs, and huge output is whole for a slow reader."""
    sandbox = create_sandbox()
    with subprocess.Popen([PROGRAM, "--sandbox", sandbox], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdin.write(b"import os, time\nprint('begun')\nwhile not os.path.exists('go'): time.sleep(0.01)\n"
                            b"print('\\n'.join(str(i) for i in range(400000)))\n")
        process.stdin.close()
        check(process.stdout.readline() == b"begun\n", "it does not begin")
        base = call("GET", f"/sandbox/{sandbox}/toolbox-proxy-url")["url"].rstrip("/")
        call("POST", f"/{sandbox}/process/execute", {"command": "touch go"}, base)
        rest = process.stdout.read()
        check(rest == b"".join(b"%d\n" % i for i in range(400000)), f"{len(rest)} bytes")
    check(process.returncode == 0, f"exit code {process.returncode}")
    contexts = call("GET", f"/{sandbox}/process/interpreter/context", base=base)["contexts"]
    check(contexts == [], f"contexts are left: {contexts}")
    delete_sandbox(sandbox)


def cells_are_typed():
    """Typed cells run when they are complete, blocks after an empty line; errors do not end anything."""
    with OnTerminal(PROGRAM) as terminal:
        terminal.expect(prompt(1))
        terminal.type("x = 40\n")
        terminal.expect(prompt(2))
        terminal.type("x + 2\n")
        terminal.expect(r"Out\[2\]: 42\r\n" + prompt(3))
        terminal.type("for i in range(3):\n")
        terminal.expect(r"   \.\.\.: ")
        terminal.type("    print('line', i)\n")
        terminal.expect(r"   \.\.\.: ")
        terminal.type("\n")
        terminal.expect(r"line 0\r\nline 1\r\nline 2\r\n" + prompt(4))
        terminal.type("[1,\n")
        terminal.expect(r"   \.\.\.: ")
        terminal.type("2]  # ( '\n")
        terminal.expect(r"Out\[4\]: \[1, 2\]\r\n" + prompt(5))
        terminal.type("s = '''a:\n")
        terminal.expect(r"   \.\.\.: ")
        terminal.type("\n")
        terminal.expect(r"   \.\.\.: ")
        terminal.type("b'''\n")
        terminal.expect(prompt(6))
        terminal.type("print(s, end='|')\n")
        terminal.expect(r"a:\r\n\r\nb\|\r\n" + prompt(7))
        terminal.type("1/0\n")
        terminal.expect("\nZeroDivisionError: division by zero\r\n" + prompt(8))
        terminal.type("%time sum(range(10))\n")
        terminal.expect(r"Out\[8\]: 45\r\ntook \d+\.\d+ s\r\n" + prompt(9))
        terminal.type("%nonsense\n")
        terminal.expect("no such command: %nonsense")
        terminal.expect(prompt(9))
        terminal.type("%reset\n")
        terminal.expect(prompt(9))
        terminal.type("x\n")
        terminal.expect("NameError: name 'x' is not defined")
        terminal.expect(prompt(10))
        terminal.type("(1 +\n")
        terminal.expect(r"   \.\.\.: ")
        terminal.type("\003")
        terminal.expect(prompt(10))
        terminal.type("'given ' + 'up'\n")
        terminal.expect("Out.10.: 'given up'")
        terminal.expect(prompt(11))
        terminal.type("\004")
        check(terminal.wait() == 0, "another exit code")
        check(sandboxes() == [], "a sandbox is left")


def control_c_interrupts_a_cell():
    """Ctrl-C interrupts a cell and keeps the variables; a second one ends code that does not care."""
    with OnTerminal(PROGRAM) as terminal:
        terminal.expect(prompt(1))
        terminal.type("import time; kept = 'kept'\n")
        terminal.expect(prompt(2))
        terminal.type("print('be' 'gun'); time.sleep(1000)\n")
        terminal.expect("begun")
        terminal.type("\003")
        terminal.expect(r"KeyboardInterrupt\r\n" + prompt(3))
        terminal.type("kept\n")
        terminal.expect("Out.3.: 'kept'")
        terminal.expect(prompt(4))
        terminal.type("while True:\n  try:\n    print('deaf'); time.sleep(1000)\n  except BaseException: pass\n\n")
        terminal.expect(r"deaf\r\n")
        terminal.type("\003")
        terminal.expect(r"deaf\r\n")  # it was interrupted, and goes on
        terminal.type("\003")
        terminal.expect("ending the context")
        terminal.expect(prompt(5))
        terminal.type("kept\n")
        terminal.expect("NameError")
        terminal.expect(prompt(6))
        terminal.type("import os; os._exit(1)\n")
        terminal.expect("worker process ended")
        terminal.expect("Python was started again")
        terminal.expect(prompt(7))
        terminal.type("%quit 3\n")
        check(terminal.wait() == 3, "another exit code")
        check(sandboxes() == [], "a sandbox is left")


def control_c_ends_a_script():
    """Ctrl-C ends a script with exit code 130, and nothing is left."""
    with subprocess.Popen([PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdin.write(b"print('begun')\nimport time; time.sleep(1000)\n# %%\nprint('not this')")
        process.stdin.close()
        check(process.stdout.readline() == b"begun\n", "it does not begin")
        process.send_signal(signal.SIGINT)
        out, errors = process.stdout.read(), process.stderr.read()
        check(process.wait() == 130 and out == b"" and errors == b"KeyboardInterrupt\n",
              f"{process.returncode} {out} {errors}")
    with subprocess.Popen([PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdin.write(b"print('begun')\n# %%\n")
        process.stdin.flush()
        check(process.stdout.readline() == b"begun\n", "it does not begin")
        process.send_signal(signal.SIGTERM)
        check(process.wait() == 128 + signal.SIGTERM, f"exit code {process.returncode}")
    check(sandboxes() == [], "a sandbox is left")


def lost_connections_are_told():
    """A lost connection is told; the notebook goes on with its variables."""
    with OnTerminal(PROGRAM) as terminal:
        terminal.expect(prompt(1))
        terminal.type("x = 'still here'\n")
        terminal.expect(prompt(2))
        add_fault("/process/interpreter/execute", "reset", after_bytes=1000)
        terminal.type("for i in range(1000): print(i)\n\n")
        terminal.expect("interpreter: ")
        terminal.expect(prompt(3))
        terminal.type("x\n")
        terminal.expect("Out.3.: 'still here'")
        terminal.expect(prompt(4))
        terminal.type("%quit\n")
        check(terminal.wait() == 0 and faults_left() == 0, "it does not end well")


def problems_are_told():
    """Wrong options, files and sandboxes are told."""
    for wrong in (["--nonsense"], ["a", "b"], ["--timeout", "soon"], ["/no/such/file"]):
        ran = run(PROGRAM, *wrong, stdin=subprocess.DEVNULL)
        check(ran.returncode == 2 and ran.stderr != b"", f"{ran}")
    ran = run(PROGRAM, "--help", stdin=subprocess.DEVNULL)
    check(ran.returncode == 0 and b"usage:" in ran.stdout, f"{ran}")
    ran = run(PROGRAM, "--sandbox", "no-such-sandbox", stdin=subprocess.DEVNULL)
    check(ran.returncode == 255 and ran.stderr.count(b"\n") == 1, f"{ran}")
    ran = run("sh", "-c", 'printf "for i in range(10**6): print(i)" | "$1" | head -n 1', "sh", PROGRAM)
    check(ran.stdout == b"0\n", f"{ran}")
    wait_until(lambda: sandboxes() == [], "the sandbox is deleted")


run_tests([a_script_runs_in_cells, a_failing_cell_ends_a_script, output_is_streamed, cells_are_typed,
           control_c_interrupts_a_cell, control_c_ends_a_script, lost_connections_are_told, problems_are_told])
