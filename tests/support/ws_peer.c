/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The WebSocket server of the tests; see ws_peer.h. Frames are parsed and written by hand here, so that
 * the library's codec is held against a second opinion.
 */
#include "support/ws_peer.h"

#include <assert.h>
#include <mbedtls/base64.h>
#include <psa/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct write_block {
  uv_write_t request;
  char bytes[];
} write_block_t;

static void on_written(uv_write_t *request, int status) { free(request->data); }

static void write_bytes(ws_link_t *link, const void *bytes, size_t size) {
  if (size == 0) return;
  link->sent += size;
  write_block_t *block = malloc(sizeof *block + size);
  assert(block != NULL);
  memcpy(block->bytes, bytes, size);
  block->request.data = block;
  uv_buf_t buffer = uv_buf_init(block->bytes, (unsigned)size);
  if (uv_write(&block->request, (uv_stream_t *)&link->handle, &buffer, 1, on_written) != 0) free(block);
}

void ws_link_send_raw(ws_link_t *link, const void *bytes, size_t size) {
  ws_peer_t *peer = link->peer;
  if (link->is_closing) return;
  if (peer->cut == WS_CUT_NEVER || link->sent + size <= peer->cut_at) {
    write_bytes(link, bytes, size);
    if (peer->cut == WS_CUT_NEVER || link->sent < peer->cut_at) return;
    size = 0;
  }
  if (size != 0) write_bytes(link, bytes, peer->cut_at - link->sent);
  if (peer->cut == WS_CUT_SHUT) ws_link_shut(link);
  if (peer->cut == WS_CUT_RESET) ws_link_reset(link);
}

void ws_link_send(ws_link_t *link, const void *bytes, size_t size) {
  if (link->filter_state != NULL)
    link->peer->filter.send(link->filter_state, bytes, size);
  else
    ws_link_send_raw(link, bytes, size);
}

size_t ws_frame_build(char *out, int opcode, bool is_final, const void *bytes, size_t size) {
  unsigned char *at = (unsigned char *)out;
  *at++ = (unsigned char)((is_final ? 0x80 : 0) | opcode);
  if (size < 126) {
    *at++ = (unsigned char)size;
  } else if (size < 65536) {
    *at++ = 126;
    *at++ = (unsigned char)(size >> 8);
    *at++ = (unsigned char)size;
  } else {
    *at++ = 127;
    for (int shift = 56; shift >= 0; shift -= 8) *at++ = (unsigned char)((unsigned long long)size >> shift);
  }
  if (size != 0) memcpy(at, bytes, size);
  return (size_t)((char *)at - out) + size;
}

void ws_link_frame(ws_link_t *link, int opcode, bool is_final, const void *bytes, size_t size) {
  char *frame = malloc(size + 16);
  assert(frame != NULL);
  size_t length = ws_frame_build(frame, opcode, is_final, bytes, size);
  ws_link_send(link, frame, length);
  free(frame);
}

void ws_link_close_frame(ws_link_t *link, int code, const char *reason) {
  char payload[125];
  size_t size = strlen(reason);
  assert(size <= 123);
  payload[0] = (char)(code >> 8);
  payload[1] = (char)code;
  memcpy(payload + 2, reason, size);
  ws_link_frame(link, 8, true, payload, code == 1005 ? 0 : size + 2);
}

static void on_link_closed(uv_handle_t *handle) {
  ws_link_t *link = handle->data;
  ws_peer_t *peer = link->peer;
  if (link->filter_state != NULL) peer->filter.close(link->filter_state);
  if (peer->link == link) peer->link = NULL;
  if (peer->on_gone != NULL) peer->on_gone(link);
  free(link->in);
  free(link);
  peer->open--;
}

void ws_link_shut(ws_link_t *link) {
  if (link->is_closing) return;
  link->is_closing = true;
  daytona__list_remove(&link->node);
  uv_close((uv_handle_t *)&link->handle, on_link_closed);
}

void ws_link_reset(ws_link_t *link) {
  if (link->is_closing) return;
  link->is_closing = true;
  daytona__list_remove(&link->node);
  if (uv_tcp_close_reset(&link->handle, on_link_closed) != 0)
    uv_close((uv_handle_t *)&link->handle, on_link_closed);
}

