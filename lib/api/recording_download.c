/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Downloads of recordings, to memory, a local file or a sink of the caller: a response whose body is the file.
 *
 * Bytes go from the transport to the sink; a sink that cannot take more stops the connection. The operation settles
 * when the transport has reported the end and the sink is settled, whichever is later; a sink that fails ends it at once.
 */
#include <daytona/recording.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "call/download.h"
#include "core/header.h"

typedef struct download {
  daytona__download_t base; /* first */
  daytona__sink_t sink;
  const char *local_path; /* NULL: not to a file */
  bool is_stream;         /* to the program */
} download_t;

/* daytona__op_path() checks the id. */
DAYTONA__METHOD(download, .prefix = "Failed to download recording: ", .verb = "GET",
                .path = "/computeruse/recordings/{}/download", .service = DAYTONA__TOOLBOX);

static int pause_download(daytona_future_t *future);
static int resume_download(daytona_future_t *future);

static const daytona__op_kind_t download_kind = {
  .name = "recording_download", .pause = pause_download, .resume = resume_download};

/* --- the sink ---------------------------------------------------------------------------------- */

/* The operation fails if the sink has. True: it has failed, and is gone. */
static bool give_up(download_t *self) {
  daytona__op_t *op = &self->base.transfer.op;
  const char *text;
  daytona_errcode_t code = daytona__sink_error(&self->sink, &text);
  if (code == DAYTONA_OK) return false;
  if (self->local_path != NULL)
    text = daytona__arena_printf(&op->future->arena, "Write failed: %s: %s", self->local_path, text);
  if (text == NULL) text = daytona_errcode_text(code);
  const daytona_error_t error = {
    .code = code, .system_errno = self->sink.system_errno, .message = text, .retry_after_ms = -1};
  daytona__op_fail(op, &error);
  return true;
}

static void on_settle(daytona__task_t *task) {
  download_t *self = DAYTONA__CONTAINER(task, download_t, base.settle);
  assert(self->base.has_ended);
  if (give_up(self) || !daytona__sink_is_settled(&self->sink)) return;
  bool is_kept = self->local_path == NULL && !self->is_stream;
  daytona__download_resolve(&self->base, is_kept ? &self->sink : NULL);
}

/* The file has room again, has its name, or has failed. */
static void on_sink_event(void *user) {
  download_t *self = user;
  if (give_up(self)) return;
  if (self->base.has_ended)
    daytona__download_settle_soon(&self->base);
  else
    daytona__http_resume_receive(&self->base.transfer.op.http);
}

/* --- from the transport ------------------------------------------------------------------------ */

/* For the progress; the transport sees to it that so many bytes come. */
static void on_head(daytona__http_call_t *call) {
  download_t *self = call->user;
  const char *text =
    daytona__header_find(call->response.headers, call->response.header_count, "Content-Length");
  char *end = NULL;
  errno = 0;
  long long length = text != NULL ? strtoll(text, &end, 10) : 0;
  if (errno == 0 && length > 0 && *end == '\0') self->base.transfer.total = length;
}

static size_t on_bytes(daytona__http_call_t *call, const char *bytes, size_t size) {
  download_t *self = call->user;
  if (self->base.is_paused) return 0;
  if (self->sink.state == DAYTONA__SINK_IDLE) daytona__sink_begin(&self->sink);
  daytona_future_t *future = daytona_future_retain(self->base.transfer.op.future);
  size_t taken = daytona__sink_put(&self->sink, bytes, size);
  bool goes_on = daytona__future_is_pending(future) && !give_up(self); /* the program may have ended it */
  if (goes_on) {
    daytona__transfer_progress(&self->base.transfer, (int64_t)taken);
    goes_on = daytona__future_is_pending(future);
  }
  daytona_future_release(future);
  return goes_on ? taken : 0;
}

static void on_done(daytona__op_t *op, const daytona_error_t *error, void *unused) {
  download_t *self = (download_t *)op;
  if (error != NULL) {
    daytona__op_fail(op, error);
    return;
  }
  self->base.has_ended = true;
  if (self->sink.state == DAYTONA__SINK_IDLE) daytona__sink_begin(&self->sink); /* an empty file */
  daytona__sink_finish(&self->sink);
  daytona__download_settle_soon(&self->base);
}

