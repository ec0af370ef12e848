/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON tokens as RFC 8259 has them; see lexer.h. Strict about everything but one thing: half of a
 * surrogate pair in an escape becomes U+FFFD, since JavaScript servers write one when they cut a text in
 * the middle of a character.
 *
 * Recursion ends at DAYTONA__JSON_DEPTH_MAX, so a text of brackets costs nothing.
 */
#include "json/lexer.h"

#include <assert.h>
#include <string.h>

#include <daytona/error.h>

#include "core/ascii.h"
#include "core/limits.h"
#include "json/number.h"

#define REPLACEMENT UINT32_C(0xFFFD)

/* Of one number, in front of the point, behind it, or in the exponent. */
enum { DIGITS_MAX = 64 * 1024 };

static const char ends_early[] = "the JSON text ends early";
static const char not_json[] = "the text is not valid JSON";

void daytona__json_lexer_init(daytona__json_lexer_t *lexer, const char *text, size_t size) {
  memset(lexer, 0, sizeof *lexer);
  if (text == NULL) text = ""; /* what an empty buffer has */
  lexer->at = text;
  lexer->end = text + size;
}

bool daytona__json_lex_fail(daytona__json_lexer_t *lexer, int code, const char *problem) {
  if (lexer->code == 0) {
    lexer->code = code;
    lexer->problem = problem;
  }
  return false;
}

static bool unexpected(daytona__json_lexer_t *lexer) {
  return daytona__json_lex_fail(lexer, DAYTONA_EPROTOCOL, lexer->at == lexer->end ? ends_early : not_json);
}

int daytona__json_peek(daytona__json_lexer_t *lexer) {
  while (lexer->at < lexer->end) {
    char c = *lexer->at;
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return (unsigned char)c;
    lexer->at++;
  }
  return -1;
}

bool daytona__json_at_end(daytona__json_lexer_t *lexer) {
  if (lexer->code != 0) return false;
  return daytona__json_peek(lexer) == -1 || unexpected(lexer);
}

/* --- strings --- */

const char *daytona__json_skip_plain(const char *at, const char *end) {
  const uint64_t ones = UINT64_C(0x0101010101010101), high_bits = ones << 7;
  while (end - at >= 8) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
    /* Each term has the high bit of a byte that is below 0x20 or zero, or of one above such a byte. */
    uint64_t stops = (word - ones * 0x20) | (quote - ones) | (backslash - ones) | word;
    if ((stops & high_bits) != 0) break;
    at += 8;
  }
  while (at < end) {
    unsigned char c = (unsigned char)*at;
    if (c == '"' || c == '\\' || c < 0x20 || c >= 0x80) break;
    at++;
  }
  return at;
}

/* The unit of a "\uXXXX" at `at`, or -1. */
static int32_t unicode_unit(const char *at, const char *end) {
  int32_t unit = 0;
  if (end - at < 6 || at[0] != '\\' || at[1] != 'u') return -1;
  for (int i = 2; i < 6; i++) {
    int digit = daytona__hex_digit(at[i]);
    if (digit < 0) return -1;
    unit = unit << 4 | digit;
  }
  return unit;
}

