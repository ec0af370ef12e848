/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths below a directory that a sandbox can write to.
 *
 * Nothing there may be opened by its path as text: between a look at a path and its use, a program of the
 * sandbox can exchange any part of it for a link to anywhere on the host. These functions begin at a
 * descriptor of the directory, follow no link at all, and never leave it; what is done afterwards (mode,
 * owner, attributes, mounts) is done to the descriptor they return.
 */
#ifndef DL_BENEATH_H
#define DL_BENEATH_H

#include <sys/stat.h>
#include <sys/types.h>

/* Opens `path`, which is relative to the directory `root` (O_PATH is enough); "." parts and empty parts
 * count for nothing. `flags` as for open(2), without O_CREAT; O_CLOEXEC and O_NOFOLLOW are added, and with
 * O_PATH a link at the end is refused too. A descriptor of yours, or -1 with errno: ELOOP or ENOTDIR where
 * a part is a link, EXDEV for an absolute path or a ".." part. */
int dl_beneath_open(int root, const char *path, int flags);

/* The same with one openat(2) per part, for kernels and containers that have no openat2(2). */
int dl_beneath_open_parts(int root, const char *path, int flags);

/* Opens the directory `path` with O_PATH; parts that are missing are made, with `mode` whatever the umask
 * and, unless `owner` is -1, for that user and group. -1 with errno as above. */
int dl_beneath_make(int root, const char *path, mode_t mode, uid_t owner);

/* chmod and setxattr of what an O_PATH descriptor stands for. 0, or -1 with errno. */
int dl_beneath_chmod(int fd, mode_t mode);
int dl_beneath_set_xattr(int fd, const char *name, const void *value, size_t size);

/* One entry of a tree. All of it is borrowed for the call. */
typedef struct {
  int dir;          /* the directory it is in */
  const char *name; /* its name there */
  const char *path; /* its path from the root of the walk */
  struct stat st;   /* of itself, also if it is a link */
} dl_beneath_entry_t;

/* 0 to continue, or an errno value that ends the walk. */
typedef int (*dl_beneath_visit_cb)(const dl_beneath_entry_t *entry, void *user);

/* Calls `visit` for everything below `root` (not for root itself), each directory before what is in it.
 * Other file systems are not entered. Any depth, with a fixed number of descriptors. 0, what visit
 * returned, or an errno value; ESTALE when a directory was moved meanwhile. */
int dl_beneath_walk(int root, dl_beneath_visit_cb visit, void *user);

#endif
