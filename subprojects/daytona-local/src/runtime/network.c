/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outside access for a box with its own network namespace: one slirp4netns per box.
 *
 * It starts when the box's first process runs, not earlier: it brings the loopback up if that is
 * down, and then bubblewrap, which does the same, would fail. The box does not wait for it, but its
 * toolbox holds back programs until the network is reported ready. The host's loopback is out of its reach. It receives the
 * namespaces by descriptor: the process's own /proc entry would name the inner user namespace,
 * in which nobody may touch the network.
 */
#include "runtime/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

const char *dl_network_missing(const dl_runtime_t *rt) {
  if (rt->slirp == NULL) return "slirp4netns is not installed";
  int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  if (fd < 0) return "no access to /dev/net/tun";
  close(fd);
  return NULL;
}

static void on_died(void *user) { dl_box_spare_is_cut_off(user); }

dl_helper_t *dl_network_start(dl_box_t *box, void (*on_said)(void *user, const char *bytes, size_t len)) {
  dl_runtime_t *rt = box->rt;
  /* In it: the network namespace, its user namespace, the pipe to live by, the pipe to be ready on. */
  int fds[4] = {-1, -1, -1, -1}, alive[2] = {-1, -1}, told[2] = {-1, -1};
  bool is_open =
    dl_netns_open(box, &fds[0], &fds[1]) == 0 && pipe2(alive, O_CLOEXEC) == 0 && pipe2(told, O_CLOEXEC) == 0;
  fds[2] = alive[0];
  fds[3] = told[1];
  if (!is_open && errno != ESRCH)
    dl_warn("box %s: cannot open its network namespace: %s", box->id, strerror(errno));
  char *args[] = {rt->toolbox, "own-root", "--forbid-loopback", rt->slirp, "--configure", "--mtu=65520",
                  "--disable-host-loopback", "--exit-fd=5", "--ready-fd=6", "--userns-path=/proc/self/fd/4",
                  "--netns-type=path", "/proc/self/fd/3", "tap0",
                  /* As root it holds rights worth giving up, which takes a root that can be left. */
                  rt->as_root ? "--enable-sandbox" : NULL, NULL};
  return dl_helper_start(rt, &(dl_helper_spec_t){.what = "its network",
                                                 .box_id = box->id,
                                                 .argv = args,
                                                 .fds = fds,
                                                 .fd_count = DL_COUNT(fds),
                                                 .line_fd = told[0],
                                                 .alive_fd = alive[1],
                                                 .on_said = on_said,
                                                 .on_died = on_died,
                                                 .user = box});
}
