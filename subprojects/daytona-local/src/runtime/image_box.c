/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The role "image-box": from a process of the server to the toolbox in a box whose root is an image.
 *
 * There are two user namespaces. The outer one has the ids of the image's files and owns everything that is made for the
 * box: its mounts, processes, network. Where root makes it, it belongs to a user that only this box has. The box itself runs in the inner one, which has the same ids and owns nothing, so
 * that root in an image has no rights over any of it (its network's rules, say), and may not make more user namespaces.
 *
 * The toolbox is not started as a program of the image's root, where an image could lack the libraries it needs or
 * name others (/etc/ld.so.preload): this process has loaded all it needs before it enters that root, and becomes the
 * toolbox there.
 *
 *   launcher   root or the server's user; stages (as root before, else inside the outer namespace), makes the namespaces,
 *              waits for process 1 and ends with its status
 *   process 1  mounts, enters the root, enters the inner namespace, becomes the image's user, takes the filter,
 *              becomes the toolbox
 *
 * Everything a start can fail with is one line on standard error, which the server reads.
 */
#include "runtime/image_root.h"
#include "runtime/image_user.h"

#include "base/jsonx.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPEC_MAX (8 * 1024 * 1024)

typedef struct {
  json_t *image;
  dl_box_ids_t ids;
  int inner; /* the inner user namespace */
  dl_image_user_t user;
  char *work_dir;
} plan_t;

static char *failed(const char *what) { return dl_xprintf("cannot %s: %s", what, strerror(errno)); }

_Noreturn static void die(const char *failure) {
  fprintf(stderr, "%s\n", failure);
  _exit(127);
}

/* --- what is to be made --- */

static char *read_plan(plan_t *plan) {
  dl_buf_t text;
  char block[4096];
  dl_buf_init(&text, SPEC_MAX);
  for (ssize_t got; (got = read(DL_FD_IMAGE, block, sizeof block)) > 0;)
    if (!dl_buf_append(&text, block, (size_t)got)) break;
  close(DL_FD_IMAGE);
  char *failure = NULL;
  plan->image = dl_json_parse(text.data ? text.data : "", text.len, &failure);
  dl_buf_clear(&text);
  const json_t *ids = plan->image != NULL ? json_object_get(plan->image, "ids") : NULL;
  plan->ids = (dl_box_ids_t){.zero_uid = (uid_t)dl_json_int(ids, "zeroUid", 0),
                             .first_uid = (uid_t)dl_json_int(ids, "firstUid", 0),
                             .zero_gid = (gid_t)dl_json_int(ids, "zeroGid", 0),
                             .first_gid = (gid_t)dl_json_int(ids, "firstGid", 0),
                             .count = (unsigned)dl_json_int(ids, "count", 1)};
  return failure;
}

/* --- the launcher --- */

static char *separate(const plan_t *plan) {
  int others = CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS;
  if (!dl_json_bool(plan->image, "hostNetwork", false)) others |= CLONE_NEWNET;
  if (unshare(others) != 0) return failed("make namespaces");
  unshare(CLONE_NEWCGROUP); /* as far as it is to be had */
  return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 ? NULL : failed("make mounts private");
}

static char *prepare(plan_t *plan) {
  char *failure = NULL;
  bool is_root = geteuid() == 0;
  if (is_root) {
    const char *step = dl_own_root();
    failure = step != NULL ? failed(step) : dl_image_root_stage(plan->image, &plan->ids);
  }
  if (failure == NULL) failure = dl_ids_enter(&plan->ids, (uid_t)dl_json_int(plan->image, "owner", 0));
  /* Before there is a PID namespace, whose first process would be the one that this takes. */
  if (failure == NULL && (plan->inner = dl_users_open_inner(plan->ids.count)) < 0)
    failure = failed("make the box's user namespace");
  if (failure == NULL) failure = separate(plan);
  if (failure == NULL && !is_root) failure = dl_image_root_stage(plan->image, &plan->ids);
  return failure;
}

/* --- process 1 --- */

static void write_sysctl(int sysctl, const char *name, const char *text) {
  int fd = openat(sysctl, name, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, text, strlen(text)) < 0) dl_debug("cannot set %s: %s", name, strerror(errno));
  if (fd >= 0) close(fd);
}

