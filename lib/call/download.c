/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The common part of downloads; see download.h.
 */
#include "call/download.h"

#include <assert.h>

#include "core/random.h"

enum { WAIT_FIRST_MS = 125 };

/* What is left of the time limit; INT64_MAX: there is none. */
static int64_t rest_of_limit(const daytona__download_t *self) {
  const daytona__op_t *op = &self->transfer.op;
  if (op->timeout_ms < 0 || op->began_ms < 0) return INT64_MAX;
  return op->began_ms + op->timeout_ms - daytona__loop_now(op->client->loop);
}

static void on_wait_over(daytona__timer_t *timer) {
  daytona__download_t *self = DAYTONA__CONTAINER(timer, daytona__download_t, wait);
  if (rest_of_limit(self) > 0)
    self->again(self);
  else
    daytona__op_reject(&self->transfer.op, DAYTONA_EDEADLINE, "%s",
                       daytona__transfer_limit_text(&self->transfer));
}

/* From a turn of its own: asked for inside the sink, it comes before there is a pause that it could end. */
static void on_resume_turn(daytona__task_t *task) {
  daytona__download_t *self = DAYTONA__CONTAINER(task, daytona__download_t, resume);
  if (self->transfer.op.is_requesting) daytona__http_resume_receive(&self->transfer.op.http);
}

daytona__download_t *daytona__download_new(const char *name, const daytona__method_t *method,
                                           daytona_sandbox_t *sandbox, size_t size,
                                           const daytona_transfer_opts_t *opts,
                                           const daytona__op_kind_t *kind,
                                           void (*settle)(daytona__task_t *task), daytona_future_t **future) {
  daytona__download_t *self =
    (daytona__download_t *)daytona__transfer_new(name, method, sandbox, size, opts, kind, future);
  if (self == NULL) return NULL;
  daytona__task_init(&self->settle, settle);
  daytona__task_init(&self->resume, on_resume_turn);
  daytona__timer_init(&self->wait, on_wait_over);
  daytona__arena_init(&self->exchange, 0);
  self->transfer.op.scratch = &self->exchange;
  self->transfer.op.began_ms = -1;
  self->part.size = self->part.began_s = -1;
  self->memory_left = opts != NULL && opts->max_bytes != 0 ? opts->max_bytes : DAYTONA__DOWNLOAD_DEFAULT;
  return self;
}

void daytona__download_clear(daytona__download_t *self) {
  daytona__task_cancel(&self->settle);
  daytona__task_cancel(&self->resume);
  daytona__timer_stop(&self->wait);
  daytona__arena_clear(&self->exchange);
}

void daytona__download_outgoing(daytona__download_t *self, const char *accept,
                                void (*on_head)(daytona__http_call_t *call),
                                size_t (*on_bytes)(daytona__http_call_t *call, const char *bytes,
                                                   size_t size)) {
  daytona__http_call_t *http = &self->transfer.op.http;
  http->accept = accept;
  http->on_head = on_head;
  http->sink = on_bytes;
  http->idle_timeout_ms = self->transfer.idle_timeout_ms;
  http->no_http2 = true;
  http->no_repeats = self->is_rest; /* they are counted here */
  http->is_repeat = self->is_again;
  self->is_again = false;
}

void daytona__download_settle_soon(daytona__download_t *self) {
  daytona__loop_defer(self->transfer.op.client->loop, &self->settle);
}

int daytona__download_pause(daytona__download_t *self) {
  self->is_paused = true;
  return 0;
}

int daytona__download_resume(daytona__download_t *self) {
  self->is_paused = false;
  daytona__loop_defer(self->transfer.op.client->loop, &self->resume);
  return 0;
}

void daytona__download_resolve(daytona__download_t *self, daytona__sink_t *memory) {
  daytona__op_t *op = &self->transfer.op;
  if (memory == NULL) {
    daytona__op_resolve(op, &daytona__type_none, NULL);
    return;
  }
  daytona_bytes_t *bytes = daytona__arena_alloc(&op->future->arena, sizeof *bytes);
  if (bytes == NULL || daytona__sink_take(memory, bytes) != 0)
    daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
  else
    daytona__op_resolve(op, &daytona__type_bytes, bytes);
}

/* --- after a lost connection ------------------------------------------------------------------- */

void daytona__download_note(daytona__download_t *self, const char *bytes, size_t size) {
  daytona__resume_note(&self->part, bytes, size);
  self->moved += (int64_t)size;
}

void daytona__download_file_done(daytona__download_t *self) {
  self->moved += DAYTONA__DOWNLOAD_PROGRESS;
  self->renewals = 0;
}

/* The network, or the proxy in front of the sandbox when it has no connection to it. */
bool daytona__download_is_cut(const daytona_error_t *error) {
  static const daytona_errcode_t cuts[] = {DAYTONA_ECONNECTION, DAYTONA_ETRUNCATED,  DAYTONA_ECONNECT_TIMEOUT,
                                           DAYTONA_ERESOLVE,    DAYTONA_EBADGATEWAY, DAYTONA_EUNAVAILABLE};
  for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++)
    if (error->code == cuts[i]) return true;
  return error->http_status == 504;
}

