/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boxes on an image: what runs in one, as whom, with what of the image's own; its layer, volumes and end. The images here hold
 * nothing but busybox.
 *
 *   test_image_boxes              as root
 *   test_image_boxes UID          from an ordinary user's server, without ids beside its own
 *   test_image_boxes UID subids   from an ordinary user's server that /etc/subuid gives ids
 */
#include "image_boxes.h"

#include "base/base.h"
#include "control/store/jobs.h"
#include "runtime/internal.h"

#include <linux/nsfs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void runs_where_there_is_only_busybox(void **state) {
  (void)state;
  NEED_BOXES();
  dl_box_image_t image = image_of(image_only(image_layer));
  dl_box_t *box = image_start("plain", &image);
  box_expect(&image_world, box, "id -u; id -un; pwd; hostname; echo $HOME $SHELL; cat /etc/hostname",
             "0\nroot\n/root\nplain\n/root /bin/sh\nplain\n");
  box_expect(&image_world, box,
             "echo hello > /etc/new && cat /etc/new && rm /bin/vi && ls /bin/vi 2>&1 | wc -l", "hello\n1\n");
  box_expect(&image_world, box, "ls -A / | tr '\\n' ' '", "bin dev etc home proc root sys tmp ");
  box_stop(&image_world, box, false);
  char *there = dl_xprintf("%s/bin/vi", image_layer);
  assert_int_equal(access(there, F_OK), 0);
  free(there);
  box = image_start("plain", &image);
  box_expect(&image_world, box, "cat /etc/new; ls /bin/vi 2>/dev/null | wc -l", "hello\n0\n");
  box_stop(&image_world, box, true);
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
    dl_box_image_t image = image_of(image_only(image_layer));
    image.user = USERS[i].user;
    dl_box_t *box = image_start("user", &image);
    char *says = dl_xprintf("%s\n", USERS[i].says);
    box_expect(&image_world, box, "echo $(id -u) $(id -g) $(id -G) $HOME $USER", says);
    free(says);
    box_stop(&image_world, box, true);
  }
  dl_box_image_t image = image_of(image_only(image_layer));
  dl_box_spec_t spec = box_spec(&image_world, "user");
  spec.image = &image;
  image.user = "nobody-here";
  image_starts_fail(&spec, "the image's user 'nobody-here' is not in its /etc/passwd");
  image.user = "app:nobody-here";
  image_starts_fail(&spec, "the image's group 'nobody-here'");
  image.user = "70000";
  image_starts_fail(&spec, "the image's id 70000 is not below 65536");
}

static void says_when_there_is_no_id_for_the_user(void **state) {
  (void)state;
  NEED_BOXES();
  if (image_ids.count > 1) {
    print_message("skipped: there are ids\n");
    skip();
  }
  dl_box_image_t image = image_of(image_only(image_layer));
  image.user = "app";
  dl_box_spec_t spec = box_spec(&image_world, "no-id");
  spec.image = &image;
  image_starts_fail(&spec, "/etc/subuid");
}

static void files_belong_to_who_made_them(void **state) {
  (void)state;
  NEED_IDS();
  dl_box_image_t image = image_of(image_only(image_layer));
  image.user = "app";
  dl_box_t *box = image_start("owner", &image);
  box_expect(&image_world, box, "touch file && stat -c '%u %g %U' file && stat -c '%u' / /bin/busybox && pwd",
             "1000 1000 app\n0\n0\n/home/app\n");
  box_refuses(
    &image_world, box,
    "touch /bin/x || touch /x || chown 0 file || rm /bin/vi || mount -t tmpfs x /tmp || su -c true");
  box_expect(&image_world, box,
             "grep -c 'Cap...:.0000000000000000' /proc/self/status; grep NoNewPrivs /proc/self/status",
             "5\nNoNewPrivs:\t1\n");
  image_asks(box, "POST", "/files/folder?path=made&mode=0750", NULL, 201, "");
  image_asks(box, "GET", "/files?path=.", NULL, 200, "made");
  box_expect(&image_world, box, "stat -c '%U %a' made", "app 750\n");
  box_stop(&image_world, box, true);
  image.user = NULL;
  box = image_start("owner", &image);
  box_expect(&image_world, box,
             "cd /home/app && stat -c %U file && chown app:staff made && su app -c id | cut -d' ' -f1 &&"
             " chmod 4755 file && touch x && chown 4242 x && stat -c %u x",
             "app\nuid=1000(app)\n4242\n");
  image_asks(box, "POST", "/files/permissions?path=/home/app/x&owner=app&group=staff&mode=0640", NULL, 200,
             "");
  box_expect(&image_world, box, "stat -c '%U %G %a' /home/app/x", "app staff 640\n");
  box_stop(&image_world, box, true);
}

