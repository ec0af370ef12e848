/* SPDX-License-Identifier: Apache-2.0 */
/*
 * multipart/form-data; see multipart.h.
 *
 * The delimiter begins with CR and has no other CR in it, so a failed match can only start again at the byte that
 * broke it: no backtracking. The preamble is read like data that nobody gets, as if a line had just ended.
 */
#include "wire/multipart.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <daytona/error.h>

#include "core/ascii.h"
#include "core/limits.h"
#include "core/random.h"
#include "json/codec.h"

enum {
  SCANNING,  /* data (or preamble) until a delimiter */
  COUNTING,  /* data of a known length */
  EXPECTING, /* the delimiter should come now */
  JUDGING,   /* after a delimiter: another part, the end, or data after all */
  PADDING,   /* blanks before the line's end */
  HEADERS,
  OVER
};

static bool is_boundary_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         (c != '\0' && strchr("'()+_,-./:=? ", c) != NULL);
}

int daytona__multipart_init(daytona__multipart_reader_t *reader, const char *boundary) {
  size_t size = strlen(boundary);
  memset(reader, 0, sizeof *reader);
  if (size == 0 || size > DAYTONA__BOUNDARY_MAX || boundary[size - 1] == ' ') return DAYTONA_EINVAL;
  for (size_t i = 0; i < size; i++)
    if (!is_boundary_char(boundary[i])) return DAYTONA_EINVAL;
  snprintf(reader->delimiter, sizeof reader->delimiter, "\r\n--%s", boundary);
  reader->delimiter_size = size + 4;
  reader->matched = 2;
  daytona__strbuf_init(&reader->headers, DAYTONA__PART_HEADERS_MAX);
  return 0;
}

void daytona__multipart_clear(daytona__multipart_reader_t *reader) {
  daytona__strbuf_clear(&reader->headers);
}

void daytona__multipart_stop(daytona__multipart_reader_t *reader) { reader->is_stopped = true; }

bool daytona__multipart_is_whole(const daytona__multipart_reader_t *reader) { return reader->state == OVER; }

/* --- data -------------------------------------------------------------------------------------- */

/* Hand data on; the preamble goes nowhere. */
static size_t give(daytona__multipart_reader_t *reader, const char *bytes, size_t size) {
  if (!reader->is_in_part || size == 0) return size;
  size_t taken = reader->on_data(reader, bytes, size);
  assert(taken <= size);
  if (taken < size) reader->is_stopped = true;
  return taken;
}

/* Bytes that looked like a delimiter are data: put them where on_data gets them first. */
static void hold(daytona__multipart_reader_t *reader, const char *bytes, size_t size) {
  assert(reader->held_size + size <= sizeof reader->held);
  memcpy(reader->held + reader->held_size, bytes, size);
  reader->held_size += size;
}

/* True when nothing is held back any more. */
static bool give_held(daytona__multipart_reader_t *reader) {
  reader->held_start +=
    give(reader, reader->held + reader->held_start, reader->held_size - reader->held_start);
  assert(reader->held_start <= reader->held_size);
  if (reader->held_start != reader->held_size) return false;
  reader->held_start = reader->held_size = 0;
  return true;
}

/*
 * The match of the delimiter ends before byte `c`: what matched is data. Where a part's length ends, it has become
 * longer. Or shorter, and other parts were counted as its data: then there was a delimiter among it, or `c` continues
 * with one.
 */
static int unmatch(daytona__multipart_reader_t *reader, char c) {
  bool is_doubtful = reader->is_counted && (reader->inside == reader->delimiter_size ||
                                            (reader->inside != 0 && reader->delimiter[reader->inside] == c));
  hold(reader, reader->delimiter, reader->matched);
  if (reader->has_dash) hold(reader, "-", 1);
  reader->matched = 0;
  reader->has_dash = reader->is_counted = false;
  reader->state = SCANNING;
  return is_doubtful ? DAYTONA_EPROTOCOL : 0;
}

/* One byte while a delimiter may be coming. *used is 0 when it is not part of it and is to be looked at again. */
static int match(daytona__multipart_reader_t *reader, char c, size_t *used) {
  if (reader->delimiter[reader->matched] != c) {
    *used = 0;
    return unmatch(reader, c);
  }
  assert(reader->matched < reader->delimiter_size);
  if (++reader->matched == reader->delimiter_size) reader->state = JUDGING;
  return 0;
}

static int scan(daytona__multipart_reader_t *reader, const char *bytes, size_t size, size_t *used) {
  if (reader->matched != 0 || bytes[0] == '\r') return match(reader, bytes[0], used);
  const char *cr = memchr(bytes, '\r', size);
  *used = give(reader, bytes, cr != NULL ? (size_t)(cr - bytes) : size);
  return 0;
}

