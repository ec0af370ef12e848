/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON codec, encoding: every type, what is left out, what is refused, locales, and secrets.
 */
#include "support/check.h"

#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "json/codec.h"
#include "support/codec_scene.h"
#include "support/json_model.h"

static void expect_encoding(const all_t *all, const char *members) {
  char text[4096];
  snprintf(text, sizeof text, "{\"id\":\"i\",\"big\":0,\"small\":0,\"number\":0,\"flag\":false%s}", members);
  assert_string_equal(codec_encode(all), text);
}

static void expect_refusal(const all_t *all, const char *field) {
  const char *text = NULL;
  size_t size = 7;
  assert_int_equal(daytona__json_encode(&codec_arena, &all_model, all, &text, &size, &codec_error),
                   DAYTONA_EINVAL);
  assert_null(text);
  assert_int_equal(size, 7);
  assert_string_equal(codec_error.field, field);
}

static void zero_members_are_left_out(void **state) { expect_encoding(&(all_t){.id = "i"}, ""); }

static void empty_strings_are_sent(void **state) {
  expect_encoding(&(all_t){.id = "i", .token = ""}, ",\"token\":\"\"");
}

static void always_and_decode_only_are_obeyed(void **state) {
  typedef struct flags {
    const char *text, *hidden, *raw;
    daytona_map_t map;
    daytona_map_t pairs;
    daytona_strings_t strings;
    daytona_opt_int_t opt;
    int color;
    const point_t *point, *points;
    size_t point_count;
    point_t at;
    daytona_bytes_t bytes;
  } flags_t;
  static const daytona__json_field_t fields[] = {
    DAYTONA__FIELD(flags_t, STRING, text, "text", .flags = DAYTONA__JSON_ALWAYS),
    DAYTONA__FIELD(flags_t, STRING, hidden, "hidden", .flags = DAYTONA__JSON_DECODE_ONLY),
    DAYTONA__FIELD(flags_t, RAW, raw, "raw", .flags = DAYTONA__JSON_ALWAYS),
    DAYTONA__FIELD(flags_t, MAP, map, "map", .flags = DAYTONA__JSON_ALWAYS),
    DAYTONA__FIELD(flags_t, PAIRS, pairs, "pairs", .flags = DAYTONA__JSON_ALWAYS),
    DAYTONA__FIELD(flags_t, STRINGS, strings, "strings", .flags = DAYTONA__JSON_ALWAYS),
    DAYTONA__FIELD(flags_t, OPT_INT, opt, "opt", .flags = DAYTONA__JSON_ALWAYS),
    DAYTONA__FIELD(flags_t, ENUM, color, "color", .flags = DAYTONA__JSON_ALWAYS, .names = &color_names),
    DAYTONA__FIELD(flags_t, OBJECT, point, "point", .flags = DAYTONA__JSON_ALWAYS, .model = &point_model),
    DAYTONA__FIELD_ARRAY(flags_t, points, point_count, "points", &point_model, .flags = DAYTONA__JSON_ALWAYS),
    DAYTONA__FIELD(flags_t, INLINE, at, "at", .flags = DAYTONA__JSON_ALWAYS, .model = &point_model),
    DAYTONA__FIELD(flags_t, BYTES, bytes, "bytes", .flags = DAYTONA__JSON_ALWAYS),
  };
  static DAYTONA__MODEL(model, flags_t, "Flags", fields);
  const char *text = NULL;
  size_t size;
  assert_null(json_model_problem(&model));
  assert_int_equal(daytona__json_encode(&codec_arena, &model, &(flags_t){.hidden = "x"}, &text, &size, NULL),
                   0);
  assert_string_equal(
    text,
    "{\"text\":\"\",\"raw\":{},\"map\":{},\"pairs\":[],\"strings\":[],\"opt\":0,"
    "\"color\":\"none\",\"point\":{},\"points\":[],\"at\":{\"x\":0,\"y\":0},\"bytes\":\"\"}");
}

