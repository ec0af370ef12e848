/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of pending requests, in the order in which they were sent. A reply to an id that is not in it is dropped: its
 * request has timed out or was cancelled. `done` may do anything with the rpc, so after each call of it nothing is taken for
 * granted.
 */
#include "toolbox/lsp/rpc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS 200
#define METHOD_NOT_FOUND (-32601)

typedef struct {
  dl_list_t link;
  int64_t id;
  uint64_t due_ms;
  dl_lsp_done_cb done;
  void *user;
} pending_t;

struct dl_lsp_rpc {
  dl_lsp_program_t *program; /* NULL: over */
  uv_loop_t *loop;
  uv_timer_t tick; /* runs while something is pending */
  dl_list_t pending;
  size_t pending_count;
  int64_t last_id;
  void (*on_end)(void *user, const char *why);
  void *user;
};

static void on_tick_closed(uv_handle_t *handle) { free(handle->data); }

static void dispose(dl_lsp_rpc_t *r) {
  assert(r->pending_count == 0);
  r->program = NULL;
  uv_close((uv_handle_t *)&r->tick, on_tick_closed);
}

static void settle(dl_lsp_rpc_t *r, pending_t *p, const dl_lsp_outcome_t *outcome) {
  assert(r->pending_count > 0);
  dl_list_unlink(&p->link);
  if (--r->pending_count == 0) uv_timer_stop(&r->tick);
  dl_lsp_done_cb done = p->done;
  void *user = p->user;
  free(p);
  if (done != NULL) done(user, outcome);
}

static pending_t *find(const dl_lsp_rpc_t *r, int64_t id) {
  DL_LIST_EACH(&r->pending, node) {
    pending_t *p = DL_CONTAINER(node, pending_t, link);
    if (p->id == id) return p;
  }
  return NULL;
}

static pending_t *find_late(const dl_lsp_rpc_t *r) {
  DL_LIST_EACH(&r->pending, node) {
    pending_t *p = DL_CONTAINER(node, pending_t, link);
    if (p->due_ms <= uv_now(r->loop)) return p;
  }
  return NULL;
}

static void send_cancel(dl_lsp_rpc_t *r, int64_t id) {
  dl_lsp_rpc_notify(r, "$/cancelRequest", json_pack("{s:I}", "id", (json_int_t)id));
}

/* From the front each time: `done` may have sent and cancelled others. */
static void on_tick(uv_timer_t *timer) {
  static const dl_lsp_outcome_t LATE = {
    NULL, 408, "the language server has not replied within its time; it may still be reading the project"};
  dl_lsp_rpc_t *r = timer->data;
  for (pending_t *p; (p = find_late(r)) != NULL;) {
    send_cancel(r, p->id);
    settle(r, p, &LATE);
  }
}

/* --- what it sends --- */

/* No configuration is known, and nothing else is promised: null answers what a server may ask a client for. */
static void answer(dl_lsp_rpc_t *r, const json_t *id, const char *method, const json_t *params) {
  json_t *reply = json_pack("{s:s, s:O}", "jsonrpc", "2.0", "id", id), *result = json_null();
  size_t count = json_array_size(dl_json_get(params, "items"));
  if (strcmp(method, "workspace/configuration") == 0) {
    result = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(result, json_null());
  } else if (strcmp(method, "workspace/applyEdit") == 0) {
    result = json_pack("{s:b}", "applied", 0);
  }
  json_object_set_new(reply, "result", result);
  dl_lsp_program_send(r->program, reply);
  json_decref(reply);
}

#define REASON_MAX 1000

static void on_reply(dl_lsp_rpc_t *r, pending_t *p, const json_t *message) {
  const json_t *error = dl_json_get(message, "error");
  dl_lsp_outcome_t outcome = {.result = json_object_get(message, "result")};
  char *text = NULL;
  if (error != NULL || outcome.result == NULL) {
    const char *said = dl_json_str(error, "message");
    /* The first line: what follows is a trace of the program's own code. */
    size_t len = said != NULL ? strcspn(said, "\n") : 0;
    if (len > REASON_MAX) len = REASON_MAX;
    while (said != NULL && len > 0 && (said[len] & 0xc0) == 0x80) len--;
    text = said != NULL ? dl_xstrndup(said, len) : dl_xstrdup("no reason given");
    outcome = (dl_lsp_outcome_t){NULL, 400, text};
  }
  settle(r, p, &outcome);
  free(text);
}

