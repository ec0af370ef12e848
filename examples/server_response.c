/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The responses of the server example. See server_http.h.
 */
#include "server_exchange.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  STALLED_MS = 60 * 1000, /* for a client to take what was sent */
  LINGER_MS = 2 * 1000
};

typedef struct out {
  uv_write_t request;
  char bytes[];
} out_t;

static void on_written(uv_write_t *request, int status) {
  out_t *out = (out_t *)request;
  http_exchange_t *self = request->data;
  free(out);
  if (self->is_closing) return;
  if (status != 0) {
    exchange_drop(self);
  } else if (self->state == LINGERING) {
    exchange_set_limit(self, STALLED_MS);
  } else if (self->state == SERVING) {
    bool is_drained = uv_stream_get_write_queue_size((uv_stream_t *)&self->tcp) == 0;
    if (is_drained)
      uv_timer_stop(&self->limit);
    else
      exchange_set_limit(self, STALLED_MS); /* it takes its response, if slowly */
    if (is_drained && self->is_streaming) self->server->handlers.on_drained(self, self->server->user);
  }
}

/* Chunks as one. If that fails the connection ends, from a later turn: a response with a hole must never look
   whole. */
static void write_parts(http_exchange_t *self, const char *const *parts, const size_t *sizes, int count) {
  size_t size = 0;
  for (int i = 0; i < count; i++) size += sizes[i];
  out_t *out = self->is_broken ? NULL : malloc(sizeof *out + size);
  char *to = out != NULL ? out->bytes : NULL;
  for (int i = 0; out != NULL && i < count; i++) {
    memcpy(to, parts[i], sizes[i]);
    to += sizes[i];
  }
  if (out != NULL) {
    uv_buf_t buffer = uv_buf_init(out->bytes, (unsigned)size);
    out->request.data = self;
    if (uv_write(&out->request, (uv_stream_t *)&self->tcp, &buffer, 1, on_written) == 0) return;
    free(out);
  }
  self->is_broken = true;
  exchange_set_limit(self, 0);
}

void exchange_write(http_exchange_t *self, const char *text, size_t size) {
  write_parts(self, &text, &size, 1);
}

static const char *reason_of(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 431: return "Request Header Fields Too Large";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    default: return "Error";
  }
}

static void on_shutdown(uv_shutdown_t *request, int status) {
  (void)status;
  exchange_set_limit(request->handle->data, LINGER_MS);
  free(request);
}

/* The response is complete. */
static void linger(http_exchange_t *self) {
  uv_shutdown_t *request = malloc(sizeof *request);
  self->state = LINGERING;
  exchange_set_limit(self, self->is_broken ? 0 : STALLED_MS);
  if (request == NULL || uv_shutdown(request, (uv_stream_t *)&self->tcp, on_shutdown) != 0) {
    free(request);
    exchange_drop(self);
  }
}

void http_answer(http_exchange_t *self, int status, const char *header, const char *type, const char *body) {
  char head[512];
  int size = snprintf(
    head, sizeof head,
    "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s%sConnection: close\r\n\r\n", status,
    reason_of(status), type, strlen(body), header != NULL ? header : "", header != NULL ? "\r\n" : "");
  assert(size > 0 && (size_t)size < sizeof head && !self->is_closing);
  const char *const parts[] = {head, body};
  const size_t sizes[] = {(size_t)size, strlen(body)};
  write_parts(self, parts, sizes, 2);
  linger(self);
}

void exchange_refuse(http_exchange_t *self, int status, const char *why) {
  http_answer(self, status, NULL, "text/plain", why);
}

void http_begin(http_exchange_t *self, int status, const char *type) {
  char head[256];
  int size =
    snprintf(head, sizeof head,
             "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\nCache-Control: no-store\r\n"
             "Connection: close\r\n\r\n",
             status, reason_of(status), type);
  self->is_streaming = true;
  exchange_write(self, head, (size_t)size);
}

size_t http_send(http_exchange_t *self, const void *bytes, size_t size) {
  char length[32];
  if (size != 0) { /* an empty chunk would be the end */
    const char *const parts[] = {length, bytes, "\r\n"};
    const size_t sizes[] = {(size_t)snprintf(length, sizeof length, "%zx\r\n", size), size, 2};
    write_parts(self, parts, sizes, 3);
  }
  size_t queued = uv_stream_get_write_queue_size((uv_stream_t *)&self->tcp);
  if (queued != 0 && !self->is_broken && !uv_is_active((uv_handle_t *)&self->limit))
    exchange_set_limit(self, STALLED_MS);
  return queued;
}

void http_end(http_exchange_t *self) {
  exchange_write(self, "0\r\n\r\n", 5);
  linger(self);
}
