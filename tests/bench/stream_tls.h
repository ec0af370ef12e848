/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS for the peers of stream_server.
 */
#ifndef BENCH_STREAM_TLS_H
#define BENCH_STREAM_TLS_H

#include "bench_server.h"

typedef struct stream_tls stream_tls_t;

/* The file with the authority that clients are to trust, or NULL: there is no openssl(1) to make certificates. */
const char *stream_tls_init(void);
void stream_tls_remove(void);

stream_tls_t *stream_tls_new(void);
void stream_tls_free(stream_tls_t *tls);

/* Take what came in; plain bytes go behind `plain`, handshake and alerts behind `out`. False: it is over. */
bool stream_tls_take(stream_tls_t *tls, const char *bytes, size_t size, bench_bytes_t *plain,
                     bench_bytes_t *out);
bool stream_tls_put(stream_tls_t *tls, const char *bytes, size_t size, bench_bytes_t *out);

#endif
