/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An operation of the program's own as a future: "the server in the sandbox answers", made of commands and a timer.
 *
 *   daytona-local run -- promise
 *   promise --port 8000 --timeout 10 'python3 -m http.server 8000'
 *
 * What is worth a look: the promise is settled by our code, and its future is as good as any: it is given a deadline here, and
 * cancelling it, which the deadline does, stops the commands and the timer.
 */
#include <stdio.h>
#include <stdlib.h>

#include <uv.h>

#include "shared/options.h"
#include "shared/steps.h"

enum { BETWEEN_MS = 100 };

static const char usage[] =
  "usage: promise [OPTIONS] [COMMAND]\n"
  "Starts a server in a sandbox with COMMAND, and waits until its port answers.\n";

/* --- an operation ------------------------------------------------------------------------------ */

/* It lives until its timer is closed. */
typedef struct probe {
  daytona_sandbox_t *sandbox;
  daytona_promise_t *promise; /* NULL: it has ended */
  daytona_future_t *current;  /* the command that runs, borrowed; NULL: none */
  uv_timer_t timer;
  char command[160];
  long tries;
} probe_t;

static void on_timer_closed(uv_handle_t *handle) {
  probe_t *probe = handle->data;
  daytona_sandbox_release(probe->sandbox);
  free(probe);
}

/* No part of it goes on. A command that is cancelled still calls back, and is waited for. */
static void end(probe_t *probe) {
  daytona_promise_release(probe->promise);
  probe->promise = NULL;
  if (probe->current != NULL)
    daytona_future_cancel(probe->current);
  else
    uv_close((uv_handle_t *)&probe->timer, on_timer_closed);
}

/* The future was cancelled. */
static void on_cancel(daytona_promise_t *promise, void *user) {
  (void)promise;
  end(user);
}

static void on_timer(uv_timer_t *timer);

static void on_probed(daytona_future_t *future, void *user) {
  probe_t *probe = user;
  const daytona_exec_result_t *result = daytona_future_exec_result(future);
  probe->current = NULL;
  if (probe->promise == NULL) { /* it has ended meanwhile */
    uv_close((uv_handle_t *)&probe->timer, on_timer_closed);
  } else if (result != NULL && result->exit_code != 0) {
    uv_timer_start(&probe->timer, on_timer, BETWEEN_MS, 0);
  } else {
    if (result == NULL)
      daytona_promise_fail_error(probe->promise, daytona_future_error(future));
    else
      daytona_promise_resolve(probe->promise, (void *)probe->tries, NULL);
    end(probe);
  }
}

static void on_timer(uv_timer_t *timer) {
  probe_t *probe = timer->data;
  probe->tries++;
  probe->current = daytona_process_exec(probe->sandbox, probe->command, NULL);
  daytona_future_then(probe->current, on_probed, probe);
}

/* Settles with the number of tries, as a value, once something in the sandbox accepts connections to the port. NULL: out of memory. */
static daytona_future_t *wait_for_port(daytona_client_t *client, daytona_sandbox_t *sandbox, int port) {
  probe_t *probe = calloc(1, sizeof *probe);
  const daytona_promise_opts_t opts = {.on_cancel = on_cancel, .user = probe};
  daytona_future_t *future = NULL;
  if (probe == NULL || daytona_promise_new(client, &opts, &probe->promise, &future) != 0) {
    free(probe);
    return NULL;
  }
  snprintf(probe->command, sizeof probe->command,
           "python3 -c \"import socket; socket.create_connection(('localhost', %d), 1)\" 2>/dev/null", port);
  probe->sandbox = daytona_sandbox_retain(sandbox);
  uv_timer_init(daytona_client_loop(client), &probe->timer);
  probe->timer.data = probe;
  uv_timer_start(&probe->timer, on_timer, 0, 0);
  return future;
}

/* --- the program ------------------------------------------------------------------------------- */

static bool serve(daytona_client_t *client, daytona_sandbox_t *sandbox, const char *command, int port,
                  int64_t timeout_ms) {
  if (!run_in_background(sandbox, command, NULL)) return false;
  daytona_future_t *ready = daytona_future_deadline(wait_for_port(client, sandbox, port), timeout_ms);
  bool ok = succeeds(ready);
  if (ok) printf("port %d answers, after %ld tries\n", port, (long)daytona_future_value(ready));
  daytona_future_release(ready);
  return ok;
}

int main(int argc, char **argv) {
  int64_t timeout_ms = 20 * 1000;
  int port = 8000;
  const option_row_t rows[] = {
    {'p', "port", "N", "of the server (default 8000)", .number = &port, .least = 1, .most = 65535},
    {'t', "timeout", "SECONDS", "until it must answer (default 20)", .ms = &timeout_ms},
  };
  int first = parse_options(argc, argv, usage, rows, sizeof rows / sizeof rows[0]);
  if (argc - first > 1) refuse_arguments(usage, "one COMMAND at most");
  const char *command = first < argc ? argv[first] : "sleep 0.5; exec python3 -m http.server 8000";
  daytona_client_t *client = open_client();
  const daytona_sandbox_create_opts_t opts = {.is_ephemeral = true};
  daytona_sandbox_t *sandbox = take_sandbox(daytona_sandbox_create(client, &opts));
  bool ok = sandbox != NULL && serve(client, sandbox, command, port, timeout_ms);
  ok = discard(sandbox) && ok;
  return close_client(client) && ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
