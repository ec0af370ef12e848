/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jail, in the order in which it comes about. A process of one thread that nothing else shares memory with, so it may
 * simply end where something fails.
 *
 *   role      as root: a mount namespace, and the new root in it (only root can reach what is in the state directory)
 *   stranger  a user namespace; the role writes its map. As an ordinary user the new root is made here
 *   first     process 1 of the PID namespace: mounts /proc, unpacks, starts the program, waits for all
 */
#include "images/jail.h"

#include "base/base.h"
#include "images/jail_net.h"
#include "images/unpack.h"
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_BINDS 160
#define ROOT "/tmp" /* of the role, while the new root is made */
#define TUN "/dev/net/tun"
#define SECRET_MAX (1024 * 1024)
#define PROCESSES_MAX 4096 /* threads as well, of buildah and of a step together */

typedef struct {
  const char *from, *to;
  bool is_writable, is_optional;
  int fd; /* a mount that is attached to nothing yet; -1: there is none */
} bind_t;

typedef struct {
  const char *to;
  char *bytes;
  size_t len;
} copy_t;

typedef struct {
  bool as_root; /* the role is the host's root */
  unsigned zero_uid, first_uid, count, zero_gid, first_gid;
  bind_t binds[MAX_BINDS];
  size_t bind_count;
  copy_t copies[4];
  size_t copy_count;
  const char *packs; /* NULL: nothing */
  int *unpacks;      /* opened outside, by whom only the server lets in */
  size_t unpack_count;
  bool shares_network; /* the host's */
  dl_jail_net_t net;
  const char *forwards[DL_JAIL_FORWARDS_MAX];
  char **program;
} jail_t;

_Noreturn DL_PRINTF(1, 2) static void die(const char *fmt, ...) {
  va_list args;
  int reason = errno;
  va_start(args, fmt);
  char *what = dl_xvprintf(fmt, args);
  va_end(args);
  fprintf(stderr, "daytona-local: %s%s%s\n", what, reason ? ": " : "", reason ? strerror(reason) : "");
  _exit(DL_JAIL_EXIT);
}

static void reset_signals(void) {
  struct sigaction sa = {.sa_handler = SIG_DFL};
  sigset_t none;
  for (int i = 1; i < NSIG; i++) sigaction(i, &sa, NULL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static void die_with_parent(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(DL_JAIL_EXIT); /* it died before */
}

/* --- the command line --- */

static void add_bind(jail_t *j, const char *from, const char *to, bool is_writable, bool is_optional) {
  errno = 0;
  if (j->bind_count == MAX_BINDS) die("the jail has too many folders");
  j->binds[j->bind_count++] = (bind_t){from, to, is_writable, is_optional, -1};
}

/* "FROM=TO": FROM ends at the last '='. */
static const char *split(char *pair) {
  char *sign = strrchr(pair, '=');
  errno = 0;
  if (!sign) die("the jail cannot read '%s'", pair);
  *sign = '\0';
  return sign + 1;
}

/* Before there is another root. What is read is no more than the server's own user may read. */
static void add_copy(jail_t *j, const char *from, const char *to) {
  errno = 0;
  if (j->copy_count == DL_COUNT(j->copies)) die("the jail has too many files");
  copy_t *copy = &j->copies[j->copy_count++];
  int fd = open(from, O_RDONLY | O_CLOEXEC);
  if (fd < 0) die("cannot read %s", from);
  copy->to = to;
  copy->bytes = dl_xmalloc(SECRET_MAX);
  for (ssize_t got = 1; got > 0 && copy->len < SECRET_MAX; copy->len += (size_t)got) {
    got = read(fd, copy->bytes + copy->len, SECRET_MAX - copy->len);
    if (got < 0) die("cannot read %s", from);
  }
  close(fd);
}

/* Before it has a child, so that all of them are in it. */
static void join(const char *group) {
  char *path = dl_xprintf("%s/cgroup.procs", group);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, "0", 1) != 1) die("cannot join %s", group);
  close(fd);
  free(path);
}

