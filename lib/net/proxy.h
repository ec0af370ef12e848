/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which host a URL leads to, and through which proxy. HTTP and WebSockets ask the same two questions,
 * so the responses come from one place.
 */
#ifndef DAYTONA_NET_PROXY_H
#define DAYTONA_NET_PROXY_H

#include <stdbool.h>

#include <daytona/error.h>

#include "net/options.h"

enum { DAYTONA__HOST_ROOM = 256 };

/* Scheme, host and port of an http, https, ws or wss URL. */
typedef struct daytona__target {
  bool is_secure;
  bool is_literal; /* the host is an address */
  int port;
  char host[DAYTONA__HOST_ROOM]; /* lower case, without the brackets of an IPv6 address */
} daytona__target_t;

/*
 * DAYTONA_EINVAL if `url` is none of those, or holds a user name, or a host that two parsers could read
 * differently (percent signs, backslashes, short or octal IPv4 forms). `path` may be NULL; it receives
 * what follows the authority: "" or text that starts with '/', '?' or '#'.
 */
int daytona__target_parse(const char *url, daytona__target_t *out, const char **path);

typedef enum daytona__proxy_kind {
  DAYTONA__PROXY_HTTP,
  DAYTONA__PROXY_HTTPS, /* TLS to the proxy itself */
  DAYTONA__PROXY_SOCKS4,
  DAYTONA__PROXY_SOCKS5 /* both SOCKS kinds leave the name lookup to the proxy */
} daytona__proxy_kind_t;

typedef struct daytona__proxy {
  daytona__proxy_kind_t kind;
  int port;
  char host[DAYTONA__HOST_ROOM];
  char *user;     /* decoded; NULL: none */
  char *password; /* decoded; NULL: none */
} daytona__proxy_t;

/* 0, DAYTONA_EINVAL or DAYTONA_ENOMEM. Without a scheme it is http; the default port is 1080 (https: 443). */
int daytona__proxy_parse(const char *url, daytona__proxy_t *out);
void daytona__proxy_clear(daytona__proxy_t *proxy);

/*
 * Whether `no_proxy` names the target, as libcurl reads NO_PROXY: entries divided by commas or blanks;
 * "*" is everything; "example.com" and ".example.com" are that host and all under it; addresses match
 * whole or by network ("10.0.0.0/8", "fd00::/8"), with or without brackets; ":port" limits an entry.
 */
bool daytona__no_proxy_matches(const char *no_proxy, const char *host, int port);

/* Whether the host is this machine: 127.0.0.0/8, ::1, `localhost` and all names below it. */
bool daytona__host_is_loopback(const char *host);

/* The proxy URL to use for `target`, borrowed from `options`, or NULL for a direct connection. */
const char *daytona__proxy_pick(const daytona__proxy_options_t *options, const daytona__target_t *target);

#endif
