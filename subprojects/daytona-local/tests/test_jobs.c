/* SPDX-License-Identifier: Apache-2.0
 *
 * Packing, unpacking and removing trees that a hostile user has made.
 */
#include "control/store/jobs.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char top[64];
static uv_loop_t loop;
static dl_list jobs;
static char *said;
static bool is_done;

static char *path(const char *name) {
  static char buffer[4][256];
  static int turn;
  turn = (turn + 1) % 4;
  snprintf(buffer[turn], sizeof buffer[turn], "%s/%s", top, name);
  return buffer[turn];
}

static void put(const char *name, const char *text, mode_t mode) {
  int fd = open(path(name), O_WRONLY | O_CREAT, 0600);
  assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
  fchmod(fd, mode);
  close(fd);
}

static mode_t mode_of(const char *name) {
  struct stat st;
  assert_int_equal(lstat(path(name), &st), 0);
  return st.st_mode & 07777;
}

static void on_job(const char *error, void *user) {
  (void)user;
  said = error ? dl_xstrdup(error) : NULL;
  is_done = true;
}

static void wait_for_job(void) {
  assert_false(is_done);
  uv_run(&loop, UV_RUN_DEFAULT);
  assert_true(is_done);
  assert_true(dl_list_empty(&jobs));
  is_done = false;
}

static int setup(void **state) {
  (void)state;
  strcpy(top, "/tmp/dl-jobs-XXXXXX");
  uv_loop_init(&loop);
  dl_list_init(&jobs);
  return mkdtemp(top) ? 0 : -1;
}

static int teardown(void **state) {
  (void)state;
  free(said);
  said = NULL;
  return dl_remove_tree(top) || uv_loop_close(&loop);
}

static void a_tree_survives_packing_with_modes_and_links(void **state) {
  (void)state;
  char text[16] = {0};
  mkdir(path("home"), 0700);
  mkdir(path("home/shut"), 0700);
  put("home/shut/inner", "inside", 0);
  put("home/open", "text", 0640);
  assert_int_equal(link(path("home/open"), path("home/twin")), 0);
  assert_int_equal(symlink("/etc/passwd", path("home/out")), 0);
  chmod(path("home/shut"), 0);
  dl_job_pack(&loop, &jobs, path("home"), path("a.tar"), on_job, NULL);
  wait_for_job();
  assert_null(said);
  assert_int_equal(mode_of("home/shut"), 0); /* as it was */
  dl_job_unpack(&loop, &jobs, path("a.tar"), path("again"), on_job, NULL);
  wait_for_job();
  assert_null(said);
  assert_int_equal(mode_of("again/shut"), 0);
  assert_int_equal(mode_of("again/open"), 0640);
  struct stat one, two;
  stat(path("again/open"), &one);
  stat(path("again/twin"), &two);
  assert_int_equal(one.st_ino, two.st_ino);
  assert_int_equal(readlink(path("again/out"), text, sizeof text - 1), 11);
  chmod(path("again/shut"), 0700);
  assert_int_equal(mode_of("again/shut/inner"), 0);
}

static void a_broken_archive_leaves_nothing_half_done(void **state) {
  (void)state;
  put("bad.tar", "this is not an archive at all, although it is long enough to be looked at", 0600);
  dl_job_unpack(&loop, &jobs, path("bad.tar"), path("dir"), on_job, NULL);
  wait_for_job();
  assert_non_null(said);
  assert_int_not_equal(access(path("dir"), F_OK), 0);
  assert_int_not_equal(access(path("dir.part"), F_OK), 0);
  free(said);
  dl_job_pack(&loop, &jobs, path("none"), path("none.tar"), on_job, NULL);
  wait_for_job();
  assert_non_null(said);
  assert_int_not_equal(access(path("none.tar"), F_OK), 0);
}

static void removal_follows_no_link_and_knows_no_depth(void **state) {
  (void)state;
  mkdir(path("keep"), 0700);
  put("keep/file", "x", 0600);
  mkdir(path("tree"), 0700);
  assert_int_equal(symlink("../keep", path("tree/link")), 0);
  int fd = open(path("tree"), O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < 3000; i++) { /* far beyond the longest path */
    mkdirat(fd, "directory", 0700);
    int next = openat(fd, "directory", O_RDONLY | O_DIRECTORY);
    if (i % 7 == 0) fchmod(fd, 0);
    close(fd);
    fd = next;
    assert_true(fd >= 0);
  }
  close(fd);
  dl_job_remove(&loop, &jobs, path("tree"), on_job, NULL);
  wait_for_job();
  assert_null(said);
  assert_int_not_equal(access(path("tree"), F_OK), 0);
  assert_int_equal(access(path("keep/file"), F_OK), 0);
  dl_job_remove(&loop, &jobs, path("tree"), on_job, NULL);
  wait_for_job();
  assert_null(said);
}

typedef struct {
  int dir;
  _Atomic bool is_over;
  const char *target;
} swapping;

/* Exchanges the directory "dir" and the link "link" as fast as it can. */
static void *swap(void *user) {
  swapping *s = user;
  while (!s->is_over)
    if (renameat2(s->dir, "dir", s->dir, "link", RENAME_EXCHANGE) != 0) symlinkat(s->target, s->dir, "link");
  return NULL;
}

static void removal_changes_nothing_behind_a_link_that_comes_late(void **state) {
  (void)state;
  enum { DEPTH = 100, ROUNDS = 100 }; /* at this depth a directory is opened to its owner by name */
  mkdir(path("keep"), 0700);
  chmod(path("keep"), 0755);
  swapping s = {.target = path("keep")};
  for (int round = 0; round < ROUNDS; round++) {
    mkdir(path("tree"), 0700);
    s.dir = open(path("tree"), O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < DEPTH; i++) {
      mkdirat(s.dir, "d", 0700);
      int next = openat(s.dir, "d", O_RDONLY | O_DIRECTORY);
      close(s.dir);
      s.dir = next;
    }
    mkdirat(s.dir, "dir", 0);
    symlinkat(s.target, s.dir, "link");
    s.is_over = false;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, swap, &s), 0);
    dl_remove_tree(path("tree"));
    s.is_over = true;
    pthread_join(thread, NULL);
    close(s.dir);
    assert_int_equal(dl_remove_tree(path("tree")), 0);
    assert_int_equal(mode_of("keep"), 0755);
  }
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
    T(a_tree_survives_packing_with_modes_and_links),
    T(a_broken_archive_leaves_nothing_half_done),
    T(removal_follows_no_link_and_knows_no_depth),
    T(removal_changes_nothing_behind_a_link_that_comes_late),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
