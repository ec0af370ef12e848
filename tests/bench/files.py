# SPDX-License-Identifier: Apache-2.0
"""Runs the benchmarks of files: files.py FILE_SERVER FILES_BENCH

Prints lines "bench NAME VALUE UNIT", and TAP about whether each measurement could be made; what the values are never
fails a test. See docs/benchmarks.md.

All clients talk to one file_server, which keeps no file. Of a large file, the library and the curl command take turns
with the same request, each first in every second round; of the ratios of neighbours the median counts. BENCH_FILES_MIB makes the file smaller.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "interop"), HERE]

import exec as commands  # noqa: E402  (what all drivers of benchmarks share)

ROUNDS = 6
MIB = int(os.environ.get("BENCH_FILES_MIB", "512"))
SMALL_LOAD = (16, 160, 1000)  # calls in flight, left out, measured
SMALL_ROUNDS = 3
REMOTE = f"large/{MIB << 20}"


def folder():
    """In memory if there is room, so that it is the clients that are measured and not the disk; else None."""
    memory = "/dev/shm"
    if not os.access(memory, os.W_OK):
        return None
    state = os.statvfs(memory)
    return memory if state.f_bavail * state.f_frsize > 4 * (MIB << 20) else None


class FilesBench:
    def __init__(self, file_server, files_bench, scratch):
        self.server = commands.FixedServer(file_server)
        self.command = [files_bench, self.server.base]
        self.toolbox = self.server.base + "/toolbox/bench/files"
        self.source = os.path.join(scratch, "source")
        self.target = os.path.join(scratch, "target")
        self.peaks = []
        self.small_us = None
        with open(self.source, "wb") as source:
            block = os.urandom(1 << 20)
            for _ in range(MIB):
                source.write(block)

    def curl(self, *arguments):
        done = subprocess.run(["curl", "-sS", "-w", "%{time_total}", "--fail", "--noproxy", "*", "-H", "Expect:", "-H", "Authorization: Bearer bench",
                               *arguments], timeout=commands.LIMIT_SECONDS, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0, done.stderr
        return float(done.stdout)  # without the start of the process, as for the library

    def curl_upload(self):
        return self.curl("-F", f"files[0].path={REMOTE}", "-F",
                         f"files[0].file=@{self.source};type=application/octet-stream", "-o", os.devnull,
                         self.toolbox + "/bulk-upload")

    def curl_download(self):
        return self.curl("-H", "Content-Type: application/json", "-H", "Accept: multipart/form-data", "-d",
                         f'{{"paths":["{REMOTE}"]}}', "-o", self.target, self.toolbox + "/bulk-download")

    def ours(self, *arguments):
        result = commands.run_client(self.command, arguments)
        self.peaks.append(result["peak_kb"])
        return result["seconds"]

    def clean(self):
        """Nothing is left for a disk to do from the run before, which would slow down the one after it."""
        if os.path.exists(self.target):
            os.unlink(self.target)
        os.sync()

    def beside_curl(self, name, ours, curl):
        ratios, seconds = [], []
        curl()  # the disk's cache is warm for both
        for number in range(ROUNDS):
            times = {}
            for run in (ours, curl) if number % 2 == 0 else (curl, ours):
                self.clean()
                times[run] = run()
            seconds.append(times[ours])
            ratios.append(times[curl] / times[ours])
        commands.show(f"{name}_vs_curl", statistics.median(ratios), "ratio")
        commands.show(f"{name}_mib_per_s", MIB / statistics.median(seconds), "MiB/s", 0)

    def upload(self):
        if shutil.which("curl") is None:
            return "the curl command is missing"
        return self.beside_curl("upload", lambda: self.ours("upload", self.source, REMOTE), self.curl_upload)

    def download(self):
        if shutil.which("curl") is None:
            return "the curl command is missing"
        return self.beside_curl("download", lambda: self.ours("download", REMOTE, self.target), self.curl_download)

    def peak(self):
        commands.show("transfer_peak_mib", max(self.peaks) / 1024, "MiB", 2)

    def small(self):
        results = [commands.run_client(self.command + ["small"], SMALL_LOAD) for _ in range(SMALL_ROUNDS)]
        self.small_us = commands.median(results, "cpu_us")
        commands.show("small_files_cpu", self.small_us, "us", 1)
        commands.show("small_files_per_s", commands.median(results, "calls_per_s"), "files/s", 0)

    def small_beside(self, name, command, reason):
        if reason is not None:
            return reason
        assert self.small_us is not None, "there is nothing to compare it with"
        env = dict(os.environ, DAYTONA_API_URL=self.server.base + "/api", DAYTONA_API_KEY="bench",
                   DAYTONA_USE_DEPRECATED_POLLING="true")
        results = [commands.run_client(command, SMALL_LOAD, env) for _ in range(SMALL_ROUNDS)]
        commands.show(f"small_files_cpu_vs_{name}", commands.median(results, "cpu_us") / self.small_us, "ratio", 1)
        commands.show(f"small_files_{name}_per_s", commands.median(results, "calls_per_s"), "files/s", 0)
        return None


def main():
    file_server, files_bench = map(os.path.abspath, sys.argv[1:])
    clients = commands.sdk_clients("sdk_files")
    points = commands.Points()
    print("1..6")
    with tempfile.TemporaryDirectory(dir=folder()) as scratch:
        os.chdir(scratch)  # the SDKs read .env files of the working directory
        bench = FilesBench(file_server, files_bench, scratch)
        try:
            points.run("upload_beside_curl", bench.upload)
            points.run("download_beside_curl", bench.download)
            points.run("transfer_peak", bench.peak)
            points.run("small_files", bench.small)
            for client in clients:
                points.run(f"small_files_beside_{client[0]}_sdk", lambda client=client: bench.small_beside(*client))
        finally:
            bench.server.close()
    return 1 if points.failed else 0


if __name__ == "__main__":
    sys.exit(main())
