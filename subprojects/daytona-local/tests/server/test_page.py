# SPDX-License-Identifier: Apache-2.0
"""The page for browsers, without a browser: who gets what, what a session is, and where it counts. See test_page_browser.py."""
import concurrent.futures
import os
import socket
import tempfile
import threading
import time

import harness

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
WIDE = ["nel", "report-to", "alt-svc", "strict-transport-security", "accept-ch", "service-worker-allowed", "use-as-dictionary", "set-login",
        "secure-session-registration", "public-key-pins", "origin-agent-cluster", "x-own"]
ECHO = r"""
import http.server
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = str(self.headers).encode()
        self.send_response(200)
        for value in ('own=1', 'daytona-local-page=tossed; Path=/; Domain=localhost', '__Host-daytona-local-page=tossed', '=daytona-local-page=tossed'):
            self.send_header('Set-Cookie', value)
        for name in ('NEL', 'Report-To', 'Alt-Svc', 'Strict-Transport-Security', 'Accept-CH', 'Service-Worker-Allowed', 'Use-As-Dictionary', 'Set-Login',
                     'Secure-Session-Registration', 'Public-Key-Pins', 'Origin-Agent-Cluster', 'X-Own'):
            self.send_header(name.lower(), 'wide')
        self.send_header('Clear-Site-Data', '"*"'); self.send_header('Content-Length', str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *a): pass
http.server.HTTPServer(('127.0.0.1', 8000), H).serve_forever()
"""


