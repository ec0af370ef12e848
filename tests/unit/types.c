/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small value types that every noun shares.
 */
#include <daytona/types.h>

#include <string.h>

#include "support/check.h"

static void optional_values_know_that_they_are_set(void **state) {
  daytona_opt_int_t none = {0};
  assert_false(none.is_set);
  assert_true(daytona_int(0).is_set);
  assert_int_equal(daytona_int(-5).value, -5);
  assert_int_equal(daytona_int(INT64_MAX).value, INT64_MAX);
  assert_true(daytona_num(0).is_set);
  assert_true(daytona_num(0.25).value == 0.25);
  assert_true(daytona_bool(false).is_set);
  assert_false(daytona_bool(false).value);
  assert_true(daytona_bool(true).value);
}

static void exported_twins_fill_in_the_same(void **state) {
  daytona_opt_int_t i = {0};
  daytona_opt_num_t n = {0};
  daytona_opt_bool_t b = {.value = true};
  daytona_opt_int_set(&i, INT64_MIN);
  daytona_opt_num_set(&n, 0.25);
  daytona_opt_bool_set(&b, false);
  assert_true(i.is_set && i.value == daytona_int(INT64_MIN).value);
  assert_true(n.is_set && n.value == 0.25);
  assert_true(b.is_set && !b.value);
  daytona_opt_int_set(NULL, 1);
  daytona_opt_num_set(NULL, 1);
  daytona_opt_bool_set(NULL, true);
}

static void maps_are_searched_byte_by_byte(void **state) {
  static const daytona_pair_t pairs[] = {{"a", "1"}, {"A", "2"}, {"a", "3"}, {"", "empty"}, {"n", NULL}};
  const daytona_map_t map = {pairs, 5}, none = {0};
  assert_string_equal(daytona_map_value(&map, "a"), "1");
  assert_string_equal(daytona_map_value(&map, "A"), "2");
  assert_string_equal(daytona_map_value(&map, ""), "empty");
  assert_null(daytona_map_value(&map, "n"));
  assert_null(daytona_map_value(&map, "b"));
  assert_null(daytona_map_value(&map, NULL));
  assert_null(daytona_map_value(&none, "a"));
  assert_null(daytona_map_value(NULL, "a"));
}

static void header_and_library_have_one_version(void **state) {
  assert_string_equal(daytona_version(), DAYTONA_VERSION);
}

static void waiting_for_ever_is_no_valid_time(void **state) { assert_true(DAYTONA_NO_TIMEOUT < 0); }

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(optional_values_know_that_they_are_set),
    cmocka_unit_test(exported_twins_fill_in_the_same),
    cmocka_unit_test(maps_are_searched_byte_by_byte),
    cmocka_unit_test(header_and_library_have_one_version),
    cmocka_unit_test(waiting_for_ever_is_no_valid_time),
  };
  return cmocka_run_group_tests_name("types", tests, NULL, NULL);
}
