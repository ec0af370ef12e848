/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Percent coding and queries. What cannot be decoded is refused, never passed on half decoded.
 */
#include "http/url.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char *dl_url_decode(const char *text, size_t len, bool plus) {
  char *out = dl_xmalloc(len + 1);
  size_t n = 0;
  for (size_t i = 0; i < len; i++) {
    char c = text[i];
    if (c == '%') {
      if (len - i < 3) goto bad;
      int hi = hex_digit(text[i + 1]), lo = hex_digit(text[i + 2]);
      if (hi < 0 || lo < 0) goto bad;
      c = (char)(hi << 4 | lo);
      i += 2;
    } else if (c == '+' && plus) {
      c = ' ';
    }
    if (c == '\0') goto bad;
    out[n++] = c;
  }
  out[n] = '\0';
  if (dl_utf8_valid(out, n)) return out;
bad:
  free(out);
  return NULL;
}

char *dl_url_encode(const char *text) {
  dl_buf_t out;
  dl_buf_init(&out, strlen(text) * 3);
  for (const char *c = text; *c; c++) {
    if (isalnum((unsigned char)*c) || strchr("-._~", *c))
      dl_buf_append(&out, c, 1);
    else
      dl_buf_printf(&out, "%%%02X", (unsigned char)*c);
  }
  return dl_buf_take(&out);
}

static void add_pair(dl_query_t *q, const char *text, size_t len) {
  if (len == 0 || q->count == DL_QUERY_MAX) return;
  const char *eq = memchr(text, '=', len);
  size_t key_len = eq ? (size_t)(eq - text) : len;
  char *key = dl_url_decode(text, key_len, true);
  char *value = eq ? dl_url_decode(eq + 1, len - key_len - 1, true) : dl_xstrdup("");
  if (!key || !value) {
    free(key);
    free(value);
    return;
  }
  q->pairs = dl_xrealloc(q->pairs, (q->count + 1) * sizeof *q->pairs);
  q->pairs[q->count++] = (dl_query_pair_t){key, value};
}

void dl_query_parse(dl_query_t *q, const char *raw) {
  *q = (dl_query_t){0};
  while (raw && *raw) {
    size_t len = strcspn(raw, "&");
    add_pair(q, raw, len);
    raw += len;
    if (*raw == '&') raw++;
  }
}

void dl_query_clear(dl_query_t *q) {
  for (size_t i = 0; i < q->count; i++) {
    free(q->pairs[i].key);
    free(q->pairs[i].value);
  }
  free(q->pairs);
  *q = (dl_query_t){0};
}

const char *dl_query_get(const dl_query_t *q, const char *key) {
  for (size_t i = 0; i < q->count; i++)
    if (strcmp(q->pairs[i].key, key) == 0) return q->pairs[i].value;
  return NULL;
}

const char *dl_query_next(const dl_query_t *q, const char *key, size_t *at) {
  size_t len = strlen(key);
  for (; *at < q->count; (*at)++) {
    const char *have = q->pairs[*at].key;
    if (strncmp(have, key, len) != 0) continue;
    if (have[len] == '\0' || strcmp(have + len, "[]") == 0) return q->pairs[(*at)++].value;
  }
  return NULL;
}
