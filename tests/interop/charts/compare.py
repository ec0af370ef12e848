# SPDX-License-Identifier: Apache-2.0
"""The charts of a program by the library and by the official SDKs are the same: compare.py DRIVER DAYTONA-LOCAL

SDKs are those of Python and TypeScript; one that is not installed is left out, with a line that says why.

The program's interpreter, which has matplotlib, is outside of what a sandbox sees, so the server keeps them apart by nothing
here: what runs in them is this test's own.
"""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "lib")]
import launch  # noqa: E402
import tap  # noqa: E402

LIMIT_SECONDS = 200

# Name: what is drawn, the types that come of it.
CASES = {
    "lines with labels": ("plt.plot([1, 2, 3], [2, 4.5, 8], label='a'); plt.plot([1, 2], [0, -1]); plt.title('T')\n"
                          "plt.xlabel('größe'); plt.ylabel('y'); plt.show()", ["line"]),
    "logarithmic axes": ("plt.loglog([1, 10, 1000], [1, 5, 70]); plt.show()", ["line"]),
    "points of two groups": ("plt.scatter([1, 2], [3, 4], label='s'); plt.scatter([1.5], [1e-7]); plt.show()", ["scatter"]),
    "bars": ("plt.bar(['a', 'b'], [3, 4.5], label='g'); plt.show()", ["bar"]),
    "a pie with percentages": ("plt.pie([1, 3], labels=['p', 'q'], autopct='%1.1f%%'); plt.show()", ["pie"]),
    "boxes with outliers": ("plt.boxplot([[1, 2, 3, 4, 20], [2, 3, 4]], patch_artist=True); plt.show()", ["box_and_whisker"]),
    "several in one": ("_, (a, b) = plt.subplots(1, 2); a.plot([1, 2]); a.set_title('left'); b.scatter([1], [2]); plt.show()",
                       ["composite_chart"]),
    "an empty figure": ("plt.figure(); plt.show()", ["unknown"]),
    "two figures": ("plt.plot([1, 2]); plt.show(); plt.bar(['x'], [1]); plt.show()", ["line", "bar"]),
    "nothing shown": ("plt.plot([1, 2])", []),
}


def charts_of(local, command, path):
    """Of every case, in order."""
    codes = "\0".join("import matplotlib.pyplot as plt\n" + drawn + "\n" for drawn, _ in CASES.values())
    command = [local, "run", "--isolation", "none", "--", *command, path]
    done = subprocess.run(command, input=codes, capture_output=True, text=True, encoding="utf-8", timeout=LIMIT_SECONDS)
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and len(lines) == len(CASES), done.stderr[-2000:]
    return [json.loads(line) for line in lines]


def compare(charts, number, types):
    (_, ours), *others = charts
    assert [chart["type"] for chart in ours[number]] == types, ours[number]
    for name, official in others:
        assert ours[number] == official[number], f"ours: {ours[number]}\n{name}: {official[number]}"


def official_sdks(cache):
    """The commands of those that are there."""
    sdks = []
    for name, command in (("python", [os.path.join(cache, "python", "bin", "python"), str(HERE / "sdk.py")]),
                          ("node", ["node", str(HERE / "sdk.mjs")])):
        reason = launch.missing(cache, name)
        if reason is None:
            sdks.append(command)
        else:
            print(f"# left out: {reason}")
    return sdks


def main():
    driver, local = map(os.path.abspath, sys.argv[1:3])
    cache = os.path.abspath(os.environ.get("DAYTONA_INTEROP_CACHE") or "build/interop")
    sdks = official_sdks(cache)
    reason = launch.missing(cache, "matplotlib") or (None if sdks else launch.missing(cache, "python"))
    if reason is not None:
        print(f"1..0 # SKIP {reason}")
        return 0
    os.environ["INTEROP_NODE_MODULES"] = os.path.join(cache, "node", "node_modules")
    path = os.path.join(cache, "matplotlib", "bin") + ":/usr/local/bin:/usr/bin:/bin"
    charts = [(os.path.basename(command[-1]), charts_of(local, command, path)) for command in ([driver], *sdks)]
    producer = tap.Producer()
    producer.plan(len(CASES))
    for number, (name, (_, types)) in enumerate(CASES.items()):
        producer.run(name, partial(compare, charts, number, types))
    return producer.exit_code()


if __name__ == "__main__":
    sys.exit(main())
