/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /process/pty: requests for terminals, and the way of a socket to its terminal. What is wrong with a
 * terminal that a socket asks for is reported over the socket, as the platform does; only
 * create-connect refuses before the upgrade.
 */
#include "toolbox/pty/pty.h"

#include "base/encode.h"
#include "toolbox/core/fields.h"
#include "toolbox/core/gate.h"
#include "toolbox/core/reply.h"
#include "toolbox/pty/terminal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define CLIENT_QUEUE_MAX 256
#define ENVS_TOKEN "X-Daytona-Pty-Envs~"
#define EXIT_TOKEN "X-Daytona-Pty-Exit-Control"

/* --- all terminals --- */

dl_list_t *dl_ptys_new(void) {
  dl_list_t *all = dl_xmalloc(sizeof *all);
  dl_list_init(all);
  return all;
}

static dl_pty_t *find_pty(dl_toolbox_t *tb, const char *id) {
  DL_LIST_EACH(tb->ptys, node) {
    dl_pty_t *p = DL_CONTAINER(node, dl_pty_t, link);
    if (strcmp(p->id, id) == 0) return p;
  }
  return NULL;
}

void dl_ptys_hang_up(dl_toolbox_t *tb) {
  DL_LIST_EACH(tb->ptys, node) {
    dl_pty_t *p = DL_CONTAINER(node, dl_pty_t, link);
    if (p->is_active && !p->has_exited) kill(p->shell.pid, SIGHUP);
  }
}

void dl_ptys_close(dl_toolbox_t *tb) {
  while (!dl_list_empty(tb->ptys)) dl_pty_kill(DL_CONTAINER(tb->ptys->next, dl_pty_t, link));
  free(tb->ptys);
  tb->ptys = NULL;
}

/* --- requests --- */

static json_t *info_json(const dl_pty_t *p) {
  json_t *o = json_object();
  json_object_set_new(o, "id", json_string(p->id));
  json_object_set_new(o, "cwd", dl_tb_text(p->cwd, strlen(p->cwd)));
  json_object_set(o, "envs", p->envs);
  json_object_set_new(o, "cols", json_integer(p->cols));
  json_object_set_new(o, "rows", json_integer(p->rows));
  json_object_set_new(o, "createdAt", json_string(p->created.text));
  json_object_set_new(o, "active", json_boolean(p->is_active));
  json_object_set_new(o, "lazyStart", json_boolean(p->is_lazy));
  return o;
}

static dl_pty_t *find(dl_toolbox_t *tb, dl_req_t *req) {
  dl_pty_t *p = find_pty(tb, dl_req_param(req, "id"));
  if (p == NULL) dl_tb_reply_error_code(req, 404, "PROCESS_NOT_FOUND", "PTY session not found");
  return p;
}

static bool is_good_size(dl_req_t *req, unsigned cols, unsigned rows) {
  if (cols <= DL_PTY_SIZE_MAX && rows <= DL_PTY_SIZE_MAX) return true;
  dl_tb_reply_error(req, 400, "%s must not be more than %d", cols > DL_PTY_SIZE_MAX ? "cols" : "rows",
                    DL_PTY_SIZE_MAX);
  return false;
}

static bool is_free(dl_toolbox_t *tb, dl_req_t *req, const char *id) {
  if (find_pty(tb, id) == NULL) return true;
  dl_tb_reply_error(req, 409, "PTY session with ID '%s' already exists", id);
  return false;
}

/* Its shell can be given these beside the toolbox's own; or the request is answered. */
static bool can_have(dl_toolbox_t *tb, dl_req_t *req, const json_t *envs) {
  dl_environ_t environment;
  const char *name;
  json_t *value;
  dl_environ_copy(&environment, &tb->environment);
  json_object_foreach ((json_t *)envs, name, value)
    dl_environ_set(&environment, name, json_string_value(value));
  bool ok = dl_tb_can_start(req, &environment, NULL);
  dl_environ_clear(&environment);
  return ok;
}

/* --- REST --- */

static void create(dl_toolbox_t *tb, dl_req_t *req, const json_t *body) {
  dl_pty_opts_t o = {0};
  uint32_t cols = 0, rows = 0;
  if (!dl_tb_field_text(req, body, "id", true, &o.id) || !dl_tb_field_text(req, body, "cwd", false, &o.cwd) ||
      !dl_tb_field_envs(req, body, "envs", &o.envs) || !dl_tb_field_uint32(req, body, "cols", &cols) ||
      !dl_tb_field_uint32(req, body, "rows", &rows) ||
      !dl_tb_field_bool(req, body, "lazyStart", &o.is_lazy) || !is_good_size(req, cols, rows) ||
      !is_free(tb, req, o.id))
    return;
  o.cols = cols > 0 ? cols : 80;
  o.rows = rows > 0 ? rows : 24;
  if (!can_have(tb, req, o.envs)) return;
  dl_pty_t *p = dl_pty_new(tb, &o);
  int error = o.is_lazy ? 0 : dl_pty_start(p);
  if (error != 0) {
    dl_pty_kill(p);
    dl_tb_reply_error(req, 500, "failed to start PTY session: %s", strerror(error));
  } else {
    dl_tb_reply_json(req, 201, json_pack("{s:s}", "sessionId", p->id));
  }
}

