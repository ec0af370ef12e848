/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wildcards: what a pattern stands for, on a disk of its own. That Python finds the same is compared in
 * tests/interop.
 */
#include "core/glob.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <daytona/error.h>

#include "core/memory.h"
#include "support/alloc.h"
#include "support/check.h"
#include "support/local_files.h"

#define ROWS(array) (sizeof(array) / sizeof(array)[0])

static void names_match_patterns(void **state) {
  static const struct {
    const char *pattern, *name;
    bool matches;
  } rows[] = {
    {"a", "a", true},
    {"a", "b", false},
    {"a", "", false},
    {"", "", true},
    {"", "a", false},
    {"*", "", true},
    {"*", "abc", true},
    {"**", "a", true},
    {"a*c", "abbc", true},
    {"a*c", "ab", false},
    {"*a*b*", "xaxbx", true},
    {"*ab", "aab", true},
    {"?", "a", true},
    {"?", "", false},
    {"?", "\xc3\xa9", true},
    {"??", "\xc3\xa9", false},
    {"?", "\xff", true},
    {"[ab]", "b", true},
    {"[ab]", "c", false},
    {"[!ab]", "c", true},
    {"[!ab]", "a", false},
    {"[a-c]", "b", true},
    {"[a-c]", "d", false},
    {"[c-a]", "b", false},
    {"[!c-a]", "b", true},
    {"[]]", "]", true},
    {"[!]]", "]", false},
    {"[!]]", "a", true},
    {"[]a]", "a", true},
    {"[a-]", "-", true},
    {"[-a]", "-", true},
    {"[a-c-e]", "-", true},
    {"[a-c-e]", "d", false},
    {"[", "[", true},
    {"[a", "[a", true},
    {"[]", "[]", true},
    {"[!]", "[!]", true},
    {"[^a]", "^", true},
    {"[^a]", "b", false},
    {"[[]", "[", true},
    {"\\*", "\\x", true},
    {"\\*", "*", false},
    {"[\xc3\xa9-\xc3\xbf]", "\xc3\xb6", true},
    {"a*[", "ab[", true},
    {"*?", "a", true},
    {"*?", "", false},
    {"[a][b]", "ab", true},
    {"\xff*", "\xff\xfe", true},
    {"\xff", "\xfe", false},
  };
  for (size_t i = 0; i < ROWS(rows); i++)
    if (daytona__glob_matches(rows[i].pattern, rows[i].name) != rows[i].matches)
      fail_msg("<%s> and <%s>", rows[i].pattern, rows[i].name);
}

static void many_stars_take_no_long_time(void **state) {
  char pattern[2001], name[4001];
  for (size_t i = 0; i < 2000; i += 2) memcpy(pattern + i, "*a", 2);
  strcpy(pattern + 1998, "*b");
  memset(name, 'a', 4000);
  name[4000] = '\0';
  assert_false(daytona__glob_matches(pattern, name));
}

/* --- folders ----------------------------------------------------------------------------------- */

static char before[4096], folder[64];

static int folder_open(void **state) {
  const char *temp = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%s/globXXXXXX", temp != NULL && strlen(temp) < 40 ? temp : "/tmp");
  assert_non_null(getcwd(before, sizeof before));
  assert_non_null(mkdtemp(folder));
  assert_int_equal(chdir(folder), 0);
  mkdir("d", 0755), mkdir("d/e", 0755), mkdir("f", 0755), mkdir(".h", 0755);
  static const char *const names[] = {"b", "a", ".x", "d/c.txt", "d/b.txt", "d/e/z", "f/b.txt", ".h/y"};
  for (size_t i = 0; i < ROWS(names); i++) local_write(names[i], "", 0);
  assert_int_equal(symlink("d", "l"), 0);
  assert_int_equal(symlink("nowhere", "g"), 0);
  return 0;
}

static int folder_close(void **state) {
  char command[128];
  assert_int_equal(chdir(before), 0);
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  return system(command);
}

typedef struct found {
  char text[1024];
  int count, stops_at;
  bool must_stop;
} found_t;

static int on_match(const char *path, void *user) {
  found_t *found = user;
  if (++found->count == found->stops_at) return 77;
  assert_true(strlen(found->text) + strlen(path) + 2 < sizeof found->text);
  strcat(strcat(found->text, path), "|");
  return 0;
}

