# SPDX-License-Identifier: Apache-2.0
"""The page in a real browser: what a person does with it, by mouse and by keyboard alone, what hostile texts and hostile pages
come to, and whether it can be read.

    DL_PICTURES=docs python3 test_page_browser.py PROGRAM Pictures     writes the pictures of docs/local-page.md anew
"""
import http.server
import json
import os
import shutil
import threading
import unittest

import harness
import image_fixtures
from browser import CONTROL, SHIFT, Browser

# Where tests/interop/install puts xterm.js.
XTERM = os.path.join(os.path.abspath(os.environ.get("DAYTONA_INTEROP_CACHE") or "build/interop"), "xterm", "node_modules", "@xterm", "xterm")
BIDI = "\u202egnp.exe\u202c\u2066x\u2069"
HOSTILE = ["<img src=x onerror=window.hit=1>", "</td><script>window.hit=2</script>", "\"><svg/onload=window.hit=3>", "javascript:window.hit=4",
           "{{constructor.constructor('window.hit=5')()}}", BIDI]


def seen(text):
    return text.replace(BIDI, "\\u{202e}gnp.exe\\u{202c}\\u{2066}x\\u{2069}")


# Tries all that a page can with the cookies of its visitor; what came of it is in window.seen.
ATTACK = """<!DOCTYPE html><body><script>
const base = %s, victim = %s, seen = window.seen = {}
const attempt = async (name, work) => { try { seen[name] = await work() } catch (error) { seen[name] = 'no: ' + error.name } }
const text = async answer => answer.type === 'opaque' ? 'no: opaque' : answer.ok ? 'READ ' + await answer.text() : 'no: ' + answer.status
const post = (path, more) => fetch(base + path, { method: 'POST', credentials: 'include', ...more }).then(text)
const framed = (attributes) => new Promise(resolve => {
  const frame = Object.assign(document.createElement('iframe'), attributes)
  frame.onload = () => { try { resolve(frame.contentDocument?.body?.innerText ? 'READ' : 'no: nothing') } catch (error) { resolve('no: ' + error.name) } }
  document.body.append(frame)
})
const form = (name, path, fields) => {
  const made = Object.assign(document.createElement('form'), { method: 'POST', action: base + path, target: name })
  if (fields) made.enctype = 'text/plain'
  for (const [key, value] of Object.entries(fields ?? {})) made.append(Object.assign(document.createElement('input'), { name: key, value }))
  document.body.append(Object.assign(document.createElement('iframe'), { name }), made)
  made.submit()
  return new Promise(resolve => setTimeout(resolve, 300, 'no: sent'))
}
window.work = (async () => {
  await attempt('state', () => fetch(base + '/page/state', { credentials: 'include' }).then(text))
  await attempt('state with a header', () => fetch(base + '/page/state', { credentials: 'include', headers: { 'X-Daytona-Page': 'x' } }).then(text))
  await attempt('state unread', () => fetch(base + '/page/state', { credentials: 'include', mode: 'no-cors' }).then(text))
  await attempt('page', () => fetch(base + '/', { credentials: 'include', headers: { Accept: 'text/html' } }).then(text))
  await attempt('api', () => fetch(base + '/api/sandbox', { credentials: 'include' }).then(text))
  await attempt('create', () => post('/page/api/sandbox', { mode: 'no-cors', body: '{}' }))
  await attempt('stop', () => post('/page/api/sandbox/' + victim + '/stop', { mode: 'no-cors' }))
  await attempt('delete', () => fetch(base + '/page/api/sandbox/' + victim, { method: 'DELETE', credentials: 'include', headers: { 'X-Daytona-Page': 'x' } }).then(text))
  await attempt('log out', () => post('/page/logout', { mode: 'no-cors' }))
  await attempt('log in', () => post('/page/login', { mode: 'no-cors', body: JSON.stringify({ key: 'test-key' }) }))
  await attempt('form', () => form('one', '/page/api/sandbox/' + victim + '/stop'))
  await attempt('form of json', () => form('two', '/page/api/sandbox', { '{"name":"forged","x":"': '"}' }))
  await attempt('socket', () => new Promise(resolve => {
    const socket = new WebSocket(base.replace('http', 'ws') + '/page/terminal/' + victim, ['daytona-local-page', 'proof.x'])
    socket.onopen = () => resolve('READ'); socket.onerror = () => resolve('no: error')
  }))
  await attempt('frame', () => framed({ src: base + '/' }))
  await attempt('script', () => new Promise(resolve => {
    const script = Object.assign(document.createElement('script'), { src: base + '/page/file/page.js', type: 'module' })
    script.onload = () => resolve('READ'); script.onerror = () => resolve('no: error')
    document.body.append(script)
  }))
  await attempt('storage', () => localStorage.getItem('daytona-local-page') ? 'READ' : 'no: nothing')
  await attempt('cookies', () => document.cookie.includes('daytona-local-page') ? 'READ' : 'no: nothing')
  await attempt('worker', async () => { await navigator.serviceWorker.register('sw.js'); return location.origin === base ? 'READ' : 'no: for itself' })
  for (const domain of ['', '; domain=localhost', '; domain=.localhost']) {
    await attempt('toss' + domain, () => { for (const path of ['/', '/page']) document.cookie = 'daytona-local-page-' + new URL(base).port + '=' + 'x'.repeat(43) + '; path=' + path + domain; return 'no: tossed' })
  }
})()
</script>"""

