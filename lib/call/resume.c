/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requesting the rest of a file; see resume.h.
 */
#include "call/resume.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/header.h"
#include "core/retry_after.h"

/* Dates have whole seconds, and a response is dated a moment after its file was opened. */
enum { DOUBT_S = 2 };

static int64_t date_of(const char *text) {
  int64_t ms = text != NULL ? daytona__http_date_ms(text, strlen(text)) : -1;
  return ms >= 0 ? ms / 1000 : -1;
}

int64_t daytona__resume_clock(const daytona_header_t *headers, size_t count) {
  return date_of(daytona__header_find(headers, count, "Date"));
}

void daytona__resume_begin(daytona__resume_t *resume, int64_t size, int64_t began_s, const char *modified) {
  resume->size = size;
  resume->at = 0;
  resume->began_s = began_s;
  resume->tail_size = 0;
  if (modified == NULL || strlen(modified) >= sizeof resume->modified) modified = "";
  snprintf(resume->modified, sizeof resume->modified, "%s", modified);
}

void daytona__resume_note(daytona__resume_t *resume, const char *bytes, size_t size) {
  resume->at += (int64_t)size;
  if (size > DAYTONA__RESUME_TAIL) {
    bytes += size - DAYTONA__RESUME_TAIL;
    size = DAYTONA__RESUME_TAIL;
  }
  size_t kept = DAYTONA__RESUME_TAIL - size;
  if (kept > resume->tail_size) kept = resume->tail_size;
  memmove(resume->tail, resume->tail + resume->tail_size - kept, kept);
  memcpy(resume->tail + kept, bytes, size);
  resume->tail_size = kept + size;
}

bool daytona__resume_is_possible(const daytona__resume_t *resume) {
  return resume->size >= 0 && resume->at > 0 && resume->at <= resume->size && resume->began_s > DOUBT_S;
}

/* By hand: the C library would follow the locale of the host program. */
static void write_date(char *out, size_t room, int64_t seconds) {
  static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  time_t time = (time_t)seconds;
  struct tm at = {0};
  gmtime_r(&time, &at);
  snprintf(out, room, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3 * at.tm_wday, at.tm_mday,
           months + 3 * at.tm_mon, at.tm_year + 1900, at.tm_hour, at.tm_min, at.tm_sec);
}

daytona_header_t *daytona__resume_request(daytona__resume_t *resume) {
  assert(daytona__resume_is_possible(resume) && (int64_t)resume->tail_size <= resume->at);
  bool is_known = resume->modified[0] != '\0';
  resume->overlap = resume->tail_size;
  resume->compared = 0;
  resume->rest_end = -1;
  snprintf(resume->range, sizeof resume->range, "bytes=%" PRId64 "-",
           resume->at - (int64_t)resume->tail_size);
  if (is_known)
    snprintf(resume->condition, sizeof resume->condition, "%s", resume->modified);
  else
    write_date(resume->condition, sizeof resume->condition, resume->began_s - DOUBT_S);
  resume->headers[0] = (daytona_header_t){"Range", resume->range};
  resume->headers[1] = (daytona_header_t){is_known ? "If-Range" : "If-Unmodified-Since", resume->condition};
  return resume->headers;
}

/* "bytes 10-19/20". False: it has another form. */
static bool read_range(const char *text, int64_t *first, int64_t *last, int64_t *size) {
  int used = -1;
  if (text == NULL || strlen(text) > 80) return false;
  if (sscanf(text, "bytes %18" SCNd64 "-%18" SCNd64 "/%18" SCNd64 "%n", first, last, size, &used) != 3)
    return false;
  return used >= 0 && text[used] == '\0' && *first >= 0 && *last >= *first && *last < *size;
}

daytona_errcode_t daytona__resume_accept(daytona__resume_t *resume, int status,
                                         const daytona_header_t *headers, size_t count) {
  const char *modified = daytona__header_find(headers, count, "Last-Modified");
  int64_t modified_s = date_of(modified), first, last, size;
  if (modified_s < 0 || strlen(modified) >= sizeof resume->modified) return DAYTONA_EUNSUPPORTED;
  if (modified_s > resume->began_s - DOUBT_S) return DAYTONA_ECHANGED;
  if (resume->modified[0] != '\0' && strcmp(modified, resume->modified) != 0) return DAYTONA_ECHANGED;
  if (status != 206 ||
      !read_range(daytona__header_find(headers, count, "Content-Range"), &first, &last, &size))
    return DAYTONA_EUNSUPPORTED;
  if (size != resume->size) return DAYTONA_ECHANGED;
  if (first != resume->at - (int64_t)resume->tail_size) return DAYTONA_EUNSUPPORTED;
  snprintf(resume->modified, sizeof resume->modified, "%s", modified);
  resume->rest_end = last + 1;
  return DAYTONA_OK;
}

size_t daytona__resume_compare(daytona__resume_t *resume, const char *bytes, size_t size, bool *is_same) {
  assert(resume->compared <= resume->overlap);
  size_t left = resume->overlap - resume->compared;
  if (size > left) size = left;
  *is_same = memcmp(resume->tail + resume->compared, bytes, size) == 0;
  resume->compared += size;
  return size;
}
