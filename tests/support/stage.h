/*
 * What most tests of the inner layers stand on: a libuv loop with the library's share of it, turned by
 * hand, and the failing allocator of alloc.h. stage_close() checks that nothing is left: no handle, no
 * allocation.
 */
#ifndef TESTS_SUPPORT_STAGE_H
#define TESTS_SUPPORT_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "core/loop.h"

typedef struct stage {
  uv_loop_t uv;
  daytona__loop_t *loop;
  uv_timer_t guard; /* ends a test that waits for something that never comes */
} stage_t;

void stage_open(stage_t *stage);

/* Close the library's loop, run the rest, and fail the test if a handle or an allocation is left. */
void stage_close(stage_t *stage);

/* Turn the loop until `*flag`; the test fails when that takes 20 seconds of real time. */
void stage_until(stage_t *stage, const bool *flag);
void stage_until_count(stage_t *stage, const size_t *count, size_t wanted);

/* Some turns that wait for nothing: to see that something does not happen. */
void stage_spin(stage_t *stage, int turns);

/* For closing callbacks: sets the bool that `user` points at. */
void stage_set_flag(void *user);

/*
 * The n-th allocation from now on (0: the next) fails, and only that one. stage_alloc_failed() says
 * whether it came to that; stage_alloc_restore() ends it. Only between stage_open() and stage_close().
 */
void stage_fail_alloc(size_t n);
bool stage_alloc_failed(void);
void stage_alloc_restore(void);

#endif
