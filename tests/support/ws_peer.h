/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A WebSocket server on the test's own loop that does what the test says: accepts on a loopback port,
 * upgrades, reads and writes frames, and misbehaves at any byte. Its frames and
 * handshake share no code with the library.
 */
#ifndef TESTS_SUPPORT_WS_PEER_H
#define TESTS_SUPPORT_WS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "core/list.h"

typedef struct ws_peer ws_peer_t;
typedef struct ws_link ws_link_t;

/* What stands between the socket and the bytes; NULL members: nothing does. Used for TLS. */
typedef struct ws_peer_filter {
  void *(*open)(ws_link_t *link, void *user);
  /* Bytes came from the socket: hand plain ones to ws_link_take(). */
  void (*feed)(void *state, const char *bytes, size_t size);
  /* Plain bytes to be sent: hand what is to go out to ws_link_send_raw(). */
  void (*send)(void *state, const char *bytes, size_t size);
  void (*close)(void *state);
  void *user;
} ws_peer_filter_t;

struct ws_link {
  uv_tcp_t handle;
  daytona__list_t node; /* in peer->links */
  ws_peer_t *peer;
  void *filter_state;
  char *in; /* received and not yet understood */
  size_t in_size;
  bool is_upgraded;
  bool is_ended; /* the client's end or reset was seen */
  int end_status;
  bool is_closing;
  size_t index;       /* 0 for the first connection */
  size_t sent;        /* bytes given to the socket */
  void *data;         /* the test's */
  char request[4096]; /* head of the upgrade */
};

struct ws_peer {
  uv_tcp_t listener;
  int port;
  size_t accepted; /* connections so far */
  size_t open;     /* links and listener not closed */
  daytona__list_t links;
  ws_link_t *link;           /* the newest */
  bool is_silent;            /* accepts and never reads */
  const char *answer;        /* instead of a proper 101: these bytes, then end of the sending side */
  const char *extra_headers; /* in the 101; each with CR LF */
  size_t answer_step;        /* write the answer to the upgrade in chunks of this size; 0: whole */
  const char *behind;        /* bytes right behind the 101, in the same write */
  size_t behind_size;
  ws_peer_filter_t filter;

  /* At byte `cut_at` of what a link sends (below TLS) something happens instead of the rest. */
  enum { WS_CUT_NEVER, WS_CUT_SHUT, WS_CUT_RESET, WS_CUT_FREEZE } cut;
  size_t cut_at;

  /* Counts of what came. */
  size_t upgrades, frames, pings, pongs, closes;
  int close_code; /* of the client's last close frame; 1005: none */
  bool echoes, answers_pings, answers_close;
  char *received; /* payloads of data frames, joined */
  size_t received_size;

  /* Called for each; NULL: nothing special. */
  void (*on_upgraded)(ws_link_t *link);
  void (*on_frame)(ws_link_t *link, int opcode, const char *bytes, size_t size);
  void (*on_raw)(ws_link_t *link);  /* bytes came; look at link->in; takes the place of all parsing */
  void (*on_gone)(ws_link_t *link); /* it is closed, and its memory about to go */
  void *user;
};

void ws_peer_open(ws_peer_t *peer, uv_loop_t *loop);
/* Closes everything; `peer` is the test's again when peer->open is 0. */
void ws_peer_close(ws_peer_t *peer);

void ws_link_send(ws_link_t *link, const void *bytes, size_t size);
void ws_link_send_raw(ws_link_t *link, const void *bytes, size_t size);
void ws_link_take(ws_link_t *link, const char *bytes, size_t size);
void ws_link_frame(ws_link_t *link, int opcode, bool is_final, const void *bytes, size_t size);
void ws_link_close_frame(ws_link_t *link, int code, const char *reason);
void ws_link_read(ws_link_t *link);  /* go on after a uv_read_stop() on the handle */
void ws_link_shut(ws_link_t *link);  /* an orderly end of TCP */
void ws_link_reset(ws_link_t *link); /* RST */

/* The Sec-WebSocket-Accept (28 characters and a NUL) that answers an upgrade. */
void ws_accept_key(const char *request, char *out);

/* One unmasked frame into `out` (size + 14 bytes at least); returns its length. */
size_t ws_frame_build(char *out, int opcode, bool is_final, const void *bytes, size_t size);

#endif
