/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a language server.
 *
 * STARTING -> READY -> STOPPING -> gone, or from any of them to ENDED when the program ends by itself. A server that is
 * STOPPING has left the table, so that the next start of the same name begins another. `waiting` has those who wait for the
 * state: of STARTING for READY, of STOPPING for the end. They are called last, when the state has changed: they may do
 * anything.
 */
#include "toolbox/lsp/server.h"

#include "toolbox/core/spawn.h"
#include "toolbox/core/text.h"
#include "toolbox/lsp/uris.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define START_LIMIT_MS 60000
#define SHUTDOWN_LIMIT_MS 2000 /* for the reply to shutdown */
#define EXIT_LIMIT_MS 1000     /* for the end after exit */

static const char *const PYTHON_FILES[] = {".py", ".pyi", NULL};
static const char *const SCRIPT_FILES[] = {".ts",  ".tsx", ".mts", ".cts", ".js",
                                           ".jsx", ".mjs", ".cjs", NULL};

#define PYLSP "the Debian package python3-pylsp, or the Python package python-lsp-server"
#define TSSERVER "the npm packages typescript-language-server and typescript"

static const dl_lsp_language_t LANGUAGES[] = {
  {"python", "pylsp", NULL, PYLSP, PYTHON_FILES, true},
  {"typescript", "typescript-language-server", "--stdio", TSSERVER, SCRIPT_FILES, false},
  {"javascript", "typescript-language-server", "--stdio", TSSERVER, SCRIPT_FILES, false},
};

/* What the protocol calls the language of a file. */
static const struct {
  const char *suffix, *id;
} FILE_LANGUAGES[] = {
  {".tsx", "typescriptreact"}, {".jsx", "javascriptreact"}, {".ts", "typescript"},  {".mts", "typescript"},
  {".cts", "typescript"},      {".js", "javascript"},       {".mjs", "javascript"}, {".cjs", "javascript"},
};

typedef struct {
  dl_list_t link;
  dl_lsp_state_cb done;
  void *user;
} waiter_t;

const dl_lsp_language_t *dl_lsp_language(const char *id) {
  for (size_t i = 0; i < DL_COUNT(LANGUAGES); i++)
    if (strcmp(LANGUAGES[i].id, id) == 0) return &LANGUAGES[i];
  return NULL;
}

/* --- the table --- */

dl_lsp_server_t *dl_lsp_server_find(dl_toolbox_t *tb, const char *language, const char *project) {
  DL_LIST_EACH(&tb->lsp->servers, node) {
    dl_lsp_server_t *s = DL_CONTAINER(node, dl_lsp_server_t, link);
    if (strcmp(s->language->id, language) == 0 && strcmp(s->project, project) == 0) return s;
  }
  return NULL;
}

static void forget_documents(dl_lsp_server_t *s) {
  while (!dl_list_empty(&s->documents)) {
    dl_lsp_document_t *d = DL_CONTAINER(s->documents.next, dl_lsp_document_t, link);
    dl_list_unlink(&d->link);
    s->document_count--;
    free(d->path);
    free(d->uri);
    free(d);
  }
  assert(s->document_count == 0);
}

static void on_patience_closed(uv_handle_t *handle) {
  dl_lsp_server_t *s = handle->data;
  free(s->project);
  free(s->root);
  free(s->why);
  free(s);
}

void dl_lsp_server_retain(dl_lsp_server_t *s) { s->references++; }

void dl_lsp_server_release(dl_lsp_server_t *s) {
  assert(s->references > 0);
  if (--s->references > 0) return;
  assert(s->rpc == NULL && dl_list_empty(&s->waiting) && dl_list_empty(&s->link));
  forget_documents(s);
  uv_close((uv_handle_t *)&s->patience, on_patience_closed);
}

/* Takes it out of its list, and gives back the list's reference. */
static void unlist(dl_lsp_server_t *s) {
  dl_list_unlink(&s->link);
  dl_lsp_server_release(s);
}

static void call_waiting(dl_lsp_server_t *s, int status, const char *message) {
  dl_list_t calling;
  dl_list_init(&calling);
  dl_list_splice(&calling, &s->waiting);
  while (!dl_list_empty(&calling)) {
    waiter_t *w = DL_CONTAINER(calling.next, waiter_t, link);
    dl_lsp_state_cb done = w->done;
    void *user = w->user;
    dl_list_unlink(&w->link);
    free(w);
    done(user, status, message);
  }
}