static bool must_stop(void *user) { return ((found_t *)user)->must_stop; }

static void paths_are_found_in_order(void **state) {
  static const char *const rows[][2] = {
    {"", ""},
    {"a", "a|"},
    {"none", ""},
    {"g", "g|"},
    {"g/", ""},
    {"d/", "d/|"},
    {"a/", ""},
    {"*", "a|b|d|f|g|l|"},
    {".*", ".h|.x|"},
    {"[ab]", "a|b|"},
    {"*/", "d/|f/|l/|"},
    {"*/b.txt", "d/b.txt|f/b.txt|l/b.txt|"},
    {"*/*.txt", "d/b.txt|d/c.txt|f/b.txt|l/b.txt|l/c.txt|"},
    {"*/*/z", "d/e/z|l/e/z|"},
    {"*/none", ""},
    {"./*", "./a|./b|./d|./f|./g|./l|"},
    {"d//*.txt", "d/b.txt|d/c.txt|"},
    {"*//c.txt", "d/c.txt|l/c.txt|"},
    {"d/../?", "d/../a|d/../b|d/../d|d/../f|d/../g|d/../l|"},
    {"a/*", ""},
    {"none/*", ""},
    {"**/c.txt", "d/c.txt|l/c.txt|"},
  };
  for (size_t i = 0; i < ROWS(rows); i++) {
    found_t found = {.text = ""};
    assert_int_equal(daytona__glob(rows[i][0], i % 2 != 0, on_match, must_stop, &found), 0);
    if (strcmp(found.text, rows[i][1]) != 0) fail_msg("<%s> gave <%s>", rows[i][0], found.text);
  }
}

static void it_can_be_stopped(void **state) {
  found_t found = {.stops_at = 2};
  assert_int_equal(daytona__glob("*", false, on_match, must_stop, &found), 77);
  assert_int_equal(found.count, 2);
  found = (found_t){.must_stop = true};
  assert_int_equal(daytona__glob("*", false, on_match, must_stop, &found), DAYTONA_ECANCELED);
  assert_int_equal(found.count, 0);
}

static void depth_has_a_ceiling(void **state) {
  char pattern[2 * (DAYTONA__GLOB_DEPTH_MAX + 4)] = "";
  found_t found = {.text = ""};
  for (int i = 0; i < DAYTONA__GLOB_DEPTH_MAX; i++) strcat(pattern, "*/");
  assert_int_equal(daytona__glob(pattern, false, on_match, must_stop, &found), 0);
  strcat(pattern, "*/x");
  assert_int_equal(daytona__glob(pattern, false, on_match, must_stop, &found), DAYTONA_ELIMIT);
}

static void length_has_a_ceiling(void **state) {
  char pattern[DAYTONA__GLOB_PATTERN_MAX + 3];
  found_t found = {.text = ""};
  memset(pattern, 'a', sizeof pattern - 1);
  pattern[0] = '*';
  pattern[sizeof pattern - 2] = '\0';
  assert_int_equal(daytona__glob(pattern, false, on_match, must_stop, &found), DAYTONA_ELIMIT);
  pattern[sizeof pattern - 3] = '\0';
  assert_int_equal(daytona__glob(pattern, false, on_match, must_stop, &found), 0);
  memset(pattern, 'a', sizeof pattern - 1);
  pattern[sizeof pattern - 1] = '\0';
  assert_int_equal(daytona__glob(pattern, false, on_match, must_stop, &found),
                   0); /* no file, but no pattern */
}

static void without_memory(void *user) {
  found_t found = {.text = ""};
  int rc = daytona__glob("*/*/../*.txt", false, on_match, must_stop, &found);
  assert_true(rc == 0 || (rc == DAYTONA_ENOMEM && support_alloc_failed() != 0));
}

static void a_lack_of_memory_is_an_error(void **state) {
  support_alloc_install();
  support_alloc_sweep(without_memory, NULL);
  support_alloc_remove();
}

int main(void) {
#define FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_open, folder_close)
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(names_match_patterns),
    cmocka_unit_test(many_stars_take_no_long_time),
    FOLDER(paths_are_found_in_order),
    FOLDER(it_can_be_stopped),
    FOLDER(depth_has_a_ceiling),
    FOLDER(length_has_a_ceiling),
    FOLDER(a_lack_of_memory_is_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