static char *settle_network(const plan_t *plan, int sysctl) {
  struct ifreq lo = {.ifr_name = "lo"};
  if (dl_json_bool(plan->image, "hostNetwork", false)) return NULL;
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  bool ok = fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &lo) == 0;
  lo.ifr_flags |= IFF_UP | IFF_RUNNING;
  ok = ok && ioctl(fd, SIOCSIFFLAGS, &lo) == 0;
  char *failure = ok ? NULL : failed("bring the loopback up");
  if (fd >= 0) close(fd);
  /* Images have servers on port 80 and a ping, and nobody in the box has rights over its network. */
  write_sysctl(sysctl, "net/ipv4/ip_unprivileged_port_start", "0");
  write_sysctl(sysctl, "net/ipv4/ping_group_range", "0 2147483647");
  return failure;
}

static char *find_user(plan_t *plan, int root) {
  char *passwd = dl_image_root_read(root, "etc/passwd"), *group = dl_image_root_read(root, "etc/group");
  char *failure = dl_image_user_find(dl_json_str(plan->image, "user"), passwd, group, &plan->user);
  free(passwd);
  free(group);
  if (failure != NULL) return failure;
  unsigned long highest = plan->user.uid > plan->user.gid ? plan->user.uid : plan->user.gid;
  if (highest < plan->ids.count) return NULL;
  return plan->ids.count == 1
           ? dl_xprintf(
               "the image runs as user %lu, and this server has no ids but root's to give: the server's user "
               "needs a range in /etc/subuid and /etc/subgid, and the package uidmap",
               highest)
           : dl_xprintf("the image's id %lu is not below %u", highest, plan->ids.count);
}

static char *make_folders(plan_t *plan) {
  int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  const dl_image_user_t *user = &plan->user;
  char *failure = NULL;
  /* What cannot be made is the image's business: HOME may be a place that nobody has. */
  if (strcmp(user->home, "/") != 0) free(dl_image_root_make_dir(root, user->home, user->uid, user->gid));
  const char *work_dir = dl_json_str(plan->image, "workDir");
  if (work_dir != NULL && *work_dir != '\0')
    failure = dl_image_root_make_dir(root, work_dir, user->uid, user->gid);
  else
    work_dir = access(user->home, X_OK) == 0 ? user->home : "/";
  plan->work_dir = work_dir[0] == '/' ? dl_xstrdup(work_dir) : dl_xprintf("/%s", work_dir);
  close(root);
  return failure;
}

/* What root in an image may do to the box's own files and processes; nothing of it reaches the outer namespace. */
static const int ROOT_CAPABILITIES[] = {CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_FOWNER,     CAP_FSETID, CAP_KILL,
                                        CAP_SETGID, CAP_SETUID,       CAP_SYS_CHROOT, CAP_SETFCAP};

static char *limit_capabilities(bool is_root) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2] = {{0}, {0}};
  for (size_t i = 0; is_root && i < DL_COUNT(ROOT_CAPABILITIES); i++) {
    unsigned bit = 1u << (ROOT_CAPABILITIES[i] % 32);
    data[ROOT_CAPABILITIES[i] / 32].permitted |= bit;
    data[ROOT_CAPABILITIES[i] / 32].effective |= bit;
  }
  for (int i = 0; prctl(PR_CAPBSET_READ, i) >= 0; i++)
    if ((i >= 64 || (data[i / 32].permitted & 1u << (i % 32)) == 0) && prctl(PR_CAPBSET_DROP, i) != 0)
      return failed("give up rights");
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  return is_root && syscall(SYS_capset, &header, data) != 0 ? failed("give up rights") : NULL;
}

static bool become_user(const plan_t *plan) {
  const dl_image_user_t *user = &plan->user;
  if (plan->ids.count > 1 && setgroups(user->group_count, user->groups) != 0) return false;
  return setresgid(user->gid, user->gid, user->gid) == 0 && setresuid(user->uid, user->uid, user->uid) == 0;
}

