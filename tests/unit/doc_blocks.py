# SPDX-License-Identifier: Apache-2.0
"""What the pages say holds in the sources: their C compiles, the names and files they speak of exist.

usage: doc_blocks.py C-COMPILER INCLUDE-FLAGS...

A block of C is a whole file, or a fragment: declarations, or statements, of the library itself. What a fragment takes for
granted is PROLOGUE.
"""

import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import tap  # noqa: E402

import declarations  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "subprojects/daytona-local/README.md",
         *sorted((ROOT / "docs").rglob("*.md"))]
FLAGS = ["-std=gnu11", "-x", "c", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-Wno-unused",
         "-Wno-missing-field-initializers", "-Wno-unused-parameter", "-I", str(ROOT / "include"), "-I", str(ROOT / "lib")]
PROLOGUE = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include <daytona/daytona.h>
#include "call/method.h"
"""
BODY = """
void fragment(uv_loop_t *loop, daytona_client_t *client, daytona_sandbox_t *sandbox, daytona_future_t *future,
              daytona_future_cb done, void *user);
void fragment(uv_loop_t *loop, daytona_client_t *client, daytona_sandbox_t *sandbox, daytona_future_t *future,
              daytona_future_cb done, void *user) {
%s
}
"""
# Where a name may come from, and how it looks there; variables and macros may also be those of tests.
SOURCES = ("include", "lib", "subprojects/daytona-local", "examples", "tests", ".ci")
NAME = re.compile(r"\b(?:daytona_\w+|DAYTONA_\w+|dl_\w+)\b(?!\*)")
# Variables of other SDKs, named where a page says that they do nothing here.
FOREIGN = {"DAYTONA_OTEL_ENABLED", "DAYTONA_EXPERIMENTAL_OTEL_ENABLED", "daytona_static"}
# A public function without its beginning, as the table of calls has them: `_start`.
TAIL = re.compile(r"`(_[a-z]\w+)(?:\(\))?`")
# A path in quotes, perhaps without its ending; those of a sandbox, a build or a state directory are of no interest here.
FILE = re.compile(r"`((?:lib|include|tests|examples|docs|src|core|json|net|wire|call|api)/[\w./-]*\w)`")


def blocks(text):
    """The fenced blocks of a page: (line number, language, content)."""
    found, start, language, lines = [], None, "", []
    for number, line in enumerate(text.splitlines(), 1):
        fence = re.match(r"\s*```(\w*)\s*$", line)
        if fence and start is None:
            start, language, lines = number, fence[1], []
        elif fence:
            found.append((start, language, "\n".join(lines) + "\n"))
            start = None
        elif start is not None:
            lines.append(line)
    assert start is None, f"the block of line {start} has no end"
    return found


def stands_in_a_source(content):
    """A block that is quoted from the library, word for word, is compiled with it."""
    words = " ".join(content.split())
    return any(words in " ".join(path.read_text().split()) for path in (ROOT / "lib").rglob("*.c"))


def compile_block(compiler, content):
    if stands_in_a_source(content):
        return
    whole = re.search(r"^#\s*include\b", content, flags=re.M)
    tries = [content] if whole else [PROLOGUE + content, PROLOGUE + BODY % content]
    said = []
    for text in tries:
        done = subprocess.run([*compiler, *FLAGS, "-"], input=text, text=True, capture_output=True)
        if done.returncode == 0:
            return
        said.append(done.stderr)
    raise AssertionError("\n".join(said))


def compile_program_of_cpp(flags, content):
    compiler = shutil.which("g++") or shutil.which("clang++")
    if not compiler:
        raise tap.Skip("no C++ compiler here")
    done = subprocess.run([compiler, "-std=c++20", "-x", "c++", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I",
                           str(ROOT / "include"), *flags, "-"], input=content, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr


def every_block_says_what_it_is():
    for page in PAGES:
        bare = [line for line, language, _ in blocks(page.read_text()) if not language]
        assert not bare, f"{page.name}: blocks without a language in lines {bare}"


def known_names():
    lower, upper = set(), set()
    for folder in SOURCES:
        for path in (ROOT / folder).rglob("*"):
            if path == Path(__file__).resolve() or not path.is_file() or path.suffix in (".json", ".bin", ".md"):
                continue
            words = NAME.findall(path.read_text(errors="replace"))
            upper.update(words)
            if folder not in ("tests", ".ci"):
                lower.update(words)
    return lower, upper


def every_name_exists():
    lower, upper = known_names()
    unknown = []
    for page in PAGES:
        for name in NAME.findall(page.read_text()):
            if name.endswith("_"):
                continue  # a family of names
            if name not in FOREIGN and name not in (upper if name.isupper() else lower):
                unknown.append(f"{page.name}: {name}")
    functions = declarations.functions()
    for tail in TAIL.findall((ROOT / "docs/protocol.md").read_text()):
        if not any(name.endswith(tail) for name in functions):
            unknown.append(f"protocol.md: {tail}")
    assert not unknown, unknown


# Words of libcurl and of the C library; everything else that the guide quotes is ours.
SAID_BY_OTHERS = {"Failed to connect to", "connection refused", "no space left on device", "read-only file system"}


def every_message_of_the_troubleshooting_guide_is_said():
    """The texts in quotes in the first column, piece by piece: `...` and words in capitals stand for what differs."""
    said = []
    for folder in ("lib", "include", "subprojects/daytona-local/src"):
        for path in sorted((ROOT / folder).rglob("*.[ch]")):
            text = re.sub(r"\\\n\s*", " ", path.read_text(errors="replace"))
            said.append(re.sub(r'%[-0-9.*]*(?:"\s*PRI\w+\s*"?|z?l*[a-z])', "...", re.sub(r'"\s+"', "", text)))
    said = "\n".join(said)
    rows = re.findall(r"(?m)^\| (.*?) \| .* \|$", (ROOT / "docs/guides/troubleshooting.md").read_text())
    pieces = [piece.strip(" :;,()") for row in rows for quoted in re.findall(r"`([^`]* [^`]*)`", row) for piece in re.split(r"\.\.\.|: ", quoted)]
    pieces = [piece for piece in pieces if " " in piece and piece not in SAID_BY_OTHERS]
    missing = [piece for piece in pieces if piece not in said]
    assert len(pieces) > 25 and not missing, (len(pieces), missing)


def exists(name):
    bases = [ROOT, ROOT / "lib", ROOT / "subprojects/daytona-local"]
    return any((base / (name + end)).exists() for base in bases for end in ("", ".c", ".h", ".py"))


def every_file_exists():
    missing = [f"{page.name}: {name}" for page in PAGES for name in FILE.findall(page.read_text()) if not exists(name)]
    assert not missing, missing


def main():
    compiler = [*sys.argv[1].split(), *sys.argv[2:]]
    cases = [(f.__name__, f) for f in (every_block_says_what_it_is, every_name_exists, every_file_exists,
                                          every_message_of_the_troubleshooting_guide_is_said)]
    for page in PAGES:
        for line, language, content in blocks(page.read_text()):
            if language == "c":
                cases.append((f"{page.relative_to(ROOT)}:{line} compiles", partial(compile_block, compiler, content)))
            elif language == "cpp":
                cases.append((f"{page.relative_to(ROOT)}:{line} compiles as C++20", partial(compile_program_of_cpp, sys.argv[2:], content)))
    producer = tap.Producer()
    producer.plan(len(cases))
    for name, body in cases:
        producer.run(name, body)
    return producer.exit_code()


if __name__ == "__main__":
    sys.exit(main())
