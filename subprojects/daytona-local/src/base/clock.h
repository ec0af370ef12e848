/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clock of the control plane: UTC milliseconds that can run faster than the wall and be
 * moved forward. Timestamps, timers, expiries and rate-limit windows all live on it.
 *
 * It begins at the machine's time and does not follow it when that jumps (a laptop that wakes up, NTP after the
 * boot): nothing becomes due by that. What is shown and what is kept for the next server, whose clock begins at the
 * machine's time again, is moved by the jumps on its way out: see dl_clock_shown.
 */
#ifndef DL_CLOCK_H
#define DL_CLOCK_H

#include "base/base.h"

typedef struct {
  double speed;
  int64_t base_steady, base_virtual; /* where the present speed began */
  int64_t first_steady, first_wall;  /* of the beginning */
} dl_clock_t;

void dl_clock_init(dl_clock_t *c, double speed);
int64_t dl_clock_now(const dl_clock_t *c);
/* The same, had the machine's clock been followed: to compare with what a client has made with a clock of its own. */
int64_t dl_clock_followed(const dl_clock_t *c);
/* How far the machine's clock has jumped since the beginning, in whole seconds: what is less is its drift. */
int64_t dl_clock_offset(const dl_clock_t *c);
/* A time of this clock as the machine's clock has it now; 0, which is no time, stays 0. */
int64_t dl_clock_shown(const dl_clock_t *c, int64_t at);
/* Forward only. */
void dl_clock_jump(dl_clock_t *c, int64_t ms);
void dl_clock_set_speed(dl_clock_t *c, double speed);
/* How long to wait in real milliseconds until `when`; at least 0. */
int64_t dl_clock_real_until(const dl_clock_t *c, int64_t when);

#endif
