/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uploads of contexts; see storage.h. One context after the other goes through these phases:
 *
 *   HASHING -> LOOKING (HEAD) [-> LISTING, where HEAD is not allowed]
 *     -> PACKING (the first part) -> PUTTING, when that was all of it
 *                                 -> CREATING -> SENDING (parts) -> COMPLETING [-> LOOKING_AGAIN]
 *
 * and to the next one, to DONE or, over ABORTING where there is something to be aborted, to FAILED.
 *
 * A slot is a part with its buffer: free, being filled on the thread pool, or being sent. One job runs at a time. The
 * structure goes when it is closed and no job runs any more. One that is closed while there is something to be aborted
 * is handed over to an operation of its own, which nobody waits for.
 */
#include "call/storage.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/header.h"
#include "core/memory.h"
#include "net/digest.h"
#include "wire/archive.h"
#include "wire/s3_xml.h"

/* What one job hashes before others get their turn on the thread pool, and a cancel is noticed. */
#define HASH_BUDGET ((size_t)16 << 20)

/* A request that completes an upload names each part. */
#define COMPLETE_MAX ((size_t)4 << 20)

enum { ETAG_MAX = 256, UPLOAD_ID_MAX = 1024, QUERY_ROOM = 3 * UPLOAD_ID_MAX + 64 };

typedef enum phase {
  ASKING, /* for credentials */
  HASHING,
  LOOKING,
  LISTING,
  PACKING,
  PUTTING,
  CREATING,
  SENDING,
  COMPLETING,
  LOOKING_AGAIN,
  ABORTING,
  DONE,
  FAILED
} phase_t;

typedef enum slot_state { FREE, FILLING, READY, IN_FLIGHT } slot_state_t;

typedef struct slot {
  daytona__s3_call_t call; /* first */
  slot_state_t state;
  char *bytes;
  size_t size;
  char hash[DAYTONA__DIGEST_HEX]; /* of the bytes, if they are signed; else "" */
  int number;                     /* of the part; from 1 */
  int64_t content;                /* bytes of files in it */
  char query[QUERY_ROOM];
} slot_t;

typedef struct item {
  const char *path, *name;
  char hash[DAYTONA__DIGEST_HEX];
  char object[DAYTONA__DIGEST_HEX + 16]; /* its key */
} item_t;

struct daytona__storage {
  daytona__op_t *op;
  daytona__loop_t *loop;  /* retained: it outlives the operation, as a job may */
  daytona__arena_t arena; /* items, results and what belongs to one upload */
  daytona__s3_t s3;
  daytona__storage_opts_t opts;
  size_t part_size;
  phase_t phase;
  item_t *items;
  daytona__storage_result_t *results;
  size_t count, at; /* the item whose turn it is */

  daytona__archive_t *archive;
  uv_work_t job;
  bool is_working, is_closed, is_paused;
  bool is_undone;  /* the operation has ended: what was begun is only to be aborted */
  slot_t *filling; /* by the job; NULL: it hashes */
  int job_result;
  slot_t *slots;
  int slot_count, part_count; /* parts filled so far */
  bool signs_bodies;
  int64_t content_filled;

  daytona__s3_call_t call; /* all requests but those of parts */
  char query[QUERY_ROOM];
  daytona__arena_t upload;  /* of one multipart upload */
  const char *upload_query; /* "uploadId=..."; NULL: nothing is begun in the storage */
  const char **etags;
  daytona__strbuf_t completion; /* body of the request that completes */
  char completion_hash[DAYTONA__DIGEST_HEX];

  int64_t total, told, settled; /* of all items, bytes of files: hashed, reported, in the storage */
  bool is_all_hashed;
  daytona__task_t step, progress;
  daytona__timer_t patience; /* with the response to a beginning, of an upload that is failing */
  int access_code;           /* what is wrong with the program's credentials */
  const char *access_problem;
  daytona_error_t *error; /* why it is failing */
};

size_t daytona__storage_part_size = DAYTONA__STORAGE_PART_MAX;

static void begin_item(daytona__storage_t *self);
static void pump(daytona__storage_t *self);

