/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may stand between a client and a server on the test's own loop: a door that speaks TLS, or a proxy, itself
 * perhaps behind TLS. Bytes go to one port of this machine, whatever the client named.
 */
#ifndef TESTS_SUPPORT_FRONT_H
#define TESTS_SUPPORT_FRONT_H

#include "support/tls_peer.h"
#include "support/ws_peer.h"

typedef struct front {
  ws_peer_t peer; /* first; peer.port is where clients connect */
  tls_peer_t tls;
  bool is_secure, is_proxy;
  int to_port;
  const char
    *wanted_auth; /* of a proxy: the value of Proxy-Authorization without which it answers 407; NULL: none */
  size_t connects, forwards, refusals; /* CONNECTs that were granted; plain requests; answers 407 */
  char target[256];                    /* of the newest CONNECT */
} front_t;

/* `certificate` of the matrix: with TLS; NULL: without. */
void front_open(front_t *front, uv_loop_t *uv, int to_port, const char *certificate, bool asks_client);

/* Make a proxy of it. */
void front_be_proxy(front_t *front, const char *wanted_auth);

/* Stop listening and drop what is open; the loop must turn until front->peer.open is 0, then front_clear(). */
void front_close(front_t *front);
void front_clear(front_t *front);

#endif
