/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON codec: ceilings of what is decoded, models that hold themselves, tables that
 * cannot be right, and memory that runs out.
 */
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "json/codec.h"
#include "json/lexer.h"
#include "support/alloc.h"
#include "support/codec_scene.h"
#include "support/json_model.h"

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
    assert_int_equal(codec_decode_bytes(&all_model, text, size, &out), 0);
    free(text);
    text = nested(levels + 1, brackets[i][0], brackets[i][1], &size);
    codec_expect_error(text, size, DAYTONA_ELIMIT, "");
    free(text);
    text = nested(1000000, brackets[i][0], "", &size);
    codec_expect_error(text, size, DAYTONA_ELIMIT, "");
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
  assert_int_equal(codec_decode_bytes(&tree_model, text, strlen(text), &out), DAYTONA_ELIMIT);
  memmove(text, text + 10 * strlen(head), strlen(text + 10 * strlen(head)) + 1);
  text[strlen(text) - 20] = '\0';
  assert_int_equal(codec_decode_bytes(&tree_model, text, strlen(text), &out), 0);
  size_t depth = 1;
  for (const tree_t *tree = out; tree->child_count != 0; tree = tree->children) depth++;
  assert_int_equal(depth, LEVELS - 10);
  assert_string_equal(((tree_t *)out)->children[0].children[0].name, "n");
  tree_t loop = {.name = "loop", .child_count = 1};
  loop.children = &loop;
  const char *ignored;
  size_t size;
  assert_int_equal(daytona__json_encode(&codec_arena, &tree_model, &loop, &ignored, &size, &codec_error),
                   DAYTONA_ELIMIT);
}

static void element_counts_have_a_ceiling(void **state) {
  const size_t count = DAYTONA__JSON_ITEMS_MAX + 1, head = strlen("{\"id\":\"i\",\"numbers\":[");
  const size_t size = head + 2 * count + 1;
  char *text = malloc(size);
  for (size_t i = 0; i < count; i++) memcpy(text + head + 2 * i, "0,", 2);
  memcpy(text + size - 2, "]}", 2);
  memcpy(text, "{\"id\":\"i\",\"numbers\":[", head);
  codec_expect_error(text, size, DAYTONA_ELIMIT, "numbers");
  memcpy(text, "{\"id\":\"i\",\"unknown\":[", head);
  codec_expect_error(text, size, DAYTONA_ELIMIT, "");
  free(text);
}

