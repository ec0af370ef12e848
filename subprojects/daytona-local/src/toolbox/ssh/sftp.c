/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See sftp.h. One request after the other, in a process that has the client's own rights: paths are its own affair. What
 * a request says is read through a cursor that notices when it runs out, so that a wrong length is an answer and nothing else.
 */
#include "toolbox/ssh/sftp.h"

#include "base/buf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PACKET_MAX (256u * 1024)
#define READ_MAX (PACKET_MAX - 1024)
#define HANDLES_MAX 256
#define NAMES_PER_ANSWER 100

enum {
  INIT = 1,
  OPEN = 3,
  CLOSE,
  READ,
  WRITE,
  LSTAT,
  FSTAT,
  SETSTAT,
  FSETSTAT,
  OPENDIR,
  READDIR,
  REMOVE,
  MKDIR,
  RMDIR,
  REALPATH,
  STAT,
  RENAME,
  READLINK,
  SYMLINK,
  EXTENDED = 200,
  VERSION = 2,
  STATUS = 101,
  HANDLE,
  DATA,
  NAME,
  ATTRIBUTES
};
enum { OK, END_OF_FILE, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE, BAD_MESSAGE, UNSUPPORTED = 8 };
enum { HAS_SIZE = 1, HAS_OWNER = 2, HAS_MODE = 4, HAS_TIMES = 8 };
enum { TO_READ = 1, TO_WRITE = 2, TO_APPEND = 4, TO_CREATE = 8, TO_TRUNCATE = 16, TO_MAKE_NEW = 32 };

typedef struct {
  int fd;   /* of a file */
  DIR *dir; /* or a folder; both none: free */
} handle_t;

typedef struct {
  const unsigned char *at;
  size_t left;
  bool is_short; /* something was asked for that is not there */
} cursor_t;

typedef struct {
  uint32_t flags, uid, gid, mode, accessed, modified;
  uint64_t size;
} attributes_t;

typedef struct {
  int in, out;
  handle_t handles[HANDLES_MAX];
  dl_buf_t answer;
  uint32_t id;
} sftp_t;

/* --- reading --- */

static uint32_t take_u32(cursor_t *c) {
  uint32_t n = 0;
  if (c->left < 4) {
    c->is_short = true;
    return 0;
  }
  for (int i = 0; i < 4; i++) n = n << 8 | c->at[i];
  c->at += 4;
  c->left -= 4;
  return n;
}

static uint64_t take_u64(cursor_t *c) {
  uint64_t high = take_u32(c);
  return high << 32 | take_u32(c);
}

/* Borrowed from the packet. */
static const unsigned char *take_bytes(cursor_t *c, size_t *len) {
  *len = take_u32(c);
  if (c->is_short || *len > c->left) {
    c->is_short = true;
    *len = 0;
    return c->at;
  }
  const unsigned char *bytes = c->at;
  c->at += *len;
  c->left -= *len;
  return bytes;
}

/* Yours to free. A text with a NUL in it is no path. */
static char *take_text(cursor_t *c) {
  size_t len;
  const char *bytes = (const char *)take_bytes(c, &len);
  if (memchr(bytes, '\0', len) != NULL) c->is_short = true;
  return dl_xstrndup(bytes, len);
}

/* An empty one is the work folder. */
static char *take_path(cursor_t *c) {
  char *path = take_text(c);
  if (*path == '\0') dl_set(&path, ".");
  return path;
}

static attributes_t take_attributes(cursor_t *c) {
  attributes_t a = {.flags = take_u32(c)};
  if (a.flags & HAS_SIZE) a.size = take_u64(c);
  if (a.flags & HAS_OWNER) a.uid = take_u32(c), a.gid = take_u32(c);
  if (a.flags & HAS_MODE) a.mode = take_u32(c) & 07777;
  if (a.flags & HAS_TIMES) a.accessed = take_u32(c), a.modified = take_u32(c);
  return a;
}

static handle_t *take_handle(sftp_t *s, cursor_t *c) {
  char *text = take_text(c);
  int64_t number = -1;
  handle_t *h = dl_parse_int(text, 0, HANDLES_MAX - 1, &number) ? &s->handles[number] : NULL;
  free(text);
  return h != NULL && (h->fd >= 0 || h->dir != NULL) ? h : NULL;
}

/* --- answers --- */

