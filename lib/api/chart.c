/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Charts from JSON.
 *
 * Members are found by table. Their types vary from server to server (a bar's value is a string in the published daemon and a
 * number in what plotting programs print), so each value is read by what it is, and one that does not fit counts as missing.
 *
 * Pictures are decoded after the structure, in parts of their own: each is most of its chart's text.
 *
 * Invariants: the text has been checked as a whole, so the lexer does not fail; when `code` is set nothing more is read
 * of the chart; a chart is in the list only when all of it was read.
 */
#include "api/chart.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include <daytona/error.h>

#include "core/ascii.h"
#include "core/limits.h"

typedef daytona__charts_t charts_t;
typedef daytona__chart_node_t node_t;

struct daytona__chart_node {
  daytona_chart_t chart; /* first: its members are found by their offsets in the node */
  daytona_chart_axis_t x, y;
  node_t *next;    /* in the list */
  node_t *pending; /* the next with a picture to be decoded */
  daytona__json_string_t picture;
  daytona__base64_t base64;
  size_t done; /* of the picture's text */
};

typedef struct element element_t;
struct element {
  daytona_chart_element_t element; /* first */
  element_t *next;
};

/* Base64 that is decoded in one step, and what a step counts besides the text that it reads. */
enum { PICTURE_PART = 256 << 10, STEP_WORK = 64 };

/* Longer keys than this are none of ours. */
enum { KEY_MAX = 32 };

/* --- memory and texts -------------------------------------------------------------------------- */

/* Zeroed; NULL with `code` set. */
static void *take(charts_t *charts, size_t count, size_t size) {
  assert(charts->code == 0 && size != 0);
  if (count > charts->room / size) {
    charts->code = DAYTONA_ELIMIT;
    return NULL;
  }
  void *block = daytona__arena_array(charts->arena, count, size);
  if (block == NULL) charts->code = DAYTONA_ENOMEM;
  charts->room -= count * size;
  return block;
}

static const char *copy_string(charts_t *charts, const daytona__json_string_t *string) {
  size_t size = daytona__json_copy_size(string, DAYTONA__JSON_NUL_REPLACED);
  if (size == 0) return "";
  char *copy = take(charts, size + 1, 1);
  if (copy != NULL) daytona__json_copy(string, DAYTONA__JSON_NUL_REPLACED, copy);
  return copy;
}

static bool is_digit(int c) { return c == '-' || (c >= '0' && c <= '9'); }

/* A text that is a number and nothing else; NaN if it is none. */
static double number_in(const char *text) {
  daytona__json_lexer_t lexer;
  daytona__json_number_t number;
  double value;
  daytona__json_lexer_init(&lexer, text, strlen(text));
  bool ok = is_digit(daytona__json_peek(&lexer)) && daytona__json_lex_number(&lexer, &number) &&
            daytona__json_at_end(&lexer) && daytona__json_to_double(&number, &value);
  return ok ? value : NAN;
}

/* A number or string. NaN for what is no number; *text is NULL for what is no string. */
static double read_value(charts_t *charts, const char **text) {
  daytona__json_string_t string;
  daytona__json_number_t number;
  double value = NAN;
  int c = daytona__json_peek(&charts->lexer);
  *text = NULL;
  if (c == '"') {
    if (daytona__json_lex_string(&charts->lexer, &string)) *text = copy_string(charts, &string);
    return *text != NULL ? number_in(*text) : NAN;
  }
  if (!is_digit(c)) {
    daytona__json_skip(&charts->lexer);
    return NAN;
  }
  if (!daytona__json_lex_number(&charts->lexer, &number)) return NAN;
  return daytona__json_to_double(&number, &value) ? value : NAN;
}

/* A string, or a number as it stands there. NULL for anything else. */
static const char *read_text(charts_t *charts) {
  const char *text, *from;
  int c = daytona__json_peek(&charts->lexer);
  from = charts->lexer.at;
  read_value(charts, &text);
  if (text != NULL || !is_digit(c) || charts->code != 0) return text;
  size_t size = (size_t)(charts->lexer.at - from);
  char *copy = take(charts, size + 1, 1);
  return copy != NULL ? memcpy(copy, from, size) : NULL;
}

