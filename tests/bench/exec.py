# SPDX-License-Identifier: Apache-2.0
"""Runs the benchmarks of commands: exec.py FIXED_SERVER EXEC_BENCH CURL_BENCH CREATE_BENCH LIBRARY

Prints lines "bench NAME VALUE UNIT", and TAP about whether each measurement could be made; what the
values are never fails a test. See docs/benchmarks.md.

All clients talk to one fixed_server. The library and the bare libcurl loop take turns, and of the
ratios of neighbours the median counts, for the machine may be busy with other things: a neighbour in
time has suffered alike.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(HERE, "..", "interop")]

import launch  # noqa: E402  (knows where the SDKs are, and why one is missing)

ROUNDS = 7
# Calls in flight, calls that are left out, calls that are measured.
LOADS = [(1, 500, 8000), (64, 2000, 20000), (1000, 4000, 20000)]
OTEL_LOAD = (64, 2000, 40000)
SDK_ROUNDS = 3
SDK_LOAD = (64, 640, 3200)
CREATE_ROUNDS = 20
LIMIT_SECONDS = 120


def show(name, value, unit, digits=3):
    print(f"bench {name} {value:.{digits}f} {unit}", flush=True)


class Points:
    """TAP, one point per measurement."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def tell(self, text):
        self.count += 1
        print(text.format(number=self.count), flush=True)

    def run(self, name, measure):
        try:
            reason = measure()
        except Exception as error:  # whatever went wrong, the other measurements are still to be made
            print(f"# {type(error).__name__}: {error}")
            self.failed += 1
            self.tell(f"not ok {{number}} - {name}")
            return
        self.tell(f"ok {{number}} - {name}" + (f" # SKIP {reason}" if reason else ""))


class FixedServer:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.base = "http://127.0.0.1:" + self.process.stdout.readline().split()[1]

    def seen(self):
        """The last command that was asked for, as it came."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.base + "/seen", timeout=10) as answer:
            return answer.read()

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


def run_client(command, load, env=None):
    done = subprocess.run([*command, *(str(n) for n in load)], env=env, timeout=LIMIT_SECONDS,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{os.path.basename(command[0])}: {done.stderr.strip()[-600:] or done.returncode}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def median(results, key):
    return statistics.median(result[key] for result in results)


def shape(request):
    """A request's lines in any order, without what differs from call to call: the mark in the body."""
    head, _, body = request.partition(b"\r\n\r\n")
    return sorted(head.lower().split(b"\r\n")), len(body)


class ExecBench:
    def __init__(self, fixed_server, exec_bench, curl_bench, scratch):
        self.fixed_server = fixed_server
        self.server = FixedServer(fixed_server)
        self.exec_command = [exec_bench, self.server.base]
        self.request_file = os.path.join(scratch, "request")
        self.curl_command = [curl_bench, self.server.base, self.request_file]
        self.ours_c64 = None
        self.official_python_c64 = None

    def same_request(self):
        """Both send the same: the bare loop repeats what the server saw of the library."""
        run_client(self.exec_command, (1, 1, 1))
        ours = self.server.seen()
        with open(self.request_file, "wb") as request:
            request.write(ours)
        run_client(self.curl_command, (1, 1, 1))
        bare = self.server.seen()
        assert shape(ours) == shape(bare), f"{ours!r} is not {bare!r}"

    def beside_curl(self, load):
        ours, bare = [], []
        for _ in range(ROUNDS):
            ours.append(run_client(self.exec_command, load))
            bare.append(run_client(self.curl_command, load))
        at = f"c{load[0]}"
        show(f"exec_cpu_vs_curl_{at}", statistics.median(a["cpu_us"] / b["cpu_us"] for a, b in zip(ours, bare)),
             "ratio")
        show(f"exec_cpu_{at}", median(ours, "cpu_us"), "us")
        show(f"exec_curl_cpu_{at}", median(bare, "cpu_us"), "us")
        show(f"exec_calls_per_s_{at}", median(ours, "calls_per_s"), "calls/s", 0)
        show(f"exec_curl_calls_per_s_{at}", median(bare, "calls_per_s"), "calls/s", 0)
        if load[0] == 64:
            self.ours_c64 = median(ours, "cpu_us")
        if load[0] == 1000:
            show("exec_peak_rss_mb", max(result["peak_kb"] for result in ours) / 1024, "MB", 1)
            show("exec_curl_peak_rss_mb", max(result["peak_kb"] for result in bare) / 1024, "MB", 1)

    def with_telemetry(self):
        """What spans and metrics cost, sent to a collector in a process of its own."""
        collector = FixedServer(self.fixed_server)
        try:
            plain, traced = [], []
            for _ in range(ROUNDS):
                plain.append(run_client(self.exec_command, OTEL_LOAD))
                traced.append(run_client(self.exec_command, (*OTEL_LOAD, collector.base)))
        finally:
            collector.close()
        show("exec_otel_overhead", statistics.median(a["cpu_us"] / b["cpu_us"] for a, b in zip(traced, plain)), "ratio")

    def beside_sdk(self, name, command, reason):
        if reason is not None:
            return reason
        assert self.ours_c64 is not None, "there is nothing to compare it with"
        results = [run_client(command, SDK_LOAD, self.environment()) for _ in range(SDK_ROUNDS)]
        if name == "python":
            self.official_python_c64 = median(results, "cpu_us")
        show(f"exec_cpu_vs_{name}_c64", median(results, "cpu_us") / self.ours_c64, "ratio", 1)
        show(f"exec_{name}_cpu_c64", median(results, "cpu_us"), "us", 0)
        show(f"exec_{name}_calls_per_s_c64", median(results, "calls_per_s"), "calls/s", 0)
        return None

    def environment(self, **more):
        return dict(os.environ, DAYTONA_API_URL=self.server.base + "/api", DAYTONA_API_KEY="bench",
                    DAYTONA_USE_DEPRECATED_POLLING="true", **more)

    def python_binding(self, library, scratch):
        """Python on the library, beside the official SDK's asynchronous client."""
        cache = os.path.abspath(os.environ.get("DAYTONA_INTEROP_CACHE") or os.path.join(ROOT, "build", "interop"))
        if not os.path.exists(os.path.join(cache, "cffi.stamp")):
            return "cffi is not installed; tests/interop/install installs it"
        if self.official_python_c64 is None:
            return "the official SDK was not measured"
        source = os.path.join(ROOT, "bindings", "python")
        package = shutil.copytree(os.path.join(source, "libdaytona"), os.path.join(scratch, "binding", "libdaytona"))
        python = os.path.join(cache, "cffi", "bin", "python")
        subprocess.run([python, os.path.join(source, "make_cdef.py"), os.path.join(ROOT, "include"), os.path.join(package, "_abi.py")],
                       check=True, stdout=subprocess.DEVNULL)
        env = self.environment(PYTHONPATH=os.path.dirname(package), LIBDAYTONA_PATH=library)
        command = [python, os.path.join(HERE, "python_binding_bench.py")]
        results = [run_client(command, SDK_LOAD, env) for _ in range(SDK_ROUNDS)]
        show("python_binding_cpu_vs_official_c64", self.official_python_c64 / median(results, "cpu_us"), "ratio", 1)
        show("python_binding_cpu_c64", median(results, "cpu_us"), "us", 0)
        show("python_binding_calls_per_s_c64", median(results, "calls_per_s"), "calls/s", 0)
        return None


