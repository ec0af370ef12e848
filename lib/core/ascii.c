/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See ascii.h. Base64 is mbedTLS's, which takes the same time for all bytes: what is encoded here are passwords.
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
