/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of sandboxes: pages by number, the walk by cursor, and the first that matches.
 *
 * All sandboxes of one response share its memory, which goes with the last of them. Newer servers have no pages by
 * number: there the walk by cursor is gone through, and the page is cut out of it.
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

typedef struct list_args {
  const char *id_or_name;
  int64_t page, limit;
} list_args_t;

#define ARGS(...) .request = DAYTONA__ARGS(list_args_t, __VA_ARGS__)

#define NUMBER(member)                                                                                 \
  DAYTONA__OPT(IN_QUERY, daytona_sandbox_list_opts_t, OPT_INT, member, #member, .rules = DAYTONA__MIN, \
               .min = 1)
#define LIMIT DAYTONA__ARG(IN_QUERY, list_args_t, INT, limit, "limit")

DAYTONA__METHOD(list, .prefix = "Failed to list sandboxes: ", .verb = "GET", .path = "/sandbox/paginated",
                ARGS(LABELS(IN_QUERY, daytona_sandbox_list_opts_t), NUMBER(page), NUMBER(limit)),
                .response = &page_model, .keeps_answer = true);
DAYTONA__METHOD(find_by_labels, .prefix = "Failed to find sandbox: ", .verb = "GET",
                .path = "/sandbox/paginated",
                ARGS(LABELS(IN_QUERY, daytona_sandbox_find_one_opts_t),
                     DAYTONA__ARG(IN_QUERY, list_args_t, INT, page, "page"), LIMIT),
                .response = &page_model, .keeps_answer = true);

/* Instead of these, where the server has no pages. */
DAYTONA__METHOD(collect, .verb = "GET", .path = "/sandbox",
                ARGS(LABELS(IN_QUERY, daytona_sandbox_list_opts_t), LIMIT), .response = &page_model,
                .keeps_answer = true);
DAYTONA__METHOD(collect_first, .verb = "GET", .path = "/sandbox",
                ARGS(LABELS(IN_QUERY, daytona_sandbox_find_one_opts_t), LIMIT), .response = &page_model,
                .keeps_answer = true);

enum { PAGE_DEFAULT = 100, COLLECTED_MAX = 200 };

typedef struct list_op {
  daytona__op_t op; /* first */
  const daytona__method_t *collect;
  const char *collect_url; /* of the first cursor, from the base on */
  const char *cursor, *marker;
  unsigned collected; /* responses */
  int64_t timeout_ms, number, limit;
  bool is_first; /* only the first sandbox is wanted */
  daytona_sandbox_page_t page;
  daytona_sandbox_t **items; /* of `page` */
  size_t room;
} list_op_t;

static list_op_t *list_op(const daytona__op_t *op) { return (list_op_t *)(void *)op; }

static void fail_for_memory(list_op_t *self) {
  daytona__op_fail(&self->op, daytona__error_static(DAYTONA_ENOMEM));
}

/* However it ends: what was not given away. */
static void end_list(daytona__op_t *op) {
  drop_page(&list_op(op)->page);
  list_op(op)->page.count = 0;
}

static bool keep_item(list_op_t *self, const void *item) {
  daytona_sandbox_page_t *page = &self->page;
  if (page->count == self->room) {
    size_t room = self->room != 0 ? self->room * 2 : 16;
    daytona_sandbox_t **items = daytona__arena_array(&self->op.future->arena, room, sizeof *items);
    if (items == NULL) return false;
    if (page->count != 0) memcpy(items, self->items, page->count * sizeof *items);
    self->items = items;
    self->room = room;
    page->items = items;
  }
  daytona_sandbox_t *sandbox = make_sandbox(self->op.client, self->op.data, item);
  if (sandbox == NULL) return false;
  self->items[page->count++] = sandbox;
  return true;
}

static void settle_page(list_op_t *self) {
  daytona__op_t *op = &self->op;
  daytona_sandbox_page_t *page = daytona__arena_alloc(&op->future->arena, sizeof *page);
  if (page == NULL) {
    fail_for_memory(self);
    return;
  }
  *page = self->page;
  self->page.count = 0;
  daytona__op_resolve(op, &daytona__type_sandbox_page, page);
}

static void settle_first(list_op_t *self) {
  daytona__op_t *op = &self->op;
  if (self->page.count != 0)
    daytona__op_resolve_sandbox(op, daytona_sandbox_retain(self->items[0]));
  else if (op->future->skipped_count != 0)
    daytona__op_reject(op, DAYTONA_EPROTOCOL,
                       "malformed response: the sandbox that was found cannot be read");
  else
    daytona__op_reject(op, DAYTONA_ENOTFOUND, "no sandbox has the labels asked for");
}

static void settle_list(list_op_t *self) {
  if (self->is_first)
    settle_first(self);
  else
    settle_page(self);
}

/* --- pages out of cursors ---------------------------------------------------------------------- */

static void collect(list_op_t *self);

/* Note where to go on. As in pager.c a circle of cursors meets one of the two. 0 or a code. */
static int follow(list_op_t *self, const char *next) {
  daytona__arena_t *arena = &self->op.future->arena;
  if (next == NULL || next[0] == '\0') {
    self->cursor = NULL;
    return 0;
  }
  bool is_circle = (self->cursor != NULL && strcmp(self->cursor, next) == 0) ||
                   (self->marker != NULL && strcmp(self->marker, next) == 0);
  if (is_circle) return DAYTONA_EPROTOCOL;
  self->cursor = daytona__arena_strdup(arena, next);
  if ((self->collected & (self->collected - 1)) == 0) self->marker = self->cursor;
  return self->cursor != NULL ? 0 : DAYTONA_ENOMEM;
}

