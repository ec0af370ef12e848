/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See same_json.h. jansson reads, so that the library's own codec is not its own judge.
 */
#include "same_json.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "check.h"

static json_t *parse(const char *text) {
  return text != NULL ? json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL) : NULL;
}

void check_same_json(const char *text, const char *expected, const char *file, int line) {
  json_t *got = parse(text), *wanted = parse(expected);
  bool is_same = got != NULL && wanted != NULL && json_equal(got, wanted);
  json_decref(got);
  json_decref(wanted);
  if (is_same) return;
  print_error("%s\nis not the same JSON as\n%s\n", text, expected);
  _fail(file, line);
}

const char *json_at(const char *text, const char *path) {
  static char found[65536];
  json_t *whole = parse(text), *at = whole;
  found[0] = '\0';
  for (const char *name = path; at != NULL && name != NULL;) {
    char key[64];
    const char *dot = strchr(name, '.');
    snprintf(key, sizeof key, "%.*s", (int)strcspn(name, "."), name);
    at = json_object_get(at, key);
    name = dot != NULL ? dot + 1 : NULL;
  }
  bool is_there = at != NULL;
  char *json = is_there && !json_is_string(at) ? json_dumps(at, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
  if (is_there) snprintf(found, sizeof found, "%s", json != NULL ? json : json_string_value(at));
  free(json);
  json_decref(whole);
  return is_there ? found : NULL;
}
