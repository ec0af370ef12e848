# SPDX-License-Identifier: Apache-2.0
"""One style for both trees, the library and its local server."""

import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import tap  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
TREES = ["lib", "include", "examples", "tests", "subprojects/daytona-local"]


def sources():
    for tree in TREES:
        for path in sorted((ROOT / tree).rglob("*")):
            if path.suffix in (".c", ".h", ".cpp", ".hpp"):
                yield path


def wanted_version():
    return re.match(r"# clang-format (\S+)", (ROOT / ".clang-format").read_text()).group(1)


def every_source_is_formatted():
    if shutil.which("clang-format") is None:
        raise tap.Skip("clang-format is not installed")
    have = re.search(r"version (\d+\.\d+\.\d+)", subprocess.check_output(["clang-format", "--version"], text=True)).group(1)
    if have != wanted_version():
        raise tap.Skip(f"clang-format is {have}, and {wanted_version()} is the one that the sources are formatted by")
    run = subprocess.run(["clang-format", "--dry-run", "-Werror", *map(str, sources())], cwd=ROOT, capture_output=True, text=True)
    places = [line.removeprefix(str(ROOT) + "/") for line in run.stderr.splitlines() if "error:" in line]
    assert run.returncode == 0, "\n".join(places[:20])


def products():
    return [path for path in sources() if path.relative_to(ROOT).parts[0] in ("lib", "include", "subprojects")]


def every_source_begins_with_its_licence():
    odd = [str(path.relative_to(ROOT)) for path in sources()
           if not path.read_text(encoding="utf-8").startswith("/* SPDX-License-Identifier: Apache-2.0 */\n")]
    assert not odd, odd


def every_script_names_its_licence():
    """Also the programs of tests, and what configures the build."""
    odd = []
    for tree in TREES + ["bindings", "docs", "packaging"]:
        for path in sorted((ROOT / tree).rglob("*")):
            if path.suffix not in (".py", ".mjs", ".lua", ".sh") and path.name != "meson.build":
                continue
            head = path.read_text(encoding="utf-8").split("\n", 3)[:3]
            if not any("SPDX-License-Identifier: Apache-2.0" in line for line in head) and "node_modules" not in path.parts:
                odd.append(str(path.relative_to(ROOT)))
    assert not odd, odd


def sections_are_marked_in_one_way():
    """Three dashes on each side."""
    odd = [f"{path.relative_to(ROOT)}: {line}" for path in products()
           for line in re.findall(r"/\*+ *(?:-{2}|-{4,}|={2,}) .*", path.read_text(encoding="utf-8"))]
    assert not odd, odd


TESTS = [every_source_is_formatted, every_source_begins_with_its_licence, every_script_names_its_licence, sections_are_marked_in_one_way]


if __name__ == "__main__":
    raise SystemExit(tap.run_all(TESTS))
