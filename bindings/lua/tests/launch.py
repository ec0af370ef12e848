# SPDX-License-Identifier: Apache-2.0
"""Runs test_daytona.lua, the example and the programs of the pages with a module: launch.py LUAJIT DAYTONA-LOCAL LIBRARY MODULE SANITIZER"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
PAGE, README, EXAMPLE = ROOT / "docs" / "bindings.md", HERE.parent / "README.md", ROOT / "examples" / "lua" / "tour.lua"


def program_of(page):
    [program] = re.findall(r"^```lua\n(.*?)^```$", page.read_text(), flags=re.M | re.S)
    return program


def main(luajit, server, library, module, sanitizer):
    env = dict(os.environ, LUA_PATH=f"{Path(module).resolve().parent}/?.lua", LIBDAYTONA_PATH=str(Path(library).resolve()))
    command = [server, "run", "--"]
    if "address" in sanitizer:
        found = subprocess.run(["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout.strip()
        command += ["env", "LD_PRELOAD=" + found]
        env["ASAN_OPTIONS"] = "detect_leaks=0"  # of the interpreter's own
    line = "{}: 3 steps, then exited 0; a terminal of 100x30, exit code 4; DAYTONA_EFILE_NOT_FOUND\n"
    for name, program, wanted in ((PAGE, program_of(PAGE), "hello\nexited\t0\n"), (README, program_of(README), "hello\n\n"),
                                  (EXAMPLE, EXAMPLE.read_text(), line.format(1) + line.format(2))):
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
            file.write(program)
            file.flush()
            ran = subprocess.run([*command, luajit, file.name, "2"], env=env, stdout=subprocess.PIPE, text=True)
        print(f"# {name.relative_to(ROOT)}")
        if ran.returncode != 0 or ran.stdout != wanted:
            print(f"Bail out! it printed {ran.stdout!r}, status {ran.returncode}")
            return 1
    return subprocess.run([*command, luajit, HERE / "test_daytona.lua"], env=env).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
