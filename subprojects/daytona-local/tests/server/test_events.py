# SPDX-License-Identifier: Apache-2.0
"""The event socket (Socket.IO 5 on Engine.IO 4): who is let in, what is told and how soon, and how it ends."""
import json
import socket
import tempfile
import threading
import time

import harness
import image_fixtures
from ws_client import BINARY, CLOSE, PING, PONG, TEXT, Refused

PATH = "/api/socket.io/?EIO=4&transport=websocket"
SOON = 0.05


class Listener:
    """A client that was let in; a thread keeps (time, name, payload) of what it hears."""

    def __init__(self, server, key=None, query="", host="localhost"):
        self.ws = server.websocket(PATH + query, key="", host=host)
        self.opened = json.loads(self.text()[1:])
        self.ws.send("40" + json.dumps({"token": server.key if key is None else key}), TEXT)
        self.answer = self.text()
        self.events, self.changed = [], threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        if self.answer.startswith("40"):
            self.reader.start()

    def text(self):
        opcode, payload = self.ws.frame()
        assert opcode == TEXT, (opcode, payload)
        return payload.decode()

    def read(self):
        try:
            while True:
                opcode, payload = self.ws.frame()
                if opcode == CLOSE:
                    break
                name, body = json.loads(payload[2:]) if payload.startswith(b"42") else (payload.decode(), None)
                with self.changed:
                    self.events.append((time.monotonic(), name, body))
                    self.changed.notify_all()
        except (EOFError, OSError):
            pass
        with self.changed:
            self.events.append((time.monotonic(), "end", None))
            self.changed.notify_all()

    def wait(self, name, wanted=lambda body: True, limit=20):
        """(time, payload) of the first one of that name for which `wanted` holds."""
        end = time.monotonic() + limit
        with self.changed:
            while True:
                for at, heard, body in self.events:
                    if heard == name and wanted(body):
                        return at, body
                if not self.changed.wait(end - time.monotonic()):
                    raise AssertionError("no %s among %s" % (name, [(e[1], e[2]) for e in self.events][-5:]))

    def state(self, box, state, limit=20):
        return self.wait("sandbox.state.updated", lambda b: b["sandbox"]["id"] == box and b["newState"] == state, limit)

    def states(self, box):
        with self.changed:
            return [b["newState"] for _, name, b in self.events if name == "sandbox.state.updated" and b["sandbox"]["id"] == box]

    def close(self):
        self.ws.sock.close()


