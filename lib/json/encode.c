/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structs into JSON text, by field table.
 *
 * The table is walked twice: once to check and to count, once to write into a block of exactly that size.
 * So there is one allocation, nothing to wipe behind us, and the second walk cannot fail.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/ascii.h"
#include "core/limits.h"
#include "json/codec.h"
#include "json/lexer.h"
#include "json/number.h"
#include "json/place.h"

typedef daytona__json_field_t field_t;
typedef daytona__json_model_t model_t;
typedef daytona__json_place_t place_t;

typedef struct writer {
  char *out;   /* NULL while counting */
  size_t size; /* bytes so far */
  unsigned depth;
  bool is_secret;
  daytona__json_error_t *error;
  const char *opts; /* where rows that are `in_opts` have their members */
} writer_t;

static bool write_object(writer_t *w, const place_t *up, const model_t *model, const char *object);

static bool fail(writer_t *w, const place_t *place, const char *message) {
  daytona__json_blame(w->error, place, DAYTONA_EINVAL, "%s", message);
  return false;
}

static void put(writer_t *w, const char *text, size_t size) {
  if (w->out != NULL && size != 0) memcpy(w->out + w->size, text, size);
  w->size += size;
}

static void put_char(writer_t *w, char c) { put(w, &c, 1); }

static void put_plain(writer_t *w, const char *text) { put(w, text, strlen(text)); }

/* --- scalars --- */

/* What must stand for an ASCII character that cannot stand for itself. */
static void put_escape(writer_t *w, unsigned char c) {
  static const char letters[] = "btn_fr"; /* for \b to \r; \v has none */
  char text[8];
  if (c == '"' || c == '\\')
    snprintf(text, sizeof text, "\\%c", c);
  else if (c >= '\b' && c <= '\r' && c != '\v')
    snprintf(text, sizeof text, "\\%c", letters[c - '\b']);
  else
    snprintf(text, sizeof text, "\\u%04x", c);
  put_plain(w, text);
}

static bool put_string(writer_t *w, const place_t *place, const char *text, size_t size) {
  const char *run = text, *at = text, *end = text + size;
  put_char(w, '"');
  while ((at = daytona__json_skip_plain(at, end)) != end) {
    if ((unsigned char)*at >= 0x80) {
      size_t length = daytona__utf8_length(at, (size_t)(end - at));
      if (length == 0) return fail(w, place, "the text is not valid UTF-8");
      at += length;
      continue;
    }
    put(w, run, (size_t)(at - run));
    put_escape(w, (unsigned char)*at);
    run = ++at;
  }
  put(w, run, (size_t)(end - run));
  put_char(w, '"');
  return true;
}

static bool put_text(writer_t *w, const place_t *place, const char *text) {
  if (text == NULL) return fail(w, place, "the text is missing");
  return put_string(w, place, text, strlen(text));
}

static bool put_int(writer_t *w, int64_t value) {
  char text[24];
  snprintf(text, sizeof text, "%" PRId64, value);
  put_plain(w, text);
  return true;
}

static bool put_double(writer_t *w, const place_t *place, double value) {
  char text[DAYTONA__NUMBER_SIZE];
  size_t size = daytona__number_print(value, text);
  if (size == 0) return fail(w, place, "the number is not finite");
  put(w, text, size);
  return true;
}

static bool put_bool(writer_t *w, bool value) {
  put_plain(w, value ? "true" : "false");
  return true;
}

static bool put_enum(writer_t *w, const place_t *place, const field_t *field, int value) {
  if (value >= 0)
    for (int i = 0; field->names->names[i] != NULL; i++)
      if (i == value) return put_text(w, place, field->names->names[i]);
  return fail(w, place, "the value is not one of those that can be sent");
}

/* JSON of the program's own making is checked, so that it cannot break out of its place. */
static bool put_raw(writer_t *w, const place_t *place, const char *text) {
  daytona__json_lexer_t lexer;
  daytona__json_lexer_init(&lexer, text, strlen(text));
  lexer.depth = w->depth;
  daytona__json_peek(&lexer);
  const char *start = lexer.at;
  if (!daytona__json_skip(&lexer)) return fail(w, place, lexer.problem);
  const char *end = lexer.at;
  if (!daytona__json_at_end(&lexer)) return fail(w, place, lexer.problem);
  put(w, start, (size_t)(end - start));
  return true;
}

