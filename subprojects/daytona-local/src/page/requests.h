/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The latest requests, for the page to show: a ring.
 */
#ifndef DL_REQUESTS_H
#define DL_REQUESTS_H

#include "base/jsonx.h"

#define DL_REQUESTS_MAX 256u
#define DL_REQUEST_PATH_MAX 200u /* bytes; the rest is left out */

typedef struct {
  char method[16], path[DL_REQUEST_PATH_MAX + 1];
  int status;    /* as of dl_http_opts_t.on_decided */
  int64_t at_ms; /* dl_wall_ms */
  uint64_t took_ms;
} dl_request_t;

typedef struct {
  dl_request_t *ring;
  uint64_t count; /* ever noted */
} dl_requests_t;

void dl_requests_init(dl_requests_t *r);
void dl_requests_clear(dl_requests_t *r);
void dl_requests_add(dl_requests_t *r, const char *method, const char *path, int status, uint64_t took_ms);
/* Those that came after the first `since`, in their order, as far as they are still there: [[number, time, method, path,
 * status, ms]...]. */
json_t *dl_requests_since(const dl_requests_t *r, uint64_t since);

#endif
