/* SPDX-License-Identifier: Apache-2.0
 *
 * What every route of the control plane has in common: who calls, how often, which sandbox, which
 * body, and the envelopes. The order is the platform's: credential, rate limit, permission, the
 * resource, then the body.
 */
#include "control/routes/call.h"

#include <stdlib.h>
#include <string.h>

#define BODY_MAX (1024 * 1024)

typedef struct {
  dl_control *control;
  const dl_route *route;
  dl_sandbox *sandbox;
  json_t *body;
} call;

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

/* ---- envelopes ---- */

/* Peers' bytes are echoed in messages; what is not UTF-8 cannot be in JSON. */
static json_t *safe_string(const char *text) {
  json_t *value = json_string(text);
  return value ? value : json_string("");
}

static void fail_with(dl_control *c, dl_req *req, int status, const char *message) {
  json_t *body = json_pack("{s:o, s:s, s:i, s:s, s:o}", "path", safe_string(dl_req_target(req)), "timestamp",
                           dl_iso_format(dl_now(c)).text, "statusCode", status, "error", dl_reason(status),
                           "message", safe_string(message));
  dl_reply_json(req, status, body);
}

void dl_fail(dl_control *c, dl_req *req, int status, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  char *message = dl_xvprintf(fmt, args);
  va_end(args);
  fail_with(c, req, status, message);
  free(message);
}

void dl_fail_proxy(dl_control *c, dl_req *req, int status, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  char *message = dl_xvprintf(fmt, args);
  va_end(args);
  json_t *body =
    json_pack("{s:i, s:o, s:s, s:s, s:s, s:o, s:s}", "statusCode", status, "message", safe_string(message),
              "code", code_of(status), "source", "DAYTONA_PROXY", "timestamp", dl_iso_format(dl_now(c)).text,
              "path", safe_string(dl_req_path(req)), "method", dl_req_method(req));
  free(message);
  dl_reply_json(req, status, body);
}

typedef struct {
  dl_control *control;
  dl_req *req;
  int status;
  json_t *body;
} durable_answer;

static void on_durable(bool is_durable, void *user) {
  durable_answer *a = user;
  if (!is_durable) {
    json_decref(a->body);
    dl_fail(a->control, a->req, 500, "the change could not be written to disk");
  } else if (a->body) {
    dl_reply_json(a->req, a->status, a->body);
  } else {
    dl_reply_empty(a->req, a->status);
  }
  free(a);
}

void dl_answer_durable(dl_control *c, dl_req *req, int status, json_t *body) {
  durable_answer *a = dl_xcalloc(1, sizeof *a);
  *a = (durable_answer){c, req, status, body};
  dl_store_commit(c->store, on_durable, a);
}

void dl_answer_sandbox(dl_control *c, dl_req *req, dl_sandbox *sb) {
  dl_answer_durable(c, req, 200, dl_sandbox_dto(sb));
}

/* ---- collected validation failures ---- */

void dl_check_init(dl_check *k) { dl_buf_init(&k->text, 64 * 1024); }

void dl_check_add(dl_check *k, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  char *text = dl_xvprintf(fmt, args);
  va_end(args);
  if (k->text.len > 0) dl_buf_puts(&k->text, ", ");
  dl_buf_puts(&k->text, text);
  free(text);
}

bool dl_check_failed(dl_check *k, dl_control *c, dl_req *req) {
  bool failed = k->text.len > 0;
  if (failed) fail_with(c, req, 400, k->text.data);
  dl_buf_clear(&k->text);
  return failed;
}

/* ---- rate limits ---- */

static void add_limit_header(dl_req *req, const char *what, const char *bucket, int64_t value) {
  char *name = bucket ? dl_xprintf("%s-%s", what, bucket) : dl_xstrdup(what);
  char *text = dl_xprintf("%lld", (long long)(value < 0 ? 0 : value));
  dl_req_add_header(req, name, text);
  free(name);
  free(text);
}

static void add_limit_headers(dl_req *req, dl_bucket bucket, const dl_verdict *v) {
  const char *name = dl_bucket_name(bucket);
  add_limit_header(req, "X-RateLimit-Limit", name, v->limit);
  add_limit_header(req, "X-RateLimit-Remaining", name, v->remaining);
  add_limit_header(req, "X-RateLimit-Reset", name, v->reset_seconds);
}

void dl_fail_limited(dl_control *c, dl_req *req, const char *bucket, int64_t seconds) {
  add_limit_header(req, "Retry-After", bucket, seconds);
  fail_with(c, req, 429, "ThrottlerException: Too Many Requests");
}

/* False when the call was answered with 429. */
static bool within_limit(dl_control *c, dl_req *req, unsigned flags) {
  if (flags & DL_R_UNLIMITED) return true;
  dl_bucket bucket = flags & DL_R_CREATE      ? DL_BUCKET_CREATE
                     : flags & DL_R_LIFECYCLE ? DL_BUCKET_LIFECYCLE
                     : flags & DL_R_ANONYMOUS ? DL_BUCKET_ANONYMOUS
                                              : DL_BUCKET_AUTHENTICATED;
  const char *who = flags & DL_R_PUBLIC ? dl_req_peer(req) : c->organization_id;
  dl_verdict v = dl_rates_take(&c->limits, bucket, who, 1, dl_now(c));
  if (!v.is_limited) return true;
  if (v.is_blocked) {
    dl_fail_limited(c, req, dl_bucket_name(bucket), v.reset_seconds);
    return false;
  }
  add_limit_headers(req, bucket, &v);
  return true;
}

