/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See demux.h. A marker is a run of three equal bytes, so the first complete one in a run begins where the run
 * does, and a possible marker at the end of what has come is a run of one or two. That run is all the state
 * besides the current stream.
 *
 * Bytes are copied a block at a time, and the bytes that may begin a marker are found for the whole block at once: the
 * next block waits for nothing that was found in this one. What follows a marker in its block is copied again, to where
 * the marker was put.
 */
#include "wire/demux.h"

#include <stdbool.h>
#include <assert.h>
#include <stdint.h>
#include <string.h>

#if defined __GNUC__ && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && !defined DAYTONA__NO_VECTORS
#define HAS_VECTORS
#ifdef __SSE2__
#include <emmintrin.h>
#endif
#endif

enum {
  MARKER_SIZE = 3,
  ROOM = 16 * 1024,
  BLOCK = 64,
  SPAN = 2 * BLOCK + MARKER_SIZE /* read from where a block begins, at most */
};

/* Of one stream, and not delivered yet. Whole blocks are copied behind it, of which not all bytes may count. */
typedef struct joined {
  daytona__demux_cb emit;
  void *user;
  size_t size;
  char bytes[ROOM + 2 * BLOCK];
} joined_t;

static void emit_joined(const daytona__demux_t *demux, joined_t *joined) {
  size_t size = joined->size;
  assert(size <= sizeof joined->bytes);
  joined->size = 0;
  if (size != 0 && demux->stream != DAYTONA__DEMUX_NONE)
    joined->emit(joined->user, demux->stream, joined->bytes, size);
}

/* --- blocks ------------------------------------------------------------------------------------ */

static void copy_block(char *restrict to, const char *restrict from) { memcpy(to, from, BLOCK); }

#ifdef HAS_VECTORS

/* What the compiler makes vectors of on every processor, in its own language. */
typedef unsigned char vector_t __attribute__((vector_size(16)));

enum { STEP = sizeof(vector_t) };

/* A bit for each byte, of which all bits are set or none. */
static uint64_t bits_of(vector_t bytes) {
#ifdef __SSE2__
  return (uint32_t)_mm_movemask_epi8((__m128i)bytes);
#else
  uint64_t halves[2];
  memcpy(halves, &bytes, sizeof halves);
  for (int i = 0; i < 2; i++)
    halves[i] = (halves[i] & UINT64_C(0x8040201008040201)) * UINT64_C(0x0101010101010101) >> 56;
  return halves[0] | halves[1] << 8;
#endif
}

/* Copy a step. Bit N is set if byte N may begin a marker. */
static uint64_t copy_step(char *restrict to, const char *restrict from) {
  vector_t bytes;
  memcpy(&bytes, from, STEP);
  memcpy(to, &bytes, STEP);
  return bits_of((vector_t)((vector_t)(bytes - DAYTONA__DEMUX_OUT) <= 1));
}

#else

enum { STEP = 1 };

static uint64_t copy_step(char *restrict to, const char *restrict from) {
  *to = *from;
  return *from == DAYTONA__DEMUX_OUT || *from == DAYTONA__DEMUX_ERR;
}

#endif

static uint64_t copy_candidates(char *restrict to, const char *restrict from) {
  uint64_t found = 0;
  for (unsigned at = 0; at < BLOCK; at += STEP) found |= copy_step(to + at, from + at) << at;
  return found;
}

static unsigned lowest(uint64_t bits) {
#ifdef __GNUC__
  return (unsigned)__builtin_ctzll(bits);
#else
  unsigned at = 0;
  while ((bits >> at & 1) == 0) at++;
  return at;
#endif
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

static bool is_marker(const char *at) { return at[0] == at[1] && at[0] == at[2]; }

/* The chunk ends with this run of candidates, which the next chunk may make a marker; `left` bytes are left of it. */
static bool keep_run(daytona__demux_t *demux, const char *run, size_t left) {
  if (left >= MARKER_SIZE || (left == 2 && run[0] != run[1])) return false;
  demux->byte = (unsigned char)*run;
  demux->kept = (unsigned char)left;
  return true;
}

/*
 * Take apart a block, or the `left` bytes of the chunk if they are fewer. SPAN bytes can be read, which are zero behind the
 * chunk. Returns how many were taken; a marker that begins in the block is taken whole.
 */
static size_t take_block(daytona__demux_t *demux, joined_t *joined, const char *block, size_t left) {
  char *to = joined->bytes + joined->size;
  size_t at = 0, end = left < BLOCK ? left : BLOCK;
  assert(joined->size < ROOM);
  uint64_t found = copy_candidates(to, block);
  while (found != 0) {
    size_t plain = lowest(found) - at;
    to += plain;
    at += plain;
    if (is_marker(block + at)) {
      joined->size = (size_t)(to - joined->bytes);
      switch_to(demux, joined, (unsigned char)block[at]);
      to = joined->bytes + joined->size;
      at += MARKER_SIZE;
      copy_block(to, block + at);
      found = at < BLOCK ? found >> at << at : 0;
    } else if (keep_run(demux, block + at, left - at)) {
      end = at;
      at = left;
      break;
    } else {
      found &= found - 1;
    }
  }
  if (at < end) {
    to += end - at;
    at = end;
  }
  joined->size = (size_t)(to - joined->bytes);
  return at;
}

void daytona__demux_feed(daytona__demux_t *demux, const char *bytes, size_t size, daytona__demux_cb emit,
                         void *user) {
  joined_t joined;
  char last[SPAN];
  joined.emit = emit;
  joined.user = user;
  joined.size = 0;
  for (size_t at = finish_run(demux, &joined, bytes, size); at < size;) {
    const char *block = bytes + at;
    if (size - at < SPAN) {
      memset(last, 0, sizeof last);
      block = memcpy(last, block, size - at);
    }
    at += take_block(demux, &joined, block, size - at);
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
