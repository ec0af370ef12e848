/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Just enough of HTTP/1.1 for the server example: one request per connection, a body with Content-Length, and
 * a response that is either whole or streamed in chunks. A server of yours would use its own library here.
 *
 * Everything is limited: size of head and body, number of connections, time for a request to arrive, and time
 * for a client to take some of its response. An exchange is one request with its response, and belongs to the
 * server: it may be used until http_answer() or http_end() was called for it, or on_gone came.
 */
#ifndef EXAMPLES_SERVER_HTTP_H
#define EXAMPLES_SERVER_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include <uv.h>

typedef struct http_exchange http_exchange_t;

typedef struct http_handlers {
  void (*on_request)(http_exchange_t *exchange, void *user); /* it is complete; answer now or later */
  void (*on_drained)(http_exchange_t *exchange, void *user); /* all that was sent has gone to the client */
  void (*on_gone)(http_exchange_t *exchange,
                  void *user); /* the client went away before the end of its response */
} http_handlers_t;

typedef struct http_server {
  uv_tcp_t listener;
  http_handlers_t handlers;
  void *user;
  http_exchange_t *exchanges; /* all of them, as a list */
  size_t exchange_count;
  bool is_stopped;
} http_server_t;

/* Listen on 127.0.0.1. `port` 0: any, and the one it got in *port. 0 or an error of libuv. */
int http_server_start(http_server_t *server, uv_loop_t *loop, const http_handlers_t *handlers, void *user,
                      int *port);
/* No new requests; those that have begun to be answered go on. */
void http_server_stop(http_server_t *server);
/* Drop every connection; on_gone does not come any more. */
void http_server_drop(http_server_t *server);

const char *http_method(const http_exchange_t *exchange);
const char *http_path(const http_exchange_t *exchange);
/* With a NUL behind it that the size does not count. */
const char *http_body(const http_exchange_t *exchange, size_t *size);
/* A web page has sent it: browsers name its origin. */
bool http_is_from_page(const http_exchange_t *exchange);

void http_set_data(http_exchange_t *exchange, void *data);
void *http_data(const http_exchange_t *exchange);

/* A whole response. `header` is a further header line without its end, or NULL. */
void http_answer(http_exchange_t *exchange, int status, const char *header, const char *type,
                 const char *body);
/* Begin a streamed one, send a chunk of it, end it. Sending tells how many bytes the client has not taken
   yet. */
void http_begin(http_exchange_t *exchange, int status, const char *type);
size_t http_send(http_exchange_t *exchange, const void *bytes, size_t size);
void http_end(http_exchange_t *exchange);

#endif
