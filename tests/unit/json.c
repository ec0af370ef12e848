/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON codec: every type in both directions, leniency, ceilings, paths of errors, locales,
 * and memory that runs out. jansson judges what is JSON, as a second opinion.
 */
#include "support/check.h"

#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "core/ascii.h"
#include "core/limits.h"
#include "core/memory.h"
#include "json/codec.h"
#include "json/lexer.h"
#include "support/alloc.h"
#include "support/json_all.h"
#include "support/json_model.h"

/* --- a model that holds itself --- */

typedef struct tree {
  const char *name;
  const struct tree *children;
  size_t child_count;
} tree_t;

extern const daytona__json_model_t tree_model;
static const daytona__json_field_t tree_fields[] = {
  DAYTONA__FIELD(tree_t, STRING, name, "name"),
  DAYTONA__FIELD_ARRAY(tree_t, children, child_count, "children", &tree_model),
};
DAYTONA__MODEL(tree_model, tree_t, "Tree", tree_fields);

/* --- plumbing --- */

static daytona__arena_t arena;
static daytona__json_error_t error;

static int set_up(void **state) {
  daytona__arena_init(&arena, 0);
  return 0;
}

static int tear_down(void **state) {
  daytona__arena_clear(&arena);
  assert_int_equal(daytona__alloc_count(), 0);
  return 0;
}

/* Exactly as many bytes as the text has, so that a sanitizer sees a read behind its end. */
static char *exact(const char *text, size_t size) {
  char *copy = malloc(size != 0 ? size : 1);
  memcpy(copy, text, size);
  return copy;
}

static int decode_bytes(const daytona__json_model_t *model, const char *text, size_t size, void **out) {
  char *copy = exact(text, size);
  int code = daytona__json_decode(&arena, model, copy, size, out, &error);
  free(copy);
  assert_int_equal(code, error.code);
  return code;
}

static const all_t *decode(const char *text) {
  void *out = NULL;
  if (decode_bytes(&all_model, text, strlen(text), &out) != 0) fail_msg("%s: %s", error.field, error.message);
  return out;
}

/* `members` beside an id. */
static const all_t *decode_members(const char *members) {
  char text[4096];
  snprintf(text, sizeof text, "{\"id\":\"i\",%s}", members);
  return decode(text);
}

static void expect_error(const char *text, size_t size, daytona_errcode_t code, const char *field) {
  void *out = &arena;
  assert_int_equal(decode_bytes(&all_model, text, size, &out), code);
  assert_ptr_equal(out, &arena);
  assert_string_equal(error.field, field);
  assert_true(error.message[0] != '\0');
  assert_null(strstr(error.message, "hush"));
}

static void expect_bad_members(const char *members, const char *field) {
  char text[4096];
  snprintf(text, sizeof text, "{\"id\":\"i\",%s}", members);
  expect_error(text, strlen(text), DAYTONA_EPROTOCOL, field);
}

static const char *encode(const all_t *all) {
  const char *text = NULL;
  size_t size = 0;
  if (daytona__json_encode(&arena, &all_model, all, &text, &size, &error) != 0)
    fail_msg("%s: %s", error.field, error.message);
  assert_int_equal(strlen(text), size);
  return text;
}

static void expect_encoding(const all_t *all, const char *members) {
  char text[4096];
  snprintf(text, sizeof text, "{\"id\":\"i\",\"big\":0,\"small\":0,\"number\":0,\"flag\":false%s}", members);
  assert_string_equal(encode(all), text);
}

static void expect_refusal(const all_t *all, const char *field) {
  const char *text = NULL;
  size_t size = 7;
  assert_int_equal(daytona__json_encode(&arena, &all_model, all, &text, &size, &error), DAYTONA_EINVAL);
  assert_null(text);
  assert_int_equal(size, 7);
  assert_string_equal(error.field, field);
}

/* --- decoding --- */

static void every_type_is_decoded(void **state) {
  const all_t *all = decode(full_text);
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
  assert_string_equal(encode(decode(full_text)), full_text);
}

static void missing_keys_and_null_leave_members_zero(void **state) {
  all_t empty;
  const all_t *all = decode(" { \"id\" : \"i\" } \r\n\t");
  memset(&empty, 0, sizeof empty);
  empty.id = all->id;
  assert_memory_equal(all, &empty, sizeof empty);
  all = decode_members(
    "\"text\":null,\"bytes\":null,\"big\":null,\"small\":null,\"number\":null,\"flag\":null,"
    "\"optInt\":null,\"optNum\":null,\"optBool\":null,\"color\":null,\"map\":null,"
    "\"pairs\":null,\"strings\":null,\"point\":null,\"at\":null,\"points\":null,\"list\":null,"
    "\"numbers\":null,\"raw\":null,\"token\":null,\"env\":null");
  empty.id = all->id;
  assert_memory_equal(all, &empty, sizeof empty);
}

