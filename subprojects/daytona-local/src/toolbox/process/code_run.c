/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /process/code-run: a program text in Python, JavaScript or TypeScript, answered when it
 * is over, with the charts it has shown.
 *
 * Every element of argv is one argument of the program. The programs are started without a shell
 * between, so nothing in argv is interpreted.
 */
#include "http/http.h"
#include "toolbox/core/fields.h"
#include "toolbox/core/gate.h"
#include "toolbox/core/reply.h"
#include "toolbox/core/run.h"
#include "toolbox/core/scripts.h"
#include "toolbox/core/spawn.h"
#include "toolbox/core/text.h"
#include "toolbox/process/artifact.h"
#include "toolbox/process/process.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How ts_driver.js says that it has found nothing to translate with. */
#define NO_TYPESCRIPT "dtn_no_typescript\n"
#define NO_TYPESCRIPT_STATUS 97
/* The kernel takes 128 KiB for one argument. */
#define ARGUMENT_MAX (128u * 1024 - 64)

typedef struct {
  dl_req_t *req;
  const struct language *language;
} code_run_t;

/* What is run: arguments before argv, and the text for standard input. */
typedef struct {
  const char *program;
  const char *args[6];
  dl_buf_t input;
  char *owned;
} plan_t;

typedef struct language {
  const char *name, *program;
  void (*prepare)(const dl_toolbox_t *tb, const char *code, bool has_args, plan_t *p);
} language_t;

/* --- the languages --- */

/* A line, not commented out before that point, that looks like an import of matplotlib. */
static bool imports_matplotlib(const char *code) {
  static const char *const SIGNS[] = {"import matplotlib",
                                      "from matplotlib",
                                      "__import__('matplotlib'",
                                      "__import__(\"matplotlib\"",
                                      "importlib.import_module('matplotlib'",
                                      "importlib.import_module(\"matplotlib\"",
                                      "loader.load_module('matplotlib'",
                                      "loader.load_module(\"matplotlib\"",
                                      "sys.modules['matplotlib']",
                                      "sys.modules[\"matplotlib\"]"};
  for (size_t i = 0; i < DL_COUNT(SIGNS); i++) {
    for (const char *at = code; (at = strstr(at, SIGNS[i])) != NULL; at++) {
      const char *line = at;
      while (line > code && line[-1] != '\n') line--;
      if (memchr(line, '#', (size_t)(at - line)) == NULL) return true;
    }
  }
  return false;
}

/* The wrapper takes the program from its last line, see charts.py. */
static void prepare_python(const dl_toolbox_t *tb, const char *code, bool has_args, plan_t *p) {
  (void)tb, (void)has_args;
  p->args[0] = "-u";
  p->args[1] = "-";
  if (!imports_matplotlib(code)) {
    dl_buf_puts(&p->input, code);
    return;
  }
  dl_buf_puts(&p->input, DL_SCRIPT_CHARTS_PY);
  dl_buf_puts(&p->input, "\nrun(\"");
  dl_tb_put_base64(&p->input, code);
  dl_buf_puts(&p->input, "\")\n");
}

/* With arguments Node calls a program on standard input "-" in process.argv[1], where clients expect their own. The
 * statement that removes it shows in errors of the line it is in, so it is for code alone that is too long for an
 * argument of its own. It must not come before a "use strict". */
static void put_with_splice(const char *code, plan_t *p) {
  static const char statement[] = ";process.argv.splice(1,1);";
  size_t at = strspn(code, " \t\r\n");
  if (strncmp(code + at, "'use strict'", 12) == 0 || strncmp(code + at, "\"use strict\"", 12) == 0)
    at += 12;
  else
    at = 0;
  dl_buf_append(&p->input, code, at);
  dl_buf_puts(&p->input, statement);
  if (at == 0 && dl_starts_with(code, "#!")) {
    dl_buf_puts(&p->input, "//");
    code += 2;
  }
  dl_buf_puts(&p->input, code + at);
}

