/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between a socket and the disk: request bodies that are consumed, and answers that are produced, on
 * the thread pool, in two blocks each. While one block is at the disk the other is at the socket;
 * when both are full, the socket waits.
 *
 * The callbacks marked "pool" run on a thread of the pool, one at a time and in order, and may block;
 * the others run on the loop.
 */
#ifndef DL_PUMP_H
#define DL_PUMP_H

#include "http/http.h"
#include "toolbox/core/toolbox.h"

#define DL_PUMP_BLOCK (128u * 1024)

typedef struct {
  void (*consume)(void *user, const char *bytes, size_t len); /* pool */
  /* The body is over; false: the client has gone in the middle of it. Pool. */
  void (*finish)(void *user, bool is_complete);
  /* After finish. Answers `req` and frees `user`. */
  void (*answer)(void *user, dl_req_t *req);
} dl_sink_events_t;

/* Takes the whole request body. */
void dl_sink_start(dl_toolbox_t *tb, dl_req_t *req, const dl_sink_events_t *events, void *user);

typedef struct {
  /* Fills up to `max` bytes; 0: the end; -1: break the connection. Pool. */
  ssize_t (*produce)(void *user, char *out, size_t max);
  /* The last call: close files, free `user`. Pool. */
  void (*release)(void *user);
} dl_source_events_t;

/* Answers with what is produced. `length` -1: unknown, chunked. */
void dl_source_start(dl_toolbox_t *tb, dl_req_t *req, int status, int64_t length,
                     const dl_source_events_t *events, void *user);

#endif
