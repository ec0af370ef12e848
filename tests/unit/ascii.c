/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Characters, header fields, owned strings: the small tools that everything else is made of.
 */
#include "core/ascii.h"

#include <string.h>

#include "core/header.h"
#include "net/redirect.h"
#include "support/check.h"

static void hexadecimal_digits_have_two_cases(void **state) {
  static const char digits[] = "0123456789abcdef0123456789ABCDEF";
  for (int c = 0; c < 256; c++) {
    const char *at = c != 0 ? strchr(digits, c) : NULL;
    assert_int_equal(daytona__hex_digit((char)c), at != NULL ? (at - digits) % 16 : -1);
  }
}

static void tokens_are_those_of_the_rfc(void **state) {
  static const char separators[] = "\"(),/:;<=>?@[\\]{}";
  for (int c = 0; c < 256; c++) {
    bool is_token = c > ' ' && c < 0x7f && strchr(separators, c) == NULL;
    assert_int_equal(daytona__is_token_char((char)c), is_token);
  }
  assert_true(daytona__is_token("X-Daytona~1.2"));
  assert_false(daytona__is_token("X Y"));
  assert_false(daytona__is_token(""));
  assert_false(daytona__is_token(NULL));
}

static void base64_has_two_alphabets(void **state) {
  static const struct {
    const char *bytes, *plain, *url;
  } rows[] = {
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"\xfb\xff\xfe", "+//+", "-__-"},
    {"\xff", "/w==", "_w"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    char out[DAYTONA__BASE64_ROOM(3)];
    size_t size = strlen(rows[i].bytes);
    assert_int_equal(daytona__base64(out, rows[i].bytes, size), strlen(rows[i].plain));
    assert_string_equal(out, rows[i].plain);
    assert_int_equal(daytona__base64_url(out, rows[i].bytes, size), strlen(rows[i].url));
    assert_string_equal(out, rows[i].url);
  }
}

