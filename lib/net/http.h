/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP on curl multi, driven by the client's loop.
 *
 * A call is a structure of the caller's, filled in, started once, and reported once through `on_done`,
 * from a turn of the loop with nothing of libcurl on the stack. Requests wait in a queue of ours until
 * one of `max_connections` slots is free; their time limits begin when they leave it, unless
 * `counts_queue_time` says otherwise.
 *
 * Limits: connect (name lookup, TCP, TLS, proxy, until the request can be sent), idle (no byte in either
 * direction), total (everything, retries included). Each has its own error code and is kept by our own
 * clock, not by libcurl.
 */
#ifndef DAYTONA_NET_HTTP_H
#define DAYTONA_NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/error.h>

#include "core/loop.h"
#include "core/strbuf.h"
#include "net/options.h"
#include "net/resolver.h"
#include "net/response.h"

/* All headers of one response; libcurl stops at 300 KiB in newer versions. */
#define DAYTONA__HEADERS_MAX ((size_t)256 << 10)

/* Requests that wait for a connection; beyond it a call fails with DAYTONA_ELIMIT. */
#define DAYTONA__QUEUE_MAX 1000000

typedef struct daytona__http daytona__http_t;
typedef struct daytona__http_call daytona__http_call_t;
typedef struct daytona__http_transfer daytona__http_transfer_t; /* private */

/* Results of a body source, besides a byte count. */
#define DAYTONA__HTTP_SOURCE_WAIT ((ptrdiff_t)-1) /* nothing yet: call daytona__http_resume_send() */
#define DAYTONA__HTTP_SOURCE_FAIL ((ptrdiff_t)-2) /* give up: the call fails with call->user_error */

struct daytona__http_call {
  /* --- the request; everything is borrowed until on_done or cancel --- */
  const char *method;
  const char *url;
  const daytona_header_t *headers; /* besides the common ones */
  size_t header_count;
  const char *accept;       /* NULL: application/json */
  const char *content_type; /* NULL: application/json */
  const void *body;
  size_t body_size;

  /*
   * A streamed request body instead of `body`: fill `buffer`, return the number of bytes, 0 at the end.
   * Called with libcurl on the stack: touch nothing of the library from here. Never retried once asked.
   */
  ptrdiff_t (*source)(daytona__http_call_t *call, char *buffer, size_t size);
  int64_t source_size; /* -1: unknown, sent chunked */

  /*
   * A streamed response instead of `response.body`, for 2xx responses only (others are collected for the
   * error). `sink` is called from a turn of the loop without libcurl on the stack; what it does not take
   * (returns less than `size`) pauses the transfer until daytona__http_resume_receive(). Bytes it did not
   * take are offered again. `on_head` comes once before, with status and headers in place.
   */
  void (*on_head)(daytona__http_call_t *call);
  size_t (*sink)(daytona__http_call_t *call, const char *bytes, size_t size);

  int64_t connect_timeout_ms; /* 0: the client's default; -1: none */
  int64_t idle_timeout_ms;    /* 0 or -1: none */
  int64_t total_timeout_ms;   /* 0 or -1: none */
  bool counts_queue_time;
  bool is_urgent;        /* goes before all that waits, and has a slot more than others */
  bool is_create;        /* never repeat after the request may have reached the server */
  bool no_repeats;       /* whoever calls decides on another attempt */
  bool is_repeat;        /* it is one: for the statistics */
  bool keeps_headers;    /* response headers are wanted on success too */
  bool skips_common;     /* for another service: none of the common headers */
  bool no_http2;         /* bulk transfers: one connection of their own */
  bool no_redirects;     /* its headers are for this server alone */
  size_t max_body;       /* ceiling of a collected response; 0: DAYTONA__JSON_BODY_MAX */
  size_t max_error_body; /* how much is kept of one that is not 2xx; 0: DAYTONA__ERROR_BODY_MAX */
  void (*on_admitted)(daytona__http_call_t *call); /* optional: it has left the queue, for time limits */
  void (*on_done)(daytona__http_call_t *call);
  void *user;
  void *owner; /* for traces */

