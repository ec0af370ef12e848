/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that say what is missing. Without these routes a client would learn that a page was not found.
 */
#include "toolbox/absent/absent.h"

#include "toolbox/core/reply.h"

static void on_missing(dl_req_t *req, void *user) {
  (void)user;
  dl_tb_reply_error_code(req, 501, "NOT_IMPLEMENTED", "not implemented: daytona-local has no accessibility");
}

static const dl_route_t ROUTES[] = {
  {"GET", "/computeruse/a11y/{rest*}", on_missing, 0},
  {"POST", "/computeruse/a11y/{rest*}", on_missing, 0},
};
const dl_route_table_t DL_TB_ABSENT_ROUTES = {ROUTES, DL_COUNT(ROUTES)};
