/*
 * JSON text into structs, in one pass and by field table.
 *
 * Strings go from the text straight into the arena, so that a large answer is copied once and no other
 * copy of a secret exists. Lists grow in a scratch block and move into the arena when their length is
 * known. What the table does not name is checked and dropped without being stored.
 *
 * Invariants: a failing reader has left a message in reader->error; a member is zero until it is read,
 * and again after null.
 */
#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core/memory.h"
#include "json/codec.h"
#include "json/lexer.h"
#include "json/place.h"

typedef daytona__json_field_t field_t;
typedef daytona__json_model_t model_t;
typedef daytona__json_place_t place_t;
typedef daytona__json_string_t string_t;

typedef struct reader {
  daytona__json_lexer_t lexer;
  const char *text;
  daytona__arena_t *arena;
  daytona__json_error_t *error;
} reader_t;

/* A list that is being read. */
typedef struct list {
  char *items;
  size_t item_size, count, room;
} list_t;

/* How a member got its value: the key of the table wins over the alias. */
enum { UNSET, SET_BY_ALIAS, SET_BY_KEY };

/* Keys and enum words that we know are shorter; a longer one can only be unknown. */
enum { WORD_MAX = 128 };

static bool read_object(reader_t *r, const place_t *up, const model_t *model, char *object);

/* --- failures --- */

static const char too_large[] = "the answer needs more memory than it may have";

static bool fail(reader_t *r, const place_t *place, daytona_errcode_t code, const char *message) {
  daytona__json_blame(r->error, place, code, "%s", message);
  return false;
}

/* The text itself is at fault. */
static bool fail_text(reader_t *r, const place_t *place) {
  if (r->lexer.code == DAYTONA_ELIMIT) return fail(r, place, DAYTONA_ELIMIT, r->lexer.problem);
  daytona__json_blame(r->error, place, DAYTONA_EPROTOCOL, "%s (at byte %zu)", r->lexer.problem,
                      (size_t)(r->lexer.at - r->text));
  return false;
}

/* The arena gave nothing for `size` bytes: over its limit, or out of memory. */
static bool fail_room(reader_t *r, const place_t *place, size_t size) {
  size_t limit = r->arena->limit != 0 ? r->arena->limit : DAYTONA__ARENA_MAX;
  if (size > limit || r->arena->used > limit - size) return fail(r, place, DAYTONA_ELIMIT, too_large);
  return fail(r, place, DAYTONA_ENOMEM, daytona_errcode_text(DAYTONA_ENOMEM));
}

static bool is_number_start(int c) { return c == '-' || (c >= '0' && c <= '9'); }

static const char *kind_of(int c) {
  switch (c) {
    case '"': return "a string";
    case '{': return "an object";
    case '[': return "an array";
    case 't':
    case 'f': return "a boolean";
    case 'n': return "null";
    case -1: return "nothing";
    default: return is_number_start(c) ? "a number" : NULL;
  }
}

/* The next value is not what the table says. */
static bool fail_kind(reader_t *r, const place_t *place, const char *expected) {
  const char *kind = kind_of(daytona__json_peek(&r->lexer));
  if (r->lexer.code != 0) return fail_text(r, place);
  if (kind == NULL) {
    daytona__json_lex_fail(&r->lexer, DAYTONA_EPROTOCOL, "the text is not valid JSON");
    return fail_text(r, place);
  }
  daytona__json_blame(r->error, place, DAYTONA_EPROTOCOL, "expected %s, got %s", expected, kind);
  return false;
}

/* --- tokens --- */

static bool read_token(reader_t *r, const place_t *place, string_t *out) {
  if (daytona__json_peek(&r->lexer) != '"') return fail_kind(r, place, "a string");
  return daytona__json_lex_string(&r->lexer, out) || fail_text(r, place);
}

static bool read_null(reader_t *r, const place_t *place) {
  return daytona__json_lex_word(&r->lexer, "null") || fail_text(r, place);
}

static bool copy_bytes(reader_t *r, const place_t *place, const string_t *string, const char **out) {
  char *copy = daytona__arena_alloc(r->arena, string->size + 1); /* zeroed: the NUL is there */
  if (copy == NULL) return fail_room(r, place, string->size + 1);
  daytona__json_copy(string, copy);
  *out = copy;
  return true;
}

