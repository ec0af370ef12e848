/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations: what runs between a call and the end of its future. Most are one request and made by daytona__call() of
 * method.h; those with more to them are written on daytona__op_t.
 *
 * An operation lives in its future's arena and holds one reference to the future while it runs. `done` comes
 * from a turn of the loop with the decoded answer or with an error; it settles the future with
 * daytona__op_resolve() or daytona__op_fail(), or sends the next request of a longer operation.
 */
#ifndef DAYTONA_CALL_OP_H
#define DAYTONA_CALL_OP_H

#include <daytona/sandbox.h>

#include "call/client_impl.h"
#include "call/sandbox_object.h"
#include "core/future.h"
#include "json/codec.h"
#include "wire/url.h"

/* Whose base a path is of. That of the analytics must be known before, see client_impl.h. */
typedef enum daytona__service {
  DAYTONA__CONTROL_PLANE,
  DAYTONA__TOOLBOX,
  DAYTONA__ANALYTICS
} daytona__service_t;

typedef struct daytona__op daytona__op_t;

/* One REST call; see method.h for how it becomes a public function. */
typedef struct daytona__method daytona__method_t;

struct daytona__method {
  const daytona__method_t *const *entry; /* set by DAYTONA__METHOD */
  const char *prefix;                    /* in front of error messages */
  const char *verb;
  const char *path; /* "{}" stands for an argument of daytona__op_path(), "{key}" for a row of `request` */
  daytona__service_t service;
  const daytona__json_model_t *request;  /* the arguments; NULL: none, and no body */
  const daytona__json_model_t *response; /* NULL: the response's body is not looked at */
  const daytona__type_t *result; /* of a response that is an object or array; NULL: success without a value */
  int64_t timeout_ms;            /* when the caller leaves it 0; 0: the client's request_timeout_ms */
  bool gives_sandbox;            /* the response is a sandbox: a daytona__sandbox_dto_t in op->data */
  bool keeps_answer;  /* the response is decoded into op->data, too: what is made of it shares that */
  bool gives_array;   /* the response is an array of `response`: `done` gets a daytona__array_t */
  bool gives_text;    /* the result is the string of `response`, which is of a daytona__text_t */
  bool gives_body;    /* the response is not JSON: `done` and `finish` look at op->http.response */
  bool is_lenient;    /* of a sandbox: a response that cannot be read counts as success without news */
  bool is_create;     /* may never be sent twice */
  bool is_secret;     /* all that it holds is wiped */
  bool is_background; /* sent after the call that caused it has settled: no future of a program carries it */
  bool is_resumption; /* sent only when the connection of another request was lost */
  bool is_stream;     /* not a request: once the toolbox is known `done` comes without a response, perhaps at
                          once, and the service opens its socket with daytona__stream_open(), or makes a URL */
  /* Optional: what is wrong with arguments that keep the rules of their rows, or NULL. */
  const char *(*check)(const void *args, const void *opts);
  /* Optional: add to the query what rows cannot say. */
  void (*query)(daytona__url_t *url, const void *args, const void *opts);
  /* Optional: change the response. `args` is a copy whose strings are there if they are KEPT. 0, or a code with
     `*problem`, a message. */
  int (*finish)(daytona__op_t *op, const void *args, void **answer, const char **problem);
  bool
    may_be_text; /* the response is JSON or not, as its type says: `finish` gets no response then, but the body */
};

/*
 * How methods are defined:  DAYTONA__METHOD(move, .prefix = ...);  makes move_method, and registers it, so that the
 * tests know of every method there is. One that is not registered cannot be called in builds with asserts.
 */
#define DAYTONA__METHOD(noun, ...)                                                                       \
  static const daytona__method_t noun##_method;                                                          \
  static const daytona__method_t *const noun##_entry __attribute__((section("daytona_methods"), used)) = \
    &noun##_method;                                                                                      \
  static const daytona__method_t noun##_method = {.entry = &noun##_entry, __VA_ARGS__}

/* What `finish` returns when it has done a part of its work and is to be called again in the next turn. */
enum { DAYTONA__FINISH_AGAIN = 1 };

/* Whether a method has an entry in the section of methods. */
static inline bool daytona__method_is_registered(const daytona__method_t *method) {
  return method->entry != NULL && *method->entry == method;
}

/* A response that is an array: the form of every public list. */
typedef struct daytona__array {
  const void *const *items;
  size_t count;
} daytona__array_t;

/* What observers learn of an operation; see observer.h. All zero but the first while nobody observes the client. */
typedef struct daytona__op_watch {
  bool is_counted;  /* it is one of those pending in the statistics */
  const char *name; /* static: "fs_move_files" */
  uint64_t id, began_ns;
  unsigned requests;
  uint64_t sent_bytes, received_bytes;
  struct daytona__watched_socket *socket; /* that has not ended */
  struct daytona__span *span;             /* in the future's arena; NULL: there is none */
} daytona__op_watch_t;

