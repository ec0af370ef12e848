/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boxes on an image: the root is a writable layer over folders that somebody else has made, and may have made to harm.
 * The images here hold nothing but busybox.
 *
 *   test_image_boxes              as root
 *   test_image_boxes UID          from an ordinary user's server, without ids beside its own
 *   test_image_boxes UID subids   from an ordinary user's server that /etc/subuid gives ids
 *
 * With DL_TEST_DEBIAN_ROOT (see debian_root.py) only the tests that need it run, on a Debian with python.
 */
#include "boxes.h"

#include "base/base.h"
#include "control/store/jobs.h"
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define BUSYBOX "/bin/busybox"
#define FIRST_ID 300000
#define SUB_ID 700000

static world_t w;
static dl_box_ids_t ids;
static const char *skip_reason;
static char *layer; /* the busybox image */

#define NEED_BOXES()                               \
  do {                                             \
    if (skip_reason != NULL) {                     \
      print_message("skipped: %s\n", skip_reason); \
      skip();                                      \
    }                                              \
  } while (0)

#define NEED_IDS()                                           \
  do {                                                       \
    NEED_BOXES();                                            \
    if (ids.count == 1) {                                    \
      print_message("skipped: there is no id but root's\n"); \
      skip();                                                \
    }                                                        \
  } while (0)

static void shell(const char *fmt, ...) DL_PRINTF(1, 2);
static void shell(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  char *command = dl_xvprintf(fmt, args);
  va_end(args);
  if (system(command) != 0) fail_msg("%s", command);
  free(command);
}

/* Gives a folder to the image's root. What an ordinary user makes is so already. */
static void give(const char *dir) {
  if (geteuid() == 0) shell("chown -hR %u:%u '%s'", (unsigned)ids.zero_uid, (unsigned)ids.zero_gid, dir);
}

/* A folder `name` with busybox and accounts, and what `more` (a shell script that runs in it) makes. */
static char *make_layer(const char *name, const char *more) {
  char *dir = dl_xprintf("%s/%s", w.dir, name);
  shell("mkdir -m 755 '%s' && cd '%s' && mkdir bin etc && cp " BUSYBOX
        " bin/busybox && for a in $(bin/busybox --list); do"
        " [ -e bin/$a ] || ln -s busybox bin/$a; done &&"
        " printf 'root:x:0:0:root:/root:/bin/sh\\napp:x:1000:1000::/home/app:/bin/sh\\n' > etc/passwd &&"
        " printf 'root:x:0:\\napp:x:1000:\\nstaff:x:50:app\\n' > etc/group && mkdir -p home/app && chmod 777 "
        "home/app && { %s\n:\n}",
        dir, dir, more);
  give(dir);
  return dir;
}

static dl_box_image_t image_of(const char *const *layers) {
  return (dl_box_image_t){.layers = layers, .ids = ids};
}

static const char *const *only(const char *dir) {
  static const char *layers[4][2];
  static int next;
  const char **out = layers[next++ % 4];
  out[0] = dir;
  return out;
}

static dl_box_t *start(const char *id, const dl_box_image_t *image) {
  dl_box_spec_t spec = box_spec(&w, id);
  spec.image = image;
  return box_start(&w, &spec, NULL);
}

typedef struct {
  bool is_done;
  uint64_t bytes;
  char *error;
} job_end_t;

static void on_job(const char *error, void *user) {
  job_end_t *e = user;
  e->is_done = true;
  if (error != NULL) e->error = dl_xstrdup(error);
}

static void on_measured(uint64_t bytes, const char *error, void *user) {
  ((job_end_t *)user)->bytes = bytes;
  on_job(error, user);
}

static dl_jobs_t *new_jobs(void) {
  char *error = NULL;
  dl_jobs_t *jobs = dl_jobs_new(&w.loop, true, &error);
  assert_non_null(jobs);
  if (geteuid() != 0) dl_jobs_set_ids(jobs, getenv("DL_TEST_EXE"), &ids);
  return jobs;
}

static void await(job_end_t *e) {
  while (!e->is_done) uv_run(&w.loop, UV_RUN_ONCE);
  if (e->error != NULL) fail_msg("%s", e->error);
}

static int open_boxes(void **state) {
  (void)state;
  skip_reason = world_open(&w, (dl_runtime_opts_t){.isolation = DL_ISOLATION_BWRAP, .max_processes = 64});
  if (skip_reason != NULL) return 0;
  if (access(BUSYBOX, X_OK) != 0) skip_reason = "there is no busybox (package busybox-static)";
  if (skip_reason != NULL) {
    world_close(&w);
    return 0;
  }
  layer = make_layer("busybox", "");
  return 0;
}

static int close_boxes(void **state) {
  (void)state;
  if (skip_reason != NULL) return 0;
  /* Layers hold folders of users that only root of their namespace may remove. */
  dl_jobs_t *jobs = new_jobs();
  char *dir = dl_xstrdup(w.dir);
  job_end_t end = {0};
  dl_job_remove(jobs, dir, on_job, &end);
  while (!end.is_done) uv_run(&w.loop, UV_RUN_ONCE);
  bool is_removed = end.error == NULL && access(dir, F_OK) != 0;
  if (!is_removed) print_message("%s\n", end.error ? end.error : "not removed");
  free(end.error);
  free(dir);
  dl_jobs_close(jobs, NULL, NULL);
  world_close(&w);
  free(layer);
  return is_removed ? 0 : -1;
}

