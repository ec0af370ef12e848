/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A toolbox that moves files and nothing else, so that a benchmark measures its client: file_server
 *
 * Prints "port N", and ends when its standard input does. It knows one sandbox, whose toolbox is this server,
 * and keeps no file:
 *
 *   GET  .../sandbox/ID              the sandbox
 *   POST .../files/bulk-upload       one file per request, counted and thrown away; told how many bytes it had
 *   POST .../files/bulk-download     one path per request, whose base name is the number of bytes to send
 *   anything else                    404
 *
 * HTTP/1.1 with keep-alive, bodies sized or chunked; one request at a time per connection.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bench_server.h"

enum { HEAD_MAX = 16 * 1024, START_MAX = 8 * 1024, PIECE = 256 * 1024 };

static const char mark[] = "DAYTONA-FILE-BOUNDARY";

typedef enum body_state { BODY_SIZED, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, CHUNK_TRAILER } body_state_t;

typedef struct peer {
  bench_peer_t *base;
  uv_write_t write;
  char head[HEAD_MAX]; /* of the request, NUL-terminated once it is whole */
  size_t head_size;
  bool has_head;
  body_state_t state;
  uint64_t left; /* of the body, or of its chunk */
  char line[32]; /* a chunk's size */
  size_t line_size;
  char start[START_MAX]; /* of the body */
  size_t start_size;
  uint64_t body_size;
  char answer[2048];
  uint64_t to_send; /* bytes of the file that go behind the response's beginning */
  char tail[64];
} peer_t;

static char piece[PIECE];
static char toolbox[64];

static void gone(bench_peer_t *base) { free(base->state); }

/* --- answers ------------------------------------------------------------------------------------ */

static void on_written(uv_write_t *write, int status);

/* What is left of the response: its beginning, chunks of the file, its end. */
static void send_next(peer_t *peer) {
  uv_buf_t buffers[2];
  unsigned count = 0;
  if (peer->answer[0] != '\0') {
    buffers[count++] = uv_buf_init(peer->answer, (unsigned)strlen(peer->answer));
  } else if (peer->to_send != 0) {
    unsigned size = peer->to_send < PIECE ? (unsigned)peer->to_send : PIECE;
    buffers[count++] = uv_buf_init(piece, size);
    peer->to_send -= size;
  }
  if (peer->to_send == 0 && peer->tail[0] != '\0' && (count == 0 || buffers[0].base == piece)) {
    buffers[count++] = uv_buf_init(peer->tail, (unsigned)strlen(peer->tail));
  }
  if (count == 0) return;
  peer->write.data = buffers[count - 1].base == peer->tail ? peer->tail : NULL;
  if (uv_write(&peer->write, (uv_stream_t *)&peer->base->tcp, buffers, count, on_written) != 0)
    bench_peer_close(peer->base);
}

static void on_written(uv_write_t *write, int status) {
  peer_t *peer = ((bench_peer_t *)write->handle->data)->state;
  if (status != 0) {
    bench_peer_close(peer->base);
    return;
  }
  peer->answer[0] = '\0';
  if (write->data != NULL) peer->tail[0] = '\0';
  send_next(peer);
}

static void answer_text(peer_t *peer, const char *status, const char *body) {
  snprintf(peer->answer, sizeof peer->answer,
           "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", status,
           strlen(body), body);
}

static void answer_sandbox(peer_t *peer) {
  bench_bytes_t whole = {0};
  bench_answer_sandbox(&whole, toolbox);
  snprintf(peer->answer, sizeof peer->answer, "%.*s", (int)whole.size, whole.data);
  free(whole.data);
}

