/* SPDX-License-Identifier: Apache-2.0
 *
 * One request from its target to its end: reading what was asked, its body in one of three
 * modes, and the moment when the connection is over.
 *
 * A request is freed when both sides are through with it: the handler has answered (and a pulled
 * answer was told its end), and the connection is over. Whoever comes second frees it.
 */
#include "http/internal.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int dl_req_wire(const dl_req *req) {
  return req->server->tls ? dl_tls_wire(req->server->tls, req->fd) : req->fd;
}

static void describe_peer(dl_req *req) {
  struct sockaddr_storage addr = {0};
  socklen_t len = sizeof addr;
  strcpy(req->peer, "unix");
  if (getpeername(dl_req_wire(req), (struct sockaddr *)&addr, &len) != 0) return;
  if (addr.ss_family == AF_INET)
    inet_ntop(AF_INET, &((const struct sockaddr_in *)&addr)->sin_addr, req->peer, sizeof req->peer);
  if (addr.ss_family == AF_INET6)
    inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)&addr)->sin6_addr, req->peer, sizeof req->peer);
}

dl_req *dl_req_new(dl_http *h, struct MHD_Connection *conn, const char *target) {
  dl_req *req = dl_xcalloc(1, sizeof *req);
  req->server = h;
  req->conn = conn;
  req->fd = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
  req->target = dl_xstrdup(target);
  req->path = dl_xstrndup(target, strcspn(target, "?"));
  const char *mark = strchr(req->target, '?');
  req->raw_query = mark ? mark + 1 : "";
  req->shape = DL_SHAPE_NONE;
  req->length = -1;
  describe_peer(req);
  dl_list_push(&h->requests, &req->link);
  return req;
}

static void unwatch_peer(dl_req *req) {
  if (!req->gone_poll) return;
  uv_close((uv_handle_t *)req->gone_poll, (uv_close_cb)free);
  req->gone_poll = NULL;
}

static void free_req(dl_req *req) {
  assert(!req->conn && !req->gone_poll);
  dl_shape_drop(req);
  free(req->damage);
  if (req->drop) req->drop(req->data);
  if (req->hook_drop) req->hook_drop(req->hook_user);
  dl_req_clear_headers(req);
  for (size_t i = 0; i < req->param_count; i++) free(req->params[i]);
  dl_query_clear(&req->query);
  dl_buf_clear(&req->body);
  free(req->bytes);
  free(req->target);
  free(req->path);
  free(req);
}

void dl_req_maybe_free(dl_req *req) {
  if (!req->conn && req->is_answered && !req->is_pull_open) free_req(req);
}

/* The handler will hear nothing more about the body: the peer has gone. */
static void abandon_body(dl_req *req) {
  if (req->is_body_done) return;
  req->is_body_done = true;
  if (req->body_mode == DL_BODY_STREAM) {
    req->body_events.on_end(req, false, req->body_user);
  } else if (req->body_mode == DL_BODY_BUFFER && !req->is_answered) {
    req->is_answered = true; /* its callback will not come, so no answer will */
  }
}

void dl_req_finished(dl_req *req, bool is_complete) {
  unwatch_peer(req);
  dl_shape_drop(req);
  dl_list_unlink(&req->link);
  req->conn = NULL;
  req->is_suspended = false;
  if (!req->has_started) req->is_answered = true; /* the head never became whole */
  if (req->answer == DL_ANSWER_UPGRADE && !req->is_upgraded) {
    req->is_upgraded = true;
    req->on_upgraded(NULL, req->upgrade_user);
  }
  if (req->is_pull_open) {
    req->is_pull_open = false;
    if (req->pull_events.on_close)
      req->pull_events.on_close(req->pull_user, is_complete && req->is_pull_complete);
  }
  /* Nothing below may run after an answer given in a callback has freed the request. */
  if (req->is_answered) {
    free_req(req);
    return;
  }
  void (*on_gone)(dl_req *, void *) = req->on_gone;
  void *gone_user = req->gone_user;
  req->on_gone = NULL;
  if (!req->is_body_done && req->body_mode != DL_BODY_DROP) {
    bool is_buffered = req->body_mode == DL_BODY_BUFFER;
    abandon_body(req);
    if (is_buffered) free_req(req);
    return;
  }
  if (on_gone) on_gone(req, gone_user);
}

