/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is there. Browsers add cookies to requests whichever page sends them, and pages of sandboxes are of the same site as
 * ours; so a request counts only if its origin is ours and it has the proof, which no other page can know.
 */
#include "page/internal.h"

#include "control/auth/called.h"
#include "control/routes/answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define COOKIES_MAX (64u * 1024)
#define PROOF_WORD "proof."

void dl_page_guard(dl_req_t *req) {
  static const char *const headers[][2] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
     "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Permissions-Policy", "camera=(), geolocation=(), microphone=()"},
    {"Cache-Control", "no-store"},
    {"Vary", "Accept, Cookie, Origin"}};
  for (size_t i = 0; i < DL_COUNT(headers); i++) dl_req_add_header(req, headers[i][0], headers[i][1]);
}

/* --- where it comes from --- */

bool dl_page_is_tls(const dl_page_t *p, const dl_req_t *req) {
  const dl_front_t *front = &p->control->front;
  const char *told = dl_is_from_trusted(front, req) ? dl_req_header(req, "X-Forwarded-Proto") : NULL;
  if (told != NULL) return strcmp(told, "https") == 0;
  if (strcmp(front->scheme, "https") == 0) return true;
  /* An https in front of us that is not listed: it is called by the public name. */
  const char *host = dl_req_header(req, "Host"), *url = front->has_public_url ? front->url : "";
  return dl_starts_with(url, "https://") && host != NULL && strcasecmp(url + strlen("https://"), host) == 0;
}

bool dl_page_is_own(dl_page_t *p, dl_req_t *req, bool must_say) {
  const dl_front_t *front = &p->control->front;
  const char *origin = dl_req_header(req, "Origin"), *site = dl_req_header(req, "Sec-Fetch-Site");
  bool is_of_us = origin != NULL ? dl_origin_is_own(front, req, origin) : !must_say;
  if (!dl_called_by_own_name(front, req))
    dl_fail(p->control, req, 421, "this server does not know itself by that name; see --public-url");
  else if (!is_of_us || (site != NULL && strcmp(site, "same-origin") != 0))
    dl_fail(p->control, req, 403, "this is for the server's own page only");
  else
    return true;
  return false;
}

/* --- the session --- */

char *dl_page_cookie_name(const dl_page_t *p, const dl_req_t *req) {
  const char *name = dl_page_is_tls(p, req) ? DL_SESSION_HOST_COOKIE : DL_SESSION_COOKIE;
  const char *host = dl_req_header(req, "Host"), *colon = host != NULL ? strrchr(host, ':') : NULL;
  int64_t port;
  bool has_port = colon != NULL && dl_parse_int(colon + 1, 1, 65535, &port);
  return has_port ? dl_xprintf("%s-%d", name, (int)port) : dl_xstrdup(name);
}

static void join_cookies(void *user, const char *name, const char *value) {
  if (strcasecmp(name, "Cookie") == 0) dl_buf_printf(user, "%s; ", value);
}

static const dl_web_session_t *find(dl_page_t *p, const dl_req_t *req, const char *proof) {
  char *name = dl_page_cookie_name(p, req);
  dl_buf_t cookies;
  dl_buf_init(&cookies, COOKIES_MAX);
  dl_req_each_header(req, join_cookies, &cookies);
  const dl_web_session_t *session =
    cookies.len > 0 ? dl_web_session_find(&p->sessions, cookies.data, name, proof, dl_steady_ms()) : NULL;
  if (cookies.len > 0) explicit_bzero(cookies.data, cookies.len);
  dl_buf_clear(&cookies);
  free(name);
  return session;
}

const dl_web_session_t *dl_page_visitor(dl_page_t *p, const dl_req_t *req) { return find(p, req, NULL); }

/* A WebSocket cannot be given headers by a page; there the proof is one of the protocols that are offered. Yours to free;
 * NULL: there is none. */
static char *proof_of(const dl_req_t *req) {
  const char *header = dl_req_header(req, DL_PAGE_PROOF),
             *protocols = dl_req_header(req, "Sec-WebSocket-Protocol");
  if (header != NULL) return dl_xstrdup(header);
  if (protocols == NULL || dl_req_upgrade(req) == NULL) return NULL;
  for (const char *at = protocols; *at != '\0';) {
    at += strspn(at, ", \t");
    size_t len = strcspn(at, ", \t");
    if (dl_starts_with(at, PROOF_WORD)) return dl_xstrndup(at + strlen(PROOF_WORD), len - strlen(PROOF_WORD));
    at += len;
  }
  return NULL;
}

const dl_web_session_t *dl_page_session(dl_page_t *p, dl_req_t *req) {
  bool is_read = strcmp(dl_req_method(req), "GET") == 0 && dl_req_header(req, "Upgrade") == NULL;
  if (!dl_page_is_own(p, req, !is_read)) return NULL;
  char *proof = proof_of(req);
  const dl_web_session_t *session = proof != NULL ? find(p, req, proof) : NULL;
  if (session == NULL) dl_fail(p->control, req, 401, "log in first");
  if (proof != NULL) explicit_bzero(proof, strlen(proof));
  free(proof);
  return session;
}
