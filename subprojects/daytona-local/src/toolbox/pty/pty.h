/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /process/pty: terminals.
 */
#ifndef DL_PTY_H
#define DL_PTY_H

#include "http/http.h"
#include "toolbox/core/toolbox.h"

extern const dl_route_table_t DL_TB_PTY_ROUTES;

dl_list_t *dl_ptys_new(void);
/* Shells of terminals ignore SIGTERM: this ends them in order. */
void dl_ptys_hang_up(dl_toolbox_t *tb);
void dl_ptys_close(dl_toolbox_t *tb);

#endif