/* --- lists and maps --- */

/* A program may hand us a count without items. */
static bool has_items(writer_t *w, const place_t *place, const void *items, size_t count) {
  return count == 0 || items != NULL || fail(w, place, "the list has a count but no items");
}

static bool put_strings(writer_t *w, const place_t *place, const daytona_strings_t *strings) {
  if (!has_items(w, place, strings->items, strings->count)) return false;
  put_char(w, '[');
  for (size_t i = 0; i < strings->count; i++) {
    place_t item = {place, NULL, 0, i};
    if (i != 0) put_char(w, ',');
    if (!put_text(w, &item, strings->items[i])) return false;
  }
  put_char(w, ']');
  return true;
}

static bool put_map(writer_t *w, const place_t *place, const field_t *field, const daytona_map_t *map) {
  bool as_pairs = field->type == DAYTONA__JSON_PAIRS, is_secret = (field->flags & DAYTONA__JSON_SECRET) != 0;
  if (!has_items(w, place, map->items, map->count)) return false;
  put_char(w, as_pairs ? '[' : '{');
  for (size_t i = 0; i < map->count; i++) {
    const daytona_pair_t *pair = &map->items[i];
    const char *key = pair->key != NULL ? pair->key : "";
    place_t item = {place, key, strlen(key), 0};
    const place_t *where = is_secret ? place : &item;
    if (i != 0) put_char(w, ',');
    if (as_pairs) put_char(w, '{');
    if (!put_text(w, where, pair->key)) return false;
    put_char(w, ':');
    if (!put_text(w, where, pair->value)) return false;
    if (as_pairs) put_char(w, '}');
  }
  put_char(w, as_pairs ? ']' : '}');
  return true;
}

static size_t count_of(const field_t *field, const char *object) {
  return *(const size_t *)(const void *)(object + field->count_offset);
}

/* Structs side by side, or for a LIST pointers to them. */
static bool put_array(writer_t *w, const place_t *place, const field_t *field, const char *items,
                      size_t count) {
  bool by_pointers = field->type == DAYTONA__JSON_LIST;
  if (!has_items(w, place, items, count)) return false;
  put_char(w, '[');
  for (size_t i = 0; i < count; i++) {
    place_t item = {place, NULL, 0, i};
    const char *object =
      by_pointers ? ((const char *const *)(const void *)items)[i] : items + i * field->model->size;
    if (i != 0) put_char(w, ',');
    if (object == NULL) return fail(w, &item, "the element is missing");
    if (!write_object(w, &item, field->model, object)) return false;
  }
  put_char(w, ']');
  return true;
}

static bool put_numbers(writer_t *w, const place_t *place, const double *numbers, size_t count) {
  if (!has_items(w, place, numbers, count)) return false;
  put_char(w, '[');
  for (size_t i = 0; i < count; i++) {
    place_t item = {place, NULL, 0, i};
    if (i != 0) put_char(w, ',');
    if (!put_double(w, &item, numbers[i])) return false;
  }
  put_char(w, ']');
  return true;
}

/* --- objects --- */

#define MEMBER(type, object, field) ((const type *)(const void *)((object) + (field)->offset))
#define POINTER(object, field) (*MEMBER(char *, object, field))

