/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON by field table. One table per model says where each key lives in a C struct; the same table
 * drives decoding and encoding. The text is read in one pass, straight into the structs.
 *
 * Decoding is lenient, as the protocol asks: unknown keys pass, missing keys and null leave the member
 * zero, integers written as floats are read, unknown enum strings are kept as strings. What cannot be a
 * value of the member's type (a string where a number belongs, 1.5 for an integer, a number out of
 * range, invalid UTF-8) is an error that names the path of the field. Of a key that comes twice the last
 * one counts. Elements that are null are skipped, but in NUMBERS they are NaN.
 *
 * A record of a list of objects (LIST, ARRAY, the text as an array) that holds such an error, or no id, costs only itself: it
 * is left out, and the rest of the list is delivered. The answer says how many were left out and why the first of them was.
 */
#ifndef DAYTONA_JSON_CODEC_H
#define DAYTONA_JSON_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/error.h>
#include <daytona/types.h>

#include "core/arena.h"

/* The memory of a decoded response: a fixed number of bytes, and a number for each byte of its text. */
#define DAYTONA__JSON_MEMORY_BASE ((size_t)1 << 20)
#define DAYTONA__JSON_MEMORY_FACTOR 16

typedef enum daytona__json_type {
  DAYTONA__JSON_STRING,   /* const char * ; strings with an embedded NUL are refused */
  DAYTONA__JSON_BYTES,    /* daytona_bytes_t from a JSON string, may hold NUL */
  DAYTONA__JSON_INT,      /* int64_t */
  DAYTONA__JSON_INT32,    /* int */
  DAYTONA__JSON_NUMBER,   /* double */
  DAYTONA__JSON_BOOL,     /* bool */
  DAYTONA__JSON_OPT_INT,  /* daytona_opt_int_t */
  DAYTONA__JSON_OPT_NUM,  /* daytona_opt_num_t */
  DAYTONA__JSON_OPT_BOOL, /* daytona_opt_bool_t */
  DAYTONA__JSON_ENUM,     /* int, by the field's `names`; an unknown string gives names->unknown */
  DAYTONA__JSON_MAP,      /* daytona_map_t, an object of strings */
  DAYTONA__JSON_PAIRS,    /* daytona_map_t on the wire as an array of one-pair objects */
  DAYTONA__JSON_STRINGS,  /* daytona_strings_t, an array of strings (null elements are skipped) */
  DAYTONA__JSON_OBJECT,   /* const T *, with the field's `model` */
  DAYTONA__JSON_INLINE,   /* T inside the struct, with the field's `model` */
  DAYTONA__JSON_ARRAY,    /* const T * of `count_offset` elements, with the field's `model` */
  DAYTONA__JSON_LIST, /* const T *const *, the same by pointers: what programs are given, so that T can grow */
  DAYTONA__JSON_NUMBERS, /* const double * of `count_offset` elements */
  DAYTONA__JSON_RAW,     /* const char *: the value as compact JSON text, whatever it is but null */
  DAYTONA__JSON_RESERVED /* uint64_t[8] of a struct that programs fill in: never sent, never read */
} daytona__json_type_t;

enum {
  DAYTONA__JSON_SECRET = 1 << 0,   /* the arena that holds it is wiped */
  DAYTONA__JSON_ALWAYS = 1 << 1,   /* encoded also when zero: "" for strings, {} for maps, [] for arrays */
  DAYTONA__JSON_REQUIRED = 1 << 2, /* its absence from a response is an error; use it for ids only */
  DAYTONA__JSON_DECODE_ONLY = 1 << 3,
  DAYTONA__JSON_OMIT_ZERO = 1 << 4 /* a plain number or BOOL is not encoded when it is zero */
};

