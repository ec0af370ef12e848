/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program in a box cannot do. Every test tries to.
 */
#include "boxes.h"

#include "base/base.h"
#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static world_t w;
static dl_box_t *box, *other;
static const char *skip_reason;

#define NEED_BOXES()                               \
  do {                                             \
    if (skip_reason != NULL) {                     \
      print_message("skipped: %s\n", skip_reason); \
      skip();                                      \
    }                                              \
  } while (0)

static int open_boxes(void **state) {
  (void)state;
  setenv("DL_TEST_SECRET", "the-server-key", 1);
  skip_reason = world_open(&w, (dl_runtime_opts_t){.isolation = DL_ISOLATION_BWRAP, .max_processes = 64});
  if (skip_reason != NULL) return 0;
  box = box_up(&w, "attacker-0000000");
  other = box_up(&w, "victim-00000000");
  return 0;
}

static int close_boxes(void **state) {
  (void)state;
  if (skip_reason == NULL) world_close(&w);
  return 0;
}

static void write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
  close(fd);
}

static void refuses(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  char *command = dl_xvprintf(fmt, args);
  va_end(args);
  box_refuses(&w, box, command);
  free(command);
}

static void is_the_sandbox_user_in_its_home(void **state) {
  (void)state;
  NEED_BOXES();
  box_expect(&w, box, "id -u; id -g; id -un; hostname; pwd; cat /etc/hostname",
             "1000\n1000\ndaytona\nattacker-0000000\n/home/daytona\nattacker-0000000\n");
  box_expect(&w, box, "echo hello > file && cat file && stat -c '%U %a' .", "hello\ndaytona 700\n");
}

static void sees_no_file_of_the_host(void **state) {
  (void)state;
  NEED_BOXES();
  char *secret = dl_xprintf("%s/secret", w.dir);
  write_file(secret, "secret");
  chmod(secret, 0666);
  refuses("cat %s", secret);
  refuses("ls %s", w.dir);
  refuses("cat /etc/shadow || cat /etc/gshadow || ls /etc/ssh || ls /etc/sudoers.d");
  refuses("ls /sys/kernel || ls /boot || ls /mnt || ls /srv || ls /media || ls /var/lib || ls /var/log");
  box_expect(&w, box, "ls -A /root /run /var /home /tmp | grep -v -e '^$' | tr '\\n' ' '",
             "/home: daytona /root: /run: daytona /tmp: /var: tmp ");
  free(secret);
}

static void climbs_out_of_no_directory(void **state) {
  (void)state;
  NEED_BOXES();
  char *secret = dl_xprintf("%s/secret2", w.dir);
  write_file(secret, "secret");
  refuses("cat ../../../../../../..%s", secret);
  refuses("ln -s %s link && cat link", secret);
  refuses("cat /proc/1/root%s || cat /proc/1/cwd/../../..%s", secret, secret);
  free(secret);
}

static void sees_nothing_of_another_box(void **state) {
  (void)state;
  NEED_BOXES();
  box_expect(&w, other, "echo private > mine; echo shared > /tmp/mine; echo ok", "ok\n");
  refuses("cat /tmp/mine");
  refuses("find / -name mine -not -path '/proc/*' 2>/dev/null | grep mine");
  refuses("ls %s/home-victim-00000000", w.dir);
}

static void sees_and_signals_no_foreign_process(void **state) {
  (void)state;
  NEED_BOXES();
  char mark[32];
  snprintf(mark, sizeof mark, "765%ld", (long)getpid());
  char *command = dl_xprintf(
    "setsid sleep %s >/dev/null 2>&1 & while ! pgrep -f '^sleep %s'; do :; done >/dev/null; echo ok", mark,
    mark);
  box_expect(&w, other, command, "ok\n");
  free(command);
  expect_processes(mark, 1);
  refuses("cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep '[s]leep %s'", mark);
  refuses("kill -0 %ld", (long)getpid());
  box_expect(&w, box, "ls /proc | grep -c '^[0-9]' | awk '{print $1 < 8}'", "1\n");
  refuses("kill -9 -1; sleep 0.01; false"); /* at most ourselves */
  expect_processes(mark, 1);
  box_expect(&w, other, "pkill sleep; echo ok", "ok\n");
}

