/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which requests are the page's, and what each of them needs: nothing, a cookie (the page itself, which holds no data), or a
 * session. Every answer has the headers of the guard, refusals too.
 */
#include "page/page.h"

#include "control/routes/answer.h"
#include "page/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Keys that are not known, from one address. */
#define LOGINS_MAX 10
#define LOGINS_WINDOW_MS 60000

#define SWEEP_EVERY_MS 30000

static void on_session_end(uint64_t number, void *user) { dl_page_end_terminals(user, number); }

static void on_sweep(uv_timer_t *timer) {
  dl_page_t *p = timer->data;
  dl_web_sessions_expire(&p->sessions, dl_steady_ms());
  dl_page_sweep_terminals(p);
}

static void start_timer(dl_page_t *p) {
  p->timer = dl_xcalloc(1, sizeof *p->timer);
  uv_timer_init(p->control->objects.loop, p->timer);
  p->timer->data = p;
  uv_timer_start(p->timer, on_sweep, SWEEP_EVERY_MS, SWEEP_EVERY_MS);
  uv_unref((uv_handle_t *)p->timer);
}

static void on_timer_closed(uv_handle_t *timer) { free(timer); }

dl_page_t *dl_page_new(dl_control_t *c) {
  dl_page_t *p = dl_xcalloc(1, sizeof *p);
  dl_rate_opts_t limits[DL_BUCKET_COUNT] = {[DL_BUCKET_FAILED_AUTH] = {LOGINS_MAX, LOGINS_WINDOW_MS}};
  p->control = c;
  dl_list_init(&p->terminals);
  dl_web_sessions_init(&p->sessions, on_session_end, p);
  dl_rates_init(&p->logins, limits);
  dl_requests_init(&p->requests);
  start_timer(p);
  return p;
}

void dl_page_end(dl_page_t *p) {
  if (p == NULL) return;
  uv_close((uv_handle_t *)p->timer, on_timer_closed);
  p->timer = NULL;
}

void dl_page_free(dl_page_t *p) {
  if (p == NULL) return;
  assert(p->timer == NULL && dl_list_empty(&p->terminals));
  dl_web_sessions_clear(&p->sessions);
  dl_rates_clear(&p->logins);
  dl_requests_clear(&p->requests);
  free(p);
}

/* --- what there is --- */

typedef void (*open_fn)(dl_page_t *p, dl_req_t *req);
typedef void (*closed_fn)(dl_page_t *p, dl_req_t *req, const dl_web_session_t *session);

static void ports(dl_page_t *p, dl_req_t *req, const dl_web_session_t *session) {
  (void)session;
  dl_page_ports(p, req);
}

static void desktop(dl_page_t *p, dl_req_t *req, const dl_web_session_t *session) {
  (void)session;
  dl_page_desktop(p, req);
}

/* The page itself asks for the form when it has no proof: a cookie may be there that was put into the browser. */
static void index_page(dl_page_t *p, dl_req_t *req) {
  bool is_form = strcmp(dl_req_raw_query(req), "login") == 0 || dl_page_visitor(p, req) == NULL;
  dl_page_reply_file(req, is_form ? "login.html" : "page.html");
}

/* `path` ends in a slash where more follows. One of the two functions. */
static const struct {
  const char *method, *path;
  open_fn open;
  closed_fn closed; /* needs a session */
} places[] = {
  {"GET", "/", index_page, NULL},
  {"GET", DL_PAGE_PATH "/file/", dl_page_file, NULL},
  {"POST", DL_PAGE_PATH "/login", dl_page_login, NULL},
  {"POST", DL_PAGE_PATH "/logout", dl_page_logout, NULL},
  {"GET", DL_PAGE_PATH "/state", NULL, dl_page_state},
  {NULL, DL_PAGE_PATH "/api/", NULL, dl_page_call},
  {"GET", DL_PAGE_PATH "/ports/", NULL, ports},
  {"POST", DL_PAGE_PATH "/desktop/", NULL, desktop},
  {"GET", DL_PAGE_PATH "/terminal/", NULL, dl_page_terminal},
};

static bool is_at(const char *path, const char *place) {
  size_t len = strlen(place);
  return len > 1 && place[len - 1] == '/' ? strncmp(path, place, len) == 0 : strcmp(path, place) == 0;
}

static void answer(dl_page_t *p, dl_req_t *req) {
  const char *path = dl_req_path(req), *method = dl_req_method(req);
  for (size_t i = 0; i < DL_COUNT(places); i++) {
    if (!is_at(path, places[i].path) || (places[i].method != NULL && strcmp(method, places[i].method) != 0))
      continue;
    if (places[i].open != NULL) {
      places[i].open(p, req);
      return;
    }
    const dl_web_session_t *session = dl_page_session(p, req);
    if (session != NULL) places[i].closed(p, req, session);
    return;
  }
  dl_fail(p->control, req, 404, "there is no such place of the page");
}

/* --- which requests --- */

/* A browser that goes to the address itself. */
static bool wants_page(const dl_req_t *req) {
  const char *accept = dl_req_header(req, "Accept");
  return strcmp(dl_req_method(req), "GET") == 0 && strcmp(dl_req_path(req), "/") == 0 && accept != NULL &&
         strstr(accept, "text/html") != NULL;
}

bool dl_page_take(dl_page_t *p, dl_req_t *req) {
  bool is_below = strncmp(dl_req_path(req), DL_PAGE_PATH "/", sizeof DL_PAGE_PATH) == 0;
  if ((!is_below && !wants_page(req)) || dl_s3_is_for(req)) return false;
  dl_page_guard(req);
  answer(p, req);
  return true;
}

void dl_page_note(dl_page_t *p, const dl_req_t *req, const char *path, int status, uint64_t took_ms) {
  static const char *const own[] = {DL_PAGE_PATH "/state", DL_PAGE_PATH "/file/", DL_PAGE_PATH "/ports/"};
  for (size_t i = 0; i < DL_COUNT(own); i++)
    if (is_at(dl_req_path(req), own[i])) return;
  dl_requests_add(&p->requests, dl_req_method(req), path, status, took_ms);
}
