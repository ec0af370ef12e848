/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many sandboxes, some at a time: creates_bench COUNT AT_ONCE [keep]
 *
 * Creates COUNT sandboxes with defaults, AT_ONCE of them in flight, and prints how many came per second. Then it deletes
 * them, which is not measured, or with "keep" leaves them running and prints their ids, one a line. The server and the
 * key come from the environment.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include <daytona/daytona.h>

typedef struct {
  daytona_client_t *client;
  int wanted, asked, open;
  uint64_t end;
  daytona_future_t **created; /* in the order in which they came */
  int count;
} bench_t;

static void create_next(bench_t *b);

static void stop(const char *what, daytona_future_t *future) {
  fprintf(stderr, "creates_bench: %s: %s\n", what, daytona_future_error(future)->message);
  exit(1);
}

static void on_created(daytona_future_t *future, void *user) {
  bench_t *b = user;
  if (daytona_future_error(future) != NULL) stop("create", future);
  daytona_future_retain(future);
  b->created[b->count++] = future;
  b->open--;
  if (b->count == b->wanted) b->end = uv_hrtime();
  create_next(b);
}

static void create_next(bench_t *b) {
  if (b->asked == b->wanted) return;
  b->asked++;
  b->open++;
  daytona_future_then(daytona_sandbox_create(b->client, NULL), on_created, b);
}

static void on_deleted(daytona_future_t *future, void *user) {
  bench_t *b = user;
  if (daytona_future_error(future) != NULL) stop("delete", future);
  b->open--;
}

static void delete_all(bench_t *b) {
  static const daytona_sandbox_lifecycle_opts_t until_gone = {.waits = true};
  for (int i = 0; i < b->count; i++) {
    b->open++;
    daytona_future_then(daytona_sandbox_delete(daytona_future_sandbox(b->created[i]), &until_gone),
                        on_deleted, b);
  }
  while (b->open > 0) uv_run(uv_default_loop(), UV_RUN_ONCE);
}

int main(int count, char **arguments) {
  bool keeps = count == 4 && strcmp(arguments[3], "keep") == 0;
  bench_t b = {.wanted = count >= 3 ? atoi(arguments[1]) : 0};
  int at_once = b.wanted > 0 ? atoi(arguments[2]) : 0;
  if (at_once < 1 || (count != 3 && !keeps)) {
    fprintf(stderr, "usage: creates_bench COUNT AT_ONCE [keep]\n");
    return 2;
  }
  if (daytona_client_new(uv_default_loop(), NULL, &b.client) != 0) return 1;
  b.created = calloc((size_t)b.wanted, sizeof(daytona_future_t *));
  if (b.created == NULL) return 1;
  uint64_t begin = uv_hrtime();
  for (int i = 0; i < at_once; i++) create_next(&b);
  while (b.open > 0) uv_run(uv_default_loop(), UV_RUN_ONCE);
  printf("%.3f\n", b.count / ((double)(b.end - begin) / 1e9));
  for (int i = 0; keeps && i < b.count; i++)
    printf("%s\n", daytona_sandbox_id(daytona_future_sandbox(b.created[i])));
  fflush(stdout);
  if (!keeps) delete_all(&b);
  for (int i = 0; i < b.count; i++) daytona_future_release(b.created[i]);
  free(b.created);
  daytona_client_close(b.client, NULL, NULL);
  daytona_client_release(b.client);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  return uv_loop_close(uv_default_loop());
}