static bool copy_text(reader_t *r, const place_t *place, const string_t *string, const char **out) {
  if (string->has_nul) return fail(r, place, DAYTONA_EPROTOCOL, "the string holds a NUL character");
  return copy_bytes(r, place, string, out);
}

static bool string_is(const string_t *string, const char *text) {
  char word[WORD_MAX];
  const char *raw = string->raw;
  if (string->is_escaped) {
    if (string->size >= sizeof word || string->size != strlen(text)) return false;
    daytona__json_copy(string, word);
    return memcmp(word, text, string->size) == 0;
  }
  if (string->raw_size == 0) return text[0] == '\0';
  return raw[0] == text[0] && strncmp(raw, text, string->raw_size) == 0 && text[string->raw_size] == '\0';
}

/* --- scalars --- */

static bool read_string(reader_t *r, const place_t *place, const field_t *field, char *member) {
  string_t string;
  return read_token(r, place, &string) && copy_text(r, place, &string, (const char **)(void *)member);
}

static bool read_bytes(reader_t *r, const place_t *place, const field_t *field, char *member) {
  daytona_bytes_t *bytes = (void *)member;
  string_t string;
  if (!read_token(r, place, &string) || !copy_bytes(r, place, &string, &bytes->data)) return false;
  bytes->size = string.size;
  return true;
}

static bool read_number_token(reader_t *r, const place_t *place, daytona__json_number_t *out) {
  if (!is_number_start(daytona__json_peek(&r->lexer))) return fail_kind(r, place, "a number");
  return daytona__json_lex_number(&r->lexer, out) || fail_text(r, place);
}

static bool read_int64(reader_t *r, const place_t *place, int64_t *out) {
  daytona__json_number_t number;
  if (!read_number_token(r, place, &number)) return false;
  return daytona__json_to_int(&number, out) ||
         fail(r, place, DAYTONA_EPROTOCOL, "expected a whole number that fits into 64 bits");
}

static bool read_double(reader_t *r, const place_t *place, double *out) {
  daytona__json_number_t number;
  if (!read_number_token(r, place, &number)) return false;
  return daytona__json_to_double(&number, out) ||
         fail(r, place, DAYTONA_EPROTOCOL, "the number is out of range");
}

static bool read_bool_value(reader_t *r, const place_t *place, bool *out) {
  int c = daytona__json_peek(&r->lexer);
  if (c != 't' && c != 'f') return fail_kind(r, place, "a boolean");
  if (!daytona__json_lex_word(&r->lexer, c == 't' ? "true" : "false")) return fail_text(r, place);
  *out = c == 't';
  return true;
}

static bool read_int(reader_t *r, const place_t *place, const field_t *field, char *member) {
  return read_int64(r, place, (int64_t *)(void *)member);
}

static bool read_int32(reader_t *r, const place_t *place, const field_t *field, char *member) {
  int64_t value;
  if (!read_int64(r, place, &value)) return false;
  if (value < INT_MIN || value > INT_MAX)
    return fail(r, place, DAYTONA_EPROTOCOL, "expected a whole number that fits into 32 bits");
  *(int *)(void *)member = (int)value;
  return true;
}

static bool read_number(reader_t *r, const place_t *place, const field_t *field, char *member) {
  return read_double(r, place, (double *)(void *)member);
}

static bool read_bool(reader_t *r, const place_t *place, const field_t *field, char *member) {
  return read_bool_value(r, place, (bool *)(void *)member);
}

static bool read_opt_int(reader_t *r, const place_t *place, const field_t *field, char *member) {
  daytona_opt_int_t *opt = (void *)member;
  return opt->is_set = read_int64(r, place, &opt->value);
}

static bool read_opt_num(reader_t *r, const place_t *place, const field_t *field, char *member) {
  daytona_opt_num_t *opt = (void *)member;
  return opt->is_set = read_double(r, place, &opt->value);
}

static bool read_opt_bool(reader_t *r, const place_t *place, const field_t *field, char *member) {
  daytona_opt_bool_t *opt = (void *)member;
  return opt->is_set = read_bool_value(r, place, &opt->value);
}

