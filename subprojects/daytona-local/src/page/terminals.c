/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terminals that the page has opened. Each ends with the session that has opened it. Invariant: one is in the list until its
 * passage has ended.
 */
#include "page/internal.h"

#include "control/routes/answer.h"
#include "proxy/proxy.h"

#include <stdlib.h>

typedef struct {
  dl_list_t link;
  uint64_t session;
  dl_duplex_t *client; /* NULL: not yet */
  bool is_over;        /* the session has ended */
} terminal_t;

static void on_upgraded(void *user, dl_duplex_t *client) { ((terminal_t *)user)->client = client; }

static void on_end(void *user) {
  terminal_t *t = user;
  dl_list_unlink(&t->link);
  free(t);
}

void dl_page_terminal(dl_page_t *p, dl_req_t *req, const dl_web_session_t *session) {
  if (dl_req_upgrade(req) == NULL) {
    dl_fail(p->control, req, 426, "a terminal is a WebSocket");
    return;
  }
  dl_sandbox_t *sb = dl_page_sandbox(p, req);
  if (sb == NULL) return;
  terminal_t *t = dl_xcalloc(1, sizeof *t);
  t->session = session->number;
  dl_list_push(&p->terminals, &t->link);
  const dl_passage_watch_t watch = {on_upgraded, on_end, t};
  dl_proxy_page(p->control, req, sb, "/terminal/ws", &watch);
}

void dl_page_sweep_terminals(dl_page_t *p) {
  DL_LIST_EACH_SAFE(&p->terminals, node, after) {
    terminal_t *t = DL_CONTAINER(node, terminal_t, link);
    if (t->is_over && t->client != NULL) dl_duplex_fail(t->client, UV_ECANCELED);
  }
}

void dl_page_end_terminals(dl_page_t *p, uint64_t session) {
  DL_LIST_EACH(&p->terminals, node) {
    terminal_t *t = DL_CONTAINER(node, terminal_t, link);
    if (t->session == session) t->is_over = true;
  }
  dl_page_sweep_terminals(p);
}
