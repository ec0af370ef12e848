/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The /etc of a box: written by us once per server, with a few harmless files of the host copied
 * and some of its directories, copied or mounted over empty ones. Only names listed here can appear; a host
 * file that not everybody may read is left out. Never: accounts, keys, tool configurations that
 * may hold credentials (pip, npm, git).
 */
#include "base/beneath.h"
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MAX_COPY (1024 * 1024)
/* Of one directory. */
#define MAX_ENTRIES 2000
#define ROOM_MIN (64u * 1024 * 1024)

static const struct {
  const char *name, *text;
} WRITTEN[] = {
  {"passwd",
   "root:x:0:0:root:/root:/usr/sbin/nologin\n"
   "daytona:x:1000:1000:daytona:/home/daytona:/bin/bash\n"
   "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"},
  {"group", "root:x:0:\ntty:x:5:\ndaytona:x:1000:\nnogroup:x:65534:\n"},
  /* The daemon looks here for the shell of commands; the platform's images have bash. */
  {"shells", "/bin/sh\n/usr/bin/sh\n/bin/bash\n/usr/bin/bash\n"},
  {"nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n"},
  {"host.conf", "multi on\n"},
  {"resolv.conf", DL_ETC_RESOLV},
  {"hosts", ""}, /* mounted over per box */
  {"environment", ""},
  {"profile",
   "export PATH=\"${PATH:-/usr/local/bin:/usr/bin:/bin}\"\n"
   "[ -n \"$BASH_VERSION\" ] && [ -r /etc/bash.bashrc ] && . /etc/bash.bashrc\n"},
  {"bash.bashrc",
   "case $- in *i*) ;; *) return ;; esac\n"
   "shopt -s checkwinsize\n"
   "PS1='\\u@\\h:\\w\\$ '\n"},
};

#define PIP_STAND_IN                                                                                       \
  "#!/bin/sh\n"                                                                                            \
  "if python3 -c 'import importlib.util as u, sys; sys.exit(u.find_spec(\"pip\") is None)'; then\n"        \
  "  exec python3 -m pip \"$@\"\n"                                                                         \
  "fi\n"                                                                                                   \
  "echo \"${0##*/}: there is none on this machine, whose system a sandbox of daytona-local sees: install " \
  "the \""                                                                                                 \
  "\"packages python3-pip and python3-venv there\" >&2\n"                                                  \
  "exit 127\n"
#define NPM_STAND_IN                                                                                       \
  "#!/bin/sh\n"                                                                                            \
  "echo \"${0##*/}: there is none on this machine, whose system a sandbox of daytona-local sees: install " \
  "the \""                                                                                                 \
  "\"package npm there (apt-get install --no-install-recommends npm)\" >&2\n"                              \
  "exit 127\n"

/* Programs that clients expect and that a machine may have under another name only, or not at all. Their directory
 * is the last one of PATH, so whatever the machine has comes before them. */
static const struct {
  const char *name, *text;
  bool is_python; /* only where python3 is */
} STAND_INS[] = {
  {DL_ETC_BIN "/python", "#!/bin/sh\nexec python3 \"$@\"\n", true},
  {DL_ETC_BIN "/pip", PIP_STAND_IN, false},
  {DL_ETC_BIN "/pip3", PIP_STAND_IN, false},
  {DL_ETC_BIN "/npm", NPM_STAND_IN, false},
  {DL_ETC_BIN "/npx", NPM_STAND_IN, false},
};

static const char *const COPIED[] = {
  "ld.so.cache", "ld.so.conf", "localtime",  "timezone",       "protocols",
  "services",    "mime.types", "os-release", "debian_version", "locale.alias",
  "inputrc",     "gai.conf",   "magic",      "ethertypes",     "rpc",
};

