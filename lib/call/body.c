/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies; see body.h. What differs between the three kinds is a row of functions; what state a body is in is changed
 * by set_state() alone.
 */
#include "call/body.h"

#include <assert.h>
#include <string.h>

#include "core/limits.h"
#include "core/memory.h"

/* What a source fills ahead. */
enum { SOURCE_BLOCK = 64 * 1024 };

typedef struct daytona__body_kind {
  size_t (*take)(daytona__body_t *body, char *out, size_t size);
  bool (*has_bytes)(const daytona__body_t *body);
  void (*refill)(daytona__body_t *body);
  void (*close)(daytona__body_t *body);
} kind_t;

/* --- states ------------------------------------------------------------------------------------ */

#define TO(state) (1u << DAYTONA__BODY_##state)

static const unsigned allowed[] = {
  [DAYTONA__BODY_IDLE] = TO(OPENING) | TO(FAILED),
  [DAYTONA__BODY_OPENING] = TO(READY) | TO(FAILED) | TO(IDLE),
  [DAYTONA__BODY_READY] = TO(ASKING) | TO(FAILED) | TO(IDLE),
  [DAYTONA__BODY_ASKING] = TO(READY) | TO(RESUMED) | TO(WAITING) | TO(DRY) | TO(FAILED),
  [DAYTONA__BODY_RESUMED] = TO(READY) | TO(DRY) | TO(FAILED),
  [DAYTONA__BODY_WAITING] = TO(READY),
  [DAYTONA__BODY_DRY] = 0,
  [DAYTONA__BODY_FAILED] = 0,
  [DAYTONA__BODY_CLEARED] = 0,
};

static void set_state(daytona__body_t *body, daytona__body_state_t to) {
  assert(to == DAYTONA__BODY_CLEARED || (allowed[body->state] & 1u << to) != 0);
  body->state = to;
}

static void fail(daytona__body_t *body, daytona_errcode_t code, const char *text) {
  set_state(body, DAYTONA__BODY_FAILED);
  body->code = code;
  body->text = text;
}

/* --- memory ------------------------------------------------------------------------------------ */

static size_t take_memory(daytona__body_t *body, char *out, size_t size) {
  int64_t left = body->size - body->taken;
  size_t count = (int64_t)size < left ? size : (size_t)left;
  if (count != 0) memcpy(out, body->of.bytes + body->taken, count);
  return count;
}

static bool memory_has_bytes(const daytona__body_t *body) { return body->taken < body->size; }

static void do_nothing(daytona__body_t *body) { (void)body; }

static const kind_t memory_kind = {take_memory, memory_has_bytes, do_nothing, do_nothing};

void daytona__body_memory(daytona__body_t *body, const void *bytes, int64_t size) {
  assert(size >= 0 && (bytes != NULL || size == 0));
  memset(body, 0, sizeof *body);
  body->kind = &memory_kind;
  body->state = DAYTONA__BODY_READY;
  body->size = size;
  body->of.bytes = bytes;
}

/* --- local files ------------------------------------------------------------------------------- */

static size_t take_file(daytona__body_t *body, char *out, size_t size) {
  daytona__file_reader_t *reader = body->of.file.reader;
  return body->state == DAYTONA__BODY_READY ? daytona__file_reader_take(reader, out, size) : 0;
}

static bool file_has_bytes(const daytona__body_t *body) {
  return body->state == DAYTONA__BODY_READY && daytona__file_reader_has_bytes(body->of.file.reader);
}

static void close_reader(daytona__body_t *body) {
  daytona__file_reader_t *reader = body->of.file.reader;
  body->of.file.reader = NULL;
  daytona__file_reader_close(reader);
}

/* The file has been opened. */
static void check_size(daytona__body_t *body) {
  int64_t size = daytona__file_reader_size(body->of.file.reader);
  if (body->size >= 0 && body->size != size) {
    fail(body, DAYTONA_EIO, "a local file has changed its size since it was looked at");
    return;
  }
  body->size = size;
  set_state(body, DAYTONA__BODY_READY);
}

