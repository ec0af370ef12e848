/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands through the library, as a program would run them: exec_bench BASE CONCURRENCY WARMUP CALLS [COLLECTOR]
 *
 * Default options throughout, but for one connection per call in flight. Every response is looked at. With a COLLECTOR
 * spans and metrics are sent to it, of which at most one in a thousand may have been dropped.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include <daytona/daytona.h>

#include "measure.h"

typedef struct bench {
  measure_t measure;
  daytona_sandbox_t *sandbox;
} bench_t;

static void on_exec(daytona_future_t *future, void *user);

static void start_one(bench_t *bench) {
  daytona_future_then(daytona_process_exec(bench->sandbox, "echo hello from the sandbox", NULL), on_exec,
                      bench);
}

static void on_exec(daytona_future_t *future, void *user) {
  bench_t *bench = user;
  const daytona_exec_result_t *result = daytona_future_exec_result(future);
  if (result == NULL || result->exit_code != 0 || strcmp(result->result, "hello from the sandbox\n") != 0) {
    fprintf(stderr, "exec_bench: %s\n",
            result != NULL ? result->result : daytona_future_error(future)->message);
    exit(1);
  }
  if (measure_finished(&bench->measure)) start_one(bench);
}

/* Telemetry that was dropped has cost too little. */
static bool has_exported(const daytona_client_t *client, const bench_t *bench) {
  daytona_client_stats_t stats;
  if (daytona_client_stats(client, &stats) != 0) return false;
  if (stats.spans_exported > bench->measure.calls && stats.spans_dropped <= stats.spans_exported / 1000)
    return true;
  fprintf(stderr, "exec_bench: %llu spans were exported, %llu dropped\n",
          (unsigned long long)stats.spans_exported, (unsigned long long)stats.spans_dropped);
  return false;
}

int main(int count, char **arguments) {
  bench_t bench;
  char api[256];
  if (count != 5 && count != 6) {
    fprintf(stderr, "usage: exec_bench BASE CONCURRENCY WARMUP CALLS [COLLECTOR]\n");
    return 2;
  }
  measure_init(&bench.measure, arguments + 2);
  snprintf(api, sizeof api, "%s/api", arguments[1]);
  daytona_telemetry_opts_t telemetry = {.endpoint = count == 6 ? arguments[5] : NULL, .max_queue = 65536};
  daytona_config_t config = {.api_key = "bench",
                             .api_url = api,
                             .ignores_environment = true,
                             .max_connections = (int)bench.measure.concurrency,
                             .telemetry = count == 6 ? &telemetry : NULL};
  daytona_client_t *client;
  if (daytona_client_new(uv_default_loop(), &config, &client) != 0) return 1;
  daytona_future_t *future = daytona_sandbox_get(client, "bench", NULL);
  if (daytona_future_await(future) != 0) {
    fprintf(stderr, "exec_bench: %s\n", daytona_future_error(future)->message);
    return 1;
  }
  bench.sandbox = daytona_sandbox_retain(daytona_future_sandbox(future));
  daytona_future_release(future);
  for (uint64_t i = 0; i < bench.measure.concurrency; i++) start_one(&bench);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  measure_print(&bench.measure);
  if (count == 6 && !has_exported(client, &bench)) return 1;
  daytona_sandbox_release(bench.sandbox);
  daytona_client_close(client, NULL, NULL);
  daytona_client_release(client);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  return uv_loop_close(uv_default_loop());
}
