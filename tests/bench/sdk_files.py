# SPDX-License-Identifier: Apache-2.0
"""Small files with the official Python SDK's asynchronous client: sdk_files.py CONCURRENCY WARMUP CALLS

Each call is an upload and a download of 4 KiB. Prints what measure.c prints.
"""

import asyncio
import json
import resource
import sys
import time
import warnings

warnings.simplefilter("ignore")

from daytona import AsyncDaytona  # noqa: E402  (the filter has to come first)

CONTENT = b"x" * 4096


def cpu_now():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def run_calls(sandbox, concurrency, calls):
    async def worker(count):
        for _ in range(count):
            await sandbox.fs.upload_file(CONTENT, "small/4096")
            assert await sandbox.fs.download_file("small/4096") == CONTENT

    await asyncio.gather(*(worker(calls // concurrency) for _ in range(concurrency)))
    return calls // concurrency * concurrency


async def main():
    concurrency, warmup, calls = (int(text) for text in sys.argv[1:])
    async with AsyncDaytona() as client:
        sandbox = await client.get("bench")
        await run_calls(sandbox, concurrency, warmup)
        cpu, wall = cpu_now(), time.monotonic()
        done = await run_calls(sandbox, concurrency, calls)
        cpu, wall = cpu_now() - cpu, time.monotonic() - wall
    print(json.dumps({"cpu_us": cpu * 1e6 / done, "calls_per_s": done / wall}))


asyncio.run(main())
