/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run with as many secrets as there are kinds, for secret_logs.py: every line of the client's log goes to stderr, and
 * each secret that is only known now, such as a token, to stdout.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <daytona/daytona.h>
#include <uv.h>

/* What the program brings; secret_logs.py looks for all of them. */
#define ENV_VALUE "env-value-Zq81xM"
#define EXEC_ENV "exec-env-Jw72pL"
#define COMMAND_TEXT "command-text-Bv64nK"
#define CODE_TEXT "code_text_Hs53mJ"
#define FILE_TEXT "file-text-Gr42bH"
#define INPUT_TEXT "input-text-Fq31vG"
#define PTY_ENV "pty-env-Dn20cF"
#define PTY_INPUT "pty-input-Cm19xD"
#define GIT_PASSWORD "git-password-Xl08zC"
#define GIT_URL_PASSWORD "git-url-password-Yk97aX"
#define SESSION_TEXT "session-text-Tj86sY"
#define STORED_VALUE "stored-value-Rk75wZ"
#define STORED_LATER "stored-later-Qs64vY"

static uv_loop_t *loop;
static daytona_client_t *client;
static daytona_sandbox_t *sandbox;

static void on_log(daytona_log_level_t level, const char *line, void *user) {
  fprintf(stderr, "%d %s\n", (int)level, line);
}

static void secret(const char *text) { printf("%s\n", text); }

/* Wait for it, and say nothing of what it is: failures have their line in the log. */
static daytona_future_t *done(daytona_future_t *future) {
  daytona_future_await(future);
  return future;
}

static void finish(daytona_future_t *future) { daytona_future_release(done(future)); }

static void must(daytona_future_t *future, const char *what) {
  if (daytona_future_await(future) != 0) {
    fprintf(stderr, "failed: %s: %s\n", what, daytona_future_message(future));
    exit(1);
  }
}

static void make_sandbox(void) {
  static const daytona_pair_t env[] = {{"TOKEN", ENV_VALUE}}, stored[] = {{"STORED", "stored"}};
  const daytona_sandbox_create_opts_t opts = {.env = {env, 1}, .secrets = {stored, 1}};
  const daytona_secret_update_opts_t later = {.value = STORED_LATER};
  daytona_future_t *future = daytona_secret_create(client, "stored", STORED_VALUE, NULL);
  must(future, "create of a secret");
  finish(daytona_secret_update(client, daytona_future_secret(future)->id, &later));
  daytona_future_release(future);
  future = daytona_sandbox_create(client, &opts);
  must(future, "create");
  sandbox = daytona_sandbox_retain(daytona_future_sandbox(future));
  daytona_future_release(future);
}

static void run_things(void) {
  static const daytona_pair_t env[] = {{"SECRET", EXEC_ENV}};
  const daytona_process_exec_opts_t exec = {.env = {env, 1}};
  const daytona_process_code_run_opts_t code = {.env = {env, 1}};
  const daytona_interpreter_run_code_opts_t run = {.env = {env, 1}};
  finish(daytona_process_exec(sandbox, "echo " COMMAND_TEXT " $SECRET; false", &exec));
  finish(daytona_process_exec(sandbox, "cat /nowhere/" COMMAND_TEXT, &exec));
  finish(daytona_process_exec(sandbox, "test $STORED = " STORED_LATER " || exit 3; echo $STORED", NULL));
  finish(daytona_process_code_run(sandbox, "print('" CODE_TEXT "')", &code));
  finish(daytona_interpreter_run_code(sandbox, "raise ValueError('" CODE_TEXT "')", &run));
  finish(daytona_fs_upload(sandbox, FILE_TEXT, strlen(FILE_TEXT), "secret.txt", NULL));
  finish(daytona_fs_download(sandbox, "secret.txt", NULL));
  finish(daytona_fs_search_files(sandbox, ".", FILE_TEXT, NULL));
}

static void use_a_session(void) {
  const daytona_session_exec_opts_t async = {.run_async = true};
  finish(daytona_session_create(sandbox, "s", NULL));
  daytona_future_t *future =
    done(daytona_session_exec(sandbox, "s", "read line; echo " SESSION_TEXT, &async));
  const daytona_session_exec_result_t *result = daytona_future_session_exec_result(future);
  if (result != NULL) {
    finish(daytona_session_send_input(sandbox, "s", result->command_id, INPUT_TEXT, NULL));
    finish(daytona_session_follow(sandbox, "s", result->command_id, NULL));
  }
  daytona_future_release(future);
  finish(daytona_session_delete(sandbox, "s", NULL));
}

static void use_a_terminal(void) {
  static const daytona_pair_t env[] = {{"SECRET", PTY_ENV}};
  const daytona_pty_create_opts_t opts = {.env = {env, 1}};
  static const char typed[] = "echo " PTY_INPUT "; exit\n";
  daytona_future_t *future = done(daytona_pty_create(sandbox, &opts));
  daytona_pty_t *pty = daytona_future_pty(future);
  if (pty != NULL && daytona_pty_write(pty, typed, sizeof typed - 1) == 0) finish(daytona_pty_wait(pty));
  daytona_future_release(future);
}

static void use_git(void) {
  const daytona_git_clone_opts_t opts = {.credentials = {.username = "robot", .password = GIT_PASSWORD}};
  finish(daytona_git_clone(sandbox, "http://127.0.0.1:9/a.git", "a", &opts));
  finish(daytona_git_clone(sandbox, "http://robot:" GIT_URL_PASSWORD "@127.0.0.1:9/b.git", "b", NULL));
}

static void use_tokens(void) {
  daytona_future_t *future = done(daytona_sandbox_get_preview_link(sandbox, 8080, NULL));
  const daytona_preview_link_t *link = daytona_future_preview_link(future);
  if (link != NULL && link->token != NULL) secret(link->token);
  daytona_future_release(future);
  future = done(daytona_sandbox_create_signed_preview_url(sandbox, 8080, NULL));
  link = daytona_future_preview_link(future);
  if (link != NULL && link->token != NULL) {
    secret(link->token);
    finish(daytona_sandbox_expire_signed_preview_url(sandbox, 8080, link->token, NULL));
  }
  daytona_future_release(future);
  future = done(daytona_sandbox_create_ssh_access(sandbox, NULL));
  const daytona_ssh_access_t *access = daytona_future_ssh_access(future);
  if (access != NULL) {
    secret(access->token);
    finish(daytona_sandbox_validate_ssh_access(sandbox, access->token, NULL));
    finish(daytona_sandbox_revoke_ssh_access(sandbox, access->token, NULL));
  }
  daytona_future_release(future);
}

static void on_closed(void *user) { *(int *)user = 1; }

int main(void) {
  int is_closed = 0;
  const daytona_config_t config = {.log = on_log};
  loop = uv_default_loop();
  if (daytona_client_new(loop, &config, &client) != 0) return 1;
  make_sandbox();
  run_things();
  use_a_session();
  use_a_terminal();
  use_git();
  use_tokens();
  finish(daytona_sandbox_delete(sandbox, NULL));
  daytona_sandbox_release(sandbox);
  daytona_client_close(client, on_closed, &is_closed);
  daytona_client_release(client);
  uv_run(loop, UV_RUN_DEFAULT);
  return uv_loop_close(loop) != 0 || !is_closed;
}
