/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests. Each becomes a question for the program daytona-local-desktop (src/desktop), which links what is needed to
 * speak on the bus, and which ends with its answer: a program that does not answer costs a process and not the toolbox.
 */
#include "toolbox/a11y/a11y.h"

#include "toolbox/a11y/session_bus.h"
#include "toolbox/core/fields.h"
#include "toolbox/core/reply.h"
#include "toolbox/core/run.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BODY_MAX (2u * 1024 * 1024)
#define LIMIT_S 45 /* the program's own limit is 30 s for a walk */
#define AT_ONCE_MAX 16
#define WORDS_MAX 16

struct dl_a11y {
  dl_session_bus_t bus;
  size_t running;
};

typedef struct {
  dl_toolbox_t *tb;
  dl_req_t *req;
  dl_run_t *run;
} asked_t;

/* --- the answer --- */

/* "STATUS\n" and the JSON of a success, or a message. */
static void pass_on(dl_req_t *req, const char *text, size_t len) {
  const char *end = memchr(text, '\n', len);
  int status = end != NULL ? atoi(text) : 0;
  size_t size = end != NULL ? len - (size_t)(end + 1 - text) : 0;
  if (status == 200) {
    dl_tb_add_request_id(req);
    dl_reply_bytes(req, 200, "application/json; charset=utf-8", end + 1, size);
  } else if (status == 503) {
    dl_tb_reply_error_code(req, 503, "A11Y_UNAVAILABLE", "%.*s", (int)size, end + 1);
  } else if (status == 400 || status == 404 || status == 500) {
    dl_tb_reply_error(req, status, "%.*s", (int)size, end + 1);
  } else {
    dl_tb_reply_error(req, 500, "the program that asks the accessibility bus has failed");
  }
}

static void dispose(asked_t *a) {
  assert(a->tb->a11y->running > 0);
  a->tb->a11y->running--;
  free(a);
}

static void on_done(void *user, const dl_run_result_t *result) {
  asked_t *a = user;
  if (result->timed_out)
    dl_tb_reply_error(a->req, 500, "the programs on the desktop did not answer in %d s", LIMIT_S);
  else if (result->start_error != 0 || result->is_truncated)
    dl_tb_reply_error(a->req, 500, "the accessibility bus could not be asked");
  else
    pass_on(a->req, result->output, result->output_len);
  dispose(a);
}

/* The response is still due, and goes nowhere. */
static void on_gone(dl_req_t *req, void *user) {
  asked_t *a = user;
  dl_run_cancel(a->run);
  dl_tb_reply_error(req, 400, "the client has gone");
  dispose(a);
}

/* `question` is taken. */
static void ask(dl_toolbox_t *tb, dl_req_t *req, json_t *question) {
  char *argv[WORDS_MAX];
  size_t count = 0;
  char *const *command = tb->desktop_command;
  while (command != NULL && command[count] != NULL && count < WORDS_MAX - 2) {
    argv[count] = command[count];
    count++;
  }
  if (count == 0) {
    dl_tb_reply_error_code(
      req, 503, "A11Y_UNAVAILABLE",
      "this server has no accessibility: daytona-local-desktop was not built (see docs/accessibility.md)");
  } else if (tb->a11y->running >= AT_ONCE_MAX) {
    dl_tb_reply_error(req, 429, "too many requests about accessibility are under way");
  } else {
    argv[count++] = "--a11y";
    argv[count] = NULL;
    char *input = dl_json_text(question);
    dl_run_opts_t opts = {.file = argv[0],
                          .argv = argv,
                          .environment = &tb->environment,
                          .cwd = "/",
                          .input = input,
                          .input_len = strlen(input),
                          .timeout_s = LIMIT_S,
                          .splits_errors = true,
                          .is_ours = true};
    asked_t *a = dl_xcalloc(1, sizeof *a);
    *a = (asked_t){tb, req, NULL};
    tb->a11y->running++;
    a->run = dl_run(tb, &opts, on_done, a);
    dl_req_on_gone(req, on_gone, a);
    free(input);
  }
  json_decref(question);
}

