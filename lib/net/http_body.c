/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streamed responses: what libcurl delivers is copied to a bounded buffer and given to the sink from a turn
 * of ours; when the buffer is full libcurl is paused. Streamed requests: resuming a source.
 *
 * The sink may do anything, cancelling its call included: after each time it was asked, t->call is read
 * again, and the transfer is pinned meanwhile.
 */
#include "net/http_private.h"

#include <string.h>

#include "core/memory.h"

enum { STREAM_FIRST = 32 * 1024, STREAM_MAX = 256 * 1024 };

static size_t stream_size(const daytona__http_transfer_t *t) {
  assert(t->stream_start <= t->stream_end && t->stream_end <= t->stream_room);
  return t->stream_end - t->stream_start;
}

static bool stream_make_room(daytona__http_transfer_t *t, size_t size) {
  if (t->stream_room - t->stream_end >= size) return true;
  size_t used = stream_size(t);
  if (t->stream_start != 0) {
    memmove(t->stream, t->stream + t->stream_start, used);
    t->stream_start = 0;
    t->stream_end = used;
  }
  if (t->stream_room - used >= size) return true;
  size_t room = t->stream_room != 0 ? t->stream_room : STREAM_FIRST;
  while (room - used < size) room *= 2;
  char *grown = daytona__realloc(t->stream, room);
  if (grown == NULL) return false;
  t->stream = grown;
  t->stream_room = room;
  return true;
}

/* libcurl is on the stack: keep the bytes, or have it wait and offer them again. */
size_t daytona__http_stream_write(daytona__http_transfer_t *t, const char *bytes, size_t size) {
  size_t used = stream_size(t);
  if (used != 0 && (used > STREAM_MAX || size > STREAM_MAX - used)) {
    t->is_curl_paused = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  if (!stream_make_room(t, size)) {
    t->fail_code = DAYTONA_ENOMEM;
    return 0;
  }
  memcpy(t->stream + t->stream_end, bytes, size);
  t->stream_end += size;
  t->is_sink_touched = true;
  daytona__loop_defer(t->http->loop, &t->deliver);
  return size;
}

void daytona__http_stream_free(daytona__http_transfer_t *t) {
  daytona__task_cancel(&t->deliver);
  daytona__free(t->stream);
  t->stream = NULL;
  t->stream_start = t->stream_end = t->stream_room = 0;
}

/* Status and headers are in place before the first byte is offered. */
static bool notify_head(daytona__http_transfer_t *t) {
  daytona__http_call_t *call = t->call;
  t->is_head_reported = true;
  if (t->state == HTTP_RUNNING) { /* else they were taken when the transfer ended */
    call->response.status = t->status;
    if (daytona__http_answer_take(t, true) != 0) {
      daytona__http_finish(t, DAYTONA_ENOMEM, "out of memory for the response's headers");
      return false;
    }
  }
  if (call->on_head != NULL) call->on_head(call);
  return t->call != NULL;
}

static void offer(daytona__http_transfer_t *t) {
  while (t->call != NULL && !t->is_user_paused && stream_size(t) != 0) {
    daytona__http_call_t *call = t->call;
    size_t size = stream_size(t);
    size_t taken = call->sink(call, t->stream + t->stream_start, size);
    if (t->call == NULL) return;
    if (call->user_error != DAYTONA_OK) {
      daytona__http_finish(t, call->user_error, "the receiver gave up");
      return;
    }
    if (taken < size)
      daytona__http_pause_receive(call);
    else
      taken = size;
    t->stream_start += taken;
    assert(t->stream_start <= t->stream_end);
  }
  if (stream_size(t) == 0) t->stream_start = t->stream_end = 0;
}

static void unpause(daytona__http_transfer_t *t) {
  t->is_curl_paused = false; /* libcurl delivers what it kept before this returns, and may pause again */
  CURLcode result = daytona__http_multi_pause(t->easy, t->is_send_paused ? CURLPAUSE_SEND : CURLPAUSE_CONT);
  if (result != CURLE_OK) daytona__http_completed(t, result);
}

void daytona__http_stream_run(daytona__task_t *task) {
  daytona__http_transfer_t *t = DAYTONA__CONTAINER(task, daytona__http_transfer_t, deliver);
  daytona__http_pin(t);
  if (!t->is_head_reported && !notify_head(t)) goto out;
  offer(t);
  if (t->call == NULL || t->is_user_paused) goto out;
  if (t->state == HTTP_RUNNING && t->is_curl_paused)
    unpause(t);
  else if (t->state == HTTP_DRAINING)
    daytona__http_finish(t, t->final_code, t->call->response.message);
out:
  daytona__http_unpin(t);
}

void daytona__http_pause_receive(daytona__http_call_t *call) {
  daytona__http_transfer_t *t = call->transfer;
  if (t == NULL || t->is_user_paused) return;
  t->is_user_paused = true;
  daytona__http_idle_restart(t);
}

void daytona__http_resume_receive(daytona__http_call_t *call) {
  daytona__http_transfer_t *t = call->transfer;
  if (t == NULL || !t->is_user_paused) return;
  t->is_user_paused = false;
  daytona__http_idle_restart(t);
  if (stream_size(t) != 0 || t->is_curl_paused || t->state == HTTP_DRAINING)
    daytona__loop_defer(t->http->loop, &t->deliver);
}

static void on_resume_send(daytona__task_t *task) {
  daytona__http_transfer_t *t = DAYTONA__CONTAINER(task, daytona__http_transfer_t, resume);
  if (t->state != HTTP_RUNNING || !t->is_send_paused) return;
  t->is_send_paused = false;
  daytona__http_idle_restart(t);
  daytona__http_pin(t);
  CURLcode result = daytona__http_multi_pause(t->easy, t->is_curl_paused ? CURLPAUSE_RECV : CURLPAUSE_CONT);
  if (result != CURLE_OK) daytona__http_completed(t, result);
  daytona__http_unpin(t);
}

void daytona__http_stream_init(daytona__http_transfer_t *t) {
  daytona__task_init(&t->deliver, daytona__http_stream_run);
  daytona__task_init(&t->resume, on_resume_send);
}

/* May be called inside the source itself, so nothing happens before the next turn. */
void daytona__http_resume_send(daytona__http_call_t *call) {
  daytona__http_transfer_t *t = call->transfer;
  if (t != NULL) daytona__loop_defer(t->http->loop, &t->resume);
}
