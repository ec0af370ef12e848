/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Characters: hexadecimal digits, tokens of HTTP, base64, UTF-8. Nothing here asks the locale.
 */
#ifndef DAYTONA_CORE_ASCII_H
#define DAYTONA_CORE_ASCII_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The value of a hexadecimal digit of either case, or -1. */
static inline int daytona__hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

static inline char daytona__to_lower(char c) { return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c); }

/* A tchar of RFC 9110: what header names, parameters and WebSocket protocols are made of. */
bool daytona__is_token_char(char c);

/* At least one of them and nothing else. False for NULL. */
bool daytona__is_token(const char *text);

/* Room that `size` bytes take as base64, with the NUL. */
#define DAYTONA__BASE64_ROOM(size) (((size_t)(size) + 2) / 3 * 4 + 1)

/* Encode to `out` of that room, with padding; for URLs with '-' and '_' and without. Gives the length. */
size_t daytona__base64(char *out, const void *bytes, size_t size);
size_t daytona__base64_url(char *out, const void *bytes, size_t size);

/*
 * Decode base64 in parts of any size: zero `decoder` and `*written` first. `out` has room for the bytes, three for every four
 * characters, or is the text itself. White space and missing padding are allowed. False: the text is not base64.
 */
typedef struct daytona__base64 {
  uint32_t bits;  /* of the group that is not complete */
  unsigned count; /* its characters, padding included */
  bool is_padded; /* nothing but padding may follow */
} daytona__base64_t;
bool daytona__base64_decode(daytona__base64_t *decoder, const char *text, size_t size, char *out,
                            size_t *written);
bool daytona__base64_end(const daytona__base64_t *decoder, char *out, size_t *written);

/*
 * UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
 *
 * How many bytes follow one that begins a character, and the bounds of the first of them (the others are 0x80 to
 * 0xBF); -1 if none begins with it.
 */
int daytona__utf8_lead(unsigned char byte, unsigned char *low, unsigned char *high);

/* Bytes of the character that `text` begins with, or 0 if it does not begin with a valid one. */
size_t daytona__utf8_length(const char *text, size_t size);

/* The code point of a valid character of `size` bytes. */
uint32_t daytona__utf8_get(const char *text, size_t size);

/* Bytes of the white space character of Unicode that `text` begins with, control characters included; 0: none. */
size_t daytona__utf8_space(const char *text, size_t size);

/* Whether the bytes are UTF-8 without NUL, which our strings cannot hold. */
bool daytona__utf8_is_valid(const char *text, size_t size);

/* Bytes of a code point, and writing them to `out`, which has room for 4. */
size_t daytona__utf8_size(uint32_t code_point);
size_t daytona__utf8_put(uint32_t code_point, char *out);

#endif
