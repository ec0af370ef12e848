/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps warm pools full: sandboxes that run before anybody has asked for them, and are handed out to the creates that want
 * what they are. One that was handed out is nobody else's, and another one takes its place.
 */
#ifndef DL_POOL_LIFE_H
#define DL_POOL_LIFE_H

#include "control/life/life.h"

typedef struct dl_pool_keeper dl_pool_keeper_t;

dl_pool_keeper_t *dl_pool_keeper_new(dl_life_t *life);
/* Frees it, with its handles, and reports. The sandboxes stay. */
void dl_pool_keeper_close(dl_pool_keeper_t *k, void (*on_closed)(void *user), void *user);

/* A pool has changed: what is missing is made, what is too much goes. */
void dl_pool_keeper_look(dl_pool_keeper_t *k);

/* A sandbox that is ready becomes the one that `wanted` describes, which is not registered and stays the caller's; with the
 * change on its way to disk. NULL: no pool has one. */
dl_sandbox_t *dl_pool_claim(dl_pool_keeper_t *k, const dl_sandbox_t *wanted);

/* What is wrong with a pool; borrowed, NULL: nothing. */
const char *dl_pool_problem(const dl_pool_keeper_t *k, const char *id);

#endif
