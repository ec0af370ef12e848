/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request says about where it comes from and which name it was sent to, and how much of that is believed.
 *
 * A proxy in front of the server (--trusted-proxy) is believed when it names the client, the host and the scheme;
 * anybody else is not. Browsers name the page that sends a request in Origin, which decides two things: whether
 * the page may read the response (CORS), and whether a cookie, which a browser adds by itself, counts.
 */
#ifndef DL_ORIGIN_H
#define DL_ORIGIN_H

#include "http/http.h"

/* Where the server stands; all borrowed. */
typedef struct {
  const char *scheme, *url; /* its own scheme; what clients call it, as in dl_control_t */
  const char *domain;       /* what host names of previews end in */
  bool has_public_url,
    has_proxy_domain; /* these two are what the options say, for every client: see called.h */
  /* Numeric addresses in their normal form (dl_address_normal), and origins as browsers write them. */
  char *const *trusted_proxies, *const *allowed_origins;
  size_t trusted_proxy_count, allowed_origin_count;
} dl_front_t;

/* A numeric address in its shortest form, without the IPv6 form of IPv4 ones. NULL if it is none. Yours to free. */
char *dl_address_normal(const char *text);

/* The peer of the connection is one of --trusted-proxy. */
bool dl_is_from_trusted(const dl_front_t *f, const dl_req_t *req);
/* Whom limits count for: the peer, or behind trusted proxies the client that they name in X-Forwarded-For. Yours to free. */
char *dl_client_address(const dl_front_t *f, const dl_req_t *req);
/* A header that only a trusted proxy may set: X-Forwarded-*, Forwarded, X-Real-IP. Programs behind CGI and WSGI
 * take '_' and '-' in names for the same, so that is done here, too. */
bool dl_is_forwarding_header(const char *name);
/* Our own of them as header lines: For, and Host and Proto unless a trusted proxy has set them. Yours to free. */
char *dl_forwarding_lines(const dl_front_t *f, const dl_req_t *req);

/* The origin is the address that the request was sent to: a page of the same place. */
bool dl_origin_is_own(const dl_front_t *f, const dl_req_t *req, const char *origin);
/* A page of that origin may read answers: an own one, one of this machine (but not of a preview), or one of
 * --allow-origin. */
bool dl_origin_may_read(const dl_front_t *f, const dl_req_t *req, const char *origin);
/* A credential that a browser adds by itself counts for this request: it changes nothing, or no other page sends it. */
bool dl_ambient_credential_counts(const dl_front_t *f, const dl_req_t *req);

#endif
