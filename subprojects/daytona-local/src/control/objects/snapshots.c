/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots. The default one stands for the machine's own system: a sandbox made from it sees
 * that system read-only and an empty home.
 */
#include "control/objects/snapshots.h"

#include <string.h>

const json_t *dl_snapshots_all(dl_objects_t *o) { return dl_store_all(o->store, "snapshot"); }

static json_t *by_name(dl_objects_t *o, const char *name) {
  const char *id;
  json_t *snapshot;
  json_object_foreach ((json_t *)dl_snapshots_all(o), id, snapshot) {
    if (strcmp(dl_json_str(snapshot, "name"), name) == 0) return snapshot;
  }
  return NULL;
}

json_t *dl_snapshot_find(dl_objects_t *o, const char *id_or_name) {
  if (!id_or_name || id_or_name[strspn(id_or_name, " \t")] == '\0') id_or_name = DL_DEFAULT_SNAPSHOT;
  json_t *found = json_object_get(dl_snapshots_all(o), id_or_name);
  return found ? found : by_name(o, id_or_name);
}

/* As on the platform: something that stays. */
static json_t *default_entrypoint(void) { return json_pack("[s, s]", "sleep", "infinity"); }

/* State directories of older versions have it without an entrypoint. */
static void complete(dl_objects_t *o, json_t *snapshot) {
  if (json_is_array(dl_json_get(snapshot, "entrypoint"))) return;
  json_t *updated = json_copy(snapshot);
  json_object_set_new(updated, "entrypoint", default_entrypoint());
  dl_store_put(o->store, "snapshot", dl_json_str(snapshot, "id"), updated);
}

void dl_snapshots_init(dl_objects_t *o) {
  json_t *found = by_name(o, DL_DEFAULT_SNAPSHOT);
  if (found) {
    complete(o, found);
    return;
  }
  dl_uuid_t id = dl_uuid_new();
  dl_iso_t now = dl_iso_format(dl_objects_stamp(o));
  json_t *snapshot = json_pack(
    "{s:s, s:b, s:s, s:s, s:s, s:i, s:o, s:i, s:i, s:i, s:i, s:n, s:s, s:s, s:n, s:[s], s:s, s:s, s:n}", "id",
    id.text, "general", 1, "name", DL_DEFAULT_SNAPSHOT, "imageName", DL_DEFAULT_SNAPSHOT, "state", "active",
    "size", 0, "entrypoint", default_entrypoint(), "cpu", 1, "gpu", 0, "mem", 1, "disk", 3, "errorReason",
    "createdAt", now.text, "updatedAt", now.text, "lastUsedAt", "regionIds", o->region, "ref",
    DL_DEFAULT_SNAPSHOT, "sandboxClass", "container", "sourceSandboxId");
  dl_store_put(o->store, "snapshot", id.text, snapshot);
}

void dl_snapshot_used(dl_objects_t *o, json_t *snapshot) {
  json_t *updated = json_copy(snapshot);
  json_object_set_new(updated, "lastUsedAt", json_string(dl_iso_format(dl_objects_stamp(o)).text));
  dl_store_put(o->store, "snapshot", dl_json_str(snapshot, "id"), updated);
}
