/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Charts: what each type has, what is tolerated, what is left out, what they may cost, and every chart that was recorded of
 * the published toolbox: chart [RECORDINGS].
 */
#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <daytona/daytona.h>

#include "api/chart.h"
#include "core/limits.h"
#include "core/memory.h"
#include "support/alloc.h"
#include "support/api_scene.h"
#include "support/check.h"

static const char *recordings = "";

/* Exactly the bytes of the text, so that a sanitizer sees a read behind them. */
static int parse_some(const char *json, size_t size, daytona_chart_list_t **list) {
  char *copy = malloc(size != 0 ? size : 1);
  memcpy(copy, json, size);
  int rc = daytona_chart_parse(copy, size, list);
  free(copy);
  return rc;
}

static daytona_chart_list_t *parse(const char *json) {
  daytona_chart_list_t *list = NULL;
  assert_int_equal(parse_some(json, strlen(json), &list), DAYTONA_OK);
  return list;
}

/* The only chart of a list of one. */
static const daytona_chart_t *only(const daytona_chart_list_t *list) {
  assert_int_equal(list->count, 1);
  assert_int_equal(list->skipped_count, 0);
  return list->items[0];
}

static void holds(daytona_opt_num_t number, double value) {
  assert_true(number.is_set);
  assert_true(number.value == value);
}

/* --- what there is ----------------------------------------------------------------------------- */

static void a_line_has_points_and_axes(void **state) {
  static const char json[] =
    "{\"title\": \"T\", \"x_label\": \"x\", \"y_label\": \"\", \"x_ticks\": [0.75, 1], \"x_tick_labels\": "
    "[\"0.75\", \"1.00\"],"
    " \"x_scale\": \"linear\", \"y_scale\": \"log\", \"type\": \"line\","
    " \"elements\": [{\"label\": \"a\", \"points\": [[1, 2], [2, 4.5]]}, {\"label\": \"b\"}], \"png\": "
    "\"iVBORw0KGgo=\"}";
  daytona_chart_list_t *list = parse(json);
  const daytona_chart_t *chart = only(list);
  assert_int_equal(chart->type, DAYTONA_CHART_LINE);
  assert_string_equal(chart->type_name, "line");
  assert_string_equal(chart->title, "T");
  assert_string_equal(chart->x->label, "x");
  assert_string_equal(chart->y->label, "");
  assert_string_equal(chart->y->scale, "log");
  assert_int_equal(chart->x->ticks.count, 2);
  assert_true(chart->x->ticks.numbers[0] == 0.75);
  assert_null(chart->x->ticks.texts);
  assert_int_equal(chart->x->tick_labels.count, 2);
  assert_string_equal(chart->x->tick_labels.items[1], "1.00");
  assert_int_equal(chart->y->ticks.count, 0);
  assert_int_equal(chart->png.size, 8);
  assert_memory_equal(chart->png.data, "\x89PNG\r\n\x1a\n", 9);
  assert_int_equal(chart->element_count, 2);
  const daytona_chart_element_t *line = chart->elements[0];
  assert_string_equal(line->label, "a");
  assert_int_equal(line->x.count, 2);
  assert_int_equal(line->y.count, 2);
  assert_true(line->x.numbers[1] == 2 && line->y.numbers[1] == 4.5);
  assert_null(line->x.texts);
  assert_false(line->value.is_set || line->angle.is_set || line->median.is_set);
  assert_null(line->chart);
  assert_int_equal(chart->elements[1]->x.count, 0);
  assert_int_equal(chart->json_size, strlen(json));
  assert_memory_equal(chart->json, json, strlen(json));
  daytona_chart_list_release(list);
}