static void has_the_environment_and_place_of_the_image(void **state) {
  (void)state;
  NEED_BOXES();
  static const char *const env[] = {"FROM_IMAGE=one", "BOTH=image", "PATH=/opt/x:/bin", NULL};
  static const dl_box_pair_t own[] = {{"BOTH", "sandbox"}, {"OWN", "two"}};
  dl_box_image_t image = image_of(image_only(image_layer));
  image.env = env;
  image.work_dir = "/srv/app/";
  dl_box_spec_t spec = box_spec(&image_world, "env");
  spec.image = &image;
  spec.env = own;
  spec.env_count = DL_COUNT(own);
  dl_box_t *box = box_start(&image_world, &spec, NULL);
  box_expect(&image_world, box,
             "pwd; echo $FROM_IMAGE $BOTH $OWN $PATH; env | grep -c -e ^LD_ -e ^GIT -e DAYTONA; true",
             "/srv/app\none sandbox two /opt/x:/bin\n0\n");
  image_asks(box, "GET", "/work-dir", NULL, 200, "\"/srv/app/\"");
  image_asks(box, "GET", "/user-home-dir", NULL, 200, "\"/root\"");
  box_stop(&image_world, box, true);
}

static void starts_the_program_of_the_image(void **state) {
  (void)state;
  NEED_BOXES();
  static const char *const entrypoint[] = {"/bin/sh", "-c", NULL}, *const cmd[] = {
                                                                     "echo \"it runs\"; exec sleep 100",
                                                                     NULL};
  static const char *const own[] = {"echo", "another", NULL};
  dl_box_image_t image = image_of(image_only(image_layer));
  image.entrypoint = entrypoint;
  image.cmd = cmd;
  dl_box_spec_t spec = box_spec(&image_world, "entry");
  spec.image = &image;
  dl_box_t *box = box_start(&image_world, &spec, NULL);
  image_asks(box, "GET", "/process/session/entrypoint", NULL, 200, "commands");
  box_expect(&image_world, box,
             "while ! pidof sleep > /dev/null; do :; done; tr '\\0' ' ' < /proc/$(pidof sleep)/cmdline",
             "sleep 100 ");
  image_asks(box, "GET", "/process/session/entrypoint/logs", NULL, 200, "it runs");
  box_stop(&image_world, box, true);
  spec.entrypoint = own;
  box = box_start(&image_world, &spec, NULL);
  box_expect(&image_world, box, "pidof sleep | wc -l", "0\n");
  image_asks(box, "GET", "/process/session/entrypoint", NULL, 200, "'echo' 'another'");
  box_stop(&image_world, box, true);
}

/* --- the toolbox --- */

static void has_git_without_git(void **state) {
  (void)state;
  NEED_BOXES();
  static const char *const env[] = {"LD_LIBRARY_PATH=/lib:/usr/lib", "LD_PRELOAD=/lib/evil.so", NULL};
  dl_box_image_t image = image_of(image_only(image_layer));
  image.env = env;
  dl_box_t *box = image_start("git", &image);
  box_refuses(&image_world, box, "git --version");
  image_asks(box, "POST", "/git/init", "{\"path\":\"/root/one\"}", 201, "");
  box_expect(&image_world, box, "echo text > one/file; ls -A one | tr '\\n' ' '; ls one/.git/info",
             ".git file exclude\n");
  image_asks(box, "POST", "/git/add", "{\"path\":\"/root/one\",\"files\":[\".\"]}", 200, "");
  image_asks(box, "POST", "/git/commit",
             "{\"path\":\"/root/one\",\"message\":\"first\",\"author\":\"A\",\"email\":\"a@b.c\"}", 200,
             "hash");
  image_asks(box, "POST", "/git/clone", "{\"url\":\"/root/one\",\"path\":\"/root/two\"}", 200, "");
  image_asks(box, "GET", "/git/status?path=/root/two", NULL, 200, "\"fileStatus\"");
  image_asks(box, "GET", "/git/history?path=/root/two", NULL, 200, "first");
  box_expect(&image_world, box, "cat two/file", "text\n");
  /* A transport of its own program, refused by the other side and not for lack of the program. */
  image_asks(box, "POST", "/git/clone", "{\"url\":\"http://127.0.0.1:1/x.git\",\"path\":\"/root/three\"}",
             502, "onnect");
  box_stop(&image_world, box, true);
}

