/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of HTTP/1.x. What it cannot read for sure is broken: guessing where a message ends would mix up
 * two of them.
 *
 * A head is collected line by line up to its ceiling, then split in place, then understood. A body is passed through
 * without a copy. Everything between chunks is read byte by byte by one small machine.
 */
#include "http/http1.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
  CHUNK_SIZE,
  CHUNK_EXTENSION,
  CHUNK_SIZE_LF, /* the CR has come */
  CHUNK_DATA,
  CHUNK_DATA_CR,
  CHUNK_DATA_LF,
  TRAILER_START,
  TRAILER,
  TRAILER_LF,
  TRAILERS_END_LF
};

#define CHUNK_DIGITS_MAX 15u
/* How much more than the chunks themselves their lines may hold, over a whole body. */
#define EXCESS_MAX (16u * 1024)
/* What each chunk may have for its line without counting. */
#define EXCESS_FREE 16u

void dl_http1_init(dl_http1_t *p, bool is_head_request) {
  memset(p, 0, sizeof *p);
  p->is_head_request = is_head_request;
  p->length = -1;
  p->head_max = DL_HTTP1_HEAD_MAX;
  dl_buf_init(&p->head, p->head_max);
}

void dl_http1_init_request(dl_http1_t *p, size_t head_max) {
  memset(p, 0, sizeof *p);
  p->is_request = true;
  p->head_max = head_max;
  dl_buf_init(&p->head, p->head_max);
}

void dl_http1_clear(dl_http1_t *p) { dl_buf_clear(&p->head); }

static void break_off(dl_http1_t *p, int refusal, const char *problem) {
  p->state = DL_HTTP1_BROKEN;
  p->refusal = refusal;
  p->problem = problem;
}

/* --- characters --- */

static bool is_token_char(unsigned char c) {
  if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
  return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool is_control(unsigned char c) { return (c < ' ' && c != '\t') || c == 0x7f; }

static bool is_token_of(const char *text, size_t len) {
  for (size_t i = 0; i < len; i++)
    if (!is_token_char((unsigned char)text[i])) return false;
  return len > 0;
}

static bool has_control(const char *text, size_t len) {
  for (size_t i = 0; i < len; i++)
    if (is_control((unsigned char)text[i])) return true;
  return false;
}

bool dl_http1_is_token(const char *text) { return is_token_of(text, strlen(text)); }
bool dl_http1_is_value(const char *text) { return !has_control(text, strlen(text)); }

bool dl_http1_is_hop_header(const char *name) {
  static const char *const names[] = {
    "Connection", "Keep-Alive",        "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "TE",
    "Trailer",    "Transfer-Encoding", "Upgrade"};
  for (size_t i = 0; i < DL_COUNT(names); i++)
    if (strcasecmp(name, names[i]) == 0) return true;
  return false;
}

/* Digits only, and exact: a number that is read through a double is another one from 2^53 on. */
static bool parse_length(const char *text, int64_t *out) {
  size_t len = strlen(text);
  if (len == 0 || len > 18 || strspn(text, "0123456789") != len) return false;
  *out = (int64_t)strtoll(text, NULL, 10);
  return true;
}

/* Whether one of the words between commas is `word`. */
static bool has_word(const char *list, const char *word) {
  size_t word_len = strlen(word);
  while (*list != '\0') {
    list += strspn(list, ", \t");
    size_t len = strcspn(list, ",");
    size_t trimmed = len;
    while (trimmed > 0 && (list[trimmed - 1] == ' ' || list[trimmed - 1] == '\t')) trimmed--;
    if (trimmed == word_len && strncasecmp(list, word, word_len) == 0) return true;
    list += len;
  }
  return false;
}

/* --- headers --- */

void dl_http1_each_header(const dl_http1_t *p, void (*each)(void *user, const char *name, const char *value),
                          void *user) {
  const char *at = p->head.data + p->headers_at;
  for (size_t i = 0; i < p->header_count; i++) {
    const char *value = at + strlen(at) + 1;
    each(user, at, value);
    at = value + strlen(value) + 1;
  }
}

static void note_answer_header(void *user, const char *name, const char *value) {
  dl_http1_t *p = user;
  int64_t length = -1;
  if (strcasecmp(name, "Content-Length") == 0) {
    if (!parse_length(value, &length) || (p->length >= 0 && p->length != length)) p->state = DL_HTTP1_BROKEN;
    p->length = length;
  } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
    if (strcasecmp(value, "chunked") == 0)
      p->is_chunked = true;
    else if (strcasecmp(value, "identity") != 0)
      p->state = DL_HTTP1_BROKEN;
  }
}

