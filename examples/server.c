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
 * server_http.c, the pool in server_pool.c.
 */
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include <daytona/daytona.h>

#include "server_http.h"
#include "server_pool.h"

/* Output that a client has not taken: its run is paused. A sandbox keeps only so much for a paused run (1024
   messages) and then drops it, so there is room for bursts here. */
enum { OUTPUT_HIGH = 1024 * 1024 };
enum { SLACK_MS = 10 * 1000, WAIT_MS = 30 * 1000, GRACE_MS = 10 * 1000, OPTION_MAX = 1000000 };

static const char usage[] =
  "usage: server [OPTIONS]\n"
  "Serve POST /run on 127.0.0.1: the body is a Python program, its output is streamed back as JSON\n"
  "lines. GET /status tells what is going on, GET /metrics the same of the library, for Prometheus.\n"
  "\n"
  "  -p, --port N         default: any free one, which is printed\n"
  "  -n, --pool N         sandboxes that are kept ready, 1 to 64 (default 2)\n"
  "  -q, --queue N        requests that may wait for one before there is a 503 (default 16)\n"
  "  -t, --timeout SECONDS  of each run (default 30)\n"
  "  -r, --runs N         runs per sandbox before it is replaced (default 1). With more, runs do not\n"
  "                       share variables, but they do share files and processes\n"
  "  -h, --help           this text\n"
  "\n"
  "SIGINT and SIGTERM let running requests end and delete the sandboxes; a second one ends the\n"
  "requests at once, a third one leaves the sandboxes to the service.\n";

static const int ending_signals[] = {SIGINT, SIGTERM, SIGHUP};
enum { ENDING_SIGNALS = sizeof ending_signals / sizeof ending_signals[0] };

typedef struct service service_t;

/* One request: it waits, then it has a slot and a future. */
typedef struct run {
  service_t *service;
  struct run *next; /* in the list of those that wait, or of those that run */
  http_exchange_t *client;
  char *code;
  slot_t *slot;
  daytona_future_t *future;
  uv_timer_t limit; /* of waiting, then of the run */
  bool has_begun, is_paused, is_late;
} run_t;

struct service {
  uv_loop_t *loop;
  daytona_client_t *client;
  http_server_t http;
  pool_t pool;
  run_t *waiting, *running;
  int waiting_count;
  long long served;
  uv_signal_t ending[ENDING_SIGNALS];
  uv_timer_t grace;
  int signal_count;
  bool was_ready;
  /* what was asked for */
  int port, pool_size, queue_max, timeout_s, runs_per_sandbox;
};

/* --- JSON lines -------------------------------------------------------------------------------- */

typedef struct line {
  FILE *to;
  char *text;
  size_t size;
} line_t;

static void put_string(line_t *line, const char *text, size_t size) {
  fputc('"', line->to);
  for (size_t i = 0; i < size; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c == '"' || c == '\\')
      fprintf(line->to, "\\%c", c);
    else if (c == '\n')
      fputs("\\n", line->to);
    else if (c < ' ')
      fprintf(line->to, "\\u%04x", c);
    else
      fputc(c, line->to);
  }
  fputc('"', line->to);
}

static void put_member(line_t *line, const char *name, const char *text, size_t size) {
  fprintf(line->to, "%c\"%s\":", ftell(line->to) == 0 ? '{' : ',', name);
  put_string(line, text, size);
}

static bool open_line(line_t *line) {
  *line = (line_t){0};
  line->to = open_memstream(&line->text, &line->size);
  return line->to != NULL;
}

/* Send it. Returns how much the client has not taken yet; SIZE_MAX without memory. */
static size_t send_line(run_t *run, line_t *line) {
  size_t queued = SIZE_MAX;
  fputs("}\n", line->to);
  bool is_whole = !ferror(line->to);
  if (fclose(line->to) == 0 && is_whole) {
    if (!run->has_begun) http_begin(run->client, 200, "application/x-ndjson");
    run->has_begun = true;
    queued = http_send(run->client, line->text, line->size);
  }
  free(line->text);
  return queued;
}

/* --- runs -------------------------------------------------------------------------------------- */

static void unlink_run(run_t **list, run_t *run) {
  while (*list != NULL && *list != run) list = &(*list)->next;
  if (*list != NULL) *list = run->next;
}

static void on_limit_closed(uv_handle_t *handle) { free(handle->data); }

static void free_run(run_t *run) {
  free(run->code);
  daytona_future_release(run->future);
  uv_close((uv_handle_t *)&run->limit, on_limit_closed);
}

static void refuse(http_exchange_t *client, int status, const char *why) {
  http_answer(client, status, status == 503 ? "Retry-After: 1" : NULL, "text/plain", why);
}

