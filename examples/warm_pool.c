/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A warm pool: sandboxes of a snapshot that are ready before anybody asks for one.
 *
 *   daytona-local run -- warm_pool                 of the default snapshot of daytona-local
 *   warm_pool --size 5 my-snapshot
 *
 * What is worth a look: a create takes one from the pool by itself, without naming it, and the pool fills up again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "shared/options.h"
#include "shared/steps.h"

enum { SIZE_MAX_OF_POOL = 100, TRIES = 600, BETWEEN_MS = 100 };

static const char usage[] =
  "usage: warm_pool [OPTIONS] [SNAPSHOT]\n"
  "Keeps sandboxes of SNAPSHOT (default daytona-local/default:1.0) ready, takes one, and deletes the pool.\n";

/* How many are ready; -1 when that cannot be learned. */
static int64_t ready_count(daytona_client_t *client, const char *id) {
  daytona_future_t *future = daytona_warm_pool_list(client, NULL);
  const daytona_warm_pool_list_t *pools = succeeds(future) ? daytona_future_warm_pool_list(future) : NULL;
  int64_t count = -1;
  for (size_t i = 0; pools != NULL && i < pools->count; i++)
    if (strcmp(pools->items[i]->id, id) == 0) count = pools->items[i]->ready_count;
  daytona_future_release(future);
  return count;
}

static bool wait_until_ready(daytona_client_t *client, const daytona_warm_pool_t *pool) {
  for (int i = 0; i < TRIES; i++) {
    int64_t count = ready_count(client, pool->id);
    if (count < 0) return false;
    if (count >= pool->size) {
      printf("%lld ready\n", (long long)count);
      return true;
    }
    uv_sleep(BETWEEN_MS);
  }
  fprintf(stderr, "the pool does not fill up\n");
  return false;
}

static bool take_one(daytona_client_t *client, const char *snapshot) {
  const daytona_sandbox_create_opts_t opts = {.snapshot = snapshot, .is_ephemeral = true};
  uint64_t began_ns = uv_hrtime();
  daytona_sandbox_t *sandbox = take_sandbox(daytona_sandbox_create(client, &opts));
  if (sandbox == NULL) return false;
  printf("a sandbox after %.0f ms\n", (double)(uv_hrtime() - began_ns) / 1e6);
  bool ok = run_and_print(sandbox, "echo ready");
  return discard(sandbox) && ok;
}

int main(int argc, char **argv) {
  int size = 1;
  const option_row_t row = {'s',
                            "size",
                            "N",
                            "sandboxes to keep ready (default 1)",
                            .number = &size,
                            .least = 1,
                            .most = SIZE_MAX_OF_POOL};
  int first = parse_options(argc, argv, usage, &row, 1);
  if (argc - first > 1) refuse_arguments(usage, "one SNAPSHOT at most");
  const char *snapshot = first < argc ? argv[first] : "daytona-local/default:1.0";
  daytona_client_t *client = open_client();
  daytona_future_t *future = daytona_warm_pool_create(client, snapshot, size, NULL);
  bool ok = succeeds(future);
  if (ok) {
    const daytona_warm_pool_t *pool = daytona_future_warm_pool(future);
    ok = wait_until_ready(client, pool) && take_one(client, snapshot);
    ok = is_done(daytona_warm_pool_delete(client, pool->id, NULL)) && ok;
  }
  daytona_future_release(future);
  return close_client(client) && ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
