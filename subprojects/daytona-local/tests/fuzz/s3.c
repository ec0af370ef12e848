/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as what a client of the object store sends. The first byte says as what: a body in chunks, a list of parts,
 * or the head of a signed request, one line each for method, path, query and headers. Chunks come whole and in pieces
 * and must give the same; what is read of a signature must be what the rules allow.
 */
#include "s3/chunks.h"
#include "s3/sigv4.h"
#include "s3/xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                             \
  do {                                                                               \
    if (!(condition)) {                                                              \
      fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      abort();                                                                       \
    }                                                                                \
  } while (0)

/* --- chunks --- */

typedef struct {
  uint64_t sum;
  size_t bytes;
  dl_s3_code_t code;
} told_t;

static void on_data(void *user, const char *bytes, size_t len) {
  told_t *t = user;
  CHECK(len > 0);
  t->bytes += len;
  for (size_t i = 0; i < len; i++) t->sum = (t->sum ^ (unsigned char)bytes[i]) * 1099511628211u;
}

/* In pieces of 1 to `step` bytes, the same ones every time; 0: all at once. */
static told_t read_chunks(const char *bytes, size_t len, size_t step, bool is_signed, bool has_trailer) {
  told_t t = {0};
  dl_chunks_t c;
  dl_sigv4_t s = {.scope = (char *)"20130524/us-east-1/s3/aws4_request"};
  unsigned char key[32] = {0};
  unsigned random = (unsigned)step;
  memcpy(s.stamp, "20130524T000000Z", sizeof s.stamp);
  memset(s.signature, '0', 64);
  dl_chunks_init(&c, is_signed, has_trailer, &s, key, has_trailer ? DL_SUM_CRC32 : DL_SUM_NONE);
  c.on_data = on_data;
  c.user = &t;
  for (size_t at = 0; at < len;) {
    random = random * 1664525u + 1013904223u;
    size_t piece = step == 0 ? len : 1 + (random >> 16) % step;
    if (piece > len - at) piece = len - at;
    char *copy = malloc(piece); /* so that reading too far is seen */
    CHECK(copy != NULL);
    memcpy(copy, bytes + at, piece);
    dl_chunks_feed(&c, copy, piece);
    free(copy);
    at += piece;
  }
  t.code = dl_chunks_end(&c);
  CHECK(t.bytes == (size_t)c.total && t.bytes <= len);
  CHECK(t.code != DL_S3_OK || !has_trailer || c.trailer_value[0] != '\0');
  /* Nobody signs with that key by chance. */
  CHECK(t.code != DL_S3_OK || !is_signed);
  dl_chunks_clear(&c);
  return t;
}

static void try_chunks(const char *bytes, size_t len, unsigned char how) {
  bool is_signed = how & 1, has_trailer = how & 2;
  told_t whole = read_chunks(bytes, len, 0, is_signed, has_trailer);
  told_t pieces = read_chunks(bytes, len, 1 + how % 64, is_signed, has_trailer);
  CHECK(whole.sum == pieces.sum && whole.bytes == pieces.bytes && whole.code == pieces.code);
}

/* --- parts --- */

static void try_parts(const char *bytes, size_t len) {
  size_t count = 0;
  char *copy = malloc(len + 1);
  CHECK(copy != NULL);
  memcpy(copy, bytes, len);
  dl_listed_part_t *parts = dl_parts_read(copy, len, &count);
  CHECK(parts == NULL || (count > 0 && count <= DL_PARTS_MAX));
  for (size_t i = 0; parts && i < count; i++) {
    CHECK(parts[i].number >= 1 && parts[i].number <= (int)DL_PARTS_MAX);
    CHECK(parts[i].etag[0] != '\0' && strlen(parts[i].etag) < sizeof parts[i].etag);
    CHECK(strlen(parts[i].sum_value) < sizeof parts[i].sum_value);
  }
  free(parts);
  free(copy);
}

/* --- signatures --- */

#define FIELDS_MAX 32

static void try_signature(const char *bytes, size_t len) {
  char *text = malloc(len + 1), *line = text;
  const char *lines[3] = {"", "", ""};
  dl_sigv4_field_t fields[FIELDS_MAX];
  size_t field_count = 0, count = 0;
  CHECK(text != NULL);
  memcpy(text, bytes, len);
  text[len] = '\0';
  for (char *next; line != NULL && field_count < FIELDS_MAX; line = next, count++) {
    next = strchr(line, '\n');
    if (next) *next++ = '\0';
    char *colon = strchr(line, ':');
    if (count < 3)
      lines[count] = line;
    else if (colon) {
      *colon = '\0';
      fields[field_count++] = (dl_sigv4_field_t){line, colon + 1};
    }
  }
  const dl_sigv4_request_t r = {lines[0], lines[1], lines[2], "localhost", fields, field_count};
  const char *detail = NULL;
  dl_sigv4_t s;
  if (dl_sigv4_read(&s, &r, "us-east-1", &detail) == DL_S3_OK) {
    unsigned char key[32];
    CHECK(s.access_key && *s.access_key && !strchr(s.access_key, '/') && s.payload && s.signed_headers);
    CHECK(strlen(s.signature) == 64 && strlen(s.stamp) == 16 && strncmp(s.scope, s.stamp, 8) == 0);
    dl_sigv4_key(&s, "secret", key);
    CHECK(dl_sigv4_check(&s, &r, key, &detail) != DL_S3_OK);
    char *canonical = dl_sigv4_canonical(&s, &r, &detail);
    /* Every x-amz- header is in it, or it is none. */
    for (size_t i = 0; canonical && i < field_count; i++)
      if (strncmp(fields[i].name, "x-amz-", 6) == 0) CHECK(strstr(canonical, fields[i].name) != NULL);
    free(canonical);
    (void)dl_sigv4_check_time(&s, INT64_C(1369353600000));
    dl_sigv4_clear(&s);
  }
  free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  const char *bytes = (const char *)data + 2;
  if (data[0] == 'c')
    try_chunks(bytes, size - 2, data[1]);
  else if (data[0] == 'p')
    try_parts(bytes, size - 2);
  else
    try_signature(bytes, size - 2);
  return 0;
}
