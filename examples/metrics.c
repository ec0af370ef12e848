/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A live table of your running sandboxes with what each uses.
 *
 *   daytona-local run -- metrics
 *   metrics --interval 2 --rounds 0       until it is interrupted
 *
 * What is worth a look: the list is walked over step by step, and then all sandboxes are asked at once; one that has just
 * stopped or does not answer costs a line of the table and nothing else.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "shared/options.h"
#include "shared/steps.h"

enum { SANDBOXES_MAX = 200, ANSWER_MS = 10000, SECONDS_MAX = 3600, ROUNDS_MAX = 1000000 };

static const char usage[] =
  "usage: metrics [OPTIONS]\n"
  "Show the running sandboxes with their CPU, memory and disk.\n";

typedef struct table {
  daytona_sandbox_t *sandboxes[SANDBOXES_MAX];
  daytona_future_t *samples[SANDBOXES_MAX];
  size_t count;
} table_t;

/* --- the rows ---------------------------------------------------------------------------------- */

/* The running sandboxes. False: why not was printed. */
static bool find_sandboxes(daytona_client_t *client, table_t *table) {
  static const daytona_sandbox_state_t started[] = {DAYTONA_SANDBOX_STARTED};
  const daytona_sandbox_query_t query = {.states = started, .state_count = 1, .sort = "name", .order = "asc"};
  daytona_sandbox_iter_t *iter;
  bool is_end = false, ok = true;
  if (daytona_sandbox_iter_new(client, &query, &iter) != 0) return false;
  while (ok && !is_end && table->count < SANDBOXES_MAX) {
    daytona_future_t *step = daytona_sandbox_iter_next(iter);
    ok = daytona_future_await(step) == DAYTONA_OK;
    if (!ok) fprintf(stderr, "%s\n", daytona_future_message(step));
    daytona_sandbox_t *sandbox = daytona_sandbox_retain(daytona_future_sandbox(step));
    is_end = sandbox == NULL;
    if (!is_end) table->sandboxes[table->count++] = sandbox;
    daytona_future_release(step);
  }
  daytona_sandbox_iter_release(iter);
  return ok;
}

/* Ask all of them at once. Each answers or fails by itself. */
static void ask(table_t *table) {
  const daytona_call_opts_t opts = {.timeout_ms = ANSWER_MS};
  for (size_t i = 0; i < table->count; i++)
    table->samples[i] = daytona_sandbox_get_metrics_latest(table->sandboxes[i], &opts);
  for (size_t i = 0; i < table->count; i++) daytona_future_await(table->samples[i]);
}

static void clear(table_t *table) {
  for (size_t i = 0; i < table->count; i++) {
    daytona_future_release(table->samples[i]);
    daytona_sandbox_release(table->sandboxes[i]);
  }
  *table = (table_t){0};
}

/* --- the table --------------------------------------------------------------------------------- */

static double gib(int64_t bytes) { return (double)bytes / (1 << 30); }

/* What a server says may be anything: no control character gets to the terminal. */
static void put_name(const char *text) {
  int width = 0;
  for (; text != NULL && *text != '\0' && width < 24; text++, width++)
    putchar((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
  printf("%*s", 26 - width, "");
}

static void put_row(const daytona_sandbox_t *sandbox, const daytona_future_t *future) {
  const daytona_sandbox_metrics_t *sample = daytona_future_sandbox_metrics(future);
  put_name(daytona_sandbox_info(sandbox)->name);
  if (sample == NULL) {
    printf("no answer: %s\n", daytona_errcode_name(daytona_future_code(future)));
    return;
  }
  printf("%6.1f %% of %-3g %7.2f / %.2f GiB %7.2f / %.2f GiB\n", sample->cpu_used_pct, sample->cpu_count,
         gib(sample->memory_used_bytes), gib(sample->memory_total_bytes), gib(sample->disk_used_bytes),
         gib(sample->disk_total_bytes));
}

static void put_table(const table_t *table) {
  if (isatty(STDOUT_FILENO)) fputs("\033[H\033[J", stdout);
  printf("%-26s%-16s%-22s%s\n", "SANDBOX", "CPU", "MEMORY", "DISK");
  for (size_t i = 0; i < table->count; i++) put_row(table->sandboxes[i], table->samples[i]);
  printf("%zu running\n", table->count);
  fflush(stdout);
}

/* --- main -------------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer) { *(bool *)timer->data = true; }
static void on_timer_closed(uv_handle_t *handle) { *(bool *)handle->data = false; }

/* The client's connections are looked after meanwhile. */
static void let_pass(uv_loop_t *loop, int seconds) {
  uv_timer_t timer;
  bool is_over = false;
  timer.data = &is_over;
  uv_timer_init(loop, &timer);
  uv_timer_start(&timer, on_timer, (uint64_t)seconds * 1000, 0);
  while (!is_over) uv_run(loop, UV_RUN_ONCE);
  uv_close((uv_handle_t *)&timer, on_timer_closed);
  while (is_over) uv_run(loop, UV_RUN_ONCE);
}

static bool show(daytona_client_t *client, int rounds, int seconds) {
  bool ok = true;
  for (int round = 0; ok && (rounds == 0 || round < rounds); round++) {
    table_t table = {0};
    if (round != 0) let_pass(daytona_client_loop(client), seconds);
    ok = find_sandboxes(client, &table);
    if (ok) {
      ask(&table);
      put_table(&table);
    }
    clear(&table);
  }
  return ok;
}

int main(int argc, char **argv) {
  int rounds = 1, seconds = 2;
  const option_row_t rows[] = {
    {'i', "interval", "SECONDS", "between two tables (default 2)", .number = &seconds, .least = 1,
     .most = SECONDS_MAX},
    {'n', "rounds", "N", "tables; 0: until it is interrupted (default 1)", .number = &rounds,
     .most = ROUNDS_MAX},
  };
  if (parse_options(argc, argv, usage, rows, sizeof rows / sizeof rows[0]) != argc)
    refuse_arguments(usage, "only options, please");
  daytona_client_t *client = open_client();
  bool ok = show(client, rounds, seconds);
  return close_client(client) && ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