static bool read_enum(reader_t *r, const place_t *place, const field_t *field, char *member) {
  string_t string;
  int value = field->names->unknown;
  if (!read_token(r, place, &string)) return false;
  for (int i = 0; field->names->names[i] != NULL; i++) {
    if (!string_is(&string, field->names->names[i])) continue;
    value = i;
    break;
  }
  *(int *)(void *)member = value;
  return true;
}

/* --- lists --- */

/* A zeroed element at the end, valid until the next one is added. */
static void *list_add(reader_t *r, const place_t *place, list_t *list) {
  if (list->count == list->room) {
    size_t limit = r->arena->limit != 0 ? r->arena->limit : DAYTONA__ARENA_MAX;
    size_t room = list->room != 0 ? list->room * 2 : 8;
    if (list->count >= limit / list->item_size) {
      fail(r, place, DAYTONA_ELIMIT, too_large);
      return NULL;
    }
    char *items = daytona__realloc(list->items, room * list->item_size);
    if (items == NULL) {
      fail(r, place, DAYTONA_ENOMEM, daytona_errcode_text(DAYTONA_ENOMEM));
      return NULL;
    }
    list->items = items;
    list->room = room;
  }
  return memset(list->items + list->count++ * list->item_size, 0, list->item_size);
}

/* Move the elements into the arena. */
static bool list_take(reader_t *r, const place_t *place, list_t *list, void *out, size_t *count) {
  if (list->count == 0) return true;
  void *items = daytona__arena_array(r->arena, list->count, list->item_size);
  if (items == NULL) return fail_room(r, place, list->count * list->item_size);
  memcpy(items, list->items, list->count * list->item_size);
  memcpy(out, &items, sizeof items); /* a pointer to T, whatever T is */
  *count = list->count;
  return true;
}

/* Reads one element into a zeroed `slot`. */
typedef bool (*element_fn)(reader_t *r, const place_t *place, const field_t *field, char *slot);

static bool fill_list(reader_t *r, const place_t *place, const field_t *field, element_fn element,
                      bool keeps_null, list_t *list) {
  daytona__json_walk_t walk = {0};
  if (daytona__json_peek(&r->lexer) != '[') return fail_kind(r, place, "an array");
  if (!daytona__json_open(&r->lexer)) return fail_text(r, place);
  while (daytona__json_next_item(&r->lexer, &walk)) {
    place_t item = {place, NULL, 0, walk.count - 1};
    if (!keeps_null && daytona__json_peek(&r->lexer) == 'n') {
      if (!read_null(r, &item)) return false;
      continue;
    }
    char *slot = list_add(r, &item, list);
    if (slot == NULL || !element(r, &item, field, slot)) return false;
  }
  return r->lexer.code == 0 || fail_text(r, place);
}

static bool read_list(reader_t *r, const place_t *place, const field_t *field, element_fn element,
                      bool keeps_null, size_t item_size, void *out, size_t *count) {
  list_t list = {.item_size = item_size};
  bool ok = fill_list(r, place, field, element, keeps_null, &list) && list_take(r, place, &list, out, count);
  daytona__free(list.items);
  return ok;
}

/* Where the element count of `member` is. */
static size_t *count_of(const field_t *field, char *member) {
  return (void *)(member - field->offset + field->count_offset);
}

static bool read_element(reader_t *r, const place_t *place, const field_t *field, char *slot) {
  return read_object(r, place, field->model, slot);
}

static bool read_array(reader_t *r, const place_t *place, const field_t *field, char *member) {
  return read_list(r, place, field, read_element, false, field->model->size, member, count_of(field, member));
}

static bool read_strings(reader_t *r, const place_t *place, const field_t *field, char *member) {
  daytona_strings_t *strings = (void *)member;
  return read_list(r, place, field, read_string, false, sizeof strings->items[0], &strings->items,
                   &strings->count);
}

/* null keeps its place as NaN: the numbers of a chart belong to those beside them. */
static bool read_number_or_null(reader_t *r, const place_t *place, const field_t *field, char *slot) {
  if (daytona__json_peek(&r->lexer) != 'n') return read_double(r, place, (double *)(void *)slot);
  *(double *)(void *)slot = NAN;
  return read_null(r, place);
}

static bool read_numbers(reader_t *r, const place_t *place, const field_t *field, char *member) {
  return read_list(r, place, field, read_number_or_null, true, sizeof(double), member,
                   count_of(field, member));
}

/* --- maps --- */

