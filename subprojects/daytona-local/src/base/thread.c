/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop's thread.
 */
#include "base/thread.h"

#include <assert.h>
#include <pthread.h>

static pthread_t loop_thread;
static bool is_known;

void dl_thread_is_loop(void) {
  assert(!is_known || pthread_equal(loop_thread, pthread_self()));
  loop_thread = pthread_self();
  is_known = true;
}

bool dl_on_loop_thread(void) { return !is_known || pthread_equal(loop_thread, pthread_self()); }
bool dl_off_loop_thread(void) { return !is_known || !pthread_equal(loop_thread, pthread_self()); }
