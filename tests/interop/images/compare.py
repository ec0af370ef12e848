# SPDX-License-Identifier: Apache-2.0
"""Images made by the library and by the official Python SDK are the same: Dockerfile, contexts, errors.

usage: compare.py DRIVER [TEXT]    only cases with TEXT in their name

The SDK is the one that tests/interop/install calls python-newest; without it, everything is skipped with the reason. Where
ours is meant to differ, the case says why, and fails when the official SDK does no longer.
"""

import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "lib")]
import cases  # noqa: E402
import launch  # noqa: E402
import tap  # noqa: E402

AT_LEAST = 80
RANDOM, BATCHES = 2000, 8


def run(command, chosen):
    """What `command` makes of the cases, in their order."""
    env = dict(os.environ, HOME=os.path.abspath("home"))
    text = "".join(json.dumps(case.calls) + "\n" for case in chosen)
    done = subprocess.run(command, input=text, text=True, encoding="utf-8", capture_output=True, env=env)
    assert done.returncode == 0, done.stderr[-2000:]
    outcomes = [json.loads(line) for line in done.stdout.split("\n") if line]
    assert len(outcomes) == len(chosen), f"{len(outcomes)} outcomes for {len(chosen)} cases"
    return outcomes


def comparable(outcome, case):
    """Without what does not count in this case."""
    out = dict(outcome)
    if case.any_order and "contexts" in out:
        out["contexts"] = sorted(out["contexts"])
    if case.message == "kind":
        out.pop("message", None)
    elif case.message == "start" and "message" in out:
        out["message"] = ":".join(out["message"].split(":")[:1])
    return out


def check(case, ours, official):
    if case.official is not None:
        assert ours == case.ours, f"ours: {ours}\nwanted: {case.ours}"
        assert official != ours, f"the official SDK does not differ any more: {case.official}"
        return
    assert official.get("error") in (None, "not found", "validation"), f"official: {official}"
    assert comparable(ours, case) == comparable(official, case), f"ours: {ours}\nofficial: {official}"


def check_all(rows):
    for case, one, other in rows:
        try:
            check(case, one, other)
        except AssertionError as error:
            raise AssertionError(f"{case.calls}\n{error}") from None


def main():
    driver = os.path.abspath(sys.argv[1])
    cache = os.path.abspath(os.environ.get("DAYTONA_INTEROP_CACHE") or "build/interop")
    reason = launch.missing(cache, "python-newest")
    if reason is not None:
        print(f"1..0 # SKIP {reason}")
        return 0
    sdk = [os.path.join(cache, "python-newest", "bin", "python"), str(HERE / "sdk.py")]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(os.path.realpath(folder))
        cases.make_files(".")
        chosen = [case for case in cases.all_cases() if all(text in case.name for text in sys.argv[2:])]
        assert sys.argv[2:] or len(chosen) >= AT_LEAST
        drawn = [] if sys.argv[2:] else list(cases.random_cases(RANDOM))
        ours, official = run([driver], chosen + drawn), run(sdk, chosen + drawn)
        rows = list(zip(chosen + drawn, ours, official))
        producer = tap.Producer()
        producer.plan(len(chosen) + (BATCHES if drawn else 0))
        for case, one, other in rows[:len(chosen)]:
            name = case.name.encode("ascii", "backslashreplace").decode().replace("#", "%")
            producer.run(name, partial(check, case, one, other))
        for batch in range(BATCHES if drawn else 0):
            producer.run(f"random images, part {batch + 1}", partial(check_all, rows[len(chosen) + batch::BATCHES]))
        os.chdir("/")
    return producer.exit_code()


if __name__ == "__main__":
    sys.exit(main())
