/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Downloads: one request for any number of files, to memory, local files or a sink of the caller.
 *
 * The response is multipart: a part for each file, or one that says why there is none. Bytes go from the transport to
 * the reader of multipart.h and from there to the file's sink; whichever of them cannot take more stops the ones
 * before it, down to the connection.
 *
 *   HEAD -> BETWEEN -> IN_FILE -> FINISHING -> BETWEEN ...     FINISHING: the next part waits for the file's end
 *                   -> IN_ERROR, IN_SKIPPED -> BETWEEN ...
 *
 * When the connection is lost inside a file, it stays IN_FILE and the rest comes as the response of a GET, which is no
 * multipart; after it, and when the connection is lost between files, those without a part are requested again (HEAD). A
 * file that cannot be continued is one of them.
 */
#include <assert.h>
#include <string.h>

#include "call/download.h"
#include "core/header.h"
#include "core/limits.h"
#include "core/memory.h"
#include "wire/error_map.h"
#include "wire/headers.h"
#include "wire/multipart.h"

/* Parts that nobody has asked for, one look at each file for each of them, must not take for ever. */
#define LOOKS_MAX ((size_t)50 * 1000 * 1000)

typedef enum phase { HEAD, BETWEEN, IN_FILE, IN_ERROR, IN_SKIPPED, FINISHING } phase_t;

typedef struct item {
  const char *source, *local_path;
  daytona__sink_t sink;
  int64_t size;
  bool has_part;
  const daytona_error_t *error;
} item_t;

typedef struct download {
  daytona__download_t base; /* first */
  item_t *items;
  size_t count;
  bool is_many, is_stream;            /* any number of files; to the program */
  daytona__multipart_reader_t reader; /* if has_reader */
  bool has_reader;
  bool has_begun;      /* a response has come: from now on a lost connection is not the end */
  bool is_cut;         /* the last multipart response was not received to its end */
  int64_t clock_s;     /* the server's, when that response began; -1: not known */
  const char *problem; /* why the response as a whole cannot be used */
  daytona_errcode_t problem_code;

  phase_t phase;
  item_t *item; /* whose part it is */
  bool is_json_error;
  daytona__strbuf_t error_body;
  size_t next;  /* item whose part probably comes next: answers keep the order */
  size_t looks; /* at others than that one */

} download_t;

typedef struct paths {
  daytona_strings_t list;
} paths_t;

static DAYTONA__MODEL_OF(paths_model, paths_t, "FilesDownloadRequest",
                         DAYTONA__FIELD(paths_t, STRINGS, list, "paths", .flags = DAYTONA__JSON_ALWAYS));

#define DOWNLOAD(noun, what)                                                       \
  DAYTONA__METHOD(noun, .prefix = "Failed to download " what ": ", .verb = "POST", \
                  .path = "/files/bulk-download", .service = DAYTONA__TOOLBOX, .request = &paths_model)

DOWNLOAD(one, "file");
DOWNLOAD(many, "files");

/* It is the same file only on the toolbox's own word; see resume.h. */
DAYTONA__METHOD(rest, .prefix = "Failed to download file: ", .verb = "GET", .path = "/files/download",
                .service = DAYTONA__TOOLBOX, .is_resumption = true);

static int pause_download(daytona_future_t *future);
static int resume_download(daytona_future_t *future);

static const daytona__op_kind_t download_kind = {
  .name = "download", .pause = pause_download, .resume = resume_download};

static void set_phase(download_t *self, phase_t to) {
  static const unsigned parts = 1u << IN_FILE | 1u << IN_ERROR | 1u << IN_SKIPPED;
  const unsigned allowed[] = {
    [HEAD] = 1u << BETWEEN,     [BETWEEN] = parts | 1u << HEAD, [IN_FILE] = 1u << FINISHING | 1u << BETWEEN,
    [IN_ERROR] = 1u << BETWEEN, [IN_SKIPPED] = 1u << BETWEEN,   [FINISHING] = 1u << BETWEEN};
  assert((allowed[self->phase] & 1u << to) != 0);
  assert(to == BETWEEN || to == IN_SKIPPED || to == HEAD || self->item != NULL);
  assert(self->phase != FINISHING || daytona__sink_is_settled(&self->item->sink));
  self->phase = to;
}

