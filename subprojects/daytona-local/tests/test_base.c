/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text, numbers, times, buffers, maps, JSON helpers.
 */
#include "base/buf.h"
#include "base/encode.h"
#include "base/jsonx.h"
#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void utf8_is_strict(void **state) {
  (void)state;
  static const struct {
    const char *text;
    bool ok;
  } cases[] = {
    {"", true},
    {"plain", true},
    {"\xc3\xa9", true},
    {"\xe2\x82\xac", true},
    {"\xf0\x9f\x98\x80", true},
    {"\xf4\x8f\xbf\xbf", true},
    {"\x80", false},
    {"\xc3", false},
    {"\xc0\xaf", false},
    {"\xe0\x80\xaf", false},
    {"\xed\xa0\x80", false},
    {"\xf4\x90\x80\x80", false},
    {"\xf8\x88\x80\x80\x80", false},
    {"a\xff", false},
    {"\xe2\x82", false},
  };
  for (size_t i = 0; i < DL_COUNT(cases); i++)
    assert_int_equal(dl_utf8_valid(cases[i].text, strlen(cases[i].text)), cases[i].ok);
}

static void integers_take_exponents_and_refuse_the_rest(void **state) {
  (void)state;
  int64_t n = 0;
  assert_true(dl_parse_int("1e+06", 0, 10000000, &n));
  assert_int_equal(n, 1000000);
  assert_true(dl_parse_int("-5", -5, 5, &n));
  assert_true(dl_parse_int("4.0", 0, 5, &n));
  static const char *const bad[] = {"",   "1.5", "x", "0x10", "inf",   "nan",
                                    " 1", "1 ",  "6", "-6",   "1e400", "--1"};
  for (size_t i = 0; i < DL_COUNT(bad); i++) assert_false(dl_parse_int(bad[i], -5, 5, &n));
}

static void times_round_trip_and_accept_what_clients_send(void **state) {
  (void)state;
  int64_t ms = 0;
  assert_string_equal(dl_iso_format(1787217330123).text, "2026-08-20T09:15:30.123Z");
  assert_true(dl_iso_parse("2026-08-20T09:15:30.123Z", &ms));
  assert_int_equal(ms, 1787217330123);
  assert_true(dl_iso_parse("2026-08-20T11:15:30.123456789+02:00", &ms));
  assert_int_equal(ms, 1787217330123);
  assert_true(dl_iso_parse("2026-08-20T07:15:30.1-0200", &ms));
  assert_int_equal(ms, 1787217330100);
  assert_true(dl_iso_parse("2026-08-20", &ms));
  static const char *const bad[] = {"",
                                    "2026",
                                    "2026-13-01",
                                    "2026-08-20T25:00:00Z",
                                    "2026-08-20T09:15:30.Z",
                                    "yesterday",
                                    "2026-08-20T09:15:30Zx"};
  for (size_t i = 0; i < DL_COUNT(bad); i++) assert_false(dl_iso_parse(bad[i], &ms));
}

static void secrets_compare_by_content(void **state) {
  (void)state;
  assert_true(dl_same_secret("abc", "abc"));
  assert_false(dl_same_secret("abc", "abd"));
  assert_false(dl_same_secret("abc", "ab"));
  assert_false(dl_same_secret("abc", "abcabc"));
  assert_false(dl_same_secret("abc", ""));
  assert_false(dl_same_secret("", "a"));
}

static void names_are_random_and_well_formed(void **state) {
  (void)state;
  dl_uuid_t a = dl_uuid_new(), b = dl_uuid_new();
  assert_true(dl_is_uuid(a.text));
  assert_int_equal(a.text[14], '4');
  assert_non_null(strchr("89ab", a.text[19]));
  assert_string_not_equal(a.text, b.text);
  assert_false(dl_is_uuid("7f0a7b5e-5a0f-4e0b-9d0f-0c2a2f1d8b1"));
  assert_false(dl_is_uuid("7f0a7b5e-5a0f-4e0b-9d0f-0c2a2f1d8b111"));
  assert_false(dl_is_uuid(""));
  char *token = dl_random_token(64, DL_ALPHABET_HEX);
  assert_int_equal(strspn(token, DL_ALPHABET_HEX), 64);
  free(token);
}

