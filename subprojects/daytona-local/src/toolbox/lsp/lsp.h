/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /lsp: language servers for the files of a project.
 */
#ifndef DL_TOOLBOX_LSP_H
#define DL_TOOLBOX_LSP_H

#include "http/http.h"
#include "toolbox/core/toolbox.h"

extern const dl_route_table_t DL_TB_LSP_ROUTES;

struct dl_lsp *dl_lsp_new(void);
/* Their programs are killed, and requests fail. */
void dl_lsp_close(dl_toolbox_t *tb);

#endif
