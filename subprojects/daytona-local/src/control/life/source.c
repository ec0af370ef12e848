/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot gives a sandbox its image, or its first files, its sizes, its class and its entrypoint.
 */
#include "control/life/source.h"

#include "control/objects/hosts.h"
#include "control/objects/snapshots.h"

#include <stdlib.h>

/* What its files may know stays with the same hosts. */
static void narrow(dl_sandbox_t *sb, const char *hosts) {
  char *common = dl_hosts_common(sb->secret_hosts, hosts);
  free(sb->secret_hosts);
  sb->secret_hosts = common;
}

char *dl_life_take_snapshot(dl_life_t *l, dl_sandbox_t *sb, const json_t *snapshot) {
  const char *id = dl_json_str(snapshot, "image"), *class_name = dl_json_str(snapshot, "sandboxClass");
  json_t *entrypoint = dl_json_get(snapshot, "entrypoint");
  char *error = NULL, *problem = NULL;
  if (class_name) dl_set(&sb->class_name, class_name);
  if (dl_snapshot_has_files(snapshot)) {
    free(sb->files_from);
    sb->files_from = dl_snapshot_files_name(dl_json_str(snapshot, "id"));
    narrow(sb, dl_json_str(snapshot, "secretHosts"));
  }
  dl_set(&sb->snapshot, dl_json_str(snapshot, "name"));
  sb->cpu = dl_json_num(snapshot, "cpu", 1);
  sb->memory = dl_json_num(snapshot, "mem", 1);
  sb->disk = dl_json_num(snapshot, "disk", 3);
  if (json_is_array(entrypoint)) sb->entrypoint = json_incref(entrypoint);
  if (!id) return NULL;
  dl_image_t *image = dl_image_open(l->images, id, &error);
  if (image)
    dl_life_take_image(sb, image);
  else
    problem = dl_xprintf("Snapshot %s: its image is missing: %s", sb->snapshot, error);
  free(error);
  dl_image_release(image);
  return problem;
}
