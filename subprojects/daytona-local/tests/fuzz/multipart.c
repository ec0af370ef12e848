/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a form that is uploaded. The first byte says how it is cut, the second whether less came than was
 * declared; whole and in chunks, the reader must tell the same, in order, and hold back no more than it may.
 */
#include "toolbox/files/multipart.h"

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

typedef struct {
  uint64_t sum; /* of everything that was told, in order */
  size_t bytes, parts;
  bool is_in_part;
} told_t;

static void add(told_t *t, const char *bytes, size_t len) {
  for (size_t i = 0; i < len; i++) t->sum = (t->sum ^ (unsigned char)bytes[i]) * 1099511628211u;
}

static void on_part(void *user, const dl_part_t *part) {
  told_t *t = user;
  CHECK(!t->is_in_part && part->name != NULL);
  t->is_in_part = true;
  t->parts++;
  add(t, part->name, strlen(part->name) + 1);
  if (part->filename != NULL) add(t, part->filename, strlen(part->filename) + 1);
}

static void on_data(void *user, const char *bytes, size_t len) {
  told_t *t = user;
  CHECK(t->is_in_part && len != 0);
  t->bytes += len;
  add(t, bytes, len);
}

static void on_part_end(void *user, bool is_complete) {
  told_t *t = user;
  CHECK(t->is_in_part);
  t->is_in_part = false;
  add(t, is_complete ? ";" : "!", 1);
}

/* In chunks of 1 to `step` bytes, the same ones every time; 0: all at once. */
static void read_form(told_t *t, const char *bytes, size_t len, size_t step, bool is_whole) {
  static const dl_multipart_events_t EVENTS = {on_part, on_data, on_part_end};
  dl_multipart_t m;
  unsigned random = (unsigned)step;
  memset(t, 0, sizeof *t);
  dl_multipart_init(&m, "B", &EVENTS, t);
  for (size_t at = 0; at < len;) {
    random = random * 1664525u + 1013904223u;
    size_t piece = step == 0 ? len : 1 + (random >> 16) % step;
    if (piece > len - at) piece = len - at;
    char *copy = malloc(piece); /* so that reading too far is seen */
    CHECK(copy != NULL);
    memcpy(copy, bytes + at, piece);
    dl_multipart_feed(&m, copy, piece);
    free(copy);
    CHECK(m.input.len <= DL_MULTIPART_HEAD_MAX);
    at += piece;
  }
  dl_multipart_finish(&m, is_whole);
  CHECK(!t->is_in_part && t->bytes <= len);
  if (m.error != NULL) add(t, m.error, strlen(m.error));
  dl_multipart_clear(&m);
}

/* As a header too, and a boundary, and a path. */
static void read_texts(const uint8_t *data, size_t size) {
  char *text = malloc(size + 1);
  dl_buf_t out;
  CHECK(text != NULL);
  memcpy(text, data, size);
  text[size] = '\0';
  free(dl_multipart_boundary(text));
  free(dl_header_param(text, "filename"));
  dl_buf_init(&out, 1 << 20);
  dl_filename_params(&out, text);
  dl_buf_clear(&out);
  free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  told_t whole, pieces;
  if (size < 2) return 0;
  bool is_whole = data[1] % 2 == 0;
  read_form(&whole, (const char *)data + 2, size - 2, 0, is_whole);
  read_form(&pieces, (const char *)data + 2, size - 2, 1 + data[0] % 64, is_whole);
  CHECK(pieces.sum == whole.sum && pieces.bytes == whole.bytes && pieces.parts == whole.parts);
  read_texts(data + 2, size - 2);
  return 0;
}
