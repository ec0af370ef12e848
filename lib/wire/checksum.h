/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A checksum of a stream of bytes, the same for all cuts. Eight words at a time, for it sees every byte of a
 * log. Two streams that differ in one word only never agree; it is no protection against somebody who wants
 * them to.
 */
#ifndef DAYTONA_WIRE_CHECKSUM_H
#define DAYTONA_WIRE_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero at the beginning of a stream. */
typedef struct daytona__checksum {
  uint64_t lanes[8];      /* each of every eighth word, so that none waits for another */
  unsigned char rest[64]; /* of a block that is not whole yet */
  size_t rest_size;
} daytona__checksum_t;

void daytona__checksum_add(daytona__checksum_t *checksum, const void *bytes, size_t size);

/* Of streams of the same length. */
bool daytona__checksum_same(const daytona__checksum_t *one, const daytona__checksum_t *other);

#endif
