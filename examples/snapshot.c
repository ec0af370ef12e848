/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot: made once from an image, used for as many sandboxes as you like, and deleted.
 *
 *   daytona-local run -- snapshot [--keep] IMAGE NAME       IMAGE with its tag, such as debian:12.9
 *
 * Where there is no network, give the image to the local server first: daytona-local image import.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/options.h"
#include "shared/steps.h"

static const char usage[] =
  "usage: snapshot [OPTIONS] [IMAGE NAME]\n"
  "Makes the snapshot NAME from the image IMAGE, runs two sandboxes from it, and deletes it.\n"
  "Without IMAGE and NAME: lists the snapshots.\n";

static bool list(daytona_client_t *client) {
  daytona_snapshot_iter_t *iter;
  bool ok = daytona_snapshot_iter_new(client, NULL, &iter) == 0, is_end = false;
  while (ok && !is_end) {
    daytona_future_t *next = daytona_snapshot_iter_next(iter);
    ok = succeeds(next);
    is_end = daytona_future_is_absent(next);
    const daytona_snapshot_t *snapshot = ok && !is_end ? daytona_future_snapshot(next) : NULL;
    if (snapshot != NULL)
      printf("%-32s %-12s %6.2f GB  %s\n", snapshot->name, snapshot->state_name, snapshot->size_gb.value,
             snapshot->image_name != NULL ? snapshot->image_name : "");
    daytona_future_release(next);
  }
  if (ok) daytona_snapshot_iter_release(iter);
  return ok;
}

static void on_build(const daytona_build_event_t *event, void *user) {
  (void)user;
  if (event->text == NULL)
    printf("  %s\n", event->state_name);
  else
    fwrite(event->text, 1, event->size, stdout);
  fflush(stdout);
}

static bool use(daytona_client_t *client, const char *name) {
  const daytona_sandbox_create_opts_t opts = {.snapshot = name, .is_ephemeral = true};
  daytona_future_t *both[] = {daytona_sandbox_create(client, &opts), daytona_sandbox_create(client, &opts)};
  daytona_future_t *all = daytona_future_all(client, both, 2);
  bool ok = succeeds(all);
  for (size_t i = 0; i < 2; i++) {
    daytona_sandbox_t *sandbox =
      daytona_sandbox_retain(daytona_future_sandbox(daytona_future_member(all, i)));
    ok = ok && run_and_print(sandbox, "head -n 1 /etc/os-release; pwd; id -un");
    ok = discard(sandbox) && ok;
  }
  daytona_future_release(all);
  return ok;
}

int main(int argc, char **argv) {
  bool keeps = false;
  const option_row_t rows[] = {{'k', "keep", NULL, "keep the snapshot", .flag = &keeps}};
  int first = parse_options(argc, argv, usage, rows, 1);
  if (argc != first && argc != first + 2) refuse_arguments(usage, "IMAGE and NAME, or neither");
  daytona_client_t *client = open_client();
  bool ok;
  if (argc == first) {
    ok = list(client);
  } else {
    const char *name = argv[first + 1];
    const daytona_snapshot_create_opts_t opts = {.image_name = argv[first], .on_build = on_build};
    ok = is_done(daytona_snapshot_create(client, name, &opts));
    bool is_made = ok;
    ok = ok && use(client, name);
    if (is_made && !keeps) ok = is_done(daytona_snapshot_delete(client, name, NULL)) && ok;
  }
  ok = close_client(client) && ok;
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
