/*
 * Lists of sandboxes: pages by number, the walk by cursor, and the first that matches.
 *
 * All sandboxes of one answer share its memory, which goes with the last of them.
 */
#include <daytona/sandbox.h>

#include <string.h>

#include "call/op.h"
#include "core/memory.h"

/* --- one answer with several sandboxes --------------------------------------------------------- */

/* Sandboxes of one answer; servers give at most 200. */
enum { PAGE_MAX = 1000 };

typedef struct page_dto {
  daytona__sandbox_dto_t *items;
  size_t count;
  int64_t total, page, total_pages;
  const char *next_cursor;
} page_dto_t;

static const daytona__json_field_t page_fields[] = {
  DAYTONA__FIELD_ARRAY(page_dto_t, items, count, "items", &daytona__sandbox_model, .max_count = PAGE_MAX),
  DAYTONA__FIELD(page_dto_t, INT, total, "total"),
  DAYTONA__FIELD(page_dto_t, INT, page, "page"),
  DAYTONA__FIELD(page_dto_t, INT, total_pages, "totalPages"),
  DAYTONA__FIELD(page_dto_t, STRING, next_cursor, "nextCursor"),
};

static DAYTONA__MODEL(page_model, page_dto_t, "PaginatedSandboxes", page_fields);

/*
 * Fail for an error, or for an item without an id, of which no path could be made. True: the operation is gone.
 */
static bool has_failed(daytona__op_t *op, const daytona_error_t *error, const page_dto_t *dto) {
  if (error != NULL) {
    daytona__op_fail(op, error);
    return true;
  }
  for (size_t i = 0; i < dto->count; i++) {
    if (dto->items[i].info.id[0] != '\0') continue;
    daytona__op_reject(op, DAYTONA_EPROTOCOL, "malformed answer: items[%zu].id: it is empty", i);
    return true;
  }
  return false;
}

/* Objects for the items of a page, in an array of `arena`. 0, or DAYTONA_ENOMEM with nothing made. */
static int make_sandboxes(daytona__op_t *op, page_dto_t *dto, daytona__arena_t *arena,
                          daytona_sandbox_t ***out) {
  daytona_sandbox_t **items = daytona__arena_array(arena, dto->count, sizeof *items);
  if (items == NULL) return DAYTONA_ENOMEM;
  for (size_t i = 0; i < dto->count; i++) {
    daytona__sandbox_dto_finish(&dto->items[i]);
    items[i] = daytona__sandbox_new(op->client, op->data, &dto->items[i]);
    if (items[i] != NULL) continue;
    while (i > 0) daytona_sandbox_release(items[--i]);
    return DAYTONA_ENOMEM;
  }
  *out = items;
  return 0;
}

/* --- queries ----------------------------------------------------------------------------------- */

static const daytona__json_field_t labels_fields[] = {
  {.key = "labels", .type = DAYTONA__JSON_MAP, .flags = DAYTONA__JSON_ALWAYS},
};

static DAYTONA__MODEL(labels_model, daytona_map_t, "labels", labels_fields);

/* Labels as a JSON object in one query value; nothing for no labels. */
static void add_labels(daytona__op_t *op, const daytona_map_t *labels) {
  static const char head[] = "{\"labels\":";
  const char *text;
  size_t size;
  daytona__json_error_t problem;
  if (labels->count == 0) return;
  int rc = daytona__json_encode(&op->future->arena, &labels_model, labels, &text, &size, &problem);
  char *object =
    rc == 0 ? daytona__arena_strndup(&op->future->arena, text + sizeof head - 1, size - (sizeof head - 1) - 1)
            : NULL;
  if (object != NULL) {
    daytona__url_query(&op->url, "labels", object);
    return;
  }
  op->url.text.error = rc != 0 ? rc : DAYTONA_ENOMEM;
  op->url.problem =
    rc == DAYTONA_EINVAL ? "labels must be valid UTF-8" : daytona_errcode_text(op->url.text.error);
}

