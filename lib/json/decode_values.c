/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values that hold no others: numbers and booleans, which are read in one go, and strings, of which a long one is read and copied
 * in parts. Besides any value that is dropped, or kept as the text that it came as.
 *
 * Strings go from the text straight into the arena, so that no other copy of a secret exists.
 */
#include <limits.h>
#include <string.h>

#include "json/decode_private.h"

/* Keys and enum words that we know are shorter; a longer one can only be unknown. */
enum { WORD_MAX = 128 };

bool daytona__json_string_is(const string_t *string, const char *text) {
  char word[WORD_MAX];
  const char *raw = string->raw;
  if (string->is_escaped) {
    if (string->size >= sizeof word || string->size != strlen(text)) return false;
    daytona__json_copy(string, DAYTONA__JSON_NUL_KEPT, word);
    return memcmp(word, text, string->size) == 0;
  }
  if (string->raw_size == 0) return text[0] == '\0';
  return raw[0] == text[0] && strncmp(raw, text, string->raw_size) == 0 && text[string->raw_size] == '\0';
}

/* --- scalars --- */

static bool read_number_token(reader_t *r, const place_t *place, daytona__json_number_t *out) {
  if (!daytona__json_is_number_start(daytona__json_peek(&r->lexer)))
    return daytona__json_fail_kind(r, place, "a number");
  return daytona__json_lex_number(&r->lexer, out) || daytona__json_fail_text(r, place);
}

bool daytona__json_read_int64(reader_t *r, const place_t *place, int64_t *out) {
  daytona__json_number_t number;
  if (!read_number_token(r, place, &number)) return false;
  return daytona__json_to_int(&number, out) ||
         daytona__json_fail(r, place, DAYTONA_EPROTOCOL, "expected a whole number that fits into 64 bits");
}

bool daytona__json_read_double(reader_t *r, const place_t *place, double *out) {
  daytona__json_number_t number;
  if (!read_number_token(r, place, &number)) return false;
  return daytona__json_to_double(&number, out) ||
         daytona__json_fail(r, place, DAYTONA_EPROTOCOL, "the number is out of range");
}

bool daytona__json_read_bool_value(reader_t *r, const place_t *place, bool *out) {
  int c = daytona__json_peek(&r->lexer);
  if (c != 't' && c != 'f') return daytona__json_fail_kind(r, place, "a boolean");
  if (!daytona__json_lex_word(&r->lexer, c == 't' ? "true" : "false"))
    return daytona__json_fail_text(r, place);
  *out = c == 't';
  return true;
}

bool daytona__json_read_int32(reader_t *r, const place_t *place, char *member) {
  int64_t value;
  if (!daytona__json_read_int64(r, place, &value)) return false;
  if (value < INT_MIN || value > INT_MAX)
    return daytona__json_fail(r, place, DAYTONA_EPROTOCOL, "expected a whole number that fits into 32 bits");
  *(int *)(void *)member = (int)value;
  return true;
}

bool daytona__json_read_opt_int(reader_t *r, const place_t *place, char *member) {
  daytona_opt_int_t *opt = (void *)member;
  return opt->is_set = daytona__json_read_int64(r, place, &opt->value);
}

bool daytona__json_read_opt_num(reader_t *r, const place_t *place, char *member) {
  daytona_opt_num_t *opt = (void *)member;
  return opt->is_set = daytona__json_read_double(r, place, &opt->value);
}

bool daytona__json_read_opt_bool(reader_t *r, const place_t *place, char *member) {
  daytona_opt_bool_t *opt = (void *)member;
  return opt->is_set = daytona__json_read_bool_value(r, place, &opt->value);
}

/* --- strings --- */

_Static_assert(offsetof(daytona_bytes_t, data) == 0, "a text and bytes begin alike");

static void set_word(const field_t *field, const string_t *string, char *member) {
  int value = field->names->unknown;
  for (int i = 0; field->names->names[i] != NULL; i++) {
    if (!daytona__json_string_is(string, field->names->names[i])) continue;
    value = i;
    break;
  }
  *(int *)(void *)member = value;
}

