/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of sandboxes: pages by number, the walk by cursor, and the first that matches.
 *
 * All sandboxes of one response share its memory, which goes with the last of them.
 */
#include <daytona/sandbox.h>

#include <string.h>

#include "call/pager.h"
#include "call/results.h"

DAYTONA__PAGE_MODEL(page_model, "PaginatedSandboxes", &daytona__sandbox_model);

static daytona_sandbox_t *make_sandbox(daytona_client_t *client, daytona__sandbox_data_t *answer,
                                       const void *item) {
  daytona__sandbox_dto_t *dto = (daytona__sandbox_dto_t *)item; /* in a response of ours */
  daytona__sandbox_dto_finish(dto);
  return daytona__sandbox_new(client, answer, dto);
}

#define LABELS(place, opts_type) DAYTONA__OPT(place, opts_type, MAP, labels, "labels")

/* --- pages ------------------------------------------------------------------------------------- */

static void drop_page(void *result) {
  const daytona_sandbox_page_t *page = result;
  for (size_t i = 0; i < page->count; i++) daytona_sandbox_release(page->items[i]);
}

const daytona__type_t daytona__type_sandbox_page = {"sandbox_page", drop_page};

static int finish_page(daytona__op_t *op, const void *args, void **answer, const char **problem) {
  const daytona__page_t *given = *answer;
  daytona__arena_t *arena = &op->future->arena;
  daytona_sandbox_page_t *page = daytona__arena_alloc(arena, sizeof *page);
  daytona_sandbox_t **items = daytona__arena_array(arena, given->count, sizeof *items);
  if (page == NULL || items == NULL) return DAYTONA_ENOMEM;
  *page = (daytona_sandbox_page_t){
    .items = items, .total = given->total, .page = given->page, .total_pages = given->total_pages};
  for (; page->count < given->count; page->count++) {
    items[page->count] = make_sandbox(op->client, op->data, given->items[page->count]);
    if (items[page->count] != NULL) continue;
    drop_page(page);
    return DAYTONA_ENOMEM;
  }
  *answer = page;
  return 0;
}

typedef struct list_args {
  const char *id_or_name;
  int64_t page, limit;
} list_args_t;

#define ARGS(...) .request = DAYTONA__ARGS(list_args_t, __VA_ARGS__)

#define NUMBER(member)                                                                                 \
  DAYTONA__OPT(IN_QUERY, daytona_sandbox_list_opts_t, OPT_INT, member, #member, .rules = DAYTONA__MIN, \
               .min = 1)

DAYTONA__METHOD(list, .prefix = "Failed to list sandboxes: ", .verb = "GET", .path = "/sandbox/paginated",
                ARGS(LABELS(IN_QUERY, daytona_sandbox_list_opts_t), NUMBER(page), NUMBER(limit)),
                .response = &page_model, .keeps_answer = true, .result = &daytona__type_sandbox_page,
                .finish = finish_page);

daytona_future_t *daytona_sandbox_list(daytona_client_t *client, const daytona_sandbox_list_opts_t *opts) {
  return daytona__call(client, &list_method, NULL, DAYTONA__OPTS(opts));
}

/* --- the first that matches -------------------------------------------------------------------- */

static int finish_first(daytona__op_t *op, const void *args, void **answer, const char **problem) {
  const daytona__page_t *page = *answer;
  bool is_unreadable = page->count == 0 && op->future->skipped_count != 0;
  *problem = "malformed response: the sandbox that was found cannot be read";
  if (is_unreadable) return DAYTONA_EPROTOCOL;
  *problem = page->count == 0 ? "no sandbox has the labels asked for" : NULL;
  if (*problem != NULL) return DAYTONA_ENOTFOUND;
  *answer = make_sandbox(op->client, op->data, page->items[0]);
  return *answer != NULL ? 0 : DAYTONA_ENOMEM;
}

DAYTONA__METHOD(find_by_labels, .prefix = "Failed to find sandbox: ", .verb = "GET",
                .path = "/sandbox/paginated",
                ARGS(LABELS(IN_QUERY, daytona_sandbox_find_one_opts_t),
                     DAYTONA__ARG(IN_QUERY, list_args_t, INT, page, "page"),
                     DAYTONA__ARG(IN_QUERY, list_args_t, INT, limit, "limit")),
                .response = &page_model, .keeps_answer = true, .result = &daytona__type_sandbox,
                .finish = finish_first);
DAYTONA__METHOD(find_by_name, .prefix = "Failed to find sandbox: ", .verb = "GET", .path = "/sandbox/{id}",
                ARGS(LABELS(NOWHERE, daytona_sandbox_find_one_opts_t),
                     DAYTONA__ARG(IN_PATH, list_args_t, STRING, id_or_name, "id")),
                .gives_sandbox = true);

