/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the frames of a WebSocket begin and end in a stream of bytes: headers only, as they come. For
 * damage on purpose; ordinary connections are relayed without a look inside.
 */
#ifndef DL_FRAMES_H
#define DL_FRAMES_H

#include "base/base.h"

#define DL_FRAME_HEAD_MAX 14

/* All zero: before the first frame. */
typedef struct {
  unsigned char head[DL_FRAME_HEAD_MAX]; /* of the frame under way, or of the one that has just ended */
  unsigned head_len, head_need;
  uint64_t size, left; /* of its payload; known once the head is whole */
  bool is_over;
  bool is_lost; /* no frame can be that long: there are no borders any more, only bytes */
} dl_frames_t;

/* Bytes that belong to one frame, and to its head or to its payload. */
typedef struct {
  const char *bytes;
  size_t len;
  bool in_head, begins, ends;
  bool is_head_whole; /* the head ends with this chunk, and the frame can be asked for */
} dl_frame_piece_t;

/* The next chunk of `len` > 0 bytes; returns how many it takes, at least one. */
size_t dl_frames_next(dl_frames_t *w, const char *bytes, size_t len, dl_frame_piece_t *out);

static inline bool dl_frames_at_border(const dl_frames_t *w) {
  return !w->is_lost && (w->is_over || w->head_len == 0);
}
static inline int dl_frames_opcode(const dl_frames_t *w) { return w->head[0] & 15; }
static inline bool dl_frames_is_masked(const dl_frames_t *w) { return (w->head[1] & 0x80) != 0; }

/* Writes the head of an unmasked frame; returns its length. */
size_t dl_frames_put_head(unsigned char out[DL_FRAME_HEAD_MAX], int first_byte, uint64_t size);

#endif
