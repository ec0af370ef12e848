/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers. A response is first decided (dl_reply_*, any time) and later turned into bytes for the
 * connection, when the body has been read. Deciding twice is a bug of the handler.
 */
#include "http/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* --- deciding --- */

/* What a response may not hold is ours: the framing, and what would be read as another header. */
static bool may_add(const char *name, const char *value) {
  static const char *const ours[] = {"Connection", "Content-Length", "Transfer-Encoding", "Date"};
  for (size_t i = 0; i < DL_COUNT(ours); i++)
    if (strcasecmp(name, ours[i]) == 0) return false;
  return dl_http1_is_token(name) && dl_http1_is_value(value);
}

void dl_req_add_header(dl_req_t *req, const char *name, const char *value) {
  if (req->is_answered || !may_add(name, value)) return;
  req->headers = dl_xrealloc(req->headers, (req->header_count + 1) * sizeof *req->headers);
  req->headers[req->header_count++] = (dl_header_t){dl_xstrdup(name), dl_xstrdup(value)};
}

void dl_req_clear_headers(dl_req_t *req) {
  for (size_t i = 0; i < req->header_count; i++) {
    free(req->headers[i].name);
    free(req->headers[i].value);
  }
  free(req->headers);
  req->headers = NULL;
  req->header_count = 0;
}

/* False when a hook has taken the response over. */
static bool begin(dl_req_t *req) {
  assert(!req->is_answered);
  bool (*hook)(dl_req_t *, void *) = req->reply_hook;
  req->reply_hook = NULL;
  if (hook && hook(req, req->hook_user)) return false;
  return true;
}

void dl_req_note(dl_req_t *req, int status) {
  const dl_http_opts_t *opts = &req->server->opts;
  if (req->is_noted || !opts->on_decided) return;
  req->is_noted = true;
  opts->on_decided(req, status, (uv_hrtime() - req->began_ns) / 1000000, opts->user);
}

/* The response is decided: `req` may be freed by this call. */
static void decided(dl_req_t *req, dl_answer_kind_t kind, int status) {
  req->answer = kind;
  req->status = status;
  req->is_answered = true;
  if (req->conn) dl_req_note(req, status); /* else the server may be gone as well */
  req->on_gone = NULL;
  if (!req->conn)
    dl_req_maybe_free(req);
  else
    dl_req_resume(req);
}

void dl_reply_bytes(dl_req_t *req, int status, const char *content_type, const void *bytes, size_t len) {
  if (!begin(req)) return;
  if (content_type) dl_req_add_header(req, "Content-Type", content_type);
  if (len > 0) req->bytes = dl_xstrndup(bytes, len);
  req->bytes_len = len;
  decided(req, DL_ANSWER_BYTES, status);
}

void dl_reply_empty(dl_req_t *req, int status) { dl_reply_bytes(req, status, NULL, "", 0); }

void dl_reply_text(dl_req_t *req, int status, const char *text) {
  dl_reply_bytes(req, status, "text/plain; charset=utf-8", text, strlen(text));
}

void dl_reply_json(dl_req_t *req, int status, json_t *value) {
  char *text = dl_json_text(value);
  json_decref(value);
  dl_reply_bytes(req, status, "application/json; charset=utf-8", text, strlen(text));
  free(text);
}

