/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packing a home and unpacking it. The tree was written by a sandbox: it is walked with descriptors, one folder at a
 * time, so that no link is followed, any depth costs two descriptors, and a path may be longer than the kernel takes.
 * Holes are asked for before a file is read (a file of terabytes may have no block at all), and `stop` is looked at
 * for every entry and every block.
 */
#include "control/store/archive.h"

#include "base/base.h"
#include "base/beneath.h"
#include "base/buf.h"
#include "control/store/removal.h"

#include <archive.h>
#include <archive_entry.h>
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define BLOCK (64 * 1024)
/* Dirty pages of an archive are written early, so that the syncs of the journal and our own stay short. */
#define WRITEBACK (16 << 20)
/* Zeros that stand for holes; the writer skips them unread. */
#define ZEROS_MAX ((size_t)1 << 30)
/* Gaps below this count as data where a file has very many; more chunks than the ceiling are refused. */
#define SMALL_HOLE BLOCK
#define PIECES_MANY 65536
#define PIECES_MAX 1000000
#define NAMES_MAX ((size_t)256 << 20)
#define PATH_LEN_MAX ((size_t)64 << 20)
/* Of a home that changes meanwhile. */
#define TRIES_MAX 5

/* Of one file. */
#define ATTRIBUTES_MAX 65536

const char DL_GIVEN_UP[] = "given up";
static const char CHANGED[] = "the home changed while it was archived";
const char DL_FOREIGN[] = "files of other users are in it";

/* A folder on the way from the home to where the walk is. */
typedef struct {
  size_t names_at;  /* where its names begin in the packer's buffer */
  size_t next;      /* the name to take next */
  size_t path_len;  /* its own path is that much of the packer's */
  struct stat stat; /* with the mode that it shall have */
  bool is_opened;   /* its mode was changed to read it */
} level_t;

typedef struct {
  struct archive *out;
  struct archive_entry_linkresolver *links;
  const atomic_bool *stop;
  int out_fd;
  off_t written, flushed;
  bool has_failed; /* nothing more is written */
  char *zeros;
  size_t zeros_len;
  int dir;        /* the folder of the top level */
  dl_buf_t path;  /* from the home; empty for the home itself */
  dl_buf_t names; /* of all levels, each ended by NUL */
  level_t *levels;
  size_t depth, capacity;
} packer_t;

static char *archive_problem(const char *what, struct archive *a) {
  const char *text = archive_error_string(a);
  return dl_xprintf("%s: %s", what, text ? text : strerror(archive_errno(a)));
}

static char *problem(const char *what) { return dl_xprintf("cannot %s: %s", what, strerror(errno)); }

/* --- writing the file --- */

static int on_open(struct archive *a, void *user) {
  (void)a, (void)user;
  return ARCHIVE_OK;
}

