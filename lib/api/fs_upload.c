/*
 * Uploads: one request for any number of files, from memory, local files or a source of the caller.
 *
 * libcurl asks for bytes with itself on the stack; there, only what is at hand is copied: heads of parts, memory, and
 * what a local file or the caller's source has put into a buffer before. pump() fills these buffers in turns of the
 * loop and wakes libcurl up.
 *
 *   prepare (look at each local file) -> request: head, bytes, head, bytes, ..., end -> answer
 */
#include <stdio.h>
#include <string.h>

#include "api/transfer.h"
#include "core/file.h"
#include "core/limits.h"
#include "core/memory.h"
#include "wire/multipart.h"

/* What the caller's source fills ahead. */
enum { SOURCE_BLOCK = 64 * 1024 };

typedef struct part {
  const char *destination, *local_path, *head;
  const char *bytes;
  int64_t size; /* -1: not known, the caller's source */
} part_t;

typedef struct upload {
  daytona__transfer_t transfer; /* first */
  char boundary[DAYTONA__BOUNDARY_MAX + 1], content_type[DAYTONA__BOUNDARY_MAX + 40];
  part_t *parts;
  size_t count;
  bool is_many;
  const char *end;

  /* where the request is */
  size_t index; /* part; `count`: the end */
  bool is_in_body;
  int64_t offset; /* in the head, the body or the end */
  int64_t moved;  /* bytes of files since the user was told */
  bool is_waiting; /* libcurl was told to wait */
  daytona__task_t pump;

  daytona__file_reader_t *reader;
  size_t prepared; /* local files looked at so far */
  bool is_sending;

  daytona_fs_source_cb source;
  void *source_user;
  char *block;
  size_t block_start, block_end;
  bool source_is_done, source_has_failed;
} upload_t;

static const daytona__endpoint_t upload_endpoint = {.prefix = "Failed to upload files: ",
                                                    .method = "POST",
                                                    .path = "/files/bulk-upload",
                                                    .service = DAYTONA__TOOLBOX};

/* --- what libcurl gets ------------------------------------------------------------------------- */

static size_t copy_text(upload_t *self, const char *text, char *buffer, size_t size) {
  size_t left = strlen(text) - (size_t)self->offset;
  if (size > left) size = left;
  memcpy(buffer, text + self->offset, size);
  self->offset += (int64_t)size;
  return size;
}

static void next_phase(upload_t *self) {
  self->offset = 0;
  if (self->is_in_body) self->index++;
  self->is_in_body = !self->is_in_body && self->index < self->count;
}

/* Bytes of the part's body that are at hand. */
static size_t copy_body(upload_t *self, const part_t *part, char *buffer, size_t size) {
  size_t copied;
  if (part->local_path != NULL) {
    copied = self->reader != NULL ? daytona__file_reader_take(self->reader, buffer, size) : 0;
  } else if (part->size < 0) {
    copied = self->block_end - self->block_start < size ? self->block_end - self->block_start : size;
    memcpy(buffer, self->block + self->block_start, copied);
    self->block_start += copied;
  } else {
    int64_t left = part->size - self->offset;
    copied = (int64_t)size < left ? size : (size_t)left;
    if (copied != 0) memcpy(buffer, part->bytes + self->offset, copied);
  }
  self->offset += (int64_t)copied;
  self->moved += (int64_t)copied;
  return copied;
}

static bool body_is_done(const upload_t *self, const part_t *part) {
  if (part->size < 0) return self->source_is_done && self->block_start == self->block_end;
  return self->offset == part->size;
}

static bool has_failed(const upload_t *self) {
  const char *text;
  return self->source_has_failed ||
         (self->reader != NULL && daytona__file_reader_error(self->reader, &text) != DAYTONA_OK);
}

