/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a session's process gives up before it reads the first byte of a client: it has its connections, and can open no
 * file, make no connection, start no program and touch no other process. Where root serves it becomes another user as well.
 */
#include "gateway/internal.h"

#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where root serves, sessions have users that nobody else has, or this one where there are not so many. */
#define FIRST_USER 1879048192u
#define NOBODY 65534

#if defined __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#define OTHER_NUMBERS 0x40000000u /* those of x32 */
#elif defined __aarch64__
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#define OTHER_NUMBERS 0xffffffffu
#else
#error "the server has no sandboxes on this processor"
#endif

/* Answered with EPERM, which libraries take for a system that lacks something. */
static const int REFUSED[] = {
  SYS_execve,
  SYS_execveat,
  SYS_clone,
  SYS_socket,
  SYS_connect,
  SYS_bind,
  SYS_listen,
  SYS_socketpair,
  SYS_openat,
  SYS_kill,
  SYS_tkill,
  SYS_ptrace,
  SYS_mount,
  SYS_umount2,
  SYS_unshare,
  SYS_setns,
  SYS_chroot,
  SYS_chdir,
  SYS_fchdir,
  SYS_unlinkat,
  SYS_renameat2,
  SYS_linkat,
  SYS_symlinkat,
  SYS_mkdirat,
  SYS_mknodat,
  SYS_fchmodat,
  SYS_fchownat,
  SYS_truncate,
  SYS_keyctl,
  SYS_add_key,
  SYS_request_key,
  SYS_bpf,
  SYS_setxattr,
  SYS_execve,
  SYS_pidfd_open,
  SYS_perf_event_open,
  SYS_pivot_root,
  SYS_quotactl,
  SYS_io_uring_setup,
  SYS_process_vm_readv,
  SYS_io_setup,
  SYS_fsopen,
  SYS_open_tree,
  SYS_process_vm_writev,
  SYS_userfaultfd,
  SYS_pidfd_getfd,
  SYS_pidfd_send_signal,
  SYS_open_by_handle_at,
#ifdef SYS_clone3
  SYS_clone3,
#endif
#ifdef SYS_openat2
  SYS_openat2,
#endif
#ifdef SYS_open /* what only older processors have */
  SYS_open,
  SYS_creat,
  SYS_fork,
  SYS_vfork,
  SYS_unlink,
  SYS_rename,
  SYS_renameat,
  SYS_link,
  SYS_symlink,
  SYS_mkdir,
  SYS_rmdir,
  SYS_mknod,
  SYS_chmod,
  SYS_chown,
  SYS_lchown,
#endif
};

static bool refuse_calls(void) {
  static struct sock_filter code[5 + 2 * DL_COUNT(REFUSED) + 3];
  const struct sock_filter refuse = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
  unsigned short n = 0;
  code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
  code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
  code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
  code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, OTHER_NUMBERS, 0, 1);
  code[n++] = refuse;
  for (size_t i = 0; i < DL_COUNT(REFUSED); i++) {
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)REFUSED[i], 0, 1);
    code[n++] = refuse;
  }
  code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  const struct sock_fprog program = {.len = n, .filter = code};
  /* A kernel without filters has no sandboxes either, unless nothing is isolated. */
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 || errno == EINVAL;
}

static bool become(uid_t user) {
  return setgroups(0, NULL) == 0 && setresgid(user, user, user) == 0 && setresuid(user, user, user) == 0;
}

bool dl_confine(void) {
  const struct rlimit none = {0, 0}, few = {256, 256};
  bool is_root = geteuid() == 0;
  signal(SIGXFSZ, SIG_IGN);
  if (is_root && !become(FIRST_USER + (uid_t)getpid()) && !become(NOBODY)) return false;
  return (!is_root || setrlimit(RLIMIT_NPROC, &none) == 0) && setrlimit(RLIMIT_FSIZE, &none) == 0 &&
         setrlimit(RLIMIT_CORE, &none) == 0 && setrlimit(RLIMIT_NOFILE, &few) == 0 &&
         prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_DUMPABLE, 0) == 0 && refuse_calls();
}
