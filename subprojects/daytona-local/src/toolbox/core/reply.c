/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of the toolbox: JSON, and the one error envelope.
 */
#include "toolbox/core/reply.h"

#include "base/thread.h"
#include "toolbox/core/text.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct {
  int status;
  const char *code;
} CODES[] = {
  {400, "BAD_REQUEST"},
  {401, "UNAUTHORIZED"},
  {403, "FORBIDDEN"},
  {404, "NOT_FOUND"},
  {408, "REQUEST_TIMEOUT"},
  {409, "CONFLICT"},
  {410, "GONE"},
  {422, "UNPROCESSABLE_ENTITY"},
  {429, "TOO_MANY_REQUESTS"},
  {503, "SERVICE_UNAVAILABLE"},
};

dl_tb_time_t dl_tb_now(void) {
  struct timespec now;
  struct tm parts;
  dl_tb_time_t out;
  char seconds[24];
  clock_gettime(CLOCK_REALTIME, &now);
  gmtime_r(&now.tv_sec, &parts);
  strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &parts);
  snprintf(out.text, sizeof out.text, "%s.%09ldZ", seconds, now.tv_nsec);
  return out;
}

void dl_tb_add_request_id(dl_req_t *req) {
  if (dl_req_header(req, "X-Request-Id") == NULL) dl_req_add_header(req, "X-Request-Id", dl_uuid_new().text);
}

void dl_tb_reply_json(dl_req_t *req, int status, json_t *value) {
  assert(dl_on_loop_thread());
  dl_tb_add_request_id(req);
  dl_reply_json(req, status, value);
}

static const char *code_of(int status) {
  for (size_t i = 0; i < DL_COUNT(CODES); i++)
    if (CODES[i].status == status) return CODES[i].code;
  return "INTERNAL_SERVER_ERROR";
}

/* Paths come from the wire and may be anything. */
static json_t *path_text(dl_req_t *req) {
  const char *path = dl_req_path(req);
  char *decoded = dl_url_decode(path, strlen(path), false);
  json_t *text = dl_tb_text(decoded ? decoded : path, strlen(decoded ? decoded : path));
  free(decoded);
  return text;
}

static void reply_envelope(dl_req_t *req, int status, const char *code, const char *fmt, va_list args) {
  char *message = dl_xvprintf(fmt, args);
  json_t *e = json_object();
  json_object_set_new(e, "statusCode", json_integer(status));
  json_object_set_new(e, "message", dl_tb_text(message, strlen(message)));
  json_object_set_new(e, "code", json_string(code));
  json_object_set_new(e, "timestamp", json_string(dl_tb_now().text));
  json_object_set_new(e, "path", path_text(req));
  json_object_set_new(e, "method", json_string(dl_req_method(req)));
  json_object_set_new(e, "source", json_string("DAYTONA_DAEMON"));
  char *text = dl_json_text(e);
  dl_tb_add_request_id(req);
  dl_reply_bytes(req, status, "application/json", text, strlen(text));
  free(text);
  json_decref(e);
  free(message);
}

void dl_tb_reply_error(dl_req_t *req, int status, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  reply_envelope(req, status, code_of(status), fmt, args);
  va_end(args);
}

void dl_tb_reply_error_code(dl_req_t *req, int status, const char *code, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  reply_envelope(req, status, code, fmt, args);
  va_end(args);
}

void dl_tb_reply_page(dl_req_t *req, const char *html) {
  dl_req_add_header(
    req, "Content-Security-Policy",
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self' ws: wss:; "
    "media-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'");
  dl_req_add_header(req, "Referrer-Policy", "no-referrer");
  dl_req_add_header(req, "X-Content-Type-Options", "nosniff");
  dl_tb_add_request_id(req);
  dl_reply_bytes(req, 200, "text/html; charset=utf-8", html, strlen(html));
}
