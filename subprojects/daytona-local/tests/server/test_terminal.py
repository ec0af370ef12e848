# SPDX-License-Identifier: Apache-2.0
"""The listeners that every sandbox of the platform has: a terminal in a browser, and what there is not."""
import json
import re
import time
import uuid

import harness
from ws_client import TEXT, Refused


class Terminal(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        box = cls.server.create(public=True)
        cls.box, cls.host = box["id"], "22222-%s.localhost" % box["id"]

    def open(self, **more):
        return self.server.websocket("/ws", host=self.host, **more)

    def expect(self, ws, pattern, limit=20):
        """Output up to `pattern`, which is always text."""
        seen, end = "", time.monotonic() + limit
        while not re.search(pattern, seen, re.S):
            self.assertLess(time.monotonic(), end, seen[-2000:])
            kind, data = ws.frame()
            self.assertEqual(kind, 1, data)
            seen += data.decode()
        return seen

    def test_the_page(self):
        answer = self.status(200, self.server.call("GET", "/", host=self.host))
        self.assertEqual(answer.headers["Content-Type"], "text/html; charset=utf-8")
        self.assertIn("frame-ancestors 'none'", answer.headers["Content-Security-Policy"])
        self.assertIn(b"<title>Terminal</title>", answer.body)
        self.assertEqual(self.server.call("GET", "/nothing", host=self.host).status, 404)
        self.assertEqual(self.server.call("GET", "/ws", host=self.host).status, 400)
        signed = self.server.api("GET", "/sandbox/%s/ports/22222/signed-preview-url" % self.box).json["token"]
        self.assertEqual(self.server.call("GET", "/preview/22222-%s/" % signed, key="").status, 200)
        self.assertEqual(self.server.call("GET", "/", host="22222-%s.localhost" % signed, key="").status, 200)

    def test_it_needs_a_credential(self):
        """Also where the sandbox is public: it is a shell."""
        self.assertEqual(self.server.call("GET", "/", host=self.host, key="").status, 401)
        self.assertRaises(Refused, self.open, key="")
        token = self.server.api("GET", "/sandbox/%s/ports/22222/preview-url" % self.box).json["token"]
        self.assertRaises(Refused, self.open, key="", headers=[("Cookie", "daytona-sandbox-auth-%s=%s" % (self.box, token)),
                                                               ("Origin", "https://elsewhere.example")])
        ws = self.server.websocket("/ws?DAYTONA_SANDBOX_AUTH_KEY=" + token, host=self.host, key="")
        self.expect(ws, r"\$ ")
        ws.close()

    def test_a_shell(self):
        ws = self.open()
        self.expect(ws, r"\$ ")
        ws.send(json.dumps({"rows": 31, "cols": 101}).encode(), TEXT)
        ws.send(b"stty size; pwd; echo $TERM\r", TEXT)
        seen = self.expect(ws, r"31 101\r\n.*\$ ")
        self.assertRegex(seen, r"31 101\r\n/\r\nxterm-256color\r\n")
        ws.send(b"{ echo in; }\r", TEXT)  # no JSON
        self.expect(ws, r"\nin\r\n|\rin\r\n")
        ws.send(b"printf '\\xe6\\xbc'; sleep 0.2; printf '\\xa2 \\xff\\xe6(\\n'\r", TEXT)
        self.expect(ws, "\u6f22 \ufffd\ufffd\\(\r\n")
        ws.send(b"exit\r", TEXT)
        self.assertEqual(ws.until_close()[1], 1000)

    def test_much_output(self):
        ws = self.open()
        self.expect(ws, r"\$ ")
        ws.send(b"stty -onlcr; seq 1 200000; echo e''nd\r", TEXT)
        time.sleep(0.5)
        seen = self.expect(ws, r"\nend\n", 60)
        self.assertIn("\n1\n" + "".join("%d\n" % i for i in range(2, 200001)), "\n" + seen.split("e''nd", 1)[1].replace("\r", "\n"))
        ws.close()

    def test_a_client_that_leaves(self):
        ws = self.open()
        self.expect(ws, r"\$ ")
        ws.send(b"exec sleep 4321\r", TEXT)
        harness.until(lambda: self.server.execute(self.box, "pgrep -f 'slee[p] 4321'")["exitCode"] == 0)
        ws.close()
        harness.until(lambda: self.server.execute(self.box, "pgrep -f 'slee[p] 4321'")["exitCode"] != 0)

    def test_recordings(self):
        """The page, its list, a video in parts, and what is deleted."""
        host = "33333-%s.localhost" % self.box

        def call(method, path, *more, **options):
            return self.server.call(method, path, *more, host=host, **options)
        self.assertEqual(call("GET", "/", key="").status, 401)
        self.assertIn(b"<title>Recordings</title>", self.status(200, call("GET", "/")).body)
        self.assertEqual(self.status(200, call("GET", "/api/recordings")).json, {"recordings": []})
        names = ["%s_session_2026%04d_101010.mp4" % (uuid.uuid4(), number) for number in (1101, 1102)]
        self.server.execute(self.box, "mkdir -p ~/.daytona/recordings; cd ~/.daytona/recordings; printf 0123456789 > %s; cp %s %s; "
                                      "echo other > other.mp4; ln -s /etc/hostname %s_x_y.mp4" % (names[0], names[0], names[1], uuid.uuid4()))
        found = call("GET", "/api/recordings").json["recordings"]
        self.assertEqual(sorted(item["fileName"] for item in found), sorted(names))
        self.assertEqual(call("GET", "/videos/" + names[0]).body, b"0123456789")
        part = call("GET", "/videos/" + names[0], headers={"Range": "bytes=2-4"})
        self.assertEqual((part.status, part.body, part.headers["Content-Type"]), (206, b"234", "video/mp4"))
        for name in ("other.mp4", "..%2f" + names[0], names[0][:36], "%2e%2e"):
            self.assertEqual(call("GET", "/videos/" + name).status, 404, name)
        ids = [name[:36] for name in names]
        answer = self.status(200, call("DELETE", "/api/recordings", {"ids": [ids[0], "none", 5]}))
        self.assertEqual(answer.json, {"deleted": [ids[0]], "failed": ["none", 5]})
        self.assertEqual([item["id"] for item in call("GET", "/api/recordings").json["recordings"]], [ids[1]])
        self.status(400, call("DELETE", "/api/recordings", raw=b"nonsense"))

    def test_other_listeners(self):
        answer = self.server.call("GET", "/", host="22220-%s.localhost" % self.box)
        self.assertEqual(answer.status, 501)
        self.assertIn("ssh-access", answer.json["message"])
        self.assertEqual(self.server.call("GET", "/", host="6080-%s.localhost" % self.box).status, 502)


if __name__ == "__main__":
    harness.main()
