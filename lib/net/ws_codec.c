/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket frames over wslay's frame layer; see ws_codec.h.
 *
 * wslay parses headers, and refuses badly coded lengths and overlong or fragmented control frames. This file adds
 * what belongs to messages: order of fragments, reserved bits and opcodes, the ceiling, UTF-8, and control frames
 * whole; and it makes what is sent.
 */
#include "net/ws_codec.h"

#include <assert.h>
#include <string.h>
#include <wslay/wslay.h>

#include "core/ascii.h"

/* --- wslay's callbacks ------------------------------------------------------------------------- */

static ssize_t on_pull(uint8_t *buffer, size_t size, int flags, void *user) {
  daytona__ws_codec_t *codec = user;
  size_t got = codec->pull(codec, buffer, size);
  return got != 0 ? (ssize_t)got : -1;
}

int daytona__ws_codec_init(daytona__ws_codec_t *codec) {
  const struct wslay_frame_callbacks callbacks = {NULL, on_pull, NULL};
  codec->is_first = true;
  return wslay_frame_context_init(&codec->frames, &callbacks, codec) == 0 ? 0 : DAYTONA_ENOMEM;
}

void daytona__ws_codec_clear(daytona__ws_codec_t *codec) {
  wslay_frame_context_free(codec->frames);
  codec->frames = NULL;
}

/* --- receiving --------------------------------------------------------------------------------- */

static bool violation(daytona__ws_codec_t *codec, daytona__ws_event_t *event, int close_code,
                      const char *message) {
  codec->is_over = true;
  memset(event, 0, sizeof *event);
  event->kind = DAYTONA__WS_VIOLATION;
  event->close_code = close_code;
  event->message = message;
  return true;
}

static bool utf8_feed(daytona__ws_codec_t *codec, const uint8_t *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (codec->utf8_need == 0) {
      int need = daytona__utf8_lead(bytes[i], &codec->utf8_low, &codec->utf8_high);
      if (need < 0) return false;
      codec->utf8_need = (unsigned)need;
      continue;
    }
    if (bytes[i] < codec->utf8_low || bytes[i] > codec->utf8_high) return false;
    codec->utf8_need--;
    codec->utf8_low = 0x80;
    codec->utf8_high = 0xbf;
  }
  return true;
}

