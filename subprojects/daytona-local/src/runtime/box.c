/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of one box: prepare, start, up, stopping, gone.
 *
 * The box's first process holds one end of the control socket. It says 'R' when it serves, 'Q' when no programs run in the
 * box any more, and 'P' before it starts one again, and 'W' when its user lacks watches of epoll; we say
 * 'N' when its network is ready, 'T' when it shall end, 'E' with the descriptor of a memory file that changes its
 * environment, which it answers with 'E', and 'C' in the same way to a spare box (see spare.c); end of file means that the server is gone. bubblewrap's own process
 * on the host is our child; it is reaped only after every process of the box is, because the
 * kernel ends a PID namespace before it reports its first process. So "the child has exited"
 * is the one fact that everything at the end waits for. Handles are closed first, then the
 * network, then callbacks are made, then memory goes.
 */
#include "runtime/internal.h"
#include "runtime/prepare.h"
#include "runtime/proctree.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_LIMIT_MS 30000
#define STOP_LIMIT_MS 5000
#define ERROR_TEXT_MAX 4096
#define INFO_TEXT_MAX 4096
#define ENV_MAX (4 * 1024 * 1024)

static void end_box(dl_box_t *box);

/* One state after the other, and gone from any of them. */
static void set_state(dl_box_t *box, dl_box_state_t to) {
  assert(box->state != DL_BOX_GONE && (to == DL_BOX_GONE || to == box->state + 1));
  box->state = to;
}

static void fail(dl_box_t *box, char *reason) {
  if (box->failure == NULL)
    box->failure = reason;
  else
    free(reason);
}

static void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

/* --- killing --- */

static void kill_now(dl_box_t *box) {
  if (box->has_exited || box->pid <= 0) return;
  if (box->rt->isolation == DL_ISOLATION_NONE)
    dl_proctree_kill(box->pid, true);
  else if (box->inner_fd >= 0)
    syscall(SYS_pidfd_send_signal, box->inner_fd, SIGKILL, NULL, 0);
  /* Between its two halves bubblewrap's second one would wait forever: kill the group, which is made
   * by the child itself. */
  else if (kill(-box->pid, SIGKILL) != 0)
    kill(box->pid, SIGKILL);
}

void dl_box_fail(dl_box_t *box, char *reason) {
  fail(box, reason);
  kill_now(box);
}

static void on_time(uv_timer_t *timer) {
  dl_box_t *box = timer->data;
  if (box->state == DL_BOX_STARTING)
    fail(box, dl_xprintf("the sandbox did not start within %d s", START_LIMIT_MS / 1000));
  kill_now(box);
}

/* --- what the box reports --- */

void dl_box_report_start(dl_box_t *box) {
  if (box->state != DL_BOX_STARTING || !box->is_ready || !box->has_joined || box->failure != NULL) return;
  if (!dl_box_net_is_safe(box) || dl_box_is_kept(box)) return;
  assert(box->start_cb != NULL && !box->has_exited);
  set_state(box, DL_BOX_UP);
  box->up_at_ms = dl_steady_ms();
  dl_prepare_close(box);
  uv_timer_stop(&box->timer);
  dl_box_start_cb cb = box->start_cb;
  box->start_cb = NULL;
  cb(box->start_user, box, NULL);
}

/* When the box's first process runs and its number is known. */
static void open_network(dl_box_t *box) {
  if (box->is_ready && box->inner_pid != 0 && box->state == DL_BOX_STARTING) dl_box_net_open(box);
}

/* --- the environment --- */

static void tell_env(dl_box_t *box, bool is_set) {
  dl_env_waiter_t *w = DL_CONTAINER(box->env_waiters.next, dl_env_waiter_t, link);
  dl_list_unlink(&w->link);
  w->cb(is_set, w->user);
  free(w);
}

bool dl_box_send_descriptor(dl_box_t *box, char byte, int fd) {
  union {
    struct cmsghdr align;
    char space[CMSG_SPACE(sizeof(int))];
  } control = {0};
  struct iovec io = {&byte, 1};
  struct msghdr message = {
    .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  struct cmsghdr *head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(head), &fd, sizeof fd);
  return sendmsg(box->control_fd, &message, MSG_NOSIGNAL) == 1;
}