def create_to_output(create_bench, name, *options):
    server = os.environ.get("DAYTONA_LOCAL")
    if not server:
        return "daytona-local was not built"
    done = subprocess.run([server, "run", *options, "--", create_bench, str(CREATE_ROUNDS)], timeout=LIMIT_SECONDS,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr.strip()[-600:]
    show(name, statistics.median(float(line) for line in done.stdout.split()), "ms", 1)
    return None


def library_size(library, scratch):
    stripped = os.path.join(scratch, "stripped")
    subprocess.run(["strip", "-o", stripped, library], check=True)
    show("lib_stripped_kb", os.path.getsize(stripped) / 1024, "kB", 1)


def sdk_clients(script):
    """Name, command and why it cannot be run, of each official SDK; `script` is a file's name without its ending."""
    cache = os.path.abspath(os.environ.get("DAYTONA_INTEROP_CACHE") or "build/interop")
    os.environ["INTEROP_NODE_MODULES"] = os.path.join(cache, "node", "node_modules")
    python = os.path.join(cache, "python", "bin", "python")
    script = os.path.join(HERE, script)
    return [
        ("typescript", ["node", script + ".mjs"], launch.missing(cache, "node")),
        ("python", [python, script + ".py"], launch.missing(cache, "python")),
    ]


def main():
    fixed_server, exec_bench, curl_bench, create_bench, library = map(os.path.abspath, sys.argv[1:])
    points = Points()
    print(f"1..{len(LOADS) + 7}")
    with tempfile.TemporaryDirectory() as scratch:
        clients = sdk_clients("sdk_bench")
        os.chdir(scratch)  # the SDKs read .env files of the working directory
        bench = ExecBench(fixed_server, exec_bench, curl_bench, scratch)
        try:
            points.run("exec_and_bare_curl_send_the_same", bench.same_request)
            for load in LOADS:
                points.run(f"exec_beside_bare_curl_at_{load[0]}", lambda load=load: bench.beside_curl(load))
            points.run("exec_with_telemetry", bench.with_telemetry)
            for client in clients:
                points.run(f"exec_beside_{client[0]}_sdk", lambda client=client: bench.beside_sdk(*client))
            points.run("exec_beside_python_binding", lambda: bench.python_binding(library, scratch))
        finally:
            bench.server.close()
        points.run("create_to_output", lambda: create_to_output(create_bench, "create_to_output_ms"))
        points.run("create_cold_to_output",
                   lambda: create_to_output(create_bench, "create_cold_to_output_ms", "--warm", "0"))
        points.run("library_size", lambda: library_size(library, scratch))
    return 1 if points.failed else 0


if __name__ == "__main__":
    sys.exit(main())
