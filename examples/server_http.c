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
#include "server_http.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
  HEAD_MAX = 16 * 1024,
  BODY_MAX = 1024 * 1024,
  CONNECTIONS_MAX = 1000,
  REQUEST_MS = 15 * 1000, /* from the connection to the end of the body */
  STALLED_MS = 60 * 1000, /* for a client to take what was sent */
  LINGER_MS = 2 * 1000,
  READ_BLOCK = 16 * 1024
};

typedef enum state { HEAD, BODY, SERVING, LINGERING } state_t;

struct http_exchange {
  uv_tcp_t tcp; /* first */
  uv_timer_t limit;
  http_server_t *server;
  http_exchange_t *next, *previous;
  int open_handles;
  state_t state;
  bool is_closing, is_broken, is_from_page, is_streaming;
  char head[HEAD_MAX + 1];
  size_t head_size;
  char *method, *path; /* inside head */
  char *body;
  size_t body_size, body_wanted;
  void *data;
};

typedef struct out {
  uv_write_t request;
  char bytes[];
} out_t;

static char read_block[READ_BLOCK]; /* one thread, and used up before the next read */

/* --- connections ------------------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *handle) {
  http_exchange_t *self = handle->data;
  if (--self->open_handles != 0) return;
  free(self->body);
  free(self);
}

/* The handlers hear of it if they still had to do with it. */
static void drop(http_exchange_t *self) {
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

static void on_limit(uv_timer_t *timer);

static void set_limit(http_exchange_t *self, uint64_t ms) {
  if (!self->is_closing) uv_timer_start(&self->limit, on_limit, ms, 0);
}

/* --- output ------------------------------------------------------------------------------------ */

static void on_written(uv_write_t *request, int status) {
  out_t *out = (out_t *)request;
  http_exchange_t *self = request->data;
  free(out);
  if (self->is_closing) return;
  if (status != 0) {
    drop(self);
  } else if (self->state == LINGERING) {
    set_limit(self, STALLED_MS);
  } else if (self->state == SERVING) {
    bool is_drained = uv_stream_get_write_queue_size((uv_stream_t *)&self->tcp) == 0;
    if (is_drained)
      uv_timer_stop(&self->limit);
    else
      set_limit(self, STALLED_MS); /* it takes its response, if slowly */
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
  set_limit(self, 0);
}

static void write_text(http_exchange_t *self, const char *text, size_t size) {
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
  set_limit(request->handle->data, LINGER_MS);
  free(request);
}

/* The response is complete. */
static void linger(http_exchange_t *self) {
  uv_shutdown_t *request = malloc(sizeof *request);
  self->state = LINGERING;
  set_limit(self, self->is_broken ? 0 : STALLED_MS);
  if (request == NULL || uv_shutdown(request, (uv_stream_t *)&self->tcp, on_shutdown) != 0) {
    free(request);
    drop(self);
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

static void refuse(http_exchange_t *self, int status, const char *why) {
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
  write_text(self, head, (size_t)size);
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
    set_limit(self, STALLED_MS);
  return queued;
}

void http_end(http_exchange_t *self) {
  write_text(self, "0\r\n\r\n", 5);
  linger(self);
}

static void on_limit(uv_timer_t *timer) {
  http_exchange_t *self = timer->data;
  if (self->state == HEAD || self->state == BODY)
    refuse(self, 408, "the request takes too long\n");
  else
    drop(self);
}

/* --- input ------------------------------------------------------------------------------------- */

static bool read_length(const char *text, size_t *out) {
  size_t size = strspn(text, "0123456789");
  if (size == 0 || size > 15 || text[size] != '\0') return false;
  *out = strtoull(text, NULL, 10);
  return true;
}

/* The line at *at, without its end, which must be CR LF; *at moves behind it. NULL: malformed. */
static char *take_line(char **at) {
  char *line = *at, *end = strstr(line, "\r\n");
  if (end == NULL || strcspn(line, "\r\n") != (size_t)(end - line)) return NULL;
  *end = '\0';
  *at = end + 2;
  return line;
}

typedef struct head {
  size_t length;
  bool has_length, has_encoding, expects;
} head_t;

static bool take_header(http_exchange_t *self, char *line, head_t *head) {
  char *colon = strchr(line, ':');
  if (colon == NULL || colon == line || strcspn(line, " \t") < (size_t)(colon - line)) return false;
  *colon = '\0';
  char *value = colon + 1 + strspn(colon + 1, " \t"), *end = value + strlen(value);
  while (end > value && strchr(" \t", end[-1]) != NULL) *--end = '\0';
  if (strcasecmp(line, "Content-Length") == 0) {
    if (head->has_length || !read_length(value, &head->length)) return false;
    head->has_length = true;
  }
  if (strcasecmp(line, "Transfer-Encoding") == 0) head->has_encoding = true;
  if (strcasecmp(line, "Expect") == 0 && strcasecmp(value, "100-continue") == 0) head->expects = true;
  if (strcasecmp(line, "Origin") == 0) self->is_from_page = true;
  return true;
}

/* The head is complete: `head` ends behind its empty line. */
static bool read_head(http_exchange_t *self, head_t *head) {
  char *at = self->head, *line = take_line(&at);
  char *space = line != NULL ? strchr(line, ' ') : NULL,
       *version = space != NULL ? strchr(space + 1, ' ') : NULL;
  if (version == NULL || strncmp(version + 1, "HTTP/1.", 7) != 0 || space[1] != '/') return false;
  *space = *version = '\0';
  self->method = line;
  self->path = space + 1;
  while ((line = take_line(&at)) != NULL && *line != '\0')
    if (!take_header(self, line, head)) return false;
  return line != NULL;
}

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
  head_t head = {0};
  if (!read_head(self, &head)) {
    refuse(self, 400, "malformed request\n");
  } else if (head.has_encoding) {
    refuse(self, 411, "only bodies with Content-Length are understood\n");
  } else if (head.length > BODY_MAX) {
    refuse(self, 413, "the body is larger than 1 MiB\n");
  } else if ((self->body = malloc(head.length + 1)) == NULL) {
    refuse(self, 503, "out of memory\n");
  } else {
    self->state = BODY;
    self->body_wanted = head.length;
    if (head.expects && rest_size < head.length) write_text(self, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    take_body(self, rest, rest_size);
  }
}

static void take(http_exchange_t *self, const char *bytes, size_t size) {
  if (self->state == BODY) take_body(self, bytes, size);
  if (self->state != HEAD) return; /* what comes during a response is not read by anybody */
  size_t before = self->head_size, here = size < HEAD_MAX - before ? size : HEAD_MAX - before;
  memcpy(self->head + before, bytes, here);
  self->head_size += here;
  self->head[self->head_size] = '\0';
  char *end = strstr(self->head, "\r\n\r\n");
  if (end == NULL && memchr(self->head, '\0', self->head_size) != NULL) {
    refuse(self, 400, "malformed request\n");
  } else if (end == NULL && self->head_size == HEAD_MAX) {
    refuse(self, 431, "the head is larger than 16 KiB\n");
  } else if (end != NULL) {
    size_t used = (size_t)(end + 4 - self->head) - before;
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
    drop(self); /* also a client that has only closed its side: it does not wait for the response */
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
    drop(self);
    return;
  }
  uv_tcp_nodelay(&self->tcp, 1); /* each chunk of output is for somebody who waits */
  set_limit(self, REQUEST_MS);
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
    if (self->state == HEAD || self->state == BODY) drop(self);
  }
}

void http_server_drop(http_server_t *server) {
  http_server_stop(server);
  while (server->exchanges != NULL) {
    server->exchanges->state = LINGERING; /* nobody wants to hear of it */
    drop(server->exchanges);
  }
}

const char *http_method(const http_exchange_t *self) { return self->method; }

const char *http_path(const http_exchange_t *self) { return self->path; }

const char *http_body(const http_exchange_t *self, size_t *size) {
  *size = self->body_size;
  return self->body;
}

bool http_is_from_page(const http_exchange_t *self) { return self->is_from_page; }

void http_set_data(http_exchange_t *self, void *data) { self->data = data; }

void *http_data(const http_exchange_t *self) { return self->data; }
