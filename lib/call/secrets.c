/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See secrets.h. A text is compared with a secret after decoding, byte by byte, once for each way in which it may be
 * encoded; so no spelling needs to be made up beforehand.
 */
#include "call/secrets.h"

#include <stdint.h>
#include <string.h>

#include "core/ascii.h"
#include "core/limits.h"
#include "json/lexer.h"

enum { USER_MIN = 4 };

/* How a text may be encoded; both at once where a URL stands in JSON. */
enum { IN_JSON = 1, IN_URL = 2, WAYS = 4 };

/* The longest escape of JSON: a pair of surrogates. */
enum { ESCAPE_MAX = 12 };

static const char stars[] = "***";

/* --- finding ----------------------------------------------------------------------------------- */

/* One step of a text that is encoded this way: the bytes that it stands for. */
static size_t step(const char *at, int way, char out[4], size_t *size) {
  if ((way & IN_JSON) != 0 && *at == '\\') {
    uint32_t code_point = 0;
    size_t used = daytona__json_escape(at, at + strnlen(at, ESCAPE_MAX), &code_point);
    if (used != 0 && code_point != 0) {
      *size = daytona__utf8_put(code_point, out);
      return used;
    }
  }
  *size = 1;
  out[0] = *at;
  if ((way & IN_URL) == 0 || *at != '%') return 1;
  int high = daytona__hex_digit(at[1]), low = high >= 0 ? daytona__hex_digit(at[2]) : -1;
  if (low < 0 || (high | low) == 0) return 1;
  out[0] = (char)(high << 4 | low);
  return 3;
}

/* How much of the text spells the secret; 0: it does not. At the end of a text that was cut, a beginning counts. */
static size_t spells(const char *text, const char *secret, int way, bool is_cut) {
  const char *at = text;
  while (*secret != '\0') {
    char bytes[4];
    size_t size;
    if (*at == '\0') return is_cut ? (size_t)(at - text) : 0;
    at += step(at, way, bytes, &size);
    if (strncmp(secret, bytes, size) != 0) return 0;
    secret += size;
  }
  return (size_t)(at - text);
}

/* The longest secret that begins here, in any way. */
static size_t match(const daytona__secrets_t *secrets, const char *text, bool is_cut) {
  size_t longest = 0;
  for (size_t i = 0; i < secrets->count; i++)
    for (int way = 0; way < WAYS; way++) {
      if (way != 0 && *text != secrets->texts[i][0] && *text != '\\' && *text != '%') break;
      size_t size = spells(text, secrets->texts[i], way, is_cut);
      if (size > longest) longest = size;
    }
  return longest;
}

const char *daytona__secrets_clean_text(const daytona__secrets_t *secrets, daytona__arena_t *arena,
                                        const char *text) {
  size_t found = 0, size;
  if (text == NULL || secrets->count == 0) return text;
  bool is_cut = strlen(text) >= DAYTONA__ERROR_BODY_MAX;
  for (const char *at = text; *at != '\0'; at += size != 0 ? size : 1)
    if ((size = match(secrets, at, is_cut)) != 0) found++;
  if (found == 0) return text;
  char *clean = daytona__arena_alloc(arena, strlen(text) + found * (sizeof stars - 1) + 1), *out = clean;
  if (clean == NULL) return stars;
  while (*text != '\0') {
    if ((size = match(secrets, text, is_cut)) == 0) {
      *out++ = *text++;
      continue;
    }
    memcpy(out, stars, sizeof stars - 1);
    out += sizeof stars - 1;
    text += size;
  }
  return clean;
}

static const daytona_header_t *const *clean_headers(const daytona__secrets_t *secrets,
                                                    daytona__arena_t *arena, const daytona_error_t *error) {
  daytona_header_t *headers = daytona__arena_array(arena, error->header_count, sizeof *headers);
  for (size_t i = 0; headers != NULL && i < error->header_count; i++) {
    headers[i].name = error->headers[i]->name;
    headers[i].value = daytona__secrets_clean_text(secrets, arena, error->headers[i]->value);
  }
  return headers != NULL ? daytona__arena_pointers(arena, headers, error->header_count, sizeof *headers)
                         : NULL;
}

