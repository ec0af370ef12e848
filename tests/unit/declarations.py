# SPDX-License-Identifier: Apache-2.0
"""What the public headers declare; shared by the tests of headers and exports."""

import re
from pathlib import Path

INCLUDE = Path(__file__).resolve().parents[2] / "include"


def headers():
    return sorted((INCLUDE / "daytona").glob("*.h"))


def without_comments(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def functions():
    """The names declared DAYTONA_API, each with its header."""
    found = {}
    for header in headers():
        if header.name == "export.h":
            continue
        code = without_comments(header.read_text())
        for declaration in re.findall(r"\bDAYTONA_API\b([^;{]*)", code):
            name = re.search(r"\b(daytona_\w+)\s*\(", declaration)
            assert name, f"{header.name}: no function in {declaration!r}"
            assert name.group(1) not in found, f"{name.group(1)} is declared twice"
            found[name.group(1)] = header.name
    return found
