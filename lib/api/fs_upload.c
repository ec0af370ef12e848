/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uploads: one request for any number of files, from memory, local files or a source of the caller.
 *
 * libcurl asks for bytes with itself on the stack; there, only what is at hand is copied: headers of parts, and what
 * their bodies have. on_pump() has the bodies get more in turns of the loop, and wakes libcurl up.
 *
 *   LOOKING (at each local file, for its size) -> SENDING <-> STARVED -> SENT
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "call/body.h"
#include "call/transfer.h"
#include "core/limits.h"
#include "core/memory.h"
#include "wire/multipart.h"

/* Looking for files in a response that is not in order, as no response should be, must not take for ever. */
#define LOOKS_MAX ((size_t)5 * 1000 * 1000)

/* Of all files together: leaves the headers of parts room in an int64_t. */
#define BYTES_MAX (INT64_MAX / 2)

typedef enum phase {
  LOOKING,
  SENDING,
  STARVED, /* libcurl waits for more */
  SENT     /* it has all bytes */
} phase_t;

typedef struct part {
  const char *destination, *local_path, *head;
  daytona__body_t body;
} part_t;

typedef struct upload {
  daytona__transfer_t transfer; /* first */
  phase_t phase;
  char boundary[DAYTONA__BOUNDARY_MAX + 1], content_type[DAYTONA__BOUNDARY_MAX + 40];
  part_t *parts;
  size_t count;
  bool is_many;
  const char *end;
  bool is_paused; /* by the program */

  /* the request is a row of segments: headers, a body, headers, a body, ..., the end */
  size_t segment;
  size_t offset; /* in headers or the end */
  int64_t moved; /* bytes of files since the last progress callback */
  daytona__task_t pump;

  size_t looked; /* parts whose size is known; those before */
  int64_t began_ms;
  daytona__timer_t deadline; /* while looking */
} upload_t;

static int pause_upload(daytona_future_t *future);
static int resume_upload(daytona_future_t *future);

static const daytona__op_kind_t upload_kind = {
  .name = "upload", .pause = pause_upload, .resume = resume_upload};

DAYTONA__METHOD(upload, .prefix = "Failed to upload files: ", .verb = "POST", .path = "/files/bulk-upload",
                .service = DAYTONA__TOOLBOX);

static void set_phase(upload_t *self, phase_t to) {
  static const unsigned allowed[] = {
    [LOOKING] = 1u << SENDING, [SENDING] = 1u << STARVED | 1u << SENT, [STARVED] = 1u << SENDING, [SENT] = 0};
  assert((allowed[self->phase] & 1u << to) != 0);
  assert(to != SENDING || self->looked == self->count);
  assert((to == SENT) == (self->segment > 2 * self->count));
  self->phase = to;
}

/* --- what libcurl gets ------------------------------------------------------------------------- */

/* The body whose turn it is; NULL: that of headers, of the end, or none. */
static daytona__body_t *current_body(upload_t *self) {
  bool is_body = self->segment % 2 != 0 && self->segment < 2 * self->count;
  return is_body ? &self->parts[self->segment / 2].body : NULL;
}

/* Copy from the headers or the end, whichever is next. */
static size_t copy_text(upload_t *self, char *buffer, size_t size) {
  const char *text = self->segment == 2 * self->count ? self->end : self->parts[self->segment / 2].head;
  size_t left = strlen(text) - self->offset;
  if (size > left) size = left;
  memcpy(buffer, text + self->offset, size);
  self->offset += size;
  if (text[self->offset] == '\0') {
    self->offset = 0;
    self->segment++;
  }
  return size;
}

static size_t copy_body(upload_t *self, daytona__body_t *body, char *buffer, size_t size) {
  size_t copied = daytona__body_take(body, buffer, size);
  self->moved += (int64_t)copied;
  if (daytona__body_is_done(body)) self->segment++;
  return copied;
}