static void bars_pies_and_boxes_have_their_members(void **state) {
  daytona_chart_list_t *list = parse(
    "[{\"type\":\"bar\",\"elements\":[{\"label\":\"a\",\"group\":\"g\",\"value\":\"3.0\"},{\"value\":-4e1},{"
    "\"value\":\"many\"}]},"
    "{\"type\":\"pie\",\"elements\":[{\"label\":\"p\",\"angle\":45,\"radius\":\"1.5\",\"autopct\":\"12%\"},{"
    "\"autopct\":12.5}]},"
    "{\"type\":\"box_and_whisker\",\"elements\":[{\"label\":\"b\",\"min\":1,\"first_quartile\":2,\"median\":"
    "3,"
    "\"third_quartile\":4,\"max\":5,\"outliers\":[20,null]}]}]");
  assert_int_equal(list->count, 3);
  const daytona_chart_element_t *const *bars = list->items[0]->elements;
  assert_int_equal(list->items[0]->type, DAYTONA_CHART_BAR);
  assert_string_equal(bars[0]->group, "g");
  assert_string_equal(bars[0]->value_text, "3.0");
  holds(bars[0]->value, 3);
  assert_string_equal(bars[1]->value_text, "-4e1");
  holds(bars[1]->value, -40);
  assert_string_equal(bars[2]->value_text, "many");
  assert_false(bars[2]->value.is_set);
  const daytona_chart_element_t *const *wedges = list->items[1]->elements;
  assert_int_equal(list->items[1]->type, DAYTONA_CHART_PIE);
  holds(wedges[0]->angle, 45);
  holds(wedges[0]->radius, 1.5);
  assert_string_equal(wedges[0]->autopct, "12%");
  assert_string_equal(wedges[1]->autopct, "12.5");
  const daytona_chart_element_t *box = list->items[2]->elements[0];
  assert_int_equal(list->items[2]->type, DAYTONA_CHART_BOX_AND_WHISKER);
  holds(box->min, 1);
  holds(box->first_quartile, 2);
  holds(box->median, 3);
  holds(box->third_quartile, 4);
  holds(box->max, 5);
  assert_int_equal(box->outliers.count, 2);
  assert_true(box->outliers.numbers[0] == 20 && isnan(box->outliers.numbers[1]));
  daytona_chart_list_release(list);
}

static void a_composite_has_charts_with_all_that_was_sent(void **state) {
  daytona_chart_list_t *list = parse(
    "{\"elements\":[{\"type\":\"line\",\"title\":\"left\",\"x_label\":\"lx\",\"elements\":[{\"points\":[[1,2]"
    "]}],\"png\":\"Zg==\"},"
    "{\"type\":\"scatter\"},{}],\"type\":\"composite_chart\",\"png\":\"Zm8=\"}");
  const daytona_chart_t *chart = only(list);
  assert_int_equal(chart->type, DAYTONA_CHART_COMPOSITE);
  assert_string_equal(chart->png.data, "fo");
  assert_int_equal(chart->element_count, 3);
  const daytona_chart_t *left = chart->elements[0]->chart;
  assert_int_equal(left->type, DAYTONA_CHART_LINE);
  assert_string_equal(left->title, "left");
  assert_string_equal(left->x->label, "lx");
  assert_null(left->y->label);
  assert_string_equal(left->png.data, "f");
  assert_true(left->elements[0]->y.numbers[0] == 2);
  assert_memory_equal(left->json, "{\"type\":\"line\"", 14);
  assert_int_equal(left->json[left->json_size - 1], '}');
  assert_int_equal(chart->elements[1]->chart->type, DAYTONA_CHART_SCATTER);
  assert_null(chart->elements[2]->chart);
  daytona_chart_list_release(list);
}

/* --- what is tolerated ------------------------------------------------------------------------- */

static void dates_and_categories_are_texts(void **state) {
  daytona_chart_list_t *list = parse(
    "{\"type\":\"scatter\",\"x_ticks\":[\"2026-01-31\",\"2\"],\"elements\":[{\"points\":"
    "[[\"2026-01-31T00:00:00\",1],[2,\"high\"],[3],[],null,[4,5,6],{\"a\":1},[[1],2]]}]}");
  const daytona_chart_t *chart = only(list);
  const daytona_chart_values_t *x = &chart->elements[0]->x, *y = &chart->elements[0]->y;
  assert_true(isnan(chart->x->ticks.numbers[0]) && chart->x->ticks.numbers[1] == 2);
  assert_string_equal(chart->x->ticks.texts[0], "2026-01-31");
  assert_string_equal(chart->x->ticks.texts[1], "2");
  assert_int_equal(x->count, 8);
  assert_int_equal(y->count, 8);
  assert_string_equal(x->texts[0], "2026-01-31T00:00:00");
  assert_true(isnan(x->numbers[0]) && y->numbers[0] == 1);
  assert_null(y->texts[0]);
  assert_string_equal(y->texts[1], "high");
  assert_true(x->numbers[2] == 3 && isnan(y->numbers[2]));
  assert_true(isnan(x->numbers[3]) && isnan(x->numbers[4]));
  assert_true(x->numbers[5] == 4 && y->numbers[5] == 5);
  assert_true(isnan(x->numbers[6]) && isnan(x->numbers[7]) && y->numbers[7] == 2);
  daytona_chart_list_release(list);
}

