# SPDX-License-Identifier: Apache-2.0
"""Screenshots with the official Python SDK's asynchronous client: sdk_desktop.py NAME SHOTS

Prints the CPU time of this process for one, with its base64 decoded, as the C library does it.
"""

import asyncio
import base64
import json
import resource
import sys
import warnings

warnings.simplefilter("ignore")

from daytona import AsyncDaytona  # noqa: E402  (the filter has to come first)

WARMUP = 5


def cpu_now():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def main():
    name, shots = sys.argv[1], int(sys.argv[2])
    async with AsyncDaytona() as client:
        sandbox = await client.get(name)
        for number in range(shots + WARMUP):
            if number == WARMUP:
                cpu = cpu_now()
            shot = await sandbox.computer_use.screenshot.take_full_screen()
            assert base64.b64decode(shot.screenshot)[:4] == b"\x89PNG"
        cpu = cpu_now() - cpu
    print(json.dumps({"cpu_us": cpu * 1e6 / shots}))


asyncio.run(main())
