/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Freeing large blocks: to give back 60 MiB takes the system 10 ms, so that is done over some turns of the loop.
 */
#ifndef DAYTONA_CORE_LARGE_H
#define DAYTONA_CORE_LARGE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/arena.h"
#include "core/loop.h"

/* Free `block`, of daytona__alloc() and of `size` bytes, wiped if it is secret. Small ones at once. Takes NULL. */
void daytona__free_large(daytona__loop_t *loop, void *block, size_t size, bool is_secret);

/* The same with the large blocks of an arena that is about to be freed. */
void daytona__arena_drop_large(daytona__loop_t *loop, daytona__arena_t *arena);

#endif