class Page(harness.Case):
    prefix = "daytona-local-page"

    @property
    def cookie(self):
        return "%s-%d" % (self.prefix, self.server.port)

    def origin(self):
        return "%s://localhost:%d" % (self.server.scheme, self.server.port)

    def ask(self, method, path, body=None, session=None, **headers):
        """As our own page does. Headers that are None are left out; '_' stands for '-'."""
        send = {"Host": self.origin().split("//")[1], "Origin": self.origin(), "Sec-Fetch-Site": "same-origin"}
        if session:
            send.update({"Cookie": "%s=%s" % (self.cookie, session[0]), "X-Daytona-Page": session[1]})
        send.update({name.replace("_", "-"): value for name, value in headers.items()})
        return self.server.call(method, path, body, {name: value for name, value in send.items() if value is not None}, key="")

    def log_in(self, key=harness.KEY):
        answer = self.status(200, self.ask("POST", "/page/login", {"key": key}))
        name, value = answer.headers["Set-Cookie"].split(";")[0].split("=")
        self.assertEqual(name, self.cookie)
        return value, answer.json["proof"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if cls.over_tls:
            cls.server.scheme = "https"


class Ways(Page):
    """What there is without a key, and with one."""

    def test_what_is_at_the_root(self):
        self.assertEqual(self.server.call("GET", "/").json["source"], "DAYTONA_PROXY")
        self.assertEqual(self.server.call("GET", "/", headers={"Accept": "*/*"}).status, 404)
        self.assertEqual(self.server.call("POST", "/", headers=HTML).status, 404)
        answer = self.status(200, self.server.call("GET", "/", headers=HTML))
        self.assertEqual(answer.headers["Content-Type"], "text/html; charset=utf-8")
        self.assertIn(b'<form id="form" method="post"', answer.body)
        self.assertEqual(answer.body.count(b"<script"), 1)

    def test_headers_of_every_answer(self):
        for answer in (self.server.call("GET", "/", headers=HTML), self.ask("GET", "/page/state"), self.ask("GET", "/page/file/login.js"),
                       self.ask("GET", "/page/nothing"), self.ask("POST", "/page/login", {"key": harness.KEY}, Origin="http://a.example")):
            policy = answer.headers["Content-Security-Policy"].split("; ")
            self.assertEqual(policy, ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'",
                                      "base-uri 'none'", "form-action 'self'"])
            for name, value in (("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"), ("Cache-Control", "no-store"),
                                ("X-Frame-Options", "DENY"), ("Cross-Origin-Resource-Policy", "same-origin")):
                self.assertEqual(answer.headers[name], value)
            self.assertIsNone(answer.headers["Access-Control-Allow-Origin"])

    def test_only_the_form_without_a_key(self):
        box = self.server.create(name="not for all")
        for name in ("login.js", "style.css"):
            self.assertEqual(self.ask("GET", "/page/file/" + name).status, 200)
        paths = ["/page/file/" + name for name in ("page.js", "page.html", "sandboxes.js", "terminal.js", "xterm.js", "xterm.css", "no.js", "..%2f..%2fetc%2fpasswd")]
        paths += ["/page/state", "/page/api/sandbox", "/page/ports/" + box["id"], "/page/terminal/" + box["id"]]
        for path in paths:
            answer = self.ask("GET", path)
            self.assertEqual(answer.status, 401, path)
            self.assertNotIn(b"not for all", answer.body)
        self.assertEqual(self.ask("POST", "/page/api/sandbox", {}).status, 401)
        self.assertEqual(self.ask("DELETE", "/page/api/sandbox/" + box["id"]).status, 401)
        self.assertEqual(self.server.state_of(box["id"]), "started")

    def test_a_session(self):
        answer = self.status(200, self.ask("POST", "/page/login", {"key": harness.KEY}))
        parts = answer.headers["Set-Cookie"].split("; ")
        self.assertEqual(parts[1:], ["Path=/", "HttpOnly", "SameSite=Strict", "Max-Age=43200"])
        self.assertNotIn(harness.KEY, str(answer.headers) + answer.body.decode())
        session = (parts[0].split("=")[1], answer.json["proof"])
        self.assertNotEqual(session, self.log_in())
        state = self.status(200, self.ask("GET", "/page/state", session=session)).json
        self.assertEqual((state["mayWrite"], state["mayDelete"]), (True, True))
        cookie = {"Cookie": "%s=%s" % (self.cookie, session[0])}
        self.assertIn(b"page.js", self.server.call("GET", "/", headers={**HTML, **cookie}, key="").body)
        self.assertIn(b"login.js", self.server.call("GET", "/?login", headers={**HTML, **cookie}, key="").body)
        self.assertIn(b"login.js", self.server.call("GET", "/", headers={**HTML, "Cookie": "%s=%s" % (self.cookie, "x" * 43)}, key="").body)
        self.assertEqual(self.ask("GET", "/page/file/page.js", session=session).headers["Content-Type"], "text/javascript; charset=utf-8")
        out = self.status(204, self.ask("POST", "/page/logout", session=session))
        self.assertIn("%s=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0" % self.cookie, out.headers["Set-Cookie"])
        self.assertEqual(self.ask("GET", "/page/state", session=session).status, 401)

    def test_both_halves_and_the_origin(self):
        session, other = self.log_in(), self.log_in()
        self.assertEqual(self.ask("GET", "/page/state", session=(session[0], other[1])).status, 401)
        self.assertEqual(self.ask("GET", "/page/state", session=session, X_Daytona_Page=None).status, 401)
        self.assertEqual(self.ask("GET", "/page/state", session=session, Cookie=None).status, 401)
        self.assertEqual(self.ask("GET", "/page/state", session=session, Origin=None, Sec_Fetch_Site=None).status, 200)
        # What a host of the same domain has put into the browser is passed over.
        tossed = "; ".join("%s=%s" % (self.cookie, value) for value in (other[0], session[0], "x"))
        self.assertEqual(self.ask("GET", "/page/state", session=session, Cookie=tossed).status, 200)
        port = self.server.port
        for origin in ("http://localhost:1", "http://127.0.0.1:%d" % port, "http://3000-x.localhost:%d" % port, "null", "https://localhost:%d" % port, ""):
            self.assertEqual(self.ask("GET", "/page/state", session=session, Origin=origin).status, 403, origin)
        for site in ("same-site", "cross-site", "none"):
            self.assertEqual(self.ask("GET", "/page/state", session=session, Sec_Fetch_Site=site).status, 403, site)
        # A change always says where it comes from.
        self.assertEqual(self.ask("POST", "/page/api/sandbox", {}, session=session, Origin=None).status, 403)
        self.assertEqual(self.ask("POST", "/page/logout", session=session, Origin=None).status, 403)
        self.assertEqual(self.ask("POST", "/page/login", {"key": harness.KEY}, Origin=None).status, 403)

    def test_a_foreign_name(self):
        """A name that somebody lets lead to this machine."""
        session = self.log_in()
        foreign = "evil.example:%d" % self.server.port
        answer = self.ask("GET", "/page/state", session=session, Host=foreign, Origin="http://" + foreign)
        self.assertEqual(answer.status, 421)
        self.assertEqual(self.ask("POST", "/page/login", {"key": harness.KEY}, Host=foreign, Origin="http://" + foreign).status, 421)

    def test_sessions_count_nowhere_else(self):
        session, box = self.log_in(), self.server.create()["id"]
        for path in ("/api/sandbox", "/api/sandbox/" + box, "/admin/info", "/toolbox/%s/system/metrics" % box, "/sandboxes/%s/build-logs" % box,
                     "/preview/8000-%s/" % box):
            self.assertEqual(self.ask("GET", path, session=session).status, 401, path)

    def test_what_the_page_may_ask(self):
        session, box = self.log_in(), self.server.create()["id"]
        for method, path in (("GET", "/sandbox"), ("GET", "/sandbox/" + box), ("POST", "/sandbox/%s/ssh-access" % box), ("POST", "/snapshots"),
                             ("DELETE", "/snapshots/x"), ("GET", "/sandbox/%s/toolbox-proxy-url" % box), ("POST", "/sandbox/"), ("POST", "/sandbox//start"),
                             ("POST", "/sandbox/%s/start/" % box), ("GET", "/../admin/info"), ("GET", "/secret")):
            self.assertEqual(self.ask(method, "/page/api" + path, session=session).status, 404, path)
        for path in ("/page/ports/x", "/page/ports/%s/in-use" % box, "/page/ports/", "/page/state/", "/page/"):
            self.assertEqual(self.ask("GET", path, session=session).status, 404, path)
        self.assertEqual(self.ask("GET", "/page/terminal/" + box, session=session).status, 426)
        made = self.status(200, self.ask("POST", "/page/api/sandbox", {"name": "by the page"}, session=session)).json
        self.status(200, self.ask("POST", "/page/api/sandbox/%s/stop" % made["id"], session=session))
        self.server.wait(made["id"], "stopped")
        self.status(200, self.ask("DELETE", "/page/api/sandbox/" + made["id"], session=session))
        self.assertEqual(self.status(200, self.ask("GET", "/page/ports/" + box, session=session)).json, {"ports": []})
        self.assertEqual(self.status(200, self.ask("GET", "/page/api/sandbox/%s/ports/80/signed-preview-url" % box, session=session)).json["port"], 80)

    def test_the_state(self):
        session = self.log_in()
        box = self.server.create(name="seen", labels={"a": "b"}, env={"PASSWORD": "hidden-value"})
        answer = self.status(200, self.ask("GET", "/page/state?since=0&sandbox=" + box["id"], session=session))
        state = answer.json
        self.assertEqual(state["sandboxes"][0]["name"], "seen")
        self.assertEqual(state["details"]["labels"], {"a": "b"})
        self.assertNotIn(b"hidden-value", answer.body)
        self.assertIn(["POST", "/api/sandbox", 200], [entry[2:5] for entry in state["requests"]])
        self.assertNotIn("/page/state", str(state["requests"]))
        again = self.ask("GET", "/page/state?since=%d" % state["requestCount"], session=session).json
        self.assertEqual((again["requests"], again["details"]), ([], None))
        self.assertEqual(self.ask("GET", "/page/state?since=x", session=session).status, 400)
        for number in range(300):
            self.server.call("GET", "/nothing/%d/" % number + "x" * 300, key="")
        entries = self.ask("GET", "/page/state?since=0", session=session).json["requests"]
        self.assertEqual(len(entries), 256)
        self.assertLess(max(len(entry[3]) for entry in entries), 201)

    def test_tokens_are_not_in_the_requests(self):
        session, box = self.log_in(), self.server.create()["id"]
        token = self.server.api("GET", "/sandbox/%s/ports/80/signed-preview-url" % box).json["token"]
        self.server.call("GET", "/preview/80-%s/x?DAYTONA_SANDBOX_AUTH_KEY=%s" % (token, token), key="")
        self.server.call("GET", "/x", host="80-%s.localhost" % token, key="")
        text = self.ask("GET", "/page/state", session=session).body.decode()
        self.assertNotIn(token, text)
        self.assertIn("80-***", text)

    def test_bodies(self):
        self.assertEqual(self.ask("POST", "/page/login", {"key": "x" * 70000}).status, 413)
        for body in ({}, {"key": 5}, [], {"key": None}):
            self.assertEqual(self.ask("POST", "/page/login", body).status, 400, body)
        self.assertEqual(self.server.call("POST", "/page/login", raw=b"key=" + harness.KEY.encode(), key="", headers={
            "Origin": self.origin(), "Host": self.origin().split("//")[1]}).status, 400)
        self.assertEqual(self.ask("GET", "/page/login?key=" + harness.KEY).status, 404)

    def test_sandboxes_are_of_no_origin_on_the_same_host(self):
        """Their pages below /preview are on the page's own host."""
        box = self.server.create(public=True)["id"]
        for path in ("/preview/8000-%s/" % box, "/preview/8000-x/", "/toolbox/%s/files/download?path=/etc/hostname" % box, "/daytona-builds/x"):
            policy = self.server.call("GET", path).headers["Content-Security-Policy"] or ""
            if path.startswith(("/preview", "/toolbox")):
                self.assertTrue(policy.startswith("sandbox "), path)
            self.assertNotIn("allow-same-origin", policy)
        answer = self.server.call("GET", "/", host="8000-%s.localhost:%d" % (box, self.server.port))
        self.assertIsNone(answer.headers["Content-Security-Policy"])

    def test_nothing_of_it_reaches_a_program(self):
        session, box = self.log_in(), self.server.create(public=True)["id"]
        self.server.call("POST", "/toolbox/%s/files/upload?path=/tmp/echo.py" % box, raw=b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' +
                         ECHO.encode() + b"\r\n--x--\r\n", headers={"Content-Type": "multipart/form-data; boundary=x"})
        self.server.execute(box, "(python3 /tmp/echo.py >/dev/null 2>&1 &)")
        label = "8000-" + box
        harness.until(lambda: self.server.call("GET", "/preview/%s/" % label, key="").status == 200)
        cookies = "a=1; daytona-local-page-%d=%s; b=2; __Host-daytona-local-page=%s" % (self.server.port, session[0], session[0])
        for path, host in (("/preview/%s/" % label, None), ("/", label + ".localhost:%d" % self.server.port)):
            answer = self.server.call("GET", path, headers={"Cookie": cookies}, host=host, key="")
            self.assertIn("Cookie: a=1; b=2\n", answer.body.decode().replace("\r", ""))
            self.assertNotIn(session[0], answer.body.decode())
            self.assertEqual(answer.headers.get_all("Set-Cookie"), ["own=1"])
            self.assertIsNone(answer.headers["Clear-Site-Data"])
            # What a browser holds for a whole origin is said by nobody on the host of the page.
            self.assertEqual([name for name, value in answer.headers.items() if value == "wide"], WIDE if host else ["x-own"])

    def test_many_cookies_that_others_have_put_there(self):
        session = self.log_in()
        tossed = ("%s=%s; " % (self.cookie, "x" * 43)) * 48
        self.assertEqual(self.ask("GET", "/page/state", session=session, Cookie=tossed + "%s=%s" % (self.cookie, session[0])).status, 200)

    def test_a_sandbox_that_answers_the_page_as_it_wants(self):
        """Whoever has taken the place of a sandbox's toolbox ends no session, and sets nothing of the page."""
        session, box = self.log_in(), self.server.create()["id"]
        path, heads = os.path.join(self.server.state, "run", box + ".sock"), []
        os.unlink(path)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()

            def answer(status):
                with listener.accept()[0] as client:
                    heads.append(client.recv(65536).decode())
                    client.sendall(b"HTTP/1.1 %d X\r\nContent-Type: text/html\r\nSet-Cookie: a=1\r\nLocation: /page/logout\r\nNEL: {}\r\n"
                                   b"Content-Security-Policy: default-src *\r\nContent-Length: 2\r\n\r\n{}" % status)
            for status, shown in ((200, 200), (302, 302), (401, 502), (500, 500)):
                thread = threading.Thread(target=answer, args=(status,))
                thread.start()
                got = self.ask("GET", "/page/ports/" + box, session=session, Authorization="Bearer x")
                thread.join()
                self.assertEqual(got.status, shown)
                self.assertEqual([got.headers[name] for name in ("Set-Cookie", "Location", "NEL")], [None] * 3)
                self.assertEqual(got.headers["X-Content-Type-Options"], "nosniff")
                self.assertEqual(len(got.headers.get_all("Content-Security-Policy")), 1)
        for secret in (*session, "Bearer"):
            self.assertNotIn(secret, "".join(heads))
        self.assertEqual(self.ask("GET", "/page/state", session=session).status, 200)

    def test_a_terminal(self):
        session, box = self.log_in(), self.server.create()["id"]
        host, path = self.origin().split("//")[1], "/page/terminal/" + box
        cookie, origin = ("Cookie", "%s=%s" % (self.cookie, session[0])), ("Origin", self.origin())

        def protocols(proof):
            return ("Sec-WebSocket-Protocol", "daytona-local-page, proof." + proof)
        for headers in ([origin], [cookie, origin], [protocols(session[1]), origin], [cookie, protocols("x"), origin], [cookie, protocols(session[1])],
                        [cookie, protocols(session[1]), ("Origin", "http://localhost:1")], [cookie, protocols(session[1]), ("Origin", "null")]):
            with self.assertRaises(harness.Refused) as refused:
                self.server.websocket(path, headers, key="", host=host)
            self.assertIn(refused.exception.status, (401, 403))
        ws = self.server.websocket(path, [cookie, protocols(session[1]), origin], key="", host=host)
        self.assertEqual(ws.headers["sec-websocket-protocol"], "daytona-local-page")
        ws.send("echo sh''own; env\r", 1)
        seen = ""
        while "shown" not in seen:
            seen += ws.frame()[1].decode()
        self.assertNotIn(session[1], seen)
        # It ends with its session, and only that.
        other = self.log_in()
        kept = self.server.websocket(path, [("Cookie", "%s=%s" % (self.cookie, other[0])), protocols(other[1]), origin], key="", host=host)
        self.status(204, self.ask("POST", "/page/logout", session=session))
        with self.assertRaises((EOFError, ConnectionError)):
            while True:
                ws.frame()
        kept.send("echo st''ill\r", 1)
        seen = ""
        while "still" not in seen:
            seen += kept.frame()[1].decode()
        kept.close()


