/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls for volumes.
 */
#include "control/objects/volumes.h"
#include "control/routes/call.h"
#include "control/routes/query.h"
#include "control/routes/validate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_text(const char *a, const char *b) {
  return a && b ? strcmp(a, b) : (a != NULL) - (b != NULL);
}

/* Last used first, never used last, then the newest. */
static int by_use(const void *a, const void *b) {
  const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
  int used = compare_text(dl_json_str(y, "lastUsedAt"), dl_json_str(x, "lastUsedAt"));
  return used ? used : compare_text(dl_json_str(y, "createdAt"), dl_json_str(x, "createdAt"));
}

static void list(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_volumes_settle(&c->objects);
  dl_check_t k;
  dl_check_init(&k);
  bool with_deleted = dl_query_bool(req, &k, "includeDeleted") == 1;
  if (dl_check_failed(&k, c, req)) return;
  json_t *all = (json_t *)dl_store_all(c->objects.store, "volume"), *volume, *out = json_array();
  size_t count = 0, size = json_object_size(all);
  json_t **sorted = dl_xcalloc(size + 1, sizeof *sorted);
  const char *id;
  json_object_foreach (all, id, volume)
    if (with_deleted || !dl_volume_is_deleted(volume)) sorted[count++] = volume;
  qsort(sorted, count, sizeof *sorted, by_use);
  for (size_t i = 0; i < count; i++) json_array_append(out, sorted[i]);
  free(sorted);
  dl_reply_json(req, 200, out);
}

static void create(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_volumes_settle(&c->objects);
  const json_t *body = dl_body(req);
  const char *name = dl_json_str(body, "name");
  const char *problem = name ? dl_check_display(name) : "must be a string";
  if (problem) {
    dl_fail(c, req, 400, "name %s", problem);
    return;
  }
  if (*name && dl_volume_by_name(&c->objects, name)) {
    dl_fail(c, req, 400, "Volume with name %s already exists", name);
    return;
  }
  if (dl_volume_count(&c->objects) >= (size_t)c->opts.max_volumes) {
    dl_fail(c, req, 400, "there are %lld volumes already, and no more are allowed (--max-volumes)",
            (long long)c->opts.max_volumes);
    return;
  }
  json_t *volume = dl_volume_create(&c->objects, name);
  if (!volume) {
    dl_fail(c, req, 500, "cannot make the volume's directory: %s", strerror(errno));
    return;
  }
  json_t *shown = json_copy(volume);
  json_object_set_new(shown, "state", json_string("pending_create"));
  json_decref(volume);
  dl_answer_durable(c, req, 200, shown);
}

static void answer(dl_control_t *c, dl_req_t *req, json_t *volume, const char *what) {
  if (volume)
    dl_reply_json(req, 200, json_incref(volume));
  else
    dl_fail(c, req, 404, "Volume %s not found", what);
}

static void get(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_volumes_settle(&c->objects);
  const char *id = dl_req_param(req, "id");
  answer(c, req, dl_volume_by_id(&c->objects, id), id);
}

static void get_by_name(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_volumes_settle(&c->objects);
  const char *name = dl_req_param(req, "name");
  answer(c, req, dl_volume_by_name(&c->objects, name), name);
}

typedef struct {
  dl_control_t *control;
  dl_req_t *req;
} removal_t;

/* What follows is written with later changes: whether that can be is nothing to the client. */
static void on_removed(dl_written_t outcome, void *user) {
  removal_t *r = user;
  if (outcome == DL_WRITTEN)
    dl_reply_empty(r->req, 200);
  else
    dl_fail_unwritten(r->control, r->req, outcome);
  free(r);
}

static void delete_volume(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_volumes_settle(&c->objects);
  const char *id = dl_req_param(req, "id");
  const json_t *volume = dl_volume_by_id(&c->objects, id);
  const char *state = volume ? dl_json_str(volume, "state") : "";
  if (!volume) {
    dl_fail(c, req, 404, "Volume %s not found", id);
  } else if (strcmp(state, "ready") != 0 && strcmp(state, "error") != 0) {
    dl_fail(c, req, 400, "Volume %s is %s; only one that is ready or in error can be deleted", id, state);
  } else if (dl_volume_is_mounted(&c->objects, id)) {
    dl_fail(c, req, 409, "Volume %s is in use by a sandbox", id);
  } else {
    removal_t *r = dl_xcalloc(1, sizeof *r);
    *r = (removal_t){c, req};
    dl_volume_remove(&c->objects, id, on_removed, r);
  }
}

static const dl_route_t routes[] = {
  {"GET", "/volumes", list, DL_R_PERM(DL_PERM_READ_VOLUMES)},
  {"POST", "/volumes", create, DL_R_BODY | DL_R_PERM(DL_PERM_WRITE_VOLUMES)},
  {"GET", "/volumes/by-name/{name}", get_by_name, DL_R_PERM(DL_PERM_READ_VOLUMES)},
  {"GET", "/volumes/{id}", get, DL_R_PERM(DL_PERM_READ_VOLUMES)},
  {"DELETE", "/volumes/{id}", delete_volume, DL_R_PERM(DL_PERM_DELETE_VOLUMES)},
};

dl_route_table_t dl_volume_routes(void) { return (dl_route_table_t){routes, DL_COUNT(routes)}; }
