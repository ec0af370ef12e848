/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The failing allocator. See alloc.h.
 */
#include "support/alloc.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <daytona/memory.h>

#include "core/memory.h"
#include "support/check.h"

enum { SWEEP_MAX = 10000 };

static atomic_size_t asked, failed, largest, held;
static size_t fail_at; /* 0: never; changed only while one thread allocates */
static bool keep_failing;

static bool must_fail(size_t size) {
  size_t number = atomic_fetch_add(&asked, 1) + 1, most = atomic_load(&largest);
  while (size > most && !atomic_compare_exchange_weak(&largest, &most, size)) continue;
  if (fail_at == 0 || number < fail_at || (number > fail_at && !keep_failing)) return false;
  atomic_fetch_add(&failed, 1);
  return true;
}

static void *rough_malloc(size_t size, void *user) {
  assert_ptr_equal(user, &asked);
  void *block = must_fail(size) ? NULL : malloc(size);
  if (block != NULL) memset(block, 0xa5, size);
  atomic_fetch_add(&held, malloc_usable_size(block));
  return block;
}

static void *rough_calloc(size_t count, size_t size, void *user) {
  assert_ptr_equal(user, &asked);
  void *block = must_fail(count * size) ? NULL : calloc(count, size);
  atomic_fetch_add(&held, malloc_usable_size(block));
  return block;
}

static void *rough_realloc(void *block, size_t size, void *user) {
  assert_ptr_equal(user, &asked);
  if (must_fail(size)) return NULL;
  size_t before = malloc_usable_size(block);
  void *grown = realloc(block, size);
  if (grown != NULL) atomic_fetch_add(&held, malloc_usable_size(grown) - before);
  return grown;
}

static void rough_free(void *block, void *user) {
  assert_ptr_equal(user, &asked);
  atomic_fetch_sub(&held, malloc_usable_size(block));
  free(block);
}

static void arm(size_t nth, bool keep) {
  atomic_store(&asked, 0);
  atomic_store(&failed, 0);
  atomic_store(&largest, 0);
  fail_at = nth;
  keep_failing = keep;
}

void support_alloc_install(void) {
  const daytona_allocator_t allocator = {rough_malloc, rough_calloc, rough_realloc, rough_free, &asked};
  support_alloc_heal();
  assert_int_equal(daytona_memory_set_allocator(&allocator), 0);
}

void support_alloc_remove(void) {
  support_alloc_heal();
  assert_int_equal(daytona__alloc_count(), 0);
  assert_int_equal(daytona_memory_set_allocator(NULL), 0);
}

void support_alloc_fail_once(size_t nth) { arm(nth, false); }
void support_alloc_fail_from(size_t nth) { arm(nth, true); }
void support_alloc_heal(void) { arm(0, false); }
size_t support_alloc_asked(void) { return atomic_load(&asked); }
size_t support_alloc_failed(void) { return atomic_load(&failed); }
size_t support_alloc_largest(void) { return atomic_load(&largest); }
size_t support_alloc_held(void) { return atomic_load(&held); }

static void sweep(void (*scenario)(void *user), void *user, bool keep) {
  size_t before = daytona__alloc_count();
  for (size_t nth = 1;; nth++) {
    assert_true(nth < SWEEP_MAX);
    arm(nth, keep);
    scenario(user);
    bool is_done = support_alloc_failed() == 0;
    support_alloc_heal();
    assert_int_equal(daytona__alloc_count(), before);
    if (is_done) return;
  }
}

void support_alloc_sweep(void (*scenario)(void *user), void *user) {
  sweep(scenario, user, false);
  sweep(scenario, user, true);
}