static const daytona_error_t *item_error(download_t *self, daytona_errcode_t code, int system_errno,
                                         const char *message) {
  daytona_error_t error = {
    .code = code, .system_errno = system_errno, .message = message, .retry_after_ms = -1};
  return daytona__op_copy_error(&self->base.transfer.op, &error, NULL);
}

/* --- parts ------------------------------------------------------------------------------------- */

static item_t *find_item(download_t *self, const char *path) {
  for (size_t n = 0; path != NULL && n < self->count && (n == 0 || self->looks++ < LOOKS_MAX); n++) {
    size_t i = (self->next + n) % self->count;
    if (self->items[i].has_part || strcmp(self->items[i].source, path) != 0) continue;
    self->next = i + 1;
    return &self->items[i];
  }
  return NULL;
}

static void resolve_many(download_t *self);

static int on_part(daytona__multipart_reader_t *reader, const daytona__multipart_part_t *part) {
  download_t *self = reader->user;
  char type[64];
  self->item = find_item(self, part->filename);
  if (self->item != NULL && strcmp(part->name, "error") == 0) {
    set_phase(self, IN_ERROR);
    daytona__strbuf_clear(&self->error_body);
    self->is_json_error =
      daytona__content_type(part->content_type, type, sizeof type) && daytona__content_type_is_json(type);
  } else if (self->item != NULL && strcmp(part->name, "file") == 0) {
    set_phase(self, IN_FILE);
    if (self->count == 1 && part->length > 0) self->base.transfer.total = part->length;
    daytona__resume_begin(&self->base.part, part->length, self->clock_s, NULL);
    daytona__sink_begin(&self->item->sink);
  } else {
    set_phase(self, IN_SKIPPED);
  }
  if (self->phase != IN_SKIPPED) self->item->has_part = true;
  return 0;
}

/* A failure of the sink is the item's; the rest of its part is dropped. */
static void note_failure(download_t *self) {
  item_t *item = self->item;
  const char *text;
  daytona_errcode_t code = daytona__sink_error(&item->sink, &text);
  if (code == DAYTONA_OK || item->error != NULL) return;
  if (item->local_path != NULL)
    text = daytona__arena_printf(&self->base.transfer.op.future->arena, "Write failed: %s: %s",
                                 item->local_path, text);
  item->error = item_error(self, code, item->sink.system_errno, text);
}

/* Bytes of the item's file, to its sink. */
static size_t put(download_t *self, const char *bytes, size_t size) {
  daytona_future_t *future = self->base.transfer.op.future;
  size_t taken = daytona__sink_put(&self->item->sink, bytes, size);
  if (!daytona__future_is_pending(future)) return 0; /* the sink has ended the operation */
  note_failure(self);
  self->item->size += (int64_t)taken;
  daytona__download_note(&self->base, bytes, taken);
  daytona__transfer_progress(&self->base.transfer, (int64_t)taken);
  return daytona__future_is_pending(future) ? taken : 0;
}

static size_t on_data(daytona__multipart_reader_t *reader, const char *bytes, size_t size) {
  download_t *self = reader->user;
  if (self->phase == IN_ERROR) {
    size_t room = self->error_body.max - self->error_body.size;
    daytona__strbuf_append(&self->error_body, bytes, size < room ? size : room); /* the rest is dropped */
    return size;
  }
  if (self->phase != IN_FILE) return size;
  return self->base.is_paused ? 0 : put(self, bytes, size);
}

typedef struct error_part {
  const char *message, *code, *error_code, *source;
  daytona_opt_int_t status, status_code;
} error_part_t;

static DAYTONA__MODEL_OF(error_model, error_part_t, "ErrorResponse",
                         DAYTONA__FIELD(error_part_t, STRING, message, "message"),
                         DAYTONA__FIELD(error_part_t, STRING, code, "code"),
                         DAYTONA__FIELD(error_part_t, STRING, error_code, "error_code"),
                         DAYTONA__FIELD(error_part_t, STRING, source, "source"),
                         DAYTONA__FIELD(error_part_t, OPT_INT, status, "statusCode"),
                         DAYTONA__FIELD(error_part_t, OPT_INT, status_code, "status_code"));

