/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing trees. They were written by sandboxes, so nothing here follows a symbolic link, trusts a mode, or recurses
 * without a limit.
 */
#include "control/store/removal.h"

#include "base/base.h"
#include "base/beneath.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX 100

typedef struct {
  int top; /* where trees go that are too deep; -1 outside of the tree */
  const atomic_bool *stop;
} removal_t;

static int remove_at(removal_t *r, int dir, const char *name, int depth);

/* Of a directory without its rights. What has its name may be a link by now, which chmod would follow. */
static int unlock_dir(int dir, const char *name) {
  int fd = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0) dl_beneath_chmod(fd, 0700);
  return fd;
}

/* A tree deeper than we recurse moves up and is taken from there. */
static int lift(const removal_t *r, int dir, const char *name) {
  char *fresh = dl_random_token(16, DL_ALPHABET_LOWER);
  int fd = unlock_dir(dir, name); /* a directory must be writable to get another parent */
  if (fd >= 0) close(fd);
  int rc = renameat(dir, name, r->top, fresh) == 0 ? EAGAIN : errno;
  free(fresh);
  return rc;
}

static int empty_dir(removal_t *r, int fd, int depth) {
  DIR *stream = fdopendir(fd);
  if (!stream) {
    close(fd);
    return errno;
  }
  int rc = 0;
  bool is_top = r->top < 0;
  struct dirent *entry;
  if (is_top) r->top = dirfd(stream);
  while (rc != ECANCELED && (entry = readdir(stream))) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    int one = remove_at(r, dirfd(stream), entry->d_name, depth + 1);
    if (one && rc != EAGAIN) rc = one;
    if (one == ECANCELED) rc = one;
  }
  if (is_top) r->top = -1;
  closedir(stream);
  return rc;
}

static int remove_at(removal_t *r, int dir, const char *name, int depth) {
  if (r->stop && atomic_load(r->stop)) return ECANCELED;
  if (unlinkat(dir, name, 0) == 0 || errno == ENOENT) return 0;
  if (errno != EISDIR && errno != EPERM) return errno;
  if (depth > DEPTH_MAX) return lift(r, dir, name);
  int locked = unlock_dir(dir, name);
  if (locked < 0) return errno;
  int fd = openat(locked, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), reason = errno;
  close(locked);
  if (fd < 0) return reason;
  int rc = empty_dir(r, fd, depth);
  /* EAGAIN goes up in any case: something was lifted and still has to be taken from the top. */
  if (unlinkat(dir, name, AT_REMOVEDIR) == 0) return rc == EAGAIN ? EAGAIN : 0;
  return rc ? rc : errno;
}

int dl_remove_tree(const char *path, const atomic_bool *stop) {
  removal_t r = {-1, stop};
  int rc;
  /* Each round leaves only what was lifted, which is a hundred levels less deep. */
  do rc = remove_at(&r, AT_FDCWD, path, 0);
  while (rc == EAGAIN);
  return rc;
}
