# SPDX-License-Identifier: Apache-2.0
"""examples/files does what it says: files_example.py PROGRAM"""

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile


def check(number, passed, name, output=""):
    print(("ok" if passed else "not ok"), number, "-", name)
    if not passed:
        for line in output.splitlines():
            print("#", line)


def refused(program, argument):
    """What is said before anything is asked for."""
    ran = subprocess.run([program, argument], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=100)
    return ran.returncode, ran.stdout.decode(errors="replace")


def main():
    program = os.path.abspath(sys.argv[1])
    print("1..7")
    with tempfile.TemporaryDirectory() as scratch:
        folder = os.path.join(scratch, "a folder")
        os.mkdir(folder)
        contents = {"one.txt": b"one\n", "empty": b"", "with 'quotes' and ü": os.urandom(700000)}
        for name, content in contents.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(content)
        ran = subprocess.run([program, folder, os.path.join(scratch, "result")], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, timeout=100)
        output = ran.stdout.decode(errors="replace")
        check(1, ran.returncode == 0, "the example succeeds", output)
        check(2, "100%" in output, "the progress bar reaches its end", output)
        sums = open(os.path.join(scratch, "result", "SHA256SUMS"), encoding="utf-8").read()
        check(3, all(hashlib.sha256(content).hexdigest() in sums for content in contents.values()),
              "what was uploaded has the same checksums", sums)
        with tarfile.open(os.path.join(scratch, "result", "work.tar.gz")) as archive:
            found = {name: archive.extractfile("./" + name).read() for name in contents}
        check(4, found == contents, "what was downloaded has the same bytes")
        large = os.path.join(scratch, "large")
        os.mkdir(large)
        for number in range(1001):
            open(os.path.join(large, str(number)), "wb").close()
        status, output = refused(program, large)
        check(5, status == 1 and "more than 1000 files" in output, "too many files are refused, not left out", output)
        os.mkdir(os.path.join(scratch, "nothing"))
        status, output = refused(program, os.path.join(scratch, "nothing"))
        check(6, status == 1 and "no files in it" in output, "a folder without files is refused", output)
    status, output = refused(program, "--help")
    check(7, status == 0 and output.startswith("usage: files"), "--help is no folder", output)


main()