bool dl_box_set_env(dl_box_t *box, const char *text, size_t len, dl_box_env_cb cb, void *user) {
  int fd = box->state == DL_BOX_UP ? dl_memory_file("env", text, len) : -1;
  bool is_sent = fd >= 0 && dl_box_send_descriptor(box, 'E', fd);
  close_fd(&fd);
  if (!is_sent) return false;
  dl_env_waiter_t *w = dl_xcalloc(1, sizeof *w);
  w->cb = cb;
  w->user = user;
  dl_list_push(&box->env_waiters, &w->link);
  return true;
}

/* A box answers what it was asked, and no more often. */
static void on_env_taken(dl_box_t *box) {
  if (!dl_list_empty(&box->env_waiters)) tell_env(box, true);
}

static void on_control(uv_poll_t *poll, int status, int events) {
  dl_box_t *box = poll->data;
  char bytes[64];
  ssize_t got = read(box->control_fd, bytes, sizeof bytes);
  if (got < 0 && (errno == EAGAIN || errno == EINTR) && status == 0) return;
  (void)events;
  if (got <= 0) {
    uv_poll_stop(poll); /* it is ending; the exit of our child completes it */
    return;
  }
  bool is_quiet = box->net.is_quiet;
  for (ssize_t i = 0; i < got; i++) {
    if (bytes[i] == 'E') on_env_taken(box);
    if (bytes[i] == 'C') dl_box_claim_taken(box);
    if (bytes[i] == 'W') dl_runtime_relieve(box->rt);
    if (bytes[i] == 'P' || bytes[i] == 'Q') is_quiet = bytes[i] == 'Q';
  }
  dl_box_net_rest(box, is_quiet);
  if (box->is_ready || memchr(bytes, 'R', (size_t)got) == NULL) return;
  box->is_ready = true;
  open_network(box);
  dl_box_report_start(box);
}

/* Reads what is there; false at the end of the stream. */
static bool drain(int fd, dl_buf_t *into) {
  char bytes[1024];
  for (;;) {
    ssize_t got = read(fd, bytes, sizeof bytes);
    if (got > 0)
      dl_buf_append(into, bytes, (size_t)got); /* what passes the ceiling is not kept */
    else if (got == 0)
      return false;
    else if (errno != EINTR)
      return errno == EAGAIN;
  }
}

static void on_error_text(uv_poll_t *poll, int status, int events) {
  dl_box_t *box = poll->data;
  (void)events;
  if (!drain(box->error_fd, &box->error_text) || status != 0) uv_poll_stop(poll);
  if (box->state == DL_BOX_STARTING || box->error_text.len == 0) return;
  dl_debug("box %s: %s", box->id, box->error_text.data);
  dl_buf_reset(&box->error_text);
}

static void join_work(uv_work_t *work) {
  dl_box_t *box = work->data;
  box->join_failure = dl_box_limits_join(&box->rt->limits, &box->limits, box->inner_pid);
}

static void on_joined(uv_work_t *work, int status) {
  dl_box_t *box = work->data;
  (void)status;
  box->is_joining = false;
  box->has_joined = true;
  if (box->is_ended) {
    free(box->join_failure);
    end_box(box);
    return;
  }
  if (box->join_failure != NULL) {
    fail(box, box->join_failure);
    kill_now(box);
    return;
  }
  dl_box_report_start(box);
}

static void join_groups(dl_box_t *box) {
  box->join.data = box;
  box->is_joining = true;
  uv_queue_work(box->rt->loop, &box->join, join_work, on_joined);
}

static bool is_child_of(pid_t pid, pid_t parent) {
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
  FILE *f = fopen(path, "re");
  long found = -1;
  while (f != NULL && fgets(line, sizeof line, f) != NULL)
    if (sscanf(line, "PPid: %ld", &found) == 1) break;
  if (f != NULL) fclose(f);
  return found == (long)parent;
}

