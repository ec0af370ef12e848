/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots as data.
 */
#include "control/objects/snapshots.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char *const state_names[DL_SNAPSHOT_STATE_COUNT] = {"pending",      "pulling",  "building",
                                                                 "active",       "inactive", "error",
                                                                 "build_failed", "removing", "snapshotting"};

/* Fields of a record that clients do not see. */
static const char *const private_fields[] = {"image", "asksEntrypoint", "hasFiles", "secretHosts"};

const json_t *dl_snapshots_all(dl_objects_t *o) { return dl_store_all(o->store, "snapshot"); }

/* --- one record --- */

static int state_of(const json_t *snapshot) {
  const char *name = dl_json_str(snapshot, "state");
  for (int i = 0; name && i < DL_SNAPSHOT_STATE_COUNT; i++)
    if (strcmp(state_names[i], name) == 0) return i;
  return -1;
}

dl_snapshot_state_t dl_snapshot_state(const json_t *snapshot) {
  int state = state_of(snapshot);
  assert(state >= 0); /* see dl_snapshots_init */
  return (dl_snapshot_state_t)state;
}

const char *dl_snapshot_state_name(dl_snapshot_state_t state) { return state_names[state]; }

bool dl_snapshot_is_general(const json_t *snapshot) { return dl_json_bool(snapshot, "general", false); }

const json_t *dl_snapshot_build(const json_t *snapshot) { return dl_json_get(snapshot, "buildInfo"); }

static int64_t since(const dl_objects_t *o, const char *text) {
  int64_t when = 0, now = dl_objects_now(o), stamp = dl_objects_stamp(o);
  if (!text || !dl_iso_parse(text, &when)) return INT64_MAX;
  return (now < stamp ? now : stamp) - when;
}

int64_t dl_snapshot_age(const dl_objects_t *o, const json_t *snapshot) {
  return since(o, dl_json_str(snapshot, "updatedAt"));
}

int64_t dl_snapshot_idle(const dl_objects_t *o, const json_t *snapshot) {
  int64_t age = dl_snapshot_age(o, snapshot), idle = since(o, dl_json_str(snapshot, "lastUsedAt"));
  return age < idle ? age : idle;
}

json_t *dl_snapshot_shown(const json_t *snapshot) {
  json_t *shown = json_copy((json_t *)snapshot);
  for (size_t i = 0; i < DL_COUNT(private_fields); i++) json_object_del(shown, private_fields[i]);
  return shown;
}

static bool is_sound_build(const json_t *build) {
  return dl_json_str(build, "dockerfileContent") && dl_json_str(build, "snapshotRef") &&
         json_is_array(dl_json_get(build, "contextHashes"));
}

/* What the rest of the program takes for granted. */
static bool is_sound(const char *id, const json_t *snapshot) {
  const char *own = dl_json_str(snapshot, "id");
  const json_t *build = dl_snapshot_build(snapshot);
  int64_t when;
  if (!own || strcmp(own, id) != 0 || !dl_json_str(snapshot, "name") || state_of(snapshot) < 0) return false;
  if (!dl_json_str(snapshot, "updatedAt") || !dl_iso_parse(dl_json_str(snapshot, "updatedAt"), &when))
    return false;
  if (build) return is_sound_build(build);
  const char *image = dl_json_str(snapshot, "imageName");
  return image && *image;
}

/* --- finding --- */

static json_t *find_named(dl_objects_t *o, const char *name, bool is_general) {
  const char *id;
  json_t *snapshot;
  json_object_foreach ((json_t *)dl_snapshots_all(o), id, snapshot) {
    if (dl_snapshot_is_general(snapshot) == is_general && strcmp(dl_json_str(snapshot, "name"), name) == 0)
      return snapshot;
  }
  return NULL;
}

static bool is_blank(const char *text) { return !text || text[strspn(text, " \t")] == '\0'; }

json_t *dl_snapshot_find(dl_objects_t *o, const char *id_or_name) {
  if (is_blank(id_or_name)) return find_named(o, DL_DEFAULT_SNAPSHOT, true);
  json_t *found = json_object_get(dl_snapshots_all(o), id_or_name);
  if (!found) found = find_named(o, id_or_name, false);
  return found ? found : find_named(o, id_or_name, true);
}

