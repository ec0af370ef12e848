/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell patterns for names: *, ?, [a-z], [^a], backslash. No braces, no "**", [!a] is not special.
 */
#ifndef DL_GLOB_H
#define DL_GLOB_H

#include <stdbool.h>

/* A malformed pattern matches nothing. */
bool dl_glob_match(const char *pattern, const char *name);
bool dl_glob_valid(const char *pattern);

#endif
