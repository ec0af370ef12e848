/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for many sandboxes at once: waits_bench COUNT polls|events
 *
 * Creates COUNT sandboxes, stops one and starts it again, then stops all of them at once and waits for each. Prints one line: how many requests that took, the
 * most of them in one second, and after how many milliseconds the states were seen (median, 99 of 100, all), by the
 * server's own time of the change: server and client have to be on one machine. The server and the key come from the environment.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include <uv.h>

#include <daytona/daytona.h>
#include <daytona/stats.h>

enum { SAMPLE_MS = 100, SAMPLES_PER_S = 1000 / SAMPLE_MS, SAMPLES_MAX = 10000 };

typedef struct bench {
  daytona_client_t *client;
  int count, ended;
  double *late_ms;
  uint64_t samples[SAMPLES_MAX];
  size_t sample_count;
} bench_t;

static void fail(const char *text) {
  fprintf(stderr, "waits_bench: %s\n", text);
  exit(1);
}

static void await(daytona_future_t *future) {
  if (daytona_future_await(future) != 0) fail(daytona_future_error(future)->message);
  daytona_future_release(future);
}

static uint64_t requests(const bench_t *bench) {
  daytona_client_stats_t stats;
  if (daytona_client_stats(bench->client, &stats) != 0) fail("no statistics");
  return stats.requests;
}

/* "2026-11-30T19:00:00.123Z" as milliseconds since 1970. */
static double time_of(const char *text) {
  struct tm tm = {0};
  int ms = 0;
  if (sscanf(text, "%d-%d-%dT%d:%d:%d.%dZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
             &tm.tm_sec, &ms) != 7)
    fail("the server writes its times differently");
  tm.tm_year -= 1900;
  tm.tm_mon -= 1;
  return (double)timegm(&tm) * 1000 + ms;
}

static void on_stopped(daytona_future_t *future, void *user) {
  bench_t *bench = user;
  struct timeval now;
  if (daytona_future_code(future) != 0) fail(daytona_future_error(future)->message);
  gettimeofday(&now, NULL);
  const daytona_sandbox_info_t *info = daytona_sandbox_info(daytona_future_sandbox(future));
  bench->late_ms[bench->ended++] =
    (double)now.tv_sec * 1000 + (double)now.tv_usec / 1000 - time_of(info->updated_at);
}

static void on_sample(uv_timer_t *timer) {
  bench_t *bench = timer->data;
  if (bench->sample_count < SAMPLES_MAX) bench->samples[bench->sample_count++] = requests(bench);
}

static uint64_t most_in_a_second(const bench_t *bench) {
  uint64_t most = 0;
  for (size_t i = 0; i + 1 < bench->sample_count; i++) {
    size_t end = i + SAMPLES_PER_S < bench->sample_count ? i + SAMPLES_PER_S : bench->sample_count - 1;
    if (bench->samples[end] - bench->samples[i] > most) most = bench->samples[end] - bench->samples[i];
  }
  return most;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void stop_all(bench_t *bench, daytona_future_t **created) {
  static uv_timer_t timer;
  uv_timer_init(uv_default_loop(), &timer);
  timer.data = bench;
  uint64_t before = requests(bench), began = uv_hrtime();
  bench->samples[bench->sample_count++] = before;
  uv_timer_start(&timer, on_sample, SAMPLE_MS, SAMPLE_MS);
  for (int i = 0; i < bench->count; i++)
    daytona_future_then(daytona_sandbox_stop(daytona_future_sandbox(created[i]),
                                             &(daytona_sandbox_lifecycle_opts_t){.timeout_ms = 120000}),
                        on_stopped, bench);
  while (bench->ended < bench->count) uv_run(uv_default_loop(), UV_RUN_ONCE);
  on_sample(&timer);
  qsort(bench->late_ms, (size_t)bench->count, sizeof *bench->late_ms, compare);
  printf("requests %llu per_s %llu median %.1f p99 %.1f max %.1f seconds %.1f\n",
         (unsigned long long)(requests(bench) - before), (unsigned long long)most_in_a_second(bench),
         bench->late_ms[bench->count / 2], bench->late_ms[bench->count * 99 / 100],
         bench->late_ms[bench->count - 1], (double)(uv_hrtime() - began) / 1e9);
  uv_close((uv_handle_t *)&timer, NULL);
}

int main(int count, char **arguments) {
  static bench_t bench;
  bench.count = count == 3 ? atoi(arguments[1]) : 0;
  if (bench.count < 1) fail("usage: waits_bench COUNT polls|events");
  const daytona_config_t config = {
    .max_starting = 16,
    .waiting = strcmp(arguments[2], "events") == 0 ? DAYTONA_WAITING_EVENTS : DAYTONA_WAITING_POLLS};
  if (daytona_client_new(uv_default_loop(), &config, &bench.client) != 0) fail("no client");
  bench.late_ms = calloc((size_t)bench.count, sizeof *bench.late_ms);
  daytona_future_t **created = calloc((size_t)bench.count, sizeof *created);
  if (bench.late_ms == NULL || created == NULL) fail("no memory");
  for (int i = 0; i < bench.count; i++)
    created[i] = daytona_sandbox_create(bench.client, &(daytona_sandbox_create_opts_t){.timeout_ms = 120000});
  for (int i = 0; i < bench.count; i++)
    if (daytona_future_await(created[i]) != 0) fail(daytona_future_error(created[i])->message);
  await(daytona_sandbox_stop(daytona_future_sandbox(created[0]),
                             NULL)); /* what is opened for waits is open then */
  await(daytona_sandbox_start(daytona_future_sandbox(created[0]), NULL));
  stop_all(&bench, created);
  for (int i = 0; i < bench.count; i++) daytona_future_release(created[i]);
  free(created);
  free(bench.late_ms);
  daytona_client_close(bench.client, NULL, NULL);
  daytona_client_release(bench.client);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  return uv_loop_close(uv_default_loop());
}
