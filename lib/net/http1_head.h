/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP/1.1 answer to an upgrade or a CONNECT, parsed without I/O.
 *
 * The status line and headers (the head) are taken byte by byte, so that no byte after them is consumed: what follows a 101 or a
 * successful CONNECT belongs to another protocol. A body, read only for errors, is taken in chunks.
 */
#ifndef DAYTONA_NET_HTTP1_HEAD_H
#define DAYTONA_NET_HTTP1_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/error.h>

#include "core/strbuf.h"

/* Status line and headers of a response to an upgrade or to CONNECT, and how many headers. */
#define DAYTONA__UPGRADE_HEAD_MAX ((size_t)64 << 10)
#define DAYTONA__UPGRADE_HEADERS_MAX 256

/* Interim (1xx) answers tolerated before one. */
#define DAYTONA__INTERIM_MAX 8

typedef struct daytona__http1_head {
  int status;
  daytona_header_t *headers; /* names and values point into `head` */
  size_t header_count;
  daytona__strbuf_t body; /* at most DAYTONA__ERROR_BODY_MAX of it */
  const char *message;    /* what is wrong, after a failure; static */

  /* private */
  daytona__strbuf_t head;
  unsigned interim;
  size_t line; /* bytes of the line that is being read */
  bool is_chunked, is_sized;
  uint64_t left; /* of the body or of the chunk */
  int chunk_state;
} daytona__http1_head_t;

/* Results of the two feeding functions; failures are DAYTONA_EPROTOCOL, DAYTONA_ELIMIT, DAYTONA_ENOMEM. */
enum { DAYTONA__HTTP1_HEAD_MORE = 0, DAYTONA__HTTP1_HEAD_DONE = 1 };

void daytona__http1_head_init(daytona__http1_head_t *answer);
void daytona__http1_head_clear(daytona__http1_head_t *answer);

/* The next byte of the head. Interim (1xx) answers other than 101 are skipped. */
int daytona__http1_head_head(daytona__http1_head_t *answer, char byte);

/* Once, after the head and before the body: DONE if there is no body to wait for. */
int daytona__http1_head_begin_body(daytona__http1_head_t *answer);

/* More of the body. Bytes beyond the ceiling are counted and dropped. */
int daytona__http1_head_body(daytona__http1_head_t *answer, const char *bytes, size_t size);

/* The value of the first header called `name` in any case, or NULL. */
const char *daytona__http1_head_header(const daytona__http1_head_t *answer, const char *name);

/* Whether a comma-separated list, over all headers of that name, has `token` in any case. */
bool daytona__http1_head_has_token(const daytona__http1_head_t *answer, const char *name, const char *token);

/* How many headers of that name there are. */
size_t daytona__http1_head_count(const daytona__http1_head_t *answer, const char *name);

#endif
