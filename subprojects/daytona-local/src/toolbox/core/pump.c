/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A block is in one place at a time: being filled, or being emptied. `is_working` says that a thread
 * of the pool owns the block it was given; the loop then touches only the other one. Work is
 * submitted one chunk at a time, so the pool sees blocks in order.
 */
#include "toolbox/core/pump.h"

#include "base/thread.h"
#include "http/http.h"
#include "toolbox/core/reply.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  char *bytes;
  size_t len, at, room;
} block_t;

/* Blocks are born small: most files are. */
static void reserve(block_t *b, size_t len) {
  if (b->len + len <= b->room) return;
  while (b->room < b->len + len) b->room = b->room ? b->room * 2 : 4096;
  b->bytes = dl_xrealloc(b->bytes, b->room);
}

/* --- bodies --- */

typedef struct {
  uv_work_t work;
  dl_toolbox_t *tb;
  dl_req_t *req;
  const dl_sink_events_t *events;
  void *user;
  block_t filling, emptying;
  bool is_working, is_ended, is_complete, is_finishing;
} sink_t;

static void submit(sink_t *s);

static void sink_work(uv_work_t *work) {
  sink_t *s = work->data;
  assert(dl_off_loop_thread());
  if (s->emptying.len > 0) s->events->consume(s->user, s->emptying.bytes, s->emptying.len);
  if (s->is_finishing) s->events->finish(s->user, s->is_complete);
}

static void sink_worked(uv_work_t *work, int status) {
  sink_t *s = work->data;
  (void)status;
  assert(s->is_working && s->tb->live_count > 0);
  s->tb->live_count--;
  s->is_working = false;
  if (s->is_finishing) {
    free(s->filling.bytes);
    free(s->emptying.bytes);
    s->events->answer(s->user, s->req);
    free(s);
    return;
  }
  submit(s);
  if (!s->is_ended) dl_req_body_resume(s->req);
}

static bool is_worth_it(const sink_t *s) { return s->is_ended || s->filling.len == DL_PUMP_BLOCK; }

static void submit(sink_t *s) {
  if (s->is_working || s->is_finishing || !is_worth_it(s)) return;
  assert(s->filling.len <= DL_PUMP_BLOCK);
  block_t empty = s->emptying;
  s->emptying = s->filling;
  empty.len = 0;
  s->filling = empty;
  s->is_working = true;
  s->is_finishing = s->is_ended;
  s->tb->live_count++;
  uv_queue_work(s->tb->loop, &s->work, sink_work, sink_worked);
}

static size_t on_data(dl_req_t *req, const char *bytes, size_t len, void *user) {
  sink_t *s = user;
  (void)req;
  size_t room = DL_PUMP_BLOCK - s->filling.len;
  if (len > room) len = room;
  reserve(&s->filling, len);
  memcpy(s->filling.bytes + s->filling.len, bytes, len);
  s->filling.len += len;
  submit(s);
  return len;
}

static void on_end(dl_req_t *req, bool is_complete, void *user) {
  sink_t *s = user;
  (void)req;
  assert(!s->is_ended);
  s->is_ended = true;
  s->is_complete = is_complete;
  submit(s);
}

void dl_sink_start(dl_toolbox_t *tb, dl_req_t *req, const dl_sink_events_t *events, void *user) {
  static const dl_body_events_t body = {on_data, on_end};
  sink_t *s = dl_xcalloc(1, sizeof *s);
  *s = (sink_t){.tb = tb, .req = req, .events = events, .user = user};
  s->work.data = s;
  dl_req_stream_body(req, &body, s);
}

/* --- answers --- */

typedef struct {
  uv_work_t work;
  dl_toolbox_t *tb;
  dl_req_t *req; /* NULL once the response is over */
  const dl_source_events_t *events;
  void *user;
  block_t filling, emptying; /* the pool fills one, the socket empties the other */
  ssize_t got;
  bool is_working, is_ended, is_broken, is_releasing;
} source_t;

static void fetch(source_t *s);

static void source_work(uv_work_t *work) {
  source_t *s = work->data;
  assert(dl_off_loop_thread());
  if (s->is_releasing)
    s->events->release(s->user);
  else
    s->got = s->events->produce(s->user, s->filling.bytes, DL_PUMP_BLOCK);
}

static void source_worked(uv_work_t *work, int status) {
  source_t *s = work->data;
  (void)status;
  assert(s->is_working && s->tb->live_count > 0 && s->got <= (ssize_t)DL_PUMP_BLOCK);
  s->tb->live_count--;
  s->is_working = false;
  if (s->is_releasing) {
    free(s->filling.bytes);
    free(s->emptying.bytes);
    free(s);
    return;
  }
  s->is_ended = s->got <= 0;
  s->is_broken = s->got < 0;
  s->filling.len = s->is_ended ? 0 : (size_t)s->got;
  if (s->req == NULL)
    fetch(s);
  else
    dl_reply_wake(s->req);
}

static void fetch(source_t *s) {
  if (s->is_working) return;
  assert(dl_on_loop_thread());
  s->is_releasing = s->req == NULL;
  if (s->filling.bytes == NULL) s->filling.bytes = dl_xmalloc(DL_PUMP_BLOCK);
  s->is_working = true;
  s->tb->live_count++;
  uv_queue_work(s->tb->loop, &s->work, source_work, source_worked);
}

/* The block that was filled goes to the socket, and the empty one to the pool. */
static void turn_over(source_t *s) {
  assert(!s->is_working && s->emptying.at == s->emptying.len);
  block_t empty = s->emptying;
  s->emptying = s->filling;
  s->emptying.at = 0;
  empty.len = 0;
  s->filling = empty;
  if (s->emptying.len > 0 && !s->is_ended) fetch(s);
}

static ssize_t pull(void *user, char *out, size_t max) {
  source_t *s = user;
  if (s->emptying.at == s->emptying.len) {
    if (s->is_working) return DL_PULL_LATER;
    if (s->filling.len > 0)
      turn_over(s);
    else if (s->is_ended)
      return s->is_broken ? DL_PULL_ABORT : DL_PULL_END;
    else
      return DL_PULL_LATER;
  }
  size_t left = s->emptying.len - s->emptying.at;
  if (max > left) max = left;
  memcpy(out, s->emptying.bytes + s->emptying.at, max);
  s->emptying.at += max;
  return (ssize_t)max;
}

static void on_close(void *user, bool is_complete) {
  source_t *s = user;
  (void)is_complete;
  s->req = NULL;
  fetch(s);
}

void dl_source_start(dl_toolbox_t *tb, dl_req_t *req, int status, int64_t length,
                     const dl_source_events_t *events, void *user) {
  static const dl_pull_events_t pulls = {pull, on_close};
  source_t *s = dl_xcalloc(1, sizeof *s);
  *s = (source_t){.tb = tb, .req = req, .events = events, .user = user};
  s->work.data = s;
  if (strcmp(dl_req_method(req), "HEAD") != 0) fetch(s);
  dl_tb_add_request_id(req);
  dl_reply_stream(req, status, length, &pulls, s);
}
