/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads for one kind of slow work. Every kind has a lane of its own, so that none ever waits behind another: the
 * journal must not queue behind an archive, nor a removal behind a disk that does not answer.
 *
 * Everything but `run` happens on the loop's thread.
 */
#ifndef DL_LANE_H
#define DL_LANE_H

#include "base/list.h"

#include <uv.h>

typedef struct dl_lane dl_lane_t;

/* Embedded in the caller's struct, which must live until `done` was called. */
typedef struct dl_work {
  dl_list_t link;
  void (*run)(struct dl_work *work);  /* on a thread of the lane */
  void (*done)(struct dl_work *work); /* on the loop, on a later turn, once */
} dl_work_t;

/* `nice` is added to the threads' scheduling priority number. NULL with errno when threads cannot be made. */
dl_lane_t *dl_lane_new(uv_loop_t *loop, unsigned thread_count, int nice);

/* Runs when the work added before it was begun and a thread is free. */
void dl_lane_add(dl_lane_t *lane, dl_work_t *work);

/* Work that no thread has begun is not run at all: only its `done` is called. False when it has begun. */
bool dl_lane_withdraw(dl_lane_t *lane, dl_work_t *work);

/* The lane must be empty: every `done` was called. */
void dl_lane_close(dl_lane_t *lane, void (*on_closed)(void *user), void *user);

#endif