/* A part that says why a file is missing. Daemons before the field `source` are daemons all the same. */
static void take_error(download_t *self) {
  daytona__arena_t *arena = &self->base.transfer.op.future->arena;
  daytona_error_t error = {.code = DAYTONA_EFAILED, .retry_after_ms = -1};
  const char *text = self->error_body.data != NULL ? self->error_body.data : "";
  void *decoded;
  error.message =
    text[strspn(text, " \t\r\n")] != '\0' ? text + strspn(text, " \t\r\n") : "the sandbox gives no reason";
  if (self->is_json_error &&
      daytona__json_decode(arena, &error_model, text, self->error_body.size, &decoded, NULL) == 0) {
    const error_part_t *part = decoded;
    daytona_opt_int_t status = part->status.is_set ? part->status : part->status_code;
    error.server_code = part->code != NULL ? part->code : part->error_code;
    error.source = part->source;
    if (part->message != NULL) error.message = part->message;
    if (status.is_set && status.value >= 100 && status.value <= 599) error.http_status = (int)status.value;
    error.code = daytona__error_from_server_code("DAYTONA_DAEMON", error.server_code);
    if (error.code == DAYTONA_OK) error.code = daytona__error_from_status(error.http_status);
  }
  self->item->error = daytona__op_copy_error(&self->base.transfer.op, &error, NULL);
}

/* Whether the file has got its name, or nothing is left of it: only then the next one may begin. */
static bool file_has_ended(download_t *self) {
  item_t *item = self->item;
  note_failure(self);
  if (!daytona__sink_is_settled(&item->sink)) return false;
  set_phase(self, BETWEEN);
  daytona__download_file_done(&self->base);
  if (item->local_path != NULL) daytona__sink_clear(&item->sink);
  return true;
}

static int on_part_end(daytona__multipart_reader_t *reader) {
  download_t *self = reader->user;
  if (self->phase == IN_ERROR) take_error(self);
  if (self->phase != IN_FILE) {
    set_phase(self, BETWEEN);
    return 0;
  }
  daytona__sink_finish(&self->item->sink);
  set_phase(self, FINISHING);
  if (!file_has_ended(self)) daytona__multipart_stop(reader);
  return 0;
}

/* Whether what the only file of a call can still bring is of no use: then the rest is not worth receiving. */
static bool is_hopeless(const download_t *self) {
  return self->problem != NULL ||
         (self->count == 1 && self->phase == IN_FILE && self->items[0].error != NULL);
}

static void give_up(download_t *self) {
  daytona__op_t *op = &self->base.transfer.op;
  if (self->problem != NULL)
    daytona__op_reject(op, self->problem_code, "%s", self->problem);
  else if (!self->is_many)
    daytona__op_fail(op, self->items[0].error);
  else
    resolve_many(self);
}

/* --- from the transport ------------------------------------------------------------------------ */

/* The request for the rest was answered: of no use, and dropped, or the file continues. */
static void on_rest_head(daytona__http_call_t *call) {
  download_t *self = call->user;
  daytona__download_rest_head(&self->base, call);
}

static void on_head(daytona__http_call_t *call) {
  download_t *self = call->user;
  char type[64], boundary[DAYTONA__BOUNDARY_MAX + 1];
  const char *header =
    daytona__header_find(call->response.headers, call->response.header_count, "Content-Type");
  if (!daytona__content_type(header, type, sizeof type) || strcmp(type, "multipart/form-data") != 0) {
    self->problem = "the response is not multipart/form-data";
  } else if (!daytona__content_type_param(header, "boundary", boundary, sizeof boundary) ||
             daytona__multipart_init(&self->reader, boundary) != 0) {
    self->problem = "the response has no usable boundary";
  } else {
    set_phase(self, BETWEEN);
    self->has_reader = self->has_begun = true;
    self->is_cut = false;
    self->clock_s = daytona__resume_clock(call->response.headers, call->response.header_count);
    self->reader.on_part = on_part;
    self->reader.on_data = on_data;
    self->reader.on_part_end = on_part_end;
    self->reader.user = self;
  }
  self->problem_code = self->problem != NULL ? DAYTONA_EPROTOCOL : DAYTONA_OK;
}

