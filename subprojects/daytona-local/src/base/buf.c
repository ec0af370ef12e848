/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growable bytes with a ceiling. Invariant: len <= cap, len <= max, data[len] == 0 when data is set.
 */
#include "base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void dl_buf_init(dl_buf_t *b, size_t max) { *b = (dl_buf_t){.max = max}; }

void dl_buf_clear(dl_buf_t *b) {
  free(b->data);
  *b = (dl_buf_t){.max = b->max};
}

void dl_buf_reset(dl_buf_t *b) {
  b->len = 0;
  if (b->data) b->data[0] = '\0';
}

char *dl_buf_reserve(dl_buf_t *b, size_t len) {
  if (len > b->max - b->len) return NULL;
  size_t need = b->len + len;
  if (need > b->cap || !b->data) {
    size_t cap = b->cap ? b->cap : 128;
    while (cap < need) cap = cap > b->max / 2 ? b->max : cap * 2;
    if (cap < need) cap = need;
    b->data = dl_xrealloc(b->data, cap + 1);
    b->cap = cap;
    b->data[b->len] = '\0';
  }
  return b->data + b->len;
}

void dl_buf_grew(dl_buf_t *b, size_t len) {
  assert(len <= b->cap - b->len);
  b->len += len;
  b->data[b->len] = '\0';
}

bool dl_buf_append(dl_buf_t *b, const void *bytes, size_t len) {
  char *at = dl_buf_reserve(b, len);
  if (!at) return false;
  if (len > 0) memcpy(at, bytes, len);
  dl_buf_grew(b, len);
  return true;
}

bool dl_buf_puts(dl_buf_t *b, const char *text) { return dl_buf_append(b, text, strlen(text)); }

bool dl_buf_printf(dl_buf_t *b, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  char *text = dl_xvprintf(fmt, args);
  va_end(args);
  bool ok = dl_buf_puts(b, text);
  free(text);
  return ok;
}

void dl_buf_consume(dl_buf_t *b, size_t len) {
  assert(len <= b->len);
  if (len == 0) return;
  memmove(b->data, b->data + len, b->len - len);
  b->len -= len;
  b->data[b->len] = '\0';
}

char *dl_buf_take(dl_buf_t *b) {
  char *data = b->data ? b->data : dl_xstrdup("");
  *b = (dl_buf_t){.max = b->max};
  return data;
}
