# SPDX-License-Identifier: Apache-2.0
"""The examples of images and snapshots, on an image of busybox alone: images_example.py SERVER IMAGE SNAPSHOT"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

NEEDED = ["buildah", "crun", "busybox"]
APPLETS = ["sh", "cat", "echo", "head", "id", "ls", "mkdir", "pwd", "sleep"]


def busybox_root(folder):
    for name in ("bin", "etc", "proc", "sys", "dev", "tmp"):
        os.makedirs(os.path.join(folder, name))
    shutil.copy(shutil.which("busybox"), os.path.join(folder, "bin", "busybox"))
    for name in APPLETS:
        os.symlink("busybox", os.path.join(folder, "bin", name))
    files = {"passwd": "root:x:0:0:root:/root:/bin/sh\n", "group": "root:x:0:\n", "os-release": "NAME=busybox\n"}
    for name, text in files.items():
        with open(os.path.join(folder, "etc", name), "w", encoding="utf-8") as file:
            file.write(text)


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, timeout=300)
    return done.returncode, done.stdout


def results(server, image, snapshot, scratch):
    state, root, file = (os.path.join(scratch, name) for name in ("state", "root", "a file.txt"))
    busybox_root(root)
    with open(file, "w", encoding="utf-8") as out:
        out.write("carried along\n")
    status, text = run(server, "image", "import", "--state", state, "example/base:1", root)
    yield "an image is imported from a folder", status == 0, text

    status, text = run(server, "run", "--state", state, "--", image, "--from", "example/base:1", file)
    yield "the image is built, and its sandbox has its files and environment", (
        status == 0 and "built by libdaytona" in text and "a file.txt" in text and text.endswith("libdaytona\n")), text
    yield "states and the log of the build are shown", "] started" in text and "  | STEP" in text, text
    status, text = run(server, "run", "--state", state, "--", image, "--from", "example/base:1", file + ".missing")
    yield "a file that is missing is named", status == 1 and ".missing" in text, text
    status, text = run(server, "run", "--state", state, "--", image, "--from", "example/none:1")
    yield "an image that is not there says so", status == 1 and "example/none:1" in text, text

    status, text = run(server, "run", "--state", state, "--", snapshot, "example/base:1", "from-example")
    yield "a snapshot is made, used twice, and deleted", (
        status == 0 and "  active\n" in text
        # Newer versions of buildah give an image a work folder of its own, "/".
        and len(re.findall(r"NAME=busybox\n/(?:root)?\nroot\n", text)) == 2), text
    status, text = run(server, "run", "--state", state, "--", snapshot)
    yield "nothing of it is left in the list", status == 0 and "from-example" not in text and "active" in text, text

    for program in (image, snapshot):
        name = os.path.basename(program)
        status, text = run(program, "--help")
        yield f"{name} --help explains it", status == 0 and text.startswith("usage: " + name), text


def main():
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        print(f"1..0 # SKIP {', '.join(missing)} missing; see PACKAGES_IMAGES in tests/lib/packages.sh")
        return 0
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        number = 0
        for number, (name, passed, text) in enumerate(results(*sys.argv[1:4], scratch), 1):
            print("ok" if passed else "not ok", number, "-", name, flush=True)
            if not passed:
                failed = True
                print("#", text.replace("\n", "\n# "))
        print(f"1..{number}")
    return 1 if failed else 0


sys.exit(main())
