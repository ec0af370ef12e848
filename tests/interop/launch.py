"""Runs the scenarios with one official SDK against a fresh daytona-local: launch.py CLIENT MODE

CLIENT is python, python-async or typescript; MODE is events (the SDK tries its event socket and
falls back) or polling. An SDK that could not be installed skips every scenario with the reason
that the installer left.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def scenario_names():
    with open(os.path.join(HERE, "scenarios.txt"), encoding="ascii") as names:
        return names.read().split()


def skip_all(reason):
    names = scenario_names()
    print(f"1..{len(names)}")
    for number, name in enumerate(names, 1):
        print(f"ok {number} - {name} # SKIP {reason}")
    return 0


def missing(cache, name):
    """Why the SDK `name` cannot be used, or None."""
    if os.path.exists(os.path.join(cache, name + ".stamp")):
        return None
    note = os.path.join(cache, name + ".missing")
    if os.path.exists(note):
        with open(note, encoding="utf-8", errors="replace") as text:
            return text.read().strip()
    return "the SDK is not installed; tests/interop/install installs it"


def main():
    client, mode = sys.argv[1:]
    cache = os.environ.get("DAYTONA_INTEROP_CACHE") or "build/interop"
    server = os.environ.get("DAYTONA_LOCAL")
    modules = os.path.join(cache, "node", "node_modules")
    if client == "typescript":
        command = ["node", os.path.join(HERE, "scenarios.mjs")]
        reason = missing(cache, "node")
    else:
        command = [os.path.join(cache, "python", "bin", "python"), os.path.join(HERE, "scenarios.py"), client]
        reason = missing(cache, "python")
    if reason is None and not server:
        reason = "daytona-local was not built"
    if reason is not None:
        return skip_all(reason)
    env = dict(os.environ, INTEROP_NODE_MODULES=modules, DAYTONA_LOCAL_SCENARIOS=os.path.join(HERE, "scenarios.txt"))
    # The SDKs read .env files of the working directory: run where there are none.
    os.chdir(env["TMPDIR"] if "TMPDIR" in env else "/")
    if mode == "polling":
        env["DAYTONA_USE_DEPRECATED_POLLING"] = "true"
    sys.stdout.flush()
    os.execve(server, [server, "run", "--"] + command, env)


if __name__ == "__main__":
    sys.exit(main())
