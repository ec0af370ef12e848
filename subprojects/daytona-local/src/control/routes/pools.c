/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls for warm pools.
 */
#include "control/life/pools.h"

#include "control/objects/pools.h"
#include "control/objects/snapshots.h"
#include "control/routes/call.h"
#include "control/routes/fields.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_t *shown(dl_control_t *c, const json_t *pool) {
  const char *id = dl_json_str(pool, "id");
  json_t *out = json_copy((json_t *)pool);
  json_object_set_new(out, "currentSize", json_integer((json_int_t)dl_pool_ready_count(&c->objects, id)));
  json_object_set_new(out, "errorReason", dl_json_str_or_null(dl_pool_problem(c->pools, id)));
  return out;
}

static int oldest_first(const void *a, const void *b) {
  const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
  int order = strcmp(dl_json_str(x, "createdAt"), dl_json_str(y, "createdAt"));
  return order ? order : strcmp(dl_json_str(x, "id"), dl_json_str(y, "id"));
}

static void list(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  const json_t *all = dl_pools_all(&c->objects);
  json_t **sorted = dl_xcalloc(json_object_size(all) + 1, sizeof *sorted), *pool, *out = json_array();
  const char *id;
  size_t count = 0;
  json_object_foreach ((json_t *)all, id, pool) sorted[count++] = pool;
  qsort(sorted, count, sizeof *sorted, oldest_first);
  for (size_t i = 0; i < count; i++) json_array_append_new(out, shown(c, sorted[i]));
  free(sorted);
  dl_reply_json(req, 200, out);
}

static void take_size(dl_check_t *k, const json_t *body, double min, int64_t *slot) {
  const json_t *value = dl_json_get(body, "pool");
  double n = json_number_value(value);
  if (!json_is_number(value) || n != floor(n) || n < min)
    dl_check_add(k, "pool must be an integer of at least %g", min);
  else if (n > DL_POOL_SIZE_MAX)
    dl_check_add(k, "pool must not exceed %d", DL_POOL_SIZE_MAX);
  else
    *slot = (int64_t)n;
}

/* The change is answered when it is on disk, and what follows from it begins. */
typedef struct {
  dl_control_t *control;
  dl_req_t *req;
  int status;
  char *id; /* of what is shown then; NULL: nothing */
} change_t;

static void on_written(dl_written_t outcome, void *user) {
  change_t *ch = user;
  dl_control_t *c = ch->control;
  const json_t *pool = ch->id ? dl_pool_by_id(&c->objects, ch->id) : NULL;
  if (outcome != DL_WRITTEN)
    dl_fail_unwritten(c, ch->req, outcome);
  else if (pool)
    dl_reply_json(ch->req, ch->status, shown(c, pool));
  else if (ch->id)
    dl_fail(c, ch->req, 404, "Warm pool %s was deleted meanwhile", ch->id);
  else
    dl_reply_empty(ch->req, ch->status);
  if (outcome == DL_WRITTEN) dl_pool_keeper_look(c->pools);
  free(ch->id);
  free(ch);
}

static void answer(dl_control_t *c, dl_req_t *req, int status, const char *id) {
  change_t *ch = dl_xcalloc(1, sizeof *ch);
  *ch = (change_t){c, req, status, id ? dl_xstrdup(id) : NULL};
  dl_store_commit(c->objects.store, on_written, ch);
}

static void create(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  const json_t *body = dl_body(req);
  const char *name = dl_json_str(body, "snapshot"), *target = dl_json_str(body, "target");
  int64_t size = 0;
  dl_check_t k;
  dl_check_init(&k);
  if (!name || !*name) dl_check_add(&k, "snapshot should not be empty");
  dl_field_is(&k, body, "target", target != NULL, "a string");
  take_size(&k, body, 1, &size);
  if (dl_check_failed(&k, c, req)) return;
  if (!target || !*target) target = c->objects.region;
  const json_t *snapshot = dl_snapshot_find_usable(&c->objects, name);
  if (!dl_region_is_ours(c, target))
    dl_fail(c, req, 404, "Region %s not found", target);
  else if (!snapshot)
    dl_fail(c, req, 404, "Snapshot %s not found", name);
  else if (dl_snapshot_state(snapshot) != DL_SNAPSHOT_ACTIVE)
    dl_fail(c, req, 400, "Snapshot %s is not active: its state is %s", name,
            dl_snapshot_state_name(dl_snapshot_state(snapshot)));
  else if (dl_pool_find(&c->objects, dl_json_str(snapshot, "name"), target))
    dl_fail(c, req, 409, "there is a warm pool of snapshot %s in region %s already",
            dl_json_str(snapshot, "name"), target);
  else if (json_object_size(dl_pools_all(&c->objects)) >= DL_POOLS_MAX)
    dl_fail(c, req, 400, "the limit of %u warm pools is reached", DL_POOLS_MAX);
  else
    answer(c, req, 201, dl_json_str(dl_pool_create(&c->objects, snapshot, target, size), "id"));
}

/* NULL when the request was answered. */
static const json_t *find(dl_control_t *c, dl_req_t *req) {
  const char *id = dl_req_param(req, "id");
  const json_t *pool = dl_pool_by_id(&c->objects, id);
  if (!pool) dl_fail(c, req, 404, "Warm pool %s not found", id);
  return pool;
}

static void update(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  int64_t size = 0;
  dl_check_t k;
  if (!find(c, req)) return;
  dl_check_init(&k);
  take_size(&k, dl_body(req), 0, &size);
  if (dl_check_failed(&k, c, req)) return;
  dl_pool_resize(&c->objects, dl_req_param(req, "id"), size);
  answer(c, req, 200, dl_req_param(req, "id"));
}

static void delete_pool(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  if (!find(c, req)) return;
  dl_pool_remove(&c->objects, dl_req_param(req, "id"));
  answer(c, req, 204, NULL);
}

#define WRITE DL_R_PERM(DL_PERM_WRITE_SANDBOXES)
static const dl_route_t routes[] = {
  {"GET", "/warm-pools", list, 0},
  {"POST", "/warm-pools", create, DL_R_BODY | WRITE},
  {"PATCH", "/warm-pools/{id}", update, DL_R_BODY | WRITE},
  {"DELETE", "/warm-pools/{id}", delete_pool, WRITE},
};

dl_route_table_t dl_pool_routes(void) { return (dl_route_table_t){routes, DL_COUNT(routes)}; }
