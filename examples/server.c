/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP server that runs each request's Python in a pooled sandbox and streams the output back: how
 * libdaytona lives in the loop of a server that has other things to do.
 *
 *   daytona-local run -- server --port 8080
 *   curl -N --data-binary @program.py http://127.0.0.1:8080/run
 *
 * The response is JSON lines: {"stdout":"..."} and {"stderr":"..."} as they come, and at last {"end":"ok"}, or
 * "exception" (with name, value, traceback), "timeout" or "failed" (with a message).
 *
 * What is worth a look: runs never share an interpreter, and by default no sandbox either; a client that
 * reads slowly pauses its run; one that leaves has its code stopped, which the protocol does by deleting the
 * sandbox; what cannot be served soon is refused with 503; and the end deletes every sandbox. HTTP is in
 * server_http.c and server_request.c, the pool in server_pool.c, runs in server_run.c.
 */
#include "server.h"

#include <stdlib.h>
#include <string.h>

#include "shared/options.h"
#include "shared/steps.h"

enum { GRACE_MS = 10 * 1000, OPTION_MAX = 1000000 };

static const char usage[] =
  "usage: server [OPTIONS]\n"
  "Serve POST /run on 127.0.0.1: the body is a Python program, its output is streamed back as JSON\n"
  "lines. GET /status tells what is going on, GET /metrics the same of the library, for Prometheus.\n"
  "With more than one run per sandbox, runs do not share variables, but they do share files and processes.\n"
  "SIGINT and SIGTERM let running requests end and delete the sandboxes; a second one ends the\n"
  "requests at once, a third one leaves the sandboxes to the service.\n";

/* --- requests ---------------------------------------------------------------------------------- */

void refuse(http_exchange_t *client, int status, const char *why) {
  http_answer(client, status, status == 503 ? "Retry-After: 1" : NULL, "text/plain", why);
}

/* A page in somebody's browser could reach us as well, and is not to run code at our cost. */
static void on_request(http_exchange_t *client, void *user) {
  const char *method = http_method(client), *path = http_path(client);
  bool is_run = strcmp(path, "/run") == 0, is_metrics = strcmp(path, "/metrics") == 0;
  bool is_known = is_run || is_metrics || strcmp(path, "/status") == 0;
  if (http_is_from_page(client))
    refuse(client, 403, "not for web pages\n");
  else if (!is_known)
    refuse(client, 404, "there are POST /run, GET /status and GET /metrics\n");
  else if (strcmp(method, is_run ? "POST" : "GET") != 0)
    http_answer(client, 405, is_run ? "Allow: POST" : "Allow: GET", "text/plain", "another method, please\n");
  else if (is_run)
    run_serve(user, client);
  else if (is_metrics)
    metrics_serve(user, client);
  else
    status_serve(user, client);
}

static void on_drained(http_exchange_t *client, void *user) {
  (void)user;
  run_resume(http_data(client));
}

static void on_gone(http_exchange_t *client, void *user) {
  (void)user;
  run_forget_client(http_data(client));
}

static void on_idle(void *user) {
  service_t *self = user;
  if (!self->was_ready && pool_count(&self->pool, SLOT_IDLE) == self->pool.size) {
    self->was_ready = true;
    fprintf(stderr, "server: %d sandboxes are ready\n", self->pool.size);
  }
  run_next(self);
}

/* --- the end ----------------------------------------------------------------------------------- */

static void on_grace_over(uv_timer_t *timer) { run_cancel_all(timer->data); }

static void on_pool_closed(void *user) {
  service_t *self = user;
  ending_close(&self->ending);
  uv_close((uv_handle_t *)&self->grace, NULL);
  daytona_client_close(self->client, NULL, NULL);
}

/* No new requests; those that wait are told; those that run have a while; sandboxes go as they become free.
   */
static void stop(service_t *self) {
  fprintf(stderr, "server: stopping\n");
  http_server_stop(&self->http);
  run_refuse_waiting(self, "the server is stopping\n");
  uv_timer_start(&self->grace, on_grace_over, GRACE_MS, 0);
  if (self->running == NULL) uv_timer_stop(&self->grace);
  pool_close(&self->pool);
}

/* Fail what is pending, deletions included. */
static void abandon(service_t *self) {
  for (run_t *run = self->running; run != NULL; run = run->next) run->client = NULL;
  http_server_drop(&self->http);
  daytona_client_close(self->client, NULL, NULL);
}

static void on_signal(uv_signal_t *handle, int number) {
  service_t *self = handle->data;
  (void)number;
  self->signal_count++;
  if (self->signal_count == 1)
    stop(self);
  else if (self->signal_count == 2)
    run_cancel_all(self);
  else
    abandon(self);
}

/* --- the start --------------------------------------------------------------------------------- */

static void read_options(service_t *self, int argc, char **argv) {
  const option_row_t rows[] = {
    {'p', "port", "N", "default: any free one, which is printed", .number = &self->port, .most = 65535},
    {'n', "pool", "N", "sandboxes that are kept ready, 1 to 64 (default 2)", .number = &self->pool_size,
     .least = 1, .most = POOL_MAX},
    {'q', "queue", "N", "requests that may wait for one before there is a 503 (default 16)",
     .number = &self->queue_max, .most = OPTION_MAX},
    {'t', "timeout", "SECONDS", "of each run (default 30)", .number = &self->timeout_s, .least = 1,
     .most = OPTION_MAX},
    {'r', "runs", "N", "runs per sandbox before it is replaced (default 1)",
     .number = &self->runs_per_sandbox, .least = 1, .most = OPTION_MAX},
  };
  if (parse_options(argc, argv, usage, rows, sizeof rows / sizeof rows[0]) != argc)
    refuse_arguments(usage, "only options, please");
}

int main(int argc, char **argv) {
  static const http_handlers_t handlers = {on_request, on_drained, on_gone};
  static service_t self = {.pool_size = 2, .queue_max = 16, .timeout_s = 30, .runs_per_sandbox = 1};
  const pool_events_t events = {on_idle, on_pool_closed, &self};
  read_options(&self, argc, argv);
  self.loop = uv_default_loop();
  self.client = open_client_with(NULL, "server", EXIT_FAILURE);
  uv_timer_init(self.loop, &self.grace);
  self.grace.data = &self;
  ending_open(&self.ending, self.loop, on_signal, &self);
  int rc = http_server_start(&self.http, self.loop, &handlers, &self, &self.port);
  if (rc == 0) {
    pool_open(&self.pool, self.client, self.pool_size, self.runs_per_sandbox, &events);
    printf("server: listening on http://127.0.0.1:%d\n", self.port);
    fflush(stdout);
  } else {
    fprintf(stderr, "server: port %d: %s\n", self.port, uv_strerror(rc));
    http_server_stop(&self.http);
    on_pool_closed(&self);
  }
  uv_run(self.loop, UV_RUN_DEFAULT);
  daytona_client_release(self.client);
  return uv_loop_close(self.loop) != 0 || rc != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
