/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What programs print and what requests name: artifact lines, invalid UTF-8, environments.
 */
#include "toolbox/process/artifact.h"
#include "toolbox/core/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define P DL_ARTIFACT_PREFIX

/* The rest of `output`, and the charts as compact JSON ("null" when there are none). */
static void expect_take(const char *output, const char *rest_text, const char *charts_text) {
  dl_buf_t rest;
  json_t *charts;
  dl_artifacts_take(output, strlen(output), &rest, &charts);
  assert_string_equal(rest.data ? rest.data : "", rest_text);
  char *text = charts ? json_dumps(charts, JSON_COMPACT) : NULL;
  assert_string_equal(text ? text : "null", charts_text);
  free(text);
  json_decref(charts);
  dl_buf_clear(&rest);
}

static void artifact_lines_are_taken_out(void **state) {
  (void)state;
  expect_take("", "", "null");
  expect_take("plain\ntext", "plain\ntext", "null");
  expect_take("a\n" P "{\"type\":\"chart\",\"value\":{\"type\":\"line\",\"elements\":[]}}\nb\n", "a\nb\n",
              "[{\"type\":\"line\",\"elements\":[]}]");
  expect_take(P "{\"type\":\"chart\",\"value\":{\"type\":\"pie\"}}", "",
              "[{\"type\":\"pie\",\"elements\":null}]");
}

static void undecodable_artifact_lines_vanish(void **state) {
  (void)state;
  expect_take(P "\n" P "{\n" P "[1]\nx", "x", "null");
  expect_take(P "{\"type\":\"chart\",\"value\":{\"type\":\"line\",\"x_ticks\":[NaN]}}\n", "", "null");
  expect_take(P "{\"type\":\"sound\",\"value\":{\"type\":\"line\"}}\n", "", "null");
  expect_take(P "{\"type\":\"chart\",\"value\":[]}\n", "", "null");
}

static void a_prefix_inside_a_line_stays(void **state) {
  (void)state;
  expect_take("text" P "{}\n", "text" P "{}\n", "null");
  expect_take("dtn_artifact_k39fd2", "dtn_artifact_k39fd2", "null");
}

static void expect_chart(const char *in, const char *out) {
  json_t *value = json_loads(in, 0, NULL);
  assert_non_null(value);
  json_t *chart = dl_artifact_chart(value);
  char *text = chart ? json_dumps(chart, JSON_COMPACT) : NULL;
  assert_string_equal(text ? text : "none", out);
  free(text);
  json_decref(chart);
  json_decref(value);
}

static void charts_keep_what_fits(void **state) {
  (void)state;
  expect_chart(
    "{\"type\":\"bar\",\"title\":\"\",\"x_ticks\":[],\"junk\":1,\"elements\":[{\"label\":\"a\",\"value\":2.5,"
    "\"group\":\"g\"},{\"label\":\"b\",\"value\":\"7\"},{\"label\":\"c\",\"value\":3}]}",
    "{\"type\":\"bar\",\"elements\":[{\"label\":\"a\",\"value\":\"2.5\",\"group\":\"g\"},{\"label\":\"b\","
    "\"value\":\"7\"},{\"label\":\"c\",\"value\":\"3\"}]}");
  expect_chart(
    "{\"type\":\"pie\",\"elements\":[{\"label\":\"a\",\"angle\":90,\"radius\":1,\"autopct\":null},"
    "{\"autopct\":\"5%\"}]}",
    "{\"type\":\"pie\",\"elements\":[{\"label\":\"a\",\"angle\":90,\"radius\":1},{\"autopct\":\"5%\"}]}");
  expect_chart(
    "{\"type\":\"composite_chart\",\"elements\":[{\"type\":\"line\",\"elements\":[{\"points\":[[1,2]]}]}]}",
    "{\"type\":\"composite_chart\",\"elements\":[{\"type\":\"line\",\"elements\":[{\"points\":[[1,2]]}]}]}");
}

static void charts_with_a_wrong_field_are_dropped(void **state) {
  (void)state;
  expect_chart("{\"type\":1}", "none");
  expect_chart("{\"type\":\"line\",\"x_ticks\":[\"mon\"]}", "none");
  expect_chart("{\"type\":\"line\",\"elements\":{}}", "none");
  expect_chart("{\"type\":\"line\",\"elements\":[1]}", "none");
  expect_chart("{\"type\":\"line\",\"elements\":[{\"points\":[[\"mon\",1]]}]}", "none");
  expect_chart("{\"elements\":[{\"elements\":[{\"elements\":[{\"elements\":[{\"elements\":[]}]}]}]}]}",
               "none");
}

static void expect_text(const char *in, size_t len, const char *out) {
  json_t *text = dl_tb_text(in, len);
  assert_string_equal(json_string_value(text), out);
  json_decref(text);
}

static void invalid_bytes_become_replacement_characters(void **state) {
  (void)state;
#define FFFD "\xef\xbf\xbd"
  expect_text("", 0, "");
  expect_text("gr\xc3\xbc\xc3\x9f \xf0\x9f\x9a\x80", 11, "gr\xc3\xbc\xc3\x9f \xf0\x9f\x9a\x80");
  expect_text("\xff\xfe x", 4, FFFD FFFD " x");
  expect_text("a\xc3", 2, "a" FFFD);
  expect_text("\xe2\x82z", 3, FFFD FFFD "z");
  expect_text("\xc0\xaf", 2, FFFD FFFD);                   /* overlong */
  expect_text("\xed\xa0\x80", 3, FFFD FFFD FFFD);          /* surrogate */
  expect_text("\xf4\x90\x80\x80", 4, FFFD FFFD FFFD FFFD); /* beyond the last character */
  expect_text("\xf8\x88\x80\x80\x80", 5, FFFD FFFD FFFD FFFD FFFD);
}

static void environment_names_are_checked(void **state) {
  (void)state;
  static const char *const good[] = {"A", "_", "a1", "PATH_2"}, *const bad[] = {"",    "1A", "A-B",
                                                                                "A B", "A=", "\xc3\xa4"};
  for (size_t i = 0; i < DL_COUNT(good); i++) assert_true(dl_environ_name_ok(good[i]));
  for (size_t i = 0; i < DL_COUNT(bad); i++) assert_false(dl_environ_name_ok(bad[i]));
}

static void environments_set_replace_and_unset(void **state) {
  (void)state;
  dl_environ_t e = {0}, copy;
  dl_environ_set(&e, "A", "1");
  dl_environ_set(&e, "AB", "2");
  dl_environ_set(&e, "A", "x=y");
  assert_int_equal(e.count, 2);
  assert_string_equal(dl_environ_get(&e, "A"), "x=y");
  dl_environ_copy(&copy, &e);
  dl_environ_unset(&e, "A");
  dl_environ_unset(&e, "none");
  assert_null(dl_environ_get(&e, "A"));
  assert_string_equal(dl_environ_get(&e, "AB"), "2");
  assert_null(e.pairs[1]);
  assert_string_equal(dl_environ_get(&copy, "A"), "x=y");
  dl_environ_clear(&e);
  dl_environ_clear(&copy);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(artifact_lines_are_taken_out),
    cmocka_unit_test(undecodable_artifact_lines_vanish),
    cmocka_unit_test(a_prefix_inside_a_line_stays),
    cmocka_unit_test(charts_keep_what_fits),
    cmocka_unit_test(charts_with_a_wrong_field_are_dropped),
    cmocka_unit_test(invalid_bytes_become_replacement_characters),
    cmocka_unit_test(environment_names_are_checked),
    cmocka_unit_test(environments_set_replace_and_unset),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