static void set_phase(daytona__storage_t *self, phase_t to) {
  static const unsigned allowed[] = {
    [ASKING] = 1u << HASHING | 1u << DONE,
    [HASHING] = 1u << LOOKING,
    [LOOKING] = 1u << HASHING | 1u << LISTING | 1u << PACKING | 1u << DONE,
    [LISTING] = 1u << HASHING | 1u << PACKING | 1u << DONE,
    [PACKING] = 1u << PUTTING | 1u << CREATING,
    [PUTTING] = 1u << HASHING | 1u << DONE,
    [CREATING] = 1u << SENDING | 1u << ABORTING,
    [SENDING] = 1u << COMPLETING | 1u << ABORTING,
    [COMPLETING] = 1u << LOOKING_AGAIN | 1u << HASHING | 1u << DONE | 1u << ABORTING,
    [LOOKING_AGAIN] = 1u << HASHING | 1u << DONE | 1u << ABORTING,
    [ABORTING] = 0,
    [DONE] = 0,
    [FAILED] = 0,
  };
  assert(to == FAILED ? self->phase != DONE && self->phase != FAILED : (allowed[self->phase] >> to & 1) != 0);
  assert(to != ABORTING || self->upload_query != NULL);
  self->phase = to;
}

static void set_slot(slot_t *slot, slot_state_t to) {
  assert(to == FREE || to == slot->state + 1);
  slot->state = to;
}

/* --- requests ---------------------------------------------------------------------------------- */

static void request(daytona__storage_t *self, const char *verb, const char *query,
                    void (*done)(daytona__s3_call_t *call, const daytona_error_t *error)) {
  daytona__s3_call_t *call = &self->call;
  call->verb = verb;
  call->object = self->items[self->at].object;
  call->query = query;
  call->body = NULL;
  call->body_size = 0;
  call->body_hash = NULL;
  call->done = done;
  call->user = self;
  daytona__s3_start(&self->s3, call);
}

static void request_list(daytona__storage_t *self, const char *query,
                         void (*done)(daytona__s3_call_t *call, const daytona_error_t *error)) {
  daytona__s3_call_t *call = &self->call;
  call->verb = "GET";
  call->object = NULL;
  call->query = query;
  call->done = done;
  call->user = self;
  daytona__s3_start(&self->s3, call);
}

static const daytona__response_t *response_of(const daytona__s3_call_t *call) { return &call->http.response; }

/* --- failing ----------------------------------------------------------------------------------- */

static void report(daytona__storage_t *self) {
  void (*done)(daytona__op_t *, const daytona_error_t *) = self->opts.done;
  done(self->op, self->error);
}

static void on_aborted(daytona__s3_call_t *call, const daytona_error_t *error) {
  daytona__storage_t *self = call->user;
  if (error != NULL && error->code != DAYTONA_ENOTFOUND)
    daytona__log(self->loop, DAYTONA_LOG_WARN,
                 "object storage: an upload that was not completed could not be aborted: %s", error->message);
  set_phase(self, FAILED);
  report(self);
}

/* One try, since an abort may be forbidden and nobody waits for long. */
static void abort_upload(daytona__storage_t *self) {
  set_phase(self, ABORTING);
  self->call.timeout_ms = DAYTONA__STORAGE_ABORT_MAX_MS;
  self->call.is_tried_once = true;
  request(self, "DELETE", self->upload_query, on_aborted);
}

static void cancel_parts(daytona__storage_t *self) {
  for (int i = 0; i < self->slot_count; i++) daytona__s3_cancel(&self->slots[i].call);
}

/* The request that begins an upload is on its way: only its response names what is to be aborted. */
static bool is_creating(const daytona__storage_t *self) {
  return self->phase == CREATING && self->call.is_requesting;
}

static void on_impatient(daytona__timer_t *timer) {
  daytona__storage_t *self = DAYTONA__CONTAINER(timer, daytona__storage_t, patience);
  daytona__s3_cancel(&self->call);
  set_phase(self, FAILED);
  report(self);
}

/* The end of everything, in a later turn at the earliest: nothing may be touched after this. */
static void fail(daytona__storage_t *self, const daytona_error_t *error) {
  assert(self->error == NULL);
  self->error = daytona__error_copy(&self->op->future->arena, error, NULL);
  cancel_parts(self);
  daytona__task_cancel(&self->step);
  self->is_paused = self->s3.is_paused = false;
  if (is_creating(self)) {
    self->call.is_tried_once = true;
    daytona__timer_start(self->loop, &self->patience, DAYTONA__STORAGE_ABORT_MAX_MS);
    return;
  }
  daytona__s3_cancel(&self->call); /* `error` may have been its own */
  if (self->upload_query != NULL) {
    abort_upload(self);
  } else {
    set_phase(self, FAILED);
    report(self);
  }
}

