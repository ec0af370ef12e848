/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The open WebSocket: messages in and out, pings, idleness, close; see ws.h.
 *
 * Receiving is one loop, pump(): it takes events from the codec, which pulls bytes through TLS from the
 * socket, and delivers them. When an event is delivered neither library is on the stack, so a callback
 * may do anything; the loop looks at the state again after each.
 */
#include <assert.h>
#include <string.h>

#include "core/limits.h"
#include "core/memory.h"
#include "net/ws_impl.h"

/* --- sending ----------------------------------------------------------------------------------- */

/* `is_broken`: a part may have been sent, so no other frame can follow. */
static int write_frame(daytona__ws_t *ws, int opcode, const void *bytes, size_t size, bool *is_broken) {
  *is_broken = false;
  int code = daytona__ws_codec_write(&ws->codec, opcode, bytes, size, daytona__ws_conn_frame(&ws->conn));
  if (code != 0) return code;
  code = daytona__ws_conn_commit(&ws->conn);
  *is_broken = code != 0;
  return code;
}

static int send_frame(daytona__ws_t *ws, int opcode, const void *bytes, size_t size) {
  bool is_broken;
  int code = write_frame(ws, opcode, bytes, size, &is_broken);
  if (is_broken) daytona__ws_finish_code(ws, DAYTONA__WS_END_RESET, code, NULL);
  return code;
}

int daytona__ws_send(daytona__ws_t *ws, bool is_text, const void *bytes, size_t size) {
  return daytona__ws_send_all(ws, is_text, bytes, size, SIZE_MAX);
}

int daytona__ws_send_all(daytona__ws_t *ws, bool is_text, const void *bytes, size_t size, size_t most) {
  assert(most != 0);
  if (ws->state != DAYTONA__WS_STREAMING) return DAYTONA_ECLOSED;
  if (size >= ws->opts.max_queued || daytona__ws_conn_queued(&ws->conn) > ws->opts.max_queued - size)
    daytona__ws_conn_flush(&ws->conn); /* perhaps the system takes what waits */
  if (ws->state != DAYTONA__WS_STREAMING) return DAYTONA_ECLOSED;
  size_t queued = daytona__ws_conn_queued(&ws->conn);
  if (size > ws->opts.max_queued || queued > ws->opts.max_queued - size) {
    ws->needs_drain = queued != 0;
    return DAYTONA_ELIMIT;
  }
  const char *at = bytes;
  int code = 0;
  do { /* an empty message is one, too */
    size_t here = size < most ? size : most;
    code = send_frame(ws, is_text ? DAYTONA__WS_OP_TEXT : DAYTONA__WS_OP_BINARY, at, here);
    at += here;
    size -= here;
    if (code == 0) ws->sent_bytes += here;
    if (code == 0) ws->env->stats.sent_bytes += here;
  } while (code == 0 && size != 0);
  if (code == 0 && ws->opts.idle_timeout_ms > 0) ws->data_ms = daytona__loop_now(ws->env->net.loop);
  if (daytona__tcp_queued(&ws->conn.tcp) != 0) ws->needs_drain = true;
  return code;
}

/* Frames that waited for others. */
void daytona__ws_on_flushed(daytona__ws_conn_t *conn, int code) {
  daytona__ws_t *ws = DAYTONA__CONTAINER(conn, daytona__ws_t, conn);
  if (code != 0)
    daytona__ws_finish_code(ws, DAYTONA__WS_END_RESET, code, NULL);
  else if (daytona__tcp_queued(&conn->tcp) != 0)
    ws->needs_drain = true;
}

size_t daytona__ws_queued(const daytona__ws_t *ws) {
  return ws->state == DAYTONA__WS_DONE ? 0 : daytona__ws_conn_queued(&ws->conn);
}

int64_t daytona__ws_heard_ms(const daytona__ws_t *ws) { return ws->heard_ms; }

