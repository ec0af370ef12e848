/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket client: from a URL to messages, and exactly one outcome at the end.
 *
 * A socket is opened with daytona__ws_open() and belongs to the caller (release it). Events come through
 * callbacks from turns of the loop, with nothing of wslay or mbedTLS on the stack: at most one on_open,
 * then data, and as the last of all exactly one on_close, never inside a call. Releasing a socket that
 * has not ended aborts it and silences it.
 *
 * Limits: connect (lookup, TCP, proxy, TLS, upgrade, redirects), idle (no message byte in either
 * direction while not paused; pings do not count), pong (nothing received after a ping), close (the peer
 * does not answer a close frame). Each gives its own outcome.
 */
#ifndef DAYTONA_NET_WS_H
#define DAYTONA_NET_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/error.h>

#include "core/loop.h"
#include "net/options.h"
#include "net/resolver.h"
#include "net/response.h"

/* The request of an upgrade: URL and headers. */
#define DAYTONA__REQUEST_HEAD_MAX ((size_t)256 << 10)

/* A WebSocket message received, all frames together; it is delivered in chunks, never held. */
#define DAYTONA__WS_MESSAGE_MAX ((size_t)64 << 20)

/* Bytes that a WebSocket holds for a slow peer, unless configured otherwise. */
#define DAYTONA__WS_QUEUED_DEFAULT ((size_t)4 << 20)

/* With more than this waiting to be sent, of several pings only the last is answered. */
#define DAYTONA__WS_PONG_BACKLOG ((size_t)16 << 10)

typedef struct daytona__ws daytona__ws_t;

/* What the sockets of one client share: read buffer, trust anchors, proxy rules, random numbers. */
typedef struct daytona__ws_env daytona__ws_env_t;

/* `common` are the headers of every upgrade, copied. `resolver` is borrowed and outlives the result. */
int daytona__ws_env_new(daytona__loop_t *loop, const daytona__net_options_t *options,
                        daytona__resolver_t *resolver, const daytona_header_t *common, size_t common_count,
                        daytona__ws_env_t **out);

/*
 * Cancels what is open (each still gets its on_close); `closed` comes when no handle is left, and is the last time that the
 * environment may be asked for its statistics. Sockets that are still held may be released afterwards.
 */
void daytona__ws_env_close(daytona__ws_env_t *env, void (*closed)(void *user), void *user);

/* Sockets that still have a handle; for tests and log lines. */
size_t daytona__ws_env_count(const daytona__ws_env_t *env);

typedef enum daytona__ws_end {
  DAYTONA__WS_END_FRAME,    /* the peer's close frame: code is DAYTONA_OK, see close_code and reason */
  DAYTONA__WS_END_EOF,      /* the connection ended without a close frame */
  DAYTONA__WS_END_RESET,    /* it broke */
  DAYTONA__WS_END_HTTP,     /* a response other than 101: see `response` */
  DAYTONA__WS_END_FAILED,   /* it never opened: lookup, TCP, proxy, TLS, malformed upgrade */
  DAYTONA__WS_END_PROTOCOL, /* the peer broke the rules or a ceiling (DAYTONA_ELIMIT) */
  DAYTONA__WS_END_CONNECT_TIMEOUT,
  DAYTONA__WS_END_IDLE_TIMEOUT,
  DAYTONA__WS_END_PONG_TIMEOUT,  /* the peer is dead */
  DAYTONA__WS_END_CLOSE_TIMEOUT, /* it did not answer our close frame */
  DAYTONA__WS_END_CANCELED,
  DAYTONA__WS_END_NO_MEMORY
} daytona__ws_end_t;

/* The outcome. Borrowed for the call. */
typedef struct daytona__ws_close {
  daytona__ws_end_t how;
  bool was_open;      /* on_open had come */
  bool was_asked;     /* daytona__ws_close() had been called */
  bool was_behind;    /* it had been paused, and much was still to be read when the connection ended */
  int close_code;     /* of the peer's close frame; 1005: it had none */
  const char *reason; /* NUL-terminated; "" when there is none */
  size_t reason_size;

  /*
   * `code` is DAYTONA_OK for a close frame, and `message` is never NULL. Status, headers and at most
   * DAYTONA__ERROR_BODY_MAX of the body are those of an HTTP response other than 101: DAYTONA_EFAILED, or
   * DAYTONA_EPROTOCOL for a redirect that is not followed.
   */
  daytona__response_t response;
} daytona__ws_close_t;

typedef struct daytona__ws_chunk {
  bool is_text;  /* the message's type */
  bool is_first; /* the first chunk of a message */
  bool is_final; /* the last one */
  const char *bytes;
  size_t size;
} daytona__ws_chunk_t;

