/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base64 (RFC 4648) and SHA-1 (RFC 3174).
 */
#include "base/encode.h"

#include <string.h>

/* --- base64 --- */

void dl_base64(const unsigned char *bytes, size_t len, char *out) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < len; i += 3) {
    size_t left = len - i;
    uint32_t group = (uint32_t)bytes[i] << 16;
    if (left > 1) group |= (uint32_t)bytes[i + 1] << 8;
    if (left > 2) group |= bytes[i + 2];
    *out++ = digits[group >> 18];
    *out++ = digits[group >> 12 & 63];
    *out++ = left > 1 ? digits[group >> 6 & 63] : '=';
    *out++ = left > 2 ? digits[group & 63] : '=';
  }
  *out = '\0';
}

static int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool dl_base64_read(const char *text, unsigned char *out, size_t len) {
  size_t have = strlen(text), n = 0;
  if (have != (len + 2) / 3 * 4) return false;
  for (size_t i = 0; i < have; i += 4) {
    uint32_t group = 0;
    for (size_t j = 0; j < 4; j++) {
      bool is_pad = n + j > len;
      int digit = is_pad ? 0 : base64_digit(text[i + j]);
      if (digit < 0 || (is_pad && text[i + j] != '=')) return false;
      group = group << 6 | (uint32_t)digit;
    }
    for (int shift = 16; shift >= 0; shift -= 8) {
      unsigned char byte = (unsigned char)(group >> shift);
      if (n < len)
        out[n++] = byte;
      else if (byte != 0) /* bits that nothing stands for */
        return false;
    }
  }
  return n == len;
}

/* --- SHA-1 --- */

static uint32_t turned(uint32_t word, int by) { return word << by | word >> (32 - by); }

static void add_block(uint32_t state[5], const unsigned char block[64]) {
  uint32_t words[80];
  for (size_t i = 0; i < 16; i++)
    words[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
  for (size_t i = 16; i < 80; i++)
    words[i] = turned(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
  for (size_t i = 0; i < 80; i++) {
    uint32_t mixed = i < 20   ? ((b & c) | (~b & d)) + 0x5a827999u
                     : i < 40 ? (b ^ c ^ d) + 0x6ed9eba1u
                     : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdcu
                              : (b ^ c ^ d) + 0xca62c1d6u;
    uint32_t next = turned(a, 5) + mixed + e + words[i];
    e = d;
    d = c;
    c = turned(b, 30);
    b = a;
    a = next;
  }
  const uint32_t sums[5] = {a, b, c, d, e};
  for (size_t i = 0; i < 5; i++) state[i] += sums[i];
}

void dl_sha1(const void *bytes, size_t len, unsigned char out[20]) {
  uint32_t state[5] = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u, 0xc3d2e1f0u};
  const unsigned char *at = bytes;
  size_t left = len;
  for (; left >= 64; at += 64, left -= 64) add_block(state, at);
  unsigned char tail[128] = {0};
  size_t tail_len = left < 56 ? 64 : 128;
  if (left > 0) memcpy(tail, at, left);
  tail[left] = 0x80;
  for (size_t i = 0; i < 8; i++) tail[tail_len - 1 - i] = (unsigned char)((uint64_t)len * 8 >> 8 * i);
  for (size_t i = 0; i < tail_len; i += 64) add_block(state, tail + i);
  for (size_t i = 0; i < 20; i++) out[i] = (unsigned char)(state[i / 4] >> (24 - 8 * (i % 4)));
}