/* --- upgrade ----------------------------------------------------------------------------------- */

void ws_accept_key(const char *head, char *out) {
  static const char name[] = "Sec-WebSocket-Key: ";
  const char *key = strstr(head, name);
  assert(key != NULL);
  key += sizeof name - 1;
  char text[128];
  unsigned char hash[20];
  size_t size;
  int length =
    snprintf(text, sizeof text, "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", (int)strcspn(key, "\r"), key);
  psa_hash_compute(PSA_ALG_SHA_1, (unsigned char *)text, (size_t)length, hash, sizeof hash, &size);
  mbedtls_base64_encode((unsigned char *)out, 29, &size, hash, sizeof hash);
}

static void send_stepped(ws_link_t *link, const char *bytes, size_t size, size_t step) {
  if (step == 0) step = size;
  for (size_t at = 0; at < size; at += step)
    ws_link_send(link, bytes + at, size - at < step ? size - at : step);
}

static void answer_upgrade(ws_link_t *link) {
  ws_peer_t *peer = link->peer;
  peer->upgrades++;
  if (peer->answer != NULL) {
    send_stepped(link, peer->answer, strlen(peer->answer), peer->answer_step);
    ws_link_shut(link); /* libuv still sends what was tried at once */
    return;
  }
  char accept[29], head[2048];
  ws_accept_key(link->request, accept);
  size_t size = (size_t)snprintf(head, sizeof head,
                                 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                 "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s\r\n",
                                 accept, peer->extra_headers != NULL ? peer->extra_headers : "");
  if (peer->behind != NULL) {
    assert(size + peer->behind_size < sizeof head);
    memcpy(head + size, peer->behind, peer->behind_size);
    size += peer->behind_size;
  }
  link->is_upgraded = true;
  send_stepped(link, head, size, peer->answer_step);
  if (peer->on_upgraded != NULL) peer->on_upgraded(link);
}

/* --- frames ------------------------------------------------------------------------------------ */

static void keep_payload(ws_peer_t *peer, const char *bytes, size_t size) {
  peer->received = realloc(peer->received, peer->received_size + size + 1);
  assert(peer->received != NULL);
  memcpy(peer->received + peer->received_size, bytes, size);
  peer->received_size += size;
  peer->received[peer->received_size] = '\0';
}

static void take_frame(ws_link_t *link, int opcode, char *bytes, size_t size) {
  ws_peer_t *peer = link->peer;
  peer->frames++;
  if (opcode == 8) {
    peer->closes++;
    peer->close_code = size >= 2 ? ((unsigned char)bytes[0] << 8 | (unsigned char)bytes[1]) : 1005;
    if (peer->answers_close) ws_link_frame(link, 8, true, bytes, size < 2 ? 0 : 2);
  } else if (opcode == 9) {
    peer->pings++;
    if (peer->answers_pings) ws_link_frame(link, 10, true, bytes, size);
  } else if (opcode == 10) {
    peer->pongs++;
  } else {
    keep_payload(peer, bytes, size);
    if (peer->echoes) ws_link_frame(link, opcode, true, bytes, size);
  }
  if (peer->on_frame != NULL) peer->on_frame(link, opcode, bytes, size);
}

/* Length of the frame at the front of `in` and where its payload begins; 0: not whole yet. */
static size_t frame_length(const ws_link_t *link, size_t *payload_at) {
  const unsigned char *in = (const unsigned char *)link->in;
  if (link->in_size < 2) return 0;
  assert((in[1] & 0x80) != 0); /* clients mask */
  unsigned long long size = in[1] & 0x7f;
  size_t at = 2, wide = size == 126 ? 2 : size == 127 ? 8 : 0;
  if (wide != 0) {
    if (link->in_size < 2 + wide) return 0;
    size = 0;
    for (size_t i = 0; i < wide; i++) size = size << 8 | in[at++];
  }
  *payload_at = at + 4;
  return link->in_size >= at + 4 + size ? (size_t)(at + 4 + size) : 0;
}

static void drop_front(ws_link_t *link, size_t size) {
  memmove(link->in, link->in + size, link->in_size - size);
  link->in_size -= size;
}

