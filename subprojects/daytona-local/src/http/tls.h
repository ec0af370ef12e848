/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS in front of the daemon: a client's encrypted connection on one side, one end of a socket pair on
 * the other, whose other end takes the place of the accepted socket. The daemon then only ever sees
 * plain HTTP, and what it hands out after an upgrade is a plain stream.
 */
#ifndef DL_TLS_H
#define DL_TLS_H

#include "base/base.h"

#include <uv.h>

typedef struct dl_tls dl_tls_t;

/* PEM texts. With a client CA, clients must show a certificate of it. NULL when they cannot be used. */
dl_tls_t *dl_tls_new(uv_loop_t *loop, const char *cert_pem, const char *key_pem, const char *client_ca_pem);
/* Every connection ends; `on_closed` comes when the loop is rid of them. */
void dl_tls_close(dl_tls_t *t, void (*on_closed)(void *user), void *user);

/* An accepted, non-blocking socket is taken; returns the plain end, yours to close, or -1. */
int dl_tls_accept(dl_tls_t *t, int fd);
/* The client's socket behind a plain end that is still open; -1 when the client has gone. Borrowed. */
int dl_tls_wire(const dl_tls_t *t, int plain_fd);

/* The functions above, for dl_http_opts_t: a program that does not name them is not linked to GnuTLS. */
struct dl_tls_functions {
  dl_tls_t *(*open)(uv_loop_t *loop, const char *cert_pem, const char *key_pem, const char *client_ca_pem);
  void (*close)(dl_tls_t *t, void (*on_closed)(void *user), void *user);
  int (*accept)(dl_tls_t *t, int fd);
  int (*wire)(const dl_tls_t *t, int plain_fd);
};
extern const struct dl_tls_functions DL_TLS;

#endif
