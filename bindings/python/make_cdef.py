# SPDX-License-Identifier: Apache-2.0
"""What cffi is told of the library, from its headers: make_cdef.py INCLUDE OUTPUT

The C compiler expands the macros that the headers make their lists with. Its standard headers are left out, since cffi knows
their types, and so are inline functions, which a shared library does not have.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

NUMBER = re.compile(r"^#define (DAYTONA_\w+) \(*(?:\(\w+\))?(-?\d+)\)*$", re.M)


def declarations(include: Path) -> str:
    compiler = shlex.split(os.environ.get("CC", "cc"))
    with tempfile.TemporaryDirectory() as empty:
        for name in ("stdbool.h", "stddef.h", "stdint.h"):
            (Path(empty) / name).touch()
        command = [*compiler, "-E", "-P", "-nostdinc", "-U__GNUC__", "-U__clang__", "-I", empty, "-I", str(include), "-x", "c", "-"]
        source = "#include <daytona/daytona.h>\n"
        text = subprocess.run(command, input=source, text=True, capture_output=True, check=True).stdout
        macros = subprocess.run([*command, "-dM"], input=source, text=True, capture_output=True, check=True).stdout
    text = re.sub(r"static inline [^{]*\{[^}]*\}", "", text)
    numbers = sorted(f"#define {name} {value}\n" for name, value in NUMBER.findall(macros))
    return "".join(numbers) + text


def main(include: str, output: str) -> None:
    text = declarations(Path(include))
    assert "daytona_client_new" in text, f"{include} has no headers of the library"
    Path(output).write_text(f'"""Made by make_cdef.py from the headers."""\n\nCDEF = {text!r}\n')


if __name__ == "__main__":
    main(*sys.argv[1:])
