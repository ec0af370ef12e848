/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /process/interpreter: contexts, and code that runs in them.
 */
#ifndef DL_INTERPRETER_H
#define DL_INTERPRETER_H

#include "http/http.h"
#include "toolbox/core/toolbox.h"

extern const dl_route_table_t DL_TB_INTERPRETER_ROUTES;

dl_list_t *dl_interpreters_new(void);
/* Their workers end at once, and clients are informed. */
void dl_interpreters_close(dl_toolbox_t *tb);

#endif
