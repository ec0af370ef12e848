/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes of byte streams: MD5, which names the contexts of images, SHA-256 and HMAC, which sign requests.
 *
 * Any thread; one structure belongs to one thread at a time. A failure is remembered and reported at the end.
 */
#ifndef DAYTONA_NET_DIGEST_H
#define DAYTONA_NET_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

enum { DAYTONA__SHA256_SIZE = 32, DAYTONA__DIGEST_HEX = 65 /* the longest in hexadecimal, with its NUL */ };

typedef enum daytona__digest_kind { DAYTONA__MD5, DAYTONA__SHA256 } daytona__digest_kind_t;

typedef struct daytona__digest {
  _Alignas(16) unsigned char state[768]; /* of the library that computes it */
  bool has_failed;
} daytona__digest_t;

void daytona__digest_begin(daytona__digest_t *digest, daytona__digest_kind_t kind);
void daytona__digest_add(daytona__digest_t *digest, const void *bytes, size_t size);

/* Lower-case hexadecimal. 0 or DAYTONA_EFAILED. Exactly one of both ends a digest. */
int daytona__digest_end(daytona__digest_t *digest, char hex[DAYTONA__DIGEST_HEX]);
void daytona__digest_abort(daytona__digest_t *digest);

/* The whole at once. 0 or DAYTONA_EFAILED. */
int daytona__sha256(const void *bytes, size_t size, unsigned char out[DAYTONA__SHA256_SIZE]);
int daytona__hmac_sha256(const void *key, size_t key_size, const void *bytes, size_t size,
                         unsigned char out[DAYTONA__SHA256_SIZE]);

/* `size` bytes in lower-case hexadecimal, with a NUL behind. */
void daytona__hex(const unsigned char *bytes, size_t size, char *out);

#endif