static void put_u32(dl_buf_t *b, uint32_t n) {
  const unsigned char bytes[] = {(unsigned char)(n >> 24), (unsigned char)(n >> 16), (unsigned char)(n >> 8),
                                 (unsigned char)n};
  dl_buf_append(b, bytes, sizeof bytes);
}

static void put_u64(dl_buf_t *b, uint64_t n) {
  put_u32(b, (uint32_t)(n >> 32));
  put_u32(b, (uint32_t)n);
}

static void put_text(dl_buf_t *b, const char *text) {
  size_t len = strlen(text);
  put_u32(b, (uint32_t)len);
  dl_buf_append(b, text, len);
}

static void put_attributes(dl_buf_t *b, const struct stat *st) {
  put_u32(b, HAS_SIZE | HAS_OWNER | HAS_MODE | HAS_TIMES);
  put_u64(b, (uint64_t)st->st_size);
  put_u32(b, st->st_uid);
  put_u32(b, st->st_gid);
  put_u32(b, st->st_mode);
  put_u32(b, (uint32_t)st->st_atime);
  put_u32(b, (uint32_t)st->st_mtime);
}

static dl_buf_t *begin(sftp_t *s, unsigned char type) {
  dl_buf_reset(&s->answer);
  put_u32(&s->answer, 0); /* the length, when it is known */
  dl_buf_append(&s->answer, &type, 1);
  if (type != VERSION) put_u32(&s->answer, s->id);
  return &s->answer;
}

static void put_status(sftp_t *s, uint32_t code, const char *message) {
  dl_buf_t *b = begin(s, STATUS);
  put_u32(b, code);
  put_text(b, message);
  put_text(b, "");
}

static void put_failure(sftp_t *s, int error) {
  uint32_t code = error == ENOENT || error == ENOTDIR                   ? NO_SUCH_FILE
                  : error == EACCES || error == EPERM || error == EROFS ? PERMISSION_DENIED
                                                                        : FAILURE;
  put_status(s, code, strerror(error));
}

/* Of a call that answers 0, or -1 with errno. */
static void put_outcome(sftp_t *s, int rc) {
  int error = errno;
  if (rc == 0)
    put_status(s, OK, "Success");
  else
    put_failure(s, error);
}

static void put_handle(sftp_t *s, int fd, DIR *dir) {
  int number = 0;
  char text[16];
  while (number < HANDLES_MAX && (s->handles[number].fd >= 0 || s->handles[number].dir != NULL)) number++;
  if (number == HANDLES_MAX) {
    if (fd >= 0) close(fd);
    if (dir != NULL) closedir(dir);
    put_failure(s, EMFILE);
    return;
  }
  s->handles[number] = (handle_t){fd, dir};
  snprintf(text, sizeof text, "%d", number);
  put_text(begin(s, HANDLE), text);
}

static void put_stat(sftp_t *s, int rc, const struct stat *st) {
  if (rc != 0)
    put_outcome(s, rc);
  else
    put_attributes(begin(s, ATTRIBUTES), st);
}

/* One name without attributes. */
static void put_name(sftp_t *s, const char *name) {
  dl_buf_t *b = begin(s, NAME);
  put_u32(b, 1);
  put_text(b, name);
  put_text(b, name);
  put_u32(b, 0);
}

/* As `ls -l` has it, with numbers for users: whose names they are is asked of nobody. */
static void put_long_name(dl_buf_t *b, const char *name, const struct stat *st) {
  static const char kinds[] = "?pc?d?b?-?l?s???", bits[] = "rwxrwxrwx";
  char mode[11] = "", date[32] = "", line[NAME_MAX + 128];
  struct tm tm;
  time_t now = time(NULL);
  mode[0] = kinds[st->st_mode >> 12 & 15];
  for (int i = 0; i < 9; i++) mode[1 + i] = st->st_mode & (0400u >> i) ? bits[i] : '-';
  bool is_recent = st->st_mtime > now - 182 * 86400 && st->st_mtime < now + 86400;
  if (localtime_r(&st->st_mtime, &tm) != NULL)
    strftime(date, sizeof date, is_recent ? "%b %e %H:%M" : "%b %e  %Y", &tm);
  snprintf(line, sizeof line, "%s %3lu %-8u %-8u %8lld %s %s", mode, (unsigned long)st->st_nlink, st->st_uid,
           st->st_gid, (long long)st->st_size, date, name);
  put_text(b, line);
}

/* --- requests; each gets what is behind its number --- */

