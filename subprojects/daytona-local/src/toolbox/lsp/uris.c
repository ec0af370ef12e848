/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "file://" texts of clients and of language servers.
 */
#include "toolbox/lsp/uris.h"

#include "http/url.h"

#include <stdlib.h>
#include <string.h>

#define SCHEME "file://"

static char *below(const char *root, const char *path) {
  return path[0] == '/' ? dl_xstrdup(path) : dl_xprintf("%s/%s", root, path);
}

static const char *without_scheme(const char *uri) {
  return dl_starts_with(uri, SCHEME) ? uri + strlen(SCHEME) : uri;
}

char *dl_lsp_path_of(const char *root, const char *uri) { return below(root, without_scheme(uri)); }

char *dl_lsp_decoded_path_of(const char *root, const char *uri) {
  const char *text = without_scheme(uri);
  char *decoded = strchr(text, '%') != NULL ? dl_url_decode(text, strlen(text), false) : NULL;
  char *path = decoded != NULL ? below(root, decoded) : NULL;
  free(decoded);
  return path;
}

char *dl_lsp_uri_of(const char *path) {
  dl_buf_t out;
  dl_buf_init(&out, strlen(path) * 3 + sizeof SCHEME);
  dl_buf_puts(&out, SCHEME);
  while (*path != '\0') {
    size_t len = strcspn(path, "/");
    char *part = dl_xstrndup(path, len), *encoded = dl_url_encode(part);
    dl_buf_puts(&out, encoded);
    free(part);
    free(encoded);
    path += len;
    if (*path == '/') dl_buf_append(&out, path++, 1);
  }
  return dl_buf_take(&out);
}

json_t *dl_lsp_plain_uri(const char *uri) {
  const char *text = without_scheme(uri);
  char *decoded = text != uri ? dl_url_decode(text, strlen(text), false) : NULL;
  json_t *plain = decoded != NULL ? json_sprintf(SCHEME "%s", decoded) : NULL;
  free(decoded);
  return plain != NULL ? plain : json_string(uri);
}
