/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vfork and exec, and the reaper. Where a function of ours is to run it is fork, and nothing of it is exec.
 *
 * Between vfork and exec the child shares our memory: it makes system calls only, and first of
 * all puts every signal back to its default so that no handler of ours runs in it. All our
 * descriptors are close-on-exec, so the child gets 0, 1 and 2 and nothing else.
 */
#include "toolbox/core/spawn.h"

#include "runtime/proctree.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What we start gets a higher score than the toolbox has, so that a lack of memory ends programs and
 * not the toolbox, with which everything would end. */
#define OOM_SCORE_OF_PROGRAMS 500
#define OOM_SCORE_MAX 1000

struct dl_reaper {
  uv_signal_t signal;
  int oom_fd; /* our own oom_score_adj, or -1 */
  int oom_score;
  dl_list_t processes;
  struct rlimit data_limit;
  void (*on_change)(bool starts, void *user);
  void *watcher;
  void (*on_closed)(void *user);
  void *user;
};

static dl_process_t *find_process(dl_reaper_t *r, pid_t pid) {
  DL_LIST_EACH(&r->processes, node) {
    dl_process_t *p = DL_CONTAINER(node, dl_process_t, link);
    if (p->pid == pid) return p;
  }
  return NULL;
}

static void on_child_signal(uv_signal_t *handle, int number) {
  dl_reaper_t *r = handle->data;
  int status;
  pid_t pid;
  (void)number;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    dl_process_t *p = find_process(r, pid);
    if (p == NULL) continue; /* an orphan, or forgotten */
    dl_list_unlink(&p->link);
    p->on_exit(p, status);
  }
  if (r->on_change != NULL) r->on_change(false, r->watcher);
}

static void open_oom_score(dl_reaper_t *r) {
  char text[16] = "";
  r->oom_fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
  if (r->oom_fd >= 0 && pread(r->oom_fd, text, sizeof text - 1, 0) > 0) r->oom_score = atoi(text);
}

/* A program inherits the score, and cannot set its own before it is one: after vfork it still shares our
 * memory, whose files in /proc are closed to it. So it is ours that changes for that moment. */
static void set_oom_score(const dl_reaper_t *r, int score) {
  char text[16];
  int len = snprintf(text, sizeof text, "%d", score);
  if (r->oom_fd < 0) return;
  ssize_t ignored = pwrite(r->oom_fd, text, (size_t)len, 0);
  (void)ignored;
}

dl_reaper_t *dl_reaper_new(uv_loop_t *loop, int64_t data_max) {
  dl_reaper_t *r = dl_xcalloc(1, sizeof *r);
  open_oom_score(r);
  getrlimit(RLIMIT_DATA, &r->data_limit);
  if (data_max > 0 && (rlim_t)data_max < r->data_limit.rlim_max)
    r->data_limit = (struct rlimit){(rlim_t)data_max, (rlim_t)data_max};
  dl_list_init(&r->processes);
  uv_signal_init(loop, &r->signal);
  r->signal.data = r;
  uv_signal_start(&r->signal, on_child_signal, SIGCHLD);
  uv_unref((uv_handle_t *)&r->signal);
  return r;
}

void dl_reaper_watch(dl_reaper_t *r, void (*cb)(bool starts, void *user), void *user) {
  r->on_change = cb;
  r->watcher = user;
}

static void on_signal_closed(uv_handle_t *handle) {
  dl_reaper_t *r = handle->data;
  r->on_closed(r->user);
  if (r->oom_fd >= 0) close(r->oom_fd);
  free(r);
}

void dl_reaper_close(dl_reaper_t *r, void (*on_closed)(void *user), void *user) {
  assert(r->on_closed == NULL);
  r->on_closed = on_closed;
  r->user = user;
  DL_LIST_EACH_SAFE(&r->processes, node, after) dl_list_unlink(node);
  uv_close((uv_handle_t *)&r->signal, on_signal_closed);
}