static bool add_pairs(reader_t *r, const place_t *place, const field_t *field, list_t *list) {
  daytona__json_walk_t walk = {0};
  string_t key;
  if (daytona__json_peek(&r->lexer) != '{') return fail_kind(r, place, "an object");
  if (!daytona__json_open(&r->lexer)) return fail_text(r, place);
  while (daytona__json_next_member(&r->lexer, &walk, &key)) {
    place_t item = {place, key.raw, key.raw_size, 0};
    const place_t *where = (field->flags & DAYTONA__JSON_SECRET) != 0 ? place : &item;
    if (daytona__json_peek(&r->lexer) == 'n') {
      if (!read_null(r, where)) return false;
      continue;
    }
    string_t value;
    daytona_pair_t *pair = list_add(r, where, list);
    if (pair == NULL || !copy_text(r, where, &key, &pair->key) || !read_token(r, where, &value) ||
        !copy_text(r, where, &value, &pair->value))
      return false;
  }
  return r->lexer.code == 0 || fail_text(r, place);
}

static int compare_pairs(const void *left, const void *right) {
  const daytona_pair_t *a = *(daytona_pair_t *const *)left, *b = *(daytona_pair_t *const *)right;
  int order = strcmp(a->key, b->key);
  return order != 0 ? order : a < b ? -1 : 1;
}

/* Of pairs with the same key only the last stays. */
static bool drop_doubles(reader_t *r, const place_t *place, list_t *list) {
  daytona_pair_t *pairs = (void *)list->items;
  size_t kept = 0;
  if (list->count < 2) return true;
  daytona_pair_t **sorted = daytona__calloc(list->count, sizeof(daytona_pair_t *));
  if (sorted == NULL) return fail(r, place, DAYTONA_ENOMEM, daytona_errcode_text(DAYTONA_ENOMEM));
  for (size_t i = 0; i < list->count; i++) sorted[i] = &pairs[i];
  qsort(sorted, list->count, sizeof(daytona_pair_t *), compare_pairs);
  for (size_t i = 0; i + 1 < list->count; i++)
    if (strcmp(sorted[i]->key, sorted[i + 1]->key) == 0) sorted[i]->value = NULL;
  daytona__free(sorted);
  for (size_t i = 0; i < list->count; i++)
    if (pairs[i].value != NULL) pairs[kept++] = pairs[i];
  list->count = kept;
  return true;
}

static bool fill_pairs(reader_t *r, const place_t *place, const field_t *field, list_t *list) {
  daytona__json_walk_t walk = {0};
  if (field->type == DAYTONA__JSON_MAP) return add_pairs(r, place, field, list);
  if (daytona__json_peek(&r->lexer) != '[') return fail_kind(r, place, "an array");
  if (!daytona__json_open(&r->lexer)) return fail_text(r, place);
  while (daytona__json_next_item(&r->lexer, &walk)) {
    place_t item = {place, NULL, 0, walk.count - 1};
    if (daytona__json_peek(&r->lexer) == 'n' ? !read_null(r, &item) : !add_pairs(r, &item, field, list))
      return false;
  }
  return r->lexer.code == 0 || fail_text(r, place);
}

static bool read_map(reader_t *r, const place_t *place, const field_t *field, char *member) {
  daytona_map_t *map = (void *)member;
  list_t list = {.item_size = sizeof(daytona_pair_t)};
  bool ok = fill_pairs(r, place, field, &list) && drop_doubles(r, place, &list) &&
            list_take(r, place, &list, &map->items, &map->count);
  daytona__free(list.items);
  return ok;
}

/* --- objects --- */

static bool read_object_member(reader_t *r, const place_t *place, const field_t *field, char *member) {
  char *object = daytona__arena_alloc(r->arena, field->model->size);
  if (object == NULL) return fail_room(r, place, field->model->size);
  if (!read_object(r, place, field->model, object)) return false;
  memcpy(member, &object, sizeof object);
  return true;
}

