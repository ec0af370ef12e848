/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The format of the journal. Reading goes from record to record; where there is none it looks at every byte for the next.
 * That cannot find a record that a client has planted in a label: quotes of a text are escaped, and a record has some.
 */
#include "control/store/journal.h"

#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CRC_DIGITS 8
#define LEN_DIGITS_MAX 10
/* "<8 digits> <10 digits> " */
#define HEAD_MAX (CRC_DIGITS + 1 + LEN_DIGITS_MAX + 1)
#define KIND_MAX 32
#define ID_MAX 128

static uint32_t crc_table[256];

static void make_crc_table(void) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int bit = 0; bit < 8; bit++) c = c >> 1 ^ (0xedb88320u & -(c & 1u));
    crc_table[i] = c;
  }
}

static uint32_t crc32_of(const char *bytes, size_t len) {
  uint32_t crc = 0xffffffffu;
  if (crc_table[1] == 0) make_crc_table();
  for (size_t i = 0; i < len; i++) crc = crc >> 8 ^ crc_table[(crc ^ (unsigned char)bytes[i]) & 0xff];
  return ~crc;
}

char *dl_journal_encode(const char *kind, const char *id, const json_t *value) {
  json_t *record = json_pack("[s, s, O?]", kind, id, value);
  char *text = dl_json_text(record);
  json_decref(record);
  size_t len = strlen(text);
  char *line = dl_xprintf("%08x %zu %s\n", crc32_of(text, len), len, text);
  free(text);
  return line;
}

void dl_journal_apply(json_t *all, const char *kind, const char *id, json_t *value) {
  json_t *objects = json_object_get(all, kind);
  if (!objects) {
    objects = json_object();
    json_object_set_new(all, kind, objects);
  }
  if (value && !json_is_null(value))
    json_object_set(objects, id, value);
  else
    json_object_del(objects, id);
}

/* --- one record --- */

typedef struct {
  json_t *record; /* [kind, id, value] */
  size_t len;     /* with its line end, if it has one */
  bool has_end, is_as_written;
} found_t;

/* The number at `text`; how many of its characters it has, 0 for none. */
static size_t read_hex(const char *text, size_t len, uint32_t *out) {
  *out = 0;
  for (size_t i = 0; i < CRC_DIGITS; i++) {
    if (i >= len) return 0;
    char c = text[i];
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
    if (digit < 0) return 0;
    *out = *out << 4 | (uint32_t)digit;
  }
  return CRC_DIGITS;
}

static size_t read_decimal(const char *text, size_t len, size_t *out) {
  size_t i = 0;
  for (*out = 0; i < len && i < LEN_DIGITS_MAX && text[i] >= '0' && text[i] <= '9'; i++)
    *out = *out * 10 + (size_t)(text[i] - '0');
  return i;
}

/* The head of a record: 0 if there is none. */
static size_t read_head(const char *text, size_t len, uint32_t *crc, size_t *body_len) {
  size_t at = read_hex(text, len, crc);
  if (at == 0 || at >= len || text[at] != ' ') return 0;
  size_t digits = read_decimal(text + at + 1, len - at - 1, body_len);
  at += 1 + digits;
  if (digits == 0 || at >= len || text[at] != ' ') return 0;
  return at + 1;
}

static json_t *read_body(const char *body, size_t len) {
  json_error_t error;
  const char *kind, *id;
  json_t *record = json_loadb(body, len, JSON_ALLOW_NUL, &error), *value;
  if (record && json_unpack(record, "[s, s, o]", &kind, &id, &value) == 0) return record;
  json_decref(record);
  return NULL;
}

static bool is_kind(const char *text) {
  size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz");
  return len > 0 && len <= KIND_MAX && text[len] == '\0';
}

/* The record at the front. Where its length is wrong the end of the line is tried. */
static bool read_record(const char *text, size_t len, found_t *out) {
  uint32_t crc;
  size_t body_len, head = read_head(text, len, &crc, &body_len);
  if (head == 0 || len - head < 2 || text[head] != '[' || text[head + 1] != '"') return false;
  const char *body = text + head, *end = memchr(body, '\n', len - head);
  bool is_right = body_len <= len - head && crc32_of(body, body_len) == crc;
  if (!is_right && end) {
    body_len = (size_t)(end - body);
    if (crc32_of(body, body_len) != crc) return false;
  } else if (!is_right) {
    return false;
  }
  json_t *record = read_body(body, body_len);
  if (!record || !is_kind(json_string_value(json_array_get(record, 0)))) {
    json_decref(record);
    return false;
  }
  char canonical[HEAD_MAX + 8];
  int canonical_len = snprintf(canonical, sizeof canonical, "%08x %zu ", crc, body_len);
  bool has_end = head + body_len < len && body[body_len] == '\n';
  *out =
    (found_t){record, head + body_len + has_end, has_end,
              is_right && has_end && (size_t)canonical_len == head && memcmp(canonical, text, head) == 0};
  return true;
}