size_t daytona__json_escape(const char *at, const char *end, uint32_t *code_point) {
  static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
  assert(at < end && *at == '\\');
  if (end - at < 2) return 0;
  if (at[1] != 'u') {
    const char *letter = at[1] != '\0' ? strchr(letters, at[1]) : NULL;
    if (letter == NULL) return 0;
    *code_point = (unsigned char)meanings[letter - letters];
    return 2;
  }
  int32_t unit = unicode_unit(at, end);
  if (unit < 0) return 0;
  *code_point = (uint32_t)unit;
  if (unit < 0xD800 || unit > 0xDFFF) return 6;
  int32_t low = unit <= 0xDBFF ? unicode_unit(at + 6, end) : -1;
  if (low < 0xDC00 || low > 0xDFFF) {
    *code_point = REPLACEMENT;
    return 6;
  }
  *code_point = 0x10000 + (((uint32_t)unit - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
  return 12;
}

void daytona__json_string_begin(daytona__json_lexer_t *lexer, daytona__json_string_t *out) {
  assert(lexer->code == 0 && *lexer->at == '"');
  memset(out, 0, sizeof *out);
  out->raw = ++lexer->at;
}

/* One character that is not plain ASCII. How much of the text it was; 0: it may not stand there. */
static size_t lex_special(const char *at, const char *end, daytona__json_string_t *out,
                          const char **problem) {
  uint32_t code_point = 0;
  if (*at == '\\') {
    size_t length = daytona__json_escape(at, end, &code_point);
    *problem = "a string holds a bad escape";
    if (length == 0) return 0;
    out->is_escaped = true;
    if (code_point == 0) out->nul_count++;
    out->size += daytona__utf8_size(code_point);
    return length;
  }
  size_t length = daytona__utf8_length(at, (size_t)(end - at));
  *problem = length == 1 ? "a string holds a control character" : "a string is not valid UTF-8";
  out->size += length;
  return length < 2 ? 0 : length;
}

daytona__json_part_t daytona__json_string_go(daytona__json_lexer_t *lexer, daytona__json_string_t *out,
                                             size_t limit) {
  const char *at = lexer->at, *end = lexer->end, *problem;
  const char *stop = limit < (size_t)(end - at) ? at + limit : end;
  for (;;) {
    const char *run = at;
    if (at < stop) at = daytona__json_skip_plain(at, stop);
    out->size += (size_t)(at - run);
    if (at >= stop && stop != end) {
      lexer->at = at;
      return DAYTONA__JSON_MORE;
    }
    problem = ends_early;
    if (at == end) break;
    if (*at == '"') {
      out->raw_size = (size_t)(at - out->raw);
      lexer->at = at + 1;
      return DAYTONA__JSON_DONE;
    }
    size_t length = lex_special(at, end, out, &problem);
    if (length == 0) break;
    at += length;
  }
  lexer->at = out->raw - 1; /* the string is at fault, from its quote on */
  daytona__json_lex_fail(lexer, DAYTONA_EPROTOCOL, problem);
  return DAYTONA__JSON_FAILED;
}

bool daytona__json_lex_string(daytona__json_lexer_t *lexer, daytona__json_string_t *out) {
  if (lexer->code != 0) return false;
  daytona__json_string_begin(lexer, out);
  return daytona__json_string_go(lexer, out, SIZE_MAX) == DAYTONA__JSON_DONE;
}

char *daytona__json_copy_some(const char **from, const char *end, daytona__json_nul_t nul, char *out,
                              size_t limit) {
  const char *at = *from, *stop = limit < (size_t)(end - at) ? at + limit : end;
  while (at < stop) {
    const char *escape = memchr(at, '\\', (size_t)(stop - at));
    size_t run = (size_t)((escape != NULL ? escape : stop) - at);
    memcpy(out, at, run);
    out += run;
    at += run;
    if (escape == NULL) break;
    uint32_t code_point = 0;
    size_t length = daytona__json_escape(at, end, &code_point);
    assert(length != 0);
    if (code_point == 0 && nul == DAYTONA__JSON_NUL_REPLACED) code_point = REPLACEMENT;
    out += daytona__utf8_put(code_point, out);
    at += length;
  }
  *from = at;
  return out;
}

size_t daytona__json_copy_size(const daytona__json_string_t *string, daytona__json_nul_t nul) {
  size_t added =
    nul == DAYTONA__JSON_NUL_REPLACED ? daytona__utf8_size(REPLACEMENT) - daytona__utf8_size(0) : 0;
  return string->size + string->nul_count * added;
}

void daytona__json_copy(const daytona__json_string_t *string, daytona__json_nul_t nul, char *out) {
  const char *from = string->raw;
  if (string->is_escaped)
    daytona__json_copy_some(&from, from + string->raw_size, nul, out, SIZE_MAX);
  else
    memcpy(out, from, string->raw_size);
}

/* --- numbers and words --- */

static bool is_digit_at(const daytona__json_lexer_t *lexer) {
  return lexer->at < lexer->end && *lexer->at >= '0' && *lexer->at <= '9';
}

/* A step must not take long: a number of unbounded length is refused. */
static bool skip_digits(daytona__json_lexer_t *lexer) {
  const char *start = lexer->at;
  if (!is_digit_at(lexer)) return unexpected(lexer);
  while (is_digit_at(lexer) && lexer->at - start < DIGITS_MAX) lexer->at++;
  if (!is_digit_at(lexer)) return true;
  return daytona__json_lex_fail(lexer, DAYTONA_ELIMIT, "a number has too many digits");
}

static bool skip_char(daytona__json_lexer_t *lexer, char c) {
  if (lexer->at == lexer->end || *lexer->at != c) return false;
  lexer->at++;
  return true;
}

bool daytona__json_lex_number(daytona__json_lexer_t *lexer, daytona__json_number_t *out) {
  if (lexer->code != 0) return false;
  out->raw = lexer->at;
  out->is_whole = true;
  skip_char(lexer, '-');
  if (skip_char(lexer, '0')) {
    if (is_digit_at(lexer)) return unexpected(lexer);
  } else if (!skip_digits(lexer)) {
    return false;
  }
  if (skip_char(lexer, '.')) {
    out->is_whole = false;
    if (!skip_digits(lexer)) return false;
  }
  if (skip_char(lexer, 'e') || skip_char(lexer, 'E')) {
    out->is_whole = false;
    if (!skip_char(lexer, '+')) skip_char(lexer, '-');
    if (!skip_digits(lexer)) return false;
  }
  out->raw_size = (size_t)(lexer->at - out->raw);
  return true;
}

bool daytona__json_lex_word(daytona__json_lexer_t *lexer, const char *word) {
  if (lexer->code != 0) return false;
  size_t size = strlen(word), left = (size_t)(lexer->end - lexer->at);
  if (left >= size && memcmp(lexer->at, word, size) == 0) {
    lexer->at += size;
    return true;
  }
  if (left < size && memcmp(lexer->at, word, left) == 0) lexer->at = lexer->end;
  return unexpected(lexer);
}

/* A whole number digit by digit, so that all 64 bits count; false if it does not fit. */
static bool whole_to_int(const daytona__json_number_t *number, int64_t *out) {
  const char *at = number->raw, *end = at + number->raw_size;
  bool is_negative = *at == '-';
  uint64_t value = 0, max = (uint64_t)INT64_MAX + (is_negative ? 1 : 0);
  for (at += is_negative ? 1 : 0; at < end; at++) {
    unsigned digit = (unsigned)(*at - '0');
    if (value > (max - digit) / 10) return false;
    value = value * 10 + digit;
  }
  *out = is_negative ? (int64_t)(0 - value) : (int64_t)value;
  return true;
}

bool daytona__json_to_int(const daytona__json_number_t *number, int64_t *out) {
  const double edge = 9223372036854775808.0;
  double value;
  if (number->is_whole) return whole_to_int(number, out);
  if (!daytona__number_read(number->raw, number->raw_size, &value)) return false;
  if (!(value >= -edge && value < edge) || value != (double)(int64_t)value) return false;
  *out = (int64_t)value;
  return true;
}

bool daytona__json_to_double(const daytona__json_number_t *number, double *out) {
  return daytona__number_read(number->raw, number->raw_size, out);
}

/* --- objects and arrays --- */

bool daytona__json_open(daytona__json_lexer_t *lexer) {
  if (lexer->code != 0) return false;
  assert(*lexer->at == '{' || *lexer->at == '[');
  if (lexer->depth == DAYTONA__JSON_DEPTH_MAX)
    return daytona__json_lex_fail(lexer, DAYTONA_ELIMIT, "the JSON text is nested too deeply");
  lexer->depth++;
  lexer->at++;
  return true;
}

/* Past the comma in front of a member or element, or past the closing bracket: false. */
static bool next(daytona__json_lexer_t *lexer, daytona__json_walk_t *walk, char closing) {
  if (lexer->code != 0) return false;
  int c = daytona__json_peek(lexer);
  if (c == closing) {
    lexer->at++;
    lexer->depth--;
    return false;
  }
  if (walk->count != 0) {
    if (c != ',') return unexpected(lexer);
    lexer->at++;
  }
  if (walk->count == DAYTONA__JSON_ITEMS_MAX)
    return daytona__json_lex_fail(lexer, DAYTONA_ELIMIT, "an object or array has too many elements");
  walk->count++;
  return true;
}

bool daytona__json_next_item(daytona__json_lexer_t *lexer, daytona__json_walk_t *walk) {
  return next(lexer, walk, ']');
}

bool daytona__json_next_member(daytona__json_lexer_t *lexer, daytona__json_walk_t *walk) {
  return next(lexer, walk, '}');
}

bool daytona__json_key_begin(daytona__json_lexer_t *lexer, daytona__json_string_t *key) {
  if (daytona__json_peek(lexer) != '"') return unexpected(lexer);
  daytona__json_string_begin(lexer, key);
  return true;
}

bool daytona__json_colon(daytona__json_lexer_t *lexer) {
  if (daytona__json_peek(lexer) != ':') return unexpected(lexer);
  lexer->at++;
  return true;
}

static bool next_pair(daytona__json_lexer_t *lexer, daytona__json_walk_t *walk) {
  daytona__json_string_t key;
  return daytona__json_next_member(lexer, walk) && daytona__json_key_begin(lexer, &key) &&
         daytona__json_string_go(lexer, &key, SIZE_MAX) == DAYTONA__JSON_DONE && daytona__json_colon(lexer);
}

bool daytona__json_skip(daytona__json_lexer_t *lexer) {
  daytona__json_walk_t walk = {0};
  daytona__json_string_t string;
  daytona__json_number_t number;
  switch (daytona__json_peek(lexer)) {
    case '"': return daytona__json_lex_string(lexer, &string);
    case 't': return daytona__json_lex_word(lexer, "true");
    case 'f': return daytona__json_lex_word(lexer, "false");
    case 'n': return daytona__json_lex_word(lexer, "null");
    case '{':
      if (!daytona__json_open(lexer)) return false;
      while (next_pair(lexer, &walk) && daytona__json_skip(lexer)) continue;
      return lexer->code == 0;
    case '[':
      if (!daytona__json_open(lexer)) return false;
      while (daytona__json_next_item(lexer, &walk) && daytona__json_skip(lexer)) continue;
      return lexer->code == 0;
    default: return daytona__json_lex_number(lexer, &number);
  }
}