/* The value as it came, without the white space between its tokens. */
static bool read_raw(reader_t *r, const place_t *place, const field_t *field, char *member) {
  daytona__json_peek(&r->lexer);
  const char *start = r->lexer.at;
  if (!daytona__json_skip(&r->lexer)) return fail_text(r, place);
  size_t size = (size_t)(r->lexer.at - start), used = 0;
  char *copy = daytona__arena_alloc(r->arena, size + 1);
  if (copy == NULL) return fail_room(r, place, size + 1);
  bool in_string = false;
  for (size_t i = 0; i < size; i++) {
    char c = start[i];
    if (!in_string && (c == ' ' || c == '\n' || c == '\r' || c == '\t')) continue;
    copy[used++] = c;
    if (in_string && c == '\\')
      copy[used++] = start[++i];
    else if (c == '"')
      in_string = !in_string;
  }
  *(const char **)(void *)member = copy;
  return true;
}

/* Whatever a server sends under that name is not ours. */
static bool read_reserved(reader_t *r, const place_t *place, const field_t *field, char *member) {
  (void)field, (void)member;
  return daytona__json_skip(&r->lexer) || fail_text(r, place);
}

static const struct {
  bool (*read)(reader_t *r, const place_t *place, const field_t *field, char *member);
  size_t size; /* of the member; 0: of its model */
} types[] = {
  [DAYTONA__JSON_STRING] = {read_string, sizeof(char *)},
  [DAYTONA__JSON_BYTES] = {read_bytes, sizeof(daytona_bytes_t)},
  [DAYTONA__JSON_INT] = {read_int, sizeof(int64_t)},
  [DAYTONA__JSON_INT32] = {read_int32, sizeof(int)},
  [DAYTONA__JSON_NUMBER] = {read_number, sizeof(double)},
  [DAYTONA__JSON_BOOL] = {read_bool, sizeof(bool)},
  [DAYTONA__JSON_OPT_INT] = {read_opt_int, sizeof(daytona_opt_int_t)},
  [DAYTONA__JSON_OPT_NUM] = {read_opt_num, sizeof(daytona_opt_num_t)},
  [DAYTONA__JSON_OPT_BOOL] = {read_opt_bool, sizeof(daytona_opt_bool_t)},
  [DAYTONA__JSON_ENUM] = {read_enum, sizeof(int)},
  [DAYTONA__JSON_MAP] = {read_map, sizeof(daytona_map_t)},
  [DAYTONA__JSON_PAIRS] = {read_map, sizeof(daytona_map_t)},
  [DAYTONA__JSON_STRINGS] = {read_strings, sizeof(daytona_strings_t)},
  [DAYTONA__JSON_OBJECT] = {read_object_member, sizeof(void *)},
  [DAYTONA__JSON_INLINE] = {read_element, 0},
  [DAYTONA__JSON_ARRAY] = {read_array, sizeof(void *)},
  [DAYTONA__JSON_NUMBERS] = {read_numbers, sizeof(double *)},
  [DAYTONA__JSON_RAW] = {read_raw, sizeof(char *)},
  [DAYTONA__JSON_RESERVED] = {read_reserved, 8 * sizeof(uint64_t)},
};

static void clear_member(const field_t *field, char *member) {
  size_t size = types[field->type].size;
  memset(member, 0, size != 0 ? size : field->model->size);
  if (field->type == DAYTONA__JSON_ARRAY || field->type == DAYTONA__JSON_NUMBERS)
    *count_of(field, member) = 0;
}

/* The row for `key`. Servers keep an order much like the table's, so the search begins behind the last hit. */
static const field_t *find_field(const model_t *model, const string_t *key, size_t *hint, bool *is_alias) {
  *is_alias = false;
  for (size_t n = 0, i = *hint; n < model->field_count; n++, i++) {
    if (i >= model->field_count) i = 0;
    if (!string_is(key, model->fields[i].key)) continue;
    *hint = i + 1;
    return &model->fields[i];
  }
  *is_alias = true;
  for (size_t i = 0; i < model->field_count; i++)
    if (model->fields[i].alias != NULL && string_is(key, model->fields[i].alias)) return &model->fields[i];
  return NULL;
}

static bool read_member(reader_t *r, const place_t *place, const field_t *field, bool is_alias, char *object,
                        unsigned char *state) {
  char *member = object + field->offset;
  unsigned char setter = is_alias ? SET_BY_ALIAS : SET_BY_KEY;
  if (daytona__json_peek(&r->lexer) == 'n') {
    if (*state == setter) {
      clear_member(field, member);
      *state = UNSET;
    }
    return read_null(r, place);
  }
  if (*state > setter) return daytona__json_skip(&r->lexer) || fail_text(r, place);
  if (*state != UNSET) clear_member(field, member);
  if ((field->flags & DAYTONA__JSON_SECRET) != 0) r->arena->is_secret = true;
  *state = setter;
  return types[field->type].read(r, place, field, member);
}

