# SPDX-License-Identifier: Apache-2.0
"""Runs the benchmarks of streams: streams.py STREAM_SERVER STREAM_BENCH TCP_BENCH

Prints lines "bench NAME VALUE UNIT", and TAP about whether each measurement could be made; what the values are never
fails a test. See docs/benchmarks.md.

All clients talk to one stream_server. The library and what it is compared with take turns, and of the ratios of
neighbours the median counts.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "interop"), HERE]

import exec as commands  # noqa: E402  (what all drivers of benchmarks share)

ROUNDS = 7
SDK_ROUNDS = 3
BLOCKS = 1000  # see stream_blocks.h: 262 MB of a terminal, 319 MB of a log
SECURE_BLOCKS = 200
SDK_BLOCKS = 400
ECHOES = 10000
IDLE_SECONDS = 42  # keep-alive pings go out after 20 and 40 seconds
IDLE_PINGS = 2
NO_OPENSSL = "openssl(1) is not installed"


class StreamServer:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        words = self.process.stdout.readline().split()
        told = dict(zip(words[::2], words[1::2]))
        self.base = "http://127.0.0.1:" + told["port"]
        self.bare = told["bare"]
        self.ca = told.get("ca")

    def pings(self):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.base + "/pings", timeout=10) as answer:
            return int(answer.read())

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


def files_allowed():
    """What the system lets a program have; the programs raise their own limit to it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return float("inf") if hard == resource.RLIM_INFINITY else hard