json_t *dl_snapshot_find_usable(dl_objects_t *o, const char *id_or_name) {
  json_t *found = dl_snapshot_find(o, id_or_name);
  if (!found || dl_snapshot_state(found) == DL_SNAPSHOT_ACTIVE) return found;
  json_t *general = find_named(o, id_or_name, true);
  return general && dl_snapshot_state(general) == DL_SNAPSHOT_ACTIVE ? general : found;
}

bool dl_snapshot_name_is_taken(dl_objects_t *o, const char *name) {
  return find_named(o, name, false) != NULL;
}

size_t dl_snapshots_count(dl_objects_t *o) {
  const char *id;
  json_t *snapshot;
  size_t count = 0;
  json_object_foreach ((json_t *)dl_snapshots_all(o), id, snapshot)
    count += !dl_snapshot_is_general(snapshot);
  return count;
}

/* --- what needs an image --- */

static bool is_text(const json_t *object, const char *key, const char *text) {
  const char *value = dl_json_str(object, key);
  return value && strcmp(value, text) == 0;
}

bool dl_image_is_needed(dl_objects_t *o, const char *image, const char *except) {
  const char *id;
  json_t *snapshot;
  json_object_foreach ((json_t *)dl_snapshots_all(o), id, snapshot) {
    if ((!except || strcmp(id, except) != 0) && is_text(snapshot, "image", image)) return true;
  }
  DL_LIST_EACH(&o->sandbox_list, node) {
    const dl_sandbox_t *sb = DL_CONTAINER(node, dl_sandbox_t, link);
    if (sb->image && sb->state != DL_DESTROYED && strcmp(sb->image, image) == 0) return true;
  }
  return false;
}

void dl_image_note_unneeded(dl_objects_t *o, const char *image) {
  dl_store_put(o->store, "unneeded", image, json_object());
}

char *dl_image_first_unneeded(dl_objects_t *o) {
  const char *image;
  json_t *value;
  json_object_foreach ((json_t *)dl_store_all(o->store, "unneeded"), image, value) return dl_xstrdup(image);
  return NULL;
}

void dl_image_forget_unneeded(dl_objects_t *o, const char *image) {
  dl_store_put(o->store, "unneeded", image, NULL);
}

bool dl_build_is_known(dl_objects_t *o, const char *ref) {
  const char *id;
  json_t *snapshot;
  json_object_foreach ((json_t *)dl_snapshots_all(o), id, snapshot) {
    if (is_text(dl_snapshot_build(snapshot), "snapshotRef", ref)) return true;
  }
  DL_LIST_EACH(&o->sandbox_list, node) {
    const dl_sandbox_t *sb = DL_CONTAINER(node, dl_sandbox_t, link);
    if (sb->build && is_text(sb->build, "snapshotRef", ref)) return true;
  }
  return false;
}

/* --- making --- */

json_t *dl_snapshot_new(dl_objects_t *o, const dl_snapshot_spec_t *spec) {
  dl_uuid_t id = dl_uuid_new();
  dl_iso_t now = dl_iso_format(dl_objects_stamp(o));
  assert(!spec->image_name != !spec->build);
  json_t *snapshot = json_pack(
    "{s:s, s:b, s:s, s:s, s:s, s:s, s:n, s:o, s:o, s:i, s:o, s:o, s:n, s:s, s:s, s:n, s:[s], s:s, s:n, s:b}",
    "id", id.text, "general", 0, "organizationId", o->organization_id, "name", spec->name, "imageName",
    spec->image_name ? spec->image_name : "", "state", state_names[DL_SNAPSHOT_PENDING], "size", "entrypoint",
    spec->entrypoint ? json_copy((json_t *)spec->entrypoint) : json_null(), "cpu", dl_json_number(spec->cpu),
    "gpu", 0, "mem", dl_json_number(spec->memory), "disk", dl_json_number(spec->disk), "errorReason",
    "createdAt", now.text, "updatedAt", now.text, "lastUsedAt", "regionIds", o->region, "sandboxClass",
    spec->class_name ? spec->class_name : DL_CLASS_CONTAINER, "sourceSandboxId", "asksEntrypoint",
    spec->entrypoint != NULL);
  if (spec->build) json_object_set(snapshot, "buildInfo", spec->build);
  return snapshot;
}