static void runs_where_there_is_only_busybox(void **state) {
  (void)state;
  NEED_BOXES();
  dl_box_image_t image = image_of(only(layer));
  dl_box_t *box = start("plain", &image);
  box_expect(&w, box, "id -u; id -un; pwd; hostname; echo $HOME $SHELL; cat /etc/hostname",
             "0\nroot\n/root\nplain\n/root /bin/sh\nplain\n");
  box_expect(&w, box, "echo hello > /etc/new && cat /etc/new && rm /bin/vi && ls /bin/vi 2>&1 | wc -l",
             "hello\n1\n");
  box_expect(&w, box, "ls -A / | tr '\\n' ' '", "bin dev etc home proc root sys tmp ");
  box_stop(&w, box, false);
  char *there = dl_xprintf("%s/bin/vi", layer);
  assert_int_equal(access(there, F_OK), 0);
  free(there);
  box = start("plain", &image);
  box_expect(&w, box, "cat /etc/new; ls /bin/vi 2>/dev/null | wc -l", "hello\n0\n");
  box_stop(&w, box, true);
}

/* The answer must have this status, and hold `text`. */
static void asks(dl_box_t *box, const char *method, const char *path, const char *body, int wanted,
                 const char *text) {
  int status;
  char *said = box_ask(&w, box, method, path, body, &status);
  if (status != wanted || strstr(said, text) == NULL)
    fail_msg("%s %s %s: %d %s", method, path, body ? body : "", status, said);
  free(said);
}

static void starts_fail(const dl_box_spec_t *spec, const char *reason) {
  const char *error = NULL;
  if (box_start(&w, spec, &error) != NULL) fail_msg("it started, and should not: %s", reason);
  if (strstr(error, reason) == NULL) fail_msg("'%s' does not say '%s'", error, reason);
}

static void runs_as_the_user_of_the_image(void **state) {
  (void)state;
  NEED_IDS();
  static const struct {
    const char *user, *says;
  } USERS[] = {
    {"app", "1000 1000 1000 50 /home/app app"},
    {"1000", "1000 1000 1000 50 /home/app app"},
    {"app:staff", "1000 50 50 /home/app app"},
    {"1000:33", "1000 33 33 50 /home/app app"},
    {"4242", "4242 0 0 / 4242"},
    {"0", "0 0 0 /root root"},
    {"65535:65535", "65535 65535 65535 / 65535"},
  };
  for (size_t i = 0; i < DL_COUNT(USERS); i++) {
    dl_box_image_t image = image_of(only(layer));
    image.user = USERS[i].user;
    dl_box_t *box = start("user", &image);
    char *says = dl_xprintf("%s\n", USERS[i].says);
    box_expect(&w, box, "echo $(id -u) $(id -g) $(id -G) $HOME $USER", says);
    free(says);
    box_stop(&w, box, true);
  }
  dl_box_image_t image = image_of(only(layer));
  dl_box_spec_t spec = box_spec(&w, "user");
  spec.image = &image;
  image.user = "nobody-here";
  starts_fail(&spec, "the image's user 'nobody-here' is not in its /etc/passwd");
  image.user = "app:nobody-here";
  starts_fail(&spec, "the image's group 'nobody-here'");
  image.user = "70000";
  starts_fail(&spec, "the image's id 70000 is not below 65536");
}

static void says_when_there_is_no_id_for_the_user(void **state) {
  (void)state;
  NEED_BOXES();
  if (ids.count > 1) {
    print_message("skipped: there are ids\n");
    skip();
  }
  dl_box_image_t image = image_of(only(layer));
  image.user = "app";
  dl_box_spec_t spec = box_spec(&w, "no-id");
  spec.image = &image;
  starts_fail(&spec, "/etc/subuid");
}

static void files_belong_to_who_made_them(void **state) {
  (void)state;
  NEED_IDS();
  dl_box_image_t image = image_of(only(layer));
  image.user = "app";
  dl_box_t *box = start("owner", &image);
  box_expect(&w, box, "touch file && stat -c '%u %g %U' file && stat -c '%u' / /bin/busybox && pwd",
             "1000 1000 app\n0\n0\n/home/app\n");
  box_refuses(
    &w, box, "touch /bin/x || touch /x || chown 0 file || rm /bin/vi || mount -t tmpfs x /tmp || su -c true");
  box_expect(&w, box,
             "grep -c 'Cap...:.0000000000000000' /proc/self/status; grep NoNewPrivs /proc/self/status",
             "5\nNoNewPrivs:\t1\n");
  asks(box, "POST", "/files/folder?path=made&mode=0750", NULL, 201, "");
  asks(box, "GET", "/files?path=.", NULL, 200, "made");
  box_expect(&w, box, "stat -c '%U %a' made", "app 750\n");
  box_stop(&w, box, true);
  image.user = NULL;
  box = start("owner", &image);
  box_expect(&w, box,
             "cd /home/app && stat -c %U file && chown app:staff made && su app -c id | cut -d' ' -f1 &&"
             " chmod 4755 file && touch x && chown 4242 x && stat -c %u x",
             "app\nuid=1000(app)\n4242\n");
  asks(box, "POST", "/files/permissions?path=/home/app/x&owner=app&group=staff&mode=0640", NULL, 200, "");
  box_expect(&w, box, "stat -c '%U %G %a' /home/app/x", "app staff 640\n");
  box_stop(&w, box, true);
}

static void has_the_environment_and_place_of_the_image(void **state) {
  (void)state;
  NEED_BOXES();
  static const char *const env[] = {"FROM_IMAGE=one", "BOTH=image", "PATH=/opt/x:/bin", NULL};
  static const dl_box_pair_t own[] = {{"BOTH", "sandbox"}, {"OWN", "two"}};
  dl_box_image_t image = image_of(only(layer));
  image.env = env;
  image.work_dir = "/srv/app/";
  dl_box_spec_t spec = box_spec(&w, "env");
  spec.image = &image;
  spec.env = own;
  spec.env_count = DL_COUNT(own);
  dl_box_t *box = box_start(&w, &spec, NULL);
  box_expect(&w, box,
             "pwd; echo $FROM_IMAGE $BOTH $OWN $PATH; env | grep -c -e ^LD_ -e ^GIT -e DAYTONA; true",
             "/srv/app\none sandbox two /opt/x:/bin\n0\n");
  asks(box, "GET", "/work-dir", NULL, 200, "\"/srv/app/\"");
  asks(box, "GET", "/user-home-dir", NULL, 200, "\"/root\"");
  box_stop(&w, box, true);
}

