/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Downloads of recordings, to memory, a local file or a sink of the caller: a response whose body is the file.
 *
 * Bytes go from the transport to the sink; a sink that cannot take more stops the connection. The operation settles
 * when the transport has reported the end and the sink is settled, whichever is later; a sink that fails ends it at once.
 * When the connection is lost, the rest is requested, or the whole again; see download.h.
 */
#include <daytona/recording.h>

#include <errno.h>
#include <stdlib.h>

#include "call/download.h"
#include "core/header.h"

typedef struct download {
  daytona__download_t base; /* first */
  daytona__sink_t sink;
  const char *local_path; /* NULL: not to a file */
  bool is_stream;         /* to the program */
  const char *id;         /* copied */
  bool has_begun;         /* a response has come: from now on a lost connection is not the end */
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
  /* An event of the sink may have come just before another request was sent. */
  if (!self->base.has_ended || give_up(self) || !daytona__sink_is_settled(&self->sink)) return;
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

/* The transport sees to it that so many bytes come. */
static void on_head(daytona__http_call_t *call) {
  download_t *self = call->user;
  const daytona_header_t *headers = call->response.headers;
  size_t count = call->response.header_count;
  if (self->base.is_rest) {
    daytona__download_rest_head(&self->base, call);
    return;
  }
  const char *text = daytona__header_find(headers, count, "Content-Length");
  char *end = NULL;
  errno = 0;
  long long length = text != NULL ? strtoll(text, &end, 10) : 0;
  bool is_known = errno == 0 && length > 0 && *end == '\0';
  if (is_known) self->base.transfer.total = length;
  self->has_begun = true;
  daytona__resume_begin(&self->base.part, is_known ? length : -1, daytona__resume_clock(headers, count),
                        daytona__header_find(headers, count, "Last-Modified"));
}

static void begin_anew(download_t *self, const daytona_error_t *error);

/* Bytes that are given to the sink, behind those that repeat what it has. False: the response is of no use, and gone. */
static bool skip_known(download_t *self, const char *bytes, size_t size, size_t *skipped) {
  daytona__download_t *base = &self->base;
  *skipped = 0;
  if (!base->is_rest) return true;
  if (base->rest_code == DAYTONA_OK) *skipped = daytona__download_rest_skip(base, bytes, size);
  if (base->rest_code == DAYTONA_OK) return true;
  const daytona_error_t error = daytona__download_part_error(base->rest_code);
  daytona__download_drop(base);
  begin_anew(self, &error);
  return false;
}

static size_t on_bytes(daytona__http_call_t *call, const char *bytes, size_t size) {
  download_t *self = call->user;
  size_t skipped;
  if (self->base.is_paused || !skip_known(self, bytes, size, &skipped)) return 0;
  if (skipped == size) return size;
  if (self->sink.state == DAYTONA__SINK_IDLE) daytona__sink_begin(&self->sink);
  daytona_future_t *future = daytona_future_retain(self->base.transfer.op.future);
  size_t taken = daytona__sink_put(&self->sink, bytes + skipped, size - skipped);
  bool is_pending = daytona__future_is_pending(future) && !give_up(self); /* the program may have ended it */
  if (is_pending) {
    daytona__download_note(&self->base, bytes + skipped, taken);
    daytona__transfer_progress(&self->base.transfer, (int64_t)taken);
    is_pending = daytona__future_is_pending(future);
  }
  daytona_future_release(future);
  return is_pending ? skipped + taken : 0;
}

/* --- after a lost connection ------------------------------------------------------------------- */

static void send_request(download_t *self, bool is_rest) {
  daytona__op_t *op = &self->base.transfer.op;
  daytona__op_switch(op, &download_method);
  daytona__op_path(op, self->id, NULL, NULL);
  daytona__download_send(&self->base, NULL, is_rest);
}

static void on_again(daytona__download_t *base) {
  download_t *self = (download_t *)base;
  if (!give_up(self)) send_request(self, base->transfer.bytes > 0);
}

/* Nothing of the film is kept. */
static void give_back(download_t *self) {
  daytona__sink_restart(&self->sink);
  self->base.transfer.bytes = 0;
}

/* It cannot be continued: it is downloaded again, or fails with `error`. Nothing is under way. */
static void begin_anew(download_t *self, const daytona_error_t *error) {
  bool is_delivered = self->is_stream && self->base.transfer.bytes > 0;
  if (is_delivered || !daytona__download_renew(&self->base))
    daytona__op_fail(&self->base.transfer.op, error);
  else
    give_back(self);
}

static void carry_on(download_t *self, const daytona_error_t *error) {
  daytona__download_t *base = &self->base;
  bool is_refused = daytona__download_is_refused(base, error);
  bool is_part = base->transfer.bytes > 0;
  if (!self->has_begun || (!is_refused && !daytona__download_is_cut(error))) {
    daytona__op_fail(&base->transfer.op, error);
  } else if (is_refused || (is_part && !daytona__resume_is_possible(&base->part))) {
    const daytona_error_t refusal = daytona__download_refusal(error);
    begin_anew(self, &refusal);
  } else if (!daytona__download_wait(base)) {
    daytona__op_fail(&base->transfer.op, error);
  } else if (!is_part) {
    give_back(self);
  }
}

static void on_done(daytona__op_t *op, const daytona_error_t *error, void *unused) {
  download_t *self = (download_t *)op;
  daytona__download_t *base = &self->base;
  if (error != NULL) {
    carry_on(self, error);
  } else if (base->is_rest && base->rest_code != DAYTONA_OK) {
    const daytona_error_t useless = daytona__download_part_error(base->rest_code);
    begin_anew(self, &useless);
  } else if (base->is_rest && !daytona__download_rest_is_whole(base)) {
    const daytona_error_t short_of = {.code = DAYTONA_ETRUNCATED,
                                      .message = "the server sent less of the file than it has",
                                      .retry_after_ms = -1};
    carry_on(self, &short_of);
  } else {
    base->has_ended = true;
    if (self->sink.state == DAYTONA__SINK_IDLE) daytona__sink_begin(&self->sink); /* an empty file */
    daytona__sink_finish(&self->sink);
    daytona__download_settle_soon(base);
  }
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
  self->base.again = on_again;
  op->ending = end_download;
  op->outgoing = on_outgoing;
  op->done = on_done;
  if (id == NULL || id[0] == '\0') problem = "id is required";
  if (problem != NULL) {
    daytona__op_reject(op, DAYTONA_EINVAL, "%s", problem);
    return NULL;
  }
  self->id = daytona__arena_strdup(&op->future->arena, id);
  if (self->id != NULL) return self;
  daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
  return NULL;
}

daytona_future_t *daytona_recording_download(daytona_sandbox_t *sandbox, const char *id,
                                             const daytona_transfer_opts_t *opts) {
  daytona_future_t *future;
  download_t *self = download_new(__func__, sandbox, id, NULL, opts, &future);
  if (self != NULL) {
    daytona__sink_memory(&self->sink, &self->base.memory_left);
    send_request(self, false);
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
      send_request(self, false);
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
    send_request(self, false);
  }
  return daytona__transfer_own(future, opts, true, user);
}
