/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening, making and walking below a directory in which somebody hostile has put links.
 */
#include "base/beneath.h"

#include "base/base.h"
#include "base/buf.h"
#include "control/store/removal.h"

#include <errno.h>
#include <fcntl.h>
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
static int root; /* of top/in; top/out is what must not be reached */

static void make_file(int dir, const char *name, const char *text) {
  int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
  assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
  close(fd);
}

static int setup(void **state) {
  (void)state;
  strcpy(top, "/tmp/dl-beneath-XXXXXX");
  if (!mkdtemp(top)) return -1;
  int at = open(top, O_RDONLY | O_DIRECTORY);
  assert_int_equal(mkdirat(at, "in", 0700), 0);
  assert_int_equal(mkdirat(at, "in/a", 0700), 0);
  assert_int_equal(mkdirat(at, "in/a/b", 0700), 0);
  assert_int_equal(mkdirat(at, "out", 0700), 0);
  assert_int_equal(mkdirat(at, "out/b", 0700), 0);
  make_file(at, "in/a/b/file", "inside");
  make_file(at, "out/file", "outside");
  assert_int_equal(symlinkat("../out", at, "in/link"), 0);
  assert_int_equal(symlinkat("../out/file", at, "in/filelink"), 0);
  assert_int_equal(symlinkat("a", at, "in/inner"), 0);
  assert_int_equal(symlinkat("nowhere", at, "in/dangling"), 0);
  assert_int_equal(symlinkat("/proc/self/root", at, "in/a/root"), 0);
  close(at);
  char *path = dl_xprintf("%s/in", top);
  root = open(path, O_PATH | O_DIRECTORY);
  free(path);
  return root < 0 ? -1 : 0;
}

static int teardown(void **state) {
  (void)state;
  close(root);
  return dl_remove_tree(top, NULL);
}

typedef int (*opener_fn)(int root, const char *path, int flags);
static const opener_fn OPENERS[] = {dl_beneath_open, dl_beneath_open_parts};

static void opens_what_lies_below(void **state) {
  (void)state;
  static const char *const paths[] = {"a/b/file", "./a//b/./file"};
  static const char *const dirs[] = {"", ".", "./", "a", "a/", "a/b/.", "./a/./b//"};
  for (size_t o = 0; o < DL_COUNT(OPENERS); o++) {
    for (size_t i = 0; i < DL_COUNT(paths); i++) {
      char text[16] = "";
      int fd = OPENERS[o](root, paths[i], O_RDONLY);
      assert_true(fd >= 0 && read(fd, text, sizeof text) == 6);
      assert_string_equal(text, "inside");
      assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
      close(fd);
    }
    for (size_t i = 0; i < DL_COUNT(dirs); i++) {
      struct stat st;
      int fd = OPENERS[o](root, dirs[i], O_PATH | O_DIRECTORY);
      assert_true(fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode));
      close(fd);
    }
  }
}

static void follows_no_link_and_goes_nowhere_else(void **state) {
  (void)state;
  static const char *const links[] = {"link",     "link/",      "link/file", "link/b",   "link/.",
                                      "filelink", "inner",      "inner/b",   "inner/b/", "dangling",
                                      "a/root",   "a/root/etc", "./link/b",  "a/./root"};
  static const char *const away[] = {"/", "/etc", "..", "../out", "a/../a", "a/..", "a/b/../../../out/file"};
  static const int flags[] = {O_PATH, O_RDONLY, O_PATH | O_DIRECTORY, O_RDONLY | O_DIRECTORY, O_RDWR};
  for (size_t o = 0; o < DL_COUNT(OPENERS); o++) {
    for (size_t f = 0; f < DL_COUNT(flags); f++) {
      for (size_t i = 0; i < DL_COUNT(links); i++) {
        errno = 0;
        if (OPENERS[o](root, links[i], flags[f]) >= 0) fail_msg("%s was opened", links[i]);
        if (errno != ELOOP && errno != ENOTDIR) fail_msg("%s: %s", links[i], strerror(errno));
      }
      for (size_t i = 0; i < DL_COUNT(away); i++) {
        errno = 0;
        assert_int_equal(OPENERS[o](root, away[i], flags[f]), -1);
        assert_int_equal(errno, EXDEV);
      }
    }
  }
}