class Handshake(harness.Case):
    def refused(self, path, **more):
        with self.assertRaises(Refused) as refusal:
            self.server.websocket(path, key="", **more).close()
        return refusal.exception.status, json.loads(refusal.exception.body)

    def test_open_packet_and_acceptance(self):
        listener = Listener(self.server)
        self.assertEqual(listener.opened["upgrades"], [])
        self.assertEqual((listener.opened["pingInterval"], listener.opened["pingTimeout"]), (25000, 20000))
        self.assertIn("sid", json.loads(listener.answer[2:]))
        listener.close()

    def test_both_spellings_of_the_path(self):
        ws = self.server.websocket("/api/socket.io?transport=websocket&EIO=4&source=x&sdkVersion=1", key="")
        self.assertTrue(ws.frame()[1].startswith(b"0{"))
        ws.close()

    def test_what_is_no_handshake_is_refused_in_the_words_of_engine_io(self):
        self.assertEqual(self.refused("/api/socket.io/?EIO=3&transport=websocket"), (400, {"code": 5, "message": "Unsupported protocol version"}))
        self.assertEqual(self.refused("/api/socket.io/?EIO=4&transport=polling"), (400, {"code": 0, "message": "Transport unknown"}))
        self.assertEqual(self.refused(PATH + "&sid=abc"), (400, {"code": 1, "message": "Session ID unknown"}))
        self.assertEqual(self.status(400, self.server.call("GET", PATH, key="")).json, {"code": 3, "message": "Bad request"})
        self.assertEqual(self.status(400, self.server.call("POST", PATH, key="")).json["code"], 2)
        self.status(404, self.server.call("GET", "/api/socket.io/more", headers={}))

    def test_wrong_credentials_are_refused_and_hear_nothing(self):
        for text in ('40{"token":"wrong"}', "40", "40{}", '40{"token":7}', '40{"token":""}', "40{", '40{"token":"%s\\u0000"}' % self.server.key[:4],
                     '40[1]', '40{"token":"%s\\n"}' % self.server.key, "40" + "[" * 1000):
            with self.subTest(text):
                ws = self.server.websocket(PATH, key="")
                ws.frame()
                ws.send(text, TEXT)
                self.assertEqual(ws.frame(), (TEXT, b'44{"message":"Unauthorized"}'))
                ws.close()

    def test_a_refused_client_may_show_another_credential(self):
        ws = self.server.websocket(PATH, key="")
        ws.frame()
        ws.send('40/admin,{"token":"%s"}' % self.server.key, TEXT)
        self.assertEqual(ws.frame(), (TEXT, b'44/admin,{"message":"Invalid namespace"}'))
        ws.send('40{"token":"wrong"}', TEXT)
        self.assertTrue(ws.frame()[1].startswith(b"44"))
        ws.send('40{"token":"%s"}' % self.server.key, TEXT)
        self.assertTrue(ws.frame()[1].startswith(b'40{"sid":'))
        ws.close()

    def test_who_was_not_let_in_hears_nothing(self):
        ws = self.server.websocket(PATH, key="")
        ws.frame()
        listener = Listener(self.server)
        box = self.server.create()["id"]
        listener.state(box, "started")
        ws.send('40{"token":"%s"}' % self.server.key, TEXT)
        self.assertTrue(ws.frame()[1].startswith(b'40{"sid":'))
        ws.close()
        listener.close()

    def test_who_shows_nothing_makes_room_for_others(self):
        known = Listener(self.server)
        silent = [self.server.websocket(PATH, key="") for _ in range(300)]
        for ws in silent[:40]:  # long before the time that they have is over
            ws.sock.settimeout(3)
            frame = ws.frame()
            while frame[0] != CLOSE:
                frame = ws.frame()
            self.assertIn(b"others wait", frame[1])
        late = Listener(self.server)
        self.assertTrue(late.answer.startswith("40"))
        box = self.server.create()["id"]
        for listener in (known, late):
            listener.wait("sandbox.created", lambda body, box=box: body["id"] == box)
            listener.close()
        for ws in silent:
            ws.sock.close()

    def test_large_messages_end_the_connection(self):
        ws = self.server.websocket(PATH, key="")
        ws.frame()
        ws.send("40" + "x" * 70000, TEXT)
        self.assertIn(ws.until_close()[1], (1002, 1009))

    def test_client_ends_it(self):
        for goodbye in ("41", "1"):
            listener = Listener(self.server)
            listener.ws.send(goodbye, TEXT)
            listener.wait("end", limit=2)
        listener = Listener(self.server)
        listener.ws.send(b"\x03\xe8", CLOSE)
        since = time.monotonic()
        listener.wait("end", limit=2)
        self.assertLess(time.monotonic() - since, 1)

    def test_nonsense_is_passed_over(self):
        listener = Listener(self.server)
        for text in ("", "9", "42", '42["event",{}]', "451-[]", "4", "40{}", "3", "2probe", "\x00\x01"):
            listener.ws.send(text, TEXT)
        listener.ws.send(b"\x00" * 100, BINARY)
        listener.ws.send(b"hello", PING)
        box = self.server.create()["id"]
        listener.state(box, "started")
        listener.close()


class Tokens(harness.Case):
    options = ("--jwt-token", "user-token")

    def test_a_token_needs_the_organization_that_it_belongs_to(self):
        organization = self.server.create()["organizationId"]
        self.assertTrue(Listener(self.server, "user-token", "&organizationId=" + organization).answer.startswith("40"))
        for query in ("", "&organizationId=other"):
            self.assertTrue(Listener(self.server, "user-token", query).answer.startswith("44"))


class Permissions(harness.Case):
    @classmethod
    def setUpClass(cls):
        with tempfile.NamedTemporaryFile("w", suffix=".keys") as keys:
            keys.write("test-key\nfew write:sandboxes\n")
            keys.flush()
            cls.server = harness.Server("--key-file", keys.name, key=None)
            cls.server.key = "test-key"

    def test_volumes_are_for_those_who_may_read_them(self):
        few, all_of_it = Listener(self.server, "few"), Listener(self.server)
        made = self.status(200, self.server.api("POST", "/volumes", {"name": "told"})).json
        self.assertEqual(all_of_it.wait("volume.created")[1]["id"], made["id"])
        self.status(200, self.server.api("DELETE", "/volumes/" + made["id"]))
        told = all_of_it.wait("volume.state.updated", lambda b: b["newState"] == "deleted")[1]
        self.assertEqual((told["volume"]["id"], told["oldState"]), (made["id"], "pending_delete"))
        box = self.server.create()["id"]
        few.state(box, "started")
        self.assertEqual([name for _, name, _ in few.events if name.startswith("volume")], [])


