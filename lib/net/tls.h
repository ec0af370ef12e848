/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS on mbedTLS (2.28 and 3.x), client side, without I/O: bytes are pulled from and pushed to the layer
 * below, plain bytes are read and written above.
 *
 * What is shared by the connections of a client (trust anchors, client certificate, settings, sessions
 * for resumption) is a context, loaded on the thread pool. The host name is always set and
 * checked unless verification is off altogether. For a target that is an IP address no name is sent and
 * the certificate must carry that address as a subject alternative name.
 */
#ifndef DAYTONA_NET_TLS_H
#define DAYTONA_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include <daytona/error.h>

#include "core/list.h"
#include "core/loop.h"
#include "net/options.h"
#include "net/trust.h"

typedef struct daytona__tls_ctx daytona__tls_ctx_t;
typedef struct daytona__tls daytona__tls_t;

/* Copies the options. Loads nothing yet. */
int daytona__tls_ctx_new(daytona__loop_t *loop, const daytona__tls_options_t *options,
                         daytona__tls_ctx_t **out);

/* Report to `waiter` in a later turn that the context is loaded, of the newest version of its files; see trust.h. */
void daytona__tls_ctx_wait(daytona__tls_ctx_t *ctx, daytona__trust_waiter_t *waiter);

/* All connections must be gone. `closed` comes in a later turn, when no thread uses the context. */
void daytona__tls_ctx_close(daytona__tls_ctx_t *ctx, void (*closed)(void *user), void *user);

/* Results of pulling and reading, besides a byte count. */
#define DAYTONA__TLS_END ((ptrdiff_t)-1)
#define DAYTONA__TLS_FAIL ((ptrdiff_t)-2)

typedef struct daytona__tls_io {
  /* Up to `size` bytes; 0: none now; DAYTONA__TLS_END: the connection has ended. */
  ptrdiff_t (*pull)(void *user, void *buffer, size_t size);
  /* Takes all bytes: 0, or a DAYTONA_E code. */
  int (*push)(void *user, const void *bytes, size_t size);
  void *user;
} daytona__tls_io_t;

/* A connection in a loaded context, to be verified as `host` (copied). 0, DAYTONA_ENOMEM, DAYTONA_ETLS. */
int daytona__tls_new(daytona__tls_ctx_t *ctx, const char *host, int port, const daytona__tls_io_t *io,
                     daytona__tls_t **out);
void daytona__tls_free(daytona__tls_t *tls);

/* 1: done; 0: more bytes must come; else a DAYTONA_E code, see daytona__tls_message(). */
int daytona__tls_handshake(daytona__tls_t *tls);

/*
 * Up to `size` plain bytes; 0: none now; DAYTONA__TLS_END: the peer has ended the connection, with or
 * without close_notify (the protocol above knows whether that was early); DAYTONA__TLS_FAIL.
 */
ptrdiff_t daytona__tls_read(daytona__tls_t *tls, void *buffer, size_t size);

/* Encrypt and push all of it. */
int daytona__tls_write(daytona__tls_t *tls, const void *bytes, size_t size);

void daytona__tls_close_notify(daytona__tls_t *tls);

/* The last failure and one line about it. */
int daytona__tls_code(const daytona__tls_t *tls);
const char *daytona__tls_message(const daytona__tls_t *tls);

/* Initialise PSA once per process; before any random number or hash. 0 or DAYTONA_EFAILED. */
int daytona__psa_init(void);

#endif
