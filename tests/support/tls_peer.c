/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See tls_peer.h.
 */
#include "support/tls_peer.h"

#include <assert.h>
#include <mbedtls/version.h>
#include <psa/crypto.h>
#include <stdlib.h>
#include <string.h>

typedef struct state {
  tls_peer_t *tls;
  ws_link_t *link;
  mbedtls_ssl_context ssl;
  bool is_established;
  const char *in;
  size_t in_size;
  size_t sent;
} state_t;

#if MBEDTLS_VERSION_NUMBER < 0x04000000 /* since then PSA's is taken without being named */
static int random_bytes(void *unused, unsigned char *out, size_t size) {
  return psa_generate_random(out, size) == PSA_SUCCESS ? 0 : -1;
}
#endif

static int on_send(void *user, const unsigned char *bytes, size_t size) {
  state_t *state = user;
  state->sent += size;
  ws_link_send_raw(state->link, bytes, size);
  return (int)size;
}

static int on_receive(void *user, unsigned char *buffer, size_t size) {
  state_t *state = user;
  if (state->in_size == 0) return MBEDTLS_ERR_SSL_WANT_READ;
  if (size > state->in_size) size = state->in_size;
  memcpy(buffer, state->in, size);
  state->in += size;
  state->in_size -= size;
  return (int)size;
}

static void *on_open(ws_link_t *link, void *user) {
  state_t *state = calloc(1, sizeof *state);
  assert(state != NULL);
  state->tls = user;
  state->link = link;
  mbedtls_ssl_init(&state->ssl);
  int status = mbedtls_ssl_setup(&state->ssl, &state->tls->conf);
  assert(status == 0);
  (void)status;
  mbedtls_ssl_set_bio(&state->ssl, state, on_send, on_receive, NULL);
  return state;
}