static ptrdiff_t on_source(daytona__http_call_t *call, char *buffer, size_t size) {
  upload_t *self = call->user;
  size_t done = 0;
  while (done < size) {
    if (!self->is_in_body) {
      const char *text = self->index < self->count ? self->parts[self->index].head : self->end;
      size_t copied = copy_text(self, text, buffer + done, size - done);
      done += copied;
      if ((size_t)self->offset != strlen(text)) continue;
      if (self->index == self->count) break;
      next_phase(self);
      continue;
    }
    const part_t *part = &self->parts[self->index];
    size_t copied = copy_body(self, part, buffer + done, size - done);
    done += copied;
    if (body_is_done(self, part))
      next_phase(self);
    else if (copied == 0)
      break;
  }
  bool is_over = self->index == self->count && !self->is_in_body && (size_t)self->offset == strlen(self->end);
  if (done == 0 && has_failed(self)) {
    call->user_error = DAYTONA_EIO;
    return DAYTONA__HTTP_SOURCE_FAIL;
  }
  if (!is_over || self->moved != 0) daytona__loop_defer(self->transfer.op.client->loop, &self->pump);
  if (done != 0 || is_over) return (ptrdiff_t)done;
  self->is_waiting = true;
  return DAYTONA__HTTP_SOURCE_WAIT;
}

/* --- filling the buffers ----------------------------------------------------------------------- */

static void on_file_event(void *user);

/* Ask the caller's source until it has nothing, the block is full, or it has ended the upload. */
static void ask_source(upload_t *self) {
  daytona_future_t *future = self->transfer.op.future;
  daytona__loop_t *loop = self->transfer.op.client->loop;
  while (self->source != NULL && !self->source_is_done && !self->source_has_failed) {
    if (self->block_start == self->block_end) self->block_start = self->block_end = 0;
    if (self->block_end == SOURCE_BLOCK) return;
    size_t room = SOURCE_BLOCK - self->block_end;
    daytona__loop_enter(loop);
    ptrdiff_t got = self->source(self->block + self->block_end, room, self->source_user);
    daytona__loop_leave(loop);
    if (!daytona__future_is_pending(future) || got == DAYTONA_SOURCE_WAIT) return;
    if (got == 0)
      self->source_is_done = true;
    else if (got < 0 || (size_t)got > room)
      self->source_has_failed = true;
    else
      self->block_end += (size_t)got;
  }
}

/* The local file whose turn it is. */
static void open_next(upload_t *self) {
  const part_t *part = self->index < self->count ? &self->parts[self->index] : NULL;
  if (self->reader != NULL && (part == NULL || daytona__file_reader_is_done(self->reader)) && self->offset == 0) {
    daytona__file_reader_close(self->reader);
    self->reader = NULL;
  }
  if (part == NULL || part->local_path == NULL || self->reader != NULL) return;
  self->reader = daytona__file_reader_new(self->transfer.op.client->loop, part->local_path, on_file_event, self);
  if (self->reader == NULL) self->source_has_failed = true;
}

static void wake(upload_t *self) {
  if (!self->is_waiting) return;
  self->is_waiting = false;
  daytona__http_resume_send(&self->transfer.op.http);
}

static void on_pump(daytona__task_t *task) {
  upload_t *self = DAYTONA__CONTAINER(task, upload_t, pump);
  daytona_future_t *future = daytona_future_retain(self->transfer.op.future);
  int64_t moved = self->moved;
  self->moved = 0;
  daytona__transfer_progress(&self->transfer, moved);
  if (daytona__future_is_pending(future)) ask_source(self);
  if (daytona__future_is_pending(future)) {
    open_next(self);
    if (self->reader != NULL) daytona__file_reader_refill(self->reader);
    bool has_bytes = self->block_start != self->block_end || self->source_is_done || has_failed(self);
    if (self->source == NULL || has_bytes) wake(self);
  }
  daytona_future_release(future);
}

static void on_resume(daytona__transfer_t *transfer) {
  upload_t *self = (upload_t *)transfer;
  if (self->is_sending) daytona__loop_defer(transfer->op.client->loop, &self->pump);
}

/* --- the answer -------------------------------------------------------------------------------- */

typedef struct uploaded {
  const char *path;
  daytona_opt_int_t bytes;
} uploaded_t;

typedef struct answer {
  const uploaded_t *files;
  size_t count;
  daytona_strings_t errors;
} answer_t;

static const daytona__json_field_t uploaded_fields[] = {
  DAYTONA__FIELD(uploaded_t, STRING, path, "path"),
  DAYTONA__FIELD(uploaded_t, OPT_INT, bytes, "bytes"),
};
static DAYTONA__MODEL(uploaded_model, uploaded_t, "UploadedFile", uploaded_fields);

static const daytona__json_field_t answer_fields[] = {
  DAYTONA__FIELD_ARRAY(answer_t, files, count, "files", &uploaded_model),
  DAYTONA__FIELD(answer_t, STRINGS, errors, "errors"),
};
static DAYTONA__MODEL(answer_model, answer_t, "UploadResponse", answer_fields);

