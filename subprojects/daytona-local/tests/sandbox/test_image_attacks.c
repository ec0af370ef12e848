/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boxes on an image: the root is a writable layer over folders that somebody else has made, and may have made to harm; and what runs
 * in a box may mean harm, too.
 *
 *   test_image_attacks              as root
 *   test_image_attacks UID          from an ordinary user's server, without ids beside its own
 *   test_image_attacks UID subids   from an ordinary user's server that /etc/subuid gives ids
 *
 * With DL_TEST_DEBIAN_ROOT (see debian_root.py) only the tests that need it run, on a Debian with python.
 */
#include "image_boxes.h"

#include "base/base.h"
#include "runtime/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- what a box cannot do --- */

static void root_has_no_rights_outside(void **state) {
  (void)state;
  NEED_BOXES();
  dl_box_image_t image = image_of(image_only(image_layer));
  dl_box_t *box = image_start("rights", &image);
  static const char *const TRIES[] = {
    "mount -t tmpfs x /tmp",
    "mount -o remount,rw /dev",
    "umount /dev",
    "umount /proc/sys",
    "hostname other",
    "mknod /tmp/sda b 8 0",
    "mknod /tmp/mem c 1 1",
    "unshare -U true",
    "unshare -r true",
    "unshare -m true",
    "ifconfig lo down",
    "ip link set lo down",
    "ip addr add 10.9.9.9/8 dev lo",
    "route add -net 10.0.0.0/8 lo",
    "nsenter -t 1 -m true",
    "ls /proc/1/root/",
    "cat /proc/1/environ",
    "ls -l /proc/1/fd/",
    "cat /proc/1/mem",
    "echo 1 > /proc/sys/net/ipv4/ip_forward",
    "echo x > /proc/sys/kernel/hostname",
    "echo b > /proc/sysrq-trigger",
    "echo 1000 > /proc/sys/user/max_user_namespaces",
    "echo 1 > /proc/sys/vm/drop_caches",
    "chroot / mount -t proc x /tmp",
    "dmesg -c",
    "swapon /etc/passwd",
    "pivot_root / /tmp",
    "losetup /dev/loop0 /etc/passwd",
    "insmod /etc/passwd",
    "echo $$ > /sys/fs/cgroup/cgroup.procs",
    "renice -n -5 -p 1",
  };
  for (size_t i = 0; i < DL_COUNT(TRIES); i++) box_refuses(&image_world, box, TRIES[i]);
  box_refuses(&image_world, box, "kill -9 1; kill -9 1; sleep 0.1; false");
  box_expect(&image_world, box, "grep -e CapEff -e CapBnd -e CapInh -e CapAmb /proc/self/status",
             "CapInh:\t0000000000000000\nCapEff:\t00000000800400fb\nCapBnd:\t00000000800400fb\n"
             "CapAmb:\t0000000000000000\n");
  box_expect(
    &image_world, box,
    "echo alive; ls /proc | grep -c '^[0-9]' | awk '{print $1 < 8}'; ls -A /sys; pidof daytona-local",
    "alive\n1\n1\n");
  box_refuses(&image_world, box, "tr '\\0' ' ' < /proc/1/cmdline | grep /");
  box_expect(&image_world, box, "mount | grep -v -e ' on /dev' -e ' on /proc' | sed 's/ (.*//'",
             "overlay on / type overlay\n");
  box_stop(&image_world, box, true);
}

static void the_hidden_system_cannot_be_changed(void **state) {
  (void)state;
  NEED_BOXES();
  dl_box_image_t image = image_of(image_only(image_layer));
  dl_box_t *box = image_start("hidden", &image);
  static const char *const TRIES[] = {
    "touch /dev/x",
    "mkdir /dev/.daytona/x",
    "touch /dev/.daytona/usr/x",
    "rm /dev/.daytona/start",
    "echo x >> /dev/.daytona/start",
    "ln -sf /bin/sh /dev/.daytona/loader",
    "mv /dev/.daytona /dev/away",
    "rm /dev/.daytona/git/git",
    "chmod 777 /dev/.daytona/usr/bin",
    "chown 0 /dev/.daytona/usr/bin",
    "rm /dev/null",
    "cat /dev/.daytona/usr/../etc/passwd",
    "find /dev/.daytona/ -writable | grep .",
    "ls /dev/.daytona/usr/../../boot",
    "cat /dev/.daytona/usr/lib/../../../etc/shadow.not-there",
    "touch /dev/.daytona/certs/x",
  };
  for (size_t i = 0; i < DL_COUNT(TRIES); i++) box_refuses(&image_world, box, TRIES[i]);
  box_expect(&image_world, box, "echo x > /dev/null; ls /dev | tr '\\n' ' '; ls -d /dev/.daytona/usr/bin",
             "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero /dev/.daytona/usr/bin\n");
  box_stop(&image_world, box, true);
}

