/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packing, unpacking and removing trees that a hostile user has made.
 */
#include "control/store/jobs.h"
#include "control/store/removal.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

static char top[64];
static uv_loop_t loop;
static dl_jobs_t *jobs;
static char *said;
static bool is_done, is_durable = true;

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
  is_done = false;
}

static int setup(void **state) {
  (void)state;
  strcpy(top, "/tmp/dl-jobs-XXXXXX");
  uv_loop_init(&loop);
  char *error = NULL;
  jobs = dl_jobs_new(&loop, is_durable, &error);
  return jobs && mkdtemp(top) ? 0 : -1;
}

static int teardown(void **state) {
  (void)state;
  free(said);
  said = NULL;
  dl_jobs_close(jobs, NULL, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  return dl_remove_tree(top, NULL) || uv_loop_close(&loop);
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
  dl_job_pack(jobs, path("home"), path("a.tar"), on_job, NULL);
  wait_for_job();
  assert_null(said);
  assert_int_equal(mode_of("home/shut"), 0); /* as it was */
  dl_job_unpack(jobs, path("a.tar"), path("again"), on_job, NULL);
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

/* What overlay needs to be the same again, and nothing of what it notes about this disk's files. */
static void marks_of_deletions_and_attributes_survive(void **state) {
  (void)state;
  char value[64];
  struct stat st;
  mkdir(path("home"), 0700);
  mkdir(path("home/opaque"), 0700);
  put("home/file", "x", 0600);
  if (mknod(path("home/deleted"), S_IFCHR | 0600, 0) != 0 ||
      setxattr(path("home/opaque"), "user.overlay.opaque", "y", 1, 0) != 0)
    skip();
  assert_int_equal(setxattr(path("home/file"), "user.mine", "a\0b", 3, 0), 0);
  assert_int_equal(setxattr(path("home/file"), "user.overlay.origin", "z", 1, 0), 0);
  dl_job_pack(jobs, path("home"), path("a.tar"), on_job, NULL);
  wait_for_job();
  assert_null(said);
  dl_job_unpack(jobs, path("a.tar"), path("again"), on_job, NULL);
  wait_for_job();
  assert_null(said);
  assert_int_equal(lstat(path("again/deleted"), &st), 0);
  assert_true(S_ISCHR(st.st_mode) && st.st_rdev == 0);
  assert_int_equal(getxattr(path("again/opaque"), "user.overlay.opaque", value, sizeof value), 1);
  assert_int_equal(getxattr(path("again/file"), "user.mine", value, sizeof value), 3);
  assert_memory_equal(value, "a\0b", 3);
  assert_int_equal(getxattr(path("again/file"), "user.overlay.origin", value, sizeof value), -1);
}

static void note_bytes(uint64_t bytes, const char *error, void *user) {
  *(uint64_t *)user = bytes;
  on_job(error, NULL);
}

static void measuring_counts_blocks_once(void **state) {
  (void)state;
  uint64_t bytes = 1;
  mkdir(path("home"), 0700);
  put("home/file", "", 0600);
  assert_int_equal(truncate(path("home/file"), (off_t)1 << 40), 0);
  int fd = open(path("home/real"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  char block[4096] = "x";
  for (int i = 0; i < 256; i++) assert_int_equal(write(fd, block, sizeof block), sizeof block);
  assert_int_equal(fsync(fd), 0);
  close(fd);
  assert_int_equal(link(path("home/real"), path("home/twin")), 0);
  assert_int_equal(symlink("/", path("home/link")), 0);
  dl_job_measure(jobs, path("home"), note_bytes, &bytes);
  wait_for_job();
  assert_null(said);
  assert_true(bytes >= 256 * 4096 && bytes <= 300 * 4096);
  dl_job_measure(jobs, path("none"), note_bytes, &bytes);
  wait_for_job();
  assert_null(said);
  assert_int_equal(bytes, 0);
}

static void a_broken_archive_leaves_nothing_half_done(void **state) {
  (void)state;
  put("bad.tar", "this is not an archive at all, although it is long enough to be looked at", 0600);
  dl_job_unpack(jobs, path("bad.tar"), path("dir"), on_job, NULL);
  wait_for_job();
  assert_non_null(said);
  assert_int_not_equal(access(path("dir"), F_OK), 0);
  assert_int_not_equal(access(path("dir.part"), F_OK), 0);
  free(said);
  dl_job_pack(jobs, path("none"), path("none.tar"), on_job, NULL);
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
  dl_job_remove(jobs, path("tree"), on_job, NULL);
  wait_for_job();
  assert_null(said);
  assert_int_not_equal(access(path("tree"), F_OK), 0);
  assert_int_equal(access(path("keep/file"), F_OK), 0);
  dl_job_remove(jobs, path("tree"), on_job, NULL);
  wait_for_job();
  assert_null(said);
}

typedef struct {
  int dir;
  _Atomic bool is_over;
  const char *target;
} swapping_t;

/* Exchanges the directory "dir" and the link "link" as fast as it can. */
static void *swap(void *user) {
  swapping_t *s = user;
  while (!s->is_over)
    if (renameat2(s->dir, "dir", s->dir, "link", RENAME_EXCHANGE) != 0) symlinkat(s->target, s->dir, "link");
  return NULL;
}

static void removal_changes_nothing_behind_a_link_that_comes_late(void **state) {
  (void)state;
  enum { DEPTH = 100, ROUNDS = 100 }; /* at this depth a directory is opened to its owner by name */
  mkdir(path("keep"), 0700);
  chmod(path("keep"), 0755);
  swapping_t s = {.target = path("keep")};
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
    dl_remove_tree(path("tree"), NULL);
    s.is_over = true;
    pthread_join(thread, NULL);
    close(s.dir);
    assert_int_equal(dl_remove_tree(path("tree"), NULL), 0);
    assert_int_equal(mode_of("keep"), 0755);
  }
}

static void make_holes(const char *name, off_t size, const off_t *at, size_t count) {
  int fd = open(path(name), O_WRONLY | O_CREAT, 0600);
  assert_int_equal(ftruncate(fd, size), 0);
  for (size_t i = 0; i < count; i++) assert_int_equal(pwrite(fd, "data", 4, at[i]), 4);
  close(fd);
}

static void pack_and_unpack(const char *from, const char *to) {
  dl_job_pack(jobs, path(from), path("a.tar"), on_job, NULL);
  wait_for_job();
  assert_null(said);
  dl_job_unpack(jobs, path("a.tar"), path(to), on_job, NULL);
  wait_for_job();
  assert_null(said);
}

static void check_holes(const char *name, const char *twin, const off_t *at, size_t count) {
  struct stat one, two;
  char text[8] = {0};
  stat(path(name), &one);
  stat(path(twin), &two);
  assert_int_equal(one.st_size, two.st_size);
  /* The restored file takes no more room than the one that it was. */
  assert_true(two.st_blocks <= one.st_blocks + 16);
  int fd = open(path(twin), O_RDONLY);
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(pread(fd, text, 4, at[i]), 4);
    assert_string_equal(text, "data");
  }
  close(fd);
}

#define TERA ((off_t)1 << 40)

static void holes_are_neither_read_nor_stored(void **state) {
  (void)state;
  static const off_t pieces[] = {0, 1 << 20, TERA, 9 * TERA, 15 * TERA - 4};
  mkdir(path("home"), 0700);
  make_holes("home/empty", 15 * TERA, NULL, 0);
  make_holes("home/some", 15 * TERA, pieces, 5);
  make_holes("home/inner", 15 * TERA, pieces + 2, 1);
  make_holes("home/small", 12345, NULL, 0);
  put("home/plain", "no hole at all", 0600);
  pack_and_unpack("home", "again");
  struct stat st;
  stat(path("a.tar"), &st);
  assert_true(st.st_size >= 1 && st.st_size <= 1 << 20);
  check_holes("home/empty", "again/empty", NULL, 0);
  check_holes("home/some", "again/some", pieces, 5);
  check_holes("home/inner", "again/inner", pieces + 2, 1);
  check_holes("home/small", "again/small", NULL, 0);
  check_holes("home/plain", "again/plain", NULL, 0);
}

static void a_file_in_very_many_pieces_survives(void **state) {
  (void)state;
  enum { COUNT = 70000 };
  off_t *at = dl_xcalloc(COUNT, sizeof *at);
  for (size_t i = 0; i < COUNT; i++) at[i] = (off_t)(i + 1) * 3 * 4096;
  mkdir(path("home"), 0700);
  make_holes("home/comb", (off_t)COUNT * 4 * 4096, at, COUNT);
  pack_and_unpack("home", "again");
  int fd = open(path("again/comb"), O_RDONLY);
  for (size_t i = 0; i < COUNT; i++) {
    char text[6] = {0};
    assert_int_equal(pread(fd, text, 6, at[i] - 1), 6);
    assert_memory_equal(text, "\0data\0", 6);
  }
  close(fd);
  free(at);
}

static void names_of_any_bytes_and_depth_survive(void **state) {
  (void)state;
  enum { DEPTH = 300 };
  char text[8] = {0};
  mkdir(path("home"), 0700);
  put("home/caf\xc3\xa9", "x", 0600);
  put("home/not utf-8 \xff", "y", 0600);
  put("home/-line\nbreak", "z", 0600);
  for (int round = 0; round < 2; round++) {
    int fd = open(path(round ? "again" : "home"), O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < DEPTH; i++) { /* beyond the longest path */
      if (round == 0) assert_int_equal(mkdirat(fd, "a folder with a long name", 0700), 0);
      int next = openat(fd, "a folder with a long name", O_RDONLY | O_DIRECTORY);
      assert_true(next >= 0);
      close(fd);
      fd = next;
    }
    int file = openat(fd, "deep", round ? O_RDONLY : O_RDWR | O_CREAT, 0600);
    assert_true(file >= 0);
    if (round == 0) assert_int_equal(write(file, "inside", 6), 6);
    if (round == 0) pack_and_unpack("home", "again");
    assert_int_equal(pread(file, text, 6, 0), 6);
    assert_string_equal(text, "inside");
    close(file);
    close(fd);
  }
  assert_int_equal(mode_of("again/caf\xc3\xa9"), 0600);
  assert_int_equal(mode_of("again/not utf-8 \xff"), 0600);
  assert_int_equal(mode_of("again/-line\nbreak"), 0600);
}

/* --- giving up --- */

static int told, given_up;
static void on_error(const char *error, void *user) {
  (void)user;
  assert_non_null(error);
  told++;
  if (strcmp(error, "given up") == 0) given_up++;
}

static int setup_quick(void **state) {
  is_durable = false;
  told = given_up = 0;
  return setup(state);
}

static void until(const char *name) {
  uint64_t limit = uv_hrtime() + 10 * UINT64_C(1000000000);
  while (access(path(name), F_OK) != 0) assert_true(uv_hrtime() < limit);
}

/* An archive that is a pipe without an end holds up who reads it. */
static int hold_two(dl_job_t *all[4]) {
  static const char *const names[] = {"0", "1", "2", "3"};
  assert_int_equal(mkfifo(path("pipe"), 0600), 0);
  for (int i = 0; i < 4; i++) all[i] = dl_job_unpack(jobs, path("pipe"), path(names[i]), on_error, NULL);
  until("0.part");
  until("1.part");
  int fd = open(path("pipe"), O_WRONLY);
  assert_true(fd >= 0);
  return fd;
}

/* Whoever opens the pipe late finds an end too. */
static void release(int fd, int expected) {
  close(fd);
  while (told < expected) {
    fd = open(path("pipe"), O_WRONLY | O_NONBLOCK);
    if (fd >= 0) close(fd);
    uv_run(&loop, UV_RUN_NOWAIT);
  }
  assert_int_equal(told, expected);
}

static void two_at_a_time_and_all_are_given_up(void **state) {
  (void)state;
  dl_job_t *all[4];
  int fd = hold_two(all);
  assert_int_not_equal(access(path("2.part"), F_OK), 0);
  for (int i = 3; i >= 0; i--) dl_job_cancel(all[i]);
  while (told < 2) uv_run(&loop, UV_RUN_ONCE); /* those that had not begun do not wait for the others */
  assert_int_equal(given_up, 2);
  release(fd, 4);
  for (int i = 0; i < 4; i++)
    assert_int_not_equal(access(path((const char *[]){"0", "1", "2", "3"}[i]), F_OK), 0);
}

static void one_kind_does_not_wait_for_another(void **state) {
  (void)state;
  dl_job_t *all[4];
  int fd = hold_two(all);
  mkdir(path("home"), 0700);
  put("home/file", "x", 0600);
  dl_job_pack(jobs, path("home"), path("a.tar"), on_job, NULL);
  while (!is_done) uv_run(&loop, UV_RUN_ONCE);
  assert_null(said);
  is_done = false;
  dl_job_remove(jobs, path("home"), on_job, NULL);
  while (!is_done) uv_run(&loop, UV_RUN_ONCE);
  assert_null(said);
  is_done = false;
  assert_int_equal(told, 0);
  release(fd, 4);
}

static void a_stop_ends_jobs_to_come_too(void **state) {
  (void)state;
  dl_job_t *all[4];
  int fd = hold_two(all);
  mkdir(path("home"), 0700);
  dl_jobs_stop(jobs);
  dl_job_remove(jobs, path("home"), on_error, NULL);
  dl_job_pack(jobs, path("home"), path("b.tar"), on_error, NULL);
  release(fd, 6);
  assert_int_not_equal(access(path("b.tar"), F_OK), 0);
  assert_int_equal(access(path("home"), F_OK), 0);
}

int main(void) {
#define Q(name) cmocka_unit_test_setup_teardown(name, setup_quick, teardown)
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
    T(a_tree_survives_packing_with_modes_and_links),
    T(marks_of_deletions_and_attributes_survive),
    T(measuring_counts_blocks_once),
    T(a_broken_archive_leaves_nothing_half_done),
    T(removal_follows_no_link_and_knows_no_depth),
    T(removal_changes_nothing_behind_a_link_that_comes_late),
    Q(holes_are_neither_read_nor_stored),
    Q(a_file_in_very_many_pieces_survives),
    Q(names_of_any_bytes_and_depth_survive),
    Q(two_at_a_time_and_all_are_given_up),
    Q(one_kind_does_not_wait_for_another),
    Q(a_stop_ends_jobs_to_come_too),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
