# SPDX-License-Identifier: Apache-2.0
"""The volume example shares a volume between sandboxes, and leaves nothing: volume_example.py PROGRAM"""

import json
import os
import subprocess
import sys
import urllib.request


def items(path):
    request = urllib.request.Request(os.environ["DAYTONA_API_URL"] + path,
                                     headers={"Authorization": "Bearer " + os.environ["DAYTONA_API_KEY"]})
    with urllib.request.urlopen(request, timeout=30) as answer:
        found = json.load(answer)
    return found["items"] if isinstance(found, dict) else found


def run(*arguments):
    done = subprocess.run([sys.argv[1], *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, timeout=100)
    return done.returncode, done.stdout


def main():
    results = []
    status, text = run("shared things")
    results.append(("what one sandbox writes the other reads",
                    status == 0 and "volume shared things is ready" in text
                    and text.endswith("written by one\nand by the other\n"), text))
    results.append(("no volume and no sandbox is left", items("/volumes") == [] and items("/sandbox") == [], text))
    status, text = run("--help")
    results.append(("--help explains it", status == 0 and text.startswith("usage: volume"), text))
    status, text = run("a", "b")
    results.append(("more than one name is refused", status == 2 and text.startswith("usage: volume"), text))
    print(f"1..{len(results)}")
    for number, (name, passed, text) in enumerate(results, 1):
        print("ok" if passed else "not ok", number, "-", name)
        if not passed:
            print("#", text.replace("\n", "\n# "))
    return 0 if all(passed for _, passed, _ in results) else 1


sys.exit(main())