static daytona_opt_num_t read_number(charts_t *charts) {
  const char *text;
  double value = read_value(charts, &text);
  return isnan(value) ? (daytona_opt_num_t){false, 0} : daytona_num(value);
}

/* --- arrays of plain values -------------------------------------------------------------------- */

/* How many items the array at the lexer has, and whether any of them, or of what is in them, is a string. */
static size_t count_items(daytona__json_lexer_t lexer, bool *has_text) {
  daytona__json_walk_t walk = {0};
  if (!daytona__json_open(&lexer)) return 0;
  while (daytona__json_next_item(&lexer, &walk)) {
    int c = daytona__json_peek(&lexer);
    const char *from = lexer.at;
    if (!daytona__json_skip(&lexer)) return 0;
    if (c == '"' || (c == '[' && memchr(from, '"', (size_t)(lexer.at - from)) != NULL)) *has_text = true;
  }
  return walk.count;
}

/* Open the array that comes next. False: it is none, and was skipped. */
static bool open_array(charts_t *charts, size_t *count, bool *has_text) {
  *count = 0;
  *has_text = false;
  if (daytona__json_peek(&charts->lexer) != '[') {
    daytona__json_skip(&charts->lexer);
    return false;
  }
  *count = count_items(charts->lexer, has_text);
  return daytona__json_open(&charts->lexer);
}

static bool next_item(charts_t *charts, daytona__json_walk_t *walk) {
  return charts->code == 0 && daytona__json_next_item(&charts->lexer, walk);
}

/* Values that are filled in. */
typedef struct filling {
  double *numbers;
  const char **texts;
} filling_t;

static filling_t make_values(charts_t *charts, daytona_chart_values_t *values, size_t count, bool has_text) {
  filling_t filling = {NULL, NULL};
  if (count == 0) return filling;
  filling.numbers = take(charts, count, sizeof *filling.numbers);
  if (charts->code == 0 && has_text) filling.texts = take(charts, count, sizeof *filling.texts);
  if (charts->code == 0) *values = (daytona_chart_values_t){filling.numbers, filling.texts, count};
  return filling;
}

static void fill_value(charts_t *charts, filling_t filling, size_t index) {
  const char *text;
  filling.numbers[index] = read_value(charts, &text);
  if (filling.texts != NULL) filling.texts[index] = text;
}

static void read_values(charts_t *charts, daytona_chart_values_t *values) {
  daytona__json_walk_t walk = {0};
  size_t count;
  bool has_text;
  memset(values, 0, sizeof *values);
  if (!open_array(charts, &count, &has_text)) return;
  filling_t filling = make_values(charts, values, count, has_text);
  while (next_item(charts, &walk)) fill_value(charts, filling, walk.count - 1);
}

/* One point: the first two values of an array. */
static void read_point(charts_t *charts, filling_t x, filling_t y, size_t index) {
  daytona__json_walk_t walk = {0};
  x.numbers[index] = y.numbers[index] = NAN;
  if (daytona__json_peek(&charts->lexer) != '[' || !daytona__json_open(&charts->lexer)) {
    daytona__json_skip(&charts->lexer);
    return;
  }
  while (next_item(charts, &walk))
    if (walk.count > 2)
      daytona__json_skip(&charts->lexer);
    else
      fill_value(charts, walk.count == 1 ? x : y, index);
}

static void read_points(charts_t *charts, daytona_chart_element_t *element) {
  daytona__json_walk_t walk = {0};
  filling_t x, y = {NULL, NULL};
  size_t count;
  bool has_text;
  memset(&element->x, 0, sizeof element->x);
  memset(&element->y, 0, sizeof element->y);
  if (!open_array(charts, &count, &has_text)) return;
  x = make_values(charts, &element->x, count, has_text);
  if (charts->code == 0) y = make_values(charts, &element->y, count, has_text);
  while (next_item(charts, &walk)) read_point(charts, x, y, walk.count - 1);
}

/* What is no text keeps its place as "". */
static void read_strings(charts_t *charts, daytona_strings_t *strings) {
  daytona__json_walk_t walk = {0};
  size_t count;
  bool has_text;
  memset(strings, 0, sizeof *strings);
  if (!open_array(charts, &count, &has_text)) return;
  const char **items = count != 0 ? take(charts, count, sizeof *items) : NULL;
  while (next_item(charts, &walk)) {
    const char *text = read_text(charts);
    items[walk.count - 1] = text != NULL ? text : "";
  }
  if (charts->code == 0) *strings = (daytona_strings_t){items, count};
}