/* --- an image with more than busybox --- */

/* Everything must be refused; those that are not are printed. */
static const char ATTACKS[] =
  "import ctypes, os, socket, errno\n"
  "c = ctypes.CDLL(None, use_errno=True)\n"
  "def call(name, *args):\n"
  "    r = getattr(c, name)(*args)\n"
  "    if r != -1: print('went through:', name, args)\n"
  "def system(number, *args):\n"
  "    if c.syscall(number, *args) != -1: print('went through: call', number, args)\n"
  "def file(path, flags):\n"
  "    try: os.close(os.open(path, flags)); print('opened:', path)\n"
  "    except OSError: pass\n"
  "call('mount', b'tmpfs', b'/tmp', b'tmpfs', 0, None)\n"
  "call('mount', None, b'/dev', None, 32 | 4096, None)\n"
  "call('umount2', b'/proc/sys', 2)\n"
  "call('umount2', b'/dev/.daytona/usr', 2)\n"
  "for flag in (0x10000000, 0x20000, 0x40000000, 0x20000000, 0x4000000, 0x8000000, 0x2000000): "
  "call('unshare', flag)\n"
  "call('setns', os.open('/proc/self/ns/user', os.O_RDONLY), 0)\n"
  "call('sethostname', b'x', 1)\n"
  "call('ptrace', 16, 1, 0, 0)\n"
  "call('chroot', b'/') if os.getuid() else None\n"
  "call('mknod', b'/tmp/m', 0o20666, 0x101)\n"
  "call('setxattr', b'/etc/passwd', b'trusted.overlay.opaque', b'y', 1, 0)\n"
  /* These are kept under another name by some kernels: what they would do is looked for afterwards. */
  "c.setxattr(b'/etc', b'user.overlay.opaque', b'y', 1, 0)\n"
  "c.setxattr(b'/etc', b'user.overlay.redirect', b'/x', 2, 0)\n"
  "system(304, -100, None, 0)\n"
  "system(425, 1, None)\n"
  "system(321, 0, None, 0)\n"
  "system(250, 0, -3, 0)\n"
  "system(428, -100, b'/', 1)\n"
  "system(442, -100, b'/dev', 0, None, 0)\n"
  "system(435, None, 0)\n"
  "for path in ('/proc/1/root', '/proc/1/mem', '/proc/1/environ', '/proc/1/maps', '/proc/1/fd/3', "
  "'/proc/kcore', '/proc/kmsg'):\n"
  "    file(path, os.O_RDONLY)\n"
  "for path in ('/proc/sys/kernel/core_pattern', '/proc/sys/kernel/modprobe', "
  "'/proc/sys/net/ipv4/ip_forward',\n"
  "             '/proc/sys/user/max_user_namespaces', '/proc/sysrq-trigger', '/proc/1/oom_score_adj',\n"
  "             '/dev/.daytona/usr/bin/git', '/dev/.daytona/start', '/dev/.daytona/loader'): file(path, "
  "os.O_WRONLY)\n"
  "for family, kind in ((17, 3), (2, 3), (16, 3), (40, 1), (38, 5)):\n"
  "    try: s = socket.socket(family, kind); print('made a socket:', family) if family != 16 else None\n"
  "    except OSError: pass\n"
  /* Out of a chroot, to what is above the root of the box. */
  "if os.getuid() == 0:\n"
  "    top = os.open('/', os.O_RDONLY)\n"
  "    os.makedirs('/tmp/jail', exist_ok=True); os.chroot('/tmp/jail'); os.fchdir(top)\n"
  "    for _ in range(64): os.chdir('..')\n"
  "    os.chroot('.')\n"
  "    if not os.path.exists('/dev/.daytona') or os.path.exists('/lost+found'): print('somewhere else:', "
  "os.listdir('/'))\n"
  "print('done')\n";