static void read_options(jail_t *j, int argc, char **argv) {
  int i = 1;
  for (; i + 1 < argc && strcmp(argv[i], "--") != 0; i += 2) {
    char *value = argv[i + 1];
    errno = 0;
    if (strcmp(argv[i], "--ids") == 0) {
      if (sscanf(value, "%u:%u:%u:%u:%u", &j->zero_uid, &j->first_uid, &j->count, &j->zero_gid,
                 &j->first_gid) != 5)
        die("the jail cannot read its ids");
    } else if (strcmp(argv[i], "--parent") == 0) {
      die_with_parent(atoi(value));
    } else if (strcmp(argv[i], "--pack") == 0) {
      j->packs = value;
    } else if (strcmp(argv[i], "--group") == 0) {
      join(value);
    } else if (strcmp(argv[i], "--net") == 0) {
      j->shares_network = strcmp(value, "host") == 0;
      j->net.has_outside = strcmp(value, "private") == 0;
    } else if (strcmp(argv[i], "--forward") == 0) {
      if (j->net.count < DL_JAIL_FORWARDS_MAX) j->forwards[j->net.count++] = value;
    } else if (strcmp(argv[i], "--unpack") == 0) {
      int fd = open(value, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
      if (fd < 0) die("cannot read the context %s", value);
      j->unpacks[j->unpack_count++] = fd;
    } else {
      const char *to = split(value);
      if (strcmp(argv[i], "--copy") == 0)
        add_copy(j, value, to);
      else
        add_bind(j, value, to, strcmp(argv[i], "--rw") == 0, false);
    }
  }
  errno = 0;
  if (i + 1 >= argc || j->count == 0) die("the jail needs ids and a program");
  j->net.forwards = j->forwards;
  j->program = argv + i + 1;
}

/* --- the new root --- */

/* What of the host's system programs need; all of it read-only, and left out where the host has none. */
static void add_system(jail_t *j) {
  static const char *const etc[] = {
    "/etc/resolv.conf",     "/etc/hosts",        "/etc/nsswitch.conf", "/etc/ssl",       "/etc/pki",
    "/etc/ca-certificates", "/etc/alternatives", "/etc/ld.so.cache",   "/etc/localtime", "/etc/services",
    "/etc/protocols",       "/etc/ld.so.conf",   "/etc/ld.so.conf.d"};
  static const char *const top[] = {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"};
  static const char *const dev[] = {"/dev/null",   "/dev/zero",    "/dev/full",
                                    "/dev/random", "/dev/urandom", "/dev/tty"};
  add_bind(j, "/usr", "/usr", false, false);
  static char self[PATH_MAX];
  ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
  if (len > 0) add_bind(j, self, DL_JAIL_PROGRAM, false, false);
  add_bind(j, "/proc", "/proc", true, false); /* the kernel wants to see one before it makes another */
  add_bind(j, "/sys", "/sys", false, true);
  for (size_t i = 0; i < DL_COUNT(top); i++) {
    struct stat st;
    if (lstat(top[i], &st) == 0 && S_ISDIR(st.st_mode)) add_bind(j, top[i], top[i], false, false);
  }
  for (size_t i = 0; i < DL_COUNT(etc); i++) add_bind(j, etc[i], etc[i], false, true);
  for (size_t i = 0; i < DL_COUNT(dev); i++) add_bind(j, dev[i], dev[i], true, true);
  if (!j->as_root) add_bind(j, TUN, TUN, true, true);
}

static void hold(bind_t *b) {
  b->fd = open_tree(AT_FDCWD, b->from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
  if (b->fd < 0 && !(b->is_optional && (errno == ENOENT || errno == EACCES || errno == ENOTDIR)))
    die("cannot take hold of %s", b->from);
  if (b->fd < 0 || b->is_writable) return;
  struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
  /* /sys has mounts that may not be changed here; what an id of ours can write there is nothing. */
  if (mount_setattr(b->fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) != 0 && !b->is_optional)
    die("cannot make %s read-only", b->from);
}

static void make_dirs(char *path, size_t from) {
  for (char *at = path + from; (at = strchr(at, '/')) != NULL; *at++ = '/') {
    *at = '\0';
    if (mkdir(path, 0755) != 0 && errno != EEXIST) die("cannot make %s", path);
  }
}

static void put(const bind_t *b) {
  struct stat st;
  char *point = dl_xprintf(ROOT "%s", b->to);
  make_dirs(point, strlen(ROOT) + 1);
  if (fstat(b->fd, &st) != 0) die("cannot look at %s", b->from);
  int made = S_ISDIR(st.st_mode) ? mkdir(point, 0755) : mknod(point, S_IFREG | 0644, 0);
  if (made != 0 && errno != EEXIST) die("cannot make %s", point);
  if (move_mount(b->fd, "", AT_FDCWD, point, MOVE_MOUNT_F_EMPTY_PATH) != 0) die("cannot mount %s", b->to);
  close(b->fd);
  free(point);
}

static void write_file(const char *path, const char *bytes, size_t len, mode_t mode) {
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0 || write(fd, bytes, len) != (ssize_t)len || close(fd) != 0) die("cannot write %s", path);
}

static void write_text(const char *path, const char *text) { write_file(path, text, strlen(text), 0644); }

static void make_memory(const char *path, const char *options) {
  if (mkdir(path, 0755) != 0 && errno != EEXIST) die("cannot make %s", path);
  if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, options) != 0)
    die("cannot mount memory at %s", path);
}

