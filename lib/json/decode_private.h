/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the decoder share; nobody else includes it.
 *
 *   decode.c          whole texts and texts in parts: the loop of steps, and records that are left out
 *   decode_objects.c  objects by their tables: which row a key has, and what its value is read as
 *   decode_lists.c    lists and maps
 *   decode_values.c   what holds nothing else: numbers, booleans, strings; and values that are dropped or kept as text
 *   decode_reader.c   the reader itself: failures, tokens, frames, lists that grow
 *
 * Each calls what stands below it. What is inside of a bracket is not read by a call but by a frame of its own: a function
 * read_x() takes a scalar or a short string from the text and pushes a frame for everything else, and step_x() takes a frame
 * some way on. Both return false on failure.
 *
 * Invariants: a failing step has left a message in `error`; a member is zero until it is read, and again after
 * null; only the topmost frame's list grows, so that what its children read into stays where it is.
 */
#ifndef DAYTONA_JSON_DECODE_PRIVATE_H
#define DAYTONA_JSON_DECODE_PRIVATE_H

#include <assert.h>

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

/* What each step costs besides its bytes. */
enum { STEP_WORK = 16 };

/* A string that is copied at once. */
enum { SHORT_MAX = 4096 };

/* --- decode_reader.c --- */

bool daytona__json_fail(reader_t *r, const place_t *place, daytona_errcode_t code, const char *message);
bool daytona__json_fail_crowded(reader_t *r, const place_t *place);
/* The text itself is at fault. */
bool daytona__json_fail_text(reader_t *r, const place_t *place);
/* The arena gave nothing for `size` bytes: over its limit, or out of memory. */
bool daytona__json_fail_room(reader_t *r, const place_t *place, size_t size);
/* The next value is not what the table says. */
bool daytona__json_fail_kind(reader_t *r, const place_t *place, const char *expected);
/* A text of a few bytes per element must not ask for hundreds of bytes for each: what it may cost depends on its size. */
bool daytona__json_has_room(reader_t *r, const place_t *place, size_t size);

static inline bool daytona__json_is_number_start(int c) { return c == '-' || (c >= '0' && c <= '9'); }

/* Past white space. False: there is so much of it that the rest has to wait. */
bool daytona__json_skip_blanks(reader_t *r);

static inline bool daytona__json_skip_blank(reader_t *r) {
  return (r->lexer.at < r->lexer.end && (unsigned char)*r->lexer.at > ' ') || daytona__json_skip_blanks(r);
}

bool daytona__json_read_null(reader_t *r, const place_t *place);
/* A string or key that has begun, as far as this part goes. */
bool daytona__json_lex_part(reader_t *r, const place_t *place, string_t *string, daytona__json_part_t *part);
/*
 * To the value of the next member, as far as this part goes: `f->step` is VALUE when it is next. False: the object has
 * ended, or a failure.
 */
bool daytona__json_to_member(reader_t *r, frame_t *f);

static inline frame_t *daytona__json_frame_at(reader_t *r, size_t i) {
  assert(i < FRAMES_NEAR || (r->far != NULL && i - FRAMES_NEAR < FRAMES_FAR));
  return i < FRAMES_NEAR ? &r->near[i] : &r->far[i - FRAMES_NEAR];
}

frame_t *daytona__json_push(reader_t *r, kind_t kind, const place_t *place, const field_t *field,
                            char *target);
bool daytona__json_pop(reader_t *r);
/* A value in brackets: NULL or false when it is none. */
frame_t *daytona__json_open_value(reader_t *r, kind_t kind, const place_t *place, const field_t *field,
                                  char *target);
bool daytona__json_open_object(reader_t *r, const place_t *place, const model_t *model, char *object);
bool daytona__json_read_object_member(reader_t *r, const place_t *place, const field_t *field, char *member);

/* A zeroed element at the end, valid until the next one is added. */
void *daytona__json_list_add(reader_t *r, const place_t *place, list_t *list);
/* Move the elements into the arena. */
bool daytona__json_list_take(reader_t *r, const place_t *place, list_t *list, void *out, size_t *count);
void daytona__json_list_drop(list_t *list);

/* Where the element count of `member` is. */
static inline size_t *daytona__json_count_of(const field_t *field, char *member) {
  return (void *)(member - field->offset + field->count_offset);
}

/* --- decode_values.c --- */

bool daytona__json_string_is(const string_t *string, const char *text);
bool daytona__json_read_int64(reader_t *r, const place_t *place, int64_t *out);
bool daytona__json_read_double(reader_t *r, const place_t *place, double *out);
bool daytona__json_read_bool_value(reader_t *r, const place_t *place, bool *out);
bool daytona__json_read_int32(reader_t *r, const place_t *place, char *member);
bool daytona__json_read_opt_int(reader_t *r, const place_t *place, char *member);
bool daytona__json_read_opt_num(reader_t *r, const place_t *place, char *member);
bool daytona__json_read_opt_bool(reader_t *r, const place_t *place, char *member);

/* A string that is next in the text, read as far as this part goes. */
bool daytona__json_read_string(reader_t *r, const place_t *place, const field_t *field, fate_t fate,
                               char *target);
/* One whose end was found: at once, or by the frame that has it. */
bool daytona__json_take_short(reader_t *r, const place_t *place, const field_t *field, fate_t fate,
                              char *target, const string_t *string);
bool daytona__json_begin_copy(reader_t *r, frame_t *f);
bool daytona__json_step_string(reader_t *r, frame_t *f);

/* Any value, checked as strictly as if it were wanted. */
bool daytona__json_skip_value(reader_t *r, const place_t *place);
/* Any value as it came, without the white space between its tokens. */
bool daytona__json_read_raw(reader_t *r, const place_t *place, const field_t *field, char *member);
bool daytona__json_step_raw(reader_t *r, frame_t *f);

/* --- decode_lists.c --- */

/* `size` is that of one element. */
bool daytona__json_read_list(reader_t *r, const place_t *place, const field_t *field, size_t size,
                             char *member);
bool daytona__json_step_list(reader_t *r, frame_t *f);
/* Some servers write "[]" for an object without members, and each kind of map is read in both forms. */
bool daytona__json_read_map(reader_t *r, const place_t *place, const field_t *field, char *member);
bool daytona__json_step_map(reader_t *r, frame_t *f);
bool daytona__json_step_pairs(reader_t *r, frame_t *f);

/* --- decode_objects.c --- */

bool daytona__json_step_object(reader_t *r, frame_t *f);
/* The row of the id: the first that must be there. NULL: the records have none. */
const field_t *daytona__json_id_of(const model_t *model);

#endif