CONTRAST = """(() => {
  const parse = color => { const m = color.match(/[\\d.]+/g).map(Number); return [...m.slice(0, 3), m[3] ?? 1] }
  const light = ([r, g, b]) => { const [x, y, z] = [r, g, b].map(c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4); return 0.2126 * x + 0.7152 * y + 0.0722 * z }
  const back = node => { for (; node; node = node.parentElement) { const c = parse(getComputedStyle(node).backgroundColor); if (c[3] === 1) return c } return null }
  const poor = []
  let count = 0
  for (const node of document.querySelectorAll('body *')) {
    if (node.closest('#terminal-place') || !node.checkVisibility()) continue
    if (![...node.childNodes].some(child => child.nodeType === 3 && child.data.trim() !== '') && node.tagName !== 'INPUT') continue
    count++
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(back(node))].sort((x, y) => y - x)
    const ratio = (a + 0.05) / (b + 0.05)
    if (ratio < 4.5) poor.push(node.tagName + ' ' + node.textContent.slice(0, 30) + ' ' + ratio.toFixed(2))
  }
  return { poor, count }
})()"""


OPTIONS = ("--metrics-interval", "1", *(("--xterm", XTERM) if os.path.exists(XTERM) else ()))
shared = []  # the browser and the server


def tearDownModule():
    if shared:
        shared[0].close()
        code = shared[1].stop()
        assert code == 0, "the server ended with %s" % code


class Elsewhere:
    """A web server of somebody else on this machine; keeps the cookies that it was sent."""

    def __init__(self, page):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.cookies.append(self.headers.get("Cookie") or "")
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(page.encode())

            def log_message(self, *_):
                pass
        self.cookies = []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class InBrowser(harness.Case):
    """The browser is one for all, and so is the server of those that want nothing else of it."""
    options = None

    @classmethod
    def setUpClass(cls):
        if not shutil.which("chromium"):
            raise unittest.SkipTest("chromium is not installed")
        if not shared:
            shared.extend([Browser(), harness.Server(*OPTIONS)])
        cls.browser, cls.server = shared
        if cls.options:
            cls.server = harness.Server(*OPTIONS, *cls.options)
        cls.base = "http://localhost:%d" % cls.server.port
        cls.tab = cls.browser.first
        cls.log_in(cls.tab)

    @classmethod
    def tearDownClass(cls):
        if cls.options:
            super().tearDownClass()

    def tearDown(self):
        self.browser.close_others()
        for box in self.boxes():
            self.server.api("DELETE", "/sandbox/" + box)

    def setUp(self):
        self.tab.send("Page.bringToFront")  # a page that nobody sees asks for nothing

    @classmethod
    def log_in(cls, tab):
        tab.go(cls.base + "/?login")
        tab.until("document.activeElement?.id === 'key'")
        tab.type(harness.KEY + "\r")
        tab.until("document.getElementById('connection')?.textContent === 'live'")

    def row(self, box):
        return "document.querySelector('[data-sandbox=\"%s\"]')" % box

    def button(self, box, text):
        return "[...(%s?.querySelectorAll('button') ?? [])].find(one => one.textContent === '%s')" % (self.row(box), text)

    def boxes(self):
        return [box["id"] for box in self.server.api("GET", "/sandbox").json["items"]]

    def text(self, name):
        return self.tab.run("document.getElementById('%s').textContent" % name)

    def needs_xterm(self):
        if not os.path.exists(XTERM):
            self.skipTest("xterm.js is not installed; tests/interop/install CACHE xterm installs it")

    def upload(self, box, path, text):
        body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + text.encode() + b"\r\n--x--\r\n"
        self.status(200, self.server.call("POST", "/toolbox/%s/files/upload?path=%s" % (box, path), raw=body,
                                          headers={"Content-Type": "multipart/form-data; boundary=x"}))


