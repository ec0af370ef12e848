/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arenas: memory that is freed all at once. One arena per operation holds its request, its result and
 * its error, so that users free no single part of it.
 */
#ifndef DAYTONA_CORE_ARENA_H
#define DAYTONA_CORE_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct daytona__chunk daytona__chunk_t;

typedef struct daytona__arena {
  daytona__chunk_t *chunks; /* newest first */
  char *next, *end;         /* free room in the newest chunk */
  size_t used;              /* bytes of all chunks, for the ceiling */
  size_t limit;             /* 0: DAYTONA__ARENA_MAX */
  bool is_secret;           /* wipe before freeing */
  bool is_pool;             /* of work on the thread pool, where the program's allocator is not called */
} daytona__arena_t;

void daytona__arena_init(daytona__arena_t *arena, size_t limit);

/* Zeroed, aligned for any type. NULL when out of memory or over the arena's limit. */
void *daytona__arena_alloc(daytona__arena_t *arena, size_t size);
void *daytona__arena_array(daytona__arena_t *arena, size_t count, size_t size);

/*
 * A loose block, which may grow (the old one stays on failure, which is NULL) before it becomes a part of an arena: a
 * large one as it is, a small one as a copy. What is behind `size` is lost then. Not zeroed.
 */
void *daytona__arena_loose(void *block, size_t size);
void daytona__arena_loose_free(void *block);
void *daytona__arena_take(daytona__arena_t *arena, void *block, size_t size);

/* Pointers to `count` elements of `size` bytes that lie side by side: the form of every public list. */
void *daytona__arena_pointers(daytona__arena_t *arena, const void *items, size_t count, size_t size);

/* Copies with a NUL behind. A NULL text gives NULL. */
char *daytona__arena_strdup(daytona__arena_t *arena, const char *text);
char *daytona__arena_strndup(daytona__arena_t *arena, const char *text, size_t size);
char *daytona__arena_printf(daytona__arena_t *arena, const char *format, ...)
  __attribute__((format(printf, 2, 3)));
char *daytona__arena_vprintf(daytona__arena_t *arena, const char *format, va_list args);

/* Take out a block of more than `least` bytes, and its size; NULL: there is none. What is in it is lost. */
void *daytona__arena_pop(daytona__arena_t *arena, size_t least, size_t *size);

/* Frees everything; the arena is empty and usable afterwards. */
void daytona__arena_clear(daytona__arena_t *arena);

/*
 * Make an arena that owns the memory of the object it is part of: one block holds the object
 * (`object_size`, zeroed, with the arena at `arena_offset`) and `room` bytes for the first
 * allocations. daytona__arena_free_self() frees all of it. NULL when out of memory.
 */
void *daytona__arena_new_self(size_t object_size, size_t arena_offset, size_t room, size_t limit);
void daytona__arena_free_self(daytona__arena_t *arena);

#endif
