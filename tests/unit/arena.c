/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arenas: zeroed, aligned, bounded, freed at once.
 */
#include "core/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core/memory.h"

#include "support/alloc.h"
#include "support/check.h"

static daytona__arena_t arena;

static int setup(void **state) {
  support_alloc_install();
  daytona__arena_init(&arena, 0);
  return 0;
}

static int teardown(void **state) {
  daytona__arena_clear(&arena);
  support_alloc_remove();
  return 0;
}

static void blocks_are_zeroed_aligned_and_apart(void **state) {
  enum { COUNT = 3000 };
  static unsigned char *blocks[COUNT];
  static size_t sizes[COUNT];
  static const unsigned char zeroes[70000];
  unsigned seed = 7;
  for (int i = 0; i < COUNT; i++) {
    seed = seed * 1103515245u + 12345u;
    size_t size = (seed >> 8) % (i % 100 == 0 ? 70000 : 200);
    blocks[i] = daytona__arena_alloc(&arena, size);
    sizes[i] = size;
    assert_non_null(blocks[i]);
    assert_int_equal((uintptr_t)blocks[i] % _Alignof(max_align_t), 0);
    assert_memory_equal(blocks[i], zeroes, size);
    memset(blocks[i], i & 0xff, size);
  }
  for (int i = 0; i < COUNT; i++)
    for (size_t at = 0; at < sizes[i]; at++) assert_int_equal(blocks[i][at], i & 0xff);
}

static void empty_blocks_are_distinct(void **state) {
  void *a = daytona__arena_alloc(&arena, 0), *b = daytona__arena_array(&arena, 0, 8);
  assert_non_null(a);
  assert_non_null(b);
  assert_ptr_not_equal(a, b);
}

static void small_blocks_share_a_chunk(void **state) {
  for (int i = 0; i < 32; i++) assert_non_null(daytona__arena_alloc(&arena, 16));
  assert_int_equal(daytona__alloc_count(), 1);
  assert_non_null(daytona__arena_alloc(&arena, 100000)); /* its own; the room in the first stays */
  assert_int_equal(daytona__alloc_count(), 2);
  for (int i = 0; i < 16; i++) assert_non_null(daytona__arena_alloc(&arena, 16));
  assert_int_equal(daytona__alloc_count(), 2);
}

static void chunks_grow_so_that_many_bytes_take_few_blocks(void **state) {
  for (int i = 0; i < 65536; i++) assert_non_null(daytona__arena_alloc(&arena, 64));
  assert_in_range(daytona__alloc_count(), 60, 90); /* 4 MiB in chunks of up to 64 KiB */
}

static void the_limit_holds_exactly(void **state) {
  daytona__arena_init(&arena, 10000);
  size_t got = 0;
  while (daytona__arena_alloc(&arena, 16) != NULL) got += 16;
  assert_in_range(got, 10000 - 1024, 10000);
  assert_true(arena.used <= 10000);
  assert_null(daytona__arena_alloc(&arena, 40000));
  daytona__arena_clear(&arena);
  assert_null(daytona__arena_alloc(&arena, 10001));
  assert_null(daytona__arena_alloc(&arena, 40000)); /* large ones have a chunk of their own */
  assert_non_null(daytona__arena_alloc(&arena, 9000));
}

static void sizes_that_overflow_are_refused(void **state) {
  assert_non_null(daytona__arena_alloc(&arena, 1)); /* some room is left in a chunk */
  assert_null(daytona__arena_alloc(&arena, SIZE_MAX));
  assert_null(daytona__arena_alloc(&arena, SIZE_MAX - 15));
  assert_null(daytona__arena_alloc(&arena, DAYTONA__ARENA_MAX + 1));
  assert_null(daytona__arena_array(&arena, SIZE_MAX / 2, 3));
  assert_null(daytona__arena_array(&arena, SIZE_MAX, SIZE_MAX));
  assert_null(daytona__arena_strndup(&arena, "x", SIZE_MAX));
  assert_int_equal(daytona__alloc_count(), 1);
}

static void copies_end_in_a_nul(void **state) {
  assert_string_equal(daytona__arena_strdup(&arena, "text"), "text");
  assert_string_equal(daytona__arena_strdup(&arena, ""), "");
  assert_null(daytona__arena_strdup(&arena, NULL));
  assert_null(daytona__arena_strndup(&arena, NULL, 0));
  char *part = daytona__arena_strndup(&arena, "a\0bcd", 4);
  assert_memory_equal(part, "a\0bc", 5);
  assert_string_equal(daytona__arena_printf(&arena, "%s-%d", "n", 42), "n-42");
  char longest[5000];
  memset(longest, 'y', sizeof longest);
  longest[sizeof longest - 1] = '\0';
  assert_string_equal(daytona__arena_printf(&arena, "%s", longest), longest);
}

