/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See stream_tls.h. Certificates, key and session tickets are those of the tests' own peer.
 */
#include "stream_tls.h"

#include <stdlib.h>
#include <string.h>

#include <mbedtls/ssl.h>

#include "support/tls_peer.h"

struct stream_tls {
  mbedtls_ssl_context ssl;
  const char *in;
  size_t in_size;
  bench_bytes_t *out;
  bool is_established;
};

static tls_peer_t peer;

static int on_send(void *user, const unsigned char *bytes, size_t size) {
  stream_tls_t *tls = user;
  bench_append(tls->out, bytes, size);
  return (int)size;
}

static int on_receive(void *user, unsigned char *buffer, size_t size) {
  stream_tls_t *tls = user;
  if (tls->in_size == 0) return MBEDTLS_ERR_SSL_WANT_READ;
  if (size > tls->in_size) size = tls->in_size;
  memcpy(buffer, tls->in, size);
  tls->in += size;
  tls->in_size -= size;
  return (int)size;
}

const char *stream_tls_init(void) {
  static ws_peer_t unused; /* takes the filter, which is not needed here */
  static char ca[256];
  if (tls_certificates_make() == NULL) return NULL;
  tls_peer_open(&peer, &unused, "good", false, TLS_FAULT_NONE);
  tls_certificate_path("ca", ".pem", ca, sizeof ca);
  return ca;
}

void stream_tls_remove(void) { tls_certificates_remove(); }

stream_tls_t *stream_tls_new(void) {
  stream_tls_t *tls = calloc(1, sizeof *tls);
  if (tls == NULL) abort();
  mbedtls_ssl_init(&tls->ssl);
  if (mbedtls_ssl_setup(&tls->ssl, &peer.conf) != 0) abort();
  mbedtls_ssl_set_bio(&tls->ssl, tls, on_send, on_receive, NULL);
  return tls;
}

void stream_tls_free(stream_tls_t *tls) {
  if (tls == NULL) return;
  mbedtls_ssl_free(&tls->ssl);
  free(tls);
}

bool stream_tls_take(stream_tls_t *tls, const char *bytes, size_t size, bench_bytes_t *plain,
                     bench_bytes_t *out) {
  unsigned char piece[16 * 1024];
  int got;
  tls->in = bytes;
  tls->in_size = size;
  tls->out = out;
  if (!tls->is_established) {
    int status = mbedtls_ssl_handshake(&tls->ssl);
    if (status != 0) return status == MBEDTLS_ERR_SSL_WANT_READ;
    tls->is_established = true;
  }
  while ((got = mbedtls_ssl_read(&tls->ssl, piece, sizeof piece)) > 0)
    bench_append(plain, piece, (size_t)got);
  return got == MBEDTLS_ERR_SSL_WANT_READ;
}

bool stream_tls_put(stream_tls_t *tls, const char *bytes, size_t size, bench_bytes_t *out) {
  tls->out = out;
  while (size != 0) {
    int sent = mbedtls_ssl_write(&tls->ssl, (const unsigned char *)bytes, size);
    if (sent <= 0) return false;
    bytes += sent;
    size -= (size_t)sent;
  }
  return true;
}
