/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed query parameters.
 */
#include "control/routes/query.h"

#include <string.h>

int64_t dl_query_int(dl_req_t *req, dl_check_t *k, const char *key, int64_t min, int64_t max,
                     int64_t fallback) {
  const char *text = dl_query_get(dl_req_query(req), key);
  int64_t value = fallback;
  if (text && !dl_parse_int(text, min, max, &value))
    dl_check_add(k, "%s must be an integer from %lld to %lld", key, (long long)min, (long long)max);
  return value;
}

int dl_query_bool(dl_req_t *req, dl_check_t *k, const char *key) {
  const char *text = dl_query_get(dl_req_query(req), key);
  bool value = false;
  if (!text) return -1;
  if (!dl_parse_bool(text, &value)) dl_check_add(k, "%s must be true or false", key);
  return value;
}

int64_t dl_query_date(dl_req_t *req, dl_check_t *k, const char *key) {
  const char *text = dl_query_get(dl_req_query(req), key);
  int64_t value = -1;
  if (text && !dl_iso_parse(text, &value)) dl_check_add(k, "%s must be an ISO 8601 date", key);
  return value;
}

const char *dl_query_enum(dl_req_t *req, dl_check_t *k, const char *key, const char *const *values) {
  const char *text = dl_query_get(dl_req_query(req), key);
  if (!text) return values[0];
  for (const char *const *v = values; *v; v++)
    if (strcmp(*v, text) == 0) return *v;
  dl_check_add(k, "%s must be one of the documented values", key);
  return values[0];
}

bool dl_query_descending(dl_req_t *req, dl_check_t *k) {
  static const char *const orders[] = {"desc", "asc", NULL};
  return dl_query_enum(req, k, "order", orders) == orders[0];
}

bool dl_query_allows(dl_req_t *req, const char *key, const char *value) {
  size_t at = 0;
  bool given = false;
  const char *want;
  while ((want = dl_query_next(dl_req_query(req), key, &at))) {
    given = true;
    if (value && strcmp(want, value) == 0) return true;
  }
  return !given;
}