static void on_collected(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  list_op_t *self = list_op(op);
  const daytona__page_t *given = answer;
  if (error != NULL) {
    daytona__op_fail(op, error);
    return;
  }
  op->client->lacks_pages = true;
  self->collected++;
  for (size_t i = 0; i < given->count; i++, self->page.total++)
    if (self->page.total / self->limit == self->number - 1 && !keep_item(self, given->items[i])) {
      fail_for_memory(self);
      return;
    }
  int rc = follow(self, given->next_cursor);
  self->page.total_pages = self->page.total / self->limit + (self->page.total % self->limit != 0);
  if (rc != 0)
    daytona__op_reject(op, (daytona_errcode_t)rc, "%s",
                       rc == DAYTONA_EPROTOCOL ? "the server repeats a cursor" : daytona_errcode_text(rc));
  else if (self->cursor == NULL || (self->is_first && self->page.count != 0))
    settle_list(self);
  else
    collect(self);
}

static void collect(list_op_t *self) {
  daytona__op_t *op = &self->op;
  daytona__op_switch(op, self->collect);
  daytona__url_base_of(&op->url, op->client->settings.api_url);
  daytona__url_text(&op->url, self->collect_url, strlen(self->collect_url));
  op->url.has_query = true; /* the limit is in it */
  daytona__url_query(&op->url, "cursor", self->cursor);
  op->done = on_collected;
  if (daytona__op_prepare(op, NULL, self->timeout_ms) == 0) daytona__op_send(op);
}

/* --- pages by number --------------------------------------------------------------------------- */

static void on_page(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  list_op_t *self = list_op(op);
  const daytona__page_t *given = answer;
  if (error != NULL && (error->http_status == 404 || error->http_status == 410)) {
    collect(self);
    return;
  }
  if (error != NULL) {
    daytona__op_fail(op, error);
    return;
  }
  self->page.total = given->total;
  self->page.page = given->page;
  self->page.total_pages = given->total_pages;
  for (size_t i = 0; i < given->count; i++)
    if (!keep_item(self, given->items[i])) {
      fail_for_memory(self);
      return;
    }
  settle_list(self);
}

/* The URL with which collecting begins. 0 or a code. */
static int plan_collecting(list_op_t *self, const void *opts) {
  daytona__op_t *op = &self->op;
  const list_args_t args = {.limit = self->is_first ? 1 : COLLECTED_MAX};
  const char *api_url = op->client->settings.api_url, *whole;
  daytona__url_t url;
  daytona__url_init(&url);
  daytona__params_url(&url, &op->future->arena, api_url, self->collect->path, NULL, self->collect->request,
                      &args, opts);
  int rc = daytona__url_finish(&url, &op->future->arena, &whole);
  if (rc == 0) self->collect_url = whole + strlen(api_url);
  return rc;
}

static daytona_future_t *begin_list(const char *name, daytona_client_t *client, const list_op_t *plan,
                                    const daytona__method_t *method, const list_args_t *args,
                                    daytona__opts_t given, const void *opts) {
  daytona_future_t *future;
  list_op_t *self =
    (list_op_t *)daytona__call_new_named(name, method, client, NULL, sizeof *self, args, given, &future);
  if (self == NULL) return future;
  daytona__op_t *op = &self->op;
  self->collect = plan->collect;
  self->is_first = plan->is_first;
  self->number = plan->number;
  self->limit = plan->limit;
  self->page.page = plan->number;
  self->timeout_ms = given.timeout_ms;
  op->ending = end_list;
  op->done = on_page;
  int rc = plan_collecting(self, opts);
  if (rc != 0) return daytona__op_reject(op, (daytona_errcode_t)rc, "%s", daytona_errcode_text(rc));
  if (client->lacks_pages)
    collect(self);
  else if (daytona__call_prepare(op, args, given, given.timeout_ms) == 0)
    daytona__op_send(op);
  return future;
}

daytona_future_t *daytona_sandbox_list(daytona_client_t *client, const daytona_sandbox_list_opts_t *opts) {
  static const daytona_sandbox_list_opts_t defaults;
  const daytona_sandbox_list_opts_t *given = opts != NULL ? opts : &defaults;
  const list_op_t plan = {.collect = &collect_method,
                          .number = given->page.is_set ? given->page.value : 1,
                          .limit = given->limit.is_set ? given->limit.value : PAGE_DEFAULT};
  return begin_list(__func__, client, &plan, &list_method, NULL, DAYTONA__OPTS(opts), given);
}

/* --- the first that matches -------------------------------------------------------------------- */

DAYTONA__METHOD(find_by_name, .prefix = "Failed to find sandbox: ", .verb = "GET", .path = "/sandbox/{id}",
                ARGS(LABELS(NOWHERE, daytona_sandbox_find_one_opts_t),
                     DAYTONA__ARG(IN_PATH, list_args_t, STRING, id_or_name, "id")),
                .gives_sandbox = true);

daytona_future_t *daytona_sandbox_find_one(daytona_client_t *client,
                                           const daytona_sandbox_find_one_opts_t *opts) {
  static const daytona_sandbox_find_one_opts_t defaults;
  const daytona_sandbox_find_one_opts_t *given = opts != NULL ? opts : &defaults;
  const list_op_t plan = {.collect = &collect_first_method, .is_first = true, .number = 1, .limit = 1};
  const list_args_t args = {.id_or_name = given->id_or_name, .page = 1, .limit = 1};
  if (given->id_or_name != NULL && given->id_or_name[0] != '\0')
    return daytona__call(client, &find_by_name_method, &args, DAYTONA__OPTS(opts));
  return begin_list(__func__, client, &plan, &find_by_labels_method, &args, DAYTONA__OPTS(opts), given);
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