static bool labels_are_bad(const daytona_map_t *labels) {
  if (labels->count != 0 && labels->items == NULL) return true;
  for (size_t i = 0; i < labels->count; i++)
    if (labels->items[i].key == NULL || labels->items[i].value == NULL) return true;
  return false;
}

/* --- pages ------------------------------------------------------------------------------------- */

static void drop_page(void *result) {
  const daytona_sandbox_page_t *page = result;
  for (size_t i = 0; i < page->count; i++) daytona_sandbox_release(page->items[i]);
}

const daytona__type_t daytona__type_sandbox_page = {"sandbox_page", drop_page};

static void on_page(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  daytona_sandbox_t **items;
  page_dto_t *dto = answer;
  if (has_failed(op, error, dto)) return;
  daytona_sandbox_page_t *page = daytona__arena_alloc(&op->future->arena, sizeof *page);
  if (page == NULL || make_sandboxes(op, dto, &op->future->arena, &items) != 0) {
    daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
    return;
  }
  page->items = items;
  page->count = dto->count;
  page->total = dto->total;
  page->page = dto->page;
  page->total_pages = dto->total_pages;
  daytona__op_resolve(op, &daytona__type_sandbox_page, page);
}

DAYTONA__METHOD(page, .prefix = "Failed to list sandboxes: ", .verb = "GET", .path = "/sandbox/paginated",
                .response = &page_model, .gives_sandbox = true);

daytona_future_t *daytona_sandbox_list(daytona_client_t *client, const daytona_sandbox_list_opts_t *opts) {
  static const daytona_sandbox_list_opts_t defaults;
  daytona_future_t *future;
  if (opts == NULL) opts = &defaults;
  daytona__op_t *op = daytona__op_new(&page_method, client, NULL, 0, &future);
  if (op == NULL) return future;
  if (!DAYTONA__RESERVED_OK(opts))
    return daytona__op_reject(op, DAYTONA_EINVAL, "reserved words of the options are not zero");
  if (opts->page.is_set && opts->page.value < 1)
    return daytona__op_reject(op, DAYTONA_EINVAL, "page must be at least 1");
  if (opts->limit.is_set && opts->limit.value < 1)
    return daytona__op_reject(op, DAYTONA_EINVAL, "limit must be at least 1");
  if (labels_are_bad(&opts->labels))
    return daytona__op_reject(op, DAYTONA_EINVAL, "labels have an entry without a name or a value");
  daytona__op_path(op, NULL, NULL, NULL);
  add_labels(op, &opts->labels);
  daytona__url_query_int(&op->url, "page", opts->page);
  daytona__url_query_int(&op->url, "limit", opts->limit);
  daytona_call_opts_t request_opts = {.timeout_ms = opts->timeout_ms};
  return daytona__op_run(op, NULL, &request_opts, on_page);
}

/* --- the first that matches -------------------------------------------------------------------- */

static void on_first(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  page_dto_t *dto = answer;
  if (has_failed(op, error, dto)) return;
  if (dto->count == 0) {
    daytona__op_reject(op, DAYTONA_ENOTFOUND, "no sandbox has the labels asked for");
  } else {
    daytona__sandbox_dto_finish(&dto->items[0]);
    daytona_sandbox_t *sandbox = daytona__sandbox_new(op->client, op->data, &dto->items[0]);
    if (sandbox == NULL)
      daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
    else
      daytona__op_resolve_sandbox(op, sandbox);
  }
}

static void on_found(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  daytona_sandbox_t *sandbox = error == NULL ? daytona__sandbox_new(op->client, op->data, answer) : NULL;
  if (sandbox != NULL)
    daytona__op_resolve_sandbox(op, sandbox);
  else
    daytona__op_fail(op, error != NULL ? error : daytona__error_static(DAYTONA_ENOMEM));
}

DAYTONA__METHOD(find_by_labels, .prefix = "Failed to find sandbox: ", .verb = "GET",
                .path = "/sandbox/paginated", .response = &page_model, .gives_sandbox = true);
DAYTONA__METHOD(find_by_name, .prefix = "Failed to find sandbox: ", .verb = "GET", .path = "/sandbox/{}",
                .gives_sandbox = true);

