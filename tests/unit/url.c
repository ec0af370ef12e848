/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs: what is encoded and how, what is refused, and which bases a program may configure.
 */
#include "support/check.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <daytona/error.h>

#include "core/limits.h"
#include "core/memory.h"
#include "json/number.h"
#include "support/alloc.h"
#include "wire/url.h"

#define BASE "https://api.example/v1"

static daytona__arena_t arena;
static daytona__url_t url;

static int set_up(void **state) {
  daytona__arena_init(&arena, 0);
  daytona__url_init(&url);
  return 0;
}

static int tear_down(void **state) {
  daytona__url_clear(&url);
  daytona__arena_clear(&arena);
  assert_int_equal(daytona__alloc_count(), 0);
  return 0;
}

static void expect_url(const char *expected) {
  const char *text = NULL;
  assert_int_equal(daytona__url_finish(&url, &arena, &text), 0);
  assert_string_equal(text, expected);
  assert_null(url.problem);
}

static void expect_failure(int code) {
  const char *text = NULL;
  assert_int_equal(daytona__url_finish(&url, &arena, &text), code);
  assert_null(text);
  assert_non_null(url.problem);
  daytona__url_init(&url);
}

static void path_segments_are_encoded_but_for_unreserved(void **state) {
  daytona__url_path(&url, BASE, "/sandbox/{}/ports/{}/preview-url", "a/b c?#%&+", "Az09-._~\xc3\xa9");
  expect_url(BASE "/sandbox/a%2Fb%20c%3F%23%25%26%2B/ports/Az09-._~%C3%A9/preview-url");
}

static void path_may_be_empty(void **state) {
  daytona__url_path(&url, BASE, "");
  expect_url(BASE);
}

static void path_refuses_segments_that_change_the_resource(void **state) {
  const char *bad[] = {NULL, "", ".", "..", "\xff", "\xc0\xaf", "\xed\xa0\x80"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    daytona__url_path(&url, BASE, "/sandbox/{}/start", bad[i]);
    expect_failure(DAYTONA_EINVAL);
  }
  daytona__url_path(&url, BASE, "/sandbox/{}", "...");
  expect_url(BASE "/sandbox/...");
}

static void path_refuses_an_unknown_base(void **state) {
  daytona__url_path(&url, NULL, "/sandbox");
  expect_failure(DAYTONA_EINVAL);
  daytona__url_path(&url, "", "/sandbox");
  expect_failure(DAYTONA_EINVAL);
}

static void query_leaves_out_what_is_not_given(void **state) {
  daytona__url_path(&url, BASE, "/sandbox");
  daytona__url_query(&url, "name", NULL);
  daytona__url_query_int(&url, "page", (daytona_opt_int_t){0});
  daytona__url_query_num(&url, "cpu", (daytona_opt_num_t){0});
  daytona__url_query_bool(&url, "force", (daytona_opt_bool_t){0});
  daytona__url_query_list(&url, "states", (daytona_strings_t){0});
  expect_url(BASE "/sandbox");
}

static void query_writes_every_kind(void **state) {
  const char *states[] = {"started", "stopped"};
  daytona__url_path(&url, BASE, "/sandbox");
  daytona__url_query(&url, "path", "/home/a b+c&d=e");
  daytona__url_query(&url, "empty", "");
  daytona__url_query_int(&url, "page", daytona_int(INT64_MIN));
  daytona__url_query_num(&url, "cpu", daytona_num(0.5));
  daytona__url_query_bool(&url, "force", daytona_bool(true));
  daytona__url_query_bool(&url, "skip", daytona_bool(false));
  daytona__url_query_list(&url, "states", (daytona_strings_t){states, 2});
  expect_url(BASE
             "/sandbox?path=/home/a%20b%2Bc%26d%3De&empty=&page=-9223372036854775808&cpu=0.5"
             "&force=true&skip=false&states=started&states=stopped");
}

static void query_refuses_bad_values(void **state) {
  daytona__url_path(&url, BASE, "");
  daytona__url_query_num(&url, "cpu", daytona_num(NAN));
  expect_failure(DAYTONA_EINVAL);
  daytona__url_path(&url, BASE, "");
  daytona__url_query(&url, "name", "\xc3");
  expect_failure(DAYTONA_EINVAL);
}

static void first_problem_is_kept(void **state) {
  daytona__url_path(&url, BASE, "/sandbox/{}", "");
  const char *problem = url.problem;
  daytona__url_query(&url, "name", "\xff");
  assert_ptr_equal(url.problem, problem);
  expect_failure(DAYTONA_EINVAL);
}

static void over_long_urls_are_refused(void **state) {
  size_t size = DAYTONA__URL_MAX * 2;
  char *value = malloc(size + 1);
  memset(value, 'a', size);
  value[size] = '\0';
  daytona__url_path(&url, BASE, "/sandbox/{}", value);
  expect_failure(DAYTONA_ELIMIT);
  value[DAYTONA__URL_MAX - strlen("http://h/?k=")] = '\0';
  daytona__url_path(&url, "http://h", "/");
  daytona__url_query(&url, "k", value);
  const char *text = NULL;
  assert_int_equal(daytona__url_finish(&url, &arena, &text), 0);
  assert_int_equal(strlen(text), DAYTONA__URL_MAX);
  daytona__url_init(&url);
  daytona__url_path(&url, "http://h", "/");
  daytona__url_query(&url, "kk", value);
  expect_failure(DAYTONA_ELIMIT);
  free(value);
}

