/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User namespaces. One begins with a process: a process is made that does nothing, and ended as soon as its namespace has
 * its maps and is open. It is a copy of a process that may have threads, so it only makes system calls; its end sends no
 * signal, so that no handler of the server looks at it.
 *
 * Root and whoever has the rights of the namespace above writes the maps itself. An ordinary user may map itself only; for
 * the ids that /etc/subuid gives it there are newuidmap and newgidmap.
 */
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __WALL
#define __WALL 0x40000000
#endif

_Noreturn static void wait_for_the_end(pid_t maker) {
  syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  while (syscall(SYS_getppid) == maker) syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
  syscall(SYS_exit_group, 0);
  __builtin_unreachable();
}

static bool write_text(pid_t pid, const char *name, const char *text) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
  int reason = errno;
  if (fd >= 0) close(fd);
  errno = reason;
  return ok;
}

static pid_t begin(void) {
  pid_t maker = getpid();
  pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER, 0, 0, 0, 0);
  if (pid == 0) wait_for_the_end(maker);
  return pid;
}

/* The namespace of the process if it `is_good`, else -1; the process ends. errno stays. */
static int finish(pid_t pid, bool is_good) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%ld/ns/user", (long)pid);
  int fd = is_good ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  int reason = errno;
  kill(pid, SIGKILL);
  while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR) {}
  errno = reason;
  return fd;
}

int dl_users_open(const char *uid_map, const char *gid_map) {
  pid_t pid = begin();
  if (pid < 0) return -1;
  return finish(pid, write_text(pid, "uid_map", uid_map) && write_text(pid, "gid_map", gid_map));
}

/* newuidmap and its like. 0, or an errno value. */
static int run_mapper(const char *program, char *const *argv) {
  int status = 0;
  pid_t pid = fork();
  if (pid < 0) return errno;
  if (pid == 0) {
    execvp(program, argv);
    _exit(errno == ENOENT ? 126 : 127);
  }
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
  return WIFEXITED(status) && WEXITSTATUS(status) == 126 ? ENOENT : EPERM;
}

static bool map_by(const char *program, pid_t pid, unsigned zero, unsigned first, unsigned count) {
  char texts[4][16];
  snprintf(texts[0], sizeof texts[0], "%ld", (long)pid);
  snprintf(texts[1], sizeof texts[1], "%u", zero);
  snprintf(texts[2], sizeof texts[2], "%u", first);
  snprintf(texts[3], sizeof texts[3], "%u", count - 1);
  char *argv[] = {(char *)program, texts[0], "0", texts[1], "1", "1", texts[2], texts[3], NULL};
  errno = run_mapper(program, argv);
  return errno == 0;
}

static bool map_only_zero(pid_t pid, const dl_box_ids_t *ids) {
  char uid_map[32], gid_map[32];
  snprintf(uid_map, sizeof uid_map, "0 %u 1\n", (unsigned)ids->zero_uid);
  snprintf(gid_map, sizeof gid_map, "0 %u 1\n", (unsigned)ids->zero_gid);
  return write_text(pid, "setgroups", "deny") && write_text(pid, "uid_map", uid_map) &&
         write_text(pid, "gid_map", gid_map);
}

/* As begin(), with `owner` as the user whom the namespace belongs to: what its processes use up of the kernel (inotify
 * instances, say) is counted as that user's. For root. */
static pid_t begin_as(uid_t owner) {
  int ends[2];
  char byte = 0;
  pid_t maker = getpid();
  if (pipe2(ends, O_CLOEXEC) != 0) return -1;
  pid_t pid = fork();
  if (pid == 0) {
    bool ok = setgroups(0, NULL) == 0 && setresgid(owner, owner, owner) == 0 &&
              setresuid(owner, owner, owner) == 0 && unshare(CLONE_NEWUSER) == 0 &&
              write(ends[1], "", 1) == 1;
    if (ok) wait_for_the_end(maker);
    _exit(1);
  }
  int reason = errno;
  close(ends[1]);
  bool is_there = pid > 0 && read(ends[0], &byte, 1) == 1;
  close(ends[0]);
  errno = pid < 0 ? reason : EPERM;
  if (is_there || pid < 0) return pid;
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
  errno = EPERM;
  return -1;
}

static int open_of_root(const dl_box_ids_t *ids, uid_t owner) {
  char uid_map[64], gid_map[64];
  int uids = snprintf(uid_map, sizeof uid_map, "0 %u 1\n", (unsigned)ids->zero_uid);
  int gids = snprintf(gid_map, sizeof gid_map, "0 %u 1\n", (unsigned)ids->zero_gid);
  if (ids->count > 1) {
    snprintf(uid_map + uids, sizeof uid_map - (size_t)uids, "1 %u %u\n", (unsigned)ids->first_uid,
             ids->count - 1);
    snprintf(gid_map + gids, sizeof gid_map - (size_t)gids, "1 %u %u\n", (unsigned)ids->first_gid,
             ids->count - 1);
  }
  pid_t pid = begin_as(owner);
  if (pid < 0) return -1;
  return finish(pid, write_text(pid, "uid_map", uid_map) && write_text(pid, "gid_map", gid_map));
}

int dl_users_open_ids(const dl_box_ids_t *ids, uid_t owner) {
  if (geteuid() == 0) return open_of_root(ids, owner);
  pid_t pid = begin();
  if (pid < 0) return -1;
  bool is_mapped = ids->count == 1 ? map_only_zero(pid, ids)
                                   : map_by("newuidmap", pid, ids->zero_uid, ids->first_uid, ids->count) &&
                                       map_by("newgidmap", pid, ids->zero_gid, ids->first_gid, ids->count);
  return finish(pid, is_mapped);
}

int dl_users_open_inner(unsigned count) {
  char map[64];
  /* In two pieces, as those of the outer one: a piece may not lie across two. */
  snprintf(map, sizeof map, "0 0 1\n1 1 %u\n", count - 1);
  if (count > 1) return dl_users_open(map, map);
  pid_t pid = begin();
  if (pid < 0) return -1;
  return finish(pid, map_only_zero(pid, &(dl_box_ids_t){.count = 1}));
}

static char *no_ids(const dl_box_ids_t *ids) {
  if (errno == ENOENT)
    return dl_xstrdup(
      "newuidmap is not installed (package uidmap): images need it where the server is not root");
  return dl_xprintf("cannot make a user namespace with %u ids from %u on: %s", ids->count,
                    (unsigned)ids->zero_uid, strerror(errno));
}

char *dl_ids_enter(const dl_box_ids_t *ids, uid_t owner) {
  int users = dl_users_open_ids(ids, owner);
  if (users < 0) return no_ids(ids);
  bool ok = setns(users, CLONE_NEWUSER) == 0;
  close(users);
  ok =
    ok && (ids->count == 1 || setgroups(0, NULL) == 0) && setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0;
  if (!ok) return dl_xprintf("cannot enter the user namespace of the image: %s", strerror(errno));
  /* The change of users has made our files in /proc the host's root's. */
  prctl(PR_SET_DUMPABLE, 1);
  return NULL;
}