static void give_up_waiting(run_t *run, const char *why) {
  unlink_run(&run->service->waiting, run);
  run->service->waiting_count--;
  if (run->client != NULL) refuse(run->client, 503, why);
  free_run(run);
}

/* Without memory the run is given up: a response with a hole must not look whole. */
static void on_output(const daytona_output_t *output, void *user) {
  run_t *run = user;
  line_t line;
  size_t queued = SIZE_MAX;
  if (run->client == NULL) return;
  if (open_line(&line)) {
    put_member(&line, output->stream == DAYTONA_OUTPUT_STDERR ? "stderr" : "stdout", output->bytes,
               output->size);
    queued = send_line(run, &line);
  }
  if (queued == SIZE_MAX) {
    daytona_future_cancel(run->future);
  } else if (queued > OUTPUT_HIGH && !run->is_paused) {
    run->is_paused = true;
    daytona_future_pause(run->future);
  }
}

static void put_error(line_t *line, const daytona_interpreter_run_error_t *error) {
  put_member(line, "name", error->name, strlen(error->name));
  put_member(line, "value", error->value, strlen(error->value));
  put_member(line, "traceback", error->traceback, strlen(error->traceback));
}

/* The last line, and the end of the response. */
static void answer_end(run_t *run, daytona_future_t *future) {
  const daytona_interpreter_run_result_t *result = daytona_future_interpreter_run_result(future);
  const daytona_error_t *error = daytona_future_error(future);
  bool is_timeout = daytona_error_is(error, DAYTONA_ETIMEOUT) || run->is_late;
  const char *end = result == NULL          ? is_timeout ? "timeout" : "failed"
                    : result->error != NULL ? "exception"
                                            : "ok";
  line_t line;
  if (!open_line(&line)) {
    http_end(run->client); /* without its last line it does not look whole */
    return;
  }
  put_member(&line, "end", end, strlen(end));
  if (result != NULL && result->error != NULL) put_error(&line, result->error);
  if (error != NULL && !is_timeout) put_member(&line, "message", error->message, strlen(error->message));
  send_line(run, &line);
  http_end(run->client);
}

static void end_grace(service_t *self);

static void on_run(daytona_future_t *future, void *user) {
  run_t *run = user;
  service_t *self = run->service;
  if (run->client != NULL) answer_end(run, future);
  self->served++;
  unlink_run(&self->running, run);
  slot_t *slot = run->slot;
  free_run(run);
  pool_give_back(slot, daytona_future_error(future) == NULL);
  end_grace(self);
}

/* The sandbox keeps the time; this is for one that does not answer. A paused run waits for its client, not
   for it. */
static void on_run_limit(uv_timer_t *timer) {
  run_t *run = timer->data;
  if (run->is_paused) return; /* this timer comes again */
  run->is_late = true;
  daytona_future_cancel(run->future);
}

static void start(run_t *run, slot_t *slot) {
  service_t *self = run->service;
  uint64_t limit_ms = (uint64_t)self->timeout_s * 1000 + SLACK_MS;
  daytona_interpreter_run_code_opts_t opts = {
    .context_id = slot->context,
    .timeout_ms = (int64_t)self->timeout_s * 1000,
    .max_output_bytes = 1, /* it is streamed, nobody asks for it again */
    .on_stdout = on_output,
    .on_stderr = on_output,
    .user = run};
  run->slot = slot;
  run->next = self->running;
  self->running = run;
  uv_timer_start(&run->limit, on_run_limit, limit_ms, limit_ms);
  run->future = daytona_interpreter_run_code(slot->sandbox, run->code, &opts);
  daytona_future_on_settled(run->future, on_run, run);
}

static void on_idle(void *user) {
  service_t *self = user;
  if (!self->was_ready && pool_count(&self->pool, SLOT_IDLE) == self->pool.size) {
    self->was_ready = true;
    fprintf(stderr, "server: %d sandboxes are ready\n", self->pool.size);
  }
  if (self->waiting == NULL) return;
  slot_t *slot = pool_take(&self->pool);
  if (slot == NULL) return;
  run_t *run = self->waiting;
  self->waiting = run->next;
  self->waiting_count--;
  start(run, slot);
}

/* --- requests ---------------------------------------------------------------------------------- */

static void on_wait_limit(uv_timer_t *timer) {
  give_up_waiting(timer->data, "no sandbox became free in time\n");
}

static run_t *new_run(service_t *self, http_exchange_t *client, const char *code) {
  run_t *run = calloc(1, sizeof *run);
  if (run == NULL) return NULL;
  run->code = strdup(code);
  if (run->code == NULL) {
    free(run);
    return NULL;
  }
  run->service = self;
  run->client = client;
  uv_timer_init(self->loop, &run->limit);
  run->limit.data = run;
  http_set_data(client, run);
  return run;
}

