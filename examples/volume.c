/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A volume that two sandboxes share: what one writes, the other reads, and it is there after both are gone.
 *
 *   daytona-local run -- volume [NAME]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/options.h"
#include "shared/steps.h"

static daytona_sandbox_t *with_volume(daytona_client_t *client, const char *volume_id, const char *subpath) {
  const daytona_volume_mount_t mount = {
    .volume_id = volume_id, .mount_path = "/home/daytona/shared", .subpath = subpath};
  const daytona_sandbox_create_opts_t opts = {.volumes = &mount, .volume_count = 1, .is_ephemeral = true};
  return take_sandbox(daytona_sandbox_create(client, &opts));
}

/* Both at once, and afterwards a third that sees one folder of the volume. */
static bool share(daytona_client_t *client, const char *volume_id) {
  daytona_sandbox_t *writer = with_volume(client, volume_id, NULL),
                    *reader = with_volume(client, volume_id, NULL);
  bool ok =
    writer != NULL && reader != NULL &&
    run_and_print(writer, "mkdir -p shared/notes && echo 'written by one' > shared/notes/hello.txt") &&
    run_and_print(reader, "cat shared/notes/hello.txt && echo 'and by the other' >> shared/notes/hello.txt");
  ok = discard(writer) && ok;
  ok = discard(reader) && ok;
  if (!ok) return false;
  daytona_sandbox_t *later = with_volume(client, volume_id, "notes");
  ok = later != NULL && run_and_print(later, "cat shared/hello.txt");
  return discard(later) && ok;
}

static const char usage[] =
  "usage: volume [NAME]\n"
  "Shares the volume NAME (default volume-example) between sandboxes, and deletes it.\n";

int main(int argc, char **argv) {
  int first = parse_options(argc, argv, usage, NULL, 0);
  if (argc - first > 1) refuse_arguments(usage, "one NAME at most");
  const char *name = first < argc ? argv[first] : "volume-example";
  daytona_client_t *client = open_client();
  const daytona_volume_get_opts_t opts = {.creates = true, .waits = true};
  daytona_future_t *future = daytona_volume_get(client, name, &opts);
  bool ok = succeeds(future);
  if (ok) {
    const daytona_volume_t *volume = daytona_future_volume(future);
    printf("volume %s is %s\n", volume->name, volume->state_name);
    ok = share(client, volume->id);
    const daytona_volume_delete_opts_t waits = {.waits = true};
    ok = is_done(daytona_volume_delete(client, volume->id, &waits)) && ok;
  }
  daytona_future_release(future);
  ok = close_client(client) && ok;
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
