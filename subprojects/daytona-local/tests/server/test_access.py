# SPDX-License-Identifier: Apache-2.0
"""Ways in: toolbox proxy, previews with every kind of token, keys and limits, SSH tokens, upgrades."""
import base64
import hashlib
import hmac
import os
import re
import socket
import subprocess
import tempfile
import urllib.parse

import harness
from ws_client import Refused

ECHO = r"""
import http.server, sys, socketserver
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        if self.path.startswith('/headers'):
            body = str(self.headers).encode() + self.path.encode()
            self.send_response(200); self.send_header('Content-Length', str(len(body))); self.end_headers(); self.wfile.write(body)
            return
        if self.path.startswith('/to/'):
            self.send_response(302); self.send_header('Location', self.path[4:].replace('HOST', self.headers['Host'])); self.send_header('Content-Length', '0'); self.end_headers()
            return
        if self.headers.get('Upgrade'):
            self.send_response(101); self.send_header('Upgrade', 'echo'); self.send_header('Connection', 'Upgrade'); self.end_headers()
            while True:
                data = self.connection.recv(65536)
                if not data: break
                self.connection.sendall(data)
            self.close_connection = True
            return
        body = ('%s %s auth=%s host=%s fwd=%s' % (self.command, self.path, self.headers.get('Authorization'), self.headers.get('Host'), self.headers.get('X-Forwarded-Host'))).encode()
        self.send_response(200); self.send_header('Content-Length', str(len(body))); self.send_header('Set-Cookie', 'a=1'); self.send_header('Set-Cookie', 'b=2'); self.end_headers()
        if self.command != 'HEAD': self.wfile.write(body)
    do_HEAD = do_GET
    def do_POST(self):
        left, total = int(self.headers.get('Content-Length') or -1), 0
        if left >= 0:
            while left: n = len(self.rfile.read(min(left, 65536))); left -= n; total += n
        else:
            while True:
                n = int(self.rfile.readline(), 16); self.rfile.read(n); self.rfile.readline(); total += n
                if n == 0: break
        self.send_response(200); self.send_header('Transfer-Encoding', 'chunked'); self.end_headers()
        block = b'z' * 65536
        left = total
        while left:
            part = block[:min(left, 65536)]; left -= len(part)
            self.wfile.write(b'%x\r\n' % len(part) + part + b'\r\n')
        self.wfile.write(b'0\r\n\r\n')
    def log_message(self, *a): pass
class S(socketserver.ThreadingMixIn, http.server.HTTPServer): daemon_threads = True
S(('127.0.0.1', 8000), H).serve_forever()
"""


