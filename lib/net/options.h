/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the network needs to know from the configuration. One structure drives libcurl's TLS and
 * mbedTLS, HTTP and WebSockets alike, so that no setting can reach only one of them.
 */
#ifndef DAYTONA_NET_OPTIONS_H
#define DAYTONA_NET_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Lookup, TCP, proxy and TLS together, unless configured otherwise. */
#define DAYTONA__CONNECT_TIMEOUT_DEFAULT_MS 30000

/* Connections of one client, unless configured otherwise. */
#define DAYTONA__CONNECTIONS_DEFAULT 250
#define DAYTONA__CONNECTIONS_MAX 65535

typedef struct daytona__tls_options {
  const char *ca_file;     /* PEM bundle; NULL: the system's */
  const char *ca_path;     /* hashed directory; NULL: none given */
  const char *client_cert; /* PEM file; NULL: none */
  const char *client_key;  /* PEM file; NULL: in client_cert */
  const char *client_key_password;
  bool is_unverified; /* neither chain nor host name is checked */
} daytona__tls_options_t;

typedef struct daytona__proxy_options {
  const char *http_proxy;  /* proxy URL for http and ws targets; NULL: none */
  const char *https_proxy; /* for https and wss targets */
  const char *no_proxy;    /* as libcurl reads NO_PROXY */
  bool spares_loopback;    /* this machine's own names and addresses are reached directly */
} daytona__proxy_options_t;

typedef struct daytona__net_options {
  daytona__tls_options_t tls;
  daytona__proxy_options_t proxy;
  int64_t happy_eyeballs_ms; /* -1: the transport's default; INT64_MAX: no race between families */
  int max_connections;
  int64_t connect_timeout_ms;
  int64_t rate_limit_wait_ms; /* longest wait for a 429 with Retry-After to clear; 0: none */
  bool no_http2;
  bool is_background; /* its requests do not keep the host's loop alive; lookups of names do */
} daytona__net_options_t;

/* Copies whose strings are ours. 0 or DAYTONA_ENOMEM; `out` can be disowned in both cases. */
int daytona__tls_options_own(daytona__tls_options_t *out, const daytona__tls_options_t *options);
int daytona__proxy_options_own(daytona__proxy_options_t *out, const daytona__proxy_options_t *options);
int daytona__net_options_own(daytona__net_options_t *out, const daytona__net_options_t *options);
void daytona__tls_options_disown(daytona__tls_options_t *options);
void daytona__proxy_options_disown(daytona__proxy_options_t *options);
void daytona__net_options_disown(daytona__net_options_t *options);

#endif
