# SPDX-License-Identifier: Apache-2.0
"""Volumes and homes as ways out: sandboxes that exchange folders for links to the host while the server works on them.

Each attack is made on a server of root, if we are root, and on one of an ordinary user.
"""
import concurrent.futures
import json
import os
import shutil
import tempfile
import time
import unittest

import harness

ORDINARY_USER = 64000
CREATES = 500
WORKERS = 8

# Exchanges a folder and a link again and again, with pauses of every length or none; with pauses the name is the link's
# most of the time.
SWAPPER = r"""
import ctypes, os, random, sys, time
libc = ctypes.CDLL(None, use_errno=True)
here, other = sys.argv[1].encode(), sys.argv[2].encode()
def swap():
    if libc.renameat2(-100, here, -100, other, 2):
        raise OSError(ctypes.get_errno(), "renameat2")
if sys.argv[3] == "fast":
    while True:
        swap()
while True:
    swap()
    time.sleep(random.random() * 0.002)
    swap()
    if random.random() < 0.03:
        time.sleep(0.03)
    end = time.perf_counter() + random.random() * 0.0004
    while time.perf_counter() < end:
        pass
"""


def picture(directory):
    """Everything about the folder that an intruder could have changed; any change of mode or attributes moves a ctime."""
    found = {}
    for path in [directory] + [os.path.join(directory, name) for name in sorted(os.listdir(directory))]:
        st = os.lstat(path)
        found[path] = (oct(st.st_mode), st.st_uid, st.st_gid, st.st_nlink, st.st_mtime_ns, st.st_ctime_ns, os.listxattr(path))
    return found