static void unknown_keys_pass(void **state) {
  const all_t *all = decode_members(
    "\"new\":{\"deep\":[{\"x\":1e999},18446744073709551616,\"\\ud83d\"]},"
    "\"\":1,\"te\":2,\"textual\":3,\"flag\":true");
  assert_true(all->flag);
  assert_null(all->text);
}

static void unknown_enum_words_are_the_unknown_value(void **state) {
  assert_int_equal(decode_members("\"color\":\"blue\"")->color, COLOR_OTHER);
  assert_int_equal(decode_members("\"color\":\"gree\"")->color, COLOR_OTHER);
  assert_int_equal(decode_members("\"color\":\"green\\u0000\"")->color, COLOR_OTHER);
  assert_int_equal(decode_members("\"color\":\"gr\\u0065en\"")->color, COLOR_GREEN);
  assert_int_equal(decode_members("\"color\":\"\"")->color, COLOR_OTHER);
}

static void integers_may_be_written_as_floats(void **state) {
  assert_int_equal(decode_members("\"big\":3.0")->big, 3);
  assert_int_equal(decode_members("\"big\":-12e2")->big, -1200);
  assert_int_equal(decode_members("\"big\":-0.0")->big, 0);
  assert_int_equal(decode_members("\"small\":2.147483647E9")->small, INT_MAX);
  assert_true(decode_members("\"big\":9223372036854775807")->big == INT64_MAX);
  assert_true(decode_members("\"big\":-9.223372036854775808e18")->big == INT64_MIN);
  assert_true(decode_members("\"number\":18446744073709551616")->number == 18446744073709551616.0);
  assert_true(decode_members("\"optNum\":7")->opt_num.value == 7);
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
    expect_bad_members(cases[i].members, cases[i].field);
}

