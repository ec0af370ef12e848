/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dependencies of a pyproject.toml: what is kept, what is refused.
 */
#include "wire/pyproject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <daytona/error.h>

#include "core/memory.h"
#include "support/alloc.h"
#include "support/check.h"

#define ROWS(array) (sizeof(array) / sizeof(array)[0])

static int read_text(daytona__pyproject_t *out, daytona__arena_t *arena, const char *text) {
  size_t size = strlen(text);
  char *exact = malloc(size != 0 ? size : 1);
  memcpy(exact, text, size);
  daytona__arena_init(arena, 0);
  int rc = daytona__pyproject_read(out, arena, exact, size);
  free(exact);
  return rc;
}

/* "a|b|" for the dependencies, then "name: c|" for each group, "!" behind what is no list of strings. */
static void expect(const char *text, const char *wanted) {
  daytona__pyproject_t project;
  daytona__arena_t arena;
  char said[512] = "";
  int rc = read_text(&project, &arena, text);
  if (rc != 0) fail_msg("<%s>: line %u: %s", text, project.line, project.problem);
  for (const daytona__pyproject_list_t *list = project.lists; list != NULL; list = list->next) {
    if (list->name != NULL) sprintf(said + strlen(said), "%s: ", list->name);
    for (size_t i = 0; i < list->count; i++) sprintf(said + strlen(said), "%s|", list->items[i]);
    if (list->is_bad) strcat(said, "!");
  }
  if (strcmp(said, wanted) != 0) fail_msg("<%s> gave <%s>, not <%s>", text, said, wanted);
  daytona__arena_clear(&arena);
}

static void dependencies_and_groups_are_kept(void **state) {
  static const char *const rows[][2] = {
    {"", ""},
    {"[project]\ndependencies = ['a', \"b\"]", "a|b|"},
    {"[project]\ndependencies = []\n", ""},
    {"\xef\xbb\xbf[ project ] # c\r\n dependencies=[\r\n 'a' , # c ]\r\n\t'b',\r\n ] # c\r\n", "a|b|"},
    {"project.dependencies = ['a']\n", "a|"},
    {"\"project\" . 'dependencies' = ['a']\n", "a|"},
    {"project = { name = 'x', dependencies = ['a'], optional-dependencies = { g = ['b'] } }", "a|g: b|"},
    {"[project.optional-dependencies]\ng = ['a']\n\"h i\" = []\n[project]\ndependencies = ['b']",
     "g: a|h i: b|"},
    {"[project]\noptional-dependencies.g = ['a']\noptional-dependencies = {}\n", "g: a|"},
    {"[project.optional-dependencies.g]\nx = ['a']", "g: !"},
    {"[project]\noptional-dependencies.g = 'a'\noptional-dependencies.h = ['a', 1, ['b'], 'c']",
     "g: !h: a|!"},
    {"[[project.dependencies]]\nx = ['a']", "!"},
    {"[other]\ndependencies = ['a']\n[project.other]\ndependencies = "
     "['a']\n[other.project]\ndependencies=['a']",
     ""},
    {"[[project]]\ndependencies = ['a']", ""},
    {"[project]\nx = { dependencies = ['a'] }\n[x]\nproject = {dependencies = ['a']}", ""},
  };
  for (size_t i = 0; i < ROWS(rows); i++) expect(rows[i][0], rows[i][1]);
}

static void strings_are_read(void **state) {
  static const char *const rows[][2] = {
    {"'a\\b\"c'", "a\\b\"c|"},
    {"\"a\\\"\\\\\\b\\t\\n\\f\\r\\u00e9\\U0001F600\"", "a\"\\\b\t\n\f\r\xc3\xa9\xf0\x9f\x98\x80|"},
    {"'''\na'b''c\nd'''", "a'b''c\nd|"},
    {"'''a'''''", "a''|"},
    {"\"\"\"\r\na\r\nb\\\n \t\r\n  c\"\"\"", "a\nbc|"},
    {"\"\"\"a\"\"b\\\"\"\"\"\"\"", "a\"\"b\"\"\"|"},
    {"\"\", ''", "||"},
    {"\"\t\"", "\t|"},
  };
  char text[256];
  for (size_t i = 0; i < ROWS(rows); i++) {
    snprintf(text, sizeof text, "[project]\ndependencies = [%s]", rows[i][0]);
    expect(text, rows[i][1]);
  }
}