/* Where an argument of a call goes. Everything but IN_BODY is for the rows of call/params.h only. */
typedef enum daytona__json_where {
  DAYTONA__IN_BODY,   /* a member of the JSON object */
  DAYTONA__AS_BODY,   /* the value alone is the body */
  DAYTONA__IN_PATH,   /* "{key}" in the path stands for it */
  DAYTONA__IN_QUERY,  /* lists become one "key=value" per element, maps a JSON object */
  DAYTONA__IN_HEADER, /* strings only */
  DAYTONA__NOWHERE    /* only checked */
} daytona__json_where_t;

/* Rows of one table, at most. */
#define DAYTONA__JSON_FIELDS_MAX 128

typedef struct daytona__json_names {
  const char *const *names; /* indexed by value, NULL-terminated; NULL entries are not possible */
  int unknown;              /* value for a string that is not listed */
} daytona__json_names_t;

typedef struct daytona__json_model daytona__json_model_t;

typedef struct daytona__json_field {
  const char *key;
  const char *alias; /* older name, tried when `key` is absent */
  daytona__json_type_t type;
  unsigned flags;
  size_t offset;
  size_t count_offset;                /* arrays: a size_t member */
  size_t max_count;                   /* lists of a response: more elements are DAYTONA_ELIMIT; 0: any */
  const daytona__json_model_t *model; /* OBJECT, INLINE, ARRAY */
  const daytona__json_names_t
    *names; /* ENUM; of a STRING whose number is wanted, too, for an int at count_offset */

  /* What follows describes arguments of calls; see call/params.h. */
  daytona__json_where_t where;
  bool in_opts;              /* a member of the options struct, not of the arguments */
  unsigned char group;       /* rows with the same number belong together */
  unsigned rules;            /* DAYTONA__NONEMPTY and so on */
  const char *name;          /* as the caller knows it, for messages; NULL: the key */
  const char *fallback;      /* of a STRING: sent when it is NULL */
  const char *const *one_of; /* of a STRING: the values allowed, NULL-terminated */
  int64_t min, max;          /* with DAYTONA__MIN, DAYTONA__MAX */
} daytona__json_field_t;

struct daytona__json_model {
  const char *name; /* for messages, such as "Sandbox" */
  size_t size;
  const daytona__json_field_t *fields;
  size_t field_count;
};