class Use(InBrowser):
    def test_1_what_others_do_is_seen(self):
        box = self.server.create(name="from another client")["id"]
        self.tab.until("%s?.textContent.includes('started')" % self.row(box))
        self.tab.until("document.getElementById('said').textContent.includes('from another client: started')")
        self.tab.until("/[0-9.]+ [KM]iB of 1.0 GiB/.test(%s.textContent)" % self.row(box))
        self.tab.until("document.getElementById('requests').textContent.includes('/api/sandbox')")
        self.server.api("DELETE", "/sandbox/" + box)
        self.tab.until(self.row(box) + " === null")

    def test_2_by_mouse(self):
        self.tab.click("document.getElementById('create')")
        box = harness.until(self.boxes)[0]
        self.tab.until("%s?.textContent.includes('started')" % self.row(box))
        self.tab.click(self.button(box, "Stop"))
        self.assertEqual(self.server.state_of(box), "started")
        self.assertIn("Stop the sandbox", self.text("question-text"))
        self.tab.click("document.querySelector('#question button[value=no]')")
        self.tab.until("!document.getElementById('question').open")
        self.tab.click(self.button(box, "Stop"))
        self.tab.click("document.getElementById('question-yes')")
        self.server.wait(box, "stopped")
        self.tab.until("%s?.disabled === false" % self.button(box, "Start"))
        self.assertTrue(self.tab.run(self.button(box, "Terminal") + ".disabled"))
        self.tab.click(self.button(box, "Start"))
        self.server.wait(box, "started")
        self.tab.until("%s?.disabled === false" % self.button(box, "Delete"))
        self.tab.click(self.button(box, "Delete"))
        self.assertIn("with all its files", self.text("question-text"))
        self.tab.click("document.getElementById('question-yes')")
        self.tab.until(self.row(box) + " === null")
        self.assertEqual(self.server.state_of(box), 404)

    def walk(self, script, key="Tab", limit=40):
        """Goes on with the key until the element has the focus."""
        for _ in range(limit):
            if self.tab.run("document.activeElement === (%s)" % script):
                return
            self.tab.press(key)
        self.fail("no way by keyboard to " + script)

    def test_3_by_keyboard(self):
        self.needs_xterm()
        box, other = self.server.create(name="by keys")["id"], self.server.create(name="stays")["id"]
        self.tab.until("%s && %s?.disabled === false" % (self.row(other), self.button(box, "Terminal")))
        self.tab.run("document.activeElement.blur()")
        self.walk(self.row(box) + ".querySelector('.name')")
        self.tab.press("Enter")
        self.tab.until("document.activeElement.id === 'details-title' && document.getElementById('facts').textContent.includes('%s')" % box)
        self.walk("document.getElementById('details-close')")
        self.tab.press("Enter")
        self.assertTrue(self.tab.run("document.activeElement === %s.querySelector('.name')" % self.row(box)))
        self.walk(self.button(box, "Terminal"))
        self.assertEqual(self.tab.run("document.activeElement.getAttribute('aria-label')"), "Terminal by keys")
        self.tab.press("Enter")
        self.tab.until("document.querySelector('.xterm-accessibility-tree')?.textContent.includes('$')")
        self.tab.type("echo $((6 * 7))-typed\r")
        self.tab.until("document.querySelector('.xterm-accessibility-tree').textContent.includes('42-typed')")
        self.tab.press("Tab")  # is the terminal's
        self.assertTrue(self.tab.run("document.getElementById('terminal-place').contains(document.activeElement)"))
        self.tab.press("L", CONTROL | SHIFT)
        self.assertEqual(self.tab.run("document.activeElement.id"), "terminal-close")
        self.tab.press("Enter")
        self.assertTrue(self.tab.run("document.getElementById('terminal').hidden && document.activeElement === %s.querySelector('.name')" % self.row(box)))
        self.walk(self.button(box, "Delete"))
        self.tab.press("Enter")
        self.assertEqual(self.tab.run("document.activeElement.textContent"), "Cancel")
        self.tab.press("Escape")
        self.tab.until("!document.getElementById('question').open")
        self.tab.press("Enter")
        self.tab.press("Tab")
        self.tab.press("Enter")
        self.tab.until(self.row(box) + " === null")
        self.assertEqual(self.server.state_of(box), 404)
        self.assertTrue(self.tab.run("document.activeElement === %s.querySelector('.name')" % self.row(other)))
        self.server.api("DELETE", "/sandbox/" + other)

    def test_4_previews(self):
        box = self.server.create(name="serves")["id"]
        self.server.execute(box, "cd /tmp && mkdir -p web && echo '<title>theirs</title>' > web/index.html && (python3 -m http.server -d web 8000 >/dev/null 2>&1 &)")
        self.tab.until(self.row(box) + " !== null")
        self.tab.run(self.row(box) + ".querySelector('.name').click()")
        self.tab.until("document.querySelector('#ports button')?.textContent === 'Open port 8000'")
        known = set(self.browser.tabs)
        self.tab.run("document.querySelector('#ports button').click()")
        target = harness.until(lambda: [one for one in self.browser.targets() if one["id"] not in known and "8000-" in one["url"]])[0]
        theirs = self.browser.attach(target)
        theirs.until("document.title === 'theirs'")
        self.assertEqual(theirs.run("[window.opener, document.referrer]"), [None, ""])
        self.assertIn(".localhost:%d" % self.server.port, theirs.run("location.host"))
        self.tab.run("document.getElementById('details-close').click()")
        self.server.api("DELETE", "/sandbox/" + box)

    def test_4_desktop(self):
        lack = [name for name in ("Xvfb", "icewm", "x11vnc", "websockify") if not shutil.which(name)] + ["novnc"] * (not os.path.isdir("/usr/share/novnc"))
        if lack:
            self.skipTest("not installed: " + ", ".join(lack))
        box = self.server.create()["id"]
        self.tab.until(self.row(box) + " !== null")
        self.tab.run(self.row(box) + ".querySelector('.name').click()")
        self.tab.until("document.getElementById('facts').textContent.includes('%s') && !document.getElementById('desktop').disabled" % box)
        self.tab.run("document.getElementById('desktop').click()")
        target = harness.until(lambda: [one for one in self.browser.targets() if one["url"].startswith("http://6080-")])[0]
        self.browser.attach(target).until("document.title.includes('noVNC')")

    def test_5_without_xterm(self):
        server = harness.Server("--xterm", "/etc")
        tab = self.browser.new_tab()
        try:
            box = server.create()["id"]
            tab.go("http://localhost:%d/" % server.port)
            tab.until("document.activeElement?.id === 'key'")
            tab.type(harness.KEY + "\r")
            tab.until("%s?.disabled === false" % self.button(box, "Terminal"))
            tab.run(self.button(box, "Terminal") + ".click()")
            tab.until("document.getElementById('terminal-state').textContent.startsWith('xterm.js is not installed')")
            tab.run("document.getElementById('terminal-tab').click()")
            harness.until(lambda: [one for one in self.browser.targets() if one["url"].startswith("http://22222-")])
        finally:
            self.assertEqual(server.stop(), 0)
        self.tab.send("Page.bringToFront")  # cookies do not know ports, but the names of ours do
        self.tab.run("window.isOld = true; location.reload()")
        self.tab.until("!window.isOld && document.getElementById('connection')?.textContent === 'live'")

    def test_6_nothing_is_said_against(self):
        """No exception, and nothing that the policy has stopped but the styles of xterm.js, which are let in another way."""
        self.assertEqual(self.tab.said("Runtime.exceptionThrown"), [])
        stopped = [one["entry"]["text"] for one in self.tab.said("Log.entryAdded") if one["entry"]["source"] == "security"]
        self.assertEqual([text for text in stopped if not text.startswith("Applying inline style violates")], [])

    def test_7_log_out(self):
        self.tab.click("document.getElementById('logout')")
        self.tab.until("document.activeElement?.id === 'key'")
        self.assertIsNone(self.tab.run("localStorage.getItem('daytona-local-page')"))
        self.assertEqual([one for one in self.tab.send("Network.getCookies", urls=[self.base])["cookies"] if one["name"].endswith("-%d" % self.server.port)], [])
        self.tab.type("not the key\r")
        self.tab.until("document.getElementById('problem').textContent === 'this key is not known'")
        self.tab.until("document.activeElement.id === 'key'")