/* Look for a delimiter among bytes that are counted. */
static void watch(daytona__multipart_reader_t *reader, const char *bytes, size_t size) {
  for (size_t at = 0; at < size && reader->inside != reader->delimiter_size; at++) {
    if (reader->inside == 0) {
      const char *cr = memchr(bytes + at, '\r', size - at);
      if (cr == NULL) return;
      at = (size_t)(cr - bytes);
    }
    if (bytes[at] == reader->delimiter[reader->inside])
      reader->inside++;
    else
      reader->inside = bytes[at] == '\r';
  }
}

static size_t count(daytona__multipart_reader_t *reader, const char *bytes, size_t size) {
  size_t part = (int64_t)size < reader->left ? size : (size_t)reader->left;
  size_t taken = give(reader, bytes, part);
  watch(reader, bytes, taken);
  reader->left -= (int64_t)taken;
  if (reader->left == 0) reader->state = EXPECTING;
  return taken;
}

/* --- headers ----------------------------------------------------------------------------------- */

/* The next parameter of a header such as `form-data; name="a\"b"`, in place: quotes and escapes are undone. */
static char *next_param(char **line, char **value) {
  char *key = *line + strspn(*line, "; \t");
  if (*key == '\0') return NULL;
  char *in = key + strcspn(key, "=;");
  bool has_value = *in == '=';
  if (*in != '\0') *in++ = '\0';
  *value = in;
  *line = in;
  if (!has_value) return key;
  char *out = in;
  bool is_quoted = *in == '"';
  if (is_quoted) {
    for (in++; *in != '\0' && *in != '"'; in++) {
      if (*in == '\\' && in[1] != '\0') in++;
      *out++ = *in;
    }
  } else {
    out = in += strcspn(in, "; \t");
  }
  *line = *in != '\0' ? in + 1 : in;
  *out = '\0';
  return key;
}

/* utf-8''%2Fa%20b, in place; NULL if it is none. */
static const char *extended(char *value) {
  static const char head[] = "utf-8''";
  if (strncasecmp(value, head, sizeof head - 1) != 0) return NULL;
  char *text = value + sizeof head - 1, *out = text;
  for (const char *in = text; *in != '\0'; in++) {
    int high, low;
    if (*in != '%') {
      *out++ = *in;
      continue;
    }
    if ((high = daytona__hex_digit(in[1])) < 0 || (low = daytona__hex_digit(in[2])) < 0 || (high | low) == 0)
      return NULL;
    *out++ = (char)(high << 4 | low);
    in += 2;
  }
  *out = '\0';
  return daytona__utf8_is_valid(text, (size_t)(out - text)) ? text : NULL;
}

static int read_disposition(char *line, daytona__multipart_part_t *part) {
  char *key, *value;
  bool is_extended = false;
  while ((key = next_param(&line, &value)) != NULL) {
    if (strcasecmp(key, "name") == 0) {
      part->name = value;
    } else if (strcasecmp(key, "filename*") == 0) {
      is_extended = true;
      if ((part->filename = extended(value)) == NULL) return DAYTONA_EPROTOCOL;
    } else if (strcasecmp(key, "filename") == 0 && !is_extended) {
      part->filename = value;
    }
  }
  return 0;
}

static int read_length(const char *value, daytona__multipart_part_t *part) {
  char *end;
  if (*value < '0' || *value > '9') return DAYTONA_EPROTOCOL;
  long long length = strtoll(value, &end, 10);
  if (end[strspn(end, " \t")] != '\0' || length < 0 || length == (long long)INT64_MAX)
    return DAYTONA_EPROTOCOL;
  part->length = length;
  return 0;
}

static int read_header(char *line, daytona__multipart_part_t *part) {
  static const char disposition[] = "Content-Disposition", type[] = "Content-Type",
                    length[] = "Content-Length";
  char *colon = strchr(line, ':');
  if (colon == NULL) return DAYTONA_EPROTOCOL;
  *colon = '\0';
  char *value = colon + 1 + strspn(colon + 1, " \t");
  if (strcasecmp(line, disposition) == 0) return read_disposition(value, part);
  if (strcasecmp(line, type) == 0) part->content_type = value;
  if (strcasecmp(line, length) == 0) return read_length(value, part);
  return 0;
}

/* All headers of a part are there, as lines that end in LF. */
static int begin_part(daytona__multipart_reader_t *reader) {
  daytona__multipart_part_t part = {.name = "", .content_type = "", .length = -1};
  int rc = 0;
  for (char *line = reader->headers.data; rc == 0 && line != NULL && *line != '\0';) {
    char *end = strchr(line, '\n');
    *end = '\0';
    if (end > line && end[-1] == '\r') end[-1] = '\0';
    if (*line != '\0') rc = read_header(line, &part);
    line = end + 1;
  }
  if (rc == 0) rc = reader->on_part(reader, &part);
  daytona__strbuf_clear(&reader->headers);
  reader->is_in_part = true;
  reader->left = part.length;
  reader->is_counted = part.length >= 0;
  reader->inside = 0;
  reader->state = part.length > 0 ? COUNTING : part.length == 0 ? EXPECTING : SCANNING;
  return rc;
}