class RateLimits(harness.Case):
    options = ("--rate-limit", "failed-auth=3/60")

    def test_failed_credentials_count(self):
        ws = self.server.websocket(PATH, key="")
        ws.frame()
        for _ in range(4):
            ws.send('40{"token":"wrong"}', TEXT)
            ws.frame()
        ws.send('40{"token":"%s"}' % self.server.key, TEXT)
        self.assertEqual(ws.frame(), (TEXT, b'44{"message":"Unauthorized"}'))
        self.status(429, self.server.api("GET", "/sandbox"))
        ws.close()


class Events(harness.Case):
    def setUp(self):
        self.listener = Listener(self.server)

    def tearDown(self):
        self.listener.close()

    def test_a_life(self):
        box = self.server.create(labels={"a": "b"})
        created = self.listener.wait("sandbox.created", lambda b: b["id"] == box["id"])[1]
        self.assertEqual(created["state"], "creating")
        self.assertEqual(set(created), set(self.server.api("GET", "/sandbox/" + box["id"]).json))
        self.assertIs(created["kvm"], False)
        self.assertEqual((created["labels"], created["toolboxProxyUrl"]), ({"a": "b"}, "http://localhost/toolbox"))
        told = self.listener.state(box["id"], "started")[1]
        self.assertEqual((told["oldState"], told["sandbox"]["state"]), ("creating", "started"))
        self.status(200, self.server.api("POST", "/sandbox/%s/stop" % box["id"]))
        self.listener.state(box["id"], "stopped")
        wanted = self.listener.wait("sandbox.desired-state.updated", lambda b: b["sandbox"]["id"] == box["id"])[1]
        self.assertEqual((wanted["oldDesiredState"], wanted["newDesiredState"]), ("started", "stopped"))
        self.status(200, self.server.api("POST", "/sandbox/%s/archive" % box["id"]))
        self.listener.state(box["id"], "archived")
        self.status(200, self.server.api("POST", "/sandbox/%s/start" % box["id"]))
        self.server.wait(box["id"], "started")
        self.status(200, self.server.api("DELETE", "/sandbox/" + box["id"]))
        self.listener.state(box["id"], "destroyed")
        self.assertEqual(self.listener.states(box["id"]), ["started", "stopping", "stopped", "archiving", "archived", "restoring", "started",
                                                           "destroying", "destroyed"])

    def test_pauses_forks_and_snapshots(self):
        box = self.server.create(snapshot="daytona-local/vm:1.0")["id"]
        self.status(200, self.server.api("POST", "/sandbox/%s/pause" % box))
        self.listener.state(box, "paused")
        self.status(200, self.server.api("POST", "/sandbox/%s/start" % box))
        self.listener.state(box, "started")
        child = self.status(200, self.server.api("POST", "/sandbox/%s/fork" % box, {"name": "told-fork"})).json["id"]
        self.assertEqual(self.listener.wait("sandbox.created", lambda b: b["id"] == child)[1]["state"], "creating")
        self.listener.state(child, "started")
        self.server.wait(box, "started")
        self.status(200, self.server.api("POST", "/sandbox/%s/snapshot" % box, {"name": "told-copy"}))
        self.listener.wait("sandbox.state.updated", lambda b: b["sandbox"]["id"] == box and b["oldState"] == "snapshotting")
        self.assertEqual(self.listener.states(box), ["started", "pausing", "paused", "resuming", "started", "forking", "started",
                                                     "snapshotting", "started"])

    def test_settings_are_no_events(self):
        box = self.server.create()["id"]
        self.listener.state(box, "started")
        before = len(self.listener.events)
        self.status(200, self.server.api("PUT", "/sandbox/%s/labels" % box, {"labels": {"x": "y"}}))
        self.status(200, self.server.api("POST", "/sandbox/%s/autostop/5" % box))
        self.status(200, self.server.api("POST", "/sandbox/%s/resize" % box, {"cpu": 2}))
        self.listener.wait("sandbox.state.updated", lambda b: b["oldState"] == "resizing")
        self.assertEqual([e[1] for e in self.listener.events[before:] if "desired" not in e[1]], ["sandbox.state.updated"] * 2)

    def lateness(self):
        """How long after a reader that asks all the time has seen a state it is told."""
        box = self.server.create()["id"]
        self.listener.state(box, "started")
        seen, connection = {}, self.server.connection()
        self.server.api("POST", "/sandbox/%s/stop" % box)
        end = time.monotonic() + 20
        while "stopped" not in seen and time.monotonic() < end:
            connection.request("GET", "/api/sandbox/" + box, headers={"Authorization": "Bearer " + self.server.key})
            state = json.loads(connection.getresponse().read())["state"]
            seen.setdefault(state, time.monotonic())
        connection.close()
        return self.listener.state(box, "stopped")[0] - seen["stopped"]

    def test_each_state_is_told_when_it_can_be_read(self):
        """In the best of a few rounds: this process has to get its turns, too."""
        self.assertLess(min(self.lateness() for _ in range(3)), SOON)

    def test_failures_and_sandboxes_that_end_by_themselves(self):
        box = self.server.create()["id"]
        self.status(200, self.server.call("PUT", "/admin/sandbox/%s/state" % box, {"state": "error", "errorReason": "on purpose"}))
        told = self.listener.state(box, "error")[1]
        self.assertEqual(told["sandbox"]["errorReason"], "on purpose")

    def test_snapshots(self):
        missing = image_fixtures.missing()
        if missing:
            self.skipTest(missing)
        made = self.status(200, self.server.api("POST", "/snapshots", {"name": "told", "imageName": "127.0.0.1:1/none:1"})).json
        self.assertEqual(self.listener.wait("snapshot.created")[1]["id"], made["id"])
        told = self.listener.wait("snapshot.state.updated", lambda b: b["newState"] == "error", 60)[1]
        self.assertNotIn("image", told["snapshot"])
        self.status(200, self.server.api("DELETE", "/snapshots/" + made["id"]))
        self.assertEqual(self.listener.wait("snapshot.removed")[1]["id"], made["id"])

    def test_each_client_gets_the_addresses_that_it_calls_by(self):
        other = Listener(self.server, host="127.0.0.1:%d" % self.server.port)
        self.server.create(name="by-address")
        here = self.listener.wait("sandbox.created", lambda b: b["name"] == "by-address")[1]
        there = other.wait("sandbox.created", lambda b: b["name"] == "by-address")[1]
        self.assertEqual(there["toolboxProxyUrl"], "http://127.0.0.1:%d/toolbox" % self.server.port)
        self.assertEqual(here["toolboxProxyUrl"], "http://localhost/toolbox")
        other.close()

    def test_many_clients_and_many_that_went(self):
        listeners = [Listener(self.server) for _ in range(50)]
        for listener in listeners[::2]:
            listener.close()
        box = self.server.create()["id"]
        for listener in listeners[1::2]:
            listener.state(box, "started")
            listener.close()

    def test_one_that_does_not_read_harms_nobody(self):
        """What it does not take is dropped together with it; the others hear everything in time."""
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", self.server.port))
        deaf = harness.WebSocket(sock, PATH, [], "localhost")
        deaf.frame()
        deaf.send('40{"token":"%s"}' % self.server.key, TEXT)
        deaf.frame()
        env = {"FILL%d" % i: "x" * 120000 for i in range(7)}
        boxes = [self.server.create(env=env, name="deaf-%d" % i)["id"] for i in range(8)]
        for box in boxes:
            self.status(200, self.server.api("DELETE", "/sandbox/" + box))
            self.listener.state(box, "destroyed")
        with self.assertRaises((EOFError, OSError)):  # a second later it is not even said why
            while deaf.frame()[0] != CLOSE:
                pass
            raise EOFError

    def test_frames_that_are_no_protocol_end_it(self):
        self.listener.ws.sock.sendall(b"\xff\xff\xff\xff" * 10)
        self.listener.wait("end", limit=2)

    def test_a_ping_of_the_websocket_is_answered(self):
        ws = self.server.websocket(PATH, key="")
        ws.frame()
        ws.send(b"abc", PING)
        self.assertEqual(ws.frame(), (PONG, b"abc"))
        ws.close()


