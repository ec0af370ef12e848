/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of a JSON text: how it fails, how it comes from one token to the next, the frames in which it keeps its place, and
 * the lists that it fills. See decode_private.h.
 */
#include <string.h>

#include "core/limits.h"
#include "json/decode_private.h"

/* --- failures --- */

static const char too_large[] = "the response needs more memory than it may have";
static const char too_many[] = "an object or array has too many elements";

bool daytona__json_fail(reader_t *r, const place_t *place, daytona_errcode_t code, const char *message) {
  daytona__json_blame(r->error, place, code, "%s", message);
  return false;
}

bool daytona__json_fail_crowded(reader_t *r, const place_t *place) {
  r->is_crowded = true;
  return daytona__json_fail(r, place, DAYTONA_ELIMIT, too_many);
}

bool daytona__json_fail_text(reader_t *r, const place_t *place) {
  if (r->lexer.code == DAYTONA_ELIMIT) return daytona__json_fail(r, place, DAYTONA_ELIMIT, r->lexer.problem);
  daytona__json_blame(r->error, place, DAYTONA_EPROTOCOL, "%s (at byte %zu)", r->lexer.problem,
                      (size_t)(r->lexer.at - r->text));
  return false;
}

bool daytona__json_fail_room(reader_t *r, const place_t *place, size_t size) {
  size_t limit = r->arena->limit != 0 ? r->arena->limit : DAYTONA__ARENA_MAX;
  if (size > limit || r->arena->used > limit - size)
    return daytona__json_fail(r, place, DAYTONA_ELIMIT, too_large);
  return daytona__json_fail(r, place, DAYTONA_ENOMEM, daytona_errcode_text(DAYTONA_ENOMEM));
}

bool daytona__json_has_room(reader_t *r, const place_t *place, size_t size) {
  size_t most = DAYTONA__JSON_MEMORY_BASE + r->size * DAYTONA__JSON_MEMORY_FACTOR;
  r->left -= (ptrdiff_t)size;
  if (size <= most && r->arena->used - r->used_before <= most - size) return true;
  return daytona__json_fail(r, place, DAYTONA_ELIMIT, too_large);
}

static const char *kind_of(int c) {
  switch (c) {
    case '"': return "a string";
    case '{': return "an object";
    case '[': return "an array";
    case 't':
    case 'f': return "a boolean";
    case 'n': return "null";
    case -1: return "nothing";
    default: return daytona__json_is_number_start(c) ? "a number" : NULL;
  }
}

bool daytona__json_fail_kind(reader_t *r, const place_t *place, const char *expected) {
  const char *kind = kind_of(daytona__json_peek(&r->lexer));
  if (r->lexer.code != 0) return daytona__json_fail_text(r, place);
  if (kind == NULL) {
    daytona__json_lex_fail(&r->lexer, DAYTONA_EPROTOCOL, "the text is not valid JSON");
    return daytona__json_fail_text(r, place);
  }
  daytona__json_blame(r->error, place, DAYTONA_EPROTOCOL, "expected %s, got %s", expected, kind);
  return false;
}

/* --- tokens --- */

bool daytona__json_skip_blanks(reader_t *r) {
  for (; r->lexer.at < r->lexer.end && r->left > 0; r->lexer.at++, r->left--) {
    char c = *r->lexer.at;
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return true;
  }
  return r->lexer.at == r->lexer.end;
}

bool daytona__json_read_null(reader_t *r, const place_t *place) {
  return daytona__json_lex_word(&r->lexer, "null") || daytona__json_fail_text(r, place);
}

bool daytona__json_lex_part(reader_t *r, const place_t *place, string_t *string, daytona__json_part_t *part) {
  const char *before = r->lexer.at;
  *part = daytona__json_string_go(&r->lexer, string, r->left > 0 ? (size_t)r->left : 1);
  if (*part == DAYTONA__JSON_FAILED) return daytona__json_fail_text(r, place);
  r->left -= r->lexer.at - before;
  return true;
}

bool daytona__json_to_member(reader_t *r, frame_t *f) {
  daytona__json_part_t part = DAYTONA__JSON_DONE;
  if (f->step == NEXT) {
    if (!daytona__json_skip_blank(r)) return true;
    if (!daytona__json_next_member(&r->lexer, &f->walk)) return false;
    f->step = KEY;
  }
  if (f->step == KEY) {
    if (!daytona__json_skip_blank(r)) return true;
    if (!daytona__json_key_begin(&r->lexer, &f->string)) return false;
    f->step = KEY_REST;
  }
  if (f->step == KEY_REST) {
    if (!daytona__json_lex_part(r, &f->place, &f->string, &part)) return false;
    if (part == DAYTONA__JSON_MORE) return true;
    f->step = COLON;
  }
  if (f->step == COLON) {
    if (!daytona__json_skip_blank(r)) return true;
    if (!daytona__json_colon(&r->lexer)) return false;
    f->step = VALUE;
  }
  return true;
}

