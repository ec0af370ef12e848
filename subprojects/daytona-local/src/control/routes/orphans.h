/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admin calls for files that no object owns. Documented in README.md.
 */
#ifndef DL_ORPHAN_ROUTES_H
#define DL_ORPHAN_ROUTES_H

#include "control/routes/call.h"

void dl_orphans_get(dl_req_t *req, void *user);
/* The files get an object again: a stopped or archived sandbox, or a volume. */
void dl_orphan_adopt(dl_req_t *req, void *user);
void dl_orphan_delete(dl_req_t *req, void *user);

#endif
