/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams through the library, as a program would use them:
 *
 *   stream_bench BASE CA idle terminal|log COUNT SECONDS   attach COUNT, a thousand at a time, and let them idle
 *   stream_bench BASE CA terminal|log BLOCKS               the output of one; see stream_blocks.h
 *   stream_bench BASE CA typed BLOCKS                      so much is typed into a terminal and comes back
 *   stream_bench BASE CA echo COUNT                        one key is typed, and again when it has come back
 *
 * CA is "-" for the sandbox without TLS. Prints a line of JSON.
 */
#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include <daytona/daytona.h>

#include "measure.h"
#include "stream_blocks.h"

enum { WAVE = 1000 };

typedef struct bench {
  daytona_client_t *client;
  daytona_sandbox_t *sandbox;
  daytona_pty_t **terminals; /* and of the logs the follows */
  daytona_future_t **follows;
  uint64_t opened, failed;
  uint64_t typed, got, wanted; /* bytes; of the echo, keys */
  double cpu_s, wall_s;
} bench_t;

static bench_t bench;

static void give_up(const char *what) {
  fprintf(stderr, "stream_bench: %s\n", what);
  exit(1);
}

static void show_usage(void) {
  fprintf(stderr,
          "usage: stream_bench BASE CA|- idle terminal|log COUNT SECONDS | terminal|log|typed|echo COUNT\n");
  exit(2);
}

static void run_until(bool (*is_there)(void)) {
  while (!is_there()) uv_run(uv_default_loop(), UV_RUN_ONCE);
}

static bool has_all(void) { return bench.got >= bench.wanted; }

static void begin(uint64_t wanted) {
  bench.wanted = wanted;
  bench.cpu_s = measure_cpu_now();
  bench.wall_s = measure_wall_now();
}

static void end(const char *unit, uint64_t count) {
  run_until(has_all);
  printf("{\"%s\": %llu, \"seconds\": %.6f, \"cpu_s\": %.6f}\n", unit, (unsigned long long)count,
         measure_wall_now() - bench.wall_s, measure_cpu_now() - bench.cpu_s);
}

/* --- one stream -------------------------------------------------------------------------------- */

static daytona_pty_t *attach(daytona_output_cb on_output) {
  daytona_pty_connect_opts_t opts = {.attach = {.on_output = on_output}};
  daytona_future_t *future = daytona_pty_connect(bench.sandbox, "bench", &opts);
  if (daytona_future_await(future) != 0) give_up(daytona_future_error(future)->message);
  daytona_pty_t *terminal = daytona_pty_retain(daytona_future_pty(future));
  daytona_future_release(future);
  return terminal;
}

static void type(daytona_pty_t *terminal, const char *bytes, size_t size) {
  if (daytona_pty_write(terminal, bytes, size) != 0) give_up("typing has failed");
}

static void on_output(const daytona_output_t *output, void *user) {
  (void)user;
  bench.got += output->size;
}

static void run_terminal(uint64_t blocks) {
  char order[32];
  daytona_pty_t *terminal = attach(on_output);
  int size = snprintf(order, sizeof order, "send %llu", (unsigned long long)blocks);
  begin(blocks * TERMINAL_BYTES);
  type(terminal, order, (size_t)size);
  end("bytes", bench.wanted);
  daytona_pty_release(terminal);
}

static void type_more(daytona_pty_t *terminal) {
  static const char text[TYPED_SIZE] = {'x'};
  for (; bench.typed < bench.wanted && bench.typed - bench.got < TYPED_WINDOW; bench.typed += TYPED_SIZE)
    type(terminal, text, sizeof text);
}

static void on_typed(const daytona_output_t *output, void *user) {
  on_output(output, user);
  type_more(output->pty);
}

static void run_typed(uint64_t blocks) {
  daytona_pty_t *terminal = attach(on_typed);
  begin(blocks * TERMINAL_BYTES);
  type_more(terminal);
  end("bytes", bench.wanted);
  daytona_pty_release(terminal);
}

