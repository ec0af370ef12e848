/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See peer.h. Memory comes from malloc, not from the library: sweeps of failing allocations and leak checks
 * see the library's own blocks only.
 */
#define _GNU_SOURCE /* memmem */
#include "peer.h"
#include "support/check.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct sending {
  uv_write_t write;
  char bytes[];
} sending_t;

static void on_conn_closed(uv_handle_t *handle) {
  peer_conn_t *conn = (peer_conn_t *)handle;
  free(conn->in);
  free(conn);
}

static void conn_unlink(peer_conn_t *conn) {
  if (conn->previous != NULL)
    conn->previous->next = conn->next;
  else
    conn->peer->conns = conn->next;
  if (conn->next != NULL) conn->next->previous = conn->previous;
  conn->peer->open--;
  conn->is_closing = true;
}

static void conn_close(peer_conn_t *conn) {
  if (conn->is_closing) return;
  conn_unlink(conn);
  uv_close((uv_handle_t *)&conn->tcp, on_conn_closed);
}

/* --- requests ----------------------------------------------------------------------------------- */

static const char *find_header(const char *request, const char *end, const char *name) {
  size_t size = strlen(name);
  for (const char *line = strstr(request, "\r\n"); line != NULL && line < end;
       line = strstr(line + 2, "\r\n"))
    if (strncasecmp(line + 2, name, size) == 0 && line[2 + size] == ':') return line + 3 + size;
  return NULL;
}

/* Size of the complete request at the front of the buffer, or 0. */
static size_t request_size(const peer_conn_t *conn) {
  const char *end = conn->in != NULL ? strstr(conn->in, "\r\n\r\n") : NULL;
  if (end == NULL) return 0;
  size_t head = (size_t)(end + 4 - conn->in);
  const char *length = find_header(conn->in, end + 2, "Content-Length");
  if (length != NULL) {
    size_t size = head + strtoul(length, NULL, 10);
    return size <= conn->in_size ? size : 0;
  }
  if (find_header(conn->in, end + 2, "Transfer-Encoding") == NULL) return head;
  const char *last = memmem(end + 2, conn->in_size - (size_t)(end + 2 - conn->in), "\r\n0\r\n\r\n", 7);
  return last != NULL ? (size_t)(last + 7 - conn->in) : 0;
}

static void serve(peer_conn_t *conn, const char *request, size_t size) {
  peer_t *peer = conn->peer;
  size_t kept = size < sizeof peer->last_request - 1 ? size : sizeof peer->last_request - 1;
  memcpy(peer->last_request, request, kept);
  peer->last_request[kept] = '\0';
  peer->requests++;
  conn->request_count++;
  if (peer->on_request != NULL) {
    peer->on_request(conn, request, size);
  } else if (peer->answer != NULL) {
    peer_send(conn, peer->answer, peer->answer_size != 0 ? peer->answer_size : strlen(peer->answer));
    if (peer->ends_after_answer) peer_end(conn);
  }
}

static void collect(peer_conn_t *conn, const char *bytes, size_t size) {
  if (conn->in_room < conn->in_size + size + 1) {
    conn->in_room = (conn->in_size + size + 1) * 2;
    conn->in = realloc(conn->in, conn->in_room);
    if (conn->in == NULL) abort();
  }
  memcpy(conn->in + conn->in_size, bytes, size);
  conn->in_size += size;
  conn->in[conn->in_size] = '\0';
  size_t done;
  while (!conn->is_closing && (done = request_size(conn)) != 0) {
    char *request = malloc(done + 1);
    if (request == NULL) abort();
    memcpy(request, conn->in, done);
    request[done] = '\0';
    conn->in_size -= done;
    memmove(conn->in, conn->in + done, conn->in_size + 1);
    serve(conn, request, done);
    free(request);
  }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  static char bytes[65536];
  (void)handle, (void)suggested;
  *buf = uv_buf_init(bytes, sizeof bytes);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf) {
  peer_conn_t *conn = (peer_conn_t *)stream;
  if (size < 0) {
    conn_close(conn);
    return;
  }
  conn->peer->bytes += (size_t)size;
  if (!conn->is_raw)
    collect(conn, buf->base, (size_t)size);
  else if (conn->peer->on_bytes != NULL)
    conn->peer->on_bytes(conn, buf->base, (size_t)size);
}

