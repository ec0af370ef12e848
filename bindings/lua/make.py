# SPDX-License-Identifier: Apache-2.0
"""The Lua module, with the declarations of the headers in it: make.py [INCLUDE] OUTPUT

INCLUDE is the folder of the headers; without it they are found as for the Python binding.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))
import make_cdef  # noqa: E402


def main(*arguments):
    if not 1 <= len(arguments) <= 2:
        raise SystemExit("usage: make.py [INCLUDE] OUTPUT")
    include, output = arguments if len(arguments) == 2 else (make_cdef.installed_headers(), arguments[0])
    lines = make_cdef.declarations(Path(include)).splitlines()
    text = "\n".join(line for line in lines if line.strip() and not line.startswith("#"))
    Path(output).write_text((HERE / "daytona.lua.in").read_text().replace("@DECLARATIONS@", text))


if __name__ == "__main__":
    main(*sys.argv[1:])
