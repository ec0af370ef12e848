/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets, proxy URLs and NO_PROXY rules.
 */
#include "net/proxy.h"

#include <string.h>

#include "stage.h"
#include "support/check.h"

static void targets_are_read(void **state) {
  static const struct {
    const char *url, *host, *path;
    int port;
    bool is_secure, is_literal;
  } rows[] = {
    {"http://example.com", "example.com", "", 80, false, false},
    {"https://EXAMPLE.com:8443/a?b#c", "example.com", "/a?b#c", 8443, true, false},
    {"HTTP://127.0.0.1:1/", "127.0.0.1", "/", 1, false, true},
    {"https://[::1]:9/x", "::1", "/x", 9, true, true},
    {"ws://a_b-c.d~e?q", "a_b-c.d~e", "?q", 80, false, false},
    {"wss://localhost", "localhost", "", 443, true, false},
    {"http://example.com./", "example.com.", "/", 80, false, false},
    {"http://1.2.3.4.example/", "1.2.3.4.example", "/", 80, false, false},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    daytona__target_t target;
    const char *path;
    assert_int_equal(daytona__target_parse(rows[i].url, &target, &path), 0);
    assert_string_equal(target.host, rows[i].host);
    assert_string_equal(path, rows[i].path);
    assert_int_equal(target.port, rows[i].port);
    assert_int_equal(target.is_secure, rows[i].is_secure);
    assert_int_equal(target.is_literal, rows[i].is_literal);
  }
}

static void doubtful_targets_are_refused(void **state) {
  static const char *const urls[] = {
    "",
    "example.com",
    "//example.com",
    "ftp://example.com",
    "http://",
    "http:///x",
    "http://:80/",
    "http://a:/",
    "http://a:0/",
    "http://a:65536/",
    "http://a:1x/",
    "http://a:123456/",
    "http://user@host/",
    "http://user:pw@host/",
    "http://ho st/",
    "http://host/a b",
    "http://host/\r\nX: y",
    "http://%6c/",
    "http://a\\@b/",
    "http://[::1/",
    "http://[::1]x/",
    "http://[127.0.0.1]/",
    "http://::1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://1.2.3.4./",
    "http://a.0x1/",
    "http://b\xc3\xbc\x63her.example/",
    "http:/host",
    "https:host",
    "http://[fe80::1%25lo]/",
  };
  for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
    daytona__target_t target;
    if (daytona__target_parse(urls[i], &target, NULL) != DAYTONA_EINVAL) fail_msg("accepted %s", urls[i]);
  }
  daytona__target_t target;
  assert_int_equal(daytona__target_parse(NULL, &target, NULL), DAYTONA_EINVAL);
  char url[400] = "http://";
  memset(url + 7, 'a', 300);
  assert_int_equal(daytona__target_parse(url, &target, NULL), DAYTONA_EINVAL);
}

static void proxy_urls_are_read(void **state) {
  static const struct {
    const char *url, *host, *user, *password;
    daytona__proxy_kind_t kind;
    int port;
  } rows[] = {
    {"proxy.example", "proxy.example", NULL, NULL, DAYTONA__PROXY_HTTP, 1080},
    {"proxy.example:3128", "proxy.example", NULL, NULL, DAYTONA__PROXY_HTTP, 3128},
    {"http://u:p@proxy.example:3128/", "proxy.example", "u", "p", DAYTONA__PROXY_HTTP, 3128},
    {"http://u@[::1]:1", "::1", "u", NULL, DAYTONA__PROXY_HTTP, 1},
    {"https://a%40b:c%3Ad%2f@x", "x", "a@b", "c:d/", DAYTONA__PROXY_HTTPS, 443},
    {"http://u:p@w@x", "x", "u", "p@w", DAYTONA__PROXY_HTTP, 1080},
    {"socks5h://x:9", "x", NULL, NULL, DAYTONA__PROXY_SOCKS5, 9},
    {"socks5://x", "x", NULL, NULL, DAYTONA__PROXY_SOCKS5, 1080},
    {"socks4://x", "x", NULL, NULL, DAYTONA__PROXY_SOCKS4, 1080},
    {"u:@x:1", "x", "u", "", DAYTONA__PROXY_HTTP, 1},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    daytona__proxy_t proxy;
    assert_int_equal(daytona__proxy_parse(rows[i].url, &proxy), 0);
    assert_string_equal(proxy.host, rows[i].host);
    assert_int_equal(proxy.port, rows[i].port);
    assert_int_equal(proxy.kind, rows[i].kind);
    assert_int_equal(proxy.user != NULL, rows[i].user != NULL);
    assert_int_equal(proxy.password != NULL, rows[i].password != NULL);
    if (proxy.user != NULL) assert_string_equal(proxy.user, rows[i].user);
    if (proxy.password != NULL) assert_string_equal(proxy.password, rows[i].password);
    daytona__proxy_clear(&proxy);
  }
}

