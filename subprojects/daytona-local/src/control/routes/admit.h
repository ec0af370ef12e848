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
/* For a credential that comes after the request, as the token alone: whether it is one that may call for `organization`
 * (what a token names, or NULL). `who` is the client (dl_client_address), for which failures count as they do above. */
bool dl_admit_later(dl_control_t *c, const char *who, const char *token, const char *organization,
                    unsigned *permissions);

#endif
