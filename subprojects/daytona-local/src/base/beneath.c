/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openat2(2) does all of it in the kernel. Where it is not to be had, each part is opened from the
 * descriptor of the one before with O_NOFOLLOW, which comes to the same.
 */
#include "base/beneath.h"

#include "base/base.h"
#include "base/buf.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define WALK_PATH_MAX (64 * 1024 * 1024)
#define ENTER_FLAGS (O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* --- parts --- */

static void close_keeping_errno(int fd) {
  int failure = errno;
  close(fd);
  errno = failure;
}

static int refuse(int code) {
  errno = code;
  return -1;
}

/* The next part of *path that is a name, in `part` (NAME_MAX + 1 bytes): 1, 0 at the end, or -1 with errno. */
static int next_part(const char **path, char *part) {
  for (;;) {
    *path += strspn(*path, "/");
    size_t len = strcspn(*path, "/");
    if (len == 0) return 0;
    if (len > NAME_MAX) return refuse(ENAMETOOLONG);
    memcpy(part, *path, len);
    part[len] = '\0';
    *path += len;
    if (strcmp(part, "..") == 0) return refuse(EXDEV);
    if (strcmp(part, ".") != 0) return 1;
  }
}

/* O_PATH with O_NOFOLLOW opens links themselves; nobody here wants one. */
static int refuse_link(int fd, int flags) {
  struct stat st;
  if (fd < 0 || (flags & O_PATH) == 0) return fd;
  if (fstat(fd, &st) == 0 && !S_ISLNK(st.st_mode)) return fd;
  close(fd);
  return refuse(ELOOP);
}

static bool is_last(const char *rest) {
  char part[NAME_MAX + 1];
  return next_part(&rest, part) == 0;
}

int dl_beneath_open_parts(int root, const char *path, int flags) {
  char part[NAME_MAX + 1];
  assert(root >= 0 && (flags & O_CREAT) == 0);
  if (path[0] == '/') return refuse(EXDEV);
  int at = openat(root, ".", O_PATH | ENTER_FLAGS), found;
  while (at >= 0 && (found = next_part(&path, part)) != 0) {
    int how = is_last(path) ? flags | O_NOFOLLOW | O_CLOEXEC : O_PATH | ENTER_FLAGS;
    int next = found < 0 ? -1 : refuse_link(openat(at, part, how), how);
    close_keeping_errno(at);
    if (next < 0 || is_last(path)) return next;
    at = next;
  }
  if (at < 0) return -1;
  int self = openat(at, ".", flags | O_NOFOLLOW | O_CLOEXEC);
  close_keeping_errno(at);
  return self;
}

static int open_by_kernel(int root, const char *path, int flags) {
  struct open_how how = {.flags = (unsigned)(flags | O_NOFOLLOW | O_CLOEXEC),
                         .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
  return (int)syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof how);
}

static bool has_parent_part(const char *path) {
  char part[NAME_MAX + 1];
  int found;
  while ((found = next_part(&path, part)) > 0) {}
  return found < 0;
}

int dl_beneath_open(int root, const char *path, int flags) {
  static bool is_missing; /* set at most once; a race only costs one more try */
  assert(root >= 0 && (flags & O_CREAT) == 0);
  if (path[0] == '/') return refuse(EXDEV);
  if (has_parent_part(path)) return -1;
  if (__atomic_load_n(&is_missing, __ATOMIC_RELAXED) || strlen(path) >= PATH_MAX)
    return dl_beneath_open_parts(root, path, flags);
  int fd = open_by_kernel(root, path, flags);
  if (fd >= 0) return refuse_link(fd, flags);
  /* Filters of containers answer EPERM to what they do not know. */
  if (errno != ENOSYS && errno != EPERM) return -1;
  if (errno == ENOSYS) __atomic_store_n(&is_missing, true, __ATOMIC_RELAXED);
  return dl_beneath_open_parts(root, path, flags);
}

/* --- making and changing --- */

/* Whoever made `name` in between, it is looked at through the descriptor, and changed only if it is ours. */
static int make_part(int dir, const char *name, mode_t mode, uid_t owner) {
  struct stat st;
  bool is_made = mkdirat(dir, name, mode) == 0;
  if (!is_made && errno != EEXIST) return -1;
  int fd = openat(dir, name, O_PATH | ENTER_FLAGS);
  if (fd < 0 || !is_made) return fd;
  bool ok = fstat(fd, &st) == 0;
  if (ok && st.st_uid == geteuid())
    ok = dl_beneath_chmod(fd, mode) == 0 &&
         (owner == (uid_t)-1 || fchownat(fd, "", owner, owner, AT_EMPTY_PATH) == 0);
  if (ok) return fd;
  close_keeping_errno(fd);
  return -1;
}

int dl_beneath_make(int root, const char *path, mode_t mode, uid_t owner) {
  char part[NAME_MAX + 1];
  if (path[0] == '/') return refuse(EXDEV);
  if (has_parent_part(path)) return -1;
  int at = openat(root, ".", O_PATH | ENTER_FLAGS);
  while (at >= 0 && next_part(&path, part) > 0) {
    int next = make_part(at, part, mode, owner);
    close_keeping_errno(at);
    at = next;
  }
  return at;
}

