/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checksum of a stream: the same for every cut, another for every changed byte.
 */
#include <string.h>

#include "support/check.h"
#include "wire/checksum.h"

enum { SIZE = 150 };

static void make(char *bytes) {
  for (int i = 0; i < SIZE; i++) bytes[i] = (char)(i * i * 37 + 5);
}

static daytona__checksum_t whole(const char *bytes, size_t size) {
  daytona__checksum_t sum = {0};
  daytona__checksum_add(&sum, bytes, size);
  return sum;
}

static void test_cuts_do_not_matter(void **state) {
  char bytes[SIZE];
  make(bytes);
  daytona__checksum_t expected = whole(bytes, SIZE);
  for (size_t first = 0; first <= SIZE; first++) {
    for (size_t second = first; second <= SIZE; second++) {
      daytona__checksum_t sum = {0};
      daytona__checksum_add(&sum, bytes, first);
      daytona__checksum_add(&sum, bytes + first, second - first);
      daytona__checksum_add(&sum, bytes + second, SIZE - second);
      assert_true(daytona__checksum_same(&sum, &expected));
    }
  }
}

static void test_every_bit_matters(void **state) {
  char bytes[SIZE];
  make(bytes);
  daytona__checksum_t expected = whole(bytes, SIZE);
  for (int bit = 0; bit < SIZE * 8; bit++) {
    bytes[bit / 8] ^= (char)(1 << bit % 8);
    daytona__checksum_t sum = whole(bytes, SIZE);
    assert_false(daytona__checksum_same(&sum, &expected));
    bytes[bit / 8] ^= (char)(1 << bit % 8);
  }
}

static void test_order_matters(void **state) {
  char bytes[SIZE], swapped[SIZE];
  make(bytes);
  daytona__checksum_t expected = whole(bytes, SIZE);
  for (size_t step = 8; step <= 72; step += 8) {
    memcpy(swapped, bytes, SIZE);
    memcpy(swapped, bytes + step, 8);
    memcpy(swapped + step, bytes, 8);
    daytona__checksum_t sum = whole(swapped, SIZE);
    assert_false(daytona__checksum_same(&sum, &expected));
  }
}

/* Counters and times of another log: two digits, wherever they stand. */
static void test_two_digits_matter(void **state) {
  char bytes[SIZE];
  memset(bytes, '4', SIZE);
  daytona__checksum_t expected = whole(bytes, SIZE);
  for (size_t first = 0; first < SIZE; first++)
    for (size_t second = first + 1; second < SIZE; second++)
      for (char digits = 0; digits < 81; digits++) {
        bytes[first] = (char)('0' + digits / 9 + (digits / 9 >= 4));
        bytes[second] = (char)('0' + digits % 9 + (digits % 9 >= 4));
        daytona__checksum_t sum = whole(bytes, SIZE);
        assert_false(daytona__checksum_same(&sum, &expected));
        bytes[first] = bytes[second] = '4';
      }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_cuts_do_not_matter),
    cmocka_unit_test(test_every_bit_matters),
    cmocka_unit_test(test_order_matters),
    cmocka_unit_test(test_two_digits_matter),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
