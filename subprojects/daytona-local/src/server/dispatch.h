/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a request goes: a fault, a preview, the control plane, the toolbox proxy, admin.
 */
#ifndef DL_DISPATCH_H
#define DL_DISPATCH_H

#include "control/context.h"

/* The handler of the HTTP server. */
void dl_dispatch(dl_req_t *req, void *control);

/* One line for an answered request: method, path, status, milliseconds. Without the query and without tokens in the
 * path. On stderr if requests are logged, and to the page if there is one. For dl_http_opts_t.on_decided. */
void dl_log_request(const dl_req_t *req, int status, uint64_t took_ms, void *control);
void dl_log_refusal(const char *peer, int status, const char *problem, void *control);

#endif
