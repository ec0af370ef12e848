/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What most tests of the inner layers stand on: a host's loop with one client's share of it, turned by hand, and the
 * failing allocator of alloc.h. Waiting has a guard in real time, so that a test whose event never comes fails and does
 * not hang. stage_close() checks that nothing is left: no handle, no allocation.
 */
#ifndef TESTS_SUPPORT_STAGE_H
#define TESTS_SUPPORT_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "core/loop.h"

/* A client's share of a loop, with its handles. */
int stage_loop_new(uv_loop_t *uv, daytona_log_cb log, void *log_user, daytona__loop_t **out);

typedef struct stage {
  uv_loop_t uv;
  daytona__loop_t *loop;
  uv_timer_t guard; /* ends a test that waits for something that never comes; alive only while it waits */
  bool is_late;
  bool is_closing;
  int closed_count; /* times that daytona__loop_close() has reported */
  char logged[512]; /* the last line, its level before it */
} stage_t;

void stage_open(stage_t *stage);

/* Begin the close, as a client does; stage_close() completes it. */
void stage_begin_close(stage_t *stage);

/* Close unless begun, wait for the report, run the rest, and check that no handle and no allocation is left. */
void stage_close(stage_t *stage);

/* Setup and teardown for cmocka: *state is a stage_t. */
int stage_setup(void **state);
int stage_teardown(void **state);

/* Turn the loop until it is so; the test fails when that takes 20 seconds of real time. */
void stage_until(stage_t *stage, const bool *flag);
void stage_until_set(stage_t *stage, const int *flag);
void stage_until_count(stage_t *stage, const size_t *count, size_t wanted);
void stage_until_true(stage_t *stage, bool (*is_true)(void *user), void *user);

/* Until the loop has nothing left that keeps it alive. */
void stage_drain(stage_t *stage);

/* Some turns that wait for nothing: to see that something does not happen. */
void stage_spin(stage_t *stage, int turns);
void stage_turn(stage_t *stage); /* one */

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