class Limits(Page):
    def test_1_the_rights_are_those_of_the_key(self):
        with tempfile.NamedTemporaryFile("w", suffix=".keys") as file:
            file.write("reader-key read:volumes\n")
            file.flush()
            os.chmod(file.name, 0o600)
            server, Limits.server = Limits.server, harness.Server("--key-file", file.name)
            try:
                session = self.log_in("reader-key")
                state = self.ask("GET", "/page/state", session=session).json
                self.assertEqual((state["mayWrite"], state["mayDelete"]), (False, False))
                self.assertEqual(self.ask("POST", "/page/api/sandbox", {}, session=session).status, 403)
                owner = self.log_in()
                box = self.status(200, self.ask("POST", "/page/api/sandbox", {}, session=owner)).json["id"]
                self.assertEqual(self.ask("DELETE", "/page/api/sandbox/" + box, session=session).status, 403)
                # Many sessions of one key are at the cost of that key.
                for _ in range(33):
                    self.log_in("reader-key")
                self.assertEqual(self.ask("GET", "/page/state", session=session).status, 401)
                self.assertEqual(self.ask("GET", "/page/state", session=owner).status, 200)
            finally:
                self.assertEqual(Limits.server.stop(), 0)
                Limits.server = server

    def test_2_keys_cannot_be_tried(self):
        begin = time.monotonic()
        self.assertEqual(self.ask("POST", "/page/login", {"key": "wrong"}).status, 401)
        self.assertGreater(time.monotonic() - begin, 0.4)
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda number: self.ask("POST", "/page/login", {"key": "wrong-%d" % number}), range(20)))
        self.assertEqual(sorted(answer.status for answer in answers), [401] * 9 + [429] * 11)
        answer = self.ask("POST", "/page/login", {"key": harness.KEY})
        self.assertEqual(answer.status, 429)
        self.assertGreater(int(answer.headers["Retry-After"]), 0)

    def test_3_switched_off(self):
        server = harness.Server("--no-page")
        try:
            self.assertEqual(server.call("GET", "/", headers=HTML).status, 404)
            self.assertEqual(server.call("GET", "/page/file/login.js").json["source"], "DAYTONA_PROXY")
            box = server.create()["id"]
            self.assertIsNone(server.call("GET", "/preview/8000-%s/" % box).headers["Content-Security-Policy"])
        finally:
            self.assertEqual(server.stop(), 0)