/* "400: a; b" of the errors of an answer. */
static const char *join_errors(daytona__arena_t *arena, int status, const daytona_strings_t *errors) {
  const char *text = daytona__arena_printf(arena, "%d", status);
  for (size_t i = 0; text != NULL && i < errors->count; i++)
    text = daytona__arena_printf(arena, "%s%s%s", text, i == 0 ? ": " : ", ", errors->items[i]);
  return text;
}

static bool is_about(const char *error, const char *destination) {
  size_t size = strlen(destination);
  return strncmp(error, destination, size) == 0 && error[size] == ':';
}

/* What the answer says of one file: NULL if it is there. */
static const daytona_error_t *verdict(upload_t *self, const part_t *part, const answer_t *answer,
                                      const daytona_error_t *error) {
  daytona__arena_t *arena = &self->transfer.op.future->arena;
  daytona_error_t own = {.code = DAYTONA_EFAILED, .retry_after_ms = -1};
  own.http_status = error != NULL ? error->http_status : 0;
  for (size_t i = 0; i < answer->errors.count; i++) {
    if (!is_about(answer->errors.items[i], part->destination)) continue;
    own.message = answer->errors.items[i];
    return daytona__error_copy(arena, &own, upload_endpoint.prefix);
  }
  for (size_t i = 0; i < answer->count; i++) {
    const uploaded_t *file = &answer->files[i];
    if (file->path == NULL || strcmp(file->path, part->destination) != 0) continue;
    if (!file->bytes.is_set || part->size < 0 || file->bytes.value == part->size) return NULL;
    own.code = DAYTONA_ETRUNCATED;
    own.message = "the sandbox has written another number of bytes than were sent";
    return daytona__error_copy(arena, &own, upload_endpoint.prefix);
  }
  if (error == NULL && answer->errors.count == 0) return NULL; /* servers may leave the list out */
  own.message = "the sandbox does not say that the file was written";
  return daytona__error_copy(arena, &own, upload_endpoint.prefix);
}

static void resolve_many(upload_t *self, const answer_t *answer, const daytona_error_t *error) {
  daytona__op_t *op = &self->transfer.op;
  daytona__arena_t *arena = &op->future->arena;
  daytona_fs_results_t *results = daytona__arena_alloc(arena, sizeof *results);
  daytona_fs_result_t *items = daytona__arena_array(arena, self->count, sizeof *items);
  if (results == NULL || items == NULL) {
    daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
    return;
  }
  for (size_t i = 0; i < self->count; i++) {
    items[i].path = self->parts[i].destination;
    items[i].local_path = self->parts[i].local_path;
    items[i].size = self->parts[i].size;
    items[i].error = verdict(self, &self->parts[i], answer, error);
    results->failed_count += items[i].error != NULL;
  }
  results->items = items;
  results->count = self->count;
  daytona__op_resolve(op, &daytona__type_fs_results, results);
}

static void fail_upload(upload_t *self, const daytona_error_t *error) {
  daytona_error_t own = *error;
  const char *text = NULL;
  if (self->reader != NULL && daytona__file_reader_error(self->reader, &text) != DAYTONA_OK) {
    own.code = DAYTONA_EIO;
    own.message = daytona__arena_printf(&self->transfer.op.future->arena, "%s: %s",
                                        self->parts[self->index < self->count ? self->index : 0].local_path, text);
  } else if (self->source_has_failed && error->code == DAYTONA_EIO) {
    own.message = "the source has given up";
  }
  daytona__op_fail(&self->transfer.op, &own);
}

