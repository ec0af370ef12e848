# SPDX-License-Identifier: Apache-2.0
"""The server inside of a chroot, as builders and continuous integration use them: it isolates there as well."""
import os
import subprocess
import tempfile
import unittest

import harness

# A root that is a plain directory, as debootstrap makes one, or a mount of its own; both in a mount namespace that
# goes with the shell, and so do the mounts in it.
PLAIN = """
mkdir "$1/root"
for name in /*; do
  if [ -L "$name" ]; then cp -P "$name" "$1/root$name"
  elif [ -d "$name" ]; then mkdir "$1/root$name"; mount --rbind "$name" "$1/root$name"
  fi
done
"""
MOUNT = """
mkdir "$1/root"
mount --rbind / "$1/root"
"""
IN_CHROOT = """
touch "$1/made"
dir=$1
shift
exec chroot "$dir/root" "$@"
"""

PROGRAM = """
import json, os, urllib.request

def call(method, url, body=None):
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), method=method)
    request.add_header("Authorization", "Bearer " + os.environ["DAYTONA_API_KEY"])
    request.add_header("Content-Type", "application/json")
    return json.loads(urllib.request.urlopen(request, timeout=40).read() or b"null")

api = os.environ["DAYTONA_API_URL"]
box = call("POST", api + "/sandbox", {})
assert box["state"] == "started", box
base = box["toolboxProxyUrl"] + "/" + box["id"]
done = call("POST", base + "/process/execute", {"command": "id -un; ls -d /home/*; mount | grep -c ' / '"})
assert done["exitCode"] == 0, done
print(done["result"])
# Programs are held back until the network is there, if this machine has one for sandboxes.
if call("GET", os.environ["DAYTONA_LOCAL_ADMIN_URL"] + "/info")["boxes"][box["id"]]["network"] == "private":
    done = call("POST", base + "/process/execute", {"command": "grep -c tap0 /proc/net/route"})
    assert done["exitCode"] == 0, done
call("DELETE", api + "/sandbox/" + box["id"])
"""


class Chroot(unittest.TestCase):
    def in_chroot(self, how):
        if os.geteuid() != 0:
            self.skipTest("only root makes a chroot")
        with tempfile.TemporaryDirectory() as directory:
            done = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-ec", how + IN_CHROOT, "sh", directory,
                                   os.path.abspath(harness.program()), "run", "--", "python3", "-c", PROGRAM],
                                  capture_output=True, text=True, timeout=100)
            if not os.path.exists(directory + "/made"):
                self.skipTest("no chroot can be made here: " + done.stderr.strip())
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout, "daytona\n/home/daytona\n1\n\n")

    def test_a_directory_as_root(self):
        self.in_chroot(PLAIN)

    def test_a_mount_as_root(self):
        self.in_chroot(MOUNT)


if __name__ == "__main__":
    harness.main()
