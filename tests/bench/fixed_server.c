/*
 * A server whose answers never change, so that a benchmark measures its client: fixed_server
 *
 * Listens on a free port of 127.0.0.1, prints "port N", and ends when its standard input does. It knows one
 * sandbox, whose toolbox is this server, and answers every command alike:
 *
 *   GET  .../sandbox/ID            the sandbox
 *   POST .../process/execute       exit code 0 and a line of output
 *   GET  /seen                     the last POST, head and body as they came in
 *   anything else                  404
 *
 * HTTP/1.1 with keep-alive; requests may come pipelined and in pieces. All answers to what one read brought
 * leave in one write.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <uv.h>

enum { REQUEST_MAX = 64 * 1024, BACKLOG = 2048 };

typedef struct bytes {
  char *data;
  size_t size, room;
} bytes_t;

typedef struct peer {
  uv_tcp_t tcp;
  bytes_t in;
} peer_t;

typedef struct late_write {
  uv_write_t request;
  char data[];
} late_write_t;

typedef struct request {
  const char *head, *body;
  size_t head_size, body_size;
} request_t;

static bytes_t exec_answer, sandbox_answer, missing_answer, seen, out;
static uv_tcp_t listener;

/* --- bytes -------------------------------------------------------------------------------------- */

static void append(bytes_t *to, const void *data, size_t size) {
  if (to->size + size > to->room) {
    to->room = (to->size + size) * 2;
    to->data = realloc(to->data, to->room);
    if (to->data == NULL) abort();
  }
  memcpy(to->data + to->size, data, size);
  to->size += size;
}

static void make_answer(bytes_t *answer, const char *status, const char *type, const char *body, size_t size) {
  char head[256];
  int head_size = snprintf(head, sizeof head,
                           "HTTP/1.1 %s\r\nContent-Type: %s\r\nDate: Sat, 01 Aug 2026 12:00:00 GMT\r\n"
                           "Content-Length: %zu\r\n\r\n",
                           status, type, size);
  append(answer, head, (size_t)head_size);
  append(answer, body, size);
}