static void on_connection(uv_stream_t *listener, int status) {
  peer_t *peer = (peer_t *)listener;
  if (status < 0) return;
  peer_conn_t *conn = calloc(1, sizeof *conn);
  if (conn == NULL) abort();
  uv_tcp_init(listener->loop, &conn->tcp);
  conn->peer = peer;
  conn->index = peer->accepted++;
  conn->is_raw = peer->accepts_raw;
  conn->next = peer->conns;
  if (conn->next != NULL) conn->next->previous = conn;
  peer->conns = conn;
  peer->open++;
  if (uv_accept(listener, (uv_stream_t *)&conn->tcp) != 0) {
    conn_close(conn);
    return;
  }
  uv_tcp_nodelay(&conn->tcp, 1);
  uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read);
  if (peer->on_accept != NULL) peer->on_accept(conn);
}

/* --- what the script calls ---------------------------------------------------------------------- */

void peer_open(peer_t *peer, uv_loop_t *uv) {
  memset(peer, 0, sizeof *peer);
  struct sockaddr_in address;
  int size = sizeof address;
  assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &address), 0);
  assert_int_equal(uv_tcp_init(uv, &peer->listener), 0);
  assert_int_equal(uv_tcp_bind(&peer->listener, (struct sockaddr *)&address, 0), 0);
  assert_int_equal(uv_listen((uv_stream_t *)&peer->listener, 1024, on_connection), 0);
  assert_int_equal(uv_tcp_getsockname(&peer->listener, (struct sockaddr *)&address, &size), 0);
  peer->port = ntohs(address.sin_port);
  uv_unref((uv_handle_t *)&peer->listener);
}

void peer_close(peer_t *peer) {
  if (!uv_is_closing((uv_handle_t *)&peer->listener)) uv_close((uv_handle_t *)&peer->listener, NULL);
  while (peer->conns != NULL) conn_close(peer->conns);
}

static void on_written(uv_write_t *write, int status) {
  (void)status;
  free(write->data);
}

void peer_send(peer_conn_t *conn, const char *bytes, size_t size) {
  if (conn->is_closing) return;
  sending_t *sending = malloc(sizeof *sending + size);
  if (sending == NULL) abort();
  memcpy(sending->bytes, bytes, size);
  sending->write.data = sending;
  uv_buf_t buf = uv_buf_init(sending->bytes, (unsigned)size);
  if (uv_write(&sending->write, (uv_stream_t *)&conn->tcp, &buf, 1, on_written) != 0) free(sending);
}

void peer_puts(peer_conn_t *conn, const char *text) { peer_send(conn, text, strlen(text)); }

static void on_shut(uv_shutdown_t *shut, int status) {
  (void)status;
  conn_close((peer_conn_t *)shut->handle);
  free(shut);
}

void peer_end(peer_conn_t *conn) {
  uv_shutdown_t *shut = malloc(sizeof *shut);
  if (shut == NULL) abort();
  if (conn->is_closing || uv_shutdown(shut, (uv_stream_t *)&conn->tcp, on_shut) != 0) {
    free(shut);
    conn_close(conn);
  }
}

void peer_reset(peer_conn_t *conn) {
  if (conn->is_closing) return;
  conn_unlink(conn);
  if (uv_tcp_close_reset(&conn->tcp, on_conn_closed) != 0)
    uv_close((uv_handle_t *)&conn->tcp, on_conn_closed);
}

void peer_leave(peer_conn_t *conn) {
  if (!conn->is_closing) conn_close(conn);
}

void peer_stop_reading(peer_conn_t *conn) { uv_read_stop((uv_stream_t *)&conn->tcp); }

void peer_start_reading(peer_conn_t *conn) {
  if (!conn->is_closing) uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read);
}

const char *peer_url(const peer_t *peer, const char *path) {
  static char urls[8][1024];
  static unsigned next;
  char *url = urls[next++ % 8];
  snprintf(url, sizeof urls[0], "http://127.0.0.1:%d%s", peer->port, path);
  return url;
}

int peer_dead_port(void) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
  close(fd);
  return ntohs(address.sin_port);
}

/* The queue of a listener without a backlog holds one connection; the system drops what asks for another. */
void peer_deaf_begin(peer_deaf_t *deaf) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  for (int i = 0; i < 3; i++) deaf->fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(deaf->fds[0], (struct sockaddr *)&address, size), 0);
  assert_int_equal(listen(deaf->fds[0], 0), 0);
  assert_int_equal(getsockname(deaf->fds[0], (struct sockaddr *)&address, &size), 0);
  for (int i = 1; i < 3; i++) (void)connect(deaf->fds[i], (struct sockaddr *)&address, size);
  deaf->port = ntohs(address.sin_port);
}

void peer_deaf_end(peer_deaf_t *deaf) {
  for (int i = 0; i < 3; i++) close(deaf->fds[i]);
}
