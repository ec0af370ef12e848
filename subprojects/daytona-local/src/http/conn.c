/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of a client: its bytes become requests, one after the other, and their responses become bytes.
 *
 * Bytes come from the loop and go to the parser at once, and through it to the handler. What cannot be taken now (the
 * next request, or a body that the handler has paused) is held, up to a ceiling, and reading pauses. Answers are sent
 * from dl_conn_work only, which the server calls when the connection was marked: so no response is sent from inside a
 * callback of its handler. A block of a response is asked for when everything before it has left.
 *
 * head -> handler -> body -> answer -> next head, or the end. Whatever is no request gets its 4xx, and the
 * connection lingers: what the client still sends is dropped for a while, since closing with unread bytes would
 * destroy the response.
 *
 * A client that sends no more gets its response all the same. Whether it is still there at all shows when something is
 * sent to it; where nothing is due for long, an interim response or the beginning of a chunk is sent to find out.
 */
#include "http/internal.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Read ahead of what can be taken. */
#define HELD_MAX (64u * 1024)
#define PULL_BLOCK (64u * 1024)
/* Of one response, before others get their turn. */
#define BLOCKS_PER_TURN 16
#define CHUNK_HEAD_MAX 20u

/* --- its life --- */

static void enter(dl_conn_t *c) { c->depth++; }

static void leave(dl_conn_t *c) {
  assert(c->depth > 0);
  if (--c->depth > 0 || !c->is_over || c->stream != NULL) return;
  assert(c->req == NULL);
  dl_list_unlink(&c->link);
  c->server->count--;
  dl_http1_clear(&c->parser);
  dl_buf_clear(&c->held);
  free(c);
}

/* The stream lets go of its descriptor: by dl_conn_end, or by whom it was handed out to. */
static void on_released(int fd, void *user) {
  dl_conn_t *c = user;
  enter(c);
  close(fd);
  c->stream = NULL;
  c->is_over = true;
  leave(c);
}

void dl_conn_end(dl_conn_t *c) {
  if (c->is_over) return;
  enter(c);
  c->is_over = true;
  dl_list_unlink(&c->phase_link);
  dl_list_unlink(&c->dirty_link);
  dl_req_t *req = c->req;
  c->req = NULL;
  if (req != NULL) dl_req_finished(req, false);
  dl_duplex_close(c->stream);
  leave(c);
}

void dl_conn_drop(dl_conn_t *c) {
  enter(c);
  if (!c->is_upgraded) {
    dl_conn_end(c);
  } else if (c->stream != NULL) {
    /* Its user gets an end, and may close it from there. */
    dl_duplex_t *stream = c->stream;
    if (!dl_duplex_fail(stream, UV_ECANCELED)) dl_duplex_close(stream);
  }
  leave(c);
}

/* --- what it waits for --- */

static bool wants_input(const dl_conn_t *c) {
  if (c->is_over || c->is_lingering || c->is_drain_over || c->server->is_closing) return false;
  return c->req == NULL || (!c->req->is_body_done && !c->is_paused);
}

/* Reading continues while there is room, so that the client's end is seen; a body that its handler has paused has
 * none, and there only a client that has gone is looked for. */
static void settle_reading(dl_conn_t *c) {
  if (c->is_over || c->client_ended) return;
  bool has_room = c->is_lingering || (c->held.len < HELD_MAX && !c->is_paused);
  dl_duplex_watch_hangup(c->stream, !has_room);
  if (has_room)
    dl_duplex_read_resume(c->stream);
  else
    dl_duplex_read_pause(c->stream);
}

static dl_phase_t phase_of(const dl_conn_t *c) {
  if (c->is_lingering) return DL_PHASE_LINGER;
  if (c->req == NULL) {
    bool is_next = c->phase != DL_PHASE_HEAD && c->parser.head.len == 0 && c->held.len == 0;
    return is_next ? DL_PHASE_IDLE : DL_PHASE_HEAD;
  }
  if (c->is_head_sent && dl_duplex_queued(c->stream) > 0) return DL_PHASE_ANSWER;
  if (c->req->is_body_done || c->is_paused || c->is_drain_over) return DL_PHASE_BUSY;
  return c->req->is_answered ? DL_PHASE_DRAIN : DL_PHASE_BODY;
}

