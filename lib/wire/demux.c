/*
 * See demux.h. A marker is a run of three equal bytes, so the first complete one in a run begins where the run
 * does, and a possible marker at the end of what has come is a run of one or two. That run is all the state
 * besides the current stream. Also the public one-shot forms.
 */
#include "wire/demux.h"

#include <string.h>

#include <daytona/session.h>

#include "core/memory.h"
#include "json/utf8.h"

enum { MARKER_SIZE = 3 };

/* Where the next byte of each kind of marker is; memchr() looks at many bytes at a time. */
typedef struct ahead {
  size_t out, err;
} ahead_t;

static size_t find(const char *bytes, size_t at, size_t size, int byte) {
  const char *found = memchr(bytes + at, byte, size - at);
  return found != NULL ? (size_t)(found - bytes) : size;
}

/* Where a marker may begin, from `at` on; `size` if nowhere. */
static size_t next_candidate(ahead_t *ahead, const char *bytes, size_t at, size_t size) {
  if (ahead->out < at) ahead->out = find(bytes, at, size, DAYTONA__DEMUX_OUT);
  if (ahead->err < at) ahead->err = find(bytes, at, size, DAYTONA__DEMUX_ERR);
  return ahead->out < ahead->err ? ahead->out : ahead->err;
}

static void emit_some(const daytona__demux_t *demux, const char *bytes, size_t size,
                      daytona__demux_cb emit, void *user) {
  if (size != 0 && demux->stream != DAYTONA__DEMUX_NONE) emit(user, demux->stream, bytes, size);
}

static void emit_kept(daytona__demux_t *demux, daytona__demux_cb emit, void *user) {
  char kept[MARKER_SIZE];
  size_t size = demux->kept;
  memset(kept, demux->byte, sizeof kept);
  demux->kept = 0;
  emit_some(demux, kept, size, emit, user);
}

/* Go on with a run that began in an earlier piece. Returns how many bytes belong to it. */
static size_t finish_run(daytona__demux_t *demux, const char *bytes, size_t size,
                         daytona__demux_cb emit, void *user) {
  size_t used = 0;
  while (demux->kept != 0 && used < size && (unsigned char)bytes[used] == demux->byte) {
    used++;
    if (++demux->kept < MARKER_SIZE) continue;
    demux->stream = demux->byte;
    demux->kept = 0;
  }
  if (demux->kept != 0 && used < size) emit_kept(demux, emit, user);
  return used;
}

void daytona__demux_feed(daytona__demux_t *demux, const char *bytes, size_t size,
                         daytona__demux_cb emit, void *user) {
  size_t start = finish_run(demux, bytes, size, emit, user), at = start;
  ahead_t ahead = {find(bytes, at, size, DAYTONA__DEMUX_OUT), find(bytes, at, size, DAYTONA__DEMUX_ERR)};
  while ((at = next_candidate(&ahead, bytes, at, size)) < size) {
    unsigned char byte = (unsigned char)bytes[at];
    size_t run = 1;
    while (run < MARKER_SIZE && at + run < size && (unsigned char)bytes[at + run] == byte) run++;
    if (run < MARKER_SIZE && at + run < size) {
      at += run;
      continue;
    }
    emit_some(demux, bytes + start, at - start, emit, user);
    at += run;
    start = at;
    if (run == MARKER_SIZE) {
      demux->stream = byte;
    } else {
      demux->byte = byte;
      demux->kept = (unsigned char)run;
    }
  }
  emit_some(demux, bytes + start, size - start, emit, user);
}

void daytona__demux_end(daytona__demux_t *demux, daytona__demux_cb emit, void *user) {
  emit_kept(demux, emit, user);
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

int daytona_demux_log(const void *log, size_t size, daytona_session_logs_t **out) {
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

int daytona_parse_session_command_logs(const void *log, size_t size, daytona_session_logs_t **out) {
  int rc = daytona_demux_log(log, size, out);
  if (rc != 0) return rc;
  keep_text(&(*out)->output);
  keep_text(&(*out)->out);
  keep_text(&(*out)->err);
  return 0;
}

void daytona_session_logs_free(daytona_session_logs_t *logs) { daytona__free(logs); }
