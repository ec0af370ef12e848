/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files through the library, as a program would move them:
 *
 *   files_bench BASE upload LOCAL REMOTE        a local file, once
 *   files_bench BASE download REMOTE LOCAL
 *   files_bench BASE small CONCURRENCY WARMUP CALLS   a few kilobytes up and down again, from and to memory
 *
 * Prints a line of JSON: seconds and the peak of memory above that of the idle client, or what measure.c prints.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include <daytona/daytona.h>

#include "measure.h"

enum { SMALL_SIZE = 4096 };

typedef struct bench {
  measure_t measure;
  daytona_sandbox_t *sandbox;
  char bytes[SMALL_SIZE];
} bench_t;

static void give_up(daytona_future_t *future) {
  fprintf(stderr, "files_bench: %s\n", daytona_future_error(future)->message);
  exit(1);
}

static void must(daytona_future_t *future) {
  if (daytona_future_await(future) != 0) give_up(future);
  daytona_future_release(future);
}

/* --- small files ------------------------------------------------------------------------------- */

static void start_one(bench_t *bench);

static void on_downloaded(daytona_future_t *future, void *user) {
  bench_t *bench = user;
  if (daytona_future_error(future) != NULL) give_up(future);
  if (daytona_future_bytes(future)->size != SMALL_SIZE) exit(1);
  if (measure_finished(&bench->measure)) start_one(bench);
}

static void on_uploaded(daytona_future_t *future, void *user) {
  bench_t *bench = user;
  if (daytona_future_error(future) != NULL) give_up(future);
  daytona_future_then(daytona_fs_download(bench->sandbox, "small/4096", NULL), on_downloaded, bench);
}

static void start_one(bench_t *bench) {
  daytona_future_then(daytona_fs_upload(bench->sandbox, bench->bytes, SMALL_SIZE, "small/4096", NULL),
                      on_uploaded, bench);
}

static void run_small(bench_t *bench) {
  memset(bench->bytes, 'x', sizeof bench->bytes);
  for (uint64_t i = 0; i < bench->measure.concurrency; i++) start_one(bench);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  measure_print(&bench->measure);
}

/* --- one large file ---------------------------------------------------------------------------- */

static void run_large(bench_t *bench, char **arguments) {
  bool is_upload = strcmp(arguments[2], "upload") == 0;
  long idle_kb = measure_status_kb("VmRSS");
  uint64_t began = uv_hrtime();
  must(is_upload ? daytona_fs_upload_file(bench->sandbox, arguments[3], arguments[4], NULL)
                 : daytona_fs_download_file(bench->sandbox, arguments[3], arguments[4], NULL));
  printf("{\"seconds\": %.4f, \"peak_kb\": %ld}\n", (double)(uv_hrtime() - began) / 1e9,
         measure_status_kb("VmHWM") - idle_kb);
}

int main(int count, char **arguments) {
  static bench_t bench;
  char api[256];
  bool is_small = count == 6 && strcmp(arguments[2], "small") == 0;
  if (!is_small && count != 5) {
    fprintf(stderr, "usage: files_bench BASE upload|download FROM TO | small CONCURRENCY WARMUP CALLS\n");
    return 2;
  }
  if (is_small) measure_init(&bench.measure, arguments + 3);
  snprintf(api, sizeof api, "%s/api", arguments[1]);
  daytona_config_t config = {.api_key = "bench",
                             .api_url = api,
                             .ignores_environment = true,
                             .max_connections = is_small ? (int)bench.measure.concurrency : 0};
  daytona_client_t *client;
  if (daytona_client_new(uv_default_loop(), &config, &client) != 0) return 1;
  daytona_future_t *future = daytona_sandbox_get(client, "bench", NULL);
  if (daytona_future_await(future) != 0) give_up(future);
  bench.sandbox = daytona_sandbox_retain(daytona_future_sandbox(future));
  daytona_future_release(future);
  if (is_small)
    run_small(&bench);
  else
    run_large(&bench, arguments);
  daytona_sandbox_release(bench.sandbox);
  daytona_client_close(client, NULL, NULL);
  daytona_client_release(client);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  return uv_loop_close(uv_default_loop());
}
