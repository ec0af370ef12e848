/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as what a language server writes: whole and in pieces, the reader must give the same messages and the same end.
 */
#include "toolbox/lsp/frames.h"

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
  uint64_t sum; /* of all bodies, in order */
  size_t count, bytes;
  const char *problem;
} told_t;

static bool take(dl_lsp_frames_t *f, told_t *t) {
  const char *body;
  size_t len;
  int got;
  while ((got = dl_lsp_frames_next(f, &body, &len)) > 0) {
    t->count++;
    t->bytes += len;
    for (size_t i = 0; i < len; i++) t->sum = (t->sum ^ (unsigned char)body[i]) * 1099511628211u;
  }
  t->problem = f->problem;
  CHECK((got < 0) == (f->problem != NULL));
  return got == 0;
}

/* In pieces of `step` bytes; 0: all at once. */
static void read_all(told_t *t, const char *bytes, size_t len, size_t step) {
  dl_lsp_frames_t f;
  memset(t, 0, sizeof *t);
  dl_lsp_frames_init(&f);
  for (size_t at = 0, piece; at < len; at += piece) {
    piece = step == 0 || step > len - at ? len - at : step;
    char *copy = malloc(piece); /* so that reading too far is seen */
    CHECK(copy != NULL);
    memcpy(copy, bytes + at, piece);
    bool ok = dl_lsp_frames_feed(&f, copy, piece) && take(&f, t);
    free(copy);
    if (!ok) break;
  }
  CHECK(t->bytes <= len);
  dl_lsp_frames_clear(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const size_t STEPS[] = {1, 2, 7, 64, 4095};
  told_t whole, cut;
  if (size > 65536) return 0;
  read_all(&whole, (const char *)data, size, 0);
  for (size_t i = 0; i < DL_COUNT(STEPS); i++) {
    read_all(&cut, (const char *)data, size, STEPS[i]);
    CHECK(cut.sum == whole.sum && cut.count == whole.count && cut.problem == whole.problem);
  }
  return 0;
}
