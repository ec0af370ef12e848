/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conditional requests; see conditions.h.
 */
#include "toolbox/core/conditions.h"

#include "base/base.h"

#include <string.h>

static bool parse_http_date(const char *text, time_t *out) {
  static const char *const formats[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                        "%a %b %e %H:%M:%S %Y"};
  for (size_t i = 0; text != NULL && i < DL_COUNT(formats); i++) {
    struct tm parts = {0};
    const char *end = strptime(text, formats[i], &parts);
    if (end == NULL || *end != '\0') continue;
    *out = timegm(&parts);
    return true;
  }
  return false;
}

int dl_conditions_check(dl_req_t *req, time_t modified) {
  const char *match = dl_req_header(req, "If-Match"), *none = dl_req_header(req, "If-None-Match");
  time_t date;
  if (match != NULL && strcmp(match, "*") != 0) return 412;
  if (match == NULL && parse_http_date(dl_req_header(req, "If-Unmodified-Since"), &date) && modified > date)
    return 412;
  if (none != NULL) return strcmp(none, "*") == 0 ? 304 : 0;
  if (parse_http_date(dl_req_header(req, "If-Modified-Since"), &date) && modified <= date) return 304;
  return 0;
}

const char *dl_conditions_range(dl_req_t *req, time_t modified) {
  const char *range = dl_req_header(req, "Range"), *condition = dl_req_header(req, "If-Range");
  time_t date;
  if (range == NULL || condition == NULL) return range;
  return parse_http_date(condition, &date) && date == modified ? range : NULL;
}