static int send_close(daytona__ws_t *ws, int code, const char *reason, size_t size) {
  uint8_t payload[DAYTONA__WS_CONTROL_MAX];
  bool is_broken; /* the socket ends anyway, with an outcome of its own */
  if (code == DAYTONA__WS_NO_STATUS) return write_frame(ws, DAYTONA__WS_OP_CLOSE, "", 0, &is_broken);
  payload[0] = (uint8_t)(code >> 8);
  payload[1] = (uint8_t)code;
  if (size != 0) memcpy(payload + 2, reason, size);
  return write_frame(ws, DAYTONA__WS_OP_CLOSE, payload, size + 2, &is_broken);
}

/* A reason is cut between characters: the peer refuses half of one. */
static size_t reason_length(const char *reason) {
  size_t size = strlen(reason), most = DAYTONA__WS_CONTROL_MAX - 2;
  if (size <= most) return size;
  size = most;
  while (size > 0 && ((unsigned char)reason[size] & 0xc0) == 0x80) size--;
  return size;
}

int daytona__ws_close(daytona__ws_t *ws, int code, const char *reason) {
  if (code != DAYTONA__WS_NO_STATUS && !daytona__ws_close_code_is_valid(code)) return DAYTONA_EINVAL;
  if (ws->state < DAYTONA__WS_STREAMING) {
    ws->was_asked = true;
    daytona__ws_cancel(ws);
  }
  if (ws->state != DAYTONA__WS_STREAMING) return 0;
  ws->was_asked = true;
  size_t size = reason != NULL ? reason_length(reason) : 0;
  int sent = send_close(ws, code, reason, size);
  if (sent != 0) {
    daytona__ws_finish_code(ws, DAYTONA__WS_END_RESET, sent, NULL);
    return 0;
  }
  daytona__ws_set_state(ws, DAYTONA__WS_CLOSING);
  daytona__timer_stop(&ws->beat);
  daytona__timer_start(ws->env->net.loop, &ws->timer, ws->opts.close_timeout_ms);
  return 0;
}

/* --- liveness ---------------------------------------------------------------------------------- */

static void send_ping(daytona__ws_t *ws, int64_t now) {
  uint8_t payload[4];
  size_t queued = daytona__ws_conn_queued(&ws->conn);
  /* One ping is watched at a time: the first that has had no response. */
  bool is_first = ws->pinged_ms == 0;
  if (daytona__ws_net_random(&ws->env->net, payload, sizeof payload) != 0 ||
      send_frame(ws, DAYTONA__WS_OP_PING, payload, sizeof payload) != 0)
    return; /* the next beat tries again; reading reports a broken connection */
  if (!is_first) return;
  ws->pinged_ms = now;
  ws->pinged_queue = queued;
}

/* A peer that may read later, and whose system has what was sent, is waiting and not dead. */
static bool is_waiting(const daytona__ws_t *ws) {
  return ws->opts.reads_late && !ws->has_spoken && !daytona__tcp_is_stuck(&ws->conn.tcp);
}

/* A paused socket does not read its pongs, and one that drains its queue is alive without them. */
static bool is_excused(daytona__ws_t *ws, int64_t now) {
  size_t queued = daytona__ws_conn_queued(&ws->conn);
  if (!ws->is_paused && queued >= ws->pinged_queue && !is_waiting(ws)) return false;
  ws->pinged_ms = now;
  ws->pinged_queue = queued;
  return true;
}

static int64_t earlier(int64_t a, int64_t b) { return a < b ? a : b; }

/* When idleness has to be looked at again; 0: it has lasted too long. */
static int64_t beat_idle(daytona__ws_t *ws, int64_t now) {
  if (ws->opts.idle_timeout_ms <= 0) return INT64_MAX;
  if (ws->is_paused) ws->data_ms = now;
  int64_t due = ws->data_ms + ws->opts.idle_timeout_ms;
  return due > now ? due : 0;
}

