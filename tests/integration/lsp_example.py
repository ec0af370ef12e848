# SPDX-License-Identifier: Apache-2.0
"""The LSP example completes a line of a file: lsp_example.py PROGRAM"""

import os
import shutil
import subprocess
import sys
import tempfile

from example_support import check, run, run_tests, sandboxes

PROGRAM = os.path.abspath(sys.argv[1])


def it_explains_itself():
    """Help, and arguments that make no sense."""
    ran = run(PROGRAM, "--help")
    check(ran.returncode == 0 and ran.stdout.startswith(b"usage: lsp "), f"{ran}")
    for words in (["x.py"], ["x.py", "0"], ["x.py", "1", "2", "3"], ["x.py", "one"], ["--nothing"], ["x.txt", "1"]):
        ran = run(PROGRAM, *words, stdin=subprocess.DEVNULL)
        check(ran.returncode == 2 and ran.stderr and not ran.stdout, f"{words}: {ran}")
    ran = run(PROGRAM, "/no/such/x.py", "1", stdin=subprocess.DEVNULL)
    check(ran.returncode == 1 and ran.stderr and not ran.stdout, f"{ran}")


def its_own_project_is_completed():
    """Without a file it completes an example, and finds what another file defines."""
    ran = run(PROGRAM, "--find", "Stack")
    check(ran.returncode == 0 and ran.stderr == b"", f"{ran}")
    lines = ran.stdout.decode().splitlines()
    check(lines[0] == "main.py:4: größen." and {"  method     pop()", "  function   pop()"} & set(lines), f"{lines}")
    check("Stack: file:///home/daytona/project/stack.py:1" in lines, f"{lines}")
    check(sandboxes() == [], "a sandbox is left")


def a_file_is_completed():
    """A file of ours, with what stands beside it; a column; a line that is not there."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("main.py", "import shapes\n'🚀🚀', shapes.\n"), ("shapes.py", "def measure_it(): pass\n"), ("notes.txt", "x")):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        main = os.path.join(folder, "main.py")
        for where in (["2"], ["2", "15"]):
            ran = run(PROGRAM, main, *where)
            check(ran.returncode == 0 and b"measure_it()" in ran.stdout, f"{ran}")
        ran = run(PROGRAM, main, "20")
        check(ran.returncode == 1 and ran.stderr == b"main.py has no line 20\n", f"{ran}")
    check(sandboxes() == [], "a sandbox is left")


if not shutil.which("pylsp", path="/usr/local/bin:/usr/bin:/bin"):
    print("1..0 # SKIP pylsp is not installed (python3-pylsp)")
else:
    run_tests([it_explains_itself, its_own_project_is_completed, a_file_is_completed])
