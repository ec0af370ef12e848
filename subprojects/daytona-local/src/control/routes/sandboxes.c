/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading sandboxes: one, a list with a cursor, and the older list in pages.
 */
#include "control/auth/called.h"
#include "control/routes/call.h"
#include "control/routes/create.h"
#include "control/routes/cursor.h"
#include "control/routes/query.h"
#include "control/routes/shown.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef dl_sort_value_t (*sort_by_fn)(const dl_sandbox_t *sb);

#define BY_TEXT(fn, expr) \
  static dl_sort_value_t fn(const dl_sandbox_t *sb) { return (dl_sort_value_t){(expr), 0, sb->id}; }
#define BY_NUMBER(fn, expr)                                 \
  static dl_sort_value_t fn(const dl_sandbox_t *sb) {       \
    return (dl_sort_value_t){NULL, (double)(expr), sb->id}; \
  }
BY_TEXT(by_name, sb->name)
BY_TEXT(by_id, sb->id)
BY_TEXT(by_state, dl_sandbox_state_name(sb, true))
BY_TEXT(by_snapshot, sb->snapshot ? sb->snapshot : "")
BY_TEXT(by_region, sb->target)
BY_NUMBER(by_cpu, sb->cpu)
BY_NUMBER(by_memory, sb->memory)
BY_NUMBER(by_disk, sb->disk)
BY_NUMBER(by_activity, sb->last_activity_at)
BY_NUMBER(by_created, sb->created_at)
BY_NUMBER(by_updated, sb->updated_at)

typedef struct {
  const char *name;
  sort_by_fn by;
} sort_key_t;

/* The first is the default. */
static const sort_key_t list_sorts[] = {{"lastActivityAt", by_activity},
                                        {"name", by_name},
                                        {"cpu", by_cpu},
                                        {"memoryGib", by_memory},
                                        {"diskGib", by_disk},
                                        {"createdAt", by_created},
                                        {NULL, NULL}};
static const sort_key_t page_sorts[] = {{"createdAt", by_created},
                                        {"id", by_id},
                                        {"name", by_name},
                                        {"state", by_state},
                                        {"snapshot", by_snapshot},
                                        {"region", by_region},
                                        {"updatedAt", by_updated},
                                        {"lastActivityAt", by_activity},
                                        {NULL, NULL}};

typedef struct {
  sort_by_fn by;
  bool is_descending;
  dl_sandbox_t **rows;
  size_t count;
} rows_t;

static int compare_rows(const void *a, const void *b, void *user) {
  const rows_t *r = user;
  return dl_sort_compare(r->by(*(dl_sandbox_t *const *)a), r->by(*(dl_sandbox_t *const *)b),
                         r->is_descending);
}

/* --- filters --- */

typedef struct {
  json_t *labels;
  int is_public, is_recoverable;
  bool includes_errored, includes_warm;
  int64_t min[4], max[4];
  int64_t created[2], activity[2], destroy[2];
  int64_t clock_offset; /* clients mean the machine's time */
} filter_t;

static void read_labels(dl_req_t *req, dl_check_t *k, filter_t *f) {
  const char *text = dl_query_get(dl_req_query(req), "labels"), *key;
  char *error = NULL;
  json_t *value;
  if (!text || !*text) return;
  f->labels = dl_json_parse(text, strlen(text), &error);
  free(error);
  bool ok = json_is_object(f->labels);
  if (ok)
    json_object_foreach (f->labels, key, value) ok = ok && json_is_string(value);
  if (!ok) dl_check_add(k, "labels must be a JSON object of strings");
}

static void check_states(dl_req_t *req, dl_check_t *k) {
  size_t at = 0;
  const char *state;
  while ((state = dl_query_next(dl_req_query(req), "states", &at)))
    if (!dl_state_known(state) || strcmp(state, "destroyed") == 0)
      dl_check_add(k, "states: %s is not a state", state);
  at = 0;
  while ((state = dl_query_next(dl_req_query(req), "sandboxClasses", &at)))
    if (strcmp(state, "container") != 0 && strcmp(state, "linux-vm") != 0 && strcmp(state, "android") != 0 &&
        strcmp(state, "windows") != 0)
      dl_check_add(k, "sandboxClasses: %s is not a class", state);
}

