/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request targets: percent coding, path segments, the query as an ordered multi-map.
 */
#ifndef DL_URL_H
#define DL_URL_H

#include "base/buf.h"

/* Decode %XX (and '+' as a blank when `plus`). NULL for a bad escape, a NUL byte or text that
 * is not UTF-8. Yours to free. */
char *dl_url_decode(const char *text, size_t len, bool plus);
/* Everything outside A-Za-z0-9-._~ becomes %XX. Yours to free. */
char *dl_url_encode(const char *text);

typedef struct {
  char *key, *value;
} dl_query_pair_t;

typedef struct {
  dl_query_pair_t *pairs; /* in the order received, decoded; undecodable pairs are left out */
  size_t count;
} dl_query_t;

#define DL_QUERY_MAX 512

void dl_query_parse(dl_query_t *q, const char *raw);
void dl_query_clear(dl_query_t *q);
/* The first value of `key`, or NULL. */
const char *dl_query_get(const dl_query_t *q, const char *key);
/* The values of `key` and `key[]`, in order, from index *at on; NULL at the end. */
const char *dl_query_next(const dl_query_t *q, const char *key, size_t *at);

#endif
