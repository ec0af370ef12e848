/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists that come in pages: the form of a page, and the walk over all items of all pages.
 *
 *   DAYTONA__PAGE_MODEL(page_model, "PaginatedSnapshots", &snapshot_model);
 *   DAYTONA__METHOD(walk, ..., .response = &page_model, .keeps_answer = true);
 *   static const daytona__paged_t snapshots = {.fetch = &walk_method, .by_number = true, .item = &snapshot_model,
 *                                              .result = &daytona__type_snapshot};
 *
 * A page's answer is kept with one reference of the walk, and its items are given out one by one: plain data is copied
 * into each step's future, objects are made from it by `give`.
 */
#ifndef DAYTONA_CALL_PAGER_H
#define DAYTONA_CALL_PAGER_H

#include "call/method.h"

/* A decoded page, whatever its items are. */
typedef struct daytona__page {
  const void *const *items;
  size_t count;
  int64_t total, page, total_pages;
  const char *next_cursor;
} daytona__page_t;

/* Items of one page; servers give at most 200. */
enum { DAYTONA__PAGE_MAX = 1000 };

#define DAYTONA__PAGE_MODEL(variable, name, item_model)                                                      \
  static DAYTONA__MODEL_OF(                                                                                  \
    variable, daytona__page_t, name,                                                                         \
    DAYTONA__FIELD_LIST(daytona__page_t, items, count, "items", item_model, .max_count = DAYTONA__PAGE_MAX), \
    DAYTONA__FIELD(daytona__page_t, INT, total, "total"),                                                    \
    DAYTONA__FIELD(daytona__page_t, INT, page, "page"),                                                      \
    DAYTONA__FIELD(daytona__page_t, INT, total_pages, "totalPages"),                                         \
    DAYTONA__FIELD(daytona__page_t, STRING, next_cursor, "nextCursor"))

/* What is walked over. */
typedef struct daytona__paged {
  const daytona__method_t
    *fetch;       /* its response is a daytona__page_t that is kept; its rows make the query */
  bool by_number; /* pages are asked for by "page" up to "totalPages", and not by "cursor" */
  const daytona__json_model_t *item; /* plain items */
  const daytona__type_t *result;     /* of a step */
  /* Items that become objects instead: settle with one. 0, or a code when nothing was done. */
  int (*give)(daytona__op_t *op, daytona__sandbox_data_t *answer, void *item);
} daytona__paged_t;

typedef struct daytona__pager daytona__pager_t;

/* A walk. `args` and `opts` are those of `fetch`. 0, DAYTONA_EINVAL, DAYTONA_ENOMEM, DAYTONA_ECLOSED. */
int daytona__pager_new(daytona_client_t *client, const daytona__paged_t *paged, const void *args,
                       daytona__opts_t opts, daytona__pager_t **out);

/* The next item; success without a value at the end. One step at a time. */
#define daytona__pager_next(pager) daytona__pager_next_named(__func__, pager)
daytona_future_t *daytona__pager_next_named(const char *name, daytona__pager_t *pager);

void daytona__pager_release(daytona__pager_t *pager); /* takes NULL */

#endif
