/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies in the coding `aws-chunked`: chunks with a size in front, each signed or none, and perhaps a trailer with a
 * checksum. Bytes in, bytes out; no input or output of its own.
 */
#ifndef DL_CHUNKS_H
#define DL_CHUNKS_H

#include "s3/sigv4.h"
#include "s3/sums.h"

/* A line: a size with a signature, or a trailer. */
#define DL_CHUNKS_LINE_MAX 1024u
/* All of a body that is not data, beyond one byte in eight. */
#define DL_CHUNKS_OVERHEAD_MAX (64 * 1024)

typedef enum {
  DL_CHUNKS_SIZE,
  DL_CHUNKS_DATA,
  DL_CHUNKS_DATA_END,
  DL_CHUNKS_TRAILER,
  DL_CHUNKS_DONE
} dl_chunks_state_t;

typedef struct {
  dl_chunks_state_t state;
  bool is_signed, has_trailer;
  const dl_sigv4_t *signature; /* borrowed; of signed ones */
  unsigned char key[32];
  char before[65], claimed[65]; /* the last signature, and that of the chunk under way */
  dl_sum_t sum;                 /* of the chunk, when it is signed */
  int64_t left, total, overhead;
  char line[DL_CHUNKS_LINE_MAX + 1];
  size_t line_len;
  dl_sum_kind_t trailer; /* what the trailer is to hold */
  char trailer_value[DL_SUM_BASE64_MAX + 1];
  char trailer_hash[65]; /* of its lines, to be signed */
  dl_s3_code_t error;    /* the first; then nothing more is taken */
  const char *detail;
  void (*on_data)(void *user, const char *bytes, size_t len);
  void *user;
} dl_chunks_t;

/* `payload` is the value of x-amz-content-sha256. True: a body in chunks; *is_signed and *has_trailer say which. */
bool dl_chunks_is(const char *payload, bool *is_signed, bool *has_trailer);

/* `signature` and `key` are those of the request, for signed ones; the former is borrowed. `trailer`: the checksum that
 * x-amz-trailer names, DL_SUM_NONE for none. */
void dl_chunks_init(dl_chunks_t *c, bool is_signed, bool has_trailer, const dl_sigv4_t *signature,
                    const unsigned char key[32], dl_sum_kind_t trailer);
void dl_chunks_feed(dl_chunks_t *c, const char *bytes, size_t len);
/* The body is over. */
dl_s3_code_t dl_chunks_end(dl_chunks_t *c);
void dl_chunks_clear(dl_chunks_t *c);

#endif
