/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sinks; see sink.h. What differs between the three kinds is a row of functions; what state a sink is in is changed by
 * set_state() alone.
 */
#include "call/sink.h"

#include <assert.h>
#include <string.h>

#include "core/memory.h"

typedef struct daytona__sink_kind {
  void (*begin)(daytona__sink_t *sink);
  size_t (*put)(daytona__sink_t *sink, const char *bytes, size_t size);
  void (*finish)(daytona__sink_t *sink);
  void (*close)(daytona__sink_t *sink);
} kind_t;

#define TO(state) (1u << DAYTONA__SINK_##state)

static const unsigned allowed[] = {
  [DAYTONA__SINK_IDLE] = TO(OPEN) | TO(FAILED),
  [DAYTONA__SINK_OPEN] = TO(IDLE) | TO(FINISHING) | TO(DONE) | TO(FAILING) | TO(FAILED),
  [DAYTONA__SINK_FINISHING] = TO(DONE) | TO(FAILING) | TO(FAILED),
  [DAYTONA__SINK_DONE] = 0,
  [DAYTONA__SINK_FAILING] = TO(FAILED),
  [DAYTONA__SINK_FAILED] = 0,
  [DAYTONA__SINK_CLEARED] = 0,
};

static void set_state(daytona__sink_t *sink, daytona__sink_state_t to) {
  assert(to == DAYTONA__SINK_CLEARED || (allowed[sink->state] & 1u << to) != 0);
  assert(to != DAYTONA__SINK_FAILED || sink->code != DAYTONA_OK);
  sink->state = to;
}

static void fail(daytona__sink_t *sink, daytona_errcode_t code, const char *text) {
  sink->code = code;
  sink->text = text;
  set_state(sink, DAYTONA__SINK_FAILED);
}

static void do_nothing(daytona__sink_t *sink) { (void)sink; }
static void be_open(daytona__sink_t *sink) { set_state(sink, DAYTONA__SINK_OPEN); }
static void be_done(daytona__sink_t *sink) { set_state(sink, DAYTONA__SINK_DONE); }

static void init(daytona__sink_t *sink, const kind_t *kind, daytona__loop_t *loop) {
  memset(sink, 0, sizeof *sink);
  sink->kind = kind;
  sink->loop = loop;
}

/* --- memory ------------------------------------------------------------------------------------ */

static size_t put_memory(daytona__sink_t *sink, const char *bytes, size_t size) {
  daytona__sink_memory_t *memory = &sink->to.memory;
  int rc = size > *memory->left ? DAYTONA_ELIMIT : daytona__strbuf_append(&memory->bytes, bytes, size);
  if (rc == 0) {
    *memory->left -= size;
    return size;
  }
  *memory->left += memory->bytes.size;
  daytona__strbuf_clear(&memory->bytes);
  fail(sink, (daytona_errcode_t)rc,
       rc == DAYTONA_ELIMIT ? "the file is larger than max_bytes" : daytona_errcode_text(rc));
  return size;
}

static void free_memory(daytona__sink_t *sink) {
  *sink->to.memory.left += sink->to.memory.bytes.size;
  daytona__strbuf_clear(&sink->to.memory.bytes);
}

static const kind_t memory_kind = {be_open, put_memory, be_done, free_memory};

void daytona__sink_memory(daytona__sink_t *sink, size_t *left) {
  init(sink, &memory_kind, NULL);
  daytona__strbuf_init(&sink->to.memory.bytes, *left);
  sink->to.memory.left = left;
}

int daytona__sink_take(daytona__sink_t *sink, daytona_bytes_t *out) {
  daytona__strbuf_t *bytes = &sink->to.memory.bytes;
  assert(sink->kind == &memory_kind && sink->state == DAYTONA__SINK_DONE);
  out->data = bytes->data != NULL ? bytes->data : daytona__calloc(1, 1);
  out->size = bytes->size;
  daytona__strbuf_init(bytes, 0);
  return out->data != NULL ? 0 : DAYTONA_ENOMEM;
}

/* --- local files ------------------------------------------------------------------------------- */

