/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs of the server example: each waits for a sandbox, runs in it, and streams its output as JSON lines. A run is in one of
 * the two lists of the service, and is freed when it leaves that.
 */
#include "server.h"
#include "server_line.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Output that a client has not taken: its run is paused. A sandbox keeps only so much for a paused run (1024
   messages) and then drops it, so there is room for bursts here. */
enum { OUTPUT_HIGH = 1024 * 1024, SLACK_MS = 10 * 1000, WAIT_MS = 30 * 1000 };

/* Send it. Returns how much the client has not taken yet; SIZE_MAX without memory. */
static size_t send_line(run_t *run, line_t *line) {
  size_t queued = SIZE_MAX;
  if (line_close(line)) {
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
  if (line_open(&line)) {
    line_put(&line, output->stream == DAYTONA_OUTPUT_STDERR ? "stderr" : "stdout", output->bytes,
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
  line_put(line, "name", error->name, strlen(error->name));
  line_put(line, "value", error->value, strlen(error->value));
  line_put(line, "traceback", error->traceback, strlen(error->traceback));
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
  if (!line_open(&line)) {
    http_end(run->client); /* without its last line it does not look whole */
    return;
  }
  line_put(&line, "end", end, strlen(end));
  if (result != NULL && result->error != NULL) put_error(&line, result->error);
  if (error != NULL && !is_timeout) line_put(&line, "message", error->message, strlen(error->message));
  send_line(run, &line);
  http_end(run->client);
}

static void on_run(daytona_future_t *future, void *user) {
  run_t *run = user;
  service_t *self = run->service;
  if (run->client != NULL) answer_end(run, future);
  self->served++;
  unlink_run(&self->running, run);
  slot_t *slot = run->slot;
  free_run(run);
  pool_give_back(slot, daytona_future_error(future) == NULL);
  if (self->signal_count != 0 && self->running == NULL) uv_timer_stop(&self->grace);
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

void run_next(service_t *self) {
  slot_t *slot = self->waiting != NULL ? pool_take(&self->pool) : NULL;
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

void run_serve(service_t *self, http_exchange_t *client) {
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

/* --- while they run ---------------------------------------------------------------------------- */

void run_resume(run_t *run) {
  if (!run->is_paused) return;
  run->is_paused = false;
  daytona_future_resume(run->future);
}

/* The code would go on until its time is over. A run that is cancelled has its sandbox deleted: see
   pool_give_back(). */
void run_forget_client(run_t *run) {
  run->client = NULL;
  if (run->future != NULL)
    daytona_future_cancel(run->future);
  else
    give_up_waiting(run, "");
}

void run_refuse_waiting(service_t *self, const char *why) {
  while (self->waiting != NULL) give_up_waiting(self->waiting, why);
}

void run_cancel_all(service_t *self) {
  for (run_t *run = self->running; run != NULL; run = run->next) daytona_future_cancel(run->future);
}
