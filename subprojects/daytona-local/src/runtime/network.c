/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outside access for a box with its own network namespace: one slirp4netns per box.
 *
 * It starts when the box's first process runs, not earlier: it brings the loopback up if that is
 * down, and then bubblewrap, which does the same, would fail. The box does not wait for it, but its
 * toolbox holds back programs until the network is reported ready. It ends when the pipe it holds closes, so a server
 * that is killed takes it along. The host's loopback is out of its reach. It receives the
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
  uv_poll_t ready;
  int alive_fd; /* the end of the pipe whose closing ends slirp4netns */
  int ready_fd; /* readable when it is ready, or has died */
  dl_box_t *box;
  void (*on_ready)(dl_box_t *box, bool works);
  int open_handles;
  char *box_id;
  bool has_exited;
  void (*done)(void *user);
  void *user;
};

const char *dl_network_missing(const dl_runtime_t *rt) {
  if (rt->slirp == NULL) return "slirp4netns is not installed";
  int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  if (fd < 0) return "no access to /dev/net/tun";
  close(fd);
  return NULL;
}

static void on_closed(uv_handle_t *handle) {
  struct dl_box_network *net = handle->data;
  if (--net->open_handles > 0) return;
  if (net->alive_fd >= 0) close(net->alive_fd);
  if (net->ready_fd >= 0) close(net->ready_fd);
  if (net->done != NULL) net->done(net->user);
  free(net->box_id);
  free(net);
}

static void close_handles(struct dl_box_network *net) {
  uv_close((uv_handle_t *)&net->process, on_closed);
  if (net->ready_fd >= 0) uv_close((uv_handle_t *)&net->ready, on_closed);
}

static void on_slirp_exit(uv_process_t *process, int64_t status, int signal) {
  struct dl_box_network *net = process->data;
  net->has_exited = true;
  if (net->done != NULL)
    close_handles(net);
  else
    dl_warn("box %s: its network ended (status %d, signal %d)", net->box_id, (int)status, signal);
}

static void on_ready(uv_poll_t *poll, int status, int events) {
  struct dl_box_network *net = poll->data;
  char byte;
  (void)events;
  bool works = status == 0 && read(net->ready_fd, &byte, 1) == 1;
  uv_poll_stop(poll);
  net->on_ready(net->box, works);
}

static int open_namespaces(pid_t pid, int *net_fd, int *user_fd) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%ld/ns/net", (long)pid);
  *net_fd = open(path, O_RDONLY | O_CLOEXEC);
  if (*net_fd < 0) return -1;
  *user_fd = ioctl(*net_fd, NS_GET_USERNS);
  return *user_fd < 0 ? -1 : 0;
}

/* fds: the network namespace, its user namespace, the pipe to live by, the pipe to be ready on. */
static int spawn(struct dl_box_network *net, dl_runtime_t *rt, const int fds[4]) {
  uv_stdio_container_t stdio[7];
  for (int i = 0; i < 3; i++) stdio[i].flags = UV_IGNORE;
  for (int i = 0; i < 4; i++) {
    stdio[3 + i].flags = UV_INHERIT_FD;
    stdio[3 + i].data.fd = fds[i];
  }
  char *args[] = {rt->exe, "own-root", rt->slirp, "--configure", "--mtu=65520", "--disable-host-loopback",
                  "--exit-fd=5", "--ready-fd=6", "--userns-path=/proc/self/fd/4", "--netns-type=path",
                  "/proc/self/fd/3", "tap0",
                  /* As root it holds rights worth giving up, which takes a root that can be left. */
                  rt->as_root ? "--enable-sandbox" : NULL, NULL};
  char *env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
  char **from = rt->as_root ? args : args + 2;
  uv_process_options_t options = {.file = from[0],
                                  .args = from,
                                  .env = env,
                                  .cwd = "/",
                                  .exit_cb = on_slirp_exit,
                                  .stdio = stdio,
                                  .stdio_count = 7,
                                  .flags = UV_PROCESS_DETACHED};
  net->process.data = net;
  return uv_spawn(rt->loop, &net->process, &options);
}

static void close_all(int *fds, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (fds[i] >= 0) close(fds[i]);
}

struct dl_box_network *dl_network_start(dl_box_t *box, void (*ready)(dl_box_t *box, bool works)) {
  struct dl_box_network *net = dl_xcalloc(1, sizeof *net);
  int fds[4] = {-1, -1, -1, -1}, alive[2] = {-1, -1}, told[2] = {-1, -1};
  bool is_open = open_namespaces(box->inner_pid, &fds[0], &fds[1]) == 0 && pipe2(alive, O_CLOEXEC) == 0 &&
                 pipe2(told, O_CLOEXEC) == 0;
  fds[2] = alive[0];
  fds[3] = told[1];
  *net = (struct dl_box_network){.alive_fd = alive[1], .ready_fd = told[0], .box = box, .on_ready = ready};
  if (!is_open) {
    dl_warn("box %s: cannot open its network namespace: %s", box->id, strerror(errno));
    close_all(fds, DL_COUNT(fds));
    close_all((int[]){alive[1], told[0]}, 2);
    free(net);
    return NULL;
  }
  net->box_id = dl_xstrdup(box->id);
  int failure = spawn(net, box->rt, fds);
  close_all(fds, DL_COUNT(fds));
  uv_poll_init(box->rt->loop, &net->ready, net->ready_fd);
  net->ready.data = net;
  net->open_handles = 2;
  if (failure == 0) {
    uv_poll_start(&net->ready, UV_READABLE, on_ready);
    return net;
  }
  /* uv_spawn has made the handle even when it failed. */
  dl_warn("box %s: cannot start slirp4netns: %s", box->id, uv_strerror(failure));
  close_handles(net);
  return NULL;
}

void dl_network_stop(struct dl_box_network *net, void (*done)(void *user), void *user) {
  net->done = done;
  net->user = user;
  if (net->alive_fd >= 0) close(net->alive_fd);
  net->alive_fd = -1;
  uv_poll_stop(&net->ready);
  if (net->has_exited)
    close_handles(net);
  else
    uv_process_kill(&net->process, SIGKILL);
}