static void on_create_body(dl_req_t *req, const char *bytes, size_t len, void *user) {
  json_t *body = dl_tb_body(req, bytes, len);
  if (body == NULL) return;
  create(user, req, body);
  json_decref(body);
}

static void on_create(dl_req_t *req, void *user) { dl_tb_read_body_gated(user, req, on_create_body); }

static void on_list(dl_req_t *req, void *user) {
  dl_toolbox_t *tb = user;
  json_t *list = json_array();
  DL_LIST_EACH(tb->ptys, node) json_array_append_new(list, info_json(DL_CONTAINER(node, dl_pty_t, link)));
  dl_tb_reply_json(req, 200, json_pack("{s:o}", "sessions", list));
}

static void on_get(dl_req_t *req, void *user) {
  dl_pty_t *p = find(user, req);
  if (p != NULL) dl_tb_reply_json(req, 200, info_json(p));
}

static void on_delete(dl_req_t *req, void *user) {
  dl_pty_t *p = find(user, req);
  if (p == NULL) return;
  dl_pty_kill(p);
  dl_tb_reply_json(req, 200, json_pack("{s:s}", "message", "PTY session deleted"));
}

static void on_resize_body(dl_req_t *req, const char *bytes, size_t len, void *user) {
  uint32_t cols = 0, rows = 0;
  json_t *body = dl_tb_body(req, bytes, len);
  if (body == NULL) return;
  if (dl_tb_field_uint32(req, body, "cols", &cols) && dl_tb_field_uint32(req, body, "rows", &rows) &&
      is_good_size(req, cols, rows)) {
    const char *id = dl_req_param(req, "id");
    dl_pty_t *p = find_pty(user, id);
    if (p == NULL) {
      dl_tb_reply_error_code(req, 410, "SESSION_ENDED", "PTY session %s not found", id);
    } else if (!p->is_active) {
      dl_tb_reply_error(req, 500, "cannot resize inactive PTY session");
    } else {
      dl_pty_resize(p, cols, rows);
      dl_tb_reply_json(req, 200, info_json(p));
    }
  }
  json_decref(body);
}

static void on_resize(dl_req_t *req, void *user) {
  dl_req_read_body(req, DL_TB_BODY_MAX, on_resize_body, user);
}

/* --- sockets --- */

/* A socket on its way to a terminal, known by its id because the terminal may go meanwhile. */
typedef struct {
  dl_toolbox_t *tb;
  char *id, *cwd;
  json_t *envs;
  unsigned cols, rows;
  bool is_new; /* the terminal is to be made, and goes again with a client that leaves before it is open */
  bool wants_exit_message;
  const char *why; /* there is no terminal; NULL: there was one */
} visit_t;

static void free_visit(visit_t *v) {
  json_decref(v->envs);
  free(v->id);
  free(v->cwd);
  free(v);
}

static void refuse(dl_ws_t *ws, const char *why) {
  json_t *message = json_pack("{s:s, s:s}", "type", "control", "status", "error");
  char *text = dl_xprintf("Failed to connect to PTY session: %s", why);
  json_object_set_new(message, "error", dl_tb_text(text, strlen(text)));
  free(text);
  text = dl_json_text(message);
  if (dl_ws_send(ws, DL_WS_TEXT, text, strlen(text))) dl_ws_close(ws, DL_WS_INTERNAL, why);
  free(text);
  json_decref(message);
}

/* A running terminal; NULL, or why there is none. */
static const char *prepare(const visit_t *v) {
  dl_pty_t *p = find_pty(v->tb, v->id);
  if (v->is_new) {
    if (p != NULL) return "the id is in use";
    p = dl_pty_new(v->tb, &(dl_pty_opts_t){v->id, v->cwd, v->envs, v->cols, v->rows, false});
  }
  if (p == NULL) return "PTY session not found";
  int error = p->is_active ? 0 : dl_pty_start(p);
  if (error == 0) return NULL;
  if (v->is_new) dl_pty_kill(p);
  return strerror(error);
}

static void on_open(dl_ws_t *ws, void *user) {
  visit_t *v = user;
  dl_pty_t *p = v->why == NULL ? find_pty(v->tb, v->id) : NULL;
  if (p != NULL && ws != NULL)
    dl_pty_attach(p, ws, v->wants_exit_message);
  else if (ws != NULL)
    refuse(ws, v->why != NULL ? v->why : "PTY session not found");
  else if (p != NULL && v->is_new)
    dl_pty_kill(p);
  free_visit(v);
}

