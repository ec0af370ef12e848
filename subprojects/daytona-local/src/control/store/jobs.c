/* SPDX-License-Identifier: Apache-2.0
 *
 * Archives and removals on the thread pool. The trees were written by sandboxes, so nothing here
 * follows a symbolic link, trusts a mode, or recurses without a limit.
 */
#include "control/store/jobs.h"

#include "base/beneath.h"
#include "base/map.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BLOCK (64 * 1024)
#define DEPTH_MAX 100

typedef enum { JOB_PACK, JOB_UNPACK, JOB_REMOVE } job_kind;

typedef struct {
  dl_list link;
  uv_work_t work;
  job_kind kind;
  char *from, *to;
  char *error;
  dl_job_cb cb;
  void *user;
} job;

/* ---- removing ---- */

static int remove_at(int top, int dir, const char *name, int depth);

/* Of a directory without its rights. What has its name may be a link by now, which chmod would follow. */
static int unlock_dir(int dir, const char *name) {
  int fd = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0) dl_beneath_chmod(fd, 0700);
  return fd;
}

/* A tree deeper than we recurse moves up and is taken from there. */
static int lift(int top, int dir, const char *name) {
  char *fresh = dl_random_token(16, DL_ALPHABET_LOWER);
  int fd = unlock_dir(dir, name); /* a directory must be writable to get another parent */
  if (fd >= 0) close(fd);
  int rc = renameat(dir, name, top, fresh) == 0 ? EAGAIN : errno;
  free(fresh);
  return rc;
}

static int empty_dir(int top, int fd, int depth) {
  DIR *stream = fdopendir(fd);
  if (!stream) {
    close(fd);
    return errno;
  }
  int rc = 0;
  struct dirent *entry;
  while ((entry = readdir(stream))) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    int one = remove_at(top < 0 ? dirfd(stream) : top, dirfd(stream), entry->d_name, depth + 1);
    if (one && rc != EAGAIN) rc = one;
  }
  closedir(stream);
  return rc;
}

static int remove_at(int top, int dir, const char *name, int depth) {
  if (unlinkat(dir, name, 0) == 0 || errno == ENOENT) return 0;
  if (errno != EISDIR && errno != EPERM) return errno;
  if (depth > DEPTH_MAX) return lift(top, dir, name);
  int locked = unlock_dir(dir, name);
  if (locked < 0) return errno;
  int fd = openat(locked, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), reason = errno;
  close(locked);
  if (fd < 0) return reason;
  int rc = empty_dir(top, fd, depth);
  /* EAGAIN goes up in any case: something was lifted and still has to be taken from the top. */
  if (unlinkat(dir, name, AT_REMOVEDIR) == 0) return rc == EAGAIN ? EAGAIN : 0;
  return rc ? rc : errno;
}

int dl_remove_tree(const char *path) {
  int rc;
  /* Each round leaves only what was lifted, which is a hundred levels less deep. */
  do rc = remove_at(-1, AT_FDCWD, path, 0);
  while (rc == EAGAIN);
  return rc;
}

/* ---- packing ---- */

/* What a server without root rights had to open to read it, and the modes that are archived and
 * put back. Paths are below the home. */
typedef struct {
  dl_map modes; /* path -> the entry's mode */
  struct locked {
    char *path;
    mode_t mode;
  } * *list; /* parents before what is in them */
  size_t count;
} locked_set;

static int chmod_beneath(int dir, const char *path, mode_t mode) {
  int fd = dl_beneath_open(dir, path, O_PATH);
  int rc = fd < 0 ? -1 : dl_beneath_chmod(fd, mode);
  if (fd >= 0) close(fd);
  return rc;
}

static void unlock(locked_set *l, int dir, const char *name, const char *path, mode_t mode, mode_t needed) {
  struct locked *entry;
  if ((mode & needed) == needed || chmod_beneath(dir, name, (mode | needed) & 07777) != 0) return;
  entry = dl_xcalloc(1, sizeof *entry);
  *entry = (struct locked){dl_xstrdup(path), mode & 07777};
  l->list = dl_xrealloc(l->list, (l->count + 1) * sizeof *l->list);
  l->list[l->count++] = entry;
  dl_map_put(&l->modes, path, entry);
}

/* A directory is visited before it is read. */
static int unlock_entry(const dl_beneath_entry *e, void *user) {
  if (S_ISDIR(e->st.st_mode)) unlock(user, e->dir, e->name, e->path, e->st.st_mode, 0700);
  if (S_ISREG(e->st.st_mode)) unlock(user, e->dir, e->name, e->path, e->st.st_mode, 0400);
  return 0;
}

/* What stays shut shows when it is read. */
static void unlock_tree(locked_set *l, int home) {
  struct stat st;
  if (geteuid() == 0) return;
  if (fstat(home, &st) == 0) unlock(l, home, ".", ".", st.st_mode, 0700);
  dl_beneath_walk(home, unlock_entry, l);
}

