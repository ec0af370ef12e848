/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed query parameters; what cannot be read is noted in the collection of failures.
 */
#ifndef DL_QUERY_H
#define DL_QUERY_H

#include "control/routes/answer.h"

int64_t dl_query_int(dl_req_t *req, dl_check_t *k, const char *key, int64_t min, int64_t max,
                     int64_t fallback);
/* 1 true, 0 false, -1 absent. */
int dl_query_bool(dl_req_t *req, dl_check_t *k, const char *key);
/* -1 when absent. */
int64_t dl_query_date(dl_req_t *req, dl_check_t *k, const char *key);
/* One of a NULL-terminated list, the first when absent. */
const char *dl_query_enum(dl_req_t *req, dl_check_t *k, const char *key, const char *const *values);
/* order=asc|desc, default desc. */
bool dl_query_descending(dl_req_t *req, dl_check_t *k);
/* True if `value` is among the values of `key`, or `key` was not given. */
bool dl_query_allows(dl_req_t *req, const char *key, const char *value);

#endif