class OverTls(Page):
    over_tls = True
    prefix = "__Host-daytona-local-page"

    def test_the_cookie_is_of_this_host_and_of_tls(self):
        answer = self.status(200, self.ask("POST", "/page/login", {"key": harness.KEY}))
        parts = answer.headers["Set-Cookie"].split("; ")
        self.assertTrue(parts[0].startswith(self.cookie + "="))
        self.assertEqual(parts[1:], ["Path=/", "HttpOnly", "SameSite=Strict", "Max-Age=43200", "Secure"])
        session = (parts[0].split("=")[1], answer.json["proof"])
        self.assertEqual(self.ask("GET", "/page/state", session=session).status, 200)
        self.assertEqual(self.ask("GET", "/page/state", session=session, Cookie=self.cookie[len("__Host-"):] + "=" + session[0]).status, 401)


class BehindAProxy(Page):
    """A proxy in front of the server ends TLS."""
    options = ("--trusted-proxy", "127.0.0.1", "--public-url", "https://boxes.example")

    def test_the_name_and_the_scheme_are_the_proxys(self):
        outside = {"Host": "boxes.example", "Origin": "https://boxes.example", "X_Forwarded_Proto": "https"}
        answer = self.status(200, self.ask("POST", "/page/login", {"key": harness.KEY}, **outside))
        self.assertTrue(answer.headers["Set-Cookie"].startswith("__Host-daytona-local-page="))
        value = answer.headers["Set-Cookie"].split(";")[0]
        self.assertEqual(self.ask("GET", "/page/state", X_Daytona_Page=answer.json["proof"], Cookie=value, **outside).status, 200)
        # On the machine itself it is called without the proxy.
        answer = self.status(200, self.ask("POST", "/page/login", {"key": harness.KEY}))
        self.assertTrue(answer.headers["Set-Cookie"].startswith(self.cookie + "="))


if __name__ == "__main__":
    harness.main()
