/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls for builds. Nothing is built here.
 */
#include "control/routes/call.h"

static void no_build(dl_req_t *req, void *user) {
  dl_fail(user, req, 404, "Sandbox %s has no build info", dl_target(req)->id);
}

static const dl_route_t routes[] = {
  {"GET", "/sandbox/{x}/build-logs-url", no_build, DL_R_SANDBOX},
  {"GET", "/sandbox/{x}/build-logs", no_build, DL_R_SANDBOX},
};

dl_route_table_t dl_build_routes(void) { return (dl_route_table_t){routes, DL_COUNT(routes)}; }
