# SPDX-License-Identifier: Apache-2.0
"""Runs examples/node/demo.js and node_addon.js with the addon: node_addon.py DAYTONA-LOCAL SANITIZER NODE [ADDON]

SANITIZER is what the library was built with: a Node that loads it has to have that first. Without Node or its headers, NODE is
empty or ADDON missing.
"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEMO = HERE.parents[1] / "examples" / "node" / "demo.js"
PRINTED = """\
promise: hello from node
callback: exit code 3
stdout: line 1
stdout: line 2
stdout: line 3
stream: exited 0
error: DAYTONA_EPROCESS_TIMEOUT
"""


def main(server, sanitizer, node, addon=None):
    if not node or not addon:
        print(f"1..0 # SKIP {'libnode-dev' if node else 'nodejs'} is not installed")
        return 0
    env = dict(os.environ)
    command = [server, "run", "--"]
    if "address" in sanitizer:
        found = subprocess.run(["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout.strip()
        command += ["env", "LD_PRELOAD=" + found]
        env["ASAN_OPTIONS"] = "detect_leaks=0"  # of the interpreter's own
    addon = str(Path(addon).resolve())
    ran = subprocess.run([*command, node, DEMO, addon], env=env, stdout=subprocess.PIPE, text=True)
    print("# examples/node/demo.js")
    if ran.returncode != 0 or ran.stdout != PRINTED:
        print(f"Bail out! it printed {ran.stdout!r}, status {ran.returncode}")
        return 1
    for option, status in ("--help", 0), ("-h", 0), ("--no-such-option", 2):
        ran = subprocess.run([node, DEMO, option], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        text = ran.stderr if status else ran.stdout
        if ran.returncode != status or not text.startswith("usage: demo.js"):
            print(f"Bail out! {ran}")
            return 1
    sys.stdout.flush()
    return subprocess.run([*command, node, "--expose-gc", HERE / "node_addon.js", addon], env=env).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
