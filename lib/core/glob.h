/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wildcards of local paths, as Python's glob module has them: '*', '?', '[a-z]', '[!a-z]'; no braces, no
 * "**", no escapes, and no leading dots. It waits for disks: only for the thread pool.
 */
#ifndef DAYTONA_CORE_GLOB_H
#define DAYTONA_CORE_GLOB_H

#include <stdbool.h>

/* A pattern with wildcards; a set of a megabyte would be gone through for each letter of each name. */
#define DAYTONA__GLOB_PATTERN_MAX 4096

/* Folders with wildcards in one path. */
#define DAYTONA__GLOB_DEPTH_MAX 64

/* Paths that one pattern may stand for, and the memory for their names. */
#define DAYTONA__GLOB_MATCHES_MAX 100000
#define DAYTONA__GLOB_MEMORY_MAX ((size_t)16 << 20)

/* A path that is there. Not 0: stop, and return this. */
typedef int (*daytona__glob_cb)(const char *path, void *user);

/*
 * Call back for each path that `pattern` stands for, in the order of names. What cannot be read has no
 * matches. 0; DAYTONA_ENOMEM; DAYTONA_ELIMIT; DAYTONA_ECANCELED after `must_stop` returned true; or what
 * on_match returned.
 */
int daytona__glob(const char *pattern, bool is_pool, daytona__glob_cb on_match, bool (*must_stop)(void *user),
                  void *user);

/* Whether a name without slashes is one that `pattern` stands for; both are UTF-8, or bytes where they are
   not. */
bool daytona__glob_matches(const char *pattern, const char *name);

#endif
