/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Helpers over jansson. Duplicate keys are accepted (the last one counts), as the platform does.
 */
#include "base/jsonx.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Jansson recurses per level and allocates per value; looking first keeps its use of memory small and our own limits clear.
 * NULL, or what is wrong. */
static const char *too_large(const char *text, size_t len) {
  int depth = 0;
  size_t values = 0;
  bool in_string = false;
  for (size_t i = 0; i < len; i++) {
    char c = text[i];
    if (in_string) {
      if (c == '\\')
        i++;
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == ',' || c == '[' || c == '{') {
      if (++values > DL_JSON_MAX_VALUES) return "more values than can be read";
      if (c != ',' && ++depth > DL_JSON_MAX_DEPTH) return "nested deeper than 64 levels";
    } else if (c == ']' || c == '}') {
      depth--;
    }
  }
  return NULL;
}

static json_t *parse(const char *text, size_t len, size_t flags, char **error_text) {
  _Static_assert(DL_JSON_MAX_DEPTH == 64, "the text of the error says so");
  const char *problem = too_large(text, len);
  if (problem) {
    *error_text = dl_xstrdup(problem);
    return NULL;
  }
  json_error_t error;
  json_t *value = json_loadb(text, len, flags | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
  if (!value) *error_text = dl_xprintf("%s at byte %d", error.text, error.position);
  return value;
}

json_t *dl_json_parse(const char *text, size_t len, char **error_text) {
  return parse(text, len, 0, error_text);
}

json_t *dl_json_parse_first(const char *text, size_t len, char **error_text) {
  return parse(text, len, JSON_DISABLE_EOF_CHECK, error_text);
}

char *dl_json_text(const json_t *value) {
  char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
  if (!text) {
    /* Only a string that is not UTF-8 gets here, and those are refused when they are made. */
    text = dl_xstrdup("null");
  }
  return text;
}

json_t *dl_json_get(const json_t *object, const char *key) {
  json_t *value = json_object_get(object, key);
  return json_is_null(value) ? NULL : value;
}

json_t *dl_json_get_nocase(const json_t *object, const char *key) {
  json_t *exact = dl_json_get(object, key);
  if (exact || !json_is_object(object)) return exact;
  void *iter = json_object_iter((json_t *)object);
  for (; iter; iter = json_object_iter_next((json_t *)object, iter)) {
    json_t *value = json_object_iter_value(iter);
    if (strcasecmp(json_object_iter_key(iter), key) == 0 && !json_is_null(value)) return value;
  }
  return NULL;
}

const char *dl_json_str(const json_t *object, const char *key) {
  return json_string_value(dl_json_get(object, key));
}

bool dl_json_bool(const json_t *object, const char *key, bool fallback) {
  json_t *value = dl_json_get(object, key);
  return json_is_boolean(value) ? json_is_true(value) : fallback;
}

double dl_json_num(const json_t *object, const char *key, double fallback) {
  json_t *value = dl_json_get(object, key);
  return json_is_number(value) ? json_number_value(value) : fallback;
}

int64_t dl_json_int(const json_t *object, const char *key, int64_t fallback) {
  double value = dl_json_num(object, key, NAN);
  return isnan(value) || fabs(value) > 9007199254740992.0 ? fallback : (int64_t)value;
}

json_t *dl_json_str_or_null(const char *text) { return text ? json_string(text) : json_null(); }

json_t *dl_json_number(double value) {
  if (value == floor(value) && fabs(value) < 9007199254740992.0) return json_integer((json_int_t)value);
  return json_real(value);
}
