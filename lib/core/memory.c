/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The allocator seam. One process-wide set of functions and a count of live blocks: the count makes
 * replacing the allocator safe and gives tests an exact leak check without a sanitizer.
 */
#include "core/memory.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <daytona/error.h>

static void *default_malloc(size_t size, void *user) { return malloc(size); }
static void *default_calloc(size_t count, size_t size, void *user) { return calloc(count, size); }
static void *default_realloc(void *block, size_t size, void *user) { return realloc(block, size); }
static void default_free(void *block, void *user) { free(block); }

static const daytona_allocator_t default_allocator = {default_malloc, default_calloc, default_realloc,
                                                      default_free, NULL};
static daytona_allocator_t allocator = {default_malloc, default_calloc, default_realloc, default_free, NULL};
static atomic_size_t live_blocks, live_bytes;

static bool is_measured(void) { return allocator.malloc_fn == default_malloc; }

/* `block` is there from now on, or no longer. */
static void measure(void *block, bool is_new) {
  if (!is_measured()) return;
  size_t size = malloc_usable_size(block);
  if (is_new)
    atomic_fetch_add_explicit(&live_bytes, size, memory_order_relaxed);
  else
    atomic_fetch_sub_explicit(&live_bytes, size, memory_order_relaxed);
}

int daytona_memory_set_allocator(const daytona_allocator_t *replacement) {
  if (replacement != NULL && (replacement->malloc_fn == NULL || replacement->calloc_fn == NULL ||
                              replacement->realloc_fn == NULL || replacement->free_fn == NULL))
    return DAYTONA_EINVAL;
  if (atomic_load(&live_blocks) != 0) return DAYTONA_EREENTRANT;
  allocator = replacement != NULL ? *replacement : default_allocator;
  return 0;
}

static void *counted(void *block) {
  if (block == NULL) return NULL;
  atomic_fetch_add_explicit(&live_blocks, 1, memory_order_relaxed);
  measure(block, true);
  return block;
}

void *daytona__alloc(size_t size) {
  return counted(allocator.malloc_fn(size != 0 ? size : 1, allocator.user));
}

void *daytona__calloc(size_t count, size_t size) {
  if (size != 0 && count > (size_t)-1 / size) return NULL;
  if (count == 0 || size == 0) count = size = 1;
  return counted(allocator.calloc_fn(count, size, allocator.user));
}

void *daytona__realloc(void *block, size_t size) {
  if (block == NULL) return daytona__alloc(size);
  size_t before = is_measured() ? malloc_usable_size(block) : 0;
  void *moved = allocator.realloc_fn(block, size != 0 ? size : 1, allocator.user);
  if (moved == NULL || !is_measured()) return moved;
  atomic_fetch_sub_explicit(&live_bytes, before, memory_order_relaxed);
  measure(moved, true);
  return moved;
}

void daytona__free(void *block) {
  if (block == NULL) return;
  atomic_fetch_sub_explicit(&live_blocks, 1, memory_order_relaxed);
  measure(block, false);
  allocator.free_fn(block, allocator.user);
}

char *daytona__strndup(const char *text, size_t size) {
  if (size == (size_t)-1) return NULL;
  char *copy = daytona__alloc(size + 1);
  if (copy == NULL) return NULL;
  memcpy(copy, text, size);
  copy[size] = '\0';
  return copy;
}

char *daytona__strdup(const char *text) { return daytona__strndup(text, strlen(text)); }

void daytona__wipe(void *block, size_t size) {
  if (size == 0) return; /* an empty block may be NULL, which memset must not see */
  memset(block, 0, size);
  __asm__ __volatile__("" : : "r"(block) : "memory"); /* as if read: the memory is about to be freed */
}

size_t daytona__alloc_count(void) { return atomic_load(&live_blocks); }
size_t daytona__alloc_bytes(void) { return atomic_load(&live_bytes); }