static ptrdiff_t on_source(daytona__http_call_t *call, char *buffer, size_t size) {
  upload_t *self = call->user;
  daytona__body_t *body = current_body(self);
  size_t done = 0;
  const char *text;
  assert(self->phase != LOOKING);
  if (body != NULL && (call->user_error = daytona__body_error(body, &text)) != DAYTONA_OK)
    return DAYTONA__HTTP_SOURCE_FAIL;
  if (self->phase == STARVED) set_phase(self, SENDING);
  while (done < size && self->segment <= 2 * self->count && !self->is_paused) {
    size_t segment = self->segment;
    body = current_body(self);
    size_t copied = body != NULL ? copy_body(self, body, buffer + done, size - done)
                                 : copy_text(self, buffer + done, size - done);
    done += copied;
    if (copied == 0 && self->segment == segment) break;
  }
  if (self->phase == SENDING && self->segment > 2 * self->count) set_phase(self, SENT);
  if (self->phase != SENT || self->moved != 0)
    daytona__loop_defer(self->transfer.op.client->loop, &self->pump);
  if (done != 0 || self->phase == SENT) return (ptrdiff_t)done;
  set_phase(self, STARVED);
  return DAYTONA__HTTP_SOURCE_WAIT;
}

/* --- keeping bytes at hand --------------------------------------------------------------------- */

/* Have libcurl ask again, if it waits and there is something for it: bytes, or a failure, paused or not. */
static void wake(upload_t *self) {
  daytona__body_t *body = current_body(self);
  const char *text;
  bool has_failed = body != NULL && daytona__body_error(body, &text) != DAYTONA_OK;
  bool is_ready = body == NULL || daytona__body_is_ready(body);
  if (self->phase == STARVED && (has_failed || (is_ready && !self->is_paused)))
    daytona__http_resume_send(&self->transfer.op.http);
}

static void on_pump(daytona__task_t *task) {
  upload_t *self = DAYTONA__CONTAINER(task, upload_t, pump);
  daytona_future_t *future = daytona_future_retain(self->transfer.op.future);
  daytona__body_t *body = current_body(self);
  int64_t moved = self->moved;
  self->moved = 0;
  daytona__transfer_progress(&self->transfer, moved);
  if (daytona__future_is_pending(future) && body != NULL && !self->is_paused) daytona__body_refill(body);
  if (daytona__future_is_pending(future)) wake(self);
  daytona_future_release(future);
}

static int pause_upload(daytona_future_t *future) {
  upload_t *self = daytona__op_of(future, &upload_kind);
  self->is_paused = true; /* libcurl is paused when it asks next */
  return 0;
}

static int resume_upload(daytona_future_t *future) {
  upload_t *self = daytona__op_of(future, &upload_kind);
  self->is_paused = false;
  for (size_t i = 0; i < self->count; i++) daytona__body_resume(&self->parts[i].body);
  if (self->phase != LOOKING) daytona__loop_defer(self->transfer.op.client->loop, &self->pump);
  return 0;
}

/* --- the response -------------------------------------------------------------------------------- */

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

static DAYTONA__MODEL_OF(uploaded_model, uploaded_t, "UploadedFile",
                         DAYTONA__FIELD(uploaded_t, STRING, path, "path"),
                         DAYTONA__FIELD(uploaded_t, OPT_INT, bytes, "bytes"));

static DAYTONA__MODEL_OF(answer_model, answer_t, "UploadResponse",
                         DAYTONA__FIELD_ARRAY(answer_t, files, count, "files", &uploaded_model),
                         DAYTONA__FIELD(answer_t, STRINGS, errors, "errors"));

/* "400: a, b" of the errors of a response. */
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

