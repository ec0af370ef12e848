/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The format of a session's logs: every line begins with three bytes that name its stream. Bytes in,
 * bytes out; no files here.
 */
#ifndef DL_SESSION_LOG_H
#define DL_SESSION_LOG_H

#include "base/buf.h"

#define DL_LOG_STDOUT 1
#define DL_LOG_STDERR 2

/* A line longer than this is stored in parts, each with its marker and no line end between. */
#define DL_LOG_LINE_MAX (64u * 1024)

/* Makes records of one stream's output. */
typedef struct {
  int stream;
  dl_buf_t line; /* the line so far */
} dl_labeller_t;

void dl_labeller_init(dl_labeller_t *l, int stream);
void dl_labeller_clear(dl_labeller_t *l);
/* Whole lines are appended to `out`, which must take them. NUL bytes vanish. */
void dl_labeller_feed(dl_labeller_t *l, const char *bytes, size_t len, dl_buf_t *out);
/* The rest, with a line end. */
void dl_labeller_end(dl_labeller_t *l, dl_buf_t *out);

/* Takes a log apart again, in chunks of any size. All zero is the start. */
typedef struct {
  int stream; /* 0 before the first marker */
  unsigned char held;
  unsigned held_count; /* bytes equal to `held` that may begin a marker */
} dl_demux_t;

/* out[n] gets the bytes of stream n, NULL drops them; the same buffer may stand for several. */
void dl_demux_feed(dl_demux_t *d, const char *bytes, size_t len, dl_buf_t *const out[3]);
/* Bytes held back as a possible marker are data after all. */
void dl_demux_end(dl_demux_t *d, dl_buf_t *const out[3]);

#endif