/* A C string would end there: what stands for it is seen, and neither cuts a name short nor costs the response. */
static void a_nul_in_a_text_becomes_a_replacement_character(void **state) {
  const all_t *all = decode_members(
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
  expect_error("{\"id\":\"i\\u0000\"}", 15, DAYTONA_EPROTOCOL, "id"); /* it would be another one's */
}

/* Also where the string is read in parts: the copy is longer than what its text says. */
static void a_long_text_may_hold_many_nuls(void **state) {
  enum { COUNT = 20000 };
  static char text[64 + COUNT * 7];
  size_t used = (size_t)snprintf(text, sizeof text, "{\"id\":\"i\",\"text\":\"");
  for (int i = 0; i < COUNT; i++) used += (size_t)snprintf(text + used, sizeof text - used, "x\\u0000");
  used += (size_t)snprintf(text + used, sizeof text - used, "\"}");
  daytona__json_decoder_t *decoder = daytona__json_decoder_new(&arena, &all_model, false, text, used);
  int rc;
  while ((rc = daytona__json_decoder_run(decoder, 1000)) == DAYTONA__JSON_GOES_ON) continue;
  assert_int_equal(rc, 0);
  const all_t *all = daytona__json_decoder_result(decoder, NULL);
  assert_int_equal(strlen(all->text), COUNT * 4);
  for (int i = 0; i < COUNT; i++) assert_memory_equal(all->text + 4 * i, "x\xEF\xBF\xBD", 4);
  daytona__json_decoder_free(decoder);
}

static void odd_maps_are_read_as_text(void **state) {
  const all_t *all = decode_members(
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
  all = decode_members("\"map\":[],\"pairs\":[ ],\"env\":null");
  assert_int_equal(all->map.count + all->pairs.count + all->env.count, 0);
  assert_int_equal(decode_members("\"map\":[{\"a\":\"1\"},null,{\"b\":2}]")->map.count, 2);
  assert_string_equal(daytona_map_value(&decode_members("\"pairs\":[{\"a\":2}]")->pairs, "a"), "2");
}

static void invalid_utf8_is_refused_with_its_path(void **state) {
  expect_bad_members("\"text\":\"\xff\"", "text");
  expect_bad_members("\"text\":\"\xc0\xaf\"", "text");
  expect_bad_members("\"text\":\"\xed\xa0\x80\"", "text");
  expect_bad_members("\"text\":\"\xf4\x90\x80\x80\"", "text");
  expect_bad_members("\"text\":\"\xe2\x82\"", "text");
  expect_bad_members("\"points\":[{\"unknown\":\"\x80\"}]", "points[0]");
}

static void escapes_are_read(void **state) {
  assert_string_equal(decode_members("\"text\":\"\\/\\b\\f\\n\\r\\t\\u00e9\\u20AC\\ud83d\\uDE00\"")->text,
                      "/\b\f\n\r\t\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  assert_string_equal(decode("{\"\\u0069d\":\"x\"}")->id, "x");
  /* Half a surrogate pair is what JavaScript writes for a text that was cut. */
  assert_string_equal(decode_members("\"text\":\"a\\ud83d\"")->text, "a\xef\xbf\xbd");
  assert_string_equal(decode_members("\"text\":\"\\ude00\\ud83d\\u0041\"")->text,
                      "\xef\xbf\xbd\xef\xbf\xbd"
                      "A");
  static const char *const bad[] = {"\\", "\\x", "\\u12", "\\u12g4", "\\ud83d\\", "\\ud83d\\u1", "\\U0041"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    char members[64];
    snprintf(members, sizeof members, "\"text\":\"%s\"", bad[i]);
    expect_bad_members(members, "text");
  }
}

static void last_of_double_keys_wins(void **state) {
  assert_int_equal(decode_members("\"big\":1,\"big\":2")->big, 2);
  assert_int_equal(decode_members("\"big\":1,\"big\":null")->big, 0);
  assert_int_equal(decode_members("\"at\":{\"x\":1},\"at\":{\"y\":2}")->at.x, 0);
  const all_t *all =
    decode_members("\"points\":[{},{}],\"points\":[],\"map\":{\"a\":\"1\",\"b\":\"2\",\"a\":\"3\"}");
  assert_int_equal(all->point_count, 0);
  assert_null(all->points);
  assert_int_equal(all->map.count, 2);
  assert_string_equal(daytona_map_value(&all->map, "a"), "3");
  assert_string_equal(all->map.items[0].key, "b");
}

static void alias_counts_when_the_key_is_absent(void **state) {
  assert_int_equal(decode_members("\"large\":5")->big, 5);
  assert_int_equal(decode_members("\"large\":5,\"big\":6")->big, 6);
  assert_int_equal(decode_members("\"big\":6,\"large\":5")->big, 6);
  assert_int_equal(decode_members("\"big\":null,\"large\":5")->big, 5);
  assert_int_equal(decode_members("\"large\":5,\"big\":null")->big, 5);
  assert_int_equal(decode_members("\"large\":5,\"large\":7")->big, 7);
}

static void null_elements_are_skipped_but_numbers_keep_their_place(void **state) {
  const all_t *all = decode_members(
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
  expect_error("{}", 2, DAYTONA_EPROTOCOL, "id");
  expect_error("{\"id\":null}", 11, DAYTONA_EPROTOCOL, "id");
}

static void raw_values_are_kept_compact(void **state) {
  assert_string_equal(decode_members("\"raw\": [ 1 , \"a b\\\\\" , { \"k\" : true } ] ")->raw,
                      "[1,\"a b\\\\\",{\"k\":true}]");
  assert_string_equal(decode_members("\"raw\":-1.50e1")->raw, "-1.50e1");
  assert_string_equal(decode_members("\"raw\":\" \\u0000\"")->raw, "\" \\u0000\"");
}

static void lists_of_objects_are_pointers(void **state) {
  void *out = NULL;
  size_t count = 9;
  const char *text = " [{\"x\":1},null,{\"y\":2}] ";
  assert_int_equal(daytona__json_decode_list(&arena, &point_model, text, strlen(text), &out, &count, NULL),
                   0);
  assert_int_equal(count, 2);
  assert_int_equal(((point_t **)out)[1]->y, 2);
  assert_int_equal(daytona__json_decode_list(&arena, &point_model, "null", 4, &out, &count, NULL), 0);
  assert_int_equal(count, 0);
  assert_int_equal(daytona__json_decode_list(&arena, &point_model, "[]", 2, &out, &count, NULL), 0);
  assert_int_equal(count, 0);
  static const char *const bad[] = {"", "{}", "[", "[]]", "nul", "1", "[{}"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_int_equal(
      daytona__json_decode_list(&arena, &point_model, bad[i], strlen(bad[i]), &out, &count, &error),
      DAYTONA_EPROTOCOL);
}

/* Whole and in parts of every size: the same records, and the same words about the first that was left out. */
static void expect_left_out(const daytona__json_model_t *model, const char *text, size_t kept, size_t skipped,
                            const char *field, const char *id) {
  size_t size = strlen(text);
  for (size_t part = 1; part < size + 2; part++) {
    size_t count = 0;
    daytona__json_decoder_t *decoder = daytona__json_decoder_new(&arena, model, true, text, size);
    int code = DAYTONA__JSON_GOES_ON;
    while (code == DAYTONA__JSON_GOES_ON) code = daytona__json_decoder_run(decoder, part);
    error = *daytona__json_decoder_error(decoder);
    if (code != 0) fail_msg("%s: %s: %s", text, error.field, error.message);
    daytona__json_decoder_result(decoder, &count);
    assert_int_equal(count, kept);
    assert_int_equal(error.skipped_count, skipped);
    assert_string_equal(error.field, field);
    assert_string_equal(error.skipped_id, id);
    assert_null(strstr(error.message, "hush"));
    daytona__json_decoder_free(decoder);
    daytona__arena_clear(&arena);
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
  const all_t *all =
    decode_members("\"list\":[{\"x\":1},{\"x\":\"hush\"},{\"x\":3}],\"points\":[{\"y\":\"\"},{\"y\":5}]");
  assert_int_equal(error.skipped_count, 2);
  assert_string_equal(error.field, "list[1].x");
  assert_int_equal(all->list_count, 2);
  assert_int_equal(all->list[1]->x, 3);
  assert_int_equal(all->point_count, 1);
  assert_int_equal(all->points[0].y, 5);
  expect_bad_members("\"list\":{}", "list");
  expect_bad_members("\"list\":[{\"x\":\"hush\"}],\"big\":\"hush\"", "big");
  expect_bad_members("\"list\":[{\"x\":\"hush\"},{\"x\":tru}]", "list");
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
  assert_int_equal(daytona__json_decode_list(&arena, &all_model, text, size, &out, &count, &error), 0);
  assert_int_equal(count, 1);
  assert_string_equal(((all_t **)out)[0]->id, "b");
  assert_string_equal(error.skipped_id, "a");
  assert_string_equal(error.field, "[0].map");
  free(text);
}

static void bare_strings_are_decoded(void **state) {
  const char *value = NULL;
  assert_int_equal(daytona__json_decode_string(&arena, " \"k\\u00e9\" ", 11, &value, NULL), 0);
  assert_string_equal(value, "k\xc3\xa9");
  value = NULL;
  static const char *const bad[] = {"", "k", "\"k", "\"k\"x", "{}", "null", "1"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    assert_int_equal(daytona__json_decode_string(&arena, bad[i], strlen(bad[i]), &value, &error),
                     DAYTONA_EPROTOCOL);
    assert_null(value);
  }
}

static void empty_answers_are_refused(void **state) {
  void *out = NULL;
  const char *string = NULL;
  size_t count;
  assert_int_equal(daytona__json_decode(&arena, &all_model, NULL, 0, &out, &error), DAYTONA_EPROTOCOL);
  assert_non_null(strstr(error.message, "nothing"));
  assert_int_equal(daytona__json_decode(&arena, &all_model, " \n", 2, &out, &error), DAYTONA_EPROTOCOL);
  assert_int_equal(daytona__json_decode_list(&arena, &all_model, NULL, 0, &out, &count, &error),
                   DAYTONA_EPROTOCOL);
  assert_int_equal(daytona__json_decode_string(&arena, NULL, 0, &string, &error), DAYTONA_EPROTOCOL);
}

static void every_prefix_of_a_text_is_refused(void **state) {
  void *out = NULL;
  for (size_t size = 0; size < strlen(full_text); size++)
    assert_int_equal(decode_bytes(&all_model, full_text, size, &out), DAYTONA_EPROTOCOL);
}

static void every_changed_byte_is_survived(void **state) {
  static const char changes[] =
    "\"\\{}[]:, \n01-.eEtfnu\x01\x7f\x80\xc3\xed\xf0\xff"; /* and the NUL behind */
  size_t size = strlen(full_text);
  char *text = exact(full_text, size);
  for (size_t i = 0; i < size; i++) {
    for (size_t c = 0; c < sizeof changes; c++) {
      void *out = NULL;
      text[i] = changes[c];
      daytona__json_decode(&arena, &all_model, text, size, &out, &error);
      assert_true((out != NULL) == (error.code == DAYTONA_OK));
    }
    text[i] = full_text[i];
    daytona__arena_clear(&arena);
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
    bool accepted = decode_bytes(&all_model, text, (size_t)size, &out) == 0;
    if (accepted != (root != NULL)) fail_msg("%s: %s", texts[i], error.message);
    json_decref(root);
  }
}

/* --- ceilings --- */

static char *nested(size_t depth, const char *open, const char *close, size_t *size) {
  size_t head = strlen("{\"id\":\"i\",\"unknown\":"), open_size = strlen(open), close_size = strlen(close);
  char *text = malloc(head + depth * (open_size + close_size) + 2), *at = text;
  memcpy(at, "{\"id\":\"i\",\"unknown\":", head);
  at += head;
  for (size_t i = 0; i < depth; i++, at += open_size) memcpy(at, open, open_size);
  for (size_t i = 0; i < depth; i++, at += close_size) memcpy(at, close, close_size);
  *at++ = '}';
  *size = (size_t)(at - text);
  return text;
}

static void depth_has_a_ceiling(void **state) {
  static const char *const brackets[][2] = {{"[", "]"}, {"{\"\":{},\"a\":[", "]}"}};
  for (size_t i = 0; i < 2; i++) {
    size_t size, levels = (DAYTONA__JSON_DEPTH_MAX - 1) / (i + 1);
    void *out = NULL;
    char *text = nested(levels, brackets[i][0], brackets[i][1], &size);
    assert_int_equal(decode_bytes(&all_model, text, size, &out), 0);
    free(text);
    text = nested(levels + 1, brackets[i][0], brackets[i][1], &size);
    expect_error(text, size, DAYTONA_ELIMIT, "");
    free(text);
    text = nested(1000000, brackets[i][0], "", &size);
    expect_error(text, size, DAYTONA_ELIMIT, "");
    free(text);
  }
}

static void models_that_hold_themselves_end_at_the_depth_ceiling(void **state) {
  enum { LEVELS = DAYTONA__JSON_DEPTH_MAX / 2 + 8 };
  static const char head[] = "{\"name\":\"n\",\"children\":[";
  char text[LEVELS * (sizeof head + 2)] = "", tail[LEVELS * 2 + 1] = "";
  for (int i = 0; i < LEVELS; i++) {
    strcat(text, head);
    strcat(tail, "]}");
  }
  strcat(text, tail);
  void *out = NULL;
  assert_int_equal(decode_bytes(&tree_model, text, strlen(text), &out), DAYTONA_ELIMIT);
  memmove(text, text + 10 * strlen(head), strlen(text + 10 * strlen(head)) + 1);
  text[strlen(text) - 20] = '\0';
  assert_int_equal(decode_bytes(&tree_model, text, strlen(text), &out), 0);
  size_t depth = 1;
  for (const tree_t *tree = out; tree->child_count != 0; tree = tree->children) depth++;
  assert_int_equal(depth, LEVELS - 10);
  assert_string_equal(((tree_t *)out)->children[0].children[0].name, "n");
  tree_t loop = {.name = "loop", .child_count = 1};
  loop.children = &loop;
  const char *ignored;
  size_t size;
  assert_int_equal(daytona__json_encode(&arena, &tree_model, &loop, &ignored, &size, &error), DAYTONA_ELIMIT);
}

static void element_counts_have_a_ceiling(void **state) {
  const size_t count = DAYTONA__JSON_ITEMS_MAX + 1, head = strlen("{\"id\":\"i\",\"numbers\":[");
  const size_t size = head + 2 * count + 1;
  char *text = malloc(size);
  for (size_t i = 0; i < count; i++) memcpy(text + head + 2 * i, "0,", 2);
  memcpy(text + size - 2, "]}", 2);
  memcpy(text, "{\"id\":\"i\",\"numbers\":[", head);
  expect_error(text, size, DAYTONA_ELIMIT, "numbers");
  memcpy(text, "{\"id\":\"i\",\"unknown\":[", head);
  expect_error(text, size, DAYTONA_ELIMIT, "");
  free(text);
}

static void body_size_has_a_ceiling(void **state) {
  void *out = NULL;
  assert_int_equal(daytona__json_decode(&arena, &all_model, "{}", DAYTONA__JSON_BODY_MAX + 1, &out, &error),
                   DAYTONA_ELIMIT);
}

static void arena_limit_is_a_limit_and_not_lack_of_memory(void **state) {
  daytona__arena_t small;
  void *out = NULL;
  size_t head = strlen("{\"id\":\""), size = head + 10000 + 2;
  char *text = malloc(size);
  memset(text, 'a', size);
  memcpy(text, "{\"id\":\"", head);
  memcpy(text + size - 2, "\"}", 2);
  daytona__arena_init(&small, 4096);
  assert_int_equal(daytona__json_decode(&small, &all_model, text, size, &out, &error), DAYTONA_ELIMIT);
  assert_string_equal(error.field, "id");
  daytona__arena_clear(&small);
  free(text);
}

typedef struct crowd {
  const point_t *items;
  size_t count;
} crowd_t;

static const daytona__json_field_t crowd_fields[] = {
  DAYTONA__FIELD_ARRAY(crowd_t, items, count, "items", &point_model)};
static DAYTONA__MODEL(crowd_model, crowd_t, "Crowd", crowd_fields);

static void lists_are_bounded_by_the_arena_while_they_grow(void **state) {
  enum { COUNT = 1000 };
  daytona__arena_t small;
  static const char head[] = "{\"items\":";
  char text[sizeof head + COUNT * 3 + 2];
  void *out = NULL;
  strcpy(text, head);
  for (size_t i = 0; i < COUNT; i++) memcpy(text + sizeof head - 1 + 3 * i, ",{}", 3);
  text[sizeof head - 1] = '[';
  strcpy(text + sizeof head - 1 + 3 * COUNT, "]}");
  daytona__arena_init(&small, 4096);
  assert_int_equal(daytona__json_decode(&small, &crowd_model, text, strlen(text), &out, &error),
                   DAYTONA_ELIMIT);
  assert_string_equal(error.field, "items[256]");
  daytona__arena_clear(&small);
}

static void long_paths_and_hostile_keys_stay_printable(void **state) {
  char text[2048];
  int size = snprintf(text, sizeof text, "{\"id\":\"i\",\"map\":{\"%0999d\x7f\":x}}", 0);
  void *out = NULL;
  assert_int_equal(decode_bytes(&all_model, text, (size_t)size, &out), DAYTONA_EPROTOCOL);
  assert_int_equal(strlen(error.field), sizeof error.field - 1);
  expect_bad_members("\"map\":{\"\xc3\xa9\x7f\":x}", "map.???");
}

/* --- encoding --- */

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
  assert_int_equal(daytona__json_encode(&arena, &model, &(flags_t){.hidden = "x"}, &text, &size, NULL), 0);
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
  assert_non_null(strstr(encode(&(all_t){.id = "i", .text = text}), expected));
  assert_string_equal(decode(encode(&(all_t){.id = "i", .text = text}))->text, text);
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
  assert_int_equal(daytona__json_encode(&arena, &all_model, &(all_t){.id = text}, &out, &size, &error),
                   DAYTONA_ELIMIT);
  assert_string_equal(error.field, "id");
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
    assert_int_equal(
      daytona__json_encode(&arena, &all_model, &(all_t){.id = "i", .number = value}, &encoded, &size, NULL),
      0);
    assert_int_equal(daytona__json_decode(&arena, &all_model, encoded, size, &out, &error), 0);
    assert_memory_equal(&((all_t *)out)->number, &value, sizeof value);
    int length = snprintf(text, sizeof text, "{\"id\":\"\",\"number\":%.*e}", (int)(bits % 30), value);
    assert_int_equal(daytona__json_decode(&arena, &all_model, text, (size_t)length, &out, &error), 0);
    snprintf(text, sizeof text, "%.*e", (int)(bits % 30), value);
    double expected = strtod(text, NULL);
    assert_memory_equal(&((all_t *)out)->number, &expected, sizeof expected);
    if (i % 100 == 0) daytona__arena_clear(&arena);
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
    assert_true(decode_members("\"number\":0.12345678901234567891")->number == 0.12345678901234567891);
    assert_string_equal(encode(decode(full_text)), full_text);
    expect_bad_members("\"number\":0,5", "");
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
  assert_false(arena.is_secret);
  decode("{\"id\":\"i\",\"token\":null}");
  assert_false(arena.is_secret);
  decode("{\"id\":\"i\",\"token\":\"hush\"}");
  assert_true(arena.is_secret);
  arena.is_secret = false;
  encode(&(all_t){.id = "i"});
  assert_false(arena.is_secret);
  encode(&(all_t){.id = "i", .token = "hush"});
  assert_true(arena.is_secret);
}

/* --- reading in parts --- */

static void every_text_is_the_same_in_parts(void **state) {
  for (size_t work = 1; work < 400; work += work < 40 ? 1 : 37) {
    const char *text;
    size_t size, count = 0, runs = 1;
    int rc;
    daytona__json_decoder_t *decoder =
      daytona__json_decoder_new(&arena, &all_model, false, full_text, strlen(full_text));
    assert_non_null(decoder);
    while ((rc = daytona__json_decoder_run(decoder, work)) == DAYTONA__JSON_GOES_ON) runs++;
    assert_int_equal(rc, 0);
    assert_true(work > 40 || runs > 10);
    void *object = daytona__json_decoder_result(decoder, &count);
    assert_int_equal(daytona__json_encode(&arena, &all_model, object, &text, &size, NULL), 0);
    assert_string_equal(text, full_text);
    daytona__json_decoder_free(decoder);
    daytona__arena_clear(&arena);
  }
}

static void reading_can_be_given_up_at_any_point(void **state) {
  for (size_t runs = 0; runs < 300; runs++) {
    daytona__json_decoder_t *decoder =
      daytona__json_decoder_new(&arena, &all_model, false, full_text, strlen(full_text));
    for (size_t i = 0; i < runs; i++) daytona__json_decoder_run(decoder, 1);
    daytona__json_decoder_free(decoder);
    daytona__arena_clear(&arena);
  }
}

/* One kind of thing that can be long: `begin`, then `chunk` again and again, then `end`. */
static const struct {
  const char *begin, *piece, *end;
  int code;
} long_texts[] = {
  {"{\"id\":\"", "abcdefgh", "\"}", 0},
  {"{\"id\":\"", "\\u0041", "\"}", 0},
  {"{\"id\":\"i\",\"text\":\"", "\\u00e9\xc3\xa9", "\"}", 0},
  {"{\"", "key", "\":1,\"id\":\"i\"}", 0},
  {"{\"id\":\"i\",\"unknown\":\"", "\\n", "\"}", 0},
  {"{\"id\":\"i\",\"unknown\":[1", ",[]", "]}", 0},
  {"{\"id\":\"i\",\"unknown\":[{}", ",{\"a\":{\"b\":[\"c\",true,null]}}", "]}", 0},
  {"{\"id\":\"i\"", ",\"u\":1", "}", 0},
  {"{\"id\":\"i\",\"big\":1", ",\"big\":2", "}", 0},
  {"{\"id\":\"i\"", "        \n", "}", 0},
  {"{\"id\":\"i\"}", "\t", "", 0},
  {"{\"id\"", "\r", ":\"i\"}", 0},
  {"{\"id\":\"i\",\"map\":{\"", "key", "\":\"v\"}}", 0},
  {"{\"id\":\"i\",\"map\":{\"k\":\"", "value", "\"}}", 0},
  {"{\"id\":\"i\",\"numbers\":[0", ",1", "]}", 0},
  {"{\"id\":\"i\",\"strings\":[\"\"", ",\"\"", "]}", 0},
  {"{\"id\":\"i\",\"raw\":[1", " , {\"a\" : \"b\\n\"}", "]}", 0},
  {"{\"id\":\"i\",\"raw\":\"", "\\\"", "\"}", 0},
  {"{\"id\":\"i\",\"big\":", "1", "}", DAYTONA_ELIMIT},
  {"{\"id\":\"i\",\"map\":{\"a\":\"b\"", ",\"k\":\"v\"", "}}", DAYTONA_ELIMIT},
};

static char *long_text(size_t row, size_t wanted, size_t *size) {
  const char *piece = long_texts[row].piece;
  char *text = malloc(wanted + 256), *at = text;
  assert_non_null(text);
  at += sprintf(at, "%s", long_texts[row].begin);
  for (size_t length = strlen(piece); (size_t)(at - text) < wanted; at += length) memcpy(at, piece, length);
  at += sprintf(at, "%s", long_texts[row].end);
  *size = (size_t)(at - text);
  return text;
}

/* What is long is read in so many parts as it has, whatever it is, and takes memory in proportion. */
static void no_part_is_long(void **state) {
  enum { WORK = 4096, SIZE = 1 << 20 };
  for (size_t row = 0; row < sizeof long_texts / sizeof long_texts[0]; row++) {
    size_t size, parts = 1;
    int rc;
    char *text = long_text(row, SIZE, &size);
    daytona__json_decoder_t *decoder = daytona__json_decoder_new(&arena, &all_model, false, text, size);
    while ((rc = daytona__json_decoder_run(decoder, WORK)) == DAYTONA__JSON_GOES_ON) parts++;
    if (rc != long_texts[row].code)
      fail_msg("row %zu: %s: %s", row, daytona_errcode_name(rc),
               daytona__json_decoder_error(decoder)->message);
    if (rc == 0 && parts < SIZE / WORK / 2) fail_msg("row %zu: %zu parts", row, parts);
    assert_true(arena.used <= DAYTONA__JSON_MEMORY_BASE + size * DAYTONA__JSON_MEMORY_FACTOR);
    daytona__json_decoder_free(decoder);
    daytona__arena_clear(&arena);
    free(text);
  }
}

typedef struct wide {
  const char *id;
  char more[400];
} wide_t;

static const daytona__json_field_t wide_fields[] = {DAYTONA__FIELD(wide_t, STRING, id, "id")};
static DAYTONA__MODEL(wide_model, wide_t, "Wide", wide_fields);

static const daytona__json_field_t page_fields[] = {{.key = "items",
                                                     .type = DAYTONA__JSON_ARRAY,
                                                     .offset = 0,
                                                     .count_offset = sizeof(void *),
                                                     .model = &wide_model,
                                                     .max_count = 200}};
static const daytona__json_model_t page_model = {"Page", 2 * sizeof(void *), page_fields, 1};

static void a_few_bytes_do_not_ask_for_many(void **state) {
  enum { COUNT = 400000 };
  size_t size = 0, count = 0;
  void *out = NULL;
  char *text = malloc(COUNT * 11 + 16);
  text[size++] = '[';
  for (int i = 0; i < COUNT; i++) size += (size_t)sprintf(text + size, "%s{\"id\":\"a\"}", i == 0 ? "" : ",");
  text[size++] = ']';
  assert_int_equal(daytona__json_decode_list(&arena, &wide_model, text, size, &out, &count, &error),
                   DAYTONA_ELIMIT);
  /* And the chunk of 64 KiB that the arena had begun. */
  assert_true(arena.used <= DAYTONA__JSON_MEMORY_BASE + size * DAYTONA__JSON_MEMORY_FACTOR + 64 * 1024);
  free(text);
}

static void a_page_has_no_more_than_it_can_have(void **state) {
  for (int count = 199; count <= 201; count++) {
    char text[4096];
    void *out = NULL;
    int size = sprintf(text, "{\"items\":[null");
    for (int i = 0; i < count; i++) size += sprintf(text + size, ",{\"id\":\"a\"}");
    size += sprintf(text + size, "]}");
    int code = daytona__json_decode(&arena, &page_model, text, (size_t)size, &out, &error);
    assert_int_equal(code, count <= 200 ? 0 : DAYTONA_ELIMIT);
    if (count > 200) assert_string_equal(error.field, "items");
  }
}

/* --- memory that runs out --- */

static void decode_and_encode(void *user) {
  void *out = NULL;
  const char *text = NULL;
  size_t size;
  int code = daytona__json_decode(&arena, &all_model, full_text, strlen(full_text), &out, &error);
  assert_true((out != NULL) == (code == 0));
  if (code == 0) code = daytona__json_encode(&arena, &all_model, out, &text, &size, &error);
  if (code == 0) assert_string_equal(text, full_text);
  assert_true(code == 0 || (code == DAYTONA_ENOMEM && support_alloc_failed() != 0));
  daytona__arena_clear(&arena);
}

static void decode_list(void *user) {
  static const char text[] = "[{\"x\":1},{},{},{},{},{},{},{},{},{},{\"y\":2}]";
  void *out = NULL;
  size_t count = 0;
  int code = daytona__json_decode_list(&arena, &point_model, text, sizeof text - 1, &out, &count, &error);
  assert_true(code == 0 || (code == DAYTONA_ENOMEM && support_alloc_failed() != 0));
  assert_int_equal(count, code == 0 ? 11 : 0);
  daytona__arena_clear(&arena);
}

static void decode_in_parts(void *user) {
  const char *text = NULL;
  size_t size;
  daytona__json_decoder_t *decoder =
    daytona__json_decoder_new(&arena, &all_model, false, full_text, strlen(full_text));
  int code = DAYTONA_ENOMEM;
  if (decoder != NULL)
    while ((code = daytona__json_decoder_run(decoder, 20)) == DAYTONA__JSON_GOES_ON) continue;
  if (code == 0)
    code = daytona__json_encode(&arena, &all_model, daytona__json_decoder_result(decoder, NULL), &text, &size,
                                &error);
  assert_true(code == 0 || (code == DAYTONA_ENOMEM && support_alloc_failed() != 0));
  daytona__json_decoder_free(decoder);
  daytona__arena_clear(&arena);
}

/* Deeper than the frames that the reader has in itself. */
static void decode_deep(void *user) {
  enum { LEVELS = 50 };
  static const char head[] = "{\"name\":\"n\",\"children\":[";
  char text[LEVELS * (sizeof head + 2)] = "";
  for (int i = 0; i < LEVELS; i++) strcat(text, head);
  for (int i = 0; i < LEVELS; i++) strcat(text, "]}");
  void *out = NULL;
  int code = daytona__json_decode(&arena, &tree_model, text, strlen(text), &out, &error);
  assert_true(code == 0 || (code == DAYTONA_ENOMEM && support_alloc_failed() != 0));
  assert_true((out != NULL) == (code == 0));
  daytona__arena_clear(&arena);
}

static void every_allocation_may_fail(void **state) {
  support_alloc_install();
  support_alloc_sweep(decode_in_parts, NULL);
  support_alloc_sweep(decode_and_encode, NULL);
  support_alloc_sweep(decode_list, NULL);
  support_alloc_sweep(decode_deep, NULL);
  support_alloc_remove();
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
    char *copy = exact(cases[i].text, cases[i].size);
    if (daytona__utf8_is_valid(copy, cases[i].size) != cases[i].is_valid) fail_msg("case %zu", i);
    free(copy);
  }
}

static void model_check_finds_mistakes(void **state) {
  static const daytona__json_field_t good = DAYTONA__FIELD(point_t, INT, x, "x");
  daytona__json_field_t fields[2];
  const daytona__json_model_t model = {"Broken", sizeof(point_t), fields, 2};
  assert_null(json_model_problem(&all_model));
  assert_null(json_model_problem(&tree_model));
#define BROKEN(change)                                                       \
  do {                                                                       \
    fields[0] = good;                                                        \
    fields[1] = (daytona__json_field_t)DAYTONA__FIELD(point_t, INT, y, "y"); \
    change;                                                                  \
    assert_non_null(json_model_problem(&model));                             \
  } while (0)
  BROKEN(fields[1].key = "x");
  BROKEN(fields[1].alias = "x");
  BROKEN(fields[1].key = NULL);
  BROKEN(fields[1].offset = 0);
  BROKEN(fields[1].offset = 16);
  BROKEN(fields[1].type = DAYTONA__JSON_OBJECT);
  BROKEN(fields[1].type = DAYTONA__JSON_ENUM);
  BROKEN(fields[1].type = DAYTONA__JSON_NUMBERS; fields[1].count_offset = 100);
  BROKEN(fields[1].type = DAYTONA__JSON_NUMBERS; fields[1].count_offset = fields[1].offset);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

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
    TEST(depth_has_a_ceiling),
    TEST(models_that_hold_themselves_end_at_the_depth_ceiling),
    TEST(element_counts_have_a_ceiling),
    TEST(body_size_has_a_ceiling),
    TEST(arena_limit_is_a_limit_and_not_lack_of_memory),
    TEST(lists_are_bounded_by_the_arena_while_they_grow),
    TEST(long_paths_and_hostile_keys_stay_printable),
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
    TEST(every_text_is_the_same_in_parts),
    TEST(reading_can_be_given_up_at_any_point),
    TEST(no_part_is_long),
    TEST(a_few_bytes_do_not_ask_for_many),
    TEST(a_page_has_no_more_than_it_can_have),
    TEST(every_allocation_may_fail),
    TEST(utf8_is_judged_as_rfc_3629_does),
    TEST(model_check_finds_mistakes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
