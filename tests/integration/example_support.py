# SPDX-License-Identifier: Apache-2.0
"""What the tests of the examples share: TAP points, calls of daytona-local, and programs on a terminal.

The programs run under `daytona-local run --`, whose address and key are in the environment. Waiting is always for
something that must happen; LIMIT_SECONDS only ends a test that has failed.
"""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import traceback
import urllib.error
import urllib.request

LIMIT_SECONDS = 60


class Failed(Exception):
    pass


def check(passed, what):
    if not passed:
        raise Failed(what)


def run_tests(tests):
    """Each test is a function whose first line of documentation is its name."""
    failed = 0
    print(f"1..{len(tests)}")
    for number, test in enumerate(tests, 1):
        name = test.__doc__.strip().splitlines()[0].rstrip(".")
        try:
            test()
            print("ok", number, "-", name)
        except Exception as error:  # a test that breaks is a test that failed
            failed += 1
            print("not ok", number, "-", name)
            text = str(error) if isinstance(error, Failed) else traceback.format_exc()
            for line in text.splitlines():
                print("#", line)
            # What this test left is none of the next one's business, unless each has servers of its own.
            for item in sandboxes() if "DAYTONA_API_URL" in os.environ else []:
                try:
                    delete_sandbox(item["id"])
                except urllib.error.HTTPError:
                    pass  # it is on its way
        finally:
            if FAULTS_USED:
                clear_faults()
        sys.stdout.flush()
    sys.exit(1 if failed else 0)


# --- daytona-local ---------------------------------------------------------------------------------------------------

FAULTS_USED = []


def call(method, path, body=None, base=None):
    """An API call; returns the decoded answer."""
    request = urllib.request.Request((base or os.environ["DAYTONA_API_URL"]) + path, method=method,
                                     data=None if body is None else json.dumps(body).encode())
    request.add_header("Authorization", "Bearer " + os.environ["DAYTONA_API_KEY"])
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=LIMIT_SECONDS) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def add_fault(path, action, method=None, **keys):
    """Hits requests to a sandbox's toolbox."""
    FAULTS_USED.append(action)
    match = {"path": "/toolbox/*" + path, "target": "toolbox"}
    if method:
        match["method"] = method
    call("POST", "/faults", {"match": match, "action": action, **keys}, os.environ["DAYTONA_LOCAL_ADMIN_URL"])


def faults_left():
    return len(call("GET", "/faults", base=os.environ["DAYTONA_LOCAL_ADMIN_URL"])["items"])


def clear_faults():
    FAULTS_USED.clear()
    call("DELETE", "/faults", base=os.environ["DAYTONA_LOCAL_ADMIN_URL"])


def sandboxes():
    """Those that are there and not on their way out."""
    return [item for item in call("GET", "/sandbox")["items"] if item["state"] not in ("destroying", "destroyed")]


def execute(sandbox, command):
    """Runs a command in a sandbox; returns its exit code and output."""
    base = call("GET", f"/sandbox/{sandbox}/toolbox-proxy-url")["url"].rstrip("/")
    answer = call("POST", f"/{sandbox}/process/execute", {"command": command}, base)
    return answer["exitCode"], answer["result"]


def create_sandbox():
    return call("POST", "/sandbox", {})["id"]


def delete_sandbox(sandbox):
    call("DELETE", "/sandbox/" + sandbox)


def wait_until(condition, what):
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        check(time.monotonic() < deadline, "never happened: " + what)
        time.sleep(0.02)


# --- programs --------------------------------------------------------------------------------------------------------

def run(*command, **kwargs):
    """A program that ends by itself, its output as bytes."""
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT_SECONDS, **kwargs)


class OnTerminal:
    """A program on a terminal of its own, in a session of its own, as a user's shell would have started it."""

    def __init__(self, *command, rows=24, cols=80):
        self.output = b""
        self.master, self.slave = pty.openpty()
        self.resize(rows, cols, tells=False)
        self.modes_before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(command, stdin=self.slave, stdout=self.slave, stderr=self.slave,
                                        start_new_session=True, preexec_fn=self.own_terminal,
                                        env={**os.environ, "TERM": "dumb"})  # no bracketed paste

    def own_terminal(self):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def resize(self, rows, cols, tells=True):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        if tells:
            self.process.send_signal(signal.SIGWINCH)

    def type(self, text):
        data = text.encode() if isinstance(text, str) else text
        while data:
            data = data[os.write(self.master, data):]

    def is_raw(self):
        return not termios.tcgetattr(self.slave)[3] & termios.ICANON

    def modes_are_restored(self):
        return termios.tcgetattr(self.slave) == self.modes_before

    def read_some(self, seconds=LIMIT_SECONDS):
        if not select.select([self.master], [], [], seconds)[0]:
            return b""
        got = os.read(self.master, 65536)
        self.output += got
        return got

    def expect(self, pattern):
        """Reads until the pattern shows; it, and what is before it, are then used up."""
        wanted = re.compile(pattern.encode() if isinstance(pattern, str) else pattern)
        deadline = time.monotonic() + LIMIT_SECONDS
        while True:
            found = wanted.search(self.output)
            if found:
                self.output = self.output[found.end():]
                return found
            is_dead = self.process.poll() is not None
            is_late = time.monotonic() > deadline
            if not self.read_some(1 if not is_dead else 0) and (is_dead or is_late):
                raise Failed(f"{pattern!r} did not show, but {self.output[-500:]!r}")

    def wait(self):
        """The exit code; what is printed meanwhile is added to `output`."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while self.process.poll() is None:
            check(time.monotonic() < deadline, f"the program does not end; it printed {self.output[-500:]!r}")
            self.read_some(0.02)
        while self.read_some(0):
            pass
        return self.process.returncode
