/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket frames, without I/O: bytes are pulled from the owner and become events; messages become
 * bytes. Built on wslay's frame layer, with messages, control frames and limits of our own.
 *
 * wslay's event layer is not used on purpose. It holds a second 4 KiB buffer per connection, treats the
 * close codes 1012 to 1014 as protocol errors, cannot tolerate invalid UTF-8, queues pongs
 * without bound and calls back from inside itself. The frame layer has none of this: it returns each
 * chunk, so that user code runs with nothing of wslay on the stack.
 */
#ifndef DAYTONA_NET_WS_CODEC_H
#define DAYTONA_NET_WS_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/error.h>

#include "core/strbuf.h"

struct wslay_frame_context;

enum {
  DAYTONA__WS_OP_TEXT = 1,
  DAYTONA__WS_OP_BINARY = 2,
  DAYTONA__WS_OP_CLOSE = 8,
  DAYTONA__WS_OP_PING = 9,
  DAYTONA__WS_OP_PONG = 10,
  DAYTONA__WS_CONTROL_MAX = 125, /* bytes of a control frame's payload (RFC 6455) */
  DAYTONA__WS_HEADER_MAX = 14,   /* bytes in front of a payload that is sent */
  DAYTONA__WS_NO_STATUS = 1005   /* a close frame without a code */
};

typedef enum daytona__ws_event_kind {
  DAYTONA__WS_NOTHING, /* more bytes are needed */
  DAYTONA__WS_DATA,
  DAYTONA__WS_PING,
  DAYTONA__WS_PONG,
  DAYTONA__WS_CLOSE,
  DAYTONA__WS_VIOLATION
} daytona__ws_event_kind_t;

/* Bytes are valid until the next call on the codec. */
typedef struct daytona__ws_event {
  daytona__ws_event_kind_t kind;
  bool is_text, is_first, is_final; /* of data: the message's type, its first chunk, its last */
  const void *data;                 /* of data, ping, pong; the reason of a close */
  size_t size;
  int close_code;      /* of a close; of a violation: what to close with */
  const char *message; /* of a violation; static */
} daytona__ws_event_t;

typedef struct daytona__ws_codec {
  /* Set by the owner: up to `size` bytes, 0 when there are none now. `random` fills a masking key. */
  size_t (*pull)(struct daytona__ws_codec *codec, void *buffer, size_t size);
  int (*random)(struct daytona__ws_codec *codec, void *buffer, size_t size);
  uint64_t max_message;
  bool allows_invalid_utf8;

  /* private */
  struct wslay_frame_context *frames;
  bool is_over; /* after a close or a violation: nothing more comes */
  bool in_message, in_frame, is_text;
  bool is_first;               /* no chunk of this message was delivered yet */
  uint64_t frame_left;         /* of the frame that is being read */
  uint64_t message_left;       /* of the ceiling */
  unsigned utf8_need;          /* continuation bytes that must follow */
  uint8_t utf8_low, utf8_high; /* bounds of the next one */
  uint8_t control_size;
  uint8_t control[DAYTONA__WS_CONTROL_MAX + 1]; /* with a NUL behind */
  daytona__ws_event_t put_back;
} daytona__ws_codec_t;

/* 0 or DAYTONA_ENOMEM. The owner's fields may be set before or after. */
int daytona__ws_codec_init(daytona__ws_codec_t *codec);
void daytona__ws_codec_clear(daytona__ws_codec_t *codec);

/* The next event; empty data that neither begins nor ends a message is skipped. */
void daytona__ws_codec_next(daytona__ws_codec_t *codec, daytona__ws_event_t *event);

/* Return the last event again with the next call: its receiver cannot process it now. */
void daytona__ws_codec_put_back(daytona__ws_codec_t *codec, const daytona__ws_event_t *event);

/* Append one whole masked message or control frame. 0, DAYTONA_ENOMEM, DAYTONA_ELIMIT or DAYTONA_EFAILED. */
int daytona__ws_codec_write(daytona__ws_codec_t *codec, int opcode, const void *bytes, size_t size,
                            daytona__strbuf_t *out);

/* Whether a close frame may carry `code` (RFC 6455 7.4 and the registry up to 1014). */
bool daytona__ws_close_code_is_valid(int code);

#endif