static void enqueue(run_t *run) {
  run_t **last = &run->service->waiting;
  while (*last != NULL) last = &(*last)->next;
  *last = run;
  run->service->waiting_count++;
  uv_timer_start(&run->limit, on_wait_limit, WAIT_MS, 0);
}

static void serve_run(service_t *self, http_exchange_t *client) {
  size_t size;
  const char *code = http_body(client, &size);
  if (size == 0 || strlen(code) != size) {
    refuse(client, 400,
           size == 0 ? "the body is to be a Python program\n" : "there is a NUL in the program\n");
    return;
  }
  slot_t *slot = self->signal_count == 0 ? pool_take(&self->pool) : NULL;
  if (slot == NULL && (self->signal_count != 0 || self->waiting_count >= self->queue_max)) {
    refuse(client, 503, "all sandboxes are busy\n");
    return;
  }
  run_t *run = new_run(self, client, code);
  if (run == NULL) {
    refuse(client, 503, "out of memory\n");
    if (slot != NULL) pool_give_back(slot, true);
  } else if (slot != NULL) {
    start(run, slot);
  } else {
    enqueue(run);
  }
}

static void serve_status(service_t *self, http_exchange_t *client) {
  char text[256];
  int paused = 0;
  for (run_t *run = self->running; run != NULL; run = run->next) paused += run->is_paused;
  snprintf(text, sizeof text,
           "{\"idle\":%d,\"busy\":%d,\"preparing\":%d,\"waiting\":%d,\"paused\":%d,\"served\":%lld}\n",
           pool_count(&self->pool, SLOT_IDLE), pool_count(&self->pool, SLOT_BUSY),
           pool_count(&self->pool, SLOT_CREATING) + pool_count(&self->pool, SLOT_PREPARING),
           self->waiting_count, paused, self->served);
  http_answer(client, 200, NULL, "application/json", text);
}

static void put_metric(FILE *to, const char *name, const char *type, unsigned long long value) {
  fprintf(to, "# TYPE daytona_%s %s\ndaytona_%s %llu\n", name, type, name, value);
}

/* Each failure that has happened, by its name. */
static void put_failures(FILE *to, const daytona_client_stats_t *stats) {
  fputs("# TYPE daytona_operations_failed_total counter\n", to);
  for (int i = 1; i < DAYTONA_STATS_CODES; i++)
    if (stats->failures[i] != 0)
      fprintf(to, "daytona_operations_failed_total{code=\"%s\"} %llu\n",
              daytona_errcode_name((daytona_errcode_t)-i), (unsigned long long)stats->failures[i]);
}

static void put_metrics(FILE *to, const daytona_client_stats_t *stats) {
  put_metric(to, "connections_open", "gauge", stats->connections_open);
  put_metric(to, "connections_idle", "gauge", stats->connections_idle);
  put_metric(to, "requests_in_flight", "gauge", stats->requests_in_flight);
  put_metric(to, "requests_queued", "gauge", stats->requests_queued);
  put_metric(to, "sandboxes_starting", "gauge", stats->sandboxes_starting);
  put_metric(to, "sandboxes_waiting", "gauge", stats->sandboxes_waiting);
  put_metric(to, "operations_pending", "gauge", stats->operations_pending);
  put_metric(to, "streams_open", "gauge", stats->streams_open);
  put_metric(to, "memory_blocks", "gauge", stats->memory_blocks);
  put_metric(to, "memory_bytes", "gauge", stats->memory_bytes);
  put_metric(to, "operations_total", "counter", stats->operations);
  put_metric(to, "operations_succeeded_total", "counter", stats->operations_succeeded);
  put_metric(to, "requests_total", "counter", stats->requests);
  put_metric(to, "retries_total", "counter", stats->retries);
  put_metric(to, "rate_limit_waits_total", "counter", stats->rate_limit_waits);
  put_metric(to, "streams_total", "counter", stats->streams);
  put_metric(to, "sent_bytes_total", "counter", stats->sent_bytes);
  put_metric(to, "received_bytes_total", "counter", stats->received_bytes);
  put_metric(to, "spans_exported_total", "counter", stats->spans_exported);
  put_metric(to, "spans_dropped_total", "counter", stats->spans_dropped);
  put_failures(to, stats);
}

/* The library's statistics, as Prometheus reads them. */
static void serve_metrics(service_t *self, http_exchange_t *client) {
  daytona_client_stats_t stats;
  char *text = NULL;
  size_t size = 0;
  FILE *to = open_memstream(&text, &size);
  if (to == NULL || daytona_client_stats(self->client, &stats) != 0) {
    if (to != NULL) fclose(to);
    free(text);
    refuse(client, 503, "there are no metrics\n");
    return;
  }
  put_metrics(to, &stats);
  if (fclose(to) == 0)
    http_answer(client, 200, NULL, "text/plain; version=0.0.4", text);
  else
    refuse(client, 503, "out of memory\n");
  free(text);
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
    serve_run(user, client);
  else if (is_metrics)
    serve_metrics(user, client);
  else
    serve_status(user, client);
}

