# SPDX-License-Identifier: Apache-2.0
"""Waits for 300 sandboxes at once, by polls and by events: waits.py WAITS_BENCH

wait_events_requests: requests for stopping 300 sandboxes and seeing each stopped, per sandbox; polls: the same by polling.
wait_events_per_s: the most requests in one second of that. wait_events_ms: how late the last state was seen, in the best of three
rounds: the server stops 300 sandboxes meanwhile, and whatever else the machine does comes on top.
"""

import os
import subprocess
import sys

COUNT, ROUNDS = 300, 3
LATEST_MS = 100


def measure(server, bench, mode):
    done = subprocess.run([server, "run", "--", bench, str(COUNT), mode], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True, timeout=140)
    if done.returncode != 0:
        print("#", done.stderr.replace("\n", "\n# "))
        return None
    words = done.stdout.split()
    return {name: float(value) for name, value in zip(words[::2], words[1::2])}


def best(server, bench, mode):
    rounds = [measure(server, bench, mode) for _ in range(ROUNDS)]
    if None in rounds:
        return None
    found = min(rounds, key=lambda one: one["max"])
    print(f"bench wait_{mode}_requests {found['requests'] / COUNT:.2f} per sandbox")
    print(f"bench wait_{mode}_per_s {found['per_s']:.0f} requests")
    print(f"bench wait_{mode}_median_ms {found['median']:.1f} ms")
    print(f"bench wait_{mode}_ms {found['max']:.1f} ms", flush=True)
    return found


def main():
    server, bench = os.environ["DAYTONA_LOCAL"], sys.argv[1]
    print("1..2")
    polls, events = best(server, bench, "polls"), best(server, bench, "events")
    print("ok" if polls else "not ok", 1, "- polls")
    is_fine = events is not None and events["max"] < LATEST_MS and events["requests"] <= 3 * COUNT
    print("ok" if is_fine else "not ok", 2, "- events")
    return 0 if polls and is_fine else 1


sys.exit(main())
