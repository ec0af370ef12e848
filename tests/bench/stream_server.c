/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A toolbox of streams that costs next to nothing, so that a benchmark measures its client: stream_server
 *
 * Prints "port N bare N tls N ca FILE" (without the last two if there are no certificates), and ends when its
 * standard input does. On the first port, and with TLS on the third:
 *
 *   GET  .../sandbox/bench, /secure             the sandbox, whose toolbox is this server, without and with TLS
 *   POST .../process/pty                        201
 *   GET  .../process/pty/ID/connect (WS)        a terminal: "send N" gets N blocks, everything else comes back
 *   GET  .../session/ID/command/N/logs (WS)     a log: a line, then N blocks, then silence
 *   GET  .../session/ID/command/N               the command, still running
 *   GET  /pings                                 how many pings came
 *   anything else                               404
 *
 * The second port speaks no protocol: a line "terminal N" or "log N" gets the same blocks, byte by byte the same;
 * behind a line "echo" everything comes back.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bench_server.h"
#include "stream_blocks.h"
#include "stream_tls.h"
#include "support/ws_peer.h"

enum { OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };
enum { FRAME_HEAD_MAX = 14, TEXT_MAX = 32 };

typedef enum kind { KIND_HTTP, KIND_TERMINAL, KIND_LOG, KIND_BARE, KIND_ECHO } kind_t;

typedef struct stream {
  bench_peer_t *peer;
  kind_t kind;
  stream_tls_t *tls;
  bench_bytes_t plain_in, plain_out, sealed; /* with TLS */
  const bench_bytes_t *block;
  uint64_t blocks; /* still to be sent */
  uv_write_t write;
} stream_t;

static bench_bytes_t terminal_block, log_block;
static char toolbox[64], secure_toolbox[64];
static uint64_t pings;

/* --- frames ------------------------------------------------------------------------------------- */

static void put_frame(bench_bytes_t *out, int opcode, const char *bytes, size_t size) {
  out->size += ws_frame_build(bench_reserve(out, size + FRAME_HEAD_MAX), opcode, true, bytes, size);
}

/* Lines of which each begins with the mark of its stream; every ninth goes to stderr. */
static void make_log(char *log, size_t size) {
  for (size_t i = 0; i < size; i++) {
    size_t line = i / LOG_LINE, at = i % LOG_LINE;
    if (at < LOG_MARK)
      log[i] = line % 9 == 8 ? 2 : 1;
    else
      log[i] = at == LOG_LINE - 1 ? '\n' : (char)('a' + (line + at) % 26);
  }
}

static void make_blocks(void) {
  static char terminal[TERMINAL_FRAME], log[LOG_FRAMES * LOG_FRAME];
  memset(terminal, 'x', sizeof terminal);
  make_log(log, sizeof log);
  for (int i = 0; i < TERMINAL_FRAMES; i++) put_frame(&terminal_block, OP_BINARY, terminal, sizeof terminal);
  for (int i = 0; i < LOG_FRAMES; i++) put_frame(&log_block, OP_BINARY, log + i * LOG_FRAME, LOG_FRAME);
}

/* --- blocks ------------------------------------------------------------------------------------- */

static void on_block_written(uv_write_t *write, int status);

static void send_block(stream_t *stream) {
  const bench_bytes_t *bytes = stream->block;
  if (stream->blocks-- == 0) {
    stream->block = NULL;
    return;
  }
  if (stream->tls != NULL) {
    stream->sealed.size = 0;
    stream_tls_put(stream->tls, bytes->data, bytes->size, &stream->sealed);
    bytes = &stream->sealed;
  }
  uv_buf_t buffer = uv_buf_init(bytes->data, (unsigned)bytes->size);
  if (uv_write(&stream->write, (uv_stream_t *)&stream->peer->tcp, &buffer, 1, on_block_written) != 0)
    bench_peer_close(stream->peer);
}

static void on_block_written(uv_write_t *write, int status) {
  stream_t *stream = ((bench_peer_t *)write->handle->data)->state;
  if (status != 0)
    bench_peer_close(stream->peer);
  else
    send_block(stream);
}

/* Begins only once what was answered before has been put out: see after(). */
static void order_blocks(stream_t *stream, const bench_bytes_t *block, const char *count) {
  if (stream->block != NULL) return;
  stream->blocks = strtoull(count, NULL, 10);
  if (stream->blocks != 0) stream->block = block;
}

/* --- WebSockets --------------------------------------------------------------------------------- */

static void typed(stream_t *stream, const char *bytes, size_t size, bench_bytes_t *out) {
  char text[TEXT_MAX];
  if (stream->kind != KIND_TERMINAL) return;
  if (size > 5 && size < sizeof text && memcmp(bytes, "send ", 5) == 0) {
    memcpy(text, bytes, size);
    text[size] = '\0';
    order_blocks(stream, &terminal_block, text + 5);
  } else {
    put_frame(out, OP_BINARY, bytes, size);
  }
}

