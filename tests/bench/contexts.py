# SPDX-License-Identifier: Apache-2.0
"""Runs the benchmarks of contexts that are uploaded to object storage: contexts.py CONTEXT_BENCH

Prints lines "bench NAME VALUE UNIT", and TAP about whether each measurement could be made; what the values are never
fails a test. See docs/benchmarks.md.

The library and the curl command take turns with the same bytes, to one daytona-local; each file is another one, since
what is there is not sent. The library reads its file twice, once for the hash that is the object's name; curl is given a
file that is a tar already, and its name. Of the ratios of neighbours the median counts. BENCH_CONTEXT_MIB makes the file
smaller.
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
sys.path[:0] = [os.path.join(HERE, "..", "interop"), HERE]

import exec as commands  # noqa: E402  (what all drivers of benchmarks share)
import files  # noqa: E402

ROUNDS = 6
MIB = int(os.environ.get("BENCH_CONTEXT_MIB", "256"))


def access():
    """The credentials of object storage, as the library asks for them."""
    request = urllib.request.Request(os.environ["DAYTONA_API_URL"] + "/object-storage/push-access",
                                     headers={"Authorization": "Bearer " + os.environ["DAYTONA_API_KEY"]})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        return json.load(answer)


class ContextBench:
    def __init__(self, context_bench, scratch):
        self.command = context_bench
        self.scratch = scratch
        self.access = access()
        self.number = 0

    def source(self, mib=MIB):
        """A file that no other was, and a tar's worth of bytes longer than `mib` for curl."""
        self.number += 1
        path = os.path.join(self.scratch, "source")
        block = os.urandom(1 << 20)
        with open(path, "wb") as source:
            source.write(self.number.to_bytes(8, "little"))
            for _ in range(mib):
                source.write(block)
        os.sync()
        return path

    def ours(self, parallel=4, mib=MIB):
        result = commands.run_client([self.command, self.source(mib)], [parallel])
        assert not result["was_there"]
        return result

    def curl(self):
        path, access = self.source(), self.access
        url = f"{access['storageUrl']}/{access['bucket']}/{access['organizationId']}/curl-{self.number}/context.tar"
        done = subprocess.run(
            ["curl", "-sS", "--fail", "--noproxy", "*", "-w", "%{time_total}", "-o", os.devnull,
             "--aws-sigv4", f"aws:amz:{access['region']}:s3", "--user", f"{access['accessKey']}:{access['secret']}",
             "-H", f"x-amz-security-token: {access['sessionToken']}",
             "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", "-T", path, url],
            timeout=commands.LIMIT_SECONDS, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0, done.stderr
        return float(done.stdout)

    def upload(self):
        if shutil.which("curl") is None:
            return "the curl command is missing"
        whole, sending, seconds = [], [], []
        self.curl()
        for number in range(ROUNDS):
            results = {}
            for run in (self.ours, self.curl) if number % 2 == 0 else (self.curl, self.ours):
                results[run] = run()
            ours, curl = results[self.ours], results[self.curl]
            seconds.append(ours["seconds"])
            whole.append(curl / ours["seconds"])
            sending.append(curl / ours["sending"])
        commands.show("context_upload_vs_curl", statistics.median(whole), "ratio")
        commands.show("context_sending_vs_curl", statistics.median(sending), "ratio")
        commands.show("context_upload_mib_per_s", MIB / statistics.median(seconds), "MiB/s", 0)
        return None

    def peak(self, parallel, name):
        commands.show(name, self.ours(parallel)["peak_kb"] / 1024, "MiB", 2)


def inside(context_bench):
    points = commands.Points()
    print("1..3")
    with tempfile.TemporaryDirectory(dir=files.folder()) as scratch:
        os.chdir(scratch)
        bench = ContextBench(context_bench, scratch)
        points.run("context_upload_beside_curl", bench.upload)
        points.run("context_peak", lambda: bench.peak(4, "context_peak_mib"))
        points.run("context_peak_of_one_part", lambda: bench.peak(1, "context_peak_one_mib"))
    return 1 if points.failed else 0


def main():
    context_bench = os.path.abspath(sys.argv[-1])
    server = os.environ.get("DAYTONA_LOCAL")
    if sys.argv[1] == "--inside":
        return inside(context_bench)
    if not server:
        print("1..0 # SKIP daytona-local was not built")
        return 0
    return subprocess.run([server, "run", "--", sys.executable, __file__, "--inside", context_bench]).returncode


if __name__ == "__main__":
    sys.exit(main())
