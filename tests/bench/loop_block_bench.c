/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long the library holds up a loop: loop_block_bench BASE CA_FILE [BURST]
 *
 * Gets the sandbox "bench" and runs one command in it, or BURST of them at once, and prints the longest turn of each as
 * JSON: the CPU time of this thread between two looks at it, so that what else the machine does hardly counts. CA_FILE may
 * be "".
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <uv.h>

#include <daytona/daytona.h>

static double cpu_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static double turn(uv_loop_t *loop) {
  double before = cpu_ms();
  uv_run(loop, UV_RUN_ONCE);
  return cpu_ms() - before;
}

/* Turn the loop until the future has settled; the longest turn. */
static double longest_turn(uv_loop_t *loop, const daytona_future_t *future) {
  double longest = 0;
  while (!daytona_future_is_settled(future)) {
    double ms = turn(loop);
    if (ms > longest) longest = ms;
  }
  if (daytona_future_code(future) == DAYTONA_OK) return longest;
  fprintf(stderr, "loop_block_bench: %s\n", daytona_future_message(future));
  exit(1);
}

static void on_one(daytona_future_t *future, void *user) {
  if (daytona_future_code(future) != DAYTONA_OK) {
    fprintf(stderr, "loop_block_bench: %s\n", daytona_future_message(future));
    exit(1);
  }
  --*(int *)user;
}

/* The calls themselves, as one turn of the program would make them, and the longest turn until all have been answered. */
static void burst(uv_loop_t *loop, daytona_sandbox_t *sandbox, int calls) {
  int left = calls;
  double before = cpu_ms(), longest = 0;
  for (int i = 0; i < calls; i++)
    daytona_future_then(daytona_process_exec(sandbox, "x", NULL), on_one, &left);
  double asked = cpu_ms() - before;
  while (left != 0) {
    double ms = turn(loop);
    if (ms > longest) longest = ms;
  }
  printf("{\"calls_ms\": %.3f, \"turn_ms\": %.3f}\n", asked, longest);
}

int main(int count, char **arguments) {
  uv_loop_t *loop = uv_default_loop();
  char api[256];
  if (count != 3 && count != 4) {
    fprintf(stderr, "usage: loop_block_bench BASE CA_FILE [BURST]\n");
    return 2;
  }
  snprintf(api, sizeof api, "%s/api", arguments[1]);
  daytona_config_t config = {
    .api_key = "bench", .api_url = api, .ca_file = arguments[2], .ignores_environment = true};
  daytona_client_t *client;
  if (daytona_client_new(loop, &config, &client) != 0) return 1;
  daytona_future_t *future = daytona_sandbox_get(client, "bench", NULL);
  double first = longest_turn(loop, future);
  daytona_sandbox_t *sandbox = daytona_sandbox_retain(daytona_future_sandbox(future));
  daytona_future_release(future);
  if (count == 4) {
    burst(loop, sandbox, atoi(arguments[3]));
  } else {
    future = daytona_process_exec(sandbox, "x", NULL);
    double exec = longest_turn(loop, future);
    double before = cpu_ms();
    daytona_future_release(future);
    printf("{\"first_ms\": %.3f, \"exec_ms\": %.3f, \"release_ms\": %.3f}\n", first, exec, cpu_ms() - before);
  }
  daytona_sandbox_release(sandbox);
  daytona_client_close(client, NULL, NULL);
  daytona_client_release(client);
  uv_run(loop, UV_RUN_DEFAULT);
  return uv_loop_close(loop);
}