/* --- where to look --- */

/* False: the request was answered. `pid` is 0 when none was given. */
static bool check_scope(dl_req_t *req, const char *scope, int64_t pid) {
  static const char *const SCOPES[] = {"focused", "pid", "all"};
  bool is_known = scope == NULL;
  for (size_t i = 0; !is_known && i < DL_COUNT(SCOPES); i++) is_known = strcmp(scope, SCOPES[i]) == 0;
  if (!is_known)
    dl_tb_reply_error(req, 400, "there is no scope '%.64s'; there are focused, pid and all", scope);
  else if (scope != NULL && strcmp(scope, "pid") == 0 && pid <= 0)
    dl_tb_reply_error(req, 400, "the scope pid needs a pid, a positive number");
  else
    return true;
  return false;
}

static void add_scope(json_t *question, const char *scope, int64_t pid) {
  json_object_set_new(question, "scope", json_string(scope != NULL && *scope != '\0' ? scope : "focused"));
  json_object_set_new(question, "pid", json_integer(pid));
}

/* A whole number of the query; untouched when it is not there. False: the request was answered. */
static bool query_number(dl_req_t *req, const char *key, int64_t min, int64_t *out) {
  const char *text = dl_query_get(dl_req_query(req), key);
  if (text == NULL || *text == '\0' || dl_parse_int(text, min, INT32_MAX, out)) return true;
  dl_tb_reply_error(req, 400, "query parameter '%s' must be a whole number from %lld on", key,
                    (long long)min);
  return false;
}

static void on_tree(dl_req_t *req, void *user) {
  const char *scope = dl_query_get(dl_req_query(req), "scope");
  int64_t pid = 0, depth = -1;
  if (scope != NULL && *scope == '\0') scope = NULL;
  if (!query_number(req, "pid", 1, &pid) || !query_number(req, "maxDepth", -1, &depth) ||
      !check_scope(req, scope, pid))
    return;
  json_t *question = json_pack("{s:s, s:I}", "do", "tree", "maxDepth", (json_int_t)depth);
  add_scope(question, scope, pid);
  ask(user, req, question);
}

/* --- find --- */

/* NULL: the request was answered. */
static json_t *find_question(dl_req_t *req, const json_t *body) {
  const char *scope = NULL, *role = NULL, *name = NULL, *match = NULL;
  json_t *states = NULL;
  uint32_t pid = 0, limit = 0;
  if (!dl_tb_field_text(req, body, "scope", false, &scope) || !dl_tb_field_uint32(req, body, "pid", &pid) ||
      !dl_tb_field_text(req, body, "role", false, &role) ||
      !dl_tb_field_text(req, body, "name", false, &name) ||
      !dl_tb_field_text(req, body, "nameMatch", false, &match) ||
      !dl_tb_field_texts(req, body, "states", &states) || !dl_tb_field_uint32(req, body, "limit", &limit))
    return NULL;
  if (scope != NULL && *scope == '\0') scope = NULL;
  if (!check_scope(req, scope, pid)) return NULL;
  if (match != NULL && *match != '\0' && strcmp(match, "exact") != 0 && strcmp(match, "substring") != 0 &&
      strcmp(match, "regex") != 0) {
    dl_tb_reply_error(req, 400, "there is no nameMatch '%.64s'; there are exact, substring and regex", match);
    return NULL;
  }
  json_t *question = json_pack("{s:s, s:s*, s:s*, s:s*, s:O*, s:I}", "do", "find", "role", role, "name", name,
                               "nameMatch", match, "states", states, "limit", (json_int_t)limit);
  add_scope(question, scope, pid);
  return question;
}