/* A text that is one of some words: its number besides. */
static void number_word(const field_t *field, const string_t *string, char *member) {
  if (field != NULL && field->type == DAYTONA__JSON_STRING && field->names != NULL)
    set_word(field, string, member - field->offset + field->count_offset);
}

static daytona__json_nul_t nul_of(fate_t fate) {
  return fate == AS_BYTES ? DAYTONA__JSON_NUL_KEPT : DAYTONA__JSON_NUL_REPLACED;
}

/* An id is given back to the server, which must not find another one in it. */
static bool may_replace_nul(reader_t *r, const place_t *place, const field_t *field, const string_t *string) {
  bool is_id = field != NULL && (field->flags & DAYTONA__JSON_REQUIRED) != 0;
  return !is_id || string->nul_count == 0 ||
         daytona__json_fail(r, place, DAYTONA_EPROTOCOL, "the string holds a NUL character");
}

/* Hand out a whole string; `copy` holds its bytes and a NUL, if it was to be kept. */
static void set_string(frame_t *f) {
  if (f->fate == AS_TEXT) {
    *(const char **)(void *)f->target = f->copy;
    number_word(f->field, &f->string, f->target);
  } else if (f->fate == AS_BYTES) {
    daytona_bytes_t *bytes = (void *)f->target;
    bytes->data = f->copy;
    bytes->size = f->string.size;
  } else if (f->fate == AS_WORD) {
    set_word(f->field, &f->string, f->target);
  }
}

/* The id of a record that is left out, for a log line: what prints of it. A longer one is none of ours. */
static void take_name(reader_t *r, const string_t *string) {
  char *id = r->skipped.skipped_id;
  if (string->size >= sizeof r->skipped.skipped_id) return;
  daytona__json_copy(string, DAYTONA__JSON_NUL_KEPT, id);
  for (size_t i = 0; i < string->size; i++)
    if (id[i] <= ' ' || id[i] > '~' || id[i] == '"') id[i] = '?';
  id[string->size] = '\0';
}

/* Its end was found: where it goes. */
bool daytona__json_begin_copy(reader_t *r, frame_t *f) {
  f->step = DONE;
  if (f->fate != AS_TEXT && f->fate != AS_BYTES) return true;
  if (!may_replace_nul(r, &f->place, f->field, &f->string)) return false;
  size_t room = daytona__json_copy_size(&f->string, nul_of(f->fate)) + 1;
  f->copy = f->to = daytona__arena_alloc(r->arena, room); /* zeroed: the NUL is there */
  if (f->copy == NULL) return daytona__json_fail_room(r, &f->place, room);
  f->from = f->string.raw;
  f->step = COPY;
  return true;
}

static bool copy_part(reader_t *r, frame_t *f) {
  const char *before = f->from, *end = f->string.raw + f->string.raw_size;
  size_t most = r->left > 0 ? (size_t)r->left : 1;
  if (f->string.is_escaped) {
    f->to = daytona__json_copy_some(&f->from, end, nul_of(f->fate), f->to, most);
  } else {
    size_t size = (size_t)(end - f->from);
    if (size > most) size = most;
    memcpy(f->to, f->from, size);
    f->to += size;
    f->from += size;
  }
  r->left -= f->from - before;
  if (f->from == end) f->step = DONE;
  return true;
}

bool daytona__json_step_string(reader_t *r, frame_t *f) {
  daytona__json_part_t part;
  if (f->step == VALUE) {
    if (!daytona__json_lex_part(r, &f->place, &f->string, &part)) return false;
    if (part == DAYTONA__JSON_DONE && !daytona__json_begin_copy(r, f)) return false;
  }
  if (f->step == COPY && !copy_part(r, f)) return false;
  if (f->step != DONE) return true;
  if (f->fate == AS_NAME) take_name(r, &f->string);
  set_string(f);
  return daytona__json_pop(r);
}

