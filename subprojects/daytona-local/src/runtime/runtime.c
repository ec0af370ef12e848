/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime: finds out what this machine can do, holds the list of boxes, reaps their host
 * processes. It waits for its own children by number, so that others in the same process can
 * have children too.
 */
#include "runtime/internal.h"

#include "base/watches.h"
#include "runtime/proctree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_UID 200000
#define UID_COUNT 65536
#define MAX_PROCESSES 4096
#define PROBE_LIMIT_MS 5000

/* The first number in a file of /proc/sys, or -1. */
static long setting(const char *path) {
  char text[32] = "";
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
  if (fd >= 0) close(fd);
  return got > 0 ? strtol(text, NULL, 10) : -1;
}

/* Why this machine may not let bubblewrap isolate, and what helps. `said` is what bubblewrap has said. */
static const char *way_out(const char *said, bool as_root) {
  if (strstr(said, "nknown option") != NULL) return "bubblewrap 0.8 or newer is needed";
  if (setting("/proc/sys/user/max_user_namespaces") == 0)
    return "user namespaces are switched off: sysctl user.max_user_namespaces=10000 allows them";
  if (!as_root && setting("/proc/sys/kernel/unprivileged_userns_clone") == 0)
    return "user namespaces are for root only: sysctl kernel.unprivileged_userns_clone=1 allows them for "
           "all, or run "
           "the server as root";
  if (!as_root && setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
    return "AppArmor keeps user namespaces from programs without a profile: give bwrap one, or sysctl "
           "kernel.apparmor_restrict_unprivileged_userns=0, or run the server as root";
  if (strstr(said, "sandbox's user") != NULL)
    return "the user ids from 200000 on are needed, and this container has fewer";
  if (strstr(said, "/proc") != NULL || strstr(said, "ermitted") != NULL)
    return "in a container it needs --privileged, or --cap-add SYS_ADMIN --security-opt seccomp=unconfined "
           "--security-opt apparmor=unconfined --security-opt systempaths=unconfined";
  return "see docs/local-server.md";
}

static int refuse(char *error, size_t size, const char *what, const char *detail) {
  snprintf(error, size, "%s%s%s", what, *detail ? ": " : "", detail);
  return -1;
}

static char *find_in(const char *path, const char *name) {
  for (const char *p = path; *p != '\0';) {
    size_t len = strcspn(p, ":");
    char *candidate = dl_xprintf("%.*s/%s", (int)len, p, name);
    if (candidate[0] == '/' && access(candidate, X_OK) == 0) return candidate;
    free(candidate);
    p += len;
    p += *p == ':';
  }
  return NULL;
}

#define SYSTEM_PATH "/usr/bin:/bin:/usr/sbin:/sbin"

static char *find_program(const char *name) {
  const char *path = getenv("PATH");
  return find_in(path != NULL && *path != '\0' ? path : SYSTEM_PATH, name);
}

/* One of the administrator's, which an ordinary user's PATH may leave out. */
static char *find_admin_program(const char *name) {
  char *found = find_program(name);
  return found != NULL ? found : find_in(SYSTEM_PATH, name);
}

static void on_child_signal(uv_signal_t *handle, int number) {
  dl_runtime_t *rt = handle->data;
  (void)number;
  DL_LIST_EACH_SAFE(&rt->boxes, node, after) {
    dl_box_t *box = DL_CONTAINER(node, dl_box_t, link);
    int status;
    if (box->pid > 0 && !box->has_exited && waitpid(box->pid, &status, WNOHANG) == box->pid)
      dl_box_child_exited(box, status);
  }
}

/* A helper that pauses is no news, and each SIGCHLD makes us and libuv look at every child. */
static void keep_to_ends(void) {
  struct sigaction action;
  if (sigaction(SIGCHLD, NULL, &action) != 0) return;
  action.sa_flags |= SA_NOCLDSTOP;
  sigaction(SIGCHLD, &action, NULL);
}

/* Run /bin/true the way a box runs. The only place that waits: once, before the server serves. */
static int probe(dl_runtime_t *rt, char *error, size_t size) {
  char filter_fd[8];
  snprintf(filter_fd, sizeof filter_fd, "%d", DL_FD_FILTER);
  char *argv[] = {"bwrap",
                  "--unshare-user",
                  "--disable-userns",
                  "--unshare-pid",
                  "--unshare-ipc",
                  "--unshare-uts",
                  "--unshare-net",
                  "--uid",
                  "1000",
                  "--gid",
                  "1000",
                  "--die-with-parent",
                  "--new-session",
                  "--cap-drop",
                  "ALL",
                  "--seccomp",
                  filter_fd,
                  "--ro-bind",
                  "/",
                  "/",
                  "--proc",
                  "/proc",
                  "--dev",
                  "/dev",
                  "--",
                  "/usr/bin/true",
                  NULL};
  char *const envp[] = {NULL};
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return refuse(error, size, "cannot make a pipe", strerror(errno));
  dl_launch_t l = {
    .program = rt->bwrap, .cwd = "/", .envp = (char **)envp, .stage = rt->as_root, .uid = rt->first_uid};
  l.command.argv = argv;
  for (int i = 0; i < DL_FD_END; i++) l.fds[i] = -1;
  l.fds[0] = l.fds[1] = open("/dev/null", O_RDWR | O_CLOEXEC);
  l.fds[2] = ends[1];
  l.fds[DL_FD_FILTER] = dl_syscalls_open();
  pid_t pid = dl_launch_run(&l);
  close(l.fds[0]);
  if (l.fds[DL_FD_FILTER] >= 0) close(l.fds[DL_FD_FILTER]);
  close(ends[1]);
  char text[512] = "";
  size_t len = 0;
  bool ended = false; /* the pipe is closed by everyone */
  struct pollfd p = {.fd = ends[0], .events = POLLIN};
  int found;
  while (pid > 0 && !ended && len < sizeof text - 1) {
    do found = poll(&p, 1, PROBE_LIMIT_MS);
    while (found < 0 && errno == EINTR); /* a signal to the server, which acts on it later */
    if (found <= 0) break;
    ssize_t got = read(ends[0], text + len, sizeof text - 1 - len);
    ended = got <= 0;
    if (got > 0) len += (size_t)got;
  }
  close(ends[0]);
  text[strcspn(text, "\n")] = '\0';
  int status = -1;
  if (pid > 0 && !ended) kill(pid, SIGKILL);
  if (pid > 0) waitpid(pid, &status, 0);
  if (status == 0) return 0;
  snprintf(error, size,
           "this machine does not let bubblewrap isolate%s%s; %s; --isolation=none goes without, and keeps "
           "nothing apart",
           *text ? ": " : "", text, way_out(text, rt->as_root));
  return -1;
}

/* Sockets of boxes that a killed server has left. */
static void sweep_sockets(const char *run_dir) {
  DIR *d = opendir(run_dir);
  for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
    size_t len = strlen(e->d_name);
    if (len > 5 && strcmp(e->d_name + len - 5, ".sock") == 0) unlinkat(dirfd(d), e->d_name, 0);
  }
  if (d != NULL) closedir(d);
}

