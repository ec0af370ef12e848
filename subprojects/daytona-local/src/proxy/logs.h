/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The logs of builds, where SDKs follow them: /sandboxes/{id}/build-logs and /snapshots/{id}/build-logs.
 */
#ifndef DL_PROXY_LOGS_H
#define DL_PROXY_LOGS_H

#include "control/context.h"

void dl_proxy_logs(dl_control_t *c, dl_req_t *req, const char *path);

#endif
