/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSockets: wslay reads, we write. A server's frames are not masked, so writing one is a header
 * and a copy; answers to pings and to close frames are wslay's. Every write to the stream is a
 * whole number of frames, so that the two writers cannot get between each other's bytes.
 *
 * Life: open -> closing (its user has closed it, or has received the end) -> over. In the closing
 * state the queue and the close frame still leave, and what the client sends is read and dropped,
 * because closing a socket with unread bytes would destroy what was sent last. Memory goes when
 * the timer has closed.
 */
#include "http/websocket.h"

#include "base/encode.h"
#include "base/list.h"
#include "http/damage.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <wslay/wslay.h>

#define FLUSH_LIMIT_MS 10000 /* for what is queued when the end comes */
#define CLOSE_LIMIT_MS 1000  /* for the client's own close frame after ours */
#define REASON_MAX 123

typedef struct {
  dl_list_t link;
  size_t len;
  char bytes[];
} frame_t;

struct dl_ws {
  uv_timer_t limit;
  dl_req_t *req;       /* until it is upgraded */
  dl_duplex_t *stream; /* NULL once over */
  wslay_event_context_ptr codec;
  dl_ws_events_t events;
  void *user;
  dl_list_t frames;
  size_t frame_count, frame_max;
  size_t frame_bytes, frame_bytes_max;
  unsigned flush_ms;
  const char *in; /* borrowed for one feed */
  size_t in_len;
  bool is_open, is_closing, is_last_sent, wants_drain, is_paused;
};

/* --- the end --- */

static void on_timer_closed(uv_handle_t *handle) {
  dl_ws_t *ws = handle->data;
  assert(ws->stream == NULL && dl_list_empty(&ws->frames));
  if (ws->codec != NULL) wslay_event_context_free(ws->codec);
  free(ws);
}

static void drop_frames(dl_ws_t *ws) {
  DL_LIST_EACH_SAFE(&ws->frames, node, after) {
    dl_list_unlink(node);
    free(DL_CONTAINER(node, frame_t, link));
  }
  ws->frame_count = ws->frame_bytes = 0;
}

static void finish(dl_ws_t *ws) {
  if (uv_is_closing((uv_handle_t *)&ws->limit)) return;
  dl_duplex_close(ws->stream);
  ws->stream = NULL;
  ws->is_closing = true;
  drop_frames(ws);
  uv_close((uv_handle_t *)&ws->limit, on_timer_closed);
}

/* The user is called no more. True if the end was not reported before. */
static bool leave_open(dl_ws_t *ws) {
  bool was_open = ws->is_open && !ws->is_closing;
  ws->is_closing = true;
  return was_open;
}

static void tell_end(dl_ws_t *ws) {
  if (leave_open(ws)) ws->events.on_end(ws, ws->user);
}

static void on_limit(uv_timer_t *timer) { finish(timer->data); }

/* --- writing --- */

static frame_t *make_frame(int opcode, const void *bytes, size_t len) {
  frame_t *f = dl_xmalloc(sizeof *f + 10 + len);
  unsigned char *p = (unsigned char *)f->bytes;
  size_t n = 0;
  dl_list_init(&f->link);
  p[n++] = (unsigned char)(0x80 | opcode);
  if (len < 126) {
    p[n++] = (unsigned char)len;
  } else {
    int width = len > 0xffff ? 8 : 2;
    p[n++] = width == 8 ? 127 : 126;
    for (int shift = (width - 1) * 8; shift >= 0; shift -= 8)
      p[n++] = (unsigned char)((uint64_t)len >> shift);
  }
  if (len > 0) memcpy(p + n, bytes, len);
  f->len = n + len;
  return f;
}

static void write_frame(dl_ws_t *ws, frame_t *f) {
  dl_duplex_write(ws->stream, f->bytes, f->len); /* the stream itself reports a failure */
  free(f);
}

static void pump(dl_ws_t *ws) {
  while (!dl_list_empty(&ws->frames) && dl_duplex_queued(ws->stream) == 0) {
    frame_t *f = DL_CONTAINER(ws->frames.next, frame_t, link);
    assert(ws->frame_count > 0 && ws->frame_bytes >= f->len);
    dl_list_unlink(&f->link);
    ws->frame_count--;
    ws->frame_bytes -= f->len;
    write_frame(ws, f);
  }
  if (ws->is_closing && !ws->is_last_sent && dl_ws_is_idle(ws)) {
    ws->is_last_sent = true;
    if (wslay_event_get_close_received(ws->codec))
      uv_timer_start(&ws->limit, on_limit, 0, 0);
    else
      uv_timer_start(&ws->limit, on_limit, CLOSE_LIMIT_MS, 0);
  }
}

bool dl_ws_is_idle(const dl_ws_t *ws) {
  return dl_list_empty(&ws->frames) && dl_duplex_queued(ws->stream) == 0;
}

uint64_t dl_ws_taken(const dl_ws_t *ws) { return dl_duplex_sent(ws->stream); }