/* --- what cannot be read --- */

/* ["kind","id" where the body of a record may begin; false when there is no such thing. */
static bool read_names(const char *text, size_t len, char kind[KIND_MAX + 1], char id[ID_MAX + 1]) {
  char *const into[] = {kind, id};
  const size_t max[] = {KIND_MAX, ID_MAX};
  size_t at = 1;
  for (int i = 0; i < 2; i++) {
    size_t n = 0;
    if (at >= len || text[at++] != '"') return false;
    for (; at < len && text[at] != '"'; at++) {
      if (n == max[i] || text[at] < 0x20 || text[at] > 0x7e || text[at] == '\\') return false;
      into[i][n++] = text[at];
    }
    into[i][n] = '\0';
    if (at + 1 >= len || text[at + 1] != ',') return false;
    at += 2;
  }
  return is_kind(kind);
}

/* Every line that shows whose it is counts as a record, and so does the first; another may be the rest of one. */
static void note_damage(dl_replay_t *r, const char *text, size_t len) {
  char kind[KIND_MAX + 1], id[ID_MAX + 1], key[KIND_MAX + ID_MAX + 2];
  r->bad_bytes += len;
  for (bool is_first = true; len > 0; is_first = false) {
    const char *end = memchr(text, '\n', len);
    size_t line = end ? (size_t)(end - text) + 1 : len, at = 0;
    while (at < line && !(text[at] == '[' && read_names(text + at, line - at, kind, id))) at++;
    if (at < line) {
      snprintf(key, sizeof key, "%s %s", kind, id);
      json_object_set_new(r->lost, key, json_true());
    }
    if (at == line && is_first) r->unnamed_count++;
    if (at < line || is_first) r->bad_count++;
    text += line;
    len -= line;
  }
}

/* What a write leaves that was cut off: the beginning of a record, or nothing, and zeros where the file was already
 * longer than what had reached the disk. */
static bool is_unfinished(const char *text, size_t len) {
  uint32_t crc;
  size_t body_len;
  while (len > 0 && text[len - 1] == '\0') len--;
  size_t head = read_head(text, len, &crc, &body_len);
  if (head > 0) {
    for (size_t i = head; i < len; i++)
      if ((unsigned char)text[i] < 0x20) return false;
    return len - head < body_len && (len == head || text[head] == '[');
  }
  size_t at = 0;
  while (at < len && at < CRC_DIGITS && memchr("0123456789abcdef", text[at], 16)) at++;
  if (at == len) return true;
  if (at < CRC_DIGITS || text[at] != ' ') return false;
  return read_decimal(text + at + 1, len - at - 1, &body_len) == len - at - 1;
}

/* --- all of them --- */

/* Where the next record begins at or behind `at`; `len` if there is none. */
static size_t find_record(const char *text, size_t len, size_t at, found_t *out) {
  while (at < len && !read_record(text + at, len - at, out)) at++;
  return at;
}

static void take(json_t *all, dl_replay_t *r, const found_t *f) {
  const char *kind = json_string_value(json_array_get(f->record, 0)),
             *id = json_string_value(json_array_get(f->record, 1));
  char key[KIND_MAX + ID_MAX + 2];
  dl_journal_apply(all, kind, id, json_array_get(f->record, 2));
  snprintf(key, sizeof key, "%s %s", kind, id);
  json_object_del(r->lost, key);
  json_decref(f->record);
  r->record_count++;
  if (!f->is_as_written) r->needs_rewrite = true;
}

void dl_journal_replay(json_t *all, const char *text, size_t len, dl_replay_t *out) {
  dl_replay_t *r = out;
  bool lacks_end = false; /* the last record: the byte behind it may be what its line end has become */
  *r = (dl_replay_t){.lost = json_object()};
  for (size_t at = 0; at < len;) {
    found_t f = {0};
    size_t next = find_record(text, len, at, &f);
    if (lacks_end && next == at + 1)
      r->bad_bytes++;
    else if (next == len && is_unfinished(text + at, len - at))
      r->unfinished_bytes = len - at;
    else if (next > at)
      note_damage(r, text + at, next - at);
    if (next == len) break;
    take(all, r, &f);
    at = r->read_bytes = next + f.len;
    lacks_end = !f.has_end;
  }
}

void dl_replay_clear(dl_replay_t *r) { json_decref(r->lost); }
