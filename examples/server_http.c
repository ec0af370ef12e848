/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP for the server example. See server_http.h.
 *
 *   HEAD -> BODY -> SERVING -> LINGERING -> closed
 *
 * A response is followed by the end of our side, and then by waiting for the client's, for a short while: to
 * close with unread input would reset the connection, and the client might lose the response. One timer per
 * connection limits whatever it is in.
 */
#include "server_exchange.h"

#include <stdlib.h>
#include <string.h>

enum {
  BODY_MAX = 1024 * 1024,
  CONNECTIONS_MAX = 1000,
  REQUEST_MS = 15 * 1000, /* from the connection to the end of the body */
  READ_BLOCK = 16 * 1024
};

static char read_block[READ_BLOCK]; /* one thread, and used up before the next read */

/* --- connections ------------------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *handle) {
  http_exchange_t *self = handle->data;
  if (--self->open_handles != 0) return;
  free(self->body);
  free(self);
}

void exchange_drop(http_exchange_t *self) {
  http_server_t *server = self->server;
  bool tells = self->state == SERVING;
  if (self->is_closing) return;
  self->is_closing = true;
  if (self->previous != NULL)
    self->previous->next = self->next;
  else
    server->exchanges = self->next;
  if (self->next != NULL) self->next->previous = self->previous;
  server->exchange_count--;
  if (tells) server->handlers.on_gone(self, server->user);
  uv_close((uv_handle_t *)&self->tcp, on_handle_closed);
  uv_close((uv_handle_t *)&self->limit, on_handle_closed);
}

static void on_limit(uv_timer_t *timer) {
  http_exchange_t *self = timer->data;
  if (self->state == HEAD || self->state == BODY)
    exchange_refuse(self, 408, "the request takes too long\n");
  else
    exchange_drop(self);
}

void exchange_set_limit(http_exchange_t *self, uint64_t ms) {
  if (!self->is_closing) uv_timer_start(&self->limit, on_limit, ms, 0);
}

/* --- input ------------------------------------------------------------------------------------- */

static void hand_over(http_exchange_t *self) {
  self->body[self->body_size] = '\0';
  self->state = SERVING;
  uv_timer_stop(&self->limit);
  self->server->handlers.on_request(self, self->server->user);
}

static void take_body(http_exchange_t *self, const char *bytes, size_t size) {
  size_t missing = self->body_wanted - self->body_size;
  if (size > missing) size = missing; /* a second request is not answered: "Connection: close" */
  memcpy(self->body + self->body_size, bytes, size);
  self->body_size += size;
  if (self->body_size == self->body_wanted) hand_over(self);
}

/* `rest` came behind the head. */
static void take_head(http_exchange_t *self, const char *rest, size_t rest_size) {
  const head_t *head = &self->head;
  if (!head_read(self->text, &self->head)) {
    exchange_refuse(self, 400, "malformed request\n");
  } else if (head->has_encoding) {
    exchange_refuse(self, 411, "only bodies with Content-Length are understood\n");
  } else if (head->length > BODY_MAX) {
    exchange_refuse(self, 413, "the body is larger than 1 MiB\n");
  } else if ((self->body = malloc(head->length + 1)) == NULL) {
    exchange_refuse(self, 503, "out of memory\n");
  } else {
    self->state = BODY;
    self->body_wanted = head->length;
    if (head->expects && rest_size < head->length) exchange_write(self, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    take_body(self, rest, rest_size);
  }
}

static void take(http_exchange_t *self, const char *bytes, size_t size) {
  if (self->state == BODY) take_body(self, bytes, size);
  if (self->state != HEAD) return; /* what comes during a response is not read by anybody */
  size_t before = self->text_size, here = size < HEAD_MAX - before ? size : HEAD_MAX - before;
  memcpy(self->text + before, bytes, here);
  self->text_size += here;
  self->text[self->text_size] = '\0';
  char *end = strstr(self->text, "\r\n\r\n");
  if (end == NULL && memchr(self->text, '\0', self->text_size) != NULL) {
    exchange_refuse(self, 400, "malformed request\n");
  } else if (end == NULL && self->text_size == HEAD_MAX) {
    exchange_refuse(self, 431, "the head is larger than 16 KiB\n");
  } else if (end != NULL) {
    size_t used = (size_t)(end + 4 - self->text) - before;
    end[4] = '\0';
    take_head(self, bytes + used, size - used);
  }
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buffer) {
  (void)handle, (void)size;
  *buffer = uv_buf_init(read_block, sizeof read_block);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer) {
  http_exchange_t *self = stream->data;
  if (size < 0)
    exchange_drop(self); /* also a client that has only closed its side: it does not wait for the response */
  else
    take(self, buffer->base, (size_t)size);
}

/* --- the server -------------------------------------------------------------------------------- */

static void on_connection(uv_stream_t *listener, int status) {
  http_server_t *server = listener->data;
  http_exchange_t *self = status == 0 ? calloc(1, sizeof *self) : NULL;
  if (self == NULL) return;
  uv_tcp_init(listener->loop, &self->tcp);
  uv_timer_init(listener->loop, &self->limit);
  self->tcp.data = self->limit.data = self;
  self->open_handles = 2;
  self->server = server;
  self->next = server->exchanges;
  if (self->next != NULL) self->next->previous = self;
  server->exchanges = self;
  server->exchange_count++;
  if (uv_accept(listener, (uv_stream_t *)&self->tcp) != 0 || server->exchange_count > CONNECTIONS_MAX ||
      uv_read_start((uv_stream_t *)&self->tcp, on_alloc, on_read) != 0) {
    exchange_drop(self);
    return;
  }
  uv_tcp_nodelay(&self->tcp, 1); /* each chunk of output is for somebody who waits */
  exchange_set_limit(self, REQUEST_MS);
}

int http_server_start(http_server_t *server, uv_loop_t *loop, const http_handlers_t *handlers, void *user,
                      int *port) {
  struct sockaddr_in address;
  int size = sizeof address;
  *server = (http_server_t){.handlers = *handlers, .user = user};
  uv_tcp_init(loop, &server->listener);
  server->listener.data = server;
  uv_ip4_addr("127.0.0.1", *port, &address);
  int rc = uv_tcp_bind(&server->listener, (const struct sockaddr *)&address, 0);
  if (rc == 0) rc = uv_listen((uv_stream_t *)&server->listener, 128, on_connection);
  if (rc == 0) rc = uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &size);
  if (rc == 0) *port = ntohs(address.sin_port);
  return rc;
}

void http_server_stop(http_server_t *server) {
  http_exchange_t *next;
  if (server->is_stopped) return;
  server->is_stopped = true;
  uv_close((uv_handle_t *)&server->listener, NULL);
  for (http_exchange_t *self = server->exchanges; self != NULL; self = next) {
    next = self->next;
    if (self->state == HEAD || self->state == BODY) exchange_drop(self);
  }
}

void http_server_drop(http_server_t *server) {
  http_server_stop(server);
  while (server->exchanges != NULL) {
    server->exchanges->state = LINGERING; /* nobody wants to hear of it */
    exchange_drop(server->exchanges);
  }
}

const char *http_method(const http_exchange_t *self) { return self->head.method; }

const char *http_path(const http_exchange_t *self) { return self->head.path; }

const char *http_body(const http_exchange_t *self, size_t *size) {
  *size = self->body_size;
  return self->body;
}

bool http_is_from_page(const http_exchange_t *self) { return self->head.has_origin; }

void http_set_data(http_exchange_t *self, void *data) { self->data = data; }

void *http_data(const http_exchange_t *self) { return self->data; }
