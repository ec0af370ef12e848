/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sandboxes themselves: create some at once, list them, let them race, stop and start one, reach it from outside,
 * delete them all.
 *
 *   daytona-local run -- sandboxes
 *
 * A tool with nothing else to do may wait for each call with daytona_future_await(), as this one does. Several calls at
 * once are one future: daytona_future_all(), _any(), _race(), _deadline().
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "shared/options.h"
#include "shared/steps.h"

enum { COUNT = 3, PORT = 8080 };

static daytona_client_t *client;
static daytona_sandbox_t *sandboxes[COUNT];

/* --- the steps --------------------------------------------------------------------------------- */

static const daytona_pair_t labels[] = {{"example", "sandboxes"}};

static bool create_all(void) {
  const daytona_sandbox_create_opts_t opts = {.labels = {labels, 1}};
  daytona_future_t *futures[COUNT];
  for (size_t i = 0; i < COUNT; i++) futures[i] = daytona_sandbox_create(client, &opts);
  daytona_future_t *all = daytona_future_all(client, futures, COUNT);
  bool ok = succeeds(all);
  for (size_t i = 0; i < COUNT; i++) /* also those that were made when another failed */
    sandboxes[i] = daytona_sandbox_retain(daytona_future_sandbox(daytona_future_member(all, i)));
  daytona_future_release(all);
  return ok;
}

static bool list_all(void) {
  const daytona_sandbox_query_t query = {.labels = {labels, 1}, .page_size = daytona_int(2)};
  daytona_sandbox_iter_t *iter;
  size_t count = 0;
  bool ok, is_end = false;
  if (daytona_sandbox_iter_new(client, &query, &iter) != 0) return false;
  do {
    daytona_future_t *next = daytona_sandbox_iter_next(iter);
    ok = succeeds(next);
    is_end = daytona_future_is_absent(next);
    if (ok && !is_end) count++;
    daytona_future_release(next);
  } while (ok && !is_end);
  daytona_sandbox_iter_release(iter);
  if (ok) printf("  %zu sandboxes\n", count);
  return ok;
}

/* The first one that succeeds; what the others have begun is stopped. */
static bool race(void) {
  daytona_future_t *futures[COUNT];
  for (size_t i = 0; i < COUNT; i++)
    futures[i] = daytona_process_exec(sandboxes[i], i == 1 ? "echo first" : "sleep 60; echo late", NULL);
  daytona_future_t *any = daytona_future_any(client, futures, COUNT);
  bool ok = succeeds(any);
  if (ok) printf("  number %d: %s", (int)daytona_future_winner(any), daytona_future_exec_result(any)->result);
  daytona_future_release(any);
  return ok;
}

static bool run_too_long(void) {
  daytona_future_t *bound =
    daytona_future_deadline(daytona_process_exec(sandboxes[0], "sleep 60", NULL), 300);
  daytona_future_await(bound);
  bool ok = daytona_future_code(bound) == DAYTONA_EDEADLINE;
  printf("  %s\n", daytona_future_message(bound));
  daytona_future_release(bound);
  return ok;
}

static bool stop_and_start(void) {
  if (!is_done(daytona_sandbox_stop(sandboxes[0], NULL))) return false;
  printf("  %s\n", daytona_sandbox_state_name(daytona_sandbox_state(sandboxes[0])));
  if (!is_done(daytona_sandbox_start(sandboxes[0], NULL))) return false;
  printf("  %s\n", daytona_sandbox_state_name(daytona_sandbox_state(sandboxes[0])));
  return true;
}

static bool reach_it(void) {
  daytona_future_t *preview = daytona_sandbox_get_preview_link(sandboxes[0], PORT, NULL);
  bool ok = succeeds(preview);
  if (ok) printf("  port %d: %s\n", PORT, daytona_future_preview_link(preview)->url);
  daytona_future_release(preview);
  const daytona_sandbox_create_ssh_access_opts_t opts = {.expires_in_minutes = daytona_num(5)};
  daytona_future_t *ssh = ok ? daytona_sandbox_create_ssh_access(sandboxes[0], &opts) : NULL;
  if (ssh == NULL || !(ok = succeeds(ssh))) {
    daytona_future_release(ssh);
    return false;
  }
  const daytona_ssh_access_t *access = daytona_future_ssh_access(ssh); /* its token is the SSH user name */
  printf("  ssh until %s\n", access->expires_at != NULL ? access->expires_at : "it is revoked");
  ok = is_done(daytona_sandbox_revoke_ssh_access(sandboxes[0], access->token, NULL));
  daytona_future_release(ssh);
  return ok;
}

static bool delete_all(void) {
  const daytona_sandbox_lifecycle_opts_t opts = {.waits = true}; /* until it is gone */
  daytona_future_t *futures[COUNT];
  size_t count = 0;
  for (size_t i = 0; i < COUNT; i++)
    if (sandboxes[i] != NULL) futures[count++] = daytona_sandbox_delete(sandboxes[i], &opts);
  for (size_t i = 0; i < COUNT; i++) daytona_sandbox_release(sandboxes[i]);
  return is_done(daytona_future_all(client, futures, count));
}

static const struct {
  const char *title;
  bool (*run)(void);
} steps[] = {
  {"create three at once", create_all},   {"list them, page by page", list_all},
  {"take the fastest answer", race},      {"give up a command that takes too long", run_too_long},
  {"stop and start one", stop_and_start}, {"reach it from outside", reach_it},
};

/* --- the program ------------------------------------------------------------------------------- */

static const char usage[] =
  "usage: sandboxes\n"
  "Create, list, race, stop, start, reach and delete sandboxes.\n";

int main(int argc, char **argv) {
  bool ok = true;
  if (parse_options(argc, argv, usage, NULL, 0) != argc) refuse_arguments(usage, NULL);
  client = open_client();
  for (size_t i = 0; ok && i < sizeof steps / sizeof steps[0]; i++) {
    printf("%s\n", steps[i].title);
    ok = steps[i].run();
  }
  puts("delete them");
  if (!delete_all()) ok = false;
  return close_client(client) && ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
