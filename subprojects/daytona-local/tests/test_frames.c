/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame walker: the same frames come out however the bytes are cut.
 */
#include "http/frames.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
  int first_byte;
  uint64_t size;
  bool is_masked;
} spec_t;

/* Every form of length, at its limits, with and without a mask, empty ones among them. */
static const spec_t SPECS[] = {
  {0x82, 0, false}, {0x81, 5, false},   {0x02, 125, false},   {0x00, 126, false},   {0x80, 127, true},
  {0x8a, 0, true},  {0x89, 125, false}, {0x82, 65535, false}, {0xf2, 65536, false}, {0x82, 70000, true},
  {0x8f, 1, false}, {0x88, 2, false},   {0x82, 1, true}};

static void put_frame(dl_buf_t *out, const spec_t *s) {
  unsigned char head[DL_FRAME_HEAD_MAX];
  size_t n = dl_frames_put_head(head, s->first_byte, s->size);
  if (s->is_masked) head[1] |= 0x80;
  dl_buf_append(out, head, n);
  if (s->is_masked) dl_buf_append(out, "mask", 4);
  /* Payload that looks like heads. */
  for (uint64_t i = 0; i < s->size; i++) dl_buf_append(out, &"\x88\x02\xff\x7f"[i % 4], 1);
}

static dl_buf_t all_frames(void) {
  dl_buf_t out;
  dl_buf_init(&out, 16 * 1024 * 1024);
  for (size_t i = 0; i < DL_COUNT(SPECS); i++) put_frame(&out, &SPECS[i]);
  return out;
}

typedef struct {
  dl_frames_t walker;
  dl_buf_t seen; /* what the chunks hold, together */
  size_t begun, ended;
} walk_t;

static void check_frame(const walk_t *w) {
  const spec_t *s = &SPECS[w->ended];
  assert_int_equal(w->walker.head[0], s->first_byte);
  assert_int_equal(dl_frames_opcode(&w->walker), s->first_byte & 15);
  assert_int_equal(dl_frames_is_masked(&w->walker), s->is_masked);
  assert_int_equal(w->walker.size, s->size);
}

static void feed(walk_t *w, const char *bytes, size_t len) {
  while (len > 0) {
    dl_frame_piece_t piece;
    size_t taken = dl_frames_next(&w->walker, bytes, len, &piece);
    assert_true(taken > 0 && taken <= len && piece.len == taken && piece.bytes == bytes);
    dl_buf_append(&w->seen, piece.bytes, piece.len);
    if (piece.begins) w->begun++;
    if (piece.is_head_whole) check_frame(w);
    if (piece.ends) w->ended++;
    assert_int_equal(piece.ends, dl_frames_at_border(&w->walker));
    assert_true(w->begun == w->ended || w->begun == w->ended + 1);
    bytes += taken;
    len -= taken;
  }
}

static void finish(walk_t *w, const dl_buf_t *all) {
  assert_int_equal(w->ended, DL_COUNT(SPECS));
  assert_int_equal(w->begun, DL_COUNT(SPECS));
  assert_int_equal(w->seen.len, all->len);
  assert_memory_equal(w->seen.data, all->data, all->len);
  dl_buf_clear(&w->seen);
}

static walk_t new_walk(void) {
  walk_t w = {0};
  dl_buf_init(&w.seen, 16 * 1024 * 1024);
  assert_true(dl_frames_at_border(&w.walker));
  return w;
}

static void frames_are_found_in_one_piece(void **state) {
  (void)state;
  dl_buf_t all = all_frames();
  walk_t w = new_walk();
  feed(&w, all.data, all.len);
  finish(&w, &all);
  dl_buf_clear(&all);
}

static void frames_are_found_byte_by_byte(void **state) {
  (void)state;
  dl_buf_t all = all_frames();
  walk_t w = new_walk();
  for (size_t i = 0; i < all.len; i++) feed(&w, all.data + i, 1);
  finish(&w, &all);
  dl_buf_clear(&all);
}

static void frames_are_found_at_random_cuts(void **state) {
  (void)state;
  dl_buf_t all = all_frames();
  for (unsigned seed = 1; seed <= 50; seed++) {
    walk_t w = new_walk();
    srand(seed);
    for (size_t at = 0; at < all.len;) {
      size_t n = (size_t)rand() % (seed % 2 ? 20 : 5000) + 1;
      if (n > all.len - at) n = all.len - at;
      feed(&w, all.data + at, n);
      at += n;
    }
    finish(&w, &all);
  }
  dl_buf_clear(&all);
}

static void a_length_that_cannot_be_ends_the_search(void **state) {
  (void)state;
  static const char head[] = "\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff";
  dl_frames_t w = {0};
  dl_frame_piece_t piece;
  for (size_t i = 0; i < 10; i++) assert_int_equal(dl_frames_next(&w, head + i, 1, &piece), 1);
  assert_true(w.is_lost && piece.is_head_whole && !piece.ends);
  assert_int_equal(dl_frames_next(&w, head, 10, &piece), 10);
  assert_false(piece.ends || piece.in_head || dl_frames_at_border(&w));
}

static void heads_are_as_short_as_they_can_be(void **state) {
  (void)state;
  static const struct {
    uint64_t size;
    const char *head;
    size_t len;
  } cases[] = {{0, "\x82\x00", 2},
               {125, "\x82\x7d", 2},
               {126, "\x82\x7e\x00\x7e", 4},
               {65535, "\x82\x7e\xff\xff", 4},
               {65536, "\x82\x7f\0\0\0\0\0\1\0\0", 10}};
  unsigned char out[DL_FRAME_HEAD_MAX];
  for (size_t i = 0; i < DL_COUNT(cases); i++) {
    assert_int_equal(dl_frames_put_head(out, 0x82, cases[i].size), cases[i].len);
    assert_memory_equal(out, cases[i].head, cases[i].len);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(frames_are_found_in_one_piece),
    cmocka_unit_test(frames_are_found_byte_by_byte),
    cmocka_unit_test(frames_are_found_at_random_cuts),
    cmocka_unit_test(a_length_that_cannot_be_ends_the_search),
    cmocka_unit_test(heads_are_as_short_as_they_can_be),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
