/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a multipart answer. The first byte says how it is cut; whole and in chunks, with a receiver that takes
 * everything and with one that stops, the reader must come to the same events and the same outcome.
 */
#include <stdlib.h>
#include <string.h>

#include <daytona/error.h>

#include "fuzz/target.h"
#include "wire/multipart.h"

typedef struct events {
  daytona__multipart_reader_t reader;
  uint64_t sum; /* of everything that was told, in order */
  size_t bytes;
  bool is_in_part;
  unsigned stops; /* take so many bytes at most; 0: all */
} events_t;

static void add(events_t *self, const void *data, size_t size) {
  for (size_t i = 0; i < size; i++)
    self->sum = (self->sum ^ ((const unsigned char *)data)[i]) * 1099511628211u;
}

static int on_part(daytona__multipart_reader_t *reader, const daytona__multipart_part_t *part) {
  events_t *self = reader->user;
  FUZZ_CHECK(!self->is_in_part && part->name != NULL && part->content_type != NULL && part->length >= -1);
  self->is_in_part = true;
  add(self, part->name, strlen(part->name) + 1);
  add(self, part->content_type, strlen(part->content_type) + 1);
  if (part->filename != NULL) add(self, part->filename, strlen(part->filename) + 1);
  return 0;
}

static size_t on_data(daytona__multipart_reader_t *reader, const char *bytes, size_t size) {
  events_t *self = reader->user;
  FUZZ_CHECK(self->is_in_part && size != 0);
  if (self->stops != 0 && size > self->stops) size = self->stops;
  add(self, bytes, size);
  self->bytes += size;
  return size;
}

static int on_part_end(daytona__multipart_reader_t *reader) {
  events_t *self = reader->user;
  FUZZ_CHECK(self->is_in_part);
  self->is_in_part = false;
  add(self, "<", 1);
  if (self->stops != 0) daytona__multipart_stop(reader);
  return 0;
}

static int read_all(events_t *self, const char *bytes, size_t size, size_t piece, unsigned stops) {
  int error = 0;
  memset(self, 0, sizeof *self);
  FUZZ_CHECK(daytona__multipart_init(&self->reader, "B") == 0);
  self->reader.on_part = on_part;
  self->reader.on_data = on_data;
  self->reader.on_part_end = on_part_end;
  self->reader.user = self;
  self->stops = stops;
  for (size_t at = 0; at < size && error == 0;) {
    size_t end = size - at < piece ? size : at + piece;
    while (at < end && error == 0) at += daytona__multipart_feed(&self->reader, bytes + at, end - at, &error);
  }
  if (error == 0 && !daytona__multipart_is_whole(&self->reader)) error = DAYTONA_ETRUNCATED;
  daytona__multipart_clear(&self->reader);
  return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static events_t whole, pieces;
  if (size == 0) return 0;
  const char *bytes = (const char *)data + 1;
  int rc = read_all(&whole, bytes, size - 1, size, 0);
  FUZZ_CHECK(read_all(&pieces, bytes, size - 1, 1 + data[0] % 16, data[0] / 16) == rc);
  FUZZ_CHECK(pieces.sum == whole.sum && pieces.bytes == whole.bytes);
  return 0;
}
