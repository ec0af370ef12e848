/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One WebSocket client on a stage with a peer: opens sockets, writes down what their callbacks say, and
 * checks at the end that nothing is left.
 */
#ifndef TESTS_SUPPORT_WS_CLIENT_H
#define TESTS_SUPPORT_WS_CLIENT_H

#include "net/ws.h"
#include "support/stage.h"
#include "support/ws_peer.h"

typedef struct ws_client ws_client_t;

/* One socket and what was heard of it. */
typedef struct ws_seen {
  ws_client_t *client;
  daytona__ws_t *ws;
  size_t opened, pieces, messages, drains, closed;
  char protocol[128];
  void (*then)(struct ws_seen *seen); /* called for each chunk */
  char *data;                         /* payloads joined */
  size_t data_size, data_room;
  bool last_is_text;
  bool pauses_after_piece, cancels_on_open, cancels_on_data, closes_on_open, releases_on_data,
    releases_on_close;

  /* the outcome */
  daytona__ws_end_t how;
  daytona_errcode_t code;
  bool was_open, was_asked;
  int close_code, status;
  char reason[128], message[256], body[1024], header[128]; /* header: X-Test of a refusal */
} ws_seen_t;

struct ws_client {
  stage_t stage;
  daytona__net_options_t options;
  daytona__resolver_t *resolver;
  daytona__ws_env_t *env; /* NULL: it could not be made */
  int env_code;
  ws_peer_t peer;
  bool env_closed, resolver_closed;
};

/* With the options given, or defaults for NULL. */
void ws_client_open(ws_client_t *client, const daytona__net_options_t *options);
void ws_client_close(ws_client_t *client);

/* Fill in URL (of the peer, unless set) and callbacks, and open. The result of daytona__ws_open(). */
int ws_client_connect(ws_client_t *client, ws_seen_t *seen, daytona__ws_opts_t opts);
/* The same, and turn until it is open. */
void ws_client_connect_open(ws_client_t *client, ws_seen_t *seen, daytona__ws_opts_t opts);
void ws_client_until_closed(ws_seen_t *seen);
void ws_client_release(ws_seen_t *seen);

/* Client and open socket at once, and the end of both. */
void ws_client_begin(ws_client_t *client, ws_seen_t *seen);
void ws_client_end(ws_client_t *client, ws_seen_t *seen);

void ws_client_url(const ws_client_t *client, const char *scheme, char *out, size_t size);

#endif
