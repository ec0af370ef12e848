/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader for XML as S3 clients write it: elements, text and entities; a declaration in front. Attributes are read
 * over. What is not well formed is refused as a whole. It keeps a depth and the names of open elements, no tree.
 */
#include "s3/xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 4 /* the list, a part, a field, and one more to be read over */
#define TEXT_MAX 256u

typedef struct {
  const char *at;
  size_t len;
} name_t;

typedef struct {
  const char *at, *end;
  name_t open[DEPTH_MAX];
  int depth;
  char text[TEXT_MAX + 1];
  size_t text_len;
  bool has_ended; /* the root is closed */
  dl_listed_part_t *parts;
  size_t count, room;
} reader_t;

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         c == '.' || c == ':';
}

static bool is_named(const name_t *name, const char *text) {
  return strlen(text) == name->len && memcmp(name->at, text, name->len) == 0;
}

static bool read_name(reader_t *r, name_t *name) {
  name->at = r->at;
  while (r->at < r->end && is_name_char(*r->at)) r->at++;
  name->len = (size_t)(r->at - name->at);
  return name->len > 0;
}

/* --- text --- */

static bool put(reader_t *r, char c) {
  if (r->text_len == TEXT_MAX || c == '\0') return false;
  r->text[r->text_len++] = c;
  return true;
}

