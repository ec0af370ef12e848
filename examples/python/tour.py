# SPDX-License-Identifier: Apache-2.0
"""The Python binding in one story: sandboxes side by side, files, a log that is followed, a terminal, and what goes wrong.

    daytona-local run -- python3 examples/python/tour.py        with no account
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from libdaytona import Client, DaytonaError, NotFoundError, Sandbox

PROGRAM = b"""\
import sys, time
for step in range(3):
    print("step", step, flush=True)
    time.sleep(0.05)
print("over", file=sys.stderr)
"""


async def follow(sandbox: Sandbox) -> str:
    """Start a program in a session, and read what it prints while it runs."""
    await sandbox.upload(PROGRAM, "steps.py")
    await sandbox.create_session("steps")
    command = await sandbox.session_exec("steps", "python3 steps.py", run_async=True)
    steps = 0
    async with sandbox.follow("steps", command.command_id) as log:
        async for part in log:
            if part.stream == "stdout":
                steps += part.data.count(b"\n")
        end = await log.wait()
    return f"{steps} steps, then {end.reason} {end.exit_code}"


async def type_into(sandbox: Sandbox) -> str:
    """Type into a terminal until its shell ends."""
    shown = b""
    async with await sandbox.pty(cols=100, rows=30) as terminal:
        terminal.write(b"stty size; exit 4\n")
        async for part in terminal:
            shown += part
        end = await terminal.wait()
    return f"a terminal of {'100x30' if b'30 100' in shown else 'another size'}, exit code {end.exit_code}"


async def go_wrong(sandbox: Sandbox) -> str:
    """A call that fails, and one that takes too long: leaving wait_for() cancels it in the library too."""
    try:
        await sandbox.download("/nowhere")
    except NotFoundError as error:
        missing = error.name
    try:
        await asyncio.wait_for(sandbox.exec("sleep 60"), 0.2)
    except asyncio.TimeoutError:
        return f"{missing}, and a command that was cancelled"
    return "nothing went wrong"


async def one(client: Client, number: int) -> str:
    """`async with` deletes the sandbox, whatever happens in it."""
    async with client.sandbox(language="python", labels={"tour": str(number)}) as sandbox:
        parts = await asyncio.gather(follow(sandbox), type_into(sandbox), go_wrong(sandbox))
    return f"{number}: " + "; ".join(parts)


async def tour(count: int) -> None:
    async with Client() as client:
        for line in await asyncio.gather(*(one(client, number) for number in range(1, count + 1))):
            print(line)


def main() -> int:
    parser = argparse.ArgumentParser(description="Sandboxes side by side, from Python.")
    parser.add_argument("--sandboxes", type=int, default=3, metavar="N", help="how many (default: 3)")
    arguments = parser.parse_args()
    try:
        asyncio.run(tour(arguments.sandboxes))
    except DaytonaError as error:
        print(f"{error.name}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