static size_t on_bytes(daytona__http_call_t *call, const char *bytes, size_t size) {
  download_t *self = call->user;
  daytona_future_t *future = daytona_future_retain(self->base.transfer.op.future);
  size_t taken = 0;
  int error = 0;
  if (self->phase != HEAD && self->phase != FINISHING && !self->base.is_paused)
    taken = daytona__multipart_feed(&self->reader, bytes, size, &error);
  bool is_pending = daytona__future_is_pending(future);
  if (is_pending && error != 0) {
    self->problem =
      error == DAYTONA_ENOMEM ? daytona_errcode_text(DAYTONA_ENOMEM) : "malformed multipart response";
    self->problem_code =
      error == DAYTONA_ENOMEM || error == DAYTONA_ELIMIT ? (daytona_errcode_t)error : DAYTONA_EPROTOCOL;
  }
  if (is_pending && is_hopeless(self)) {
    give_up(self);
    is_pending = false;
  }
  daytona_future_release(future);
  return is_pending ? taken : 0;
}

static void begin_anew(download_t *self, const daytona_error_t *error);

/* The rest of a file, behind what repeats its last bytes. */
static size_t on_rest_bytes(daytona__http_call_t *call, const char *bytes, size_t size) {
  download_t *self = call->user;
  daytona__download_t *base = &self->base;
  size_t skipped = 0, taken = 0;
  if (base->is_paused) return 0;
  if (base->rest_code == DAYTONA_OK) skipped = daytona__download_rest_skip(base, bytes, size);
  if (base->rest_code != DAYTONA_OK) {
    const daytona_error_t error = daytona__download_part_error(base->rest_code);
    daytona__download_drop(base);
    begin_anew(self, &error);
    return 0;
  }
  if (skipped == size) return size;
  daytona_future_t *future = daytona_future_retain(base->transfer.op.future);
  taken = put(self, bytes + skipped, size - skipped);
  bool is_pending = daytona__future_is_pending(future);
  if (is_pending && is_hopeless(self)) {
    give_up(self);
    is_pending = false;
  }
  daytona_future_release(future);
  return is_pending ? skipped + taken : 0;
}

/* The file of this part has room again, has its name, or has failed. */
static void on_sink_event(void *user) {
  download_t *self = user;
  note_failure(self);
  if (is_hopeless(self)) {
    give_up(self);
    return;
  }
  if (self->phase == FINISHING && !file_has_ended(self)) return;
  if (self->base.has_ended)
    daytona__download_settle_soon(&self->base);
  else
    daytona__http_resume_receive(&self->base.transfer.op.http);
}

static int pause_download(daytona_future_t *future) {
  return daytona__download_pause(daytona__op_of(future, &download_kind));
}

static int resume_download(daytona_future_t *future) {
  return daytona__download_resume(daytona__op_of(future, &download_kind));
}

/* --- the end ----------------------------------------------------------------------------------- */

static void resolve_many(download_t *self) {
  daytona__op_t *op = &self->base.transfer.op;
  daytona__arena_t *arena = &op->future->arena;
  daytona_fs_result_list_t *results = daytona__arena_alloc(arena, sizeof *results);
  daytona_fs_result_t *out = daytona__arena_array(arena, self->count, sizeof *out);
  if (results != NULL && out != NULL)
    results->items = daytona__arena_pointers(arena, out, self->count, sizeof *out);
  if (results == NULL || results->items == NULL) {
    daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
    return;
  }
  for (size_t i = 0; i < self->count; i++) {
    item_t *item = &self->items[i];
    out[i].path = item->source;
    out[i].local_path = item->local_path;
    out[i].size = item->size;
    if (item->error == NULL && item->local_path == NULL &&
        daytona__sink_take(&item->sink, &out[i].bytes) != 0)
      item->error = daytona__error_static(DAYTONA_ENOMEM);
    out[i].error = item->error;
    results->failed_count += item->error != NULL;
  }
  results->count = self->count;
  daytona__op_resolve(op, &daytona__type_fs_result_list, results);
}

static void resolve_one(download_t *self) {
  daytona__op_t *op = &self->base.transfer.op;
  item_t *item = &self->items[0];
  if (item->error != NULL) {
    daytona__op_fail(op, item->error);
    return;
  }
  bool is_kept = item->local_path == NULL && !self->is_stream;
  daytona__download_resolve(&self->base, is_kept ? &item->sink : NULL);
}

static bool is_missing(const download_t *self) {
  for (size_t i = 0; i < self->count; i++)
    if (!self->items[i].has_part && self->items[i].error == NULL) return true;
  return false;
}

