/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of the domain name system: what is read, what is refused, and that no bytes do harm.
 */
#include "runtime/dns.h"

#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t QUERY[] = {0x12, 0x34, 1,   0,   0,   1,   0,   0, 0,   0,   0,   0, 3, 'W', 'w', 'w', 7,
                                'e',  'x',  'a', 'm', 'p', 'l', 'e', 3, 'o', 'r', 'g', 0, 0, 1,   0,   1};
static const uint8_t OPT[] = {0, 0, 41, 16, 0, 0, 0, 0x80, 0, 0, 4, 0, 3, 0, 0};

/* QUERY answered: it is an alias of a.example.org, which has two addresses; and one address of another name. */
static const uint8_t ANSWER[] = {
  0x12, 0x34, 0x81, 0x80, 0,   1,   0,   4, 0,   0,   0,   0, 3,  'w', 'w',  'w', 7,
  'e',  'x',  'a',  'm',  'p', 'l', 'e', 3, 'o', 'r', 'g', 0, 0,  1,   0,    1,  /* at 33: */
  0xc0, 12,   0,    5,    0,   1,   0,   0, 1,   0,   0,   4, 1,  'a', 0xc0, 16, /* www -> a, at 45 */
  0xc0, 45,   0,    1,    0,   1,   0,   0, 1,   0,   0,   4, 10, 1,   2,    3,  /* a: 10.1.2.3 */
  0xc0, 16,   0,    1,    0,   1,   0,   0, 1,   0,   0,   4, 9,  9,   9,    9, /* example.org: another name */
  0xc0, 45,   0,    1,    0,   1,   0,   0, 0,   5,   0,   4, 10, 1,   2,    4,
};

/* In memory of its own, so that reading too far is seen. */
static uint8_t *copy_of(const uint8_t *bytes, size_t len) {
  uint8_t *copy = malloc(len > 0 ? len : 1);
  assert_non_null(copy);
  memcpy(copy, bytes, len);
  return copy;
}

static bool reads(const uint8_t *bytes, size_t len, dl_dns_query_t *out) {
  uint8_t *copy = copy_of(bytes, len);
  bool ok = dl_dns_read_query(copy, len, out);
  free(copy);
  return ok;
}

static void questions(void **state) {
  (void)state;
  dl_dns_query_t q;
  uint8_t bytes[sizeof QUERY + sizeof OPT], out[DL_DNS_QUERY_MAX];
  assert_true(reads(QUERY, sizeof QUERY, &q));
  assert_string_equal(q.name, "www.example.org");
  assert_int_equal(q.id, 0x1234);
  assert_int_equal(q.type, DL_DNS_A);
  assert_true(q.wants_recursion && !q.has_opt);
  for (size_t len = 0; len < sizeof QUERY; len++) assert_false(reads(QUERY, len, &q));
  memcpy(bytes, QUERY, sizeof QUERY);
  memcpy(bytes + sizeof QUERY, OPT, sizeof OPT);
  bytes[11] = 1;
  assert_true(reads(bytes, sizeof bytes, &q));
  assert_true(q.has_opt);
  /* Asked again in our words: nothing of the options is left. */
  size_t len = dl_dns_write_query(&q, 0xabcd, out);
  assert_int_equal(len, sizeof QUERY + 11);
  assert_int_equal(out[0], 0xab);
  static const uint8_t plain[] = {0, 0, 41, 1232 >> 8, 1232 & 255, 0, 0, 0, 0, 0, 0};
  assert_memory_equal(out + sizeof QUERY, plain, sizeof plain);
  assert_true(reads(out, len, &q));
  assert_string_equal(q.name, "www.example.org");
}

static void what_is_no_question(void **state) {
  (void)state;
  static const struct {
    size_t at;
    uint8_t value;
  } changes[] = {{2, 0x81}, {2, 0x09}, {2, 0x03}, {5, 0},     {5, 2},   {7, 1},  {9, 1}, {11, 2},
                 {13, '.'}, {14, 0},   {14, ' '}, {12, 0xc0}, {12, 64}, {12, 0}, {32, 3}};
  dl_dns_query_t q;
  for (size_t i = 0; i < DL_COUNT(changes); i++) {
    uint8_t bytes[sizeof QUERY];
    memcpy(bytes, QUERY, sizeof QUERY);
    bytes[changes[i].at] = changes[i].value;
    if (reads(bytes, sizeof bytes, &q)) fail_msg("%zu: '%s'", i, q.name);
  }
  /* A name of 255 bytes and more, and one that points at itself. */
  uint8_t longest[512] = {0, 1, 1, 0, 0, 1};
  for (size_t at = 12; at < 12 + 64 * 4; at += 64) {
    longest[at] = 63;
    memset(longest + at + 1, 'a', 63);
  }
  longest[12 + 64 * 4 + 2] = longest[12 + 64 * 4 + 4] = 1;
  assert_false(reads(longest, 12 + 64 * 4 + 5, &q));
  uint8_t loop[] = {0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1};
  assert_false(reads(loop, sizeof loop, &q));
}

