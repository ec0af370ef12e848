/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls for the key of signed file URLs.
 */
#include "control/routes/call.h"

#include <stdlib.h>

static void signing_key(dl_req_t *req, void *user) {
  (void)user;
  dl_reply_text(req, 200, dl_target(req)->signing_key);
}

static void rotate_signing_key(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_sandbox_t *sb = dl_target(req);
  free(sb->signing_key);
  sb->signing_key = dl_sandbox_new_signing_key();
  dl_life_save(sb);
  dl_answer_durable_text(c, req, 200, sb->signing_key);
}

static const dl_route_t routes[] = {
  {"GET", "/sandbox/{x}/signing-key", signing_key, DL_R_SANDBOX_ID},
  {"POST", "/sandbox/{x}/signing-key/rotate", rotate_signing_key, DL_R_SANDBOX_ID},
};

dl_route_table_t dl_signing_routes(void) { return (dl_route_table_t){routes, DL_COUNT(routes)}; }
