/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growable run of bytes born with a ceiling. An append that would pass the ceiling changes
 * nothing and is refused. `data` is always NUL-terminated when not NULL (the NUL is not counted).
 */
#ifndef DL_BUF_H
#define DL_BUF_H

#include "base/base.h"

typedef struct {
  char *data;
  size_t len, cap, max;
} dl_buf_t;

void dl_buf_init(dl_buf_t *b, size_t max);
void dl_buf_clear(dl_buf_t *b);
/* Forget the content, keep the memory. */
void dl_buf_reset(dl_buf_t *b);
bool dl_buf_append(dl_buf_t *b, const void *bytes, size_t len);
bool dl_buf_puts(dl_buf_t *b, const char *text);
bool dl_buf_printf(dl_buf_t *b, const char *fmt, ...) DL_PRINTF(2, 3);
/* Room for `len` more bytes; NULL when that passes the ceiling. Commit with dl_buf_grew. */
char *dl_buf_reserve(dl_buf_t *b, size_t len);
void dl_buf_grew(dl_buf_t *b, size_t len);
/* Drop `len` bytes from the front. */
void dl_buf_consume(dl_buf_t *b, size_t len);
/* The text becomes the caller's; the buffer is empty afterwards. Never NULL. */
char *dl_buf_take(dl_buf_t *b);

#endif