static void on_key(const daytona_output_t *output, void *user) {
  (void)user;
  bench.got += output->size;
  if (bench.got < bench.wanted) type(output->pty, "k", 1);
}

static void run_echo(uint64_t count) {
  daytona_pty_t *terminal = attach(on_key);
  begin(count);
  type(terminal, "k", 1);
  end("echoes", count);
  daytona_pty_release(terminal);
}

/* The first line says that it begins; then the blocks come, perhaps in the same chunk. */
static void on_line(const daytona_output_t *output, void *user) {
  bench.got += output->size;
  if (bench.wanted == 0) begin(*(uint64_t *)user * LOG_BYTES + LOG_FIRST);
}

static bool has_log(void) { return bench.wanted != 0; }

static void run_log(uint64_t blocks) {
  char id[32];
  daytona_session_follow_opts_t opts = {.on_stdout = on_line, .on_stderr = on_line, .user = &blocks};
  snprintf(id, sizeof id, "%llu", (unsigned long long)blocks);
  daytona_future_t *follow = daytona_session_follow(bench.sandbox, "bench", id, &opts);
  run_until(has_log);
  end("bytes", bench.wanted - LOG_FIRST);
  daytona_future_cancel(follow);
  daytona_future_release(follow);
}

/* --- many idle streams ------------------------------------------------------------------------- */

static void on_attached(daytona_future_t *future, void *user) {
  daytona_pty_t **terminal = user;
  *terminal = daytona_pty_retain(daytona_future_pty(future));
  if (*terminal != NULL) {
    bench.opened++;
  } else if (bench.failed++ == 0) {
    fprintf(stderr, "stream_bench: %s\n", daytona_future_error(future)->message);
  }
}

static void on_first_line(const daytona_output_t *output, void *user) {
  (void)output, (void)user;
  bench.opened++;
}

static void on_follow_end(daytona_future_t *future, void *user) {
  (void)user;
  if (daytona_future_stream_end(future) == NULL && daytona_future_error(future)->code == DAYTONA_ECANCELED)
    return;
  if (bench.failed++ == 0) fprintf(stderr, "stream_bench: a log has ended\n");
}

static void open_one(bool is_log, size_t at) {
  daytona_session_follow_opts_t opts = {.on_stdout = on_first_line};
  if (is_log) {
    bench.follows[at] = daytona_future_retain(daytona_session_follow(bench.sandbox, "bench", "0", &opts));
    daytona_future_then(bench.follows[at], on_follow_end, NULL);
  } else {
    daytona_future_then(daytona_pty_connect(bench.sandbox, "bench", NULL), on_attached, &bench.terminals[at]);
  }
}

static bool has_settled(void) { return bench.opened + bench.failed >= bench.wanted; }

