/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual time = base_virtual + (steady - base_steady) * speed; it never runs backwards.
 */
#include "base/clock.h"

#include <math.h>

void dl_clock_init(dl_clock_t *c, double speed) {
  c->speed = speed;
  c->base_steady = c->first_steady = dl_steady_ms();
  c->base_virtual = c->first_wall = dl_wall_ms();
}

int64_t dl_clock_now(const dl_clock_t *c) {
  return c->base_virtual + (int64_t)((double)(dl_steady_ms() - c->base_steady) * c->speed);
}

static int64_t jumped(const dl_clock_t *c) {
  return (dl_wall_ms() - c->first_wall) - (dl_steady_ms() - c->first_steady);
}

int64_t dl_clock_followed(const dl_clock_t *c) { return dl_clock_now(c) + jumped(c); }

int64_t dl_clock_offset(const dl_clock_t *c) { return llround((double)jumped(c) / 1000) * 1000; }

int64_t dl_clock_shown(const dl_clock_t *c, int64_t at) { return at != 0 ? at + dl_clock_offset(c) : 0; }

static void rebase(dl_clock_t *c) {
  c->base_virtual = dl_clock_now(c);
  c->base_steady = dl_steady_ms();
}

void dl_clock_jump(dl_clock_t *c, int64_t ms) {
  rebase(c);
  if (ms > 0) c->base_virtual += ms;
}

void dl_clock_set_speed(dl_clock_t *c, double speed) {
  rebase(c);
  c->speed = speed;
}

int64_t dl_clock_real_until(const dl_clock_t *c, int64_t when) {
  int64_t left = when - dl_clock_now(c);
  if (left <= 0) return 0;
  return (int64_t)ceil((double)left / c->speed);
}
