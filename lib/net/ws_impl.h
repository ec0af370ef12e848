/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a WebSocket, shared by ws.c (life, opening, outcome) and ws_messages.c (the open
 * socket). Nobody else includes this.
 */
#ifndef DAYTONA_NET_WS_IMPL_H
#define DAYTONA_NET_WS_IMPL_H

#include "net/ws_upgrade.h"
#include "net/ws.h"
#include "net/ws_codec.h"
#include "net/ws_conn.h"

struct daytona__ws_env {
  daytona__ws_net_t net;
  daytona_header_t *common;
  size_t common_count;
  daytona__list_t sockets;
  daytona__ws_stats_t stats;
  bool is_closing, is_freeing;
  void (*closed)(void *user);
  void *closed_user;
};

/* In this order; see ws.c. */
typedef enum daytona__ws_state {
  DAYTONA__WS_CONNECTING,
  DAYTONA__WS_REDIRECTING, /* the old connection is closing */
  DAYTONA__WS_UPGRADING,   /* the response's headers are awaited */
  DAYTONA__WS_ANSWERING,   /* the body of a refusal is read */
  DAYTONA__WS_STREAMING,
  DAYTONA__WS_CLOSING, /* our close frame is out */
  DAYTONA__WS_DONE
} daytona__ws_state_t;

/* What is needed only until the socket is open, or has been refused. */
typedef struct daytona__ws_opening {
  daytona__ws_url_t url;
  daytona_header_t *headers;
  const char **protocols;
  daytona__ws_upgrade_t upgrade;
  daytona__http1_head_t answer;
} daytona__ws_opening_t;

struct daytona__ws {
  daytona__ws_env_t *env; /* NULL once it is retired */
  daytona__list_t link;
  unsigned refs;
  daytona__ws_state_t state;
  int system_errno; /* of the socket, with `code` */
  bool has_conn, is_silent, is_paused, was_open, was_asked, was_behind, needs_drain;
  bool is_reported;        /* the outcome was */
  bool has_spoken;         /* the peer has sent something behind its 101 */
  daytona__ws_opts_t opts; /* with defaults filled in; the pointers to copied things are NULL */
  daytona__ws_opening_t *opening;
  daytona__ws_conn_t conn;
  daytona__ws_codec_t codec;
  daytona__task_t pump;                /* go on after a resume */
  daytona__task_t task;                /* reports the outcome */
  daytona__timer_t timer;              /* connect, close, linger: one after the other */
  daytona__timer_t beat;               /* pings, pongs, idleness */
  ptrdiff_t read_end;                  /* why the last read gave nothing; 0: there was nothing */
  uint64_t sent_bytes, received_bytes; /* of messages */
  int64_t heard_ms;                    /* bytes came */
  int64_t last_ms;                     /* bytes came, or a ping was sent */
  int64_t data_ms;                     /* bytes of messages came or went */
  int64_t pinged_ms;                   /* a ping waits for a response; 0: none does */
  size_t pinged_queue;                 /* what waited to be sent at that time */

  /* the last ping that could not be answered at once */
  bool has_pong;
  uint8_t pong_size;
  uint8_t pong[DAYTONA__WS_CONTROL_MAX];

  /* the outcome */
  daytona__ws_end_t how;
  daytona_errcode_t code;
  int close_code;
  const char *reason; /* inside the codec */
  size_t reason_size;
  char text[160];
};

/* ws.c */
void daytona__ws_hold(daytona__ws_t *ws);
void daytona__ws_drop(daytona__ws_t *ws);
void daytona__ws_connect(daytona__ws_t *ws);
void daytona__ws_on_opened(daytona__ws_conn_t *conn);
void daytona__ws_upgrade_pump(daytona__ws_t *ws);

/* The only place that changes a state, in the order of the enumeration but for redirects. */
void daytona__ws_set_state(daytona__ws_t *ws, daytona__ws_state_t to);

/* The end, once; the outcome is reported in a later turn. */
void daytona__ws_finish(daytona__ws_t *ws, daytona__ws_end_t how, int code, const char *message);
void daytona__ws_finish_code(daytona__ws_t *ws, daytona__ws_end_t how, int code, const char *message);
/* The connection has ended: as `conn.tcp.end` says. */
void daytona__ws_finish_end(daytona__ws_t *ws);

/* ws_messages.c */
void daytona__ws_messages_init(daytona__ws_t *ws);
int daytona__ws_messages_begin(daytona__ws_t *ws); /* 0 or DAYTONA_ENOMEM */
void daytona__ws_on_readable(daytona__ws_conn_t *conn);
void daytona__ws_on_drained(daytona__ws_conn_t *conn);
void daytona__ws_on_flushed(daytona__ws_conn_t *conn, int code);

#endif
