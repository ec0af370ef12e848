/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects without HTTP: what builds take from the store, and what a start makes of what it finds on the disk.
 */
#include "s3/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ORGANIZATION "87464bf5-2405-4dc0-80a0-f500dfb38806"

static uv_loop_t loop;
static char state_dir[64];
static dl_objects_t objects;
static dl_rates_t limits;
static dl_front_t front;
static dl_s3_t *s3;
static bool is_closed;

static void start(void) {
  char *error = NULL;
  const dl_objects_opts_t opts = {
    .state_dir = state_dir, .organization_id = ORGANIZATION, .region = "local", .clock_speed = 1};
  const dl_rate_opts_t none[DL_BUCKET_COUNT] = {{0}};
  dl_rates_init(&limits, none);
  assert_int_equal(dl_objects_open(&objects, &loop, &opts, &error), 0);
  const dl_s3_opts_t s3_opts = {.objects = &objects, .limits = &limits, .front = &front};
  s3 = dl_s3_new(&loop, &s3_opts, &error);
  assert_non_null(s3);
}

static void on_closed(void *user) { *(bool *)user = true; }

static void close_and_wait(void) {
  is_closed = false;
  dl_s3_close(s3, on_closed, &is_closed);
  while (!is_closed) uv_run(&loop, UV_RUN_ONCE);
  is_closed = false;
  dl_jobs_close(objects.jobs, on_closed, &is_closed);
  while (!is_closed) uv_run(&loop, UV_RUN_ONCE);
  objects.jobs = NULL;
  is_closed = false;
  dl_objects_close(&objects, on_closed, &is_closed);
  while (!is_closed) uv_run(&loop, UV_RUN_ONCE);
  dl_rates_clear(&limits);
}

static int set_up(void **state) {
  (void)state;
  strcpy(state_dir, "/tmp/dl-test-XXXXXX");
  assert_non_null(mkdtemp(state_dir));
  assert_int_equal(uv_loop_init(&loop), 0);
  start();
  return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk) {
  (void)st;
  (void)kind;
  (void)walk;
  return remove(path);
}

static int tear_down(void **state) {
  (void)state;
  close_and_wait();
  uv_run(&loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&loop), 0);
  nftw(state_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
  return 0;
}

static void on_written(dl_written_t outcome, void *user) {
  assert_int_equal(outcome, DL_WRITTEN);
  *(bool *)user = true;
}

static void write_file(const char *folder, const char *name, const char *content) {
  char path[256];
  snprintf(path, sizeof path, "%s/objects/%s/%s", state_dir, folder, name);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(content, file);
  fclose(file);
}

static bool has_file(const char *folder, const char *name) {
  char path[256];
  snprintf(path, sizeof path, "%s/objects/%s/%s", state_dir, folder, name);
  return access(path, F_OK) == 0;
}

/* As a PUT does it. */
static void put(const char *hash, const char *file, const char *content) {
  bool is_done = false;
  char *key = dl_xprintf(ORGANIZATION "/%s/context.tar", hash);
  write_file("data", file, content);
  atomic_fetch_add(&s3->blobs.used_bytes, (long long)strlen(content));
  dl_blob_put(&s3->blobs, key,
              dl_s3_record(s3, file, (int64_t)strlen(content), "etag", json_object(), DL_SUM_NONE, NULL),
              on_written, &is_done);
  free(key);
  while (!is_done || s3->blobs.work_count > 0) uv_run(&loop, UV_RUN_ONCE);
}

static void assert_reads(int fd, const char *content) {
  char text[64] = "";
  ssize_t got = read(fd, text, sizeof text - 1);
  assert_int_equal(got, (ssize_t)strlen(content));
  assert_string_equal(text, content);
  close(fd);
}

static int open_context(const char *hash) {
  int64_t size = -1;
  int fd = dl_s3_open_context(s3, hash, &size);
  assert_true(fd < 0 || size >= 0);
  return fd;
}