bool daytona__ws_close_code_is_valid(int code) {
  if (code >= 3000 && code <= 4999) return true;
  return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

/* The first chunk of a frame: does it fit what came before? True if an event is there. */
static bool begin_frame(daytona__ws_codec_t *codec, const struct wslay_frame_iocb *frame,
                        daytona__ws_event_t *event) {
  if (frame->rsv != 0) return violation(codec, event, 1002, "a frame has reserved bits set");
  if (frame->mask != 0) return violation(codec, event, 1002, "a frame of the server is masked");
  codec->in_frame = true;
  codec->frame_left = frame->payload_length;
  codec->control_size = 0;
  switch (frame->opcode) {
    case WSLAY_CONTINUATION_FRAME:
      if (!codec->in_message) return violation(codec, event, 1002, "a continuation without a message");
      break;
    case WSLAY_TEXT_FRAME:
    case WSLAY_BINARY_FRAME:
      if (codec->in_message) return violation(codec, event, 1002, "a message inside a message");
      codec->in_message = codec->is_first = true;
      codec->is_text = frame->opcode == WSLAY_TEXT_FRAME;
      codec->message_left = codec->max_message;
      codec->utf8_need = 0;
      break;
    case WSLAY_CONNECTION_CLOSE:
    case WSLAY_PING:
    case WSLAY_PONG: return false;
    default: return violation(codec, event, 1002, "a frame of an unknown kind");
  }
  if (frame->payload_length > codec->message_left)
    return violation(codec, event, 1009, "a message is too large");
  codec->message_left -= frame->payload_length;
  return false;
}

static bool close_event(daytona__ws_codec_t *codec, daytona__ws_event_t *event) {
  if (codec->control_size == 1) return violation(codec, event, 1002, "a malformed close frame");
  codec->is_over = true;
  codec->control[codec->control_size] = '\0';
  event->kind = DAYTONA__WS_CLOSE;
  event->close_code = DAYTONA__WS_NO_STATUS;
  if (codec->control_size == 0) return true;
  event->close_code = codec->control[0] << 8 | codec->control[1];
  event->data = codec->control + 2;
  event->size = codec->control_size - 2u;
  if (!daytona__ws_close_code_is_valid(event->close_code))
    return violation(codec, event, 1002, "a close frame with a code that is not allowed");
  codec->utf8_need = 0;
  if (!codec->allows_invalid_utf8 && (!utf8_feed(codec, event->data, event->size) || codec->utf8_need != 0))
    return violation(codec, event, 1007, "a close frame with invalid UTF-8");
  return true;
}

/* A chunk of a control frame; an event when it is whole. wslay has bounded its length. */
static bool control_piece(daytona__ws_codec_t *codec, const struct wslay_frame_iocb *frame, bool ends,
                          daytona__ws_event_t *event) {
  memcpy(codec->control + codec->control_size, frame->data, frame->data_length);
  codec->control_size = (uint8_t)(codec->control_size + frame->data_length);
  if (!ends) return false;
  if (frame->opcode == WSLAY_CONNECTION_CLOSE) return close_event(codec, event);
  event->kind = frame->opcode == WSLAY_PING ? DAYTONA__WS_PING : DAYTONA__WS_PONG;
  event->data = codec->control;
  event->size = codec->control_size;
  return true;
}

static bool data_piece(daytona__ws_codec_t *codec, const struct wslay_frame_iocb *frame, bool ends,
                       daytona__ws_event_t *event) {
  bool is_final = ends && frame->fin != 0;
  if (codec->is_text && !codec->allows_invalid_utf8 &&
      (!utf8_feed(codec, frame->data, frame->data_length) || (is_final && codec->utf8_need != 0)))
    return violation(codec, event, 1007, "a text message with invalid UTF-8");
  if (is_final) codec->in_message = false;
  if (frame->data_length == 0 && !is_final) return false;
  event->kind = DAYTONA__WS_DATA;
  event->is_text = codec->is_text;
  event->is_first = codec->is_first;
  event->is_final = is_final;
  event->data = frame->data;
  event->size = frame->data_length;
  codec->is_first = false;
  return true;
}

void daytona__ws_codec_put_back(daytona__ws_codec_t *codec, const daytona__ws_event_t *event) {
  assert(codec->put_back.kind == DAYTONA__WS_NOTHING);
  codec->put_back = *event;
}

void daytona__ws_codec_next(daytona__ws_codec_t *codec, daytona__ws_event_t *event) {
  bool has_event = false;
  if (codec->put_back.kind != DAYTONA__WS_NOTHING) {
    *event = codec->put_back;
    codec->put_back.kind = DAYTONA__WS_NOTHING;
    return;
  }
  memset(event, 0, sizeof *event);
  while (!has_event && !codec->is_over) {
    struct wslay_frame_iocb frame;
    memset(&frame, 0, sizeof frame);
    ssize_t got = wslay_frame_recv(codec->frames, &frame);
    if (got == WSLAY_ERR_WANT_READ) return;
    if (got < 0) {
      violation(codec, event, 1002, "a malformed frame");
      return;
    }
    if (!codec->in_frame && begin_frame(codec, &frame, event)) return;
    codec->frame_left -= frame.data_length;
    bool ends = codec->frame_left == 0;
    if (ends) codec->in_frame = false;
    has_event = wslay_is_ctrl_frame(frame.opcode) ? control_piece(codec, &frame, ends, event)
                                                  : data_piece(codec, &frame, ends, event);
  }
}

/* --- sending ----------------------------------------------------------------------------------- */

/* Many bytes at a time, which wslay does one by one. */
static void put_masked(uint8_t *to, const uint8_t *from, size_t size, const uint8_t key[4]) {
  uint64_t wide, word;
  uint8_t twice[8];
  memcpy(twice, key, 4);
  memcpy(twice + 4, key, 4);
  memcpy(&wide, twice, sizeof wide);
  size_t at = 0;
  for (; size - at >= sizeof word; at += sizeof word) {
    memcpy(&word, from + at, sizeof word);
    word ^= wide;
    memcpy(to + at, &word, sizeof word);
  }
  for (; at < size; at++) to[at] = from[at] ^ key[at % 4];
}

/* Returns how many bytes: the opcode of a whole message, its length in the shortest form, and the key. */
static size_t put_header(uint8_t *to, int opcode, size_t size, const uint8_t key[4]) {
  size_t bytes = size < 126 ? 0 : size <= UINT16_MAX ? 2 : 8, at = 2;
  to[0] = (uint8_t)(0x80 | opcode);
  to[1] = (uint8_t)(0x80 | (bytes == 0 ? size : bytes == 2 ? 126 : 127));
  for (size_t n = bytes; n > 0; n--) to[at++] = (uint8_t)((uint64_t)size >> 8 * (n - 1));
  memcpy(to + at, key, 4);
  return at + 4;
}

int daytona__ws_codec_write(daytona__ws_codec_t *codec, int opcode, const void *bytes, size_t size,
                            daytona__strbuf_t *out) {
  uint8_t key[4];
  uint8_t *to = (uint8_t *)daytona__strbuf_reserve(out, size + DAYTONA__WS_HEADER_MAX);
  if (to == NULL) return out->error;
  if (codec->random(codec, key, sizeof key) != 0) return DAYTONA_EFAILED;
  size_t head = put_header(to, opcode, size, key);
  assert(head <= DAYTONA__WS_HEADER_MAX);
  put_masked(to + head, bytes, size, key);
  out->size += head + size;
  return 0;
}
