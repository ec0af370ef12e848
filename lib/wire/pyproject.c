/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small reader of TOML; see pyproject.h.
 *
 * It walks over the text once. Where it is, as far as that matters, is a place_t: outside of [project], in
 * it, in its table of groups. Keys and values are read to an arena only where something is kept.
 */
#include "wire/pyproject.h"

#include <string.h>

#include <daytona/error.h>

#include "core/ascii.h"
#include "core/memory.h"

typedef enum place { ROOT, PROJECT, DEPENDENCIES, GROUPS, GROUP, ELSEWHERE } place_t;

typedef struct toml {
  const char *at, *end;
  unsigned line;
  daytona__arena_t *arena;
  daytona__pyproject_t *out;
  daytona__pyproject_list_t **end_of_lists;
  int code;
  unsigned depth;
  bool has_bad_project; /* it is no table, whatever else is said about it */
} toml_t;

static bool fail(toml_t *toml, const char *problem) {
  if (toml->code != 0) return false;
  toml->code = DAYTONA_EINVAL;
  toml->out->problem = problem;
  toml->out->line = toml->line;
  return false;
}

static bool fail_memory(toml_t *toml) {
  if (toml->code == 0) toml->code = DAYTONA_ENOMEM;
  return false;
}

static int peek(const toml_t *toml) { return toml->at < toml->end ? (unsigned char)*toml->at : -1; }

static bool at_text(const toml_t *toml, const char *text) {
  size_t size = strlen(text);
  return (size_t)(toml->end - toml->at) >= size && memcmp(toml->at, text, size) == 0;
}

/* --- white space ------------------------------------------------------------------------------- */

static bool at_line_end(const toml_t *toml) { return at_text(toml, "\n") || at_text(toml, "\r\n"); }

static void skip_line_end(toml_t *toml) {
  toml->at += *toml->at == '\r' ? 2 : 1;
  toml->line++;
}

static void skip_blanks(toml_t *toml) {
  while (peek(toml) == ' ' || peek(toml) == '\t') toml->at++;
}

static bool is_control(int c) { return (c >= 0 && c < ' ' && c != '\t') || c == 0x7f; }

static bool skip_comment(toml_t *toml) {
  if (peek(toml) != '#') return true;
  while (toml->at < toml->end && !at_line_end(toml)) {
    if (is_control(peek(toml))) return fail(toml, "a control character in a comment");
    toml->at++;
  }
  return true;
}

/* White space with comments and line ends, as between the elements of an array. */
static bool skip_space(toml_t *toml) {
  for (;;) {
    skip_blanks(toml);
    if (!skip_comment(toml)) return false;
    if (!at_line_end(toml)) return true;
    skip_line_end(toml);
  }
}

/* Nothing but a comment up to the end of the line. */
static bool end_line(toml_t *toml) {
  skip_blanks(toml);
  if (!skip_comment(toml)) return false;
  if (toml->at == toml->end) return true;
  if (!at_line_end(toml)) return fail(toml, "something behind the value");
  skip_line_end(toml);
  return true;
}

/* --- strings ----------------------------------------------------------------------------------- */

/* A string being copied; NULL: it is only checked. Never longer than its text. */
static void put(char **out, const char *bytes, size_t size) {
  if (*out == NULL) return;
  memcpy(*out, bytes, size);
  *out += size;
}

static bool read_unicode(toml_t *toml, int digits, char **out) {
  char utf8[4];
  uint32_t c = 0;
  for (int i = 0; i < digits; i++, toml->at++) {
    int digit = toml->at < toml->end ? daytona__hex_digit(*toml->at) : -1;
    if (digit < 0) return fail(toml, "a bad escape in a string");
    c = c << 4 | (uint32_t)digit;
  }
  if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
    return fail(toml, "an escape that is no character");
  put(out, utf8, daytona__utf8_put(c, utf8));
  return true;
}