static void on_message(void *user, const json_t *message) {
  dl_lsp_rpc_t *r = user;
  const char *method = dl_json_str(message, "method");
  const json_t *id = dl_json_get(message, "id");
  pending_t *p = method == NULL && json_is_integer(id) ? find(r, json_integer_value(id)) : NULL;
  if (method != NULL && id != NULL) answer(r, id, method, dl_json_get(message, "params"));
  if (p != NULL) on_reply(r, p, message);
}

void dl_lsp_rpc_fail_all(dl_lsp_rpc_t *r, int status, const char *message) {
  const dl_lsp_outcome_t outcome = {NULL, status, message};
  int64_t last_id = r->last_id;
  while (!dl_list_empty(&r->pending)) {
    pending_t *p = DL_CONTAINER(r->pending.next, pending_t, link);
    if (p->id > last_id) return; /* sent by `done` of another */
    settle(r, p, &outcome);
  }
}

/* No program any more: what `done` of the last requests asks for is refused. */
static void on_program_end(void *user, const char *why) {
  dl_lsp_rpc_t *r = user;
  char *message = dl_xprintf("the language server has ended: %s; start it again", why);
  r->program = NULL;
  dl_lsp_rpc_fail_all(r, 500, message);
  free(message);
  r->on_end(r->user, why);
  dispose(r);
}

/* --- what it is sent --- */

int64_t dl_lsp_rpc_request(dl_lsp_rpc_t *r, const char *method, json_t *params, uint64_t timeout_ms,
                           dl_lsp_done_cb done, void *user) {
  json_t *message = json_pack("{s:s, s:I, s:s, s:o}", "jsonrpc", "2.0", "id", (json_int_t)(r->last_id + 1),
                              "method", method, "params", params);
  bool is_sent =
    r->program != NULL && r->pending_count < DL_LSP_PENDING_MAX && dl_lsp_program_send(r->program, message);
  json_decref(message);
  if (!is_sent) return 0;
  pending_t *p = dl_xcalloc(1, sizeof *p);
  p->id = ++r->last_id;
  p->due_ms = uv_now(r->loop) + timeout_ms;
  p->done = done;
  p->user = user;
  dl_list_push(&r->pending, &p->link);
  if (r->pending_count++ == 0) uv_timer_start(&r->tick, on_tick, TICK_MS, TICK_MS);
  return p->id;
}

void dl_lsp_rpc_cancel(dl_lsp_rpc_t *r, int64_t id) {
  pending_t *p = find(r, id);
  if (p == NULL) return;
  p->done = NULL;
  settle(r, p, NULL);
  send_cancel(r, id);
}

bool dl_lsp_rpc_notify(dl_lsp_rpc_t *r, const char *method, json_t *params) {
  json_t *message = json_pack("{s:s, s:s}", "jsonrpc", "2.0", "method", method);
  if (params != NULL) json_object_set_new(message, "params", params);
  bool is_sent = r->program != NULL && dl_lsp_program_send(r->program, message);
  json_decref(message);
  return is_sent;
}

void dl_lsp_rpc_kill(dl_lsp_rpc_t *r) {
  if (r->program == NULL) return;
  dl_lsp_program_kill(r->program);
  dispose(r);
}

int dl_lsp_rpc_start(dl_toolbox_t *tb, char *const *argv, const char *cwd,
                     void (*on_end)(void *user, const char *why), void *user, dl_lsp_rpc_t **out) {
  static const dl_lsp_program_events_t EVENTS = {on_message, on_program_end};
  dl_lsp_rpc_t *r = dl_xcalloc(1, sizeof *r);
  int error = dl_lsp_program_start(tb, argv, cwd, &EVENTS, r, &r->program);
  if (error != 0) {
    free(r);
    return error;
  }
  dl_list_init(&r->pending);
  r->loop = tb->loop;
  r->on_end = on_end;
  r->user = user;
  uv_timer_init(tb->loop, &r->tick);
  r->tick.data = r;
  *out = r;
  return 0;
}
