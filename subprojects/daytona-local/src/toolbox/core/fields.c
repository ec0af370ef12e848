/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading JSON bodies with the daemon's rules: names without case, null is absent, unknown fields
 * pass, wrong types are refused and named.
 */
#include "toolbox/core/fields.h"

#include "toolbox/core/environ.h"
#include "toolbox/core/reply.h"

#include <stdlib.h>
#include <string.h>

#define BAD_BODY 400, "INVALID_REQUEST_BODY"

static const char *type_name(const json_t *value) {
  switch (json_typeof(value)) {
    case JSON_OBJECT: return "object";
    case JSON_ARRAY: return "array";
    case JSON_STRING: return "string";
    case JSON_INTEGER:
    case JSON_REAL: return "number";
    case JSON_TRUE:
    case JSON_FALSE: return "bool";
    default: return "null";
  }
}

static bool refuse(dl_req_t *req, const json_t *value, const char *name, const char *wanted) {
  dl_tb_reply_error_code(req, BAD_BODY, "invalid request body: field '%s' must be %s, not %s", name, wanted,
                         type_name(value));
  return false;
}

json_t *dl_tb_body(dl_req_t *req, const char *body, size_t len) {
  char *failure = NULL;
  json_t *value = dl_json_parse_first(body, len, &failure);
  if (value == NULL) {
    dl_tb_reply_error_code(req, BAD_BODY, "invalid request body: %s", len == 0 ? "EOF" : failure);
    free(failure);
    return NULL;
  }
  if (json_is_null(value)) { /* every field is absent */
    json_decref(value);
    return json_object();
  }
  if (json_is_object(value)) return value;
  dl_tb_reply_error_code(req, BAD_BODY, "invalid request body: must be an object, not %s", type_name(value));
  json_decref(value);
  return NULL;
}

bool dl_tb_field_text(dl_req_t *req, const json_t *body, const char *name, bool required, const char **out) {
  json_t *value = dl_json_get_nocase(body, name);
  if (value != NULL && !json_is_string(value)) return refuse(req, value, name, "a string");
  const char *text = json_string_value(value);
  if (text != NULL && strlen(text) != json_string_length(value)) {
    dl_tb_reply_error_code(req, BAD_BODY, "invalid request body: field '%s' contains a NUL character", name);
    return false;
  }
  if (required && (text == NULL || *text == '\0')) {
    dl_tb_reply_error_code(req, BAD_BODY, "invalid request body: field '%s' is required", name);
    return false;
  }
  if (text != NULL) *out = text;
  return true;
}

bool dl_tb_field_uint32(dl_req_t *req, const json_t *body, const char *name, uint32_t *out) {
  json_t *value = dl_json_get_nocase(body, name);
  if (value == NULL) return true;
  json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;
  if (number < 0 || number > UINT32_MAX)
    return refuse(req, value, name, "a whole number from 0 to 4294967295");
  *out = (uint32_t)number;
  return true;
}

bool dl_tb_field_bool(dl_req_t *req, const json_t *body, const char *name, bool *out) {
  json_t *value = dl_json_get_nocase(body, name);
  if (value == NULL) return true;
  if (!json_is_boolean(value)) return refuse(req, value, name, "true or false");
  *out = json_is_true(value);
  return true;
}

static bool is_c_text(const json_t *value) {
  return json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value);
}

bool dl_tb_field_texts(dl_req_t *req, const json_t *body, const char *name, json_t **out) {
  json_t *value = dl_json_get_nocase(body, name);
  if (value == NULL) return true;
  if (!json_is_array(value)) return refuse(req, value, name, "an array of strings");
  size_t i;
  json_t *item;
  json_array_foreach (value, i, item)
    if (!is_c_text(item)) return refuse(req, item, name, "an array of strings");
  *out = value;
  return true;
}

bool dl_tb_field_text_map(dl_req_t *req, const json_t *body, const char *name, json_t **out) {
  json_t *value = dl_json_get_nocase(body, name);
  if (value == NULL) return true;
  if (!json_is_object(value)) return refuse(req, value, name, "an object of strings");
  const char *key;
  json_t *item;
  json_object_foreach (value, key, item)
    if (!is_c_text(item)) return refuse(req, item, name, "an object of strings");
  *out = value;
  return true;
}

bool dl_tb_can_start(dl_req_t *req, const dl_environ_t *e, char *const *argv) {
  char *problem = dl_environ_too_large(e, argv);
  if (problem != NULL) dl_tb_reply_error(req, 400, "%s", problem);
  free(problem);
  return problem == NULL;
}

bool dl_tb_field_envs(dl_req_t *req, const json_t *body, const char *name, json_t **out) {
  json_t *found = NULL;
  if (!dl_tb_field_text_map(req, body, name, &found)) return false;
  const char *key;
  json_t *item;
  json_object_foreach (found, key, item) {
    size_t len = strlen(key) + 1 + json_string_length(item);
    if (!dl_environ_name_ok(key))
      dl_tb_reply_error(req, 400, "invalid environment variable name: '%s'", key);
    else if (len > DL_ENVIRON_TEXT_MAX)
      dl_tb_reply_error(req, 400,
                        "environment variable %.200s is too long: %zu bytes with its name, %u at most", key,
                        len, DL_ENVIRON_TEXT_MAX);
    else
      continue;
    return false;
  }
  if (found != NULL) *out = found;
  return true;
}
