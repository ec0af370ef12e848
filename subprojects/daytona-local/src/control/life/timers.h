/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to sandboxes by itself: auto-stop, auto-archive, auto-delete, end of life.
 */
#ifndef DL_TIMERS_H
#define DL_TIMERS_H

#include "control/life/life.h"

/* From now on everything happens in its time; every save looks again. */
void dl_timers_start(dl_life_t *l);
/* Look now, and set the alarm for the next: the clock has been moved. */
void dl_timers_run(dl_life_t *l);

#endif
