/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes. A volume lives in the store as the object that is shown, and in a directory of its id.
 * It is ready as soon as its directory exists, which is before the creation is answered; the
 * answer says pending_create all the same, as the platform's does.
 */
#include "control/objects/volumes.h"

#include "control/objects/leftovers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

json_t *dl_volume_by_id(dl_objects_t *o, const char *id) {
  return json_object_get(dl_store_all(o->store, "volume"), id);
}

json_t *dl_volume_by_name(dl_objects_t *o, const char *name) {
  const char *id;
  json_t *volume;
  json_object_foreach ((json_t *)dl_store_all(o->store, "volume"), id, volume) {
    if (strcmp(dl_json_str(volume, "name"), name) == 0) return volume;
  }
  return NULL;
}

static char *directory(const dl_objects_t *o, const char *id) {
  return dl_xprintf("%s/volumes/%s", o->state_dir, id);
}

dl_volume_found_t dl_volume_find(dl_objects_t *o, const char *id_or_name, const char **id) {
  json_t *volume = dl_volume_by_id(o, id_or_name);
  if (!volume) volume = dl_volume_by_name(o, id_or_name);
  if (!volume) return DL_VOLUME_MISSING;
  *id = dl_json_str(volume, "id");
  return strcmp(dl_json_str(volume, "state"), "ready") == 0 ? DL_VOLUME_OK : DL_VOLUME_NOT_READY;
}

/* --- mounting --- */

dl_box_volume_t *dl_volume_mounts(dl_objects_t *o, const json_t *volumes, size_t *count, char **error) {
  size_t i;
  json_t *mount;
  dl_box_volume_t *mounts = dl_xcalloc(json_array_size(volumes) + 1, sizeof *mounts);
  *count = 0;
  json_array_foreach (volumes, i, mount) {
    const char *id = dl_json_str(mount, "volumeId");
    if (!dl_volume_by_id(o, id)) {
      *error = dl_xprintf("volume %s no longer exists", id);
      break;
    }
    mounts[(*count)++] = (dl_box_volume_t){.dir = directory(o, id),
                                           .subpath = dl_json_str(mount, "subpath"),
                                           .target = dl_json_str(mount, "mountPath")};
  }
  return mounts;
}

void dl_volume_mounts_free(dl_box_volume_t *mounts, size_t count) {
  for (size_t i = 0; i < count; i++) free((void *)mounts[i].dir);
  free(mounts);
}

void dl_volume_used(dl_objects_t *o, const json_t *volumes) {
  size_t i;
  json_t *mount;
  json_array_foreach (volumes, i, mount) {
    json_t *volume = dl_volume_by_id(o, dl_json_str(mount, "volumeId"));
    if (!volume) continue;
    json_t *updated = json_copy(volume);
    json_object_set_new(updated, "lastUsedAt", json_string(dl_iso_format(dl_objects_stamp(o)).text));
    dl_store_put(o->store, "volume", dl_json_str(mount, "volumeId"), updated);
  }
}

bool dl_volume_is_mounted(dl_objects_t *o, const char *id) {
  DL_LIST_EACH(&o->sandbox_list, node) {
    dl_sandbox_t *sb = DL_CONTAINER(node, dl_sandbox_t, link);
    size_t i;
    json_t *mount;
    if (sb->want == DL_WANT_DESTROYED) continue;
    json_array_foreach (sb->volumes, i, mount) {
      if (strcmp(dl_json_str(mount, "volumeId"), id) == 0) return true;
    }
  }
  return false;
}

/* --- making and removing --- */

static json_t *record(dl_objects_t *o, const char *id, const char *name) {
  dl_iso_t now = dl_iso_format(dl_objects_stamp(o));
  json_t *volume = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:n, s:n}", "id", id, "name", *name ? name : id,
                             "organizationId", o->organization_id, "state", "ready", "createdAt", now.text,
                             "updatedAt", now.text, "lastUsedAt", "errorReason");
  dl_store_put(o->store, "volume", id, json_incref(volume));
  return volume;
}

json_t *dl_volume_create(dl_objects_t *o, const char *name) {
  dl_uuid_t id = dl_uuid_new();
  char *dir = directory(o, id.text);
  bool is_made = mkdir(dir, 0777) == 0 && chmod(dir, 0777) == 0;
  free(dir);
  return is_made ? record(o, id.text, name) : NULL;
}

json_t *dl_volume_adopt(dl_objects_t *o, const char *id) {
  dl_uuid_t fresh = dl_uuid_new();
  return record(o, id, dl_volume_by_name(o, id) ? fresh.text : id);
}

void dl_volume_undone(dl_objects_t *o, const char *id) {
  if (dl_volume_by_id(o, id)) return;
  char *dir = directory(o, id);
  rmdir(dir); /* one that was adopted stays */
  free(dir);
}

void dl_volumes_check(dl_objects_t *o) {
  const char *id;
  json_t *volume;
  void *next;
  json_object_foreach_safe ((json_t *)dl_store_all(o->store, "volume"), next, id, volume) {
    char *dir = directory(o, id);
    bool is_there = access(dir, F_OK) == 0;
    free(dir);
    if (is_there || strcmp(dl_json_str(volume, "state"), "ready") != 0) continue;
    dl_error("volume %s has no directory any more", id);
    json_t *updated = json_copy(volume);
    json_object_set_new(updated, "state", json_string("error"));
    json_object_set_new(updated, "errorReason", json_string("its directory is missing"));
    dl_store_put(o->store, "volume", id, updated);
  }
}

typedef struct {
  dl_objects_t *objects;
  char *dir;
} removal_t;

/* Files go when the journal no longer has the volume; without that they are still wanted. */
static void on_removal_written(dl_written_t outcome, void *user) {
  removal_t *r = user;
  if (outcome == DL_WRITTEN && r->objects->jobs) dl_discard(r->objects, r->dir, NULL, NULL);
  free(r->dir);
  free(r);
}

void dl_volume_remove(dl_objects_t *o, const char *id) {
  assert(!dl_volume_is_mounted(o, id));
  removal_t *r = dl_xcalloc(1, sizeof *r);
  *r = (removal_t){o, directory(o, id)};
  dl_store_put(o->store, "volume", id, NULL);
  dl_store_commit(o->store, on_removal_written, r);
}
