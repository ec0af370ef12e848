/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Git in a sandbox: clone, branch, commit, push, with a remote that the example makes itself.
 *
 *   daytona-local run -- git
 *
 * The steps are a table of functions that each start one call; on_step() starts the next one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include <daytona/daytona.h>

#include "shared/options.h"
#include "shared/steps.h"

typedef struct example {
  daytona_client_t *client;
  daytona_sandbox_t *sandbox;
  size_t next;
  int status;
} example_t;

typedef struct step {
  const char *title;
  daytona_future_t *(*start)(daytona_sandbox_t *sandbox);
  void (*show)(daytona_future_t *future); /* NULL: nothing to show */
} step_t;

/* --- the steps --------------------------------------------------------------------------------- */

static daytona_future_t *make_remote(daytona_sandbox_t *sandbox) {
  return daytona_process_exec(
    sandbox,
    "git init -q -b main seed && cd seed && echo '# Notes' > README.md && git add . && "
    "git -c user.name=Seed -c user.email=seed@example.com commit -q -m 'first commit' && "
    "git clone -q --bare . ../remote.git && cd .. && rm -r seed",
    NULL);
}

static daytona_future_t *clone_remote(daytona_sandbox_t *sandbox) {
  return daytona_git_clone(sandbox, "remote.git", "work", NULL);
}

static daytona_future_t *create_branch(daytona_sandbox_t *sandbox) {
  return daytona_git_create_branch(sandbox, "work", "greeting", NULL);
}

static daytona_future_t *write_file(daytona_sandbox_t *sandbox) {
  return daytona_process_exec(sandbox, "echo 'Hello from a sandbox.' > work/hello.txt", NULL);
}

static daytona_future_t *get_status(daytona_sandbox_t *sandbox) {
  return daytona_git_get_status(sandbox, "work", NULL);
}

static void show_status(daytona_future_t *future) {
  const daytona_git_status_t *status = daytona_future_git_status(future);
  printf("  on branch %s%s\n", status->current_branch, status->is_published ? ", published" : "");
  for (size_t i = 0; i < status->file_count; i++)
    printf("  %s: %s\n", status->files[i]->name, status->files[i]->staging);
}

static daytona_future_t *add_files(daytona_sandbox_t *sandbox) {
  static const char *const names[] = {"hello.txt"};
  static const daytona_strings_t files = {names, 1};
  return daytona_git_add(sandbox, "work", &files, NULL);
}

static daytona_future_t *commit(daytona_sandbox_t *sandbox) {
  return daytona_git_commit(sandbox, "work", "say hello", "Example", "example@example.com", NULL);
}

static void show_commit(daytona_future_t *future) {
  printf("  commit %.12s\n", daytona_future_string(future));
}

static daytona_future_t *push(daytona_sandbox_t *sandbox) {
  daytona_git_remote_opts_t opts = {.set_upstream = true};
  return daytona_git_push(sandbox, "work", &opts);
}

static daytona_future_t *log_remote(daytona_sandbox_t *sandbox) {
  return daytona_process_exec(sandbox, "git -C remote.git log --format='  %an: %s' greeting", NULL);
}

static void show_output(daytona_future_t *future) {
  fputs(daytona_future_exec_result(future)->result, stdout);
}

static const step_t steps[] = {
  {"make a repository to clone from", make_remote, NULL},
  {"clone it", clone_remote, NULL},
  {"create and check out a branch", create_branch, NULL},
  {"write a file", write_file, NULL},
  {"look at the changes", get_status, show_status},
  {"stage the file", add_files, NULL},
  {"commit", commit, show_commit},
  {"push the branch", push, NULL},
  {"look again", get_status, show_status},
  {"what the remote has now", log_remote, show_output},
};

/* --- one after the other ----------------------------------------------------------------------- */

static void on_closed(void *user) { (void)user; }

static void finish(example_t *self, const daytona_error_t *error) {
  if (error != NULL) {
    fprintf(stderr, "%s\n", error->message);
    self->status = EXIT_FAILURE;
  }
  daytona_sandbox_release(self->sandbox);
  self->sandbox = NULL;
  daytona_client_close(self->client, on_closed, self);
}

static void on_deleted(daytona_future_t *future, void *user) { finish(user, daytona_future_error(future)); }

static void run_next(example_t *self);

static void on_step(daytona_future_t *future, void *user) {
  example_t *self = user;
  const step_t *step = &steps[self->next++];
  const daytona_error_t *error = daytona_future_error(future);
  bool is_shell = strcmp(daytona_future_kind(future), "exec_result") == 0;
  const daytona_exec_result_t *shell = is_shell ? daytona_future_exec_result(future) : NULL;
  if (error != NULL || (shell != NULL && shell->exit_code != 0)) {
    fprintf(stderr, "%s\n", error != NULL ? error->message : shell->result);
    self->status = EXIT_FAILURE;
    self->next = sizeof steps / sizeof steps[0];
  } else if (step->show != NULL) {
    step->show(future);
  }
  run_next(self);
}

static void run_next(example_t *self) {
  if (self->next == sizeof steps / sizeof steps[0]) {
    daytona_future_then(daytona_sandbox_delete(self->sandbox, NULL), on_deleted, self);
    return;
  }
  printf("%s\n", steps[self->next].title);
  daytona_future_then(steps[self->next].start(self->sandbox), on_step, self);
}

static void on_created(daytona_future_t *future, void *user) {
  example_t *self = user;
  if (daytona_future_sandbox(future) == NULL) {
    finish(self, daytona_future_error(future));
    return;
  }
  self->sandbox = daytona_sandbox_retain(daytona_future_sandbox(future));
  run_next(self);
}

static const char usage[] =
  "usage: git\n"
  "Clone, branch, commit and push in a fresh sandbox, to a repository that is made there.\n";

int main(int argc, char **argv) {
  example_t self = {.status = EXIT_SUCCESS};
  if (parse_options(argc, argv, usage, NULL, 0) != argc) refuse_arguments(usage, "only options, please");
  self.client = open_client();
  daytona_future_then(daytona_sandbox_create(self.client, NULL), on_created, &self);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  daytona_client_release(self.client);
  int rc = uv_loop_close(uv_default_loop());
  return rc != 0 ? EXIT_FAILURE : self.status;
}