/* Move on after whatever the disk has done. */
static void look(daytona__sink_t *sink) {
  daytona__file_writer_t *writer = sink->to.file.writer;
  if (sink->state == DAYTONA__SINK_OPEN || sink->state == DAYTONA__SINK_FINISHING) {
    sink->code = daytona__file_writer_error(writer, &sink->text);
    sink->system_errno = daytona__file_writer_errno(writer);
    if (sink->code != DAYTONA_OK) {
      set_state(sink, DAYTONA__SINK_FAILING);
      daytona__file_writer_abandon(writer);
    } else if (sink->state == DAYTONA__SINK_FINISHING && daytona__file_writer_is_committed(writer)) {
      set_state(sink, DAYTONA__SINK_DONE);
    }
  }
  if (sink->state == DAYTONA__SINK_FAILING && daytona__file_writer_is_gone(writer))
    set_state(sink, DAYTONA__SINK_FAILED);
}

static void on_file_event(void *user) {
  daytona__sink_t *sink = user;
  look(sink);
  sink->on_event(sink->user);
}

static void open_file(daytona__sink_t *sink) {
  daytona__sink_file_t *file = &sink->to.file;
  file->writer = daytona__file_writer_new(sink->loop, file->path, on_file_event, sink);
  if (file->writer != NULL)
    set_state(sink, DAYTONA__SINK_OPEN);
  else
    fail(sink, DAYTONA_ENOMEM, daytona_errcode_text(DAYTONA_ENOMEM));
}

static size_t put_file(daytona__sink_t *sink, const char *bytes, size_t size) {
  size_t taken = daytona__file_writer_put(sink->to.file.writer, bytes, size);
  look(sink);
  return sink->state == DAYTONA__SINK_OPEN ? taken : size;
}

static void finish_file(daytona__sink_t *sink) {
  set_state(sink, DAYTONA__SINK_FINISHING);
  daytona__file_writer_commit(sink->to.file.writer);
  look(sink);
}

static void close_file(daytona__sink_t *sink) {
  daytona__file_writer_t *writer = sink->to.file.writer;
  sink->to.file.writer = NULL;
  daytona__file_writer_close(writer);
}

static const kind_t file_kind = {open_file, put_file, finish_file, close_file};

void daytona__sink_file(daytona__sink_t *sink, daytona__loop_t *loop, const char *path,
                        void (*on_event)(void *user), void *user) {
  init(sink, &file_kind, loop);
  sink->on_event = on_event;
  sink->user = user;
  sink->to.file.path = path;
}

/* --- the program ------------------------------------------------------------------------------- */

static size_t put_program(daytona__sink_t *sink, const char *bytes, size_t size) {
  daytona__loop_t *loop = daytona__loop_retain(sink->loop);
  daytona__loop_enter(loop);
  size_t taken = sink->to.program.call(bytes, size, sink->to.program.user);
  daytona__loop_leave(loop);
  daytona__loop_release(loop);
  return taken < size ? taken : size;
}

static const kind_t program_kind = {be_open, put_program, be_done, do_nothing};

void daytona__sink_program(daytona__sink_t *sink, daytona__loop_t *loop, daytona_fs_sink_cb call,
                           void *user) {
  init(sink, &program_kind, loop);
  sink->to.program = (daytona__sink_program_t){.call = call, .user = user};
}

/* --- all of them ------------------------------------------------------------------------------- */

void daytona__sink_clear(daytona__sink_t *sink) {
  if (sink->kind == NULL || sink->state == DAYTONA__SINK_CLEARED) return;
  set_state(sink, DAYTONA__SINK_CLEARED);
  sink->kind->close(sink);
}

void daytona__sink_restart(daytona__sink_t *sink) {
  if (sink->state == DAYTONA__SINK_IDLE) return;
  set_state(sink, DAYTONA__SINK_IDLE);
  sink->kind->close(sink);
}

void daytona__sink_begin(daytona__sink_t *sink) { sink->kind->begin(sink); }

size_t daytona__sink_put(daytona__sink_t *sink, const char *bytes, size_t size) {
  assert(sink->state != DAYTONA__SINK_IDLE && sink->state != DAYTONA__SINK_CLEARED);
  return sink->state == DAYTONA__SINK_OPEN ? sink->kind->put(sink, bytes, size) : size;
}

void daytona__sink_finish(daytona__sink_t *sink) {
  if (sink->state == DAYTONA__SINK_OPEN) sink->kind->finish(sink);
}

bool daytona__sink_is_settled(const daytona__sink_t *sink) {
  return sink->state == DAYTONA__SINK_DONE || sink->state == DAYTONA__SINK_FAILED;
}

daytona_errcode_t daytona__sink_error(const daytona__sink_t *sink, const char **text) {
  *text = sink->text;
  return sink->code;
}
