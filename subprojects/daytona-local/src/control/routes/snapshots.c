/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls for snapshots.
 */
#include "control/life/snapshot_life.h"
#include "control/objects/build_info.h"
#include "control/routes/call.h"
#include "control/routes/fields.h"
#include "control/routes/query.h"
#include "control/routes/validate.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
  const char *key;
  bool is_descending;
} order_t;

/* Whatever they are sorted by, pages fit together. */
static int compare_rest(const json_t *x, const json_t *y) {
  int difference = strcmp(dl_json_str(y, "createdAt"), dl_json_str(x, "createdAt"));
  return difference ? difference : strcmp(dl_json_str(x, "id"), dl_json_str(y, "id"));
}

/* General ones last, and those without a value after the others. */
static int compare(const void *a, const void *b, void *user) {
  const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
  const order_t *o = user;
  int general = dl_snapshot_is_general(x) - dl_snapshot_is_general(y);
  if (general) return general;
  /* Those that are always there: the default one first. */
  if (dl_snapshot_is_general(x)) return strcmp(dl_json_str(x, "name"), dl_json_str(y, "name"));
  const char *u = dl_json_str(x, o->key), *v = dl_json_str(y, o->key);
  int difference = u && v ? strcmp(u, v) : 0;
  if (!u != !v) return (u == NULL) - (v == NULL);
  if (difference == 0) return compare_rest(x, y);
  return o->is_descending ? -difference : difference;
}

static bool matches(const json_t *snapshot, const char *name, const char *source) {
  const char *own_source = dl_json_str(snapshot, "sourceSandboxId");
  if (name && !strcasestr(dl_json_str(snapshot, "name"), name)) return false;
  return !source || !*source || (own_source && strcmp(own_source, source) == 0);
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
  const char *name = dl_query_get(dl_req_query(req), "name"),
             *source = dl_query_get(dl_req_query(req), "sourceSandboxId");
  json_t *all = (json_t *)dl_snapshots_all(&c->objects);
  json_t **sorted = dl_xcalloc(json_object_size(all) + 1, sizeof *sorted), *items = json_array(), *snapshot;
  const char *id;
  size_t count = 0;
  json_object_foreach (all, id, snapshot) {
    if (matches(snapshot, name, source)) sorted[count++] = snapshot;
  }
  qsort_r(sorted, count, sizeof *sorted, compare, &by);
  for (size_t i = (size_t)((page - 1) * limit); i < count && i < (size_t)(page * limit); i++)
    json_array_append_new(items, dl_snapshot_shown(sorted[i]));
  free(sorted);
  dl_reply_json(req, 200,
                json_pack("{s:o, s:i, s:i, s:i}", "items", items, "total", (int)count, "page", (int)page,
                          "totalPages", (int)((count + (size_t)limit - 1) / (size_t)limit)));
}

static void get(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  const char *x = dl_req_param(req, "x");
  const json_t *snapshot = dl_snapshot_find(&c->objects, x);
  if (snapshot)
    dl_reply_json(req, 200, dl_snapshot_shown(snapshot));
  else
    dl_fail(c, req, 404, "Snapshot %s not found", x);
}

/* --- creating --- */

/* What is wanted, as it is read. */
typedef struct {
  char *name, *image_name, *region, *class_name;
  json_t *build, *entrypoint;
  dl_sizes_t sizes;
} wanted_t;

static void free_wanted(wanted_t *w) {
  free(w->name);
  free(w->image_name);
  free(w->region);
  free(w->class_name);
  json_decref(w->build);
  json_decref(w->entrypoint);
}

/* Blank words are dropped; none left is none asked for. */
static void take_entrypoint(dl_check_t *k, const json_t *body, json_t **slot) {
  const json_t *words = dl_json_get(body, "entrypoint");
  size_t i;
  json_t *word, *out = json_array();
  dl_field_is(k, body, "entrypoint", json_is_array(words), "an array");
  json_array_foreach (words, i, word) {
    const char *text = json_string_value(word);
    if (!text)
      dl_check_add(k, "entrypoint.%zu must be a string", i);
    else if (text[strspn(text, " \t\r\n")] != '\0')
      json_array_append(out, word);
  }
  if (json_array_size(out) > 0) *slot = json_incref(out);
  json_decref(out);
}