static void push(dl_ws_t *ws, frame_t *f) {
  dl_list_push(&ws->frames, &f->link);
  ws->frame_count++;
  ws->frame_bytes += f->len;
  pump(ws);
}

bool dl_ws_send(dl_ws_t *ws, int opcode, const void *bytes, size_t len) {
  assert(ws->is_open && !ws->is_closing); /* no end was reported to its user, and has not asked for one */
  if (ws->frame_count >= ws->frame_max || ws->frame_bytes > ws->frame_bytes_max) {
    drop_frames(ws);
    dl_ws_close(ws, DL_WS_POLICY, "slow consumer");
    return false;
  }
  push(ws, make_frame(opcode, bytes, len));
  ws->wants_drain = !dl_ws_is_idle(ws);
  return true;
}

/* From here on the queue has to be gone in time, and the client's bytes are only read away. */
static void begin_close(dl_ws_t *ws) {
  uv_timer_start(&ws->limit, on_limit, ws->flush_ms, 0);
  dl_duplex_read_resume(ws->stream);
}

void dl_ws_close(dl_ws_t *ws, int code, const char *reason) {
  assert(ws->is_open && !ws->is_closing);
  char payload[2 + REASON_MAX] = {(char)(code >> 8), (char)code};
  size_t len = strlen(reason);
  if (len > REASON_MAX) len = REASON_MAX;
  while (len > 0 && !dl_utf8_valid(reason, len)) len--;
  memcpy(payload + 2, reason, len);
  leave_open(ws);
  begin_close(ws);
  push(ws, make_frame(8, payload, 2 + len));
}

/* --- reading --- */

static ssize_t on_codec_read(wslay_event_context_ptr codec, uint8_t *out, size_t max, int flags, void *user) {
  dl_ws_t *ws = user;
  (void)flags;
  if (ws->in_len == 0) {
    wslay_event_set_error(codec, WSLAY_ERR_WOULDBLOCK);
    return -1;
  }
  if (max > ws->in_len) max = ws->in_len;
  memcpy(out, ws->in, max);
  ws->in += max;
  ws->in_len -= max;
  return (ssize_t)max;
}

static ssize_t on_codec_write(wslay_event_context_ptr codec, const uint8_t *bytes, size_t len, int flags,
                              void *user) {
  dl_ws_t *ws = user;
  (void)codec, (void)flags;
  if (!ws->is_closing) dl_duplex_write(ws->stream, bytes, len);
  return (ssize_t)len;
}

static void on_codec_message(wslay_event_context_ptr codec, const struct wslay_event_on_msg_recv_arg *message,
                             void *user) {
  dl_ws_t *ws = user;
  (void)codec;
  if (wslay_is_ctrl_frame(message->opcode) || ws->is_closing || ws->events.on_message == NULL) return;
  ws->events.on_message(ws, (const char *)message->msg, message->msg_length, ws->user);
}

static void end_from_client(dl_ws_t *ws) {
  tell_end(ws);
  drop_frames(ws);
  begin_close(ws);
}

static void on_data(dl_duplex_t *stream, const char *bytes, size_t len, void *user) {
  dl_ws_t *ws = user;
  assert(stream == ws->stream && ws->in_len == 0);
  ws->in = bytes;
  ws->in_len = len;
  bool failed = wslay_event_recv(ws->codec) != 0;
  ws->in_len = 0;
  if (ws->stream == NULL) return;
  if (!failed && !ws->is_closing) failed = wslay_event_send(ws->codec) != 0;
  bool is_closed = wslay_event_get_close_received(ws->codec);
  if (ws->is_closing) {
    if (is_closed && ws->is_last_sent) finish(ws);
  } else if (failed) { /* wslay would close without saying why */
    end_from_client(ws);
    push(ws, make_frame(8, "\3\352bad frame", 2 + strlen("bad frame")));
  } else if (is_closed || !wslay_event_want_read(ws->codec)) { /* answered already */
    end_from_client(ws);
    pump(ws);
  } else if (dl_duplex_queued(ws->stream) > DL_DUPLEX_HIGH) {
    dl_duplex_read_pause(ws->stream); /* it pings and does not read */
  }
}

static void on_stream_end(dl_duplex_t *stream, int error, void *user) {
  dl_ws_t *ws = user;
  (void)stream, (void)error;
  tell_end(ws);
  finish(ws);
}

static void on_stream_drain(dl_duplex_t *stream, void *user) {
  dl_ws_t *ws = user;
  pump(ws);
  if (ws->is_closing || !dl_ws_is_idle(ws)) return;
  if (!ws->is_paused) dl_duplex_read_resume(stream);
  if (!ws->wants_drain) return;
  ws->wants_drain = false;
  if (ws->events.on_drain != NULL) ws->events.on_drain(ws, ws->user);
}

void dl_ws_listen(dl_ws_t *ws, const dl_ws_events_t *events, void *user) {
  ws->events = *events;
  ws->user = user;
}

