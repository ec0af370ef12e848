/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a future, for the layers that settle them.
 *
 * An operation makes a future with daytona__future_new(), keeps its own state in the future's arena and
 * settles it once with daytona__future_resolve() or one of the failing functions. It holds a reference
 * while anything (a request, a timer, a thread-pool job) may still come back to that state.
 *
 * daytona__future_new() may return the immortal future of the loop (no memory, wrong thread); that one
 * is settled already: daytona__future_is_dead() asks, and the operation returns it as it is.
 */
#ifndef DAYTONA_CORE_FUTURE_H
#define DAYTONA_CORE_FUTURE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include <daytona/future.h>

#include "core/arena.h"
#include "core/loop.h"

/*
 * A kind of result; compared by address. A NULL result of any kind but none says that what was asked for does not exist.
 */
typedef struct daytona__type {
  const char *name;           /* daytona_future_<name>() gives it out, where there is an accessor */
  void (*drop)(void *result); /* optional: releases what the arena does not own */
  int (*stream_reason)(const void *result); /* of streams: a daytona_stream_reason_t */
} daytona__type_t;

extern const daytona__type_t daytona__type_none;    /* success without a value */
extern const daytona__type_t daytona__type_string;  /* const char * */
extern const daytona__type_t daytona__type_map;     /* daytona_map_t */
extern const daytona__type_t daytona__type_strings; /* daytona_strings_t */

/* Stop the operation: afterwards nothing of it comes back but what holds a reference of its own. */
typedef void (*daytona__future_stop_cb)(daytona_future_t *future);

/*
 * What an operation that is more than a request can do while its future is pending; compared by address. NULL where
 * there is nothing to pause. Both return 0 or DAYTONA_EINVAL.
 */
typedef struct daytona__op_kind {
  const char *name;
  int (*pause)(daytona_future_t *future);
  int (*resume)(daytona_future_t *future);
} daytona__op_kind_t;

/* One registration. The first of each future needs no allocation. */
typedef struct daytona__listener {
  daytona__list_t link;
  daytona_future_cb callback;
  void *user;
} daytona__listener_t;

/*
 * A callback owed by an immortal future, which many callers share. Some are part of the loop, because
 * lack of memory is what these futures are mostly about.
 */
typedef struct daytona__notice {
  daytona__task_t task; /* its link is also that of the loop's spare ones */
  bool is_reserved;
  daytona_future_t *future;
  daytona_future_cb callback;
  void *user;
} daytona__notice_t;

/* What the program has lent to an operation, to be given back once its callbacks cannot come any more. */
typedef struct daytona__owned {
  daytona_destroy_cb destroy; /* NULL: nothing */
  void *user;
} daytona__owned_t;

enum { DAYTONA__OWNED_MAX = 2 };

struct daytona_future {
  daytona__arena_t arena;
  daytona__loop_t *loop;
  uint32_t refs;
  uint8_t state;
  size_t skipped_count;  /* records of the answer that could not be read */
  uint8_t stream_reason; /* of a stream that has failed: a daytona_stream_reason_t; 0: what the error says */
  bool is_immortal;
  const daytona__type_t *type;
  void *result;
  daytona_error_t *error;
  daytona__future_stop_cb stop;
  void *op;                          /* the operation's state, in the arena */
  const daytona__op_kind_t *op_kind; /* says what `op` is; NULL: nothing that others look for */
  const char *prefix;                /* in front of error messages; static */
  daytona__list_t pending;           /* in the loop's list of unsettled futures */
  daytona__task_t notify;
  daytona__list_t listeners;
  daytona__listener_t first;
  bool first_is_used;
  daytona__owned_t owned[DAYTONA__OWNED_MAX];
};

/* A pending future with one reference for the caller. `op_size` bytes of zeroed state come with it. */
daytona_future_t *daytona__future_new(daytona__loop_t *loop, size_t op_size, const char *prefix);
bool daytona__future_is_dead(const daytona_future_t *future);

/* Bounds what the operation may allocate; 0 means the default of the arena. */
void daytona__future_set_limit(daytona_future_t *future, size_t bytes);

bool daytona__future_is_pending(const daytona_future_t *future);

/* The operation's state if it is of `kind`, else NULL. The only way to get at the state of a future that is not one's own. */
void *daytona__op_of(const daytona_future_t *future, const daytona__op_kind_t *kind);

/*
 * Have `destroy` called with `user` once the future has settled and its callbacks of that turn were called; at once if
 * there is no such future (it is dead). A NULL `destroy` is nothing.
 */
void daytona__future_own(daytona_future_t *future, daytona_destroy_cb destroy, void *user);

/* Somebody else gives back what the future owns. */
void daytona__future_disown(daytona_future_t *future);

/* Settle. The result must live in the arena or be released by the type's `drop`. */
void daytona__future_resolve(daytona_future_t *future, const daytona__type_t *type, void *result);
void daytona__future_succeed(daytona_future_t *future);

/* Fail with a message of our own; the prefix is put in front. */
void daytona__future_fail(daytona_future_t *future, daytona_errcode_t code, const char *format, ...)
  __attribute__((format(printf, 3, 4)));

/* Fail with a copy of `error`, whose strings may live anywhere; the prefix is put in front. */
void daytona__future_fail_error(daytona_future_t *future, const daytona_error_t *error);

/* As daytona_future_cancel(), with another code: closing a client uses DAYTONA_ECLOSED. */
void daytona__future_abort(daytona_future_t *future, daytona_errcode_t code, const char *message);

/* A future that has failed already with DAYTONA_EINVAL or another code; reported in a later turn. */
daytona_future_t *daytona__future_failed(daytona__loop_t *loop, const char *prefix, daytona_errcode_t code,
                                         const char *format, ...) __attribute__((format(printf, 4, 5)));

/* What kind of result there is; NULL while there is none. */
const daytona__type_t *daytona__future_type(const daytona_future_t *future);

/*
 * The result if it is of `type`; NULL if it is not there, or there is none. A result of another type is a misuse: the
 * program has called the wrong accessor. daytona__future_type() asks without that.
 */
void *daytona__future_result(const daytona_future_t *future, const daytona__type_t *type);

void daytona__future_init_immortal(daytona_future_t *future, daytona__loop_t *loop, daytona_errcode_t code);

/*
 * The answer to a call without a client or sandbox: there is no loop to report on, so this one shared future
 * has failed with DAYTONA_EINVAL, and its callbacks are called inside daytona_future_then().
 */
daytona_future_t *daytona__future_orphan(void);

/* The error kept for every place that has no memory left to describe one. */
const daytona_error_t *daytona__error_static(daytona_errcode_t code);

/* A deep copy into `arena` with `prefix` (may be NULL) in front; the static one if memory is short. */
daytona_error_t *daytona__error_copy(daytona__arena_t *arena, const daytona_error_t *error,
                                     const char *prefix);

/* One line, whatever a server put into it: control characters become blanks, and it is cut between characters. */
void daytona__one_line(char *text, size_t max);

#endif