static void body_size_has_a_ceiling(void **state) {
  void *out = NULL;
  assert_int_equal(
    daytona__json_decode(&codec_arena, &all_model, "{}", DAYTONA__JSON_BODY_MAX + 1, &out, &codec_error),
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
  assert_int_equal(daytona__json_decode(&small, &all_model, text, size, &out, &codec_error), DAYTONA_ELIMIT);
  assert_string_equal(codec_error.field, "id");
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
  assert_int_equal(daytona__json_decode(&small, &crowd_model, text, strlen(text), &out, &codec_error),
                   DAYTONA_ELIMIT);
  assert_string_equal(codec_error.field, "items[256]");
  daytona__arena_clear(&small);
}

static void long_paths_and_hostile_keys_stay_printable(void **state) {
  char text[2048];
  int size = snprintf(text, sizeof text, "{\"id\":\"i\",\"map\":{\"%0999d\x7f\":x}}", 0);
  void *out = NULL;
  assert_int_equal(codec_decode_bytes(&all_model, text, (size_t)size, &out), DAYTONA_EPROTOCOL);
  assert_int_equal(strlen(codec_error.field), sizeof codec_error.field - 1);
  codec_expect_bad_members("\"map\":{\"\xc3\xa9\x7f\":x}", "map.???");
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
  assert_int_equal(
    daytona__json_decode_list(&codec_arena, &wide_model, text, size, &out, &count, &codec_error),
    DAYTONA_ELIMIT);
  /* And the chunk of 64 KiB that the arena had begun. */
  assert_true(codec_arena.used <= DAYTONA__JSON_MEMORY_BASE + size * DAYTONA__JSON_MEMORY_FACTOR + 64 * 1024);
  free(text);
}

static void a_page_has_no_more_than_it_can_have(void **state) {
  for (int count = 199; count <= 201; count++) {
    char text[4096];
    void *out = NULL;
    int size = sprintf(text, "{\"items\":[null");
    for (int i = 0; i < count; i++) size += sprintf(text + size, ",{\"id\":\"a\"}");
    size += sprintf(text + size, "]}");
    int code = daytona__json_decode(&codec_arena, &page_model, text, (size_t)size, &out, &codec_error);
    assert_int_equal(code, count <= 200 ? 0 : DAYTONA_ELIMIT);
    if (count > 200) assert_string_equal(codec_error.field, "items");
  }
}

/* --- memory that runs out --- */

static void decode_and_encode(void *user) {
  void *out = NULL;
  const char *text = NULL;
  size_t size;
  int code = daytona__json_decode(&codec_arena, &all_model, full_text, strlen(full_text), &out, &codec_error);
  assert_true((out != NULL) == (code == 0));
  if (code == 0) code = daytona__json_encode(&codec_arena, &all_model, out, &text, &size, &codec_error);
  if (code == 0) assert_string_equal(text, full_text);
  assert_true(code == 0 || (code == DAYTONA_ENOMEM && support_alloc_failed() != 0));
  daytona__arena_clear(&codec_arena);
}

static void decode_list(void *user) {
  static const char text[] = "[{\"x\":1},{},{},{},{},{},{},{},{},{},{\"y\":2}]";
  void *out = NULL;
  size_t count = 0;
  int code =
    daytona__json_decode_list(&codec_arena, &point_model, text, sizeof text - 1, &out, &count, &codec_error);
  assert_true(code == 0 || (code == DAYTONA_ENOMEM && support_alloc_failed() != 0));
  assert_int_equal(count, code == 0 ? 11 : 0);
  daytona__arena_clear(&codec_arena);
}

static void decode_in_parts(void *user) {
  const char *text = NULL;
  size_t size;
  daytona__json_decoder_t *decoder =
    daytona__json_decoder_new(&codec_arena, &all_model, false, full_text, strlen(full_text));
  int code = DAYTONA_ENOMEM;
  if (decoder != NULL)
    while ((code = daytona__json_decoder_run(decoder, 20)) == DAYTONA__JSON_GOES_ON) continue;
  if (code == 0)
    code = daytona__json_encode(&codec_arena, &all_model, daytona__json_decoder_result(decoder, NULL), &text,
                                &size, &codec_error);
  assert_true(code == 0 || (code == DAYTONA_ENOMEM && support_alloc_failed() != 0));
  daytona__json_decoder_free(decoder);
  daytona__arena_clear(&codec_arena);
}

/* Deeper than the frames that the reader has in itself. */
static void decode_deep(void *user) {
  enum { LEVELS = 50 };
  static const char head[] = "{\"name\":\"n\",\"children\":[";
  char text[LEVELS * (sizeof head + 2)] = "";
  for (int i = 0; i < LEVELS; i++) strcat(text, head);
  for (int i = 0; i < LEVELS; i++) strcat(text, "]}");
  void *out = NULL;
  int code = daytona__json_decode(&codec_arena, &tree_model, text, strlen(text), &out, &codec_error);
  assert_true(code == 0 || (code == DAYTONA_ENOMEM && support_alloc_failed() != 0));
  assert_true((out != NULL) == (code == 0));
  daytona__arena_clear(&codec_arena);
}

static void every_allocation_may_fail(void **state) {
  support_alloc_install();
  support_alloc_sweep(decode_in_parts, NULL);
  support_alloc_sweep(decode_and_encode, NULL);
  support_alloc_sweep(decode_list, NULL);
  support_alloc_sweep(decode_deep, NULL);
  support_alloc_remove();
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, codec_set_up, codec_tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(depth_has_a_ceiling),
    TEST(models_that_hold_themselves_end_at_the_depth_ceiling),
    TEST(element_counts_have_a_ceiling),
    TEST(body_size_has_a_ceiling),
    TEST(arena_limit_is_a_limit_and_not_lack_of_memory),
    TEST(lists_are_bounded_by_the_arena_while_they_grow),
    TEST(long_paths_and_hostile_keys_stay_printable),
    TEST(a_few_bytes_do_not_ask_for_many),
    TEST(a_page_has_no_more_than_it_can_have),
    TEST(every_allocation_may_fail),
    TEST(model_check_finds_mistakes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
