/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bump allocation in a list of chunks. Chunks double from 1 KiB to 64 KiB; a larger request gets a
 * chunk of its own, put behind the current one so that its free room is not lost.
 */
#include "core/arena.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core/memory.h"

enum { CHUNK_MIN = 1024, CHUNK_MAX = 64 * 1024 };

#define ALIGNMENT _Alignof(max_align_t)
#define ALIGN_UP(n) (((n) + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1))

struct daytona__chunk {
  daytona__chunk_t *next;
  size_t size; /* of the whole block */
};

#define HEADER ALIGN_UP(sizeof(daytona__chunk_t))

void daytona__arena_init(daytona__arena_t *arena, size_t limit) {
  memset(arena, 0, sizeof *arena);
  arena->limit = limit;
}

static size_t room_left(const daytona__arena_t *arena) { return (size_t)(arena->end - arena->next); }

/* A block for `need` bytes of payload, or NULL at the ceiling. */
static daytona__chunk_t *chunk_new(daytona__arena_t *arena, size_t need) {
  size_t limit = arena->limit != 0 ? arena->limit : DAYTONA__ARENA_MAX;
  if (need > limit || arena->used > limit - need) return NULL;
  daytona__chunk_t *chunk = arena->is_pool ? calloc(1, HEADER + need) : daytona__calloc(1, HEADER + need);
  if (chunk == NULL) return NULL;
  chunk->size = HEADER + need;
  arena->used += need;
  return chunk;
}

/* Behind the newest chunk, so that its free room is not lost. */
static void chunk_link(daytona__arena_t *arena, daytona__chunk_t *chunk) {
  daytona__chunk_t **at = arena->chunks != NULL ? &arena->chunks->next : &arena->chunks;
  chunk->next = *at;
  *at = chunk;
}

static void *alloc_slow(daytona__arena_t *arena, size_t size) {
  if (size >= CHUNK_MAX / 2) {
    daytona__chunk_t *own = chunk_new(arena, size);
    if (own == NULL) return NULL;
    chunk_link(arena, own);
    return (char *)own + HEADER;
  }
  size_t payload = CHUNK_MIN;
  while (payload < CHUNK_MAX && (payload < size || payload < arena->used)) payload *= 2;
  daytona__chunk_t *chunk = chunk_new(arena, payload);
  if (chunk == NULL) chunk = chunk_new(arena, payload = size); /* near the ceiling: just what is needed */
  if (chunk == NULL) return NULL;
  chunk->next = arena->chunks;
  arena->chunks = chunk;
  arena->next = (char *)chunk + HEADER + size;
  arena->end = (char *)chunk + HEADER + payload;
  return (char *)chunk + HEADER;
}

void *daytona__arena_alloc(daytona__arena_t *arena, size_t size) {
  if (size > DAYTONA__ARENA_MAX) return NULL;
  size = ALIGN_UP(size != 0 ? size : 1);
  if (size > room_left(arena)) return alloc_slow(arena, size);
  void *block = arena->next;
  arena->next += size;
  return block;
}

void *daytona__arena_array(daytona__arena_t *arena, size_t count, size_t size) {
  if (size != 0 && count > SIZE_MAX / size) return NULL;
  return daytona__arena_alloc(arena, count * size);
}

void *daytona__arena_loose(void *block, size_t size) {
  if (size > DAYTONA__ARENA_MAX) return NULL;
  char *chunk = daytona__realloc(block != NULL ? (char *)block - HEADER : NULL, HEADER + size);
  return chunk != NULL ? chunk + HEADER : NULL;
}

void daytona__arena_loose_free(void *block) {
  if (block != NULL) daytona__free((char *)block - HEADER);
}

