/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request that the program of a lane answers.
 */
#ifndef DL_DESKTOP_ASK_H
#define DL_DESKTOP_ASK_H

#include "http/http.h"
#include "toolbox/desktop/lane.h"

/* What replaces the JSON of a success, or an answer of its own; true: the request was answered. */
typedef bool (*dl_desktop_shape_cb)(dl_req_t *req, int status);

/* Asks, and answers the request with what comes back; a client that goes away cancels it. `shape`: NULL for none. */
void dl_desktop_pass_on(dl_req_t *req, dl_desktop_lane_t *lane, const dl_desktop_ask_t *ask, const char *text,
                        dl_desktop_shape_cb shape);

#endif