/* The file lies between the headers of the second part and the closing boundary. */
static void answer_upload(peer_t *peer) {
  char body[1024];
  const char *start = peer->start, *first_end = memmem(start, peer->start_size, "\r\n", 2);
  const char *path = memmem(start, peer->start_size, "\r\n\r\n", 4);
  const char *path_end = path != NULL ? strstr(path + 4, "\r\n") : NULL;
  const char *data = path_end != NULL ? strstr(path_end, "\r\n\r\n") : NULL;
  size_t tail_size = first_end != NULL ? (size_t)(first_end - start) + 6 : 0; /* CRLF --B -- CRLF */
  if (data == NULL || peer->body_size < (size_t)(data + 4 - start) + tail_size) {
    answer_text(peer, "400 Bad Request", "{\"errors\":[\"invalid multipart form\"]}");
    return;
  }
  snprintf(body, sizeof body, "{\"files\":[{\"path\":\"%.*s\",\"bytes\":%llu}]}", (int)(path_end - path - 4),
           path + 4, (unsigned long long)(peer->body_size - (size_t)(data + 4 - start) - tail_size));
  answer_text(peer, "200 OK", body);
}

static void answer_download(peer_t *peer) {
  char head[1024];
  const char *path = strstr(peer->start, "[\"");
  const char *end = path != NULL ? strchr(path + 2, '"') : NULL;
  if (end == NULL || end - path > 200) {
    answer_text(peer, "400 Bad Request", "{\"error\":\"no path\"}");
    return;
  }
  path += 2;
  const char *name = path;
  for (const char *at = path; at < end; at++)
    if (*at == '/') name = at + 1;
  peer->to_send = strtoull(name, NULL, 10);
  int size = snprintf(head, sizeof head,
                      "--%s\r\nContent-Disposition: form-data; name=\"file\"; filename=\"%.*s\"\r\n"
                      "Content-Length: %llu\r\nContent-Type: application/octet-stream\r\n\r\n",
                      mark, (int)(end - path), path, (unsigned long long)peer->to_send);
  int tail_size = snprintf(peer->tail, sizeof peer->tail, "\r\n--%s--\r\n", mark);
  snprintf(
    peer->answer, sizeof peer->answer,
    "HTTP/1.1 200 OK\r\nContent-Type: multipart/form-data; boundary=%s\r\nContent-Length: %llu\r\n\r\n%s",
    mark, (unsigned long long)peer->to_send + (unsigned)size + (unsigned)tail_size, head);
}

static bool is_line(const peer_t *peer, const char *method, const char *tail) {
  const char *end = strstr(peer->head, " HTTP/1.1\r\n");
  return end != NULL && strncmp(peer->head, method, strlen(method)) == 0 &&
         (size_t)(end - peer->head) > strlen(tail) && strncmp(end - strlen(tail), tail, strlen(tail)) == 0;
}

static void answer(peer_t *peer) {
  peer->start[peer->start_size] = '\0';
  if (is_line(peer, "POST ", "/files/bulk-upload"))
    answer_upload(peer);
  else if (is_line(peer, "POST ", "/files/bulk-download"))
    answer_download(peer);
  else if (is_line(peer, "GET ", "/sandbox/bench"))
    answer_sandbox(peer);
  else
    answer_text(peer, "404 Not Found",
                "{\"statusCode\":404,\"message\":\"no such thing\",\"error\":\"Not Found\"}");
  peer->head_size = peer->start_size = 0;
  peer->has_head = false;
  peer->body_size = 0;
  send_next(peer);
}

/* --- requests ----------------------------------------------------------------------------------- */

static const char *header(const peer_t *peer, const char *name) {
  size_t size = strlen(name);
  for (const char *at = peer->head; (at = strstr(at, "\r\n")) != NULL; at += 2)
    if (strncasecmp(at + 2, name, size) == 0 && at[2 + size] == ':')
      return at + 3 + size + strspn(at + 3 + size, " ");
  return NULL;
}

static void begin_body(peer_t *peer) {
  const char *size = header(peer, "Content-Length"), *coding = header(peer, "Transfer-Encoding");
  bool is_chunked = coding != NULL && strncasecmp(coding, "chunked", 7) == 0;
  static char proceed[] = "HTTP/1.1 100 Continue\r\n\r\n";
  uv_buf_t buffer = uv_buf_init(proceed, sizeof proceed - 1);
  if (header(peer, "Expect") != NULL) uv_try_write((uv_stream_t *)&peer->base->tcp, &buffer, 1);
  peer->has_head = true;
  peer->state = is_chunked ? CHUNK_SIZE : BODY_SIZED;
  peer->left = !is_chunked && size != NULL ? strtoull(size, NULL, 10) : 0;
  peer->line_size = 0;
}

