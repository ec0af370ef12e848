/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS Signature Version 4 for S3, with temporary credentials, in the Authorization header.
 *
 * The request is given in its canonical form: what is signed is what is sent, so that nothing is encoded twice.
 * daytona__s3_encode() makes that form.
 */
#ifndef DAYTONA_WIRE_S3_SIGN_H
#define DAYTONA_WIRE_S3_SIGN_H

#include <stdbool.h>
#include <stdint.h>

#include <daytona/error.h>

#include "core/arena.h"
#include "core/strbuf.h"

/* Headers of one request that are signed besides the four that the signature brings. */
#define DAYTONA__S3_EXTRA_HEADERS_MAX 12

/* Instead of the hash of a body: it is protected by TLS alone. */
extern const char daytona__s3_unsigned_payload[];

/* The hash of a body without bytes. */
extern const char daytona__s3_empty_payload[];

typedef struct daytona__s3_identity {
  const char *access_key, *secret;
  const char *session_token; /* NULL or "": the key is a permanent one */
  const char *region;
} daytona__s3_identity_t;

typedef struct daytona__s3_request {
  const char *verb;
  const char *host;                /* as the Host header will be: with a port that is not the scheme's own */
  const char *path;                /* percent-encoded; begins with "/" */
  const char *query;               /* percent-encoded "key=value", in the order of the keys; "": none */
  const daytona_header_t *headers; /* to be signed as well; names in lower case, in any order */
  size_t header_count;
  const char *payload; /* hexadecimal SHA-256 of the body, or daytona__s3_unsigned_payload */
  int64_t time_s;      /* now, since 1970 */
} daytona__s3_request_t;

/* Headers that the request is to carry: x-amz-date, x-amz-content-sha256, Authorization, and the token if there is one. */
enum { DAYTONA__S3_SIGNED_HEADERS = 4 };

/*
 * Sign. The headers' values are in `arena` or borrowed from the arguments. 0, DAYTONA_ENOMEM, DAYTONA_ELIMIT for too
 * many headers, DAYTONA_EINVAL for a time that has no four-digit year, DAYTONA_EFAILED without the hash.
 */
int daytona__s3_sign(daytona__arena_t *arena, const daytona__s3_identity_t *identity,
                     const daytona__s3_request_t *request, daytona_header_t out[DAYTONA__S3_SIGNED_HEADERS],
                     size_t *count);

/* Append `text` percent-encoded as AWS wants it: everything but letters, digits and "-._~", and "/" if it is kept. */
void daytona__s3_encode(daytona__strbuf_t *out, const char *text, bool keeps_slashes);

#endif