/* Most strings: no frame is needed. */
bool daytona__json_take_short(reader_t *r, const place_t *place, const field_t *field, fate_t fate,
                              char *target, const string_t *string) {
  if (fate == DROPPED) return true;
  if (fate == AS_NAME) {
    take_name(r, string);
    return true;
  }
  if (fate == AS_WORD) {
    set_word(field, string, target);
    return true;
  }
  if (!may_replace_nul(r, place, field, string)) return false;
  size_t room = daytona__json_copy_size(string, nul_of(fate)) + 1;
  char *copy = daytona__arena_alloc(r->arena, room); /* zeroed: the NUL is there */
  if (copy == NULL) return daytona__json_fail_room(r, place, room);
  daytona__json_copy(string, nul_of(fate), copy);
  *(const char **)(void *)target = copy; /* the first member of bytes, too */
  if (fate == AS_BYTES) ((daytona_bytes_t *)(void *)target)->size = string->size;
  if (fate == AS_TEXT) number_word(field, string, target);
  return true;
}

bool daytona__json_read_string(reader_t *r, const place_t *place, const field_t *field, fate_t fate,
                               char *target) {
  string_t string;
  daytona__json_part_t part;
  if (daytona__json_peek(&r->lexer) != '"') return daytona__json_fail_kind(r, place, "a string");
  daytona__json_string_begin(&r->lexer, &string);
  if (!daytona__json_lex_part(r, place, &string, &part)) return false;
  if (part == DAYTONA__JSON_DONE && string.size <= SHORT_MAX)
    return daytona__json_take_short(r, place, field, fate, target, &string);
  frame_t *f = daytona__json_push(r, STRING, place, field, target);
  f->fate = fate;
  f->step = VALUE;
  f->string = string;
  return part == DAYTONA__JSON_MORE || (daytona__json_begin_copy(r, f) && daytona__json_step_string(r, f));
}

/* --- what is not wanted, and what is wanted as it came --- */

bool daytona__json_skip_value(reader_t *r, const place_t *place) {
  daytona__json_number_t number;
  switch (daytona__json_peek(&r->lexer)) {
    case '"': return daytona__json_read_string(r, place, NULL, DROPPED, NULL);
    case '{': return daytona__json_open_value(r, OBJECT, place, NULL, NULL) != NULL;
    case '[': return daytona__json_open_value(r, LIST, place, NULL, NULL) != NULL;
    case 't': return daytona__json_lex_word(&r->lexer, "true") || daytona__json_fail_text(r, place);
    case 'f': return daytona__json_lex_word(&r->lexer, "false") || daytona__json_fail_text(r, place);
    case 'n': return daytona__json_read_null(r, place);
    default: return daytona__json_lex_number(&r->lexer, &number) || daytona__json_fail_text(r, place);
  }
}

/* Without the white space between its tokens. */
static bool copy_raw(reader_t *r, frame_t *f) {
  const char *before = f->from, *end = f->string.raw + f->string.raw_size;
  for (; f->from < end && r->left > f->from - before; f->from++) {
    char c = *f->from;
    if (!f->in_string && (c == ' ' || c == '\n' || c == '\r' || c == '\t')) continue;
    *f->to++ = c;
    if (f->in_string && c == '\\')
      *f->to++ = *++f->from;
    else if (c == '"')
      f->in_string = !f->in_string;
  }
  r->left -= f->from - before;
  if (f->from != end) return true;
  *(const char **)(void *)f->target = f->copy;
  return daytona__json_pop(r);
}

bool daytona__json_step_raw(reader_t *r, frame_t *f) {
  if (f->step == VALUE) {
    f->step = DONE;
    return daytona__json_skip_value(r, &f->place);
  }
  if (f->step == DONE) { /* with the value, which ends here */
    size_t size = f->string.raw_size = (size_t)(r->lexer.at - f->string.raw);
    f->from = f->string.raw;
    f->copy = f->to = daytona__arena_alloc(r->arena, size + 1);
    if (f->copy == NULL) return daytona__json_fail_room(r, &f->place, size + 1);
    f->step = COPY;
  }
  return copy_raw(r, f);
}

bool daytona__json_read_raw(reader_t *r, const place_t *place, const field_t *field, char *member) {
  daytona__json_peek(&r->lexer);
  frame_t *f = daytona__json_push(r, RAW, place, field, member);
  f->string.raw = r->lexer.at;
  f->step = VALUE;
  return true;
}
