/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets as data. One lives in the store as the object that is shown, with its value beside it; the value leaves this
 * file for the environment of sandboxes only. A sandbox keeps which variable is which secret, by id.
 *
 * The environment holds the value itself, since nothing here could put it into a request on the way. So a sandbox that has
 * a secret with hosts reaches nothing else (control/life/network.h), and of several such secrets only what all of them have.
 */
#ifndef DL_SECRETS_H
#define DL_SECRETS_H

#include "control/objects/objects.h"

#include "base/buf.h"

#define DL_SECRETS_MAX 10000u
/* Of one sandbox: so many variables, and so many bytes of values. */
#define DL_SECRETS_PER_SANDBOX 64u
#define DL_SECRETS_BYTES (1024u * 1024)

/* Records that make no sense are put aside: they stay in the journal, as another kind. */
void dl_secrets_init(dl_objects_t *o);
/* By id; borrowed, never NULL. With values. */
const json_t *dl_secrets_all(dl_objects_t *o);
/* Borrowed, NULL when there is none. */
const json_t *dl_secret_by_id(dl_objects_t *o, const char *id);
const json_t *dl_secret_by_name(dl_objects_t *o, const char *name);

/* Without its value; yours to release. */
json_t *dl_secret_shown(const json_t *secret);

/* On its way to disk; borrowed. The name is free. `description` and `hosts` are borrowed, NULL: none. */
const json_t *dl_secret_create(dl_objects_t *o, const char *name, const char *value, const char *description,
                               const json_t *hosts);
/* What is NULL stays. A value that is replaced does not stay in the journal. */
const json_t *dl_secret_update(dl_objects_t *o, const char *id, const char *value, const char *description,
                               const json_t *hosts);
/* A sandbox that has it goes on without. */
void dl_secret_remove(dl_objects_t *o, const char *id);

/* What a sandbox with this secret may reach, from what it may so far: replaces *hosts (see hosts.h). False when that is
 * nothing at all. */
bool dl_secret_narrow(const json_t *secret, char **hosts);
/* The same for all secrets of a sandbox: {VARIABLE: id}. */
bool dl_secrets_narrow(dl_objects_t *o, const json_t *attached, char **hosts);
/* Why no sandbox can have all of them, yours to free; NULL: one can. */
char *dl_secrets_refused(dl_objects_t *o, const json_t *attached);
/* A sandbox that is not destroyed has it. */
bool dl_secret_is_attached(const dl_objects_t *o, const char *id);

/* The value for a variable of a sandbox, borrowed; NULL when the secret is gone. */
const char *dl_secret_value(dl_objects_t *o, const char *id);

#endif
