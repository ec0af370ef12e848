/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of one part of a request, wherever they are: in memory, in a local file, or with a source of the program.
 *
 * daytona__body_take() copies what is at hand and does nothing else, so that it may be called with libcurl on the
 * stack. Opening, reading ahead and asking the program happen in daytona__body_refill(), from turns of the loop;
 * `on_event` reports, from a turn of its own, that a file was opened, has more bytes or has failed.
 *
 * A file is opened when its turn comes, and may be looked at before, for its size. What is changed between the two is
 * an error. Several bodies may read ranges of one file at the same time.
 */
#ifndef DAYTONA_CALL_BODY_H
#define DAYTONA_CALL_BODY_H

#include <daytona/fs.h>

#include "core/file.h"
#include "core/loop.h"

typedef enum daytona__body_state {
  DAYTONA__BODY_IDLE,    /* a file that is not open */
  DAYTONA__BODY_OPENING, /* it is being opened, and its size looked at */
  DAYTONA__BODY_READY,
  DAYTONA__BODY_ASKING,  /* the program's source is on the stack */
  DAYTONA__BODY_RESUMED, /* the same, and it has resumed the body meanwhile */
  DAYTONA__BODY_WAITING, /* the source has nothing until it is resumed */
  DAYTONA__BODY_DRY,     /* the source has ended; what it gave may still be here */
  DAYTONA__BODY_FAILED,
  DAYTONA__BODY_CLEARED
} daytona__body_state_t;

typedef struct daytona__body_file {
  const char *path; /* borrowed */
  int64_t from, most;
  daytona__file_reader_t *reader;
} daytona__body_file_t;

typedef struct daytona__body_source {
  daytona_fs_source_cb call;
  void *user;
  char *block; /* what the source has filled ahead; allocated when it is first asked */
  size_t start, end;
} daytona__body_source_t;

typedef struct daytona__body {
  const struct daytona__body_kind *kind;
  daytona__body_state_t state;
  daytona__loop_t *loop;
  int64_t size;  /* -1: not known */
  int64_t taken; /* bytes, since the beginning or the last rewind */
  daytona_errcode_t code;
  const char *text;
  int system_errno;             /* with it: of a local file */
  void (*on_event)(void *user); /* files only; the owner may do anything to the body inside */
  void *user;
  union {
    const char *bytes; /* borrowed */
    daytona__body_file_t file;
    daytona__body_source_t source;
  } of;
} daytona__body_t;

void daytona__body_memory(daytona__body_t *body, const void *bytes, int64_t size);

/* `size` bytes from `from` on; size -1: up to the end that the file has when it is opened first. */
void daytona__body_file(daytona__body_t *body, daytona__loop_t *loop, const char *path, int64_t from,
                        int64_t size, void (*on_event)(void *user), void *user);

/* The size is never known. */
void daytona__body_source(daytona__body_t *body, daytona__loop_t *loop, daytona_fs_source_cb source,
                          void *user);

/* Let everything go. Allowed at any time, inside the source and on_event, and on a zeroed body. */
void daytona__body_clear(daytona__body_t *body);

/* Learn the size of a file. True: it is known already, or there is none; false: on_event reports it, or a failure. */
bool daytona__body_look(daytona__body_t *body);

/* Go back to the beginning; a file is closed until the next refill. False: a source cannot. */
bool daytona__body_rewind(daytona__body_t *body);

/* Copy bytes that are at hand; 0: there are none now. */
size_t daytona__body_take(daytona__body_t *body, char *out, size_t size);

/* Whether all bytes were taken. */
bool daytona__body_is_done(const daytona__body_t *body);

/* Whether taking would get on: there are bytes, or it is done, or it has failed. */
bool daytona__body_is_ready(const daytona__body_t *body);

/* Get more bytes to hand. Calls the program's source, which may end whatever the body belongs to: hold it. */
void daytona__body_refill(daytona__body_t *body);

/* The source that had nothing may be asked again. Nothing happens to other bodies. */
void daytona__body_resume(daytona__body_t *body);

/* DAYTONA_OK, or why there will be no more bytes, with a text that lives as long as the body. */
daytona_errcode_t daytona__body_error(const daytona__body_t *body, const char **text);

#endif
