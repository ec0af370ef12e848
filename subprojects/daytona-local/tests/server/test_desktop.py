# SPDX-License-Identifier: Apache-2.0
"""The desktop of a sandbox, with the real programs: processes, screenshots, mouse, keyboard, recordings, the page of noVNC.

Starting a desktop is what takes time, so most tests share one, in the order of their names. A window of our own
(x_window.c) has known colours and says what happens to it.
"""
import base64
import http.client
import io
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tarfile
import tempfile
import threading
import time
import unittest
import zlib

import harness
import image_fixtures

WIDTH, HEIGHT = 1280, 720
WINDOW = (700, 200, 400, 300)  # of x_window: x, y, width, height
RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)
SHIFT, CONTROL, ALT = 1, 4, 8  # bits of the state of an event


def missing():
    lack = [name for name in ("Xvfb", "icewm", "x11vnc", "websockify", "xterm") if not shutil.which(name)]
    if not os.path.isdir("/usr/share/novnc"):
        lack.append("novnc")
    if not os.path.exists(os.path.join(os.path.dirname(os.environ["DAYTONA_LOCAL"]), "daytona-local-desktop")):
        lack.append("daytona-local-desktop, for which X libraries were missing")
    return ", ".join(lack)


class Picture:
    """A PNG of eight bits a colour, as our encoder makes them."""

    def __init__(self, data):
        assert data[:8] == b"\x89PNG\r\n\x1a\n", data[:8]
        at, packed = 8, b""
        while at < len(data):
            size, kind = struct.unpack(">I4s", data[at:at + 8])
            body = data[at + 8:at + 8 + size]
            if kind == b"IHDR":
                self.width, self.height, depth, colour = struct.unpack(">IIBB", body[:10])
                assert (depth, colour) == (8, 2), (depth, colour)
            packed += body if kind == b"IDAT" else b""
            at += size + 12
        self.rows = self.unfilter(zlib.decompress(packed))

    def unfilter(self, raw):
        stride, rows = self.width * 3, []
        above = bytes(stride)
        for y in range(self.height):
            kind, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
            assert kind in (0, 2), "an unexpected filter"
            if kind == 2:
                line = bytearray((a + b) & 255 for a, b in zip(line, above))
            rows.append(bytes(line))
            above = rows[-1]
        return rows

    def at(self, x, y):
        return tuple(self.rows[y][x * 3:x * 3 + 3])