static void other_values_are_passed_over(void **state) {
  static const char *const values[] = {"1",
                                       "+1_000",
                                       "-0x1F",
                                       "1.5e-3",
                                       "inf",
                                       "-nan",
                                       "true",
                                       "false",
                                       "1979-05-27T07:32:00Z",
                                       "1979-05-27 07:32:00.5-07:00",
                                       "07:32:00",
                                       "[]",
                                       "[[1], ['a', {x = 1}],]",
                                       "{}",
                                       "{a.b = 1, 'c' = [\n1\n]}",
                                       "'''x\ny'''",
                                       "\"]\"",
                                       "[ # c\n1, # c\n# c\n]"};
  char text[256];
  for (size_t i = 0; i < ROWS(values); i++) {
    snprintf(text, sizeof text, "x = %s # c\n[project]\ny = %s\ndependencies = ['a']", values[i], values[i]);
    expect(text, "a|");
  }
}

static void what_is_missing_is_said(void **state) {
  static const struct {
    const char *text;
    bool has_project, has_dependencies, has_bad_groups;
  } rows[] = {
    {"", false, false, false},
    {"project = 1", false, false, false},
    {"[[project]]", false, false, false},
    {"[[project]]\n[project.urls]", false, false, false},
    {"[project]", true, false, false},
    {"[project.urls]", true, false, false},
    {"[project]\ndependencies = 1", true, false, false},
    {"[project.dependencies]", true, false, false},
    {"[project]\ndependencies = []\noptional-dependencies = []", true, true, true},
    {"[project]\ndependencies = []\n[[project.optional-dependencies]]", true, true, true},
    {"[project]\ndependencies = []\n[project.optional-dependencies]", true, true, false},
  };
  for (size_t i = 0; i < ROWS(rows); i++) {
    daytona__pyproject_t project;
    daytona__arena_t arena;
    assert_int_equal(read_text(&project, &arena, rows[i].text), 0);
    assert_int_equal(project.has_project, rows[i].has_project);
    assert_int_equal(project.has_dependencies, rows[i].has_dependencies);
    assert_int_equal(project.has_bad_groups, rows[i].has_bad_groups);
    daytona__arena_clear(&arena);
  }
}

static void refuse(const char *text, unsigned line, const char *problem) {
  daytona__pyproject_t project;
  daytona__arena_t arena;
  if (read_text(&project, &arena, text) != DAYTONA_EINVAL) fail_msg("<%s> was accepted", text);
  if (project.line != line || strstr(project.problem, problem) == NULL)
    fail_msg("<%s>: line %u: %s", text, project.line, project.problem);
  daytona__arena_clear(&arena);
}

static void what_is_no_toml_is_refused(void **state) {
  static const struct {
    const char *text;
    unsigned line;
    const char *problem;
  } rows[] = {
    {"\xff", 1, "UTF-8"},
    {"a", 1, "'=' is missing"},
    {"\n\n= 1", 3, "key is missing"},
    {"a. = 1", 1, "key is missing"},
    {"a =", 1, "value is missing"},
    {"a = b", 1, "value is missing"},
    {"a = +", 1, "value is missing"},
    {"a = tru", 1, "value is missing"},
    {"a = 1 b = 2", 1, "behind the value"},
    {"a = 1 2", 1, "behind the value"},
    {"a = '1' 2", 1, "behind the value"},
    {"a = [1 2]", 1, "array is not closed"},
    {"a = [1,,2]", 1, "value is missing"},
    {"a = [\n1,\n", 3, "value is missing"},
    {"a = {b = 1", 1, "inline table is not closed"},
    {"a = {b = 1,}", 1, "key is missing"},
    {"a = {\nb = 1}", 1, "key is missing"},
    {"[a", 1, "table is not closed"},
    {"[a]]", 1, "behind the value"},
    {"[[a]", 1, "table is not closed"},
    {"[]", 1, "key is missing"},
    {"[a] b = 1", 1, "behind the value"},
    {"a = 'x", 1, "not closed"},
    {"a = \"x\ny\"", 1, "not closed"},
    {"a = '''\nx''", 2, "not closed"},
    {"a = \"\\x\"", 1, "bad escape"},
    {"a = \"\\u12\"", 1, "bad escape"},
    {"a = \"\\ud800\"", 1, "no character"},
    {"a = \"\\u0000\"", 1, "no character"},
    {"a = \"\\U00110000\"", 1, "no character"},
    {"a = \"\x01\"", 1, "control character"},
    {"# \x01", 1, "control character"},
    {"a = 1\rb = 2", 1, "behind the value"},
    {"[project]\ndependencies = []\ndependencies = []", 3, "comes twice"},
    {"[project.optional-dependencies]\ng = []\n'g' = []", 3, "comes twice"},
    {"\"\"\"a\"\"\" = 1", 1, "'=' is missing"},
  };
  for (size_t i = 0; i < ROWS(rows); i++) refuse(rows[i].text, rows[i].line, rows[i].problem);
}