static void prepare_javascript(const dl_toolbox_t *tb, const char *code, bool has_args, plan_t *p) {
  (void)tb;
  if (!has_args) { /* then there is no "-" either */
    dl_buf_puts(&p->input, code);
  } else if (strlen(code) < ARGUMENT_MAX) {
    p->owned = dl_xprintf("--eval=%s", code);
    p->args[0] = p->owned;
    p->args[1] = "--";
  } else {
    p->args[0] = "-";
    put_with_splice(code, p);
  }
}

/* The directory of the typescript package, or "" to let Node do what it can by itself. */
static char *find_typescript(const dl_toolbox_t *tb) {
  char *own[] = {tb->node_modules ? dl_xstrdup(tb->node_modules) : NULL,
                 dl_xprintf("%s/node_modules", tb->work_dir),
                 dl_xprintf("%s/node_modules", tb->home),
                 dl_xstrdup("/usr/local/lib/node_modules"),
                 dl_xstrdup("/usr/lib/node_modules"),
                 dl_xstrdup("/usr/share/nodejs")};
  char *found = NULL;
  for (size_t i = 0; i < DL_COUNT(own); i++) {
    char *package = found == NULL && own[i] != NULL ? dl_xprintf("%s/typescript/package.json", own[i]) : NULL;
    if (package != NULL && access(package, R_OK) == 0) found = dl_xprintf("%s/typescript", own[i]);
    free(package);
    free(own[i]);
  }
  return found != NULL ? found : dl_xstrdup("");
}

static void prepare_typescript(const dl_toolbox_t *tb, const char *code, bool has_args, plan_t *p) {
  (void)has_args;
  p->owned = find_typescript(tb);
  p->args[0] = "-e";
  p->args[1] = DL_SCRIPT_TS_DRIVER_JS;
  p->args[2] = "--";
  p->args[3] = p->owned;
  dl_buf_puts(&p->input, code);
}

static const language_t LANGUAGES[] = {
  {"python", "python3", prepare_python},
  {"javascript", "node", prepare_javascript},
  {"typescript", "node", prepare_typescript},
};

/* --- the response --- */

static void reply(dl_req_t *req, int exit_code, const char *output, size_t len) {
  json_t *charts, *answer = json_object();
  dl_buf_t rest;
  dl_artifacts_take(output, len, &rest, &charts);
  json_object_set_new(answer, "exitCode", json_integer(exit_code));
  json_object_set_new(answer, "result", dl_tb_text(rest.data ? rest.data : "", rest.len));
  if (charts != NULL) json_object_set_new(answer, "artifacts", json_pack("{s:o}", "charts", charts));
  dl_buf_clear(&rest);
  dl_tb_reply_json(req, 200, answer);
}

static void on_done(void *user, const dl_run_result_t *result) {
  code_run_t *c = user;
  if (result->timed_out) {
    dl_tb_reply_error_code(c->req, 408, "PROCESS_EXECUTION_TIMEOUT", "command execution timeout");
  } else if (result->start_error != 0) {
    char reason[128];
    dl_tb_errno_text(result->start_error, reason, sizeof reason);
    char *message = dl_xprintf("fork/exec %s: %s", c->language->program, reason);
    reply(c->req, -1, message, strlen(message));
    free(message);
  } else if (dl_run_exit_code(result) == NO_TYPESCRIPT_STATUS &&
             result->output_len == strlen(NO_TYPESCRIPT) &&
             memcmp(result->output, NO_TYPESCRIPT, result->output_len) == 0) {
    dl_tb_reply_error(
      c->req, 501,
      "typescript needs the npm package 'typescript' (in the sandbox's node_modules, globally, or given to "
      "the server with --node-modules) or Node.js 22.13 or newer");
  } else {
    reply(c->req, dl_run_exit_code(result), result->output, result->output_len);
  }
  free(c);
}

/* --- the request --- */

