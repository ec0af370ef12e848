/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arguments of a call, described by rows: where each goes (path, query, header, body) and what it must be.
 *
 * The rows are those of the JSON codec. A row is about a member of the call's argument struct, or with `in_opts` of
 * its options struct; rules of rows inside nested structs and arrays count as well.
 */
#ifndef DAYTONA_CALL_PARAMS_H
#define DAYTONA_CALL_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/error.h>

#include "call/secrets.h"
#include "core/arena.h"
#include "json/codec.h"
#include "wire/url.h"

/*
 * Rules. Without any: a STRINGS argument has no NULL element, and every entry of a MAP has a name and a value.
 * Texts that are not UTF-8 are refused when they are written.
 */
enum {
  DAYTONA__GIVEN = 1 << 0,     /* not NULL */
  DAYTONA__NONEMPTY = 1 << 1,  /* not NULL and not ""; of a list or map: at least one element */
  DAYTONA__NOT_BLANK = 1 << 2, /* not NULL, and not only white space */
  DAYTONA__OCTAL = 1 << 3,     /* one to five octal digits, or NULL */
  DAYTONA__MIN = 1 << 4,       /* a number that is set is at least `min` */
  DAYTONA__MAX = 1 << 5,       /* ... at most `max` */
  DAYTONA__POSITIVE = 1 << 6,  /* an OPT_NUM that is set is finite and more than 0 */
  DAYTONA__ENV = 1 << 7,       /* a MAP whose names are those of shell variables */
  DAYTONA__TOGETHER = 1 << 8,  /* all rows of the group are given, or none */
  DAYTONA__ANY_OF = 1 << 9,    /* at least one row of the group is given */
  /* Not to be shown in errors, however the server spells it; see secrets.h. */
  DAYTONA__HIDE = 1 << 10,      /* as it is, if it has eight bytes or more */
  DAYTONA__HIDE_URL = 1 << 11,  /* the login in it */
  DAYTONA__HIDE_USER = 1 << 12, /* with the password in the next row */
  /* A string that the call's `finish` looks at: it is copied. */
  DAYTONA__KEPT = 1 << 13,
  DAYTONA__TIME_LIMIT = 1 << 15, /* milliseconds: not negative, or DAYTONA_NO_TIMEOUT */
  DAYTONA__PASSED = 1 << 14 /* a MAP or STRINGS for a program: each fits into what the kernel hands to one */
};

/* Most bytes of one argument or "NAME=value" with its NUL: 32 pages of 4 KiB. */
enum { DAYTONA__PASSED_MAX = 131072 };

#define DAYTONA__HIDE_ANY (DAYTONA__HIDE | DAYTONA__HIDE_URL | DAYTONA__HIDE_USER)

/*
 * A table of rows, as a static constant where it is used:
 *
 *   .request = DAYTONA__ARGS(move_args_t, DAYTONA__ARG(QUERY, move_args_t, STRING, source, "source",
 *                                                      .rules = DAYTONA__NONEMPTY), ...)
 */
#define DAYTONA__ARG(place, struct_type, json_type, member, wire_key, ...)                          \
  {                                                                                                 \
    .key = wire_key, .name = #member, .type = DAYTONA__JSON_##json_type, .where = DAYTONA__##place, \
    .offset = offsetof(struct_type, member), __VA_ARGS__                                            \
  }
#define DAYTONA__OPT(place, struct_type, json_type, member, wire_key, ...) \
  DAYTONA__ARG(place, struct_type, json_type, member, wire_key, .in_opts = true, __VA_ARGS__)
#define DAYTONA__ARGS(struct_type, ...)                                             \
  (&(const daytona__json_model_t){                                                  \
    "arguments", sizeof(struct_type), (const daytona__json_field_t[]){__VA_ARGS__}, \
    sizeof((const daytona__json_field_t[]){__VA_ARGS__}) / sizeof(daytona__json_field_t)})

/* What is wrong with arguments: one line, which names the argument. */
typedef struct daytona__params_problem {
  char text[200];
} daytona__params_problem_t;

/* Whether the arguments keep the rules of their rows. */
bool daytona__params_check(const daytona__json_model_t *model, const void *args, const void *opts,
                           daytona__params_problem_t *problem);

/* The first variable that is too long to be passed to a program; NULL: none is. Names and values must be there. */
const daytona_pair_t *daytona__params_long_variable(const daytona_map_t *env);

/* What to say of it, in one line: with the name and its size, not the value. */
void daytona__params_blame_variable(const char *argument, const daytona_pair_t *variable,
                                    daytona__params_problem_t *problem);

/* Whether any row goes into the body. */
bool daytona__params_have_body(const daytona__json_model_t *model);

/*
 * Write path and query. `base` is the service's, `path` may hold "{key}" for rows of the path and "{sandbox}" for
 * `sandbox_id`. What goes wrong is noted in `url`, as its functions do.
 */
void daytona__params_url(daytona__url_t *url, daytona__arena_t *arena, const char *base, const char *path,
                         const char *sandbox_id, const daytona__json_model_t *model, const void *args,
                         const void *opts);

/* The headers that arguments ask for, copied into `arena`. 0 or DAYTONA_ENOMEM, DAYTONA_EINVAL. */
int daytona__params_headers(daytona__arena_t *arena, const daytona__json_model_t *model, const void *args,
                            const void *opts, daytona_header_t **out, size_t *count);

/* Collect what errors must not show (NULL: no row has a rule about that), and note in `arena` whether it holds
   something secret. False without memory. */
bool daytona__params_hide(daytona__arena_t *arena, const daytona__json_model_t *model, const void *args,
                          const void *opts, daytona__secrets_t *secrets);

/* A copy of the arguments for later: the struct, and the strings that are KEPT. NULL without memory. */
void *daytona__params_keep(daytona__arena_t *arena, const daytona__json_model_t *model, const void *args);

#endif
