/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An allocator that counts, fills new blocks with rubbish, and fails on demand. Installed through
 * daytona_memory_set_allocator(), so it sees what the library allocates and nothing else. Safe for threads.
 */
#ifndef SUPPORT_ALLOC_H
#define SUPPORT_ALLOC_H

#include <stddef.h>

void support_alloc_install(void);
/* Back to malloc. Fails the test if the library still holds a block. */
void support_alloc_remove(void);

/* Allocation number `nth` from now fails; the first is 1. 0: none. */
void support_alloc_fail_once(size_t nth);
/* Allocation number `nth` from now fails, and all after it. 0: none. */
void support_alloc_fail_from(size_t nth);
/* From now on nothing fails. */
void support_alloc_heal(void);

/* Since the last fail_once, fail_from or heal: allocations asked for, and those that failed. */
size_t support_alloc_asked(void);
size_t support_alloc_failed(void);
size_t support_alloc_largest(void); /* of what was asked for */
size_t support_alloc_held(void);    /* bytes, now */

/*
 * Run `scenario` with its first allocation failing, then its second, and so on until it asks for no
 * more than it got; once with single failures and once with everything failing from there on. After
 * each run the library must hold as many blocks as before.
 */
void support_alloc_sweep(void (*scenario)(void *user), void *user);

#endif
