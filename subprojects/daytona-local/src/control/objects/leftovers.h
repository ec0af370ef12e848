/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files in the state directory that are no longer, or not yet, anybody's.
 */
#ifndef DL_LEFTOVERS_H
#define DL_LEFTOVERS_H

#include "control/objects/objects.h"

/* Takes a file or a tree away from its place at once, and removes it when there is time: whatever is made in that
 * place next is not touched. `cb` as for dl_job_remove. */
void dl_discard(dl_objects_t *o, const char *path, dl_job_cb cb, void *user);

/* At the start: removes what an earlier server was still removing or had written half. */
void dl_leftovers_sweep(dl_objects_t *o);

#endif
