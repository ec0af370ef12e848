/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers. An answer is first decided (dl_reply_*, any time) and later sent (dl_req_send, from
 * the daemon, when the body has been read). Deciding twice is a bug of the handler.
 */
#include "http/internal.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PULL_BLOCK (32 * 1024)

typedef struct {
  dl_list link;
  dl_http *server;
  struct MHD_UpgradeResponseHandle *handle;
  dl_duplex *stream;
} upgrade;

void dl_req_add_header(dl_req *req, const char *name, const char *value) {
  if (req->is_answered || strpbrk(name, "\r\n: ") || strpbrk(value, "\r\n")) return;
  req->headers = dl_xrealloc(req->headers, (req->header_count + 1) * sizeof *req->headers);
  req->headers[req->header_count++] = (dl_header){dl_xstrdup(name), dl_xstrdup(value)};
}

void dl_req_clear_headers(dl_req *req) {
  for (size_t i = 0; i < req->header_count; i++) {
    free(req->headers[i].name);
    free(req->headers[i].value);
  }
  free(req->headers);
  req->headers = NULL;
  req->header_count = 0;
}

/* False when a hook has taken the answer over. */
static bool begin(dl_req *req) {
  assert(!req->is_answered);
  bool (*hook)(dl_req *, void *) = req->reply_hook;
  req->reply_hook = NULL;
  if (hook && hook(req, req->hook_user)) return false;
  return true;
}

/* The answer is decided: `req` may be freed by this call. */
static void decided(dl_req *req, dl_answer_kind kind, int status) {
  req->answer = kind;
  req->status = status;
  req->is_answered = true;
  req->on_gone = NULL;
  if (!req->conn)
    dl_req_maybe_free(req);
  else
    dl_req_resume(req);
}

void dl_reply_bytes(dl_req *req, int status, const char *content_type, const void *bytes, size_t len) {
  if (!begin(req)) return;
  if (content_type) dl_req_add_header(req, "Content-Type", content_type);
  if (len > 0) req->bytes = dl_xstrndup(bytes, len);
  req->bytes_len = len;
  decided(req, DL_ANSWER_BYTES, status);
}

void dl_reply_empty(dl_req *req, int status) { dl_reply_bytes(req, status, NULL, "", 0); }

void dl_reply_text(dl_req *req, int status, const char *text) {
  dl_reply_bytes(req, status, "text/plain; charset=utf-8", text, strlen(text));
}

void dl_reply_json(dl_req *req, int status, json_t *value) {
  char *text = dl_json_text(value);
  json_decref(value);
  dl_reply_bytes(req, status, "application/json; charset=utf-8", text, strlen(text));
  free(text);
}

void dl_reply_stream(dl_req *req, int status, int64_t length, const dl_pull_events *events, void *user) {
  if (!begin(req)) {
    if (events->on_close) events->on_close(user, false);
    return;
  }
  req->length = length;
  req->pull_events = *events;
  req->pull_user = user;
  req->is_pull_open = req->conn != NULL;
  if (!req->conn && events->on_close) events->on_close(user, false);
  decided(req, DL_ANSWER_PULL, status);
}

void dl_reply_wake(dl_req *req) { dl_req_resume(req); }

void dl_reply_upgrade(dl_req *req, void (*on_upgraded)(dl_duplex *d, void *user), void *user) {
  if (!begin(req)) {
    on_upgraded(NULL, user);
    return;
  }
  req->on_upgraded = on_upgraded;
  req->upgrade_user = user;
  if (!req->conn) on_upgraded(NULL, user);
  decided(req, DL_ANSWER_UPGRADE, MHD_HTTP_SWITCHING_PROTOCOLS);
}

void dl_reply_reset(dl_req *req) {
  if (req->conn) dl_socket_reset(dl_req_wire(req));
  req->reply_hook = NULL;
  decided(req, DL_ANSWER_RESET, 0);
}

static void on_silent_peer_gone(dl_req *req, void *user) {
  (void)user;
  req->answer = DL_ANSWER_RESET;
  dl_req_resume(req);
}

void dl_reply_never(dl_req *req) {
  req->reply_hook = NULL;
  req->answer = DL_ANSWER_NEVER;
  req->is_answered = true;
  if (req->conn)
    dl_req_on_gone(req, on_silent_peer_gone, NULL);
  else
    dl_req_maybe_free(req);
}

void dl_req_on_reply(dl_req *req, bool (*hook)(dl_req *req, void *user), void *user,
                     void (*drop)(void *user)) {
  assert(!req->hook_drop);
  req->reply_hook = hook;
  req->hook_user = user;
  req->hook_drop = drop;
}

/* ---- sending ---- */