void daytona__secrets_clean(const daytona__secrets_t *secrets, daytona__arena_t *arena,
                            daytona_error_t *error) {
  if (secrets->count != 0) {
    error->message = daytona__secrets_clean_text(secrets, arena, error->message);
    error->body = daytona__secrets_clean_text(secrets, arena, error->body);
    error->server_code = daytona__secrets_clean_text(secrets, arena, error->server_code);
    error->source = daytona__secrets_clean_text(secrets, arena, error->source);
    error->request_id = daytona__secrets_clean_text(secrets, arena, error->request_id);
    error->field = daytona__secrets_clean_text(secrets, arena, error->field);
    if (error->header_count != 0) error->headers = clean_headers(secrets, arena, error);
    if (error->headers == NULL) error->header_count = 0;
  }
  /* Behind a NUL nothing was looked at. */
  if (error->body != NULL) error->body_size = strlen(error->body);
}

/* --- keeping ----------------------------------------------------------------------------------- */

static void keep(daytona__secrets_t *secrets, const char *copy) {
  if (copy == NULL || secrets->count == DAYTONA__SECRETS_MAX)
    secrets->is_short = true;
  else
    secrets->texts[secrets->count++] = copy;
}

static void add(daytona__secrets_t *secrets, daytona__arena_t *arena, const char *text, size_t size) {
  if (size != 0) keep(secrets, daytona__arena_strndup(arena, text, size));
}

void daytona__secrets_add(daytona__secrets_t *secrets, daytona__arena_t *arena, const char *text) {
  if (text != NULL) add(secrets, arena, text, strlen(text));
}

/* Without the padding: the secret is what stands in front of it. */
static const char *base64(daytona__arena_t *arena, const char *text) {
  size_t size = strlen(text);
  char *copy = daytona__arena_alloc(arena, DAYTONA__BASE64_ROOM(size));
  if (copy == NULL) return NULL;
  size_t length = daytona__base64(copy, text, size);
  while (length != 0 && copy[length - 1] == '=') copy[--length] = '\0';
  return copy;
}

void daytona__secrets_add_login(daytona__secrets_t *secrets, daytona__arena_t *arena, const char *user,
                                const char *password) {
  daytona__secrets_add(secrets, arena, password);
  if (strlen(user) >= USER_MIN) daytona__secrets_add(secrets, arena, user);
  const char *both = daytona__arena_printf(arena, "%s:%s", user, password);
  keep(secrets, both != NULL ? base64(arena, both) : NULL);
}

/* What `size` bytes of a URL stand for. */
static const char *decoded(daytona__arena_t *arena, const char *text, size_t size) {
  char *copy = daytona__arena_strndup(arena, text, size), *out = copy;
  if (copy == NULL) return NULL;
  for (const char *at = copy; *at != '\0';) {
    char bytes[4];
    size_t count;
    at += step(at, IN_URL, bytes, &count);
    *out++ = bytes[0];
  }
  *out = '\0';
  return copy;
}

void daytona__secrets_add_url(daytona__secrets_t *secrets, daytona__arena_t *arena, const char *text) {
  const char *authority = text != NULL ? strstr(text, "://") : NULL;
  if (authority == NULL) return;
  authority += 3;
  size_t size = strcspn(authority, "/?#"), user_size = 0;
  for (size_t i = 0; i < size; i++)
    if (authority[i] == '@') user_size = i;
  if (user_size == 0) return;
  const char *colon = memchr(authority, ':', user_size), *end = authority + user_size;
  const char *user = decoded(arena, authority, colon != NULL ? (size_t)(colon - authority) : user_size);
  const char *password = colon != NULL ? decoded(arena, colon + 1, (size_t)(end - colon - 1)) : "";
  if (user == NULL || password == NULL) {
    secrets->is_short = true;
    return;
  }
  if (colon == NULL && strlen(user) < USER_MIN)
    daytona__secrets_add(secrets, arena, user); /* alone it is a token */
  daytona__secrets_add_login(secrets, arena, user, password);
}
