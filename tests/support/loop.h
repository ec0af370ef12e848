/*
 * A host's loop with one client's share on it, turned by hand. Waiting has a guard in real time, so
 * that a test whose event never comes fails and does not hang.
 */
#ifndef SUPPORT_LOOP_H
#define SUPPORT_LOOP_H

#include <stdbool.h>
#include <uv.h>

#include "core/loop.h"

typedef struct support_loop {
  uv_loop_t uv;
  daytona__loop_t *loop;
  bool is_closing;
  int closed_count; /* times that daytona__loop_close() has reported */
  char logged[256]; /* the newest log line, with its level in front */
} support_loop_t;

/* Makes both. The test's allocator is installed before, so that everything is counted. */
void support_loop_init(support_loop_t *host);

/* One turn without waiting. */
void support_loop_turn(support_loop_t *host);

/* Until the loop has nothing left that keeps it alive. */
void support_loop_drain(support_loop_t *host);

/* Turn until `done` says so. */
void support_loop_until(support_loop_t *host, bool (*done)(void *user), void *user);
void support_loop_until_set(support_loop_t *host, const int *flag);

/* Begin the close, as a client does; support_loop_finish() completes it. */
void support_loop_begin_close(support_loop_t *host);

/* Close unless begun, wait for the report, and check that nothing is left: no handle, no block. */
void support_loop_finish(support_loop_t *host);

/* Setup and teardown for cmocka: *state is a support_loop_t. */
int support_loop_setup(void **state);
int support_loop_teardown(void **state);

#endif
