/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a route's handler has before it: the call's sandbox and body, and the ways to answer.
 */
#ifndef DL_CALL_H
#define DL_CALL_H

#include "control/routes/answer.h"
#include "control/routes/flags.h"

/* The body of a route that wants one: a JSON object, empty when there was no body. Borrowed. */
const json_t *dl_body(dl_req_t *req);
/* The sandbox of a route that names one. */
dl_sandbox_t *dl_target(dl_req_t *req);

/* Body and sandbox as the route's flags say, then its handler. */
void dl_run_route(dl_control_t *c, dl_req_t *req, const dl_route_t *route);

#endif
