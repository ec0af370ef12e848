/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as charts: reading them must neither fall nor keep anything, give only what is inside of the text, and the same in
 * parts as at once.
 */
#include <math.h>
#include <string.h>

#include <daytona/chart.h>
#include <daytona/error.h>

#include "api/chart.h"
#include "core/memory.h"
#include "fuzz/target.h"

/* What was found, as a number. */
static uint64_t add(uint64_t sum, const void *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) sum = sum * 31 + ((const unsigned char *)bytes)[i];
  return sum + size;
}

static uint64_t add_text(uint64_t sum, const char *text) {
  return text != NULL ? add(sum + 1, text, strlen(text)) : sum * 7;
}

static uint64_t add_values(uint64_t sum, const daytona_chart_values_t *values) {
  for (size_t i = 0; i < values->count; i++) {
    if (!isnan(values->numbers[i])) sum = add(sum, &values->numbers[i], sizeof values->numbers[i]);
    if (values->texts != NULL) sum = add_text(sum, values->texts[i]);
  }
  return sum + values->count;
}

static uint64_t add_axis(uint64_t sum, const daytona_chart_axis_t *axis) {
  sum = add_text(add_text(sum, axis->label), axis->scale);
  for (size_t i = 0; i < axis->tick_labels.count; i++) {
    FUZZ_CHECK(axis->tick_labels.items[i] != NULL);
    sum = add_text(sum, axis->tick_labels.items[i]);
  }
  return add_values(sum, &axis->ticks);
}

static uint64_t add_chart(uint64_t sum, const daytona_chart_t *chart, unsigned depth) {
  FUZZ_CHECK(depth < DAYTONA__CHART_DEPTH_MAX);
  FUZZ_CHECK(chart->json[0] == '{' && chart->json[chart->json_size - 1] == '}');
  FUZZ_CHECK(chart->png.data == NULL ||
             (chart->png.size < chart->json_size && chart->png.data[chart->png.size] == '\0'));
  FUZZ_CHECK(chart->type == DAYTONA_CHART_UNKNOWN || chart->type_name != NULL);
  sum = add_text(add_text(sum, chart->type_name), chart->title);
  sum = add(sum, chart->png.data, chart->png.size);
  sum = add(sum, chart->json, chart->json_size);
  sum = add_axis(add_axis(sum, chart->x), chart->y);
  for (size_t i = 0; i < chart->element_count; i++) {
    const daytona_chart_element_t *element = chart->elements[i];
    FUZZ_CHECK(element->x.count == element->y.count);
    FUZZ_CHECK(!element->value.is_set || element->value_text != NULL);
    sum = add_text(add_text(add_text(sum, element->label), element->group), element->value_text);
    sum = add_values(add_values(add_values(sum, &element->x), &element->y), &element->outliers);
    if (element->chart != NULL) sum = add_chart(sum, element->chart, depth + 1);
  }
  return sum;
}

static uint64_t add_list(const daytona_chart_list_t *list) {
  uint64_t sum = list->skipped_count;
  for (size_t i = 0; i < list->count; i++) sum = add_chart(sum, list->items[i], 0);
  return sum;
}

static void check_parts(const char *text, size_t size, size_t work, uint64_t expected) {
  daytona__arena_t arena;
  daytona__charts_t charts;
  int rc;
  daytona__arena_init(&arena, 0);
  FUZZ_CHECK(daytona__charts_begin(&charts, &arena, DAYTONA__CHARTS_OF_ANY, text, size) == 0);
  while ((rc = daytona__charts_read(&charts, work)) == DAYTONA__CHARTS_AGAIN) continue;
  FUZZ_CHECK(rc == 0 && add_list(charts.list) == expected);
  daytona__arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  daytona_chart_list_t *list = NULL;
  size_t blocks = daytona__alloc_count();
  int rc = daytona_chart_parse((const char *)data, size, &list);
  FUZZ_CHECK(rc == DAYTONA_OK || rc == DAYTONA_EPROTOCOL || rc == DAYTONA_ELIMIT);
  FUZZ_CHECK((list != NULL) == (rc == DAYTONA_OK));
  if (list != NULL) check_parts((const char *)data, size, 1 + size % 100, add_list(list));
  daytona_chart_list_release(list);
  FUZZ_CHECK(daytona__alloc_count() == blocks);
  return 0;
}
