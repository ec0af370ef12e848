/*
 * See secrets.h. A text is compared with a secret after decoding, byte by byte, once for each way in which it may be
 * encoded; so no spelling needs to be made up beforehand.
 */
#include "call/secrets.h"

#include <stdint.h>
#include <string.h>

#include "core/limits.h"

enum { USER_MIN = 4 };

/* How a text may be encoded; both at once where a URL stands in JSON. */
enum { IN_JSON = 1, IN_URL = 2, WAYS = 4 };

static const char stars[] = "***";

/* --- finding ----------------------------------------------------------------------------------- */

static int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The number of the hexadecimal digits at `at`, or -1. */
static long hex_number(const char *at, int digits) {
  long number = 0;
  for (int i = 0; i < digits; i++) {
    int digit = hex(at[i]);
    if (digit < 0) return -1;
    number = number << 4 | digit;
  }
  return number;
}

static size_t put_utf8(uint32_t c, char out[4]) {
  if (c < 0x80) {
    out[0] = (char)c;
    return 1;
  }
  size_t size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
  for (size_t i = size - 1; i != 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3f));
  out[0] = (char)(lead[size] | c);
  return size;
}

/* The character behind a backslash, as JSON means it. Returns how much of the text it was; 0: no escape. */
static size_t escape(const char *at, char out[4], size_t *size) {
  static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
  const char *name = at[1] != '\0' ? strchr(names, at[1]) : NULL;
  *size = 1;
  if (name != NULL) {
    out[0] = bytes[name - names];
    return 2;
  }
  long code = at[1] == 'u' ? hex_number(at + 2, 4) : -1;
  if (code <= 0) return 0;
  long low = code >> 10 == 0x36 && at[6] == '\\' && at[7] == 'u' ? hex_number(at + 8, 4) : -1;
  bool is_pair = low >> 10 == 0x37;
  *size =
    put_utf8(is_pair ? (uint32_t)(0x10000 + ((code & 0x3ff) << 10) + (low & 0x3ff)) : (uint32_t)code, out);
  return is_pair ? 12 : 6;
}

/* One step of a text that is encoded this way: the bytes that it stands for. */
static size_t step(const char *at, int way, char out[4], size_t *size) {
  if ((way & IN_JSON) != 0 && *at == '\\') {
    size_t used = escape(at, out, size);
    if (used != 0) return used;
  }
  *size = 1;
  out[0] = *at;
  if ((way & IN_URL) == 0 || *at != '%') return 1;
  long byte = hex_number(at + 1, 2);
  if (byte <= 0) return 1;
  out[0] = (char)byte;
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

static const char *blot(const daytona__secrets_t *secrets, daytona__arena_t *arena, const char *text) {
  size_t found = 0, size;
  if (text == NULL) return NULL;
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

static const daytona_header_t *clean_headers(const daytona__secrets_t *secrets, daytona__arena_t *arena,
                                             const daytona_error_t *error) {
  daytona_header_t *headers = daytona__arena_array(arena, error->header_count, sizeof *headers);
  if (headers == NULL) return NULL;
  for (size_t i = 0; i < error->header_count; i++) {
    headers[i].name = error->headers[i].name;
    headers[i].value = blot(secrets, arena, error->headers[i].value);
  }
  return headers;
}

void daytona__secrets_clean(const daytona__secrets_t *secrets, daytona__arena_t *arena,
                            daytona_error_t *error) {
  if (secrets->count != 0) {
    error->message = blot(secrets, arena, error->message);
    error->body = blot(secrets, arena, error->body);
    error->server_code = blot(secrets, arena, error->server_code);
    error->source = blot(secrets, arena, error->source);
    error->request_id = blot(secrets, arena, error->request_id);
    error->field = blot(secrets, arena, error->field);
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
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  size_t size = strlen(text);
  char *copy = daytona__arena_alloc(arena, size / 3 * 4 + 5), *out = copy;
  if (copy == NULL) return NULL;
  uint32_t bits = 0;
  int count = 0;
  for (size_t i = 0; i < size; i++) {
    bits = bits << 8 | (unsigned char)text[i];
    for (count += 8; count >= 6; count -= 6) *out++ = digits[bits >> (count - 6) & 63];
  }
  if (count != 0) *out = digits[bits << (6 - count) & 63];
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
