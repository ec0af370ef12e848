/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may call: API keys with permissions, and an optional configured opaque token that stands
 * for a user's JWT. Keys are compared in constant time, wiped when freed, never logged.
 */
#ifndef DL_KEYS_H
#define DL_KEYS_H

#include "base/base.h"

typedef enum {
  DL_PERM_NONE,
  DL_PERM_WRITE_SANDBOXES,
  DL_PERM_DELETE_SANDBOXES,
  DL_PERM_WRITE_SNAPSHOTS,
  DL_PERM_DELETE_SNAPSHOTS,
  DL_PERM_READ_VOLUMES,
  DL_PERM_WRITE_VOLUMES,
  DL_PERM_DELETE_VOLUMES,
  DL_PERM_MANAGE_SECRETS,
  DL_PERM_COUNT
} dl_permission_t;
#define DL_KEY_LINE_MAX (64u * 1024)
#define DL_PERM_ALL ((1u << DL_PERM_COUNT) - 1)

typedef struct {
  char *key;
  unsigned permissions; /* bits 1 << dl_permission_t */
} dl_key_t;

typedef struct {
  dl_key_t *list;
  size_t count;
  char *jwt_token, *organization_id;
} dl_keys_t;

typedef enum { DL_AUTH_OK, DL_AUTH_UNKNOWN, DL_AUTH_NO_ORGANIZATION } dl_auth_t;

void dl_keys_init(dl_keys_t *k, const dl_key_t *list, size_t count, const char *jwt_token,
                  const char *organization_id);
void dl_keys_clear(dl_keys_t *k);
/* `authorization` is the header's value or NULL; `organization` that of the organization header. */
dl_auth_t dl_keys_check(const dl_keys_t *k, const char *authorization, const char *organization,
                        unsigned *permissions);
/* Which of them it is, from 1 on, the token last; 0: none of them. */
int dl_keys_find(const dl_keys_t *k, const char *key);
/* Whether a word of a header's value is a key or the token, whatever stands before it. */
bool dl_keys_holds(const dl_keys_t *k, const char *value);
const char *dl_permission_name(dl_permission_t p);

/* A fresh key of the platform's form: dtn_ and 64 hex digits. */
char *dl_key_generate(void);
/* Whether a header can carry it: no blanks, no control characters. */
bool dl_key_is_usable(const char *key);
/* Lines of "KEY [permission,permission...]" of at most DL_KEY_LINE_MAX bytes; '#' starts a comment. NULL list
 * and *error on failure. */
dl_key_t *dl_keys_read_file(const char *path, size_t *count, char **error);
void dl_keys_free_list(dl_key_t *list, size_t count);

#endif
