/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every field table of the library can be right, and marks what must not be logged. The tables come from units
 * that models.py makes of the sources that define them.
 */
#include <strings.h>

#include "support/check.h"
#include "support/json_model.h"

enum { MODELS_MAX = 512 };

static const daytona__json_model_t *models[MODELS_MAX];
static size_t model_count;

void models_add(const daytona__json_model_t *model);

/* Called before main(). */
void models_add(const daytona__json_model_t *model) {
  if (model_count < MODELS_MAX) models[model_count] = model;
  model_count++;
}

static void every_model_is_consistent(void **state) {
  (void)state;
  assert_in_range(model_count, MODEL_UNITS, MODELS_MAX);
  for (size_t i = 0; i < model_count; i++) {
    const char *problem = json_model_problem(models[i]);
    if (problem != NULL) fail_msg("%s: %s", models[i]->name, problem);
  }
}

/* Environments, tokens and what holds them. */
static bool is_confidential(const char *key) {
  static const char *const names[] = {"env", "envs", "command", "sshCommand", "outboundProxyUrl"};
  size_t size = strlen(key);
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (strcmp(names[i], key) == 0) return true;
  return size >= 5 && strcasecmp(key + size - 5, "token") == 0;
}

static void confidential_fields_are_marked(void **state) {
  (void)state;
  size_t found = 0;
  for (size_t i = 0; i < model_count; i++)
    for (size_t n = 0; n < models[i]->field_count; n++) {
      const daytona__json_field_t *field = &models[i]->fields[n];
      if (!is_confidential(field->key)) continue;
      found++;
      if ((field->flags & DAYTONA__JSON_SECRET) == 0)
        fail_msg("%s.%s is logged", models[i]->name, field->key);
    }
  assert_true(found >= 6);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_model_is_consistent),
    cmocka_unit_test(confidential_fields_are_marked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
