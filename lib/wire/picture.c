/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first bytes of PNG (its IHDR chunk), JPEG (the first frame header, SOF) and WebP (VP8, VP8L, VP8X); see picture.h.
 * A file that is cut off has a format and no size.
 */
#include "wire/picture.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct file {
  const unsigned char *bytes;
  size_t size;
} file_t;

static bool has(const file_t *file, size_t at, const char *text, size_t size) {
  return at <= file->size && size <= file->size - at && memcmp(file->bytes + at, text, size) == 0;
}

static uint32_t big(const file_t *file, size_t at, size_t size) {
  uint32_t value = 0;
  for (size_t i = 0; i < size; i++) value = value << 8 | file->bytes[at + i];
  return value;
}

static uint32_t little(const file_t *file, size_t at, size_t size) {
  uint32_t value = 0;
  for (size_t i = size; i-- > 0;) value = value << 8 | file->bytes[at + i];
  return value;
}

static void set_size(daytona__picture_t *picture, uint32_t width, uint32_t height) {
  if (width == 0 || height == 0 || width > INT32_MAX || height > INT32_MAX) return;
  picture->width = (int)width;
  picture->height = (int)height;
}

static void read_png(const file_t *file, daytona__picture_t *picture) {
  picture->format = "png";
  if (file->size >= 24 && has(file, 12, "IHDR", 4)) set_size(picture, big(file, 16, 4), big(file, 20, 4));
}

/* Frame headers have C0 to CF, but for tables (C4, CC) and an extension (C8). */
static bool is_frame(unsigned marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

static void read_jpeg(const file_t *file, daytona__picture_t *picture) {
  size_t at = 2;
  picture->format = "jpeg";
  for (int i = 0; i < DAYTONA__JPEG_SEGMENTS_MAX && file->size - at >= 9; i++) {
    uint32_t length = big(file, at + 2, 2);
    if (file->bytes[at] != 0xFF || length < 2) return;
    if (is_frame(file->bytes[at + 1])) {
      set_size(picture, big(file, at + 7, 2), big(file, at + 5, 2));
      return;
    }
    if (length + 2 > file->size - at) return;
    at += length + 2;
  }
}

static void read_webp(const file_t *file, daytona__picture_t *picture) {
  picture->format = "webp";
  if (file->size < 30) return;
  if (has(file, 12, "VP8 ", 4) && has(file, 23, "\x9d\x01\x2a", 3))
    set_size(picture, little(file, 26, 2) & 0x3FFF, little(file, 28, 2) & 0x3FFF);
  if (has(file, 12, "VP8L", 4) && has(file, 20, "\x2f", 1)) {
    uint32_t both = little(file, 21, 4);
    set_size(picture, (both & 0x3FFF) + 1, (both >> 14 & 0x3FFF) + 1);
  }
  if (has(file, 12, "VP8X", 4)) set_size(picture, little(file, 24, 3) + 1, little(file, 27, 3) + 1);
}

daytona__picture_t daytona__picture_read(const char *bytes, size_t size) {
  daytona__picture_t picture = {0};
  const file_t file = {(const unsigned char *)bytes, size};
  if (has(&file, 0, "\x89PNG\r\n\x1a\n", 8))
    read_png(&file, &picture);
  else if (has(&file, 0, "\xFF\xD8\xFF", 3))
    read_jpeg(&file, &picture);
  else if (has(&file, 0, "RIFF", 4) && has(&file, 8, "WEBP", 4))
    read_webp(&file, &picture);
  return picture;
}