static void clear_leaves_it_usable(void **state) {
  arena.is_secret = true;
  daytona__arena_strdup(&arena, "one");
  daytona__arena_clear(&arena);
  assert_int_equal(daytona__alloc_count(), 0);
  assert_true(arena.is_secret);
  assert_int_equal(arena.used, 0);
  assert_string_equal(daytona__arena_strdup(&arena, "two"), "two");
  daytona__arena_clear(&arena);
  daytona__arena_clear(&arena);
}

typedef struct object {
  int first;
  daytona__arena_t arena;
  char last;
} object_t;

static void an_object_may_own_its_arena(void **state) {
  object_t *object = daytona__arena_new_self(sizeof *object, offsetof(object_t, arena), 300, 5000);
  assert_int_equal(object->first, 0);
  assert_int_equal(object->last, 0);
  object->last = 'z';
  memset(daytona__arena_alloc(&object->arena, 300), 1, 300);
  assert_int_equal(daytona__alloc_count(), 1);
  assert_int_equal(object->last, 'z');
  memset(daytona__arena_alloc(&object->arena, 2000), 1, 2000);
  assert_int_equal(daytona__alloc_count(), 2);
  assert_null(daytona__arena_alloc(&object->arena, 5000));
  daytona__arena_free_self(&object->arena);
  assert_int_equal(daytona__alloc_count(), 0);
}

/* Sees what the blocks hold when they are given back. */
static int secret_frees, secrets_seen;

static void *peek_malloc(size_t size, void *user) { return malloc(size); }
static void *peek_calloc(size_t count, size_t size, void *user) { return calloc(count, size); }
static void *peek_realloc(void *block, size_t size, void *user) { return realloc(block, size); }

static void peek_free(void *block, void *user) {
  secret_frees++;
  for (size_t at = 0; at + 6 <= 1024; at++)
    if (memcmp((char *)block + at, "secret", 6) == 0) secrets_seen++;
  free(block);
}

static void secrets_are_wiped_before_they_are_freed(void **state) {
  const daytona_allocator_t peek = {peek_malloc, peek_calloc, peek_realloc, peek_free, NULL};
  assert_int_equal(daytona_memory_set_allocator(&peek), 0);
  for (int is_secret = 0; is_secret < 2; is_secret++) {
    arena.is_secret = is_secret != 0;
    secret_frees = secrets_seen = 0;
    daytona__arena_strdup(&arena, "secret");
    daytona__arena_clear(&arena);
    assert_int_equal(secret_frees, 1);
    assert_int_equal(secrets_seen, is_secret ? 0 : 1);
  }
  assert_int_equal(daytona_memory_set_allocator(NULL), 0);
}

static void fill(void *user) {
  daytona__arena_t local;
  daytona__arena_init(&local, 0);
  char *text = daytona__arena_strdup(&local, "text");
  void *large = daytona__arena_alloc(&local, 50000);
  char *printed = daytona__arena_printf(&local, "%2000d", 5);
  if (support_alloc_failed() == 0) {
    assert_non_null(text);
    assert_non_null(large);
    assert_non_null(printed);
  }
  if (text != NULL) assert_string_equal(text, "text");
  daytona__arena_clear(&local);
  object_t *object = daytona__arena_new_self(sizeof *object, offsetof(object_t, arena), 0, 0);
  if (object != NULL) daytona__arena_free_self(&object->arena);
}

static void arenas_survive_every_failing_allocation(void **state) { support_alloc_sweep(fill, NULL); }

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(blocks_are_zeroed_aligned_and_apart),
    TEST(empty_blocks_are_distinct),
    TEST(small_blocks_share_a_chunk),
    TEST(chunks_grow_so_that_many_bytes_take_few_blocks),
    TEST(the_limit_holds_exactly),
    TEST(sizes_that_overflow_are_refused),
    TEST(copies_end_in_a_nul),
    TEST(clear_leaves_it_usable),
    TEST(an_object_may_own_its_arena),
    TEST(secrets_are_wiped_before_they_are_freed),
    TEST(arenas_survive_every_failing_allocation),
  };
  return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
