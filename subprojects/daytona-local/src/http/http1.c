/* SPDX-License-Identifier: Apache-2.0
 *
 * The reading half of an HTTP/1.x client. What it cannot read for sure is broken: a relay that
 * guesses where an answer ends would mix up two of them.
 */
#include "http/http1.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER };

void dl_http1_init(dl_http1 *p, bool is_head_request) {
  memset(p, 0, sizeof *p);
  p->is_head_request = is_head_request;
  p->length = -1;
  dl_buf_init(&p->head, DL_HTTP1_HEAD_MAX);
}

void dl_http1_clear(dl_http1 *p) { dl_buf_clear(&p->head); }

bool dl_http1_is_hop_header(const char *name) {
  static const char *const names[] = {
    "Connection", "Keep-Alive",        "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "TE",
    "Trailer",    "Transfer-Encoding", "Upgrade"};
  for (size_t i = 0; i < DL_COUNT(names); i++)
    if (strcasecmp(name, names[i]) == 0) return true;
  return false;
}

void dl_http1_each_header(const dl_http1 *p, void (*each)(void *user, const char *name, const char *value),
                          void *user) {
  const char *end = p->head.data + p->head.len;
  for (const char *line = p->head.data + strlen(p->head.data) + 1; line < end && *line != '\0';
       line += strlen(line) + 1) {
    char *name = dl_xstrndup(line, strcspn(line, ":"));
    const char *value = line + strlen(name) + 1;
    each(user, name, value + strspn(value, " \t"));
    free(name);
  }
}

static void note_header(void *user, const char *name, const char *value) {
  dl_http1 *p = user;
  int64_t length = -1;
  if (strcasecmp(name, "Content-Length") == 0) {
    bool ok = *value != '\0' && strspn(value, "0123456789") == strlen(value) &&
              dl_parse_int(value, 0, INT64_MAX / 2, &length);
    if (!ok || (p->length >= 0 && p->length != length)) p->state = DL_HTTP1_BROKEN;
    p->length = length;
  } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
    if (strcasecmp(value, "chunked") == 0)
      p->is_chunked = true;
    else if (strcasecmp(value, "identity") != 0)
      p->state = DL_HTTP1_BROKEN;
  }
}

/* Turn the head into NUL-ended lines, without blanks at their ends. False if it is no head. */
static bool split_head(dl_http1 *p) {
  dl_buf lines;
  dl_buf_init(&lines, DL_HTTP1_HEAD_MAX + 1);
  bool ok = true, is_first = true;
  for (const char *line = p->head.data, *end = line + p->head.len; ok && line < end;) {
    const char *stop = memchr(line, '\n', (size_t)(end - line));
    if (stop == NULL) break;
    size_t len = (size_t)(stop - line);
    while (len > 0 && isspace((unsigned char)line[len - 1])) len--;
    if (len == 0) break;
    const char *colon = memchr(line, ':', len);
    /* No folded lines, no blanks before the colon, no NUL. */
    ok = memchr(line, '\0', len) == NULL && !isspace((unsigned char)line[0]) &&
         (is_first || (colon != NULL && colon > line && !isspace((unsigned char)colon[-1])));
    is_first = false;
    ok = ok && dl_buf_append(&lines, line, len) && dl_buf_append(&lines, "", 1);
    line = stop + 1;
  }
  dl_buf_clear(&p->head);
  p->head = lines;
  return ok && lines.len > 0;
}

static void head_complete(dl_http1 *p) {
  if (!split_head(p) || strncmp(p->head.data, "HTTP/1.", 7) != 0 || strlen(p->head.data) < 12 ||
      p->head.data[8] != ' ' || strspn(p->head.data + 9, "0123456789") != 3) {
    p->state = DL_HTTP1_BROKEN;
    return;
  }
  p->status = atoi(p->head.data + 9);
  p->state = DL_HTTP1_BODY;
  dl_http1_each_header(p, note_header, p);
  if (p->state == DL_HTTP1_BROKEN) return;
  if (p->status == 101) {
    p->state = DL_HTTP1_UPGRADE;
  } else if (p->status < 200) { /* an interim answer: start over */
    bool is_head_request = p->is_head_request;
    dl_http1_clear(p);
    dl_http1_init(p, is_head_request);
  } else if (p->is_head_request || p->status == 204 || p->status == 304) {
    p->state = DL_HTTP1_DONE;
  } else if (p->is_chunked) {
    p->length = -1;
    p->chunk_state = CHUNK_SIZE;
  } else {
    p->left = p->length;
    if (p->left == 0) p->state = DL_HTTP1_DONE;
  }
}

