/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's clock jumps, and the server's does not. clock_gettime here is ours, with both clocks in our hands.
 */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

static int64_t wall_ms, steady_ms;

int clock_gettime(clockid_t id, struct timespec *out) {
  int64_t ms = id == CLOCK_REALTIME ? wall_ms : steady_ms;
  *out = (struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
  return 0;
}

static void pass(int64_t ms) {
  wall_ms += ms;
  steady_ms += ms;
}

static void jumps_of_the_machine_change_nothing(void **state) {
  (void)state;
  static const int64_t jumps[] = {7200000, -3600000, 1, -1, INT32_MAX};
  for (size_t i = 0; i < DL_COUNT(jumps); i++) {
    dl_clock_t c;
    wall_ms = 1790000000000;
    steady_ms = 5000;
    dl_clock_init(&c, 20);
    assert_int_equal(dl_clock_now(&c), 1790000000000);
    pass(1000);
    int64_t due = dl_clock_now(&c) + 120000; /* after 6 s of this clock */
    wall_ms += jumps[i];
    assert_int_equal(dl_clock_now(&c), 1790000020000);
    assert_int_equal(dl_clock_real_until(&c, due), 6000);
    pass(6000);
    assert_int_equal(dl_clock_real_until(&c, due), 0);
    /* What clients make with the machine's clock is compared with that. */
    assert_int_equal(dl_clock_followed(&c), dl_clock_now(&c) + jumps[i]);
    /* What is shown follows too, but not every millisecond of its drift. */
    assert_int_equal(
      dl_clock_shown(&c, due),
      due + (jumps[i] + 500 + (int64_t)INT32_MAX * 1000) / 1000 * 1000 - (int64_t)INT32_MAX * 1000);
    assert_int_equal(dl_clock_shown(&c, 0), 0);
  }
}

static void moves_of_its_own_stay(void **state) {
  (void)state;
  dl_clock_t c;
  wall_ms = 1000000;
  steady_ms = 0;
  dl_clock_init(&c, 1);
  dl_clock_jump(&c, 60000);
  wall_ms += 3600000;
  dl_clock_set_speed(&c, 10);
  pass(100);
  assert_int_equal(dl_clock_now(&c), 1061000);
  assert_int_equal(dl_clock_followed(&c), 1061000 + 3600000);
  wall_ms -= 7200000;
  pass(1);
  assert_int_equal(dl_clock_now(&c), 1061010);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(jumps_of_the_machine_change_nothing),
    cmocka_unit_test(moves_of_its_own_stay),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
