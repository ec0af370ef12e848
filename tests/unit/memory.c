/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The allocator hook: what it takes, when it refuses, and that everything goes through it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <daytona/error.h>

#include "core/memory.h"

#include "support/alloc.h"
#include "support/check.h"

static int calls[4];
static char marker;

static void *my_malloc(size_t size, void *user) {
  assert_ptr_equal(user, &marker);
  calls[0]++;
  return malloc(size);
}

static void *my_calloc(size_t count, size_t size, void *user) {
  assert_ptr_equal(user, &marker);
  calls[1]++;
  return calloc(count, size);
}

static void *my_realloc(void *block, size_t size, void *user) {
  assert_ptr_equal(user, &marker);
  calls[2]++;
  return realloc(block, size);
}

static void my_free(void *block, void *user) {
  assert_ptr_equal(user, &marker);
  calls[3]++;
  free(block);
}

static const daytona_allocator_t mine = {my_malloc, my_calloc, my_realloc, my_free, &marker};

static int setup(void **state) {
  memset(calls, 0, sizeof calls);
  return daytona_memory_set_allocator(&mine);
}

static int teardown(void **state) { return daytona_memory_set_allocator(NULL); }

static void each_function_is_used(void **state) {
  void *block = daytona__alloc(10);
  block = daytona__realloc(block, 20);
  daytona__free(block);
  daytona__free(daytona__calloc(2, 3));
  assert_int_equal(calls[0], 1);
  assert_int_equal(calls[1], 1);
  assert_int_equal(calls[2], 1);
  assert_int_equal(calls[3], 2);
}

static void a_missing_function_is_refused(void **state) {
  for (int missing = 0; missing < 4; missing++) {
    daytona_allocator_t part = mine;
    if (missing == 0) part.malloc_fn = NULL;
    if (missing == 1) part.calloc_fn = NULL;
    if (missing == 2) part.realloc_fn = NULL;
    if (missing == 3) part.free_fn = NULL;
    assert_int_equal(daytona_memory_set_allocator(&part), DAYTONA_EINVAL);
  }
  daytona__free(daytona__alloc(1));
  assert_int_equal(calls[0], 1); /* the one before stays */
}

static void it_is_refused_while_blocks_are_in_use(void **state) {
  void *block = daytona__alloc(1);
  assert_int_equal(daytona_memory_set_allocator(NULL), DAYTONA_EREENTRANT);
  assert_int_equal(daytona_memory_set_allocator(&mine), DAYTONA_EREENTRANT);
  daytona__free(block);
  assert_int_equal(calls[3], 1);
  assert_int_equal(daytona_memory_set_allocator(NULL), 0);
}

static void null_restores_malloc(void **state) {
  assert_int_equal(daytona_memory_set_allocator(NULL), 0);
  void *block = daytona__realloc(daytona__calloc(1, 1), 100);
  daytona__free(block);
  daytona__free(daytona__alloc(1));
  for (int i = 0; i < 4; i++) assert_int_equal(calls[i], 0);
}

static void the_allocator_is_copied(void **state) {
  daytona_allocator_t copy = mine;
  assert_int_equal(daytona_memory_set_allocator(&copy), 0);
  memset(&copy, 0, sizeof copy);
  daytona__free(daytona__alloc(1));
  assert_int_equal(calls[0], 1);
}

static void blocks_are_counted(void **state) {
  assert_int_equal(daytona__alloc_count(), 0);
  void *a = daytona__alloc(0), *b = daytona__calloc(0, 5), *c = daytona__realloc(NULL, 0);
  char *d = daytona__strdup("d");
  assert_true(a != NULL && b != NULL && c != NULL && d != NULL);
  assert_int_equal(daytona__alloc_count(), 4);
  c = daytona__realloc(c, 1000);
  c = daytona__realloc(c, 0); /* never a hidden free */
  assert_non_null(c);
  assert_int_equal(daytona__alloc_count(), 4);
  daytona__free(NULL);
  daytona__free(a);
  daytona__free(b);
  daytona__free(c);
  daytona__free(d);
  assert_int_equal(daytona__alloc_count(), 0);
}

static void failed_allocations_are_not_counted(void **state) {
  assert_int_equal(daytona_memory_set_allocator(NULL), 0);
  support_alloc_install();
  char *block = daytona__strdup("stays");
  support_alloc_fail_from(1);
  assert_null(daytona__alloc(1));
  assert_null(daytona__calloc(1, 1));
  assert_null(daytona__realloc(NULL, 1));
  assert_null(daytona__strdup("x"));
  assert_null(daytona__realloc(block, 100000));
  assert_string_equal(block, "stays");
  assert_int_equal(support_alloc_failed(), 5);
  support_alloc_heal();
  assert_int_equal(daytona__alloc_count(), 1);
  daytona__free(block);
  support_alloc_remove();
}

static void sizes_that_overflow_are_refused(void **state) {
  assert_null(daytona__calloc(SIZE_MAX, 2));
  assert_null(daytona__calloc(SIZE_MAX / 2 + 1, 2));
  assert_null(daytona__strndup("x", SIZE_MAX));
  assert_int_equal(calls[0] + calls[1], 0);
}

static void copies_are_exact(void **state) {
  char *text = daytona__strdup("text"), *part = daytona__strndup("a\0bc", 3);
  assert_string_equal(text, "text");
  assert_memory_equal(part, "a\0b", 4);
  daytona__free(text);
  daytona__free(part);
}

static void wiping_leaves_zeroes(void **state) {
  char secret[] = "secret", zeroes[sizeof secret] = {0};
  daytona__wipe(secret, sizeof secret);
  assert_memory_equal(secret, zeroes, sizeof secret);
  daytona__wipe(NULL, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(each_function_is_used),
    TEST(a_missing_function_is_refused),
    TEST(it_is_refused_while_blocks_are_in_use),
    TEST(null_restores_malloc),
    TEST(the_allocator_is_copied),
    TEST(blocks_are_counted),
    TEST(failed_allocations_are_not_counted),
    TEST(sizes_that_overflow_are_refused),
    TEST(copies_are_exact),
    TEST(wiping_leaves_zeroes),
  };
  return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