static void fail_with(daytona__storage_t *self, daytona_errcode_t code, const char *message) {
  daytona_error_t error = {.code = code, .retry_after_ms = -1, .message = message};
  if (message == NULL) error.message = daytona_errcode_text(code);
  fail(self, &error);
}

static void fail_memory(daytona__storage_t *self) { fail(self, daytona__error_static(DAYTONA_ENOMEM)); }

static void fail_archive(daytona__storage_t *self) {
  daytona_error_t error = {.retry_after_ms = -1};
  error.code = daytona__archive_error(self->archive, &error.message, &error.system_errno);
  if (error.code == DAYTONA_OK) { /* a part of it cannot be hashed */
    error.code = DAYTONA_EFAILED;
    error.message = "the SHA-256 of a part cannot be computed";
  }
  fail(self, &error);
}

/* --- progress ---------------------------------------------------------------------------------- */

/* Of a slot in flight as much as of its bytes. A part that is sent again takes nothing back: less is not reported. */
static int64_t content_moved(const daytona__storage_t *self) {
  int64_t moved = self->settled;
  for (int i = 0; i < self->slot_count; i++) {
    const slot_t *slot = &self->slots[i];
    if (slot->state != IN_FLIGHT || slot->size == 0) continue;
    moved += (int64_t)((double)slot->content * (double)slot->call.sent / (double)slot->size);
  }
  return moved;
}

/* True: the program has ended the operation, and this is gone. */
static bool tell(daytona__storage_t *self) {
  int64_t moved = content_moved(self);
  if (self->opts.on_progress == NULL || moved <= self->told) return false;
  daytona_future_t *future = daytona_future_retain(self->op->future);
  self->told = moved;
  self->opts.on_progress(self->op, moved, self->is_all_hashed ? self->total : -1);
  bool is_over = !daytona__future_is_pending(future);
  daytona_future_release(future);
  return is_over;
}

static void on_progress(daytona__task_t *task) {
  tell(DAYTONA__CONTAINER(task, daytona__storage_t, progress));
}

static void on_sent(daytona__s3_call_t *call) {
  daytona__storage_t *self = call->user;
  if (self->opts.on_progress != NULL) daytona__loop_defer(self->loop, &self->progress);
}

/* --- jobs on the thread pool ------------------------------------------------------------------- */

static void free_all(daytona__storage_t *self);
static void on_hashed(daytona__storage_t *self);
static void on_filled(daytona__storage_t *self, slot_t *slot);
static void start_job(daytona__storage_t *self, slot_t *slot);

/* On the pool's thread: touches the archive, the slot and job_result, which are the job's alone meanwhile. */
static void work(uv_work_t *job) {
  daytona__storage_t *self = job->data;
  slot_t *slot = self->filling;
  if (slot == NULL) {
    self->job_result = daytona__archive_hash(self->archive, HASH_BUDGET);
    return;
  }
  self->job_result = daytona__archive_fill(self->archive, slot->bytes, self->part_size, &slot->size);
  slot->hash[0] = '\0';
  if (self->job_result != 0 || !self->signs_bodies) return;
  daytona__digest_t digest;
  daytona__digest_begin(&digest, DAYTONA__SHA256);
  daytona__digest_add(&digest, slot->bytes, slot->size);
  self->job_result = daytona__digest_end(&digest, slot->hash);
}

static void end_job(daytona__storage_t *self) {
  slot_t *slot = self->filling;
  self->filling = NULL;
  if (self->error != NULL || self->is_undone) return;
  if (self->job_result < 0)
    fail_archive(self);
  else if (slot != NULL)
    on_filled(self, slot);
  else if (self->job_result != 0)
    on_hashed(self);
  else if (!self->is_paused)
    start_job(self, NULL);
}

static void on_worked(uv_work_t *job, int status) {
  daytona__storage_t *self = job->data;
  daytona__loop_t *loop = daytona__loop_retain(self->loop);
  (void)status;
  self->is_working = false;
  if (self->is_closed)
    free_all(self);
  else
    end_job(self);
  daytona__loop_job_end(loop);
  daytona__loop_release(loop);
}