/* Begin to write what is behind us, and wait for what was begun before. */
static void flush_behind(packer_t *p) {
  if (p->written - p->flushed < WRITEBACK) return;
  sync_file_range(p->out_fd, p->flushed, p->written - p->flushed, SYNC_FILE_RANGE_WRITE);
  if (p->flushed >= WRITEBACK)
    sync_file_range(p->out_fd, 0, p->flushed,
                    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
  p->flushed = p->written;
}

static la_ssize_t on_write(struct archive *a, void *user, const void *bytes, size_t len) {
  packer_t *p = user;
  ssize_t done;
  if (p->has_failed) return -1;
  do done = write(p->out_fd, bytes, len);
  while (done < 0 && errno == EINTR);
  if (done < 0) {
    archive_set_error(a, errno, "%s", strerror(errno));
    return -1;
  }
  p->written += done;
  flush_behind(p);
  return done;
}

/* --- data --- */

static char *write_zeros(packer_t *p, off_t count) {
  while (count > 0) {
    if (atomic_load(p->stop)) return dl_xstrdup(DL_GIVEN_UP);
    size_t part = count < (off_t)p->zeros_len ? (size_t)count : p->zeros_len;
    if (archive_write_data(p->out, p->zeros, part) < 0)
      return archive_problem("cannot write the archive", p->out);
    count -= (off_t)part;
  }
  return NULL;
}

/* A file that became shorter meanwhile ends in zeros: its length is in the archive already. */
static char *write_piece(packer_t *p, int fd, off_t at, off_t end) {
  static _Thread_local char block[BLOCK];
  while (at < end) {
    if (atomic_load(p->stop)) return dl_xstrdup(DL_GIVEN_UP);
    ssize_t got = pread(fd, block, end - at < BLOCK ? (size_t)(end - at) : BLOCK, at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return problem("read a file");
    if (got == 0) return write_zeros(p, end - at);
    if (archive_write_data(p->out, block, (size_t)got) < 0)
      return archive_problem("cannot write the archive", p->out);
    at += got;
  }
  return NULL;
}

/* The writer wants every byte of the file, those of holes too, but keeps only the chunks of the entry's list. */
static char *write_content(packer_t *p, struct archive_entry *entry, int fd) {
  la_int64_t at = 0, size = archive_entry_size(entry), offset, len;
  char *error = NULL;
  if (archive_entry_sparse_reset(entry) == 0) return write_piece(p, fd, 0, size);
  while (!error && archive_entry_sparse_next(entry, &offset, &len) == ARCHIVE_OK) {
    error = write_zeros(p, offset - at);
    if (!error) error = write_piece(p, fd, offset, offset + len);
    at = offset + len;
  }
  return error ? error : write_zeros(p, size - at);
}

/* The chunks of data as the file system knows them. A file without any hole gets no list. */
static char *list_pieces(packer_t *p, struct archive_entry *entry, int fd) {
  off_t size = archive_entry_size(entry), start = 0, end = 0, at = 0;
  size_t count = 0;
  while (at < size) {
    if (atomic_load(p->stop)) return dl_xstrdup(DL_GIVEN_UP);
    off_t data = lseek(fd, at, SEEK_DATA), hole = -1;
    if (data < 0 && errno == ENXIO) break; /* nothing but a hole is left */
    if (data < 0)
      data = at; /* it knows no holes: all is data */
    else
      hole = lseek(fd, data, SEEK_HOLE);
    if (data >= size) break;
    if (hole <= data || hole > size) hole = size;
    bool is_apart = data - end >= (count > PIECES_MANY ? SMALL_HOLE : 1);
    if (end > start && is_apart) {
      archive_entry_sparse_add_entry(entry, start, end - start);
      if (++count > PIECES_MAX) return dl_xstrdup("a file is in more pieces than an archive can hold");
    }
    if (end == start || is_apart) start = data;
    at = end = hole;
  }
  if (start == 0 && end == size) return NULL;
  archive_entry_sparse_add_entry(entry, start, end - start); /* (0, 0) where there is no data at all */
  return NULL;
}

/* --- one entry --- */

static char *write_entry(packer_t *p, struct archive_entry *entry, int fd) {
  bool has_content = archive_entry_filetype(entry) == AE_IFREG && archive_entry_size(entry) > 0 &&
                     !archive_entry_hardlink(entry);
  char *error = has_content ? list_pieces(p, entry, fd) : NULL;
  if (!error && archive_write_header(p->out, entry) < ARCHIVE_WARN)
    error = archive_problem("cannot write the archive", p->out);
  if (!error && has_content) error = write_content(p, entry, fd);
  return error;
}

/* What overlay notes in user.overlay. is about this disk's files, but for folders that hide those of the image. */
static bool is_kept(const char *name) {
  static const char OVERLAY[] = "user.overlay.";
  const char *rest = name + sizeof OVERLAY - 1;
  /* What is called so inside of a sandbox has the prefix twice on the disk. */
  if (dl_starts_with(name, OVERLAY)) return strcmp(rest, "opaque") == 0 || dl_starts_with(rest, "overlay.");
  return dl_starts_with(name, "user.") || strcmp(name, "security.capability") == 0;
}

static void add_attributes(struct archive_entry *entry, int fd) {
  static _Thread_local char names[ATTRIBUTES_MAX], value[ATTRIBUTES_MAX];
  ssize_t len = flistxattr(fd, names, sizeof names);
  for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1) {
    if (!is_kept(names + at)) continue;
    ssize_t size = fgetxattr(fd, names + at, value, sizeof value);
    if (size >= 0) archive_entry_xattr_add_entry(entry, names + at, value, (size_t)size);
  }
}

/* `fd` is the open file of a regular one or a folder. */
static char *pack_entry(packer_t *p, const struct stat *st, int fd, const char *target) {
  if (geteuid() != 0 && st->st_uid != geteuid()) return dl_xstrdup(DL_FOREIGN);
  struct archive_entry *entry = archive_entry_new(), *spare = NULL;
  archive_entry_copy_stat(entry, st);
  if (fd >= 0) add_attributes(entry, fd);
  archive_entry_copy_pathname(entry, p->path.len > 0 ? p->path.data : ".");
  if (target) archive_entry_copy_symlink(entry, target);
  if (!S_ISDIR(st->st_mode)) archive_entry_linkify(p->links, &entry, &spare);
  assert(entry && !spare); /* in a tar file the first of several links has the content */
  char *error = write_entry(p, entry, fd);
  archive_entry_free(entry);
  return error;
}

/* Opens what the server's user may not read, and says so. */
static int open_entry(const packer_t *p, const char *name, const struct stat *st, bool *is_opened) {
  int flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC | (S_ISDIR(st->st_mode) ? O_DIRECTORY : 0);
  mode_t needed = S_ISDIR(st->st_mode) ? 0700 : 0400, mode = st->st_mode & 07777;
  *is_opened = false;
  if (geteuid() == 0 || (mode & needed) == needed) return openat(p->dir, name, flags | O_NOFOLLOW);
  int shut = openat(p->dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (shut < 0) return -1;
  *is_opened = dl_beneath_chmod(shut, mode | needed) == 0;
  int fd = openat(p->dir, name, flags | O_NOFOLLOW), failure = errno;
  if (fd < 0 && *is_opened) dl_beneath_chmod(shut, mode);
  close(shut);
  errno = failure;
  return fd;
}

static char *pack_file(packer_t *p, const char *name, const struct stat *st) {
  bool is_opened;
  int fd = open_entry(p, name, st, &is_opened);
  if (fd < 0) return errno == ENOENT ? NULL : problem("read a file");
  struct stat now;
  char *error = NULL;
  if (fstat(fd, &now) != 0 || !S_ISREG(now.st_mode)) {
    error = dl_xstrdup(CHANGED);
  } else {
    now.st_mode = (now.st_mode & S_IFMT) | (st->st_mode & 07777);
    error = pack_entry(p, &now, fd, NULL);
  }
  if (is_opened && fchmod(fd, st->st_mode & 07777) != 0)
    dl_warn("cannot restore the mode of a file: %s", strerror(errno));
  close(fd);
  return error;
}

static char *pack_link(packer_t *p, const char *name, const struct stat *st) {
  char target[PATH_MAX + 1];
  ssize_t len = readlinkat(p->dir, name, target, sizeof target - 1);
  if (len < 0) return errno == ENOENT ? NULL : problem("read a link");
  target[len] = '\0';
  return pack_entry(p, st, -1, target);
}

/* --- walking --- */

static char *list_names(packer_t *p) {
  int fd = openat(p->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
  if (!stream) {
    char *error = problem("read a folder");
    if (fd >= 0) close(fd);
    return error;
  }
  char *error = NULL;
  struct dirent *entry;
  while (!error && (errno = 0, entry = readdir(stream))) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (atomic_load(p->stop)) error = dl_xstrdup(DL_GIVEN_UP);
    if (!error && !dl_buf_append(&p->names, entry->d_name, strlen(entry->d_name) + 1))
      error = dl_xstrdup("a folder has too many entries");
  }
  if (!error && errno != 0) error = problem("read a folder");
  closedir(stream);
  return error;
}

/* `fd` becomes the folder of the walk. */
static char *enter(packer_t *p, int fd, const struct stat *st, bool is_opened) {
  if (p->depth == p->capacity) {
    p->capacity = p->capacity ? 2 * p->capacity : 64;
    p->levels = dl_xrealloc(p->levels, p->capacity * sizeof *p->levels);
  }
  if (p->dir >= 0) close(p->dir);
  p->dir = fd;
  p->levels[p->depth++] = (level_t){p->names.len, p->names.len, p->path.len, *st, is_opened};
  char *error = pack_entry(p, st, fd, NULL);
  return error ? error : list_names(p);
}

static void trim(dl_buf_t *b, size_t len) {
  b->len = len;
  if (b->data) b->data[len] = '\0';
}

/* Back to the folder above, which must still be the one that we came from. */
static char *leave(packer_t *p) {
  level_t *top = &p->levels[--p->depth];
  char *error = NULL;
  trim(&p->names, top->names_at);
  int above = -1;
  if (p->depth > 0) {
    const level_t *to = &p->levels[p->depth - 1];
    struct stat st;
    above = openat(p->dir, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (above < 0 && errno != ENOENT)
      error = problem("go back to a folder");
    else if (above < 0 || fstat(above, &st) != 0 || st.st_ino != to->stat.st_ino ||
             st.st_dev != to->stat.st_dev)
      error = dl_xstrdup(CHANGED);
    trim(&p->path, to->path_len);
  }
  /* Afterwards: there may be no way up from a folder that nobody may enter. */
  if (top->is_opened && fchmod(p->dir, top->stat.st_mode & 07777) != 0)
    dl_warn("cannot restore the mode of a folder: %s", strerror(errno));
  close(p->dir);
  p->dir = above;
  return error;
}

/* How overlay marks that a file of the image is deleted. */
static bool is_deletion(mode_t mode, dev_t device) { return S_ISCHR(mode) && device == 0; }

/* What was removed since its folder was read is not there: the sandbox may be running. */
static char *gone_or(packer_t *p, const char *what) {
  char *error = errno == ENOENT ? NULL : problem(what);
  trim(&p->path, p->levels[p->depth - 1].path_len);
  return error;
}

static char *pack_name(packer_t *p, const char *name) {
  struct stat st;
  bool fits = (p->path.len == 0 || dl_buf_puts(&p->path, "/")) && dl_buf_puts(&p->path, name);
  if (!fits) return dl_xstrdup("a path is too long");
  if (fstatat(p->dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return gone_or(p, "look at a file");
  if (geteuid() != 0 && st.st_uid != geteuid()) return dl_xstrdup(DL_FOREIGN);
  if (S_ISDIR(st.st_mode)) {
    bool is_opened;
    int fd = open_entry(p, name, &st, &is_opened);
    return fd < 0 ? gone_or(p, "open a folder") : enter(p, fd, &st, is_opened);
  }
  char *error = NULL;
  if (S_ISREG(st.st_mode)) error = pack_file(p, name, &st);
  if (S_ISLNK(st.st_mode)) error = pack_link(p, name, &st);
  if (S_ISFIFO(st.st_mode) || is_deletion(st.st_mode, st.st_rdev)) error = pack_entry(p, &st, -1, NULL);
  /* Sockets have no place in an archive and no meaning afterwards; other devices a sandbox cannot make. */
  trim(&p->path, p->levels[p->depth - 1].path_len);
  return error;
}

static char *walk(packer_t *p, const char *root) {
  struct stat st;
  bool is_opened = false;
  if (fstatat(p->dir, root, &st, AT_SYMLINK_NOFOLLOW) != 0) return problem("read the home");
  if (!S_ISDIR(st.st_mode)) return dl_xstrdup("the home is no folder");
  int fd = open_entry(p, root, &st, &is_opened);
  if (fd < 0) return problem("read the home");
  char *error = enter(p, fd, &st, is_opened);
  while (!error && p->depth > 0) {
    level_t *top = &p->levels[p->depth - 1];
    if (top->next < p->names.len) {
      /* The name moves when the buffer grows below it. */
      char *name = dl_xstrdup(p->names.data + top->next);
      top->next += strlen(name) + 1;
      error = atomic_load(p->stop) ? dl_xstrdup(DL_GIVEN_UP) : pack_name(p, name);
      free(name);
    } else {
      error = leave(p);
    }
  }
  /* Modes that were changed are put back however it ended. */
  while (p->depth > 0 && p->dir >= 0) free(leave(p));
  if (p->dir >= 0) close(p->dir);
  return error;
}

static char *make_zeros(packer_t *p) {
  for (p->zeros_len = ZEROS_MAX; p->zeros_len >= BLOCK; p->zeros_len /= 16) {
    p->zeros = mmap(NULL, p->zeros_len, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p->zeros != MAP_FAILED) return NULL;
  }
  p->zeros = NULL;
  return problem("get memory");
}

static char *write_archive(const char *dir, int out_fd, const atomic_bool *stop) {
  packer_t p = {.out = archive_write_new(), .stop = stop, .out_fd = out_fd, .dir = AT_FDCWD};
  dl_buf_init(&p.path, PATH_LEN_MAX);
  dl_buf_init(&p.names, NAMES_MAX);
  archive_write_set_format_pax_restricted(p.out);
  archive_write_set_bytes_per_block(p.out, BLOCK);
  archive_write_set_bytes_in_last_block(p.out, 1);
  p.links = archive_entry_linkresolver_new();
  archive_entry_linkresolver_set_strategy(p.links, archive_format(p.out));
  char *error = make_zeros(&p);
  if (!error && archive_write_open(p.out, &p, on_open, on_write, NULL) != ARCHIVE_OK)
    error = archive_problem("cannot make the archive", p.out);
  if (!error) error = walk(&p, dir);
  p.has_failed = error != NULL; /* or the rest of the entry would be written as zeros */
  if (archive_write_close(p.out) != ARCHIVE_OK && !error)
    error = archive_problem("cannot write the archive", p.out);
  archive_entry_linkresolver_free(p.links);
  archive_write_free(p.out);
  if (p.zeros) munmap(p.zeros, p.zeros_len);
  dl_buf_clear(&p.path);
  dl_buf_clear(&p.names);
  free(p.levels);
  return error;
}

/* --- publishing --- */

static char *sync_parent(const char *path) {
  char *parent = dl_xstrndup(path, (size_t)(strrchr(path, '/') - path));
  int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  char *error = fd >= 0 && fsync(fd) == 0 ? NULL : problem("sync a folder");
  if (fd >= 0) close(fd);
  free(parent);
  return error;
}

/* `temp` becomes `path`, so that a crash leaves one of: nothing, or all of it. */
static char *publish(const char *temp, const char *path, bool is_durable, const atomic_bool *stop) {
  if (atomic_load(stop)) return dl_xstrdup(DL_GIVEN_UP);
  if (rename(temp, path) != 0) return dl_xprintf("cannot rename to %s: %s", path, strerror(errno));
  return is_durable ? sync_parent(path) : NULL;
}

static char *pack_once(const char *dir, const char *file, bool is_durable, const atomic_bool *stop) {
  char *temp = dl_xprintf("%s.part", file), *error = NULL;
  int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) error = problem("make the archive");
  if (!error) error = write_archive(dir, fd, stop);
  if (!error && is_durable && fsync(fd) != 0) error = problem("sync the archive");
  if (fd >= 0) close(fd);
  if (!error) error = publish(temp, file, is_durable, stop);
  if (error) unlink(temp);
  free(temp);
  return error;
}

/* A running sandbox may move the folder that we are in. */
char *dl_archive_pack(const char *dir, const char *file, bool is_durable, const atomic_bool *stop) {
  char *error = NULL;
  for (int tries = 0; tries < TRIES_MAX; tries++) {
    free(error);
    error = pack_once(dir, file, is_durable, stop);
    if (!error || strcmp(error, CHANGED) != 0) break;
  }
  return error;
}

/* --- unpacking --- */

static char *unpack_data(struct archive *in, struct archive *out, const atomic_bool *stop) {
  for (;;) {
    const void *block;
    size_t size;
    la_int64_t offset;
    if (atomic_load(stop)) return dl_xstrdup(DL_GIVEN_UP);
    int rc = archive_read_data_block(in, &block, &size, &offset);
    if (rc == ARCHIVE_EOF) return NULL;
    if (rc < ARCHIVE_WARN) return archive_problem("cannot read the archive", in);
    if (size > 0 && archive_write_data_block(out, block, size, offset) < ARCHIVE_WARN)
      return archive_problem("cannot restore a file", out);
  }
}

static char *unpack_entry(struct archive *in, struct archive *out, struct archive_entry *entry,
                          const char *root, const atomic_bool *stop) {
  mode_t type = archive_entry_filetype(entry);
  if ((S_ISCHR(type) || S_ISBLK(type)) && !is_deletion(type, archive_entry_rdev(entry)))
    return dl_xstrdup("the archive holds a device");
  if (geteuid() != 0 && archive_entry_uid(entry) == 0)
    return dl_xstrdup(DL_FOREIGN); /* packed as root of its ids */
  char *path = dl_xprintf("%s/%s", root, archive_entry_pathname(entry));
  archive_entry_copy_pathname(entry, path);
  free(path);
  if (archive_entry_hardlink(entry)) {
    char *link = dl_xprintf("%s/%s", root, archive_entry_hardlink(entry));
    archive_entry_copy_hardlink(entry, link);
    free(link);
  }
  if (archive_write_header(out, entry) < ARCHIVE_WARN) return archive_problem("cannot restore a file", out);
  return unpack_data(in, out, stop);
}

static char *unpack_entries(struct archive *in, struct archive *out, const char *root,
                            const atomic_bool *stop) {
  struct archive_entry *entry;
  for (;;) {
    if (atomic_load(stop)) return dl_xstrdup(DL_GIVEN_UP);
    int rc = archive_read_next_header(in, &entry);
    if (rc == ARCHIVE_EOF) return NULL;
    if (rc < ARCHIVE_WARN) return archive_problem("cannot read the archive", in);
    char *error = unpack_entry(in, out, entry, root, stop);
    if (error) return error;
  }
}

static char *unpack_into(const char *file, const char *root, const atomic_bool *stop) {
  struct archive *in = archive_read_new(), *out = archive_write_disk_new();
  int flags = ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_XATTR |
              ARCHIVE_EXTRACT_SECURE_SYMLINKS | ARCHIVE_EXTRACT_SECURE_NODOTDOT;
  if (geteuid() == 0) flags |= ARCHIVE_EXTRACT_OWNER;
  archive_read_support_format_tar(in);
  archive_write_disk_set_options(out, flags);
  char *error = NULL;
  if (archive_read_open_filename(in, file, BLOCK) != ARCHIVE_OK)
    error = archive_problem("cannot open the archive", in);
  if (!error) error = unpack_entries(in, out, root, stop);
  if (archive_write_close(out) < ARCHIVE_WARN && !error) error = archive_problem("cannot restore", out);
  archive_read_free(in);
  archive_write_free(out);
  return error;
}

/* --- syncing what was unpacked --- */

typedef struct {
  const atomic_bool *stop;
  bool
    only_begins; /* to write, so that the disk gets it all at once, and the syncs that follow find little to do */
  bool is_shut; /* something cannot be opened */
} syncing_t;

static int sync_entry(const dl_beneath_entry_t *e, void *user) {
  syncing_t *s = user;
  if (atomic_load(s->stop)) return ECANCELED;
  if (!S_ISREG(e->st.st_mode) && !S_ISDIR(e->st.st_mode)) return 0;
  int fd = openat(e->dir, e->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), rc = 0;
  if (fd < 0 && errno == EACCES) s->is_shut = true;
  if (fd < 0) return errno == EACCES ? 0 : errno;
  if (s->only_begins)
    sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
  else if (fsync(fd) != 0)
    rc = errno;
  close(fd);
  return rc;
}

/* The archive is removed once its files are acknowledged: before, all of them must be on the disk. */
static char *sync_all(const char *dir, const atomic_bool *stop) {
  syncing_t s = {stop, true, false};
  int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int rc = fd < 0 ? errno : dl_beneath_walk(fd, sync_entry, &s);
  s.only_begins = false;
  if (rc == 0) rc = dl_beneath_walk(fd, sync_entry, &s);
  if (rc == EACCES) { /* a folder that its owner may not enter */
    s.is_shut = true;
    rc = 0;
  }
  if (rc == 0 && fsync(fd) != 0) rc = errno;
  if (rc == 0 && s.is_shut && syncfs(fd) != 0) rc = errno;
  if (fd >= 0) close(fd);
  if (rc == ECANCELED) return dl_xstrdup(DL_GIVEN_UP);
  return rc == 0 ? NULL : dl_xprintf("cannot sync the home: %s", strerror(rc));
}

char *dl_archive_unpack(const char *file, const char *dir, bool is_durable, const atomic_bool *stop) {
  char *temp = dl_xprintf("%s.part", dir), *error = NULL;
  /* libarchive changes the work folder where a path is long; only this thread's, from here on. */
  if (unshare(CLONE_FS) != 0) dl_debug("the work folder stays shared: %s", strerror(errno));
  int rc = dl_remove_tree(temp, stop);
  if (rc == ECANCELED)
    error = dl_xstrdup(DL_GIVEN_UP);
  else if (rc != 0 || mkdir(temp, 0700) != 0)
    error = dl_xprintf("cannot make %s: %s", temp, strerror(rc ? rc : errno));
  /* Symbolic links are refused below the root only if the root itself has none. */
  char *root = error ? NULL : realpath(temp, NULL);
  if (!error && !root) error = problem("find the home");
  if (!error) error = unpack_into(file, root, stop);
  if (!error && is_durable) error = sync_all(root, stop);
  if (!error && dl_remove_tree(dir, stop) == ECANCELED) error = dl_xstrdup(DL_GIVEN_UP);
  if (!error) error = publish(temp, dir, is_durable, stop);
  if (error) dl_remove_tree(temp, stop);
  free(root);
  free(temp);
  return error;
}
