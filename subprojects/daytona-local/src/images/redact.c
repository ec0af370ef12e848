/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets out of a stream. `held` is what may be the beginning of one, so it is shorter than the longest.
 */
#include "images/internal.h"

#include <stdlib.h>
#include <string.h>

#define SHORTEST 4
#define LONGEST ((size_t)64 << 10)
#define MARKER "***"

void dl_redact_init(dl_redact_t *r) {
  memset(r, 0, sizeof *r);
  dl_buf_init(&r->held, SIZE_MAX / 2);
}

void dl_redact_clear(dl_redact_t *r) {
  for (size_t i = 0; i < r->count; i++) {
    explicit_bzero(r->secrets[i], strlen(r->secrets[i]));
    free(r->secrets[i]);
  }
  free(r->secrets);
  dl_buf_clear(&r->held);
  memset(r, 0, sizeof *r);
}

static void add_line(dl_redact_t *r, const char *text, size_t len) {
  if (len < SHORTEST || len > LONGEST) return;
  r->secrets = dl_xrealloc(r->secrets, (r->count + 1) * sizeof *r->secrets);
  size_t at = r->count++;
  /* Longer ones first: one may be a part of another. */
  while (at > 0 && strlen(r->secrets[at - 1]) < len) {
    r->secrets[at] = r->secrets[at - 1];
    at--;
  }
  r->secrets[at] = dl_xstrndup(text, len);
}

void dl_redact_add(dl_redact_t *r, const char *text) {
  while (*text) {
    size_t len = strcspn(text, "\r\n");
    add_line(r, text, len);
    text += len + strspn(text + len, "\r\n");
  }
}

/* The longest secret that `text` begins with; or, *is_open, `text` ends where one may still come. */
static const char *secret_at(const dl_redact_t *r, const char *text, size_t len, bool *is_open) {
  *is_open = false;
  for (size_t i = 0; i < r->count; i++) {
    size_t size = strlen(r->secrets[i]);
    if (memcmp(text, r->secrets[i], size < len ? size : len) != 0) continue;
    if (size <= len) return r->secrets[i];
    *is_open = true;
  }
  return NULL;
}

void dl_redact_feed(dl_redact_t *r, const char *bytes, size_t len, bool is_end,
                    void (*emit)(const char *bytes, size_t len, void *user), void *user) {
  size_t at = 0, from = 0;
  dl_buf_append(&r->held, bytes, len);
  while (at < r->held.len) {
    bool is_open;
    const char *secret = secret_at(r, r->held.data + at, r->held.len - at, &is_open);
    if (is_open && !is_end) break;
    if (!secret) {
      at++;
      continue;
    }
    if (at > from) emit(r->held.data + from, at - from, user);
    emit(MARKER, strlen(MARKER), user);
    at += strlen(secret);
    from = at;
  }
  if (at > from) emit(r->held.data + from, at - from, user);
  dl_buf_consume(&r->held, at);
}
