/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See recorded.h.
 */
#include "recorded.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <mbedtls/base64.h>

#include "check.h"
#include "same_json.h"

enum { STEPS_MAX = 256, MEMBERS = 8 };

const char *recorded_folder;

static json_t *loaded;
static recorded_step_t steps[STEPS_MAX + 1];
static char *answers[STEPS_MAX];
static size_t count;

void recorded_free(void) {
  for (size_t i = 0; i < count; i++) free(answers[i]);
  count = 0;
  json_decref(loaded);
  loaded = NULL;
}

static const char *text_of(json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return text != NULL ? text : "";
}

static const char *header_of(json_t *message, const char *name) {
  size_t i;
  json_t *header;
  json_array_foreach (json_object_get(message, "headers"), i, header)
    if (strcmp(json_string_value(json_array_get(header, 0)), name) == 0)
      return json_string_value(json_array_get(header, 1));
  return "";
}

static void add(json_t *http) {
  json_t *request = json_object_get(http, "request"), *response = json_object_get(http, "response");
  recorded_step_t *step = &steps[count];
  const char *coded = text_of(response, "body_b64");
  size_t room = strlen(coded) + 1;
  if (!json_is_object(response)) return;
  assert_true(count < STEPS_MAX);
  memset(step, 0, sizeof *step);
  answers[count] = calloc(1, room);
  assert_non_null(answers[count]);
  assert_int_equal(mbedtls_base64_decode((unsigned char *)answers[count], room, &step->answer_size,
                                         (const unsigned char *)coded, strlen(coded)),
                   0);
  step->verb = text_of(request, "method");
  step->target = text_of(request, "target");
  step->body = text_of(request, "body_text");
  step->status = (int)json_integer_value(json_object_get(response, "status"));
  step->content_type = header_of(response, "Content-Type");
  step->answer = answers[count++];
}

const recorded_step_t *recorded_load(const char *name) {
  char path[4096];
  size_t i;
  json_t *step;
  recorded_free();
  snprintf(path, sizeof path, "%s/%s", recorded_folder != NULL ? recorded_folder : "", name);
  if (recorded_folder == NULL || access(path, R_OK) != 0) {
    print_message("# skipped: there is no recording %s beside the project\n", name);
    skip();
  }
  loaded = json_load_file(path, JSON_ALLOW_NUL, NULL);
  assert_non_null(loaded);
  json_array_foreach (json_object_get(loaded, "steps"), i, step)
    if (json_is_object(json_object_get(step, "http"))) add(json_object_get(step, "http"));
  memset(&steps[count], 0, sizeof steps[count]);
  assert_true(count != 0);
  return steps;
}

const char *recorded_member(const recorded_step_t *step, const char *path) {
  static char texts[MEMBERS][4096];
  static size_t next;
  const char *found = json_at(step->body, path);
  if (found == NULL) return NULL;
  char *text = texts[next++ % MEMBERS];
  snprintf(text, sizeof texts[0], "%s", found);
  return text;
}