static void has_the_other_nouns_too(void **state) {
  (void)state;
  NEED_BOXES();
  dl_box_image_t image = image_of(image_only(image_layer));
  dl_box_t *box = image_start("nouns", &image);
  image_asks(box, "POST", "/process/session", "{\"sessionId\":\"s\"}", 201, "");
  image_asks(box, "POST", "/process/session/s/exec", "{\"command\":\"cd /etc; X=1\"}", 200, "\"exitCode\":0");
  image_asks(box, "POST", "/process/session/s/exec", "{\"command\":\"pwd; echo $X; exit 3\"}", 200,
             "/etc\\n1\\n");
  image_asks(box, "POST", "/process/pty", "{\"id\":\"p\"}", 201, "\"p\"");
  image_asks(box, "GET", "/process/pty/p", NULL, 200, "\"active\":");
  image_asks(box, "POST", "/process/code-run", "{\"language\":\"python\",\"code\":\"print(1)\"}", 200,
             "the sandbox's image has no python3");
  image_asks(box, "POST", "/process/interpreter/context", "{}", 500, "the sandbox's image has no Python");
  box_expect(&image_world, box,
             "mkdir f && echo one two > f/a && echo two > f/b && { nc -l -p 4000 < /dev/null > /dev/null "
             "2>&1 & } && sleep 0.2",
             "");
  image_asks(box, "GET", "/files/find?path=/root/f&pattern=two", NULL, 200, "/root/f/b");
  image_asks(box, "GET", "/files/search?path=/root/f&pattern=b", NULL, 200, "/root/f/b");
  image_asks(box, "POST", "/files/replace",
             "{\"files\":[\"/root/f/a\"],\"pattern\":\"one\",\"newValue\":\"1\"}", 200, "true");
  box_expect(&image_world, box, "cat f/a", "1 two\n");
  image_asks(box, "GET", "/port", NULL, 200, "4000");
  image_asks(box, "GET", "/files/download?path=/root/f/a", NULL, 200, "1 two");
  box_stop(&image_world, box, true);
}

static void says_that_there_is_no_shell(void **state) {
  (void)state;
  NEED_BOXES();
  char *empty = dl_xprintf("%s/empty", image_world.dir);
  mkdir(empty, 0755);
  image_give(empty);
  dl_box_image_t image = image_of(image_only(empty));
  image.user = "root"; /* who is in no file of it */
  dl_box_t *box = image_start("empty", &image);
  image_asks(box, "POST", "/process/execute", "{\"command\":\"true\"}", 200,
             "fork/exec /bin/sh: no such file or directory");
  image_asks(box, "POST", "/files/folder?path=/x&mode=0755", NULL, 201, "");
  image_asks(box, "GET", "/files?path=/", NULL, 200, "\"x\"");
  image_asks(box, "POST", "/git/init", "{\"path\":\"/x\"}", 201, "");
  image_asks(box, "GET", "/git/status?path=/x", NULL, 404, "the repository has no commit yet");
  box_stop(&image_world, box, true);
  free(empty);
}

/* --- the writable layer --- */

static void on_measured(uint64_t bytes, const char *error, void *user) {
  ((image_job_t *)user)->bytes = bytes;
  image_on_job(error, user);
}

static void await(image_job_t *e) {
  while (!e->is_done) uv_run(&image_world.loop, UV_RUN_ONCE);
  if (e->error != NULL) fail_msg("%s", e->error);
}

static void what_is_deleted_stays_deleted(void **state) {
  (void)state;
  NEED_BOXES();
  char *lower =
    image_make_layer("lower", "mkdir -p d/e && echo 1 > d/e/f && echo 2 > d/g && echo 3 > h && ln -s h i");
  char *upper = dl_xprintf("%s/over", image_world.dir);
  image_shell("mkdir -p '%s/d' && echo 4 > '%s/d/new'", upper, upper);
  image_give(upper);
  const char *layers[] = {upper, lower, NULL};
  dl_box_image_t image = image_of(layers);
  dl_box_t *box = image_start("layers", &image);
  box_expect(&image_world, box, "cat /d/new /d/e/f /d/g /i", "4\n1\n2\n3\n");
  box_expect(&image_world, box,
             "rm -r /d && mkdir /d && echo 5 > /d/own && rm /h && mv /i /j && chmod 700 /d && ls /d /",
             "/:\nbin\nd\ndev\netc\nhome\nj\nproc\nroot\nsys\ntmp\n\n/d:\nown\n");
  box_refuses(&image_world, box, "setfattr -n user.overlay.opaque -v n /d || false");
  box_stop(&image_world, box, false);
  image_shell("cat '%s/d/e/f' '%s/h' > /dev/null", lower, lower);
  box = image_start("layers", &image);
  box_expect(&image_world, box, "ls -a /d; cat /d/own; ls /h /i 2>/dev/null; readlink /j",
             ".\n..\nown\n5\nh\n");
  box_stop(&image_world, box, true);
  free(upper);
  free(lower);
}

