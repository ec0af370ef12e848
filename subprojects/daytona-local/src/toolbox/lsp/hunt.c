/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's own search first. Where it has none (pylsp), fails (the TypeScript server before a file is open) or finds nothing
 * (it knows the open files and what they lead to), the files of the project that contain the text are looked for, and each is
 * asked for its symbols. One request at a time, within ceilings and a time limit; what was found until then is the answer.
 *
 * The hunt holds the server; it looks at the state again after everything that takes time.
 */
#include "toolbox/lsp/hunt.h"

#include "toolbox/core/reply.h"
#include "toolbox/lsp/scan.h"
#include "toolbox/lsp/shape.h"
#include "toolbox/lsp/uris.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_LIMIT_MS 30000
#define HUNTS_MAX 4 /* at once, in a sandbox */
#define HUNT_LIMIT_MS 30000
#define SYMBOLS_MAX 1000u

typedef struct {
  uv_work_t work;
  dl_lsp_server_t *server;
  dl_req_t *req; /* NULL: the client has gone */
  char *query, *asked;
  dl_lsp_scan_t scan;
  size_t next; /* of the files found */
  json_t *exact, *others;
  int64_t id; /* of the pending request, or 0 */
  uint64_t end_at_ms;
  bool is_working; /* on the pool */
  bool has_open;   /* opened the file that it asks about */
} hunt_t;

static void ask_next(hunt_t *h);

/* A file that a client has opened meanwhile stays open. */
static void close_file(hunt_t *h) {
  if (!h->has_open || h->server->state != DL_LSP_READY) return;
  h->has_open = false;
  dl_lsp_document_t *d = dl_lsp_document_by_path(h->server, h->scan.found[h->next - 1].path);
  if (d != NULL && d->uri == NULL) dl_lsp_document_close(h->server, d);
}

static void dispose(hunt_t *h) {
  assert(h->req == NULL && !h->is_working && h->id == 0);
  close_file(h);
  h->server->tb->live_count--;
  h->server->tb->lsp->hunts--;
  dl_lsp_server_release(h->server);
  dl_lsp_scan_clear(&h->scan);
  json_decref(h->exact);
  json_decref(h->others);
  free(h->query);
  free(h->asked);
  free(h);
}

static void answer(hunt_t *h) {
  json_array_extend(h->exact, h->others);
  dl_tb_reply_json(h->req, 200, json_incref(h->exact));
  h->req = NULL;
  dispose(h);
}

static void fail(hunt_t *h, int status, const char *message) {
  dl_tb_reply_error(h->req, status, "%s", message);
  h->req = NULL;
  dispose(h);
}

/* The response is still due, and goes nowhere. */
static void on_gone(dl_req_t *req, void *user) {
  hunt_t *h = user;
  dl_tb_reply_error(req, 400, "the client has gone");
  h->req = NULL;
  if (h->id != 0 && h->server->state == DL_LSP_READY) dl_lsp_rpc_cancel(h->server->rpc, h->id);
  h->id = 0;
  if (h->is_working)
    atomic_store(&h->scan.is_abandoned, true); /* after_scan goes on */
  else
    dispose(h);
}

/* --- file by file --- */

static bool imports(const dl_lsp_file_t *f, const json_t *symbol) {
  const json_t *range = json_object_get(json_object_get(symbol, "location"), "range");
  json_int_t line = json_integer_value(json_object_get(json_object_get(range, "start"), "line"));
  for (size_t i = 0; i < f->import_count; i++)
    if ((json_int_t)f->imports[i] == line) return true;
  return false;
}

/* What the file only imports is defined elsewhere. */
static void take_symbols(hunt_t *h, const dl_lsp_file_t *f, const json_t *result) {
  char *shown = dl_xprintf("file://%s", f->path);
  json_t *symbols = dl_lsp_symbols(result, h->asked, shown), *symbol;
  size_t i;
  json_array_foreach (symbols, i, symbol) {
    const json_t *text = json_object_get(symbol, "name");
    const char *name = json_string_value(text);
    if (json_array_size(h->exact) + json_array_size(h->others) >= SYMBOLS_MAX) break;
    if (dl_lsp_contains(name, json_string_length(text), h->query) && !imports(f, symbol))
      json_array_append(strcmp(name, h->query) == 0 ? h->exact : h->others, symbol);
  }
  json_decref(symbols);
  free(shown);
}

/* False: the hunt is over. A request that the server refused is no reason. */
static bool can_continue(hunt_t *h, const dl_lsp_outcome_t *outcome) {
  bool has_reply = outcome->result != NULL || outcome->status == 400;
  h->id = 0;
  if (has_reply && h->server->state == DL_LSP_READY) return true;
  fail(h, has_reply ? 400 : outcome->status,
       has_reply ? "the language server was stopped" : outcome->message);
  return false;
}