/* bubblewrap reports the number of the box's first process as JSON before it lets it go on. */
static void on_info(uv_poll_t *poll, int status, int events) {
  dl_box_t *box = poll->data;
  (void)events;
  bool more = drain(box->info_fd, &box->info_text) && status == 0;
  const char *at = box->info_text.data ? strstr(box->info_text.data, "\"child-pid\":") : NULL;
  if (at == NULL || strchr(at, ',') == NULL) {
    if (!more) uv_poll_stop(poll);
    return;
  }
  uv_poll_stop(poll);
  box->inner_pid = (pid_t)strtol(at + strlen("\"child-pid\":"), NULL, 10);
  box->inner_fd = (int)syscall(SYS_pidfd_open, box->inner_pid, 0);
  if (box->inner_fd >= 0 && !is_child_of(box->inner_pid, box->pid)) close_fd(&box->inner_fd);
  join_groups(box);
  open_network(box);
}

/* --- starting --- */

static int listen_on(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  memcpy(address.sun_path, path, strlen(path));
  unlink(path);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || chmod(path, 0600) != 0 ||
      listen(fd, 1024) != 0) {
    int failure = errno;
    close_fd(&fd);
    errno = failure;
  }
  return fd;
}

static void watch(dl_box_t *box, uv_poll_t *poll, int fd, uv_poll_cb cb) {
  uv_poll_init(box->rt->loop, poll, fd);
  poll->data = box;
  uv_poll_start(poll, UV_READABLE, cb);
  box->open_handles++;
}

char *dl_box_hosts(const dl_box_t *box) {
  return dl_xprintf("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n127.0.1.1\t%s\n%s", box->id,
                    box->hosts != NULL ? box->hosts : "");
}

/* What a box of this kind does not need. */
static bool is_absent(const dl_box_t *box, int which) {
  if (which == DL_FD_FILTER) return box->rt->isolation == DL_ISOLATION_NONE;
  return which == (box->image != NULL ? DL_FD_HOSTS : DL_FD_IMAGE);
}

static int text_file(const char *name, char *text) {
  int fd = dl_memory_file(name, text, strlen(text));
  free(text);
  return fd;
}

/* The writing end of a pipe, which reads as well: who writes is not ended by a reader that has gone. bubblewrap answers while its
 * child waits for it, and the child would wait for ever. */
static int open_both_ways(int end) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", end);
  int both = open(path, O_RDWR | O_CLOEXEC);
  if (both < 0) return end;
  close(end);
  return both;
}

static int open_descriptors(dl_box_t *box, dl_launch_t *l, int ends[3]) {
  int control[2] = {-1, -1}, info[2] = {-1, -1}, error[2] = {-1, -1};
  bool ok = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) == 0 && pipe2(info, O_CLOEXEC) == 0 &&
            pipe2(error, O_CLOEXEC) == 0;
  l->fds[0] = l->fds[1] = open("/dev/null", O_RDWR | O_CLOEXEC);
  l->fds[2] = error[1];
  l->fds[DL_FD_LISTEN] = listen_on(box->socket_path);
  l->fds[DL_FD_CONTROL] = control[1];
  l->fds[DL_FD_ENV] = dl_box_told_file(box);
  l->fds[DL_FD_INFO] = ok ? open_both_ways(info[1]) : info[1];
  if (!is_absent(box, DL_FD_HOSTS)) l->fds[DL_FD_HOSTS] = text_file("hosts", dl_box_hosts(box));
  if (!is_absent(box, DL_FD_IMAGE)) l->fds[DL_FD_IMAGE] = text_file("image", dl_image_plan(box));
  if (!is_absent(box, DL_FD_FILTER)) l->fds[DL_FD_FILTER] = dl_syscalls_open();
  for (int i = 0; i < DL_FD_END; i++) ok = ok && (l->fds[i] >= 0 || is_absent(box, i));
  ends[0] = control[0];
  ends[1] = info[0];
  ends[2] = error[0];
  for (int i = 0; ok && i < 3; i++) fcntl(ends[i], F_SETFL, O_NONBLOCK);
  return ok ? 0 : -1;
}

static void close_launch(dl_launch_t *l) {
  for (int i = 1; i < DL_FD_END; i++) close_fd(&l->fds[i]); /* 0 is the same as 1 */
  dl_command_clear(&l->command);
}

