/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of /lsp. Each names its server by language and project; all but start need one that is READY.
 */
#include "toolbox/lsp/lsp.h"

#include "toolbox/core/fields.h"
#include "toolbox/core/gate.h"
#include "toolbox/core/reply.h"
#include "toolbox/core/text.h"
#include "toolbox/lsp/hunt.h"
#include "toolbox/lsp/server.h"
#include "toolbox/lsp/shape.h"
#include "toolbox/lsp/uris.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BODY_MAX (1024u * 1024)
/* The first reply comes when the server has read the project. */
#define REQUEST_LIMIT_MS 60000
#define FILE_MAX (8u * 1024 * 1024) /* of an opened file */
#define POSITION_MAX 0x7fffffffu

typedef struct {
  const char *language, *project, *uri;
} names_t;

/* --- which server --- */

static bool read_names(dl_req_t *req, const json_t *body, bool has_uri, names_t *out) {
  *out = (names_t){0};
  return dl_tb_field_text(req, body, "languageId", true, &out->language) &&
         dl_tb_field_text(req, body, "pathToProject", true, &out->project) &&
         (!has_uri || dl_tb_field_text(req, body, "uri", true, &out->uri));
}

static const char *query_text(dl_req_t *req, const char *key) {
  const char *value = dl_query_get(dl_req_query(req), key);
  if (value != NULL && *value != '\0') return value;
  dl_tb_reply_error(req, 400, "query parameter '%s' is required", key);
  return NULL;
}

/* NULL: the request was answered. */
static dl_lsp_server_t *find_ready(dl_toolbox_t *tb, dl_req_t *req, const names_t *names) {
  dl_lsp_server_t *s = dl_lsp_server_find(tb, names->language, names->project);
  if (s != NULL && s->state == DL_LSP_READY) return s;
  if (s == NULL)
    dl_tb_reply_error_code(req, 400, "LSP_SERVER_NOT_INITIALIZED",
                           "no language server for %s was started for %s", names->language, names->project);
  else if (s->state == DL_LSP_STARTING)
    dl_tb_reply_error_code(req, 400, "LSP_SERVER_NOT_INITIALIZED", "the language server is still starting");
  else
    dl_tb_reply_error_code(req, 400, "LSP_SERVER_NOT_INITIALIZED",
                           "the language server has ended: %s; start it again", s->why);
  return NULL;
}

/* --- start and stop --- */

typedef struct {
  dl_toolbox_t *tb;
  dl_req_t *req;
} waiting_t;

static waiting_t *new_waiting(dl_toolbox_t *tb, dl_req_t *req) {
  waiting_t *w = dl_xcalloc(1, sizeof *w);
  *w = (waiting_t){tb, req};
  tb->live_count++;
  return w;
}

static void on_state(void *user, int status, const char *message) {
  waiting_t *w = user;
  if (status == 200) {
    dl_tb_add_request_id(w->req);
    dl_reply_empty(w->req, 200);
  } else {
    dl_tb_reply_error(w->req, status, "%s", message);
  }
  w->tb->live_count--;
  free(w);
}

static void on_start_body(dl_req_t *req, const char *bytes, size_t len, void *user) {
  dl_toolbox_t *tb = user;
  json_t *body = dl_tb_body(req, bytes, len);
  names_t names;
  if (body != NULL && read_names(req, body, false, &names)) {
    const dl_lsp_language_t *language = dl_lsp_language(names.language);
    if (language == NULL)
      dl_tb_reply_error(
        req, 400, "no language server is known for '%.100s': there are python, typescript and javascript",
        names.language);
    else
      dl_lsp_server_start(tb, language, names.project, on_state, new_waiting(tb, req));
  }
  json_decref(body);
}

static void on_start(dl_req_t *req, void *user) { dl_tb_read_body_gated(user, req, on_start_body); }