class Hostile(InBrowser):
    def test_texts_are_texts(self):
        box = self.server.create(name=BIDI, labels={text: text for text in HOSTILE})["id"]
        self.tab.until(self.row(box) + " !== null")
        self.tab.run(self.row(box) + ".querySelector('.name').click()")
        self.tab.until("document.getElementById('facts').textContent.includes('%s')" % box)
        for text in HOSTILE:
            self.assertIn("Label %s%s" % (seen(text), seen(text)), self.text("facts"))
        self.assertEqual(self.text("details-title"), seen(BIDI))
        self.tab.run(self.button(box, "Delete") + ".click()")
        self.assertIn(seen(BIDI), self.text("question-text"))
        self.tab.run("document.querySelector('#question button[value=no]').click()")
        self.nothing_has_run()
        self.server.api("DELETE", "/sandbox/" + box)

    def test_names_that_the_server_would_not_take(self):
        """The page does not count on that."""
        state = {"now": "2026-01-01T00:00:00Z", "mayWrite": True, "mayDelete": True, "sandboxTotal": len(HOSTILE), "details": None, "builds": [
            {"name": text, "kind": text, "state": text} for text in HOSTILE], "requests": [[number, text, text, text, 200, 1] for number, text in enumerate(HOSTILE)],
            "sandboxes": [{"id": text, "name": text, "state": text, "created": text, "use": None, "error": text} for text in HOSTILE],
            "snapshots": [{"id": text, "name": text, "state": text, "error": text, "hasLog": True} for text in HOSTILE]}
        shown = self.tab.run("Promise.all([import('/page/file/sandboxes.js'), import('/page/file/history.js')]).then(([a, b]) => { const state = %s;"
                             "a.showSandboxes(state, {}); b.showSnapshots(state); b.showRequests(state); return [...document.querySelectorAll('.name')].map(n => n.textContent) })"
                             % json.dumps(state))
        self.assertEqual(shown[-len(HOSTILE):], [seen(text) for text in HOSTILE])
        self.nothing_has_run()

    def nothing_has_run(self):
        self.assertIsNone(self.tab.run("new Promise(resolve => setTimeout(resolve, 100, window.hit ?? null))"))
        self.assertEqual(self.tab.run("document.querySelectorAll('body img, body svg, body script, [onerror], [onload]').length"), 0)

    def test_answers_without_an_end(self):
        for status, wanted in ((200, "The answer is too long."), (500, "The server answered 500.")):
            told = self.tab.run("""(async () => {
                const real = window.fetch
                let left = 1000
                const pull = to => { left-- > 0 ? to.enqueue(new Uint8Array(65536).fill(97)) : to.close() }
                window.fetch = async () => new Response(new ReadableStream({ pull }), { status: %d })
                const { ask } = await import('/page/file/server.js')
                try { await ask('GET', '/page/ports/x') } catch (error) { return [error.message, left > 900] } finally { window.fetch = real }
            })()""" % status)
            self.assertEqual(told, [wanted, True])

    def test_paths_in_the_requests(self):
        self.server.call("GET", "/<img/src=x/onerror=window.hit=9>", key="")
        self.tab.until("document.getElementById('requests').textContent.includes('img/src=x/onerror=window.hit=9')")
        self.assertEqual(self.tab.run("[window.hit ?? 0, document.querySelectorAll('main img').length]"), [0, 0])

    def test_what_a_terminal_says(self):
        self.needs_xterm()
        box = self.server.create()["id"]
        self.tab.until(self.row(box) + " !== null")
        self.tab.run(self.button(box, "Terminal") + ".click()")
        self.tab.until("document.querySelector('.xterm-accessibility-tree')?.textContent.includes('$')")
        self.tab.type("printf '\\033]0;<b>t</b>\\007\\033]52;c;aGk=\\007\\033[?1049h<img src=x onerror=window.hit=8>\\033P$q\"p;id\\033\\\\\\\\e%s\\n' nd\r")
        self.tab.until("document.querySelector('.xterm-accessibility-tree').textContent.includes('onerror=window.hit=8')")
        self.assertEqual(self.tab.run("[window.hit ?? 0, document.title, document.querySelectorAll('main img').length]"), [0, "daytona-local", 0])
        self.tab.run("document.getElementById('terminal-close').click()")
        self.server.api("DELETE", "/sandbox/" + box)


