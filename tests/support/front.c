/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See front.h. A link is what the client has with us; its line is what we have with the server.
 */
#include "support/front.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct line {
  uv_tcp_t tcp; /* first */
  uv_connect_t connect;
  ws_link_t *link; /* NULL: it has gone */
  bool is_closing;
} line_t;

typedef struct sending {
  uv_write_t request; /* first */
  char bytes[];
} sending_t;

static void on_line_closed(uv_handle_t *handle) { free(handle); }

static void close_line(line_t *line) {
  if (line->is_closing) return;
  line->is_closing = true;
  if (line->link != NULL) line->link->data = NULL;
  line->link = NULL;
  uv_close((uv_handle_t *)&line->tcp, on_line_closed);
}

static void on_sent(uv_write_t *request, int status) { free(request); }

static void send_on(line_t *line, const char *bytes, size_t size) {
  sending_t *sending = malloc(sizeof *sending + size);
  if (sending == NULL) abort();
  memcpy(sending->bytes, bytes, size);
  uv_buf_t buffer = uv_buf_init(sending->bytes, (unsigned)size);
  uv_stream_t *stream = (uv_stream_t *)&line->tcp;
  if (line->is_closing || uv_write(&sending->request, stream, &buffer, 1, on_sent) != 0) free(sending);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  static char shared[65536];
  *buffer = uv_buf_init(shared, sizeof shared);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer) {
  line_t *line = (line_t *)stream;
  if (line->link == NULL) return;
  if (size > 0) {
    ws_link_send(line->link, buffer->base, (size_t)size);
    return;
  }
  if (size == 0) return;
  if (size == UV_EOF)
    ws_link_shut(line->link);
  else
    ws_link_reset(line->link);
  close_line(line);
}

static void on_connected(uv_connect_t *request, int status) {
  line_t *line = request->data;
  if (line->is_closing) return;
  if (status == 0)
    uv_read_start((uv_stream_t *)&line->tcp, on_alloc, on_read);
  else if (line->link != NULL)
    ws_link_reset(line->link); /* on_gone() does the rest */
}

static line_t *line_of(ws_link_t *link) {
  front_t *front = (front_t *)link->peer;
  struct sockaddr_in address;
  if (link->data != NULL) return link->data;
  line_t *line = calloc(1, sizeof *line);
  if (line == NULL) abort();
  line->link = link;
  line->connect.data = line;
  link->data = line;
  uv_tcp_init(link->handle.loop, &line->tcp);
  uv_tcp_nodelay(&line->tcp, 1);
  uv_ip4_addr("127.0.0.1", front->to_port, &address);
  int status = uv_tcp_connect(&line->connect, &line->tcp, (struct sockaddr *)&address, on_connected);
  assert(status == 0);
  (void)status;
  return line;
}

static void on_gone(ws_link_t *link) {
  if (link->data != NULL) close_line(link->data);
}

/* --- a proxy ----------------------------------------------------------------------------------- */

static bool is_allowed(front_t *front, const ws_link_t *link) {
  char header[256];
  if (front->wanted_auth == NULL) return true;
  snprintf(header, sizeof header, "\r\nProxy-Authorization: %s\r\n", front->wanted_auth);
  return strstr(link->in, header) != NULL;
}

static void refuse(front_t *front, ws_link_t *link) {
  static const char answer[] =
    "HTTP/1.1 407 Proxy Authentication Required\r\n"
    "Proxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n";
  front->refusals++;
  ws_link_send(link, answer, sizeof answer - 1);
}

/* The head of a request has come. False: there is more to wait for. */
static bool take_head(front_t *front, ws_link_t *link) {
  static const char granted[] = "HTTP/1.1 200 Connection established\r\n\r\n";
  char *end = strstr(link->in, "\r\n\r\n");
  if (end == NULL) return false;
  if (!is_allowed(front, link)) {
    refuse(front, link);
    link->in_size = 0;
    return false;
  }
  if (sscanf(link->in, "CONNECT %255s HTTP/1.1", front->target) == 1) {
    size_t head = (size_t)(end + 4 - link->in);
    front->connects++;
    line_of(link);
    ws_link_send(link, granted, sizeof granted - 1);
    link->index = (size_t)-1; /* a tunnel: whatever comes goes on as it is */
    memmove(link->in, link->in + head, link->in_size - head);
    link->in_size -= head;
    return true;
  }
  /* Servers want "/path" where a proxy got "http://host/path". */
  char *url = strchr(link->in, ' ');
  char *path = url != NULL && strncmp(url, " http://", 8) == 0 ? strchr(url + 8, '/') : NULL;
  if (path != NULL) {
    front->forwards++;
    memmove(url + 1, path, link->in_size - (size_t)(path - link->in));
    link->in_size -= (size_t)(path - url - 1);
  }
  return true;
}

static void on_raw(ws_link_t *link) {
  front_t *front = (front_t *)link->peer;
  if (link->is_closing) return;
  if (front->is_proxy && link->index != (size_t)-1 && !take_head(front, link)) return;
  if (link->in_size != 0) send_on(line_of(link), link->in, link->in_size);
  link->in_size = 0;
}

/* --- life -------------------------------------------------------------------------------------- */

void front_open(front_t *front, uv_loop_t *uv, int to_port, const char *certificate, bool asks_client) {
  memset(front, 0, sizeof *front);
  ws_peer_open(&front->peer, uv);
  uv_unref((uv_handle_t *)&front->peer.listener);
  front->peer.on_raw = on_raw;
  front->peer.on_gone = on_gone;
  front->to_port = to_port;
  front->is_secure = certificate != NULL;
  if (front->is_secure) tls_peer_open(&front->tls, &front->peer, certificate, asks_client, TLS_FAULT_NONE);
}

void front_be_proxy(front_t *front, const char *wanted_auth) {
  front->is_proxy = true;
  front->wanted_auth = wanted_auth;
}

void front_close(front_t *front) { ws_peer_close(&front->peer); }

void front_clear(front_t *front) {
  assert(front->peer.open == 0);
  if (front->is_secure) tls_peer_close(&front->tls);
}