static void unmask(char *bytes, size_t size, const char *mask) {
  uint64_t wide, word;
  size_t at = 0;
  memcpy(&wide, mask, 4);
  wide = (wide & 0xffffffff) * UINT64_C(0x100000001);
  for (; size - at >= sizeof word; at += sizeof word) {
    memcpy(&word, bytes + at, sizeof word);
    word ^= wide;
    memcpy(bytes + at, &word, sizeof word);
  }
  for (; at < size; at++) bytes[at] ^= mask[at % 4];
}

/* One frame of the client, unmasked in place; how many bytes it has, 0 if it is not whole yet. */
static size_t take_frame(stream_t *stream, char *bytes, size_t size, bench_bytes_t *out) {
  size_t head = 6, length;
  if (size < head) return 0;
  length = bytes[1] & 0x7f;
  if (length == 126) {
    length = (size_t)(unsigned char)bytes[2] << 8 | (unsigned char)bytes[3];
    head = 8;
  } else if (length == 127) {
    if (size < 14) return 0;
    length = 0;
    for (int i = 0; i < 8; i++) length = length << 8 | (unsigned char)bytes[2 + i];
    head = 14;
  }
  if (size < head + length) return 0;
  unmask(bytes + head, length, bytes + head - 4);
  switch (bytes[0] & 0x0f) {
    case OP_TEXT:
    case OP_BINARY: typed(stream, bytes + head, length, out); break;
    case OP_PING:
      pings++;
      put_frame(out, OP_PONG, bytes + head, length);
      break;
    case OP_CLOSE: put_frame(out, OP_CLOSE, bytes + head, length < 2 ? 0 : 2); break;
    default: break;
  }
  return head + length;
}

/* The value of a header in a head that ends with a NUL; NULL without one. */
static const char *header(const char *head, const char *name) {
  size_t size = strlen(name);
  for (const char *at = head; (at = strstr(at, "\r\n")) != NULL; at += 2)
    if (strncasecmp(at + 2, name, size) == 0 && at[2 + size] == ':')
      return at + 3 + size + strspn(at + 3 + size, " ");
  return NULL;
}

/* The first of the protocols that were offered is agreed to. */
static void upgrade(const char *head, bench_bytes_t *out) {
  char answer[512], accept[29];
  const char *offered = header(head, "Sec-WebSocket-Protocol");
  bool has_offer = offered != NULL;
  ws_accept_key(head, accept);
  int size =
    snprintf(answer, sizeof answer,
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\n%s%.*s%s\r\n",
             accept, has_offer ? "Sec-WebSocket-Protocol: " : "",
             has_offer ? (int)strcspn(offered, ",\r") : 0, has_offer ? offered : "", has_offer ? "\r\n" : "");
  bench_append(out, answer, (size_t)size);
}

/* --- requests ----------------------------------------------------------------------------------- */

static void begin_terminal(stream_t *stream, const char *head, bench_bytes_t *out) {
  static const char connected[] = "{\"type\":\"control\",\"status\":\"connected\"}";
  upgrade(head, out);
  put_frame(out, OP_TEXT, connected, sizeof connected - 1);
  stream->kind = KIND_TERMINAL;
}

static void begin_log(stream_t *stream, const char *head, bench_bytes_t *out) {
  static const char first[] = "\1\1\1ready\n";
  const char *count = strstr(head, "/command/");
  upgrade(head, out);
  put_frame(out, OP_BINARY, first, sizeof first - 1);
  stream->kind = KIND_LOG;
  order_blocks(stream, &log_block, count + strlen("/command/"));
}

static void answer(stream_t *stream, const bench_request_t *request, bench_bytes_t *out) {
  char head[4096], number[32];
  size_t size = request->head_size < sizeof head ? request->head_size : sizeof head - 1;
  memcpy(head, request->head, size);
  head[size] = '\0';
  bool is_upgrade = header(head, "Upgrade") != NULL;
  if (is_upgrade && strstr(head, "/process/pty/") != NULL) {
    begin_terminal(stream, head, out);
  } else if (is_upgrade && strstr(head, "/command/") != NULL) {
    begin_log(stream, head, out);
  } else if (bench_target_ends(request, "GET ", "/sandbox/bench")) {
    bench_answer_sandbox(out, toolbox);
  } else if (bench_target_ends(request, "GET ", "/sandbox/secure")) {
    bench_answer_sandbox(out, secure_toolbox);
  } else if (bench_target_ends(request, "POST ", "/process/pty")) {
    bench_answer_json(out, "201 Created", "{\"sessionId\":\"bench\"}");
  } else if (strncmp(head, "GET ", 4) == 0 && strstr(head, "/command/") != NULL) {
    bench_answer_json(out, "200 OK", "{\"id\":\"1\",\"command\":\"bench\"}");
  } else if (bench_target_ends(request, "GET", " /pings")) {
    snprintf(number, sizeof number, "%llu", (unsigned long long)pings);
    bench_answer_json(out, "200 OK", number);
  } else {
    bench_answer_missing(out);
  }
}

