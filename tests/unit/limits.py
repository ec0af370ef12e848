# SPDX-License-Identifier: Apache-2.0
"""The table of ceilings in docs/limits.md is what the sources say.

usage: limits.py [write]     without a word: compare, as TAP

A ceiling is a #define or an enumerator of a number whose name begins with DAYTONA__ and says so: it ends in _MAX, _DEFAULT,
_BUDGET, _BLOCK, _BUFFER, _BACKLOG, _BASE, _FACTOR or _RESERVED, perhaps with a unit behind. What it is for stands in the
comment above it. Those of a single file have plain names, and stay there.
"""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import tap  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "limits.md"
LAYERS = ["core", "json", "net", "wire", "call", "api"]

NAME = r"(DAYTONA__[A-Z0-9_]*[A-Z0-9]_(?:MAX|DEFAULT|BUDGET|BLOCK|BUFFER|BACKLOG|BASE|FACTOR|RESERVED)(?:_MS)?)"
DEFINE = re.compile(rf"#define {NAME} (.+?)(?:\s*/\*\s*(.*?)\s*\*/)?$")
ENUMERATOR = re.compile(rf"\b{NAME} = ([^,/}}]+)")
HEAD = """# Ceilings

No buffer grows without a ceiling, and nothing received is trusted. Each stands with its module, with the reason in front;
`lib/core/limits.h` has those that several layers share, and those of a single file stand in it. This page is made of the sources by `tests/unit/limits.py write`, and the
test run checks that it is up to date.

| name | value | where | what for |
|---|---|---|---|
"""


def comment_above(lines, index):
    """The text of the comment that ends in the line above; "" if there is none."""
    end = index - 1
    while end >= 0 and lines[end].startswith("#define"):
        end -= 1
    if end < 0 or not lines[end].rstrip().endswith("*/"):
        return ""
    start = end
    while start > 0 and "/*" not in lines[start]:
        start -= 1
    text = " ".join(line.strip().lstrip("/* ").rstrip("*/ ") for line in lines[start:end + 1]).strip()
    return text.rstrip(".")


def value_of(text):
    text = text.strip().replace("(size_t)", "").replace("(int64_t)", "")
    while text.startswith("(") and text.endswith(")") and text.count("(") == 1:
        text = text[1:-1]
    return text


def ceilings(path):
    lines = path.read_text().split("\n")
    where = path.relative_to(ROOT / "lib")
    for index, line in enumerate(lines):
        define = DEFINE.match(line)
        found = [(define.group(1), define.group(2), define.group(3))] if define else []
        if not define and not line.lstrip().startswith(("*", "/*", "//")):
            beside = re.search(r"/\*\s*(.*?)\s*\*/$", line)
            found = [(name, value, beside and beside.group(1)) for name, value in ENUMERATOR.findall(line)]
        for name, value, beside in found:
            if not re.search(r"\d", value) or "sizeof" in value:
                continue
            yield name, value_of(value), str(where), beside or comment_above(lines, index)


def page():
    rows = []
    for layer in LAYERS:
        for path in sorted((ROOT / "lib" / layer).glob("*.[ch]")):
            rows += [f"| `{name}` | {value} | `{where}` | {reason} |" for name, value, where, reason in ceilings(path)]
    return HEAD + "\n".join(rows) + "\n"


def main():
    if sys.argv[1:] == ["write"]:
        PAGE.write_text(page())
        return 0

    def the_page_says_what_the_sources_say():
        wanted, there = page().split("\n"), PAGE.read_text().split("\n")
        missing = [line for line in wanted if line not in there]
        stale = [line for line in there if line not in wanted]
        assert wanted == there, f"run tests/unit/limits.py write: missing {missing[:5]}, stale {stale[:5]}"

    def every_shared_ceiling_has_a_reason():
        lines = [line for line in page().split("\n") if "| `core/limits.h` |" in line]
        assert len(lines) > 3
        assert not [line for line in lines if line.endswith("|  |")]

    cases = [the_page_says_what_the_sources_say, every_shared_ceiling_has_a_reason]
    producer = tap.Producer()
    producer.plan(len(cases))
    for body in cases:
        producer.run(body.__name__, body)
    return producer.exit_code()


if __name__ == "__main__":
    sys.exit(main())
