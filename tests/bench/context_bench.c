/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contexts of images through the library:
 *
 *   context_bench FILE PARALLEL       upload a local file, once; the server is that of the environment
 *
 * Prints a line of JSON: seconds in all, seconds from the first byte that was sent, the bytes of the archive, and the peak
 * of memory above that of the idle client.
 */
#include <stdio.h>
#include <stdlib.h>

#include <uv.h>

#include <daytona/daytona.h>

#include "measure.h"

static uint64_t first_byte;

static void on_progress(const daytona_transfer_progress_t *progress, void *user) {
  (void)progress, (void)user;
  if (first_byte == 0) first_byte = uv_hrtime();
}

int main(int count, char **arguments) {
  daytona_client_t *client;
  if (count != 3) {
    fprintf(stderr, "usage: context_bench FILE PARALLEL\n");
    return 2;
  }
  if (daytona_client_new(uv_default_loop(), NULL, &client) != 0) return 1;
  /* A request before, so that what a first one needs is not counted. */
  daytona_future_t *warm = daytona_sandbox_list(client, NULL);
  if (daytona_future_await(warm) != 0) return 1;
  daytona_future_release(warm);
  const daytona_object_storage_upload_opts_t opts = {
    .archive_path = "f", .parallel_parts = atoi(arguments[2]), .on_progress = on_progress};
  long idle_kb = measure_status_kb("VmRSS");
  uint64_t began = uv_hrtime();
  daytona_future_t *future = daytona_object_storage_upload(client, arguments[1], &opts);
  if (daytona_future_await(future) != 0) {
    fprintf(stderr, "context_bench: %s\n", daytona_future_message(future));
    return 1;
  }
  uint64_t end = uv_hrtime();
  const daytona_object_storage_result_t *result = daytona_future_object_storage_result(future);
  printf("{\"seconds\": %.4f, \"sending\": %.4f, \"bytes\": %lld, \"peak_kb\": %ld, \"was_there\": %d}\n",
         (double)(end - began) / 1e9, (double)(end - first_byte) / 1e9, (long long)result->sent_bytes,
         measure_status_kb("VmHWM") - idle_kb, result->was_there);
  daytona_future_release(future);
  daytona_client_close(client, NULL, NULL);
  daytona_client_release(client);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  return uv_loop_close(uv_default_loop());
}
