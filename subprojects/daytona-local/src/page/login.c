/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a key to a session and back. The key comes in the body of a POST and is not kept; what fails is slow, and limited for
 * each address.
 */
#include "page/internal.h"

#include "control/routes/admit.h"
#include "control/routes/answer.h"

#include <stdlib.h>
#include <string.h>

/* A key has at most DL_KEY_LINE_MAX bytes. */
#define BODY_MAX (DL_KEY_LINE_MAX + 1024u)
#define FAILED_DELAY_MS 500

static void set_cookie(dl_page_t *p, dl_req_t *req, const char *value, int64_t seconds) {
  bool is_tls = dl_page_is_tls(p, req);
  char *name = dl_page_cookie_name(p, req);
  char *line = dl_xprintf("%s=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%lld%s", name, value,
                          (long long)seconds, is_tls ? "; Secure" : "");
  dl_req_add_header(req, "Set-Cookie", line);
  explicit_bzero(line, strlen(line));
  free(line);
  free(name);
}

static void refuse(dl_page_t *p, dl_req_t *req) {
  dl_shape_t shape = DL_SHAPE_NONE;
  shape.delay_ms = FAILED_DELAY_MS;
  dl_req_shape(req, &shape);
  dl_fail(p->control, req, 401, "this key is not known");
}

static void begin(dl_page_t *p, dl_req_t *req, const char *key, unsigned permissions) {
  int owner = dl_keys_find(&p->control->keys, key);
  const dl_web_session_t *session = dl_web_session_begin(&p->sessions, owner, permissions, dl_steady_ms());
  set_cookie(p, req, session->cookie, DL_SESSION_LIFE_MS / 1000);
  dl_reply_json(req, 200, json_pack("{s:s}", "proof", session->proof));
}

static bool may_try(dl_page_t *p, dl_req_t *req, const char *who) {
  dl_verdict_t v = dl_rates_take(&p->logins, DL_BUCKET_FAILED_AUTH, who, 0, dl_steady_ms());
  if (!v.is_blocked) return true;
  char *seconds = dl_xprintf("%lld", (long long)(v.reset_seconds > 0 ? v.reset_seconds : 1));
  dl_req_add_header(req, "Retry-After", seconds);
  dl_fail(p->control, req, 429, "too many keys that are not known; wait %s seconds", seconds);
  free(seconds);
  return false;
}

static void try_key(dl_page_t *p, dl_req_t *req, const char *key, const char *who) {
  dl_control_t *c = p->control;
  unsigned permissions = 0;
  if (!may_try(p, req, who)) return; /* many may have come at once */
  if (!dl_key_is_usable(key) || !dl_admit_later(c, who, key, c->objects.organization_id, &permissions)) {
    dl_rates_take(&p->logins, DL_BUCKET_FAILED_AUTH, who, 1, dl_steady_ms());
    refuse(p, req);
    return;
  }
  begin(p, req, key, permissions);
}

static void on_body(dl_req_t *req, const char *text, size_t len, void *user) {
  dl_page_t *p = user;
  char *error = NULL, *who = dl_client_address(&p->control->front, req);
  json_t *body = dl_json_parse(text, len, &error);
  const char *key = dl_json_str(body, "key");
  if (key != NULL)
    try_key(p, req, key, who);
  else
    dl_fail(p->control, req, 400, "the body must be {\"key\": ...}");
  if (key != NULL) explicit_bzero((char *)key, strlen(key));
  json_decref(body);
  explicit_bzero((char *)text, len);
  free(error);
  free(who);
}

void dl_page_login(dl_page_t *p, dl_req_t *req) {
  if (!dl_page_is_own(p, req, true)) return;
  char *who = dl_client_address(&p->control->front, req);
  if (may_try(p, req, who)) dl_req_read_body(req, BODY_MAX, on_body, p);
  free(who);
}

void dl_page_logout(dl_page_t *p, dl_req_t *req) {
  const dl_web_session_t *session = dl_page_session(p, req);
  if (session == NULL) return;
  dl_web_session_end(&p->sessions, session);
  set_cookie(p, req, "", 0);
  dl_reply_empty(req, 204);
}