class OverTls(harness.Case):
    over_tls = True

    def test_states_are_told(self):
        listener = Listener(self.server)
        box = self.server.create()["id"]
        told = listener.state(box, "started")[1]
        self.assertEqual(told["sandbox"]["toolboxProxyUrl"], "https://localhost/toolbox")
        self.status(200, self.server.api("DELETE", "/sandbox/" + box))
        listener.state(box, "destroyed")
        listener.ws.send("41", TEXT)
        listener.wait("end", limit=2)


class Faults(harness.Case):
    RULE = {"match": {"path": "/api/socket.io/"}}

    def connect(self, **rule):
        """A client that was let in, if the fault lets it: its first two frames are the server's hello and its acceptance."""
        self.server.fault(**self.RULE, **rule)
        ws = self.server.websocket(PATH, key="")
        ws.sock.settimeout(20)
        return ws

    def frames(self, ws):
        """(texts, code of the close frame or None, how it ended) for a client that shows its credential."""
        texts = []
        try:
            while True:
                opcode, payload = ws.frame()
                if opcode == CLOSE:
                    ws.send(payload[:2], CLOSE)
                    return texts, int.from_bytes(payload[:2], "big"), "closed"
                texts.append(payload[:2])
                if len(texts) == 1:
                    ws.send('40{"token":"%s"}' % self.server.key, TEXT)
                if len(texts) == 2:
                    self.server.create()
        except (EOFError, OSError):
            # TLS libraries are vague about it, the kernel is not: a reset connection is in no state but CLOSE.
            state = ws.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
            return texts, None, "reset" if state == 7 else "end"
        finally:
            ws.close()

    def test_cuts_and_closes(self):
        for rule, wanted in (({"action": "truncate", "after_frames": 1}, ([b"0{"], None, "end")),
                             ({"action": "reset", "after_frames": 2}, ([b"0{", b"40"], None, "reset")),
                             ({"action": "close", "after_frames": 3, "close_code": 1012}, ([b"0{", b"40", b"42"], 1012, "closed"))):
            with self.subTest(rule):
                self.assertEqual(self.frames(self.connect(**rule)), wanted)

    def test_a_refusal_and_one_that_freezes(self):
        self.server.fault(**self.RULE, action="status", status=503)
        with self.assertRaises(Refused) as refusal:
            self.server.websocket(PATH, key="")
        self.assertEqual(refusal.exception.status, 503)
        ws = self.connect(action="freeze", after_frames=1, for_ms=300)
        ws.frame()
        ws.send('40{"token":"%s"}' % self.server.key, TEXT)
        since = time.monotonic()
        self.assertTrue(ws.frame()[1].startswith(b"40"))
        self.assertGreater(time.monotonic() - since, 0.2)
        ws.close()