static void the_layer_can_be_archived(void **state) {
  (void)state;
  NEED_BOXES();
  char *lower = image_make_layer("archived", "mkdir -p d/e && echo 1 > d/e/f && echo 2 > g && echo 3 > h");
  dl_box_image_t image = image_of(image_only(lower));
  dl_box_t *box = image_start("archive", &image);
  static const char MAKE[] =
    "rm -r /d /g && mkdir /d && echo 4 > /d/own && chmod 700 /d && dd if=/dev/zero of=/big bs=1M count=3"
    " 2> /dev/null && truncate -s 1G /sparse && ln /big /twin && touch /shut && chmod 0 /shut";
  static const char LOOK[] =
    "ls -d /d/* /g /h 2> /dev/null; stat -c '%a %u' /d /shut; stat -c '%s %h' /big /sparse; cat /h";
  static const char SEEN[] = "/d/own\n/h\n700 0\n0 0\n3145728 2\n1073741824 1\n3\n";
  box_expect(&image_world, box, MAKE, "");
  if (image_ids.count > 1)
    box_expect(&image_world, box,
               "mkdir /tmp/x && touch /tmp/x/y && chown -R 1000:50 /tmp/x && chmod 700 /tmp/x && echo ok",
               "ok\n");
  box_expect(&image_world, box, LOOK, SEEN);
  box_stop(&image_world, box, false);
  dl_jobs_t *jobs = image_jobs();
  char *dir = dl_xprintf("%s/home-archive", image_world.dir),
       *file = dl_xprintf("%s/archive.tar", image_world.dir);
  image_job_t packed = {0}, measured = {0}, removed = {0}, unpacked = {0};
  dl_job_measure(jobs, dir, on_measured, &measured);
  await(&measured);
  assert_true(measured.bytes >= 3 << 20 && measured.bytes <= 4 << 20);
  dl_job_pack(jobs, dir, file, image_on_job, &packed);
  await(&packed);
  dl_job_remove(jobs, dir, image_on_job, &removed);
  await(&removed);
  assert_int_not_equal(access(dir, F_OK), 0);
  dl_job_unpack(jobs, file, dir, image_on_job, &unpacked);
  await(&unpacked);
  dl_jobs_close(jobs, NULL, NULL);
  box = image_start("archive", &image);
  box_expect(&image_world, box, LOOK, SEEN);
  if (image_ids.count > 1)
    box_expect(&image_world, box, "stat -c '%u %g %a' /tmp/x /tmp/x/y", "1000 50 700\n1000 50 644\n");
  box_stop(&image_world, box, true);
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
  char *dir = dl_xprintf("%s/data", image_world.dir),
       *linked = image_make_layer("linked", "mkdir -p real/place && ln -s /real/place short");
  mkdir(dir, 0700);
  const dl_box_volume_t volumes[] = {
    {dir, NULL, "/short/volume"}, {dir, "sub/path", "/new/deep/place"}, {dir, NULL, "/etc/x"}};
  dl_box_image_t image = image_of(image_only(linked));
  dl_box_spec_t spec = box_spec(&image_world, "with-volumes");
  spec.image = &image;
  spec.volumes = volumes;
  spec.volume_count = 3;
  dl_box_t *box = box_start(&image_world, &spec, NULL);
  box_expect(
    &image_world, box,
    "echo one > /real/place/volume/a && echo two > /new/deep/place/b && ls /etc/x && cat /etc/x/sub/path/b",
    "a\nsub\ntwo\n");
  /* A sandbox of the machine's own system, and an image with another user, share it. */
  const dl_box_volume_t same = {dir, NULL, "/data"};
  dl_box_spec_t plain = box_spec(&image_world, "without-image");
  plain.volumes = &same;
  plain.volume_count = 1;
  dl_box_t *other = box_start(&image_world, &plain, NULL);
  box_expect(&image_world, other,
             "cat /data/a && echo three >> /data/a && mkdir /data/own && stat -c %U /data/a",
             has_users ? "one\ndaytona\n" : "one\nnobody\n");
  box_expect(&image_world, box, "cat /etc/x/a && rmdir /etc/x/own && stat -c %u /etc/x/a", "one\nthree\n0\n");
  if (image_ids.count > 1) {
    dl_box_image_t as_app = image_of(image_only(image_layer));
    as_app.user = "app";
    dl_box_spec_t app_spec = box_spec(&image_world, "with-app");
    app_spec.image = &as_app;
    app_spec.volumes = &same;
    app_spec.volume_count = 1;
    dl_box_t *app = box_start(&image_world, &app_spec, NULL);
    box_expect(&image_world, app, "touch /data/c && stat -c %U /data/c && cat /data/a", "app\none\nthree\n");
    box_expect(&image_world, other, "ls /data/c", "/data/c\n");
    if (geteuid() == 0) box_expect(&image_world, other, "echo more >> /data/c && rm /data/c", "");
    box_stop(&image_world, app, true);
  }
  box_stop(&image_world, box, true);
  box_stop(&image_world, other, true);
  /* The layer has the mount points, and nothing of the volumes. */
  image_shell("[ -z \"$(find '%s/home-with-volumes/upper' -name a -o -name b)\" ]", image_world.dir);
  free(dir);
  free(linked);
}

