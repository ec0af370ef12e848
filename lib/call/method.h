/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods: a REST call as a row of a table.
 *
 *   DAYTONA__METHOD(move, .prefix = "Failed to move files: ", .verb = "POST", .path = "/files/move",
 *     .service = DAYTONA__TOOLBOX,
 *     .request = DAYTONA__ARGS(move_args_t,
 *       DAYTONA__ARG(IN_QUERY, move_args_t, STRING, source, "source", .rules = DAYTONA__NONEMPTY),
 *       DAYTONA__ARG(IN_QUERY, move_args_t, STRING, destination, "destination", .rules = DAYTONA__NONEMPTY)));
 *
 *   daytona_future_t *daytona_fs_move_files(daytona_sandbox_t *sandbox, const char *source, const char *destination,
 *                                           const daytona_call_opts_t *opts) {
 *     return daytona__call(sandbox, &move_method, &(move_args_t){source, destination}, DAYTONA__OPTS(opts));
 *   }
 *
 * What the rows say is done in one place: arguments are checked and copied, the URL and the body are made, the
 * answer is decoded, the future is settled. Operations of several requests are written by hand on daytona__op_t; they
 * begin with daytona__call_new(), so that their arguments are rows as well.
 */
#ifndef DAYTONA_CALL_METHOD_H
#define DAYTONA_CALL_METHOD_H

#include "call/op.h"
#include "call/params.h"

/* The options of a call: NULL stands for all zero. */
typedef struct daytona__opts {
  const void *given; /* NULL: all defaults */
  size_t size;
  int64_t timeout_ms;
  bool reserved_is_zero;
} daytona__opts_t;

/* The options struct of a public call, which has `timeout_ms` and `reserved`. */
#define DAYTONA__OPTS(opts)                                                 \
  ((daytona__opts_t){.given = (opts),                                       \
                     .size = sizeof *(opts),                                \
                     .timeout_ms = (opts) != NULL ? (opts)->timeout_ms : 0, \
                     .reserved_is_zero = (opts) == NULL || DAYTONA__RESERVED_OK(opts)})

/* A list or map that may be NULL, by value. */
#define DAYTONA__OR_EMPTY(pointer) ((pointer) != NULL ? *(pointer) : (__typeof__(*(pointer))){NULL, 0})

/*
 * Call `method` of a sandbox or of a client. `args` is the argument struct of its rows, or NULL without any; it and
 * the options may go when this returns.
 */
#define daytona__call(owner, ...)                      \
  _Generic((owner), daytona_client_t *                 \
           : daytona__call_client, daytona_sandbox_t * \
           : daytona__call_sandbox)(__func__, owner, __VA_ARGS__)

daytona_future_t *daytona__call_client(const char *name, daytona_client_t *client,
                                       const daytona__method_t *method, const void *args,
                                       daytona__opts_t opts);
daytona_future_t *daytona__call_sandbox(const char *name, daytona_sandbox_t *sandbox,
                                        const daytona__method_t *method, const void *args,
                                        daytona__opts_t opts);

/*
 * The beginning alone: a new operation (as daytona__op_new()) whose arguments have been checked and whose path, query
 * and headers are there. NULL: *future has failed. Go on with daytona__call_prepare() and daytona__op_send().
 */
#define daytona__call_new(...) daytona__call_new_named(__func__, __VA_ARGS__)
daytona__op_t *daytona__call_new_named(const char *name, const daytona__method_t *method,
                                       daytona_client_t *client, daytona_sandbox_t *sandbox, size_t size,
                                       const void *args, daytona__opts_t opts, daytona_future_t **future);

/* As daytona__op_prepare(), with the body of the rows. */
int daytona__call_prepare(daytona__op_t *op, const void *args, daytona__opts_t opts, int64_t timeout_ms);

/* A response that is one string; for methods with `gives_text`. */
typedef struct daytona__text {
  const char *text;
} daytona__text_t;

#endif
