/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Multipart forms read whole, byte by byte and cut at random places: where they are cut makes no
 * difference. Also ranges, patterns and file names in headers.
 */
#include "toolbox/files/glob.h"
#include "toolbox/files/multipart.h"
#include "toolbox/core/range.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Everything told, as one text: [name|filename] data; */
static void told_part(void *user, const dl_part_t *part) {
  dl_buf_printf(user, "[%s|%s]", part->name, part->filename ? part->filename : "-");
}
static void told_data(void *user, const char *bytes, size_t len) { dl_buf_append(user, bytes, len); }
static void told_end(void *user, bool is_complete) { dl_buf_puts(user, is_complete ? ";" : "!"); }
static const dl_multipart_events_t TELL = {told_part, told_data, told_end};

/* `step` 0: whole; otherwise chunks of 1 to `step` bytes. */
static char *read_form(const char *boundary, const char *body, size_t len, unsigned step, bool is_whole) {
  dl_buf_t told;
  dl_multipart_t m;
  dl_buf_init(&told, 1 << 24);
  dl_multipart_init(&m, boundary, &TELL, &told);
  for (size_t at = 0; at < len;) {
    size_t piece = step == 0 ? len : 1 + (size_t)rand() % step;
    if (piece > len - at) piece = len - at;
    char *copy = malloc(piece); /* so that reading too far is seen */
    memcpy(copy, body + at, piece);
    dl_multipart_feed(&m, copy, piece);
    free(copy);
    at += piece;
  }
  dl_multipart_finish(&m, is_whole);
  if (m.error != NULL) dl_buf_printf(&told, "<%s>", m.error);
  dl_multipart_clear(&m);
  return dl_buf_take(&told);
}

static void expect_cut(const char *boundary, const char *body, bool is_whole, const char *wanted) {
  for (unsigned round = 0; round < 40; round++) {
    unsigned step = round == 0 ? 0 : round == 1 ? 1 : round;
    char *told = read_form(boundary, body, strlen(body), step, is_whole);
    assert_string_equal(told, wanted);
    free(told);
  }
}

static void expect(const char *body, const char *wanted) { expect_cut("B", body, true, wanted); }

#define PART(name) "Content-Disposition: form-data; name=\"" name "\"\r\n\r\n"

static void parts_are_told_in_order(void **state) {
  (void)state;
  expect("--B\r\n" PART("a") "one\r\n--B\r\n" PART("b") "two\r\nlines\r\n--B--\r\n",
         "[a|-]one;[b|-]two\r\nlines;");
  expect("--B\r\n" PART("empty") "\r\n--B--", "[empty|-];");
  expect("preamble\r\n--B\r\n" PART("a") "x\r\n--B--\r\nepilogue\r\n--B\r\n", "[a|-]x;");
  expect("--B--\r\n", "");
  expect("--B \t\r\n" PART("a") "x\r\n--B-- \r\n", "[a|-]x;");
}

static void bare_line_feeds_are_understood(void **state) {
  (void)state;
  expect("--B\nContent-Disposition: form-data; name=a\n\nx\r\n--B--\n", "[a|-]x\r;");
}

static void content_may_look_like_a_boundary(void **state) {
  (void)state;
  expect("--B\r\n" PART("a") "text\r\n--Bis not\r\n-- B\r\n--C--\r\n\r\n-\r\n--\r\n--B--\r\n",
         "[a|-]text\r\n--Bis not\r\n-- B\r\n--C--\r\n\r\n-\r\n--;");
  expect("--B\r\n" PART("a") "\r\r\r\n\r\n--B-x\r\n--B--", "[a|-]\r\r\r\n\r\n--B-x;");
  expect("--B\r\n" PART("a") "--Bx\r\n--B--", "[a|-]--Bx;");
}

static void a_delimiter_with_a_tail_is_refused(void **state) {
  (void)state;
  expect("--B\r\n" PART("a") "--B is like a boundary\r\nmore\r\n--B--\r\n",
         "[a|-];<multipart: unexpected line in Next(): \"--B is like a boundary\\r\\n\">");
  expect("--B\r\n" PART("a") "x\r\n--B is like\r\n--B--\r\n",
         "[a|-]x;<multipart: expecting a new Part; got line \"--B is like\\r\\n\">");
}

