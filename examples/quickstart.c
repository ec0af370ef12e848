/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main job, in the callback style: create a sandbox, run commands and code in it, delete it.
 *
 *   daytona-local run -- quickstart        with no account
 *   DAYTONA_API_KEY=... quickstart         against the service
 *
 * Nothing here waits: each callback starts the next step, and the program ends when the loop has nothing
 * left to do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include <daytona/daytona.h>

typedef struct step {
  const char *title;
  const char *text;
  const char *language; /* NULL: a shell command */
} step_t;

static const step_t steps[] = {
  {"shell", "echo hello from $(uname -s), as $(whoami) in $PWD", NULL},
  {"a failing command", "ls /nowhere; exit 3", NULL},
  {"python", "import sys\nprint('python', sys.version.split()[0], sum(range(101)))", "python"},
  {"javascript", "console.log('node', process.version, [3, 1, 2].sort())", "javascript"},
  {"typescript", "const n: number = 6 * 7\nconsole.log('typescript', n)", "typescript"},
};

typedef struct quickstart {
  daytona_client_t *client;
  daytona_sandbox_t *sandbox;
  size_t next;
  uint64_t began_ns;
  int status;
} quickstart_t;

static void on_closed(void *user) { (void)user; }

static void finish(quickstart_t *self, int status) {
  self->status = status;
  daytona_sandbox_release(self->sandbox);
  self->sandbox = NULL;
  daytona_client_close(self->client, on_closed, self);
}

static void on_deleted(daytona_future_t *future, void *user) {
  quickstart_t *self = user;
  const daytona_error_t *error = daytona_future_error(future);
  if (error != NULL) {
    fprintf(stderr, "%s\n", error->message);
    finish(self, EXIT_FAILURE);
    return;
  }
  printf("deleted\n");
  finish(self, self->status);
}

static void delete_sandbox(quickstart_t *self) {
  daytona_sandbox_lifecycle_opts_t opts = {.waits = true};
  daytona_future_then(daytona_sandbox_delete(self->sandbox, &opts), on_deleted, self);
}

static void run_next(quickstart_t *self);

static void on_step(daytona_future_t *future, void *user) {
  quickstart_t *self = user;
  const daytona_exec_result_t *result = daytona_future_exec_result(future);
  if (result == NULL) {
    fprintf(stderr, "%s\n", daytona_future_message(future));
    self->status = EXIT_FAILURE;
    delete_sandbox(self);
    return;
  }
  if (self->next == 1)
    printf("create to first output: %.1f ms\n", (double)(uv_hrtime() - self->began_ns) / 1e6);
  printf("%s: exit code %d\n%s", steps[self->next - 1].title, result->exit_code, result->result);
  run_next(self);
}

static void run_next(quickstart_t *self) {
  if (self->next == sizeof steps / sizeof steps[0]) {
    delete_sandbox(self);
    return;
  }
  const step_t *step = &steps[self->next++];
  daytona_process_code_run_opts_t code_opts = {.language = step->language};
  daytona_future_then(step->language == NULL
                        ? daytona_process_exec(self->sandbox, step->text, NULL)
                        : daytona_process_code_run(self->sandbox, step->text, &code_opts),
                      on_step, self);
}

static void on_created(daytona_future_t *future, void *user) {
  quickstart_t *self = user;
  daytona_sandbox_t *sandbox = daytona_future_sandbox(future);
  if (sandbox == NULL) {
    fprintf(stderr, "%s\n", daytona_future_message(future));
    finish(self, EXIT_FAILURE);
    return;
  }
  self->sandbox = daytona_sandbox_retain(sandbox); /* the future's would go with the future */
  printf("sandbox %s: %s\n", daytona_sandbox_id(sandbox),
         daytona_sandbox_state_name(daytona_sandbox_state(sandbox)));
  run_next(self);
}

int main(int argc, char **argv) {
  quickstart_t self = {.status = EXIT_SUCCESS};
  if (argc > 1) {
    bool is_help = strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0;
    fputs("usage: quickstart\nCreate a sandbox, run commands and code in it, delete it.\n",
          is_help ? stdout : stderr);
    return is_help ? EXIT_SUCCESS : 2;
  }
  uv_loop_t *loop = uv_default_loop();
  if (daytona_client_new(loop, NULL, &self.client) != 0) { /* NULL: from the environment */
    char reason[256];
    daytona_config_check(NULL, reason, sizeof reason);
    fprintf(stderr, "%s\n", reason);
    return EXIT_FAILURE;
  }
  self.began_ns = uv_hrtime();
  daytona_future_then(daytona_sandbox_create(self.client, NULL), on_created, &self);
  uv_run(loop, UV_RUN_DEFAULT);
  daytona_client_release(self.client);
  int rc = uv_loop_close(loop); /* 0: nothing of ours is left */
  return rc != 0 ? EXIT_FAILURE : self.status;
}
