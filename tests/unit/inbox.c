/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output that waits: nothing is lost or mixed up, what is dropped is counted to the byte, and memory stays in
 * proportion to what is kept.
 */
#include "call/inbox.h"

#include <stdlib.h>
#include <string.h>

#include <daytona/error.h>
#include <daytona/memory.h>

#include "core/memory.h"
#include "support/alloc.h"
#include "support/check.h"

typedef struct heard {
  char bytes[1 << 16];
  int tags[1 << 16];
  size_t size, calls, stop_at;
  daytona__inbox_next_t then; /* at call `stop_at` */
  daytona__inbox_t *cleared;
} heard_t;

static heard_t heard;

static daytona__inbox_next_t take(void *user, int tag, const char *bytes, size_t size) {
  assert_true(size != 0 && heard.size + size <= sizeof heard.bytes);
  if (heard.cleared != NULL) daytona__inbox_clear(heard.cleared);
  for (size_t i = 0; i < size; i++) heard.tags[heard.size + i] = tag;
  memcpy(heard.bytes + heard.size, bytes, size);
  heard.size += size;
  return ++heard.calls == heard.stop_at ? heard.then : DAYTONA__INBOX_MORE;
}

static daytona__inbox_t inbox;

static void start(size_t max) {
  support_alloc_install();
  memset(&heard, 0, sizeof heard);
  daytona__inbox_init(&inbox, max);
}

static void end(void) {
  daytona__inbox_clear(&inbox);
  support_alloc_remove();
}

static void put(int tag, const char *text) {
  assert_int_equal(daytona__inbox_put(&inbox, tag, text, strlen(text)), 0);
}

static void segments_come_in_order_and_are_joined(void **state) {
  start(0);
  put(1, "one ");
  put(1, "two");
  put(2, "three");
  put(1, "four");
  assert_int_equal(inbox.size, 16);
  daytona__inbox_drain(&inbox, take, NULL);
  assert_int_equal(heard.calls, 3);
  assert_memory_equal(heard.bytes, "one twothreefour", 16);
  assert_true(heard.tags[6] == 1 && heard.tags[7] == 2 && heard.tags[12] == 1);
  assert_true(daytona__inbox_is_empty(&inbox));
  end();
}

static void a_drain_may_stop_and_go_on(void **state) {
  start(0);
  for (int i = 0; i < 6; i++) put(1 + i % 2, i % 2 == 0 ? "a" : "b");
  heard.stop_at = 2;
  heard.then = DAYTONA__INBOX_LATER;
  daytona__inbox_drain(&inbox, take, NULL);
  assert_int_equal(heard.size, 2);
  assert_int_equal(inbox.size, 4);
  put(1, "c");
  daytona__inbox_drain(&inbox, take, NULL);
  assert_memory_equal(heard.bytes, "abababc", 7);
  end();
}

static void a_drain_may_clear_what_it_drains(void **state) {
  start(0);
  put(1, "a");
  put(2, "b");
  heard.cleared = &inbox;
  heard.stop_at = 1;
  heard.then = DAYTONA__INBOX_OVER;
  daytona__inbox_drain(&inbox, take, NULL);
  assert_int_equal(heard.size, 1);
  end();
}

/* Against the plainest implementation there is: one array. */
static void random_use_agrees_with_an_array(void **state) {
  static char bytes[1 << 16];
  static int tags[1 << 16];
  static const size_t limits[] = {0, 1, 3, 100, 5000};
  srand(7);
  for (size_t round = 0; round < 100; round++) {
    size_t max = limits[round % 5], first = 0, size = 0;
    start(max);
    for (int step = 0; step < 60; step++) {
      char piece[6000];
      size_t length = (size_t)rand() % (rand() % 8 == 0 ? 6000 : 9);
      int tag = rand() % 4;
      if (size + length > sizeof bytes) break;
      for (size_t i = 0; i < length; i++) {
        piece[i] = bytes[size] = (char)rand();
        tags[size++] = tag;
      }
      assert_int_equal(daytona__inbox_put(&inbox, tag, piece, length), 0);
      if (max != 0 && size - first > max) first = size - max;
    }
    assert_int_equal(inbox.size, size - first);
    assert_int_equal(inbox.dropped, first);
    daytona__inbox_drain(&inbox, take, NULL);
    assert_int_equal(heard.size, size - first);
    assert_memory_equal(heard.bytes, bytes + first, size - first);
    for (size_t i = first; i < size; i++) assert_int_equal(heard.tags[i - first], tags[i]);
    end();
  }
}