/* What the response says of file number `index`. True: it is there. */
static bool is_there(upload_t *self, size_t index, answer_t *answer, const daytona_error_t *error,
                     daytona_error_t *out) {
  const part_t *part = &self->parts[index];
  *out = (daytona_error_t){.code = DAYTONA_EFAILED, .retry_after_ms = -1};
  out->http_status = self->transfer.op.http.response.status;
  /* A response about all of them has them in order, however the server spells their paths. */
  bool has_all = answer->errors.count == 0 && answer->count == self->count;
  const uploaded_t *file = has_all ? &answer->files[index] : find_file(answer, part->destination, 1);
  if (file == NULL) out->message = find_error(answer, part->destination, 1);
  if (file == NULL && out->message == NULL) file = find_file(answer, part->destination, SIZE_MAX);
  if (file != NULL) {
    int64_t sent = part->body.size;
    if (!file->bytes.is_set || sent < 0 || file->bytes.value == sent) return true;
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
  if (results != NULL && items != NULL)
    results->items = daytona__arena_pointers(arena, items, self->count, sizeof *items);
  if (results == NULL || results->items == NULL) {
    daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
    return;
  }
  for (size_t i = 0; i < self->count; i++) {
    items[i].path = self->parts[i].destination;
    items[i].local_path = self->parts[i].local_path;
    if (is_there(self, i, answer, error, &own)) {
      items[i].size = self->parts[i].body.size;
      continue;
    }
    items[i].error = daytona__op_copy_error(op, &own, upload_method.prefix);
    results->failed_count++;
  }
  results->count = self->count;
  daytona__op_resolve(op, &daytona__type_fs_result_list, results);
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
  daytona__arena_t *arena = &self->transfer.op.future->arena;
  daytona__body_t *body = current_body(self);
  const char *text = NULL;
  daytona_error_t own = *error;
  if (error->code == DAYTONA_EDEADLINE && self->transfer.timeout_ms > 0)
    own.message = daytona__transfer_limit_text(&self->transfer);
  if (body != NULL && daytona__body_error(body, &text) != DAYTONA_OK && error->code == body->code) {
    const char *path = self->parts[self->segment / 2].local_path;
    own.message = path != NULL ? daytona__arena_printf(arena, "%s: %s", path, text) : text;
    own.system_errno = body->system_errno;
  }
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
           rc != 0) /* a page of something in between, or half a response */
    daytona__op_reject(op, DAYTONA_EPROTOCOL, "the response is not one of a sandbox");
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
    op->http.source_size += (int64_t)strlen(self->parts[i].head) + self->parts[i].body.size;
  op->http.content_type = self->content_type;
  op->http.idle_timeout_ms = self->transfer.idle_timeout_ms;
  op->http.max_error_body = DAYTONA__JSON_BODY_MAX; /* it lists all files, as success does */
  op->http.no_http2 = true;
  op->http.user = self;
}

/* What looking at the files has left of the whole limit. */
static int64_t time_left(const upload_t *self) {
  int64_t limit_ms = self->transfer.timeout_ms;
  if (limit_ms < 0) return DAYTONA_NO_TIMEOUT;
  int64_t left_ms = limit_ms - (daytona__loop_now(self->transfer.op.client->loop) - self->began_ms);
  return left_ms > 0 ? left_ms : 1;
}

static void send_request(upload_t *self) {
  daytona__op_t *op = &self->transfer.op;
  daytona__timer_stop(&self->deadline);
  self->transfer.total = 0;
  for (size_t i = 0; i < self->count; i++) {
    int64_t size = self->parts[i].body.size;
    if (size > BYTES_MAX - self->transfer.total) {
      daytona__op_reject(op, DAYTONA_ELIMIT, "more bytes than one request can have");
      return;
    }
    if (size < 0) self->transfer.total = -1; /* the caller's source, which is alone */
    if (self->transfer.total >= 0) self->transfer.total += size;
  }
  set_phase(self, SENDING);
  op->done = on_answer;
  op->outgoing = on_outgoing;
  if (daytona__op_prepare(op, NULL, time_left(self)) == 0) daytona__op_send(op);
}