static void on_stop_body(dl_req_t *req, const char *bytes, size_t len, void *user) {
  dl_toolbox_t *tb = user;
  json_t *body = dl_tb_body(req, bytes, len);
  names_t names;
  if (body != NULL && read_names(req, body, false, &names)) {
    dl_lsp_server_t *s = dl_lsp_server_find(tb, names.language, names.project);
    if (s == NULL)
      dl_tb_reply_error(req, 500, "no language server for %s runs for %s", names.language, names.project);
    else if (s->state == DL_LSP_ENDED)
      dl_tb_reply_error(req, 500, "the language server has ended already: %s", s->why);
    else
      dl_lsp_server_stop(s, on_state, new_waiting(tb, req));
  }
  json_decref(body);
}

static void on_stop(dl_req_t *req, void *user) { dl_req_read_body(req, BODY_MAX, on_stop_body, user); }

/* --- files --- */

typedef struct {
  uv_work_t work;
  dl_lsp_server_t *server;
  dl_req_t *req;
  char *uri, *path, *other; /* other: the path with its percent codes decoded, or NULL */
  char *text;
  size_t len;
  int error;
} opening_t;

/* 0 or an errno value. Never waits: the path may lead to anything. */
static int read_file(const char *path, char **text, size_t *len) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), error = 0;
  if (fd < 0) return errno;
  if (fstat(fd, &st) != 0)
    error = errno;
  else if (!S_ISREG(st.st_mode))
    error = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
  dl_buf_t buf;
  dl_buf_init(&buf, FILE_MAX);
  for (char block[65536]; error == 0;) {
    ssize_t got = read(fd, block, sizeof block);
    if (got == 0) break;
    if (got < 0 && errno != EINTR) error = errno;
    if (got > 0 && !dl_buf_append(&buf, block, (size_t)got)) error = EFBIG;
  }
  close(fd);
  *len = buf.len;
  *text = error == 0 ? dl_buf_take(&buf) : NULL;
  dl_buf_clear(&buf);
  return error;
}

static void on_read(uv_work_t *work) {
  opening_t *o = work->data;
  o->error = read_file(o->path, &o->text, &o->len);
  if (o->error != ENOENT || o->other == NULL) return;
  if (read_file(o->other, &o->text, &o->len) != 0) return;
  o->error = 0;
  dl_set(&o->path, o->other);
}

static void after_read(uv_work_t *work, int status) {
  opening_t *o = work->data;
  dl_lsp_server_t *s = o->server;
  char reason[128];
  dl_tb_errno_text(status != 0 ? EAGAIN : o->error, reason, sizeof reason);
  if (o->error == EFBIG)
    dl_tb_reply_error(o->req, 400, "open %s: the file is too large: %u bytes at most", o->path, FILE_MAX);
  else if (status != 0 || o->error != 0)
    dl_tb_reply_error(o->req, 400, "open %s: %s", o->path, reason);
  else if (s->state != DL_LSP_READY)
    dl_tb_reply_error_code(o->req, 400, "LSP_SERVER_NOT_INITIALIZED",
                           "the language server has ended or was stopped");
  else if (!dl_lsp_document_open(s, o->path, o->uri, o->text, o->len))
    dl_tb_reply_error(o->req, 429, "too many files are open, or too much waits for the language server");
  else
    on_state(new_waiting(s->tb, o->req), 200, NULL);
  s->tb->live_count--;
  dl_lsp_server_release(s);
  free(o->uri);
  free(o->path);
  free(o->other);
  free(o->text);
  free(o);
}

static void open_file(dl_lsp_server_t *s, dl_req_t *req, const char *uri) {
  opening_t *o = dl_xcalloc(1, sizeof *o);
  dl_lsp_server_retain(s);
  s->tb->live_count++;
  o->server = s;
  o->req = req;
  o->uri = dl_xstrdup(uri);
  o->path = dl_lsp_path_of(s->root, uri);
  o->other = dl_lsp_decoded_path_of(s->root, uri);
  o->work.data = o;
  int error = uv_queue_work(s->tb->loop, &o->work, on_read, after_read);
  if (error != 0) after_read(&o->work, error);
}

static void on_open_body(dl_req_t *req, const char *bytes, size_t len, void *user) {
  json_t *body = dl_tb_body(req, bytes, len);
  names_t names;
  if (body != NULL && read_names(req, body, true, &names)) {
    dl_lsp_server_t *s = find_ready(user, req, &names);
    if (s != NULL) open_file(s, req, names.uri);
  }
  json_decref(body);
}

