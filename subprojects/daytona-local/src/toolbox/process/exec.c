/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /process/execute: one shell command, answered when it is over.
 *
 * The shell reads the command from its standard input, so a command can be of any length and a
 * child that reads standard input eats the rest of it: clients know this from the platform. A
 * client that goes away does not stop the command.
 */
#include "base/jsonx.h"
#include "http/http.h"
#include "toolbox/core/fields.h"
#include "toolbox/core/gate.h"
#include "toolbox/core/reply.h"
#include "toolbox/core/run.h"
#include "toolbox/core/spawn.h"
#include "toolbox/core/text.h"
#include "toolbox/process/process.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

typedef struct {
  dl_req_t *req;
  char *shell;
} execution_t;

static void on_done(void *user, const dl_run_result_t *result) {
  execution_t *e = user;
  if (result->timed_out) {
    dl_tb_reply_error_code(e->req, 408, "PROCESS_EXECUTION_TIMEOUT", "command execution timeout");
  } else {
    int exit_code = WIFEXITED(result->status) ? WEXITSTATUS(result->status) : -1;
    json_t *text;
    if (result->start_error != 0) {
      char reason[128];
      dl_tb_errno_text(result->start_error, reason, sizeof reason);
      char *message = dl_xprintf("fork/exec %s: %s", e->shell, reason);
      text = dl_tb_text(message, strlen(message));
      exit_code = -1;
      free(message);
    } else {
      text = dl_tb_text(result->output, result->output_len);
    }
    json_t *answer = json_object();
    json_object_set_new(answer, "exitCode", json_integer(exit_code));
    json_object_set_new(answer, "result", text);
    dl_tb_reply_json(e->req, 200, answer);
  }
  free(e->shell);
  free(e);
}

static bool is_blank(const char *text) {
  while (isspace((unsigned char)*text)) text++;
  return *text == '\0';
}

static void execute(dl_toolbox_t *tb, dl_req_t *req, const json_t *body) {
  const char *command = NULL, *cwd = NULL;
  uint32_t timeout_s = 0;
  json_t *envs = NULL;
  if (!dl_tb_field_text(req, body, "command", true, &command) ||
      !dl_tb_field_text(req, body, "cwd", false, &cwd) ||
      !dl_tb_field_uint32(req, body, "timeout", &timeout_s) || !dl_tb_field_envs(req, body, "envs", &envs))
    return;
  if (is_blank(command)) {
    dl_tb_reply_error(req, 400, "empty command");
    return;
  }
  dl_environ_t environment;
  dl_environ_copy(&environment, &tb->environment);
  const char *name;
  json_t *value;
  json_object_foreach (envs, name, value) dl_environ_set(&environment, name, json_string_value(value));
  if (!dl_tb_can_start(req, &environment, NULL)) {
    dl_environ_clear(&environment);
    return;
  }
  execution_t *e = dl_xcalloc(1, sizeof *e);
  e->req = req;
  e->shell = dl_process_shell(&tb->environment);
  char *dir = dl_tb_path(tb, cwd);
  char *argv[] = {e->shell, NULL};
  dl_run_opts_t run = {.file = e->shell,
                       .argv = argv,
                       .environment = &environment,
                       .cwd = dir,
                       .input = command,
                       .input_len = strlen(command),
                       .timeout_s = timeout_s};
  dl_run(tb, &run, on_done, e);
  free(dir);
  dl_environ_clear(&environment);
}

static void on_body(dl_req_t *req, const char *bytes, size_t len, void *user) {
  json_t *body = dl_tb_body(req, bytes, len);
  if (body == NULL) return;
  execute(user, req, body);
  json_decref(body);
}

static void on_execute(dl_req_t *req, void *user) { dl_tb_read_body_gated(user, req, on_body); }

static const dl_route_t ROUTES[] = {{"POST", "/process/execute", on_execute, 0}};
const dl_route_table_t DL_TB_EXEC_ROUTES = {ROUTES, DL_COUNT(ROUTES)};
