/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call of the library as JavaScript sees it: a promise, or a Node callback, that can be cancelled.
 *
 * The library calls back on Node's loop, which is the thread of the JavaScript environment, but outside of any JavaScript.
 * So this is the only file that enters it from there: with a handle scope, with the asynchronous context of the call, so that
 * promises and AsyncLocalStorage continue, and with exceptions handed to process.on('uncaughtException').
 */
#ifndef EXAMPLES_NODE_CALL_H
#define EXAMPLES_NODE_CALL_H

#define NAPI_VERSION 8
#include <node/node_api.h>
#include <stdbool.h>

#include <daytona/daytona.h>

/* One per environment: the main thread, or a worker. */
typedef struct addon {
  bool is_leaving;          /* the environment ends: no JavaScript is called any more */
  napi_ref client, sandbox; /* constructors */
} addon_t;

typedef struct call call_t;

/* The value of a success; `self` is the object whose method was called. NULL: undefined. */
typedef napi_value (*call_value_cb)(napi_env env, napi_value self, daytona_future_t *future);

/*
 * Begin a call of `self`, which is kept alive until the call has ended, as is `callback`. Without a callback (NULL) the result
 * is a promise. `output` is called with the chunks of a stream, or NULL. NULL on failure, with an exception pending.
 */
call_t *call_new(napi_env env, napi_value self, napi_value callback, napi_value output);

/* Nothing was begun: there is an exception instead. */
void call_drop(call_t *call);

/* What the method returns, once: the promise, or an object, with a method cancel(). NULL with an exception. */
napi_value call_open(call_t *call);

/* Open the call, and report what becomes of `future`, which is taken. */
napi_value call_watch(call_t *call, daytona_future_t *future, call_value_cb value);

/* For the end of something that is not a future: a success without a value. */
void call_succeed(call_t *call);

/* The callback for a stream's output: `user` is the call. */
void call_output(const daytona_output_t *output, void *user);

#endif