static void on_answer(daytona__op_t *op, const daytona_error_t *error, void *unused) {
  upload_t *self = (upload_t *)op;
  const daytona__strbuf_t *body = &op->http.response_body;
  static const answer_t nothing;
  void *decoded = NULL;
  bool is_answer = body->size != 0 && (error == NULL || error->http_status >= 400) &&
                   daytona__json_decode(&op->future->arena, &answer_model, body->data, body->size, &decoded,
                                        NULL) == 0;
  const answer_t *answer = is_answer ? decoded : &nothing;
  bool is_partial = error != NULL && is_answer && answer->errors.count != 0;
  if (error != NULL && !is_partial) {
    fail_upload(self, error);
  } else if (self->is_many) {
    resolve_many(self, answer, error);
  } else if (is_partial) {
    daytona_error_t own = *error;
    own.code = DAYTONA_EFAILED;
    own.message = join_errors(&op->future->arena, error->http_status, &answer->errors);
    daytona__op_fail(op, &own);
  } else {
    const daytona_error_t *problem = verdict(self, &self->parts[0], answer, NULL);
    if (problem != NULL) {
      daytona_error_t own = *problem;
      own.message += strlen(upload_endpoint.prefix);
      daytona__op_fail(op, &own);
    } else {
      daytona__op_resolve(op, &daytona__type_none, NULL);
    }
  }
}

/* --- the request ------------------------------------------------------------------------------- */

static void on_outgoing(daytona__op_t *op) {
  upload_t *self = (upload_t *)op;
  op->http.source = on_source;
  op->http.source_size = self->transfer.total < 0 ? -1 : (int64_t)strlen(self->end);
  for (size_t i = 0; i < self->count && op->http.source_size >= 0; i++)
    op->http.source_size += (int64_t)strlen(self->parts[i].head) + self->parts[i].size;
  op->http.content_type = self->content_type;
  op->http.idle_timeout_ms = self->transfer.idle_timeout_ms;
  op->http.no_http2 = true;
  op->http.user = self;
}

static void send_request(upload_t *self) {
  daytona__op_t *op = &self->transfer.op;
  self->transfer.total = 0;
  for (size_t i = 0; i < self->count; i++) {
    if (self->parts[i].size < 0) self->transfer.total = -1;
    if (self->transfer.total >= 0) self->transfer.total += self->parts[i].size;
  }
  self->is_sending = true;
  op->done = on_answer;
  op->outgoing = on_outgoing;
  if (daytona__op_prepare(op, NULL, self->transfer.timeout_ms < 0 ? DAYTONA_NO_TIMEOUT : self->transfer.timeout_ms) == 0)
    daytona__op_send(op);
}

/* Look at the next local file, so that none that cannot be read is found out in the middle. */
static void prepare_next(upload_t *self) {
  while (self->prepared < self->count && self->parts[self->prepared].local_path == NULL) self->prepared++;
  if (self->prepared == self->count) {
    send_request(self);
    return;
  }
  self->reader = daytona__file_reader_new(self->transfer.op.client->loop, self->parts[self->prepared].local_path,
                                          on_file_event, self);
  if (self->reader == NULL) daytona__op_fail(&self->transfer.op, daytona__error_static(DAYTONA_ENOMEM));
}

static void on_prepared(upload_t *self) {
  const char *text;
  part_t *part = &self->parts[self->prepared];
  if (daytona__file_reader_error(self->reader, &text) != DAYTONA_OK) {
    daytona__op_reject(&self->transfer.op, DAYTONA_EIO, "%s: %s", part->local_path, text);
    return;
  }
  if (!daytona__file_reader_is_open(self->reader)) return;
  part->size = daytona__file_reader_size(self->reader);
  self->prepared++;
  if (self->count > 1) { /* many are opened one by one; a single one stays open */
    daytona__file_reader_close(self->reader);
    self->reader = NULL;
  }
  prepare_next(self);
}

static void on_file_event(void *user) {
  upload_t *self = user;
  if (!self->is_sending) {
    on_prepared(self);
    return;
  }
  if (daytona__file_reader_is_open(self->reader) &&
      daytona__file_reader_size(self->reader) != self->parts[self->index < self->count ? self->index : 0].size)
    self->source_has_failed = true; /* it has changed since it was looked at */
  wake(self);
}

static void end_upload(daytona__op_t *op) {
  upload_t *self = (upload_t *)op;
  daytona__file_reader_t *reader = self->reader;
  daytona__task_cancel(&self->pump);
  self->reader = NULL;
  daytona__file_reader_close(reader);
}