static size_t heap_bytes(void) {
  struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

static size_t open_files(void) {
  size_t count = 0;
  DIR *folder = opendir("/proc/self/fd");
  while (folder != NULL && readdir(folder) != NULL) count++;
  if (folder != NULL) closedir(folder);
  return count;
}

static void on_timer(uv_timer_t *timer) { uv_close((uv_handle_t *)timer, NULL); }

/* CPU seconds of idling. */
static double idle_for(uint64_t seconds) {
  uv_timer_t timer;
  double cpu_s = measure_cpu_now();
  uv_timer_init(uv_default_loop(), &timer);
  uv_timer_start(&timer, on_timer, seconds * 1000, 0);
  while (uv_is_active((uv_handle_t *)&timer)) uv_run(uv_default_loop(), UV_RUN_ONCE);
  cpu_s = measure_cpu_now() - cpu_s;
  uv_run(uv_default_loop(), UV_RUN_NOWAIT); /* the timer's close */
  return cpu_s;
}

/* One stream first: it pays for what all of them share. */
static void run_idle(bool is_log, uint64_t count, uint64_t seconds) {
  bench.terminals = calloc(count + 1, sizeof *bench.terminals);
  bench.follows = calloc(count + 1, sizeof *bench.follows);
  if (bench.terminals == NULL || bench.follows == NULL) give_up("out of memory");
  bench.wanted = 1;
  open_one(is_log, 0);
  run_until(has_settled);
  malloc_trim(0);
  size_t heap = heap_bytes(), files = open_files();
  long resident_kb = measure_status_kb("VmRSS");
  double began = measure_wall_now(), burst_s = 0;
  while (bench.wanted < count + 1) {
    for (size_t i = 0; i < WAVE && bench.wanted < count + 1; i++) open_one(is_log, bench.wanted++);
    run_until(has_settled);
    if (burst_s == 0) burst_s = measure_wall_now() - began;
  }
  double each = (double)count;
  printf(
    "{\"resident_bytes\": %.0f, \"heap_bytes\": %.0f, \"files\": %.2f, \"failures\": %llu, \"per_s\": %.0f, ",
    (double)(measure_status_kb("VmRSS") - resident_kb) * 1024 / each, (double)(heap_bytes() - heap) / each,
    (double)(open_files() - files) / each, (unsigned long long)bench.failed,
    (count < WAVE ? each : WAVE) / burst_s);
  double cpu_s = seconds != 0 ? idle_for(seconds) : 0;
  uint64_t lost = is_log ? bench.failed : 0;
  for (size_t i = 0; i <= count && !is_log; i++) lost += !daytona_pty_is_connected(bench.terminals[i]);
  printf("\"idle_cpu_s\": %.6f, \"lost\": %llu}\n", cpu_s, (unsigned long long)lost);
  for (size_t i = 0; i <= count; i++) {
    daytona_pty_release(bench.terminals[i]);
    daytona_future_cancel(bench.follows[i]);
    daytona_future_release(bench.follows[i]);
  }
  free(bench.terminals);
  free(bench.follows);
}

/* --- main -------------------------------------------------------------------------------------- */

static bool run(int count, char **arguments) {
  const char *mode = arguments[0];
  bool is_log = strcmp(arguments[1], "log") == 0;
  if (strcmp(mode, "idle") == 0 && count == 4)
    run_idle(is_log, measure_number(arguments[2]), strtoull(arguments[3], NULL, 10));
  else if (strcmp(mode, "terminal") == 0)
    run_terminal(measure_number(arguments[1]));
  else if (strcmp(mode, "log") == 0)
    run_log(measure_number(arguments[1]));
  else if (strcmp(mode, "typed") == 0)
    run_typed(measure_number(arguments[1]));
  else if (strcmp(mode, "echo") == 0)
    run_echo(measure_number(arguments[1]));
  else
    return false;
  return true;
}

int main(int count, char **arguments) {
  char api[256];
  if (count < 5) show_usage();
  bool is_secure = strcmp(arguments[2], "-") != 0;
  measure_raise_files();
  snprintf(api, sizeof api, "%s/api", arguments[1]);
  daytona_config_t config = {.api_key = "bench",
                             .api_url = api,
                             .ignores_environment = true,
                             .ca_file = is_secure ? arguments[2] : NULL};
  if (daytona_client_new(uv_default_loop(), &config, &bench.client) != 0) give_up("there is no client");
  daytona_future_t *future = daytona_sandbox_get(bench.client, is_secure ? "secure" : "bench", NULL);
  if (daytona_future_await(future) != 0) give_up(daytona_future_error(future)->message);
  bench.sandbox = daytona_sandbox_retain(daytona_future_sandbox(future));
  daytona_future_release(future);
  if (!run(count - 3, arguments + 3)) show_usage();
  daytona_sandbox_release(bench.sandbox);
  daytona_client_close(bench.client, NULL, NULL);
  daytona_client_release(bench.client);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  return uv_loop_close(uv_default_loop());
}
