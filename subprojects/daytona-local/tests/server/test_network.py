# SPDX-License-Identifier: Apache-2.0
"""Network settings of sandboxes: what is shown, what is enforced, and what a restart keeps.

The outside is a network namespace of this process with addresses on its loopback, each with a TCP server on port 7001.
"""
import ctypes
import fcntl
import json
import os
import shutil
import socket
import struct
import tempfile
import threading

import harness

ADDRESSES = ("10.77.1.1", "10.77.2.1")
CLONE_NEWNET = 0x40000000
SIOCSIFADDR, SIOCSIFFLAGS = 0x8916, 0x8914


def set_address(name, address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, SIOCSIFADDR, struct.pack("16sHH4s8x", name.encode(), socket.AF_INET, 0, socket.inet_aton(address)))
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sH", name.encode(), 0x41))


def serve(listener, text):
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(text)


def outside():
    """None, or why it cannot be made. For the whole process, so before there are threads."""
    if os.geteuid() != 0 or ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        return "a network namespace needs root"
    set_address("lo", "127.0.0.1")
    for number, address in enumerate(ADDRESSES):
        set_address("lo:%d" % (number + 1), address)
        threading.Thread(target=serve, args=(socket.create_server((address, 7001)), address.encode()), daemon=True).start()
    return None