/* Fill the slot, or hash on for NULL. */
static void start_job(daytona__storage_t *self, slot_t *slot) {
  assert(!self->is_working);
  self->filling = slot;
  self->job.data = self;
  self->is_working = true;
  daytona__loop_job_begin(self->loop);
  int rc = uv_queue_work(daytona__loop_uv(self->loop), &self->job, work, on_worked);
  assert(rc == 0); /* it has nothing to fail for */
  (void)rc;
}

/* --- an item ----------------------------------------------------------------------------------- */

static void end_upload(daytona__storage_t *self) {
  self->upload_query = NULL;
  self->etags = NULL;
  self->part_count = 0;
  self->content_filled = 0;
  daytona__arena_clear(&self->upload);
  daytona__strbuf_clear(&self->completion);
}

/* The item is in the storage: on to the next one. */
static void end_item(daytona__storage_t *self, bool was_there) {
  daytona__storage_result_t *result = &self->results[self->at];
  assert(!self->is_working);
  result->hash = self->items[self->at].hash;
  result->was_there = was_there;
  self->settled += was_there ? daytona__archive_content_size(self->archive) : 0;
  end_upload(self);
  daytona__archive_free(self->archive);
  self->archive = NULL;
  self->at++;
  if (tell(self)) return;
  if (self->at < self->count) {
    begin_item(self);
    return;
  }
  set_phase(self, DONE);
  report(self);
}

static void begin_item(daytona__storage_t *self) {
  const item_t *item = &self->items[self->at];
  set_phase(self, HASHING);
  self->archive = daytona__archive_new(item->path, item->name);
  if (self->archive == NULL)
    fail_memory(self);
  else if (!self->is_paused)
    start_job(self, NULL);
}

/* --- looking ----------------------------------------------------------------------------------- */

static void begin_packing(daytona__storage_t *self) {
  set_phase(self, PACKING);
  pump(self);
}

static void on_listed(daytona__s3_call_t *call, const daytona_error_t *error) {
  daytona__storage_t *self = call->user;
  const daytona__response_t *response = response_of(call);
  bool is_refused = error != NULL && (error->http_status == 403 || error->http_status == 404);
  if (error != NULL && (!is_refused || error->code == DAYTONA_EAUTH))
    fail(self, error);
  else if (error == NULL && daytona__s3_xml_has(response->body, response->body_size, "Contents"))
    end_item(self, true);
  else
    begin_packing(self);
}

/* Where the object may not be looked at, a list may say whether it is there. */
static void list(daytona__storage_t *self) {
  daytona__strbuf_t query;
  const item_t *item = &self->items[self->at];
  set_phase(self, LISTING);
  daytona__strbuf_init(&query, sizeof self->query - 1);
  daytona__strbuf_puts(&query, "list-type=2&max-keys=1&prefix=");
  daytona__s3_encode(&query, self->s3.access.organization, false);
  daytona__strbuf_printf(&query, "%%2F%s%%2F", item->hash);
  if (query.error == 0) memcpy(self->query, query.data, query.size + 1);
  bool is_whole = query.error == 0;
  daytona__strbuf_clear(&query);
  if (!is_whole) {
    fail_memory(self);
    return;
  }
  request_list(self, self->query, on_listed);
}

/* A HEAD has no body that says why it was refused: what a list answers is more. */
static void on_looked(daytona__s3_call_t *call, const daytona_error_t *error) {
  daytona__storage_t *self = call->user;
  int status = error != NULL ? error->http_status : 0;
  if (error == NULL)
    end_item(self, true);
  else if (status == 404)
    begin_packing(self);
  else if (status >= 400 && status < 500 && status != 429)
    list(self);
  else
    fail(self, error);
}

static void on_hashed(daytona__storage_t *self) {
  item_t *item = &self->items[self->at];
  int64_t size = daytona__archive_content_size(self->archive);
  int64_t most = DAYTONA__STORAGE_PARTS_MAX * (int64_t)self->part_size;
  if (size > most || daytona__archive_entry_count(self->archive) > (most - size) / 512) {
    fail_with(self, DAYTONA_ELIMIT, "the context is larger than one object can be");
    return;
  }
  self->total += size;
  self->is_all_hashed = self->at + 1 == self->count;
  self->signs_bodies = daytona__s3_signs_bodies(&self->s3);
  snprintf(item->hash, sizeof item->hash, "%s", daytona__archive_hash_text(self->archive));
  snprintf(item->object, sizeof item->object, "%s/context.tar", item->hash);
  set_phase(self, LOOKING);
  request(self, "HEAD", NULL, on_looked);
}