static bool is_zero(const field_t *field, const char *object) {
  switch (field->type) {
    case DAYTONA__JSON_STRING:
    case DAYTONA__JSON_OBJECT:
    case DAYTONA__JSON_RAW: return POINTER(object, field) == NULL;
    case DAYTONA__JSON_BYTES: return MEMBER(daytona_bytes_t, object, field)->data == NULL;
    case DAYTONA__JSON_INT: return *MEMBER(int64_t, object, field) == 0;
    case DAYTONA__JSON_INT32:
    case DAYTONA__JSON_ENUM: return *MEMBER(int, object, field) == 0;
    case DAYTONA__JSON_NUMBER: return *MEMBER(double, object, field) == 0;
    case DAYTONA__JSON_BOOL: return !*MEMBER(bool, object, field);
    case DAYTONA__JSON_OPT_INT: return !MEMBER(daytona_opt_int_t, object, field)->is_set;
    case DAYTONA__JSON_OPT_NUM: return !MEMBER(daytona_opt_num_t, object, field)->is_set;
    case DAYTONA__JSON_OPT_BOOL: return !MEMBER(daytona_opt_bool_t, object, field)->is_set;
    case DAYTONA__JSON_MAP:
    case DAYTONA__JSON_PAIRS: return MEMBER(daytona_map_t, object, field)->count == 0;
    case DAYTONA__JSON_STRINGS: return MEMBER(daytona_strings_t, object, field)->count == 0;
    case DAYTONA__JSON_ARRAY:
    case DAYTONA__JSON_LIST:
    case DAYTONA__JSON_NUMBERS: return count_of(field, object) == 0;
    case DAYTONA__JSON_RESERVED: return true;
    case DAYTONA__JSON_INLINE:
      for (size_t i = 0; i < field->model->field_count; i++)
        if (!is_zero(&field->model->fields[i], object + field->offset)) return false;
      return true;
  }
  return true;
}

static bool is_left_out(const field_t *field, const char *object) {
  if ((field->flags & DAYTONA__JSON_DECODE_ONLY) != 0 || field->where != DAYTONA__IN_BODY) return true;
  if ((field->flags & DAYTONA__JSON_ALWAYS) != 0 || field->fallback != NULL) return false;
  switch (field->type) {
    case DAYTONA__JSON_RESERVED: return true;
    case DAYTONA__JSON_INT:
    case DAYTONA__JSON_INT32:
    case DAYTONA__JSON_NUMBER:
    case DAYTONA__JSON_BOOL: return (field->flags & DAYTONA__JSON_OMIT_ZERO) != 0 && is_zero(field, object);
    default: return is_zero(field, object);
  }
}

/* A pointer that is NULL, which only DAYTONA__JSON_ALWAYS lets through to here. */
static bool put_empty(writer_t *w, const char *text) {
  put_plain(w, text);
  return true;
}

static bool write_value(writer_t *w, const place_t *place, const field_t *field, const char *object) {
  bool is_null = is_zero(field, object);
  switch (field->type) {
    case DAYTONA__JSON_STRING:
      if (is_null && field->fallback != NULL) return put_text(w, place, field->fallback);
      return is_null ? put_empty(w, "\"\"") : put_text(w, place, POINTER(object, field));
    case DAYTONA__JSON_BYTES:
      return put_string(w, place, is_null ? "" : MEMBER(daytona_bytes_t, object, field)->data,
                        is_null ? 0 : MEMBER(daytona_bytes_t, object, field)->size);
    case DAYTONA__JSON_INT: return put_int(w, *MEMBER(int64_t, object, field));
    case DAYTONA__JSON_INT32: return put_int(w, *MEMBER(int, object, field));
    case DAYTONA__JSON_NUMBER: return put_double(w, place, *MEMBER(double, object, field));
    case DAYTONA__JSON_BOOL: return put_bool(w, *MEMBER(bool, object, field));
    case DAYTONA__JSON_OPT_INT: return put_int(w, MEMBER(daytona_opt_int_t, object, field)->value);
    case DAYTONA__JSON_OPT_NUM: return put_double(w, place, MEMBER(daytona_opt_num_t, object, field)->value);
    case DAYTONA__JSON_OPT_BOOL: return put_bool(w, MEMBER(daytona_opt_bool_t, object, field)->value);
    case DAYTONA__JSON_ENUM: return put_enum(w, place, field, *MEMBER(int, object, field));
    case DAYTONA__JSON_MAP:
    case DAYTONA__JSON_PAIRS: return put_map(w, place, field, MEMBER(daytona_map_t, object, field));
    case DAYTONA__JSON_STRINGS: return put_strings(w, place, MEMBER(daytona_strings_t, object, field));
    case DAYTONA__JSON_OBJECT:
      return is_null ? put_empty(w, "{}") : write_object(w, place, field->model, POINTER(object, field));
    case DAYTONA__JSON_INLINE: return write_object(w, place, field->model, object + field->offset);
    case DAYTONA__JSON_ARRAY:
    case DAYTONA__JSON_LIST:
      return put_array(w, place, field, POINTER(object, field), count_of(field, object));
    case DAYTONA__JSON_NUMBERS:
      return put_numbers(w, place, (const double *)(const void *)POINTER(object, field),
                         count_of(field, object));
    case DAYTONA__JSON_RAW: return is_null ? put_empty(w, "{}") : put_raw(w, place, POINTER(object, field));
    case DAYTONA__JSON_RESERVED: return put_empty(w, "[]");
  }
  return false;
}