static void make_answers(int port) {
  static const char json[] = "application/json; charset=utf-8";
  static const char executed[] = "{\"exitCode\":0,\"result\":\"hello from the sandbox\\n\"}";
  static const char missing[] = "{\"statusCode\":404,\"message\":\"no such thing\",\"error\":\"Not Found\"}";
  char sandbox[1024];
  int size = snprintf(sandbox, sizeof sandbox,
                      "{\"id\":\"bench\",\"organizationId\":\"org\",\"name\":\"bench\",\"user\":\"daytona\","
                      "\"snapshot\":\"daytona-small\",\"env\":{},\"labels\":{\"code-toolbox-language\":\"python\"},"
                      "\"public\":false,\"networkBlockAll\":false,\"target\":\"local\",\"cpu\":1,\"gpu\":0,"
                      "\"memory\":1,\"disk\":3,\"state\":\"started\",\"desiredState\":\"started\","
                      "\"autoStopInterval\":15,\"autoArchiveInterval\":10080,\"autoDeleteInterval\":-1,"
                      "\"createdAt\":\"2026-08-01T12:00:00.000Z\",\"updatedAt\":\"2026-08-01T12:00:00.000Z\","
                      "\"class\":\"small\",\"toolboxProxyUrl\":\"http://127.0.0.1:%d/toolbox\"}",
                      port);
  make_answer(&exec_answer, "200 OK", json, executed, sizeof executed - 1);
  make_answer(&sandbox_answer, "200 OK", json, sandbox, (size_t)size);
  make_answer(&missing_answer, "404 Not Found", json, missing, sizeof missing - 1);
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

/* The request at the start of `data`; 0 if it is not whole yet, else its size. */
static size_t next_request(const char *data, size_t size, request_t *request) {
  const char *end = memmem(data, size, "\r\n\r\n", 4);
  if (end == NULL) return 0;
  request->head = data;
  request->head_size = (size_t)(end - data) + 4;
  request->body = data + request->head_size;
  request->body_size = body_size_of(data, request->head_size);
  return size - request->head_size >= request->body_size ? request->head_size + request->body_size : 0;
}

static bool target_ends(const request_t *request, const char *method, const char *tail) {
  size_t method_size = strlen(method), tail_size = strlen(tail);
  const char *line_end = memchr(request->head, '\r', request->head_size);
  const char *target_end = line_end - strlen(" HTTP/1.1");
  return target_end - request->head >= (ptrdiff_t)(method_size + tail_size) &&
         memcmp(request->head, method, method_size) == 0 &&
         memcmp(target_end - tail_size, tail, tail_size) == 0;
}

static void answer(const request_t *request) {
  if (target_ends(request, "POST ", "/process/execute")) {
    seen.size = 0;
    append(&seen, request->head, request->head_size + request->body_size);
    append(&out, exec_answer.data, exec_answer.size);
  } else if (target_ends(request, "GET ", "/sandbox/bench")) {
    append(&out, sandbox_answer.data, sandbox_answer.size);
  } else if (target_ends(request, "GET", " /seen")) {
    make_answer(&out, "200 OK", "application/octet-stream", seen.data != NULL ? seen.data : "", seen.size);
  } else {
    append(&out, missing_answer.data, missing_answer.size);
  }
}

/* --- connections -------------------------------------------------------------------------------- */

static void on_peer_closed(uv_handle_t *handle) {
  peer_t *peer = handle->data;
  free(peer->in.data);
  free(peer);
}

static void peer_close(peer_t *peer) {
  if (!uv_is_closing((uv_handle_t *)&peer->tcp)) uv_close((uv_handle_t *)&peer->tcp, on_peer_closed);
}

static void on_written(uv_write_t *request, int status) {
  peer_t *peer = request->handle->data;
  free(request);
  if (status != 0) peer_close(peer);
}

static void send_out(peer_t *peer) {
  uv_buf_t buffer = uv_buf_init(out.data, (unsigned)out.size);
  int sent = uv_try_write((uv_stream_t *)&peer->tcp, &buffer, 1);
  if (sent == (int)out.size) return;
  if (sent < 0) sent = 0;
  size_t rest = out.size - (size_t)sent;
  late_write_t *late = malloc(sizeof *late + rest);
  if (late == NULL) abort();
  memcpy(late->data, out.data + sent, rest);
  buffer = uv_buf_init(late->data, (unsigned)rest);
  if (uv_write(&late->request, (uv_stream_t *)&peer->tcp, &buffer, 1, on_written) == 0) return;
  free(late);
  peer_close(peer);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  peer_t *peer = handle->data;
  if (peer->in.room < REQUEST_MAX) {
    peer->in.data = realloc(peer->in.data, REQUEST_MAX);
    if (peer->in.data == NULL) abort();
    peer->in.room = REQUEST_MAX;
  }
  *buffer = uv_buf_init(peer->in.data + peer->in.size, (unsigned)(peer->in.room - peer->in.size));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer) {
  peer_t *peer = stream->data;
  if (got < 0) { /* UV_ENOBUFS: a request larger than the buffer */
    peer_close(peer);
    return;
  }
  peer->in.size += (size_t)got;
  size_t used = 0, size;
  request_t request;
  out.size = 0;
  while ((size = next_request(peer->in.data + used, peer->in.size - used, &request)) != 0) {
    answer(&request);
    used += size;
  }
  memmove(peer->in.data, peer->in.data + used, peer->in.size - used);
  peer->in.size -= used;
  if (out.size != 0) send_out(peer);
}

static void on_connection(uv_stream_t *stream, int status) {
  peer_t *peer = calloc(1, sizeof *peer);
  if (status != 0 || peer == NULL) abort();
  uv_tcp_init(stream->loop, &peer->tcp);
  peer->tcp.data = peer;
  if (uv_accept(stream, (uv_stream_t *)&peer->tcp) != 0) {
    peer_close(peer);
    return;
  }
  uv_tcp_nodelay(&peer->tcp, 1);
  uv_read_start((uv_stream_t *)&peer->tcp, on_alloc, on_read);
}

/* --- life --------------------------------------------------------------------------------------- */

static void on_stdin_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  static char room[256];
  *buffer = uv_buf_init(room, sizeof room);
}

static void on_stdin(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer) {
  if (got < 0) exit(0);
}

int main(void) {
  uv_loop_t *loop = uv_default_loop();
  struct sockaddr_in address;
  int size = sizeof address;
  uv_ip4_addr("127.0.0.1", 0, &address);
  uv_tcp_init(loop, &listener);
  if (uv_tcp_bind(&listener, (const struct sockaddr *)&address, 0) != 0 ||
      uv_listen((uv_stream_t *)&listener, BACKLOG, on_connection) != 0 ||
      uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &size) != 0) {
    fprintf(stderr, "fixed_server: cannot listen on 127.0.0.1\n");
    return 1;
  }
  int port = ntohs(address.sin_port);
  make_answers(port);
  printf("port %d\n", port);
  fflush(stdout);
  uv_pipe_t input;
  uv_pipe_init(loop, &input, 0);
  if (uv_pipe_open(&input, 0) != 0 || uv_read_start((uv_stream_t *)&input, on_stdin_alloc, on_stdin) != 0) return 1;
  uv_run(loop, UV_RUN_DEFAULT);
  return 0;
}
