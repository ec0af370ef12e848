/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SSH tokens. The list of a sandbox is shared with the journal, so a change makes a new one.
 */
#include "control/objects/ssh.h"

#include <stdlib.h>
#include <string.h>

static void replace(dl_sandbox_t *sb, json_t *list) {
  json_decref(sb->ssh_access);
  sb->ssh_access = list;
}

const json_t *dl_ssh_create(dl_objects_t *o, dl_sandbox_t *sb, int64_t lives_ms) {
  char *token = dl_random_token(32, DL_ALPHABET_MIXED);
  int64_t now = dl_objects_now(o);
  replace(sb, json_pack("[{s:s, s:s, s:I, s:I}]", "id", dl_uuid_new().text, "token", token, "createdAt",
                        (json_int_t)now, "expiresAt", (json_int_t)(now + lives_ms)));
  free(token);
  return json_array_get(sb->ssh_access, 0);
}

void dl_ssh_revoke(dl_sandbox_t *sb, const char *token) {
  json_t *kept = json_array(), *entry;
  size_t i;
  json_array_foreach (sb->ssh_access, i, entry) {
    if (token && strcmp(dl_json_str(entry, "token"), token) != 0) json_array_append(kept, entry);
  }
  replace(sb, kept);
}

/* Every token is compared, so that the time says nothing about them. */
dl_sandbox_t *dl_ssh_find(const dl_objects_t *o, const char *token) {
  dl_sandbox_t *found = NULL;
  DL_LIST_EACH(&o->sandbox_list, node) {
    dl_sandbox_t *sb = DL_CONTAINER(node, dl_sandbox_t, link);
    json_t *entry = json_array_get(sb->ssh_access, 0);
    if (!entry || sb->want == DL_WANT_DESTROYED) continue;
    bool is_ours = dl_same_secret(dl_json_str(entry, "token"), token);
    if (is_ours && dl_json_int(entry, "expiresAt", 0) > dl_objects_now(o)) found = sb;
  }
  return found;
}
