/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a JSON text: the codec must neither fall nor contradict itself, and must agree with jansson
 * about what is JSON and what it says.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "core/ascii.h"
#include "core/limits.h"
#include "json/lexer.h"
#include "fuzz/target.h"
#include "support/json_all.h"

typedef struct holder {
  const char *value;
} holder_t;

static const daytona__json_field_t holder_fields[] = {DAYTONA__FIELD(holder_t, RAW, value, "value")};
static DAYTONA__MODEL(holder_model, holder_t, "Holder", holder_fields);

/* What decodes and encodes must do both again, with the same text. */
static void check_round_trip(daytona__arena_t *arena, const char *text, size_t size) {
  const char *first, *second;
  void *object;
  if (daytona__json_decode(arena, &all_model, text, size, &object, NULL) != 0) return;
  if (daytona__json_encode(arena, &all_model, object, &first, &size, NULL) != 0) return; /* NaN, say */
  FUZZ_CHECK(daytona__json_decode(arena, &all_model, first, size, &object, NULL) == 0);
  FUZZ_CHECK(daytona__json_encode(arena, &all_model, object, &second, &size, NULL) == 0);
  FUZZ_CHECK(strcmp(first, second) == 0);
}

/* However a text is divided into parts, the same comes of it. */
static void check_parts(daytona__arena_t *arena, const char *text, size_t size, size_t work) {
  const char *first, *second;
  daytona__json_error_t error;
  void *object;
  size_t first_size, second_size;
  int rc, code = daytona__json_decode(arena, &all_model, text, size, &object, &error);
  daytona__json_decoder_t *decoder = daytona__json_decoder_new(arena, &all_model, false, text, size);
  FUZZ_CHECK(decoder != NULL);
  while ((rc = daytona__json_decoder_run(decoder, work)) == DAYTONA__JSON_GOES_ON) continue;
  FUZZ_CHECK(rc == code);
  const daytona__json_error_t *problem = daytona__json_decoder_error(decoder);
  FUZZ_CHECK(strcmp(error.field, problem->field) == 0 && strcmp(error.message, problem->message) == 0);
  if (code == 0 && daytona__json_encode(arena, &all_model, object, &first, &first_size, NULL) == 0) {
    object = daytona__json_decoder_result(decoder, NULL);
    FUZZ_CHECK(daytona__json_encode(arena, &all_model, object, &second, &second_size, NULL) == 0);
    FUZZ_CHECK(first_size == second_size && strcmp(first, second) == 0);
  }
  daytona__json_decoder_free(decoder);
}

static void check_other_entries(daytona__arena_t *arena, const char *text, size_t size) {
  daytona__json_error_t error;
  const char *string;
  void *items;
  size_t count;
  int code = daytona__json_decode_list(arena, &point_model, text, size, &items, &count, &error);
  FUZZ_CHECK(code == (int)error.code && (code == 0 || error.message[0] != '\0'));
  if (daytona__json_decode_string(arena, text, size, &string, NULL) == 0)
    FUZZ_CHECK(daytona__utf8_is_valid(string, strlen(string)));
}

/* What we take and jansson does not: numbers beyond its range, NUL in keys, half surrogate pairs. */
static bool may_disagree(const json_error_t *error) {
  enum json_error_code code = json_error_code(error);
  return code == json_error_numeric_overflow || code == json_error_null_byte_in_key ||
         strstr(error->text, "invalid Unicode") != NULL;
}

/* The same value, through our raw copy of it. */
static void compare(daytona__arena_t *arena, const char *text, size_t size, const json_t *expected) {
  static const char head[] = "{\"value\":";
  char *wrapped = malloc(sizeof head + size + 1);
  memcpy(wrapped, head, sizeof head - 1);
  memcpy(wrapped + sizeof head - 1, text, size);
  wrapped[sizeof head - 1 + size] = '}';
  void *out;
  int code = daytona__json_decode(arena, &holder_model, wrapped, sizeof head + size, &out, NULL);
  free(wrapped);
  if (code == DAYTONA_ELIMIT) return; /* one level deeper than the text itself */
  FUZZ_CHECK(code == 0);
  const char *value = ((holder_t *)out)->value;
  if (value == NULL) {
    FUZZ_CHECK(json_is_null(expected));
    return;
  }
  json_t *got = json_loads(value, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
  FUZZ_CHECK(got != NULL && json_equal(got, expected));
  json_decref(got);
}

static void check_against_jansson(daytona__arena_t *arena, const char *text, size_t size) {
  daytona__json_lexer_t lexer;
  json_error_t error;
  daytona__json_lexer_init(&lexer, text, size);
  bool accepted = daytona__json_skip(&lexer) && daytona__json_at_end(&lexer);
  if (memchr(text, '\0', size) != NULL) { /* jansson takes one for the end of the text */
    FUZZ_CHECK(!accepted);
    return;
  }
  json_t *root = json_loadb(text, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
  if (accepted && root == NULL) FUZZ_CHECK(may_disagree(&error));
  if (!accepted) FUZZ_CHECK(root == NULL || lexer.code == DAYTONA_ELIMIT);
  if (accepted && root != NULL) compare(arena, text, size, root);
  json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *text = (const char *)data;
  daytona__arena_t arena;
  if (size == 0) text = ""; /* jansson takes no NULL */
  daytona__arena_init(&arena, 0);
  check_round_trip(&arena, text, size);
  check_parts(&arena, text, size, 1);
  check_parts(&arena, text, size, 40);
  check_other_entries(&arena, text, size);
  check_against_jansson(&arena, text, size);
  daytona__arena_clear(&arena);
  return 0;
}