static void a_body_that_breaks_off_is_an_error(void **state) {
  (void)state;
  expect("", "<multipart: NextPart: EOF>");
  expect("--B\r\n" PART("a") "no closing\r\n", "[a|-]no closing!<multipart: NextPart: EOF>");
  expect("--B\r\n" PART("a") "no closing\r\n--", "[a|-]no closing!<multipart: NextPart: EOF>");
  expect("--B\r\n" PART("a") "x\r\n--B", "[a|-]x;<multipart: NextPart: EOF>");
  expect("--B\r\nContent-Disposition: form-data; name=\"a\"\r\n", "<multipart: NextPart: EOF>");
  expect("--B\r\nno header end", "<malformed MIME header: missing colon: \"no header end\">");
  expect_cut("B", "--B\r\n" PART("a") "x", false, "[a|-]x!<multipart: NextPart: unexpected EOF>");
}

/* Cut after every byte: never a crash, and only the whole is without an error. */
static void every_prefix_ends_with_a_verdict(void **state) {
  (void)state;
  static const char body[] = "--B\r\n" PART("a") "one\r\n--B\r\n" PART("b") "t\r\n-wo\r\n--B--";
  for (size_t len = 0; len < sizeof body - 1; len++) {
    char *told = read_form("B", body, len, 3, false);
    assert_non_null(strchr(told, '<'));
    free(told);
  }
}

static void endless_lines_have_a_ceiling(void **state) {
  (void)state;
  char *long_line = malloc(300001);
  memset(long_line, 'x', 300000);
  long_line[300000] = '\0';
  char *told = read_form("B", long_line, 300000, 0, true);
  assert_string_equal(told, "<multipart: NextPart: bufio: buffer full>");
  free(told);
  memcpy(long_line, "--B\r\nA: ", 8);
  told = read_form("B", long_line, 300000, 1000, true);
  assert_string_equal(told, "<multipart: message too large>");
  free(told);
  free(long_line);
}

/* Content made of the delimiter's own characters, long enough to pass every buffer. */
static void random_content_comes_out_as_it_went_in(void **state) {
  (void)state;
  static const char alphabet[] = "\r\n-B x";
  srand(7);
  for (int round = 0; round < 300; round++) {
    dl_buf_t body, wanted;
    size_t len = (size_t)rand() % (round % 50 == 0 ? 300000 : 200);
    dl_buf_init(&body, 1 << 20);
    dl_buf_init(&wanted, 1 << 20);
    char *content = malloc(len + 1);
    for (size_t i = 0; i < len; i++) content[i] = alphabet[(size_t)rand() % (sizeof alphabet - 1)];
    content[len] = '\0';
    dl_buf_printf(&body, "--BOUNDARY\r\n" PART("a") "%s\r\n--BOUNDARY--\r\n", content);
    dl_buf_printf(&wanted, "[a|-]%s;", content);
    char *told =
      read_form("BOUNDARY", body.data, body.len, round % 3 == 0 ? 0 : 1 + (unsigned)rand() % 100, true);
    assert_string_equal(told, wanted.data);
    free(told);
    free(content);
    dl_buf_clear(&body);
    dl_buf_clear(&wanted);
  }
}

static void expect_param(const char *value, const char *name, const char *wanted) {
  char *text = dl_header_param(value, name);
  if (wanted == NULL)
    assert_null(text);
  else
    assert_string_equal(text, wanted);
  free(text);
}

static void header_parameters_are_decoded(void **state) {
  (void)state;
  expect_param("form-data; name=\"files[0].path\"; filename=\"a\\\"b\\\\c\"", "name", "files[0].path");
  expect_param("form-data; name=\"x\"; filename=\"a\\\"b\\\\c\"", "filename", "a\"b\\c");
  expect_param("form-data; filename=plain ; Name = token", "name", "token");
  expect_param("form-data; filename=\"f\"; filename*=utf-8''gr%C3%BCn%20x", "filename", "grün x");
  expect_param("form-data; filename*=broken; filename=\"f\"", "filename", "f");
  expect_param("form-data; filename=\"\"", "filename", "");
  expect_param("form-data; filename=\"open", "filename", "open");
  expect_param("form-data; flag; name=a", "name", "a");
  expect_param("form-data", "name", NULL);
  assert_null(dl_multipart_boundary(NULL));
  assert_null(dl_multipart_boundary("text/plain; boundary=x"));
  assert_null(dl_multipart_boundary("multipart/form-data"));
  assert_null(dl_multipart_boundary("multipart/form-data; boundary=\"\""));
  char *boundary = dl_multipart_boundary("Multipart/Form-Data; charset=utf-8; boundary=\"a b\"");
  assert_string_equal(boundary, "a b");
  free(boundary);
}

static void expect_name(const char *path, const char *wanted) {
  dl_buf_t out;
  dl_buf_init(&out, 65536);
  dl_filename_params(&out, path);
  assert_string_equal(out.data, wanted);
  dl_buf_clear(&out);
}