static void says_what_is_wrong(void **state) {
  (void)state;
  char name[300];
  memset(name, 'x', sizeof name - 1);
  name[sizeof name - 1] = '\0';
  for (size_t o = 0; o < DL_COUNT(OPENERS); o++) {
    assert_int_equal(OPENERS[o](root, "a/none", O_PATH), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(OPENERS[o](root, "none/b", O_PATH), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(OPENERS[o](root, "a/b/file/x", O_PATH), -1);
    assert_int_equal(errno, ENOTDIR);
    assert_int_equal(OPENERS[o](root, name, O_PATH), -1);
    assert_int_equal(errno, ENAMETOOLONG);
  }
}

static mode_t mode_of(int fd) {
  struct stat st;
  assert_int_equal(fstat(fd, &st), 0);
  return st.st_mode & 07777;
}

static void makes_directories_with_their_mode(void **state) {
  (void)state;
  mode_t before = umask(077);
  int fd = dl_beneath_make(root, "a/new/./deep/", 0757, (uid_t)-1);
  umask(before);
  assert_true(fd >= 0);
  assert_int_equal(mode_of(fd), 0757);
  close(fd);
  fd = dl_beneath_open(root, "a/new", O_PATH);
  assert_int_equal(mode_of(fd), 0757);
  close(fd);
  fd = dl_beneath_make(root, "a", 0777, (uid_t)-1);
  assert_int_equal(mode_of(fd), 0700); /* it was there */
  close(fd);
  fd = dl_beneath_make(root, "", 0777, (uid_t)-1);
  assert_int_equal(mode_of(fd), 0700);
  close(fd);
}

static void makes_nothing_elsewhere(void **state) {
  (void)state;
  static const char *const paths[] = {"link/made", "inner/made", "a/b/file/made", "dangling/made",
                                      "dangling",  "link",       "a/b/file"};
  for (size_t i = 0; i < DL_COUNT(paths); i++) {
    assert_int_equal(dl_beneath_make(root, paths[i], 0777, (uid_t)-1), -1);
    assert_int_equal(errno, ENOTDIR);
  }
  static const char *const away[] = {"../made", "made/../../made", "/made"};
  for (size_t i = 0; i < DL_COUNT(away); i++) {
    assert_int_equal(dl_beneath_make(root, away[i], 0777, (uid_t)-1), -1);
    assert_int_equal(errno, EXDEV);
  }
  assert_int_equal(dl_beneath_open(root, "made", O_PATH), -1);
  char *path = dl_xprintf("%s/out/made", top);
  assert_int_not_equal(access(path, F_OK), 0);
  free(path);
}

static void changes_what_was_opened(void **state) {
  (void)state;
  int fd = dl_beneath_open(root, "a", O_PATH);
  assert_int_equal(renameat(root, "a", root, "moved"), 0);
  assert_int_equal(symlinkat("../out", root, "a"), 0);
  assert_int_equal(dl_beneath_chmod(fd, 0711), 0);
  assert_int_equal(mode_of(fd), 0711);
  if (dl_beneath_set_xattr(fd, "user.test", "1", 1) == 0) {
    char *path = dl_xprintf("%s/in/moved", top);
    char value;
    assert_int_equal(getxattr(path, "user.test", &value, 1), 1);
    free(path);
  }
  close(fd);
  char *path = dl_xprintf("%s/out", top);
  fd = open(path, O_PATH);
  assert_int_equal(mode_of(fd), 0700);
  close(fd);
  free(path);
}

/* --- walking --- */

typedef struct {
  char seen[1024];
  size_t count;
  const char *stops_at, *moves_at;
} notes_t;

static int note(const dl_beneath_entry_t *entry, void *user) {
  notes_t *n = user;
  struct stat st;
  n->count++;
  assert_int_equal(fstatat(entry->dir, entry->name, &st, AT_SYMLINK_NOFOLLOW), 0);
  assert_true(st.st_ino == entry->st.st_ino && st.st_mode == entry->st.st_mode);
  assert_string_equal(strrchr(entry->path, '/') ? strrchr(entry->path, '/') + 1 : entry->path, entry->name);
  if (strlen(entry->path) < 100) {
    strcat(n->seen, " ");
    strcat(n->seen, entry->path);
  }
  if (n->moves_at && strcmp(entry->path, n->moves_at) == 0)
    assert_int_equal(renameat(root, "a/b", root, "../out/taken"), 0);
  return n->stops_at && strcmp(entry->path, n->stops_at) == 0 ? EINTR : 0;
}

static bool comes_after(const notes_t *n, const char *first, const char *then) {
  const char *a = strstr(n->seen, first), *b = strstr(n->seen, then);
  return a && b && a < b;
}

static void walks_over_everything_once(void **state) {
  (void)state;
  notes_t n = {0};
  assert_int_equal(dl_beneath_walk(root, note, &n), 0);
  assert_int_equal(n.count, 8);
  assert_true(comes_after(&n, " a", " a/b") && comes_after(&n, " a/b", " a/b/file"));
  assert_non_null(strstr(n.seen, " link"));
  assert_null(strstr(n.seen, "link/"));
  assert_null(strstr(n.seen, "root/"));
}

static void a_walk_ends_when_it_is_told(void **state) {
  (void)state;
  notes_t n = {.stops_at = "a/b"};
  assert_int_equal(dl_beneath_walk(root, note, &n), EINTR);
  assert_null(strstr(n.seen, "file "));
  assert_int_equal(dl_beneath_walk(-1, note, &n), EBADF);
}

static void a_walk_does_not_follow_what_is_moved_away(void **state) {
  (void)state;
  notes_t n = {.moves_at = "a/b/file"};
  assert_int_equal(dl_beneath_walk(root, note, &n), ESTALE);
  assert_null(strstr(n.seen, "out"));
}

static void no_tree_is_too_deep(void **state) {
  (void)state;
  enum { DEPTH = 3000 };
  dl_buf_t path;
  dl_buf_init(&path, 1 << 20);
  int at = dup(root);
  for (int i = 0; i < DEPTH; i++) {
    assert_int_equal(mkdirat(at, "directory", 0700), 0);
    int next = openat(at, "directory", O_RDONLY | O_DIRECTORY);
    close(at);
    at = next;
    dl_buf_puts(&path, "directory/");
  }
  make_file(at, "bottom", "inside");
  close(at);
  notes_t n = {0};
  assert_int_equal(dl_beneath_walk(root, note, &n), 0);
  assert_int_equal(n.count, 8 + DEPTH + 1);
  dl_buf_puts(&path, "bottom");
  for (size_t o = 0; o < DL_COUNT(OPENERS); o++) {
    int fd = OPENERS[o](root, path.data, O_RDONLY);
    assert_true(fd >= 0);
    close(fd);
  }
  dl_buf_clear(&path);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
    T(opens_what_lies_below),
    T(follows_no_link_and_goes_nowhere_else),
    T(says_what_is_wrong),
    T(makes_directories_with_their_mode),
    T(makes_nothing_elsewhere),
    T(changes_what_was_opened),
    T(walks_over_everything_once),
    T(a_walk_ends_when_it_is_told),
    T(a_walk_does_not_follow_what_is_moved_away),
    T(no_tree_is_too_deep),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
