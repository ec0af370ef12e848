/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts that show the files of one user as those of another. The kernel takes the translation from a user namespace,
 * and a user namespace begins with a process: one is made that does nothing, and ended as soon as the namespace is
 * open. It is a copy of a process with threads, so it only makes system calls; its end sends no signal, so that no
 * handler of the server looks at it.
 */
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __WALL
#define __WALL 0x40000000
#endif

_Noreturn static void wait_for_the_end(pid_t server) {
  syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  while (syscall(SYS_getppid) == server) syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
  syscall(SYS_exit_group, 0);
  __builtin_unreachable();
}

static bool write_map(pid_t pid, const char *name, const char *text) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
  int reason = errno;
  if (fd >= 0) close(fd);
  errno = reason;
  return ok;
}

/* A user namespace in which `stored` is shown as `shown`, and root as itself; -1 with errno. */
static int open_namespace(unsigned stored, unsigned shown) {
  char map[64], path[64];
  pid_t server = getpid();
  snprintf(map, sizeof map, "0 0 1\n%u %u 1\n", stored, shown);
  pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER, 0, 0, 0, 0);
  if (pid == 0) wait_for_the_end(server);
  if (pid < 0) return -1;
  snprintf(path, sizeof path, "/proc/%ld/ns/user", (long)pid);
  int fd =
    write_map(pid, "uid_map", map) && write_map(pid, "gid_map", map) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  int reason = errno;
  kill(pid, SIGKILL);
  while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR) {}
  errno = reason;
  return fd;
}

int dl_idmap_mount(int fd, unsigned stored, unsigned shown) {
  int users = open_namespace(stored, shown);
  if (users < 0) return -1;
  struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (unsigned)users};
  int mount = open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
  if (mount >= 0 && mount_setattr(mount, "", AT_EMPTY_PATH, &attr, sizeof attr) != 0) {
    int reason = errno;
    close(mount);
    errno = reason;
    mount = -1;
  }
  int reason = errno;
  close(users);
  errno = reason;
  return mount;
}