static int make_run_dir(dl_runtime_t *rt, const char *dir, char *error, size_t size) {
  if (mkdir(dir, 0700) != 0 && errno != EEXIST) return refuse(error, size, dir, strerror(errno));
  rt->run_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (rt->run_fd < 0 || chmod(dir, 0700) != 0) return refuse(error, size, dir, strerror(errno));
  rt->run_dir = realpath(dir, NULL);
  if (rt->run_dir == NULL) return refuse(error, size, dir, strerror(errno));
  sweep_sockets(rt->run_dir);
  rt->etc_dir = dl_xprintf("%s/etc", rt->run_dir);
  char *failure = dl_etc_make(rt->etc_dir, &rt->etc_mounted);
  if (failure == NULL) return 0;
  refuse(error, size, failure, "");
  free(failure);
  return -1;
}

static int write_program(const char *path) {
  size_t left = (size_t)(DL_TOOLBOX_PROGRAM_END - DL_TOOLBOX_PROGRAM);
  unlink(path); /* boxes of a server before us may run it still */
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0555);
  int failure = fd < 0 || fchmod(fd, 0555) != 0 ? errno : 0;
  for (const unsigned char *at = DL_TOOLBOX_PROGRAM; failure == 0 && left > 0;) {
    ssize_t done = write(fd, at, left);
    if (done <= 0) {
      failure = done < 0 ? errno : ENOSPC;
    } else {
      at += done;
      left -= (size_t)done;
    }
  }
  if (fd >= 0 && close(fd) != 0 && failure == 0) failure = errno;
  if (failure == 0 && access(path, X_OK) != 0) failure = errno; /* the file system may allow no programs */
  if (failure != 0) unlink(path); /* its beginning may be all that the disk had room for */
  return failure;
}

