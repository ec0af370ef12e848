# SPDX-License-Identifier: Apache-2.0
"""Accessibility of the programs on a sandbox's desktop, with a window of GTK: trees, finds, focus, actions, values."""
import os
import shutil
import subprocess
import time
import unittest
import urllib.parse

import harness

WINDOW = """
import sys, gi
gi.require_version('Gtk', '3.0')
from gi.repository import Gtk
window = Gtk.Window(title='Form of größe "1"')
window.set_default_size(300, 200)
box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL)
window.add(box)
def add(widget, name):
    widget.get_accessible().set_name(name)
    box.add(widget)
    return widget
name = add(Gtk.Entry(), 'Your name')
other = add(Gtk.Entry(), 'Other')
agree = add(Gtk.CheckButton(label='Agree'), 'Agree')
volume = add(Gtk.Scale.new_with_range(Gtk.Orientation.HORIZONTAL, 0, 100, 1), 'Volume')
label = add(Gtk.Label(label='only text'), 'A label')
add(Gtk.Label(label='long'), 'a' * 40 + 'x!')
many = add(Gtk.Button(label='Send'), 'Send')
def send(*_):
    print('sent', name.get_text(), volume.get_value(), agree.get_active(), flush=True)
many.connect('clicked', send)
hidden = Gtk.Button(label='Hidden')
box.add(hidden)
window.show_all()
hidden.hide()
Gtk.main()
"""


QT = """
from PyQt5.QtWidgets import QApplication, QCheckBox, QLineEdit, QPushButton, QSlider, QVBoxLayout, QWidget
app = QApplication([])
window = QWidget()
window.setWindowTitle('Form of Qt')
box = QVBoxLayout(window)
name, agree, volume, many = QLineEdit(), QCheckBox('Agree'), QSlider(1), QPushButton('Send')
name.setAccessibleName('Your name')
volume.setAccessibleName('Volume')
for widget in (name, agree, volume, many):
    box.addWidget(widget)
many.clicked.connect(lambda: print('sent', name.text(), volume.value(), agree.isChecked(), flush=True))
window.show()
app.exec_()
"""

GTK4 = """
import gi
gi.require_version('Gtk', '4.0')
from gi.repository import GLib, Gtk
window, box, name = Gtk.Window(title='Form of GTK 4'), Gtk.Box(orientation=Gtk.Orientation.VERTICAL), Gtk.Entry()
name.update_property([Gtk.AccessibleProperty.LABEL], ['Your name'])
volume = Gtk.Scale.new_with_range(Gtk.Orientation.HORIZONTAL, 0, 100, 1)
volume.update_property([Gtk.AccessibleProperty.LABEL], ['Volume'])
many = Gtk.Button(label='Send')
many.connect('clicked', lambda *_: print('sent', name.get_text(), int(volume.get_value()), flush=True))
for widget in (name, volume, many):
    box.append(widget)
window.set_child(box)
window.present()
GLib.MainLoop().run()
"""


def missing_bus():
    """What is missing for programs to be asked on a bus."""
    lack = ["dbus-daemon"] if not shutil.which("dbus-daemon") else []
    if not any(os.path.exists(path + "/at-spi-bus-launcher") for path in ("/usr/libexec", "/usr/lib/at-spi2-core")):
        lack.append("at-spi2-core")
    program = os.path.join(os.path.dirname(os.environ["DAYTONA_LOCAL"]), "daytona-local-desktop")
    if not os.path.exists(program):
        lack.append("daytona-local-desktop, for which X libraries were missing")
    elif "was not built" in subprocess.run([program, "--a11y"], input=b"{}", capture_output=True).stdout.decode():
        lack.append("accessibility in daytona-local-desktop, for which libdbus-1-dev or libpcre2-dev were missing")
    return ", ".join(lack)


def missing():
    lack = [name for name in ("Xvfb", "icewm", "x11vnc", "websockify") if not shutil.which(name)]
    if not os.path.isdir("/usr/share/novnc"):
        lack.append("novnc")
    probe = "import gi; gi.require_version('Gtk', '3.0'); from gi.repository import Gtk"
    if subprocess.run(["/usr/bin/python3", "-c", probe], capture_output=True).returncode != 0:
        lack.append("python3-gi and gir1.2-gtk-3.0")
    return ", ".join(filter(None, [*lack, missing_bus()]))


