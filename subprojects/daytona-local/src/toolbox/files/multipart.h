/* SPDX-License-Identifier: Apache-2.0 */
/*
 * multipart/form-data in both directions, without I/O: bytes in and events out for reading, texts
 * for the heads of parts for writing. A part of any size passes in bounded memory.
 */
#ifndef DL_MULTIPART_H
#define DL_MULTIPART_H

#include "base/buf.h"

#define DL_MULTIPART_HEAD_MAX (64u * 1024) /* header lines of one part */
#define DL_MULTIPART_LINE_MAX 4096u        /* a line between parts */
#define DL_MULTIPART_BOUNDARY_MAX 256u

typedef struct {
  const char *name;     /* "" when it is no form-data or has none */
  const char *filename; /* NULL: none was given */
} dl_part_t;

typedef struct {
  /* Everything is borrowed for the call. For each part: on_part, any number of on_data, on_part_end. */
  void (*on_part)(void *user, const dl_part_t *part);
  void (*on_data)(void *user, const char *bytes, size_t len);
  /* False: the body broke off inside this part. */
  void (*on_part_end)(void *user, bool is_complete);
} dl_multipart_events_t;

typedef struct {
  const dl_multipart_events_t *events;
  void *user;
  int state;
  char *delimiter; /* line break, two dashes, boundary */
  size_t delimiter_len, nl_len;
  dl_buf_t input, disposition;
  size_t head_len;
  bool has_parts, expects_part, has_data, last_was_disposition;
  char *error; /* set once: what is wrong; nothing is read after it */
} dl_multipart_t;

/* The boundary of a Content-Type, yours to free; NULL when it names no multipart form. */
char *dl_multipart_boundary(const char *content_type);

void dl_multipart_init(dl_multipart_t *m, const char *boundary, const dl_multipart_events_t *events,
                       void *user);
void dl_multipart_feed(dl_multipart_t *m, const char *bytes, size_t len);
/* The body is over (is_whole false: less came than was declared). `error` says whether it was good. */
void dl_multipart_finish(dl_multipart_t *m, bool is_whole);
void dl_multipart_clear(dl_multipart_t *m);

/* One parameter of a header value such as Content-Disposition, decoded; a `name*` wins over `name`.
 * NULL when absent. Yours to free. */
char *dl_header_param(const char *value, const char *name);
/* The value in front of the parameters, in lower case, equals `type`. */
bool dl_header_is(const char *value, const char *type);

/* Appends: filename="LATIN-1"; filename*=utf-8''PERCENT-ENCODED */
void dl_filename_params(dl_buf_t *out, const char *path);

#endif