static void wrong_types_count_as_missing(void **state) {
  daytona_chart_list_t *list = parse(
    "[{\"type\":5,\"title\":[1],\"png\":7,\"x_ticks\":\"no\",\"x_tick_labels\":[1.50,null,\"c\"],\"x_scale\":"
    "{},"
    "\"elements\":[1,[2],null,{\"label\":7,\"points\":3,\"median\":\"\",\"min\":true,\"max\":1e999,"
    "\"outliers\":{}}]},"
    "{\"type\":\"heatmap\",\"elements\":{\"0\":1},\"png\":\"no base64!\"},{}]");
  assert_int_equal(list->count, 3);
  const daytona_chart_t *chart = list->items[0];
  assert_int_equal(chart->type, DAYTONA_CHART_UNKNOWN);
  assert_string_equal(chart->type_name, "5");
  assert_null(chart->title);
  assert_null(chart->png.data);
  assert_int_equal(chart->x->ticks.count, 0);
  assert_null(chart->x->scale);
  assert_int_equal(chart->x->tick_labels.count, 3);
  assert_string_equal(chart->x->tick_labels.items[0], "1.50");
  assert_string_equal(chart->x->tick_labels.items[1], "");
  assert_int_equal(chart->element_count, 1);
  const daytona_chart_element_t *element = chart->elements[0];
  assert_string_equal(element->label, "7");
  assert_int_equal(element->x.count, 0);
  assert_false(element->median.is_set || element->min.is_set || element->max.is_set);
  assert_string_equal(list->items[1]->type_name, "heatmap");
  assert_int_equal(list->items[1]->type, DAYTONA_CHART_UNKNOWN);
  assert_int_equal(list->items[1]->element_count, 0);
  assert_null(list->items[1]->png.data);
  assert_int_equal(list->items[1]->png.size, 0);
  assert_null(list->items[2]->type_name);
  assert_non_null(list->items[2]->x);
  daytona_chart_list_release(list);
}

static void the_last_of_double_keys_counts(void **state) {
  daytona_chart_list_t *list = parse(
    "{\"type\":\"line\",\"\\u0074ype\":\"pie\",\"title\":\"a\",\"title\":null,\"png\":\"Zg==\","
    "\"png\":null,\"elements\":[{\"label\":\"a\"}],\"elements\":[]}");
  const daytona_chart_t *chart = only(list);
  assert_int_equal(chart->type, DAYTONA_CHART_PIE);
  assert_null(chart->title);
  assert_null(chart->png.data);
  assert_int_equal(chart->element_count, 0);
  daytona_chart_list_release(list);
}

static void pictures_may_have_escapes_and_line_ends(void **state) {
  daytona_chart_list_t *list = parse(
    "[{\"png\":\"\\/\\/7\\u002b\"},{\"png\":\"Zm9v\\nYg==\\n\"},{\"png\":\"Zg\"},{\"png\":\"Zg==Zg==\"},"
    "{\"png\":\"Z\"},{\"png\":\"\"}]");
  static const char *const expected[] = {"\xff\xfe\xfe", "foob", "f", NULL, NULL, NULL};
  assert_int_equal(list->count, 6);
  for (size_t i = 0; i < 6; i++)
    if (expected[i] == NULL)
      assert_null(list->items[i]->png.data);
    else
      assert_string_equal(list->items[i]->png.data, expected[i]);
  daytona_chart_list_release(list);
}

static void charts_come_in_four_wrappings(void **state) {
  static const char *const texts[] = {
    "{\"type\":\"pie\"}",
    "[{\"type\":\"pie\"}]",
    " {\"other\":[{}],\"charts\":[{\"type\":\"pie\"}]} ",
    "{\"type\": \"chart\", \"value\": {\"type\": \"pie\"}}\n",
  };
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    daytona_chart_list_t *list = parse(texts[i]);
    assert_int_equal(only(list)->type, DAYTONA_CHART_PIE);
    daytona_chart_list_release(list);
  }
  daytona_chart_list_t *list = parse("{\"charts\":[1,{\"title\":\"kept\"},null,[]]}");
  assert_int_equal(list->count, 1);
  assert_int_equal(list->skipped_count, 3);
  assert_string_equal(list->items[0]->title, "kept");
  daytona_chart_list_release(list);
  list = parse("{\"type\":\"chart\",\"value\":3}");
  assert_string_equal(only(list)->type_name, "chart");
  daytona_chart_list_release(list);
  list = parse("[]");
  assert_int_equal(list->count, 0);
  daytona_chart_list_release(list);
  daytona_chart_list_release(NULL);
}