static void make_links(void) {
  static const struct {
    const char *name, *to;
  } links[] = {{"bin", "usr/bin"},          {"sbin", "usr/sbin"},    {"lib", "usr/lib"},
               {"lib32", "usr/lib32"},      {"lib64", "usr/lib64"},  {"libx32", "usr/libx32"},
               {"dev/fd", "/proc/self/fd"}, {"dev/stdin", "fd/0"},   {"dev/stdout", "fd/1"},
               {"dev/stderr", "fd/2"},      {"dev/ptmx", "pts/ptmx"}};
  for (size_t i = 0; i < DL_COUNT(links); i++) {
    char *path = dl_xprintf(ROOT "/%s", links[i].name);
    if (symlink(links[i].to, path) != 0 && errno != EEXIST) die("cannot make %s", path);
    free(path);
  }
}

/* Build steps with a network of their own need it. The host's may be for root only, who is nobody in the jail; what is
 * done with it is decided by who owns the network namespace. */
static void make_tun(const jail_t *j) {
  struct stat st;
  const char *dir = ROOT "/dev/net";
  if (!j->as_root || stat(TUN, &st) != 0) return;
  if (mkdir(dir, 0755) != 0 ||
      mount("tmpfs", dir, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=4k") != 0 ||
      mknod(ROOT TUN, S_IFCHR | 0666, st.st_rdev) != 0 || chmod(ROOT TUN, 0666) != 0)
    die("cannot make " TUN);
}

/* All sources first: the memory over /tmp may hide some of them. */
static void make_root(jail_t *j) {
  for (size_t i = 0; i < j->bind_count; i++) hold(&j->binds[i]);
  if (mount("tmpfs", ROOT, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=16m") != 0)
    die("cannot mount memory at " ROOT);
  for (size_t i = 0; i < j->bind_count; i++)
    if (j->binds[i].fd >= 0) put(&j->binds[i]);
  static const char *const dirs[] = {"etc", "dev", "dev/pts", "dev/shm", "run", "tmp", "var", "root"};
  for (size_t i = 0; i < DL_COUNT(dirs); i++) {
    char *path = dl_xprintf(ROOT "/%s", dirs[i]);
    if (mkdir(path, 0755) != 0 && errno != EEXIST) die("cannot make %s", path);
    free(path);
  }
  make_links();
  make_tun(j);
  write_text(ROOT "/etc/passwd",
             "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n");
  int point = open(ROOT "/etc/resolv.conf", O_RDONLY | O_CREAT | O_CLOEXEC, 0644);
  if (point >= 0) close(point);
  write_text(ROOT "/etc/group", "root:x:0:\nnogroup:x:65534:\n");
  /* What programs ask about processors' shares is not to be found in here. */
  if (access(ROOT "/sys/fs/cgroup", F_OK) == 0) make_memory(ROOT "/sys/fs/cgroup", "mode=0755,size=64k");
  if (chdir(ROOT) != 0 || syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0 ||
      chdir("/") != 0)
    die("cannot make the jail a root");
}

/* --- namespaces --- */

static int wait_status(pid_t child) {
  int how = 0;
  while (waitpid(child, &how, 0) < 0)
    if (errno != EINTR) die("cannot wait");
  return WIFSIGNALED(how) ? 128 + WTERMSIG(how) : WEXITSTATUS(how);
}

static void write_map(int proc, pid_t pid, const char *name, unsigned zero, unsigned first, unsigned count) {
  char path[64], text[96];
  snprintf(path, sizeof path, "%d/%s", (int)pid, name);
  int len = snprintf(text, sizeof text, "0 %u 1\n", zero);
  if (count > 1) len += snprintf(text + len, sizeof text - (size_t)len, "1 %u %u\n", first, count - 1);
  int fd = openat(proc, path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, text, (size_t)len) != len)
    die("cannot give the jail user ids %u and %u to %u", zero, first, first + count - 2);
  close(fd);
}

/* The helper programs of the system may do it for an ordinary user, as /etc/subuid and /etc/subgid say. */
static void ask_for_map(const char *program, pid_t pid, unsigned zero, unsigned first, unsigned count) {
  char numbers[4][16];
  snprintf(numbers[0], 16, "%d", (int)pid);
  snprintf(numbers[1], 16, "%u", zero);
  snprintf(numbers[2], 16, "%u", first);
  snprintf(numbers[3], 16, "%u", count - 1);
  char *argv[] = {(char *)program, numbers[0], "0", numbers[1], "1", "1", numbers[2], numbers[3], NULL};
  if (count == 1) argv[5] = NULL;
  pid_t helper = fork();
  if (helper == 0) {
    execvp(program, argv);
    die("cannot run %s (package uidmap)", program);
  }
  int status = 0;
  if (helper < 0 || waitpid(helper, &status, 0) != helper) die("cannot start a process");
  errno = 0;
  if (status != 0) die("%s refused the ids of /etc/subuid and /etc/subgid", program);
}

/* Devices cannot be made by an id that is not the host's root, and every sandbox gets its own. */
static void pack(const char *folder, const char *file) {
  static const char *const excluded[] = {"./dev/*", "./proc/*", "./sys/*"};
  char *argv[] = {"tar",
                  "-C",
                  (char *)folder,
                  "--numeric-owner",
                  "--xattrs",
                  "--xattrs-include=user.*",
                  "--one-file-system",
                  "--sparse",
                  dl_xprintf("--exclude=%s", excluded[0]),
                  dl_xprintf("--exclude=%s", excluded[1]),
                  dl_xprintf("--exclude=%s", excluded[2]),
                  "-cf",
                  (char *)file,
                  ".",
                  NULL};
  pid_t child = fork();
  if (child == 0) {
    reset_signals();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(argv[0], argv);
    die("cannot run tar");
  }
  if (child < 0) die("cannot start a process");
  int status = wait_status(child);
  errno = 0;
  if (status == 0) return;
  struct statvfs disk;
  bool is_full = statvfs(file, &disk) == 0 && disk.f_bavail < 16;
  fprintf(stderr, "daytona-local: %s %s\n", is_full ? "no space left on device for" : "cannot read all of",
          folder);
  _exit(is_full ? 1 : DL_JAIL_INVALID);
}

/* Only the host's root reads the folder as it is; an ordinary user reads what it can, as id 0 of the jail. */
static void pack_outside(jail_t *j) {
  const char *work = NULL;
  for (size_t i = 0; i < j->bind_count; i++)
    if (strcmp(j->binds[i].to, DL_JAIL_WORK) == 0) work = j->binds[i].from;
  errno = 0;
  if (!work) die("the jail has no work folder");
  char *file = dl_xprintf("%s%s", work, &DL_JAIL_PACKED[strlen(DL_JAIL_WORK)]);
  pack(j->packs, file);
  if (chown(file, j->zero_uid, j->zero_gid) != 0) die("cannot give away %s", file);
  free(file);
  j->packs = NULL;
}

static void write_maps(const jail_t *j, int proc, pid_t pid) {
  if (!j->as_root) {
    ask_for_map("newuidmap", pid, j->zero_uid, j->first_uid, j->count);
    ask_for_map("newgidmap", pid, j->zero_gid, j->first_gid, j->count);
    return;
  }
  write_map(proc, pid, "uid_map", j->zero_uid, j->first_uid, j->count);
  write_map(proc, pid, "gid_map", j->zero_gid, j->first_gid, j->count);
}

/* --- inside --- */

static void finish_root(const jail_t *j) {
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0)
    die("cannot mount /proc (in a container it needs --security-opt systempaths=unconfined)");
  make_memory("/dev/shm", "mode=1777,size=256m");
  make_memory("/run", "mode=0755,size=64m");
  make_memory("/tmp", "mode=1777,size=256m");
  make_memory("/var", "mode=0755,size=64m");
  if (symlink(DL_JAIL_WORK, "/var/tmp") != 0 || mkdir("/run/home", 0700) != 0) die("cannot make /var/tmp");
  if (mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620") !=
      0)
    die("cannot mount /dev/pts");
  if (!j->shares_network) {
    /* slirp4netns answers there, and asks whom the host asks. */
    write_text("/run/resolv.conf", "nameserver 10.0.2.3\n");
    if (mount("/run/resolv.conf", "/etc/resolv.conf", NULL, MS_BIND, NULL) != 0)
      die("cannot mount /etc/resolv.conf");
  }
  for (size_t i = 0; i < j->copy_count; i++)
    write_file(j->copies[i].to, j->copies[i].bytes, j->copies[i].len, 0600);
}

static void unpack_all(const jail_t *j) {
  for (size_t i = 0; i < j->unpack_count; i++) {
    char *problem = dl_image_unpack(j->unpacks[i], DL_JAIL_CONTEXT);
    close(j->unpacks[i]);
    if (!problem) continue;
    fprintf(stderr, "daytona-local: %s\n", problem);
    _exit(DL_JAIL_INVALID);
  }
}

/* Ends when `alive` has, which was open in our parent when we set out to die with it. */
static void die_with_stranger(int alive) {
  struct pollfd end = {.fd = alive, .events = POLLIN};
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (poll(&end, 1, 0) != 0) _exit(DL_JAIL_EXIT);
}

/* A step that forks without end fails; the machine goes on. Since Linux 5.14 the processes of each jail are counted apart. */
static void limit_processes(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NPROC, &limit) != 0) die("cannot look at the limit of processes");
  if (limit.rlim_max <= PROCESSES_MAX) return;
  limit.rlim_cur = limit.rlim_max = PROCESSES_MAX;
  if (setrlimit(RLIMIT_NPROC, &limit) != 0) die("cannot limit processes");
}