static void add_waiting(dl_lsp_server_t *s, dl_lsp_state_cb done, void *user) {
  waiter_t *w = dl_xcalloc(1, sizeof *w);
  w->done = done;
  w->user = user;
  dl_list_push(&s->waiting, &w->link);
}

static dl_lsp_server_t *new_server(dl_toolbox_t *tb, const dl_lsp_language_t *language, const char *project) {
  dl_lsp_server_t *s = dl_xcalloc(1, sizeof *s);
  s->references = 1; /* of the table */
  s->tb = tb;
  s->language = language;
  s->project = dl_xstrdup(project);
  s->root = dl_tb_path(tb, project);
  dl_list_init(&s->documents);
  dl_list_init(&s->waiting);
  uv_timer_init(tb->loop, &s->patience);
  s->patience.data = s;
  dl_list_push(&tb->lsp->servers, &s->link);
  return s;
}

/* --- the end --- */

/* The program is gone, whatever ended it. */
static void finish(dl_lsp_server_t *s, const char *why) {
  dl_lsp_state_t before = s->state;
  assert(before != DL_LSP_ENDED);
  dl_lsp_server_retain(s);
  s->rpc = NULL;
  s->state = DL_LSP_ENDED;
  dl_set(&s->why, why);
  uv_timer_stop(&s->patience);
  forget_documents(s);
  if (before != DL_LSP_READY) unlist(s); /* one that never came up is not remembered */
  if (before == DL_LSP_STOPPING) {
    call_waiting(s, 200, NULL);
  } else {
    char *message = dl_xprintf("%s did not start: %s", s->language->program, why);
    call_waiting(s, 500, message);
    free(message);
  }
  dl_lsp_server_release(s);
}

static void on_rpc_end(void *user, const char *why) {
  dl_lsp_server_t *s = user;
  if (s->state != DL_LSP_STOPPING) dl_warn("%s of %s has ended: %s", s->language->program, s->project, why);
  finish(s, why);
}

static void kill_now(dl_lsp_server_t *s, const char *why) {
  dl_lsp_rpc_t *rpc = s->rpc;
  assert(rpc != NULL);
  dl_lsp_rpc_kill(rpc);
  finish(s, why);
}

static void on_patience(uv_timer_t *timer) { kill_now(timer->data, "it was killed"); }

static void on_shut_down(void *user, const dl_lsp_outcome_t *outcome) {
  dl_lsp_server_t *s = user;
  (void)outcome;
  if (s->state != DL_LSP_STOPPING) return; /* its program has ended meanwhile */
  dl_lsp_rpc_notify(s->rpc, "exit", NULL);
  uv_timer_start(&s->patience, on_patience, EXIT_LIMIT_MS, 0);
}

void dl_lsp_server_stop(dl_lsp_server_t *s, dl_lsp_state_cb done, void *user) {
  assert(s->state == DL_LSP_STARTING || s->state == DL_LSP_READY);
  dl_lsp_server_retain(s);
  dl_list_unlink(&s->link);
  dl_list_push(&s->tb->lsp->leaving, &s->link);
  s->state = DL_LSP_STOPPING;
  call_waiting(s, 500, "the language server was stopped while it started");
  add_waiting(s, done, user);
  dl_lsp_rpc_fail_all(s->rpc, 400, "the language server was stopped");
  if (dl_lsp_rpc_request(s->rpc, "shutdown", json_null(), SHUTDOWN_LIMIT_MS, on_shut_down, s) == 0)
    kill_now(s, "it was killed");
  dl_lsp_server_release(s);
}

/* --- the start --- */

static json_t *capabilities(void) {
  json_t *completion = json_pack("{s:{s:b, s:[s, s]}, s:b}", "completionItem", "snippetSupport", 0,
                                 "documentationFormat", "markdown", "plaintext", "contextSupport", 1);
  json_t *files = json_pack("{s:o, s:{s:b}, s:{s:b}}", "completion", completion, "documentSymbol",
                            "hierarchicalDocumentSymbolSupport", 0, "synchronization", "didSave", 0);
  return json_pack("{s:o, s:{s:{}, s:b}}", "textDocument", files, "workspace", "symbol", "workspaceFolders",
                   0);
}