class Previews(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.box = cls.server.create(name="web", autoStopInterval=0)["id"]
        cls.serve(cls.box)
        cls.token = cls.server.api("GET", "/sandbox/web/ports/8000/preview-url").json["token"]

    @classmethod
    def serve(cls, box):
        code = base64.b64encode(ECHO.encode()).decode()
        cls.server.execute(box, "echo %s | base64 -d > s.py; (setsid python3 s.py &) </dev/null >/dev/null 2>&1; "
                                "for i in $(seq 500); do python3 -c \"import socket;socket.create_connection(('127.0.0.1',8000))\" "
                                "2>/dev/null && break; done" % code)

    def get(self, path="/", label=None, headers=None, key="", method="GET", raw=None):
        host = "%s.localhost:%d" % (label or "8000-" + self.box, self.server.port)
        return self.server.call(method, path, headers=headers, key=key, host=host, raw=raw)

    def test_url_names_the_port_and_the_sandbox(self):
        answer = self.server.api("GET", "/sandbox/web/ports/8000/preview-url").json
        self.assertEqual(answer["url"], "http://8000-%s.localhost:%d" % (self.box, self.server.port))
        self.assertEqual(answer["sandboxId"], self.box)
        for port in ("0", "65536", "x", "-1"):
            self.status(400, self.server.api("GET", "/sandbox/web/ports/%s/preview-url" % port))

    def test_every_kind_of_credential(self):
        self.status(401, self.get())
        self.status(401, self.get(headers={"X-Daytona-Preview-Token": "wrong"}))
        self.status(200, self.get(headers={"X-Daytona-Preview-Token": self.token}))
        self.status(200, self.get(key=self.server.key))
        self.status(200, self.get("/?DAYTONA_SANDBOX_AUTH_KEY=" + self.token))

    def test_what_the_program_sees(self):
        answer = self.get("/a%2Fb//c?x=%20y&DAYTONA_SANDBOX_AUTH_KEY=" + self.token, headers={"Authorization": "Bearer app"})
        self.assertIn(b"GET /a%2Fb//c?x=%20y auth=Bearer app", answer.body)
        self.assertEqual(answer.headers.get_all("Set-Cookie"), ["a=1", "b=2"])
        self.assertIn(b"auth=None", self.get(key=self.server.key).body)
        self.assertIn(("fwd=8000-%s.localhost:%d" % (self.box, self.server.port)).encode(), self.get(key=self.server.key).body)

    def test_path_form(self):
        answer = self.server.call("GET", "/preview/8000-%s/deep/path?q=1" % self.box)
        self.assertIn(b"GET /deep/path?q=1", self.status(200, answer).body)

    def test_redirects_lead_back_to_the_preview(self):
        """A program knows itself as localhost:PORT, and a browser does not."""
        by_path = "/preview/8000-" + self.box
        for to, seen, below in (("http://HOST/new", "/new", by_path + "/new"), ("https://HOST/new?q=1", "/new?q=1", by_path + "/new?q=1"),
                                ("http://127.0.0.1:8000", "/", by_path + "/"), ("http://HOST?q", "/?q", by_path + "/?q"),
                                ("http://HOST//evil.example", "/.//evil.example", by_path + "/.//evil.example"),
                                ("http://localhost:8001/x", "http://localhost:8001/x", "http://localhost:8001/x"),
                                ("http://localhost:80001/x", "http://localhost:80001/x", "http://localhost:80001/x"),
                                ("https://example.com/x", "https://example.com/x", "https://example.com/x"), ("x/y", "x/y", "x/y")):
            with self.subTest(to=to):
                self.assertEqual(self.status(302, self.get("/to/" + to, key=self.server.key)).headers["Location"], seen)
                answer = self.server.call("GET", "/preview/8000-%s/to/%s" % (self.box, to))
                self.assertEqual(self.status(302, answer).headers["Location"], below)

    def test_head_and_large_bodies_stream(self):
        answer = self.get(key=self.server.key, method="HEAD")
        self.assertEqual((answer.status, answer.body), (200, b""))
        size = 100 * 1024 * 1024
        with open("/proc/%d/status" % self.server.process.pid) as file:
            before = int(re.search(r"VmHWM:\s+(\d+) kB", file.read()).group(1))
        answer = self.get(key=self.server.key, method="POST", raw=b"x" * size)
        self.assertEqual(len(self.status(200, answer).body), size)
        with open("/proc/%d/status" % self.server.process.pid) as file:
            peak = int(re.search(r"VmHWM:\s+(\d+) kB", file.read()).group(1))
        with open("/proc/%d/maps" % self.server.process.pid) as file:
            if "libasan" not in file.read():  # it keeps what was freed
                self.assertLess(peak - before, 16 * 1024)

    # ---- no credential of ours reaches the program ----

    def signed(self):
        return self.server.api("GET", "/sandbox/web/ports/8000/signed-preview-url?expiresInSeconds=3600").json["token"]

    def seen(self, path="/headers", **more):
        """The request head as the program has it."""
        return self.status(200, self.get(path, **more)).body.decode()

    def test_no_key_reaches_the_program(self):
        cookie = {"Cookie": "daytona-sandbox-auth-%s=%s" % (self.box, self.token)}
        for name, how in (("signed host", {"label": "8000-" + self.signed()}), ("key", {}),
                          ("token", {"headers": {"X-Daytona-Preview-Token": self.token}}), ("cookie", {"headers": cookie}),
                          ("query", {"path": "/headers?DAYTONA_SANDBOX_AUTH_KEY=" + self.token})):
            for value in ("Bearer " + self.server.key, "bearer  " + self.server.key, "Basic " + self.server.key):
                with self.subTest(credential=name, value=value):
                    headers = {**how.get("headers", {}), "Authorization": value}
                    if name == "key" and value.startswith("Basic"):
                        continue
                    self.assertNotIn(self.server.key, self.seen(**{**how, "headers": headers}))
        # The program's own stays.
        self.assertIn("Authorization: Bearer app", self.seen(label="8000-" + self.signed(), headers={"Authorization": "Bearer app"}))

    def test_no_token_reaches_the_program(self):
        ours = "DAYTONA_SANDBOX_AUTH_KEY=" + self.token
        headers = {"X-Daytona-Preview-Token": self.token, "Referer": "http://a/b?x=1&%s&y=2" % ours,
                   "Cookie": "a=1; daytona-sandbox-auth-%s=%s; b=2" % (self.box, self.token)}
        for name, how in (("key", {"key": self.server.key}), ("signed host", {"label": "8000-" + self.signed()}), ("token", {})):
            for query in (ours, "DAYTONA%5FSANDBOX_AUTH_KEY=" + self.token, "DAYTONA_SANDBOX_AUTH_KEY=other&" + ours):
                with self.subTest(credential=name, query=query):
                    seen = self.seen("/headers?q=%201&" + query + "&r", headers=dict(headers), **how)
                    self.assertNotIn(self.token, seen)
                    self.assertTrue(seen.endswith("/headers?q=%201&r"), seen)
                    self.assertIn("Cookie: a=1; b=2\n", seen)
                    self.assertIn("Referer: http://a/b?x=1&y=2\n", seen)
        self.assertIn("&signature=s&expires=e", self.seen("/headers?a&signature=s&expires=e", key=self.server.key))
        # With nothing left, there is no header.
        self.assertNotIn("Cookie", self.seen(key=self.server.key, headers={"Cookie": "daytona-sandbox-auth-x=y"}))

    # ---- what a client says about itself ----

    def test_forwarding_headers_are_ours(self):
        lies = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher", "X-Forwarded-For": "6.6.6.6", "Forwarded": "for=6.6.6.6",
                "X-Real-IP": "6.6.6.6", "X_Forwarded_Host": "evil.example", "X-Forwarded-Port": "666"}
        seen = self.seen(key=self.server.key, headers=lies).lower()
        for lie in ("evil", "gopher", "6.6.6", "666"):
            self.assertNotIn(lie, seen)
        self.assertIn("x-forwarded-for: 127.0.0.1\n", seen)
        self.assertIn("x-forwarded-host: 8000-%s.localhost:%d\n" % (self.box, self.server.port), seen)
        self.assertIn("x-forwarded-proto: http\n", seen)

    # ---- cookies and pages ----

    def upgrade(self, origin, headers=()):
        """The answer's status to a handshake for a WebSocket that a page of `origin` begins."""
        host = "8000-%s.localhost:%d" % (self.box, self.server.port)
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=20) as s:
            lines = ["GET /ws HTTP/1.1", "Host: " + host, "Connection: Upgrade", "Upgrade: echo",
                     *([] if origin is None else ["Origin: " + origin]), *headers]
            s.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            head = b""
            while b"\r\n" not in head:
                head += s.recv(4096)
            return int(head.split(b" ")[1])

    def test_a_cookie_counts_for_pages_of_the_same_origin(self):
        host = "8000-%s.localhost:%d" % (self.box, self.server.port)
        cookie = "Cookie: daytona-sandbox-auth-%s=%s" % (self.box, self.token)
        for origin in ("http://evil.example", "http://localhost:%d" % self.server.port, "https://" + host, "http://8001-" + host[5:],
                       "null", "", "http://" + host + ".evil.example", "http://%s:1" % host):
            with self.subTest(origin=origin):
                self.assertEqual(self.upgrade(origin, [cookie]), 403)
                headers = {"Cookie": cookie[8:], "Origin": origin}
                self.status(403, self.get(method="POST", raw=b"x", headers=headers))
                # Another credential is no browser's.
                self.assertEqual(self.upgrade(origin, [cookie, "X-Daytona-Preview-Token: " + self.token]), 101)
                # A page cannot read what it may not, so reading is left alone.
                self.status(200, self.get(headers=headers))
        for origin in ("http://" + host, None):
            self.assertEqual(self.upgrade(origin, [cookie]), 101)
        self.assertEqual(self.upgrade(None, [cookie, "Sec-Fetch-Site: cross-site"]), 403)
        self.assertEqual(self.upgrade(None, [cookie, "Sec-Fetch-Site: same-origin"]), 101)

    def test_a_cookie_is_found_behind_others_of_its_name(self):
        """Another host of the domain, or a program on another port, can set one of the same name."""
        name = "daytona-sandbox-auth-%s" % self.box
        for cookies in ("%s=tossed; %s=%s", "%s=; %s=%s", "x%s=tossed;%s=%s"):
            with self.subTest(cookies=cookies):
                self.status(200, self.get(headers={"Cookie": cookies % (name, name, self.token)}))
        for cookies in ("x%s=%s", "%s=%sx", "%s=x%s"):
            with self.subTest(cookies=cookies):
                self.assertNotEqual(self.get(headers={"Cookie": cookies % (name, self.token)}).status, 200)

    def test_a_cookie_from_elsewhere_opens_no_toolbox(self):
        path = "/toolbox/%s/process/pty/create-connect?id=origin" % self.box
        cookie = ("Cookie", "daytona-sandbox-auth-%s=%s" % (self.box, self.token))
        with self.assertRaises(Refused) as caught:
            self.server.websocket(path, [cookie, ("Origin", "http://8000-%s.localhost:%d" % (self.box, self.server.port))], key="")
        self.assertEqual(caught.exception.status, 403)
        answer = self.server.call("POST", "/toolbox/%s/process/execute" % self.box, {"command": "touch from-elsewhere"}, key="",
                                  headers=dict([cookie, ("Origin", "http://evil.example")]))
        self.status(403, answer)
        self.assertEqual(self.server.execute(self.box, "test -e from-elsewhere")["exitCode"], 1)

    def test_nothing_listens(self):
        self.assertEqual(self.get(label="8001-" + self.box, key=self.server.key).status, 502)
        self.assertIn(self.get(label="8000-nothing", key=self.server.key).status, (401, 404))
        self.assertEqual(self.get(label="0-" + self.box, key=self.server.key).status, 404)

    def test_signed_urls(self):
        def signed(query=""):
            return self.server.api("GET", "/sandbox/web/ports/8000/signed-preview-url" + query)
        for bad in ("0", "86401", "x", "1.5"):
            self.status(400, signed("?expiresInSeconds=" + bad))
        one, two = signed().json, signed("?expiresInSeconds=86400").json
        self.assertRegex(one["token"], r"^[a-z0-9]{16}$")
        self.assertEqual(one["port"], 8000)
        self.assertEqual(one["url"], "http://8000-%s.localhost:%d" % (one["token"], self.server.port))
        self.status(200, self.get(label="8000-" + one["token"]))
        self.status(401, self.get(label="8001-" + one["token"]))
        self.server.jump(2)
        self.status(401, self.get(label="8000-" + one["token"]))
        self.status(200, self.get(label="8000-" + two["token"]))
        expire = "/sandbox/web/ports/8000/signed-preview-url/%s/expire"
        self.assertEqual(self.status(200, self.server.api("POST", expire % two["token"])).body, b"")
        self.status(200, self.server.api("POST", expire % "unknown"))
        self.status(401, self.get(label="8000-" + two["token"]))

    def test_public_sandbox_needs_no_token(self):
        box = self.server.create(public=True, autoStopInterval=0)["id"]
        self.serve(box)
        self.status(200, self.get(label="8000-" + box))
        self.status(401, self.get(label="2280-" + box))
        self.status(200, self.get("/version", label="2280-" + box, key=self.server.key))

    def test_upgrade_is_relayed_both_ways(self):
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=20) as s:
            s.sendall(("GET /ws HTTP/1.1\r\nHost: 8000-%s.localhost\r\nAuthorization: Bearer %s\r\nConnection: Upgrade\r\n"
                       "Upgrade: echo\r\n\r\n" % (self.box, self.server.key)).encode())
            head = b""
            while b"\r\n\r\n" not in head:
                head += s.recv(4096)
            self.assertIn(b" 101 ", head)
            sent, got = hashlib.sha256(), hashlib.sha256()
            for i in range(50):
                block = bytes([i]) * 40000
                s.sendall(block)
                sent.update(block)
                left = len(block)
                while left:
                    part = s.recv(left)
                    self.assertTrue(part)
                    got.update(part)
                    left -= len(part)
            self.assertEqual(sent.hexdigest(), got.hexdigest())


    def test_upgrade_is_broken_at_a_byte(self):
        for action in ("truncate", "reset"):
            self.server.fault(action=action, after_bytes=1000, match={"target": "preview"})
            with socket.create_connection(("127.0.0.1", self.server.port), timeout=20) as s:
                s.sendall(("GET /ws HTTP/1.1\r\nHost: 8000-%s.localhost\r\nAuthorization: Bearer %s\r\nConnection: Upgrade\r\n"
                           "Upgrade: echo\r\n\r\n" % (self.box, self.server.key)).encode())
                s.sendall(b"q" * 3000)
                got = b""
                try:
                    while True:
                        part = s.recv(4096)
                        if not part:
                            break
                        got += part
                    self.assertEqual(action, "truncate")
                except ConnectionResetError:
                    self.assertEqual(action, "reset")
                if action == "truncate":
                    self.assertEqual(len(got.split(b"\r\n\r\n", 1)[1]), 1000)