static void read_filter(dl_req_t *req, dl_check_t *k, filter_t *f) {
  static const struct {
    const char *min, *max;
    int64_t least;
  } sizes[] = {{"minCpu", "maxCpu", 1},
               {"minMemoryGiB", "maxMemoryGiB", 1},
               {"minDiskGiB", "maxDiskGiB", 1},
               {"minGpu", "maxGpu", 0}};
  *f = (filter_t){0};
  read_labels(req, k, f);
  check_states(req, k);
  f->is_public = dl_query_bool(req, k, "isPublic");
  f->is_recoverable = dl_query_bool(req, k, "isRecoverable");
  f->includes_errored = dl_query_bool(req, k, "includeErroredDeleted") == 1;
  f->includes_warm = dl_query_bool(req, k, "includeWarm") == 1;
  for (size_t i = 0; i < DL_COUNT(sizes); i++) {
    f->min[i] = dl_query_int(req, k, sizes[i].min, sizes[i].least, INT32_MAX, 0);
    f->max[i] = dl_query_int(req, k, sizes[i].max, sizes[i].least, INT32_MAX, INT64_MAX);
  }
  f->created[0] = dl_query_date(req, k, "createdAtAfter");
  f->created[1] = dl_query_date(req, k, "createdAtBefore");
  f->activity[0] = dl_query_date(req, k, "lastEventAfter");
  f->activity[1] = dl_query_date(req, k, "lastEventBefore");
  f->destroy[0] = dl_query_date(req, k, "autoDestroyAtAfter");
  f->destroy[1] = dl_query_date(req, k, "autoDestroyAtBefore");
}

static bool within(const int64_t bounds[2], int64_t value) {
  return (bounds[0] < 0 || value >= bounds[0]) && (bounds[1] < 0 || value <= bounds[1]);
}

static bool starts_with_nocase(const char *text, const char *prefix) {
  return !prefix || strncasecmp(text, prefix, strlen(prefix)) == 0;
}

static bool labels_match(const dl_sandbox_t *sb, json_t *wanted) {
  const char *key;
  json_t *value;
  json_object_foreach (wanted, key, value) {
    if (!json_equal(json_object_get(sb->labels, key), value)) return false;
  }
  return true;
}

static bool matches(dl_req_t *req, const filter_t *f, const dl_sandbox_t *sb) {
  const dl_query_t *q = dl_req_query(req);
  const double sizes[] = {sb->cpu, sb->memory, sb->disk, sb->gpu};
  if (sb->state == DL_DESTROYED || (sb->pool_id && !f->includes_warm)) return false;
  if (sb->want == DL_WANT_DESTROYED && dl_sandbox_is_errored(sb) && !f->includes_errored) return false;
  if (sb->want == DL_WANT_DESTROYED &&
      (sb->state == DL_ARCHIVED || sb->state == DL_PENDING_BUILD || sb->state == DL_PAUSED))
    return false;
  if (!starts_with_nocase(sb->id, dl_query_get(q, "id")) ||
      !starts_with_nocase(sb->name, dl_query_get(q, "name")))
    return false;
  for (size_t i = 0; i < DL_COUNT(sizes); i++)
    if (sizes[i] < (double)f->min[i] || sizes[i] > (double)f->max[i]) return false;
  if (f->is_public >= 0 && sb->is_public != f->is_public) return false;
  if (f->is_recoverable >= 0 && sb->is_recoverable != f->is_recoverable) return false;
  if (!within(f->created, sb->created_at + f->clock_offset) ||
      !within(f->activity, sb->last_activity_at + f->clock_offset))
    return false;
  bool has_end = sb->destroy_at && within(f->destroy, sb->destroy_at + f->clock_offset);
  if ((f->destroy[0] >= 0 || f->destroy[1] >= 0) && !has_end) return false;
  return dl_query_allows(req, "states", dl_sandbox_state_name(sb, true)) &&
         dl_query_allows(req, "snapshots", sb->snapshot) && dl_query_allows(req, "regionIds", sb->target) &&
         dl_query_allows(req, "regions", sb->target) &&
         dl_query_allows(req, "sandboxClasses", sb->class_name) && labels_match(sb, f->labels);
}

/* False when the request was answered. */
static bool select_rows(dl_control_t *c, dl_req_t *req, dl_check_t *k, const sort_key_t *sorts, rows_t *out) {
  filter_t f;
  const char *names[16] = {0};
  for (size_t i = 0; sorts[i].name; i++) names[i] = sorts[i].name;
  read_filter(req, k, &f);
  f.clock_offset = dl_clock_offset(&c->objects.clock);
  const char *chosen = dl_query_enum(req, k, "sort", names);
  out->is_descending = dl_query_descending(req, k);
  if (dl_check_failed(k, c, req)) {
    json_decref(f.labels);
    return false;
  }
  for (size_t i = 0; sorts[i].name; i++)
    if (strcmp(sorts[i].name, chosen) == 0) out->by = sorts[i].by;
  out->rows = dl_xcalloc(c->objects.sandboxes.count + 1, sizeof *out->rows);
  DL_LIST_EACH(&c->objects.sandbox_list, node) {
    dl_sandbox_t *sb = DL_CONTAINER(node, dl_sandbox_t, link);
    if (matches(req, &f, sb)) out->rows[out->count++] = sb;
  }
  qsort_r(out->rows, out->count, sizeof *out->rows, compare_rows, out);
  json_decref(f.labels);
  return true;
}

static size_t after_cursor(const rows_t *r, const json_t *cursor) {
  dl_sort_value_t last = dl_cursor_value(cursor);
  size_t i = 0;
  while (i < r->count && dl_sort_compare(r->by(r->rows[i]), last, r->is_descending) <= 0) i++;
  return i;
}

/* --- calls --- */

