/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boxes on an image: the root is a writable layer over folders that somebody else has made, and may have made to harm.
 * The images here hold nothing but busybox.
 *
 *   test_image_boxes              as root
 *   test_image_boxes UID          from an ordinary user's server, without ids beside its own
 *   test_image_boxes UID subids   from an ordinary user's server that /etc/subuid gives ids
 */
#include "boxes.h"

#include "base/base.h"
#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
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
  shell(
    "mkdir -m 755 '%s' && cd '%s' && mkdir bin etc && cp " BUSYBOX
    " bin/busybox && for a in $(bin/busybox --list); do"
    " [ -e bin/$a ] || ln -s busybox bin/$a; done &&"
    " printf 'root:x:0:0:root:/root:/bin/sh\\napp:x:1000:1000::/home/app:/bin/sh\\n' > etc/passwd &&"
    " printf 'root:x:0:\\napp:x:1000:\\nstaff:x:50:app\\n' > etc/group && mkdir -p home/app && { %s\n:\n}",
    dir, dir, more);
  give(dir);
  if (geteuid() == 0) shell("chown %u:%u '%s/home/app'", ids.first_uid + 999, ids.first_gid + 999, dir);
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
  /* Layers hold folders of users that only their namespace's root may enter. */
  world_close(&w);
  free(layer);
  return 0;
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
  };
  ids = (dl_box_ids_t){FIRST_ID, FIRST_ID + 1, FIRST_ID, FIRST_ID + 1, 65536};
  if (argc > 1 && geteuid() == 0) {
    unsigned uid = (unsigned)atoi(argv[1]);
    ids = (dl_box_ids_t){uid, 0, uid, 0, 1};
    if (argc > 2) {
      if (!give_sub_ids(uid)) return 77;
      ids = (dl_box_ids_t){uid, SUB_ID, uid, SUB_ID, 65536};
    }
    if (setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0) return 99;
  }
  return cmocka_run_group_tests(tests, open_boxes, close_boxes);
}
