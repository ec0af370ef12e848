/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From asking for a sandbox to the output of its first command, in ms: create_bench ROUNDS [snapshot|build IMAGE]
 *
 * Without IMAGE from the default snapshot; "snapshot": from one that is made of IMAGE before; "build": from an image
 * declared on IMAGE, which the first round builds and all others find built.
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

static daytona_sandbox_create_opts_t create_opts = {.timeout_ms = 300000};

static void prepare(daytona_client_t *client, const char *kind, const char *name) {
  static const char *const commands[] = {"mkdir -p /data && echo built > /data/mark"};
  const daytona_snapshot_create_opts_t opts = {.image_name = name};
  if (strcmp(kind, "snapshot") == 0) {
    daytona_future_release(must(daytona_snapshot_create(client, "bench", &opts)));
    create_opts.snapshot = "bench";
  } else {
    create_opts.image = daytona_image_base(name);
    daytona_image_run_commands(create_opts.image, &(daytona_strings_t){commands, 1});
  }
}

static double round_ms(daytona_client_t *client) {
  static const daytona_sandbox_lifecycle_opts_t until_gone = {.waits = true};
  uint64_t begin = uv_hrtime();
  daytona_future_t *created = must(daytona_sandbox_create(client, &create_opts));
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
  int rounds = count == 2 || count == 4 ? atoi(arguments[1]) : 0;
  daytona_client_t *client;
  if (rounds < 1) {
    fprintf(stderr, "usage: create_bench ROUNDS [snapshot|build IMAGE]\n");
    return 2;
  }
  if (daytona_client_new(uv_default_loop(), NULL, &client) != 0) return 1;
  if (count == 4) prepare(client, arguments[2], arguments[3]);
  round_ms(client); /* the first pays for what is made once */
  for (int i = 0; i < rounds; i++) printf("%.3f\n", round_ms(client));
  daytona_image_release(create_opts.image);
  daytona_client_close(client, NULL, NULL);
  daytona_client_release(client);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  return uv_loop_close(uv_default_loop());
}
