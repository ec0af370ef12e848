/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A block is in one place at a time: being filled, or being emptied. `is_working` says that a thread has the block
 * it was given; the loop then touches only the other one.
 */
#include "s3/flow.h"

#include "base/thread.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  char *bytes;
  size_t len, at, room;
} block_t;

/* Blocks are born small: most bodies are. */
static void reserve(block_t *b, size_t len) {
  if (b->len + len <= b->room) return;
  while (b->room < b->len + len) b->room = b->room ? b->room * 2 : 8192;
  b->bytes = dl_xrealloc(b->bytes, b->room);
}

/* --- in --- */

typedef struct {
  dl_work_t work;
  dl_blobs_t *blobs;
  dl_req_t *req;
  const dl_intake_events_t *events;
  void *user;
  block_t filling, emptying;
  bool is_working, is_ended, is_complete, is_finishing;
  bool is_enough; /* said by `take` */
} intake_t;

static void submit(intake_t *s);

static void run_intake(dl_work_t *work) {
  intake_t *s = DL_CONTAINER(work, intake_t, work);
  assert(dl_off_loop_thread());
  if (s->emptying.len > 0 && !s->is_enough)
    s->is_enough = !s->events->take(s->user, s->emptying.bytes, s->emptying.len);
  if (s->is_finishing) s->events->finish(s->user, s->is_complete && !s->is_enough);
}

static void intake_done(dl_work_t *work) {
  intake_t *s = DL_CONTAINER(work, intake_t, work);
  dl_blobs_t *b = s->blobs;
  assert(s->is_working);
  s->is_working = false;
  if (s->is_finishing) {
    s->events->answer(s->user, s->req);
    free(s->filling.bytes);
    free(s->emptying.bytes);
    free(s);
  } else {
    if (s->is_enough) s->is_ended = true;
    submit(s);
    if (!s->is_ended || s->is_enough) dl_req_body_resume(s->req);
  }
  dl_blobs_worked(b);
}

static void submit(intake_t *s) {
  bool is_worth_it = s->is_ended || s->filling.len == DL_FLOW_BLOCK;
  if (s->is_working || s->is_finishing || !is_worth_it) return;
  block_t empty = s->emptying;
  s->emptying = s->filling;
  empty.len = 0;
  s->filling = empty;
  s->is_working = true;
  s->is_finishing = s->is_ended;
  dl_blobs_work(s->blobs, &s->work);
}

static size_t on_data(dl_req_t *req, const char *bytes, size_t len, void *user) {
  intake_t *s = user;
  (void)req;
  if (s->is_ended) return len; /* the answer is under way */
  size_t room = DL_FLOW_BLOCK - s->filling.len;
  if (len > room) len = room;
  reserve(&s->filling, len);
  memcpy(s->filling.bytes + s->filling.len, bytes, len);
  s->filling.len += len;
  submit(s);
  return len;
}

static void on_end(dl_req_t *req, bool is_complete, void *user) {
  intake_t *s = user;
  (void)req;
  if (s->is_ended) return;
  s->is_ended = true;
  s->is_complete = is_complete;
  submit(s);
}

void dl_intake_start(dl_blobs_t *b, dl_req_t *req, const dl_intake_events_t *events, void *user) {
  static const dl_body_events_t body = {on_data, on_end};
  intake_t *s = dl_xcalloc(1, sizeof *s);
  *s = (intake_t){
    .work = {.run = run_intake, .done = intake_done}, .blobs = b, .req = req, .events = events, .user = user};
  dl_req_stream_body(req, &body, s);
}

/* --- out --- */

typedef struct {
  dl_work_t work;
  dl_blobs_t *blobs;
  dl_req_t *req; /* NULL once the answer is over */
  int fd;
  int64_t offset, left; /* of what was not read yet */
  block_t filling, emptying;
  ssize_t got;
  bool is_working, is_ended, is_broken;
} outflow_t;

static void run_outflow(dl_work_t *work) {
  outflow_t *s = DL_CONTAINER(work, outflow_t, work);
  size_t wanted = s->left < (int64_t)DL_FLOW_BLOCK ? (size_t)s->left : DL_FLOW_BLOCK;
  assert(dl_off_loop_thread());
  s->got = pread(s->fd, s->filling.bytes, wanted, s->offset);
}

static void free_outflow(outflow_t *s) {
  if (s->fd >= 0) close(s->fd);
  free(s->filling.bytes);
  free(s->emptying.bytes);
  free(s);
}

static void outflow_done(dl_work_t *work) {
  outflow_t *s = DL_CONTAINER(work, outflow_t, work);
  dl_blobs_t *b = s->blobs;
  s->is_working = false;
  s->is_broken = s->got <= 0;
  if (s->got > 0) {
    s->filling.len = (size_t)s->got;
    s->offset += s->got;
    s->left -= s->got;
  }
  if (s->req == NULL)
    free_outflow(s);
  else
    dl_reply_wake(s->req);
  dl_blobs_worked(b);
}

static void fetch(outflow_t *s) {
  if (s->is_working || s->is_broken || s->left == 0 || s->filling.len > 0) return;
  if (s->filling.bytes == NULL) s->filling.bytes = dl_xmalloc(DL_FLOW_BLOCK);
  s->is_working = true;
  dl_blobs_work(s->blobs, &s->work);
}

static ssize_t pull(void *user, char *out, size_t max) {
  outflow_t *s = user;
  if (s->emptying.at == s->emptying.len) {
    if (s->is_working) return DL_PULL_LATER;
    if (s->filling.len == 0) return s->is_broken ? DL_PULL_ABORT : DL_PULL_END;
    block_t empty = s->emptying;
    s->emptying = s->filling;
    s->emptying.at = 0;
    empty.len = 0;
    s->filling = empty;
    fetch(s);
  }
  size_t left = s->emptying.len - s->emptying.at;
  if (max > left) max = left;
  memcpy(out, s->emptying.bytes + s->emptying.at, max);
  s->emptying.at += max;
  return (ssize_t)max;
}

static void on_close(void *user, bool is_complete) {
  outflow_t *s = user;
  (void)is_complete;
  s->req = NULL;
  if (!s->is_working) free_outflow(s);
}

void dl_outflow_start(dl_blobs_t *b, dl_req_t *req, int status, int fd, int64_t offset, int64_t length) {
  static const dl_pull_events_t pulls = {pull, on_close};
  outflow_t *s = dl_xcalloc(1, sizeof *s);
  *s = (outflow_t){.work = {.run = run_outflow, .done = outflow_done},
                   .blobs = b,
                   .req = req,
                   .fd = fd,
                   .offset = offset,
                   .left = length};
  if (strcmp(dl_req_method(req), "HEAD") != 0) fetch(s);
  dl_reply_stream(req, status, length, &pulls, s);
}
