/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A walk over a local file or folder, in an order that depends on the names alone. Blocks on the disk: for the thread
 * pool, one thread at a time.
 *
 * Links inside are entries of their own and never followed; the path that the walk begins with is. Each folder is opened
 * below its parent's descriptor, so that one that is replaced by a link meanwhile leads nowhere else.
 *
 * The walk keeps a fingerprint of what it has seen: paths, kinds, sizes, times and numbers of files. Two walks with the
 * same fingerprint have read the same.
 */
#ifndef DAYTONA_WIRE_TREE_H
#define DAYTONA_WIRE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <daytona/error.h>

/* Folders inside each other in a context, each with a descriptor while the walk is below it. */
#define DAYTONA__TREE_DEPTH_MAX 256

/* Names of the folders that a walk is in, all together. */
#define DAYTONA__TREE_NAMES_MAX ((size_t)256 << 20)

typedef struct daytona__tree daytona__tree_t;

typedef enum daytona__tree_order {
  DAYTONA__TREE_BY_NAME,    /* a folder, then all that is in it; what is beside each other by name */
  DAYTONA__TREE_FILES_FIRST /* the same, but of each folder the files come before the folders */
} daytona__tree_order_t;

typedef struct daytona__tree_entry {
  const char *path;   /* below the beginning; "" for that itself */
  const char *target; /* of a link; else NULL */
  struct stat stat;   /* of the entry itself: a regular file, a folder or a link */
  bool is_empty;      /* a folder without anything in it */
} daytona__tree_entry_t;

/* `path` is copied. NULL without memory. */
daytona__tree_t *daytona__tree_new(const char *path, daytona__tree_order_t order);
void daytona__tree_free(daytona__tree_t *tree);

/* The next entry, valid until the following call; NULL: there is none, or an error. Sockets are left out. */
const daytona__tree_entry_t *daytona__tree_next(daytona__tree_t *tree);

/*
 * Read on in the entry, a regular file or a link to one. 0: the end, or an error. A file that has changed since it was
 * opened is an error, as it is one that is longer or shorter than it was.
 */
size_t daytona__tree_read(daytona__tree_t *tree, void *out, size_t size);

/* Open what the link points at for daytona__tree_read(). False: that is no regular file, or an error. */
bool daytona__tree_follow(daytona__tree_t *tree);

uint64_t daytona__tree_fingerprint(const daytona__tree_t *tree);

/* DAYTONA_OK, DAYTONA_EIO, DAYTONA_ENOMEM or DAYTONA_ELIMIT; then with a text and perhaps the system's number. */
daytona_errcode_t daytona__tree_error(const daytona__tree_t *tree, const char **text, int *system_errno);

#endif
