/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Warm pools as data. One lives in the store as the object that is shown, but for how many sandboxes are ready in it and what
 * is wrong with it, which is known while the server runs. Its sandboxes are sandboxes like others whose `pool_id` is set.
 */
#ifndef DL_POOLS_H
#define DL_POOLS_H

#include "control/objects/objects.h"

#define DL_POOLS_MAX 100u
#define DL_POOL_SIZE_MAX 100

/* Records that make no sense are put aside: they stay in the journal, as another kind. */
void dl_pools_init(dl_objects_t *o);
/* By id; borrowed, never NULL. */
const json_t *dl_pools_all(dl_objects_t *o);
/* Borrowed; NULL: there is none. */
const json_t *dl_pool_by_id(dl_objects_t *o, const char *id);
const json_t *dl_pool_find(dl_objects_t *o, const char *snapshot, const char *target);
/* On its way to disk; borrowed. There is none of that snapshot and region. */
const json_t *dl_pool_create(dl_objects_t *o, const json_t *snapshot, const char *target, int64_t size);
const json_t *dl_pool_resize(dl_objects_t *o, const char *id, int64_t size);
void dl_pool_remove(dl_objects_t *o, const char *id);

int64_t dl_pool_size(const json_t *pool);
/* It waits in that pool, and has not ended. */
bool dl_pool_has(const char *id, const dl_sandbox_t *sb);
/* So many can be taken now. */
size_t dl_pool_ready_count(const dl_objects_t *o, const char *id);

#endif