static void misbehave(state_t *state) {
  static const char http[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
  static const char alert[] = {0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46}; /* protocol_version */
  /* A ServerHello of TLS 1.1 with TLS_RSA_WITH_AES_128_CBC_SHA and no extensions. */
  static const char hello[48 - 1] = {0x16, 0x03, 0x02, 0x00, 0x2A, 0x02,
                                     0x00, 0x00, 0x26, 0x03, 0x02, [45] = 0x2F};
  switch (state->tls->fault) {
    case TLS_FAULT_OLD_HELLO: ws_link_send_raw(state->link, hello, sizeof hello); return;
    case TLS_FAULT_RESET: ws_link_reset(state->link); return;
    case TLS_FAULT_GARBAGE: ws_link_send_raw(state->link, http, sizeof http - 1); break;
    case TLS_FAULT_OLD: ws_link_send_raw(state->link, alert, sizeof alert); break;
    case TLS_FAULT_STALL: return;
    default: break;
  }
  ws_link_shut(state->link);
}

static void on_feed(void *user, const char *bytes, size_t size) {
  state_t *state = user;
  if (state->tls->fault != TLS_FAULT_NONE && state->tls->fault != TLS_FAULT_ALERT) {
    misbehave(state);
    return;
  }
  state->in = bytes;
  state->in_size = size;
  if (!state->is_established) {
    int status = mbedtls_ssl_handshake(&state->ssl);
    if (status == MBEDTLS_ERR_SSL_WANT_READ) return;
    if (status != 0) {
      ws_link_shut(state->link);
      return;
    }
    state->is_established = true;
    state->tls->handshakes++;
    state->tls->handshake_bytes = state->sent;
  }
  if (state->tls->fault == TLS_FAULT_ALERT) {
    mbedtls_ssl_send_alert_message(&state->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                   116); /* certificate_required */
    ws_link_shut(state->link);
    return;
  }
  for (;;) {
    char plain[4096];
    int got = mbedtls_ssl_read(&state->ssl, (unsigned char *)plain, sizeof plain);
    if (got == MBEDTLS_ERR_SSL_WANT_READ) return;
    if (got <= 0) {
      ws_link_shut(state->link);
      return;
    }
    ws_link_take(state->link, plain, (size_t)got);
  }
}

static void on_plain(void *user, const char *bytes, size_t size) {
  state_t *state = user;
  while (size != 0) {
    int sent = mbedtls_ssl_write(&state->ssl, (const unsigned char *)bytes, size);
    if (sent <= 0) return;
    bytes += sent;
    size -= (size_t)sent;
  }
}

static void on_close(void *user) {
  state_t *state = user;
  mbedtls_ssl_free(&state->ssl);
  free(state);
}

void tls_peer_notify(ws_peer_t *peer) {
  state_t *state = peer->link->filter_state;
  mbedtls_ssl_close_notify(&state->ssl);
}

static void load_key(tls_peer_t *tls, const char *path) {
#if MBEDTLS_VERSION_NUMBER >= 0x03000000 && MBEDTLS_VERSION_NUMBER < 0x04000000
  int status = mbedtls_pk_parse_keyfile(&tls->key, path, NULL, random_bytes, NULL);
#else
  int status = mbedtls_pk_parse_keyfile(&tls->key, path, NULL);
#endif
  assert(status == 0);
  (void)status;
}

void tls_peer_open(tls_peer_t *tls, ws_peer_t *peer, const char *server, bool asks_client,
                   tls_fault_t fault) {
  char path[256];
  memset(tls, 0, sizeof *tls);
  psa_crypto_init();
  mbedtls_ssl_config_init(&tls->conf);
  mbedtls_x509_crt_init(&tls->certificate);
  mbedtls_x509_crt_init(&tls->clients);
  mbedtls_pk_init(&tls->key);
  mbedtls_ssl_ticket_init(&tls->tickets);
  tls->fault = fault == TLS_FAULT_TRUNCATE ? TLS_FAULT_NONE : fault;
  if (fault == TLS_FAULT_TRUNCATE) {
    peer->cut = WS_CUT_SHUT;
    peer->cut_at = 200;
  }
  int status = mbedtls_ssl_config_defaults(&tls->conf, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
                                           MBEDTLS_SSL_PRESET_DEFAULT);
  assert(status == 0);
#if MBEDTLS_VERSION_NUMBER < 0x04000000
  mbedtls_ssl_conf_rng(&tls->conf, random_bytes, NULL);
#endif
  tls_certificate_path(server, ".pem", path, sizeof path);
  status = mbedtls_x509_crt_parse_file(&tls->certificate, path);
  assert(status == 0);
  tls_certificate_path(server, ".key", path, sizeof path);
  load_key(tls, path);
  status = mbedtls_ssl_conf_own_cert(&tls->conf, &tls->certificate, &tls->key);
  assert(status == 0);
#if MBEDTLS_VERSION_NUMBER < 0x04000000
  status = mbedtls_ssl_ticket_setup(&tls->tickets, random_bytes, NULL, MBEDTLS_CIPHER_AES_256_GCM, 3600);
#else
  status = mbedtls_ssl_ticket_setup(&tls->tickets, PSA_ALG_GCM, PSA_KEY_TYPE_AES, 256, 3600);
#endif
  assert(status == 0);
  mbedtls_ssl_conf_session_tickets_cb(&tls->conf, mbedtls_ssl_ticket_write, mbedtls_ssl_ticket_parse,
                                      &tls->tickets);
  if (asks_client) {
    tls_certificate_path("ca", ".pem", path, sizeof path);
    status = mbedtls_x509_crt_parse_file(&tls->clients, path);
    assert(status == 0);
    mbedtls_ssl_conf_ca_chain(&tls->conf, &tls->clients, NULL);
    mbedtls_ssl_conf_authmode(&tls->conf, MBEDTLS_SSL_VERIFY_REQUIRED);
  }
  peer->filter = (ws_peer_filter_t){on_open, on_feed, on_plain, on_close, tls};
}

void tls_peer_close(tls_peer_t *tls) {
  mbedtls_ssl_config_free(&tls->conf);
  mbedtls_x509_crt_free(&tls->certificate);
  mbedtls_x509_crt_free(&tls->clients);
  mbedtls_pk_free(&tls->key);
  mbedtls_ssl_ticket_free(&tls->tickets);
}
