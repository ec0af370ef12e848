/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs programs in a sandbox and prints the charts of each as a line of JSON, from the typed structs alone: driver PATH < CODES
 * They are separated by NUL characters.
 */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <daytona/daytona.h>
#include <uv.h>

static void set_text(json_t *object, const char *key, const char *text) {
  if (text != NULL) json_object_set_new(object, key, json_string(text));
}

static void set_number(json_t *object, const char *key, daytona_opt_num_t number) {
  if (number.is_set) json_object_set_new(object, key, json_real(number.value));
}

static json_t *value_of(const daytona_chart_values_t *values, size_t index) {
  if (values->texts != NULL && values->texts[index] != NULL) return json_string(values->texts[index]);
  return isnan(values->numbers[index]) ? json_null() : json_real(values->numbers[index]);
}

static void set_values(json_t *object, const char *key, const daytona_chart_values_t *values) {
  if (values->count == 0) return;
  json_t *array = json_array();
  for (size_t i = 0; i < values->count; i++) json_array_append_new(array, value_of(values, i));
  json_object_set_new(object, key, array);
}

static void set_axis(json_t *object, const char *name, const daytona_chart_axis_t *axis) {
  char key[32];
  snprintf(key, sizeof key, "%s_label", name);
  set_text(object, key, axis->label);
  snprintf(key, sizeof key, "%s_scale", name);
  set_text(object, key, axis->scale);
  snprintf(key, sizeof key, "%s_ticks", name);
  set_values(object, key, &axis->ticks);
  if (axis->tick_labels.count == 0) return;
  json_t *labels = json_array();
  for (size_t i = 0; i < axis->tick_labels.count; i++)
    json_array_append_new(labels, json_string(axis->tick_labels.items[i]));
  snprintf(key, sizeof key, "%s_tick_labels", name);
  json_object_set_new(object, key, labels);
}

static json_t *chart_json(const daytona_chart_t *chart);

static json_t *element_json(const daytona_chart_element_t *element) {
  json_t *object = element->chart != NULL ? chart_json(element->chart) : json_object();
  set_text(object, "label", element->label);
  set_text(object, "group", element->group);
  set_text(object, "value", element->value_text);
  set_text(object, "autopct", element->autopct);
  set_number(object, "angle", element->angle);
  set_number(object, "radius", element->radius);
  set_number(object, "min", element->min);
  set_number(object, "first_quartile", element->first_quartile);
  set_number(object, "median", element->median);
  set_number(object, "third_quartile", element->third_quartile);
  set_number(object, "max", element->max);
  set_values(object, "outliers", &element->outliers);
  if (element->x.count == 0) return object;
  json_t *points = json_array();
  for (size_t i = 0; i < element->x.count; i++)
    json_array_append_new(points, json_pack("[oo]", value_of(&element->x, i), value_of(&element->y, i)));
  json_object_set_new(object, "points", points);
  return object;
}

/* A picture is its size and the sum of its bytes. */
static json_t *chart_json(const daytona_chart_t *chart) {
  json_t *object = json_object(), *elements = json_array();
  long long sum = 0;
  for (size_t i = 0; i < chart->png.size; i++) sum += (unsigned char)chart->png.data[i];
  set_text(object, "type", chart->type_name);
  set_text(object, "title", chart->title);
  set_axis(object, "x", chart->x);
  set_axis(object, "y", chart->y);
  if (chart->png.data != NULL)
    json_object_set_new(object, "png", json_pack("[II]", (json_int_t)chart->png.size, (json_int_t)sum));
  for (size_t i = 0; i < chart->element_count; i++)
    json_array_append_new(elements, element_json(chart->elements[i]));
  if (chart->element_count != 0) json_object_set(object, "elements", elements);
  json_decref(elements);
  return object;
}

static void must(daytona_future_t *future) {
  if (daytona_future_await(future) == DAYTONA_OK) return;
  fprintf(stderr, "%s\n", daytona_future_message(future));
  exit(EXIT_FAILURE);
}

static void print_charts(const daytona_exec_result_t *result) {
  json_t *charts = json_array();
  for (size_t i = 0; i < result->charts->count; i++)
    json_array_append_new(charts, chart_json(result->charts->items[i]));
  if (result->exit_code != 0) fprintf(stderr, "%s\n", result->result);
  json_dumpf(charts, stdout, JSON_COMPACT);
  putchar('\n');
  json_decref(charts);
}

static void run(daytona_sandbox_t *sandbox, const char *code, const daytona_process_code_run_opts_t *opts) {
  daytona_future_t *ran = daytona_process_code_run(sandbox, code, opts);
  must(ran);
  print_charts(daytona_future_exec_result(ran));
  daytona_future_release(ran);
}

int main(int argc, char **argv) {
  static char codes[65536];
  if (argc != 2) return EXIT_FAILURE;
  size_t size = fread(codes, 1, sizeof codes - 1, stdin);
  const daytona_pair_t path = {"PATH", argv[1]};
  const daytona_process_code_run_opts_t opts = {.env = {&path, 1}};
  daytona_client_t *client;
  if (daytona_client_new(uv_default_loop(), NULL, &client) != 0) return EXIT_FAILURE;
  daytona_future_t *made = daytona_sandbox_create(client, NULL);
  must(made);
  for (size_t at = 0; at < size; at += strlen(codes + at) + 1)
    run(daytona_future_sandbox(made), codes + at, &opts);
  daytona_future_release(made);
  daytona_client_close(client, NULL, NULL);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  daytona_client_release(client);
  return EXIT_SUCCESS;
}
