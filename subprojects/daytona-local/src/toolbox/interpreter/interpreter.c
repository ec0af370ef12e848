/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /process/interpreter: contexts, each a Python process that keeps its state, and executions.
 *
 * A context has at most one run under way; the others wait in order. A run belongs to its context
 * from its first message to its outcome, whether or not its client is still there; the clock of its
 * timeout starts with it. A worker that ends takes only its own run along: the next one starts a new
 * worker, with empty state.
 */
#include "toolbox/interpreter/interpreter.h"

#include "toolbox/core/fields.h"
#include "toolbox/core/gate.h"
#include "toolbox/core/reply.h"
#include "toolbox/core/text.h"
#include "toolbox/core/websocket.h"
#include "toolbox/interpreter/worker.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_S 600
#define GRACE_MS 2000 /* between the interrupt and the end */
#define QUEUE_MAX 1024
#define WAITING_MAX 128
#define CLOSE_TIMEOUT 4008

typedef struct {
  dl_list_t link;
  dl_list_t runs; /* the first one is under way if `is_running` */
  dl_toolbox_t *tb;
  char *id, *cwd;
  dl_tb_time_t created;
  dl_worker_t *worker; /* NULL: it will be started */
  uv_timer_t limit, pace;
  int open_handles;
  size_t run_count;
  uint64_t taken; /* by the client, when the worker began to wait for it */
  bool is_default, is_running, is_interrupted, is_free_running, is_deleted;
  dl_req_t *delete_req;
} context_t;

typedef struct {
  dl_list_t link;
  dl_toolbox_t *tb;
  context_t *context; /* NULL before the first message */
  dl_ws_t *ws;        /* NULL once the client has gone */
  char *request;      /* for the worker */
  int64_t timeout_s;
} run_t;

static void advance(context_t *c);

/* --- memory --- */

static void on_handle_closed(uv_handle_t *handle) {
  context_t *c = handle->data;
  if (--c->open_handles > 0) return;
  free(c->id);
  free(c->cwd);
  free(c);
}

static void free_run(run_t *r) {
  dl_list_unlink(&r->link);
  free(r->request);
  free(r);
}

static context_t *find_context(dl_toolbox_t *tb, const char *id) {
  DL_LIST_EACH(tb->contexts, node) {
    context_t *c = DL_CONTAINER(node, context_t, link);
    if (strcmp(c->id, id) == 0) return c;
  }
  return NULL;
}

static context_t *new_context(dl_toolbox_t *tb, const char *id, const char *cwd) {
  context_t *c = dl_xcalloc(1, sizeof *c);
  c->tb = tb;
  c->id = dl_xstrdup(id);
  c->cwd = dl_tb_path(tb, cwd);
  c->created = dl_tb_now();
  c->is_default = strcmp(id, "default") == 0;
  dl_list_init(&c->runs);
  dl_list_push(tb->contexts, &c->link);
  uv_timer_init(tb->loop, &c->limit);
  uv_timer_init(tb->loop, &c->pace);
  c->limit.data = c->pace.data = c;
  c->open_handles = 2;
  return c;
}

/* --- the outcome of a run --- */

static run_t *current(context_t *c) {
  assert(!dl_list_empty(&c->runs));
  return DL_CONTAINER(c->runs.next, run_t, link);
}

static void close_run(context_t *c, run_t *r, int code, const char *reason) {
  assert(r->context == c && c->run_count > 0);
  if (r->ws != NULL) dl_ws_close(r->ws, code, reason);
  c->run_count--;
  free_run(r);
}

static void dispose(context_t *c) {
  dl_worker_kill(c->worker);
  c->worker = NULL;
  while (!dl_list_empty(&c->runs)) close_run(c, current(c), DL_WS_GOING_AWAY, "context shutdown");
  assert(c->run_count == 0);
  if (c->delete_req != NULL)
    dl_tb_reply_json(c->delete_req, 200, json_pack("{s:s}", "message", "Context deleted successfully"));
  dl_list_unlink(&c->link);
  uv_close((uv_handle_t *)&c->limit, on_handle_closed);
  uv_close((uv_handle_t *)&c->pace, on_handle_closed);
}

static void finish_run(context_t *c, int code, const char *reason) {
  assert(c->is_running);
  c->is_running = c->is_interrupted = c->is_free_running = false;
  uv_timer_stop(&c->limit);
  uv_timer_stop(&c->pace);
  if (c->worker != NULL) dl_worker_resume(c->worker);
  close_run(c, current(c), code, reason);
  if (c->is_deleted)
    dispose(c);
  else
    advance(c);
}

