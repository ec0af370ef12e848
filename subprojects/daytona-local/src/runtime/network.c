/* SPDX-License-Identifier: Apache-2.0
 *
 * Outside access for a box with its own network namespace: one slirp4netns per box.
 *
 * It starts as soon as the namespace exists and works beside the rest of the start, so a box is
 * up before its network in the worst case. It ends when the pipe it holds closes, so a server
 * that is killed takes it along. The host's loopback is out of its reach. It is told the
 * namespaces by descriptor: the process's own /proc entry would name the inner user namespace,
 * in which nobody may touch the network.
 */
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct dl_box_network {
  uv_process_t process;
  int alive_fd; /* the end of the pipe whose closing ends slirp4netns */
  char *box_id;
  bool has_exited;
  void (*done)(void *user);
  void *user;
};

const char *dl_network_missing(const dl_runtime *rt) {
  if (rt->slirp == NULL) return "none (slirp4netns is not installed)";
  int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  if (fd < 0) return "none (no access to /dev/net/tun)";
  close(fd);
  return NULL;
}

static void on_closed(uv_handle_t *handle) {
  struct dl_box_network *net = handle->data;
  if (net->alive_fd >= 0) close(net->alive_fd);
  if (net->done != NULL) net->done(net->user);
  free(net->box_id);
  free(net);
}

static void on_slirp_exit(uv_process_t *process, int64_t status, int signal) {
  struct dl_box_network *net = process->data;
  net->has_exited = true;
  if (net->done != NULL) uv_close((uv_handle_t *)process, on_closed);
  else dl_warn("box %s: its network ended (status %d, signal %d)", net->box_id, (int)status, signal);
}

static int open_namespaces(pid_t pid, int *net_fd, int *user_fd) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%ld/ns/net", (long)pid);
  *net_fd = open(path, O_RDONLY | O_CLOEXEC);
  if (*net_fd < 0) return -1;
  *user_fd = ioctl(*net_fd, NS_GET_USERNS);
  return *user_fd < 0 ? -1 : 0;
}

static int spawn(struct dl_box_network *net, dl_runtime *rt, int net_fd, int user_fd, int pipe_fd) {
  uv_stdio_container_t stdio[6];
  for (int i = 0; i < 3; i++) stdio[i].flags = UV_IGNORE;
  const int fds[3] = {net_fd, user_fd, pipe_fd};
  for (int i = 0; i < 3; i++) {
    stdio[3 + i].flags = UV_INHERIT_FD;
    stdio[3 + i].data.fd = fds[i];
  }
  char *args[] = {rt->slirp, "--configure", "--mtu=65520", "--disable-host-loopback", "--exit-fd=5",
                  "--userns-path=/proc/self/fd/4", "--netns-type=path", "/proc/self/fd/3", "tap0",
                  /* As root it holds rights worth giving up. */
                  rt->as_root ? "--enable-sandbox" : NULL, NULL};
  char *env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
  uv_process_options_t options = {.file = rt->slirp,
                                  .args = args,
                                  .env = env,
                                  .cwd = "/",
                                  .exit_cb = on_slirp_exit,
                                  .stdio = stdio,
                                  .stdio_count = 6,
                                  .flags = UV_PROCESS_DETACHED};
  net->process.data = net;
  return uv_spawn(rt->loop, &net->process, &options);
}

struct dl_box_network *dl_network_start(dl_box *box) {
  struct dl_box_network *net = dl_xcalloc(1, sizeof *net);
  int net_fd = -1, user_fd = -1, ends[2] = {-1, -1};
  int failure = -1;
  net->alive_fd = -1;
  net->box_id = dl_xstrdup(box->id);
  bool ready = open_namespaces(box->inner_pid, &net_fd, &user_fd) == 0 && pipe2(ends, O_CLOEXEC) == 0;
  if (ready) {
    net->alive_fd = ends[1];
    failure = spawn(net, box->rt, net_fd, user_fd, ends[0]);
  } else {
    dl_warn("box %s: cannot open its network namespace: %s", box->id, strerror(errno));
  }
  if (net_fd >= 0) close(net_fd);
  if (user_fd >= 0) close(user_fd);
  if (ends[0] >= 0) close(ends[0]);
  if (failure == 0) return net;
  if (!ready) {
    free(net->box_id);
    free(net);
    return NULL;
  }
  /* uv_spawn has made the handle even when it failed. */
  dl_warn("box %s: cannot start slirp4netns: %s", box->id, uv_strerror(failure));
  uv_close((uv_handle_t *)&net->process, on_closed);
  return NULL;
}

void dl_network_stop(struct dl_box_network *net, void (*done)(void *user), void *user) {
  net->done = done;
  net->user = user;
  if (net->alive_fd >= 0) close(net->alive_fd);
  net->alive_fd = -1;
  if (net->has_exited) uv_close((uv_handle_t *)&net->process, on_closed);
  else uv_process_kill(&net->process, SIGKILL);
}
