/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A terminal in a browser: what the platform has on port 22222 of every sandbox.
 */
#ifndef DL_TOOLBOX_TERMINAL_H
#define DL_TOOLBOX_TERMINAL_H

#include "http/http.h"
#include "toolbox/core/toolbox.h"

extern const dl_route_table_t DL_TB_TERMINAL_ROUTES;

dl_list_t *dl_terminals_new(void);
void dl_terminals_close(dl_toolbox_t *tb);

#endif