static void on_open(sftp_t *s, cursor_t *c) {
  char *path = take_path(c);
  uint32_t wanted = take_u32(c);
  attributes_t a = take_attributes(c);
  int flags = O_CLOEXEC | O_NOCTTY |
              ((wanted & TO_READ) && (wanted & TO_WRITE) ? O_RDWR
               : wanted & TO_WRITE                       ? O_WRONLY
                                                         : O_RDONLY);
  if (wanted & TO_APPEND) flags |= O_APPEND;
  if (wanted & TO_CREATE) flags |= O_CREAT;
  if (wanted & TO_TRUNCATE) flags |= O_TRUNC;
  if (wanted & TO_MAKE_NEW) flags |= O_EXCL;
  int fd = c->is_short ? -1 : open(path, flags, a.flags & HAS_MODE ? a.mode : 0666);
  if (fd >= 0)
    put_handle(s, fd, NULL);
  else
    put_failure(s, errno);
  free(path);
}

static void on_close(sftp_t *s, cursor_t *c) {
  handle_t *h = take_handle(s, c);
  if (h == NULL) {
    put_failure(s, EBADF);
    return;
  }
  put_outcome(s, h->dir != NULL ? closedir(h->dir) : close(h->fd));
  *h = (handle_t){-1, NULL};
}

static void on_read(sftp_t *s, cursor_t *c) {
  handle_t *h = take_handle(s, c);
  uint64_t offset = take_u64(c);
  uint32_t len = take_u32(c);
  if (h == NULL || h->fd < 0) {
    put_failure(s, EBADF);
    return;
  }
  if (len > READ_MAX) len = READ_MAX;
  dl_buf_t *b = begin(s, DATA);
  put_u32(b, 0);
  size_t at = b->len;
  char *room = dl_buf_reserve(b, len);
  ssize_t got;
  do got = room != NULL ? pread(h->fd, room, len, (off_t)offset) : (errno = ENOBUFS, -1);
  while (got < 0 && errno == EINTR);
  if (got < 0) {
    put_failure(s, errno);
  } else if (got == 0 && len > 0) {
    put_status(s, END_OF_FILE, "End of file");
  } else {
    dl_buf_grew(b, (size_t)got);
    for (int i = 0; i < 4; i++)
      b->data[at - 4 + (size_t)i] = (char)(unsigned char)((size_t)got >> (24 - 8 * i));
  }
}

static void on_write(sftp_t *s, cursor_t *c) {
  handle_t *h = take_handle(s, c);
  uint64_t offset = take_u64(c);
  size_t len, done = 0;
  const unsigned char *bytes = take_bytes(c, &len);
  ssize_t put = 0;
  if (h == NULL || h->fd < 0) {
    put_failure(s, EBADF);
    return;
  }
  while (done < len && !c->is_short) {
    put = pwrite(h->fd, bytes + done, len - done, (off_t)(offset + done));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) break;
    done += (size_t)put;
  }
  put_outcome(s, put < 0 ? -1 : 0);
}

static void on_stat(sftp_t *s, cursor_t *c) {
  struct stat st;
  char *path = take_path(c);
  put_stat(s, stat(path, &st), &st);
  free(path);
}

static void on_lstat(sftp_t *s, cursor_t *c) {
  struct stat st;
  char *path = take_path(c);
  put_stat(s, lstat(path, &st), &st);
  free(path);
}

static void on_fstat(sftp_t *s, cursor_t *c) {
  struct stat st;
  handle_t *h = take_handle(s, c);
  if (h == NULL)
    put_failure(s, EBADF);
  else
    put_stat(s, fstat(h->dir != NULL ? dirfd(h->dir) : h->fd, &st), &st);
}

/* `fd` -1: of the path. 0, or -1 with errno. */
static int set_attributes(const attributes_t *a, const char *path, int fd) {
  const struct timespec times[2] = {{.tv_sec = a->accessed}, {.tv_sec = a->modified}};
  int rc = 0;
  if (a->flags & HAS_SIZE) rc = fd >= 0 ? ftruncate(fd, (off_t)a->size) : truncate(path, (off_t)a->size);
  if (rc == 0 && (a->flags & HAS_MODE)) rc = fd >= 0 ? fchmod(fd, a->mode) : chmod(path, a->mode);
  if (rc == 0 && (a->flags & HAS_TIMES))
    rc = fd >= 0 ? futimens(fd, times) : utimensat(AT_FDCWD, path, times, 0);
  if (rc == 0 && (a->flags & HAS_OWNER))
    rc = fd >= 0 ? fchown(fd, a->uid, a->gid) : chown(path, a->uid, a->gid);
  return rc;
}