static void cannot_end_or_read_its_toolbox(void **state) {
  (void)state;
  NEED_BOXES();
  refuses("kill -9 1; kill -TERM 1 2>/dev/null; cat /proc/1/mem");
  box_expect(&w, box, "echo alive", "alive\n");
}

static void traces_not_its_toolbox(void **state) {
  (void)state;
  NEED_BOXES();
  static const char trace[] =
    "python3 -c 'import ctypes; c = ctypes.CDLL(None, use_errno=True); "
    "print(c.ptrace(0x4206, 1, None, None), ctypes.get_errno())'"; /* PTRACE_SEIZE */
  box_expect(&w, box, trace, "-1 1\n");
  refuses(
    "cat /proc/1/environ || cat /proc/1/maps || ls /proc/1/fd || ls /proc/1/cwd/ || echo 1000 > "
    "/proc/1/oom_score_adj");
  /* Its own processes stay its own. */
  box_expect(&w, box,
             "cat /proc/self/environ > /dev/null && echo 700 > /proc/self/oom_score_adj && cat "
             "/proc/self/oom_score_adj",
             "700\n");
}

static void dies_before_its_toolbox_for_lack_of_memory(void **state) {
  (void)state;
  NEED_BOXES();
  static const char scores[] =
    "test $(cat /proc/self/oom_score_adj) -gt $(cat /proc/1/oom_score_adj) && echo first";
  int fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
  char own[16] = "";
  assert_true(fd >= 0 && read(fd, own, sizeof own - 1) > 0);
  close(fd);
  if (atoi(own) == 1000) {
    print_message("skipped: everything here has the highest score already\n");
    skip();
  }
  box_expect(&w, box, scores, "first\n");
  box_expect(&w, box, "sh -c 'test $(cat /proc/self/oom_score_adj) -ge 500 && echo inherited'",
             "inherited\n");
  box_expect(&w, box, scores, "first\n"); /* starting one has not changed the toolbox */
}

static void sees_no_foreign_terminal(void **state) {
  (void)state;
  NEED_BOXES();
  box_expect(&w, other,
             "(setsid python3 -c 'import os,time; os.openpty(); time.sleep(50)' >/dev/null 2>&1 &) ; "
             "while [ ! -e /dev/pts/0 ]; do :; done; ls /dev/pts",
             "0\nptmx\n");
  box_expect(&w, box, "ls /dev/pts", "ptmx\n");
  refuses("echo x > /dev/tty");
  refuses("ls /dev/mem || ls /dev/sda || ls /dev/vda || ls /dev/kmsg || ls /dev/net");
}

static void reaches_no_socket_of_the_host(void **state) {
  (void)state;
  NEED_BOXES();
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int name_len = snprintf(address.sun_path + 1, 64, "dl-test-%ld", (long)getpid());
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&address,
                        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)name_len)),
                   0);
  assert_int_equal(listen(fd, 1), 0);
  refuses("python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"\\0dl-test-%ld\")'",
          (long)getpid());
  refuses("ls %s/run", w.dir);
  refuses("find / -type s -not -path '/proc/*' 2>/dev/null | grep .");
  close(fd);
}

static void reaches_no_network_when_blocked(void **state) {
  (void)state;
  NEED_BOXES();
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t len = sizeof address;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
  assert_int_equal(listen(fd, 1), 0);
  getsockname(fd, (struct sockaddr *)&address, &len);
  refuses("python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", %d), 2)'",
          ntohs(address.sin_port));
  refuses("python3 -c 'import socket; socket.create_connection((\"192.0.2.1\", 80), 2)'");
  box_expect(&w, box, "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '", "lo\n");
  assert_string_equal(dl_box_get_info(box).network, "none");
  close(fd);
}

