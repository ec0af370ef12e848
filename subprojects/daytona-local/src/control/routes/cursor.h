/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cursors of lists: the sort value and the id of the last row shown, so they stay right while rows come and go.
 */
#ifndef DL_CURSOR_H
#define DL_CURSOR_H

#include "base/jsonx.h"

typedef struct {
  const char *text; /* NULL: by number */
  double number;
  const char *id;
} dl_sort_value_t;

int dl_sort_compare(dl_sort_value_t a, dl_sort_value_t b, bool is_descending);

/* The text for clients, yours to free. */
char *dl_cursor_make(dl_sort_value_t last);
/* Yours to release; NULL when it is not one of ours. */
json_t *dl_cursor_read(const char *text);
/* Borrowed from `cursor`. */
dl_sort_value_t dl_cursor_value(const json_t *cursor);

#endif