/* The same for the answer to a ping. */
static int64_t beat_pong(daytona__ws_t *ws, int64_t now) {
  if (ws->pinged_ms == 0 || ws->opts.pong_timeout_ms <= 0) return INT64_MAX;
  if (ws->pinged_ms + ws->opts.pong_timeout_ms <= now && !is_excused(ws, now)) return 0;
  return ws->pinged_ms + ws->opts.pong_timeout_ms;
}

/* Ping after silence; says when to ask again. */
static int64_t beat_ping(daytona__ws_t *ws, int64_t now) {
  if (ws->opts.ping_ms <= 0) return INT64_MAX;
  if (ws->last_ms + ws->opts.ping_ms <= now) {
    ws->last_ms = now;
    send_ping(ws, now);
  }
  return ws->last_ms + ws->opts.ping_ms;
}

static void on_beat(daytona__timer_t *timer) {
  daytona__ws_t *ws = DAYTONA__CONTAINER(timer, daytona__ws_t, beat);
  int64_t now = daytona__loop_now(ws->env->net.loop);
  int64_t ping = beat_ping(ws, now), idle = beat_idle(ws, now), pong = beat_pong(ws, now);
  if (idle == 0) {
    daytona__ws_finish(ws, DAYTONA__WS_END_IDLE_TIMEOUT, DAYTONA_EIDLE_TIMEOUT,
                       "no message within the idle limit");
  } else if (pong == 0) {
    daytona__ws_finish(ws, DAYTONA__WS_END_PONG_TIMEOUT, DAYTONA_ECONNECTION_TIMEOUT,
                       "the peer does not answer pings");
  } else if (ws->state == DAYTONA__WS_STREAMING) {
    int64_t next = earlier(ping, earlier(idle, pong));
    if (next != INT64_MAX) daytona__timer_start(ws->env->net.loop, timer, next - now);
  }
}

/* --- receiving --------------------------------------------------------------------------------- */

/* An end stays one: it may be met again by a socket that was paused before the end could be reported. */
static size_t on_pull(daytona__ws_codec_t *codec, void *buffer, size_t size) {
  daytona__ws_t *ws = DAYTONA__CONTAINER(codec, daytona__ws_t, codec);
  if (ws->read_end != 0) return 0;
  ptrdiff_t got = daytona__ws_conn_read(&ws->conn, buffer, size);
  ws->read_end = got < 0 ? got : 0;
  if (got > 0) ws->has_spoken = true;
  return got > 0 ? (size_t)got : 0;
}

static int on_random(daytona__ws_codec_t *codec, void *buffer, size_t size) {
  daytona__ws_t *ws = DAYTONA__CONTAINER(codec, daytona__ws_t, codec);
  return daytona__ws_net_random(&ws->env->net, buffer, size);
}

/* Answer at once, unless the peer does not read: then only its last ping is worth a response. */
static void answer_ping(daytona__ws_t *ws, const daytona__ws_event_t *event) {
  if (ws->state != DAYTONA__WS_STREAMING) return;
  ws->has_pong = daytona__ws_conn_queued(&ws->conn) > DAYTONA__WS_PONG_BACKLOG;
  if (!ws->has_pong) {
    send_frame(ws, DAYTONA__WS_OP_PONG, event->data, event->size);
    return;
  }
  assert(event->size <= sizeof ws->pong); /* the codec ensures it */
  ws->pong_size = (uint8_t)event->size;
  memcpy(ws->pong, event->data, event->size);
}

static void hand_on(daytona__ws_t *ws, const daytona__ws_event_t *event) {
  daytona__ws_chunk_t chunk = {.is_text = event->is_text,
                               .is_first = event->is_first,
                               .is_final = event->is_final,
                               .bytes = event->data,
                               .size = event->size};
  daytona__loop_t *loop = ws->env->net.loop;
  ws->data_ms = ws->heard_ms;
  ws->received_bytes += event->size;
  ws->env->stats.received_bytes += event->size;
  if (ws->is_silent || ws->opts.on_data == NULL) return;
  daytona__loop_enter(loop);
  ws->opts.on_data(ws, &chunk);
  daytona__loop_leave(loop);
}