static void settle(dl_conn_t *c) {
  if (c->is_over || c->is_upgraded) return;
  settle_reading(c);
  dl_http_wait(c, phase_of(c), false);
}

/* --- the end of the responses --- */

/* Our end goes out when everything before it has left; then the client's is awaited. */
static void linger(dl_conn_t *c) {
  if (c->is_over) return;
  c->is_lingering = true;
  dl_buf_clear(&c->held);
  if (dl_duplex_queued(c->stream) > 0) return; /* on_drain comes back here */
  if (c->client_ended) {
    dl_conn_end(c);
    return;
  }
  if (!c->has_shut_down) dl_duplex_shutdown(c->stream);
  c->has_shut_down = true;
}

/* For what is no request, or stops being one in its body. For the handler it is the same as a client that has gone. */
static void refuse(dl_conn_t *c, int status, const char *problem) {
  if (c->req != NULL && c->req->is_answered) {
    /* The response is known, and is a better one. */
    c->is_drain_over = true;
    dl_conn_mark(c);
    return;
  }
  dl_req_t *req = c->req;
  const dl_http_opts_t *opts = &c->server->opts;
  c->req = NULL;
  if (req != NULL)
    dl_req_note(req, status);
  else if (opts->on_refused)
    opts->on_refused(c->peer, status, problem, opts->user);
  if (req != NULL) dl_req_finished(req, false);
  if (c->is_over) return;
  dl_buf_t *out = &c->server->scratch;
  dl_reply_put_refusal(c->server, out, status, problem);
  dl_duplex_write(c->stream, out->data, out->len);
  dl_buf_reset(out);
  linger(c);
}

/* --- from bytes to requests --- */

static void put_continue(dl_conn_t *c) {
  static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
  dl_duplex_write(c->stream, text, strlen(text));
}

static void body_ended(dl_conn_t *c) {
  c->is_paused = false;
  c->owes_continue = false;
  dl_req_finish_body(c->req);
  if (!c->is_over) dl_conn_mark(c);
}

static void begin_request(dl_conn_t *c) {
  dl_http_t *h = c->server;
  c->wants_close = c->parser.wants_close;
  c->is_head_sent = c->has_body = c->is_chunked = c->is_all_sent = c->is_drain_over = c->has_probed = false;
  c->body_sent = 0;
  c->owes_continue = c->parser.expects_continue && c->parser.state != DL_HTTP1_DONE;
  dl_req_t *req = c->req = dl_req_new(c);
  req->began_ns = uv_hrtime();
  h->opts.on_request(req, h->opts.user);
  if (c->is_over) return;
  if (c->parser.state == DL_HTTP1_DONE) {
    body_ended(c);
    return;
  }
  dl_req_refuse_body(req);
  dl_conn_mark(c);
  if (!c->owes_continue || req->is_answered) return;
  put_continue(c);
  c->owes_continue = false;
}

static void take_body(dl_conn_t *c, const char *bytes, size_t len) {
  size_t taken = dl_req_take_body(c->req, bytes, len);
  assert(taken <= len);
  if (c->is_over) return;
  c->owes_continue = false; /* it did not wait for it */
  if (taken < len) {
    dl_http1_untake(&c->parser, len - taken);
    c->is_paused = true;
  } else if (c->req->dropped > DL_DRAIN_MAX) {
    c->is_drain_over = true;
    if (c->req->is_answered)
      dl_conn_mark(c);
    else
      dl_conn_end(c);
  }
}

