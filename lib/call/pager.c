/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over pages; see pager.h.
 *
 * A page is taken over when it has come, and then it is the walk's: a step that fails afterwards takes nothing away, and
 * the same item can be asked for again.
 */
#include "call/pager.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "core/memory.h"

struct daytona__pager {
  unsigned refs; /* the user's and that of a pending step */
  daytona_client_t *client;
  const daytona__paged_t *paged;
  char *target; /* path and query without the page */
  int64_t timeout_ms;
  uint64_t page_count;
  char *cursor; /* of the next page; NULL before the first */
  char *marker; /* an earlier cursor, of a page whose number was a power of two */
  bool is_last; /* no page follows */
  bool is_busy;
  daytona__sandbox_data_t *answer; /* the page that is walked over */
  const daytona__page_t *page;     /* in it; NULL before the first */
  size_t next;                     /* of its items */
};

typedef struct step {
  daytona__op_t op; /* first */
  daytona__pager_t *pager;
} step_t;

/* --- making and releasing ---------------------------------------------------------------------- */

static int build_target(daytona__pager_t *pager, const void *args, daytona__opts_t opts) {
  daytona_future_t *future;
  const char *url;
  daytona__op_t *op =
    daytona__call_new_named(NULL, pager->paged->fetch, pager->client, NULL, 0, args, opts, &future);
  if (op == NULL) {
    int code = (int)future->error->code; /* although nobody was called */
    daytona_future_release(future);
    return code;
  }
  int rc = daytona__url_finish(&op->url, &future->arena, &url);
  if (rc == 0) {
    pager->target = daytona__strdup(url + strlen(pager->client->settings.api_url));
    if (pager->target == NULL) rc = DAYTONA_ENOMEM;
  }
  daytona_future_cancel(future);
  daytona_future_release(future);
  return rc;
}

int daytona__pager_new(daytona_client_t *client, const daytona__paged_t *paged, const void *args,
                       daytona__opts_t opts, daytona__pager_t **out) {
  int64_t timeout_ms;
  if (client == NULL || out == NULL) return DAYTONA_EINVAL;
  if (!daytona__timeout_resolve(opts.timeout_ms, 0, &timeout_ms)) return DAYTONA_EINVAL;
  daytona__pager_t *pager = daytona__calloc(1, sizeof *pager);
  if (pager == NULL) return DAYTONA_ENOMEM;
  pager->refs = 1;
  pager->client = daytona_client_retain(client);
  pager->paged = paged;
  pager->timeout_ms = opts.timeout_ms;
  int rc = build_target(pager, args, opts);
  if (rc != 0)
    daytona__pager_release(pager);
  else
    *out = pager;
  return rc;
}

void daytona__pager_release(daytona__pager_t *pager) {
  if (pager == NULL || --pager->refs != 0) return;
  assert(!pager->is_busy);
  daytona_client_t *client = pager->client;
  daytona__sandbox_data_release(pager->answer);
  daytona__free(pager->target);
  daytona__free(pager->cursor);
  daytona__free(pager->marker);
  daytona__free(pager);
  daytona_client_release(client);
}

/* --- pages ------------------------------------------------------------------------------------- */

/*
 * A server whose cursors go in a circle would keep us walking for ever. Each is compared with the one before
 * and with a marker, which moves up each time the number of pages has doubled: so a circle of any size meets it.
 */
static bool is_circle(const daytona__pager_t *pager, const char *cursor) {
  return (pager->cursor != NULL && strcmp(pager->cursor, cursor) == 0) ||
         (pager->marker != NULL && strcmp(pager->marker, cursor) == 0);
}

static bool moves_marker(const daytona__pager_t *pager) {
  return (pager->page_count & (pager->page_count + 1)) == 0;
}

static void replace(char **text, char *with) {
  daytona__free(*text);
  *text = with;
}

/* Note where the next page is. 0, or a code with the walk as it was. */
static int follow(daytona__pager_t *pager, const daytona__page_t *page) {
  const char *next = page->next_cursor;
  if (pager->paged->by_number) {
    pager->is_last = page->count == 0 || (int64_t)pager->page_count + 1 >= page->total_pages;
    return 0;
  }
  bool is_last = next == NULL || next[0] == '\0', is_marked = !is_last && moves_marker(pager);
  if (!is_last && is_circle(pager, next)) return DAYTONA_EPROTOCOL;
  char *cursor = is_last ? NULL : daytona__strdup(next);
  char *marker = is_marked ? daytona__strdup(next) : NULL;
  if ((cursor == NULL && !is_last) || (marker == NULL && is_marked)) {
    daytona__free(cursor);
    daytona__free(marker);
    return DAYTONA_ENOMEM;
  }
  replace(&pager->cursor, cursor);
  if (is_marked) replace(&pager->marker, marker);
  pager->is_last = is_last;
  return 0;
}

