/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed preview tokens. The list of a sandbox is shared with the journal, so a change makes a new
 * one. `preview_tokens` has exactly the tokens that are in the lists of living sandboxes.
 */
#include "control/objects/previews.h"

#include <assert.h>
#include <string.h>

#define SIGNED_MAX 1000

/* Keeps what `stays` says; the others lead nowhere any more. */
static void keep(dl_objects_t *o, dl_sandbox_t *sb, bool (*stays)(const json_t *entry, const void *user),
                 const void *user) {
  json_t *kept = json_array(), *entry;
  size_t i;
  json_array_foreach (sb->signed_tokens, i, entry) {
    if (stays(entry, user))
      json_array_append(kept, entry);
    else
      dl_map_remove(&o->preview_tokens, dl_json_str(entry, "token"));
  }
  json_decref(sb->signed_tokens);
  sb->signed_tokens = kept;
}

static bool is_good(const json_t *entry, const void *user) {
  const int64_t *now = user;
  return dl_json_int(entry, "expiresAt", 0) > *now;
}

static bool is_other(const json_t *entry, const void *user) {
  return strcmp(dl_json_str(entry, "token"), user) != 0;
}

char *dl_preview_add(dl_objects_t *o, dl_sandbox_t *sb, int64_t port, int64_t expires_at) {
  int64_t now = dl_objects_now(o);
  keep(o, sb, is_good, &now);
  if (json_array_size(sb->signed_tokens) >= SIGNED_MAX) return NULL;
  char *token = dl_random_token(16, DL_ALPHABET_LOWER);
  json_array_append_new(sb->signed_tokens, json_pack("{s:s, s:I, s:I}", "token", token, "port",
                                                     (json_int_t)port, "expiresAt", (json_int_t)expires_at));
  assert(!dl_map_get(&o->preview_tokens, token));
  dl_map_put(&o->preview_tokens, token, sb);
  return token;
}

void dl_preview_remove(dl_objects_t *o, dl_sandbox_t *sb, const char *token) { keep(o, sb, is_other, token); }

dl_sandbox_t *dl_preview_find(const dl_objects_t *o, const char *token, int64_t port) {
  dl_sandbox_t *sb = dl_map_get(&o->preview_tokens, token);
  int64_t now = dl_objects_now(o);
  size_t i;
  json_t *entry;
  if (!sb) return NULL;
  json_array_foreach (sb->signed_tokens, i, entry) {
    if (!is_other(entry, token))
      return dl_json_int(entry, "port", 0) == port && is_good(entry, &now) ? sb : NULL;
  }
  return NULL;
}
