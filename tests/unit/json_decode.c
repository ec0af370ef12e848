/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON codec, decoding: every type, leniency, records that are left out, paths of errors. jansson judges what is JSON, as a
 * second opinion.
 */
#include "support/check.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "core/ascii.h"
#include "json/codec.h"
#include "support/codec_scene.h"

static void every_type_is_decoded(void **state) {
  const all_t *all = codec_decode(full_text);
  assert_string_equal(all->id, "i");
  assert_string_equal(all->text, "a\"\\\n\x01\xc3\xa9\xf0\x9f\x98\x80");
  assert_int_equal(all->bytes.size, 3);
  assert_memory_equal(all->bytes.data, "a\0b", 4);
  assert_true(all->big == INT64_MIN && all->small == INT_MAX && all->number == 0.1 && all->flag);
  assert_true(all->opt_int.is_set && all->opt_int.value == 0);
  assert_true(all->opt_num.is_set && all->opt_num.value == -2.5);
  assert_true(all->opt_bool.is_set && !all->opt_bool.value);
  assert_int_equal(all->color, COLOR_GREEN);
  assert_int_equal(all->map.count, 2);
  assert_string_equal(daytona_map_value(&all->map, "k"), "v");
  assert_string_equal(daytona_map_value(&all->map, ""), "");
  assert_int_equal(all->pairs.count, 2);
  assert_string_equal(daytona_map_value(&all->pairs, "b"), "2");
  assert_int_equal(all->strings.count, 2);
  assert_string_equal(all->strings.items[0], "x");
  assert_true(all->point != NULL && all->point->x == 1 && all->point->y == 2 && all->at.x == 3);
  assert_int_equal(all->point_count, 2);
  assert_true(all->points[1].x == 7 && all->points[1].y == 8);
  assert_int_equal(all->list_count, 1);
  assert_int_equal(all->list[0]->x, 9);
  assert_int_equal(all->number_count, 3);
  assert_true(all->numbers[1] == 0.5 && all->numbers[2] == 1e300);
  assert_string_equal(all->raw, "{\"any\":[1,\" a \\\" b\",null]}");
  assert_string_equal(daytona_map_value(&all->env, "KEY"), "hush");
}

static void what_was_decoded_encodes_to_the_same_text(void **state) {
  assert_string_equal(codec_encode(codec_decode(full_text)), full_text);
}

static void missing_keys_and_null_leave_members_zero(void **state) {
  all_t empty;
  const all_t *all = codec_decode(" { \"id\" : \"i\" } \r\n\t");
  memset(&empty, 0, sizeof empty);
  empty.id = all->id;
  assert_memory_equal(all, &empty, sizeof empty);
  all = codec_decode_members(
    "\"text\":null,\"bytes\":null,\"big\":null,\"small\":null,\"number\":null,\"flag\":null,"
    "\"optInt\":null,\"optNum\":null,\"optBool\":null,\"color\":null,\"map\":null,"
    "\"pairs\":null,\"strings\":null,\"point\":null,\"at\":null,\"points\":null,\"list\":null,"
    "\"numbers\":null,\"raw\":null,\"token\":null,\"env\":null");
  empty.id = all->id;
  assert_memory_equal(all, &empty, sizeof empty);
}

static void unknown_keys_pass(void **state) {
  const all_t *all = codec_decode_members(
    "\"new\":{\"deep\":[{\"x\":1e999},18446744073709551616,\"\\ud83d\"]},"
    "\"\":1,\"te\":2,\"textual\":3,\"flag\":true");
  assert_true(all->flag);
  assert_null(all->text);
}

static void unknown_enum_words_are_the_unknown_value(void **state) {
  assert_int_equal(codec_decode_members("\"color\":\"blue\"")->color, COLOR_OTHER);
  assert_int_equal(codec_decode_members("\"color\":\"gree\"")->color, COLOR_OTHER);
  assert_int_equal(codec_decode_members("\"color\":\"green\\u0000\"")->color, COLOR_OTHER);
  assert_int_equal(codec_decode_members("\"color\":\"gr\\u0065en\"")->color, COLOR_GREEN);
  assert_int_equal(codec_decode_members("\"color\":\"\"")->color, COLOR_OTHER);
}

