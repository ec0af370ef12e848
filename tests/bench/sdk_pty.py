# SPDX-License-Identifier: Apache-2.0
"""A terminal's output with the official Python SDK's asynchronous client: sdk_pty.py BLOCKS

Prints what stream_bench prints: seconds and CPU time of this process until all of it has come.
"""

import asyncio
import json
import resource
import sys
import time
import warnings

warnings.simplefilter("ignore")

from daytona import AsyncDaytona  # noqa: E402  (the filter has to come first)

BLOCK = 64 * 4096  # see stream_blocks.h


def cpu_now():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def main():
    blocks = int(sys.argv[1])
    got, done = 0, asyncio.Event()

    def on_data(data):
        nonlocal got
        got += len(data)
        if got >= blocks * BLOCK:
            done.set()

    async with AsyncDaytona() as client:
        sandbox = await client.get("bench")
        terminal = await sandbox.process.connect_pty_session("bench", on_data)
        cpu, wall = cpu_now(), time.monotonic()
        await terminal.send_input(f"send {blocks}")
        await done.wait()
        cpu, wall = cpu_now() - cpu, time.monotonic() - wall
        await terminal.disconnect()
    print(json.dumps({"bytes": got, "seconds": wall, "cpu_s": cpu}))


asyncio.run(main())