/* --- members ----------------------------------------------------------------------------------- */

typedef enum kind { TEXT, NUMBER, VALUES, STRINGS, TYPE, PICTURE, ELEMENTS, VALUE, POINTS } kind_t;

typedef struct member {
  const char *key;
  kind_t kind;
  size_t offset; /* of TEXT, NUMBER, VALUES, STRINGS */
} member_t;

static const member_t chart_members[] = {
  {"type", TYPE, 0},
  {"title", TEXT, offsetof(node_t, chart.title)},
  {"png", PICTURE, 0},
  {"elements", ELEMENTS, 0},
  {"x_label", TEXT, offsetof(node_t, x.label)},
  {"y_label", TEXT, offsetof(node_t, y.label)},
  {"x_ticks", VALUES, offsetof(node_t, x.ticks)},
  {"y_ticks", VALUES, offsetof(node_t, y.ticks)},
  {"x_tick_labels", STRINGS, offsetof(node_t, x.tick_labels)},
  {"y_tick_labels", STRINGS, offsetof(node_t, y.tick_labels)},
  {"x_scale", TEXT, offsetof(node_t, x.scale)},
  {"y_scale", TEXT, offsetof(node_t, y.scale)},
  {NULL, TEXT, 0},
};

static const member_t element_members[] = {
  {"label", TEXT, offsetof(element_t, element.label)},
  {"points", POINTS, 0},
  {"group", TEXT, offsetof(element_t, element.group)},
  {"value", VALUE, 0},
  {"angle", NUMBER, offsetof(element_t, element.angle)},
  {"radius", NUMBER, offsetof(element_t, element.radius)},
  {"autopct", TEXT, offsetof(element_t, element.autopct)},
  {"min", NUMBER, offsetof(element_t, element.min)},
  {"first_quartile", NUMBER, offsetof(element_t, element.first_quartile)},
  {"median", NUMBER, offsetof(element_t, element.median)},
  {"third_quartile", NUMBER, offsetof(element_t, element.third_quartile)},
  {"max", NUMBER, offsetof(element_t, element.max)},
  {"outliers", VALUES, offsetof(element_t, element.outliers)},
  {NULL, TEXT, 0},
};

static const member_t *find_member(const member_t *members, const char *key) {
  for (; members->key != NULL; members++)
    if (strcmp(members->key, key) == 0) return members;
  return NULL;
}

static void read_type(charts_t *charts, daytona_chart_t *chart) {
  static const char *const names[] = {"unknown",         "line",           "scatter", "bar", "pie",
                                      "box_and_whisker", "composite_chart"};
  chart->type = DAYTONA_CHART_UNKNOWN;
  chart->type_name = read_text(charts);
  for (size_t i = 0; chart->type_name != NULL && i < sizeof names / sizeof names[0]; i++)
    if (strcmp(chart->type_name, names[i]) == 0) chart->type = (daytona_chart_type_t)i;
}

/* Only where it stands. */
static void note_picture(charts_t *charts, node_t *node) {
  memset(&node->picture, 0, sizeof node->picture);
  if (daytona__json_peek(&charts->lexer) == '"')
    daytona__json_lex_string(&charts->lexer, &node->picture);
  else
    daytona__json_skip(&charts->lexer);
}

static void read_bar(charts_t *charts, daytona_chart_element_t *element) {
  element->value_text = read_text(charts);
  double value = element->value_text != NULL ? number_in(element->value_text) : NAN;
  element->value = isnan(value) ? (daytona_opt_num_t){false, 0} : daytona_num(value);
}

static void read_elements(charts_t *charts, daytona_chart_t *chart, unsigned depth);

/* `object` is the node or element that the member belongs to. */
static void read_member(charts_t *charts, const member_t *member, void *object, unsigned depth) {
  void *at = (char *)object + member->offset;
  switch (member->kind) {
    case TEXT: *(const char **)at = read_text(charts); return;
    case NUMBER: *(daytona_opt_num_t *)at = read_number(charts); return;
    case VALUES: read_values(charts, at); return;
    case STRINGS: read_strings(charts, at); return;
    case TYPE: read_type(charts, object); return;
    case PICTURE: note_picture(charts, object); return;
    case ELEMENTS: read_elements(charts, object, depth); return;
    case VALUE: read_bar(charts, object); return;
    case POINTS: read_points(charts, object); return;
  }
}