/* The sockets of an environment: opened so far, open now, and the bytes of their messages. */
typedef struct daytona__ws_stats {
  uint64_t opened, sent_bytes, received_bytes;
  size_t open;
} daytona__ws_stats_t;

const daytona__ws_stats_t *daytona__ws_stats(const daytona__ws_env_t *env);

/* How a socket has ended, for a trace. */
typedef struct daytona__ws_trace_end {
  bool was_open;
  daytona_errcode_t code;
  const char *message;
  int status, close_code;
  uint64_t sent_bytes, received_bytes; /* of messages */
} daytona__ws_trace_end_t;

/* Who follows a socket's life. Each is called once, the second always and last; they only look. */
typedef struct daytona__ws_trace daytona__ws_trace_t;

struct daytona__ws_trace {
  void (*on_opened)(daytona__ws_trace_t *trace);
  void (*on_ended)(daytona__ws_trace_t *trace, const daytona__ws_trace_end_t *end);
};

typedef struct daytona__ws_opts {
  const char *url;                 /* ws, wss, http or https; copied, as all that follows */
  const daytona_header_t *headers; /* besides the common ones */
  size_t header_count;
  const char *const *protocols;
  size_t protocol_count;
  bool has_secret_protocol;   /* one of them is not for another server: such redirects are refused */
  int64_t connect_timeout_ms; /* 0: the client's default; -1: none */
  int64_t idle_timeout_ms;    /* 0 or -1: none */
  int64_t ping_ms;            /* ping after that much silence; 0: 20 s; -1: never */
  int64_t pong_timeout_ms;    /* 0: 20 s; -1: the peer is never taken for dead */
  int64_t close_timeout_ms;   /* 0: 5 s */
  size_t max_message;         /* 0: DAYTONA__WS_MESSAGE_MAX */
  size_t max_queued;          /* 0: DAYTONA__WS_QUEUED_DEFAULT */
  bool allows_invalid_utf8;   /* text messages are delivered whatever their bytes */
  bool reads_late;            /* before its first byte the peer may leave the socket unread: until then
                                 unanswered pings count only if its system does not take them either */
  bool is_background;         /* it does not keep the host's loop alive, once it is open */
  bool is_bytes;              /* what messages the bytes come in says nothing: several may be one chunk */

  void (*on_open)(daytona__ws_t *ws, const char *protocol); /* NULL protocol: none was chosen */
  void (*on_data)(daytona__ws_t *ws, const daytona__ws_chunk_t *chunk);
  void (*on_drain)(daytona__ws_t *ws); /* optional: everything that had to wait has been sent */
  void (*on_close)(daytona__ws_t *ws, const daytona__ws_close_t *close);
  void *user;
  daytona__ws_trace_t *trace; /* optional; taken, if there will be a socket */
} daytona__ws_opts_t;

/* 0, DAYTONA_EINVAL (URL, header or protocol), DAYTONA_ENOMEM, DAYTONA_ECLOSED. */
int daytona__ws_open(daytona__ws_env_t *env, const daytona__ws_opts_t *opts, daytona__ws_t **out);
void daytona__ws_release(daytona__ws_t *ws);
void *daytona__ws_user(const daytona__ws_t *ws);

/*
 * Send one message in one frame (copied). 0, DAYTONA_ELIMIT (the queue has no room for it: wait for
 * on_drain), DAYTONA_ECLOSED (not open), DAYTONA_ENOMEM, DAYTONA_EFAILED (no random numbers).
 */
int daytona__ws_send(daytona__ws_t *ws, bool is_text, const void *bytes, size_t size);

/*
 * The same in messages of at most `most` bytes: all of them or, after DAYTONA_ELIMIT, none. Room is asked for once, so
 * what frames and records add may exceed the ceiling a little. Other failures may come after a part was sent.
 */
int daytona__ws_send_all(daytona__ws_t *ws, bool is_text, const void *bytes, size_t size, size_t most);

/* When bytes last came, on the loop's clock; inside on_data that is now, without asking the clock again. */
int64_t daytona__ws_heard_ms(const daytona__ws_t *ws);

/* Bytes that wait for the peer. */
size_t daytona__ws_queued(const daytona__ws_t *ws);

/* No on_data while paused, and no reading: the peer feels it. Pings go out, their responses are not missed. */
void daytona__ws_pause(daytona__ws_t *ws);
void daytona__ws_resume(daytona__ws_t *ws);

/*
 * Orderly close: send the frame, wait for the peer's (data keeps coming until then). Before the socket
 * is open this cancels it. Later calls do nothing. `reason` is cut to 123 bytes. DAYTONA_EINVAL for a
 * code that may not be sent.
 */
int daytona__ws_close(daytona__ws_t *ws, int code, const char *reason);

/* Stop at once, in any state; on_close says DAYTONA__WS_END_CANCELED. */
void daytona__ws_cancel(daytona__ws_t *ws);

#endif
