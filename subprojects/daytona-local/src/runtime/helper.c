/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Helpers of a box's network: one child process each, with a line to it. Its handles are closed first, then `done` is
 * called, then its memory goes.
 */
#include "runtime/helper.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FDS_MAX 8
#define MESSAGE_MAX 4096

struct dl_helper {
  uv_process_t process;
  uv_poll_t line;
  int line_fd, alive_fd;
  const char *what;
  char *box_id;
  void (*on_said)(void *user, const char *bytes, size_t len);
  void (*on_died)(void *user);
  void *said_user;
  int open_handles;
  bool has_exited, is_paused;
  void (*done)(void *user);
  void *user;
};

/* While this is so, its number is its own. EPERM comes of a process that is there, too. */
static bool is_there(int pidfd) {
  return pidfd >= 0 && (syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0 || errno == EPERM);
}

/* PF_EXITING of <linux/sched.h>, in the seventh field behind the name in brackets, which may have brackets of its own. */
static bool is_ending(pid_t pid) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t len = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
  int reason = errno;
  if (fd >= 0) close(fd);
  if (len < 0) return reason == ENOENT || reason == ESRCH; /* not EMFILE */
  text[len] = '\0';
  const char *behind = strrchr(text, ')');
  unsigned flags = 0;
  return behind != NULL && sscanf(behind, ") %*c %*d %*d %*d %*d %*d %u", &flags) == 1 && (flags & 4) != 0;
}

int dl_netns_open(const dl_box_t *box, int *net_fd, int *user_fd) {
  char path[64];
  /* The launcher of an image is in the same namespace, and a child that we have not waited for. Its process 1, which has
   * run no program since it was in ours, is not to be looked at where the server is not root. */
  bool by_child = box->image != NULL;
  pid_t pid = by_child ? box->pid : box->inner_pid;
  snprintf(path, sizeof path, "/proc/%ld/ns/net", (long)pid);
  *user_fd = -1;
  *net_fd = open(path, O_RDONLY | O_CLOEXEC);
  int reason = errno;
  if (by_child ? box->has_exited : !is_there(box->inner_fd)) {
    reason = box->inner_fd < 0 && !box->has_exited ? EBADF : ESRCH;
  } else if (*net_fd >= 0) {
    *user_fd = ioctl(*net_fd, NS_GET_USERNS);
    reason = errno;
  } else if (reason == ENOENT || ((reason == EACCES || reason == EPERM) && is_ending(pid))) {
    reason = ESRCH; /* while it ends, its namespaces may not be looked at, and then are gone */
  }
  if (*user_fd >= 0) return 0;
  if (*net_fd >= 0) close(*net_fd);
  *net_fd = -1;
  errno = reason;
  return -1;
}

static void on_closed(uv_handle_t *handle) {
  dl_helper_t *h = handle->data;
  if (--h->open_handles > 0) return;
  if (h->alive_fd >= 0) close(h->alive_fd);
  if (h->line_fd >= 0) close(h->line_fd);
  if (h->done != NULL) h->done(h->user);
  free(h->box_id);
  free(h);
}

static void close_handles(dl_helper_t *h) {
  uv_close((uv_handle_t *)&h->process, on_closed);
  uv_close((uv_handle_t *)&h->line, on_closed);
}

static void on_ended(uv_process_t *process, int64_t status, int signal) {
  dl_helper_t *h = process->data;
  h->has_exited = true;
  if (h->done != NULL) {
    close_handles(h);
    return;
  }
  dl_warn("box %s: %s ended (status %d, signal %d)", h->box_id, h->what, (int)status, signal);
  if (h->on_died != NULL) h->on_died(h->said_user);
}

static void on_line(uv_poll_t *poll, int status, int events) {
  dl_helper_t *h = poll->data;
  char bytes[MESSAGE_MAX];
  (void)events;
  ssize_t got = status == 0 ? read(h->line_fd, bytes, sizeof bytes) : 0;
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) uv_poll_stop(poll);
  h->on_said(h->said_user, bytes, got > 0 ? (size_t)got : 0);
}

static int spawn(dl_helper_t *h, dl_runtime_t *rt, const dl_helper_spec_t *spec) {
  uv_stdio_container_t stdio[3 + FDS_MAX];
  assert(spec->fd_count <= FDS_MAX);
  for (size_t i = 0; i < 3; i++) stdio[i].flags = UV_IGNORE;
  for (size_t i = 0; i < spec->fd_count; i++) {
    stdio[3 + i].flags = UV_INHERIT_FD;
    stdio[3 + i].data.fd = spec->fds[i];
  }
  char *env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
  uv_process_options_t options = {.file = spec->argv[0],
                                  .args = spec->argv,
                                  .env = env,
                                  .cwd = "/",
                                  .exit_cb = on_ended,
                                  .stdio = stdio,
                                  .stdio_count = (int)(3 + spec->fd_count),
                                  .flags = UV_PROCESS_DETACHED};
  h->process.data = h;
  return uv_spawn(rt->loop, &h->process, &options);
}

static void close_fds(const int *fds, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (fds[i] >= 0) close(fds[i]);
}

static bool is_whole(const dl_helper_spec_t *spec) {
  bool is_open = spec->line_fd >= 0;
  for (size_t i = 0; i < spec->fd_count; i++) is_open = is_open && spec->fds[i] >= 0;
  return is_open;
}

dl_helper_t *dl_helper_start(dl_runtime_t *rt, const dl_helper_spec_t *spec) {
  if (!is_whole(spec)) {
    close_fds(spec->fds, spec->fd_count);
    close_fds((int[]){spec->line_fd, spec->alive_fd}, 2);
    return NULL;
  }
  dl_helper_t *h = dl_xcalloc(1, sizeof *h);
  *h = (dl_helper_t){.line_fd = spec->line_fd,
                     .alive_fd = spec->alive_fd,
                     .what = spec->what,
                     .box_id = dl_xstrdup(spec->box_id),
                     .on_said = spec->on_said,
                     .on_died = spec->on_died,
                     .said_user = spec->user};
  fcntl(h->line_fd, F_SETFL, O_NONBLOCK);
  int failure = spawn(h, rt, spec);
  close_fds(spec->fds, spec->fd_count);
  uv_poll_init(rt->loop, &h->line, h->line_fd);
  h->line.data = h;
  h->open_handles = 2;
  if (failure == 0) {
    uv_poll_start(&h->line, UV_READABLE, on_line);
    return h;
  }
  /* uv_spawn has made the handle even when it failed. */
  dl_warn("box %s: cannot start %s: %s", h->box_id, h->what, uv_strerror(failure));
  close_handles(h);
  return NULL;
}

bool dl_helper_say(dl_helper_t *h, const char *text) {
  size_t len = strlen(text);
  return !h->has_exited && send(h->line_fd, text, len, MSG_NOSIGNAL) == (ssize_t)len;
}

void dl_helper_pause(dl_helper_t *h, bool is_paused) {
  if (h->is_paused == is_paused || h->has_exited || h->done != NULL) return;
  h->is_paused = is_paused;
  uv_process_kill(&h->process, is_paused ? SIGSTOP : SIGCONT);
}

void dl_helper_stop(dl_helper_t *h, void (*done)(void *user), void *user) {
  assert(h->done == NULL && done != NULL);
  h->done = done;
  h->user = user;
  if (h->alive_fd >= 0) close(h->alive_fd);
  h->alive_fd = -1;
  uv_poll_stop(&h->line);
  if (h->has_exited)
    close_handles(h);
  else
    uv_process_kill(&h->process, SIGKILL);
}
