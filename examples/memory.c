/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of the library, from an allocator of the program's own: how much it takes, at most and at the end.
 *
 *   daytona-local run -- memory --commands 200
 *
 * What is worth a look: the allocator is set before anything else is called, and put back only when every block is free again;
 * daytona_memory_set_allocator() refuses otherwise, so this program knows that nothing was lost.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/options.h"
#include "shared/steps.h"

enum { COMMANDS_MAX = 1000 };

static const char usage[] =
  "usage: memory [OPTIONS]\n"
  "Runs commands side by side in a sandbox, and prints what the library allocates for that.\n";

typedef struct count {
  size_t blocks, bytes, most_blocks, most_bytes;
} count_t;

static void *counted(count_t *count, void *block) {
  if (block == NULL) return NULL;
  count->bytes += malloc_usable_size(block);
  if (++count->blocks > count->most_blocks) count->most_blocks = count->blocks;
  if (count->bytes > count->most_bytes) count->most_bytes = count->bytes;
  return block;
}

static void uncount(count_t *count, void *block) {
  if (block == NULL) return;
  count->bytes -= malloc_usable_size(block);
  count->blocks--;
}

static void *on_malloc(size_t size, void *user) { return counted(user, malloc(size)); }

static void *on_calloc(size_t number, size_t size, void *user) { return counted(user, calloc(number, size)); }

/* When there is no memory the old block stays. */
static void *on_realloc(void *block, size_t size, void *user) {
  uncount(user, block);
  void *bigger = realloc(block, size);
  if (bigger == NULL && size != 0) counted(user, block);
  return counted(user, bigger);
}

static void on_free(void *block, void *user) {
  uncount(user, block);
  free(block);
}

static bool run_all(daytona_client_t *client, daytona_sandbox_t *sandbox, int number) {
  daytona_future_t *runs[COMMANDS_MAX];
  for (int i = 0; i < number; i++) runs[i] = daytona_process_exec(sandbox, "seq 1000", NULL);
  return is_done(daytona_future_all(client, runs, (size_t)number));
}

int main(int argc, char **argv) {
  count_t count = {0};
  const daytona_allocator_t allocator = {on_malloc, on_calloc, on_realloc, on_free, &count};
  int number = 50;
  const option_row_t row = {'n',        "commands",          "N", "at a time (default 50)", .number = &number,
                            .least = 1, .most = COMMANDS_MAX};
  if (parse_options(argc, argv, usage, &row, 1) != argc) refuse_arguments(usage, "only options, please");
  daytona_memory_set_allocator(&allocator);
  daytona_client_t *client = open_client();
  const daytona_sandbox_create_opts_t opts = {.is_ephemeral = true};
  daytona_sandbox_t *sandbox = take_sandbox(daytona_sandbox_create(client, &opts));
  printf("idle: %zu blocks, %zu bytes\n", count.blocks, count.bytes);
  bool ok = sandbox != NULL && run_all(client, sandbox, number);
  printf("%d commands: at most %zu blocks, %zu bytes\n", number, count.most_blocks, count.most_bytes);
  ok = discard(sandbox) && ok;
  ok = close_client(client) && ok;
  printf("closed: %zu blocks, %zu bytes\n", count.blocks, count.bytes);
  return daytona_memory_set_allocator(NULL) == 0 && ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