static void on_set_stat(sftp_t *s, cursor_t *c) {
  char *path = take_path(c);
  attributes_t a = take_attributes(c);
  if (!c->is_short) put_outcome(s, set_attributes(&a, path, -1));
  free(path);
}

static void on_set_fstat(sftp_t *s, cursor_t *c) {
  handle_t *h = take_handle(s, c);
  attributes_t a = take_attributes(c);
  if (h == NULL)
    put_failure(s, EBADF);
  else if (!c->is_short)
    put_outcome(s, set_attributes(&a, NULL, h->dir != NULL ? dirfd(h->dir) : h->fd));
}

static void on_open_dir(sftp_t *s, cursor_t *c) {
  char *path = take_path(c);
  DIR *dir = opendir(path);
  if (dir != NULL)
    put_handle(s, -1, dir);
  else
    put_failure(s, errno);
  free(path);
}

static void on_read_dir(sftp_t *s, cursor_t *c) {
  handle_t *h = take_handle(s, c);
  uint32_t count = 0;
  if (h == NULL || h->dir == NULL) {
    put_failure(s, EBADF);
    return;
  }
  dl_buf_t *b = begin(s, NAME);
  size_t at = b->len;
  put_u32(b, 0);
  for (struct dirent *entry; count < NAMES_PER_ANSWER && (entry = readdir(h->dir)) != NULL;) {
    struct stat st;
    if (fstatat(dirfd(h->dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
    put_text(b, entry->d_name);
    put_long_name(b, entry->d_name, &st);
    put_attributes(b, &st);
    count++;
  }
  if (count == 0)
    put_status(s, END_OF_FILE, "End of file");
  else
    b->data[at + 3] = (char)count;
}

static void on_remove(sftp_t *s, cursor_t *c) {
  char *path = take_path(c);
  if (!c->is_short) put_outcome(s, unlink(path));
  free(path);
}

static void on_make_dir(sftp_t *s, cursor_t *c) {
  char *path = take_path(c);
  attributes_t a = take_attributes(c);
  if (!c->is_short) put_outcome(s, mkdir(path, a.flags & HAS_MODE ? a.mode : 0777));
  free(path);
}

static void on_remove_dir(sftp_t *s, cursor_t *c) {
  char *path = take_path(c);
  if (!c->is_short) put_outcome(s, rmdir(path));
  free(path);
}

/* The last part need not be there. */
static char *real_path(const char *path) {
  char *real = realpath(path, NULL);
  if (real != NULL || errno != ENOENT) return real;
  const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
  if (*name == '\0' || strcmp(name, "..") == 0) return NULL;
  char *above =
    slash == NULL ? dl_xstrdup(".") : dl_xstrndup(path, slash == path ? 1 : (size_t)(slash - path));
  char *folder = realpath(above, NULL);
  free(above);
  if (folder == NULL) return NULL;
  real = dl_xprintf("%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name);
  free(folder);
  return real;
}

static void on_real_path(sftp_t *s, cursor_t *c) {
  char *path = take_path(c), *real = real_path(path);
  if (real != NULL)
    put_name(s, real);
  else
    put_failure(s, errno);
  free(real);
  free(path);
}

/* A plain rename of this version replaces nothing. */
static int rename_new(const char *from, const char *to) {
  struct stat st;
  if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return -1;
  if (lstat(to, &st) == 0) {
    errno = EEXIST;
    return -1;
  }
  return rename(from, to);
}

typedef int (*pair_fn)(const char *first, const char *second);

static void on_pair(sftp_t *s, cursor_t *c, pair_fn act) {
  char *first = take_path(c), *second = take_path(c);
  if (!c->is_short) put_outcome(s, act(first, second));
  free(first);
  free(second);
}

static void on_rename(sftp_t *s, cursor_t *c) { on_pair(s, c, rename_new); }
/* What it leads to comes first: OpenSSH and all that speak with it have it the other way round than the draft. */
static void on_symlink(sftp_t *s, cursor_t *c) { on_pair(s, c, symlink); }

static void on_read_link(sftp_t *s, cursor_t *c) {
  char *path = take_path(c), target[PATH_MAX];
  ssize_t len = readlink(path, target, sizeof target - 1);
  if (len >= 0) {
    target[len] = '\0';
    put_name(s, target);
  } else {
    put_failure(s, errno);
  }
  free(path);
}

static void on_extended(sftp_t *s, cursor_t *c) {
  char *name = take_text(c);
  if (strcmp(name, "posix-rename@openssh.com") == 0) {
    on_pair(s, c, rename);
  } else if (strcmp(name, "hardlink@openssh.com") == 0) {
    on_pair(s, c, link);
  } else if (strcmp(name, "fsync@openssh.com") == 0) {
    handle_t *h = take_handle(s, c);
    if (h == NULL || h->fd < 0)
      put_failure(s, EBADF);
    else
      put_outcome(s, fsync(h->fd));
  } else {
    put_status(s, UNSUPPORTED, "Operation unsupported");
  }
  free(name);
}

static const struct {
  int type;
  void (*act)(sftp_t *s, cursor_t *c);
} REQUESTS[] = {
  {OPEN, on_open},          {CLOSE, on_close},        {READ, on_read},        {WRITE, on_write},
  {LSTAT, on_lstat},        {FSTAT, on_fstat},        {SETSTAT, on_set_stat}, {FSETSTAT, on_set_fstat},
  {OPENDIR, on_open_dir},   {READDIR, on_read_dir},   {REMOVE, on_remove},    {MKDIR, on_make_dir},
  {RMDIR, on_remove_dir},   {REALPATH, on_real_path}, {STAT, on_stat},        {RENAME, on_rename},
  {READLINK, on_read_link}, {SYMLINK, on_symlink},    {EXTENDED, on_extended}};

static void on_init(sftp_t *s) {
  static const char *const EXTENSIONS[] = {"posix-rename@openssh.com", "hardlink@openssh.com",
                                           "fsync@openssh.com"};
  dl_buf_t *b = begin(s, VERSION);
  put_u32(b, 3);
  for (size_t i = 0; i < DL_COUNT(EXTENSIONS); i++) {
    put_text(b, EXTENSIONS[i]);
    put_text(b, "1");
  }
}

static void on_packet(sftp_t *s, int type, cursor_t *c) {
  if (type == INIT) {
    on_init(s);
    return;
  }
  s->id = take_u32(c);
  put_status(s, UNSUPPORTED, "Operation unsupported");
  for (size_t i = 0; i < DL_COUNT(REQUESTS); i++)
    if (REQUESTS[i].type == type) REQUESTS[i].act(s, c);
  if (c->is_short) put_status(s, BAD_MESSAGE, "Bad message");
}

/* --- the streams --- */

static bool read_all(int fd, unsigned char *out, size_t len) {
  while (len > 0) {
    ssize_t got = read(fd, out, len);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    out += got;
    len -= (size_t)got;
  }
  return true;
}

static bool write_answer(sftp_t *s) {
  dl_buf_t *b = &s->answer;
  size_t len = b->len - 4;
  for (int i = 0; i < 4; i++) b->data[i] = (char)(unsigned char)(len >> (24 - 8 * i));
  for (size_t at = 0; at < b->len;) {
    ssize_t put = write(s->out, b->data + at, b->len - at);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    at += (size_t)put;
  }
  return true;
}

int dl_sftp_serve(int in, int out) {
  sftp_t s = {.in = in, .out = out};
  unsigned char head[5], *packet = dl_xmalloc(PACKET_MAX);
  int status = 0;
  for (int i = 0; i < HANDLES_MAX; i++) s.handles[i].fd = -1;
  dl_buf_init(&s.answer, 2 * PACKET_MAX);
  while (read_all(in, head, sizeof head)) {
    cursor_t length = {.at = head, .left = 4};
    size_t len = take_u32(&length);
    if (len < 1 || len > PACKET_MAX || !read_all(in, packet, len - 1)) {
      status = 1;
      break;
    }
    cursor_t c = {.at = packet, .left = len - 1};
    on_packet(&s, head[4], &c);
    if (!write_answer(&s)) break;
  }
  for (int i = 0; i < HANDLES_MAX; i++) {
    if (s.handles[i].fd >= 0) close(s.handles[i].fd);
    if (s.handles[i].dir != NULL) closedir(s.handles[i].dir);
  }
  dl_buf_clear(&s.answer);
  free(packet);
  return status;
}