/* ---- suspension ---- */

void dl_req_suspend(dl_req *req) {
  if (req->is_suspended || !req->conn) return;
  req->is_suspended = true;
  MHD_suspend_connection(req->conn);
}

static void watch_peer(dl_req *req);

void dl_req_resume(dl_req *req) {
  if (!req->is_suspended || !req->conn) return;
  req->is_suspended = false;
  unwatch_peer(req);
  watch_peer(req);
  MHD_resume_connection(req->conn);
  dl_http_mark(req->server);
}

/* Whether it has one, which libmicrohttpd has not given us to its end. */
static bool has_more_body(const dl_req *req) {
  return !req->is_body_done && req->conn != NULL &&
         (dl_req_content_length(req) > 0 || dl_req_header(req, "Transfer-Encoding") != NULL);
}

/* The peer sends nothing more. When that came together with the last bytes, the daemon has taken those, takes the
 * socket for empty, and never hears of it. Once it has them all, an end of our own wakes it up. */
static void end_body_early(dl_req *req) {
  int left = 0;
  unwatch_peer(req);
  if (ioctl(req->fd, FIONREAD, &left) == 0 && left > 0) return; /* dl_req_step() watches again behind them */
  shutdown(req->fd, SHUT_RD);
  dl_http_mark(req->server);
}

static void on_peer_event(uv_poll_t *poll, int status, int events) {
  dl_req *req = poll->data;
  if (status == 0 && !(events & UV_DISCONNECT)) return;
  if (has_more_body(req)) {
    end_body_early(req);
    return;
  }
  void (*on_gone)(dl_req *, void *) = req->on_gone;
  req->on_gone = NULL;
  unwatch_peer(req);
  if (on_gone) on_gone(req, req->gone_user);
}

/* While suspended the daemon does not look at the socket, so we do; and see end_body_early(). */
static void watch_peer(dl_req *req) {
  if (req->gone_poll || (!has_more_body(req) && (!req->on_gone || !req->is_suspended))) return;
  req->gone_poll = dl_xcalloc(1, sizeof *req->gone_poll);
  if (uv_poll_init_socket(req->server->loop, req->gone_poll, req->fd) != 0) {
    free(req->gone_poll);
    req->gone_poll = NULL;
    return;
  }
  req->gone_poll->data = req;
  uv_poll_start(req->gone_poll, UV_DISCONNECT, on_peer_event);
}

void dl_req_on_gone(dl_req *req, void (*on_gone)(dl_req *req, void *user), void *user) {
  req->on_gone = on_gone;
  req->gone_user = user;
  if (!on_gone)
    unwatch_peer(req);
  else if (req->conn)
    watch_peer(req);
}

bool dl_req_is_gone(const dl_req *req) { return req->conn == NULL; }

/* ---- the body ---- */

void dl_req_read_body(dl_req *req, size_t max, dl_body_cb on_body, void *user) {
  assert(req->body_mode == DL_BODY_DROP);
  req->body_mode = DL_BODY_BUFFER;
  dl_buf_init(&req->body, max);
  req->body_max = max;
  req->on_body = on_body;
  req->body_user = user;
  if (dl_req_content_length(req) > (int64_t)max) req->is_too_large = true;
}

void dl_req_stream_body(dl_req *req, const dl_body_events *events, void *user) {
  assert(req->body_mode == DL_BODY_DROP);
  req->body_mode = DL_BODY_STREAM;
  req->body_events = *events;
  req->body_user = user;
}

void dl_req_body_resume(dl_req *req) {
  if (!req->is_body_done) dl_req_resume(req);
}

/* Bytes of the body; returns how many were taken, or -1 to hang up. */
static ssize_t take_body(dl_req *req, const char *bytes, size_t len) {
  /* Once answered, the rest of the body only stands between us and the next request. */
  if (req->body_mode == DL_BODY_STREAM && !req->is_answered)
    return (ssize_t)req->body_events.on_data(req, bytes, len, req->body_user);
  if (req->body_mode == DL_BODY_BUFFER && !req->is_too_large && !req->is_answered) {
    if (dl_buf_append(&req->body, bytes, len)) return (ssize_t)len;
    req->is_too_large = true;
    dl_buf_clear(&req->body);
  }
  req->dropped += (int64_t)len;
  return req->dropped > DL_DRAIN_MAX ? -1 : (ssize_t)len;
}