static void parse(ws_link_t *link) {
  if (!link->is_upgraded) {
    char *end = strstr(link->in, "\r\n\r\n");
    if (end == NULL) return;
    size_t size = (size_t)(end - link->in) + 4;
    snprintf(link->request, sizeof link->request, "%.*s", (int)size, link->in);
    drop_front(link, size);
    answer_upgrade(link);
  }
  size_t at, length;
  while (!link->is_closing && link->is_upgraded && (length = frame_length(link, &at)) != 0) {
    char *payload = malloc(length - at + 1);
    assert(payload != NULL);
    for (size_t i = 0; i < length - at; i++) payload[i] = link->in[at + i] ^ link->in[at - 4 + i % 4];
    int opcode = link->in[0] & 0x0f;
    drop_front(link, length);
    take_frame(link, opcode, payload, length - at);
    free(payload);
  }
}

void ws_link_take(ws_link_t *link, const char *bytes, size_t size) {
  link->in = realloc(link->in, link->in_size + size + 1);
  assert(link->in != NULL);
  memcpy(link->in + link->in_size, bytes, size);
  link->in_size += size;
  link->in[link->in_size] = '\0';
  if (link->peer->on_raw != NULL)
    link->peer->on_raw(link);
  else
    parse(link);
}

/* --- sockets ----------------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  static char shared[65536];
  *buffer = uv_buf_init(shared, sizeof shared);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer) {
  ws_link_t *link = stream->data;
  if (size < 0) {
    link->is_ended = true;
    link->end_status = (int)size;
    uv_read_stop(stream);
    ws_link_shut(link);
  } else if (size > 0 && link->filter_state != NULL) {
    link->peer->filter.feed(link->filter_state, buffer->base, (size_t)size);
  } else if (size > 0) {
    ws_link_take(link, buffer->base, (size_t)size);
  }
}

void ws_link_read(ws_link_t *link) { uv_read_start((uv_stream_t *)&link->handle, on_alloc, on_read); }

static void on_connection(uv_stream_t *listener, int status) {
  ws_peer_t *peer = listener->data;
  ws_link_t *link = calloc(1, sizeof *link);
  assert(status == 0 && link != NULL);
  link->peer = peer;
  link->index = peer->accepted++;
  link->handle.data = link;
  uv_tcp_init(listener->loop, &link->handle);
  peer->open++;
  peer->link = link;
  daytona__list_append(&peer->links, &link->node);
  int accepted = uv_accept(listener, (uv_stream_t *)&link->handle);
  assert(accepted == 0);
  (void)accepted;
  uv_tcp_nodelay(&link->handle, 1); /* what comes in two writes must not wait for real time to pass */
  if (peer->filter.open != NULL) link->filter_state = peer->filter.open(link, peer->filter.user);
  if (!peer->is_silent) uv_read_start((uv_stream_t *)&link->handle, on_alloc, on_read);
}

void ws_peer_open(ws_peer_t *peer, uv_loop_t *loop) {
  memset(peer, 0, sizeof *peer);
  daytona__list_init(&peer->links);
  peer->answers_pings = peer->answers_close = true;
  struct sockaddr_in address;
  uv_ip4_addr("127.0.0.1", 0, &address);
  uv_tcp_init(loop, &peer->listener);
  peer->listener.data = peer;
  int status = uv_tcp_bind(&peer->listener, (struct sockaddr *)&address, 0);
  assert(status == 0);
  status = uv_listen((uv_stream_t *)&peer->listener, 1024, on_connection);
  assert(status == 0);
  (void)status;
  int size = sizeof address;
  uv_tcp_getsockname(&peer->listener, (struct sockaddr *)&address, &size);
  peer->port = ntohs(address.sin_port);
  peer->open = 1;
}

static void on_listener_closed(uv_handle_t *handle) {
  ws_peer_t *peer = handle->data;
  peer->open--;
}

void ws_peer_close(ws_peer_t *peer) {
  while (!daytona__list_empty(&peer->links))
    ws_link_shut(DAYTONA__CONTAINER(peer->links.next, ws_link_t, node));
  uv_close((uv_handle_t *)&peer->listener, on_listener_closed);
  free(peer->received);
  peer->received = NULL;
}