static ssize_t copy_bytes(dl_req *req, char *out, size_t max) {
  size_t left = req->bytes_len - req->bytes_at;
  if (left == 0) return DL_PULL_END;
  if (max > left) max = left;
  memcpy(out, req->bytes + req->bytes_at, max);
  req->bytes_at += max;
  return (ssize_t)max;
}

static ssize_t on_pull(void *cls, uint64_t pos, char *out, size_t max) {
  dl_req *req = cls;
  (void)pos;
  if (req->server->is_closing) return MHD_CONTENT_READER_END_WITH_ERROR;
  if (req->is_shaped) {
    if (req->shape.short_after >= 0 && req->shape_sent >= req->shape.short_after)
      return MHD_CONTENT_READER_END_OF_STREAM;
    ssize_t allowed = dl_shape_allow(req, max);
    if (allowed < 0) return MHD_CONTENT_READER_END_WITH_ERROR;
    max = (size_t)allowed;
  }
  ssize_t got = DL_PULL_LATER;
  if (max > 0)
    got = req->answer == DL_ANSWER_BYTES ? copy_bytes(req, out, max)
                                         : req->pull_events.pull(req->pull_user, out, max);
  if (got == DL_PULL_LATER) {
    dl_req_suspend(req);
    dl_shape_suspended(req);
    return 0;
  }
  if (got == DL_PULL_END) {
    req->is_pull_complete = true;
    return MHD_CONTENT_READER_END_OF_STREAM;
  }
  if (got < 0) return MHD_CONTENT_READER_END_WITH_ERROR;
  assert((size_t)got <= max);
  if (req->is_shaped) dl_shape_count(req, (size_t)got);
  if (req->length >= 0 && (int64_t)pos + got == req->length) req->is_pull_complete = true;
  return got;
}

static void release_upgrade(int fd, void *owner) {
  (void)fd; /* it belongs to the daemon */
  upgrade *up = owner;
  MHD_upgrade_action(up->handle, MHD_UPGRADE_ACTION_CLOSE);
  dl_http_mark(up->server);
  dl_list_unlink(&up->link);
  free(up);
}

static void on_upgrade(void *cls, struct MHD_Connection *conn, void *con_cls, const char *extra,
                       size_t extra_len, MHD_socket fd, struct MHD_UpgradeResponseHandle *handle) {
  (void)conn, (void)con_cls;
  dl_req *req = cls;
  upgrade *up = dl_xcalloc(1, sizeof *up);
  up->server = req->server;
  up->handle = handle;
  dl_list_push(&req->server->upgrades, &up->link);
  up->stream = dl_duplex_new(req->server->loop, fd, false, release_upgrade, up);
  if (up->stream && req->damage && req->server->tls)
    dl_duplex_set_wire(up->stream, fcntl(dl_req_wire(req), F_DUPFD_CLOEXEC, 0));
  if (up->stream && extra_len > 0) dl_duplex_unread(up->stream, extra, extra_len);
  req->is_upgraded = true;
  req->on_upgraded(up->stream, req->upgrade_user);
}

void dl_upgrades_end(dl_http *h) {
  dl_list streams;
  dl_list_init(&streams);
  dl_list_splice(&streams, &h->upgrades);
  while (!dl_list_empty(&streams)) {
    upgrade *up = DL_CONTAINER(streams.next, upgrade, link);
    /* Its user hears an end, and may close it from there; the daemon needs it closed now. */
    dl_duplex *stream = up->stream;
    if (!dl_duplex_fail(stream, UV_ECANCELED)) dl_duplex_close(stream);
  }
}

static struct MHD_Response *build(dl_req *req) {
  bool has_pull = req->answer == DL_ANSWER_PULL || (req->answer == DL_ANSWER_BYTES && req->is_shaped);
  if (req->answer == DL_ANSWER_UPGRADE) return MHD_create_response_for_upgrade(on_upgrade, req);
  if (has_pull) {
    if (req->answer == DL_ANSWER_BYTES) req->length = (int64_t)req->bytes_len;
    if (req->shape.short_after >= 0 && req->length > req->shape.short_after)
      req->length = req->shape.short_after;
    uint64_t length = req->length < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)req->length;
    return MHD_create_response_from_callback(length, PULL_BLOCK, on_pull, req, NULL);
  }
  char *bytes = req->bytes;
  req->bytes = NULL;
  if (!bytes) return MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
  return MHD_create_response_from_buffer(req->bytes_len, bytes, MHD_RESPMEM_MUST_FREE);
}

enum MHD_Result dl_req_send(dl_req *req) {
  struct MHD_Response *response = build(req);
  if (!response) return MHD_NO;
  for (size_t i = 0; i < req->header_count; i++)
    MHD_add_response_header(response, req->headers[i].name, req->headers[i].value);
  enum MHD_Result queued = MHD_queue_response(req->conn, (unsigned)req->status, response);
  MHD_destroy_response(response);
  return queued;
}