static void finish_body(dl_req *req) {
  req->is_body_done = true;
  unwatch_peer(req);
  if (req->is_answered) return;
  if (req->body_mode == DL_BODY_STREAM) {
    req->body_events.on_end(req, true, req->body_user);
  } else if (req->body_mode == DL_BODY_BUFFER) {
    if (req->is_too_large) {
      json_t *body = json_pack("{s:i, s:s, s:s}", "statusCode", 413, "error", "Payload Too Large", "message",
                               "the request body is too large");
      dl_reply_json(req, 413, body);
    } else {
      req->on_body(req, req->body.data ? req->body.data : "", req->body.len, req->body_user);
    }
  }
}

enum MHD_Result dl_req_step(dl_req *req, const char *bytes, size_t *len) {
  if (req->server->is_closing) return MHD_NO;
  if (!req->has_started) {
    req->has_started = true;
    req->server->opts.on_request(req, req->server->opts.user);
    watch_peer(req);
    return MHD_YES;
  }
  if (req->answer == DL_ANSWER_RESET) return MHD_NO;
  if (*len > 0) {
    ssize_t taken = take_body(req, bytes, *len);
    if (taken < 0) return MHD_NO;
    *len -= (size_t)taken;
    if (*len > 0) dl_req_suspend(req);
    watch_peer(req);
    return MHD_YES;
  }
  if (!req->is_body_done) finish_body(req);
  if (req->answer == DL_ANSWER_RESET) return MHD_NO;
  if (req->answer != DL_ANSWER_NONE && req->answer != DL_ANSWER_NEVER && !dl_shape_holds(req))
    return dl_req_send(req);
  dl_req_suspend(req);
  watch_peer(req);
  return MHD_YES;
}

/* ---- what was asked ---- */

const char *dl_req_method(const dl_req *req) { return req->method; }
const char *dl_req_target(const dl_req *req) { return req->target; }
const char *dl_req_path(const dl_req *req) { return req->path; }
const char *dl_req_raw_query(const dl_req *req) { return req->raw_query; }
const char *dl_req_peer(const dl_req *req) { return req->peer; }
dl_http *dl_req_server(const dl_req *req) { return req->server; }
const char *dl_req_rest(const dl_req *req) { return req->rest ? req->rest : ""; }
void *dl_req_data(const dl_req *req) { return req->data; }

void dl_req_set_data(dl_req *req, void *data, void (*drop)(void *data)) {
  req->data = data;
  req->drop = drop;
}

const dl_query *dl_req_query(dl_req *req) {
  if (!req->has_query) dl_query_parse(&req->query, req->raw_query);
  req->has_query = true;
  return &req->query;
}

const char *dl_req_header(const dl_req *req, const char *name) {
  return req->conn ? MHD_lookup_connection_value(req->conn, MHD_HEADER_KIND, name) : NULL;
}

typedef struct {
  void (*each)(void *user, const char *name, const char *value);
  void *user;
} header_walk;

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value) {
  (void)kind;
  header_walk *walk = cls;
  walk->each(walk->user, name, value ? value : "");
  return MHD_YES;
}

void dl_req_each_header(const dl_req *req, void (*each)(void *user, const char *name, const char *value),
                        void *user) {
  header_walk walk = {each, user};
  if (req->conn) MHD_get_connection_values(req->conn, MHD_HEADER_KIND, on_header, &walk);
}

int64_t dl_req_content_length(const dl_req *req) {
  const char *coding = dl_req_header(req, "Transfer-Encoding");
  if (coding) return -1;
  const char *text = dl_req_header(req, "Content-Length");
  int64_t length = 0;
  if (text && !dl_parse_int(text, 0, INT64_C(9007199254740992), &length)) return -1;
  return length;
}

const char *dl_req_param(const dl_req *req, const char *name) {
  for (size_t i = 0; i < req->param_count; i++) {
    size_t len = req->param_name_lens[i];
    if (strncmp(req->param_names[i], name, len) == 0 && name[len] == '\0') return req->params[i];
  }
  return NULL;
}
