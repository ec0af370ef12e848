/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which thread is the loop's, for asserts. A program that never says so (a test of one part) gets no complaint.
 */
#ifndef DL_THREAD_H
#define DL_THREAD_H

#include <stdbool.h>

/* The calling thread runs the loop. Once, before any other thread is started. */
void dl_thread_is_loop(void);

bool dl_on_loop_thread(void);
bool dl_off_loop_thread(void);

#endif