/* --- messages --- */

static void on_pace(uv_timer_t *timer);

static void start_pace(context_t *c, const run_t *r) {
  c->taken = dl_ws_taken(r->ws);
  uv_timer_start(&c->pace, on_pace, c->tb->reader_patience_ms, 0);
}

/* A client that has taken something meanwhile is slow, and gets more time. */
static void on_pace(uv_timer_t *timer) {
  context_t *c = timer->data;
  const run_t *r = current(c);
  if (r->ws != NULL && dl_ws_taken(r->ws) != c->taken) {
    start_pace(c, r);
    return;
  }
  c->is_free_running = true;
  if (c->worker != NULL) dl_worker_resume(c->worker);
}

/* Output waits for a client that is reading; one that is not gets dropped when its queue is full. */
static void forward(context_t *c, run_t *r, json_t *message) {
  char *text = dl_json_text(message);
  if (r->ws != NULL && !dl_ws_send(r->ws, DL_WS_TEXT, text, strlen(text))) r->ws = NULL;
  free(text);
  bool is_free = c->is_free_running || c->tb->reader_patience_ms == 0;
  if (r->ws == NULL || is_free || dl_ws_is_idle(r->ws)) return;
  dl_worker_pause(c->worker);
  start_pace(c, r);
}

/* Code can reach the worker's pipe if it tries, so nothing is passed on as it came. */
static json_t *rebuild(const json_t *said) {
  static const char *const FIELDS[] = {"type", "text", "name", "value", "traceback"};
  json_t *message = json_object();
  for (size_t i = 0; i < DL_COUNT(FIELDS); i++) {
    const char *text = dl_json_str(said, FIELDS[i]);
    json_object_set_new(message, FIELDS[i],
                        text != NULL ? json_copy(dl_json_get(said, FIELDS[i])) : json_string(""));
  }
  return message;
}

static bool is_known(const char *type) {
  static const char *const TYPES[] = {"stdout", "stderr", "error", "control"};
  for (size_t i = 0; type != NULL && i < DL_COUNT(TYPES); i++)
    if (strcmp(type, TYPES[i]) == 0) return true;
  return false;
}

static void on_worker_line(void *user, const char *line, size_t len) {
  context_t *c = user;
  char *failure = NULL;
  json_t *said = dl_json_parse(line, len, &failure);
  const char *type = said != NULL ? dl_json_str(said, "type") : NULL;
  free(failure);
  if (is_known(type) && c->is_running) {
    json_t *message = rebuild(said);
    forward(c, current(c), message);
    json_decref(message);
    if (strcmp(type, "control") == 0) {
      const char *text = dl_json_str(said, "text");
      bool is_done = text != NULL && strcmp(text, "completed") == 0;
      finish_run(c, is_done ? DL_WS_NORMAL : CLOSE_TIMEOUT, "");
    }
  }
  json_decref(said);
}

static void on_worker_end(void *user) {
  context_t *c = user;
  c->worker = NULL;
  if (c->is_running) finish_run(c, DL_WS_GOING_AWAY, "worker process ended");
}

/* --- running --- */

static int ensure_worker(context_t *c) {
  static const dl_worker_events_t events = {on_worker_line, on_worker_end};
  return c->worker != NULL ? 0 : dl_worker_start(c->tb, c->cwd, &events, c, &c->worker);
}

static void on_limit(uv_timer_t *timer) {
  context_t *c = timer->data;
  if (!c->is_interrupted) {
    c->is_interrupted = true;
    dl_worker_interrupt(c->worker);
    uv_timer_start(timer, on_limit, GRACE_MS, 0);
    return;
  }
  dl_worker_kill(c->worker);
  c->worker = NULL;
  if (c->is_deleted)
    finish_run(c, DL_WS_GOING_AWAY, "context shutdown");
  else
    finish_run(c, CLOSE_TIMEOUT, "");
}

static const char *why(const dl_toolbox_t *tb, int error) {
  if (error == ENOENT && tb->hidden_dir != NULL)
    return "the sandbox's image has no Python, or there is no such directory";
  return error == ENOENT ? "no Python, or no such directory" : strerror(error);
}

