/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a field table can be right: for the tests of every file that defines models.
 *
 *   assert_null(json_model_problem(&daytona__sandbox_model));
 */
#ifndef SUPPORT_JSON_MODEL_H
#define SUPPORT_JSON_MODEL_H

#include <stdio.h>
#include <string.h>

#include "json/codec.h"

static size_t json_member_size(const daytona__json_field_t *field) {
  switch (field->type) {
    case DAYTONA__JSON_STRING:
    case DAYTONA__JSON_OBJECT:
    case DAYTONA__JSON_ARRAY:
    case DAYTONA__JSON_LIST:
    case DAYTONA__JSON_NUMBERS:
    case DAYTONA__JSON_RAW: return sizeof(void *);
    case DAYTONA__JSON_BYTES: return sizeof(daytona_bytes_t);
    case DAYTONA__JSON_INT: return sizeof(int64_t);
    case DAYTONA__JSON_INT32:
    case DAYTONA__JSON_ENUM: return sizeof(int);
    case DAYTONA__JSON_NUMBER: return sizeof(double);
    case DAYTONA__JSON_BOOL: return sizeof(bool);
    case DAYTONA__JSON_OPT_INT: return sizeof(daytona_opt_int_t);
    case DAYTONA__JSON_OPT_NUM: return sizeof(daytona_opt_num_t);
    case DAYTONA__JSON_OPT_BOOL: return sizeof(daytona_opt_bool_t);
    case DAYTONA__JSON_MAP:
    case DAYTONA__JSON_PAIRS: return sizeof(daytona_map_t);
    case DAYTONA__JSON_STRINGS: return sizeof(daytona_strings_t);
    case DAYTONA__JSON_RESERVED: return 8 * sizeof(uint64_t);
    case DAYTONA__JSON_INLINE: return field->model != NULL ? field->model->size : 0;
  }
  return 0;
}

static const char *json_field_problem(const daytona__json_model_t *model,
                                      const daytona__json_field_t *field) {
  size_t size = json_member_size(field);
  bool is_counted = field->type == DAYTONA__JSON_ARRAY || field->type == DAYTONA__JSON_LIST ||
                    field->type == DAYTONA__JSON_NUMBERS;
  bool is_modelled = field->type == DAYTONA__JSON_OBJECT || field->type == DAYTONA__JSON_INLINE ||
                     field->type == DAYTONA__JSON_ARRAY || field->type == DAYTONA__JSON_LIST;
  if (field->key == NULL || field->key[0] == '\0') return "a field without a key";
  if (strlen(field->key) >= 128) return "a key that is too long";
  if (size == 0) return "an unknown type, or no model";
  if (field->offset > model->size || size > model->size - field->offset)
    return "a member outside of the struct";
  if (is_modelled != (field->model != NULL)) return "a model missing, or one too many";
  bool may_have_names = field->type == DAYTONA__JSON_ENUM || field->type == DAYTONA__JSON_STRING;
  if (field->type == DAYTONA__JSON_ENUM && field->names == NULL) return "names missing";
  if (field->names != NULL && !may_have_names) return "names of a field that is no word";
  if (field->names != NULL && (field->names->names == NULL || field->names->names[0] == NULL))
    return "no names";
  if (!is_counted)
    return field->count_offset != 0 && field->names == NULL ? "a count that is not used" : NULL;
  if (field->count_offset > model->size - sizeof(size_t)) return "a count outside of the struct";
  if (field->count_offset + sizeof(size_t) > field->offset && field->count_offset < field->offset + size)
    return "a count in the same place as its array"; /* as with a count_offset that was forgotten */
  return NULL;
}

static bool json_same_key(const char *a, const char *b) {
  return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static const char *json_pair_problem(const daytona__json_field_t *a, const daytona__json_field_t *b) {
  if (json_same_key(a->key, b->key)) return "a key that comes twice";
  if (json_same_key(a->alias, b->key) || json_same_key(a->key, b->alias) || json_same_key(a->alias, b->alias))
    return "an alias that is also another field's key";
  if (a->offset < b->offset + json_member_size(b) && b->offset < a->offset + json_member_size(a))
    return "a member that two fields share";
  return NULL;
}

/* NULL, or what is wrong with the model or one that it refers to; kept until the next call. */
__attribute__((unused)) static const char *json_model_problem(const daytona__json_model_t *model) {
  static char text[200];
  static const daytona__json_model_t *seen[64];
  static size_t seen_count;
  const char *problem = NULL;
  for (size_t i = 0; i < seen_count; i++)
    if (seen[i] == model) return NULL; /* a model may hold itself */
  if (seen_count == sizeof seen / sizeof seen[0]) seen_count = 0;
  seen[seen_count++] = model;
  if (model->name == NULL || model->size == 0 || model->field_count == 0 ||
      model->field_count > DAYTONA__JSON_FIELDS_MAX)
    return "a model without name, size or fields, or with too many fields";
  for (size_t i = 0; i < model->field_count; i++) {
    const daytona__json_field_t *field = &model->fields[i];
    problem = json_field_problem(model, field);
    for (size_t j = 0; j < i && problem == NULL; j++) problem = json_pair_problem(field, &model->fields[j]);
    if (problem != NULL) {
      snprintf(text, sizeof text, "%s.%s: %s", model->name, field->key != NULL ? field->key : "?", problem);
      seen_count--;
      return text;
    }
    if (field->model != NULL && (problem = json_model_problem(field->model)) != NULL) return problem;
  }
  return NULL;
}

#endif