/* Of TypeScript: no download of types, and no second process that answers from the open files alone while the first one
 * reads the project. Others do not look at them. */
static json_t *options(void) {
  return json_pack("{s:b, s:{s:s}}", "disableAutomaticTypingAcquisition", 1, "tsserver", "useSyntaxServer",
                   "never");
}

static json_t *initialize_params(const dl_lsp_server_t *s) {
  char *uri = dl_lsp_uri_of(s->root);
  const char *slash = strrchr(s->root, '/');
  json_t *folder = json_pack("{s:s, s:o}", "uri", uri, "name", dl_tb_text(slash + 1, strlen(slash + 1)));
  json_t *params = json_pack("{s:n, s:s, s:[o], s:o, s:o}", "processId", "rootUri", uri, "workspaceFolders",
                             folder, "initializationOptions", options(), "capabilities", capabilities());
  assert(params != NULL);
  free(uri);
  return params;
}

static void on_initialized(void *user, const dl_lsp_outcome_t *outcome) {
  dl_lsp_server_t *s = user;
  if (s->state != DL_LSP_STARTING || s->rpc == NULL) return;
  if (outcome->result == NULL) {
    /* Of an end the reason comes with it. */
    if (outcome->status != 500) kill_now(s, outcome->message);
    return;
  }
  const json_t *offered =
    dl_json_get(dl_json_get(outcome->result, "capabilities"), "workspaceSymbolProvider");
  s->has_symbols = json_is_true(offered) || json_is_object(offered);
  s->state = DL_LSP_READY;
  dl_lsp_rpc_notify(s->rpc, "initialized", json_object());
  call_waiting(s, 200, NULL);
}

/* A command that npm has put beside the project, in the home, or in the folder that the server gives to sandboxes. Yours to
 * free, NULL if there is none. */
static char *find_program(const dl_toolbox_t *tb, const char *root, const char *name) {
  char *found = dl_process_find(&tb->environment, name);
  const char *const places[] = {root, tb->work_dir, tb->home};
  for (size_t i = 0; found == NULL && i < DL_COUNT(places); i++) {
    char *path = dl_xprintf("%s/node_modules/.bin/%s", places[i], name);
    found = dl_process_find(&tb->environment, path);
    free(path);
  }
  if (found == NULL && tb->node_modules != NULL) {
    char *path = dl_xprintf("%s/.bin/%s", tb->node_modules, name);
    found = dl_process_find(&tb->environment, path);
    free(path);
  }
  return found;
}

/* NULL, or why it cannot be started (yours to free). */
static char *launch(dl_lsp_server_t *s) {
  struct stat st;
  char reason[128];
  int error = stat(s->root, &st) != 0 ? errno : S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
  if (error != 0) {
    dl_tb_errno_text(error, reason, sizeof reason);
    return dl_xprintf("the project %s cannot be used: %s", s->root, reason);
  }
  char *file = find_program(s->tb, s->root, s->language->program);
  if (file == NULL)
    return dl_xprintf("%s is not installed in the sandbox: install %s", s->language->program,
                      s->language->needs);
  char *argv[] = {file, (char *)s->language->argument, NULL};
  error = dl_lsp_rpc_start(s->tb, argv, s->root, on_rpc_end, s, &s->rpc);
  free(file);
  if (error == 0) return NULL;
  dl_tb_errno_text(error, reason, sizeof reason);
  return dl_xprintf("%s cannot be started: %s", s->language->program, reason);
}

/* Those that have ended are remembered only while there is room. */
static bool make_room(dl_toolbox_t *tb) {
  size_t count = 0;
  dl_lsp_server_t *ended = NULL;
  DL_LIST_EACH(&tb->lsp->servers, node) {
    dl_lsp_server_t *s = DL_CONTAINER(node, dl_lsp_server_t, link);
    if (s->state == DL_LSP_ENDED) ended = s;
    count++;
  }
  DL_LIST_EACH(&tb->lsp->leaving, node) count++;
  if (count < DL_LSP_SERVERS_MAX) return true;
  if (ended == NULL) return false;
  unlist(ended);
  return true;
}