class Network(harness.Case):
    def reaches(self, box):
        """Which of the two addresses."""
        command = "for a in %s; do timeout 3 bash -c \"head -c 9 < /dev/tcp/$a/7001\" 2>/dev/null && echo; done" % " ".join(ADDRESSES)
        return self.server.execute(box, command)["result"].split()

    def settings(self, box, body, status=200):
        return self.status(status, self.server.api("POST", "/sandbox/%s/network-settings" % box, body)).json

    def rules(self, box):
        return self.server.call("GET", "/admin/info").json["boxes"][box]["rules"]

    def setUp(self):
        missing = self.server.call("GET", "/admin/info").json["network"]["missing"]
        if OUTSIDE or missing["networkAllowList"]:
            self.skipTest(OUTSIDE or missing["networkAllowList"])

    def test_no_socket_leads_to_the_loopback_of_the_host(self):
        """Also one that is bound to the device which leads out: slirp4netns takes 127.0.0.1 for the host's own."""
        udp, tcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.create_server(("127.0.0.1", 0))
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(0.5)
        tcp.settimeout(0.5)
        for sock in (udp, tcp):
            self.addCleanup(sock.close)
        self.server.api("POST", "/secret", {"name": "bound", "value": "v", "hosts": ["example.com"]})
        program = ("import socket\n"
                   "for kind, port in ((2, %d), (1, %d)):\n"
                   "  s = socket.socket(socket.AF_INET, kind); s.settimeout(1); s.setsockopt(1, 25, b'tap0')\n"
                   "  try: s.connect(('127.0.0.1', port)); s.send(b'out')\n"
                   "  except OSError as e: print('refused')\n" % (udp.getsockname()[1], tcp.getsockname()[1]))
        for fields in ({}, {"networkAllowList": "10.77.1.0/24"}, {"domainAllowList": "example.com"}, {"secrets": [{"A": "bound"}]}):
            box = self.server.create(**fields)["id"]
            done = self.server.execute(box, "python3 -c \"%s\"" % program)
            self.assertEqual(done["exitCode"], 0, done)
            with self.assertRaises(TimeoutError, msg=fields):
                udp.recv(10)
            with self.assertRaises(TimeoutError, msg=fields):
                tcp.accept()

    def test_a_list_of_a_create(self):
        box = self.server.create(networkAllowList="10.77.1.0/24")
        self.assertEqual((box["networkAllowList"], box["networkBlockAll"]), ("10.77.1.0/24", False))
        self.assertEqual(self.rules(box["id"]), "nftables: only 10.77.1.0/24")
        self.assertEqual(self.reaches(box["id"]), ["10.77.1.1"])
        both = self.server.create(networkAllowList="10.77.1.0/24", networkBlockAll=True)
        self.assertEqual((both["networkAllowList"], both["networkBlockAll"]), ("10.77.1.0/24", True))
        self.assertEqual(self.reaches(both["id"]), [])

    def test_changes_while_it_runs(self):
        box = self.server.create()["id"]
        for body, status, shown, reached in [
                ({}, 400, (False, None), ADDRESSES),
                ({"networkBlockAll": None}, 400, (False, None), ADDRESSES),
                ({"networkAllowList": "10.77.2.1/32,192.0.2.7/32"}, 200, (False, "10.77.2.1/32,192.0.2.7/32"), ADDRESSES[1:]),
                ({"networkAllowList": "10.0.0.0/33"}, 400, (False, "10.77.2.1/32,192.0.2.7/32"), ADDRESSES[1:]),
                ({"networkAllowList": ",".join(["10.0.0.0/8"] * 11)}, 400, (False, "10.77.2.1/32,192.0.2.7/32"), ADDRESSES[1:]),
                ({"domainAllowList": "nodot"}, 400, (False, "10.77.2.1/32,192.0.2.7/32"), ADDRESSES[1:]),
                ({"networkBlockAll": True}, 200, (True, None), ()),
                ({"networkAllowList": ""}, 200, (True, None), ()),
                ({"networkAllowList": "10.77.1.0/24"}, 200, (False, "10.77.1.0/24"), ADDRESSES[:1]),
                ({"networkAllowList": ""}, 200, (False, None), ADDRESSES),
                ({"networkAllowList": "10.77.1.0/24"}, 200, (False, "10.77.1.0/24"), ADDRESSES[:1]),
                ({"networkBlockAll": False}, 200, (False, None), ADDRESSES)]:
            with self.subTest(body=body):
                self.settings(box, body, status)
                answer = self.server.api("GET", "/sandbox/" + box).json
                self.assertEqual((answer["networkBlockAll"], answer["networkAllowList"]), shown)
                self.assertEqual(self.reaches(box), list(reached))

    def test_names(self):
        """What they reach is for tests/sandbox/test_network.c; here no name can be resolved."""
        box = self.server.create(domainAllowList="*.Example.com, a-b.org")
        self.assertEqual(box["domainAllowList"], "*.Example.com, a-b.org")
        self.assertEqual(self.rules(box["id"]), "nftables: only *.example.com,a-b.org")
        self.assertEqual(self.reaches(box["id"]), [])
        self.assertEqual(self.settings(box["id"], {"networkAllowList": "10.77.1.0/24"})["domainAllowList"], "*.Example.com, a-b.org")
        self.assertEqual(self.reaches(box["id"]), ["10.77.1.1"])
        self.assertEqual(self.settings(box["id"], {"networkBlockAll": True})["domainAllowList"], "*.Example.com, a-b.org")
        self.assertEqual(self.reaches(box["id"]), [])
        self.settings(box["id"], {"networkBlockAll": False, "domainAllowList": ""})
        self.assertEqual(self.reaches(box["id"]), list(ADDRESSES))

    def make_secret(self, name, *hosts):
        return self.status(201, self.server.api("POST", "/secret", {"name": name, "value": "value-of-" + name, "hosts": hosts})).json

    def test_hosts_of_secrets(self):
        self.make_secret("some", "Api.example.com", "*.example.org")
        self.make_secret("fewer", "a.example.org", "other.com")
        self.make_secret("others", "elsewhere.com")
        self.make_secret("free")
        box = self.server.create(secrets=[{"A": "some"}])["id"]
        self.assertEqual(self.server.execute(box, "echo $A")["result"], "value-of-some\n")
        self.assertEqual(self.rules(box), "nftables: only hosts of a secret: api.example.com,*.example.org")
        self.assertEqual(self.reaches(box), [])
        self.settings(box, {"networkAllowList": "10.77.1.0/24"})
        self.assertEqual(self.reaches(box), [], "a list does not open what the secret closes")
        answer = self.status(400, self.server.api("POST", "/sandbox", {"secrets": [{"A": "some"}, {"B": "others"}]}))
        self.assertIn("no host in common", answer.json["message"])
        both = self.server.create(secrets=[{"A": "some"}, {"B": "fewer"}, {"C": "free"}])["id"]
        self.assertEqual(self.rules(both), "nftables: only hosts of a secret: a.example.org")

    def test_copies_of_what_has_seen_a_value(self):
        self.make_secret("copied", "example.com")
        box = self.server.create(snapshot="daytona-local/vm:1.0", secrets=[{"A": "copied"}])["id"]
        self.server.execute(box, "echo $A > file")
        child = self.status(200, self.server.api("POST", "/sandbox/%s/fork" % box)).json["id"]
        self.server.wait(child, "started")
        self.server.wait(box, "started")
        self.status(200, self.server.api("POST", "/sandbox/%s/snapshot" % box, {"name": "has-seen:1"}))
        self.server.wait(box, "started")
        self.assertNotIn("secretHosts", self.server.api("GET", "/snapshots/has-seen:1").json)
        other = self.server.create(snapshot="has-seen:1")["id"]
        for copy in (child, other):
            self.assertEqual(self.server.execute(copy, "cat file")["result"], "value-of-copied\n")
            self.assertEqual((self.rules(copy), self.reaches(copy)), ("nftables: only hosts of a secret: example.com", []))

    def test_a_copy_has_seen_no_value_that_it_is_not_kept_for(self):
        """A value that comes while files are copied would be in a copy that reaches everything."""
        self.make_secret("between", "example.com")
        box = self.server.create(snapshot="daytona-local/vm:1.0")["id"]
        self.server.execute(box, "head -c 150000000 /dev/zero | tr '\\0' x > much")
        attach = ("PUT", "/sandbox/%s/secrets" % box, {"secrets": [{"A": "between"}]})
        for call, state in (("fork", "forking"), ("snapshot", "snapshotting")):
            self.status(200, self.server.api("POST", "/sandbox/%s/%s" % (box, call), {"name": "between:" + call}))
            self.assertEqual(self.server.state_of(box), state)
            self.assertIn("copy", self.status(409, self.server.api(*attach)).json["message"])
            self.server.wait(box, "started")
        # And the other way round: the copy waits for the change that is under way.
        answers = {}
        calls = {"attach": attach, "fork": ("POST", "/sandbox/%s/fork" % box, {}), "snapshot": ("POST", "/sandbox/%s/snapshot" % box, {"name": "after:1"})}
        connections = {name: self.server.connection() for name in calls}
        for name, (method, path, body) in calls.items():
            connections[name].request(method, "/api" + path, json.dumps(body), {"Authorization": "Bearer " + self.server.key})
        for name, connection in connections.items():
            answer = connection.getresponse()
            answers[name] = (answer.status, answer.read())
            connection.close()
        self.assertEqual([answers[name][0] for name in ("attach", "fork", "snapshot")], [200, 409, 409], answers)
        self.assertEqual(self.rules(box), "nftables: only hosts of a secret: example.com")

    def test_secrets_whose_hosts_change_meanwhile(self):
        """Between the rules and the value: the sandbox would have the value, and the rules of other hosts."""
        secret = self.make_secret("moving", "example.com")["id"]
        box = self.server.create()["id"]
        connections = [self.server.connection(), self.server.connection()]
        for connection, (method, path, body) in zip(connections, [
                ("PUT", "/sandbox/%s/secrets" % box, {"secrets": [{"A": "moving"}]}), ("PATCH", "/secret/" + secret, {"hosts": ["example.net"]})]):
            connection.request(method, "/api" + path, json.dumps(body), {"Authorization": "Bearer " + self.server.key})
        answers = []
        for connection in connections:
            answer = connection.getresponse()
            answers.append((answer.status, answer.read()))
            connection.close()
        self.assertEqual([status for status, _ in answers], [200, 409], answers)
        self.assertEqual(self.rules(box), "nftables: only hosts of a secret: example.com")

    def test_secrets_of_a_running_one(self):
        self.make_secret("late", "example.com")
        self.make_secret("distant", "example.net")
        box = self.server.create()["id"]
        path = "/sandbox/%s/secrets" % box
        self.assertEqual(self.reaches(box), list(ADDRESSES))
        self.status(200, self.server.api("PUT", path, {"secrets": [{"A": "late"}]}))
        self.assertEqual(self.server.execute(box, "echo $A")["result"], "value-of-late\n")
        self.assertEqual((self.rules(box), self.reaches(box)), ("nftables: only hosts of a secret: example.com", []))
        self.assertIn("no host in common", self.status(400, self.server.api("PUT", path, {"secrets": [{"B": "distant"}]})).json["message"])
        # What has seen the value may have kept it.
        self.status(200, self.server.api("PUT", path, {"secrets": []}))
        self.assertEqual((self.server.execute(box, "echo $A")["result"], self.reaches(box)), ("\n", []))
        self.server.api("POST", "/sandbox/%s/stop" % box)
        self.server.wait(box, "stopped")
        self.server.api("POST", "/sandbox/%s/start" % box)
        self.server.wait(box, "started")
        self.assertEqual(self.reaches(box), [])

    def test_a_stopped_one(self):
        box = self.server.create()["id"]
        self.server.api("POST", "/sandbox/%s/stop" % box)
        self.server.wait(box, "stopped")
        self.assertEqual(self.settings(box, {"networkAllowList": "10.77.2.0/24"})["networkAllowList"], "10.77.2.0/24")
        self.server.api("POST", "/sandbox/%s/start" % box)
        self.server.wait(box, "started")
        self.assertEqual(self.reaches(box), ["10.77.2.1"])

    def test_many_changes_at_once(self):
        box, codes = self.server.create()["id"], []

        def change(number):
            body = {"networkAllowList": "10.77.%d.0/24" % (1 + number % 2)}
            codes.append(self.server.api("POST", "/sandbox/%s/network-settings" % box, body).status)

        threads = [threading.Thread(target=change, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertLessEqual(set(codes), {200, 409})
        self.assertIn(200, codes)
        self.assertEqual(self.rules(box), "nftables: only " + self.server.api("GET", "/sandbox/" + box).json["networkAllowList"])


class Links(harness.Case):
    """Two sandboxes that reach each other. That others do not, and what blocks do, is in tests/sandbox/test_network.c."""

    SERVE = ("mkdir -p /tmp/lnk && echo 'hello from owner' > /tmp/lnk/index.html && cd /tmp/lnk && "
             "(setsid python3 -m http.server 3000 > /dev/null 2>&1 &); "
             "for i in $(seq 100); do python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 3000), 1)' 2>/dev/null && exit; "
             "sleep 0.1; done; exit 1")

    def setUp(self):
        if OUTSIDE:
            self.skipTest(OUTSIDE)

    def follower(self, owner, **more):
        return self.server.create(linkedSandbox=owner, autoDeleteInterval=0, **more)

    def get(self, box, host):
        script = "import urllib.request; print(urllib.request.urlopen('http://%s:3000/', timeout=5).read().decode(), end='')" % host
        return self.server.execute(box, "python3 -c \"%s\"" % script)

    def test_the_owner_is_reached_by_its_name(self):
        owner = self.server.create(name="link-owner")
        self.assertEqual(self.server.execute(owner["id"], self.SERVE)["exitCode"], 0)
        follower = self.follower("link-owner", networkAllowList="192.0.2.0/24")
        self.assertEqual(follower["linkedSandboxId"], owner["id"])
        for host in ("link-owner", owner["id"]):
            self.assertEqual(self.get(follower["id"], host)["result"], "hello from owner\n")
        # And the other way, at its address.
        address = self.server.execute(follower["id"], "python3 -c \"import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
                                      "s.connect(('link-owner', 1)); print(s.getsockname()[0], end='')\"")["result"]
        self.assertRegex(address, r"^198\.18\.")
        self.server.execute(follower["id"], self.SERVE.replace("hello from owner", "hello from follower"))
        self.assertEqual(self.get(owner["id"], address)["result"], "hello from follower\n")
        self.assertNotIn("linkedSandboxId", self.server.api("GET", "/sandbox?id=" + follower["id"]).json["items"][0])
        self.assertNotIn("linkedSandboxId", self.server.api("GET", "/sandbox/" + owner["id"]).json)
        # The owner starts again.
        self.server.api("POST", "/sandbox/%s/stop" % owner["id"])
        self.server.wait(owner["id"], "stopped")
        self.assertNotEqual(self.get(follower["id"], "link-owner")["exitCode"], 0)
        self.server.api("POST", "/sandbox/%s/start" % owner["id"])
        self.server.wait(owner["id"], "started")
        self.server.execute(owner["id"], self.SERVE)
        harness.until(lambda: self.get(follower["id"], "link-owner")["exitCode"] == 0)
        self.status(200, self.server.api("DELETE", "/sandbox/" + owner["id"]))
        self.server.wait(owner["id"], 404)
        self.assertEqual(self.server.execute(follower["id"], "echo on its own")["result"], "on its own\n")

    def test_rules(self):
        owner, stopped = self.server.create()["id"], self.server.create()["id"]
        self.server.api("POST", "/sandbox/%s/stop" % stopped)
        self.server.wait(stopped, "stopped")
        follower = self.follower(owner)["id"]
        self.status(201, self.server.api("POST", "/secret", {"name": "limited", "value": "x", "hosts": ["example.com"]}))
        kept = self.server.create(secrets=[{"A": "limited"}])["id"]
        good = {"linkedSandbox": owner, "autoDeleteInterval": 0}
        for status, more, text in ((404, {"linkedSandbox": "none"}, "not found"), (400, {"linkedSandbox": 3}, "string"),
                                   (400, {"autoDeleteInterval": 5}, "ephemeral"), (400, {"linkedSandbox": stopped}, "not started"),
                                   (400, {"linkedSandbox": follower}, "linked to another"), (400, {"linkedSandbox": kept}, "cannot be linked"),
                                   (400, {"secrets": [{"A": "limited"}]}, "cannot be linked"),
                                   (400, {"buildInfo": {"dockerfileContent": "FROM debian:12"}}, "combined")):
            with self.subTest(more=more):
                self.assertIn(text, self.status(status, self.server.api("POST", "/sandbox", {**good, **more})).json["message"])

    def test_after_a_restart(self):
        state = tempfile.mkdtemp(prefix="dl-test-")
        self.addCleanup(shutil.rmtree, state, ignore_errors=True)
        server = harness.Server(state=state)
        owner = server.create(name="kept-owner")["id"]
        follower = server.create(linkedSandbox=owner, autoDeleteInterval=0)["id"]
        server.stop(harness.signal.SIGKILL)
        server = harness.Server(state=state)
        self.addCleanup(server.stop)
        for box in (owner, follower):
            server.wait(box, "started")
        server.execute(owner, self.SERVE)
        harness.until(lambda: server.execute(
            follower, "python3 -c \"import urllib.request; urllib.request.urlopen('http://kept-owner:3000/', timeout=5)\"")["exitCode"] == 0)


class Restart(harness.Case):
    def test_rules_stay(self):
        missing = self.server.call("GET", "/admin/info").json["network"]["missing"]["networkAllowList"]
        if OUTSIDE or missing:
            self.skipTest(OUTSIDE or missing)
        state = tempfile.mkdtemp(prefix="dl-test-")
        self.addCleanup(shutil.rmtree, state, ignore_errors=True)
        server = harness.Server(state=state)
        kept, blocked = server.create()["id"], server.create()["id"]
        server.api("POST", "/sandbox/%s/network-settings" % kept, {"networkAllowList": "10.77.1.0/24"})
        server.api("POST", "/sandbox/%s/network-settings" % blocked, {"networkBlockAll": True})
        server.stop(harness.signal.SIGKILL)
        server = harness.Server(state=state)
        self.addCleanup(server.stop)
        for box in (kept, blocked):
            server.wait(box, "started")
        boxes = server.call("GET", "/admin/info").json["boxes"]
        self.assertEqual([boxes[box]["rules"] for box in (kept, blocked)], ["nftables: only 10.77.1.0/24", "blocked"])


class NotEnforced(harness.Case):
    options = ("--network=host",)

    def test_is_refused_with_the_reason(self):
        self.assertIn("--network=host", self.server.call("GET", "/admin/info").json["network"]["missing"]["networkAllowList"])
        answer = self.status(400, self.server.api("POST", "/sandbox", {"networkAllowList": "10.0.0.0/8"}))
        self.assertIn("networkAllowList cannot be enforced by daytona-local: sandboxes share the server's network", answer.json["message"])
        self.status(201, self.server.api("POST", "/secret", {"name": "limited", "value": "x", "hosts": ["example.com"]}))
        box = self.server.create()["id"]
        for answer in (self.server.api("POST", "/sandbox", {"secrets": [{"A": "limited"}]}),
                       self.server.api("PUT", "/sandbox/%s/secrets" % box, {"secrets": [{"A": "limited"}]})):
            self.assertIn("cannot keep the sandbox to them: sandboxes share", self.status(400, answer).json["message"])
        answer = self.status(400, self.server.api("POST", "/sandbox", {"linkedSandbox": box, "autoDeleteInterval": 0}))
        self.assertIn("cannot link sandboxes: sandboxes share", answer.json["message"])
        for body in ({"networkAllowList": "10.0.0.0/8"}, {"networkBlockAll": True}):
            self.assertIn("network", self.status(400, self.server.api("POST", "/sandbox/%s/network-settings" % box, body)).json["message"])
            self.assertEqual(self.server.api("GET", "/sandbox/" + box).json["networkBlockAll"], False)


class AcceptedUnenforced(harness.Case):
    options = ("--accept-unenforced", "--network=host")

    def test_hosts_of_secrets_are_never_only_stored(self):
        self.status(201, self.server.api("POST", "/secret", {"name": "limited", "value": "x", "hosts": ["example.com"]}))
        answer = self.status(400, self.server.api("POST", "/sandbox", {"secrets": [{"A": "limited"}], "networkAllowList": "10.0.0.0/8"}))
        self.assertIn("cannot keep", answer.json["message"])

    def test_clearing_rules(self):
        box = self.server.create()["id"]
        for body, status, block, allow, domains in [
                ({"networkAllowList": "10.20.0.0/16,192.0.2.7/32"}, 200, False, "10.20.0.0/16,192.0.2.7/32", None),
                ({"networkAllowList": ""}, 200, False, None, None),
                ({"domainAllowList": "*.example.com,a-b.org"}, 200, False, None, "*.example.com,a-b.org"),
                ({"networkAllowList": "10.0.0.0/8"}, 200, False, "10.0.0.0/8", "*.example.com,a-b.org"),
                ({"networkBlockAll": False}, 200, False, None, "*.example.com,a-b.org"),
                ({"domainAllowList": ""}, 200, False, None, None)]:
            with self.subTest(body=body):
                self.status(status, self.server.api("POST", "/sandbox/%s/network-settings" % box, body))
                shown = self.server.api("GET", "/sandbox/" + box).json
                self.assertEqual((shown["networkBlockAll"], shown["networkAllowList"], shown["domainAllowList"]),
                                 (block, allow, domains))


class Missing(harness.Case):
    def test_without_nft(self):
        """A machine without nft still starts sandboxes, and blocks them."""
        if harness.lacks("mount"):
            self.skipTest(harness.lacks("mount"))
        wrapper = os.path.join(tempfile.mkdtemp(prefix="dl-test-"), "daytona-local")
        self.addCleanup(shutil.rmtree, os.path.dirname(wrapper), ignore_errors=True)
        with open(wrapper, "w") as file:
            file.write('#!/bin/sh\nexec unshare --mount sh -c \'for f in /usr/sbin/nft /sbin/nft; do [ ! -e $f ] || mount --bind /dev/null $f; '
                       'done; exec "$0" "$@"\' "%s" "$@"\n' % harness.program())
        os.chmod(wrapper, 0o755)
        server = harness.Server(exe=wrapper)
        self.addCleanup(server.stop)
        self.assertIn("nft", server.call("GET", "/admin/info").json["network"]["missing"]["networkAllowList"])
        self.assertIn("nft", self.status(400, server.api("POST", "/sandbox", {"networkAllowList": "10.0.0.0/8"})).json["message"])
        box = server.create()["id"]
        self.status(400, server.api("POST", "/sandbox/%s/network-settings" % box, {"networkAllowList": "10.0.0.0/8"}))
        self.status(200, server.api("POST", "/sandbox/%s/network-settings" % box, {"networkBlockAll": True}))
        self.assertEqual(server.call("GET", "/admin/info").json["boxes"][box]["network"], "none")


OUTSIDE = outside()
if __name__ == "__main__":
    harness.main()