class HostileLog(InBrowser):
    @classmethod
    def setUpClass(cls):
        if image_fixtures.missing():
            raise unittest.SkipTest(image_fixtures.missing())
        if not shutil.which("chromium"):
            raise unittest.SkipTest("chromium is not installed")
        cls.registry = image_fixtures.Registry()
        cls.registry.push("base", "1", image_fixtures.busybox_layer())
        cls.options = cls.registry.options()
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.registry.close()

    def test_a_build_log_is_text(self):
        line = "<img src=x onerror=window.hit=7></pre><script>window.hit=6</script>\u202e"
        # Long enough to be looked at: of a snapshot that is active there is no log.
        build = {"dockerfileContent": "FROM %s/base:1\nRUN echo '%s'; sleep 4\n" % (self.registry.name, line)}
        made = self.status(200, self.server.api("POST", "/snapshots", {"name": "built", "buildInfo": build})).json
        self.tab.until("document.getElementById('snapshots').textContent.includes('built')")
        self.tab.until("!!document.querySelector('#snapshots button')")
        self.tab.run("document.querySelector('#snapshots button').click()")
        self.tab.until("document.getElementById('log-text').textContent.includes('onerror=window.hit=7></pre><script>window.hit=6</script>\\\\u{202e}')", 60)
        self.assertEqual(self.tab.run("[window.hit ?? 0, document.querySelectorAll('main img, dialog img, body script').length]"), [0, 0])
        self.tab.press("Escape")
        self.tab.until("!document.getElementById('log').open")
        harness.until(lambda: self.server.api("GET", "/snapshots/" + made["id"]).json["state"] in ("active", "error", "build_failed"), 60)