/* --- parts ------------------------------------------------------------------------------------- */

static void send_slot(daytona__storage_t *self, slot_t *slot, const char *query,
                      void (*done)(daytona__s3_call_t *call, const daytona_error_t *error)) {
  daytona__s3_call_t *call = &slot->call;
  set_slot(slot, IN_FLIGHT);
  call->verb = "PUT";
  call->object = self->items[self->at].object;
  call->query = query;
  call->body = slot->bytes;
  call->body_size = slot->size;
  call->body_hash = slot->hash[0] != '\0' ? slot->hash : NULL;
  call->done = done;
  call->on_sent = on_sent;
  call->user = self;
  daytona__s3_start(&self->s3, call);
}

/* Its bytes are in the storage. */
static void settle(daytona__storage_t *self, slot_t *slot) {
  self->settled += slot->content;
  self->results[self->at].sent_bytes += (int64_t)slot->size;
  set_slot(slot, FREE);
}

/* Printable, so that it can be put into the list of parts as it is. */
static bool is_etag(const char *text) {
  for (const char *at = text; *at != '\0'; at++)
    if (*at <= ' ' || *at > '~' || strchr("<>&", *at) != NULL || at - text == ETAG_MAX) return false;
  return *text != '\0';
}

static const char *etag_of(const daytona__s3_call_t *call) {
  const daytona__response_t *response = response_of(call);
  const char *etag = daytona__header_find(response->headers, response->header_count, "ETag");
  return etag != NULL && is_etag(etag) ? etag : NULL;
}

static void on_part(daytona__s3_call_t *call, const daytona_error_t *error) {
  daytona__storage_t *self = call->user;
  slot_t *slot = (slot_t *)call;
  if (error != NULL) {
    fail(self, error);
    return;
  }
  const char *etag = etag_of(call);
  if (etag == NULL) {
    fail_with(self, DAYTONA_EPROTOCOL, "object storage has answered without an ETag for a part");
    return;
  }
  self->etags[slot->number - 1] = daytona__arena_strdup(&self->upload, etag);
  if (self->etags[slot->number - 1] == NULL) {
    fail_memory(self);
    return;
  }
  settle(self, slot);
  if (!tell(self)) pump(self);
}

static void send_parts(daytona__storage_t *self) {
  for (int i = 0; i < self->slot_count; i++) {
    slot_t *slot = &self->slots[i];
    if (slot->state != READY) continue;
    snprintf(slot->query, sizeof slot->query, "partNumber=%d&%s", slot->number, self->upload_query);
    send_slot(self, slot, slot->query, on_part);
  }
}

/* Have a free slot filled with the next part. False: there is no memory for it. */
static bool fill_next(daytona__storage_t *self) {
  slot_t *slot = NULL;
  for (int i = 0; i < self->slot_count && slot == NULL; i++)
    if (self->slots[i].state == FREE) slot = &self->slots[i];
  if (slot == NULL) return true;
  if (slot->bytes == NULL && (slot->bytes = daytona__alloc(self->part_size)) == NULL) return false;
  set_slot(slot, FILLING);
  slot->size = 0;
  slot->content = 0;
  start_job(self, slot);
  return true;
}

/* --- one request ------------------------------------------------------------------------------- */

static void on_put(daytona__s3_call_t *call, const daytona_error_t *error) {
  daytona__storage_t *self = call->user;
  if (error != NULL) {
    fail(self, error);
    return;
  }
  settle(self, (slot_t *)call);
  end_item(self, false);
}

/* --- many parts -------------------------------------------------------------------------------- */

/* Make the query of all requests of the upload. 0 or a code. */
static int take_upload_id(daytona__storage_t *self, const char *id) {
  daytona__strbuf_t query;
  if (id == NULL || *id == '\0' || strlen(id) > UPLOAD_ID_MAX) return DAYTONA_EPROTOCOL;
  daytona__strbuf_init(&query, QUERY_ROOM);
  daytona__strbuf_puts(&query, "uploadId=");
  daytona__s3_encode(&query, id, false);
  if (query.error == 0) self->upload_query = daytona__arena_strndup(&self->upload, query.data, query.size);
  daytona__strbuf_clear(&query);
  if (self->upload_query == NULL) return DAYTONA_ENOMEM;
  self->etags = daytona__arena_array(&self->upload, DAYTONA__STORAGE_PARTS_MAX, sizeof *self->etags);
  return self->etags != NULL ? 0 : DAYTONA_ENOMEM;
}