class StreamBench:
    def __init__(self, stream_server, stream_bench, tcp_bench):
        self.server = StreamServer(stream_server)
        self.program = stream_bench
        self.tcp = [tcp_bench, self.server.bare]

    def ours(self, mode, *arguments, ca=None):
        return commands.run_client([self.program, self.server.base, ca or "-", mode], arguments)

    # --- idle ---

    def idle(self, name, kind, count, seconds, ca=None):
        before = self.server.pings()
        result = self.ours("idle", kind, count, seconds, ca=ca)
        assert result["failures"] == 0 and result["lost"] == 0, f"not all were open: {result}"
        at = f"c{count}"
        commands.show(f"{name}_idle_bytes_{at}", result["resident_bytes"], "bytes", 0)
        commands.show(f"{name}_idle_heap_bytes_{at}", result["heap_bytes"], "bytes", 0)
        commands.show(f"{name}_idle_files_{at}", result["files"], "descriptors", 2)
        if seconds == 0:
            return
        pings = self.server.pings() - before
        assert pings >= IDLE_PINGS * count, f"only {pings} pings came"
        cpu_s = result["idle_cpu_s"]
        commands.show(f"{name}_idle_cpu_{at}", cpu_s / seconds * 100, "percent")
        commands.show(f"{name}_idle_cpu_per_stream_hour", cpu_s / seconds * 3600 / count * 1000, "ms", 2)

    def idle_many(self):
        if files_allowed() < 10100:
            return f"10,000 streams need as many descriptors, and the system allows {files_allowed()}"
        return self.idle("ws", "terminal", 10000, 0)

    def idle_secure(self):
        return self.idle("wss", "terminal", 1000, 0, self.server.ca) if self.server.ca else NO_OPENSSL

    def burst(self, name, ca=None):
        results = [self.ours("idle", "terminal", 1000, 0, ca=ca) for _ in range(ROUNDS)]
        commands.show(f"{name}_burst_failures", sum(result["failures"] for result in results), "count", 0)
        commands.show(f"{name}_handshakes_per_s", commands.median(results, "per_s"), "handshakes/s", 0)

    def burst_secure(self):
        return self.burst("wss", self.server.ca) if self.server.ca else NO_OPENSSL

    # --- traffic ---

    def beside_tcp(self, mode, count):
        """Ours and the bare socket's, in turns."""
        return [(self.ours(mode, count), commands.run_client([*self.tcp, mode], (count,))) for _ in range(ROUNDS)]

    def throughput(self, name, mode):
        pairs = self.beside_tcp(mode, BLOCKS)
        rates = [(ours["bytes"] / ours["seconds"], bare["bytes"] / bare["seconds"]) for ours, bare in pairs]
        commands.show(f"{name}_vs_tcp", statistics.median(a / b for a, b in rates), "ratio", 2)
        commands.show(f"{name}_mb_s", statistics.median(a for a, _ in rates) / 1e6, "MB/s", 0)
        commands.show(f"{name}_tcp_mb_s", statistics.median(b for _, b in rates) / 1e6, "MB/s", 0)
        return [tuple(each["cpu_s"] / each["bytes"] * 1e12 for each in pair) for pair in pairs]

    def beside_echo(self, name, mode):
        """The bare socket sends the same bytes itself and gets them back."""
        pairs = [(self.ours(mode, BLOCKS), commands.run_client([*self.tcp, mode + "-echo"], (BLOCKS,)))
                 for _ in range(ROUNDS)]
        rates = [(ours["bytes"] / ours["seconds"], echo["bytes"] / echo["seconds"]) for ours, echo in pairs]
        commands.show(f"{name}_vs_echo", statistics.median(a / b for a, b in rates), "ratio", 2)
        commands.show(f"{name}_echo_mb_s", statistics.median(b for _, b in rates) / 1e6, "MB/s", 0)

    def output(self, name, mode):
        self.beside_echo(f"{name}_throughput", mode)
        cpu = self.throughput(f"{name}_throughput", mode)
        commands.show(f"{name}_cpu_per_mb", statistics.median(ours for ours, _ in cpu), "us", 0)
        commands.show(f"{name}_tcp_cpu_per_mb", statistics.median(bare for _, bare in cpu), "us", 0)

    def typed(self):
        self.throughput("pty_typed", "typed")

    def echo(self):
        pairs = self.beside_tcp("echo", ECHOES)
        times = [(ours["seconds"] / ECHOES * 1e6, bare["seconds"] / ECHOES * 1e6) for ours, bare in pairs]
        commands.show("pty_echo_us", statistics.median(ours for ours, _ in times), "us", 1)
        commands.show("pty_echo_tcp_us", statistics.median(bare for _, bare in times), "us", 1)
        commands.show("pty_echo_vs_tcp", statistics.median(b / a for a, b in times), "ratio", 2)

    def secure(self):
        if self.server.ca is None:
            return NO_OPENSSL
        results = [self.ours("terminal", SECURE_BLOCKS, ca=self.server.ca) for _ in range(ROUNDS)]
        size = results[0]["bytes"]
        commands.show("pty_wss_mb_s", size / commands.median(results, "seconds") / 1e6, "MB/s", 0)
        commands.show("pty_wss_cpu_per_mb", commands.median(results, "cpu_s") / size * 1e12, "us", 0)
        echoes = [self.ours("echo", ECHOES, ca=self.server.ca) for _ in range(ROUNDS)]
        commands.show("pty_wss_echo_us", commands.median(echoes, "seconds") / ECHOES * 1e6, "us", 1)
        return None

    # --- the official SDKs ---

    def beside_sdk(self, name, command, reason):
        if reason is not None:
            return reason
        env = dict(os.environ, DAYTONA_API_URL=self.server.base + "/api", DAYTONA_API_KEY="bench",
                   DAYTONA_USE_DEPRECATED_POLLING="true")
        pairs = [(self.ours("terminal", SDK_BLOCKS), commands.run_client(command, (SDK_BLOCKS,), env))
                 for _ in range(SDK_ROUNDS)]
        theirs = [their for _, their in pairs]
        size = pairs[0][0]["bytes"]
        commands.show(f"pty_cpu_vs_{name}", statistics.median(b["cpu_s"] / a["cpu_s"] for a, b in pairs), "ratio", 1)
        commands.show(f"pty_{name}_cpu_per_mb", commands.median(theirs, "cpu_s") / size * 1e12, "us", 0)
        commands.show(f"pty_{name}_mb_s", size / commands.median(theirs, "seconds") / 1e6, "MB/s", 0)
        return None


def main():
    stream_server, stream_bench, tcp_bench = map(os.path.abspath, sys.argv[1:])
    clients = commands.sdk_clients("sdk_pty")
    points = commands.Points()
    print(f"1..{11 + len(clients)}")
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)  # the SDKs read .env files of the working directory
        bench = StreamBench(stream_server, stream_bench, tcp_bench)
        try:
            points.run("idle_terminals", lambda: bench.idle("ws", "terminal", 1000, IDLE_SECONDS))
            points.run("idle_terminals_10000", bench.idle_many)
            points.run("idle_secure_terminals", bench.idle_secure)
            points.run("idle_logs", lambda: bench.idle("log", "log", 1000, 0))
            points.run("burst", lambda: bench.burst("ws"))
            points.run("secure_burst", bench.burst_secure)
            points.run("terminal_beside_bare_tcp", lambda: bench.output("pty", "terminal"))
            points.run("typing_beside_bare_tcp", bench.typed)
            points.run("log_beside_bare_tcp", lambda: bench.output("log", "log"))
            points.run("echo_beside_bare_tcp", bench.echo)
            points.run("secure_terminal", bench.secure)
            for client in clients:
                points.run(f"terminal_beside_{client[0]}_sdk", lambda client=client: bench.beside_sdk(*client))
        finally:
            bench.server.close()
    return 1 if points.failed else 0


if __name__ == "__main__":
    sys.exit(main())
