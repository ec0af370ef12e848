/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small helpers over jansson. `null` is the same as absent everywhere here.
 */
#ifndef DL_JSONX_H
#define DL_JSONX_H

#include "base/base.h"

#include <jansson.h>

/* The deepest nesting read from a peer. Jansson itself stops at 2048. */
#define DL_JSON_MAX_DEPTH 64
#define DL_JSON_MAX_VALUES 1000000 /* each takes many times its text in memory */

/* The whole text must be one JSON value, not nested deeper than DL_JSON_MAX_DEPTH. On failure
 * NULL and *error_text (yours to free). */
json_t *dl_json_parse(const char *text, size_t len, char **error_text);
/* As above, but only the first value of the text is read. */
json_t *dl_json_parse_first(const char *text, size_t len, char **error_text);

/* Compact text, yours to free. */
char *dl_json_text(const json_t *value);

/* A field, or NULL when absent or null. Borrowed. */
json_t *dl_json_get(const json_t *object, const char *key);
/* As above, names compared without case (the toolbox reads bodies that way). */
json_t *dl_json_get_nocase(const json_t *object, const char *key);
const char *dl_json_str(const json_t *object, const char *key);
bool dl_json_bool(const json_t *object, const char *key, bool fallback);
/* Any number; `fallback` when absent or not a number. */
double dl_json_num(const json_t *object, const char *key, double fallback);
int64_t dl_json_int(const json_t *object, const char *key, int64_t fallback);

/* A string, or JSON null for NULL. */
json_t *dl_json_str_or_null(const char *text);
/* An integer when the number has no fraction, so that 4 is written as 4. */
json_t *dl_json_number(double value);

#endif
