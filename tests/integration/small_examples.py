# SPDX-License-Identifier: Apache-2.0
"""Examples of one noun each: small_examples.py MEMORY OBJECT_STORAGE PROMISE TELEMETRY WARM_POOL, run by `daytona-local run --`."""

import http.server
import re
import sys
import tempfile
import threading
from pathlib import Path

from example_support import check, run, run_tests, sandboxes

MEMORY, OBJECT_STORAGE, PROMISE, TELEMETRY, WARM_POOL = sys.argv[1:]


def memory_is_counted_and_given_back():
    """memory: what the library allocates is counted, and nothing of it is left"""
    ran = run(MEMORY, "--commands", "20")
    wanted = rb"idle: \d+ blocks, \d+ bytes\n20 commands: at most \d+ blocks, \d+ bytes\nclosed: 0 blocks, 0 bytes\n"
    check(ran.returncode == 0 and re.fullmatch(wanted, ran.stdout), f"{ran}")


def a_folder_is_uploaded_once():
    """object_storage: a folder is uploaded once, and the same content found again"""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "file").write_text("content")
        first, second = run(OBJECT_STORAGE, "--name", "data", folder), run(OBJECT_STORAGE, "-n", "data", folder)
        missing = run(OBJECT_STORAGE, folder + "/missing")
    sent = re.fullmatch(rb"([0-9a-f]{32}): \d+ bytes were sent\n", first.stdout)
    check(first.returncode == 0 and sent, f"{first}")
    check(second.returncode == 0 and second.stdout == sent[1] + b": was there\n", f"{second}")
    check(missing.returncode == 1 and b"missing" in missing.stderr, f"{missing}")


def a_promise_settles_or_is_too_late():
    """promise: a server that answers settles it, and one that does not is given up in time, at any stage"""
    ran = run(PROMISE, "--port", "8123", "sleep 0.3; python3 -m http.server 8123")
    check(ran.returncode == 0 and re.search(rb"port 8123 answers, after \d+ tries\n$", ran.stdout), f"{ran}")
    for seconds in "0.001", "0.2":
        ran = run(PROMISE, "--timeout", seconds, "true")
        check(ran.returncode == 1 and b"not finished within" in ran.stderr, f"{ran}")
    check(sandboxes() == [], "a sandbox is left")


def a_collector_receives_the_trace():
    """telemetry: the log is printed, and a collector receives the spans of the trace"""
    received = {}

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received[self.path] = received.get(self.path, b"") + body
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ran = run(TELEMETRY, "--collector", f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    trace = re.match(rb"trace ([0-9a-f]{32})\n", ran.stdout)
    check(ran.returncode == 0 and trace and b"\nobserved\n" in ran.stdout, f"{ran}")
    check(b"info  " in ran.stderr and b"debug" not in ran.stderr, f"{ran}")
    check(bytes.fromhex(trace[1].decode()) in received["/v1/traces"], "the trace is not in the spans")
    check(b"exec" in received["/v1/traces"] and "/v1/metrics" in received, f"{received}")


def a_warm_pool_fills_and_serves():
    """warm_pool: it fills up, serves a create, and is deleted"""
    for _ in range(2):
        ran = run(WARM_POOL)
        check(ran.returncode == 0 and re.match(rb"1 ready\na sandbox after \d+ ms\n", ran.stdout), f"{ran}")
    ran = run(WARM_POOL, "--size", "2", "no-such-snapshot")
    check(ran.returncode == 1 and ran.stderr and not ran.stdout, f"{ran}")


run_tests([memory_is_counted_and_given_back, a_folder_is_uploaded_once, a_promise_settles_or_is_too_late,
           a_collector_receives_the_trace, a_warm_pool_fills_and_serves])