static void peer_closed(daytona__ws_t *ws, const daytona__ws_event_t *event) {
  ws->close_code = event->close_code;
  ws->reason = event->data;
  ws->reason_size = event->size;
  if (ws->state == DAYTONA__WS_STREAMING) send_close(ws, event->close_code, NULL, 0);
  daytona__ws_finish(ws, DAYTONA__WS_END_FRAME, DAYTONA_OK, "the peer closed the WebSocket");
}

static void violated(daytona__ws_t *ws, const daytona__ws_event_t *event) {
  if (ws->state == DAYTONA__WS_STREAMING) send_close(ws, event->close_code, NULL, 0);
  daytona__ws_finish(ws, DAYTONA__WS_END_PROTOCOL,
                     event->close_code == 1009 ? DAYTONA_ELIMIT : DAYTONA_EPROTOCOL, event->message);
}

static void read_ended(daytona__ws_t *ws) {
  ws->was_behind = daytona__tcp_was_behind(&ws->conn.tcp);
  if (ws->read_end == DAYTONA__WS_CONN_FAIL)
    daytona__ws_finish_code(ws, DAYTONA__WS_END_RESET, ws->conn.code, ws->conn.message);
  else
    daytona__ws_finish_end(ws);
}

static bool is_streaming(const daytona__ws_t *ws) {
  return (ws->state == DAYTONA__WS_STREAMING || ws->state == DAYTONA__WS_CLOSING) && !ws->is_paused;
}

/* The bytes of messages that came together, for those who want bytes only: a call for each would cost more. */
typedef struct joined {
  size_t size;
  char bytes[16 * 1024];
} joined_t;

static bool join(daytona__ws_t *ws, joined_t *joined, const daytona__ws_event_t *event) {
  if (!ws->opts.is_bytes || event->kind != DAYTONA__WS_DATA ||
      event->size > sizeof joined->bytes - joined->size)
    return false;
  if (event->size != 0) memcpy(joined->bytes + joined->size, event->data, event->size);
  assert(joined->size + event->size <= sizeof joined->bytes);
  joined->size += event->size;
  ws->data_ms = ws->heard_ms;
  return true;
}

static void hand_on_joined(daytona__ws_t *ws, joined_t *joined) {
  daytona__ws_event_t event = {.kind = DAYTONA__WS_DATA, .data = joined->bytes, .size = joined->size};
  joined->size = 0;
  if (event.size != 0) hand_on(ws, &event);
}

/* False: there is nothing more for now. */
static bool take_event(daytona__ws_t *ws, const daytona__ws_event_t *event) {
  switch (event->kind) {
    case DAYTONA__WS_NOTHING:
      if (ws->read_end != 0) read_ended(ws);
      return false;
    case DAYTONA__WS_DATA: hand_on(ws, event); break;
    case DAYTONA__WS_PING: answer_ping(ws, event); break;
    case DAYTONA__WS_PONG: break;
    case DAYTONA__WS_CLOSE: peer_closed(ws, event); break;
    case DAYTONA__WS_VIOLATION: violated(ws, event); break;
  }
  return true;
}

/* Whatever else comes, the bytes before it are delivered first; if that pauses the socket, it has not come yet. */
static void pump(daytona__ws_t *ws) {
  bool has_more = true;
  joined_t joined;
  daytona__ws_net_t *net = &ws->env->net;
  joined.size = 0;
  daytona__ws_hold(ws);
  daytona__ws_net_cork(net);
  ws->heard_ms = ws->last_ms = daytona__loop_now(ws->env->net.loop);
  ws->pinged_ms = 0;
  while (has_more && is_streaming(ws)) {
    daytona__ws_event_t event;
    daytona__ws_codec_next(&ws->codec, &event);
    if (join(ws, &joined, &event)) continue;
    hand_on_joined(ws, &joined);
    if (!is_streaming(ws))
      daytona__ws_codec_put_back(&ws->codec, &event);
    else if (!join(ws, &joined, &event))
      has_more = take_event(ws, &event);
  }
  daytona__ws_net_uncork(net);
  daytona__ws_drop(ws);
}