static void attacks(const char *root, const char *user) {
  dl_box_image_t image = image_of(image_only(root));
  image.user = user;
  dl_box_t *box = image_start(user != NULL ? user : "attacks", &image);
  char *command = dl_xprintf("cat > /tmp/attacks-$USER <<'END'\n%sEND\npython3 /tmp/attacks-$USER", ATTACKS);
  outcome_t o = box_run(&image_world, box, command);
  if (strcmp(o.text, "done\n") != 0) fail_msg("%s", o.text);
  free(o.text);
  box_expect(&image_world, box, "bash -c 'echo $BASH_VERSION' | grep -c ^5", "1\n");
  image_asks(box, "POST", "/process/code-run", "{\"language\":\"python\",\"code\":\"print(6 * 7)\"}", 200,
             "42");
  image_asks(box, "POST", "/process/interpreter/context", "{}", 200, "\"active\":true");
  image_asks(box, "POST", "/git/init", "{\"path\":\"/tmp/repo\"}", 201, "");
  image_asks(box, "POST", "/process/session", "{\"sessionId\":\"s\"}", 201, "");
  image_asks(box, "POST", "/process/session/s/exec", "{\"command\":\"echo ${BASH_VERSION%%.*}\"}", 200,
             "5\\n");
  free(command);
  box_stop(&image_world, box, false);
  box = image_start(user != NULL ? user : "attacks", &image);
  box_expect(&image_world, box, "ls -d /etc/apt /etc/passwd", "/etc/apt\n/etc/passwd\n");
  box_stop(&image_world, box, false);
}

/* A root of Debian with python3-minimal, given by its path; ids from 0 on. */
static void withstands_programs_with_all_means(void **state) {
  (void)state;
  NEED_BOXES();
  const char *given = getenv("DL_TEST_DEBIAN_ROOT");
  if (given == NULL || (geteuid() != 0 && image_ids.count > 1)) {
    print_message("skipped: no Debian root, or not for these ids\n");
    skip();
  }
  char *root = dl_xprintf("%s/debian", image_world.dir);
  image_shell("cp -a --no-preserve=ownership '%s' '%s' 2> /dev/null; true", given,
              root); /* what it may read of it */
  image_give(root);
  attacks(root, NULL);
  if (image_ids.count > 1) attacks(root, "nobody");
  free(root);
}

/* --- hostile images --- */

/* Every place where something is mounted or written is a link, or something else. */
static void links_of_an_image_lead_nowhere(void **state) {
  (void)state;
  NEED_BOXES();
  char *outside = dl_xprintf("%s/outside", image_world.dir);
  mkdir(outside, 0777);
  chmod(outside, 0777);
  char *more = dl_xprintf(
    "rm -r etc/*; rmdir etc; ln -s %s etc; ln -s %s proc; ln -s %s dev; ln -s %s sys; ln -s %s tmp; "
    "ln -s %s root; ln -s ../../../../../../../../..%s srv; ln -s /proc/1/root magic",
    outside, outside, outside, outside, outside, outside, outside);
  char *bad = image_make_layer("links", more);
  static const char *const TARGETS[] = {"/srv/volume", "/magic/volume", "/tmp/volume", "/root/a/b"};
  dl_box_image_t image = image_of(image_only(bad));
  char *dir = dl_xprintf("%s/shared", image_world.dir);
  mkdir(dir, 0700);
  dl_box_spec_t spec = box_spec(&image_world, "links");
  spec.image = &image;
  image.work_dir = "/srv/work";
  for (size_t i = 0; i < DL_COUNT(TARGETS); i++) {
    const dl_box_volume_t volume = {dir, NULL, TARGETS[i]};
    spec.volumes = &volume;
    spec.volume_count = 1;
    const char *error = NULL;
    dl_box_t *box = box_start(&image_world, &spec, &error);
    if (box != NULL) {
      box_expect(&image_world, box, "ls -d /proc/self/ && readlink /etc && test ! -L /proc && test ! -L /dev",
                 "/proc/self/\n");
      box_stop(&image_world, box, true);
    }
    image_shell("[ -z \"$(ls -A '%s')\" ]", outside);
  }
  image_shell("[ -z \"$(ls -A '%s')\" ]", outside);
  free(dir);
  free(bad);
  free(more);
  free(outside);
}

