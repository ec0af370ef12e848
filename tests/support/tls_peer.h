/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS for the peer of ws_peer.h, with mbedTLS in the server's role, so that a test holds both ends.
 */
#ifndef TESTS_SUPPORT_TLS_PEER_H
#define TESTS_SUPPORT_TLS_PEER_H

#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>

#include "support/tls_matrix.h"
#include "support/ws_peer.h"

typedef struct tls_peer {
  mbedtls_ssl_config conf;
  mbedtls_x509_crt certificate, clients;
  mbedtls_pk_context key;
  mbedtls_ssl_ticket_context tickets;
  tls_fault_t fault;
  size_t handshakes;      /* completed */
  size_t handshake_bytes; /* sent by us in the last one: few when a session was resumed */
  bool saw_sni;
} tls_peer_t;

/* Serve `peer` over TLS with certificate `server` of the matrix. */
void tls_peer_open(tls_peer_t *tls, ws_peer_t *peer, const char *server, bool asks_client, tls_fault_t fault);
/* After the peer has closed. */
void tls_peer_close(tls_peer_t *tls);
/* Say close_notify on the newest link. */
void tls_peer_notify(ws_peer_t *peer);

#endif