/* ---- credentials ---- */

/* An address that keeps failing is refused before its credential is looked at. */
static bool refuse_failing_peer(dl_control *c, dl_req *req) {
  dl_verdict v = dl_rates_take(&c->limits, DL_BUCKET_FAILED_AUTH, dl_req_peer(req), 0, dl_now(c));
  if (!v.is_limited || !v.is_blocked) return false;
  add_limit_headers(req, DL_BUCKET_FAILED_AUTH, &v);
  dl_fail_limited(c, req, NULL, v.reset_seconds);
  return true;
}

bool dl_authenticate(dl_control *c, dl_req *req, unsigned *permissions) {
  if (refuse_failing_peer(c, req)) return false;
  const char *organization = dl_req_header(req, "X-Daytona-Organization-ID");
  switch (dl_keys_check(&c->keys, dl_req_header(req, "Authorization"), organization, permissions)) {
    case DL_AUTH_OK: return true;
    case DL_AUTH_NO_ORGANIZATION:
      dl_fail(c, req, 403,
              "a token needs the X-Daytona-Organization-ID header of an organization you belong to");
      return false;
    case DL_AUTH_UNKNOWN: break;
  }
  dl_verdict v = dl_rates_take(&c->limits, DL_BUCKET_FAILED_AUTH, dl_req_peer(req), 1, dl_now(c));
  if (v.is_limited) add_limit_headers(req, DL_BUCKET_FAILED_AUTH, &v);
  dl_fail(c, req, 401, "Invalid credentials");
  return false;
}

/* ---- one call ---- */

static void drop_call(void *data) {
  call *k = data;
  json_decref(k->body);
  free(k);
}

const json_t *dl_body(dl_req *req) { return ((call *)dl_req_data(req))->body; }
dl_sandbox *dl_target(dl_req *req) { return ((call *)dl_req_data(req))->sandbox; }

dl_sandbox *dl_find_sandbox(dl_control *c, const char *id_or_name, bool by_name) {
  dl_sandbox *sb = dl_map_get(&c->sandboxes, id_or_name);
  if (!sb && by_name) sb = dl_map_get(&c->names, id_or_name);
  /* A running or stopped one shows "destroying" first; the others are gone at once. */
  bool is_leaving = sb && sb->want == DL_WANT_DESTROYED;
  return is_leaving && sb->state != DL_STARTED && sb->state != DL_STOPPED ? NULL : sb;
}

static bool resolve(dl_control *c, dl_req *req, call *k) {
  bool by_name = k->route->flags & DL_R_SANDBOX;
  if (!by_name && !(k->route->flags & DL_R_SANDBOX_ID)) return true;
  const char *x = dl_req_param(req, "x");
  k->sandbox = dl_find_sandbox(c, x, by_name);
  if (!k->sandbox) dl_fail(c, req, 404, "Sandbox with ID or name %s not found", x);
  return k->sandbox != NULL;
}

static void on_body(dl_req *req, const char *text, size_t len, void *user) {
  dl_control *c = user;
  call *k = dl_req_data(req);
  /* Time has passed since the head: the sandbox may be gone. */
  if (!resolve(c, req, k)) return;
  size_t blank = strspn(text, " \t\r\n");
  char *error = NULL;
  k->body = blank == len ? json_object() : dl_json_parse(text, len, &error);
  if (!k->body) {
    json_t *body = json_pack("{s:o, s:s, s:i}", "message", json_sprintf("malformed JSON: %s", error), "error",
                             "Bad Request", "statusCode", 400);
    free(error);
    dl_reply_json(req, 400, body);
    return;
  }
  if (!json_is_object(k->body)) {
    dl_fail(c, req, 400, "the body must be a JSON object");
    return;
  }
  k->route->handler(req, c);
}

void dl_run_route(dl_control *c, dl_req *req, const dl_route *route) {
  call *k = dl_xcalloc(1, sizeof *k);
  k->control = c;
  k->route = route;
  dl_req_set_data(req, k, drop_call);
  if (!resolve(c, req, k)) return;
  if (route->flags & DL_R_BODY)
    dl_req_read_body(req, BODY_MAX, on_body, c);
  else
    route->handler(req, c);
}

dl_routes *dl_api_routes(char **error) {
  const dl_route_table tables[] = {dl_sandbox_routes(), dl_lifecycle_routes(), dl_settings_routes(),
                                   dl_access_routes(),  dl_snapshot_routes(),  dl_volume_routes(),
                                   dl_info_routes()};
  return dl_routes_join(tables, DL_COUNT(tables), error);
}

void dl_api_handle(dl_control *c, dl_req *req, const char *path) {
  bool bad_escape;
  dl_req_add_header(req, "X-Daytona-Api-Version", DL_API_VERSION);
  const dl_route *route = dl_routes_find(req, c->routes, path, &bad_escape);
  if (bad_escape) {
    dl_fail(c, req, 400, "the path holds a broken percent escape");
    return;
  }
  unsigned flags = route ? route->flags : 0, permissions = 0;
  if (!route) {
    dl_fail(c, req, 404, "Cannot %s %s", dl_req_method(req), dl_req_path(req));
    return;
  }
  if (!(flags & DL_R_PUBLIC) && !dl_authenticate(c, req, &permissions)) return;
  if (!within_limit(c, req, flags)) return;
  unsigned needed = flags >> 16;
  if (needed && !(permissions & 1u << needed)) {
    dl_fail(c, req, 403, "this key lacks the permission %s", dl_permission_name((dl_permission)needed));
    return;
  }
  dl_run_route(c, req, route);
}