static void base_is_normalised(void **state) {
  static const struct {
    const char *text, *expected;
  } cases[] = {
    {"https://app.daytona.io/api", "https://app.daytona.io/api"},
    {"https://app.daytona.io/api///", "https://app.daytona.io/api"},
    {"HTTP://127.0.0.1:3000/", "http://127.0.0.1:3000"},
    {"hTTps://[::1]:8443/a%20b/", "https://[::1]:8443/a%20b"},
    {"http://h", "http://h"},
    {"http://h//", "http://h"},
    {"http://h/@me", "http://h/@me"},
    {"http://my_host:65535", "http://my_host:65535"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const char *base = NULL;
    assert_int_equal(daytona__url_base(&arena, cases[i].text, &base, NULL), 0);
    assert_string_equal(base, cases[i].expected);
  }
}

static void base_refuses_what_is_no_base(void **state) {
  static const char *const bad[] = {
    NULL,
    "",
    "h",
    "ftp://h",
    "ws://h",
    "http:/h",
    "http://",
    "https:///api",
    "http://:80",
    "http://user@h",
    "http://user:secret@h/api",
    "http://h?x=1",
    "http://h/#top",
    "http://h:0",
    "http://h:65536",
    "http://h:",
    "http://h:8a",
    "http://h:000080",
    "http://[::1",
    "http://[]",
    "http://[::1]x",
    "http://h o",
    " http://h",
    "http://h\n",
    "http://h\r\nX: y",
    "http://h\\@evil",
    "http://\xc3\xa9",
    "http://h/%zz",
    "http://h/%4",
    "http://h{}/",
    "http://h/{}",
    "http://a%20b/",
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    const char *base = NULL, *problem = NULL;
    assert_int_equal(daytona__url_base(&arena, bad[i], &base, &problem), DAYTONA_EINVAL);
    assert_null(base);
    assert_non_null(problem);
    assert_null(strstr(problem, "secret"));
  }
}

static void base_refuses_over_long_text(void **state) {
  const char *base = NULL, *problem = NULL;
  char *text = malloc(DAYTONA__URL_MAX + 1);
  memset(text, 'a', DAYTONA__URL_MAX);
  memcpy(text, "http://", 7);
  text[DAYTONA__URL_MAX] = '\0';
  assert_int_equal(daytona__url_base(&arena, text, &base, &problem), DAYTONA_ELIMIT);
  free(text);
}

static void numbers_are_short_exact_and_without_locale(void **state) {
  static const struct {
    double value;
    const char *text;
  } cases[] = {
    {0, "0"},
    {-0.0, "0"},
    {0.1, "0.1"},
    {0.5, "0.5"},
    {3, "3"},
    {-2.25, "-2.25"},
    {1e300, "1e+300"},
    {0.1 + 0.2, "0.30000000000000004"},
    {5e-324, "5e-324"},
    {1e15, "1000000000000000"},
    {123456789012345680.0, "1.2345678901234568e+17"},
    {1.7976931348623157e308, "1.7976931348623157e+308"},
  };
  const char *locales[] = {"C", "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "ps_AF.UTF-8"};
  for (size_t l = 0; l < sizeof locales / sizeof locales[0]; l++) {
    if (setlocale(LC_NUMERIC, locales[l]) == NULL) continue;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
      char text[DAYTONA__NUMBER_SIZE];
      assert_int_equal(daytona__number_print(cases[i].value, text), strlen(cases[i].text));
      assert_string_equal(text, cases[i].text);
    }
  }
  setlocale(LC_NUMERIC, "C");
  char text[DAYTONA__NUMBER_SIZE];
  assert_int_equal(daytona__number_print(INFINITY, text), 0);
  assert_int_equal(daytona__number_print(NAN, text), 0);
}

static void build_long_url(void *user) {
  char value[600];
  const char *text = NULL;
  memset(value, '/', sizeof value);
  value[sizeof value - 1] = '\0';
  daytona__url_path(&url, BASE, "/sandbox/{}", value);
  daytona__url_query(&url, "q", value);
  int code = daytona__url_finish(&url, &arena, &text);
  assert_true(code == 0 || (code == DAYTONA_ENOMEM && support_alloc_failed() != 0));
  assert_true((text != NULL) == (code == 0));
  daytona__url_init(&url);
  daytona__arena_clear(&arena);
}

static void check_base(void *user) {
  const char *base = NULL, *problem = NULL;
  int code = daytona__url_base(&arena, "http://h", &base, &problem);
  assert_true(code == 0 || (code == DAYTONA_ENOMEM && support_alloc_failed() != 0));
  assert_true((base != NULL) == (code == 0) && (problem != NULL) == (code != 0));
  daytona__arena_clear(&arena);
}

static void every_allocation_may_fail(void **state) {
  support_alloc_install();
  support_alloc_sweep(build_long_url, NULL);
  support_alloc_sweep(check_base, NULL);
  support_alloc_remove();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(path_segments_are_encoded_but_for_unreserved),
    TEST(path_may_be_empty),
    TEST(path_refuses_segments_that_change_the_resource),
    TEST(path_refuses_an_unknown_base),
    TEST(query_leaves_out_what_is_not_given),
    TEST(query_writes_every_kind),
    TEST(query_refuses_bad_values),
    TEST(first_problem_is_kept),
    TEST(over_long_urls_are_refused),
    TEST(base_is_normalised),
    TEST(base_refuses_what_is_no_base),
    TEST(base_refuses_over_long_text),
    TEST(numbers_are_short_exact_and_without_locale),
    TEST(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