static char *launch(dl_box_t *box) {
  dl_runtime_t *rt = box->rt;
  static char *const environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG=C.UTF-8",
                                      NULL};
  bool plain = rt->isolation == DL_ISOLATION_NONE, on_image = box->image != NULL;
  dl_launch_t l = {.program = plain || on_image ? rt->toolbox : rt->bwrap,
                   .cwd = plain ? box->home.source : "/",
                   .envp = (char **)environment,
                   .stage = rt->as_root && !plain && !on_image,
                   .uid = box->uid};
  int ends[3];
  for (int i = 0; i < DL_FD_END; i++) l.fds[i] = -1;
  char *failure = NULL;
  if (open_descriptors(box, &l, ends) != 0)
    failure = dl_xprintf("cannot make the sandbox's sockets: %s", strerror(errno));
  box->control_fd = ends[0];
  box->info_fd = ends[1];
  box->error_fd = ends[2];
  if (failure == NULL) {
    dl_command_build(&l.command, rt, box);
    box->pid = dl_launch_run(&l);
    if (box->pid < 0) failure = dl_xprintf("cannot start a process: %s", strerror(errno));
  }
  close_launch(&l);
  return failure;
}

static void on_prepared(uv_work_t *work, int status) {
  dl_box_t *box = work->data;
  if (status != 0) fail(box, dl_xstrdup("cannot prepare the sandbox's directories"));
  if (box->failure == NULL && box->stop_wanted)
    fail(box, dl_xstrdup("the sandbox was stopped before it had started"));
  if (box->failure == NULL) {
    set_state(box, DL_BOX_STARTING);
    fail(box, launch(box));
  }
  if (box->failure != NULL) {
    box->has_exited = true;
    end_box(box);
    return;
  }
  watch(box, &box->control, box->control_fd, on_control);
  watch(box, &box->info, box->info_fd, on_info);
  if (box->rt->isolation == DL_ISOLATION_NONE) {
    box->inner_pid = box->pid;
    join_groups(box);
  }
  watch(box, &box->error, box->error_fd, on_error_text);
  uv_timer_init(box->rt->loop, &box->timer);
  box->timer.data = box;
  uv_timer_start(&box->timer, on_time, START_LIMIT_MS, 0);
  box->open_handles++;
}

static void prepare_work(uv_work_t *work) {
  dl_box_t *box = work->data;
  if (box->failure == NULL) box->failure = dl_prepare_dirs(box, box->rt->as_root);
}

/* Keep the user a home already belongs to when nobody else has it now. */
static unsigned choose_uid(dl_runtime_t *rt, const char *home) {
  struct stat st;
  if (!rt->as_root) return 0;
  if (lstat(home, &st) == 0 && st.st_uid >= rt->first_uid && st.st_uid - rt->first_uid < rt->uid_count &&
      !dl_runtime_uid_taken(rt, st.st_uid))
    return st.st_uid;
  for (unsigned i = 0; i < rt->uid_count; i++) {
    unsigned uid = rt->first_uid + rt->next_uid++ % rt->uid_count;
    if (!dl_runtime_uid_taken(rt, uid)) return uid;
  }
  return 0;
}

static void set_limits(dl_box_t *box) {
  const dl_runtime_t *rt = box->rt;
  dl_box_limits_set(&rt->limits, &box->limits, box->cpu, box->memory_gib, rt->max_processes);
  if (strcmp(box->limits.how[DL_LIMIT_MEMORY], "none") == 0) box->limits.how[DL_LIMIT_MEMORY] = "rlimit";
  if (strcmp(box->limits.how[DL_LIMIT_PIDS], "none") == 0 && rt->isolation == DL_ISOLATION_BWRAP)
    box->limits.how[DL_LIMIT_PIDS] = "rlimit";
}

static void copy_volume(dl_shared_dir_t *to, const dl_box_volume_t *from) {
  to->subpath = dl_xstrdup(from->subpath ? from->subpath : "");
  to->dir = dl_xstrdup(from->dir);
  to->source = dl_xprintf("%s%s%s", from->dir, *to->subpath ? "/" : "", to->subpath);
  to->target = dl_xstrdup(from->target);
  to->fd = -1;
}