daytona_future_t *daytona_sandbox_find_one(daytona_client_t *client,
                                           const daytona_sandbox_find_one_opts_t *opts) {
  static const daytona_sandbox_find_one_opts_t defaults;
  daytona_future_t *future;
  if (opts == NULL) opts = &defaults;
  bool has_name = opts->id_or_name != NULL && opts->id_or_name[0] != '\0';
  daytona__op_t *op =
    daytona__op_new(has_name ? &find_by_name_method : &find_by_labels_method, client, NULL, 0, &future);
  if (op == NULL) return future;
  if (!DAYTONA__RESERVED_OK(opts))
    return daytona__op_reject(op, DAYTONA_EINVAL, "reserved words of the options are not zero");
  if (labels_are_bad(&opts->labels))
    return daytona__op_reject(op, DAYTONA_EINVAL, "labels have an entry without a name or a value");
  daytona__op_path(op, opts->id_or_name, NULL, NULL);
  if (!has_name) {
    add_labels(op, &opts->labels);
    daytona__url_query_int(&op->url, "page", daytona_int(1));
    daytona__url_query_int(&op->url, "limit", daytona_int(1));
  }
  daytona_call_opts_t request_opts = {.timeout_ms = opts->timeout_ms};
  return daytona__op_run(op, NULL, &request_opts, has_name ? on_found : on_first);
}

/* --- the walk ---------------------------------------------------------------------------------- */

struct daytona_sandbox_iter {
  unsigned refs; /* the user's and that of a pending step */
  daytona_client_t *client;
  char *query; /* "/sandbox?..." without a cursor */
  int64_t timeout_ms;
  char *cursor; /* of the next page; NULL before the first */
  char *mark;   /* an earlier cursor, of a page whose number was a power of two */
  uint64_t page_count;
  bool is_last; /* no page follows */
  bool is_busy;
  daytona_sandbox_t **items; /* what is left of the page */
  size_t next, count;
};

typedef struct step {
  daytona__op_t op; /* first */
  daytona_sandbox_iter_t *iter;
} step_t;

DAYTONA__METHOD(step, .prefix = "Failed to list sandboxes: ", .verb = "GET", .path = "/sandbox",
                .response = &page_model, .gives_sandbox = true);

/* UNKNOWN, which the server does not know either, is passed on: it says so better than we could. */
static bool is_state(daytona_sandbox_state_t state) {
  return state == DAYTONA_SANDBOX_UNKNOWN || strcmp(daytona_sandbox_state_name(state), "unknown") != 0;
}

static const char *query_problem(const daytona_sandbox_query_t *query) {
  if (!DAYTONA__RESERVED_OK(query)) return "reserved words";
  if (query->page_size.is_set && query->page_size.value < 1) return "page_size";
  if (query->timeout_ms < 0 && query->timeout_ms != DAYTONA_NO_TIMEOUT) return "timeout_ms";
  if (labels_are_bad(&query->labels)) return "labels";
  if (query->state_count != 0 && query->states == NULL) return "states";
  if (!daytona__strings_are_whole(&query->snapshots)) return "snapshots";
  if (!daytona__strings_are_whole(&query->targets)) return "targets";
  for (size_t i = 0; i < query->state_count; i++)
    if (!is_state(query->states[i])) return "states";
  return NULL;
}

