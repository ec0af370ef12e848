/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quoting and splitting; the expected values are those of Python's shlex. What is quoted must split into
 * itself.
 */
#include "wire/shell.h"

#include <string.h>

#include "core/memory.h"
#include "support/alloc.h"
#include "support/check.h"

#define ROWS(array) (sizeof(array) / sizeof(array)[0])

static void quoted(const char *word, const char *wanted) {
  daytona__strbuf_t out;
  size_t count;
  daytona__strbuf_init(&out, 1000);
  daytona__shell_quote(&out, word);
  assert_string_equal(out.data, wanted);
  size_t size = out.size;
  assert_true(daytona__shell_split(wanted, size, &out, &count));
  assert_int_equal(count, 1);
  assert_string_equal(out.data + size, word);
  daytona__strbuf_clear(&out);
}

static void words_are_quoted_where_they_need_it(void **state) {
  quoted("", "''");
  quoted("aZ09_@%+=:,./-", "aZ09_@%+=:,./-");
  quoted("a b", "'a b'");
  quoted("'", "''\"'\"''");
  quoted("it's 'so'", "'it'\"'\"'s '\"'\"'so'\"'\"''");
  quoted("$x `y` \"z\" \\", "'$x `y` \"z\" \\'");
  quoted("~", "'~'");
  quoted("#", "'#'");
  quoted("a\nb", "'a\nb'");
  quoted("\xc3\xa9", "'\xc3\xa9'");
}

/* `wanted` has a '|' behind each word; NULL: it cannot be split. */
static void split(const char *text, const char *wanted) {
  daytona__strbuf_t out;
  size_t count;
  daytona__strbuf_init(&out, 1000);
  bool is_good = daytona__shell_split(text, strlen(text), &out, &count);
  assert_int_equal(is_good, wanted != NULL);
  if (wanted != NULL) {
    assert_int_equal(out.size, strlen(wanted));
    for (size_t i = 0; i < out.size; i++)
      if (out.data[i] == '\0') out.data[i] = '|', count--;
    assert_int_equal(count, 0);
    assert_memory_equal(out.size != 0 ? out.data : "", wanted, out.size);
  }
  daytona__strbuf_clear(&out);
}

static void texts_are_split_as_by_a_shell(void **state) {
  static const char *const rows[][2] = {
    {"", ""},
    {" \t\r\n", ""},
    {"a", "a|"},
    {" a  b\t", "a|b|"},
    {"'a b' \"c d\"", "a b|c d|"},
    {"a'b'\"c\"d", "abcd|"},
    {"'' \"\"", "||"},
    {"a\\ b", "a b|"},
    {"a\\\\b", "a\\b|"},
    {"\"a\\\"b\\\\c\\d\"", "a\"b\\c\\d|"},
    {"'a\\b'", "a\\b|"},
    {"a\\\nb", "a\nb|"},
    {"a#b #c", "a#b|#c|"},
    {"a\xc2\xa0z\x0b", "a\xc2\xa0z\x0b|"},
    {"'a'\\''b'", "a'b|"},
    {"'open", NULL},
    {"\"open", NULL},
    {"\"open\\\"", NULL},
    {"a\\", NULL},
    {"a 'b' \"\\", NULL},
  };
  for (size_t i = 0; i < ROWS(rows); i++) split(rows[i][0], rows[i][1]);
}

static void without_memory(void *user) {
  daytona__strbuf_t out;
  size_t count;
  daytona__strbuf_init(&out, 1000);
  daytona__shell_quote(&out,
                       "it's a long word, and another one, which need more room than the first block has");
  daytona__shell_split("another long word 'and' and \"more\" of them, which need more room again", 70, &out,
                       &count);
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
    cmocka_unit_test(words_are_quoted_where_they_need_it),
    cmocka_unit_test(texts_are_split_as_by_a_shell),
    cmocka_unit_test(a_lack_of_memory_is_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