/* Headers that decide something and have one value: of two, every reader picks its own. */
static const char *const SINGLE[] = {
  "Host",   "Content-Length", "Transfer-Encoding", "Authorization",
  "Origin", "Expect",         "Upgrade",           "X-Daytona-Preview-Token"};

typedef struct {
  dl_http1_t *parser;
  unsigned seen; /* bits, as in SINGLE */
  bool has_length, has_host, names_upgrade;
} request_headers_t;

static void note_request_header(void *user, const char *name, const char *value) {
  request_headers_t *h = user;
  dl_http1_t *p = h->parser;
  for (size_t i = 0; i < DL_COUNT(SINGLE); i++) {
    if (strcasecmp(name, SINGLE[i]) != 0) continue;
    if (h->seen & 1u << i) break_off(p, 400, "a header that may stand once stands twice");
    h->seen |= 1u << i;
  }
  if (strcasecmp(name, "Content-Length") == 0) {
    h->has_length = true;
    if (!parse_length(value, &p->length)) break_off(p, 400, "Content-Length is no number");
  } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
    p->is_chunked = true;
    if (strcasecmp(value, "chunked") != 0) break_off(p, 400, "the only transfer coding is chunked");
  } else if (strcasecmp(name, "Connection") == 0) {
    p->wants_close = p->wants_close || has_word(value, "close");
    h->names_upgrade = h->names_upgrade || has_word(value, "upgrade");
  } else if (strcasecmp(name, "Host") == 0) {
    p->host = value;
  } else if (strcasecmp(name, "Expect") == 0) {
    p->expects_continue = true;
    if (strcasecmp(value, "100-continue") != 0) break_off(p, 417, "nothing but 100-continue can be expected");
  } else if (strcasecmp(name, "Upgrade") == 0) {
    p->is_upgrade = true;
  }
}

/* --- heads --- */

/* Moves one header line to `out` as name and value. NULL, or what is wrong with it. */
static const char *split_header(dl_buf_t *out, const char *line, size_t len) {
  const char *colon = memchr(line, ':', len);
  if (line[0] == ' ' || line[0] == '\t') return "a header is folded";
  if (colon == NULL) return "a header has no colon";
  size_t name_len = (size_t)(colon - line);
  if (!is_token_of(line, name_len)) return "the name of a header holds what names cannot";
  const char *value = colon + 1, *end = line + len;
  while (value < end && (*value == ' ' || *value == '\t')) value++;
  while (end > value && (end[-1] == ' ' || end[-1] == '\t')) end--;
  if (has_control(value, (size_t)(end - value))) return "a header holds control characters";
  bool ok = dl_buf_append(out, line, name_len) && dl_buf_append(out, "", 1) &&
            dl_buf_append(out, value, (size_t)(end - value)) && dl_buf_append(out, "", 1);
  return ok ? NULL : "the head is too large";
}

/* Turns the head into NUL-ended texts. NULL, or what is wrong with it. */
static const char *split_head(dl_http1_t *p) {
  dl_buf_t texts;
  const char *problem = NULL, *line = p->head.data, *end = line + p->head.len;
  dl_buf_init(&texts, p->head_max + 2);
  for (bool is_first = true; problem == NULL; is_first = false) {
    const char *stop = memchr(line, '\n', (size_t)(end - line));
    if (stop == NULL) break;
    size_t len = (size_t)(stop - line);
    if (len > 0 && line[len - 1] == '\r') len--;
    if (len == 0) break;
    if (is_first) {
      if (has_control(line, len)) problem = "the first line holds control characters";
      dl_buf_append(&texts, line, len);
      dl_buf_append(&texts, "", 1);
      p->headers_at = texts.len;
    } else {
      problem = split_header(&texts, line, len);
      p->header_count++;
    }
    line = stop + 1;
  }
  dl_buf_clear(&p->head);
  p->head = texts;
  return texts.len == 0 ? "there is no first line" : problem;
}

static void begin_body(dl_http1_t *p) {
  p->state = DL_HTTP1_BODY;
  p->chunk_state = CHUNK_SIZE;
  if (p->is_chunked) {
    p->length = -1;
    return;
  }
  p->left = p->length;
  if (p->left == 0) p->state = DL_HTTP1_DONE;
}