static int header_byte(daytona__multipart_reader_t *reader, char c) {
  daytona__strbuf_t *headers = &reader->headers;
  if (c == '\0') return DAYTONA_EPROTOCOL;
  int rc = daytona__strbuf_putc(headers, c);
  if (rc != 0 || c != '\n') return rc;
  size_t size = headers->size;
  bool is_end = size == 1 || (size == 2 && headers->data[0] == '\r') || headers->data[size - 2] == '\n' ||
                (size >= 3 && headers->data[size - 2] == '\r' && headers->data[size - 3] == '\n');
  return is_end ? begin_part(reader) : 0;
}

/* --- between parts ----------------------------------------------------------------------------- */

static int end_part(daytona__multipart_reader_t *reader) {
  reader->matched = 0;
  reader->has_dash = reader->is_counted = false;
  if (!reader->is_in_part) return 0;
  reader->is_in_part = false;
  return reader->on_part_end(reader);
}

/* The delimiter is there; what follows decides whether it is one. *used is 0 when `c` is to be looked at again. */
static int judge(daytona__multipart_reader_t *reader, char c, size_t *used) {
  if (c == '-') {
    if (reader->has_dash) {
      reader->state = OVER;
      return end_part(reader);
    }
    reader->has_dash = true;
    return 0;
  }
  if (!reader->has_dash && (c == ' ' || c == '\t' || c == '\r' || c == '\n')) {
    reader->state = c == '\n' ? HEADERS : PADDING;
    return end_part(reader);
  }
  *used = 0;
  return unmatch(reader, c);
}

static int pad(daytona__multipart_reader_t *reader, char c) {
  if (c == '\n') reader->state = HEADERS;
  return c == '\n' || c == '\r' || c == ' ' || c == '\t' ? 0 : DAYTONA_EPROTOCOL;
}

size_t daytona__multipart_feed(daytona__multipart_reader_t *reader, const char *bytes, size_t size,
                               int *error) {
  size_t at = 0;
  *error = 0;
  reader->is_stopped = false;
  while (*error == 0 && at < size && give_held(reader) && !reader->is_stopped) {
    size_t used = 1;
    switch (reader->state) {
      case SCANNING: *error = scan(reader, bytes + at, size - at, &used); break;
      case COUNTING: used = count(reader, bytes + at, size - at); break;
      case EXPECTING: *error = match(reader, bytes[at], &used); break;
      case JUDGING: *error = judge(reader, bytes[at], &used); break;
      case PADDING: *error = pad(reader, bytes[at]); break;
      case HEADERS: *error = header_byte(reader, bytes[at]); break;
      default: return size; /* the epilogue is nobody's */
    }
    at += used;
  }
  return at;
}

/* --- writing ----------------------------------------------------------------------------------- */

int daytona__multipart_boundary(char out[DAYTONA__BOUNDARY_MAX + 1]) {
  unsigned char random[12];
  if (daytona__random(random, sizeof random) != 0) return DAYTONA_EFAILED;
  int at = snprintf(out, DAYTONA__BOUNDARY_MAX + 1, "----DaytonaUpload");
  for (size_t i = 0; i < sizeof random; i++)
    at += snprintf(out + at, (size_t)(DAYTONA__BOUNDARY_MAX + 1 - at), "%02x", random[i]);
  return 0;
}

const char *daytona__multipart_file_head(daytona__arena_t *arena, const char *boundary, size_t index,
                                         const char *path) {
  const char *slash = strrchr(path, '/');
  char *base = daytona__arena_strdup(arena, slash != NULL ? slash + 1 : path);
  if (base == NULL) return NULL;
  for (char *at = base; *at != '\0'; at++)
    if (*at == '"' || *at == '\\' || (unsigned char)*at < ' ' || *at == 0x7f) *at = '_';
  return daytona__arena_printf(arena,
                               "%s--%s\r\n"
                               "Content-Disposition: form-data; name=\"files[%zu].path\"\r\n\r\n"
                               "%s\r\n"
                               "--%s\r\n"
                               "Content-Disposition: form-data; name=\"files[%zu].file\"; filename=\"%s\"\r\n"
                               "Content-Type: application/octet-stream\r\n\r\n",
                               index != 0 ? "\r\n" : "", boundary, index, path, boundary, index,
                               *base != '\0' ? base : "upload");
}

const char *daytona__multipart_end(daytona__arena_t *arena, const char *boundary) {
  return daytona__arena_printf(arena, "\r\n--%s--\r\n", boundary);
}
