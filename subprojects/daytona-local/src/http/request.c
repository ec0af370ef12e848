/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request from its head to its end: reading what was asked, its body in one of three
 * modes, and the moment when the connection is over.
 *
 * A request is freed when both sides are through with it: the handler has answered (and a pulled
 * answer has received its end), and the connection is over. The second of the two frees it.
 */
#include "http/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int dl_req_wire(const dl_req_t *req) {
  return req->server->tls ? req->server->opts.tls->wire(req->server->tls, req->conn->fd) : req->conn->fd;
}

static void add_field(void *user, const char *name, const char *value) {
  dl_req_t *req = user;
  req->fields[req->field_count++] = (dl_field_t){name, value};
}

dl_req_t *dl_req_new(dl_conn_t *c) {
  dl_req_t *req = dl_xcalloc(1, sizeof *req);
  dl_http1_t *p = &c->parser;
  req->server = c->server;
  req->conn = c;
  req->fields = dl_xcalloc(p->header_count + 1, sizeof *req->fields);
  dl_http1_each_header(p, add_field, req);
  req->method = p->method;
  req->target = p->target;
  req->content_length = p->length;
  req->is_upgrade = p->is_upgrade;
  req->path = dl_xstrndup(req->target, strcspn(req->target, "?"));
  const char *mark = strchr(req->target, '?');
  req->raw_query = mark ? mark + 1 : "";
  req->shape = DL_SHAPE_NONE;
  req->length = -1;
  memcpy(req->peer, c->peer, sizeof req->peer);
  /* The texts stay where they are; the parser only needs what it counts from here on. */
  req->head = p->head;
  dl_buf_init(&p->head, p->head_max);
  return req;
}

static void free_req(dl_req_t *req) {
  assert(!req->conn);
  dl_shape_drop(req);
  free(req->damage);
  if (req->drop) req->drop(req->data);
  if (req->hook_drop) req->hook_drop(req->hook_user);
  dl_req_clear_headers(req);
  for (size_t i = 0; i < req->param_count; i++) free(req->params[i]);
  dl_query_clear(&req->query);
  dl_buf_clear(&req->body);
  dl_buf_clear(&req->head);
  free(req->fields);
  free(req->bytes);
  free(req->path);
  free(req);
}

void dl_req_maybe_free(dl_req_t *req) {
  if (!req->conn && req->is_answered && !req->is_pull_open) free_req(req);
}

/* The handler gets nothing more of the body: the peer has gone. */
static void abandon_body(dl_req_t *req) {
  if (req->is_body_done) return;
  req->is_body_done = true;
  if (req->body_mode == DL_BODY_STREAM) {
    req->body_events.on_end(req, false, req->body_user);
  } else if (req->body_mode == DL_BODY_BUFFER && !req->is_answered) {
    req->is_answered = true; /* its callback will not come, so no response will */
  }
}