static void on_created(daytona__s3_call_t *call, const daytona_error_t *error) {
  daytona__storage_t *self = call->user;
  const daytona__response_t *response = response_of(call);
  int rc = 0;
  if (error == NULL)
    rc = take_upload_id(self,
                        daytona__s3_xml_text(&self->upload, response->body, response->body_size, "UploadId"));
  bool is_failing = self->is_undone || self->error != NULL;
  daytona__timer_stop(&self->patience);
  if (is_failing && self->upload_query != NULL) {
    abort_upload(self);
  } else if (is_failing) {
    set_phase(self, FAILED);
    report(self);
  } else if (error != NULL) {
    fail(self, error);
  } else if (rc != 0) {
    fail_with(self, (daytona_errcode_t)rc,
              rc == DAYTONA_EPROTOCOL ? "object storage has begun an upload without naming it" : NULL);
  } else {
    set_phase(self, SENDING);
    pump(self);
  }
}

static void on_looked_again(daytona__s3_call_t *call, const daytona_error_t *error) {
  daytona__storage_t *self = call->user;
  if (error == NULL)
    end_item(self, false);
  else
    fail_with(self, DAYTONA_EFAILED, "object storage has lost an upload that was to be completed");
}

static void on_completed(daytona__s3_call_t *call, const daytona_error_t *error) {
  daytona__storage_t *self = call->user;
  bool is_gone = error != NULL && error->http_status == 404 && call->attempts > 1;
  if (error == NULL) {
    end_item(self, false);
  } else if (is_gone) { /* an attempt whose answer was lost may have completed it */
    set_phase(self, LOOKING_AGAIN);
    request(self, "HEAD", NULL, on_looked_again);
  } else {
    fail(self, error);
  }
}

