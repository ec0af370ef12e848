/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The common part of downloads; see download.h.
 */
#include "call/download.h"

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
  self->memory_left = opts != NULL && opts->max_bytes != 0 ? opts->max_bytes : DAYTONA__DOWNLOAD_DEFAULT;
  return self;
}

void daytona__download_clear(daytona__download_t *self) {
  daytona__task_cancel(&self->settle);
  daytona__task_cancel(&self->resume);
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