typedef struct {
  char text[32];
} fd_path_t;

/* A link of the kernel's that leads to the very file of the descriptor, whatever its path is now. */
static fd_path_t path_of(int fd) {
  fd_path_t path;
  snprintf(path.text, sizeof path.text, "/proc/self/fd/%d", fd);
  return path;
}

int dl_beneath_chmod(int fd, mode_t mode) { return chmod(path_of(fd).text, mode); }

int dl_beneath_set_xattr(int fd, const char *name, const void *value, size_t size) {
  return setxattr(path_of(fd).text, name, value, size, 0);
}

/* --- walking --- */

/* A directory on the way down. Only the deepest one is open; the way back up is "..", which must lead to
 * the directory that we came from. */
typedef struct level {
  struct level *up;
  dev_t dev;
  ino_t ino;
  char **names; /* directories in it that are still to be entered, last first */
  size_t count, cap, path_len;
} level_t;

typedef struct {
  level_t *deepest;
  int fd; /* of the deepest level */
  dl_buf_t path;
  dl_beneath_visit_cb visit;
  void *user;
} walk_t;

static void remember(level_t *l, const char *name) {
  if (l->count == l->cap) {
    l->cap = l->cap ? l->cap * 2 : 8;
    l->names = dl_xrealloc(l->names, l->cap * sizeof *l->names);
  }
  l->names[l->count++] = dl_xstrdup(name);
}

static bool push_path(walk_t *w, const char *name) {
  return (w->path.len == 0 || dl_buf_append(&w->path, "/", 1)) && dl_buf_append(&w->path, name, strlen(name));
}

static void cut_path(walk_t *w, size_t len) {
  w->path.len = len;
  if (w->path.data != NULL) w->path.data[len] = '\0';
}

static int visit_one(walk_t *w, level_t *l, const char *name) {
  dl_beneath_entry_t entry = {.dir = w->fd, .name = name};
  if (fstatat(w->fd, name, &entry.st, AT_SYMLINK_NOFOLLOW) != 0) return errno == ENOENT ? 0 : errno;
  if (!push_path(w, name)) return ENAMETOOLONG;
  entry.path = w->path.data;
  int rc = w->visit(&entry, w->user);
  cut_path(w, l->path_len);
  if (rc == 0 && S_ISDIR(entry.st.st_mode) && entry.st.st_dev == l->dev) remember(l, name);
  return rc;
}

static int visit_all(walk_t *w, level_t *l) {
  int fd = openat(w->fd, ".", O_RDONLY | ENTER_FLAGS), rc = 0;
  DIR *stream = fd < 0 ? NULL : fdopendir(fd);
  if (stream == NULL) {
    rc = errno;
    if (fd >= 0) close(fd);
    return rc;
  }
  struct dirent *entry;
  while (rc == 0 && (errno = 0, entry = readdir(stream)) != NULL)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
      rc = visit_one(w, l, entry->d_name);
  if (rc == 0) rc = errno;
  closedir(stream);
  return rc;
}

/* Takes `fd`, the directory whose path is w->path. */
static int enter(walk_t *w, int fd) {
  struct stat st;
  level_t *l = dl_xcalloc(1, sizeof *l);
  l->up = w->deepest;
  l->path_len = w->path.len;
  w->deepest = l;
  if (w->fd >= 0) close(w->fd);
  w->fd = fd;
  if (fstat(fd, &st) != 0) return errno;
  l->dev = st.st_dev;
  l->ino = st.st_ino;
  return visit_all(w, l);
}

static void drop_level(walk_t *w) {
  level_t *l = w->deepest;
  while (l->count > 0) free(l->names[--l->count]);
  free(l->names);
  w->deepest = l->up;
  free(l);
}

static int leave(walk_t *w) {
  struct stat st;
  drop_level(w);
  level_t *l = w->deepest;
  if (l == NULL) return 0;
  cut_path(w, l->path_len);
  int up = openat(w->fd, "..", O_PATH | ENTER_FLAGS);
  close_keeping_errno(w->fd);
  w->fd = up;
  if (up < 0 || fstat(up, &st) != 0) return errno;
  return st.st_dev == l->dev && st.st_ino == l->ino ? 0 : ESTALE;
}

int dl_beneath_walk(int root, dl_beneath_visit_cb visit, void *user) {
  walk_t w = {.fd = -1, .visit = visit, .user = user};
  dl_buf_init(&w.path, WALK_PATH_MAX);
  int top = openat(root, ".", O_PATH | ENTER_FLAGS);
  int rc = top < 0 ? errno : enter(&w, top);
  while (rc == 0 && w.deepest != NULL) {
    level_t *l = w.deepest;
    if (l->count == 0) {
      rc = leave(&w);
      continue;
    }
    char *name = l->names[--l->count];
    int fd = openat(w.fd, name, O_PATH | ENTER_FLAGS);
    rc = fd < 0 ? errno : push_path(&w, name) ? enter(&w, fd) : ENAMETOOLONG;
    free(name);
  }
  while (w.deepest != NULL) drop_level(&w);
  if (w.fd >= 0) close(w.fd);
  dl_buf_clear(&w.path);
  return rc;
}
