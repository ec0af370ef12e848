/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See steps.h.
 */
#define _GNU_SOURCE /* asprintf */
#include "steps.h"

#include <stdio.h>
#include <stdlib.h>

#include <uv.h>

bool succeeds(daytona_future_t *future) {
  if (daytona_future_await(future) == DAYTONA_OK) return true;
  fprintf(stderr, "%s\n", daytona_future_message(future));
  return false;
}

bool is_done(daytona_future_t *future) {
  bool ok = succeeds(future);
  daytona_future_release(future);
  return ok;
}

daytona_sandbox_t *take_sandbox(daytona_future_t *future) {
  daytona_sandbox_t *sandbox =
    succeeds(future) ? daytona_sandbox_retain(daytona_future_sandbox(future)) : NULL;
  daytona_future_release(future);
  return sandbox;
}

bool run_and_print(daytona_sandbox_t *sandbox, const char *command) {
  daytona_future_t *future = daytona_process_exec(sandbox, command, NULL);
  bool ok = succeeds(future);
  if (ok) {
    const daytona_exec_result_t *result = daytona_future_exec_result(future);
    printf("$ %s\n%s", command, result->result);
    ok = result->exit_code == 0;
    if (!ok) fprintf(stderr, "exit code %d\n", result->exit_code);
  }
  daytona_future_release(future);
  return ok;
}

/* It must not hold the output of the command that starts it. */
bool run_in_background(daytona_sandbox_t *sandbox, const char *command, const char *log) {
  char *text;
  if (asprintf(&text, "(%s) >>%s 2>&1 </dev/null &", command, log != NULL ? log : "/dev/null") < 0)
    return false;
  bool ok = run_and_print(sandbox, text);
  free(text);
  return ok;
}

bool discard(daytona_sandbox_t *sandbox) {
  const daytona_sandbox_lifecycle_opts_t waits = {.waits = true};
  if (sandbox == NULL) return true;
  bool ok = is_done(daytona_sandbox_delete(sandbox, &waits));
  daytona_sandbox_release(sandbox);
  return ok;
}

daytona_client_t *open_client_with(const daytona_config_t *config, const char *program, int status) {
  daytona_client_t *client;
  if (daytona_client_new(uv_default_loop(), config, &client) == 0) return client;
  char reason[256];
  daytona_config_check(config, reason, sizeof reason);
  fprintf(stderr, "%s%s%s\n", program, program[0] != '\0' ? ": " : "", reason);
  exit(status);
}

daytona_client_t *open_client(void) { return open_client_with(NULL, "", EXIT_FAILURE); }

bool close_client(daytona_client_t *client) {
  daytona_client_close(client, NULL, NULL);
  daytona_client_release(client);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  return uv_loop_close(uv_default_loop()) == 0;
}