static void writes_to_no_system_directory(void **state) {
  (void)state;
  NEED_BOXES();
  static const char *const dirs[] = {"/",    "/usr",         "/usr/bin", "/etc",  "/bin",  "/dev", "/opt",
                                     "/run", "/run/daytona", "/var",     "/root", "/proc", "/home"};
  for (size_t i = 0; i < DL_COUNT(dirs); i++) refuses("touch %s/x", dirs[i]);
  refuses("echo x > /proc/sys/kernel/hostname || echo 1 > /proc/sysrq-trigger");
  refuses("echo x >> /run/daytona/toolbox || chmod 777 /run/daytona/toolbox || rm -f /run/daytona/toolbox");
  refuses("mv /etc/passwd /etc/p || echo root::0:0::/:/bin/sh >> /etc/passwd");
}

/* Copies, so that a box has few mounts; those it must not change. */
static void has_harmless_settings_of_the_host(void **state) {
  (void)state;
  NEED_BOXES();
  static const char *const dirs[] = {"fonts", "X11", "xdg/xfce4", "xdg/autostart"};
  for (size_t i = 0; i < DL_COUNT(dirs); i++) {
    char *list = dl_xprintf(
      "cd /etc/%s 2>/dev/null && find . | sort && find . -type f | sort | xargs -r md5sum", dirs[i]);
    FILE *host = strcmp(dirs[i], "xdg/autostart") == 0 ? NULL : popen(list, "r");
    char text[65536];
    size_t len = host != NULL ? fread(text, 1, sizeof text - 1, host) : 0;
    text[len] = '\0';
    if (host != NULL) pclose(host);
    char *command = dl_xprintf("%s; true", list);
    box_expect(&w, box, command, text);
    free(command);
    free(list);
  }
  refuses("touch /etc/fonts/x || touch /etc/X11/x");
  box_expect(&w, box, "test $(grep -c ' /etc/' /proc/self/mountinfo) -le 3 && echo few", "few\n");
}

static void gains_no_rights(void **state) {
  (void)state;
  NEED_BOXES();
  box_expect(&w, box, "grep -E 'Cap(Prm|Eff|Bnd)|NoNewPrivs' /proc/self/status | tr -d '\\t' | tr '\\n' ' '",
             "CapPrm:0000000000000000 CapEff:0000000000000000 CapBnd:0000000000000000 NoNewPrivs:1 ");
  refuses("unshare -U true || unshare -m true || unshare -n true");
  refuses("mount -t tmpfs x /tmp || umount /tmp || mount -o remount,rw /usr");
  refuses("python3 -c 'import os; os.setuid(0)' || python3 -c 'import os; os.chown(\"/tmp\", 0, 0)'");
  box_expect(&w, box, "cp /usr/bin/id . && chmod u+s id && ./id -u", "1000\n");
  refuses("mknod dev b 8 0 || hostname other");
}

/* Runs a Python program in which `call(number, ...)` makes a system call and gives its result, or -errno. It prints
 * what is not as it should be. */
static void expect_calls(const char *program) {
  char *command = dl_xprintf(
    "cat > calls.py <<'END'\n"
    "import ctypes, os, signal, socket\n"
    "libc = ctypes.CDLL(None, use_errno=True)\n"
    "libc.syscall.restype = ctypes.c_long\n"
    "def call(number, *args):\n"
    "    args = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]\n"
    "    done = libc.syscall(ctypes.c_long(number), *args)\n"
    "    return -ctypes.get_errno() if done == -1 else done\n"
    "def expect(name, have, want):\n"
    "    if have != want: print(name, 'is', have, 'and not', want)\n"
    "%s\nEND\npython3 calls.py",
    program);
  box_expect(&w, box, command, "");
  free(command);
}