void *daytona__arena_take(daytona__arena_t *arena, void *block, size_t size) {
  assert(!arena->is_pool);
  size_t limit = arena->limit != 0 ? arena->limit : DAYTONA__ARENA_MAX;
  if (size < CHUNK_MAX / 2) {
    void *copy = daytona__arena_alloc(arena, size);
    if (copy == NULL) return NULL;
    memcpy(copy, block, size);
    if (arena->is_secret) daytona__wipe(block, size);
    daytona__arena_loose_free(block);
    return copy;
  }
  if (size > limit || arena->used > limit - size) return NULL;
  daytona__chunk_t *chunk = daytona__realloc((char *)block - HEADER, HEADER + size);
  if (chunk == NULL)
    chunk = (daytona__chunk_t *)(void *)((char *)block - HEADER); /* it could not be made smaller */
  chunk->size = HEADER + size;
  arena->used += size;
  chunk_link(arena, chunk);
  return (char *)chunk + HEADER;
}

char *daytona__arena_strndup(daytona__arena_t *arena, const char *text, size_t size) {
  if (text == NULL || size >= DAYTONA__ARENA_MAX) return NULL;
  char *copy = daytona__arena_alloc(arena, size + 1);
  if (copy != NULL) memcpy(copy, text, size);
  return copy;
}

void *daytona__arena_pointers(daytona__arena_t *arena, const void *items, size_t count, size_t size) {
  const void **pointers = daytona__arena_array(arena, count, sizeof *pointers);
  for (size_t i = 0; pointers != NULL && i < count; i++) pointers[i] = (const char *)items + i * size;
  return pointers;
}

char *daytona__arena_strdup(daytona__arena_t *arena, const char *text) {
  return text != NULL ? daytona__arena_strndup(arena, text, strlen(text)) : NULL;
}

char *daytona__arena_vprintf(daytona__arena_t *arena, const char *format, va_list args) {
  va_list again;
  va_copy(again, args);
  int size = vsnprintf(NULL, 0, format, args);
  char *text = size >= 0 ? daytona__arena_alloc(arena, (size_t)size + 1) : NULL;
  if (text != NULL) vsnprintf(text, (size_t)size + 1, format, again);
  va_end(again);
  return text;
}

char *daytona__arena_printf(daytona__arena_t *arena, const char *format, ...) {
  va_list args;
  va_start(args, format);
  char *text = daytona__arena_vprintf(arena, format, args);
  va_end(args);
  return text;
}

void *daytona__arena_pop(daytona__arena_t *arena, size_t least, size_t *size) {
  assert(!arena->is_pool);
  /* Large blocks stand behind the newest; the oldest may hold the arena itself, and is never large. */
  for (daytona__chunk_t **at = &arena->chunks; *at != NULL; at = &(*at)->next) {
    daytona__chunk_t *chunk = *at;
    if (chunk->size <= least) continue;
    assert(arena->end < (char *)chunk || arena->end > (char *)chunk + chunk->size);
    *at = chunk->next;
    *size = chunk->size;
    arena->used -= chunk->size - HEADER;
    return chunk;
  }
  return NULL;
}

void daytona__arena_clear(daytona__arena_t *arena) {
  daytona__chunk_t *chunk = arena->chunks;
  bool is_secret = arena->is_secret, is_pool = arena->is_pool;
  size_t limit = arena->limit;
  daytona__arena_init(arena, limit);
  arena->is_secret = is_secret;
  arena->is_pool = is_pool;
  while (chunk != NULL) {
    daytona__chunk_t *next = chunk->next;
    if (is_secret) daytona__wipe(chunk, chunk->size);
    if (is_pool)
      free(chunk);
    else
      daytona__free(chunk);
    chunk = next;
  }
}

void *daytona__arena_new_self(size_t object_size, size_t arena_offset, size_t room, size_t limit) {
  size_t object_room = ALIGN_UP(object_size);
  size_t total = HEADER + object_room + ALIGN_UP(room);
  daytona__chunk_t *chunk = daytona__calloc(1, total);
  if (chunk == NULL) return NULL;
  chunk->size = total;
  char *object = (char *)chunk + HEADER;
  daytona__arena_t *arena = (daytona__arena_t *)(object + arena_offset);
  arena->chunks = chunk;
  arena->next = object + object_room;
  arena->end = (char *)chunk + total;
  arena->used = total - HEADER;
  arena->limit = limit;
  return object;
}

void daytona__arena_free_self(daytona__arena_t *arena) {
  daytona__arena_t moved = *arena; /* the arena lies inside a block that it frees */
  daytona__arena_clear(&moved);
}