/* Returns how much was part of the head. */
static size_t take_head(peer_t *peer, const char *bytes, size_t size) {
  size_t before = peer->head_size, room = HEAD_MAX - 1 - before;
  size_t take = size < room ? size : room;
  memcpy(peer->head + before, bytes, take);
  const char *end = memmem(peer->head, before + take, "\r\n\r\n", 4);
  peer->head_size = before + take;
  if (end == NULL) {
    if (take == room) bench_peer_close(peer->base);
    return take;
  }
  peer->head_size = (size_t)(end - peer->head) + 4;
  peer->head[peer->head_size] = '\0';
  begin_body(peer);
  return peer->head_size - before;
}

static size_t take_data(peer_t *peer, const char *bytes, size_t size) {
  size_t take = size < peer->left ? size : (size_t)peer->left;
  size_t room = START_MAX - 1 - peer->start_size, keep = take < room ? take : room;
  memcpy(peer->start + peer->start_size, bytes, keep);
  peer->start_size += keep;
  peer->left -= take;
  peer->body_size += take;
  return take;
}

/* A line of the chunked coding; true once it is whole. */
static bool take_line(peer_t *peer, char byte) {
  if (byte == '\n') {
    peer->line[peer->line_size] = '\0';
    peer->line_size = 0;
    return true;
  }
  if (peer->line_size < sizeof peer->line - 1) peer->line[peer->line_size++] = byte;
  return false;
}

/* One step through the body. Returns how much was used; *is_whole at its end. */
static size_t take_body(peer_t *peer, const char *bytes, size_t size, bool *is_whole) {
  size_t used = 0;
  if (peer->state == BODY_SIZED || peer->state == CHUNK_DATA) {
    used = take_data(peer, bytes, size);
    if (peer->left == 0 && peer->state == BODY_SIZED) *is_whole = true;
    if (peer->left == 0 && peer->state == CHUNK_DATA) peer->state = CHUNK_END;
    return used;
  }
  if (size == 0 || !take_line(peer, bytes[0])) return size != 0;
  if (peer->state == CHUNK_SIZE) {
    peer->left = strtoull(peer->line, NULL, 16);
    peer->state = peer->left != 0 ? CHUNK_DATA : CHUNK_TRAILER;
  } else if (peer->state == CHUNK_END) {
    peer->state = CHUNK_SIZE;
  } else if (peer->line[0] == '\r' || peer->line[0] == '\0') {
    *is_whole = true;
  }
  return 1;
}

static size_t take(bench_peer_t *base, const char *bytes, size_t size, bench_bytes_t *out) {
  peer_t *peer = base->state;
  size_t used = 0;
  bool is_whole = false;
  (void)out;
  if (peer == NULL) {
    base->state = peer = calloc(1, sizeof *peer);
    if (peer == NULL) abort();
    peer->base = base;
  }
  while (!is_whole && !uv_is_closing((uv_handle_t *)&base->tcp) && (used < size || peer->has_head)) {
    size_t step = peer->has_head ? take_body(peer, bytes + used, size - used, &is_whole)
                                 : take_head(peer, bytes + used, size - used);
    used += step;
    if (step == 0 && !is_whole) break;
  }
  if (is_whole) answer(peer);
  return size;
}

int main(void) {
  static const bench_service_t service = {take, gone};
  int port = bench_listen(&service);
  memset(piece, 'x', sizeof piece);
  snprintf(toolbox, sizeof toolbox, "http://127.0.0.1:%d/toolbox", port);
  printf("port %d\n", port);
  fflush(stdout);
  bench_serve();
  return 0;
}
