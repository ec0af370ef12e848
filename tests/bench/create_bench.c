/*
 * From asking for a sandbox to the output of its first command, in ms: create_bench ROUNDS
 *
 * Each round creates a sandbox, runs a command in it, and deletes it; the deletion is not measured. The
 * server and the key come from the environment. Prints the times of the rounds, one a line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include <daytona/daytona.h>

static daytona_future_t *must(daytona_future_t *future) {
  if (daytona_future_await(future) == 0) return future;
  fprintf(stderr, "create_bench: %s\n", daytona_future_error(future)->message);
  exit(1);
}

static double round_ms(daytona_client_t *client) {
  static const daytona_sandbox_lifecycle_opts_t until_gone = {.waits = true};
  uint64_t begin = uv_hrtime();
  daytona_future_t *created = must(daytona_sandbox_create(client, NULL));
  daytona_sandbox_t *sandbox = daytona_future_sandbox(created);
  daytona_future_t *executed = must(daytona_process_exec(sandbox, "echo hello", NULL));
  uint64_t end = uv_hrtime();
  if (strcmp(daytona_future_exec_result(executed)->result, "hello\n") != 0) {
    fprintf(stderr, "create_bench: unexpected output\n");
    exit(1);
  }
  daytona_future_release(executed);
  daytona_future_release(must(daytona_sandbox_delete(sandbox, &until_gone)));
  daytona_future_release(created);
  return (double)(end - begin) / 1e6;
}

int main(int count, char **arguments) {
  int rounds = count == 2 ? atoi(arguments[1]) : 0;
  daytona_client_t *client;
  if (rounds < 1) {
    fprintf(stderr, "usage: create_bench ROUNDS\n");
    return 2;
  }
  if (daytona_client_new(uv_default_loop(), NULL, &client) != 0) return 1;
  round_ms(client); /* the first pays for what is made once */
  for (int i = 0; i < rounds; i++) printf("%.3f\n", round_ms(client));
  daytona_client_close(client, NULL, NULL);
  daytona_client_release(client);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  return uv_loop_close(uv_default_loop());
}
