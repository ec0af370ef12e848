/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of objects, strings and numbers, and maps of strings, on the wire an object or an array of objects. A list that is read
 * grows in a block of its own and becomes a part of the arena at its end.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "json/decode_private.h"

/* Pairs of one map: usual ones have some dozens. */
enum { PAIRS_MAX = 10000 };

/* --- lists --- */

/* null keeps its place as NaN: the numbers of a chart belong to those beside them. */
static bool read_number_or_null(reader_t *r, const place_t *place, char *slot) {
  if (daytona__json_peek(&r->lexer) != 'n')
    return daytona__json_read_double(r, place, (double *)(void *)slot);
  *(double *)(void *)slot = NAN;
  return daytona__json_read_null(r, place);
}

static bool read_element(reader_t *r, frame_t *f) {
  const field_t *field = f->field;
  place_t item = {&f->place, NULL, 0, f->walk.count - 1};
  f->step = NEXT;
  if (field == NULL) return daytona__json_skip_value(r, &f->place);
  if (field->type != DAYTONA__JSON_NUMBERS && daytona__json_peek(&r->lexer) == 'n')
    return daytona__json_read_null(r, &item);
  if (field->max_count != 0 && f->list->count == field->max_count)
    return daytona__json_fail_crowded(r, &f->place);
  if (field->model != NULL) f->record = (record_t){r->lexer.at, r->lexer.depth, f->list->count};
  char *slot = daytona__json_list_add(r, &item, f->list);
  if (slot == NULL) return false;
  if (field->type == DAYTONA__JSON_NUMBERS) return read_number_or_null(r, &item, slot);
  if (field->type == DAYTONA__JSON_STRINGS) return daytona__json_read_string(r, &item, field, AS_TEXT, slot);
  if (field->type == DAYTONA__JSON_LIST) return daytona__json_read_object_member(r, &item, field, slot);
  return daytona__json_open_object(r, &item, field->model, slot);
}

static bool close_list(reader_t *r, frame_t *f) {
  const field_t *field = f->field;
  if (r->lexer.code != 0) return daytona__json_fail_text(r, &f->place);
  if (field == NULL) return daytona__json_pop(r);
  size_t *count = daytona__json_count_of(field, f->target);
  if (field->type == DAYTONA__JSON_STRINGS) count = &((daytona_strings_t *)(void *)f->target)->count;
  if (field == &r->root) count = &r->count;
  bool ok = daytona__json_list_take(r, &f->place, f->list, f->target, count);
  daytona__json_list_drop(f->list);
  return ok && daytona__json_pop(r);
}

bool daytona__json_step_list(reader_t *r, frame_t *f) {
  if (!daytona__json_skip_blank(r)) return true;
  if (f->step == NEXT) {
    f->record.text = NULL;
    if (!daytona__json_next_item(&r->lexer, &f->walk)) return close_list(r, f);
    f->step = VALUE;
    if (!daytona__json_skip_blank(r)) return true;
  }
  return read_element(r, f);
}

bool daytona__json_read_list(reader_t *r, const place_t *place, const field_t *field, size_t size,
                             char *member) {
  frame_t *f = daytona__json_open_value(r, LIST, place, field, member);
  if (f == NULL) return false;
  f->own.item_size = size;
  return true;
}

/* --- maps --- */

/* A pair in the order of its key; length and hash distinguish most keys without comparing them. */
typedef struct sorted {
  daytona_pair_t *pair;
  size_t size;
  uint64_t hash;
} sorted_t;

static int compare_pairs(const void *left, const void *right) {
  const sorted_t *a = left, *b = right;
  if (a->size != b->size) return a->size < b->size ? -1 : 1;
  if (a->hash != b->hash) return a->hash < b->hash ? -1 : 1;
  int order = memcmp(a->pair->key, b->pair->key, a->size);
  return order != 0 ? order : a->pair < b->pair ? -1 : 1;
}

static bool is_same_key(const sorted_t *a, const sorted_t *b) {
  return a->size == b->size && a->hash == b->hash && memcmp(a->pair->key, b->pair->key, a->size) == 0;
}

