# SPDX-License-Identifier: Apache-2.0
"""Runs the scenarios with the official Python SDK: run.py python|python-async|python-binding [NAME...]

python is the ordinary client, python-async the asynchronous one, python-binding this project's own bindings/python under
the same names (binding_sdk.py). Reports TAP.
"""

import asyncio
import inspect
import os
import socket
import sys
import traceback
import urllib.parse

import accessibility
import desktops
import errors
import files
import git
import images
import interpreter
import language_servers
import platform_parts
import processes
import sandboxes
import sessions
import storage
import terminals
import together
from support import API_URL, IS_ASYNC, Skip, Unsupported, sdk

SHOWN_LINES = 14
LIMIT_SECONDS = 120
TOPICS = (sandboxes.Sandboxes, platform_parts.PlatformParts, processes.Processes, sessions.Sessions,
          terminals.Terminals, interpreter.Interpreter, language_servers.LanguageServers, desktops.Desktops, accessibility.Accessibility, together.Together, files.Files, git.Git, storage.Storage, images.Images, errors.Errors)


def server_is_there():
    parts = urllib.parse.urlsplit(API_URL)
    try:
        socket.create_connection((parts.hostname, parts.port), 5).close()
    except OSError:
        return False
    return True


def known_scenarios(client):
    return {name: getattr(topic(client), name) for topic in TOPICS for name, member in vars(topic).items()
            if inspect.isfunction(member) and not name.startswith("_")}


async def run_one(scenario):
    """What TAP says after the name, or None with the end of the traceback printed."""
    try:
        await asyncio.wait_for(scenario(), LIMIT_SECONDS)
    except (Skip, Unsupported) as skip:
        return f" # SKIP {skip}"
    except Exception:
        tail = traceback.format_exc().splitlines()[-SHOWN_LINES:]
        print("".join("# " + line + "\n" for line in tail), end="", flush=True)
        return None
    return ""


async def run_all(client):
    scenarios = known_scenarios(client)
    with open(os.environ["INTEROP_SCENARIOS"], encoding="ascii") as text:
        names = text.read().split()
    if sorted(names) != sorted(scenarios):
        print(f"Bail out! not in both scenarios.txt and here: {sorted(set(names) ^ set(scenarios))}")
        return 1
    wanted = [name for name in names if name in sys.argv[2:]] or names
    print(f"1..{len(wanted)}", flush=True)
    failures = 0
    for number, name in enumerate(wanted, 1):
        note = await run_one(scenarios[name])
        print(f"not ok {number} - {name}" if note is None else f"ok {number} - {name}{note}", flush=True)
        if note is None:
            failures += 1
            if not server_is_there():
                print("Bail out! daytona-local is gone", flush=True)
                return 1
    return 1 if failures else 0


async def main():
    if IS_ASYNC:
        async with sdk.AsyncDaytona() as client:
            return await run_all(client)
    return await run_all(sdk.Daytona())


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