  /*
   * --- the response; valid in on_done and until daytona__http_call_clear() ---
   * Headers are there of failures, and with keeps_headers; status and headers in on_head already.
   */
  daytona__response_t response;
  const char *response_type;    /* Content-Type without parameters, lower case; "" if none */
  bool was_sent;                /* the request, or a part of it, may have reached the server */
  bool is_other_protocol;       /* what the peer answered was no HTTP: nothing was carried out */
  daytona_errcode_t user_error; /* set by a source or sink that gives up */
  char text[512];

  /* --- private --- */
  daytona__http_transfer_t *transfer;
  daytona__strbuf_t collected; /* becomes response.body */
  void *storage;               /* of response.headers and response_type */
  daytona__http_t *http;
  daytona__task_t task; /* reports a failure before there is a transfer */
};

/*
 * `common` are the headers of every request (Authorization and so on), copied. `resolver` is borrowed and
 * outlives the result.
 */
int daytona__http_new(daytona__loop_t *loop, const daytona__net_options_t *options,
                      daytona__resolver_t *resolver, const daytona_header_t *common, size_t common_count,
                      daytona__http_t **out);

/*
 * What an attempt carries so that the server can name it as the parent of what it does: header lines as they are sent,
 * "traceparent: 00-...". They are left out of requests to other services and after a redirect to another origin.
 */
typedef struct daytona__http_context {
  char parent[72];     /* "": none */
  const char *state;   /* NULL: none; lives as long as the call */
  unsigned char id[8]; /* of the attempt, for whoever filled it in */
} daytona__http_context_t;

/* One attempt of a request, at its end: it was answered, has failed, or was given up. Borrowed for the call. */
typedef struct daytona__http_attempt {
  const daytona__http_call_t *call;
  const char *method, *url; /* as sent: after a redirect others than the call's */
  bool is_redirected;
  daytona_errcode_t code; /* as of a response */
  const char *message;
  int status, number;
  int64_t duration_us; /* since it left the queue */
  uint64_t sent_bytes, received_bytes;
  bool is_reused; /* its connection had served another request */
  const daytona__http_context_t *context;
} daytona__http_attempt_t;

/* Have `on_attempt` called at the end of each attempt. libcurl may be on the stack: it only looks. */
void daytona__http_set_trace(daytona__http_t *http,
                             void (*on_attempt)(const daytona__http_attempt_t *attempt, void *user),
                             void *user);

/* Have `on_begin` fill in the context of each attempt, which is zero, before it is sent; `user` is that of the trace. */
void daytona__http_set_context(daytona__http_t *http,
                               void (*on_begin)(const daytona__http_call_t *call,
                                                daytona__http_context_t *context, void *user));

/* Take back one that was never used, of a loop that is not open. */
void daytona__http_discard(daytona__http_t *http);

/* All calls must have ended or been cancelled; `closed` comes when no handle and no socket is left. */
void daytona__http_close(daytona__http_t *http, void (*closed)(void *user), void *user);

/* `call` must be zero apart from the request. Always ends in on_done, also when memory is short. */
void daytona__http_start(daytona__http_t *http, daytona__http_call_t *call);

/* Stop without on_done; the transfer is gone when this returns. Harmless on a call that has ended. */
void daytona__http_cancel(daytona__http_call_t *call);

/* Free what the response holds. on_done must have come, or the call been cancelled. */
void daytona__http_call_clear(daytona__http_call_t *call);

void daytona__http_resume_send(daytona__http_call_t *call);
void daytona__http_resume_receive(daytona__http_call_t *call);
void daytona__http_pause_receive(daytona__http_call_t *call);

/* What the requests of a client have done so far, and its connections now. */
typedef struct daytona__http_stats {
  uint64_t attempts, retries, limiter_waits; /* retries and waits for a 429 are attempts as well */
  uint64_t sent_bytes, received_bytes;       /* of attempts that have ended */
  size_t connections;                        /* open, or being opened */
} daytona__http_stats_t;

const daytona__http_stats_t *daytona__http_stats(const daytona__http_t *http);

/* Requests in flight and waiting. */
void daytona__http_counts(const daytona__http_t *http, size_t *in_flight, size_t *waiting);

#endif
