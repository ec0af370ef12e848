/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of a sandbox's files while it goes on: forks and snapshots of it. A copy is a tar file, which the new sandbox is
 * unpacked from. What the sandbox writes meanwhile may be in it or not, as after a loss of power.
 */
#ifndef DL_COPIES_H
#define DL_COPIES_H

#include "control/life/life.h"

/* Before the sandboxes continue. */
void dl_copies_init(dl_life_t *l);

/* started -> forking -> started. `child` is filled in and not registered yet; it becomes a sandbox with these files, which
 * shows "creating". */
void dl_life_fork(dl_sandbox_t *parent, dl_sandbox_t *child);
/* A child of it is not destroyed. */
bool dl_life_has_forks(const dl_sandbox_t *sb);

/* started or stopped -> snapshotting -> the same. `snapshot` is the record of a new one, taken: see
 * dl_snapshot_new_of_sandbox. */
void dl_life_snapshot(dl_sandbox_t *sb, json_t *snapshot);

#endif