/* --- what is refused --------------------------------------------------------------------------- */

static void what_is_no_json_is_refused(void **state) {
  static const char *const texts[] = {
    "",          " ", "null", "7", "\"x\"", "{", "[{}", "{}x", "[{}]]", "{\"a\":NaN}", "{\"a\":\"\xff\"}",
    "[Infinity]"};
  daytona_chart_list_t *list = NULL;
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    assert_int_equal(parse_some(texts[i], strlen(texts[i]), &list), DAYTONA_EPROTOCOL);
    assert_null(list);
  }
  assert_int_equal(daytona_chart_parse(NULL, 0, &list), DAYTONA_EPROTOCOL);
  assert_int_equal(daytona_chart_parse(NULL, 1, &list), DAYTONA_EINVAL);
  assert_int_equal(daytona_chart_parse("{}", 2, NULL), DAYTONA_EINVAL);
  assert_int_equal(daytona_chart_parse("{}", DAYTONA__JSON_BODY_MAX + 1, &list), DAYTONA_ELIMIT);
  char deep[2 * DAYTONA__JSON_DEPTH_MAX + 2];
  memset(deep, '[', sizeof deep);
  assert_int_equal(daytona_chart_parse(deep, sizeof deep, &list), DAYTONA_ELIMIT);
  assert_null(list);
}

static void charts_inside_each_other_have_a_ceiling(void **state) {
  char json[1024] = "";
  enum { LEVELS = 12 };
  for (int i = 0; i < LEVELS; i++) strcat(json, "{\"type\":\"composite_chart\",\"elements\":[");
  for (int i = 0; i < LEVELS; i++) strcat(json, "]}");
  daytona_chart_list_t *list = parse(json);
  int levels = 0;
  for (const daytona_chart_t *chart = only(list); chart != NULL; levels++)
    chart = chart->element_count != 0 ? chart->elements[0]->chart : NULL;
  assert_int_equal(levels, DAYTONA__CHART_DEPTH_MAX);
  daytona_chart_list_release(list);
}

/* A text of a few bytes for each of many objects is left out before it takes much memory; what is beside it stays. */
static void a_chart_that_would_take_too_much_is_left_out(void **state) {
  enum { COUNT = 900000 };
  char *json = malloc(COUNT * 3 + 256), *at = json;
  at += sprintf(at, "[{\"title\":\"before\",\"png\":\"Zg==\"},{\"png\":\"Zm8=\",\"elements\":[{}");
  for (int i = 1; i < COUNT; i++) at += sprintf(at, ",{}");
  at += sprintf(at, "]}]");
  support_alloc_install();
  daytona_chart_list_t *list = NULL;
  assert_int_equal(daytona_chart_parse(json, (size_t)(at - json), &list), DAYTONA_OK);
  assert_int_equal(list->count, 1);
  assert_int_equal(list->skipped_count, 1);
  assert_string_equal(list->items[0]->title, "before");
  assert_string_equal(list->items[0]->png.data, "f");
  assert_true(support_alloc_largest() <=
              DAYTONA__CHART_MEMORY_BASE + DAYTONA__CHART_MEMORY_FACTOR * (size_t)(at - json));
  daytona_chart_list_release(list);
  support_alloc_remove();
  free(json);
}

static void many_points_are_read(void **state) {
  enum { COUNT = 300000 };
  char *json = malloc(COUNT * 32), *at = json;
  at += sprintf(at, "{\"elements\":[{\"points\":[[0,0]");
  for (int i = 1; i < COUNT; i++) at += sprintf(at, ",[%d,%d]", i, 2 * i);
  at += sprintf(at, "]}]}");
  daytona_chart_list_t *list = parse(json);
  const daytona_chart_element_t *line = only(list)->elements[0];
  assert_int_equal(line->x.count, COUNT);
  assert_true(line->y.numbers[COUNT - 1] == 2 * (COUNT - 1));
  daytona_chart_list_release(list);
  free(json);
}

