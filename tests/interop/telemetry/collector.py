# SPDX-License-Identifier: Apache-2.0
"""Runs a command and prints the telemetry that it sends, as JSON: collector.py COMMAND...

Everything is decoded with the official package of OpenTelemetry, so run it with the Python of the official SDK.
"""

import gzip
import http.server
import json
import os
import subprocess
import sys
import threading

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

LIMIT_SECONDS = 120
found = {"spans": [], "metrics": [], "heads": []}


def plain(attributes):
    return {one.key: one.value.string_value or one.value.int_value for one in attributes}


def add_spans(body):
    request = ExportTraceServiceRequest()
    request.ParseFromString(body)
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            found["spans"] += [{
                "resource": plain(resource.resource.attributes), "scope": scope.scope.name,
                "trace": span.trace_id.hex(), "id": span.span_id.hex(), "parent": span.parent_span_id.hex(),
                "name": span.name, "kind": span.kind, "attributes": plain(span.attributes), "state": span.trace_state,
                "status": span.status.code, "message": span.status.message, "took": span.end_time_unix_nano - span.start_time_unix_nano,
                "begin": span.start_time_unix_nano,
                "events": [[event.name, sorted(plain(event.attributes))] for event in span.events]} for span in scope.spans]


def add_metrics(body):
    request = ExportMetricsServiceRequest()
    request.ParseFromString(body)
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                found["metrics"] += [{
                    "name": metric.name, "description": metric.description, "unit": metric.unit,
                    "temporality": metric.histogram.aggregation_temporality, "attributes": plain(point.attributes),
                    "count": point.count, "sum": point.sum, "min": point.min, "max": point.max,
                    "buckets": list(point.bucket_counts), "bounds": list(point.explicit_bounds)}
                    for point in metric.histogram.data_points]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        found["heads"].append({"path": self.path, **{name.lower(): value for name, value in self.headers.items()}})
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        {"/v1/traces": add_spans, "/v1/metrics": add_metrics}[self.path](body)
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env = dict(os.environ, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{server.server_port}", DAYTONA_OTEL_ENABLED="true",
               DAYTONA_USE_DEPRECATED_POLLING="true")
    done = subprocess.run(sys.argv[1:], env=env, timeout=LIMIT_SECONDS, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    server.shutdown()
    print(json.dumps(found))
    return done.returncode


sys.exit(main())