static void advance(context_t *c) {
  while (!c->is_running && !dl_list_empty(&c->runs)) {
    run_t *r = current(c);
    int error = ensure_worker(c);
    if (error != 0) {
      char *reason = dl_xprintf("failed to start the context: %s", why(c->tb, error));
      close_run(c, r, DL_WS_INTERNAL, reason);
      free(reason);
      continue;
    }
    c->is_running = true;
    dl_worker_send(c->worker, r->request);
    if (r->timeout_s > 0) uv_timer_start(&c->limit, on_limit, (uint64_t)r->timeout_s * 1000, 0);
  }
}

/* --- the first message --- */

static bool read_envs(const json_t *envs) {
  const char *name;
  json_t *value;
  if (envs == NULL) return true;
  if (!json_is_object(envs)) return false;
  json_object_foreach ((json_t *)envs, name, value) {
    if (!json_is_string(value) || *name == '\0' || strchr(name, '=') != NULL) return false;
    if (strlen(json_string_value(value)) != json_string_length(value)) return false;
  }
  return true;
}

/* The one that no program of the code could be started with; NULL: there is none. */
static const char *long_env(const json_t *envs) {
  const char *name;
  json_t *value;
  json_object_foreach ((json_t *)envs, name, value)
    if (strlen(name) + 1 + json_string_length(value) > DL_ENVIRON_TEXT_MAX) return name;
  return NULL;
}

/* 0, or the close code and *reason (yours to free). */
static int read_request(run_t *r, const json_t *body, char **reason) {
  json_t *code = dl_json_get_nocase(body, "code"), *timeout = dl_json_get_nocase(body, "timeout");
  json_t *id = dl_json_get_nocase(body, "contextId"), *envs = dl_json_get_nocase(body, "envs");
  if ((code != NULL && !json_is_string(code)) || (timeout != NULL && !json_is_integer(timeout)) ||
      (id != NULL && !json_is_string(id)) || !read_envs(envs)) {
    *reason = dl_xstrdup("invalid JSON payload");
    return DL_WS_PROTOCOL;
  }
  r->timeout_s = timeout != NULL ? json_integer_value(timeout) : TIMEOUT_S;
  const char *name = id != NULL ? json_string_value(id) : "default";
  context_t *c = find_context(r->tb, name);
  if (c == NULL && strcmp(name, "default") == 0) c = new_context(r->tb, name, NULL);
  if (code == NULL || json_string_length(code) == 0)
    *reason = dl_xstrdup("code is required");
  else if (envs != NULL && long_env(envs) != NULL)
    *reason = dl_xprintf("environment variable %.60s is too long", long_env(envs));
  else if (r->timeout_s < 0)
    *reason = dl_xstrdup("timeout must be greater than or equal to 0");
  else if (c == NULL)
    *reason = dl_xprintf("context not found: %s", name);
  else if (c->is_deleted)
    *reason = dl_xstrdup("context is not active");
  else if (c->run_count > WAITING_MAX)
    *reason = dl_xstrdup("too many executions wait for the context");
  if (*reason != NULL) return DL_WS_POLICY;
  if (r->timeout_s > INT32_MAX) r->timeout_s = 0;
  json_t *request = json_object();
  json_object_set(request, "code", code);
  json_object_set_new(request, "envs", envs != NULL ? json_incref(envs) : json_object());
  r->request = json_dumps(request, JSON_COMPACT | JSON_ENSURE_ASCII);
  json_decref(request);
  r->context = c;
  return 0;
}

static void on_message(dl_ws_t *ws, const char *bytes, size_t len, void *user) {
  run_t *r = user;
  char *failure = NULL, *reason = NULL;
  if (r->context != NULL) return; /* only the first one counts */
  json_t *body = dl_json_parse(bytes, len, &failure);
  free(failure);
  bool is_fit = body != NULL && (json_is_object(body) || json_is_null(body));
  int code = is_fit ? read_request(r, body, &reason) : DL_WS_PROTOCOL;
  json_decref(body);
  if (code != 0) {
    dl_ws_close(ws, code, reason != NULL ? reason : "invalid JSON payload");
    free(reason);
    free_run(r);
    return;
  }
  dl_list_push(&r->context->runs, &r->link);
  r->context->run_count++;
  advance(r->context);
}

static void on_open(dl_ws_t *ws, void *user) {
  run_t *r = user;
  r->ws = ws;
  if (ws == NULL) free_run(r);
}

static void on_drain(dl_ws_t *ws, void *user) {
  run_t *r = user;
  context_t *c = r->context;
  (void)ws;
  if (c == NULL || !c->is_running || current(c) != r) return;
  c->is_free_running = false;
  uv_timer_stop(&c->pace);
  dl_worker_resume(c->worker);
}