static void is_refused_system_calls(void **state) {
  (void)state;
  NEED_BOXES();
#define CALL(name, error) \
  { #name, SYS_##name, error }
  static const struct {
    const char *name;
    long number;
    int error;
  } refused[] = {
    CALL(io_uring_setup, ENOSYS),
    CALL(io_uring_enter, ENOSYS),
    CALL(io_uring_register, ENOSYS),
    CALL(io_setup, ENOSYS),
    CALL(bpf, EPERM),
    CALL(perf_event_open, EPERM),
    CALL(syslog, EPERM),
    CALL(lookup_dcookie, EPERM),
    CALL(kcmp, EPERM),
    CALL(userfaultfd, EPERM),
    CALL(add_key, EPERM),
    CALL(request_key, EPERM),
    CALL(keyctl, EPERM),
    CALL(kexec_load, EPERM),
    CALL(kexec_file_load, EPERM),
    CALL(init_module, EPERM),
    CALL(finit_module, EPERM),
    CALL(delete_module, EPERM),
    CALL(reboot, EPERM),
    CALL(open_by_handle_at, EPERM),
    CALL(fanotify_init, EPERM),
    CALL(fanotify_mark, EPERM),
    CALL(mount, EPERM),
    CALL(umount2, EPERM),
    CALL(pivot_root, EPERM),
    CALL(setns, EPERM),
    CALL(open_tree, ENOSYS),
    CALL(move_mount, ENOSYS),
    CALL(fsopen, ENOSYS),
    CALL(fsconfig, ENOSYS),
    CALL(fsmount, ENOSYS),
    CALL(fspick, ENOSYS),
    {"mount_setattr", 442, ENOSYS},
    {"open_tree_attr", 467, ENOSYS},
    CALL(swapon, EPERM),
    CALL(swapoff, EPERM),
    CALL(acct, EPERM),
    CALL(quotactl, EPERM),
    {"quotactl_fd", 443, ENOSYS},
    CALL(settimeofday, EPERM),
    CALL(clock_settime, EPERM),
    CALL(vhangup, EPERM),
    CALL(nfsservctl, ENOSYS),
#ifdef __x86_64__
    CALL(iopl, EPERM),
    CALL(ioperm, EPERM),
    CALL(uselib, ENOSYS),
    CALL(ustat, ENOSYS),
    CALL(sysfs, ENOSYS),
    CALL(_sysctl, ENOSYS),
    CALL(create_module, ENOSYS),
    CALL(query_module, ENOSYS),
    CALL(get_kernel_syms, ENOSYS),
    {"getpid of x32", 0x40000000 + SYS_getpid, ENOSYS},
#endif
    {"the first unknown one", 470, ENOSYS},
    {"one of the future", 1000, ENOSYS},
    {"none", -1, ENOSYS},
  };
#undef CALL
  dl_buf_t program;
  dl_buf_init(&program, 65536);
  for (size_t i = 0; i < DL_COUNT(refused); i++)
    dl_buf_printf(&program, "expect('%s', call(%ld, 0, 0, 0, 0, 0, 0), %d)\n", refused[i].name,
                  refused[i].number, -refused[i].error);
  expect_calls(program.data);
  dl_buf_clear(&program);
}

static void makes_no_sockets_but_ordinary_ones(void **state) {
  (void)state;
  NEED_BOXES();
  /* unix, inet, netlink, inet6; the kernel takes the lower half for the family. */
  char *program = dl_xprintf(
    "for number in (%d, %d):\n"
    "    for family in (*range(64), (7 << 32) + 40, -1):\n"
    "        done = call(number, family, 3, 0, 0)\n"
    "        if family in (1, 2, 16, 10): expect(family, done == -97 and number == %d, False)\n"
    "        else: expect(family, done, -97)\n"
    "expect('unix', call(%d, (7 << 32) + 1, 1, 0) > 2, True)\n",
    SYS_socket, SYS_socketpair, SYS_socket, SYS_socket);
  expect_calls(program);
  free(program);
}

static void calls_by_no_other_architecture(void **state) {
  (void)state;
  NEED_BOXES();
#ifdef __x86_64__
  /* mov eax, 20 (getpid of i386); int 0x80; ret. Where the kernel knows no such calls it is a signal. */
  expect_calls(
    "import mmap\n"
    "if os.fork() == 0:\n"
    "    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n"
    "    code.write(bytes.fromhex('b814000000cd80c3'))\n"
    "    address = ctypes.addressof(ctypes.c_char.from_buffer(code))\n"
    "    os._exit(0 if ctypes.CFUNCTYPE(ctypes.c_int)(address)() == -38 else 1)\n"
    "status = os.wait()[1]\n"
    "if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGSEGV: expect('status', status, 0)");
#endif
}

static void may_do_what_ordinary_programs_do(void **state) {
  (void)state;
  NEED_BOXES();
  char *program = dl_xprintf(
    "import threading, multiprocessing, subprocess, select\n"
    "thread = threading.Thread(target=lambda: expect('a thread', os.getpid() > 1, True))\n"
    "thread.start(); thread.join()\n"
    "if __name__ == '__main__':\n"
    "    with multiprocessing.Pool(2) as pool: expect('a pool', pool.map(abs, [-1, -2]), [1, 2])\n"
    "expect('a program', subprocess.run(['true']).returncode, 0)\n"
    "expect('interfaces', socket.if_nameindex()[0][1], 'lo')\n" /* by netlink */
    "expect('a pair', len(socket.socketpair()), 2)\n"
    "select.epoll().close()\n"
    "os.close(os.memfd_create('x'))\n"
    "expect('inotify', call(%d, 0) > 2, True)\n"
    "expect('a personality', call(%d, 0xffffffff), 0)\n"
    "expect('no random addresses', call(%d, 0x40000), 0)\n"
    "expect('another personality', call(%d, 0x400000), -1)\n"
    "expect('files of its own', call(%d, 0x400), 0)\n"
    "expect('a memory policy', call(%d, 0, 0, 0, 0, 0) in (0, -38), True)\n"
    /* What a debugger does: stop a program, read it, let it go on. */
    "text = ctypes.create_string_buffer(b'seen', 4)\n"
    "child = os.fork()\n"
    "if child == 0:\n"
    "    libc.ptrace(0, 0, None, None)\n"
    "    os.kill(os.getpid(), signal.SIGSTOP)\n"
    "    os._exit(7)\n"
    "expect('a stop', os.WIFSTOPPED(os.waitpid(child, 0)[1]), True)\n"
    "copy = ctypes.create_string_buffer(4)\n"
    "class Vec(ctypes.Structure): _fields_ = [('base', ctypes.c_void_p), ('len', ctypes.c_size_t)]\n"
    "to, of = Vec(ctypes.addressof(copy), 4), Vec(ctypes.addressof(text), 4)\n"
    "expect('reading', libc.process_vm_readv(child, ctypes.byref(to), 1, ctypes.byref(of), 1, 0), 4)\n"
    "expect('what was read', copy.raw, b'seen')\n"
    "libc.ptrace(7, child, None, None)\n"
    "expect('the end', os.WEXITSTATUS(os.waitpid(child, 0)[1]), 7)",
    SYS_inotify_init1, SYS_personality, SYS_personality, SYS_personality, SYS_unshare, SYS_get_mempolicy);
  expect_calls(program);
  free(program);
  box_expect(&w, box,
             "git init -q repo && cd repo && echo x > f && git add f && "
             "git -c user.name=a -c user.email=b commit -qm c && git log --format=%s",
             "c\n");
  box_expect(&w, box,
             "! command -v node >/dev/null || node -e 'require(\"fs\").promises.readFile(\"/etc/passwd\")"
             ".then(b => process.exit(b.length ? 0 : 1))'",
             "");
  box_expect(&w, box, "! command -v strace >/dev/null || strace -o /dev/null true", "");
  box_expect(
    &w, box,
    "! command -v gdb >/dev/null || gdb -q -batch -ex run /usr/bin/true 2>&1 | grep -q 'exited normally'",
    "");
}

static void adds_filters_of_its_own(void **state) {
  (void)state;
  NEED_BOXES();
  char *program = dl_xprintf(
    "import struct\n"
    "def install(steps):\n"
    "    code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *step) for step in steps))\n"
    "    prog = struct.pack('HxxxxxxP', len(steps), ctypes.addressof(code))\n"
    "    return libc.prctl(22, 2, prog, 0, 0)\n"
    /* getppid is error 5 now */
    "expect('a filter', install([(0x20, 0, 0, 0), (0x15, 0, 1, %d), (6, 0, 0, 0x50005), (6, 0, 0, "
    "0x7fff0000)]), 0)\n"
    "expect('its own', call(%d), -5)\n"
    "expect('the first', call(%d, 0, 0), -38)\n"
    "expect('another', call(%d), os.getpid())\n"
    /* one that allows everything allows nothing more */
    "expect('a loose filter', install([(6, 0, 0, 0x7fff0000)]), 0)\n"
    "expect('its own', call(%d), -5)\n"
    "expect('the first', call(%d, 0, 0), -38)",
    SYS_getppid, SYS_getppid, SYS_io_uring_setup, SYS_getpid, SYS_getppid, SYS_io_uring_setup);
  expect_calls(program);
  free(program);
  box_expect(&w, box, "grep -c 'Seccomp:.2' /proc/1/status", "1\n");
}

static void inherits_nothing(void **state) {
  (void)state;
  NEED_BOXES();
  refuses("env | grep -i -e DL_TEST -e the-server-key");
  refuses("cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n' | grep -i the-server-key");
  refuses("cat /proc/*/cmdline | tr '\\0' '\\n' | grep '[/]%s'", w.dir + 1);
  box_expect(&w, box,
             "python3 -c 'import os; print(sorted(int(f) for f in os.listdir(\"/proc/self/fd\"))[:-1])'",
             "[0, 1, 2]\n");
  box_expect(&w, box, "env | cut -d= -f1 | sort | tr '\\n' ' '",
             "HOME LANG LOGNAME PATH PIP_BREAK_SYSTEM_PACKAGES PWD SHELL SHLVL USER _ ");
  box_expect(&w, box, "ulimit -c", "0\n");
}

static void starts_no_more_processes_than_allowed(void **state) {
  (void)state;
  NEED_BOXES();
  outcome_t o = box_run(&w, box,
                        "python3 -c '\n"
                        "import os, time\n"
                        "n = 0\n"
                        "try:\n"
                        "    while n < 1000:\n"
                        "        if os.fork() == 0: time.sleep(30); os._exit(0)\n"
                        "        n += 1\n"
                        "except OSError: pass\n"
                        "print(n < 64)' ; pkill -9 python3; true");
  assert_non_null(strstr(o.text, "True"));
  free(o.text);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(is_the_sandbox_user_in_its_home),
    cmocka_unit_test(sees_no_file_of_the_host),
    cmocka_unit_test(climbs_out_of_no_directory),
    cmocka_unit_test(sees_nothing_of_another_box),
    cmocka_unit_test(sees_and_signals_no_foreign_process),
    cmocka_unit_test(cannot_end_or_read_its_toolbox),
    cmocka_unit_test(traces_not_its_toolbox),
    cmocka_unit_test(dies_before_its_toolbox_for_lack_of_memory),
    cmocka_unit_test(sees_no_foreign_terminal),
    cmocka_unit_test(reaches_no_socket_of_the_host),
    cmocka_unit_test(reaches_no_network_when_blocked),
    cmocka_unit_test(writes_to_no_system_directory),
    cmocka_unit_test(has_harmless_settings_of_the_host),
    cmocka_unit_test(gains_no_rights),
    cmocka_unit_test(is_refused_system_calls),
    cmocka_unit_test(makes_no_sockets_but_ordinary_ones),
    cmocka_unit_test(calls_by_no_other_architecture),
    cmocka_unit_test(may_do_what_ordinary_programs_do),
    cmocka_unit_test(adds_filters_of_its_own),
    cmocka_unit_test(inherits_nothing),
    cmocka_unit_test(starts_no_more_processes_than_allowed),
  };
  /* The same from an ordinary user's server: test_isolation UID. */
  if (argc > 1 && geteuid() == 0) {
    unsigned uid = (unsigned)atoi(argv[1]);
    if (setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0) return 99;
  }
  return cmocka_run_group_tests(tests, open_boxes, close_boxes);
}