static sorted_t sort_key(daytona_pair_t *pair) {
  sorted_t sorted = {.pair = pair, .hash = UINT64_C(0xcbf29ce484222325)};
  for (const char *at = pair->key; *at != '\0'; at++, sorted.size++)
    sorted.hash = (sorted.hash ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
  return sorted;
}

/* Of pairs with the same key only the last stays. */
static bool drop_doubles(reader_t *r, const place_t *place, list_t *list) {
  daytona_pair_t *pairs = (void *)list->items;
  size_t kept = 0;
  if (list->count < 2) return true;
  sorted_t *sorted = daytona__calloc(list->count, sizeof *sorted);
  if (sorted == NULL)
    return daytona__json_fail(r, place, DAYTONA_ENOMEM, daytona_errcode_text(DAYTONA_ENOMEM));
  for (size_t i = 0; i < list->count; i++) sorted[i] = sort_key(&pairs[i]);
  qsort(sorted, list->count, sizeof *sorted, compare_pairs);
  for (size_t i = 0; i + 1 < list->count; i++)
    if (is_same_key(&sorted[i], &sorted[i + 1])) sorted[i].pair->value = NULL;
  daytona__free(sorted);
  for (size_t i = 0; i < list->count; i++)
    if (pairs[i].value != NULL) pairs[kept++] = pairs[i];
  list->count = kept;
  return true;
}

static bool finish_map(reader_t *r, frame_t *f) {
  daytona_map_t *map = (void *)f->target;
  bool ok = drop_doubles(r, &f->place, &f->own) &&
            daytona__json_list_take(r, &f->place, &f->own, &map->items, &map->count);
  daytona__json_list_drop(&f->own);
  return ok && daytona__json_pop(r);
}

/* Secrets are not named in a path. */
static place_t place_of_pair(const frame_t *f) {
  if ((f->field->flags & DAYTONA__JSON_SECRET) != 0) return f->place;
  return (place_t){&f->place, f->string.raw, f->string.raw_size, 0};
}

/* The value is next: add the pair and copy its key. */
static bool add_pair(reader_t *r, frame_t *f) {
  place_t place = place_of_pair(f);
  if (daytona__json_peek(&r->lexer) == 'n') {
    f->step = NEXT;
    return daytona__json_read_null(r, &place);
  }
  if (f->list->count == PAIRS_MAX) return daytona__json_fail_crowded(r, &f->place);
  daytona_pair_t *pair = daytona__json_list_add(r, &place, f->list);
  if (pair == NULL) return false;
  f->step = COPY;
  if (f->string.size <= SHORT_MAX)
    return daytona__json_take_short(r, &place, f->field, AS_TEXT, (char *)&pair->key, &f->string);
  frame_t *key = daytona__json_push(r, STRING, &place, f->field, (char *)&pair->key);
  key->fate = AS_TEXT;
  key->string = f->string;
  return daytona__json_begin_copy(r, key) && daytona__json_step_string(r, key);
}

static bool read_pair_value(reader_t *r, frame_t *f) {
  place_t place = place_of_pair(f);
  daytona_pair_t *pair = (void *)(f->list->items + (f->list->count - 1) * f->list->item_size);
  f->step = NEXT;
  if (daytona__json_peek(&r->lexer) == '"')
    return daytona__json_read_string(r, &place, f->field, AS_TEXT, (char *)&pair->value);
  return daytona__json_read_raw(r, &place, f->field, (char *)&pair->value); /* a number, "true": its text */
}

bool daytona__json_step_map(reader_t *r, frame_t *f) {
  if (f->step == COPY) return read_pair_value(r, f);
  if (!daytona__json_to_member(r, f)) {
    if (r->lexer.code != 0) return daytona__json_fail_text(r, &f->place);
    return f->list == &f->own ? finish_map(r, f) : daytona__json_pop(r);
  }
  return f->step != VALUE || !daytona__json_skip_blank(r) || add_pair(r, f);
}

/* Each element is an object of pairs, which all go to one list. */
bool daytona__json_step_pairs(reader_t *r, frame_t *f) {
  if (!daytona__json_skip_blank(r)) return true;
  if (f->step == NEXT) {
    if (!daytona__json_next_item(&r->lexer, &f->walk))
      return r->lexer.code != 0 ? daytona__json_fail_text(r, &f->place) : finish_map(r, f);
    f->step = VALUE;
    if (!daytona__json_skip_blank(r)) return true;
  }
  f->step = NEXT;
  place_t item = {&f->place, NULL, 0, f->walk.count - 1};
  if (daytona__json_peek(&r->lexer) == 'n') return daytona__json_read_null(r, &item);
  frame_t *map = daytona__json_open_value(r, MAP, &item, f->field, f->target);
  if (map != NULL) map->list = &f->own;
  return map != NULL;
}

bool daytona__json_read_map(reader_t *r, const place_t *place, const field_t *field, char *member) {
  int c = daytona__json_peek(&r->lexer);
  bool is_array = c == '[' || (c != '{' && field->type == DAYTONA__JSON_PAIRS);
  frame_t *f = daytona__json_open_value(r, is_array ? PAIRS : MAP, place, field, member);
  if (f != NULL) f->own.item_size = sizeof(daytona_pair_t);
  return f != NULL;
}
