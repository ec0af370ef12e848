/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames without a network: the same stream whole, byte by byte and cut at random places gives the same
 * events; what is written can be read; limits hold.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/list.h"
#include "net/ws_codec.h"
#include "support/check.h"
#include "support/ws_peer.h"

/* Where the codec pulls from. */
typedef struct source {
  daytona__ws_codec_t codec;
  const char *bytes;
  size_t size, at, step; /* step: bytes given at once; 0: random */
  bool gives;            /* one step was asked for */
  bool has_no_random;
} source_t;

static size_t on_pull(daytona__ws_codec_t *codec, void *buffer, size_t size) {
  source_t *source = DAYTONA__CONTAINER(codec, source_t, codec);
  size_t left = source->size - source->at;
  size_t now = source->step != 0 ? source->step : (size_t)rand() % 9 + 1;
  if (!source->gives) return 0;
  source->gives = false;
  if (now > left) now = left;
  if (now > size) now = size;
  memcpy(buffer, source->bytes + source->at, now);
  source->at += now;
  return now;
}

static int on_random(daytona__ws_codec_t *codec, void *buffer, size_t size) {
  source_t *source = DAYTONA__CONTAINER(codec, source_t, codec);
  memset(buffer, 0x5a, size);
  return source->has_no_random ? DAYTONA_EFAILED : 0;
}

static void source_init(source_t *source, const char *bytes, size_t size, size_t step) {
  memset(source, 0, sizeof *source);
  source->bytes = bytes;
  source->size = size;
  source->step = step;
  source->codec.pull = on_pull;
  source->codec.random = on_random;
  source->codec.max_message = 1 << 20;
  assert_int_equal(daytona__ws_codec_init(&source->codec), 0);
}

/* All events as text: T or B and the payload, pings, pongs, closes, violations. */
static void transcript(source_t *source, char *out) {
  daytona__ws_event_t event;
  do {
    source->gives = true;
    for (;;) {
      daytona__ws_codec_next(&source->codec, &event);
      if (event.kind == DAYTONA__WS_NOTHING) break;
      switch (event.kind) {
        case DAYTONA__WS_DATA:
          if (event.is_first) *out++ = event.is_text ? 'T' : 'B';
          break;
        case DAYTONA__WS_PING: *out++ = 'P'; break;
        case DAYTONA__WS_PONG: *out++ = 'p'; break;
        case DAYTONA__WS_CLOSE: *out++ = 'C'; break;
        default: *out++ = 'V'; break;
      }
      memcpy(out, event.data != NULL ? event.data : "", event.size);
      out += event.size;
      if (event.kind != DAYTONA__WS_DATA || event.is_final) *out++ = '.';
    }
  } while (source->at < source->size && !source->codec.is_over);
  *out = '\0';
}

static size_t build_stream(char *out) {
  char *at = out;
  char big[300];
  memset(big, 'x', sizeof big);
  at += ws_frame_build(at, 1, true, "hello", 5);
  at += ws_frame_build(at, 2, false, "a", 1);
  at += ws_frame_build(at, 9, true, "ping", 4);
  at += ws_frame_build(at, 0, false, "", 0);
  at += ws_frame_build(at, 0, true, "b", 1);
  at += ws_frame_build(at, 10, true, "", 0);
  at += ws_frame_build(at, 1, true, "", 0);
  at += ws_frame_build(at, 1, false, "\xe2\x82", 2);
  at += ws_frame_build(at, 0, true, "\xac", 1);
  at += ws_frame_build(at, 2, true, big, sizeof big);
  at += ws_frame_build(at, 8, true,
                       "\x03\xf4"
                       "restarting",
                       12);
  at += ws_frame_build(at, 1, true, "never", 5);
  return (size_t)(at - out);
}

static void codec_is_the_same_however_cut(void **state) {
  char stream[1024], expected[1024], got[1024], big[301] = {0};
  size_t size = build_stream(stream);
  memset(big, 'x', 300);
  snprintf(expected, sizeof expected, "Thello.BaPping.b.p.T.T\xe2\x82\xac.B%s.Crestarting.", big);
  for (size_t round = 0; round < 203; round++) {
    source_t source;
    source_init(&source, stream, size, round < 2 ? 4096 >> (12 * round) : round < 3 ? 7 : 0);
    transcript(&source, got);
    assert_string_equal(got, expected);
    daytona__ws_codec_clear(&source.codec);
  }
}