/* The shell is started before the answer, so that "connected" follows it at once: clients wait for that only 100 ms. */
static void accept_visit(visit_t *v, dl_req_t *req) {
  static const dl_ws_events_t events = {.on_open = on_open};
  static const dl_ws_opts_t opts = {DL_PTY_MESSAGE_MAX, CLIENT_QUEUE_MAX};
  char *token = dl_ws_token(req, EXIT_TOKEN);
  v->wants_exit_message = token != NULL;
  free(token);
  if (dl_ws_is_handshake(req)) v->why = prepare(v);
  if (!dl_ws_accept(v->tb, req, &opts, &events, v)) free_visit(v);
}

static void on_connect_ready(dl_req_t *req, const char *bytes, size_t len, void *user) {
  (void)bytes, (void)len;
  visit_t *v = dl_xcalloc(1, sizeof *v);
  v->tb = user;
  v->id = dl_xstrdup(dl_req_param(req, "id"));
  accept_visit(v, req);
}

static void on_connect(dl_req_t *req, void *user) { dl_tb_read_body_gated(user, req, on_connect_ready); }

/* From base64url, with or without padding. Yours to free, or NULL. */
static char *decode_token(const char *token, size_t *len) {
  size_t size = strcspn(token, "=");
  char *text = dl_xprintf("%.*s%.*s", (int)size, token, (int)(3 - (size + 3) % 4), "===");
  for (char *c = text; *c != '\0'; c++) *c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
  char *bytes = dl_xcalloc(size * 3 / 4 + 1, 1);
  bool ok = dl_base64_read(text, (unsigned char *)bytes, size * 3 / 4);
  free(text);
  if (!ok) dl_set(&bytes, NULL);
  *len = size * 3 / 4;
  return bytes;
}

/* False: the request was answered. *out is yours, or NULL when no environment came along. */
static bool read_envs(dl_req_t *req, json_t **out) {
  char *token = dl_ws_token(req, ENVS_TOKEN), *failure = NULL;
  size_t len = 0;
  if (token == NULL) return true;
  char *text = decode_token(token, &len);
  json_t *envs = text != NULL ? dl_json_parse(text, len, &failure) : NULL, *found = NULL;
  free(failure);
  free(text);
  free(token);
  if (envs == NULL) {
    dl_tb_reply_error(req, 400, "the environment of the terminal cannot be read");
    return false;
  }
  json_t *body = json_object();
  json_object_set_new(body, "envs", envs);
  bool ok = dl_tb_field_envs(req, body, "envs", &found);
  if (found != NULL) *out = json_incref(found);
  json_decref(body);
  return ok;
}

static unsigned size_of(const char *text, unsigned fallback) {
  int64_t n = 0;
  return text != NULL && dl_parse_int(text, 0, 65535, &n) && n > 0 ? (unsigned)n : fallback;
}

static void on_create_connect_ready(dl_req_t *req, const char *bytes, size_t len, void *user) {
  const dl_query_t *q = dl_req_query(req);
  const char *id = dl_query_get(q, "id"), *cwd = dl_query_get(q, "cwd");
  unsigned cols = size_of(dl_query_get(q, "cols"), 80), rows = size_of(dl_query_get(q, "rows"), 24);
  json_t *envs = NULL;
  (void)bytes, (void)len;
  if (id == NULL || *id == '\0') {
    dl_tb_reply_error(req, 400, "session ID is required");
    return;
  }
  if (!is_good_size(req, cols, rows) || !is_free(user, req, id) || !read_envs(req, &envs)) return;
  if (!can_have(user, req, envs)) {
    json_decref(envs);
    return;
  }
  visit_t *v = dl_xcalloc(1, sizeof *v);
  *v = (visit_t){.tb = user, .id = dl_xstrdup(id), .envs = envs, .cols = cols, .rows = rows, .is_new = true};
  dl_set(&v->cwd, cwd);
  accept_visit(v, req);
}

static void on_create_connect(dl_req_t *req, void *user) {
  dl_tb_read_body_gated(user, req, on_create_connect_ready);
}

static const dl_route_t ROUTES[] = {
  {"POST", "/process/pty", on_create, 0},
  {"GET", "/process/pty", on_list, 0},
  {"GET", "/process/pty/create-connect", on_create_connect, 0},
  {"GET", "/process/pty/{id}", on_get, 0},
  {"DELETE", "/process/pty/{id}", on_delete, 0},
  {"GET", "/process/pty/{id}/connect", on_connect, 0},
  {"POST", "/process/pty/{id}/resize", on_resize, 0},
};
const dl_route_table_t DL_TB_PTY_ROUTES = {ROUTES, DL_COUNT(ROUTES)};
