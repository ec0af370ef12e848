/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request of the git noun: its environment, its commands, its end.
 *
 * The environment of git is the sandbox's without GIT_*, plus what keeps it from asking questions,
 * from running hooks of its own side (the platform's daemon knows none, and they would see the
 * credentials), and from looking for a repository above the folder that was named.
 */
#include "toolbox/git/internal.h"

#include "toolbox/core/reply.h"
#include "toolbox/core/spawn.h"
#include "toolbox/core/text.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX 24
#define BASIC "Authorization: Basic "

static const struct {
  const char *key, *value;
} SETTINGS[] = {
  {"core.hooksPath", "/dev/null"},
  {"core.quotePath", "false"},
  {"core.askPass", ""},
  {"core.fsmonitor", "false"},
  {"color.ui", "false"},
  {"commit.gpgSign", "false"},
  {"push.gpgSign", "false"},
  {"push.followTags", "false"},
  {"push.recurseSubmodules", "no"},
  {"log.showSignature", "false"},
  {"advice.detachedHead", "false"},
  {"gc.auto", "0"},
  {"maintenance.auto", "false"},
  {"safe.directory", "*"},
  {"fetch.recurseSubmodules", "false"},
  {"submodule.recurse", "false"},
  {"http.lowSpeedLimit", "1"},
  {"http.lowSpeedTime", "120"},
  {"protocol.ext.allow", "never"},
};

static const char *const VARIABLES[][2] = {
  {"GIT_TERMINAL_PROMPT", "0"},
  {"GIT_ASKPASS", ""},
  {"SSH_ASKPASS", ""},
  {"GIT_EDITOR", "true"},
  {"GIT_PAGER", "cat"},
  {"GIT_LITERAL_PATHSPECS", "1"},
  {"GIT_OPTIONAL_LOCKS", "0"},
  {"LC_ALL", "C"},
  {"GIT_ALLOW_PROTOCOL", "file:git:http:https"},
  {"LANGUAGE", "C"},
};

static void drop_git_variables(dl_environ_t *e) {
  for (size_t i = e->count; i-- > 0;) {
    if (!dl_starts_with(e->pairs[i], "GIT_") || dl_starts_with(e->pairs[i], "GIT_SSL_")) continue;
    char *name = dl_xstrndup(e->pairs[i], strcspn(e->pairs[i], "="));
    dl_environ_unset(e, name);
    free(name);
  }
}

/* Its programs, templates and certificates are not where it was built to find them, and what an image has the loader do
 * (LD_PRELOAD) is meant for the image's programs. */
static void set_hidden(dl_git_t *g) {
  static const char *const LOADER[] = {"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT"};
  static const char CERTIFICATES[] = "/etc/ssl/certs/ca-certificates.crt";
  const char *place = g->tb->hidden_dir;
  char *programs = dl_xprintf("%s/git", place),
       *templates = dl_xprintf("%s/usr/share/git-core/templates", place),
       *certificates = dl_xprintf("%s/certs/ca-certificates.crt", place);
  if (access(programs, X_OK) == 0) {
    dl_environ_set(&g->environment, "GIT_EXEC_PATH", programs);
    dl_environ_set(&g->environment, "GIT_TEMPLATE_DIR", templates);
    if (access(CERTIFICATES, R_OK) != 0 && dl_environ_get(&g->environment, "GIT_SSL_CAINFO") == NULL)
      dl_environ_set(&g->environment, "GIT_SSL_CAINFO", certificates);
    for (size_t i = 0; i < DL_COUNT(LOADER); i++) dl_environ_unset(&g->environment, LOADER[i]);
  }
  free(programs);
  free(templates);
  free(certificates);
}

/* git compares real paths. */
static void set_ceiling(dl_git_t *g) {
  char *real = realpath(g->path, NULL);
  char *folder = dl_xstrdup(real != NULL ? real : g->path);
  char *slash = strrchr(folder, '/');
  slash[slash == folder] = '\0';
  dl_environ_set(&g->environment, "GIT_CEILING_DIRECTORIES", folder);
  free(folder);
  free(real);
}

