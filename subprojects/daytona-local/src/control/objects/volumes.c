/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes. A volume lives in the store as the object that is shown, and in a directory of its id.
 * It is ready as soon as its directory exists, which is before the creation is answered; the
 * answer says pending_create all the same, as the platform's does.
 *
 * A deleted one is a record without a directory, named NAME-deleted, and nobody finds it but a list that asks for such.
 */
#include "control/objects/volumes.h"

#include "control/objects/leftovers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Records of deleted ones that are kept. */
#define DELETED_MAX 100u

static const char *state_of(const json_t *volume) {
  const char *state = dl_json_str(volume, "state");
  return state ? state : "";
}

bool dl_volume_is_deleted(const json_t *volume) { return strcmp(state_of(volume), "deleted") == 0; }

json_t *dl_volume_by_id(dl_objects_t *o, const char *id) {
  json_t *volume = json_object_get(dl_store_all(o->store, "volume"), id);
  return volume && !dl_volume_is_deleted(volume) ? volume : NULL;
}

size_t dl_volume_count(dl_objects_t *o) {
  size_t count = 0;
  const char *id;
  json_t *volume;
  json_object_foreach ((json_t *)dl_store_all(o->store, "volume"), id, volume)
    count += !dl_volume_is_deleted(volume);
  return count;
}

json_t *dl_volume_by_name(dl_objects_t *o, const char *name) {
  const char *id;
  json_t *volume;
  json_object_foreach ((json_t *)dl_store_all(o->store, "volume"), id, volume) {
    if (!dl_volume_is_deleted(volume) && strcmp(dl_json_str(volume, "name"), name) == 0) return volume;
  }
  return NULL;
}

static char *directory(const dl_objects_t *o, const char *id) {
  return dl_xprintf("%s/volumes/%s", o->state_dir, id);
}

dl_volume_found_t dl_volume_find(dl_objects_t *o, const char *id_or_name, const char **id) {
  json_t *volume = dl_volume_by_id(o, id_or_name), *named = dl_volume_by_name(o, id_or_name);
  if (volume && named && volume != named) return DL_VOLUME_AMBIGUOUS;
  if (!volume) volume = named;
  if (!volume) return DL_VOLUME_MISSING;
  *id = dl_json_str(volume, "id");
  return strcmp(state_of(volume), "ready") == 0 ? DL_VOLUME_OK : DL_VOLUME_NOT_READY;
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
    dl_iso_t now = dl_iso_format(dl_objects_stamp(o));
    json_object_set_new(updated, "lastUsedAt", json_string(now.text));
    json_object_set_new(updated, "updatedAt", json_string(now.text));
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

/* --- states --- */

/* `reason` NULL: there is none. */
static void show(dl_objects_t *o, const char *id, const json_t *volume, const char *state,
                 const char *reason) {
  json_t *updated = json_copy((json_t *)volume);
  json_object_set_new(updated, "state", json_string(state));
  json_object_set_new(updated, "errorReason", dl_json_str_or_null(reason));
  json_object_set_new(updated, "updatedAt", json_string(dl_iso_format(dl_objects_stamp(o)).text));
  if (strcmp(state, "deleted") == 0)
    json_object_set_new(updated, "name", json_sprintf("%s-deleted", dl_json_str(volume, "name")));
  if (strcmp(state, "error") == 0)
    dl_store_put(o->store, "volume", id, updated);
  else /* it is on its way out, which a full disk must not keep it from */
    dl_store_put_ending(o->store, "volume", id, updated);
}

/* The oldest go when there are too many. */
static void forget_deleted(dl_objects_t *o) {
  const char *id, *oldest = NULL, *since = NULL;
  json_t *volume;
  size_t count = 0;
  json_object_foreach ((json_t *)dl_store_all(o->store, "volume"), id, volume) {
    const char *at = dl_json_str(volume, "updatedAt");
    if (!dl_volume_is_deleted(volume)) continue;
    count++;
    if (since && at && strcmp(at, since) >= 0) continue;
    oldest = id;
    since = at;
  }
  char *gone = count > DELETED_MAX ? dl_xstrdup(oldest) : NULL;
  if (gone) dl_store_put(o->store, "volume", gone, NULL);
  free(gone);
}

/* Its removal is on the disk: from here on the directory is nobody's. */
static void remove_files(dl_objects_t *o, const char *id) {
  json_t *volume = dl_volume_by_id(o, id);
  char *dir = directory(o, id);
  dl_discard(o, dir, NULL, NULL);
  free(dir);
  if (volume) show(o, id, volume, "deleted", NULL);
  forget_deleted(o);
}

void dl_volumes_settle(dl_objects_t *o) {
  const char *id;
  json_t *volume, *all = json_copy((json_t *)dl_store_all(o->store, "volume"));
  json_object_foreach (all, id, volume) {
    if (strcmp(state_of(volume), "pending_delete") != 0) continue;
    char *dir = directory(o, id);
    if (access(dir, F_OK) != 0) show(o, id, volume, "deleted", NULL);
    free(dir);
  }
  json_decref(all);
}

/* What is changed here is on the disk with the next change; until then the next start does it again. */
void dl_volumes_check(dl_objects_t *o) {
  const char *id;
  json_t *volume, *all = json_copy((json_t *)dl_store_all(o->store, "volume"));
  json_object_foreach (all, id, volume) {
    const char *state = state_of(volume);
    char *dir = directory(o, id);
    bool is_there = access(dir, F_OK) == 0;
    free(dir);
    if (strcmp(state, "pending_delete") == 0) {
      remove_files(o, id);
    } else if (!is_there && strcmp(state, "ready") == 0) {
      dl_error("volume %s has no directory any more", id);
      show(o, id, volume, "error", "its directory is missing");
    }
  }
  json_decref(all);
}

typedef struct {
  dl_objects_t *objects;
  char *id;
  dl_store_cb cb;
  void *user;
} removal_t;

/* Files go when the journal says so; without that they are still wanted. */
static void on_removal_written(dl_written_t outcome, void *user) {
  removal_t *r = user;
  r->cb(outcome, r->user);
  if (outcome == DL_WRITTEN && r->objects->jobs) remove_files(r->objects, r->id);
  free(r->id);
  free(r);
}

void dl_volume_remove(dl_objects_t *o, const char *id, dl_store_cb cb, void *user) {
  json_t *volume = dl_volume_by_id(o, id);
  assert(volume && !dl_volume_is_mounted(o, id));
  removal_t *r = dl_xcalloc(1, sizeof *r);
  *r = (removal_t){o, dl_xstrdup(id), cb, user};
  show(o, id, volume, "pending_delete", NULL);
  dl_store_commit(o->store, on_removal_written, r);
}