static pid_t start_program(const jail_t *j) {
  pid_t program = fork();
  if (program < 0) die("cannot start a process");
  if (program > 0) return program;
  setsid();
  reset_signals();
  limit_processes();
  execvp(j->program[0], j->program);
  die("cannot run %s", j->program[0]);
}

/* Process 1: orphans are its to wait for. What is still there when the program ends, ends with it. */
_Noreturn static void first(const jail_t *j) {
  finish_root(j);
  if (mkdir(DL_JAIL_CONTEXT, 0755) != 0 && errno != EEXIST) die("cannot make " DL_JAIL_CONTEXT);
  unpack_all(j);
  if (j->packs) pack("/import", DL_JAIL_PACKED);
  pid_t program = start_program(j);
  int how = 0;
  for (pid_t pid; (pid = waitpid(-1, &how, 0)) != program;)
    if (pid < 0 && errno != EINTR) die("cannot wait");
  int status = WIFSIGNALED(how) ? 128 + WTERMSIG(how) : WEXITSTATUS(how);
  kill(-1, SIGKILL);
  while (waitpid(-1, NULL, 0) > 0) {}
  dl_image_empty(DL_JAIL_WORK);
  _exit(status);
}

/* The server ends a job with SIGTERM to the group of the role: process 1 goes, and with it all; then we see its end. */
static volatile pid_t inmate;

