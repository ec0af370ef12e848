/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See answers.h. Texts come from malloc, not from the library.
 */
#include "answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *answers_state = "started";
char answers_storage[64] = "x";

/* What the linker makes of the entries of all methods. */
extern const daytona__method_t *const __start_daytona_methods[];
extern const daytona__method_t *const __stop_daytona_methods[];

const daytona__method_t *answers_method(size_t index) {
  size_t count = (size_t)(__stop_daytona_methods - __start_daytona_methods);
  return index < count ? __start_daytona_methods[index] : NULL;
}

/* --- whose request it is ----------------------------------------------------------------------- */

/* How well a path fits: 0 not at all, else one more than its literal segments. */
static int fit(const char *pattern, const char *path, size_t size) {
  const char *end = path + size;
  int literals = 1;
  while (*pattern == '/' && path < end && *path == '/') {
    size_t pattern_size = strcspn(++pattern, "/"), path_size = strcspn(++path, "/? ");
    bool is_same = pattern_size == path_size && memcmp(pattern, path, path_size) == 0;
    if (!is_same && *pattern != '{') return 0;
    literals += is_same;
    pattern += pattern_size;
    path += path_size;
  }
  return *pattern == '\0' && path == end ? literals : 0;
}

const daytona__method_t *answers_method_of(const char *request) {
  const daytona__method_t *best = NULL, *method;
  int best_fit = 0;
  size_t verb_size = strcspn(request, " ");
  const char *path = request + verb_size + 1;
  bool is_toolbox = strncmp(path, "/toolbox/", 9) == 0;
  path = is_toolbox ? path + 9 + strcspn(path + 9, "/") : path + strlen("/api");
  for (size_t i = 0; (method = answers_method(i)) != NULL; i++) {
    if (method->path == NULL || is_toolbox != (method->service == DAYTONA__TOOLBOX)) continue;
    if (strlen(method->verb) != verb_size || memcmp(method->verb, request, verb_size) != 0) continue;
    int how = fit(method->path, path, strcspn(path, "? "));
    if (how <= best_fit) continue;
    best = method;
    best_fit = how;
  }
  return best;
}

/* --- JSON -------------------------------------------------------------------------------------- */

static void put_object(FILE *out, const daytona__json_model_t *model, int wrong);

static const char *wrong_value(daytona__json_type_t type) {
  switch (type) {
    case DAYTONA__JSON_STRING:
    case DAYTONA__JSON_BYTES:
    case DAYTONA__JSON_ENUM: return "5";
    case DAYTONA__JSON_RAW: return "{\"a\":}";
    default: return "\"x\"";
  }
}

/* Of the words that a state may be, one that ends waits; the state of a sandbox itself where it is one of them. */
static const char *word_of(const daytona__json_names_t *words) {
  bool is_end = strcmp(answers_state, "destroyed") == 0;
  const char *const goals[] = {answers_state, is_end ? "deleted" : "ready", is_end ? "removing" : "active"};
  for (size_t i = 0; i < sizeof goals / sizeof goals[0]; i++)
    for (size_t k = 0; words->names[k] != NULL; k++)
      if (strcmp(words->names[k], goals[i]) == 0) return goals[i];
  return words->names[0];
}

static void put_value(FILE *out, const daytona__json_model_t *model, const daytona__json_field_t *field) {
  if (model == &daytona__sandbox_model && strcmp(field->key, "state") == 0) {
    fprintf(out, "\"%s\"", answers_state);
    return;
  }
  if (strcmp(field->key, "storageUrl") == 0) {
    fprintf(out, "\"%s\"", answers_storage);
    return;
  }
  if (strcmp(field->key, "screenshot") == 0) {
    fputs("\"AAAA\"", out);
    return;
  }
  switch (field->type) {
    case DAYTONA__JSON_STRING:
    case DAYTONA__JSON_BYTES:
      fprintf(out, "\"%s\"", field->names != NULL ? word_of(field->names) : "x");
      break;
    case DAYTONA__JSON_INT:
    case DAYTONA__JSON_INT32:
    case DAYTONA__JSON_NUMBER:
    case DAYTONA__JSON_OPT_INT:
    case DAYTONA__JSON_OPT_NUM: fputs("1", out); break;
    case DAYTONA__JSON_BOOL:
    case DAYTONA__JSON_OPT_BOOL: fputs("true", out); break;
    case DAYTONA__JSON_ENUM: fprintf(out, "\"%s\"", field->names->names[0]); break;
    case DAYTONA__JSON_MAP: fputs("{\"x\":\"y\"}", out); break;
    case DAYTONA__JSON_PAIRS: fputs("[{\"x\":\"y\"}]", out); break;
    case DAYTONA__JSON_STRINGS: fputs("[\"x\"]", out); break;
    case DAYTONA__JSON_NUMBERS: fputs("[1]", out); break;
    case DAYTONA__JSON_OBJECT:
    case DAYTONA__JSON_INLINE: put_object(out, field->model, -1); break;
    case DAYTONA__JSON_ARRAY:
    case DAYTONA__JSON_LIST:
      fputc('[', out);
      put_object(out, field->model, -1);
      fputc(']', out);
      break;
    case DAYTONA__JSON_RAW:
    case DAYTONA__JSON_RESERVED: fputs("{}", out); break;
  }
}

/* A model that holds itself is written once. */
static void put_object(FILE *out, const daytona__json_model_t *model, int wrong) {
  const char *comma = "";
  fputc('{', out);
  for (size_t i = 0; i < model->field_count; i++) {
    const daytona__json_field_t *field = &model->fields[i];
    if (field->model == model) continue;
    fprintf(out, "%s\"%s\":", comma, field->key);
    comma = ",";
    if ((int)i == wrong)
      fputs(wrong_value(field->type), out);
    else
      put_value(out, model, field);
  }
  fputc('}', out);
}

static const daytona__json_model_t *model_of(const daytona__method_t *method) {
  return method->response == NULL && method->gives_sandbox ? &daytona__sandbox_model : method->response;
}

size_t answers_member_count(const daytona__method_t *method) {
  return model_of(method) != NULL ? model_of(method)->field_count : 0;
}

char *answers_json(const daytona__method_t *method, int wrong) {
  char *text = NULL;
  size_t size = 0;
  if (model_of(method) == NULL) return NULL;
  FILE *out = open_memstream(&text, &size);
  if (out == NULL) abort();
  if (method->gives_array) fputc('[', out);
  put_object(out, model_of(method), wrong);
  if (method->gives_array) fputc(']', out);
  fclose(out);
  return text;
}
