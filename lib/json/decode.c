/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text into structs, in one pass and by field table.
 *
 * Strings go from the text straight into the arena, so that a large response is copied once and no other
 * copy of a secret exists. Lists grow in a block of their own; a large one becomes a part of the arena as it is, a small
 * one is copied there. What the table does not name is checked and dropped without being stored.
 *
 * The reader keeps its place in frames of its own and not on C's stack, so that a long text can be read in parts, some
 * in each turn of the loop: one frame per value that is open, at most as many as a text may be nested. Every step does
 * a bounded amount of work, however long a string or a run of white space is, and counts it in `left`.
 *
 * A record of a list that cannot be read costs only itself: the list's frame remembers where the record began, and when a step
 * above it fails for another reason than the text's own, the reader goes back there and passes over the record (leave_out).
 *
 * Invariants: a failing step has left a message in `error`; a member is zero until it is read, and again after
 * null; only the topmost frame's list grows, so that what its children read into stays where it is.
 */
#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core/memory.h"
#include "json/codec.h"
#include "json/lexer.h"
#include "json/place.h"

typedef daytona__json_field_t field_t;
typedef daytona__json_model_t model_t;
typedef daytona__json_place_t place_t;
typedef daytona__json_string_t string_t;

/* A list that is being read. */
typedef struct list {
  char *items; /* a loose block of the arena */
  size_t item_size, count, room;
} list_t;

typedef enum kind {
  OBJECT, /* with a model, or without one when nothing in it is wanted */
  LIST,   /* an array of objects, strings or numbers, or one of which nothing is wanted */
  PAIRS,  /* an array of one-pair objects */
  MAP,    /* an object of strings, alone or inside of PAIRS */
  STRING,
  RAW, /* any value as it came */
  KINDS
} kind_t;

/* Where a step of a frame begins; each may be interrupted in front of it. */
enum { NEXT, KEY, KEY_REST, COLON, VALUE, COPY, DONE };

/* The record of a list that is being read. */
typedef struct record {
  const char *text; /* NULL: none */
  unsigned depth;   /* of brackets in front of it */
  size_t index;     /* in the list of what is read, without those that were left out */
} record_t;

/* What becomes of a string. */
typedef enum fate { DROPPED, AS_TEXT, AS_BYTES, AS_WORD, AS_NAME } fate_t;

typedef struct frame {
  kind_t kind;
  int step;
  place_t place;        /* of the value, and what is above it */
  const field_t *field; /* the row that it is read by; NULL: it is not wanted */
  char *target;         /* the member, element or object that it goes to */
  daytona__json_walk_t walk;
  string_t string; /* of STRING, or the key that was met last */
  list_t own, *list;
  record_t record; /* of LIST */
  /* OBJECT */
  const model_t *model;
  size_t hint;
  const field_t *name; /* of a record that is passed over: the row of its id */
  /* STRING, RAW */
  fate_t fate;
  const char *from;
  char *copy, *to;
  bool in_string;
  unsigned char state[DAYTONA__JSON_FIELDS_MAX]; /* OBJECT: how each member got its value */
} frame_t;

/* A text's brackets, and inside of them one value as it came and one string. Deep texts are rare: only the first frames are
   a part of the reader, which may lie on a stack; the others come from the arena when they are needed. */
enum {
  FRAMES_INSIDE = 2,
  FRAMES_NEAR = 66,
  FRAMES_FAR = DAYTONA__JSON_DEPTH_MAX + FRAMES_INSIDE - FRAMES_NEAR
};

typedef struct daytona__json_decoder {
  daytona__json_lexer_t lexer;
  const char *text;
  size_t size;
  daytona__arena_t *arena;
  size_t used_before; /* of the arena */
  daytona__json_error_t *error, own_error;
  ptrdiff_t left; /* work that this part may still do, in bytes read and written */
  size_t depth;   /* frames in use */
  field_t root;   /* stands for a row: the whole text */
  void *result;
  size_t count;
  bool is_crowded; /* the failure is one of too many elements */
  size_t skipped_count;
  daytona__json_error_t skipped; /* the first record that was left out */
  bool is_block;                 /* it was allocated, for reading in parts */
  frame_t *far;                  /* in the arena; NULL: not needed yet */
  frame_t near[FRAMES_NEAR];
} reader_t;

/* How a member got its value: the key of the table wins over the alias. */
enum { UNSET, SET_BY_ALIAS, SET_BY_KEY };

/* Keys and enum words that we know are shorter; a longer one can only be unknown. */
enum { WORD_MAX = 128 };

/* What each step costs besides its bytes. */
enum { STEP_WORK = 16 };

/* A string that is copied at once. */
enum { SHORT_MAX = 4096 };

/* Pairs of one map: usual ones have some dozens. */
enum { PAIRS_MAX = 10000 };

/* --- failures --- */

static const char too_large[] = "the response needs more memory than it may have";
static const char too_many[] = "an object or array has too many elements";

static bool fail(reader_t *r, const place_t *place, daytona_errcode_t code, const char *message) {
  daytona__json_blame(r->error, place, code, "%s", message);
  return false;
}

static bool fail_crowded(reader_t *r, const place_t *place) {
  r->is_crowded = true;
  return fail(r, place, DAYTONA_ELIMIT, too_many);
}

/* The text itself is at fault. */
static bool fail_text(reader_t *r, const place_t *place) {
  if (r->lexer.code == DAYTONA_ELIMIT) return fail(r, place, DAYTONA_ELIMIT, r->lexer.problem);
  daytona__json_blame(r->error, place, DAYTONA_EPROTOCOL, "%s (at byte %zu)", r->lexer.problem,
                      (size_t)(r->lexer.at - r->text));
  return false;
}

