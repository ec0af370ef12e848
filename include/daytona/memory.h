/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The allocator hook.
 */
#ifndef DAYTONA_MEMORY_H
#define DAYTONA_MEMORY_H

#include <stddef.h>

#include <daytona/export.h>

DAYTONA_BEGIN

/** Four functions that behave as those of the same names in <stdlib.h>; all are required. */
typedef struct daytona_allocator {
  void *(*malloc_fn)(size_t size, void *user);
  void *(*calloc_fn)(size_t count, size_t size, void *user);
  void *(*realloc_fn)(void *block, size_t size, void *user);
  void (*free_fn)(void *block, void *user);
  void *user; /**< Passed to each function. */
} daytona_allocator_t;

/**
 * Allocate all memory of the library with `allocator`.
 *
 * Covers what libdaytona itself allocates, which happens only on the threads of its clients' loops: with
 * clients in several threads the functions must be thread-safe. Work that it gives to libuv's thread pool
 * allocates with malloc. libuv, libcurl and mbedTLS have allocator hooks of their own, which are not touched.
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