static void answer_head_complete(dl_http1_t *p) {
  const char *first = p->head.data;
  if (split_head(p) != NULL || strncmp(p->head.data, "HTTP/1.", 7) != 0 || strlen(p->head.data) < 12 ||
      p->head.data[8] != ' ' || strspn(p->head.data + 9, "0123456789") != 3) {
    p->state = DL_HTTP1_BROKEN;
    return;
  }
  first = p->head.data;
  p->minor = first[7] > '0';
  p->status = atoi(first + 9);
  p->state = p->status >= 100 ? DL_HTTP1_BODY : DL_HTTP1_BROKEN;
  dl_http1_each_header(p, note_answer_header, p);
  if (p->state == DL_HTTP1_BROKEN) return;
  if (p->status == 101) {
    p->state = DL_HTTP1_UPGRADE;
  } else if (p->status < 200) { /* an interim response: start over */
    bool is_head_request = p->is_head_request;
    dl_http1_clear(p);
    dl_http1_init(p, is_head_request);
  } else if (p->is_head_request || p->status == 204 || p->status == 304) {
    p->state = DL_HTTP1_DONE;
  } else {
    begin_body(p);
  }
}

/* What the name of a host, its port and the brackets of an address are made of. */
static bool is_host(const char *text) {
  for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++)
    if (*at <= ' ' || *at == 0x7f || strchr("/\\?#@\"<>,", *at) != NULL) return false;
  return true;
}

/* Splits "GET /path HTTP/1.1" in place. */
static void read_request_line(dl_http1_t *p) {
  char *line = p->head.data, *blank = strchr(line, ' '), *target = blank != NULL ? blank + 1 : NULL;
  char *last = target != NULL ? strchr(target, ' ') : NULL;
  if (last == NULL || last == target || strchr(last + 1, ' ') != NULL || strchr(line, '\t') != NULL ||
      !is_token_of(line, (size_t)(blank - line))) {
    break_off(p, 400, "the request line is not METHOD TARGET VERSION");
    return;
  }
  *blank = *last = '\0';
  p->method = line;
  p->target = target;
  const char *version = last + 1;
  bool is_http = strncmp(version, "HTTP/", 5) == 0 && strlen(version) == 8 && version[6] == '.' &&
                 version[5] >= '0' && version[5] <= '9' && version[7] >= '0' && version[7] <= '9';
  if (!is_http)
    break_off(p, 400, "the version is not one of HTTP");
  else if (version[5] != '1')
    break_off(p, 505, "only HTTP/1.1 is spoken here");
  else
    p->minor = version[7] > '0';
}

/* Only paths, as this server has no business with other hosts. The absolute form that proxies get must name the
 * same host as the header, and leaves its path. */
static void read_target(dl_http1_t *p) {
  const char *target = p->target;
  size_t scheme = strncasecmp(target, "http://", 7) == 0    ? 7
                  : strncasecmp(target, "https://", 8) == 0 ? 8
                                                            : 0;
  if (scheme > 0) {
    const char *host = target + scheme;
    size_t len = strcspn(host, "/?#");
    if (p->host == NULL || strlen(p->host) != len || strncasecmp(host, p->host, len) != 0)
      break_off(p, 400, "the target names another host");
    p->target = host[len] == '/' ? host + len : "/";
    if (host[len] == '?' || host[len] == '#') break_off(p, 400, "the target has no path");
  } else if (target[0] != '/' && !(strcmp(target, "*") == 0 && strcmp(p->method, "OPTIONS") == 0)) {
    break_off(p, 400, "the target is not a path");
  }
  if (strchr(p->target, '#') != NULL) break_off(p, 400, "the target holds a fragment");
}

static void request_head_complete(dl_http1_t *p) {
  const char *problem = split_head(p);
  p->state = DL_HTTP1_BODY;
  if (problem != NULL) {
    break_off(p, 400, problem);
    return;
  }
  read_request_line(p);
  if (p->state == DL_HTTP1_BROKEN) return;
  request_headers_t h = {.parser = p};
  dl_http1_each_header(p, note_request_header, &h);
  if (p->header_count > DL_HTTP1_HEADERS_MAX) break_off(p, 431, "there are too many headers");
  if (h.has_length && p->is_chunked)
    break_off(p, 400, "Content-Length and Transfer-Encoding exclude each other");
  if (p->is_chunked && p->minor == 0) break_off(p, 400, "HTTP/1.0 has no transfer codings");
  if (p->minor > 0 && p->host == NULL) break_off(p, 400, "HTTP/1.1 needs a Host");
  if (p->host != NULL && !is_host(p->host)) break_off(p, 400, "Host is no host");
  if (p->state == DL_HTTP1_BROKEN) return;
  p->wants_close = p->wants_close || p->minor == 0;
  p->expects_continue = p->expects_continue && p->minor > 0;
  p->is_upgrade = p->is_upgrade && h.names_upgrade && p->minor > 0;
  read_target(p);
  if (p->state != DL_HTTP1_BROKEN) begin_body(p);
}