static void on_open(dl_req_t *req, void *user) { dl_req_read_body(req, BODY_MAX, on_open_body, user); }

static void on_close_body(dl_req_t *req, const char *bytes, size_t len, void *user) {
  json_t *body = dl_tb_body(req, bytes, len);
  names_t names;
  if (body != NULL && read_names(req, body, true, &names)) {
    dl_lsp_server_t *s = find_ready(user, req, &names);
    if (s != NULL) {
      dl_lsp_document_t *d = dl_lsp_document_by_uri(s, names.uri);
      if (d != NULL) dl_lsp_document_close(s, d);
      on_state(new_waiting(user, req), 200, NULL);
    }
  }
  json_decref(body);
}

static void on_close(dl_req_t *req, void *user) { dl_req_read_body(req, BODY_MAX, on_close_body, user); }

/* --- questions about a file --- */

typedef struct {
  dl_lsp_server_t *server;
  dl_req_t *req;
  char *asked, *shown; /* the server's and the client's name of the file */
  bool wants_symbols;
  int64_t id;
} question_t;

static void dispose(question_t *q) {
  q->server->tb->live_count--;
  dl_lsp_server_release(q->server);
  free(q->asked);
  free(q->shown);
  free(q);
}

static void on_reply(void *user, const dl_lsp_outcome_t *outcome) {
  question_t *q = user;
  if (outcome->result == NULL)
    dl_tb_reply_error(q->req, outcome->status, "%s", outcome->message);
  else
    dl_tb_reply_json(q->req, 200,
                     q->wants_symbols ? dl_lsp_symbols(outcome->result, q->asked, q->shown)
                                      : dl_lsp_completions(outcome->result));
  dispose(q);
}

/* The response is still due, and goes nowhere. */
static void on_gone(dl_req_t *req, void *user) {
  question_t *q = user;
  assert(q->server->rpc != NULL); /* else it would have failed */
  dl_lsp_rpc_cancel(q->server->rpc, q->id);
  dl_tb_reply_error(req, 400, "the client has gone");
  dispose(q);
}

/* `params` is taken, and gets the file. */
static void ask(dl_lsp_server_t *s, dl_req_t *req, const char *uri, const char *method, json_t *params) {
  const dl_lsp_document_t *d = dl_lsp_document_by_uri(s, uri);
  char *path = d != NULL ? dl_xstrdup(d->path) : dl_lsp_path_of(s->root, uri);
  question_t *q = dl_xcalloc(1, sizeof *q);
  q->asked = dl_lsp_uri_of(path);
  free(path);
  json_object_set_new(params, "textDocument", json_pack("{s:s}", "uri", q->asked));
  dl_lsp_server_retain(s);
  s->tb->live_count++;
  q->server = s;
  q->req = req;
  q->shown = dl_xstrdup(uri);
  q->wants_symbols = strcmp(method, "textDocument/documentSymbol") == 0;
  q->id = dl_lsp_rpc_request(s->rpc, method, params, REQUEST_LIMIT_MS, on_reply, q);
  if (q->id != 0) {
    dl_req_on_gone(req, on_gone, q);
    return;
  }
  dl_tb_reply_error(req, 429, "too many requests wait for the language server");
  dispose(q);
}

#define QUERY_MAX 1000

/* A number of `object` that must be there. */
static bool read_number(dl_req_t *req, const json_t *object, const char *name, uint32_t *out) {
  if (!dl_tb_field_uint32(req, object, name, out)) return false;
  if (dl_json_get_nocase(object, name) != NULL && *out <= POSITION_MAX) return true;
  dl_tb_reply_error_code(req, 400, "INVALID_REQUEST_BODY",
                         "invalid request body: field '%s' must be a whole number from 0 to %u", name,
                         POSITION_MAX);
  return false;
}

static bool read_object(dl_req_t *req, const json_t *body, const char *name, bool required, json_t **out) {
  *out = dl_json_get_nocase(body, name);
  if (*out == NULL ? !required : json_is_object(*out)) return true;
  dl_tb_reply_error_code(req, 400, "INVALID_REQUEST_BODY",
                         "invalid request body: field '%s' must be an object", name);
  return false;
}

