/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources of COPY: logical lines, flags, both forms. That the official SDK finds the same is compared in
 * tests/interop.
 */
#include "wire/dockerfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <daytona/error.h>

#include "core/memory.h"
#include "support/alloc.h"
#include "support/check.h"

#define ROWS(array) (sizeof(array) / sizeof(array)[0])

typedef struct found {
  char text[512];
  int stops_at, count;
} found_t;

static int on_source(const char *source, void *user) {
  found_t *found = user;
  if (++found->count == found->stops_at) return 77;
  assert_true(strlen(found->text) + strlen(source) + 2 < sizeof found->text);
  strcat(strcat(found->text, source), "|");
  return 0;
}

/* A copy of exactly that size, so that a read beyond it does not go unnoticed. */
static int sources(const char *text, found_t *found) {
  size_t size = strlen(text);
  char *exact = malloc(size != 0 ? size : 1);
  memcpy(exact, text, size);
  int rc = daytona__dockerfile_sources(exact, size, false, on_source, found);
  free(exact);
  return rc;
}

static void expect(const char *text, const char *wanted) {
  found_t found = {.text = ""};
  assert_int_equal(sources(text, &found), 0);
  if (strcmp(found.text, wanted) != 0) fail_msg("<%s> gave <%s>, not <%s>", text, found.text, wanted);
}

static void copies_have_sources(void **state) {
  static const char *const rows[][2] = {
    {"", ""},
    {"COPY a b", "a|"},
    {"FROM x\ncopy a b /c\n  \tCoPy d e  ", "a|b|d|"},
    {"COPY a", ""},
    {"COPY", ""},
    {"COPYa b c", ""},
    {"COPY\xc2\xa0"
     "a b",
     "a|"},
    {"# COPY a b\nADD a b\nRUN COPY a b\nONBUILD COPY a b", ""},
    {"COPY --from=x a b\nCOPY --FROM=x a b\nCOPY a --from=b", ""},
    {"COPY <<EOF /x\nCOPY a b\nEOF", "a|"},
    {"COPY a 'b<<' c", ""},
    {"COPY --chown=1:1 --link a b c", "a|b|"},
    {"COPY --link", ""},
    {"COPY a --link b", "a|--link|"},
    {"COPY 'a b' \"c d\" e\\ f /g", "a b|c d|e f|"},
    {"COPY 'a b", ""},
    {"COPY a b\\", "a|"},
  };
  for (size_t i = 0; i < ROWS(rows); i++) expect(rows[i][0], rows[i][1]);
}

static void lists_have_sources(void **state) {
  static const char *const rows[][2] = {
    {"COPY [\"a\",\"b c\" , \"d\"]", "a|b c|"},
    {"COPY --link [ \"a\" , \"d\" ] ", "a|"},
    {"COPY [\"\\u00e9\\n\\\"\\ud83d\\ude00\", \"d\"]", "\xc3\xa9\n\"\xf0\x9f\x98\x80|"},
    {"COPY [\"\", \"d\"]", "|"},
    {"COPY [\"a\\u0000b\\ud800\", \"d\"]",
     "a\xef\xbf\xbd"
     "b\xef\xbf\xbd|"},
    {"COPY []", ""},
    {"COPY [\"a\"]", ""},
    {"COPY [\"a\", 1, \"d\"]", ""},
    {"COPY [\"a\", [\"b\"], \"d\"]", ""},
    {"COPY [\"a\", \"d\"] x", ""},
    {"COPY [\"a\", \"d\"", ""},
    {"COPY [\"a\" \"d\"]", ""},
    {"COPY [\"a\", \"d\",]", ""},
    {"COPY [a, d]", ""},
    {"COPY [\"a\t\", \"d\"]", ""},
  };
  for (size_t i = 0; i < ROWS(rows); i++) expect(rows[i][0], rows[i][1]);
}

static void lines_are_continued(void **state) {
  static const char *const rows[][2] = {
    {"COPY a \\\n b c", "a|b|"},
    {"COPY a \\  \t\n\n # c \\\n\n  b c", "a|b|"},
    {"COPY \\\r\na \\\r\nb\r\nCOPY c d\r\n", "a|c|"},
    {"CO\\\nPY a b", "a|"},
    {"# x \\\nCOPY a b", "a|"},
    {"RUN x \\\nCOPY a b", ""},
    {"RUN x \\\\\nCOPY a b", ""},
    {"RUN x \\\n# COPY c d\nCOPY a b", ""},
    {"COPY a b \\", "a|"},
    {"COPY a b\\\n", "a|"},
    {"\\\nCOPY a b", "a|"},
    {"COPY a b\rCOPY c d", "a|c|"},
    {"COPY a b\x0b"
     "COPY c d\x0c"
     "COPY e f\x1c"
     "COPY g h\xc2\x85"
     "COPY i j\xe2\x80\xa8"
     "COPY k l\xe2\x80\xa9"
     "COPY m n",
     "a|c|e|g|i|k|m|"},
  };
  for (size_t i = 0; i < ROWS(rows); i++) expect(rows[i][0], rows[i][1]);
}

static void a_callback_can_stop_it(void **state) {
  found_t found = {.stops_at = 2};
  assert_int_equal(sources("COPY a b c d\nCOPY e f", &found), 77);
  assert_string_equal(found.text, "a|");
  assert_int_equal(found.count, 2);
}

static int count_source(const char *source, void *user) {
  ++*(int *)user;
  return 0;
}

static void long_texts_take_their_time_only_once(void **state) {
  enum { LINES = 20000 };
  char *text = malloc(LINES * 16), *at = text;
  for (int i = 0; i < LINES; i++) at += sprintf(at, "%s", i % 2 ? "COPY \\\n" : "#\n\\\n");
  int count = 0;
  assert_int_equal(daytona__dockerfile_sources(text, (size_t)(at - text), false, count_source, &count), 0);
  assert_int_equal(count, LINES / 2 - 2); /* one instruction, of its own name and a destination less */
  free(text);
}

static void without_memory(void *user) {
  found_t found = {.text = ""};
  int rc = sources(
    "COPY 'a' b c \\\n d\nCOPY [\"a\", \"b\", \"c\"]\nRUN a line of more than the first block holds, or so",
    &found);
  assert_int_equal(rc, support_alloc_failed() != 0 ? DAYTONA_ENOMEM : 0);
}

static void a_lack_of_memory_is_an_error(void **state) {
  support_alloc_install();
  support_alloc_sweep(without_memory, NULL);
  support_alloc_remove();
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(copies_have_sources),
    cmocka_unit_test(lists_have_sources),
    cmocka_unit_test(lines_are_continued),
    cmocka_unit_test(a_callback_can_stop_it),
    cmocka_unit_test(long_texts_take_their_time_only_once),
    cmocka_unit_test(a_lack_of_memory_is_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