dl_git_t *dl_git_new(dl_toolbox_t *tb, dl_req_t *req, json_t *body, const char *path) {
  dl_git_t *g = dl_xcalloc(1, sizeof *g);
  g->tb = tb;
  g->req = req;
  g->body = body;
  g->path = dl_tb_path(tb, path);
  g->timeout_s = DL_GIT_LOCAL_S;
  dl_environ_copy(&g->environment, &tb->environment);
  drop_git_variables(&g->environment);
  if (tb->hidden_dir != NULL) set_hidden(g);
  for (size_t i = 0; i < DL_COUNT(VARIABLES); i++)
    dl_environ_set(&g->environment, VARIABLES[i][0], VARIABLES[i][1]);
  set_ceiling(g);
  for (size_t i = 0; i < DL_COUNT(SETTINGS); i++) dl_git_set(g, SETTINGS[i].key, SETTINGS[i].value);
  return g;
}

static void wipe(char *text) {
  if (text != NULL) explicit_bzero(text, strlen(text));
  free(text);
}

static void end(dl_git_t *g) {
  assert(g->secret_count <= DL_GIT_SECRETS_MAX);
  for (size_t i = 0; i < g->environment.count; i++)
    explicit_bzero(g->environment.pairs[i], strlen(g->environment.pairs[i]));
  dl_environ_clear(&g->environment);
  for (size_t i = 0; i < g->secret_count; i++) wipe(g->secrets[i]);
  json_decref(g->body);
  free(g->path);
  wipe(g->plain_url);
  free(g->branch);
  free(g->hash);
  free(g);
}

void dl_git_set(dl_git_t *g, const char *key, const char *value) {
  char name[48], count[16];
  snprintf(name, sizeof name, "GIT_CONFIG_KEY_%u", g->setting_count);
  dl_environ_set(&g->environment, name, key);
  snprintf(name, sizeof name, "GIT_CONFIG_VALUE_%u", g->setting_count);
  dl_environ_set(&g->environment, name, value);
  snprintf(count, sizeof count, "%u", ++g->setting_count);
  dl_environ_set(&g->environment, "GIT_CONFIG_COUNT", count);
}

void dl_git_keep_secret(dl_git_t *g, const char *text) {
  if (text == NULL || *text == '\0' || g->secret_count == DL_GIT_SECRETS_MAX) return;
  g->secrets[g->secret_count++] = dl_xstrdup(text);
}

void dl_git_use_credentials(dl_git_t *g, const char *url, const char *username, const char *password) {
  char *base = dl_git_url_base(url);
  dl_git_keep_secret(g, password);
  if (base == NULL) return;
  char *key = dl_xprintf("http.%s.extraHeader", base);
  char *plain = dl_xprintf("%s:%s", username, password);
  dl_buf_t value;
  dl_buf_init(&value, SIZE_MAX);
  dl_buf_puts(&value, BASIC);
  dl_tb_put_base64(&value, plain);
  dl_git_keep_secret(g, value.data + strlen(BASIC));
  dl_git_set(g, key, value.data);
  /* Refused credentials are an error; those stored in the sandbox are not tried instead. */
  dl_git_set(g, "credential.helper", "");
  explicit_bzero(value.data, value.len);
  dl_buf_clear(&value);
  wipe(plain);
  free(key);
  free(base);
}

static void on_run(void *user, const dl_run_result_t *result) {
  dl_git_t *g = user;
  g->step(g, result);
}

void dl_git_exec(dl_git_t *g, const char *cwd, dl_git_step_fn step, const char *input, size_t input_len,
                 const char *const *args) {
  dl_git_exec_program(g, "git", cwd, step, input, input_len, args);
}

/* In a box on an image it is the server's own git, which is there in every image and whose words we know. */
static char *find_program(const dl_git_t *g, const char *name) {
  char *own = g->tb->hidden_dir != NULL ? dl_xprintf("%s/git/%s", g->tb->hidden_dir, name) : NULL;
  if (own != NULL && access(own, X_OK) == 0) return own;
  free(own);
  return dl_process_find(&g->environment, name);
}