static void starts_the_program_of_the_image(void **state) {
  (void)state;
  NEED_BOXES();
  static const char *const entrypoint[] = {"/bin/sh", "-c", NULL}, *const cmd[] = {
                                                                     "echo \"it runs\"; exec sleep 100",
                                                                     NULL};
  static const char *const own[] = {"echo", "another", NULL};
  dl_box_image_t image = image_of(only(layer));
  image.entrypoint = entrypoint;
  image.cmd = cmd;
  dl_box_spec_t spec = box_spec(&w, "entry");
  spec.image = &image;
  dl_box_t *box = box_start(&w, &spec, NULL);
  asks(box, "GET", "/process/session/entrypoint", NULL, 200, "commands");
  box_expect(&w, box,
             "while ! pidof sleep > /dev/null; do :; done; tr '\\0' ' ' < /proc/$(pidof sleep)/cmdline",
             "sleep 100 ");
  asks(box, "GET", "/process/session/entrypoint/logs", NULL, 200, "it runs");
  box_stop(&w, box, true);
  spec.entrypoint = own;
  box = box_start(&w, &spec, NULL);
  box_expect(&w, box, "pidof sleep | wc -l", "0\n");
  asks(box, "GET", "/process/session/entrypoint", NULL, 200, "'echo' 'another'");
  box_stop(&w, box, true);
}

/* --- the toolbox --- */

static void has_git_without_git(void **state) {
  (void)state;
  NEED_BOXES();
  static const char *const env[] = {"LD_LIBRARY_PATH=/lib:/usr/lib", "LD_PRELOAD=/lib/evil.so", NULL};
  dl_box_image_t image = image_of(only(layer));
  image.env = env;
  dl_box_t *box = start("git", &image);
  box_refuses(&w, box, "git --version");
  asks(box, "POST", "/git/init", "{\"path\":\"/root/one\"}", 201, "");
  box_expect(&w, box, "echo text > one/file; ls -A one | tr '\\n' ' '; ls one/.git/info",
             ".git file exclude\n");
  asks(box, "POST", "/git/add", "{\"path\":\"/root/one\",\"files\":[\".\"]}", 200, "");
  asks(box, "POST", "/git/commit",
       "{\"path\":\"/root/one\",\"message\":\"first\",\"author\":\"A\",\"email\":\"a@b.c\"}", 200, "hash");
  asks(box, "POST", "/git/clone", "{\"url\":\"/root/one\",\"path\":\"/root/two\"}", 200, "");
  asks(box, "GET", "/git/status?path=/root/two", NULL, 200, "\"fileStatus\"");
  asks(box, "GET", "/git/history?path=/root/two", NULL, 200, "first");
  box_expect(&w, box, "cat two/file", "text\n");
  /* A transport of its own program, refused by the other side and not for lack of the program. */
  asks(box, "POST", "/git/clone", "{\"url\":\"http://127.0.0.1:1/x.git\",\"path\":\"/root/three\"}", 502,
       "onnect");
  box_stop(&w, box, true);
}

static void has_the_other_nouns_too(void **state) {
  (void)state;
  NEED_BOXES();
  dl_box_image_t image = image_of(only(layer));
  dl_box_t *box = start("nouns", &image);
  asks(box, "POST", "/process/session", "{\"sessionId\":\"s\"}", 201, "");
  asks(box, "POST", "/process/session/s/exec", "{\"command\":\"cd /etc; X=1\"}", 200, "\"exitCode\":0");
  asks(box, "POST", "/process/session/s/exec", "{\"command\":\"pwd; echo $X; exit 3\"}", 200, "/etc\\n1\\n");
  asks(box, "POST", "/process/pty", "{\"id\":\"p\"}", 201, "\"p\"");
  asks(box, "GET", "/process/pty/p", NULL, 200, "\"active\":");
  asks(box, "POST", "/process/code-run", "{\"language\":\"python\",\"code\":\"print(1)\"}", 200,
       "the sandbox's image has no python3");
  asks(box, "POST", "/process/interpreter/context", "{}", 500, "the sandbox's image has no Python");
  box_expect(&w, box,
             "mkdir f && echo one two > f/a && echo two > f/b && { nc -l -p 4000 < /dev/null > /dev/null "
             "2>&1 & } && sleep 0.2",
             "");
  asks(box, "GET", "/files/find?path=/root/f&pattern=two", NULL, 200, "/root/f/b");
  asks(box, "GET", "/files/search?path=/root/f&pattern=b", NULL, 200, "/root/f/b");
  asks(box, "POST", "/files/replace", "{\"files\":[\"/root/f/a\"],\"pattern\":\"one\",\"newValue\":\"1\"}",
       200, "true");
  box_expect(&w, box, "cat f/a", "1 two\n");
  asks(box, "GET", "/port", NULL, 200, "4000");
  asks(box, "GET", "/files/download?path=/root/f/a", NULL, 200, "1 two");
  box_stop(&w, box, true);
}

static void says_that_there_is_no_shell(void **state) {
  (void)state;
  NEED_BOXES();
  char *empty = dl_xprintf("%s/empty", w.dir);
  mkdir(empty, 0755);
  give(empty);
  dl_box_image_t image = image_of(only(empty));
  image.user = "root"; /* who is in no file of it */
  dl_box_t *box = start("empty", &image);
  asks(box, "POST", "/process/execute", "{\"command\":\"true\"}", 200,
       "fork/exec /bin/sh: no such file or directory");
  asks(box, "POST", "/files/folder?path=/x&mode=0755", NULL, 201, "");
  asks(box, "GET", "/files?path=/", NULL, 200, "\"x\"");
  asks(box, "POST", "/git/init", "{\"path\":\"/x\"}", 201, "");
  asks(box, "GET", "/git/status?path=/x", NULL, 404, "the repository has no commit yet");
  box_stop(&w, box, true);
  free(empty);
}

