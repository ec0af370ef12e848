/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pictures as files in memory.
 */
#ifndef DL_DESKTOP_ENCODE_H
#define DL_DESKTOP_ENCODE_H

#include "base/buf.h"

/* Four bytes a pixel: blue, green, red, and one without meaning. No gaps between rows. */
typedef struct {
  uint8_t *pixels;
  int width, height;
} picture_t;

/* Appends the file; false when it cannot be made. `format`: DL_SHOT_*. `quality` counts for JPEG and WebP. */
bool picture_encode(const picture_t *p, int format, int quality, dl_buf_t *out);
/* Averages into a new picture; pixels are yours to free. */
picture_t picture_scale(const picture_t *p, int width, int height);
/* Standard base64, with padding. */
bool put_base64(dl_buf_t *out, const uint8_t *bytes, size_t len);

#endif