/* The arena gave nothing for `size` bytes: over its limit, or out of memory. */
static bool fail_room(reader_t *r, const place_t *place, size_t size) {
  size_t limit = r->arena->limit != 0 ? r->arena->limit : DAYTONA__ARENA_MAX;
  if (size > limit || r->arena->used > limit - size) return fail(r, place, DAYTONA_ELIMIT, too_large);
  return fail(r, place, DAYTONA_ENOMEM, daytona_errcode_text(DAYTONA_ENOMEM));
}

/* A text of a few bytes per element must not ask for hundreds of bytes for each: what it may cost depends on its size. */
static bool has_room(reader_t *r, const place_t *place, size_t size) {
  size_t most = DAYTONA__JSON_MEMORY_BASE + r->size * DAYTONA__JSON_MEMORY_FACTOR;
  r->left -= (ptrdiff_t)size;
  if (size <= most && r->arena->used - r->used_before <= most - size) return true;
  return fail(r, place, DAYTONA_ELIMIT, too_large);
}

static bool is_number_start(int c) { return c == '-' || (c >= '0' && c <= '9'); }

static const char *kind_of(int c) {
  switch (c) {
    case '"': return "a string";
    case '{': return "an object";
    case '[': return "an array";
    case 't':
    case 'f': return "a boolean";
    case 'n': return "null";
    case -1: return "nothing";
    default: return is_number_start(c) ? "a number" : NULL;
  }
}

/* The next value is not what the table says. */
static bool fail_kind(reader_t *r, const place_t *place, const char *expected) {
  const char *kind = kind_of(daytona__json_peek(&r->lexer));
  if (r->lexer.code != 0) return fail_text(r, place);
  if (kind == NULL) {
    daytona__json_lex_fail(&r->lexer, DAYTONA_EPROTOCOL, "the text is not valid JSON");
    return fail_text(r, place);
  }
  daytona__json_blame(r->error, place, DAYTONA_EPROTOCOL, "expected %s, got %s", expected, kind);
  return false;
}

/* --- tokens --- */

/* Past white space. False: there is so much of it that the rest has to wait. */
static bool skip_blanks(reader_t *r) {
  for (; r->lexer.at < r->lexer.end && r->left > 0; r->lexer.at++, r->left--) {
    char c = *r->lexer.at;
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return true;
  }
  return r->lexer.at == r->lexer.end;
}

static inline bool skip_blank(reader_t *r) {
  return (r->lexer.at < r->lexer.end && (unsigned char)*r->lexer.at > ' ') || skip_blanks(r);
}

static bool read_null(reader_t *r, const place_t *place) {
  return daytona__json_lex_word(&r->lexer, "null") || fail_text(r, place);
}

static bool string_is(const string_t *string, const char *text) {
  char word[WORD_MAX];
  const char *raw = string->raw;
  if (string->is_escaped) {
    if (string->size >= sizeof word || string->size != strlen(text)) return false;
    daytona__json_copy(string, DAYTONA__JSON_NUL_KEPT, word);
    return memcmp(word, text, string->size) == 0;
  }
  if (string->raw_size == 0) return text[0] == '\0';
  return raw[0] == text[0] && strncmp(raw, text, string->raw_size) == 0 && text[string->raw_size] == '\0';
}

/* --- scalars --- */

static bool read_number_token(reader_t *r, const place_t *place, daytona__json_number_t *out) {
  if (!is_number_start(daytona__json_peek(&r->lexer))) return fail_kind(r, place, "a number");
  return daytona__json_lex_number(&r->lexer, out) || fail_text(r, place);
}

static bool read_int64(reader_t *r, const place_t *place, int64_t *out) {
  daytona__json_number_t number;
  if (!read_number_token(r, place, &number)) return false;
  return daytona__json_to_int(&number, out) ||
         fail(r, place, DAYTONA_EPROTOCOL, "expected a whole number that fits into 64 bits");
}

static bool read_double(reader_t *r, const place_t *place, double *out) {
  daytona__json_number_t number;
  if (!read_number_token(r, place, &number)) return false;
  return daytona__json_to_double(&number, out) ||
         fail(r, place, DAYTONA_EPROTOCOL, "the number is out of range");
}

static bool read_bool_value(reader_t *r, const place_t *place, bool *out) {
  int c = daytona__json_peek(&r->lexer);
  if (c != 't' && c != 'f') return fail_kind(r, place, "a boolean");
  if (!daytona__json_lex_word(&r->lexer, c == 't' ? "true" : "false")) return fail_text(r, place);
  *out = c == 't';
  return true;
}

static bool read_int32(reader_t *r, const place_t *place, char *member) {
  int64_t value;
  if (!read_int64(r, place, &value)) return false;
  if (value < INT_MIN || value > INT_MAX)
    return fail(r, place, DAYTONA_EPROTOCOL, "expected a whole number that fits into 32 bits");
  *(int *)(void *)member = (int)value;
  return true;
}

static bool read_opt_int(reader_t *r, const place_t *place, char *member) {
  daytona_opt_int_t *opt = (void *)member;
  return opt->is_set = read_int64(r, place, &opt->value);
}

static bool read_opt_num(reader_t *r, const place_t *place, char *member) {
  daytona_opt_num_t *opt = (void *)member;
  return opt->is_set = read_double(r, place, &opt->value);
}

static bool read_opt_bool(reader_t *r, const place_t *place, char *member) {
  daytona_opt_bool_t *opt = (void *)member;
  return opt->is_set = read_bool_value(r, place, &opt->value);
}

/* --- frames --- */

static frame_t *frame_at(reader_t *r, size_t i) {
  assert(i < FRAMES_NEAR || (r->far != NULL && i - FRAMES_NEAR < FRAMES_FAR));
  return i < FRAMES_NEAR ? &r->near[i] : &r->far[i - FRAMES_NEAR];
}

