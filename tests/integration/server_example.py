# SPDX-License-Identifier: Apache-2.0
"""The server example runs each request in a sandbox of its own: server_example.py PROGRAM"""

import hashlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error

from example_support import (LIMIT_SECONDS, Failed, add_fault, check, delete_sandbox, execute, faults_left, run, run_tests,
                             sandboxes, wait_until)

PROGRAM = os.path.abspath(sys.argv[1])
BEGUN_AND_WAITING = "import os, time\nprint('begun')\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint('gone on')\n"


class Server:
    def __init__(self, *options):
        self.process = subprocess.Popen([PROGRAM, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.process.stdout.readline().decode()
        check(line.startswith("server: listening on http://127.0.0.1:"), f"{line!r}")
        self.port = int(line.rsplit(":", 1)[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.stdout.close()
        self.process.stderr.close()
        self.process.wait()

    def stop(self, number=signal.SIGTERM):
        """Ends in order; returns what it said."""
        self.process.send_signal(number)
        out, errors = self.process.communicate(timeout=LIMIT_SECONDS)
        check(self.process.returncode == 0, f"exit code {self.process.returncode}: {errors}")
        check(sandboxes() == [], "a sandbox is left")
        return errors.decode()

    def status(self):
        return json.loads(self.ask("GET", "/status").read())

    def ask(self, method, path, body=None, headers={}):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT_SECONDS)
        connection.request(method, path, body, headers)
        return connection.getresponse()

    def start(self, code):
        """The answer to a run, whose lines are to be read."""
        answer = self.ask("POST", "/run", code)
        if answer.status != 200:
            raise Failed(f"{answer.status}: {answer.read()}")
        return answer

    def run(self, code):
        """All lines of a run."""
        return [json.loads(line) for line in self.start(code).read().splitlines()]

    def connect(self, code, receive_buffer=None):
        """A connection that has sent a run and reads nothing."""
        connection = socket.socket()
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(LIMIT_SECONDS)
        connection.connect(("127.0.0.1", self.port))
        connection.sendall(b"POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(code) + code.encode())
        return connection

    def speak(self, text):
        """Bytes as they are; returns all that comes back."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT_SECONDS)
        with connection:
            connection.sendall(text)
            answer = b""
            while True:
                got = connection.recv(65536)
                if not got:
                    return answer
                answer += got


def let_all_go_on():
    for item in sandboxes():
        try:
            execute(item["id"], "touch go")
        except urllib.error.HTTPError:
            pass  # one that is just being made or deleted


def text_of(lines, stream="stdout"):
    return "".join(line.get(stream, "") for line in lines)


def programs_run():
    """Programs run with fresh variables, and each way to end is told."""
    with Server("--timeout", "2", "--runs", "3") as server:
        lines = server.run("import sys\nx = 'a \"b\"\\u00fc\\\\\\x01'\nprint(x)\nprint('e', file=sys.stderr)\n")
        check(text_of(lines) == 'a "b"\u00fc\\\x01\n' and text_of(lines, "stderr") == "e\n", f"{lines}")
        check(lines[-1] == {"end": "ok"}, f"{lines}")
        for _ in range(4):
            lines = server.run("try: x\nexcept NameError: print('fresh')\nx = 1\n")
            check(lines == [{"stdout": "fresh\n"}, {"end": "ok"}], f"{lines}")
        lines = server.run("print(1)\n1/0")
        check(lines[0] == {"stdout": "1\n"} and lines[-1]["end"] == "exception", f"{lines}")
        check(lines[-1]["name"] == "ZeroDivisionError" and "line 2" in lines[-1]["traceback"], f"{lines}")
        check(server.run("while True: pass") == [{"end": "timeout"}], "it does not end by its timeout")
        lines = server.run("import os\nos._exit(1)")
        check(lines[-1]["end"] == "failed" and "worker" in lines[-1]["message"], f"{lines}")
        check(server.run("print(2)") == [{"stdout": "2\n"}, {"end": "ok"}], "it does not recover")
        server.stop()


def sandboxes_are_not_shared():
    """By default each run has a sandbox of its own, and the pool is refilled."""
    with Server("--pool", "1") as server:
        for _ in range(4):
            lines = server.run("import os\nprint(os.path.exists('mine'))\nopen('mine', 'w')\n")
            check(lines == [{"stdout": "False\n"}, {"end": "ok"}], f"{lines}")
        server.stop(signal.SIGINT)


def output_is_streamed():
    """Output arrives while the program still runs."""
    with Server() as server:
        answer = server.start(BEGUN_AND_WAITING)
        check(json.loads(answer.readline()) == {"stdout": "begun\n"}, "it does not begin")
        check(server.status()["busy"] == 1, f"{server.status()}")
        let_all_go_on()
        check(answer.read() == b'{"stdout":"gone on\\n"}\n{"end":"ok"}\n', "it does not go on")
        server.stop()


def requests_run_side_by_side():
    """As many requests as there are sandboxes run side by side, and all of them in the end."""
    with Server("--pool", "3") as server:
        answers = [server.start(BEGUN_AND_WAITING) for _ in range(3)]
        for answer in answers:
            check(json.loads(answer.readline()) == {"stdout": "begun\n"}, "it does not begin")
        results = []
        threads = [threading.Thread(target=lambda i=i: results.append(server.run(f"print({i})"))) for i in range(8)]
        for thread in threads:
            thread.start()
        wait_until(lambda: server.status()["waiting"] == 8, "all of them wait")
        let_all_go_on()
        for thread in threads:
            thread.join()
        check(sorted(text_of(lines) for lines in results) == [f"{i}\n" for i in range(8)], f"{results}")
        check(all(answer.read().endswith(b'{"end":"ok"}\n') for answer in answers), "they do not end well")
        check(server.status()["served"] == 11, "some were not counted")
        server.stop()


def too_much_is_refused():
    """What cannot be served soon is refused with 503 and Retry-After."""
    with Server("--pool", "1", "--queue", "1") as server:
        running = server.start(BEGUN_AND_WAITING)
        running.readline()
        waiting = server.connect("print('waited')")
        wait_until(lambda: server.status()["waiting"] == 1, "it waits")
        refused = server.ask("POST", "/run", "print(1)")
        check(refused.status == 503 and refused.getheader("Retry-After") == "1", f"{refused.status}")
        let_all_go_on()
        running.read()
        answer = http.client.HTTPResponse(waiting)
        answer.begin()
        check(b"waited" in answer.read(), "the one that waited did not run")
        waiting.close()
        server.stop()


def a_client_that_leaves_stops_its_code():
    """When a client goes away its sandbox is deleted with the code in it; one that waited is forgotten."""
    with Server("--pool", "1") as server:
        leaving = server.connect(BEGUN_AND_WAITING)
        seen = b""
        while b"begun" not in seen:  # in however many pieces
            seen += leaving.recv(65536)
        sandbox = sandboxes()[0]["id"]
        waiting = server.connect("print(1)")
        wait_until(lambda: server.status()["waiting"] == 1, "it waits")
        waiting.close()
        wait_until(lambda: server.status()["waiting"] == 0, "it is forgotten")
        leaving.close()
        wait_until(lambda: sandbox not in [item["id"] for item in sandboxes()], "the sandbox is deleted")
        check(server.run("print(2)")[0] == {"stdout": "2\n"}, "the pool is not refilled")
        server.stop()


def a_slow_client_pauses_its_run():
    """A client that does not read pauses its run, and gets everything once it reads."""
    # 800 messages of 16 kB: fewer than the sandbox keeps for a slow reader, more than the sockets on the way hold.
    code = ("import sys\nfor i in range(400):\n  sys.stdout.write(chr(97 + i % 26) * 16000 + '\\n')\n"
            "  sys.stdout.write('-' * 16000 + '\\n')\n")
    wanted = b"".join(bytes([97 + i % 26]) * 16000 + b"\n" + b"-" * 16000 + b"\n" for i in range(400))
    with Server("--pool", "1", "--timeout", "60") as server:
        connection = server.connect(code, receive_buffer=4096)
        wait_until(lambda: server.status()["paused"] == 1, "it is paused")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        lines = [json.loads(line) for line in answer.read().splitlines()]
        check(lines[-1] == {"end": "ok"}, f"{lines[-1]}")
        got = text_of(lines).encode()
        check(hashlib.sha256(got).digest() == hashlib.sha256(wanted).digest(), f"{len(got)} bytes of {len(wanted)}")
        connection.close()
        server.stop()


def metrics_are_those_of_the_library():
    """GET /metrics has the library's statistics in the text form of Prometheus."""
    line = re.compile(r'^(# TYPE (daytona_\w+) (gauge|counter)|(daytona_\w+)(\{code="\w+"\})? (\d+))$')
    with Server() as server:
        def metrics():
            answer = server.ask("GET", "/metrics")
            check(answer.getheader("Content-Type") == "text/plain; version=0.0.4", f"{answer.getheader('Content-Type')}")
            found = [line.match(text) for text in answer.read().decode().splitlines()]
            check(all(found), f"{found}")
            types = {match[2]: match[3] for match in found if match[2]}
            values = {match[4] + (match[5] or ""): int(match[6]) for match in found if match[4]}
            check(all(re.sub(r"{.*", "", name) in types for name in values), f"{types}")
            check(all((kind == "counter") == name.endswith("_total") for name, kind in types.items()), f"{types}")
            return values
        before = metrics()
        server.run("print('counted')")
        after = metrics()
        check(after["daytona_operations_total"] > before["daytona_operations_total"], f"{before} {after}")
        check(after["daytona_streams_total"] > before["daytona_streams_total"], f"{before} {after}")
        check(after["daytona_received_bytes_total"] > before["daytona_received_bytes_total"], f"{before} {after}")
        check(after["daytona_memory_bytes"] > 0 and after["daytona_connections_open"] > 0, f"{after}")
        server.stop()


def nonsense_is_refused():
    """Malformed, too large, foreign and unknown requests are refused with a reason."""
    def status(text):
        return server.speak(text)[:12]
    with Server("--pool", "1") as server:
        check(status(b"nonsense\r\n\r\n") == b"HTTP/1.1 400", "nonsense")
        check(status(b"POST /run HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx") == b"HTTP/1.1 400", "twice")
        check(status(b"POST /run HTTP/1.1\r\nContent-Length: -1\r\n\r\n") == b"HTTP/1.1 400", "negative")
        check(status(b"POST /run HTTP/1.1\r\nA : b\r\n\r\n") == b"HTTP/1.1 400", "blank before a colon")
        check(status(b"POST /run HTTP/1.1\r\nContent-Length: 0\r\n\r\n") == b"HTTP/1.1 400", "empty")
        check(status(b"POST /run HTTP/1.1\r\nContent-Length: 3\r\n\r\na\0b") == b"HTTP/1.1 400", "a NUL")
        check(status(b"POST /run HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n") == b"HTTP/1.1 411", "chunked")
        check(status(b"POST /run HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n" + b"#" * 1048577) == b"HTTP/1.1 413", "large")
        check(status(b"GET /run HTTP/1.1\r\nX: " + b"x" * 20000) == b"HTTP/1.1 431", "a large head")
        check(status(b"GET /run HTTP/1.1\r\n\r\n") == b"HTTP/1.1 405", "a method")
        check(status(b"GET / HTTP/1.1\r\n\r\n") == b"HTTP/1.1 404", "a path")
        check(server.ask("POST", "/run", "print(1)", {"Origin": "http://evil.example"}).status == 403, "a page")
        expects = server.speak(b"POST /run HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n")
        check(b"100 Continue" not in expects, "it wants to continue with nothing")
        request = b"POST /run HTTP/1.1\r\nContent-Length: 8\r\n\r\nprint(3)"
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(request)):  # byte by byte
            connection.sendall(request[i:i + 1])
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        check(answer.read() == b'{"stdout":"3\\n"}\n{"end":"ok"}\n', "byte by byte")
        connection.close()
        server.stop()


def a_stop_lets_runs_end():
    """SIGTERM refuses what waits, lets what runs end, and deletes every sandbox; a second one does not wait."""
    with Server("--pool", "2", "--queue", "5") as server:
        running = [server.start(BEGUN_AND_WAITING) for _ in range(2)]
        for answer in running:
            answer.readline()
        waiting = server.connect("print(1)")
        wait_until(lambda: server.status()["waiting"] == 1, "it waits")
        server.process.send_signal(signal.SIGTERM)
        check(waiting.recv(65536).startswith(b"HTTP/1.1 503"), "what waits is not told")
        waiting.close()
        let_all_go_on()
        for answer in running:
            check(answer.read().endswith(b'{"end":"ok"}\n'), "what runs does not end")
        check(server.process.wait(LIMIT_SECONDS) == 0, "it does not end well")
        check(sandboxes() == [], "a sandbox is left")
    with Server("--pool", "1") as server:
        running = server.start("print('begun')\nimport time; time.sleep(1000)")
        running.readline()
        server.process.send_signal(signal.SIGTERM)
        while server.process.stderr.readline() not in (b"server: stopping\n", b""):
            pass
        server.process.send_signal(signal.SIGTERM)
        check(b'"end":"failed"' in running.read(), "the run is not told")
        check(server.process.wait(LIMIT_SECONDS) == 0, "it does not end well")
        check(sandboxes() == [], "a sandbox is left")
    with Server("--pool", "3") as server:  # while they are being created
        server.stop()


def failures_are_survived():
    """Sandboxes that cannot be made are tried again, a lost connection ends its run only."""
    add_fault("/process/interpreter/context", "status", method="POST", status=500, times=2)
    with Server("--pool", "1") as server:
        check(server.run("print(1)")[0] == {"stdout": "1\n"}, "it does not get over it")
        add_fault("/process/interpreter/execute", "reset", after_bytes=100)
        lines = server.run("for i in range(100): print(i)")
        check(lines[-1]["end"] == "failed", f"{lines[-1]}")
        check(server.run("print(2)")[0] == {"stdout": "2\n"}, "it does not get over it")
        check(faults_left() == 0, "the faults were not used")
        check("server: " in server.stop(), "it does not say what went wrong")


def problems_are_told():
    """Wrong options and a port in use are told."""
    for wrong in (["--pool", "0"], ["--port", "65536"], ["--nonsense"], ["more"]):
        ran = run(PROGRAM, *wrong)
        check(ran.returncode == 2 and b"usage:" in ran.stderr, f"{ran}")
    ran = run(PROGRAM, "--help")
    check(ran.returncode == 0 and b"usage:" in ran.stdout, f"{ran}")
    with socket.create_server(("127.0.0.1", 0)) as other:
        ran = run(PROGRAM, "--port", str(other.getsockname()[1]))
    check(ran.returncode == 1 and b"in use" in ran.stderr and sandboxes() == [], f"{ran}")


run_tests([programs_run, sandboxes_are_not_shared, output_is_streamed, requests_run_side_by_side, too_much_is_refused,
           a_client_that_leaves_stops_its_code, a_slow_client_pauses_its_run, metrics_are_those_of_the_library, nonsense_is_refused, a_stop_lets_runs_end,
           failures_are_survived, problems_are_told])
