/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text from bytes that come in chunks: characters that are cut by a border are put together again, and what is
 * not UTF-8 becomes U+FFFD, one for each maximal part of a character, as Unicode recommends.
 */
#ifndef DAYTONA_WIRE_UTF8_SPLIT_H
#define DAYTONA_WIRE_UTF8_SPLIT_H

#include <stddef.h>

/* All zero at the beginning. */
typedef struct daytona__utf8_split {
  char kept[4]; /* the beginning of a character */
  size_t size;
} daytona__utf8_split_t;

/* `size` bytes of UTF-8, never 0, whole characters only. Valid during the call. */
typedef void (*daytona__utf8_cb)(void *user, const char *text, size_t size);

void daytona__utf8_feed(daytona__utf8_split_t *stream, const char *bytes, size_t size, daytona__utf8_cb emit,
                        void *user);

/* The bytes have ended: a character that was begun is replaced. */
void daytona__utf8_end(daytona__utf8_split_t *stream, daytona__utf8_cb emit, void *user);

#endif