/* In the child. Returns only on failure. */
static int become(const dl_reaper_t *r, const dl_process_opts_t *o) {
  struct sigaction sa = {.sa_handler = SIG_DFL};
  sigset_t none;
  int fds[3];
  for (int i = 1; i < NSIG; i++) sigaction(i, &sa, NULL);
  if (o->is_session ? setsid() < 0 : setpgid(0, 0) != 0) return errno;
  if (o->is_session && isatty(o->fds[0])) ioctl(o->fds[0], TIOCSCTTY, 0);
  if (o->is_subreaper) prctl(PR_SET_CHILD_SUBREAPER, 1);
  for (int i = 0; i < 3; i++) {
    fds[i] = fcntl(o->fds[i], F_DUPFD_CLOEXEC, 3);
    if (fds[i] < 0) return errno;
  }
  for (int i = 0; i < 3; i++)
    if (dup2(fds[i], i) < 0) return errno;
  if (chdir(o->cwd) != 0) return errno;
  if (!o->is_ours && o->run == NULL) setrlimit(RLIMIT_DATA, &r->data_limit);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (o->run != NULL) {
    if (syscall(SYS_close_range, 3u, ~0u, 0u) != 0)
      for (int i = 3; i < 1024; i++) close(i);
    _exit(o->run());
  }
  execve(o->file, o->argv, o->envp);
  return errno;
}

int dl_process_start(dl_reaper_t *r, dl_process_t *p, const dl_process_opts_t *opts) {
  sigset_t all, before;
  assert(p->on_exit != NULL && dl_list_empty(&p->link)); /* not started already */
  volatile int failure = 0;
  if (r->on_change != NULL) r->on_change(true, r->watcher);
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  set_oom_score(r, r->oom_score < OOM_SCORE_OF_PROGRAMS ? OOM_SCORE_OF_PROGRAMS : OOM_SCORE_MAX);
  pid_t pid = opts->run != NULL ? fork() : vfork();
  if (pid == 0) {
    failure = become(r, opts);
    _exit(127);
  }
  if (pid < 0) failure = errno;
  set_oom_score(r, r->oom_score);
  sigprocmask(SIG_SETMASK, &before, NULL);
  if (pid > 0 && failure != 0) waitpid(pid, NULL, 0);
  if (failure != 0) return failure;
  p->pid = pid;
  dl_list_push(&r->processes, &p->link);
  return 0;
}

void dl_process_forget(dl_process_t *p) { dl_list_unlink(&p->link); }

void dl_process_kill_tree(dl_process_t *p) {
  kill(-p->pid, SIGSTOP);
  dl_proctree_kill(p->pid, true);
  kill(-p->pid, SIGKILL);
}

char *dl_process_find(const dl_environ_t *e, const char *name) {
  const char *path = dl_environ_get(e, "PATH");
  if (strchr(name, '/') != NULL) return access(name, X_OK) == 0 ? dl_xstrdup(name) : NULL;
  if (path == NULL) path = "/usr/local/bin:/usr/bin:/bin";
  while (*path != '\0') {
    size_t len = strcspn(path, ":");
    char *candidate = dl_xprintf("%.*s/%s", (int)len, path, name);
    if (candidate[0] == '/' && access(candidate, X_OK) == 0) return candidate;
    free(candidate);
    path += len;
    path += *path == ':';
  }
  return NULL;
}

char *dl_process_shell(const dl_environ_t *e) {
  static const char *const PREFERRED[] = {"/usr/bin/zsh", "/bin/zsh", "/usr/bin/bash", "/bin/bash"};
  char text[8192] = "";
  int fd = open("/etc/shells", O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    ssize_t got = read(fd, text, sizeof text - 1);
    text[got > 0 ? got : 0] = '\0';
    close(fd);
  }
  for (size_t i = 0; i < DL_COUNT(PREFERRED); i++)
    if (strstr(text, PREFERRED[i]) != NULL && access(PREFERRED[i], X_OK) == 0)
      return dl_xstrdup(PREFERRED[i]);
  const char *shell = dl_environ_get(e, "SHELL");
  if (shell != NULL && shell[0] == '/' && access(shell, X_OK) == 0) return dl_xstrdup(shell);
  char *found = dl_process_find(e, "sh");
  return found != NULL ? found : dl_xstrdup("/bin/sh");
}
