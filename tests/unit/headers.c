/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Response headers: finding them, Retry-After in its three forms, content types.
 */
#include "support/check.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/header.h"
#include "core/retry_after.h"
#include "wire/headers.h"

#define MS(value) daytona__retry_after_ms(value, INT64_C(784111777000)) /* Sun, 06 Nov 1994 08:49:37 GMT */

static void header_names_have_no_case(void **state) {
  const daytona_header_t headers[] = {{"Content-Type", "a"}, {"x-request-id", "b"}, {"X-Request-Id", "c"}};
  assert_string_equal(daytona__header_find(headers, 3, "X-REQUEST-ID"), "b");
  assert_null(daytona__header_find(headers, 3, "X-Request"));
  assert_null(daytona__header_find(NULL, 0, "X-Request-Id"));
}

static void retry_after_seconds_may_have_a_fraction(void **state) {
  assert_int_equal(MS("0"), 0);
  assert_int_equal(MS("30"), 30000);
  assert_int_equal(MS(" 1.5\t"), 1500);
  assert_int_equal(MS("0.0001"), 1);
  assert_int_equal(MS("2.0000"), 2000);
  assert_int_equal(MS("0.999999999999999999999999"), 1000);
}

static void retry_after_is_bounded(void **state) {
  assert_int_equal(MS("99999999999999999999999999999999"), DAYTONA__RETRY_AFTER_MAX_MS);
  assert_int_equal(MS("604800"), DAYTONA__RETRY_AFTER_MAX_MS);
  assert_int_equal(MS("604801"), DAYTONA__RETRY_AFTER_MAX_MS);
  assert_int_equal(MS("Fri, 31 Dec 9999 23:59:59 GMT"), DAYTONA__RETRY_AFTER_MAX_MS);
}

static void retry_after_dates_are_read_in_all_three_forms(void **state) {
  assert_int_equal(MS("Sun, 06 Nov 1994 08:49:37 GMT"), 0);
  assert_int_equal(MS("Sun, 06 Nov 1994 08:50:00 GMT"), 23000);
  assert_int_equal(MS("Sunday, 06-Nov-94 08:49:38 GMT"), 1000);
  assert_int_equal(MS("Sun Nov  6 08:49:38 1994"), 1000);
  assert_int_equal(MS("Sun, 06 Nov 1994 08:49:36 GMT"), 0);
  assert_int_equal(daytona__retry_after_ms("Thu, 01 Jan 1970 00:00:01 GMT", 0), 1000);
  assert_int_equal(daytona__retry_after_ms("Thu, 29 Feb 2024 00:00:00 GMT", INT64_C(1709164740000)), 60000);
  assert_int_equal(daytona__retry_after_ms("Fri, 01 Mar 2024 00:00:00 GMT", INT64_C(1709164800000)),
                   86400000);
}

static void retry_after_of_another_form_counts_as_absent(void **state) {
  static const char *const bad[] = {
    "",
    " ",
    "soon",
    "-1",
    "1s",
    "1.",
    "1.5.5",
    ".5",
    "1,5",
    "0x10",
    "1e3",
    "inf",
    "nan",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 06 Nov 1994 08:49:37 GMT+1",
    "Sun, 06 Foo 1994 08:49:37 GMT",
    "Sun, 99 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 25:49:37 GMT",
    "06 Nov 1994",
    "Sun, 06 Nov 1969 08:49:37 GMT",
    "Sun, 06 Nov 1994 -8:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:37 GMT and a great deal of text that has no business being here at all",
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    if (MS(bad[i]) != -1) fail_msg("%s: %lld", bad[i], (long long)MS(bad[i]));
}

static void the_longest_retry_after_counts(void **state) {
  const daytona_header_t headers[] = {
    {"Retry-After", "2"},
    {"retry-after-sandbox-create", "7"},
    {"Retry-After-Auth", "rubbish"},
    {"Retry-Afterwards", "99"},
    {"Retry-After-", "99"},
    {"X-Retry-After", "99"},
  };
  assert_int_equal(daytona__headers_retry_after(headers, 6), 7000);
  assert_int_equal(daytona__headers_retry_after(headers, 1), 2000);
  assert_int_equal(daytona__headers_retry_after(headers + 2, 4), -1);
  assert_int_equal(daytona__headers_retry_after(NULL, 0), -1);
}

static void content_types_lose_case_and_parameters(void **state) {
  static const char *const cases[][2] = {
    {"application/json", "application/json"},
    {"Application/JSON; charset=utf-8", "application/json"},
    {" text/html ;a=b", "text/html"},
    {"application/problem+json", "application/problem+json"},
    {"text/plain;", "text/plain"},
    {"", ""},
    {"json", ""},
    {"/json", ""},
    {"text/", ""},
    {"text/html x", ""},
    {"text/a/b", ""},
    {"application/a-type-that-is-far-too-long-for-the-room-that-it-gets", ""},
  };
  char type[32];
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    assert_true(daytona__content_type(cases[i][0], type, sizeof type) == (cases[i][1][0] != '\0'));
    assert_string_equal(type, cases[i][1]);
  }
  assert_false(daytona__content_type(NULL, type, sizeof type));
}

static void content_type_parameters_are_found(void **state) {
  static const char *const cases[][3] = {
    {"text/html; charset=utf-8", "charset", "utf-8"},
    {"text/html;CHARSET=\"UTF-8\"", "charset", "UTF-8"},
    {"multipart/form-data; a=b; boundary=--x'y", "boundary", "--x'y"},
    {"a/b; x=\"q;\\\"c=d\"; c=e", "c", "e"},
    {"a/b; x=\"q\\\"r\"", "x", "q\"r"},
    {"a/b;;  ; c=d", "c", "d"},
    {"a/b; c=", "c", ""},
  };
  static const char *const bad[][2] = {
    {"a/b", "c"},
    {"a/b; c", "c"},
    {"a/b; cc=d", "c"},
    {"a/b; c=\"d", "c"},
    {"a/b; c=\"d\\", "c"},
    {"x; c=d", "c"},
    {"a/b; x=\"; c=d", "c"},
    {"a/b; x=y z; c=d", "c"},
    {"a/b; c=a-value-that-is-far-too-long-for-its-room", "c"},
  };
  char out[32];
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    if (!daytona__content_type_param(cases[i][0], cases[i][1], out, sizeof out)) fail_msg("%s", cases[i][0]);
    assert_string_equal(out, cases[i][2]);
  }
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    if (daytona__content_type_param(bad[i][0], bad[i][1], out, sizeof out)) fail_msg("%s", bad[i][0]);
    assert_string_equal(out, "");
  }
  assert_false(daytona__content_type_param(NULL, "c", out, sizeof out));
}

static void structured_suffixes_are_json_too(void **state) {
  assert_true(daytona__content_type_is_json("application/json"));
  assert_true(daytona__content_type_is_json("application/problem+json"));
  assert_false(daytona__content_type_is_json("text/html"));
  assert_false(daytona__content_type_is_json("+json"));
  assert_false(daytona__content_type_is_json(""));
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(header_names_have_no_case),
    cmocka_unit_test(retry_after_seconds_may_have_a_fraction),
    cmocka_unit_test(retry_after_is_bounded),
    cmocka_unit_test(retry_after_dates_are_read_in_all_three_forms),
    cmocka_unit_test(retry_after_of_another_form_counts_as_absent),
    cmocka_unit_test(the_longest_retry_after_counts),
    cmocka_unit_test(content_types_lose_case_and_parameters),
    cmocka_unit_test(content_type_parameters_are_found),
    cmocka_unit_test(structured_suffixes_are_json_too),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
