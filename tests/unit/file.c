/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local files on the thread pool: reading ahead, writing beside and renaming, and closing in every state.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/limits.h"
#include "support/alloc.h"
#include "support/check.h"
#include "support/local_files.h"
#include "support/stage.h"

static stage_t stage;
static char folder[64];
static size_t events;

static void on_event(void *user) { events++; }

static int open_stage(void **state) {
  stage_open(&stage);
  events = 0;
  strcpy(folder, "/tmp/unit_file-XXXXXX");
  assert_non_null(mkdtemp(folder));
  return 0;
}

static int close_stage(void **state) {
  stage_close(&stage);
  assert_int_equal(rmdir(folder), 0); /* nothing is left behind */
  return 0;
}

static const char *in_folder(const char *name) { return local_path(folder, name); }

static char byte_at(size_t i) { return (char)(i * 131 + (i >> 12)); }

static const char *make(const char *name, size_t size) {
  const char *path = in_folder(name);
  FILE *file = fopen(path, "w");
  for (size_t i = 0; i < size; i++) fputc(byte_at(i), file);
  fclose(file);
  return path;
}

static void turn_until_event(size_t seen) {
  while (events == seen) assert_true(uv_run(&stage.uv, UV_RUN_ONCE) != 0 || events != seen);
}

static const size_t sizes[] = {0,
                               1,
                               DAYTONA__FILE_BLOCK - 1,
                               DAYTONA__FILE_BLOCK,
                               DAYTONA__FILE_BLOCK + 1,
                               2 * DAYTONA__FILE_BLOCK,
                               2 * DAYTONA__FILE_BLOCK + 1,
                               5 * DAYTONA__FILE_BLOCK + 17};

/* --- reading ----------------------------------------------------------------------------------- */

/* Take everything in chunks; returns the error. */
static daytona_errcode_t read_all(daytona__file_reader_t *reader, size_t piece, size_t *size) {
  char buffer[70000];
  const char *text;
  *size = 0;
  for (;;) {
    size_t seen = events, got = daytona__file_reader_take(reader, buffer, piece);
    for (size_t i = 0; i < got; i++)
      if (buffer[i] != byte_at(*size + i)) fail_msg("byte %zu differs", *size + i);
    *size += got;
    daytona_errcode_t code = daytona__file_reader_error(reader, &text);
    bool is_done =
      daytona__file_reader_is_open(reader) && (int64_t)*size == daytona__file_reader_size(reader);
    if (code != DAYTONA_OK || is_done) return code;
    daytona__file_reader_refill(reader);
    if (got == 0) turn_until_event(seen);
  }
}

static void files_of_every_size_are_read(void **state) {
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    size_t size;
    daytona__file_reader_t *reader =
      daytona__file_reader_new(stage.loop, make("a", sizes[i]), on_event, NULL);
    assert_int_equal(read_all(reader, i % 2 != 0 ? 70000 : 16384, &size), DAYTONA_OK);
    assert_int_equal(size, sizes[i]);
    assert_int_equal(daytona__file_reader_size(reader), sizes[i]);
    daytona__file_reader_close(reader);
    unlink(in_folder("a"));
  }
}

static void what_cannot_be_read_is_an_error(void **state) {
  const char *text;
  assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
  const char *bad[] = {in_folder("none"), folder, in_folder("fifo")};
  for (size_t i = 0; i < 3; i++) {
    daytona__file_reader_t *reader = daytona__file_reader_new(stage.loop, bad[i], on_event, NULL);
    while (daytona__file_reader_error(reader, &text) == DAYTONA_OK) turn_until_event(events);
    assert_int_equal(daytona__file_reader_error(reader, &text), DAYTONA_EIO);
    assert_true(text[0] != '\0');
    assert_false(daytona__file_reader_is_open(reader));
    daytona__file_reader_close(reader);
  }
  unlink(in_folder("fifo"));
}

static void file_that_shrinks_is_an_error_and_one_that_grows_is_not(void **state) {
  for (int grows = 0; grows < 2; grows++) {
    size_t size, before = 4 * DAYTONA__FILE_BLOCK;
    daytona__file_reader_t *reader = daytona__file_reader_new(stage.loop, make("a", before), on_event, NULL);
    while (!daytona__file_reader_is_open(reader)) turn_until_event(events);
    assert_int_equal(truncate(in_folder("a"), grows ? before + 100 : 10), 0);
    assert_int_equal(read_all(reader, 70000, &size), grows ? DAYTONA_OK : DAYTONA_EIO);
    if (grows) assert_int_equal(size, before);
    daytona__file_reader_close(reader);
    unlink(in_folder("a"));
  }
}

