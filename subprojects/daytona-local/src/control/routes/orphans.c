/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admin calls for files that no object owns.
 */
#include "control/routes/orphans.h"

#include "control/objects/orphans.h"
#include "control/objects/snapshots.h"
#include "control/objects/volumes.h"

void dl_orphans_get(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_reply_json(req, 200, json_pack("{s:o}", "items", dl_orphans_list(&c->objects)));
}

/* What the journal had said of it is gone: it is as one that was created with no wishes. */
static void adopt_sandbox(dl_control_t *c, dl_req_t *req, const char *id, bool is_archived) {
  dl_sandbox_t *sb = dl_sandbox_new(id, c->objects.region, dl_now(c));
  json_t *snapshot = dl_snapshot_find(&c->objects, NULL);
  if (dl_map_get(&c->objects.names, id)) dl_set(&sb->name, dl_uuid_new().text);
  dl_set(&sb->snapshot, dl_json_str(snapshot, "name"));
  sb->cpu = dl_json_num(snapshot, "cpu", 1);
  sb->memory = dl_json_num(snapshot, "mem", 1);
  sb->disk = dl_json_num(snapshot, "disk", 3);
  dl_life_adopt(&c->life, sb, is_archived);
  dl_answer_sandbox(c, req, sb);
}

void dl_orphan_adopt(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  const char *id = dl_req_param(req, "id");
  dl_orphan_kind_t kind = dl_orphan_find(&c->objects, id);
  if (kind == DL_ORPHAN_NONE)
    dl_fail(c, req, 404, "nothing without an owner has the id %s", id);
  else if (kind == DL_ORPHAN_VOLUME)
    dl_answer_durable(c, req, 200, dl_volume_adopt(&c->objects, id));
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