/* A line of the head is whole. True when it was the last one. */
static bool take_line_end(dl_http1_t *p) {
  const char *end = p->head.data + p->head.len;
  bool has_cr = p->head.len >= 2 && end[-2] == '\r';
  if (p->is_request && !has_cr) {
    break_off(p, 400, "a line ends without CR");
    return false;
  }
  size_t blank = has_cr ? 2 : 1;
  if (p->head.len == blank && p->is_request && !p->has_skipped_line) {
    /* One empty line in front, which some clients leave behind a body. */
    p->has_skipped_line = true;
    dl_buf_reset(&p->head);
    return false;
  }
  p->has_first_line = true;
  return p->head.len > blank ? end[-(ptrdiff_t)blank - 1] == '\n' : p->is_request;
}

static size_t feed_head(dl_http1_t *p, const char *bytes, size_t len) {
  size_t taken = 0;
  while (taken < len && p->state == DL_HTTP1_HEAD) {
    const char *at = bytes + taken, *stop = memchr(at, '\n', len - taken);
    size_t n = stop != NULL ? (size_t)(stop - at) + 1 : len - taken;
    bool is_first_line = p->is_request && !p->has_first_line;
    bool fits = dl_buf_append(&p->head, at, n);
    taken += n;
    if (is_first_line && (!fits || p->head.len > DL_HTTP1_TARGET_MAX))
      break_off(p, 414, "the request line is too long");
    else if (!fits)
      break_off(p, 431, "the head is too large");
    else if (is_first_line && !is_token_char((unsigned char)p->head.data[0]) && p->head.data[0] != '\r')
      break_off(p, 400, "this is not HTTP");
    else if (stop != NULL && take_line_end(p) && p->is_request)
      request_head_complete(p);
    else if (stop != NULL && !p->is_request && p->state == DL_HTTP1_HEAD && take_line_end(p))
      answer_head_complete(p);
  }
  return taken;
}

/* --- what stands between chunks --- */

static void chunk_size_known(dl_http1_t *p) {
  p->chunk_state = p->left > 0 ? CHUNK_DATA : TRAILER_START;
  size_t line = p->line_len, free_bytes = EXCESS_FREE + (p->left > 1 << 20 ? 1 << 20 : (size_t)p->left);
  p->excess = p->excess + line > free_bytes ? p->excess + line - free_bytes : 0;
  p->line_len = p->digits = 0;
  if (p->is_request && p->excess > EXCESS_MAX)
    break_off(p, 400, "the chunks hold more of lines than of data");
}

static void feed_chunk_size(dl_http1_t *p, char byte) {
  static const char digits[] = "0123456789abcdef";
  const char *digit = byte != '\0' ? strchr(digits, byte >= 'A' && byte <= 'F' ? byte | 0x20 : byte) : NULL;
  if (digit != NULL && p->digits < CHUNK_DIGITS_MAX) {
    p->left = (p->digits == 0 ? 0 : p->left) * 16 + (digit - digits);
    p->digits++;
  } else {
    break_off(p, 400, "the size of a chunk is no number");
  }
}

/* One byte of a line about a chunk. */
static void feed_chunk_line(dl_http1_t *p, char byte) {
  bool is_size = p->chunk_state == CHUNK_SIZE && p->digits > 0;
  if (++p->line_len > DL_HTTP1_CHUNK_LINE_MAX)
    break_off(p, 400, "the line of a chunk is too long");
  else if (p->chunk_state == CHUNK_SIZE_LF && byte != '\n')
    break_off(p, 400, "the line of a chunk ends in CR alone");
  else if (p->chunk_state == CHUNK_SIZE_LF)
    chunk_size_known(p);
  else if (byte == '\r' && (is_size || p->chunk_state == CHUNK_EXTENSION))
    p->chunk_state = CHUNK_SIZE_LF;
  else if (byte == '\n' && !p->is_request && (is_size || p->chunk_state == CHUNK_EXTENSION))
    chunk_size_known(p);
  else if (p->chunk_state == CHUNK_EXTENSION && is_control((unsigned char)byte))
    break_off(p, 400, "the line of a chunk holds control characters");
  else if (is_size && (byte == ';' || byte == ' ' || byte == '\t'))
    p->chunk_state = CHUNK_EXTENSION;
  else if (p->chunk_state == CHUNK_SIZE)
    feed_chunk_size(p, byte);
}