static void on_find_body(dl_req_t *req, const char *bytes, size_t len, void *user) {
  json_t *body = dl_tb_body(req, bytes, len);
  json_t *question = body != NULL ? find_question(req, body) : NULL;
  if (question != NULL) ask(user, req, question);
  json_decref(body);
}

static void on_find(dl_req_t *req, void *user) { dl_req_read_body(req, BODY_MAX, on_find_body, user); }

/* --- one node --- */

/* `extra`: a field that is a text, or NULL; when `must` it may be empty but not missing. */
static void ask_node(dl_toolbox_t *tb, dl_req_t *req, const char *bytes, size_t len, const char *what,
                     const char *extra, bool must) {
  const char *id = NULL, *text = NULL;
  json_t *body = dl_tb_body(req, bytes, len);
  if (body != NULL && dl_tb_field_text(req, body, "id", true, &id) &&
      (extra == NULL || dl_tb_field_text(req, body, extra, false, &text))) {
    if (must && text == NULL)
      dl_tb_reply_error_code(req, 400, "INVALID_REQUEST_BODY", "invalid request body: field '%s' is required",
                             extra);
    else if (text != NULL)
      ask(tb, req, json_pack("{s:s, s:s, s:s}", "do", what, "id", id, extra, text));
    else
      ask(tb, req, json_pack("{s:s, s:s}", "do", what, "id", id));
  }
  json_decref(body);
}

static void on_focus_body(dl_req_t *req, const char *bytes, size_t len, void *user) {
  ask_node(user, req, bytes, len, "focus", NULL, false);
}

static void on_invoke_body(dl_req_t *req, const char *bytes, size_t len, void *user) {
  ask_node(user, req, bytes, len, "invoke", "action", false);
}

static void on_value_body(dl_req_t *req, const char *bytes, size_t len, void *user) {
  ask_node(user, req, bytes, len, "value", "value", true);
}

static void on_focus(dl_req_t *req, void *user) { dl_req_read_body(req, BODY_MAX, on_focus_body, user); }
static void on_invoke(dl_req_t *req, void *user) { dl_req_read_body(req, BODY_MAX, on_invoke_body, user); }
static void on_value(dl_req_t *req, void *user) { dl_req_read_body(req, BODY_MAX, on_value_body, user); }

/* --- all of it --- */

struct dl_a11y *dl_a11y_new(dl_toolbox_t *tb) {
  struct dl_a11y *a = dl_xcalloc(1, sizeof *a);
  dl_session_bus_init(&a->bus, tb);
  return a;
}

void dl_a11y_on_desktop(dl_toolbox_t *tb, bool starts) {
  if (starts)
    dl_session_bus_start(&tb->a11y->bus);
  else
    dl_session_bus_stop(&tb->a11y->bus);
}

int dl_a11y_state(const dl_toolbox_t *tb) {
  static const char *const LAUNCHERS[] = {"/usr/libexec/at-spi-bus-launcher",
                                          "/usr/lib/at-spi2-core/at-spi-bus-launcher"};
  for (size_t i = 0; i < DL_COUNT(LAUNCHERS); i++)
    if (access(LAUNCHERS[i], X_OK) == 0) return tb->a11y->bus.address != NULL;
  return -1;
}

void dl_a11y_close(dl_toolbox_t *tb) {
  dl_session_bus_stop(&tb->a11y->bus);
  free(tb->a11y);
  tb->a11y = NULL;
}

static const dl_route_t ROUTES[] = {
  {"GET", "/computeruse/a11y/tree", on_tree, 0},
  {"POST", "/computeruse/a11y/find", on_find, 0},
  {"POST", "/computeruse/a11y/node/focus", on_focus, 0},
  {"POST", "/computeruse/a11y/node/invoke", on_invoke, 0},
  {"POST", "/computeruse/a11y/node/value", on_value, 0},
};
const dl_route_table_t DL_TB_A11Y_ROUTES = {ROUTES, DL_COUNT(ROUTES)};
