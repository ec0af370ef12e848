# SPDX-License-Identifier: Apache-2.0
"""No secret of a run is in the log of the client or of the server: secret_logs.py DAYTONA-LOCAL CLIENT SOURCE"""

import os
import re
import subprocess
import sys
import tempfile
import time

KEY = "dtn-key-of-the-run-9fK2mQ7x"
ORGANIZATION_KEY = "dtn-key-of-another-3bT8wL1z"


def free_port():
    import socket
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def check(number, passed, name, lines=()):
    print(("ok" if passed else "not ok"), number, "-", name)
    if not passed:
        for line in list(lines)[:40]:
            print("#", line)
    return passed


def wait_until_it_listens(server, log):
    for _ in range(600):
        text = open(log, encoding="utf-8", errors="replace").read()
        if "listening" in text:
            return
        assert server.poll() is None, text
        time.sleep(0.05)
    raise AssertionError("the server does not listen: " + text)


def leaks(text, secrets):
    """The lines of a log with a secret in them, as it is or percent-encoded."""
    found = []
    for line in text.splitlines():
        for secret in secrets:
            if secret in line or secret.replace("/", "%2F").replace("=", "%3D") in line:
                found.append(f"{secret!r} in: {line[:300]}")
    return found


def main():
    daytona_local, client, source = map(os.path.abspath, sys.argv[1:])
    brought = re.findall(r'#define \w+ "(.+)"', open(source, encoding="utf-8").read())
    print("1..7")
    with tempfile.TemporaryDirectory() as folder:
        port, log = free_port(), os.path.join(folder, "server.log")
        with open(log, "w", encoding="utf-8") as out:
            server = subprocess.Popen([daytona_local, "serve", "--listen", f"127.0.0.1:{port}", "--state",
                                       os.path.join(folder, "state"), "--ssh-listen", "127.0.0.1:0", "--key", KEY, "--key", ORGANIZATION_KEY, "--log", "debug",
                                       "--log-requests"], stdout=out, stderr=subprocess.STDOUT)
        try:
            wait_until_it_listens(server, log)
            environment = {name: value for name, value in os.environ.items() if not name.startswith("DAYTONA_")}
            environment.update(DAYTONA_API_URL=f"http://127.0.0.1:{port}/api", DAYTONA_API_KEY=KEY)
            ran = subprocess.run([client], env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 universal_newlines=True, timeout=120)
        finally:
            server.terminate()
            server.wait(30)
        served = open(log, encoding="utf-8", errors="replace").read()
    tokens = [line for line in ran.stdout.splitlines() if line]
    secrets = [KEY, ORGANIZATION_KEY] + brought + tokens
    lines = ran.stderr.splitlines()
    check(1, ran.returncode == 0, "the run ends in good order", lines[-20:])
    check(2, len(tokens) >= 3 and len(brought) >= 11, "it had secrets of every kind", tokens)
    operations = [line for line in lines if line.startswith("3 ")]
    requests = [line for line in lines if line.startswith("4 http: ")]
    check(3, len(operations) >= 20 and any("process_exec: sandbox " in line for line in operations),
          "the client's log has a line per operation", lines)
    check(4, len(requests) >= 20 and all("?" not in line for line in requests),
          "the client's log has a line per request, without its query", requests)
    check(5, served.count("/toolbox/") + served.count("/sandbox") >= 20, "the server's log has a line per request",
          served.splitlines())
    found = leaks(ran.stderr, secrets)
    check(6, not found, "no secret is in the client's log", found)
    found = leaks(served, secrets)
    check(7, not found, "no secret is in the server's log", found)


main()