void dl_lsp_server_start(dl_toolbox_t *tb, const dl_lsp_language_t *language, const char *project,
                         dl_lsp_state_cb done, void *user) {
  dl_lsp_server_t *s = dl_lsp_server_find(tb, language->id, project);
  if (s != NULL && s->state == DL_LSP_ENDED) {
    unlist(s);
    s = NULL;
  }
  if (s != NULL && s->state == DL_LSP_READY) {
    done(user, 200, NULL);
    return;
  }
  if (s != NULL) {
    add_waiting(s, done, user);
    return;
  }
  if (!make_room(tb)) {
    done(user, 429, "too many language servers run in this sandbox; stop one of them");
    return;
  }
  s = new_server(tb, language, project);
  char *failure = launch(s);
  if (failure != NULL) {
    s->state = DL_LSP_ENDED;
    unlist(s);
    done(user, 500, failure);
    free(failure);
    return;
  }
  add_waiting(s, done, user);
  int64_t id =
    dl_lsp_rpc_request(s->rpc, "initialize", initialize_params(s), START_LIMIT_MS, on_initialized, s);
  assert(id != 0); /* the first message of a fresh program */
  (void)id;
}

void dl_lsp_server_end(dl_lsp_server_t *s) {
  dl_lsp_server_retain(s);
  if (s->rpc != NULL) dl_lsp_rpc_fail_all(s->rpc, 500, "the sandbox stops");
  if (s->rpc != NULL) kill_now(s, "the sandbox stops");
  if (!dl_list_empty(&s->link)) unlist(s);
  dl_lsp_server_release(s);
}

/* --- open files --- */

dl_lsp_document_t *dl_lsp_document_by_path(const dl_lsp_server_t *s, const char *path) {
  DL_LIST_EACH(&s->documents, node) {
    dl_lsp_document_t *d = DL_CONTAINER(node, dl_lsp_document_t, link);
    if (strcmp(d->path, path) == 0) return d;
  }
  return NULL;
}

dl_lsp_document_t *dl_lsp_document_by_uri(const dl_lsp_server_t *s, const char *uri) {
  DL_LIST_EACH(&s->documents, node) {
    dl_lsp_document_t *d = DL_CONTAINER(node, dl_lsp_document_t, link);
    if (d->uri != NULL && strcmp(d->uri, uri) == 0) return d;
  }
  return NULL;
}

static const char *language_of(const dl_lsp_server_t *s, const char *path) {
  size_t len = strlen(path);
  if (s->language->suffixes != SCRIPT_FILES) return s->language->id;
  for (size_t i = 0; i < DL_COUNT(FILE_LANGUAGES); i++) {
    size_t n = strlen(FILE_LANGUAGES[i].suffix);
    if (len > n && strcmp(path + len - n, FILE_LANGUAGES[i].suffix) == 0) return FILE_LANGUAGES[i].id;
  }
  return s->language->id;
}

static bool send_open(dl_lsp_server_t *s, const char *path, const char *text, size_t len) {
  char *uri = dl_lsp_uri_of(path);
  json_t *params = json_pack("{s:{s:s, s:s, s:i, s:o}}", "textDocument", "uri", uri, "languageId",
                             language_of(s, path), "version", 1, "text", dl_tb_text(text, len));
  free(uri);
  return dl_lsp_rpc_notify(s->rpc, "textDocument/didOpen", params);
}

bool dl_lsp_document_open(dl_lsp_server_t *s, const char *path, const char *uri, const char *text,
                          size_t len) {
  dl_lsp_document_t *old = dl_lsp_document_by_path(s, path);
  if (old != NULL) dl_lsp_document_close(s, old);
  if (s->document_count >= DL_LSP_DOCUMENTS_MAX || !send_open(s, path, text, len)) return false;
  dl_lsp_document_t *d = dl_xcalloc(1, sizeof *d);
  d->path = dl_xstrdup(path);
  dl_set(&d->uri, uri);
  dl_list_push(&s->documents, &d->link);
  s->document_count++;
  return true;
}

void dl_lsp_document_close(dl_lsp_server_t *s, dl_lsp_document_t *d) {
  char *uri = dl_lsp_uri_of(d->path);
  dl_lsp_rpc_notify(s->rpc, "textDocument/didClose", json_pack("{s:{s:s}}", "textDocument", "uri", uri));
  free(uri);
  dl_list_unlink(&d->link);
  s->document_count--;
  free(d->path);
  free(d->uri);
  free(d);
}