static bool write_object(writer_t *w, const place_t *up, const model_t *model, const char *members) {
  bool is_first = true;
  if (w->depth == DAYTONA__JSON_DEPTH_MAX) {
    daytona__json_blame(w->error, up, DAYTONA_ELIMIT, "the request is nested too deeply");
    return false;
  }
  w->depth++;
  put_char(w, '{');
  for (size_t i = 0; i < model->field_count; i++) {
    const field_t *field = &model->fields[i];
    const char *object = field->in_opts ? w->opts : members;
    if (is_left_out(field, object)) continue;
    place_t place = {up, field->key, strlen(field->key), 0};
    if (!is_first) put_char(w, ',');
    is_first = false;
    if ((field->flags & DAYTONA__JSON_SECRET) != 0) w->is_secret = true;
    if (!put_text(w, &place, field->key)) return false;
    put_char(w, ':');
    if (!write_value(w, &place, field, object)) return false;
    if (w->size > DAYTONA__REQUEST_BODY_MAX) {
      daytona__json_blame(w->error, &place, DAYTONA_ELIMIT, "the request body is too large");
      return false;
    }
  }
  put_char(w, '}');
  w->depth--;
  return true;
}

/* Write an object, or with `field` one value of it. */
static bool write_root(writer_t *w, const model_t *model, const field_t *field, const char *object) {
  if (field == NULL) return write_object(w, NULL, model, object);
  place_t place = {NULL, field->key, strlen(field->key), 0};
  if ((field->flags & DAYTONA__JSON_SECRET) != 0) w->is_secret = true;
  if (!write_value(w, &place, field, object)) return false;
  if (w->size <= DAYTONA__REQUEST_BODY_MAX) return true;
  daytona__json_blame(w->error, &place, DAYTONA_ELIMIT, "the request body is too large");
  return false;
}

static int encode(daytona__arena_t *arena, const model_t *model, const field_t *field, const void *object,
                  const void *opts, const char **out, size_t *size, daytona__json_error_t *error) {
  daytona__json_error_t unused;
  if (error == NULL) error = &unused;
  memset(error, 0, sizeof *error);
  writer_t counter = {.error = error, .opts = opts};
  if (!write_root(&counter, model, field, object)) return error->code;
  if (counter.is_secret) arena->is_secret = true;
  writer_t writer = {.error = error, .opts = opts, .out = daytona__arena_alloc(arena, counter.size + 1)};
  if (writer.out == NULL) {
    daytona__json_blame(error, NULL, DAYTONA_ENOMEM, "%s", daytona_errcode_text(DAYTONA_ENOMEM));
    return error->code;
  }
  bool ok = write_root(&writer, model, field, object);
  assert(ok && writer.size == counter.size);
  (void)ok;
  writer.out[writer.size] = '\0';
  *out = writer.out;
  if (size != NULL) *size = writer.size;
  return 0;
}

int daytona__json_encode(daytona__arena_t *arena, const daytona__json_model_t *model, const void *object,
                         const char **out, size_t *size, daytona__json_error_t *error) {
  return encode(arena, model, NULL, object, NULL, out, size, error);
}

int daytona__json_encode_args(daytona__arena_t *arena, const daytona__json_model_t *model, const void *args,
                              const void *opts, const char **out, size_t *size,
                              daytona__json_error_t *error) {
  for (size_t i = 0; i < model->field_count; i++) {
    const field_t *field = &model->fields[i];
    if (field->where == DAYTONA__AS_BODY)
      return encode(arena, NULL, field, field->in_opts ? opts : args, NULL, out, size, error);
  }
  return encode(arena, model, NULL, args, opts, out, size, error);
}

int daytona__json_encode_value(daytona__arena_t *arena, const daytona__json_field_t *field,
                               const void *object, const char **out, size_t *size,
                               daytona__json_error_t *error) {
  return encode(arena, NULL, field, object, NULL, out, size, error);
}
