/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local paths as texts: nothing here looks at a disk. The rules are those of Python, whose SDK makes names of
 * objects and lines of Dockerfiles of them.
 */
#ifndef DAYTONA_CORE_PATH_H
#define DAYTONA_CORE_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "core/strbuf.h"

/* Append the path without empty parts, "." and, where a part is in front of it, "..": "a//b/../c" is
   "a/c". "." if nothing is left. Two slashes at the start stay two. */
void daytona__path_put_normal(daytona__strbuf_t *out, const char *path);

/* Append the place of a file in an archive: the same, without slashes at the start, and then without
   backslashes. */
void daytona__path_put_archive(daytona__strbuf_t *out, const char *path);

/* Append the path without empty parts and ".", but with "..". */
void daytona__path_put_pure(daytona__strbuf_t *out, const char *path);

/* The last part that is not empty and not "."; size 0: there is none. */
const char *daytona__path_name(const char *path, size_t *size);

/* Append `name` below `folder`, which may be empty; an absolute `name` is taken as it is. */
void daytona__path_put_joined(daytona__strbuf_t *out, const char *folder, const char *name);

/* Append the home folder and what stands behind "~" or "~name"; "/" if that leaves nothing. */
void daytona__path_put_home(daytona__strbuf_t *out, const char *home, const char *rest);

#endif
