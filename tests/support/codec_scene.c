/* SPDX-License-Identifier: Apache-2.0 */
#include "support/codec_scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "support/alloc.h"
#include "support/check.h"

daytona__arena_t codec_arena;
daytona__json_error_t codec_error;

int codec_set_up(void **state) {
  daytona__arena_init(&codec_arena, 0);
  return 0;
}

int codec_tear_down(void **state) {
  daytona__arena_clear(&codec_arena);
  assert_int_equal(daytona__alloc_count(), 0);
  return 0;
}

char *codec_exact(const char *text, size_t size) {
  char *copy = malloc(size != 0 ? size : 1);
  memcpy(copy, text, size);
  return copy;
}

int codec_decode_bytes(const daytona__json_model_t *model, const char *text, size_t size, void **out) {
  char *copy = codec_exact(text, size);
  int code = daytona__json_decode(&codec_arena, model, copy, size, out, &codec_error);
  free(copy);
  assert_int_equal(code, codec_error.code);
  return code;
}

const all_t *codec_decode(const char *text) {
  void *out = NULL;
  if (codec_decode_bytes(&all_model, text, strlen(text), &out) != 0)
    fail_msg("%s: %s", codec_error.field, codec_error.message);
  return out;
}

const all_t *codec_decode_members(const char *members) {
  char text[4096];
  snprintf(text, sizeof text, "{\"id\":\"i\",%s}", members);
  return codec_decode(text);
}

void codec_expect_error(const char *text, size_t size, daytona_errcode_t code, const char *field) {
  void *out = &codec_arena;
  assert_int_equal(codec_decode_bytes(&all_model, text, size, &out), code);
  assert_ptr_equal(out, &codec_arena);
  assert_string_equal(codec_error.field, field);
  assert_true(codec_error.message[0] != '\0');
  assert_null(strstr(codec_error.message, "hush"));
}

void codec_expect_bad_members(const char *members, const char *field) {
  char text[4096];
  snprintf(text, sizeof text, "{\"id\":\"i\",%s}", members);
  codec_expect_error(text, strlen(text), DAYTONA_EPROTOCOL, field);
}

const char *codec_encode(const all_t *all) {
  const char *text = NULL;
  size_t size = 0;
  if (daytona__json_encode(&codec_arena, &all_model, all, &text, &size, &codec_error) != 0)
    fail_msg("%s: %s", codec_error.field, codec_error.message);
  assert_int_equal(strlen(text), size);
  return text;
}
