/* SPDX-License-Identifier: Apache-2.0 */
/* A program of somebody who has installed the library: creates a sandbox, runs a command, leaves nothing. */
#include <stdio.h>
#include <uv.h>
#include <daytona/daytona.h>

#if !DAYTONA_VERSION_AT_LEAST(0, 1, 0) || DAYTONA_VERSION_AT_LEAST(200, 0, 0)
#error "the version macros do not compare"
#endif

static int failures;

static void on_deleted(daytona_future_t *f, void *client) {
  failures += daytona_future_code(f) != DAYTONA_OK;
  daytona_client_close((daytona_client_t *)client, NULL, NULL);
}

static void on_exec(daytona_future_t *f, void *user) {
  daytona_sandbox_t *sandbox = (daytona_sandbox_t *)user;
  const daytona_exec_result_t *r = daytona_future_exec_result(f);
  if (r != NULL) printf("%s", r->result);
  failures += r == NULL || r->exit_code != 0;
  daytona_future_then(daytona_sandbox_delete(sandbox, NULL), on_deleted, daytona_sandbox_client(sandbox));
  daytona_sandbox_release(sandbox);
}

static void on_create(daytona_future_t *f, void *user) {
  daytona_client_t *client = (daytona_client_t *)user;
  daytona_sandbox_t *sandbox = daytona_future_sandbox(f);
  if (sandbox != NULL) {
    daytona_future_then(daytona_process_exec(sandbox, "echo from the sandbox", NULL), on_exec,
                        daytona_sandbox_retain(sandbox));
  } else {
    fprintf(stderr, "%s\n", daytona_future_message(f));
    failures++;
    daytona_client_close(client, NULL, NULL);
  }
}

int main(void) {
  daytona_client_t *client;
  if (daytona_client_new(uv_default_loop(), NULL, &client) != 0) return 1;
  daytona_future_then(daytona_sandbox_create(client, NULL), on_create, client);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  daytona_client_release(client);
  return failures != 0 || uv_loop_close(uv_default_loop()) != 0;
}
