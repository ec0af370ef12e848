/* SPDX-License-Identifier: Apache-2.0
 *
 * The reader of HTTP/1.x answers: every text is fed whole, byte by byte, and cut at every place.
 */
#include "http/http1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
  dl_http1 parser;
  dl_buf body, headers;
  size_t taken;
} reading;

static void note_header(void *user, const char *name, const char *value) {
  dl_buf_printf(user, "%s=%s;", name, value);
}

static void open_reading(reading *r, bool is_head) {
  dl_http1_init(&r->parser, is_head);
  dl_buf_init(&r->body, 1 << 20);
  dl_buf_init(&r->headers, 1 << 20);
  r->taken = 0;
}

static void feed(reading *r, const char *bytes, size_t len) {
  while (len > 0 && (r->parser.state == DL_HTTP1_HEAD || r->parser.state == DL_HTTP1_BODY)) {
    const char *body;
    size_t body_len, taken = dl_http1_feed(&r->parser, bytes, len, &body, &body_len);
    dl_buf_append(&r->body, body, body_len);
    r->taken += taken;
    bytes += taken;
    len -= taken;
  }
}

static void close_reading(reading *r, dl_http1_state state, const char *headers, const char *body,
                          size_t taken) {
  if (r->parser.state != state) fail_msg("state %d instead of %d", r->parser.state, state);
  if (headers != NULL) {
    dl_http1_each_header(&r->parser, note_header, &r->headers);
    assert_string_equal(r->headers.data ? r->headers.data : "", headers);
  }
  if (state != DL_HTTP1_BROKEN) {
    assert_string_equal(r->body.data ? r->body.data : "", body);
    assert_int_equal(r->taken, taken);
  }
  dl_http1_clear(&r->parser);
  dl_buf_clear(&r->body);
  dl_buf_clear(&r->headers);
}

static void expect(const char *text, bool is_head, dl_http1_state state, const char *headers,
                   const char *body, size_t unread) {
  size_t len = strlen(text);
  reading r;
  for (size_t cut = 0; cut <= len; cut++) {
    open_reading(&r, is_head);
    feed(&r, text, cut);
    feed(&r, text + cut, len - cut);
    close_reading(&r, state, headers, body, len - unread);
  }
  open_reading(&r, is_head);
  for (size_t i = 0; i < len; i++) feed(&r, text + i, 1);
  close_reading(&r, state, headers, body, len - unread);
}

static void reads_bodies_of_known_length(void **state) {
  (void)state;
  expect("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y \r\n\r\nhelloNEXT", false, DL_HTTP1_DONE,
         "Content-Length=5;X=y;", "hello", 4);
  expect("HTTP/1.0 404 \nContent-Length:0\n\nrest", false, DL_HTTP1_DONE, "Content-Length=0;", "", 4);
}

static void reads_chunked_bodies(void **state) {
  (void)state;
  expect(
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;x=1\r\n0123456789\r\n0\r\nT: "
    "1\r\n\r\nNEXT",
    false, DL_HTTP1_DONE, "Transfer-Encoding=chunked;", "hello0123456789", 4);
  expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false, DL_HTTP1_DONE, NULL, "", 0);
}

static void reads_until_the_end_without_a_length(void **state) {
  (void)state;
  expect("HTTP/1.1 200 OK\r\n\r\nall of it", false, DL_HTTP1_BODY, "", "all of it", 0);
  reading r;
  open_reading(&r, false);
  feed(&r, "HTTP/1.1 200 OK\r\n\r\nx", 20);
  assert_true(dl_http1_end(&r.parser));
  close_reading(&r, DL_HTTP1_DONE, NULL, "x", 20);
}

static void an_early_end_is_not_complete(void **state) {
  (void)state;
  static const char *const texts[] = {"", "HTTP/1.1 200 OK\r\n",
                                      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
                                      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"};
  for (size_t i = 0; i < DL_COUNT(texts); i++) {
    reading r;
    open_reading(&r, false);
    feed(&r, texts[i], strlen(texts[i]));
    assert_false(dl_http1_end(&r.parser));
    dl_http1_clear(&r.parser);
    dl_buf_clear(&r.body);
  }
}

static void answers_without_bodies_end_with_their_head(void **state) {
  (void)state;
  expect("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nNEXT", true, DL_HTTP1_DONE, NULL, "", 4);
  expect("HTTP/1.1 204 No\r\n\r\nNEXT", false, DL_HTTP1_DONE, NULL, "", 4);
  expect("HTTP/1.1 304 Not\r\nContent-Length: 9\r\n\r\nNEXT", false, DL_HTTP1_DONE, NULL, "", 4);
}

static void interim_answers_are_skipped(void **state) {
  (void)state;
  expect(
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
    "1\r\n\r\nx",
    false, DL_HTTP1_DONE, "Content-Length=1;", "x", 0);
}

static void an_upgrade_leaves_what_follows(void **state) {
  (void)state;
  expect("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n\x81\x02hi", false, DL_HTTP1_UPGRADE,
         "Upgrade=websocket;", "", 4);
}

static void nonsense_is_broken(void **state) {
  (void)state;
  static const char *const texts[] = {
    "garbage\r\n\r\n",
    "HTTP/2.0 200 OK\r\n\r\n",
    "HTTP/1.1 2x0 OK\r\n\r\n",
    "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    "HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
    "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
  };
  for (size_t i = 0; i < DL_COUNT(texts); i++) expect(texts[i], false, DL_HTTP1_BROKEN, NULL, NULL, 0);
}

static void a_head_has_a_ceiling(void **state) {
  (void)state;
  reading r;
  open_reading(&r, false);
  feed(&r, "HTTP/1.1 200 OK\r\n", 17);
  for (int i = 0; i < 10000; i++) feed(&r, "Header: value\r\n", 15);
  close_reading(&r, DL_HTTP1_BROKEN, NULL, NULL, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(reads_bodies_of_known_length),
    cmocka_unit_test(reads_chunked_bodies),
    cmocka_unit_test(reads_until_the_end_without_a_length),
    cmocka_unit_test(an_early_end_is_not_complete),
    cmocka_unit_test(answers_without_bodies_end_with_their_head),
    cmocka_unit_test(interim_answers_are_skipped),
    cmocka_unit_test(an_upgrade_leaves_what_follows),
    cmocka_unit_test(nonsense_is_broken),
    cmocka_unit_test(a_head_has_a_ceiling),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
