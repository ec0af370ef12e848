# SPDX-License-Identifier: Apache-2.0
"""The git example pushes what it committed: git_example.py PROGRAM"""

import subprocess
import sys


def main():
    ran = subprocess.run([sys.argv[1]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True,
                         timeout=100)
    wanted = ("  on branch greeting\n  hello.txt: Untracked\n", "  on branch greeting, published\n",
              "  Example: say hello\n  Seed: first commit\n")
    passed = ran.returncode == 0 and all(text in ran.stdout for text in wanted)
    print("1..1")
    print("ok" if passed else "not ok", "1 - clones, commits and pushes")
    if not passed:
        for line in ran.stdout.splitlines():
            print("#", line)
    return 0 if passed else 1


sys.exit(main())