/* Before a bracket is entered: have frames for it and for what can be inside of it. */
static bool has_frames(reader_t *r, const place_t *place) {
  if (r->depth + 1 + FRAMES_INSIDE <= FRAMES_NEAR || r->far != NULL) return true;
  r->far = daytona__arena_array(r->arena, FRAMES_FAR, sizeof *r->far);
  return r->far != NULL || fail_room(r, place, FRAMES_FAR * sizeof *r->far);
}

static frame_t *push(reader_t *r, kind_t kind, const place_t *place, const field_t *field, char *target) {
  frame_t *f = frame_at(r, r->depth++);
  memset(f, 0, offsetof(frame_t, state));
  f->kind = kind;
  f->place = *place;
  f->field = field;
  f->target = target;
  f->list = &f->own;
  return f;
}

static bool pop(reader_t *r) {
  assert(r->depth != 0 && frame_at(r, r->depth - 1)->own.items == NULL);
  r->depth--;
  return true;
}

/* A value in brackets. */
static frame_t *open_value(reader_t *r, kind_t kind, const place_t *place, const field_t *field,
                           char *target) {
  bool is_array = kind == LIST || kind == PAIRS;
  if (daytona__json_peek(&r->lexer) != (is_array ? '[' : '{')) {
    fail_kind(r, place, is_array ? "an array" : "an object");
    return NULL;
  }
  if (!daytona__json_open(&r->lexer)) {
    fail_text(r, place);
    return NULL;
  }
  return has_frames(r, place) ? push(r, kind, place, field, target) : NULL;
}

static bool open_object(reader_t *r, const place_t *place, const model_t *model, char *object) {
  frame_t *f = open_value(r, OBJECT, place, NULL, object);
  if (f == NULL) return false;
  assert(model->field_count <= DAYTONA__JSON_FIELDS_MAX);
  f->model = model;
  memset(f->state, UNSET, model->field_count);
  return true;
}

/* --- strings --- */

_Static_assert(offsetof(daytona_bytes_t, data) == 0, "a text and bytes begin alike");

static void set_word(const field_t *field, const string_t *string, char *member) {
  int value = field->names->unknown;
  for (int i = 0; field->names->names[i] != NULL; i++) {
    if (!string_is(string, field->names->names[i])) continue;
    value = i;
    break;
  }
  *(int *)(void *)member = value;
}

/* A text that is one of some words: its number besides. */
static void number_word(const field_t *field, const string_t *string, char *member) {
  if (field != NULL && field->type == DAYTONA__JSON_STRING && field->names != NULL)
    set_word(field, string, member - field->offset + field->count_offset);
}

static daytona__json_nul_t nul_of(fate_t fate) {
  return fate == AS_BYTES ? DAYTONA__JSON_NUL_KEPT : DAYTONA__JSON_NUL_REPLACED;
}

/* An id is given back to the server, which must not find another one in it. */
static bool may_replace_nul(reader_t *r, const place_t *place, const field_t *field, const string_t *string) {
  bool is_id = field != NULL && (field->flags & DAYTONA__JSON_REQUIRED) != 0;
  return !is_id || string->nul_count == 0 ||
         fail(r, place, DAYTONA_EPROTOCOL, "the string holds a NUL character");
}

/* Hand out a whole string; `copy` holds its bytes and a NUL, if it was to be kept. */
static void set_string(frame_t *f) {
  if (f->fate == AS_TEXT) {
    *(const char **)(void *)f->target = f->copy;
    number_word(f->field, &f->string, f->target);
  } else if (f->fate == AS_BYTES) {
    daytona_bytes_t *bytes = (void *)f->target;
    bytes->data = f->copy;
    bytes->size = f->string.size;
  } else if (f->fate == AS_WORD) {
    set_word(f->field, &f->string, f->target);
  }
}

/* The id of a record that is left out, for a log line: what prints of it. A longer one is none of ours. */
static void take_name(reader_t *r, const string_t *string) {
  char *id = r->skipped.skipped_id;
  if (string->size >= sizeof r->skipped.skipped_id) return;
  daytona__json_copy(string, DAYTONA__JSON_NUL_KEPT, id);
  for (size_t i = 0; i < string->size; i++)
    if (id[i] <= ' ' || id[i] > '~' || id[i] == '"') id[i] = '?';
  id[string->size] = '\0';
}

/* Its end was found: where it goes. */
static bool begin_copy(reader_t *r, frame_t *f) {
  f->step = DONE;
  if (f->fate != AS_TEXT && f->fate != AS_BYTES) return true;
  if (!may_replace_nul(r, &f->place, f->field, &f->string)) return false;
  size_t room = daytona__json_copy_size(&f->string, nul_of(f->fate)) + 1;
  f->copy = f->to = daytona__arena_alloc(r->arena, room); /* zeroed: the NUL is there */
  if (f->copy == NULL) return fail_room(r, &f->place, room);
  f->from = f->string.raw;
  f->step = COPY;
  return true;
}

static bool copy_part(reader_t *r, frame_t *f) {
  const char *before = f->from, *end = f->string.raw + f->string.raw_size;
  size_t most = r->left > 0 ? (size_t)r->left : 1;
  if (f->string.is_escaped) {
    f->to = daytona__json_copy_some(&f->from, end, nul_of(f->fate), f->to, most);
  } else {
    size_t size = (size_t)(end - f->from);
    if (size > most) size = most;
    memcpy(f->to, f->from, size);
    f->to += size;
    f->from += size;
  }
  r->left -= f->from - before;
  if (f->from == end) f->step = DONE;
  return true;
}

static bool lex_part(reader_t *r, const place_t *place, string_t *string, daytona__json_part_t *part) {
  const char *before = r->lexer.at;
  *part = daytona__json_string_go(&r->lexer, string, r->left > 0 ? (size_t)r->left : 1);
  if (*part == DAYTONA__JSON_FAILED) return fail_text(r, place);
  r->left -= r->lexer.at - before;
  return true;
}

