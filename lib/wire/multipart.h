/* SPDX-License-Identifier: Apache-2.0 */
/*
 * multipart/form-data as the toolbox speaks it: bytes in, events out, and the other way round. No I/O.
 *
 * The reader takes bytes as they come and may be stopped at any of them: when `on_data` takes less than it was given, or
 * a callback asks for it, feeding ends there. A part with a Content-Length is read by its length, because the server's
 * boundary is fixed and a file may hold it. When no delimiter follows there, the file has grown and the part continues to
 * the next one; unless a delimiter was among the bytes counted, for then it may as well have shrunk, and what follows
 * cannot be distinguished. The response is whole only if the closing delimiter was seen.
 */
#ifndef DAYTONA_WIRE_MULTIPART_H
#define DAYTONA_WIRE_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/strbuf.h"

/* The headers of one part of a multipart response; usual ones are well under a kilobyte, but hold the path twice. */
#define DAYTONA__PART_HEADERS_MAX ((size_t)64 << 10)

#define DAYTONA__BOUNDARY_MAX 70 /* RFC 2046 */

typedef struct daytona__multipart_part {
  const char *name;         /* "" if it has none */
  const char *filename;     /* decoded from filename* if there is one; NULL if there is none */
  const char *content_type; /* "" if it has none */
  int64_t length;           /* -1: not given */
} daytona__multipart_part_t;

typedef struct daytona__multipart_reader daytona__multipart_reader_t;

struct daytona__multipart_reader {
  /* Set by the caller after daytona__multipart_init(). Nothing of `part` outlives the call. */
  int (*on_part)(daytona__multipart_reader_t *reader, const daytona__multipart_part_t *part); /* 0 to go on */
  size_t (*on_data)(daytona__multipart_reader_t *reader, const char *bytes, size_t size);
  int (*on_part_end)(daytona__multipart_reader_t *reader); /* 0 to go on */
  void *user;

  /* private */
  char delimiter[4 + DAYTONA__BOUNDARY_MAX + 1]; /* CR LF "--" boundary */
  size_t delimiter_size;
  int state;
  size_t matched;                           /* bytes of the delimiter seen */
  bool has_dash;                            /* one dash followed it */
  char held[4 + DAYTONA__BOUNDARY_MAX + 1]; /* data that looked like a delimiter and was not taken yet */
  size_t held_size, held_start;
  int64_t left;    /* of a part read by its length */
  size_t inside;   /* bytes of the delimiter matched among those counted; all of them: it was there */
  bool is_counted; /* the part's length still holds */
  bool is_in_part, is_stopped;
  daytona__strbuf_t headers;
};

/* 0, or DAYTONA_EINVAL for a boundary that cannot be one. */
int daytona__multipart_init(daytona__multipart_reader_t *reader, const char *boundary);
void daytona__multipart_clear(daytona__multipart_reader_t *reader);

/*
 * Take in bytes. Returns how many were used; fewer than `size` when it was stopped, or with *error set: what a callback
 * returned, DAYTONA_EPROTOCOL, DAYTONA_ELIMIT or DAYTONA_ENOMEM. Data that was not taken is offered again by the next
 * call; there is always a byte behind it that was not used.
 */
size_t daytona__multipart_feed(daytona__multipart_reader_t *reader, const char *bytes, size_t size,
                               int *error);

/* For callbacks: let feeding end after this one. */
void daytona__multipart_stop(daytona__multipart_reader_t *reader);

/* Whether the closing delimiter was seen. */
bool daytona__multipart_is_whole(const daytona__multipart_reader_t *reader);

/* --- writing --- */

/* A boundary that does not occur in the data: 24 random hexadecimal digits. 0, or DAYTONA_EFAILED. */
int daytona__multipart_boundary(char out[DAYTONA__BOUNDARY_MAX + 1]);

/*
 * What comes before the bytes of file number `index` with its path part, and after all files. In `arena`;
 * NULL without memory. `path` may hold any byte but NUL.
 */
const char *daytona__multipart_file_head(daytona__arena_t *arena, const char *boundary, size_t index,
                                         const char *path);
const char *daytona__multipart_end(daytona__arena_t *arena, const char *boundary);

#endif