static int list_parts(daytona__storage_t *self) {
  daytona__strbuf_t *body = &self->completion;
  unsigned char hash[DAYTONA__SHA256_SIZE];
  daytona__strbuf_puts(body, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
  for (int i = 0; i < self->part_count; i++)
    daytona__strbuf_printf(body, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", i + 1,
                           self->etags[i]);
  daytona__strbuf_puts(body, "</CompleteMultipartUpload>");
  if (body->error != 0) return body->error;
  int rc = daytona__sha256(body->data, body->size, hash);
  if (rc == 0) daytona__hex(hash, sizeof hash, self->completion_hash);
  return rc;
}

static void complete(daytona__storage_t *self) {
  daytona__s3_call_t *call = &self->call;
  int rc = list_parts(self);
  if (rc != 0) {
    fail_with(self, (daytona_errcode_t)rc, NULL);
    return;
  }
  set_phase(self, COMPLETING);
  call->verb = "POST";
  call->object = self->items[self->at].object;
  call->query = self->upload_query;
  call->body = self->completion.data;
  call->body_size = self->completion.size;
  call->body_hash = self->completion_hash;
  call->done = on_completed;
  call->user = self;
  daytona__s3_start(&self->s3, call);
}

/* --- the pump ---------------------------------------------------------------------------------- */

static void on_filled(daytona__storage_t *self, slot_t *slot) {
  bool is_last = daytona__archive_is_done(self->archive);
  int64_t content = daytona__archive_content_done(self->archive);
  set_slot(slot, READY);
  slot->number = ++self->part_count;
  slot->content = content - self->content_filled;
  self->content_filled = content;
  if (!is_last && self->part_count == DAYTONA__STORAGE_PARTS_MAX) {
    fail_with(self, DAYTONA_ELIMIT, "the context is larger than one object can be");
  } else if (self->phase == PACKING && is_last) {
    set_phase(self, PUTTING);
    send_slot(self, slot, NULL, on_put);
  } else if (self->phase == PACKING) {
    set_phase(self, CREATING);
    request(self, "POST", "uploads=", on_created);
    pump(self);
  } else {
    pump(self);
  }
}

static bool is_idle(const daytona__storage_t *self) {
  for (int i = 0; i < self->slot_count; i++)
    if (self->slots[i].state != FREE) return false;
  return !self->is_working;
}

/* Send what is ready, fill what is free, and complete what is whole. */
static void pump(daytona__storage_t *self) {
  bool may_fill = self->phase == PACKING || self->phase == CREATING || self->phase == SENDING;
  if (!may_fill || self->is_paused || self->error != NULL) return;
  if (self->phase == SENDING) send_parts(self);
  bool is_done = self->part_count != 0 && !self->is_working && daytona__archive_is_done(self->archive);
  if (!is_done && !self->is_working && !fill_next(self))
    fail_memory(self);
  else if (is_done && self->phase == SENDING && is_idle(self))
    complete(self);
}

/* --- pausing ----------------------------------------------------------------------------------- */

void daytona__storage_pause(daytona__storage_t *self) { self->is_paused = self->s3.is_paused = true; }

static void on_step(daytona__task_t *task);

void daytona__storage_resume(daytona__storage_t *self) {
  if (!self->is_paused) return;
  self->is_paused = self->s3.is_paused = false;
  for (int i = 0; i < self->slot_count; i++) daytona__s3_resume(&self->slots[i].call);
  daytona__s3_resume(&self->call);
  if (self->error == NULL) daytona__loop_defer(self->loop, &self->step);
}

/* --- beginning --------------------------------------------------------------------------------- */

static void on_ready(daytona__s3_t *s3, const daytona_error_t *error) {
  daytona__storage_t *self = s3->user;
  if (error != NULL)
    fail(self, error);
  else
    begin_item(self);
}

/* The first turn, or the one after a pause. */
static void on_step(daytona__task_t *task) {
  daytona__storage_t *self = DAYTONA__CONTAINER(task, daytona__storage_t, step);
  if (self->phase == HASHING && !self->is_working) {
    if (!self->is_paused) start_job(self, NULL);
  } else if (self->phase != ASKING) {
    pump(self);
  } else if (self->count == 0) {
    set_phase(self, DONE);
    report(self);
  } else if (self->access_code != 0) {
    fail_with(self, (daytona_errcode_t)self->access_code, self->access_problem);
  } else if (self->s3.generation != 0) {
    begin_item(self);
  } else if (!self->s3.is_asking) {
    daytona__s3_ask(&self->s3, on_ready);
  }
}

static bool copy_items(daytona__storage_t *self, const daytona_image_context_t *const *contexts,
                       size_t count) {
  self->items = daytona__arena_array(&self->arena, count, sizeof *self->items);
  self->results = daytona__arena_array(&self->arena, count, sizeof *self->results);
  if (self->items == NULL || self->results == NULL) return false;
  for (size_t i = 0; i < count; i++) {
    self->items[i].path = daytona__arena_strdup(&self->arena, contexts[i]->source_path);
    self->items[i].name = daytona__arena_strdup(&self->arena, contexts[i]->archive_path);
    if (self->items[i].path == NULL || self->items[i].name == NULL) return false;
  }
  self->count = count;
  return true;
}

static void init(daytona__storage_t *self, daytona__op_t *op, const daytona__storage_opts_t *opts) {
  self->op = op;
  self->loop = daytona__loop_retain(op->client->loop);
  self->opts = *opts;
  self->part_size = daytona__storage_part_size;
  daytona__arena_init(&self->arena, 0);
  daytona__arena_init(&self->upload, 0);
  daytona__strbuf_init(&self->completion, COMPLETE_MAX);
  daytona__task_init(&self->step, on_step);
  daytona__task_init(&self->progress, on_progress);
  daytona__timer_init(&self->patience, on_impatient);
  daytona__s3_init(&self->s3, op);
  self->s3.user = self;
  if (opts->idle_timeout_ms != 0) self->s3.idle_timeout_ms = opts->idle_timeout_ms;
}

daytona__storage_t *daytona__storage_new(daytona__op_t *op, const daytona_image_context_t *const *contexts,
                                         size_t count, const daytona__storage_opts_t *opts) {
  daytona__storage_t *self = daytona__calloc(1, sizeof *self);
  int slot_count = opts->parallel != 0 ? opts->parallel : DAYTONA__STORAGE_PARALLEL_DEFAULT;
  assert(opts->done != NULL && slot_count > 0 && slot_count <= DAYTONA__STORAGE_PARALLEL_MAX);
  if (self == NULL) return NULL;
  init(self, op, opts);
  self->slots = daytona__calloc((size_t)slot_count, sizeof *self->slots);
  if (self->slots == NULL || !copy_items(self, contexts, count)) {
    free_all(self);
    return NULL;
  }
  self->slot_count = slot_count;
  if (opts->access != NULL)
    self->access_code = daytona__s3_give(&self->s3, opts->access, &self->access_problem);
  self->opts.access = NULL; /* borrowed for the call */
  daytona__loop_defer(self->loop, &self->step);
  return self;
}

/* --- the end ----------------------------------------------------------------------------------- */

static void free_all(daytona__storage_t *self) {
  assert(!self->is_working);
  for (int i = 0; i < self->slot_count; i++) daytona__free(self->slots[i].bytes);
  daytona__free(self->slots);
  daytona__archive_free(self->archive);
  daytona__strbuf_clear(&self->completion);
  daytona__arena_clear(&self->upload);
  daytona__arena_clear(&self->arena);
  daytona__s3_clear(&self->s3);
  daytona__loop_release(self->loop);
  daytona__free(self);
}

static void close_now(daytona__storage_t *self) {
  cancel_parts(self);
  daytona__s3_cancel(&self->call);
  daytona__timer_stop(&self->patience);
  daytona__task_cancel(&self->step);
  daytona__task_cancel(&self->progress);
  daytona__s3_clear(&self->s3);
  self->is_closed = true;
  self->op = NULL;
  if (!self->is_working) free_all(self);
}

DAYTONA__METHOD(undo, .prefix = "Failed to abort an upload to object storage: ", .verb = "DELETE",
                .is_background = true);

typedef struct undo {
  daytona__op_t op; /* first */
  daytona__storage_t *storage;
  daytona__timer_t limit;
} undo_t;

static void end_undo(daytona__op_t *op) {
  undo_t *undo = (undo_t *)op;
  daytona__timer_stop(&undo->limit);
  if (undo->storage != NULL) close_now(undo->storage);
  undo->storage = NULL;
}

static void on_undone(daytona__op_t *op, const daytona_error_t *error) {
  (void)error;
  daytona__op_resolve(op, &daytona__type_none, NULL);
}

static void on_undo_limit(daytona__timer_t *timer) {
  undo_t *undo = DAYTONA__CONTAINER(timer, undo_t, limit);
  daytona__log(undo->storage->loop, DAYTONA_LOG_WARN,
               "object storage: an upload that was not completed was not aborted in time");
  daytona__op_resolve(&undo->op, &daytona__type_none, NULL);
}

/* Something is begun, or will be when the answer comes. */
static bool must_undo(const daytona__storage_t *self) {
  bool is_over = self->phase == DONE || self->phase == FAILED;
  return !self->op->client->is_closing && !is_over && !self->is_undone &&
         (self->upload_query != NULL || is_creating(self));
}

/* Give it to an operation that nobody waits for. False: there is no memory. */
static bool undo_later(daytona__storage_t *self) {
  daytona_future_t *future;
  undo_t *undo = (undo_t *)daytona__op_new_named("object_storage_undo", &undo_method, self->op->client, NULL,
                                                 sizeof *undo, &future);
  daytona_future_release(future);
  if (undo == NULL) return false;
  undo->storage = self;
  undo->op.ending = end_undo;
  self->op = self->s3.op = &undo->op;
  self->call.http.owner = &undo->op;
  self->is_undone = true;
  self->opts.done = on_undone;
  self->opts.on_progress = NULL;
  self->error = NULL; /* it was in the memory of the operation that has ended */
  daytona__timer_init(&undo->limit, on_undo_limit);
  daytona__timer_start(self->loop, &undo->limit, 2 * DAYTONA__STORAGE_ABORT_MAX_MS);
  return true;
}

void daytona__storage_close(daytona__storage_t *self) {
  if (self == NULL) return;
  if (!must_undo(self) || !undo_later(self)) {
    close_now(self);
    return;
  }
  daytona__task_cancel(&self->step);
  daytona__task_cancel(&self->progress);
  daytona__timer_stop(&self->patience);
  self->is_paused = self->s3.is_paused = false;
  cancel_parts(self);
  if (self->phase == CREATING || self->phase == ABORTING) return; /* the answer comes */
  daytona__s3_cancel(&self->call);
  abort_upload(self);
}

/* --- results ----------------------------------------------------------------------------------- */

const daytona__storage_result_t *daytona__storage_results(const daytona__storage_t *self) {
  assert(self->phase == DONE);
  return self->results;
}