/* --- cuts, changes, memory --------------------------------------------------------------------- */

static const char sample[] =
  "{\"charts\":[{\"type\":\"composite_chart\",\"title\":\"\\ud83d\\ude00 "
  "\\u0000\",\"png\":\"iVBORw0KGgo=\",\"elements\":["
  "{\"type\":\"bar\",\"x_tick_labels\":[\"a\",1,null],\"elements\":[{\"label\":\"a\",\"group\":\"g\","
  "\"value\":\"3.0\"},{\"value\":4}]},"
  "{\"type\":\"scatter\",\"x_ticks\":[1,\"2\"],\"elements\":[{\"points\":[[1,\"2026\"],[],[3,4,5]]}]},"
  "{\"type\":\"box_and_whisker\",\"elements\":[{\"min\":1e5,\"outliers\":[1,-2.5]}]}]},7,"
  "{\"type\":\"pie\",\"png\":\"\\/\\/"
  "7+\",\"elements\":[{\"angle\":\"45\",\"autopct\":null}],\"more\":{\"x\":[true,false]}}]}";

/* Touches all that the list says it has. */
static size_t walk_values(const daytona_chart_values_t *values) {
  size_t sum = 0;
  for (size_t i = 0; i < values->count; i++) {
    sum += values->numbers[i] > 0;
    if (values->texts != NULL && values->texts[i] != NULL) sum += strlen(values->texts[i]);
  }
  return sum;
}

static size_t walk_chart(const daytona_chart_t *chart) {
  size_t sum = walk_values(&chart->x->ticks) + walk_values(&chart->y->ticks);
  for (size_t i = 0; i < chart->x->tick_labels.count; i++) sum += strlen(chart->x->tick_labels.items[i]);
  if (chart->png.data != NULL) assert_int_equal(chart->png.data[chart->png.size], 0);
  assert_int_equal(chart->json[0], '{');
  assert_int_equal(chart->json[chart->json_size - 1], '}');
  for (size_t i = 0; i < chart->element_count; i++) {
    const daytona_chart_element_t *element = chart->elements[i];
    assert_int_equal(element->x.count, element->y.count);
    sum += walk_values(&element->x) + walk_values(&element->y) + walk_values(&element->outliers);
    if (element->chart != NULL) sum += walk_chart(element->chart);
  }
  return sum;
}

static size_t walk(const daytona_chart_list_t *list) {
  size_t sum = 0;
  for (size_t i = 0; i < list->count; i++) sum += walk_chart(list->items[i]);
  return sum;
}

static void every_cut_is_refused(void **state) {
  daytona_chart_list_t *list = NULL;
  for (size_t size = 0; size < sizeof sample - 1; size++) {
    assert_int_equal(parse_some(sample, size, &list), DAYTONA_EPROTOCOL);
    assert_null(list);
  }
  list = parse(sample);
  assert_int_equal(list->count, 2);
  assert_int_equal(list->skipped_count, 1);
  assert_true(walk(list) > 0);
  daytona_chart_list_release(list);
}

static void every_changed_byte_is_survived(void **state) {
  static const char bytes[] = "\"\\{}[],:0-nx\x80";
  for (size_t at = 0; at < sizeof sample - 1; at++)
    for (const char *byte = bytes; *byte != '\0'; byte++) {
      char changed[sizeof sample];
      daytona_chart_list_t *list = NULL;
      memcpy(changed, sample, sizeof sample);
      changed[at] = *byte;
      int rc = parse_some(changed, sizeof sample - 1, &list);
      assert_true(rc == DAYTONA_EPROTOCOL || rc == DAYTONA_OK);
      if (rc == DAYTONA_OK) walk(list);
      daytona_chart_list_release(list);
    }
}

/* In parts of any size the result is the same. */
static void every_text_is_the_same_in_parts(void **state) {
  daytona_chart_list_t *list = parse(sample);
  for (size_t work = 1; work < 4096; work *= 3) {
    daytona__arena_t arena;
    daytona__charts_t charts;
    int rc, turns = 0;
    daytona__arena_init(&arena, 0);
    assert_int_equal(
      daytona__charts_begin(&charts, &arena, DAYTONA__CHARTS_OF_ARTIFACTS, sample, sizeof sample - 1), 0);
    while ((rc = daytona__charts_read(&charts, work)) == DAYTONA__CHARTS_AGAIN) turns++;
    assert_int_equal(rc, 0);
    assert_true(work != 1 || turns > 3);
    assert_int_equal(walk(charts.list), walk(list));
    assert_string_equal(charts.list->items[0]->png.data, list->items[0]->png.data);
    daytona__arena_clear(&arena);
  }
  daytona_chart_list_release(list);
}