static void add_query(daytona__op_t *op, const daytona_sandbox_query_t *query) {
  daytona__url_t *url = &op->url;
  daytona__url_query_int(url, "limit", query->page_size);
  daytona__url_query(url, "id", query->id_prefix);
  daytona__url_query(url, "name", query->name_prefix);
  add_labels(op, &query->labels);
  for (size_t i = 0; i < query->state_count; i++)
    daytona__url_query(url, "states", daytona_sandbox_state_name(query->states[i]));
  daytona__url_query_list(url, "snapshots", query->snapshots);
  daytona__url_query_list(url, "regionIds", query->targets);
  daytona__url_query_int(url, "minCpu", query->min_cpu);
  daytona__url_query_int(url, "maxCpu", query->max_cpu);
  daytona__url_query_int(url, "minMemoryGiB", query->min_memory_gib);
  daytona__url_query_int(url, "maxMemoryGiB", query->max_memory_gib);
  daytona__url_query_int(url, "minDiskGiB", query->min_disk_gib);
  daytona__url_query_int(url, "maxDiskGiB", query->max_disk_gib);
  daytona__url_query_bool(url, "isPublic", query->is_public);
  daytona__url_query_bool(url, "isRecoverable", query->is_recoverable);
  daytona__url_query(url, "createdAtAfter", query->created_after);
  daytona__url_query(url, "createdAtBefore", query->created_before);
  daytona__url_query(url, "lastEventAfter", query->last_activity_after);
  daytona__url_query(url, "lastEventBefore", query->last_activity_before);
  daytona__url_query(url, "autoDestroyAtAfter", query->auto_destroy_after);
  daytona__url_query(url, "autoDestroyAtBefore", query->auto_destroy_before);
  daytona__url_query(url, "sort", query->sort);
  daytona__url_query(url, "order", query->order);
}

/* The part of the request that all pages share. */
static int build_query(daytona_sandbox_iter_t *iter, const daytona_sandbox_query_t *query) {
  daytona_future_t *future;
  const char *url;
  daytona__op_t *op = daytona__op_new(&step_method, iter->client, NULL, 0, &future);
  if (op == NULL) {
    int code = iter->client->is_closing ? DAYTONA_ECLOSED : DAYTONA_ENOMEM;
    daytona_future_release(future);
    return code;
  }
  daytona__op_path(op, NULL, NULL, NULL);
  add_query(op, query);
  int rc = daytona__url_finish(&op->url, &future->arena, &url);
  if (rc == 0) {
    iter->query = daytona__strdup(url + strlen(iter->client->settings.api_url));
    if (iter->query == NULL) rc = DAYTONA_ENOMEM;
  }
  daytona_future_cancel(future);
  daytona_future_release(future);
  return rc;
}

int daytona_sandbox_iter_new(daytona_client_t *client, const daytona_sandbox_query_t *query,
                             daytona_sandbox_iter_t **out) {
  static const daytona_sandbox_query_t everything;
  if (client == NULL || out == NULL) return DAYTONA_EINVAL;
  if (query == NULL) query = &everything;
  if (query_problem(query) != NULL) return DAYTONA_EINVAL;
  daytona_sandbox_iter_t *iter = daytona__calloc(1, sizeof *iter);
  if (iter == NULL) return DAYTONA_ENOMEM;
  iter->refs = 1;
  iter->client = daytona_client_retain(client);
  iter->timeout_ms = query->timeout_ms;
  int rc = build_query(iter, query);
  if (rc != 0)
    daytona_sandbox_iter_release(iter);
  else
    *out = iter;
  return rc;
}

static void drop_items(daytona_sandbox_iter_t *iter) {
  while (iter->next < iter->count) daytona_sandbox_release(iter->items[iter->next++]);
  daytona__free(iter->items);
  iter->items = NULL;
  iter->next = iter->count = 0;
}

void daytona_sandbox_iter_release(daytona_sandbox_iter_t *iter) {
  if (iter == NULL || --iter->refs != 0) return;
  daytona_client_t *client = iter->client;
  drop_items(iter);
  daytona__free(iter->query);
  daytona__free(iter->cursor);
  daytona__free(iter->mark);
  daytona__free(iter);
  daytona_client_release(client);
}

/*
 * A server whose cursors go in a circle would keep us walking for ever. Each is compared with the one before
 * and with a mark, which moves up each time the number of pages has doubled: so a circle of any size meets it.
 */
static bool is_circle(const daytona_sandbox_iter_t *iter, const char *cursor) {
  return (iter->cursor != NULL && strcmp(iter->cursor, cursor) == 0) ||
         (iter->mark != NULL && strcmp(iter->mark, cursor) == 0);
}

static bool moves_mark(const daytona_sandbox_iter_t *iter) {
  return (iter->page_count & (iter->page_count + 1)) == 0;
}