static bool step_string(reader_t *r, frame_t *f) {
  daytona__json_part_t part;
  if (f->step == VALUE) {
    if (!lex_part(r, &f->place, &f->string, &part)) return false;
    if (part == DAYTONA__JSON_DONE && !begin_copy(r, f)) return false;
  }
  if (f->step == COPY && !copy_part(r, f)) return false;
  if (f->step != DONE) return true;
  if (f->fate == AS_NAME) take_name(r, &f->string);
  set_string(f);
  return pop(r);
}

/* Most strings: no frame is needed. */
static bool take_short(reader_t *r, const place_t *place, const field_t *field, fate_t fate, char *target,
                       const string_t *string) {
  if (fate == DROPPED) return true;
  if (fate == AS_NAME) {
    take_name(r, string);
    return true;
  }
  if (fate == AS_WORD) {
    set_word(field, string, target);
    return true;
  }
  if (!may_replace_nul(r, place, field, string)) return false;
  size_t room = daytona__json_copy_size(string, nul_of(fate)) + 1;
  char *copy = daytona__arena_alloc(r->arena, room); /* zeroed: the NUL is there */
  if (copy == NULL) return fail_room(r, place, room);
  daytona__json_copy(string, nul_of(fate), copy);
  *(const char **)(void *)target = copy; /* the first member of bytes, too */
  if (fate == AS_BYTES) ((daytona_bytes_t *)(void *)target)->size = string->size;
  if (fate == AS_TEXT) number_word(field, string, target);
  return true;
}

/* A string that is next in the text, read as far as this part goes. */
static bool read_string(reader_t *r, const place_t *place, const field_t *field, fate_t fate, char *target) {
  string_t string;
  daytona__json_part_t part;
  if (daytona__json_peek(&r->lexer) != '"') return fail_kind(r, place, "a string");
  daytona__json_string_begin(&r->lexer, &string);
  if (!lex_part(r, place, &string, &part)) return false;
  if (part == DAYTONA__JSON_DONE && string.size <= SHORT_MAX)
    return take_short(r, place, field, fate, target, &string);
  frame_t *f = push(r, STRING, place, field, target);
  f->fate = fate;
  f->step = VALUE;
  f->string = string;
  return part == DAYTONA__JSON_MORE || (begin_copy(r, f) && step_string(r, f));
}

/* --- lists --- */

/* A zeroed element at the end, valid until the next one is added. */
static void *list_add(reader_t *r, const place_t *place, list_t *list) {
  if (list->count == list->room) {
    size_t limit = r->arena->limit != 0 ? r->arena->limit : DAYTONA__ARENA_MAX;
    size_t room = list->room != 0 ? list->room * 2 : 8;
    if (list->count >= limit / list->item_size) {
      fail(r, place, DAYTONA_ELIMIT, too_large);
      return NULL;
    }
    if (!has_room(r, place, room * list->item_size)) return NULL;
    char *items = daytona__arena_loose(list->items, room * list->item_size);
    if (items == NULL) {
      fail(r, place, DAYTONA_ENOMEM, daytona_errcode_text(DAYTONA_ENOMEM));
      return NULL;
    }
    list->items = items;
    list->room = room;
  }
  return memset(list->items + list->count++ * list->item_size, 0, list->item_size);
}

/* Move the elements into the arena. */
static bool list_take(reader_t *r, const place_t *place, list_t *list, void *out, size_t *count) {
  size_t size = list->count * list->item_size;
  if (list->count == 0) return true;
  void *items = daytona__arena_take(r->arena, list->items, size);
  if (items == NULL) return fail_room(r, place, size);
  list->items = NULL;
  memcpy(out, &items, sizeof items); /* a pointer to T, whatever T is */
  *count = list->count;
  return true;
}

static void list_drop(list_t *list) {
  daytona__arena_loose_free(list->items);
  list->items = NULL;
}

/* Where the element count of `member` is. */
static size_t *count_of(const field_t *field, char *member) {
  return (void *)(member - field->offset + field->count_offset);
}

static bool skip_value(reader_t *r, const place_t *place);
static bool read_object_member(reader_t *r, const place_t *place, const field_t *field, char *member);

/* null keeps its place as NaN: the numbers of a chart belong to those beside them. */
static bool read_number_or_null(reader_t *r, const place_t *place, char *slot) {
  if (daytona__json_peek(&r->lexer) != 'n') return read_double(r, place, (double *)(void *)slot);
  *(double *)(void *)slot = NAN;
  return read_null(r, place);
}

static bool read_element(reader_t *r, frame_t *f) {
  const field_t *field = f->field;
  place_t item = {&f->place, NULL, 0, f->walk.count - 1};
  f->step = NEXT;
  if (field == NULL) return skip_value(r, &f->place);
  if (field->type != DAYTONA__JSON_NUMBERS && daytona__json_peek(&r->lexer) == 'n')
    return read_null(r, &item);
  if (field->max_count != 0 && f->list->count == field->max_count) return fail_crowded(r, &f->place);
  if (field->model != NULL) f->record = (record_t){r->lexer.at, r->lexer.depth, f->list->count};
  char *slot = list_add(r, &item, f->list);
  if (slot == NULL) return false;
  if (field->type == DAYTONA__JSON_NUMBERS) return read_number_or_null(r, &item, slot);
  if (field->type == DAYTONA__JSON_STRINGS) return read_string(r, &item, field, AS_TEXT, slot);
  if (field->type == DAYTONA__JSON_LIST) return read_object_member(r, &item, field, slot);
  return open_object(r, &item, field->model, slot);
}

static bool close_list(reader_t *r, frame_t *f) {
  const field_t *field = f->field;
  if (r->lexer.code != 0) return fail_text(r, &f->place);
  if (field == NULL) return pop(r);
  size_t *count = count_of(field, f->target);
  if (field->type == DAYTONA__JSON_STRINGS) count = &((daytona_strings_t *)(void *)f->target)->count;
  if (field == &r->root) count = &r->count;
  bool ok = list_take(r, &f->place, f->list, f->target, count);
  list_drop(f->list);
  return ok && pop(r);
}

