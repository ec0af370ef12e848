# SPDX-License-Identifier: Apache-2.0
"""The sandboxes example does what it prints, and leaves no sandbox: sandboxes_example.py PROGRAM"""

import json
import os
import re
import subprocess
import sys
import urllib.request

WANTED = [r"create three at once\n", r"  3 sandboxes\n", r"  number 1: first\n", r"too long\n  .*not finished within 300 ms\n",
          r"  stopped\n  started\n", r"  port 8080: http\S+\n  ssh until \S+.*\n", r"delete them\n$"]


def left():
    request = urllib.request.Request(os.environ["DAYTONA_API_URL"] + "/sandbox",
                                     headers={"Authorization": "Bearer " + os.environ["DAYTONA_API_KEY"]})
    with urllib.request.urlopen(request, timeout=30) as answer:
        found = json.load(answer)
    return [sandbox["state"] for sandbox in (found["items"] if isinstance(found, dict) else found)]


def main():
    ran = subprocess.run([sys.argv[1]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True,
                         timeout=100)
    missing = [text for text in WANTED if not re.search(text, ran.stdout)]
    results = [("each step prints its result", ran.returncode == 0 and not missing), ("no sandbox is left", left() == [])]
    print(f"1..{len(results)}")
    for number, (name, passed) in enumerate(results, 1):
        print("ok" if passed else "not ok", number, "-", name)
    if not all(passed for _, passed in results):
        for line in [*missing, *left(), *ran.stdout.splitlines()]:
            print("#", line)
    return 0 if all(passed for _, passed in results) else 1


sys.exit(main())