/* The code continues without its client. */
static void on_end(dl_ws_t *ws, void *user) {
  run_t *r = user;
  on_drain(ws, r);
  r->ws = NULL;
  if (r->context == NULL) free_run(r);
}

static void on_execute_ready(dl_req_t *req, const char *bytes, size_t len, void *user) {
  static const dl_ws_events_t events = {on_open, on_message, on_drain, on_end};
  static const dl_ws_opts_t opts = {DL_TB_BODY_MAX, QUEUE_MAX};
  run_t *r = dl_xcalloc(1, sizeof *r);
  (void)bytes, (void)len;
  r->tb = user;
  dl_list_init(&r->link);
  if (!dl_ws_accept(user, req, &opts, &events, r)) free_run(r);
}

static void on_execute(dl_req_t *req, void *user) { dl_tb_read_body_gated(user, req, on_execute_ready); }

/* --- contexts --- */

static json_t *context_json(const context_t *c) {
  return json_pack("{s:s, s:o, s:s, s:b, s:s}", "id", c->id, "cwd", dl_tb_text(c->cwd, strlen(c->cwd)),
                   "createdAt", c->created.text, "active", c->worker != NULL, "language", "python");
}

static void on_create_body(dl_req_t *req, const char *bytes, size_t len, void *user) {
  const char *cwd = NULL, *language = "python";
  json_t *body = dl_tb_body(req, bytes, len);
  if (body == NULL) return;
  if (dl_tb_field_text(req, body, "cwd", false, &cwd) &&
      dl_tb_field_text(req, body, "language", false, &language)) {
    if (*language != '\0' && strcmp(language, "python") != 0) {
      dl_tb_reply_error(req, 400, "the language '%s' is not supported, only python is", language);
    } else {
      context_t *c = new_context(user, dl_uuid_new().text, cwd);
      int error = ensure_worker(c);
      if (error == 0) {
        dl_tb_reply_json(req, 200, context_json(c));
      } else {
        dl_tb_reply_error(req, 500, "failed to start the context: %s", why(c->tb, error));
        dispose(c);
      }
    }
  }
  json_decref(body);
}

static void on_create(dl_req_t *req, void *user) { dl_tb_read_body_gated(user, req, on_create_body); }

static void on_list(dl_req_t *req, void *user) {
  dl_toolbox_t *tb = user;
  json_t *list = json_array();
  DL_LIST_EACH(tb->contexts, node) {
    const context_t *c = DL_CONTAINER(node, context_t, link);
    if (!c->is_default && !c->is_deleted) json_array_append_new(list, context_json(c));
  }
  dl_tb_reply_json(req, 200, json_pack("{s:o}", "contexts", list));
}

/* A run under way is interrupted, and has the usual time to end. */
static void on_delete(dl_req_t *req, void *user) {
  const char *id = dl_req_param(req, "id");
  context_t *c = find_context(user, id);
  if (strcmp(id, "default") == 0) {
    dl_tb_reply_error(req, 400, "the default context cannot be deleted");
  } else if (c == NULL || c->is_deleted) {
    dl_tb_reply_error_code(req, 404, "PROCESS_NOT_FOUND", "context not found");
  } else {
    c->is_deleted = true;
    c->delete_req = req;
    if (!c->is_running) {
      dispose(c);
    } else {
      c->is_interrupted = true;
      dl_worker_interrupt(c->worker);
      uv_timer_start(&c->limit, on_limit, GRACE_MS, 0);
    }
  }
}

dl_list_t *dl_interpreters_new(void) {
  dl_list_t *all = dl_xmalloc(sizeof *all);
  dl_list_init(all);
  return all;
}

void dl_interpreters_close(dl_toolbox_t *tb) {
  while (!dl_list_empty(tb->contexts)) dispose(DL_CONTAINER(tb->contexts->next, context_t, link));
  free(tb->contexts);
  tb->contexts = NULL;
}

static const dl_route_t ROUTES[] = {
  {"POST", "/process/interpreter/context", on_create, 0},
  {"GET", "/process/interpreter/context", on_list, 0},
  {"DELETE", "/process/interpreter/context/{id}", on_delete, 0},
  {"GET", "/process/interpreter/execute", on_execute, 0},
};
const dl_route_table_t DL_TB_INTERPRETER_ROUTES = {ROUTES, DL_COUNT(ROUTES)};
