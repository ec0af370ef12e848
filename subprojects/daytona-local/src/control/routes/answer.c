/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two envelopes, answers that wait for the disk, and collected validation failures.
 */
#include "control/routes/answer.h"

#include "control/auth/called.h"
#include "control/routes/shown.h"

#include <stdlib.h>
#include <string.h>

static const struct {
  int status;
  const char *reason, *code;
} statuses[] = {
  {400, "Bad Request", "BAD_REQUEST"},
  {401, "Unauthorized", "UNAUTHORIZED"},
  {403, "Forbidden", "FORBIDDEN"},
  {404, "Not Found", "NOT_FOUND"},
  {408, "Request Timeout", "REQUEST_TIMEOUT"},
  {409, "Conflict", "CONFLICT"},
  {410, "Gone", "GONE"},
  {413, "Payload Too Large", "BAD_REQUEST"},
  {422, "Unprocessable Entity", "UNPROCESSABLE_ENTITY"},
  {429, "Too Many Requests", "TOO_MANY_REQUESTS"},
  {500, "Internal Server Error", "INTERNAL_SERVER_ERROR"},
  {501, "Not Implemented", "NOT_IMPLEMENTED"},
  {502, "Bad Gateway", "BAD_GATEWAY"},
  {503, "Service Unavailable", "SERVICE_UNAVAILABLE"},
  {504, "Gateway Timeout", "GATEWAY_TIMEOUT"},
};

const char *dl_reason(int status) {
  for (size_t i = 0; i < DL_COUNT(statuses); i++)
    if (statuses[i].status == status) return statuses[i].reason;
  return "Error";
}

static const char *code_of(int status) {
  for (size_t i = 0; i < DL_COUNT(statuses); i++)
    if (statuses[i].status == status) return statuses[i].code;
  return "INTERNAL_SERVER_ERROR";
}

/* --- envelopes --- */

/* Peers' bytes are echoed in messages; what is not UTF-8 cannot be in JSON. */
static json_t *safe_string(const char *text) {
  json_t *value = json_string(text);
  return value ? value : json_string("");
}

static void fail_with(dl_control_t *c, dl_req_t *req, int status, const char *message) {
  json_t *body = json_pack("{s:o, s:s, s:i, s:s, s:o}", "path", safe_string(dl_req_target(req)), "timestamp",
                           dl_iso_format(dl_objects_stamp(&c->objects)).text, "statusCode", status, "error",
                           dl_reason(status), "message", safe_string(message));
  dl_reply_json(req, status, body);
}

void dl_fail(dl_control_t *c, dl_req_t *req, int status, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  char *message = dl_xvprintf(fmt, args);
  va_end(args);
  fail_with(c, req, status, message);
  free(message);
}

void dl_fail_proxy(dl_control_t *c, dl_req_t *req, int status, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  char *message = dl_xvprintf(fmt, args);
  va_end(args);
  json_t *body = json_pack("{s:i, s:o, s:s, s:s, s:s, s:o, s:s}", "statusCode", status, "message",
                           safe_string(message), "code", code_of(status), "source", "DAYTONA_PROXY",
                           "timestamp", dl_iso_format(dl_objects_stamp(&c->objects)).text, "path",
                           safe_string(dl_req_path(req)), "method", dl_req_method(req));
  free(message);
  dl_reply_json(req, status, body);
}

typedef struct {
  dl_control_t *control;
  dl_req_t *req;
  int status;
  json_t *body;
  char *text; /* instead of `body` */
} durable_answer_t;

void dl_fail_unwritten(dl_control_t *c, dl_req_t *req, dl_written_t outcome) {
  if (outcome == DL_PERHAPS_WRITTEN)
    dl_fail(c, req, 500,
            "the change could not be written to disk and was taken back, but it may show again when the "
            "server is restarted");
  else
    dl_fail(c, req, 500, "the change could not be written to disk and was taken back");
}

static void on_durable(dl_written_t outcome, void *user) {
  durable_answer_t *a = user;
  if (outcome != DL_WRITTEN) {
    json_decref(a->body);
    dl_fail_unwritten(a->control, a->req, outcome);
  } else if (a->body) {
    dl_reply_json(a->req, a->status, a->body);
  } else if (a->text) {
    dl_reply_text(a->req, a->status, a->text);
  } else {
    dl_reply_empty(a->req, a->status);
  }
  free(a->text);
  free(a);
}

void dl_answer_durable(dl_control_t *c, dl_req_t *req, int status, json_t *body) {
  durable_answer_t *a = dl_xcalloc(1, sizeof *a);
  *a = (durable_answer_t){c, req, status, body, NULL};
  dl_store_commit(c->objects.store, on_durable, a);
}

void dl_answer_durable_text(dl_control_t *c, dl_req_t *req, int status, const char *text) {
  durable_answer_t *a = dl_xcalloc(1, sizeof *a);
  *a = (durable_answer_t){c, req, status, NULL, dl_xstrdup(text)};
  dl_store_commit(c->objects.store, on_durable, a);
}

json_t *dl_sandbox_shown_to(dl_control_t *c, dl_req_t *req, const dl_sandbox_t *sb) {
  char *url = dl_called_url(&c->front, req);
  json_t *shown = dl_sandbox_dto(c, url, sb);
  free(url);
  return shown;
}

void dl_answer_sandbox(dl_control_t *c, dl_req_t *req, dl_sandbox_t *sb) {
  dl_answer_durable(c, req, 200, dl_sandbox_shown_to(c, req, sb));
}

/* --- collected validation failures --- */

void dl_check_init(dl_check_t *k) { dl_buf_init(&k->text, 64 * 1024); }

void dl_check_add(dl_check_t *k, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  char *text = dl_xvprintf(fmt, args);
  va_end(args);
  if (k->text.len > 0) dl_buf_puts(&k->text, ", ");
  dl_buf_puts(&k->text, text);
  free(text);
}

bool dl_check_failed(dl_check_t *k, dl_control_t *c, dl_req_t *req) {
  bool failed = k->text.len > 0;
  if (failed) fail_with(c, req, 400, k->text.data);
  dl_buf_clear(&k->text);
  return failed;
}