class OtherPages(InBrowser):
    """Pages of another port, of a preview, and of a sandbox on the page's own host, opened by somebody who is logged in."""

    def check(self, tab, victim):
        tab.until("typeof window.work === 'object'")
        seen = tab.run("window.work.then(() => window.seen)")
        self.assertGreater(len(seen), 15)
        self.assertEqual({name: result for name, result in seen.items() if not result.startswith("no: ")}, {})
        self.assertEqual(self.server.state_of(victim), "started")
        self.assertEqual(self.boxes(), [victim])
        # Who was logged in still is, cookies that were tossed or not.
        self.tab.go(self.base + "/")
        self.tab.until("document.getElementById('connection')?.textContent === 'live' && %s !== null" % self.row(victim))
        return seen

    def test_other_pages_change_and_read_nothing(self):
        victim = self.server.create(name="victim", public=True)["id"]
        page = ATTACK % (json.dumps(self.base), json.dumps(victim))
        elsewhere, tab = Elsewhere(page), self.browser.new_tab()
        try:
            for name in ("localhost", "127.0.0.1"):
                tab.go("http://%s:%d/" % (name, elsewhere.server.server_port))
                self.check(tab, victim)
            # A program on another port of the same host is sent the cookie; alone it is nothing.
            stolen = [text for text in elsewhere.cookies if "daytona-local-page" in text]
            self.assertTrue(stolen)
            answer = self.server.call("GET", "/page/state", headers={"Cookie": stolen[0], "Host": self.base[7:], "Origin": self.base}, key="")
            self.assertEqual(answer.status, 401)
        finally:
            elsewhere.close()
        self.upload(victim, "/tmp/index.html", page)
        self.upload(victim, "/tmp/sw.js", "")
        self.server.execute(victim, "(python3 -m http.server -d /tmp 8000 >/dev/null 2>&1 &)")
        harness.until(lambda: self.server.call("GET", "/preview/8000-%s/" % victim, key="").status == 200)
        tab.go("http://8000-%s.localhost:%d/" % (victim, self.server.port))
        self.check(tab, victim)
        tab.go("%s/preview/8000-%s/" % (self.base, victim))
        self.assertEqual(self.check(tab, victim)["storage"], "no: SecurityError")
        self.assertEqual(tab.run("window.origin"), "null")
        self.server.api("DELETE", "/sandbox/" + victim)