static void a_context_is_found_by_its_hash(void **state) {
  (void)state;
  put("6f1ed002", "one", "content");
  assert_true(dl_s3_has_context(s3, "6f1ed002"));
  assert_reads(open_context("6f1ed002"), "content");
  char longest[400];
  memset(longest, 'a', sizeof longest - 1);
  longest[sizeof longest - 1] = '\0';
  const char *const none[] = {
    "", "6f1ed003", "..", "../" ORGANIZATION "/6f1ed002", "6f1ed002/", "6f1ed002/context.tar", longest};
  for (size_t i = 0; i < DL_COUNT(none); i++) {
    errno = 0;
    assert_int_equal(open_context(none[i]), -1);
    assert_int_equal(errno, ENOENT);
    assert_false(dl_s3_has_context(s3, none[i]));
  }
}

static void what_is_open_stays_what_it_was(void **state) {
  (void)state;
  bool is_done = false;
  put("a", "one", "first");
  int first = open_context("a");
  put("a", "two", "second");
  assert_false(has_file("data", "one"));
  int second = open_context("a");
  dl_blob_remove(&s3->blobs, ORGANIZATION "/a/context.tar", on_written, &is_done);
  while (!is_done || s3->blobs.work_count > 0) uv_run(&loop, UV_RUN_ONCE);
  assert_false(dl_s3_has_context(s3, "a"));
  assert_false(has_file("data", "two"));
  assert_int_equal(atomic_load(&s3->blobs.used_bytes), 0);
  assert_reads(first, "first");
  assert_reads(second, "second");
}

static void a_start_keeps_what_records_name(void **state) {
  (void)state;
  put("kept", "one", "content");
  put("cut", "two", "content");
  put("missing", "three", "content");
  write_file("data", "two", "cont");
  write_file("data", "nobodys", "x");
  write_file("parts", "left", "x");
  char path[256];
  snprintf(path, sizeof path, "%s/objects/data/three", state_dir);
  unlink(path);
  close_and_wait();
  start();
  while (s3->blobs.work_count > 0) uv_run(&loop, UV_RUN_ONCE);
  assert_reads(open_context("kept"), "content");
  assert_false(dl_s3_has_context(s3, "cut"));
  assert_false(dl_s3_has_context(s3, "missing"));
  assert_false(has_file("data", "two") || has_file("data", "nobodys") || has_file("parts", "left"));
  assert_int_equal(atomic_load(&s3->blobs.used_bytes), 7);
}

/* One damaged record must not cost the content that it named. */
static void a_damaged_journal_keeps_the_files(void **state) {
  (void)state;
  put("a", "one", "content");
  put("b", "two", "content");
  close_and_wait();
  char path[256], *found, text[4096] = "";
  snprintf(path, sizeof path, "%s/journal", state_dir);
  FILE *file = fopen(path, "r+");
  assert_non_null(file);
  size_t len = fread(text, 1, sizeof text - 1, file);
  assert_true(len > 0 && len < sizeof text - 1);
  found = strstr(text, "\"one\"");
  assert_non_null(found);
  memcpy(found, "\"0ne\"", 5);
  rewind(file);
  fwrite(text, 1, len, file);
  fclose(file);
  start();
  while (s3->blobs.work_count > 0) uv_run(&loop, UV_RUN_ONCE);
  assert_false(dl_s3_has_context(s3, "a"));
  assert_true(has_file("lost", "one"));
  assert_reads(open_context("b"), "content");
  close_and_wait();
  start();
  while (s3->blobs.work_count > 0) uv_run(&loop, UV_RUN_ONCE);
  assert_true(has_file("lost", "one"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_context_is_found_by_its_hash, set_up, tear_down),
    cmocka_unit_test_setup_teardown(what_is_open_stays_what_it_was, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_start_keeps_what_records_name, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_damaged_journal_keeps_the_files, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
