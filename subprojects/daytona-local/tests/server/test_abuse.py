# SPDX-License-Identifier: Apache-2.0
"""What a sandbox or a client with bad intent tries: secrets of the server's session."""
import ctypes
import os
import subprocess
import unittest

import harness

KEYCTL = {"x86_64": (248, 250), "aarch64": (217, 219)}.get(os.uname().machine)
JOIN_SESSION_KEYRING, SEARCH, READ, SESSION = 1, 10, 11, -3

READ_KEY = """python3 -c "
import ctypes
libc = ctypes.CDLL(None)
key = libc.syscall(%d, %d, %d, b'user', b'dl-test', 0)
text = ctypes.create_string_buffer(32)
print('found' if libc.syscall(%d, %d, key, text, 31) > 0 else 'nothing', text.value.decode())
" """


class Keyrings(unittest.TestCase):
    """The kernel's keyrings belong to no namespace: a session's must not be handed down."""

    def test_keys_of_the_session_stay_outside(self):
        if KEYCTL is None:
            self.skipTest("the numbers of the key calls are not known here")
        add, control = KEYCTL
        # A session of its own for this server, as a login makes one; this process ends with the tests.
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syscall(control, JOIN_SESSION_KEYRING, None) < 0 or libc.syscall(add, b"user", b"dl-test", b"the secret", 10, SESSION) < 0:
            self.skipTest("no keyrings here: " + os.strerror(ctypes.get_errno()))
        command = READ_KEY % (control, SEARCH, SESSION, control, READ)
        self.assertEqual(subprocess.run(command, shell=True, capture_output=True, text=True).stdout, "found the secret\n")
        server = harness.Server()
        try:
            box = server.create()["id"]
            self.assertEqual(server.execute(box, command)["result"], "nothing \n")
        finally:
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    harness.main()