static void answers_of_our_own(void **state) {
  (void)state;
  dl_dns_query_t q;
  uint8_t out[DL_DNS_QUERY_MAX];
  dl_dns_address_t found[4];
  assert_true(reads(QUERY, sizeof QUERY, &q));
  size_t len = dl_dns_write_answer(&q, DL_DNS_NO_NAME, false, out);
  assert_int_equal(out[3] & 15, DL_DNS_NO_NAME);
  assert_true(dl_dns_is_answer(out, len, &q, 0x1234));
  assert_false(dl_dns_is_answer(out, len, &q, 0x1235));
  assert_int_equal(dl_dns_read_addresses(out, len, &q, found, 4), 0);
  len = dl_dns_write_answer(&q, DL_DNS_NO_ERROR, true, out);
  assert_int_equal(out[2] & 2, 2);
}

static int addresses(const uint8_t *bytes, size_t len, const dl_dns_query_t *q, dl_dns_address_t *found,
                     size_t max) {
  uint8_t *copy = copy_of(bytes, len);
  int count = dl_dns_is_answer(copy, len, q, 0x1234) ? dl_dns_read_addresses(copy, len, q, found, max) : -2;
  free(copy);
  return count;
}

static void addresses_of_an_answer(void **state) {
  (void)state;
  dl_dns_query_t q;
  dl_dns_address_t found[4];
  assert_true(reads(QUERY, sizeof QUERY, &q));
  assert_int_equal(addresses(ANSWER, sizeof ANSWER, &q, found, 4), 2);
  assert_int_equal(found[0].address, 0x0a010203);
  assert_int_equal(found[0].seconds, 256);
  assert_int_equal(found[1].address, 0x0a010204);
  assert_int_equal(found[1].seconds, 5);
  assert_int_equal(addresses(ANSWER, sizeof ANSWER, &q, found, 1), 1);
  for (size_t len = 0; len < sizeof ANSWER; len++) assert_true(addresses(ANSWER, len, &q, found, 4) < 0);
  uint8_t other[sizeof ANSWER];
  memcpy(other, ANSWER, sizeof other);
  other[3] = 0x83; /* there is no such name, so what follows is not its */
  assert_int_equal(addresses(other, sizeof other, &q, found, 4), 0);
  memcpy(other, ANSWER, sizeof other);
  other[13] = 'x'; /* the answer to another question */
  assert_int_equal(addresses(other, sizeof other, &q, found, 4), -2);
}

static void no_bytes_do_harm(void **state) {
  (void)state;
  dl_dns_query_t q, other;
  dl_dns_address_t found[8];
  unsigned random = 1;
  assert_true(reads(QUERY, sizeof QUERY, &q));
  for (int round = 0; round < 200000; round++) {
    uint8_t bytes[sizeof ANSWER];
    size_t len = 1 + (random >> 8) % sizeof bytes;
    memcpy(bytes, ANSWER, sizeof bytes);
    for (int changes = 0; changes < 1 + round % 6; changes++) {
      random = random * 1664525u + 1013904223u;
      bytes[(random >> 8) % len] = (uint8_t)(changes % 2 ? 0xc0 : random >> 24);
    }
    int count = addresses(bytes, len, &q, found, DL_COUNT(found));
    assert_true(count <= 8);
    bytes[2] &= 0x7f;
    bytes[3] = bytes[7] = 0;
    if (!reads(bytes, len, &other)) continue;
    uint8_t out[DL_DNS_QUERY_MAX];
    dl_dns_query_t again;
    assert_true(dl_dns_read_query(out, dl_dns_write_query(&other, 1, out), &again));
    assert_string_equal(again.name, other.name);
  }
}

static void names_in_lists(void **state) {
  (void)state;
  static const char list[] = "example.com,*.wild.org,x.y";
  static const char *const in[] = {"example.com", "a.wild.org", "a.b.wild.org", "x.y", "EXAMPLE.com"},
                           *const out[] = {"a.example.com",   "wild.org",       ".wild.org", "notwild.org",
                                           "example.co",      "xample.com",     "y",         "",
                                           "example.com,x.y", "*.wild.org.evil"};
  for (size_t i = 0; i < DL_COUNT(in); i++)
    if (!dl_dns_is_listed(list, in[i])) fail_msg("%s", in[i]);
  for (size_t i = 0; i < DL_COUNT(out); i++)
    if (dl_dns_is_listed(list, out[i])) fail_msg("%s", out[i]);
  assert_false(dl_dns_is_listed("", "a.b"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(questions),          cmocka_unit_test(what_is_no_question),
    cmocka_unit_test(answers_of_our_own), cmocka_unit_test(addresses_of_an_answer),
    cmocka_unit_test(no_bytes_do_harm),   cmocka_unit_test(names_in_lists),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
