/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may call, and how often.
 */
#include "control/routes/admit.h"

#include "control/routes/answer.h"
#include "control/routes/flags.h"

#include <stdlib.h>
#include <string.h>

/* --- rate limits --- */

static void add_limit_header(dl_req_t *req, const char *what, const char *bucket, int64_t value) {
  char *name = bucket ? dl_xprintf("%s-%s", what, bucket) : dl_xstrdup(what);
  char *text = dl_xprintf("%lld", (long long)(value < 0 ? 0 : value));
  dl_req_add_header(req, name, text);
  free(name);
  free(text);
}

static void add_limit_headers(dl_req_t *req, dl_bucket_t bucket, const dl_verdict_t *v) {
  const char *name = dl_bucket_name(bucket);
  add_limit_header(req, "X-RateLimit-Limit", name, v->limit);
  add_limit_header(req, "X-RateLimit-Remaining", name, v->remaining);
  add_limit_header(req, "X-RateLimit-Reset", name, v->reset_seconds);
}

/* 429 with Retry-After-<bucket>, or plain Retry-After for a NULL bucket. */
static void fail_limited(dl_control_t *c, dl_req_t *req, const char *bucket, int64_t seconds) {
  add_limit_header(req, "Retry-After", bucket, seconds);
  dl_fail(c, req, 429, "ThrottlerException: Too Many Requests");
}

/* A client behind a trusted proxy counts by itself, or one that fails would lock out all others. */
static dl_verdict_t count_client(dl_control_t *c, dl_req_t *req, dl_bucket_t bucket, int cost) {
  char *who = dl_client_address(&c->front, req);
  dl_verdict_t v = dl_rates_take(&c->limits, bucket, who, cost, dl_now(c));
  free(who);
  return v;
}

bool dl_within_limit(dl_control_t *c, dl_req_t *req, unsigned flags) {
  if (flags & DL_R_UNLIMITED) return true;
  dl_bucket_t bucket = flags & DL_R_CREATE      ? DL_BUCKET_CREATE
                       : flags & DL_R_LIFECYCLE ? DL_BUCKET_LIFECYCLE
                       : flags & DL_R_LIST      ? DL_BUCKET_LIST
                       : flags & DL_R_ANONYMOUS ? DL_BUCKET_ANONYMOUS
                                                : DL_BUCKET_AUTHENTICATED;
  dl_verdict_t v = flags & DL_R_PUBLIC
                     ? count_client(c, req, bucket, 1)
                     : dl_rates_take(&c->limits, bucket, c->objects.organization_id, 1, dl_now(c));
  if (!v.is_limited) return true;
  if (v.is_blocked) {
    fail_limited(c, req, dl_bucket_name(bucket), v.reset_seconds);
    return false;
  }
  add_limit_headers(req, bucket, &v);
  return true;
}

/* --- credentials --- */

/* An address that keeps failing is refused before its credential is looked at. */
static bool refuse_failing_peer(dl_control_t *c, dl_req_t *req) {
  dl_verdict_t v = count_client(c, req, DL_BUCKET_FAILED_AUTH, 0);
  if (!v.is_limited || !v.is_blocked) return false;
  add_limit_headers(req, DL_BUCKET_FAILED_AUTH, &v);
  fail_limited(c, req, NULL, v.reset_seconds);
  return true;
}

bool dl_authenticate(dl_control_t *c, dl_req_t *req, unsigned *permissions) {
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
  dl_verdict_t v = count_client(c, req, DL_BUCKET_FAILED_AUTH, 1);
  if (v.is_limited) add_limit_headers(req, DL_BUCKET_FAILED_AUTH, &v);
  dl_fail(c, req, 401, "Invalid credentials");
  return false;
}

bool dl_admit_later(dl_control_t *c, const char *who, const char *token, const char *organization,
                    unsigned *permissions) {
  dl_verdict_t v = dl_rates_take(&c->limits, DL_BUCKET_FAILED_AUTH, who, 0, dl_now(c));
  if (v.is_limited && v.is_blocked) return false;
  char *authorization = dl_xprintf("Bearer %s", token);
  dl_auth_t result = dl_keys_check(&c->keys, authorization, organization, permissions);
  explicit_bzero(authorization, strlen(authorization));
  free(authorization);
  if (result == DL_AUTH_UNKNOWN) dl_rates_take(&c->limits, DL_BUCKET_FAILED_AUTH, who, 1, dl_now(c));
  return result == DL_AUTH_OK;
}
