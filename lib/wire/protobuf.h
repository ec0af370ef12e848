/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing protobuf: fields to where `*at` points, which moves on. Who writes has reserved enough room.
 *
 * Texts are cut at DAYTONA__PB_TEXT_MAX bytes, and bytes that are not UTF-8 become '?': one of them would make decoders
 * refuse the whole message.
 */
#ifndef DAYTONA_WIRE_PROTOBUF_H
#define DAYTONA_WIRE_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/ascii.h"

/* The longest text in a record. Messages of errors are the long ones. */
#define DAYTONA__PB_TEXT_MAX ((size_t)1 << 10)

/* The types of fields, and the most bytes of a length. */
enum { DAYTONA__PB_VARINT = 0, DAYTONA__PB_FIXED64 = 1, DAYTONA__PB_BYTES = 2, DAYTONA__PB_FIXED32 = 5 };
enum { DAYTONA__PB_LENGTH_ROOM = 10 };

static inline void daytona__pb_varint(uint8_t **at, uint64_t value) {
  for (; value > 0x7f; value >>= 7) *(*at)++ = (uint8_t)(value | 0x80);
  *(*at)++ = (uint8_t)value;
}

static inline void daytona__pb_tag(uint8_t **at, unsigned field, unsigned type) {
  daytona__pb_varint(at, field << 3 | type);
}

static inline void daytona__pb_number(uint8_t **at, unsigned field, uint64_t value) {
  daytona__pb_tag(at, field, DAYTONA__PB_VARINT);
  daytona__pb_varint(at, value);
}

/* The low bytes of `value`, least first. */
static inline void daytona__pb_low(uint8_t **at, uint64_t value, int size) {
  for (int i = 0; i < size; i++) *(*at)++ = (uint8_t)(value >> (8 * i));
}

static inline void daytona__pb_fixed64(uint8_t **at, unsigned field, uint64_t value) {
  daytona__pb_tag(at, field, DAYTONA__PB_FIXED64);
  daytona__pb_low(at, value, 8);
}

static inline uint64_t daytona__pb_bits_of(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline void daytona__pb_bytes(uint8_t **at, unsigned field, const void *bytes, size_t size) {
  daytona__pb_tag(at, field, DAYTONA__PB_BYTES);
  daytona__pb_varint(at, size);
  memcpy(*at, bytes, size);
  *at += size;
}

static inline size_t daytona__pb_text_size(const char *text) {
  return text != NULL ? strnlen(text, DAYTONA__PB_TEXT_MAX) : 0;
}

/* Whether no byte has its highest bit: nearly every text. */
static inline bool daytona__pb_is_ascii(const char *text, size_t size) {
  uint64_t any = 0, word;
  for (; size >= sizeof word; text += sizeof word, size -= sizeof word) {
    memcpy(&word, text, sizeof word);
    any |= word;
  }
  for (; size != 0; size--) any |= (uint8_t)*text++;
  return (any & UINT64_C(0x8080808080808080)) == 0;
}

static inline void daytona__pb_text(uint8_t **at, unsigned field, const char *text) {
  size_t size = daytona__pb_text_size(text), length;
  daytona__pb_bytes(at, field, text, size);
  if (daytona__pb_is_ascii(text, size)) return;
  char *copy = (char *)*at - size;
  for (size_t i = 0; i < size; i += length != 0 ? length : 1) {
    length = daytona__utf8_length(copy + i, size - i);
    if (length == 0) copy[i] = '?';
  }
}

/* A message inside of another: daytona__pb_begin() gives where its content begins, daytona__pb_end() puts its length in front of that. */
static inline uint8_t *daytona__pb_begin(uint8_t **at, unsigned field) {
  daytona__pb_tag(at, field, DAYTONA__PB_BYTES);
  return ++*at;
}

static inline void daytona__pb_end(uint8_t **at, uint8_t *content) {
  uint8_t length[DAYTONA__PB_LENGTH_ROOM], *after = length;
  size_t size = (size_t)(*at - content);
  daytona__pb_varint(&after, size);
  size_t more = (size_t)(after - length) - 1;
  if (more != 0) memmove(content + more, content, size);
  memcpy(content - 1, length, more + 1);
  *at += more;
}

#endif
