/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads of RFC 6455 frames, one byte after the other. Nothing is judged but the length, which the
 * walker itself lives by: opcodes, reserved bits and masks may be what they want.
 */
#include "http/frames.h"

#include <assert.h>
#include <string.h>

static void begin(dl_frames_t *w) {
  w->head_len = 0;
  w->head_need = 2;
  w->is_over = false;
}

/* How long the head is follows from its second byte. */
static unsigned need_of(unsigned char second) {
  unsigned length = second & 127, need = 2;
  if (length == 126) need += 2;
  if (length == 127) need += 8;
  return need + ((second & 0x80) ? 4 : 0);
}

static void read_size(dl_frames_t *w) {
  unsigned length = w->head[1] & 127, width = length == 127 ? 8 : length == 126 ? 2 : 0;
  w->size = width > 0 ? 0 : length;
  for (unsigned i = 0; i < width; i++) w->size = w->size << 8 | w->head[2 + i];
  w->left = w->size;
  w->is_lost = w->size > INT64_MAX;
  w->is_over = w->size == 0;
}

size_t dl_frames_next(dl_frames_t *w, const char *bytes, size_t len, dl_frame_piece_t *out) {
  assert(len > 0);
  *out = (dl_frame_piece_t){.bytes = bytes, .len = len};
  if (w->is_lost) return len;
  if (w->is_over || w->head_need == 0) begin(w);
  if (w->head_len < w->head_need) {
    size_t taken = 0;
    out->in_head = true;
    out->begins = w->head_len == 0;
    while (taken < len && w->head_len < w->head_need) {
      w->head[w->head_len++] = (unsigned char)bytes[taken++];
      if (w->head_len == 2) w->head_need = need_of(w->head[1]);
    }
    out->len = taken;
    out->is_head_whole = w->head_len == w->head_need;
    if (out->is_head_whole) read_size(w);
  } else {
    if (len > w->left) out->len = (size_t)w->left;
    w->left -= out->len;
    w->is_over = w->left == 0;
  }
  out->ends = w->is_over;
  return out->len;
}

size_t dl_frames_put_head(unsigned char out[DL_FRAME_HEAD_MAX], int first_byte, uint64_t size) {
  unsigned width = size < 126 ? 0 : size <= 0xffff ? 2 : 8;
  out[0] = (unsigned char)first_byte;
  out[1] = (unsigned char)(width == 0 ? size : width == 2 ? 126 : 127);
  for (unsigned i = 0; i < width; i++) out[2 + i] = (unsigned char)(size >> (8 * (width - 1 - i)));
  return 2 + width;
}
