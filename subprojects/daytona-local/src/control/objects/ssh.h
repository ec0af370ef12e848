/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SSH tokens of sandboxes; one at a time is good.
 */
#ifndef DL_SSH_H
#define DL_SSH_H

#include "control/objects/objects.h"

/* A new token, which revokes every earlier one: {id, token, createdAt, expiresAt}, borrowed from the sandbox. The
 * caller saves that. */
const json_t *dl_ssh_create(dl_objects_t *o, dl_sandbox_t *sb, int64_t lives_ms);
/* `token` NULL: whatever there is. The caller saves the sandbox. */
void dl_ssh_revoke(dl_sandbox_t *sb, const char *token);
/* The sandbox that a token opens now, or NULL. */
dl_sandbox_t *dl_ssh_find(const dl_objects_t *o, const char *token);

#endif