/* Those that change when something is installed on the host, and hardly ever do. */
#define FIRST_COPIED 2
const char *const DL_ETC_DIRS[] = {
  "alternatives",
  "ssl/certs",
  "fonts",
  "java-11-openjdk",
  "java-17-openjdk",
  "java-21-openjdk",
  "ImageMagick-6",
  "ImageMagick-7",
  "X11",
  "openbox",
  /* Not all of xdg: what is in autostart would start with a desktop. */
  "xdg/menus",
  "xdg/openbox",
  "xdg/tint2",
  "xdg/xfce4",
  NULL,
};

static char *write_file(const char *dir, const char *name, const char *text, size_t len, mode_t mode) {
  char *path = dl_xprintf("%s/%s", dir, name);
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
  char *failure = NULL;
  errno = fd < 0 ? errno : ENOSPC; /* for a write that is short */
  if (fd < 0 || write(fd, text, len) != (ssize_t)len || fchmod(fd, mode) != 0)
    failure = dl_xprintf("cannot write %s: %s", path, strerror(errno));
  if (fd >= 0) close(fd);
  free(path);
  return failure;
}

/* Only what everybody may read. NULL also where there is nothing to copy. */
static char *copy_open(int fd, const char *dir, const char *name) {
  struct stat st;
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || !(st.st_mode & S_IROTH) || st.st_size > MAX_COPY)
    return NULL;
  char *text = dl_xmalloc((size_t)st.st_size + 1);
  ssize_t got = read(fd, text, (size_t)st.st_size);
  char *failure = got >= 0 ? write_file(dir, name, text, (size_t)got, 0644) : NULL;
  free(text);
  return failure;
}

static char *copy_file(const char *dir, const char *name) {
  char *path = dl_xprintf("/etc/%s", name);
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  free(path);
  char *failure = fd >= 0 ? copy_open(fd, dir, name) : NULL;
  if (fd >= 0) close(fd);
  return failure;
}

/* An earlier server may have left it. */
static void remove_file(const char *dir, const char *name) {
  char *path = dl_xprintf("%s/%s", dir, name);
  unlink(path);
  free(path);
}

/* Whoever looks for a python must not find one that cannot run. */
static bool has_python(void) {
  return access("/usr/local/bin/python3", X_OK) == 0 || access("/usr/bin/python3", X_OK) == 0 ||
         access("/bin/python3", X_OK) == 0;
}

static char *make_dir(const char *dir, const char *name) {
  char *path = dl_xprintf("%s/%s", dir, name);
  bool made = mkdir(path, 0755) == 0 || errno == EEXIST;
  char *failure = made ? NULL : dl_xprintf("cannot make %s: %s", path, strerror(errno));
  if (made) chmod(path, 0755);
  free(path);
  return failure;
}

typedef struct {
  const char *dir; /* the copy */
  int count;
  char *failure;
} copy_t;

static char *copy_link(const dl_beneath_entry_t *entry, const char *to) {
  char target[PATH_MAX];
  ssize_t len = readlinkat(entry->dir, entry->name, target, sizeof target - 1);
  if (len <= 0) return NULL;
  target[len] = '\0';
  return symlink(target, to) == 0 ? NULL : dl_xprintf("cannot make %s: %s", to, strerror(errno));
}

/* With the mode that it has: what not everybody may enter stays closed. */
static char *copy_directory(const dl_beneath_entry_t *entry, const char *to) {
  mode_t mode = entry->st.st_mode & 0755;
  return mkdir(to, mode) == 0 && chmod(to, mode) == 0 ? NULL
                                                      : dl_xprintf("cannot make %s: %s", to, strerror(errno));
}

static int copy_entry(const dl_beneath_entry_t *entry, void *user) {
  copy_t *copy = user;
  if (++copy->count > MAX_ENTRIES) return EFBIG;
  char *to = dl_xprintf("%s/%s", copy->dir, entry->path);
  if (S_ISDIR(entry->st.st_mode)) {
    copy->failure = copy_directory(entry, to);
  } else if (S_ISLNK(entry->st.st_mode)) {
    copy->failure = copy_link(entry, to);
  } else if (S_ISREG(entry->st.st_mode)) {
    int fd = openat(entry->dir, entry->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0) copy->failure = copy_open(fd, copy->dir, entry->path);
    if (fd >= 0) close(fd);
  }
  free(to);
  return copy->failure != NULL ? ECANCELED : 0;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at) {
  (void)st, (void)kind, (void)at;
  remove(path);
  return 0;
}

