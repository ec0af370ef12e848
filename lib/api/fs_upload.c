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

#include "call/transfer.h"
#include "core/file.h"
#include "core/limits.h"
#include "core/memory.h"
#include "wire/multipart.h"

/* Looking for files in an answer that is not in order, as no answer should be, must not take for ever. */
#define LOOKS_MAX ((size_t)5 * 1000 * 1000)

/* What the caller's source fills ahead. */
enum { SOURCE_BLOCK = 64 * 1024 };

/* Of all files together: leaves the heads of parts room in an int64_t. */
#define BYTES_MAX (INT64_MAX / 2)

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
  int64_t offset;  /* in the head, the body or the end */
  int64_t moved;   /* bytes of files since the user was told */
  bool is_waiting; /* libcurl was told to wait */
  daytona__task_t pump;

  daytona__file_reader_t *reader;
  size_t reader_index; /* part that it reads */
  size_t prepared;     /* local files looked at so far */
  bool is_sending;
  daytona_errcode_t problem_code; /* why the body cannot go on; its text */
  const char *problem;

  daytona_fs_source_cb source;
  void *source_user;
  char *block;
  size_t block_start, block_end;
  bool source_is_done;
  bool source_waits; /* it said so, and nobody has resumed it since */
  bool is_resumed;
  bool is_paused; /* by the program */
} upload_t;

static int pause_upload(daytona_future_t *future);
static int resume_upload(daytona_future_t *future);

static const daytona__op_kind_t upload_kind = {
  .name = "upload", .pause = pause_upload, .resume = resume_upload};

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
    bool is_ours = self->reader != NULL && self->reader_index == self->index;
    copied = is_ours ? daytona__file_reader_take(self->reader, buffer, size) : 0;
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

static void set_problem(upload_t *self, daytona_errcode_t code, const char *text) {
  if (self->problem_code != DAYTONA_OK) return;
  self->problem_code = code;
  self->problem = text;
}