static size_t feed_head(dl_http1 *p, const char *bytes, size_t len) {
  for (size_t i = 0; i < len; i++) {
    if (!dl_buf_append(&p->head, bytes + i, 1)) {
      p->state = DL_HTTP1_BROKEN;
      return i;
    }
    if (bytes[i] != '\n' || p->head.len < 2) continue;
    const char *end = p->head.data + p->head.len;
    bool is_blank = end[-2] == '\n' || (p->head.len >= 3 && end[-2] == '\r' && end[-3] == '\n');
    if (!is_blank) continue;
    head_complete(p);
    return i + 1;
  }
  return len;
}

static void chunk_size_known(dl_http1 *p) {
  p->line[p->line_len] = '\0';
  size_t digits = strspn(p->line, "0123456789abcdefABCDEF");
  if (digits == 0 || digits > 15) {
    p->state = DL_HTTP1_BROKEN;
    return;
  }
  p->left = (int64_t)strtoll(p->line, NULL, 16);
  p->line_len = 0;
  p->chunk_state = p->left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
}

/* One byte of what stands between chunks. */
static void feed_chunk_frame(dl_http1 *p, char byte) {
  switch (p->chunk_state) {
    case CHUNK_SIZE:
      if (byte == '\n')
        chunk_size_known(p);
      else if (byte == ';' || byte == '\r' || byte == ' ')
        p->chunk_state = CHUNK_EXTENSION;
      else if (p->line_len < sizeof p->line - 1)
        p->line[p->line_len++] = byte;
      else
        p->state = DL_HTTP1_BROKEN;
      break;
    case CHUNK_EXTENSION:
      if (byte == '\n') chunk_size_known(p);
      break;
    case CHUNK_DATA_END:
      if (byte == '\n')
        p->chunk_state = CHUNK_SIZE;
      else if (byte != '\r')
        p->state = DL_HTTP1_BROKEN;
      break;
    default: /* trailer lines until an empty one */
      if (byte == '\n' && p->line_len == 0)
        p->state = DL_HTTP1_DONE;
      else if (byte == '\n')
        p->line_len = 0;
      else if (byte != '\r')
        p->line_len = 1;
      break;
  }
}

static size_t feed_data(dl_http1 *p, const char *bytes, size_t len, const char **body, size_t *body_len) {
  if (p->left >= 0 && len > (size_t)p->left) len = (size_t)p->left;
  *body = bytes;
  *body_len = len;
  if (p->left < 0) return len;
  p->left -= (int64_t)len;
  if (p->left > 0) return len;
  if (p->is_chunked)
    p->chunk_state = CHUNK_DATA_END;
  else
    p->state = DL_HTTP1_DONE;
  return len;
}

size_t dl_http1_feed(dl_http1 *p, const char *bytes, size_t len, const char **body, size_t *body_len) {
  *body = NULL;
  *body_len = 0;
  if (len == 0) return 0;
  if (p->state == DL_HTTP1_HEAD) return feed_head(p, bytes, len);
  if (p->state != DL_HTTP1_BODY) return 0;
  if (!p->is_chunked || p->chunk_state == CHUNK_DATA) return feed_data(p, bytes, len, body, body_len);
  feed_chunk_frame(p, bytes[0]);
  return 1;
}

bool dl_http1_end(dl_http1 *p) {
  if (p->state == DL_HTTP1_BODY && !p->is_chunked && p->left < 0) p->state = DL_HTTP1_DONE;
  return p->state == DL_HTTP1_DONE;
}
