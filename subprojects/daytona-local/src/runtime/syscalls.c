/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which system calls a box does not get: a seccomp filter that bubblewrap installs just before it becomes the
 * toolbox, so that it holds for every program of the box and cannot be taken off.
 *
 * A box has no rights that most of these would need, and no user namespaces to get them in. They are refused all
 * the same, because each is a large part of the kernel that ordinary programs never reach, and because some
 * belong to no namespace: what they show or change is the host's. What debuggers, browsers and language runtimes
 * use stays: ptrace, process_vm_readv, memory policies, filters and Landlock rules of their own.
 *
 * The program is written out by hand: it is four comparisons and three tables, and a library for it would be one
 * more thing to install. Calls are distinguished by number, so the numbers are those of one architecture; calls
 * of any other, 32 bit ones and x32 included, are refused as a whole.
 */
#include "runtime/internal.h"

#include <assert.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined __x86_64__ && !defined __ILP32__
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined __aarch64__ && !defined __ILP32__ && !defined __AARCH64EB__
#define OUR_ARCH AUDIT_ARCH_AARCH64
#endif

/* Newer than some headers; the numbers are the same everywhere. */
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif
#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr 467
#endif

/* The first number that nobody has looked at yet (Linux 6.18 ends before it). What comes later does not exist in
 * a box, and programs take the way that they take on an older kernel. x32 has its numbers far above. */
#define FIRST_UNKNOWN 470

#define PROGRAM_MAX 256

#ifdef OUR_ARCH

/* EPERM: as for any program without rights. ENOSYS: programs try these and have another way. */
static const struct {
  unsigned number;
  int error;
} REFUSED[] = {
  /* the kernel at work for a process, past what filters see */
  {SYS_io_uring_setup, ENOSYS},
  {SYS_io_uring_enter, ENOSYS},
  {SYS_io_uring_register, ENOSYS},
  /* how many requests it may make is counted for the whole machine */
  {SYS_io_setup, ENOSYS},
  /* programs in the kernel, and looks into it */
  {SYS_bpf, EPERM},
  {SYS_perf_event_open, EPERM},
  {SYS_syslog, EPERM},
  {SYS_lookup_dcookie, EPERM},
  {SYS_kcmp, EPERM},
  {SYS_userfaultfd, EPERM},
  /* keyrings, which belong to no namespace */
  {SYS_add_key, EPERM},
  {SYS_request_key, EPERM},
  {SYS_keyctl, EPERM},
  /* another kernel, or more of it */
  {SYS_kexec_load, EPERM},
#ifdef SYS_kexec_file_load
  {SYS_kexec_file_load, EPERM},
#endif
  {SYS_init_module, EPERM},
  {SYS_finit_module, EPERM},
  {SYS_delete_module, EPERM},
  {SYS_reboot, EPERM},
  /* files without their paths */
  {SYS_open_by_handle_at, EPERM},
  {SYS_fanotify_init, EPERM},
  {SYS_fanotify_mark, EPERM},
  /* mounts and namespaces */
  {SYS_mount, EPERM},
  {SYS_umount2, EPERM},
  {SYS_pivot_root, EPERM},
  {SYS_setns, EPERM},
  {SYS_open_tree, ENOSYS},
  {SYS_open_tree_attr, ENOSYS},
  {SYS_move_mount, ENOSYS},
  {SYS_fsopen, ENOSYS},
  {SYS_fsconfig, ENOSYS},
  {SYS_fsmount, ENOSYS},
  {SYS_fspick, ENOSYS},
  {SYS_mount_setattr, ENOSYS},
  /* the machine as a whole */
  {SYS_swapon, EPERM},
  {SYS_swapoff, EPERM},
  {SYS_acct, EPERM},
  {SYS_quotactl, EPERM},
  {SYS_quotactl_fd, ENOSYS},
  {SYS_settimeofday, EPERM},
  {SYS_clock_settime, EPERM},
  {SYS_vhangup, EPERM},
  {SYS_nfsservctl, ENOSYS},
#ifdef __x86_64__
  {SYS_iopl, EPERM},
  {SYS_ioperm, EPERM},
  {SYS_uselib, ENOSYS},
  {SYS_ustat, ENOSYS},
  {SYS_sysfs, ENOSYS},
  {SYS__sysctl, ENOSYS},
  {SYS_create_module, ENOSYS},
  {SYS_query_module, ENOSYS},
  {SYS_get_kernel_syms, ENOSYS},
#endif
};

