/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs of remotes: what of them is secret, and where credentials may go.
 *
 * Only http and https carry passwords for git; any other URL and every path is left as it is.
 */
#include "toolbox/git/internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The first byte of the authority of a http(s) URL, or NULL. */
static const char *authority_of(const char *url) {
  if (strncasecmp(url, "http://", 7) == 0) return url + 7;
  if (strncasecmp(url, "https://", 8) == 0) return url + 8;
  return NULL;
}

dl_git_url_t dl_git_url_split(const char *url) {
  const char *authority = authority_of(url);
  size_t len = authority != NULL ? strcspn(authority, "/?#") : 0;
  const char *at = len > 0 ? memrchr(authority, '@', len) : NULL;
  if (at == NULL) return (dl_git_url_t){.plain = dl_xstrdup(url)};
  dl_git_url_t u = {.plain = dl_xprintf("%.*s%s", (int)(authority - url), url, at + 1), .had_user = true};
  size_t user_len = (size_t)(at - authority);
  const char *colon = memchr(authority, ':', user_len);
  size_t name_len = colon != NULL ? (size_t)(colon - authority) : user_len;
  u.username = dl_url_decode(authority, name_len, false);
  u.password = colon != NULL ? dl_url_decode(colon + 1, user_len - name_len - 1, false) : dl_xstrdup("");
  /* What cannot be decoded is meant as it stands. */
  if (u.username == NULL) u.username = dl_xstrndup(authority, name_len);
  if (u.password == NULL) u.password = dl_xstrndup(colon + 1, user_len - name_len - 1);
  return u;
}

static void wipe(char *text) {
  if (text != NULL) explicit_bzero(text, strlen(text));
  free(text);
}

void dl_git_url_clear(dl_git_url_t *u) {
  free(u->plain);
  wipe(u->username);
  wipe(u->password);
  *u = (dl_git_url_t){0};
}

char *dl_git_url_base(const char *url) {
  const char *authority = authority_of(url);
  if (authority == NULL) return NULL;
  size_t len = strcspn(authority, "/?#");
  const char *at = memrchr(authority, '@', len);
  const char *host = at != NULL ? at + 1 : authority;
  return dl_xprintf("%.*s%.*s/", (int)(authority - url), url, (int)(authority + len - host), host);
}