class FaultsOverTls(Faults):
    over_tls = True


class Pings(harness.Case):
    options = ("--event-ping", "1000")

    def test_pings_and_a_client_that_does_not_answer(self):
        listener = Listener(self.server)
        since = time.monotonic()
        self.assertEqual((listener.opened["pingInterval"], listener.opened["pingTimeout"]), (1000, 800))
        for count in range(1, 4):
            at, _ = listener.wait("2", limit=5)
            self.assertGreater(at - since, 0.9 * count)
            listener.events.clear()
            if count < 3:
                listener.ws.send("3", TEXT)
        at, _ = listener.wait("end", limit=5)
        self.assertGreater(at - since, 3.5)

    def test_silence_before_the_credential_ends_it(self):
        ws, since = self.server.websocket(PATH, key=""), time.monotonic()
        ws.frame()
        self.assertEqual(ws.until_close()[1:], (1008, "no credential was shown"))
        self.assertGreater(time.monotonic() - since, 0.3)


class End(harness.Case):
    def test_shutdown_closes_it_at_once(self):
        server = harness.Server()
        listener = Listener(server)
        idle = server.websocket(PATH, key="")
        since = time.monotonic()
        self.assertEqual(server.stop(), 0)
        listener.wait("end", limit=1)
        self.assertLess(time.monotonic() - since, 3)
        idle.frame()
        opcode, payload = idle.frame()
        self.assertEqual((opcode, payload[:2]), (CLOSE, b"\x03\xe9"))


if __name__ == "__main__":
    harness.main()
