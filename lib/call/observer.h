/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Observers: who wants to know what the library does and how it ends; the log is one, telemetry another. They are called at
 * the funnels, once each: an operation's beginning and end, each attempt of a request, each WebSocket's opening and end.
 *
 * An observer looks and returns: library state may be on the stack, so that it must call nothing of the library's.
 * Everything that it is given is borrowed for the call. Without observers an event costs one comparison.
 *
 * No secret reaches an observer: queries are left out of paths, and segments that are secret arguments are "***".
 */
#ifndef DAYTONA_CALL_OBSERVER_H
#define DAYTONA_CALL_OBSERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "call/op.h"
#include "net/http.h"
#include "net/proxy.h"
#include "net/ws.h"
#include "wire/trace_context.h"

/* The span of an operation, for telemetry, which fills it in; all zero without. */
typedef struct daytona__span {
  bool is_begun, has_parent;
  daytona__trace_context_t context;
  uint8_t parent_id[8];
  const char *state; /* "tracestate: ..."; NULL: none */
} daytona__span_t;

/* Who caused it: an operation, or one that has ended, of a terminal that it has attached. */
typedef struct daytona__origin {
  uint64_t id;           /* of the operation, unique in its client; from 1 */
  const char *name;      /* "fs_move_files": the public function, whose first part is the noun */
  const char *sandbox;   /* id; NULL: none, or not known yet */
  daytona__span_t *span; /* NULL: nobody wants one, or there is no memory */
} daytona__origin_t;

typedef struct daytona__op_event {
  daytona__origin_t origin;
  daytona__arena_t *arena; /* of a beginning: lives as long as the operation */
  /* of an end: */
  daytona_errcode_t code;
  const char *message; /* of a failure, as the program gets it; NULL: none */
  int http_status;     /* of the failure; 0: none */
  int64_t duration_us;
  unsigned requests; /* attempts and sockets, all of them */
  uint64_t sent_bytes, received_bytes;
} daytona__op_event_t;

/* Where a request goes. `path` is without query and secrets. */
typedef struct daytona__place {
  const char *method;                /* "GET" for sockets */
  const char *scheme;                /* "http" or "https"; of sockets "ws" or "wss" */
  char host[DAYTONA__HOST_ROOM + 8]; /* with its port, where the URL has one */
  char path[512];
} daytona__place_t;

typedef struct daytona__request_event {
  daytona__origin_t origin;
  daytona__place_t place;
  daytona_errcode_t code; /* DAYTONA_EFAILED for a status that is no success */
  const char *message;    /* of transport failures; else NULL */
  int status;             /* 0: no response */
  int attempt;            /* of its request; from 1 */
  int64_t duration_us;    /* since it left the queue */
  uint64_t sent_bytes, received_bytes;
  bool is_reused; /* the connection had served another request */
  const daytona__http_context_t *context;
} daytona__request_event_t;

typedef struct daytona__socket_event {
  daytona__origin_t origin;
  daytona__place_t place;
  int64_t duration_us; /* since the opening began */
  /* of an end: */
  bool was_open;
  daytona_errcode_t code; /* DAYTONA_OK: a close frame */
  const char *message;
  int status;                          /* of a response other than 101; else 0 */
  int close_code;                      /* of the peer's close frame; else 0 */
  uint64_t sent_bytes, received_bytes; /* of messages */
  bool is_detached;                    /* the operation has ended before: a terminal */
  const daytona__http_context_t *context;
} daytona__socket_event_t;

typedef struct daytona__observer daytona__observer_t;

/* Each function is optional. */
struct daytona__observer {
  daytona__observer_t *next;
  void *user;
  void (*op_begun)(daytona__observer_t *self, const daytona__op_event_t *event);
  void (*op_ended)(daytona__observer_t *self, const daytona__op_event_t *event);
  /* An attempt, or an upgrade, is about to be sent: what it is to carry. */
  void (*request_begun)(daytona__observer_t *self, const daytona__origin_t *origin,
                        daytona__http_context_t *context);
  void (*request_ended)(daytona__observer_t *self, const daytona__request_event_t *event);
  void (*socket_opened)(daytona__observer_t *self, const daytona__socket_event_t *event);
  void (*socket_ended)(daytona__observer_t *self, const daytona__socket_event_t *event);
};

/* Add an observer, which must outlive the client or be taken away, before its first operation. */
void daytona__client_observe(daytona_client_t *client, daytona__observer_t *observer);
void daytona__client_unobserve(daytona_client_t *client, daytona__observer_t *observer);

/* The log's: a line for each operation at INFO, for each request and socket at DEBUG. `user` is the loop. */
extern const daytona__observer_t daytona__log_observer;

/* --- for the funnels ---------------------------------------------------------------------------- */

/* `name` is that of the public function; NULL: this operation is not observed. */
void daytona__observe_op_begin(daytona__op_t *op, const char *name);
void daytona__observe_op_end(daytona__op_t *op);

/* A socket of `op` is about to be opened: complete `opts`, which has its URL. 0, or DAYTONA_ENOMEM. */
int daytona__observe_socket(daytona__op_t *op, daytona__ws_opts_t *opts);

/* It was not. */
void daytona__observe_no_socket(daytona__ws_trace_t *trace);

#endif