static ptrdiff_t on_source(daytona__http_call_t *call, char *buffer, size_t size) {
  upload_t *self = call->user;
  size_t done = 0;
  if (self->problem_code != DAYTONA_OK) {
    call->user_error = self->problem_code;
    return DAYTONA__HTTP_SOURCE_FAIL;
  }
  while (done < size && !self->is_paused) {
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
  if (!is_over || self->moved != 0) daytona__loop_defer(self->transfer.op.client->loop, &self->pump);
  if (done != 0 || is_over) return (ptrdiff_t)done;
  self->is_waiting = true;
  return DAYTONA__HTTP_SOURCE_WAIT;
}

/* --- filling the buffers ----------------------------------------------------------------------- */

static void on_file_event(void *user);

/* Ask the caller's source until it has nothing, the block is full, or it has ended the upload. */
static void ask_source(upload_t *self) {
  daytona_future_t *future = self->transfer.op.future; /* held by our caller, and it holds the loop */
  daytona__loop_t *loop = self->transfer.op.client->loop;
  while (self->source != NULL && !self->source_is_done && !self->source_waits &&
         self->problem_code == DAYTONA_OK) {
    if (self->block_start == self->block_end) self->block_start = self->block_end = 0;
    if (self->block_end == SOURCE_BLOCK) return;
    size_t room = SOURCE_BLOCK - self->block_end;
    self->is_resumed = false;
    daytona__loop_enter(loop);
    ptrdiff_t got = self->source(self->block + self->block_end, room, self->source_user);
    daytona__loop_leave(loop);
    if (!daytona__future_is_pending(future)) return;
    if (got == DAYTONA_SOURCE_WAIT) {
      self->source_waits =
        !self->is_resumed; /* resumed inside: asked again from the turn that this has caused */
      return;
    }
    if (got == 0)
      self->source_is_done = true;
    else if (got < 0)
      set_problem(self, DAYTONA_EIO, "the source has given up");
    else if ((size_t)got > room)
      set_problem(self, DAYTONA_EINVAL, "the source claims more bytes than there was room for");
    else
      self->block_end += (size_t)got;
  }
}

static void open_reader(upload_t *self, size_t index) {
  self->reader_index = index;
  self->reader = daytona__file_reader_new(self->transfer.op.client->loop, self->parts[index].local_path,
                                          on_file_event, self);
}

static void close_reader(upload_t *self) {
  daytona__file_reader_t *reader = self->reader;
  self->reader = NULL;
  daytona__file_reader_close(reader);
}

/* The local file whose turn it is. */
static void open_next(upload_t *self) {
  const part_t *part = self->index < self->count ? &self->parts[self->index] : NULL;
  if (self->reader != NULL && self->reader_index != self->index) close_reader(self);
  if (part == NULL || part->local_path == NULL || part->size == 0 || self->reader != NULL) return;
  open_reader(self, self->index);
  if (self->reader == NULL) set_problem(self, DAYTONA_ENOMEM, daytona_errcode_text(DAYTONA_ENOMEM));
}

static void wake(upload_t *self) {
  if (!self->is_waiting) return;
  self->is_waiting = false;
  daytona__http_resume_send(&self->transfer.op.http);
}

/* A local file wakes libcurl itself when the disk has delivered. */
static void on_pump(daytona__task_t *task) {
  upload_t *self = DAYTONA__CONTAINER(task, upload_t, pump);
  daytona_future_t *future = daytona_future_retain(self->transfer.op.future);
  int64_t moved = self->moved;
  self->moved = 0;
  daytona__transfer_progress(&self->transfer, moved);
  if (daytona__future_is_pending(future) && !self->is_paused) ask_source(self);
  if (daytona__future_is_pending(future)) {
    open_next(self);
    if (self->reader != NULL) daytona__file_reader_refill(self->reader);
    bool has_bytes = self->block_start != self->block_end || self->source_is_done;
    if ((has_bytes && !self->is_paused) || self->problem_code != DAYTONA_OK) wake(self);
  }
  daytona_future_release(future);
}

static int pause_upload(daytona_future_t *future) {
  upload_t *self = daytona__op_of(future, &upload_kind);
  self->is_paused = true; /* libcurl is told to wait when it asks next */
  return 0;
}

static int resume_upload(daytona_future_t *future) {
  upload_t *self = daytona__op_of(future, &upload_kind);
  self->is_resumed = true;
  self->source_waits = false;
  if (self->is_paused) wake(self);
  self->is_paused = false;
  if (self->is_sending) daytona__loop_defer(self->transfer.op.client->loop, &self->pump);
  return 0;
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
  size_t next_file, next_error; /* where to look first: both lists keep the order of the request */
  size_t looks;                 /* at what was not in its place */
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

/* "400: a, b" of the errors of an answer. */
static const char *join_errors(daytona__arena_t *arena, int status, const daytona_strings_t *errors) {
  daytona__strbuf_t text;
  daytona__strbuf_init(&text, DAYTONA__ERROR_MESSAGE_MAX);
  daytona__strbuf_printf(&text, "%d", status);
  for (size_t i = 0; i < errors->count; i++) {
    daytona__strbuf_puts(&text, i == 0 ? ": " : ", ");
    daytona__strbuf_puts(&text, errors->items[i]);
  }
  const char *copy = text.data != NULL ? daytona__arena_strndup(arena, text.data, text.size) : NULL;
  daytona__strbuf_clear(&text);
  return copy;
}

/* The server cuts white space off around a path. */
static bool is_path(const char *path, const char *destination) {
  destination += strspn(destination, " \t\r\n");
  size_t size = strlen(path);
  return strncmp(path, destination, size) == 0 &&
         destination[size + strspn(destination + size, " \t\r\n")] == '\0';
}

static const uploaded_t *find_file(answer_t *answer, const char *destination, size_t range) {
  for (size_t n = 0; n < answer->count && n < range && (n == 0 || answer->looks++ < LOOKS_MAX); n++) {
    size_t i = (answer->next_file + n) % answer->count;
    if (answer->files[i].path == NULL || !is_path(answer->files[i].path, destination)) continue;
    answer->next_file = i + 1; /* the same destination may come again */
    return &answer->files[i];
  }
  return NULL;
}

static bool is_about(const char *error, const char *destination) {
  destination += strspn(destination, " \t\r\n");
  size_t size = strlen(destination);
  while (size != 0 && strchr(" \t\r\n", destination[size - 1]) != NULL) size--;
  return strncmp(error, destination, size) == 0 && error[size] == ':';
}

static const char *find_error(answer_t *answer, const char *destination, size_t range) {
  size_t count = answer->errors.count;
  for (size_t n = 0; n < count && n < range && (n == 0 || answer->looks++ < LOOKS_MAX); n++) {
    size_t i = (answer->next_error + n) % count;
    if (!is_about(answer->errors.items[i], destination)) continue;
    answer->next_error = i + 1;
    return answer->errors.items[i];
  }
  return NULL;
}

/* What the answer says of file number `index`. True: it is there. */
static bool is_there(upload_t *self, size_t index, answer_t *answer, const daytona_error_t *error,
                     daytona_error_t *out) {
  const part_t *part = &self->parts[index];
  *out = (daytona_error_t){.code = DAYTONA_EFAILED, .retry_after_ms = -1};
  out->http_status = self->transfer.op.http.response.status;
  /* With an answer about all of them the place tells which is which, whatever became of the spelling. */
  bool has_all = answer->errors.count == 0 && answer->count == self->count;
  const uploaded_t *file = has_all ? &answer->files[index] : find_file(answer, part->destination, 1);
  if (file == NULL) out->message = find_error(answer, part->destination, 1);
  if (file == NULL && out->message == NULL) file = find_file(answer, part->destination, SIZE_MAX);
  if (file != NULL) {
    if (!file->bytes.is_set || part->size < 0 || file->bytes.value == part->size) return true;
    out->code = DAYTONA_ETRUNCATED;
    out->message = "the sandbox has written another number of bytes than were sent";
    return false;
  }
  if (error == NULL && answer->errors.count == 0 && answer->count == 0)
    return true; /* old servers say nothing */
  if (out->message == NULL) out->message = find_error(answer, part->destination, SIZE_MAX);
  if (out->message == NULL) out->message = "the sandbox does not say that the file was written";
  return false;
}

static void resolve_many(upload_t *self, answer_t *answer, const daytona_error_t *error) {
  daytona__op_t *op = &self->transfer.op;
  daytona__arena_t *arena = &op->future->arena;
  daytona_error_t own;
  daytona_fs_result_list_t *results = daytona__arena_alloc(arena, sizeof *results);
  daytona_fs_result_t *items = daytona__arena_array(arena, self->count, sizeof *items);
  if (results == NULL || items == NULL) {
    daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
    return;
  }
  for (size_t i = 0; i < self->count; i++) {
    items[i].path = self->parts[i].destination;
    items[i].local_path = self->parts[i].local_path;
    if (is_there(self, i, answer, error, &own)) {
      items[i].size = self->parts[i].size;
      continue;
    }
    items[i].error = daytona__error_copy(arena, &own, upload_endpoint.prefix);
    results->failed_count++;
  }
  results->items = items;
  results->count = self->count;
  daytona__op_resolve(op, &daytona__type_fs_results, results);
}

static void resolve_one(upload_t *self, answer_t *answer, const daytona_error_t *error) {
  daytona__op_t *op = &self->transfer.op;
  daytona_error_t own;
  if (error != NULL) { /* with a list of what went wrong */
    own = *error;
    own.code = DAYTONA_EFAILED;
    own.message = join_errors(&op->future->arena, error->http_status, &answer->errors);
    daytona__op_fail(op, &own);
  } else if (is_there(self, 0, answer, NULL, &own)) {
    daytona__op_resolve(op, &daytona__type_none, NULL);
  } else {
    daytona__op_fail(op, &own);
  }
}

static void fail_upload(upload_t *self, const daytona_error_t *error) {
  daytona_error_t own = *error;
  if (self->problem_code != DAYTONA_OK && error->code == self->problem_code) own.message = self->problem;
  daytona__op_fail(&self->transfer.op, &own);
}

static void on_answer(daytona__op_t *op, const daytona_error_t *error, void *unused) {
  upload_t *self = (upload_t *)op;
  const daytona__response_t *response = &op->http.response;
  answer_t nothing = {0};
  void *decoded = NULL;
  int rc = DAYTONA_EPROTOCOL;
  if (response->body_size != 0 && (error == NULL || error->http_status >= 400))
    rc = daytona__json_decode(&op->future->arena, &answer_model, response->body, response->body_size,
                              &decoded, NULL);
  answer_t *answer = rc == 0 ? decoded : &nothing;
  bool is_partial = error != NULL && answer->errors.count != 0;
  if (error != NULL && !is_partial)
    fail_upload(self, error);
  else if (rc == DAYTONA_ENOMEM)
    daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
  else if (error == NULL && response->body_size != 0 &&
           rc != 0) /* a page of something in between, or half an answer */
    daytona__op_reject(op, DAYTONA_EPROTOCOL, "the answer is not one of a sandbox");
  else if (self->is_many)
    resolve_many(self, answer, error);
  else
    resolve_one(self, answer, error);
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
  op->http.max_error_body = DAYTONA__JSON_BODY_MAX; /* it tells of all files, as success does */
  op->http.no_http2 = true;
  op->http.user = self;
}

static void send_request(upload_t *self) {
  daytona__op_t *op = &self->transfer.op;
  self->transfer.total = 0;
  for (size_t i = 0; i < self->count; i++) {
    if (self->parts[i].size > BYTES_MAX - self->transfer.total) {
      daytona__op_reject(op, DAYTONA_ELIMIT, "more bytes than one request can have");
      return;
    }
    if (self->parts[i].size < 0) self->transfer.total = -1; /* the caller's source, which is alone */
    if (self->transfer.total >= 0) self->transfer.total += self->parts[i].size;
  }
  self->is_sending = true;
  op->done = on_answer;
  op->outgoing = on_outgoing;
  if (daytona__op_prepare(
        op, NULL, self->transfer.timeout_ms < 0 ? DAYTONA_NO_TIMEOUT : self->transfer.timeout_ms) == 0)
    daytona__op_send(op);
}

/* Look at the next local file, so that none that cannot be read is found out in the middle. */
static void prepare_next(upload_t *self) {
  while (self->prepared < self->count && self->parts[self->prepared].local_path == NULL) self->prepared++;
  if (self->prepared == self->count) {
    send_request(self);
    return;
  }
  open_reader(self, self->prepared);
  if (self->reader == NULL) daytona__op_fail(&self->transfer.op, daytona__error_static(DAYTONA_ENOMEM));
}

static void on_prepared(upload_t *self) {
  const char *text;
  part_t *part = &self->parts[self->prepared];
  daytona_errcode_t code = daytona__file_reader_error(self->reader, &text);
  if (code != DAYTONA_OK) {
    daytona__op_reject(&self->transfer.op, code, "%s: %s", part->local_path, text);
    return;
  }
  if (!daytona__file_reader_is_open(self->reader)) return;
  part->size = daytona__file_reader_size(self->reader);
  self->prepared++;
  if (self->count > 1) close_reader(self); /* many are opened one by one; a single one stays open */
  prepare_next(self);
}

static void on_file_event(void *user) {
  upload_t *self = user;
  const char *text;
  if (!self->is_sending) {
    on_prepared(self);
    return;
  }
  const part_t *part = &self->parts[self->reader_index];
  daytona_errcode_t code = daytona__file_reader_error(self->reader, &text);
  if (code != DAYTONA_OK)
    set_problem(self, code,
                daytona__arena_printf(&self->transfer.op.future->arena, "%s: %s", part->local_path, text));
  else if (daytona__file_reader_is_open(self->reader) &&
           daytona__file_reader_size(self->reader) != part->size)
    set_problem(self, DAYTONA_EIO, "a local file has changed its size since it was looked at");
  wake(self);
}

static void end_upload(daytona__op_t *op) {
  upload_t *self = (upload_t *)op;
  daytona__task_cancel(&self->pump);
  close_reader(self);
}

/* Make the operation and its parts. NULL: *future has failed. */
static upload_t *upload_new(daytona_sandbox_t *sandbox, const daytona_fs_upload_item_t *items, size_t count,
                            const daytona_transfer_opts_t *opts, daytona_future_t **future) {
  upload_t *self =
    (upload_t *)daytona__transfer_new(&upload_endpoint, sandbox, sizeof *self, opts, &upload_kind, future);
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
    if (path == NULL || path[strspn(path, " \t\r\n")] == '\0')
      problem = "the path in the sandbox is required";
    if (items[i].local_path == NULL && items[i].bytes == NULL && items[i].size != 0)
      problem = "bytes are NULL";
    if (items[i].local_path == NULL && items[i].size > (size_t)INT64_MAX)
      problem = "the size is no size of bytes in memory";
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
  daytona_fs_upload_item_t item = {.destination = remote_path,
                                   .local_path = local_path != NULL ? local_path : ""};
  return upload_one(sandbox, &item, opts);
}

daytona_future_t *daytona_fs_upload_file_stream(daytona_sandbox_t *sandbox, daytona_fs_source_cb source,
                                                void *user, const char *remote_path,
                                                const daytona_transfer_opts_t *opts) {
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

daytona_future_t *daytona_fs_upload_files(daytona_sandbox_t *sandbox, const daytona_fs_upload_item_t *items,
                                          size_t count, const daytona_transfer_opts_t *opts) {
  daytona_future_t *future;
  upload_t *self = upload_new(sandbox, items, count, opts, &future);
  if (self == NULL) return future;
  self->is_many = true;
  prepare_next(self);
  return future;
}
