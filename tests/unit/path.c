/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths as texts; the expected values are what Python's posixpath and pathlib make of them.
 */
#include "core/path.h"

#include <string.h>

#include "core/memory.h"
#include "support/alloc.h"
#include "support/check.h"

#define ROWS(array) (sizeof(array) / sizeof(array)[0])

typedef void (*put_t)(daytona__strbuf_t *out, const char *path);

static void expect(put_t put, const char *path, const char *wanted) {
  daytona__strbuf_t out;
  daytona__strbuf_init(&out, 256);
  daytona__strbuf_puts(&out, "x/");
  put(&out, path);
  assert_int_equal(out.error, 0);
  if (strcmp(out.data + 2, wanted) != 0 || memcmp(out.data, "x/", 2) != 0)
    fail_msg("<%s> gave <%s>, not <%s>", path, out.data + 2, wanted);
  assert_int_equal(out.size, strlen(out.data));
  daytona__strbuf_clear(&out);
}

static void normal_archive_and_pure_paths(void **state) {
  static const struct {
    const char *path, *normal, *archive, *pure;
  } rows[] = {
    {"", ".", ".", "."},
    {".", ".", ".", "."},
    {"..", "..", "..", ".."},
    {"a", "a", "a", "a"},
    {"a/", "a", "a", "a"},
    {"./a", "a", "a", "a"},
    {"a//b/../c", "a/c", "a/c", "a/b/../c"},
    {"a/b/", "a/b", "a/b", "a/b"},
    {"a/..", ".", ".", "a/.."},
    {"a/../..", "..", "..", "a/../.."},
    {"../z", "../z", "../z", "../z"},
    {"../../z/..", "../..", "../..", "../../z/.."},
    {"/", "/", "", "/"},
    {"//", "//", "", "//"},
    {"///", "/", "", "/"},
    {"/a/b/", "/a/b", "a/b", "/a/b"},
    {"//a", "//a", "a", "//a"},
    {"///a", "/a", "a", "/a"},
    {"/..", "/", "", "/.."},
    {"/../a", "/a", "a", "/../a"},
    {"//..//a/.", "//a", "a", "//../a"},
    {"\\a", "\\a", "a", "\\a"},
    {"/\\\\a", "/\\\\a", "a", "/\\\\a"},
    {"\\/a", "\\/a", "/a", "\\/a"},
    {"a/.../b", "a/.../b", "a/.../b", "a/.../b"},
    {"..a/b..", "..a/b..", "..a/b..", "..a/b.."},
    {"\xc3\xa9/../\xe6\x97\xa5", "\xe6\x97\xa5", "\xe6\x97\xa5", "\xc3\xa9/../\xe6\x97\xa5"},
  };
  for (size_t i = 0; i < ROWS(rows); i++) {
    expect(daytona__path_put_normal, rows[i].path, rows[i].normal);
    expect(daytona__path_put_archive, rows[i].path, rows[i].archive);
    expect(daytona__path_put_pure, rows[i].path, rows[i].pure);
  }
}

static void names_are_the_last_part(void **state) {
  static const char *const rows[][2] = {
    {"", ""},     {"/", ""},      {".", ""},        {"./.", ""},  {"a", "a"}, {"a/b", "b"},  {"a/", "a"},
    {"a/.", "a"}, {"a/..", ".."}, {"/x//y//", "y"}, {"..", ".."}, {"~", "~"}, {"a/.b", ".b"}};
  for (size_t i = 0; i < ROWS(rows); i++) {
    size_t size;
    const char *name = daytona__path_name(rows[i][0], &size);
    assert_int_equal(size, strlen(rows[i][1]));
    assert_memory_equal(name, rows[i][1], size);
  }
}

static void joined(const char *folder, const char *name, const char *wanted) {
  daytona__strbuf_t out;
  daytona__strbuf_init(&out, 64);
  daytona__path_put_joined(&out, folder, name);
  assert_string_equal(out.data, wanted);
  daytona__strbuf_clear(&out);
}

static void paths_are_joined(void **state) {
  joined("", "a", "a");
  joined("d", "a", "d/a");
  joined("d/", "a", "d/a");
  joined("d", "", "d/");
  joined("", "", "");
  joined("d", "/a", "/a");
  joined("/", "a", "/a");
}

static void home(const char *folder, const char *rest, const char *wanted) {
  daytona__strbuf_t out;
  daytona__strbuf_init(&out, 64);
  daytona__path_put_home(&out, folder, rest);
  assert_string_equal(out.data, wanted);
  daytona__strbuf_clear(&out);
}

static void a_home_is_put_in_front(void **state) {
  home("/home/me", "/a", "/home/me/a");
  home("/home/me//", "", "/home/me");
  home("/", "/a", "/a");
  home("/", "", "/");
  home("", "", "/");
}

static void a_full_buffer_is_an_error(void **state) {
  static const put_t puts[] = {daytona__path_put_normal, daytona__path_put_archive, daytona__path_put_pure};
  for (size_t i = 0; i < ROWS(puts); i++)
    for (size_t max = 0; max < 7; max++) {
      daytona__strbuf_t out;
      daytona__strbuf_init(&out, max);
      puts[i](&out, "//a/b/c");
      assert_int_not_equal(out.error, 0);
      daytona__strbuf_clear(&out);
    }
}

static void without_memory(void *user) {
  daytona__strbuf_t out;
  char path[400];
  memset(path, 'a', sizeof path - 1);
  path[sizeof path - 1] = '\0';
  daytona__strbuf_init(&out, 2000);
  daytona__path_put_archive(&out, path);
  daytona__path_put_joined(&out, path, path);
  assert_true((out.error != 0) == (support_alloc_failed() != 0));
  daytona__strbuf_clear(&out);
}

static void a_lack_of_memory_is_an_error(void **state) {
  support_alloc_install();
  support_alloc_sweep(without_memory, NULL);
  support_alloc_remove();
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(normal_archive_and_pure_paths),
    cmocka_unit_test(names_are_the_last_part),
    cmocka_unit_test(paths_are_joined),
    cmocka_unit_test(a_home_is_put_in_front),
    cmocka_unit_test(a_full_buffer_is_an_error),
    cmocka_unit_test(a_lack_of_memory_is_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
