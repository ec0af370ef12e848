/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See utf8_split.h. Only the beginning of one character is ever held: at most three bytes that some further
 * byte could complete.
 */
#include "wire/utf8_split.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "core/ascii.h"

static const char replacement[] = "\xEF\xBF\xBD";

/* Whether some bytes behind these would make a character: tried with the lowest and the highest ones. */
static bool may_become(const char *bytes, size_t size) {
  char low[4], high[4];
  unsigned char unused[2];
  size_t full = (size_t)(daytona__utf8_lead((unsigned char)bytes[0], &unused[0], &unused[1]) + 1);
  if (size >= full) return false;
  memset(low, '\x80', sizeof low);
  memset(high, '\xBF', sizeof high);
  memcpy(low, bytes, size);
  memcpy(high, bytes, size);
  return daytona__utf8_length(low, full) == full || daytona__utf8_length(high, full) == full;
}

/* Length of the longest beginning of a character that `bytes` begins with; at least 1. */
static size_t broken_length(const char *bytes, size_t size) {
  size_t length = 1;
  while (length < size && length < 4 && may_become(bytes, length + 1)) length++;
  return length;
}

/* Put a character that was begun together with what follows. Returns how many of `bytes` it took. */
static size_t complete(daytona__utf8_split_t *stream, const char *bytes, size_t size, daytona__utf8_cb emit,
                       void *user) {
  size_t used = 0;
  while (stream->size != 0 && used < size) {
    assert(stream->size < sizeof stream->kept);
    stream->kept[stream->size] = bytes[used];
    if (daytona__utf8_length(stream->kept, stream->size + 1) != 0) {
      size_t length = stream->size + 1;
      stream->size = 0;
      emit(user, stream->kept, length);
      return used + 1;
    }
    if (!may_become(stream->kept, stream->size + 1)) {
      stream->size = 0;
      emit(user, replacement, 3);
      return used;
    }
    stream->size++;
    used++;
  }
  return used;
}

void daytona__utf8_feed(daytona__utf8_split_t *stream, const char *bytes, size_t size, daytona__utf8_cb emit,
                        void *user) {
  size_t start = complete(stream, bytes, size, emit, user), at = start;
  while (at < size) {
    size_t length = daytona__utf8_length(bytes + at, size - at);
    if (length != 0) {
      at += length;
      continue;
    }
    if (at > start) emit(user, bytes + start, at - start);
    size_t left = size - at;
    if (left < 4 && may_become(bytes + at, left)) {
      assert(stream->size == 0 && left <= sizeof stream->kept);
      memcpy(stream->kept, bytes + at, left);
      stream->size = left;
      return;
    }
    emit(user, replacement, 3);
    at += broken_length(bytes + at, left);
    start = at;
  }
  if (at > start) emit(user, bytes + start, at - start);
}

void daytona__utf8_end(daytona__utf8_split_t *stream, daytona__utf8_cb emit, void *user) {
  if (stream->size == 0) return;
  stream->size = 0;
  emit(user, replacement, 3);
}