void dl_ws_read_pause(dl_ws_t *ws) {
  ws->is_paused = true;
  dl_duplex_read_pause(ws->stream);
}

void dl_ws_read_resume(dl_ws_t *ws) {
  ws->is_paused = false;
  dl_duplex_read_resume(ws->stream);
}

/* --- the handshake --- */

static const dl_duplex_events_t STREAM = {on_data, on_stream_end, on_stream_drain};

static void on_relay_over(void *user) { (void)user; }

/* Damage that is wanted is done between us and the client: our stream is one end of a pipe then. */
static dl_duplex_t *behind_damage(dl_ws_t *ws, dl_duplex_t *client, const dl_damage_t *damage) {
  uv_loop_t *loop = ws->limit.loop;
  const dl_buf_t nothing = {0};
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
    dl_error("a WebSocket gets no damage: %s", strerror(errno));
    return client;
  }
  dl_duplex_t *far = dl_duplex_new(loop, ends[0], false, NULL, NULL);
  dl_duplex_t *near = dl_duplex_new(loop, ends[1], false, NULL, NULL);
  if (far == NULL || near == NULL) {
    dl_duplex_close(far);
    dl_duplex_close(near);
    return client;
  }
  dl_relay_start(loop, far, client, damage, &nothing, on_relay_over, NULL);
  return near;
}

static void on_upgraded(dl_duplex_t *stream, void *user) {
  dl_ws_t *ws = user;
  dl_damage_t *damage = stream != NULL ? dl_req_take_damage(ws->req) : NULL;
  ws->req = NULL;
  if (damage != NULL) stream = behind_damage(ws, stream, damage);
  free(damage);
  ws->stream = stream;
  if (stream == NULL) {
    ws->events.on_open(NULL, ws->user);
    finish(ws);
    return;
  }
  ws->is_open = true;
  dl_duplex_listen(stream, &STREAM, ws);
  ws->events.on_open(ws, ws->user);
}

/* True if the comma-separated list holds `word`, without case. */
static bool lists(const char *list, const char *word) {
  size_t want = strlen(word);
  while (list != NULL && *list != '\0') {
    list += strspn(list, ", \t");
    size_t len = strcspn(list, ", \t");
    if (len == want && strncasecmp(list, word, len) == 0) return true;
    list += len;
  }
  return false;
}

bool dl_ws_is_wanted(dl_req_t *req) { return lists(dl_req_header(req, "Upgrade"), "websocket"); }

static void add_accept(dl_req_t *req, const char *key) {
  unsigned char digest[20];
  char accept[DL_BASE64_SIZE(sizeof digest)];
  char *text = dl_xprintf("%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
  dl_sha1(text, strlen(text), digest);
  free(text);
  dl_base64(digest, sizeof digest, accept);
  dl_req_add_header(req, "Sec-WebSocket-Accept", accept);
}

bool dl_ws_is_handshake(dl_req_t *req) {
  const char *version = dl_req_header(req, "Sec-WebSocket-Version"),
             *key = dl_req_header(req, "Sec-WebSocket-Key");
  return dl_ws_is_wanted(req) && lists(dl_req_header(req, "Connection"), "upgrade") && version != NULL &&
         strcmp(version, "13") == 0 && key != NULL && strlen(key) == 24 &&
         strcmp(dl_req_method(req), "GET") == 0;
}

bool dl_ws_open(dl_req_t *req, const char *protocol, const dl_ws_opts_t *opts, const dl_ws_events_t *events,
                void *user) {
  static const struct wslay_event_callbacks callbacks = {.recv_callback = on_codec_read,
                                                         .send_callback = on_codec_write,
                                                         .on_msg_recv_callback = on_codec_message};
  if (!dl_ws_is_handshake(req)) return false;
  dl_ws_t *ws = dl_xcalloc(1, sizeof *ws);
  ws->req = req;
  ws->events = *events;
  ws->user = user;
  ws->frame_max = opts->queue_max;
  ws->frame_bytes_max = opts->queue_bytes > 0 ? opts->queue_bytes : SIZE_MAX;
  ws->flush_ms = opts->flush_ms > 0 ? opts->flush_ms : FLUSH_LIMIT_MS;
  dl_list_init(&ws->frames);
  uv_timer_init(dl_http_loop(dl_req_server(req)), &ws->limit);
  ws->limit.data = ws;
  if (wslay_event_context_server_init(&ws->codec, &callbacks, ws) != 0) abort(); /* no memory */
  wslay_event_config_set_max_recv_msg_length(ws->codec, opts->message_max);
  dl_req_add_header(req, "Upgrade", "websocket");
  add_accept(req, dl_req_header(req, "Sec-WebSocket-Key"));
  if (protocol != NULL) dl_req_add_header(req, "Sec-WebSocket-Protocol", protocol);
  dl_reply_upgrade(req, on_upgraded, ws);
  return true;
}
