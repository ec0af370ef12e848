# SPDX-License-Identifier: Apache-2.0
"""Chromium without a screen, driven over its debugging socket: tabs, keys, what the page says, pictures."""
import base64
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

import harness

# key: (code, number of the key, text)
KEYS = {"Tab": ("Tab", 9, ""), "Enter": ("Enter", 13, "\r"), "Escape": ("Escape", 27, ""), " ": ("Space", 32, " ")}
SHIFT, CONTROL = 8, 2


class Tab:
    """One page of a browser."""

    def __init__(self, port, target):
        self.id, self.number, self.events = target["id"], 0, []
        self.socket = harness.WebSocket(socket.create_connection(("127.0.0.1", port), timeout=30),
                                        target["webSocketDebuggerUrl"].split(str(port), 1)[1], host="127.0.0.1:%d" % port)
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(domain + ".enable")

    def read(self):
        told = json.loads(self.socket.frame()[1])
        if "method" in told:
            self.events.append(told)
        return told

    def send(self, method, **params):
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}), 1)
        while True:
            told = self.read()
            if told.get("id") == self.number:
                assert "error" not in told, (method, told["error"])
                return told["result"]

    def run(self, script):
        """The value of an expression, which may be a promise. A page that is just leaving has none."""
        told = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True)
        if "exceptionDetails" in told:
            raise AssertionError(told["exceptionDetails"].get("exception", {}).get("description", told["exceptionDetails"]["text"]))
        return told["result"].get("value")

    def until(self, script, limit=20):
        def found():
            try:
                return self.run(script)
            except AssertionError as error:
                if "navigated" in str(error) or "context" in str(error):
                    return None
                raise
        try:
            return harness.until(found, limit)
        except AssertionError:
            raise AssertionError("never: %s\n%s" % (script, self.run("document.body.innerText")))

    def go(self, url):
        self.send("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && location.href.startsWith(%s)" % json.dumps(url.split("?")[0]))

    def press(self, key, modifiers=0):
        code, number, text = KEYS.get(key) or ("Key" + key.upper(), ord(key.upper()), key)
        more = {"key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": modifiers}
        self.send("Input.dispatchKeyEvent", type="keyDown" if text and not modifiers & CONTROL else "rawKeyDown",
                  **more, **({"text": text} if text and not modifiers & CONTROL else {}))
        self.send("Input.dispatchKeyEvent", type="keyUp", **more)

    def type(self, text):
        for character in text:
            if character == "\r":
                self.press("Enter")
            else:
                self.send("Input.dispatchKeyEvent", type="keyDown", key=character, text=character)
                self.send("Input.dispatchKeyEvent", type="keyUp", key=character)

    def click(self, script):
        """As a mouse does; `script` is an element."""
        x, y = self.run("(() => { const box = %s; box.scrollIntoView({block: 'center'}); const r = box.getBoundingClientRect();"
                        " return [r.x + r.width / 2, r.y + r.height / 2]; })()" % script)
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def scheme(self, name):
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def picture(self):
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])

    def said(self, method):
        """The params of all events of that name so far."""
        self.run("0")
        return [event["params"] for event in self.events if event["method"] == method]


class Browser:
    def __init__(self, *options):
        self.place = tempfile.mkdtemp(prefix="dl-test-")
        self.process = subprocess.Popen(["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                                         "--disable-extensions", "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
                                         "--user-data-dir=" + self.place, "--remote-debugging-port=0", "--window-size=1200,1000",
                                         *options, "about:blank"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
        found = None
        for text in self.process.stderr:
            found = re.search(rb"DevTools listening on ws://127.0.0.1:(\d+)/", text)
            if found:
                break
        assert found, "chromium has not started"
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        self.port, self.tabs = int(found.group(1)), {}
        self.first = self.attach(harness.until(self.targets)[0])

    def ask(self, method, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path)
        try:
            body = connection.getresponse().read()
            return json.loads(body) if body[:1] in (b"[", b"{") else body
        finally:
            connection.close()

    def targets(self):
        return [target for target in self.ask("GET", "/json/list") if target["type"] == "page"]

    def attach(self, target):
        if target["id"] not in self.tabs:
            self.tabs[target["id"]] = Tab(self.port, target)
        return self.tabs[target["id"]]

    def new_tab(self):
        return self.attach(self.ask("PUT", "/json/new?about:blank"))

    def close_others(self):
        """All tabs but the first one, also those that pages have opened."""
        def are_gone():
            others = [target["id"] for target in self.targets() if target["id"] != self.first.id]
            for other in others:
                self.ask("GET", "/json/close/" + other)
                if other in self.tabs:
                    self.tabs.pop(other).socket.close()
            return not others
        harness.until(are_gone)

    def close(self):
        for tab in self.tabs.values():
            tab.socket.close()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.place, ignore_errors=True)