/* NULL: the request was answered. */
static json_t *completion_params(dl_req_t *req, const json_t *body) {
  json_t *position, *context;
  uint32_t line = 0, character = 0, kind = 0;
  const char *typed = NULL;
  if (!read_object(req, body, "position", true, &position) ||
      !read_object(req, body, "context", false, &context) || !read_number(req, position, "line", &line) ||
      !read_number(req, position, "character", &character))
    return NULL;
  if (context != NULL && (!read_number(req, context, "triggerKind", &kind) ||
                          !dl_tb_field_text(req, context, "triggerCharacter", false, &typed)))
    return NULL;
  json_t *params =
    json_pack("{s:{s:I, s:I}}", "position", "line", (json_int_t)line, "character", (json_int_t)character);
  if (context == NULL) return params;
  json_t *sent = json_pack("{s:I}", "triggerKind", (json_int_t)kind);
  if (typed != NULL) json_object_set_new(sent, "triggerCharacter", json_string(typed));
  json_object_set_new(params, "context", sent);
  return params;
}

static void on_completions_body(dl_req_t *req, const char *bytes, size_t len, void *user) {
  json_t *body = dl_tb_body(req, bytes, len);
  names_t names;
  json_t *params = body != NULL && read_names(req, body, true, &names) ? completion_params(req, body) : NULL;
  if (params != NULL) {
    dl_lsp_server_t *s = find_ready(user, req, &names);
    if (s != NULL)
      ask(s, req, names.uri, "textDocument/completion", params);
    else
      json_decref(params);
  }
  json_decref(body);
}

static void on_completions(dl_req_t *req, void *user) {
  dl_req_read_body(req, BODY_MAX, on_completions_body, user);
}

/* --- symbols --- */

static bool query_names(dl_req_t *req, names_t *out) {
  *out = (names_t){0};
  return (out->language = query_text(req, "languageId")) != NULL &&
         (out->project = query_text(req, "pathToProject")) != NULL;
}

static void on_document_symbols(dl_req_t *req, void *user) {
  names_t names;
  if (!query_names(req, &names) || (names.uri = query_text(req, "uri")) == NULL) return;
  dl_lsp_server_t *s = find_ready(user, req, &names);
  if (s != NULL) ask(s, req, names.uri, "textDocument/documentSymbol", json_object());
}

static void on_project_symbols(dl_req_t *req, void *user) {
  names_t names;
  const char *query;
  if (!query_names(req, &names) || (query = query_text(req, "query")) == NULL) return;
  if (strlen(query) > QUERY_MAX) {
    dl_tb_reply_error(req, 400, "no symbol has so long a name");
    return;
  }
  dl_lsp_server_t *s = find_ready(user, req, &names);
  if (s != NULL) dl_lsp_hunt(s, req, query);
}

/* --- all of them --- */

struct dl_lsp *dl_lsp_new(void) {
  struct dl_lsp *all = dl_xcalloc(1, sizeof *all);
  dl_list_init(&all->servers);
  dl_list_init(&all->leaving);
  return all;
}

static void end_all(dl_list_t *list) {
  while (!dl_list_empty(list)) dl_lsp_server_end(DL_CONTAINER(list->next, dl_lsp_server_t, link));
}

void dl_lsp_close(dl_toolbox_t *tb) {
  end_all(&tb->lsp->servers);
  end_all(&tb->lsp->leaving);
  free(tb->lsp);
  tb->lsp = NULL;
}

static const dl_route_t ROUTES[] = {
  {"POST", "/lsp/start", on_start, 0},
  {"POST", "/lsp/stop", on_stop, 0},
  {"POST", "/lsp/did-open", on_open, 0},
  {"POST", "/lsp/did-close", on_close, 0},
  {"POST", "/lsp/completions", on_completions, 0},
  {"GET", "/lsp/document-symbols", on_document_symbols, 0},
  {"GET", "/lsp/workspacesymbols", on_project_symbols, 0},
};
const dl_route_table_t DL_TB_LSP_ROUTES = {ROUTES, DL_COUNT(ROUTES)};
