/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events for clients over Socket.IO: what is created, and each change of a state, as it happens.
 *
 * The protocol is Socket.IO 5 on Engine.IO 4, over a WebSocket from the beginning; the credential comes in the first
 * packet. Whoever is let in is in the one room that there is, the organization's, and hears of everything that its
 * key may read. Nothing is kept for a client that is not there, and one that takes nothing is closed.
 */
#ifndef DL_EVENTS_H
#define DL_EVENTS_H

#include "control/context.h"

typedef struct dl_events dl_events_t;

/* Watches the control plane's life and store from now on. */
dl_events_t *dl_events_new(dl_control_t *c);
/* Says goodbye to every client. Before the HTTP server is closed, which would break their connections. */
void dl_events_end(dl_events_t *e);
/* When the HTTP server is closed. NULL is fine. */
void dl_events_free(dl_events_t *e);

/* True if `path` (below the API's prefix) is that of the event socket: the request is then answered here. */
bool dl_events_take(dl_events_t *e, dl_req_t *req, const char *path);

#endif