/* --- connections -------------------------------------------------------------------------------- */

static stream_t *stream_of(bench_peer_t *peer) {
  stream_t *stream = peer->state;
  if (stream != NULL) return stream;
  peer->state = stream = calloc(1, sizeof *stream);
  if (stream == NULL) abort();
  stream->peer = peer;
  return stream;
}

static void gone(bench_peer_t *peer) {
  stream_t *stream = peer->state;
  if (stream == NULL) return;
  stream_tls_free(stream->tls);
  free(stream->plain_in.data);
  free(stream->plain_out.data);
  free(stream->sealed.data);
  free(stream);
}

/* Blocks that were ordered in this turn go out behind the responses. */
static void after(stream_t *stream, bench_bytes_t *out, bool was_busy) {
  if (stream->block == NULL || was_busy) return;
  bench_peer_send(stream->peer, out->data, out->size);
  out->size = 0;
  if (!uv_is_closing((uv_handle_t *)&stream->peer->tcp)) send_block(stream);
}

static size_t take_messages(stream_t *stream, char *bytes, size_t size, bench_bytes_t *out) {
  size_t used = 0, whole = 1;
  while (whole != 0 && used < size) {
    bench_request_t request;
    if (stream->kind != KIND_HTTP) {
      whole = take_frame(stream, bytes + used, size - used, out);
    } else {
      whole = bench_next_request(bytes + used, size - used, &request);
      if (whole != 0) answer(stream, &request, out);
    }
    used += whole;
  }
  return used;
}

static size_t take_plain(bench_peer_t *peer, const char *bytes, size_t size, bench_bytes_t *out) {
  stream_t *stream = stream_of(peer);
  bool was_busy = stream->block != NULL;
  size_t used = take_messages(stream, (char *)bytes, size, out);
  after(stream, out, was_busy);
  return used;
}

static size_t take_secure(bench_peer_t *peer, const char *bytes, size_t size, bench_bytes_t *out) {
  stream_t *stream = stream_of(peer);
  bool was_busy = stream->block != NULL;
  if (stream->tls == NULL) stream->tls = stream_tls_new();
  bool is_open = stream_tls_take(stream->tls, bytes, size, &stream->plain_in, out);
  size_t used = take_messages(stream, stream->plain_in.data, stream->plain_in.size, &stream->plain_out);
  if (used != 0) {
    memmove(stream->plain_in.data, stream->plain_in.data + used, stream->plain_in.size - used);
    stream->plain_in.size -= used;
  }
  stream_tls_put(stream->tls, stream->plain_out.data, stream->plain_out.size, out);
  stream->plain_out.size = 0;
  after(stream, out, was_busy);
  if (!is_open) bench_peer_close(peer);
  return size;
}

static size_t take_bare(bench_peer_t *peer, const char *bytes, size_t size, bench_bytes_t *out) {
  stream_t *stream = stream_of(peer);
  const char *end = stream->kind != KIND_ECHO ? memchr(bytes, '\n', size) : NULL;
  size_t used = end != NULL ? (size_t)(end - bytes) + 1 : 0;
  bool was_busy = stream->block != NULL;
  if (used > 4 && memcmp(bytes, "echo", 4) == 0) stream->kind = KIND_ECHO;
  if (used > 9 && memcmp(bytes, "terminal ", 9) == 0) order_blocks(stream, &terminal_block, bytes + 9);
  if (used > 4 && memcmp(bytes, "log ", 4) == 0) order_blocks(stream, &log_block, bytes + 4);
  if (stream->kind == KIND_ECHO) {
    bench_append(out, bytes + used, size - used);
    used = size;
  }
  after(stream, out, was_busy);
  return used;
}

int main(void) {
  static const bench_service_t plain = {take_plain, gone}, bare = {take_bare, gone};
  static const bench_service_t secure = {take_secure, gone};
  const char *ca = stream_tls_init();
  int port = bench_listen(&plain), secure_port = ca != NULL ? bench_listen(&secure) : 0;
  snprintf(toolbox, sizeof toolbox, "http://127.0.0.1:%d/toolbox", port);
  snprintf(secure_toolbox, sizeof secure_toolbox, "https://localhost:%d/toolbox", secure_port);
  make_blocks();
  printf("port %d bare %d", port, bench_listen(&bare));
  if (ca != NULL) printf(" tls %d ca %s", secure_port, ca);
  printf("\n");
  fflush(stdout);
  bench_serve();
  if (ca != NULL) stream_tls_remove();
  return 0;
}