static void integers_may_be_written_as_floats(void **state) {
  assert_int_equal(codec_decode_members("\"big\":3.0")->big, 3);
  assert_int_equal(codec_decode_members("\"big\":-12e2")->big, -1200);
  assert_int_equal(codec_decode_members("\"big\":-0.0")->big, 0);
  assert_int_equal(codec_decode_members("\"small\":2.147483647E9")->small, INT_MAX);
  assert_true(codec_decode_members("\"big\":9223372036854775807")->big == INT64_MAX);
  assert_true(codec_decode_members("\"big\":-9.223372036854775808e18")->big == INT64_MIN);
  assert_true(codec_decode_members("\"number\":18446744073709551616")->number == 18446744073709551616.0);
  assert_true(codec_decode_members("\"optNum\":7")->opt_num.value == 7);
}

static void wrong_types_name_the_field(void **state) {
  static const struct {
    const char *members, *field;
  } cases[] = {
    {"\"text\":1", "text"},
    {"\"text\":{}", "text"},
    {"\"text\":true", "text"},
    {"\"bytes\":[]", "bytes"},
    {"\"big\":\"1\"", "big"},
    {"\"big\":1.5", "big"},
    {"\"big\":9223372036854775808", "big"},
    {"\"big\":-9223372036854775809", "big"},
    {"\"big\":9.3e18", "big"},
    {"\"big\":1e999", "big"},
    {"\"big\":true", "big"},
    {"\"large\":\"1\"", "large"},
    {"\"small\":2147483648", "small"},
    {"\"small\":-2147483649", "small"},
    {"\"number\":\"1\"", "number"},
    {"\"number\":1e999", "number"},
    {"\"flag\":1", "flag"},
    {"\"flag\":\"true\"", "flag"},
    {"\"optInt\":\"\"", "optInt"},
    {"\"optNum\":{}", "optNum"},
    {"\"optBool\":0", "optBool"},
    {"\"color\":1", "color"},
    {"\"map\":1", "map"},
    {"\"map\":\"\"", "map"},
    {"\"map\":[\"x\"]", "map[0]"},
    {"\"map\":{\"a b\":nul}", "map.a?b"},
    {"\"pairs\":true", "pairs"},
    {"\"pairs\":[{\"a\":\"1\"},[]]", "pairs[1]"},
    {"\"strings\":\"x\"", "strings"},
    {"\"strings\":[\"x\",2]", "strings[1]"},
    {"\"point\":[]", "point"},
    {"\"point\":{\"x\":\"\"}", "point.x"},
    {"\"at\":1", "at"},
    {"\"at\":{\"y\":[]}", "at.y"},
    {"\"points\":{}", "points"},
    {"\"list\":{}", "list"},
    {"\"numbers\":[1,\"2\"]", "numbers[1]"},
    {"\"numbers\":1", "numbers"},
    {"\"token\":[\"hush\"]", "token"},
    {"\"env\":{\"hush\":x}", "env"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    codec_expect_bad_members(cases[i].members, cases[i].field);
}

/* A C string would end there: what stands for it is seen, and neither cuts a name short nor costs the response. */
static void a_nul_in_a_text_becomes_a_replacement_character(void **state) {
  const all_t *all = codec_decode_members(
    "\"text\":\"a\\u0000b\\u0000\",\"bytes\":\"a\\u0000b\",\"strings\":[\"\\u0000\"],"
    "\"map\":{\"k\\u0000\":\"\\u0000v\"},\"token\":\"\\u0000hush\"");
  assert_string_equal(all->text,
                      "a\xEF\xBF\xBD"
                      "b\xEF\xBF\xBD");
  assert_int_equal(all->bytes.size, 3);
  assert_memory_equal(all->bytes.data, "a\0b", 4);
  assert_string_equal(all->strings.items[0], "\xEF\xBF\xBD");
  assert_string_equal(all->map.items[0].key, "k\xEF\xBF\xBD");
  assert_string_equal(all->map.items[0].value, "\xEF\xBF\xBDv");
  assert_string_equal(all->token, "\xEF\xBF\xBDhush");
  codec_expect_error("{\"id\":\"i\\u0000\"}", 15, DAYTONA_EPROTOCOL, "id"); /* it would be another one's */
}

/* Also where the string is read in parts: the copy is longer than what its text says. */
static void a_long_text_may_hold_many_nuls(void **state) {
  enum { COUNT = 20000 };
  static char text[64 + COUNT * 7];
  size_t used = (size_t)snprintf(text, sizeof text, "{\"id\":\"i\",\"text\":\"");
  for (int i = 0; i < COUNT; i++) used += (size_t)snprintf(text + used, sizeof text - used, "x\\u0000");
  used += (size_t)snprintf(text + used, sizeof text - used, "\"}");
  daytona__json_decoder_t *decoder = daytona__json_decoder_new(&codec_arena, &all_model, false, text, used);
  int rc;
  while ((rc = daytona__json_decoder_run(decoder, 1000)) == DAYTONA__JSON_GOES_ON) continue;
  assert_int_equal(rc, 0);
  const all_t *all = daytona__json_decoder_result(decoder, NULL);
  assert_int_equal(strlen(all->text), COUNT * 4);
  for (int i = 0; i < COUNT; i++) assert_memory_equal(all->text + 4 * i, "x\xEF\xBF\xBD", 4);
  daytona__json_decoder_free(decoder);
}

static void odd_maps_are_read_as_text(void **state) {
  const all_t *all = codec_decode_members(
    "\"map\":{\"n\":1,\"f\":-2.50,\"b\":true,\"no\":null,\"o\":{ \"a\" : [1, \"x\"] },\"s\":\"t\"},"
    "\"env\":{\"PORT\":3000},\"pairs\":{\"a\":2,\"b\":\"c\"}");
  assert_int_equal(all->map.count, 5);
  assert_string_equal(daytona_map_value(&all->map, "n"), "1");
  assert_string_equal(daytona_map_value(&all->map, "f"), "-2.50");
  assert_string_equal(daytona_map_value(&all->map, "b"), "true");
  assert_string_equal(daytona_map_value(&all->map, "o"), "{\"a\":[1,\"x\"]}");
  assert_string_equal(daytona_map_value(&all->map, "s"), "t");
  assert_string_equal(daytona_map_value(&all->env, "PORT"), "3000");
  assert_string_equal(daytona_map_value(&all->pairs, "a"), "2");
  assert_string_equal(daytona_map_value(&all->pairs, "b"), "c");
  all = codec_decode_members("\"map\":[],\"pairs\":[ ],\"env\":null");
  assert_int_equal(all->map.count + all->pairs.count + all->env.count, 0);
  assert_int_equal(codec_decode_members("\"map\":[{\"a\":\"1\"},null,{\"b\":2}]")->map.count, 2);
  assert_string_equal(daytona_map_value(&codec_decode_members("\"pairs\":[{\"a\":2}]")->pairs, "a"), "2");
}

static void invalid_utf8_is_refused_with_its_path(void **state) {
  codec_expect_bad_members("\"text\":\"\xff\"", "text");
  codec_expect_bad_members("\"text\":\"\xc0\xaf\"", "text");
  codec_expect_bad_members("\"text\":\"\xed\xa0\x80\"", "text");
  codec_expect_bad_members("\"text\":\"\xf4\x90\x80\x80\"", "text");
  codec_expect_bad_members("\"text\":\"\xe2\x82\"", "text");
  codec_expect_bad_members("\"points\":[{\"unknown\":\"\x80\"}]", "points[0]");
}

static void escapes_are_read(void **state) {
  assert_string_equal(
    codec_decode_members("\"text\":\"\\/\\b\\f\\n\\r\\t\\u00e9\\u20AC\\ud83d\\uDE00\"")->text,
    "/\b\f\n\r\t\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  assert_string_equal(codec_decode("{\"\\u0069d\":\"x\"}")->id, "x");
  /* Half a surrogate pair is what JavaScript writes for a text that was cut. */
  assert_string_equal(codec_decode_members("\"text\":\"a\\ud83d\"")->text, "a\xef\xbf\xbd");
  assert_string_equal(codec_decode_members("\"text\":\"\\ude00\\ud83d\\u0041\"")->text,
                      "\xef\xbf\xbd\xef\xbf\xbd"
                      "A");
  static const char *const bad[] = {"\\", "\\x", "\\u12", "\\u12g4", "\\ud83d\\", "\\ud83d\\u1", "\\U0041"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    char members[64];
    snprintf(members, sizeof members, "\"text\":\"%s\"", bad[i]);
    codec_expect_bad_members(members, "text");
  }
}

static void last_of_double_keys_wins(void **state) {
  assert_int_equal(codec_decode_members("\"big\":1,\"big\":2")->big, 2);
  assert_int_equal(codec_decode_members("\"big\":1,\"big\":null")->big, 0);
  assert_int_equal(codec_decode_members("\"at\":{\"x\":1},\"at\":{\"y\":2}")->at.x, 0);
  const all_t *all =
    codec_decode_members("\"points\":[{},{}],\"points\":[],\"map\":{\"a\":\"1\",\"b\":\"2\",\"a\":\"3\"}");
  assert_int_equal(all->point_count, 0);
  assert_null(all->points);
  assert_int_equal(all->map.count, 2);
  assert_string_equal(daytona_map_value(&all->map, "a"), "3");
  assert_string_equal(all->map.items[0].key, "b");
}

static void alias_counts_when_the_key_is_absent(void **state) {
  assert_int_equal(codec_decode_members("\"large\":5")->big, 5);
  assert_int_equal(codec_decode_members("\"large\":5,\"big\":6")->big, 6);
  assert_int_equal(codec_decode_members("\"big\":6,\"large\":5")->big, 6);
  assert_int_equal(codec_decode_members("\"big\":null,\"large\":5")->big, 5);
  assert_int_equal(codec_decode_members("\"large\":5,\"big\":null")->big, 5);
  assert_int_equal(codec_decode_members("\"large\":5,\"large\":7")->big, 7);
}

static void null_elements_are_skipped_but_numbers_keep_their_place(void **state) {
  const all_t *all = codec_decode_members(
    "\"strings\":[null,\"a\",null],\"points\":[null,{\"x\":1}],\"list\":[null,{\"x\":1}],"
    "\"numbers\":[1,null,3],\"pairs\":[null,{\"a\":null}],\"map\":{\"k\":null}");
  assert_int_equal(all->strings.count, 1);
  assert_int_equal(all->point_count, 1);
  assert_int_equal(all->points[0].x, 1);
  assert_int_equal(all->list_count, 1);
  assert_int_equal(all->list[0]->x, 1);
  assert_int_equal(all->number_count, 3);
  assert_true(isnan(all->numbers[1]) && all->numbers[2] == 3);
  assert_int_equal(all->pairs.count, 0);
  assert_int_equal(all->map.count, 0);
}

static void required_fields_must_come(void **state) {
  codec_expect_error("{}", 2, DAYTONA_EPROTOCOL, "id");
  codec_expect_error("{\"id\":null}", 11, DAYTONA_EPROTOCOL, "id");
}

static void raw_values_are_kept_compact(void **state) {
  assert_string_equal(codec_decode_members("\"raw\": [ 1 , \"a b\\\\\" , { \"k\" : true } ] ")->raw,
                      "[1,\"a b\\\\\",{\"k\":true}]");
  assert_string_equal(codec_decode_members("\"raw\":-1.50e1")->raw, "-1.50e1");
  assert_string_equal(codec_decode_members("\"raw\":\" \\u0000\"")->raw, "\" \\u0000\"");
}

static void lists_of_objects_are_pointers(void **state) {
  void *out = NULL;
  size_t count = 9;
  const char *text = " [{\"x\":1},null,{\"y\":2}] ";
  assert_int_equal(
    daytona__json_decode_list(&codec_arena, &point_model, text, strlen(text), &out, &count, NULL), 0);
  assert_int_equal(count, 2);
  assert_int_equal(((point_t **)out)[1]->y, 2);
  assert_int_equal(daytona__json_decode_list(&codec_arena, &point_model, "null", 4, &out, &count, NULL), 0);
  assert_int_equal(count, 0);
  assert_int_equal(daytona__json_decode_list(&codec_arena, &point_model, "[]", 2, &out, &count, NULL), 0);
  assert_int_equal(count, 0);
  static const char *const bad[] = {"", "{}", "[", "[]]", "nul", "1", "[{}"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_int_equal(daytona__json_decode_list(&codec_arena, &point_model, bad[i], strlen(bad[i]), &out,
                                               &count, &codec_error),
                     DAYTONA_EPROTOCOL);
}

/* Whole and in parts of every size: the same records, and the same words about the first that was left out. */
static void expect_left_out(const daytona__json_model_t *model, const char *text, size_t kept, size_t skipped,
                            const char *field, const char *id) {
  size_t size = strlen(text);
  for (size_t part = 1; part < size + 2; part++) {
    size_t count = 0;
    daytona__json_decoder_t *decoder = daytona__json_decoder_new(&codec_arena, model, true, text, size);
    int code = DAYTONA__JSON_GOES_ON;
    while (code == DAYTONA__JSON_GOES_ON) code = daytona__json_decoder_run(decoder, part);
    codec_error = *daytona__json_decoder_error(decoder);
    if (code != 0) fail_msg("%s: %s: %s", text, codec_error.field, codec_error.message);
    daytona__json_decoder_result(decoder, &count);
    assert_int_equal(count, kept);
    assert_int_equal(codec_error.skipped_count, skipped);
    assert_string_equal(codec_error.field, field);
    assert_string_equal(codec_error.skipped_id, id);
    assert_null(strstr(codec_error.message, "hush"));
    daytona__json_decoder_free(decoder);
    daytona__arena_clear(&codec_arena);
  }
}

static void bad_records_cost_only_themselves(void **state) {
  const daytona__json_model_t *point = &point_model, *all = &all_model;
  expect_left_out(point, "[{\"x\":1},{\"x\":\"hush\"},{\"y\":2}]", 2, 1, "[1].x", "");
  expect_left_out(point, "[7,\"hush\",[{\"x\":1}],{},true,1.5]", 1, 5, "[0]", "");
  expect_left_out(point, "[{\"x\":1e99},{\"x\":1.5},{\"y\":[[{\"x\":\"]}\"}]]}]", 0, 3, "[0].x", "");
  /* Its id is named wherever it stands, and what does not print of it is not. */
  expect_left_out(all, "[{\"id\":\"a\"},{\"big\":\"hush\",\"id\":\"b-1\"},{\"id\":\"c\",\"big\":{}}]", 1, 2,
                  "[1].big", "b-1");
  expect_left_out(all, "[{\"id\":\"x\\n \\u0000\\u00e9\",\"flag\":0}]", 0, 1, "[0].id", "x?????");
  expect_left_out(all, "[{\"text\":\"hush\"},{\"id\":\"b\"}]", 1, 1, "[0].id", "");
  expect_left_out(all, "[{\"id\":\"\"},{\"id\":null},{\"id\":4},{\"id\":\"b\"}]", 1, 3, "[0].id", "");
  /* The innermost list counts: the record around it stays. */
  expect_left_out(all, "[{\"id\":\"a\",\"list\":[{\"x\":1},{\"x\":{}}],\"big\":4}]", 1, 1, "[0].list[1].x",
                  "");
  expect_left_out(all, "[{\"id\":\"a\",\"points\":[{\"x\":[]},{\"x\":3}]}]", 1, 1, "[0].points[0].x", "");
  /* A map that is being read when the record fails, and a member behind it. */
  expect_left_out(all, "[{\"id\":\"a\",\"strings\":[\"one\",2]},{\"id\":\"b\",\"map\":{\"k\":\"v\"}}]", 1, 1,
                  "[0].strings[1]", "a");
}

static void the_innermost_list_loses_its_record(void **state) {
  const all_t *all = codec_decode_members(
    "\"list\":[{\"x\":1},{\"x\":\"hush\"},{\"x\":3}],\"points\":[{\"y\":\"\"},{\"y\":5}]");
  assert_int_equal(codec_error.skipped_count, 2);
  assert_string_equal(codec_error.field, "list[1].x");
  assert_int_equal(all->list_count, 2);
  assert_int_equal(all->list[1]->x, 3);
  assert_int_equal(all->point_count, 1);
  assert_int_equal(all->points[0].y, 5);
  codec_expect_bad_members("\"list\":{}", "list");
  codec_expect_bad_members("\"list\":[{\"x\":\"hush\"}],\"big\":\"hush\"", "big");
  codec_expect_bad_members("\"list\":[{\"x\":\"hush\"},{\"x\":tru}]", "list");
}

/* A record with more pairs than any has, in a list. */
static void crowded_record_costs_only_itself(void **state) {
  enum { COUNT = 10001 };
  size_t size = 0, count = 0;
  void *out = NULL;
  char *text = malloc(COUNT * 16 + 100);
  size += (size_t)sprintf(text, "[{\"id\":\"a\",\"map\":{");
  for (int i = 0; i < COUNT; i++)
    size += (size_t)sprintf(text + size, "%s\"k%d\":\"\"", i == 0 ? "" : ",", i);
  size += (size_t)sprintf(text + size, "}},{\"id\":\"b\"}]");
  assert_int_equal(
    daytona__json_decode_list(&codec_arena, &all_model, text, size, &out, &count, &codec_error), 0);
  assert_int_equal(count, 1);
  assert_string_equal(((all_t **)out)[0]->id, "b");
  assert_string_equal(codec_error.skipped_id, "a");
  assert_string_equal(codec_error.field, "[0].map");
  free(text);
}

static void bare_strings_are_decoded(void **state) {
  const char *value = NULL;
  assert_int_equal(daytona__json_decode_string(&codec_arena, " \"k\\u00e9\" ", 11, &value, NULL), 0);
  assert_string_equal(value, "k\xc3\xa9");
  value = NULL;
  static const char *const bad[] = {"", "k", "\"k", "\"k\"x", "{}", "null", "1"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    assert_int_equal(daytona__json_decode_string(&codec_arena, bad[i], strlen(bad[i]), &value, &codec_error),
                     DAYTONA_EPROTOCOL);
    assert_null(value);
  }
}

static void empty_answers_are_refused(void **state) {
  void *out = NULL;
  const char *string = NULL;
  size_t count;
  assert_int_equal(daytona__json_decode(&codec_arena, &all_model, NULL, 0, &out, &codec_error),
                   DAYTONA_EPROTOCOL);
  assert_non_null(strstr(codec_error.message, "nothing"));
  assert_int_equal(daytona__json_decode(&codec_arena, &all_model, " \n", 2, &out, &codec_error),
                   DAYTONA_EPROTOCOL);
  assert_int_equal(daytona__json_decode_list(&codec_arena, &all_model, NULL, 0, &out, &count, &codec_error),
                   DAYTONA_EPROTOCOL);
  assert_int_equal(daytona__json_decode_string(&codec_arena, NULL, 0, &string, &codec_error),
                   DAYTONA_EPROTOCOL);
}

static void every_prefix_of_a_text_is_refused(void **state) {
  void *out = NULL;
  for (size_t size = 0; size < strlen(full_text); size++)
    assert_int_equal(codec_decode_bytes(&all_model, full_text, size, &out), DAYTONA_EPROTOCOL);
}

static void every_changed_byte_is_survived(void **state) {
  static const char changes[] =
    "\"\\{}[]:, \n01-.eEtfnu\x01\x7f\x80\xc3\xed\xf0\xff"; /* and the NUL behind */
  size_t size = strlen(full_text);
  char *text = codec_exact(full_text, size);
  for (size_t i = 0; i < size; i++) {
    for (size_t c = 0; c < sizeof changes; c++) {
      void *out = NULL;
      text[i] = changes[c];
      daytona__json_decode(&codec_arena, &all_model, text, size, &out, &codec_error);
      assert_true((out != NULL) == (codec_error.code == DAYTONA_OK));
    }
    text[i] = full_text[i];
    daytona__arena_clear(&codec_arena);
  }
  free(text);
}

/* jansson refuses what we take on purpose: half surrogates, numbers beyond its range, NUL in keys. */
static void jansson_agrees_about_what_is_json(void **state) {
  static const char *const texts[] = {
    "",
    " ",
    "{}",
    "[]",
    "[1,]",
    "[,1]",
    "[1 2]",
    "{\"a\":1,}",
    "{\"a\"}",
    "{\"a\":}",
    "{a:1}",
    "{1:2}",
    "[01]",
    "[-]",
    "[-0]",
    "[+1]",
    "[1.]",
    "[.5]",
    "[1e]",
    "[1e+]",
    "[1E5]",
    "[-1.5e-3]",
    "[0x1]",
    "[1.5.5]",
    "[NaN]",
    "[Infinity]",
    "[tru]",
    "[true]",
    "[truee]",
    "[nul]",
    "[null]",
    "[\"\t\"]",
    "[\"\x7f\"]",
    "['a']",
    "[\"a]",
    "[\"\\a\"]",
    "[\"\\\"\"]",
    "[[[[]]]]",
    "[[]",
    "[]]",
    "{}{}",
    "[]x",
    "\xef\xbb\xbf[]",
    "[\f]",
    "[\"\xc3\"]",
    "[\"\xc3\xa9\"]",
    "[\xc3\xa9]",
    "/**/[]",
    "[1,2,3]",
    "{\"\":{\"\":[]}}",
    "[\"\\u00E9\"]",
    "[\"\\u00G9\"]",
    "[--1]",
    "[1-1]",
    "[1,\n2]",
    "[\"\\ud83d\\ude00\"]",
    "[false]",
    "[fals",
    "[\"a\" \"b\"]",
    "{\"a\" 1}",
    "[{]}",
  };
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    char text[256];
    void *out = NULL;
    int size = snprintf(text, sizeof text, "{\"id\":\"i\",\"unknown\":%s}", texts[i]);
    json_t *root = json_loadb(text, (size_t)size, JSON_ALLOW_NUL, NULL);
    bool accepted = codec_decode_bytes(&all_model, text, (size_t)size, &out) == 0;
    if (accepted != (root != NULL)) fail_msg("%s: %s", texts[i], codec_error.message);
    json_decref(root);
  }
}

/* --- small things --- */

static void utf8_is_judged_as_rfc_3629_does(void **state) {
  static const struct {
    const char *text;
    size_t size;
    bool is_valid;
  } cases[] = {
    {"", 0, true},
    {"plain text, long enough for words", 33, true},
    {"a\0b", 3, false},
    {"\x7f", 1, true},
    {"\x80", 1, false},
    {"\xc1\xbf", 2, false},
    {"\xc2\x80", 2, true},
    {"\xdf\xbf", 2, true},
    {"\xdf", 1, false},
    {"\xe0\x9f\xbf", 3, false},
    {"\xe0\xa0\x80", 3, true},
    {"\xed\x9f\xbf", 3, true},
    {"\xed\xa0\x80", 3, false},
    {"\xef\xbf\xbf", 3, true},
    {"\xef\xbf", 2, false},
    {"\xf0\x8f\xbf\xbf", 4, false},
    {"\xf0\x90\x80\x80", 4, true},
    {"\xf4\x8f\xbf\xbf", 4, true},
    {"\xf4\x90\x80\x80", 4, false},
    {"\xf5\x80\x80\x80", 4, false},
    {"\xf0\x90\x80", 3, false},
    {"\xc3\x28", 2, false},
    {"12345678\xc3\xa9"
     "12345678\xff",
     19, false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char *copy = codec_exact(cases[i].text, cases[i].size);
    if (daytona__utf8_is_valid(copy, cases[i].size) != cases[i].is_valid) fail_msg("case %zu", i);
    free(copy);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, codec_set_up, codec_tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(every_type_is_decoded),
    TEST(what_was_decoded_encodes_to_the_same_text),
    TEST(missing_keys_and_null_leave_members_zero),
    TEST(unknown_keys_pass),
    TEST(unknown_enum_words_are_the_unknown_value),
    TEST(integers_may_be_written_as_floats),
    TEST(wrong_types_name_the_field),
    TEST(a_nul_in_a_text_becomes_a_replacement_character),
    TEST(a_long_text_may_hold_many_nuls),
    TEST(odd_maps_are_read_as_text),
    TEST(invalid_utf8_is_refused_with_its_path),
    TEST(escapes_are_read),
    TEST(last_of_double_keys_wins),
    TEST(alias_counts_when_the_key_is_absent),
    TEST(null_elements_are_skipped_but_numbers_keep_their_place),
    TEST(required_fields_must_come),
    TEST(raw_values_are_kept_compact),
    TEST(lists_of_objects_are_pointers),
    TEST(bad_records_cost_only_themselves),
    TEST(the_innermost_list_loses_its_record),
    TEST(crowded_record_costs_only_itself),
    TEST(bare_strings_are_decoded),
    TEST(empty_answers_are_refused),
    TEST(every_prefix_of_a_text_is_refused),
    TEST(every_changed_byte_is_survived),
    TEST(jansson_agrees_about_what_is_json),
    TEST(utf8_is_judged_as_rfc_3629_does),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
