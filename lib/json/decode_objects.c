/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects by their tables: each member is read as its row says, and zero where the text has null or nothing. What the table does
 * not name is checked and dropped without being stored. An object ends well when what must be there is there.
 */
#include <string.h>

#include "json/decode_private.h"

static bool read_value(reader_t *r, const place_t *place, const field_t *field, char *member) {
  switch (field->type) {
    case DAYTONA__JSON_STRING: return daytona__json_read_string(r, place, field, AS_TEXT, member);
    case DAYTONA__JSON_BYTES: return daytona__json_read_string(r, place, field, AS_BYTES, member);
    case DAYTONA__JSON_ENUM: return daytona__json_read_string(r, place, field, AS_WORD, member);
    case DAYTONA__JSON_INT: return daytona__json_read_int64(r, place, (int64_t *)(void *)member);
    case DAYTONA__JSON_INT32: return daytona__json_read_int32(r, place, member);
    case DAYTONA__JSON_NUMBER: return daytona__json_read_double(r, place, (double *)(void *)member);
    case DAYTONA__JSON_BOOL: return daytona__json_read_bool_value(r, place, (bool *)(void *)member);
    case DAYTONA__JSON_OPT_INT: return daytona__json_read_opt_int(r, place, member);
    case DAYTONA__JSON_OPT_NUM: return daytona__json_read_opt_num(r, place, member);
    case DAYTONA__JSON_OPT_BOOL: return daytona__json_read_opt_bool(r, place, member);
    case DAYTONA__JSON_MAP:
    case DAYTONA__JSON_PAIRS: return daytona__json_read_map(r, place, field, member);
    case DAYTONA__JSON_STRINGS: return daytona__json_read_list(r, place, field, sizeof(char *), member);
    case DAYTONA__JSON_NUMBERS: return daytona__json_read_list(r, place, field, sizeof(double), member);
    case DAYTONA__JSON_ARRAY: return daytona__json_read_list(r, place, field, field->model->size, member);
    case DAYTONA__JSON_LIST: return daytona__json_read_list(r, place, field, sizeof(void *), member);
    case DAYTONA__JSON_OBJECT: return daytona__json_read_object_member(r, place, field, member);
    case DAYTONA__JSON_INLINE: return daytona__json_open_object(r, place, field->model, member);
    case DAYTONA__JSON_RAW: return daytona__json_read_raw(r, place, field, member);
    case DAYTONA__JSON_RESERVED: break; /* whatever a server sends under that name is not ours */
  }
  return daytona__json_skip_value(r, place);
}

static void clear_member(const field_t *field, char *member) {
  static const size_t sizes[] = {
    [DAYTONA__JSON_STRING] = sizeof(char *),
    [DAYTONA__JSON_BYTES] = sizeof(daytona_bytes_t),
    [DAYTONA__JSON_INT] = sizeof(int64_t),
    [DAYTONA__JSON_INT32] = sizeof(int),
    [DAYTONA__JSON_NUMBER] = sizeof(double),
    [DAYTONA__JSON_BOOL] = sizeof(bool),
    [DAYTONA__JSON_OPT_INT] = sizeof(daytona_opt_int_t),
    [DAYTONA__JSON_OPT_NUM] = sizeof(daytona_opt_num_t),
    [DAYTONA__JSON_OPT_BOOL] = sizeof(daytona_opt_bool_t),
    [DAYTONA__JSON_ENUM] = sizeof(int),
    [DAYTONA__JSON_MAP] = sizeof(daytona_map_t),
    [DAYTONA__JSON_PAIRS] = sizeof(daytona_map_t),
    [DAYTONA__JSON_STRINGS] = sizeof(daytona_strings_t),
    [DAYTONA__JSON_OBJECT] = sizeof(void *),
    [DAYTONA__JSON_INLINE] = 0,
    [DAYTONA__JSON_ARRAY] = sizeof(void *),
    [DAYTONA__JSON_LIST] = sizeof(void *),
    [DAYTONA__JSON_NUMBERS] = sizeof(double *),
    [DAYTONA__JSON_RAW] = sizeof(char *),
    [DAYTONA__JSON_RESERVED] = 8 * sizeof(uint64_t),
  };
  size_t size = sizes[field->type];
  memset(member, 0, size != 0 ? size : field->model->size);
  if (field->type == DAYTONA__JSON_ARRAY || field->type == DAYTONA__JSON_LIST ||
      field->type == DAYTONA__JSON_NUMBERS)
    *daytona__json_count_of(field, member) = 0;
}

