/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of HTTP/1.x, answers and requests: every text is fed whole, byte by byte, and cut at every place.
 */
#include "http/http1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
  dl_http1_t parser;
  dl_buf_t body, headers;
  size_t taken;
} reading_t;

static void note_header(void *user, const char *name, const char *value) {
  dl_buf_printf(user, "%s=%s;", name, value);
}

static void open_reading(reading_t *r, bool is_head) {
  dl_http1_init(&r->parser, is_head);
  dl_buf_init(&r->body, 1 << 20);
  dl_buf_init(&r->headers, 1 << 20);
  r->taken = 0;
}

static void feed(reading_t *r, const char *bytes, size_t len) {
  while (len > 0 && (r->parser.state == DL_HTTP1_HEAD || r->parser.state == DL_HTTP1_BODY)) {
    const char *body;
    size_t body_len, taken = dl_http1_feed(&r->parser, bytes, len, &body, &body_len);
    dl_buf_append(&r->body, body, body_len);
    r->taken += taken;
    bytes += taken;
    len -= taken;
  }
}

static void close_reading(reading_t *r, dl_http1_state_t state, const char *headers, const char *body,
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

static void expect(const char *text, bool is_head, dl_http1_state_t state, const char *headers,
                   const char *body, size_t unread) {
  size_t len = strlen(text);
  reading_t r;
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
  reading_t r;
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
    reading_t r;
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
    "HTTP/1.1 200 OK\r\nA: b\001\r\n\r\n",
    "HTTP/1.1 200 OK\r\nA\002: b\r\n\r\n",
    "HTTP/1.1 200 O\001K\r\n\r\n",
    "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
    "HTTP/1.1 099 OK\r\n\r\n",
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
  reading_t r;
  open_reading(&r, false);
  feed(&r, "HTTP/1.1 200 OK\r\n", 17);
  for (int i = 0; i < 10000; i++) feed(&r, "Header: value\r\n", 15);
  close_reading(&r, DL_HTTP1_BROKEN, NULL, NULL, 0);
}

/* --- requests --- */

/* One request as "METHOD target | headers | body | flags"; or the refusal. Yours to free. */
static char *describe(reading_t *r) {
  const dl_http1_t *p = &r->parser;
  if (p->state == DL_HTTP1_BROKEN) return dl_xprintf("%d", p->refusal);
  if (p->state == DL_HTTP1_HEAD) return dl_xstrdup("head");
  dl_http1_each_header(p, note_header, &r->headers);
  return dl_xprintf("%s %s | %s | %s%s%s%s%s", p->method, p->target, r->headers.data ? r->headers.data : "",
                    r->body.data ? r->body.data : "", p->wants_close ? " close" : "",
                    p->expects_continue ? " continue" : "", p->is_upgrade ? " upgrade" : "",
                    p->state == DL_HTTP1_BODY ? " more" : "");
}

static void read_request(const char *text, size_t len, size_t cut, size_t step, const char *want,
                         size_t unread) {
  reading_t r;
  dl_http1_init_request(&r.parser, 4096);
  dl_buf_init(&r.body, 1 << 20);
  dl_buf_init(&r.headers, 1 << 20);
  r.taken = 0;
  if (step == 0) {
    feed(&r, text, cut);
    feed(&r, text + cut, len - cut);
  }
  for (size_t i = 0; step > 0 && i < len; i += step) feed(&r, text + i, step < len - i ? step : len - i);
  char *got = describe(&r);
  if (strcmp(got, want) != 0) fail_msg("\"%s\": %s (%s), not %s", text, got, r.parser.problem, want);
  if (r.parser.state != DL_HTTP1_BROKEN) assert_int_equal(r.taken, len - unread);
  free(got);
  dl_http1_clear(&r.parser);
  dl_buf_clear(&r.body);
  dl_buf_clear(&r.headers);
}

static void expect_request_of(const char *text, size_t len, const char *want, size_t unread) {
  for (size_t cut = 0; cut <= len; cut++) read_request(text, len, cut, 0, want, unread);
  for (size_t step = 1; step < 4; step++) read_request(text, len, 0, step, want, unread);
}

static void expect_request(const char *text, const char *want, size_t unread) {
  expect_request_of(text, strlen(text), want, unread);
}

static void reads_requests(void **state) {
  (void)state;
  expect_request("GET /a?b HTTP/1.1\r\nHost: x\r\nX:  y \t\r\nY:\r\n\r\nNEXT", "GET /a?b | Host=x;X=y;Y=; | ",
                 4);
  expect_request("GET / HTTP/1.0\r\n\r\nNEXT", "GET / |  |  close", 4);
  expect_request("\r\nPOST / HTTP/1.1\r\nHost:\r\nContent-Length: 5\r\n\r\nhelloNEXT",
                 "POST / | Host=;Content-Length=5; | hello", 4);
  expect_request("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel",
                 "POST / | Host=x;Content-Length=5; | hel more", 0);
  expect_request(
    "POST / HTTP/1.1\r\nHost: x\r\ntransfer-encoding: CHUNKED\r\n\r\n3;a=\"b\"\r\nabc\r\n00B "
    "\r\n0123456789a\r\n000\r\nT: u\r\n\r\nNEXT",
    "POST / | Host=x;transfer-encoding=CHUNKED; | abc0123456789a", 4);
  expect_request("GET http://x:1/p?q HTTP/1.1\r\nhost: X:1\r\n\r\n", "GET /p?q | host=X:1; | ", 0);
  expect_request("GET https://x HTTP/1.1\r\nHost: x\r\n\r\n", "GET / | Host=x; | ", 0);
  expect_request("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "OPTIONS * | Host=x; | ", 0);
}

static void reads_what_is_asked_of_the_connection(void **state) {
  (void)state;
  expect_request("GET / HTTP/1.1\r\nHost: x\r\nConnection: a, Close ,b\r\n\r\n",
                 "GET / | Host=x;Connection=a, Close ,b; |  close", 0);
  expect_request("GET / HTTP/1.1\r\nHost: x\r\nConnection: closed\r\n\r\n",
                 "GET / | Host=x;Connection=closed; | ", 0);
  expect_request("GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: y\r\n\r\n",
                 "GET / | Host=x;Connection=keep-alive, Upgrade;Upgrade=y; |  upgrade", 0);
  expect_request("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: y\r\n\r\n", "GET / | Host=x;Upgrade=y; | ", 0);
  expect_request("GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\n\r\n",
                 "GET / | Host=x;Expect=100-Continue; |  continue", 0);
}

#define POST "POST / HTTP/1.1\r\nHost: x\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static void what_can_be_read_in_two_ways_is_refused(void **state) {
  (void)state;
  static const char *const texts[] = {
    POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    POST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
    POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
    POST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
    POST "Content-Length: 1, 1\r\n\r\n",
    POST "Content-Length: -1\r\n\r\n",
    POST "Content-Length: 1x\r\n\r\n",
    POST "Content-Length: 9999999999999999999\r\n\r\n",
    POST "Content-Length : 1\r\n\r\n",
    POST "Content-Length: 1\n\r\n",
    POST "Transfer-Encoding: gzip\r\n\r\n",
    POST "Transfer-Encoding: gzip, chunked\r\n\r\n",
    POST "Transfer-Encoding: xchunked\r\n\r\n",
    POST "Transfer-Encoding: identity\r\n\r\n",
    POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    POST "Authorization: a\r\nauthorization: b\r\n\r\n",
    POST "Host: x\r\n\r\n",
    POST " folded: x\r\n\r\n",
    POST "X: y\r\n folded\r\n\r\n",
    POST "X: a\x01\r\n\r\n",
    POST "X: a\x7f\r\n\r\n",
    POST "X: a\rb\r\n\r\n",
    POST "X\r\n\r\n",
    POST ": x\r\n\r\n",
    POST "a b: x\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "GET / HTTP/1.1\nHost: x\r\n\r\n",
    "GET /\r\n\r\n",
    "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET / HTTP/1.1 \r\nHost: x\r\n\r\n",
    "GET x HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET / X\r\n\r\n",
    "GET / \r\n\r\n",
    "GET * HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /#a HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET http://x?y HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a@x\r\n\r\n",
    "G T / HTTP/1.1\r\nHost: x\r\n\r\n",
    "\x16\x03\x01",
    "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    CHUNKED "1\nx\r\n0\r\n\r\n",
    CHUNKED "1\r\nx\n0\r\n\r\n",
    CHUNKED "1\r\nx\r\n0\n\r\n",
    CHUNKED "1\r\nx\r\n0\r\n\n",
    CHUNKED "1\r\nxy\r\n",
    CHUNKED "1\rx\r\n",
    CHUNKED "x\r\n",
    CHUNKED "\r\n",
    CHUNKED ";a\r\n",
    CHUNKED " 1\r\n",
    CHUNKED "-1\r\n",
    CHUNKED "1;\x01\r\n",
    CHUNKED "1000000000000000\r\n",
    CHUNKED "0\r\nT: \x01\r\n\r\n",
    CHUNKED "0\r\nT: u\n\r\n",
  };
  for (size_t i = 0; i < DL_COUNT(texts); i++) expect_request(texts[i], "400", 0);
  expect_request_of(POST "X: a\0b\r\n\r\n", sizeof(POST "X: a\0b\r\n\r\n") - 1, "400", 0);
  expect_request_of(CHUNKED "1\0\r\n", sizeof(CHUNKED "1\0\r\n") - 1, "400", 0);
  expect_request_of("GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", sizeof("GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n") - 1,
                    "400", 0);
  expect_request(POST "Expect: x\r\n\r\n", "417", 0);
  expect_request("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505", 0);
}

/* `before`, then so much of `filler`; the parser has a head of 4096 bytes. */
static void expect_endless(const char *before, const char *filler, size_t size, const char *want) {
  dl_buf_t text;
  dl_buf_init(&text, 1 << 20);
  dl_buf_puts(&text, before);
  while (text.len < size) dl_buf_puts(&text, filler);
  read_request(text.data, text.len, 0, 0, want, 0);
  read_request(text.data, text.len, 0, 1, want, 0);
  read_request(text.data, text.len, 0, 1000, want, 0);
  dl_buf_clear(&text);
}

static void what_does_not_end_is_refused(void **state) {
  (void)state;
  expect_endless("GET /", "a", 5000, "414");
  expect_endless("G", "G", 5000, "414");
  expect_endless("GET / HTTP/1.1\r\nX: ", "a", 5000, "431");
  expect_endless("GET / HTTP/1.1\r\n", "X: a\r\n", 5000, "431");
  expect_endless(CHUNKED, "0", 5000, "400");
  expect_endless(CHUNKED "1;", "a", 5000, "400");
  expect_endless(CHUNKED "0\r\nT: ", "a", 9000, "431");
  expect_endless(CHUNKED "0\r\n", "T: a\r\n", 9000, "431");
  expect_endless(CHUNKED, "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n",
                 40000, "400");
}

static void lengths_are_exact(void **state) {
  (void)state;
  static const int64_t lengths[] = {0, 9007199254740993, 999999999999999999};
  for (size_t i = 0; i < DL_COUNT(lengths); i++) {
    dl_http1_t p;
    const char *body;
    size_t body_len;
    char *text = dl_xprintf(POST "Content-Length: %lld\r\n\r\n", (long long)lengths[i]);
    dl_http1_init_request(&p, 4096);
    dl_http1_feed(&p, text, strlen(text), &body, &body_len);
    assert_true(p.length == lengths[i]);
    dl_http1_clear(&p);
    free(text);
  }
}

static void what_was_not_taken_comes_again(void **state) {
  (void)state;
  static const char *const texts[] = {POST "Content-Length: 6\r\n\r\nabcdef",
                                      CHUNKED "6\r\nabcdef\r\n0\r\n\r\n",
                                      CHUNKED "4\r\nabcd\r\n2\r\nef\r\n0\r\n\r\n"};
  for (size_t i = 0; i < DL_COUNT(texts); i++) {
    dl_http1_t p;
    dl_buf_t got;
    dl_http1_init_request(&p, 4096);
    dl_buf_init(&got, 100);
    for (size_t at = 0, len = strlen(texts[i]); at < len;) {
      const char *body;
      size_t body_len;
      at += dl_http1_feed(&p, texts[i] + at, len - at, &body, &body_len);
      size_t left = body_len > 1 ? body_len - 1 : 0; /* one byte at a time is taken */
      dl_buf_append(&got, body, body_len - left);
      dl_http1_untake(&p, left);
      at -= left;
      assert_true(left == 0 || p.state == DL_HTTP1_BODY);
    }
    assert_int_equal(p.state, DL_HTTP1_DONE);
    assert_string_equal(got.data, "abcdef");
    dl_http1_clear(&p);
    dl_buf_clear(&got);
  }
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
    cmocka_unit_test(reads_requests),
    cmocka_unit_test(reads_what_is_asked_of_the_connection),
    cmocka_unit_test(what_can_be_read_in_two_ways_is_refused),
    cmocka_unit_test(what_does_not_end_is_refused),
    cmocka_unit_test(lengths_are_exact),
    cmocka_unit_test(what_was_not_taken_comes_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
