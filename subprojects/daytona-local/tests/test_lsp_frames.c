/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of language servers: whole, byte by byte, cut at random places; what is no message; what is too large.
 */
#include "toolbox/lsp/frames.h"
#include "toolbox/lsp/uris.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char STREAM[] =
  "Content-Length: 2\r\n\r\n{}"
  "content-length:\t  16 \t\r\nContent-Type: x; charset=utf-8\r\n\r\n{\"a\":\"\r\n\r\nCont\"}"
  "X: y\r\nCONTENT-LENGTH:0\r\n\r\n"
  "Content-Length: 4\r\n\r\nnull";
static const char *const BODIES[] = {"{}", "{\"a\":\"\r\n\r\nCont\"}", "", "null"};

/* Feeds the stream in pieces of `step` bytes (0: of any), and expects its four bodies. */
static void feed(size_t step) {
  dl_lsp_frames_t f;
  const char *body;
  size_t len, count = 0;
  dl_lsp_frames_init(&f);
  for (size_t at = 0; at < sizeof STREAM - 1;) {
    size_t left = sizeof STREAM - 1 - at, piece = step > 0 ? step : 1 + (size_t)rand() % 20;
    if (piece > left) piece = left;
    assert_true(dl_lsp_frames_feed(&f, STREAM + at, piece));
    at += piece;
    for (int got; (got = dl_lsp_frames_next(&f, &body, &len)) != 0; count++) {
      assert_int_equal(got, 1);
      assert_true(count < DL_COUNT(BODIES));
      assert_int_equal(len, strlen(BODIES[count]));
      assert_memory_equal(body, BODIES[count], len);
    }
  }
  assert_int_equal(count, DL_COUNT(BODIES));
  dl_lsp_frames_clear(&f);
}

static void messages_come_out_however_they_are_cut(void **state) {
  (void)state;
  srand(7);
  feed(sizeof STREAM);
  feed(1);
  for (int i = 0; i < 200; i++) feed(0);
}

static void expect_problem(const char *bytes, size_t len) {
  dl_lsp_frames_t f;
  const char *body;
  size_t size;
  dl_lsp_frames_init(&f);
  assert_true(dl_lsp_frames_feed(&f, bytes, len));
  assert_int_equal(dl_lsp_frames_next(&f, &body, &size), -1);
  assert_non_null(f.problem);
  assert_int_equal(dl_lsp_frames_next(&f, &body, &size), -1);
  dl_lsp_frames_clear(&f);
}

static void what_is_no_message_is_refused(void **state) {
  static const char *const BAD[] = {
    "\r\n\r\n",
    "Content-Length\r\n\r\n",
    "Content-Length:\r\n\r\n",
    "Content-Length: x\r\n\r\n",
    "Content-Length: -1\r\n\r\n",
    "Content-Length: +1\r\n\r\n",
    "Content-Length: 1 2\r\n\r\n",
    "Content-Length: 0x10\r\n\r\n",
    "Content-Length: 33554433\r\n\r\n",
    "Content-Length: 18446744073709551617\r\n\r\n",
    "Content-Lengthy: 1\r\n\r\n",
    "X: Content-Length: 1\r\n\r\n",
  };
  char *long_header = malloc(DL_LSP_HEADER_MAX);
  (void)state;
  for (size_t i = 0; i < DL_COUNT(BAD); i++) expect_problem(BAD[i], strlen(BAD[i]));
  memset(long_header, 'x', DL_LSP_HEADER_MAX);
  expect_problem(long_header, DL_LSP_HEADER_MAX);
  free(long_header);
}

static void the_largest_message_passes(void **state) {
  dl_lsp_frames_t f;
  dl_buf_t out;
  char *text = malloc(DL_LSP_BODY_MAX);
  const char *body;
  size_t len;
  (void)state;
  memset(text, 'y', DL_LSP_BODY_MAX);
  dl_buf_init(&out, DL_LSP_BODY_MAX + 64);
  assert_true(dl_lsp_frames_put(&out, text, DL_LSP_BODY_MAX));
  assert_false(dl_lsp_frames_put(&out, text, 1));
  dl_lsp_frames_init(&f);
  assert_true(dl_lsp_frames_feed(&f, out.data, out.len - 1));
  assert_int_equal(dl_lsp_frames_next(&f, &body, &len), 0);
  assert_true(dl_lsp_frames_feed(&f, "y", 1));
  assert_int_equal(dl_lsp_frames_next(&f, &body, &len), 1);
  assert_int_equal(len, DL_LSP_BODY_MAX);
  assert_true(dl_lsp_frames_feed(&f, STREAM, 10)); /* gives the memory back */
  assert_true(f.bytes.cap < 1024);
  dl_lsp_frames_clear(&f);
  dl_buf_clear(&out);
  free(text);
}

static void expect_uri(const char *path, const char *uri) {
  char *made = dl_lsp_uri_of(path);
  assert_string_equal(made, uri);
  json_t *plain = dl_lsp_plain_uri(made);
  char *back = dl_lsp_path_of("/root", json_string_value(plain));
  assert_string_equal(back, path);
  free(back);
  json_decref(plain);
  free(made);
}

static void files_are_named_both_ways(void **state) {
  (void)state;
  expect_uri("/a/b.py", "file:///a/b.py");
  expect_uri("/a b/%41#?.py", "file:///a%20b/%2541%23%3F.py");
  expect_uri(
    "/gr\xc3\xb6\xc3\x9f"
    "e//x",
    "file:///gr%C3%B6%C3%9Fe//x");
  char *path = dl_lsp_path_of("/root", "file://src/a.py");
  assert_string_equal(path, "/root/src/a.py");
  free(path);
  assert_null(dl_lsp_decoded_path_of("/root", "file:///plain"));
  assert_null(dl_lsp_decoded_path_of("/root", "file:///bad%4"));
  path = dl_lsp_decoded_path_of("/root", "file:///a%20b");
  assert_string_equal(path, "/a b");
  free(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(messages_come_out_however_they_are_cut),
    cmocka_unit_test(what_is_no_message_is_refused),
    cmocka_unit_test(the_largest_message_passes),
    cmocka_unit_test(files_are_named_both_ways),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
