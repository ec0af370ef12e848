/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arguments of a method. See arguments.h.
 */
#include "arguments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool has_exception(napi_env env) {
  bool is_pending = false;
  napi_is_exception_pending(env, &is_pending);
  return is_pending;
}

/* --- options ----------------------------------------------------------------------------------- */

void throw_type(napi_env env, const char *name, const char *what) {
  char text[128];
  snprintf(text, sizeof text, "%s: %s", name, what);
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", text);
}

/* A copy, yours to free. NULL with an exception: it is no string, or has a NUL, at which C would cut it. */
static char *take_text(napi_env env, napi_value value, const char *name) {
  size_t size;
  if (napi_get_value_string_utf8(env, value, NULL, 0, &size) != napi_ok)
    return throw_type(env, name, "must be a string"), NULL;
  char *text = malloc(size + 1);
  if (text == NULL) return napi_throw_error(env, "DAYTONA_ENOMEM", "out of memory"), NULL;
  napi_get_value_string_utf8(env, value, text, size + 1, &size);
  if (strlen(text) == size) return text;
  free(text);
  return throw_type(env, name, "must not contain NUL"), NULL;
}

/* False: it is not there, or it is undefined. */
static bool find_option(options_t *options, const char *name, napi_value *value) {
  napi_valuetype type = napi_undefined;
  if (options->object == NULL ||
      napi_get_named_property(options->env, options->object, name, value) != napi_ok)
    return false;
  napi_typeof(options->env, *value, &type);
  return type != napi_undefined;
}

const char *text_option(options_t *options, const char *name) {
  napi_value value;
  if (!find_option(options, name, &value) || options->count == OPTIONS_MAX) return NULL;
  char *text = take_text(options->env, value, name);
  if (text != NULL) options->texts[options->count++] = text;
  return text;
}

void options_clear(options_t *options) {
  while (options->count > 0) free(options->texts[--options->count]);
}

int64_t number_option(options_t *options, const char *name) {
  napi_value value;
  int64_t number = 0;
  if (find_option(options, name, &value) && napi_get_value_int64(options->env, value, &number) != napi_ok)
    throw_type(options->env, name, "must be a number");
  return number;
}

bool flag_option(options_t *options, const char *name) {
  napi_value value;
  bool flag = false;
  if (find_option(options, name, &value) && napi_get_value_bool(options->env, value, &flag) != napi_ok)
    throw_type(options->env, name, "must be a boolean");
  return flag;
}

/* --- arguments --------------------------------------------------------------------------------- */

void *read_info(napi_env env, napi_callback_info info, arguments_t *arguments) {
  void *data = NULL;
  arguments->count = ARGUMENTS_MAX;
  napi_get_cb_info(env, info, &arguments->count, arguments->values, &arguments->self, &data);
  if (arguments->count > ARGUMENTS_MAX)
    arguments->count = ARGUMENTS_MAX; /* it counts those that did not fit */
  return data;
}

napi_value next_argument(napi_env env, arguments_t *arguments, napi_valuetype wanted) {
  napi_valuetype type = napi_undefined;
  if (arguments->used >= arguments->count) return NULL;
  napi_typeof(env, arguments->values[arguments->used], &type);
  if (type == wanted) return arguments->values[arguments->used++];
  if (type == napi_undefined) arguments->used++;
  return NULL;
}

bool read_arguments(napi_env env, arguments_t *arguments, const char *method, int text_count,
                    bool has_output) {
  for (int i = 0; i < text_count; i++) {
    if (arguments->used == arguments->count) return throw_type(env, method, "an argument is missing"), false;
    arguments->texts[i] = take_text(env, arguments->values[arguments->used++], method);
    if (arguments->texts[i] == NULL) return false;
  }
  if (has_output) {
    arguments->output = next_argument(env, arguments, napi_function);
    if (arguments->output == NULL)
      return throw_type(env, method, "a function for the output is missing"), false;
  }
  arguments->options = (options_t){.env = env, .object = next_argument(env, arguments, napi_object)};
  arguments->callback = next_argument(env, arguments, napi_function);
  if (arguments->used < arguments->count)
    return throw_type(env, method, "an argument is of the wrong type"), false;
  return true;
}

void clear_arguments(arguments_t *arguments) {
  for (int i = 0; i < TEXTS_MAX; i++) free(arguments->texts[i]);
  options_clear(&arguments->options);
}

void *unwrap(napi_env env, napi_value self, const napi_type_tag *tag) {
  bool is_ours = false;
  void *wrapped = NULL;
  if (napi_check_object_type_tag(env, self, tag, &is_ours) == napi_ok && is_ours)
    napi_unwrap(env, self, &wrapped);
  if (wrapped == NULL && !has_exception(env)) throw_type(env, "this", "is no object of this class");
  return wrapped;
}