/* --- what a box cannot do --- */

static void root_has_no_rights_outside(void **state) {
  (void)state;
  NEED_BOXES();
  dl_box_image_t image = image_of(only(layer));
  dl_box_t *box = start("rights", &image);
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
  for (size_t i = 0; i < DL_COUNT(TRIES); i++) box_refuses(&w, box, TRIES[i]);
  box_refuses(&w, box, "kill -9 1; kill -9 1; sleep 0.1; false");
  box_expect(&w, box, "grep -e CapEff -e CapBnd -e CapInh -e CapAmb /proc/self/status",
             "CapInh:\t0000000000000000\nCapEff:\t00000000800400fb\nCapBnd:\t00000000800400fb\n"
             "CapAmb:\t0000000000000000\n");
  box_expect(
    &w, box,
    "echo alive; ls /proc | grep -c '^[0-9]' | awk '{print $1 < 8}'; ls -A /sys; pidof daytona-local",
    "alive\n1\n1\n");
  box_refuses(&w, box, "tr '\\0' ' ' < /proc/1/cmdline | grep /");
  box_expect(&w, box, "mount | grep -v -e ' on /dev' -e ' on /proc' | sed 's/ (.*//'",
             "overlay on / type overlay\n");
  box_stop(&w, box, true);
}

static void the_hidden_system_cannot_be_changed(void **state) {
  (void)state;
  NEED_BOXES();
  dl_box_image_t image = image_of(only(layer));
  dl_box_t *box = start("hidden", &image);
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
  for (size_t i = 0; i < DL_COUNT(TRIES); i++) box_refuses(&w, box, TRIES[i]);
  box_expect(&w, box, "echo x > /dev/null; ls /dev | tr '\\n' ' '; ls -d /dev/.daytona/usr/bin",
             "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero /dev/.daytona/usr/bin\n");
  box_stop(&w, box, true);
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
  dl_box_image_t image = image_of(only(root));
  image.user = user;
  dl_box_t *box = start(user != NULL ? user : "attacks", &image);
  char *command = dl_xprintf("cat > /tmp/attacks-$USER <<'END'\n%sEND\npython3 /tmp/attacks-$USER", ATTACKS);
  outcome_t o = box_run(&w, box, command);
  if (strcmp(o.text, "done\n") != 0) fail_msg("%s", o.text);
  free(o.text);
  box_expect(&w, box, "bash -c 'echo $BASH_VERSION' | grep -c ^5", "1\n");
  asks(box, "POST", "/process/code-run", "{\"language\":\"python\",\"code\":\"print(6 * 7)\"}", 200, "42");
  asks(box, "POST", "/process/interpreter/context", "{}", 200, "\"active\":true");
  asks(box, "POST", "/git/init", "{\"path\":\"/tmp/repo\"}", 201, "");
  asks(box, "POST", "/process/session", "{\"sessionId\":\"s\"}", 201, "");
  asks(box, "POST", "/process/session/s/exec", "{\"command\":\"echo ${BASH_VERSION%%.*}\"}", 200, "5\\n");
  free(command);
  box_stop(&w, box, false);
  box = start(user != NULL ? user : "attacks", &image);
  box_expect(&w, box, "ls -d /etc/apt /etc/passwd", "/etc/apt\n/etc/passwd\n");
  box_stop(&w, box, false);
}

/* A root of Debian with python3-minimal, given by its path; ids from 0 on. */
static void withstands_programs_with_all_means(void **state) {
  (void)state;
  NEED_BOXES();
  const char *given = getenv("DL_TEST_DEBIAN_ROOT");
  if (given == NULL || (geteuid() != 0 && ids.count > 1)) {
    print_message("skipped: no Debian root, or not for these ids\n");
    skip();
  }
  char *root = dl_xprintf("%s/debian", w.dir);
  shell("cp -a --no-preserve=ownership '%s' '%s' 2> /dev/null; true", given,
        root); /* what it may read of it */
  give(root);
  attacks(root, NULL);
  if (ids.count > 1) attacks(root, "nobody");
  free(root);
}

/* --- hostile images --- */

/* Every place where something is mounted or written is a link, or something else. */
static void links_of_an_image_lead_nowhere(void **state) {
  (void)state;
  NEED_BOXES();
  char *outside = dl_xprintf("%s/outside", w.dir);
  mkdir(outside, 0777);
  chmod(outside, 0777);
  char *more = dl_xprintf(
    "rm -r etc/*; rmdir etc; ln -s %s etc; ln -s %s proc; ln -s %s dev; ln -s %s sys; ln -s %s tmp; "
    "ln -s %s root; ln -s ../../../../../../../../..%s srv; ln -s /proc/1/root magic",
    outside, outside, outside, outside, outside, outside, outside);
  char *bad = make_layer("links", more);
  static const char *const TARGETS[] = {"/srv/volume", "/magic/volume", "/tmp/volume", "/root/a/b"};
  dl_box_image_t image = image_of(only(bad));
  char *dir = dl_xprintf("%s/shared", w.dir);
  mkdir(dir, 0700);
  dl_box_spec_t spec = box_spec(&w, "links");
  spec.image = &image;
  image.work_dir = "/srv/work";
  for (size_t i = 0; i < DL_COUNT(TARGETS); i++) {
    const dl_box_volume_t volume = {dir, NULL, TARGETS[i]};
    spec.volumes = &volume;
    spec.volume_count = 1;
    const char *error = NULL;
    dl_box_t *box = box_start(&w, &spec, &error);
    if (box != NULL) {
      box_expect(&w, box, "ls -d /proc/self/ && readlink /etc && test ! -L /proc && test ! -L /dev",
                 "/proc/self/\n");
      box_stop(&w, box, true);
    }
    shell("[ -z \"$(ls -A '%s')\" ]", outside);
  }
  shell("[ -z \"$(ls -A '%s')\" ]", outside);
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
    char *bad = make_layer(name, MORE[i]);
    dl_box_image_t image = image_of(only(bad));
    dl_box_t *box = start(name, &image);
    box_expect(&w, box, "echo $HOME", "/root\n");
    box_stop(&w, box, true);
    dl_box_spec_t spec = box_spec(&w, name);
    spec.image = &image;
    image.user = "app";
    starts_fail(&spec, "the image's user 'app' is not in its /etc/passwd");
    free(bad);
    free(name);
  }
}