bool daytona__download_is_refused(const daytona__download_t *self, const daytona_error_t *error) {
  return self->is_rest && error->http_status >= 400 && !daytona__download_is_cut(error);
}

/* Many downloads lose their connections at once: they do not all come back in the same moment. */
static void start_wait(daytona__download_t *self, int64_t ms) {
  unsigned char dice = 0;
  int64_t rest_ms = rest_of_limit(self);
  daytona__random(&dice, 1);
  assert(!self->transfer.op.is_requesting && !daytona__timer_is_running(&self->wait));
  self->has_ended = self->is_again = true;
  ms += ms * dice / 255;
  if (ms > rest_ms) ms = rest_ms > 0 ? rest_ms : 0;
  daytona__timer_start(self->transfer.op.client->loop, &self->wait, ms);
}

bool daytona__download_wait(daytona__download_t *self) {
  if (self->moved >= DAYTONA__DOWNLOAD_PROGRESS) self->attempts = 0;
  self->moved = 0;
  if (self->attempts == DAYTONA__DOWNLOAD_ATTEMPTS_MAX) return false;
  start_wait(self, WAIT_FIRST_MS << self->attempts);
  self->attempts++;
  daytona__log(self->transfer.op.client->loop, DAYTONA_LOG_INFO,
               "download: the connection was lost after %lld bytes, attempt %u to continue",
               (long long)self->part.at, self->attempts);
  return true;
}

bool daytona__download_renew(daytona__download_t *self) {
  if (self->renewals == DAYTONA__DOWNLOAD_RENEWALS_MAX) return false;
  start_wait(self, WAIT_FIRST_MS << self->renewals);
  self->renewals++;
  daytona__log(self->transfer.op.client->loop, DAYTONA_LOG_INFO,
               "download: the file cannot be continued after %lld bytes, it is downloaded again",
               (long long)self->part.at);
  return true;
}

bool daytona__download_is_waiting(const daytona__download_t *self) {
  return daytona__timer_is_running(&self->wait);
}

void daytona__download_send(daytona__download_t *self, const void *request, bool is_rest) {
  daytona__op_t *op = &self->transfer.op;
  int64_t timeout_ms = self->transfer.timeout_ms < 0 ? DAYTONA_NO_TIMEOUT : self->transfer.timeout_ms;
  self->is_rest = is_rest;
  self->rest_code = DAYTONA_OK;
  self->has_ended = false;
  if (is_rest) {
    op->headers = daytona__resume_request(&self->part);
    op->header_count = 2;
  }
  if (daytona__op_prepare(op, request, timeout_ms) == 0) daytona__op_resend(op);
}

bool daytona__download_rest_head(daytona__download_t *self, const daytona__http_call_t *call) {
  const daytona__response_t *response = &call->response;
  self->rest_code =
    daytona__resume_accept(&self->part, response->status, response->headers, response->header_count);
  return self->rest_code == DAYTONA_OK;
}

size_t daytona__download_rest_skip(daytona__download_t *self, const char *bytes, size_t size) {
  bool is_same = true;
  daytona__resume_t *part = &self->part;
  assert(self->is_rest && self->rest_code == DAYTONA_OK);
  size_t skipped = daytona__resume_compare(part, bytes, size, &is_same);
  if (!is_same)
    self->rest_code = DAYTONA_ECHANGED;
  else if ((int64_t)(size - skipped) > part->rest_end - part->at)
    self->rest_code = DAYTONA_EPROTOCOL;
  return skipped;
}

bool daytona__download_rest_is_whole(const daytona__download_t *self) {
  return self->part.compared == self->part.overlap && self->part.at == self->part.size;
}

void daytona__download_drop(daytona__download_t *self) {
  daytona__op_t *op = &self->transfer.op;
  if (op->is_requesting) daytona__http_cancel(&op->http);
  op->is_requesting = false;
  self->has_ended = true;
}

daytona_error_t daytona__download_part_error(daytona_errcode_t code) {
  daytona_error_t error = {.code = code, .retry_after_ms = -1};
  switch (code) {
    case DAYTONA_ECHANGED: error.message = daytona_errcode_text(DAYTONA_ECHANGED); break;
    case DAYTONA_EPROTOCOL: error.message = "the rest of the file is longer than the server said"; break;
    default:
      error.code = DAYTONA_ETRUNCATED;
      error.message = "the connection was lost, and the server does not send the rest of the file";
  }
  return error;
}

daytona_error_t daytona__download_refusal(const daytona_error_t *error) {
  bool is_other = error->http_status == 412 || error->http_status == 416;
  return is_other ? daytona__download_part_error(DAYTONA_ECHANGED) : *error;
}