static void feed_chunk_end(dl_http1_t *p, char byte) {
  if (p->chunk_state == CHUNK_DATA_CR && byte == '\r')
    p->chunk_state = CHUNK_DATA_LF;
  else if (byte == '\n' && (p->chunk_state == CHUNK_DATA_LF || !p->is_request))
    p->chunk_state = CHUNK_SIZE;
  else
    break_off(p, 400, "a chunk does not end where it should");
}

/* Trailers are read over: nobody here wants them, and nothing in them may be believed. */
static void feed_trailer(dl_http1_t *p, char byte) {
  bool is_start = p->chunk_state == TRAILER_START, is_lf_due = p->chunk_state >= TRAILER_LF;
  if (++p->line_len > DL_HTTP1_TRAILERS_MAX)
    break_off(p, 431, "the trailers are too large");
  else if (is_lf_due && byte != '\n')
    break_off(p, 400, "a trailer ends in CR alone");
  else if (byte == '\n' && !is_lf_due && p->is_request)
    break_off(p, 400, "a trailer ends without CR");
  else if (byte == '\n' && (is_start || p->chunk_state == TRAILERS_END_LF))
    p->state = DL_HTTP1_DONE;
  else if (byte == '\n')
    p->chunk_state = TRAILER_START;
  else if (byte == '\r')
    p->chunk_state = is_start ? TRAILERS_END_LF : TRAILER_LF;
  else if (is_control((unsigned char)byte))
    break_off(p, 400, "a trailer holds control characters");
  else
    p->chunk_state = TRAILER;
}

static void feed_chunk_frame(dl_http1_t *p, char byte) {
  if (p->chunk_state <= CHUNK_SIZE_LF)
    feed_chunk_line(p, byte);
  else if (p->chunk_state <= CHUNK_DATA_LF)
    feed_chunk_end(p, byte);
  else
    feed_trailer(p, byte);
}

/* --- the body --- */

static size_t feed_data(dl_http1_t *p, const char *bytes, size_t len, const char **body, size_t *body_len) {
  if (p->left >= 0 && (uint64_t)len > (uint64_t)p->left) len = (size_t)p->left;
  *body = bytes;
  *body_len = len;
  if (p->left < 0) return len;
  p->left -= (int64_t)len;
  if (p->left > 0) return len;
  if (p->is_chunked)
    p->chunk_state = CHUNK_DATA_CR;
  else
    p->state = DL_HTTP1_DONE;
  return len;
}

void dl_http1_untake(dl_http1_t *p, size_t len) {
  if (len == 0 || p->left < 0) return;
  assert(p->state == DL_HTTP1_BODY || p->state == DL_HTTP1_DONE);
  p->state = DL_HTTP1_BODY;
  p->left += (int64_t)len;
  if (p->is_chunked) p->chunk_state = CHUNK_DATA;
}

size_t dl_http1_feed(dl_http1_t *p, const char *bytes, size_t len, const char **body, size_t *body_len) {
  *body = NULL;
  *body_len = 0;
  if (len == 0) return 0;
  if (p->state == DL_HTTP1_HEAD) return feed_head(p, bytes, len);
  if (p->state != DL_HTTP1_BODY) return 0;
  if (!p->is_chunked || p->chunk_state == CHUNK_DATA) return feed_data(p, bytes, len, body, body_len);
  size_t taken = 0;
  while (taken < len && p->state == DL_HTTP1_BODY && p->chunk_state != CHUNK_DATA)
    feed_chunk_frame(p, bytes[taken++]);
  return taken;
}

bool dl_http1_end(dl_http1_t *p) {
  if (p->state == DL_HTTP1_BODY && !p->is_chunked && p->left < 0) p->state = DL_HTTP1_DONE;
  return p->state == DL_HTTP1_DONE;
}
