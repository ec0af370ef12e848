# SPDX-License-Identifier: Apache-2.0
"""Sandboxes that are there soon: the program that boxes run, and boxes that were booted before anybody asked."""
import os
import stat
import tempfile
import unittest

import harness


class Program(unittest.TestCase):
    """Boxes run a small copy of the toolbox that lies in the state directory."""

    def test_it_is_small_and_in_nobody_elses_reach(self):
        server = harness.Server()
        try:
            path = os.path.join(server.state, "run", "daytona-local")
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o555)
            self.assertEqual(stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode), 0o700)
            sandbox = server.create()["id"]
            libraries = server.execute(sandbox, "grep -ahoE 'lib(gnutls|curl|archive|ssh)[^ ]*[.]so[^ ]*' "
                                                "/run/daytona/toolbox; true")["result"]
            self.assertEqual(libraries, "")
            self.assertNotEqual(server.execute(sandbox, "echo >> /run/daytona/toolbox")["exitCode"], 0)
        finally:
            self.assertEqual(server.stop(), 0)

    def test_where_no_programs_may_lie(self):
        if os.geteuid() != 0 or harness.lacks("mount"):
            self.skipTest("mounts a file system")
        with tempfile.TemporaryDirectory(prefix="dl-test-") as place:
            state, script = os.path.join(place, "state"), os.path.join(place, "start")
            os.mkdir(state)
            with open(script, "w") as file:
                file.write("#!/bin/sh\nexec unshare --mount sh -c 'mount -t tmpfs -o noexec,mode=700 none %s && "
                           "exec %s \"$@\"' -- \"$@\"\n" % (state, harness.program()))
            os.chmod(script, 0o755)
            server = harness.Server(state=state, exe=script)
            try:
                self.assertEqual(server.execute(server.create()["id"], "echo there")["result"], "there\n")
                self.assertTrue(any("start more slowly" in line and "run/daytona-local" in line for line in server.lines), server.lines)
            finally:
                self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    harness.main()
