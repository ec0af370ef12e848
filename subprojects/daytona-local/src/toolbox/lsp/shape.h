/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results of language servers in the form in which the toolbox answers. What is not of the protocol is left out: a server is
 * a program of the sandbox.
 */
#ifndef DL_LSP_SHAPE_H
#define DL_LSP_SHAPE_H

#include "base/jsonx.h"

/* Symbols, in any of the protocol's three forms, as a flat array. `asked` is the server's name of the file that was asked
 * for, and `shown` the client's; both NULL for the symbols of a project. */
json_t *dl_lsp_symbols(const json_t *result, const char *asked, const char *shown);
/* A list of completions, from a list or an array. */
json_t *dl_lsp_completions(const json_t *result);

#endif
