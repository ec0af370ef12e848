/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The toolbox's side of SSH: see ssh/frames.h.
 */
#ifndef DL_TOOLBOX_SSH_H
#define DL_TOOLBOX_SSH_H

#include "http/http.h"
#include "toolbox/core/toolbox.h"

extern const dl_route_table_t DL_TB_SSH_ROUTES;

dl_list_t *dl_ssh_channels_new(void);
void dl_ssh_channels_close(dl_toolbox_t *tb);

#endif
