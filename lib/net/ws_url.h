/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs of WebSocket targets: taken apart and, for redirects, put together.
 */
#ifndef DAYTONA_NET_WS_URL_H
#define DAYTONA_NET_WS_URL_H

#include <stdbool.h>

#include "net/proxy.h"

typedef struct daytona__ws_url {
  daytona__target_t target;
  char *text;     /* the whole URL, with an http or https scheme and no fragment */
  char *resource; /* path and query, as the request line wants them */
} daytona__ws_url_t;

/*
 * Parse a ws, wss, http or https URL. 0, DAYTONA_EINVAL (also for anything that could break out of a
 * request line), DAYTONA_ENOMEM; on failure `url` is as before.
 */
int daytona__ws_url_parse(daytona__ws_url_t *url, const char *text);

/* The URL that a Location header of a response from `base` means. Errors as above. */
int daytona__ws_url_follow(daytona__ws_url_t *url, const daytona__ws_url_t *base, const char *location);

void daytona__ws_url_clear(daytona__ws_url_t *url);

#endif