class Escape:
    user = None

    def setUp(self):
        self.top = tempfile.mkdtemp(prefix="dl-escape-", dir="/var/tmp")
        self.addCleanup(shutil.rmtree, self.top, True)
        os.chmod(self.top, 0o755)
        # Where the build lies an ordinary user may not come.
        program = shutil.copy(harness.program(), os.path.join(self.top, "daytona-local"))
        self.outside, state = os.path.join(self.top, "outside"), os.path.join(self.top, "state")
        os.mkdir(self.outside, 0o700)
        with open(os.path.join(self.outside, "secret"), "w") as file:
            file.write("the host's secret\n")
        os.chmod(file.name, 0o600)
        os.mkdir(state, 0o700)
        if self.user:
            for path in (self.outside, file.name, state):
                os.chown(path, self.user, self.user)
        self.before = picture(self.outside)
        try:
            self.server = harness.Server(state=state, exe=program, user=self.user, log=open(os.path.join(self.top, "log"), "w"))
        except RuntimeError as problem:
            self.skipTest("no sandboxes for this user: %s" % problem)

    def tearDown(self):
        server, self.server = getattr(self, "server", None), None
        if server:
            self.assertEqual(server.stop(), 0)

    def volume(self, name):
        answer = self.server.api("POST", "/volumes", {"name": name})
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json["id"]

    def run_in(self, sandbox, command):
        done = self.server.execute(sandbox["id"], command)
        self.assertEqual(done["exitCode"], 0, done)
        return done["result"]

    def swap_in(self, sandbox, pace):
        """Exchanges /v/sub for a link to the outside until the end of the sandbox."""
        self.run_in(sandbox, "mkdir -p /v/sub && ln -s %s /v/link" % self.outside)
        self.run_in(sandbox, "cat > ~/swap.py <<'END'\n%s\nEND\n(setsid python3 ~/swap.py /v/sub /v/link %s >~/swap.log 2>&1 &)"
                    % (SWAPPER, pace))

    def is_untouched(self):
        self.assertEqual(picture(self.outside), self.before)
        with open(os.path.join(self.outside, "secret")) as file:
            self.assertEqual(file.read(), "the host's secret\n")

    def create_and_look(self, volumes):
        """Whether it started; it looks for the secret and plants a file in what it was given."""
        answer = self.server.api("POST", "/sandbox", {"volumes": volumes})
        if answer.status != 200:
            self.assertEqual(answer.status, 400, answer.body)
            return False
        box = answer.json
        self.assertEqual(box["state"], "started", box)
        for mount in volumes:
            seen = self.server.execute(box["id"], "cat %s/secret; touch %s/planted-%s; true" % (mount["mountPath"], mount["mountPath"], box["id"]))
            self.assertNotIn("the host's secret", seen["result"])
        self.server.api("DELETE", "/sandbox/" + box["id"])
        return True

    def test_a_subpath_that_turns_into_a_link(self):
        volume = self.volume("v")
        attacker = self.server.create(volumes=[{"volumeId": volume, "mountPath": "/v"}])
        self.swap_in(attacker, "paused")
        mounts = [{"volumeId": volume, "mountPath": "/w", "subpath": "sub"}]
        started = 0
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            for has_started in pool.map(lambda _: self.create_and_look(mounts), range(CREATES)):
                started += has_started
        self.run_in(attacker, "pkill -f '[s]wap.py'")
        self.is_untouched()
        print("# %d of %d sandboxes started" % (started, CREATES), flush=True)
        self.assertLess(started, CREATES, "everything started: there was no race")
        # It was not refused for another reason: with a folder that stays it starts.
        self.run_in(attacker, "test ! -L /v/sub || (mv /v/sub /v/x && mv /v/link /v/sub)")
        self.assertTrue(self.create_and_look(mounts))

    def test_a_part_of_a_subpath_that_turns_into_a_link(self):
        """The folders that the server makes itself are not made elsewhere."""
        volume = self.volume("v")
        attacker = self.server.create(volumes=[{"volumeId": volume, "mountPath": "/v"}])
        self.swap_in(attacker, "fast")
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            made = [pool.submit(self.create_and_look, [{"volumeId": volume, "mountPath": "/w", "subpath": "sub/made-%d/more" % i}])
                    for i in range(CREATES // 5)]
            for future in made:
                future.result()
        self.is_untouched()

    def test_a_mount_point_below_another_volume(self):
        one, two = self.volume("one"), self.volume("two")
        attacker = self.server.create(volumes=[{"volumeId": one, "mountPath": "/v"}])
        self.run_in(attacker, "ln -s /oldroot%s /v/b" % self.outside)
        before = self.server.api("GET", "/sandbox").json
        for first, second in (("/v", "/v/b/made"), ("/v/", "/v/b"), ("/v", "/v"), ("//v", "/v/b"), ("/v/b/made", "/v"),
                              ("/home/daytona/v", "/home/daytona/v/x")):
            answer = self.server.api("POST", "/sandbox", {"volumes": [{"volumeId": one, "mountPath": first},
                                                                      {"volumeId": two, "mountPath": second}]})
            self.assertEqual(answer.status, 400, (first, second, answer.body))
            self.assertIn("volumes.", json.dumps(answer.json["message"]))
        self.assertEqual(self.server.api("GET", "/sandbox").json, before)
        beside = self.server.create(volumes=[{"volumeId": one, "mountPath": "/v"}, {"volumeId": two, "mountPath": "/va"},
                                             {"volumeId": two, "mountPath": "/home/daytona/v"}])
        self.run_in(beside, "echo x > /va/file && cat ~/v/file && rmdir /v/sub 2>/dev/null; test ! -e /v/file")
        self.is_untouched()

    def test_links_planted_where_a_volume_is_to_be_mounted(self):
        """In the home, for the next start of the same sandbox; and in a volume, as the subpath."""
        volume = self.volume("v")
        box = self.server.create(volumes=[{"volumeId": volume, "mountPath": "/home/daytona/a/b"},
                                          {"volumeId": volume, "mountPath": "/v"}])
        self.run_in(box, "echo here > ~/a/b/file; ln -s %s /v/out; ln -s /oldroot%s /v/old" % (self.outside, self.outside))
        for subpath in ("out", "old", "out/made", "old/made", "./out", "file", "file/made"):
            self.assertFalse(self.create_and_look([{"volumeId": volume, "mountPath": "/w", "subpath": subpath}]), subpath)
        # The way to a mount point may be shut; it is opened, since nobody inside could do it.
        self.run_in(box, "chmod 0 ~/a")
        self.server.api("POST", "/sandbox/%s/stop" % box["id"])
        self.server.wait(box["id"], "stopped")
        answer = self.server.api("POST", "/sandbox/%s/start" % box["id"])
        self.assertEqual(answer.status, 200, answer.body)
        self.run_in(box, "test $(cat ~/a/b/file) = here")
        # Where its own mount point lies it can still move the folder above it.
        self.run_in(box, "mv ~/a ~/moved && ln -s /oldroot%s ~/a" % self.outside)
        self.server.api("POST", "/sandbox/%s/stop" % box["id"])
        self.server.wait(box["id"], "stopped")
        answer = self.server.api("POST", "/sandbox/%s/start" % box["id"])
        self.assertEqual(answer.status, 400, answer.body)
        self.assertIn("/home/daytona/a/b", answer.json["message"])
        self.is_untouched()


@unittest.skipUnless(os.geteuid() == 0, "not root")
class Root(Escape, unittest.TestCase):
    pass


class User(Escape, unittest.TestCase):
    user = ORDINARY_USER if os.geteuid() == 0 else None


if __name__ == "__main__":
    harness.main()
