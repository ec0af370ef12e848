/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See demux.h. A marker is a run of three equal bytes, so the first complete one in a run begins where the run
 * does, and a possible marker at the end of what has come is a run of one or two. That run is all the state
 * besides the current stream.
 *
 * Bytes are copied while they are searched, many at a time: the markers between lines of one stream are closed
 * up without another look at the lines.
 */
#include "wire/demux.h"

#include <stdbool.h>
#include <assert.h>
#include <stdint.h>
#include <string.h>

enum { MARKER_SIZE = 3, ROOM = 16 * 1024 };

/* Of one stream, and not delivered yet. */
typedef struct joined {
  daytona__demux_cb emit;
  void *user;
  size_t size;
  char bytes[ROOM + MARKER_SIZE];
} joined_t;

static void emit_joined(const daytona__demux_t *demux, joined_t *joined) {
  size_t size = joined->size;
  assert(size <= sizeof joined->bytes);
  joined->size = 0;
  if (size != 0 && demux->stream != DAYTONA__DEMUX_NONE)
    joined->emit(joined->user, demux->stream, joined->bytes, size);
}

/* --- searching --------------------------------------------------------------------------------- */

static bool is_candidate(char byte) { return byte == DAYTONA__DEMUX_OUT || byte == DAYTONA__DEMUX_ERR; }

#if defined __GNUC__ && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__

/* What the compiler makes vectors of on every processor, in its own language. */
typedef unsigned char vector_t __attribute__((vector_size(16)));

enum { VECTOR = sizeof(vector_t) };

/* All ones for a candidate. */
static vector_t candidates(vector_t bytes) { return (vector_t)((vector_t)(bytes - DAYTONA__DEMUX_OUT) <= 1); }

static bool is_any(vector_t found) {
  uint64_t halves[2];
  memcpy(halves, &found, VECTOR);
  return (halves[0] | halves[1]) != 0;
}

/* Where the first candidate is; VECTOR if nowhere. */
static size_t first_of(vector_t found) {
  uint64_t halves[2];
  memcpy(halves, &found, VECTOR);
  if (halves[0] != 0) return (size_t)__builtin_ctzll(halves[0]) / 8;
  return halves[1] != 0 ? 8 + (size_t)__builtin_ctzll(halves[1]) / 8 : VECTOR;
}

/* The same for as many whole pairs of vectors as there are. */
static size_t copy_wide(char *restrict to, const char *restrict from, size_t size) {
  size_t at = 0;
  for (; size - at >= 2 * VECTOR; at += 2 * VECTOR) {
    vector_t one, two;
    memcpy(&one, from + at, VECTOR);
    memcpy(&two, from + at + VECTOR, VECTOR);
    memcpy(to + at, &one, VECTOR);
    memcpy(to + at + VECTOR, &two, VECTOR);
    one = candidates(one);
    two = candidates(two);
    if (!is_any(one | two)) continue;
    size_t first = first_of(one);
    return at + (first < VECTOR ? first : VECTOR + first_of(two));
  }
  return at;
}

#else

static size_t copy_wide(char *restrict to, const char *restrict from, size_t size) { return 0; }

#endif

/* Copy up to the first candidate. How many bytes: `size` if there is none. */
static size_t copy_plain(char *restrict to, const char *restrict from, size_t size) {
  size_t at = copy_wide(to, from, size);
  for (; at < size && !is_candidate(from[at]); at++) to[at] = from[at];
  return at;
}

/* --- taking apart ------------------------------------------------------------------------------ */

static void switch_to(daytona__demux_t *demux, joined_t *joined, unsigned char stream) {
  if (stream != demux->stream) emit_joined(demux, joined);
  demux->stream = stream;
}

/* A run that is no marker. */
static void put_run(joined_t *joined, unsigned char byte, size_t size) {
  memset(joined->bytes + joined->size, byte, size);
  joined->size += size;
}

/* Go on with a run that began in an earlier chunk. Returns how many bytes belong to it. */
static size_t finish_run(daytona__demux_t *demux, joined_t *joined, const char *bytes, size_t size) {
  size_t used = 0;
  while (demux->kept != 0 && used < size && (unsigned char)bytes[used] == demux->byte) {
    used++;
    if (++demux->kept < MARKER_SIZE) continue;
    switch_to(demux, joined, demux->byte);
    demux->kept = 0;
  }
  if (demux->kept != 0 && used < size) {
    put_run(joined, demux->byte, demux->kept);
    demux->kept = 0;
  }
  return used;
}

/* A candidate stands at `bytes`. Returns how many bytes its run has. */
static size_t take_run(daytona__demux_t *demux, joined_t *joined, const char *bytes, size_t size) {
  unsigned char byte = (unsigned char)*bytes;
  size_t run = 1;
  while (run < MARKER_SIZE && run < size && bytes[run] == *bytes) run++;
  if (run == MARKER_SIZE) {
    switch_to(demux, joined, byte);
  } else if (run < size) {
    put_run(joined, byte, run);
  } else {
    demux->byte = byte;
    demux->kept = (unsigned char)run;
  }
  return run;
}

void daytona__demux_feed(daytona__demux_t *demux, const char *bytes, size_t size, daytona__demux_cb emit,
                         void *user) {
  joined_t joined;
  joined.emit = emit;
  joined.user = user;
  joined.size = 0;
  size_t at = finish_run(demux, &joined, bytes, size);
  while (at < size) {
    size_t room = ROOM - joined.size, most = size - at < room ? size - at : room;
    size_t plain = copy_plain(joined.bytes + joined.size, bytes + at, most);
    joined.size += plain;
    at += plain;
    if (plain < most) at += take_run(demux, &joined, bytes + at, size - at);
    if (joined.size >= ROOM) emit_joined(demux, &joined);
  }
  emit_joined(demux, &joined);
}

void daytona__demux_end(daytona__demux_t *demux, daytona__demux_cb emit, void *user) {
  char kept[MARKER_SIZE];
  size_t size = demux->kept;
  memset(kept, demux->byte, sizeof kept);
  demux->kept = 0;
  if (size != 0 && demux->stream != DAYTONA__DEMUX_NONE) emit(user, demux->stream, kept, size);
}