static bool step_list(reader_t *r, frame_t *f) {
  if (!skip_blank(r)) return true;
  if (f->step == NEXT) {
    f->record.text = NULL;
    if (!daytona__json_next_item(&r->lexer, &f->walk)) return close_list(r, f);
    f->step = VALUE;
    if (!skip_blank(r)) return true;
  }
  return read_element(r, f);
}

/* `size` is that of one element. */
static bool read_list(reader_t *r, const place_t *place, const field_t *field, size_t size, char *member) {
  frame_t *f = open_value(r, LIST, place, field, member);
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
  if (sorted == NULL) return fail(r, place, DAYTONA_ENOMEM, daytona_errcode_text(DAYTONA_ENOMEM));
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
  bool ok = drop_doubles(r, &f->place, &f->own) && list_take(r, &f->place, &f->own, &map->items, &map->count);
  list_drop(&f->own);
  return ok && pop(r);
}

static bool read_raw(reader_t *r, const place_t *place, const field_t *field, char *member);

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
    return read_null(r, &place);
  }
  if (f->list->count == PAIRS_MAX) return fail_crowded(r, &f->place);
  daytona_pair_t *pair = list_add(r, &place, f->list);
  if (pair == NULL) return false;
  f->step = COPY;
  if (f->string.size <= SHORT_MAX)
    return take_short(r, &place, f->field, AS_TEXT, (char *)&pair->key, &f->string);
  frame_t *key = push(r, STRING, &place, f->field, (char *)&pair->key);
  key->fate = AS_TEXT;
  key->string = f->string;
  return begin_copy(r, key) && step_string(r, key);
}

static bool read_pair_value(reader_t *r, frame_t *f) {
  place_t place = place_of_pair(f);
  daytona_pair_t *pair = (void *)(f->list->items + (f->list->count - 1) * f->list->item_size);
  f->step = NEXT;
  if (daytona__json_peek(&r->lexer) == '"')
    return read_string(r, &place, f->field, AS_TEXT, (char *)&pair->value);
  return read_raw(r, &place, f->field, (char *)&pair->value); /* a number, "true": its text */
}

/*
 * To the value of the next member, as far as this part goes: `f->step` is VALUE when it is next. False: the object has
 * ended, or a failure.
 */
static bool to_member(reader_t *r, frame_t *f) {
  daytona__json_part_t part = DAYTONA__JSON_DONE;
  if (f->step == NEXT) {
    if (!skip_blank(r)) return true;
    if (!daytona__json_next_member(&r->lexer, &f->walk)) return false;
    f->step = KEY;
  }
  if (f->step == KEY) {
    if (!skip_blank(r)) return true;
    if (!daytona__json_key_begin(&r->lexer, &f->string)) return false;
    f->step = KEY_REST;
  }
  if (f->step == KEY_REST) {
    if (!lex_part(r, &f->place, &f->string, &part)) return false;
    if (part == DAYTONA__JSON_MORE) return true;
    f->step = COLON;
  }
  if (f->step == COLON) {
    if (!skip_blank(r)) return true;
    if (!daytona__json_colon(&r->lexer)) return false;
    f->step = VALUE;
  }
  return true;
}

static bool step_map(reader_t *r, frame_t *f) {
  if (f->step == COPY) return read_pair_value(r, f);
  if (!to_member(r, f)) {
    if (r->lexer.code != 0) return fail_text(r, &f->place);
    return f->list == &f->own ? finish_map(r, f) : pop(r);
  }
  return f->step != VALUE || !skip_blank(r) || add_pair(r, f);
}

/* Each element is an object of pairs, which all go to one list. */
static bool step_pairs(reader_t *r, frame_t *f) {
  if (!skip_blank(r)) return true;
  if (f->step == NEXT) {
    if (!daytona__json_next_item(&r->lexer, &f->walk))
      return r->lexer.code != 0 ? fail_text(r, &f->place) : finish_map(r, f);
    f->step = VALUE;
    if (!skip_blank(r)) return true;
  }
  f->step = NEXT;
  place_t item = {&f->place, NULL, 0, f->walk.count - 1};
  if (daytona__json_peek(&r->lexer) == 'n') return read_null(r, &item);
  frame_t *map = open_value(r, MAP, &item, f->field, f->target);
  if (map != NULL) map->list = &f->own;
  return map != NULL;
}

/* Some servers write "[]" for an object without members, and each kind of map is read in both forms. */
static bool read_map(reader_t *r, const place_t *place, const field_t *field, char *member) {
  int c = daytona__json_peek(&r->lexer);
  bool is_array = c == '[' || (c != '{' && field->type == DAYTONA__JSON_PAIRS);
  frame_t *f = open_value(r, is_array ? PAIRS : MAP, place, field, member);
  if (f != NULL) f->own.item_size = sizeof(daytona_pair_t);
  return f != NULL;
}

/* --- what is not wanted, and what is wanted as it came --- */

/* Any value, checked as strictly as if it were wanted. */
static bool skip_value(reader_t *r, const place_t *place) {
  daytona__json_number_t number;
  switch (daytona__json_peek(&r->lexer)) {
    case '"': return read_string(r, place, NULL, DROPPED, NULL);
    case '{': return open_value(r, OBJECT, place, NULL, NULL) != NULL;
    case '[': return open_value(r, LIST, place, NULL, NULL) != NULL;
    case 't': return daytona__json_lex_word(&r->lexer, "true") || fail_text(r, place);
    case 'f': return daytona__json_lex_word(&r->lexer, "false") || fail_text(r, place);
    case 'n': return read_null(r, place);
    default: return daytona__json_lex_number(&r->lexer, &number) || fail_text(r, place);
  }
}

