/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of multipart forms. It is in one of three places: between parts (whole lines), in the
 * head of a part (whole lines), or in its content. `input` holds what cannot be judged yet: less
 * than a line, or less than a delimiter with what follows it, so memory does not grow with the
 * content. What counts as a delimiter follows the platform, which clients were written against:
 * two dashes and the boundary at the start of a line, followed by white space or two dashes.
 */
#include "toolbox/files/multipart.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BETWEEN, HEAD, CONTENT, OVER };

#define FEED_MAX (64u * 1024)

void dl_multipart_init(dl_multipart_t *m, const char *boundary, const dl_multipart_events_t *events,
                       void *user) {
  *m = (dl_multipart_t){.events = events, .user = user, .state = BETWEEN, .nl_len = 2};
  m->delimiter = dl_xprintf("\r\n--%s", boundary);
  m->delimiter_len = strlen(m->delimiter);
  dl_buf_init(&m->input, FEED_MAX + DL_MULTIPART_HEAD_MAX + 4096);
  dl_buf_init(&m->disposition, DL_MULTIPART_HEAD_MAX);
}

void dl_multipart_clear(dl_multipart_t *m) {
  free(m->delimiter);
  free(m->error);
  dl_buf_clear(&m->input);
  dl_buf_clear(&m->disposition);
}

/* BETWEEN -> HEAD -> CONTENT -> BETWEEN, and OVER from anywhere, once. */
static void set_state(dl_multipart_t *m, int to) {
  assert(m->state != OVER);
  assert(to == OVER || (m->state == BETWEEN && to == HEAD) || (m->state == HEAD && to == CONTENT) ||
         (m->state == CONTENT && to == BETWEEN));
  m->state = to;
}

/* Text in quotes with escapes, for messages. */
static char *quoted(const char *text, size_t len) {
  dl_buf_t out;
  dl_buf_init(&out, len * 4 + 2);
  dl_buf_puts(&out, "\"");
  for (size_t i = 0; i < len; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c == '"' || c == '\\')
      dl_buf_printf(&out, "\\%c", c);
    else if (c == '\r' || c == '\n' || c == '\t')
      dl_buf_printf(&out, "\\%c", c == '\r' ? 'r' : c == '\n' ? 'n' : 't');
    else if (c < 0x20 || c == 0x7f)
      dl_buf_printf(&out, "\\x%02x", c);
    else
      dl_buf_append(&out, &text[i], 1);
  }
  dl_buf_puts(&out, "\"");
  return dl_buf_take(&out);
}

static void fail(dl_multipart_t *m, char *text) {
  set_state(m, OVER);
  m->error = text;
}

static void fail_line(dl_multipart_t *m, const char *what, const char *line, size_t len) {
  char *text = quoted(line, len);
  fail(m, dl_xprintf("%s%s", what, text));
  free(text);
}

/* --- between parts --- */

static size_t skip_blanks(const char *text, size_t len) {
  size_t n = 0;
  while (n < len && (text[n] == ' ' || text[n] == '\t')) n++;
  return n;
}

static bool is_line_break(const dl_multipart_t *m, const char *text, size_t len) {
  return len == m->nl_len && memcmp(text, m->delimiter + 2 - m->nl_len, len) == 0;
}

static const char *dash_boundary(const dl_multipart_t *m) { return m->delimiter + 2; }
static size_t dash_boundary_len(const dl_multipart_t *m) { return m->delimiter_len - 2; }

/* `--boundary` and a line break. A first delimiter that ends with a bare line feed makes every line
 * break of the form a bare line feed. */
static bool is_delimiter_line(dl_multipart_t *m, const char *line, size_t len) {
  size_t at = dash_boundary_len(m);
  if (len < at || memcmp(line, dash_boundary(m), at) != 0) return false;
  at += skip_blanks(line + at, len - at);
  if (!m->has_parts && len - at == 1 && line[at] == '\n') {
    m->nl_len = 1;
    return true;
  }
  return is_line_break(m, line + at, len - at);
}