/* Behind the backslash. */
static bool read_escape(toml_t *toml, bool is_multi, char **out) {
  static const char names[] = "btnfr\"\\", values[] = "\b\t\n\f\r\"\\";
  int c = peek(toml);
  const char *name = c > 0 ? strchr(names, c) : NULL;
  if (name != NULL) {
    put(out, values + (name - names), 1);
    toml->at++;
    return true;
  }
  if (c == 'u' || c == 'U') {
    toml->at++;
    return read_unicode(toml, c == 'u' ? 4 : 8, out);
  }
  if (is_multi) { /* a line end and the white space around it */
    skip_blanks(toml);
    if (at_line_end(toml)) {
      while (peek(toml) == ' ' || peek(toml) == '\t' || at_line_end(toml))
        if (at_line_end(toml))
          skip_line_end(toml);
        else
          toml->at++;
      return true;
    }
  }
  return fail(toml, "a bad escape in a string");
}

/* Quotes of a string with three of them: up to two more belong to the text. False: it goes on. */
static bool at_multi_end(toml_t *toml, char quote, char **out) {
  size_t count = 0;
  while (count < 5 && toml->at + count < toml->end && toml->at[count] == quote) count++;
  size_t own = count >= 3 ? count - 3 : count;
  put(out, toml->at, own);
  toml->at += count;
  return count >= 3;
}

/* The inside, up to behind the closing quotes. */
static bool read_inside(toml_t *toml, char quote, bool is_multi, char **out) {
  while (toml->at < toml->end) {
    char c = *toml->at;
    if (c == quote && is_multi) {
      if (at_multi_end(toml, quote, out)) return true;
    } else if (c == quote) {
      toml->at++;
      return true;
    } else if (c == '\\' && quote == '"') {
      toml->at++;
      if (!read_escape(toml, is_multi, out)) return false;
    } else if (at_line_end(toml)) {
      if (!is_multi) return fail(toml, "a string is not closed");
      put(out, "\n", 1);
      skip_line_end(toml);
    } else if (is_control((unsigned char)c)) {
      return fail(toml, "a control character in a string");
    } else {
      put(out, toml->at++, 1);
    }
  }
  return fail(toml, "a string is not closed");
}

/* The string that peek() showed. `kept` is where its text goes; NULL: nowhere. */
static bool read_string(toml_t *toml, bool may_be_multi, const char **kept) {
  char quote = *toml->at;
  bool is_multi = may_be_multi && at_text(toml, quote == '"' ? "\"\"\"" : "'''");
  toml->at += is_multi ? 3 : 1;
  if (is_multi && at_line_end(toml)) skip_line_end(toml);
  if (kept == NULL) return read_inside(toml, quote, is_multi, &(char *){NULL});
  toml_t measured = *toml; /* its end, to know how much room it needs at most */
  if (!read_inside(&measured, quote, is_multi, &(char *){NULL})) {
    toml->code = measured.code;
    return false;
  }
  char *text = daytona__arena_alloc(toml->arena, (size_t)(measured.at - toml->at) + 1), *out = text;
  if (text == NULL) return fail_memory(toml);
  *kept = text;
  return read_inside(toml, quote, is_multi, &out);
}

static bool is_quote(int c) { return c == '"' || c == '\''; }

/* --- keys -------------------------------------------------------------------------------------- */

