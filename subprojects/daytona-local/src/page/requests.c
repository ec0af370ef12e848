/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entry n is at n modulo the size of the ring.
 */
#include "page/requests.h"

#include <stdio.h>
#include <stdlib.h>

void dl_requests_init(dl_requests_t *r) {
  *r = (dl_requests_t){.ring = dl_xcalloc(DL_REQUESTS_MAX, sizeof *r->ring)};
}

void dl_requests_clear(dl_requests_t *r) {
  free(r->ring);
  *r = (dl_requests_t){0};
}

void dl_requests_add(dl_requests_t *r, const char *method, const char *path, int status, uint64_t took_ms) {
  dl_request_t *one = &r->ring[r->count++ % DL_REQUESTS_MAX];
  *one = (dl_request_t){.status = status, .at_ms = dl_wall_ms(), .took_ms = took_ms};
  snprintf(one->method, sizeof one->method, "%s", method);
  snprintf(one->path, sizeof one->path, "%s", path);
}

json_t *dl_requests_since(const dl_requests_t *r, uint64_t since) {
  json_t *items = json_array();
  if (since > r->count) since = 0; /* of a server that was there before */
  if (r->count - since > DL_REQUESTS_MAX) since = r->count - DL_REQUESTS_MAX;
  for (uint64_t n = since; n < r->count; n++) {
    const dl_request_t *one = &r->ring[n % DL_REQUESTS_MAX];
    json_array_append_new(
      items, json_pack("[I, s, s, s, i, I]", (json_int_t)(n + 1), dl_iso_format(one->at_ms).text, one->method,
                       one->path, one->status, (json_int_t)one->took_ms));
  }
  return items;
}
