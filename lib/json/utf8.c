/*
 * UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. NUL is valid
 * UTF-8 but not in our strings, so the public question answers no to it.
 */
#include "json/utf8.h"

#include <stdint.h>
#include <string.h>

#include "json/codec.h"

static bool is_tail(unsigned char byte) { return (byte & 0xC0) == 0x80; }

size_t daytona__utf8_length(const char *text, size_t size) {
  const unsigned char *byte = (const unsigned char *)text;
  if (size == 0) return 0;
  if (byte[0] < 0x80) return 1;
  if (byte[0] < 0xC2) return 0;
  if (byte[0] < 0xE0) return size >= 2 && is_tail(byte[1]) ? 2 : 0;
  if (byte[0] < 0xF0) {
    if (size < 3 || !is_tail(byte[1]) || !is_tail(byte[2])) return 0;
    if (byte[0] == 0xE0 && byte[1] < 0xA0) return 0;
    if (byte[0] == 0xED && byte[1] > 0x9F) return 0;
    return 3;
  }
  if (byte[0] > 0xF4 || size < 4 || !is_tail(byte[1]) || !is_tail(byte[2]) || !is_tail(byte[3])) return 0;
  if (byte[0] == 0xF0 && byte[1] < 0x90) return 0;
  if (byte[0] == 0xF4 && byte[1] > 0x8F) return 0;
  return 4;
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