static void check_class(dl_check_t *k, const char *name) {
  if (!name || !*name || strcmp(name, DL_CLASS_CONTAINER) == 0 || strcmp(name, DL_CLASS_VM) == 0) return;
  if (strcmp(name, "windows") == 0)
    dl_check_add(k, "sandboxClass windows is not available here");
  else
    dl_check_add(k, "sandboxClass must be one of container, linux-vm, windows");
}

static void check_source(dl_check_t *k, const wanted_t *w, bool is_build) {
  bool has_image = w->image_name && *w->image_name;
  if (is_build && has_image) dl_check_add(k, "buildInfo cannot be combined with imageName");
  if (is_build && w->entrypoint)
    dl_check_add(k, "buildInfo cannot be combined with entrypoint: it belongs into the Dockerfile");
  if (!is_build && !has_image) dl_check_add(k, "imageName or buildInfo is needed");
  const char *problem = has_image ? dl_check_image_name(w->image_name) : NULL;
  if (problem) dl_check_add(k, "imageName %s", problem);
}

static void read_wanted(dl_control_t *c, dl_check_t *k, const json_t *body, wanted_t *w) {
  *w = (wanted_t){.sizes = {1, 1, 3}};
  dl_take_text(k, body, "name", &w->name);
  dl_take_text(k, body, "imageName", &w->image_name);
  dl_take_text(k, body, "regionId", &w->region);
  dl_take_text(k, body, "sandboxClass", &w->class_name);
  take_entrypoint(k, body, &w->entrypoint);
  dl_take_sizes(c, k, body, &w->sizes);
  dl_check_gpu(k, body);
  w->build = dl_take_build(k, body, dl_objects_stamp(&c->objects));
  check_class(k, w->class_name);
  check_source(k, w, dl_asks_for(body, "buildInfo"));
  const char *problem = w->name ? dl_check_snapshot_name(w->name) : "must be a string";
  if (problem) dl_check_add(k, "name %s", problem);
}

/* The rules that do not follow from the body alone. True when the request was answered. */
static bool refused(dl_control_t *c, dl_req_t *req, const wanted_t *w) {
  if (w->region && *w->region && !dl_region_is_ours(c, w->region)) {
    dl_fail(c, req, 404, "Region %s not found", w->region);
    return true;
  }
  if (dl_snapshot_name_is_taken(&c->objects, w->name)) {
    dl_fail(c, req, 409, "Snapshot with name %s already exists", w->name);
    return true;
  }
  if (dl_snapshots_count(&c->objects) >= (size_t)c->opts.max_snapshots) {
    dl_fail(c, req, 400, "the limit of %d snapshots is reached", c->opts.max_snapshots);
    return true;
  }
  char *error = NULL;
  char *known =
    w->build ? dl_build_image_name(dl_json_str(w->build, "snapshotRef")) : dl_xstrdup(w->image_name);
  dl_image_t *image = dl_image_open(c->life.images, known, &error);
  free(known);
  char *problem = image ? NULL : dl_why_no_images(c);
  if (problem) dl_fail(c, req, 400, "%s", problem);
  bool is_refused = problem != NULL;
  dl_image_release(image);
  free(problem);
  free(error);
  return is_refused;
}

static void create(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_check_t k;
  wanted_t w;
  dl_check_init(&k);
  read_wanted(c, &k, dl_body(req), &w);
  if (!dl_check_failed(&k, c, req) && !refused(c, req, &w)) {
    const dl_snapshot_spec_t spec = {.name = w.name,
                                     .image_name = w.build ? NULL : w.image_name,
                                     .build = w.build,
                                     .entrypoint = w.entrypoint,
                                     .class_name = w.class_name && *w.class_name ? w.class_name : NULL,
                                     .cpu = w.sizes.cpu,
                                     .memory = w.sizes.memory,
                                     .disk = w.sizes.disk};
    const json_t *snapshot = dl_snapshot_create(&c->life, dl_snapshot_new(&c->objects, &spec));
    dl_answer_durable(c, req, 200, dl_snapshot_shown(snapshot));
  }
  free_wanted(&w);
}

/* --- the others --- */