static void buffers_stop_at_their_ceiling(void **state) {
  (void)state;
  dl_buf_t b;
  dl_buf_init(&b, 10);
  assert_true(dl_buf_puts(&b, "12345678"));
  assert_false(dl_buf_puts(&b, "abc"));
  assert_string_equal(b.data, "12345678");
  assert_true(dl_buf_puts(&b, "ab"));
  assert_null(dl_buf_reserve(&b, 1));
  dl_buf_consume(&b, 8);
  assert_string_equal(b.data, "ab");
  char *taken = dl_buf_take(&b);
  assert_string_equal(taken, "ab");
  free(taken);
  taken = dl_buf_take(&b);
  assert_string_equal(taken, "");
  free(taken);
}

static void maps_survive_growth_and_removal(void **state) {
  (void)state;
  dl_map_t m = {0};
  static int values[1000];
  char key[16];
  assert_null(dl_map_get(&m, "none"));
  for (int i = 0; i < 1000; i++) {
    snprintf(key, sizeof key, "key-%d", i);
    dl_map_put(&m, key, &values[i]);
  }
  for (int i = 0; i < 1000; i += 2) {
    snprintf(key, sizeof key, "key-%d", i);
    dl_map_remove(&m, key);
    dl_map_remove(&m, key);
  }
  assert_int_equal(m.count, 500);
  for (int i = 0; i < 1000; i++) {
    snprintf(key, sizeof key, "key-%d", i);
    assert_ptr_equal(dl_map_get(&m, key), i % 2 ? &values[i] : NULL);
  }
  for (int round = 0; round < 5000; round++) { /* graves must not fill the table */
    snprintf(key, sizeof key, "t-%d", round);
    dl_map_put(&m, key, &values[0]);
    dl_map_remove(&m, key);
  }
  assert_int_equal(m.count, 500);
  dl_map_clear(&m);
}

static void json_refuses_depth_and_reads_null_as_absent(void **state) {
  (void)state;
  char *error = NULL, deep[300];
  memset(deep, '[', 150);
  memset(deep + 150, ']', 150);
  assert_null(dl_json_parse(deep, 300, &error));
  free(error);
  error = NULL;
  static const char text[] = "{\"a\":null,\"B\":4.0,\"s\":\"[[[\"}";
  json_t *o = dl_json_parse(text, strlen(text), &error);
  assert_non_null(o);
  assert_null(dl_json_get(o, "a"));
  assert_int_equal(dl_json_int(o, "B", 0), 4);
  assert_int_equal(dl_json_int(o, "s", 7), 7);
  assert_non_null(dl_json_get_nocase(o, "b"));
  json_decref(o);
  o = dl_json_number(4);
  assert_true(json_is_integer(o));
  json_decref(o);
}

/* Test vectors of RFC 3174, and both sides of the lengths at which the padding takes another block. */
static void sha1_is_that_of_the_standard(void **state) {
  (void)state;
  char text[130];
  static const struct {
    const char *text;
    size_t times;
    const char *base64;
  } cases[] = {
    {"", 1, "2jmj7l5rSw0yVb/vlWAYkK/YBwk="},
    {"abc", 1, "qZk+NkcGgWq6PiVxeFDCbJzQ2J0="},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1, "hJg+RBw70m66rkqh+VEp5eVGcPE="},
    {"0123456701234567012345670123456701234567012345670123456701234567", 10, "3qNWos3dkMen7O3F67Vjk09GBFI="},
    {"a", 55, "wci73CJ5bijA4VFj0giZtlYh1lo="},
    {"a", 63, "A/CfWxWKeoza2SC93Cm4HBilUfU="},
    {"a", 64, "AJi6gktcFkJ716ESKlpEKiXsZE0="},
    {"dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 1, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
  };
  for (size_t i = 0; i < DL_COUNT(cases); i++) {
    unsigned char sum[20];
    size_t len = strlen(cases[i].text);
    char *all = dl_xcalloc(len * cases[i].times + 1, 1);
    for (size_t j = 0; j < cases[i].times; j++) memcpy(all + j * len, cases[i].text, len);
    dl_sha1(all, len * cases[i].times, sum);
    dl_base64(sum, sizeof sum, text);
    assert_string_equal(text, cases[i].base64);
    free(all);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(utf8_is_strict),
    cmocka_unit_test(integers_take_exponents_and_refuse_the_rest),
    cmocka_unit_test(times_round_trip_and_accept_what_clients_send),
    cmocka_unit_test(secrets_compare_by_content),
    cmocka_unit_test(names_are_random_and_well_formed),
    cmocka_unit_test(buffers_stop_at_their_ceiling),
    cmocka_unit_test(maps_survive_growth_and_removal),
    cmocka_unit_test(sha1_is_that_of_the_standard),
    cmocka_unit_test(json_refuses_depth_and_reads_null_as_absent),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