static bool is_final_line(const dl_multipart_t *m, const char *line, size_t len) {
  size_t at = dash_boundary_len(m);
  if (len < at + 2 || memcmp(line, dash_boundary(m), at) != 0 || memcmp(line + at, "--", 2) != 0)
    return false;
  at += 2;
  at += skip_blanks(line + at, len - at);
  return at == len || is_line_break(m, line + at, len - at);
}

static void take_line(dl_multipart_t *m, const char *line, size_t len) {
  if (is_delimiter_line(m, line, len)) {
    set_state(m, HEAD);
    m->has_parts = true;
    m->expects_part = m->last_was_disposition = false;
    m->head_len = 0;
    dl_buf_reset(&m->disposition);
  } else if (is_final_line(m, line, len)) {
    set_state(m, OVER);
  } else if (m->expects_part) {
    fail_line(m, "multipart: expecting a new Part; got line ", line, len);
  } else if (m->has_parts) {
    if (is_line_break(m, line, len))
      m->expects_part = true;
    else
      fail_line(m, "multipart: unexpected line in Next(): ", line, len);
  }
}

/* --- the head of a part --- */

static void begin_part(dl_multipart_t *m) {
  const char *value = m->disposition.data ? m->disposition.data : "";
  char *name = dl_header_is(value, "form-data") ? dl_header_param(value, "name") : NULL;
  char *filename = dl_header_param(value, "filename");
  set_state(m, CONTENT);
  m->has_data = false;
  m->events->on_part(m->user, &(dl_part_t){name ? name : "", filename});
  free(name);
  free(filename);
}

static void take_head_line(dl_multipart_t *m, const char *line, size_t len) {
  static const char wanted[] = "Content-Disposition";
  while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r')) len--;
  if (len == 0) {
    begin_part(m);
    return;
  }
  m->head_len += len;
  if (m->head_len > DL_MULTIPART_HEAD_MAX) {
    fail(m, dl_xstrdup("multipart: message too large"));
    return;
  }
  bool continues = line[0] == ' ' || line[0] == '\t';
  const char *colon = memchr(line, ':', len);
  if (!continues && colon == NULL) {
    fail_line(m, "malformed MIME header: missing colon: ", line, len);
    return;
  }
  if (!continues) {
    m->last_was_disposition =
      (size_t)(colon - line) == sizeof wanted - 1 && strncasecmp(line, wanted, sizeof wanted - 1) == 0;
    if (m->last_was_disposition) dl_buf_reset(&m->disposition);
    len -= (size_t)(colon + 1 - line);
    line = colon + 1;
  }
  if (m->last_was_disposition) dl_buf_append(&m->disposition, line, len);
}

/* --- content --- */

/* What follows `--boundary` at `at`: 1 delimiter, 0 not known yet, -1 content. */
static int judge(const char *at, size_t left, bool is_end) {
  if (left == 0) return is_end ? 1 : 0;
  if (strchr(" \t\r\n", at[0]) != NULL && at[0] != '\0') return 1;
  if (at[0] != '-') return -1;
  if (left == 1) return is_end ? 1 : 0;
  return at[1] == '-' ? 1 : -1;
}

static void give(dl_multipart_t *m, const char *bytes, size_t len) {
  if (len == 0) return;
  m->has_data = true;
  m->events->on_data(m->user, bytes, len);
}

static void end_part(dl_multipart_t *m) {
  set_state(m, BETWEEN);
  m->events->on_part_end(m->user, true);
}

/* The end of `bytes` that may be the start of a delimiter. */
static size_t held_back(const dl_multipart_t *m, const char *bytes, size_t len) {
  const char *delimiter = m->delimiter + 2 - m->nl_len;
  size_t delimiter_len = m->delimiter_len - 2 + m->nl_len;
  size_t window = len < delimiter_len ? len : delimiter_len - 1;
  const char *at = memrchr(bytes + len - window, delimiter[0], window);
  if (at == NULL) return 0;
  size_t left = len - (size_t)(at - bytes);
  return memcmp(at, delimiter, left) == 0 ? left : 0;
}

