/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing goes down with one open folder at a time, and up through "..", so a tree of any depth
 * needs few descriptors and no long paths. A name is only entered with O_NOFOLLOW: a link that takes
 * the place of a folder meanwhile is removed, not followed.
 */
#include "toolbox/files/tree.h"

#include "base/base.h"
#include "toolbox/files/fileio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BLOCK (128u * 1024)

/* --- remove --- */

typedef struct {
  int fd;
  char **names; /* of the folders below the first one, down to `fd` */
  size_t depth, room;
} descent_t;

static int open_dir(int at, const char *name) {
  return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int go_down(descent_t *d, const char *name) {
  int fd = open_dir(d->fd, name);
  if (fd < 0) return errno;
  if (d->depth == d->room) {
    d->room = d->room ? d->room * 2 : 16;
    d->names = dl_xrealloc(d->names, d->room * sizeof *d->names);
  }
  d->names[d->depth++] = dl_xstrdup(name);
  close(d->fd);
  d->fd = fd;
  return 0;
}

static int go_up(descent_t *d) {
  int fd = open_dir(d->fd, "..");
  if (fd < 0) return errno;
  close(d->fd);
  d->fd = fd;
  char *name = d->names[--d->depth];
  int error = unlinkat(fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : errno;
  free(name);
  return error;
}

/* Removes what is no folder. *next: a folder to enter (yours to free), or NULL when all is gone. */
static int clear_level(const descent_t *d, char **next) {
  int copy = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = 0;
  DIR *dir = copy < 0 ? NULL : fdopendir(copy);
  *next = NULL;
  if (dir == NULL) return errno;
  for (struct dirent *entry; error == 0 && *next == NULL && (entry = readdir(dir)) != NULL;) {
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
    if (unlinkat(d->fd, name, 0) == 0 || errno == ENOENT) continue;
    error = errno;
    struct stat st;
    bool is_dir = fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
    if (!is_dir) continue;
    *next = dl_xstrdup(name);
    error = 0;
  }
  closedir(dir);
  return error;
}

static int remove_dir(const char *path) {
  descent_t d = {.fd = open_dir(AT_FDCWD, path)};
  int error = d.fd < 0 ? errno : 0;
  while (error == 0) {
    char *next;
    error = clear_level(&d, &next);
    if (error == 0 && next != NULL)
      error = go_down(&d, next);
    else if (error == 0 && d.depth == 0)
      break;
    else if (error == 0)
      error = go_up(&d);
    free(next);
  }
  if (d.fd >= 0) close(d.fd);
  while (d.depth > 0) free(d.names[--d.depth]);
  free(d.names);
  if (error == 0 && rmdir(path) != 0) error = errno;
  return error;
}

int dl_tree_remove(const char *path, char **failed) {
  struct stat st;
  int error = lstat(path, &st) == 0 ? 0 : errno;
  if (error == 0 && S_ISDIR(st.st_mode))
    error = remove_dir(path);
  else if (error == 0 && unlink(path) != 0)
    error = errno;
  if (error != 0) *failed = dl_xstrdup(path);
  return error;
}

/* --- copy --- */

static int copy_bytes(int in, int out) {
  char *block = dl_xmalloc(COPY_BLOCK);
  int error = 0;
  for (;;) {
    ssize_t got = read(in, block, COPY_BLOCK);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) error = errno;
    if (got <= 0) break;
    if (!dl_fs_write_all(out, block, (size_t)got)) {
      error = errno;
      break;
    }
  }
  free(block);
  return error;
}

static int copy_file(const char *from, const char *to, const struct stat *st) {
  int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (in < 0) return errno;
  int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600),
      error = out < 0 ? errno : copy_bytes(in, out);
  close(in);
  if (out < 0) return error;
  struct timespec times[2] = {st->st_atim, st->st_mtim};
  if (error == 0 && (fchmod(out, st->st_mode & 07777) != 0 || futimens(out, times) != 0)) error = errno;
  if (close(out) != 0 && error == 0) error = errno;
  return error;
}

static int copy_link(const char *from, const char *to) {
  char target[4096];
  ssize_t len = readlink(from, target, sizeof target - 1);
  if (len < 0) return errno;
  target[len] = '\0';
  return symlink(target, to) == 0 ? 0 : errno;
}

typedef struct {
  const char *to;
  char **failed;
  int error;
} copying_t;

static int copy_one(const char *from, const char *to, const struct stat *st) {
  if (S_ISREG(st->st_mode)) return copy_file(from, to, st);
  if (S_ISLNK(st->st_mode)) return copy_link(from, to);
  /* A folder is writable by us until its content is there. */
  if (S_ISDIR(st->st_mode)) return mkdir(to, 0700) == 0 ? 0 : errno;
  if (S_ISFIFO(st->st_mode)) return mkfifo(to, st->st_mode & 07777) == 0 ? 0 : errno;
  return EOPNOTSUPP;
}

static bool visit(void *user, const char *path, const char *rel, const struct stat *st) {
  copying_t *c = user;
  char *to = *rel ? dl_fs_join(c->to, rel) : dl_xstrdup(c->to);
  c->error = copy_one(path, to, st);
  if (c->error != 0) *c->failed = dl_xstrdup(path);
  free(to);
  return c->error == 0;
}

static bool visit_modes(void *user, const char *path, const char *rel, const struct stat *st) {
  const copying_t *c = user;
  (void)path;
  if (!S_ISDIR(st->st_mode)) return true;
  char *to = *rel ? dl_fs_join(c->to, rel) : dl_xstrdup(c->to);
  struct timespec times[2] = {st->st_atim, st->st_mtim};
  utimensat(AT_FDCWD, to, times, 0);
  chmod(to, st->st_mode & 07777);
  free(to);
  return true;
}

int dl_tree_copy(const char *from, const char *to, char **failed) {
  copying_t c = {to, failed, 0};
  /* A copy is whole or it has failed: the source is removed after it. */
  if (!dl_fs_walk(from, visit, &c) && c.error == 0) {
    c.error = EACCES;
    *failed = dl_xstrdup(from);
  }
  if (c.error == 0) dl_fs_walk(from, visit_modes, &c);
  return c.error;
}
