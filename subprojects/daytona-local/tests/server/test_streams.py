# SPDX-License-Identifier: Apache-2.0
"""Terminals, log follows and interpreter runs as a client gets them: through the authenticating proxy, plain and over TLS
with a CA of our own, with every kind of credential, to a definite end."""
import json

import harness
from ws_client import BINARY, CLOSE, PING, PONG, TEXT, Refused

VERSION = ("Sec-WebSocket-Protocol", "X-Daytona-SDK-Version~0.205.1")


def to_the_end(ws):
    """Frames up to the end of the connection, however it comes. Its end is what this waits for."""
    frames = []
    try:
        while True:
            frames.append(ws.frame())
            if frames[-1][0] == CLOSE:
                ws.send(frames[-1][1][:2], CLOSE)
    except TimeoutError:
        raise  # still open: that is what must not be
    except (EOFError, OSError):
        return frames


class Streams(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.box = cls.server.create()["id"]
        cls.other = cls.server.create()["id"]
        cls.count = 0

    def token(self, box):
        return self.status(200, self.server.api("GET", "/sandbox/%s/ports/2280/preview-url" % box)).json["token"]

    def credentials(self):
        """(name, headers, query) of each kind that the proxy accepts."""
        token = self.token(self.box)
        return [("bearer", [("Authorization", "Bearer " + self.server.key)], ""),
                ("token header", [("X-Daytona-Preview-Token", token)], ""),
                ("query key", [], "DAYTONA_SANDBOX_AUTH_KEY=" + token),
                ("cookie", [("Cookie", "daytona-sandbox-auth-%s=%s" % (self.box, token))], ""),
                # A wrong one does not spoil a good one.
                ("wrong and good", [("Authorization", "Bearer wrong"), ("X-Daytona-Preview-Token", token)], "")]

    def call(self, method, path, headers, query, body=None):
        return self.server.call(method, "/toolbox/%s%s%s" % (self.box, path, "?" + query if query else ""), body, dict(headers), key="")

    def connect(self, path, headers=(), query="", box=None):
        target = "/toolbox/%s%s" % (box or self.box, path)
        return self.server.websocket(target + ("?" if "?" not in path else "&") * bool(query) + query, headers, key="")

    def name(self):
        Streams.count = getattr(Streams, "count", 0) + 1
        return "stream-%d" % Streams.count

    # ---- each kind of stream, from its beginning to its verdict ----

    def drive_terminal(self, headers, query):
        name = self.name()
        self.status(201, self.call("POST", "/process/pty", headers, query, {"id": name, "cols": 90, "rows": 33}))
        ws = self.connect("/process/pty/%s/connect" % name, headers, query)
        self.assertEqual(json.loads(ws.frame()[1]), {"type": "control", "status": "connected"})
        self.status(200, self.call("POST", "/process/pty/%s/resize" % name, headers, query, {"cols": 91, "rows": 34}))
        ws.send("stty size; exit 7\n")
        frames, code, reason = ws.until_close()
        self.assertIn(b"34 91", b"".join(data for opcode, data in frames if opcode == BINARY))
        self.assertEqual((code, json.loads(reason)), (1011, {"exitCode": 7, "exitReason": "non-zero exit"}))

    def drive_create_connect(self, headers, query):
        ws = self.connect("/process/pty/create-connect?id=%s&cols=61&rows=17" % self.name(),
                          [*headers, ("Sec-WebSocket-Protocol", "X-Daytona-SDK-Version~0.205.1, X-Daytona-Pty-Exit-Control")], query)
        self.assertEqual(json.loads(ws.frame()[1])["status"], "connected")
        ws.send("stty size; exit\n")
        frames, code, _ = ws.until_close()
        self.assertIn(b"17 61", b"".join(data for opcode, data in frames if opcode == BINARY))
        self.assertEqual((code, json.loads(frames[-1][1])), (1000, {"type": "control", "status": "exited", "exitCode": 0}))

    def drive_follow(self, headers, query):
        name = self.name()
        self.status(201, self.call("POST", "/process/session", headers, query, {"sessionId": name}))
        answer = self.call("POST", "/process/session/%s/exec" % name, headers, query,
                           {"command": "read line; echo got $line; echo err >&2; exit 3", "runAsync": True})
        command = self.status(202, answer).json["cmdId"]
        path = "/process/session/%s/command/%s" % (name, command)
        ws = self.connect(path + "/logs?follow=true", [*headers, VERSION], query)
        self.assertEqual(ws.headers["sec-websocket-protocol"], VERSION[1])
        ws.send("?", PING)
        self.assertEqual(ws.frame(), (PONG, b"?"))
        self.status(204, self.call("POST", path + "/input", headers, query, {"data": "hello"}))
        frames, code, reason = ws.until_close()
        log = b"".join(data for _, data in frames)
        for record in (b"\1\1\1hello\n", b"\1\1\1got hello\n", b"\2\2\2err\n"):
            self.assertIn(record, log)
        self.assertEqual((code, reason, {opcode for opcode, _ in frames}), (1000, "", {BINARY}))
        self.status(204, self.call("DELETE", "/process/session/" + name, headers, query))

    def drive_interpreter(self, headers, query):
        context = self.status(200, self.call("POST", "/process/interpreter/context", headers, query, {})).json["id"]
        for code, out in (("x = 20", []), ("print(x + 1)", ["21\n"])):
            ws = self.connect("/process/interpreter/execute", headers, query)
            ws.send(json.dumps({"code": code, "contextId": context}), TEXT)
            frames, code, _ = ws.until_close()
            self.assertEqual([m["text"] for m in map(json.loads, (data for _, data in frames))], [*out, "completed"])
            self.assertEqual(code, 1000)
        ws = self.connect("/process/interpreter/execute", headers, query)
        ws.send(json.dumps({"code": "import time; time.sleep(60)", "contextId": context, "timeout": 1}), TEXT)
        self.assertEqual(ws.until_close()[1], 4008)
        self.status(200, self.call("DELETE", "/process/interpreter/context/" + context, headers, query))

    # ---- who gets in ----

    def test_every_credential_opens_every_stream(self):
        for kind, headers, query in self.credentials():
            for drive in (self.drive_terminal, self.drive_create_connect, self.drive_follow, self.drive_interpreter):
                with self.subTest(credential=kind, stream=drive.__name__):
                    drive(headers, query)

    def test_without_a_credential_nothing_opens(self):
        foreign = self.token(self.other)
        name = self.name()
        refused = [("none", [], ""), ("wrong key", [("Authorization", "Bearer wrong")], ""),
                   ("wrong scheme", [("Authorization", "Basic " + self.server.key)], ""),
                   ("wrong token", [("X-Daytona-Preview-Token", "wrong")], ""), ("another's token", [("X-Daytona-Preview-Token", foreign)], ""),
                   ("another's query", [], "DAYTONA_SANDBOX_AUTH_KEY=" + foreign), ("empty query", [], "DAYTONA_SANDBOX_AUTH_KEY="),
                   ("cookie of another", [("Cookie", "daytona-sandbox-auth-%s=%s" % (self.other, foreign))], ""),
                   # No credential travels in a sub-protocol.
                   ("sub-protocol", [("Sec-WebSocket-Protocol", "X-Daytona-Preview-Token~%s, X-Daytona-SDK-Version~0.205.1" % self.token(self.box))], "")]
        for kind, headers, query in refused:
            for path in ("/process/pty/create-connect?id=" + name, "/process/pty/x/connect", "/process/interpreter/execute",
                         "/process/session/x/command/y/logs?follow=true"):
                with self.subTest(credential=kind, path=path):
                    with self.assertRaises(Refused) as caught:
                        self.connect(path, headers, query)
                    self.assertEqual(caught.exception.status, 401)
                    self.assertEqual(json.loads(caught.exception.body)["statusCode"], 401)
        # Nothing was carried out.
        self.status(404, self.server.call("GET", "/toolbox/%s/process/pty/%s" % (self.box, name)))

    def test_the_programs_do_not_see_the_credential(self):
        # What a program behind a preview is told of the request.
        self.server.execute(self.box, "setsid python3 -c \"import socket; s = socket.create_server(('127.0.0.1', 8101)); open('up', 'w'); "
                                      "c = s.accept()[0]; open('head', 'wb').write(c.recv(65536)); c.close(); open('seen', 'w')\" "
                                      "< /dev/null > /dev/null 2>&1 & while ! test -e up; do sleep 0.01; done")
        with self.assertRaises((Refused, EOFError, OSError)):
            self.server.websocket("/preview/8101-%s/ws?a=b&DAYTONA_SANDBOX_AUTH_KEY=%s" % (self.box, self.token(self.box)),
                                  [("X-Daytona-Preview-Token", "wrong")], key="")
        head = self.server.execute(self.box, "while ! test -e seen; do sleep 0.01; done; cat head")["result"]
        self.assertIn("GET /ws?a=b HTTP/1.1", head)
        self.assertIn("Upgrade: websocket", head)
        self.assertNotIn("Preview-Token", head)

    def test_the_preview_of_the_toolbox_port(self):
        name, token = self.name(), self.token(self.box)
        for headers in ([("X-Daytona-Preview-Token", token)], [("Cookie", "daytona-sandbox-auth-%s=%s" % (self.box, token))]):
            ws = self.server.websocket("/process/pty/create-connect?id=" + name, headers, key="", host="2280-%s.localhost" % self.box)
            self.assertEqual(json.loads(ws.frame()[1])["status"], "connected")
            ws.send("exit\n")
            self.assertEqual(ws.until_close()[1], 1000)
        with self.assertRaises(Refused) as caught:
            self.server.websocket("/process/pty/create-connect?id=" + name, key="", host="2280-%s.localhost" % self.box)
        self.assertEqual(caught.exception.status, 401)

    def test_much_in_both_directions(self):
        """Back-pressure holds on the whole way: nothing is lost, nothing is cut off."""
        name = self.name()
        key = [("Authorization", "Bearer " + self.server.key)]
        self.status(201, self.call("POST", "/process/pty", key, "", {"id": name}))
        ws = self.connect("/process/pty/%s/connect" % name, key)
        ws.frame()
        ws.send("stty -echo -icanon -onlcr; echo rea''dy\n")
        got = b""
        while b"ready\n" not in got:
            got += ws.frame()[1]
        ws.send("head -c 2000000 | tr p q; exit 9\n")
        # One thread, because a TLS session must not be used by two: it sends ahead of what it has got back.
        count = 0
        for sent in range(0, 2000000, 50000):
            ws.send(b"p" * 50000)
            while count < sent - 250000:
                count += ws.frame()[1].count(b"q")
        frames, code, _ = ws.until_close()
        self.assertEqual((count + b"".join(data for _, data in frames).count(b"q"), code), (2000000, 1011))

    # ---- the end of the sandbox ----

    def open_all(self, box):
        key = [("Authorization", "Bearer " + self.server.key)]

        def call(path, body, status):
            return self.status(status, self.server.call("POST", "/toolbox/%s%s" % (box, path), body))
        terminal = self.connect("/process/pty/create-connect?id=t", key, box=box)
        self.assertEqual(json.loads(terminal.frame()[1])["status"], "connected")
        call("/process/session", {"sessionId": "s"}, 201)
        command = call("/process/session/s/exec", {"command": "echo go; trap '' TERM; sleep 4720", "runAsync": True}, 202).json["cmdId"]
        follow = self.connect("/process/session/s/command/%s/logs?follow=true" % command, [*key, VERSION], box=box)
        self.assertEqual(follow.frame(), (BINARY, b"\1\1\1go\n"))
        run = self.connect("/process/interpreter/execute", key, box=box)
        run.send('{"code": "print(1)\\nimport time, signal\\nsignal.signal(2, signal.SIG_IGN)\\ntime.sleep(4720)"}', TEXT)
        self.assertEqual(json.loads(run.frame()[1])["text"], "1\n")
        body = self.server.connection()
        body.request("GET", "/toolbox/%s/process/session/s/command/%s/logs?follow=true" % (box, command),
                     headers=dict(key))
        answer = body.getresponse()
        self.assertEqual(answer.read(3), b"go\n")
        return [terminal, follow, run], answer

    def check_all_end(self, box, end):
        sockets, answer = self.open_all(box)
        end(box)
        for ws in sockets:
            self.assertLessEqual([opcode for opcode, _ in to_the_end(ws)].count(CLOSE), 1)
            ws.close()
        try:
            answer.read()
        except Exception as error:
            self.assertNotIsInstance(error, TimeoutError)
        self.assertEqual([line for _, line in harness.processes() if line == "sleep 4720"], [])

    def test_stopping_the_sandbox_ends_them(self):
        box = self.server.create()["id"]
        self.check_all_end(box, lambda box: (self.status(200, self.server.api("POST", "/sandbox/%s/stop" % box)), self.server.wait(box, "stopped")))
        with self.assertRaises(Refused) as caught:
            self.connect("/process/interpreter/execute", [("Authorization", "Bearer " + self.server.key)], box=box)
        self.assertEqual(caught.exception.status, 400)
        # And it can begin anew.
        self.status(200, self.server.api("POST", "/sandbox/%s/start" % box))
        self.server.wait(box, "started")
        self.check_all_end(box, lambda box: (self.status(200, self.server.api("DELETE", "/sandbox/" + box)), self.server.wait(box, 404, "destroyed")))

    def test_a_sandbox_that_fails_ends_them(self):
        box = self.server.create()["id"]
        self.check_all_end(box, lambda box: self.status(200, self.server.call("PUT", "/admin/sandbox/%s/state" % box, {"state": "error", "errorReason": "x"})))


class StreamsOverTls(Streams):
    over_tls = True


if __name__ == "__main__":
    harness.main()