/* Returns how many it took: all, or up to where something must happen first. */
static size_t take_input(dl_conn_t *c, const char *bytes, size_t len) {
  size_t taken = 0;
  while (taken < len && wants_input(c)) {
    const char *body;
    size_t body_len, n = dl_http1_feed(&c->parser, bytes + taken, len - taken, &body, &body_len);
    taken += n;
    if (c->parser.state == DL_HTTP1_BROKEN) {
      dl_debug("http: %s: %s", c->peer, c->parser.problem);
      refuse(c, c->parser.refusal, c->parser.problem);
    } else if (c->req == NULL && c->parser.state != DL_HTTP1_HEAD) {
      begin_request(c);
    } else if (c->req != NULL) {
      int64_t before = c->parser.left;
      if (body_len > 0) take_body(c, body, body_len);
      if (!c->is_over && c->is_paused) taken -= (size_t)(c->parser.left - before);
      if (!c->is_over && c->req != NULL && c->parser.state == DL_HTTP1_DONE) body_ended(c);
    }
  }
  return taken;
}

/* --- a client that sends no more --- */

static bool is_stream_open(const dl_conn_t *c) { return c->is_head_sent && c->has_body && !c->is_all_sent; }

/* Sends what a client that is there reads over. One that has gone answers with a reset. */
static void probe(dl_conn_t *c) {
  if (c->has_probed || dl_duplex_queued(c->stream) > 0) return;
  c->has_probed = true;
  if (!c->is_head_sent && c->parser.minor > 0)
    put_continue(c);
  else if (is_stream_open(c) && c->is_chunked)
    dl_duplex_write(c->stream, "0", 1); /* the first digit of the next chunk's size, or of the last one's */
}

/* The client has ended, and everything that it sent has been taken. */
static void client_is_through(dl_conn_t *c) {
  dl_req_t *req = c->req;
  if (c->is_lingering) {
    linger(c);
  } else if (req == NULL && c->parser.head.len == 0) {
    dl_conn_end(c);
  } else if (req == NULL) {
    refuse(c, 400, "the request ends in its head");
  } else if (!req->is_body_done) {
    refuse(c, 400, "the request ends in its body");
  } else if (req->answer == DL_ANSWER_NEVER || dl_shape_is_frozen(req)) {
    dl_conn_end(c); /* nothing would ever show whether it is there */
  } else if (req->on_gone != NULL || (is_stream_open(c) && !req->is_shaped)) {
    probe(c);
  }
}

/* --- events of the stream --- */

static void take_held(dl_conn_t *c) {
  if (c->held.len == 0 || !wants_input(c)) return;
  /* It does not change while its parts are looked at: new bytes come from the loop only. */
  size_t taken = take_input(c, c->held.data, c->held.len);
  if (c->is_over || c->is_lingering) return;
  dl_buf_consume(&c->held, taken);
  if (c->held.len == 0) dl_buf_clear(&c->held);
}

static void on_data(dl_duplex_t *d, const char *bytes, size_t len, void *user) {
  dl_conn_t *c = user;
  (void)d;
  if (c->is_lingering) return;
  enter(c);
  if (c->phase == DL_PHASE_BODY) dl_http_wait(c, DL_PHASE_BODY, true);
  size_t taken = c->held.len == 0 ? take_input(c, bytes, len) : 0;
  if (!c->is_over && !c->is_lingering && taken < len) dl_buf_append(&c->held, bytes + taken, len - taken);
  settle(c);
  leave(c);
}

static void on_end(dl_duplex_t *d, int error, void *user) {
  dl_conn_t *c = user;
  (void)d;
  enter(c);
  c->client_ended = true;
  dl_duplex_watch_break(c->stream);
  if (error != 0)
    dl_conn_end(c);
  else if (c->held.len == 0)
    client_is_through(c);
  settle(c);
  leave(c);
}

static void on_drain(dl_duplex_t *d, void *user) {
  (void)d;
  dl_conn_mark(user);
}

/* While the handler has paused the body, or more waits than may be held: with a length it is known now whether the body
 * can still become whole. */
static void on_hangup(dl_duplex_t *d, void *user) {
  dl_conn_t *c = user;
  int unread = 0;
  (void)d;
  if (c->req == NULL || ioctl(c->fd, FIONREAD, &unread) != 0) return;
  bool is_cut =
    !c->req->is_body_done && !c->parser.is_chunked && (int64_t)c->held.len + unread < c->parser.left;
  if (is_cut || c->req->answer == DL_ANSWER_NEVER)
    dl_conn_end(c);
  else if (c->req->is_body_done && c->req->on_gone != NULL)
    probe(c);
}

