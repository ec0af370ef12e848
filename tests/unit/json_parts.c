/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON codec: a text that is read in parts gives what it gives as a whole, and no part is long.
 */
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/codec.h"
#include "support/codec_scene.h"

static void every_text_is_the_same_in_parts(void **state) {
  for (size_t work = 1; work < 400; work += work < 40 ? 1 : 37) {
    const char *text;
    size_t size, count = 0, runs = 1;
    int rc;
    daytona__json_decoder_t *decoder =
      daytona__json_decoder_new(&codec_arena, &all_model, false, full_text, strlen(full_text));
    assert_non_null(decoder);
    while ((rc = daytona__json_decoder_run(decoder, work)) == DAYTONA__JSON_GOES_ON) runs++;
    assert_int_equal(rc, 0);
    assert_true(work > 40 || runs > 10);
    void *object = daytona__json_decoder_result(decoder, &count);
    assert_int_equal(daytona__json_encode(&codec_arena, &all_model, object, &text, &size, NULL), 0);
    assert_string_equal(text, full_text);
    daytona__json_decoder_free(decoder);
    daytona__arena_clear(&codec_arena);
  }
}

static void reading_can_be_given_up_at_any_point(void **state) {
  for (size_t runs = 0; runs < 300; runs++) {
    daytona__json_decoder_t *decoder =
      daytona__json_decoder_new(&codec_arena, &all_model, false, full_text, strlen(full_text));
    for (size_t i = 0; i < runs; i++) daytona__json_decoder_run(decoder, 1);
    daytona__json_decoder_free(decoder);
    daytona__arena_clear(&codec_arena);
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
    daytona__json_decoder_t *decoder = daytona__json_decoder_new(&codec_arena, &all_model, false, text, size);
    while ((rc = daytona__json_decoder_run(decoder, WORK)) == DAYTONA__JSON_GOES_ON) parts++;
    if (rc != long_texts[row].code)
      fail_msg("row %zu: %s: %s", row, daytona_errcode_name(rc),
               daytona__json_decoder_error(decoder)->message);
    if (rc == 0 && parts < SIZE / WORK / 2) fail_msg("row %zu: %zu parts", row, parts);
    assert_true(codec_arena.used <= DAYTONA__JSON_MEMORY_BASE + size * DAYTONA__JSON_MEMORY_FACTOR);
    daytona__json_decoder_free(decoder);
    daytona__arena_clear(&codec_arena);
    free(text);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, codec_set_up, codec_tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(every_text_is_the_same_in_parts),
    TEST(reading_can_be_given_up_at_any_point),
    TEST(no_part_is_long),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
