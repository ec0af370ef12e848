/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server whose responses never change, so that a benchmark measures its client: fixed_server
 *
 * Prints "port N", and ends when its standard input does. It knows one sandbox, whose toolbox is this server,
 * and answers every command alike:
 *
 *   GET  .../sandbox/ID            the sandbox
 *   POST .../process/execute       exit code 0 and a line of output
 *   POST /v1/traces, /v1/metrics   200 without a body, as a collector
 *   GET  /seen                     the last POST, head and body as they came in
 *   anything else                  404
 *
 * HTTP/1.1 with keep-alive; requests may come pipelined and in chunks.
 */
#include <stdio.h>

#include "bench_server.h"

static bench_bytes_t exec_answer, sandbox_answer, export_answer, missing_answer, seen;

static void answer(const bench_request_t *request, bench_bytes_t *out) {
  if (bench_target_ends(request, "POST ", "/process/execute")) {
    seen.size = 0;
    bench_append(&seen, request->head, request->head_size + request->body_size);
    bench_append(out, exec_answer.data, exec_answer.size);
  } else if (bench_target_ends(request, "POST ", "/v1/traces") ||
             bench_target_ends(request, "POST ", "/v1/metrics")) {
    bench_append(out, export_answer.data, export_answer.size);
  } else if (bench_target_ends(request, "GET ", "/sandbox/bench")) {
    bench_append(out, sandbox_answer.data, sandbox_answer.size);
  } else if (bench_target_ends(request, "GET", " /seen")) {
    bench_answer(out, "200 OK", "application/octet-stream", seen.data != NULL ? seen.data : "", seen.size);
  } else {
    bench_append(out, missing_answer.data, missing_answer.size);
  }
}

static size_t take(bench_peer_t *peer, const char *bytes, size_t size, bench_bytes_t *out) {
  bench_request_t request;
  size_t used = 0, whole;
  (void)peer;
  while ((whole = bench_next_request(bytes + used, size - used, &request)) != 0) {
    answer(&request, out);
    used += whole;
  }
  return used;
}

int main(void) {
  static const bench_service_t service = {.take = take};
  int port = bench_listen(&service);
  char toolbox[64];
  snprintf(toolbox, sizeof toolbox, "http://127.0.0.1:%d/toolbox", port);
  bench_answer_json(&exec_answer, "200 OK", "{\"exitCode\":0,\"result\":\"hello from the sandbox\\n\"}");
  bench_answer_sandbox(&sandbox_answer, toolbox);
  bench_answer(&export_answer, "200 OK", "application/x-protobuf", "", 0);
  bench_answer_missing(&missing_answer);
  printf("port %d\n", port);
  fflush(stdout);
  bench_serve();
  return 0;
}
