/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passing one request on to another HTTP/1.1 server and its response back, upgrades included, with
 * bounded memory in both directions.
 */
#ifndef DL_FORWARD_H
#define DL_FORWARD_H

#include "http/http.h"

typedef struct {
  /* A connected or connecting stream socket, or -1 with errno. Called for attempt 0, and for the
   * next ones as long as it is not -1 and connecting fails. *is_connecting as in dl_duplex_new. */
  int (*connect)(void *user, int attempt, bool *is_connecting);
  const char *target; /* path and query as they are sent; copied */
  const char *host;   /* the Host header; copied. NULL: the one that came */
  /* True: the request header is left out. Hop-by-hop headers and Host always are. Optional. */
  bool (*drop_header)(void *user, const char *name, const char *value);
  /* Another value for a request header (yours is freed after use; an empty one leaves the header out), or NULL to keep it.
   * Optional. */
  char *(*map_request_header)(void *user, const char *name, const char *value);
  /* More request headers as "Name: value\r\n" lines, copied. Optional. */
  const char *extra_headers;
  /* Another value for a header of the response (yours is freed after use; an empty one leaves the header out), or NULL to
   * keep it. Optional. */
  char *(*map_header)(void *user, const char *name, const char *value);
  /* False: a response of that status is not passed on, and is taken for none. Optional. */
  bool (*takes)(void *user, int status);
  /* The response's head is known and about to be passed on: add headers with dl_req_add_header.
   * Optional. */
  void (*on_head)(void *user, dl_req_t *req, int status);
  /* The connection is upgraded, and bytes are about to pass both ways. From a later turn until on_end, dl_duplex_fail on
   * `client` breaks it off. Optional. */
  void (*on_upgraded)(void *user, dl_duplex_t *client);
  /* There was no answer to pass on; reply to `req`. Required. */
  void (*on_failure)(void *user, dl_req_t *req);
  /* The last call of all. Optional. */
  void (*on_end)(void *user);
  void *user;
} dl_forward_opts_t;

/* From a handler, before anything was done with the request. */
void dl_forward(dl_req_t *req, const dl_forward_opts_t *opts);

#endif