/* The server's own program can do the same, but takes longer to start and holds more memory. */
static void place_toolbox(dl_runtime_t *rt) {
  rt->toolbox = dl_xprintf("%s/daytona-local", rt->run_dir);
  int failure = write_program(rt->toolbox);
  if (failure == 0) return;
  unlink(rt->toolbox); /* others may need the room */
  dl_warn("sandboxes start more slowly and take more memory, since %s cannot be run: %s", rt->toolbox,
          strerror(failure));
  dl_set(&rt->toolbox, rt->exe);
}

/* Next to our own program, where both are built, or where it is installed. */
static char *find_desktop(const char *exe) {
  int folder = (int)(strrchr(exe, '/') - exe);
  char *paths[] = {dl_xprintf("%.*s/daytona-local-desktop", folder, exe),
                   dl_xstrdup(DL_LIBEXEC_DIR "/daytona-local-desktop")};
  char *found = NULL;
  for (size_t i = 0; i < DL_COUNT(paths); i++) {
    if (found == NULL && access(paths[i], X_OK) == 0) found = realpath(paths[i], NULL);
    free(paths[i]);
  }
  return found;
}

static int find_tools(dl_runtime_t *rt, const dl_runtime_opts_t *opts, char *error, size_t size) {
  rt->exe = realpath(opts->exe ? opts->exe : "/proc/self/exe", NULL);
  if (rt->exe == NULL && errno == EACCES)
    return refuse(error, size, "our own program is not open to this user",
                  "a folder above it keeps others out (a clone in root's home?)");
  if (rt->exe == NULL && opts->exe == NULL && access("/proc/self", F_OK) != 0)
    return refuse(error, size, "cannot find our own program", "/proc is not mounted");
  if (rt->exe == NULL) return refuse(error, size, "cannot find our own program", strerror(errno));
  rt->desktop = find_desktop(rt->exe);
  if (opts->node_modules != NULL) {
    rt->node_modules = realpath(opts->node_modules, NULL);
    if (rt->node_modules == NULL) return refuse(error, size, opts->node_modules, strerror(errno));
  }
  place_toolbox(rt);
  if (rt->isolation == DL_ISOLATION_NONE) return 0;
  rt->bwrap = find_program("bwrap");
  rt->slirp = find_program("slirp4netns");
  rt->nft = find_admin_program("nft");
  if (rt->bwrap == NULL)
    return refuse(error, size, "bubblewrap (bwrap) is not installed",
                  "apt-get install bubblewrap; --isolation=none goes without, and keeps nothing apart");
  if (dl_syscalls_missing() != NULL) return refuse(error, size, dl_syscalls_missing(), "");
  return probe(rt, error, size);
}

static void free_runtime(dl_runtime_t *rt) {
  dl_rules_probe_end(rt);
  dl_limits_clear(&rt->limits);
  if (rt->run_fd >= 0) close(rt->run_fd);
  free(rt->run_dir);
  free(rt->etc_dir);
  free(rt->exe);
  free(rt->toolbox);
  free(rt->node_modules);
  free(rt->desktop);
  free(rt->bwrap);
  free(rt->slirp);
  free(rt->nft);
  free(rt);
}

