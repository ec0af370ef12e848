/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All allocation of the library goes through here, so that a program can replace the allocator and a
 * test can make any single allocation fail.
 */
#ifndef DAYTONA_CORE_MEMORY_H
#define DAYTONA_CORE_MEMORY_H

#include <stddef.h>

#include <daytona/memory.h>

void *daytona__alloc(size_t size);                /* NULL when out of memory */
void *daytona__calloc(size_t count, size_t size); /* zeroed, overflow-checked */
void *daytona__realloc(void *block, size_t size); /* the old block stays on failure */
void daytona__free(void *block);                  /* takes NULL */
char *daytona__strdup(const char *text);
char *daytona__strndup(const char *text, size_t size); /* adds the NUL */

/* Overwrite a secret in a way that the compiler may not drop. */
void daytona__wipe(void *block, size_t size);

/* Blocks in use. */
size_t daytona__alloc_count(void);

/* Their bytes as malloc counts them; 0 with another allocator, whose blocks nobody can measure. */
size_t daytona__alloc_bytes(void);

#endif
