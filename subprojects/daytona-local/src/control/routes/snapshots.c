/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls for snapshots. Making others than the default one from images or builds is not possible
 * here, and says so.
 */
#include "control/objects/snapshots.h"
#include "control/routes/call.h"
#include "control/routes/query.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
  const char *key;
  bool is_descending;
} order_t;

/* General ones last, and those without a value after the others. */
static int compare(const void *a, const void *b, void *user) {
  const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
  const order_t *o = user;
  int general = dl_json_bool(x, "general", false) - dl_json_bool(y, "general", false);
  if (general) return general;
  const char *u = dl_json_str(x, o->key), *v = dl_json_str(y, o->key);
  if (!u || !v) return (u == NULL) - (v == NULL);
  int difference = strcmp(u, v);
  return o->is_descending ? -difference : difference;
}

static void list(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  static const char *const sorts[] = {"lastUsedAt", "name", "state", "createdAt", NULL};
  dl_check_t check;
  dl_check_init(&check);
  int64_t page = dl_query_int(req, &check, "page", 1, 1000000, 1),
          limit = dl_query_int(req, &check, "limit", 1, 200, 100);
  order_t by = {dl_query_enum(req, &check, "sort", sorts), false};
  by.is_descending = dl_query_descending(req, &check);
  if (dl_check_failed(&check, c, req)) return;
  const char *name = dl_query_get(dl_req_query(req), "name");
  json_t *all = (json_t *)dl_snapshots_all(&c->objects);
  json_t **sorted = dl_xcalloc(json_object_size(all) + 1, sizeof *sorted), *items = json_array(), *snapshot;
  const char *id;
  size_t count = 0;
  json_object_foreach (all, id, snapshot) {
    if (!name || strcasestr(dl_json_str(snapshot, "name"), name)) sorted[count++] = snapshot;
  }
  qsort_r(sorted, count, sizeof *sorted, compare, &by);
  for (size_t i = (size_t)((page - 1) * limit); i < count && i < (size_t)(page * limit); i++)
    json_array_append(items, sorted[i]);
  free(sorted);
  dl_reply_json(req, 200,
                json_pack("{s:o, s:i, s:i, s:i}", "items", items, "total", (int)count, "page", (int)page,
                          "totalPages", (int)((count + (size_t)limit - 1) / (size_t)limit)));
}

static void get(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  const char *x = dl_req_param(req, "x");
  json_t *snapshot = dl_snapshot_find(&c->objects, x);
  if (snapshot)
    dl_reply_json(req, 200, json_incref(snapshot));
  else
    dl_fail(c, req, 404, "Snapshot %s not found", x);
}

static void create(dl_req_t *req, void *user) {
  dl_fail(user, req, 400,
          "daytona-local cannot make snapshots: it neither pulls images nor runs builds; use the "
          "snapshot " DL_DEFAULT_SNAPSHOT);
}

static void delete_snapshot(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  const char *x = dl_req_param(req, "x");
  if (!dl_snapshot_find(&c->objects, x))
    dl_fail(c, req, 404, "Snapshot %s not found", x);
  else if (!dl_is_uuid(x))
    dl_fail(c, req, 400, "only the id of a snapshot is accepted here");
  else
    dl_fail(c, req, 403, "the default snapshot cannot be deleted");
}

static void activate(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  const char *x = dl_req_param(req, "x");
  if (!dl_snapshot_find(&c->objects, x))
    dl_fail(c, req, 404, "Snapshot %s not found", x);
  else
    dl_fail(c, req, 400, "Snapshot %s is already active", x);
}

static const dl_route_t routes[] = {
  {"GET", "/snapshots", list, 0},
  {"POST", "/snapshots", create, DL_R_BODY | DL_R_PERM(DL_PERM_WRITE_SNAPSHOTS)},
  {"GET", "/snapshots/{x}", get, 0},
  {"DELETE", "/snapshots/{x}", delete_snapshot, DL_R_PERM(DL_PERM_DELETE_SNAPSHOTS)},
  {"POST", "/snapshots/{x}/activate", activate, DL_R_PERM(DL_PERM_WRITE_SNAPSHOTS)},
};

dl_route_table_t dl_snapshot_routes(void) { return (dl_route_table_t){routes, DL_COUNT(routes)}; }