/* Without the white space between its tokens. */
static bool copy_raw(reader_t *r, frame_t *f) {
  const char *before = f->from, *end = f->string.raw + f->string.raw_size;
  for (; f->from < end && r->left > f->from - before; f->from++) {
    char c = *f->from;
    if (!f->in_string && (c == ' ' || c == '\n' || c == '\r' || c == '\t')) continue;
    *f->to++ = c;
    if (f->in_string && c == '\\')
      *f->to++ = *++f->from;
    else if (c == '"')
      f->in_string = !f->in_string;
  }
  r->left -= f->from - before;
  if (f->from != end) return true;
  *(const char **)(void *)f->target = f->copy;
  return pop(r);
}

static bool step_raw(reader_t *r, frame_t *f) {
  if (f->step == VALUE) {
    f->step = DONE;
    return skip_value(r, &f->place);
  }
  if (f->step == DONE) { /* with the value, which ends here */
    size_t size = f->string.raw_size = (size_t)(r->lexer.at - f->string.raw);
    f->from = f->string.raw;
    f->copy = f->to = daytona__arena_alloc(r->arena, size + 1);
    if (f->copy == NULL) return fail_room(r, &f->place, size + 1);
    f->step = COPY;
  }
  return copy_raw(r, f);
}

static bool read_raw(reader_t *r, const place_t *place, const field_t *field, char *member) {
  daytona__json_peek(&r->lexer);
  frame_t *f = push(r, RAW, place, field, member);
  f->string.raw = r->lexer.at;
  f->step = VALUE;
  return true;
}

/* --- objects --- */

static bool read_object_member(reader_t *r, const place_t *place, const field_t *field, char *member) {
  size_t size = field->model->size;
  char *object = has_room(r, place, size) ? daytona__arena_alloc(r->arena, size) : NULL;
  if (object == NULL) return r->error->code == DAYTONA_OK && fail_room(r, place, size);
  /* Pointed at from now on: a failure throws everything away. */
  memcpy(member, &object, sizeof object);
  return open_object(r, place, field->model, object);
}

static bool read_value(reader_t *r, const place_t *place, const field_t *field, char *member) {
  switch (field->type) {
    case DAYTONA__JSON_STRING: return read_string(r, place, field, AS_TEXT, member);
    case DAYTONA__JSON_BYTES: return read_string(r, place, field, AS_BYTES, member);
    case DAYTONA__JSON_ENUM: return read_string(r, place, field, AS_WORD, member);
    case DAYTONA__JSON_INT: return read_int64(r, place, (int64_t *)(void *)member);
    case DAYTONA__JSON_INT32: return read_int32(r, place, member);
    case DAYTONA__JSON_NUMBER: return read_double(r, place, (double *)(void *)member);
    case DAYTONA__JSON_BOOL: return read_bool_value(r, place, (bool *)(void *)member);
    case DAYTONA__JSON_OPT_INT: return read_opt_int(r, place, member);
    case DAYTONA__JSON_OPT_NUM: return read_opt_num(r, place, member);
    case DAYTONA__JSON_OPT_BOOL: return read_opt_bool(r, place, member);
    case DAYTONA__JSON_MAP:
    case DAYTONA__JSON_PAIRS: return read_map(r, place, field, member);
    case DAYTONA__JSON_STRINGS: return read_list(r, place, field, sizeof(char *), member);
    case DAYTONA__JSON_NUMBERS: return read_list(r, place, field, sizeof(double), member);
    case DAYTONA__JSON_ARRAY: return read_list(r, place, field, field->model->size, member);
    case DAYTONA__JSON_LIST: return read_list(r, place, field, sizeof(void *), member);
    case DAYTONA__JSON_OBJECT: return read_object_member(r, place, field, member);
    case DAYTONA__JSON_INLINE: return open_object(r, place, field->model, member);
    case DAYTONA__JSON_RAW: return read_raw(r, place, field, member);
    case DAYTONA__JSON_RESERVED: break; /* whatever a server sends under that name is not ours */
  }
  return skip_value(r, place);
}

static void clear_member(const field_t *field, char *member) {
  static const size_t sizes[] = {
    [DAYTONA__JSON_STRING] = sizeof(char *),
    [DAYTONA__JSON_BYTES] = sizeof(daytona_bytes_t),
    [DAYTONA__JSON_INT] = sizeof(int64_t),
    [DAYTONA__JSON_INT32] = sizeof(int),
    [DAYTONA__JSON_NUMBER] = sizeof(double),
    [DAYTONA__JSON_BOOL] = sizeof(bool),
    [DAYTONA__JSON_OPT_INT] = sizeof(daytona_opt_int_t),
    [DAYTONA__JSON_OPT_NUM] = sizeof(daytona_opt_num_t),
    [DAYTONA__JSON_OPT_BOOL] = sizeof(daytona_opt_bool_t),
    [DAYTONA__JSON_ENUM] = sizeof(int),
    [DAYTONA__JSON_MAP] = sizeof(daytona_map_t),
    [DAYTONA__JSON_PAIRS] = sizeof(daytona_map_t),
    [DAYTONA__JSON_STRINGS] = sizeof(daytona_strings_t),
    [DAYTONA__JSON_OBJECT] = sizeof(void *),
    [DAYTONA__JSON_INLINE] = 0,
    [DAYTONA__JSON_ARRAY] = sizeof(void *),
    [DAYTONA__JSON_LIST] = sizeof(void *),
    [DAYTONA__JSON_NUMBERS] = sizeof(double *),
    [DAYTONA__JSON_RAW] = sizeof(char *),
    [DAYTONA__JSON_RESERVED] = 8 * sizeof(uint64_t),
  };
  size_t size = sizes[field->type];
  memset(member, 0, size != 0 ? size : field->model->size);
  if (field->type == DAYTONA__JSON_ARRAY || field->type == DAYTONA__JSON_LIST ||
      field->type == DAYTONA__JSON_NUMBERS)
    *count_of(field, member) = 0;
}