static void lock_again(locked_set *l, int home) {
  while (l->count > 0) {
    struct locked *entry = l->list[--l->count];
    if (chmod_beneath(home, entry->path, entry->mode) != 0)
      dl_warn("cannot restore the mode of %s: %s", entry->path, strerror(errno));
    free(entry->path);
    free(entry);
  }
  free(l->list);
  dl_map_clear(&l->modes);
}

static char *archive_problem(const char *what, struct archive *a) {
  const char *text = archive_error_string(a);
  return dl_xprintf("%s: %s", what, text ? text : strerror(archive_errno(a)));
}

static char *copy_file(struct archive *out, int home, const char *path) {
  static _Thread_local char block[COPY_BLOCK];
  int fd = dl_beneath_open(home, path, O_RDONLY | O_NONBLOCK);
  if (fd < 0) return dl_xprintf("cannot read a file: %s", strerror(errno));
  ssize_t got;
  char *error = NULL;
  while (!error && (got = read(fd, block, sizeof block)) > 0)
    if (archive_write_data(out, block, (size_t)got) < 0)
      error = archive_problem("cannot write the archive", out);
  close(fd);
  return error;
}

static char *pack_entry(struct archive *out, struct archive_entry *entry, const char *root, int home,
                        const locked_set *locked) {
  const char *full = archive_entry_pathname(entry);
  size_t root_len = strlen(root);
  char *relative =
    dl_xstrdup(strncmp(full, root, root_len) == 0 && full[root_len] == '/' ? full + root_len + 1 : ".");
  const struct locked *was = dl_map_get(&locked->modes, relative);
  if (was) archive_entry_set_perm(entry, was->mode);
  archive_entry_copy_pathname(entry, relative);
  const char *link = archive_entry_hardlink(entry);
  if (link && strncmp(link, root, root_len) == 0 && link[root_len] == '/') {
    char *target = dl_xstrdup(link + root_len + 1);
    archive_entry_copy_hardlink(entry, target);
    free(target);
  }
  char *error = NULL;
  /* Sockets have no place in an archive and no meaning afterwards. */
  if (archive_entry_filetype(entry) != AE_IFSOCK) {
    if (archive_write_header(out, entry) < ARCHIVE_WARN)
      error = archive_problem("cannot write the archive", out);
    else if (archive_entry_filetype(entry) == AE_IFREG && archive_entry_size(entry) > 0)
      error = copy_file(out, home, relative);
  }
  free(relative);
  return error;
}

static char *pack_tree(struct archive *in, struct archive *out, const char *root, int home,
                       const locked_set *locked) {
  struct archive_entry_linkresolver *links = archive_entry_linkresolver_new();
  archive_entry_linkresolver_set_strategy(links, archive_format(out));
  char *error = NULL;
  while (!error) {
    struct archive_entry *entry = archive_entry_new(), *spare = NULL;
    int rc = archive_read_next_header2(in, entry);
    if (rc < ARCHIVE_WARN) error = archive_problem("cannot read the home", in);
    if (rc == ARCHIVE_OK || rc == ARCHIVE_WARN) {
      archive_read_disk_descend(in);
      archive_entry_linkify(links, &entry, &spare);
      if (entry) error = pack_entry(out, entry, root, home, locked);
    }
    archive_entry_free(entry);
    archive_entry_free(spare);
    if (rc == ARCHIVE_EOF) break;
  }
  archive_entry_linkresolver_free(links);
  return error;
}

static char *sync_path(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  bool ok = fd >= 0 && fsync(fd) == 0;
  char *error = ok ? NULL : dl_xprintf("cannot sync %s: %s", path, strerror(errno));
  if (fd >= 0) close(fd);
  return error;
}

static char *parent_of(const char *path) { return dl_xstrndup(path, (size_t)(strrchr(path, '/') - path)); }

/* Publish `temp` as `path`, so that a crash leaves one of: nothing, or all of it. */
static char *publish(const char *temp, const char *path) {
  char *error = sync_path(temp);
  if (!error && rename(temp, path) != 0) error = dl_xprintf("cannot rename to %s: %s", path, strerror(errno));
  if (!error) {
    char *parent = parent_of(path);
    error = sync_path(parent);
    free(parent);
  }
  return error;
}

