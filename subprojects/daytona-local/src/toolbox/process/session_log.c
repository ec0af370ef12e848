/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Marking and unmarking lines. A marker is three times the number of the stream. Programs may print
 * such bytes themselves; the format has no escape for them.
 */
#include "toolbox/process/session_log.h"

#include <string.h>

#define MARKER_LEN 3

void dl_labeller_init(dl_labeller_t *l, int stream) {
  l->stream = stream;
  dl_buf_init(&l->line, DL_LOG_LINE_MAX);
}

void dl_labeller_clear(dl_labeller_t *l) { dl_buf_clear(&l->line); }

static void put_record(dl_labeller_t *l, dl_buf_t *out, bool with_end) {
  char marker[MARKER_LEN];
  memset(marker, l->stream, sizeof marker);
  dl_buf_append(out, marker, sizeof marker);
  dl_buf_append(out, l->line.data, l->line.len);
  if (with_end) dl_buf_append(out, "\n", 1);
  dl_buf_reset(&l->line);
}

static void put_bytes(dl_labeller_t *l, const char *bytes, size_t len, dl_buf_t *out) {
  while (len > 0) {
    size_t n = DL_LOG_LINE_MAX - l->line.len;
    if (n > len) n = len;
    dl_buf_append(&l->line, bytes, n);
    bytes += n;
    len -= n;
    if (l->line.len == DL_LOG_LINE_MAX) put_record(l, out, false);
  }
}

void dl_labeller_feed(dl_labeller_t *l, const char *bytes, size_t len, dl_buf_t *out) {
  const char *end = bytes + len;
  while (bytes < end) {
    const char *stop = bytes;
    while (stop < end && *stop != '\n' && *stop != '\0') stop++;
    put_bytes(l, bytes, (size_t)(stop - bytes), out);
    if (stop < end && *stop == '\n') put_record(l, out, true);
    bytes = stop + 1;
  }
}

void dl_labeller_end(dl_labeller_t *l, dl_buf_t *out) {
  if (l->line.len > 0) put_record(l, out, true);
}

static void put(const dl_demux_t *d, const char *bytes, size_t len, dl_buf_t *const out[3]) {
  if (out[d->stream] != NULL) dl_buf_append(out[d->stream], bytes, len);
}

static void release_held(dl_demux_t *d, dl_buf_t *const out[3]) {
  const char bytes[MARKER_LEN] = {(char)d->held, (char)d->held, (char)d->held};
  put(d, bytes, d->held_count, out);
  d->held_count = 0;
}

void dl_demux_feed(dl_demux_t *d, const char *bytes, size_t len, dl_buf_t *const out[3]) {
  const char *end = bytes + len;
  while (bytes < end) {
    unsigned char c = (unsigned char)*bytes;
    if (d->held_count > 0 && c != d->held) release_held(d, out);
    if (c != DL_LOG_STDOUT && c != DL_LOG_STDERR) {
      const char *stop = bytes + 1;
      while (stop < end && *stop != DL_LOG_STDOUT && *stop != DL_LOG_STDERR) stop++;
      put(d, bytes, (size_t)(stop - bytes), out);
      bytes = stop;
      continue;
    }
    d->held = c;
    if (++d->held_count == MARKER_LEN) {
      d->stream = c;
      d->held_count = 0;
    }
    bytes++;
  }
}

void dl_demux_end(dl_demux_t *d, dl_buf_t *const out[3]) { release_held(d, out); }
