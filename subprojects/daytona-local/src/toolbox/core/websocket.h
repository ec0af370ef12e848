/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSockets of the toolbox: which sub-protocols it knows, and how it refuses what is no handshake.
 */
#ifndef DL_WEBSOCKET_H
#define DL_WEBSOCKET_H

#include "http/websocket.h"
#include "toolbox/core/toolbox.h"

/* dl_ws_open, with the sub-protocol that the toolbox chooses. False: it was no handshake, and was answered 400. */
bool dl_ws_accept(dl_toolbox_t *tb, dl_req_t *req, const dl_ws_opts_t *opts, const dl_ws_events_t *events,
                  void *user);
/* What follows `prefix` in the first offered sub-protocol that begins with it; yours to free, or NULL. */
char *dl_ws_token(dl_req_t *req, const char *prefix);

#endif
