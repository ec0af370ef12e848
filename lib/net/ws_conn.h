/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte connection to a WebSocket target: name lookup, TCP, perhaps a proxy with CONNECT, perhaps TLS
 * (to the proxy, to the target, or both), behind one pair of read and write.
 */
#ifndef DAYTONA_NET_WS_CONN_H
#define DAYTONA_NET_WS_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/strbuf.h"
#include "net/options.h"
#include "net/proxy.h"
#include "net/resolver.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "net/http1_head.h"

/* What all connections of a client share. */
typedef struct daytona__ws_net {
  daytona__loop_t *loop;
  daytona__resolver_t *resolver;
  daytona__tls_ctx_t *tls;
  daytona__tcp_env_t tcp;
  daytona__proxy_options_t proxy; /* copies */
  int64_t race_ms;
  int64_t connect_timeout_ms;
  daytona__strbuf_t out; /* bytes on their way to a socket; empty between calls */
  /*
   * Frames that are being written. Empty between calls, but while `corks` is not 0 it may hold those of `owner`, which
   * leave together: with the first frame of another connection, when there are enough, and at the latest at the end of the turn.
   */
  daytona__strbuf_t frame;
  struct daytona__ws_conn *owner;
  unsigned corks;
  uint64_t cork_turn;
  uint8_t random[256]; /* masking keys are drawn from here */
  size_t random_left;
} daytona__ws_net_t;

int daytona__ws_net_init(daytona__ws_net_t *net, daytona__loop_t *loop, const daytona__net_options_t *options,
                         daytona__resolver_t *resolver);
/* No connection may be left and the TLS context be closed. */
void daytona__ws_net_clear(daytona__ws_net_t *net);

/* Bytes for masking keys, from the PSA generator. 0 or DAYTONA_EFAILED. */
int daytona__ws_net_random(daytona__ws_net_t *net, void *buffer, size_t size);

/* Empty a scratch buffer; a large one is given back. */
void daytona__ws_net_reset(daytona__strbuf_t *scratch);

typedef struct daytona__ws_conn daytona__ws_conn_t;

typedef struct daytona__ws_level {
  daytona__ws_conn_t *conn;
  daytona__tls_t *tls;
} daytona__ws_level_t;

/* Results of reading, besides a byte count. */
#define DAYTONA__WS_CONN_END ((ptrdiff_t)-1)  /* the peer's end: see tcp.end, 0 after a close_notify */
#define DAYTONA__WS_CONN_FAIL ((ptrdiff_t)-2) /* see code and message */

struct daytona__ws_conn {
  /* Set by the owner; each is called from a turn of the loop. */
  void (*on_opened)(daytona__ws_conn_t *conn); /* code is DAYTONA_OK or a failure */
  void (*on_readable)(daytona__ws_conn_t *conn);
  void (*on_drained)(daytona__ws_conn_t *conn);
  void (*on_flushed)(daytona__ws_conn_t *conn, int code); /* frames that waited have left, or failed to */
  void (*on_closed)(daytona__ws_conn_t *conn);            /* the memory is the owner's again */

  int code;            /* the failure, DAYTONA_OK as long as there is none */
  int system_errno;    /* of a connection that was not made */
  const char *message; /* one line, valid as long as the connection */
  daytona__tcp_t tcp;

  /* private */
  daytona__ws_net_t *net;
  int phase;
  daytona__ws_level_t levels[2]; /* the one next to TCP first */
  unsigned level_count;
  uint64_t written_turn;           /* its first frame of this turn, see cork_turn, has left */
  bool is_lost;                    /* the context below TLS has failed, not TLS itself */
  struct daytona__ws_setup *setup; /* while opening */
  char text[160];
};

void daytona__ws_conn_init(daytona__ws_conn_t *conn, daytona__ws_net_t *net);

/* Begin. Always ends in on_opened, in a later turn, unless it is closed first. 0 or DAYTONA_ENOMEM. */
int daytona__ws_conn_open(daytona__ws_conn_t *conn, const daytona__target_t *target);

ptrdiff_t daytona__ws_conn_read(daytona__ws_conn_t *conn, void *buffer, size_t size);

/* The system's number of what has ended the connection; 0: not known. */
int daytona__ws_conn_errno(const daytona__ws_conn_t *conn);

/* Send or queue all of it: 0 or a DAYTONA_E code, after which the connection is of no use. */
int daytona__ws_conn_write(daytona__ws_conn_t *conn, const void *bytes, size_t size);

/*
 * The same for frames: append one to the buffer, which keeps its size when that fails, and commit. While the client is corked, the
 * first frame of a connection leaves at once, so that a lone one is never late, and those after it wait for each other.
 */
daytona__strbuf_t *daytona__ws_conn_frame(daytona__ws_conn_t *conn);
int daytona__ws_conn_commit(daytona__ws_conn_t *conn);

/* Between these two, in one turn of the loop, callbacks of the program may send much. */
void daytona__ws_net_cork(daytona__ws_net_t *net);
void daytona__ws_net_uncork(daytona__ws_net_t *net);

/* Send now what waits of this connection. */
void daytona__ws_conn_flush(daytona__ws_conn_t *conn);

/* Bytes that have not left, waiting frames included. */
size_t daytona__ws_conn_queued(const daytona__ws_conn_t *conn);
void daytona__ws_conn_set_reading(daytona__ws_conn_t *conn, bool wants_read);

/* Send close_notify: nothing more is sent. */
void daytona__ws_conn_shutdown(daytona__ws_conn_t *conn);

void daytona__ws_conn_close(daytona__ws_conn_t *conn);

#endif
