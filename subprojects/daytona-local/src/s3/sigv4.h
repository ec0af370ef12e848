/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS Signature Version 4 as a server checks it: in the Authorization header or, presigned, in the query. Pure
 * functions over a request that somebody else has read.
 */
#ifndef DL_SIGV4_H
#define DL_SIGV4_H

#include "s3/errors.h"

#define DL_SIGV4_SKEW_MS (INT64_C(15) * 60 * 1000)
#define DL_SIGV4_HEADERS_MAX 256u

typedef struct {
  const char *name, *value;
} dl_sigv4_field_t;

/* All of it borrowed. */
typedef struct {
  const char *method;
  const char *path, *query; /* as received, still encoded */
  const char *host;         /* what stands for the Host header */
  const dl_sigv4_field_t *fields;
  size_t field_count;
} dl_sigv4_request_t;

/* What a request says of its signature. */
typedef struct {
  bool is_presigned;
  char *access_key, *token;      /* token NULL: none */
  char *signed_headers;          /* in small letters, with ';' between */
  char *payload;                 /* the value of x-amz-content-sha256 */
  char stamp[17], signature[65]; /* 20261130T154212Z; 64 small hex digits */
  char *scope;                   /* 20261130/us-east-1/s3/aws4_request */
  int64_t stamp_ms, expires_ms;  /* the second of presigned ones only */
} dl_sigv4_t;

/* Reads it. `region` is the only one that is accepted. On an error nothing is left to clear and *detail may have been
 * set to a static text. */
dl_s3_code_t dl_sigv4_read(dl_sigv4_t *s, const dl_sigv4_request_t *r, const char *region,
                           const char **detail);
void dl_sigv4_clear(dl_sigv4_t *s);

/* Whether it is in time. */
dl_s3_code_t dl_sigv4_check_time(const dl_sigv4_t *s, int64_t now_ms);

/* The key that signs, of the secret and the scope. */
void dl_sigv4_key(const dl_sigv4_t *s, const char *secret, unsigned char key[32]);

/* The text whose SHA-256 is signed; yours to free. NULL: a header that is signed is missing or comes twice, a header
 * is not signed that must be, or the query cannot be decoded; then *detail says so. */
char *dl_sigv4_canonical(const dl_sigv4_t *s, const dl_sigv4_request_t *r, const char **detail);

/* The signature of a text: HMAC of "AWS4-HMAC-SHA256`suffix`", the stamp, the scope and `rest`, one per line. */
void dl_sigv4_sign(const dl_sigv4_t *s, const unsigned char key[32], const char *suffix, const char *rest,
                   char out[65]);

/* Compares in constant time. */
dl_s3_code_t dl_sigv4_check(const dl_sigv4_t *s, const dl_sigv4_request_t *r, const unsigned char key[32],
                            const char **detail);

/* The first header of that name, or NULL. */
const char *dl_sigv4_header(const dl_sigv4_request_t *r, const char *name);

#endif
