/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into a server under test: a disk that does not answer, or slowly. A call named F waits as long as the file
 * $DL_STUCK/F exists, and takes 5 ms while $DL_STUCK/F.slow does. $DL_STUCK/F.count has a line for each call that waited.
 * And a machine whose clock jumps: it is ahead by the seconds in $DL_STUCK/seconds.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static int is_there(const char *name, const char *suffix) {
  char path[4096];
  const char *dir = getenv("DL_STUCK");
  if (!dir) return 0;
  snprintf(path, sizeof path, "%s/%s%s", dir, name, suffix);
  return access(path, F_OK) == 0;
}

static void note(const char *name) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s.count", getenv("DL_STUCK"), name);
  int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd >= 0 && write(fd, "\n", 1) == 1) close(fd);
}

static void wait_for(const char *name) {
  if (is_there(name, "")) note(name);
  while (is_there(name, "")) usleep(5000);
  if (is_there(name, ".slow")) usleep(5000);
}

int clock_gettime(clockid_t id, struct timespec *out) {
  int (*next)(clockid_t, struct timespec *) =
    (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int rc = next(id, out);
  char path[4096], text[32] = "";
  const char *dir = id == CLOCK_REALTIME ? getenv("DL_STUCK") : NULL;
  if (dir) {
    snprintf(path, sizeof path, "%s/seconds", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, text, sizeof text - 1) > 0) out->tv_sec += atol(text);
    if (fd >= 0) close(fd);
  }
  return rc;
}

int fdatasync(int fd) {
  int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  wait_for("fdatasync");
  return next(fd);
}

int fchownat(int dir, const char *name, uid_t user, gid_t group, int flags) {
  int (*next)(int, const char *, uid_t, gid_t, int) =
    (int (*)(int, const char *, uid_t, gid_t, int))dlsym(RTLD_NEXT, "fchownat");
  wait_for("fchownat");
  return next(dir, name, user, group, flags);
}

int unlinkat(int dir, const char *name, int flags) {
  int (*next)(int, const char *, int) = (int (*)(int, const char *, int))dlsym(RTLD_NEXT, "unlinkat");
  wait_for("unlinkat");
  return next(dir, name, flags);
}

/* Where files are large by definition this is pread64. */
ssize_t pread(int fd, void *bytes, size_t len, off_t at) {
  void *found = dlsym(RTLD_NEXT, "pread64");
  ssize_t (*next)(int, void *, size_t, off_t) =
    (ssize_t(*)(int, void *, size_t, off_t))(found ? found : dlsym(RTLD_NEXT, "pread"));
  wait_for("pread");
  return next(fd, bytes, len, at);
}