/* --- frames --- */

/* Before a bracket is entered: have frames for it and for what can be inside of it. */
static bool has_frames(reader_t *r, const place_t *place) {
  if (r->depth + 1 + FRAMES_INSIDE <= FRAMES_NEAR || r->far != NULL) return true;
  r->far = daytona__arena_array(r->arena, FRAMES_FAR, sizeof *r->far);
  return r->far != NULL || daytona__json_fail_room(r, place, FRAMES_FAR * sizeof *r->far);
}

frame_t *daytona__json_push(reader_t *r, kind_t kind, const place_t *place, const field_t *field,
                            char *target) {
  frame_t *f = daytona__json_frame_at(r, r->depth++);
  memset(f, 0, offsetof(frame_t, state));
  f->kind = kind;
  f->place = *place;
  f->field = field;
  f->target = target;
  f->list = &f->own;
  return f;
}

bool daytona__json_pop(reader_t *r) {
  assert(r->depth != 0 && daytona__json_frame_at(r, r->depth - 1)->own.items == NULL);
  r->depth--;
  return true;
}

/* A value in brackets. */
frame_t *daytona__json_open_value(reader_t *r, kind_t kind, const place_t *place, const field_t *field,
                                  char *target) {
  bool is_array = kind == LIST || kind == PAIRS;
  if (daytona__json_peek(&r->lexer) != (is_array ? '[' : '{')) {
    daytona__json_fail_kind(r, place, is_array ? "an array" : "an object");
    return NULL;
  }
  if (!daytona__json_open(&r->lexer)) {
    daytona__json_fail_text(r, place);
    return NULL;
  }
  return has_frames(r, place) ? daytona__json_push(r, kind, place, field, target) : NULL;
}

bool daytona__json_open_object(reader_t *r, const place_t *place, const model_t *model, char *object) {
  frame_t *f = daytona__json_open_value(r, OBJECT, place, NULL, object);
  if (f == NULL) return false;
  assert(model->field_count <= DAYTONA__JSON_FIELDS_MAX);
  f->model = model;
  memset(f->state, UNSET, model->field_count);
  return true;
}

bool daytona__json_read_object_member(reader_t *r, const place_t *place, const field_t *field, char *member) {
  size_t size = field->model->size;
  char *object = daytona__json_has_room(r, place, size) ? daytona__arena_alloc(r->arena, size) : NULL;
  if (object == NULL) return r->error->code == DAYTONA_OK && daytona__json_fail_room(r, place, size);
  /* Pointed at from now on: a failure throws everything away. */
  memcpy(member, &object, sizeof object);
  return daytona__json_open_object(r, place, field->model, object);
}

/* --- lists that grow --- */

void *daytona__json_list_add(reader_t *r, const place_t *place, list_t *list) {
  if (list->count == list->room) {
    size_t limit = r->arena->limit != 0 ? r->arena->limit : DAYTONA__ARENA_MAX;
    size_t room = list->room != 0 ? list->room * 2 : 8;
    if (list->count >= limit / list->item_size) {
      daytona__json_fail(r, place, DAYTONA_ELIMIT, too_large);
      return NULL;
    }
    if (!daytona__json_has_room(r, place, room * list->item_size)) return NULL;
    char *items = daytona__arena_loose(list->items, room * list->item_size);
    if (items == NULL) {
      daytona__json_fail(r, place, DAYTONA_ENOMEM, daytona_errcode_text(DAYTONA_ENOMEM));
      return NULL;
    }
    list->items = items;
    list->room = room;
  }
  return memset(list->items + list->count++ * list->item_size, 0, list->item_size);
}

bool daytona__json_list_take(reader_t *r, const place_t *place, list_t *list, void *out, size_t *count) {
  size_t size = list->count * list->item_size;
  if (list->count == 0) return true;
  void *items = daytona__arena_take(r->arena, list->items, size);
  if (items == NULL) return daytona__json_fail_room(r, place, size);
  list->items = NULL;
  memcpy(out, &items, sizeof items); /* a pointer to T, whatever T is */
  *count = list->count;
  return true;
}

void daytona__json_list_drop(list_t *list) {
  daytona__arena_loose_free(list->items);
  list->items = NULL;
}