/* The charts of the sample, many times. Single failures may be survived: the arena asks for less then. */
static void without_memory(void *user) {
  enum { TIMES = 60, BEFORE = sizeof "{\"charts\":[" - 1, BEHIND = sizeof "]}" - 1 };
  static char json[TIMES * sizeof sample];
  const daytona_chart_list_t *whole = user;
  daytona_chart_list_t *list = NULL;
  char *at = json;
  for (int i = 0; i < TIMES; i++)
    at +=
      sprintf(at, "%c%.*s", i == 0 ? '[' : ',', (int)(sizeof sample - 1 - BEFORE - BEHIND), sample + BEFORE);
  strcpy(at, "]");
  int rc = daytona_chart_parse(json, strlen(json), &list);
  assert_true(rc == DAYTONA_OK || (rc == DAYTONA_ENOMEM && support_alloc_failed() != 0 && list == NULL));
  if (rc == DAYTONA_OK) assert_int_equal(walk(list), TIMES * walk(whole));
  daytona_chart_list_release(list);
}

static void a_lack_of_memory_is_an_error(void **state) {
  support_alloc_install();
  daytona_chart_list_t *whole = parse(sample);
  support_alloc_sweep(without_memory, whole);
  daytona_chart_list_release(whole);
  support_alloc_remove();
}

/* --- of a program ------------------------------------------------------------------------------ */

static const char code_run[] = "POST /toolbox/sb-1/process/code-run";
static const daytona_process_code_run_opts_t unmarked = {.leaves_running = true};

static void a_program_gives_its_charts(void **state) {
  static const struct {
    const char *artifacts;
    size_t count, skipped;
  } rows[] = {
    {"", 0, 0},
    {",\"artifacts\":null", 0, 0},
    {",\"artifacts\":{}", 0, 0},
    {",\"artifacts\":7", 0, 0},
    {",\"artifacts\":[{\"type\":\"pie\"}]", 0, 0},
    {",\"artifacts\":{\"charts\":{}}", 0, 0},
    {",\"artifacts\":{\"charts\":[{\"type\":\"pie\"},1,{\"type\":\"bar\"}]}", 2, 1},
  };
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    char body[256];
    snprintf(body, sizeof body, "{\"exitCode\":3,\"result\":\"out\"%s}", rows[i].artifacts);
    api_answer(&scene, code_run, 200, body);
    daytona_future_t *future = api_must(daytona_process_code_run(sandbox, "x", &unmarked));
    const daytona_exec_result_t *result = daytona_future_exec_result(future);
    assert_int_equal(result->exit_code, 3);
    assert_string_equal(result->result, "out");
    assert_int_equal(result->charts->count, rows[i].count);
    assert_int_equal(result->charts->skipped_count, rows[i].skipped);
    assert_int_equal(daytona_future_skipped_count(future), rows[i].skipped);
    if (rows[i].count != 0) assert_int_equal(result->charts->items[1]->type, DAYTONA_CHART_BAR);
    daytona_future_release(future);
  }
  api_close_with(&scene, sandbox);
}

enum { PICTURE = 1 << 20 };

/* The response of a program with a picture of a megabyte. */
static const char *long_answer(void) {
  static const char head[] =
    "{\"exitCode\":0,\"result\":\"\",\"artifacts\":{\"charts\":[{\"type\":\"line\",\"png\":\"",
                    tail[] = "\"}]}}";
  static char body[sizeof head + PICTURE / 3 * 4 + sizeof tail];
  memcpy(body, head, sizeof head - 1);
  memset(body + sizeof head - 1, 'A', PICTURE / 3 * 4);
  memcpy(body + sizeof head - 1 + PICTURE / 3 * 4, tail, sizeof tail);
  return body;
}

static void count_turn(uv_idle_t *idle) { ++*(size_t *)idle->data; }