class Accessibility(harness.Case):
    @classmethod
    def setUpClass(cls):
        lack = missing()
        if lack:
            raise unittest.SkipTest("not installed: " + lack)
        super().setUpClass()
        cls.box = cls.server.create()["id"]

    def ask(self, method, path, body=None, box=None, **query):
        query = "?" + urllib.parse.urlencode(query) if query else ""
        return self.server.call(method, "/toolbox/%s/computeruse/%s%s" % (box or self.box, path, query), body)

    def tree(self, status=200, **query):
        return self.status(status, self.ask("GET", "a11y/tree", **query)).json

    def find(self, status=200, **body):
        return self.status(status, self.ask("POST", "a11y/find", body)).json

    def one(self, name, **more):
        found = self.find(scope="all", name=name, nameMatch="exact", **more)["matches"]
        self.assertEqual(len(found), 1, found)
        return found[0]

    def act(self, what, status=200, **body):
        return self.status(status, self.ask("POST", "a11y/node/" + what, body)).json

    def refused(self, answer, code, *words):
        self.assertEqual((answer["code"], answer["source"]), (code, "DAYTONA_DAEMON"))
        for word in words:
            self.assertIn(word, answer["message"])

    def run_in(self, command):
        return self.server.execute(self.box, command)["result"]

    def test_01_without_a_desktop(self):
        for answer in (self.tree(503), self.find(503), self.act("focus", 503, id=":1.1:/x")):
            self.refused(answer, "A11Y_UNAVAILABLE", "no accessibility bus")

    def test_02_requests_that_make_no_sense(self):
        for answer in (self.tree(400, scope="some"), self.tree(400, scope="pid"), self.tree(400, scope="pid", pid=0), self.tree(400, maxDepth=-2),
                       self.tree(400, maxDepth="x"), self.find(400, scope="here"), self.find(400, scope="pid"), self.find(400, nameMatch="like")):
            self.refused(answer, "BAD_REQUEST")
        for answer in (self.find(400, pid="x"), self.find(400, limit=-1), self.find(400, states="focused"), self.find(400, states=[1]),
                       self.act("focus", 400), self.act("invoke", 400, id=5), self.act("value", 400, id="x"), self.act("value", 400, id="x", value=5),
                       self.status(400, self.ask("POST", "a11y/find", [])).json):
            self.refused(answer, "INVALID_REQUEST_BODY")

    def test_03_the_tree(self):
        self.status(200, self.ask("POST", "start"))
        self.server.call("POST", "/toolbox/%s/files/upload?path=window.py" % self.box, raw=harness_form(WINDOW),
                         headers={"Content-Type": "multipart/form-data; boundary=b"})
        self.run_in("(/usr/bin/python3 window.py >said 2>errors & echo $! >pid)")
        harness.until(lambda: self.find(scope="all", name="Send")["matches"], 60)
        pid = int(self.run_in("cat pid"))
        whole, of_pid = self.tree(scope="all"), self.tree(scope="pid", pid=pid)
        self.assertEqual((set(whole), whole["truncated"], whole["root"]["role"]), ({"root", "truncated"}, False, "desktop frame"))
        self.assertEqual(of_pid["root"]["role"], "application")
        window = of_pid["root"]["children"][0]
        self.assertEqual((window["role"], window["name"]), ("frame", 'Form of größe "1"'))
        self.assertEqual((window["bounds"]["width"] >= 300, window["bounds"]["height"] >= 200), (True, True), window["bounds"])
        self.assertTrue({"showing", "visible", "enabled"} <= set(window["states"]), window)
        for node in every(of_pid["root"]):
            self.assertTrue({"id", "role", "name", "bounds", "states"} <= set(node) <= {"id", "role", "name", "description", "bounds", "states", "actions", "children"}, node)
        self.assertNotIn("children", self.tree(scope="pid", pid=pid, maxDepth=0)["root"])
        shallow = self.tree(scope="pid", pid=pid, maxDepth=1)["root"]
        self.assertEqual([child["name"] for child in shallow["children"]], [window["name"]])
        self.assertNotIn("children", shallow["children"][0])
        self.refused(self.tree(404, scope="pid", pid=1), "NOT_FOUND", "process id")
        # The window manager has made it the active window.
        harness.until(lambda: self.ask("GET", "a11y/tree").status == 200)
        self.assertEqual(self.tree()["root"]["id"], of_pid["root"]["id"])

    def test_04_finding(self):
        button = self.one("Send", role="PUSH button")
        self.assertEqual(button["actions"], ["click"])
        self.assertEqual(self.one("Send", role="Button")["id"], button["id"])  # its name of today
        self.assertNotIn("children", button)
        self.assertEqual({n["name"] for n in self.find(scope="all", states=["editable", "focusable"])["matches"]} & {"Your name", "Other"}, {"Your name", "Other"})
        self.assertEqual([n["name"] for n in self.find(scope="all", name="our na")["matches"]], ["Your name"])
        self.assertEqual([n["name"] for n in self.find(scope="all", name="our na", nameMatch="exact")["matches"]], [])
        self.assertEqual([n["name"] for n in self.find(scope="all", name="^(?i:yOUR|other) ?\\w*$", nameMatch="regex")["matches"]], ["Your name", "Other"])
        self.assertEqual([n["role"] for n in self.find(scope="all", name="größe \"1\"")["matches"]], ["frame"])
        self.assertEqual([n["states"].count("showing") for n in self.find(scope="all", name="Hidden")["matches"]], [0])
        some = self.find(scope="all", limit=2)
        self.assertEqual((len(some["matches"]), some["truncated"]), (2, True))
        self.assertFalse(self.find(scope="all", limit=4000)["truncated"])
        self.refused(self.find(400, scope="all", name="(", nameMatch="regex"), "BAD_REQUEST", "malformed")
        self.refused(self.find(400, scope="all", name="x" * 5000, nameMatch="regex"), "BAD_REQUEST", "too long")
        self.refused(self.find(400, scope="all", name="^(a+)+x$", nameMatch="regex"), "BAD_REQUEST", "too many steps")
        self.refused(self.find(400, scope="all", states=["happy"]), "BAD_REQUEST", "happy")

    def test_05_acting(self):
        for name in ("Other", "Your name"):
            self.assertEqual(self.act("focus", id=self.one(name)["id"]), {})
            harness.until(lambda: "focused" in self.one(name)["states"])
        self.assertEqual(self.act("value", id=self.one("Your name")["id"], value="Ada größe 🚀"), {})
        self.act("value", id=self.one("Other")["id"], value="")
        self.act("value", id=self.one("Volume")["id"], value="42.5")
        self.act("invoke", id=self.one("Agree")["id"])
        harness.until(lambda: "checked" in self.one("Agree")["states"])
        self.act("invoke", id=self.one("Send")["id"], action="cLICK")
        self.assertEqual(harness.until(lambda: self.run_in("cat said")), "sent Ada größe 🚀 42.5 True\n")

    def test_06_what_cannot_be_done(self):
        label, send, volume = (self.one(name)["id"] for name in ("A label", "Send", "Volume"))
        self.refused(self.act("value", 400, id=label, value="x"), "BAD_REQUEST")
        self.refused(self.act("invoke", 400, id=send, action="fly"), "BAD_REQUEST", "no action of that name")
        self.refused(self.act("invoke", 400, id=volume), "BAD_REQUEST", "no actions")
        self.refused(self.act("value", 400, id=send, value="x"), "BAD_REQUEST")
        self.refused(self.act("value", 400, id=volume, value="loud"), "BAD_REQUEST", "number")
        for id in ("", "x", ":1.1", "/org/a11y", ":1.1:x", "a b:/x", ":1.1:/x//y", ":1.1:/x y"):
            answer = self.act("focus", 400, id=id)
            self.assertIn(answer["code"], ("BAD_REQUEST", "INVALID_REQUEST_BODY"))
        for id in (":1.9999:/org/a11y/atspi/accessible/1", send.rsplit("/", 1)[0] + "/999999"):
            self.refused(self.act("invoke", 404, id=id), "NOT_FOUND", "no such node")

    def test_07_a_program_that_hangs_is_left_out(self):
        self.run_in("kill -STOP $(cat pid)")
        try:
            self.assertEqual(self.find(scope="all", name="Send"), {"matches": [], "truncated": False})
        finally:
            self.run_in("kill -CONT $(cat pid)")
        self.assertEqual(len(self.find(scope="all", name="Send")["matches"]), 1)

    def askers(self):
        return int(self.run_in("pgrep -fc '[-]-a11y'; true"))

    def leave(self, count):
        """`count` requests whose clients have gone again while they were under way."""
        connections = [self.server.connection() for _ in range(count)]
        for connection in connections:
            connection.request("GET", "/toolbox/%s/computeruse/a11y/tree?scope=all" % self.box, headers={"Authorization": "Bearer " + self.server.key})
        harness.until(lambda: self.askers() == count, 5)
        return connections

    def test_07a_a_client_that_leaves_ends_its_request(self):
        self.run_in("kill -STOP $(cat pid)")
        try:
            connections = self.leave(16)
            self.refused(self.tree(429, scope="all"), "TOO_MANY_REQUESTS", "too many requests")
            for connection in connections:
                connection.close()
            harness.until(lambda: self.askers() == 0, 3)
        finally:
            self.run_in("kill -CONT $(cat pid)")
        self.assertEqual(len(self.find(scope="all", name="Send")["matches"]), 1)

    def test_08_a_program_that_ends(self):
        send = self.one("Send")["id"]
        self.run_in("kill $(cat pid)")
        harness.until(lambda: self.ask("POST", "a11y/node/invoke", {"id": send}).status == 404)
        self.assertEqual(self.find(scope="all", name="Send")["matches"], [])

    def start_window(self, program):
        self.server.call("POST", "/toolbox/%s/files/upload?path=other.py" % self.box, raw=harness_form(program),
                         headers={"Content-Type": "multipart/form-data; boundary=b"})
        self.run_in("(/usr/bin/python3 other.py >said 2>errors & echo $! >pid)")
        harness.until(lambda: [w for w in self.ask("GET", "display/windows").json["windows"] if w["title"].startswith("Form of")], 60)
        time.sleep(0.5)
        harness.until(lambda: self.find(scope="all", name="Send", role="button")["matches"], 60)
        self.act("value", id=self.one("Your name")["id"], value="Ada größe")
        self.act("value", id=self.one("Volume")["id"], value="42")

    def sent(self):
        self.act("invoke", id=self.one("Send", role="button")["id"])
        said = harness.until(lambda: self.run_in("cat said"))
        self.run_in("kill $(cat pid)")
        harness.until(lambda: self.find(scope="all", name="Send")["matches"] == [])
        return said

    def test_08a_programs_of_qt(self):
        if not os.path.exists("/usr/lib/python3/dist-packages/PyQt5"):
            self.skipTest("not installed: python3-pyqt5")
        # On a desktop of its own: Qt 5 waits for the first request; where there was one, it may fail to connect to the bus.
        self.box = self.server.create()["id"]
        self.status(200, self.ask("POST", "start"))
        self.start_window(QT)
        self.assertEqual(self.act("focus", id=self.one("Volume")["id"]), {})
        harness.until(lambda: "focused" in self.one("Volume")["states"])
        self.act("invoke", id=self.one("Agree")["id"], action="toggle")
        self.assertGreater(self.one("Send")["bounds"]["width"], 10)
        self.assertEqual(self.sent(), "sent Ada größe 42 True\n")
        self.server.api("DELETE", "/sandbox/" + self.box)

    def test_08b_programs_of_gtk_4(self):
        probe = "import gi; gi.require_version('Gtk', '4.0'); from gi.repository import Gtk"
        if subprocess.run(["/usr/bin/python3", "-c", probe], capture_output=True).returncode != 0:
            self.skipTest("not installed: gir1.2-gtk-4.0")
        self.start_window(GTK4)
        self.assertEqual(self.sent(), "sent Ada größe 42\n")

    def test_09_after_the_desktop(self):
        self.status(200, self.ask("POST", "stop"))
        self.refused(self.tree(503), "A11Y_UNAVAILABLE")
        harness.until(lambda: self.run_in("pgrep -f 'at-spi|dbus-daemon' | wc -l") == "0\n")
        self.assertEqual(self.run_in("echo ${DBUS_SESSION_BUS_ADDRESS-none}; ls -d /tmp/daytona-bus* 2>/dev/null | wc -l"), "none\n0\n")
        self.status(200, self.ask("POST", "start"))
        harness.until(lambda: self.ask("GET", "a11y/tree", scope="all").status == 200)
        self.status(200, self.ask("POST", "stop"))


def every(node):
    yield node
    for child in node.get("children", []):
        yield from every(child)


def harness_form(text):
    return b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n' + text.encode() + b"\r\n--b--\r\n"


if __name__ == "__main__":
    harness.main()