static void text_is_dropped_by_characters(void **state) {
  start(4);
  inbox.is_text = true;
  put(1, "\xC3\xA9\xE2\x82\xAC"); /* e with an accent, euro */
  assert_int_equal(inbox.size, 3);
  assert_int_equal(inbox.dropped, 2);
  put(1, "ab");
  assert_int_equal(inbox.size, 2);
  assert_int_equal(inbox.dropped, 5);
  put(2, "\xF0\x9F\x98\x80\xF0\x9F\x98\x80!"); /* two of four bytes: only the last byte fits */
  assert_int_equal(inbox.size, 1);
  assert_int_equal(inbox.dropped, 15);
  daytona__inbox_drain(&inbox, take, NULL);
  assert_memory_equal(heard.bytes, "!", 1);
  end();
}

/* Bytes that the library holds. */
static size_t held;
static void *count_alloc(size_t size, void *user) {
  size_t *block = malloc(size + 16);
  if (block == NULL) return NULL;
  *block = size;
  held += size;
  return (char *)block + 16;
}

static void count_free(void *block, void *user) {
  if (block == NULL) return;
  size_t *real = (size_t *)(void *)((char *)block - 16);
  held -= *real;
  free(real);
}

static void *count_calloc(size_t count, size_t size, void *user) {
  void *block = count_alloc(count * size, user);
  return block != NULL ? memset(block, 0, count * size) : NULL;
}

static void *count_realloc(void *block, size_t size, void *user) {
  void *larger = count_alloc(size, user);
  if (larger == NULL || block == NULL) return larger;
  size_t old = *(size_t *)(void *)((char *)block - 16);
  memcpy(larger, block, old < size ? old : size);
  count_free(block, user);
  return larger;
}

/* A log that changes its stream with every byte, which a peer may send as well as any other. */
static void many_small_segments_cost_little(void **state) {
  const daytona_allocator_t counting = {count_alloc, count_calloc, count_realloc, count_free, NULL};
  assert_int_equal(daytona_memory_set_allocator(&counting), 0);
  daytona__inbox_init(&inbox, 100000);
  for (int i = 0; i < 300000; i++) assert_int_equal(daytona__inbox_put(&inbox, 1 + i % 2, "x", 1), 0);
  assert_int_equal(inbox.size, 100000);
  assert_int_equal(inbox.dropped, 200000);
  assert_true(held < 6 * 100000);
  daytona__inbox_clear(&inbox);
  assert_int_equal(held, 0);
  daytona_memory_set_allocator(NULL);
}

static void lack_of_memory_is_told(void **state) {
  start(0);
  support_alloc_fail_once(1);
  assert_int_equal(daytona__inbox_put(&inbox, 1, "x", 1), DAYTONA_ENOMEM);
  support_alloc_heal();
  assert_true(daytona__inbox_is_empty(&inbox));
  put(1, "y");
  assert_int_equal(inbox.size, 1);
  end();
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(segments_come_in_order_and_are_joined),
    cmocka_unit_test(a_drain_may_stop_and_go_on),
    cmocka_unit_test(a_drain_may_clear_what_it_drains),
    cmocka_unit_test(random_use_agrees_with_an_array),
    cmocka_unit_test(text_is_dropped_by_characters),
    cmocka_unit_test(many_small_segments_cost_little),
    cmocka_unit_test(lack_of_memory_is_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