static void on_drained(http_exchange_t *client, void *user) {
  run_t *run = http_data(client);
  (void)user;
  if (!run->is_paused) return;
  run->is_paused = false;
  daytona_future_resume(run->future);
}

/* The code would go on until its time is over. A run that is cancelled has its sandbox deleted: see
   pool_give_back(). */
static void on_gone(http_exchange_t *client, void *user) {
  run_t *run = http_data(client);
  (void)user;
  run->client = NULL;
  if (run->future != NULL)
    daytona_future_cancel(run->future);
  else
    give_up_waiting(run, "");
}

/* --- the end ----------------------------------------------------------------------------------- */

static void cancel_all(service_t *self) {
  for (run_t *run = self->running; run != NULL; run = run->next) daytona_future_cancel(run->future);
}

static void on_grace_over(uv_timer_t *timer) { cancel_all(timer->data); }

static void on_pool_closed(void *user) {
  service_t *self = user;
  for (int i = 0; i < ENDING_SIGNALS; i++) uv_close((uv_handle_t *)&self->ending[i], NULL);
  uv_close((uv_handle_t *)&self->grace, NULL);
  daytona_client_close(self->client, NULL, NULL);
}

static void end_grace(service_t *self) {
  if (self->signal_count != 0 && self->running == NULL) uv_timer_stop(&self->grace);
}

/* No new requests; those that wait are told; those that run have a while; sandboxes go as they become free.
   */
static void stop(service_t *self) {
  fprintf(stderr, "server: stopping\n");
  http_server_stop(&self->http);
  while (self->waiting != NULL) give_up_waiting(self->waiting, "the server is stopping\n");
  uv_timer_start(&self->grace, on_grace_over, GRACE_MS, 0);
  end_grace(self);
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
    cancel_all(self);
  else
    abandon(self);
}

/* --- the start --------------------------------------------------------------------------------- */

static bool read_number(const char *text, int least, int most, int *out) {
  char *end;
  long value = strtol(text, &end, 10);
  if (end == text || *end != '\0' || value < least || value > most) return false;
  *out = (int)value;
  return true;
}

/* 0, or the exit code + 1: 1 after --help. */
static int read_options(service_t *self, int argc, char **argv) {
  static const struct option options[] = {
    {"port", required_argument, NULL, 'p'},
    {"pool", required_argument, NULL, 'n'},
    {"queue", required_argument, NULL, 'q'},
    {"timeout", required_argument, NULL, 't'},
    {"runs", required_argument, NULL, 'r'},
    {"help", no_argument, NULL, 'h'},
    {0},
  };
  int c;
  bool is_good = true;
  while (is_good && (c = getopt_long(argc, argv, "p:n:q:t:r:h", options, NULL)) != -1) {
    if (c == 'h') return fputs(usage, stdout), 1;
    if (c == 'p') is_good = read_number(optarg, 0, 65535, &self->port);
    if (c == 'n') is_good = read_number(optarg, 1, POOL_MAX, &self->pool_size);
    if (c == 'q') is_good = read_number(optarg, 0, OPTION_MAX, &self->queue_max);
    if (c == 't') is_good = read_number(optarg, 1, OPTION_MAX, &self->timeout_s);
    if (c == 'r') is_good = read_number(optarg, 1, OPTION_MAX, &self->runs_per_sandbox);
    if (c == '?') is_good = false;
  }
  return is_good && optind == argc ? 0 : (fputs(usage, stderr), 3);
}

static void open_handles(service_t *self) {
  signal(SIGPIPE, SIG_IGN); /* libuv writes with write(2), and clients go away */
  uv_timer_init(self->loop, &self->grace);
  self->grace.data = self;
  for (int i = 0; i < ENDING_SIGNALS; i++) {
    uv_signal_init(self->loop, &self->ending[i]);
    self->ending[i].data = self;
    uv_signal_start(&self->ending[i], on_signal, ending_signals[i]);
  }
}

int main(int argc, char **argv) {
  static const http_handlers_t handlers = {on_request, on_drained, on_gone};
  static service_t self = {.pool_size = 2, .queue_max = 16, .timeout_s = 30, .runs_per_sandbox = 1};
  const pool_events_t events = {on_idle, on_pool_closed, &self};
  char reason[256];
  int stops = read_options(&self, argc, argv);
  if (stops != 0) return stops - 1;
  self.loop = uv_default_loop();
  if (daytona_client_new(self.loop, NULL, &self.client) != 0) { /* NULL: from the environment */
    daytona_config_check(NULL, reason, sizeof reason);
    fprintf(stderr, "server: %s\n", reason);
    return EXIT_FAILURE;
  }
  open_handles(&self);
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
