/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that say what is missing. Without these routes a client would learn that a page was not found.
 */
#include "toolbox/absent/absent.h"

#include "toolbox/core/reply.h"

static void on_desktop(dl_req_t *req, void *user) {
  (void)user;
  dl_tb_reply_error_code(
    req, 501, "NOT_IMPLEMENTED",
    "not implemented: sandboxes of daytona-local have no desktop: no display, mouse, keyboard, "
    "screenshots or recordings");
}

static const dl_route_t ROUTES[] = {
  {"GET", "/computeruse/{rest*}", on_desktop, 0},
  {"POST", "/computeruse/{rest*}", on_desktop, 0},
  {"DELETE", "/computeruse/{rest*}", on_desktop, 0},
  {"GET", "/recordings/{rest*}", on_desktop, 0},
  {"GET", "/recordings", on_desktop, 0},
};
const dl_route_table_t DL_TB_ABSENT_ROUTES = {ROUTES, DL_COUNT(ROUTES)};
