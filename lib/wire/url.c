/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs; see url.h. Nothing that a program or a server hands us gets into a URL unencoded, apart from
 * base URLs, and those are checked byte by byte: a URL made here never holds a space, a control character
 * or a second host.
 */
#include "wire/url.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <daytona/error.h>

#include "core/ascii.h"
#include "core/limits.h"
#include "core/memory.h"
#include "json/codec.h"
#include "json/number.h"

enum { FIRST_ROOM = 192, PORT_MAX = 65535 };

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool is_alnum(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

static bool is_unreserved(char c) { return is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~'; }

static void fail(daytona__url_t *url, const char *problem) {
  if (url->text.error != 0) return;
  url->text.error = DAYTONA_EINVAL;
  url->problem = problem;
}

void daytona__url_init(daytona__url_t *url) {
  memset(url, 0, sizeof *url);
  daytona__strbuf_init(&url->text, DAYTONA__URL_MAX);
}

/* A token may be part of it. */
void daytona__url_clear(daytona__url_t *url) {
  if (url->text.data != NULL) daytona__wipe(url->text.data, url->text.size);
  daytona__strbuf_clear(&url->text);
}

/* Append `value`, percent-encoded but for unreserved characters and those of `also_plain`. */
static void put_encoded(daytona__url_t *url, const char *value, const char *also_plain) {
  static const char digits[] = "0123456789ABCDEF";
  size_t size = strlen(value);
  if (size > DAYTONA__URL_MAX) size = DAYTONA__URL_MAX + 1; /* reserving that much reports the limit */
  size_t encoded = size;
  for (size_t i = 0; i < size; i++)
    if (!is_unreserved(value[i]) && strchr(also_plain, value[i]) == NULL) encoded += 2;
  char *at = daytona__strbuf_reserve(&url->text, encoded);
  if (at == NULL) return;
  for (size_t i = 0; i < size; i++) {
    if (is_unreserved(value[i]) || strchr(also_plain, value[i]) != NULL) {
      *at++ = value[i];
      continue;
    }
    unsigned char byte = (unsigned char)value[i];
    *at++ = '%';
    *at++ = digits[byte >> 4];
    *at++ = digits[byte & 15];
  }
  *at = '\0';
  url->text.size += encoded;
}

void daytona__url_segment(daytona__url_t *url, const char *value) {
  if (value == NULL || value[0] == '\0') {
    fail(url, "an id, name or other part of the request's path is missing or empty");
  } else if (strcmp(value, ".") == 0 || strcmp(value, "..") == 0) {
    fail(url, "\".\" and \"..\" cannot be part of the request's path");
  } else if (!daytona__utf8_is_valid(value, strlen(value))) {
    fail(url, "a part of the request's path is not valid UTF-8");
  } else {
    put_encoded(url, value, "");
  }
}

void daytona__url_base_of(daytona__url_t *url, const char *base) {
  if (base == NULL || base[0] == '\0') {
    fail(url, "the address of the service is not known");
    return;
  }
  assert(base[strlen(base) - 1] != '/' && !url->has_query);
  if (url->text.data == NULL) daytona__strbuf_reserve(&url->text, FIRST_ROOM);
  daytona__strbuf_puts(&url->text, base);
}

void daytona__url_text(daytona__url_t *url, const char *text, size_t size) {
  daytona__strbuf_append(&url->text, text, size);
}

void daytona__url_path(daytona__url_t *url, const char *base, const char *path, ...) {
  va_list args;
  assert(path[0] == '/' || path[0] == '\0');
  daytona__url_base_of(url, base);
  if (url->text.error != 0) return;
  va_start(args, path);
  for (const char *hole; (hole = strstr(path, "{}")) != NULL; path = hole + 2) {
    daytona__url_text(url, path, (size_t)(hole - path));
    daytona__url_segment(url, va_arg(args, const char *));
  }
  va_end(args);
  daytona__url_text(url, path, strlen(path));
}

void daytona__url_query(daytona__url_t *url, const char *key, const char *value) {
  if (value == NULL) return;
  if (!daytona__utf8_is_valid(value, strlen(value))) {
    fail(url, "a query value is not valid UTF-8");
    return;
  }
  daytona__strbuf_putc(&url->text, url->has_query ? '&' : '?');
  url->has_query = true;
  put_encoded(url, key, "");
  daytona__strbuf_putc(&url->text, '=');
  put_encoded(url, value, "/");
}

void daytona__url_query_int(daytona__url_t *url, const char *key, daytona_opt_int_t value) {
  char text[24];
  if (!value.is_set) return;
  snprintf(text, sizeof text, "%" PRId64, value.value);
  daytona__url_query(url, key, text);
}

void daytona__url_query_num(daytona__url_t *url, const char *key, daytona_opt_num_t value) {
  char text[DAYTONA__NUMBER_SIZE];
  if (!value.is_set) return;
  if (daytona__number_print(value.value, text) == 0)
    fail(url, "a query value is not a finite number");
  else
    daytona__url_query(url, key, text);
}

void daytona__url_query_bool(daytona__url_t *url, const char *key, daytona_opt_bool_t value) {
  if (value.is_set) daytona__url_query(url, key, value.value ? "true" : "false");
}

void daytona__url_query_list(daytona__url_t *url, const char *key, daytona_strings_t values) {
  for (size_t i = 0; i < values.count; i++) daytona__url_query(url, key, values.items[i]);
}

int daytona__url_finish(daytona__url_t *url, daytona__arena_t *arena, const char **out) {
  int error = url->text.error;
  if (error == 0) {
    const char *text = daytona__arena_strndup(arena, url->text.data, url->text.size);
    if (text != NULL)
      *out = text;
    else
      error = DAYTONA_ENOMEM;
  }
  if (error == DAYTONA_ELIMIT) url->problem = "the address of the request is too long";
  if (error == DAYTONA_ENOMEM) url->problem = daytona_errcode_text(DAYTONA_ENOMEM);
  daytona__url_clear(url);
  url->text.error = error;
  return error;
}

/* The character behind the host, or NULL if there is no well-formed host. */
static const char *skip_host(const char *at) {
  if (*at == '[') {
    const char *start = ++at;
    while (daytona__hex_digit(*at) >= 0 || *at == ':' || *at == '.') at++;
    return *at == ']' && at - start >= 2 ? at + 1 : NULL;
  }
  const char *start = at;
  while (is_unreserved(*at)) at++;
  return at != start ? at : NULL;
}

/* The character behind ":port" if there is one; NULL if it is not a port. */
static const char *skip_port(const char *at) {
  long port = 0;
  if (*at != ':') return at;
  at++;
  for (const char *start = at; is_digit(*at); at++) {
    if (at - start >= 5) return NULL;
    port = port * 10 + (*at - '0');
  }
  return port >= 1 && port <= PORT_MAX ? at : NULL;
}

/* Why `text` is no base URL, or NULL. `*rest` is what follows the scheme's "://". */
static const char *base_problem(const char *text, const char **rest) {
  for (const char *at = text; *at != '\0'; at++)
    if (*at <= ' ' || *at > '~' || strchr("\"<>\\^`{|}", *at) != NULL)
      return "the URL holds a space or another character that must be percent-encoded";
  if (strncasecmp(text, "http://", 7) == 0)
    *rest = text + 7;
  else if (strncasecmp(text, "https://", 8) == 0)
    *rest = text + 8;
  else
    return "the URL does not begin with http:// or https://";
  if (strpbrk(*rest, "?#") != NULL) return "the URL has a query or a fragment";
  if (memchr(*rest, '@', strcspn(*rest, "/")) != NULL) return "the URL holds credentials";
  const char *at = skip_host(*rest);
  if (at == NULL) return "the URL has no valid host";
  at = skip_port(at);
  if (at == NULL) return "the URL has no valid port";
  if (*at != '/' && *at != '\0') return "the URL has no valid host";
  for (; *at != '\0'; at++)
    if (*at == '%' && (daytona__hex_digit(at[1]) < 0 || daytona__hex_digit(at[2]) < 0))
      return "the URL is not percent-encoded";
  return NULL;
}

int daytona__url_base(daytona__arena_t *arena, const char *text, const char **out, const char **problem) {
  const char *unused, *rest = NULL;
  if (problem == NULL) problem = &unused;
  if (text == NULL || text[0] == '\0') {
    *problem = "the URL is empty";
    return DAYTONA_EINVAL;
  }
  if (strnlen(text, DAYTONA__URL_MAX) == DAYTONA__URL_MAX) {
    *problem = "the URL is too long";
    return DAYTONA_ELIMIT;
  }
  const char *why = base_problem(text, &rest);
  if (why != NULL) {
    *problem = why;
    return DAYTONA_EINVAL;
  }
  size_t size = strlen(rest);
  while (rest[size - 1] == '/') size--; /* stops at the host */
  const char *scheme = rest - text == 8 ? "https" : "http";
  const char *base = daytona__arena_printf(arena, "%s://%.*s", scheme, (int)size, rest);
  if (base == NULL) {
    *problem = daytona_errcode_text(DAYTONA_ENOMEM);
    return DAYTONA_ENOMEM;
  }
  *out = base;
  return 0;
}
