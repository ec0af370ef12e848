/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as what one side of an HTTP/1.x connection sends. The first byte says which side and how it is cut; whole
 * and in chunks, also with parts of bodies that are not taken at once, the reader must tell the same messages. What it
 * takes for a request can be read in one way only.
 */
#include "http/http1.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                             \
  do {                                                                               \
    if (!(condition)) {                                                              \
      fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      abort();                                                                       \
    }                                                                                \
  } while (0)

#define REQUEST_HEAD_MAX 4096u

typedef struct {
  uint64_t sum; /* of everything that was told, in order */
  size_t messages, bytes, taken;
  dl_http1_state_t state;
  int refusal;
} told_t;

static void add(told_t *t, const char *bytes, size_t len) {
  for (size_t i = 0; i < len; i++) t->sum = (t->sum ^ (unsigned char)bytes[i]) * 1099511628211u;
}

typedef struct {
  told_t *t;
  size_t hosts, lengths, codings, keys;
} headers_t;

static void on_header(void *user, const char *name, const char *value) {
  headers_t *h = user;
  CHECK(dl_http1_is_token(name) && dl_http1_is_value(value));
  size_t len = strlen(value);
  CHECK(len == 0 || (strchr(" \t", value[0]) == NULL && strchr(" \t", value[len - 1]) == NULL));
  h->hosts += strcasecmp(name, "Host") == 0;
  h->lengths += strcasecmp(name, "Content-Length") == 0;
  h->codings += strcasecmp(name, "Transfer-Encoding") == 0;
  h->keys += strcasecmp(name, "Authorization") == 0;
  add(h->t, name, strlen(name) + 1);
  add(h->t, value, len + 1);
}

/* The head is complete: nothing in it may have two meanings. */
static void tell_head(told_t *t, const dl_http1_t *p) {
  headers_t h = {.t = t};
  dl_http1_each_header(p, on_header, &h);
  t->messages++;
  if (!p->is_request) {
    CHECK(p->status == 101 || p->status >= 200);
    add(t, p->head.data, strlen(p->head.data));
    return;
  }
  CHECK(p->minor <= 1 && p->header_count <= DL_HTTP1_HEADERS_MAX);
  CHECK(h.lengths + h.codings <= 1 && h.keys <= 1 && h.hosts <= 1 && (h.hosts == 1 || p->minor == 0));
  CHECK(p->is_chunked == (h.codings == 1) && (p->is_chunked ? p->length == -1 : p->length >= 0));
  CHECK(dl_http1_is_token(p->method) && (p->target[0] == '/' || strcmp(p->target, "*") == 0));
  CHECK(strpbrk(p->target, " \t#") == NULL && dl_http1_is_value(p->target));
  add(t, p->method, strlen(p->method) + 1);
  add(t, p->target, strlen(p->target) + 1);
}

static void begin(dl_http1_t *p, bool is_request) {
  if (is_request)
    dl_http1_init_request(p, REQUEST_HEAD_MAX);
  else
    dl_http1_init(p, false);
}

/* One message after the other, in chunks of 1 to `step` bytes, the same ones every time; 0: all at once. Every other
 * chunk of a body is taken in part only. */
static void read_all(told_t *t, const char *bytes, size_t len, size_t step, bool is_request) {
  dl_http1_t p;
  unsigned random = (unsigned)step;
  memset(t, 0, sizeof *t);
  begin(&p, is_request);
  for (size_t at = 0; at < len && p.state != DL_HTTP1_BROKEN && p.state != DL_HTTP1_UPGRADE;) {
    random = random * 1664525u + 1013904223u;
    size_t piece = step == 0 ? len - at : 1 + (random >> 16) % step;
    if (piece > len - at) piece = len - at;
    char *copy = malloc(piece); /* so that reading too far is seen */
    const char *body;
    size_t body_len;
    CHECK(copy != NULL);
    memcpy(copy, bytes + at, piece);
    bool had_head = p.state != DL_HTTP1_HEAD;
    size_t taken = dl_http1_feed(&p, copy, piece, &body, &body_len);
    CHECK(taken > 0 && taken <= piece && body_len <= taken);
    if (!had_head && p.state != DL_HTTP1_HEAD && p.state != DL_HTTP1_BROKEN) tell_head(t, &p);
    CHECK(body_len == 0 || had_head);
    if (step > 0 && body_len > 1 && random % 2 == 0 && p.left >= 0) {
      dl_http1_untake(&p, body_len / 2);
      taken -= body_len / 2;
      body_len -= body_len / 2;
    }
    add(t, body, body_len);
    t->bytes += body_len;
    free(copy);
    at += taken;
    t->taken = at;
    if (p.state != DL_HTTP1_DONE) continue;
    add(t, ";", 1);
    dl_http1_clear(&p);
    begin(&p, is_request);
  }
  t->state = p.state;
  t->refusal = p.refusal;
  CHECK(!is_request || (p.state == DL_HTTP1_BROKEN) == (p.refusal >= 400));
  CHECK(p.head.len <= DL_HTTP1_HEAD_MAX);
  dl_http1_clear(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  told_t whole, pieces;
  if (size < 1) return 0;
  bool is_request = data[0] % 2 == 0;
  read_all(&whole, (const char *)data + 1, size - 1, 0, is_request);
  read_all(&pieces, (const char *)data + 1, size - 1, 1 + data[0] / 2 % 32, is_request);
  CHECK(pieces.sum == whole.sum && pieces.bytes == whole.bytes && pieces.messages == whole.messages);
  CHECK(pieces.state == whole.state);
  /* A line that is refused at once, and one that is too long, may be told apart where it is cut. */
  CHECK(pieces.refusal / 100 == whole.refusal / 100);
  return 0;
}
