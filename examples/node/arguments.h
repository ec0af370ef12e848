/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arguments of a method: texts, a function for output, an object with options, and a callback. A function that fails here
 * leaves an exception pending.
 */
#ifndef EXAMPLES_NODE_ARGUMENTS_H
#define EXAMPLES_NODE_ARGUMENTS_H

#define NAPI_VERSION 8
#include <node/node_api.h>
#include <stdbool.h>

enum { TEXTS_MAX = 2, OPTIONS_MAX = 8, ARGUMENTS_MAX = TEXTS_MAX + 3 };

/* The options object of a call, and the texts that were read from it. */
typedef struct options {
  napi_env env;
  napi_value object; /* NULL: none was given */
  char *texts[OPTIONS_MAX];
  size_t count;
} options_t;

typedef struct arguments {
  napi_value self, values[ARGUMENTS_MAX];
  size_t count, used;
  char *texts[TEXTS_MAX];
  napi_value output, callback;
  options_t options;
} arguments_t;

/* Take the arguments of the call, and return the data of the method. */
void *read_info(napi_env env, napi_callback_info info, arguments_t *arguments);

/* The next argument if it is of this type, else NULL; undefined ones count as absent. */
napi_value next_argument(napi_env env, arguments_t *arguments, napi_valuetype wanted);

/* (TEXT..., [OUTPUT], [OPTIONS], [CALLBACK]). */
bool read_arguments(napi_env env, arguments_t *arguments, const char *method, int text_count,
                    bool has_output);
void clear_arguments(arguments_t *arguments);

/* What an object of ours wraps, or NULL. */
void *unwrap(napi_env env, napi_value self, const napi_type_tag *tag);

/* NULL, 0 or false: the option is not given, or it is of another type. The text belongs to the options. */
const char *text_option(options_t *options, const char *name);
int64_t number_option(options_t *options, const char *name);
bool flag_option(options_t *options, const char *name);
void options_clear(options_t *options);

bool has_exception(napi_env env);
void throw_type(napi_env env, const char *name, const char *what);

#endif