static void fail_file(daytona__body_t *body, daytona_errcode_t code, const char *text) {
  body->system_errno = daytona__file_reader_errno(body->of.file.reader);
  fail(body, code, text);
}

static void on_file_event(void *user) {
  daytona__body_t *body = user;
  const char *text;
  daytona_errcode_t code = daytona__file_reader_error(body->of.file.reader, &text);
  if (code != DAYTONA_OK && body->state != DAYTONA__BODY_FAILED)
    fail_file(body, code, text);
  else if (body->state == DAYTONA__BODY_OPENING && daytona__file_reader_is_open(body->of.file.reader))
    check_size(body);
  if (body->state != DAYTONA__BODY_OPENING) body->on_event(body->user);
}

static void open_file(daytona__body_t *body) {
  daytona__body_file_t *file = &body->of.file;
  assert(file->reader == NULL);
  file->reader = daytona__file_reader_new(body->loop, file->path, on_file_event, body);
  if (file->reader == NULL) {
    fail(body, DAYTONA_ENOMEM, daytona_errcode_text(DAYTONA_ENOMEM));
    return;
  }
  daytona__file_reader_set_range(file->reader, file->from, file->most);
  set_state(body, DAYTONA__BODY_OPENING);
}

static void refill_file(daytona__body_t *body) {
  if (body->state == DAYTONA__BODY_IDLE && body->taken != body->size)
    open_file(body);
  else if (body->state == DAYTONA__BODY_READY)
    daytona__file_reader_refill(body->of.file.reader);
}

static const kind_t file_kind = {take_file, file_has_bytes, refill_file, close_reader};

void daytona__body_file(daytona__body_t *body, daytona__loop_t *loop, const char *path, int64_t from,
                        int64_t size, void (*on_event)(void *user), void *user) {
  assert(path != NULL && from >= 0 && size >= -1);
  memset(body, 0, sizeof *body);
  body->kind = &file_kind;
  body->state = DAYTONA__BODY_IDLE;
  body->loop = loop;
  body->size = size;
  body->on_event = on_event;
  body->user = user;
  body->of.file = (daytona__body_file_t){.path = path, .from = from, .most = size};
}

bool daytona__body_look(daytona__body_t *body) {
  if (body->kind != &file_kind || body->size >= 0 || body->state == DAYTONA__BODY_FAILED) return true;
  if (body->state == DAYTONA__BODY_IDLE) open_file(body);
  return body->state == DAYTONA__BODY_FAILED;
}

/* --- sources of the program -------------------------------------------------------------------- */

static size_t take_source(daytona__body_t *body, char *out, size_t size) {
  daytona__body_source_t *source = &body->of.source;
  size_t here = source->end - source->start;
  if (here > size) here = size;
  if (here != 0) memcpy(out, source->block + source->start, here);
  source->start += here;
  return here;
}

static bool source_has_bytes(const daytona__body_t *body) {
  return body->of.source.start != body->of.source.end;
}

static void free_block(daytona__body_t *body) {
  daytona__free(body->of.source.block);
  body->of.source.block = NULL;
  body->of.source.start = body->of.source.end = 0;
}

/* What the source has answered; `room` is what it was offered. */
static void take_answer(daytona__body_t *body, ptrdiff_t got, size_t room) {
  if (got == DAYTONA_SOURCE_WAIT) /* resumed inside: it is asked again in the turn that this has caused */
    set_state(body, body->state == DAYTONA__BODY_RESUMED ? DAYTONA__BODY_READY : DAYTONA__BODY_WAITING);
  else if (got == 0)
    set_state(body, DAYTONA__BODY_DRY);
  else if (got < 0)
    fail(body, DAYTONA_EIO, "the source has given up");
  else if ((size_t)got > room)
    fail(body, DAYTONA_EINVAL, "the source claims more bytes than there was room for");
  else
    set_state(body, DAYTONA__BODY_READY);
  if (body->state == DAYTONA__BODY_READY && got > 0) body->of.source.end += (size_t)got;
}