static void fail_look(upload_t *self, const part_t *part, const char *text) {
  daytona__op_t *op = &self->transfer.op;
  const daytona_error_t error = {
    .code = part->body.code,
    .system_errno = part->body.system_errno,
    .message = daytona__arena_printf(&op->future->arena, "%s: %s", part->local_path, text),
    .retry_after_ms = -1};
  daytona__op_fail(op, &error);
}

/*
 * Look at one local file after the other, so that none that cannot be read is found out in the middle. Of many none
 * stays open.
 */
static void look(upload_t *self) {
  while (self->looked < self->count) {
    part_t *part = &self->parts[self->looked];
    const char *text;
    if (!daytona__body_look(&part->body)) return; /* on_body_event() continues */
    if (daytona__body_error(&part->body, &text) != DAYTONA_OK) {
      fail_look(self, part, text);
      return;
    }
    if (self->count > 1) daytona__body_rewind(&part->body);
    self->looked++;
  }
  send_request(self);
}

static void on_body_event(void *user) {
  upload_t *self = user;
  if (self->phase == LOOKING)
    look(self);
  else
    daytona__loop_defer(self->transfer.op.client->loop, &self->pump);
}

static void on_deadline(daytona__timer_t *timer) {
  upload_t *self = DAYTONA__CONTAINER(timer, upload_t, deadline);
  daytona__op_reject(&self->transfer.op, DAYTONA_EDEADLINE, "%s",
                     daytona__transfer_limit_text(&self->transfer));
}

static void end_upload(daytona__op_t *op) {
  upload_t *self = (upload_t *)op;
  daytona__timer_stop(&self->deadline);
  daytona__task_cancel(&self->pump);
  for (size_t i = 0; i < self->count; i++) daytona__body_clear(&self->parts[i].body);
}

static const char *items_problem(const daytona_fs_upload_item_t *items, size_t count) {
  if (count > DAYTONA__TRANSFER_ITEMS_MAX) return "too many files in one call";
  if (count == 0 || items == NULL) return "no files are given";
  for (size_t i = 0; i < count; i++) {
    if (!DAYTONA__RESERVED_OK(&items[i])) return "reserved words of an item are not zero";
    const char *path = items[i].destination;
    bool is_local = items[i].local_path != NULL;
    if (path == NULL || path[strspn(path, " \t\r\n")] == '\0') return "the path in the sandbox is required";
    if (is_local && items[i].local_path[0] == '\0') return "local_path is empty";
    if (!is_local && items[i].bytes == NULL && items[i].size != 0) return "bytes are NULL";
    if (!is_local && items[i].size > (size_t)INT64_MAX) return "the size is no size of bytes in memory";
  }
  return NULL;
}

static bool init_part(upload_t *self, size_t index, const daytona_fs_upload_item_t *item) {
  daytona__arena_t *arena = &self->transfer.op.future->arena;
  part_t *part = &self->parts[index];
  part->destination = daytona__arena_strdup(arena, item->destination);
  part->local_path = daytona__arena_strdup(arena, item->local_path);
  part->head = daytona__multipart_file_head(arena, self->boundary, index, item->destination);
  if (part->local_path != NULL)
    daytona__body_file(&part->body, self->transfer.op.client->loop, part->local_path, 0, -1, on_body_event,
                       self);
  else if (item->local_path == NULL)
    daytona__body_memory(&part->body, item->bytes, (int64_t)item->size);
  return part->destination != NULL && part->head != NULL && part->body.kind != NULL;
}