class BehindAProxy(harness.Case):
    options = ("--trusted-proxy", "127.0.0.1", "--trusted-proxy", "::1", "--allow-origin", "https://app.example")
    serve, get = Previews.__dict__["serve"], Previews.get

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.box = cls.server.create(name="web", autoStopInterval=0)["id"]
        cls.serve(cls.box)
        cls.token = cls.server.api("GET", "/sandbox/web/ports/8000/preview-url").json["token"]

    def test_a_listed_proxy_is_believed(self):
        told = {"X-Forwarded-Host": "app.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "10.1.1.1"}
        seen = self.status(200, self.get("/headers", key=self.server.key, headers=told)).body.decode()
        for line in ("X-Forwarded-Host: app.example", "X-Forwarded-Proto: https", "X-Forwarded-For: 10.1.1.1, 127.0.0.1"):
            self.assertEqual(seen.count(line + "\n"), 1, seen)
        self.assertEqual(seen.count("X-Forwarded"), 3)
        cookie = {"Cookie": "daytona-sandbox-auth-%s=%s" % (self.box, self.token), **told}
        self.status(200, self.get(method="POST", raw=b"x", headers={**cookie, "Origin": "https://app.example"}))
        self.status(403, self.get(method="POST", raw=b"x", headers={**cookie, "Origin": "http://app.example"}))

    def test_what_it_leaves_out_is_ours(self):
        seen = self.status(200, self.get("/headers", key=self.server.key)).body.decode()
        self.assertIn("X-Forwarded-Host: 8000-", seen)
        self.assertIn("X-Forwarded-For: 127.0.0.1\n", seen)

    def test_pages_that_may_call(self):
        own = "http://127.0.0.1:%d" % self.server.port
        ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        for origin in ("http://localhost:3000", "http://localhost", "https://127.0.0.1:8443", "http://[::1]:3000", "http://web.localhost:1",
                       "https://app.example", own):
            answer = self.server.call("OPTIONS", "/api/sandbox", headers={**ask, "Origin": origin}, key="")
            self.status(204, answer)
            self.assertEqual(answer.headers["Access-Control-Allow-Origin"], origin)
            self.assertEqual(answer.headers["Access-Control-Allow-Headers"], "authorization")
            self.assertIsNone(answer.headers["Access-Control-Allow-Credentials"])
            answer = self.status(200, self.server.api("GET", "/sandbox", headers={"Origin": origin}))
            self.assertEqual((answer.headers["Access-Control-Allow-Origin"], answer.headers["Vary"]), (origin, "Origin"))
        for origin in ("http://evil.example", "null", "http://localhost.evil.example", "http://notlocalhost", "http://localhost:80x",
                       "http://8000-%s.localhost:%d" % (self.box, self.server.port), "http://app.example", "https://app.example:444",
                       "ftp://localhost", "localhost", "http://[::1].evil.example"):
            with self.subTest(origin=origin):
                for path in ("/api/sandbox", "/toolbox/%s/version" % self.box):
                    answer = self.status(204, self.server.call("OPTIONS", path, headers={**ask, "Origin": origin}, key=""))
                    self.assertEqual([name for name in answer.headers if name.lower().startswith("access-control")], [])
                    self.assertEqual(answer.headers["Vary"], "Origin")
                    answer = self.server.call("GET", path, headers={"Origin": origin})
                    self.assertIsNone(self.status(200, answer).headers["Access-Control-Allow-Origin"])

    def test_options_that_cannot_be(self):
        for option in (["--trusted-proxy", "localhost"], ["--trusted-proxy", "10.0.0.0/8"], ["--allow-origin", "app.example"],
                       ["--allow-origin", "https://app.example/"], ["--allow-origin", "*"], ["--allow-origin", "https://App.example"],
                       ["--key", "a\x01b"], ["--jwt-token", ""]):
            done = subprocess.run([harness.program(), "serve", *option], capture_output=True, text=True, timeout=30)
            self.assertEqual(done.returncode, 2, option)
            self.assertIn(option[0] + " must", done.stderr)


class Toolbox(harness.Case):
    options = harness.SSH

    def test_credentials_and_errors(self):
        box = self.server.create()["id"]
        path = "/toolbox/%s/version" % box
        self.status(200, self.server.call("GET", path))
        for key in ("", "wrong"):
            answer = self.status(401, self.server.call("GET", path, key=key)).json
            self.assertEqual((answer["source"], answer["code"], answer["method"]), ("DAYTONA_PROXY", "UNAUTHORIZED", "GET"))
        token = self.server.api("GET", "/sandbox/%s/ports/1/preview-url" % box).json["token"]
        self.status(200, self.server.call("GET", path, key="", headers={"X-Daytona-Preview-Token": token}))
        self.status(200, self.server.call("GET", path + "?DAYTONA_SANDBOX_AUTH_KEY=" + token, key=""))
        self.status(404, self.server.call("GET", "/toolbox/%s" % box))
        self.status(404, self.server.call("GET", "/toolbox/none/version"))
        self.status(401, self.server.call("GET", "/toolbox/none/version", key="wrong"))

    def test_urls_and_signing_key(self):
        box = self.server.create(name="u")["id"]
        self.assertEqual(self.server.api("GET", "/sandbox/%s/toolbox-proxy-url" % box).json["url"],
                         "http://127.0.0.1:%d/toolbox" % self.server.port)
        self.status(404, self.server.api("GET", "/sandbox/u/toolbox-proxy-url"))
        key = self.status(200, self.server.api("GET", "/sandbox/%s/signing-key" % box))
        self.assertTrue(key.headers["Content-Type"].startswith("text/plain"))
        self.assertRegex(key.body, rb"^[A-Za-z][A-Za-z0-9]+$")
        rotated = self.status(200, self.server.api("POST", "/sandbox/%s/signing-key/rotate" % box)).body
        self.assertNotEqual(rotated, key.body)
        self.assertEqual(self.server.api("GET", "/sandbox/%s/signing-key" % box).body, rotated)

    def test_signed_file_urls(self):
        box = self.server.create()["id"]
        key = self.server.api("GET", "/sandbox/%s/signing-key" % box).body

        def call(method="GET", path="/home/daytona/a b", expires="0", endpoint="download", signed=None, query=None):
            text = "v1:files:%s:%s:%s" % (signed or method, path, expires)
            signature = "v1_" + base64.urlsafe_b64encode(hmac.new(key, text.encode(), "sha256").digest()).decode().rstrip("=")
            query = query or "path=" + urllib.parse.quote_plus(path)
            return self.server.call(method, "/toolbox/%s/files/%s?%s&expires=%s&signature=%s" % (box, endpoint, query, expires, signature), key="").status
        passed = call()
        self.assertNotIn(passed, (400, 401, 403))
        self.assertEqual(call("HEAD", signed="GET"), 404 if passed == 404 else passed)
        self.assertNotEqual(call(expires="4000000000"), 401)
        self.assertEqual(call(expires="1000"), 401)
        self.assertEqual(call(query="path=/other"), 401)
        self.assertEqual(call(query="x=1"), 400)
        self.assertEqual(call(endpoint="info"), 401)
        self.assertEqual(call("DELETE"), 401)
        self.server.api("POST", "/sandbox/%s/signing-key/rotate" % box)
        self.assertEqual(call(), 401)

    def test_redirects_keep_the_prefix(self):
        box = self.server.create()["id"]
        answer = self.server.call("GET", "/toolbox/%s/version/" % box)
        self.assertEqual((answer.status, answer.headers["Location"]), (301, "/toolbox/%s/version" % box))

    def test_ssh_tokens(self):
        box = self.server.create()["id"]

        def valid(token):
            return self.server.api("GET", "/sandbox/ssh-access/validate?token=" + token).json
        one = self.status(200, self.server.api("POST", "/sandbox/%s/ssh-access?expiresInMinutes=0.5" % box)).json
        self.assertRegex(one["token"], r"^[A-Za-z0-9]{32}$")
        self.assertRegex(one["sshCommand"], r"^ssh -p \d+ %s@127\.0\.0\.1$" % one["token"])
        self.assertEqual(valid(one["token"]), {"valid": True, "sandboxId": box})
        two = self.server.api("POST", "/sandbox/%s/ssh-access" % box).json
        self.assertEqual(valid(one["token"]), {"valid": False, "sandboxId": ""})
        self.status(200, self.server.api("DELETE", "/sandbox/%s/ssh-access?token=unknown" % box))
        self.assertTrue(valid(two["token"])["valid"])
        self.status(200, self.server.api("DELETE", "/sandbox/%s/ssh-access" % box))
        self.assertFalse(valid(two["token"])["valid"])
        for minutes in ("x", "0", "-1", "-1e9", "1e9", "nan", "inf", ""):
            self.status(400, self.server.api("POST", "/sandbox/%s/ssh-access?expiresInMinutes=%s" % (box, minutes)))


class Keys(harness.Case):
    @classmethod
    def setUpClass(cls):
        with tempfile.NamedTemporaryFile("w", delete=False) as file:
            file.write("# keys\nfull-key\nreader-key read:volumes\nwriter-key write:sandboxes,delete:sandboxes # two\n")
            file.write("L" * 1023 + " read:volumes\n# " + "comment " * 200 + "as-a-key\n")
        cls.options = ("--key-file", file.name, "--jwt-token", "opaque", "--organization-id",
                       "0b5f5a51-7a2e-4a34-8b8b-3d9e1f6a2c70")
        super().setUpClass()
        os.unlink(file.name)

    def test_permissions(self):
        self.status(200, self.server.api("POST", "/sandbox", key="full-key"))
        self.status(403, self.server.api("POST", "/sandbox", key="reader-key"))
        self.status(200, self.server.api("GET", "/sandbox", key="reader-key"))
        self.status(200, self.server.api("GET", "/volumes", key="reader-key"))
        self.status(403, self.server.api("GET", "/volumes", key="writer-key"))
        box = self.server.api("POST", "/sandbox", key="writer-key").json["id"]
        self.status(200, self.server.api("DELETE", "/sandbox/" + box, key="writer-key"))
        self.status(403, self.server.call("GET", "/admin/faults", key="writer-key"))

    def test_long_lines_of_the_file(self):
        self.status(200, self.server.api("GET", "/volumes", key="L" * 1023))
        self.status(403, self.server.api("POST", "/volumes", {"name": "v"}, key="L" * 1023))
        for part in ("read:volumes", "as-a-key", "L" * 1022):
            self.status(401, self.server.api("GET", "/volumes", key=part))

    def test_a_line_that_is_too_long(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("one\n" + "L" * 70000)
            file.flush()
            done = subprocess.run([harness.program(), "serve", "--key-file", file.name], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 2)
        self.assertIn("line 2 is too long", done.stderr)

    def test_token_needs_its_organization(self):
        self.status(403, self.server.api("GET", "/sandbox", key="opaque"))
        self.status(403, self.server.api("GET", "/sandbox", key="opaque", headers={"X-Daytona-Organization-ID": "other"}))
        answer = self.server.api("POST", "/sandbox", key="opaque",
                                 headers={"X-Daytona-Organization-ID": "0b5f5a51-7a2e-4a34-8b8b-3d9e1f6a2c70"})
        self.assertEqual(self.status(200, answer).json["organizationId"], "0b5f5a51-7a2e-4a34-8b8b-3d9e1f6a2c70")


class Rates(harness.Case):
    options = ("--rate-limit", "sandbox-create=2/60", "--rate-limit", "failed-auth=3/60", "--rate-limit", "sandbox-list=100/60")

    def test_buckets(self):
        made = self.server.api("POST", "/sandbox", {"snapshot": "none"})
        self.assertEqual(made.headers["X-RateLimit-Limit-sandbox-create"], "2")
        self.assertEqual(made.headers["X-RateLimit-Remaining-sandbox-create"], "1")
        self.assertTrue(0 < int(made.headers["X-RateLimit-Reset-sandbox-create"]) <= 60)
        self.server.api("POST", "/sandbox", {"snapshot": "none"})
        blocked = self.status(429, self.server.api("POST", "/sandbox", {"snapshot": "none"}))
        self.assertTrue(0 < int(blocked.headers["Retry-After-sandbox-create"]) <= 60)
        self.assertIsNone(blocked.headers["Retry-After"])
        self.assertIsNone(blocked.headers["X-RateLimit-Limit-sandbox-create"])
        self.assertEqual(blocked.json["message"], "ThrottlerException: Too Many Requests")
        listed = self.server.api("GET", "/sandbox")
        self.assertIsNone(listed.headers["X-RateLimit-Limit-authenticated"])
        self.assertEqual(listed.headers["X-RateLimit-Limit-sandbox-list"], "100")
        self.assertEqual(self.server.api("GET", "/config").json["rateLimit"]["sandboxList"], {"ttl": 60, "limit": 100})
        self.server.jump(1.1)
        self.status(400, self.server.api("POST", "/sandbox", {"snapshot": "none"}))

    def test_failing_addresses_are_blocked_before_authentication(self):
        for remaining in ("2", "1", "0"):
            answer = self.status(401, self.server.api("GET", "/sandbox", key="wrong"))
            self.assertEqual(answer.headers["X-RateLimit-Remaining-failed-auth"], remaining)
        blocked = self.status(429, self.server.api("GET", "/sandbox"))
        self.assertTrue(int(blocked.headers["Retry-After"]) > 0)
        self.assertEqual(blocked.headers["X-RateLimit-Limit-failed-auth"], "3")
        # Admin calls are blocked as well, so the window has to pass by itself: it is the last test of its class.


class RatesBehindAProxy(harness.Case):
    options = ("--rate-limit", "failed-auth=2/60", "--trusted-proxy", "127.0.0.1", "--trusted-proxy", "10.0.0.2")

    def ask(self, forwarded, key=None):
        headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
        return self.server.api("GET", "/sandbox", headers=headers, **({} if key is None else {"key": key})).status

    def test_each_client_counts_for_itself(self):
        for _ in range(2):
            self.assertEqual(self.ask("192.0.2.1", key="wrong"), 401)
        # However it is written, and whatever it says of itself in front of what the proxies have added.
        for same in ("192.0.2.1", "192.0.2.1:4711", "::ffff:192.0.2.1", " 192.0.2.1 ", "1.2.3.4, 192.0.2.1", "x, 192.0.2.1, 10.0.0.2"):
            self.assertEqual(self.ask(same), 429, same)
        for other in ("192.0.2.2", "192.0.2.1, 192.0.2.2", "[2001:db8::1]:80", "2001:db8::1", None, "", "10.0.0.2"):
            self.assertEqual(self.ask(other), 200, other)
        # What is no address is nobody's: the last proxy that is known counts.
        for _ in range(2):
            self.assertEqual(self.ask("unknown, 10.0.0.2", key="wrong"), 401)
        self.assertEqual(self.ask("10.0.0.2"), 429)
        self.assertEqual(self.ask("192.0.2.2"), 200)


if __name__ == "__main__":
    harness.main()