static void nesting_and_groups_have_a_ceiling(void **state) {
  char text[2 * DAYTONA__TOML_DEPTH_MAX + 8] = "a=";
  for (int depth = DAYTONA__TOML_DEPTH_MAX; depth <= DAYTONA__TOML_DEPTH_MAX + 1; depth++) {
    memset(text + 2, '[', (size_t)depth);
    memset(text + 2 + depth, ']', (size_t)depth);
    text[2 + 2 * depth] = '\0';
    if (depth == DAYTONA__TOML_DEPTH_MAX)
      expect(text, "");
    else
      refuse(text, 1, "nested too deeply");
  }
  char *large = malloc(16 * (DAYTONA__TOML_GROUPS_MAX + 10)), *at = large;
  at += sprintf(at, "[project.optional-dependencies]\n");
  for (int i = 0; i < DAYTONA__TOML_GROUPS_MAX + 2; i++) at += sprintf(at, "g%d=[]\n", i);
  refuse(large, DAYTONA__TOML_GROUPS_MAX + 3, "too many groups");
  free(large);
}

static void every_cut_is_survived(void **state) {
  static const char text[] =
    "[project]\nx = {a = [\"\\u00e9\", '''b\n''']}\ndependencies = [\"\"\"a\\\n b\"\"\", 'c']\n"
    "[project.optional-dependencies]\n'd e' = [1979-05-27 07:32:00]\n";
  for (size_t size = 0; size < sizeof text; size++) {
    daytona__pyproject_t project;
    daytona__arena_t arena;
    char cut[sizeof text];
    memcpy(cut, text, size);
    cut[size] = '\0';
    int rc = read_text(&project, &arena, cut);
    assert_true(rc == 0 || (rc == DAYTONA_EINVAL && project.problem != NULL));
    daytona__arena_clear(&arena);
  }
}

static void without_memory(void *user) {
  daytona__pyproject_t project;
  daytona__arena_t arena;
  char text[4096] = "[project]\ndependencies=[";
  for (int i = 0; i < 100; i++) sprintf(text + strlen(text), "'a long name of a package %d',", i);
  strcat(text, "]\noptional-dependencies.g=['x']\n");
  int rc = read_text(&project, &arena, text);
  assert_true(rc == 0 || (rc == DAYTONA_ENOMEM && support_alloc_failed() != 0));
  daytona__arena_clear(&arena);
}

static void a_lack_of_memory_is_an_error(void **state) {
  support_alloc_install();
  support_alloc_sweep(without_memory, NULL);
  support_alloc_remove();
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(dependencies_and_groups_are_kept),
    cmocka_unit_test(strings_are_read),
    cmocka_unit_test(other_values_are_passed_over),
    cmocka_unit_test(what_is_missing_is_said),
    cmocka_unit_test(what_is_no_toml_is_refused),
    cmocka_unit_test(nesting_and_groups_have_a_ceiling),
    cmocka_unit_test(every_cut_is_survived),
    cmocka_unit_test(a_lack_of_memory_is_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