/* What an image says to the loader and to the C library is not said to the toolbox. */
static void libraries_of_an_image_stay_out_of_the_toolbox(void **state) {
  (void)state;
  NEED_BOXES();
  char *bad =
    make_layer("loader",
               "printf '/lib/evil.so\\n' > etc/ld.so.preload && mkdir lib &&"
               " printf 'passwd: evil files\\n' > etc/nsswitch.conf && cp bin/busybox lib/evil.so &&"
               " cp bin/busybox lib/libnss_evil.so.2 && mkdir -p dev/.daytona &&"
               " ln -s /bin/busybox dev/.daytona/loader");
  static const char *const env[] = {"LD_PRELOAD=/lib/evil.so", "LD_LIBRARY_PATH=/lib", "GCONV_PATH=/lib",
                                    NULL};
  dl_box_image_t image = image_of(only(bad));
  image.env = env;
  dl_box_t *box = start("loader", &image);
  asks(box, "POST", "/files/folder?path=/root/x&mode=0755", NULL, 201, "");
  asks(box, "POST", "/files/permissions?path=/root/x&owner=root&group=root", NULL, 200, "");
  box_expect(&w, box, "readlink /dev/.daytona/loader | grep -c ^usr/lib", "1\n");
  if (geteuid() == 0)
    shell("! grep -q evil /proc/%ld/maps && grep -q libuv /proc/%ld/maps", (long)box->inner_pid,
          (long)box->inner_pid);
  box_stop(&w, box, true);
  free(bad);
}

/* --- the writable layer --- */

static void what_is_deleted_stays_deleted(void **state) {
  (void)state;
  NEED_BOXES();
  char *lower =
    make_layer("lower", "mkdir -p d/e && echo 1 > d/e/f && echo 2 > d/g && echo 3 > h && ln -s h i");
  char *upper = dl_xprintf("%s/over", w.dir);
  shell("mkdir -p '%s/d' && echo 4 > '%s/d/new'", upper, upper);
  give(upper);
  const char *layers[] = {upper, lower, NULL};
  dl_box_image_t image = image_of(layers);
  dl_box_t *box = start("layers", &image);
  box_expect(&w, box, "cat /d/new /d/e/f /d/g /i", "4\n1\n2\n3\n");
  box_expect(&w, box,
             "rm -r /d && mkdir /d && echo 5 > /d/own && rm /h && mv /i /j && chmod 700 /d && ls /d /",
             "/:\nbin\nd\ndev\netc\nhome\nj\nproc\nroot\nsys\ntmp\n\n/d:\nown\n");
  box_refuses(&w, box, "setfattr -n user.overlay.opaque -v n /d || false");
  box_stop(&w, box, false);
  shell("cat '%s/d/e/f' '%s/h' > /dev/null", lower, lower);
  box = start("layers", &image);
  box_expect(&w, box, "ls -a /d; cat /d/own; ls /h /i 2>/dev/null; readlink /j", ".\n..\nown\n5\nh\n");
  box_stop(&w, box, true);
  free(upper);
  free(lower);
}

static void the_layer_can_be_archived(void **state) {
  (void)state;
  NEED_BOXES();
  char *lower = make_layer("archived", "mkdir -p d/e && echo 1 > d/e/f && echo 2 > g && echo 3 > h");
  dl_box_image_t image = image_of(only(lower));
  dl_box_t *box = start("archive", &image);
  static const char MAKE[] =
    "rm -r /d /g && mkdir /d && echo 4 > /d/own && chmod 700 /d && dd if=/dev/zero of=/big bs=1M count=3"
    " 2> /dev/null && truncate -s 1G /sparse && ln /big /twin && touch /shut && chmod 0 /shut";
  static const char LOOK[] =
    "ls -d /d/* /g /h 2> /dev/null; stat -c '%a %u' /d /shut; stat -c '%s %h' /big /sparse; cat /h";
  static const char SEEN[] = "/d/own\n/h\n700 0\n0 0\n3145728 2\n1073741824 1\n3\n";
  box_expect(&w, box, MAKE, "");
  if (ids.count > 1)
    box_expect(&w, box,
               "mkdir /tmp/x && touch /tmp/x/y && chown -R 1000:50 /tmp/x && chmod 700 /tmp/x && echo ok",
               "ok\n");
  box_expect(&w, box, LOOK, SEEN);
  box_stop(&w, box, false);
  dl_jobs_t *jobs = new_jobs();
  char *dir = dl_xprintf("%s/home-archive", w.dir), *file = dl_xprintf("%s/archive.tar", w.dir);
  job_end_t packed = {0}, measured = {0}, removed = {0}, unpacked = {0};
  dl_job_measure(jobs, dir, on_measured, &measured);
  await(&measured);
  assert_true(measured.bytes >= 3 << 20 && measured.bytes <= 4 << 20);
  dl_job_pack(jobs, dir, file, on_job, &packed);
  await(&packed);
  dl_job_remove(jobs, dir, on_job, &removed);
  await(&removed);
  assert_int_not_equal(access(dir, F_OK), 0);
  dl_job_unpack(jobs, file, dir, on_job, &unpacked);
  await(&unpacked);
  dl_jobs_close(jobs, NULL, NULL);
  box = start("archive", &image);
  box_expect(&w, box, LOOK, SEEN);
  if (ids.count > 1) box_expect(&w, box, "stat -c '%u %g %a' /tmp/x /tmp/x/y", "1000 50 700\n1000 50 644\n");
  box_stop(&w, box, true);
  free(dir);
  free(file);
  free(lower);
}

