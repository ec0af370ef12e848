/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See large.h. The note about what is left to do stands in the block itself, so that freeing needs no memory. In each
 * turn the block is made smaller from its end, which gives that much back.
 */
#include "core/large.h"

#include <assert.h>

#include "core/memory.h"

/* As much as is given back in one turn. */
#define PART ((size_t)4 << 20)

typedef struct large {
  daytona__task_t task;
  daytona__loop_t *loop; /* retained */
  size_t size;
  bool is_secret;
} large_t;

static void on_part(daytona__task_t *task);

static void finish(large_t *self) {
  daytona__loop_t *loop = self->loop;
  if (self->is_secret) daytona__wipe(self, self->size);
  daytona__free(self);
  daytona__loop_release(loop);
}

static void on_part(daytona__task_t *task) {
  large_t *self = DAYTONA__CONTAINER(task, large_t, task);
  assert(!daytona__task_is_queued(task));
  if (self->size < 2 * PART) { /* a smaller one might not hold the note */
    finish(self);
    return;
  }
  size_t size = self->size - PART;
  if (self->is_secret) daytona__wipe((char *)self + size, PART);
  self->size = size;
  large_t *smaller = daytona__realloc(self, size);
  if (smaller == NULL) { /* an allocator that cannot: all at once, then */
    finish(self);
    return;
  }
  daytona__task_init(&smaller->task, on_part); /* it may have moved */
  daytona__loop_defer(smaller->loop, &smaller->task);
}

void daytona__free_large(daytona__loop_t *loop, void *block, size_t size, bool is_secret) {
  if (block == NULL) return;
  if (size <= PART || daytona__loop_is_closed(loop)) {
    if (is_secret) daytona__wipe(block, size);
    daytona__free(block);
    return;
  }
  large_t *self = block;
  if (is_secret) daytona__wipe(self, sizeof *self);
  *self = (large_t){.loop = daytona__loop_retain(loop), .size = size, .is_secret = is_secret};
  daytona__task_init(&self->task, on_part);
  daytona__loop_defer(loop, &self->task);
}

void daytona__arena_drop_large(daytona__loop_t *loop, daytona__arena_t *arena) {
  size_t size;
  void *block;
  while ((block = daytona__arena_pop(arena, PART, &size)) != NULL)
    daytona__free_large(loop, block, size, arena->is_secret);
}
