/*
 * See demux.h. A marker is a run of three equal bytes, so the first complete one in a run begins where the run
 * does, and a possible marker at the end of what has come is a run of one or two. That run is all the state
 * besides the current stream. Also the public one-shot forms.
 *
 * Bytes are copied while they are searched, many at a time: the markers between lines of one stream are closed
 * up without another look at the lines.
 */
#include "wire/demux.h"

#include <stdint.h>
#include <string.h>

#include <daytona/session.h>

#include "core/ascii.h"
#include "core/memory.h"

enum { MARKER_SIZE = 3, ROOM = 16 * 1024 };

/* Of one stream, and not handed on yet. */
typedef struct joined {
  daytona__demux_cb emit;
  void *user;
  size_t size;
  char bytes[ROOM + MARKER_SIZE];
} joined_t;

static void emit_joined(const daytona__demux_t *demux, joined_t *joined) {
  size_t size = joined->size;
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

/* Go on with a run that began in an earlier piece. Returns how many bytes belong to it. */
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

/* --- in one go --------------------------------------------------------------------------------- */

/* One block: the record, then the undivided log, then both parts, each with a NUL behind. */
typedef struct split {
  daytona_session_logs_t *logs;
  char *ends[3]; /* where stdout and stderr grow, by stream */
} split_t;

static void count_part(void *user, int stream, const char *bytes, size_t size) {
  size_t *sizes = user;
  (void)bytes;
  sizes[stream] += size;
}

static void copy_part(void *user, int stream, const char *bytes, size_t size) {
  split_t *split = user;
  memcpy(split->ends[stream], bytes, size);
  split->ends[stream] += size;
}

int daytona_session_parse_logs(const void *log, size_t size, daytona_session_logs_t **out) {
  size_t sizes[3] = {0};
  daytona__demux_t demux = {0};
  split_t split;
  if (out == NULL || (log == NULL && size != 0)) return DAYTONA_EINVAL;
  if (size > SIZE_MAX / 2 - sizeof *split.logs - 3) return DAYTONA_ELIMIT;
  if (size != 0) daytona__demux_feed(&demux, log, size, count_part, sizes);
  daytona__demux_end(&demux, count_part, sizes);
  split.logs = daytona__calloc(1, sizeof *split.logs + size + sizes[1] + sizes[2] + 3);
  if (split.logs == NULL) return DAYTONA_ENOMEM;
  char *text = (char *)(split.logs + 1);
  if (size != 0) memcpy(text, log, size);
  split.ends[1] = text + size + 1;
  split.ends[2] = split.ends[1] + sizes[1] + 1;
  split.logs->output = (daytona_bytes_t){text, size};
  split.logs->out = (daytona_bytes_t){split.ends[1], sizes[1]};
  split.logs->err = (daytona_bytes_t){split.ends[2], sizes[2]};
  memset(&demux, 0, sizeof demux);
  if (size != 0) daytona__demux_feed(&demux, log, size, copy_part, &split);
  daytona__demux_end(&demux, copy_part, &split);
  *out = split.logs;
  return 0;
}

/* Take out, in place, what is not UTF-8. */
static void keep_text(daytona_bytes_t *bytes) {
  char *text = (char *)bytes->data;
  size_t kept = 0;
  for (size_t at = 0; at < bytes->size;) {
    size_t length = daytona__utf8_length(text + at, bytes->size - at);
    memmove(text + kept, text + at, length);
    kept += length;
    at += length != 0 ? length : 1;
  }
  text[kept] = '\0';
  bytes->size = kept;
}

int daytona_session_parse_text_logs(const void *log, size_t size, daytona_session_logs_t **out) {
  int rc = daytona_session_parse_logs(log, size, out);
  if (rc != 0) return rc;
  keep_text(&(*out)->output);
  keep_text(&(*out)->out);
  keep_text(&(*out)->err);
  return 0;
}

void daytona_session_logs_release(daytona_session_logs_t *logs) { daytona__free(logs); }
