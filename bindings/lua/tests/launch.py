# SPDX-License-Identifier: Apache-2.0
"""Runs test_daytona.lua, and the program of the page, with a module: launch.py LUAJIT DAYTONA-LOCAL LIBRARY MODULE SANITIZER"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main(luajit, server, library, module, sanitizer):
    env = dict(os.environ, LUA_PATH=f"{Path(module).resolve().parent}/?.lua", LIBDAYTONA_PATH=str(Path(library).resolve()))
    command = [server, "run", "--"]
    if "address" in sanitizer:
        found = subprocess.run(["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout.strip()
        command += ["env", "LD_PRELOAD=" + found]
        env["ASAN_OPTIONS"] = "detect_leaks=0"  # of the interpreter's own
    page = (HERE.parents[2] / "docs" / "bindings.md").read_text()
    [program] = re.findall(r"^```lua\n(.*?)^```$", page, flags=re.M | re.S)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(program)
        file.flush()
        ran = subprocess.run([*command, luajit, file.name], env=env, stdout=subprocess.PIPE, text=True)
    print("# the program of docs/bindings.md")
    if ran.returncode != 0 or ran.stdout != "hello\nexited\t0\n":
        print(f"Bail out! it printed {ran.stdout!r}, status {ran.returncode}")
        return 1
    return subprocess.run([*command, luajit, HERE / "test_daytona.lua"], env=env).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
