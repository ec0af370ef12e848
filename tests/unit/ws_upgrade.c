/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handshake without a network: answers whole and cut, accept keys, URLs, requests.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "net/tls.h"
#include "net/tunnel.h"
#include "net/ws_upgrade.h"
#include "support/check.h"

/* Feed one response; the body in chunks of `step` (0: random). The last code. */
static int feed(daytona__http1_head_t *answer, const char *text, size_t size, size_t step) {
  size_t at = 0;
  int code = DAYTONA__HTTP1_HEAD_MORE;
  daytona__http1_head_init(answer);
  while (at < size && code == DAYTONA__HTTP1_HEAD_MORE) code = daytona__http1_head_head(answer, text[at++]);
  if (code != DAYTONA__HTTP1_HEAD_DONE) return code;
  code = daytona__http1_head_begin_body(answer);
  while (at < size && code == DAYTONA__HTTP1_HEAD_MORE) {
    size_t now = step != 0 ? step : (size_t)rand() % 5 + 1;
    if (now > size - at) now = size - at;
    code = daytona__http1_head_body(answer, text + at, now);
    at += now;
  }
  return code;
}

static void answer_bodies_are_the_same_however_cut(void **state) {
  static const struct {
    const char *text, *body;
    int code;
  } cases[] = {
    {"HTTP/1.1 400 X\r\nContent-Length: 5\r\n\r\nabcdefgh", "abcde", 1},
    {"HTTP/1.1 400 X\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0002;n=v\r\nde\r\n0\r\n\r\nmore",
     "abcde", 1},
    {"HTTP/1.1 400 X\r\nTransfer-Encoding: chunked\r\nContent-Length: "
     "1\r\n\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n",
     "0123456789", 1},
    {"HTTP/1.0 400\r\n\r\nopen end", "open end", 0},
    {"HTTP/1.1 204 X\r\nContent-Length: 9\r\n\r\nabc", "", 1},
    {"HTTP/1.1 400 X\r\nContent-Length: 99999999999999999999999\r\n\r\nx", "", DAYTONA_EPROTOCOL},
    {"HTTP/1.1 400 X\r\nContent-Length: -1\r\n\r\nx", "", DAYTONA_EPROTOCOL},
    {"HTTP/1.1 400 X\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", "", DAYTONA_EPROTOCOL},
    {"HTTP/1.1 400 X\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", "a", DAYTONA_EPROTOCOL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (size_t step = 0; step < 6; step++) {
      daytona__http1_head_t answer;
      int code = feed(&answer, cases[i].text, strlen(cases[i].text), step == 5 ? 4096 : step);
      assert_int_equal(code, cases[i].code);
      assert_string_equal(answer.body.data != NULL ? answer.body.data : "", cases[i].body);
      if (code < 0) assert_non_null(answer.message);
      daytona__http1_head_clear(&answer);
    }
}

static void answer_heads_have_ceilings(void **state) {
  daytona__http1_head_t answer;
  static char huge[DAYTONA__UPGRADE_HEAD_MAX + 64];
  int size = sprintf(huge, "HTTP/1.1 400 X\r\nA: ");
  memset(huge + size, 'a', DAYTONA__UPGRADE_HEAD_MAX);
  assert_int_equal(feed(&answer, huge, DAYTONA__UPGRADE_HEAD_MAX + (size_t)size, 1), DAYTONA_ELIMIT);
  daytona__http1_head_clear(&answer);
  char *at = huge + sprintf(huge, "HTTP/1.1 400 X\r\n");
  for (int i = 0; i <= DAYTONA__UPGRADE_HEADERS_MAX; i++) at += sprintf(at, "A: b\r\n");
  at += sprintf(at, "\r\n");
  assert_int_equal(feed(&answer, huge, (size_t)(at - huge), 1), DAYTONA_ELIMIT);
  daytona__http1_head_clear(&answer);
  at = huge;
  for (int i = 0; i <= DAYTONA__INTERIM_MAX; i++) at += sprintf(at, "HTTP/1.1 103 Early\r\n\r\n");
  assert_int_equal(feed(&answer, huge, (size_t)(at - huge), 1), DAYTONA_EPROTOCOL);
  daytona__http1_head_clear(&answer);
  /* A body beyond its ceiling is cut, not refused. */
  at = huge + sprintf(huge, "HTTP/1.1 500 X\r\n\r\n");
  size_t head = (size_t)(at - huge);
  memset(at, 'b', DAYTONA__ERROR_BODY_MAX);
  assert_int_equal(feed(&answer, huge, head + 40000, 4096), 0);
  assert_int_equal(daytona__http1_head_body(&answer, at, 40000), 0);
  assert_int_equal(answer.body.size, DAYTONA__ERROR_BODY_MAX);
  daytona__http1_head_clear(&answer);
}

static void answer_refuses_malformed_heads(void **state) {
  static const char *const heads[] = {"HTTP/2 200\r\n\r\n",
                                      "HTTP/1.1  200 X\r\n\r\n",
                                      "HTTP/1.1 20 X\r\n\r\n",
                                      "HTTP/1.1 2000 X\r\n\r\n",
                                      "HTTP/1.1 099 X\r\n\r\n",
                                      "HTTP/1.1 200 X\r\n: v\r\n\r\n",
                                      "HTTP/1.1 200 X\r\nA b: v\r\n\r\n",
                                      "HTTP/1.1 200 X\r\n folded: v\r\n\r\n",
                                      "GET / HTTP/1.1\r\n\r\n",
                                      "\r\n"};
  for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
    daytona__http1_head_t answer;
    assert_int_equal(feed(&answer, heads[i], strlen(heads[i]), 1), DAYTONA_EPROTOCOL);
    daytona__http1_head_clear(&answer);
  }
  static const char with_nul[] = "HTTP/1.1 200 X\r\nA: b\0c\r\n\r\n";
  daytona__http1_head_t answer;
  assert_int_equal(feed(&answer, with_nul, sizeof with_nul - 1, 1), DAYTONA_EPROTOCOL);
  daytona__http1_head_clear(&answer);
}

static void accept_key_is_the_one_of_the_standard(void **state) {
  char out[29];
  assert_int_equal(daytona__psa_init(), 0);
  assert_int_equal(daytona__ws_upgrade_accept("dGhlIHNhbXBsZSBub25jZQ==", out), 0);
  assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void request_has_everything_in_its_place(void **state) {
  static const daytona_header_t headers[] = {{"Authorization", "Bearer x"}, {"X-A", "b\tc"}};
  static const char *const protocols[] = {"one", "two"};
  daytona__ws_url_t url = {0};
  daytona__strbuf_t out;
  assert_int_equal(daytona__ws_url_parse(&url, "wss://Example.com:8443?q=a%20b#frag"), 0);
  daytona__ws_upgrade_t upgrade = {
    .url = &url, .headers = headers, .header_count = 2, .protocols = protocols, .protocol_count = 2};
  assert_int_equal(daytona__ws_upgrade_validate(&upgrade), 0);
  daytona__strbuf_init(&out, 4096);
  assert_int_equal(daytona__ws_upgrade_request(&upgrade, &out), 0);
  assert_int_equal(strncmp(out.data, "GET /?q=a%20b HTTP/1.1\r\nHost: example.com:8443\r\n", 47), 0);
  assert_non_null(strstr(out.data, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"));
  assert_non_null(strstr(out.data, "\r\nSec-WebSocket-Version: 13\r\n"));
  assert_non_null(strstr(out.data, "\r\nSec-WebSocket-Protocol: one, two\r\n"));
  assert_non_null(strstr(out.data, "\r\nAuthorization: Bearer x\r\nX-A: b\tc\r\n\r\n"));
  assert_int_equal(strlen(upgrade.key), 24);
  char first[DAYTONA__UPGRADE_KEY_ROOM];
  strcpy(first, upgrade.key);
  daytona__strbuf_clear(&out);
  upgrade.redirect.is_foreign = true;
  assert_int_equal(daytona__ws_upgrade_request(&upgrade, &out), 0);
  assert_null(strstr(out.data, "Authorization"));
  assert_string_not_equal(first, upgrade.key);
  daytona__strbuf_clear(&out);
  daytona__ws_url_clear(&url);
}

static void urls_default_their_ports_and_hosts(void **state) {
  static const struct {
    const char *url, *host_line;
  } cases[] = {{"ws://a/", "Host: a\r\n"},           {"ws://a:80/", "Host: a\r\n"},
               {"wss://a/", "Host: a\r\n"},          {"wss://a:443", "Host: a\r\n"},
               {"ws://a:443/", "Host: a:443\r\n"},   {"http://[::1]:81/", "Host: [::1]:81\r\n"},
               {"https://[::1]/", "Host: [::1]\r\n"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    daytona__ws_url_t url = {0};
    daytona__strbuf_t out;
    assert_int_equal(daytona__ws_url_parse(&url, cases[i].url), 0);
    daytona__ws_upgrade_t upgrade = {.url = &url};
    daytona__strbuf_init(&out, 4096);
    assert_int_equal(daytona__ws_upgrade_request(&upgrade, &out), 0);
    assert_non_null(strstr(out.data, cases[i].host_line));
    daytona__strbuf_clear(&out);
    daytona__ws_url_clear(&url);
  }
}

static void urls_follow_locations(void **state) {
  static const struct {
    const char *base, *location, *text; /* NULL: refused */
  } cases[] = {
    {"ws://a/b/c?d", "/x?y", "http://a/x?y"},     {"wss://a:99/b/c", "../z", "https://a:99/z"},
    {"ws://a/b", "wss://c:1/d", "https://c:1/d"}, {"ws://a/b", "//c/d", "http://c/d"},
    {"ws://a/b", "?q", "http://a/b?q"},           {"ws://a/b", "ftp://c/", NULL},
    {"ws://a/b", "http://u:p@c/", NULL},          {"ws://a/b", "/x y", "http://a/x%20y"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    daytona__ws_url_t base = {0}, next = {0};
    assert_int_equal(daytona__ws_url_parse(&base, cases[i].base), 0);
    int code = daytona__ws_url_follow(&next, &base, cases[i].location);
    assert_int_equal(code, cases[i].text != NULL ? 0 : DAYTONA_EINVAL);
    if (code == 0) assert_string_equal(next.text, cases[i].text);
    daytona__ws_url_clear(&base);
    daytona__ws_url_clear(&next);
  }
}

static void tunnel_asks_for_host_and_port(void **state) {
  daytona__proxy_t proxy = {.kind = DAYTONA__PROXY_HTTP, .port = 3128};
  daytona__target_t target;
  daytona__strbuf_t out;
  assert_int_equal(daytona__target_parse("wss://[::1]/x", &target, NULL), 0);
  daytona__strbuf_init(&out, 4096);
  assert_int_equal(daytona__tunnel_request(&proxy, &target, &out), 0);
  assert_string_equal(out.data,
                      "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n"
                      "Proxy-Connection: keep-alive\r\n\r\n");
  daytona__strbuf_clear(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(answer_bodies_are_the_same_however_cut),
    cmocka_unit_test(answer_heads_have_ceilings),
    cmocka_unit_test(answer_refuses_malformed_heads),
    cmocka_unit_test(accept_key_is_the_one_of_the_standard),
    cmocka_unit_test(request_has_everything_in_its_place),
    cmocka_unit_test(urls_default_their_ports_and_hosts),
    cmocka_unit_test(urls_follow_locations),
    cmocka_unit_test(tunnel_asks_for_host_and_port),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
