# SPDX-License-Identifier: Apache-2.0
"""How soon programs of the official SDKs end that have waited for states, with their event sockets: ends.py [newest]

Without a server for the socket they hang for minutes behind their last line. Each program stops a sandbox, leaves its subscriptions
open, notes when it is done, and ends. Reports TAP.
"""

import os
import subprocess
import sys
import tempfile
import time

import launch

SYNC = """
from daytona import Daytona
d = Daytona()
sandbox = d.create()
sandbox.stop()
"""
ASYNC = """
import asyncio
from daytona import AsyncDaytona
async def main():
    async with AsyncDaytona() as d:
        sandbox = await d.create()
        await sandbox.stop()
asyncio.run(main())
"""
DONE = "\nimport os, time\nopen(os.environ['ENDS_NOTE'], 'w').write(repr(time.time()))\n"
NODE = """
import fs from 'node:fs'
import path from 'node:path'
import { createRequire } from 'node:module'
const { Daytona } = createRequire(path.join(process.env.INTEROP_NODE_MODULES, 'x.js'))(process.env.INTEROP_NODE_SDK)
const d = new Daytona()
const sandbox = await d.create()
await sandbox.stop()
fs.writeFileSync(process.env.ENDS_NOTE, String(Date.now() / 1000))
"""
# On a quiet machine it is half a second at most; what they waited for without the socket was minutes.
LIMIT_SECONDS = 10


def run(server, command, env):
    with tempfile.TemporaryDirectory() as scratch:
        note, end = os.path.join(scratch, "note"), os.path.join(scratch, "end")
        # The shell notes the program's end: that of the server comes later.
        inside = '"$@"; code=$?; date +%s.%N >"$ENDS_END"; exit $code'
        done = subprocess.run([server, "run", "--", "sh", "-c", inside, "sh", *command], env=dict(env, ENDS_NOTE=note, ENDS_END=end),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, timeout=100)
        if done.returncode != 0:
            return None, done.stdout[-600:]
        with open(note, encoding="ascii") as began, open(end, encoding="ascii") as ended:
            return float(ended.read()) - float(began.read()), None


def main():
    is_newest = sys.argv[1:] == ["newest"]
    cache, server = os.environ.get("DAYTONA_INTEROP_CACHE") or "build/interop", os.environ.get("DAYTONA_LOCAL")
    python, node = ("python-newest", "node-newest") if is_newest else ("python", "node")
    interpreter = os.path.abspath(os.path.join(cache, python, "bin", "python"))
    env = dict(os.environ, INTEROP_NODE_MODULES=os.path.abspath(os.path.join(cache, node, "node_modules")),
               INTEROP_NODE_SDK="@daytonaio/sdk" if is_newest else "@daytona/sdk")
    env.pop("DAYTONA_USE_DEPRECATED_POLLING", None)
    programs = [("python", python, [interpreter, "-c", SYNC + DONE]), ("python-async", python, [interpreter, "-c", ASYNC + DONE]),
                ("typescript", node, ["node", "--input-type=module", "-e", NODE])]
    os.chdir(os.environ.get("TMPDIR") or "/")
    print(f"1..{len(programs)}", flush=True)
    failed = 0
    for number, (name, folder, command) in enumerate(programs, 1):
        reason = launch.missing(cache, folder) or (None if server else "daytona-local was not built")
        if reason is not None:
            print(f"ok {number} - {name} # SKIP {reason}")
            continue
        seconds, problem = run(server, command, env)
        is_fine = seconds is not None and seconds < LIMIT_SECONDS
        failed += not is_fine
        print(f"# {name}: {problem or '%.2f s' % seconds}".replace("\n", " "))
        print(f"{'ok' if is_fine else 'not ok'} {number} - {name}_ends_at_once", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
