/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP CONNECT: the request that asks a proxy for a tunnel, and the judgement of its response. No I/O.
 */
#ifndef DAYTONA_NET_TUNNEL_H
#define DAYTONA_NET_TUNNEL_H

#include <stddef.h>

#include "core/strbuf.h"
#include "net/proxy.h"
#include "net/http1_head.h"

/* Append the request for `target`; with credentials in the proxy, a Basic authorisation. 0 or DAYTONA_ENOMEM. */
int daytona__tunnel_request(const daytona__proxy_t *proxy, const daytona__target_t *target,
                            daytona__strbuf_t *out);

/* The schemes of authentication that a proxy offers, as far as there is room for them: "Digest, Basic". */
typedef struct daytona__proxy_offers {
  char text[80];
} daytona__proxy_offers_t;

/* Add the scheme of one Proxy-Authenticate header; a value that does not begin with one adds nothing. */
void daytona__proxy_offers_add(daytona__proxy_offers_t *offers, const char *value);

/* What to say of a response 407, whichever stack it came to. */
void daytona__proxy_refusal(bool had_credentials, const daytona__proxy_offers_t *offers, char *text,
                            size_t size);

/* 0 when the status and headers in `answer` open the tunnel; else DAYTONA_EPROXY with a message in `text`. */
int daytona__tunnel_check(const daytona__proxy_t *proxy, const daytona__http1_head_t *answer, char *text,
                          size_t size);

#endif
