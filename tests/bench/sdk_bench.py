# SPDX-License-Identifier: Apache-2.0
"""The same commands with the official Python SDK's asynchronous client: sdk_bench.py CONCURRENCY WARMUP CALLS

Prints what measure.c prints: CPU time of this process per call, and calls per second.
"""

import asyncio
import json
import resource
import sys
import time
import warnings

warnings.simplefilter("ignore")

from daytona import AsyncDaytona  # noqa: E402  (the filter has to come first)


def cpu_now():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def run_calls(sandbox, concurrency, calls):
    async def worker(count):
        for _ in range(count):
            response = await sandbox.process.exec("echo hello from the sandbox")
            assert response.exit_code == 0 and response.result == "hello from the sandbox\n"

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