void dl_git_exec_program(dl_git_t *g, const char *name, const char *cwd, dl_git_step_fn step,
                         const char *input, size_t input_len, const char *const *args) {
  char *argv[ARGS_MAX + 2] = {(char *)name};
  char *file = find_program(g, name);
  if (file == NULL) {
    dl_git_fail_as(g, 500, NULL, "%s is not installed in the sandbox", name);
    return;
  }
  for (size_t i = 0; args[i] != NULL; i++) {
    assert(i < ARGS_MAX);
    argv[i + 1] = (char *)args[i];
  }
  g->step = step;
  dl_run_opts_t run = {.file = file,
                       .argv = argv,
                       .environment = &g->environment,
                       .cwd = cwd != NULL ? cwd : g->path,
                       .input = input,
                       .input_len = input_len,
                       .timeout_s = g->timeout_s,
                       .splits_errors = true};
  dl_run(g->tb, &run, on_run, g);
  free(file);
}

int dl_git_exit_code(const dl_run_result_t *result) {
  if (result->start_error != 0 || result->timed_out || !WIFEXITED(result->status)) return -1;
  return WEXITSTATUS(result->status);
}

bool dl_git_ok(dl_git_t *g, const dl_run_result_t *result) {
  if (dl_git_exit_code(result) == 0 && !result->is_truncated) return true;
  dl_git_fail(g, result);
  return false;
}

bool dl_git_answered(dl_git_t *g, const dl_run_result_t *result, bool *yes) {
  int code = dl_git_exit_code(result);
  *yes = code == 0;
  if ((code == 0 || code == 1) && !result->is_truncated) return true;
  dl_git_fail(g, result);
  return false;
}

void dl_git_drop(dl_git_t *g) { end(g); }

void dl_git_reply(dl_git_t *g, int status, json_t *value) {
  if (value != NULL) {
    dl_tb_reply_json(g->req, status, value);
  } else {
    dl_tb_add_request_id(g->req);
    dl_reply_empty(g->req, status);
  }
  end(g);
}

void dl_git_done(dl_git_t *g, const dl_run_result_t *result) {
  if (dl_git_ok(g, result)) dl_git_reply(g, 200, NULL);
}

void dl_git_created(dl_git_t *g, const dl_run_result_t *result) {
  if (dl_git_ok(g, result)) dl_git_reply(g, 201, NULL);
}

void dl_git_fail_as(dl_git_t *g, int status, const char *code, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  char *message = dl_xvprintf(fmt, args);
  va_end(args);
  char *clean = dl_git_blot(message, g->secrets, g->secret_count);
  if (code != NULL)
    dl_tb_reply_error_code(g->req, status, code, "%s", clean);
  else
    dl_tb_reply_error(g->req, status, "%s", clean);
  free(clean);
  wipe(message);
  end(g);
}

static void fail_start(dl_git_t *g, int error) {
  char reason[128];
  dl_tb_errno_text(error, reason, sizeof reason);
  if (error == ENOENT || error == ENOTDIR)
    dl_git_fail_as(g, 404, "GIT_REPO_NOT_FOUND", "repository not found: %s: %s", g->path, reason);
  else if (error == E2BIG)
    dl_git_fail_as(g, 400, NULL, "a value of the request is too long to be given to git");
  else if (error == EACCES || error == EPERM)
    dl_git_fail_as(g, 403, NULL, "%s: %s", g->path, reason);
  else
    dl_git_fail_as(g, 500, NULL, "cannot run git: %s", reason);
}

void dl_git_fail(dl_git_t *g, const dl_run_result_t *result) {
  if (result->start_error != 0) {
    fail_start(g, result->start_error);
  } else if (result->timed_out) {
    bool is_network = g->timeout_s == DL_GIT_NETWORK_S;
    dl_git_fail_as(g, is_network ? 502 : 500, is_network ? "GIT_TRANSPORT_FAILED" : NULL,
                   "git did not finish within %u seconds", (unsigned)g->timeout_s);
  } else if (result->is_truncated) {
    dl_git_fail_as(g, 500, NULL, "git wrote more than %u bytes", DL_TB_OUTPUT_MAX);
  } else {
    /* What failed is on standard error, except for a push and a commit. */
    char *text = dl_xprintf("%s\n%.8192s", result->errors, result->output);
    char *summary = dl_git_summary(text);
    dl_git_error_t e = dl_git_classify(text);
    if (*summary == '\0')
      dl_git_fail_as(g, e.status, e.code, "git ended with %d", dl_git_exit_code(result));
    else
      dl_git_fail_as(g, e.status, e.code, "%s", summary);
    wipe(summary);
    wipe(text);
  }
}