static void end_download(daytona__op_t *op) {
  download_t *self = (download_t *)op;
  daytona__download_clear(&self->base);
  daytona__sink_clear(&self->sink);
}

/* --- pauses ------------------------------------------------------------------------------------ */

static int pause_download(daytona_future_t *future) {
  return daytona__download_pause(daytona__op_of(future, &download_kind));
}

static int resume_download(daytona_future_t *future) {
  return daytona__download_resume(daytona__op_of(future, &download_kind));
}

/* --- the request ------------------------------------------------------------------------------- */

static void on_outgoing(daytona__op_t *op) {
  daytona__download_outgoing((daytona__download_t *)op, "*/*", on_head, on_bytes);
}

/* The beginning of all three; NULL: *future has failed. Give it a sink, and send_request(). */
static download_t *download_new(const char *name, daytona_sandbox_t *sandbox, const char *id,
                                const char *problem, const daytona_transfer_opts_t *opts,
                                daytona_future_t **future) {
  download_t *self = (download_t *)daytona__download_new(name, &download_method, sandbox, sizeof *self, opts,
                                                         &download_kind, on_settle, future);
  if (self == NULL) return NULL;
  daytona__op_t *op = &self->base.transfer.op;
  op->ending = end_download;
  op->outgoing = on_outgoing;
  op->done = on_done;
  if (id == NULL || id[0] == '\0') problem = "id is required";
  if (problem != NULL) {
    daytona__op_reject(op, DAYTONA_EINVAL, "%s", problem);
    return NULL;
  }
  daytona__op_path(op, id, NULL, NULL);
  return self;
}

static void send_request(download_t *self) {
  daytona__transfer_t *transfer = &self->base.transfer;
  int64_t timeout_ms = transfer->timeout_ms < 0 ? DAYTONA_NO_TIMEOUT : transfer->timeout_ms;
  if (daytona__op_prepare(&transfer->op, NULL, timeout_ms) == 0) daytona__op_send(&transfer->op);
}

daytona_future_t *daytona_recording_download(daytona_sandbox_t *sandbox, const char *id,
                                             const daytona_transfer_opts_t *opts) {
  daytona_future_t *future;
  download_t *self = download_new(__func__, sandbox, id, NULL, opts, &future);
  if (self != NULL) {
    daytona__sink_memory(&self->sink, &self->base.memory_left);
    send_request(self);
  }
  return daytona__transfer_own(future, opts, false, NULL);
}

daytona_future_t *daytona_recording_download_file(daytona_sandbox_t *sandbox, const char *id,
                                                  const char *local_path,
                                                  const daytona_transfer_opts_t *opts) {
  daytona_future_t *future;
  bool has_path = local_path != NULL && local_path[0] != '\0';
  download_t *self =
    download_new(__func__, sandbox, id, has_path ? NULL : "local_path is required", opts, &future);
  if (self != NULL) {
    daytona__op_t *op = &self->base.transfer.op;
    self->local_path = daytona__arena_strdup(&op->future->arena, local_path);
    if (self->local_path == NULL) {
      daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
    } else {
      daytona__sink_file(&self->sink, op->client->loop, self->local_path, on_sink_event, self);
      send_request(self);
    }
  }
  return daytona__transfer_own(future, opts, false, NULL);
}

daytona_future_t *daytona_recording_download_file_stream(daytona_sandbox_t *sandbox, const char *id,
                                                         daytona_fs_sink_cb sink, void *user,
                                                         const daytona_transfer_opts_t *opts) {
  daytona_future_t *future;
  download_t *self =
    download_new(__func__, sandbox, id, sink != NULL ? NULL : "sink is required", opts, &future);
  if (self != NULL) {
    self->is_stream = true;
    daytona__sink_program(&self->sink, self->base.transfer.op.client->loop, sink, user);
    send_request(self);
  }
  return daytona__transfer_own(future, opts, true, user);
}
