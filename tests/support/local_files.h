/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files on the local disk for tests of transfers.
 */
#ifndef TESTS_SUPPORT_LOCAL_FILES_H
#define TESTS_SUPPORT_LOCAL_FILES_H

#include <stddef.h>

/* "folder/name". Good until the eighth call after this one. */
const char *local_path(const char *folder, const char *name);

/* Make a file, and demand that one holds exactly these bytes. */
void local_write(const char *path, const void *bytes, size_t size);
void local_holds(const char *path, const void *bytes, size_t size);

/* Bytes without a pattern that a mix-up could keep, others for each seed. free() them. */
char *local_pattern(size_t size, unsigned seed);

#endif
