# SPDX-License-Identifier: Apache-2.0
"""Nothing in the library is there for nobody: the linker, told to drop what no public function reaches, finds nothing.

usage: dead_code.py COMPILER STATIC-LIBRARY
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import tap  # noqa: E402

LIB = Path(__file__).resolve().parents[2] / "lib"

# What only tests call, each on purpose.
SEAMS = {
    "daytona__future_set_limit",       # small arenas
    "daytona__loop_advance",           # the clock
    "daytona__loop_job_count",         # until the thread pool is done
    "daytona__resolver_set_getaddrinfo",
    "daytona__ws_env_count",           # sockets that still have a handle
    "daytona__ws_queued",              # bytes that wait for the peer
}

# Functions of our own; headers of libcurl bring some, and compilers make constants.
SECTION = re.compile(r"removing unused section '\.text\.(\w+?)(?:\.(?:part|isra|constprop|cold)[.\w]*)?' in file '([^']+)'")


def dropped(compiler, library):
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*compiler.split(), "-shared", "-o", f"{folder}/gc.so", "-Wl,--whole-archive", library,
             "-Wl,--no-whole-archive", "-Wl,--gc-sections", "-Wl,--print-gc-sections"],
            text=True, capture_output=True)
        assert done.returncode == 0, done.stderr[-2000:]
        text = done.stdout + done.stderr
    assert "removing unused section" in text, "the linker drops nothing: is the library built with -ffunction-sections?"
    return {(name, Path(file).name) for name, file in SECTION.findall(text) if not name.startswith("_curl_")}


def is_mentioned(name):
    """Whether something besides a definition and a declaration has the name: its own file, after inlining, or a macro."""
    word = re.compile(rf"\b{name}\b")
    return sum(len(word.findall(path.read_text())) for path in LIB.rglob("*.[ch]")) > 2


def main():
    compiler, library = sys.argv[1:]
    found = dropped(compiler, library)

    def every_function_is_reached_from_a_public_one():
        dead = sorted(f"{name} ({file})" for name, file in found if name not in SEAMS and not is_mentioned(name))
        assert not dead, f"nobody calls: {', '.join(dead)}"

    def seams_of_tests_are_still_none_but_seams():
        gone = sorted(SEAMS - {name for name, _ in found})
        assert not gone, f"called by the library now, or gone: {', '.join(gone)}"

    cases = [every_function_is_reached_from_a_public_one, seams_of_tests_are_still_none_but_seams]
    producer = tap.Producer()
    producer.plan(len(cases))
    for body in cases:
        producer.run(body.__name__, body)
    return producer.exit_code()


if __name__ == "__main__":
    sys.exit(main())