/* Accounts that are a link to the host's, a pipe, or endless. */
static void accounts_of_an_image_are_its_own(void **state) {
  (void)state;
  NEED_BOXES();
  static const char *const MORE[] = {"ln -sf ../../../../../../../../etc/shadow etc/passwd",
                                     "ln -sf /proc/self/environ etc/passwd",
                                     "rm etc/passwd && mkfifo etc/passwd",
                                     "rm etc/passwd && mkdir etc/passwd",
                                     "ln -sf passwd etc/passwd",
                                     "ln -sf /bin/busybox etc/passwd",
                                     "head -c 3000000 /dev/zero | tr '\\0' : > etc/passwd",
                                     "rm -r etc",
                                     "ln -sf /dev/zero etc/passwd"};
  for (size_t i = 0; i < DL_COUNT(MORE); i++) {
    char *name = dl_xprintf("accounts%zu", i);
    char *bad = image_make_layer(name, MORE[i]);
    dl_box_image_t image = image_of(image_only(bad));
    dl_box_t *box = image_start(name, &image);
    box_expect(&image_world, box, "echo $HOME", "/root\n");
    box_stop(&image_world, box, true);
    dl_box_spec_t spec = box_spec(&image_world, name);
    spec.image = &image;
    image.user = "app";
    image_starts_fail(&spec, "the image's user 'app' is not in its /etc/passwd");
    free(bad);
    free(name);
  }
}

/* What an image says to the loader and to the C library is not said to the toolbox. */
static void libraries_of_an_image_stay_out_of_the_toolbox(void **state) {
  (void)state;
  NEED_BOXES();
  char *bad =
    image_make_layer("loader",
                     "printf '/lib/evil.so\\n' > etc/ld.so.preload && mkdir lib &&"
                     " printf 'passwd: evil files\\n' > etc/nsswitch.conf && cp bin/busybox lib/evil.so &&"
                     " cp bin/busybox lib/libnss_evil.so.2 && mkdir -p dev/.daytona &&"
                     " ln -s /bin/busybox dev/.daytona/loader");
  static const char *const env[] = {"LD_PRELOAD=/lib/evil.so", "LD_LIBRARY_PATH=/lib", "GCONV_PATH=/lib",
                                    NULL};
  dl_box_image_t image = image_of(image_only(bad));
  image.env = env;
  dl_box_t *box = image_start("loader", &image);
  image_asks(box, "POST", "/files/folder?path=/root/x&mode=0755", NULL, 201, "");
  image_asks(box, "POST", "/files/permissions?path=/root/x&owner=root&group=root", NULL, 200, "");
  box_expect(&image_world, box, "readlink /dev/.daytona/loader | grep -c ^usr/lib", "1\n");
  if (geteuid() == 0)
    image_shell("! grep -q evil /proc/%ld/maps && grep -q libuv /proc/%ld/maps", (long)box->inner_pid,
                (long)box->inner_pid);
  box_stop(&image_world, box, true);
  free(bad);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(root_has_no_rights_outside),
    cmocka_unit_test(the_hidden_system_cannot_be_changed),
    cmocka_unit_test(withstands_programs_with_all_means),
    cmocka_unit_test(links_of_an_image_lead_nowhere),
    cmocka_unit_test(accounts_of_an_image_are_its_own),
    cmocka_unit_test(libraries_of_an_image_stay_out_of_the_toolbox),
  };
  int rc = image_become(argc, argv);
  if (rc >= 0) return rc;
  if (getenv("DL_TEST_DEBIAN_ROOT") != NULL) cmocka_set_test_filter("withstands_*");
  return cmocka_run_group_tests(tests, image_open_boxes, image_close_boxes);
}
