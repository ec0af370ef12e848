/* SPDX-License-Identifier: Apache-2.0 */
/*
 * By which address a client reaches the server, which is what its responses name. Behind a mapped port the client knows
 * another one than the server.
 *
 * Host is what the client has written, and anybody can write anything there. So only the names of this machine itself are
 * believed, with the port that comes with them: loopback names and the numeric addresses of its interfaces. What a listed
 * proxy says (X-Forwarded-Host, X-Forwarded-Proto) is believed whatever it is. For every other name the responses have the
 * server's own address; --public-url and --proxy-domain say better, and nothing changes what they say.
 */
#ifndef DL_CALLED_H
#define DL_CALLED_H

#include "control/auth/origin.h"

/* The client has called us by a name of ours: one that is believed (see above), or that of --public-url. A page of a foreign
 * name, which anybody can let lead here, is none of ours. */
bool dl_called_by_own_name(const dl_front_t *f, const dl_req_t *req);
/* The URL without a path, for answers to this request. Yours to free. */
char *dl_called_url(const dl_front_t *f, const dl_req_t *req);
/* The beginning of preview URLs, "http" or "https"; and what their host names end in. Both yours to free. */
char *dl_called_scheme(const dl_front_t *f, const dl_req_t *req);
char *dl_called_domain(const dl_front_t *f, const dl_req_t *req);

#endif
