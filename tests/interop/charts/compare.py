"""The charts of a program by the library and by the official Python SDK are the same: compare.py DRIVER DAYTONA-LOCAL

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

LIMIT_SECONDS = 120

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


def charts_of(local, command, path, code):
    command = [local, "run", "--isolation", "none", "--", *command, path]
    done = subprocess.run(command, input=code, capture_output=True, text=True, encoding="utf-8", timeout=LIMIT_SECONDS)
    assert done.returncode == 0 and done.stdout, done.stderr[-2000:]
    return json.loads(done.stdout)


def compare(local, driver, sdk, path, drawn, types):
    code = "import matplotlib.pyplot as plt\n" + drawn + "\n"
    ours, official = charts_of(local, driver, path, code), charts_of(local, sdk, path, code)
    assert [chart["type"] for chart in ours] == types, ours
    assert ours == official, f"ours: {ours}\nofficial: {official}"


def main():
    driver, local = map(os.path.abspath, sys.argv[1:3])
    cache = os.path.abspath(os.environ.get("DAYTONA_INTEROP_CACHE") or "build/interop")
    reason = launch.missing(cache, "python") or launch.missing(cache, "matplotlib")
    if reason is not None:
        print(f"1..0 # SKIP {reason}")
        return 0
    sdk = [os.path.join(cache, "python", "bin", "python"), str(HERE / "sdk.py")]
    path = os.path.join(cache, "matplotlib", "bin") + ":/usr/local/bin:/usr/bin:/bin"
    producer = tap.Producer()
    producer.plan(len(CASES))
    for name, (drawn, types) in CASES.items():
        producer.run(name, partial(compare, local, [driver], sdk, path, drawn, types))
    return producer.exit_code()


if __name__ == "__main__":
    sys.exit(main())
