/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See bench_server.h. All connections read into one buffer; only what was not understood is kept for each, so
 * that thousands of idle ones are cheap.
 */
#include "bench_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

enum { READ_SIZE = 256 * 1024, KEPT_MAX = 1024 * 1024, BACKLOG = 2048 };

typedef struct late_write {
  uv_write_t request;
  char data[];
} late_write_t;

static char read_buffer[READ_SIZE];
static bench_bytes_t out;

static void give_up(const char *what) {
  fprintf(stderr, "the benchmark's server cannot %s\n", what);
  exit(1);
}

/* --- bytes and answers -------------------------------------------------------------------------- */

char *bench_reserve(bench_bytes_t *to, size_t size) {
  if (to->size + size > to->room) {
    to->room = (to->size + size) * 2;
    to->data = realloc(to->data, to->room);
    if (to->data == NULL) give_up("get memory");
  }
  return to->data + to->size;
}

void bench_append(bench_bytes_t *to, const void *data, size_t size) {
  char *at = bench_reserve(to, size);
  if (size != 0) memcpy(at, data, size);
  to->size += size;
}

void bench_answer(bench_bytes_t *to, const char *status, const char *type, const char *body, size_t size) {
  char head[256];
  int head_size = snprintf(head, sizeof head,
                           "HTTP/1.1 %s\r\nContent-Type: %s\r\nDate: Sat, 01 Aug 2026 12:00:00 GMT\r\n"
                           "Content-Length: %zu\r\n\r\n",
                           status, type, size);
  bench_append(to, head, (size_t)head_size);
  bench_append(to, body, size);
}

void bench_answer_json(bench_bytes_t *to, const char *status, const char *body) {
  bench_answer(to, status, "application/json; charset=utf-8", body, strlen(body));
}

void bench_answer_sandbox(bench_bytes_t *to, const char *toolbox) {
  char body[1024];
  snprintf(body, sizeof body,
           "{\"id\":\"bench\",\"organizationId\":\"org\",\"name\":\"bench\",\"user\":\"daytona\","
           "\"snapshot\":\"daytona-small\",\"env\":{},\"labels\":{\"code-toolbox-language\":\"python\"},"
           "\"public\":false,\"networkBlockAll\":false,\"target\":\"local\",\"cpu\":1,\"gpu\":0,"
           "\"memory\":1,\"disk\":3,\"state\":\"started\",\"desiredState\":\"started\","
           "\"autoStopInterval\":15,\"autoArchiveInterval\":10080,\"autoDeleteInterval\":-1,"
           "\"createdAt\":\"2026-08-01T12:00:00.000Z\",\"updatedAt\":\"2026-08-01T12:00:00.000Z\","
           "\"class\":\"small\",\"toolboxProxyUrl\":\"%s\"}",
           toolbox);
  bench_answer_json(to, "200 OK", body);
}

void bench_answer_missing(bench_bytes_t *to) {
  bench_answer_json(to, "404 Not Found",
                    "{\"statusCode\":404,\"message\":\"no such thing\",\"error\":\"Not Found\"}");
}

/* --- requests ----------------------------------------------------------------------------------- */

/* The value of Content-Length; 0 without one. */
static size_t body_size_of(const char *head, size_t size) {
  static const char name[] = "\r\nContent-Length:";
  for (const char *at = head, *end = head + size; (at = memchr(at, '\r', (size_t)(end - at))) != NULL; at++)
    if ((size_t)(end - at) > sizeof name && strncasecmp(at, name, sizeof name - 1) == 0)
      return strtoul(at + sizeof name - 1, NULL, 10);
  return 0;
}

size_t bench_next_request(const char *data, size_t size, bench_request_t *request) {
  const char *end = memmem(data, size, "\r\n\r\n", 4);
  if (end == NULL) return 0;
  request->head = data;
  request->head_size = (size_t)(end - data) + 4;
  request->body = data + request->head_size;
  request->body_size = body_size_of(data, request->head_size);
  return size - request->head_size >= request->body_size ? request->head_size + request->body_size : 0;
}

bool bench_target_ends(const bench_request_t *request, const char *method, const char *tail) {
  size_t method_size = strlen(method), tail_size = strlen(tail);
  const char *line_end = memchr(request->head, '\r', request->head_size);
  const char *target_end = line_end - strlen(" HTTP/1.1");
  return target_end - request->head >= (ptrdiff_t)(method_size + tail_size) &&
         memcmp(request->head, method, method_size) == 0 &&
         memcmp(target_end - tail_size, tail, tail_size) == 0;
}

