/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls for tests, below /admin, with the same keys: faults, clock, forced states.
 */
#ifndef DL_ADMIN_H
#define DL_ADMIN_H

#include "control/context.h"

void dl_admin_handle(dl_control_t *c, dl_req_t *req, const char *path);

#endif
