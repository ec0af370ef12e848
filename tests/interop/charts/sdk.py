# SPDX-License-Identifier: Apache-2.0
"""What driver.c does, with the official Python SDK: sdk.py PATH < CODES"""

import base64
import json
import sys

from daytona import CodeRunParams, Daytona


def plain(value):
    """Without what is absent, and a picture as its size and the sum of its bytes."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    out = {key: plain(item) for key, item in value.items() if item is not None and item != []}
    if "png" in out:
        data = base64.b64decode(out["png"])
        out["png"] = [len(data), sum(data)]
    return out


def main():
    sandbox = Daytona().create()
    for code in sys.stdin.read().split("\0"):
        done = sandbox.process.code_run(code, params=CodeRunParams(env={"PATH": sys.argv[1]}))
        if done.exit_code != 0:
            print(done.result, file=sys.stderr)
        print(json.dumps(plain([chart.to_dict() for chart in done.artifacts.charts])))


main()