/* Whole, and in two parts at every place; over the text itself. */
static void base64_is_decoded_in_parts(void **state) {
  static const struct {
    const char *text, *bytes; /* NULL: refused */
  } rows[] = {
    {"", ""},
    {"Zg==", "f"},
    {"Zg", "f"},
    {"Zg=", NULL},
    {"Zm8=", "fo"},
    {"Zm8", "fo"},
    {"Zm9v", "foo"},
    {"Zm9vYmFy", "foobar"},
    {" Zm\n9v\r\t", "foo"},
    {"Zg= =\n", "f"},
    {"Z", NULL},
    {"Z===", NULL},
    {"Zg==Zg==", NULL},
    {"Zm9v=", NULL},
    {"Zm8==", NULL},
    {"-__-", NULL},
    {"Zm9\xff", NULL},
    {"Zm9vZ", NULL},
    {"+//+", "\xfb\xff\xfe"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    for (size_t cut = 0; cut <= strlen(rows[i].text); cut++) {
      char text[32];
      size_t size = strlen(rows[i].text), written = 0;
      daytona__base64_t decoder = {0};
      memcpy(text, rows[i].text, size);
      bool ok = daytona__base64_decode(&decoder, text, cut, text, &written) &&
                daytona__base64_decode(&decoder, text + cut, size - cut, text, &written) &&
                daytona__base64_end(&decoder, text, &written);
      assert_int_equal(ok, rows[i].bytes != NULL);
      if (!ok) continue;
      assert_int_equal(written, strlen(rows[i].bytes));
      assert_memory_equal(text, rows[i].bytes, written);
    }
}

/* Every code point comes back, and nothing else is a character: all sequences of up to three bytes are tried. */
static void utf8_is_what_was_put(void **state) {
  size_t valid = 0;
  for (uint32_t c = 0; c <= 0x10FFFF; c++) {
    char text[4];
    size_t size = daytona__utf8_put(c, text);
    bool is_surrogate = c >= 0xD800 && c <= 0xDFFF;
    assert_int_equal(size, daytona__utf8_size(c));
    assert_int_equal(daytona__utf8_length(text, size), is_surrogate ? 0 : size);
    if (size > 1) assert_int_equal(daytona__utf8_length(text, size - 1), 0);
  }
  for (uint32_t bytes = 0; bytes < 1u << 24; bytes++) {
    char text[3] = {(char)(bytes >> 16), (char)(bytes >> 8), (char)bytes};
    if (daytona__utf8_length(text, 3) == 3) valid++;
  }
  assert_int_equal(valid, 0x10000 - 0x800 - 0x800); /* without surrogates and what takes one or two bytes */
}

static void strings_hold_no_nul(void **state) {
  assert_true(daytona__utf8_is_valid("", 0));
  assert_true(daytona__utf8_is_valid("long enough for words \xc3\xbc", 24));
  assert_false(daytona__utf8_is_valid("long enough for words \xc3", 23));
  assert_false(daytona__utf8_is_valid("a\0b", 3));
}

static void headers_without_line_ends_can_be_sent(void **state) {
  static const daytona_header_t good[] = {{"A", ""}, {"a-b", "x\ty"}, {"X", "\xc3\xbc"}};
  static const daytona_header_t bad[] = {{"A", "x\r\nB: y"}, {"A", "\x01"}, {"A", "\x7f"}, {"A:", "x"},
                                         {"", "x"},          {NULL, "x"},   {"A", NULL}};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) assert_true(daytona__header_is_valid(&good[i]));
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_false(daytona__header_is_valid(&bad[i]));
}

/* --- redirects --------------------------------------------------------------------------------- */

static daytona__target_t target(const char *url) {
  daytona__target_t parsed;
  assert_int_equal(daytona__target_parse(url, &parsed, NULL), 0);
  return parsed;
}

static int follow(daytona__redirect_t *redirect, int status, const char *method, bool has_body,
                  const char *from, const char *to) {
  daytona__target_t a = target(from), b = target(to);
  const char *message = NULL;
  int code = daytona__redirect_follow(redirect, status, method, has_body, &a, &b, &message);
  assert_true((code != 0) == (message != NULL));
  return code;
}

static void another_origin_is_another_scheme_host_or_port(void **state) {
  static const struct {
    const char *from, *to;
    bool is_foreign;
  } rows[] = {
    {"http://a/x", "http://a/y", false},
    {"http://a/", "http://A:80/", false},
    {"http://a/", "http://b/", true},
    {"http://a/", "http://a:81/", true},
    {"http://a:8443/", "https://a:8443/", true},
    {"http://a/", "https://a/", true},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    daytona__redirect_t redirect = {0};
    assert_int_equal(follow(&redirect, 307, "GET", false, rows[i].from, rows[i].to), 0);
    assert_int_equal(redirect.is_foreign, rows[i].is_foreign);
    assert_int_equal(daytona__redirect_hides(&redirect, "authorization"), rows[i].is_foreign);
    assert_int_equal(daytona__redirect_hides(&redirect, "X-Daytona-Organization-ID"), rows[i].is_foreign);
    assert_false(daytona__redirect_hides(&redirect, "User-Agent"));
  }
}

static void a_request_that_was_abroad_gets_nothing_back(void **state) {
  daytona__redirect_t redirect = {0};
  assert_int_equal(follow(&redirect, 302, "GET", false, "http://a/", "http://b/"), 0);
  assert_int_equal(follow(&redirect, 302, "GET", false, "http://b/", "http://a/"), 0);
  assert_true(daytona__redirect_hides(&redirect, "Cookie"));
}

static void a_body_stays_with_the_server_it_was_for(void **state) {
  daytona__redirect_t redirect = {0};
  assert_int_equal(follow(&redirect, 307, "POST", true, "http://a/", "http://b/"), DAYTONA_EPROTOCOL);
  assert_int_equal(redirect.count, 0);
  assert_int_equal(follow(&redirect, 308, "PUT", true, "http://a/", "http://b/"), DAYTONA_EPROTOCOL);
  assert_int_equal(follow(&redirect, 307, "POST", true, "http://a/", "http://a/x"), 0);
  assert_int_equal(follow(&redirect, 303, "POST", true, "http://a/x", "http://b/"), 0);
  assert_true(redirect.becomes_get);
  assert_int_equal(follow(&redirect, 307, "GET", true, "http://b/", "http://c/"), 0);
}

static void a_body_goes_on_to_the_same_host_over_tls(void **state) {
  static const struct {
    const char *from, *to;
    int code;
  } rows[] = {
    {"http://a/", "https://a/x", 0},
    {"http://a:8080/", "https://a:8080/", 0},
    {"http://a:8080/", "https://a/", DAYTONA_EPROTOCOL},
    {"http://a/", "https://a:8443/", DAYTONA_EPROTOCOL},
    {"http://a/", "https://b/", DAYTONA_EPROTOCOL},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    daytona__redirect_t redirect = {0};
    assert_int_equal(follow(&redirect, 308, "POST", true, rows[i].from, rows[i].to), rows[i].code);
    assert_int_equal(redirect.is_foreign, rows[i].code == 0);
    if (rows[i].code != 0) continue;
    assert_true(daytona__redirect_hides(&redirect, "Authorization"));
    assert_int_equal(follow(&redirect, 308, "POST", true, rows[i].to, "https://b/"), DAYTONA_EPROTOCOL);
  }
}

static void tls_is_kept_and_circles_end(void **state) {
  daytona__redirect_t redirect = {0};
  assert_int_equal(follow(&redirect, 302, "GET", false, "https://a/", "http://a/"), DAYTONA_EPROTOCOL);
  for (int i = 0; i < DAYTONA__REDIRECTS_MAX; i++)
    assert_int_equal(follow(&redirect, 302, "GET", false, "http://a/", "http://a/"), 0);
  assert_int_equal(follow(&redirect, 302, "GET", false, "http://a/", "http://a/"), DAYTONA_EPROTOCOL);
}

#define TEST(name) cmocka_unit_test(name)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(hexadecimal_digits_have_two_cases),
    TEST(tokens_are_those_of_the_rfc),
    TEST(base64_has_two_alphabets),
    TEST(base64_is_decoded_in_parts),
    TEST(utf8_is_what_was_put),
    TEST(strings_hold_no_nul),
    TEST(headers_without_line_ends_can_be_sent),
    TEST(another_origin_is_another_scheme_host_or_port),
    TEST(a_request_that_was_abroad_gets_nothing_back),
    TEST(a_body_stays_with_the_server_it_was_for),
    TEST(a_body_goes_on_to_the_same_host_over_tls),
    TEST(tls_is_kept_and_circles_end),
  };
  return cmocka_run_group_tests_name("ascii", tests, NULL, NULL);
}
