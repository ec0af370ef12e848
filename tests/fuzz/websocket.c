/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a response to an upgrade and, behind it, as frames: in whatever chunks, nothing falls, no
 * ceiling is passed, and after the end nothing more comes.
 *
 * The first byte says how large the chunks are, the second how messages are limited.
 */
#include <string.h>

#include "core/limits.h"
#include "core/list.h"
#include "fuzz/target.h"
#include "net/http1_head.h"
#include "net/ws_codec.h"

typedef struct source {
  daytona__ws_codec_t codec;
  const uint8_t *at, *end;
  size_t step, given;
} source_t;

static size_t on_pull(daytona__ws_codec_t *codec, void *buffer, size_t size) {
  source_t *source = DAYTONA__CONTAINER(codec, source_t, codec);
  size_t now = source->step < size ? source->step : size;
  if (source->given >= source->step) return 0;
  if (now > (size_t)(source->end - source->at)) now = (size_t)(source->end - source->at);
  memcpy(buffer, source->at, now);
  source->at += now;
  source->given += now;
  return now;
}

static int on_random(daytona__ws_codec_t *codec, void *buffer, size_t size) { return -1; }

/* One event after the other; false when there is none now. */
static int take(source_t *source, size_t *in_message) {
  daytona__ws_event_t event;
  daytona__ws_codec_next(&source->codec, &event);
  switch (event.kind) {
    case DAYTONA__WS_NOTHING: return 0;
    case DAYTONA__WS_DATA:
      if (event.is_first) *in_message = 0;
      *in_message += event.size;
      FUZZ_CHECK(*in_message <= source->codec.max_message);
      FUZZ_CHECK(event.size != 0 || event.is_final);
      return 1;
    case DAYTONA__WS_VIOLATION:
      FUZZ_CHECK(event.message != NULL && daytona__ws_close_code_is_valid(event.close_code));
      break;
    case DAYTONA__WS_CLOSE:
      FUZZ_CHECK(event.close_code == DAYTONA__WS_NO_STATUS ||
                 daytona__ws_close_code_is_valid(event.close_code));
      FUZZ_CHECK(event.size <= 123);
      break;
    default: FUZZ_CHECK(event.size <= DAYTONA__WS_CONTROL_MAX); return 1;
  }
  daytona__ws_codec_next(&source->codec, &event);
  FUZZ_CHECK(event.kind == DAYTONA__WS_NOTHING);
  return 0;
}

static void run_frames(const uint8_t *data, size_t size, size_t step, size_t limit) {
  source_t source = {.at = data, .end = data + size, .step = step};
  size_t in_message = 0;
  source.codec.pull = on_pull;
  source.codec.random = on_random;
  source.codec.max_message = limit;
  source.codec.allows_invalid_utf8 = limit % 2 != 0;
  FUZZ_CHECK(daytona__ws_codec_init(&source.codec) == 0);
  while (source.at < source.end && !source.codec.is_over) {
    source.given = 0;
    while (take(&source, &in_message)) continue;
  }
  daytona__ws_codec_clear(&source.codec);
}

static void run_answer(const uint8_t *data, size_t size, size_t step) {
  daytona__http1_head_t answer;
  int code = DAYTONA__HTTP1_HEAD_MORE;
  size_t at = 0;
  daytona__http1_head_init(&answer);
  while (at < size && code == DAYTONA__HTTP1_HEAD_MORE)
    code = daytona__http1_head_head(&answer, (char)data[at++]);
  if (code == DAYTONA__HTTP1_HEAD_DONE) {
    FUZZ_CHECK(answer.status == 101 || (answer.status >= 200 && answer.status < 1000));
    code = daytona__http1_head_begin_body(&answer);
  }
  while (at < size && code == DAYTONA__HTTP1_HEAD_MORE) {
    size_t now = step < size - at ? step : size - at;
    code = daytona__http1_head_body(&answer, (const char *)data + at, now);
    at += now;
  }
  FUZZ_CHECK(code >= 0 || answer.message != NULL);
  FUZZ_CHECK(answer.body.size <= DAYTONA__ERROR_BODY_MAX);
  for (size_t i = 0; i < answer.header_count; i++)
    FUZZ_CHECK(daytona__http1_head_header(&answer, answer.headers[i].name) != NULL);
  daytona__http1_head_clear(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  size_t step = data[0] == 0 ? 4096 : data[0], limit = (size_t)data[1] * 16;
  run_frames(data + 2, size - 2, step, limit);
  run_answer(data + 2, size - 2, step);
  return 0;
}
