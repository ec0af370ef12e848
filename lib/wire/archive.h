/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A context of an image, as it is in object storage: its hash, which is its name there, and its tar, byte by byte as far
 * as there is room. Neither is ever whole in memory or on the disk.
 *
 * The hash is the official Python SDK's (names sorted), the tar is GNU's: uncompressed, one file or one tree, links as
 * links. Both are made by walks of their own; what has changed between them is an error, because what the hash names must
 * be what is stored.
 *
 * Blocks on the disk: for the thread pool, one thread at a time. Its memory is malloc()'s.
 */
#ifndef DAYTONA_WIRE_ARCHIVE_H
#define DAYTONA_WIRE_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/error.h>

typedef struct daytona__archive daytona__archive_t;

/*
 * `path` is the local file or folder; `name` what it is called in the archive, without slashes at the end; those in front
 * are no part of the member's name. "" for a folder: what is in it, without a folder around. Copied. NULL without memory.
 */
daytona__archive_t *daytona__archive_new(const char *path, const char *name);
void daytona__archive_free(daytona__archive_t *archive);

/* Hash on, about `budget` bytes. 0: there is more; 1: done; negative: an error. Before the first fill. */
int daytona__archive_hash(daytona__archive_t *archive, size_t budget);

/* When it is done: 32 hexadecimal digits; the bytes of all files, and how many entries there are. */
const char *daytona__archive_hash_text(const daytona__archive_t *archive);
int64_t daytona__archive_content_size(const daytona__archive_t *archive);
int64_t daytona__archive_entry_count(const daytona__archive_t *archive);

/* The next bytes of the tar: `room` of them, or fewer at the end, into *size. 0 or the code of an error. */
int daytona__archive_fill(daytona__archive_t *archive, char *out, size_t room, size_t *size);

/* Whether all has been filled in, and how many bytes of files were. */
bool daytona__archive_is_done(const daytona__archive_t *archive);
int64_t daytona__archive_content_done(const daytona__archive_t *archive);

/* DAYTONA_OK, or why it has failed. */
daytona_errcode_t daytona__archive_error(const daytona__archive_t *archive, const char **text,
                                         int *system_errno);

#endif
