/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admin calls for files that no object owns.
 */
#include "control/routes/orphans.h"

#include "control/life/snapshot_life.h"
#include "control/objects/orphans.h"
#include "control/objects/snapshots.h"
#include "control/objects/volumes.h"
#include "control/routes/call.h"
#include "control/routes/create.h"
#include "control/routes/validate.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void dl_orphans_get(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_reply_json(req, 200, json_pack("{s:o}", "items", dl_orphans_list(&c->objects)));
}

/* Its files are what it has changed of an image, and mean nothing without that. */
static bool is_layer(const dl_control_t *c, const dl_sandbox_t *sb) {
  char *home = dl_objects_home(&c->objects, sb), *upper = dl_xprintf("%s/upper", home);
  bool found = access(upper, F_OK) == 0;
  free(upper);
  free(home);
  return found;
}

/* False when the request was answered. */
static bool take_snapshot(dl_control_t *c, dl_req_t *req, dl_sandbox_t *sb) {
  const char *name = dl_json_str(dl_body(req), "snapshot");
  if (name || !is_layer(c, sb)) return dl_take_snapshot(c, req, sb, name);
  dl_fail(c, req, 400, "sandbox %s ran on an image: name a snapshot of that image (\"snapshot\")", sb->id);
  return false;
}

/* What the journal had said of it is gone: it is as one that was created with no wishes but its snapshot. */
static void adopt_sandbox(dl_control_t *c, dl_req_t *req, const char *id, bool is_archived) {
  dl_sandbox_t *sb = dl_sandbox_new(id, c->objects.region, dl_now(c));
  if (dl_map_get(&c->objects.names, id)) dl_set(&sb->name, dl_uuid_new().text);
  if (!take_snapshot(c, req, sb)) {
    dl_sandbox_free(sb);
    return;
  }
  dl_life_adopt(&c->life, sb, is_archived);
  dl_answer_sandbox(c, req, sb);
}

/* Which files of a sandbox they are is not written in them: on an image they mean nothing without a snapshot of that. */
static void adopt_snapshot(dl_control_t *c, dl_req_t *req, const char *id) {
  const char *name = dl_json_str(dl_body(req), "name"), *problem = name ? dl_check_snapshot_name(name) : NULL;
  char *file = dl_snapshot_files(&c->objects, id), *own = dl_xprintf("recovered-%s", id);
  dl_sandbox_t *sb = dl_sandbox_new(dl_uuid_new().text, c->objects.region, dl_now(c));
  struct stat st = {0};
  stat(file, &st);
  double gb = (double)st.st_blocks * 512 / 1e9;
  if (!name) name = own;
  if (problem) {
    dl_fail(c, req, 400, "name %s", problem);
  } else if (dl_snapshot_name_is_taken(&c->objects, name)) {
    dl_fail(c, req, 409, "Snapshot with name %s already exists", name);
  } else if (gb > c->life.max_snapshot_gb) {
    dl_fail(c, req, 400, "its files have %.2f GB, and a snapshot may have %g GB (--max-snapshot-size)", gb,
            c->life.max_snapshot_gb);
  } else if (dl_take_snapshot(c, req, sb, dl_json_str(dl_body(req), "snapshot"))) {
    json_t *snapshot = dl_snapshot_new_of_sandbox(&c->objects, sb, name);
    json_object_set_new(snapshot, "id", json_string(id));
    json_object_set_new(snapshot, "sourceSandboxId", json_null());
    dl_snapshot_begin_copy(&c->life, snapshot);
    dl_snapshot_copied(&c->life, id, NULL);
    dl_answer_durable(c, req, 200, dl_snapshot_shown(json_object_get(dl_snapshots_all(&c->objects), id)));
  }
  dl_sandbox_free(sb);
  free(own);
  free(file);
}

void dl_orphan_adopt(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  const char *id = dl_req_param(req, "id");
  dl_orphan_kind_t kind = dl_orphan_find(&c->objects, id);
  if (kind == DL_ORPHAN_NONE)
    dl_fail(c, req, 404, "nothing without an owner has the id %s", id);
  else if (kind == DL_ORPHAN_VOLUME)
    dl_answer_durable(c, req, 200, dl_volume_adopt(&c->objects, id));
  else if (kind == DL_ORPHAN_SNAPSHOT)
    adopt_snapshot(c, req, id);
  else
    adopt_sandbox(c, req, id, kind == DL_ORPHAN_ARCHIVE);
}

void dl_orphan_delete(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  const char *id = dl_req_param(req, "id");
  if (dl_orphan_find(&c->objects, id) == DL_ORPHAN_NONE) {
    dl_fail(c, req, 404, "nothing without an owner has the id %s", id);
    return;
  }
  dl_orphan_discard(&c->objects, id);
  dl_reply_empty(req, 204);
}