/* The row for `key`. Servers keep an order much like the table's, so the search begins behind the last hit. */
static const field_t *find_field(const model_t *model, const string_t *key, size_t *hint, bool *is_alias) {
  *is_alias = false;
  for (size_t n = 0, i = *hint; n < model->field_count; n++, i++) {
    if (i >= model->field_count) i = 0;
    if (!daytona__json_string_is(key, model->fields[i].key)) continue;
    *hint = i + 1;
    return &model->fields[i];
  }
  *is_alias = true;
  for (size_t i = 0; i < model->field_count; i++)
    if (model->fields[i].alias != NULL && daytona__json_string_is(key, model->fields[i].alias))
      return &model->fields[i];
  return NULL;
}

/* A member that is not wanted, but for the id of a record that is passed over. */
static bool skip_member(reader_t *r, frame_t *f) {
  bool is_name = f->name != NULL && daytona__json_peek(&r->lexer) == '"' &&
                 (daytona__json_string_is(&f->string, f->name->key) ||
                  (f->name->alias != NULL && daytona__json_string_is(&f->string, f->name->alias)));
  return is_name ? daytona__json_read_string(r, &f->place, NULL, AS_NAME, NULL)
                 : daytona__json_skip_value(r, &f->place);
}

/* The value of the member whose key was read is next. */
static bool read_member(reader_t *r, frame_t *f) {
  bool is_alias;
  const field_t *field = f->model != NULL ? find_field(f->model, &f->string, &f->hint, &is_alias) : NULL;
  f->step = NEXT;
  if (field == NULL) return skip_member(r, f);
  const char *name = is_alias ? field->alias : field->key;
  place_t place = {&f->place, name, strlen(name), 0};
  char *member = f->target + field->offset;
  unsigned char setter = is_alias ? SET_BY_ALIAS : SET_BY_KEY, *state = &f->state[field - f->model->fields];
  if (daytona__json_peek(&r->lexer) == 'n') {
    if (*state == setter) {
      clear_member(field, member);
      *state = UNSET;
    }
    return daytona__json_read_null(r, &place);
  }
  if (*state > setter) return daytona__json_skip_value(r, &place);
  if (*state != UNSET) clear_member(field, member);
  if ((field->flags & DAYTONA__JSON_SECRET) != 0) r->arena->is_secret = true;
  *state = setter;
  return read_value(r, &place, field, member);
}

const field_t *daytona__json_id_of(const model_t *model) {
  for (size_t i = 0; i < model->field_count; i++) {
    const field_t *row = &model->fields[i];
    if ((row->flags & DAYTONA__JSON_REQUIRED) == 0) continue;
    return row->type == DAYTONA__JSON_STRING && (row->flags & DAYTONA__JSON_SECRET) == 0 ? row : NULL;
  }
  return NULL;
}

/* A record that no call can ask for is of no use. */
static bool is_nameless(const reader_t *r, const frame_t *f) {
  const field_t *id = daytona__json_id_of(f->model);
  bool is_record = r->depth > 1 && daytona__json_frame_at((reader_t *)r, r->depth - 2)->kind == LIST;
  if (!is_record || id == NULL) return false;
  return (*(const char **)(void *)(f->target + id->offset))[0] == '\0';
}

static bool close_object(reader_t *r, frame_t *f) {
  const model_t *model = f->model;
  if (r->lexer.code != 0) return daytona__json_fail_text(r, &f->place);
  if (model == NULL) return daytona__json_pop(r);
  for (size_t i = 0; i < model->field_count; i++) {
    if ((model->fields[i].flags & DAYTONA__JSON_REQUIRED) == 0 || f->state[i] != UNSET) continue;
    place_t place = {&f->place, model->fields[i].key, strlen(model->fields[i].key), 0};
    return daytona__json_fail(r, &place, DAYTONA_EPROTOCOL, "the field is missing");
  }
  if (is_nameless(r, f)) {
    const char *key = daytona__json_id_of(model)->key;
    place_t place = {&f->place, key, strlen(key), 0};
    return daytona__json_fail(r, &place, DAYTONA_EPROTOCOL, "it is empty");
  }
  return daytona__json_pop(r);
}

bool daytona__json_step_object(reader_t *r, frame_t *f) {
  size_t depth = r->depth;
  /* Plain members one after the other; one that opens something has its turn first. */
  do {
    if (f->step != VALUE && !daytona__json_to_member(r, f)) return close_object(r, f);
    if (f->step != VALUE || !daytona__json_skip_blank(r)) return true;
    if (!read_member(r, f)) return false;
    r->left -= STEP_WORK;
  } while (r->depth == depth && r->left > 0);
  return true;
}
