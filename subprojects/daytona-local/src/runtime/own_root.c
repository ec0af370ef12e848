/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mount namespace of one's own, in a chroot as well.
 *
 * In a chroot the kernel makes no user namespaces, since these could get out of it, and pivot_root works on mounts
 * only. Root can get out anyway, so the chroot's tree is laid over the root of the new mount namespace: there it is
 * no chroot any more, for us and for what we run.
 */
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether "/" is another place than `root`, the process's root of before; -1 where it is unknown. */
static int has_moved(int root) {
  struct statx before, now;
  if (statx(root, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &before) != 0 ||
      statx(AT_FDCWD, "/", 0, STATX_INO | STATX_MNT_ID, &now) != 0)
    return -1;
  return before.stx_mnt_id != now.stx_mnt_id || before.stx_ino != now.stx_ino;
}

static bool make_private(void) { return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0; }

/* Entering a mount namespace leads to its root, also when it is one's own. If that was not our root, we are in a
 * chroot. */
static const char *settle(int root, int own) {
  if (setns(own, CLONE_NEWNS) != 0) return "cannot enter the mount namespace";
  if (!make_private()) return "cannot make mounts private";
  int moved = has_moved(root);
  if (moved < 0) return "cannot look at /";
  if (moved == 0) return NULL;
  int tree = open_tree(root, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH);
  if (tree < 0) return "cannot take hold of the chroot";
  bool is_there =
    move_mount(tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) == 0 && setns(own, CLONE_NEWNS) == 0;
  close(tree);
  if (!is_there) return "cannot make the chroot a root";
  return make_private() ? NULL : "cannot make mounts private";
}

const char *dl_own_root(void) {
  if (unshare(CLONE_NEWNS) != 0) return "cannot make a mount namespace";
  int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  const char *failure = root < 0 || own < 0 ? "cannot look at /proc (is it mounted?)" : settle(root, own);
  if (root >= 0) close(root);
  if (own >= 0) close(own);
  return failure;
}

int dl_own_root_main(int argc, char **argv) {
  bool is_root = geteuid() == 0;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const char *failure = NULL;
  if (argc > 0 && strcmp(argv[0], "--forbid-loopback") == 0) {
    if (!dl_forbid_loopback_of(3, 4))
      failure = "cannot keep the loopback's addresses in the network namespace";
    argc--;
    argv++;
  }
  if (failure == NULL) failure = argc == 0 ? "needs a command" : is_root ? dl_own_root() : NULL;
  if (failure != NULL) {
    fprintf(stderr, "daytona-local: %s: %s\n", failure, strerror(errno));
    return 127;
  }
  execv(argv[0], argv);
  fprintf(stderr, "daytona-local: cannot run %s: %s\n", argv[0], strerror(errno));
  return 127;
}
