/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests of the JSON codec stand on: an arena, and the model of json_all.h in both directions. Every text is copied to a block
 * of its own size first.
 */
#ifndef SUPPORT_CODEC_SCENE_H
#define SUPPORT_CODEC_SCENE_H

#include "json/codec.h"
#include "support/json_all.h"

/* Of the test that runs: emptied at its end. */
extern daytona__arena_t codec_arena;
extern daytona__json_error_t codec_error;

int codec_set_up(void **state);
int codec_tear_down(void **state);
/* Exactly as many bytes as the text has, so that a sanitizer sees a read behind its end. */
char *codec_exact(const char *text, size_t size);
int codec_decode_bytes(const daytona__json_model_t *model, const char *text, size_t size, void **out);
const all_t *codec_decode(const char *text);
/* `members` beside an id. */
const all_t *codec_decode_members(const char *members);
void codec_expect_error(const char *text, size_t size, daytona_errcode_t code, const char *field);
void codec_expect_bad_members(const char *members, const char *field);
const char *codec_encode(const all_t *all);

#endif