/* Ask until the source has nothing, the block is full, or it has let the body go. */
static void refill_source(daytona__body_t *body) {
  daytona__body_source_t *source = &body->of.source;
  daytona__loop_t *loop = body->loop; /* held by the caller, as the body is */
  ptrdiff_t got = 1;
  if (body->state == DAYTONA__BODY_READY && source->block == NULL &&
      (source->block = daytona__alloc(SOURCE_BLOCK)) == NULL)
    fail(body, DAYTONA_ENOMEM, daytona_errcode_text(DAYTONA_ENOMEM));
  while (body->state == DAYTONA__BODY_READY && got > 0) {
    if (source->start == source->end) source->start = source->end = 0;
    size_t room = SOURCE_BLOCK - source->end;
    if (room == 0) return;
    set_state(body, DAYTONA__BODY_ASKING);
    daytona__loop_enter(loop);
    got = source->call(source->block + source->end, room, source->user);
    daytona__loop_leave(loop);
    if (body->state == DAYTONA__BODY_CLEARED) { /* inside the source, which may still have written */
      free_block(body);
      return;
    }
    take_answer(body, got, room);
  }
}

static const kind_t source_kind = {take_source, source_has_bytes, refill_source, free_block};

void daytona__body_source(daytona__body_t *body, daytona__loop_t *loop, daytona_fs_source_cb source,
                          void *user) {
  memset(body, 0, sizeof *body);
  body->kind = &source_kind;
  body->state = DAYTONA__BODY_READY;
  body->loop = loop;
  body->size = -1;
  body->of.source = (daytona__body_source_t){.call = source, .user = user};
}

void daytona__body_resume(daytona__body_t *body) {
  if (body->state == DAYTONA__BODY_ASKING)
    set_state(body, DAYTONA__BODY_RESUMED);
  else if (body->state == DAYTONA__BODY_WAITING)
    set_state(body, DAYTONA__BODY_READY);
}

/* --- all of them ------------------------------------------------------------------------------- */

void daytona__body_clear(daytona__body_t *body) {
  if (body->kind == NULL || body->state == DAYTONA__BODY_CLEARED) return;
  bool is_asking = body->state == DAYTONA__BODY_ASKING || body->state == DAYTONA__BODY_RESUMED;
  set_state(body, DAYTONA__BODY_CLEARED);
  if (!is_asking) body->kind->close(body);
}

bool daytona__body_rewind(daytona__body_t *body) {
  if (body->kind == &source_kind) return false;
  assert(body->state != DAYTONA__BODY_CLEARED);
  body->taken = 0;
  if (body->state == DAYTONA__BODY_FAILED || body->kind == &memory_kind) return true;
  close_reader(body);
  if (body->state != DAYTONA__BODY_IDLE) set_state(body, DAYTONA__BODY_IDLE);
  return true;
}

size_t daytona__body_take(daytona__body_t *body, char *out, size_t size) {
  size_t count = body->kind->take(body, out, size);
  body->taken += (int64_t)count;
  assert(count <= size && (body->size < 0 || body->taken <= body->size));
  return count;
}

bool daytona__body_is_done(const daytona__body_t *body) {
  if (body->kind == &source_kind) return body->state == DAYTONA__BODY_DRY && !source_has_bytes(body);
  return body->taken == body->size;
}

bool daytona__body_is_ready(const daytona__body_t *body) {
  return body->state == DAYTONA__BODY_FAILED || daytona__body_is_done(body) || body->kind->has_bytes(body);
}

void daytona__body_refill(daytona__body_t *body) { body->kind->refill(body); }

daytona_errcode_t daytona__body_error(const daytona__body_t *body, const char **text) {
  *text = body->text;
  return body->code;
}