/* All others are EAFNOSUPPORT: AF_VSOCK reaches the host from any network namespace, AF_ALG and the protocols of
 * old networks are modules that would be loaded for the asking. */
static const unsigned FAMILIES[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

/* Debuggers switch the placing of memory at random off; asking is allowed. All others are EPERM. */
static const unsigned PERSONALITIES[] = {
  PER_LINUX, PER_LINUX32,           ADDR_NO_RANDOMIZE, PER_LINUX32 | ADDR_NO_RANDOMIZE,
  UNAME26,   PER_LINUX32 | UNAME26, 0xffffffff};

typedef struct {
  struct sock_filter steps[PROGRAM_MAX];
  unsigned short count;
} program_t;

static void add(program_t *p, struct sock_filter step) {
  assert(p->count < PROGRAM_MAX);
  p->steps[p->count++] = step;
}

static void load(program_t *p, size_t offset) {
  add(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offset));
}

static void answer(program_t *p, unsigned what) {
  add(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, what));
}

static void refuse(program_t *p, int error) {
  answer(p, SECCOMP_RET_ERRNO | ((unsigned)error & SECCOMP_RET_DATA));
}

/* Skips so many steps if what was loaded is `value`, or if it is not. */
static void skip(program_t *p, unsigned value, size_t if_equal, size_t if_not) {
  assert(if_equal <= 255 && if_not <= 255);
  add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, (unsigned char)if_equal,
                                      (unsigned char)if_not));
}

/* Call `number` takes only these as its first argument, of which the kernel looks at the lower half. */
static void allow_only(program_t *p, unsigned number, const unsigned *values, size_t count, int error) {
  skip(p, number, 0, count + 3);
  load(p, offsetof(struct seccomp_data, args)); /* little-endian: the lower half comes first */
  for (size_t i = 0; i < count; i++) skip(p, values[i], count - i, 0);
  refuse(p, error);
  answer(p, SECCOMP_RET_ALLOW);
}

static void write_program(program_t *p) {
  load(p, offsetof(struct seccomp_data, arch));
  skip(p, OUR_ARCH, 1, 0);
  refuse(p, ENOSYS);
  load(p, offsetof(struct seccomp_data, nr));
  add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, FIRST_UNKNOWN, 0, 1));
  refuse(p, ENOSYS);
  for (size_t i = 0; i < DL_COUNT(REFUSED); i++) {
    skip(p, REFUSED[i].number, 0, 1);
    refuse(p, REFUSED[i].error);
  }
  allow_only(p, SYS_socket, FAMILIES, DL_COUNT(FAMILIES), EAFNOSUPPORT);
  allow_only(p, SYS_socketpair, FAMILIES, DL_COUNT(FAMILIES), EAFNOSUPPORT);
  allow_only(p, SYS_personality, PERSONALITIES, DL_COUNT(PERSONALITIES), EPERM);
  answer(p, SECCOMP_RET_ALLOW);
}

const char *dl_syscalls_missing(void) { return NULL; }

int dl_syscalls_install(int fd) {
  program_t p = {.count = 0};
  ssize_t got = pread(fd, p.steps, sizeof p.steps, 0);
  if (got <= 0 || (size_t)got % sizeof p.steps[0] != 0) {
    if (got >= 0) errno = EINVAL;
    return -1;
  }
  struct sock_fprog program = {.len = (unsigned short)((size_t)got / sizeof p.steps[0]), .filter = p.steps};
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

int dl_syscalls_open(void) {
  program_t p = {.count = 0};
  write_program(&p);
  return dl_memory_file("syscalls", p.steps, p.count * sizeof p.steps[0]);
}

#else

int dl_syscalls_install(int fd) {
  (void)fd;
  errno = ENOSYS;
  return -1;
}

const char *dl_syscalls_missing(void) { return "there is no filter of system calls for this processor"; }

int dl_syscalls_open(void) {
  errno = ENOSYS;
  return -1;
}

#endif
