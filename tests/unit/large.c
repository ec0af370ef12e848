/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Freeing large blocks over some turns: in order, whatever fails, and also when the loop is about to close.
 */
#include "core/large.h"

#include <string.h>

#include "core/memory.h"
#include "support/check.h"
#include "support/stage.h"

enum { SIZE = 40 << 20 };

static stage_t stage;

static int open_stage(void **state) {
  stage_open(&stage);
  return 0;
}

static int close_stage(void **state) {
  stage_close(&stage);
  return 0;
}

static char *block_of(size_t size) {
  char *block = daytona__alloc(size);
  assert_non_null(block);
  memset(block, 'x', size);
  return block;
}

static void a_large_block_goes_over_some_turns(void **state) {
  size_t before = daytona__alloc_count(), turns = 0;
  for (int is_secret = 0; is_secret < 2; is_secret++) {
    daytona__free_large(stage.loop, block_of(SIZE), SIZE, is_secret);
    for (turns = 0; daytona__alloc_count() != before; turns++) stage_spin(&stage, 1);
    assert_true(turns >= 5 && turns < 50);
  }
}

static void small_ones_go_at_once(void **state) {
  size_t before = daytona__alloc_count();
  daytona__free_large(stage.loop, block_of(1000), 1000, true);
  daytona__free_large(stage.loop, NULL, 0, true);
  assert_int_equal(daytona__alloc_count(), before);
}

static void an_allocator_that_cannot_shrink_frees_all(void **state) {
  size_t before = daytona__alloc_count();
  char *block = block_of(SIZE);
  stage_fail_alloc(0);
  daytona__free_large(stage.loop, block, SIZE, true);
  for (int i = 0; i < 100 && daytona__alloc_count() != before; i++) stage_spin(&stage, 1);
  assert_int_equal(daytona__alloc_count(), before);
  stage_alloc_restore();
}

/* close_stage() finds what is left. */
static void a_close_waits_for_it(void **state) {
  daytona__free_large(stage.loop, block_of(SIZE), SIZE, false);
}

static void an_arena_gives_up_its_large_blocks(void **state) {
  daytona__arena_t arena;
  daytona__arena_init(&arena, 0);
  size_t before = daytona__alloc_count();
  for (int i = 0; i < 3; i++) {
    char *text = daytona__arena_strdup(&arena, "small");
    assert_non_null(daytona__arena_alloc(&arena, SIZE));
    assert_string_equal(text, "small");
  }
  daytona__arena_drop_large(stage.loop, &arena);
  assert_true(arena.used < SIZE);
  daytona__arena_clear(&arena);
  for (int i = 0; i < 100 && daytona__alloc_count() != before; i++) stage_spin(&stage, 1);
  assert_int_equal(daytona__alloc_count(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(a_large_block_goes_over_some_turns),        TEST(small_ones_go_at_once),
    TEST(an_allocator_that_cannot_shrink_frees_all), TEST(a_close_waits_for_it),
    TEST(an_arena_gives_up_its_large_blocks),
  };
  return cmocka_run_group_tests_name("large", tests, NULL, NULL);
}