static void a_large_picture_leaves_turns_to_others(void **state) {
  size_t turns = 0;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, code_run, 200, long_answer());
  uv_idle_t idle = {.data = &turns};
  uv_idle_init(&scene.uv, &idle);
  uv_idle_start(&idle, count_turn);
  daytona_future_t *future = daytona_process_code_run(sandbox, "x", &unmarked);
  assert_int_equal(daytona_future_await(future), DAYTONA_OK);
  const daytona_chart_list_t *charts = daytona_future_exec_result(future)->charts;
  assert_int_equal(only(charts)->png.size, PICTURE / 3 * 3);
  assert_int_equal(charts->items[0]->png.data[PICTURE / 2], 0);
  assert_true(turns >= 2 * PICTURE / (256 << 10));
  daytona_future_release(future);
  uv_close((uv_handle_t *)&idle, NULL);
  api_close_with(&scene, sandbox);
}

/* Given up in each turn of the loop in which it is pending; in the last one the result is there already. */
static void reading_can_be_given_up(void **state) {
  bool is_over = false;
  size_t cancelled = 0;
  for (int turns = 1; !is_over; turns++) {
    api_scene_t scene;
    daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
    api_answer(&scene, code_run, 200, long_answer());
    daytona_future_t *future = daytona_process_code_run(sandbox, "x", &unmarked);
    for (int i = 0; i < turns && !daytona_future_is_settled(future); i++) uv_run(&scene.uv, UV_RUN_ONCE);
    is_over = daytona_future_is_settled(future);
    daytona_future_cancel(future);
    daytona_future_await(future);
    assert_true(daytona_future_code(future) == DAYTONA_OK ||
                daytona_future_code(future) == DAYTONA_ECANCELED);
    cancelled += daytona_future_code(future) == DAYTONA_ECANCELED;
    daytona_future_release(future);
    api_close_with(&scene, sandbox);
  }
  assert_true(cancelled >= 2 * PICTURE / (256 << 10));
}

/* --- recordings -------------------------------------------------------------------------------- */

static void same_text(const char *text, json_t *value) {
  if (value == NULL)
    assert_null(text);
  else
    assert_string_equal(text, json_string_value(value));
}

static void same_number(daytona_opt_num_t number, json_t *value) {
  assert_int_equal(number.is_set, value != NULL);
  if (value != NULL) assert_true(number.value == json_number_value(value));
}

static void same_values(const daytona_chart_values_t *values, json_t *array) {
  assert_int_equal(values->count, json_array_size(array));
  for (size_t i = 0; i < values->count; i++)
    assert_true(values->numbers[i] == json_number_value(json_array_get(array, i)));
}

static void same_points(const daytona_chart_element_t *element, json_t *points) {
  assert_int_equal(element->x.count, json_array_size(points));
  for (size_t i = 0; i < element->x.count; i++) {
    json_t *point = json_array_get(points, i);
    assert_true(element->x.numbers[i] == json_number_value(json_array_get(point, 0)));
    assert_true(element->y.numbers[i] == json_number_value(json_array_get(point, 1)));
  }
}

static void same_axis(const daytona_chart_axis_t *axis, json_t *chart, const char *name) {
  char key[32];
  const char *keys[] = {"label", "scale", "ticks", "tick_labels"};
  json_t *values[4];
  for (int i = 0; i < 4; i++) {
    snprintf(key, sizeof key, "%s_%s", name, keys[i]);
    values[i] = json_object_get(chart, key);
  }
  same_text(axis->label, values[0]);
  same_text(axis->scale, values[1]);
  same_values(&axis->ticks, values[2]);
  assert_int_equal(axis->tick_labels.count, json_array_size(values[3]));
  for (size_t i = 0; i < axis->tick_labels.count; i++)
    same_text(axis->tick_labels.items[i], json_array_get(values[3], i));
}

static void same_chart(const daytona_chart_t *chart, json_t *expected);

static void same_element(const daytona_chart_element_t *element, json_t *expected) {
#define GET(member) json_object_get(expected, #member)
  same_text(element->label, GET(label));
  same_text(element->group, GET(group));
  same_text(element->value_text, GET(value));
  same_number(element->angle, GET(angle));
  same_number(element->radius, GET(radius));
  same_number(element->min, GET(min));
  same_number(element->first_quartile, GET(first_quartile));
  same_number(element->median, GET(median));
  same_number(element->third_quartile, GET(third_quartile));
  same_number(element->max, GET(max));
  same_values(&element->outliers, GET(outliers));
  same_points(element, GET(points));
  assert_int_equal(element->chart != NULL, GET(type) != NULL);
  if (element->chart != NULL) same_chart(element->chart, expected);
#undef GET
}