/* --- writing ----------------------------------------------------------------------------------- */

static void write_all(daytona__file_writer_t *writer, size_t size, size_t piece) {
  char buffer[70000];
  const char *text;
  for (size_t at = 0; at < size;) {
    size_t count = size - at < piece ? size - at : piece, seen = events;
    for (size_t i = 0; i < count; i++) buffer[i] = byte_at(at + i);
    size_t put = daytona__file_writer_put(writer, buffer, count);
    at += put;
    if (daytona__file_writer_error(writer, &text) != DAYTONA_OK) return;
    if (put == 0) turn_until_event(seen);
  }
  daytona__file_writer_commit(writer);
  while (!daytona__file_writer_is_committed(writer) &&
         daytona__file_writer_error(writer, &text) == DAYTONA_OK)
    turn_until_event(events);
}

static void files_of_every_size_are_written(void **state) {
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    daytona__file_writer_t *writer = daytona__file_writer_new(stage.loop, in_folder("a"), on_event, NULL);
    write_all(writer, sizes[i], i % 2 != 0 ? 70000 : 4096);
    assert_true(daytona__file_writer_is_committed(writer));
    daytona__file_writer_close(writer);
    FILE *file = fopen(in_folder("a"), "r");
    for (size_t at = 0; at < sizes[i]; at++)
      if (fgetc(file) != (unsigned char)byte_at(at)) fail_msg("size %zu: byte %zu differs", sizes[i], at);
    assert_int_equal(fgetc(file), EOF);
    fclose(file);
    unlink(in_folder("a"));
  }
}

static void folders_are_made(void **state) {
  char name[] = "x//y/z/a";
  for (int again = 0; again < 2; again++) { /* the second time they are there */
    daytona__file_writer_t *writer = daytona__file_writer_new(stage.loop, in_folder(name), on_event, NULL);
    write_all(writer, 10, 10);
    assert_true(daytona__file_writer_is_committed(writer));
    daytona__file_writer_close(writer);
  }
  assert_int_equal(
    unlink(in_folder(name)) + rmdir(in_folder("x/y/z")) + rmdir(in_folder("x/y")) + rmdir(in_folder("x")), 0);
}

static void what_cannot_be_written_is_an_error_and_leaves_nothing(void **state) {
  const char *text;
  fclose(fopen(in_folder("plain"), "w"));
  assert_int_equal(mkdir(in_folder("folder"), 0700), 0);
  const char *bad[] = {in_folder("plain/below"), in_folder("folder"), "/proc/none/a", "/dev/full/a"};
  for (size_t i = 0; i < 4; i++) {
    daytona__file_writer_t *writer = daytona__file_writer_new(stage.loop, bad[i], on_event, NULL);
    write_all(writer, 10, 10);
    while (daytona__file_writer_error(writer, &text) == DAYTONA_OK) turn_until_event(events);
    assert_int_equal(daytona__file_writer_error(writer, &text), DAYTONA_EIO);
    assert_false(daytona__file_writer_is_committed(writer));
    daytona__file_writer_close(writer);
    uv_run(&stage.uv, UV_RUN_DEFAULT);
  }
  unlink(in_folder("plain"));
  assert_int_equal(rmdir(in_folder("folder")), 0);
}

/* Reported only when its room on the disk is free again. */
static void what_is_abandoned_is_gone_when_it_says_so(void **state) {
  for (int is_early = 0; is_early < 2; is_early++) {
    daytona__file_writer_t *writer = daytona__file_writer_new(stage.loop, in_folder("a"), on_event, NULL);
    if (!is_early) {
      assert_int_equal(daytona__file_writer_put(writer, "bytes", 5), 5);
      for (int i = 0; i < 2; i++) turn_until_event(events);
    }
    daytona__file_writer_abandon(writer);
    while (!daytona__file_writer_is_gone(writer)) turn_until_event(events);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_false(daytona__file_writer_is_committed(writer));
    daytona__file_writer_close(writer);
  }
}

static mode_t mode_of(const char *path) {
  struct stat now;
  assert_int_equal(lstat(path, &now), 0);
  return now.st_mode;
}

