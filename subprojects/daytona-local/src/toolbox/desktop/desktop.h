/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /computeruse: the desktop of the sandbox.
 */
#ifndef DL_DESKTOP_H
#define DL_DESKTOP_H

#include "http/http.h"
#include "toolbox/core/toolbox.h"

extern const dl_route_table_t DL_TB_DESKTOP_ROUTES;   /* start, stop, processes */
extern const dl_route_table_t DL_TB_INPUT_ROUTES;     /* mouse, keyboard */
extern const dl_route_table_t DL_TB_SCREEN_ROUTES;    /* screenshots, displays, windows */
extern const dl_route_table_t DL_TB_RECORDING_ROUTES; /* recordings */

struct dl_desktop *dl_desktop_new(dl_toolbox_t *tb);
/* The box ends: nothing is started again, and recordings are brought to their end. `on_left` comes when they have ended, or a
 * short time later; inside the call when there are none. Before that nothing of the desktop must be ended. */
void dl_desktop_leave(dl_toolbox_t *tb, void (*on_left)(void *user), void *user);
/* The handles close, memory goes with them. */
void dl_desktop_close(dl_toolbox_t *tb);

#endif
