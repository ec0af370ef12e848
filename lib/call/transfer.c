/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The common part of transfers; see transfer.h.
 */
#include "call/transfer.h"

#include <assert.h>

#include "core/memory.h"

enum { IDLE_DEFAULT_MS = 30 * 60 * 1000 };

/* Downloaded bytes are blocks of their own, not in the arena: they are not copied once more at the end. */
static void drop_results(void *result) {
  const daytona_fs_result_list_t *results = result;
  for (size_t i = 0; i < results->count; i++) daytona__free((void *)results->items[i]->bytes.data);
}

const daytona__type_t daytona__type_fs_result_list = {"fs_result_list", drop_results};

static void drop_bytes(void *result) { daytona__free((void *)((daytona_bytes_t *)result)->data); }

const daytona__type_t daytona__type_bytes = {"bytes", drop_bytes};

daytona__transfer_t *daytona__transfer_new(const char *name, const daytona__method_t *method,
                                           daytona_sandbox_t *sandbox, size_t size,
                                           const daytona_transfer_opts_t *opts,
                                           const daytona__op_kind_t *kind, daytona_future_t **future) {
  static const daytona_transfer_opts_t defaults;
  if (opts == NULL) opts = &defaults;
  daytona__transfer_t *self =
    (daytona__transfer_t *)daytona__op_new_named(name, method, NULL, sandbox, size, future);
  if (self == NULL) return NULL;
  self->op.future->op_kind = kind;
  self->on_progress = opts->on_progress;
  self->user = opts->user;
  self->total = -1;
  const char *problem = NULL;
  if (!DAYTONA__RESERVED_OK(opts)) problem = "reserved words of the options are not zero";
  if (!daytona__timeout_resolve(opts->idle_timeout_ms, IDLE_DEFAULT_MS, &self->idle_timeout_ms))
    problem = "idle_timeout_ms must be at least 0, or DAYTONA_NO_TIMEOUT";
  if (!daytona__timeout_resolve(opts->timeout_ms, DAYTONA_NO_TIMEOUT, &self->timeout_ms))
    problem = "timeout_ms must be at least 0, or DAYTONA_NO_TIMEOUT";
  if (problem == NULL) return self;
  daytona__op_reject(&self->op, DAYTONA_EINVAL, "%s", problem);
  return NULL;
}

daytona_future_t *daytona__transfer_own(daytona_future_t *future, const daytona_transfer_opts_t *opts,
                                        bool is_stream, void *stream_user) {
  if (opts == NULL) return future;
  daytona__future_own(future, opts->destroy_user, opts->user);
  if (is_stream) daytona__future_own(future, opts->destroy_stream_user, stream_user);
  return future;
}

void daytona__transfer_progress(daytona__transfer_t *self, int64_t bytes) {
  assert(bytes >= 0 && daytona__future_is_pending(self->op.future));
  self->bytes += bytes;
  if (self->on_progress == NULL || bytes == 0) return;
  daytona_transfer_progress_t progress = {self->bytes, self->total};
  daytona__loop_t *loop = daytona__loop_retain(self->op.client->loop);
  daytona__loop_enter(loop);
  self->on_progress(&progress, self->user);
  daytona__loop_leave(loop);
  daytona__loop_release(loop);
}

const char *daytona__transfer_limit_text(const daytona__transfer_t *self) {
  const char *text = daytona__arena_printf(&self->op.future->arena, "not finished within %lld ms",
                                           (long long)self->timeout_ms);
  return text != NULL ? text : daytona_errcode_text(DAYTONA_EDEADLINE);
}