json_t *dl_snapshot_new_of_sandbox(dl_objects_t *o, const dl_sandbox_t *sb, const char *name) {
  const dl_snapshot_spec_t spec = {.name = name,
                                   .image_name = sb->snapshot ? sb->snapshot : "sandbox",
                                   .entrypoint = sb->entrypoint,
                                   .class_name = sb->class_name,
                                   .cpu = sb->cpu,
                                   .memory = sb->memory,
                                   .disk = sb->disk};
  json_t *snapshot = dl_snapshot_new(o, &spec);
  json_object_set_new(snapshot, "state", json_string(state_names[DL_SNAPSHOT_SNAPSHOTTING]));
  json_object_set_new(snapshot, "sourceSandboxId", json_string(sb->id));
  json_object_set_new(snapshot, "hasFiles", json_true());
  if (sb->image) json_object_set_new(snapshot, "image", json_string(sb->image));
  /* The files may have values of secrets in them. */
  if (sb->secret_hosts) json_object_set_new(snapshot, "secretHosts", json_string(sb->secret_hosts));
  return snapshot;
}

bool dl_snapshot_has_files(const json_t *snapshot) { return dl_json_bool(snapshot, "hasFiles", false); }

char *dl_snapshot_files_name(const char *id) { return dl_xprintf("snapshots/%s.tar", id); }

char *dl_snapshot_files(const dl_objects_t *o, const char *id) {
  return dl_xprintf("%s/snapshots/%s.tar", o->state_dir, id);
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

static void put_aside_unsound(dl_objects_t *o) {
  const char *id;
  void *next;
  json_t *snapshot;
  json_object_foreach_safe ((json_t *)dl_snapshots_all(o), next, id, snapshot) {
    if (is_sound(id, snapshot)) continue;
    char *copy = dl_xstrdup(id);
    dl_error("the record of snapshot %s makes no sense and is put aside", copy);
    dl_store_put(o->store, "unsound", copy, json_incref(snapshot));
    dl_store_put(o->store, "snapshot", copy, NULL);
    free(copy);
  }
}

static void ensure_general(dl_objects_t *o, const char *name, const char *class_name) {
  json_t *found = find_named(o, name, true);
  if (found) {
    complete(o, found);
    return;
  }
  dl_uuid_t id = dl_uuid_new();
  dl_iso_t now = dl_iso_format(dl_objects_stamp(o));
  json_t *snapshot = json_pack(
    "{s:s, s:b, s:s, s:s, s:s, s:i, s:o, s:i, s:i, s:i, s:i, s:n, s:s, s:s, s:n, s:[s], s:s, s:s, s:n}", "id",
    id.text, "general", 1, "name", name, "imageName", name, "state", "active", "size", 0, "entrypoint",
    default_entrypoint(), "cpu", 1, "gpu", 0, "mem", 1, "disk", 3, "errorReason", "createdAt", now.text,
    "updatedAt", now.text, "lastUsedAt", "regionIds", o->region, "ref", name, "sandboxClass", class_name,
    "sourceSandboxId");
  dl_store_put(o->store, "snapshot", id.text, snapshot);
}

void dl_snapshots_init(dl_objects_t *o) {
  put_aside_unsound(o);
  ensure_general(o, DL_DEFAULT_SNAPSHOT, DL_CLASS_CONTAINER);
  ensure_general(o, DL_VM_SNAPSHOT, DL_CLASS_VM);
}

void dl_snapshot_used(dl_objects_t *o, json_t *snapshot) {
  json_t *updated = json_copy(snapshot);
  json_object_set_new(updated, "lastUsedAt", json_string(dl_iso_format(dl_objects_stamp(o)).text));
  dl_store_put(o->store, "snapshot", dl_json_str(snapshot, "id"), updated);
}
