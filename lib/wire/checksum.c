/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See checksum.h. A step is a bijection of the lane for a given word and of the word for a given lane. A product's low bits
 * know nothing of a factor's high ones, which are therefore turned to where the next product spreads them: by 29 bits,
 * so that what another digit or letter in a word's last byte has changed is not undone by one in the lane's next word.
 */
#include "wire/checksum.h"

#include <string.h>

#define FACTOR UINT64_C(0x9E3779B97F4A7C15)

enum { LANES = 8, BLOCK = LANES * sizeof(uint64_t) };

static uint64_t mix(uint64_t lane, const unsigned char *bytes) {
  uint64_t word;
  memcpy(&word, bytes, sizeof word);
  lane = (lane ^ word) * FACTOR;
  return lane << 29 | lane >> 35;
}

/* Whole blocks. */
static void add_blocks(uint64_t *lanes, const unsigned char *at, size_t count) {
  uint64_t one = lanes[0], two = lanes[1], three = lanes[2], four = lanes[3];
  uint64_t five = lanes[4], six = lanes[5], seven = lanes[6], eight = lanes[7];
  for (; count != 0; count--, at += BLOCK) {
    one = mix(one, at);
    two = mix(two, at + 8);
    three = mix(three, at + 16);
    four = mix(four, at + 24);
    five = mix(five, at + 32);
    six = mix(six, at + 40);
    seven = mix(seven, at + 48);
    eight = mix(eight, at + 56);
  }
  lanes[0] = one;
  lanes[1] = two;
  lanes[2] = three;
  lanes[3] = four;
  lanes[4] = five;
  lanes[5] = six;
  lanes[6] = seven;
  lanes[7] = eight;
}

void daytona__checksum_add(daytona__checksum_t *checksum, const void *bytes, size_t size) {
  const unsigned char *at = bytes;
  if (checksum->rest_size != 0) {
    size_t missing = BLOCK - checksum->rest_size, take = size < missing ? size : missing;
    memcpy(checksum->rest + checksum->rest_size, at, take);
    checksum->rest_size += take;
    if (take < missing) return;
    add_blocks(checksum->lanes, checksum->rest, 1);
    checksum->rest_size = 0;
    at += take;
    size -= take;
  }
  add_blocks(checksum->lanes, at, size / BLOCK);
  if (size % BLOCK == 0) return;
  checksum->rest_size = size % BLOCK;
  memcpy(checksum->rest, at + size - checksum->rest_size, checksum->rest_size);
}

bool daytona__checksum_same(const daytona__checksum_t *one, const daytona__checksum_t *other) {
  return memcmp(one->lanes, other->lanes, sizeof one->lanes) == 0 && one->rest_size == other->rest_size &&
         memcmp(one->rest, other->rest, one->rest_size) == 0;
}