static void on_term(int number) {
  (void)number;
  if (inmate == 0) _exit(DL_JAIL_EXIT);
  kill(inmate, SIGKILL);
}

/* It is held until there is somebody to act on it. */
static void hold_term(int how) {
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  sigprocmask(how, &term, NULL);
}

/* In the user namespace, when its map was written. */
static int stranger(jail_t *j, pid_t parent, int line) {
  int alive[2];
  if (setgroups(0, NULL) != 0 || setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0)
    die("cannot become the jail's user");
  die_with_parent(parent); /* another user than before has to ask again */
  if (!j->as_root) {
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) die("cannot make mounts private");
    make_root(j);
  }
  const char *failure = j->shares_network ? NULL : dl_jail_net_enter(&j->net, line);
  if (failure) die("%s", failure);
  if (pipe2(alive, O_CLOEXEC) != 0) die("cannot make a pipe");
  inmate = fork();
  if (inmate < 0) die("cannot start a process");
  if (inmate == 0) {
    signal(SIGTERM, SIG_DFL);
    close(alive[1]);
    die_with_stranger(alive[0]);
    first(j);
  }
  return wait_status(inmate);
}

static const char *way_out(bool as_root) {
  return as_root ? "in a container it needs --privileged, or --cap-add SYS_ADMIN and --security-opt "
                   "seccomp=unconfined"
                 : "user namespaces are not for ordinary users here: see docs/local-server.md, or run the "
                   "server as root";
}

