/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources of COPY; see dockerfile.h.
 *
 * The text is cut into physical lines, these are joined into logical ones where they end in a backslash, and
 * a logical line that is a COPY is taken apart. A slice_t is a part of a text that is not copied.
 */
#include "wire/dockerfile.h"

#include <string.h>

#include <daytona/error.h>

#include "core/ascii.h"
#include "core/strbuf.h"
#include "json/lexer.h"
#include "wire/shell.h"

typedef struct slice {
  const char *at, *end;
} slice_t;

static size_t size_of(slice_t slice) { return (size_t)(slice.end - slice.at); }

static slice_t trim_start(slice_t slice) {
  for (size_t length; (length = daytona__utf8_space(slice.at, size_of(slice))) != 0;) slice.at += length;
  return slice;
}

/* The beginning of the last character. */
static const char *last_of(slice_t slice) {
  const char *at = slice.end - 1;
  while (at > slice.at && ((unsigned char)*at & 0xc0) == 0x80) at--;
  return at;
}

static slice_t trim_end(slice_t slice) {
  while (size_of(slice) != 0) {
    const char *last = last_of(slice);
    if (daytona__utf8_space(last, (size_t)(slice.end - last)) == 0) break;
    slice.end = last;
  }
  return slice;
}

static bool starts_with(slice_t slice, const char *text) {
  size_t size = strlen(text);
  return size_of(slice) >= size && memcmp(slice.at, text, size) == 0;
}

/* Whether `text`, of lower case, stands at the start in any case. */
static bool starts_with_any_case(slice_t slice, const char *text) {
  size_t size = strlen(text);
  if (size_of(slice) < size) return false;
  for (size_t i = 0; i < size; i++)
    if (daytona__to_lower(slice.at[i]) != text[i]) return false;
  return true;
}

static bool contains_any_case(slice_t slice, const char *text) {
  for (; slice.at < slice.end; slice.at++)
    if (starts_with_any_case(slice, text)) return true;
  return false;
}

/* --- lines ------------------------------------------------------------------------------------- */

/* Bytes of the line end that `at` is at, or 0: all those that Python's splitlines() knows. */
static size_t line_end(const char *at, const char *end) {
  unsigned char c = (unsigned char)*at;
  if (c == '\r') return end - at > 1 && at[1] == '\n' ? 2 : 1;
  if ((c >= '\n' && c <= '\f') || (c >= 0x1c && c <= 0x1e)) return 1;
  if (c == 0xc2) return end - at > 1 && (unsigned char)at[1] == 0x85 ? 2 : 0;
  if (c != 0xe2 || end - at < 3 || (unsigned char)at[1] != 0x80) return 0;
  return (unsigned char)at[2] == 0xa8 || (unsigned char)at[2] == 0xa9 ? 3 : 0;
}

/* Take the next physical line off the front of `text`. */
static slice_t next_line(slice_t *text) {
  slice_t line = {text->at, text->at};
  size_t size = 0;
  while (line.end < text->end && (size = line_end(line.end, text->end)) == 0) line.end++;
  text->at = line.end + (line.end < text->end ? size : 0);
  return line;
}

/* The next logical line, in `out`. Empty lines and comments inside of it are left out; a comment is never
   continued. */
static void next_logical_line(slice_t *text, daytona__strbuf_t *out) {
  bool is_inside = false, goes_on = true;
  out->size = 0;
  while (goes_on && text->at < text->end) {
    slice_t line = next_line(text), trimmed = trim_end(trim_start(line));
    bool is_comment = starts_with(trimmed, "#");
    if (is_inside && (size_of(trimmed) == 0 || is_comment)) continue;
    goes_on = !is_comment && size_of(trimmed) != 0 && trimmed.end[-1] == '\\';
    if (goes_on) line.end = trimmed.end - 1;
    daytona__strbuf_append(out, line.at, size_of(line));
    is_inside = true;
  }
}

/* --- the instruction --------------------------------------------------------------------------- */

/* Call back for all words but the last, which is the destination. */
static int report(const daytona__strbuf_t *words, size_t count, daytona__copy_source_cb on_source,
                  void *user) {
  const char *word = words->data;
  for (size_t i = 0; i + 1 < count; i++, word += strlen(word) + 1) {
    int rc = on_source(word, user);
    if (rc != 0) return rc;
  }
  return 0;
}

/* The words of the JSON form. False: it is not a list of strings. */
static bool read_list(slice_t parts, daytona__strbuf_t *words, size_t *count) {
  daytona__json_lexer_t lexer;
  daytona__json_walk_t walk = {0};
  daytona__json_string_t string;
  daytona__json_lexer_init(&lexer, parts.at, size_of(parts));
  if (daytona__json_peek(&lexer) != '[' || !daytona__json_open(&lexer)) return false;
  for (*count = 0; daytona__json_next_item(&lexer, &walk); (*count)++) {
    if (daytona__json_peek(&lexer) != '"' || !daytona__json_lex_string(&lexer, &string)) return false;
    size_t size = daytona__json_copy_size(&string, DAYTONA__JSON_NUL_REPLACED);
    char *copy = daytona__strbuf_reserve(words, size + 1);
    if (copy == NULL) return false;
    daytona__json_copy(&string, DAYTONA__JSON_NUL_REPLACED, copy);
    copy[size] = '\0';
    words->size += size + 1;
  }
  return lexer.code == 0 && daytona__json_at_end(&lexer);
}

/* Behind COPY: flags, each a word by itself, then one of the two forms. */
static bool read_words(slice_t parts, daytona__strbuf_t *words, size_t *count) {
  while (starts_with(parts, "--")) {
    while (size_of(parts) != 0 && daytona__utf8_space(parts.at, size_of(parts)) == 0) parts.at++;
    parts = trim_start(parts);
  }
  if (starts_with(parts, "[")) return read_list(parts, words, count);
  return daytona__shell_split(parts.at, size_of(parts), words, count);
}

static int read_line(slice_t line, daytona__strbuf_t *words, daytona__copy_source_cb on_source, void *user) {
  size_t count = 0;
  slice_t all = trim_end(trim_start(line));
  if (!starts_with_any_case(all, "copy")) return 0;
  slice_t rest = {trim_start(line).at + 4, line.end};
  if (daytona__utf8_space(rest.at, size_of(rest)) == 0 || contains_any_case(rest, "--from=")) return 0;
  for (slice_t at = line; at.at < at.end; at.at++)
    if (starts_with(at, "<<")) return 0; /* the text that is copied stands in the Dockerfile */
  words->size = 0;
  bool is_good = read_words(trim_end(trim_start((slice_t){all.at + 4, all.end})), words, &count);
  if (words->error != 0) return words->error;
  return is_good && count >= 2 ? report(words, count, on_source, user) : 0;
}

int daytona__dockerfile_sources(const char *text, size_t size, bool is_pool,
                                daytona__copy_source_cb on_source, void *user) {
  daytona__strbuf_t line, words;
  slice_t rest = {text, text + size};
  int rc = 0;
  daytona__strbuf_init(&line, size);
  daytona__strbuf_init(&words, size * 3 + 1); /* a NUL and U+FFFD take more than what they stand for */
  line.is_pool = words.is_pool = is_pool;
  while (rc == 0 && rest.at < rest.end) {
    next_logical_line(&rest, &line);
    rc = line.error;
    if (rc == 0 && line.size != 0)
      rc = read_line((slice_t){line.data, line.data + line.size}, &words, on_source, user);
  }
  daytona__strbuf_clear(&line);
  daytona__strbuf_clear(&words);
  return rc;
}
