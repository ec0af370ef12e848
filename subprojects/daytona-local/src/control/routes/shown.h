/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two forms in which a sandbox is shown.
 */
#ifndef DL_SHOWN_H
#define DL_SHOWN_H

#include "control/context.h"

/* `url`: the server's, as the client calls it (dl_called_url). */
json_t *dl_sandbox_dto(const dl_control_t *c, const char *url, const dl_sandbox_t *sb);
json_t *dl_sandbox_list_item(const dl_control_t *c, const char *url, const dl_sandbox_t *sb);

#endif