/* The row for `key`. Servers keep an order much like the table's, so the search begins behind the last hit. */
static const field_t *find_field(const model_t *model, const string_t *key, size_t *hint, bool *is_alias) {
  *is_alias = false;
  for (size_t n = 0, i = *hint; n < model->field_count; n++, i++) {
    if (i >= model->field_count) i = 0;
    if (!string_is(key, model->fields[i].key)) continue;
    *hint = i + 1;
    return &model->fields[i];
  }
  *is_alias = true;
  for (size_t i = 0; i < model->field_count; i++)
    if (model->fields[i].alias != NULL && string_is(key, model->fields[i].alias)) return &model->fields[i];
  return NULL;
}

/* A member that is not wanted, but for the id of a record that is passed over. */
static bool skip_member(reader_t *r, frame_t *f) {
  bool is_name = f->name != NULL && daytona__json_peek(&r->lexer) == '"' &&
                 (string_is(&f->string, f->name->key) ||
                  (f->name->alias != NULL && string_is(&f->string, f->name->alias)));
  return is_name ? read_string(r, &f->place, NULL, AS_NAME, NULL) : skip_value(r, &f->place);
}

/* The value of the member whose key was read is next. */
static bool read_member(reader_t *r, frame_t *f) {
  bool is_alias;
  const field_t *field = f->model != NULL ? find_field(f->model, &f->string, &f->hint, &is_alias) : NULL;
  f->step = NEXT;
  if (field == NULL) return skip_member(r, f);
  const char *name = is_alias ? field->alias : field->key;
  place_t place = {&f->place, name, strlen(name), 0};
  char *member = f->target + field->offset;
  unsigned char setter = is_alias ? SET_BY_ALIAS : SET_BY_KEY, *state = &f->state[field - f->model->fields];
  if (daytona__json_peek(&r->lexer) == 'n') {
    if (*state == setter) {
      clear_member(field, member);
      *state = UNSET;
    }
    return read_null(r, &place);
  }
  if (*state > setter) return skip_value(r, &place);
  if (*state != UNSET) clear_member(field, member);
  if ((field->flags & DAYTONA__JSON_SECRET) != 0) r->arena->is_secret = true;
  *state = setter;
  return read_value(r, &place, field, member);
}

/* The row of the id: the first that must be there. NULL: the records have none. */
static const field_t *id_of(const model_t *model) {
  for (size_t i = 0; i < model->field_count; i++) {
    const field_t *row = &model->fields[i];
    if ((row->flags & DAYTONA__JSON_REQUIRED) == 0) continue;
    return row->type == DAYTONA__JSON_STRING && (row->flags & DAYTONA__JSON_SECRET) == 0 ? row : NULL;
  }
  return NULL;
}

/* A record that no call can ask for is of no use. */
static bool is_nameless(const reader_t *r, const frame_t *f) {
  const field_t *id = id_of(f->model);
  bool is_record = r->depth > 1 && frame_at((reader_t *)r, r->depth - 2)->kind == LIST;
  if (!is_record || id == NULL) return false;
  return (*(const char **)(void *)(f->target + id->offset))[0] == '\0';
}

static bool close_object(reader_t *r, frame_t *f) {
  const model_t *model = f->model;
  if (r->lexer.code != 0) return fail_text(r, &f->place);
  if (model == NULL) return pop(r);
  for (size_t i = 0; i < model->field_count; i++) {
    if ((model->fields[i].flags & DAYTONA__JSON_REQUIRED) == 0 || f->state[i] != UNSET) continue;
    place_t place = {&f->place, model->fields[i].key, strlen(model->fields[i].key), 0};
    return fail(r, &place, DAYTONA_EPROTOCOL, "the field is missing");
  }
  if (is_nameless(r, f)) {
    const char *key = id_of(model)->key;
    place_t place = {&f->place, key, strlen(key), 0};
    return fail(r, &place, DAYTONA_EPROTOCOL, "it is empty");
  }
  return pop(r);
}

static bool step_object(reader_t *r, frame_t *f) {
  size_t depth = r->depth;
  /* Plain members one after the other; one that opens something has its turn first. */
  do {
    if (f->step != VALUE && !to_member(r, f)) return close_object(r, f);
    if (f->step != VALUE || !skip_blank(r)) return true;
    if (!read_member(r, f)) return false;
    r->left -= STEP_WORK;
  } while (r->depth == depth && r->left > 0);
  return true;
}

/* --- records that cannot be read --- */

/* Count the record that has failed; of the first one it is kept why. */
static void note_skipped(reader_t *r) {
  if (r->skipped_count++ == 0) {
    r->skipped = *r->error;
    r->skipped.code = DAYTONA_OK;
    r->skipped.skipped_id[0] = '\0';
  }
  memset(r->error, 0, sizeof *r->error);
  r->is_crowded = false;
}

/*
 * After a failing step: go back to the beginning of the innermost record of a list and pass over it, id and all. False: what
 * has failed is the text as a whole, memory, or a value that belongs to no list.
 */
static bool leave_out(reader_t *r) {
  size_t depth = r->depth;
  if (r->lexer.code != 0 || (r->error->code != DAYTONA_EPROTOCOL && !r->is_crowded)) return false;
  while (depth != 0 && frame_at(r, depth - 1)->record.text == NULL) depth--;
  if (depth == 0) return false;
  while (r->depth > depth) list_drop(&frame_at(r, --r->depth)->own);
  frame_t *f = frame_at(r, depth - 1);
  assert(f->kind == LIST && f->step == NEXT && f->list->count <= f->record.index + 1);
  note_skipped(r);
  f->list->count = f->record.index;
  r->lexer.at = f->record.text;
  r->lexer.depth = f->record.depth;
  f->record.text = NULL;
  if (!skip_value(r, &f->place)) return false;
  frame_t *top = frame_at(r, r->depth - 1);
  if (top != f && top->kind == OBJECT && r->skipped_count == 1) top->name = id_of(f->field->model);
  return true;
}