static const dl_duplex_events_t EVENTS = {on_data, on_end, on_drain, on_hangup};

/* --- from answers to bytes --- */

/* The request is over; the next one may wait already. */
static void answer_sent(dl_conn_t *c) {
  dl_req_t *req = c->req;
  c->req = NULL;
  dl_req_finished(req, true);
  if (c->is_over) return;
  if (c->wants_close || c->is_drain_over || (c->client_ended && c->held.len == 0)) {
    linger(c);
    return;
  }
  dl_http1_clear(&c->parser);
  dl_http1_init_request(&c->parser, c->server->head_max);
  c->phase = DL_PHASE_BUSY;
  if (c->held.len > 0) dl_conn_mark(c);
}

static void hand_over(dl_conn_t *c) {
  dl_req_t *req = c->req;
  dl_duplex_t *stream = c->stream;
  c->is_upgraded = true;
  c->req = NULL;
  dl_list_unlink(&c->phase_link);
  dl_list_unlink(&c->dirty_link);
  if (req->damage != NULL && c->server->tls != NULL)
    dl_duplex_set_wire(stream, fcntl(dl_req_wire(req), F_DUPFD_CLOEXEC, 0));
  dl_duplex_listen(stream, NULL, NULL);
  dl_duplex_watch_hangup(stream, false);
  dl_duplex_read_resume(stream);
  if (c->held.len > 0) dl_duplex_unread(stream, c->held.data, c->held.len);
  dl_buf_clear(&c->held);
  req->is_upgraded = true;
  req->on_upgraded(stream, req->upgrade_user);
  dl_req_finished(req, true);
}

/* Puts up to one block of the body behind what is in `out`. 0 or DL_PULL_*, as the response says, else how much. */
static ssize_t put_block(dl_conn_t *c, dl_buf_t *out) {
  dl_req_t *req = c->req;
  size_t max = PULL_BLOCK, room = c->is_chunked ? CHUNK_HEAD_MAX : 0;
  if (req->length >= 0 && (int64_t)max > req->length - c->body_sent)
    max = (size_t)(req->length - c->body_sent);
  if (max == 0) {
    req->is_pull_complete = true;
    return DL_PULL_END;
  }
  char *at = dl_buf_reserve(out, room + max + 2);
  ssize_t got = dl_reply_pull(req, at + room, max);
  if (c->is_over) return DL_PULL_ABORT;
  if (got == DL_PULL_END && req->length >= 0) return DL_PULL_ABORT; /* less than was declared */
  if (got == DL_PULL_END && c->is_chunked) dl_buf_puts(out, "0\r\n\r\n");
  if (got <= 0) return got;
  c->body_sent += got;
  if (!c->is_chunked) {
    dl_buf_grew(out, (size_t)got);
    return got;
  }
  char size[CHUNK_HEAD_MAX];
  size_t size_len = (size_t)snprintf(size, sizeof size, "%zx\r\n", (size_t)got);
  memcpy(at, size, size_len);
  memmove(at + size_len, at + room, (size_t)got);
  memcpy(at + size_len + got, "\r\n", 2);
  dl_buf_grew(out, size_len + (size_t)got + 2);
  return got;
}

static void flush(dl_conn_t *c, dl_buf_t *out) {
  if (out->len > 0 && c->stream != NULL) dl_duplex_write(c->stream, out->data, out->len);
  dl_buf_reset(out);
}

/* Sends what there is. False when the response has ended, in whichever way. */
static bool send_block(dl_conn_t *c) {
  dl_buf_t *out = &c->server->scratch;
  bool is_first = !c->is_head_sent;
  if (is_first) dl_reply_put_head(c, out);
  c->is_head_sent = true;
  if (!c->has_body) {
    c->is_all_sent = c->req->is_pull_complete = true;
  } else if (!is_first || !c->req->is_shaped) { /* damage counts from a head that has left */
    ssize_t got = put_block(c, out);
    if (got == DL_PULL_ABORT) {
      dl_buf_reset(out);
      dl_conn_end(c);
      return false;
    }
    c->is_all_sent = got == DL_PULL_END;
    if (got == DL_PULL_LATER) {
      flush(c, out);
      return false;
    }
  }
  flush(c, out);
  return true;
}