static bool read_object(reader_t *r, const place_t *up, const model_t *model, char *object) {
  unsigned char state[DAYTONA__JSON_FIELDS_MAX];
  daytona__json_walk_t walk = {0};
  size_t hint = 0;
  bool is_alias;
  string_t key;
  assert(model->field_count <= DAYTONA__JSON_FIELDS_MAX);
  memset(state, UNSET, model->field_count);
  if (daytona__json_peek(&r->lexer) != '{') return fail_kind(r, up, "an object");
  if (!daytona__json_open(&r->lexer)) return fail_text(r, up);
  while (daytona__json_next_member(&r->lexer, &walk, &key)) {
    const field_t *field = find_field(model, &key, &hint, &is_alias);
    if (field == NULL) {
      if (!daytona__json_skip(&r->lexer)) break;
      continue;
    }
    const char *name = is_alias ? field->alias : field->key;
    place_t place = {up, name, strlen(name), 0};
    if (!read_member(r, &place, field, is_alias, object, &state[field - model->fields])) return false;
  }
  if (r->lexer.code != 0) return fail_text(r, up);
  for (size_t i = 0; i < model->field_count; i++) {
    if ((model->fields[i].flags & DAYTONA__JSON_REQUIRED) == 0 || state[i] != UNSET) continue;
    place_t place = {up, model->fields[i].key, strlen(model->fields[i].key), 0};
    return fail(r, &place, DAYTONA_EPROTOCOL, "the field is missing");
  }
  return true;
}

/* --- whole texts --- */

static bool begin(reader_t *r, daytona__arena_t *arena, const char *text, size_t size,
                  daytona__json_error_t *error) {
  memset(error, 0, sizeof *error);
  daytona__json_lexer_init(&r->lexer, text, size);
  r->text = r->lexer.at;
  r->arena = arena;
  r->error = error;
  if (size > DAYTONA__JSON_BODY_MAX) return fail(r, NULL, DAYTONA_ELIMIT, "the JSON text is too large");
  return true;
}

static bool at_end(reader_t *r) { return daytona__json_at_end(&r->lexer) || fail_text(r, NULL); }

int daytona__json_decode(daytona__arena_t *arena, const daytona__json_model_t *model, const char *text,
                         size_t size, void **out, daytona__json_error_t *error) {
  daytona__json_error_t unused;
  reader_t r;
  if (error == NULL) error = &unused;
  if (!begin(&r, arena, text, size, error)) return error->code;
  void *object = daytona__arena_alloc(arena, model->size);
  if (object == NULL)
    fail_room(&r, NULL, model->size);
  else if (read_object(&r, NULL, model, object) && at_end(&r))
    *out = object;
  return error->code;
}

int daytona__json_decode_array(daytona__arena_t *arena, const daytona__json_model_t *model, const char *text,
                               size_t size, void **out, size_t *count, daytona__json_error_t *error) {
  daytona__json_error_t unused;
  const field_t field = {.model = model};
  void *items = NULL;
  size_t item_count = 0;
  reader_t r;
  if (error == NULL) error = &unused;
  if (!begin(&r, arena, text, size, error)) return error->code;
  bool ok = daytona__json_peek(&r.lexer) == 'n'
              ? read_null(&r, NULL)
              : read_list(&r, NULL, &field, read_element, false, model->size, &items, &item_count);
  if (ok && at_end(&r)) {
    *out = items;
    *count = item_count;
  }
  return error->code;
}

int daytona__json_decode_string(daytona__arena_t *arena, const char *text, size_t size, const char **out,
                                daytona__json_error_t *error) {
  daytona__json_error_t unused;
  const char *value = NULL;
  string_t string;
  reader_t r;
  if (error == NULL) error = &unused;
  if (!begin(&r, arena, text, size, error)) return error->code;
  if (read_token(&r, NULL, &string) && at_end(&r) && copy_text(&r, NULL, &string, &value)) *out = value;
  return error->code;
}