/* Take over a page. 0, or a code with the walk as it was. */
static int take_page(daytona__op_t *op, daytona__pager_t *pager, const daytona__page_t *page) {
  int rc = follow(pager, page);
  if (rc != 0) return rc;
  daytona__sandbox_data_release(pager->answer);
  pager->answer = op->data; /* with its reference */
  op->data = NULL;
  pager->page = page;
  pager->page_count++;
  pager->next = 0;
  return 0;
}

/* --- steps ------------------------------------------------------------------------------------- */

/* A copy of a plain item in the step's own future. */
static int give_copy(daytona__op_t *op, const daytona__paged_t *paged, const void *item) {
  void *copy = NULL;
  int rc = daytona__op_copy(op, paged->item, item, &copy);
  if (rc == 0) daytona__op_resolve(op, paged->result, copy);
  return rc;
}

/* Settle a step with the next item at hand, or with the end. False: another page is needed. */
static bool settle_step(daytona__op_t *op, daytona__pager_t *pager) {
  const daytona__paged_t *paged = pager->paged;
  if (pager->page == NULL || pager->next == pager->page->count) {
    if (pager->is_last) daytona__op_resolve(op, paged->result, NULL);
    return pager->is_last;
  }
  void *item = (void *)pager->page->items[pager->next++];
  int rc = paged->give != NULL ? paged->give(op, pager->answer, item) : give_copy(op, paged, item);
  if (rc == 0) return true;
  pager->next--;
  daytona__op_reject(op, (daytona_errcode_t)rc, "%s", daytona_errcode_text(rc));
  return true;
}

static void send_step(step_t *step);

static void on_step(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  daytona__pager_t *pager = ((step_t *)op)->pager;
  if (error != NULL) {
    daytona__op_fail(op, error);
    return;
  }
  int rc = take_page(op, pager, answer);
  if (rc != 0)
    daytona__op_reject(op, (daytona_errcode_t)rc, "%s",
                       rc == DAYTONA_EPROTOCOL ? "the server repeats a cursor" : daytona_errcode_text(rc));
  else if (!settle_step(op, pager))
    send_step((step_t *)op); /* an empty page in the middle */
}

/* The page goes in front of the query, which was made when the walk began. */
static void send_step(step_t *step) {
  daytona__op_t *op = &step->op;
  daytona__pager_t *pager = step->pager;
  const char *query = strchr(pager->target, '?');
  daytona__op_switch(op, pager->paged->fetch);
  daytona__url_base_of(&op->url, op->client->settings.api_url);
  daytona__url_text(&op->url, pager->target,
                    query != NULL ? (size_t)(query - pager->target) : strlen(pager->target));
  if (pager->paged->by_number)
    daytona__url_query_int(&op->url, "page", daytona_int((int64_t)pager->page_count + 1));
  else
    daytona__url_query(&op->url, "cursor", pager->cursor);
  if (query != NULL) {
    daytona__strbuf_putc(&op->url.text, op->url.has_query ? '&' : '?');
    daytona__strbuf_puts(&op->url.text, query + 1);
  }
  op->done = on_step;
  if (daytona__op_prepare(op, NULL, pager->timeout_ms) == 0) daytona__op_send(op);
}

static void end_step(daytona__op_t *op) {
  daytona__pager_t *pager = ((step_t *)op)->pager;
  if (pager == NULL) return;
  ((step_t *)op)->pager = NULL;
  pager->is_busy = false;
  daytona__pager_release(pager);
}

daytona_future_t *daytona__pager_next_named(const char *name, daytona__pager_t *pager) {
  daytona_future_t *future;
  if (pager == NULL) return daytona__future_orphan();
  step_t *step =
    (step_t *)daytona__op_new_named(name, pager->paged->fetch, pager->client, NULL, sizeof *step, &future);
  if (step == NULL) return future;
  if (pager->is_busy)
    return daytona__op_reject(&step->op, DAYTONA_EREENTRANT, "a step of this walk is pending");
  pager->is_busy = true;
  pager->refs++;
  step->pager = pager;
  step->op.ending = end_step;
  if (!settle_step(&step->op, pager)) send_step(step);
  return future;
}
