/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UUIDs: version 4, and never the same, however often the stock of random bytes is refilled.
 */
#include "core/random.h"

#include <string.h>

#include "support/check.h"

enum { COUNT = 40 }; /* more than twice what the stock holds */

static void assert_is_v4(const char *text) {
  static const char form[] = "xxxxxxxx-xxxx-4xxx-vxxx-xxxxxxxxxxxx";
  assert_int_equal(strlen(text), sizeof form - 1);
  for (size_t i = 0; form[i] != '\0'; i++) {
    if (form[i] == 'x')
      assert_non_null(strchr("0123456789abcdef", text[i]));
    else if (form[i] == 'v')
      assert_non_null(strchr("89ab", text[i]));
    else
      assert_int_equal(text[i], form[i]);
  }
}

static void uuids_are_well_formed_and_differ(void **state) {
  daytona__entropy_t entropy = {.left = 0};
  static char texts[COUNT][DAYTONA__UUID_SIZE];
  for (int i = 0; i < COUNT; i++) {
    assert_int_equal(daytona__uuid(&entropy, texts[i]), 0);
    assert_is_v4(texts[i]);
    for (int j = 0; j < i; j++) assert_string_not_equal(texts[i], texts[j]);
  }
}

static void bytes_given_out_do_not_stay(void **state) {
  static const unsigned char zeros[sizeof((daytona__entropy_t *)0)->bytes];
  daytona__entropy_t entropy = {.left = 0};
  char text[DAYTONA__UUID_SIZE];
  for (int i = 0; i < 3; i++) assert_int_equal(daytona__uuid(&entropy, text), 0);
  assert_int_equal(entropy.left, sizeof entropy.bytes - 3 * 16);
  assert_memory_equal(entropy.bytes + entropy.left, zeros, 3 * 16);
}

static void two_stocks_differ(void **state) {
  daytona__entropy_t one = {.left = 0}, other = {.left = 0};
  char a[DAYTONA__UUID_SIZE], b[DAYTONA__UUID_SIZE];
  assert_int_equal(daytona__uuid(&one, a), 0);
  assert_int_equal(daytona__uuid(&other, b), 0);
  assert_string_not_equal(a, b);
}

#define TEST(name) cmocka_unit_test(name)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(uuids_are_well_formed_and_differ),
    TEST(bytes_given_out_do_not_stay),
    TEST(two_stocks_differ),
  };
  return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
