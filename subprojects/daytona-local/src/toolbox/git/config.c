/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings of git, for a repository, the user or the sandbox, and stored credentials.
 */
#include "toolbox/git/internal.h"

#include "base/buf.h"
#include "base/jsonx.h"
#include "http/http.h"
#include "toolbox/core/fields.h"
#include "toolbox/core/reply.h"
#include "toolbox/core/text.h"

#include <stdlib.h>
#include <string.h>

/* "--global" and so on; NULL: answered. A local setting needs the path of a repository. */
static const char *scope_option(dl_req_t *req, const char *scope, const char *path) {
  if (scope == NULL || *scope == '\0' || strcmp(scope, "global") == 0) return "--global";
  if (strcmp(scope, "system") == 0) return "--system";
  if (strcmp(scope, "local") != 0)
    dl_tb_reply_error(req, 400, "invalid scope: must be global, local or system");
  else if (path == NULL || *path == '\0')
    dl_tb_reply_error(req, 400, "path is required for scope local");
  else
    return "--local";
  return NULL;
}

/* Settings of the user and the system need no repository. */
static dl_git_t *new_for(dl_toolbox_t *tb, dl_req_t *req, json_t *body, const char *option,
                         const char *path) {
  return dl_git_new(tb, req, body, strcmp(option, "--local") == 0 ? path : NULL);
}

/* --- one setting --- */

static void on_value(dl_git_t *g, const dl_run_result_t *result) {
  bool is_set = dl_git_exit_code(result) == 0;
  bool is_unset = dl_git_exit_code(result) == 1 && result->errors_len == 0;
  if (!is_set && !is_unset)
    dl_git_fail(g, result);
  else
    dl_git_reply(
      g, 200,
      json_pack("{s:o}", "value", is_set ? dl_tb_text(result->output, strlen(result->output)) : json_null()));
}

void dl_git_config_get(dl_toolbox_t *tb, dl_req_t *req) {
  const dl_query_t *query = dl_req_query(req);
  const char *key = dl_query_get(query, "key"), *path = dl_query_get(query, "path");
  if (key == NULL || *key == '\0') {
    dl_tb_reply_error(req, 400, "key is required");
    return;
  }
  if (!dl_git_name_ok(req, "key", key)) return;
  const char *option = scope_option(req, dl_query_get(query, "scope"), path);
  if (option == NULL) return;
  DL_GIT_RUN(new_for(tb, req, NULL, option, path), on_value, "config", option, "--null", "--get", key);
}

/* The fields that both POSTs share. NULL: answered. */
static dl_git_t *begin(dl_toolbox_t *tb, dl_req_t *req, json_t *body, const char **option) {
  const char *scope = NULL, *path = NULL;
  if (dl_tb_field_text(req, body, "scope", false, &scope) &&
      dl_tb_field_text(req, body, "path", false, &path) && (*option = scope_option(req, scope, path)) != NULL)
    return new_for(tb, req, body, *option, path);
  json_decref(body);
  return NULL;
}

void dl_git_config_set(dl_toolbox_t *tb, dl_req_t *req, json_t *body) {
  const char *option = NULL, *value = "";
  dl_git_t *g = begin(tb, req, body, &option);
  if (g == NULL) return;
  if (!dl_tb_field_text(req, body, "key", true, &g->name) ||
      !dl_tb_field_text(req, body, "value", false, &value) || !dl_git_name_ok(req, "key", g->name)) {
    dl_git_drop(g);
    return;
  }
  DL_GIT_RUN(g, dl_git_done, "config", option, "--replace-all", g->name, value);
}

/* --- the user --- */

static void on_name_set(dl_git_t *g, const dl_run_result_t *result) {
  if (dl_git_ok(g, result))
    DL_GIT_RUN(g, dl_git_done, "config", g->target, "--replace-all", "user.email", g->name);
}

void dl_git_config_user(dl_toolbox_t *tb, dl_req_t *req, json_t *body) {
  const char *option = NULL, *name = NULL;
  dl_git_t *g = begin(tb, req, body, &option);
  if (g == NULL) return;
  if (!dl_tb_field_text(req, body, "name", true, &name) ||
      !dl_tb_field_text(req, body, "email", true, &g->name)) {
    dl_git_drop(g);
    return;
  }
  g->target = option;
  DL_GIT_RUN(g, on_name_set, "config", option, "--replace-all", "user.name", name);
}

/* --- stored credentials --- */

static void on_helper_set(dl_git_t *g, const dl_run_result_t *result) {
  if (!dl_git_ok(g, result)) return;
  dl_buf_t input;
  dl_buf_init(&input, DL_TB_BODY_MAX * 2);
  dl_buf_printf(&input, "protocol=%s\nhost=%s\nusername=%s\npassword=%s\n\n", g->target, g->name, g->username,
                g->password);
  dl_git_exec(g, NULL, dl_git_done, input.data, input.len,
              (const char *const[]){"credential-store", "store", NULL});
  explicit_bzero(input.data, input.len);
  dl_buf_clear(&input);
}

void dl_git_credentials(dl_toolbox_t *tb, dl_req_t *req, json_t *body) {
  dl_git_t *g = dl_git_new(tb, req, body, NULL);
  if (!dl_tb_field_text(req, body, "username", true, &g->username) ||
      !dl_tb_field_text(req, body, "password", true, &g->password) ||
      !dl_tb_field_text(req, body, "host", false, &g->name) ||
      !dl_tb_field_text(req, body, "protocol", false, &g->target)) {
    dl_git_drop(g);
    return;
  }
  dl_git_keep_secret(g, g->password);
  if (g->name == NULL || *g->name == '\0') g->name = "github.com";
  if (g->target == NULL || *g->target == '\0') g->target = "https";
  const char *const fields[] = {g->username, g->password, g->name, g->target};
  for (size_t i = 0; i < DL_COUNT(fields); i++) {
    if (strpbrk(fields[i], "\r\n") == NULL) continue;
    dl_git_fail_as(g, 400, NULL, "credentials must not contain line breaks");
    return;
  }
  /* Beside helpers that are there already, and only once. */
  DL_GIT_RUN(g, on_helper_set, "config", "--global", "--replace-all", "credential.helper", "store",
             "^store$");
}
