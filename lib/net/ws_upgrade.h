/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP/1.1 upgrade to WebSocket: request and check of the response. No I/O.
 */
#ifndef DAYTONA_NET_WS_UPGRADE_H
#define DAYTONA_NET_WS_UPGRADE_H

#include <stdbool.h>
#include <stddef.h>

#include <daytona/error.h>

#include "core/ascii.h"
#include "core/strbuf.h"
#include "net/http1_head.h"
#include "net/redirect.h"
#include "net/ws_url.h"

enum { DAYTONA__UPGRADE_KEY_ROOM = DAYTONA__BASE64_ROOM(16) };

typedef struct daytona__ws_upgrade {
  const daytona__ws_url_t *url;
  const daytona_header_t *headers;
  size_t header_count;
  const char *const *protocols; /* offered, all in one header line */
  size_t protocol_count;
  daytona__redirect_t redirect;        /* how it came to this URL */
  char key[DAYTONA__UPGRADE_KEY_ROOM]; /* Sec-WebSocket-Key; made by the request */
} daytona__ws_upgrade_t;

/* Whether header and protocol texts can stand in a request: 0 or DAYTONA_EINVAL. */
int daytona__ws_upgrade_validate(const daytona__ws_upgrade_t *upgrade);

/* Append the request, with a fresh random key. 0, DAYTONA_ENOMEM, DAYTONA_EFAILED, DAYTONA_ELIMIT. */
int daytona__ws_upgrade_request(daytona__ws_upgrade_t *upgrade, daytona__strbuf_t *out);

/*
 * Judge a 101 answer: 0 and the chosen protocol (points into the response; NULL when none was chosen), or
 * DAYTONA_EPROTOCOL and a static message. An absent echo of the protocols is accepted: the platform's
 * servers answer without one when they ignore them.
 */
int daytona__ws_upgrade_check(const daytona__ws_upgrade_t *upgrade, const daytona__http1_head_t *answer,
                              const char **protocol, const char **message);

/* What Sec-WebSocket-Accept has to be for `key`; `out` has 29 bytes. 0 or DAYTONA_EFAILED. */
int daytona__ws_upgrade_accept(const char *key, char *out);

#endif
