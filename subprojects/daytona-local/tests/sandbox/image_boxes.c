/* SPDX-License-Identifier: Apache-2.0 */
#include "image_boxes.h"

#include "base/base.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define BUSYBOX "/bin/busybox"
#define FIRST_ID 300000
#define SUB_ID 700000

world_t image_world;
dl_box_ids_t image_ids;
const char *image_skip_reason;
char *image_layer;

void image_shell(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  char *command = dl_xvprintf(fmt, args);
  va_end(args);
  if (system(command) != 0) fail_msg("%s", command);
  free(command);
}

void image_give(const char *dir) {
  if (geteuid() == 0)
    image_shell("chown -hR %u:%u '%s'", (unsigned)image_ids.zero_uid, (unsigned)image_ids.zero_gid, dir);
}

char *image_make_layer(const char *name, const char *more) {
  char *dir = dl_xprintf("%s/%s", image_world.dir, name);
  image_shell(
    "mkdir -m 755 '%s' && cd '%s' && mkdir bin etc && cp " BUSYBOX
    " bin/busybox && for a in $(bin/busybox --list); do"
    " [ -e bin/$a ] || ln -s busybox bin/$a; done &&"
    " printf 'root:x:0:0:root:/root:/bin/sh\\napp:x:1000:1000::/home/app:/bin/sh\\n' > etc/passwd &&"
    " printf 'root:x:0:\\napp:x:1000:\\nstaff:x:50:app\\n' > etc/group && mkdir -p home/app && chmod 777 "
    "home/app && { %s\n:\n}",
    dir, dir, more);
  image_give(dir);
  return dir;
}

dl_box_image_t image_of(const char *const *layers) {
  return (dl_box_image_t){.layers = layers, .ids = image_ids};
}

const char *const *image_only(const char *dir) {
  static const char *layers[4][2];
  static int next;
  const char **out = layers[next++ % 4];
  out[0] = dir;
  return out;
}

dl_box_t *image_start(const char *id, const dl_box_image_t *image) {
  dl_box_spec_t spec = box_spec(&image_world, id);
  spec.image = image;
  return box_start(&image_world, &spec, NULL);
}

void image_on_job(const char *error, void *user) {
  image_job_t *e = user;
  e->is_done = true;
  if (error != NULL) e->error = dl_xstrdup(error);
}

dl_jobs_t *image_jobs(void) {
  char *error = NULL;
  dl_jobs_t *jobs = dl_jobs_new(&image_world.loop, true, &error);
  assert_non_null(jobs);
  if (geteuid() != 0) dl_jobs_set_ids(jobs, getenv("DL_TEST_EXE"), &image_ids);
  return jobs;
}

int image_open_boxes(void **state) {
  (void)state;
  image_skip_reason =
    world_open(&image_world, (dl_runtime_opts_t){.isolation = DL_ISOLATION_BWRAP, .max_processes = 64});
  if (image_skip_reason != NULL) return 0;
  if (access(BUSYBOX, X_OK) != 0) image_skip_reason = "there is no busybox (package busybox-static)";
  if (image_skip_reason != NULL) {
    world_close(&image_world);
    return 0;
  }
  image_layer = image_make_layer("busybox", "");
  return 0;
}

int image_close_boxes(void **state) {
  (void)state;
  if (image_skip_reason != NULL) return 0;
  /* Layers hold folders of users that only root of their namespace may remove. */
  dl_jobs_t *jobs = image_jobs();
  char *dir = dl_xstrdup(image_world.dir);
  image_job_t end = {0};
  dl_job_remove(jobs, dir, image_on_job, &end);
  while (!end.is_done) uv_run(&image_world.loop, UV_RUN_ONCE);
  bool is_removed = end.error == NULL && access(dir, F_OK) != 0;
  if (!is_removed) print_message("%s\n", end.error ? end.error : "not removed");
  free(end.error);
  free(dir);
  dl_jobs_close(jobs, NULL, NULL);
  world_close(&image_world);
  free(image_layer);
  return is_removed ? 0 : -1;
}

void image_asks(dl_box_t *box, const char *method, const char *path, const char *body, int wanted,
                const char *text) {
  int status;
  char *said = box_ask(&image_world, box, method, path, body, &status);
  if (status != wanted || strstr(said, text) == NULL)
    fail_msg("%s %s %s: %d %s", method, path, body ? body : "", status, said);
  free(said);
}

void image_starts_fail(const dl_box_spec_t *spec, const char *reason) {
  const char *error = NULL;
  if (box_start(&image_world, spec, &error) != NULL) fail_msg("it started, and should not: %s", reason);
  if (strstr(error, reason) == NULL) fail_msg("'%s' does not say '%s'", error, reason);
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

int image_become(int argc, char **argv) {
  image_ids = (dl_box_ids_t){FIRST_ID, FIRST_ID + 1, FIRST_ID, FIRST_ID + 1, 65536};
  if (argc > 1 && geteuid() == 0) {
    unsigned uid = (unsigned)atoi(argv[1]);
    image_ids = (dl_box_ids_t){uid, 0, uid, 0, 1};
    if (argc > 2 && strcmp(argv[2], "subids") == 0) {
      if (!give_sub_ids(uid)) {
        puts("1..0 # SKIP /etc/subuid cannot be given other entries here");
        return 0;
      }
      image_ids = (dl_box_ids_t){uid, SUB_ID, uid, SUB_ID, 65536};
    }
    if (setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0) return 99;
  }
  return -1;
}