static bool is_bare(int c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/* One part of a key, and the blanks behind it. */
static bool read_key(toml_t *toml, const char **key) {
  skip_blanks(toml);
  if (is_quote(peek(toml))) {
    if (!read_string(toml, false, key)) return false;
  } else {
    const char *start = toml->at;
    while (is_bare(peek(toml))) toml->at++;
    if (toml->at == start) return fail(toml, "a key is missing");
    *key = daytona__arena_strndup(toml->arena, start, (size_t)(toml->at - start));
    if (*key == NULL) return fail_memory(toml);
  }
  skip_blanks(toml);
  return true;
}

/* The place that `key` leads to. */
static place_t step_into(place_t place, const char *key) {
  if (place == ROOT && strcmp(key, "project") == 0) return PROJECT;
  if (place == PROJECT && strcmp(key, "dependencies") == 0) return DEPENDENCIES;
  if (place == PROJECT && strcmp(key, "optional-dependencies") == 0) return GROUPS;
  return place == GROUPS ? GROUP : ELSEWHERE;
}

/* A key with dots, from `place` on; `last` is its last part. */
static bool read_path(toml_t *toml, place_t *place, const char **last) {
  for (;;) {
    if (!read_key(toml, last)) return false;
    *place = step_into(*place, *last);
    if (*place == PROJECT) toml->out->has_project = !toml->has_bad_project;
    if (peek(toml) != '.') return true;
    toml->at++;
  }
}

/* --- values ------------------------------------------------------------------------------------ */

static bool read_value(toml_t *toml, place_t place, const char *key);

static daytona__pyproject_list_t *add_list(toml_t *toml, const char *name) {
  size_t count = 0;
  for (const daytona__pyproject_list_t *at = toml->out->lists; at != NULL; at = at->next, count++) {
    bool is_same = name == NULL || at->name == NULL ? name == at->name : strcmp(name, at->name) == 0;
    if (is_same) fail(toml, "a list of dependencies comes twice");
  }
  if (count > DAYTONA__TOML_GROUPS_MAX) fail(toml, "there are too many groups of dependencies");
  if (toml->code != 0) return NULL;
  daytona__pyproject_list_t *list = daytona__arena_alloc(toml->arena, sizeof *list);
  if (list == NULL) {
    fail_memory(toml);
    return NULL;
  }
  list->name = name;
  *toml->end_of_lists = list;
  toml->end_of_lists = &list->next;
  return list;
}

static bool add_item(toml_t *toml, daytona__pyproject_list_t *list, const char *item) {
  if (list->count == list->room) {
    size_t room = list->room != 0 ? list->room * 2 : 8;
    const char **items = daytona__arena_array(toml->arena, room, sizeof *items);
    if (items == NULL) return fail_memory(toml);
    if (list->count != 0) memcpy(items, list->items, list->count * sizeof *items);
    list->items = items;
    list->room = room;
  }
  list->items[list->count++] = item;
  return true;
}

/* An element, kept if there is a list. */
static bool read_element(toml_t *toml, daytona__pyproject_list_t *list) {
  const char *item = NULL;
  if (list != NULL && !is_quote(peek(toml))) list->is_bad = true;
  if (list == NULL || list->is_bad) return read_value(toml, ELSEWHERE, NULL);
  return read_string(toml, true, &item) && add_item(toml, list, item);
}

static bool read_array(toml_t *toml, daytona__pyproject_list_t *list) {
  toml->at++;
  for (;;) {
    if (!skip_space(toml)) return false;
    if (peek(toml) == ']') break;
    if (!read_element(toml, list) || !skip_space(toml)) return false;
    if (peek(toml) == ']') break;
    if (peek(toml) != ',') return fail(toml, "an array is not closed");
    toml->at++;
  }
  toml->at++;
  return true;
}

static bool read_assignment(toml_t *toml, place_t place) {
  const char *key = NULL;
  if (!read_path(toml, &place, &key)) return false;
  if (peek(toml) != '=') return fail(toml, "'=' is missing behind a key");
  toml->at++;
  skip_blanks(toml);
  return read_value(toml, place, key);
}

static bool read_inline_table(toml_t *toml, place_t place) {
  toml->at++;
  skip_blanks(toml);
  if (peek(toml) == '}') {
    toml->at++;
    return true;
  }
  for (;;) {
    if (!read_assignment(toml, place)) return false;
    skip_blanks(toml);
    if (peek(toml) == '}') break;
    if (peek(toml) != ',') return fail(toml, "an inline table is not closed");
    toml->at++;
  }
  toml->at++;
  return true;
}

/* A number, a date, true or false: what such words are made of. A blank may stand between a date and its
   time. */
static bool read_word(toml_t *toml) {
  const char *start = toml->at;
  for (;; toml->at++) {
    int c = peek(toml);
    bool is_between = c == ' ' && toml->at - start == 10 && start[4] == '-' && toml->end - toml->at > 1 &&
                      toml->at[1] >= '0' && toml->at[1] <= '9';
    if (!is_bare(c) && c != '+' && c != '.' && c != ':' && !is_between) break;
  }
  size_t size = (size_t)(toml->at - start);
  bool is_name =
    (size == 4 && memcmp(start, "true", 4) == 0) || (size == 5 && memcmp(start, "false", 5) == 0);
  const char *number = size != 0 && (*start == '+' || *start == '-') ? start + 1 : start;
  bool is_number =
    number < toml->at &&
    ((*number >= '0' && *number <= '9') ||
     (toml->at - number == 3 && (memcmp(number, "inf", 3) == 0 || memcmp(number, "nan", 3) == 0)));
  return is_name || is_number || fail(toml, "a value is missing");
}

/* Note what a value means at its place. The list that its elements are kept in, if there is one. */
static daytona__pyproject_list_t *note_value(toml_t *toml, place_t place, const char *key, bool is_array,
                                             bool is_table) {
  if (place == PROJECT && !is_table) {
    toml->has_bad_project = true;
    toml->out->has_project = false;
  }
  if (place == GROUPS && !is_table) toml->out->has_bad_groups = true;
  if (place == DEPENDENCIES) toml->out->has_dependencies = is_array;
  if (place != GROUP && (place != DEPENDENCIES || !is_array)) return NULL;
  daytona__pyproject_list_t *list = add_list(toml, place == GROUP ? key : NULL);
  if (list != NULL) list->is_bad = !is_array;
  return list;
}

static bool read_value(toml_t *toml, place_t place, const char *key) {
  int c = peek(toml);
  daytona__pyproject_list_t *list = note_value(toml, place, key, c == '[', c == '{');
  if (toml->code != 0) return false;
  if (is_quote(c)) return read_string(toml, true, NULL);
  if (c != '[' && c != '{') return read_word(toml);
  if (toml->depth == DAYTONA__TOML_DEPTH_MAX) return fail(toml, "the values are nested too deeply");
  toml->depth++;
  bool is_good = c == '[' ? read_array(toml, list) : read_inline_table(toml, place);
  toml->depth--;
  return is_good;
}

/* --- the file ---------------------------------------------------------------------------------- */

/* [name] or [[name]]; `place` is where what follows belongs. */
static bool read_header(toml_t *toml, place_t *place) {
  const char *last = NULL;
  bool is_list = at_text(toml, "[[");
  toml->at += is_list ? 2 : 1;
  *place = ROOT;
  if (!read_path(toml, place, &last)) return false;
  if (!at_text(toml, is_list ? "]]" : "]")) return fail(toml, "the name of a table is not closed");
  toml->at += is_list ? 2 : 1;
  daytona__pyproject_list_t *list = note_value(toml, *place, last, is_list, !is_list);
  if (list != NULL) list->is_bad = true; /* a table, or a list of tables */
  if (is_list || *place == DEPENDENCIES || *place == GROUP) *place = ELSEWHERE;
  return toml->code == 0;
}

int daytona__pyproject_read(daytona__pyproject_t *out, daytona__arena_t *arena, const char *text,
                            size_t size) {
  toml_t toml = {.at = text, .end = text + size, .line = 1, .arena = arena, .out = out};
  place_t place = ROOT;
  memset(out, 0, sizeof *out);
  toml.end_of_lists = &out->lists;
  if (!daytona__utf8_is_valid(text, size)) fail(&toml, "it is not UTF-8");
  if (at_text(&toml, "\xef\xbb\xbf")) toml.at += 3;
  while (toml.code == 0 && skip_space(&toml) && toml.at < toml.end) {
    bool is_good = peek(&toml) == '[' ? read_header(&toml, &place) : read_assignment(&toml, place);
    if (!is_good || !end_line(&toml)) break;
  }
  return toml.code;
}