static void start(dl_toolbox_t *tb, dl_req_t *req, const language_t *l, const char *code, const json_t *argv,
                  const dl_environ_t *environment, uint32_t timeout_s) {
  char *file = dl_process_find(environment, l->program);
  if (file == NULL) { /* what a shell would have said */
    char *message = dl_xprintf("%s: command not found%s%s\n", l->program,
                               tb->hidden_dir != NULL ? ": the sandbox's image has no " : "",
                               tb->hidden_dir != NULL ? l->program : "");
    reply(req, 127, message, strlen(message));
    free(message);
    return;
  }
  plan_t p = {.program = l->program};
  dl_buf_init(&p.input, DL_TB_BODY_MAX * 2);
  l->prepare(tb, code, json_array_size(argv) > 0, &p);
  char **args = dl_xcalloc(DL_COUNT(p.args) + json_array_size(argv) + 2, sizeof *args);
  size_t count = 0, i;
  json_t *item;
  args[count++] = (char *)p.program;
  for (i = 0; i < DL_COUNT(p.args) && p.args[i] != NULL; i++) args[count++] = (char *)p.args[i];
  json_array_foreach (argv, i, item) args[count++] = (char *)json_string_value(item);
  dl_run_opts_t run = {.file = file,
                       .argv = args,
                       .environment = environment,
                       .cwd = tb->work_dir,
                       .input = p.input.data ? p.input.data : "",
                       .input_len = p.input.len,
                       .timeout_s = timeout_s};
  if (dl_tb_can_start(req, environment, args)) {
    code_run_t *c = dl_xcalloc(1, sizeof *c);
    c->req = req;
    c->language = l;
    dl_run(tb, &run, on_done, c);
  }
  dl_buf_clear(&p.input);
  free(p.owned);
  free(args);
  free(file);
}

static void run_code(dl_toolbox_t *tb, dl_req_t *req, const json_t *body) {
  const char *code = NULL, *name = NULL, *key;
  json_t *argv = NULL, *envs = NULL, *value;
  uint32_t timeout_s = 0;
  if (!dl_tb_field_text(req, body, "code", true, &code) ||
      !dl_tb_field_text(req, body, "language", true, &name) || !dl_tb_field_texts(req, body, "argv", &argv) ||
      !dl_tb_field_uint32(req, body, "timeout", &timeout_s) || !dl_tb_field_envs(req, body, "envs", &envs))
    return;
  size_t at;
  json_array_foreach (argv, at, value) {
    if (json_string_length(value) <= DL_ENVIRON_TEXT_MAX) continue;
    dl_tb_reply_error(req, 400, "argv[%zu] is too long: %zu bytes, %u at most", at, json_string_length(value),
                      DL_ENVIRON_TEXT_MAX);
    return;
  }
  const language_t *l = NULL;
  for (size_t i = 0; i < DL_COUNT(LANGUAGES); i++)
    if (strcmp(LANGUAGES[i].name, name) == 0) l = &LANGUAGES[i];
  if (l == NULL) {
    dl_tb_reply_error(req, 400, "unsupported language: %s", name);
    return;
  }
  dl_environ_t environment;
  dl_environ_copy(&environment, &tb->environment);
  json_object_foreach (envs, key, value) dl_environ_set(&environment, key, json_string_value(value));
  start(tb, req, l, code, argv, &environment, timeout_s);
  dl_environ_clear(&environment);
}

static void on_body(dl_req_t *req, const char *bytes, size_t len, void *user) {
  json_t *body = dl_tb_body(req, bytes, len);
  if (body == NULL) return;
  run_code(user, req, body);
  json_decref(body);
}

static void on_code_run(dl_req_t *req, void *user) { dl_tb_read_body_gated(user, req, on_body); }

static const dl_route_t ROUTES[] = {{"POST", "/process/code-run", on_code_run, 0}};
const dl_route_table_t DL_TB_CODE_ROUTES = {ROUTES, DL_COUNT(ROUTES)};
