/* SPDX-License-Identifier: Apache-2.0
 *
 * The two forms in which a sandbox is shown.
 */
#ifndef DL_SHOWN_H
#define DL_SHOWN_H

#include "control/context.h"

json_t *dl_sandbox_dto(const dl_control *c, const dl_sandbox *sb);
json_t *dl_sandbox_list_item(const dl_control *c, const dl_sandbox *sb);

#endif