static void free_shared(dl_shared_dir_t *d) {
  assert(d->fd < 0);
  free(d->source);
  free(d->target);
  free(d->dir);
  free(d->subpath);
}

/* Later ones win. `pair` is taken. */
static void put_env(dl_box_t *box, char *pair) {
  if (!dl_buf_append(&box->env, pair, strlen(pair) + 1))
    fail(box, dl_xstrdup("the environment is too large"));
  free(pair);
}

static size_t count_words(const char *const *words) {
  size_t count = 0;
  while (words != NULL && words[count] != NULL) count++;
  return count;
}

/* The box's own words in place of the image's two lists. */
static void copy_entrypoint(dl_box_t *box, const dl_box_spec_t *spec) {
  const char *const *lists[2] = {spec->entrypoint, NULL};
  if (count_words(spec->entrypoint) == 0 && spec->image != NULL) {
    lists[0] = spec->image->entrypoint;
    lists[1] = spec->image->cmd;
  }
  size_t count = 0;
  box->entrypoint = dl_xcalloc(count_words(lists[0]) + count_words(lists[1]) + 1, sizeof *box->entrypoint);
  for (size_t list = 0; list < 2; list++)
    for (size_t i = 0; i < count_words(lists[list]); i++)
      box->entrypoint[count++] = dl_xstrdup(lists[list][i]);
}

static void free_entrypoint(dl_box_t *box) {
  for (size_t i = 0; box->entrypoint != NULL && box->entrypoint[i] != NULL; i++) free(box->entrypoint[i]);
  free(box->entrypoint);
  box->entrypoint = NULL;
}

void dl_box_copy_told(dl_box_t *box, const dl_box_spec_t *spec) {
  dl_buf_reset(&box->env);
  free_entrypoint(box);
  for (size_t i = 0; spec->image != NULL && spec->image->env != NULL && spec->image->env[i] != NULL; i++)
    put_env(box, dl_xstrdup(spec->image->env[i]));
  for (size_t i = 0; i < spec->env_count; i++)
    put_env(box, dl_xprintf("%s=%s", spec->env[i].name, spec->env[i].value));
  copy_entrypoint(box, spec);
}

int dl_box_told_file(const dl_box_t *box) {
  dl_buf_t text;
  dl_buf_init(&text, 2 * ENV_MAX);
  bool fits = box->env.len == 0 || dl_buf_append(&text, box->env.data, box->env.len);
  fits = fits && dl_buf_append(&text, "", 1);
  for (size_t i = 0; fits && box->entrypoint[i] != NULL; i++)
    fits = dl_buf_append(&text, box->entrypoint[i], strlen(box->entrypoint[i]) + 1);
  int fd = fits ? dl_memory_file("env", text.data, text.len) : -1;
  if (!fits) errno = E2BIG;
  if (text.data != NULL) explicit_bzero(text.data, text.len);
  dl_buf_clear(&text);
  return fd;
}

static void copy_spec(dl_box_t *box, const dl_box_spec_t *spec) {
  box->home.source = dl_xstrdup(spec->home_dir);
  box->home.target = dl_xstrdup(DL_BOX_HOME);
  dl_set(&box->hosts, spec->hosts);
  dl_buf_init(&box->env, ENV_MAX);
  dl_box_copy_told(box, spec);
  if (spec->image != NULL) {
    box->image = dl_image_copy(spec->image);
    box->zero_uid = spec->image->ids.zero_uid;
    box->zero_gid = spec->image->ids.zero_gid;
  }
  box->volumes = dl_xcalloc(spec->volume_count + 1, sizeof *box->volumes);
  for (; box->volume_count < spec->volume_count; box->volume_count++)
    copy_volume(&box->volumes[box->volume_count], &spec->volumes[box->volume_count]);
  box->cpu = spec->cpu;
  box->memory_gib = spec->memory_gib;
  box->on_exit = spec->on_exit;
  box->exit_user = spec->user;
  box->on_spare = spec->on_spare;
}

static bool id_is_live(const dl_runtime_t *rt, const char *id) {
  DL_LIST_EACH(&rt->boxes, node)
  if (strcmp(DL_CONTAINER(node, dl_box_t, link)->id, id) == 0) return true;
  return false;
}

