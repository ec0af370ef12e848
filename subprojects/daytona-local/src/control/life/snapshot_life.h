/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of snapshots: the only place where one changes its state. What is begun goes on by itself, over restarts too.
 */
#ifndef DL_SNAPSHOT_LIFE_H
#define DL_SNAPSHOT_LIFE_H

#include "control/life/life.h"
#include "control/objects/snapshots.h"

/* Once, before dl_life_resume: from then on snapshots continue, wait and end with everything else. */
void dl_snapshot_life_init(dl_life_t *l);

/* A new one: see dl_snapshot_new; taken. It is active at once when the same build is there. Borrowed. */
json_t *dl_snapshot_create(dl_life_t *l, json_t *snapshot);
/* inactive -> pending */
void dl_snapshot_activate(dl_life_t *l, const char *id);
/* active -> inactive */
void dl_snapshot_deactivate(dl_life_t *l, const char *id);
/* Out of any state; a pull or a build under way is given up. */
void dl_snapshot_remove(dl_life_t *l, const char *id);

/* `cb` is called once, on a later turn: when it is not pending, or is gone; after 30 s; or when the server ends. */
void dl_snapshot_wait_begun(dl_life_t *l, const char *id, void (*cb)(void *user), void *user);

/* What is due happens; returns how long it is to the next on the server's clock, INT64_MAX for never. */
int64_t dl_snapshots_run_due(dl_life_t *l);
/* A new one of a sandbox, taken; its files are being copied: see copies.c. */
void dl_snapshot_begin_copy(dl_life_t *l, json_t *snapshot);
/* They are there, or `error` says why not. */
void dl_snapshot_copied(dl_life_t *l, const char *id, const char *error);

#endif
