/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Client and Sandbox can do: a table of methods. To add a call of the library, write its
 * begin function and, if it has a result, its value function, and add a row.
 */
#ifndef EXAMPLES_NODE_METHODS_H
#define EXAMPLES_NODE_METHODS_H

#include "arguments.h"
#include "call.h"

enum { CLIENT_METHODS = 2, SANDBOX_METHODS = 6 };

/* Begin an operation of `self`, a client or a sandbox of the library. Options are read first; NULL when one is wrong, with an
   exception pending. */
typedef daytona_future_t *(*begin_cb)(void *self, char *const *texts, options_t *options, call_t *call);

typedef struct method {
  const char *name;
  int text_count;  /* leading arguments that are strings */
  bool has_output; /* and then a function for the output of a stream */
  begin_cb begin;
  call_value_cb value; /* NULL: it has no result */
} method_t;

extern const method_t client_methods[CLIENT_METHODS];
extern const method_t sandbox_methods[SANDBOX_METHODS];

/* What marks the objects, so that no method takes one for another. */
extern const napi_type_tag client_tag, sandbox_tag;

#endif