/* To the next member's value; its key goes to `key`, "" for one that is not ours. False at the end. */
static bool next_member(charts_t *charts, daytona__json_walk_t *walk, char key[KEY_MAX]) {
  daytona__json_string_t string;
  daytona__json_lexer_t *lexer = &charts->lexer;
  if (charts->code != 0 || !daytona__json_next_member(lexer, walk) ||
      !daytona__json_key_begin(lexer, &string) ||
      daytona__json_string_go(lexer, &string, SIZE_MAX) != DAYTONA__JSON_DONE || !daytona__json_colon(lexer))
    return false;
  bool fits = string.size < KEY_MAX && string.nul_count == 0;
  if (fits) daytona__json_copy(&string, DAYTONA__JSON_NUL_KEPT, key);
  key[fits ? string.size : 0] = '\0';
  return true;
}

/* --- charts ------------------------------------------------------------------------------------ */

static node_t *new_node(charts_t *charts) {
  node_t *node = take(charts, 1, sizeof *node);
  if (node == NULL) return NULL;
  node->chart.x = &node->x;
  node->chart.y = &node->y;
  node->pending = charts->pending;
  charts->pending = node;
  return node;
}

static void set_json(charts_t *charts, daytona_chart_t *chart, const char *from) {
  chart->json = from;
  chart->json_size = (size_t)(charts->lexer.at - from);
}

/*
 * An element has members of its own and, in a composite, those of a chart. Which it is shows in its keys alone: the type of
 * the chart around it may come later.
 */
static void read_element(charts_t *charts, element_t *element, unsigned depth) {
  daytona__json_walk_t walk = {0};
  char key[KEY_MAX];
  node_t *node = NULL;
  const char *from = charts->lexer.at;
  if (!daytona__json_open(&charts->lexer)) return;
  while (next_member(charts, &walk, key)) {
    const member_t *member = find_member(element_members, key);
    void *object = element;
    if (member == NULL && depth <= DAYTONA__CHART_DEPTH_MAX) {
      member = find_member(chart_members, key);
      if (member != NULL && node == NULL) node = new_node(charts);
      object = node;
    }
    if (charts->code != 0) return;
    if (member == NULL)
      daytona__json_skip(&charts->lexer);
    else
      read_member(charts, member, object, depth);
  }
  if (node == NULL) return;
  set_json(charts, &node->chart, from);
  element->element.chart = &node->chart;
}

/* The elements are collected as a chain: how many are objects is known at the end. */
static void read_elements(charts_t *charts, daytona_chart_t *chart, unsigned depth) {
  daytona__json_walk_t walk = {0};
  element_t *first = NULL, **last = &first;
  size_t count = 0;
  chart->elements = NULL;
  chart->element_count = 0;
  if (daytona__json_peek(&charts->lexer) != '[' || !daytona__json_open(&charts->lexer)) {
    daytona__json_skip(&charts->lexer);
    return;
  }
  while (next_item(charts, &walk)) {
    if (daytona__json_peek(&charts->lexer) != '{') {
      daytona__json_skip(&charts->lexer);
      continue;
    }
    element_t *element = take(charts, 1, sizeof *element);
    if (element == NULL) return;
    read_element(charts, element, depth + 1);
    *last = element;
    last = &element->next;
    count++;
  }
  if (charts->code != 0 || count == 0) return;
  const daytona_chart_element_t **items = take(charts, count, sizeof *items);
  if (items == NULL) return;
  for (size_t i = 0; i < count; i++, first = first->next) items[i] = &first->element;
  chart->elements = items;
  chart->element_count = count;
}

/* NULL with `code` set. */
static node_t *read_chart(charts_t *charts) {
  daytona__json_walk_t walk = {0};
  char key[KEY_MAX];
  const char *from = charts->lexer.at;
  node_t *node = new_node(charts);
  if (node == NULL || !daytona__json_open(&charts->lexer)) return NULL;
  while (next_member(charts, &walk, key)) {
    const member_t *member = find_member(chart_members, key);
    if (member != NULL)
      read_member(charts, member, node, 1);
    else
      daytona__json_skip(&charts->lexer);
  }
  set_json(charts, &node->chart, from);
  return charts->code == 0 ? node : NULL;
}