static void codec_stops_at_a_violation(void **state) {
  static const char stream[] = "\x81\x02ok\xc1\x00\x81\x02no";
  for (size_t step = 1; step < 12; step++) {
    source_t source;
    char got[64];
    source_init(&source, stream, sizeof stream - 1, step);
    transcript(&source, got);
    assert_string_equal(got, "Tok.V.");
    daytona__ws_codec_clear(&source.codec);
  }
}

static void codec_bounds_what_is_announced(void **state) {
  /* The header alone says 2^62 bytes: refused with the first of them, and nothing was allocated. */
  static const char stream[] =
    "\x82\x7f\x40\x00\x00\x00\x00\x00\x00\x00"
    "x";
  source_t source;
  daytona__ws_event_t event;
  source_init(&source, stream, sizeof stream - 1, 4096);
  source.gives = true;
  daytona__ws_codec_next(&source.codec, &event);
  assert_int_equal(event.kind, DAYTONA__WS_VIOLATION);
  assert_int_equal(event.close_code, 1009);
  daytona__ws_codec_clear(&source.codec);
}

/* Masked frames of the client, taken apart by hand. */
static void codec_writes_masked_frames(void **state) {
  static const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, 70001};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    source_t source;
    daytona__strbuf_t out;
    source_init(&source, NULL, 0, 1);
    daytona__strbuf_init(&out, 1 << 20);
    char *bytes = malloc(sizes[i] + 1), *plain = malloc(sizes[i] + 16);
    for (size_t k = 0; k < sizes[i]; k++) bytes[k] = (char)(k * 3);
    assert_int_equal(daytona__ws_codec_write(&source.codec, 2, bytes, sizes[i], &out), 0);
    size_t length = ws_frame_build(plain, 2, true, bytes, sizes[i]), head = length - sizes[i];
    assert_int_equal(out.size, length + 4);
    assert_int_equal((unsigned char)out.data[1], (unsigned char)plain[1] | 0x80);
    assert_memory_equal(out.data + 2, plain + 2, head - 2);
    for (size_t k = 0; k < sizes[i]; k++)
      assert_int_equal(out.data[head + 4 + k] ^ out.data[head + k % 4], bytes[k]);
    free(bytes);
    free(plain);
    daytona__strbuf_clear(&out);
    daytona__ws_codec_clear(&source.codec);
  }
}

static void codec_write_fails_whole(void **state) {
  source_t source;
  daytona__strbuf_t out;
  source_init(&source, NULL, 0, 1);
  daytona__strbuf_init(&out, 16);
  assert_int_equal(daytona__ws_codec_write(&source.codec, 1, "0123456789", 10, &out), DAYTONA_ELIMIT);
  assert_int_equal(out.size, 0);
  daytona__strbuf_clear(&out);
  daytona__strbuf_init(&out, 1024);
  source.has_no_random = true;
  assert_int_equal(daytona__ws_codec_write(&source.codec, 1, "x", 1, &out), DAYTONA_EFAILED);
  assert_int_equal(out.size, 0);
  source.has_no_random = false;
  assert_int_equal(daytona__ws_codec_write(&source.codec, 1, "x", 1, &out), 0);
  assert_int_equal(out.size, 7);
  daytona__strbuf_clear(&out);
  daytona__ws_codec_clear(&source.codec);
}

static void codec_knows_close_codes(void **state) {
  static const int good[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009,
                             1010, 1011, 1012, 1013, 1014, 3000, 4999};
  static const int bad[] = {0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    assert_true(daytona__ws_close_code_is_valid(good[i]));
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(daytona__ws_close_code_is_valid(bad[i]));
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(codec_is_the_same_however_cut),  cmocka_unit_test(codec_stops_at_a_violation),
    cmocka_unit_test(codec_bounds_what_is_announced), cmocka_unit_test(codec_writes_masked_frames),
    cmocka_unit_test(codec_write_fails_whole),        cmocka_unit_test(codec_knows_close_codes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
