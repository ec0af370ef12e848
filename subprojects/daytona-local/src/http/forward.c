/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One forwarded request.
 *
 * The upstream connection is used for one exchange. The request body starts to flow when the head
 * has left, which proves the connection. Bytes of the response wait in `held` until the client takes
 * them; past the high mark the upstream is not read. Whoever ends first (client or upstream), the
 * object goes when the request has its response and the response is over.
 */
#include "http/forward.h"

#include "http/http1.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HELD_HIGH (256u * 1024)
#define HELD_MAX (4u * 1024 * 1024)

typedef struct {
  dl_req_t *req; /* NULL once answered in full */
  dl_forward_opts_t o;
  dl_buf_t head;
  uv_loop_t *loop;
  dl_duplex_t *up; /* NULL once it is over, or the relay's after an upgrade */
  dl_http1_t answer;
  dl_buf_t held;
  size_t held_at;
  int attempt;
  bool is_chunked_request, is_upgrade_request;
  bool is_connected, is_body_ended, is_replied, is_broken;
} forward_t;

static void start_attempt(forward_t *f);

static void free_forward(forward_t *f) {
  dl_duplex_close(f->up);
  if (f->o.on_end != NULL) f->o.on_end(f->o.user);
  dl_buf_clear(&f->head);
  dl_buf_clear(&f->held);
  dl_http1_clear(&f->answer);
  free(f);
}

static void drop_upstream(forward_t *f) {
  dl_duplex_close(f->up);
  f->up = NULL;
}

/* No response can come any more. Before the reply: the caller's; after it: the client's connection
 * breaks in the middle, so that it cannot take the part for the whole. */
static void break_off(forward_t *f) {
  drop_upstream(f);
  f->is_broken = true;
  if (f->is_replied) {
    dl_reply_wake(f->req);
    return;
  }
  f->is_replied = true;
  dl_req_on_gone(f->req, NULL, NULL);
  f->o.on_failure(f->o.user, f->req);
  free_forward(f);
}

/* --- the response, towards the client --- */

static ssize_t on_pull(void *user, char *out, size_t max) {
  forward_t *f = user;
  size_t left = f->held.len - f->held_at;
  if (left > 0) {
    if (max > left) max = left;
    memcpy(out, f->held.data + f->held_at, max);
    f->held_at += max;
    if (f->held_at == f->held.len) {
      dl_buf_reset(&f->held);
      f->held_at = 0;
    }
    if (f->up != NULL && f->held.len - f->held_at < HELD_HIGH) dl_duplex_read_resume(f->up);
    return (ssize_t)max;
  }
  if (f->answer.state == DL_HTTP1_DONE) return DL_PULL_END;
  return f->is_broken ? DL_PULL_ABORT : DL_PULL_LATER;
}

static void on_pull_closed(void *user, bool is_complete) {
  (void)is_complete;
  free_forward(user);
}

static void copy_header(void *user, const char *name, const char *value) {
  forward_t *f = user;
  bool is_upgrade = f->answer.state == DL_HTTP1_UPGRADE && strcasecmp(name, "Upgrade") == 0;
  if (dl_http1_is_hop_header(name) && !is_upgrade) return;
  if (strcasecmp(name, "Content-Length") == 0 || strcasecmp(name, "Date") == 0) return;
  char *mapped = f->o.map_header != NULL ? f->o.map_header(f->o.user, name, value) : NULL;
  if (mapped == NULL || *mapped != '\0') dl_req_add_header(f->req, name, mapped != NULL ? mapped : value);
  free(mapped);
}

static void on_relay_over(void *user) { free_forward(user); }

static void on_upgraded(dl_duplex_t *down, void *user) {
  forward_t *f = user;
  dl_duplex_t *up = f->up;
  dl_damage_t *damage = down != NULL ? dl_req_take_damage(f->req) : NULL;
  f->req = NULL;
  if (down == NULL || up == NULL) {
    dl_duplex_close(down);
    free_forward(f);
  } else {
    dl_buf_t unsent = f->held;
    dl_buf_init(&f->held, HELD_MAX);
    f->up = NULL;
    if (f->o.on_upgraded != NULL) f->o.on_upgraded(f->o.user, down);
    dl_relay_start(f->loop, up, down, damage, &unsent, on_relay_over, f);
    dl_buf_clear(&unsent);
  }
  free(damage);
}