/* The value that comes next is a chart, or is left out. */
static void add_chart(charts_t *charts) {
  daytona__json_lexer_t before = charts->lexer;
  node_t *pending = charts->pending;
  bool is_object = daytona__json_peek(&charts->lexer) == '{';
  node_t *node = is_object ? read_chart(charts) : NULL;
  if (node != NULL) {
    *charts->last = node;
    charts->last = &node->next;
    charts->list->count++;
    return;
  }
  if (charts->code == DAYTONA_ENOMEM) return;
  charts->code = 0;
  charts->lexer = before;
  charts->pending = pending;
  charts->list->skipped_count++;
  daytona__json_skip(&charts->lexer);
}

/* --- pictures ---------------------------------------------------------------------------------- */

/* Room for the bytes, and for the text where it has to be freed of escapes first. */
static bool begin_picture(charts_t *charts, node_t *node) {
  daytona__json_string_t *picture = &node->picture;
  char *data = take(charts, (picture->is_escaped ? picture->size : picture->raw_size / 4 * 3 + 3) + 1, 1);
  if (data == NULL) return false;
  node->chart.png.data = data;
  if (!picture->is_escaped) return true;
  daytona__json_copy(picture, DAYTONA__JSON_NUL_KEPT, data);
  picture->raw = data;
  picture->raw_size = picture->size;
  return true;
}

/* Decode a part of the picture of `node`; true when it is done with. */
static bool decode_picture(charts_t *charts, node_t *node) {
  const daytona__json_string_t *picture = &node->picture;
  daytona_bytes_t *png = &node->chart.png;
  if (picture->size == 0) return true;
  if (png->data == NULL && !begin_picture(charts, node)) return true;
  char *data = (char *)png->data;
  size_t left = picture->raw_size - node->done, part = left < PICTURE_PART ? left : PICTURE_PART;
  bool ok = daytona__base64_decode(&node->base64, picture->raw + node->done, part, data, &png->size);
  node->done += part;
  if (ok && node->done < picture->raw_size) return false;
  if (!ok || !daytona__base64_end(&node->base64, data, &png->size))
    *png = (daytona_bytes_t){NULL, 0};
  else
    data[png->size] = '\0';
  return true;
}

/* --- lists ------------------------------------------------------------------------------------- */

/* What the text is about: an array of charts, or one. NULL: neither. Checks all of it. */
static const char *find_charts(charts_t *charts, daytona__charts_of_t of) {
  daytona__json_lexer_t *lexer = &charts->lexer;
  daytona__json_walk_t walk = {0};
  char key[KEY_MAX];
  const char *artifacts = NULL, *value = NULL;
  bool is_wrapped = false;
  int c = daytona__json_peek(lexer);
  const char *from = lexer->at;
  if (c != '{' || !daytona__json_open(lexer)) {
    daytona__json_skip(lexer);
    return of == DAYTONA__CHARTS_OF_ANY && c == '[' ? from : NULL;
  }
  while (next_member(charts, &walk, key)) {
    c = daytona__json_peek(lexer);
    const char *at = lexer->at;
    if (!daytona__json_skip(lexer)) break;
    size_t size = (size_t)(lexer->at - at);
    if (strcmp(key, "charts") == 0) artifacts = c == '[' ? at : NULL;
    if (strcmp(key, "value") == 0) value = c == '{' ? at : NULL;
    if (strcmp(key, "type") == 0) is_wrapped = size == 7 && memcmp(at, "\"chart\"", 7) == 0;
  }
  if (artifacts != NULL || of == DAYTONA__CHARTS_OF_ARTIFACTS) return artifacts;
  return is_wrapped && value != NULL ? value : from;
}

