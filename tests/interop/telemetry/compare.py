# SPDX-License-Identifier: Apache-2.0
"""The telemetry of the library and of the official Python SDK, for the same calls: compare.py DRIVER DAYTONA-LOCAL

Each is run against a daytona-local of its own and a collector that decodes with the official package. What differs on purpose
stands in docs/telemetry.md: the spans of helpers, the span around a walk, queries in URLs, the event of a failed call.
"""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "lib"), str(HERE.parents[1] / "unit")]
import calls  # noqa: E402
import launch  # noqa: E402
import tap  # noqa: E402

LIMIT_SECONDS = 150
INTERNAL, CLIENT = 1, 3

# Around a walk, whose steps have spans.
WALK = "AsyncDaytona.list"
# Of a terminal's life, which the official SDK has none for.
TERMINAL = "AsyncPtyHandle.wait"

# Instrumented there, and no calls of the library: what takes no request, or is a call of another name.
NOT_OURS = {
    "AsyncDaytona.delete", "AsyncDaytona.start", "AsyncDaytona.stop",  # those of the sandbox
    "AsyncDaytona.list",                                               # a walk, which has a span per step
    "AsyncSandbox.create_lsp_server",                                  # makes an object
    "AsyncSnapshotService.process_image_context",                      # which names itself ObjectStorageApi
}


def collect(python, local, command, more=()):
    run = [python, str(HERE / "collector.py"), "env", *more, local, "run", "--", *command]
    done = subprocess.run(run, capture_output=True, text=True, encoding="utf-8", timeout=LIMIT_SECONDS)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def place(url):
    """Without what differs from run to run."""
    url = re.sub(r"://127\.0\.0\.1:\d+", "://", url.partition("?")[0])
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", url)


def request_of(span):
    attributes = dict(span["attributes"], **{"http.url": place(span["attributes"]["http.url"])})
    attributes.pop("http.request.resend_count", None)
    return span["name"], span["status"], tuple(sorted(attributes.items()))


def roots_of(found):
    """The spans of calls by their order, and by the id of each span that of its call. Helpers inside of a call are parts of it."""
    spans = sorted((span for span in found["spans"] if span["name"] not in (WALK, TERMINAL)), key=lambda span: span["begin"])
    by_id = {span["id"]: span for span in spans}

    def root(span):
        while span["parent"] in by_id:
            span = by_id[span["parent"]]
        return span

    return [span for span in spans if root(span) is span], {span["id"]: root(span)["id"] for span in spans}


def calls_of(found):
    """In their order: name, attributes and status of each call, and the requests below it, each kind once."""
    roots, root_ids = roots_of(found)
    below = {span["id"]: set() for span in roots}
    for span in found["spans"]:
        if span["kind"] == CLIENT:
            below[root_ids[span["id"]]].add(request_of(span))
    return [(span["name"], span["kind"], tuple(sorted(span["attributes"].items())), span["status"], sorted(below[span["id"]]))
            for span in roots]


def the_same_calls(ours, official):
    got, wanted = calls_of(ours), calls_of(official)
    assert [call[0] for call in got] == [call[0] for call in wanted], f"{got}\n{wanted}"
    wrong = [(one, other) for one, other in zip(got, wanted) if one != other]
    assert not wrong, f"{len(wrong)} differ: {wrong[:3]}"
    assert len(got) >= 30


def the_same_failures(ours, official):
    def failures(found):
        return [(span["name"], [event[0] for event in span["events"][:1]], bool(span["message"]))
                for span in roots_of(found)[0] if span["status"] == 2]

    assert failures(ours) == failures(official), f"{failures(ours)}\n{failures(official)}"
    assert len(failures(ours)) == 2
    events = [event for span in ours["spans"] for event in span["events"]]
    assert all(event == ["exception", ["exception.message", "exception.type"]] for event in events), events


def well_formed(ours, official):
    ids = [span["id"] for span in ours["spans"]]
    assert len(set(ids)) == len(ids)
    for span in ours["spans"]:
        assert len(span["trace"]) == 32 and len(span["id"]) == 16 and 0 <= span["took"] < 100e9
        assert span["kind"] == INTERNAL or span["parent"] in ids
        assert span["resource"]["service.name"] == "daytona-c-sdk" and span["scope"] == "daytona-sdk-c"
    assert official["spans"][0]["resource"].keys() >= {"service.name", "service.version"}
    for head in ours["heads"]:
        assert head["content-type"] == "application/x-protobuf" and head["path"] in ("/v1/traces", "/v1/metrics")


def snake(name):
    return "".join(("_" if char.isupper() and at else "") + char.lower() for at, char in enumerate(name)).replace(".", "_")