/* One byte each way: "the namespaces are there", "the map is written". An end is the end of both. */
static void say(int fd) {
  if (write(fd, "", 1) != 1) _exit(DL_JAIL_EXIT);
}
static void hear(int fd) {
  char byte;
  if (read(fd, &byte, 1) != 1) _exit(DL_JAIL_EXIT);
}

_Noreturn static void enter(jail_t *j, pid_t parent, int line) {
  die_with_parent(parent);
  signal(SIGTERM, on_term);
  hold_term(SIG_UNBLOCK);
  int spaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;
  if (unshare(spaces | (j->shares_network ? 0 : CLONE_NEWNET)) != 0)
    die("cannot make namespaces (%s)", way_out(j->as_root));
  say(line);
  hear(line);
  _exit(stranger(j, parent, line));
}

int dl_image_jail_main(int argc, char **argv) {
  static jail_t j;
  int line[2], proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  j.as_root = geteuid() == 0;
  reset_signals();
  hold_term(SIG_BLOCK);
  umask(022);
  j.unpacks = dl_xcalloc((size_t)argc + 1, sizeof *j.unpacks);
  read_options(&j, argc, argv);
  if (j.packs && j.as_root) pack_outside(&j);
  if (j.packs) add_bind(&j, j.packs, "/import", false, false);
  add_system(&j);
  if (proc < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line) != 0) die("cannot look at /proc");
  if (j.as_root) {
    const char *failure = dl_own_root();
    if (failure) die("%s (%s)", failure, way_out(true));
    make_root(&j);
  }
  pid_t self = getpid(), child = fork();
  if (child < 0) die("cannot start a process");
  if (child == 0) {
    close(line[0]);
    enter(&j, self, line[1]);
  }
  close(line[1]);
  hear(line[0]);
  write_maps(&j, proc, child);
  say(line[0]);
  const char *failure = j.shares_network ? NULL : dl_jail_net_serve(&j.net, child, line[0]);
  if (failure) die("%s", failure);
  _exit(wait_status(child));
}