/* What is left of a small disk is for sandboxes. */
static bool has_room(const char *dir) {
  struct statvfs disk;
  return statvfs(dir, &disk) == 0 && (uint64_t)disk.f_bavail * disk.f_frsize >= ROOM_MIN;
}

/* NULL, or the reason why it is not there, or not all of it. */
static char *copy_dir(int from, const char *to) {
  copy_t copy = {.dir = to};
  if (!has_room(to)) return dl_xstrdup(strerror(ENOSPC));
  int error = dl_beneath_walk(from, copy_entry, &copy);
  return error == 0 || copy.failure != NULL ? copy.failure : dl_xstrdup(strerror(error));
}

/* bubblewrap takes its time for every mount, so what hardly ever changes is copied, where there is room for it. */
static char *offer_dir(const char *dir, size_t i, unsigned *mounted) {
  char *from = dl_xprintf("/etc/%s", DL_ETC_DIRS[i]), *to = dl_xprintf("%s/%s", dir, DL_ETC_DIRS[i]);
  nftw(to, remove_entry, 16, FTW_DEPTH | FTW_PHYS); /* an earlier server's, which no box can write to */
  int fd = open(from, O_PATH | O_DIRECTORY | O_CLOEXEC);
  char *failure = fd >= 0 ? make_dir(dir, DL_ETC_DIRS[i]) : NULL;
  if (fd >= 0 && failure == NULL) {
    char *reason = i < FIRST_COPIED ? dl_xstrdup("it changes") : copy_dir(fd, to);
    if (reason != NULL) {
      nftw(to, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
      failure = make_dir(dir, DL_ETC_DIRS[i]);
      *mounted |= 1u << i;
      if (i >= FIRST_COPIED) dl_info("%s is mounted in each sandbox, not copied: %s", from, reason);
    }
    free(reason);
  }
  if (fd >= 0) close(fd);
  free(to);
  free(from);
  return failure;
}

/* Always says what the box's own UTS namespace says. */
static char *link_hostname(const char *dir) {
  char *path = dl_xprintf("%s/hostname", dir);
  bool made = symlink("/proc/sys/kernel/hostname", path) == 0 || errno == EEXIST;
  char *failure = made ? NULL : dl_xprintf("cannot make %s: %s", path, strerror(errno));
  free(path);
  return failure;
}

char *dl_etc_make(const char *dir, unsigned *mounted) {
  *mounted = 0;
  char *failure = make_dir(dir, "");
  if (failure == NULL) failure = make_dir(dir, "ssl");
  if (failure == NULL) failure = make_dir(dir, "xdg");
  if (failure == NULL) failure = make_dir(dir, "daytona");
  if (failure == NULL) failure = make_dir(dir, DL_ETC_BIN);
  if (failure == NULL) failure = link_hostname(dir);
  for (size_t i = 0; failure == NULL && i < DL_COUNT(WRITTEN); i++)
    failure = write_file(dir, WRITTEN[i].name, WRITTEN[i].text, strlen(WRITTEN[i].text), 0644);
  for (size_t i = 0; failure == NULL && i < DL_COUNT(STAND_INS); i++)
    if (!STAND_INS[i].is_python || has_python())
      failure = write_file(dir, STAND_INS[i].name, STAND_INS[i].text, strlen(STAND_INS[i].text), 0755);
    else
      remove_file(dir, STAND_INS[i].name);
  for (size_t i = 0; failure == NULL && i < DL_COUNT(COPIED); i++) failure = copy_file(dir, COPIED[i]);
  for (size_t i = 0; failure == NULL && DL_ETC_DIRS[i] != NULL; i++) failure = offer_dir(dir, i, mounted);
  return failure;
}