daytona_future_t *daytona_sandbox_find_one(daytona_client_t *client,
                                           const daytona_sandbox_find_one_opts_t *opts) {
  bool has_name = opts != NULL && opts->id_or_name != NULL && opts->id_or_name[0] != '\0';
  const list_args_t args = {.id_or_name = has_name ? opts->id_or_name : NULL, .page = 1, .limit = 1};
  return daytona__call(client, has_name ? &find_by_name_method : &find_by_labels_method, &args,
                       DAYTONA__OPTS(opts));
}

/* --- the walk ---------------------------------------------------------------------------------- */

static int give(daytona__op_t *op, daytona__sandbox_data_t *answer, void *item) {
  daytona_sandbox_t *sandbox = make_sandbox(op->client, answer, item);
  if (sandbox == NULL) return DAYTONA_ENOMEM;
  daytona__op_resolve_sandbox(op, sandbox);
  return 0;
}

/* UNKNOWN, which the server does not know either, is passed on: it says so better than we could. */
static bool is_state(daytona_sandbox_state_t state) {
  return state == DAYTONA_SANDBOX_UNKNOWN || strcmp(daytona_sandbox_state_name(state), "unknown") != 0;
}

static const char *check_states(const void *args, const void *opts) {
  const daytona_sandbox_query_t *query = opts;
  if (query->state_count != 0 && query->states == NULL) return "states has a count but no items";
  for (size_t i = 0; i < query->state_count; i++)
    if (!is_state(query->states[i])) return "states has a number that is no state";
  return NULL;
}

static void add_states(daytona__url_t *url, const void *args, const void *opts) {
  const daytona_sandbox_query_t *query = opts;
  for (size_t i = 0; i < query->state_count; i++)
    daytona__url_query(url, "states", daytona_sandbox_state_name(query->states[i]));
}

#define QUERY(type, member, key, ...) \
  DAYTONA__OPT(IN_QUERY, daytona_sandbox_query_t, type, member, key, __VA_ARGS__)

DAYTONA__METHOD(walk, .prefix = "Failed to list sandboxes: ", .verb = "GET", .path = "/sandbox",
                ARGS(QUERY(OPT_INT, page_size, "limit", .rules = DAYTONA__MIN, .min = 1),
                     QUERY(STRING, id_prefix, "id"), QUERY(STRING, name_prefix, "name"),
                     LABELS(IN_QUERY, daytona_sandbox_query_t), QUERY(STRINGS, snapshots, "snapshots"),
                     QUERY(STRINGS, targets, "regionIds"), QUERY(OPT_INT, min_cpu, "minCpu"),
                     QUERY(OPT_INT, max_cpu, "maxCpu"), QUERY(OPT_INT, min_memory_gib, "minMemoryGiB"),
                     QUERY(OPT_INT, max_memory_gib, "maxMemoryGiB"),
                     QUERY(OPT_INT, min_disk_gib, "minDiskGiB"), QUERY(OPT_INT, max_disk_gib, "maxDiskGiB"),
                     QUERY(OPT_BOOL, is_public, "isPublic"), QUERY(OPT_BOOL, is_recoverable, "isRecoverable"),
                     QUERY(STRING, created_after, "createdAtAfter"),
                     QUERY(STRING, created_before, "createdAtBefore"),
                     QUERY(STRING, last_activity_after, "lastEventAfter"),
                     QUERY(STRING, last_activity_before, "lastEventBefore"),
                     QUERY(STRING, auto_destroy_after, "autoDestroyAtAfter"),
                     QUERY(STRING, auto_destroy_before, "autoDestroyAtBefore"), QUERY(STRING, sort, "sort"),
                     QUERY(STRING, order, "order")),
                .response = &page_model, .keeps_answer = true, .check = check_states, .query = add_states);

static const daytona__paged_t sandboxes = {
  .fetch = &walk_method, .result = &daytona__type_sandbox, .give = give};

/* An iterator of sandboxes is a walk. */
static daytona__pager_t *pager_of(daytona_sandbox_iter_t *iter) { return (daytona__pager_t *)iter; }

int daytona_sandbox_iter_new(daytona_client_t *client, const daytona_sandbox_query_t *query,
                             daytona_sandbox_iter_t **out) {
  daytona__pager_t *pager;
  if (out == NULL) return DAYTONA_EINVAL;
  int rc = daytona__pager_new(client, &sandboxes, NULL, DAYTONA__OPTS(query), &pager);
  if (rc == 0) *out = (daytona_sandbox_iter_t *)pager;
  return rc;
}

daytona_future_t *daytona_sandbox_iter_next(daytona_sandbox_iter_t *iter) {
  return daytona__pager_next(pager_of(iter));
}

void daytona_sandbox_iter_release(daytona_sandbox_iter_t *iter) { daytona__pager_release(pager_of(iter)); }