static char *pack(const char *dir, const char *file) {
  char *temp = dl_xprintf("%s.part", file), *error = NULL;
  struct archive *in = archive_read_disk_new(), *out = archive_write_new();
  locked_set locked = {0};
  int home = open(dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (home < 0) error = dl_xprintf("cannot open the home: %s", strerror(errno));
  if (!error) unlock_tree(&locked, home);
  archive_read_disk_set_symlink_physical(in);
  archive_write_set_format_pax_restricted(out);
  archive_write_set_bytes_per_block(out, 64 * 1024);
  if (!error && archive_read_disk_open(in, dir) != ARCHIVE_OK)
    error = archive_problem("cannot read the home", in);
  else if (!error && archive_write_open_filename(out, temp) != ARCHIVE_OK)
    error = archive_problem("cannot make the archive", out);
  if (!error) error = pack_tree(in, out, dir, home, &locked);
  if (archive_write_close(out) != ARCHIVE_OK && !error)
    error = archive_problem("cannot write the archive", out);
  archive_read_free(in);
  archive_write_free(out);
  lock_again(&locked, home);
  if (home >= 0) close(home);
  if (!error) error = publish(temp, file);
  if (error) unlink(temp);
  free(temp);
  return error;
}

/* ---- unpacking ---- */

static char *unpack_data(struct archive *in, struct archive *out) {
  for (;;) {
    const void *block;
    size_t size;
    la_int64_t offset;
    int rc = archive_read_data_block(in, &block, &size, &offset);
    if (rc == ARCHIVE_EOF) return NULL;
    if (rc < ARCHIVE_WARN) return archive_problem("cannot read the archive", in);
    if (archive_write_data_block(out, block, size, offset) < ARCHIVE_WARN)
      return archive_problem("cannot restore a file", out);
  }
}

static char *unpack_entries(struct archive *in, struct archive *out, const char *root) {
  struct archive_entry *entry;
  for (;;) {
    int rc = archive_read_next_header(in, &entry);
    if (rc == ARCHIVE_EOF) return NULL;
    if (rc < ARCHIVE_WARN) return archive_problem("cannot read the archive", in);
    char *path = dl_xprintf("%s/%s", root, archive_entry_pathname(entry));
    archive_entry_copy_pathname(entry, path);
    free(path);
    if (archive_entry_hardlink(entry)) {
      char *link = dl_xprintf("%s/%s", root, archive_entry_hardlink(entry));
      archive_entry_copy_hardlink(entry, link);
      free(link);
    }
    if (archive_write_header(out, entry) < ARCHIVE_WARN) return archive_problem("cannot restore a file", out);
    char *error = unpack_data(in, out);
    if (error) return error;
  }
}

static char *unpack(const char *file, const char *dir) {
  char *temp = dl_xprintf("%s.part", dir), *error = NULL;
  dl_remove_tree(temp);
  /* Symbolic links are refused below the root only if the root itself has none. */
  if (mkdir(temp, 0700) != 0) error = dl_xprintf("cannot make %s: %s", temp, strerror(errno));
  char *root = error ? NULL : realpath(temp, NULL);
  struct archive *in = archive_read_new(), *out = archive_write_disk_new();
  archive_read_support_format_tar(in);
  int flags = ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_SECURE_SYMLINKS |
              ARCHIVE_EXTRACT_SECURE_NODOTDOT;
  if (geteuid() == 0) flags |= ARCHIVE_EXTRACT_OWNER;
  archive_write_disk_set_options(out, flags);
  if (!error && archive_read_open_filename(in, file, COPY_BLOCK) != ARCHIVE_OK)
    error = archive_problem("cannot open the archive", in);
  if (!error) error = unpack_entries(in, out, root);
  if (archive_write_close(out) < ARCHIVE_WARN && !error) error = archive_problem("cannot restore", out);
  archive_read_free(in);
  archive_write_free(out);
  if (!error) dl_remove_tree(dir);
  if (!error) error = publish(temp, dir);
  if (error) dl_remove_tree(temp);
  free(root);
  free(temp);
  return error;
}

/* ---- on the pool ---- */

static void on_work(uv_work_t *work) {
  job *j = work->data;
  if (j->kind == JOB_PACK) j->error = pack(j->from, j->to);
  if (j->kind == JOB_UNPACK) j->error = unpack(j->from, j->to);
  if (j->kind == JOB_REMOVE) {
    int rc = dl_remove_tree(j->from);
    if (rc) j->error = dl_xprintf("cannot remove %s: %s", j->from, strerror(rc));
  }
}

static void on_done(uv_work_t *work, int status) {
  (void)status;
  job *j = work->data;
  dl_list_unlink(&j->link);
  if (j->error) dl_warn("%s", j->error);
  if (j->cb) j->cb(j->error, j->user);
  free(j->error);
  free(j->from);
  free(j->to);
  free(j);
}

static void submit(uv_loop_t *loop, dl_list *jobs, job_kind kind, const char *from, const char *to,
                   dl_job_cb cb, void *user) {
  job *j = dl_xcalloc(1, sizeof *j);
  *j = (job){.kind = kind, .from = dl_xstrdup(from), .cb = cb, .user = user};
  dl_set(&j->to, to);
  j->work.data = j;
  dl_list_push(jobs, &j->link);
  uv_queue_work(loop, &j->work, on_work, on_done);
}

void dl_job_pack(uv_loop_t *loop, dl_list *jobs, const char *dir, const char *file, dl_job_cb cb,
                 void *user) {
  submit(loop, jobs, JOB_PACK, dir, file, cb, user);
}
void dl_job_unpack(uv_loop_t *loop, dl_list *jobs, const char *file, const char *dir, dl_job_cb cb,
                   void *user) {
  submit(loop, jobs, JOB_UNPACK, file, dir, cb, user);
}
void dl_job_remove(uv_loop_t *loop, dl_list *jobs, const char *path, dl_job_cb cb, void *user) {
  submit(loop, jobs, JOB_REMOVE, path, NULL, cb, user);
}