int daytona__charts_begin(charts_t *charts, daytona__arena_t *arena, daytona__charts_of_t of,
                          const char *text, size_t size) {
  memset(charts, 0, sizeof *charts);
  if (size > DAYTONA__JSON_BODY_MAX) return DAYTONA_ELIMIT;
  charts->arena = arena;
  charts->room = DAYTONA__CHART_MEMORY_BASE + DAYTONA__CHART_MEMORY_FACTOR * size;
  charts->last = &charts->first;
  daytona__json_lexer_init(&charts->lexer, text, size);
  const char *end = charts->lexer.end, *from = find_charts(charts, of);
  if (!daytona__json_at_end(&charts->lexer)) return charts->lexer.code;
  if (from == NULL && of == DAYTONA__CHARTS_OF_ANY) return DAYTONA_EPROTOCOL;
  charts->list = take(charts, 1, sizeof *charts->list);
  charts->is_over = from == NULL;
  charts->is_array = from != NULL && *from == '[';
  daytona__json_lexer_init(&charts->lexer, from, from != NULL ? (size_t)(end - from) : 0);
  if (charts->is_array) daytona__json_open(&charts->lexer);
  return charts->code;
}

/* The pointers of the public list. */
static int end_list(charts_t *charts) {
  daytona_chart_list_t *list = charts->list;
  if (list->count == 0) return 0;
  const daytona_chart_t **items = daytona__arena_array(charts->arena, list->count, sizeof *items);
  if (items == NULL) return DAYTONA_ENOMEM;
  node_t *node = charts->first;
  for (size_t i = 0; i < list->count; i++, node = node->next) items[i] = &node->chart;
  assert(node == NULL);
  list->items = items;
  return 0;
}

/* One chart, or a part of a picture. False: there is no more. */
static bool step(charts_t *charts) {
  node_t *node = charts->pending;
  if (node != NULL) {
    if (decode_picture(charts, node)) charts->pending = node->pending;
    if (charts->code == DAYTONA_ELIMIT)
      charts->code = 0; /* there is no room for the picture: the chart is without it */
    return true;
  }
  if (charts->is_over) return false;
  charts->is_over = !charts->is_array || !daytona__json_next_item(&charts->lexer, &charts->walk);
  if (!charts->is_array || !charts->is_over) add_chart(charts);
  return true;
}

int daytona__charts_read(charts_t *charts, size_t work) {
  assert(charts->list != NULL && charts->code == 0);
  size_t spent = 0;
  while (spent < work) {
    const char *before = charts->lexer.at;
    bool decodes = charts->pending != NULL;
    if (!step(charts)) return end_list(charts);
    if (charts->code != 0) return charts->code;
    spent += STEP_WORK + (decodes ? PICTURE_PART : (size_t)(charts->lexer.at - before));
  }
  return DAYTONA__CHARTS_AGAIN;
}

/* --- text from elsewhere ----------------------------------------------------------------------- */

/* What daytona_chart_parse() hands out is the list of this. */
typedef struct parsed {
  daytona_chart_list_t list; /* first */
  daytona__arena_t arena;
} parsed_t;

static int parse(parsed_t *parsed, const char *json, size_t size) {
  charts_t charts;
  if (size > DAYTONA__JSON_BODY_MAX) return DAYTONA_ELIMIT;
  const char *text = daytona__arena_strndup(&parsed->arena, json != NULL ? json : "", size);
  if (text == NULL) return DAYTONA_ENOMEM;
  int rc = daytona__charts_begin(&charts, &parsed->arena, DAYTONA__CHARTS_OF_ANY, text, size);
  if (rc != 0) return rc;
  rc = daytona__charts_read(&charts, SIZE_MAX);
  assert(rc != DAYTONA__CHARTS_AGAIN);
  if (rc == 0) parsed->list = *charts.list;
  return rc;
}

int daytona_chart_parse(const char *json, size_t size, daytona_chart_list_t **out) {
  if (out == NULL || (json == NULL && size != 0)) return DAYTONA_EINVAL;
  parsed_t *parsed = daytona__arena_new_self(sizeof *parsed, offsetof(parsed_t, arena), 0, 0);
  if (parsed == NULL) return DAYTONA_ENOMEM;
  int rc = parse(parsed, json, size);
  if (rc == 0)
    *out = &parsed->list;
  else
    daytona__arena_free_self(&parsed->arena);
  return rc;
}

void daytona_chart_list_release(daytona_chart_list_t *list) {
  if (list != NULL) daytona__arena_free_self(&((parsed_t *)list)->arena);
}