/* Make the operation and its parts. NULL: *future has failed. */
static upload_t *upload_new(const char *name, daytona_sandbox_t *sandbox,
                            const daytona_fs_upload_item_t *items, size_t count,
                            const daytona_transfer_opts_t *opts, daytona_future_t **future) {
  upload_t *self = (upload_t *)daytona__transfer_new(name, &upload_method, sandbox, sizeof *self, opts,
                                                     &upload_kind, future);
  if (self == NULL) return NULL;
  daytona__op_t *op = &self->transfer.op;
  daytona__arena_t *arena = &op->future->arena;
  daytona__task_init(&self->pump, on_pump);
  daytona__timer_init(&self->deadline, on_deadline);
  op->ending = end_upload;
  self->began_ms = daytona__loop_now(op->client->loop);
  const char *problem = items_problem(items, count);
  if (problem != NULL) {
    daytona__op_reject(op, DAYTONA_EINVAL, "%s", problem);
    return NULL;
  }
  self->parts = daytona__arena_array(arena, count, sizeof *self->parts);
  bool is_whole = self->parts != NULL && daytona__multipart_boundary(self->boundary) == 0 &&
                  (self->end = daytona__multipart_end(arena, self->boundary)) != NULL;
  while (is_whole && self->count < count) {
    is_whole = init_part(self, self->count, &items[self->count]);
    self->count++;
  }
  if (!is_whole) {
    daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
    return NULL;
  }
  snprintf(self->content_type, sizeof self->content_type, "multipart/form-data; boundary=%s", self->boundary);
  return self;
}

static void begin(upload_t *self) {
  int64_t limit_ms = self->transfer.timeout_ms;
  if (limit_ms > 0) daytona__timer_start(self->transfer.op.client->loop, &self->deadline, limit_ms);
  look(self);
}

static daytona_future_t *upload_one(const char *name, daytona_sandbox_t *sandbox,
                                    const daytona_fs_upload_item_t *item,
                                    const daytona_transfer_opts_t *opts) {
  daytona_future_t *future;
  upload_t *self = upload_new(name, sandbox, item, 1, opts, &future);
  if (self != NULL) begin(self);
  return daytona__transfer_own(future, opts, false, NULL);
}

daytona_future_t *daytona_fs_upload(daytona_sandbox_t *sandbox, const void *bytes, size_t size,
                                    const char *remote_path, const daytona_transfer_opts_t *opts) {
  daytona_fs_upload_item_t item = {.destination = remote_path, .bytes = bytes, .size = size};
  return upload_one(__func__, sandbox, &item, opts);
}

daytona_future_t *daytona_fs_upload_file(daytona_sandbox_t *sandbox, const char *local_path,
                                         const char *remote_path, const daytona_transfer_opts_t *opts) {
  daytona_fs_upload_item_t item = {.destination = remote_path,
                                   .local_path = local_path != NULL ? local_path : ""};
  return upload_one(__func__, sandbox, &item, opts);
}

daytona_future_t *daytona_fs_upload_file_stream(daytona_sandbox_t *sandbox, daytona_fs_source_cb source,
                                                void *user, const char *remote_path,
                                                const daytona_transfer_opts_t *opts) {
  daytona_future_t *future;
  daytona_fs_upload_item_t item = {.destination = remote_path};
  upload_t *self = upload_new(__func__, sandbox, &item, 1, opts, &future);
  if (self != NULL && source == NULL) {
    daytona__op_reject(&self->transfer.op, DAYTONA_EINVAL, "source is required");
  } else if (self != NULL) {
    daytona__body_source(&self->parts[0].body, self->transfer.op.client->loop, source, user);
    begin(self);
  }
  return daytona__transfer_own(future, opts, true, user);
}

daytona_future_t *daytona_fs_upload_files(daytona_sandbox_t *sandbox, const daytona_fs_upload_item_t *items,
                                          size_t count, const daytona_transfer_opts_t *opts) {
  daytona_future_t *future;
  upload_t *self = upload_new(__func__, sandbox, items, count, opts, &future);
  if (self != NULL) {
    self->is_many = true;
    begin(self);
  }
  return daytona__transfer_own(future, opts, false, NULL);
}