static void strings_are_escaped_no_more_than_needed(void **state) {
  char text[130], expected[1024] = "{\"id\":\"i\",\"text\":\"";
  for (int i = 1; i < 128; i++) text[i - 1] = (char)i;
  text[127] = '\0';
  for (int i = 1; i < 128; i++) {
    static const char *const named[] = {['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n",  ['\f'] = "\\f",
                                        ['\r'] = "\\r", ['"'] = "\\\"", ['\\'] = "\\\\", [127] = NULL};
    char one[8];
    if (named[i] != NULL)
      snprintf(one, sizeof one, "%s", named[i]);
    else
      snprintf(one, sizeof one, i < 0x20 ? "\\u%04x" : "%c", i);
    strcat(expected, one);
  }
  strcat(expected, "\",");
  assert_non_null(strstr(codec_encode(&(all_t){.id = "i", .text = text}), expected));
  assert_string_equal(codec_decode(codec_encode(&(all_t){.id = "i", .text = text}))->text, text);
}

static void bad_text_is_refused_with_its_path(void **state) {
  const char *strings[] = {"ok", "\xff"}, *missing[] = {NULL};
  daytona_pair_t pair = {"key", "\xc3"}, no_value = {"key", NULL}, no_key = {NULL, "v"};
  expect_refusal(&(all_t){.id = "\xc0\x80"}, "id");
  expect_refusal(&(all_t){.id = "i", .bytes = {"a\0\xed\xa0\x80", 5}}, "bytes");
  expect_refusal(&(all_t){.id = "i", .strings = {strings, 2}}, "strings[1]");
  expect_refusal(&(all_t){.id = "i", .strings = {missing, 1}}, "strings[0]");
  expect_refusal(&(all_t){.id = "i", .strings = {NULL, 1}}, "strings");
  expect_refusal(&(all_t){.id = "i", .map = {&pair, 1}}, "map.key");
  expect_refusal(&(all_t){.id = "i", .pairs = {&no_value, 1}}, "pairs.key");
  expect_refusal(&(all_t){.id = "i", .map = {&no_key, 1}}, "map.");
  expect_refusal(&(all_t){.id = "i", .map = {NULL, 1}}, "map");
  expect_refusal(&(all_t){.id = "i", .env = {&pair, 1}}, "env");
  expect_refusal(&(all_t){.id = "i", .point_count = 1}, "points");
  expect_refusal(&(all_t){.id = "i", .list_count = 1}, "list");
  expect_refusal(&(all_t){.id = "i", .list = (const point_t *const[]){NULL}, .list_count = 1}, "list[0]");
  expect_refusal(&(all_t){.id = "i", .number_count = 1}, "numbers");
}

static void numbers_that_json_lacks_are_refused(void **state) {
  const double numbers[] = {1, INFINITY};
  expect_refusal(&(all_t){.id = "i", .number = NAN}, "number");
  expect_refusal(&(all_t){.id = "i", .opt_num = {true, -INFINITY}}, "optNum");
  expect_refusal(&(all_t){.id = "i", .numbers = numbers, .number_count = 2}, "numbers[1]");
}

static void enums_without_a_word_are_refused(void **state) {
  expect_encoding(&(all_t){.id = "i", .color = COLOR_RED}, ",\"color\":\"red\"");
  expect_refusal(&(all_t){.id = "i", .color = COLOR_OTHER}, "color");
  expect_refusal(&(all_t){.id = "i", .color = -1}, "color");
  expect_refusal(&(all_t){.id = "i", .color = INT_MAX}, "color");
}

static void raw_json_is_checked_before_it_is_sent(void **state) {
  static const char *const bad[] = {"", "{", "1,\"admin\":true", "}", "[1] 2", "nul", "\"\xff\"", "a"};
  expect_encoding(&(all_t){.id = "i", .raw = " [1, {}] "}, ",\"raw\":[1, {}]");
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    expect_refusal(&(all_t){.id = "i", .raw = bad[i]}, "raw");
}

static void request_size_has_a_ceiling(void **state) {
  char *text = malloc(DAYTONA__REQUEST_BODY_MAX + 1);
  const char *out;
  size_t size;
  memset(text, 'a', DAYTONA__REQUEST_BODY_MAX);
  text[DAYTONA__REQUEST_BODY_MAX] = '\0';
  assert_int_equal(
    daytona__json_encode(&codec_arena, &all_model, &(all_t){.id = text}, &out, &size, &codec_error),
    DAYTONA_ELIMIT);
  assert_string_equal(codec_error.field, "id");
  free(text);
}

static void numbers_survive_the_round_trip(void **state) {
  uint64_t bits = UINT64_C(0x9E3779B97F4A7C15);
  for (int i = 0; i < 20000; i++) {
    double value;
    bits ^= bits << 13, bits ^= bits >> 7, bits ^= bits << 17;
    memcpy(&value, &bits, sizeof value);
    if (!isfinite(value)) continue;
    if (i % 2 != 0) value = (double)(int64_t)(bits % 2000000) / 1000;
    void *out = NULL;
    char text[64];
    const char *encoded;
    size_t size;
    assert_int_equal(daytona__json_encode(&codec_arena, &all_model, &(all_t){.id = "i", .number = value},
                                          &encoded, &size, NULL),
                     0);
    assert_int_equal(daytona__json_decode(&codec_arena, &all_model, encoded, size, &out, &codec_error), 0);
    assert_memory_equal(&((all_t *)out)->number, &value, sizeof value);
    int length = snprintf(text, sizeof text, "{\"id\":\"\",\"number\":%.*e}", (int)(bits % 30), value);
    assert_int_equal(daytona__json_decode(&codec_arena, &all_model, text, (size_t)length, &out, &codec_error),
                     0);
    snprintf(text, sizeof text, "%.*e", (int)(bits % 30), value);
    double expected = strtod(text, NULL);
    assert_memory_equal(&((all_t *)out)->number, &expected, sizeof expected);
    if (i % 100 == 0) daytona__arena_clear(&codec_arena);
  }
}

/* A locale with a decimal comma: the system's, or one compiled into `folder`. NULL: cannot be had. */
static const char *comma_locale(char *folder) {
  static const char *const locales[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"};
  char command[200];
  for (size_t i = 0; i < sizeof locales / sizeof locales[0]; i++)
    if (setlocale(LC_ALL, locales[i]) != NULL) return locales[i];
  if (mkdtemp(folder) == NULL) return NULL;
  snprintf(command, sizeof command, "localedef -c -f UTF-8 -i de_DE '%s/de_DE.UTF-8' >/dev/null 2>&1",
           folder);
  if (system(command) == 0) {
    setenv("LOCPATH", folder, 1);
    if (setlocale(LC_ALL, "de_DE.UTF-8") != NULL) return "de_DE.UTF-8";
  }
  return NULL;
}

static void locale_does_not_matter(void **state) {
  char folder[] = "/tmp/daytona-locale-XXXXXX", command[100];
  const char *locale = comma_locale(folder);
  if (locale != NULL) {
    assert_string_equal(localeconv()->decimal_point, ",");
    assert_true(codec_decode_members("\"number\":0.12345678901234567891")->number == 0.12345678901234567891);
    assert_string_equal(codec_encode(codec_decode(full_text)), full_text);
    codec_expect_bad_members("\"number\":0,5", "");
  }
  setlocale(LC_ALL, "C");
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  assert_int_equal(system(command), 0);
  if (locale == NULL) {
    print_message("skipped: no locale with a decimal comma, and localedef cannot make one\n");
    skip();
  }
}

/* --- secrets --- */

static void secrets_mark_the_arena(void **state) {
  assert_false(codec_arena.is_secret);
  codec_decode("{\"id\":\"i\",\"token\":null}");
  assert_false(codec_arena.is_secret);
  codec_decode("{\"id\":\"i\",\"token\":\"hush\"}");
  assert_true(codec_arena.is_secret);
  codec_arena.is_secret = false;
  codec_encode(&(all_t){.id = "i"});
  assert_false(codec_arena.is_secret);
  codec_encode(&(all_t){.id = "i", .token = "hush"});
  assert_true(codec_arena.is_secret);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, codec_set_up, codec_tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(zero_members_are_left_out),
    TEST(empty_strings_are_sent),
    TEST(always_and_decode_only_are_obeyed),
    TEST(strings_are_escaped_no_more_than_needed),
    TEST(bad_text_is_refused_with_its_path),
    TEST(numbers_that_json_lacks_are_refused),
    TEST(enums_without_a_word_are_refused),
    TEST(raw_json_is_checked_before_it_is_sent),
    TEST(request_size_has_a_ceiling),
    TEST(numbers_survive_the_round_trip),
    TEST(locale_does_not_matter),
    TEST(secrets_mark_the_arena),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