int dl_runtime_new(uv_loop_t *loop, const dl_runtime_opts_t *opts, dl_runtime_t **out, char *error,
                   size_t size) {
  dl_runtime_t *rt = dl_xcalloc(1, sizeof *rt);
  rt->loop = loop;
  rt->run_fd = -1;
  rt->isolation = opts->isolation;
  rt->network = opts->network == DL_NETWORK_DEFAULT ? DL_NETWORK_PRIVATE : opts->network;
  rt->first_uid = opts->first_uid ? opts->first_uid : FIRST_UID;
  rt->uid_count = (opts->uid_count ? opts->uid_count : UID_COUNT) - 1;
  rt->volume_uid = rt->first_uid + rt->uid_count; /* the last one is no box's */
  rt->max_processes = opts->max_processes ? opts->max_processes : MAX_PROCESSES;
  rt->reader_patience_ms = opts->reader_patience_ms;
  rt->as_root = geteuid() == 0 && opts->isolation == DL_ISOLATION_BWRAP;
  dl_list_init(&rt->boxes);
  dl_list_init(&rt->links);
  if (make_run_dir(rt, opts->run_dir, error, size) != 0 || find_tools(rt, opts, error, size) != 0) {
    free_runtime(rt);
    return -1;
  }
  if (rt->isolation == DL_ISOLATION_BWRAP && rt->network == DL_NETWORK_PRIVATE && dl_network_missing(rt))
    dl_warn("sandboxes have no network: %s", dl_network_missing(rt));
  /* A server that was killed at the wrong moment leaves half of a bubblewrap behind. */
  if (getpid() != 1 && !(geteuid() == 0 && !rt->as_root))
    dl_proctree_kill_orphans("bwrap", DL_BOX_EXE, rt->as_root ? rt->first_uid : geteuid(),
                             rt->as_root ? rt->uid_count : 1);
  dl_limits_init(&rt->limits);
  dl_rules_probe_begin(rt);
  uv_signal_init(loop, &rt->child_signal);
  rt->child_signal.data = rt;
  uv_signal_start(&rt->child_signal, on_child_signal, SIGCHLD);
  keep_to_ends();
  dl_watches_on_lack(dl_runtime_on_lack, rt);
  uv_unref((uv_handle_t *)&rt->child_signal);
  *out = rt;
  return 0;
}

bool dl_runtime_uid_taken(const dl_runtime_t *rt, unsigned uid) {
  DL_LIST_EACH(&rt->boxes, node)
  if (DL_CONTAINER(node, dl_box_t, link)->uid == uid) return true;
  return false;
}

static void on_signal_closed(uv_handle_t *handle) {
  dl_runtime_t *rt = handle->data;
  void (*on_closed)(void *) = rt->on_closed;
  void *user = rt->closed_user;
  free_runtime(rt);
  if (on_closed != NULL) on_closed(user);
}

void dl_runtime_box_gone(dl_runtime_t *rt) {
  if (dl_list_empty(&rt->boxes)) uv_unref((uv_handle_t *)&rt->child_signal);
  if (!rt->is_closing || !dl_list_empty(&rt->boxes) || rt->is_searching) return;
  if (!uv_is_closing((uv_handle_t *)&rt->child_signal))
    uv_close((uv_handle_t *)&rt->child_signal, on_signal_closed);
}

void dl_runtime_close(dl_runtime_t *rt, void (*on_closed)(void *user), void *user) {
  dl_watches_on_lack(NULL, NULL);
  rt->is_closing = true;
  rt->on_closed = on_closed;
  rt->closed_user = user;
  DL_LIST_EACH_SAFE(&rt->boxes, node, after)
  dl_box_stop(DL_CONTAINER(node, dl_box_t, link), true, NULL, NULL);
  dl_runtime_box_gone(rt);
}