static void bad_proxy_urls_are_refused(void **state) {
  static const char *const urls[] = {
    "",           "ftp://x",   "http://", "http://x:0", "http://u%zz@x", "http://u%00@x", "http://u%4@x",
    "http://a b", "http://u@", "x:y:z",   "http://[::1"};
  for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
    daytona__proxy_t proxy;
    if (daytona__proxy_parse(urls[i], &proxy) != DAYTONA_EINVAL) fail_msg("accepted %s", urls[i]);
  }
}

static void proxy_parse_survives_lack_of_memory(void **state) {
  stage_t stage;
  stage_open(&stage);
  bool has_failed = true;
  for (size_t n = 0; has_failed; n++) {
    daytona__proxy_t proxy;
    stage_fail_alloc(n);
    int error = daytona__proxy_parse("http://user:password@host:1", &proxy);
    has_failed = stage_alloc_failed();
    assert_int_equal(error, has_failed ? DAYTONA_ENOMEM : 0);
    if (error == 0) daytona__proxy_clear(&proxy);
  }
  stage_close(&stage);
}

static void no_proxy_follows_the_rules(void **state) {
  static const struct {
    const char *rules, *host;
    int port;
    bool matches;
  } rows[] = {
    {NULL, "a", 80, false},
    {"", "a", 80, false},
    {"*", "anything", 80, true},
    {"* ", "1.2.3.4", 80, true},
    {"a,*", "b", 80, true},
    {"*.example.com", "www.example.com", 80, false},
    {"example.com", "example.com", 80, true},
    {"example.com", "www.example.com", 80, true},
    {"example.com", "www.EXAMPLE.com.", 80, true},
    {".example.com", "example.com", 80, true},
    {".example.com", "a.b.example.com", 80, true},
    {"example.com.", "example.com", 80, true},
    {"example.com", "notexample.com", 80, false},
    {"www.example.com", "example.com", 80, false},
    {"com", "example.com", 80, true},
    {"a, b\tc,,d", "c", 80, true},
    {"a, b\tc,,d", "d", 80, true},
    {"a, b\tc,,d", "e", 80, false},
    {"example.com:8080", "example.com", 8080, true},
    {"example.com:8080", "example.com", 80, false},
    {"example.com:x", "example.com", 80, false},
    {"127.0.0.1", "127.0.0.1", 80, true},
    {"127.0.0.1:81", "127.0.0.1", 80, false},
    {"127.0.0.1:80", "127.0.0.1", 80, true},
    {"0.0.1", "127.0.0.1", 80, false},
    {"10.0.0.0/8", "10.255.1.2", 80, true},
    {"10.0.0.0/8", "11.0.0.1", 80, false},
    {"192.168.3.128/25", "192.168.3.200", 80, true},
    {"192.168.3.128/25", "192.168.3.100", 80, false},
    {"1.2.3.4/32", "1.2.3.4", 80, true},
    {"1.2.3.4/33", "1.2.3.4", 80, false},
    {"1.2.3.4/x", "1.2.3.4", 80, false},
    {"1.2.3.4/", "1.2.3.4", 80, false},
    {"0.0.0.0/0", "9.9.9.9", 80, true},
    {"0.0.0.0/0", "::1", 80, false},
    {"10.0.0.0/8", "example.com", 80, false},
    {"::1", "::1", 80, true},
    {"[::1]", "::1", 80, true},
    {"[::1]:443", "::1", 443, true},
    {"[::1]:443", "::1", 80, false},
    {"[::1", "::1", 80, false},
    {"0:0::1", "::1", 80, true},
    {"fd00::/8", "fd12:3::4", 80, true},
    {"[fd00::]/8", "fd12:3::4", 80, true},
    {"fd00::/8", "fe12:3::4", 80, false},
    {"fd00::/129", "fd00::", 80, false},
    {".", "a", 80, false},
    {",", "a", 80, false},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    if (daytona__no_proxy_matches(rows[i].rules, rows[i].host, rows[i].port) != rows[i].matches)
      fail_msg("'%s' for %s:%d", rows[i].rules, rows[i].host, rows[i].port);
}

static void the_scheme_picks_the_proxy(void **state) {
  daytona__proxy_options_t options = {
    .http_proxy = "http://a", .https_proxy = "http://b", .no_proxy = "skip"};
  daytona__target_t target;
  daytona__target_parse("ws://x/", &target, NULL);
  assert_string_equal(daytona__proxy_pick(&options, &target), "http://a");
  daytona__target_parse("https://x/", &target, NULL);
  assert_string_equal(daytona__proxy_pick(&options, &target), "http://b");
  daytona__target_parse("https://www.skip/", &target, NULL);
  assert_null(daytona__proxy_pick(&options, &target));
  options.no_proxy = NULL;
  options.https_proxy = "";
  assert_null(daytona__proxy_pick(&options, &target));
  options.https_proxy = NULL;
  assert_null(daytona__proxy_pick(&options, &target));
}

/* The variables of the environment are about other machines. */
static void this_machine_needs_no_proxy(void **state) {
  static const char *const ours[] = {
    "http://127.0.0.1:3986/",        "http://127.9.9.9/", "https://[::1]:1/",
    "http://[::ffff:127.0.0.1]/",    "http://localhost/", "http://LocalHost./",
    "http://3000-sb.localhost:8080/"};
  static const char *const others[] = {"http://128.0.0.1/",          "http://[::2]/",
                                       "http://[::ffff:128.0.0.1]/", "http://localhost.example/",
                                       "http://mylocalhost/",        "http://10.0.0.1/"};
  daytona__proxy_options_t options = {.http_proxy = "http://a", .https_proxy = "http://b"};
  daytona__target_t target;
  for (int is_sparing = 0; is_sparing < 2; is_sparing++) {
    options.spares_loopback = is_sparing;
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
      assert_int_equal(daytona__target_parse(ours[i], &target, NULL), 0);
      assert_int_equal(daytona__proxy_pick(&options, &target) == NULL, is_sparing);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
      assert_int_equal(daytona__target_parse(others[i], &target, NULL), 0);
      assert_non_null(daytona__proxy_pick(&options, &target));
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(targets_are_read),
    cmocka_unit_test(doubtful_targets_are_refused),
    cmocka_unit_test(proxy_urls_are_read),
    cmocka_unit_test(bad_proxy_urls_are_refused),
    cmocka_unit_test(proxy_parse_survives_lack_of_memory),
    cmocka_unit_test(no_proxy_follows_the_rules),
    cmocka_unit_test(the_scheme_picks_the_proxy),
    cmocka_unit_test(this_machine_needs_no_proxy),
  };
  return cmocka_run_group_tests_name("proxy", tests, NULL, NULL);
}
