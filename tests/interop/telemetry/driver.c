/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls whose telemetry compare.py looks at, as sdk.py makes them. With "names": reads names of functions, and prints the
 * name of each one's span.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <daytona/daytona.h>

#include "call/telemetry_names.h"

static int print_names(void) {
  char line[256];
  daytona__span_names_t names;
  while (fgets(line, sizeof line, stdin) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    daytona__span_names(line, &names);
    printf("%s\n", names.span);
  }
  return 0;
}

/* Wait for it; with `code` it must have failed so. */
static daytona_future_t *settled(daytona_future_t *future, daytona_errcode_t code) {
  daytona_future_await(future);
  if (daytona_future_code(future) == code) return future;
  fprintf(stderr, "driver: %s\n",
          daytona_future_error(future) != NULL ? daytona_future_error(future)->message : "it has succeeded");
  exit(1);
}

static void done(daytona_future_t *future) { daytona_future_release(settled(future, DAYTONA_OK)); }

static void use_files(daytona_sandbox_t *sandbox) {
  done(daytona_fs_create_folder(sandbox, "d", "755", NULL));
  done(daytona_fs_upload(sandbox, "x", 1, "d/f", NULL));
  done(daytona_fs_list_files(sandbox, "d", NULL));
  done(daytona_fs_move_files(sandbox, "d/f", "d/g", NULL));
  done(daytona_fs_download(sandbox, "d/g", NULL));
  daytona_future_release(settled(daytona_fs_get_file_info(sandbox, "none", NULL), DAYTONA_EFILE_NOT_FOUND));
}

static void use_processes(daytona_sandbox_t *sandbox) {
  done(daytona_process_exec(sandbox, "echo x", NULL));
  done(daytona_process_code_run(sandbox, "print(1)", NULL));
  done(daytona_session_create(sandbox, "s", NULL));
  done(daytona_session_exec(sandbox, "s", "echo x", NULL));
  done(daytona_session_list(sandbox, NULL));
  done(daytona_session_delete(sandbox, "s", NULL));
}

static void use_git(daytona_sandbox_t *sandbox) {
  static const char *const all[] = {"."};
  const daytona_strings_t files = {all, 1};
  done(daytona_git_init(sandbox, "r", NULL));
  done(daytona_fs_upload(sandbox, "x", 1, "r/f", NULL));
  done(daytona_git_add(sandbox, "r", &files, NULL));
  done(daytona_git_commit(sandbox, "r", "m", "a", "a@b.c", NULL));
  done(daytona_git_get_status(sandbox, "r", NULL));
  done(daytona_git_list_branches(sandbox, "r", NULL));
}

static void use_terminals(daytona_sandbox_t *sandbox) {
  daytona_future_t *future =
    settled(daytona_pty_create(sandbox, &(daytona_pty_create_opts_t){.id = "p"}), DAYTONA_OK);
  done(daytona_pty_list(sandbox, NULL));
  done(daytona_pty_kill(sandbox, "p", NULL));
  daytona_future_release(future);
}

static void walk(daytona_client_t *client) {
  daytona_sandbox_iter_t *iter;
  if (daytona_sandbox_iter_new(client, NULL, &iter) != 0) exit(1);
  done(daytona_sandbox_iter_next(iter));
  daytona_sandbox_iter_release(iter);
}

static void use_sandbox(daytona_client_t *client, daytona_sandbox_t *sandbox) {
  static const daytona_pair_t label = {"a", "b"};
  const daytona_map_t labels = {&label, 1};
  use_files(sandbox);
  use_processes(sandbox);
  use_git(sandbox);
  use_terminals(sandbox);
  walk(client);
  done(daytona_sandbox_set_labels(sandbox, &labels, NULL));
  done(daytona_sandbox_get_work_dir(sandbox, NULL));
  done(daytona_sandbox_get_preview_link(sandbox, 3000, NULL));
  done(daytona_sandbox_stop(sandbox, NULL));
  done(daytona_sandbox_start(sandbox, NULL));
  done(daytona_sandbox_delete(sandbox, NULL));
}

int main(int count, char **arguments) {
  daytona_client_t *client;
  if (count > 1 && strcmp(arguments[1], "names") == 0) return print_names();
  if (daytona_client_new(uv_default_loop(), NULL, &client) != 0) return 1;
  daytona_future_t *future = settled(daytona_sandbox_create(client, NULL), DAYTONA_OK);
  use_sandbox(client, daytona_future_sandbox(future));
  daytona_future_release(future);
  done(daytona_snapshot_list(client, NULL));
  daytona_future_release(settled(daytona_volume_get(client, "none", NULL), DAYTONA_ENOTFOUND));
  daytona_client_close(client, NULL, NULL);
  daytona_client_release(client);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  return uv_loop_close(uv_default_loop());
}
