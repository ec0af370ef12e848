"""The README's programs compile as printed, the first does what it promises: readme_program.py README BUILD SOURCE"""

import os
import re
import subprocess
import sys
import tempfile


def check(number, passed, name, output=""):
    print(("ok" if passed else "not ok"), number, "-", name)
    if not passed:
        for line in output.splitlines():
            print("#", line)
    return passed


def main():
    readme, library_dir, source = sys.argv[1:]
    program, more = re.findall(r"```c\n(.*?)```", open(readme, encoding="utf-8").read(), re.S)
    print("1..4")
    check(1, program.count("\n") <= 32, "the program has about 30 lines")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "first.c")
        with open(path, "w", encoding="utf-8") as text:
            text.write(program)
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libuv"], stdout=subprocess.PIPE, check=True,
                               universal_newlines=True).stdout.split()
        sanitize = ["-fsanitize=address,undefined"] if os.environ.get("README_SANITIZE") == "1" else []
        built = subprocess.run(["cc", "-Wall", "-Werror", path, "-o", os.path.join(folder, "first"),
                                "-I", os.path.join(source, "include"), "-L", library_dir,
                                "-Wl,-rpath," + library_dir, "-ldaytona"] + flags + sanitize,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
        if not check(2, built.returncode == 0, "the program compiles as printed", built.stdout):
            check(3, False, "the program says hello from a sandbox")
            check(4, False, "the other calls compile as printed")
            return
        ran = subprocess.run([os.path.join(folder, "first")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             universal_newlines=True, timeout=60)
        check(3, ran.returncode == 0 and ran.stdout == "exit 0: hello\n", "the program says hello from a sandbox",
              ran.stdout)
        path = os.path.join(folder, "more.c")
        with open(path, "w", encoding="utf-8") as text:
            text.write("#include <stdio.h>\n#include <daytona/daytona.h>\n" + more)
        built = subprocess.run(["cc", "-Wall", "-Wno-unused-function", "-Werror", "-fsyntax-only", path,
                                "-I", os.path.join(source, "include")] + flags,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
        check(4, built.returncode == 0, "the other calls compile as printed", built.stdout)


main()