static void file_names_are_encoded_twice(void **state) {
  (void)state;
  expect_name("a.txt", "filename=\"a.txt\"; filename*=utf-8''a.txt");
  expect_name("q\"b\\s", "filename=\"q\\\"b\\\\s\"; filename*=utf-8''q%22b%5Cs");
  expect_name("gr\xc3\xbcn \xe6\x97\xa5", "filename=\"gr\xfcn _\"; filename*=utf-8''gr%C3%BCn%20%E6%97%A5");
  expect_name("l\r\ni\tb\xff", "filename=\"li_b_\"; filename*=utf-8''l%0D%0Ai%09b%FF");
  expect_name("!#$&+-.^_`|~/", "filename=\"!#$&+-.^_`|~/\"; filename*=utf-8''!#$&+-.^_`|~%2F");
}

static void expect_range(const char *text, int64_t size, dl_range_kind_t kind, const char *wanted) {
  dl_range_t ranges[DL_RANGES_MAX];
  size_t count;
  char have[256] = "";
  assert_int_equal(dl_range_parse(text, size, ranges, &count), kind);
  for (size_t i = 0; kind == DL_RANGE_SOME && i < count; i++)
    sprintf(have + strlen(have), "%lld+%lld ", (long long)ranges[i].start, (long long)ranges[i].len);
  assert_string_equal(have, wanted);
}

static void ranges_are_cut_to_the_file(void **state) {
  (void)state;
  expect_range(NULL, 10, DL_RANGE_NONE, "");
  expect_range("bytes=0-0", 10, DL_RANGE_SOME, "0+1 ");
  expect_range("bytes=2-", 10, DL_RANGE_SOME, "2+8 ");
  expect_range("bytes=-3", 10, DL_RANGE_SOME, "7+3 ");
  expect_range("bytes=-30", 10, DL_RANGE_SOME, "0+10 ");
  expect_range("bytes= 1-2 , 4-99", 10, DL_RANGE_SOME, "1+2 4+6 ");
  expect_range("bytes=5-6,20-30", 10, DL_RANGE_SOME, "5+2 ");
  expect_range("bytes=0-9,0-9", 10, DL_RANGE_NONE, "");
  expect_range("bytes=0-", 0, DL_RANGE_NONE, "");
  expect_range("bytes=10-", 10, DL_RANGE_OUTSIDE, "");
  expect_range("bytes=5-4", 10, DL_RANGE_BAD, "");
  expect_range("bytes=a-", 10, DL_RANGE_BAD, "");
  expect_range("bytes=-", 10, DL_RANGE_BAD, "");
  expect_range("bytes=99999999999999999999-", 10, DL_RANGE_BAD, "");
  expect_range("lines=1-2", 10, DL_RANGE_BAD, "");
}

static void patterns_match_names(void **state) {
  (void)state;
  static const struct {
    const char *pattern, *name;
    bool wanted;
  } cases[] = {
    {"*.txt", "a.txt", true},
    {"*.txt", ".txt", true},
    {"*.txt", "a.txt2", false},
    {"?", "\xc3\xbc", true},
    {"?", "ab", false},
    {"[ab].c", "b.c", true},
    {"[^ab].c", "b.c", false},
    {"[a-c]x", "bx", true},
    {"[!a]", "b", false},
    {"\\*", "*", true},
    {"\\*", "a", false},
    {"a*b*c", "aXbYbZc", true},
    {"*a*a*a*a*b", "aaaaaaaaaaaa", false},
    {"{a,b}", "a", false},
    {"[", "[", false},
    {"[a", "a", false},
    {"a\\", "a", false},
    {"", "", true},
    {"*", "", true},
    {"\\[x", "[x", true},
    {"*\xc3\xbc*", "gr\xc3\xbcn", true},
  };
  for (size_t i = 0; i < DL_COUNT(cases); i++)
    assert_int_equal(dl_glob_match(cases[i].pattern, cases[i].name), cases[i].wanted);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(parts_are_told_in_order),
    cmocka_unit_test(bare_line_feeds_are_understood),
    cmocka_unit_test(content_may_look_like_a_boundary),
    cmocka_unit_test(a_delimiter_with_a_tail_is_refused),
    cmocka_unit_test(a_body_that_breaks_off_is_an_error),
    cmocka_unit_test(every_prefix_ends_with_a_verdict),
    cmocka_unit_test(endless_lines_have_a_ceiling),
    cmocka_unit_test(random_content_comes_out_as_it_went_in),
    cmocka_unit_test(header_parameters_are_decoded),
    cmocka_unit_test(file_names_are_encoded_twice),
    cmocka_unit_test(ranges_are_cut_to_the_file),
    cmocka_unit_test(patterns_match_names),
  };
  return cmocka_run_group_tests_name("multipart", tests, NULL, NULL);
}