/* From here on this process has the rights of any program in the box. */
static char *enter_inner(const plan_t *plan, int sysctl) {
  if (setns(plan->inner, CLONE_NEWUSER) != 0) return failed("enter the box's user namespace");
  close(plan->inner);
  if ((plan->ids.count > 1 && setgroups(0, NULL) != 0) || setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0)
    return failed("become root of the box");
  int fd = openat(sysctl, "user/max_user_namespaces", O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, "0", 1) != 1) return failed("forbid user namespaces");
  close(fd);
  close(sysctl);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("give up new rights");
  char *failure = limit_capabilities(plan->user.uid == 0);
  if (failure == NULL && !become_user(plan)) failure = failed("become the image's user");
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_DUMPABLE, 1); /* until the toolbox has opened its own files in /proc */
  if (failure == NULL && dl_syscalls_install(DL_FD_FILTER) != 0)
    failure = failed("install the filter of system calls");
  close(DL_FD_FILTER);
  return failure;
}

static char *settle(plan_t *plan) {
  int root = -1, sysctl = -1;
  const char *name = dl_json_str(plan->image, "hostname");
  char *failure = dl_image_root_mount(plan->image, &root);
  if (failure == NULL) failure = find_user(plan, root);
  if (failure == NULL) failure = dl_image_root_enter(plan->image, root, &sysctl);
  if (failure == NULL && sethostname(name, strlen(name)) != 0) failure = failed("set the host's name");
  if (failure == NULL) failure = settle_network(plan, sysctl);
  if (failure == NULL) failure = make_folders(plan);
  if (root >= 0) close(root);
  return failure == NULL ? enter_inner(plan, sysctl) : failure;
}

/* The toolbox is told what only the image knows. */
static int run_toolbox(const plan_t *plan, dl_role_fn toolbox, int argc, char **argv) {
  const char *ours[] = {"toolbox",      "--home",  plan->user.home, "--work-dir",
                        plan->work_dir, "--user",  plan->user.name, "--hidden-dir",
                        DL_HIDDEN_DIR,  "--shell", plan->user.shell};
  static const char *const desktop[] = {"--desktop", DL_HIDDEN_LOADER, "--desktop", "--inhibit-cache",
                                        "--desktop", "--library-path", "--desktop", DL_HIDDEN_LIBRARIES,
                                        "--desktop", DL_HIDDEN_DESKTOP};
  size_t own = DL_COUNT(ours) - (plan->user.shell == NULL ? 2 : 0);
  size_t extra = access(DL_HIDDEN_DESKTOP, R_OK) == 0 ? DL_COUNT(desktop) : 0, count = 0;
  char **all = dl_xcalloc(own + extra + (size_t)argc + 1, sizeof *all);
  for (size_t i = 0; i < own; i++) all[count++] = (char *)ours[i];
  for (size_t i = 0; i < extra; i++) all[count++] = (char *)desktop[i];
  for (int i = 0; i < argc; i++) all[count++] = argv[i];
  return toolbox((int)count, all);
}

/* --- both --- */

static void report(pid_t pid) {
  char text[64];
  int len = snprintf(text, sizeof text, "{\"child-pid\": %ld,}", (long)pid);
  ssize_t ignored = write(DL_FD_INFO, text, (size_t)len);
  (void)ignored;
}

static int wait_for(pid_t pid) {
  int status = 0;
  for (int fd = 3; fd < DL_FD_END; fd++) close(fd);
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  if (WIFSIGNALED(status)) {
    signal(WTERMSIG(status), SIG_DFL);
    kill(getpid(), WTERMSIG(status));
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int dl_image_box_main(dl_role_fn toolbox, int argc, char **argv) {
  plan_t plan = {.inner = -1};
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  umask(022);
  char *failure = read_plan(&plan);
  if (failure == NULL) failure = prepare(&plan);
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* the change of users has taken it back */
  if (failure != NULL) die(failure);
  pid_t pid = fork();
  if (pid < 0) die("cannot start the box's first process");
  if (pid > 0) {
    close(plan.inner);
    report(pid);
    return wait_for(pid);
  }
  close(DL_FD_INFO);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  failure = settle(&plan);
  if (failure != NULL) die(failure);
  return run_toolbox(&plan, toolbox, argc, argv);
}
