/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model with every type that the codec knows, and a text with every one of its fields, in the order in
 * which they are encoded.
 */
#ifndef SUPPORT_JSON_ALL_H
#define SUPPORT_JSON_ALL_H

#include "json/codec.h"

typedef struct point {
  int64_t x, y;
} point_t;

static const daytona__json_field_t point_fields[] = {
  DAYTONA__FIELD(point_t, INT, x, "x"),
  DAYTONA__FIELD(point_t, INT, y, "y"),
};
static DAYTONA__MODEL(point_model, point_t, "Point", point_fields);

enum { COLOR_NONE, COLOR_RED, COLOR_GREEN, COLOR_OTHER };
static const char *const color_words[] = {"none", "red", "green", NULL};
static const daytona__json_names_t color_names = {color_words, COLOR_OTHER};

typedef struct all {
  const char *id;
  const char *text;
  daytona_bytes_t bytes;
  int64_t big;
  int small;
  double number;
  bool flag;
  daytona_opt_int_t opt_int;
  daytona_opt_num_t opt_num;
  daytona_opt_bool_t opt_bool;
  int color;
  daytona_map_t map;
  daytona_map_t pairs;
  daytona_strings_t strings;
  const point_t *point;
  point_t at;
  const point_t *points;
  size_t point_count;
  const point_t *const *list;
  size_t list_count;
  const double *numbers;
  size_t number_count;
  const char *raw;
  const char *token;
  daytona_map_t env;
} all_t;

static const daytona__json_field_t all_fields[] = {
  DAYTONA__FIELD(all_t, STRING, id, "id", .flags = DAYTONA__JSON_REQUIRED),
  DAYTONA__FIELD(all_t, STRING, text, "text"),
  DAYTONA__FIELD(all_t, BYTES, bytes, "bytes"),
  DAYTONA__FIELD(all_t, INT, big, "big", .alias = "large"),
  DAYTONA__FIELD(all_t, INT32, small, "small"),
  DAYTONA__FIELD(all_t, NUMBER, number, "number"),
  DAYTONA__FIELD(all_t, BOOL, flag, "flag"),
  DAYTONA__FIELD(all_t, OPT_INT, opt_int, "optInt"),
  DAYTONA__FIELD(all_t, OPT_NUM, opt_num, "optNum"),
  DAYTONA__FIELD(all_t, OPT_BOOL, opt_bool, "optBool"),
  DAYTONA__FIELD(all_t, ENUM, color, "color", .names = &color_names),
  DAYTONA__FIELD(all_t, MAP, map, "map"),
  DAYTONA__FIELD(all_t, PAIRS, pairs, "pairs"),
  DAYTONA__FIELD(all_t, STRINGS, strings, "strings"),
  DAYTONA__FIELD(all_t, OBJECT, point, "point", .model = &point_model),
  DAYTONA__FIELD(all_t, INLINE, at, "at", .model = &point_model),
  DAYTONA__FIELD_ARRAY(all_t, points, point_count, "points", &point_model),
  DAYTONA__FIELD_LIST(all_t, list, list_count, "list", &point_model),
  DAYTONA__FIELD(all_t, NUMBERS, numbers, "numbers", .count_offset = offsetof(all_t, number_count)),
  DAYTONA__FIELD(all_t, RAW, raw, "raw"),
  DAYTONA__FIELD(all_t, STRING, token, "token", .flags = DAYTONA__JSON_SECRET),
  DAYTONA__FIELD(all_t, MAP, env, "env", .flags = DAYTONA__JSON_SECRET),
};
static DAYTONA__MODEL(all_model, all_t, "All", all_fields);

static const char full_text[] =
  "{\"id\":\"i\",\"text\":\"a\\\"\\\\\\n\\u0001\xc3\xa9\xf0\x9f\x98\x80\",\"bytes\":\"a\\u0000b\","
  "\"big\":-9223372036854775808,\"small\":2147483647,\"number\":0.1,\"flag\":true,\"optInt\":0,"
  "\"optNum\":-2.5,\"optBool\":false,\"color\":\"green\",\"map\":{\"k\":\"v\",\"\":\"\"},"
  "\"pairs\":[{\"a\":\"1\"},{\"b\":\"2\"}],\"strings\":[\"x\",\"\"],\"point\":{\"x\":1,\"y\":2},"
  "\"at\":{\"x\":3,\"y\":0},\"points\":[{\"x\":5,\"y\":6},{\"x\":7,\"y\":8}],\"list\":[{\"x\":9,\"y\":0}],"
  "\"numbers\":[1,0.5,1e+300],"
  "\"raw\":{\"any\":[1,\" a \\\" b\",null]},\"token\":\"hush\",\"env\":{\"KEY\":\"hush\"}}";

#endif
