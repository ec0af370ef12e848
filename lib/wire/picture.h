/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an image file says of itself in its first bytes: format and size. Nothing is decoded.
 */
#ifndef DAYTONA_WIRE_PICTURE_H
#define DAYTONA_WIRE_PICTURE_H

#include <stddef.h>

/* Segments of a JPEG file that are passed over to find its size. There are a dozen. */
#define DAYTONA__JPEG_SEGMENTS_MAX 1000

typedef struct daytona__picture {
  const char *format; /* "png", "jpeg", "webp"; NULL: none of them. Static */
  int width, height;  /* 0: not known */
} daytona__picture_t;

/* Any bytes are allowed. */
daytona__picture_t daytona__picture_read(const char *bytes, size_t size);

#endif
