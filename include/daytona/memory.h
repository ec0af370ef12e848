/*
 * The allocator hook.
 */
#ifndef DAYTONA_MEMORY_H
#define DAYTONA_MEMORY_H

#include <stddef.h>

#include <daytona/export.h>

DAYTONA_BEGIN

/** Four functions with the meaning of their namesakes in <stdlib.h>; all of them are required. */
typedef struct daytona_allocator {
  void *(*malloc_fn)(size_t size, void *user);
  void *(*calloc_fn)(size_t count, size_t size, void *user);
  void *(*realloc_fn)(void *block, size_t size, void *user);
  void (*free_fn)(void *block, void *user);
  void *user; /**< Passed to each of them. */
} daytona_allocator_t;

/**
 * Take all memory of the library from `allocator`.
 *
 * Covers what libdaytona allocates itself, which it does on the threads of its clients' loops only: with clients in
 * several threads the functions must be safe in threads, and with one they need not. What it has libuv's thread pool do takes
 * memory from malloc. libuv, libcurl and mbedTLS have hooks of their own, which belong to the program and are not touched.
 *
 * @param allocator  Copied. NULL restores malloc and free.
 * @return 0, or DAYTONA_EINVAL if a function is missing, or DAYTONA_EREENTRANT if blocks of the
 *         previous allocator are still in use.
 *
 * Thread: any, but only while no other thread uses the library.
 */
DAYTONA_API int daytona_memory_set_allocator(const daytona_allocator_t *allocator);

DAYTONA_END

#endif
