/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the TLS context, shared by tls_ctx.c (loading, sessions) and tls.c (connections), and the
 * differences between mbedTLS 2.28 and 3.x in one place.
 */
#ifndef DAYTONA_NET_TLS_IMPL_H
#define DAYTONA_NET_TLS_IMPL_H

#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <uv.h>

#include "core/limits.h"
#include "net/tls.h"

/* TLS sessions kept for resumption by one client. */
#define DAYTONA__TLS_SESSIONS_MAX 16

#define DAYTONA__MBEDTLS_3 (MBEDTLS_VERSION_NUMBER >= 0x03000000)
#define DAYTONA__MBEDTLS_4 (MBEDTLS_VERSION_NUMBER >= 0x04000000)
/* Only 3.x wants a random generator for keys; before there was none, and 4 has PSA's. */
#define DAYTONA__MBEDTLS_KEY_RNG (DAYTONA__MBEDTLS_3 && !DAYTONA__MBEDTLS_4)

/* Whether another thread may work with mbedTLS at the same time; see docs/websocket.md. */
#if defined(MBEDTLS_THREADING_C)
#define DAYTONA__MBEDTLS_IN_THREADS 1
#else
#define DAYTONA__MBEDTLS_IN_THREADS 0
#endif

/* A session that can be offered again to the same host and port. */
typedef struct daytona__tls_session {
  char *host; /* NULL: free */
  int port;
  int64_t saved_ms;
  mbedtls_ssl_session session;
} daytona__tls_session_t;

/* What the connections of one version of the files share. Counted, on the loop. */
typedef struct daytona__tls_anchors {
  size_t refs;
  mbedtls_x509_crt trusted;
  mbedtls_x509_crt own;
  mbedtls_pk_context key;
  mbedtls_ssl_config conf;
} daytona__tls_anchors_t;

daytona__tls_anchors_t *daytona__tls_anchors_retain(daytona__tls_anchors_t *anchors);
void daytona__tls_anchors_release(daytona__tls_anchors_t *anchors); /* takes NULL */

struct daytona__tls_ctx {
  daytona__loop_t *loop;
  daytona__tls_options_t options; /* copies */
  daytona__trust_t trust;
  daytona__tls_anchors_t *anchors; /* NULL until they are loaded */
  void (*closed)(void *user);
  void *closed_user;
  daytona__tls_session_t sessions[DAYTONA__TLS_SESSIONS_MAX];
};

/* Random numbers for mbedTLS, from the system. */
int daytona__tls_random(void *unused, unsigned char *out, size_t size);

/*
 * A session to resume, borrowed, or NULL; and keeping the one that `ssl` has, unless a recent one is kept.
 * With TLS 1.3 that is of use only when a ticket has come.
 */
const mbedtls_ssl_session *daytona__tls_session_find(daytona__tls_ctx_t *ctx, const char *host, int port);
void daytona__tls_session_keep(daytona__tls_ctx_t *ctx, const char *host, int port,
                               const mbedtls_ssl_context *ssl);

/* DAYTONA_ENOMEM if mbedTLS ran out of memory, else DAYTONA_ETLS. */
int daytona__tls_map(int error);

#endif
