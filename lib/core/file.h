/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local files on the thread pool: one to read from and one to write to, each with two blocks, so that the disk
 * works on one while the caller empties or fills the other.
 *
 * `on_event` is called from a turn of the loop whenever something new can be done: it is open, there are bytes or
 * room, it has ended, it has failed. The state says what. Closing is asynchronous: the object goes when its last
 * job on the thread pool has ended, and on_event is not called any more.
 */
#ifndef DAYTONA_CORE_FILE_H
#define DAYTONA_CORE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/error.h>

#include "core/loop.h"

/* Between a local disk and a socket, for each file that is being transferred: one block being read or written
   on the thread pool while the other is sent or filled. */
#define DAYTONA__FILE_BLOCK ((size_t)256 << 10)

typedef struct daytona__file_reader daytona__file_reader_t;
typedef struct daytona__file_writer daytona__file_writer_t;

typedef void (*daytona__file_event_cb)(void *user);

/* Open `path` for reading; nothing is read, nor memory for it taken, before the first refill. NULL without memory. */
daytona__file_reader_t *daytona__file_reader_new(daytona__loop_t *loop, const char *path,
                                                 daytona__file_event_cb on_event, void *user);

/* Read `size` bytes from `from` on, or as many as there are, instead of all; size -1: to the end. At once after new. */
void daytona__file_reader_set_range(daytona__file_reader_t *reader, int64_t from, int64_t size);

/* Whether it is open; its size then, or that of its range. */
bool daytona__file_reader_is_open(const daytona__file_reader_t *reader);
int64_t daytona__file_reader_size(const daytona__file_reader_t *reader);

/* Take bytes that are there; 0 when there are none yet, or no more. */
bool daytona__file_reader_has_bytes(const daytona__file_reader_t *reader);
size_t daytona__file_reader_take(daytona__file_reader_t *reader, char *out, size_t size);

/* DAYTONA_OK, or DAYTONA_EIO with a text: it cannot be opened or read, is no regular file, or has shrunk. */
daytona_errcode_t daytona__file_reader_error(const daytona__file_reader_t *reader, const char **text);

/*
 * Read ahead: the first time, and again after bytes were taken. From a turn of ours, because taking happens under
 * libcurl. Lack of memory is reported inside, by on_event.
 */
void daytona__file_reader_refill(daytona__file_reader_t *reader);

int daytona__file_reader_errno(
  const daytona__file_reader_t *reader); /* the system's; 0: it is not the one who said so */

void daytona__file_reader_close(daytona__file_reader_t *reader);

/*
 * Write to a new file beside `path`, which becomes `path` when all is written and committed. Folders on the way are
 * made. Closed before that, no file is left; folders stay. A regular file that has the name is replaced and leaves
 * its permissions; a link is followed; anything else is an error. NULL without memory.
 */
daytona__file_writer_t *daytona__file_writer_new(daytona__loop_t *loop, const char *path,
                                                 daytona__file_event_cb on_event, void *user);

/* Take over as many bytes as there is room for. */
size_t daytona__file_writer_put(daytona__file_writer_t *writer, const char *bytes, size_t size);

/* Everything was put: write the rest and give the file its name. */
void daytona__file_writer_commit(daytona__file_writer_t *writer);
bool daytona__file_writer_is_committed(const daytona__file_writer_t *writer);

/* Remove what was written; on_event comes when it has gone, unless it has at once. It is still to be closed. */
void daytona__file_writer_abandon(daytona__file_writer_t *writer);
bool daytona__file_writer_is_gone(const daytona__file_writer_t *writer);

daytona_errcode_t daytona__file_writer_error(const daytona__file_writer_t *writer, const char **text);
int daytona__file_writer_errno(const daytona__file_writer_t *writer);

void daytona__file_writer_close(daytona__file_writer_t *writer);

#endif