static void request_missing(download_t *self);

static void on_settle(daytona__task_t *task) {
  download_t *self = DAYTONA__CONTAINER(task, download_t, base.settle);
  /* The last event of the sink, the end of the wait, or that of the request sent since then comes here again. */
  if (self->phase == FINISHING || !self->base.has_ended || daytona__download_is_waiting(&self->base)) return;
  if (self->problem != NULL) {
    daytona__op_reject(&self->base.transfer.op, self->problem_code, "%s", self->problem);
    return;
  }
  if (self->is_cut && is_missing(self)) {
    request_missing(self);
    return;
  }
  if (!self->is_cut && !daytona__multipart_is_whole(&self->reader)) {
    daytona__op_reject(&self->base.transfer.op, DAYTONA_ETRUNCATED,
                       "Truncated multipart response: the closing boundary is missing");
    return;
  }
  for (size_t i = 0; i < self->count; i++)
    if (!self->items[i].has_part && self->items[i].error == NULL)
      self->items[i].error = item_error(self, DAYTONA_EPROTOCOL, 0, "No data received for this file");
  if (self->is_many)
    resolve_many(self);
  else
    resolve_one(self);
}

/* --- after a lost connection ------------------------------------------------------------------- */

/* Nothing of the file is kept; it is one of those that are missing. */
static void give_back(download_t *self) {
  item_t *item = self->item;
  daytona__sink_restart(&item->sink);
  self->base.transfer.bytes -= item->size;
  item->size = 0;
  item->has_part = false;
  set_phase(self, BETWEEN);
}

/* What the phase becomes when no more bytes come. */
static void leave_part(download_t *self) {
  if (self->phase == IN_ERROR) self->item->has_part = false;
  if (self->phase == IN_ERROR || self->phase == IN_SKIPPED) set_phase(self, BETWEEN);
  if (self->phase != IN_FILE) return;
  note_failure(self);
  if (self->item->error != NULL) {
    set_phase(self, FINISHING);
    file_has_ended(self);
  } else if (self->item->size == 0) {
    give_back(self);
  }
}

/* The file cannot be continued: it is downloaded again, or fails with `error`. Nothing is under way. */
static void begin_anew(download_t *self, const daytona_error_t *error) {
  leave_part(self);
  if (self->phase == IN_FILE && !self->is_stream && daytona__download_renew(&self->base)) {
    give_back(self);
    return;
  }
  if (self->phase == IN_FILE) {
    self->item->error = daytona__op_copy_error(&self->base.transfer.op, error, NULL);
    daytona__sink_restart(&self->item->sink);
    set_phase(self, BETWEEN);
  }
  daytona__download_settle_soon(&self->base);
}

/* Continue after the failure of a request. False: it is the failure of the download. */
static bool carry_on(download_t *self, const daytona_error_t *error) {
  daytona__download_t *base = &self->base;
  bool is_refused = daytona__download_is_refused(base, error);
  if (!self->has_begun || self->problem != NULL || (!is_refused && !daytona__download_is_cut(error)))
    return false;
  self->is_cut = base->has_ended = true;
  leave_part(self);
  if (self->phase == IN_FILE && (is_refused || !daytona__resume_is_possible(&base->part))) {
    const daytona_error_t refusal = daytona__download_refusal(error);
    begin_anew(self, &refusal);
    return true;
  }
  if (self->phase == IN_FILE || is_missing(self)) return daytona__download_wait(base);
  daytona__download_settle_soon(base);
  return true;
}

/* The response with the rest has ended. */
static void end_rest(download_t *self) {
  daytona__download_t *base = &self->base;
  base->has_ended = true;
  if (base->rest_code == DAYTONA_OK && self->item->error == NULL && !daytona__download_rest_is_whole(base)) {
    const daytona_error_t error = {.code = DAYTONA_ETRUNCATED,
                                   .message = "the server sent less of the file than it has",
                                   .retry_after_ms = -1};
    if (!carry_on(self, &error)) daytona__op_fail(&base->transfer.op, &error);
  } else if (base->rest_code != DAYTONA_OK) {
    const daytona_error_t error = daytona__download_part_error(base->rest_code);
    begin_anew(self, &error);
  } else {
    daytona__sink_finish(&self->item->sink);
    set_phase(self, FINISHING);
    file_has_ended(self);
    daytona__download_settle_soon(base);
  }
}