/* Make the operation and its parts. NULL: *future has failed. */
static upload_t *upload_new(daytona_sandbox_t *sandbox, const daytona_fs_upload_item_t *items, size_t count,
                            const daytona_transfer_opts_t *opts, daytona_future_t **future) {
  upload_t *self = (upload_t *)daytona__transfer_new(&upload_endpoint, sandbox, sizeof *self, opts, on_resume, future);
  if (self == NULL) return NULL;
  daytona__op_t *op = &self->transfer.op;
  daytona__arena_t *arena = &op->future->arena;
  daytona__task_init(&self->pump, on_pump);
  op->ending = end_upload;
  const char *problem = NULL;
  if (count > DAYTONA__TRANSFER_ITEMS_MAX) problem = "too many files in one call";
  if (count == 0 || items == NULL) problem = "no files are given";
  for (size_t i = 0; i < count && problem == NULL; i++) {
    const char *path = items[i].destination;
    if (path == NULL || path[strspn(path, " \t\r\n")] == '\0') problem = "the path in the sandbox is required";
    if (items[i].local_path == NULL && items[i].bytes == NULL && items[i].size != 0) problem = "bytes are NULL";
    if (items[i].local_path != NULL && items[i].local_path[0] == '\0') problem = "local_path is empty";
  }
  if (problem != NULL) {
    daytona__op_reject(op, DAYTONA_EINVAL, "%s", problem);
    return NULL;
  }
  self->parts = daytona__arena_array(arena, count, sizeof *self->parts);
  self->count = count;
  bool is_short = self->parts == NULL || daytona__multipart_boundary(self->boundary) != 0 ||
                  (self->end = daytona__multipart_end(arena, self->boundary)) == NULL;
  for (size_t i = 0; i < count && !is_short; i++) {
    part_t *part = &self->parts[i];
    part->destination = daytona__arena_strdup(arena, items[i].destination);
    part->local_path = daytona__arena_strdup(arena, items[i].local_path);
    part->head = daytona__multipart_file_head(arena, self->boundary, i, items[i].destination);
    part->bytes = items[i].bytes;
    part->size = (int64_t)items[i].size;
    is_short = part->destination == NULL || part->head == NULL ||
               (part->local_path == NULL && items[i].local_path != NULL);
  }
  if (is_short) {
    daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
    return NULL;
  }
  snprintf(self->content_type, sizeof self->content_type, "multipart/form-data; boundary=%s", self->boundary);
  return self;
}

static daytona_future_t *upload_one(daytona_sandbox_t *sandbox, const daytona_fs_upload_item_t *item,
                                    const daytona_transfer_opts_t *opts) {
  daytona_future_t *future;
  upload_t *self = upload_new(sandbox, item, 1, opts, &future);
  if (self != NULL) prepare_next(self);
  return future;
}

daytona_future_t *daytona_fs_upload(daytona_sandbox_t *sandbox, const void *bytes, size_t size,
                                    const char *remote_path, const daytona_transfer_opts_t *opts) {
  daytona_fs_upload_item_t item = {.destination = remote_path, .bytes = bytes, .size = size};
  return upload_one(sandbox, &item, opts);
}

daytona_future_t *daytona_fs_upload_file(daytona_sandbox_t *sandbox, const char *local_path,
                                         const char *remote_path, const daytona_transfer_opts_t *opts) {
  daytona_fs_upload_item_t item = {.destination = remote_path, .local_path = local_path != NULL ? local_path : ""};
  return upload_one(sandbox, &item, opts);
}

daytona_future_t *daytona_fs_upload_stream(daytona_sandbox_t *sandbox, daytona_fs_source_cb source, void *user,
                                           const char *remote_path, const daytona_transfer_opts_t *opts) {
  daytona_future_t *future;
  daytona_fs_upload_item_t item = {.destination = remote_path};
  upload_t *self = upload_new(sandbox, &item, 1, opts, &future);
  if (self == NULL) return future;
  if (source == NULL) return daytona__op_reject(&self->transfer.op, DAYTONA_EINVAL, "source is required");
  self->parts[0].size = -1;
  self->source = source;
  self->source_user = user;
  self->block = daytona__arena_alloc(&future->arena, SOURCE_BLOCK);
  if (self->block == NULL)
    daytona__op_fail(&self->transfer.op, daytona__error_static(DAYTONA_ENOMEM));
  else
    send_request(self);
  return future;
}

daytona_future_t *daytona_fs_upload_many(daytona_sandbox_t *sandbox, const daytona_fs_upload_item_t *items,
                                         size_t count, const daytona_transfer_opts_t *opts) {
  daytona_future_t *future;
  upload_t *self = upload_new(sandbox, items, count, opts, &future);
  if (self == NULL) return future;
  self->is_many = true;
  prepare_next(self);
  return future;
}
