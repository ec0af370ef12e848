/* SPDX-License-Identifier: Apache-2.0
 *
 * What call.c shares with the dispatcher, the proxy and the admin calls.
 */
#ifndef DL_API_H
#define DL_API_H

#include "control/control.h"

/* All routes of the control plane. NULL and *error when two of them contradict each other. */
dl_routes *dl_api_routes(char **error);
/* A call of the control plane; `path` is without the prefix. */
void dl_api_handle(dl_control *c, dl_req *req, const char *path);
/* False when the request was answered with 401, 403 or 429. */
bool dl_authenticate(dl_control *c, dl_req *req, unsigned *permissions);
/* NULL for unknown and for destroyed ones. */
dl_sandbox *dl_find_sandbox(dl_control *c, const char *id_or_name, bool by_name);
/* Body and sandbox as the route's flags say, then its handler. */
void dl_run_route(dl_control *c, dl_req *req, const dl_route *route);
/* 429 with Retry-After-<bucket>, or plain Retry-After for a NULL bucket. */
void dl_fail_limited(dl_control *c, dl_req *req, const char *bucket, int64_t seconds);

#endif
