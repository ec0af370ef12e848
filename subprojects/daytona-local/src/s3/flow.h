/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between a client and the disk: bodies that are taken in, and files that are sent, on the threads of the store, in two
 * blocks each. While one is at the disk the other is at the socket; when both are full, the socket waits.
 *
 * The callbacks marked "thread" may block; they come one at a time and in order. The others are on the loop.
 */
#ifndef DL_S3_FLOW_H
#define DL_S3_FLOW_H

#include "http/http.h"
#include "s3/blobs.h"

#define DL_FLOW_BLOCK (256u * 1024)

typedef struct {
  /* False: nothing more is wanted, the answer comes at once. Thread. */
  bool (*take)(void *user, const char *bytes, size_t len);
  /* The body is over; false: it was given up, by the client or by `take`. Thread. */
  void (*finish)(void *user, bool is_complete);
  /* After finish. Answers `req` and frees `user`. */
  void (*answer)(void *user, dl_req_t *req);
} dl_intake_events_t;

/* Takes the whole body of the request. */
void dl_intake_start(dl_blobs_t *b, dl_req_t *req, const dl_intake_events_t *events, void *user);

/* Answers with `length` bytes of `fd` (taken) from `offset` on; to a HEAD without them, and it needs no `fd` (-1). */
void dl_outflow_start(dl_blobs_t *b, dl_req_t *req, int status, int fd, int64_t offset, int64_t length);

#endif
