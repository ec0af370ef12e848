/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP CONNECT: the request that asks a proxy for a tunnel, and the judgement of its answer. No I/O.
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

/* 0 when the head of `answer` opens the tunnel; else DAYTONA_EPROXY with a message in `text`. */
int daytona__tunnel_check(const daytona__http1_head_t *answer, char *text, size_t size);

#endif