/* These calls take the id only; SDKs look a name up first. NULL: the request was answered. */
static const json_t *find_by_id(dl_control_t *c, dl_req_t *req) {
  const char *x = dl_req_param(req, "x");
  const json_t *snapshot = json_object_get(dl_snapshots_all(&c->objects), x);
  if (snapshot) return snapshot;
  if (!dl_is_uuid(x) && dl_snapshot_find(&c->objects, x))
    dl_fail(c, req, 400, "only the id of a snapshot is accepted here");
  else
    dl_fail(c, req, 404, "Snapshot %s not found", x);
  return NULL;
}

static void refuse_state(dl_control_t *c, dl_req_t *req, const json_t *snapshot, const char *what) {
  dl_fail(c, req, 400, "Snapshot %s cannot be %s in state %s", dl_json_str(snapshot, "name"), what,
          dl_snapshot_state_name(dl_snapshot_state(snapshot)));
}

static void delete_snapshot(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  const json_t *snapshot = find_by_id(c, req);
  if (!snapshot) return;
  if (dl_snapshot_is_general(snapshot)) {
    dl_fail(c, req, 403, "the default snapshot cannot be deleted");
  } else if (dl_snapshot_state(snapshot) == DL_SNAPSHOT_REMOVING) {
    dl_fail(c, req, 409, "Snapshot %s is being removed already", dl_json_str(snapshot, "name"));
  } else {
    dl_snapshot_remove(&c->life, dl_json_str(snapshot, "id"));
    dl_answer_durable(c, req, 200, NULL);
  }
}

/* So long a snapshot is left alone after a change before it can be activated. */
#define ACTIVATION_WAIT_MS (INT64_C(10) * 60 * 1000)

static void activate(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  const json_t *snapshot = find_by_id(c, req);
  if (!snapshot) return;
  const char *id = dl_json_str(snapshot, "id");
  dl_snapshot_state_t state = dl_snapshot_state(snapshot);
  if (state == DL_SNAPSHOT_ACTIVE) {
    dl_fail(c, req, 400, "Snapshot %s is already active", dl_json_str(snapshot, "name"));
  } else if (state != DL_SNAPSHOT_INACTIVE) {
    refuse_state(c, req, snapshot, "activated");
  } else if (dl_snapshot_age(&c->objects, snapshot) < ACTIVATION_WAIT_MS) {
    dl_fail(c, req, 400, "Snapshot %s was changed less than 10 minutes ago; it can be activated later",
            dl_json_str(snapshot, "name"));
  } else {
    dl_snapshot_activate(&c->life, id);
    dl_answer_durable(c, req, 200, dl_snapshot_shown(json_object_get(dl_snapshots_all(&c->objects), id)));
  }
}

static void deactivate(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  const json_t *snapshot = find_by_id(c, req);
  if (!snapshot) return;
  dl_snapshot_state_t state = dl_snapshot_state(snapshot);
  if (dl_snapshot_is_general(snapshot)) {
    dl_fail(c, req, 403, "the default snapshot cannot be deactivated");
  } else if (state != DL_SNAPSHOT_ACTIVE && state != DL_SNAPSHOT_INACTIVE) {
    refuse_state(c, req, snapshot, "deactivated");
  } else {
    if (state == DL_SNAPSHOT_ACTIVE) dl_snapshot_deactivate(&c->life, dl_json_str(snapshot, "id"));
    dl_answer_durable(c, req, 204, NULL);
  }
}

static const dl_route_t routes[] = {
  {"GET", "/snapshots", list, 0},
  {"POST", "/snapshots", create, DL_R_BODY | DL_R_PERM(DL_PERM_WRITE_SNAPSHOTS)},
  {"GET", "/snapshots/{x}", get, 0},
  {"DELETE", "/snapshots/{x}", delete_snapshot, DL_R_PERM(DL_PERM_DELETE_SNAPSHOTS)},
  {"POST", "/snapshots/{x}/activate", activate, DL_R_PERM(DL_PERM_WRITE_SNAPSHOTS)},
  {"POST", "/snapshots/{x}/deactivate", deactivate, DL_R_PERM(DL_PERM_WRITE_SNAPSHOTS)},
};

dl_route_table_t dl_snapshot_routes(void) { return (dl_route_table_t){routes, DL_COUNT(routes)}; }
