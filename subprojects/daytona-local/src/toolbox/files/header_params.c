/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters of MIME headers, read (also in the extended form of RFC 5987) and written.
 */
#include "http/url.h"
#include "toolbox/files/multipart.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Characters after which a backslash escapes in practice: browsers send Windows paths unescaped. */
#define SPECIALS "()<>@,;:\\\"/[]?="

static const char *skip_space(const char *at) {
  while (*at != '\0' && isspace((unsigned char)*at)) at++;
  return at;
}

bool dl_header_is(const char *value, const char *type) {
  value = skip_space(value);
  size_t len = strcspn(value, ";");
  while (len > 0 && isspace((unsigned char)value[len - 1])) len--;
  return len == strlen(type) && strncasecmp(value, type, len) == 0;
}

/* The value behind '='; *at is moved behind it. Yours to free. */
static char *read_value(const char **at) {
  const char *p = *at;
  if (*p != '"') {
    size_t len = strcspn(p, "; \t");
    *at = p + len;
    return dl_xstrndup(p, len);
  }
  char *out = dl_xmalloc(strlen(p));
  size_t n = 0;
  for (p++; *p != '\0' && *p != '"'; p++) {
    if (*p == '\\' && p[1] != '\0' && strchr(SPECIALS, p[1]) != NULL) p++;
    out[n++] = *p;
  }
  out[n] = '\0';
  *at = *p == '"' ? p + 1 : p;
  return out;
}

/* CHARSET'LANGUAGE'PERCENT-ENCODED; the charset is taken for UTF-8. NULL when it is not of that form. */
static char *decode_extended(const char *text) {
  const char *first = strchr(text, '\'');
  const char *second = first ? strchr(first + 1, '\'') : NULL;
  return second ? dl_url_decode(second + 1, strlen(second + 1), false) : NULL;
}

char *dl_header_param(const char *value, const char *name) {
  size_t len = strlen(name);
  char *plain = NULL, *extended = NULL;
  const char *at = value + strcspn(value, ";");
  while (*at == ';') {
    at = skip_space(at + 1);
    size_t key_len = strcspn(at, "=; \t");
    const char *key = at;
    at = skip_space(at + key_len);
    if (*at != '=') {
      at += strcspn(at, ";");
      continue;
    }
    at = skip_space(at + 1);
    char *text = read_value(&at);
    bool is_named = strncasecmp(key, name, len < key_len ? len : key_len) == 0;
    if (is_named && key_len == len && plain == NULL) {
      plain = text;
    } else {
      if (is_named && key_len == len + 1 && key[len] == '*' && extended == NULL)
        extended = decode_extended(text);
      free(text);
    }
    at = skip_space(at);
    at += strcspn(at, ";");
  }
  if (extended == NULL) return plain;
  free(plain);
  return extended;
}

char *dl_multipart_boundary(const char *content_type) {
  if (content_type == NULL) return NULL;
  if (!dl_header_is(content_type, "multipart/form-data") && !dl_header_is(content_type, "multipart/mixed"))
    return NULL;
  char *boundary = dl_header_param(content_type, "boundary");
  if (boundary != NULL && *boundary != '\0' && strlen(boundary) <= DL_MULTIPART_BOUNDARY_MAX) return boundary;
  free(boundary);
  return NULL;
}

/* --- writing --- */

/* The code point at *at (moved behind it), U+FFFD for bytes that are no UTF-8. */
static unsigned next_code(const char **at) {
  const unsigned char *p = (const unsigned char *)*at;
  size_t len = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
  if (len > strlen(*at) || !dl_utf8_valid(*at, len)) {
    (*at)++;
    return 0xfffd;
  }
  unsigned code = len == 1 ? p[0] : p[0] & (0xffu >> (len + 1));
  for (size_t i = 1; i < len; i++) code = code << 6 | (p[i] & 0x3f);
  *at += len;
  return code;
}

static void put_latin1(dl_buf_t *out, const char *text) {
  while (*text != '\0') {
    unsigned code = next_code(&text);
    if (code == '\r' || code == '\n') continue;
    char c = (char)code;
    if (code == '"' || code == '\\') dl_buf_puts(out, "\\");
    if (code < 0x20 || (code >= 0x7f && code < 0xa0) || code > 0xff) c = '_';
    dl_buf_append(out, &c, 1);
  }
}

void dl_filename_params(dl_buf_t *out, const char *path) {
  dl_buf_puts(out, "filename=\"");
  put_latin1(out, path);
  dl_buf_puts(out, "\"; filename*=utf-8''");
  for (; *path != '\0'; path++) {
    if (isalnum((unsigned char)*path) || strchr("!#$&+-.^_`|~", *path) != NULL)
      dl_buf_append(out, path, 1);
    else
      dl_buf_printf(out, "%%%02X", (unsigned char)*path);
  }
}