void dl_req_finished(dl_req_t *req, bool is_complete) {
  dl_shape_drop(req);
  if (!req->is_answered && !req->server->is_closing) dl_req_note(req, -1);
  req->conn = NULL;
  if (req->answer == DL_ANSWER_UPGRADE && !req->is_upgraded) {
    req->is_upgraded = true;
    req->on_upgraded(NULL, req->upgrade_user);
  }
  if (req->is_pull_open) {
    req->is_pull_open = false;
    if (req->pull_events.on_close)
      req->pull_events.on_close(req->pull_user, is_complete && req->is_pull_complete);
  }
  /* Nothing below may run after a response given in a callback has freed the request. */
  if (req->is_answered) {
    free_req(req);
    return;
  }
  void (*on_gone)(dl_req_t *, void *) = req->on_gone;
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

void dl_req_resume(dl_req_t *req) {
  if (req->conn != NULL) dl_conn_mark(req->conn);
}

void dl_req_on_gone(dl_req_t *req, void (*on_gone)(dl_req_t *req, void *user), void *user) {
  req->on_gone = on_gone;
  req->gone_user = user;
}

bool dl_req_is_gone(const dl_req_t *req) { return req->conn == NULL; }

/* --- the body --- */

void dl_req_read_body(dl_req_t *req, size_t max, dl_body_cb on_body, void *user) {
  assert(req->body_mode == DL_BODY_DROP);
  req->body_mode = DL_BODY_BUFFER;
  dl_buf_init(&req->body, max);
  req->on_body = on_body;
  req->body_user = user;
  if (dl_req_content_length(req) > (int64_t)max) req->is_too_large = true;
}

void dl_req_stream_body(dl_req_t *req, const dl_body_events_t *events, void *user) {
  assert(req->body_mode == DL_BODY_DROP);
  req->body_mode = DL_BODY_STREAM;
  req->body_events = *events;
  req->body_user = user;
}

void dl_req_body_resume(dl_req_t *req) {
  if (req->is_body_done || req->conn == NULL) return;
  req->conn->is_paused = false;
  dl_conn_mark(req->conn);
}

static void answer_too_large(dl_req_t *req) {
  req->is_too_large = true;
  dl_buf_clear(&req->body);
  json_t *body = json_pack("{s:i, s:s, s:s}", "statusCode", 413, "error", "Payload Too Large", "message",
                           "the request body is too large");
  dl_reply_json(req, 413, body);
}

bool dl_req_refuse_body(dl_req_t *req) {
  bool is_refused = req->is_too_large && !req->is_answered;
  if (is_refused) answer_too_large(req);
  return is_refused;
}

size_t dl_req_take_body(dl_req_t *req, const char *bytes, size_t len) {
  /* Once answered, the rest of the body only stands between us and the next request. */
  if (req->body_mode == DL_BODY_STREAM && !req->is_answered)
    return req->body_events.on_data(req, bytes, len, req->body_user);
  if (req->body_mode == DL_BODY_BUFFER && !req->is_answered && !dl_req_refuse_body(req)) {
    if (dl_buf_append(&req->body, bytes, len)) return len;
    answer_too_large(req);
  }
  req->dropped += (int64_t)len;
  return len;
}

void dl_req_finish_body(dl_req_t *req) {
  req->is_body_done = true;
  if (req->is_answered || dl_req_refuse_body(req)) return;
  if (req->body_mode == DL_BODY_STREAM)
    req->body_events.on_end(req, true, req->body_user);
  else if (req->body_mode == DL_BODY_BUFFER)
    req->on_body(req, req->body.data ? req->body.data : "", req->body.len, req->body_user);
}

/* --- what was asked --- */

const char *dl_req_method(const dl_req_t *req) { return req->method; }
const char *dl_req_target(const dl_req_t *req) { return req->target; }
const char *dl_req_path(const dl_req_t *req) { return req->path; }
const char *dl_req_raw_query(const dl_req_t *req) { return req->raw_query; }
const char *dl_req_peer(const dl_req_t *req) { return req->peer; }
dl_http_t *dl_req_server(const dl_req_t *req) { return req->server; }
const char *dl_req_rest(const dl_req_t *req) { return req->rest ? req->rest : ""; }
void *dl_req_data(const dl_req_t *req) { return req->data; }

void dl_req_set_data(dl_req_t *req, void *data, void (*drop)(void *data)) {
  req->data = data;
  req->drop = drop;
}

const dl_query_t *dl_req_query(dl_req_t *req) {
  if (!req->has_query) dl_query_parse(&req->query, req->raw_query);
  req->has_query = true;
  return &req->query;
}

const char *dl_req_header(const dl_req_t *req, const char *name) {
  for (size_t i = 0; i < req->field_count; i++)
    if (strcasecmp(req->fields[i].name, name) == 0) return req->fields[i].value;
  return NULL;
}

void dl_req_each_header(const dl_req_t *req, void (*each)(void *user, const char *name, const char *value),
                        void *user) {
  for (size_t i = 0; i < req->field_count; i++) each(user, req->fields[i].name, req->fields[i].value);
}

const char *dl_req_upgrade(const dl_req_t *req) {
  return req->is_upgrade ? dl_req_header(req, "Upgrade") : NULL;
}
int64_t dl_req_content_length(const dl_req_t *req) { return req->content_length; }

const char *dl_req_param(const dl_req_t *req, const char *name) {
  for (size_t i = 0; i < req->param_count; i++) {
    size_t len = req->param_name_lens[i];
    if (strncmp(req->param_names[i], name, len) == 0 && name[len] == '\0') return req->params[i];
  }
  return NULL;
}
