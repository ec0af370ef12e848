/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program daytona-local-desktop as the toolbox uses it: asks in, replies out. There are two of them, so that a text that is
 * typed slowly does not keep screenshots waiting.
 */
#ifndef DL_DESKTOP_LANE_H
#define DL_DESKTOP_LANE_H

#include "toolbox/core/toolbox.h"
#include "toolbox/desktop/wire.h"

typedef struct dl_desktop_lane dl_desktop_lane_t;

/* Once per ask, never inside dl_desktop_lane_ask. `body` is borrowed for the call: JSON with status 200, else a message.
 * Status 499: cancelled. */
typedef void (*dl_desktop_reply_cb)(void *user, int status, const char *body, size_t len);

/* `display`: gives the name of the display at the moment, borrowed; the program is started when there is something to ask. */
dl_desktop_lane_t *dl_desktop_lane_new(dl_toolbox_t *tb, const char *(*display)(dl_toolbox_t *tb));
/* Asks under way are answered with 503. */
void dl_desktop_lane_free(dl_desktop_lane_t *l);
/* The program ends in order, releasing what it holds; asks under way are answered with 503. */
void dl_desktop_lane_end(dl_desktop_lane_t *l);
/* Copied, `text` (ask->size bytes) too. Returns the number for dl_desktop_lane_cancel. */
uint32_t dl_desktop_lane_ask(dl_desktop_lane_t *l, const dl_desktop_ask_t *ask, const char *text,
                             dl_desktop_reply_cb cb, void *user);
/* The reply still comes. */
void dl_desktop_lane_cancel(dl_desktop_lane_t *l, uint32_t id);

#endif