static void list(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_check_t k;
  dl_check_init(&k);
  int64_t limit = dl_query_int(req, &k, "limit", 1, 200, 100);
  const char *text = dl_query_get(dl_req_query(req), "cursor");
  json_t *cursor = text && *text ? dl_cursor_read(text) : NULL;
  if (text && *text && !cursor) dl_check_add(&k, "cursor is not valid");
  rows_t r = {0};
  if (select_rows(c, req, &k, list_sorts, &r)) {
    size_t first = cursor ? after_cursor(&r, cursor) : 0, i;
    json_t *items = json_array();
    char *url = dl_called_url(&c->front, req);
    for (i = first; i < r.count && i - first < (size_t)limit; i++)
      json_array_append_new(items, dl_sandbox_list_item(c, url, r.rows[i]));
    free(url);
    char *next = i < r.count ? dl_cursor_make(r.by(r.rows[i - 1])) : NULL;
    dl_reply_json(req, 200, json_pack("{s:o, s:o}", "items", items, "nextCursor", dl_json_str_or_null(next)));
    free(next);
  }
  json_decref(cursor);
  free(r.rows);
}

static void list_pages(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_check_t k;
  dl_check_init(&k);
  int64_t limit = dl_query_int(req, &k, "limit", 1, 200, 100),
          page = dl_query_int(req, &k, "page", 1, 1000000, 1);
  rows_t r = {0};
  if (select_rows(c, req, &k, page_sorts, &r)) {
    json_t *items = json_array();
    char *url = dl_called_url(&c->front, req);
    for (size_t i = (size_t)((page - 1) * limit); i < r.count && i < (size_t)(page * limit); i++)
      json_array_append_new(items, dl_sandbox_dto(c, url, r.rows[i]));
    free(url);
    dl_reply_json(req, 200,
                  json_pack("{s:o, s:i, s:i, s:i}", "items", items, "total", (int)r.count, "page", (int)page,
                            "totalPages", (int)((r.count + (size_t)limit - 1) / (size_t)limit)));
  }
  free(r.rows);
}

static void get(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  char *url = dl_called_url(&c->front, req);
  dl_reply_json(req, 200, dl_sandbox_dto(c, url, dl_target(req)));
  free(url);
}

/* --- families of forks --- */

static void forks(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  const dl_sandbox_t *parent = dl_target(req);
  dl_check_t k;
  dl_check_init(&k);
  dl_query_bool(req, &k, "includeDestroyed"); /* nothing is known of those */
  if (dl_check_failed(&k, c, req)) return;
  json_t *list = json_array();
  DL_LIST_EACH(&c->objects.sandbox_list, node) {
    const dl_sandbox_t *sb = DL_CONTAINER(node, dl_sandbox_t, link);
    if (sb->want != DL_WANT_DESTROYED && sb->forked_from && strcmp(sb->forked_from, parent->id) == 0)
      json_array_append_new(list, dl_sandbox_shown_to(c, req, sb));
  }
  dl_reply_json(req, 200, list);
}

/* NULL: it is no fork, or its parent is gone. */
static dl_sandbox_t *parent_of(dl_control_t *c, const dl_sandbox_t *sb) {
  return sb->forked_from ? dl_objects_find(&c->objects, sb->forked_from, false) : NULL;
}

static void parent(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  const dl_sandbox_t *found = parent_of(c, dl_target(req));
  if (found)
    dl_reply_json(req, 200, dl_sandbox_shown_to(c, req, found));
  else
    dl_fail(c, req, 404, "Sandbox %s has no parent", dl_target(req)->id);
}

static void ancestors(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  json_t *list = json_array();
  for (dl_sandbox_t *sb = parent_of(c, dl_target(req)); sb; sb = parent_of(c, sb))
    json_array_append_new(list, dl_sandbox_shown_to(c, req, sb));
  dl_reply_json(req, 200, list);
}

static void toolbox_url(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  char *url = dl_called_url(&c->front, req);
  dl_reply_json(req, 200, json_pack("{s:o}", "url", json_sprintf("%s/toolbox", url)));
  free(url);
}

static const dl_route_t routes[] = {
  {"POST", "/sandbox", dl_create_sandbox, DL_R_BODY | DL_R_CREATE | DL_R_PERM(DL_PERM_WRITE_SANDBOXES)},
  {"GET", "/sandbox", list, DL_R_LIST},
  {"GET", "/sandbox/paginated", list_pages, DL_R_LIST},
  {"GET", "/sandbox/{x}", get, DL_R_SANDBOX | DL_R_MEMORY},
  {"GET", "/sandbox/{x}/forks", forks, DL_R_SANDBOX},
  {"GET", "/sandbox/{x}/parent", parent, DL_R_SANDBOX},
  {"GET", "/sandbox/{x}/ancestors", ancestors, DL_R_SANDBOX},
  {"GET", "/sandbox/{x}/toolbox-proxy-url", toolbox_url, DL_R_SANDBOX_ID},
};

dl_route_table_t dl_sandbox_routes(void) { return (dl_route_table_t){routes, DL_COUNT(routes)}; }
