/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Warm boxes: boxes of the default snapshot that were booted before anybody asked for a sandbox.
 *
 * Each has the id that its sandbox will have, so that all that is made of the id (host name, socket, control group, folder) is
 * right from the start. Its files lie in `warm/ID` of the state directory until it is taken. A box is taken once.
 *
 * They are filled in the background: one at a time, and not while a sandbox starts. What has ended is replaced, later and
 * later when that happens again and again.
 */
#ifndef DL_WARM_H
#define DL_WARM_H

#include "control/objects/objects.h"
#include "runtime/runtime.h"

typedef struct dl_warm {
  dl_objects_t *objects;
  dl_runtime_t *runtime; /* NULL before dl_warm_open, and after dl_warm_freeze */
  unsigned wanted;       /* how many are kept */
  dl_list_t boxes;
  uv_timer_t timer;
  uint64_t put_off_since; /* of the loop; 0: nothing is put off */
  unsigned failure_count; /* since one was taken */
  void (*on_closed)(void *user);
  void *closed_user;
} dl_warm_t;

void dl_warm_init(dl_warm_t *w, dl_objects_t *objects, uv_loop_t *loop);
/* From now on `wanted` boxes are kept; 0: none. */
void dl_warm_open(dl_warm_t *w, dl_runtime_t *runtime, unsigned wanted);
/* A sandbox starts: filling waits a little. */
void dl_warm_put_off(dl_warm_t *w);
/* A box that fits `needs` (see dl_box_fits), to be claimed with dl_box_claim before the loop runs on; *id is its id, yours to
 * free. What it has written lies in `sandboxes/ID` now. NULL: there is none. */
dl_box_t *dl_warm_take(dl_warm_t *w, const dl_box_spec_t *needs, char **id);
/* How many are up. */
unsigned dl_warm_ready_count(const dl_warm_t *w);
/* No more are made; those that are there end with the runtime. */
void dl_warm_freeze(dl_warm_t *w);
/* After the runtime has ended: nothing is left on the disk, and soon nothing on the loop. */
void dl_warm_close(dl_warm_t *w, void (*on_closed)(void *user), void *user);

#endif
