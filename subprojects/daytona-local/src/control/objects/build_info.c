/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The identity of a build.
 */
#include "control/objects/build_info.h"

#include "base/buf.h"

#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_sorted(gnutls_hash_hd_t hash, const json_t *hashes) {
  size_t count = json_array_size(hashes), i;
  const char **sorted = dl_xcalloc(count + 1, sizeof *sorted);
  json_t *value;
  json_array_foreach (hashes, i, value) sorted[i] = json_string_value(value);
  qsort(sorted, count, sizeof *sorted, compare);
  for (i = 0; i < count; i++) gnutls_hash(hash, sorted[i], strlen(sorted[i]));
  free(sorted);
}

char *dl_build_ref(const char *dockerfile, const json_t *hashes) {
  gnutls_hash_hd_t hash;
  unsigned char digest[32];
  char hex[2 * sizeof digest + 1];
  if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) != 0) abort();
  gnutls_hash(hash, dockerfile, strlen(dockerfile));
  add_sorted(hash, hashes);
  gnutls_hash_deinit(hash, digest);
  for (size_t i = 0; i < sizeof digest; i++) {
    hex[2 * i] = DL_ALPHABET_HEX[digest[i] >> 4];
    hex[2 * i + 1] = DL_ALPHABET_HEX[digest[i] & 15];
  }
  hex[2 * sizeof digest] = '\0';
  return dl_xprintf("daytona-%s:daytona", hex);
}

json_t *dl_build_info(const char *dockerfile, const json_t *hashes, int64_t now) {
  dl_iso_t at = dl_iso_format(now);
  char *ref = dl_build_ref(dockerfile, hashes);
  json_t *info = json_pack("{s:s, s:o, s:s, s:s, s:s}", "dockerfileContent", dockerfile, "contextHashes",
                           hashes ? json_copy((json_t *)hashes) : json_array(), "createdAt", at.text,
                           "updatedAt", at.text, "snapshotRef", ref);
  free(ref);
  return info;
}

char *dl_build_image_name(const char *ref) { return dl_xprintf("localhost/%s", ref); }
