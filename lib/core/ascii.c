/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See ascii.h. Base64 is encoded by mbedTLS, which takes the same time for all bytes: those are passwords. What is decoded is
 * no secret and may be large, so that is done by table.
 */
#include "core/ascii.h"

#include <assert.h>
#include <mbedtls/base64.h>
#include <string.h>

/* --- tokens ------------------------------------------------------------------------------------ */

bool daytona__is_token_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

bool daytona__is_token(const char *text) {
  if (text == NULL || *text == '\0') return false;
  while (daytona__is_token_char(*text)) text++;
  return *text == '\0';
}

/* --- base64 ------------------------------------------------------------------------------------ */

size_t daytona__base64(char *out, const void *bytes, size_t size) {
  size_t length = 0;
  int status = mbedtls_base64_encode((unsigned char *)out, DAYTONA__BASE64_ROOM(size), &length, bytes, size);
  assert(status == 0 && length < DAYTONA__BASE64_ROOM(size));
  (void)status;
  out[length] = '\0';
  return length;
}

size_t daytona__base64_url(char *out, const void *bytes, size_t size) {
  size_t length = daytona__base64(out, bytes, size);
  while (length != 0 && out[length - 1] == '=') length--;
  out[length] = '\0';
  for (size_t i = 0; i < length; i++)
    if (out[i] == '+')
      out[i] = '-';
    else if (out[i] == '/')
      out[i] = '_';
  return length;
}

/* The value of a digit of base64; 64 for other characters. */
static const unsigned char base64_values[256] = {
  64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
  64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 62, 64, 64, 64, 63, 52, 53, 54, 55,
  56, 57, 58, 59, 60, 61, 64, 64, 64, 64, 64, 64, 64, 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12,
  13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 64, 64, 64, 64, 64, 64, 26, 27, 28, 29, 30, 31, 32,
  33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 64, 64, 64, 64, 64, 64, 64,
  64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
  64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
  64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
  64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
  64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
};

static void put_three(uint32_t bits, char *out) {
  out[0] = (char)(bits >> 16 & 0xff);
  out[1] = (char)(bits >> 8 & 0xff);
  out[2] = (char)(bits & 0xff);
}

/* One character: a digit, padding or white space. */
static bool decode_char(daytona__base64_t *decoder, char c, char *out, size_t *written) {
  unsigned char value = base64_values[(unsigned char)c];
  if (c == ' ' || c == '\n' || c == '\r' || c == '\t') return true;
  if (c == '=') {
    if (decoder->count < 2 || decoder->count == 4) return false;
    if (!decoder->is_padded) daytona__base64_end(decoder, out, written);
    decoder->is_padded = true;
    decoder->count++;
    return true;
  }
  if (value == 64 || decoder->is_padded) return false;
  decoder->bits = decoder->bits << 6 | value;
  if (++decoder->count < 4) return true;
  put_three(decoder->bits, out + *written);
  *written += 3;
  decoder->count = 0;
  return true;
}

bool daytona__base64_decode(daytona__base64_t *decoder, const char *text, size_t size, char *out,
                            size_t *written) {
  const unsigned char *at = (const unsigned char *)text, *end = at + size;
  while (at < end) {
    while (decoder->count == 0 && end - at >= 4) {
      uint32_t a = base64_values[at[0]], b = base64_values[at[1]], c = base64_values[at[2]],
               d = base64_values[at[3]];
      if (((a | b | c | d) & 64) != 0) break;
      put_three(a << 18 | b << 12 | c << 6 | d, out + *written);
      *written += 3;
      at += 4;
    }
    if (at < end && !decode_char(decoder, (char)*at++, out, written)) return false;
  }
  return true;
}

bool daytona__base64_end(const daytona__base64_t *decoder, char *out, size_t *written) {
  char last[3];
  if (decoder->is_padded || decoder->count == 0) return !decoder->is_padded || decoder->count == 4;
  if (decoder->count == 1) return false;
  put_three(decoder->bits << 6 * (4 - decoder->count), last);
  memcpy(out + *written, last, decoder->count - 1);
  *written += decoder->count - 1;
  return true;
}

/* --- UTF-8 ------------------------------------------------------------------------------------- */

int daytona__utf8_lead(unsigned char byte, unsigned char *low, unsigned char *high) {
  *low = 0x80;
  *high = 0xBF;
  if (byte < 0x80) return 0;
  if (byte < 0xC2 || byte > 0xF4) return -1;
  if (byte == 0xE0) *low = 0xA0;
  if (byte == 0xED) *high = 0x9F;
  if (byte == 0xF0) *low = 0x90;
  if (byte == 0xF4) *high = 0x8F;
  return byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
}

size_t daytona__utf8_length(const char *text, size_t size) {
  const unsigned char *byte = (const unsigned char *)text;
  unsigned char low, high;
  if (size == 0) return 0;
  int more = daytona__utf8_lead(byte[0], &low, &high);
  if (more <= 0) return more == 0 ? 1 : 0;
  if (size <= (size_t)more || byte[1] < low || byte[1] > high) return 0;
  for (int i = 2; i <= more; i++)
    if ((byte[i] & 0xC0) != 0x80) return 0;
  return (size_t)more + 1;
}

uint32_t daytona__utf8_get(const char *text, size_t size) {
  static const unsigned char mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
  uint32_t code_point = (unsigned char)text[0] & mask[size];
  for (size_t i = 1; i < size; i++) code_point = code_point << 6 | ((unsigned char)text[i] & 0x3f);
  return code_point;
}

size_t daytona__utf8_space(const char *text, size_t size) {
  size_t length = daytona__utf8_length(text, size);
  uint32_t c = length != 0 ? daytona__utf8_get(text, length) : 'x';
  bool is_space = (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 ||
                  c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
                  c == 0x205f || c == 0x3000;
  return is_space ? length : 0;
}

bool daytona__utf8_is_valid(const char *text, size_t size) {
  const uint64_t high_bits = UINT64_C(0x8080808080808080);
  size_t i = 0;
  if (size != 0 && memchr(text, '\0', size) != NULL) return false;
  while (i < size) {
    uint64_t word;
    if (size - i >= sizeof word) {
      memcpy(&word, text + i, sizeof word);
      if ((word & high_bits) == 0) {
        i += sizeof word;
        continue;
      }
    }
    size_t length = daytona__utf8_length(text + i, size - i);
    if (length == 0) return false;
    i += length;
  }
  return true;
}

size_t daytona__utf8_size(uint32_t code_point) {
  return code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
}

size_t daytona__utf8_put(uint32_t code_point, char *out) {
  size_t size = daytona__utf8_size(code_point);
  static const unsigned char lead[] = {0, 0x00, 0xC0, 0xE0, 0xF0};
  assert(code_point <= 0x10FFFF);
  for (size_t i = size - 1; i > 0; i--) {
    out[i] = (char)(0x80 | (code_point & 0x3F));
    code_point >>= 6;
  }
  out[0] = (char)(lead[size] | code_point);
  return size;
}
