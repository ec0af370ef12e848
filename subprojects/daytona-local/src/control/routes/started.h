/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that are answered when a sandbox has started, or has failed.
 */
#ifndef DL_STARTED_H
#define DL_STARTED_H

#include "control/context.h"

/* Answers `req`: with the sandbox, or with the reason why it did not start. */
dl_life_wait_t dl_wait_started(dl_control_t *c, dl_req_t *req);
/* Answers `req` with the sandbox, failed or not. */
dl_life_wait_t dl_wait_any(dl_control_t *c, dl_req_t *req);

#endif
