/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growable buffer with a ceiling; see strbuf.h.
 */
#include "core/strbuf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <daytona/error.h>

#include "core/memory.h"

void daytona__strbuf_init(daytona__strbuf_t *buf, size_t max) {
  memset(buf, 0, sizeof *buf);
  buf->max = max;
}

void daytona__strbuf_clear(daytona__strbuf_t *buf) {
  bool is_pool = buf->is_pool;
  if (is_pool)
    free(buf->data);
  else
    daytona__free(buf->data);
  daytona__strbuf_init(buf, buf->max);
  buf->is_pool = is_pool;
}

char *daytona__strbuf_reserve(daytona__strbuf_t *buf, size_t size) {
  if (buf->error != 0) return NULL;
  if (size > buf->max || buf->size > buf->max - size) {
    buf->error = DAYTONA_ELIMIT;
    return NULL;
  }
  size_t need = buf->size + size + 1;
  if (need > buf->room) {
    size_t room = buf->room != 0 ? buf->room : 64;
    while (room < need) room += room / 2 + 64;
    if (room > buf->max + 1) room = buf->max + 1;
    char *data = buf->is_pool ? realloc(buf->data, room) : daytona__realloc(buf->data, room);
    if (data == NULL) {
      buf->error = DAYTONA_ENOMEM;
      return NULL;
    }
    buf->data = data;
    buf->room = room;
  }
  return buf->data + buf->size;
}

int daytona__strbuf_append(daytona__strbuf_t *buf, const void *bytes, size_t size) {
  assert(buf->size <= buf->room && buf->size <= buf->max);
  char *at = daytona__strbuf_reserve(buf, size);
  if (at == NULL) return buf->error;
  if (size != 0) memcpy(at, bytes, size);
  at[size] = '\0';
  buf->size += size;
  return 0;
}

int daytona__strbuf_puts(daytona__strbuf_t *buf, const char *text) {
  return daytona__strbuf_append(buf, text, strlen(text));
}

int daytona__strbuf_putc(daytona__strbuf_t *buf, char c) { return daytona__strbuf_append(buf, &c, 1); }

int daytona__strbuf_printf(daytona__strbuf_t *buf, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int size = vsnprintf(NULL, 0, format, args);
  if (size < 0 && buf->error == 0) buf->error = DAYTONA_ELIMIT; /* too long for an int, or not printable */
  char *at = size >= 0 ? daytona__strbuf_reserve(buf, (size_t)size) : NULL;
  if (at != NULL) {
    vsnprintf(at, (size_t)size + 1, format, again);
    buf->size += (size_t)size;
  }
  va_end(again);
  va_end(args);
  return buf->error;
}