/* --- connections -------------------------------------------------------------------------------- */

static void on_peer_closed(uv_handle_t *handle) {
  bench_peer_t *peer = handle->data;
  if (peer->service->gone != NULL) peer->service->gone(peer);
  free(peer->in.data);
  free(peer);
}

void bench_peer_close(bench_peer_t *peer) {
  if (!uv_is_closing((uv_handle_t *)&peer->tcp)) uv_close((uv_handle_t *)&peer->tcp, on_peer_closed);
}

static void on_written(uv_write_t *request, int status) {
  bench_peer_t *peer = request->handle->data;
  free(request);
  if (status != 0) bench_peer_close(peer);
}

void bench_peer_send(bench_peer_t *peer, const char *bytes, size_t size) {
  uv_buf_t buffer = uv_buf_init((char *)bytes, (unsigned)size);
  int sent = uv_try_write((uv_stream_t *)&peer->tcp, &buffer, 1);
  if (sent == (int)size) return;
  if (sent < 0) sent = 0;
  size_t rest = size - (size_t)sent;
  late_write_t *late = malloc(sizeof *late + rest);
  if (late == NULL) give_up("get memory");
  memcpy(late->data, bytes + sent, rest);
  buffer = uv_buf_init(late->data, (unsigned)rest);
  if (uv_write(&late->request, (uv_stream_t *)&peer->tcp, &buffer, 1, on_written) == 0) return;
  free(late);
  bench_peer_close(peer);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  (void)handle, (void)suggested;
  *buffer = uv_buf_init(read_buffer, sizeof read_buffer);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer) {
  bench_peer_t *peer = stream->data;
  bool is_kept = peer->in.size != 0;
  if (got < 0) {
    bench_peer_close(peer);
    return;
  }
  if (is_kept) bench_append(&peer->in, buffer->base, (size_t)got);
  const char *bytes = is_kept ? peer->in.data : buffer->base;
  size_t size = is_kept ? peer->in.size : (size_t)got;
  out.size = 0;
  size_t used = peer->service->take(peer, bytes, size, &out);
  if (is_kept) {
    memmove(peer->in.data, peer->in.data + used, size - used);
    peer->in.size = size - used;
  } else {
    bench_append(&peer->in, bytes + used, size - used);
  }
  if (peer->in.size > KEPT_MAX) bench_peer_close(peer);
  if (out.size != 0 && !uv_is_closing((uv_handle_t *)stream)) bench_peer_send(peer, out.data, out.size);
}

static void on_connection(uv_stream_t *stream, int status) {
  bench_peer_t *peer = calloc(1, sizeof *peer);
  if (status != 0 || peer == NULL) give_up("take a connection");
  peer->service = stream->data;
  uv_tcp_init(stream->loop, &peer->tcp);
  peer->tcp.data = peer;
  if (uv_accept(stream, (uv_stream_t *)&peer->tcp) != 0) {
    bench_peer_close(peer);
    return;
  }
  uv_tcp_nodelay(&peer->tcp, 1);
  uv_read_start((uv_stream_t *)&peer->tcp, on_alloc, on_read);
}

/* --- life --------------------------------------------------------------------------------------- */

int bench_listen(const bench_service_t *service) {
  struct sockaddr_in address;
  int size = sizeof address;
  uv_tcp_t *listener = calloc(1, sizeof *listener);
  if (listener == NULL) give_up("get memory");
  uv_ip4_addr("127.0.0.1", 0, &address);
  uv_tcp_init(uv_default_loop(), listener);
  listener->data = (void *)service;
  if (uv_tcp_bind(listener, (const struct sockaddr *)&address, 0) != 0 ||
      uv_listen((uv_stream_t *)listener, BACKLOG, on_connection) != 0 ||
      uv_tcp_getsockname(listener, (struct sockaddr *)&address, &size) != 0)
    give_up("listen on 127.0.0.1");
  return ntohs(address.sin_port);
}

static void on_stdin_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  static char room[256];
  (void)handle, (void)suggested;
  *buffer = uv_buf_init(room, sizeof room);
}

static void on_stdin(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer) {
  (void)buffer;
  if (got < 0) uv_stop(stream->loop);
}

void bench_serve(void) {
  static uv_pipe_t input;
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  uv_pipe_init(uv_default_loop(), &input, 0);
  if (uv_pipe_open(&input, 0) != 0 || uv_read_start((uv_stream_t *)&input, on_stdin_alloc, on_stdin) != 0)
    give_up("watch its standard input");
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