static void replace(char **text, char *with) {
  daytona__free(*text);
  *text = with;
}

/* Take over a page. 0, or DAYTONA_ENOMEM or DAYTONA_EPROTOCOL with the iterator as it was. */
static int take_page(daytona__op_t *op, daytona_sandbox_iter_t *iter, page_dto_t *dto) {
  daytona_sandbox_t **made, **items;
  bool is_last = dto->next_cursor == NULL || dto->next_cursor[0] == '\0';
  bool is_marked = !is_last && moves_mark(iter);
  if (!is_last && is_circle(iter, dto->next_cursor)) return DAYTONA_EPROTOCOL;
  char *cursor = is_last ? NULL : daytona__strdup(dto->next_cursor);
  char *mark = is_marked ? daytona__strdup(dto->next_cursor) : NULL;
  items = daytona__calloc(dto->count, sizeof *items);
  if ((cursor == NULL && !is_last) || (mark == NULL && is_marked) || items == NULL ||
      make_sandboxes(op, dto, &op->future->arena, &made) != 0) {
    daytona__free(cursor);
    daytona__free(mark);
    daytona__free(items);
    return DAYTONA_ENOMEM;
  }
  if (dto->count != 0) memcpy(items, made, dto->count * sizeof *items);
  drop_items(iter);
  iter->items = items;
  iter->count = dto->count;
  iter->page_count++;
  replace(&iter->cursor, cursor);
  if (is_marked) replace(&iter->mark, mark);
  iter->is_last = is_last;
  return 0;
}

/* Settle a step with the next sandbox at hand, or with the end. False: another page is needed. */
static bool settle_step(daytona__op_t *op, daytona_sandbox_iter_t *iter) {
  if (iter->next < iter->count)
    daytona__op_resolve_sandbox(op, iter->items[iter->next++]);
  else if (iter->is_last)
    daytona__op_resolve(op, &daytona__type_sandbox, NULL);
  else
    return false;
  return true;
}

static void send_step(step_t *step);

static void on_step(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  step_t *step = (step_t *)op;
  if (has_failed(op, error, answer)) return;
  int rc = take_page(op, step->iter, answer);
  if (rc != 0)
    daytona__op_reject(op, rc, "%s",
                       rc == DAYTONA_EPROTOCOL ? "the server repeats a cursor" : daytona_errcode_text(rc));
  else if (!settle_step(op, step->iter))
    send_step(step); /* an empty page in the middle */
}

static void send_step(step_t *step) {
  daytona__op_t *op = &step->op;
  daytona_sandbox_iter_t *iter = step->iter;
  daytona__op_switch(op, &step_method);
  const char *tail = strchr(iter->query, '?');
  daytona__op_path(op, NULL, NULL, NULL);
  daytona__url_query(&op->url, "cursor", iter->cursor);
  if (tail != NULL) {
    daytona__strbuf_putc(&op->url.text, op->url.has_query ? '&' : '?');
    daytona__strbuf_puts(&op->url.text, tail + 1);
  }
  op->done = on_step;
  if (daytona__op_prepare(op, NULL, iter->timeout_ms) == 0) daytona__op_send(op);
}

static void end_step(daytona__op_t *op) {
  daytona_sandbox_iter_t *iter = ((step_t *)op)->iter;
  if (iter == NULL) return;
  ((step_t *)op)->iter = NULL;
  iter->is_busy = false;
  daytona_sandbox_iter_release(iter);
}

daytona_future_t *daytona_sandbox_iter_next(daytona_sandbox_iter_t *iter) {
  daytona_future_t *future;
  if (iter == NULL) return daytona__future_orphan();
  step_t *step = (step_t *)daytona__op_new(&step_method, iter->client, NULL, sizeof *step, &future);
  if (step == NULL) return future;
  if (iter->is_busy)
    return daytona__op_reject(&step->op, DAYTONA_EREENTRANT, "a step of this walk is pending");
  iter->is_busy = true;
  iter->refs++;
  step->iter = iter;
  step->op.ending = end_step;
  if (!settle_step(&step->op, iter)) send_step(step);
  return future;
}