static void send_answer(dl_conn_t *c) {
  for (int i = 0; c->req != NULL && !c->is_over; i++) {
    if (dl_duplex_queued(c->stream) > 0) return; /* on_drain comes back here */
    if (c->is_head_sent && c->is_all_sent) {
      if (c->req->answer == DL_ANSWER_UPGRADE)
        hand_over(c);
      else
        answer_sent(c);
      return;
    }
    if (i == BLOCKS_PER_TURN) {
      dl_duplex_ask_drain(c->stream);
      return;
    }
    if (!send_block(c)) return;
  }
}

/* Whether the response may go out: behind the body, or in front of one that will not be read. */
static bool is_due(dl_conn_t *c) {
  const dl_req_t *req = c->req;
  if (!req->is_answered || req->answer == DL_ANSWER_NEVER) return false;
  if (c->is_head_sent || req->is_body_done) return true;
  if (!c->is_drain_over && !c->owes_continue) return false;
  c->is_drain_over = c->wants_close = true;
  return true;
}

static bool is_through(const dl_conn_t *c) {
  return !c->is_over && !c->is_upgraded && c->client_ended && c->held.len == 0;
}

static void work(dl_conn_t *c) {
  take_held(c);
  if (is_through(c) && (c->req == NULL || !c->req->is_body_done)) client_is_through(c);
  if (c->is_over || c->req == NULL) return;
  if (c->req->answer == DL_ANSWER_RESET)
    dl_conn_end(c);
  else if (c->req->answer == DL_ANSWER_UPGRADE && c->client_ended)
    dl_conn_end(c); /* a stream whose client has ended already is over */
  else if (is_due(c) && (c->is_head_sent || !dl_shape_holds(c->req)))
    send_answer(c);
  if (is_through(c) && c->req != NULL) client_is_through(c);
}

void dl_conn_work(dl_conn_t *c) {
  enter(c);
  if (c->is_lingering)
    linger(c);
  else if (!c->is_over && !c->is_upgraded)
    work(c);
  settle(c);
  leave(c);
}

void dl_conn_expire(dl_conn_t *c) {
  enter(c);
  bool takes_some = dl_duplex_sent(c->stream) != c->sent_before;
  if (c->phase == DL_PHASE_HEAD && c->parser.head.len > 0)
    refuse(c, 408, "the head of the request did not come in time");
  else if (c->phase == DL_PHASE_BODY)
    refuse(c, 408, "the body of the request did not come in time");
  else if (c->phase == DL_PHASE_DRAIN)
    c->is_drain_over = true;
  else if (c->phase == DL_PHASE_ANSWER && takes_some)
    dl_http_wait(c, DL_PHASE_ANSWER, true);
  else
    dl_conn_end(c);
  if (!c->is_over) dl_conn_mark(c);
  settle(c);
  leave(c);
}

/* --- the start --- */

void dl_conn_new(dl_http_t *h, int fd, const char *peer) {
  dl_conn_t *c = dl_xcalloc(1, sizeof *c);
  c->server = h;
  c->fd = fd;
  snprintf(c->peer, sizeof c->peer, "%s", peer);
  c->phase = DL_PHASE_BUSY;
  dl_list_init(&c->dirty_link);
  dl_list_init(&c->phase_link);
  dl_http1_init_request(&c->parser, h->head_max);
  dl_buf_init(&c->held, 4 * HELD_MAX);
  dl_list_push(&h->conns, &c->link);
  h->count++;
  enter(c);
  c->stream = dl_duplex_new(h->loop, fd, false, on_released, c);
  if (c->stream != NULL) {
    dl_duplex_listen(c->stream, &EVENTS, c);
    dl_http_wait(c, DL_PHASE_HEAD, true);
  }
  leave(c);
}