static void volumes_go_nowhere_else(void **state) {
  (void)state;
  NEED_BOXES();
  char *dir = dl_xprintf("%s/other-data", image_world.dir),
       *links = image_make_layer(
         "to-system",
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
  dl_box_image_t image = image_of(image_only(links));
  for (size_t i = 0; i < DL_COUNT(BAD); i++) {
    const dl_box_volume_t volume = {dir, NULL, BAD[i].target};
    dl_box_spec_t spec = box_spec(&image_world, "bad-volume");
    spec.image = &image;
    spec.volumes = &volume;
    spec.volume_count = 1;
    image_starts_fail(&spec, BAD[i].reason);
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
  dl_box_image_t image = image_of(image_only(image_layer));
  for (int force = 0; force < 2; force++) {
    dl_box_t *box = image_start("stop", &image);
    box_expect(&image_world, box, command, "");
    box_stop(&image_world, box, force);
    assert_int_equal(count_processes(mark), 0);
  }
  char *point =
    dl_xprintf("grep -c -e '%s' -e upperdir=/tmp/w /proc/mounts | grep -q '^0$'", image_world.dir);
  image_shell("%s", point);
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
  dl_box_image_t image = image_of(image_only(image_layer));
  dl_box_spec_t spec = box_spec(&image_world, "killed");
  spec.image = &image;
  spec.entrypoint = entrypoint;
  for (int turns = 1; turns < 30; turns++) {
    told_t told = {0};
    bool is_stopped = false;
    dl_box_t *box = dl_box_start(image_world.rt, &spec, note_start, &told);
    for (int i = 0; i < turns * turns && !told.is_told; i++)
      uv_run(&image_world.loop, i % 3 == 0 ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    dl_box_stop(box, true, set_flag, &is_stopped);
    while (!is_stopped) uv_run(&image_world.loop, UV_RUN_ONCE);
    assert_true(told.is_told);
  }
  expect_processes(mark, 0);
  dl_box_t *box = box_start(&image_world, &spec, NULL);
  box_expect(&image_world, box, "echo ok", "ok\n");
  box_stop(&image_world, box, true);
}

/* In a process of its own: a server with one box, until it is killed. */
static int victim(int out, const dl_box_spec_t *spec, const char *command) {
  dl_box_t *box = box_start(&image_world, spec, NULL);
  box_expect(&image_world, box, command, "");
  dprintf(out, "up\n");
  return uv_run(&image_world.loop, UV_RUN_DEFAULT);
}

static void a_box_ends_with_a_killed_server(void **state) {
  (void)state;
  NEED_BOXES();
  char mark[32], text[8];
  int ends[2];
  snprintf(mark, sizeof mark, "87654%ld", (long)getpid());
  char *command = dl_xprintf("echo kept > /root/kept; setsid sleep %s > /dev/null 2>&1 < /dev/null &", mark);
  dl_box_image_t image = image_of(image_only(image_layer));
  dl_box_spec_t spec = box_spec(&image_world, "orphan");
  spec.image = &image;
  assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
  pid_t pid = fork();
  if (pid == 0) {
    uv_loop_fork(&image_world.loop);
    _exit(victim(ends[1], &spec, command));
  }
  close(ends[1]);
  assert_true(read(ends[0], text, sizeof text) > 0);
  close(ends[0]);
  expect_processes(mark, 1);
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  expect_processes(mark, 0);
  dl_box_t *box = box_start(&image_world, &spec, NULL);
  box_expect(&image_world, box, "cat /root/kept", "kept\n");
  box_stop(&image_world, box, true);
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
  dl_box_image_t image = image_of(image_only(image_layer));
  dl_box_t *one = image_start("one", &image), *two = image_start("two", &image);
  uid_t first = owner_of(one), second = owner_of(two);
  assert_int_not_equal(first, second);
  assert_in_range(first, 200000, 265535);
  assert_in_range(second, 200000, 265535);
  box_stop(&image_world, one, true);
  box_stop(&image_world, two, true);
}

static void many_share_an_image(void **state) {
  (void)state;
  NEED_BOXES();
  enum { COUNT = 12 };
  told_t told[COUNT] = {{0}};
  dl_box_t *boxes[COUNT];
  char id[COUNT][16];
  dl_box_image_t image = image_of(image_only(image_layer));
  for (int i = 0; i < COUNT; i++) {
    snprintf(id[i], sizeof id[i], "many-%d", i);
    dl_box_spec_t spec = box_spec(&image_world, id[i]);
    spec.image = &image;
    boxes[i] = dl_box_start(image_world.rt, &spec, note_start, &told[i]);
  }
  for (int i = 0; i < COUNT; i++) {
    while (!told[i].is_told) uv_run(&image_world.loop, UV_RUN_ONCE);
    if (*told[i].error != '\0') fail_msg("%s", told[i].error);
  }
  box_expect(&image_world, boxes[0], "echo private > /root/mine; rm /bin/vi; hostname", "many-0\n");
  box_expect(&image_world, boxes[1], "ls /root /bin/vi; ps | grep -c toolbo[x]; hostname",
             "/bin/vi\n\n/root:\n0\nmany-1\n");
  for (int i = 0; i < COUNT; i++) box_stop(&image_world, boxes[i], true);
}

static void has_limits_and_a_network_of_its_own(void **state) {
  (void)state;
  NEED_BOXES();
  dl_box_image_t image = image_of(image_only(image_layer));
  dl_box_spec_t spec = box_spec(&image_world, "network");
  spec.image = &image;
  spec.rules.blocks_all = false;
  spec.memory_gib = 0.125;
  dl_box_t *box = box_start(&image_world, &spec, NULL);
  dl_box_info_t info = dl_box_get_info(box);
  box_refuses(&image_world, box, "head -c 200000000 /dev/zero | tail -c 200000000 | wc -c | grep 200000000");
  box_expect(&image_world, box, "echo still here; cat /etc/resolv.conf | head -1",
             "still here\nnameserver 10.0.2.3\n");
  if (strcmp(info.network, "private") == 0)
    box_expect(&image_world, box,
               "while ! grep -q tap0.0000 /proc/net/route; do :; done; ifconfig lo | grep -c 127.0.0.1",
               "1\n");
  box_expect(&image_world, box, "{ nc -l -p 80 < /dev/null > /dev/null 2>&1 & } && sleep 0.2", "");
  box_expect(&image_world, box, "cat /proc/net/tcp /proc/net/tcp6 | grep -c ':0050 .* 0A '", "1\n");
  /* Not more processes than allowed, and the toolbox is not among those that are refused. */
  box_refuses(&image_world, box,
              "i=0; while [ $i -lt 200 ]; do sleep 30 > /dev/null 2>&1 & i=$((i + 1)); done 2> /dev/null; "
              "jobs | wc -l | grep 200");
  box_expect(&image_world, box, "echo still here", "still here\n");
  box_stop(&image_world, box, true);
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
             {image_of(image_only(image_layer)), "environment variable"},
             {image_of(image_only(image_layer)), "ids"}};
  bad[3].image.env = bad_env;
  bad[4].image.ids.count = 0;
  for (size_t i = 0; i < DL_COUNT(bad); i++) {
    dl_box_spec_t spec = box_spec(&image_world, "bad");
    spec.image = &bad[i].image;
    image_starts_fail(&spec, bad[i].reason);
  }
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
  int rc = image_become(argc, argv);
  if (rc >= 0) return rc;
  return cmocka_run_group_tests(tests, image_open_boxes, image_close_boxes);
}
