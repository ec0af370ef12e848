/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts that show the files of one user as those of another. The kernel takes the translation from a user namespace.
 */
#include "runtime/internal.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

/* Root as itself, `stored` as `shown`, and the others of the range as themselves; -1 with errno. */
static int open_namespace(const dl_idmap_t *map) {
  char text[160];
  unsigned first = map->first, end = map->first + map->count, shown = map->shown;
  int len = snprintf(text, sizeof text, "0 0 1\n%u %u 1\n", map->stored, shown);
  if (shown < first || shown >= end) shown = end; /* in one piece */
  if (first < shown)
    len += snprintf(text + len, sizeof text - (size_t)len, "%u %u %u\n", first, first, shown - first);
  if (shown + 1 < end)
    snprintf(text + len, sizeof text - (size_t)len, "%u %u %u\n", shown + 1, shown + 1, end - shown - 1);
  return dl_users_open(text, text);
}

int dl_idmap_mount(int fd, const dl_idmap_t *map) {
  int users = open_namespace(map);
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
