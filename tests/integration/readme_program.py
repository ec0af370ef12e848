# SPDX-License-Identifier: Apache-2.0
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


# What a test may know of the inside: the library of a debug build stops at a programmer's error.
SURVIVES = """
#include <stdbool.h>
extern bool daytona__misuse_stops;
__attribute__((constructor)) static void survive(void) { daytona__misuse_stops = false; }
"""

FLAGS = ["-Wall", "-Werror"] + (["-fsanitize=address,undefined"] if os.environ.get("README_SANITIZE") == "1" else [])


def run(command, **how):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True,
                          timeout=60, **how)


def pkg_config(*what):
    return subprocess.run(["pkg-config"] + list(what), stdout=subprocess.PIPE, check=True,
                          universal_newlines=True).stdout.split()


def accessors(source):
    """The functions that give a result out, from the public headers."""
    found = []
    folder = os.path.join(source, "include", "daytona")
    for name in sorted(os.listdir(folder)):
        text = open(os.path.join(folder, name), encoding="utf-8").read()
        found += re.findall(r"\*\s*(daytona_future_\w+)\(\s*const daytona_future_t \*future\)", text)
    others = ("message", "kind", "error", "member", "retain", "release")
    return [name for name in found if name[len("daytona_future_"):] not in others]


def wrong(source, but):
    """A function that calls every accessor but one."""
    names = [name for name in accessors(source) if name != but]
    assert len(names) > 20, names
    calls = "".join("  if (%s(f) != NULL) return f;\n" % name for name in names)
    return "static void *wrong(const daytona_future_t *f) {\n" + calls.replace("return f", "return (void *)f") + \
           "  return NULL;\n}\n"


class Readme:
    def __init__(self, program, folder, library_dir, source):
        self.program, self.folder, self.library_dir, self.source = program, folder, library_dir, source

    def compile(self, text, *flags):
        path = os.path.join(self.folder, "program.c")
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return run(["cc", path, "-o", os.path.join(self.folder, "program"),
                    "-I", os.path.join(self.source, "include")] + FLAGS + pkg_config("--cflags", "libuv") + list(flags))

    def shared(self, text):
        return self.compile(text, "-L", self.library_dir, "-Wl,-rpath," + self.library_dir, "-ldaytona",
                            *pkg_config("--libs", "libuv"))

    def changed(self, old, new, extra=""):
        """The program with one call replaced, and with a library that goes on after a programmer's error."""
        assert self.program.count(old) == 1, old
        head, main = self.program.split("static void on_deleted", 1)
        text = head + SURVIVES + extra + "static void on_deleted" + main.replace(old, new)
        built = self.compile(text, os.path.join(self.library_dir, "libdaytona.a"),
                             *pkg_config("--libs", "libuv", "libcurl"), "-lwslay", "-larchive", "-lmbedtls", "-lmbedx509",
                             "-lmbedcrypto", "-lpthread", "-lm")
        return built if built.returncode != 0 else self.run()

    def run(self, **environment):
        return run([os.path.join(self.folder, "program")], env=dict(os.environ, **environment))


def says(ran, *words):
    return ran.returncode == 0 and all(word in ran.stdout for word in words)


def survive(readme, first):
    """It ends in good order whatever it asks for, and says a line about it."""
    source = readme.source
    ran = readme.changed("daytona_future_exec_result(f)", "wrong(f)", wrong(source, "daytona_future_exec_result"))
    check(first, says(ran) and ran.stdout == "ok\n", "it survives every wrong accessor of a command", ran.stdout)
    ran = readme.changed("daytona_future_sandbox(f)", "wrong(f)", wrong(source, "daytona_future_sandbox"))
    check(first + 1, says(ran) and ran.stdout == "ok\n", "it survives every wrong accessor of a create", ran.stdout)
    ran = readme.changed('daytona_process_exec(sandbox, "echo hello", NULL)',
                         'daytona_git_get_config(sandbox, "no.such", NULL)',
                         "#define daytona_future_exec_result(f) (const void *)daytona_future_string(f)\n")
    check(first + 2, says(ran) and ran.stdout == "there is none\n", "it survives a value that is not there", ran.stdout)
    ran = readme.changed('"echo hello"', '" "')
    check(first + 3, says(ran, "command is required"), "it survives a command that fails", ran.stdout)
    ran = readme.run(DAYTONA_API_KEY="wrong")
    check(first + 4, says(ran, "Failed to create sandbox: "), "it survives a create that fails", ran.stdout)
    ran = readme.run(DAYTONA_API_KEY="")
    check(first + 5, ran.returncode == 1 and "DAYTONA_API_KEY" in ran.stdout, "it says that there is no key", ran.stdout)


def main():
    readme, library_dir, source = sys.argv[1:]
    program, *more = re.findall(r"```c\n(.*?)```", open(readme, encoding="utf-8").read(), re.S)
    print("1..10")
    check(1, program.count("\n") <= 36, "the program has about 30 lines")
    with tempfile.TemporaryDirectory() as folder:
        readme = Readme(program, folder, library_dir, source)
        built = readme.shared(program)
        check(2, built.returncode == 0, "the program compiles as printed", built.stdout)
        ran = readme.run() if built.returncode == 0 else built
        check(3, ran.returncode == 0 and ran.stdout == "exit 0: hello\n", "the program says hello from a sandbox",
              ran.stdout)
        built = readme.compile("#include <stdio.h>\n#include <daytona/daytona.h>\n" + "".join(more),
                               "-Wno-unused-function", "-fsyntax-only")
        check(4, built.returncode == 0, "the other calls compile as printed", built.stdout)
        survive(readme, 5)


main()