def histograms(ours):
    """The official SDK exports none, so they are held against its source's rules and against our spans."""
    counts = {}
    for span in ours["spans"]:
        if span["kind"] == INTERNAL and span["name"] != TERMINAL:
            key = snake(span["name"]) + "_duration", "error" if span["status"] == 2 else "success"
            counts[key] = counts.get(key, 0) + 1
    assert {(one["name"], one["attributes"]["status"]): one["count"] for one in ours["metrics"]} == counts
    for one in ours["metrics"]:
        assert one["unit"] == "ms" and one["temporality"] == 2 and sum(one["buckets"]) == one["count"]
        assert one["bounds"] == [0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000]
        assert set(one["attributes"]) == {"component", "method", "status"} and 0 <= one["min"] <= one["max"] <= one["sum"] + 1e-6
        assert one["description"] == f"Duration of executions for {one['name'][:-len('_duration')]}"


def every_name(driver, python):
    functions = [name[len("daytona_"):] for name, _ in calls.calls(calls.headers_text())]
    done = subprocess.run([driver, "names"], input="".join(name + "\n" for name in functions), capture_output=True, text=True,
                          check=True)
    ours = dict(zip(functions, done.stdout.split()))
    lines = subprocess.run([python, str(HERE / "sdk.py"), "names"], capture_output=True, text=True, check=True).stdout
    official = {line.split()[0] for line in lines.splitlines() if not line.endswith("deprecated")}
    assert len(official) > 100
    missing = official - set(ours.values()) - NOT_OURS
    assert not missing, sorted(missing)
    unknown = {name for name, span in ours.items() if span.startswith("AsyncDaytona.") and not name.startswith("sandbox_")}
    assert unknown <= {"image_resolve"}, sorted(unknown)


CONFIGURATION = """
receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:%d"}}}}
exporters: {debug: {verbosity: detailed, sampling_initial: 100000}}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {traces: {receivers: [otlp], exporters: [debug]}, metrics: {receivers: [otlp], exporters: [debug]}}
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(port, collector):
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert collector.poll() is None, "the collector has ended"
            time.sleep(0.05)
    raise AssertionError("the collector does not listen")


def read_by_collector(program, command):
    """What the collector of OpenTelemetry prints of the telemetry of a command."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.yaml").write_text(CONFIGURATION % port, encoding="ascii")
        with open(os.path.join(folder, "log"), "wb") as log:
            collector = subprocess.Popen([program, "--config", f"file:{folder}/config.yaml"], stdin=subprocess.DEVNULL,
                                         stdout=log, stderr=log)
            try:
                wait_for(port, collector)
                env = dict(os.environ, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}", DAYTONA_OTEL_ENABLED="true",
                           OTEL_EXPORTER_OTLP_COMPRESSION="gzip")
                subprocess.run(command, env=env, check=True, timeout=LIMIT_SECONDS, stdin=subprocess.DEVNULL)
            finally:
                collector.terminate()  # it prints what it has
                collector.wait(30)
        return Path(folder, "log").read_text(encoding="utf-8")


def the_real_collector(cache, command, ours):
    if launch.missing(cache, "collector"):
        raise tap.Skip("no collector: tests/interop/install CACHE collector builds one, with Go")
    text = read_by_collector(os.path.join(cache, "collector", "otelcol"), command)
    assert set(re.findall(r"^    Name +: (.*)$", text, re.M)) == {span["name"] for span in ours["spans"]}, text[-3000:]
    metrics = set(re.findall(r"^     -> Name: (.*_duration)$", text, re.M))
    assert metrics == {one["name"] for one in ours["metrics"]}, text[-3000:]


def main():
    driver, local = map(os.path.abspath, sys.argv[1:3])
    cache = os.path.abspath(os.environ.get("DAYTONA_INTEROP_CACHE") or "build/interop")
    reason = launch.missing(cache, "python")
    if reason is not None:
        print(f"1..0 # SKIP {reason}")
        return 0
    python = os.path.join(cache, "python", "bin", "python")
    os.chdir(os.environ.get("TMPDIR", "/"))
    producer = tap.Producer()
    producer.plan(7)
    ours = collect(python, local, [driver])
    official = collect(python, local, [python, str(HERE / "sdk.py")])
    producer.run("calls and requests have the spans of the official SDK", lambda: the_same_calls(ours, official))
    producer.run("failed calls are recorded alike", lambda: the_same_failures(ours, official))
    producer.run("what is sent is well formed", lambda: well_formed(ours, official))
    producer.run("every call is in a histogram", lambda: histograms(ours))
    producer.run("every instrumented method has a function of its name", lambda: every_name(driver, python))

    def compressed():
        again = collect(python, local, [driver], ["OTEL_EXPORTER_OTLP_COMPRESSION=gzip", "OTEL_BSP_SCHEDULE_DELAY=100"])
        assert all(head["content-encoding"] == "gzip" for head in again["heads"])
        assert [call[0] for call in calls_of(again)] == [call[0] for call in calls_of(ours)]

    producer.run("the same is there when it is compressed and sent in parts", compressed)
    producer.run("the collector of OpenTelemetry reads the same",
                 lambda: the_real_collector(cache, [local, "run", "--", driver], ours))
    return producer.exit_code()


if __name__ == "__main__":
    sys.exit(main())
