/* SPDX-License-Identifier: Apache-2.0
 *
 * Snapshots. The default one stands for the machine's own system: a sandbox made from it sees
 * that system read-only and an empty home. Making others from images or builds is not possible
 * here, and says so.
 */
#include "control/objects/snapshots.h"

#include "control/routes/query.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static json_t *all(dl_control *c) { return (json_t *)dl_store_all(c->store, "snapshot"); }

static json_t *by_name(dl_control *c, const char *name) {
  const char *id;
  json_t *snapshot;
  json_object_foreach (all(c), id, snapshot) {
    if (strcmp(dl_json_str(snapshot, "name"), name) == 0) return snapshot;
  }
  return NULL;
}

json_t *dl_snapshot_find(dl_control *c, const char *id_or_name) {
  if (!id_or_name || id_or_name[strspn(id_or_name, " \t")] == '\0') id_or_name = DL_DEFAULT_SNAPSHOT;
  json_t *found = json_object_get(all(c), id_or_name);
  return found ? found : by_name(c, id_or_name);
}

void dl_snapshots_init(dl_control *c) {
  if (by_name(c, DL_DEFAULT_SNAPSHOT)) return;
  dl_uuid id = dl_uuid_new();
  dl_iso now = dl_iso_format(dl_now(c));
  json_t *snapshot = json_pack(
    "{s:s, s:b, s:s, s:s, s:s, s:i, s:n, s:i, s:i, s:i, s:i, s:n, s:s, s:s, s:n, s:[s], s:s, s:s, s:n}", "id",
    id.text, "general", 1, "name", DL_DEFAULT_SNAPSHOT, "imageName", DL_DEFAULT_SNAPSHOT, "state", "active",
    "size", 0, "entrypoint", "cpu", 1, "gpu", 0, "mem", 1, "disk", 3, "errorReason", "createdAt", now.text,
    "updatedAt", now.text, "lastUsedAt", "regionIds", c->opts.region, "ref", DL_DEFAULT_SNAPSHOT,
    "sandboxClass", "container", "sourceSandboxId");
  dl_store_put(c->store, "snapshot", id.text, snapshot);
}

void dl_snapshot_used(dl_control *c, json_t *snapshot) {
  json_t *updated = json_copy(snapshot);
  json_object_set_new(updated, "lastUsedAt", json_string(dl_iso_format(dl_now(c)).text));
  dl_store_put(c->store, "snapshot", dl_json_str(snapshot, "id"), updated);
}

/* ---- calls ---- */

static const char *sort_key;
static bool sort_descending;

static int compare(const void *a, const void *b) {
  const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
  int general = dl_json_bool(x, "general", false) - dl_json_bool(y, "general", false);
  if (general) return general;
  const char *u = dl_json_str(x, sort_key), *v = dl_json_str(y, sort_key);
  if (!u || !v) return (u == NULL) - (v == NULL);
  int order = strcmp(u, v);
  return sort_descending ? -order : order;
}

static void list(dl_req *req, void *user) {
  dl_control *c = user;
  static const char *const sorts[] = {"lastUsedAt", "name", "state", "createdAt", NULL};
  dl_check check;
  dl_check_init(&check);
  int64_t page = dl_query_int(req, &check, "page", 1, 1000000, 1),
          limit = dl_query_int(req, &check, "limit", 1, 200, 100);
  sort_key = dl_query_enum(req, &check, "sort", sorts);
  sort_descending = dl_query_descending(req, &check);
  if (dl_check_failed(&check, c, req)) return;
  const char *name = dl_query_get(dl_req_query(req), "name");
  json_t **sorted = dl_xcalloc(json_object_size(all(c)) + 1, sizeof *sorted), *items = json_array(),
         *snapshot;
  const char *id;
  size_t count = 0;
  json_object_foreach (all(c), id, snapshot) {
    if (!name || strcasestr(dl_json_str(snapshot, "name"), name)) sorted[count++] = snapshot;
  }
  qsort(sorted, count, sizeof *sorted, compare);
  for (size_t i = (size_t)((page - 1) * limit); i < count && i < (size_t)(page * limit); i++)
    json_array_append(items, sorted[i]);
  free(sorted);
  dl_reply_json(req, 200,
                json_pack("{s:o, s:i, s:i, s:i}", "items", items, "total", (int)count, "page", (int)page,
                          "totalPages", (int)((count + (size_t)limit - 1) / (size_t)limit)));
}

static void get(dl_req *req, void *user) {
  dl_control *c = user;
  const char *x = dl_req_param(req, "x");
  json_t *snapshot = dl_snapshot_find(c, x);
  if (snapshot)
    dl_reply_json(req, 200, json_incref(snapshot));
  else
    dl_fail(c, req, 404, "Snapshot %s not found", x);
}

static void create(dl_req *req, void *user) {
  dl_fail(user, req, 400,
          "daytona-local cannot make snapshots: it neither pulls images nor runs builds; use the "
          "snapshot " DL_DEFAULT_SNAPSHOT);
}

static void delete_snapshot(dl_req *req, void *user) {
  dl_control *c = user;
  const char *x = dl_req_param(req, "x");
  if (!dl_snapshot_find(c, x))
    dl_fail(c, req, 404, "Snapshot %s not found", x);
  else if (!dl_is_uuid(x))
    dl_fail(c, req, 400, "only the id of a snapshot is accepted here");
  else
    dl_fail(c, req, 403, "the default snapshot cannot be deleted");
}

static void activate(dl_req *req, void *user) {
  dl_control *c = user;
  const char *x = dl_req_param(req, "x");
  if (!dl_snapshot_find(c, x))
    dl_fail(c, req, 404, "Snapshot %s not found", x);
  else
    dl_fail(c, req, 400, "Snapshot %s is already active", x);
}

static const dl_route routes[] = {
  {"GET", "/snapshots", list, 0},
  {"POST", "/snapshots", create, DL_R_BODY | DL_R_PERM(DL_PERM_WRITE_SNAPSHOTS)},
  {"GET", "/snapshots/{x}", get, 0},
  {"DELETE", "/snapshots/{x}", delete_snapshot, DL_R_PERM(DL_PERM_DELETE_SNAPSHOTS)},
  {"POST", "/snapshots/{x}/activate", activate, DL_R_PERM(DL_PERM_WRITE_SNAPSHOTS)},
};

dl_route_table dl_snapshot_routes(void) { return (dl_route_table){routes, DL_COUNT(routes)}; }
