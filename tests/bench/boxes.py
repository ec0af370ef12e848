# SPDX-License-Identifier: Apache-2.0
"""What sandboxes cost the server's machine: boxes.py CREATES_BENCH

Prints lines "bench NAME VALUE UNIT", and TAP about whether each measurement could be made; what the values are never fails a test.
See docs/benchmarks.md. The server is DAYTONA_LOCAL.
"""

import http.client
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

KEY = "bench"
IDLE_COUNT = 10
CREATE_COUNT, CREATE_AT_ONCE, CREATE_ROUNDS = 100, 16, 3
MANY, FEW = int(os.environ.get("BENCH_BOXES", "1000")), 10
IDLE_SECONDS = 60
EXEC_COUNT = 300


def show(name, value, unit, digits=1):
    print(f"bench {name} {value:.{digits}f} {unit}", flush=True)


class Server:
    def __init__(self, *options):
        self.state = tempfile.mkdtemp(prefix="bench-boxes-", dir="/var/tmp")
        self.process = subprocess.Popen(
            [os.environ["DAYTONA_LOCAL"], "serve", "--listen", "127.0.0.1:0", "--state", self.state, "--key", KEY, *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            found = re.search(r"listening on http://127\.0\.0\.1:(\d+)/", line)
            if found:
                break
        self.port = int(found.group(1))
        self.env = dict(os.environ, DAYTONA_API_URL=f"http://127.0.0.1:{self.port}/api", DAYTONA_API_KEY=KEY)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)  # opened when it is used

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()
        self.process.terminate()
        self.process.wait(30)
        self.process.stderr.close()
        shutil.rmtree(self.state, ignore_errors=True)

    def run(self, *command):
        done = subprocess.run(command, env=self.env, timeout=300, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0, done.stderr.strip()[-600:]
        return done.stdout.split()

    def execute_ms(self, sandbox):
        begin = time.monotonic()
        self.connection.request("POST", f"/toolbox/{sandbox}/process/execute", '{"command": "echo hello"}',
                                {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
        answer = self.connection.getresponse()
        assert answer.status == 200 and b"hello" in answer.read()
        return (time.monotonic() - begin) * 1000

    def median_ms(self, sandboxes):
        """Commands one after the other on a new connection, each in the next sandbox; the first ones are left out."""
        self.connection.close()
        for sandbox in sandboxes[:FEW]:
            self.execute_ms(sandbox)
        return statistics.median(self.execute_ms(sandboxes[i % len(sandboxes)]) for i in range(EXEC_COUNT))


def parents():
    found = {}
    for name in os.listdir("/proc"):
        try:
            if name.isdigit():
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    found[int(name)] = int(file.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            pass
    return found


def below(pid):
    """The processes that `pid` has started, and those that these have."""
    known, found, last = parents(), set(), {pid}
    while last:
        last = {child for child, parent in known.items() if parent in last}
        found |= last
    return found


def proportional_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return int(re.search(r"^Pss:\s+(\d+)", file.read(), re.M).group(1))


def cpu_seconds(pids):
    """On a processor, to the nanosecond, of all threads."""
    total = 0
    for pid in pids:
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                    total += int(file.read().split()[0])
        except OSError:
            pass
    return total / 1e9


def idle_size(bench):
    with Server("--warm", "0") as server:
        server.run(bench, str(IDLE_COUNT), "4", "keep")
        time.sleep(2)
        show("sandbox_idle_kib", sum(map(proportional_kib, below(server.process.pid))) / IDLE_COUNT, "KiB", 0)


def creates(bench):
    with Server() as server:
        rates = [float(server.run(bench, str(CREATE_COUNT), str(CREATE_AT_ONCE))[0]) for _ in range(CREATE_ROUNDS)]
    show("creates_per_s", statistics.median(rates), "sandboxes/s")


def many(bench):
    with Server() as server:
        few = server.run(bench, str(FEW), "4", "keep")[1:]
        time.sleep(2)
        few_ms = server.median_ms(few)
        ids = few + server.run(bench, str(MANY - FEW), str(CREATE_AT_ONCE), "keep")[1:]
        assert len(set(ids)) == MANY
        time.sleep(5)
        pids = below(server.process.pid) | {server.process.pid}
        before, begin = cpu_seconds(pids), time.monotonic()
        time.sleep(IDLE_SECONDS)
        percent = (cpu_seconds(pids) - before) / (time.monotonic() - begin) * 100
        many_ms = server.median_ms(ids)
        show("many_idle_cpu", percent, "percent", 2)
        show("many_exec_ms", many_ms, "ms", 2)
        show("few_exec_ms", few_ms, "ms", 2)
        show("many_exec_vs_few", many_ms / few_ms, "ratio", 2)


def main():
    bench, failed = os.path.abspath(sys.argv[1]), 0
    if not os.environ.get("DAYTONA_LOCAL"):
        print("1..0 # SKIP daytona-local was not built")
        return 0
    parts = [("idle_size", idle_size), ("creates", creates), ("many", many)]
    print(f"1..{len(parts)}")
    for number, (name, measure) in enumerate(parts, 1):
        problem = None
        try:
            measure(bench)
        except Exception as error:  # whatever went wrong, the other measurements are still to be made
            problem = f"{type(error).__name__}: {error}"
            print("#", problem.replace("\n", "\n# "))
        failed += problem is not None
        print("not ok" if problem else "ok", number, "-", name, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
