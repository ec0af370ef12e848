# SPDX-License-Identifier: Apache-2.0
"""Runs the benchmarks of images: images.py CREATE_BENCH

create_from_image_ms: from asking for a sandbox to the output of its first command, from an active snapshot of an image.
build_cached_ms: the same from a declared image that was built before. The image holds busybox alone.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile

ROUNDS = 20
NEEDED = ["buildah", "crun", "busybox"]


def busybox_root(folder):
    for name in ("bin", "etc", "proc", "sys", "dev", "tmp"):
        os.makedirs(os.path.join(folder, name))
    shutil.copy(shutil.which("busybox"), os.path.join(folder, "bin", "busybox"))
    for name in ("sh", "cat", "echo", "mkdir", "sleep"):
        os.symlink("busybox", os.path.join(folder, "bin", name))
    with open(os.path.join(folder, "etc", "passwd"), "w", encoding="utf-8") as file:
        file.write("root:x:0:0:root:/root:/bin/sh\n")


def measure(server, bench, state, kind, name):
    done = subprocess.run([server, "run", "--state", state, "--", bench, str(ROUNDS), kind, "bench/base:1"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=300)
    if done.returncode != 0:
        print("#", done.stderr.replace("\n", "\n# "))
        return False
    times = [float(line) for line in done.stdout.split()]
    print(f"bench {name} {statistics.median(times):.1f} ms", flush=True)
    return len(times) == ROUNDS


def main():
    server, bench = os.environ["DAYTONA_LOCAL"], sys.argv[1]
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        print(f"1..0 # SKIP {', '.join(missing)} missing; see PACKAGES_IMAGES in tests/lib/packages.sh")
        return 0
    failed = 0
    print("1..2")
    with tempfile.TemporaryDirectory() as scratch:
        root, state = os.path.join(scratch, "root"), os.path.join(scratch, "state")
        busybox_root(root)
        subprocess.run([server, "image", "import", "--state", state, "bench/base:1", root], check=True, timeout=100,
                       stdout=subprocess.DEVNULL)
        for number, (kind, name) in enumerate([("snapshot", "create_from_image_ms"), ("build", "build_cached_ms")], 1):
            passed = measure(server, bench, state, kind, name)
            failed += not passed
            print("ok" if passed else "not ok", number, "-", name)
    return 1 if failed else 0


sys.exit(main())