/* &quot; &#34; &#x22; */
static bool read_entity(reader_t *r) {
  static const struct {
    const char *name;
    char value;
  } entities[] = {{"quot", '"'}, {"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"apos", '\''}};
  char name[8];
  size_t len = 0;
  for (r->at++; r->at < r->end && *r->at != ';'; r->at++) {
    if (len + 1 == sizeof name) return false;
    name[len++] = *r->at;
  }
  if (r->at == r->end) return false;
  name[len] = '\0';
  r->at++;
  for (size_t i = 0; i < DL_COUNT(entities); i++)
    if (strcmp(entities[i].name, name) == 0) return put(r, entities[i].value);
  if (name[0] != '#') return false;
  bool is_hex = name[1] == 'x';
  const char *digits = name + 1 + is_hex;
  char *end;
  if (strspn(digits, is_hex ? "0123456789abcdefABCDEF" : "0123456789") != strlen(digits) || *digits == '\0')
    return false;
  long value = strtol(digits, &end, is_hex ? 16 : 10);
  return value >= ' ' && value < 0x7f && put(r, (char)value);
}

/* --- elements --- */

/* Blanks and name="value" up to '>' or "/>". */
static bool read_attributes(reader_t *r, bool *is_empty) {
  name_t name;
  *is_empty = false;
  for (;;) {
    while (r->at < r->end && is_blank(*r->at)) r->at++;
    if (r->at == r->end) return false;
    if (*r->at == '>') return r->at++, true;
    if (*r->at == '/') {
      *is_empty = true;
      if (++r->at == r->end || *r->at != '>') return false;
      return r->at++, true;
    }
    if (!read_name(r, &name) || r->end - r->at < 2 || *r->at != '=') return false;
    char quote = *++r->at;
    if (quote != '"' && quote != '\'') return false;
    for (r->at++; r->at < r->end && *r->at != quote; r->at++)
      if (*r->at == '<') return false;
    if (r->at == r->end) return false;
    r->at++;
  }
}

static bool is_in_part(const reader_t *r) { return r->depth >= 2 && is_named(&r->open[1], "Part"); }

static bool begin(reader_t *r, const name_t *name) {
  if (r->depth == DEPTH_MAX || r->has_ended) return false;
  if (r->depth == 0 && !is_named(name, "CompleteMultipartUpload")) return false;
  r->open[r->depth++] = *name;
  r->text_len = 0;
  if (r->depth != 2 || !is_in_part(r)) return true;
  if (r->count == DL_PARTS_MAX) return false;
  if (r->count == r->room) {
    r->room = r->room ? r->room * 2 : 16;
    r->parts = dl_xrealloc(r->parts, r->room * sizeof *r->parts);
  }
  r->parts[r->count++] = (dl_listed_part_t){.sum = DL_SUM_NONE};
  return true;
}

/* The text of an element of a part. */
static bool take_field(reader_t *r, const name_t *name) {
  dl_listed_part_t *part = &r->parts[r->count - 1];
  char *text = r->text;
  r->text[r->text_len] = '\0';
  if (is_named(name, "PartNumber")) {
    size_t len = strlen(text);
    if (part->number != 0 || len == 0 || len > 5 || strspn(text, "0123456789") != len) return false;
    part->number = atoi(text);
    return part->number >= 1 && part->number <= (int)DL_PARTS_MAX;
  }
  if (is_named(name, "ETag")) {
    size_t len = strlen(text);
    if (len >= 2 && text[0] == '"' && text[len - 1] == '"') {
      text[len - 1] = '\0';
      text++;
    }
    if (part->etag[0] != '\0' || *text == '\0' || strlen(text) >= sizeof part->etag) return false;
    memcpy(part->etag, text, strlen(text) + 1);
    return true;
  }
  for (int kind = 0; kind < DL_SUM_MD5; kind++) {
    if (!is_named(name, dl_sum_element((dl_sum_kind_t)kind))) continue;
    if (part->sum != DL_SUM_NONE || strlen(text) >= sizeof part->sum_value) return false;
    part->sum = (dl_sum_kind_t)kind;
    memcpy(part->sum_value, text, strlen(text) + 1);
  }
  return true;
}

static bool finish(reader_t *r, const name_t *name) {
  if (r->depth == 0) return false;
  const name_t *open = &r->open[r->depth - 1];
  if (open->len != name->len || memcmp(open->at, name->at, name->len) != 0) return false;
  if (r->depth == 3 && is_in_part(r) && !take_field(r, name)) return false;
  if (r->depth == 2 && is_in_part(r)) {
    const dl_listed_part_t *part = &r->parts[r->count - 1];
    if (part->number == 0 || part->etag[0] == '\0') return false;
  }
  r->text_len = 0;
  if (--r->depth == 0) r->has_ended = true;
  return true;
}

/* At a '<'. */
static bool read_tag(reader_t *r) {
  name_t name;
  bool is_end = ++r->at < r->end && *r->at == '/', is_empty = false;
  if (is_end) {
    r->at++;
    if (!read_name(r, &name)) return false;
    while (r->at < r->end && is_blank(*r->at)) r->at++;
    if (r->at == r->end || *r->at != '>') return false;
    r->at++;
    return finish(r, &name);
  }
  if (!read_name(r, &name) || !read_attributes(r, &is_empty) || !begin(r, &name)) return false;
  return !is_empty || finish(r, &name);
}

static bool skip_declaration(reader_t *r) {
  if (r->end - r->at >= 3 && memcmp(r->at, "\xef\xbb\xbf", 3) == 0) r->at += 3;
  while (r->at < r->end && is_blank(*r->at)) r->at++;
  if (r->end - r->at < 5 || memcmp(r->at, "<?xml", 5) != 0) return true;
  while (r->end - r->at >= 2 && memcmp(r->at, "?>", 2) != 0) r->at++;
  if (r->end - r->at < 2) return false;
  r->at += 2;
  return true;
}

static bool read_document(reader_t *r) {
  if (!skip_declaration(r)) return false;
  while (r->at < r->end) {
    char c = *r->at;
    if (c == '<') {
      if (!read_tag(r)) return false;
    } else if (r->depth < 3) { /* between elements */
      if (!is_blank(c)) return false;
      r->at++;
    } else if (c == '&') {
      if (!read_entity(r)) return false;
    } else {
      if (!put(r, c)) return false;
      r->at++;
    }
  }
  return r->has_ended && r->count > 0;
}

dl_listed_part_t *dl_parts_read(const char *text, size_t len, size_t *count) {
  reader_t r = {.at = text, .end = text + len};
  if (len > DL_PARTS_DOCUMENT_MAX || !read_document(&r)) {
    free(r.parts);
    return NULL;
  }
  *count = r.count;
  return r.parts;
}
