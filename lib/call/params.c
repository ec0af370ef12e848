/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking and placing the arguments of a call; see params.h.
 *
 * Everything walks the same rows. A rule that is broken is reported in the order of the rows, so that the message of
 * a call with several faults does not depend on where they are sent.
 */
#include "call/params.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/header.h"

typedef daytona__json_field_t row_t;
typedef daytona__json_model_t rows_t;

/* Settings that are shorter are words like "true" and "main", which are in what an error says anyway. */
enum { HIDDEN_MIN = 8 };

enum { OCTAL_MAX = 5, NAME_MAX_SIZE = 96 };

#define MEMBER(type, row, object) ((const type *)(const void *)((const char *)(object) + (row)->offset))
#define TEXT(row, object) (*MEMBER(char *, row, object))

static const void *object_of(const row_t *row, const void *args, const void *opts) {
  return row->in_opts ? opts : args;
}

/* --- checking ---------------------------------------------------------------------------------- */

typedef struct checker {
  const void *opts;
  const char *prefix; /* of names: "volumes[1]." */
  daytona__params_problem_t *problem;
} checker_t;

static bool fail(const checker_t *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool fail(const checker_t *c, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(c->problem->text, sizeof c->problem->text, format, args);
  va_end(args);
  return false;
}

static const char *name_of(const row_t *row) { return row->name != NULL ? row->name : row->key; }

/* The number of a row. False: it has none, or it is not set. */
static bool number_of(const row_t *row, const void *object, int64_t *out) {
  switch (row->type) {
    case DAYTONA__JSON_INT: *out = *MEMBER(int64_t, row, object); return true;
    case DAYTONA__JSON_INT32: *out = *MEMBER(int, row, object); return true;
    case DAYTONA__JSON_OPT_INT:
      *out = MEMBER(daytona_opt_int_t, row, object)->value;
      return MEMBER(daytona_opt_int_t, row, object)->is_set;
    default: return false;
  }
}

static bool is_given(const row_t *row, const void *object) {
  switch (row->type) {
    case DAYTONA__JSON_STRING: return TEXT(row, object) != NULL;
    case DAYTONA__JSON_MAP:
    case DAYTONA__JSON_PAIRS: return MEMBER(daytona_map_t, row, object)->count != 0;
    case DAYTONA__JSON_STRINGS: return MEMBER(daytona_strings_t, row, object)->count != 0;
    case DAYTONA__JSON_BYTES: return MEMBER(daytona_bytes_t, row, object)->data != NULL;
    case DAYTONA__JSON_OPT_INT: return MEMBER(daytona_opt_int_t, row, object)->is_set;
    case DAYTONA__JSON_OPT_NUM: return MEMBER(daytona_opt_num_t, row, object)->is_set;
    case DAYTONA__JSON_OPT_BOOL: return MEMBER(daytona_opt_bool_t, row, object)->is_set;
    default: return true;
  }
}

/* "soft, mixed or hard" */
static void list_words(const char *const *words, const char *last, char *out, size_t room) {
  size_t used = 0;
  out[0] = '\0';
  for (size_t i = 0; words[i] != NULL && used < room; i++) {
    const char *between = i == 0 ? "" : words[i + 1] == NULL ? last : ", ";
    used += (size_t)snprintf(out + used, room - used, "%s%s", between, words[i]);
  }
}

static bool is_one_of(const char *const *words, const char *text) {
  for (; *words != NULL; words++)
    if (strcmp(*words, text) == 0) return true;
  return false;
}

static bool check_string(const checker_t *c, const row_t *row, const char *text) {
  char words[120];
  bool is_missing = (row->rules & DAYTONA__GIVEN) != 0 && text == NULL;
  if ((row->rules & DAYTONA__NONEMPTY) != 0) is_missing = text == NULL || text[0] == '\0';
  if ((row->rules & DAYTONA__NOT_BLANK) != 0)
    is_missing = text == NULL || text[strspn(text, " \t\r\n\v\f")] == '\0';
  if (is_missing) return fail(c, "%s%s is required", c->prefix, name_of(row));
  if (text == NULL) return true;
  size_t size = (row->rules & DAYTONA__OCTAL) != 0 ? strlen(text) : 1;
  if ((row->rules & DAYTONA__OCTAL) != 0 &&
      (size == 0 || size > OCTAL_MAX || strspn(text, "01234567") != size))
    return fail(c, "%s%s must be one to %d octal digits", c->prefix, name_of(row), (int)OCTAL_MAX);
  if (row->one_of == NULL || is_one_of(row->one_of, text)) return true;
  list_words(row->one_of, " or ", words, sizeof words);
  return fail(c, "%s%s must be %s", c->prefix, name_of(row), words);
}

static bool check_number(const checker_t *c, const row_t *row, int64_t value) {
  if ((row->rules & DAYTONA__TIME_LIMIT) != 0 && value < 0 && value != DAYTONA_NO_TIMEOUT)
    return fail(c, "%s%s must not be negative", c->prefix, name_of(row));
  bool has_min = (row->rules & DAYTONA__MIN) != 0, has_max = (row->rules & DAYTONA__MAX) != 0;
  if ((!has_min || value >= row->min) && (!has_max || value <= row->max)) return true;
  if (has_min && has_max)
    return fail(c, "%s%s must be %" PRId64 " to %" PRId64, c->prefix, name_of(row), row->min, row->max);
  if (has_max) return fail(c, "%s%s must be at most %" PRId64, c->prefix, name_of(row), row->max);
  if (row->min == 0) return fail(c, "%s%s must not be negative", c->prefix, name_of(row));
  return fail(c, "%s%s must be at least %" PRId64, c->prefix, name_of(row), row->min);
}

const daytona_pair_t *daytona__params_long_variable(const daytona_map_t *env) {
  for (size_t i = 0; i < env->count; i++)
    if (strlen(env->items[i].key) + strlen(env->items[i].value) + sizeof "=" > DAYTONA__PASSED_MAX)
      return &env->items[i];
  return NULL;
}

void daytona__params_blame_variable(const char *argument, const daytona_pair_t *variable,
                                    daytona__params_problem_t *problem) {
  snprintf(problem->text, sizeof problem->text,
           "%s: %.64s is too long (name and value are %zu bytes, a program can be given %d)", argument,
           variable->key, strlen(variable->key) + strlen(variable->value),
           (int)(DAYTONA__PASSED_MAX - sizeof "="));
}

/* The shell makes words of what it is given, so the longest of them counts. */
static size_t longest_word(const char *text) {
  static const char blanks[] = " \t\n";
  size_t longest = 0;
  while (*text != '\0') {
    size_t size = strcspn(text, blanks);
    if (size > longest) longest = size;
    text += size;
    text += strspn(text, blanks);
  }
  return longest;
}

static bool check_passed(const checker_t *c, const row_t *row, const daytona_strings_t *list) {
  for (size_t i = 0; i < list->count; i++)
    if (longest_word(list->items[i]) + 1 > DAYTONA__PASSED_MAX)
      return fail(c, "%s%s[%zu] is too long (a program can be given %d bytes in one argument)", c->prefix,
                  name_of(row), i, (int)DAYTONA__PASSED_MAX - 1);
  return true;
}

static bool check_strings(const checker_t *c, const row_t *row, const daytona_strings_t *list) {
  if ((row->rules & DAYTONA__NONEMPTY) != 0 && list->count == 0)
    return fail(c, "%s%s is required", c->prefix, name_of(row));
  bool is_whole = list->count == 0 || list->items != NULL;
  for (size_t i = 0; i < list->count && is_whole; i++) is_whole = list->items[i] != NULL;
  if (!is_whole) return fail(c, "%s%s has an element that is NULL", c->prefix, name_of(row));
  return (row->rules & DAYTONA__PASSED) == 0 || check_passed(c, row, list);
}

static bool is_env_name(const char *name) {
  static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
  static const char later[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
  return strchr(first, name[0]) != NULL && strspn(name, later) == strlen(name);
}

static bool check_map(const checker_t *c, const row_t *row, const daytona_map_t *map) {
  bool is_whole = map->count == 0 || map->items != NULL;
  if ((row->rules & DAYTONA__NONEMPTY) != 0 && map->count == 0)
    return fail(c, "%s%s is required", c->prefix, name_of(row));
  for (size_t i = 0; i < map->count && is_whole; i++) {
    const daytona_pair_t *pair = &map->items[i];
    is_whole = pair->key != NULL && pair->key[0] != '\0' && pair->value != NULL;
    if (is_whole && (row->rules & DAYTONA__ENV) != 0 && !is_env_name(pair->key))
      return fail(c, "%s%s has a name that is not a letter or _ followed by letters, digits and _", c->prefix,
                  name_of(row));
  }
  if (!is_whole) return fail(c, "%s%s has an entry without a name or a value", c->prefix, name_of(row));
  const daytona_pair_t *variable =
    (row->rules & DAYTONA__PASSED) != 0 ? daytona__params_long_variable(map) : NULL;
  if (variable != NULL) daytona__params_blame_variable(name_of(row), variable, c->problem);
  return variable == NULL;
}

static bool check_reserved(const checker_t *c, const row_t *row, const uint64_t *words) {
  bool is_zero = true;
  for (size_t i = 0; i < 8; i++) is_zero = is_zero && words[i] == 0;
  if (is_zero) return true;
  char name[NAME_MAX_SIZE + 40]; /* "volumes[1].reserved" */
  snprintf(name, sizeof name, "%s%s", c->prefix, name_of(row));
  char *last = strrchr(name, '.');
  if (last != NULL) *last = '\0';
  return fail(c, "reserved words of %s are not zero", name);
}

static bool check_rows(const checker_t *c, const rows_t *rows, const void *args);

/* Structs inside of the arguments have rows of their own, and names like "volumes[1].mount_path". */
static bool check_inner(const checker_t *c, const row_t *row, const void *object, size_t index) {
  char prefix[NAME_MAX_SIZE];
  checker_t inner = {.prefix = prefix, .problem = c->problem};
  if (row->type == DAYTONA__JSON_ARRAY)
    snprintf(prefix, sizeof prefix, "%s%s[%zu].", c->prefix, name_of(row), index);
  else
    snprintf(prefix, sizeof prefix, "%s%s.", c->prefix, name_of(row));
  return check_rows(&inner, row->model, object);
}

static bool check_array(const checker_t *c, const row_t *row, const void *object) {
  size_t count = *(const size_t *)(const void *)((const char *)object + row->count_offset);
  const char *items = TEXT(row, object);
  if ((row->rules & DAYTONA__NONEMPTY) != 0 && count == 0)
    return fail(c, "%s%s is required", c->prefix, name_of(row));
  if (count != 0 && items == NULL) return fail(c, "%s%s has a count but no items", c->prefix, name_of(row));
  for (size_t i = 0; i < count; i++)
    if (!check_inner(c, row, items + i * row->model->size, i)) return false;
  return true;
}

static bool check_row(const checker_t *c, const row_t *row, const void *object) {
  int64_t number;
  switch (row->type) {
    case DAYTONA__JSON_STRING: return check_string(c, row, TEXT(row, object));
    case DAYTONA__JSON_STRINGS: return check_strings(c, row, MEMBER(daytona_strings_t, row, object));
    case DAYTONA__JSON_MAP:
    case DAYTONA__JSON_PAIRS: return check_map(c, row, MEMBER(daytona_map_t, row, object));
    case DAYTONA__JSON_RESERVED: return check_reserved(c, row, MEMBER(uint64_t, row, object));
    case DAYTONA__JSON_ARRAY: return check_array(c, row, object);
    case DAYTONA__JSON_INLINE: return check_inner(c, row, (const char *)object + row->offset, 0);
    case DAYTONA__JSON_OBJECT: return TEXT(row, object) == NULL || check_inner(c, row, TEXT(row, object), 0);
    case DAYTONA__JSON_OPT_NUM: {
      const daytona_opt_num_t *value = MEMBER(daytona_opt_num_t, row, object);
      if ((row->rules & DAYTONA__POSITIVE) == 0 || !value->is_set) return true;
      return (isfinite(value->value) && value->value > 0) ||
             fail(c, "%s%s must be more than 0", c->prefix, name_of(row));
    }
    default: return !number_of(row, object, &number) || check_number(c, row, number);
  }
}

/* What belongs together is checked at the first row of its group. */
static bool check_group(const checker_t *c, const rows_t *rows, const void *args, size_t first) {
  const row_t *row = &rows->fields[first];
  const char *names[8] = {NULL};
  char words[120];
  size_t count = 0, given = 0;
  for (size_t i = 0; i < rows->field_count; i++) {
    const row_t *other = &rows->fields[i];
    if (other->group != row->group) continue;
    if (i < first) return true;
    if (count + 1 < sizeof names / sizeof names[0]) names[count++] = name_of(other);
    given += is_given(other, object_of(other, args, c->opts));
  }
  bool needs_all = (row->rules & DAYTONA__TOGETHER) != 0;
  if (needs_all ? given == 0 || given == count : given != 0) return true;
  list_words(names, needs_all ? " and " : " or ", words, sizeof words);
  return needs_all ? fail(c, "%s%s must be given together", c->prefix, words)
                   : fail(c, "%s%s is required", c->prefix, words);
}

static bool check_rows(const checker_t *c, const rows_t *rows, const void *args) {
  for (size_t i = 0; i < rows->field_count; i++) {
    const row_t *row = &rows->fields[i];
    if (row->group != 0 && !check_group(c, rows, args, i)) return false;
    if (!check_row(c, row, object_of(row, args, c->opts))) return false;
  }
  return true;
}

bool daytona__params_check(const daytona__json_model_t *model, const void *args, const void *opts,
                           daytona__params_problem_t *problem) {
  checker_t checker = {.opts = opts, .prefix = "", .problem = problem};
  return check_rows(&checker, model, args);
}

bool daytona__params_have_body(const daytona__json_model_t *model) {
  for (size_t i = 0; i < model->field_count; i++)
    if (model->fields[i].where <= DAYTONA__AS_BODY && model->fields[i].type != DAYTONA__JSON_RESERVED)
      return true;
  return false;
}

/* --- path and query ---------------------------------------------------------------------------- */

static const char *path_value(const rows_t *rows, const void *args, const void *opts, const char *key,
                              size_t size, char number[24]) {
  int64_t value;
  for (size_t i = 0; i < rows->field_count; i++) {
    const row_t *row = &rows->fields[i];
    if (row->where != DAYTONA__IN_PATH || strncmp(row->key, key, size) != 0 || row->key[size] != '\0')
      continue;
    const void *object = object_of(row, args, opts);
    if (row->type == DAYTONA__JSON_STRING) return TEXT(row, object);
    if (!number_of(row, object, &value)) return NULL;
    snprintf(number, 24, "%" PRId64, value);
    return number;
  }
  return NULL;
}

static void put_path(daytona__url_t *url, const char *base, const char *path, const char *sandbox_id,
                     const rows_t *rows, const void *args, const void *opts) {
  static const char sandbox[] = "sandbox";
  daytona__url_base_of(url, base);
  for (const char *hole; (hole = strchr(path, '{')) != NULL;) {
    char number[24];
    const char *key = hole + 1;
    size_t size = strcspn(key, "}");
    bool is_sandbox = size == sizeof sandbox - 1 && memcmp(key, sandbox, size) == 0;
    daytona__url_text(url, path, (size_t)(hole - path));
    daytona__url_segment(url, is_sandbox ? sandbox_id : path_value(rows, args, opts, key, size, number));
    path = key + size + 1;
  }
  daytona__url_text(url, path, strlen(path));
}

/* A map travels as a JSON object in one value. */
static void put_map(daytona__url_t *url, daytona__arena_t *arena, const row_t *row, const void *object) {
  daytona__json_error_t problem;
  const char *text;
  if (MEMBER(daytona_map_t, row, object)->count == 0) return;
  int rc = daytona__json_encode_value(arena, row, object, &text, NULL, &problem);
  if (rc == 0) {
    daytona__url_query(url, row->key, text);
    return;
  }
  url->text.error = rc;
  url->problem = rc == DAYTONA_EINVAL ? "a query value is not valid UTF-8" : daytona_errcode_text(rc);
}

static void put_query(daytona__url_t *url, daytona__arena_t *arena, const row_t *row, const void *object) {
  bool omits = (row->flags & DAYTONA__JSON_OMIT_ZERO) != 0;
  int64_t number;
  switch (row->type) {
    case DAYTONA__JSON_STRING:
      daytona__url_query(url, row->key, TEXT(row, object) != NULL ? TEXT(row, object) : row->fallback);
      break;
    case DAYTONA__JSON_BOOL: {
      bool value = *MEMBER(bool, row, object);
      if (value || !omits) daytona__url_query_bool(url, row->key, daytona_bool(value));
      break;
    }
    case DAYTONA__JSON_OPT_BOOL:
      daytona__url_query_bool(url, row->key, *MEMBER(daytona_opt_bool_t, row, object));
      break;
    case DAYTONA__JSON_OPT_NUM:
      daytona__url_query_num(url, row->key, *MEMBER(daytona_opt_num_t, row, object));
      break;
    case DAYTONA__JSON_STRINGS:
      daytona__url_query_list(url, row->key, *MEMBER(daytona_strings_t, row, object));
      break;
    case DAYTONA__JSON_MAP: put_map(url, arena, row, object); break;
    default:
      if (number_of(row, object, &number) && (number != 0 || !omits))
        daytona__url_query_int(url, row->key, daytona_int(number));
  }
}

void daytona__params_url(daytona__url_t *url, daytona__arena_t *arena, const char *base, const char *path,
                         const char *sandbox_id, const daytona__json_model_t *model, const void *args,
                         const void *opts) {
  static const rows_t none = {.name = "none"};
  if (model == NULL) model = &none;
  put_path(url, base, path, sandbox_id, model, args, opts);
  for (size_t i = 0; i < model->field_count; i++)
    if (model->fields[i].where == DAYTONA__IN_QUERY)
      put_query(url, arena, &model->fields[i], object_of(&model->fields[i], args, opts));
}

/* --- headers, secrets, copies ------------------------------------------------------------------ */

int daytona__params_headers(daytona__arena_t *arena, const daytona__json_model_t *model, const void *args,
                            const void *opts, daytona_header_t **out, size_t *count) {
  for (size_t i = 0; i < model->field_count; i++) {
    const row_t *row = &model->fields[i];
    if (row->where != DAYTONA__IN_HEADER) continue;
    const char *text = TEXT(row, object_of(row, args, opts));
    if (text == NULL) text = row->fallback;
    if (text == NULL) continue;
    if (!daytona__header_value_is_valid(text)) return DAYTONA_EINVAL;
    if (*out == NULL) *out = daytona__arena_array(arena, model->field_count, sizeof **out);
    const char *copy = daytona__arena_strdup(arena, text);
    if (*out == NULL || copy == NULL) return DAYTONA_ENOMEM;
    (*out)[(*count)++] = (daytona_header_t){row->key, copy};
  }
  return 0;
}

bool daytona__params_hide(daytona__arena_t *arena, const daytona__json_model_t *model, const void *args,
                          const void *opts, daytona__secrets_t *secrets) {
  for (size_t i = 0; i < model->field_count; i++) {
    const row_t *row = &model->fields[i];
    const void *object = object_of(row, args, opts);
    if ((row->flags & DAYTONA__JSON_SECRET) != 0) arena->is_secret = true;
    if ((row->rules & DAYTONA__HIDE_ANY) == 0 || TEXT(row, object) == NULL) continue;
    const char *text = TEXT(row, object);
    if ((row->rules & DAYTONA__HIDE_URL) != 0)
      daytona__secrets_add_url(secrets, arena, text);
    else if ((row->rules & DAYTONA__HIDE_USER) != 0)
      daytona__secrets_add_login(secrets, arena, text, TEXT(row + 1, object));
    else if (strlen(text) >= HIDDEN_MIN)
      daytona__secrets_add(secrets, arena, text);
  }
  return secrets == NULL || !secrets->is_short;
}

void *daytona__params_keep(daytona__arena_t *arena, const daytona__json_model_t *model, const void *args) {
  char *copy = daytona__arena_alloc(arena, model->size);
  if (copy == NULL) return NULL;
  memcpy(copy, args, model->size);
  for (size_t i = 0; i < model->field_count; i++) {
    const row_t *row = &model->fields[i];
    if ((row->rules & DAYTONA__KEPT) == 0 || TEXT(row, copy) == NULL) continue;
    const char *text = daytona__arena_strdup(arena, TEXT(row, copy));
    if (text == NULL) return NULL;
    memcpy(copy + row->offset, &text, sizeof text);
  }
  return copy;
}