/* Returns how many bytes were used; 0 when more are needed. */
static size_t take_content(dl_multipart_t *m, const char *bytes, size_t len, bool is_end) {
  const char *delimiter = m->delimiter + 2 - m->nl_len;
  size_t delimiter_len = m->delimiter_len - 2 + m->nl_len, dash_len = dash_boundary_len(m);
  if (!m->has_data) {
    size_t common = len < dash_len ? len : dash_len;
    if (memcmp(bytes, dash_boundary(m), common) == 0) {
      int verdict = common < dash_len ? (is_end ? -1 : 0) : judge(bytes + dash_len, len - dash_len, is_end);
      if (verdict > 0) end_part(m);
      if (verdict >= 0) return 0;
    }
  }
  size_t used = 0;
  while (used < len) {
    const char *found = memmem(bytes + used, len - used, delimiter, delimiter_len);
    if (found == NULL) {
      size_t keep = held_back(m, bytes + used, len - used);
      give(m, bytes + used, len - used - keep);
      return len - keep;
    }
    size_t at = (size_t)(found - bytes);
    int verdict = judge(found + delimiter_len, len - at - delimiter_len, is_end);
    size_t upto = verdict < 0 ? at + delimiter_len : at;
    give(m, bytes + used, upto - used);
    used = upto;
    if (verdict > 0) end_part(m);
    if (verdict >= 0) return used;
  }
  return used;
}

/* --- the whole --- */

/* Uses up as much of the input as can be judged. */
static void work(dl_multipart_t *m, bool is_end) {
  size_t at = 0;
  while (m->state != OVER && at < m->input.len) {
    const char *bytes = m->input.data + at;
    size_t left = m->input.len - at;
    if (m->state == CONTENT) {
      at += take_content(m, bytes, left, is_end);
      if (m->state == CONTENT) break;
      continue;
    }
    const char *end = memchr(bytes, '\n', left);
    size_t len = end ? (size_t)(end - bytes) + 1 : left;
    if (m->state == BETWEEN && len > DL_MULTIPART_LINE_MAX) {
      fail(m, dl_xstrdup("multipart: NextPart: bufio: buffer full"));
    } else if (m->state == HEAD && len > DL_MULTIPART_HEAD_MAX) {
      fail(m, dl_xstrdup("multipart: message too large"));
    } else if (end == NULL) {
      break;
    } else if (m->state == BETWEEN) {
      take_line(m, bytes, len);
    } else {
      take_head_line(m, bytes, len);
    }
    at += len;
  }
  assert(at <= m->input.len);
  if (m->state == OVER)
    dl_buf_reset(&m->input);
  else
    dl_buf_consume(&m->input, at);
}

void dl_multipart_feed(dl_multipart_t *m, const char *bytes, size_t len) {
  while (len > 0 && m->state != OVER) {
    size_t part = len < FEED_MAX ? len : FEED_MAX;
    dl_buf_append(&m->input, bytes, part); /* the rest of the last round is always below its room */
    work(m, false);
    bytes += part;
    len -= part;
  }
}

void dl_multipart_finish(dl_multipart_t *m, bool is_whole) {
  const char *why = is_whole ? "EOF" : "unexpected EOF";
  if (m->state != OVER) work(m, true);
  if (m->state == OVER) return;
  const char *rest = m->input.data ? m->input.data : "";
  if (m->state == BETWEEN && is_final_line(m, rest, m->input.len)) {
    set_state(m, OVER);
    return;
  }
  if (m->state == HEAD && m->input.len > 0) take_head_line(m, rest, m->input.len);
  if (m->state == CONTENT) m->events->on_part_end(m->user, false);
  if (m->error == NULL) fail(m, dl_xprintf("multipart: NextPart: %s", why));
}