/* --- volumes --- */

static void volumes_are_mounted_on_images(void **state) {
  (void)state;
  NEED_BOXES();
  /* In a chroot there are none, and so no mounts that show the files of one user as another's. */
  bool has_users = system("unshare --user true 2>/dev/null") == 0;
  char *dir = dl_xprintf("%s/data", w.dir),
       *linked = make_layer("linked", "mkdir -p real/place && ln -s /real/place short");
  mkdir(dir, 0700);
  const dl_box_volume_t volumes[] = {
    {dir, NULL, "/short/volume"}, {dir, "sub/path", "/new/deep/place"}, {dir, NULL, "/etc/x"}};
  dl_box_image_t image = image_of(only(linked));
  dl_box_spec_t spec = box_spec(&w, "with-volumes");
  spec.image = &image;
  spec.volumes = volumes;
  spec.volume_count = 3;
  dl_box_t *box = box_start(&w, &spec, NULL);
  box_expect(
    &w, box,
    "echo one > /real/place/volume/a && echo two > /new/deep/place/b && ls /etc/x && cat /etc/x/sub/path/b",
    "a\nsub\ntwo\n");
  /* A sandbox of the machine's own system, and an image with another user, share it. */
  const dl_box_volume_t same = {dir, NULL, "/data"};
  dl_box_spec_t plain = box_spec(&w, "without-image");
  plain.volumes = &same;
  plain.volume_count = 1;
  dl_box_t *other = box_start(&w, &plain, NULL);
  box_expect(&w, other, "cat /data/a && echo three >> /data/a && mkdir /data/own && stat -c %U /data/a",
             has_users ? "one\ndaytona\n" : "one\nnobody\n");
  box_expect(&w, box, "cat /etc/x/a && rmdir /etc/x/own && stat -c %u /etc/x/a", "one\nthree\n0\n");
  if (ids.count > 1) {
    dl_box_image_t as_app = image_of(only(layer));
    as_app.user = "app";
    dl_box_spec_t app_spec = box_spec(&w, "with-app");
    app_spec.image = &as_app;
    app_spec.volumes = &same;
    app_spec.volume_count = 1;
    dl_box_t *app = box_start(&w, &app_spec, NULL);
    box_expect(&w, app, "touch /data/c && stat -c %U /data/c && cat /data/a", "app\none\nthree\n");
    box_expect(&w, other, "ls /data/c", "/data/c\n");
    if (geteuid() == 0) box_expect(&w, other, "echo more >> /data/c && rm /data/c", "");
    box_stop(&w, app, true);
  }
  box_stop(&w, box, true);
  box_stop(&w, other, true);
  /* The layer has the mount points, and nothing of the volumes. */
  shell("[ -z \"$(find '%s/home-with-volumes/upper' -name a -o -name b)\" ]", w.dir);
  free(dir);
  free(linked);
}

static void volumes_go_nowhere_else(void **state) {
  (void)state;
  NEED_BOXES();
  char *dir = dl_xprintf("%s/other-data", w.dir),
       *links =
         make_layer("to-system",
                    "ln -s /dev a; ln -s /dev/.daytona b; ln -s proc c; ln -s /gone d; touch e; ln -s / f;"
                    " ln -s d2 d1; ln -s d1 d2");
  mkdir(dir, 0700);
  static const struct {
    const char *target, *reason;
  } BAD[] = {{"/a", "it leads into /dev"},
             {"/a/shm", "it leads into /dev"},
             {"/b/usr", "it leads into /dev"},
             {"/c", "it leads into /dev"},
             {"/f/dev/shm", "it leads into /dev"},
             {"/d", "a link that leads nowhere"},
             {"/d1/x", "a link that leads nowhere"},
             {"/e", "not a directory"},
             {"/e/x", "not a directory"},
             {"/dev/x", "cannot be mounted below '/dev'"},
             {"/proc/x", "cannot be mounted below '/proc'"}};
  dl_box_image_t image = image_of(only(links));
  for (size_t i = 0; i < DL_COUNT(BAD); i++) {
    const dl_box_volume_t volume = {dir, NULL, BAD[i].target};
    dl_box_spec_t spec = box_spec(&w, "bad-volume");
    spec.image = &image;
    spec.volumes = &volume;
    spec.volume_count = 1;
    starts_fail(&spec, BAD[i].reason);
  }
  free(dir);
  free(links);
}

/* --- the end --- */

static void a_stop_ends_everything(void **state) {
  (void)state;
  NEED_BOXES();
  char mark[32];
  snprintf(mark, sizeof mark, "98765%ld", (long)getpid());
  char *command = dl_xprintf("setsid sh -c \"trap '' TERM; sleep %s\" > /dev/null 2>&1 < /dev/null &", mark);
  dl_box_image_t image = image_of(only(layer));
  for (int force = 0; force < 2; force++) {
    dl_box_t *box = start("stop", &image);
    box_expect(&w, box, command, "");
    box_stop(&w, box, force);
    assert_int_equal(count_processes(mark), 0);
  }
  char *point = dl_xprintf("grep -c -e '%s' -e upperdir=/tmp/w /proc/mounts | grep -q '^0$'", w.dir);
  shell("%s", point);
  free(point);
  free(command);
}

typedef struct {
  bool is_told;
  char error[256];
} told_t;