static void on_done(daytona__op_t *op, const daytona_error_t *error, void *unused) {
  download_t *self = (download_t *)op;
  if (error != NULL) {
    if (!carry_on(self, error)) daytona__op_fail(op, error);
    return;
  }
  if (self->base.is_rest) {
    end_rest(self);
    return;
  }
  self->base.has_ended = true;
  if (self->phase == HEAD && self->problem == NULL) {
    self->problem = "the response is empty";
    self->problem_code = DAYTONA_EPROTOCOL;
  }
  /* Ended inside a part: the sandbox could not read on. What was written of it is given up. */
  if (self->phase == IN_FILE) daytona__sink_clear(&self->item->sink);
  daytona__download_settle_soon(&self->base);
}

static void clear_reader(download_t *self) {
  if (self->has_reader) daytona__multipart_clear(&self->reader);
  self->has_reader = false;
}

static void end_download(daytona__op_t *op) {
  download_t *self = (download_t *)op;
  daytona__download_clear(&self->base);
  daytona__strbuf_clear(&self->error_body);
  clear_reader(self);
  for (size_t i = 0; i < self->count; i++) daytona__sink_clear(&self->items[i].sink);
}

/* --- the request ------------------------------------------------------------------------------- */

static void on_outgoing(daytona__op_t *op) {
  daytona__download_t *base = (daytona__download_t *)op;
  if (base->is_rest)
    daytona__download_outgoing(base, "*/*", on_rest_head, on_rest_bytes);
  else
    daytona__download_outgoing(base, "multipart/form-data", on_head, on_bytes);
}

static void on_again(daytona__download_t *base);

static const char *items_problem(const daytona_fs_download_item_t *items, size_t count) {
  if (count > DAYTONA__TRANSFER_ITEMS_MAX) return "too many files in one call";
  if (count != 0 && items == NULL) return "the files are NULL";
  for (size_t i = 0; i < count; i++) {
    if (!DAYTONA__RESERVED_OK(&items[i])) return "reserved words of an item are not zero";
    if (items[i].source == NULL || items[i].source[0] == '\0') return "the path in the sandbox is required";
    if (items[i].local_path != NULL && items[i].local_path[0] == '\0') return "local_path is empty";
  }
  return NULL;
}

static download_t *download_new(const char *name, daytona_sandbox_t *sandbox, const daytona__method_t *method,
                                const daytona_fs_download_item_t *items, size_t count,
                                const daytona_transfer_opts_t *opts, daytona_future_t **future) {
  download_t *self = (download_t *)daytona__download_new(name, method, sandbox, sizeof *self, opts,
                                                         &download_kind, on_settle, future);
  if (self == NULL) return NULL;
  daytona__op_t *op = &self->base.transfer.op;
  daytona__arena_t *arena = &op->future->arena;
  daytona__strbuf_init(&self->error_body, DAYTONA__ERROR_BODY_MAX);
  self->base.again = on_again;
  op->ending = end_download;
  op->outgoing = on_outgoing;
  op->done = on_done;
  const char *problem = items_problem(items, count);
  if (problem != NULL) {
    daytona__op_reject(op, DAYTONA_EINVAL, "%s", problem);
    return NULL;
  }
  self->items = daytona__arena_array(arena, count, sizeof *self->items);
  bool is_short = self->items == NULL;
  for (size_t i = 0; i < count && !is_short; i++) {
    item_t *item = &self->items[i];
    item->source = daytona__arena_strdup(arena, items[i].source);
    item->local_path = daytona__arena_strdup(arena, items[i].local_path);
    if (item->local_path != NULL)
      daytona__sink_file(&item->sink, op->client->loop, item->local_path, on_sink_event, self);
    else
      daytona__sink_memory(&item->sink, &self->base.memory_left);
    self->count++;
    is_short = item->source == NULL || (item->local_path == NULL && items[i].local_path != NULL);
  }
  if (!is_short) return self;
  daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
  return NULL;
}

