/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which redirects are followed and what travels with them: one policy for HTTP and for upgrades.
 *
 * Followed are 301, 302, 303, 307 and 308 with a Location, DAYTONA__REDIRECTS_MAX of them for one request, and never
 * from TLS to none. Once a request has left the origin that it was for, it carries neither credentials nor
 * X-Daytona- headers nor the trace that it is part of, and a body (which may hold passwords) is not sent at all: the
 * redirect is refused, unless it leads from http to https of the same host.
 */
#ifndef DAYTONA_NET_REDIRECT_H
#define DAYTONA_NET_REDIRECT_H

#include <stdbool.h>

#include "net/proxy.h"

/* Redirects followed by one request. */
#define DAYTONA__REDIRECTS_MAX 5

/* All zero at the first attempt. */
typedef struct daytona__redirect {
  unsigned count;
  bool is_foreign;   /* it has been to another origin; stays so */
  bool is_elsewhere; /* and not just to the same server over TLS */
  bool becomes_get;  /* after a 303: its body is not sent again */
} daytona__redirect_t;

bool daytona__redirect_is_asked(int status);

/*
 * Follow a response of `from` to `to`: 0, or DAYTONA_EPROTOCOL and the reason in `*message`, the end of a sentence. `has_body`: the request
 * carried something besides its headers that only the server it was for may see.
 */
int daytona__redirect_follow(daytona__redirect_t *redirect, int status, const char *method, bool has_body,
                             const daytona__target_t *from, const daytona__target_t *to,
                             const char **message);

/* Whether the request must go without this header. */
bool daytona__redirect_hides(const daytona__redirect_t *redirect, const char *name);

#endif