class Browser:
    """Chromium without a screen, with one page."""

    def __init__(self, url):
        self.place = tempfile.mkdtemp(prefix="dl-test-")
        self.process = subprocess.Popen(["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                                         "--user-data-dir=" + self.place, "--remote-debugging-port=0", "--window-size=1400,900", url],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
        found = None
        for line in self.process.stderr:
            found = re.search(rb"DevTools listening on ws://127.0.0.1:(\d+)/", line)
            if found:
                break
        assert found, "chromium has not started"
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        self.port = int(found.group(1))
        page = harness.until(lambda: [page for page in self.pages() if page["type"] == "page" and page["url"].startswith(url[:20])])[0]
        self.socket = harness.WebSocket(socket.create_connection(("127.0.0.1", self.port), timeout=30),
                                        page["webSocketDebuggerUrl"].split(str(self.port), 1)[1], host="127.0.0.1:%d" % self.port)
        self.number = 0

    def pages(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", "/json/list")
        return json.loads(connection.getresponse().read())

    def evaluate(self, script):
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": "Runtime.evaluate", "params": {"expression": script}}), 1)
        while True:
            told = json.loads(self.socket.frame()[1])
            if told.get("id") == self.number:
                return told["result"]["result"].get("value")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.place, ignore_errors=True)


MANAGERS = {"startxfce4": "xfce4", "icewm": "icewm", "openbox": "openbox"}  # as a desktop prefers them, and their packages


def box_with(server, manager):
    """A sandbox that has no other window manager."""
    env = {"VNC_RESOLUTION": "%dx%d" % (WIDTH, HEIGHT), "PATH": "/home/daytona/chosen"}
    box = server.create(env=env)["id"]
    others = " ".join("chosen/" + name for name in MANAGERS if name != manager)
    done = server.execute(box, "/usr/bin/mkdir chosen && /usr/bin/ln -s /usr/bin/* chosen/ && /usr/bin/rm -f " + others)
    assert done["exitCode"] == 0, done
    return box


class Desktop(harness.Case):
    @classmethod
    def setUpClass(cls):
        lack = missing()
        if lack:
            raise unittest.SkipTest("not installed: " + lack)
        super().setUpClass()
        cls.box = box_with(cls.server, "icewm")

    # --- calls ---

    def ask(self, method, path, body=None, box=None, **more):
        return self.server.call(method, "/toolbox/%s/computeruse%s" % (box or self.box, path), body, **more)

    def get(self, path, status=200, **more):
        return self.status(status, self.ask("GET", path, **more)).json

    def post(self, path, body=None, status=200, **more):
        return self.status(status, self.ask("POST", path, body, **more)).json

    def run_in(self, command, box=None):
        return self.server.execute(box or self.box, command)["result"]

    def picture(self, path="/screenshot"):
        answer = self.get(path)
        return Picture(base64.b64decode(answer["screenshot"], validate=True)), answer

    def refused(self, answer, status, *words):
        self.status(status, answer)
        self.assertEqual(answer.json["source"], "DAYTONA_DAEMON")
        for word in words:
            self.assertIn(word, answer.json["message"])

    # --- the window that says what happens to it ---

    @classmethod
    def open_window(cls):
        with open(os.environ["X_WINDOW"], "rb") as file:
            program = file.read()
        answer = cls.server.call("POST", "/toolbox/%s/files/upload?path=x_window" % cls.box, raw=program,
                                 headers={"Content-Type": "application/octet-stream"})
        if answer.status >= 300:
            parts = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n' + program + b"\r\n--b--\r\n"
            answer = cls.server.call("POST", "/toolbox/%s/files/upload?path=x_window" % cls.box, raw=parts,
                                     headers={"Content-Type": "multipart/form-data; boundary=b"})
        assert answer.status < 300, answer.body
        cls.server.execute(cls.box, "chmod +x x_window && (./x_window %d %d %d %d >events 2>&1 &)" % WINDOW)
        harness.until(lambda: "painted" in cls.server.execute(cls.box, "cat events")["result"])

    def fence(self):
        """All lines of the window, once it has reported what has happened so far."""
        before = self.run_in("grep -c fence events; kill -USR1 $(pgrep -x x_window)")
        return harness.until(lambda: self.lines_after(int(before)))

    def lines_after(self, fences):
        lines = self.run_in("cat events").splitlines()
        return lines if lines.count("fence") > fences else None

    def events(self, act, count=None, kinds=("press", "release", "motion", "key", "keyup")):
        """What the window reports of `act`, `count` lines at least: lists of words."""
        before = len(self.fence())
        act()
        chosen = [line.split() for line in self.fence()[before:] if line.split()[0] in kinds]
        self.assertGreaterEqual(len(chosen), count or 0, chosen)
        return chosen

    # --- before there is one ---

    def test_01_before_the_start(self):
        self.assertEqual(self.get("/status"), {"status": "inactive"})
        self.assertEqual(self.get("/process-status"), {"status": "inactive"})
        self.assertEqual(self.get("/process/xvfb/status"), {"processName": "xvfb", "running": False})
        self.assertEqual(self.get("/display/info"), {"displays": None})
        self.assertEqual(self.get("/display/windows"), {"windows": None})
        self.refused(self.ask("GET", "/screenshot"), 503, "no desktop runs")
        self.refused(self.ask("POST", "/mouse/move", {"x": 1, "y": 1}), 503, "no desktop runs")
        self.refused(self.ask("POST", "/keyboard/type", {"text": "x"}), 503, "no desktop runs")
        self.refused(self.ask("GET", "/process/xvfb/logs"), 400, "not started yet")
        self.refused(self.ask("POST", "/process/x11vnc/restart"), 503, "does not run")
        self.assertEqual(self.post("/stop")["status"]["xvfb"]["Running"], False)

    def test_02_start(self):
        begin = time.monotonic()
        answer = self.post("/start")
        self.picture()
        print("# start to the first screenshot: %d ms" % ((time.monotonic() - begin) * 1000))
        self.assertEqual(sorted(set(answer["status"]) - {"atspi"}), ["novnc", "x11vnc", "xfce4", "xvfb"])
        if os.path.exists("/usr/libexec/at-spi-bus-launcher") and shutil.which("dbus-daemon"):
            self.assertEqual(self.get("/process/atspi/status"), {"processName": "atspi", "running": True})
            self.assertEqual([answer["status"]["atspi"][key] for key in ("Running", "Priority", "AutoRestart", "Pid")], [True, 250, False, None])
        for name, priority in (("xvfb", 100), ("xfce4", 200), ("x11vnc", 300), ("novnc", 400)):
            status = answer["status"][name]
            self.assertEqual((status["Running"], status["Priority"], status["AutoRestart"]), (True, priority, True))
            self.assertIsInstance(status["Pid"], int)
            self.assertEqual({key[0].lower() + key[1:]: value for key, value in status.items()},
                             {key: value for key, value in status.items() if key[0].islower()}, "both spellings")
            self.assertEqual(self.get("/process/%s/status" % name), {"processName": name, "running": True})
            self.assertEqual(self.get("/process/%s/logs" % name)["processName"], name)
            self.assertEqual(self.get("/process/%s/errors" % name)["processName"], name)
        self.assertIn("PORT=5901", self.get("/process/x11vnc/logs")["logs"])
        self.assertEqual(self.get("/status"), {"status": "active"})
        again = self.post("/start")
        self.assertEqual(again["status"], answer["status"], "a second start starts nothing")
        self.assertEqual(self.run_in("echo $DISPLAY"), ":0\n")
        self.open_window()

    def test_03_bad_names(self):
        self.refused(self.ask("GET", "/process/nosuch/status"), 503, "nosuch not found")
        for method, path in (("POST", "restart"), ("GET", "logs"), ("GET", "errors")):
            self.refused(self.ask(method, "/process/nosuch/" + path), 400, "nosuch not found")
        self.assertEqual(self.ask("GET", "/nothing").status, 404)

    # --- screenshots ---

    def check_window(self, picture, left=0, top=0, scale=1.0):
        """The quarters of the window are where they are to be."""
        x, y, width, height = WINDOW
        for i, colour in enumerate((RED, GREEN, BLUE, WHITE)):
            for share in (0.1, 0.4):
                at = (x + i % 2 * width // 2 + width * share - left, y + i // 2 * height // 2 + height * share - top)
                self.assertEqual(picture.at(int(at[0] * scale), int(at[1] * scale)), colour, (i, share))
        self.assertNotEqual(picture.at(int((x - 3 - left) * scale), int((y + 5 - top) * scale)), RED)

    def test_04_screenshots(self):
        picture, answer = self.picture()
        self.assertEqual((picture.width, picture.height), (WIDTH, HEIGHT))
        self.assertEqual(sorted(answer), ["cursorPosition", "screenshot"])
        self.check_window(picture)
        picture, answer = self.picture("/screenshot/region?x=650&y=150&width=500&height=400")
        self.assertEqual((picture.width, picture.height), (500, 400))
        self.check_window(picture, 650, 150)
        picture, answer = self.picture("/screenshot/compressed?scale=0.5")
        self.assertEqual((picture.width, picture.height), (WIDTH // 2, HEIGHT // 2))
        self.assertEqual(answer["sizeBytes"], len(base64.b64decode(answer["screenshot"])))
        self.assertNotIn("cursorPosition", answer)
        self.check_window(picture, scale=0.5)
        picture, answer = self.picture("/screenshot/region/compressed?x=650&y=150&width=500&height=400&scale=0.25&showCursor=1")
        self.assertEqual((picture.width, picture.height), (125, 100))
        self.assertIn("cursorPosition", answer)

    def test_05_regions_outside_are_black(self):
        picture, _ = self.picture("/screenshot/region?x=%d&y=%d&width=40&height=30" % (WIDTH - 20, HEIGHT - 10))
        self.assertEqual((picture.width, picture.height, picture.at(39, 29), picture.at(5, 25)), (40, 30, BLACK, BLACK))
        self.assertNotEqual(picture.at(1, 1), BLACK)
        for place in ("x=5000&y=5000", "x=-100&y=-100", "x=2147483647&y=2147483647", "x=-2147483648&y=0"):
            picture, _ = self.picture("/screenshot/region?%s&width=10&height=10" % place)
            self.assertEqual(set(picture.rows), {bytes(30)}, place)
        self.refused(self.ask("GET", "/screenshot/region?x=0&y=0&width=2147483647&height=2147483647"), 400, "too large")

    def test_06_formats(self):
        def size_of(name, **more):
            query = "&".join("%s=%s" % pair for pair in more.items())
            answer = self.get("/screenshot/compressed?format=%s&%s" % (name, query))
            data = base64.b64decode(answer["screenshot"])
            self.assertEqual(answer["sizeBytes"], len(data))
            head = {"jpeg": b"\xff\xd8\xff", "webp": b"RIFF", "png": b"\x89PNG"}[name]
            self.assertEqual(data[:len(head)], head)
            return len(data)
        for name in ("jpeg", "webp"):
            self.assertLess(size_of(name, quality=5), size_of(name, quality=100))
            self.assertLess(size_of(name, scale=0.2), size_of(name))
        size_of("png", quality=1)

    def test_07_bad_parameters(self):
        for query, words in (("?x=1", "missing required query parameter: y"), ("?x=a&y=1&width=2&height=2", "x: must be an integer"),
                             ("?x=1.5&y=1&width=2&height=2", "must be an integer"), ("?x=1e2&y=1&width=2&height=2", "must be an integer"),
                             ("?x=1&y=1&width=0&height=5", "width: must be greater than zero"),
                             ("?x=1&y=1&width=5&height=-5", "height: must be greater than zero"),
                             ("?x=1&y=1&width=99999999999&height=5", "must be an integer")):
            self.refused(self.ask("GET", "/screenshot/region" + query), 400, words)
        for query, words in (("format=bmp", "format"), ("quality=0", "quality"), ("quality=101", "quality"), ("quality=x", "quality"),
                             ("scale=0", "scale"), ("scale=0.05", "scale"), ("scale=1.01", "scale"), ("scale=nan", "scale"),
                             ("scale=x", "scale"), ("showCursor=maybe", "must be a boolean")):
            self.refused(self.ask("GET", "/screenshot/compressed?" + query), 400, words)

    def test_08_the_cursor_is_drawn(self):
        x, y = WINDOW[0] + 100, WINDOW[1] + 75
        self.post("/mouse/move", {"x": x, "y": y})
        region = "/screenshot/region?x=%d&y=%d&width=60&height=60" % (x - 30, y - 30)
        plain, _ = self.picture(region)
        drawn, answer = self.picture(region + "&show_cursor=true")
        self.assertEqual(set(plain.rows), {bytes(RED) * 60})
        changed = [(i, j) for j in range(60) for i in range(60) if drawn.at(i, j) != RED]
        self.assertTrue(changed and all(10 <= i <= 59 and 10 <= j <= 59 for i, j in changed), changed[:5])
        self.assertEqual(answer["cursorPosition"], {"x": x, "y": y})
        full = self.get("/screenshot/compressed?scale=0.5&showCursor=t")
        self.assertEqual(full["cursorPosition"], {"x": x // 2, "y": y // 2})

    # --- displays and windows ---

    def test_09_displays_and_windows(self):
        self.assertEqual(self.get("/display/info"),
                         {"displays": [{"id": 0, "x": 0, "y": 0, "width": WIDTH, "height": HEIGHT, "isActive": True}]})
        self.run_in("(xterm -T 'A \"title\" \u00fc \u6f22' -geometry 40x10+60+80 >/dev/null 2>&1 &)")
        window = harness.until(lambda: self.get("/display/windows")["windows"])[0]
        self.assertEqual(window["title"], 'A "title" \u00fc \ufffd', "xterm has only the older property, whose charset has no such sign")
        self.assertGreater(window["id"], 0)
        self.assertTrue(60 <= window["x"] <= 80 and 80 <= window["y"] <= 120, window)
        self.assertTrue(window["width"] > 100 and window["height"] > 50 and window["isVisible"], window)
        self.run_in("kill $(pgrep xterm)")
        harness.until(lambda: not self.get("/display/windows")["windows"])

    # --- mouse ---

    def test_10_a_click_lands(self):
        x, y = WINDOW[0] + 30, WINDOW[1] + 40
        click = lambda **more: lambda: self.assertEqual(self.post("/mouse/click", {"x": x, "y": y, **more}), {"x": x, "y": y})
        button = lambda name, number: self.assertEqual(
            [words[:4] for words in self.events(click(button=name), 2, ("press", "release"))],
            [[kind, str(number), str(x), str(y)] for kind in ("press", "release")])
        for name, number in (("left", 1), ("middle", 2), ("RIGHT", 3)):
            button(name, number)
        self.assertEqual(len(self.events(click(), 2, ("press", "release"))), 2)
        self.assertEqual(len(self.events(click(double=True), 4, ("press", "release"))), 4)
        self.assertEqual(len(self.events(click(double=True, clicks=3), 6, ("press", "release"))), 6)
        pressed = self.events(click(modifiers=["ctrl", "Shift"]), 2, ("press", "release"))
        self.assertEqual([int(words[4]) & (SHIFT | CONTROL | ALT) for words in pressed], [SHIFT | CONTROL] * 2)
        self.assertEqual(self.get("/mouse/position"), {"x": x, "y": y})
        self.nothing_is_held()

    def nothing_is_held(self):
        x, y = WINDOW[0] + 5, WINDOW[1] + 5
        self.post("/mouse/move", {"x": x + 1, "y": y})
        moved = self.events(lambda: self.post("/mouse/move", {"x": x, "y": y}), 1, ("motion",))
        self.assertEqual({words[3] for words in moved}, {"0"}, "buttons or modifiers are down")

    def test_11_drag_and_scroll(self):
        x, y = WINDOW[0], WINDOW[1]
        drag = {"startX": x + 10, "startY": y + 20, "endX": x + 210, "endY": y + 120}
        seen = self.events(lambda: self.assertEqual(self.post("/mouse/drag", {**drag, "modifiers": ["alt"]}), {"x": x + 210, "y": y + 120}), 10)
        buttons = [words for words in seen if words[0] in ("press", "release")]
        self.assertEqual([words[:4] for words in buttons], [["press", "1", str(x + 10), str(y + 20)], ["release", "1", str(x + 210), str(y + 120)]])
        between = [words for words in seen if words[0] == "motion" and int(words[3]) & 256]
        self.assertGreaterEqual(len(between), 10)
        self.assertTrue(all(int(words[3]) & ALT for words in between))
        for direction, number in (("up", 4), ("down", 5), ("left", 6), ("right", 7)):
            act = lambda: self.assertEqual(self.post("/mouse/scroll", {"x": x + 50, "y": y + 50, "direction": direction, "amount": 3}), {"success": True})
            self.assertEqual([words[1] for words in self.events(act, 3, ("press",))], [str(number)] * 3)
        once = lambda: self.post("/mouse/scroll", {"x": x + 50, "y": y + 50, "direction": "down", "amount": 0, "modifiers": ["ctrl"]})
        self.assertEqual([int(words[4]) & CONTROL for words in self.events(once, 1, ("press",))], [CONTROL])
        self.nothing_is_held()

    def test_12_a_button_is_held(self):
        x, y = WINDOW[0] + 60, WINDOW[1] + 60
        self.assertEqual(self.post("/mouse/down", {"x": x, "y": y, "button": "right"}), {"x": x, "y": y})
        moved = self.events(lambda: self.post("/mouse/move", {"x": x + 9, "y": y}), 1, ("motion",))
        self.assertTrue(int(moved[0][3]) & 1024, "button 3 is down")
        released = self.events(lambda: self.assertEqual(self.post("/mouse/up", {"button": "right"}), {"x": x + 9, "y": y}), 1, ("release",))
        self.assertEqual(released[0][1:4], ["3", str(x + 9), str(y)])
        self.nothing_is_held()

    def test_13_bad_mouse(self):
        bad = [("/mouse/move", {"x": WIDTH, "y": 1}, "outside of the screen"), ("/mouse/move", {"x": 1, "y": -1}, "outside of the screen"),
               ("/mouse/move", {"x": "a"}, "'x' must be an integer"), ("/mouse/move", {"x": 1.5}, "must be an integer"),
               ("/mouse/move", {"x": 1 << 40}, "must be an integer"),
               ("/mouse/click", {"x": 99999, "y": 1}, "outside"), ("/mouse/click", {"x": 1, "y": 1, "button": "fourth"}, "left, right, middle"),
               ("/mouse/click", {"x": 1, "y": 1, "clicks": 0}, "clicks must be from 1 to 10"), ("/mouse/click", {"x": 1, "y": 1, "clicks": 11}, "1 to 10"),
               ("/mouse/click", {"x": 1, "y": 1, "modifiers": ["nomod"]}, "unsupported modifier"),
               ("/mouse/click", {"x": 1, "y": 1, "modifiers": ["ctrl", "control"]}, "duplicate modifier"),
               ("/mouse/click", {"x": 1, "y": 1, "modifiers": "ctrl"}, "array"), ("/mouse/click", {"x": 1, "y": 1, "double": 1}, "true or false"),
               ("/mouse/drag", {"startX": 1, "startY": 1, "endX": 1, "endY": HEIGHT}, "outside"),
               ("/mouse/drag", {"startX": 1, "startY": 1, "endX": 1, "endY": 1, "button": "none"}, "left, right, middle"),
               ("/mouse/scroll", {"x": 1, "y": 1}, "unsupported scroll direction"), ("/mouse/scroll", {"x": 1, "y": 1, "direction": "in"}, "direction"),
               ("/mouse/scroll", {"x": 1, "y": 1, "direction": "up", "amount": -1}, "greater than or equal to 0"),
               ("/mouse/scroll", {"x": 1, "y": 1, "direction": "up", "amount": 1001}, "1000"),
               ("/mouse/down", {"x": 1}, "both x and y"), ("/mouse/up", {"button": "x"}, "left, right, middle")]
        for path, body, words in bad:
            with self.subTest(path=path, body=body):
                self.refused(self.ask("POST", path, body), 400, words)
        for path in ("/mouse/move", "/mouse/click", "/keyboard/type", "/keyboard/key"):
            self.refused(self.ask("POST", path, raw=b"{"), 400, "invalid request body")
        self.nothing_is_held()

    # --- keyboard ---

    def focus_window(self):
        self.post("/mouse/click", {"x": WINDOW[0] + 5, "y": WINDOW[1] + 5})

    def test_14_keys_come(self):
        self.focus_window()
        code = lambda act, count: [words[:2] for words in self.events(act, count, ("key", "keyup"))]
        self.assertEqual(code(lambda: self.post("/keyboard/key", {"key": "a"}), 2), [["key", "38"], ["keyup", "38"]])
        self.assertEqual(code(lambda: self.post("/keyboard/key", {"key": "A"}), 2), [["key", "38"], ["keyup", "38"]])
        self.assertEqual(code(lambda: self.post("/keyboard/hotkey", {"keys": "ctrl + shift+T"}), 6),
                         [["key", "37"], ["key", "50"], ["key", "28"], ["keyup", "28"], ["keyup", "50"], ["keyup", "37"]])
        self.assertEqual(code(lambda: self.post("/keyboard/key", {"key": "F5", "modifiers": ["Shift", "ctrl"]}), 6)[2], ["key", "71"])
        self.assertEqual(code(lambda: self.post("/keyboard/hotkey", {"keys": "enter"}), 2)[0], ["key", "36"])
        self.nothing_is_held()

    def test_15_a_key_is_held(self):
        self.assertEqual(self.post("/keyboard/down", {"key": "shift"}), {})
        pressed = self.events(lambda: self.post("/keyboard/key", {"key": "a", "modifiers": ["shift"]}), 2, ("key", "keyup"))
        self.assertEqual([words[0:3] for words in pressed], [["key", "38", "1"], ["keyup", "38", "1"]], "what is held stays so")
        self.assertEqual(self.post("/keyboard/up", {"key": "shift"}), {})
        self.nothing_is_held()

    def test_16_bad_keys(self):
        bad = [("/keyboard/key", {"key": key}, words) for key, words in (
            ("!", 'press("1", ["shift"])'), ("+", 'press("=", ["shift"])'), (" ", 'press("space")'), ("nosuchkey", "unsupported key"),
            ("", "empty key token"), ("\u00fc", "text input"), ("f25", "unsupported key"), ("num10", "unsupported key"), ("x" * 5000, "unsupported"))]
        bad += [("/keyboard/key", {"key": "a", "modifiers": [name]}, words) for name, words in (
            ("nomod", "supported modifiers: ctrl, alt, shift, cmd"), ("lctrl", "only supported as the main key"), ("", "unsupported modifier"))]
        bad += [("/keyboard/hotkey", {"keys": keys}, words) for keys, words in (
            ("ctrl+", "empty key token"), ("+", "empty key token"), ("a+b", "at most one non-modifier"), ("ctrl+a ctrl+b", "single chord"),
            ("ctrl+nosuch", "unsupported key"), ("", "empty key token"), ("ctrl+control", "twice"))]
        bad += [("/keyboard/key", {}, "empty key token"), ("/keyboard/down", {"key": "nosuch"}, "unsupported"), ("/keyboard/up", {"key": 1}, "string"),
                ("/keyboard/key", {"key": "shift", "modifiers": ["shift"]}, "duplicate"),
                ("/keyboard/type", {"text": "tab\there"}, 'press("tab")'), ("/keyboard/type", {"text": "\x01"}, "control character"),
                ("/keyboard/type", {"text": "\u2028"}, "U+2028"), ("/keyboard/type", {"text": "\x85"}, "control character"),
                ("/keyboard/type", {"text": "x" * (1 << 20)}, "65536 characters at most"), ("/keyboard/type", {"text": "a\0b"}, "NUL"),
                ("/keyboard/type", {"text": "x", "delay": -1}, "delay"), ("/keyboard/type", {"text": "x", "delay": 10001}, "delay")]
        for path, body, words in bad:
            with self.subTest(path=path, body=str(body)[:60]):
                self.refused(self.ask("POST", path, body), 400, words)
        self.nothing_is_held()
        for key in ("esc", "page_up", "Page-Down", "lshift", "F24", "num0", "num_plus", "`", "-", "\\", "caps_lock", "caps_lock"):
            self.assertEqual(self.post("/keyboard/key", {"key": key}), {}, key)
        self.assertEqual(self.post("/keyboard/hotkey", {"keys": "ctrl+shift"}), {})
        self.assertEqual(self.post("/keyboard/type", {"text": ""}), {})
        self.assertEqual(self.post("/keyboard/type", {}), {})
        self.nothing_is_held()

    def terminal(self, name):
        self.run_in("(xterm -T %s -geometry 100x30+20+40 -e sh -c 'cat >%s' >/dev/null 2>&1 &)" % (name, name))
        window = harness.until(lambda: [w for w in self.get("/display/windows")["windows"] or [] if w["title"] == name])[0]
        self.post("/mouse/click", {"x": window["x"] + 50, "y": window["y"] + 50})

    def test_17_text_is_typed(self):
        self.terminal("typed")
        lines = ["Hello, World 123! \"quoted\" ~^`' \\|{}[]<>?", "\u00e4\u00f6\u00fc\u00c4\u00d6\u00dc\u00df \u20ac \u6f22\u5b57\u304b\u306a \u0416\u0434 \U0001f600 \u00bd",
                 "".join(chr(0x4e00 + i) for i in range(400)), "".join(chr(0x4e00 + i) for i in range(399, -1, -1))]
        for line in lines:
            self.assertEqual(self.post("/keyboard/type", {"text": line + "\r\n"}), {})
        self.post("/keyboard/key", {"key": "capslock"})
        self.post("/keyboard/type", {"text": "Caps Lock: \u00e4 \u6f22\n"})
        self.post("/keyboard/key", {"key": "capslock"})
        many = "".join("%d %s\n" % (i, "The quick brown Fox"[:i % 20]) for i in range(300))
        begin = time.monotonic()
        self.post("/keyboard/type", {"text": many})
        print("# %d characters typed in %d ms" % (len(many), (time.monotonic() - begin) * 1000))
        self.post("/keyboard/type", {"text": "slow\n", "delay": 20})
        self.post("/keyboard/hotkey", {"keys": "ctrl+d"})
        wanted = "\n".join(lines) + "\nCaps Lock: \u00e4 \u6f22\n" + many + "slow\n"
        harness.until(lambda: not self.get("/display/windows")["windows"])
        self.assertEqual(self.run_in("cat typed"), wanted)

    def test_18_a_client_that_leaves_ends_its_typing(self):
        self.terminal("slowly")
        with self.assertRaises(OSError):
            self.ask("POST", "/keyboard/type", {"text": "x" * 1000, "delay": 50, "modifiers": []}, timeout=0.5)
        begin = time.monotonic()
        self.post("/keyboard/type", {"text": "\n"})
        self.assertLess(time.monotonic() - begin, 10, "the text that nobody waits for is still being typed")
        self.post("/keyboard/hotkey", {"keys": "ctrl+d"})
        harness.until(lambda: not self.get("/display/windows")["windows"])
        self.assertLess(len(self.run_in("cat slowly")), 500)
        self.nothing_is_held()

    def test_19_screenshots_do_not_wait_for_typing(self):
        times = []
        writer = threading.Thread(target=lambda: self.post("/keyboard/type", {"text": "x" * 30, "delay": 100}))
        writer.start()
        with self.assertRaises(OSError):  # until the typing has begun
            while writer.is_alive():
                self.ask("POST", "/mouse/move", {"x": 5, "y": 5}, timeout=0.3)
        with self.assertRaises(OSError):  # it waits for the typing, and is not done when its client has gone
            self.ask("POST", "/mouse/move", {"x": 999, "y": 99}, timeout=0.3)
        while writer.is_alive():
            begin = time.monotonic()
            self.get("/screenshot/compressed?scale=0.1")
            times.append(time.monotonic() - begin)
        writer.join()
        self.assertGreater(len(times), 3)
        self.assertNotEqual(self.get("/mouse/position"), {"x": 999, "y": 99})

    # --- recordings ---

    def probe(self, path):
        """(seconds, pictures, width, height) of a film, as ffprobe counts them."""
        done = subprocess.run(["ffprobe", "-v", "error", "-count_frames", "-show_entries", "format=duration:stream=nb_read_frames,width,height",
                               "-of", "json", path], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        told = json.loads(done.stdout)
        stream = told["streams"][0]
        return float(told["format"]["duration"]), int(stream["nb_read_frames"]), stream["width"], stream["height"]

    def probe_bytes(self, data):
        with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
            file.write(data)
            file.flush()
            return self.probe(file.name)

    @unittest.skipUnless(shutil.which("ffmpeg"), "ffmpeg is not installed")
    def test_1a_recordings(self):
        self.assertEqual(self.get("/recordings"), {"recordings": []})
        started = self.post("/recordings/start", {"label": "demo run"}, 201)
        name = started["id"]
        self.assertRegex(started["fileName"], "^%s_demo run_\\d{8}_\\d{6}\\.mp4$" % name)
        self.assertEqual(started["filePath"], "/home/daytona/.daytona/recordings/" + started["fileName"])
        self.assertEqual((started["status"], sorted(started)), ("recording", ["fileName", "filePath", "id", "startTime", "status"]))
        self.assertEqual(self.get("/recordings"), {"recordings": [started]})
        self.assertEqual(self.get("/recordings/" + name), started)
        self.refused(self.ask("GET", "/recordings/%s/download" % name), 404, "file not found")
        answer = self.ask("DELETE", "/recordings/" + name)
        self.refused(answer, 409, "stop it first")
        self.assertEqual(answer.json["code"], "RECORDING_STILL_ACTIVE")
        self.post("/mouse/drag", {"startX": 10, "startY": 10, "endX": 400, "endY": 400})
        time.sleep(1)
        stopped = self.post("/recordings/stop", {"id": name})
        self.assertEqual((stopped["status"], stopped["startTime"]), ("completed", started["startTime"]))
        self.assertGreater(stopped["durationSeconds"], 0.9)
        self.refused(self.ask("POST", "/recordings/stop", {"id": name}), 404, "recording not found")
        found = self.get("/recordings/" + name)
        self.assertEqual((found["status"], found["sizeBytes"], found["startTime"]), ("completed", stopped["sizeBytes"], found["endTime"]))
        self.assertEqual(self.get("/recordings"), {"recordings": [found]})
        film = self.status(200, self.ask("GET", "/recordings/%s/download" % name))
        self.assertEqual((film.headers["Content-Type"], len(film.body)), ("video/mp4", stopped["sizeBytes"]))
        seconds, pictures, width, height = self.probe_bytes(film.body)
        self.assertEqual((width, height), (WIDTH, HEIGHT))
        self.assertTrue(0.5 < seconds < stopped["durationSeconds"] + 2 and pictures > 5, (seconds, pictures))
        part = self.status(206, self.ask("GET", "/recordings/%s/download" % name, headers={"Range": "bytes=4-15"}))
        self.assertEqual((part.body, part.headers["Content-Range"]), (film.body[4:16], "bytes 4-15/%d" % len(film.body)))
        part = self.status(206, self.ask("GET", "/recordings/%s/download" % name, headers={"Range": "bytes=-10"}))
        self.assertEqual(part.body, film.body[-10:])
        self.status(416, self.ask("GET", "/recordings/%s/download" % name, headers={"Range": "bytes=99999999-"}))
        date, other = film.headers["Last-Modified"], "Mon, 02 Nov 2020 10:00:00 GMT"
        for headers, status in (({"If-Range": date}, 206), ({"If-Range": other}, 200), ({"If-Unmodified-Since": date}, 206), ({"If-Unmodified-Since": other}, 412)):
            self.status(status, self.ask("GET", "/recordings/%s/download" % name, headers={"Range": "bytes=4-15", **headers}))
        self.status(204, self.ask("DELETE", "/recordings/" + name))
        self.refused(self.ask("GET", "/recordings/" + name), 404, "recording not found")
        self.assertEqual(self.get("/recordings"), {"recordings": []})

    @unittest.skipUnless(shutil.which("ffmpeg"), "ffmpeg is not installed")
    def test_1b_a_recording_that_is_stopped_at_once(self):
        first, second = (self.post("/recordings/start", body, 201) for body in (None, {"label": ""}))
        self.assertIn("_session_", first["fileName"])
        for recording in (first, second):
            stopped = self.post("/recordings/stop", {"id": recording["id"]})
            film = self.ask("GET", "/recordings/%s/download" % stopped["id"])
            self.assertGreaterEqual(self.probe_bytes(film.body)[1], 1)
        self.run_in("kill -9 $(pgrep ffmpeg); rm -rf .daytona/recordings")

    @unittest.skipUnless(shutil.which("ffmpeg"), "ffmpeg is not installed")
    def test_1c_bad_recordings(self):
        for label in ("   ", ".hidden", " .x", "a/b", "a\\b", "x" * 101, "\u00fcmlaut", "a\nb", "a\0b"):
            self.refused(self.ask("POST", "/recordings/start", {"label": label}), 400, "invalid label")
        self.refused(self.ask("POST", "/recordings/stop", {}), 400, "'id' is required")
        unknown = "11111111-2222-3333-4444-555555555555"
        for name in ("none", unknown, "..%2f..", unknown + "_x"):
            self.refused(self.ask("GET", "/recordings/" + name), 404, "recording not found")
            self.refused(self.ask("GET", "/recordings/%s/download" % name), 404, "recording not found")
            self.refused(self.ask("DELETE", "/recordings/" + name), 404, "recording not found")
            self.refused(self.ask("POST", "/recordings/stop", {"id": name}), 404, "recording not found")
        self.run_in("mkdir -p .daytona/recordings && cd .daytona/recordings && ln -s /etc/passwd %s_x_1.mp4 && echo >notes.mp4" % unknown)
        self.assertEqual(self.get("/recordings"), {"recordings": []})
        self.refused(self.ask("GET", "/recordings/%s/download" % unknown), 404, "recording not found")
        recording = self.post("/recordings/start", {"label": "dies"}, 201)
        self.run_in("kill -9 $(pgrep ffmpeg)")
        harness.until(lambda: self.get("/recordings/" + recording["id"])["status"] == "completed")
        self.refused(self.ask("POST", "/recordings/stop", {"id": recording["id"]}), 404, "recording not found")

    # --- the preview, where a person watches ---

    def preview(self, path, label=None, **headers):
        host = "%s.localhost:%d" % (label or "6080-" + self.box, self.server.port)
        return self.server.call("GET", path, headers=headers, key="", host=host)

    def test_1d_the_preview_of_the_page(self):
        token = self.server.api("GET", "/sandbox/%s/ports/6080/preview-url" % self.box).json["token"]
        self.status(401, self.preview("/vnc.html"))
        page = self.status(200, self.preview("/vnc.html", **{"X-Daytona-Preview-Token": token}))
        self.assertIn(b"noVNC", page.body)
        host = "6080-%s.localhost:%d" % (self.box, self.server.port)
        with self.assertRaises(harness.Refused) as refused:
            self.server.websocket("/websockify", key="", host=host)
        self.assertEqual(refused.exception.status, 401)
        watcher = self.server.websocket("/websockify", [("X-Daytona-Preview-Token", token), ("Sec-WebSocket-Protocol", "binary")], key="", host=host)
        self.assertEqual(watcher.frame()[1][:8], b"RFB 003.")
        watcher.close()

    @unittest.skipUnless(shutil.which("chromium"), "chromium is not installed")
    def test_1e_the_page_shows_the_desktop(self):
        """In a real browser: the canvas has the colours of the window where they are on the screen."""
        x, y, width, height = WINDOW
        points = [[x + width // 4, y + height // 4], [x + width * 3 // 4, y + height // 4], [x + width // 4, y + height * 3 // 4]]
        script = """(() => {
            const canvas = [...document.querySelectorAll("canvas")].find(c => c.width == %d && c.height == %d);
            if (!canvas) return "";
            return %s.map(([x, y]) => canvas.getContext("2d").getImageData(x, y, 1, 1).data.slice(0, 3).join(",")).join(" ");
        })()""" % (WIDTH, HEIGHT, json.dumps(points))
        self.post("/mouse/move", {"x": 5, "y": 5})
        token = self.server.api("GET", "/sandbox/%s/ports/6080/signed-preview-url?expiresInSeconds=600" % self.box).json["token"]
        with Browser("http://6080-%s.localhost:%d/vnc.html?autoconnect=true" % (token, self.server.port)) as browser:
            harness.until(lambda: browser.evaluate(script) == "255,0,0 0,255,0 0,0,255", 60)

    # --- what can go wrong ---

    def test_20_the_program_for_input_dies(self):
        self.post("/mouse/down", {"x": WINDOW[0] + 5, "y": WINDOW[1] + 5})
        self.post("/keyboard/down", {"key": "ctrl"})
        self.run_in("kill -9 $(pgrep -x desktop); while pgrep -x desktop; do sleep 0.01; done")
        self.assertEqual(self.post("/mouse/move", {"x": WINDOW[0] + 7, "y": WINDOW[1] + 5}), {"x": WINDOW[0] + 7, "y": WINDOW[1] + 5})
        self.nothing_is_held()
        self.picture()

    def test_21_a_process_that_dies_comes_back(self):
        pid = lambda name: self.post("/start")["status"][name]["Pid"]
        first = pid("novnc")
        self.run_in("kill -9 %d" % first)
        harness.until(lambda: self.get("/process/novnc/status") == {"processName": "novnc", "running": False})
        self.assertEqual(self.get("/status"), {"status": "partial"})
        self.assertEqual(self.post("/process/novnc/restart"), {"message": "Process novnc restarted successfully", "processName": "novnc"})
        self.assertEqual(self.get("/status"), {"status": "active"})
        old = pid("xvfb")
        self.run_in("kill -9 %d" % old)
        harness.until(lambda: self.get("/process/x11vnc/status") == {"processName": "x11vnc", "running": False})
        self.assertEqual(self.get("/status"), {"status": "partial"})  # the page needs no screen
        harness.until(lambda: self.get("/status") == {"status": "active"})  # by itself, after five seconds
        self.assertNotEqual(pid("xvfb"), old)
        self.assertEqual(self.post("/mouse/move", {"x": 7, "y": 8}), {"x": 7, "y": 8})
        self.picture()

    def test_22_restart_of_the_screen(self):
        self.post("/process/xvfb/restart")
        self.assertEqual(self.get("/status"), {"status": "active"})
        self.picture()
        self.assertEqual(self.run_in("pgrep -c x_window; true"), "0\n", "programs of the old screen are gone")

    def test_23_stop(self):
        self.post("/mouse/down", {"x": 5, "y": 5})
        recording = self.post("/recordings/start", {"label": "until the stop"}, 201) if shutil.which("ffmpeg") else None
        answer = self.post("/stop")
        if recording:
            film = self.status(200, self.ask("GET", "/recordings/%s/download" % recording["id"]))
            self.assertGreaterEqual(self.probe_bytes(film.body)[1], 1)
            self.refused(self.ask("POST", "/recordings/start", {}), 503, "no desktop runs")
        self.assertEqual({(s["Running"], s["Pid"]) for s in answer["status"].values()}, {(False, None)})
        self.assertEqual(self.get("/status"), {"status": "inactive"})
        self.assertEqual(self.run_in("ps -eo comm= | grep -cxE 'Xvfb|icewm|x11vnc|websockify|desktop'"), "0\n")
        self.assertEqual(self.run_in("echo $DISPLAY"), "\n")
        self.refused(self.ask("GET", "/screenshot"), 503, "no desktop runs")
        self.post("/start")
        self.assertEqual(self.get("/status"), {"status": "active"})
        self.assertEqual(self.get("/mouse/position"), {"x": WIDTH // 2, "y": HEIGHT // 2})

    def test_24_a_display_that_is_taken(self):
        box = self.server.create()["id"]
        self.run_in("(Xvfb :0 -screen 0 300x200x24 >/dev/null 2>&1 &) ; while ! [ -e /tmp/.X0-lock ]; do sleep 0.05; done", box)
        self.post("/start", box=box)
        self.assertEqual(self.run_in("echo $DISPLAY", box), ":1\n")
        self.assertEqual(self.get("/display/info", box=box)["displays"][0]["width"], 1024)
        self.server.api("DELETE", "/sandbox/" + box)

    def test_25_programs_that_are_missing(self):
        box = self.server.create(env={"PATH": "/nowhere"})["id"]
        self.refused(self.ask("POST", "/start", box=box), 503, "Xvfb is not installed")
        self.assertEqual(self.get("/status", box=box), {"status": "inactive"})
        answer = self.ask("POST", "/recordings/start", {"label": "demo"}, box=box)
        self.refused(answer, 503, "FFmpeg must be installed")
        self.assertEqual(answer.json["code"], "RECORDING_FFMPEG_NOT_FOUND")
        self.server.api("DELETE", "/sandbox/" + box)
        for name, value in (("VNC_RESOLUTION", "10x10"), ("VNC_RESOLUTION", "large"), ("VNC_PORT", "0")):
            box = self.server.create(env={name: value})["id"]
            self.refused(self.ask("POST", "/start", box=box), 503, name)
            self.server.api("DELETE", "/sandbox/" + box)

    def test_26_a_port_that_is_taken(self):
        box = self.server.create()["id"]
        self.run_in("(python3 -m http.server -b 127.0.0.1 6080 >/dev/null 2>&1 &)", box)
        harness.until(lambda: "6080" in self.server.call("GET", "/toolbox/%s/port" % box).body.decode())
        self.refused(self.ask("POST", "/start", box=box), 503, "[novnc: port 6080 is taken")
        self.assertEqual(self.get("/status", box=box), {"status": "partial"})
        self.get("/screenshot", box=box)
        self.server.api("DELETE", "/sandbox/" + box)

    @unittest.skipUnless(shutil.which("ffmpeg"), "ffmpeg is not installed")
    def test_27_the_stop_of_the_sandbox_ends_recordings_in_order(self):
        box = self.server.create()["id"]
        self.post("/start", box=box)
        recording = self.post("/recordings/start", {"label": "to the end"}, 201, box=box)
        self.post("/mouse/drag", {"startX": 10, "startY": 10, "endX": 400, "endY": 400}, box=box)
        self.status(200, self.server.api("POST", "/sandbox/%s/stop" % box))
        self.server.wait(box, "stopped")
        self.status(200, self.server.api("POST", "/sandbox/%s/start" % box))
        self.server.wait(box, "started")
        self.assertEqual(self.get("/status", box=box), {"status": "inactive"})
        self.assertEqual(self.get("/recordings", box=box)["recordings"][0]["id"], recording["id"])
        film = self.status(200, self.ask("GET", "/recordings/%s/download" % recording["id"], box=box))
        self.assertGreaterEqual(self.probe_bytes(film.body)[1], 3)
        self.server.api("DELETE", "/sandbox/" + box)

    def test_2a_without_the_program_for_the_screen(self):
        """The server was built where the X libraries are missing."""
        place = tempfile.mkdtemp(prefix="dl-test-")
        shutil.copy(os.environ["DAYTONA_LOCAL"], place)
        os.chmod(place, 0o755)
        server = harness.Server(exe=os.path.join(place, "daytona-local"))
        try:
            box = server.create()["id"]
            call = lambda method, path, body=None: server.call(method, "/toolbox/%s/computeruse%s" % (box, path), body)
            self.assertEqual(self.status(200, call("POST", "/start")).json["status"]["novnc"]["Running"], True)
            self.refused(call("GET", "/screenshot"), 503, "daytona-local-desktop was not built")
            self.refused(call("POST", "/keyboard/type", {"text": "x"}), 503, "was not built")
            self.refused(call("POST", "/recordings/start"), 503, "was not built")
            self.status(200, call("POST", "/stop"))
        finally:
            self.assertEqual(server.stop(), 0)
            shutil.rmtree(place)

    # --- the platform's desktop, as it was recorded ---

    # (method, path, text in the body): its status and ours, where ours is the better one or the newer platform's.
    OTHERS = {("POST", "/mouse/move", "99999"): (200, 400),  # outside of the screen
              ("POST", "/mouse/scroll", "left"): (400, 200),  # newer
              ("POST", "/recordings/start", "demo\"}"): (400, 503), ("POST", "/recordings/start", ""): (400, 503),  # no ffmpeg: newer
              ("POST", "/recordings/start", 'label":""'): (201, 503),  # no screen
              ("DELETE", "/recordings/", ""): (400, 409)}  # newer

    def expected(self, method, path, body, status):
        for (other, start, part), (theirs, ours) in self.OTHERS.items():
            if (method, status) == (other, theirs) and path.startswith(start) and (part in body if part else not body):
                return ours
        return status

    def check_shape(self, theirs, ours, where):
        """Our keys are theirs and have their types; a list is judged by its first item."""
        if isinstance(theirs, dict):
            self.assertEqual(set(theirs) - {"atspi"} - set(ours), set(), where)
            for key in set(theirs) & set(ours):
                self.check_shape(theirs[key], ours[key], where + (key,))
        elif isinstance(theirs, list) and isinstance(ours, list):
            for one in ours[:1] if theirs else ():
                self.check_shape(theirs[0], one, where)
        elif theirs is not None and ours is not None:
            kind = lambda value: float if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value)
            self.assertEqual(kind(theirs), kind(ours), where)

    def replay(self, name, box):
        with open(os.path.join(os.environ["RECORDINGS"], name + ".json"), encoding="utf-8") as file:
            steps = [step["http"] for step in json.load(file)["steps"]]
        ids = {}
        for request, response in ((step["request"], step["response"]) for step in steps):
            path, body = request["target"], request.get("body_text") or ""
            if not path.startswith("/computeruse") or ("/atspi/" in path and "atspi" not in self.post("/start", box=box)["status"]):
                continue
            for theirs, ours in ids.items():
                path, body = path.replace(theirs, ours), body.replace(theirs, ours)
            path, where = path[len("/computeruse"):], (name, request["method"], path, body)
            headers = {key: value for key, value in request["headers"] if key == "Range"}
            answer = self.ask(request["method"], path, raw=body.encode() if body else None, headers=headers, box=box)
            status = self.expected(request["method"], path, body, response["status"])
            self.assertEqual(answer.status, status, (where, answer.body[:300]))
            if status >= 400:
                self.assertEqual((answer.json["statusCode"], answer.json["source"]), (status, "DAYTONA_DAEMON"), where)
            elif status == response["status"] and "json" in answer.headers.get("Content-Type", ""):
                theirs = json.loads(response["body_text"]) if response.get("body_text") else {}
                self.check_shape(theirs, answer.json, where)
                if isinstance(theirs.get("id"), str):
                    ids[theirs["id"]] = answer.json["id"]

    def test_28_recorded_exchanges(self):
        if not os.path.isdir(os.environ.get("RECORDINGS", "")):
            self.skipTest("the recordings are not here")
        box = self.server.create()["id"]
        for name in ("recordings-errors", "start", "display", "mouse", "keyboard", "screenshot", "recordings"):
            self.replay("computer-" + name, box)
        self.server.api("DELETE", "/sandbox/" + box)
        box = self.server.create(env={"PATH": "/nowhere"})["id"]
        self.replay("computer-recordings-no-ffmpeg", box)
        self.server.api("DELETE", "/sandbox/" + box)


def screen_layer():
    """A root with busybox, Xvfb, and what Xvfb needs."""
    layer = io.BytesIO(image_fixtures.busybox_layer())
    with tarfile.open(fileobj=layer, mode="a") as tar:
        paths = {os.path.realpath(shutil.which(name)): name for name in ("Xvfb", "xkbcomp")}
        files = {"usr/bin/" + name: path for path, name in paths.items()}
        for path in paths:
            for line in subprocess.run(["ldd", path], check=True, capture_output=True, text=True).stdout.splitlines():
                for word in line.split():
                    if word.startswith("/"):
                        files[word.lstrip("/")] = os.path.realpath(word)
        for name, path in files.items():
            tar.add(path, name)
        tar.add("/usr/share/X11/xkb", "usr/share/X11/xkb")
    return layer.getvalue()


class OnImage(Desktop):
    """A sandbox whose image has no X libraries but those of its Xvfb, and nothing else of a desktop."""

    @classmethod
    def setUpClass(cls):
        if missing() or image_fixtures.missing():
            raise unittest.SkipTest("not installed: %s" % (missing() or image_fixtures.missing()))
        cls.registry = image_fixtures.Registry()
        cls.registry.push("screen", "1", screen_layer(), Env=["PATH=/bin:/usr/bin", "VNC_RESOLUTION=640x480"])
        cls.options = cls.registry.options()
        harness.Case.setUpClass.__func__(cls)
        made = cls.server.api("POST", "/snapshots", {"name": "screen", "imageName": cls.registry.name + "/screen:1"}).json
        harness.until(lambda: cls.server.api("GET", "/snapshots/" + made["id"]).json["state"] in ("active", "error"), 60)
        cls.box = cls.server.create(snapshot="screen")["id"]

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.registry.close()

    def test_what_the_image_has_works(self):
        answer = self.ask("POST", "/start")
        self.refused(answer, 503, "[xfce4: no window manager is installed", "[x11vnc: x11vnc is not installed in the sandbox's image]",
                     "[novnc: websockify is not installed in the sandbox's image]")
        self.assertEqual(self.get("/status"), {"status": "partial"})
        picture, _ = self.picture()
        self.assertEqual((picture.width, picture.height), (640, 480))
        self.assertEqual(self.post("/mouse/move", {"x": 10, "y": 20}), {"x": 10, "y": 20})
        self.assertEqual(self.post("/keyboard/type", {"text": "a\u6f22"}), {})
        self.assertEqual(self.get("/display/windows"), {"windows": []})
        self.refused(self.ask("POST", "/recordings/start"), 503, "FFmpeg must be installed")
        self.assertEqual(self.post("/stop")["status"]["xvfb"]["Running"], False)


class Managers(Desktop):
    """Every window manager that a desktop can have."""

    @classmethod
    def setUpClass(cls):
        if missing():
            raise unittest.SkipTest("not installed: " + missing())
        harness.Case.setUpClass.__func__(cls)

    def differ(self, one, other, left, top, right, bottom):
        return any(one.rows[y][left * 3:right * 3] != other.rows[y][left * 3:right * 3] for y in range(top, bottom))

    def check(self, program, process, panel):
        """`panel`: the rows in which its taskbar shows the windows."""
        if not shutil.which(program):
            self.skipTest("not installed: %s; this runs where it is: apt-get install --no-install-recommends %s" % ((MANAGERS[program],) * 2))
        self.box = box_with(self.server, program)
        begin = time.monotonic()
        pid = self.post("/start")["status"]["xfce4"]["Pid"]
        started = time.monotonic()
        self.picture()
        print("# %s: started after %d ms, the first screenshot after %d ms" % (process, (started - begin) * 1000, (time.monotonic() - begin) * 1000))
        self.assertEqual(harness.until(lambda: self.run_in("ps -o comm= -p %d" % pid)), process + "\n")
        bare = self.with_taskbar(panel)
        self.run_in("(xterm -T decorated -geometry 60x10+500+300 >/dev/null 2>&1 &)")
        window = harness.until(lambda: [w for w in self.get("/display/windows")["windows"] if w["title"] == "decorated"])[0]
        x, y, width = window["x"], window["y"], window["width"]
        self.assertGreater(y, 305, "no room for a title")
        title, buttons = (x + width // 4, y - 12, x + width * 3 // 4, y - 4), (60, panel[0], 600, panel[1])
        harness.until(lambda: self.differ(bare, self.picture()[0], *title))
        harness.until(lambda: self.differ(bare, self.picture()[0], *buttons))
        self.post("/stop")
        # Of the toolbox and of this command.
        harness.until(lambda: set(self.run_in("ps -eo comm=").split()) <= {"toolbox", "sleep", "bash", "sh", "ps"}, 5)
        self.assertEqual(self.run_in("ls -A /tmp/.X11-unix; ls -d /tmp/daytona-bus* 2>/dev/null"), "")
        self.post("/start")
        self.assertEqual(self.get("/status"), {"status": "active"})
        self.server.api("DELETE", "/sandbox/" + self.box)

    def with_taskbar(self, panel):
        """A picture, once what is shown where the windows' buttons will be stays the same."""
        last, same = self.picture()[0], 0
        while same < 3:
            time.sleep(0.3)
            now = self.picture()[0]
            is_plain = len({now.rows[y][180:1800] for y in range(*panel)}) < 2
            same = 0 if is_plain or self.differ(last, now, 60, panel[0], 600, panel[1]) else same + 1
            last = now
        return last

    def test_xfce4(self):
        self.check("startxfce4", "xfce4-session", (0, 26))

    def test_icewm(self):
        self.check("icewm", "icewm", (HEIGHT - 24, HEIGHT))

    def test_openbox(self):
        if not shutil.which("tint2"):
            self.skipTest("not installed: tint2")
        self.check("openbox", "openbox", (HEIGHT - 28, HEIGHT))


for inherited in [name for name in dir(Desktop) if name.startswith("test_")]:
    setattr(OnImage, inherited, None)  # those are of the other class
    setattr(Managers, inherited, None)


if __name__ == "__main__":
    harness.main()