static void same_chart(const daytona_chart_t *chart, json_t *expected) {
  json_t *elements = json_object_get(expected, "elements"), *png = json_object_get(expected, "png");
  same_text(chart->type_name, json_object_get(expected, "type"));
  same_text(chart->title, json_object_get(expected, "title"));
  same_axis(chart->x, expected, "x");
  same_axis(chart->y, expected, "y");
  assert_int_equal(chart->png.data != NULL, png != NULL);
  if (png != NULL) {
    assert_true(chart->png.size > 100 && chart->png.size <= json_string_length(png) / 4 * 3);
    assert_memory_equal(chart->png.data, "\x89PNG\r\n\x1a\n", 8);
    assert_memory_equal(chart->png.data + chart->png.size - 8, "IEND\xae\x42\x60\x82", 8);
  }
  assert_int_equal(chart->element_count, json_array_size(elements));
  for (size_t i = 0; i < chart->element_count; i++)
    same_element(chart->elements[i], json_array_get(elements, i));
  json_t *raw = json_loadb(chart->json, chart->json_size, 0, NULL);
  assert_true(json_equal(raw, expected));
  json_decref(raw);
}

/* The charts of one recorded response; how many. */
static size_t check_response(json_t *response) {
  const char *text = json_string_value(json_object_get(response, "body_text"));
  json_t *body = text != NULL ? json_loads(text, JSON_ALLOW_NUL, NULL) : NULL;
  json_t *charts = json_object_get(json_object_get(body, "artifacts"), "charts");
  size_t count = json_array_size(charts);
  if (count != 0) {
    char *artifacts = json_dumps(json_object_get(body, "artifacts"), JSON_COMPACT);
    daytona_chart_list_t *list = parse(artifacts);
    assert_int_equal(list->count, count);
    for (size_t i = 0; i < count; i++) same_chart(list->items[i], json_array_get(charts, i));
    daytona_chart_list_release(list);
    free(artifacts);
  }
  json_decref(body);
  return count;
}

static void every_recorded_chart_is_read(void **state) {
  DIR *folder = opendir(recordings);
  size_t count = 0;
  if (folder == NULL) {
    print_message("# skipped: there is no folder with recordings of the published toolbox\n");
    skip();
    return;
  }
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    char path[4096];
    size_t step;
    json_t *item;
    if (strncmp(entry->d_name, "chart-", 6) != 0) continue;
    snprintf(path, sizeof path, "%s/%s", recordings, entry->d_name);
    json_t *recording = json_load_file(path, JSON_ALLOW_NUL, NULL);
    assert_non_null(recording);
    json_array_foreach (json_object_get(recording, "steps"), step, item)
      count += check_response(json_object_get(json_object_get(item, "http"), "response"));
    json_decref(recording);
  }
  closedir(folder);
  print_message("%zu charts\n", count);
  assert_true(count >= 14);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_line_has_points_and_axes),
    cmocka_unit_test(bars_pies_and_boxes_have_their_members),
    cmocka_unit_test(a_composite_has_charts_with_all_that_was_sent),
    cmocka_unit_test(dates_and_categories_are_texts),
    cmocka_unit_test(wrong_types_count_as_missing),
    cmocka_unit_test(the_last_of_double_keys_counts),
    cmocka_unit_test(pictures_may_have_escapes_and_line_ends),
    cmocka_unit_test(charts_come_in_four_wrappings),
    cmocka_unit_test(what_is_no_json_is_refused),
    cmocka_unit_test(charts_inside_each_other_have_a_ceiling),
    cmocka_unit_test(a_chart_that_would_take_too_much_is_left_out),
    cmocka_unit_test(many_points_are_read),
    cmocka_unit_test(every_cut_is_refused),
    cmocka_unit_test(every_changed_byte_is_survived),
    cmocka_unit_test(every_text_is_the_same_in_parts),
    cmocka_unit_test(a_lack_of_memory_is_an_error),
    cmocka_unit_test(a_program_gives_its_charts),
    cmocka_unit_test(a_large_picture_leaves_turns_to_others),
    cmocka_unit_test(reading_can_be_given_up),
    cmocka_unit_test(every_recorded_chart_is_read),
  };
  if (argc > 1) recordings = argv[1];
  return cmocka_run_group_tests(tests, NULL, NULL);
}