static daytona_errcode_t write_to(const char *path) {
  const char *text;
  daytona__file_writer_t *writer = daytona__file_writer_new(stage.loop, path, on_event, NULL);
  write_all(writer, 10, 10);
  while (daytona__file_writer_error(writer, &text) == DAYTONA_OK &&
         !daytona__file_writer_is_committed(writer))
    turn_until_event(events);
  daytona_errcode_t code = daytona__file_writer_error(writer, &text);
  daytona__file_writer_close(writer);
  uv_run(&stage.uv, UV_RUN_DEFAULT);
  return code;
}

static void replaced_file_leaves_its_permissions(void **state) {
  static const mode_t modes[] = {0600, 0640, 0666, 0755, 0444};
  for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
    assert_int_equal(chmod(make("a", 3), modes[i]), 0);
    assert_int_equal(write_to(in_folder("a")), DAYTONA_OK);
    assert_int_equal(mode_of(in_folder("a")) & 07777, modes[i]);
    unlink(in_folder("a"));
  }
}

static void link_is_followed_and_stays(void **state) {
  assert_int_equal(mkdir(in_folder("x"), 0700), 0);
  make("x/a", 3);
  assert_int_equal(symlink("x/a", in_folder("link")) + symlink("x/none", in_folder("loose")), 0);
  assert_int_equal(write_to(in_folder("link")), DAYTONA_OK);
  assert_true(S_ISLNK(mode_of(in_folder("link"))) && S_ISREG(mode_of(in_folder("x/a"))));
  struct stat now;
  assert_int_equal(stat(in_folder("x/a"), &now), 0);
  assert_int_equal(now.st_size, 10);
  assert_int_equal(write_to(in_folder("loose")), DAYTONA_EIO);
  assert_int_equal(
    unlink(in_folder("x/a")) + rmdir(in_folder("x")) + unlink(in_folder("link")) + unlink(in_folder("loose")),
    0);
}

/* As root, `cp` to /dev/null is harmless and a rename to it breaks the machine. */
static void what_is_no_file_is_not_replaced(void **state) {
  assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
  assert_int_equal(symlink("fifo", in_folder("link")), 0);
  assert_int_equal(write_to(in_folder("fifo")), DAYTONA_EIO);
  assert_int_equal(write_to(in_folder("link")), DAYTONA_EIO);
  assert_true(S_ISFIFO(mode_of(in_folder("fifo"))));
  unlink(in_folder("link"));
  unlink(in_folder("fifo"));
}

static void longest_names_can_be_written(void **state) {
  char name[256];
  memset(name, 'n', 255);
  name[255] = '\0';
  for (size_t i = 0; i + 3 <= 255; i += 3) memcpy(name + i, "\xe6\x97\xa5", 3);
  char path[400];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  assert_int_equal(write_to(path), DAYTONA_OK);
  assert_int_equal(unlink(path), 0);
}

/* A limit on file sizes: what does not fit is an error at any block, and nothing is left. */
static void disk_without_room_is_an_error_and_leaves_nothing(void **state) {
  struct rlimit before, small;
  void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
  const char *text;
  getrlimit(RLIMIT_FSIZE, &before);
  small = before;
  static const size_t rooms[] = {0, 1, DAYTONA__FILE_BLOCK - 1, DAYTONA__FILE_BLOCK,
                                 2 * DAYTONA__FILE_BLOCK + 1};
  for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++) {
    make("a", 3);
    small.rlim_cur = rooms[i];
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    daytona__file_writer_t *writer = daytona__file_writer_new(stage.loop, in_folder("a"), on_event, NULL);
    write_all(writer, 3 * DAYTONA__FILE_BLOCK, 70000);
    while (daytona__file_writer_error(writer, &text) == DAYTONA_OK) turn_until_event(events);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(daytona__file_writer_error(writer, &text), DAYTONA_EIO);
    assert_non_null(strstr(text, "too large"));
    daytona__file_writer_close(writer);
    uv_run(&stage.uv, UV_RUN_DEFAULT);
    struct stat now;
    assert_int_equal(stat(in_folder("a"), &now), 0); /* the old one */
    assert_int_equal(now.st_size, 3);
    assert_int_equal(unlink(in_folder("a")), 0);
  }
  signal(SIGXFSZ, handler);
}

/* --- closing ----------------------------------------------------------------------------------- */

