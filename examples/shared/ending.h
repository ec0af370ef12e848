/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signals by which a user, a terminal or a service manager ends a program: it is to clean up before it goes.
 */
#ifndef EXAMPLES_ENDING_H
#define EXAMPLES_ENDING_H

#include <uv.h>

enum { ENDING_SIGNALS = 4 };

/* Yours; it must outlive the loop's run. */
typedef struct ending {
  uv_signal_t handles[ENDING_SIGNALS];
} ending_t;

/* `on_signal` is called for each SIGINT, SIGTERM, SIGHUP and SIGQUIT, with `data` in the handle, which do not end the program
   by themselves any more. A write to a reader that went away is an error from here on, and no signal. The handles do not
   keep the loop alive. */
void ending_open(ending_t *ending, uv_loop_t *loop, uv_signal_cb on_signal, void *data);

/* Once. */
void ending_close(ending_t *ending);

#endif
