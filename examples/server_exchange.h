/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of an exchange, for the two files that serve HTTP: server_http.c reads requests, server_response.c writes.
 */
#ifndef EXAMPLES_SERVER_EXCHANGE_H
#define EXAMPLES_SERVER_EXCHANGE_H

#include "server_http.h"
#include "server_request.h"

enum { HEAD_MAX = 16 * 1024 };

typedef enum state { HEAD, BODY, SERVING, LINGERING } state_t;

struct http_exchange {
  uv_tcp_t tcp; /* first */
  uv_timer_t limit;
  http_server_t *server;
  http_exchange_t *next, *previous;
  int open_handles;
  state_t state;
  bool is_closing, is_broken, is_streaming;
  char text[HEAD_MAX + 1]; /* of the head */
  size_t text_size;
  head_t head;
  char *body;
  size_t body_size, body_wanted;
  void *data;
};

/* Close the connection. The handlers hear of it if they still had to do with it. */
void exchange_drop(http_exchange_t *self);
/* What the exchange is in may last so long from now. */
void exchange_set_limit(http_exchange_t *self, uint64_t ms);
void exchange_write(http_exchange_t *self, const char *text, size_t size);
/* A whole response, as text. */
void exchange_refuse(http_exchange_t *self, int status, const char *why);

#endif
