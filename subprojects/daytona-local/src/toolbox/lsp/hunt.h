/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Symbols of a project whose name contains a text, also with a server that has none.
 */
#ifndef DL_LSP_HUNT_H
#define DL_LSP_HUNT_H

#include "http/http.h"
#include "toolbox/lsp/server.h"

/* Answers the request. `s` is READY. */
void dl_lsp_hunt(dl_lsp_server_t *s, dl_req_t *req, const char *query);

#endif