void daytona__ws_on_readable(daytona__ws_conn_t *conn) {
  daytona__ws_t *ws = DAYTONA__CONTAINER(conn, daytona__ws_t, conn);
  if (ws->state < DAYTONA__WS_STREAMING) {
    daytona__ws_hold(ws);
    daytona__ws_upgrade_pump(ws);
    if (is_streaming(ws)) pump(ws); /* what came behind the 101 */
    daytona__ws_drop(ws);
  } else if (is_streaming(ws)) {
    pump(ws);
  }
}

void daytona__ws_on_drained(daytona__ws_conn_t *conn) {
  daytona__ws_t *ws = DAYTONA__CONTAINER(conn, daytona__ws_t, conn);
  if (ws->state == DAYTONA__WS_DONE) {
    daytona__ws_conn_close(conn);
    daytona__timer_stop(&ws->timer);
    return;
  }
  if (ws->state == DAYTONA__WS_STREAMING && ws->has_pong) {
    ws->has_pong = false;
    send_frame(ws, DAYTONA__WS_OP_PONG, ws->pong, ws->pong_size);
  }
  if (!ws->needs_drain || ws->state != DAYTONA__WS_STREAMING) return;
  if (conn->tcp.is_broken)
    return; /* there is room because nothing is sent any more; reading reports the end */
  ws->needs_drain = false;
  if (ws->opts.on_drain == NULL || ws->is_silent) return;
  daytona__loop_enter(ws->env->net.loop);
  ws->opts.on_drain(ws);
  daytona__loop_leave(ws->env->net.loop);
}

static void on_pump(daytona__task_t *task) {
  daytona__ws_t *ws = DAYTONA__CONTAINER(task, daytona__ws_t, pump);
  if (!is_streaming(ws)) return;
  daytona__ws_conn_set_reading(&ws->conn, true);
  pump(ws);
}

void daytona__ws_pause(daytona__ws_t *ws) {
  ws->is_paused = true;
  if (ws->state == DAYTONA__WS_STREAMING || ws->state == DAYTONA__WS_CLOSING)
    daytona__ws_conn_set_reading(&ws->conn, false);
}

void daytona__ws_resume(daytona__ws_t *ws) {
  if (!ws->is_paused) return;
  ws->is_paused = false;
  if (ws->state == DAYTONA__WS_STREAMING || ws->state == DAYTONA__WS_CLOSING)
    daytona__loop_defer(ws->env->net.loop, &ws->pump);
}

/* --- begin ------------------------------------------------------------------------------------- */

void daytona__ws_messages_init(daytona__ws_t *ws) {
  daytona__task_init(&ws->pump, on_pump);
  daytona__timer_init(&ws->beat, on_beat);
  ws->beat.is_background = true;
  ws->codec.pull = on_pull;
  ws->codec.random = on_random;
  ws->codec.max_message = ws->opts.max_message;
  ws->codec.allows_invalid_utf8 = ws->opts.allows_invalid_utf8;
}

int daytona__ws_messages_begin(daytona__ws_t *ws) {
  int code = daytona__ws_codec_init(&ws->codec);
  if (code != 0) return code;
  daytona__ws_set_state(ws, DAYTONA__WS_STREAMING);
  ws->heard_ms = ws->last_ms = ws->data_ms = daytona__loop_now(ws->env->net.loop);
  if (ws->is_paused) daytona__ws_conn_set_reading(&ws->conn, false);
  daytona__timer_start(ws->env->net.loop, &ws->beat, 1);
  return 0;
}
