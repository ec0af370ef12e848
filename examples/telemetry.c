/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client does, seen from outside: log lines, and spans of a trace that a collector of OpenTelemetry receives.
 *
 *   daytona-local run -- telemetry --collector http://localhost:4318
 *
 * What is worth a look: the program has a span of its own as the parent, so its calls are one trace with what called it; and the
 * close of the client waits until the collector has everything, for a while.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "shared/options.h"
#include "shared/steps.h"

static const char usage[] =
  "usage: telemetry [OPTIONS]\n"
  "Runs a command in a sandbox, prints the lines of the library's log, and sends spans to a collector.\n"
  "Without --collector, where the variables of OpenTelemetry say, else http://localhost:4318.\n";

/* It must not call the library. */
static void on_log(daytona_log_level_t level, const char *line, void *user) {
  static const char *const names[] = {"", "error", "warn", "info", "debug"};
  const int *most = user;
  if ((int)level <= *most) fprintf(stderr, "%-5s %s\n", names[level], line);
}

/* "00-<trace>-<span>-01": made up here; a server would pass on what it was called with. */
static bool begin_trace(daytona_client_t *client) {
  unsigned char bytes[24];
  char parent[56], *at = parent;
  if (uv_random(NULL, NULL, bytes, sizeof bytes, 0, NULL) != 0) return false;
  at += sprintf(at, "00-");
  for (int i = 0; i < 24; i++) at += sprintf(at, i == 16 ? "-%02x" : "%02x", bytes[i]);
  strcpy(at, "-01");
  printf("trace %.32s\n", parent + 3);
  return daytona_telemetry_set_parent(client, parent, NULL) == 0;
}

static bool use_sandbox(daytona_client_t *client) {
  const daytona_sandbox_create_opts_t opts = {.is_ephemeral = true};
  daytona_sandbox_t *sandbox = take_sandbox(daytona_sandbox_create(client, &opts));
  bool ok = sandbox != NULL && run_and_print(sandbox, "echo observed");
  return discard(sandbox) && ok;
}

int main(int argc, char **argv) {
  daytona_telemetry_opts_t telemetry = {.interval_ms = 500};
  int level = DAYTONA_LOG_INFO;
  const option_row_t rows[] = {
    {'c', "collector", "URL", "where spans and metrics are sent", .text = &telemetry.endpoint},
    {'l', "level", "N", "log: 1 errors, 2 warnings, 3 calls (default), 4 requests", .number = &level,
     .most = DAYTONA_LOG_DEBUG},
  };
  if (parse_options(argc, argv, usage, rows, sizeof rows / sizeof rows[0]) != argc)
    refuse_arguments(usage, "only options, please");
  const daytona_config_t config = {.log = on_log, .log_user = &level, .telemetry = &telemetry};
  daytona_client_t *client = open_client_with(&config, "telemetry", EXIT_FAILURE);
  daytona_client_stats_t stats = {0};
  bool ok = begin_trace(client) && use_sandbox(client);
  daytona_client_stats(client, &stats);
  printf("%llu calls, %llu requests\n", (unsigned long long)stats.operations,
         (unsigned long long)stats.requests);
  ok = close_client(client) && ok;
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