/* The paths of the files that have no part yet; NULL: the operation has failed and is gone. */
static const paths_t *paths_of_missing(download_t *self) {
  daytona__op_t *op = &self->base.transfer.op;
  paths_t *request = daytona__arena_alloc(daytona__op_arena(op), sizeof *request);
  const char **paths = daytona__arena_array(daytona__op_arena(op), self->count, sizeof *paths);
  if (request == NULL || paths == NULL) {
    daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
    return NULL;
  }
  size_t count = 0;
  for (size_t i = 0; i < self->count; i++)
    if (!self->items[i].has_part && self->items[i].error == NULL) paths[count++] = self->items[i].source;
  request->list = (daytona_strings_t){paths, count};
  return request;
}

static void request_missing(download_t *self) {
  clear_reader(self);
  if (self->phase != HEAD) set_phase(self, HEAD);
  daytona__op_switch(&self->base.transfer.op, self->is_many ? &many_method : &one_method);
  const paths_t *request = paths_of_missing(self);
  if (request != NULL) daytona__download_send(&self->base, request, false);
}

static void request_rest(download_t *self) {
  daytona__op_t *op = &self->base.transfer.op;
  daytona__op_switch(op, &rest_method);
  daytona__op_path(op, NULL, NULL, NULL);
  daytona__url_query(&op->url, "path", self->item->source);
  daytona__download_send(&self->base, NULL, true);
}

/* The wait is over; the sink may have failed meanwhile. */
static void on_again(daytona__download_t *base) {
  download_t *self = (download_t *)base;
  leave_part(self);
  if (self->phase == IN_FILE)
    request_rest(self);
  else
    daytona__download_settle_soon(base);
}

static void send_request(download_t *self) {
  daytona__op_t *op = &self->base.transfer.op;
  int64_t timeout_ms = self->base.transfer.timeout_ms;
  const paths_t *request = paths_of_missing(self);
  if (request != NULL &&
      daytona__op_prepare(op, request, timeout_ms < 0 ? DAYTONA_NO_TIMEOUT : timeout_ms) == 0)
    daytona__op_send(op);
}

static daytona_future_t *download_one(const char *name, daytona_sandbox_t *sandbox,
                                      const daytona_fs_download_item_t *item, daytona_fs_sink_cb sink,
                                      void *user, const daytona_transfer_opts_t *opts) {
  daytona_future_t *future;
  download_t *self = download_new(name, sandbox, &one_method, item, 1, opts, &future);
  if (self == NULL) return future;
  self->is_stream = sink != NULL;
  if (sink != NULL)
    daytona__sink_program(&self->items[0].sink, self->base.transfer.op.client->loop, sink, user);
  send_request(self);
  return future;
}

daytona_future_t *daytona_fs_download(daytona_sandbox_t *sandbox, const char *remote_path,
                                      const daytona_transfer_opts_t *opts) {
  daytona_fs_download_item_t item = {.source = remote_path};
  return daytona__transfer_own(download_one(__func__, sandbox, &item, NULL, NULL, opts), opts, false, NULL);
}

daytona_future_t *daytona_fs_download_file(daytona_sandbox_t *sandbox, const char *remote_path,
                                           const char *local_path, const daytona_transfer_opts_t *opts) {
  daytona_fs_download_item_t item = {.source = remote_path,
                                     .local_path = local_path != NULL ? local_path : ""};
  return daytona__transfer_own(download_one(__func__, sandbox, &item, NULL, NULL, opts), opts, false, NULL);
}

daytona_future_t *daytona_fs_download_file_stream(daytona_sandbox_t *sandbox, const char *remote_path,
                                                  daytona_fs_sink_cb sink, void *user,
                                                  const daytona_transfer_opts_t *opts) {
  daytona_fs_download_item_t item = {.source = sink != NULL ? remote_path : NULL};
  return daytona__transfer_own(download_one(__func__, sandbox, &item, sink, user, opts), opts, true, user);
}

daytona_future_t *daytona_fs_download_files(daytona_sandbox_t *sandbox,
                                            const daytona_fs_download_item_t *items, size_t count,
                                            const daytona_transfer_opts_t *opts) {
  daytona_future_t *future;
  download_t *self = download_new(__func__, sandbox, &many_method, items, count, opts, &future);
  if (self != NULL) {
    self->is_many = true;
    if (count == 0)
      resolve_many(self);
    else
      send_request(self);
  }
  return daytona__transfer_own(future, opts, false, NULL);
}
