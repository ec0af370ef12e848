/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Response headers; see headers.h. Values come from a peer: what is malformed is as good as absent.
 */
#include "wire/headers.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#include "core/ascii.h"
#include "core/retry_after.h"

int64_t daytona__headers_retry_after(const daytona_header_t *headers, size_t count) {
  int64_t longest = -1, now_ms = (int64_t)time(NULL) * 1000;
  for (size_t i = 0; i < count; i++) {
    if (!daytona__is_retry_after(headers[i].name)) continue;
    int64_t ms = daytona__retry_after_ms(headers[i].value, now_ms);
    if (ms > longest) longest = ms;
  }
  return longest;
}

/* --- content types --- */

static const char *skip_blank(const char *at) {
  while (*at == ' ' || *at == '\t') at++;
  return at;
}

static const char *skip_token(const char *at) {
  while (daytona__is_token_char(*at)) at++;
  return at;
}

/* Behind "type/subtype"; NULL if there is none. `*start` is its beginning. */
static const char *skip_type(const char *value, const char **start) {
  const char *at = *start = skip_blank(value);
  at = skip_token(at);
  if (at == *start || *at != '/') return NULL;
  const char *subtype = at + 1;
  at = skip_token(subtype);
  if (at == subtype) return NULL;
  const char *rest = skip_blank(at);
  return *rest == '\0' || *rest == ';' ? at : NULL;
}

bool daytona__content_type(const char *value, char *out, size_t room) {
  const char *start = NULL, *end = value != NULL ? skip_type(value, &start) : NULL;
  out[0] = '\0';
  if (end == NULL || (size_t)(end - start) >= room) return false;
  for (; start < end; start++) *out++ = daytona__to_lower(*start);
  *out = '\0';
  return true;
}

/* Copy a token or quoted string to `out`; returns what follows it, or NULL. NULL `out` only skips. */
static const char *read_param_value(const char *at, char *out, size_t room) {
  size_t size = 0;
  bool is_quoted = *at == '"';
  if (is_quoted) at++;
  while (is_quoted ? *at != '"' : daytona__is_token_char(*at)) {
    if (is_quoted && *at == '\\') at++;
    if (*at == '\0') return NULL;
    if (out != NULL && size + 1 >= room) return NULL;
    if (out != NULL) out[size] = *at;
    size++;
    at++;
  }
  if (out != NULL) out[size] = '\0';
  return is_quoted ? at + 1 : at;
}

bool daytona__content_type_param(const char *value, const char *name, char *out, size_t room) {
  const char *start, *at = value != NULL ? skip_type(value, &start) : NULL;
  out[0] = '\0';
  while (at != NULL) {
    at = skip_blank(at);
    if (*at != ';') return false;
    const char *key = at = skip_blank(at + 1);
    at = skip_token(at);
    size_t key_size = (size_t)(at - key);
    if (key_size == 0) continue;
    if (*at != '=') return false;
    if (key_size == strlen(name) && strncasecmp(key, name, key_size) == 0) {
      if (read_param_value(at + 1, out, room) != NULL) return true;
      out[0] = '\0';
      return false;
    }
    at = read_param_value(at + 1, NULL, 0);
  }
  return false;
}

bool daytona__content_type_is_json(const char *type) {
  size_t size = strlen(type);
  return strcmp(type, "application/json") == 0 || (size > 5 && strcmp(type + size - 5, "+json") == 0);
}
