/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files as clients name them and as language servers do. A client writes "file://" and the path as it is; the protocol of
 * language servers has the path percent-encoded.
 */
#ifndef DL_LSP_URIS_H
#define DL_LSP_URIS_H

#include "base/jsonx.h"

/* The path that a client's text means; relative ones start at `root`. Yours to free. */
char *dl_lsp_path_of(const char *root, const char *uri);
/* The same with its percent codes decoded, NULL when there are none or they are malformed. Yours to free. */
char *dl_lsp_decoded_path_of(const char *root, const char *uri);
/* For a language server. Yours to free. */
char *dl_lsp_uri_of(const char *path);
/* A server's text as clients write it. */
json_t *dl_lsp_plain_uri(const char *uri);

#endif
