/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the COPY instructions of a Dockerfile name as their sources. Nothing here looks at a disk.
 *
 * The rules are those of the official SDKs since 0.214.0: logical lines, flags, both forms of the
 * instruction. What they do not understand has no sources.
 */
#ifndef DAYTONA_WIRE_DOCKERFILE_H
#define DAYTONA_WIRE_DOCKERFILE_H

#include <stdbool.h>
#include <stddef.h>

/* A source, as the instruction has it without quotes. Valid during the call. Not 0: stop, and return this. */
typedef int (*daytona__copy_source_cb)(const char *source, void *user);

/*
 * Call `on_source` for each source in `text`, which is UTF-8 without NUL, in order. 0, DAYTONA_ENOMEM or what
 * on_source returned. `is_pool`: this is the thread pool.
 */
int daytona__dockerfile_sources(const char *text, size_t size, bool is_pool,
                                daytona__copy_source_cb on_source, void *user);

#endif