dl_box_t *dl_box_start(dl_runtime_t *rt, const dl_box_spec_t *spec, dl_box_start_cb cb, void *user) {
  dl_box_t *box = dl_xcalloc(1, sizeof *box);
  box->rt = rt;
  box->start_cb = cb;
  box->start_user = user;
  box->control_fd = box->info_fd = box->error_fd = box->inner_fd = box->home.fd = -1;
  dl_list_init(&box->stop_waiters);
  dl_list_init(&box->env_waiters);
  dl_buf_init(&box->info_text, INFO_TEXT_MAX);
  dl_buf_init(&box->error_text, ERROR_TEXT_MAX);
  box->failure = dl_prepare_check(spec);
  if (box->failure == NULL) {
    box->id = dl_xstrdup(spec->id);
    copy_spec(box, spec);
    if (rt->is_closing) fail(box, dl_xstrdup("the server is closing"));
    if (box->image != NULL && rt->isolation == DL_ISOLATION_NONE)
      fail(box, dl_xstrdup("a sandbox on an image needs isolation, and --isolation=none goes without"));
    if (id_is_live(rt, box->id)) fail(box, dl_xprintf("sandbox %s is running already", box->id));
  } else {
    box->id = dl_xstrdup("");
  }
  char *problem = dl_box_net_init(box, spec);
  if (problem != NULL) fail(box, problem);
  if (box->failure == NULL) {
    box->uid = choose_uid(rt, box->home.source);
    if (rt->as_root && box->uid == 0) fail(box, dl_xstrdup("no free user number for the sandbox"));
    box->socket_path = dl_xprintf("/proc/self/fd/%d/%s.sock", rt->run_fd, box->id);
    dl_box_limits_init(&rt->limits, &box->limits, box->id);
    set_limits(box);
  }
  dl_list_push(&rt->boxes, &box->link);
  uv_ref((uv_handle_t *)&rt->child_signal); /* while there are boxes, their ends matter */
  box->prepare.data = box;
  uv_queue_work(rt->loop, &box->prepare, prepare_work, on_prepared);
  return box;
}

/* --- stopping --- */

void dl_box_stop(dl_box_t *box, bool force, dl_box_stop_cb cb, void *user) {
  if (cb != NULL) {
    dl_stop_waiter_t *w = dl_xcalloc(1, sizeof *w);
    w->cb = cb;
    w->user = user;
    dl_list_push(&box->stop_waiters, &w->link);
  }
  box->stop_wanted = true;
  atomic_store(&box->is_given_up, true);
  if (box->state == DL_BOX_PREPARING || box->state == DL_BOX_GONE) return;
  bool orderly = !force && box->is_ready;
  if (box->state == DL_BOX_STARTING) fail(box, dl_xstrdup("the sandbox was stopped before it had started"));
  if (box->state == DL_BOX_UP) set_state(box, DL_BOX_STOPPING);
  if (!orderly) {
    kill_now(box);
  } else if (!box->term_sent) {
    box->term_sent = true;
    ssize_t sent = send(box->control_fd, "T", 1, MSG_NOSIGNAL);
    uv_timer_start(&box->timer, on_time, sent == 1 ? STOP_LIMIT_MS : 0, 0);
  }
}

bool dl_box_is_preparing(const dl_box_t *box) { return box->state == DL_BOX_PREPARING; }

static void tell_end(dl_box_t *box) {
  dl_box_state_t before = box->state;
  set_state(box, DL_BOX_GONE);
  const char *reason = box->failure ? box->failure : "the sandbox ended";
  while (!dl_list_empty(&box->env_waiters)) tell_env(box, false);
  if (box->start_cb != NULL)
    box->start_cb(box->start_user, box, reason);
  else if (before == DL_BOX_UP && box->on_exit != NULL)
    box->on_exit(box->exit_user, box, reason);
  while (!dl_list_empty(&box->stop_waiters)) {
    dl_stop_waiter_t *w = DL_CONTAINER(box->stop_waiters.next, dl_stop_waiter_t, link);
    dl_list_unlink(&w->link);
    w->cb(w->user);
    free(w);
  }
}

