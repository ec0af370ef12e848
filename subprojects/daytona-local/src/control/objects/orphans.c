/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies in the state directory under the id of nothing that is known.
 */
#include "control/objects/orphans.h"

#include "control/objects/leftovers.h"
#include "control/objects/snapshots.h"
#include "control/objects/volumes.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where things lie, and what follows the id in their name. */
static const struct place {
  const char *dir, *suffix;
  dl_orphan_kind_t kind;
} places[] = {
  {"sandboxes", "", DL_ORPHAN_HOME},
  {"archives", ".tar", DL_ORPHAN_ARCHIVE},
  {"volumes", "", DL_ORPHAN_VOLUME},
  {"snapshots", ".tar", DL_ORPHAN_SNAPSHOT},
};

static const char *kind_name(dl_orphan_kind_t kind) {
  if (kind == DL_ORPHAN_SNAPSHOT) return "snapshot";
  return kind == DL_ORPHAN_VOLUME ? "volume" : "sandbox";
}

static bool is_owned(const dl_objects_t *o, const struct place *p, const char *id) {
  if (p->kind == DL_ORPHAN_VOLUME) return dl_volume_by_id((dl_objects_t *)o, id) != NULL;
  if (p->kind == DL_ORPHAN_SNAPSHOT) return json_object_get(dl_snapshots_all((dl_objects_t *)o), id) != NULL;
  return dl_map_get(&o->sandboxes, id) != NULL;
}

static char *path_of(const dl_objects_t *o, const struct place *p, const char *id) {
  return dl_xprintf("%s/%s/%s%s", o->state_dir, p->dir, id, p->suffix);
}

/* The id in a file's name; false when it is no name that the server gives. */
static bool read_id(const struct place *p, const char *name, dl_uuid_t *id) {
  size_t len = strlen(name);
  if (len != DL_UUID_LEN + strlen(p->suffix) || strcmp(name + DL_UUID_LEN, p->suffix) != 0) return false;
  memcpy(id->text, name, DL_UUID_LEN);
  id->text[DL_UUID_LEN] = '\0';
  return dl_is_uuid(id->text);
}

static void add(json_t *all, const struct place *p, const char *id, char *path) {
  json_t *entry = json_object_get(all, id);
  if (!entry) {
    entry = json_pack("{s:s, s:s, s:[]}", "kind", kind_name(p->kind), "id", id, "paths");
    json_object_set_new(all, id, entry);
  }
  json_array_append_new(json_object_get(entry, "paths"), json_string(path));
  free(path);
}

json_t *dl_orphans_list(const dl_objects_t *o) {
  json_t *all = json_object(), *list = json_array(), *entry;
  for (size_t i = 0; i < DL_COUNT(places); i++) {
    char *path = dl_xprintf("%s/%s", o->state_dir, places[i].dir);
    DIR *stream = opendir(path);
    struct dirent *file;
    dl_uuid_t id;
    while (stream && (file = readdir(stream)))
      if (read_id(&places[i], file->d_name, &id) && !is_owned(o, &places[i], id.text))
        add(all, &places[i], id.text, path_of(o, &places[i], id.text));
    if (stream) closedir(stream);
    free(path);
  }
  const char *key;
  json_object_foreach (all, key, entry) json_array_append(list, entry);
  json_decref(all);
  return list;
}

/* A directory in which nothing is, or nothing but an empty home. */
static bool remove_empty(const char *path) {
  char *home = dl_xprintf("%s/home", path);
  rmdir(home);
  free(home);
  return rmdir(path) == 0;
}

void dl_orphans_report(const dl_objects_t *o) {
  json_t *list = dl_orphans_list(o), *entry, *path;
  size_t i, j;
  json_array_foreach (list, i, entry)
    json_array_foreach (json_object_get(entry, "paths"), j, path)
      if (!remove_empty(json_string_value(path)))
        dl_warn("%s belongs to no %s: see GET /admin/orphans", json_string_value(path),
                dl_json_str(entry, "kind"));
  json_decref(list);
}

static bool exists(const dl_objects_t *o, const struct place *p, const char *id) {
  char *path = path_of(o, p, id);
  bool found = access(path, F_OK) == 0;
  free(path);
  return found;
}

dl_orphan_kind_t dl_orphan_find(const dl_objects_t *o, const char *id) {
  for (size_t i = 0; dl_is_uuid(id) && i < DL_COUNT(places); i++)
    if (!is_owned(o, &places[i], id) && exists(o, &places[i], id)) return places[i].kind;
  return DL_ORPHAN_NONE;
}

void dl_orphan_discard(dl_objects_t *o, const char *id) {
  for (size_t i = 0; i < DL_COUNT(places); i++) {
    if (is_owned(o, &places[i], id) || !exists(o, &places[i], id)) continue;
    char *path = path_of(o, &places[i], id);
    dl_discard(o, path, NULL, NULL);
    free(path);
  }
}
