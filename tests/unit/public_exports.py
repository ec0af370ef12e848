# SPDX-License-Identifier: Apache-2.0
"""The shared library exports what the headers declare DAYTONA_API, and nothing else.

usage: public_exports.py SHARED-LIBRARY VERSION
"""

import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import tap  # noqa: E402

import declarations  # noqa: E402


def exported(library):
    """Names of defined dynamic symbols, without those that a sanitizer adds."""
    listing = subprocess.run(["nm", "-D", "--defined-only", "--format=posix", library],
                             check=True, text=True, capture_output=True).stdout
    names = {line.split()[0].split("@")[0]: line.split()[1] for line in listing.splitlines()}
    return {name: kind for name, kind in names.items() if not re.match(r"__(odr_)?(asan|tsan|ubsan)", name)}


def main():
    library, version = sys.argv[1:]
    symbols = exported(library)
    declared = declarations.functions()

    def something_is_exported():
        assert "daytona_version" in symbols

    def every_export_carries_the_public_prefix():
        wrong = [name for name in symbols if not re.fullmatch(r"daytona_(?!_)\w+", name)]
        assert not wrong, f"exported: {sorted(wrong)}"

    def every_export_is_a_function():
        wrong = [name for name, kind in symbols.items() if kind != "T"]
        assert not wrong, f"exported data: {sorted(wrong)}"

    def every_export_is_declared():
        wrong = set(symbols) - set(declared)
        assert not wrong, f"exported and in no header: {sorted(wrong)}"

    def every_declaration_is_exported():
        if "daytona_client_new" not in symbols:
            raise tap.Skip("the layer of clients is not part of this library yet")
        missing = {name: header for name, header in declared.items() if name not in symbols}
        assert not missing, f"declared and not exported: {missing}"

    def the_header_has_the_projects_version():
        text = (declarations.INCLUDE / "daytona" / "types.h").read_text()
        found = re.search(r'#define DAYTONA_VERSION "(.*)"', text).group(1)
        assert found == version, f"types.h says {found}, the project {version}"
        parts = [re.search(rf"#define DAYTONA_VERSION_{part} (\d+)", text).group(1) for part in ("MAJOR", "MINOR", "PATCH")]
        assert ".".join(parts) == version, f"the parts are {parts}"

    def every_place_has_the_projects_version():
        root = declarations.INCLUDE.parent
        places = {
            "subprojects/daytona-local/meson.build": r"version: '(.*)'",
            "subprojects/daytona-local/src/base/base.h": r'#define DL_VERSION "(.*)"',
            "bindings/python/pyproject.toml": r'(?m)^version = "(.*)"',
            "packaging/debian/changelog": r"^libdaytona \((.*)-\d+\)",
        }
        said = {path: re.search(pattern, (root / path).read_text()).group(1) for path, pattern in places.items()}
        assert all(found == version for found in said.values()), f"the project is {version}: {said}"

    cases = [something_is_exported, every_export_carries_the_public_prefix, every_export_is_a_function,
             every_export_is_declared, every_declaration_is_exported, the_header_has_the_projects_version,
             every_place_has_the_projects_version]
    producer = tap.Producer()
    producer.plan(len(cases))
    for body in cases:
        producer.run(body.__name__, body)
    return producer.exit_code()


if __name__ == "__main__":
    sys.exit(main())
