/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals that end a program. See ending.h.
 */
#include "ending.h"

#include <signal.h>

static const int numbers[ENDING_SIGNALS] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

void ending_open(ending_t *ending, uv_loop_t *loop, uv_signal_cb on_signal, void *data) {
  signal(SIGPIPE, SIG_IGN);
  for (int i = 0; i < ENDING_SIGNALS; i++) {
    uv_signal_init(loop, &ending->handles[i]);
    ending->handles[i].data = data;
    uv_signal_start(&ending->handles[i], on_signal, numbers[i]);
    uv_unref((uv_handle_t *)&ending->handles[i]);
  }
}

void ending_close(ending_t *ending) {
  for (int i = 0; i < ENDING_SIGNALS; i++) uv_close((uv_handle_t *)&ending->handles[i], NULL);
}
