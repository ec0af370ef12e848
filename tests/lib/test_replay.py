# SPDX-License-Identifier: Apache-2.0
"""The recordings server's own tests, with recordings written here."""

import base64
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile

import tap

HERE = os.path.dirname(os.path.abspath(__file__))


def step(method, target, status, body, headers=(), **more):
    return {"http": {"request": {"method": method, "target": target, "headers": []},
                     "response": {"status": status, "reason": "Any", "body_b64": base64.b64encode(body).decode(),
                                  "headers": [["Content-Length", str(len(body))], *headers], **more}},
            "start_ms": 0, "connection": 1}


SOCKET_STEP = {"ws": {"request": {"method": "GET", "target": "/process/pty/a/connect", "headers": []},
                      "response": {"status": 101, "reason": "Switching Protocols", "body_b64": "",
                                   "headers": [["Upgrade", "websocket"], ["Connection", "Upgrade"]]},
                      "frames": [{"dir": "in", "opcode": 1, "fin": True, "payload_b64": "aGk="},
                                 {"dir": "in", "opcode": 8, "fin": True, "payload_b64": "A+g="}],
                      "end": {"how": "close frame", "close_code": 1000, "close_reason": ""}}, "start_ms": 0}

RECORDING = {"steps": [
    step("POST", "/process/execute", 200, b'{"exitCode":0,"result":"a"}', [["X-Kept", "yes"]]),
    step("POST", "/process/execute", 400, b'{"message":"b"}'),
    step("GET", "/files?path=%2Fa", 200, b"chunks", [["Transfer-Encoding", "chunked"]], chunks=[2, 4]),
    SOCKET_STEP,
]}


class Replay:
    """The server as a child process, with the recording above."""

    def __enter__(self):
        self.file = tempfile.NamedTemporaryFile("w", suffix=".json")
        json.dump(RECORDING, self.file)
        self.file.flush()
        self.child = subprocess.Popen([sys.executable, os.path.join(HERE, "replay_server.py"), self.file.name],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.child.stdout.readline().split()[1])
        return self

    def __exit__(self, *_):
        self.child.stdin.close()
        assert self.child.wait(10) == 0
        self.child.stdout.close()
        self.file.close()

    def command(self, text):
        self.child.stdin.write(text + "\n")
        self.child.stdin.flush()
        return self.child.stdout.readline().strip()

    def ask(self, method, target):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, target, body=b"{}" if method == "POST" else None)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer
        finally:
            connection.close()


def steps_answer_in_order_under_any_prefix():
    with Replay() as replay:
        status, body, answer = replay.ask("POST", "/toolbox/x/process/execute")
        assert (status, body, answer.headers["X-Kept"]) == (200, b'{"exitCode":0,"result":"a"}', "yes")
        assert replay.ask("POST", "/process/execute")[:2] == (400, b'{"message":"b"}')
        assert replay.ask("POST", "/process/execute")[0] == 404
        assert replay.command("rewind") == "ok"
        assert replay.ask("POST", "/process/execute")[0] == 200


def chunked_answers_and_queries():
    with Replay() as replay:
        assert replay.ask("GET", "/a/files?path=%2Fa")[:2] == (200, b"chunks")


def a_fixed_step_answers_everything():
    with Replay() as replay:
        assert replay.command("step 1") == "ok"
        assert replay.ask("GET", "/whatever")[0] == 400
        assert replay.command("step 9").startswith("error ")


def every_cut_gives_the_same_answer():
    with Replay() as replay:
        for number in (0, 2):
            replay.command(f"step {number}")
            whole = replay.ask("GET", "/")[:2]
            for size in range(0, 160, 7):
                assert replay.command(f"cut {size}") == "ok"
                assert replay.ask("GET", "/")[:2] == whole
            replay.command("pieces 1")
            assert replay.ask("GET", "/")[:2] == whole
            replay.command("whole")


def truncated_answers_break_off():
    with Replay() as replay:
        replay.command("truncate 60")
        try:
            replay.ask("POST", "/process/execute")
        except (http.client.HTTPException, OSError):
            return
        raise AssertionError("a whole answer")


def sockets_play_their_frames():
    with Replay() as replay, socket.create_connection(("127.0.0.1", replay.port), 10) as client:
        client.sendall(b"GET /p/process/pty/a/connect HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                       b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        data = b""
        while b"\x88\x02\x03\xe8" not in data:
            data += client.recv(4096)
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in data
        assert data.endswith(b"\r\n\r\n\x81\x02hi\x88\x02\x03\xe8")
        client.sendall(b"\x88\x82\0\0\0\0\x03\xe8")
        assert client.recv(100) == b""


def unknown_commands_are_errors():
    with Replay() as replay:
        assert replay.command("dance") == "error no such command: dance"
        assert replay.command("load /no/such/file").startswith("error ")


def every_recording_beside_the_repository_is_readable():
    folder = os.path.normpath(os.path.join(HERE, "..", "..", "..", "shared", "recordings"))
    if not os.path.isdir(folder):
        raise tap.Skip("no ../shared/recordings")
    import replay_server
    for name in sorted(os.listdir(folder)):
        if name.endswith(".json"):
            script = replay_server.Script()
            script.load(os.path.join(folder, name))
            for entry in script.steps:
                response = entry.get("http", {}).get("response")
                if response is not None:
                    assert replay_server.answer_bytes(response)[0].startswith(b"HTTP/1.1 ")
                for frame in entry.get("ws", {}).get("frames", []):
                    assert replay_server.frame_bytes(frame)


TESTS = [steps_answer_in_order_under_any_prefix, chunked_answers_and_queries, a_fixed_step_answers_everything,
         every_cut_gives_the_same_answer, truncated_answers_break_off, sockets_play_their_frames,
         unknown_commands_are_errors, every_recording_beside_the_repository_is_readable]


if __name__ == "__main__":
    sys.exit(tap.run_all(TESTS))