static void reply(forward_t *f) {
  static const dl_pull_events_t events = {on_pull, on_pull_closed};
  f->is_replied = true;
  dl_req_on_gone(f->req, NULL, NULL);
  dl_http1_each_header(&f->answer, copy_header, f);
  if (f->o.on_head != NULL) f->o.on_head(f->o.user, f->req, f->answer.status);
  if (f->answer.state == DL_HTTP1_UPGRADE) {
    dl_duplex_read_pause(f->up);
    dl_reply_upgrade(f->req, on_upgraded, f);
  } else if (f->answer.status == 204 || f->answer.status == 304) {
    dl_reply_empty(f->req, f->answer.status);
    free_forward(f);
  } else {
    dl_reply_stream(f->req, f->answer.status, f->answer.length, &events, f);
  }
}

/* --- the response, from upstream --- */

static void on_up_data(dl_duplex_t *up, const char *bytes, size_t len, void *user) {
  forward_t *f = user;
  bool had_head = f->answer.state != DL_HTTP1_HEAD;
  if (f->held_at > f->held.len / 2) {
    dl_buf_consume(&f->held, f->held_at);
    f->held_at = 0;
  }
  while (len > 0 && (f->answer.state == DL_HTTP1_HEAD || f->answer.state == DL_HTTP1_BODY)) {
    const char *body;
    size_t body_len, taken = dl_http1_feed(&f->answer, bytes, len, &body, &body_len);
    if (body_len > 0 && !dl_buf_append(&f->held, body, body_len)) f->answer.state = DL_HTTP1_BROKEN;
    bytes += taken;
    len -= taken;
  }
  if (f->answer.state == DL_HTTP1_UPGRADE && len > 0 && !dl_buf_append(&f->held, bytes, len))
    f->answer.state = DL_HTTP1_BROKEN;
  if (f->answer.state == DL_HTTP1_BROKEN || (f->answer.state == DL_HTTP1_UPGRADE && !f->is_upgrade_request)) {
    break_off(f);
    return;
  }
  if (f->answer.state == DL_HTTP1_HEAD) return;
  if (!had_head && f->o.takes != NULL && !f->o.takes(f->o.user, f->answer.status)) {
    break_off(f);
    return;
  }
  if (f->answer.state == DL_HTTP1_DONE)
    drop_upstream(f);
  else if (f->held.len - f->held_at > HELD_HIGH)
    dl_duplex_read_pause(up);
  if (had_head)
    dl_reply_wake(f->req);
  else
    reply(f);
}

static void on_up_end(dl_duplex_t *up, int error, void *user) {
  forward_t *f = user;
  (void)up;
  if (!f->is_connected && error != 0) {
    drop_upstream(f);
    f->attempt++;
    start_attempt(f);
    return;
  }
  if (error == 0 && f->is_replied && dl_http1_end(&f->answer)) {
    drop_upstream(f);
    dl_reply_wake(f->req);
    return;
  }
  break_off(f);
}

/* --- the request, towards upstream --- */

static void connected(forward_t *f) {
  f->is_connected = true;
  if (!f->is_body_ended) dl_req_body_resume(f->req);
}

static void on_up_drain(dl_duplex_t *up, void *user) {
  (void)up;
  connected(user);
}

static const dl_duplex_events_t UPSTREAM = {on_up_data, on_up_end, on_up_drain};

static size_t on_body_data(dl_req_t *req, const char *bytes, size_t len, void *user) {
  forward_t *f = user;
  (void)req;
  if (f->up != NULL && (!f->is_connected || dl_duplex_queued(f->up) > DL_DUPLEX_HIGH)) return 0;
  if (f->up == NULL) return len; /* it has answered without reading everything */
  if (f->is_chunked_request) {
    char size[24];
    int n = snprintf(size, sizeof size, "%zx\r\n", len);
    dl_duplex_write(f->up, size, (size_t)n);
  }
  dl_duplex_write(f->up, bytes, len);
  if (f->is_chunked_request) dl_duplex_write(f->up, "\r\n", 2);
  if (dl_duplex_queued(f->up) > 0) f->is_connected = true; /* a drain event follows and resumes */
  return len;
}

