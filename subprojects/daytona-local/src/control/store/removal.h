/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing trees that a sandbox has made.
 */
#ifndef DL_REMOVAL_H
#define DL_REMOVAL_H

#include <stdatomic.h>
#include <stdbool.h>

/* A file or a whole tree; absent is fine. Follows no symbolic link and takes any depth. Blocks. 0, an errno, or
 * ECANCELED once *stop is true (`stop` may be NULL); what is left then can be removed by another call. */
int dl_remove_tree(const char *path, const atomic_bool *stop);

#endif
