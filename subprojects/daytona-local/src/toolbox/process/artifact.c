/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Artifact lines: prefix, then {"type": "chart", "value": {...}}.
 *
 * Clients read charts with strict generated models, so what is passed on is checked field by
 * field against the tables below and a chart with one wrong field is dropped whole. More is
 * passed on than the platform's daemon does: numeric bar values (as text), `autopct` of pies,
 * and the elements and ticks of the charts inside a composite.
 */
#include "toolbox/process/artifact.h"

#include "base/jsonx.h"

#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 4
#define LINE_MAX_BYTES (32u * 1024 * 1024)

typedef enum { TEXT, TEXT_OR_NUMBER, NUMBER, NUMBERS, TEXTS, POINTS, ELEMENTS } kind_t;

typedef struct {
  const char *name;
  kind_t kind;
} field_t;

static const field_t CHART[] = {
  {"type", TEXT},           {"title", TEXT},      {"png", TEXT},        {"x_label", TEXT},
  {"y_label", TEXT},        {"x_ticks", NUMBERS}, {"y_ticks", NUMBERS}, {"x_tick_labels", TEXTS},
  {"y_tick_labels", TEXTS}, {"x_scale", TEXT},    {"y_scale", TEXT},    {"elements", ELEMENTS},
};

static const field_t ELEMENT[] = {
  {"label", TEXT},
  {"points", POINTS},
  {"value", TEXT_OR_NUMBER},
  {"group", TEXT},
  {"angle", NUMBER},
  {"radius", NUMBER},
  {"autopct", TEXT},
  {"min", NUMBER},
  {"first_quartile", NUMBER},
  {"median", NUMBER},
  {"third_quartile", NUMBER},
  {"max", NUMBER},
  {"outliers", NUMBERS},
  {"type", TEXT},
  {"title", TEXT},
  {"png", TEXT},
  {"x_label", TEXT},
  {"y_label", TEXT},
  {"x_ticks", NUMBERS},
  {"y_ticks", NUMBERS},
  {"x_tick_labels", TEXTS},
  {"y_tick_labels", TEXTS},
  {"x_scale", TEXT},
  {"y_scale", TEXT},
  {"elements", ELEMENTS},
};

static bool copy_fields(json_t *to, const json_t *from, const field_t *fields, size_t count, int depth);

static bool all_of(const json_t *array, kind_t k) {
  size_t i;
  json_t *item;
  if (!json_is_array(array)) return false;
  json_array_foreach (array, i, item) {
    if (k == POINTS ? !all_of(item, NUMBERS) : k == TEXTS ? !json_is_string(item) : !json_is_number(item))
      return false;
  }
  return true;
}

/* A new array, or NULL if one element does not fit. */
static json_t *copy_elements(const json_t *from, int depth) {
  json_t *out = json_array(), *item;
  size_t i;
  bool fits = json_is_array(from) && depth < MAX_DEPTH;
  json_array_foreach (from, i, item) {
    json_t *element = json_object();
    json_array_append_new(out, element);
    fits = fits && json_is_object(item) && copy_fields(element, item, ELEMENT, DL_COUNT(ELEMENT), depth + 1);
    if (!fits) break;
  }
  if (fits) return out;
  json_decref(out);
  return NULL;
}

/* A new value; NULL when it does not fit. */
static json_t *copy_value(json_t *value, kind_t k, int depth) {
  switch (k) {
    case TEXT: return json_is_string(value) ? json_incref(value) : NULL;
    case NUMBER: return json_is_number(value) ? json_incref(value) : NULL;
    case NUMBERS:
    case TEXTS:
    case POINTS: return all_of(value, k) ? json_incref(value) : NULL;
    case ELEMENTS: return copy_elements(value, depth);
    case TEXT_OR_NUMBER: break;
  }
  if (json_is_string(value)) return json_incref(value);
  if (!json_is_number(value)) return NULL;
  char *text = json_dumps(value, JSON_ENCODE_ANY);
  json_t *out = json_string(text);
  free(text);
  return out;
}

static bool is_empty(const json_t *value) {
  return (json_is_string(value) && json_string_length(value) == 0) ||
         (json_is_array(value) && json_array_size(value) == 0);
}

static bool copy_fields(json_t *to, const json_t *from, const field_t *fields, size_t count, int depth) {
  for (size_t i = 0; i < count; i++) {
    json_t *value = json_object_get(from, fields[i].name);
    if (value == NULL || json_is_null(value)) continue;
    json_t *copy = copy_value(value, fields[i].kind, depth);
    if (copy == NULL) return false;
    if (is_empty(copy) && fields[i].kind != ELEMENTS)
      json_decref(copy);
    else
      json_object_set_new(to, fields[i].name, copy);
  }
  return true;
}

json_t *dl_artifact_chart(const json_t *value) {
  json_t *chart = json_object();
  if (!json_is_object(value) || !copy_fields(chart, value, CHART, DL_COUNT(CHART), 0)) {
    json_decref(chart);
    return NULL;
  }
  if (json_object_get(chart, "type") == NULL) json_object_set_new(chart, "type", json_string("unknown"));
  if (json_object_get(chart, "elements") == NULL) json_object_set_new(chart, "elements", json_null());
  return chart;
}

static void take_line(const char *text, size_t len, json_t **charts) {
  json_t *artifact = len <= LINE_MAX_BYTES ? json_loadb(text, len, 0, NULL) : NULL;
  const char *type = json_string_value(json_object_get(artifact, "type"));
  if (type != NULL && strcmp(type, "chart") == 0) {
    json_t *chart = dl_artifact_chart(json_object_get(artifact, "value"));
    if (chart != NULL && *charts == NULL) *charts = json_array();
    if (chart != NULL) json_array_append_new(*charts, chart);
  }
  json_decref(artifact);
}

void dl_artifacts_take(const char *output, size_t len, dl_buf_t *rest, json_t **charts) {
  static const size_t prefix = sizeof DL_ARTIFACT_PREFIX - 1;
  dl_buf_init(rest, len + 1);
  *charts = NULL;
  for (size_t at = 0; at < len;) {
    const char *end = memchr(output + at, '\n', len - at);
    size_t line = end != NULL ? (size_t)(end - output) - at : len - at;
    size_t whole = line + (end != NULL);
    if (line >= prefix && memcmp(output + at, DL_ARTIFACT_PREFIX, prefix) == 0)
      take_line(output + at + prefix, line - prefix, charts);
    else
      dl_buf_append(rest, output + at, whole);
    at += whole;
  }
}