static void note_start(void *user, dl_box_t *box, const char *error) {
  told_t *t = user;
  (void)box;
  t->is_told = true;
  snprintf(t->error, sizeof t->error, "%s", error != NULL ? error : "");
}

static void set_flag(void *user) { *(bool *)user = true; }

/* At any moment of the start: nothing stays behind, and the layer can be started again. */
static void a_start_can_be_killed_at_any_moment(void **state) {
  (void)state;
  NEED_BOXES();
  char mark[32];
  snprintf(mark, sizeof mark, ":m%ld", (long)getpid());
  const char *const entrypoint[] = {"/bin/sh", "-c", mark, NULL};
  dl_box_image_t image = image_of(only(layer));
  dl_box_spec_t spec = box_spec(&w, "killed");
  spec.image = &image;
  spec.entrypoint = entrypoint;
  for (int turns = 1; turns < 30; turns++) {
    told_t told = {0};
    bool is_stopped = false;
    dl_box_t *box = dl_box_start(w.rt, &spec, note_start, &told);
    for (int i = 0; i < turns * turns && !told.is_told; i++)
      uv_run(&w.loop, i % 3 == 0 ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    dl_box_stop(box, true, set_flag, &is_stopped);
    while (!is_stopped) uv_run(&w.loop, UV_RUN_ONCE);
    assert_true(told.is_told);
  }
  for (int i = 0; i < 10000 && count_processes(mark) > 0; i++) sched_yield();
  assert_int_equal(count_processes(mark), 0);
  dl_box_t *box = box_start(&w, &spec, NULL);
  box_expect(&w, box, "echo ok", "ok\n");
  box_stop(&w, box, true);
}

/* In a process of its own: a server with one box, until it is killed. */
static int victim(int out, const dl_box_spec_t *spec, const char *command) {
  dl_box_t *box = box_start(&w, spec, NULL);
  box_expect(&w, box, command, "");
  dprintf(out, "up\n");
  return uv_run(&w.loop, UV_RUN_DEFAULT);
}

static void a_box_ends_with_a_killed_server(void **state) {
  (void)state;
  NEED_BOXES();
  char mark[32], text[8];
  int ends[2];
  snprintf(mark, sizeof mark, "87654%ld", (long)getpid());
  char *command = dl_xprintf("echo kept > /root/kept; setsid sleep %s > /dev/null 2>&1 < /dev/null &", mark);
  dl_box_image_t image = image_of(only(layer));
  dl_box_spec_t spec = box_spec(&w, "orphan");
  spec.image = &image;
  assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
  pid_t pid = fork();
  if (pid == 0) {
    uv_loop_fork(&w.loop);
    _exit(victim(ends[1], &spec, command));
  }
  close(ends[1]);
  assert_true(read(ends[0], text, sizeof text) > 0);
  close(ends[0]);
  assert_true(count_processes(mark) > 0);
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  for (int i = 0; i < 1000 && count_processes(mark) > 0; i++) usleep(5000);
  assert_int_equal(count_processes(mark), 0);
  dl_box_t *box = box_start(&w, &spec, NULL);
  box_expect(&w, box, "cat /root/kept", "kept\n");
  box_stop(&w, box, true);
  free(command);
}

static uid_t owner_of(const dl_box_t *box) {
  char path[64];
  uid_t owner = 0;
  snprintf(path, sizeof path, "/proc/%ld/ns/net", (long)box->inner_pid);
  int net = open(path, O_RDONLY | O_CLOEXEC), users = ioctl(net, NS_GET_USERNS);
  assert_int_equal(ioctl(users, NS_GET_OWNER_UID, &owner), 0);
  close(users);
  close(net);
  return owner;
}

/* What the kernel gives each user so many of is counted for the owner of a user namespace. */
static void belongs_to_a_user_of_its_own(void **state) {
  (void)state;
  NEED_BOXES();
  if (geteuid() != 0) {
    print_message("skipped: an ordinary user has no other users to give\n");
    skip();
  }
  dl_box_image_t image = image_of(only(layer));
  dl_box_t *one = start("one", &image), *two = start("two", &image);
  uid_t first = owner_of(one), second = owner_of(two);
  assert_int_not_equal(first, second);
  assert_in_range(first, 200000, 265535);
  assert_in_range(second, 200000, 265535);
  box_stop(&w, one, true);
  box_stop(&w, two, true);
}

static void many_share_an_image(void **state) {
  (void)state;
  NEED_BOXES();
  enum { COUNT = 12 };
  told_t told[COUNT] = {{0}};
  dl_box_t *boxes[COUNT];
  char id[COUNT][16];
  dl_box_image_t image = image_of(only(layer));
  for (int i = 0; i < COUNT; i++) {
    snprintf(id[i], sizeof id[i], "many-%d", i);
    dl_box_spec_t spec = box_spec(&w, id[i]);
    spec.image = &image;
    boxes[i] = dl_box_start(w.rt, &spec, note_start, &told[i]);
  }
  for (int i = 0; i < COUNT; i++) {
    while (!told[i].is_told) uv_run(&w.loop, UV_RUN_ONCE);
    if (*told[i].error != '\0') fail_msg("%s", told[i].error);
  }
  box_expect(&w, boxes[0], "echo private > /root/mine; rm /bin/vi; hostname", "many-0\n");
  box_expect(&w, boxes[1], "ls /root /bin/vi; ps | grep -c toolbo[x]; hostname",
             "/bin/vi\n\n/root:\n0\nmany-1\n");
  for (int i = 0; i < COUNT; i++) box_stop(&w, boxes[i], true);
}

static void has_limits_and_a_network_of_its_own(void **state) {
  (void)state;
  NEED_BOXES();
  dl_box_image_t image = image_of(only(layer));
  dl_box_spec_t spec = box_spec(&w, "network");
  spec.image = &image;
  spec.rules.blocks_all = false;
  spec.memory_gib = 0.125;
  dl_box_t *box = box_start(&w, &spec, NULL);
  dl_box_info_t info = dl_box_get_info(box);
  box_refuses(&w, box, "head -c 200000000 /dev/zero | tail -c 200000000 | wc -c | grep 200000000");
  box_expect(&w, box, "echo still here; cat /etc/resolv.conf | head -1", "still here\nnameserver 10.0.2.3\n");
  if (strcmp(info.network, "private") == 0)
    box_expect(&w, box,
               "while ! grep -q tap0.0000 /proc/net/route; do :; done; ifconfig lo | grep -c 127.0.0.1",
               "1\n");
  box_expect(&w, box, "{ nc -l -p 80 < /dev/null > /dev/null 2>&1 & } && sleep 0.2", "");
  box_expect(&w, box, "cat /proc/net/tcp /proc/net/tcp6 | grep -c ':0050 .* 0A '", "1\n");
  /* Not more processes than allowed, and the toolbox is not among those that are refused. */
  box_refuses(&w, box,
              "i=0; while [ $i -lt 200 ]; do sleep 30 > /dev/null 2>&1 & i=$((i + 1)); done 2> /dev/null; "
              "jobs | wc -l | grep 200");
  box_expect(&w, box, "echo still here", "still here\n");
  box_stop(&w, box, true);
}

static void bad_images_are_refused(void **state) {
  (void)state;
  NEED_BOXES();
  static const char *const none[] = {NULL}, *const relative[] = {"x", NULL},
                           *const gone[] = {"/tmp/dl-gone-layer", NULL};
  static const char *const bad_env[] = {"=x", NULL};
  struct {
    dl_box_image_t image;
    const char *reason;
  } bad[] = {{image_of(none), "needs a layer"},
             {image_of(relative), "absolute"},
             {image_of(gone), "cannot open /tmp/dl-gone"},
             {image_of(only(layer)), "environment variable"},
             {image_of(only(layer)), "ids"}};
  bad[3].image.env = bad_env;
  bad[4].image.ids.count = 0;
  for (size_t i = 0; i < DL_COUNT(bad); i++) {
    dl_box_spec_t spec = box_spec(&w, "bad");
    spec.image = &bad[i].image;
    starts_fail(&spec, bad[i].reason);
  }
}

/* What useradd does, seen by this process and its children only. */
static bool give_sub_ids(unsigned uid) {
  static const char *const FILES[] = {"/etc/passwd", "/etc/subuid", "/etc/subgid"};
  if (access("/usr/bin/newuidmap", X_OK) != 0 || unshare(CLONE_NEWNS) != 0 ||
      mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
    return false;
  for (size_t i = 0; i < DL_COUNT(FILES); i++) {
    char *line = i == 0 ? dl_xprintf("tester:x:%u:%u::/nonexistent:/bin/sh", uid, uid)
                        : dl_xprintf("tester:%u:65535", SUB_ID);
    char *command = dl_xprintf(
      "f=$(mktemp) && cat %s > $f; echo %s >> $f && chmod 644 $f && { [ -e %s ] || : > %s; } && "
      "mount --bind $f %s && rm $f",
      FILES[i], line, FILES[i], FILES[i], FILES[i]);
    bool ok = system(command) == 0;
    free(command);
    free(line);
    if (!ok) return false;
  }
  return true;
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(runs_where_there_is_only_busybox),
    cmocka_unit_test(runs_as_the_user_of_the_image),
    cmocka_unit_test(says_when_there_is_no_id_for_the_user),
    cmocka_unit_test(files_belong_to_who_made_them),
    cmocka_unit_test(has_the_environment_and_place_of_the_image),
    cmocka_unit_test(starts_the_program_of_the_image),
    cmocka_unit_test(has_git_without_git),
    cmocka_unit_test(has_the_other_nouns_too),
    cmocka_unit_test(says_that_there_is_no_shell),
    cmocka_unit_test(root_has_no_rights_outside),
    cmocka_unit_test(the_hidden_system_cannot_be_changed),
    cmocka_unit_test(withstands_programs_with_all_means),
    cmocka_unit_test(links_of_an_image_lead_nowhere),
    cmocka_unit_test(accounts_of_an_image_are_its_own),
    cmocka_unit_test(libraries_of_an_image_stay_out_of_the_toolbox),
    cmocka_unit_test(what_is_deleted_stays_deleted),
    cmocka_unit_test(the_layer_can_be_archived),
    cmocka_unit_test(volumes_are_mounted_on_images),
    cmocka_unit_test(volumes_go_nowhere_else),
    cmocka_unit_test(a_stop_ends_everything),
    cmocka_unit_test(a_start_can_be_killed_at_any_moment),
    cmocka_unit_test(a_box_ends_with_a_killed_server),
    cmocka_unit_test(belongs_to_a_user_of_its_own),
    cmocka_unit_test(many_share_an_image),
    cmocka_unit_test(has_limits_and_a_network_of_its_own),
    cmocka_unit_test(bad_images_are_refused),
  };
  ids = (dl_box_ids_t){FIRST_ID, FIRST_ID + 1, FIRST_ID, FIRST_ID + 1, 65536};
  if (argc > 1 && geteuid() == 0) {
    unsigned uid = (unsigned)atoi(argv[1]);
    ids = (dl_box_ids_t){uid, 0, uid, 0, 1};
    if (argc > 2 && strcmp(argv[2], "subids") == 0) {
      if (!give_sub_ids(uid)) {
        puts("1..0 # SKIP /etc/subuid cannot be given other entries here");
        return 0;
      }
      ids = (dl_box_ids_t){uid, SUB_ID, uid, SUB_ID, 65536};
    }
    if (setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0) return 99;
  }
  if (getenv("DL_TEST_DEBIAN_ROOT") != NULL) cmocka_set_test_filter("withstands_*");
  return cmocka_run_group_tests(tests, open_boxes, close_boxes);
}