class Pictures(InBrowser):
    """Dark and light, and whether both can be read."""

    def readable(self):
        told = self.tab.run(CONTRAST)
        self.assertEqual(told["poor"], [])
        return told["count"]

    def test_dark_and_light(self):
        self.needs_xterm()
        names = ("agent-7f", "nightly tests", "docs preview")
        boxes = [self.server.create(name=name, labels={"team": "demo"})["id"] for name in names]
        self.server.execute(boxes[0], "(python3 -m http.server 8000 >/dev/null 2>&1 &)")
        self.server.api("POST", "/sandbox/%s/stop" % boxes[1])
        self.server.wait(boxes[1], "stopped")
        self.tab.until("%s?.disabled === false && /[KM]iB of/.test(%s.textContent)" % (self.button(boxes[1], "Start"), self.row(boxes[2])))
        self.tab.run(self.row(boxes[0]) + ".querySelector('.name').click()")
        self.tab.until("document.getElementById('ports').children.length === 1")
        self.tab.run(self.button(boxes[0], "Terminal") + ".click()")
        self.tab.until("document.querySelector('.xterm-accessibility-tree')?.textContent.includes('$')")
        self.tab.type("uname -s; echo $((6 * 7))\r")
        self.tab.until("document.querySelector('.xterm-accessibility-tree').textContent.includes('42')")
        self.tab.send("Emulation.setDeviceMetricsOverride", width=1200, height=1250, deviceScaleFactor=1, mobile=False)
        pictures, colors = {}, {}
        for scheme in ("light", "dark"):
            self.tab.scheme(scheme)
            self.tab.run("window.scrollTo(0, 0)")
            pictures[scheme] = self.tab.picture()
            colors[scheme] = self.tab.run("getComputedStyle(document.documentElement).backgroundColor")
            self.assertGreater(self.readable(), 40)
            self.tab.run(self.button(boxes[0], "Delete") + ".click()")
            self.readable()
            self.tab.run("document.querySelector('#question button[value=no]').click()")
        self.assertNotEqual(pictures["light"], pictures["dark"])
        self.assertEqual(colors, {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 29)"})
        self.tab.send("Emulation.clearDeviceMetricsOverride")
        self.tab.go(self.base + "/?login")
        for scheme in ("light", "dark"):
            self.tab.scheme(scheme)
            self.tab.until("document.activeElement?.id === 'key'")
            self.assertGreater(self.readable(), 3)
        if os.environ.get("DL_PICTURES"):
            for scheme, data in pictures.items():
                with open(os.path.join(os.environ["DL_PICTURES"], "local-page-%s.png" % scheme), "wb") as file:
                    file.write(data)


if __name__ == "__main__":
    harness.main()