/* Table rows: DAYTONA__FIELD(struct sandbox, STRING, id, "id", .flags = DAYTONA__JSON_REQUIRED) */
#define DAYTONA__FIELD(struct_type, json_type, member, wire_key, ...) \
  { .key = wire_key, .type = DAYTONA__JSON_##json_type, .offset = offsetof(struct_type, member), __VA_ARGS__ }
#define DAYTONA__FIELD_ARRAY(struct_type, member, count_member, wire_key, element_model, ...) \
  {                                                                                           \
    .key = wire_key, .type = DAYTONA__JSON_ARRAY, .offset = offsetof(struct_type, member),    \
    .count_offset = offsetof(struct_type, count_member), .model = element_model, __VA_ARGS__  \
  }
#define DAYTONA__FIELD_LIST(struct_type, member, count_member, wire_key, element_model, ...) \
  {                                                                                          \
    .key = wire_key, .type = DAYTONA__JSON_LIST, .offset = offsetof(struct_type, member),    \
    .count_offset = offsetof(struct_type, count_member), .model = element_model, __VA_ARGS__ \
  }
#define DAYTONA__MODEL(variable, struct_type, model_name, table)                  \
  const daytona__json_model_t variable = {model_name, sizeof(struct_type), table, \
                                          sizeof(table) / sizeof((table)[0])}

/* The usual way: a model with its rows. */
#define DAYTONA__MODEL_OF(variable, struct_type, model_name, ...)                  \
  const daytona__json_model_t variable = {                                         \
    model_name, sizeof(struct_type), (const daytona__json_field_t[]){__VA_ARGS__}, \
    sizeof((const daytona__json_field_t[]){__VA_ARGS__}) / sizeof(daytona__json_field_t)}

/* A word as it was received, in a string, and its number, in an int or enumeration; a word that is not listed has the
   number of unknown words. Only the string is encoded. */
#define DAYTONA__FIELD_WORD(struct_type, text_member, number_member, wire_key, word_names)       \
  {                                                                                              \
    .key = wire_key, .type = DAYTONA__JSON_STRING, .offset = offsetof(struct_type, text_member), \
    .count_offset = offsetof(struct_type, number_member), .names = word_names                    \
  }

/*
 * What went wrong, for a daytona_error_t: DAYTONA_EPROTOCOL, DAYTONA_ELIMIT or DAYTONA_ENOMEM. After success `skipped_count`
 * records were left out, and field and message are about the first of them.
 */
typedef struct daytona__json_error {
  daytona_errcode_t code;
  char field[160];   /* "items[2].cpu", or "" for the text as a whole */
  char message[240]; /* one line, without the text of the response */
  size_t skipped_count;
  char skipped_id[64]; /* of the first skipped record, '?' for what is not printable; "": no readable id */
} daytona__json_error_t;

/*
 * Decode an object into a new struct of `model` in `arena`. Strings are copied, so `text` may go.
 * `error` may be NULL. 0, or the code of the error; *out is untouched on failure.
 */
int daytona__json_decode(daytona__arena_t *arena, const daytona__json_model_t *model, const char *text,
                         size_t size, void **out, daytona__json_error_t *error);

/* Decode an array of objects: *out is `*count` pointers to structs, as for a LIST. null gives an empty one. */
int daytona__json_decode_list(daytona__arena_t *arena, const daytona__json_model_t *model, const char *text,
                              size_t size, void **out, size_t *count, daytona__json_error_t *error);

/* Decode a bare JSON string. */
int daytona__json_decode_string(daytona__arena_t *arena, const char *text, size_t size, const char **out,
                                daytona__json_error_t *error);

/*
 * The same in parts, for long texts: daytona__json_decoder_run() does about that many bytes of work and gives 0 when all is
 * read, DAYTONA__JSON_GOES_ON when there is more, or the code of an error. `text` stays until then. NULL: no memory.
 */
typedef struct daytona__json_decoder daytona__json_decoder_t;
enum { DAYTONA__JSON_GOES_ON = 1 };
daytona__json_decoder_t *daytona__json_decoder_new(daytona__arena_t *arena,
                                                   const daytona__json_model_t *model, bool is_array,
                                                   const char *text, size_t size);
int daytona__json_decoder_run(daytona__json_decoder_t *decoder, size_t work);
const daytona__json_error_t *daytona__json_decoder_error(const daytona__json_decoder_t *decoder);

/* After 0: the struct, or the first of `*count` of them. In the arena. */
void *daytona__json_decoder_result(const daytona__json_decoder_t *decoder, size_t *count);

/* At any time. Takes NULL. */
void daytona__json_decoder_free(daytona__json_decoder_t *decoder);

/*
 * Encode `object` as compact JSON in `arena`, keys in the order of the table. Members that are zero
 * (NULL, unset optional, empty list or map) are left out unless DAYTONA__JSON_ALWAYS; a plain INT, NUMBER
 * or BOOL is always written. Never writes null. Fails with DAYTONA_EINVAL on invalid UTF-8 (`error->field`
 * says where), DAYTONA_ENOMEM, DAYTONA_ELIMIT.
 */
int daytona__json_encode(daytona__arena_t *arena, const daytona__json_model_t *model, const void *object,
                         const char **out, size_t *size, daytona__json_error_t *error);

/*
 * The same for the arguments of a call: rows that are `in_opts` are members of `opts`, and only rows of the body
 * are written. With a row that is AS_BODY, its value alone.
 */
int daytona__json_encode_args(daytona__arena_t *arena, const daytona__json_model_t *model, const void *args,
                              const void *opts, const char **out, size_t *size, daytona__json_error_t *error);

/* Encode the value of one member. */
int daytona__json_encode_value(daytona__arena_t *arena, const daytona__json_field_t *field,
                               const void *object, const char **out, size_t *size,
                               daytona__json_error_t *error);

#endif
