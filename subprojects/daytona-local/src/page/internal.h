/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the page share.
 */
#ifndef DL_PAGE_INTERNAL_H
#define DL_PAGE_INTERNAL_H

#include "control/auth/web_sessions.h"
#include "control/context.h"
#include "page/requests.h"

typedef struct dl_page {
  dl_control_t *control;
  dl_web_sessions_t sessions;
  dl_rates_t logins; /* failed ones, by address */
  dl_requests_t requests;
  dl_list_t terminals; /* that are open */
  uv_timer_t *timer;   /* ends what has expired */
} dl_page_t;

#define DL_PAGE_PATH "/page"
#define DL_PAGE_PROOF "X-Daytona-Page"

/* A file of the page, made a part of the program by embed.py. */
typedef struct {
  const char *name, *type;
  const char *bytes;
  size_t len;
  bool is_public; /* what the form needs */
} dl_page_file_t;
extern const dl_page_file_t DL_PAGE_FILES[];
extern const size_t DL_PAGE_FILE_COUNT;

/* --- files.c --- */

void dl_page_reply_file(dl_req_t *req, const char *name);
void dl_page_file(dl_page_t *p, dl_req_t *req);
/* One of xterm.js and xterm.css, from the package. */
void dl_page_xterm(dl_page_t *p, dl_req_t *req);

/* --- gate.c --- */

/* Headers of every answer. */
void dl_page_guard(dl_req_t *req);
/* It comes from our own page: by a name of ours, and from no other origin. Where `must_say`, the browser has to name the
 * origin. False: answered. */
bool dl_page_is_own(dl_page_t *p, dl_req_t *req, bool must_say);
/* The browser has come over TLS, to us or to what stands in front of us. */
bool dl_page_is_tls(const dl_page_t *p, const dl_req_t *req);
/* The name of the cookie: of the port by which the server is called, too, for a browser keeps the cookies of all ports of a
 * host together. Yours to free. */
char *dl_page_cookie_name(const dl_page_t *p, const dl_req_t *req);
/* The session of the request's cookie alone: good for being shown the page. NULL: none. */
const dl_web_session_t *dl_page_visitor(dl_page_t *p, const dl_req_t *req);
/* The session of the request, by cookie and proof. NULL: answered. */
const dl_web_session_t *dl_page_session(dl_page_t *p, dl_req_t *req);

/* --- login.c --- */

void dl_page_login(dl_page_t *p, dl_req_t *req);
void dl_page_logout(dl_page_t *p, dl_req_t *req);

/* --- state.c --- */

void dl_page_state(dl_page_t *p, dl_req_t *req, const dl_web_session_t *session);

/* --- calls.c --- */

void dl_page_call(dl_page_t *p, dl_req_t *req, const dl_web_session_t *session);
void dl_page_ports(dl_page_t *p, dl_req_t *req);
void dl_page_desktop(dl_page_t *p, dl_req_t *req);

/* --- terminals.c --- */

void dl_page_terminal(dl_page_t *p, dl_req_t *req, const dl_web_session_t *session);
/* The terminals of a session that has ended. */
void dl_page_end_terminals(dl_page_t *p, uint64_t session);
/* Those whose sessions ended while they were opened. */
void dl_page_sweep_terminals(dl_page_t *p);
/* The sandbox whose id is the last segment of the path; NULL: answered. */
dl_sandbox_t *dl_page_sandbox(dl_page_t *p, dl_req_t *req);

#endif
