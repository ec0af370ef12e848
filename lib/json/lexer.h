/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tokens of a JSON text, pulled one by one. Nothing is allocated and nothing is kept: a token is a
 * slice of the text. Decoding and the check of raw JSON all walk the text with this.
 *
 * A failed step leaves `code` and `problem`; every later step fails too, so that walking code only has to
 * stop when a step says no. `problem` never holds a part of the text.
 */
#ifndef DAYTONA_JSON_LEXER_H
#define DAYTONA_JSON_LEXER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Nesting of a JSON response, for each level of which the decoder has a frame. Trees of accessibility are deep: two levels
   for each node; our other models need fewer than 16. */
#define DAYTONA__JSON_DEPTH_MAX 256

/* Elements of one JSON array or object that we decode. */
#define DAYTONA__JSON_ITEMS_MAX 1000000

typedef struct daytona__json_lexer {
  const char *at, *end;
  unsigned depth;      /* open objects and arrays */
  int code;            /* 0, DAYTONA_EPROTOCOL or DAYTONA_ELIMIT */
  const char *problem; /* static */
} daytona__json_lexer_t;

/* A string as it stands between its quotes; checked, so that copying it cannot fail. */
typedef struct daytona__json_string {
  const char *raw;
  size_t raw_size;
  size_t size; /* in UTF-8, without escapes */
  bool is_escaped;
  size_t nul_count;
} daytona__json_string_t;

typedef struct daytona__json_number {
  const char *raw;
  size_t raw_size;
  bool is_whole; /* no fraction and no exponent */
} daytona__json_number_t;

/* Where the walk through one object or array stands. Zero before the first step. */
typedef struct daytona__json_walk {
  size_t count; /* members or elements met so far */
} daytona__json_walk_t;

/* `text` may be NULL when `size` is 0. */
void daytona__json_lexer_init(daytona__json_lexer_t *lexer, const char *text, size_t size);

/* The first character of the next token, or -1 at the end of the text. */
int daytona__json_peek(daytona__json_lexer_t *lexer);

/* Note a failure, unless there is one already. Returns false. */
bool daytona__json_lex_fail(daytona__json_lexer_t *lexer, int code, const char *problem);

/* Enter the object or array that peek() showed. */
bool daytona__json_open(daytona__json_lexer_t *lexer);

/*
 * To the next member or element: true with the lexer behind the comma, if there was one. False at the end, which is
 * consumed then, and on failure: look at `code` after the loop.
 */
bool daytona__json_next_member(daytona__json_lexer_t *lexer, daytona__json_walk_t *walk);
bool daytona__json_next_item(daytona__json_lexer_t *lexer, daytona__json_walk_t *walk);

/* A member's key, to be read on with daytona__json_string_go(); and the colon behind it. */
bool daytona__json_key_begin(daytona__json_lexer_t *lexer, daytona__json_string_t *key);
bool daytona__json_colon(daytona__json_lexer_t *lexer);

/* The token that peek() showed. `word` is "true", "false" or "null". */
bool daytona__json_lex_string(daytona__json_lexer_t *lexer, daytona__json_string_t *out);
bool daytona__json_lex_number(daytona__json_lexer_t *lexer, daytona__json_number_t *out);
bool daytona__json_lex_word(daytona__json_lexer_t *lexer, const char *word);

/* Any value, checked as strictly as if it were wanted. */
bool daytona__json_skip(daytona__json_lexer_t *lexer);

/* Whether nothing but white space is left. */
bool daytona__json_at_end(daytona__json_lexer_t *lexer);

/* The same for a string in parts, of about `limit` bytes of the text each. */
typedef enum daytona__json_part {
  DAYTONA__JSON_FAILED,
  DAYTONA__JSON_DONE,
  DAYTONA__JSON_MORE
} daytona__json_part_t;
void daytona__json_string_begin(daytona__json_lexer_t *lexer, daytona__json_string_t *out);
daytona__json_part_t daytona__json_string_go(daytona__json_lexer_t *lexer, daytona__json_string_t *out,
                                             size_t limit);

/* What a NUL inside of a string is copied as. A C string cannot hold one: U+FFFD stands for it, as for half a pair. */
typedef enum daytona__json_nul { DAYTONA__JSON_NUL_KEPT, DAYTONA__JSON_NUL_REPLACED } daytona__json_nul_t;

/* How many bytes a copy has. */
size_t daytona__json_copy_size(const daytona__json_string_t *string, daytona__json_nul_t nul);

/* The string's bytes. No NUL is added. */
void daytona__json_copy(const daytona__json_string_t *string, daytona__json_nul_t nul, char *out);

/* The same in parts: from `*from`, which moves on, about `limit` bytes. Returns the end of what was written. */
char *daytona__json_copy_some(const char **from, const char *end, daytona__json_nul_t nul, char *out,
                              size_t limit);

/* The first byte that ends a run of plain ASCII within a string: quote, backslash, control, high. Or `end`. */
const char *daytona__json_skip_plain(const char *at, const char *end);

/* The bytes of one escape sequence and what it stands for; 0 if it is not one. */
size_t daytona__json_escape(const char *at, const char *end, uint32_t *code_point);

/*
 * The value of a number. An integer may be written as 3.0 or 3e2. False if it has a fraction or is out of
 * range.
 */
bool daytona__json_to_int(const daytona__json_number_t *number, int64_t *out);
bool daytona__json_to_double(const daytona__json_number_t *number, double *out);

#endif
