/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may call, and how often: credentials and rate limits of a request.
 */
#ifndef DL_ADMIT_H
#define DL_ADMIT_H

#include "control/context.h"

/* False when the request was answered with 401, 403 or 429. */
bool dl_authenticate(dl_control_t *c, dl_req_t *req, unsigned *permissions);
/* False when it was answered with 429. `flags` are the route's. */
bool dl_within_limit(dl_control_t *c, dl_req_t *req, unsigned flags);

#endif