void dl_box_free(dl_box_t *box) {
  dl_runtime_t *rt = box->rt;
  assert(box->has_exited && !box->is_joining && box->open_handles == 0);
  close_fd(&box->control_fd);
  close_fd(&box->info_fd);
  close_fd(&box->error_fd);
  close_fd(&box->inner_fd);
  dl_prepare_close(box);
  if (box->socket_path != NULL) unlink(box->socket_path);
  dl_box_limits_clear(&rt->limits, &box->limits);
  dl_list_unlink(&box->link);
  tell_end(box);
  dl_box_net_clear(box);
  for (size_t i = 0; i < box->volume_count; i++) free_shared(&box->volumes[i]);
  free(box->volumes);
  free_entrypoint(box);
  json_decref(box->image);
  free_shared(&box->home);
  dl_buf_clear(&box->env);
  dl_buf_clear(&box->info_text);
  dl_buf_clear(&box->error_text);
  free(box->failure);
  free(box->socket_path);
  free(box->hosts);
  free(box->id);
  free(box);
  dl_runtime_box_gone(rt);
}

static void on_handle_closed(uv_handle_t *handle) {
  dl_box_t *box = handle->data;
  if (--box->open_handles == 0) dl_box_net_ended(box);
}

static void end_box(dl_box_t *box) {
  box->is_ended = true;
  if (box->is_joining) return; /* on_joined comes back here */
  if (box->open_handles == 0) {
    dl_box_net_ended(box);
    return;
  }
  uv_close((uv_handle_t *)&box->control, on_handle_closed);
  uv_close((uv_handle_t *)&box->info, on_handle_closed);
  uv_close((uv_handle_t *)&box->error, on_handle_closed);
  uv_close((uv_handle_t *)&box->timer, on_handle_closed);
}

void dl_box_child_exited(dl_box_t *box, int status) {
  assert(!box->has_exited && box->pid > 0);
  box->has_exited = true;
  drain(box->error_fd, &box->error_text);
  const char *said = box->error_text.data ? box->error_text.data : "";
  size_t len = strcspn(said, "\n");
  if (len > 0)
    fail(box, dl_xprintf("%.*s", (int)len, said));
  else if (WIFSIGNALED(status))
    fail(box, dl_xprintf("its first process was killed by signal %d", WTERMSIG(status)));
  else
    fail(box, dl_xprintf("its first process ended with status %d", WEXITSTATUS(status)));
  if (box->rt->isolation == DL_ISOLATION_NONE) dl_debug("box %s: processes that left it may go on", box->id);
  end_box(box);
}

/* --- asking --- */

const char *dl_box_socket_path(const dl_box_t *box) { return box->socket_path; }

dl_box_info_t dl_box_get_info(const dl_box_t *box) {
  return (dl_box_info_t){
    .isolation = box->rt->isolation == DL_ISOLATION_NONE ? "none" : "bwrap",
    .network = dl_box_net_text(box),
    .rules = box->net.text != NULL ? box->net.text : "none",
    .memory = box->limits.how[DL_LIMIT_MEMORY],
    .cpu = box->limits.how[DL_LIMIT_CPU],
    .processes = box->limits.how[DL_LIMIT_PIDS],
    .disk = "none",
    .start = box->is_claimed ? "warm" : "cold",
  };
}

const char *dl_box_update_limits(dl_box_t *box, double cpu, double memory_gib) {
  bool by_rlimit = strcmp(box->limits.how[DL_LIMIT_MEMORY], "rlimit") == 0;
  bool memory_changes = memory_gib > box->memory_gib || memory_gib < box->memory_gib;
  box->cpu = cpu;
  box->memory_gib = memory_gib;
  set_limits(box);
  bool memory_lost = memory_changes && (by_rlimit || strcmp(box->limits.how[DL_LIMIT_MEMORY], "rlimit") == 0);
  bool cpu_lost = strcmp(box->limits.how[DL_LIMIT_CPU], "none") == 0;
  if (memory_lost && cpu_lost)
    return "the cpu limit is not enforced here, the memory limit takes effect at the next start";
  if (memory_lost) return "the memory limit takes effect at the next start";
  return cpu_lost ? "the cpu limit is not enforced here" : NULL;
}
