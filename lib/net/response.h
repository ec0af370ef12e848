/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What came back for a request: filled by HTTP and by the upgrade of a WebSocket alike, so that an error is
 * made of either in the same way (wire/error_map.h).
 *
 * Everything is borrowed from the code that filled it in, which documents for how long.
 */
#ifndef DAYTONA_NET_RESPONSE_H
#define DAYTONA_NET_RESPONSE_H

#include <stddef.h>

#include <daytona/error.h>

typedef struct daytona__response {
  daytona_errcode_t code; /* DAYTONA_OK: a 2xx response; DAYTONA_EFAILED: another, see status; else: none */
  const char *message;    /* for transport failures: what went wrong, one line */
  int status;             /* 0: no response */
  int attempts;
  int system_errno; /* of the socket that failed; 0: not known */
  const daytona_header_t *headers;
  size_t header_count;
  const char *body; /* NUL-terminated, never NULL once the request has ended */
  size_t body_size;
} daytona__response_t;

#endif
