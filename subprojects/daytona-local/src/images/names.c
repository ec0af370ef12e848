/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of images. A full name is HOST[:PORT]/PATH, then :TAG or @sha256:DIGEST. What stands before the first slash is a
 * host when it has a dot or a colon in it, or is localhost; otherwise the name is one of docker.io.
 */
#include "images/internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_LEN 512
#define DIGEST "@sha256:"
#define HOST "docker.io/"

static bool is_all(const char *text, size_t len, const char *allowed) {
  for (size_t i = 0; i < len; i++)
    if (!isalnum((unsigned char)text[i]) && !strchr(allowed, text[i])) return false;
  return len > 0;
}

static bool is_hex(const char *text, size_t len) { return strspn(text, "0123456789abcdef") >= len; }

bool dl_image_is_id(const char *text) { return strlen(text) == 64 && is_hex(text, 64); }

/* Parts of small letters, digits and single separators. */
static bool is_path(const char *path, size_t len) {
  for (size_t at = 0; at <= len;) {
    size_t part = 0;
    while (at + part < len && path[at + part] != '/') part++;
    if (!is_all(path + at, part, "._-") || !isalnum((unsigned char)path[at]) ||
        !isalnum((unsigned char)path[at + part - 1]))
      return false;
    for (size_t i = 0; i < part; i++)
      if (isupper((unsigned char)path[at + i])) return false;
    at += part + 1;
  }
  return true;
}

static bool is_host(const char *host, size_t len) {
  bool is_v6 = host[0] == '[';
  return is_all(host, len, ".:-[]") && (is_v6 || isalnum((unsigned char)host[0])) &&
         (isalnum((unsigned char)host[len - 1]) || host[len - 1] == ']');
}

/* Where the path begins: behind the host, if there is one. */
static size_t host_len(const char *name) {
  size_t len = strcspn(name, "/");
  if (name[len] != '/') return 0;
  bool is_one =
    memchr(name, '.', len) || memchr(name, ':', len) || (len == 9 && strncmp(name, "localhost", 9) == 0);
  return is_one ? len + 1 : 0;
}

/* Where the path ends: at the tag or digest. */
static size_t path_end(const char *name, size_t from) { return from + strcspn(name + from, ":@"); }

char *dl_image_full_name(const char *name) {
  size_t host = host_len(name), end = path_end(name, host);
  const char *rest = name + end;
  if (strlen(name) > NAME_MAX_LEN || !is_path(name + host, end - host)) return NULL;
  if (host > 0 && !is_host(name, host - 1)) return NULL;
  bool has_tag = rest[0] == ':';
  if (has_tag) {
    size_t len = strcspn(rest + 1, "@");
    if (len > 128 || !is_all(rest + 1, len, "._-")) return NULL;
    rest += len + 1;
  }
  if (*rest && (!dl_starts_with(rest, DIGEST) || strlen(rest) != strlen(DIGEST) + 64 ||
                !is_hex(rest + strlen(DIGEST), 64)))
    return NULL;
  bool is_library = host == 0 && !memchr(name, '/', end);
  /* With a digest the tag says nothing. */
  if (*rest)
    return dl_xprintf("%s%s%.*s%s", host ? "" : HOST, is_library ? "library/" : "", (int)end, name, rest);
  return dl_xprintf("%s%s%s%s", host ? "" : HOST, is_library ? "library/" : "", name,
                    has_tag ? "" : ":latest");
}

char *dl_image_repository(const char *full_name) {
  return dl_xstrndup(full_name, path_end(full_name, host_len(full_name)));
}
