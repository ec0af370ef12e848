/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Framing of messages. A language server is a program of the sandbox, and what it writes may be anything: a length is read
 * as digits only, and is checked before anything is kept for it.
 */
#include "toolbox/lsp/frames.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#define DIGITS_MAX 18 /* of a length: no overflow */
/* Memory that is kept between messages. */
#define KEPT_MAX (1024u * 1024)
/* One whole message, and a read of the next. */
#define WAITING_MAX (DL_LSP_HEADER_MAX + DL_LSP_BODY_MAX + 1024 * 1024)

void dl_lsp_frames_init(dl_lsp_frames_t *f) {
  *f = (dl_lsp_frames_t){0};
  dl_buf_init(&f->bytes, WAITING_MAX);
}

void dl_lsp_frames_clear(dl_lsp_frames_t *f) { dl_buf_clear(&f->bytes); }

/* What the last message used is dropped when more is read, and not with each message of a read. */
static void drop_used(dl_lsp_frames_t *f) {
  if (f->used == f->bytes.len && f->bytes.cap > KEPT_MAX) {
    dl_buf_clear(&f->bytes);
    dl_buf_init(&f->bytes, WAITING_MAX);
  } else if (f->used > 0) {
    dl_buf_consume(&f->bytes, f->used);
  }
  f->used = 0;
}

bool dl_lsp_frames_feed(dl_lsp_frames_t *f, const char *bytes, size_t len) {
  drop_used(f);
  if (dl_buf_append(&f->bytes, bytes, len)) return true;
  f->problem = "more than a message is waiting";
  return false;
}

/* The value of Content-Length in the header lines; false when there is none, or no number. */
static bool read_length(const char *header, size_t len, size_t *out) {
  static const char NAME[] = "Content-Length:";
  for (const char *line = header, *end = header + len; line < end;) {
    const char *stop = memchr(line, '\r', (size_t)(end - line));
    if (stop == NULL) stop = end;
    if ((size_t)(stop - line) > strlen(NAME) && strncasecmp(line, NAME, strlen(NAME)) == 0) {
      const char *p = line + strlen(NAME);
      size_t value = 0, digits = 0;
      while (p < stop && (*p == ' ' || *p == '\t')) p++;
      for (; p < stop && *p >= '0' && *p <= '9' && digits < DIGITS_MAX; p++, digits++)
        value = value * 10 + (size_t)(*p - '0');
      while (p < stop && (*p == ' ' || *p == '\t')) p++;
      *out = value;
      return digits > 0 && p == stop;
    }
    line = stop + 2;
  }
  return false;
}

int dl_lsp_frames_next(dl_lsp_frames_t *f, const char **body, size_t *len) {
  assert(f->used <= f->bytes.len);
  if (f->problem != NULL) return -1;
  if (f->bytes.len == f->used) return 0;
  const char *start = f->bytes.data + f->used;
  size_t have = f->bytes.len - f->used, size = 0;
  size_t window = have < DL_LSP_HEADER_MAX ? have : DL_LSP_HEADER_MAX;
  const char *blank = memmem(start, window, "\r\n\r\n", 4);
  if (blank == NULL) {
    if (have >= DL_LSP_HEADER_MAX) f->problem = "it wrote what is no message of the protocol";
    return f->problem != NULL ? -1 : 0;
  }
  if (!read_length(start, (size_t)(blank - start), &size)) {
    f->problem = "it wrote a message without a length";
    return -1;
  }
  if (size > DL_LSP_BODY_MAX) {
    f->problem = "it wrote a message of more than 32 MiB";
    return -1;
  }
  size_t head = (size_t)(blank - start) + 4;
  if (have - head < size) return 0;
  *body = start + head;
  *len = size;
  f->used += head + size;
  return 1;
}

bool dl_lsp_frames_put(dl_buf_t *out, const char *body, size_t len) {
  if (out->max - out->len < len + 64) return false;
  dl_buf_printf(out, "Content-Length: %zu\r\n\r\n", len);
  return dl_buf_append(out, body, len);
}