static void on_body_end(dl_req_t *req, bool is_complete, void *user) {
  forward_t *f = user;
  (void)req;
  f->is_body_ended = true;
  if (!is_complete)
    break_off(f);
  else if (f->up != NULL && f->is_chunked_request)
    dl_duplex_write(f->up, "0\r\n\r\n", 5);
}

static void on_gone(dl_req_t *req, void *user) {
  (void)req;
  break_off(user);
}

static void start_attempt(forward_t *f) {
  bool is_connecting = false;
  int fd = f->o.connect(f->o.user, f->attempt, &is_connecting);
  f->up = fd >= 0 ? dl_duplex_new(f->loop, fd, is_connecting, NULL, NULL) : NULL;
  if (f->up == NULL) {
    break_off(f);
    return;
  }
  dl_duplex_listen(f->up, &UPSTREAM, f);
  dl_duplex_write(f->up, f->head.data, f->head.len);
  if (dl_duplex_queued(f->up) == 0) connected(f);
}

static void put_header(void *user, const char *name, const char *value) {
  forward_t *f = user;
  if (dl_http1_is_hop_header(name) || strcasecmp(name, "Host") == 0 ||
      strcasecmp(name, "Content-Length") == 0 || strcasecmp(name, "Expect") == 0)
    return;
  if (f->o.drop_header != NULL && f->o.drop_header(f->o.user, name, value)) return;
  char *mapped = f->o.map_request_header != NULL ? f->o.map_request_header(f->o.user, name, value) : NULL;
  if (mapped == NULL || *mapped != '\0')
    dl_buf_printf(&f->head, "%s: %s\r\n", name, mapped != NULL ? mapped : value);
  free(mapped);
}

static bool build_head(forward_t *f) {
  dl_req_t *req = f->req;
  const char *host = f->o.host != NULL ? f->o.host : dl_req_header(req, "Host");
  const char *upgrade = dl_req_upgrade(req);
  int64_t length = dl_req_content_length(req);
  f->is_upgrade_request = upgrade != NULL;
  f->is_chunked_request = length < 0;
  dl_buf_printf(&f->head, "%s %s HTTP/1.1\r\nHost: %s\r\n", dl_req_method(req), f->o.target,
                host ? host : "localhost");
  dl_req_each_header(req, put_header, f);
  if (f->o.extra_headers != NULL) dl_buf_puts(&f->head, f->o.extra_headers);
  if (length < 0)
    dl_buf_puts(&f->head, "Transfer-Encoding: chunked\r\n");
  else if (length > 0 || dl_req_header(req, "Content-Length") != NULL)
    dl_buf_printf(&f->head, "Content-Length: %lld\r\n", (long long)length);
  if (upgrade != NULL)
    dl_buf_printf(&f->head, "Connection: Upgrade\r\nUpgrade: %s\r\n", upgrade);
  else
    dl_buf_puts(&f->head, "Connection: close\r\n");
  return dl_buf_puts(&f->head, "\r\n");
}

void dl_forward(dl_req_t *req, const dl_forward_opts_t *opts) {
  static const dl_body_events_t events = {on_body_data, on_body_end};
  forward_t *f = dl_xcalloc(1, sizeof *f);
  f->req = req;
  f->loop = dl_http_loop(dl_req_server(req));
  f->o = *opts;
  dl_buf_init(&f->head, DL_HTTP1_HEAD_MAX);
  dl_buf_init(&f->held, HELD_MAX);
  dl_http1_init(&f->answer, strcmp(dl_req_method(req), "HEAD") == 0);
  bool ok = build_head(f);
  f->o.target = f->o.host = f->o.extra_headers = NULL; /* they are in the head now */
  dl_req_on_gone(req, on_gone, f);
  dl_req_stream_body(req, &events, f);
  if (ok)
    start_attempt(f);
  else
    break_off(f);
}
