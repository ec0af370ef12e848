/* SPDX-License-Identifier: Apache-2.0
 *
 * The clock of the control plane: UTC milliseconds that can run faster than the wall and be
 * moved forward. Timestamps, timers, expiries and rate-limit windows all live on it.
 */
#ifndef DL_CLOCK_H
#define DL_CLOCK_H

#include "base/base.h"

typedef struct {
  double speed;
  int64_t base_real, base_virtual; /* where the present speed began */
} dl_clock;

void dl_clock_init(dl_clock *c, double speed);
int64_t dl_clock_now(const dl_clock *c);
/* Forward only. */
void dl_clock_jump(dl_clock *c, int64_t ms);
void dl_clock_set_speed(dl_clock *c, double speed);
/* How long to wait in real milliseconds until `when`; at least 0. */
int64_t dl_clock_real_until(const dl_clock *c, int64_t when);

#endif
