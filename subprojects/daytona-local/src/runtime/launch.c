/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the server's process to bubblewrap: fork, stage, become the box's user.
 *
 * The child of a process with threads may only make system calls, so everything it needs is
 * prepared before the fork. When the server is root the box's user may not be able to reach the
 * binary, the home or the volumes (they lie in directories of mode 0700). The child then makes a
 * private mount namespace, takes hold of them while it is still root, and puts them on a small
 * tmpfs over /tmp from where bubblewrap binds them. The host never sees these mounts.
 */
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_BINDS 65
#define MAX_OPEN_FILES 65536
/* Where the child finds the descriptor of a bind. */
#define BIND_FD(i) (DL_FD_END + (int)(i))

static void say(const char *text) {
  ssize_t ignored = write(2, text, strlen(text));
  (void)ignored;
}

_Noreturn static void die(const char *step, const char *detail) {
  const char *reason = strerrordesc_np(errno);
  say("daytona-local: ");
  say(step);
  say(" ");
  say(detail);
  say(": ");
  say(reason != NULL ? reason : "unknown error");
  say("\n");
  _exit(127);
}

static void reset_signals(void) {
  struct sigaction sa = {.sa_handler = SIG_DFL};
  for (int i = 1; i < NSIG; i++) sigaction(i, &sa, NULL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static void set_limits(void) {
  struct rlimit core = {0, 0}, files;
  setrlimit(RLIMIT_CORE, &core);
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    if (files.rlim_max > MAX_OPEN_FILES) files.rlim_max = MAX_OPEN_FILES;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
}

/* By descriptor where there is one: what a box can write to may be something else by its path now. */
static int take_hold(const dl_bind_t *bind, size_t i) {
  if (bind->is_terminals) return -1;
  if (bind->is_mount) return BIND_FD(i);
  int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE;
  int held = bind->fd < 0 ? open_tree(AT_FDCWD, bind->source, (unsigned)flags)
                          : open_tree(BIND_FD(i), "", (unsigned)(flags | AT_EMPTY_PATH));
  if (held < 0) die("cannot take hold of", bind->source);
  if (bind->fd >= 0) close(BIND_FD(i));
  return held;
}

/* bubblewrap's own has no limit. Outside of the host's mount namespace: there it might take what is kept for the host. */
static void make_terminals(const char *point) {
  static const char options[] = "newinstance,ptmxmode=0666,mode=620,max=" DL_BOX_TERMINALS;
  if (mkdir(point, 0755) != 0 || mount("devpts", point, "devpts", MS_NOSUID | MS_NOEXEC, options) != 0)
    die("cannot make terminals", "");
}

/* Take hold of every source first: the tmpfs may hide some of them, and a descriptor's mount is of the
 * namespace that it was opened in. */
static void stage(const dl_command_t *c) {
  int held[MAX_BINDS];
  for (size_t i = 0; i < c->bind_count; i++) held[i] = take_hold(&c->binds[i], i);
  const char *step = dl_own_root();
  if (step != NULL) die(step, "");
  if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m") != 0)
    die("cannot mount a private /tmp", "");
  for (size_t i = 0; i < c->bind_count; i++) {
    const char *point = c->binds[i].staged;
    struct stat st;
    if (c->binds[i].is_terminals) {
      make_terminals(point);
      continue;
    }
    if (fstat(held[i], &st) != 0) die("cannot look at", c->binds[i].source);
    int made = S_ISDIR(st.st_mode) ? mkdir(point, 0755) : mknod(point, S_IFREG | 0644, 0);
    if (made != 0 || move_mount(held[i], "", AT_FDCWD, point, MOVE_MOUNT_F_EMPTY_PATH) != 0)
      die("cannot stage", c->binds[i].source);
    close(held[i]);
    /* It was made from a mount that others may share with the host's. */
    if (mount(NULL, point, NULL, MS_REC | MS_PRIVATE, NULL) != 0)
      die("cannot make private", c->binds[i].source);
  }
}

/* Keyrings belong to no namespace, and any process that holds a session's may read the keys in it. EPERM and
 * ENOSYS say that key calls are not to be had here, for the box neither. */
static void leave_session_keyring(void) {
  if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != EPERM && errno != ENOSYS)
    die("cannot leave the session's keyring", "");
}

static void become(unsigned uid) {
  if (setgroups(0, NULL) != 0 || setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0)
    die("cannot become the sandbox's user", "");
}

static void close_from(int first) {
  struct rlimit files;
  if (syscall(SYS_close_range, (unsigned)first, ~0U, 0U) == 0) return;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) _exit(127);
  for (int i = first; i < (int)files.rlim_cur; i++) close(i);
}

/* Put the descriptors at their numbers and let nothing else through; those of binds only as far as `stage`,
 * for which they are. */
static void place_descriptors(const dl_launch_t *l) {
  int moved[DL_FD_END + MAX_BINDS];
  int count = DL_FD_END + (l->stage ? (int)l->command.bind_count : 0);
  for (int i = 0; i < count; i++) {
    int from = i < DL_FD_END ? l->fds[i] : l->command.binds[i - DL_FD_END].fd;
    moved[i] = from < 0 ? -1 : fcntl(from, F_DUPFD_CLOEXEC, DL_FD_END + MAX_BINDS);
    if (from >= 0 && moved[i] < 0) die("cannot duplicate a descriptor", "");
  }
  for (int i = 0; i < count; i++) {
    if (moved[i] < 0)
      close(i);
    else if (dup2(moved[i], i) < 0)
      _exit(127);
  }
  close_from(count);
}

_Noreturn static void child(const dl_launch_t *l) {
  /* First, so that a lock or connection of the server does not live on in us when it is killed. */
  place_descriptors(l);
  int program = open(l->program, O_PATH | O_CLOEXEC); /* the stage may hide its path */
  setsid();
  if (l->stage) {
    stage(&l->command);
    become(l->uid);
  }
  leave_session_keyring();
  if (chdir(l->cwd) != 0) die("cannot enter", l->cwd);
  set_limits();
  reset_signals();
  execve(l->program, l->command.argv, l->envp);
  /* Only then: some kernels name the process after the descriptor. */
  execveat(program, "", l->command.argv, l->envp, AT_EMPTY_PATH);
  die("cannot run", l->program);
}

int dl_memory_file(const char *name, const void *bytes, size_t len) {
  int fd = memfd_create(name, MFD_CLOEXEC);
  if (fd < 0) return -1;
  if (write(fd, bytes, len) == (ssize_t)len && lseek(fd, 0, SEEK_SET) == 0) return fd;
  int failure = errno;
  close(fd);
  errno = failure;
  return -1;
}

pid_t dl_launch_run(const dl_launch_t *l) {
  if (l->command.bind_count > MAX_BINDS) {
    errno = E2BIG;
    return -1;
  }
  /* No handler of the server may run in the child. */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t pid = fork();
  if (pid == 0) child(l);
  int failure = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  errno = failure;
  return pid;
}