struct daytona__op {
  daytona_future_t *future;
  daytona_client_t *client;   /* retained */
  daytona_sandbox_t *sandbox; /* retained; NULL for operations of the client */
  const daytona__method_t *method;
  daytona__op_watch_t watch;
  daytona__url_t url;   /* path and query are collected here */
  const char *target;   /* the finished one, relative to the service's base */
  const char *full_url; /* the one sent last, and what it was made of */
  const char *full_base, *full_target;
  const void *body;
  size_t body_size;
  daytona_header_t *headers; /* besides those of every request */
  size_t header_count;
  bool is_requesting; /* `http` is in use */
  bool is_finding;    /* `http` asks where the toolbox is: the request itself was not sent yet */
  bool counts_queue_time, is_urgent;
  int64_t timeout_ms; /* of the request, with finding the toolbox; -1: none */
  int64_t began_ms;   /* when that limit began to run; -1: not yet, the request waits in the queue */
  daytona__http_call_t http;
  daytona__arena_t *scratch; /* optional: holds URL, body and decoded answer of each request instead of the
                                 future's arena, for operations that go on for days; daytona__op_switch() clears it */
  daytona__sandbox_data_t *data;    /* holds the answer when it is a sandbox */
  void *work;                       /* what `finish` keeps while it continues; in the future's arena */
  daytona__json_decoder_t *decoder; /* a long response is being read, a part in each turn; else NULL */
  daytona__task_t reading;
  void (*done)(daytona__op_t *op, const daytona_error_t *error, void *answer);
  void (*outgoing)(daytona__op_t *op); /* optional: last changes to `http` before the request goes */
  void (*admitted)(daytona__op_t *op); /* optional: a request has left the queue */
  void (*ending)(daytona__op_t *op);   /* optional: end what runs besides requests, such as timers; `http` has
                                          been stopped, and still tells whether it was sent */
};

/*
 * A new operation on `sandbox` or, with NULL, on `client`, and its future. `size` is that of the structure
 * whose first member the operation is; 0 for the operation alone. NULL: *future has failed already, for a
 * closed client, lack of memory, or because both `client` and `sandbox` are NULL. `name` is for observers: that of the
 * public function, whose prefix is left out.
 */
daytona__op_t *daytona__op_new_named(const char *name, const daytona__method_t *method,
                                     daytona_client_t *client, daytona_sandbox_t *sandbox, size_t size,
                                     daytona_future_t **future);

/* Named after the public function that makes it; others pass a name on. */
#define daytona__op_new(...) daytona__op_new_named(__func__, __VA_ARGS__)

/* Fill in the path's arguments. Without arguments it need not be called. Queries: daytona__url_query*(&op->url). */
void daytona__op_path(daytona__op_t *op, const char *first, const char *second, const char *third);

/* Check options and encode the request without sending it yet. 0, or the operation has failed and is gone. */
int daytona__op_prepare(daytona__op_t *op, const void *request, int64_t timeout_ms);

/* The same for arguments with options: rows of `request` that are `in_opts` are members of `opts`. */
int daytona__op_prepare_args(daytona__op_t *op, const void *args, const void *opts, int64_t timeout_ms);

/* Add a member to the JSON object that is the body which was prepared. 0 or the code of an error. */
int daytona__op_add_member(daytona__op_t *op, const char *key, const daytona__json_model_t *model,
                           const void *object);

/* Send what was prepared. May be called again, from `done` or later, for the same request. */
void daytona__op_send(daytona__op_t *op);

/* Send another request under the time limit of the one before, which may have begun. */
void daytona__op_resend(daytona__op_t *op);

/* Where what belongs to one request goes. */
static inline daytona__arena_t *daytona__op_arena(const daytona__op_t *op) {
  return op->scratch != NULL ? op->scratch : &op->future->arena;
}

/* Go on with another request: its path is to be filled in again. */
void daytona__op_switch(daytona__op_t *op, const daytona__method_t *method);

/* Fail before anything was sent: a bad argument. Returns the future. */
daytona_future_t *daytona__op_reject(daytona__op_t *op, daytona_errcode_t code, const char *format, ...)
  __attribute__((format(printf, 3, 4)));

/* Settle, and let everything go; the operation is gone afterwards. */
void daytona__op_resolve(daytona__op_t *op, const daytona__type_t *type, void *result);
void daytona__op_resolve_sandbox(daytona__op_t *op, daytona_sandbox_t *sandbox); /* takes the reference */
/* A copy of plain data in the operation's future. 0 or the code of an error. */
int daytona__op_copy(daytona__op_t *op, const daytona__json_model_t *model, const void *item, void **out);

/* Settle with such a copy; without memory the operation fails. */
void daytona__op_resolve_copy(daytona__op_t *op, const daytona__type_t *type,
                              const daytona__json_model_t *model, const void *item);
void daytona__op_fail(daytona__op_t *op, const daytona_error_t *error);

/*
 * Whether the request that failed with `error` may have been carried out all the same: the response was lost, or is of a
 * kind that says nothing about it. Not after a refusal, and not where the server has no such method.
 */
bool daytona__op_may_have_acted(const daytona__op_t *op, const daytona_error_t *error);

/* The error of a part of a result, as daytona__op_fail() would keep it, with `prefix` (may be NULL) in front. */
const daytona_error_t *daytona__op_copy_error(daytona__op_t *op, const daytona_error_t *error,
                                              const char *prefix);

/* What a stream ended with, in the future's arena: the text without secrets. NULL without memory. */
char *daytona__op_copy_text(daytona__op_t *op, const char *text);

/* Whether the reserved words of an options struct are zero. */
bool daytona__reserved_is_zero(const uint64_t *words, size_t count);
#define DAYTONA__RESERVED_OK(opts) \
  daytona__reserved_is_zero((opts)->reserved, sizeof(opts)->reserved / sizeof(opts)->reserved[0])

/* Resolve a timeout of options: 0 means `fallback`, DAYTONA_NO_TIMEOUT -1. False for other negatives. */
bool daytona__timeout_resolve(int64_t given, int64_t fallback, int64_t *out);

#endif