static void on_file_symbols(void *user, const dl_lsp_outcome_t *outcome) {
  hunt_t *h = user;
  const dl_lsp_file_t *f = &h->scan.found[h->next - 1];
  if (!can_continue(h, outcome)) return;
  if (outcome->result != NULL) take_symbols(h, f, outcome->result);
  close_file(h);
  ask_next(h);
}

static bool open_file(hunt_t *h, const dl_lsp_file_t *f) {
  dl_lsp_server_t *s = h->server;
  if (s->language->reads_closed_files || dl_lsp_document_by_path(s, f->path) != NULL) return true;
  h->has_open = dl_lsp_document_open(s, f->path, NULL, f->text, f->len);
  return h->has_open;
}

static void ask_next(hunt_t *h) {
  uint64_t now = uv_now(h->server->tb->loop);
  size_t count = json_array_size(h->exact) + json_array_size(h->others);
  if (h->next == h->scan.count || count >= SYMBOLS_MAX || (now >= h->end_at_ms && count > 0)) {
    answer(h);
    return;
  }
  if (now >= h->end_at_ms) {
    fail(h, 408, "nothing was found in the time that a search has; there may be symbols of that name");
    return;
  }
  const dl_lsp_file_t *f = &h->scan.found[h->next++];
  free(h->asked);
  h->asked = dl_lsp_uri_of(f->path);
  if (open_file(h, f))
    h->id = dl_lsp_rpc_request(h->server->rpc, "textDocument/documentSymbol",
                               json_pack("{s:{s:s}}", "textDocument", "uri", h->asked), REQUEST_LIMIT_MS,
                               on_file_symbols, h);
  if (h->id == 0) fail(h, 429, "too many requests wait for the language server");
}

/* --- the files --- */

static void on_scan(uv_work_t *work) { dl_lsp_scan_run(&((hunt_t *)work->data)->scan); }

static void after_scan(uv_work_t *work, int status) {
  hunt_t *h = work->data;
  (void)status;
  h->is_working = false;
  if (h->req == NULL)
    dispose(h);
  else if (h->server->state != DL_LSP_READY)
    fail(h, 400, "the language server has ended or was stopped");
  else
    ask_next(h);
}

/* Half of the time that is left: the files that are found are asked about in the rest. */
static void start_scan(hunt_t *h) {
  uint64_t now = uv_now(h->server->tb->loop), left = h->end_at_ms > now ? h->end_at_ms - now : 0;
  h->scan.end_ns = uv_hrtime() + left / 2 * 1000000;
  h->scan.root = h->server->root;
  h->scan.query = h->query;
  h->scan.suffixes = h->server->language->suffixes;
  h->work.data = h;
  h->is_working = true;
  if (uv_queue_work(h->server->tb->loop, &h->work, on_scan, after_scan) == 0) return;
  h->is_working = false;
  fail(h, 500, "no thread for the search");
}

/* --- the server's own --- */

static void on_project_symbols(void *user, const dl_lsp_outcome_t *outcome) {
  hunt_t *h = user;
  if (!can_continue(h, outcome)) return;
  if (outcome->result != NULL) {
    json_decref(h->exact);
    h->exact = dl_lsp_symbols(outcome->result, NULL, NULL);
  }
  if (json_array_size(h->exact) > 0)
    answer(h);
  else
    start_scan(h);
}

void dl_lsp_hunt(dl_lsp_server_t *s, dl_req_t *req, const char *query) {
  assert(s->state == DL_LSP_READY);
  if (s->tb->lsp->hunts >= HUNTS_MAX) {
    dl_tb_reply_error(req, 429, "too many searches for symbols run");
    return;
  }
  s->tb->lsp->hunts++;
  hunt_t *h = dl_xcalloc(1, sizeof *h);
  dl_lsp_server_retain(s);
  s->tb->live_count++;
  h->server = s;
  h->req = req;
  h->query = dl_xstrdup(query);
  h->exact = json_array();
  h->others = json_array();
  h->end_at_ms = uv_now(s->tb->loop) + HUNT_LIMIT_MS;
  dl_req_on_gone(req, on_gone, h);
  if (!s->has_symbols) {
    start_scan(h);
    return;
  }
  h->id = dl_lsp_rpc_request(s->rpc, "workspace/symbol", json_pack("{s:s}", "query", query), REQUEST_LIMIT_MS,
                             on_project_symbols, h);
  if (h->id == 0) fail(h, 429, "too many requests wait for the language server");
}
