/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sandbox answers a few milliseconds before its network is ready. Requests that start programs
 * wait here until the server says that it is, so that no program finds itself without. When no
 * word comes the gate opens by itself: a sandbox with no network is better than none.
 */
#include "toolbox/core/gate.h"

#include "http/http.h"

#include <assert.h>
#include <stdlib.h>

#define GATE_LIMIT_MS 2000

typedef struct {
  dl_list_t link;
  dl_toolbox_t *tb;
  dl_req_t *req;
  dl_body_cb cb;
  const char *body; /* lives as long as the request */
  size_t len;
} waiter_t;

struct dl_tb_gate {
  uv_timer_t limit;
  dl_list_t waiters;
  bool is_open;
};

static void on_limit(uv_timer_t *timer) { dl_tb_gate_open(timer->data); }

struct dl_tb_gate *dl_tb_gate_new(uv_loop_t *loop, bool is_open) {
  struct dl_tb_gate *g = dl_xcalloc(1, sizeof *g);
  g->is_open = is_open;
  dl_list_init(&g->waiters);
  uv_timer_init(loop, &g->limit);
  g->limit.data = g;
  if (!is_open) uv_timer_start(&g->limit, on_limit, GATE_LIMIT_MS, 0);
  return g;
}

void dl_tb_gate_open(struct dl_tb_gate *g) {
  g->is_open = true;
  uv_timer_stop(&g->limit);
  while (!dl_list_empty(&g->waiters)) {
    waiter_t *w = DL_CONTAINER(g->waiters.next, waiter_t, link);
    assert(w->tb->gate == g);
    dl_list_unlink(&w->link);
    w->cb(w->req, w->body, w->len, w->tb);
    free(w);
  }
}

static void on_closed(uv_handle_t *handle) { free(handle->data); }

void dl_tb_gate_close(struct dl_tb_gate *g) {
  dl_tb_gate_open(g);
  uv_close((uv_handle_t *)&g->limit, on_closed);
}

static void on_body(dl_req_t *req, const char *body, size_t len, void *user) {
  waiter_t *w = user;
  dl_toolbox_t *tb = w->tb;
  dl_req_set_data(req, NULL, NULL);
  if (tb->gate->is_open) {
    dl_body_cb cb = w->cb;
    free(w);
    cb(req, body, len, tb);
    return;
  }
  w->body = body;
  w->len = len;
  dl_list_push(&tb->gate->waiters, &w->link);
}

void dl_tb_read_body_gated(dl_toolbox_t *tb, dl_req_t *req, dl_body_cb cb) {
  waiter_t *w = dl_xcalloc(1, sizeof *w);
  *w = (waiter_t){.tb = tb, .req = req, .cb = cb};
  dl_list_init(&w->link);
  dl_req_set_data(req, w, free); /* when the body never comes */
  dl_req_read_body(req, DL_TB_BODY_MAX, on_body, w);
}