/* --- whole texts --- */

static void drop_frames(reader_t *r) {
  while (r->depth != 0) list_drop(&frame_at(r, --r->depth)->own);
}

/* Go on until the value is read, a failure, or the end of this part. */
static daytona__json_part_t run(reader_t *r, size_t work) {
  static bool (*const steps[KINDS])(reader_t * r, frame_t * f) = {
    [OBJECT] = step_object, [LIST] = step_list,     [PAIRS] = step_pairs,
    [MAP] = step_map,       [STRING] = step_string, [RAW] = step_raw};
  r->left = work > PTRDIFF_MAX ? PTRDIFF_MAX : (ptrdiff_t)work;
  while (r->depth != 0) {
    frame_t *f = frame_at(r, r->depth - 1);
    if (r->left <= 0) return DAYTONA__JSON_MORE;
    const char *before = r->lexer.at;
    if (!steps[f->kind](r, f) && !leave_out(r)) {
      assert(r->error->code != DAYTONA_OK);
      drop_frames(r);
      return DAYTONA__JSON_FAILED;
    }
    r->left -= STEP_WORK + (f->kind == LIST ? r->lexer.at - before : 0);
  }
  if (!skip_blank(r)) return DAYTONA__JSON_MORE;
  if (daytona__json_at_end(&r->lexer)) {
    r->skipped.skipped_count = r->skipped_count;
    *r->error = r->skipped;
    return DAYTONA__JSON_DONE;
  }
  fail_text(r, NULL);
  return DAYTONA__JSON_FAILED;
}

static bool begin(reader_t *r, daytona__arena_t *arena, const char *text, size_t size,
                  daytona__json_error_t *error) {
  r->error = error != NULL ? error : &r->own_error;
  memset(r->error, 0, sizeof *r->error);
  daytona__json_lexer_init(&r->lexer, text, size);
  r->text = r->lexer.at;
  r->size = size;
  r->arena = arena;
  r->used_before = arena->used;
  r->left = PTRDIFF_MAX;
  r->depth = 0;
  r->far = NULL;
  r->result = NULL;
  r->count = 0;
  r->is_crowded = false;
  r->skipped_count = 0;
  memset(&r->skipped, 0, sizeof r->skipped);
  r->is_block = false;
  if (size > DAYTONA__JSON_BODY_MAX) return fail(r, NULL, DAYTONA_ELIMIT, "the JSON text is too large");
  return true;
}

/* The frame of the whole text. */
static bool begin_value(reader_t *r, const model_t *model, bool is_array) {
  static const place_t top = {NULL, "", 0, 0};
  r->root = (field_t){.type = DAYTONA__JSON_LIST, .model = model};
  if (!is_array) {
    if ((r->result = daytona__arena_alloc(r->arena, model->size)) == NULL)
      return fail_room(r, NULL, model->size);
    return open_object(r, &top, model, r->result);
  }
  if (daytona__json_peek(&r->lexer) == 'n') return read_null(r, NULL);
  return read_list(r, &top, &r->root, sizeof(void *), (char *)&r->result);
}

int daytona__json_decode(daytona__arena_t *arena, const daytona__json_model_t *model, const char *text,
                         size_t size, void **out, daytona__json_error_t *error) {
  reader_t r;
  if (begin(&r, arena, text, size, error) && begin_value(&r, model, false) &&
      run(&r, SIZE_MAX) == DAYTONA__JSON_DONE)
    *out = r.result;
  return r.error->code;
}

int daytona__json_decode_list(daytona__arena_t *arena, const daytona__json_model_t *model, const char *text,
                              size_t size, void **out, size_t *count, daytona__json_error_t *error) {
  reader_t r;
  if (begin(&r, arena, text, size, error) && begin_value(&r, model, true) &&
      run(&r, SIZE_MAX) == DAYTONA__JSON_DONE) {
    *out = r.result;
    *count = r.count;
  }
  return r.error->code;
}

int daytona__json_decode_string(daytona__arena_t *arena, const char *text, size_t size, const char **out,
                                daytona__json_error_t *error) {
  static const place_t top = {NULL, "", 0, 0};
  const char *value = NULL;
  reader_t r;
  if (begin(&r, arena, text, size, error) && read_string(&r, &top, NULL, AS_TEXT, (char *)&value) &&
      run(&r, SIZE_MAX) == DAYTONA__JSON_DONE)
    *out = value;
  return r.error->code;
}

/* --- in parts --- */

daytona__json_decoder_t *daytona__json_decoder_new(daytona__arena_t *arena,
                                                   const daytona__json_model_t *model, bool is_array,
                                                   const char *text, size_t size) {
  reader_t *r = daytona__alloc(sizeof *r);
  if (r == NULL) return NULL;
  if (begin(r, arena, text, size, NULL)) begin_value(r, model, is_array);
  r->is_block = true;
  return r;
}

int daytona__json_decoder_run(daytona__json_decoder_t *decoder, size_t work) {
  if (decoder->error->code != DAYTONA_OK) return decoder->error->code;
  return run(decoder, work) == DAYTONA__JSON_MORE ? DAYTONA__JSON_GOES_ON : (int)decoder->error->code;
}

void *daytona__json_decoder_result(const daytona__json_decoder_t *decoder, size_t *count) {
  assert(decoder->error->code == DAYTONA_OK && decoder->depth == 0);
  if (count != NULL) *count = decoder->count;
  return decoder->result;
}

const daytona__json_error_t *daytona__json_decoder_error(const daytona__json_decoder_t *decoder) {
  return decoder->error;
}

void daytona__json_decoder_free(daytona__json_decoder_t *decoder) {
  if (decoder == NULL) return;
  drop_frames(decoder);
  daytona__free(decoder);
}
