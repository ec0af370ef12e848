/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Range header of a download.
 */
#ifndef DL_RANGE_H
#define DL_RANGE_H

#include <stddef.h>
#include <stdint.h>

#define DL_RANGES_MAX 64

typedef struct {
  int64_t start, len;
} dl_range_t;

typedef enum {
  DL_RANGE_NONE, /* send the whole file */
  DL_RANGE_SOME,
  DL_RANGE_BAD,    /* not understood: 416 */
  DL_RANGE_OUTSIDE /* nothing of it is in the file: 416 with the size */
} dl_range_kind_t;

/* `text` may be NULL. */
dl_range_kind_t dl_range_parse(const char *text, int64_t size, dl_range_t *out, size_t *count);

#endif