void dl_reply_stream(dl_req_t *req, int status, int64_t length, const dl_pull_events_t *events, void *user) {
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

void dl_reply_wake(dl_req_t *req) { dl_req_resume(req); }

void dl_reply_upgrade(dl_req_t *req, void (*on_upgraded)(dl_duplex_t *d, void *user), void *user) {
  if (!begin(req)) {
    on_upgraded(NULL, user);
    return;
  }
  req->on_upgraded = on_upgraded;
  req->upgrade_user = user;
  if (!req->conn) on_upgraded(NULL, user);
  decided(req, DL_ANSWER_UPGRADE, 101);
}

void dl_reply_reset(dl_req_t *req) {
  if (req->conn) dl_socket_reset(dl_req_wire(req));
  req->reply_hook = NULL;
  decided(req, DL_ANSWER_RESET, 0);
}

void dl_reply_never(dl_req_t *req) {
  req->reply_hook = NULL;
  decided(req, DL_ANSWER_NEVER, 0);
}

void dl_req_on_reply(dl_req_t *req, bool (*hook)(dl_req_t *req, void *user), void *user,
                     void (*drop)(void *user)) {
  assert(!req->hook_drop);
  req->reply_hook = hook;
  req->hook_user = user;
  req->hook_drop = drop;
}

/* --- the head --- */

static const struct {
  int status;
  const char *reason;
} reasons[] = {
  {101, "Switching Protocols"},
  {200, "OK"},
  {201, "Created"},
  {202, "Accepted"},
  {203, "Non-Authoritative Information"},
  {204, "No Content"},
  {205, "Reset Content"},
  {206, "Partial Content"},
  {207, "Multi-Status"},
  {300, "Multiple Choices"},
  {301, "Moved Permanently"},
  {302, "Found"},
  {303, "See Other"},
  {304, "Not Modified"},
  {307, "Temporary Redirect"},
  {308, "Permanent Redirect"},
  {400, "Bad Request"},
  {401, "Unauthorized"},
  {402, "Payment Required"},
  {403, "Forbidden"},
  {404, "Not Found"},
  {405, "Method Not Allowed"},
  {406, "Not Acceptable"},
  {407, "Proxy Authentication Required"},
  {408, "Request Timeout"},
  {409, "Conflict"},
  {410, "Gone"},
  {411, "Length Required"},
  {412, "Precondition Failed"},
  {413, "Payload Too Large"},
  {414, "URI Too Long"},
  {415, "Unsupported Media Type"},
  {416, "Range Not Satisfiable"},
  {417, "Expectation Failed"},
  {421, "Misdirected Request"},
  {422, "Unprocessable Entity"},
  {423, "Locked"},
  {424, "Failed Dependency"},
  {425, "Too Early"},
  {426, "Upgrade Required"},
  {428, "Precondition Required"},
  {429, "Too Many Requests"},
  {431, "Request Header Fields Too Large"},
  {451, "Unavailable For Legal Reasons"},
  {500, "Internal Server Error"},
  {501, "Not Implemented"},
  {502, "Bad Gateway"},
  {503, "Service Unavailable"},
  {504, "Gateway Timeout"},
  {505, "HTTP Version Not Supported"},
  {507, "Insufficient Storage"},
  {511, "Network Authentication Required"},
};

const char *dl_http_reason(int status) {
  for (size_t i = 0; i < DL_COUNT(reasons); i++)
    if (reasons[i].status == status) return reasons[i].reason;
  return "Unknown";
}

static const char *date(dl_http_t *h) {
  static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  time_t now = time(NULL);
  struct tm t;
  if (now == h->date_at || gmtime_r(&now, &t) == NULL) return h->date;
  h->date_at = now;
  snprintf(h->date, sizeof h->date, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[t.tm_wday % 7],
           t.tm_mday % 100, months[t.tm_mon % 12], (t.tm_year + 1900) % 10000, t.tm_hour % 100,
           t.tm_min % 100, t.tm_sec % 100);
  return h->date;
}

static void put_first_lines(dl_http_t *h, dl_buf_t *out, int status) {
  dl_buf_printf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, dl_http_reason(status), date(h));
}

static bool status_has_body(int status) { return status >= 200 && status != 204 && status != 304; }

/* What is known of the body's length is said also where no body follows, to a HEAD. */
static void put_framing(dl_conn_t *c, dl_buf_t *out) {
  const dl_req_t *req = c->req;
  bool is_head = strcmp(req->method, "HEAD") == 0;
  if (!status_has_body(req->status)) return;
  c->has_body = !is_head;
  if (req->length >= 0) {
    dl_buf_printf(out, "Content-Length: %lld\r\n", (long long)req->length);
  } else if (c->parser.minor > 0) {
    dl_buf_puts(out, "Transfer-Encoding: chunked\r\n");
    c->is_chunked = !is_head;
  } else {
    c->wants_close = true; /* its end is that of the body */
  }
}

void dl_reply_put_head(dl_conn_t *c, dl_buf_t *out) {
  dl_req_t *req = c->req;
  if (req->answer == DL_ANSWER_BYTES) req->length = (int64_t)req->bytes_len;
  if (req->shape.short_after >= 0 && req->length > req->shape.short_after)
    req->length = req->shape.short_after;
  put_first_lines(c->server, out, req->status);
  for (size_t i = 0; i < req->header_count; i++)
    dl_buf_printf(out, "%s: %s\r\n", req->headers[i].name, req->headers[i].value);
  put_framing(c, out);
  if (req->answer == DL_ANSWER_UPGRADE)
    dl_buf_puts(out, "Connection: Upgrade\r\n\r\n");
  else
    dl_buf_puts(out, c->wants_close ? "Connection: close\r\n\r\n" : "\r\n");
}

void dl_reply_put_refusal(dl_http_t *h, dl_buf_t *out, int status, const char *message) {
  json_t *body =
    json_pack("{s:i, s:s, s:s}", "statusCode", status, "error", dl_http_reason(status), "message", message);
  char *text = dl_json_text(body);
  json_decref(body);
  put_first_lines(h, out, status);
  dl_buf_printf(
    out,
    "Content-Type: application/json; charset=utf-8\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
    strlen(text), text);
  free(text);
}

/* --- the body --- */

static ssize_t copy_bytes(dl_req_t *req, char *out, size_t max) {
  size_t left = req->bytes_len - req->bytes_at;
  if (left == 0) return DL_PULL_END;
  if (max > left) max = left;
  memcpy(out, req->bytes + req->bytes_at, max);
  req->bytes_at += max;
  return (ssize_t)max;
}

ssize_t dl_reply_pull(dl_req_t *req, char *out, size_t max) {
  if (req->is_shaped) {
    if (req->shape.short_after >= 0 && req->shape_sent >= req->shape.short_after) return DL_PULL_END;
    ssize_t allowed = dl_shape_allow(req, max);
    if (allowed <= 0) return allowed;
    max = (size_t)allowed;
  }
  ssize_t got = req->answer == DL_ANSWER_BYTES ? copy_bytes(req, out, max)
                                               : req->pull_events.pull(req->pull_user, out, max);
  if (got == DL_PULL_END) req->is_pull_complete = true;
  assert(got <= (ssize_t)max);
  if (got > 0 && req->is_shaped) dl_shape_count(req, (size_t)got);
  return got;
}