/* Close after so many turns, with the loop's close at once behind it: that waits for the job. */
static void close_after(int turns, bool writes) {
  char bytes[1000] = "";
  daytona__file_reader_t *reader = NULL;
  daytona__file_writer_t *writer = NULL;
  stage_open(&stage);
  if (writes)
    writer = daytona__file_writer_new(stage.loop, in_folder("new/b"), on_event, NULL);
  else
    reader = daytona__file_reader_new(stage.loop, in_folder("a"), on_event, NULL);
  for (int i = 0; i < turns; i++) {
    uv_run(&stage.uv, i % 3 == 0 ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    if (writes && i == 2) daytona__file_writer_put(writer, bytes, sizeof bytes);
    if (writes && i == 4) daytona__file_writer_commit(writer);
  }
  bool is_committed = writes && daytona__file_writer_is_committed(writer);
  size_t seen = events;
  daytona__file_reader_close(reader);
  daytona__file_writer_close(writer);
  stage_close(&stage);            /* nothing of ours is left on the loop, and no block */
  assert_int_equal(events, seen); /* not told any more */
  assert_int_equal(unlink(in_folder("new/b")) == 0 || !is_committed, 1);
  rmdir(in_folder("new")); /* empty: no part file */
  assert_int_equal(access(in_folder("new"), F_OK), -1);
}

static void close_works_in_every_state(void **state) {
  stage_close(&stage);
  make("a", 3 * DAYTONA__FILE_BLOCK);
  for (int turns = 0; turns < 25; turns++) {
    close_after(turns, false);
    close_after(turns, true);
  }
  unlink(in_folder("a"));
  stage_open(&stage);
}

static void every_allocation_may_fail(void **state) {
  make("a", 10);
  for (size_t n = 0; n < 6; n++) {
    stage_fail_alloc(n);
    daytona__file_reader_t *reader = daytona__file_reader_new(stage.loop, in_folder("a"), on_event, NULL);
    assert_true((reader == NULL) == stage_alloc_failed());
    stage_fail_alloc(n);
    daytona__file_writer_t *writer = daytona__file_writer_new(stage.loop, in_folder("b"), on_event, NULL);
    assert_true((writer == NULL) == stage_alloc_failed());
    stage_alloc_restore();
    daytona__file_reader_close(reader);
    daytona__file_writer_close(writer);
    uv_run(&stage.uv, UV_RUN_DEFAULT);
  }
  unlink(in_folder("a"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

/* --- jobs that cannot begin -------------------------------------------------------------------- */

static bool close_fails;

int __real_uv_fs_close(uv_loop_t *loop, uv_fs_t *req, uv_file file, uv_fs_cb cb);
int __wrap_uv_fs_close(uv_loop_t *loop, uv_fs_t *req, uv_file file, uv_fs_cb cb);
int __wrap_uv_fs_close(uv_loop_t *loop, uv_fs_t *req, uv_file file, uv_fs_cb cb) {
  if (!close_fails || cb == NULL) return __real_uv_fs_close(loop, req, file, cb);
  memset(req, 0, sizeof *req);
  return UV_ENOMEM;
}

static int open_descriptors(void) {
  int count = 0;
  for (int fd = 0; fd < 1024; fd++) count += fcntl(fd, F_GETFD) != -1;
  return count;
}

static void no_descriptor_stays_when_closing_cannot_begin(void **state) {
  int before = open_descriptors();
  size_t seen = events;
  daytona__file_reader_t *reader = daytona__file_reader_new(stage.loop, make("a", 10), on_event, NULL);
  while (!daytona__file_reader_is_open(reader)) {
    turn_until_event(seen);
    seen = events;
  }
  assert_int_equal(open_descriptors(), before + 1);
  close_fails = true;
  daytona__file_reader_close(reader);
  stage_spin(&stage, 5);
  close_fails = false;
  assert_int_equal(open_descriptors(), before);
  unlink(in_folder("a"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(files_of_every_size_are_read),
    TEST(what_cannot_be_read_is_an_error),
    TEST(file_that_shrinks_is_an_error_and_one_that_grows_is_not),
    TEST(files_of_every_size_are_written),
    TEST(folders_are_made),
    TEST(what_cannot_be_written_is_an_error_and_leaves_nothing),
    TEST(what_is_abandoned_is_gone_when_it_says_so),
    TEST(replaced_file_leaves_its_permissions),
    TEST(link_is_followed_and_stays),
    TEST(what_is_no_file_is_not_replaced),
    TEST(longest_names_can_be_written),
    TEST(disk_without_room_is_an_error_and_leaves_nothing),
    TEST(close_works_in_every_state),
    TEST(every_allocation_may_fail),
    TEST(no_descriptor_stays_when_closing_cannot_begin),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
