/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the bytes of one part of a response go: to memory, to a local file, or to the program.
 *
 * daytona__sink_put() takes what there is room for. A sink that has failed takes all and drops it, so that the rest of
 * the response continues. A failed file is settled only when what was written of it has been removed: then its room on the
 * disk is free for whatever comes next. `on_event` reports, from a turn of its own, that a file has room again, is
 * settled or has failed; the owner may do anything inside.
 */
#ifndef DAYTONA_CALL_SINK_H
#define DAYTONA_CALL_SINK_H

#include <daytona/fs.h>

#include "core/file.h"
#include "core/loop.h"
#include "core/strbuf.h"

typedef enum daytona__sink_state {
  DAYTONA__SINK_IDLE,      /* nothing has come for it yet */
  DAYTONA__SINK_OPEN,      /* takes bytes */
  DAYTONA__SINK_FINISHING, /* it has all of them; a file gets its name */
  DAYTONA__SINK_DONE,
  DAYTONA__SINK_FAILING, /* what was written of a file is being removed */
  DAYTONA__SINK_FAILED,
  DAYTONA__SINK_CLEARED
} daytona__sink_state_t;

typedef struct daytona__sink_memory {
  daytona__strbuf_t bytes;
  size_t *left; /* of a limit that several sinks share; borrowed */
} daytona__sink_memory_t;

typedef struct daytona__sink_file {
  const char *path; /* borrowed */
  daytona__file_writer_t *writer;
} daytona__sink_file_t;

typedef struct daytona__sink_program {
  daytona_fs_sink_cb call;
  void *user;
} daytona__sink_program_t;

typedef struct daytona__sink {
  const struct daytona__sink_kind *kind;
  daytona__sink_state_t state;
  daytona__loop_t *loop;
  daytona_errcode_t code;
  const char *text;
  int system_errno;             /* with it: of a local file */
  void (*on_event)(void *user); /* files only */
  void *user;
  union {
    daytona__sink_memory_t memory;
    daytona__sink_file_t file;
    daytona__sink_program_t program;
  } to;
} daytona__sink_t;

void daytona__sink_memory(daytona__sink_t *sink, size_t *left);
void daytona__sink_file(daytona__sink_t *sink, daytona__loop_t *loop, const char *path,
                        void (*on_event)(void *user), void *user);
void daytona__sink_program(daytona__sink_t *sink, daytona__loop_t *loop, daytona_fs_sink_cb call, void *user);

/* Let everything go; a file that is not done is removed. Allowed at any time, inside callbacks, and on a zeroed sink. */
void daytona__sink_clear(daytona__sink_t *sink);

/* Drop what it has, so that it can begin again; what the program was given cannot be dropped. */
void daytona__sink_restart(daytona__sink_t *sink);

/* Its first byte is about to come. It may have failed at once. */
void daytona__sink_begin(daytona__sink_t *sink);

/* How many bytes were taken. Calls the program, which may end whatever the sink belongs to: hold it. */
size_t daytona__sink_put(daytona__sink_t *sink, const char *bytes, size_t size);

/* All bytes were put. */
void daytona__sink_finish(daytona__sink_t *sink);

/* Whether it is done or has failed, and nothing of it is under way any more. */
bool daytona__sink_is_settled(const daytona__sink_t *sink);

/* DAYTONA_OK or why it has failed, with a text that is valid until the sink is cleared. */
daytona_errcode_t daytona__sink_error(const daytona__sink_t *sink, const char **text);

/* The bytes in memory become the caller's, who frees them; empty ones, too. 0 or DAYTONA_ENOMEM. */
int daytona__sink_take(daytona__sink_t *sink, daytona_bytes_t *out);

#endif
