/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /computeruse/a11y: what the programs on the desktop show of themselves, and actions on it.
 */
#ifndef DL_TOOLBOX_A11Y_H
#define DL_TOOLBOX_A11Y_H

#include "http/http.h"
#include "toolbox/core/toolbox.h"

extern const dl_route_table_t DL_TB_A11Y_ROUTES;

struct dl_a11y *dl_a11y_new(dl_toolbox_t *tb);
/* The desktop starts (before its programs) or was stopped: the session bus that accessibility needs is started and ended with it. */
void dl_a11y_on_desktop(dl_toolbox_t *tb, bool starts);
/* See dl_toolbox_t.accessibility. */
int dl_a11y_state(const dl_toolbox_t *tb);
void dl_a11y_close(dl_toolbox_t *tb);

#endif
