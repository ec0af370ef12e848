/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An operation that does nothing until the test says how it ends, and a callback that takes notes.
 */
#ifndef SUPPORT_OP_H
#define SUPPORT_OP_H

#include "core/future.h"

#include "support/stage.h"

/* Keeps a reference of its own while it runs, as real operations do. The caller owns `future`. */
typedef struct support_op {
  daytona_future_t *future;
  bool is_running;
  int stop_count;
} support_op_t;

void support_op_start(stage_t *host, support_op_t *op);
/* End it. With `text` the result is that string; NULL gives success without a value. */
void support_op_succeed(support_op_t *op, const char *text);
void support_op_fail(support_op_t *op, daytona_errcode_t code);

/* What a callback saw. */
typedef struct support_seen {
  int count;
  daytona_errcode_t code;
  daytona_future_t *future; /* not retained: for comparing only */
  char text[64];            /* the string result or the message */
  uv_thread_t thread;
} support_seen_t;

/* A daytona_future_cb; `user` is a support_seen_t. */
void support_see(daytona_future_t *future, void *user);

#endif
